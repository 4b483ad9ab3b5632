/* SPDX-License-Identifier: Apache-2.0 */
/* Media types, as in Content-Type and Accept. */
#ifndef MEDIA_TYPE_H
#define MEDIA_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#define MEDIA_TYPE_CSV         "text/csv"
#define MEDIA_TYPE_JSON        "application/json"
#define MEDIA_TYPE_NPY         "application/x-npy"
#define MEDIA_TYPE_NPZ         "application/x-npz"
#define MEDIA_TYPE_TSV         "text/tab-separated-values"
#define MEDIA_TYPE_SAFETENSORS "application/x-safetensors"

/*
 * Is the value of a header of this type, "type/subtype" in lower case? Letters of either case are
 * the same, parameters do not count, and of a list the first member does. NULL is of no type.
 */
bool media_type_is(const char *value, const char *type);

/*
 * The value of a parameter, without its quotes, in out [size]; false when there is none. A value
 * that does not fit is cut. Letters of the name may be of either case.
 */
bool media_type_parameter(const char *value, const char *name, char *out, size_t size);

/* The first parameter whose name is not in the NULL-ended list, its name cut to out [size]. */
bool media_type_other_parameter(const char *value, const char *const *known, char *out,
                                size_t size);

#endif
