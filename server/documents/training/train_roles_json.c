/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/training/train_roles_json.h"

#include "base/known.h"
#include "base/mem.h"
#include "formats/json_read.h"

#include <stdio.h>
#include <string.h>

#define WHERE_CHARS 64

/* ---- reading ---- */

/* *out (mem) <- the name under a key; a number is a place. NULL: there is none. */
static enum err_code read_name(const json_t *object, const char *where, const char *key, char **out,
                               struct err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    int64_t place = 0;
    char digits[24];
    *out = NULL;
    if (value == NULL) {
        return ERR_OK;
    }
    if (text == NULL && json_read_whole(value, &place) && place >= 0) {
        snprintf(digits, sizeof digits, "%lld", (long long)place);
        text = digits;
    }
    if (text == NULL || text[0] == '\0' || strlen(text) > SPACE_MAX_NAME) {
        return err_set(err, ERR_INVALID, "%s: %s is %s; a name or a place from 0 is needed", where,
                       key, json_read_kind(value));
    }
    *out = mem_strdup(text);
    return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a training request");
}

/* A member that must be one of the known names. */
static enum err_code read_choice(const json_t *object, const char *where, const char *key,
                                 struct names known, int *out, struct err *err)
{
    const struct json_members members = {object, where, err};
    const char *name = NULL;
    json_read_require(members, key);
    if (json_read_text(members, key, 64, &name) != ERR_OK) {
        return err->code;
    }
    *out = names_find(known, name);
    return *out >= 0 ? ERR_OK : known_refuse(key, name, known, err);
}

static enum err_code read_column(const json_t *object, const char *where,
                                 struct train_column *column, struct err *err)
{
    static const char *const keys[] = {"name", "role", "of", "by", NULL};
    const struct json_members members = {object, where, err};
    int role = 0;
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        json_read_require(members, "name") != ERR_OK ||
        read_choice(object, where, "role", train_role_known(), &role, err) != ERR_OK ||
        read_name(object, where, "name", &column->name, err) != ERR_OK ||
        read_name(object, where, "of", &column->of, err) != ERR_OK) {
        return err->code;
    }
    column->role = (enum train_role)role;
    return read_name(object, where, "by", &column->by, err);
}

static const char *const directions[] = {"rising", "falling"};

static enum err_code read_constraint(const json_t *object, const char *where,
                                     struct train_constraint *c, struct err *err)
{
    static const char *const keys[] = {"kind", "input", "output", "direction", "low", "high", NULL};
    static const char *const wanted[] = {NULL, "direction", "low", "high"};
    const struct json_members members = {object, where, err};
    const struct names known = {.list = directions, .n = 2};
    int kind = 0;
    int direction = 0;
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        read_choice(object, where, "kind", train_constraint_kind_known(), &kind, err) != ERR_OK ||
        read_name(object, where, "input", &c->input, err) != ERR_OK ||
        read_name(object, where, "output", &c->output, err) != ERR_OK) {
        return err->code;
    }
    c->kind = (enum train_constraint_kind)kind;
    for (int i = 1; i < 4; i++) {
        bool takes = i == 1 ? c->kind == TRAIN_MONOTONE : c->kind == TRAIN_PERIODIC;
        if ((json_object_get(object, wanted[i]) != NULL) != takes) {
            return err_set(err, ERR_INVALID, "%s: %s %s %s", where,
                           train_constraint_kind_name(c->kind), takes ? "needs" : "has no",
                           wanted[i]);
        }
    }
    if (c->kind == TRAIN_MONOTONE) {
        err_kept(read_choice(object, where, "direction", known, &direction, err));
        c->falling = direction == 1;
    }
    json_read_real(members, "low", -1e300, 1e300, &c->low);
    return json_read_real(members, "high", -1e300, 1e300, &c->high);
}

