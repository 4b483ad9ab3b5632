/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A surrogate model: architecture, scaling, posterior draws and descriptions.
 *
 * model_new makes an empty one, its maker fills in the fields, and model_publish checks and packs
 * it. From then on it is immutable and shared by reference counts: model_ref, model_unref.
 */
#ifndef MODEL_H
#define MODEL_H

#include "base/report.h"
#include "fit/scaler.h"
#include "math/gauss.h"
#include "model/conformal.h"
#include "model/reduction.h"
#include "model/scores.h"
#include "model/space.h"
#include "network/plan.h"

#include <stdatomic.h>
#include <stdint.h>

#define MODEL_MAX_DRAWS      100000
#define MODEL_MAX_BYTES      ((size_t)8 << 30) /* draws and packs of one model */
#define MODEL_MAX_NAME_CHARS 256               /* names and units of inputs and outputs */
#define MODEL_MAX_TEXT_BYTES ((size_t)1 << 20) /* settings, provenance */

/* Largest relative differences between float32 and float64 (core/predict/precision.h). */
struct model_float32_error {
    double mean;
    double std;
};

struct model {
    struct resnet net;
    int d, o;            /* inputs, of which the network has more when there are categories;
                            outputs after the final map, half of the network's outputs when the
                            noise is predicted */
    struct scaler *in;   /* [d] */
    struct scaler *out;  /* [o] */
    double *noise_sigma; /* [o] standard deviation of the noise; NULL: not known; mem */
    bool noise_of_logs;  /* noise_sigma of outputs that are scaled by their logarithm is that of the
                            logarithm: at a row the noise is that of a lognormal with the mean that
                            is predicted, (exp(sigma^2) - 1) mean^2. Else it is the output's */
    bool noise_predicted; /* the network's outputs are o means and o log variances (objective.h),
                             and noise_sigma is NULL */
    /*
     * Outputs that are a field: the network's outputs, half of them where it predicts its noise,
     * are k coefficients, and the o = reduction->p outputs are decoded from them. The scalers `out`
     * are none then. NULL: the outputs are the network's. Predicted by core/predict/predict_field.
     */
    struct reduction *reduction;
    struct scaler *coefficient_out; /* [k]; mem; NULL without a reduction */
    double *coefficient_noise; /* [k] standard deviations, as noise_sigma; NULL: not known; mem */
    int m;                     /* draws */
    double *draws; /* [m x K]; drawn by model_publish when there is a Gaussian posterior */
    /* n_members 0: the posterior is the draws. Linearised: it is predicted in closed form
     * (core/predict/predict_linear.c), whose distribution differs from that of the draws: normal in
     * the user's units, with a network that is linear in its parameters around each member's
     * mean. That is computed in double whatever `precision` says. */
    struct gauss_mixture gaussian;
    struct conformal conformal;
    /* P(run succeeds): a published model of the same inputs with one output, the logit, scaled by
     * none. NULL: not known. Predicted by core/predict/feasible. One reference. */
    struct model *feasible;
    double *training_range; /* [d x 2] low, high of the training inputs; NULL: not known; mem */
    struct space *space;    /* as the model was trained; NULL: nothing is known but what follows */
    char **input_names;     /* [d] or NULL; each may be NULL; mem, as are the next three */
    char **input_units;
    char **output_names;
    char **output_units;
    char *solver;     /* name; never NULL once published */
    char *settings;   /* JSON object or NULL: how it was trained */
    char *provenance; /* JSON object or NULL: what its maker noted */
    int64_t seed;
    struct scores scores; /* on rows kept out of the training */
    struct report report; /* of the training */

    /* [o] Predictions of output j are computed in units of 2^exponents[j], since their squares
     * might not be numbers; NULL: all in the user's units. Set by model_publish; mem. */
    int *exponents;

    enum precision precision;                 /* as it is served; set before model_publish */
    struct model_float32_error float32_error; /* 0 when served in float64 */
    struct plan plan;                         /* packed for serving by model_publish */
    atomic_int refs;
};

/* A model with empty fields, scalers "none" and m draws to fill in. ERR_INVALID, ERR_LIMIT,
 * ERR_TOO_LARGE (beyond the limit of MEM_MODELS), ERR_NOMEM. */
enum err_code model_new(const struct arch *arch, int m, struct model **out,
                        struct err *err) MUST_CHECK;

/*
 * Makes the outputs of a new model o means and o log variances. o becomes half of the network's
 * outputs, whose number must be even and whose final map must be none.
 */
void model_predict_noise(struct model *model);

/*
 * Makes the outputs of a new model the coefficients of a reduction, to which it takes a reference:
 * o becomes the number of points, the scalers and the noise of the outputs so far are those of the
 * coefficients, and the scalers of the points are none. After model_predict_noise, and before
 * anything else of the size of the outputs is filled in. ERR_SHAPE: there are not as many outputs
 * as modes. ERR_NOMEM.
 */
enum err_code model_set_reduction(struct model *model, struct reduction *reduction,
                                  struct err *err) MUST_CHECK;

/*
 * *view <- a model with a reduction as the network sees it: its outputs are the coefficients. It
 * borrows all that it has, is as published as the model, and must be neither freed nor shared.
 * Calibration, scores and what the outputs are called are left out.
 */
void model_view_coefficients(const struct model *model, struct model *view);

/*
 * Gives a new model a space, to which it takes a reference, and the names and units in it; the
 * model has the space's inputs then. A space of names and units alone is not kept. Once, and before
 * anything of the size of the inputs is filled in. ERR_SHAPE: the network has not as many inputs or
 * outputs as the space needs. ERR_NOMEM.
 */
enum err_code model_set_space(struct model *model, struct space *space, struct err *err) MUST_CHECK;

/* Are there inputs that the network sees as more than one? */
static inline bool model_has_categories(const struct model *model)
{
    return model->d != model->net.arch.inputs;
}

/* Takes space, names and units from a model that is not published yet, for others. */
void model_drop_space(struct model *model);

/*
 * z [rows x the network's inputs] <- what the network sees of rows of inputs: numbers are scaled,
 * and a category has a number for each of its values. ERR_INVALID naming row and column.
 */
enum err_code model_scale_inputs(const struct model *model, const struct scaler_rows *rows,
                                 double *z, struct err *err) MUST_CHECK;

/* Is the variance of the noise known, and with it the total variance? */
static inline bool model_knows_noise(const struct model *model)
{
    return model->noise_sigma != NULL || model->noise_predicted;
}

static inline int model_exponent(const struct model *model, int output)
{
    return model->exponents != NULL ? model->exponents[output] : 0;
}

/* An array of k empty names for one of the four lists; NULL when memory is short. */
char **model_names_new(int k) MUST_CHECK;

/*
 * Checks everything, makes the draws of a Gaussian posterior and packs the model for serving.
 * ERR_NONFINITE and ERR_INVALID name the place. ERR_UNSUPPORTED: the noise of a logarithmic output
 * is predicted. ERR_LIMIT, ERR_NOMEM.
 */
enum err_code model_publish(struct model *model, struct err *err) MUST_CHECK;

struct model *model_ref(struct model *model);
/* Frees with the last reference, also a model that was never published; NULL is fine. */
void model_unref(struct model *model);

/* Numbers of the posterior that are stored: of Gaussians, or of draws. */
size_t model_n_stored(const struct model *model);

/* Bytes of draws, packs and Gaussians. */
size_t model_bytes(const struct model *model);

#endif
