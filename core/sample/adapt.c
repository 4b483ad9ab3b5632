/* SPDX-License-Identifier: Apache-2.0 */
/* Constants are those of Stan: [1] gives the first four, [2] the lengths of the phases. */
#include "sample/adapt.h"

#include <math.h>
#include <string.h>

#define GAMMA 0.05
#define T0    10.0
#define KAPPA 0.75
#define DRAWN 10.0 /* the average is drawn towards steps this many times the first guess */

#define MIN_WARMUP  20
#define INIT_BUFFER 75
#define TERM_BUFFER 50
#define BASE_WINDOW 25
_Static_assert(INIT_BUFFER + BASE_WINDOW + TERM_BUFFER == MASS_WINDOW_FULL,
               "the shortest warm-up that has all its phases");

/* A window's variances are shrunk towards PRIOR_VARIANCE as if it were the variance of PRIOR_COUNT
 * further draws. */
#define PRIOR_COUNT    5.0
#define PRIOR_VARIANCE 1e-3

void dual_averaging_start(struct dual_averaging *da, double target, double epsilon)
{
    *da = (struct dual_averaging){
        .target = target, .mu = log(DRAWN * epsilon), .log_epsilon_bar = 0.0};
}

void dual_averaging_go_on(struct dual_averaging *da, double target, double epsilon)
{
    dual_averaging_start(da, target, epsilon);
    da->mu = log(epsilon);
}

double dual_averaging_update(struct dual_averaging *da, double accept)
{
    double t = (double)++da->t;
    double weight = 1.0 / (t + T0);
    da->h_bar = (1.0 - weight) * da->h_bar + weight * (da->target - accept);
    double log_epsilon = da->mu - sqrt(t) / GAMMA * da->h_bar;
    double power = pow(t, -KAPPA);
    da->log_epsilon_bar = power * log_epsilon + (1.0 - power) * da->log_epsilon_bar;
    return exp(log_epsilon);
}

double dual_averaging_final(const struct dual_averaging *da)
{
    return exp(da->log_epsilon_bar);
}

static void window_clear(struct mass_window *window)
{
    window->count = 0;
    memset(window->mean, 0, (size_t)window->n * sizeof *window->mean);
    memset(window->m2, 0, (size_t)window->n * sizeof *window->m2);
}

/* Sets a window of `size` steps from `start`. When too few steps would be left for the next window,
 * it extends to the end. */
static void window_set(struct mass_window *window, int start, int size)
{
    window->size = size;
    window->end = start + size;
    if (window->end + 2 * size > window->last) {
        window->end = window->last;
    }
}

void mass_window_start(struct mass_window *window, int n, int warmup, double *mean, double *m2)
{
    int init = INIT_BUFFER;
    int term = TERM_BUFFER;
    int base = BASE_WINDOW;
    *window = (struct mass_window){.n = n, .warmup = warmup, .mean = mean, .m2 = m2};
    if (warmup < MIN_WARMUP) {
        return;
    }
    if (init + base + term > warmup) {
        init = (int)(0.15 * warmup);
        term = (int)(0.1 * warmup);
        base = warmup - init - term;
    }
    window->first = init;
    window->last = warmup - term;
    window_set(window, window->first, base);
    window_clear(window);
}

double mass_regularise(double count, double variance)
{
    return (count * variance + PRIOR_COUNT * PRIOR_VARIANCE) / (count + PRIOR_COUNT);
}

bool mass_window_add(struct mass_window *window, int step, const double *q, double *inv_mass)
{
    if (step < window->first || step >= window->last) {
        return false;
    }
    window->count++;
    for (int i = 0; i < window->n; i++) {
        double delta = q[i] - window->mean[i];
        window->mean[i] += delta / (double)window->count;
        window->m2[i] += delta * (q[i] - window->mean[i]);
    }
    if (step + 1 < window->end || window->count < 2) {
        return false;
    }
    double count = (double)window->count;
    for (int i = 0; i < window->n; i++) {
        double variance = window->m2[i] / (count - 1.0);
        inv_mass[i] = mass_regularise(count, variance);
    }
    window_clear(window);
    window_set(window, step + 1, 2 * window->size);
    return true;
}
