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
#include "network/resnet_priv.h"

#include <string.h>

#define NARROW      8    /* networks narrower than this have lanes */
#define GROUP_STATE 2048 /* values of state that a group of draws may have: half of the cache */
/*
 * Bytes of weights that a group may have. A small model takes several draws at a time, which fill
 * the vectors of tanh. The weights of a large one come from memory, and taking its draws one by one
 * reads them in order: a row of 66 MB of weights (W3 of the benchmarks) takes 3 ms, and took 5.9 ms
 * in groups of 64 draws.
 */
#define GROUP_BYTES ((size_t)64 * 1024)
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

/* Memory of the packs of m draws; false when it does not fit a size_t. */
static bool bytes_of_packs(const struct resnet *net, int m, bool single, size_t *bytes)
{
    size_t copies = (size_t)m + (is_narrow(net) ? KERNELS_LANES * n_lane_groups(m) : 0);
    return size_mul(net->pack_size, single ? sizeof(float) : sizeof(double), bytes) &&
           size_mul(*bytes, copies, bytes);
}

/* Stores wt [n_in x n_out] of one draw in the kernels' order, at pack_at. */
static void put_weights(struct plan *plan, size_t pack_at, const double *wt, int n_in, int n_out)
{
    for (int k = 0; k < n_in; k++) {
        for (int o = 0; o < n_out; o++) {
            size_t at = pack_at + kernels_at(n_out, n_in, k, o);
            double w = wt[(size_t)k * (size_t)n_out + (size_t)o];
            if (plan->single) {
                ((float *)plan->packs)[at] = (float)w;
            } else {
                ((double *)plan->packs)[at] = w;
            }
        }
    }
}

/* pack: the draw's, by resnet_pack. */
static void put_pack(struct plan *plan, size_t draw, const double *pack)
{
    const struct resnet *net = plan->net;
    const struct arch *a = &net->arch;
    size_t first = draw * net->pack_size;
    /* Biases keep their places; the weights are overwritten below, in the kernels' order. */
    for (size_t i = 0; i < net->pack_size; i++) {
        if (plan->single) {
            ((float *)plan->packs)[first + i] = (float)pack[i];
        } else {
            ((double *)plan->packs)[first + i] = pack[i];
        }
    }
    if (a->layer_pre) {
        put_weights(plan, first + (size_t)net->pack_pre, pack + net->pack_pre, a->inputs, a->width);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        ptrdiff_t at = net->pack_blocks + i * net->block_stride;
        put_weights(plan, first + (size_t)at, pack + at, a->width, a->width);
    }
    if (a->layer_post) {
        put_weights(plan, first + (size_t)net->pack_post, pack + net->pack_post, a->width,
                    a->outputs);
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
            if (plan->single) {
                ((float *)plan->lanes)[to] = ((const float *)plan->packs)[j * size + i];
            } else {
                ((double *)plan->lanes)[to] = ((const double *)plan->packs)[j * size + i];
            }
        }
    }
}

enum err_code plan_init(struct plan *plan, const struct resnet *net, int m, const double *draws,
                        bool single, struct err *err)
{
    size_t real = single ? sizeof(float) : sizeof(double);
    bool narrow = is_narrow(net);
    size_t bytes = 0; /* when the whole fits a size_t, its parts do */
    bool fits = bytes_of_packs(net, m, single, &bytes);
    *plan = (struct plan){.net = net, .kernels = kernels_get(), .m = m, .single = single};
    double *one = mem_alloc_array(net->pack_size, sizeof *one);
    if (fits) {
        plan->packs = mem_alloc_array((size_t)m * net->pack_size, real);
        plan->lanes =
            narrow ? mem_zalloc_array(n_lane_groups(m) * KERNELS_LANES * net->pack_size, real)
                   : NULL;
    }
    if (plan->packs == NULL || (narrow && plan->lanes == NULL) || one == NULL) {
        mem_free(one);
        return err_set(err, ERR_NOMEM, "no memory for the weights of %d draws", m);
    }
    for (size_t j = 0; j < (size_t)m; j++) {
        resnet_pack(net, draws + j * (size_t)net->n_params, one);
        put_pack(plan, j, one);
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
    const int max = plan->lanes != NULL ? few[plan->single].lanes : few[plan->single].rows;
    if (rows > max) {
        return BY_COLUMNS;
    }
    return plan->lanes != NULL ? BY_LANES : BY_ROWS;
}

/* The length of a feature's column: the rows, padded to whole vectors by columns. */
static size_t columns_of(const struct plan *plan, int rows)
{
    size_t n = (size_t)rows;
    size_t pad = plan->single ? KERNELS_PAD_F32 : KERNELS_PAD_F64;
    return way_of(plan, rows) != BY_COLUMNS ? n : (n + pad - 1) / pad * pad;
}

/* Rounds up, so that each part of the scratch begins on a cache line in either precision. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int plan_group(const struct plan *plan, int rows)
{
    size_t real = plan->single ? sizeof(float) : sizeof(double);
    size_t group = GROUP_MAX;
    switch (way_of(plan, rows)) {
    case BY_COLUMNS:
        return 1;
    case BY_ROWS:
        group = smaller(group, GROUP_STATE / ((size_t)rows * (size_t)plan->net->arch.width));
        group = smaller(group, GROUP_BYTES / (plan->net->pack_size * real));
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

size_t plan_scratch_bytes(const struct plan *plan, int rows)
{
    const struct arch *a = &plan->net->arch;
    size_t states = state_rows(plan, rows);
    size_t across = way_of(plan, rows) == BY_LANES ? KERNELS_LANES : columns_of(plan, rows);
    size_t values = padded((size_t)a->inputs * columns_of(plan, rows)) +
                    2 * padded((size_t)a->width * states) +
                    padded((size_t)(a->inputs + a->outputs) * across) + 64;
    return values * (plan->single ? sizeof(float) : sizeof(double));
}

#define REAL       double
#define F(name)    name##_f64
#define K(k, name) (k)->name##_f64
#include "network/plan_real.inc"
#undef REAL
#undef F
#undef K
#define REAL       float
#define F(name)    name##_f32
#define K(k, name) (k)->name##_f32
#include "network/plan_real.inc"
#undef REAL
#undef F
#undef K

void plan_load(const struct plan *plan, const struct plan_tile *tile, const double *x)
{
    if (plan->single) {
        load_f32(plan, tile, x);
    } else {
        load_f64(plan, tile, x);
    }
}

void plan_eval(const struct plan *plan, const struct plan_tile *tile, int first, int n, double *f)
{
    if (plan->single) {
        eval_f32(plan, tile, first, n, f);
    } else {
        eval_f64(plan, tile, first, n, f);
    }
    /* In place: a sum leaves fewer values than it takes. */
    resnet_final(plan->net, n * tile->rows, f, f);
}
