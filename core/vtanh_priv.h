/* SPDX-License-Identifier: Apache-2.0 */
/* One function per vector unit; each file is compiled for its unit and called only where it is. */
#ifndef VTANH_PRIV_H
#define VTANH_PRIV_H

#include <stddef.h>

typedef void vtanh_fn(double *x, size_t n);

#if defined(__x86_64__)
vtanh_fn vtanh_avx512;
vtanh_fn vtanh_avx2;
#endif

#endif
