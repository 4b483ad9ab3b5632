/* SPDX-License-Identifier: Apache-2.0 */
/* A body of npz for tests. */
#ifndef NPZ_FILE_H
#define NPZ_FILE_H

#include <check.h>
#include <string.h>

#include "formats/media_type.h"
#include "formats/npz_stream.h"
#include "loopback.h"

/* A request with rows of one input as the array x of its body, which stays until the next call. */
static inline struct loopback_request npz_request(const struct loopback_request *like,
                                                  const double *rows, size_t n)
{
    static char file[4096];
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct loopback_request request = *like;
    struct npz_stream stream = {.n_arrays = 1,
                                .arrays = {{.name = "x", .rank = 2, .shape = {n, 1}}}};
    const char *bytes = NULL;
    ck_assert_int_eq(npz_stream_whole(&stream, &rows, &arena, &bytes, &request.n_body, &err),
                     ERR_OK);
    ck_assert_uint_le(request.n_body, sizeof file);
    memcpy(file, bytes, request.n_body);
    request.content_type = MEDIA_TYPE_NPZ;
    request.body = file;
    arena_release(&arena);
    return request;
}

#endif
