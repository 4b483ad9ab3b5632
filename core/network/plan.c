/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways through the network with the same bits. Rows along the vectors ("columns") fills them
 * from half a vector on; below, a row at a time costs less than the padding. Measured on AVX-512
 * (GFLOP/s of one core, peak 54): columns 52 to 57 for width 16 to 64, a row 34 to 44, and a column
 * kernel on one row an eighth of its rate. A network narrower than a vector would leave even a
 * row's vectors empty: there draws lie along them ("lanes"; 100 draws of width 3 and 4 blocks at
 * one row took 6.0 us a row at a time, 2.7 us as lanes).
 */
#include "network/plan.h"

#include "base/mem.h"
#include "network/resnet_priv.h"

#include <string.h>

#define NARROW      8    /* networks narrower than this have lanes */
#define GROUP_STATE 2048 /* values of state that a group of draws may have: half the cache */
/*
 * Weights that a group may have. A large model comes from memory, and is read in order when the
 * draws go one by one (W3 of the benchmarks, 66 MB of weights in double: a row of it takes 3 ms so,
 * and took 5.9 ms in groups of 64 draws); of a small one several draws fill the vectors of tanh.
 */
#define GROUP_BYTES ((size_t)64 * 1024)
#define GROUP_MAX   64 /* a multiple of KERNELS_LANES, so that groups begin at a lane 0 */

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

/* wt [n_in x n_out] of one draw as the kernels want it. */
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

/* pack: one draw's by resnet_pack. */
static void put_pack(struct plan *plan, size_t draw, const double *pack)
{
    const struct resnet *net = plan->net;
    const struct arch *a = &net->arch;
    size_t first = draw * net->pack_size;
    /* Biases stay as they are; the weights are put in their places afterwards. */
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

/* Lanes past the last draw stay 0. */
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
    size_t bytes = 0; /* all of it fits a size_t, so its parts do */
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
    /* Up to here a row at a time, or draws as lanes, is faster than padded columns. */
    static const struct {
        int rows, lanes;
    } few[] = {{3, 7}, {7, 14}};
    const int max = plan->lanes != NULL ? few[plan->single].lanes : few[plan->single].rows;
    if (rows > max) {
        return BY_COLUMNS;
    }
    return plan->lanes != NULL ? BY_LANES : BY_ROWS;
}

/* Columns of the tile's arrays: the rows, padded for whole vectors. */
static size_t columns_of(const struct plan *plan, int rows)
{
    size_t n = (size_t)rows;
    size_t pad = plan->single ? KERNELS_PAD_F32 : KERNELS_PAD_F64;
    return way_of(plan, rows) != BY_COLUMNS ? n : (n + pad - 1) / pad * pad;
}

/* Parts of the scratch begin on a cache line in either precision. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

static size_t at_max(size_t a, size_t b)
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
        group = at_max(group, GROUP_STATE / ((size_t)rows * (size_t)plan->net->arch.width));
        group = at_max(group, GROUP_BYTES / (plan->net->pack_size * real));
        break;
    case BY_LANES:
        break;
    }
    return (int)at_max(group > 0 ? group : 1, (size_t)plan->m);
}

/* Rows of state that are held at a time, of one draw or several. */
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
