/* SPDX-License-Identifier: Apache-2.0 */
#include "uq_priv.h"

static enum err_code run(const struct uq_problem *problem, const struct uq_settings *settings,
                         struct uq_result *result, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "not written yet");
}

const struct uq_ops uq_pbp_ops = {
    .run = run,
    .noises = 1u << NOISE_GIVEN | 1u << NOISE_LEARNED,
    .noise = NOISE_LEARNED,
};
