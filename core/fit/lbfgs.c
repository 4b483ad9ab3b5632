/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/lbfgs.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define C1           1e-4
#define C2           0.9
#define MAX_TRIALS   40
#define MAX_GROWTH   10.0 /* of the step from one trial to the next */
#define MIN_PART     0.1  /* of an interval that a trial removes at least */
#define MIN_INTERVAL 1e-16
#define MIN_CURVED   1e-10 /* s'y / (|s| |y|) of a pair that is kept */

enum err_code lbfgs_init(struct lbfgs *self, int n, int m, double epsilon, struct err *err)
{
    size_t numbers = (size_t)n * (6 + 2 * (size_t)m) + (size_t)m;
    *self = (struct lbfgs){.n = n, .m = m, .epsilon = epsilon};
    self->memory = mem_zalloc_array(numbers, sizeof *self->memory);
    if (self->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for L-BFGS");
    }
    double **const vectors[] = {&self->x,       &self->g,       &self->d,
                                &self->trial_x, &self->trial_g, &self->low_g};
    double *at = self->memory;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++, at += n) {
        *vectors[i] = at;
    }
    self->s = at;
    self->y = self->s + (size_t)m * (size_t)n;
    self->alpha = self->y + (size_t)m * (size_t)n;
    return ERR_OK;
}

void lbfgs_release(struct lbfgs *self)
{
    mem_free(self->memory);
    self->memory = NULL;
}

