/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL when there is no such file. */
static json_t *load_file(const char *folder, const char *name)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, R_OK) != 0) {
        return NULL;
    }
    json_t *document = json_load_file(path, 0, &error);
    ck_assert_msg(document != NULL, "%s: %s", path, error.text);
    return document;
}

json_t *oracle_load(const char *name)
{
    const char *folder = getenv("SURROGATED_ORACLES");
    json_t *document = folder != NULL ? load_file(folder, name) : NULL;
    if (document == NULL) {
        printf("skipped: no reference cases %s\n", name);
    }
    return document;
}

json_t *golden_load(const char *name)
{
    json_t *document = load_file(TEST_DATA, name);
    ck_assert_msg(document != NULL, "tests/data/%s is missing", name);
    return document;
}

static int get_int(const json_t *json, const char *key, int fallback)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? (int)json_integer_value(value) : fallback;
}

static bool get_bool(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static const char *get_text(const json_t *json, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : fallback;
}

static int get_name(const json_t *json, const char *key, const char *fallback, struct names known)
{
    int value = names_find(known, get_text(json, key, fallback));
    ck_assert_int_ge(value, 0);
    return value;
}

struct arch oracle_arch(const json_t *json)
{
    struct arch a = arch_default(get_int(json, "inputs", 0), get_int(json, "outputs", 0));
    a.width = get_int(json, "width", 0);
    a.layers = get_int(json, "layers", 0);
    a.order = get_int(json, "order", 0);
    a.bias = get_bool(json, "bias");
    a.outer_bias = !json_is_false(json_object_get(json, "outer_bias"));
    a.residual = get_bool(json, "residual");
    a.layer_pre = get_bool(json, "layer_pre");
    a.layer_post = get_bool(json, "layer_post");
    a.basis = (enum wpfn_basis)get_name(json, "basis", "", wpfn_known());
    a.activation = (enum activation)get_name(json, "activation", "", arch_activation_known());
    a.final = (enum arch_final)get_name(json, "final", "none", arch_final_known());
    a.grid = (enum arch_grid)get_name(json, "grid", "left", arch_grid_known());
    a.index_rule =
        (enum arch_index_rule)get_name(json, "index_rule", "quinn", arch_index_rule_known());
    const json_t *horizon = json_object_get(json, "horizon");
    a.horizon = horizon != NULL ? json_number_value(horizon) : 1.0;
    return a;
}

static void count_numbers(const json_t *value, int *n)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value)) {
        (*n)++;
        return;
    }
    json_array_foreach(value, i, item)
    {
        count_numbers(item, n);
    }
}

static void copy_numbers(const json_t *value, double *out, int *n)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value)) {
        ck_assert(json_is_number(value));
        out[(*n)++] = json_number_value(value);
        return;
    }
    json_array_foreach(value, i, item)
    {
        copy_numbers(item, out, n);
    }
}

double *oracle_numbers(const json_t *array, int *n)
{
    int total = 0;
    int at = 0;
    ck_assert_msg(json_is_array(array), "an array is missing in a reference case");
    count_numbers(array, &total);
    double *out = calloc((size_t)total + 1, sizeof *out);
    ck_assert_ptr_nonnull(out);
    copy_numbers(array, out, &at);
    if (n != NULL) {
        *n = total;
    }
    return out;
}

double oracle_error(const double *a, const double *b, int n)
{
    double error = 0.0;
    double scale = 0.0;
    for (int i = 0; i < n; i++) {
        ck_assert_msg(isfinite(a[i]) && isfinite(b[i]), "value %d is not finite", i);
        error = fmax(error, fabs(a[i] - b[i]));
        scale = fmax(scale, fabs(b[i]));
    }
    return scale > 0.0 ? error / scale : error;
}
