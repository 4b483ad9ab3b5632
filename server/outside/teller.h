/* SPDX-License-Identifier: Apache-2.0 */
/* What a training outside the server tells: lines of JSON on the way, and a result at the end. */
#ifndef TELLER_H
#define TELLER_H

#include "base/cancel.h"
#include "base/err.h"
#include "outside/rank_costs.h"

#include <stdint.h>
#include <stdio.h>

/* Lines come from rank 0; not more often than every .. */
#define TELLER_EVERY_MS 200

struct teller {
    FILE *file; /* NULL: nothing is told */
    int64_t last_ns;
};

/* Opens a file for appending; NULL: standard error. ERR_IO. */
enum err_code teller_open(struct teller *teller, const char *path, struct err *err) MUST_CHECK;
void teller_close(struct teller *teller);

struct teller_start {
    int ranks, threads;
    int rows, inputs, outputs;
};
void teller_tell_start(struct teller *teller, const struct teller_start *start);

/* A progress_fn; ctx: the teller. */
void teller_progress(void *teller, const struct progress *progress);

/* err NULL or without an error: done. */
void teller_tell_end(struct teller *teller, const struct err *err);

/* The name of an error's code, as "numeric". out: [32]. */
void teller_code(enum err_code code, char *out);

struct teller_result {
    int ranks;
    const struct rank_costs *costs; /* NULL: not told */
    size_t bytes;
    const char *sha256, *content_sha256, *request_sha256, *rows_sha256; /* hexadecimal */
};

/* The file of --result, whole or not at all, of a version or, if err has one, of an error. ERR_IO,
 * ERR_FULL, ERR_NOMEM. */
enum err_code teller_write_result(const char *path, int rank, const struct teller_result *result,
                                  const struct err *failure, struct err *err) MUST_CHECK;

#endif
