/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of results.def as flags, as arrays, and as a table for the code that parses, writes and
 * joins requests. The list itself says what each result means.
 */
#ifndef PREDICT_RESULT_H
#define PREDICT_RESULT_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct model;
struct predict_request;

enum predict_index {
#define RESULT(FLAG, field, name, shape, join, option) PREDICT_INDEX_##FLAG,
#include "predict/results.def"
#undef RESULT
    PREDICT_N_RESULTS
};

/* A set of results. */
enum predict_want {
#define RESULT(FLAG, field, name, shape, join, option) PREDICT_##FLAG = 1 << PREDICT_INDEX_##FLAG,
#include "predict/results.def"
#undef RESULT
};

/* Arrays live in the arena of the prediction. NULL: not asked for. */
struct predict_result {
    union {
        struct {
#define RESULT(FLAG, field, name, shape, join, option) double *field;
#include "predict/results.def"
#undef RESULT
        };
        double *at[PREDICT_N_RESULTS]; /* the same by enum predict_index */
    };
};

/* Axes in the order of the array, which is contiguous. */
enum predict_shape {
    PREDICT_SHAPE_N_O,
    PREDICT_SHAPE_LEVELS_N_O,       /* n_levels quantiles */
    PREDICT_SHAPE_TOTAL_LEVELS_N_O, /* n_total_levels quantiles */
    PREDICT_SHAPE_N_O_O,            /* a row's outputs by each other */
    PREDICT_SHAPE_O_N_N,            /* an output's rows by each other */
    PREDICT_SHAPE_SAMPLES_N_O,      /* n_samples draws */
    PREDICT_SHAPE_PAIR_N_O_D,       /* of the mean, of the standard deviation */
    PREDICT_SHAPE_ENDS_N_O,         /* 2 n_intervals: lower, upper, lower, .. */
    PREDICT_SHAPE_PAIR_N            /* mean, standard deviation; of a row, not of an output */
};

enum predict_join {
    PREDICT_JOIN_FREELY, /* costs next to nothing, so one request may want it and the other not */
    PREDICT_JOIN_ALIKE,  /* when both want it, with equal options */
    PREDICT_JOIN_NEVER   /* a row's answer depends on the other rows */
};

enum predict_option {
    PREDICT_OPTION_NONE,
    PREDICT_OPTION_LEVELS,       /* an array, to levels */
    PREDICT_OPTION_TOTAL_LEVELS, /* an array, to total_levels */
    PREDICT_OPTION_COVERAGES,    /* an array, to intervals */
    PREDICT_OPTION_DRAWS,        /* a count, to n_samples; seed belongs to it */
    PREDICT_OPTION_BETWEEN,      /* "outputs", or "rows" for the result on the next line */
    PREDICT_OPTION_ALTERNATIVE   /* no name of its own: the option on the line before asks for it */
};

struct predict_kind {
    const char *name;
    enum predict_shape shape;
    enum predict_join join;
    enum predict_option option;
};

extern const struct predict_kind predict_kinds[PREDICT_N_RESULTS];

/* The result that a request calls by this name; false when there is none. */
bool predict_result_find(const char *name, enum predict_index *index);

/* "mean, variance, ..": every name that predict_result_find knows. */
const char *predict_result_names(void);

#define PREDICT_MAX_RANK 4

struct predict_dims {
    int rank;
    size_t size[PREDICT_MAX_RANK];
    int rows; /* the axis of the request's rows; the first of two */
};

/* The array's size in the answer of a model to a request. */
struct predict_dims predict_result_dims(enum predict_index index, const struct model *model,
                                        const struct predict_request *req);

/* Makes the arrays of a set of results, the others NULL. Their sizes must fit. ERR_NOMEM. */
enum err_code predict_result_alloc(struct predict_result *result, unsigned set,
                                   const struct model *model, const struct predict_request *req,
                                   struct arena *arena, struct err *err) MUST_CHECK;

#endif
