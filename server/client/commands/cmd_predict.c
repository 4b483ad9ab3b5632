/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated predict. CSV is sent in parts of whole rows, each with the names of the first; JSON
 * and NumPy files are sent as they are. The server reads the numbers.
 */
#include "client/commands.h"

#include "base/numtext.h"
#include "base/phrase.h"
#include "client/answer_table.h"
#include "client/pieces/csv_head.h"
#include "client/describe.h"
#include "client/files.h"
#include "client/pieces/parts.h"
#include "formats/json_write.h"
#include "formats/text/text_number.h"
#include "predict/predict_result.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PIECE_ROWS 5000

struct prediction {
    struct client *client;
    int64_t version; /* 0: as --version says; else the one that answered first */
    double retry_s;
    const char *first_line; /* a header, with a part of a table */
    struct answer_table table;
    json_t *warnings;     /* of the first answer */
    struct arena scratch; /* cleared after each request */
};

/* ---- what is asked for ---- */

#define MAX_ITEM 64 /* with its end */

/* Options of the client that are options of results; each has the name of its result. */
#define OPTION_OF_NONE(flag, name)
#define OPTION_OF_LEVELS(flag, name)       {name, OPT_##flag},
#define OPTION_OF_TOTAL_LEVELS(flag, name) {name, OPT_##flag},
#define OPTION_OF_COVERAGES(flag, name)    {name, OPT_##flag},
#define OPTION_OF_DRAWS(flag, name)
#define OPTION_OF_BETWEEN(flag, name)
#define OPTION_OF_ALTERNATIVE(flag, name)
static const struct {
    const char *key;
    enum option option;
} level_options[] = {
#define RESULT(FLAG, field, name, shape, join, option) OPTION_OF_##option(FLAG, name)
#include "predict/results.def"
#undef RESULT
};
enum { N_LEVEL_OPTIONS = sizeof level_options / sizeof *level_options };

static const char *result_names(const struct args *args)
{
    const char *names = args->values[OPT_RETURN];
    return names != NULL ? names : options_table[OPT_RETURN].standard;
}

/*
 * The first item of a list separated by commas, cut to its room, and what follows, or NULL. Returns
 * the item's whole length.
 */
static size_t next_item(const char **list, char item[MAX_ITEM])
{
    size_t len = strcspn(*list, ",");
    snprintf(item, MAX_ITEM, "%.*s", (int)(len < MAX_ITEM ? len : MAX_ITEM - 1), *list);
    *list = (*list)[len] == ',' ? *list + len + 1 : NULL;
    return len;
}

static void write_names(struct json_write *json, const char *key, const char *names)
{
    json_write_array(json, key);
    while (names != NULL) {
        char name[MAX_ITEM];
        (void)next_item(&names, name);
        json_write_text(json, NULL, name);
    }
    json_write_array_end(json);
}

/* What an item is, without the blanks around it. */
static enum text_value read_item(const char *text, double *value)
{
    size_t start = strspn(text, " \t");
    size_t len = strlen(text + start);
    while (len > 0 && (text[start + len - 1] == ' ' || text[start + len - 1] == '\t')) {
        len--;
    }
    return text_number_read(text + start, len, NULL, value);
}

/* "0.1, -2e3" as JSON numbers. */
static enum err_code write_numbers(struct json_write *json, const char *key, const char *option,
                                   const char *numbers, struct err *err)
{
    json_write_array(json, key);
    while (numbers != NULL) {
        char number[MAX_ITEM];
        double value = 0.0;
        if (next_item(&numbers, number) >= MAX_ITEM || read_item(number, &value) != TEXT_NUMBER) {
            return err_set(err, ERR_INVALID, "--%s: \"%.40s\" is not a finite number", option,
                           number);
        }
        json_write_real(json, NULL, value);
    }
    json_write_array_end(json);
    return ERR_OK;
}

/* "0.5, 2, steel" as a row: numbers, and members of categories as text. */
static enum err_code write_row(struct json_write *json, const char *values, struct err *err)
{
    json_write_array(json, "inputs");
    json_write_array(json, NULL);
    while (values != NULL) {
        char text[MAX_ITEM];
        double value = 0.0;
        bool whole = next_item(&values, text) < MAX_ITEM;
        enum text_value kind = read_item(text, &value);
        if (!whole || kind == TEXT_MISSING || kind == TEXT_INFINITE) {
            return err_set(err, ERR_INVALID, "--at: \"%.40s\" is not a finite number", text);
        }
        if (kind == TEXT_NUMBER) {
            json_write_real(json, NULL, value);
        } else {
            json_write_text(json, NULL, text + strspn(text, " \t"));
        }
    }
    json_write_array_end(json);
    json_write_array_end(json);
    return ERR_OK;
}

