/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_cross.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

void train_cross_release(struct train_cross *cross)
{
    mem_free(cross->rows);
    mem_free(cross->mean);
    mem_free(cross->std);
    *cross = (struct train_cross){.n = 0};
}

enum err_code train_cross_new(struct train_cross *cross, int n, int o, struct err *err)
{
    size_t cells = (size_t)n * (size_t)o;
    *cross = (struct train_cross){.n = n,
                                  .o = o,
                                  .rows = mem_alloc_array((size_t)n, sizeof *cross->rows),
                                  .mean = mem_alloc_array(cells, sizeof *cross->mean),
                                  .std = mem_alloc_array(cells, sizeof *cross->std)};
    if (cross->rows == NULL || cross->mean == NULL || cross->std == NULL) {
        train_cross_release(cross);
        return err_set(err, ERR_NOMEM, "no memory for the predictions of a cross-validation");
    }
    return ERR_OK;
}

/* One row as a prediction has it, in the units of the model's exponents. */
struct scoring {
    const struct train_cross *cross;
    const struct model *model;
    struct evaluation evaluation;
    double *memory; /* [3 x o] mem */
    double *mean, *variance, *zero;
};

static enum err_code scoring_begin(struct scoring *self, const double *output_range,
                                   struct err *err)
{
    size_t o = (size_t)self->cross->o;
    self->memory = mem_zalloc_array(3 * o, sizeof *self->memory);
    if (self->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to score a cross-validation");
    }
    self->mean = self->memory;
    self->variance = self->mean + o;
    self->zero = self->variance + o;
    return evaluation_begin(&self->evaluation, self->model, output_range, err);
}

static void add_row(struct scoring *self, int i, const double *y)
{
    const struct train_cross *cross = self->cross;
    const struct predict_result f = {.mean = self->mean,
                                     .variance = self->variance,
                                     .total_variance = self->variance,
                                     .noise_variance = self->zero};
    for (int j = 0; j < cross->o; j++) {
        size_t cell = (size_t)i * (size_t)cross->o + (size_t)j;
        int exponent = model_exponent(self->model, j);
        double std = ldexp(cross->std[cell], -exponent);
        self->mean[j] = ldexp(cross->mean[cell], -exponent);
        self->variance[j] = std * std;
    }
    evaluation_add(&self->evaluation, &f, y, 1);
}

enum err_code train_cross_score(const struct train_cross *cross,
                                const struct train_cross_rows *rows, const struct model *model,
                                struct scores *out, struct err *err)
{
    struct scoring scoring = {.cross = cross, .model = model};
    if (scoring_begin(&scoring, rows->output_range, err) == ERR_OK) {
        for (int i = 0; i < cross->n; i++) {
            size_t place = (size_t)cross->rows[i];
            if (rows->chosen == NULL || rows->chosen[place] != 0) {
                add_row(&scoring, i, rows->data->y + place * (size_t)cross->o);
            }
        }
        err_kept(evaluation_end(&scoring.evaluation, out, err));
    }
    mem_free(scoring.memory);
    return err->code;
}
