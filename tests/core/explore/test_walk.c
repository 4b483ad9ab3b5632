/* SPDX-License-Identifier: Apache-2.0 */
/* Points of thin regions: they are inside, and distributed as theory says. */
#include "explore_cases.h"

#include "explore/design.h"
#include "explore/walk.h"

#define N 4000

static struct space *cube(int d)
{
    static const char *const names[] = {"a", "b", "c", "d", "y"};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    const char *used[5];
    for (int j = 0; j < d; j++) {
        used[j] = names[j];
    }
    used[d] = names[4];
    ck_assert_int_eq(space_of_names(d, 1, used, NULL, &space, &err), ERR_OK);
    for (int j = 0; j < d; j++) {
        space->inputs[j].has_bounds = true;
        space->inputs[j].bounds[1] = 1.0;
    }
    return space;
}

/* x [N x d] <- a design of random points where scattered ones miss the region. */
static void sample(struct space *space, int n_constraints,
                   const struct region_constraint *constraints, struct arena *arena, double **x)
{
    struct err err = ERR_INIT;
    struct region region;
    struct design design;
    const struct region_spec spec = {
        .space = space, .n_constraints = n_constraints, .constraints = constraints};
    const struct design_spec wanted = {.kind = DESIGN_RANDOM, .n = N, .seed = 3};
    ck_assert_int_eq(space_validate(space, &err), ERR_OK);
    make_region(&region, &spec, arena);
    ck_assert_msg(design_make(&region, &wanted, arena, &design, &err) == ERR_OK, "%s", err.msg);
    for (int i = 0; i < N; i++) {
        ck_assert(region_holds(&region, design.x + i * space->d));
        for (int j = 0; j < space->d; j++) {
            double value = design.x[i * space->d + j];
            ck_assert(value >= space->inputs[j].bounds[0] && value <= space->inputs[j].bounds[1]);
        }
    }
    *x = design.x;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The largest gap between the distribution function of n values, which are sorted, and that of the
 * uniform distribution on [0, high]. */
static double gap_of(int n, double *values, double high)
{
    double most = 0.0;
    qsort(values, (size_t)n, sizeof *values, compare);
    for (int i = 0; i < n; i++) {
        most = fmax(most, fabs(values[i] / high - (i + 0.5) / n));
    }
    return most;
}

/* A slab of width 2e-6 around a + b + c = 1.5, and the plane itself: the slab's volume is evenly
 * filled, and so is the plane. */
START_TEST(slabs_and_planes_are_evenly_filled)
{
    static const double up[] = {1.0, 1.0, 1.0};
    static const double down[] = {-1.0, -1.0, -1.0};
    double width = _i == 0 ? 1e-6 : 0.0;
    const struct region_constraint slab[] = {{up, 1.5 + width}, {down, -1.5 + width}};
    struct arena arena = ARENA_INIT;
    struct space *space = cube(3);
    double *x = NULL;
    double across[N];
    double squares[3] = {0.0};
    sample(space, 2, slab, &arena, &x);
    for (int i = 0; i < N; i++) {
        const double *p = x + 3 * i;
        across[i] = p[0] + p[1] + p[2] - 1.5 + width;
        for (int j = 0; j < 3; j++) {
            squares[j] += (p[j] - 0.5) * (p[j] - 0.5) / N;
        }
    }
    /* Of three uniforms given that the sum of their deviations v from 1/2 is 0, each has the
     * density 4/3 (1 - |v|) on [-1/2, 1/2], whose variance is 5/72. */
    double wanted = 5.0 / 72.0;
    for (int j = 0; j < 3; j++) {
        ck_assert_double_eq_tol(squares[j], wanted, 0.05 * wanted);
    }
    if (_i == 0) {
        ck_assert_double_lt(gap_of(N, across, 2e-6), 0.06);
    }
    arena_release(&arena);
    space_unref(space);
}
END_TEST

/* The corner a + b + c + d <= 0.1 of a cube: of the sum s, (s / 0.1)^4 is uniform. */
START_TEST(corners_are_evenly_filled)
{
    static const double up[] = {1.0, 1.0, 1.0, 1.0};
    const struct region_constraint corner[] = {{up, 0.1}};
    struct arena arena = ARENA_INIT;
    struct space *space = cube(4);
    double *x = NULL;
    double values[N];
    sample(space, 1, corner, &arena, &x);
    for (int i = 0; i < N; i++) {
        double sum = x[4 * i] + x[4 * i + 1] + x[4 * i + 2] + x[4 * i + 3];
        values[i] = pow(sum / 0.1, 4.0);
    }
    ck_assert_double_lt(gap_of(N, values, 1.0), 0.05);
    arena_release(&arena);
    space_unref(space);
}
END_TEST

/* Two inputs N(0.5, 0.1^2) on a line a - b = 0.1: the mean of a is then 0.55, and its standard
 * deviation 0.1 / sqrt(2); the ends of the box are five of these away. */
START_TEST(distributions_are_kept)
{
    static const double up[] = {1.0, -1.0};
    static const double down[] = {-1.0, 1.0};
    const struct region_constraint slab[] = {{up, 0.1 + 1e-6}, {down, -0.1 + 1e-6}};
    struct arena arena = ARENA_INIT;
    struct space *space = cube(2);
    double *x = NULL;
    double mean = 0.0;
    double square = 0.0;
    for (int j = 0; j < 2; j++) {
        struct space_distribution *dist = &space->inputs[j].distribution;
        dist->kind = SPACE_TRUNCATED_NORMAL;
        dist->p[0] = 0.0;
        dist->p[1] = 1.0;
        dist->p[2] = 0.5;
        dist->p[3] = 0.1;
    }
    sample(space, 2, slab, &arena, &x);
    for (int i = 0; i < N; i++) {
        mean += x[2 * i] / N;
    }
    for (int i = 0; i < N; i++) {
        square += (x[2 * i] - mean) * (x[2 * i] - mean) / N;
    }
    ck_assert_double_eq_tol(mean, 0.55, 0.01);
    ck_assert_double_eq_tol(sqrt(square), 0.1 / sqrt(2.0), 0.006);
    arena_release(&arena);
    space_unref(space);
}
END_TEST

/* Whole numbers whose sum is given: a + b + c = 60 of 0 .. 100, and a real d between them. All of
 * the 61 * 62 / 2 ways are equally likely. */
START_TEST(whole_numbers_meet_equations)
{
    static const double up[] = {1.0, 1.0, 1.0, 0.0};
    static const double down[] = {-1.0, -1.0, -1.0, 0.0};
    static const double thin[] = {0.0, 0.0, 0.0, 1.0};
    const struct region_constraint all[] = {{up, 60.0}, {down, -60.0}, {thin, 1e-3}};
    struct arena arena = ARENA_INIT;
    struct space *space = cube(4);
    double *x = NULL;
    double mean = 0.0;
    double square = 0.0;
    for (int j = 0; j < 3; j++) {
        space->inputs[j].type = SPACE_INTEGER;
        space->inputs[j].bounds[1] = 100.0;
    }
    sample(space, 3, all, &arena, &x);
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq(x[4 * i], floor(x[4 * i]));
        mean += x[4 * i] / N;
        square += x[4 * i] * x[4 * i] / N;
    }
    double exact = 0.0;
    double exact_square = 0.0;
    for (int a = 0; a <= 60; a++) {
        double share = (61.0 - a) / (61.0 * 31.0);
        exact += share * a;
        exact_square += share * a * a;
    }
    ck_assert_double_eq_tol(mean, exact, 1.2);
    ck_assert_double_eq_tol(square, exact_square, 0.08 * exact_square);
    arena_release(&arena);
    space_unref(space);
}
END_TEST

