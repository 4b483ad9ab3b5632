/* SPDX-License-Identifier: Apache-2.0 */
/* Small trainings that choose what they train, of the rows of small_rows.h. */
#ifndef AUTO_CASES_H
#define AUTO_CASES_H

#include "small_rows.h"

#include "base/mem.h"
#include "train/auto.h"

enum { FEW = 30, FOLDS = 5 };

/* A small network is given, so that what is chosen is the solver. */
static inline struct auto_spec tiny_spec(int fits)
{
    struct auto_spec spec = {
        .base = train_defaults(SOLVER_ENSEMBLE), .fixed = AUTO_FIXED_ARCH, .fits = fits};
    spec.base.arch.width = 3;
    spec.base.arch.layers = 1;
    spec.base.arch.basis = WPFN_CONSTANT;
    spec.base.validation = 0.1;
    spec.base.seed = 5;
    return spec;
}

/* The first n rows; the outputs of all are there, and in different units. */
static inline struct data rows_of(int n)
{
    struct data data = make_rows(1.0, 1024.0);
    data.n = n;
    return data;
}

/* The same with an output over more than a decade, whose logarithm is worth a try. */
static inline struct data wide_rows(int n)
{
    struct data data = rows_of(n);
    for (int i = 0; i < n; i++) {
        y[i * O + 1] = exp(2.0 * y[i * O + 1]);
    }
    return data;
}

static inline struct auto_run run_of(const struct auto_spec *spec, struct data data)
{
    return (struct auto_run){.spec = spec, .run = {.data = data, .n_threads = 1}};
}

static inline struct model *choose(const struct auto_run *run, struct auto_table *table)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    ck_assert_msg(auto_train(run, table, &model, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_ptr_nonnull(model);
    return model;
}

static inline const struct auto_candidate *find(const struct auto_table *table, const char *name)
{
    for (int i = 0; i < table->n; i++) {
        if (strcmp(table->candidates[i].name, name) == 0) {
            return &table->candidates[i];
        }
    }
    ck_abort_msg("no candidate %s", name);
}

static inline int count(const struct auto_table *table, enum auto_outcome outcome)
{
    int n = 0;
    for (int i = 0; i < table->n; i++) {
        n += table->candidates[i].outcome == outcome;
    }
    return n;
}

/* The text that is kept with the model: the solver's name. */
static inline enum err_code describe(void *ctx, const struct train_spec *chosen, char **text,
                                     struct err *err)
{
    (void)ctx;
    *text = mem_strdup(solver_name(chosen->solver));
    return *text != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a name");
}

/* Time that goes by with the work: each report takes a hundredth of a second. */
struct work_clock {
    double now;
    double shown;      /* fraction of the last report */
    bool falls;        /* has a report shown less than one before it? */
    int n_shows;       /* of the table, which is shown after each fold .. */
    double when[64];   /* .. the times .. */
    double shares[64]; /* .. and the fractions then */
};

static inline double read_clock(void *ctx)
{
    const struct work_clock *clock = ctx;
    return clock->now;
}

static inline void pass_time(void *ctx, const struct progress *progress)
{
    struct work_clock *clock = ctx;
    clock->now += 0.01;
    clock->falls = clock->falls || progress->fraction < clock->shown;
    clock->shown = progress->fraction;
}

static inline void note_time(void *ctx, const struct auto_table *table)
{
    struct work_clock *clock = ctx;
    (void)table;
    ck_assert_int_lt(clock->n_shows, 64);
    clock->when[clock->n_shows] = clock->now;
    clock->shares[clock->n_shows++] = clock->shown;
}

#endif
