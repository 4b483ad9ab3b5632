/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_json_priv.h"

#include "base/mem.h"
#include "base/phrase.h"

#include <stdio.h>
#include <string.h>

/* ---- draws ---- */

static enum err_code read_draws(const json_t *posterior, const struct json_tensor *parameters,
                                const struct arch *arch, struct model **out, struct err *err)
{
    static const char *const keys[] = {"kind", "parameters", "weights", NULL};
    if (json_read_check_keys(posterior, "posterior", keys, err) != ERR_OK) {
        return err->code;
    }
    const json_t *weights = json_object_get(posterior, "weights");
    if (weights != NULL && !json_is_null(weights)) {
        return err_set(err, ERR_UNSUPPORTED, "posterior: weights are not supported, null is");
    }
    if (json_tensor_check(parameters, posterior, arch_n_params(arch), err) != ERR_OK) {
        return err->code;
    }
    if (parameters->flat) {
        return err_set(err, ERR_SHAPE,
                       "posterior: parameters is one row, an array of rows is needed");
    }
    if (model_new(arch, parameters->n, out, err) != ERR_OK) {
        return err->code;
    }
    memcpy((*out)->draws, parameters->values,
           (size_t)parameters->n * (size_t)parameters->k * sizeof(double));
    return ERR_OK;
}

/* ---- Gaussians ---- */

/* A copy of the numbers, by mem. */
static enum err_code copy_values(const struct json_tensor *tensor, double **out, struct err *err)
{
    size_t count = (size_t)tensor->n * (size_t)tensor->k;
    *out = mem_alloc_array(count, sizeof **out);
    if (*out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a posterior");
    }
    memcpy(*out, tensor->values, count * sizeof **out);
    return ERR_OK;
}

static enum err_code read_spread(const struct json_tensor *std, const struct json_tensor *factor,
                                 const char *where, int n_params, struct gauss *g, struct err *err)
{
    if ((std->found && !std->flat) || (factor->found && factor->flat)) {
        return err_set(err, ERR_SHAPE, "%s: std must be a flat array, factor one of rows", where);
    }
    if (std->found && factor->found && std->k != factor->n) {
        return err_set(err, ERR_SHAPE, "%s: std has %s, but factor %s", where,
                       phrase_count(std->k, "number").text, phrase_count(factor->n, "row").text);
    }
    if (std->found || factor->found) {
        g->n = std->found ? std->k : factor->n;
    }
    if (g->n > n_params - g->first) {
        return err_set(err, ERR_SHAPE, "%s: %s from %d on, the network has %s", where,
                       phrase_count(g->n, "uncertain parameter").text, g->first,
                       phrase_count(n_params, "parameter").text);
    }
    if (std->found && copy_values(std, &g->std, err) != ERR_OK) {
        return err->code;
    }
    g->rank = factor->found ? factor->k : 0;
    return factor->found ? copy_values(factor, &g->factor, err) : ERR_OK;
}

static enum err_code read_member(const json_t *member, const struct model_tensors *tensors,
                                 int index, int n_params, struct gauss *g, struct err *err)
{
    static const char *const keys[] = {"mean", "first", "std", "factor", NULL};
    struct json_tensor mean = json_tensor_item(&tensors->of[TENSOR_MEAN], index);
    struct json_tensor std = json_tensor_item(&tensors->of[TENSOR_STD], index);
    struct json_tensor factor = json_tensor_item(&tensors->of[TENSOR_FACTOR], index);
    char where[48];
    int64_t first = 0;
    snprintf(where, sizeof where, "posterior: members[%d]", index);
    if (!json_is_object(member)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                       json_read_kind(member));
    }
    if (json_read_check_keys(member, where, keys, err) != ERR_OK ||
        json_read_int((struct json_members){member, where, err}, "first", 0, n_params - 1,
                      &first) != ERR_OK ||
        model_json_check_optional(&std, member, where, "std", err) != ERR_OK ||
        model_json_check_optional(&factor, member, where, "factor", err) != ERR_OK) {
        return err->code;
    }
    if (!mean.found || !mean.flat || mean.k != n_params) {
        return err_set(err, ERR_SHAPE, "%s: mean must be a flat array of %s", where,
                       phrase_count(n_params, "number").text);
    }
    g->first = (int)first;
    return copy_values(&mean, &g->mean, err) == ERR_OK
               ? read_spread(&std, &factor, where, n_params, g, err)
               : err->code;
}

static enum err_code read_predictive(const json_t *posterior, bool *linearised, struct err *err)
{
    const char *text = NULL;
    const struct json_members members = {posterior, "posterior", err};
    if (json_read_text(members, "predictive", 64, &text) != ERR_OK) {
        return err->code;
    }
    if (text != NULL && strcmp(text, "sampled") != 0 && strcmp(text, "linearised") != 0) {
        return err_set(
            err, ERR_INVALID,
            "posterior: predictive is \"%.40s\", \"sampled\" or \"linearised\" is needed", text);
    }
    *linearised = text != NULL && strcmp(text, "linearised") == 0;
    return ERR_OK;
}

