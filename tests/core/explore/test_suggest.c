/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions against the textbook formulas of a linear Gaussian model. */
#include "explore_cases.h"

#include "explore/design.h"
#include "explore/outlook.h"
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

/* ---- the scores of suggest.h, written once more ---- */

#define N_FUTURES 4000 /* of the check */

/* What pending points may give, by the textbook update of the weights: the mean of the weights in
 * each future, and their covariance, which is the same in all. */
struct check {
    const struct setup *s;
    enum criterion criterion;
    bool maximise;
    int n_seen;
    double cov[FEATURES * FEATURES];
    double (*weights)[FEATURES]; /* [N_FUTURES] */
    double *best;                /* [N_FUTURES] */
    struct rng rng;
};

static void check_init(struct check *check, struct setup *s, enum criterion criterion, double best)
{
    const struct gauss *g = &s->model->gaussian.members[0];
    *check = (struct check){.s = s, .criterion = criterion};
    check->weights = arena_alloc_array(&s->arena, N_FUTURES, sizeof *check->weights);
    check->best = arena_alloc_array(&s->arena, N_FUTURES, sizeof *check->best);
    prior_of(s->model, check->cov);
    rng_init(&check->rng, 8, RNG_TEST, 0);
    for (int f = 0; f < N_FUTURES; f++) {
        memcpy(check->weights[f], g->mean + g->first, sizeof check->weights[f]);
        check->best[f] = best;
    }
}

static double product(const double *a, const double *b)
{
    double sum = 0.0;
    for (int k = 0; k < FEATURES; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* Every future observes its own value at x: of expected_improvement the value itself, else one with
 * noise. */
static void see(struct check *check, const double *x)
{
    bool latent = check->criterion == CRITERION_EXPECTED_IMPROVEMENT;
    double noise = latent ? 0.0 : SIGMA * SIGMA;
    double phi[FEATURES];
    double gain[FEATURES];
    features_of(check->s->model, x, phi);
    for (int i = 0; i < FEATURES; i++) {
        gain[i] = product(check->cov + i * FEATURES, phi);
    }
    double square = product(gain, phi) + noise;
    for (int f = 0; f < N_FUTURES; f++) {
        double step = rng_normal(&check->rng) / sqrt(square);
        for (int i = 0; i < FEATURES; i++) {
            check->weights[f][i] += step * gain[i];
        }
        double value = product(check->weights[f], phi);
        check->best[f] =
            check->maximise ? fmax(check->best[f], value) : fmin(check->best[f], value);
    }
    observe(check->s->model, x, noise, check->cov);
    check->n_seen++;
}

static double score_with(const struct check *check, const double *x, double mean, double best)
{
    const struct setup *s = check->s;
    double var = fmax(0.0, covariance_of(s->model, check->cov, x, x));
    double std = sqrt(var);
    double noise = SIGMA * SIGMA;
    double sum = 0.0;
    double gap = check->maximise ? mean - best : best - mean;
    switch (check->criterion) {
    case CRITERION_VARIANCE:
        return var;
    case CRITERION_INTEGRATED_VARIANCE:
        for (int r = 0; r < N_REFS; r++) {
            double c = covariance_of(s->model, check->cov, x, s->refs + r * D);
            sum += c * c / (var + noise) / N_REFS;
        }
        return sum;
    case CRITERION_D_OPTIMAL:
        return 0.5 * log(1.0 + var / noise);
    case CRITERION_EXPECTED_IMPROVEMENT:
        return std > 1e-7
                   ? gap * phi_of(gap / std) + std * exp(-0.5 * gap * gap / var) / sqrt(2.0 * M_PI)
                   : fmax(gap, 0.0);
    case CRITERION_LOWER_CONFIDENCE:
        return (check->maximise ? mean : -mean) + 2.0 * std;
    case CRITERION_LEVEL_SET:
        return 1.96 * std - fabs(mean - 0.4);
    case CRITERION_FAILURE_BOUNDARY:
        return phi_of(-fabs(mean - 0.4) / std);
    case CRITERION_THOMPSON:
        break;
    }
    ck_abort();
}

static bool looks_ahead(const struct check *check)
{
    return check->n_seen > 0 && (check->criterion == CRITERION_EXPECTED_IMPROVEMENT ||
                                 check->criterion == CRITERION_LEVEL_SET ||
                                 check->criterion == CRITERION_FAILURE_BOUNDARY);
}

/* The mean over futures; *error <- five standard deviations of a mean over as many futures as
 * suggestions have, and over those of the check. */
static double score(const struct check *check, const double *x, double *error)
{
    double phi[FEATURES];
    double sum = 0.0;
    double squares = 0.0;
    features_of(check->s->model, x, phi);
    if (!looks_ahead(check)) {
        double one = score_with(check, x, mean_of(check->s->model, x), check->best[0]);
        *error = 1e-9 * (1.0 + fabs(one));
        return one;
    }
    for (int f = 0; f < N_FUTURES; f++) {
        double here = score_with(check, x, product(check->weights[f], phi), check->best[f]);
        sum += here / N_FUTURES;
        squares += here * here / N_FUTURES;
    }
    double std = sqrt(fmax(0.0, squares - sum * sum));
    *error = 5.0 * std * (1.0 / sqrt(OUTLOOK_FUTURES) + 1.0 / sqrt(N_FUTURES)) + 1e-9;
    return sum;
}

/* Batches are those of exhaustive search with the exact posterior covariance, score by score. */
START_TEST(batches_are_those_of_the_closed_form)
{
    struct setup s;
    struct check check;
    struct err err = ERR_INIT;
    struct suggestions out;
    bool used[N_CANDIDATES] = {false};
    setup_init(&s, true, 20);
    check_init(&check, &s, (enum criterion)(_i / 2), -0.2);
    check.maximise = _i % 2 == 1;
    if (check.criterion == CRITERION_THOMPSON) {
        setup_release(&s);
        return;
    }
    struct suggest_spec spec = spec_of(&s, check.criterion);
    spec.maximise = check.maximise;
    ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err) == ERR_OK, "%s",
                  err.msg);
    ck_assert_int_eq(out.n, N_BATCH);
    double exact[FEATURES * FEATURES]; /* with noise, which `std` is conditioned with */
    prior_of(s.model, exact);
    for (int i = 0; i < N_PENDING; i++) {
        see(&check, s.pending + i * D);
        observe(s.model, s.pending + i * D, SIGMA * SIGMA, exact);
    }
    for (int k = 0; k < N_BATCH; k++) {
        double top = -INFINITY;
        double error;
        int best = out.list[k].candidate;
        ck_assert(best >= 0 && best < N_CANDIDATES && !used[best]);
        const double *x = s.candidates + best * D;
        double found = score(&check, x, &error);
        for (int i = 0; i < N_CANDIDATES; i++) {
            double its_error;
            double here = score(&check, s.candidates + i * D, &its_error);
            top = !used[i] ? fmax(top, here - its_error) : top;
        }
        ck_assert_double_ge(found + error, top);
        ck_assert_mem_eq(out.list[k].x, x, D * sizeof *x);
        ck_assert_double_eq_tol(out.list[k].score, found, error);
        ck_assert_double_eq_tol(out.list[k].std[0], sqrt(covariance_of(s.model, exact, x, x)),
                                1e-9);
        ck_assert_double_eq_tol(out.list[k].mean[0], mean_of(s.model, x), 1e-9);
        used[best] = true;
        see(&check, x);
        observe(s.model, x, SIGMA * SIGMA, exact);
    }
    ck_assert_double_lt(out.variance_after, out.variance);
    setup_release(&s);
}
END_TEST

