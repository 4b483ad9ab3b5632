/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Student's quantile is Hill's expansion [1] about the normal one; for 3 degrees of freedom and
 * more its error is below 2e-3.
 *
 * [1] G. W. Hill, Algorithm 396: Student's t-quantiles, Communications of the ACM 13(10), 1970.
 */
#include "analyse/replicates.h"

#include "base/mem.h"
#include "math/moments.h"

#include <math.h>
#include <string.h>

#define NORMAL_95 1.959963984540054

enum err_code replicate_load(const struct checkpoint *checkpoint, int replicate, size_t n,
                             double *out, bool *found, struct err *err)
{
    void *bytes = NULL;
    struct bytes_reader reader;
    if (checkpoint_load(checkpoint, replicate, &bytes, &reader, found, err) == ERR_OK && *found) {
        bytes_get_f64(&reader, out, n);
        err_kept(checkpoint_check(&reader, err));
    }
    mem_free(bytes);
    return err->code;
}

enum err_code replicate_save(const struct checkpoint *checkpoint, int replicate, size_t n,
                             const double *out, struct err *err)
{
    struct bytes_writer writer = {.data = NULL};
    if (!checkpoint_due(checkpoint, 0)) {
        return ERR_OK;
    }
    bytes_put_f64(&writer, out, n);
    return checkpoint_save(checkpoint, replicate, &writer, err);
}

void replicate_report(progress_fn *progress, void *ctx, int done, int n)
{
    if (progress != NULL) {
        const struct progress now = {.n_members = 1,
                                     .step = done,
                                     .n_steps = n,
                                     .loss = NAN,
                                     .validation_loss = NAN,
                                     .fraction = (double)done / n};
        progress(ctx, &now);
    }
}

double replicates_student(int degrees)
{
    double z = NORMAL_95;
    double n = degrees;
    double z3 = z * z * z;
    double z5 = z3 * z * z;
    double z7 = z5 * z * z;
    double z9 = z7 * z * z;
    return z + (z3 + z) / (4.0 * n) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n) +
           (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n * n * n) +
           (79.0 * z9 + 776.0 * z7 + 1482.0 * z5 - 1920.0 * z3 - 945.0 * z) /
               (92160.0 * n * n * n * n);
}

struct joining {
    const struct analysis *a;
    const double *all;
    double *sum;     /* [n_statistics] over the replicates, of a draw */
    double *mean;    /* [n_statistics] */
    double *numbers; /* [n_numbers] */
    double *without; /* [R x n_numbers] T_r */
};

/* Whether T is of the mean of the draws, not the mean over them. */
static bool of_mean(const struct analysis *a)
{
    return a->n_functions > a->field->m;
}

static const double *statistics_of(const struct joining *j, int replicate, int draw)
{
    size_t p = j->a->n_statistics;
    return j->all + ((size_t)replicate * (size_t)j->a->n_functions + (size_t)draw) * p;
}

/* j->sum and j->numbers <- of all replicates. */
static enum err_code join_draw(struct joining *j, int draw, struct err *err)
{
    const struct analysis *a = j->a;
    size_t p = a->n_statistics;
    int n = a->replicates;
    memset(j->sum, 0, p * sizeof *j->sum);
    for (int r = 0; r < n; r++) {
        const double *s = statistics_of(j, r, draw);
        for (size_t k = 0; k < p; k++) {
            j->sum[k] += s[k];
        }
    }
    for (size_t k = 0; k < p; k++) {
        j->mean[k] = j->sum[k] / n;
    }
    return a->ops->finish(a, draw, j->mean, j->numbers, err);
}

/* Adds a draw, whose j->sum is known, with a weight to what is left without each replicate. */
static enum err_code leave_out(struct joining *j, int draw, double weight, struct err *err)
{
    const struct analysis *a = j->a;
    size_t p = a->n_statistics;
    int n = a->replicates;
    for (int r = 0; n > 1 && r < n; r++) {
        const double *s = statistics_of(j, r, draw);
        for (size_t k = 0; k < p; k++) {
            j->mean[k] = (j->sum[k] - s[k]) / (n - 1);
        }
        if (a->ops->finish(a, draw, j->mean, j->numbers, err) != ERR_OK) {
            return err->code;
        }
        for (size_t q = 0; q < a->n_numbers; q++) {
            j->without[(size_t)r * a->n_numbers + q] += weight * j->numbers[q];
        }
    }
    return ERR_OK;
}

/* Moments over the draws. */
static enum err_code add_draws(struct joining *j, struct analyse_result *result, struct err *err)
{
    int m = j->a->field->m;
    for (int draw = 0; draw < m; draw++) {
        if (join_draw(j, draw, err) != ERR_OK) {
            return err->code;
        }
        moments_add(draw + 1, result->n, j->numbers, result->estimate, result->surrogate_error);
        if (!of_mean(j->a) && leave_out(j, draw, 1.0 / m, err) != ERR_OK) {
            return err->code;
        }
    }
    moments_finish(m, result->n, result->surrogate_error);
    return ERR_OK;
}

/* The draws' mean gives the estimate; how far it is from the mean over draws is an error too. */
static enum err_code add_mean(struct joining *j, struct analyse_result *result, struct err *err)
{
    int m = j->a->field->m;
    if (join_draw(j, m, err) != ERR_OK) {
        return err->code;
    }
    for (size_t q = 0; q < result->n; q++) {
        double bias = j->numbers[q] - result->estimate[q];
        result->surrogate_error[q] += bias * bias;
        result->estimate[q] = j->numbers[q];
    }
    return leave_out(j, m, 1.0, err);
}

static double jackknife(const struct joining *j, size_t q)
{
    int n = j->a->replicates;
    double mean = 0.0;
    double sum = 0.0;
    for (int r = 0; r < n; r++) {
        mean += j->without[(size_t)r * j->a->n_numbers + q] / n;
    }
    for (int r = 0; r < n; r++) {
        double delta = j->without[(size_t)r * j->a->n_numbers + q] - mean;
        sum += delta * delta;
    }
    return n > 1 ? sqrt(sum * (n - 1) / n) : 0.0;
}

static void set_errors(const struct joining *j, struct analyse_result *result)
{
    double student = j->a->replicates > 1 ? replicates_student(j->a->replicates - 1) : 0.0;
    for (size_t q = 0; q < result->n; q++) {
        result->surrogate_error[q] = sqrt(result->surrogate_error[q]);
        result->sampling_error[q] = jackknife(j, q);
        double half =
            hypot(student * result->sampling_error[q], NORMAL_95 * result->surrogate_error[q]);
        result->lower[q] = result->estimate[q] - half;
        result->upper[q] = result->estimate[q] + half;
    }
}

enum err_code replicates_join(const struct analysis *a, const double *all,
                              struct analyse_result *result, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct joining j = {.a = a, .all = all};
    j.sum = arena_alloc_array(&arena, a->n_statistics, sizeof(double));
    j.mean = arena_alloc_array(&arena, a->n_statistics, sizeof(double));
    j.numbers = arena_alloc_array(&arena, a->n_numbers, sizeof(double));
    j.without = arena_zalloc_array(&arena, (size_t)a->replicates * a->n_numbers, sizeof(double));
    if (j.sum == NULL || j.mean == NULL || j.numbers == NULL || j.without == NULL) {
        arena_release(&arena);
        return err_set(err, ERR_NOMEM, "no memory for the numbers of an analysis");
    }
    if (add_draws(&j, result, err) == ERR_OK &&
        (!of_mean(a) || add_mean(&j, result, err) == ERR_OK)) {
        set_errors(&j, result);
    }
    arena_release(&arena);
    return err->code;
}
