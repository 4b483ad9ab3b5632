/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated data: show, append, batches, export, delete. */
#include "client/commands.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "client/commands/confirm.h"
#include "client/pieces/csv_head.h"
#include "client/files.h"
#include "client/listing.h"
#include "client/pieces/parts.h"
#include "client/terminal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define MAX_BATCH_LINES 100000000
#define KEY_BYTES       16
#define MAX_KEY_CHARS   240 /* the server takes 255, and a part's number is appended */

/* An upload in several requests. */
struct append {
    struct client *client;
    const char *path;
    const char *key; /* Idempotency-Key of the first request; the next are KEY.2, KEY.3 and so on */
    const char *source; /* its header; NULL: none */
    int n_sent;         /* requests */
    bool may_be_there;  /* something that was sent is stored, or may be */
    bool is_other;      /* the server knows the key from an upload of other rows */
    int64_t line;       /* of the file that the next request begins with; 0: it has no lines */
    double retry_s;
};

static char *data_path(struct client *client, const char *rest)
{
    return client_path(client, "/v1/models/", client_word(client, 0), rest, NULL);
}

static enum err_code show_data(struct client *client, struct err *err)
{
    return listing_describe(client, data_path(client, "/data"), err);
}

/* ---- append ---- */

/* The key of --key. Quotes around it are not part of it: the server drops them too. */
static enum err_code take_given_key(struct append *up, const char *key, struct err *err)
{
    size_t len = strlen(key);
    if (len > 2 && key[0] == '"' && key[len - 1] == '"') {
        key = arena_strndup(&up->client->arena, key + 1, len - 2);
        if (key == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a key");
        }
    }
    if (strpbrk(key, "\r\n") != NULL || *key == '\0' || strlen(key) > MAX_KEY_CHARS) {
        return err_set(err, ERR_INVALID, "a key is one line of 1 to %d characters", MAX_KEY_CHARS);
    }
    up->key = key;
    return ERR_OK;
}

static enum err_code make_key(struct append *up, struct err *err)
{
    unsigned char bytes[KEY_BYTES];
    struct textbuf text = textbuf_in(&up->client->arena);
    const char *given = up->client->args->values[OPT_KEY];
    if (given != NULL) {
        return take_given_key(up, given, err);
    }
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return err_set(err, ERR_INTERNAL, "the system has no random numbers for a key");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        textbuf_printf(&text, "%02x", bytes[i]);
    }
    up->key = text.data;
    return textbuf_failed(&text) ? err_set(err, ERR_NOMEM, "no memory for a key") : ERR_OK;
}

static enum err_code make_path(struct append *up, struct err *err)
{
    struct client *client = up->client;
    struct textbuf text = textbuf_in(&client->arena);
    const char *outputs = client->args->values[OPT_OUTPUTS];
    const char *source = client->args->values[OPT_SOURCE];
    char *path = data_path(client, "/data");
    const char *mark = "?";
    textbuf_puts(&text, path != NULL ? path : "");
    if (outputs != NULL) {
        textbuf_puts(&text, "?outputs=");
        connection_escape(&text, outputs);
        mark = "&";
    }
    if (client->args->values[OPT_SKIP] != NULL) {
        textbuf_printf(&text, "%son_duplicate=skip", mark);
        mark = "&";
    }
    if (client->args->values[OPT_MISSING] != NULL) {
        textbuf_printf(&text, "%smissing=allow", mark);
        mark = "&";
    }
    if (client->args->values[OPT_SKIP_NONFINITE] != NULL) {
        textbuf_printf(&text, "%son_nonfinite=skip", mark);
        mark = "&";
    }
    if (client->args->values[OPT_IDS] != NULL) {
        textbuf_printf(&text, "%sids=", mark);
        connection_escape(&text, client->args->values[OPT_IDS]);
    }
    if (source != NULL && strpbrk(source, "\r\n") != NULL) {
        return err_set(err, ERR_INVALID, "a source is one line of text");
    }
    if (source != NULL) {
        up->source = arena_printf(&client->arena, "Surrogate-Source: %s", source);
    }
    up->path = text.data;
    bool failed = path == NULL || textbuf_failed(&text) || (source != NULL && up->source == NULL);
    return failed ? err_set(err, ERR_NOMEM, "no memory for the request") : ERR_OK;
}

