/* SPDX-License-Identifier: Apache-2.0 */
/* A tiny problem with two inputs and two outputs that any solver can take in milliseconds. */
#ifndef SOLVER_TOY_H
#define SOLVER_TOY_H

#include "fit/loss.h"
#include "solve/solver.h"

#define TOY_ROWS   18 /* for training */
#define TOY_KEPT   6
#define TOY_INPUTS 2
#define TOY_OUT    2

struct solver_toy {
    struct resnet net;
    double x[(TOY_ROWS + TOY_KEPT) * TOY_INPUTS];
    double y[(TOY_ROWS + TOY_KEPT) * TOY_OUT];
    double sigmas[TOY_OUT];
    double *priors; /* [K]; mem */
    struct solver_problem problem;
    struct solver_settings settings;
    enum solver_kind kind;
};

/* Width 3, two blocks, linear weights, with pre and post layer. */
struct arch solver_toy_arch(enum noise_kind noise);

/* No pre or post layer, one block, identity: y_j = x_j + sum_k W_jk x_k + b_j. */
struct arch solver_toy_linear_arch(void);

/* The toy must not move. Settings are small; failures fail the test. */
void solver_toy_init(struct solver_toy *toy, enum solver_kind kind, enum noise_kind noise,
                     const struct arch *arch);
void solver_toy_release(struct solver_toy *toy);

/* Takes outputs away from the rows for training and from the kept ones; each has at least one. */
void solver_toy_punch(struct solver_toy *toy);

enum err_code solver_toy_run(const struct solver_toy *toy, struct solver_result *result,
                             struct err *err) MUST_CHECK;

/*
 * Compares the loss's gradient at params [n_params] with central differences, each evaluation with
 * the same random numbers.
 */
void solver_toy_check_gradient(const struct loss *loss, const struct data *rows, double *params);

#endif
