/* SPDX-License-Identifier: Apache-2.0 */
#include "model/codec.h"

#include "base/mem.h"
#include "model/codec_priv.h"
#include "model/space_codec.h"
#include "model/space_rows.h"

#include <string.h>

#define MAGIC       "SRGMODEL"
#define MAGIC_BYTES 8
/* Format 1 had no precision. Format 2 holds models without a second head, Gaussians, calibration
 * and report; format 3 models that were scored and calibrated on rows with all outputs and have
 * neither a constant column nor a probability of success; format 4 models without a space; format 5
 * models without a reduction of their outputs. */
#define FORMAT 6

static void put_arch(struct bytes_writer *w, const struct arch *a)
{
    bytes_put_u32(w, (uint32_t)a->inputs);
    bytes_put_u32(w, (uint32_t)a->outputs);
    bytes_put_u32(w, (uint32_t)a->width);
    bytes_put_u32(w, (uint32_t)a->layers);
    codec_put_choice(w, CODEC_BASIS, (int)a->basis);
    bytes_put_u32(w, (uint32_t)a->order);
    /* One number for both, which is that of `bias` alone for the networks of earlier versions. */
    bytes_put_u32(w, (a->bias ? 1U : 0U) | (a->outer_bias ? 0U : 2U));
    codec_put_choice(w, CODEC_ACTIVATION, (int)a->activation);
    bytes_put_u32(w, a->residual);
    bytes_put_u32(w, a->layer_pre);
    bytes_put_u32(w, a->layer_post);
    codec_put_choice(w, CODEC_FINAL, (int)a->final);
    codec_put_choice(w, CODEC_GRID, (int)a->grid);
    codec_put_choice(w, CODEC_INDEX_RULE, (int)a->index_rule);
    bytes_put_f64(w, &a->horizon, 1);
}

static void get_arch(struct bytes_reader *r, struct arch *a)
{
    a->inputs = bytes_get_int(r, ARCH_MAX_INPUTS);
    a->outputs = bytes_get_int(r, ARCH_MAX_OUTPUTS);
    a->width = bytes_get_int(r, ARCH_MAX_WIDTH);
    a->layers = bytes_get_int(r, ARCH_MAX_LAYERS);
    a->basis = (enum wpfn_basis)codec_get_choice(r, CODEC_BASIS);
    a->order = bytes_get_int(r, ARCH_MAX_ORDER);
    int biases = bytes_get_int(r, 3);
    a->bias = (biases & 1) != 0;
    a->outer_bias = (biases & 2) == 0;
    a->activation = (enum activation)codec_get_choice(r, CODEC_ACTIVATION);
    a->residual = bytes_get_int(r, 1) == 1;
    a->layer_pre = bytes_get_int(r, 1) == 1;
    a->layer_post = bytes_get_int(r, 1) == 1;
    a->final = (enum arch_final)codec_get_choice(r, CODEC_FINAL);
    a->grid = (enum arch_grid)codec_get_choice(r, CODEC_GRID);
    a->index_rule = (enum arch_index_rule)codec_get_choice(r, CODEC_INDEX_RULE);
    bytes_get_f64(r, &a->horizon, 1);
}

static void put_scalers(struct bytes_writer *w, const struct scaler *scaler, int k)
{
    for (int j = 0; j < k; j++) {
        codec_put_choice(w, CODEC_SCALER, (int)scaler[j].kind);
        bytes_put_f64(w, &scaler[j].shift, 1);
        bytes_put_f64(w, &scaler[j].scale, 1);
    }
}

static void get_scalers(struct bytes_reader *r, struct scaler *scaler, int k)
{
    for (int j = 0; j < k; j++) {
        scaler[j].kind = (enum scaler_kind)codec_get_choice(r, CODEC_SCALER);
        bytes_get_f64(r, &scaler[j].shift, 1);
        bytes_get_f64(r, &scaler[j].scale, 1);
    }
}

static void put_names(struct bytes_writer *w, char *const *names, int k)
{
    bytes_put_u32(w, names != NULL);
    for (int j = 0; names != NULL && j < k; j++) {
        bytes_put_text(w, names[j]);
    }
}

