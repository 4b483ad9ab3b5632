/* SPDX-License-Identifier: Apache-2.0 */
/* Is a space well formed, and may it take the place of another one? */
#include "model/space.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "network/arch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROBABILITY_ROUNDOFF 1e-9 /* how far from 1 the sum of probabilities may be */

/* ---- texts ---- */

/* Why a text can be no name, unit or member; NULL: it can. */
static const char *text_fault(const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    if (len == 0) {
        return "is missing or empty";
    }
    if (len > SPACE_MAX_NAME) {
        return "is longer than 128 bytes";
    }
    if (text[0] == ' ' || text[len - 1] == ' ') {
        return "begins or ends with a blank";
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return "has a control character";
        }
    }
    return utf8_is_valid(text, len) ? NULL : "is not UTF-8";
}

_Static_assert(SPACE_MAX_NAME == 128, "text_fault says so");

static enum err_code check_unit(const char *unit, const char *list, int j, struct err *err)
{
    const char *fault = unit != NULL ? text_fault(unit) : NULL;
    return fault == NULL ? ERR_OK : err_set(err, ERR_INVALID, "%s[%d].unit %s", list, j, fault);
}

/* A text and its place in the list that it was in. */
struct placed {
    const char *text;
    int place;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a;
    const struct placed *y = b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : x->place - y->place;
}

/* The places of two equal texts; *first -1: all are different. Sorts the list. */
static void find_twins(struct placed *list, int n, int *first, int *second)
{
    qsort(list, (size_t)n, sizeof *list, compare_placed);
    *first = -1;
    for (int i = 1; i < n; i++) {
        if (strcmp(list[i - 1].text, list[i].text) == 0) {
            *first = list[i - 1].place;
            *second = list[i].place;
            return;
        }
    }
}

static enum err_code check_names(const struct space *space, struct err *err)
{
    int n = space->d + space->o;
    int first = -1;
    int second = -1;
    for (int j = 0; j < n; j++) {
        const char *fault = text_fault(space_column_name(space, j));
        if (fault != NULL) {
            bool input = j < space->d;
            return err_set(err, ERR_INVALID, "%s[%d].name %s", input ? "inputs" : "outputs",
                           input ? j : j - space->d, fault);
        }
    }
    struct placed *list = mem_alloc_array((size_t)n, sizeof *list);
    if (list == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of an input space");
    }
    for (int j = 0; j < n; j++) {
        list[j] = (struct placed){space_column_name(space, j), j};
    }
    find_twins(list, n, &first, &second);
    mem_free(list);
    if (first < 0) {
        return ERR_OK;
    }
    bool inputs[] = {first < space->d, second < space->d};
    return err_set(err, ERR_INVALID, "%s[%d] and %s[%d] have the same name \"%.60s\"",
                   inputs[0] ? "inputs" : "outputs", inputs[0] ? first : first - space->d,
                   inputs[1] ? "inputs" : "outputs", inputs[1] ? second : second - space->d,
                   space_column_name(space, first));
}

/* ---- categories ---- */

static enum err_code check_members(const struct space_input *input, int j, struct err *err)
{
    int first = -1;
    int second = -1;
    if (input->type != SPACE_CATEGORY) {
        return input->n_values == 0
                   ? ERR_OK
                   : err_set(err, ERR_INVALID, "inputs[%d].values are for type category", j);
    }
    if (input->n_values < 2 || input->n_values > SPACE_MAX_VALUES) {
        return err_set(err, ERR_INVALID, "inputs[%d].values: a category has 2 to %d values, not %d",
                       j, SPACE_MAX_VALUES, input->n_values);
    }
    struct placed *list = mem_alloc_array((size_t)input->n_values, sizeof *list);
    if (list == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the values of a category");
    }
    for (int i = 0; i < input->n_values && err->code == ERR_OK; i++) {
        const char *fault = text_fault(input->values[i]);
        list[i] = (struct placed){input->values[i], i};
        if (fault != NULL) {
            err_set(err, ERR_INVALID, "inputs[%d].values[%d] %s", j, i, fault);
        }
    }
    if (err->code == ERR_OK) {
        find_twins(list, input->n_values, &first, &second);
    }
    mem_free(list);
    return first < 0
               ? err->code
               : err_set(err, ERR_INVALID, "inputs[%d].values[%d] and [%d] are the same \"%.60s\"",
                         j, first, second, input->values[first]);
}

/* ---- numbers ---- */

static bool is_whole(double value)
{
    return value == floor(value);
}

static enum err_code check_bounds(const struct space_input *input, int j, struct err *err)
{
    const double *b = input->bounds;
    if (!input->has_bounds) {
        return ERR_OK;
    }
    if (input->type == SPACE_CATEGORY) {
        return err_set(err, ERR_INVALID, "inputs[%d].bounds: a category has none", j);
    }
    if (!isfinite(b[0]) || !isfinite(b[1]) || !(b[0] < b[1])) {
        return err_set(err, ERR_INVALID,
                       "inputs[%d].bounds are [%g, %g], two finite numbers are needed, the lower "
                       "one first",
                       j, b[0], b[1]);
    }
    if (input->type == SPACE_INTEGER && !(is_whole(b[0]) && is_whole(b[1]))) {
        return err_set(err, ERR_INVALID, "inputs[%d].bounds are [%g, %g], integers are needed", j,
                       b[0], b[1]);
    }
    return ERR_OK;
}

