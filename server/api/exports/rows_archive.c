/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/rows_archive.h"

#define ROWS_ARCHIVE_BLOCK 4096 /* numbers that are put together at a time, 32 KiB */

enum { ARRAY_X, ARRAY_Y, N_ARRAYS };

struct rows_archive *rows_archive_new(const struct data_cursor *cursor, struct arena *arena)
{
    struct rows_archive *archive = arena_zalloc_array(arena, 1, sizeof *archive);
    if (archive == NULL) {
        return NULL;
    }
    archive->block = arena_alloc_array(arena, ROWS_ARCHIVE_BLOCK, sizeof *archive->block);
    if (archive->block == NULL) {
        return NULL;
    }
    const size_t n = (size_t)cursor->n_rows;
    archive->npz.arrays[ARRAY_X] =
        (struct npz_array){.name = "x", .rank = 2, .shape = {n, (size_t)cursor->d}};
    archive->npz.arrays[ARRAY_Y] =
        (struct npz_array){.name = "y", .rank = 2, .shape = {n, (size_t)cursor->o}};
    archive->npz.n_arrays = N_ARRAYS;
    archive->npz.descriptors = true;
    npz_stream_begin(&archive->npz);
    return archive;
}

/* Copies numbers of the columns [from, to) out of the present piece into the block; how many. */
static size_t fill_block(struct rows_archive *archive, const struct data_cursor *cursor, int from,
                         int to)
{
    const size_t width = (size_t)cursor->d + (size_t)cursor->o;
    size_t n = 0;
    while (archive->row < archive->n && n < ROWS_ARCHIVE_BLOCK) {
        const double *row = cursor->rows + (size_t)archive->row * width;
        while (archive->column < to && n < ROWS_ARCHIVE_BLOCK) {
            archive->block[n++] = row[archive->column++];
        }
        if (archive->column == to) {
            archive->column = from;
            archive->row++;
        }
    }
    return n;
}

/* Feeds the numbers of an array that follow its first `first` ones. */
static enum err_code feed(struct rows_archive *archive, struct data_cursor *cursor, int array,
                          size_t first, struct err *err)
{
    const int from = array == ARRAY_X ? 0 : cursor->d;
    const int to = array == ARRAY_X ? cursor->d : cursor->d + cursor->o;
    if (first == 0) {
        data_cursor_rewind(cursor);
        archive->n = archive->row = 0;
        archive->column = from;
    }
    if (archive->row == archive->n) {
        archive->row = 0;
        if (data_cursor_next(cursor, &archive->n, err) != ERR_OK) {
            return err->code;
        }
    }
    const size_t n = fill_block(archive, cursor, from, to);
    if (n == 0) {
        return err_set(err, ERR_CONFLICT, "the rows changed while they were read");
    }
    npz_stream_feed(&archive->npz, archive->block, n);
    return ERR_OK;
}

enum err_code rows_archive_read(struct rows_archive *archive, struct data_cursor *cursor, char *out,
                                size_t size, size_t *n, struct err *err)
{
    int array;
    size_t first;
    *n = 0;
    while (*n == 0) {
        if (npz_stream_needs(&archive->npz, &array, &first) &&
            feed(archive, cursor, array, first, err) != ERR_OK) {
            return err->code;
        }
        if (npz_stream_read(&archive->npz, out, size, n, err) != ERR_OK) {
            return err->code;
        }
        if (*n == 0 && !npz_stream_needs(&archive->npz, &array, &first)) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}