/* Is it an array of 1 to `max` values? NULL is none, and *n is 0. */
static enum err_code read_length(const json_t *array, const char *key, int max, int *n,
                                 struct err *err)
{
    *n = 0;
    if (array == NULL) {
        return ERR_OK;
    }
    if (!json_is_array(array)) {
        return err_set(err, ERR_INVALID, "%s is %s, an array is needed", key,
                       json_read_kind(array));
    }
    if (json_array_size(array) > (size_t)max) {
        return err_set(err, ERR_LIMIT, "%s has %zu members, at most %d are allowed", key,
                       json_array_size(array), max);
    }
    *n = (int)json_array_size(array);
    return ERR_OK;
}

static enum err_code read_columns(const json_t *array, struct train_roles *roles, struct err *err)
{
    int n;
    if (read_length(array, "columns", TRAIN_MAX_COLUMNS, &n, err) != ERR_OK || n == 0) {
        return err->code;
    }
    roles->columns = mem_zalloc_array((size_t)n, sizeof *roles->columns);
    if (roles->columns == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training request");
    }
    for (int i = 0; i < n && err->code == ERR_OK; i++) {
        char where[WHERE_CHARS];
        snprintf(where, sizeof where, "columns[%d]", i);
        roles->n_columns = i + 1;
        err_kept(read_column(json_array_get(array, (size_t)i), where, &roles->columns[i], err));
    }
    return err->code;
}

static enum err_code read_constraints(const json_t *array, struct train_roles *roles,
                                      struct err *err)
{
    int n;
    if (read_length(array, "constraints", TRAIN_MAX_CONSTRAINTS, &n, err) != ERR_OK || n == 0) {
        return err->code;
    }
    roles->constraints = mem_zalloc_array((size_t)n, sizeof *roles->constraints);
    if (roles->constraints == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training request");
    }
    for (int i = 0; i < n && err->code == ERR_OK; i++) {
        char where[WHERE_CHARS];
        snprintf(where, sizeof where, "constraints[%d]", i);
        roles->n_constraints = i + 1;
        err_kept(
            read_constraint(json_array_get(array, (size_t)i), where, &roles->constraints[i], err));
    }
    return err->code;
}

enum err_code train_roles_json_read(const json_t *request, struct train_roles *roles,
                                    struct err *err)
{
    return read_columns(json_object_get(request, "columns"), roles, err) == ERR_OK
               ? read_constraints(json_object_get(request, "constraints"), roles, err)
               : err->code;
}

enum err_code train_rates_json_read(const json_t *schedule, struct optim_settings *settings,
                                    struct err *err)
{
    const json_t *rates = json_object_get(schedule, "rates");
    double points[2 * OPTIM_MAX_RATES];
    int n;
    if (read_length(rates, "rates", OPTIM_MAX_RATES, &n, err) != ERR_OK || n == 0) {
        return err->code;
    }
    if (json_read_matrix(rates, "rates", n, 2, points, err) != ERR_OK) {
        return err->code;
    }
    if (settings->schedule != SCHEDULE_LIST) {
        return err_set(err, ERR_INVALID, "schedule: rates are of the schedule \"list\", not %s",
                       optim_schedule_name(settings->schedule));
    }
    for (int i = 0; i < n; i++) {
        settings->rates[i] = (struct optim_point){points[2 * i], points[2 * i + 1]};
    }
    settings->n_rates = n;
    return ERR_OK;
}

/* *out (mem) <- n rows of *k numbers; *k 0: it is set by the first row. */
static enum err_code read_rows(const json_t *array, const char *what, int n, int *k, double **out,
                               struct err *err)
{
    const json_t *first = json_array_get(array, 0);
    if (*k == 0 && json_is_array(first)) {
        *k = json_array_size(first) <= ARCH_MAX_PARAMS ? (int)json_array_size(first) : 0;
    }
    if (*k == 0) {
        return err_set(err, ERR_INVALID, "%s: an array of arrays of numbers is needed", what);
    }
    *out = mem_alloc_array((size_t)n, (size_t)*k * sizeof **out);
    return *out != NULL ? json_read_matrix(array, what, n, *k, *out, err)
                        : err_set(err, ERR_NOMEM, "no memory for a training request");
}

