/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An .npz file that is written while its numbers are made: a stored member for each array. What is
 * known beforehand are the shapes, and so the length of the file to the byte. The checksum of an
 * array is known only behind it, so it stands there (in a data descriptor) and in the directory;
 * npz_stream_whole writes a file that is in memory and puts it in front, for readers that do not
 * look at the directory. Zip64 is used for arrays and files of 4 GiB and more.
 */
#ifndef NPZ_STREAM_H
#define NPZ_STREAM_H

#include "formats/npy.h"

#include <stdint.h>

#define NPZ_MAX_ARRAYS 32
#define NPZ_MAX_NAME   32  /* bytes of an array's name */
#define NPZ_MAX_TEXT   512 /* bytes that are written at a time and are not numbers */

struct npz_array {
    const char *name; /* constant */
    int rank;
    size_t shape[NPY_MAX_RANK];
    /* set by npz_stream_begin */
    uint64_t n_values;
    uint64_t size;   /* bytes of the npy file */
    uint64_t offset; /* of the member */
    uint32_t crc;
};

struct npz_stream {
    struct npz_array arrays[NPZ_MAX_ARRAYS];
    int n_arrays;
    bool single;      /* numbers are float32 */
    bool descriptors; /* checksums stand behind the arrays */
    uint64_t n_bytes; /* of the file */

    int stage;         /* what is written next; see npz_stream.c */
    int array;         /* of which array */
    uint64_t n_left;   /* numbers of this array that have not been read */
    const double *fed; /* the next of them */
    uint64_t n_fed;    /* how many are there */
    char text[NPZ_MAX_TEXT];
    size_t n_text;
    size_t text_at;
};

/* arrays (names and shapes), n_arrays and single have been set; the rest is zero. */
void npz_stream_begin(struct npz_stream *stream);

/* The next bytes, at most `size`, which has room for a number; 0: the end, or numbers have to be
 * fed first. ERR_NUMERIC (a value beyond float32). */
enum err_code npz_stream_read(struct npz_stream *stream, char *out, size_t size, size_t *n,
                              struct err *err) MUST_CHECK;

/* Must numbers be fed? Then *array and *first say which: they follow those that were read. */
bool npz_stream_needs(const struct npz_stream *stream, int *array, size_t *first);

/* The n numbers that follow, borrowed until more are needed. More than the array has left are
 * ignored. */
void npz_stream_feed(struct npz_stream *stream, const double *values, size_t n);

/* The whole file of a stream that npz_stream_begin has not seen yet: values [n_arrays], each all
 * numbers of an array. bytes [len] in the arena. ERR_NOMEM; ERR_NUMERIC. */
enum err_code npz_stream_whole(struct npz_stream *stream, const double *const *values,
                               struct arena *arena, const char **bytes, size_t *len,
                               struct err *err) MUST_CHECK;

#endif