static enum err_code check_default(const struct space_input *input, int j, struct err *err)
{
    double value = input->default_value;
    double limits[2];
    space_limits(input, limits);
    if (!input->has_default) {
        return ERR_OK;
    }
    if (input->type == SPACE_CATEGORY) {
        bool member = is_whole(value) && value >= 0.0 && value < input->n_values;
        return member ? ERR_OK
                      : err_set(err, ERR_INVALID, "inputs[%d].default is none of the values", j);
    }
    const char *wanted = input->type == SPACE_INTEGER ? "an integer" : "a number";
    bool fits = isfinite(value) && (input->type != SPACE_INTEGER || is_whole(value));
    if (!fits && isinf(limits[0]) && isinf(limits[1])) {
        return err_set(err, ERR_INVALID, "inputs[%d].default is %g, %s is needed", j, value,
                       wanted);
    }
    if (!fits || value < limits[0] || value > limits[1]) {
        return err_set(err, ERR_INVALID, "inputs[%d].default is %g, %s between %g and %g is needed",
                       j, value, wanted, limits[0], limits[1]);
    }
    return ERR_OK;
}

/* ---- distributions ---- */

static enum err_code check_discrete(const struct space_input *input, int j, struct err *err)
{
    const struct space_distribution *dist = &input->distribution;
    bool category = input->type == SPACE_CATEGORY;
    double sum = 0.0;
    if (dist->n < 1 || dist->n > SPACE_MAX_VALUES || dist->probabilities == NULL ||
        (dist->values == NULL) != category || (category && dist->n != input->n_values)) {
        return err_set(err, ERR_INVALID,
                       "inputs[%d].distribution: discrete has a probability for each of %s", j,
                       category ? "the category's values" : "its values");
    }
    for (int i = 0; i < dist->n; i++) {
        double p = dist->probabilities[i];
        double value = category ? 0.0 : dist->values[i];
        sum += p;
        if (!(p >= 0.0 && p <= 1.0)) {
            return err_set(err, ERR_INVALID,
                           "inputs[%d].distribution.probabilities[%d] is %g, a number from 0 to 1 "
                           "is needed",
                           j, i, p);
        }
        if (!isfinite(value) || (!category && i > 0 && !(value > dist->values[i - 1]))) {
            return err_set(err, ERR_INVALID,
                           "inputs[%d].distribution.values[%d] is %g, finite numbers in ascending "
                           "order are needed",
                           j, i, value);
        }
        if (input->type == SPACE_INTEGER && !is_whole(value)) {
            return err_set(err, ERR_INVALID,
                           "inputs[%d].distribution.values[%d] is %g, an integer is needed", j, i,
                           value);
        }
    }
    return fabs(sum - 1.0) <= PROBABILITY_ROUNDOFF
               ? ERR_OK
               : err_set(err, ERR_INVALID,
                         "inputs[%d].distribution.probabilities have the sum %.10g, not 1", j, sum);
}

/* The limits of a distribution, and what they mean for its other parameters. */
static const char *limits_fault(const struct space_distribution *dist)
{
    const double *p = dist->p;
    switch (dist->kind) {
    case SPACE_UNIFORM:
    case SPACE_TRUNCATED_NORMAL:
        return p[0] < p[1] ? NULL : "low must be below high";
    case SPACE_LOGUNIFORM:
        return p[0] > 0.0 && p[0] < p[1] ? NULL : "low must be above 0 and below high";
    case SPACE_TRUNCATED_LOGNORMAL:
        return p[0] >= 0.0 && p[0] < p[1] ? NULL : "low must not be negative, and below high";
    case SPACE_TRIANGULAR:
        return p[0] < p[1] && p[0] <= p[2] && p[2] <= p[1]
                   ? NULL
                   : "low must be below high, and mode between them";
    case SPACE_NONE:
    case SPACE_NORMAL:
    case SPACE_LOGNORMAL:
    case SPACE_DISCRETE:
        return NULL;
    }
    return NULL;
}

/* What may not be 0 or negative: std and sigma. */
static const char *width_fault(const struct space_distribution *dist)
{
    for (int k = 0; space_parameter_name(dist->kind, k) != NULL; k++) {
        const char *name = space_parameter_name(dist->kind, k);
        if (!isfinite(dist->p[k])) {
            return "its parameters must be finite numbers";
        }
        if ((strcmp(name, "std") == 0 || strcmp(name, "sigma") == 0) && !(dist->p[k] > 0.0)) {
            return strcmp(name, "std") == 0 ? "std must be above 0" : "sigma must be above 0";
        }
    }
    return NULL;
}

