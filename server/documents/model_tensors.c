/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_tensors.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "documents/model_json_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the parts of a network ---- */

/* Parts being listed. */
struct listing {
    struct model_parts parts;
    size_t n_draws;
    struct arena *arena;
    bool failed; /* no memory */
};

/* A part [rows x columns] of a draw, or [rows] with columns 0; first -1: the network has none. */
static void add_part(struct listing *l, const char *name, int first, size_t rows, size_t columns)
{
    struct model_part *part = &l->parts.list[l->parts.n];
    char *own = arena_strndup(l->arena, name, strlen(name));
    l->failed |= own == NULL;
    if (first < 0 || own == NULL) {
        return;
    }
    part->n = columns > 0 ? rows * columns : rows; /* at most ARCH_MAX_PARAMS */
    part->first = (size_t)first;
    part->tensor = (struct safetensor){.name = own,
                                       .type = TENSOR_F64,
                                       .rank = columns > 0 ? 3 : 2,
                                       .shape = {l->n_draws, rows, columns},
                                       .n = l->n_draws * part->n,
                                       .n_bytes = l->n_draws * part->n * sizeof(double)};
    l->parts.n++;
}

static void add_named_parts(struct listing *l, const struct arch *arch)
{
    const struct arch_offsets at = arch_offsets(arch);
    const size_t d = (size_t)arch->inputs;
    const size_t o = (size_t)arch->outputs;
    const size_t r = (size_t)arch->width;
    char name[24];
    add_part(l, "weight_pre", at.weight_pre, r, d);
    add_part(l, "bias_pre", at.bias_pre, r, 0);
    add_part(l, "weight_post", at.weight_post, o, r);
    add_part(l, "bias_post", at.bias_post, o, 0);
    for (int k = 0; k < arch_n_coef(arch); k++) {
        snprintf(name, sizeof name, "ww_%d", k);
        add_part(l, name, at.ww + k * (int)(r * r), r, r);
    }
    for (int k = 0; k < arch_n_coef(arch) && at.bb >= 0; k++) {
        snprintf(name, sizeof name, "bb_%d", k);
        add_part(l, name, at.bb + k * (int)r, r, 0);
    }
}

enum err_code model_parts_list(const struct arch *arch, int n_draws, bool flat, struct arena *arena,
                               struct model_parts *out, struct err *err)
{
    struct listing l = {.n_draws = (size_t)n_draws, .arena = arena};
    l.parts.list =
        arena_zalloc_array(arena, 4 + 2 * (size_t)arch_n_coef(arch), sizeof *l.parts.list);
    if (l.parts.list != NULL) {
        if (flat) {
            add_part(&l, MODEL_TENSORS_FLAT, 0, (size_t)arch_n_params(arch), 0);
        } else {
            add_named_parts(&l, arch);
        }
    }
    if (l.parts.list == NULL || l.failed) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    *out = l.parts;
    return ERR_OK;
}

/* ---- reading ---- */

struct source {
    const struct safetensors *file;
    struct arena *arena;
};

static enum err_code refuse_tensor(const struct safetensors *file, const struct model_parts *parts,
                                   struct err *err)
{
    for (int i = 0; i < file->n; i++) {
        bool known = false;
        for (int k = 0; k < parts->n && !known; k++) {
            known = strcmp(file->list[i].name, parts->list[k].tensor.name) == 0;
        }
        if (!known) {
            return err_set(err, ERR_INVALID,
                           "tensor %.60s is no part of the network; its tensors are \"%s\", or %s "
                           "from %s to %s",
                           file->list[i].name, MODEL_TENSORS_FLAT,
                           phrase_count(parts->n, "part").text, parts->list[0].tensor.name,
                           parts->list[parts->n - 1].tensor.name);
        }
    }
    return ERR_OK;
}

/* Copies the numbers of a part into the draws [m x n_params]. */
static enum err_code take_part(const struct model_part *part, const struct safetensor *tensor,
                               struct json_tensor *draws, struct arena *arena, struct err *err)
{
    size_t bad = 0;
    double *numbers = arena_alloc_array(arena, tensor->n, sizeof *numbers);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    if (!tensor_type_read(tensor->type, tensor->bytes, tensor->n, numbers, &bad)) {
        return err_set(err, ERR_INVALID, "tensor %.60s: number %zu cannot be read", tensor->name,
                       bad);
    }
    for (int i = 0; i < draws->n; i++) {
        for (size_t j = 0; j < part->n; j++) {
            double value = numbers[(size_t)i * part->n + j];
            if (!isfinite(value)) {
                return err_set_at(err, ERR_NONFINITE, i, (int)(part->first + j),
                                  "tensor %.60s: number %zu of draw %d is not finite", tensor->name,
                                  j, i);
            }
            draws->values[(size_t)i * (size_t)draws->k + part->first + j] = value;
        }
    }
    return ERR_OK;
}