static double dot(int n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static enum lbfgs_end test_convergence(const struct lbfgs *self)
{
    double norm_x = sqrt(dot(self->n, self->x, self->x));
    double norm_g = sqrt(dot(self->n, self->g, self->g));
    return norm_g <= self->epsilon * fmax(1.0, norm_x) ? LBFGS_CONVERGED : LBFGS_GOING;
}

enum lbfgs_end lbfgs_start(struct lbfgs *self, const double *x, lbfgs_fn *fn, void *ctx)
{
    memcpy(self->x, x, (size_t)self->n * sizeof *x);
    self->t = 0;
    self->pairs = 0;
    self->next = 0;
    self->f = fn(ctx, self->x, self->g);
    return test_convergence(self);
}

/* ---- direction ---- */

/* A vector of the pair of that age, 0 for the newest; of: s or y. */
static const double *pair(const struct lbfgs *self, const double *of, int age)
{
    int at = (self->next - 1 - age + 2 * self->m) % self->m;
    return of + (size_t)at * (size_t)self->n;
}

/* to += factor a */
static void add_multiple(int n, double factor, const double *a, double *to)
{
    for (int i = 0; i < n; i++) {
        to[i] += factor * a[i];
    }
}

/* d = -H g, algorithm 7.4 of [1]. */
static void set_direction(struct lbfgs *self)
{
    int n = self->n;
    for (int i = 0; i < n; i++) {
        self->d[i] = -self->g[i];
    }
    for (int k = 0; k < self->pairs; k++) {
        const double *s = pair(self, self->s, k);
        const double *y = pair(self, self->y, k);
        self->alpha[k] = dot(n, s, self->d) / dot(n, s, y);
        add_multiple(n, -self->alpha[k], y, self->d);
    }
    if (self->pairs > 0) {
        const double *s = pair(self, self->s, 0);
        const double *y = pair(self, self->y, 0);
        double scale = dot(n, s, y) / dot(n, y, y);
        for (int i = 0; i < n; i++) {
            self->d[i] *= scale;
        }
    }
    for (int k = self->pairs - 1; k >= 0; k--) {
        const double *s = pair(self, self->s, k);
        const double *y = pair(self, self->y, k);
        double beta = dot(n, y, self->d) / dot(n, s, y);
        add_multiple(n, self->alpha[k] - beta, s, self->d);
    }
}

/* ---- line search ---- */

/* A step along d: its length, the value there and the slope along d. */
struct trial {
    double a, f, slope;
};

struct search {
    struct lbfgs *self;
    lbfgs_fn *fn;
    void *ctx;
    struct trial from; /* a = 0 */
    int n_trials;
};

/* Evaluates a step; trial_x and trial_g become its point and gradient. */
static struct trial try_step(struct search *search, double a)
{
    struct lbfgs *self = search->self;
    for (int i = 0; i < self->n; i++) {
        self->trial_x[i] = self->x[i] + a * self->d[i];
    }
    double f = search->fn(search->ctx, self->trial_x, self->trial_g);
    double slope = dot(self->n, self->trial_g, self->d);
    search->n_trials++;
    return isfinite(f) && isfinite(slope) ? (struct trial){a, f, slope}
                                          : (struct trial){a, INFINITY, INFINITY};
}

/* Sufficient decrease, eq. 3.7a of [1]. */
static bool is_low_enough(const struct search *search, struct trial t)
{
    return t.f <= search->from.f + C1 * t.a * search->from.slope;
}

/* Curvature, eq. 3.7b of [1]. */
static bool is_flat_enough(const struct search *search, struct trial t)
{
    return fabs(t.slope) <= -C2 * search->from.slope;
}

/* The minimum of the cubic through two trials (eq. 3.59 of [1]), kept away from both of them. */
static double interpolate(struct trial low, struct trial high)
{
    double width = high.a - low.a;
    double a = low.a + 0.5 * width;
    if (isfinite(high.f)) {
        double d1 = low.slope + high.slope - 3.0 * (low.f - high.f) / (low.a - high.a);
        double root = d1 * d1 - low.slope * high.slope;
        if (root > 0.0) {
            double d2 = copysign(sqrt(root), width);
            double cubic =
                high.a - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
            a = isfinite(cubic) ? cubic : a;
        }
    }
    double min = low.a + MIN_PART * width;
    double max = high.a - MIN_PART * width;
    return width > 0.0 ? fmin(fmax(a, min), max) : fmax(fmin(a, min), max);
}

/* Algorithm 3.6 of [1]: low is the best step so far, and low_g its gradient. */
static bool zoom(struct search *search, struct trial low, struct trial high, struct trial *out)
{
    struct lbfgs *self = search->self;
    size_t size = (size_t)self->n * sizeof *self->low_g;
    while (search->n_trials < MAX_TRIALS &&
           fabs(high.a - low.a) > MIN_INTERVAL * fmax(1.0, fabs(low.a))) {
        struct trial t = try_step(search, interpolate(low, high));
        if (!is_low_enough(search, t) || t.f >= low.f) {
            high = t;
            continue;
        }
        if (is_flat_enough(search, t)) {
            *out = t;
            return true;
        }
        if (t.slope * (high.a - low.a) >= 0.0) {
            high = low;
        }
        low = t;
        memcpy(self->low_g, self->trial_g, size);
    }
    /* Precision has run out: the best step is taken if it lowers the value at all. */
    for (int i = 0; i < self->n; i++) {
        self->trial_x[i] = self->x[i] + low.a * self->d[i];
    }
    memcpy(self->trial_g, self->low_g, size);
    *out = low;
    return low.a > 0.0 && low.f < search->from.f;
}

/* Algorithm 3.5 of [1]. True: trial_x and trial_g are those of *out. */
static bool find_step(struct search *search, double first, struct trial *out)
{
    struct lbfgs *self = search->self;
    size_t size = (size_t)self->n * sizeof *self->low_g;
    struct trial before = search->from;
    memcpy(self->low_g, self->g, size);
    /* NOLINTNEXTLINE(cert-flp30-c): n_trials ends it, not the sum of rounding */
    for (double a = first; search->n_trials < MAX_TRIALS; a *= MAX_GROWTH) {
        struct trial t = try_step(search, a);
        if (!is_low_enough(search, t) || (before.a > 0.0 && t.f >= before.f)) {
            return zoom(search, before, t, out);
        }
        if (is_flat_enough(search, t)) {
            *out = t;
            return true;
        }
        memcpy(self->low_g, self->trial_g, size);
        if (t.slope >= 0.0) {
            return zoom(search, t, before, out);
        }
        before = t;
        *out = t;
    }
    return before.a > 0.0; /* no end in sight: the last step is taken */
}

/* ---- iterations ---- */

/* Keeps the pair of the step to trial_x, unless it has no curvature. */
static void keep_pair(struct lbfgs *self)
{
    size_t at = (size_t)self->next * (size_t)self->n;
    double *s = self->s + at;
    double *y = self->y + at;
    for (int i = 0; i < self->n; i++) {
        s[i] = self->trial_x[i] - self->x[i];
        y[i] = self->trial_g[i] - self->g[i];
    }
    double sy = dot(self->n, s, y);
    double size = sqrt(dot(self->n, s, s) * dot(self->n, y, y));
    if (sy > MIN_CURVED * size) {
        self->next = (self->next + 1) % self->m;
        self->pairs += self->pairs < self->m;
    } else if (self->pairs == self->m) {
        self->pairs--; /* it has overwritten the oldest pair */
    }
}

enum lbfgs_end lbfgs_step(struct lbfgs *self, lbfgs_fn *fn, void *ctx)
{
    size_t size = (size_t)self->n * sizeof *self->x;
    struct search search = {.self = self, .fn = fn, .ctx = ctx};
    struct trial found = {0.0, 0.0, 0.0};
    set_direction(self);
    double slope = dot(self->n, self->d, self->g);
    if (!(slope < 0.0)) {
        self->pairs = 0; /* the pairs are of no use: steepest descent */
        set_direction(self);
        slope = dot(self->n, self->d, self->g);
    }
    if (!(slope < 0.0)) {
        return LBFGS_STUCK;
    }
    search.from = (struct trial){0.0, self->f, slope};
    if (!find_step(&search, self->pairs > 0 ? 1.0 : 1.0 / sqrt(-slope), &found)) {
        return LBFGS_STUCK;
    }
    keep_pair(self);
    memcpy(self->x, self->trial_x, size);
    memcpy(self->g, self->trial_g, size);
    self->f = found.f;
    self->t++;
    return test_convergence(self);
}

/* ---- bytes ---- */

void lbfgs_save(const struct lbfgs *self, struct bytes_writer *writer)
{
    size_t n = (size_t)self->n;
    bytes_put_i64(writer, self->t);
    bytes_put_u32(writer, (uint32_t)self->pairs);
    bytes_put_u32(writer, (uint32_t)self->next);
    bytes_put_f64(writer, &self->f, 1);
    bytes_put_f64(writer, self->x, n);
    bytes_put_f64(writer, self->g, n);
    bytes_put_f64(writer, self->s, (size_t)self->m * n);
    bytes_put_f64(writer, self->y, (size_t)self->m * n);
}

void lbfgs_load(struct lbfgs *self, struct bytes_reader *reader)
{
    size_t n = (size_t)self->n;
    self->t = (long)bytes_get_i64(reader);
    self->pairs = bytes_get_int(reader, self->m);
    self->next = bytes_get_int(reader, self->m - 1);
    bytes_get_f64(reader, &self->f, 1);
    bytes_get_f64(reader, self->x, n);
    bytes_get_f64(reader, self->g, n);
    bytes_get_f64(reader, self->s, (size_t)self->m * n);
    bytes_get_f64(reader, self->y, (size_t)self->m * n);
}