/* The members "return", "quantiles" and the like, and the end of the request's object. */
static enum err_code write_options(const struct args *args, struct json_write *json,
                                   struct err *err)
{
    write_names(json, "return", result_names(args));
    for (int i = 0; i < N_LEVEL_OPTIONS; i++) {
        const char *key = level_options[i].key;
        const char *levels = args->values[level_options[i].option];
        if (levels != NULL && write_numbers(json, key, key, levels, err) != ERR_OK) {
            return err->code;
        }
    }
    json_write_object_end(json);
    json_write_end(json);
    return ERR_OK;
}

/* The same as a query, for npy. */
static void put_query(const struct args *args, struct textbuf *text)
{
    textbuf_puts(text, "?return=");
    connection_escape(text, result_names(args));
    for (int i = 0; i < N_LEVEL_OPTIONS; i++) {
        const char *levels = args->values[level_options[i].option];
        if (levels != NULL) {
            textbuf_printf(text, "&%s=", level_options[i].key);
            connection_escape(text, levels);
        }
    }
}

static bool has_options(const struct args *args)
{
    bool given = args->values[OPT_RETURN] != NULL;
    for (int i = 0; i < N_LEVEL_OPTIONS; i++) {
        given = given || args->values[level_options[i].option] != NULL;
    }
    return given;
}

/* A few numbers for each row, as answer_table makes columns of. */
static bool is_table(enum predict_shape shape)
{
    switch (shape) {
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_LEVELS_N_O:
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
    case PREDICT_SHAPE_ENDS_N_O:
    case PREDICT_SHAPE_PAIR_N:
        return true;
    case PREDICT_SHAPE_N_O_O:
    case PREDICT_SHAPE_O_N_N:
    case PREDICT_SHAPE_SAMPLES_N_O:
    case PREDICT_SHAPE_PAIR_N_O_D:
        break;
    }
    return false;
}

/* Refuses what cannot be printed before it is computed. */
static enum err_code check_names(const struct client *client, struct err *err)
{
    const char *names = client->json ? NULL : result_names(client->args);
    while (names != NULL) {
        char name[MAX_ITEM];
        enum predict_index index;
        (void)next_item(&names, name);
        if (predict_result_find(name, &index) && !is_table(predict_kinds[index].shape)) {
            return err_set(err, ERR_INVALID, "%s is not a table; --json prints it", name);
        }
    }
    return ERR_OK;
}

/* ---- a request ---- */

static char *make_path(struct prediction *p, struct err *err)
{
    const char *model = args_word(p->client->args, 0);
    const char *version = p->client->args->values[OPT_VERSION];
    char number[32];
    if (p->version > 0) {
        snprintf(number, sizeof number, "%" PRId64, p->version);
        version = number;
    }
    char *path = version != NULL ? client_path(p->client, "/v1/models/", model, "/versions/",
                                               version, "/predict", NULL)
                                 : client_path(p->client, "/v1/models/", model, "/predict", NULL);
    if (path == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the request");
    }
    return path;
}

/* One request and its rows of the table. */
static enum err_code send_rows(struct prediction *p, const char *path,
                               const struct payload *payload, struct err *err)
{
    struct answer answer;
    json_t *doc = NULL;
    struct call call = {.method = "POST",
                        .path = path,
                        .payload = *payload,
                        .headers = {"Accept: application/json", p->first_line},
                        .retry_s = p->retry_s};
    if (client_call(p->client, &call, &answer, err) == ERR_OK && !p->client->json &&
        client_parse(&answer, JSON_DECODE_INT_AS_REAL, &doc, err) == ERR_OK &&
        answer_table_add(&p->table, doc, &p->scratch, err) == ERR_OK) {
        if (p->warnings == NULL) {
            p->warnings = json_incref(json_object_get(doc, "warnings"));
        }
        p->version = (int64_t)json_number_value(json_object_get(doc, "version"));
        err_kept(client_flush(err));
    }
    json_decref(doc);
    answer_release(&answer);
    return err->code;
}

