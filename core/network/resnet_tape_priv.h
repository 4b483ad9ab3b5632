/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a tape, for the passes over it (resnet_tape, resnet_rows, resnet_tangent).
 *
 * All arrays of the batch lie in columns (core/math/kernels.h): [features x ld], the rows of the
 * batch along the vectors. ld is n rounded up. The padding repeats the last row on the way forward
 * and is 0 on the way back, so that sums over columns are sums over rows.
 */
#ifndef RESNET_TAPE_PRIV_H
#define RESNET_TAPE_PRIV_H

#include "math/kernels.h"
#include "network/resnet.h"

struct resnet_tape {
    const struct resnet *net;
    const struct kernels *kernels;
    const double *params; /* of the last resnet_set_params */
    int max_rows;
    int n;       /* rows of the last forward pass */
    size_t ld;   /* their columns, with padding */
    size_t slab; /* doubles from the columns of one block to those of the next */
    int *single; /* [n_blocks] the only coefficient of a block's weights; -1: a combination */
    double *w;   /* [n_blocks][r x r]: W(t_i), where single is -1 */
    double *b;   /* [n_blocks][r]: b(t_i), likewise */
    double *x;   /* [d x ld]; z[0] itself without a pre layer */
    double *d_x; /* [d x ld], with a pre layer */
    double *z;   /* [n_blocks + 1][r x ld] */
    /* [n_blocks][r x ld] activations; z[1] and on unless residual. Where the derivative is no
     * function of the value: the derivatives, and those of the pre layer behind the last block. */
    double *a;
    double *bends; /* [n_blocks + 1][r x ld] second derivatives there (tape_keep_bends) */
    bool bent;     /* whether they are those of the last forward pass */
    double *raw;   /* [outputs x ld] before the final map */
    double *y;     /* [n x n_out], row-major */
    double *d_raw; /* [outputs x ld] */
    double *g;     /* [n_blocks + 1][r x ld]: G_i; passes that do not keep them use the first */
    double *d;     /* [n_blocks + 1][r x ld]: D_i, of the pre layer at the end; likewise */
    double *d_w;   /* [r x r] */
    double *d_b;   /* [r] */
    double *row;   /* [3][n_blocks x r]: D_i, z_i and phi D_i of one row; [outputs] before */
    double *memory;
};

static inline double *tape_at(const struct resnet_tape *tape, double *columns, int block)
{
    return columns + (size_t)block * tape->slab;
}

/* Doubles that the columns of this many features take for max_rows rows. */
size_t tape_columns(int features, int max_rows);

/* A piece of n doubles, in whole cache lines, of memory at *at, which moves past it; its size. */
double *tape_carve(double **at, size_t n);
size_t tape_carved(size_t n);

/* Columns from rows, as many as in the last forward pass, and back. Padding: the last row, or 0. */
void tape_columns_from_rows(const struct resnet_tape *tape, int k, const double *rows,
                            bool zero_padding, double *columns);
void tape_rows_from_columns(const struct resnet_tape *tape, int k, const double *columns,
                            double *rows);

/* W(t_block) [r x r] and b(t_block) [r], or NULL without a bias, of the last resnet_set_params. */
const double *tape_weight(const struct resnet_tape *tape, int block);
const double *tape_bias(const struct resnet_tape *tape, int block);

/*
 * W is [n_out x n_in], row-major. tape_product: out <- W z + bias, or out + W z with `add`.
 * tape_product_back: out <- W^T d, or out + W^T d. They take their operands as BLAS does.
 */
void tape_product(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                  const double *bias, bool add, const double *z, double *out);
void tape_product_back(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                       bool add, const double *d, double *out);

/* out [n_a x n_b] <- the sum over rows of d z^T, or out + that sum with `add`. */
void tape_outer(const struct resnet_tape *tape, int n_a, int n_b, bool add, const double *d,
                const double *z, double *out);

/* grad + offset [n] <- the sums over rows of d, for a layer with biases there; -1: it has none. */
void tape_bias_sums(const struct resnet_tape *tape, int n, const double *d, int offset,
                    double *grad);

/* Adds the gradient of a block's W or b (size r * r or r) to those of the coefficients, at `to`. */
void tape_spread(const struct resnet_tape *tape, int block, const double *from, size_t size,
                 double *to);

/* What a backward pass knows a block's activation by, or at n_blocks that of the pre layer: its
 * values or its derivatives (activation_by_value), [r x ld]. */
double *tape_slopes(const struct resnet_tape *tape, int block);

/* Fills bends after a forward pass, for activations whose derivative is no function of the value.
 */
void tape_keep_bends(struct resnet_tape *tape);

/* Fills g and d with the adjoints of every layer for a scalar F with dF/dy = dy. */
void tape_keep_adjoints(struct resnet_tape *tape, const double *dy);

#endif
