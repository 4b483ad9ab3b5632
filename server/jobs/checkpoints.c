/* SPDX-License-Identifier: Apache-2.0 */
/*
 * is_due() is called at every step of every task. It therefore reads only the coarse clock, which
 * takes some nanoseconds and is a few milliseconds off, and an atomic number.
 */
#include "jobs/checkpoints.h"

#include "base/build.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/job_log.h"
#include "store/jobs/job_checkpoint_store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_NS (2 * CLOCK_S)

static int64_t coarse_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * CLOCK_S + t.tv_nsec;
}

static bool is_due(void *ctx, int task)
{
    struct checkpoints *checkpoints = ctx;
    atomic_llong *last = &checkpoints->last[task % CHECKPOINTS_SLOTS];
    int64_t now = coarse_ns();
    int64_t then = atomic_load_explicit(last, memory_order_relaxed);
    if (then == 0) {
        /* The first state is saved soon, so that an attempt that dies early leaves something. */
        int64_t soon = checkpoints->every_ns < FIRST_NS ? checkpoints->every_ns : FIRST_NS;
        atomic_store_explicit(last, now - checkpoints->every_ns + soon, memory_order_relaxed);
    }
    return then != 0 && now - then >= checkpoints->every_ns;
}

static void write_head(const struct checkpoints *checkpoints, size_t n_bytes, unsigned char *head)
{
    uint64_t n = n_bytes;
    memcpy(head, checkpoints->identity, SHA256_BYTES);
    memcpy(head + SHA256_BYTES, &n, sizeof n);
}

static enum err_code save_state(void *ctx, int task, const void *bytes, size_t n_bytes,
                                struct err *err)
{
    struct checkpoints *checkpoints = ctx;
    struct bytes_writer curves = {.data = NULL};
    struct err failure = ERR_INIT;
    (void)err; /* a failed save does not stop the job */
    checkpoints->curves(checkpoints->ctx, &curves);
    unsigned char head[CHECKPOINTS_HEAD];
    write_head(checkpoints, n_bytes, head);
    struct job_state_bytes state = {.task = task,
                                    .head = head,
                                    .n_head = sizeof head,
                                    .bytes = bytes,
                                    .n_bytes = n_bytes,
                                    .curves = curves.failed ? NULL : curves.data,
                                    .n_curves = curves.size};
    if (job_store_save_checkpoint(checkpoints->db, checkpoints->job->id, &state, &failure) ==
        ERR_OK) {
        metrics_add(&checkpoints->metrics->checkpoints, 1);
        metrics_set(&checkpoints->metrics->checkpoint_ms, db_now_ms());
    } else {
        metrics_add(&checkpoints->metrics->checkpoint_failures, 1);
        log_warn(checkpoints->log, "checkpoint not stored", JOB_LOG(checkpoints->job), "reason",
                 err_msg(&failure), NULL);
    }
    mem_free(curves.data);
    atomic_store_explicit(&checkpoints->last[task % CHECKPOINTS_SLOTS], coarse_ns(),
                          memory_order_relaxed);
    return ERR_OK;
}

/* Checks the head of a stored state and removes it; *n_bytes is the size before and after. */
static enum err_code check_head(const struct checkpoints *checkpoints, unsigned char *bytes,
                                size_t *n_bytes, struct err *err)
{
    unsigned char head[CHECKPOINTS_HEAD];
    if (*n_bytes < sizeof head || memcmp(bytes, checkpoints->identity, SHA256_BYTES) != 0) {
        return err_set(err, ERR_CORRUPT,
                       "a checkpoint was left by another build, on another kind of processor or "
                       "for other data");
    }
    write_head(checkpoints, *n_bytes - sizeof head, head);
    if (memcmp(bytes, head, sizeof head) != 0) {
        return err_set(err, ERR_CORRUPT, "a checkpoint is shorter or longer than it was stored");
    }
    *n_bytes -= sizeof head;
    memmove(bytes, bytes + sizeof head, *n_bytes);
    return ERR_OK;
}

static enum err_code load_state(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    struct checkpoints *checkpoints = ctx;
    void *found = NULL;
    size_t n_found = 0;
    enum err_code code = job_store_load_checkpoint(checkpoints->db, checkpoints->job->id, task,
                                                   &found, &n_found, err);
    if (code == ERR_OK || code == ERR_CORRUPT) {
        atomic_store_explicit(&checkpoints->loaded, true, memory_order_relaxed);
    }
    if (code != ERR_OK || check_head(checkpoints, found, &n_found, err) != ERR_OK) {
        mem_free(found);
        return err->code;
    }
    *bytes = found;
    *n_bytes = n_found;
    return ERR_OK;
}

static enum err_code digest_inputs(struct checkpoints *checkpoints,
                                   const struct checkpoints_inputs *inputs, struct err *err)
{
    char build[BUILD_CHARS];
    char base[32];
    struct digest digest = {.state = NULL};
    build_describe(build, sizeof build);
    snprintf(base, sizeof base, "%lld", (long long)inputs->base_version);
    /* Each text with its NUL, so that different texts never make the same bytes. */
    if (digest_open(&digest, err) == ERR_OK &&
        digest_add(&digest, build, strlen(build) + 1, err) == ERR_OK &&
        digest_add(&digest, inputs->fingerprint, strlen(inputs->fingerprint) + 1, err) == ERR_OK &&
        digest_add(&digest, base, strlen(base) + 1, err) == ERR_OK &&
        (inputs->space == NULL ||
         digest_add(&digest, inputs->space, strlen(inputs->space), err) == ERR_OK)) {
        err_kept(digest_add(&digest, inputs->request, inputs->n_request, err));
    }
    digest_close(&digest, err->code == ERR_OK ? checkpoints->identity : NULL);
    return err->code;
}

enum err_code checkpoints_init(struct checkpoints *checkpoints, int64_t every_ms,
                               const struct checkpoints_inputs *inputs, struct err *err)
{
    checkpoints->core = (struct checkpoint){
        .ctx = checkpoints, .due = is_due, .save = save_state, .load = load_state};
    checkpoints->every_ns = (every_ms > 0 ? every_ms : 1000 * CHECKPOINTS_S) * CLOCK_MS;
    atomic_init(&checkpoints->loaded, false);
    for (int i = 0; i < CHECKPOINTS_SLOTS; i++) {
        atomic_init(&checkpoints->last[i], 0);
    }
    return digest_inputs(checkpoints, inputs, err);
}
