/* SPDX-License-Identifier: Apache-2.0 */
/* Optima, their limits and their uncertainty, and Pareto fronts against fine grids. */
#include "explore_cases.h"

#include "explore/optimise.h"
#include "explore/pareto.h"
#include "predict/predict.h"

#define GRID 121
#define M    25 /* draws */

/* Two outputs, of a random network of M draws that differ a little. */
static struct model *two_outputs(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, 2);
    struct rng rng;
    arch.width = 4;
    arch.layers = 1;
    ck_assert_int_eq(model_new(&arch, M, &model, &err), ERR_OK);
    size_t k = (size_t)model->net.n_params;
    rng_init(&rng, 31, RNG_TEST, 0);
    for (size_t i = 0; i < k; i++) {
        double centre = rng_normal(&rng);
        for (size_t j = 0; j < M; j++) {
            model->draws[j * k + i] = centre + 0.05 * rng_normal(&rng);
        }
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

struct setup {
    struct space *space;
    struct model *model;
    struct region region;
    struct arena arena;
    double *grid;    /* [GRID^2 x D] */
    double *values;  /* [GRID^2 x terms] */
    double *samples; /* [M x GRID^2 x 2] in the order of seed 5 */
};

static void setup_init(struct setup *s)
{
    *s = (struct setup){.space = plane_space(), .model = two_outputs(), .arena = ARENA_INIT};
    const struct region_spec whole = {.space = s->space};
    struct err err = ERR_INIT;
    struct predict_result result;
    make_region(&s->region, &whole, &s->arena);
    s->grid = arena_alloc_array(&s->arena, GRID * GRID * D, sizeof *s->grid);
    s->values = arena_alloc_array(&s->arena, GRID * GRID * 4, sizeof *s->values);
    for (int i = 0; i < GRID * GRID; i++) {
        s->grid[i * D] = -1.0 + 3.0 * (i % GRID) / (GRID - 1);
        s->grid[i * D + 1] = 3.0 * (i / GRID) / (GRID - 1);
    }
    const struct predict_request req = {.n = GRID * GRID,
                                        .x = s->grid,
                                        .want = PREDICT_SAMPLES,
                                        .n_samples = M,
                                        .seed = 5,
                                        .n_threads = 1};
    ck_assert_int_eq(predict_run(s->model, &req, &s->arena, &result, &err), ERR_OK);
    s->samples = result.samples;
}

static void setup_release(struct setup *s)
{
    arena_release(&s->arena);
    model_unref(s->model);
    space_unref(s->space);
}

static struct optimise_spec spec_of(const struct setup *s, const struct term *list, int n)
{
    return (struct optimise_spec){
        .terms = {.model = s->model, .n = n, .n_objectives = 1, .list = list, .n_threads = 2},
        .n_candidates = 300,
        .n_starts = 5,
        .n_draws = 10,
        .seed = 5};
}

/* The best value of term 0 on the grid where all others are at most 0. */
static double best_on_grid(struct setup *s, const struct terms *terms, int *at)
{
    struct err err = ERR_INIT;
    double best = INFINITY;
    ck_assert_int_eq(terms_values(terms, GRID * GRID, s->grid, s->values, &s->arena, &err), ERR_OK);
    for (int i = 0; i < GRID * GRID; i++) {
        const double *v = s->values + i * terms->n;
        if (terms_excess(terms, v) <= 0.0 && v[0] < best) {
            best = v[0];
            *at = i;
        }
    }
    return best;
}

static const struct term cases[][2] = {
    {{TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.2}},
    {{TERM_MEAN, 0, 0, 0, -1, 0}, {TERM_BOUND, 1, 2, 0, 1, 0.3}},
    {{TERM_BOUND, 1, 3, 0, 1, 0}, {TERM_MEAN, 0, 0, 0, -1, 2.0}},
    {{TERM_BOUND, 1, -3, 0, -1, 0}, {TERM_QUANTILE, 0, 0, 0.9, 1, 2.0}},
    {{TERM_QUANTILE, 0, 0, 0.75, 1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.2}},
};

/* No point of the grid is better than what is found, with a limit and without one. */
START_TEST(optima_are_those_of_a_fine_grid)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct optimum out[2];
    setup_init(&s);
    for (int n = 1; n <= 2; n++) {
        const struct term *list = cases[_i];
        int at = -1;
        struct optimise_spec spec = spec_of(&s, list, n);
        for (int run = 0; run < 2; run++) {
            spec.terms.n_threads = 1 + run;
            ck_assert_msg(optimise_run(&s.region, &spec, &s.arena, &out[run], &err) == ERR_OK, "%s",
                          err.msg);
        }
        double grid = best_on_grid(&s, &spec.terms, &at);
        double found = list[0].sign * (out[0].values[0] - list[0].limit);
        ck_assert_msg(at >= 0, "no point of the grid holds");
        ck_assert(out[0].holds);
        ck_assert_double_le(found, grid + 1e-5);
        ck_assert(region_holds(&s.region, out[0].x));
        ck_assert(out[0].x[0] >= -1.0 && out[0].x[0] <= 2.0 && out[0].x[1] >= 0.0 &&
                  out[0].x[1] <= 3.0);
        if (n == 2) {
            ck_assert_double_le(list[1].sign * (out[0].values[1] - list[1].limit), 2e-6);
        }
        ck_assert_mem_eq(out[0].x, out[1].x, D * sizeof *out[0].x);
        ck_assert_int_eq(out[0].n_draws, out[1].n_draws);
        ck_assert_mem_eq(out[0].draws_value, out[1].draws_value,
                         (size_t)out[0].n_draws * sizeof(double));
    }
    setup_release(&s);
}
END_TEST

