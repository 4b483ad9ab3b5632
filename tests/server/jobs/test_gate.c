/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate on models that answer a constant, whose scores can be written down; and a whole attempt
 * at a job while somebody changes the default between the judgement and the publication.
 */
#include "loopback.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "background.h"
#include "base/mem.h"
#include "documents/model_json.h"
#include "fit/split.h"
#include "formats/json_read.h"
#include "jobs/attempt.h"
#include "store/jobs/job_store.h"
#include "store/models/model_admin.h"

#define N    200
#define SEED 3

/* Answers `shift + scale * value`, whatever the inputs; the noise is 0.5. */
#define CONSTANT                                                                                   \
    "{\"architecture\":{\"inputs\":%d,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"           \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[%s1,0,0,%.17g,0,0]]},"       \
    "\"scaling\":{\"outputs\":[{\"kind\":\"range\",\"shift\":%.17g,\"scale\":%.17g}]},"            \
    "\"noise\":{\"sigma\":[0.5]}}"

struct constant {
    int d;
    double value, shift, scale;
};

static void write_constant(const struct constant *c, char *text, size_t size)
{
    snprintf(text, size, CONSTANT, c->d, c->d == 2 ? "1," : "", c->value, c->shift, c->scale);
}

static struct model *make(const struct constant *c)
{
    char text[1024];
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct model *model = NULL;
    write_constant(c, text, sizeof text);
    ck_assert_msg(model_json_parse(text, strlen(text), &arena, &model, &err) == ERR_OK, "%s",
                  err.msg);
    arena_release(&arena);
    return model;
}

static struct model *answering(double value)
{
    return make(&(struct constant){.d = 1, .value = value, .scale = 1.0});
}

