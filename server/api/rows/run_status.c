/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/run_status.h"

#include "base/known.h"
#include "base/phrase.h"
#include "formats/json_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {"ok", "failed"};
NAMES_KNOWN(run_status, words)

enum err_code run_status_read(const json_t *body, int n, struct arena *arena,
                              unsigned char **failed, struct err *err)
{
    const json_t *list = json_object_get(body, RUN_STATUS_KEY);
    *failed = NULL;
    if (list == NULL) {
        return ERR_OK;
    }
    if (!json_is_array(list)) {
        return err_set(
            err, ERR_INVALID,
            "status is %s, an array of \"ok\" and \"failed\" is needed, one for each row",
            json_read_kind(list));
    }
    if (json_array_size(list) != (size_t)n) {
        return err_set(err, ERR_SHAPE, "status has %s, inputs has %s",
                       phrase_count((int64_t)json_array_size(list), "word").text,
                       phrase_count(n, "row").text);
    }
    unsigned char *found = arena_alloc_array(arena, (size_t)n, sizeof *found);
    if (found == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (int i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        char what[48];
        snprintf(what, sizeof what, "status: row %d", i);
        if (!json_is_string(value)) {
            return err_set_at(err, ERR_INVALID, i, -1, "%s is %s, \"ok\" or \"failed\" is needed",
                              what, json_read_kind(value));
        }
        int word = names_find(run_status_known(), json_string_value(value));
        if (word < 0) {
            known_refuse(what, json_string_value(value), run_status_known(), err);
            err->row = i;
            return err->code;
        }
        found[i] = (unsigned char)word;
    }
    *failed = found;
    return ERR_OK;
}

static double *outputs_of(const struct run_outputs *outputs, int row)
{
    return outputs->y + (size_t)row * outputs->stride;
}

static bool is_empty(const struct run_outputs *outputs, int row)
{
    const double *y = outputs_of(outputs, row);
    int j = 0;
    while (j < outputs->o && isnan(y[j])) {
        j++;
    }
    return j == outputs->o;
}

int64_t run_outputs_discard(const struct run_outputs *outputs, const unsigned char *failed)
{
    int64_t n = 0;
    for (int i = 0; i < outputs->n; i++) {
        double *y = outputs_of(outputs, i);
        for (int j = 0; failed[i] != 0 && j < outputs->o; j++) {
            n += isnan(y[j]) ? 0 : 1;
            y[j] = (double)NAN;
        }
    }
    return n;
}

void run_outputs_settle(const struct run_outputs *outputs)
{
    for (int i = 0; i < outputs->n; i++) {
        double *y = outputs_of(outputs, i);
        for (int j = 0; j < outputs->o; j++) {
            y[j] = isnan(y[j]) ? (double)NAN : y[j];
        }
    }
}

int run_outputs_find_empty(const struct run_outputs *outputs, const unsigned char *failed)
{
    for (int i = 0; i < outputs->n; i++) {
        if (failed[i] == 0 && is_empty(outputs, i)) {
            return i;
        }
    }
    return -1;
}

unsigned char *run_outputs_failed(const struct run_outputs *outputs, struct arena *arena)
{
    unsigned char *failed = arena_alloc_array(arena, (size_t)outputs->n, sizeof *failed);
    for (int i = 0; failed != NULL && i < outputs->n; i++) {
        failed[i] = is_empty(outputs, i);
    }
    return failed;
}
