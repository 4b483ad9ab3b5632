/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_join.h"

#include <string.h>

/* The results of each kind of joining. */
#define RESULT(FLAG, field, name, shape, join, option)                                             \
    | (PREDICT_JOIN_##join == PREDICT_JOIN_FREELY ? PREDICT_##FLAG : 0)
static const unsigned joins_freely = 0
#include "predict/results.def"
    ;
#undef RESULT
#define RESULT(FLAG, field, name, shape, join, option)                                             \
    | (PREDICT_JOIN_##join == PREDICT_JOIN_NEVER ? PREDICT_##FLAG : 0)
static const unsigned joins_never = 0
#include "predict/results.def"
    ;
#undef RESULT

static bool same_numbers(int n_a, const double *a, int n_b, const double *b)
{
    return n_a == n_b && memcmp(a, b, (size_t)n_a * sizeof *a) == 0;
}

static bool same_option(enum predict_option option, const struct predict_request *a,
                        const struct predict_request *b)
{
    switch (option) {
    case PREDICT_OPTION_LEVELS:
        return same_numbers(a->n_levels, a->levels, b->n_levels, b->levels);
    case PREDICT_OPTION_TOTAL_LEVELS:
        return same_numbers(a->n_total_levels, a->total_levels, b->n_total_levels, b->total_levels);
    case PREDICT_OPTION_COVERAGES:
        return same_numbers(a->n_intervals, a->intervals, b->n_intervals, b->intervals);
    case PREDICT_OPTION_DRAWS:
        /* The noise of an observation is that of its row's place in the request. */
        return !a->of_observations && !b->of_observations && a->n_samples == b->n_samples &&
               a->seed == b->seed && a->first_sample == b->first_sample &&
               a->samples_alone == b->samples_alone;
    case PREDICT_OPTION_NONE:
    case PREDICT_OPTION_BETWEEN:
    case PREDICT_OPTION_ALTERNATIVE:
        break;
    }
    return true;
}

bool predict_can_join(const struct predict_request *a, const struct predict_request *b)
{
    unsigned alike = a->want & ~joins_freely;
    if (a->derivative != NULL || b->derivative != NULL || a->n_outputs > 0 || b->n_outputs > 0) {
        return false;
    }
    if (alike != (b->want & ~joins_freely) || (alike & joins_never) || a->in_units != b->in_units) {
        return false;
    }
    for (int i = 0; alike >> i != 0; i++) {
        if ((alike & (1U << i)) && !same_option(predict_kinds[i].option, a, b)) {
            return false;
        }
    }
    return true;
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

/* Rows from `first` on of an array of these dimensions, as many as the part's array has. */
static void copy_rows(const struct predict_dims *all, const double *from, size_t first,
                      const struct predict_dims *part, double *to)
{
    size_t n_blocks = 1; /* each with all rows */
    size_t width = 1;    /* of a row in a block */
    for (int k = 0; k < all->rows; k++) {
        n_blocks *= all->size[k];
    }
    for (int k = all->rows + 1; k < all->rank; k++) {
        width *= all->size[k];
    }
    size_t n = part->size[part->rows];
    for (size_t k = 0; k < n_blocks; k++) {
        memcpy(to + k * n * width, from + (k * all->size[all->rows] + first) * width,
               n * width * sizeof *to);
    }
}

enum err_code predict_slice(const struct predict_call *joint, int first,
                            const struct predict_request *part, struct arena *arena,
                            struct predict_result *out, struct err *err)
{
    unsigned set =
        part->samples_alone ? PREDICT_SAMPLES : part->want | PREDICT_MEAN | PREDICT_VARIANCE;
    if (joint->out->variance == NULL) { /* of decoded outputs that nobody wanted the variance of */
        set &= ~(unsigned)PREDICT_VARIANCE;
    }
    if (predict_result_alloc(out, set, joint->model, part, arena, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (set & (1U << i)) {
            enum predict_index index = (enum predict_index)i;
            struct predict_dims all = predict_result_dims(index, joint->model, joint->req);
            struct predict_dims dims = predict_result_dims(index, joint->model, part);
            copy_rows(&all, joint->out->at[i], (size_t)first, &dims, out->at[i]);
        }
    }
    return ERR_OK;
}
