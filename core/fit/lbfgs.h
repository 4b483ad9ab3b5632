/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L-BFGS [1]: minimises a smooth function from its values and gradients, an iteration at a time.
 * The state is plain numbers, so that a minimisation can be saved between any two iterations, and
 * from within the function that is minimised: it is then that of the iteration's beginning. It goes
 * on elsewhere, bit for bit.
 *
 * The direction is that of the two-loop recursion over the last m pairs s = x' - x, y = g' - g, the
 * first guess of the inverse Hessian being s'y / y'y of the newest (eq. 7.20 of [1]). The step
 * fulfils the strong Wolfe conditions with c1 = 1e-4, c2 = 0.9 (algorithms 3.5 and 3.6 of [1],
 * cubic interpolation); a pair without curvature is left out.
 *
 * [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd edition, Springer 2006.
 */
#ifndef LBFGS_H
#define LBFGS_H

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/err.h"

/* The value at x [n] and its gradient; a value that is not finite is a step too far. */
typedef double lbfgs_fn(void *ctx, const double *x, double *grad);

enum lbfgs_end {
    LBFGS_GOING,
    LBFGS_CONVERGED, /* |g| <= epsilon max(1, |x|) */
    LBFGS_STUCK      /* no step goes down any more at double precision */
};

struct lbfgs {
    int n, m;
    double epsilon;
    long t;    /* iterations done */
    int pairs; /* kept, up to m */
    int next;  /* where the next pair goes */
    double f;  /* at x */
    double *x; /* [n] */
    double *g; /* [n] */
    double *s; /* [m x n] */
    double *y; /* [m x n] */
    double *d; /* [n] the direction, then scratch, as are the next three */
    double *trial_x, *trial_g, *low_g;
    double *alpha; /* [m] */
    double *memory;
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code lbfgs_init(struct lbfgs *self, int n, int m, double epsilon,
                         struct err *err) MUST_CHECK;
void lbfgs_release(struct lbfgs *self);

/* Begins at x [n]; the value must be finite. */
enum lbfgs_end lbfgs_start(struct lbfgs *self, const double *x, lbfgs_fn *fn, void *ctx);

/* One iteration: x, g and f are the new state. Stuck: they are as before. Does not allocate. */
enum lbfgs_end lbfgs_step(struct lbfgs *self, lbfgs_fn *fn, void *ctx);

/* Appends all that the next iterations depend on; and reads it, into one of the same n and m. */
void lbfgs_save(const struct lbfgs *self, struct bytes_writer *writer);
void lbfgs_load(struct lbfgs *self, struct bytes_reader *reader);

#endif