/* ---- the gate ---- */

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
        struct gate_verdict v =
            judge(&spec, pose(120), answering(0.25),
                  make(&(struct constant){.d = 1, .value = 0.02, .shift = 0.1, .scale = 10.0}));
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
    v = judge(&spec, pose(120), make(&(struct constant){.d = 2, .value = 0.5, .scale = 1.0}),
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

/* ---- an attempt ---- */

static struct loopback loop;
static void (*meanwhile)(void); /* once, before the publication */
static const struct constant exact = {.d = 1, .value = 0.5, .scale = 1.0};
static const struct constant other = {.d = 1, .value = 0.5, .shift = 1e-9, .scale = 1.0};

static void put(const struct constant *c)
{
    struct err err = ERR_INIT;
    struct model *model = make(c);
    struct put_request request = {.model = "m", .promote = true};
    struct put_result out;
    ck_assert_msg(models_put(loop.app.models, model, &request, &out, &err) == ERR_OK, "%s",
                  err.msg);
    model_unref(model);
}

/* Rows whose output is 0.5: nothing is better than the models above. */
static void setup(void)
{
    char body[4096];
    size_t len = 0;
    loopback_init(&loop);
    len += (size_t)snprintf(body, sizeof body, "{\"inputs\":[");
    for (int i = 0; i < 60; i++) {
        len += (size_t)snprintf(body + len, sizeof body - len, "%s[%d]", i > 0 ? "," : "", i);
    }
    len += (size_t)snprintf(body + len, sizeof body - len, "],\"outputs\":[");
    for (int i = 0; i < 60; i++) {
        /* Not constant: then a training would be exact too. */
        len += (size_t)snprintf(body + len, sizeof body - len, "%s[0.%s]", i > 0 ? "," : "",
                                i % 2 == 0 ? "500001" : "499999");
    }
    snprintf(body + len, sizeof body - len, "]}");
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/data", body, NULL), 201);
    background_stop(&loop.app); /* jobs are run here */
}

static void teardown(void)
{
    loopback_release(&loop);
}

static void no_progress(void *ctx, const struct progress *progress)
{
}

/* Asked for with each checkpoint, and between judgement and publication. */
static void curves(void *ctx, struct bytes_writer *writer)
{
    const struct attempt *attempt = ctx;
    void (*act)(void) = meanwhile;
    if (act != NULL && attempt->model != NULL) {
        meanwhile = NULL;
        act();
    }
}

/* Trains with few epochs; the job as it has ended. */
static struct job_row train(void)
{
    static const char request[] = "{\"solver\":\"ensemble\",\"settings\":{\"members\":1,"
                                  "\"epochs\":1},\"architecture\":{\"width\":2,\"layers\":1}}";
    const struct attempt_settings settings = {.db = loop.app.db,
                                              .models = loop.app.models,
                                              .log = &loop.log,
                                              .metrics = &loop.metrics,
                                              .n_threads = 1};
    struct job_new job = {
        .model = "m", .request = request, .n_request = strlen(request), .origin = "request"};
    struct attempt attempt = {.settings = &settings, .progress = no_progress, .curves = curves};
    struct err err = ERR_INIT;
    attempt.progress_ctx = &attempt;
    struct job_row row;
    void *text = NULL;
    int64_t id;
    ck_assert_int_eq(job_store_add(loop.app.db, &job, &id, &err), ERR_OK);
    ck_assert_int_eq(job_store_claim(loop.app.db, &attempt.row, &text, &attempt.n_request, &err),
                     ERR_OK);
    attempt.request = text;
    ck_assert_msg(attempt_read(&attempt, &err) == ERR_OK, "%s", err.msg);
    ck_assert_msg(attempt_run(&attempt, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(job_store_get(loop.app.db, id, &row, &err), ERR_OK);
    ck_assert_int_eq(row.state, JOB_SUCCEEDED);
    attempt_release(&attempt);
    return row;
}

static int64_t served(void)
{
    struct err err = ERR_INIT;
    struct served *now = NULL;
    ck_assert_msg(models_get(loop.app.models, "m", 0, &now, &err) == ERR_OK, "%s", err.msg);
    int64_t version = now->version;
    served_unref(now);
    return version;
}

static void put_exact(void)
{
    put(&exact);
}

static void delete_it(void)
{
    struct err err = ERR_INIT;
    struct version_ref which = version_ref_number(1);
    ck_assert_int_eq(models_delete_version(loop.app.models, "m", &which, &err), ERR_OK);
}

/* In the store alone, as for a moment in every change. */
static void go_back(void)
{
    struct err err = ERR_INIT;
    struct version_ref to = {.kind = VERSION_PREVIOUS};
    int64_t version;
    ck_assert_int_eq(model_store_set_default(loop.app.db, "m", &to, &version, &err), ERR_OK);
}

START_TEST(a_version_is_judged_against_one_that_came_after_its_judgement)
{
    meanwhile = put_exact;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 2);
    ck_assert(!row.promoted);
    ck_assert_ptr_nonnull(strstr(row.message, "that of version 1"));
    ck_assert_int_eq(served(), 1);
}
END_TEST

START_TEST(a_version_is_served_when_the_one_it_was_judged_against_is_deleted)
{
    put(&exact);
    meanwhile = delete_it;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 2);
    ck_assert(row.promoted);
    ck_assert_str_eq(row.message, "");
    ck_assert_int_eq(served(), 2);
}
END_TEST

START_TEST(a_change_that_memory_has_not_seen_yet_does_not_fail_a_job)
{
    put(&exact);
    put(&other);
    meanwhile = go_back;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 3);
    ck_assert(!row.promoted);
    ck_assert_ptr_nonnull(strstr(row.message, "that of version 1"));
    ck_assert_int_eq(served(), 1);
}
END_TEST

START_TEST(any_version_takes_the_place_of_a_damaged_one)
{
    struct err err = ERR_INIT;
    put(&exact);
    ck_assert_int_eq(model_store_mark_damaged(loop.app.db, "m", 1, "a test", &err), ERR_OK);
    ck_assert_int_eq(models_refresh(loop.app.models, "m", NULL, 0, &err), ERR_OK);
    struct job_row row = train();
    ck_assert(row.promoted);
    ck_assert_int_eq(served(), 2);
}
END_TEST

int main(void)
{
    json_read_init();
    Suite *suite = suite_create("gate");
    TCase *judging = tcase_create("judging");
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
    TCase *attempts = tcase_create("attempts");
    tcase_add_checked_fixture(attempts, setup, teardown);
    tcase_set_timeout(attempts, 60);
    tcase_add_test(attempts, a_version_is_judged_against_one_that_came_after_its_judgement);
    tcase_add_test(attempts, a_version_is_served_when_the_one_it_was_judged_against_is_deleted);
    tcase_add_test(attempts, a_change_that_memory_has_not_seen_yet_does_not_fail_a_job);
    tcase_add_test(attempts, any_version_takes_the_place_of_a_damaged_one);
    suite_add_tcase(suite, attempts);
    return run_suite(suite);
}
