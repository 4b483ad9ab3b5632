/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions against the textbook formulas of a linear Gaussian model. */
#include "explore_cases.h"

#include "explore/design.h"
#include "explore/suggest.h"
#include "give_feasible.h"
#include "predict/predict.h"

#define N_CANDIDATES 60
#define N_BATCH      4
#define N_PENDING    2
#define N_REFS       50
#define SEED         9

static const int first_output[] = {0};

struct setup {
    struct space *space;
    struct model *model;
    struct region region;
    struct arena arena;
    double *candidates; /* [N_CANDIDATES x D] */
    double *refs;       /* [N_REFS x D] those of integrated_variance */
    double pending[N_PENDING * D];
};

static void setup_init(struct setup *s, bool linearised, int draws)
{
    struct err err = ERR_INIT;
    struct design design;
    struct design_spec spec = {
        .kind = DESIGN_SOBOL, .n = N_CANDIDATES, .scrambled = true, .seed = 4};
    *s = (struct setup){.space = plane_space(), .arena = ARENA_INIT, .pending = {0, 1, 1.5, 0.3}};
    const struct region_spec whole = {.space = s->space};
    s->model = linear_model(linearised, draws, true);
    make_region(&s->region, &whole, &s->arena);
    ck_assert_int_eq(design_make(&s->region, &spec, &s->arena, &design, &err), ERR_OK);
    s->candidates = design.x;
    spec.n = N_REFS;
    spec.seed = SEED + 1;
    ck_assert_int_eq(design_make(&s->region, &spec, &s->arena, &design, &err), ERR_OK);
    s->refs = design.x;
}

static void setup_release(struct setup *s)
{
    arena_release(&s->arena);
    model_unref(s->model);
    space_unref(s->space);
}

static struct suggest_spec spec_of(const struct setup *s, enum criterion criterion)
{
    return (struct suggest_spec){.criterion = criterion,
                                 .n = N_BATCH,
                                 .n_outputs = 1,
                                 .outputs = first_output,
                                 .threshold = 0.4,
                                 .k = NAN,
                                 .best = -0.2,
                                 .n_candidates = N_CANDIDATES,
                                 .candidates = s->candidates,
                                 .n_references = N_REFS,
                                 .n_pending = N_PENDING,
                                 .pending = s->pending,
                                 .seed = SEED,
                                 .n_threads = 1};
}

static double phi_of(double z)
{
    return 0.5 * erfc(-z / sqrt(2.0));
}

/* The score of suggest.h, written once more. */
static double best_so_far;

static double score(const struct setup *s, enum criterion criterion, const double *cov,
                    const double *x, bool maximise)
{
    double var = covariance_of(s->model, cov, x, x);
    double std = sqrt(var);
    double mean = mean_of(s->model, x);
    double noise = SIGMA * SIGMA;
    double sum = 0.0;
    double gap = maximise ? mean - best_so_far : best_so_far - mean;
    switch (criterion) {
    case CRITERION_VARIANCE:
        return var;
    case CRITERION_INTEGRATED_VARIANCE:
        for (int r = 0; r < N_REFS; r++) {
            double c = covariance_of(s->model, cov, x, s->refs + r * D);
            sum += c * c / (var + noise) / N_REFS;
        }
        return sum;
    case CRITERION_D_OPTIMAL:
        return 0.5 * log(1.0 + var / noise);
    case CRITERION_EXPECTED_IMPROVEMENT:
        return gap * phi_of(gap / std) + std * exp(-0.5 * gap * gap / var) / sqrt(2.0 * M_PI);
    case CRITERION_LOWER_CONFIDENCE:
        return (maximise ? mean : -mean) + 2.0 * std;
    case CRITERION_LEVEL_SET:
        return 1.96 * std - fabs(mean - 0.4);
    case CRITERION_FAILURE_BOUNDARY:
        return phi_of(-fabs(mean - 0.4) / std);
    case CRITERION_THOMPSON:
        break;
    }
    ck_abort();
}

static void see(const struct setup *s, const double *x, double *cov, bool maximise)
{
    double mean = mean_of(s->model, x);
    best_so_far = maximise ? fmax(best_so_far, mean) : fmin(best_so_far, mean);
    observe(s->model, x, SIGMA * SIGMA, cov);
}

