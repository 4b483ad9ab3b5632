/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_join.h"

#include <string.h>

/* They cost next to nothing once the moments are there, so requests may differ in them. */
#define MOMENTS                                                                                    \
    ((unsigned)(PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_STD | PREDICT_NOISE_VARIANCE |           \
                PREDICT_TOTAL_VARIANCE))

bool predict_can_join(const struct predict_request *a, const struct predict_request *b)
{
    if ((a->want & ~MOMENTS) != (b->want & ~MOMENTS) || (a->want & PREDICT_COVARIANCE_ROWS)) {
        return false;
    }
    if ((a->want & PREDICT_QUANTILES) &&
        (a->n_levels != b->n_levels ||
         memcmp(a->levels, b->levels, (size_t)a->n_levels * sizeof *a->levels) != 0)) {
        return false;
    }
    if ((a->want & PREDICT_INTERVALS) &&
        (a->n_intervals != b->n_intervals ||
         memcmp(a->intervals, b->intervals, (size_t)a->n_intervals * sizeof *a->intervals) != 0)) {
        return false;
    }
    return !(a->want & PREDICT_SAMPLES) || (a->n_samples == b->n_samples && a->seed == b->seed);
}

enum err_code predict_join(const struct predict_request *const *parts, int n, int d,
                           struct arena *arena, struct predict_request *out, struct err *err)
{
    *out = *parts[0];
    out->n = 0;
    for (int i = 0; i < n; i++) {
        out->n += parts[i]->n;
        out->want |= parts[i]->want;
    }
    double *x = arena_alloc_array(arena, (size_t)out->n * (size_t)d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    out->x = x;
    for (int i = 0; i < n; i++) {
        size_t count = (size_t)parts[i]->n * (size_t)d;
        memcpy(x, parts[i]->x, count * sizeof *x);
        x += count;
    }
    return ERR_OK;
}

/* Rows first .. first + n - 1 of each of `outer` blocks of `all` rows of `width` values. */
struct part {
    bool wanted;
    const double *from;
    double **to;
    size_t outer;
    size_t width;
};

static bool copy_rows(const struct part *part, size_t all, size_t first, size_t n,
                      struct arena *arena)
{
    size_t block = n * part->width;
    double *to = arena_alloc_array(arena, part->outer * block, sizeof *to);
    if (to == NULL) {
        return false;
    }
    for (size_t k = 0; k < part->outer; k++) {
        memcpy(to + k * block, part->from + (k * all + first) * part->width, block * sizeof *to);
    }
    *part->to = to;
    return true;
}

enum err_code predict_slice(const struct model *model, const struct predict_request *joint,
                            const struct predict_result *all, int first,
                            const struct predict_request *part, struct arena *arena,
                            struct predict_result *out, struct err *err)
{
    size_t o = (size_t)model->o;
    size_t od = o * (size_t)model->d;
    unsigned want = part->want;
    *out = (struct predict_result){.mean = NULL};
    const struct part parts[] = {
        {true, all->mean, &out->mean, 1, o},
        {true, all->variance, &out->variance, 1, o},
        {want & PREDICT_STD, all->std, &out->std, 1, o},
        {want & PREDICT_NOISE_VARIANCE, all->noise_variance, &out->noise_variance, 1, o},
        {want & PREDICT_TOTAL_VARIANCE, all->total_variance, &out->total_variance, 1, o},
        {want & PREDICT_QUANTILES, all->quantiles, &out->quantiles, (size_t)part->n_levels, o},
        {want & PREDICT_COVARIANCE_OUTPUTS, all->covariance, &out->covariance, 1, o * o},
        {want & PREDICT_SAMPLES, all->samples, &out->samples, (size_t)part->n_samples, o},
        {want & PREDICT_JACOBIAN, all->jacobian_mean, &out->jacobian_mean, 1, od},
        {want & PREDICT_JACOBIAN, all->jacobian_std, &out->jacobian_std, 1, od},
        {want & PREDICT_INTERVALS, all->lower, &out->lower, (size_t)part->n_intervals, o},
        {want & PREDICT_INTERVALS, all->upper, &out->upper, (size_t)part->n_intervals, o},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].wanted &&
            !copy_rows(&parts[i], (size_t)joint->n, (size_t)first, (size_t)part->n, arena)) {
            return err_set(err, ERR_NOMEM, "no memory for the answer");
        }
    }
    return ERR_OK;
}
