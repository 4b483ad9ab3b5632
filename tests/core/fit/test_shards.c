/* SPDX-License-Identifier: Apache-2.0 */
/* Losses in shards against the losses themselves, with and without missing outputs, by one process,
 * by threads and by ranks; and sums over ranks against sums in the order of their parts. */
#include "rank_hub.h"
#include "run.h"

#include <math.h>

#include "fit/shards.h"

enum { ROWS = 23, INPUTS = 2, OUTPUTS = 2, MAX_K = 400 };

struct scene {
    struct resnet net;
    struct objective objective;
    struct data rows;
    double x[ROWS * INPUTS], y[ROWS * OUTPUTS];
    double params[MAX_K];
    int n_params;
};

static void scene_init(struct scene *s, enum objective_kind kind, enum noise_kind noise, bool holes)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_default(INPUTS, OUTPUTS);
    memset(s, 0, sizeof *s);
    arch.width = 4;
    arch.layers = 2;
    ck_assert_int_eq(resnet_init(&s->net, &arch, &err), ERR_OK);
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < ROWS * INPUTS; i++) {
        s->x[i] = rng_normal(&rng);
    }
    for (int i = 0; i < ROWS * OUTPUTS; i++) {
        s->y[i] = holes && i % 5 == 0 ? (double)NAN : rng_normal(&rng);
    }
    s->objective = (struct objective){
        .kind = kind, .noise = noise, .noise_sigma = 0.3, .prior_sigma = 0.7, .n_total = 2 * ROWS};
    s->rows = (struct data){.n = ROWS, .d = INPUTS, .o = OUTPUTS, .x = s->x, .y = s->y};
    if (holes) {
        data_find_holes(&s->rows);
    }
    s->n_params = objective_n_params(&s->objective, &s->net);
    ck_assert_int_le(s->n_params, MAX_K);
    for (int i = 0; i < s->n_params; i++) {
        s->params[i] = 0.5 * rng_normal(&rng);
    }
}

/* Of rows in a number of shards: value, gradient [MAX_K], and the value without a gradient. */
struct found {
    double value, alone;
    double grad[MAX_K];
};

static void evaluate(const struct scene *s, int shards, int threads,
                     const struct checkpoint *checkpoint, struct found *found)
{
    struct objective_loss whole = {.net = NULL};
    struct shards in = {.n = 0};
    struct err err = ERR_INIT;
    ck_assert_int_eq(objective_loss_init(&whole, &s->objective, &s->net, &err), ERR_OK);
    struct loss loss = objective_loss_as_loss(&whole);
    if (shards > 0) {
        ck_assert_int_eq(shards_init(&in, &loss, shards, threads, checkpoint, &err), ERR_OK);
        loss = in.core;
    }
    ck_assert_int_eq(loss.n_params, s->n_params);
    found->value = loss.train(loss.ctx, &s->rows, s->params, found->grad, NULL);
    found->alone = loss.value(loss.ctx, &s->rows, s->params);
    ck_assert_int_eq(in.err.code, ERR_OK);
    shards_release(&in);
    objective_loss_release(&whole);
}

static const struct {
    enum objective_kind kind;
    enum noise_kind noise;
} kinds[] = {{OBJECTIVE_MSE, NOISE_ESTIMATED},
             {OBJECTIVE_NLL, NOISE_GIVEN},
             {OBJECTIVE_NLL, NOISE_LEARNED},
             {OBJECTIVE_NLP, NOISE_LEARNED}};

/* 23 rows in 30 shards leave some without any. */
START_TEST(shards_add_up_to_the_loss)
{
    static const int shards[] = {1, 2, 5, 30};
    struct scene s;
    struct found whole, in;
    for (int k = 0; k < 8; k++) {
        scene_init(&s, kinds[k / 2].kind, kinds[k / 2].noise, k % 2 == 1);
        evaluate(&s, 0, 1, NULL, &whole);
        for (int i = 0; i < 4; i++) {
            evaluate(&s, shards[i], 1, NULL, &in);
            ck_assert_double_lt(fabs(in.value - whole.value), 1e-12 * (1.0 + fabs(whole.value)));
            ck_assert_double_lt(fabs(in.alone - whole.value), 1e-12 * (1.0 + fabs(whole.value)));
            for (int p = 0; p < s.n_params; p++) {
                ck_assert_double_lt(fabs(in.grad[p] - whole.grad[p]),
                                    1e-12 * (10.0 + fabs(whole.grad[p])));
            }
        }
        resnet_release(&s.net);
    }
}
END_TEST

/* ---- the same bits by whomever ---- */

struct rank_scene {
    const struct scene *scene;
    int shards;
    struct found found;
};

static void evaluate_on_rank(struct hub_rank *rank)
{
    struct rank_scene *self = rank->ctx;
    struct ranks_checkpoint checkpoint;
    struct err err = ERR_INIT;
    ck_assert_int_eq(ranks_checkpoint_init(&checkpoint, &rank->ranks, NULL, &err), ERR_OK);
    evaluate(self->scene, self->shards, 2, &checkpoint.core, &self->found);
    ranks_checkpoint_release(&checkpoint);
}