static bool same_shape(const struct safetensor *a, const struct safetensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* All parts are there, in their shapes. */
static enum err_code check_parts(const struct source *source, const struct model_parts *parts,
                                 struct err *err)
{
    for (int k = 0; k < parts->n; k++) {
        const struct safetensor *needed = &parts->list[k].tensor;
        const struct safetensor *tensor = safetensors_find(source->file, needed->name);
        if (tensor == NULL) {
            return err_set(err, ERR_INVALID, "tensor %s is missing", needed->name);
        }
        if (!same_shape(tensor, needed)) {
            char last[24] = "";
            if (needed->rank > 2) {
                snprintf(last, sizeof last, ",%zu", needed->shape[2]);
            }
            return err_set(err, ERR_SHAPE, "tensor %s has another shape than [%zu,%zu%s]",
                           needed->name, needed->shape[0], needed->shape[1], last);
        }
    }
    return ERR_OK;
}

static enum err_code take_parts(const struct source *source, const struct model_parts *parts,
                                struct json_tensor *draws, struct err *err)
{
    for (int k = 0; k < parts->n; k++) {
        const struct model_part *part = &parts->list[k];
        if (take_part(part, safetensors_find(source->file, part->tensor.name), draws, source->arena,
                      err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* How many draws the file has, by the tensor whose name is in every such file. */
static enum err_code count_draws(const struct safetensors *file, bool flat, int *n_draws,
                                 struct err *err)
{
    const char *name = flat ? MODEL_TENSORS_FLAT : "ww_0";
    const struct safetensor *tensor = safetensors_find(file, name);
    if (tensor == NULL) {
        return err_set(
            err, ERR_INVALID,
            "the draws are missing: a tensor \"%s\", or one for each part of the network",
            MODEL_TENSORS_FLAT);
    }
    if (tensor->rank < 1 || tensor->shape[0] < 1 || tensor->shape[0] > MODEL_MAX_DRAWS) {
        return err_set(err, ERR_SHAPE, "tensor %s: its first size is that of the draws, 1 to %d",
                       name, MODEL_MAX_DRAWS);
    }
    *n_draws = (int)tensor->shape[0];
    return ERR_OK;
}

static enum err_code give_draws(void *ctx, const struct arch *arch, struct json_tensor *draws,
                                struct err *err)
{
    const struct source *source = ctx;
    bool flat = safetensors_find(source->file, MODEL_TENSORS_FLAT) != NULL;
    struct model_parts parts;
    size_t n = 0;
    int n_draws = 0;
    if (draws->found) {
        return err_set(err, ERR_INVALID,
                       "posterior: the document has parameters, and so have the tensors");
    }
    if (count_draws(source->file, flat, &n_draws, err) != ERR_OK ||
        model_parts_list(arch, n_draws, flat, source->arena, &parts, err) != ERR_OK ||
        refuse_tensor(source->file, &parts, err) != ERR_OK) {
        return err->code;
    }
    *draws = (struct json_tensor){
        .key = draws->key, .found = true, .n = n_draws, .k = arch_n_params(arch)};
    if (!size_mul((size_t)draws->n, (size_t)draws->k, &n) || n > MODEL_MAX_BYTES / sizeof(double)) {
        return err_set(err, ERR_TOO_LARGE, "the draws have more than %zu bytes", MODEL_MAX_BYTES);
    }
    if (check_parts(source, &parts, err) != ERR_OK) { /* what is not there takes no memory */
        return err->code;
    }
    draws->values = arena_alloc_array(source->arena, n, sizeof *draws->values);
    return draws->values != NULL ? take_parts(source, &parts, draws, err)
                                 : err_set(err, ERR_NOMEM, "no memory for a model");
}

enum err_code model_tensors_parse(const char *bytes, size_t len, struct arena *arena,
                                  struct model **out, struct err *err)
{
    struct safetensors file;
    if (safetensors_parse(bytes, len, arena, &file, err) != ERR_OK) {
        return err->code;
    }
    const char *text = json_string_value(json_object_get(file.metadata, MODEL_TENSORS_TEXT));
    if (text == NULL) {
        return err_set(err, ERR_INVALID,
                       "__metadata__: \"%s\" is missing, the model document without the parameters",
                       MODEL_TENSORS_TEXT);
    }
    struct source source = {&file, arena};
    const struct model_draws draws = {give_draws, &source};
    struct model *model = NULL;
    if (model_json_parse_with(text, strlen(text), &draws, arena, &model, err) != ERR_OK) {
        err_prefix(err, "__metadata__: " MODEL_TENSORS_TEXT);
        return err->code;
    }
    if (model->gaussian.n_members > 0) {
        model_unref(model);
        return err_set(err, ERR_INVALID,
                       "posterior: its kind is gaussian, and the tensors are draws; register it as "
                       "JSON");
    }
    *out = model;
    return ERR_OK;
}

/* ---- writing ---- */

enum err_code model_tensors_head(const struct model *model, const struct model_parts *parts,
                                 struct textbuf *text, struct err *err)
{
    struct textbuf document = textbuf_in(text->arena);
    struct json_write json = json_write_to(&document);
    struct safetensor *list = arena_alloc_array(text->arena, (size_t)parts->n, sizeof *list);
    if (model->gaussian.n_members > 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the posterior of this version is Gaussian, and safetensors hold draws; ask "
                       "for format=json");
    }
    model_json_write_without_draws(&json, NULL, model);
    json_write_end(&json);
    if (list == NULL || textbuf_failed(&document)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    for (int i = 0; i < parts->n; i++) {
        list[i] = parts->list[i].tensor;
    }
    safetensors_write_head(text, MODEL_TENSORS_TEXT, document.data, list, parts->n);
    return textbuf_failed(text) ? err_set(err, ERR_NOMEM, "no memory for the answer") : ERR_OK;
}
