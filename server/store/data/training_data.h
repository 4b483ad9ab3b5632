/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows a version was, or a job is being, trained on. */
#ifndef TRAINING_DATA_H
#define TRAINING_DATA_H

#include <stdint.h>

#include "base/digest.h"

/* All rows of a model's batches up to last_batch, except batches that had been deleted by then. */
struct training_data {
    int64_t n_rows;
    int64_t n_batches;
    int64_t last_batch;
    /* SHA-256 of the digests of the batches in order of arrival, hex; "": nothing was recorded */
    char fingerprint[DIGEST_HEX_CHARS + 1];
};

#endif
