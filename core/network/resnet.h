/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network's arithmetic for batches of rows: values, and reverse-mode gradients by parameters
 * and by inputs. Nothing here allocates but the *_new and *_init functions.
 *
 * A struct resnet is what follows from an architecture alone and never changes; a struct
 * resnet_tape is the scratch of one thread: the weights of one parameter vector, and what a forward
 * pass leaves for the backward pass.
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
    double step; /* h; 1 when not residual */
    double *phi; /* [n_blocks x n_coef] */
    /* Layout of a pack (see resnet_pack), in doubles; -1: absent. */
    ptrdiff_t pack_pre, pack_bias_pre, pack_blocks, pack_post, pack_bias_post;
    ptrdiff_t block_stride; /* from one block's weights to the next one's */
    size_t pack_size;
};

/* A zeroed struct may be released. ERR_INVALID, ERR_LIMIT (arch_validate), ERR_NOMEM. */
enum err_code resnet_init(struct resnet *net, const struct arch *arch, struct err *err) MUST_CHECK;
void resnet_release(struct resnet *net);

/*
 * Evaluates the weights of every block, transposed for the forward pass:
 *   W_pre^T [d x r], b_pre [r], then per block W(t_i)^T [r x r], b(t_i) [r], W_post^T [r x o],
 *   b_post [o].
 * params: [K]; pack: [pack_size].
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

/* z [n x r] <- what enters the post layer. scratch: [n x r]. */
void resnet_features(const struct resnet_packed *packed, int n, const double *x, double *z);

struct resnet_tape;

/* Scratch for batches of at most max_rows rows; NULL when memory is short. Keeps `net`. */
struct resnet_tape *resnet_tape_new(const struct resnet *net, int max_rows) MUST_CHECK;
void resnet_tape_free(struct resnet_tape *tape);

/* Evaluates the weights for the passes that follow; keeps `params` [K] until the next call. */
void resnet_set_params(struct resnet_tape *tape, const double *params);

/* y <- network(x); x [n x d], y [n x n_out]. The parameters must stay until the backward pass. */
void resnet_forward(struct resnet_tape *tape, int n, const double *x, double *y);

/*
 * Reverse mode after resnet_forward of the same rows, for a scalar F with dF/dy = dy [n x n_out]:
 * grad <- dF/dparams [K], dx <- dF/dx [n x d]; either may be NULL.
 */
void resnet_backward(struct resnet_tape *tape, const double *dy, double *grad, double *dx);

/*
 * jac[i][a][b] = d y_a / d x_b at row i, [n x n_out x d], after resnet_forward of the same rows.
 * scratch: [n x (n_out + d)].
 */
void resnet_input_jacobian(struct resnet_tape *tape, double *jac, double *scratch);

/*
 * Row i of grad, at grad + i stride, [K] <- d (sum over a of dy[i][a] y_a) / dparams at row i:
 * reverse mode whose sum over rows is left out; after resnet_forward of the same rows.
 */
void resnet_row_gradients(struct resnet_tape *tape, const double *dy, double *grad, size_t stride);

/*
 * jac[i][a][k] = d y_a / d params_k at row i, [n x n_out x K], after resnet_forward of the same
 * rows with the parameters of resnet_set_params. scratch: [n x n_out].
 */
void resnet_param_jacobian(struct resnet_tape *tape, double *jac, double *scratch);

#endif
