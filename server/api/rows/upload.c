/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/upload.h"

#include "api/reply.h"
#include "api/rows/array_rows.h"
#include "formats/media_type.h"
#include "base/utf8.h"

#include <string.h>
#include <strings.h>

/* ---- headers and query ---- */

/* What clients send by habit or by mistake, with the way to send rows instead. */
static const struct {
    const char *type;
    const char *way;
} other_types[] = {
    {"multipart/form-data", "send the file itself as the body: curl --data-binary @FILE -H "
                            "\"Content-Type: text/csv\""},
    {"text/plain", "say what the text is: \"Content-Type: text/csv\" for a table, "
                   "application/json for JSON"},
    {"text/html", "rows are read as text/csv, application/json or application/x-npy"},
    {"application/vnd.ms-excel", "export the sheet as CSV and send it as text/csv"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
     "export the sheet as CSV and send it as text/csv"},
    {"application/octet-stream", "say what the bytes are: \"Content-Type: application/x-npy\" or "
                                 "text/csv"},
};

static enum err_code find_format(const struct request *req, const char **format, struct err *err)
{
    const char *type = request_header(req, "Content-Type");
    *format = media_type_is(type, MEDIA_TYPE_CSV) || media_type_is(type, MEDIA_TYPE_TSV) ? "csv"
              : array_rows_format(req) == ARRAY_NPY                                      ? "npy"
              : array_rows_format(req) == ARRAY_NPZ                                      ? "npz"
                                                                                         : "json";
    for (size_t i = 0; i < sizeof other_types / sizeof *other_types; i++) {
        if (media_type_is(type, other_types[i].type)) {
            return err_set(err, ERR_MEDIA_TYPE, "rows of %s are not read; %s", other_types[i].type,
                           other_types[i].way);
        }
    }
    return ERR_OK;
}

/* A key of the query that is one of two words; *second: it is the second. */
static enum err_code read_word(const struct request *req, const char *key, const char *const *words,
                               bool *second, struct err *err)
{
    const char *text = request_query(req, key);
    *second = text != NULL && strcmp(text, words[1]) == 0;
    if (text != NULL && !*second && strcmp(text, words[0]) != 0) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\", %s or %s is needed", key, text, words[0],
                       words[1]);
    }
    return ERR_OK;
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
    static const char *const missing[] = {[UPLOAD_MISSING_UNTOLD] = "",
                                          [UPLOAD_MISSING_REFUSE] = " whole",
                                          [UPLOAD_MISSING_ALLOW] = " missing"};
    char *head = arena_printf(req->arena, "%s outputs=%s skip=%d%s%s\n", up->data.format,
                              outputs != NULL ? outputs : "", up->data.skip_duplicates,
                              up->skip_nonfinite ? " finite" : "", missing[up->missing]);
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

bool upload_may_miss(const struct upload *up)
{
    bool json = up->data.format[0] == 'j';
    return up->missing == UPLOAD_MISSING_ALLOW ||
           (up->missing == UPLOAD_MISSING_UNTOLD && json && !up->skip_nonfinite);
}

static enum err_code read_missing(const struct request *req, struct upload *up, struct err *err)
{
    static const char *const words[] = {"refuse", "allow"};
    bool allow = false;
    if (read_word(req, "missing", words, &allow, err) == ERR_OK &&
        request_query(req, "missing") != NULL) {
        up->missing = allow ? UPLOAD_MISSING_ALLOW : UPLOAD_MISSING_REFUSE;
    }
    return err->code;
}

/* ids=17,18: the points of a design or a suggestion that these rows are. */
static enum err_code read_ids(const struct request *req, struct upload *up, struct err *err)
{
    const char *text = request_query(req, "ids");
    int n = 1;
    if (text == NULL) {
        return ERR_OK;
    }
    for (const char *p = text; *p != '\0'; p++) {
        n += *p == ',';
    }
    int64_t *ids =
        n <= UPLOAD_MAX_IDS ? arena_alloc_array(req->arena, (size_t)n, sizeof *ids) : NULL;
    if (n <= UPLOAD_MAX_IDS && ids == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the upload");
    }
    for (int i = 0; i < n && n <= UPLOAD_MAX_IDS; i++) {
        size_t len = strspn(text, "0123456789");
        if (len < 1 || len > 18 || (text[len] != ',' && text[len] != '\0')) {
            n = UPLOAD_MAX_IDS + 1;
            break;
        }
        ids[i] = 0;
        for (size_t k = 0; k < len; k++) {
            ids[i] = 10 * ids[i] + (text[k] - '0');
        }
        text += len + (text[len] == ',');
    }
    if (n > UPLOAD_MAX_IDS) {
        return err_set(err, ERR_INVALID,
                       "ids must be at most %d whole numbers separated by commas, such as 17,18",
                       UPLOAD_MAX_IDS);
    }
    up->data.n_ids = n;
    up->data.ids = ids;
    up->data.n_closed = &up->n_closed;
    return ERR_OK;
}

enum err_code upload_read_head(const struct request *req, struct upload *up, struct err *err)
{
    static const char *const duplicates[] = {"report", "skip"};
    static const char *const nonfinite[] = {"refuse", "skip"};
    const char *key;
    *up = (struct upload){.key = ""};
    if (find_format(req, &up->data.format, err) != ERR_OK ||
        read_word(req, "on_duplicate", duplicates, &up->data.skip_duplicates, err) != ERR_OK ||
        read_word(req, "on_nonfinite", nonfinite, &up->skip_nonfinite, err) != ERR_OK ||
        read_missing(req, up, err) != ERR_OK || read_ids(req, up, err) != ERR_OK) {
        return err->code;
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
