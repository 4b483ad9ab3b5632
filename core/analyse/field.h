/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is analysed: m functions of d inputs with o outputs. They are the draws of a model's
 * posterior, so what differs between them is what the surrogate does not know. Functions that are
 * known exactly, with m = 1, can take their place.
 */
#ifndef FIELD_H
#define FIELD_H

#include "base/arena.h"
#include "base/cancel.h"
#include "base/err.h"
#include "model/model.h"

#include <stdint.h>

/* n rows for the draws [first, first + m). */
struct field_rows {
    int first, m;
    int n;
    const double *x; /* [n x d], in the user's units */
};

struct field;

struct field_ops {
    /* y [m x n x o] <- values; scratch: of the calling thread. ERR_NUMERIC, ERR_NOMEM, and what
     * rows can have wrong. */
    enum err_code (*values)(const struct field *field, const struct field_rows *rows,
                            struct arena *scratch, double *y, struct err *err);
    /* jac [m x n x o x d] <- derivatives by the inputs. ERR_NUMERIC, ERR_NOMEM, ERR_UNSUPPORTED. */
    enum err_code (*jacobian)(const struct field *field, const struct field_rows *rows,
                              struct arena *scratch, double *jac, struct err *err);
};

struct field {
    const struct field_ops *ops;
    int d, o, m;
    const void *ctx;
};

/* Outputs and draws of a model that are analysed. */
struct field_model {
    const struct model *model; /* borrowed */
    const int *outputs;        /* [o] of the model's, borrowed */
    uint64_t seed;             /* chooses the draws, when m is less than the model has */
    int *order;                /* [draws of the model] in the order in which they are chosen */
};

/*
 * The first m draws that a seed chooses; m is at most the model's. `of` has model, outputs and seed
 * set, and must outlive the field. ERR_NOMEM.
 */
enum err_code field_of_model(struct field_model *of, int o, int m, struct arena *arena,
                             struct field *out, struct err *err) MUST_CHECK;

#endif
