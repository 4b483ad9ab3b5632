/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formulas are those of plan_gradient.c. All columns of the tile go through the network
 * together, and back once for each gradient. Weights in 32 bits are made doubles once for all of
 * these passes.
 */
#include "network/plan_gradient_rows.h"

#include "network/plan_priv.h"
#include "network/resnet_priv.h"

#include <string.h>

/*
 * The activations of a group are read again for each gradient: they should stay in the second-level
 * cache beside the weights. A group has whole register blocks of three vectors (kernels_real.inc).
 * Measured for rows of 10 inputs and outputs, 64 x 64 x 9 (W2 of the benchmarks), us a row: 1085 in
 * groups of 96 rows, 950 in groups of 24.
 */
#define GROUP_BYTES   ((size_t)128 * 1024)
#define GROUP_MIN_F64 24
#define GROUP_MIN_F32 48

static size_t columns_of(const struct plan *plan, int n)
{
    size_t pad = plan->precision == PRECISION_FLOAT32 ? KERNELS_PAD_F32 : KERNELS_PAD_F64;
    return ((size_t)n + pad - 1) / pad * pad;
}

/* What is in double whatever the plan's precision, for n rows; behind it, the rest of the scratch.
 */
struct ends {
    double *raw;   /* [n x o] before the final map */
    double *y;     /* [n x n_out] */
    double *d_raw; /* [n x o] the adjoint of raw */
    void *rest;
};

static struct ends ends_of(const struct plan_gradient_rows *of)
{
    const struct resnet *net = of->plan->net;
    size_t outputs = (size_t)of->n * (size_t)net->arch.outputs;
    struct ends e = {.raw = of->scratch, .d_raw = of->scratch + outputs};
    e.y = e.d_raw + outputs;
    e.rest = e.y + (size_t)of->n * (size_t)net->n_out;
    return e;
}

/* Numbers of the arithmetic's type. */
static size_t n_reals(const struct plan *plan, size_t ld)
{
    const struct resnet *net = plan->net;
    size_t columns = ((size_t)net->n_blocks + 4) * (size_t)net->arch.width +
                     (size_t)net->arch.inputs + (size_t)net->arch.outputs;
    return columns * ld + (plan->precision == PRECISION_MIXED ? net->pack_size : 0);
}

size_t plan_gradient_rows_scratch(const struct plan *plan, int n)
{
    const struct resnet *net = plan->net;
    size_t ends = (size_t)n * (2 * (size_t)net->arch.outputs + (size_t)net->n_out);
    size_t reals = n_reals(plan, columns_of(plan, n));
    return ends + (plan->precision == PRECISION_FLOAT32 ? (reals + 1) / 2 : reals);
}

int plan_gradient_rows_from(const struct plan *plan)
{
    return plan->precision == PRECISION_FLOAT32 ? 8 : 6;
}

int plan_gradient_rows_group(const struct plan *plan, int rows)
{
    const struct resnet *net = plan->net;
    bool single = plan->precision == PRECISION_FLOAT32;
    size_t each = ((size_t)net->n_blocks + 1) * (size_t)net->arch.width *
                  (single ? sizeof(float) : sizeof(double));
    int least = single ? GROUP_MIN_F32 : GROUP_MIN_F64;
    int group = each < GROUP_BYTES / PLAN_TILE_ROWS ? PLAN_TILE_ROWS : (int)(GROUP_BYTES / each);
    group = group < least ? least : group - group % least;
    return rows < group ? rows : group;
}

#define REAL       double
#define F(name)    name##_f64
#define K(k, name) (k)->name##_f64
#include "network/plan_activation_real.inc"
#include "network/plan_gradient_rows_real.inc"
#undef REAL
#undef F
#undef K
#define REAL       float
#define F(name)    name##_f32
#define K(k, name) (k)->name##_f32
#define IN_FLOAT
#include "network/plan_activation_real.inc"
#include "network/plan_gradient_rows_real.inc"
#undef REAL
#undef F
#undef K
#undef IN_FLOAT

void plan_gradient_rows_forward(const struct plan_gradient_rows *of, const double *x, double *y)
{
    const struct resnet *net = of->plan->net;
    const struct ends ends = ends_of(of);
    if (of->plan->precision == PRECISION_FLOAT32) {
        forward_f32(of, x, &ends);
    } else {
        forward_f64(of, x, &ends);
    }
    resnet_final(net, of->n, ends.raw, y);
    memcpy(ends.y, y, (size_t)of->n * (size_t)net->n_out * sizeof *y);
}

void plan_gradient_rows_backward(const struct plan_gradient_rows *of, const double *dy, double *dx)
{
    const struct ends ends = ends_of(of);
    const struct plan_outputs outputs = {ends.raw, ends.y};
    plan_final_back(of->plan->net, of->n, &outputs, dy, ends.d_raw);
    if (of->plan->precision == PRECISION_FLOAT32) {
        backward_f32(of, &ends, dx);
    } else {
        backward_f64(of, &ends, dx);
    }
}