/* ", 3 duplicates": what a server noticed in the rows. A count, or an object that has it. */
static void print_noticed(const json_t *doc, const char *key, const char *noun)
{
    const json_t *found = json_object_get(doc, key);
    const json_t *number = json_is_object(found) ? json_object_get(found, "count") : found;
    json_int_t count = json_integer_value(number);
    if (count > 0) {
        printf(", %s", phrase_count(count, noun).text);
    }
}

/* What the server does not expect in a column, in words; each is a member of "warnings". */
static void print_warning(struct client *client, const char *name, const json_t *warning)
{
    static const struct {
        const char *code;
        const char *text;
    } known[] = {{"outside_bounds", "outside its bounds"},
                 {"not_positive", "not above 0"},
                 {"row_numbers", "only counts the rows, as an index does: is it an input?"}};
    const char *code = json_string_value(json_object_get(warning, "code"));
    const char *column = json_string_value(json_object_get(warning, "name"));
    const json_t *input = json_object_get(warning, "input");
    const json_t *place = input != NULL ? input : json_object_get(warning, "output");
    json_int_t rows = json_integer_value(json_object_get(warning, "rows"));
    const char *text = code;
    struct textbuf safe = textbuf_in(&client->arena);
    for (size_t i = 0; code != NULL && i < sizeof known / sizeof *known; i++) {
        text = strcmp(known[i].code, code) == 0 ? known[i].text : text;
    }
    textbuf_printf(&safe, "%s %lld", input != NULL ? "input" : "output",
                   (long long)json_integer_value(place));
    if (column != NULL) {
        textbuf_puts(&safe, ", ");
        terminal_escape(&safe, column);
    }
    if (code != NULL && !textbuf_failed(&safe)) {
        fflush(stdout);
        fprintf(stderr, "surrogated: %s: %s: %s in %s (%s)\n", name, safe.data, text,
                phrase_count(rows, "row").text, code);
    }
}

static enum err_code report_upload(struct append *up, const char *name, const struct answer *answer,
                                   int64_t *rows, struct err *err)
{
    json_t *doc = NULL;
    if (client_parse(answer, 0, &doc, err) != ERR_OK) {
        return err->code;
    }
    *rows = json_integer_value(json_object_get(doc, "rows"));
    if (!json_is_integer(json_object_get(doc, "rows"))) {
        err_set(err, ERR_CORRUPT, "the server's answer does not say how many rows it took");
    } else if (!up->client->json) {
        struct textbuf safe = textbuf_in(&up->client->arena);
        bool before = json_is_true(json_object_get(doc, "repeated"));
        terminal_escape(&safe, name);
        printf("%s: %s %s as batch %s, %s in all", textbuf_failed(&safe) ? "?" : safe.data,
               phrase_count(*rows, "row").text, before ? "had been appended" : "appended",
               client_member(up->client, doc, "batch"),
               client_member(up->client, doc, "total_rows"));
        print_noticed(doc, "duplicates", "duplicate");
        print_noticed(doc, "outliers", "outlier");
        print_noticed(doc, "failed_rows", "failed run");
        print_noticed(doc, "missing_values", "missing value");
        print_noticed(doc, "nonfinite", "skipped row");
        printf("\n");
        const json_t *warnings = json_object_get(doc, "warnings");
        for (size_t i = 0; !textbuf_failed(&safe) && i < json_array_size(warnings); i++) {
            print_warning(up->client, safe.data, json_array_get(warnings, i));
        }
    }
    json_decref(doc);
    return err->code != ERR_OK ? err->code : client_flush(err);
}

