/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways through the network, which give the same bits:
 *
 *   columns  rows lie along the vectors; good once they fill half a vector
 *   rows     one row at a time, the outputs of a layer along the vectors; for fewer rows, where
 *            padded columns would cost more
 *   lanes    one row at a time, draws along the vectors; for networks that are narrower than a
 *            vector
 *
 * Measured on AVX-512 (GFLOP/s of one core, whose peak is 54): columns reach 52 to 57 for widths of
 * 16 to 64, rows 34 to 44, columns of a single row an eighth of their rate. 100 draws of a network
 * of width 3 with 4 blocks took 6.0 us for one row by rows, 2.7 us by lanes.
 */
#include "network/plan.h"

#include "base/mem.h"
#include "math/halves.h"
#include "network/plan_priv.h"
#include "network/resnet_priv.h"

#include <string.h>

#define NARROW      8    /* networks narrower than this have lanes */
#define GROUP_STATE 2048 /* values of state that a group of draws may have: half of the cache */
/*
 * Bytes of weights that a group may have. A small model takes several draws at a time, which fill
 * the vectors of tanh. A larger one takes GROUP_MIN, whose products are computed side by side
 * (kernels_rows.inc), and whose weights are four streams. What does not fit into the last cache
 * either comes from memory, at the pace of memory: in 32 bits four streams are asked for a group in
 * advance, and in double the draws are taken one by one, so that the weights are read in order.
 * Measured for a row of 50 draws of 64 x 64 x 9 (W2 of the benchmarks): 224 us in groups of four,
 * 243 one by one; of 1000 draws of 32 x 32 x 7 (W3): in double 3300 us in groups of four, 2400 one
 * by one; in 32 bits 1900 in groups of four, 1450 one by one, 1300 in groups of four with advance.
 */
#define GROUP_BYTES ((size_t)64 * 1024)
#define GROUP_MIN   4
#define CACHE_BYTES ((size_t)24 << 20) /* of weights that stay in the last cache */
#define GROUP_MAX   64 /* a multiple of KERNELS_LANES, so that a group begins at lane 0 */

_Static_assert(GROUP_MAX % KERNELS_LANES == 0, "lanes of a group are whole");

static bool is_narrow(const struct resnet *net)
{
    return net->arch.width < NARROW;
}

static size_t n_lane_groups(int m)
{
    return ((size_t)m + KERNELS_LANES - 1) / KERNELS_LANES;
}

/* Bytes of a stored weight, and of a value that is computed with. */
static size_t weight_bytes(const struct plan *plan)
{
    return plan->precision == PRECISION_FLOAT64 ? sizeof(double) : sizeof(float);
}

static size_t real_bytes(const struct plan *plan)
{
    return plan->precision == PRECISION_FLOAT32 ? sizeof(float) : sizeof(double);
}

/* Memory of the packs of m draws; false when it does not fit a size_t. */
static bool bytes_of_packs(const struct plan *plan, size_t *bytes)
{
    size_t lanes = is_narrow(plan->net) ? KERNELS_LANES * n_lane_groups(plan->m) : 0;
    return size_mul(plan->net->pack_size, sizeof(double), bytes) &&
           size_mul(*bytes, (size_t)plan->m + lanes, bytes);
}

/* Stores a layer of one draw. pack: by resnet_pack; first: where the draw's pack begins; ordered:
 * scratch for the layer's weights in the kernels' order. */
static void put_layer(struct plan *plan, size_t first, const struct plan_layer *layer,
                      const double *pack, double *ordered)
{
    size_t n_in = (size_t)layer->n_in;
    size_t n_out = (size_t)layer->n_out;
    size_t weights = n_in * n_out;
    size_t values = weights + (layer->bias ? n_out : 0);
    size_t at = first + (size_t)layer->at;
    const double *wt = pack + layer->at;
    for (int k = 0; k < layer->n_in; k++) {
        for (int o = 0; o < layer->n_out; o++) {
            ordered[kernels_at(layer->n_out, layer->n_in, k, o)] =
                wt[(size_t)k * n_out + (size_t)o];
        }
    }
    memcpy(ordered + weights, wt + weights, (values - weights) * sizeof *ordered);
    switch (plan->precision) {
    case PRECISION_AUTO:
    case PRECISION_FLOAT64:
        memcpy((double *)plan->packs + at, ordered, values * sizeof *ordered);
        break;
    case PRECISION_FLOAT32:
        for (size_t i = 0; i < values; i++) {
            ((float *)plan->packs)[at + i] = (float)ordered[i];
        }
        break;
    case PRECISION_MIXED:
        halves_store_weights(layer->n_out, layer->n_in, ordered, (uint32_t *)plan->packs + at);
        halves_store(values - weights, ordered + weights, (uint32_t *)plan->packs + at + weights);
        break;
    }
}

