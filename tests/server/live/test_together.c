/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that run together in the thread of their caller. */
#include "run.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "live/batcher.h"
#include "math/gemm.h"

#define D 2

struct client {
    struct batch_item item;
    struct predict_request request;
    struct predict_result result;
    struct arena arena;
    int ends; /* calls of `done` */
};

static struct metrics metrics;
static struct client clients[BATCH_TOGETHER_MAX];
static struct model *model;
static struct model *other;
static double x[(BATCH_TOGETHER_MAX + 7) * D];

static void on_done(void *ctx)
{
    ((struct client *)ctx)->ends++;
}

static struct model *make_model(uint64_t seed, int m)
{
    struct err err = ERR_INIT;
    struct model *made = NULL;
    struct arch arch = arch_default(D, 1);
    struct rng rng;
    arch.width = 8;
    ck_assert_int_eq(model_new(&arch, m, &made, &err), ERR_OK);
    rng_init(&rng, seed, RNG_TEST, 0);
    for (int k = 0; k < m * made->net.n_params; k++) {
        made->draws[k] = 0.4 * rng_normal(&rng);
    }
    made->in[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
    ck_assert_int_eq(model_publish(made, &err), ERR_OK);
    return made;
}

static void setup(void)
{
    gemm_use_one_thread();
    metrics_init(&metrics, NULL, 0, 0);
    model = make_model(1, 40);
    other = make_model(2, 40);
    struct rng rng;
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < (BATCH_TOGETHER_MAX + 7) * D; i++) {
        x[i] = 0.1 + rng_uniform(&rng);
    }
}

static void teardown(void)
{
    for (int i = 0; i < BATCH_TOGETHER_MAX; i++) {
        arena_release(&clients[i].arena);
    }
    model_unref(model);
    model_unref(other);
}

static struct batcher *start(void)
{
    struct err err = ERR_INIT;
    struct batcher *batcher = NULL;
    struct batcher_settings settings = {
        .n_threads = 1, .max_items = 8, .max_rows = 1000, .batch_rows = 16, .metrics = &metrics};
    ck_assert_int_eq(batcher_start(&settings, &batcher, &err), ERR_OK);
    return batcher;
}

static struct client *client_for(int i, const struct model *whose, int n, unsigned want)
{
    struct client *client = &clients[i];
    arena_release(&client->arena);
    *client = (struct client){.ends = 0};
    client->request =
        (struct predict_request){.n = n, .x = x + D * i, .want = want, .n_threads = 1};
    client->item = (struct batch_item){.model = whose,
                                       .request = &client->request,
                                       .result = &client->result,
                                       .arena = &client->arena,
                                       .done = on_done,
                                       .ctx = client,
                                       .err = ERR_INIT};
    return client;
}

static void check_answer(const struct client *client)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    ck_assert_int_eq(client->ends, 0); /* `done` is for what was submitted */
    ck_assert_msg(client->item.err.code == ERR_OK, "%s", client->item.err.msg);
    ck_assert_int_eq(predict_run(client->item.model, &client->request, &arena, &r, &err), ERR_OK);
    size_t bytes = (size_t)client->request.n * sizeof(double);
    ck_assert_int_eq(memcmp(r.mean, client->result.mean, bytes), 0);
    ck_assert_int_eq(memcmp(r.variance, client->result.variance, bytes), 0);
    arena_release(&arena);
}

/* Of two models, of one row to seven, every fifth with another result, and one that is wrong. */
static void make_together(struct batch_item *items[BATCH_TOGETHER_MAX])
{
    static double bad[D] = {-1.0, 0.5};
    static double levels[BATCH_TOGETHER_MAX];
    for (int i = 0; i < BATCH_TOGETHER_MAX; i++) {
        unsigned more = i % 5 == 0 ? PREDICT_QUANTILES : 0;
        struct client *client = client_for(i, i % 3 == 0 ? other : model, 1 + i % 7,
                                           PREDICT_MEAN | PREDICT_VARIANCE | more);
        if (more != 0) {
            client->request.n_levels = 1;
            client->request.levels = &levels[i];
            levels[i] = 0.01 * (1 + i / 10);
        }
        items[i] = &client->item;
    }
    clients[4].request.n = 1;
    clients[4].request.x = bad;
}

START_TEST(what_runs_together_is_what_each_gets_alone)
{
    struct batcher *batcher = start();
    struct batch_item *items[BATCH_TOGETHER_MAX];
    for (int n = 1; n <= BATCH_TOGETHER_MAX; n++) {
        make_together(items);
        batcher_run_all(batcher, items, n);
        for (int i = 0; i < n; i++) {
            if (i == 4) {
                ck_assert_int_eq(clients[i].item.err.code, ERR_INVALID);
                ck_assert_int_eq(clients[i].item.err.row, 0);
            } else {
                check_answer(&clients[i]);
            }
        }
    }
    ck_assert_int_gt(atomic_load(&metrics.batched_requests), 100);
    batcher_free(batcher);
}
END_TEST

START_TEST(short_memory_together_is_each_request_s_own_error)
{
    struct batcher *batcher = start();
    struct batch_item *items[BATCH_TOGETHER_MAX];
    int failures = 0;
    for (long at = 1; at <= 60; at++) {
        make_together(items);
        mem_fail_after(at, at % 2 == 0);
        batcher_run_all(batcher, items, BATCH_TOGETHER_MAX);
        mem_fail_after(0, false);
        for (int i = 0; i < BATCH_TOGETHER_MAX; i++) {
            enum err_code code = clients[i].item.err.code;
            failures += code == ERR_NOMEM;
            if (code == ERR_OK) {
                check_answer(&clients[i]);
            } else {
                ck_assert_int_eq(code, code == ERR_NOMEM ? ERR_NOMEM : ERR_INVALID);
                ck_assert(code == ERR_NOMEM || i == 4);
            }
        }
        batcher_give_back(batcher); /* so that the next round needs memory again */
    }
    ck_assert_int_gt(failures, 3);
    batcher_free(batcher);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("together");
    TCase *tc = tcase_create("together");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, what_runs_together_is_what_each_gets_alone);
    tcase_add_test(tc, short_memory_together_is_each_request_s_own_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
