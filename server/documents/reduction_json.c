/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/reduction_json.h"

#include "base/mem.h"
#include "formats/json_read.h"

#include <string.h>

#define KEY       REDUCTION_JSON_KEY
#define KIND      "kl" /* Karhunen-Loeve */
#define TRAPEZOID "trapezoid"

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for a reduction");
}

static enum err_code check_kind(struct json_members members)
{
    const char *kind = NULL;
    if (json_read_require(members, "kind") != ERR_OK ||
        json_read_text(members, "kind", 16, &kind) != ERR_OK) {
        return members.err->code;
    }
    return strcmp(kind, KIND) == 0
               ? ERR_OK
               : err_set(members.err, ERR_INVALID,
                         KEY ": kind is \"%.16s\", \"" KIND "\" is needed", kind);
}

/* ---- requests ---- */

static enum err_code read_points(const json_t *list, struct reduction_spec *spec, struct err *err)
{
    size_t n = json_array_size(list);
    const json_t *first = json_array_get(list, 0);
    size_t q = json_is_array(first) ? json_array_size(first) : 1;
    if (n < 1 || n > REDUCTION_MAX_POINTS || q < 1 || q > REDUCTION_MAX_AXES) {
        return err_set(err, ERR_INVALID,
                       KEY ": coordinates must be an array of 1 to %d numbers, or of rows of up to "
                           "%d numbers",
                       REDUCTION_MAX_POINTS, REDUCTION_MAX_AXES);
    }
    spec->coordinates = mem_alloc_array(n * q, sizeof *spec->coordinates);
    if (spec->coordinates == NULL) {
        return no_memory(err);
    }
    spec->q = (int)q;
    spec->n_coordinates = (int)(n * q);
    return json_is_array(first)
               ? json_read_matrix(list, KEY ": coordinates", (int)n, (int)q, spec->coordinates, err)
               : json_read_vector(list, KEY ": coordinates", (int)n, spec->coordinates, err);
}

static enum err_code read_axes(const json_t *object, struct reduction_spec *spec, struct err *err)
{
    static const char *const keys[] = {"axes", NULL};
    const json_t *axes = json_object_get(object, "axes");
    size_t q = json_array_size(axes);
    size_t n = 0;
    if (json_read_check_keys(object, KEY ": coordinates", keys, err) != ERR_OK) {
        return err->code;
    }
    for (size_t a = 0; a < q; a++) {
        n += json_array_size(json_array_get(axes, a));
    }
    if (q < 1 || q > REDUCTION_MAX_AXES || n > REDUCTION_MAX_POINTS) {
        return err_set(err, ERR_INVALID, KEY ": axes must be an array of 1 to %d arrays of numbers",
                       REDUCTION_MAX_AXES);
    }
    spec->coordinates = mem_alloc_array(n > 0 ? n : 1, sizeof *spec->coordinates);
    if (spec->coordinates == NULL) {
        return no_memory(err);
    }
    spec->q = (int)q;
    for (size_t a = 0; a < q; a++) {
        const json_t *axis = json_array_get(axes, a);
        spec->axis[a] = (int)json_array_size(axis);
        if (spec->axis[a] < 1) {
            return err_set(err, ERR_INVALID, KEY ": axes[%zu] must be an array of numbers", a);
        }
        if (json_read_vector(axis, KEY ": axes", spec->axis[a],
                             spec->coordinates + spec->n_coordinates, err) != ERR_OK) {
            return err->code;
        }
        spec->n_coordinates += spec->axis[a];
    }
    return ERR_OK;
}

static enum err_code read_weights(const json_t *value, struct reduction_spec *spec, struct err *err)
{
    size_t n = json_array_size(value);
    const char *text = json_string_value(value);
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    if (text != NULL && strcmp(text, TRAPEZOID) == 0) {
        spec->trapezoid = true;
        return ERR_OK;
    }
    if (n < 1 || n > REDUCTION_MAX_POINTS) {
        return err_set(err, ERR_INVALID,
                       KEY ": weights are %s, an array of a number for each output, or "
                           "\"" TRAPEZOID "\", is needed",
                       json_is_array(value) ? "an array of no numbers, or too many"
                                            : json_read_kind(value));
    }
    spec->weights = mem_alloc_array(n, sizeof *spec->weights);
    if (spec->weights == NULL) {
        return no_memory(err);
    }
    spec->n_weights = (int)n;
    return json_read_vector(value, KEY ": weights", (int)n, spec->weights, err);
}

