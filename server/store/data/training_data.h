/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRAINING_DATA_H
#define TRAINING_DATA_H

#include <stdint.h>

#include "base/digest.h"

/* Exactly which rows: those of the model's batches up to last_batch, unless some were deleted. */
struct training_data {
    int64_t n_rows;
    int64_t n_batches;
    int64_t last_batch;
    char fingerprint[DIGEST_HEX_CHARS + 1]; /* hex; "": nothing recorded */
};

#endif
