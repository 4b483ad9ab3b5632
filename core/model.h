/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A surrogate model: architecture, scaling, posterior draws and what is told about it.
 *
 * Life: model_new gives an empty one, its maker fills the fields, model_publish checks and packs
 * it. From then on it is immutable and shared by reference counts: model_ref, model_unref.
 */
#ifndef MODEL_H
#define MODEL_H

#include "plan.h"
#include "scaler.h"

#include <stdatomic.h>
#include <stdint.h>

#define MODEL_MAX_DRAWS      100000
#define MODEL_MAX_BYTES      ((size_t)8 << 30) /* draws and packs of one model */
#define MODEL_MAX_NAME_CHARS 256               /* names and units of inputs and outputs */
#define MODEL_MAX_TEXT_BYTES ((size_t)1 << 20) /* settings, provenance */

/* Errors on rows kept out of the training, in the user's units. */
struct model_scores {
    int n_rows;            /* 0: no scores */
    double relative_error; /* mean over rows of ||f - y|| / ||y||, outputs scaled to the data's
                              range */
    double *rmse;          /* [n_out]; mem */
    double *output_range;  /* [n_out x 2] low, high of the training outputs; mem */
};

/* Largest differences of float32 serving, relative (core/precision.h). */
struct model_float32_error {
    double mean;
    double std;
};

struct model {
    struct resnet net;
    int d, o;               /* inputs, and outputs after the final map */
    struct scaler *in;      /* [d] */
    struct scaler *out;     /* [o] */
    double *noise_sigma;    /* [o] standard deviation of the noise; NULL: not known; mem */
    int m;                  /* draws */
    double *draws;          /* [m x K] */
    double *training_range; /* [d x 2] low, high of the training inputs; NULL: not known; mem */
    char **input_names;     /* [d] or NULL; each may be NULL; mem, as are the next three */
    char **input_units;
    char **output_names;
    char **output_units;
    char *solver;     /* name; never NULL once published */
    char *settings;   /* JSON object or NULL: how it was trained */
    char *provenance; /* JSON object or NULL: the maker's own words */
    int64_t seed;
    struct model_scores scores;

    bool single; /* served in float32 arithmetic; set before model_publish */
    struct model_float32_error float32_error; /* 0 when not single */
    struct plan plan;                         /* packed for serving by model_publish */
    atomic_int refs;
};

/* All fields empty, scalers "none", draws not set. ERR_INVALID, ERR_LIMIT, ERR_NOMEM. */
enum err_code model_new(const struct arch *arch, int m, struct model **out,
                        struct err *err) MUST_CHECK;

/* Allocates an array of k empty names for one of the four lists. NULL when memory is short. */
char **model_names_new(int k) MUST_CHECK;

/* Checks everything, evaluates the weights. ERR_NONFINITE, ERR_INVALID naming the place. */
enum err_code model_publish(struct model *model, struct err *err) MUST_CHECK;

struct model *model_ref(struct model *model);
/* The last one frees; NULL is fine. Also frees a model that was never published. */
void model_unref(struct model *model);

/* Memory of draws and packs. */
size_t model_bytes(const struct model *model);

#endif
