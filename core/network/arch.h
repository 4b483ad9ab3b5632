/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architecture of a weight-parameterized residual network [1]: everything about it except its
 * parameters. Fields have the names that they have in the model document.
 *
 *   z = act(W_pre x + b_pre)            z = x without layer_pre
 *   z <- z + h act(W(t_i) z + b(t_i))   for i = 0..layers; z <- act(W(t_i) z + b(t_i)), a plain
 *                                       multilayer perceptron, unless residual
 *   y = W_post z + b_post               y = z without layer_post
 *   y <- final(y)
 *
 * with W(t) = sum_k phi_k(t) W_k, b(t) = sum_k phi_k(t) b_k and h = horizon / (layers + 1). There
 * are layers + 1 blocks.
 *
 * [1] O. H. Diaz-Ibarra, K. Sargsyan, H. N. Najm, Surrogate Construction via Weight
 *     Parameterization of Residual Neural Networks, CMAME 433(A), 2025; code: QUiNN.
 */
#ifndef ARCH_H
#define ARCH_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"
#include "math/activation.h"

#include <stdbool.h>
#include <stddef.h>

enum wpfn_basis {
#define WPFN(code, name, order) WPFN_##code,
#include "network/wpfn.def"
#undef WPFN
};

enum arch_grid {
    GRID_LEFT,  /* t_i = i / (layers + 1), as in QUiNN: t never reaches 1 */
    GRID_CLOSED /* t_i = i / layers: both ends (0 when there is one block) */
};

enum arch_index_rule {
    INDEX_INTEGER, /* block i of a nonparametric network uses coefficient i */
    INDEX_QUINN    /* int(t_i * (layers + 1)) in floating point, as QUiNN's NonPar does */
};

enum arch_final {
    FINAL_NONE,
    FINAL_EXP,    /* exp(y) */
    FINAL_LOGABS, /* log|y| */
    FINAL_SUM     /* sum over outputs: the network has one output */
};

struct arch {
    int inputs;  /* d */
    int outputs; /* o: rows of W_post; with FINAL_SUM the network still has one output */
    int width;   /* r */
    int layers;  /* L; there are L + 1 blocks */
    enum wpfn_basis basis;
    int order;       /* p of polynomial, legendre, chebyshev, fourier, qr; 0 otherwise */
    bool bias;       /* of the blocks */
    bool outer_bias; /* of the pre and post layers; b_pre = b_post = 0 without */
    enum activation activation;
    bool residual;
    bool layer_pre;  /* needed when inputs != width */
    bool layer_post; /* needed when outputs != width */
    enum arch_final final;
    enum arch_grid grid;
    enum arch_index_rule index_rule;
    double horizon; /* T > 0; scales the step */
};

/* Limits: far beyond use, but low enough to refuse a mistake before it takes all the memory. */
#define ARCH_MAX_INPUTS  4096
#define ARCH_MAX_OUTPUTS 4096
#define ARCH_MAX_WIDTH   4096
#define ARCH_MAX_LAYERS  1023
#define ARCH_MAX_ORDER   64
#define ARCH_MAX_PARAMS  100000000 /* K */
#define ARCH_MAX_HORIZON 1e6

/* Where each part starts in the flat parameter vector; -1: the part is absent. Row-major. */
struct arch_offsets {
    int weight_pre;  /* [r x d] */
    int bias_pre;    /* [r]; -1 also without outer_bias, as bias_post */
    int weight_post; /* [o x r] */
    int bias_post;   /* [o] */
    int ww;          /* [n_coef x r x r] */
    int bb;          /* [n_coef x r]; -1 without bias */
    int n_params;    /* K */
};

/* The default for these numbers of inputs and outputs: linear weights, bias, tanh, residual. */
struct arch arch_default(int inputs, int outputs);

/* ERR_INVALID or ERR_LIMIT, naming the field, its value and what is needed. */
enum err_code arch_validate(const struct arch *arch, struct err *err) MUST_CHECK;

/* The functions below expect a valid architecture. */
int arch_n_outputs(const struct arch *arch); /* outputs of the network: 1 with FINAL_SUM */
int arch_n_blocks(const struct arch *arch);  /* layers + 1 */
int arch_n_coef(const struct arch *arch);    /* coefficient matrices W_k */
struct arch_offsets arch_offsets(const struct arch *arch);
int arch_n_params(const struct arch *arch); /* K */
double arch_step(const struct arch *arch);  /* h */
bool arch_equal(const struct arch *a, const struct arch *b);

/* Names of the enumerations, as the model document spells them. */
const char *wpfn_name(enum wpfn_basis basis);
struct names wpfn_known(void);
const char *arch_grid_name(enum arch_grid grid);
struct names arch_grid_known(void);
const char *arch_index_rule_name(enum arch_index_rule rule);
struct names arch_index_rule_known(void);
const char *arch_activation_name(enum activation act);
struct names arch_activation_known(void);
const char *arch_final_name(enum arch_final final); /* "none" for FINAL_NONE */
struct names arch_final_known(void);

#endif