/* Batches are those of exhaustive search with the exact posterior covariance, score by score. */
START_TEST(batches_are_those_of_the_closed_form)
{
    enum criterion criterion = (enum criterion)(_i / 2);
    bool maximise = _i % 2 == 1;
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out;
    double cov[FEATURES * FEATURES];
    best_so_far = -0.2;
    bool used[N_CANDIDATES] = {false};
    if (criterion == CRITERION_THOMPSON) {
        return;
    }
    setup_init(&s, true, 20);
    struct suggest_spec spec = spec_of(&s, criterion);
    spec.maximise = maximise;
    ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err) == ERR_OK, "%s",
                  err.msg);
    ck_assert_int_eq(out.n, N_BATCH);
    prior_of(s.model, cov);
    for (int i = 0; i < N_PENDING; i++) {
        see(&s, s.pending + i * D, cov, maximise);
    }
    for (int k = 0; k < N_BATCH; k++) {
        int best = -1;
        double top = 0.0;
        for (int i = 0; i < N_CANDIDATES; i++) {
            double here = score(&s, criterion, cov, s.candidates + i * D, maximise);
            if (!used[i] && (best < 0 || here > top)) {
                best = i;
                top = here;
            }
        }
        const double *x = s.candidates + best * D;
        ck_assert_int_eq(out.list[k].candidate, best);
        ck_assert_mem_eq(out.list[k].x, x, D * sizeof *x);
        ck_assert_double_eq_tol(out.list[k].score, top, 1e-9 * (1.0 + fabs(top)));
        ck_assert_double_eq_tol(out.list[k].std[0], sqrt(covariance_of(s.model, cov, x, x)), 1e-9);
        ck_assert_double_eq_tol(out.list[k].mean[0], mean_of(s.model, x), 1e-9);
        used[best] = true;
        see(&s, x, cov, maximise);
    }
    ck_assert_double_lt(out.variance_after, out.variance);
    setup_release(&s);
}
END_TEST

/* Draws of the same posterior: scores agree to their Monte Carlo error. */
START_TEST(draws_agree_with_the_closed_form)
{
    const int draws = 20000;
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out;
    double cov[FEATURES * FEATURES];
    setup_init(&s, false, draws);
    struct suggest_spec spec = spec_of(&s, (enum criterion)_i);
    spec.n = 2;
    spec.n_candidates = 10;
    spec.n_references = N_REFS;
    ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err) == ERR_OK, "%s",
                  err.msg);
    prior_of(s.model, cov);
    for (int i = 0; i < N_PENDING; i++) {
        see(&s, s.pending + i * D, cov, false);
    }
    for (int k = 0; k < spec.n; k++) {
        double exact = score(&s, spec.criterion, cov, out.list[k].x, false);
        ck_assert_double_eq_tol(out.list[k].score, exact,
                                6.0 * 1.5 / sqrt(draws) * fabs(exact) + 0.03);
        see(&s, out.list[k].x, cov, false);
    }
    setup_release(&s);
}
END_TEST

/* A search finds a score that no point of a fine grid beats, with and without gradients; its points
 * are in the region; the same seed gives the same answer whatever the threads. */
