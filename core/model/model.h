/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A surrogate model: architecture, scaling, posterior draws and what is told about it.
 *
 * Life: model_new gives an empty one, its maker fills the fields, model_publish checks and packs
 * it. From then on it is immutable and shared by reference counts: model_ref, model_unref.
 */
#ifndef MODEL_H
#define MODEL_H

#include "base/report.h"
#include "fit/scaler.h"
#include "math/gauss.h"
#include "model/conformal.h"
#include "model/scores.h"
#include "network/plan.h"

#include <stdatomic.h>
#include <stdint.h>

#define MODEL_MAX_DRAWS      100000
#define MODEL_MAX_BYTES      ((size_t)8 << 30) /* draws and packs of one model */
#define MODEL_MAX_NAME_CHARS 256               /* names and units of inputs and outputs */
#define MODEL_MAX_TEXT_BYTES ((size_t)1 << 20) /* settings, provenance */

/* Largest differences of float32 serving, relative (core/predict/precision.h). */
struct model_float32_error {
    double mean;
    double std;
};

struct model {
    struct resnet net;
    int d, o;             /* inputs, and outputs after the final map (half of the network's when
                             the noise is predicted) */
    struct scaler *in;    /* [d] */
    struct scaler *out;   /* [o] */
    double *noise_sigma;  /* [o] standard deviation of the noise; NULL: not known; mem */
    bool noise_predicted; /* the network's outputs are o means and o log variances (objective.h);
                             noise_sigma is then NULL */
    int m;                /* draws */
    double *draws;        /* [m x K]; drawn by model_publish when there is a Gaussian posterior */
    struct gauss_mixture gaussian; /* n_members 0: the posterior is the draws. Linearised: it is
                                      predicted in closed form (core/predict/predict_linear.c),
                                      which is another distribution than that of the draws: normal
                                      in the user's units, the network straightened at each member's
                                      mean. In double whatever `single` says */
    struct conformal conformal;
    double *training_range; /* [d x 2] low, high of the training inputs; NULL: not known; mem */
    char **input_names;     /* [d] or NULL; each may be NULL; mem, as are the next three */
    char **input_units;
    char **output_names;
    char **output_units;
    char *solver;     /* name; never NULL once published */
    char *settings;   /* JSON object or NULL: how it was trained */
    char *provenance; /* JSON object or NULL: the maker's own words */
    int64_t seed;
    struct scores scores; /* on rows kept out of the training */
    struct report report; /* of the training */

    bool single; /* served in float32 arithmetic; set before model_publish */
    struct model_float32_error float32_error; /* 0 when not single */
    struct plan plan;                         /* packed for serving by model_publish */
    atomic_int refs;
};

/* All fields empty, scalers "none", draws not set. ERR_INVALID, ERR_LIMIT, ERR_NOMEM. */
enum err_code model_new(const struct arch *arch, int m, struct model **out,
                        struct err *err) MUST_CHECK;

/*
 * Says that the outputs of a new model are o means and o log variances; o becomes half of the
 * network's outputs, which must be even, with final none.
 */
void model_predict_noise(struct model *model);

/* Is the variance of the noise known, so that a total variance is too? */
static inline bool model_knows_noise(const struct model *model)
{
    return model->noise_sigma != NULL || model->noise_predicted;
}

/* Allocates an array of k empty names for one of the four lists. NULL when memory is short. */
char **model_names_new(int k) MUST_CHECK;

/*
 * Checks everything, makes the draws of a Gaussian posterior, evaluates the weights. ERR_NONFINITE,
 * ERR_INVALID naming the place; ERR_UNSUPPORTED (a predicted noise of a logarithmic output).
 */
enum err_code model_publish(struct model *model, struct err *err) MUST_CHECK;

struct model *model_ref(struct model *model);
/* The last one frees; NULL is fine. Also frees a model that was never published. */
void model_unref(struct model *model);

/* Memory of draws and packs. */
size_t model_bytes(const struct model *model);

#endif
