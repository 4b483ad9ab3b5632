/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network's arithmetic for batches of rows: values, and reverse-mode gradients with respect to
 * parameters and inputs. Only the *_new and *_init functions allocate.
 *
 * A struct resnet holds what follows from the architecture alone; it never changes. A struct
 * resnet_tape is the scratch of one thread: it holds the weights of one parameter vector, and what
 * a forward pass leaves for the backward pass.
 */
#ifndef RESNET_H
#define RESNET_H

#include "base/compiler.h"
#include "base/err.h"
#include "network/arch.h"

#include <stddef.h>

struct resnet {
    struct arch arch;
    struct arch_offsets off;
    int n_params; /* K */
    int n_blocks; /* layers + 1 */
    int n_coef;
    int n_out;   /* outputs after the final map */
    double step; /* h; 1 unless residual */
    double *phi; /* [n_blocks x n_coef] */
    /* Where the parts of a pack (see resnet_pack) begin, in doubles; -1: absent. */
    ptrdiff_t pack_pre, pack_bias_pre, pack_blocks, pack_post, pack_bias_post;
    ptrdiff_t block_stride; /* from one block's weights to the next one's */
    size_t pack_size;
};

/* A zeroed struct may be released. ERR_INVALID, ERR_LIMIT (arch_validate), ERR_NOMEM. */
enum err_code resnet_init(struct resnet *net, const struct arch *arch, struct err *err) MUST_CHECK;
void resnet_release(struct resnet *net);

/*
 * pack [pack_size] <- the weights of all blocks for `params` [K], transposed for the forward pass:
 * W_pre^T [d x r], b_pre [r]; then W(t_i)^T [r x r] and b(t_i) [r] of each block; then W_post^T
 * [r x o], b_post [o].
 */
void resnet_pack(const struct resnet *net, const double *params, double *pack);

/* A network with the weights of one parameter vector. */
struct resnet_packed {
    const struct resnet *net;
    const double *pack; /* of resnet_pack */
    double *scratch;
};

/* Doubles of scratch that resnet_apply needs for n rows. */
size_t resnet_apply_scratch(const struct resnet *net, int n);

/* y <- network(x) without a tape. x: [n x d], y: [n x n_out], scratch: resnet_apply_scratch. */
void resnet_apply(const struct resnet_packed *packed, int n, const double *x, double *y);

/* z [n x r] <- the inputs of the post layer. scratch: [n x r]. */
void resnet_features(const struct resnet_packed *packed, int n, const double *x, double *z);

struct resnet_tape;

/* A tape for batches of at most max_rows rows; NULL when memory is short. Keeps `net`. */
struct resnet_tape *resnet_tape_new(const struct resnet *net, int max_rows) MUST_CHECK;
void resnet_tape_free(struct resnet_tape *tape);

/* Evaluates the weights for the next passes; keeps `params` [K] until the next call. */
void resnet_set_params(struct resnet_tape *tape, const double *params);

/*
 * y [n x n_out] <- network(x), x [n x d]. The parameters must not change until the backward pass.
 */
void resnet_forward(struct resnet_tape *tape, int n, const double *x, double *y);

/*
 * Reverse mode, after resnet_forward of the same rows, for a scalar F with dF/dy = dy [n x n_out]:
 * grad [K] <- dF/dparams, dx [n x d] <- dF/dx; either may be NULL.
 */
void resnet_backward(struct resnet_tape *tape, const double *dy, double *grad, double *dx);

/*
 * jac [n x n_out x d]: jac[i][a][b] <- d y_a / d x_b at row i, after resnet_forward of the same
 * rows. scratch: [n x (n_out + d)].
 */
void resnet_input_jacobian(struct resnet_tape *tape, double *jac, double *scratch);

/*
 * The gradient of each row by itself, after resnet_forward of the same rows: grad + i stride [K] <-
 * d (sum over a of dy[i][a] y_a) / dparams at row i.
 */
void resnet_row_gradients(struct resnet_tape *tape, const double *dy, double *grad, size_t stride);

/*
 * The same in columns, the rows side by side: grad [K x s] with the stride s = resnet_tape_stride,
 * grad[k][i] of row i; 0 behind the last row.
 */
void resnet_column_gradients(struct resnet_tape *tape, const double *dy, double *grad);

/* Doubles between the columns of two features after resnet_forward: the rows, rounded up to whole
 * vectors, and for at most 56 rows to no more than these. */
size_t resnet_tape_stride(const struct resnet_tape *tape);

/*
 * jac [n x n_out x K]: jac[i][a][k] <- d y_a / d params_k at row i, after resnet_forward of the
 * same rows. scratch: [n x n_out].
 */
void resnet_param_jacobian(struct resnet_tape *tape, double *jac, double *scratch);

#endif
