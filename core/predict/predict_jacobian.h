/* SPDX-License-Identifier: Apache-2.0 */
/* Jacobians of mean and standard deviation over draws, one tile of rows at a time. */
#ifndef PREDICT_JACOBIAN_H
#define PREDICT_JACOBIAN_H

#include "predict/predict.h"

/* Scratch of one tile, in the arena that it was made in. */
struct predict_jacobians {
    size_t first, rows; /* of the call */
    int group;          /* draws at a time; 0: no Jacobian is wanted */
    bool by_rows;       /* several rows of a draw at a time, not draws at a row */
    int rows_together;  /* so many */
    int begin, end;     /* draws whose Jacobians `all` holds */
    double *all;     /* [group x rows x o x d] by the scaled inputs, before the output's scaler */
    double *scratch; /* of plan_gradient_scratch or plan_gradient_rows_scratch */
    double *y;       /* [group or rows_together x n_out] */
    double *dy;      /* [group or rows_together x n_out] */
    double *dx;      /* [group or rows_together x d] */
    double *slope;   /* [rows x d] of the scaled inputs by the inputs */
};

/* For a call that wants Jacobians; all 0 for others. False when memory is short. */
bool predict_jacobians_init(struct predict_jacobians *jac, const struct predict_call *call,
                            size_t first, size_t rows, struct arena *arena) MUST_CHECK;

/*
 * Adds a draw, in the order of draws, at the tile's scaled inputs z [rows x d]. f [rows x o]: its
 * values in the user's units, which call->out->mean includes already.
 */
void predict_jacobians_add(struct predict_jacobians *jac, const struct predict_call *call, int draw,
                           const double *z, const double *f);

/* When call->out->variance is complete. */
void predict_jacobians_finish(const struct predict_jacobians *jac, const struct predict_call *call);

#endif