START_TEST(walks_are_repeated_and_stopped)
{
    static const double up[] = {1.0, -1.0};
    static const double down[] = {-1.0, 1.0};
    const struct region_constraint slab[] = {{up, 1e-6}, {down, 1e-6}};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct space *space = cube(2);
    struct region region;
    struct walk walk[2];
    const struct region_spec spec = {.space = space, .n_constraints = 2, .constraints = slab};
    const struct cancel stopped = {.stop = true};
    double x[2][2];
    make_region(&region, &spec, &arena);
    for (int run = 0; run < 2; run++) {
        ck_assert_int_eq(walk_init(&walk[run], &region, 7, NULL, &arena, &err), ERR_OK);
        for (int i = 0; i < 20; i++) {
            walk_next(&walk[run], x[run]);
        }
    }
    ck_assert_mem_eq(x[0], x[1], sizeof x[0]);
    ck_assert_int_eq(walk_init(&walk[0], &region, 7, &stopped, &arena, &err), ERR_CANCELLED);
    err_clear(&err);
    const struct design_spec wanted = {.kind = DESIGN_RANDOM, .n = 5, .cancel = &stopped};
    struct design design;
    ck_assert_int_eq(design_make(&region, &wanted, &arena, &design, &err), ERR_CANCELLED);
    arena_release(&arena);
    space_unref(space);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("walk");
    TCase *tcase = tcase_create("walk");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, slabs_and_planes_are_evenly_filled, 0, 2);
    tcase_add_test(tcase, corners_are_evenly_filled);
    tcase_add_test(tcase, distributions_are_kept);
    tcase_add_test(tcase, whole_numbers_meet_equations);
    tcase_add_test(tcase, walks_are_repeated_and_stopped);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
