/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated predict. CSV is read here and goes to the server as JSON, in pieces, since numbers in
 * their shortest form lose no bit; JSON and npy files are sent as they are.
 */
#include "client/commands.h"

#include "base/numtext.h"
#include "base/phrase.h"
#include "client/answer_table.h"
#include "client/csv_rows.h"
#include "client/files.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PIECE_ROWS 5000
#define WHOLE_ROWS 100000000 /* with --json one request holds all; the server has its own limit */

struct prediction {
    struct client *client;
    int64_t version; /* 0: as --version says; else the one that answered first */
    double retry_s;
    struct answer_table table;
    struct arena scratch; /* cleared after each request */
};

/* ---- what is asked for ---- */

static void put_names(struct textbuf *text, const char *names)
{
    textbuf_puts(text, "[");
    for (const char *from = names;; from++) {
        char name[64];
        size_t len = strcspn(from, ",");
        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), from);
        textbuf_puts(text, from > names ? "," : "");
        textbuf_json_string(text, name);
        from += len;
        if (*from == '\0') {
            break;
        }
    }
    textbuf_puts(text, "]");
}

/* "0.1, -2e3" as JSON numbers. */
static enum err_code put_numbers(struct textbuf *text, const char *option, const char *numbers,
                                 struct err *err)
{
    textbuf_puts(text, "[");
    for (const char *from = numbers;; from++) {
        char number[64];
        double value = 0.0;
        size_t len = strcspn(from, ",");
        snprintf(number, sizeof number, "%.*s",
                 (int)(len < sizeof number ? len : sizeof number - 1), from);
        if (len >= sizeof number || !csv_rows_number(number, &value) || !isfinite(value)) {
            return err_set(err, ERR_INVALID, "--%s: \"%.40s\" is not a finite number", option,
                           number);
        }
        textbuf_puts(text, from > numbers ? "," : "");
        textbuf_real(text, value);
        from += len;
        if (*from == '\0') {
            break;
        }
    }
    textbuf_puts(text, "]");
    return ERR_OK;
}

/* ,"return":[..],"quantiles":[..],"intervals":[..] */
static enum err_code put_options(const struct args *args, struct textbuf *text, struct err *err)
{
    const char *names = args->values[OPT_RETURN];
    const char *quantiles = args->values[OPT_QUANTILES];
    const char *intervals = args->values[OPT_INTERVALS];
    textbuf_puts(text, ",\"return\":");
    put_names(text, names != NULL ? names : "mean,std");
    if (quantiles != NULL) {
        textbuf_puts(text, ",\"quantiles\":");
        err_kept(put_numbers(text, "quantiles", quantiles, err));
    }
    if (intervals != NULL) {
        textbuf_puts(text, ",\"intervals\":");
        err_kept(put_numbers(text, "intervals", intervals, err));
    }
    return err->code;
}

/* The same as a query, for npy. */
static void put_query(const struct args *args, struct textbuf *text)
{
    const char *names = args->values[OPT_RETURN];
    textbuf_puts(text, "?return=");
    connection_escape(text, names != NULL ? names : "mean,std");
    if (args->values[OPT_QUANTILES] != NULL) {
        textbuf_puts(text, "&quantiles=");
        connection_escape(text, args->values[OPT_QUANTILES]);
    }
    if (args->values[OPT_INTERVALS] != NULL) {
        textbuf_puts(text, "&intervals=");
        connection_escape(text, args->values[OPT_INTERVALS]);
    }
}

