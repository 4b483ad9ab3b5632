/* SPDX-License-Identifier: Apache-2.0 */
/* The gate on models that answer a constant, whose scores can be written down. */
#include "constant_model.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/split.h"
#include "formats/json_read.h"
#include "jobs/gate.h"

#define N    200
#define SEED 3

static struct model *answering(double value)
{
    return constant_model(&(struct constant){.d = 1, .value = value, .scale = 1.0});
}

static double x[N], y[N];
static unsigned char facts[N];

/* Outputs of the first rows lie in [0, 1), those of the others are a thousand times that. */
static struct gate_case pose(int n_known)
{
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = i / (double)N * (i < n_known ? 1.0 : 1000.0);
    }
    static struct data data;
    data = (struct data){.n = N, .d = 1, .o = 1, .x = x, .y = y};
    /* Both trained with the same split. */
    split_rows(SEED, N, 0.2, 0.0, facts);
    for (int i = 0; i < N; i++) {
        bool kept = facts[i] == SPLIT_KEPT;
        facts[i] = kept ? GATE_KEPT | GATE_CLEAN : 0;
        facts[i] |= i < n_known ? GATE_HAD : 0;
        facts[i] |= i < n_known && !kept ? GATE_SEEN : 0;
    }
    return (struct gate_case){.served_version = 7, .data = &data, .facts = facts, .n_threads = 1};
}

static struct gate_verdict judge(const struct gate_spec *spec, struct gate_case c,
                                 struct model *served, struct model *candidate)
{
    struct err err = ERR_INIT;
    struct gate_verdict verdict;
    c.served = served;
    c.candidate = candidate;
    ck_assert_msg(gate_judge(spec, &c, &verdict, &err) == ERR_OK, "%s", err.msg);
    model_unref(served);
    model_unref(candidate);
    return verdict;
}

/* The score of an answer on kept rows from `low` to `high`, in plain words. */
static double score(enum gate_metric metric, double answer, int low, int high, double range)
{
    unsigned char role[N];
    double sum = 0.0;
    int n = 0;
    split_rows(SEED, N, 0.2, 0.0, role);
    for (int i = low; i < high; i++) {
        if (role[i] == SPLIT_KEPT) {
            double r = y[i] - answer;
            double z = r / 0.5;
            double phi = exp(-z * z / 2) / sqrt(2 * M_PI);
            double crps = 0.5 * (z * erf(z / sqrt(2)) + 2 * phi - 1 / sqrt(M_PI));
            sum += metric == GATE_RMSE  ? r / range * (r / range)
                   : metric == GATE_NLL ? -log(phi / 0.5)
                                        : crps / range;
            n++;
        }
    }
    return metric == GATE_RMSE ? sqrt(sum / n) : sum / n;
}

START_TEST(scores_are_those_of_the_kept_rows)
{
    static const struct {
        enum gate_rows rows;
        int low, high;
    } parts[] = {{GATE_KNOWN, 0, 120}, {GATE_NEW, 120, N}, {GATE_ALL, 0, N}};
    for (size_t k = 0; k < 3 * 3; k++) {
        const enum gate_metric metric = (enum gate_metric)(k / 3);
        const int low = parts[k % 3].low;
        const int high = parts[k % 3].high;
        struct gate_spec spec = {
            .on = true, .metric = metric, .rows = parts[k % 3].rows, .max_increase = 0.1};
        /* Far rows have no density that a double could hold: compared by near ones only. */
        if (metric == GATE_NLL && high == N) {
            continue;
        }
        struct gate_verdict v = judge(
            &spec, pose(120), answering(0.25),
            constant_model(&(struct constant){.d = 1, .value = 0.02, .shift = 0.1, .scale = 10.0}));
        /* The range is that of the rows the served version had. */
        double served = score(metric, 0.25, low, high, 0.595);
        double candidate = score(metric, 0.3, low, high, 0.595);
        ck_assert_double_eq_tol(v.served, served, 1e-9 * fabs(served));
        ck_assert_double_eq_tol(v.candidate, candidate, 1e-9 * fabs(candidate));
        ck_assert_int_eq(v.rows, parts[k % 3].rows);
        double max = metric == GATE_NLL ? served + 0.1 : served * 1.1;
        ck_assert_int_eq(v.passed, candidate <= max);
        ck_assert_int_eq(v.passed, v.reason[0] == '\0');
    }
}
END_TEST

