/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/rows_share.h"

#include "base/mem.h"
#include "formats/npy.h"
#include "jobs/rows/rows.h"
#include "model/space_rows.h"
#include "outside/rows_source.h"

#include <string.h>

#define BLOCK_BYTES ((size_t)4 << 20)

/* What rank 0 says before the rows. */
struct head {
    struct err failure;
    int n, k;
    bool flat;
    unsigned char digest[SHA256_BYTES];
};

/* Of one rank. */
struct sharing {
    struct inputs *inputs;
    const struct ranks *ranks;
    struct npy npy; /* of rank 0 */
    struct head head;
};

/* ---- the head ---- */

static void read_head(struct sharing *self, struct rows_source *source, const char *from,
                      struct arena *arena)
{
    struct head *head = &self->head;
    if (rows_source_open(source, from, &head->failure) == ERR_OK &&
        npy_parse(source->bytes, source->n, ROWS_MAX, arena, &self->npy, &head->failure) ==
            ERR_OK) {
        head->n = self->npy.n;
        head->k = self->npy.k;
        head->flat = self->npy.flat;
        err_kept(digest_sha256(source->bytes, source->n, head->digest, &head->failure));
    }
}

/* All have the same program, and so the same struct. */
static enum err_code share_head(struct sharing *self, struct err *err)
{
    const struct ranks *ranks = self->ranks;
    void *all = NULL;
    size_t *sizes = mem_zalloc_array((size_t)ranks->n, sizeof *sizes);
    if (sizes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to talk with %d ranks", ranks->n);
    }
    if (ranks->n > 1 &&
        ranks->gather(ranks->ctx, &self->head, ranks->rank == 0 ? sizeof self->head : 0, &all,
                      sizes, err) == ERR_OK) {
        if (sizes[0] == sizeof self->head) {
            memcpy(&self->head, all, sizeof self->head);
        } else {
            err_set(err, ERR_CORRUPT, "rank 0 does not say what rows there are");
        }
    }
    mem_free(all);
    mem_free(sizes);
    if (err->code == ERR_OK && self->head.failure.code != ERR_OK) {
        *err = self->head.failure;
    }
    return err->code;
}

/* ---- the rows ---- */

static enum err_code make_room(const struct sharing *self, int outputs, struct err *err)
{
    struct inputs *inputs = self->inputs;
    const struct head *head = &self->head;
    int o = inputs->space != NULL ? inputs->space->o : outputs;
    int d = head->k - o;
    if (head->flat || d < 1 || d > ARCH_MAX_INPUTS ||
        (inputs->space != NULL && d != inputs->space->d)) {
        return err_set(err, ERR_SHAPE, "there are %d columns; inputs and %d outputs are needed",
                       head->k, o);
    }
    inputs->x = mem_alloc_array((size_t)head->n * (size_t)d, sizeof(double));
    inputs->y = mem_alloc_array((size_t)head->n * (size_t)o, sizeof(double));
    if (inputs->x == NULL || inputs->y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d rows", head->n);
    }
    inputs->data = (struct data){.n = head->n, .d = d, .o = o, .x = inputs->x, .y = inputs->y};
    return ERR_OK;
}

/* Rows first .. first + n - 1 from values [n x k]. */
static void keep_block(const struct sharing *self, int first, int n, const char *values)
{
    const struct inputs *inputs = self->inputs;
    size_t d = (size_t)inputs->data.d;
    size_t o = (size_t)inputs->data.o;
    for (size_t i = 0; i < (size_t)n; i++) {
        const char *row = values + i * (d + o) * sizeof(double);
        size_t at = (size_t)first + i;
        memcpy(inputs->x + at * d, row, d * sizeof(double));
        memcpy(inputs->y + at * o, row + d * sizeof(double), o * sizeof(double));
    }
}

static enum err_code share_block(const struct sharing *self, int first, int n, size_t *sizes,
                                 struct err *err)
{
    const struct ranks *ranks = self->ranks;
    size_t k = (size_t)self->head.k;
    size_t n_bytes = (size_t)n * k * sizeof(double);
    const double *own = ranks->rank == 0 ? self->npy.values + (size_t)first * k : NULL;
    void *all = NULL;
    if (ranks->n == 1) {
        keep_block(self, first, n, (const char *)own);
        return ERR_OK;
    }
    if (ranks->gather(ranks->ctx, own, own != NULL ? n_bytes : 0, &all, sizes, err) == ERR_OK) {
        if (sizes[0] == n_bytes) {
            keep_block(self, first, n, all);
        } else {
            err_set(err, ERR_CORRUPT, "rank 0 sent other rows");
        }
    }
    mem_free(all);
    return err->code;
}

static enum err_code share_values(const struct sharing *self, struct err *err)
{
    size_t per_block = BLOCK_BYTES / ((size_t)self->head.k * sizeof(double));
    int step = per_block > 1 ? (int)per_block : 1;
    size_t *sizes = mem_zalloc_array((size_t)self->ranks->n, sizeof *sizes);
    if (sizes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to talk with %d ranks", self->ranks->n);
    }
    for (int first = 0; first < self->head.n && err->code == ERR_OK; first += step) {
        int left = self->head.n - first;
        err_kept(share_block(self, first, left < step ? left : step, sizes, err));
    }
    mem_free(sizes);
    return err->code;
}

static enum err_code check_rows(const struct inputs *inputs, struct err *err)
{
    const struct data *data = &inputs->data;
    struct space_fault fault;
    const struct space_rows rows = {
        .n = (size_t)data->n, .stride = (size_t)data->d, .v = inputs->x};
    if (data_check_finite(data->x, (size_t)data->n, data->d, 0, err) != ERR_OK ||
        data_check_outputs(data->y, (size_t)data->n, data->o, 0, err) != ERR_OK) {
        return err->code;
    }
    if (inputs->space != NULL && space_find_fault(inputs->space, &rows, &fault)) {
        char wanted[SPACE_WANTED_CHARS];
        space_describe_wanted(&inputs->space->inputs[fault.column], wanted);
        return err_set_at(err, ERR_INVALID, (int)fault.row, fault.column,
                          "row %zu: input %.64s is %g; %s", fault.row,
                          inputs->space->inputs[fault.column].name, fault.value, wanted);
    }
    return ERR_OK;
}

enum err_code rows_share(struct inputs *inputs, const struct inputs_paths *paths,
                         const struct ranks *ranks, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct rows_source source = {.bytes = NULL};
    struct sharing self = {.inputs = inputs, .ranks = ranks, .head = {.failure = ERR_INIT}};
    if (ranks->rank == 0) {
        read_head(&self, &source, paths->rows, &arena);
    }
    if (share_head(&self, err) == ERR_OK && make_room(&self, paths->outputs, err) == ERR_OK &&
        share_values(&self, err) == ERR_OK && check_rows(inputs, err) == ERR_OK) {
        memcpy(inputs->rows_digest, self.head.digest, SHA256_BYTES);
    }
    rows_source_close(&source);
    arena_release(&arena);
    err_prefix(err, "rows");
    return err->code;
}
