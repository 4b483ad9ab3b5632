/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways through the network with the same bits. Rows along the vectors ("columns") fills them
 * from about ten rows on; below, a row at a time costs less than the padding. Measured on AVX-512
 * (GFLOP/s of one core, peak 54): columns 52 to 57 for width 16 to 64, a row 34 to 44, and a column
 * kernel on one row 1/16 of its rate. A network narrower than a vector would leave even a row's
 * vectors empty: there draws lie along them ("lanes"; 100 draws of width 3 and 4 blocks at one row
 * took 6.0 us a row at a time, 2.7 us as lanes).
 */
#include "plan.h"

#include "kernels.h"
#include "mem.h"
#include "resnet_priv.h"

#include <string.h>

#define FEW_ROWS    10   /* up to here a row at a time, or draws as lanes, is faster */
#define NARROW      8    /* networks narrower than this have lanes */
#define GROUP_STATE 2048 /* values of state that a group of draws may have: half the cache */
#define GROUP_MOST  64   /* a multiple of KERNELS_PAD, so that groups begin at a lane 0 */

_Static_assert(GROUP_MOST % KERNELS_PAD == 0, "lanes of a group are whole");

static bool is_narrow(const struct resnet *net)
{
    return net->arch.width < NARROW;
}

static size_t n_lane_groups(int m)
{
    return ((size_t)m + KERNELS_PAD - 1) / KERNELS_PAD;
}

bool plan_bytes(const struct resnet *net, int m, bool single, size_t *bytes)
{
    size_t copies = (size_t)m + (is_narrow(net) ? KERNELS_PAD * n_lane_groups(m) : 0);
    return size_mul(net->pack_size, single ? sizeof(float) : sizeof(double), bytes) &&
           size_mul(*bytes, copies, bytes);
}

static void fill_packs(struct plan *plan, const double *draws, double *one)
{
    const struct resnet *net = plan->net;
    for (size_t j = 0; j < (size_t)plan->m; j++) {
        const double *params = draws + j * (size_t)net->n_params;
        if (!plan->single) {
            resnet_pack(net, params, (double *)plan->packs + j * net->pack_size);
            continue;
        }
        float *to = (float *)plan->packs + j * net->pack_size;
        resnet_pack(net, params, one);
        for (size_t i = 0; i < net->pack_size; i++) {
            to[i] = (float)one[i];
        }
    }
}

/* Lanes past the last draw stay 0. */
static void fill_lanes(struct plan *plan)
{
    size_t size = plan->net->pack_size;
    for (size_t j = 0; j < (size_t)plan->m; j++) {
        size_t first = j / KERNELS_PAD * size * KERNELS_PAD + j % KERNELS_PAD;
        for (size_t i = 0; i < size; i++) {
            size_t to = first + i * KERNELS_PAD;
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
    bool fits = plan_bytes(net, m, single, &bytes);
    *plan = (struct plan){.net = net, .m = m, .single = single};
    double *one = single ? mem_alloc_array(net->pack_size, sizeof *one) : NULL;
    if (fits) {
        plan->packs = mem_alloc_array((size_t)m * net->pack_size, real);
        plan->lanes =
            narrow ? mem_zalloc_array(n_lane_groups(m) * KERNELS_PAD * net->pack_size, real) : NULL;
    }
    if (plan->packs == NULL || (narrow && plan->lanes == NULL) || (single && one == NULL)) {
        mem_free(one);
        return err_set(err, ERR_NOMEM, "no memory for the weights of %d draws", m);
    }
    fill_packs(plan, draws, one);
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
    if (rows > FEW_ROWS) {
        return BY_COLUMNS;
    }
    return plan->lanes != NULL ? BY_LANES : BY_ROWS;
}

/* Columns of the tile's arrays: the rows, padded for whole vectors. */
static size_t columns_of(const struct plan *plan, int rows)
{
    size_t n = (size_t)rows;
    return way_of(plan, rows) != BY_COLUMNS ? n : (n + KERNELS_PAD - 1) / KERNELS_PAD * KERNELS_PAD;
}

/* Parts of the scratch begin on a cache line in either precision. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

int plan_group(const struct plan *plan, int rows)
{
    enum way way = way_of(plan, rows);
    if (way == BY_COLUMNS) {
        return 1;
    }
    int group = way == BY_LANES ? GROUP_MOST : GROUP_STATE / (rows * plan->net->arch.width);
    group = group < 1 ? 1 : (group > GROUP_MOST ? GROUP_MOST : group);
    return group < plan->m ? group : plan->m;
}

/* Rows of state that are held at a time, of one draw or several. */
static size_t state_rows(const struct plan *plan, int rows)
{
    switch (way_of(plan, rows)) {
    case BY_LANES:
        return KERNELS_PAD;
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
    size_t across = way_of(plan, rows) == BY_LANES ? KERNELS_PAD : columns_of(plan, rows);
    size_t values = padded((size_t)a->inputs * columns_of(plan, rows)) +
                    2 * padded((size_t)a->width * states) +
                    padded((size_t)(a->inputs + a->outputs) * across) + 64;
    return values * (plan->single ? sizeof(float) : sizeof(double));
}

#define REAL       double
#define F(name)    name##_f64
#define K(k, name) (k)->name##_f64
#include "plan_real.inc"
#undef REAL
#undef F
#undef K
#define REAL       float
#define F(name)    name##_f32
#define K(k, name) (k)->name##_f32
#include "plan_real.inc"
#undef REAL
#undef F
#undef K

void plan_load(const struct plan *plan, int rows, const double *x, void *scratch)
{
    if (plan->single) {
        load_f32(plan, rows, x, scratch);
    } else {
        load_f64(plan, rows, x, scratch);
    }
}

void plan_eval(const struct plan *plan, int first, int n, int rows, void *scratch, double *f)
{
    const struct kernels *k = kernels_get();
    size_t size = plan->net->pack_size;
    enum way way = way_of(plan, rows);
    if (plan->single) {
        const float *packs = (const float *)plan->packs + (size_t)first * size;
        if (way == BY_LANES) {
            eval_lanes_f32(plan, k, (const float *)plan->lanes + (size_t)first * size, n, rows,
                           scratch, f);
        } else if (way == BY_ROWS) {
            eval_rows_f32(plan, k, packs, n, rows, scratch, f);
        } else {
            eval_columns_f32(plan, k, packs, rows, scratch, f);
        }
    } else {
        const double *packs = (const double *)plan->packs + (size_t)first * size;
        if (way == BY_LANES) {
            eval_lanes_f64(plan, k, (const double *)plan->lanes + (size_t)first * size, n, rows,
                           scratch, f);
        } else if (way == BY_ROWS) {
            eval_rows_f64(plan, k, packs, n, rows, scratch, f);
        } else {
            eval_columns_f64(plan, k, packs, rows, scratch, f);
        }
    }
    /* In place: a sum leaves fewer values than it takes. */
    resnet_final(plan->net, n * rows, f, f);
}
