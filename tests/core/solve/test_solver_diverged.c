/* SPDX-License-Identifier: Apache-2.0 */
/* Members whose fit diverges, because the draw that they start from is too large for any loss. */
#include "run.h"
#include "solver_toy.h"

#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"

#define MEMBERS 4

static const enum solver_kind kinds[] = {SOLVER_ENSEMBLE, SOLVER_RMS, SOLVER_SWAG,
                                         SOLVER_MC_DROPOUT, SOLVER_VI};
#define N_KINDS ((int)(sizeof kinds / sizeof *kinds))

struct scene {
    struct solver_toy toy;
    struct solver_start start;
    struct gauss_mixture none;
    struct report report;
    double *draws; /* [MEMBERS x K] */
};

/* bad: bits of the members whose start is hopeless. */
static void scene_init(struct scene *s, enum solver_kind kind, unsigned bad)
{
    struct arch arch = solver_toy_arch(NOISE_GIVEN);
    struct rng rng;
    memset(s, 0, sizeof *s);
    solver_toy_init(&s->toy, kind, NOISE_GIVEN, &arch);
    size_t k = (size_t)s->toy.net.n_params;
    s->draws = mem_alloc_array(MEMBERS * k, sizeof *s->draws);
    rng_init(&rng, 2, RNG_TEST, 0);
    for (size_t i = 0; i < MEMBERS * k; i++) {
        s->draws[i] = 0.3 * rng_normal(&rng) * (bad >> i / k & 1 ? 1e200 : 1.0);
    }
    s->start = (struct solver_start){.net = &s->toy.net,
                                     .m = MEMBERS,
                                     .draws = s->draws,
                                     .gaussian = &s->none,
                                     .n_groups = MEMBERS,
                                     .report = &s->report};
    s->toy.problem.start = &s->start;
    s->toy.problem.n_threads = 3;
    s->toy.settings.members = MEMBERS;
}

static void scene_release(struct scene *s)
{
    mem_free(s->draws);
    solver_toy_release(&s->toy);
}

static enum err_code run(enum solver_kind kind, unsigned bad, bool all,
                         struct solver_result *result, struct err *err)
{
    struct scene s;
    scene_init(&s, kind, bad);
    s.toy.problem.all_members = all;
    err_kept(solver_toy_run(&s.toy, result, err));
    scene_release(&s);
    return err->code;
}

/* The draw, or mean, of a member. */
static const double *member_of(const struct solver_result *r, int member, int members, size_t k)
{
    return r->gaussian.n_members > 0 ? r->gaussian.members[member].mean
                                     : r->draws + (size_t)(member * (r->m / members)) * k;
}

static bool warns(const struct solver_result *result, const char *text)
{
    for (int i = 0; i < result->report.n_warnings; i++) {
        if (strcmp(result->report.warnings[i].code, "diverged") == 0) {
            return strstr(result->report.warnings[i].text, text) != NULL;
        }
    }
    return false;
}

START_TEST(a_member_that_diverges_is_left_out)
{
    enum solver_kind kind = kinds[_i];
    struct err err = ERR_INIT;
    struct solver_result whole;
    struct solver_result rest;
    static const int kept[] = {1, 3};
    ck_assert_msg(run(kind, 0, false, &whole, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_msg(run(kind, 5, false, &rest, &err) == ERR_OK, "%s: %s", solver_name(kind),
                  err_msg(&err));
    struct scene s;
    scene_init(&s, kind, 0);
    size_t k = (size_t)s.toy.net.n_params;
    scene_release(&s);
    ck_assert_int_eq(rest.m, whole.m / 2);
    ck_assert(warns(&rest, "2 of 4 members diverged"));
    ck_assert(warns(&rest, "member 0"));
    ck_assert(!warns(&whole, ""));
    for (int i = 0; i < 2; i++) {
        ck_assert_mem_eq(member_of(&rest, i, 2, k), member_of(&whole, kept[i], MEMBERS, k),
                         k * sizeof(double));
    }
    const struct report_item *losses = report_find(&rest.report, "members.best_loss");
    const struct report_item *all = report_find(&whole.report, "members.best_loss");
    ck_assert_int_eq(losses->n, 2);
    ck_assert_double_eq(losses->values[1], all->values[3]);
    solver_result_release(&whole);
    solver_result_release(&rest);
}
END_TEST

START_TEST(no_member_is_left_out_when_all_are_needed)
{
    struct err err = ERR_INIT;
    struct solver_result result;
    long live = mem_live();
    ck_assert_int_eq(run(kinds[_i], 4, true, &result, &err), ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.msg, "member 2"));
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

START_TEST(when_all_diverge_the_training_fails_with_the_reason)
{
    struct err err = ERR_INIT;
    struct solver_result result;
    long live = mem_live();
    ck_assert_int_eq(run(kinds[_i], 15, false, &result, &err), ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.msg, "all 4 members diverged"));
    ck_assert_ptr_nonnull(strstr(err.msg, "not finite"));
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_diverged");
    TCase *tc = tcase_create("solver_diverged");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_member_that_diverges_is_left_out, 0, N_KINDS);
    tcase_add_loop_test(tc, no_member_is_left_out_when_all_are_needed, 0, N_KINDS);
    tcase_add_loop_test(tc, when_all_diverge_the_training_fails_with_the_reason, 0, N_KINDS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
