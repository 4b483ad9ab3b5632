/* SPDX-License-Identifier: Apache-2.0 */
/* Designs over spaces: distributions, integers, categories, fixed inputs, constraints, extension.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "explore/design.h"
#include "explore/lhs.h"
#include "math/normal.h"

#define D 6

/* One input of each kind of distribution that a real input may have, in [0.5, 3]. */
static struct space *real_space(enum space_distribution_kind kind)
{
    static const char *const names[] = {"x", "y"};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    ck_assert_int_eq(space_of_names(1, 1, names, NULL, &space, &err), ERR_OK);
    struct space_input *x = &space->inputs[0];
    x->distribution.kind = kind;
    bool limited = space_parameter_find(kind, "low") == 0;
    if (limited) {
        x->distribution.p[0] = 0.5;
        x->distribution.p[1] = 3.0;
        x->distribution.p[2] = 1.0; /* mode, mean, mu */
        x->distribution.p[3] = 0.8; /* std, sigma */
    } else {
        x->distribution.p[0] = 1.0;
        x->distribution.p[1] = 0.8;
    }
    ck_assert_msg(space_validate(space, &err) == ERR_OK, "%s", err.msg);
    return space;
}

static double density(enum space_distribution_kind kind, double x)
{
    double z = x - 1.0;
    if (kind == SPACE_UNIFORM) {
        return 1.0;
    }
    if (kind == SPACE_LOGUNIFORM) {
        return 1.0 / x;
    }
    if (kind == SPACE_TRIANGULAR) {
        return x < 1.0 ? (x - 0.5) / 0.5 : (3.0 - x) / 2.0;
    }
    if (kind == SPACE_NORMAL || kind == SPACE_TRUNCATED_NORMAL) {
        return exp(-0.5 * z * z / 0.64);
    }
    z = log(x) - 1.0;
    return exp(-0.5 * z * z / 0.64) / x;
}

/* The share of points below each of some values is the integral of the density, by the trapezoidal
 * rule; and units of values are where the values came from. */
START_TEST(points_follow_their_distribution)
{
    static const enum space_distribution_kind kinds[] = {
        SPACE_UNIFORM,          SPACE_LOGUNIFORM,          SPACE_NORMAL,    SPACE_LOGNORMAL,
        SPACE_TRUNCATED_NORMAL, SPACE_TRUNCATED_LOGNORMAL, SPACE_TRIANGULAR};
    enum { N = 4096, STEPS = 200000 };
    enum space_distribution_kind kind = kinds[_i % 7];
    bool narrow = _i >= 7;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct design design;
    struct space *space = real_space(kind);
    double bounds[] = {0.9, 2.2};
    const struct region_spec spec = {.space = space, .bounds = narrow ? bounds : NULL};
    double low = narrow ? 0.9 : 0.5;
    double high = narrow ? 2.2 : 3.0;
    if (!narrow && kind == SPACE_NORMAL) {
        low = -6.0;
        high = 8.0;
    } else if (!narrow && kind == SPACE_LOGNORMAL) {
        low = 1e-9;
        high = 300.0;
    }
    ck_assert_msg(region_init(&region, &spec, &arena, &err) == ERR_OK, "%s", err.msg);
    const struct design_spec wanted = {.kind = DESIGN_SOBOL, .n = N, .scrambled = true, .seed = 2};
    ck_assert_msg(design_make(&region, &wanted, &arena, &design, &err) == ERR_OK, "%s", err.msg);
    double total = 0.0;
    for (int i = 0; i < STEPS; i++) {
        total += density(kind, low + (high - low) * (i + 0.5) / STEPS);
    }
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        double x = low + (high - low) * (i + 0.5) / STEPS;
        sum += density(kind, x) / total;
        if (i % (STEPS / 20) == 0) {
            int below = 0;
            for (int k = 0; k < N; k++) {
                below += design.x[k] < x;
            }
            ck_assert_double_eq_tol((double)below / N, sum, 2.0 / N + 2e-4);
        }
    }
    for (int k = 0; k < N; k += 97) {
        double u;
        double x;
        region_unit(&region, &design.x[k], &u);
        region_point(&region, &u, &x);
        ck_assert_double_eq_tol(x, design.x[k], 1e-9 * (1.0 + fabs(x)));
        ck_assert(x >= low && x <= high);
    }
    arena_release(&arena);
    space_unref(space);
}
END_TEST

