/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/upload.h"

#include "api/reply.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "formats/csv.h"
#include "formats/json_tensor.h"
#include "formats/media_type.h"
#include "formats/npy.h"
#include "store/data/data_read.h"

#include <string.h>
#include <strings.h>

/* ---- headers and query ---- */

static const char *find_format(const struct request *req)
{
    const char *type = request_header(req, "Content-Type");
    return media_type_is(type, MEDIA_TYPE_CSV)   ? "csv"
           : media_type_is(type, MEDIA_TYPE_NPY) ? "npy"
                                                 : "json";
}

/* The value of a header that may occur once; NULL when absent. */
static enum err_code get_header(const struct request *req, const char *name, const char **value,
                                struct err *err)
{
    *value = NULL;
    for (int i = 0; i < req->n_headers; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
            if (*value != NULL) {
                return err_set(err, ERR_INVALID, "the header %s is given twice", name);
            }
            *value = req->headers[i].value;
        }
    }
    return ERR_OK;
}

static enum err_code read_source(const struct request *req, struct upload *up, struct err *err)
{
    const char *source;
    if (get_header(req, "Surrogate-Source", &source, err) != ERR_OK || source == NULL) {
        return err->code;
    }
    bool good = strlen(source) <= DATA_SOURCE_MAX && utf8_is_valid(source, strlen(source));
    for (const char *p = source; good && *p != '\0'; p++) {
        good = ((unsigned char)*p >= 0x20 && *p != 0x7f) || *p == '\t';
    }
    if (!good) {
        return err_set(err, ERR_INVALID,
                       "Surrogate-Source must be at most %d bytes of UTF-8 without control "
                       "characters",
                       DATA_SOURCE_MAX);
    }
    up->data.source = source[0] != '\0' ? source : NULL;
    return ERR_OK;
}

static enum err_code digest_payload(const struct request *req, struct upload *up, struct err *err)
{
    struct digest digest = {.state = NULL};
    const char *outputs = request_query(req, "outputs");
    char *head = arena_printf(req->arena, "%s outputs=%s skip=%d\n", up->data.format,
                              outputs != NULL ? outputs : "", up->data.skip_duplicates);
    if (head == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the upload");
    }
    if (digest_open(&digest, err) == ERR_OK &&
        digest_add(&digest, head, strlen(head), err) == ERR_OK) {
        err_kept(digest_add(&digest, req->body, req->n_body, err));
    }
    digest_close(&digest, up->payload);
    return err->code;
}

enum err_code upload_read_head(const struct request *req, struct upload *up, struct err *err)
{
    const char *key;
    const char *duplicates = request_query(req, "on_duplicate");
    *up = (struct upload){.data = {.format = find_format(req)}};
    up->data.skip_duplicates = duplicates != NULL && strcmp(duplicates, "skip") == 0;
    if (duplicates != NULL && !up->data.skip_duplicates && strcmp(duplicates, "report") != 0) {
        return err_set(err, ERR_INVALID, "on_duplicate is \"%.40s\", report or skip is needed",
                       duplicates);
    }
    if (read_source(req, up, err) != ERR_OK ||
        get_header(req, "Idempotency-Key", &key, err) != ERR_OK || key == NULL) {
        return err->code;
    }
    if (idempotency_key_parse(key, up->key, err) != ERR_OK ||
        digest_payload(req, up, err) != ERR_OK) {
        return err->code;
    }
    up->data.key = up->key;
    up->data.payload = up->payload;
    return ERR_OK;
}

/* ---- rows ---- */

static enum err_code read_provenance(const json_t *body, struct arena *arena, struct upload *up,
                                     struct err *err)
{
    const json_t *value = json_object_get(body, "provenance");
    char *text = NULL;
    if (value == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID, "provenance is %s, an object is needed",
                       json_read_kind(value));
    }
    if (json_read_dump(value, UPLOAD_PROVENANCE_MAX, "provenance", &text, err) != ERR_OK) {
        return err->code;
    }
    up->data.provenance = arena_strndup(arena, text, strlen(text));
    mem_free(text);
    return up->data.provenance != NULL ? ERR_OK
                                       : err_set(err, ERR_NOMEM, "no memory for the provenance");
}