/* pack: the draw's, by resnet_pack; ordered: scratch [pack_size]. */
static void put_pack(struct plan *plan, size_t draw, const double *pack, double *ordered)
{
    const struct resnet *net = plan->net;
    size_t first = draw * net->pack_size;
    if (net->arch.layer_pre) {
        struct plan_layer pre = plan_pre(net);
        put_layer(plan, first, &pre, pack, ordered);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        struct plan_layer block = plan_block(net, i);
        put_layer(plan, first, &block, pack, ordered);
    }
    if (net->arch.layer_post) {
        struct plan_layer post = plan_post(net);
        put_layer(plan, first, &post, pack, ordered);
    }
}

/* Lanes beyond the last draw stay 0. */
static void fill_lanes(struct plan *plan)
{
    size_t size = plan->net->pack_size;
    for (size_t j = 0; j < (size_t)plan->m; j++) {
        size_t first = j / KERNELS_LANES * size * KERNELS_LANES + j % KERNELS_LANES;
        for (size_t i = 0; i < size; i++) {
            size_t to = first + i * KERNELS_LANES;
            if (plan->precision == PRECISION_FLOAT32) {
                ((float *)plan->lanes)[to] = ((const float *)plan->packs)[j * size + i];
            } else {
                ((double *)plan->lanes)[to] = ((const double *)plan->packs)[j * size + i];
            }
        }
    }
}

enum err_code plan_init(struct plan *plan, const struct resnet *net, int m, const double *draws,
                        enum precision precision, struct err *err)
{
    bool narrow = is_narrow(net);
    size_t bytes = 0; /* when the whole fits a size_t, its parts do */
    *plan = (struct plan){.net = net,
                          .kernels = kernels_get(),
                          .m = m,
                          .precision = precision != PRECISION_AUTO ? precision : PRECISION_FLOAT64};
    bool fits = bytes_of_packs(plan, &bytes);
    if (narrow && plan->precision == PRECISION_MIXED) {
        plan->precision = PRECISION_FLOAT64;
    }
    double *one = mem_alloc_array(2, net->pack_size * sizeof *one); /* of a draw, and ordered */
    if (fits) {
        size_t values = (size_t)m * net->pack_size;
        plan->packs = mem_alloc_array(values, weight_bytes(plan));
        plan->lanes = narrow ? mem_zalloc_array(n_lane_groups(m) * KERNELS_LANES * net->pack_size,
                                                real_bytes(plan))
                             : NULL;
    }
    bool from_memory = (size_t)m > CACHE_BYTES / (net->pack_size * sizeof(float));
    if (plan->precision != PRECISION_FLOAT64 && from_memory) {
        plan->ahead = GROUP_MIN * net->pack_size;
    }
    if (plan->packs == NULL || (narrow && plan->lanes == NULL) || one == NULL) {
        mem_free(one);
        return err_set(err, ERR_NOMEM, "no memory for the weights of %d draws", m);
    }
    for (size_t j = 0; j < (size_t)m; j++) {
        resnet_pack(net, draws + j * (size_t)net->n_params, one);
        put_pack(plan, j, one, one + net->pack_size);
    }
    if (narrow) {
        fill_lanes(plan);
    }
    mem_free(one);
    return ERR_OK;
}

void plan_release(struct plan *plan)
{
    mem_free(plan->packs);
    mem_free(plan->lanes);
    plan->packs = NULL;
    plan->lanes = NULL;
}

enum way { BY_COLUMNS, BY_ROWS, BY_LANES };

static enum way way_of(const struct plan *plan, int rows)
{
    /* Up to this many rows, in double and in float, rows or lanes are faster than columns. */
    static const struct {
        int rows, lanes;
    } few[] = {{3, 7}, {7, 14}};
    const bool single = plan->precision == PRECISION_FLOAT32;
    const int max = plan->lanes != NULL ? few[single].lanes : few[single].rows;
    if (rows > max) {
        return BY_COLUMNS;
    }
    return plan->lanes != NULL ? BY_LANES : BY_ROWS;
}

/* The length of a feature's column: the rows, padded to whole vectors by columns. */
static size_t columns_of(const struct plan *plan, int rows)
{
    size_t n = (size_t)rows;
    size_t pad = plan->precision == PRECISION_FLOAT32 ? KERNELS_PAD_F32 : KERNELS_PAD_F64;
    return way_of(plan, rows) != BY_COLUMNS ? n : (n + pad - 1) / pad * pad;
}

