/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ranks.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    N_CODES = 0
#define ERR(code, text) +1
#include "base/err.def"
#undef ERR
};

/* ---- states in memory ---- */

static void drop_states(struct ranks_checkpoint *self)
{
    for (int i = 0; i < self->n_states; i++) {
        mem_free(self->states[i].bytes);
    }
    self->n_states = 0;
}

static struct ranks_state *find_state(struct ranks_checkpoint *self, int task, bool told)
{
    for (int i = self->n_states - 1; i >= 0; i--) {
        if (self->states[i].task == task && self->states[i].told == told) {
            return &self->states[i];
        }
    }
    return NULL;
}

/* Room for one more; NULL: no memory. */
static struct ranks_state *new_state(struct ranks_checkpoint *self, int task, bool told)
{
    if (self->n_states == self->capacity) {
        int capacity = self->capacity > 0 ? 2 * self->capacity : 16;
        struct ranks_state *states =
            mem_realloc_array(self->states, (size_t)capacity, sizeof *states);
        if (states == NULL) {
            return NULL;
        }
        self->states = states;
        self->capacity = capacity;
    }
    self->states[self->n_states] = (struct ranks_state){.task = task, .told = told};
    return &self->states[self->n_states++];
}

/* In place of the task's former state; takes the bytes (mem; NULL: there was no memory). */
static enum err_code remember(struct ranks_checkpoint *self, const struct ranks_state *what,
                              struct err *err)
{
    void *copy = what->bytes;
    pthread_mutex_lock(&self->lock);
    struct ranks_state *state = find_state(self, what->task, what->told);
    if (state == NULL && copy != NULL) {
        state = new_state(self, what->task, what->told);
    }
    if (state != NULL && copy != NULL) {
        mem_free(state->bytes);
        state->bytes = copy;
        state->n_bytes = what->n_bytes;
        copy = NULL;
    } else {
        err_set(err, ERR_NOMEM, "no memory for the state of a task");
    }
    pthread_mutex_unlock(&self->lock);
    mem_free(copy);
    return err->code;
}

static enum err_code remember_copy(struct ranks_checkpoint *self, int task, const void *bytes,
                                   size_t n_bytes, struct err *err)
{
    const struct ranks_state state = {
        .task = task, .bytes = mem_dup(bytes, n_bytes), .n_bytes = n_bytes};
    return remember(self, &state, err);
}

