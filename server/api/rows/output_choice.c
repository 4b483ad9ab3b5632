/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/output_choice.h"

#include "formats/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PART 256 /* bytes of a name or a range */

/* A choice being made. */
struct choice {
    const struct model *model;
    int *list;             /* [model->o] */
    unsigned char *chosen; /* [model->o] */
    int n;
};

static enum err_code add_output(struct choice *c, int64_t output, struct err *err)
{
    if (output < 0 || output >= c->model->o) {
        return err_set(err, ERR_INVALID, "outputs: there is no output %lld, the model has %d",
                       (long long)output, c->model->o);
    }
    if (c->chosen[output]) {
        return err_set(err, ERR_INVALID, "outputs: output %lld is chosen twice", (long long)output);
    }
    c->chosen[output] = 1;
    c->list[c->n++] = (int)output;
    return ERR_OK;
}

/* A number without sign; *text moves behind it. -1: there is none. */
static int64_t read_number(const char **text)
{
    int64_t value = 0;
    const char *p = *text;
    if (*p < '0' || *p > '9') {
        return -1;
    }
    for (; *p >= '0' && *p <= '9' && value < INT32_MAX; p++) {
        value = 10 * value + (*p - '0');
    }
    *text = p;
    return value;
}

static enum err_code refuse_part(const struct choice *c, const char *part, struct err *err)
{
    const char *hint = c->model->output_names != NULL ? "" : ", and the model's have no names";
    return err_set(
        err, ERR_INVALID,
        "outputs: \"%.60s\" is no output: neither a name, nor a number from 0 to %d, nor "
        "a range first:end or first:end:step%s",
        part, c->model->o - 1, hint);
}

