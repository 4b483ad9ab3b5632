/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ranks_sum.h"

#include "base/mem.h"

#include <string.h>

#define MAX_COLUMNS (1 << 18) /* 2 MB of each part */

/* Where the share of `rank` of n things begins. */
static int share_begin(int n, int rank, int n_ranks)
{
    return (int)((int64_t)n * rank / n_ranks);
}

static int share_of(int n, int rank, int n_ranks)
{
    return share_begin(n, rank + 1, n_ranks) - share_begin(n, rank, n_ranks);
}

enum err_code ranks_sum_init(struct ranks_sum *self, const struct checkpoint *checkpoint,
                             int n_parts, size_t length, struct err *err)
{
    const struct ranks *ranks = ranks_together(checkpoint);
    *self = (struct ranks_sum){.ranks = ranks, .n_parts = n_parts, .n_own = n_parts};
    if (ranks == NULL) {
        return ERR_OK;
    }
    self->first = share_begin(n_parts, ranks->rank, ranks->n);
    self->n_own = share_of(n_parts, ranks->rank, ranks->n);
    self->columns = length < MAX_COLUMNS ? (int)length : MAX_COLUMNS;
    size_t share = (size_t)(self->columns / ranks->n + 1);
    /* Also for a sum, where this rank has no part. */
    size_t sent = (size_t)self->n_own * (size_t)self->columns;
    self->sent = mem_alloc_array(sent > share ? sent : share, sizeof *self->sent);
    self->received = mem_alloc_array((size_t)n_parts, share * sizeof *self->received);
    self->counts = mem_alloc_array(4 * (size_t)ranks->n, sizeof *self->counts);
    if (self->sent == NULL || self->received == NULL || self->counts == NULL) {
        ranks_sum_release(self);
        return err_set(err, ERR_NOMEM, "no memory for sums over %d ranks", ranks->n);
    }
    return ERR_OK;
}

void ranks_sum_release(struct ranks_sum *self)
{
    mem_free(self->sent);
    mem_free(self->received);
    mem_free(self->counts);
    *self = (struct ranks_sum){.n_own = 0};
}

/* total [n] <- the sum of parts [n_parts x stride]. */
static void add_parts(const double *parts, int n_parts, size_t stride, size_t n, double *total)
{
    memcpy(total, parts, n * sizeof *total);
    for (int p = 1; p < n_parts; p++) {
        const double *part = parts + (size_t)p * stride;
        for (size_t k = 0; k < n; k++) {
            total[k] += part[k];
        }
    }
}

/* The columns first .. first + n - 1 of the own parts, by the ranks that add them up. */
static void pack_parts(const struct ranks_sum *self, const double *parts, size_t length, int n)
{
    int n_ranks = self->ranks->n;
    double *to = self->sent;
    for (int rank = 0; rank < n_ranks; rank++) {
        size_t share = (size_t)share_of(n, rank, n_ranks);
        const double *from = parts + share_begin(n, rank, n_ranks);
        for (int p = 0; p < self->n_own && share > 0; p++) {
            memcpy(to, from + (size_t)p * length, share * sizeof *to);
            to += share;
        }
    }
}

/* Parts to those who add them up. */
static enum err_code swap_parts(const struct ranks_sum *self, int n, struct err *err)
{
    const struct ranks *ranks = self->ranks;
    int n_ranks = ranks->n;
    int own = share_of(n, ranks->rank, n_ranks);
    int *counts = self->counts;
    const struct ranks_swap swap = {.to = self->sent,
                                    .to_counts = counts,
                                    .to_offsets = counts + n_ranks,
                                    .from = self->received,
                                    .from_counts = counts + 2 * n_ranks,
                                    .from_offsets = counts + 3 * n_ranks};
    for (int rank = 0; rank < n_ranks; rank++) {
        counts[rank] = self->n_own * share_of(n, rank, n_ranks);
        counts[n_ranks + rank] = self->n_own * share_begin(n, rank, n_ranks);
        counts[2 * n_ranks + rank] = share_of(self->n_parts, rank, n_ranks) * own;
        counts[3 * n_ranks + rank] = share_begin(self->n_parts, rank, n_ranks) * own;
    }
    return ranks->swap(ranks->ctx, &swap, err);
}

/* Sums to all; total [n]. */
static enum err_code swap_sums(const struct ranks_sum *self, int n, double *total, struct err *err)
{
    const struct ranks *ranks = self->ranks;
    int n_ranks = ranks->n;
    int *counts = self->counts;
    const struct ranks_swap swap = {.to = self->sent,
                                    .to_counts = counts,
                                    .to_offsets = counts + n_ranks,
                                    .from = total,
                                    .from_counts = counts + 2 * n_ranks,
                                    .from_offsets = counts + 3 * n_ranks};
    for (int rank = 0; rank < n_ranks; rank++) {
        counts[rank] = share_of(n, ranks->rank, n_ranks);
        counts[n_ranks + rank] = 0;
        counts[2 * n_ranks + rank] = share_of(n, rank, n_ranks);
        counts[3 * n_ranks + rank] = share_begin(n, rank, n_ranks);
    }
    return ranks->swap(ranks->ctx, &swap, err);
}

enum err_code ranks_sum_run(const struct ranks_sum *self, const double *parts, size_t length,
                            double *total, struct err *err)
{
    if (self->ranks == NULL) {
        add_parts(parts, self->n_parts, length, length, total);
        return ERR_OK;
    }
    for (size_t first = 0; first < length && err->code == ERR_OK;) {
        size_t left = length - first;
        int n = left < (size_t)self->columns ? (int)left : self->columns;
        size_t share = (size_t)share_of(n, self->ranks->rank, self->ranks->n);
        pack_parts(self, parts + first, length, n);
        if (swap_parts(self, n, err) == ERR_OK) {
            add_parts(self->received, self->n_parts, share, share, self->sent);
            err_kept(swap_sums(self, n, total + first, err));
        }
        first += (size_t)n;
    }
    return err->code;
}