/* The optimum of each draw is at least as good as all of the grid in that draw. */
START_TEST(optima_of_draws_are_those_of_the_draws)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct optimum out;
    const struct term term = {.kind = TERM_MEAN, .output = 1, .sign = 1.0};
    setup_init(&s);
    const struct optimise_spec spec = spec_of(&s, &term, 1);
    ck_assert_int_eq(optimise_run(&s.region, &spec, &s.arena, &out, &err), ERR_OK);
    ck_assert_int_eq(out.n_draws, spec.n_draws);
    ck_assert_int_eq(out.n_failed, 0);
    for (int k = 0; k < out.n_draws; k++) {
        double best = INFINITY;
        double spread = 0.0;
        for (int i = 0; i < GRID * GRID; i++) {
            best = fmin(best, s.samples[((size_t)k * GRID * GRID + (size_t)i) * 2 + 1]);
        }
        spread = fabs(out.draws_value[k] - best);
        ck_assert_double_le(out.draws_value[k], best + 1e-4);
        ck_assert_double_le(spread, 0.02);
    }
    setup_release(&s);
}
END_TEST

START_TEST(limits_that_hold_nowhere_are_told)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct optimum out;
    const struct term terms[] = {{TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_MEAN, 1, 0, 0, -1, 1e3}};
    setup_init(&s);
    struct optimise_spec spec = spec_of(&s, terms, 2);
    ck_assert_int_eq(optimise_run(&s.region, &spec, &s.arena, &out, &err), ERR_OK);
    ck_assert(!out.holds);
    ck_assert_int_eq(out.n_draws, 0);
    ck_assert_int_eq(out.n_failed, spec.n_draws);
    spec.n_starts = OPTIMISE_MAX_STARTS + 1;
    ck_assert_int_eq(optimise_run(&s.region, &spec, &s.arena, &out, &err), ERR_LIMIT);
    setup_release(&s);
}
END_TEST

