/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What computes here: this executable, the vector unit that its kernels use, and the mathematical
 * libraries. Two builds with the same description compute the same bits from the same input.
 */
#ifndef BUILD_H
#define BUILD_H

#include <stddef.h>

#define BUILD_CHARS 400

/* One line, cut at size - 1 characters. */
void build_describe(char *out, size_t size);

#endif
