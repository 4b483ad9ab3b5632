/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new version before the gate: which rows trained it, which the served version has seen, and what
 * follows from the comparison on the others. The rows are looked at once; the comparison is made
 * again when another version has become the default meanwhile.
 */
#ifndef JUDGEMENT_H
#define JUDGEMENT_H

#include "train/row_groups.h"
#include "jobs/gate.h"
#include "jobs/row_history.h"

struct judgement_case {
    struct db *db;
    struct models *models;
    const char *model;
    const struct job_spec *spec;
    const struct data *data; /* all rows of the training, user's units */
    const struct model *candidate;
    const struct train_cross *cross; /* of the candidate, gate_rows.h; NULL: none */
    const struct served *base;       /* of a warm start; NULL: none */
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct judgement {
    uint32_t *prints;            /* [data->n], mem, as are the next two */
    unsigned char *kept;         /* [data->n] facts of the training: GATE_KEPT and GATE_CLEAN */
    unsigned char *facts;        /* [data->n] and of the served version */
    struct row_groups groups;    /* rows with the same inputs */
    struct row_history training; /* rows of the candidate */
    bool is_judged;              /* the verdict depends on which version is the default */
    int64_t served_version;      /* that one; 0: there is none that could be served */
    struct gate_verdict verdict; /* served_version 0: nothing was compared */
};

/* Looks at the rows. ERR_NOMEM; ERR_CANCELLED; errors of reading the store. The caller
 * releases *out in any case. */
enum err_code judgement_begin(const struct judgement_case *the_case, struct judgement *out,
                              struct err *err) MUST_CHECK;

/* Compares with the version that is served now. Errors of gate_judge; of reading the store. */
enum err_code judgement_run(const struct judgement_case *the_case, struct judgement *judgement,
                            struct err *err) MUST_CHECK;

/* May the version be served? */
bool judgement_passed(const struct judgement *judgement);

/* A zeroed one may be released. */
void judgement_release(struct judgement *judgement);

#endif
