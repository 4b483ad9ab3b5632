/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gradient sampler learns in its warm-up: a step size by dual averaging [1] and a diagonal
 * mass matrix from windows of draws that double in length, as in Stan [2].
 *
 * [1] M. D. Hoffman, A. Gelman, The No-U-Turn Sampler, JMLR 15, 2014, section 3.2.
 * [2] Stan Reference Manual, "HMC algorithm parameters": fast, slow (doubling), fast.
 */
#ifndef ADAPT_H
#define ADAPT_H

#include <stdbool.h>

struct dual_averaging {
    double target; /* mean acceptance to reach */
    double mu;     /* log step that the average is drawn to */
    double h_bar;
    double log_epsilon_bar;
    long t;
};

/* Starts over around a step size. */
void dual_averaging_start(struct dual_averaging *da, double target, double epsilon);
/* The same around one that was learnt before: the average is drawn to it, not beyond. */
void dual_averaging_go_on(struct dual_averaging *da, double target, double epsilon);
/* Updates with the acceptance of a step, in [0, 1]; returns the step size to try next. */
double dual_averaging_update(struct dual_averaging *da, double accept);
/* The step size to keep. */
double dual_averaging_final(const struct dual_averaging *da);

/* Running variances of the draws of one window. */
struct mass_window {
    int n;
    int warmup;      /* steps of the whole warm-up */
    int first, last; /* steps of the slow phase: [first, last) */
    int size;        /* of the present window */
    int end;         /* step after which it ends */
    long count;
    double *mean; /* [n], the caller's, as is the next */
    double *m2;   /* [n] */
};

/* Shorter warm-ups have a single window, shortened to fit. */
#define MASS_WINDOW_FULL 150

/* The inverse mass of a parameter whose draws, `count` of them, have this variance. */
double mass_regularise(double count, double variance);

/* mean, m2: [n]. A warm-up of less than 20 steps has no window. */
void mass_window_start(struct mass_window *window, int n, int warmup, double *mean, double *m2);

/*
 * Takes the draw of warm-up step 0, 1, ..; true when a window ended with it: inv_mass [n] is then
 * new, and a new search for the step size is needed.
 */
bool mass_window_add(struct mass_window *window, int step, const double *q, double *inv_mass);

#endif
