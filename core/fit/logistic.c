/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Newton's method. Each step solves with the exact second derivatives, and is halved until the
 * function falls, which it does for a step along a descent direction of a convex function. Rows
 * that a plane separates are no exception: the penalty bounds w, and near a plane far from all rows
 * of a class the bias is bounded by the other class.
 */
#include "fit/logistic.h"

#include "base/mem.h"
#include "fit/cross_entropy.h"
#include "math/decompose.h"
#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define MAX_STEPS  100
#define MAX_HALVES 60
#define CONVERGED  1e-12 /* of Newton's decrement, relative to the function */
#define MIN_WEIGHT 1e-300

struct newton {
    const struct data *rows;
    double c;
    const struct cancel *cancel;
    int n;         /* d + 1 */
    double *h;     /* [n x n] */
    double *g;     /* [n] gradient */
    double *step;  /* [n] */
    double *trial; /* [n] */
};

static double logit(const struct newton *self, const double *params, int row)
{
    int d = self->n - 1;
    const double *x = self->rows->x + (size_t)row * (size_t)d;
    double f = params[d];
    for (int j = 0; j < d; j++) {
        f += params[j] * x[j];
    }
    return f;
}

static double value_at(const struct newton *self, const double *params)
{
    double sum = 0.0;
    for (int i = 0; i < self->rows->n; i++) {
        double f = logit(self, params, i);
        sum += fmax(f, 0.0) - self->rows->y[i] * f + log1p(exp(-fabs(f)));
    }
    sum *= self->c;
    for (int j = 0; j < self->n - 1; j++) {
        sum += 0.5 * params[j] * params[j];
    }
    return sum;
}

/* Gradient and the lower triangle of the second derivatives. */
static void derive(struct newton *self, const double *params)
{
    int d = self->n - 1;
    size_t n = (size_t)self->n;
    memset(self->h, 0, n * n * sizeof *self->h);
    memset(self->g, 0, n * sizeof *self->g);
    for (int i = 0; i < self->rows->n; i++) {
        const double *x = self->rows->x + (size_t)i * (size_t)d;
        double p = cross_entropy_probability(logit(self, params, i));
        double slope = self->c * (p - self->rows->y[i]);
        double weight = self->c * fmax(p * (1.0 - p), MIN_WEIGHT);
        for (int j = 0; j <= d; j++) {
            double xj = j < d ? x[j] : 1.0;
            self->g[j] += slope * xj;
            for (int k = 0; k <= j; k++) {
                self->h[(size_t)j * n + (size_t)k] += weight * xj * (k < d ? x[k] : 1.0);
            }
        }
    }
    for (int j = 0; j < d; j++) {
        self->g[j] += params[j];
        self->h[(size_t)j * n + (size_t)j] += 1.0;
    }
    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < j; k++) {
            self->h[k * n + j] = self->h[j * n + k];
        }
    }
}

/* step <- -H^-1 g with h = L; returns g' H^-1 g. */
static double solve(struct newton *self)
{
    size_t n = (size_t)self->n;
    double decrement = 0.0;
    for (size_t i = 0; i < n; i++) {
        double sum = self->g[i];
        for (size_t k = 0; k < i; k++) {
            sum -= self->h[i * n + k] * self->step[k];
        }
        self->step[i] = sum / self->h[i * n + i];
        decrement += self->step[i] * self->step[i];
    }
    for (size_t i = n; i-- > 0;) {
        double sum = self->step[i];
        for (size_t k = i + 1; k < n; k++) {
            sum -= self->h[k * n + i] * self->step[k];
        }
        self->step[i] = sum / self->h[i * n + i];
    }
    for (size_t i = 0; i < n; i++) {
        self->step[i] = -self->step[i];
    }
    return decrement;
}

/* params + step, halved until the function falls; false: nothing lowers it any more. */
static bool advance(struct newton *self, double *value, double *params)
{
    double length = 1.0;
    for (int k = 0; k < MAX_HALVES; k++) {
        for (int j = 0; j < self->n; j++) {
            self->trial[j] = params[j] + length * self->step[j];
        }
        double trial = value_at(self, self->trial);
        if (trial < *value) {
            memcpy(params, self->trial, (size_t)self->n * sizeof *params);
            *value = trial;
            return true;
        }
        length *= 0.5;
    }
    return false;
}

static enum err_code minimise(struct newton *self, double *params, struct err *err)
{
    double value = value_at(self, params);
    for (int step = 0; step < MAX_STEPS; step++) {
        derive(self, params);
        if (decompose_cholesky(self->n, self->h, self->cancel, err) != ERR_OK) {
            return err->code;
        }
        double decrement = solve(self);
        if (!isfinite(decrement)) {
            return err_set(err, ERR_NUMERIC, "a logistic regression is not finite");
        }
        if (decrement <= CONVERGED * CONVERGED * fmax(1.0, value) ||
            !advance(self, &value, params)) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* factor <- L'^-1 of the second derivatives L L' at the minimum. */
static enum err_code find_factor(struct newton *self, const double *params, double *factor,
                                 struct err *err)
{
    size_t n = (size_t)self->n;
    derive(self, params);
    memcpy(factor, self->h, n * n * sizeof *factor);
    if (decompose_cholesky(self->n, factor, self->cancel, err) != ERR_OK ||
        decompose_invert_lower(self->n, factor, self->cancel, err) != ERR_OK) {
        return err->code;
    }
    linalg_transpose(self->n, factor);
    return ERR_OK;
}

static enum err_code check_classes(const struct data *rows, struct err *err)
{
    int n = 0;
    for (int i = 0; i < rows->n; i++) {
        n += rows->y[i] > 0.5;
    }
    return n > 0 && n < rows->n
               ? ERR_OK
               : err_set(err, ERR_INVALID, "a logistic regression needs rows of both classes");
}

enum err_code logistic_fit(const struct data *rows, double c, const struct cancel *cancel,
                           double *params, double *factor, struct err *err)
{
    size_t n = (size_t)rows->d + 1;
    struct newton self = {.rows = rows, .c = c, .cancel = cancel, .n = rows->d + 1};
    if (check_classes(rows, err) != ERR_OK) {
        return err->code;
    }
    self.h = mem_alloc_array(n, n * sizeof *self.h);
    self.g = mem_alloc_array(3 * n, sizeof *self.g);
    if (self.h == NULL || self.g == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a logistic regression on %d inputs", rows->d);
        goto done;
    }
    self.step = self.g + n;
    self.trial = self.step + n;
    memset(params, 0, n * sizeof *params);
    if (minimise(&self, params, err) == ERR_OK && factor != NULL) {
        err_kept(find_factor(&self, params, factor, err));
    }
done:
    mem_free(self.h);
    mem_free(self.g);
    return err->code;
}
