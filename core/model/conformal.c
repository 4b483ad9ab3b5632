/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each end of a cv+ interval is an order statistic of n shifted scores, which differ from row to
 * row. It is selected in linear time by Hoare's quickselect with the median of three. What is left
 * after PASSES passes is sorted, so that no order of the scores makes it quadratic. For the usual
 * thousand scores this costs less than the draws' forward passes. With split the shift is common,
 * so one threshold for each output serves all rows.
 */
#include "model/conformal.h"

#include "base/mem.h"

#include <math.h>

static const char *const method_names[] = {"none", "split", "cv+", "jackknife+"};

NAMES_DEFINE(conformal_method, enum conformal_method, method_names)

void conformal_release(struct conformal *conformal)
{
    mem_free(conformal->fold);
    mem_free(conformal->scores);
    mem_free(conformal->counts);
    mem_free(conformal->fold_noise);
    *conformal = (struct conformal){.method = CONFORMAL_NONE};
}

enum err_code conformal_count(struct conformal *conformal, int o, struct err *err)
{
    size_t cells = (size_t)conformal->n * (size_t)o;
    bool holes = false;
    mem_free(conformal->counts);
    conformal->counts = NULL;
    for (size_t k = 0; !holes && conformal->scores != NULL && k < cells; k++) {
        holes = isnan(conformal->scores[k]);
    }
    if (!holes) {
        return ERR_OK;
    }
    conformal->counts = mem_zalloc_array((size_t)o, sizeof *conformal->counts);
    if (conformal->counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    for (size_t k = 0; k < cells; k++) {
        conformal->counts[k % (size_t)o] += !isnan(conformal->scores[k]);
    }
    return ERR_OK;
}

enum err_code conformal_check(const struct conformal *conformal, int m, int o, struct err *err)
{
    const struct conformal *c = conformal;
    if (c->method == CONFORMAL_NONE) {
        return ERR_OK;
    }
    bool split = c->method == CONFORMAL_SPLIT;
    if (c->n < 1 || c->n > CONFORMAL_MAX_ROWS) {
        return err_set(err, ERR_LIMIT, "conformal: %d rows, 1 to %d are allowed", c->n,
                       CONFORMAL_MAX_ROWS);
    }
    if (split ? c->n_folds != 1 : c->n_folds < 2 || c->n_folds > c->n || m % c->n_folds != 0) {
        return err_set(err, ERR_INVALID,
                       "conformal: %d folds of %d rows do not fit %s with %d draws", c->n_folds,
                       c->n, conformal_method_name(c->method), m);
    }
    for (int i = 0; !split && i < c->n; i++) {
        if (c->fold[i] < 0 || c->fold[i] >= c->n_folds) {
            return err_set(err, ERR_INVALID, "conformal: row %d is in fold %d, there are 0 to %d",
                           i, c->fold[i], c->n_folds - 1);
        }
    }
    for (size_t k = 0; k < (size_t)c->n * (size_t)o; k++) {
        if (!(isfinite(c->scores[k]) && c->scores[k] >= 0.0) && !isnan(c->scores[k])) {
            return err_set(err, ERR_INVALID,
                           "conformal: the score of row %zu, output %zu must be finite and >= 0",
                           k / (size_t)o, k % (size_t)o);
        }
    }
    for (int k = 0; c->fold_noise != NULL && k < c->n_folds * o; k++) {
        if (!(isfinite(c->fold_noise[k]) && c->fold_noise[k] >= 0.0)) {
            return err_set(err, ERR_INVALID,
                           "conformal: the noise of fold %d must be finite and >= 0", k / o);
        }
    }
    return ERR_OK;
}

/* ---- ranks ---- */

/*
 * Levels are decimals: 0.9 means nine tenths, not the double next to it. So (1 - alpha)(n + 1)
 * counts as an integer when it is within SLACK of one. Its rounding error is below 1e-9 for up to
 * CONFORMAL_MAX_ROWS rows, and the coverage changes by no more than SLACK / (n + 1).
 */
#define SLACK 1e-9

enum err_code conformal_rank(const struct conformal *conformal, int output, double alpha, int *rank,
                             struct err *err)
{
    int n = conformal_n(conformal, output);
    double places = (double)n + 1.0;
    double at = ceil((1.0 - alpha) * places - SLACK);
    if (!(alpha > 0.0 && alpha < 1.0)) {
        return err_set(err, ERR_INVALID, "alpha is %g, a number between 0 and 1 is needed", alpha);
    }
    if (n == 0) {
        return err_set(err, ERR_INVALID,
                       "none of the calibration rows has output %d, so it has no intervals",
                       output);
    }
    if (at > (double)n && conformal->counts != NULL) {
        return err_set(err, ERR_INVALID,
                       "the %d calibration rows that have output %d allow no level above %.6g", n,
                       output, 1.0 - 1.0 / places);
    }
    if (at > (double)n) {
        return err_set(err, ERR_INVALID, "%d calibration rows allow no level above %.6g", n,
                       1.0 - 1.0 / places);
    }
    *rank = at < 1.0 ? 1 : (int)at;
    return ERR_OK;
}

#define PASSES 64 /* of quickselect; about 1.4 log2(n) are usual */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void swap(double *a, double *b)
{
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* Puts the median of the first, middle and last value in the middle. */
static double choose_pivot(double *values, int low, int high)
{
    int middle = low + (high - low) / 2;
    if (values[middle] < values[low]) {
        swap(&values[middle], &values[low]);
    }
    if (values[high] < values[low]) {
        swap(&values[high], &values[low]);
    }
    if (values[high] < values[middle]) {
        swap(&values[high], &values[middle]);
    }
    return values[middle];
}

double conformal_select(double *values, int n, int k)
{
    int low = 0;
    int high = n - 1;
    for (int pass = 0; low < high; pass++) {
        if (pass == PASSES) {
            qsort(values + low, (size_t)(high - low) + 1, sizeof *values, compare_doubles);
            break;
        }
        double pivot = choose_pivot(values, low, high);
        int i = low;
        int j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (values[j] > pivot) {
                j--;
            }
            if (i <= j) {
                swap(&values[i++], &values[j--]);
            }
        }
        /* low .. j <= pivot <= i .. high, and between them only the pivot's equals. */
        if (k - 1 <= j) {
            high = j;
        } else if (k - 1 >= i) {
            low = i;
        } else {
            break;
        }
    }
    return values[k - 1];
}

/* ---- intervals ---- */

void conformal_thresholds(const struct conformal *conformal, int o, const int *ranks,
                          double *scratch, double *thresholds)
{
    for (int j = 0; j < o; j++) {
        int n = 0;
        for (int i = 0; i < conformal->n; i++) {
            double score = conformal->scores[(size_t)i * (size_t)o + (size_t)j];
            scratch[n] = score;
            n += !isnan(score);
        }
        thresholds[j] = conformal_select(scratch, n, ranks[j]);
    }
}

int conformal_fold_ends(const struct conformal *conformal, int o, int output,
                        const struct conformal_point *point, double *ends)
{
    int n = conformal_n(conformal, output);
    const double *score = conformal->scores + output;
    int k = 0;
    for (int i = 0; i < conformal->n; i++) {
        size_t at = (size_t)conformal->fold[i] * point->stride;
        double unit = conformal->normalised ? point->std[at] : point->unit;
        double half = score[(size_t)i * (size_t)o] * unit;
        if (conformal->counts != NULL && isnan(score[(size_t)i * (size_t)o])) {
            continue;
        }
        ends[k] = point->mean[at] - half;
        ends[n + k] = point->mean[at] + half;
        k++;
    }
    return n;
}

void conformal_fold_interval(int n, int rank, double *ends, double interval[2])
{
    interval[0] = conformal_select(ends, n, n + 1 - rank);
    interval[1] = conformal_select(ends + n, n, rank);
    if (interval[0] > interval[1]) {
        interval[0] = interval[1] = 0.5 * interval[0] + 0.5 * interval[1];
    }
}