static char **get_names(struct bytes_reader *r, int k)
{
    if (bytes_get_int(r, 1) == 0) {
        return NULL;
    }
    char **names = model_names_new(k);
    if (names == NULL) {
        r->no_memory = true;
        return NULL;
    }
    for (int j = 0; j < k; j++) {
        names[j] = bytes_get_text(r, MODEL_MAX_NAME_CHARS);
    }
    return names;
}

/* Draws, or the Gaussians that they are drawn from. */
static void put_posterior(struct bytes_writer *w, const struct model *model, uint32_t format)
{
    const struct gauss_mixture *mixture = &model->gaussian;
    if (format >= 3) {
        bytes_put_u32(w, (uint32_t)mixture->n_members);
    }
    if (mixture->n_members > 0) {
        codec_put_gaussians(w, mixture, model->net.n_params);
    } else {
        bytes_put_f64(w, model->draws, (size_t)model->m * (size_t)model->net.n_params);
    }
}

static void put_space(struct bytes_writer *w, const struct model *model, uint32_t format)
{
    if (format >= 6) {
        bytes_put_u32(w, model->space != NULL);
    }
    if (format >= 5 && model->space != NULL) {
        space_encode(w, model->space);
    }
}

/* Scaling of the outputs; or a reduction, and scaling and noise of its coefficients. */
static void put_outputs(struct bytes_writer *w, const struct model *model)
{
    if (model->reduction == NULL) {
        put_scalers(w, model->out, model->o);
        return;
    }
    reduction_put(w, model->reduction);
    put_scalers(w, model->coefficient_out, model->reduction->k);
    codec_put_array(w, model->coefficient_noise, (size_t)model->reduction->k);
}

/* What the noise is, where the format says so. */
enum { NOISE_OF_OUTPUTS, NOISE_IS_PREDICTED, NOISE_OF_LOGS };

static int noise_kind(const struct model *model)
{
    return model->noise_predicted ? NOISE_IS_PREDICTED
           : model->noise_of_logs ? NOISE_OF_LOGS
                                  : NOISE_OF_OUTPUTS;
}

enum err_code codec_encode(const struct model *model, unsigned char **bytes, size_t *n_bytes,
                           struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    size_t o = (size_t)model->o;
    /* Of the formats that can hold the model the oldest is used, so that a model stored before
     * keeps its bytes. */
    uint32_t format = codec_format(model);
    bool spaced = format >= 5 && model->space != NULL;
    bytes_put(&w, MAGIC, MAGIC_BYTES);
    bytes_put_u32(&w, format);
    put_arch(&w, &model->net.arch);
    if (format >= 3) {
        bytes_put_u32(&w, (uint32_t)noise_kind(model));
    }
    put_space(&w, model, format);
    put_scalers(&w, model->in, model->d);
    put_outputs(&w, model);
    codec_put_array(&w, model->noise_sigma, o);
    bytes_put_u32(&w, (uint32_t)model->m);
    put_posterior(&w, model, format);
    codec_put_array(&w, model->training_range, 2 * (size_t)model->d);
    if (!spaced) { /* it has the names and units */
        put_names(&w, model->input_names, model->d);
        put_names(&w, model->input_units, model->d);
        put_names(&w, model->output_names, model->o);
        put_names(&w, model->output_units, model->o);
    }
    bytes_put_text(&w, model->solver);
    bytes_put_text(&w, model->settings);
    bytes_put_text(&w, model->provenance);
    bytes_put_i64(&w, model->seed);
    bytes_put_u32(&w, (uint32_t)model->precision);
    bytes_put_f64(&w, &model->float32_error.mean, 1);
    bytes_put_f64(&w, &model->float32_error.std, 1);
    bytes_put_u32(&w, (uint32_t)model->scores.n_rows);
    if (model->scores.n_rows > 0) {
        bytes_put_f64(&w, &model->scores.relative_error, 1);
        codec_put_array(&w, model->scores.rmse, o);
        codec_put_array(&w, model->scores.output_range, 2 * o);
    }
    if (format >= 3) {
        codec_put_extra(&w, model, format);
    }
    if (w.failed) {
        mem_free(w.data);
        return err_set(err, ERR_NOMEM, "no memory to encode a model");
    }
    *bytes = w.data;
    *n_bytes = w.size;
    return ERR_OK;
}

