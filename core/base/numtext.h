/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers to text and back, exactly and fast, by C++17's <charconv>: what it reads is correctly
 * rounded, and it writes the shortest text that reads back as the same double.
 */
#ifndef NUMTEXT_H
#define NUMTEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMTEXT_MAX 32 /* bytes that numtext_write may write */

enum numtext_status {
    NUMTEXT_OK,
    NUMTEXT_SYNTAX,  /* this is not a JSON number */
    NUMTEXT_OVERFLOW /* the number is beyond the largest double */
};

/*
 * Reads the JSON number that begins at `at` and lies before `end`: no plus sign, no leading zero,
 * digits on both sides of the point, no hex, no NaN or Infinity. *next: what follows the number. A
 * number that is too small for a double reads as 0. The byte at `end` is not read.
 */
enum numtext_status numtext_read(const char *at, const char *end, const char **next, double *value);

/* Writes a finite value without a final NUL and returns the length. out: [NUMTEXT_MAX]. */
size_t numtext_write(double value, char *out);

#ifdef __cplusplus
}
#endif

#endif
