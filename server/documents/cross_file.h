/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cross-validation leaves beside a version (core/train/train_cross.h), as a file from the
 * program that trained to the server that compares.
 *
 * Layout, little-endian: "SRGMCROS", SHA-256 of all that follows, u32 n, o and folds, n times u32
 * row, [n x o] f64 means, [n x o] f64 standard deviations.
 */
#ifndef CROSS_FILE_H
#define CROSS_FILE_H

#include "train/train_cross.h"

/* *bytes is the caller's (mem_free). ERR_NOMEM, ERR_INTERNAL. */
enum err_code cross_file_encode(const struct train_cross *cross, void **bytes, size_t *n_bytes,
                                struct err *err) MUST_CHECK;

/* n_rows, o: of the training. *out is to be released. ERR_CORRUPT: damaged, or not of such rows;
 * ERR_NOMEM. */
enum err_code cross_file_decode(const void *bytes, size_t n_bytes, int n_rows, int o,
                                struct train_cross *out, struct err *err) MUST_CHECK;

#endif