enum err_code reduction_json_read_spec(const json_t *object, struct reduction_spec *spec,
                                       struct err *err)
{
    static const char *const keys[] = {"kind",        "modes",   "explained",
                                       "coordinates", "weights", NULL};
    const struct json_members members = {object, KEY, err};
    int64_t modes = 0;
    bool by_modes = json_object_get(object, "modes") != NULL;
    bool by_share = json_object_get(object, "explained") != NULL;
    *spec = (struct reduction_spec){.on = false};
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, KEY, keys, err) != ERR_OK || check_kind(members) != ERR_OK) {
        return err->code;
    }
    if (by_modes == by_share) {
        return err_set(err, ERR_INVALID,
                       KEY ": either \"modes\", how many, or \"explained\", the share of the "
                           "variance that they have, is needed");
    }
    spec->on = true;
    json_read_int(members, "modes", 1, REDUCTION_MAX_MODES, &modes);
    spec->modes = (int)modes;
    if (json_read_real(members, "explained", 0.0, 1.0, &spec->explained) != ERR_OK) {
        return err->code;
    }
    const json_t *coordinates = json_object_get(object, "coordinates");
    if (json_is_object(coordinates)) {
        err_kept(read_axes(coordinates, spec, err));
    } else if (coordinates != NULL && !json_is_null(coordinates)) {
        err_kept(read_points(coordinates, spec, err));
    }
    return err->code == ERR_OK ? read_weights(json_object_get(object, "weights"), spec, err)
                               : err->code;
}

void reduction_json_write_spec(struct json_write *json, const struct reduction_spec *spec)
{
    if (!spec->on) {
        return;
    }
    json_write_object(json, KEY);
    json_write_text(json, "kind", KIND);
    if (spec->modes > 0) {
        json_write_int(json, "modes", spec->modes);
    } else {
        json_write_real(json, "explained", spec->explained);
    }
    if (spec->q > 0 && spec->axis[0] > 0) {
        const double *x = spec->coordinates;
        json_write_object(json, "coordinates");
        json_write_array(json, "axes");
        for (int a = 0; a < spec->q; a++) {
            json_write_reals(json, NULL, x, (size_t)spec->axis[a]);
            x += spec->axis[a];
        }
        json_write_array_end(json);
        json_write_object_end(json);
    } else if (spec->q == 1) {
        json_write_reals(json, "coordinates", spec->coordinates, (size_t)spec->n_coordinates);
    } else if (spec->q > 1) {
        json_write_matrix(json, "coordinates", spec->coordinates,
                          (size_t)(spec->n_coordinates / spec->q), (size_t)spec->q);
    }
    if (spec->trapezoid) {
        json_write_text(json, "weights", TRAPEZOID);
    } else if (spec->n_weights > 0) {
        json_write_reals(json, "weights", spec->weights, (size_t)spec->n_weights);
    }
    json_write_object_end(json);
}

/* ---- model documents ---- */

/* Copies an array of n rows of k numbers, one row of them flat; absent: it must not be needed. */
static enum err_code copy_tensor(const struct json_tensor *tensor, const char *name, int n, int k,
                                 double *out, struct err *err)
{
    bool flat = tensor->flat && tensor->k == n && k == 1;
    if (!tensor->found || (!flat && (tensor->n != n || tensor->k != k || tensor->flat))) {
        return err_set(err, ERR_SHAPE, KEY ": %s must be an array of %d%s", name, n,
                       k > 1 ? " rows of equal length" : " numbers");
    }
    memcpy(out, tensor->values, (size_t)n * (size_t)k * sizeof *out);
    return ERR_OK;
}

static enum err_code read_arrays(const struct model_tensors *tensors, struct reduction *r,
                                 struct err *err)
{
    if (copy_tensor(&tensors->of[TENSOR_FIELD_MEAN], "mean", r->p, 1, r->mean, err) != ERR_OK ||
        copy_tensor(&tensors->of[TENSOR_FIELD_TRUNCATION], "truncation", r->p, 1, r->truncation,
                    err) != ERR_OK ||
        copy_tensor(&tensors->of[TENSOR_FIELD_DEVIATIONS], "deviations", r->k, 1, r->deviations,
                    err) != ERR_OK ||
        (r->weights != NULL && copy_tensor(&tensors->of[TENSOR_FIELD_WEIGHTS], "weights", r->p, 1,
                                           r->weights, err) != ERR_OK)) {
        return err->code;
    }
    const struct json_tensor *modes = &tensors->of[TENSOR_FIELD_MODES];
    if (modes->flat || modes->k != r->p) {
        return err_set(err, ERR_SHAPE, KEY ": modes must be an array of rows of %d numbers", r->p);
    }
    memcpy(r->modes, modes->values, (size_t)r->p * (size_t)r->k * sizeof *r->modes);
    return r->coordinates != NULL ? copy_tensor(&tensors->of[TENSOR_FIELD_COORDINATES],
                                                "coordinates", r->p, r->q, r->coordinates, err)
                                  : ERR_OK;
}

