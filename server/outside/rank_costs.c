/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/rank_costs.h"

#include "base/clock.h"

#include <time.h>

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * CLOCK_S + t.tv_nsec;
}

static void enter(void *ctx, enum ranks_phase phase)
{
    struct rank_costs *self = ctx;
    rank_costs_close(self);
    self->phase = phase;
}

static enum err_code gather(void *ctx, const void *bytes, size_t n_bytes, void **all, size_t *sizes,
                            struct err *err)
{
    struct rank_costs *self = ctx;
    const struct ranks *inner = self->inner;
    int64_t begun = clock_ns();
    rank_costs_close(self);
    enum err_code code = inner->gather(inner->ctx, bytes, n_bytes, all, sizes, err);
    self->waited_ns += clock_ns() - begun;
    self->since_ns = cpu_ns(); /* an MPI that waits is busy */
    self->exchanges++;
    for (int i = 0; i < inner->n && code == ERR_OK; i++) {
        self->bytes += (int64_t)sizes[i];
    }
    return code;
}

static enum err_code swap(void *ctx, const struct ranks_swap *what, struct err *err)
{
    struct rank_costs *self = ctx;
    const struct ranks *inner = self->inner;
    int64_t begun = clock_ns();
    rank_costs_close(self);
    enum err_code code = inner->swap(inner->ctx, what, err);
    self->swapped_ns += clock_ns() - begun;
    self->since_ns = cpu_ns();
    self->swaps++;
    for (int i = 0; i < inner->n; i++) {
        self->swapped_bytes += i != inner->rank ? what->to_counts[i] * (int64_t)sizeof(double) : 0;
    }
    return code;
}

void rank_costs_init(struct rank_costs *self, const struct ranks *inner)
{
    *self = (struct rank_costs){.core = {.rank = inner->rank,
                                         .n = inner->n,
                                         .ctx = self,
                                         .gather = gather,
                                         .swap = inner->swap != NULL ? swap : NULL,
                                         .enter = enter},
                                .inner = inner,
                                .phase = RANKS_TOGETHER,
                                .since_ns = cpu_ns()};
}

void rank_costs_close(struct rank_costs *self)
{
    int64_t now = cpu_ns();
    self->cpu_ns[self->phase] += now - self->since_ns;
    self->since_ns = now;
}