/* What has more than rows and outputs is refused before it is computed. */
static enum err_code check_names(const struct client *client, struct err *err)
{
    static const char *const names[] = {"covariance", "samples", "jacobian"};
    const char *given = client->args->values[OPT_RETURN];
    for (size_t i = 0; given != NULL && !client->json && i < sizeof names / sizeof *names; i++) {
        if (strstr(given, names[i]) != NULL) {
            return err_set(err, ERR_INVALID, "%s is no table; --json prints it", names[i]);
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
static enum err_code ask(struct prediction *p, const char *path, const struct payload *payload,
                         struct err *err)
{
    struct answer answer;
    json_t *doc = NULL;
    struct call call = {.method = "POST",
                        .path = path,
                        .payload = *payload,
                        .headers = {"Accept: application/json"},
                        .retry_s = p->retry_s};
    if (client_call(p->client, &call, &answer, err) == ERR_OK && !p->client->json &&
        client_parse(&answer, JSON_DECODE_INT_AS_REAL, &doc, err) == ERR_OK &&
        answer_table_add(&p->table, doc, &p->scratch, err) == ERR_OK) {
        p->version = (int64_t)json_number_value(json_object_get(doc, "version"));
        err_kept(client_flush(err));
    }
    json_decref(doc);
    answer_release(&answer);
    return err->code;
}

static enum err_code ask_text(struct prediction *p, struct textbuf *text, struct err *err)
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
    return ask(p, path, &payload, err);
}

static enum err_code predict_csv(struct prediction *p, const struct input *input, struct err *err)
{
    struct csv_rows rows = {.file = NULL};
    int max = p->client->json ? WHOLE_ROWS : PIECE_ROWS;
    int n = max;
    if (csv_rows_open(input->file, &rows, err) != ERR_OK) {
        return err->code;
    }
    while (n == max) {
        int64_t before = rows.n_rows;
        struct textbuf text = textbuf_in(&p->scratch);
        textbuf_puts(&text, "{\"inputs\":");
        if (csv_rows_read(&rows, max, &text, &n, err) != ERR_OK || (n == 0 && before > 0)) {
            break;
        }
        if (n == 0) {
            err_set(err, ERR_SYNTAX, "there are no rows");
            break;
        }
        if (put_options(p->client->args, &text, err) != ERR_OK) {
            break;
        }
        textbuf_puts(&text, "}");
        if (ask_text(p, &text, err) != ERR_OK) {
            if (before > 0 && err->row >= 0) {
                err_prefix(err, "in the rows from %" PRId64 " on", before);
            }
            break;
        }
        arena_clear(&p->scratch);
    }
    csv_rows_release(&rows);
    return err->code;
}

/* An array is the rows; an object is a whole request, and options would contradict it. */
static enum err_code predict_json(struct prediction *p, struct input *input, struct err *err)
{
    const struct args *args = p->client->args;
    struct textbuf after = textbuf_in(&p->scratch);
    struct payload payload = {.type = "application/json", .file = input->file};
    bool is_rows = input_peek(input) == '[';
    bool options = args->values[OPT_RETURN] != NULL || args->values[OPT_QUANTILES] != NULL ||
                   args->values[OPT_INTERVALS] != NULL;
    char *path = make_path(p, err);
    if (path == NULL || put_options(args, &after, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&after, "}");
    if (textbuf_failed(&after)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (is_rows) {
        payload.before = "{\"inputs\":";
        payload.after = after.data;
    } else if (options) {
        return err_set(err, ERR_INVALID,
                       "%.80s is a whole request, which says itself what to return", input->name);
    }
    return ask(p, path, &payload, err);
}

static enum err_code predict_npy(struct prediction *p, const struct input *input, struct err *err)
{
    struct textbuf url = textbuf_in(&p->scratch);
    struct payload payload = {.type = files_type(FORMAT_NPY), .file = input->file};
    char *path = make_path(p, err);
    if (path == NULL) {
        return err->code;
    }
    textbuf_puts(&url, path);
    put_query(p->client->args, &url);
    return ask(p, textbuf_failed(&url) ? NULL : url.data, &payload, err);
}

static enum err_code predict_row(struct prediction *p, struct err *err)
{
    struct textbuf text = textbuf_in(&p->scratch);
    textbuf_puts(&text, "{\"inputs\":");
    if (put_numbers(&text, "at", p->client->args->values[OPT_AT], err) != ERR_OK ||
        put_options(p->client->args, &text, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "}");
    return ask_text(p, &text, err);
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
        err_kept(predict_npy(p, &input, err));
        break;
    }
    input_close(&input);
    return err->code;
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
    if (p.table.n_outside > 0) {
        fflush(stdout);
        fprintf(stderr, "surrogated: %s outside the range of the training rows: %s\n",
                phrase_count(p.table.n_outside, "row").text, p.table.warning);
    }
    return code;
}
