/* SPDX-License-Identifier: Apache-2.0 */
/* Models that answer a constant, so that their scores can be written down. */
#ifndef CONSTANT_MODEL_H
#define CONSTANT_MODEL_H

#include "model/model.h"

/* Answers `shift + scale * value`, whatever the d inputs; the noise is 0.5. */
struct constant {
    int d;
    double value, shift, scale;
};

struct model *constant_model(const struct constant *c);

#endif