static void get_body(struct bytes_reader *r, const struct codec_reading *how, int n_members,
                     struct model *model)
{
    uint32_t format = how->format;
    size_t o = (size_t)model->o;
    if (n_members > 0) {
        codec_get_gaussians(r, &model->gaussian, n_members, model->net.n_params, model->m);
    } else {
        bytes_get_f64(r, model->draws, (size_t)model->m * (size_t)model->net.n_params);
    }
    model->training_range = codec_get_array(r, 2 * (size_t)model->d);
    if (format < 5 || (format >= 6 && model->space == NULL)) {
        model->input_names = get_names(r, model->d);
        model->input_units = get_names(r, model->d);
        model->output_names = get_names(r, model->o);
        model->output_units = get_names(r, model->o);
    }
    model->solver = bytes_get_text(r, MODEL_MAX_NAME_CHARS);
    model->settings = bytes_get_text(r, MODEL_MAX_TEXT_BYTES);
    model->provenance = bytes_get_text(r, MODEL_MAX_TEXT_BYTES);
    model->seed = bytes_get_i64(r);
    if (format >= 2) {
        model->precision = (enum precision)bytes_get_int(r, PRECISION_MIXED);
        bytes_get_f64(r, &model->float32_error.mean, 1);
        bytes_get_f64(r, &model->float32_error.std, 1);
    }
    model->scores.n_rows = bytes_get_int(r, INT32_MAX);
    if (model->scores.n_rows > 0) {
        bytes_get_f64(r, &model->scores.relative_error, 1);
        model->scores.rmse = codec_get_array(r, o);
        model->scores.output_range = codec_get_array(r, 2 * o);
        r->failed = r->failed || model->scores.rmse == NULL || model->scores.output_range == NULL;
    }
    if (format >= 3) {
        codec_get_extra(r, model, how);
        /* Otherwise an older format can hold the same model, and should. */
        r->failed = r->failed || codec_format(model) != format;
    }
    r->failed = r->failed || r->left != 0;
}

/* The scalers come before the number of draws, so they are kept here until the model can be
 * made. */
struct head {
    uint32_t format;
    struct arch arch;
    struct space *space;
    struct reduction *reduction; /* of format 6; then `out` is that of the coefficients */
    double *coefficient_noise;
    struct scaler *in;
    struct scaler *out;
    double *noise_sigma;
    bool noise_predicted, noise_of_logs;
    int m;
    int n_members; /* of a Gaussian posterior; 0: draws */
};

static enum err_code get_head(struct bytes_reader *r, struct head *head, struct err *err)
{
    const void *magic = bytes_get(r, MAGIC_BYTES);
    if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0) {
        return err_set(err, ERR_CORRUPT, "the content is not a model");
    }
    head->format = bytes_get_u32(r);
    if (head->format < 1 || head->format > FORMAT) {
        return err_set(err, ERR_UNSUPPORTED, "the model has format %u, this program reads up to %d",
                       head->format, FORMAT);
    }
    get_arch(r, &head->arch);
    if (r->failed || arch_validate(&head->arch, err) != ERR_OK) {
        err_clear(err);
        return err_set(err, ERR_CORRUPT, "the stored architecture is damaged");
    }
    int o = arch_n_outputs(&head->arch);
    int noise = head->format >= 3 ? bytes_get_int(r, NOISE_OF_LOGS) : NOISE_OF_OUTPUTS;
    head->noise_of_logs = noise == NOISE_OF_LOGS;
    if (noise == NOISE_IS_PREDICTED) {
        head->noise_predicted = true;
        o /= 2;
        r->failed = r->failed || o == 0;
    }
    int d = head->arch.inputs;
    if (head->format == 5 || (head->format >= 6 && bytes_get_int(r, 1) == 1)) {
        head->space = space_decode(r);
        d = head->space != NULL ? head->space->d : d;
        /* The network's inputs are the space's, so that the scalers are at most as many. */
        r->failed =
            r->failed || head->space == NULL || space_width(head->space) != head->arch.inputs;
    }
    head->in = mem_zalloc_array((size_t)d, sizeof *head->in);
    head->out = mem_zalloc_array((size_t)o, sizeof *head->out);
    if (head->in == NULL || head->out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to decode a model");
    }
    get_scalers(r, head->in, d);
    if (head->format >= 6) {
        head->reduction = reduction_get(r);
        r->failed = r->failed || head->reduction == NULL || head->reduction->k != o;
    }
    get_scalers(r, head->out, o);
    if (head->reduction != NULL) {
        head->coefficient_noise = codec_get_array(r, (size_t)o);
        o = head->reduction->p;
    }
    head->noise_sigma = codec_get_array(r, (size_t)o);
    head->m = bytes_get_int(r, MODEL_MAX_DRAWS);
    if (head->format >= 3) {
        head->n_members = bytes_get_int(r, head->m);
    }
    return ERR_OK;
}

