/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quantile lies between the smallest and the largest of the components' own. Newton's method,
 * which bisects where it would leave that range, comes close to it; bisection then goes on until no
 * double lies between, so that the result does not depend on the way. A quantile that is smaller
 * than 2^-MAX_BISECTIONS of the range may be off by as much.
 */
#include "math/normal_mixture.h"

#include "math/normal.h"

#include <float.h>
#include <math.h>

#define MAX_BISECTIONS 200
#define MAX_NEWTON     40
#define NEAR           (16.0 * DBL_EPSILON) /* relative; where Newton's method has done its work */

static double variance_of(const struct normal_mixture *mix, size_t i)
{
    return (mix->var != NULL ? mix->var[i * mix->var_stride] : 0.0) + mix->more_var;
}

int normal_mixture_is_discrete(const struct normal_mixture *mix)
{
    for (size_t i = 0; i < mix->m; i++) {
        if (variance_of(mix, i) > 0.0) {
            return 0;
        }
    }
    return 1;
}

/* Also the density, where it is asked for. */
static double evaluate(const struct normal_mixture *mix, double at, double *density)
{
    double below = 0.0;
    double dense = 0.0;
    for (size_t i = 0; i < mix->m; i++) {
        double s = sqrt(variance_of(mix, i));
        double gap = at - mix->mean[i * mix->stride];
        below += s > 0.0 ? normal_tail(-gap / s) : (gap >= 0.0 ? 1.0 : 0.0);
        if (density != NULL && s > 0.0) {
            dense += normal_density(gap / s) / s;
        }
    }
    if (density != NULL) {
        *density = dense / (double)mix->m;
    }
    return below / (double)mix->m;
}

double normal_mixture_below(const struct normal_mixture *mix, double at)
{
    return evaluate(mix, at, NULL);
}

/* The quantile is in (low, high]. */
struct bracket {
    double low, high;
};

static double middle_of(const struct bracket *b)
{
    return 0.5 * b->low + 0.5 * b->high;
}

static int is_inside(const struct bracket *b, double at)
{
    return at > b->low && at < b->high;
}

/* Cuts the bracket at `at`, which is inside of it. */
static void cut(const struct normal_mixture *mix, double level, struct bracket *b, double at)
{
    if (evaluate(mix, at, NULL) < level) {
        b->low = at;
    } else {
        b->high = at;
    }
}

/* Makes the bracket small. */
static void narrow(const struct normal_mixture *mix, double level, struct bracket *b)
{
    double at = middle_of(b);
    for (int k = 0; k < MAX_NEWTON && is_inside(b, at); k++) {
        double density;
        double below = evaluate(mix, at, &density);
        double next = at - (below - level) / density; /* not finite where there is no density */
        if (below < level) {
            b->low = at;
        } else {
            b->high = at;
        }
        double step = fabs(next - at);
        if (step <= NEAR * fabs(at)) {
            break;
        }
        at = is_inside(b, next) ? next : middle_of(b);
    }
    double reach = 2.0 * NEAR * fabs(at);
    const double ends[] = {at - reach, at + reach};
    for (int k = 0; k < 2; k++) {
        if (is_inside(b, ends[k])) {
            cut(mix, level, b, ends[k]);
        }
    }
}

double normal_mixture_quantile(const struct normal_mixture *mix, double level, double z)
{
    struct bracket b = {INFINITY, -INFINITY};
    for (size_t i = 0; i < mix->m; i++) {
        double q = mix->mean[i * mix->stride] + z * sqrt(variance_of(mix, i));
        b.low = fmin(b.low, q);
        b.high = fmax(b.high, q);
    }
    if (!(b.high > b.low) || evaluate(mix, b.low, NULL) >= level) {
        return b.low;
    }
    narrow(mix, level, &b);
    for (int k = 0; k < MAX_BISECTIONS && is_inside(&b, middle_of(&b)); k++) {
        cut(mix, level, &b, middle_of(&b));
    }
    return b.high;
}
