/* SPDX-License-Identifier: Apache-2.0 */
/* One solver: how it is checked and run. */
#ifndef UQ_PRIV_H
#define UQ_PRIV_H

#include "uq.h"

struct uq_ops {
    enum err_code (*run)(const struct uq_problem *problem, const struct uq_settings *settings,
                         struct uq_result *result, struct err *err);
};

extern const struct uq_ops uq_ensemble_ops;

#endif
