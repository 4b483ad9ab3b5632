/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks over ranks that are threads here: each task is done once, and all ranks know all results.
 */
#include "run.h"

#include "rank_hub.h"

#include <stdint.h>

#include "base/mem.h"
#include "base/ranks.h"

enum { MAX_RANKS = HUB_MAX_RANKS, N_TASKS = 11, FAILING = 5 };

struct member {
    struct ranks ranks;
    struct ranks_checkpoint checkpoint;
    bool saves;        /* a task leaves its end; else it is done again by all */
    bool tells;        /* a task tells its result instead */
    int failing;       /* task that fails; -1: none */
    int done[N_TASKS]; /* how often it was computed here */
    uint64_t results[N_TASKS];
    struct err err;
};

static enum err_code do_task(void *ctx, int worker, int task, struct err *err)
{
    struct member *self = ctx;
    struct bytes_writer w = {.data = NULL};
    struct bytes_reader r;
    void *bytes = NULL;
    bool found = false;
    const struct ranks_piece pieces[] = {{&self->results[task], sizeof *self->results}, {NULL, 0}};
    if (ranks_hear(&self->checkpoint.core, task, pieces, 2)) {
        return ERR_OK;
    }
    if (task == self->failing) {
        return err_set(err, ERR_NUMERIC, "task %d diverged", task);
    }
    if (checkpoint_load(&self->checkpoint.core, task, &bytes, &r, &found, err) != ERR_OK) {
        return err->code;
    }
    if (found) {
        self->results[task] = (uint64_t)bytes_get_i64(&r);
        mem_free(bytes);
        return checkpoint_check(&r, err);
    }
    self->done[task]++;
    self->results[task] = (uint64_t)(1000 + task * task);
    if (self->tells) {
        return ranks_tell(&self->checkpoint.core, task, pieces, 2, err);
    }
    if (!self->saves) {
        return ERR_OK;
    }
    bytes_put_i64(&w, (int64_t)self->results[task]);
    return checkpoint_save(&self->checkpoint.core, task, &w, err);
}

static void begin(struct member *self)
{
    *self = (struct member){.saves = true, .failing = -1, .err = ERR_INIT};
}

static void run_member(struct member *self)
{
    if (ranks_checkpoint_init(&self->checkpoint, &self->ranks, NULL, &self->err) == ERR_OK) {
        err_kept(ranks_run(&self->checkpoint.core, 2, N_TASKS, do_task, self, &self->err));
        ranks_checkpoint_release(&self->checkpoint);
    }
}

static void run_rank(struct hub_rank *rank)
{
    struct member *self = rank->ctx;
    self->ranks = rank->ranks;
    run_member(self);
}

static void run_all(struct rank_hub *hub, struct member *members)
{
    struct hub_rank ranks[MAX_RANKS];
    for (int i = 0; i < hub->n; i++) {
        ranks[i] = (struct hub_rank){.run = run_rank, .ctx = &members[i]};
    }
    rank_hub_run(hub, ranks);
}

START_TEST(each_task_is_done_once_and_known_to_all)
{
    for (int k = 2; k < 2 * MAX_RANKS + 2; k++) {
        int n = k / 2;
        struct rank_hub hub = {.n = n};
        struct member members[MAX_RANKS];
        for (int i = 0; i < n; i++) {
            begin(&members[i]);
            members[i].tells = k % 2 == 1;
        }
        run_all(&hub, members);
        for (int task = 0; task < N_TASKS; task++) {
            for (int i = 0; i < n; i++) {
                ck_assert_msg(members[i].err.code == ERR_OK, "%s", err_msg(&members[i].err));
                ck_assert_int_eq(members[i].done[task], task % n == i);
                ck_assert_uint_eq(members[i].results[task], (uint64_t)(1000 + task * task));
            }
        }
    }
}
END_TEST

/* That costs time and changes nothing. */
START_TEST(what_is_not_saved_is_done_by_all)
{
    struct rank_hub hub = {.n = 3};
    struct member members[MAX_RANKS];
    for (int i = 0; i < 3; i++) {
        begin(&members[i]);
        members[i].saves = false;
    }
    run_all(&hub, members);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(members[i].err.code, ERR_OK);
        for (int task = 0; task < N_TASKS; task++) {
            ck_assert_int_eq(members[i].done[task], 1);
        }
    }
}
END_TEST

