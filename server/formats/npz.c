/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/npz.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/phrase.h"

#define ENDING ".npy"

/* An array with its name. */
struct array {
    const char *name; /* without its ending */
    struct npy npy;
};

struct arrays {
    struct array *at; /* [n] */
    int n;
};

static bool is_called(const struct array *array, const char *letter, const char *word)
{
    return strcmp(array->name, letter) == 0 || strcmp(array->name, word) == 0;
}

/* Numbers of an array that is a column. */
static int length_of(const struct array *array)
{
    return array->npy.flat ? array->npy.k : array->npy.n;
}

static enum err_code read_array(const struct zip_member *member, struct arena *arena,
                                struct array *out, struct err *err)
{
    const unsigned char *bytes = NULL;
    size_t len = strlen(member->name);
    size_t ending = sizeof ENDING - 1;
    if (len <= ending || strcmp(member->name + len - ending, ENDING) != 0) {
        return err_set(err, ERR_INVALID,
                       "member \"%.40s\" of the npz body is no array (" ENDING ")", member->name);
    }
    out->name = arena_strndup(arena, member->name, len - ending);
    if (out->name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (zip_unpack(member, arena, &bytes, err) == ERR_OK &&
        npy_parse(bytes, member->size, INT_MAX, arena, &out->npy, err) != ERR_OK) {
        err_prefix(err, "array \"%.40s\"", out->name);
    }
    if (err->code == ERR_OK && out->npy.names != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "array \"%.40s\" of the npz body has fields; send it alone as npy, or each "
                       "field as an array of its own",
                       out->name);
    }
    return err->code;
}

static enum err_code check_rows(int n, int max_rows, struct err *err)
{
    return n <= max_rows ? ERR_OK
                         : err_set(err, ERR_TOO_LARGE,
                                   "the npz body has more than %s, which is the limit for one "
                                   "request",
                                   phrase_count(max_rows, "row").text);
}

/* Copies k columns of n rows to the columns of out [n x width] from `at` on. */
static void copy_columns(const struct array *array, int n, double *out, size_t width)
{
    size_t k = array->npy.flat ? 1 : (size_t)array->npy.k;
    for (size_t i = 0; i < (size_t)n; i++) {
        memcpy(out + i * width, array->npy.values + i * k, k * sizeof *out);
    }
}

/* ---- x and y ---- */

static enum err_code join_outputs(const struct array *x, const struct array *y, struct arena *arena,
                                  struct npz_rows *out, struct err *err)
{
    size_t d = (size_t)x->npy.k;
    size_t o = y->npy.flat ? 1 : (size_t)y->npy.k;
    if (length_of(y) != x->npy.n) {
        return err_set(err, ERR_SHAPE, "array \"%s\" has %s, \"%s\" has %s", x->name,
                       phrase_count(x->npy.n, "row").text, y->name,
                       phrase_count(length_of(y), "row").text);
    }
    if (d + o > INT_MAX) {
        return err_set(err, ERR_SHAPE, "the npz body has more columns than any model");
    }
    double *values = arena_alloc_array(arena, (size_t)x->npy.n * (d + o), sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    copy_columns(x, x->npy.n, values, d + o);
    copy_columns(y, x->npy.n, values + d, d + o);
    out->n_outputs = (int)o;
    out->rows.k = (int)(d + o);
    out->rows.values = values;
    out->rows.single = x->npy.single && y->npy.single;
    return ERR_OK;
}

/* NULL: there is no matrix of this name. */
static const struct array *find_inputs(const struct arrays *arrays)
{
    for (int i = 0; i < arrays->n; i++) {
        if (!arrays->at[i].npy.flat && is_called(&arrays->at[i], "x", "inputs")) {
            return &arrays->at[i];
        }
    }
    return NULL;
}

static enum err_code read_matrices(const struct arrays *arrays, int max_rows, struct arena *arena,
                                   struct npz_rows *out, struct err *err)
{
    const struct array *x = find_inputs(arrays);
    const struct array *y = NULL;
    for (int i = 0; i < arrays->n; i++) {
        const struct array *array = &arrays->at[i];
        bool output = y == NULL && is_called(array, "y", "outputs");
        if (array != x && !output) {
            return err_set(err, ERR_INVALID,
                           "array \"%.40s\" of the npz body is not read beside \"%s\" of two "
                           "dimensions; \"y\" (or \"outputs\") is",
                           array->name, x->name);
        }
        y = output ? array : y;
    }
    *out = (struct npz_rows){.rows = x->npy};
    if (check_rows(x->npy.n, max_rows, err) != ERR_OK || y == NULL) {
        return err->code;
    }
    return join_outputs(x, y, arena, out, err);
}

/* ---- columns ---- */

static enum err_code check_column(const struct array *array, const struct array *first,
                                  struct err *err)
{
    if (!array->npy.flat && array->npy.k != 1) {
        return err_set(err, ERR_SHAPE,
                       "array \"%.40s\" of the npz body has %s; a matrix is called \"x\" (inputs) "
                       "or \"y\" (outputs), and an array of one column has the column's name",
                       array->name, phrase_count(array->npy.k, "column").text);
    }
    if (length_of(array) != length_of(first)) {
        return err_set(err, ERR_SHAPE, "array \"%.40s\" has %s, \"%.40s\" has %s", first->name,
                       phrase_count(length_of(first), "number").text, array->name,
                       phrase_count(length_of(array), "number").text);
    }
    return ERR_OK;
}

static enum err_code read_columns(const struct arrays *arrays, int max_rows, struct arena *arena,
                                  struct npz_rows *out, struct err *err)
{
    int n = arrays->n;
    bool single = true;
    for (int i = 0; i < n; i++) {
        single = single && arrays->at[i].npy.single;
        if (check_column(&arrays->at[i], &arrays->at[0], err) != ERR_OK) {
            return err->code;
        }
    }
    int n_rows = length_of(&arrays->at[0]);
    if (check_rows(n_rows, max_rows, err) != ERR_OK) {
        return err->code;
    }
    double *values = arena_alloc_array(arena, (size_t)n_rows * (size_t)n, sizeof *values);
    const char **names = arena_alloc_array(arena, (size_t)n, sizeof *names);
    if (values == NULL || names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (int i = 0; i < n; i++) {
        names[i] = arrays->at[i].name;
        copy_columns(&arrays->at[i], n_rows, values + i, (size_t)n);
    }
    *out = (struct npz_rows){
        .rows = {.n = n_rows, .k = n, .single = single, .values = values, .names = names}};
    return ERR_OK;
}

enum err_code npz_read(const struct zip *zip, int max_rows, struct arena *arena,
                       struct npz_rows *out, struct err *err)
{
    struct arrays arrays = {arena_zalloc_array(arena, (size_t)zip->n + 1, sizeof *arrays.at),
                            zip->n};
    if (arrays.at == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (zip->n == 0) {
        return err_set(err, ERR_SHAPE, "the npz body has no array");
    }
    for (int i = 0; i < zip->n; i++) {
        if (read_array(&zip->members[i], arena, &arrays.at[i], err) != ERR_OK) {
            return err->code;
        }
    }
    return find_inputs(&arrays) != NULL ? read_matrices(&arrays, max_rows, arena, out, err)
                                        : read_columns(&arrays, max_rows, arena, out, err);
}