static enum err_code read_gaussians(const json_t *posterior, const struct model_tensors *tensors,
                                    const struct arch *arch, struct model **out, struct err *err)
{
    static const char *const keys[] = {"kind", "draws", "seed", "predictive", "members", NULL};
    const json_t *members = json_object_get(posterior, "members");
    struct model *model = NULL;
    int64_t draws = 0;
    int64_t seed = 0;
    bool linearised = false;
    size_t n = json_array_size(members);
    const struct json_members of = {posterior, "posterior", err};
    if (json_read_check_keys(posterior, "posterior", keys, err) != ERR_OK) {
        return err->code;
    }
    json_read_require(of, "draws");
    json_read_int(of, "draws", 1, MODEL_MAX_DRAWS, &draws);
    json_read_int(of, "seed", INT64_MIN, INT64_MAX, &seed);
    if (err->code != ERR_OK || read_predictive(posterior, &linearised, err) != ERR_OK) {
        return err->code;
    }
    if (n < 1 || n > JSON_TENSOR_ITEMS) {
        return err_set(err, ERR_INVALID, "posterior: members must be an array of 1 to %d objects",
                       JSON_TENSOR_ITEMS);
    }
    if (model_new(arch, (int)n * (int)draws, &model, err) != ERR_OK) {
        return err->code;
    }
    struct gauss_mixture *mixture = &model->gaussian;
    mixture->members = mem_zalloc_array(n, sizeof *mixture->members);
    if (mixture->members == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a posterior");
        goto done;
    }
    mixture->n_members = (int)n;
    mixture->n_draws = (int)draws;
    mixture->seed = seed;
    mixture->linearised = linearised;
    for (int i = 0; i < (int)n; i++) {
        if (read_member(json_array_get(members, (size_t)i), tensors, i, model->net.n_params,
                        &mixture->members[i], err) != ERR_OK) {
            goto done;
        }
    }
    *out = model;
    model = NULL;
done:
    model_unref(model);
    return err->code;
}

/* ---- both ---- */

enum err_code posterior_json_read(const json_t *document, const struct model_tensors *tensors,
                                  const struct arch *arch, struct model **out, struct err *err)
{
    const json_t *posterior = NULL;
    const char *kind = NULL;
    if (model_json_object(document, "posterior", &posterior, err) != ERR_OK) {
        return err->code;
    }
    if (posterior == NULL) {
        return err_set(err, ERR_INVALID, "posterior is missing");
    }
    const struct json_members members = {posterior, "posterior", err};
    json_read_require(members, "kind");
    if (json_read_text(members, "kind", 64, &kind) != ERR_OK) {
        return err->code;
    }
    if (strcmp(kind, "draws") == 0) {
        return read_draws(posterior, &tensors->of[TENSOR_DRAWS], arch, out, err);
    }
    if (strcmp(kind, "gaussian") == 0) {
        return read_gaussians(posterior, tensors, arch, out, err);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "posterior: kind \"%.40s\" is not supported, \"draws\" and \"gaussian\" are",
                   kind);
}

/* The members of a posterior that only a mixture has, without its Gaussians. */
static void write_mixture(struct json_write *json, const struct gauss_mixture *mixture)
{
    json_write_text(json, "kind", "gaussian");
    json_write_int(json, "draws", mixture->n_draws);
    json_write_int(json, "seed", mixture->seed);
    json_write_text(json, "predictive", mixture->linearised ? "linearised" : "sampled");
}

void posterior_json_write_kind(struct json_write *json, const char *key, const struct model *model)
{
    const struct gauss_mixture *mixture = &model->gaussian;
    json_write_object(json, key);
    if (mixture->n_members == 0) {
        json_write_text(json, "kind", "draws");
    } else {
        write_mixture(json, mixture);
        json_write_int(json, "members", mixture->n_members);
    }
    json_write_object_end(json);
}

static void write_member(struct json_write *json, const struct gauss *g, int n_params)
{
    json_write_object(json, NULL);
    json_write_reals(json, "mean", g->mean, (size_t)n_params);
    json_write_int(json, "first", g->first);
    json_write_reals(json, "std", g->std, (size_t)g->n);
    json_write_matrix(json, "factor", g->factor, (size_t)g->n, (size_t)g->rank);
    json_write_object_end(json);
}

void posterior_json_write(struct json_write *json, const char *key, const struct model *model)
{
    const struct gauss_mixture *mixture = &model->gaussian;
    json_write_object(json, key);
    if (mixture->n_members == 0) {
        json_write_text(json, "kind", "draws");
        json_write_matrix(json, "parameters", model->draws, (size_t)model->m,
                          (size_t)model->net.n_params);
        json_write_null(json, "weights");
    } else {
        write_mixture(json, mixture);
        json_write_array(json, "members");
        for (int i = 0; i < mixture->n_members; i++) {
            write_member(json, &mixture->members[i], model->net.n_params);
        }
        json_write_array_end(json);
    }
    json_write_object_end(json);
}