/* An output that is the same but for rounding, of which two versions have learnt different ones. */
START_TEST(rounding_keeps_no_version_out)
{
    const double size = _i == 0 ? 0.3 : -1e20;
    const double next = nextafter(size, INFINITY);
    struct gate_case c = pose(N);
    struct gate_spec spec = {.on = true, .rows = GATE_KNOWN, .max_increase = 0.1};
    for (int i = 0; i < N; i++) {
        y[i] = i % 4 == 0 ? next : size;
    }
    struct gate_verdict v = judge(&spec, c, answering(size), answering(next));
    ck_assert_msg(v.passed && v.candidate == 0.0, "%s", v.reason);
    v = judge(&spec, c, answering(size), answering(1.1 * size));
    ck_assert_msg(!v.passed && fabs(v.candidate - 0.1) < 1e-9, "%.17g", v.candidate);
}
END_TEST

/* The candidate's score is that of the predictions of its folds, not of what it answers itself. */
START_TEST(folds_speak_for_a_version_of_all_rows)
{
    static int rows[N];
    static double mean[N], std[N];
    struct train_cross cross = {.n = N, .o = 1, .n_folds = 5, .rows = rows, .mean = mean};
    struct gate_spec spec = {.on = true, .rows = GATE_ALL, .max_increase = 0.1};
    cross.std = std;
    for (int bad = 0; bad < 2; bad++) {
        struct gate_case c = pose(N);
        double squares = 0.0;
        int n = 0;
        c.cross = &cross;
        for (int i = 0; i < N; i++) {
            double gap = (bad ? 0.5 : 1e-3) * (1.0 + i % 3);
            rows[i] = i;
            mean[i] = y[i] + gap;
            std[i] = 1.0;
            facts[i] |= GATE_KEPT | GATE_CLEAN;
            squares += (facts[i] & GATE_SEEN) == 0 ? gap * gap : 0.0;
            n += (facts[i] & GATE_SEEN) == 0;
        }
        struct gate_verdict v = judge(&spec, c, answering(0.25), answering(1e6));
        double range = y[N - 1] - y[0];
        ck_assert_int_eq(v.n, n);
        ck_assert_double_eq_tol(v.candidate, sqrt(squares / n) / range, 1e-9);
        ck_assert_int_eq(v.passed, !bad);
        ck_assert_ptr_nonnull(strstr(v.rows_used, "cross-validation"));
    }
}
END_TEST

/* ---- which rows ---- */

/* How many kept rows there are of each kind. */
struct kinds {
    int known;     /* that the served version kept out too */
    int later;     /* that it never had */
    int seen;      /* that trained it */
    int forebears; /* that trained the version which the new one started from */
    int recorded;  /* rows of the served version's own scores; 0: it has none */
};

/* The output of each row is its place; rows that were not kept come last. */
static struct gate_case pose_kinds(const struct kinds *k)
{
    static struct data data;
    const int bounds[] = {k->known, k->known + k->later, k->known + k->later + k->seen,
                          k->known + k->later + k->seen + k->forebears};
    static const unsigned char kinds[] = {GATE_KEPT | GATE_CLEAN | GATE_HAD, GATE_KEPT | GATE_CLEAN,
                                          GATE_KEPT | GATE_CLEAN | GATE_HAD | GATE_SEEN,
                                          GATE_KEPT | GATE_HAD, GATE_HAD | GATE_SEEN};
    data = (struct data){.n = N, .d = 1, .o = 1, .x = x, .y = y};
    for (int i = 0; i < N; i++) {
        int kind = 0;
        while (kind < 4 && i >= bounds[kind]) {
            kind++;
        }
        facts[i] = kinds[kind];
        x[i] = y[i] = i;
    }
    return (struct gate_case){.served_version = 7, .data = &data, .facts = facts, .n_threads = 1};
}

static struct model *with_scores(struct model *model, int n_rows, double rmse)
{
    model->scores.n_rows = n_rows;
    model->scores.rmse = mem_dup(&rmse, sizeof rmse);
    model->scores.output_range = mem_dup((const double[]){0.0, 1.0}, 2 * sizeof(double));
    return model;
}

