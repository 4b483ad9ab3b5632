/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/conformal_scores.h"

#include "predict/predict.h"

#include <math.h>

struct scoring {
    const struct model *model;
    size_t o;
    bool normalised;
    double *scores; /* [n x o] */
    int row;        /* rows scored so far */
};

static enum err_code add_scores(void *ctx, const struct predict_result *f, const double *y, int n,
                                struct err *err)
{
    struct scoring *s = ctx;
    for (size_t c = 0; c < (size_t)n * s->o; c++) {
        int exponent = model_exponent(s->model, (int)(c % s->o));
        double score = fabs(ldexp(y[c], -exponent) - f->mean[c]);
        if (isnan(y[c])) {
            s->scores[(size_t)s->row * s->o + c] = (double)NAN;
            continue;
        }
        if (s->normalised) {
            double variance = f->total_variance != NULL ? f->total_variance[c] : f->variance[c];
            if (scaler_is_constant(&s->model->out[c % s->o]) && !(variance > 0.0)) {
                s->scores[(size_t)s->row * s->o + c] = 0.0; /* an interval without a width */
                continue;
            }
            if (!(variance > 0.0)) {
                int row = s->row + (int)(c / s->o);
                return err_set_at(err, ERR_INVALID, row, (int)(c % s->o),
                                  "normalised scores need a predicted variance above 0, that of "
                                  "calibration row %d, output %zu is 0",
                                  row, c % s->o);
            }
            score /= sqrt(variance);
        } else {
            score = ldexp(score, exponent);
        }
        if (!isfinite(score)) {
            return err_set(err, ERR_NUMERIC, "the score of calibration row %d is not finite",
                           s->row + (int)(c / s->o));
        }
        s->scores[(size_t)s->row * s->o + c] = score;
    }
    s->row += n;
    return ERR_OK;
}

static void put_scores(const void *ctx, int n_done, struct bytes_writer *writer)
{
    const struct scoring *s = ctx;
    bytes_put_f64(writer, s->scores, (size_t)n_done * s->o);
}

static void get_scores(void *ctx, int n_done, struct bytes_reader *reader)
{
    struct scoring *s = ctx;
    bytes_get_f64(reader, s->scores, (size_t)n_done * s->o);
    s->row = n_done;
}

enum err_code conformal_scores(const struct model *model, const struct data *rows, bool normalised,
                               const struct evaluation_run *run, double *scores, struct err *err)
{
    static const struct evaluation_keep keep = {.put = put_scores, .get = get_scores};
    struct scoring scoring = {
        .model = model, .o = (size_t)model->o, .normalised = normalised, .scores = scores};
    unsigned want = PREDICT_MEAN | PREDICT_VARIANCE;
    if (normalised && model_knows_noise(model)) {
        want |= PREDICT_TOTAL_VARIANCE;
    }
    const struct evaluation_work work = {.block = {.want = want, .in_units = true},
                                         .run = run,
                                         .keep = &keep,
                                         .fn = add_scores,
                                         .ctx = &scoring};
    return evaluation_work(model, rows, &work, err);
}