START_TEST(searches_find_the_top)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out[2];
    double cov[FEATURES * FEATURES];
    enum criterion criterion = (enum criterion)_i;
    best_so_far = -0.2;
    if (criterion == CRITERION_THOMPSON) {
        return;
    }
    setup_init(&s, true, 20);
    for (int run = 0; run < 2; run++) {
        struct suggest_spec spec = spec_of(&s, criterion);
        spec.candidates = NULL;
        spec.n_candidates = 200;
        spec.n_pending = 0;
        spec.n = 2;
        spec.search = true;
        spec.n_threads = 1 + run;
        ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &out[run], &err) == ERR_OK,
                      "%s", err.msg);
    }
    prior_of(s.model, cov);
    for (int k = 0; k < 2; k++) {
        const struct suggestion *found = &out[0].list[k];
        double top = -INFINITY;
        for (int i = 0; i <= 100 * 100; i++) {
            double x[D] = {-1.0 + 0.03 * (i % 101), 0.03 * (i / 101.0)};
            top = fmax(top, score(&s, criterion, cov, x, false));
        }
        ck_assert_double_ge(found->score, top - 1e-4 * fabs(top));
        ck_assert_double_eq_tol(found->score, score(&s, criterion, cov, found->x, false), 1e-9);
        ck_assert_int_eq(found->candidate, -1);
        ck_assert(found->x[0] >= -1.0 && found->x[0] <= 2.0 && found->x[1] >= 0.0 &&
                  found->x[1] <= 3.0);
        ck_assert_mem_eq(found->x, out[1].list[k].x, D * sizeof *found->x);
        ck_assert_double_eq(found->score, out[1].list[k].score);
        see(&s, found->x, cov, false);
    }
    setup_release(&s);
}
END_TEST

/* Thompson draws choose a point as often as it is best: 400 batches of one, two candidates. */
START_TEST(thompson_follows_the_probability_of_being_best)
{
    struct setup s;
    struct suggestions out;
    double cov[FEATURES * FEATURES];
    int first = 0;
    const int runs = 400;
    double x[2 * D] = {0.1, 0.6, 1.2, 2.0};
    setup_init(&s, _i == 1, 500);
    prior_of(s.model, cov);
    double gap = mean_of(s.model, x) - mean_of(s.model, x + D);
    double var = covariance_of(s.model, cov, x, x) + covariance_of(s.model, cov, x + D, x + D) -
                 2.0 * covariance_of(s.model, cov, x, x + D);
    double p = phi_of(-gap / sqrt(var)); /* of the first one being smaller */
    for (int run = 0; run < runs; run++) {
        struct err err = ERR_INIT;
        struct suggest_spec spec = spec_of(&s, CRITERION_THOMPSON);
        spec.n = 1;
        spec.candidates = x;
        spec.n_candidates = 2;
        spec.n_pending = 0;
        spec.seed = (uint64_t)run;
        ck_assert_int_eq(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err), ERR_OK);
        first += out.list[0].candidate == 0;
    }
    ck_assert(p > 0.05 && p < 0.95);
    ck_assert_double_le(fabs((double)first / runs - p), 6.0 * sqrt(p * (1.0 - p) / runs) + 0.05);
    setup_release(&s);
}
END_TEST

START_TEST(costs_divide_scores)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out;
    double costs[N_CANDIDATES];
    setup_init(&s, true, 20);
    struct suggest_spec spec = spec_of(&s, CRITERION_VARIANCE);
    spec.n = 1;
    ck_assert_int_eq(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err), ERR_OK);
    int dearest = out.list[0].candidate;
    for (int i = 0; i < N_CANDIDATES; i++) {
        costs[i] = i == dearest ? 1e3 : 1.0;
    }
    spec.costs = costs;
    ck_assert_int_eq(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err), ERR_OK);
    ck_assert_int_ne(out.list[0].candidate, dearest);
    ck_assert_double_eq(out.list[0].cost, 1.0);
    setup_release(&s);
}
END_TEST

/* Of a model that knows failed runs the first point has the largest score times P(run succeeds). */
START_TEST(points_that_will_fail_are_worth_less)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out;
    struct predict_result result;
    double cov[FEATURES * FEATURES];
    int best = 0;
    double top = 0.0;
    setup_init(&s, true, 20);
    struct model *model = linear_model(true, 20, true);
    give_feasible(model);
    const struct predict_request req = {
        .n = N_CANDIDATES, .x = s.candidates, .want = PREDICT_FEASIBLE, .n_threads = 1};
    struct suggest_spec spec = spec_of(&s, _i == 0 ? CRITERION_VARIANCE : CRITERION_LEVEL_SET);
    spec.n = 1;
    spec.n_pending = 0;
    ck_assert_int_eq(predict_run(model, &req, &s.arena, &result, &err), ERR_OK);
    ck_assert_int_eq(suggest_run(model, &s.region, &spec, &s.arena, &out, &err), ERR_OK);
    prior_of(s.model, cov);
    double base = 0.0; /* scores that may be negative are counted from the smallest */
    for (int i = 0; i < N_CANDIDATES && spec.criterion == CRITERION_LEVEL_SET; i++) {
        double here = score(&s, spec.criterion, cov, s.candidates + i * D, false);
        base = i == 0 || here < base ? here : base;
    }
    for (int i = 0; i < N_CANDIDATES; i++) {
        double here = score(&s, spec.criterion, cov, s.candidates + i * D, false) - base;
        if (here * result.feasible[i] > top) {
            top = here * result.feasible[i];
            best = i;
        }
    }
    ck_assert_int_eq(out.list[0].candidate, best);
    ck_assert_double_eq(out.list[0].feasible, result.feasible[best]);
    model_unref(model);
    setup_release(&s);
}
END_TEST