START_TEST(threads_and_ranks_change_nothing)
{
    static const int shards[] = {1, 3, 8};
    struct scene s;
    struct found alone, threads;
    scene_init(&s, OBJECTIVE_NLP, NOISE_LEARNED, true);
    for (int i = 0; i < 3; i++) {
        size_t size = (size_t)s.n_params * sizeof *alone.grad;
        evaluate(&s, shards[i], 1, NULL, &alone);
        evaluate(&s, shards[i], 3, NULL, &threads);
        ck_assert(threads.value == alone.value && threads.alone == alone.alone);
        ck_assert_mem_eq(threads.grad, alone.grad, size);
        for (int n = 2; n <= HUB_MAX_RANKS; n++) {
            struct rank_hub hub = {.n = n};
            struct hub_rank ranks[HUB_MAX_RANKS];
            struct rank_scene scenes[HUB_MAX_RANKS];
            for (int r = 0; r < n; r++) {
                scenes[r] = (struct rank_scene){.scene = &s, .shards = shards[i]};
                ranks[r] = (struct hub_rank){.run = evaluate_on_rank, .ctx = &scenes[r]};
            }
            rank_hub_run(&hub, ranks);
            for (int r = 0; r < n; r++) {
                ck_assert(scenes[r].found.value == alone.value);
                ck_assert(scenes[r].found.alone == alone.alone);
                ck_assert_mem_eq(scenes[r].found.grad, alone.grad, size);
            }
        }
    }
    resnet_release(&s.net);
}
END_TEST

/* ---- sums ---- */

/* More numbers than are sent at a time, and not a multiple of anything. */
enum { LENGTH = 270001, PARTS = 5 };

static double number(int part, size_t k)
{
    return sin((double)part * 1000.0 + (double)k) * pow(10.0, (double)((size_t)part * k % 7));
}

struct summed {
    double *total; /* mem */
    bool lost;
};

static void sum_on_rank(struct hub_rank *rank)
{
    struct summed *self = rank->ctx;
    struct ranks_checkpoint checkpoint;
    struct ranks_sum sum;
    struct err err = ERR_INIT;
    ck_assert_int_eq(ranks_checkpoint_init(&checkpoint, &rank->ranks, NULL, &err), ERR_OK);
    ck_assert_int_eq(ranks_sum_init(&sum, &checkpoint.core, PARTS, LENGTH, &err), ERR_OK);
    double *parts = mem_alloc_array((size_t)sum.n_own + 1, LENGTH * sizeof *parts);
    self->total = mem_alloc_array(LENGTH, sizeof *self->total);
    ck_assert(parts != NULL && self->total != NULL);
    for (int p = 0; p < sum.n_own; p++) {
        for (size_t k = 0; k < LENGTH; k++) {
            parts[(size_t)p * LENGTH + k] = number(sum.first + p, k);
        }
    }
    if (!self->lost || rank->ranks.rank != 1) { /* rank 1 goes away without a word */
        enum err_code code = ranks_sum_run(&sum, parts, LENGTH, self->total, &err);
        ck_assert_int_eq(code, self->lost ? ERR_IO : ERR_OK);
    }
    mem_free(parts);
    ranks_sum_release(&sum);
    ranks_checkpoint_release(&checkpoint);
}

START_TEST(sums_are_in_the_order_of_the_parts)
{
    for (int n = 1; n <= HUB_MAX_RANKS; n++) {
        struct rank_hub hub = {.n = n};
        struct hub_rank ranks[HUB_MAX_RANKS];
        struct summed sums[HUB_MAX_RANKS] = {{.lost = false}};
        for (int r = 0; r < n; r++) {
            ranks[r] = (struct hub_rank){.run = sum_on_rank, .ctx = &sums[r]};
        }
        rank_hub_run(&hub, ranks);
        for (size_t k = 0; k < LENGTH; k++) {
            double total = number(0, k);
            for (int p = 1; p < PARTS; p++) {
                total += number(p, k);
            }
            ck_assert_msg(sums[n - 1].total[k] == total && sums[0].total[k] == total,
                          "number %zu over %d ranks", k, n);
        }
        for (int r = 0; r < n; r++) {
            mem_free(sums[r].total);
        }
    }
}
END_TEST

START_TEST(a_lost_rank_is_an_error)
{
    struct rank_hub hub = {.n = 3};
    struct hub_rank ranks[HUB_MAX_RANKS];
    struct summed sums[HUB_MAX_RANKS];
    for (int r = 0; r < 3; r++) {
        sums[r] = (struct summed){.lost = true};
        ranks[r] = (struct hub_rank){.run = sum_on_rank, .ctx = &sums[r]};
    }
    rank_hub_run(&hub, ranks);
    for (int r = 0; r < 3; r++) {
        mem_free(sums[r].total);
    }
}
END_TEST

START_TEST(failed_allocations_are_survived)
{
    struct scene s;
    struct objective_loss whole = {.net = NULL};
    struct err err = ERR_INIT;
    scene_init(&s, OBJECTIVE_NLL, NOISE_GIVEN, false);
    ck_assert_int_eq(objective_loss_init(&whole, &s.objective, &s.net, &err), ERR_OK);
    const struct loss loss = objective_loss_as_loss(&whole);
    long live = mem_live();
    enum err_code code = ERR_NOMEM;
    for (long at = 1; code == ERR_NOMEM; at++) {
        struct shards in;
        ck_assert_int_lt(at, 100);
        err_clear(&err);
        mem_fail_after(at, true);
        code = shards_init(&in, &loss, 3, 2, NULL, &err);
        mem_fail_after(0, false);
        shards_release(&in);
        ck_assert_int_eq(mem_live(), live);
        ck_assert(at > 3 || code == ERR_NOMEM);
    }
    ck_assert_int_eq(code, ERR_OK);
    objective_loss_release(&whole);
    resnet_release(&s.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shards");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, shards_add_up_to_the_loss);
    tcase_add_test(tc, threads_and_ranks_change_nothing);
    tcase_add_test(tc, sums_are_in_the_order_of_the_parts);
    tcase_add_test(tc, a_lost_rank_is_an_error);
    tcase_add_test(tc, failed_allocations_are_survived);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