/* The mean over what one pending point may give, by quadrature: the trapezoidal rule over 4001
 * values of it. What a believer of its mean, or one who forgets it, would say is far off. */
START_TEST(one_pending_point_is_integrated_over)
{
    static const enum criterion kinds[] = {CRITERION_EXPECTED_IMPROVEMENT, CRITERION_LEVEL_SET,
                                           CRITERION_FAILURE_BOUNDARY};
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out;
    struct check check;
    double x[D] = {0.4, 1.3};
    double phi[FEATURES];
    setup_init(&s, true, 20);
    check_init(&check, &s, kinds[_i], -0.2);
    double *at = s.pending;
    struct suggest_spec spec = spec_of(&s, check.criterion);
    spec.n = spec.n_candidates = spec.n_pending = 1;
    spec.candidates = x;
    spec.threshold = 0.4;
    ck_assert_int_eq(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err), ERR_OK);
    double noise = check.criterion == CRITERION_EXPECTED_IMPROVEMENT ? 0.0 : SIGMA * SIGMA;
    double cross = covariance_of(s.model, check.cov, x, at);
    double square = covariance_of(s.model, check.cov, at, at);
    double mean = mean_of(s.model, x);
    features_of(s.model, at, phi);
    double forgets = score_with(&check, x, mean, -0.2);
    observe(s.model, at, noise, check.cov);
    double believes = score_with(&check, x, mean, fmin(-0.2, mean_of(s.model, at)));
    double sum = 0.0;
    for (int k = -2000; k <= 2000; k++) {
        double w = k / 250.0;
        double value = mean_of(s.model, at) + sqrt(square) * w; /* without noise: of the point */
        double moved = mean + cross / sqrt(square + noise) * w;
        sum += exp(-0.5 * w * w) / sqrt(2.0 * M_PI) / 250.0 *
               score_with(&check, x, moved, fmin(-0.2, value));
    }
    ck_assert_double_eq_tol(out.list[0].score, sum, 5e-3 * fabs(sum));
    ck_assert_double_gt(fabs(sum - believes), 1e-2 * fabs(sum));
    ck_assert_double_gt(fabs(sum - forgets), 1e-2 * fabs(sum));
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
    struct check check;
    setup_init(&s, false, draws);
    check_init(&check, &s, (enum criterion)_i, -0.2);
    struct suggest_spec spec = spec_of(&s, (enum criterion)_i);
    spec.n = 2;
    spec.n_candidates = 10;
    spec.n_references = N_REFS;
    ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &out, &err) == ERR_OK, "%s",
                  err.msg);
    for (int i = 0; i < N_PENDING; i++) {
        see(&check, s.pending + i * D);
    }
    for (int k = 0; k < spec.n; k++) {
        double error;
        double exact = score(&check, out.list[k].x, &error);
        ck_assert_double_eq_tol(out.list[k].score, exact,
                                6.0 * 1.5 / sqrt(draws) * fabs(exact) + 0.03);
        see(&check, out.list[k].x);
    }
    setup_release(&s);
}
END_TEST

