/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows a new version and the served one can be compared on, and why those. */
#ifndef GATE_ROWS_H
#define GATE_ROWS_H

#include "documents/job_spec.h"
#include "fit/data.h"
#include "model/model.h"
#include "train/train_cross.h"

/*
 * With fewer rows a comparison tells nothing. Of two equally good versions with independent normal
 * errors, the ratio of their root mean squared errors on n rows each scatters by a factor of
 * exp(1 / sqrt(n)), 1.37 for ten rows: then only a factor of two is beyond chance (two standard
 * deviations). On the same rows, where errors are alike, it scatters less.
 */
#define GATE_MIN_ROWS 10
/*
 * So many rows of its own, on record, are enough to compare a version by. Fewer have chosen the
 * best epoch among too many for their error to say much: of 60 rows, 6 that were kept out, it was a
 * tenth of that on fresh rows.
 */
#define GATE_MIN_RECORDED 30

/* What is known of a row of the training: bits of gate_case.facts. */
enum gate_fact {
    GATE_KEPT = 1,  /* it was kept out of the new version's training, for scores */
    GATE_CLEAN = 2, /* nor did it train a version that this training started from, see GATE_SEEN */
    GATE_HAD = 4,   /* the served version had it, in its training or kept out of it */
    GATE_SEEN = 8   /* it, or one of the same inputs, trained the served version, or may have */
};

struct gate_case {
    const struct model *candidate;
    /* What models without them predicted of rows that trained the candidate, which are GATE_KEPT
     * then; its score is of these predictions. NULL: rows were kept out of its training. */
    const struct train_cross *cross;
    const struct model *served;
    int64_t served_version;
    const struct data *data;    /* all rows of the training, user's units; outputs may be NaN */
    const unsigned char *facts; /* [data->n] */
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

/* How the scores of the two versions come about. */
enum gate_basis {
    GATE_BOTH,     /* on the same rows, which trained neither */
    GATE_RECORDED, /* each on the rows that it kept out; the served one's score is on record */
    GATE_OWN,      /* each on the rows that did not train it */
    GATE_MAYBE,    /* on the same rows, which may have trained the served version */
    GATE_NONE      /* not at all: no rows were kept out */
};

struct gate_choice {
    enum gate_basis basis;
    enum gate_rows rows;   /* which of the rows that basis allows */
    int n;                 /* the new version is scored on */
    int n_new;             /* of them, those that the served version never had */
    int n_served;          /* the served version was scored on */
    bool beyond_known;     /* known rows were asked for, and others are among these */
    unsigned char with;    /* facts of the rows */
    unsigned char without; /* facts that they must not have */
};

/*
 * The best basis there is, for the rows that are asked for:
 * 1. GATE_MIN_ROWS rows or more that trained neither.
 * 2. Known rows: GATE_MIN_RECORDED or more that the new version kept out, and as many on record
 *    for the served one.
 * 3. GATE_MIN_ROWS rows or more of any age that trained neither.
 * 4. All rows that did not train the new version; all that did not train the served one.
 * 5. None of the latter are stored any more: what is on record.
 * 6. Nothing is: rows that may have trained the served version.
 */
struct gate_choice gate_choose(enum gate_rows rows, const struct gate_case *c);

/* The chosen rows are those with these facts that have an output and whose categories the served
 * version knows. */
int gate_count(const struct gate_case *c, const struct gate_choice *choice);

struct gate_picked {
    struct data data;
    double *x, *y; /* mem */
};
/* Copies the chosen rows. ERR_NOMEM. A zeroed one may be released. */
enum err_code gate_pick(const struct gate_case *c, const struct gate_choice *choice,
                        struct gate_picked *out, struct err *err) MUST_CHECK;
/* chosen [data->n] <- 1 for each of the chosen rows. */
void gate_mark(const struct gate_case *c, const struct gate_choice *choice, unsigned char *chosen);
void gate_picked_release(struct gate_picked *picked);

/* The rows of a choice in words: "37 rows kept out of both trainings". */
void gate_describe(const struct gate_case *c, const struct gate_choice *choice, char *out,
                   size_t size);

/* Rows that the served version had, and that did not train the new one. */
struct gate_choice gate_choose_known(void);
/* With GATE_OWN: the rows of the served version. */
struct gate_choice gate_choose_unseen(void);

#endif