/* At GATE_MIN_ROWS and one below. */
START_TEST(the_best_basis_there_is_is_taken)
{
    enum { KNOWN = GATE_KNOWN, ALL = GATE_ALL, NEW = GATE_NEW };
    static const struct {
        struct kinds kinds;
        int asked;
        enum gate_basis basis;
        int rows, n, n_new;
        const char *words;
    } cases[] = {
        {{10, 50, 50, 0, 50}, KNOWN, GATE_BOTH, KNOWN, 10, 0, "10 rows kept out of both"},
        {{9, 50, 50, 0, 50}, KNOWN, GATE_RECORDED, KNOWN, 59, 0, "59 rows that it kept out itself"},
        {{9, 50, 21, 0, 30}, KNOWN, GATE_RECORDED, KNOWN, 30, 0, "itself, and 30 that version 7"},
        {{9, 50, 20, 0, 30}, KNOWN, GATE_BOTH, ALL, 59, 50, "59 rows that trained neither, 50 of"},
        {{9, 50, 21, 0, 29}, KNOWN, GATE_BOTH, ALL, 59, 50, "59 rows that trained neither, 50 of"},
        {{0, 10, 50, 0, 0}, KNOWN, GATE_BOTH, NEW, 10, 10, "that came after version 7"},
        {{4, 5, 1, 0, 9}, KNOWN, GATE_OWN, ALL, 10, 5, "10 rows that did not train it, and 9 that"},
        {{0, 9, 5, 0, 0}, KNOWN, GATE_OWN, ALL, 14, 9, "14 rows that did not train it, and 9 that"},
        {{0, 0, 5, 0, 9}, KNOWN, GATE_RECORDED, ALL, 5, 0, "5 rows that it kept out itself, and 9"},
        {{0, 0, 5, 0, 0}, KNOWN, GATE_MAYBE, KNOWN, 5, 0, "5 rows kept out of its training, which"},
        {{0, 0, 1, 0, 0}, KNOWN, GATE_MAYBE, ALL, 1, 0, "1 row kept out of its training, which"},
        {{0, 0, 0, 0, 9}, KNOWN, GATE_NONE, KNOWN, 0, 0, ""},
        {{50, 10, 50, 0, 50}, NEW, GATE_BOTH, NEW, 10, 10, "10 rows kept out of its training that"},
        {{50, 9, 50, 0, 50}, NEW, GATE_BOTH, ALL, 59, 9, "59 rows that trained neither, 9 of"},
        {{5, 5, 50, 0, 50}, ALL, GATE_BOTH, ALL, 10, 5, "10 rows that trained neither, 5 of"},
        {{5, 4, 50, 0, 50}, ALL, GATE_OWN, ALL, 59, 4, "59 rows that did not train it, and 9"},
        /* Rows of forebears are none of its own. */
        {{9, 0, 0, 50, 50}, KNOWN, GATE_OWN, ALL, 9, 0, "9 rows that did not train it, and 59"},
        {{0, 0, 0, 8, 9}, KNOWN, GATE_MAYBE, KNOWN, 8, 0, "8 rows kept out of its training"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gate_spec spec = gate_defaults();
        spec.rows = (enum gate_rows)cases[i].asked;
        struct model *served = answering(1.0);
        if (cases[i].kinds.recorded > 0) {
            served = with_scores(served, cases[i].kinds.recorded, 1.0);
        }
        struct gate_verdict v = judge(&spec, pose_kinds(&cases[i].kinds), served, answering(1.0));
        ck_assert_msg(v.basis == cases[i].basis, "case %zu: basis %d: %s", i, (int)v.basis,
                      v.rows_used);
        ck_assert_msg((int)v.rows == cases[i].rows && v.n == cases[i].n &&
                          v.n_new == cases[i].n_new,
                      "case %zu: rows %d, %d of which %d new", i, (int)v.rows, v.n, v.n_new);
        ck_assert_msg(strstr(v.rows_used, cases[i].words) != NULL, "case %zu: %s", i, v.rows_used);
        const struct kinds *k = &cases[i].kinds;
        ck_assert_int_eq(v.n_served, v.basis == GATE_RECORDED ? k->recorded
                                     : v.basis == GATE_OWN    ? k->known + k->later + k->forebears
                                                              : v.n);
    }
}
END_TEST

/* Each on its own rows: the served version's score is the one on record. */
START_TEST(too_few_common_rows_are_replaced_by_the_own_rows_of_each)
{
    const struct kinds kinds = {.known = 3, .seen = 30, .recorded = 30};
    struct gate_spec spec = gate_defaults();
    double range = N - 1; /* of all rows, which the served version had */
    double sum = 0.0;
    for (int i = 0; i < 33; i++) {
        sum += (double)i * i;
    }
    double rmse = sqrt(sum / 33);
    struct gate_verdict v = judge(&spec, pose_kinds(&kinds),
                                  with_scores(answering(1.0), 30, rmse / 1.09), answering(0.0));
    ck_assert(v.passed);
    ck_assert_double_eq_tol(v.candidate, rmse / range, 1e-12);
    ck_assert_double_eq_tol(v.served, rmse / 1.09 / range, 1e-12);
    ck_assert_ptr_nonnull(strstr(v.reason, "fewer than 10 known rows trained neither, too few to "
                                           "be fair; each is judged by rows that it kept out"));
    v = judge(&spec, pose_kinds(&kinds), with_scores(answering(1.0), 30, rmse / 1.11),
              answering(0.0));
    ck_assert(!v.passed);
    ck_assert_ptr_nonnull(strstr(v.reason, "not promoted: fewer than 10 known rows"));
    ck_assert_ptr_nonnull(strstr(v.reason, "at most"));
}
END_TEST

/* Later rows would promote it, but it has unlearnt the known ones. */
START_TEST(a_version_that_predicts_known_rows_like_their_mean_does_not_pass_on_later_ones)
{
    const struct kinds kinds = {.later = 20, .seen = 20};
    struct gate_spec spec = gate_defaults();
    struct gate_case c = pose_kinds(&kinds);
    for (int i = kinds.later; i < N; i++) {
        y[i] = 500 + i % 20;
    }
    struct gate_verdict v = judge(&spec, c, answering(300.0), answering(10.0));
    ck_assert(!v.passed);
    ck_assert_ptr_nonnull(strstr(v.reason, "20 rows of those that version 7 had"));
    spec.rows = GATE_NEW;
    v = judge(&spec, c, answering(300.0), answering(10.0));
    ck_assert(v.passed);
    ck_assert_str_eq(v.reason, "");
    /* One that is not much worse on the known rows passes: there are few of them. */
    spec.rows = GATE_KNOWN;
    ck_assert(judge(&spec, c, answering(30.0), answering(10.0)).passed);
    /* Nor does one pass that is worse on later rows; and one that is better on both does. */
    spec.rows = GATE_KNOWN;
    ck_assert(!judge(&spec, c, answering(10.0), answering(30.0)).passed);
    ck_assert(judge(&spec, c, answering(-30.0), answering(10.0)).passed);
}
END_TEST

/* Rows without any output are none; of the others a missing output is left out. */
START_TEST(holes_are_no_rows_to_compare)
{
    const struct kinds kinds = {.known = 20, .recorded = 30};
    struct gate_spec spec = gate_defaults();
    struct gate_case c = pose_kinds(&kinds);
    for (int i = 0; i < 11; i++) {
        y[i] = NAN;
    }
    struct gate_verdict v = judge(&spec, c, with_scores(answering(1.0), 30, 1.0), answering(1.0));
    ck_assert_int_eq(v.basis, GATE_OWN);
    ck_assert_int_eq(v.n_served, 9);
    ck_assert_int_eq(v.n, 9);
    c = pose_kinds(&kinds);
    for (int i = 0; i < 10; i++) {
        y[i] = NAN;
    }
    v = judge(&spec, c, answering(1.0), answering(2.0));
    ck_assert_int_eq(v.basis, GATE_BOTH);
    ck_assert_int_eq(v.n, 10);
    double sum = 0.0;
    for (int i = 10; i < 20; i++) {
        sum += (double)(i - 2) * (i - 2);
    }
    /* The range is that of the outputs that are there. */
    ck_assert_double_eq_tol(v.candidate, sqrt(sum / 10) / (N - 1 - 10), 1e-12);
}
END_TEST

START_TEST(a_poor_version_does_not_replace_a_better_one)
{
    const struct kinds kinds = {.known = 20, .seen = 20, .recorded = 20};
    struct err err = ERR_INIT;
    struct gate_verdict v;
    struct gate_case c = pose_kinds(&kinds);
    c.served = answering(9.0); /* the mean is 9.5 */
    struct model *worse = answering(30.0);
    struct model *better = answering(9.5);
    ck_assert(!gate_is_poor(worse));
    ck_assert_int_eq(report_warn(&worse->report, &err, "poor_fit", "of a test"), ERR_OK);
    ck_assert(gate_is_poor(worse));
    c.candidate = worse;
    ck_assert_int_eq(gate_judge_poor(GATE_ALL, &c, &v, &err), ERR_OK);
    ck_assert(!v.passed);
    ck_assert_ptr_nonnull(strstr(v.reason, "version 7 does better"));
    ck_assert_ptr_nonnull(strstr(v.reason, "20 rows kept out of both trainings"));
    c.candidate = better;
    ck_assert_int_eq(gate_judge_poor(GATE_ALL, &c, &v, &err), ERR_OK);
    ck_assert(v.passed);
    ck_assert_str_eq(v.reason, "");
    model_unref((struct model *)c.served);
    model_unref(worse);
    model_unref(better);
}
END_TEST

START_TEST(what_cannot_be_compared_does_not_pass)
{
    struct gate_spec spec = gate_defaults();
    struct gate_case none = pose(120);
    for (int i = 0; i < N; i++) {
        facts[i] &= (unsigned char)~(GATE_KEPT | GATE_CLEAN);
    }
    struct gate_verdict v = judge(&spec, none, answering(0.5), answering(0.5));
    ck_assert(!v.passed);
    ck_assert_int_eq(v.n, 0);
    ck_assert_ptr_nonnull(strstr(v.reason, "no rows were kept out"));
    ck_assert_ptr_nonnull(strstr(v.reason, "version 7"));
    v = judge(&spec, pose(120),
              constant_model(&(struct constant){.d = 2, .value = 0.5, .scale = 1.0}),
              answering(0.5));
    ck_assert(!v.passed);
    ck_assert_ptr_nonnull(strstr(v.reason, "version 7 has 2 inputs and 1 output, this one has 1"));
}
END_TEST

START_TEST(a_score_that_is_not_finite_is_worse_than_any)
{
    const double far = 1e300; /* its square is not finite */
    for (int metric = GATE_RMSE; metric <= GATE_CRPS; metric++) {
        struct gate_spec spec = {.on = true, .metric = (enum gate_metric)metric, .max_increase = 9};
        struct gate_verdict v = judge(&spec, pose(120), answering(0.5), answering(far));
        ck_assert(!v.passed);
        ck_assert(isnan(v.candidate));
        ck_assert_ptr_nonnull(strstr(v.reason, "no finite"));
        v = judge(&spec, pose(120), answering(far), answering(far));
        ck_assert(!v.passed);
        v = judge(&spec, pose(120), answering(far), answering(0.5));
        ck_assert(v.passed);
        ck_assert_ptr_nonnull(strstr(v.reason, "version 7 has no finite"));
    }
}
END_TEST

int main(void)
{
    json_read_init();
    Suite *suite = suite_create("gate");
    TCase *judging = tcase_create("judging");
    tcase_add_test(judging, folds_speak_for_a_version_of_all_rows);
    tcase_add_test(judging, scores_are_those_of_the_kept_rows);
    tcase_add_loop_test(judging, rounding_keeps_no_version_out, 0, 2);
    tcase_add_test(judging, the_best_basis_there_is_is_taken);
    tcase_add_test(judging, too_few_common_rows_are_replaced_by_the_own_rows_of_each);
    tcase_add_test(judging,
                   a_version_that_predicts_known_rows_like_their_mean_does_not_pass_on_later_ones);
    tcase_add_test(judging, holes_are_no_rows_to_compare);
    tcase_add_test(judging, a_poor_version_does_not_replace_a_better_one);
    tcase_add_test(judging, what_cannot_be_compared_does_not_pass);
    tcase_add_test(judging, a_score_that_is_not_finite_is_worse_than_any);
    suite_add_tcase(suite, judging);
    return run_suite(suite);
}
