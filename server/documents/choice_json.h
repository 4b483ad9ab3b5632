/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The candidates of auto as clients see them, of a running job and of the model that came of it:
 *
 *   {"rows":90,"folds":5,"scored_folds":5,"current":null,
 *    "candidates":[{"name":"evidence_16x2_constant","solver":"evidence","width":16,"layers":2,
 *                   "basis":"constant","output_scaling":"standard","outcome":"chosen",
 *                   "why":"it has the best score","folds":5,"score":-1.2,"standard_error":0.1,
 *                   "gap":0,"gap_error":0,"seconds":3.1}, ..]}
 */
#ifndef CHOICE_JSON_H
#define CHOICE_JSON_H

#include "formats/json_write.h"
#include "train/auto.h"

#define CHOICE_NAME_CHARS 32
#define CHOICE_WHY_CHARS  240

struct choice_line {
    char name[CHOICE_NAME_CHARS];
    enum solver_kind solver;
    int width, layers;
    enum wpfn_basis basis;
    enum scaler_kind output_scaling;
    enum auto_outcome outcome;
    int n_folds;
    double score, error;   /* NaN: none */
    double gap, gap_error; /* NaN: no choice has been made */
    double seconds;        /* NaN: not known */
    char why[CHOICE_WHY_CHARS];
};

struct choice_table {
    int n; /* 0: nothing is chosen */
    int n_rows, n_folds, n_scored;
    int current; /* the candidate whose turn it is; n: none */
    struct choice_line lines[AUTO_MAX_CANDIDATES];
};

void choice_table_take(struct choice_table *self, const struct auto_table *table);

/* What the report and the settings of a model say of the choice of its solver; n 0: nothing.
 * ERR_NOMEM. */
enum err_code choice_table_of_model(const struct model *model, struct choice_table *out,
                                    struct err *err) MUST_CHECK;

void choice_json_write(struct json_write *json, const char *key, const struct choice_table *table);

/* That of a model; null when its solver was not chosen, or memory is short. */
void choice_json_write_of_model(struct json_write *json, const char *key,
                                const struct model *model);

#endif