/* Scaling and noise of the coefficients, which so far are the outputs of the model. */
static enum err_code read_coefficients(const json_t *object, struct model *model, struct err *err)
{
    const json_t *noise = json_object_get(object, "noise");
    if (model_json_read_scalers(object, "scaling", model->o, model->out, err) != ERR_OK) {
        err_prefix(err, KEY);
        return err->code;
    }
    if (noise == NULL || json_is_null(noise)) {
        return ERR_OK;
    }
    model->noise_sigma = mem_alloc_array((size_t)model->o, sizeof *model->noise_sigma);
    return model->noise_sigma != NULL
               ? json_read_vector(noise, KEY ": noise", model->o, model->noise_sigma, err)
               : no_memory(err);
}

enum err_code reduction_json_read(const json_t *document, const struct model_tensors *tensors,
                                  struct model *model, struct err *err)
{
    static const char *const keys[] = {"kind",       "explained",  "mean",        "modes",
                                       "deviations", "weights",    "coordinates", "scaling",
                                       "noise",      "truncation", NULL};
    const struct json_tensor *modes = &tensors->of[TENSOR_FIELD_MODES];
    const struct json_tensor *mean = &tensors->of[TENSOR_FIELD_MEAN];
    const struct json_tensor *coordinates = &tensors->of[TENSOR_FIELD_COORDINATES];
    const json_t *object = NULL;
    struct reduction *r = NULL;
    if (model_json_object(document, KEY, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    const struct json_members members = {object, KEY, err};
    if (json_read_check_keys(object, KEY, keys, err) != ERR_OK || check_kind(members) != ERR_OK ||
        json_read_require(members, "explained") != ERR_OK) {
        return err->code;
    }
    if (!modes->found || !mean->found) {
        return err_set(err, ERR_INVALID, KEY ": %s is missing or no array of numbers",
                       mean->found ? "modes" : "mean");
    }
    int q = !coordinates->found ? 0 : coordinates->flat ? 1 : coordinates->k;
    if (reduction_new(mean->flat ? mean->k : 0, modes->n, q,
                      tensors->of[TENSOR_FIELD_WEIGHTS].found, &r, err) == ERR_OK &&
        json_read_real(members, "explained", 0.0, 1.0, &r->explained) == ERR_OK &&
        read_arrays(tensors, r, err) == ERR_OK && read_coefficients(object, model, err) == ERR_OK) {
        err_kept(model_set_reduction(model, r, err));
    }
    reduction_unref(r);
    return err->code;
}

void reduction_json_write_summary(struct json_write *json, const struct model *model)
{
    const struct reduction *r = model->reduction;
    if (r == NULL) {
        return;
    }
    json_write_object(json, KEY);
    json_write_text(json, "kind", KIND);
    json_write_int(json, "outputs", r->p);
    json_write_int(json, "modes", r->k);
    json_write_int(json, "coordinates", r->q);
    json_write_bool(json, "weights", r->weights != NULL);
    json_write_real(json, "explained", r->explained);
    json_write_reals(json, "deviations", r->deviations, (size_t)r->k);
    json_write_object_end(json);
}

void reduction_json_write(struct json_write *json, const struct model *model)
{
    const struct reduction *r = model->reduction;
    if (r == NULL) {
        return;
    }
    size_t p = (size_t)r->p;
    size_t k = (size_t)r->k;
    json_write_object(json, KEY);
    json_write_text(json, "kind", KIND);
    json_write_real(json, "explained", r->explained);
    json_write_reals(json, "mean", r->mean, p);
    json_write_matrix(json, "modes", r->modes, k, p);
    json_write_reals(json, "deviations", r->deviations, k);
    json_write_reals(json, "truncation", r->truncation, p);
    json_write_reals(json, "weights", r->weights, p);
    if (r->q <= 1) {
        json_write_reals(json, "coordinates", r->coordinates, p);
    } else {
        json_write_matrix(json, "coordinates", r->coordinates, p, (size_t)r->q);
    }
    model_json_write_scalers(json, "scaling", model->coefficient_out, r->k);
    json_write_reals(json, "noise", model->coefficient_noise, k);
    json_write_object_end(json);
}