/* An integer, a category: the optimum over all of their values, each searched by itself. */
START_TEST(discrete_inputs_find_their_value)
{
    struct setup s;
    struct arena arena = ARENA_INIT;
    struct region region;
    struct err err = ERR_INIT;
    struct optimum out;
    const struct term term = {.kind = TERM_MEAN, .output = 0, .sign = -1.0};
    setup_init(&s);
    s.space->inputs[1].type = SPACE_INTEGER;
    const struct region_spec whole = {.space = s.space};
    make_region(&region, &whole, &arena);
    struct optimise_spec spec = spec_of(&s, &term, 1);
    spec.n_candidates = 8;
    spec.n_starts = 1;
    spec.n_draws = 0;
    ck_assert_int_eq(optimise_run(&region, &spec, &s.arena, &out, &err), ERR_OK);
    ck_assert_int_eq(terms_values(&spec.terms, GRID * GRID, s.grid, s.values, &s.arena, &err),
                     ERR_OK);
    double best = INFINITY;
    for (int i = 0; i < GRID * GRID; i++) {
        best = s.grid[i * D + 1] == floor(s.grid[i * D + 1]) ? fmin(best, s.values[i]) : best;
    }
    ck_assert_double_eq(out.x[1], floor(out.x[1]));
    ck_assert_double_le(-out.values[0], best + 1e-6);
    arena_release(&arena);
    setup_release(&s);
}
END_TEST

/* No point of the front beats another, no point of the grid beats one by much, and each point of
 * the grid is nearly reached by one of the front. */
START_TEST(fronts_are_those_of_a_fine_grid)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct pareto_front out[2];
    const struct term terms[] = {
        {TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_BOUND, 1, 2, 0, -1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.9}};
    setup_init(&s);
    struct pareto_spec spec = {
        .terms = {.model = s.model, .n = 3, .n_objectives = 2, .list = terms, .n_threads = 1},
        .population = 80,
        .generations = 80,
        .seed = 3};
    for (int run = 0; run < 2; run++) {
        spec.terms.n_threads = 1 + run;
        ck_assert_int_eq(pareto_run(&s.region, &spec, &s.arena, &out[run], &err), ERR_OK);
    }
    int n = out[0].n;
    const double *front = out[0].values;
    ck_assert_int_gt(n, 10);
    ck_assert_int_eq(n, out[1].n);
    ck_assert_mem_eq(out[0].x, out[1].x, (size_t)n * D * sizeof *out[0].x);
    for (int i = 0; i < n; i++) {
        ck_assert_double_le(front[3 * i + 2], 0.9 + 1e-5);
        for (int k = 0; k < n; k++) {
            bool beats = front[3 * k] < front[3 * i] && front[3 * k + 1] > front[3 * i + 1];
            ck_assert(!beats);
        }
    }
    ck_assert_int_eq(terms_values(&spec.terms, GRID * GRID, s.grid, s.values, &s.arena, &err),
                     ERR_OK);
    for (int i = 0; i < GRID * GRID; i++) {
        const double *v = s.values + 3 * i;
        bool reached = terms_excess(&spec.terms, v) > 0.0;
        for (int k = 0; k < n && !reached; k++) {
            reached = front[3 * k] <= v[0] + 0.03 && -front[3 * k + 1] <= v[1] + 0.03;
        }
        ck_assert_msg(reached, "nothing reaches %g, %g", v[0], -v[1]);
    }
    spec.population = 3;
    ck_assert_int_eq(pareto_run(&s.region, &spec, &s.arena, &out[0], &err), ERR_LIMIT);
    setup_release(&s);
}
END_TEST

/* Weighted sums: no point of the grid that meets the limit has a smaller sum for any weight than
 * the best point of the front, but for what lies between neighbouring weights. */
