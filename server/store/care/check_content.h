/* SPDX-License-Identifier: Apache-2.0 */
/* Compares stored bytes with their SHA-256: versions, training rows, checkpoints. */
#ifndef CHECK_CONTENT_H
#define CHECK_CONTENT_H

#include <stdbool.h>

#include "store/care/checking.h"

struct check_model {
    int64_t id;
    char name[72];
    bool deleted;
    int64_t default_version; /* 0: none */
    int64_t next_version;    /* the number that the next version will get */
};

enum err_code check_versions(struct checking *c, const struct check_model *model,
                             struct err *err) MUST_CHECK;
enum err_code check_batches(struct checking *c, const struct check_model *model,
                            struct err *err) MUST_CHECK;
/* Of the jobs of all models. */
enum err_code check_checkpoints(struct checking *c, struct err *err) MUST_CHECK;
/* What jobs found; from schema 9 on. */
enum err_code check_results(struct checking *c, struct err *err) MUST_CHECK;

#endif
