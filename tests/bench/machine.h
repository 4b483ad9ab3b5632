/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine can do at most, measured: the ceiling that benchmarks compare with. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>

/* Floating-point operations a second of a large matrix product on one core. */
double machine_gemm_flops(bool single);

/* Seconds of one tanh in an array that stays in the first-level cache. */
double machine_tanh_seconds(bool single);

#endif
