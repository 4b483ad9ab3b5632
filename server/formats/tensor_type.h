/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of several types as little-endian bytes, row-major and without padding. */
#ifndef TENSOR_TYPE_H
#define TENSOR_TYPE_H

#include "base/compiler.h"
#include "base/names.h"

#include <stdbool.h>
#include <stddef.h>

enum tensor_type {
#define TENSOR_TYPE(TYPE, bytes, oip, safetensors) TENSOR_##TYPE,
#include "formats/tensor_type.def"
#undef TENSOR_TYPE
    TENSOR_N_TYPES
};

/* By enum tensor_type. */
struct names tensor_type_oip(void);
struct names tensor_type_safetensors(void);

/* Bytes of a number. */
size_t tensor_type_size(enum tensor_type type);

/*
 * Reads n numbers; the bytes may lie anywhere. False: the one at *bad is an integer beyond 2^53,
 * which no double holds. NaN and infinity are read as they are.
 */
bool tensor_type_read(enum tensor_type type, const char *bytes, size_t n, double *out,
                      size_t *bad) MUST_CHECK;

/* A number of this type as JSON says it: of float32 the nearest one. False: it is not in the range
 * of the type, or has a fraction that the type has not. */
bool tensor_type_fit(enum tensor_type type, double *value) MUST_CHECK;

/* Every one of n numbers is finite as a float32. *bad: the first that is not. */
bool tensor_type_fits_float(const double *values, size_t n, size_t *bad) MUST_CHECK;

#endif