enum err_code train_chains_json_read(const json_t *request, struct train_chains *chains,
                                     struct err *err)
{
    static const char *const keys[] = {"starts", "covariance", NULL};
    const json_t *object = json_object_get(request, "chain_start");
    int n = 0;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    const json_t *starts = json_object_get(object, "starts");
    const json_t *covariance = json_object_get(object, "covariance");
    if (json_read_check_keys(object, "chain_start", keys, err) != ERR_OK ||
        read_length(starts, "chain_start: starts", TRAIN_MAX_STARTS, &chains->n_starts, err) !=
            ERR_OK ||
        read_length(covariance, "chain_start: covariance", TRAIN_MAX_GIVEN, &n, err) != ERR_OK) {
        return err->code;
    }
    if (chains->n_starts > 0 && read_rows(starts, "chain_start: starts", chains->n_starts,
                                          &chains->n, &chains->starts, err) != ERR_OK) {
        return err->code;
    }
    if (n > 0 && chains->n > 0 && n != chains->n) {
        return err_set(err, ERR_INVALID,
                       "chain_start: the covariance is of %d parameters, the starts have %d", n,
                       chains->n);
    }
    chains->n = n > 0 ? n : chains->n;
    double numbers = (double)chains->n * ((double)chains->n_starts + n);
    if (numbers > TRAIN_MAX_GIVEN) {
        return err_set(
            err, ERR_LIMIT,
            "chain_start: starts and covariance have %.0f numbers, at most %d are allowed", numbers,
            TRAIN_MAX_GIVEN);
    }
    return n > 0 ? read_rows(covariance, "chain_start: covariance", n, &n, &chains->covariance, err)
                 : err->code;
}

/* ---- writing ---- */

void train_chains_json_write(struct json_write *json, const struct train_chains *chains)
{
    size_t n = (size_t)chains->n;
    if (chains->n == 0) {
        return;
    }
    json_write_object(json, "chain_start");
    if (chains->n_starts > 0) {
        json_write_matrix(json, "starts", chains->starts, (size_t)chains->n_starts, n);
    }
    if (chains->covariance != NULL) {
        json_write_matrix(json, "covariance", chains->covariance, n, n);
    }
    json_write_object_end(json);
}

static void write_if(struct json_write *json, const char *key, const char *value)
{
    if (value != NULL) {
        json_write_text(json, key, value);
    }
}

static void write_constraint(struct json_write *json, const struct train_constraint *c)
{
    json_write_object(json, NULL);
    json_write_text(json, "kind", train_constraint_kind_name(c->kind));
    write_if(json, "input", c->input);
    write_if(json, "output", c->output);
    if (c->kind == TRAIN_MONOTONE) {
        json_write_text(json, "direction", directions[c->falling]);
    }
    if (c->kind == TRAIN_PERIODIC) {
        json_write_real(json, "low", c->low);
        json_write_real(json, "high", c->high);
    }
    json_write_object_end(json);
}

void train_roles_json_write(struct json_write *json, const struct train_roles *roles)
{
    if (roles->n_columns > 0) {
        json_write_array(json, "columns");
        for (int i = 0; i < roles->n_columns; i++) {
            json_write_object(json, NULL);
            json_write_text(json, "name", roles->columns[i].name);
            json_write_text(json, "role", train_role_name(roles->columns[i].role));
            write_if(json, "of", roles->columns[i].of);
            write_if(json, "by", roles->columns[i].by);
            json_write_object_end(json);
        }
        json_write_array_end(json);
    }
    if (roles->n_constraints > 0) {
        json_write_array(json, "constraints");
        for (int i = 0; i < roles->n_constraints; i++) {
            write_constraint(json, &roles->constraints[i]);
        }
        json_write_array_end(json);
    }
}

void train_rates_json_write(struct json_write *json, const struct optim_settings *settings)
{
    if (settings->n_rates == 0) {
        return;
    }
    json_write_array(json, "rates");
    for (int i = 0; i < settings->n_rates; i++) {
        const double point[] = {settings->rates[i].epoch, settings->rates[i].rate};
        json_write_reals(json, NULL, point, 2);
    }
    json_write_array_end(json);
}