static enum err_code read_json(struct app *app, const struct request *req, struct upload *up,
                               struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", "provenance", NULL};
    json_t *body = NULL;
    const int max = app->config->max_rows;
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = max, .max_columns = ARCH_MAX_INPUTS},
        {.key = "outputs", .max_rows = max, .max_columns = ARCH_MAX_OUTPUTS}};
    const struct json_tensor *x = &tensors[0];
    const struct json_tensor *y = &tensors[1];
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){tensors, 2}, req->arena,
                          &body, err) != ERR_OK) {
        reply_explain_syntax(req, err);
        return err->code;
    }
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK ||
        json_tensor_check(x, body, 0, err) != ERR_OK ||
        json_tensor_check(y, body, 0, err) != ERR_OK ||
        read_provenance(body, req->arena, up, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "inputs has %s, outputs has %s",
                       phrase_count(x->n, "row").text, phrase_count(y->n, "row").text);
    }
    size_t d = (size_t)x->k;
    size_t o = (size_t)y->k;
    double *rows = arena_alloc_array(req->arena, (size_t)x->n * (d + o), sizeof *rows);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)x->n; i++) {
        memcpy(rows + i * (d + o), x->values + i * d, d * sizeof *rows);
        memcpy(rows + i * (d + o) + d, y->values + i * o, o * sizeof *rows);
    }
    up->data.n = x->n;
    up->data.d = x->k;
    up->data.o = y->k;
    up->data.rows = rows;
    return ERR_OK;
}

/* The number of output columns: "outputs" in the query, else that of the model's stored rows. */
static enum err_code count_outputs(struct app *app, const struct request *req, const char *model,
                                   int *o, struct err *err)
{
    const char *text = request_query(req, "outputs");
    struct data_summary summary = {.n_outputs = 0};
    struct err absent = ERR_INIT;
    if (text == NULL) {
        if (data_store_summary(app->db, model, &summary, &absent) != ERR_OK ||
            summary.n_outputs == 0) {
            /* A failing store must not look like a mistake of the client. */
            return absent.code != ERR_OK && absent.code != ERR_NOT_FOUND
                       ? err_set(err, absent.code, "%s", absent.msg)
                       : err_set(err, ERR_INVALID,
                                 "say how many of the last columns are outputs: ?outputs=N");
        }
        *o = summary.n_outputs;
        return ERR_OK;
    }
    int64_t value = 0;
    if (reply_query_int(req, "outputs", 1, ARCH_MAX_OUTPUTS, &value, err) == ERR_OK) {
        *o = (int)value;
    }
    return err->code;
}

/* CSV or npy, which have inputs and outputs side by side. */
static enum err_code read_table(struct app *app, const struct request *req, const char *model,
                                struct upload *up, struct err *err)
{
    struct csv csv = {.n = 0};
    struct npy npy = {.n = 0};
    const int max = app->config->max_rows;
    bool is_csv = strcmp(up->data.format, "csv") == 0;
    if (count_outputs(app, req, model, &up->data.o, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code = is_csv ? csv_parse(req->body, req->n_body, max, req->arena, &csv, err)
                                : npy_parse(req->body, req->n_body, max, req->arena, &npy, err);
    if (code != ERR_OK) {
        return code;
    }
    int k = is_csv ? csv.k : npy.k;
    if (k <= up->data.o) {
        return err_set(err, ERR_SHAPE, "%s cannot hold %s and an input",
                       phrase_count(k, "column").text, phrase_count(up->data.o, "output").text);
    }
    if (k - up->data.o > ARCH_MAX_INPUTS) {
        return err_set(err, ERR_LIMIT, "%d input columns, at most %d are taken", k - up->data.o,
                       ARCH_MAX_INPUTS);
    }
    up->data.n = is_csv ? csv.n : npy.n;
    up->data.d = k - up->data.o;
    up->data.rows = is_csv ? csv.values : npy.values;
    return ERR_OK;
}

enum err_code upload_read_rows(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err)
{
    return strcmp(up->data.format, "json") == 0 ? read_json(app, req, up, err)
                                                : read_table(app, req, model, up, err);
}
