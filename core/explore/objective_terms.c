/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/objective_terms.h"

#include "predict/predict.h"

#include <math.h>
#include <string.h>

double terms_excess(const struct terms *terms, const double *values)
{
    double excess = 0.0;
    for (int t = terms->n_objectives; t < terms->n; t++) {
        excess = values[t] > excess ? values[t] : excess;
    }
    return excess;
}

static double term_of(const struct term *term, double number)
{
    return term->sign * (number - term->limit);
}

/* The levels of the quantiles that are asked for, in the order of their terms. */
static int collect_levels(const struct terms *terms, double *levels)
{
    int n = 0;
    for (int t = 0; t < terms->n; t++) {
        if (terms->list[t].kind == TERM_QUANTILE) {
            levels[n++] = terms->list[t].level;
        }
    }
    return n;
}

enum err_code terms_values(const struct terms *terms, int n, const double *x, double *values,
                           struct arena *scratch, struct err *err)
{
    double levels[TERMS_MAX];
    struct predict_result result;
    size_t o = (size_t)terms->model->o;
    int n_levels = collect_levels(terms, levels);
    const struct predict_request req = {.n = n,
                                        .x = x,
                                        .want = PREDICT_MEAN | PREDICT_STD |
                                                (n_levels > 0 ? PREDICT_QUANTILES : 0u),
                                        .n_levels = n_levels,
                                        .levels = levels,
                                        .n_threads = terms->n_threads,
                                        .cancel = terms->cancel};
    if (predict_run(terms->model, &req, scratch, &result, err) != ERR_OK) {
        return err->code;
    }
    int level = 0;
    for (int t = 0; t < terms->n; t++) {
        const struct term *term = &terms->list[t];
        size_t of_level = (size_t)level * (size_t)n * o;
        for (size_t i = 0; i < (size_t)n; i++) {
            size_t at = i * o + (size_t)term->output;
            double number =
                term->kind == TERM_QUANTILE ? result.quantiles[of_level + at] : result.mean[at];
            number += term->kind == TERM_BOUND ? term->k * result.std[at] : 0.0;
            values[i * (size_t)terms->n + (size_t)t] = term_of(term, number);
        }
        level += term->kind == TERM_QUANTILE;
    }
    return ERR_OK;
}

bool terms_have_gradients(const struct terms *terms)
{
    bool all = !model_has_categories(terms->model) && terms->model->reduction == NULL;
    for (int t = 0; t < terms->n; t++) {
        all = all && terms->list[t].kind != TERM_QUANTILE;
    }
    return all;
}

enum err_code terms_gradients(const struct terms *terms, const double *x, double *values,
                              double *gradients, struct arena *scratch, struct err *err)
{
    struct predict_result result;
    size_t d = (size_t)terms->model->d;
    size_t o = (size_t)terms->model->o;
    const struct predict_request req = {
        .n = 1, .x = x, .want = PREDICT_JACOBIAN | PREDICT_STD, .n_threads = 1};
    if (predict_run(terms->model, &req, scratch, &result, err) != ERR_OK) {
        return err->code;
    }
    for (int t = 0; t < terms->n; t++) {
        const struct term *term = &terms->list[t];
        size_t output = (size_t)term->output;
        double k = term->kind == TERM_BOUND ? term->k : 0.0;
        const double *of_mean = result.jacobian + output * d;
        const double *of_std = result.jacobian + (o + output) * d;
        values[t] = term_of(term, result.mean[output] + k * result.std[output]);
        for (size_t j = 0; j < d; j++) {
            gradients[(size_t)t * d + j] = term->sign * (of_mean[j] + k * of_std[j]);
        }
    }
    return ERR_OK;
}

enum err_code terms_of_draw(const struct terms_draw *draw, int n, const double *x, double *values,
                            struct arena *scratch, struct err *err)
{
    const struct terms *terms = draw->terms;
    struct predict_result result;
    size_t o = (size_t)terms->model->o;
    const struct predict_request req = {.n = n,
                                        .x = x,
                                        .want = PREDICT_SAMPLES,
                                        .n_samples = 1,
                                        .first_sample = draw->draw,
                                        .seed = draw->seed,
                                        .samples_alone = true,
                                        .n_threads = terms->n_threads,
                                        .cancel = terms->cancel};
    if (predict_run(terms->model, &req, scratch, &result, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        for (int t = 0; t < terms->n; t++) {
            const struct term *term = &terms->list[t];
            values[i * (size_t)terms->n + (size_t)t] =
                term_of(term, result.samples[i * o + (size_t)term->output]);
        }
    }
    return ERR_OK;
}
