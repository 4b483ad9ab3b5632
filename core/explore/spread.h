/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model believes of its outputs at n points together: means, and the covariance between
 * points and outputs as a factor, cov = A A'. A row of A, of `width` numbers, belongs to an output
 * at a point:
 *
 *   draws         A = (f_j - mean) / sqrt(m - 1), a column for each draw
 *   closed form   A = [W_i, f_i - mean] / sqrt(M), the columns of each of M members
 *                 (predict/predict_linear.c)
 *
 * so A A' is the covariance of predict/results.def in both cases. Observing output q at point p
 * with noise s^2 changes the covariance by a a' terms alone, with a the row of A there. In factor
 * form, for every row b [1]:
 *
 *   b <- b - gamma (b a) a,      gamma = (1 - s / sqrt(a a + s^2)) / (a a)
 *
 * which is exact for Gaussians and for the best linear estimate otherwise, costs one pass over A,
 * and never makes a variance negative. What will be observed is not needed: variances do not depend
 * on it. The mean of the output of row b moves by (b a) w / sqrt(a a + s^2), with w the observation
 * minus what was expected of it, in units of its own standard deviation: a standard normal number
 * before it is observed. The b a are kept for those who ask what may be observed (outlook.h).
 *
 * [1] J. E. Potter, R. G. Stern, Statistical filtering of space navigation measurements, AIAA 1963.
 */
#ifndef SPREAD_H
#define SPREAD_H

#include "base/arena.h"
#include "model/model.h"

struct spread_points {
    int n;
    const double *x; /* [n x d] */
    int n_outputs;   /* the outputs that are looked at */
    const int *outputs;
    int n_threads;
    const struct cancel *cancel;
};

struct spread {
    int n, o;      /* o: n_outputs of the points */
    size_t width;  /* columns of A */
    bool drawn;    /* its columns are draws */
    double *mean;  /* [n x o]; in the arena, as are all */
    double *a;     /* [n x o x width] */
    double *noise; /* [n x o] variance of the noise of an observation; 0 where none is known */
};

/* Noise is taken as at least so much of the variance: without any, a point would be known exactly
 * once it is observed, and rounding would decide what follows. */
#define SPREAD_NOISE_FLOOR 1e-12
#define SPREAD_DRAWS_SEED  0                  /* orders the draws that are columns of A */
#define SPREAD_MAX_NUMBERS ((size_t)48 << 20) /* of A */

/* Columns of A for a model. */
size_t spread_width(const struct model *model);

/*
 * ERR_LIMIT: A would hold too many numbers. ERR_INVALID of a prediction, ERR_CANCELLED,
 * ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code spread_make(const struct model *model, const struct spread_points *points,
                          struct arena *arena, struct spread *out, struct err *err) MUST_CHECK;

/* The covariance of two outputs at two points. */
double spread_covariance(const struct spread *spread, int point, int output, int other_point,
                         int other_output);

/* Observations that a spread has been conditioned on, one row for each output of each point. */
struct spread_history {
    int n, room;
    double *rows;  /* [room x width] */
    double *gamma; /* [room] */
    double *step;  /* [room] 1 / sqrt(a a + s^2) */
};

/* Room for so many observations of an output. ERR_NOMEM. */
enum err_code spread_history_init(struct spread_history *history, size_t width, int room,
                                  struct arena *arena, struct err *err) MUST_CHECK;

/*
 * Conditions on observations of all outputs at a point, and adds them to the history. dots [n]: b a
 * of each row, where a spread has one output; NULL: not wanted. They are 0, and nothing is added,
 * for an output that is known exactly.
 */
void spread_observe(struct spread *spread, int point, struct spread_history *history, double *dots);

/* Conditions other points of the same model on all of a history. dots [history->n]: b a of the
 * first row; NULL: not wanted. */
void spread_condition(struct spread *spread, const struct spread_history *history, double *dots);

/*
 * The way back, for one row b: by_row [width] is the derivative of some number by the conditioned
 * row, and becomes that by the row before; by_dots [history->n] are its derivatives by the dots;
 * NULL: it does not depend on them.
 */
void spread_condition_back(const struct spread_history *history, size_t width,
                           const double *by_dots, double *by_row);

static inline double *spread_row(const struct spread *spread, int point, int output)
{
    return spread->a + ((size_t)point * (size_t)spread->o + (size_t)output) * spread->width;
}

double spread_dot(const double *a, const double *b, size_t n);

#endif
