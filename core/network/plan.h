/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model packed for serving: the weights W(t_i), b(t_i) of every block of every draw are evaluated
 * once, in double or in float. A plan never changes; the caller provides the scratch.
 *
 * Rows are evaluated in tiles of at most PLAN_TILE_ROWS, which stay in the first-level cache for
 * all layers of a draw. Several draws evaluate a tile of few rows together, so that the vector
 * units are full. The weights of narrow networks are held twice: the second time with the draws
 * side by side.
 */
#ifndef PLAN_H
#define PLAN_H

#include "math/kernels.h"
#include "network/resnet.h"

#include <stdbool.h>

#define PLAN_TILE_ROWS 96

/*
 * How a model is served: weights and arithmetic in double; in float; or weights in float and
 * arithmetic in double, which reads half the bytes. PRECISION_AUTO is double until
 * core/predict/precision chooses. The numbers are those of stored models.
 */
enum precision { PRECISION_FLOAT64, PRECISION_FLOAT32, PRECISION_MIXED, PRECISION_AUTO };

struct plan {
    const struct resnet *net; /* borrowed */
    const struct kernels *kernels;
    int m;                    /* draws */
    enum precision precision; /* never PRECISION_AUTO */
    size_t ahead;             /* weights that memory is asked for in advance (kernels.h) */
    void *packs; /* [m x net->pack_size], by resnet_pack but with weights in the kernels' order */
    void *lanes; /* [groups of KERNELS_LANES draws x pack_size x KERNELS_LANES], or NULL */
};

/* A zeroed plan may be released. Keeps `net`, but not the draws [m x K]. ERR_NOMEM. */
enum err_code plan_init(struct plan *plan, const struct resnet *net, int m, const double *draws,
                        enum precision precision, struct err *err) MUST_CHECK;
void plan_release(struct plan *plan);

/* The number of draws that one plan_eval may take for a tile of `rows` rows. */
int plan_group(const struct plan *plan, int rows);

/* Bytes of scratch, aligned to a cache line, for a tile of `rows` rows. */
size_t plan_scratch_bytes(const struct plan *plan, int rows);

/* Rows that are evaluated together. */
struct plan_tile {
    int rows;
    void *scratch; /* of plan_scratch_bytes */
};

/* Copies the tile's inputs x [rows x d], scaled as the network wants them, into the scratch. */
void plan_load(const struct plan *plan, const struct plan_tile *tile, const double *x);

/*
 * Values of draws first .. first + n - 1 on the loaded tile, where n is at most plan_group and
 * first a multiple of it: f [n x rows x n_out], with room for [n x rows x outputs].
 */
void plan_eval(const struct plan *plan, const struct plan_tile *tile, int first, int n, double *f);

#endif
