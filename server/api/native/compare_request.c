/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/compare_request.h"

#include "api/native/prediction_request.h"
#include "api/reply.h"
#include "formats/json_read.h"

#include <stdio.h>
#include <string.h>

#define COMPARE_MIN_VERSIONS 2
#define COMPARE_DEFAULT_ROWS 1000 /* of the stored ones */
#define COMPARE_MAX_ROWS     100000

static enum err_code check_count(size_t n, struct err *err)
{
    if (n < COMPARE_MIN_VERSIONS || n > COMPARE_MAX_VERSIONS) {
        return err_set(err, ERR_INVALID, "versions must be a list of %d to %d versions",
                       COMPARE_MIN_VERSIONS, COMPARE_MAX_VERSIONS);
    }
    return ERR_OK;
}

static enum err_code read_versions(struct compare_request *c, const json_t *list, struct err *err)
{
    size_t n = json_array_size(list); /* 0 when it is no list */
    if (check_count(n, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        char where[32];
        snprintf(where, sizeof where, "versions[%zu]", i);
        if (reply_version(json_array_get(list, i), where, &c->refs[i], err) != ERR_OK) {
            return err->code;
        }
    }
    c->n_versions = (int)n;
    return ERR_OK;
}

/* Versions in the query, separated by commas; from is NULL without any. */
static enum err_code read_query(struct compare_request *c, const char *from, struct arena *arena,
                                struct err *err)
{
    size_t n = 0;
    while (from != NULL && n <= COMPARE_MAX_VERSIONS) {
        size_t len = strcspn(from, ",");
        char *text = arena_strndup(arena, from, len);
        if (text == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
        if (n < COMPARE_MAX_VERSIONS && version_ref_parse(text, &c->refs[n], err) != ERR_OK) {
            return err->code;
        }
        n++;
        from = from[len] == ',' ? from + len + 1 : NULL;
    }
    if (check_count(n, err) == ERR_OK) {
        c->n_versions = (int)n;
    }
    return err->code;
}

static enum err_code read_stored(struct compare_request *c, struct err *err)
{
    static const char *const keys[] = {"after_batch", "limit", NULL};
    c->limit = COMPARE_DEFAULT_ROWS;
    if (c->labelled.x.found || c->labelled.y.found) {
        return err_set(err, ERR_INVALID,
                       "rows are either in inputs and outputs or those that data names, not both");
    }
    if (json_read_check_keys(c->stored, "data", keys, err) == ERR_OK) {
        const struct json_members members = {c->stored, "data", err};
        json_read_int(members, "after_batch", 0, INT64_MAX, &c->after_batch);
        json_read_int(members, "limit", 1, COMPARE_MAX_ROWS, &c->limit);
    }
    return err->code;
}

enum err_code compare_request_read(const struct request *req, int max_rows,
                                   struct compare_request *c, struct err *err)
{
    static const char *const keys[] = {"versions", "inputs", "outputs", "status", "data", NULL};
    const json_t *body = NULL;
    const char *query = request_query(req, "versions");
    *c = (struct compare_request){.n_versions = 0};
    if (prediction_request_deadline(req, &c->deadline_ns, err) != ERR_OK ||
        labelled_parse(req, max_rows, 0, &c->labelled, err) != ERR_OK) {
        return err->code;
    }
    if (c->labelled.is_csv || c->labelled.is_npy) {
        return read_query(c, query, req->arena, err);
    }
    body = c->labelled.body;
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    if (query != NULL && json_object_get(body, "versions") != NULL) {
        return err_set(err, ERR_INVALID, "versions are in the query and in the body");
    }
    if ((query != NULL ? read_query(c, query, req->arena, err)
                       : read_versions(c, json_object_get(body, "versions"), err)) != ERR_OK) {
        return err->code;
    }
    c->stored = json_object_get(body, "data");
    return c->stored != NULL ? read_stored(c, err) : ERR_OK;
}
