/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tanh of arrays, with an error of at most 4 ulp (core/math/kernels.h), by the widest vector unit
 * of the machine. An element's result depends neither on its place in the array nor on n.
 */
#ifndef VTANH_H
#define VTANH_H

#include <stddef.h>

/* x <- tanh(x), [n]; NaN stays NaN. */
void vtanh(double *x, size_t n);

/* The name of the code chosen on this machine: "avx512", "avx2" or "generic". */
const char *vtanh_isa(void);

#endif
