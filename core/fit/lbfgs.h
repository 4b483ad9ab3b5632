/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L-BFGS [1]: minimises a smooth function from its values and gradients, one iteration at a time.
 * The state consists of plain numbers, so that a minimisation can be saved between any two
 * iterations, or from within the function that is minimised, when the state is that at the start of
 * the iteration. It continues anywhere to the same result, bit for bit.
 *
 * The direction comes from the two-loop recursion over the last m pairs s = x' - x, y = g' - g,
 * whose first guess of the inverse Hessian is s'y / y'y of the newest pair (eq. 7.20 of [1]). The
 * step satisfies the strong Wolfe conditions with c1 = 1e-4 and c2 = 0.9 (algorithms 3.5 and 3.6 of
 * [1], with cubic interpolation). A pair without curvature is left out.
 *
 * [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd edition, Springer 2006.
 */
#ifndef LBFGS_H
#define LBFGS_H

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/err.h"

/* The value at x [n] and its gradient; a value that is not finite means that x is too far away. */
typedef double lbfgs_fn(void *ctx, const double *x, double *grad);

enum lbfgs_end {
    LBFGS_GOING,
    LBFGS_CONVERGED, /* |g| <= epsilon max(1, |x|) */
    LBFGS_STUCK      /* no step lowers the value any more in double precision */
};

struct lbfgs {
    int n, m;
    double epsilon;
    long t;    /* iterations done */
    int pairs; /* pairs kept, at most m */
    int next;  /* where the next pair goes */
    double f;  /* the value at x */
    double *x; /* [n] */
    double *g; /* [n] */
    double *s; /* [m x n] */
    double *y; /* [m x n] */
    double *d; /* [n] the direction; the next three, [n] too, are scratch */
    double *trial_x, *trial_g, *low_g;
    double *alpha; /* [m] */
    double *memory;
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code lbfgs_init(struct lbfgs *self, int n, int m, double epsilon,
                         struct err *err) MUST_CHECK;
void lbfgs_release(struct lbfgs *self);

/* Starts at x [n], whose value must be finite. */
enum lbfgs_end lbfgs_start(struct lbfgs *self, const double *x, lbfgs_fn *fn, void *ctx);

/* One iteration, after which x, g and f are new, unless it is stuck. Does not allocate. */
enum lbfgs_end lbfgs_step(struct lbfgs *self, lbfgs_fn *fn, void *ctx);

/* Writes and reads everything that the next iterations depend on; n and m must be the same. */
void lbfgs_save(const struct lbfgs *self, struct bytes_writer *writer);
void lbfgs_load(struct lbfgs *self, struct bytes_reader *reader);

#endif
