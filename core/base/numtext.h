/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of tensors to text and back, exactly and fast: over C++17's <charconv>, whose reading is
 * correctly rounded and whose writing is the shortest text that reads back as the same double.
 */
#ifndef NUMTEXT_H
#define NUMTEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMTEXT_MAX 32 /* bytes that numtext_write may need */

enum numtext_status {
    NUMTEXT_OK,
    NUMTEXT_SYNTAX,  /* no JSON number stands here */
    NUMTEXT_OVERFLOW /* beyond the largest double */
};

/*
 * Reads the JSON number at `at`, before `end`: no plus sign, no leading zero, digits on both sides
 * of the point, no hex, NaN or Infinity. *next: what follows it. Too small a number reads as 0.
 * The byte at `end` may be anything.
 */
enum numtext_status numtext_read(const char *at, const char *end, const char **next, double *value);

/* Writes a finite value, without a NUL; returns the length. out: [NUMTEXT_MAX]. */
size_t numtext_write(double value, char *out);

#ifdef __cplusplus
}
#endif

#endif