START_TEST(what_cannot_be_answered_is_refused)
{
    struct setup s;
    struct suggestions out;
    setup_init(&s, true, 20);
    for (int i = 0; i < 7; i++) {
        struct err err = ERR_INIT;
        struct suggest_spec spec = spec_of(&s, CRITERION_LEVEL_SET);
        enum err_code wanted = i == 3 || i == 4 || i == 6 ? ERR_LIMIT : ERR_INVALID;
        struct model *quiet = linear_model(true, 5, false);
        spec.threshold = i == 0 ? NAN : 0.0;
        spec.n_outputs = i == 1 ? 0 : 1;
        spec.n_candidates = i == 2 ? N_BATCH - 1 : (i == 3 ? SUGGEST_MAX_CANDIDATES + 1 : 60);
        spec.n = i == 4 ? SUGGEST_MAX_POINTS + 1 : spec.n;
        spec.criterion = i == 5 ? CRITERION_D_OPTIMAL : spec.criterion;
        spec.n_pending = i == 6 ? SUGGEST_MAX_PENDING + 1 : 0;
        ck_assert_int_eq(
            suggest_run(i == 5 ? quiet : s.model, &s.region, &spec, &s.arena, &out, &err), wanted);
        model_unref(quiet);
    }
    setup_release(&s);
}
END_TEST

/* Every allocation fails once, and nothing is lost. */
START_TEST(failing_allocations_are_errors)
{
    struct setup s;
    setup_init(&s, _i == 1, 12);
    long live = mem_live();
    bool done = false;
    int failed = 0;
    for (long n = 1; !done; n++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct suggestions out;
        struct suggest_spec spec = spec_of(&s, CRITERION_EXPECTED_IMPROVEMENT);
        spec.candidates = NULL;
        spec.n = 2;
        spec.n_candidates = 12;
        spec.search = true;
        spec.n_known = N_PENDING;
        spec.known = s.pending;
        spec.best = NAN;
        mem_fail_after(n, false);
        done = suggest_run(s.model, &s.region, &spec, &arena, &out, &err) == ERR_OK;
        mem_fail_after(0, false);
        ck_assert(done || err.code == ERR_NOMEM);
        failed += !done;
        arena_release(&arena);
        ck_assert_int_eq(mem_live(), live);
    }
    ck_assert_int_gt(failed, 3);
    setup_release(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("suggest");
    TCase *tcase = tcase_create("suggest");
    tcase_set_timeout(tcase, 120);
    int n = criterion_known().n;
    tcase_add_loop_test(tcase, searches_find_the_top, 0, n);
    suite_add_tcase(suite, tcase);
    TCase *rest = tcase_create("suggest of one thread");
    tcase_set_timeout(rest, 120);
    tcase_set_tags(rest, "no_races");
    tcase_add_loop_test(rest, batches_are_those_of_the_closed_form, 0, 2 * n);
    tcase_add_loop_test(rest, draws_agree_with_the_closed_form, 0, 2);
    tcase_add_loop_test(rest, thompson_follows_the_probability_of_being_best, 0, 2);
    tcase_add_test(rest, costs_divide_scores);
    tcase_add_loop_test(rest, points_that_will_fail_are_worth_less, 0, 2);
    tcase_add_test(rest, what_cannot_be_answered_is_refused);
    tcase_add_loop_test(rest, failing_allocations_are_errors, 0, 2);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
