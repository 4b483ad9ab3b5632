/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tape's inside, shared by the passes over it (resnet_tape, resnet_rows, resnet_tangent).
 *
 * Everything of the batch lies in columns (core/math/kernels.h): features x ld, rows of the batch
 * along the vector. ld is n rounded up; padding repeats the last row on the way forward and is 0 on
 * the way back, so that sums over columns are sums over rows.
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
    int n;         /* rows of the last forward pass */
    size_t ld;     /* columns they take */
    size_t slab;   /* doubles from one block's columns to the next one's */
    int *single;   /* [n_blocks]: the one coefficient a block is, as it is; -1: a combination */
    double *w;     /* [n_blocks][r x r]: W(t_i), where single is -1 */
    double *b;     /* [n_blocks][r]: b(t_i), likewise */
    double *x;     /* [d x ld]; z[0] itself without a pre layer */
    double *d_x;   /* [d x ld], with a pre layer */
    double *z;     /* [n_blocks + 1][r x ld] */
    double *a;     /* [n_blocks][r x ld]; is z + 1 when not residual */
    double *raw;   /* [outputs x ld] before the final map */
    double *y;     /* [n x n_out], row-major */
    double *d_raw; /* [outputs x ld] */
    double *g;     /* [n_blocks + 1][r x ld]: G_i; the passes that keep none use the first */
    double *d;     /* [n_blocks + 1][r x ld]: D_i, the pre layer's last; likewise */
    double *d_w;   /* [r x r] */
    double *d_b;   /* [r] */
    double *row;   /* [3][n_blocks x r]: one row's D_i, z_i and phi D_i */
    double *memory;
};

static inline double *tape_at(const struct resnet_tape *tape, double *columns, int block)
{
    return columns + (size_t)block * tape->slab;
}

/* Doubles of `features` columns of max_rows rows. */
size_t tape_columns(int features, int max_rows);

/* A piece of a block of memory, in whole cache lines; adds to *at. */
double *tape_carve(double **at, size_t n);
size_t tape_carved(size_t n);

/* Columns from the last forward pass's rows and back. Padding: the last row, or 0. */
void tape_columns_from_rows(const struct resnet_tape *tape, int k, const double *rows,
                            bool zero_padding, double *columns);
void tape_rows_from_columns(const struct resnet_tape *tape, int k, const double *columns,
                            double *rows);

/* W(t_block) [r x r] and b(t_block) [r] (NULL without) of the last resnet_set_params. */
const double *tape_weight(const struct resnet_tape *tape, int block);
const double *tape_bias(const struct resnet_tape *tape, int block);

/* out <- W z (+ bias), out + W z, and the same by W transposed; W [n_out x n_in] row-major. */
void tape_product(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                  const double *bias, bool add, const double *z, double *out);
void tape_product_back(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                       bool add, const double *d, double *out);

/* out [n_a x n_b] <- d z^T summed over rows, or added. */
void tape_outer(const struct resnet_tape *tape, int n_a, int n_b, bool add, const double *d,
                const double *z, double *out);

/* Adds to coefficients' gradients what block's W or b has; size: r * r or r. */
void tape_spread(const struct resnet_tape *tape, int block, const double *from, size_t size,
                 double *to);

/* The adjoints of every layer, kept in g and d, for a scalar with dF/dy = dy. */
void tape_keep_adjoints(struct resnet_tape *tape, const double *dy);

#endif