/* a, b real in [0, 1]; n integer 1..4; mesh of three members with probabilities 1/4, 0, 3/4; q of
 * the values 0.5, 2, 7; c real and fixed at 5. */
static struct space *mixed_space(void)
{
    static const char *const names[] = {"a", "b", "n", "mesh", "q", "c", "y"};
    static const double values[] = {0.5, 2.0, 7.0};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    ck_assert_int_eq(space_of_names(D, 1, names, NULL, &space, &err), ERR_OK);
    for (int j = 0; j < 3; j++) {
        space->inputs[j].has_bounds = true;
        space->inputs[j].bounds[0] = j == 2 ? 1.0 : 0.0;
        space->inputs[j].bounds[1] = j == 2 ? 4.0 : 1.0;
    }
    space->inputs[2].type = SPACE_INTEGER;
    struct space_input *mesh = &space->inputs[3];
    mesh->type = SPACE_CATEGORY;
    mesh->n_values = 3;
    mesh->values = mem_zalloc_array(3, sizeof *mesh->values);
    for (int i = 0; i < 3; i++) {
        mesh->values[i] = mem_strdup((const char *[]){"coarse", "middle", "fine"}[i]);
    }
    for (int j = 3; j < 5; j++) {
        struct space_distribution *dist = &space->inputs[j].distribution;
        dist->kind = SPACE_DISCRETE;
        dist->n = 3;
        dist->values = j == 4 ? mem_dup(values, sizeof values) : NULL;
        dist->probabilities = mem_zalloc_array(3, sizeof(double));
        dist->probabilities[0] = 0.25;
        dist->probabilities[1] = j == 3 ? 0.0 : 0.25;
        dist->probabilities[2] = j == 3 ? 0.75 : 0.5;
    }
    ck_assert_msg(space_validate(space, &err) == ERR_OK, "%s", err.msg);
    return space;
}

static const double fixed_c[D] = {NAN, NAN, NAN, NAN, NAN, 5.0};

