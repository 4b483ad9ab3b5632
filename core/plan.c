/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways through the network with the same bits. Rows along the vectors ("columns") fills them
 * from about ten rows on; below, a row at a time costs less than the padding. Measured on AVX-512
 * (GFLOP/s of one core, peak 54): columns 52 to 57 for width 16 to 64, a row 34 to 44, and a column
 * kernel on one row 1/16 of its rate.
 */
#include "plan.h"

#include "kernels.h"
#include "mem.h"
#include "resnet_priv.h"

#include <string.h>

#define FEW_ROWS    10 /* up to here a row at a time is faster ... */
#define FEW_NARROW  2  /* ... or up to here for networks narrower than a vector */
#define NARROW      8
#define GROUP_STATE 2048 /* values of state that a group of draws may have: half the cache */
#define GROUP_MOST  64

bool plan_bytes(const struct resnet *net, int m, bool single, size_t *bytes)
{
    return size_mul(net->pack_size, single ? sizeof(float) : sizeof(double), bytes) &&
           size_mul(*bytes, (size_t)m, bytes);
}

enum err_code plan_init(struct plan *plan, const struct resnet *net, int m, const double *draws,
                        bool single, struct err *err)
{
    size_t bytes = 0;
    size_t k = (size_t)net->n_params;
    *plan = (struct plan){.net = net, .m = m, .single = single};
    double *one = single ? mem_alloc_array(net->pack_size, sizeof *one) : NULL;
    plan->packs = plan_bytes(net, m, single, &bytes) ? mem_alloc(bytes) : NULL;
    if (plan->packs == NULL || (single && one == NULL)) {
        mem_free(one);
        return err_set(err, ERR_NOMEM, "no memory for the weights of %d draws", m);
    }
    for (size_t j = 0; j < (size_t)m; j++) {
        if (!single) {
            resnet_pack(net, draws + j * k, (double *)plan->packs + j * net->pack_size);
            continue;
        }
        float *to = (float *)plan->packs + j * net->pack_size;
        resnet_pack(net, draws + j * k, one);
        for (size_t i = 0; i < net->pack_size; i++) {
            to[i] = (float)one[i];
        }
    }
    mem_free(one);
    return ERR_OK;
}

void plan_release(struct plan *plan)
{
    mem_free(plan->packs);
    plan->packs = NULL;
}

static bool by_rows(const struct plan *plan, int rows)
{
    return rows <= (plan->net->arch.width < NARROW ? FEW_NARROW : FEW_ROWS);
}

/* Columns of the tile's arrays: the rows, padded for whole vectors. */
static size_t columns_of(const struct plan *plan, int rows)
{
    size_t n = (size_t)rows;
    return by_rows(plan, rows) ? n : (n + KERNELS_PAD - 1) / KERNELS_PAD * KERNELS_PAD;
}

/* Parts of the scratch begin on a cache line in either precision. */
static size_t padded(size_t values)
{
    return (values + 15) & ~(size_t)15;
}

int plan_group(const struct plan *plan, int rows)
{
    if (!by_rows(plan, rows)) {
        return 1;
    }
    int group = GROUP_STATE / (rows * plan->net->arch.width);
    group = group < 1 ? 1 : (group > GROUP_MOST ? GROUP_MOST : group);
    return group < plan->m ? group : plan->m;
}

size_t plan_scratch_bytes(const struct plan *plan, int rows)
{
    const struct arch *a = &plan->net->arch;
    size_t ld = columns_of(plan, rows);
    size_t lanes = (size_t)plan_group(plan, rows) * ld;
    size_t values = padded((size_t)a->inputs * ld) + 2 * padded((size_t)a->width * lanes) +
                    padded((size_t)a->outputs * ld) + 64;
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
    size_t at = (size_t)first * plan->net->pack_size;
    bool few = by_rows(plan, rows);
    if (plan->single) {
        const float *packs = (const float *)plan->packs + at;
        if (few) {
            eval_rows_f32(plan, k, packs, n, rows, scratch, f);
        } else {
            eval_columns_f32(plan, k, packs, rows, scratch, f);
        }
    } else {
        const double *packs = (const double *)plan->packs + at;
        if (few) {
            eval_rows_f64(plan, k, packs, n, rows, scratch, f);
        } else {
            eval_columns_f64(plan, k, packs, rows, scratch, f);
        }
    }
    /* In place: a sum leaves fewer values than it takes. */
    resnet_final(plan->net, n * rows, f, f);
}