static enum err_code check_reader(const struct bytes_reader *r, struct err *err)
{
    if (r->no_memory) {
        return err_set(err, ERR_NOMEM, "no memory to decode a model");
    }
    if (r->failed) {
        return err_set(err, ERR_CORRUPT, "the stored model is damaged");
    }
    return ERR_OK;
}

static enum err_code decode(const void *bytes, size_t n_bytes, bool within, struct model **out,
                            struct err *err)
{
    struct bytes_reader r = {.data = bytes, .left = n_bytes};
    struct head head = {.in = NULL};
    struct model *model = NULL;
    if (get_head(&r, &head, err) != ERR_OK || check_reader(&r, err) != ERR_OK) {
        goto done;
    }
    /* Are the draws there? This is checked before memory for them is allocated. */
    size_t stored = (size_t)(head.n_members > 0 ? head.n_members : head.m);
    if ((size_t)arch_n_params(&head.arch) * stored * sizeof(double) > r.left) {
        err_set(err, ERR_CORRUPT, "the stored model is cut short");
        goto done;
    }
    if (model_new(&head.arch, head.m, &model, err) != ERR_OK) {
        goto done;
    }
    if (head.noise_predicted) {
        model_predict_noise(model);
    }
    memcpy(model->out, head.out, (size_t)model->o * sizeof *model->out);
    model->noise_sigma = head.coefficient_noise; /* which becomes the coefficients' */
    head.coefficient_noise = NULL;
    if (head.reduction != NULL && model_set_reduction(model, head.reduction, err) != ERR_OK) {
        model_unref(model);
        goto done;
    }
    if (head.space != NULL && model_set_space(model, head.space, err) != ERR_OK) {
        if (err->code == ERR_SHAPE) {
            err_clear(err);
            err_set(err, ERR_CORRUPT, "the stored space is damaged");
        }
        model_unref(model);
        goto done;
    }
    memcpy(model->in, head.in, (size_t)model->d * sizeof *model->in);
    model->noise_sigma = head.noise_sigma;
    model->noise_of_logs = head.noise_of_logs;
    head.noise_sigma = NULL;
    const struct codec_reading how = {.format = head.format, .within = within};
    get_body(&r, &how, head.n_members, model);
    if (check_reader(&r, err) != ERR_OK || model_publish(model, err) != ERR_OK) {
        model_unref(model);
        goto done;
    }
    *out = model;
done:
    space_unref(head.space);
    reduction_unref(head.reduction);
    mem_free(head.coefficient_noise);
    mem_free(head.in);
    mem_free(head.out);
    mem_free(head.noise_sigma);
    return err->code;
}

enum err_code codec_decode(const void *bytes, size_t n_bytes, struct model **out, struct err *err)
{
    return decode(bytes, n_bytes, false, out, err);
}

enum err_code codec_decode_within(const void *bytes, size_t n_bytes, struct model **out,
                                  struct err *err)
{
    return decode(bytes, n_bytes, true, out, err);
}