START_TEST(weighted_sums_support_the_front)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct pareto_front out[2];
    const struct term terms[] = {
        {TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_BOUND, 1, 2, 0, -1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.9}};
    setup_init(&s);
    struct pareto_spec spec = {
        .terms = {.model = s.model, .n = 3, .n_objectives = 2, .list = terms, .n_threads = 1},
        .method = PARETO_WEIGHTED_SUM,
        .population = 41,
        .generations = 1,
        .n_candidates = 300,
        .seed = 3};
    for (int run = 0; run < 2; run++) {
        spec.terms.n_threads = 1 + run;
        ck_assert_msg(pareto_run(&s.region, &spec, &s.arena, &out[run], &err) == ERR_OK, "%s",
                      err.msg);
    }
    ck_assert_int_gt(out[0].n, 3);
    ck_assert_int_le(out[0].n, 41);
    ck_assert_int_eq(out[0].n, out[1].n);
    ck_assert_mem_eq(out[0].x, out[1].x, (size_t)out[0].n * D * sizeof *out[0].x);
    ck_assert_int_eq(terms_values(&spec.terms, GRID * GRID, s.grid, s.values, &s.arena, &err),
                     ERR_OK);
    for (int w = 0; w <= 20; w++) {
        double best[2] = {INFINITY, INFINITY};
        for (int i = 0; i < GRID * GRID; i++) {
            const double *v = s.values + 3 * i;
            double sum = w * v[0] + (20 - w) * v[1];
            best[0] = terms_excess(&spec.terms, v) <= 0.0 ? fmin(best[0], sum / 20.0) : best[0];
        }
        for (int i = 0; i < out[0].n; i++) {
            const double *v = out[0].values + 3 * i;
            ck_assert_double_le(v[2], 0.9 + 1e-5);
            best[1] = fmin(best[1], (w * v[0] - (20 - w) * v[1]) / 20.0);
        }
        ck_assert_double_le(best[1], best[0] + 2e-3);
    }
    spec.n_candidates = 0;
    ck_assert_int_eq(pareto_run(&s.region, &spec, &s.arena, &out[0], &err), ERR_LIMIT);
    setup_release(&s);
}
END_TEST

/* The front of a draw is that of the draw: no point of the grid in this draw is better by much in
 * both objectives; and the spread is that of the nearest points, found once more here. */
START_TEST(fronts_of_draws_are_those_of_the_draws)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct pareto_front front;
    struct pareto_spread spread[2];
    const struct term terms[] = {{TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_MEAN, 1, 0, 0, -1, 0}};
    setup_init(&s);
    struct pareto_spec spec = {
        .terms = {.model = s.model, .n = 2, .n_objectives = 2, .list = terms, .n_threads = 1},
        .method = _i == 0 ? PARETO_NSGA : PARETO_WEIGHTED_SUM,
        .population = 80,
        .generations = 100,
        .n_candidates = 300,
        .n_draws = 4,
        .seed = 5};
    ck_assert_int_eq(pareto_run(&s.region, &spec, &s.arena, &front, &err), ERR_OK);
    for (int run = 0; run < 2; run++) {
        spec.terms.n_threads = 1 + run;
        ck_assert_int_eq(pareto_draws(&s.region, &spec, &front, &s.arena, &spread[run], &err),
                         ERR_OK);
    }
    ck_assert_int_eq(spread[0].n_draws, 4);
    ck_assert_int_eq(spread[0].n_failed, 0);
    ck_assert_mem_eq(spread[0].values_std, spread[1].values_std,
                     (size_t)front.n * 2 * sizeof(double));
    for (int k = 0; k < 4; k++) {
        const struct pareto_front *draw = &spread[0].draws[k];
        for (int i = 0; i < GRID * GRID; i++) {
            const double *v = s.samples + ((size_t)k * GRID * GRID + (size_t)i) * 2;
            bool reached = false;
            for (int f = 0; f < draw->n && !reached; f++) {
                /* weighted sums leave hollows, in which no point dominates all of the front */
                double *at = draw->values + 2 * f;
                reached = _i == 0 ? at[0] <= v[0] + 0.06 && at[1] >= v[1] - 0.06
                                  : at[0] <= v[0] + 1e-3 || at[1] >= v[1] - 1e-3;
            }
            ck_assert_msg(reached, "draw %d: nothing reaches %g, %g", k, v[0], v[1]);
        }
    }
    double low[2] = {INFINITY, INFINITY};
    double high[2] = {-INFINITY, -INFINITY};
    for (int i = 0; i < 2 * front.n; i++) {
        low[i % 2] = fmin(low[i % 2], front.values[i]);
        high[i % 2] = fmax(high[i % 2], front.values[i]);
    }
    for (int i = 0; i < front.n; i++) {
        double sum = 0.0;
        double squares = 0.0;
        for (int k = 0; k < 4; k++) {
            const struct pareto_front *draw = &spread[0].draws[k];
            double closest = INFINITY;
            double value = 0.0;
            for (int f = 0; f < draw->n; f++) {
                double a = (draw->values[2 * f] - front.values[2 * i]) / (high[0] - low[0]);
                double b = (draw->values[2 * f + 1] - front.values[2 * i + 1]) / (high[1] - low[1]);
                value = a * a + b * b < closest ? draw->values[2 * f] : value;
                closest = fmin(closest, a * a + b * b);
            }
            sum += value;
            squares += value * value;
        }
        double std = sqrt(fmax(0.0, (squares - sum * sum / 4.0) / 3.0));
        ck_assert_double_eq_tol(spread[0].values_mean[2 * i], sum / 4.0, 1e-9);
        ck_assert_double_eq_tol(spread[0].values_std[2 * i], std, 1e-6);
    }
    spec.n_draws = PARETO_MAX_DRAWS + 1;
    ck_assert_int_eq(pareto_draws(&s.region, &spec, &front, &s.arena, &spread[0], &err), ERR_LIMIT);
    setup_release(&s);
}
END_TEST