/* Hands the state over: a task asks once. */
static enum err_code take(struct ranks_checkpoint *self, int task, void **bytes, size_t *n_bytes,
                          struct err *err)
{
    pthread_mutex_lock(&self->lock);
    struct ranks_state *state = find_state(self, task, false);
    bool found = state != NULL && state->bytes != NULL;
    if (found) {
        *bytes = state->bytes;
        *n_bytes = state->n_bytes;
        state->bytes = NULL;
    } else {
        err->code = ERR_NOT_FOUND;
    }
    pthread_mutex_unlock(&self->lock);
    return found ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- messages: an error or what was found, and states ---- */

static void put_error(struct bytes_writer *w, const struct err *err)
{
    bytes_put_u32(w, (uint32_t)err->code);
    bytes_put_text(w, err->msg);
}

static void get_error(struct bytes_reader *r, struct err *err)
{
    enum err_code code = (enum err_code)bytes_get_int(r, N_CODES - 1);
    char *text = bytes_get_text(r, sizeof err->msg - 1);
    if (code != ERR_OK && !r->failed) {
        err->code = code;
        snprintf(err->msg, sizeof err->msg, "%s", text != NULL ? text : "");
    }
    mem_free(text);
}

/* Exchanges what was written and frees it. A rank without memory for its own message says so by an
 * empty one, for the others not to wait. *all as of gather. */
static enum err_code exchange(struct ranks_checkpoint *self, struct bytes_writer *w, void **all,
                              size_t *sizes, struct err *err)
{
    struct err sent = ERR_INIT;
    const struct ranks *ranks = self->ranks;
    enum err_code code = ranks->gather(ranks->ctx, w->failed ? NULL : w->data,
                                       w->failed ? 0 : w->size, all, sizes, &sent);
    mem_free(w->data);
    *w = (struct bytes_writer){.data = NULL};
    for (int i = 0; i < ranks->n && code == ERR_OK; i++) {
        if (sizes[i] == 0) {
            code = err_set(&sent, ERR_NOMEM, "no memory for the states of rank %d", i);
        }
    }
    if (code != ERR_OK) {
        *err = sent;
        mem_free(*all);
        *all = NULL;
    }
    return code;
}

/* ---- the checkpoint ---- */

static bool is_due(void *ctx, int task)
{
    const struct ranks_checkpoint *self = ctx;
    return self->phase != RANKS_REPLAY && (self->phase == RANKS_APART || self->ranks->rank == 0) &&
           checkpoint_due(self->kept, task);
}

static enum err_code save(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err)
{
    struct ranks_checkpoint *self = ctx;
    bool apart = self->phase == RANKS_APART;
    if (self->phase == RANKS_REPLAY || (!apart && self->ranks->rank != 0)) {
        return ERR_OK;
    }
    if (apart && self->ranks->n > 1 && remember_copy(self, task, bytes, n_bytes, err) != ERR_OK) {
        return err->code;
    }
    return self->kept != NULL ? self->kept->save(self->kept->ctx, task, bytes, n_bytes, err)
                              : ERR_OK;
}

static enum err_code load_kept(const struct ranks_checkpoint *self, int task, void **bytes,
                               size_t *n_bytes, struct err *err)
{
    if (self->kept == NULL) {
        err->code = ERR_NOT_FOUND;
        return ERR_NOT_FOUND;
    }
    return self->kept->load(self->kept->ctx, task, bytes, n_bytes, err);
}

/* Rank 0 tells the others what it found, so that all go on alike. */
static enum err_code load_together(struct ranks_checkpoint *self, int task, void **bytes,
                                   size_t *n_bytes, struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    struct err found = ERR_INIT;
    void *all = NULL;
    size_t *sizes = mem_zalloc_array((size_t)self->ranks->n, sizeof *sizes);
    if (sizes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the state of a task");
    }
    if (self->ranks->rank == 0) {
        void *own = NULL;
        size_t n_own = 0;
        enum err_code code = load_kept(self, task, &own, &n_own, &found);
        found.code = code; /* one that was not found may be told by the code alone */
        put_error(&w, &found);
        bytes_put(&w, own, n_own);
        mem_free(own);
        err_clear(&found);
    } else {
        put_error(&w, &found);
    }
    if (exchange(self, &w, &all, sizes, err) == ERR_OK) {
        struct bytes_reader r = {.data = all, .left = sizes[0]};
        get_error(&r, err);
        if (r.failed || r.no_memory) {
            err_set(err, ERR_NOMEM, "no memory for the state of a task");
        } else if (err->code == ERR_OK) {
            *n_bytes = r.left;
            memmove(all, r.data, r.left);
            *bytes = all;
            all = NULL;
        }
    }
    mem_free(all);
    mem_free(sizes);
    return err->code;
}

static enum err_code load(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    struct ranks_checkpoint *self = ctx;
    if (self->phase == RANKS_REPLAY) {
        return take(self, task, bytes, n_bytes, err);
    }
    if (self->phase == RANKS_TOGETHER && self->kept != NULL && self->ranks->n > 1) {
        return load_together(self, task, bytes, n_bytes, err);
    }
    enum err_code code = load_kept(self, task, bytes, n_bytes, err);
    if (code == ERR_OK && self->phase == RANKS_APART &&
        remember_copy(self, task, *bytes, *n_bytes, err) != ERR_OK) {
        mem_free(*bytes);
        *bytes = NULL;
        return err->code;
    }
    return code;
}

enum err_code ranks_checkpoint_init(struct ranks_checkpoint *self, const struct ranks *ranks,
                                    const struct checkpoint *kept, struct err *err)
{
    *self = (struct ranks_checkpoint){
        .core = {.ctx = self, .due = is_due, .save = save, .load = load, .ranks = self},
        .ranks = ranks,
        .kept = kept,
        .phase = RANKS_TOGETHER};
    return pthread_mutex_init(&self->lock, NULL) == 0
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no lock for the states of tasks");
}

void ranks_checkpoint_release(struct ranks_checkpoint *self)
{
    drop_states(self);
    mem_free(self->states);
    self->states = NULL;
    pthread_mutex_destroy(&self->lock);
}

int ranks_count(const struct checkpoint *checkpoint)
{
    return checkpoint != NULL && checkpoint->ranks != NULL ? checkpoint->ranks->ranks->n : 1;
}

const struct checkpoint *ranks_kept(const struct checkpoint *checkpoint)
{
    return checkpoint != NULL && checkpoint->ranks != NULL ? checkpoint->ranks->kept : checkpoint;
}

const struct ranks *ranks_together(const struct checkpoint *checkpoint)
{
    return ranks_are_several(checkpoint) && checkpoint->ranks->phase == RANKS_TOGETHER &&
                   checkpoint->ranks->ranks->swap != NULL
               ? checkpoint->ranks->ranks
               : NULL;
}

bool ranks_are_several(const struct checkpoint *checkpoint)
{
    return ranks_count(checkpoint) > 1;
}

bool ranks_is_replay(const struct checkpoint *checkpoint)
{
    return ranks_are_several(checkpoint) && checkpoint->ranks->phase == RANKS_REPLAY;
}

/* ---- what tasks tell ---- */

enum err_code ranks_tell(const struct checkpoint *checkpoint, int task,
                         const struct ranks_piece *pieces, int n, struct err *err)
{
    struct ranks_state state = {.told = true};
    if (!ranks_are_several(checkpoint) || checkpoint->ranks->phase != RANKS_APART) {
        return ERR_OK;
    }
    for (int i = 0; i < n; i++) {
        state.n_bytes += pieces[i].n_bytes;
    }
    state.task = checkpoint->first + task;
    char *to = mem_alloc(state.n_bytes);
    state.bytes = to;
    for (int i = 0; i < n && to != NULL; i++) {
        if (pieces[i].n_bytes > 0) {
            memcpy(to, pieces[i].bytes, pieces[i].n_bytes);
        }
        to += pieces[i].n_bytes;
    }
    return remember(checkpoint->ranks, &state, err);
}

bool ranks_hear(const struct checkpoint *checkpoint, int task, const struct ranks_piece *pieces,
                int n)
{
    size_t n_bytes = 0;
    char *bytes = NULL;
    if (!ranks_is_replay(checkpoint)) {
        return false;
    }
    struct ranks_checkpoint *self = checkpoint->ranks;
    for (int i = 0; i < n; i++) {
        n_bytes += pieces[i].n_bytes;
    }
    pthread_mutex_lock(&self->lock);
    struct ranks_state *state = find_state(self, checkpoint->first + task, true);
    if (state != NULL && state->n_bytes == n_bytes) {
        bytes = state->bytes;
        state->bytes = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    bool heard = bytes != NULL;
    const char *at = bytes;
    for (int i = 0; i < n && heard; i++) {
        if (pieces[i].n_bytes > 0) {
            memcpy(pieces[i].bytes, at, pieces[i].n_bytes);
        }
        at += pieces[i].n_bytes;
    }
    mem_free(bytes);
    return heard;
}

/* ---- tasks ---- */

static void enter(struct ranks_checkpoint *self, enum ranks_phase phase)
{
    self->phase = phase;
    if (self->ranks->enter != NULL) {
        self->ranks->enter(self->ranks->ctx, phase);
    }
}

struct share {
    par_fn *fn;
    void *ctx;
    int rank, n; /* of the ranks */
};

static enum err_code run_own(void *ctx, int worker, int task, struct err *err)
{
    const struct share *share = ctx;
    return share->fn(share->ctx, worker, share->rank + task * share->n, err);
}

/* The task-th of those of all other ranks, of which each round of n tasks has one less. */
static enum err_code run_other(void *ctx, int worker, int task, struct err *err)
{
    const struct share *share = ctx;
    int round = task / (share->n - 1);
    int rank = task % (share->n - 1);
    rank += rank >= share->rank;
    return share->fn(share->ctx, worker, round * share->n + rank, err);
}

/* Numbers below n_tasks that are rank modulo n. */
static int count_own(int n_tasks, int rank, int n)
{
    return n_tasks > rank ? (n_tasks - rank - 1) / n + 1 : 0;
}

/* Replaces the states of this rank by those of the others; `own`: how its tasks ended. */
static enum err_code exchange_states(struct ranks_checkpoint *self, const struct err *own,
                                     struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    void *all = NULL;
    size_t *sizes = mem_zalloc_array((size_t)self->ranks->n, sizeof *sizes);
    if (sizes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the states of tasks");
    }
    put_error(&w, own);
    for (int i = 0; i < self->n_states && own->code == ERR_OK; i++) {
        const struct ranks_state *state = &self->states[i];
        bytes_put_i64(&w, state->task);
        bytes_put_u32(&w, state->told);
        bytes_put_i64(&w, (int64_t)state->n_bytes);
        bytes_put(&w, state->bytes, state->n_bytes);
    }
    drop_states(self);
    err_kept(exchange(self, &w, &all, sizes, err));
    const unsigned char *at = all;
    for (int rank = 0; rank < self->ranks->n && err->code == ERR_OK; rank++) {
        struct bytes_reader r = {.data = at, .left = sizes[rank]};
        at += sizes[rank];
        get_error(&r, err);
        while (err->code == ERR_OK && !r.failed && r.left > 0) {
            int64_t task = bytes_get_i64(&r);
            bool told = bytes_get_int(&r, 1) == 1;
            int64_t n_bytes = bytes_get_i64(&r);
            const void *bytes = n_bytes >= 0 ? bytes_get(&r, (size_t)n_bytes) : NULL;
            if (bytes == NULL || task < 0 || task > INT_MAX) {
                r.failed = true;
            } else if (rank != self->ranks->rank) {
                const struct ranks_state state = {.task = (int)task,
                                                  .told = told,
                                                  .bytes = mem_dup(bytes, (size_t)n_bytes),
                                                  .n_bytes = (size_t)n_bytes};
                err_kept(remember(self, &state, err));
            }
        }
        if (r.failed && err->code == ERR_OK) {
            err_set(err, r.no_memory ? ERR_NOMEM : ERR_CORRUPT,
                    "the states of rank %d cannot be read", rank);
        }
    }
    mem_free(all);
    mem_free(sizes);
    return err->code;
}

enum err_code ranks_run(const struct checkpoint *checkpoint, int n_threads, int n_tasks, par_fn *fn,
                        void *ctx, struct err *err)
{
    struct ranks_checkpoint *self = checkpoint != NULL ? checkpoint->ranks : NULL;
    if (self == NULL || self->ranks->n == 1 || self->phase != RANKS_TOGETHER) {
        return par_run(n_threads, n_tasks, fn, ctx, err);
    }
    struct share share = {.fn = fn, .ctx = ctx, .rank = self->ranks->rank, .n = self->ranks->n};
    int n_own = count_own(n_tasks, share.rank, share.n);
    struct err own = ERR_INIT;
    enter(self, RANKS_APART);
    err_kept(par_run(n_threads, n_own, run_own, &share, &own));
    if (exchange_states(self, &own, err) == ERR_OK) {
        int n_others = n_tasks - n_own;
        enter(self, RANKS_REPLAY);
        err_kept(par_run(n_threads, n_others, run_other, &share, err));
    }
    drop_states(self);
    enter(self, RANKS_TOGETHER);
    return err->code;
}