static enum err_code check_within_bounds(const struct space_input *input, int j, struct err *err)
{
    double limits[2];
    struct space_input free_input = *input;
    free_input.has_bounds = false;
    space_limits(&free_input, limits);
    if (!input->has_bounds || input->distribution.kind == SPACE_NONE ||
        (limits[0] >= input->bounds[0] && limits[1] <= input->bounds[1])) {
        return ERR_OK;
    }
    const char *name = space_distribution_name(input->distribution.kind);
    if (!isfinite(limits[1])) {
        return err_set(err, ERR_INVALID,
                       "inputs[%d].distribution: %s goes beyond the bounds; truncated_%s stays "
                       "within them",
                       j, name, name);
    }
    return err_set(err, ERR_INVALID,
                   "inputs[%d].distribution: %s from %g to %g goes beyond the bounds [%g, %g]", j,
                   name, limits[0], limits[1], input->bounds[0], input->bounds[1]);
}

static enum err_code check_distribution(const struct space_input *input, int j, struct err *err)
{
    const struct space_distribution *dist = &input->distribution;
    const char *fault = width_fault(dist);
    if (fault == NULL) {
        fault = limits_fault(dist);
    }
    if (fault != NULL) {
        return err_set(err, ERR_INVALID, "inputs[%d].distribution: of %s %s", j,
                       space_distribution_name(dist->kind), fault);
    }
    if (input->type == SPACE_CATEGORY && dist->kind != SPACE_NONE && dist->kind != SPACE_DISCRETE) {
        return err_set(err, ERR_INVALID,
                       "inputs[%d].distribution is %s, a category has discrete or none", j,
                       space_distribution_name(dist->kind));
    }
    if (dist->kind == SPACE_DISCRETE && check_discrete(input, j, err) != ERR_OK) {
        return err->code;
    }
    return check_within_bounds(input, j, err);
}

enum err_code space_validate(const struct space *space, struct err *err)
{
    size_t width = 0;
    if (check_names(space, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < space->d; j++) {
        const struct space_input *input = &space->inputs[j];
        width += input->type == SPACE_CATEGORY ? (size_t)input->n_values : 1;
        if (check_unit(input->unit, "inputs", j, err) != ERR_OK ||
            check_members(input, j, err) != ERR_OK || check_bounds(input, j, err) != ERR_OK ||
            check_distribution(input, j, err) != ERR_OK || check_default(input, j, err) != ERR_OK) {
            return err->code;
        }
    }
    for (int j = 0; j < space->o; j++) {
        if (check_unit(space->outputs[j].unit, "outputs", j, err) != ERR_OK) {
            return err->code;
        }
    }
    return width <= ARCH_MAX_INPUTS
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "the inputs and the values of categories are %zu in all, at most %d are "
                         "possible",
                         width, ARCH_MAX_INPUTS);
}

/* ---- a successor ---- */

#define WAY_OUT "; delete the rows first (DELETE .../data), or use a model of another name"

static enum err_code check_place(const struct space *old, const struct space *next, int column,
                                 struct err *err)
{
    const char *name = space_column_name(next, column);
    if (strcmp(space_column_name(old, column), name) == 0) {
        return ERR_OK;
    }
    for (int j = 0; j < old->d + old->o; j++) {
        if (strcmp(space_column_name(old, j), name) == 0) {
            return err_set(err, ERR_CONFLICT,
                           "rows are stored with \"%.40s\" in column %d, not %d: keep the order, "
                           "uploads may have any" WAY_OUT,
                           name, j, column);
        }
    }
    return ERR_OK;
}

static enum err_code check_type(const struct space_input *old, const struct space_input *next,
                                int j, struct err *err)
{
    if ((old->type == SPACE_CATEGORY) != (next->type == SPACE_CATEGORY)) {
        return err_set(err, ERR_CONFLICT,
                       "inputs[%d].type: rows are stored with %s, which cannot become %s" WAY_OUT,
                       j, space_type_name(old->type), space_type_name(next->type));
    }
    for (int i = 0; i < old->n_values; i++) {
        if (i >= next->n_values || strcmp(old->values[i], next->values[i]) != 0) {
            return err_set(err, ERR_CONFLICT,
                           "inputs[%d].values: rows are stored with \"%.40s\" in place %d; new "
                           "values follow the old ones" WAY_OUT,
                           j, old->values[i], i);
        }
    }
    return ERR_OK;
}

enum err_code space_check_types(const struct space *old, const struct space *next, struct err *err)
{
    for (int j = 0; j < old->d && err->code == ERR_OK; j++) {
        err_kept(check_type(&old->inputs[j], &next->inputs[j], j, err));
    }
    return err->code;
}

enum err_code space_check_successor(const struct space *old, const struct space *next,
                                    struct err *err)
{
    if (old->d != next->d || old->o != next->o) {
        return err_set(err, ERR_CONFLICT,
                       "rows are stored with %d input%s and %d output%s, the space has %d and "
                       "%d" WAY_OUT,
                       old->d, old->d == 1 ? "" : "s", old->o, old->o == 1 ? "" : "s", next->d,
                       next->o);
    }
    for (int j = 0; j < old->d + old->o; j++) {
        if (check_place(old, next, j, err) != ERR_OK) {
            return err->code;
        }
    }
    return space_check_types(old, next, err);
}