START_TEST(every_kind_of_input_has_its_values)
{
    enum { N = 256 };
    enum design_kind kind = (enum design_kind)_i;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct design design;
    struct space *space = mixed_space();
    const struct region_spec spec = {.space = space, .fixed = fixed_c};
    int n_of[5] = {0};
    int mesh[3] = {0};
    int q[3] = {0};
    const struct design_spec wanted = {
        .kind = kind, .n = N, .scrambled = true, .maximin = true, .seed = 6};
    ck_assert_msg(region_init(&region, &spec, &arena, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(region.n_free, 5);
    ck_assert_msg(design_make(&region, &wanted, &arena, &design, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(design.n, kind == DESIGN_GRID ? 3 * 3 * 3 * 3 * 3 : N);
    for (int i = 0; i < design.n; i++) {
        const double *x = design.x + i * D;
        ck_assert(x[0] >= 0.0 && x[0] <= 1.0 && x[1] >= 0.0 && x[1] <= 1.0);
        n_of[(int)x[2]]++;
        mesh[(int)x[3]]++;
        q[x[4] == 0.5 ? 0 : (x[4] == 2.0 ? 1 : 2)]++;
        ck_assert(x[4] == 0.5 || x[4] == 2.0 || x[4] == 7.0);
        ck_assert(x[2] == floor(x[2]) && x[3] == floor(x[3]));
        ck_assert_double_eq(x[5], 5.0);
    }
    if (kind == DESIGN_SOBOL || kind == DESIGN_LHS) { /* strata of 1/256 */
        for (int k = 1; k <= 4; k++) {
            ck_assert_int_eq(n_of[k], N / 4);
        }
        ck_assert_int_eq(mesh[0], N / 4);
        ck_assert_int_eq(mesh[1], 0);
        ck_assert_int_eq(q[2], N / 2);
    }
    arena_release(&arena);
    space_unref(space);
}
END_TEST

/* a + b <= 0.4 and b >= 0.1: all kinds that can keep to it. */
START_TEST(constraints_hold_for_every_point)
{
    static const double sum[D] = {1.0, 1.0};
    static const double at_least[D] = {0.0, -1.0};
    enum design_kind kind = (enum design_kind)_i;
    const struct region_constraint constraints[] = {{sum, 0.4}, {at_least, -0.1}};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct design design;
    struct space *space = mixed_space();
    const struct region_spec spec = {
        .space = space, .fixed = fixed_c, .n_constraints = 2, .constraints = constraints};
    const struct design_spec wanted = {
        .kind = kind, .n = 600, .scrambled = true, .maximin = true, .seed = 6};
    ck_assert_msg(region_init(&region, &spec, &arena, &err) == ERR_OK, "%s", err.msg);
    enum err_code code = design_make(&region, &wanted, &arena, &design, &err);
    if (kind == DESIGN_LHS) {
        ck_assert_int_eq(code, ERR_INVALID);
    } else {
        ck_assert_msg(code == ERR_OK, "%s", err.msg);
        ck_assert_int_gt(design.n, 0);
        for (int i = 0; i < design.n; i++) {
            const double *x = design.x + i * D;
            ck_assert(x[0] + x[1] <= 0.4 + 1e-9 && x[1] >= 0.1 - 1e-9);
        }
    }
    arena_release(&arena);
    space_unref(space);
}
END_TEST

START_TEST(empty_regions_are_refused)
{
    static const double sum[D] = {1.0, 1.0};
    static const double difference[D] = {1.0, -1.0};
    static const double negative[D] = {-1.0, 1.0};
    struct space *space = mixed_space();
    for (int i = 0; i < 6; i++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct region region;
        struct design design;
        double fixed[D];
        double bounds[2 * D];
        const struct region_constraint never[] = {{sum, -0.5}};
        /* a - b <= -0.1 and b - a <= 0.05: each holds somewhere, both nowhere */
        const struct region_constraint apart[] = {{difference, -0.1}, {negative, 0.05}};
        struct region_spec spec = {.space = space, .fixed = fixed, .bounds = bounds};
        memcpy(fixed, fixed_c, sizeof fixed);
        for (int j = 0; j < 2 * D; j++) {
            bounds[j] = NAN;
        }
        if (i == 0) { /* c has neither limits nor a value */
            fixed[5] = NAN;
        } else if (i == 1) {
            bounds[0] = 1.5; /* above what a can be */
        } else if (i == 2) {
            spec.n_constraints = 1;
            spec.constraints = never;
        } else if (i == 3) {
            fixed[2] = 9.0;
        } else if (i == 4) {
            fixed[2] = 1.5;
        } else {
            spec.n_constraints = 2;
            spec.constraints = apart;
        }
        const struct design_spec wanted = {.kind = DESIGN_SOBOL, .n = 5, .scrambled = true};
        enum err_code code = region_init(&region, &spec, &arena, &err);
        if (i == 5) {
            ck_assert_int_eq(code, ERR_OK);
            code = design_make(&region, &wanted, &arena, &design, &err);
        }
        ck_assert_int_eq(code, ERR_INVALID);
        ck_assert_int_gt((int)strlen(err.msg), 20);
        ck_assert(i != 5 || strstr(err.msg, "meets all constraints") != NULL);
        arena_release(&arena);
    }
    space_unref(space);
}
END_TEST

/* Points that extend others keep away from them as far as from each other. */
START_TEST(an_extension_fills_the_gaps)
{
    enum { N = 20, OLD = 20 };
    static const double far_fixed[D] = {NAN, NAN, 1.0, 0.0, 2.0, 5.0};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct design old;
    struct design design;
    struct space *space = mixed_space();
    const struct region_spec spec = {.space = space, .fixed = far_fixed};
    ck_assert_int_eq(region_init(&region, &spec, &arena, &err), ERR_OK);
    struct design_spec wanted = {.kind = DESIGN_MAXIMIN, .n = OLD, .scrambled = true, .seed = 1};
    ck_assert_int_eq(design_make(&region, &wanted, &arena, &old, &err), ERR_OK);
    double all[(N + OLD) * 2];
    double alone[2 * (N + OLD)];
    for (int turn = 0; turn < 2; turn++) {
        wanted.kind = turn == 0 ? DESIGN_LHS : DESIGN_MAXIMIN;
        wanted.n_existing = turn == 0 ? OLD : 0;
        wanted.existing = old.x;
        wanted.seed = 2;
        ck_assert_msg(design_make(&region, &wanted, &arena, &design, &err) == ERR_OK, "%s",
                      err.msg);
        double *to = turn == 0 ? all : alone;
        for (int i = 0; i < OLD + N; i++) {
            const double *x = i < OLD ? old.x + i * D : design.x + (i - OLD) * D;
            memcpy(to + 2 * i, x, 2 * sizeof *to);
        }
    }
    ck_assert_double_gt(sqrt(lhs_min_distance2(OLD + N, 2, all)), 0.09);
    ck_assert_double_gt(lhs_min_distance2(OLD + N, 2, all),
                        2.0 * lhs_min_distance2(OLD + N, 2, alone));
    arena_release(&arena);
    space_unref(space);
}
END_TEST

START_TEST(limits_are_kept_and_allocations_may_fail)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct design design;
    struct space *space = mixed_space();
    const struct region_spec spec = {.space = space, .fixed = fixed_c};
    ck_assert_int_eq(region_init(&region, &spec, &arena, &err), ERR_OK);
    for (int i = 0; i < 5; i++) {
        struct design_spec wanted = {.kind = DESIGN_SOBOL, .n = 10};
        wanted.n = i == 0 ? 0 : (i == 1 ? DESIGN_MAX_POINTS + 1 : 10);
        wanted.n_existing = i == 2 ? DESIGN_MAX_EXISTING + 1 : 0;
        wanted.skip = i == 3 ? -1 : 0;
        wanted.kind = i == 4 ? DESIGN_GRID : DESIGN_SOBOL;
        err_clear(&err);
        ck_assert_int_eq(design_make(&region, &wanted, &arena, &design, &err),
                         i == 4 ? ERR_INVALID : ERR_LIMIT);
    }
    long live = mem_live();
    for (int kind = 0; kind < design_kind_known().n; kind++) {
        const struct design_spec wanted = {
            .kind = (enum design_kind)kind, .n = 60, .maximin = true, .scrambled = true};
        bool done = false;
        for (long n = 1; !done; n++) {
            struct arena own = ARENA_INIT;
            err_clear(&err);
            mem_fail_after(n, false);
            done = region_init(&region, &spec, &own, &err) == ERR_OK &&
                   design_make(&region, &wanted, &own, &design, &err) == ERR_OK;
            mem_fail_after(0, false);
            ck_assert(done || err.code == ERR_NOMEM);
            arena_release(&own);
            ck_assert_int_eq(mem_live(), live);
        }
    }
    arena_release(&arena);
    space_unref(space);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("design");
    TCase *tcase = tcase_create("design");
    tcase_set_timeout(tcase, 60);
    int n = design_kind_known().n;
    tcase_add_loop_test(tcase, points_follow_their_distribution, 0, 14);
    tcase_add_loop_test(tcase, every_kind_of_input_has_its_values, 0, n);
    tcase_add_loop_test(tcase, constraints_hold_for_every_point, 0, n);
    tcase_add_test(tcase, empty_regions_are_refused);
    tcase_add_test(tcase, an_extension_fills_the_gaps);
    tcase_add_test(tcase, limits_are_kept_and_allocations_may_fail);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
