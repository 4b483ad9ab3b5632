/* SPDX-License-Identifier: Apache-2.0 */
/* What every analysis, calibration and history match is told of how it runs. */
#ifndef TERMS_H
#define TERMS_H

#include "base/cancel.h"
#include "base/checkpoint.h"

/* All borrowed. */
struct analyse_terms {
    int n_threads;                       /* at least 1 */
    const struct cancel *cancel;         /* NULL: nobody can cancel */
    const struct checkpoint *checkpoint; /* NULL: nothing is saved */
    progress_fn *progress;               /* NULL: nobody watches */
    void *progress_ctx;
};

#endif