/* A search ends when it is told to. */
START_TEST(searches_are_cancelled)
{
    struct setup s;
    const struct cancel stopped = {.stop = true};
    const struct term terms[] = {{TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.2}};
    setup_init(&s);
    for (int method = 0; method < 3; method++) {
        struct err err = ERR_INIT;
        struct optimum optimum;
        struct pareto_front front;
        struct optimise_spec spec = spec_of(&s, terms, 2);
        spec.terms.cancel = &stopped;
        struct pareto_spec pareto = {.terms = spec.terms,
                                     .method = (enum pareto_method)(method % 2),
                                     .population = 8,
                                     .generations = 2,
                                     .n_candidates = 20,
                                     .seed = 3};
        pareto.terms.n_objectives = 2;
        ck_assert_int_eq(method == 2 ? optimise_run(&s.region, &spec, &s.arena, &optimum, &err)
                                     : pareto_run(&s.region, &pareto, &s.arena, &front, &err),
                         ERR_CANCELLED);
    }
    setup_release(&s);
}
END_TEST

START_TEST(failing_allocations_are_errors)
{
    struct setup s;
    setup_init(&s);
    long live = mem_live();
    const struct term terms[] = {{TERM_MEAN, 0, 0, 0, 1, 0}, {TERM_MEAN, 1, 0, 0, 1, 0.2}};
    bool done = false;
    for (long n = 1; !done; n++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct optimum optimum;
        struct pareto_front front;
        struct pareto_spread spread;
        struct optimise_spec spec = spec_of(&s, terms, 2);
        struct pareto_spec pareto = {.terms = spec.terms,
                                     .method = _i == 0 ? PARETO_NSGA : PARETO_WEIGHTED_SUM,
                                     .population = 8,
                                     .generations = 2,
                                     .n_candidates = 10,
                                     .n_draws = 1,
                                     .seed = 3};
        pareto.terms.n_objectives = 2;
        spec.n_candidates = 10;
        spec.n_starts = 1;
        spec.n_draws = 1;
        spec.terms.n_threads = pareto.terms.n_threads = 1;
        mem_fail_after(n, false);
        done = optimise_run(&s.region, &spec, &arena, &optimum, &err) == ERR_OK &&
               pareto_run(&s.region, &pareto, &arena, &front, &err) == ERR_OK &&
               pareto_draws(&s.region, &pareto, &front, &arena, &spread, &err) == ERR_OK;
        mem_fail_after(0, false);
        ck_assert(done || err.code == ERR_NOMEM);
        arena_release(&arena);
        ck_assert_int_eq(mem_live(), live);
    }
    setup_release(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimise");
    TCase *tcase = tcase_create("optimise");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, optima_are_those_of_a_fine_grid, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tcase, optima_of_draws_are_those_of_the_draws);
    tcase_add_test(tcase, limits_that_hold_nowhere_are_told);
    tcase_add_test(tcase, discrete_inputs_find_their_value);
    tcase_add_test(tcase, fronts_are_those_of_a_fine_grid);
    tcase_add_test(tcase, weighted_sums_support_the_front);
    tcase_add_loop_test(tcase, fronts_of_draws_are_those_of_the_draws, 0, 2);
    tcase_add_test(tcase, searches_are_cancelled);
    tcase_add_loop_test(tcase, failing_allocations_are_errors, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