static enum err_code send_text(struct prediction *p, struct textbuf *text, struct err *err)
{
    char *path = make_path(p, err);
    if (path == NULL) {
        return err->code;
    }
    if (textbuf_failed(text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    struct payload payload = {
        .type = "application/json", .bytes = text->data, .n_bytes = text->len};
    return send_rows(p, path, &payload, err);
}

/* The path of a request whose options are its query. NULL: no memory. */
static const char *make_url(struct prediction *p, struct err *err)
{
    struct textbuf url = textbuf_in(&p->scratch);
    char *path = make_path(p, err);
    if (path != NULL) {
        textbuf_puts(&url, path);
        put_query(p->client->args, &url);
    }
    if (path == NULL || textbuf_failed(&url)) {
        err_set(err, ERR_NOMEM, "no memory for the request");
        return NULL;
    }
    return url.data;
}

/* A part of a table; the server tells lines of the file. */
static enum err_code send_part(struct prediction *p, const struct payload *payload, int64_t line,
                               struct err *err)
{
    const char *url = make_url(p, err);
    p->first_line = arena_printf(&p->scratch, "Surrogate-First-Line: %" PRId64, line);
    if (p->first_line == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (url != NULL) {
        err_kept(send_rows(p, url, payload, err));
    }
    p->first_line = NULL;
    return err->code;
}

/* With --json one request has all rows, so that there is one answer. */
static enum err_code predict_csv(struct prediction *p, const struct input *input, struct err *err)
{
    struct parts parts;
    struct csv_head head;
    const char *text = NULL;
    size_t len = 1;
    if (p->client->json) {
        struct payload whole = {.type = input->type, .file = input->file};
        const char *url = make_url(p, err);
        return url != NULL ? send_rows(p, url, &whole, err) : err->code;
    }
    if (csv_head_init(input->type, &head, err) != ERR_OK ||
        parts_open(input->file, &parts, err) != ERR_OK) {
        return err->code;
    }
    while (parts_next(&parts, PIECE_ROWS, &text, &len, err) == ERR_OK &&
           (parts.n_records > 0 || !head.begun)) {
        struct payload payload;
        if (parts.n_records == 0) {
            err_set(err, ERR_SYNTAX, "there are no rows");
            break;
        }
        if (csv_head_next(&head, text, len, &p->client->arena, &payload, err) != ERR_OK) {
            break;
        }
        if (send_part(p, &payload, parts.line - (payload.before != NULL), err) != ERR_OK) {
            break;
        }
        arena_clear(&p->scratch);
    }
    parts_release(&parts);
    return err->code;
}

/* An array is the rows; an object is a whole request, and options would contradict it. */
static enum err_code predict_json(struct prediction *p, struct input *input, struct err *err)
{
    const struct args *args = p->client->args;
    struct textbuf text = textbuf_in(&p->scratch);
    struct json_write json = json_write_to(&text);
    struct payload payload = {.type = "application/json", .file = input->file};
    bool is_rows = input_peek(input) == '[';
    char *path = make_path(p, err);
    json_write_object(&json, NULL);
    /* A NUL marks the place of the rows: what is before it is sent before the file, the rest
     * after. */
    json_write_raw_bytes(&json, "inputs", "", 1);
    if (path == NULL || write_options(args, &json, err) != ERR_OK) {
        return err->code;
    }
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (is_rows) {
        payload.before = text.data;
        payload.after = text.data + strlen(text.data) + 1;
    } else if (has_options(args)) {
        return err_set(err, ERR_INVALID,
                       "%.80s is a whole request, which says itself what to return", input->name);
    }
    return send_rows(p, path, &payload, err);
}

static enum err_code predict_npy(struct prediction *p, const struct input *input, struct err *err)
{
    struct payload payload = {.type = input->type, .file = input->file};
    const char *url = make_url(p, err);
    return url != NULL ? send_rows(p, url, &payload, err) : err->code;
}

static enum err_code predict_row(struct prediction *p, struct err *err)
{
    struct textbuf text = textbuf_in(&p->scratch);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    if (write_row(&json, p->client->args->values[OPT_AT], err) != ERR_OK ||
        write_options(p->client->args, &json, err) != ERR_OK) {
        return err->code;
    }
    return send_text(p, &text, err);
}

static enum err_code predict_file(struct prediction *p, struct err *err)
{
    struct input input;
    const char *name = args_word(p->client->args, 1);
    if (input_open(p->client, name != NULL ? name : "-", &input, err) != ERR_OK) {
        return err->code;
    }
    switch (input.format) {
    case FORMAT_CSV:
        err_kept(predict_csv(p, &input, err));
        break;
    case FORMAT_JSON:
        err_kept(predict_json(p, &input, err));
        break;
    case FORMAT_NPY:
    case FORMAT_NPZ:
        err_kept(predict_npy(p, &input, err));
        break;
    }
    input_close(&input);
    return err->code;
}

/* What people should know of the predictions that they got. */
static void tell_warnings(struct prediction *p)
{
    char version[32];
    snprintf(version, sizeof version, "%" PRId64, p->version);
    describe_warnings(&p->client->arena, version, p->warnings);
    if (p->table.n_outside > 0) {
        fflush(stdout);
        fprintf(stderr, "surrogated: %s outside the range of the training rows: %s\n",
                phrase_count(p->table.n_outside, "row").text, p->table.warning);
    }
    if (p->table.n_outside_bounds > 0) {
        fflush(stdout);
        fprintf(stderr, "surrogated: %s outside the bounds of the model's space\n",
                phrase_count(p->table.n_outside_bounds, "row").text);
    }
    json_decref(p->warnings);
}

enum err_code command_predict(struct client *client, struct err *err)
{
    struct prediction p = {.client = client, .table = {.out = stdout}, .scratch = ARENA_INIT};
    bool at = client->args->values[OPT_AT] != NULL;
    if (client_check_words(client, 1, at ? 1 : 2, err) != ERR_OK ||
        check_names(client, err) != ERR_OK || client_retry_s(client, &p.retry_s, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code = at ? predict_row(&p, err) : predict_file(&p, err);
    arena_release(&p.scratch);
    tell_warnings(&p);
    return code;
}