START_TEST(an_error_is_that_of_all)
{
    for (int fails = 0; fails < 2; fails++) { /* a task of rank 2, or the exchange */
        struct rank_hub hub = {.n = 3, .fails = fails == 1};
        struct member members[MAX_RANKS];
        for (int i = 0; i < 3; i++) {
            begin(&members[i]);
            members[i].failing = fails == 0 ? FAILING : -1;
        }
        run_all(&hub, members);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(members[i].err.code, fails == 0 ? ERR_NUMERIC : ERR_IO);
            ck_assert_str_eq(err_msg(&members[i].err),
                             fails == 0 ? "task 5 diverged" : "the ranks have lost each other");
        }
    }
}
END_TEST

/* ---- one rank of two, beside what the other one once said ---- */

static struct {
    unsigned char bytes[4096];
    size_t n;
} heard;

static enum err_code hear(void *ctx, const void *bytes, size_t n_bytes, void **all, size_t *sizes,
                          struct err *err)
{
    (void)ctx;
    (void)all;
    (void)sizes;
    ck_assert_uint_le(n_bytes, sizeof heard.bytes);
    memcpy(heard.bytes, bytes, n_bytes);
    heard.n = n_bytes;
    return err_set(err, ERR_IO, "heard");
}

static enum err_code answer(void *ctx, const void *bytes, size_t n_bytes, void **all, size_t *sizes,
                            struct err *err)
{
    (void)ctx;
    unsigned char *to = mem_alloc(n_bytes + heard.n);
    *all = to;
    if (to == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for what ranks say");
    }
    if (n_bytes > 0) {
        memcpy(to, bytes, n_bytes);
    }
    memcpy(to + n_bytes, heard.bytes, heard.n);
    sizes[0] = n_bytes;
    sizes[1] = heard.n;
    return ERR_OK;
}

static void hear_other(struct member *other)
{
    begin(other);
    other->ranks = (struct ranks){.rank = 1, .n = 2, .gather = hear};
    run_member(other);
    ck_assert_int_eq(other->err.code, ERR_IO);
}

static enum err_code run_beside(struct member *self)
{
    begin(self);
    self->ranks = (struct ranks){.rank = 0, .n = 2, .gather = answer};
    run_member(self);
    return self->err.code;
}

/* One that is not needed, for the text of no error, does not matter. */
START_TEST(every_failed_allocation_is_survived)
{
    struct member self, other;
    bool ended = false;
    int n_refused = 0;
    hear_other(&other);
    for (long at = 1; !ended; at++) {
        ck_assert_int_lt(at, 1000);
        mem_fail_after(at, false);
        enum err_code code = run_beside(&self);
        ended = mem_attempts() < at;
        mem_fail_after(0, false);
        ck_assert(code == ERR_OK || (code == ERR_NOMEM && !ended));
        n_refused += code == ERR_NOMEM;
        for (int task = 0; task < N_TASKS && code == ERR_OK; task++) {
            ck_assert_uint_eq(self.results[task], (uint64_t)(1000 + task * task));
        }
    }
    ck_assert_int_gt(n_refused, 10);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    struct member self, other;
    hear_other(&other);
    size_t whole = heard.n;
    ck_assert_int_eq(run_beside(&self), ERR_OK);
    for (heard.n = 0; heard.n < whole; heard.n++) {
        enum err_code code = run_beside(&self);
        /* Nothing at all is how a rank without memory answers; a cut between two states leaves the
         * rest to be done here. */
        ck_assert(code == (heard.n == 0 ? ERR_NOMEM : ERR_CORRUPT) || code == ERR_OK);
        ck_assert(code != ERR_OK || self.results[1] == 1001);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, each_task_is_done_once_and_known_to_all);
    tcase_add_test(tc, what_is_not_saved_is_done_by_all);
    tcase_add_test(tc, an_error_is_that_of_all);
    tcase_add_test(tc, every_failed_allocation_is_survived);
    tcase_add_test(tc, what_cannot_be_read_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
