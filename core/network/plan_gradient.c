/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With a_i = act(W_i z_i + b_i), z_{i+1} = z_i + h a_i and G_i = dF/dz_i, as in resnet_tape.c:
 *
 *   D_i = h G_{i+1} * act'(a_i),   G_i = G_{i+1} + W_i^T D_i     without the first term unless
 * residual
 *
 * The gradient by the inputs needs no z_i, so only the activations are kept.
 *
 * A plan in float goes both ways in float, but its final map in double, as plan_eval does. The
 * largest adjoint of a group begins there with a size of about 1, and its power of two is put back
 * at the end: no sensitivity is too large or too small for a float.
 */
#include "network/plan_gradient.h"

#include "network/plan_priv.h"
#include "network/resnet_priv.h"

#include <math.h>
#include <string.h>

/*
 * A group's weights should still be in the second-level cache when they are read again: sixteen
 * draws where that takes GROUP_BYTES at most, or four (whose products are computed side by side)
 * where they take FOUR_BYTES; else one. Measured on a cache of 1 MB.
 */
#define GROUP_MAX   16
#define GROUP_BYTES ((size_t)192 * 1024)
#define FOUR_BYTES  ((size_t)608 * 1024)

/* What both ways have in common, in double, for n draws; behind it, the rest of the scratch. */
struct ends {
    double *raw;   /* [n x o] before the final map */
    double *y;     /* [n x n_out] */
    double *d_raw; /* [n x o] the adjoint of raw */
    void *rest;
};

/* Of doubles or floats, in whole lines of the cache. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

static struct ends ends_of(const struct plan *plan, int n, double *scratch)
{
    size_t outputs = padded((size_t)n * (size_t)plan->net->arch.outputs);
    struct ends e = {.raw = scratch, .d_raw = scratch + outputs, .y = scratch + 2 * outputs};
    e.rest = e.y + padded((size_t)n * (size_t)plan->net->n_out);
    return e;
}

size_t plan_gradient_scratch(const struct plan *plan, int n)
{
    const struct resnet *net = plan->net;
    size_t outputs = padded((size_t)n * (size_t)net->arch.outputs);
    size_t reals = ((size_t)net->n_blocks + 3) * padded((size_t)n * (size_t)net->arch.width);
    if (plan->precision == PRECISION_FLOAT32) { /* also inputs, their gradients and outputs */
        reals += padded((size_t)net->arch.inputs) + padded((size_t)n * (size_t)net->arch.inputs) +
                 outputs;
        reals = reals * sizeof(float) / sizeof(double);
    }
    return reals + 2 * outputs + padded((size_t)n * (size_t)net->n_out);
}

int plan_gradient_group(const struct plan *plan)
{
    size_t weight = plan->precision == PRECISION_FLOAT64 ? sizeof(double) : sizeof(uint32_t);
    size_t bytes = plan->net->pack_size * weight;
    size_t group = bytes * GROUP_MAX <= GROUP_BYTES ? GROUP_MAX : bytes * 4 <= FOUR_BYTES ? 4 : 1;
    group = group < (size_t)plan->m ? group : (size_t)plan->m;
    return group > 1 ? (int)group : 1;
}

void plan_final_back(const struct resnet *net, int n, const struct plan_outputs *outputs,
                     const double *dy, double *d)
{
    size_t o = (size_t)net->arch.outputs;
    for (size_t i = 0; i < (size_t)n * o; i++) {
        switch (net->arch.final) {
        case FINAL_NONE:
            d[i] = dy[i];
            break;
        case FINAL_EXP:
            d[i] = dy[i] * outputs->y[i];
            break;
        case FINAL_LOGABS:
            d[i] = dy[i] / outputs->raw[i];
            break;
        case FINAL_SUM:
            d[i] = dy[i / o];
            break;
        }
    }
}

double plan_size_of(const double *v, size_t n)
{
    double largest = 0.0;
    int exponent;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(v[i]));
    }
    if (largest == 0.0 || !isfinite(largest)) {
        return 1.0;
    }
    (void)frexp(largest, &exponent);
    return ldexp(1.0, exponent > 1021 ? 1021 : exponent < -1021 ? -1021 : exponent);
}

#define REAL          double
#define WEIGHT        double
#define F(name)       name##_f64
#define K(k, name)    (k)->name##_f64
#define PRODUCT(name) name##_f64
#include "network/plan_activation_real.inc"
#include "network/plan_gradient_real.inc"
#undef WEIGHT
#undef F
#undef PRODUCT
#define WEIGHT        uint32_t
#define F(name)       name##_mixed
#define PRODUCT(name) name##_mixed
#include "network/plan_activation_real.inc"
#include "network/plan_gradient_real.inc"
#undef REAL
#undef WEIGHT
#undef F
#undef K
#undef PRODUCT
#define REAL          float
#define WEIGHT        float
#define F(name)       name##_f32
#define K(k, name)    (k)->name##_f32
#define PRODUCT(name) name##_f32
#define IN_FLOAT
#include "network/plan_activation_real.inc"
#include "network/plan_gradient_real.inc"
#undef REAL
#undef WEIGHT
#undef F
#undef K
#undef PRODUCT
#undef IN_FLOAT

void plan_gradient_forward(const struct plan_gradient *of, const double *x, double *y)
{
    const struct resnet *net = of->plan->net;
    const struct ends ends = ends_of(of->plan, of->n, of->scratch);
    switch (of->plan->precision) {
    case PRECISION_FLOAT32:
        forward_f32(of, x, &ends);
        break;
    case PRECISION_MIXED:
        forward_mixed(of, x, &ends);
        break;
    case PRECISION_AUTO:
    case PRECISION_FLOAT64:
        forward_f64(of, x, &ends);
        break;
    }
    resnet_final(net, of->n, ends.raw, y);
    memcpy(ends.y, y, (size_t)of->n * (size_t)net->n_out * sizeof *y);
}

void plan_gradient_backward(const struct plan_gradient *of, const double *dy, double *dx)
{
    const struct ends ends = ends_of(of->plan, of->n, of->scratch);
    const struct plan_outputs outputs = {ends.raw, ends.y};
    plan_final_back(of->plan->net, of->n, &outputs, dy, ends.d_raw);
    switch (of->plan->precision) {
    case PRECISION_FLOAT32:
        backward_f32(of, &ends, dx);
        break;
    case PRECISION_MIXED:
        backward_mixed(of, &ends, dx);
        break;
    case PRECISION_AUTO:
    case PRECISION_FLOAT64:
        backward_f64(of, &ends, dx);
        break;
    }
}