/* Rounds up, so that each part of the scratch begins on a cache line in either precision. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

/* Do the weights come from memory, in double? */
static bool reads_in_order(const struct plan *plan)
{
    size_t draws = CACHE_BYTES / (plan->net->pack_size * sizeof(double));
    return plan->precision == PRECISION_FLOAT64 && (size_t)plan->m > draws;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int plan_group(const struct plan *plan, int rows)
{
    size_t group = GROUP_MAX;
    switch (way_of(plan, rows)) {
    case BY_COLUMNS:
        return 1;
    case BY_ROWS:
        group = smaller(group, GROUP_STATE / ((size_t)rows * (size_t)plan->net->arch.width));
        group = smaller(group, GROUP_BYTES / (plan->net->pack_size * weight_bytes(plan)));
        group = group < GROUP_MIN && !reads_in_order(plan) ? GROUP_MIN : group;
        break;
    case BY_LANES:
        break;
    }
    return (int)smaller(group > 0 ? group : 1, (size_t)plan->m);
}

/* Rows of state that are held at a time, of one draw or of several. */
static size_t state_rows(const struct plan *plan, int rows)
{
    switch (way_of(plan, rows)) {
    case BY_LANES:
        return KERNELS_LANES;
    case BY_ROWS:
        return (size_t)plan_group(plan, rows) * (size_t)rows;
    case BY_COLUMNS:
        break;
    }
    return columns_of(plan, rows);
}

/* Weights and biases of the largest layer, where they are converted for many rows. */
static size_t wide_values(const struct plan *plan, int rows)
{
    const struct arch *a = &plan->net->arch;
    size_t r = (size_t)a->width;
    if (plan->precision != PRECISION_MIXED || way_of(plan, rows) != BY_COLUMNS) {
        return 0;
    }
    size_t pre = a->layer_pre ? (size_t)a->inputs * r + r : 0;
    size_t post = a->layer_post ? (r + 1) * (size_t)a->outputs : 0;
    size_t ends = pre > post ? pre : post;
    return ends > r * r + r ? ends : r * r + r;
}

size_t plan_scratch_bytes(const struct plan *plan, int rows)
{
    const struct arch *a = &plan->net->arch;
    size_t states = state_rows(plan, rows);
    size_t values =
        padded((size_t)a->inputs * columns_of(plan, rows)) + 2 * padded((size_t)a->width * states) +
        padded((size_t)(a->inputs + a->outputs) * states) + padded(wide_values(plan, rows)) + 64;
    return values * real_bytes(plan);
}

/* n, share and period of struct kernels_rows. */
struct rows_order {
    int n, share, period;
};

void plan_widen(const struct plan *plan, const struct plan_layer *layer, const uint32_t *from,
                double *to)
{
    size_t weights = (size_t)layer->n_in * (size_t)layer->n_out;
    plan->kernels->widen(layer->n_out, layer->n_in, from, to);
    for (size_t i = weights; layer->bias && i < weights + (size_t)layer->n_out; i++) {
        to[i] = halves_get(from[i]);
    }
}

#define REAL                         double
#define WEIGHT                       double
#define F(name)                      name##_f64
#define K(k, name)                   (k)->name##_f64
#define ROWS(name)                   name##_f64
#define WIDEN(plan, layer, from, to) ((void)(to), (from))
#include "network/plan_real.inc"
#undef REAL
#undef WEIGHT
#undef F
#undef K
#undef ROWS
#define REAL       float
#define WEIGHT     float
#define F(name)    name##_f32
#define K(k, name) (k)->name##_f32
#define ROWS(name) name##_f32
#include "network/plan_real.inc"
#undef REAL
#undef WEIGHT
#undef F
#undef K
#undef ROWS
#undef WIDEN
#define REAL                         double
#define WEIGHT                       uint32_t
#define F(name)                      name##_mixed
#define K(k, name)                   (k)->name##_f64
#define ROWS(name)                   name##_mixed
#define WIDEN(plan, layer, from, to) (plan_widen(plan, layer, from, to), (to))
#define SHARED_LOAD                  /* load_f64 loads the same values */
#include "network/plan_real.inc"
#undef REAL
#undef WEIGHT
#undef F
#undef K
#undef ROWS
#undef WIDEN
#undef SHARED_LOAD

void plan_load(const struct plan *plan, const struct plan_tile *tile, const double *x)
{
    if (plan->precision == PRECISION_FLOAT32) {
        load_f32(plan, tile, x);
    } else {
        load_f64(plan, tile, x);
    }
}

void plan_eval(const struct plan *plan, const struct plan_tile *tile, int first, int n, double *f)
{
    switch (plan->precision) {
    case PRECISION_FLOAT32:
        eval_f32(plan, tile, first, n, f);
        break;
    case PRECISION_MIXED:
        eval_mixed(plan, tile, first, n, f);
        break;
    case PRECISION_AUTO:
    case PRECISION_FLOAT64:
        eval_f64(plan, tile, first, n, f);
        break;
    }
    /* In place: a sum leaves fewer values than it takes. */
    resnet_final(plan->net, n * tile->rows, f, f);
}
