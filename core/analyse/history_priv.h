/* SPDX-License-Identifier: Apache-2.0 */
/* What history.c, which joins replicates, shares with history_replicate.c, which makes them, and
 * history_next.c, which chooses among their points. */
#ifndef HISTORY_PRIV_H
#define HISTORY_PRIV_H

#include "analyse/history.h"

/* Numbers of a cell. */
enum { CELL_POINTS, CELL_PASSED, CELL_MINIMUM, CELL_NUMBERS };

/*
 * What a replicate leaves is one array of numbers: [waves] points that passed each wave, rows times
 * draws, the lowest implausibility and its point's u [k], how many points were kept, their u
 * [room x k] and implausibility [room], and the cells: [k x grid], [pairs x grid x grid].
 */
struct history_layout {
    size_t runs, least, best, n_kept, kept, implausibility, single, pairs, all;
};

struct history_work {
    const struct history_run *run;
    int k;
    int *inputs;    /* [k] */
    int *cells;     /* [k] */
    double *values; /* [k x grid] */
    int room;       /* points that a replicate keeps */
    struct history_layout at;
};

/* x [d] <- from u [k]; inputs that experiments set are left at their law's fixed value. */
void history_point(const struct history_work *work, const double *u, double *x);

/* Where an input's value is, from 0 to 1: between those of the other cells for one with few values.
 */
double history_coordinate(const struct history_work *work, int input, double u);

/* out [at.all] <- a replicate. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM. */
enum err_code history_replicate(const struct history_work *work, int replicate,
                                struct arena *scratch, double *out, struct err *err) MUST_CHECK;

/*
 * From the numbers of all replicates, all [R x at.all]: the least implausible point and the rows
 * that were evaluated; and the points for the next wave, of which there is room for n_next.
 * ERR_NOMEM.
 */
void history_find_best(const struct history_work *work, const double *all,
                       struct history_result *out);
enum err_code history_choose_next(const struct history_work *work, const double *all,
                                  struct history_result *out, struct err *err) MUST_CHECK;

#endif
