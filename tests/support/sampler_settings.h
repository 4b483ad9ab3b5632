/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a sampler for tests, which change what they are about. */
#ifndef SAMPLER_SETTINGS_H
#define SAMPLER_SETTINGS_H

#include "sample/sampler.h"

static inline struct sampler_settings test_sampler_settings(enum sampler_kind kind)
{
    return (struct sampler_settings){
        .kind = kind,
        .warmup = 1000,
        .target_accept = kind == SAMPLER_MALA ? 0.574 : 0.8,
        .adapt_step = true,
        .adapt_mass = true,
        .leapfrog_steps = 10,
        .jitter = 0.2,
        .max_depth = 10,
        .gamma = 1.0,
        .t0 = 100,
        .tadapt = 100,
    };
}

#endif
