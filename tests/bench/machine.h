/* SPDX-License-Identifier: Apache-2.0 */
/* The measured ceiling of this machine, with which benchmarks compare. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>

#include "math/activation.h"

/* Floating-point operations per second of a large matrix product on one core. */
double machine_gemm_flops(bool single);

/* Seconds for one tanh, in an array that stays in the first-level cache. */
double machine_tanh_seconds(bool single);

/* Seconds for one z <- z + h act(a), likewise. */
double machine_step_seconds(enum activation act, bool single);

#endif
