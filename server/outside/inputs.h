/* SPDX-License-Identifier: Apache-2.0 */
/* What a training outside the server reads. Rank 0 reads the files and gives them to all others. */
#ifndef INPUTS_H
#define INPUTS_H

#include "base/digest.h"
#include "base/ranks.h"
#include "documents/job_spec.h"
#include "fit/data.h"
#include "model/model.h"

struct inputs_paths {
    const char *request, *rows;
    const char *space, *base;                                         /* NULL: none */
    int outputs;                                                      /* where there is no space */
    void (*begin_limits)(void *ctx, const struct job_limits *limits); /* once they are known */
    void *ctx;
};

struct inputs {
    struct job_spec spec;
    char *request; /* mem; the settings that the version keeps */
    struct data data;
    double *x, *y;                   /* mem */
    struct train_roles_rows columns; /* what data borrows where they are no targets */
    struct space *space;             /* NULL: none */
    struct model *base;              /* NULL: none */
    struct job_spec base_spec;
    bool knows_base_spec;
    unsigned char request_digest[SHA256_BYTES], rows_digest[SHA256_BYTES];
    unsigned char identity[SHA256_BYTES]; /* of all of them and of this build */
};

/* ERR_INVALID, ERR_NOT_FOUND, ERR_IO, ERR_SHAPE and others naming the file; ERR_NOMEM. A zeroed
 * one may be released. */
enum err_code inputs_read(struct inputs *inputs, const struct inputs_paths *paths,
                          const struct ranks *ranks, struct err *err) MUST_CHECK;
void inputs_release(struct inputs *inputs);

#endif