static enum err_code add_range(struct choice *c, const char *part, struct err *err)
{
    const char *p = part;
    int64_t first = read_number(&p);
    int64_t end = c->model->o;
    int64_t step = 1;
    if (*p != ':') {
        return *p == '\0' && first >= 0 ? add_output(c, first, err) : refuse_part(c, part, err);
    }
    first = first < 0 ? 0 : first;
    p++;
    int64_t given = read_number(&p);
    end = given >= 0 ? given : end;
    if (*p == ':') {
        p++;
        step = read_number(&p);
    }
    if (*p != '\0' || step < 1) {
        return refuse_part(c, part, err);
    }
    if (end > c->model->o) {
        return err_set(err, ERR_INVALID,
                       "outputs: \"%.60s\" ends at %lld, the model has %d outputs", part,
                       (long long)end, c->model->o);
    }
    for (int64_t j = first; j < end; j += step) {
        if (add_output(c, j, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code add_part(struct choice *c, const char *part, struct err *err)
{
    for (int j = 0; c->model->output_names != NULL && j < c->model->o; j++) {
        const char *name = c->model->output_names[j];
        if (name != NULL && strcmp(name, part) == 0) {
            return add_output(c, j, err);
        }
    }
    return add_range(c, part, err);
}

static enum err_code add_text(struct choice *c, const char *text, struct err *err)
{
    while (text != NULL && err->code == ERR_OK) {
        const char *comma = strchr(text, ',');
        size_t len = comma != NULL ? (size_t)(comma - text) : strlen(text);
        char part[MAX_PART];
        if (len >= sizeof part) {
            return refuse_part(c, text, err);
        }
        memcpy(part, text, len);
        part[len] = '\0';
        err_kept(add_part(c, part, err));
        text = comma != NULL ? comma + 1 : NULL;
    }
    return err->code;
}

static enum err_code add_items(struct choice *c, const json_t *list, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list) && err->code == ERR_OK; i++) {
        const json_t *item = json_array_get(list, i);
        int64_t number = 0;
        if (json_is_string(item)) {
            err_kept(add_part(c, json_string_value(item), err));
        } else if (json_read_whole(item, &number)) {
            err_kept(add_output(c, number, err));
        } else {
            err_set(err, ERR_INVALID, "outputs[%zu] is %s, a name, a number or a range is needed",
                    i, json_read_kind(item));
        }
    }
    return err->code;
}

/* ---- by coordinates ---- */

/* An end as text, which ends at one of `stops`; *text moves behind it. */
static bool read_end(const char **text, char stop, double *end)
{
    char *after = NULL;
    if (**text != stop && **text != ',' && **text != '\0') {
        errno = 0;
        *end = strtod(*text, &after);
        if (after == *text || !isfinite(*end)) {
            return false;
        }
        *text = after;
    }
    return true;
}

static enum err_code refuse_within(int q, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "within: lowest and highest value of each of %d coordinates are needed, as "
                   "[[0,1],..] or 0:1,..",
                   q);
}

static enum err_code read_box_text(const char *text, int q, double *box, struct err *err)
{
    for (int a = 0; a < q; a++) {
        if (!read_end(&text, ':', &box[2 * a]) || *text++ != ':' ||
            !read_end(&text, ',', &box[2 * a + 1]) || *text != (a < q - 1 ? ',' : '\0')) {
            return refuse_within(q, err);
        }
        text += a < q - 1;
    }
    return ERR_OK;
}

static enum err_code read_box(const json_t *within, int q, double *box, struct err *err)
{
    for (int a = 0; a < q; a++) {
        box[2 * a] = -INFINITY;
        box[2 * a + 1] = INFINITY;
    }
    if (json_is_string(within)) {
        return read_box_text(json_string_value(within), q, box, err);
    }
    if (json_array_size(within) != (size_t)q) {
        return refuse_within(q, err);
    }
    for (int i = 0; i < 2 * q; i++) {
        const json_t *pair = json_array_get(within, (size_t)i / 2);
        const json_t *end = json_array_get(pair, (size_t)i % 2);
        if (json_array_size(pair) != 2 || !(json_is_number(end) || json_is_null(end))) {
            return refuse_within(q, err);
        }
        box[i] = json_is_number(end) ? json_number_value(end) : box[i];
    }
    return ERR_OK;
}

static enum err_code add_within(struct choice *c, const json_t *within, struct err *err)
{
    const struct reduction *r = c->model->reduction;
    double box[2 * REDUCTION_MAX_AXES];
    if (r == NULL || r->q == 0) {
        return err_set(err, ERR_INVALID,
                       "within: the model knows no coordinates of its outputs; choose them by "
                       "\"outputs\"");
    }
    if (read_box(within, r->q, box, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < r->p; j++) {
        const double *x = r->coordinates + (size_t)j * (size_t)r->q;
        bool in = true;
        for (int a = 0; a < r->q; a++) {
            in = in && x[a] >= box[2 * a] && x[a] <= box[2 * a + 1];
        }
        if (in) {
            c->list[c->n++] = j;
        }
    }
    return ERR_OK;
}

enum err_code output_choice_read(const json_t *outputs, const json_t *within,
                                 const struct model *model, struct arena *arena,
                                 struct predict_request *predict, struct err *err)
{
    struct choice c = {.model = model};
    if (outputs == NULL && within == NULL) {
        return ERR_OK;
    }
    if (outputs != NULL && within != NULL) {
        return err_set(err, ERR_INVALID, "\"outputs\" and \"within\" exclude each other");
    }
    c.list = arena_alloc_array(arena, (size_t)model->o, sizeof *c.list);
    c.chosen = arena_zalloc_array(arena, (size_t)model->o, sizeof *c.chosen);
    if (c.list == NULL || c.chosen == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (within != NULL) {
        err_kept(add_within(&c, within, err));
    } else if (json_is_string(outputs)) {
        err_kept(add_text(&c, json_string_value(outputs), err));
    } else if (json_is_array(outputs)) {
        err_kept(add_items(&c, outputs, err));
    } else {
        err_set(err, ERR_INVALID,
                "outputs is %s, names, numbers or ranges in a text or an array are needed",
                json_read_kind(outputs));
    }
    if (err->code == ERR_OK && c.n == 0) {
        err_set(err, ERR_INVALID, "%s: no output is chosen", within != NULL ? "within" : "outputs");
    }
    predict->outputs = c.list;
    predict->n_outputs = c.n;
    return err->code;
}
