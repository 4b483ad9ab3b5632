/* SPDX-License-Identifier: Apache-2.0 */
/* A training that chooses, and folds of a calibration, over ranks: the same as on one, and after an
 * interruption. */
#include "auto_cases.h"
#include "memory_checkpoint.h"
#include "rank_hub.h"
#include "stride.h"

#include "math/gemm.h"
#include "model/codec.h"
#include "train/train_part.h"

/* What a rank ends with. */
struct end {
    const struct auto_run *choice; /* NULL: run */
    const struct train_run *run;   /* of a spec that is given */
    const struct checkpoint *kept;
    struct auto_table table;
    unsigned char *bytes; /* of the model; NULL: none */
    size_t n_bytes;
    struct err err;
};

static void run_rank(struct hub_rank *self)
{
    struct end *end = self->ctx;
    struct ranks_checkpoint checkpoint;
    struct model *model = NULL;
    end->bytes = NULL;
    end->err = (struct err)ERR_INIT;
    if (ranks_checkpoint_init(&checkpoint, &self->ranks, end->kept, &end->err) != ERR_OK) {
        return;
    }
    if (end->choice != NULL) {
        struct auto_run choice = *end->choice;
        choice.run.checkpoint = &checkpoint.core;
        err_kept(auto_train(&choice, &end->table, &model, &end->err));
    } else {
        struct train_run run = *end->run;
        run.checkpoint = &checkpoint.core;
        err_kept(train_run(&run, &model, &end->err));
    }
    if (end->err.code == ERR_OK) {
        err_kept(codec_encode(model, &end->bytes, &end->n_bytes, &end->err));
    }
    model_unref(model);
    ranks_checkpoint_release(&checkpoint);
}

/* Over n ranks: ends [n] of the same choice or run. */
static void run_all(int n, const struct end *what, struct end *ends)
{
    struct rank_hub hub = {.n = n};
    struct hub_rank ranks[HUB_MAX_RANKS];
    for (int i = 0; i < n; i++) {
        ends[i] = *what;
        ranks[i] = (struct hub_rank){.run = run_rank, .ctx = &ends[i]};
    }
    rank_hub_run(&hub, ranks);
}

static void check_same(int n, struct end *ends, const struct end *alone)
{
    for (int i = 0; i < n; i++) {
        ck_assert_msg(ends[i].err.code == ERR_OK, "rank %d of %d: %s", i, n, err_msg(&ends[i].err));
        ck_assert_uint_eq(ends[i].n_bytes, alone->n_bytes);
        ck_assert_mem_eq(ends[i].bytes, alone->bytes, alone->n_bytes);
        mem_free(ends[i].bytes);
    }
}

/* Two candidates, and more with a comparison of logarithms. */
START_TEST(a_choice_is_the_same_over_ranks)
{
    for (int k = 0; k < 2; k++) {
        struct auto_spec spec = tiny_spec((2 + k) * FOLDS + 1);
        const struct auto_run choice = run_of(&spec, k == 0 ? rows_of(FEW) : wide_rows(FEW));
        const struct end what = {.choice = &choice};
        struct end alone;
        struct end ends[HUB_MAX_RANKS];
        int n = k == 0 ? 3 : HUB_MAX_RANKS;
        run_all(1, &what, &alone);
        ck_assert_msg(alone.err.code == ERR_OK, "%s", err_msg(&alone.err));
        run_all(n, &what, ends);
        check_same(n, ends, &alone);
        ck_assert_int_eq(ends[n - 1].table.chosen, alone.table.chosen);
        mem_free(alone.bytes);
    }
}
END_TEST

/* Whenever all die, and on however many ranks they go on. */
START_TEST(an_interrupted_choice_goes_on)
{
    static const int saves[] = {1, 5, 14, 30};
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run choice = run_of(&spec, rows_of(FEW));
    struct end what = {.choice = &choice};
    struct end alone;
    struct end ends[HUB_MAX_RANKS];
    run_all(1, &what, &alone);
    for (size_t k = 0; k < sizeof saves / sizeof *saves; k += STRIDE) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        int n = k % 2 == 0 ? 2 : 3;
        bool died = false;
        memory_checkpoint_init(&memory, 100);
        memory.die_after = saves[k];
        memory.cancel = &cancel;
        choice.run.cancel = &cancel;
        what.kept = &memory.checkpoint;
        run_all(3, &what, ends);
        for (int i = 0; i < 3; i++) {
            died = died || ends[i].err.code != ERR_OK;
            mem_free(ends[i].bytes);
        }
        ck_assert(died);
        atomic_store(&cancel.stop, false);
        memory_checkpoint_revive(&memory);
        run_all(n, &what, ends);
        check_same(n, ends, &alone);
        ck_assert_int_gt(memory.n_loads, 0);
        memory_checkpoint_release(&memory);
    }
    mem_free(alone.bytes);
}
END_TEST

START_TEST(folds_are_the_same_over_ranks)
{
    static const enum solver_kind solvers[] = {SOLVER_ENSEMBLE, SOLVER_EVIDENCE, SOLVER_LAPLACE,
                                               SOLVER_BLL};
    for (int k = 0; k < 4; k++) {
        struct train_spec spec = small_spec(solvers[k], SCALER_STANDARD);
        const struct data data = rows_of(FEW);
        const struct train_run run = {.spec = &spec, .data = data, .n_threads = 2};
        const struct end what = {.run = &run};
        struct end alone;
        struct end ends[HUB_MAX_RANKS];
        struct err err = ERR_INIT;
        spec.settings.members = 2;
        spec.settings.keep = 2;
        spec.calibration = (struct train_calibration){
            .method = CONFORMAL_CV_PLUS, .folds = 5, .normalised = k % 2 == 0};
        ck_assert_int_eq(train_resolve(&spec, data.d, data.o, &err), ERR_OK);
        run_all(1, &what, &alone);
        ck_assert_msg(alone.err.code == ERR_OK, "%s", err_msg(&alone.err));
        run_all(2 + k % 3, &what, ends);
        check_same(2 + k % 3, ends, &alone);
        mem_free(alone.bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto_ranks");
    TCase *tc = tcase_create("auto_ranks");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_choice_is_the_same_over_ranks);
    tcase_add_test(tc, an_interrupted_choice_goes_on);
    tcase_add_test(tc, folds_are_the_same_over_ranks);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
