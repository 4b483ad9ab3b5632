/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformal prediction: intervals around a model's mean whose coverage needs no assumption but that
 * rows are exchangeable [1, 2]. A calibration over any solver, by output.
 *
 *   split        residual scores R_i of n kept rows; the interval is mean -+ the
 *                ceil((n + 1)(1 - alpha))-th smallest score
 *   cv+          the rows fall into folds, each fold has a model that has not seen it; R_i of row i
 *                by that model; the interval goes from the floor(alpha (n + 1))-th smallest of
 *                mean_fold(i) - R_i to the ceil((1 - alpha)(n + 1))-th smallest of
 *                mean_fold(i) + R_i
 *   jackknife+   the same with a fold a row
 *
 * With scores "absolute" R = |y - mean|; with "normalised" R = |y - mean| / s, and intervals are
 * R s wide, where s is the root of the total variance at the row.
 *
 * Where n is too small for a level the interval is infinite; the server refuses such a level.
 *
 * [1] V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005.
 * [2] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, Predictive inference with the
 *     jackknife+, Annals of Statistics 49, 2021.
 */
#ifndef CONFORMAL_H
#define CONFORMAL_H

#include "compiler.h"
#include "err.h"

#include <stdbool.h>

enum conformal_method {
    CONFORMAL_NONE,
    CONFORMAL_SPLIT,
    CONFORMAL_CV_PLUS,
    CONFORMAL_JACKKNIFE_PLUS
};

const char *conformal_method_name(enum conformal_method method); /* "none", "split", "cv+", .. */
bool conformal_method_find(const char *name, enum conformal_method *method);

#define CONFORMAL_MOST_ROWS 1000000

/*
 * What a model keeps of its calibration. With folds the model's draws (or Gaussians) are those of
 * fold 0, then fold 1, .., equally many of each.
 */
struct conformal {
    enum conformal_method method;
    bool normalised;
    int n_folds;    /* 1 for split */
    int n;          /* calibration rows */
    int *fold;      /* [n]; NULL for split; mem */
    double *scores; /* [n x o], user's units or without unit; mem */
};

/* A zeroed one may be released. */
void conformal_release(struct conformal *conformal);

struct model;
struct data;

/*
 * Scores [n x o] of rows in the user's units by a published model that has not seen them.
 * ERR_INVALID (normalised, and a total variance is 0), ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code conformal_scores(const struct model *model, const struct data *rows, bool normalised,
                               int n_threads, double *scores, struct err *err) MUST_CHECK;

#endif
