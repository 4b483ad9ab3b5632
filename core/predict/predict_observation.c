/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_observation.h"

#include "base/rng.h"
#include "math/normal.h"

#include <math.h>

/* A level is found with about as many evaluations of every component, each worth as many
 * multiplications. */
#define EVALUATIONS     18.0
#define EVALUATION_WORK 20.0

enum err_code predict_observation_check(const struct model *model,
                                        const struct predict_request *req, struct err *err)
{
    bool quantiles = (req->want & PREDICT_TOTAL_QUANTILES) != 0;
    bool samples = (req->want & PREDICT_SAMPLES) && req->of_observations;
    if ((quantiles || samples) && !model_knows_noise(model)) {
        return err_set(err, ERR_INVALID, "the model has no noise, so %s cannot be returned",
                       quantiles ? "total_quantiles" : "samples of observations");
    }
    for (int k = 0; quantiles && k < req->n_total_levels; k++) {
        if (!(req->total_levels[k] > 0.0 && req->total_levels[k] < 1.0)) {
            return err_set(err, ERR_INVALID,
                           "total_quantiles[%d] is %g; with noise, levels must be above 0 and "
                           "below 1",
                           k, req->total_levels[k]);
        }
    }
    return ERR_OK;
}

double predict_observation_work(const struct model *model, const struct predict_request *req)
{
    bool linear = model->gaussian.n_members > 0 && model->gaussian.linearised;
    double components = linear ? model->gaussian.n_members : model->m;
    return req->want & PREDICT_TOTAL_QUANTILES ? (double)req->n * model->o * req->n_total_levels *
                                                     components * EVALUATIONS * EVALUATION_WORK
                                               : 0.0;
}

enum err_code predict_observation_begin(struct predict_call *call, struct arena *arena,
                                        struct err *err)
{
    const struct predict_request *req = call->req;
    if (!(req->want & PREDICT_TOTAL_QUANTILES)) {
        return ERR_OK;
    }
    call->total_z = arena_alloc_array(arena, (size_t)req->n_total_levels, sizeof *call->total_z);
    if (call->total_z == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the quantiles");
    }
    for (int k = 0; k < req->n_total_levels; k++) {
        call->total_z[k] = normal_quantile(req->total_levels[k]);
    }
    return ERR_OK;
}

bool predict_observation_needs_noise(const struct predict_call *call)
{
    const struct predict_request *req = call->req;
    return call->model->noise_predicted &&
           ((req->want & PREDICT_TOTAL_QUANTILES) ||
            ((req->want & PREDICT_SAMPLES) && req->of_observations));
}

double predict_observation_noise(const struct predict_call *call, size_t output, double mean)
{
    const struct model *model = call->model;
    double sigma = model->noise_sigma != NULL ? model->noise_sigma[output] : 0.0;
    if (model->noise_of_logs && model->out[output].kind == SCALER_LOG) {
        return mean * mean * expm1(sigma * sigma);
    }
    sigma = ldexp(sigma, -model_exponent(model, (int)output));
    return sigma * sigma;
}

void predict_observation_quantiles(const struct predict_call *call, size_t cell,
                                   const struct normal_mixture *mix)
{
    const struct predict_request *req = call->req;
    size_t cells = (size_t)req->n * (size_t)call->model->o;
    for (int k = 0; k < req->n_total_levels; k++) {
        call->out->total_quantiles[(size_t)k * cells + cell] =
            normal_mixture_quantile(mix, req->total_levels[k], call->total_z[k]);
    }
}

void predict_observation_add_noise(const struct predict_call *call, int sample, size_t row,
                                   const double *predicted, double *v)
{
    const struct predict_request *req = call->req;
    size_t o = (size_t)call->model->o;
    uint64_t at = ((uint64_t)sample + (uint64_t)req->first_sample) * o;
    for (size_t a = 0; a < o; a++) {
        double var = predicted != NULL ? predicted[a] : predict_observation_noise(call, a, v[a]);
        v[a] += sqrt(var) * rng_normal_at(req->seed, RNG_OBSERVATION,
                                          (uint32_t)((size_t)req->first_row + row), at + a);
    }
}