/* One request; *rows: what it added. */
static enum err_code send_one(struct append *up, const struct payload *payload, const char *name,
                              int64_t *rows, struct err *err)
{
    struct answer answer;
    char *header = arena_printf(&up->client->arena, "Idempotency-Key: %s", up->key);
    if (up->n_sent > 0) {
        header =
            arena_printf(&up->client->arena, "Idempotency-Key: %s.%d", up->key, up->n_sent + 1);
    }
    char *line = up->line > 1
                     ? arena_printf(&up->client->arena, "Surrogate-First-Line: %" PRId64, up->line)
                     : NULL;
    if (up->line > 1 && line == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    struct call call = {
        .method = "POST",
        .path = header != NULL ? up->path : NULL,
        .payload = *payload,
        .headers = {header, line != NULL ? line : up->source, line != NULL ? up->source : NULL},
        .retry_s = up->retry_s,
        .repeats = true};
    enum err_code code = client_call(up->client, &call, &answer, err);
    /* Only a status of 4xx means that nothing was stored; the 504 of a proxy says nothing. */
    up->may_be_there |= answer.status / 100 != 4 && connection_reached(up->client->connection);
    up->is_other = answer.status == 422;
    if (code == ERR_OK) {
        err_kept(report_upload(up, name, &answer, rows, err));
    }
    answer_release(&answer);
    up->n_sent++;
    return err->code;
}

static enum err_code append_csv(struct append *up, const struct input *input, struct err *err)
{
    struct parts parts;
    int64_t max = 0;
    int64_t before = 0;
    const char *text = NULL;
    struct csv_head head;
    size_t len = 1;
    if (args_int(up->client->args, OPT_BATCH_LINES, 1, MAX_BATCH_LINES, &max, err) != ERR_OK ||
        csv_head_init(input->type, &head, err) != ERR_OK ||
        parts_open(input->file, &parts, err) != ERR_OK) {
        return err->code;
    }
    while (parts_next(&parts, max, &text, &len, err) == ERR_OK &&
           (parts.n_records > 0 || !head.begun)) {
        int64_t rows = 0;
        struct payload payload;
        if (csv_head_next(&head, text, len, &up->client->arena, &payload, err) != ERR_OK) {
            break;
        }
        /* The server tells lines of the file, of which the line of names is none. */
        up->line = parts.line - (payload.before != NULL);
        if (send_one(up, &payload, input->name, &rows, err) != ERR_OK) {
            break;
        }
        before += rows;
    }
    if (err->code != ERR_OK && before > 0) {
        err_prefix(err, "after storing %s", phrase_count(before, "row").text);
    }
    parts_release(&parts);
    return err->code;
}

/* JSON, npy or npz. What comes from a pipe is read first, since it may have to be sent twice. */
static enum err_code append_whole(struct append *up, struct input *input, struct err *err)
{
    struct payload payload = {.type = input->type, .file = input->file};
    int64_t rows = 0;
    char *bytes = NULL;
    if (!input_can_rewind(input)) {
        payload.file = NULL;
        if (input_read(input, &bytes, &payload.n_bytes, err) != ERR_OK) {
            return err->code;
        }
        payload.bytes = bytes;
    }
    err_kept(send_one(up, &payload, input->name, &rows, err));
    mem_free(bytes);
    return err->code;
}

static enum err_code append_file(struct append *up, const char *name, struct err *err)
{
    struct input input;
    if (input_open(up->client, name, &input, err) != ERR_OK) {
        return err->code;
    }
    if (input.format == FORMAT_CSV) {
        err_kept(append_csv(up, &input, err));
    } else {
        err_kept(append_whole(up, &input, err));
    }
    if (err->code != ERR_OK && err->code != ERR_IO) {
        err_prefix(err, "%.60s", input.name);
    }
    input_close(&input);
    return err->code;
}

static enum err_code append_files(struct client *client, struct err *err)
{
    struct append up = {.client = client};
    if (client_retry_s(client, &up.retry_s, err) != ERR_OK || make_key(&up, err) != ERR_OK ||
        make_path(&up, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 2; i < client->args->n_words && err->code == ERR_OK; i++) {
        err_kept(append_file(&up, client->args->words[i], err));
    }
    if (err->code != ERR_OK && up.may_be_there && !up.is_other) {
        client->hint =
            arena_printf(&client->arena,
                         "the same command with --key %s adds the rows that are missing", up.key);
    }
    return err->code;
}

/* ---- the others ---- */

static enum err_code add_batches(struct client *client, const json_t *page, struct table *table,
                                 struct err *err)
{
    static const char *const keys[] = {"batch",      "rows",     "created", "format",
                                       "duplicates", "outliers", "source"};
    const json_t *list = client_list(page, "batches", err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        table_row(table);
        for (int j = 0; j < (int)(sizeof keys / sizeof *keys); j++) {
            table_cell(table, j, "%s", client_member(client, row, keys[j]));
        }
        table_cell(table, 2, "%s",
                   phrase_ago(json_string_value(json_object_get(row, "created"))).text);
    }
    return err->code;
}

/* The list comes in pages: "next" is the batch after which the next page begins. */
static enum err_code list_batches(struct client *client, struct err *err)
{
    struct table table =
        table_in(&client->arena, ">BATCH|>ROWS|CREATED|FORMAT|>DUPLICATES|>OUTLIERS|SOURCE");
    char next[32] = "";
    do {
        struct answer answer;
        json_t *page = NULL;
        const char *rest = *next != '\0' ? "/data/batches?after=" : "/data/batches";
        char *path = client_path(client, "/v1/models/", client_word(client, 0), rest, next, NULL);
        struct call call = {.method = "GET", .path = path};
        next[0] = '\0';
        if (client_call(client, &call, &answer, err) == ERR_OK &&
            client_parse(&answer, 0, &page, err) == ERR_OK &&
            add_batches(client, page, &table, err) == ERR_OK) {
            const json_t *after = json_object_get(page, "next");
            if (json_is_integer(after)) {
                snprintf(next, sizeof next, "%lld", (long long)json_integer_value(after));
            }
        }
        json_decref(page);
        answer_release(&answer);
    } while (err->code == ERR_OK && *next != '\0');
    if (err->code == ERR_OK && !client->json) {
        err_kept(table_print(&table, stdout, err));
    }
    return err->code;
}

static enum err_code export_rows(struct client *client, struct err *err)
{
    static const char *const rest[] = {[FORMAT_CSV] = "/data/rows?format=csv",
                                       [FORMAT_JSON] = "/data/rows?format=json",
                                       [FORMAT_NPY] = "/data/rows?format=npy",
                                       [FORMAT_NPZ] = "/data/rows?format=npz"};
    enum file_format format;
    const char *out = client->args->values[OPT_OUT];
    const char *batch = client->args->values[OPT_BATCH];
    if (files_format(client, out != NULL ? out : "-", &format, err) != ERR_OK) {
        return err->code;
    }
    char *path = data_path(client, rest[format]);
    if (path != NULL && batch != NULL) {
        path = client_path(client, path, "", "&batch=", batch, NULL);
    }
    struct call call = {.method = "GET", .path = path};
    return files_save(client, &call, format == FORMAT_NPY || format == FORMAT_NPZ, err);
}

static enum err_code delete_rows(struct client *client, struct err *err)
{
    struct answer answer;
    const char *batch = client->args->values[OPT_BATCH];
    char *path = batch != NULL ? client_path(client, "/v1/models/", client_word(client, 0),
                                             "/data/batches/", batch, NULL)
                               : data_path(client, "/data");
    char *question =
        arena_printf(&client->arena, "delete all rows of model %s?", client_word(client, 0));
    struct call call = {.method = "DELETE", .path = path};
    if (question == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (batch == NULL && confirm(client, question, err) != ERR_OK) {
        return err->code;
    }
    if (client_call(client, &call, &answer, err) == ERR_OK && !client->json) {
        json_t *doc = NULL;
        err_kept(client_parse(&answer, 0, &doc, err));
        json_int_t rows = json_integer_value(json_object_get(doc, "deleted_rows"));
        if (err->code == ERR_OK) {
            printf("%s: %s deleted\n", client_word(client, 0), phrase_count(rows, "row").text);
        }
        json_decref(doc);
    }
    answer_release(&answer);
    return err->code;
}

enum err_code command_data(struct client *client, struct err *err)
{
    static const struct verb verbs[] = {{"show", 2, 2, show_data},
                                        {"append", 3, 1 << 20, append_files},
                                        {"batches", 2, 2, list_batches},
                                        {"export", 2, 2, export_rows},
                                        {"delete", 2, 2, delete_rows}};
    if (client_check_words(client, 1, 1 << 20, err) != ERR_OK) {
        return err->code;
    }
    return client_run_verb(client, verbs, sizeof verbs / sizeof *verbs, 1, err);
}
