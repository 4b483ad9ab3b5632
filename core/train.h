/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows in the user's units to a model: scale, split, solve, score on the rows kept out.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "model.h"
#include "uq.h"

struct train_spec {
    struct arch arch; /* inputs and outputs 0: taken from the data */
    enum uq_kind solver;
    struct uq_settings settings;
    enum scaler_kind input_scaling;
    enum scaler_kind output_scaling;
    double validation; /* share of the rows kept out, [0, 0.9] */
    int64_t seed;
    bool single; /* the model is served in float32 */
};

/* Defaults that work on scaled real data. */
struct train_spec train_defaults(enum uq_kind solver);

/* Everything that can be said without the data. ERR_INVALID, ERR_LIMIT naming the setting. */
enum err_code train_validate(const struct train_spec *spec, struct err *err) MUST_CHECK;

/* Completes the architecture for d inputs and o outputs and checks it against them. */
enum err_code train_resolve(struct train_spec *spec, int d, int o, struct err *err) MUST_CHECK;

struct train_run {
    const struct train_spec *spec; /* resolved */
    struct data data;              /* all rows, user's units, finite */
    int n_threads;
    const char *settings_text; /* kept with the model, JSON; may be NULL */
    const struct cancel *cancel;
    progress_fn *progress;
    void *progress_ctx;
};

/*
 * A published model with one reference. Same spec, rows and build: same model, whatever the number
 * of threads. ERR_CANCELLED, ERR_INVALID (too few rows), ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code train_run(const struct train_run *run, struct model **out,
                        struct err *err) MUST_CHECK;

/*
 * Scores of a model on rows in the user's units. output_range: [o x 2] low, high by which outputs
 * are scaled to [0, 1] for the relative error. rmse and noise_sigma (may be NULL): [o].
 */
struct train_scores {
    double *rmse;
    double *noise_sigma;
    double relative_error;
};
enum err_code train_score(const struct model *model, const struct data *rows,
                          const double *output_range, int n_threads, struct train_scores *out,
                          struct err *err) MUST_CHECK;

#endif
