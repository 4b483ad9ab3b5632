/* SPDX-License-Identifier: Apache-2.0 */
/* Gaussian posteriors that are predicted in closed form, of every kind, and rows for them. */
#ifndef LINEAR_CASES_H
#define LINEAR_CASES_H

#include <check.h>

#include "mixed_rows.h"
#include "base/mem.h"
#include "base/rng.h"
#include "predict/predict.h"

#define D     3
#define MAX_O 2
#define MAX_M 3
#define N     11 /* rows: two tiles */
#define RANK  4
#define DRAWS 40

struct setup {
    const char *what;
    int members;
    bool with_std;
    int rank;
    enum arch_final final;
    enum scaler_kind out; /* of the last output */
    bool noise_predicted;
    bool single;
};

static const struct setup setups[] = {
    {"full", 1, false, RANK, FINAL_NONE, SCALER_RANGE, false, false},
    {"mean field, logarithmic output", 2, true, 0, FINAL_NONE, SCALER_LOG, false, false},
    {"both parts, final map", MAX_M, true, RANK, FINAL_EXP, SCALER_STANDARD, false, false},
    {"sum", 2, true, 1, FINAL_SUM, SCALER_UNIT, false, false},
    {"second head", 2, true, RANK, FINAL_NONE, SCALER_NONE, true, false},
    {"single", 1, true, RANK, FINAL_NONE, SCALER_RANGE, false, true},
};

#define N_SETUPS (sizeof setups / sizeof *setups)

static inline struct arch arch_of(const struct setup *s)
{
    struct arch arch = arch_default(D, s->noise_predicted ? 2 * MAX_O : MAX_O);
    arch.width = 4;
    arch.layers = 1;
    arch.final = s->final;
    return arch;
}

static inline void set_scalers(const struct setup *s, struct model *model)
{
    model->in[0] = (struct scaler){SCALER_STANDARD, 5.0, 2.0};
    model->in[1] = (struct scaler){SCALER_LOG, 0.3, 0.8};
    for (int a = 0; a < model->o; a++) {
        model->out[a] = (struct scaler){SCALER_RANGE, -3.0, 2.0 + a};
    }
    model->out[model->o - 1] = (struct scaler){s->out, 0.7, 1.5};
}

/* Members about a common mean; the first parameters of all but the first setup are certain. */
static inline struct model *gaussian_model(const struct setup *s)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_of(s);
    struct rng rng;
    ck_assert_int_eq(model_new(&arch, s->members * DRAWS, &model, &err), ERR_OK);
    int k = model->net.n_params;
    int first = s->rank == RANK ? 0 : 5;
    const struct gauss_shape shape = {.n_params = k,
                                      .first = first,
                                      .n = k - first - 2,
                                      .with_std = s->with_std,
                                      .rank = s->rank};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, s->members, &shape, &err), ERR_OK);
    rng_init(&rng, 31, RNG_TEST, 0);
    for (int i = 0; i < s->members; i++) {
        struct gauss *g = &model->gaussian.members[i];
        for (int j = 0; j < k; j++) {
            g->mean[j] = 0.5 * rng_normal(&rng);
        }
        for (int j = 0; g->std != NULL && j < g->n; j++) {
            g->std[j] = 0.1 * rng_uniform(&rng);
        }
        for (int j = 0; j < g->n * g->rank; j++) {
            g->factor[j] = 0.05 * rng_normal(&rng);
        }
    }
    model->gaussian.n_draws = DRAWS;
    model->gaussian.seed = 9;
    model->gaussian.linearised = true;
    model->precision = s->single ? PRECISION_FLOAT32 : PRECISION_FLOAT64;
    if (s->noise_predicted) {
        model_predict_noise(model);
    } else {
        model->noise_sigma = mem_alloc_array((size_t)model->o, sizeof(double));
        for (int a = 0; a < model->o; a++) {
            model->noise_sigma[a] = 0.5 + a;
        }
    }
    set_scalers(s, model);
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static inline void run(const struct model *model, const struct predict_request *req,
                       struct arena *arena, struct predict_result *out)
{
    struct err err = ERR_INIT;
    ck_assert_msg(predict_run(model, req, arena, out, &err) == ERR_OK, "%s", err.msg);
}

#endif