/* A search finds a score that no point of a fine grid beats, for the first point and the second;
 * its points are in the region; the same seed gives the same answer whatever the threads. */
START_TEST(searches_find_the_top)
{
    struct setup s;
    struct err err = ERR_INIT;
    struct suggestions out[2];
    struct suggestions grid;
    const int side = 101;
    enum criterion criterion = (enum criterion)_i;
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
    /* The grid as candidates; as the second point, with the first one pending. */
    double *x = arena_alloc_array(&s.arena, (size_t)(side * side), D * sizeof *x);
    for (int i = 0; i < side * side; i++) {
        x[i * D] = -1.0 + 3.0 * (i % side) / (side - 1);
        x[i * D + 1] = 3.0 * (i / side) / (side - 1);
    }
    for (int k = 0; k < 2; k++) {
        const struct suggestion *found = &out[0].list[k];
        struct suggest_spec spec = spec_of(&s, criterion);
        spec.n = 1;
        spec.candidates = x;
        spec.n_candidates =
            SUGGEST_MAX_CANDIDATES < side * side ? SUGGEST_MAX_CANDIDATES : side * side;
        spec.n_pending = k;
        spec.pending = out[0].list[0].x;
        ck_assert_msg(suggest_run(s.model, &s.region, &spec, &s.arena, &grid, &err) == ERR_OK, "%s",
                      err.msg);
        double top = grid.list[0].score;
        ck_assert_double_ge(found->score, top - 1e-4 * fabs(top));
        ck_assert_int_eq(found->candidate, -1);
        ck_assert(found->x[0] >= -1.0 && found->x[0] <= 2.0 && found->x[1] >= 0.0 &&
                  found->x[1] <= 3.0);
        ck_assert_mem_eq(found->x, out[1].list[k].x, D * sizeof *found->x);
        ck_assert_double_eq(found->score, out[1].list[k].score);
        /* The score where the search ended is that of the same point as a candidate. */
        spec.candidates = found->x;
        spec.n_candidates = 1;
        ck_assert_int_eq(suggest_run(s.model, &s.region, &spec, &s.arena, &grid, &err), ERR_OK);
        ck_assert_double_eq_tol(found->score, grid.list[0].score, 1e-9 * (1.0 + fabs(top)));
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
    struct check check;
    double error;
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
    check_init(&check, &s, spec.criterion, -0.2);
    double base = 0.0; /* scores that may be negative are counted from the smallest */
    for (int i = 0; i < N_CANDIDATES && spec.criterion == CRITERION_LEVEL_SET; i++) {
        double here = score(&check, s.candidates + i * D, &error);
        base = i == 0 || here < base ? here : base;
    }
    for (int i = 0; i < N_CANDIDATES; i++) {
        double here = score(&check, s.candidates + i * D, &error) - base;
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
    tcase_add_loop_test(rest, one_pending_point_is_integrated_over, 0, 3);
    tcase_add_loop_test(rest, draws_agree_with_the_closed_form, 0, 2);
    tcase_add_loop_test(rest, thompson_follows_the_probability_of_being_best, 0, 2);
    tcase_add_test(rest, costs_divide_scores);
    tcase_add_loop_test(rest, points_that_will_fail_are_worth_less, 0, 2);
    tcase_add_test(rest, what_cannot_be_answered_is_refused);
    tcase_add_loop_test(rest, failing_allocations_are_errors, 0, 2);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
