/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a request fails in turn, the project's own and those of SQLite and GnuTLS:
 * the answer is 503 or, where the memory was only wanted for comfort, the right one; nothing is
 * half done, nothing leaks, the next request works. So it is with every allocation of a training
 * job.
 */
#include "fault_scenario.h"
#include "foreign_mem.h"
#include "loopback.h"
#include "registry_check.h"
#include "run.h"
#include "stride.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "formats/media_type.h"
#include "formats/npy.h"
#include "npz_file.h"
#include "math/gemm.h"
#include "store/data/data_read.h"
#include "store/jobs/job_store.h"
#include "store/models/model_view.h"
#include "store/store.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,%d]]},\"names\":{\"inputs\":[\"x\"],\"outputs\":[\"y\"]},"                       \
    "\"training_range\":[[0,1]],\"noise\":{\"sigma\":[0.1]},\"provenance\":{\"a\":[1,2.5]}}"

/* Whose allocations fail. */
struct memory {
    void (*fail_after)(long n, bool for_ever);
    long (*attempts)(void);
    bool for_ever; /* from one on all of them */
    long step;     /* of them one is tried, after the first few */
};

static const struct memory memories[] = {
    {mem_fail_after, mem_attempts, false, 1},
    {mem_fail_after, mem_attempts, true, 1},
    {foreign_mem_fail_after, foreign_mem_attempts, false, 3},
    {foreign_mem_fail_after, foreign_mem_attempts, true, 3},
};

#define N_MEMORIES ((int)(sizeof memories / sizeof *memories))

static const struct memory *memory = &memories[0];
static struct loopback loop;
static long live_before;

static void setup(void)
{
    live_before = mem_live();
    loopback_init(&loop);
}

static void teardown(void)
{
    loopback_release(&loop);
    ck_assert_int_eq(mem_live(), live_before);
}

static int call(enum http_method method, const char *path, const char *body)
{
    return loopback_call(&loop, method, path, body, NULL);
}

static void check_registry(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
}

/* Fails allocation 1, 2, .. of a request until it gets by without; its status then. */
static int shake_request(const struct loopback_request *request)
{
    for (long at = 1;; at = stride_next(at, memory->step)) {
        long live = mem_live();
        memory->fail_after(at, memory->for_ever);
        int status = loopback_send(&loop, request, &(struct loopback_answer){.out = NULL});
        long attempts = memory->attempts();
        memory->fail_after(0, false);
        if (attempts < at) {
            return status;
        }
        /* A failure after the commit leaves a success that only this connection does not see. */
        ck_assert_msg(status == 503 || (status >= 200 && status < 400) || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d", request->path, at, status);
        /* Memory may stay in caches that belong to the server, never in the request. */
        ck_assert_msg(mem_live() <= live + 40, "%s, allocation %ld: %ld blocks stay", request->path,
                      at, mem_live() - live);
        check_registry();
        ck_assert_int_lt(at, 100000);
    }
}

static int shake(enum http_method method, const char *path, const char *body)
{
    struct loopback_request request = {.method = method,
                                       .path = path,
                                       .body = body != NULL ? body : "",
                                       .n_body = body != NULL ? strlen(body) : 0};
    return shake_request(&request);
}

START_TEST(registration_survives)
{
    memory = &memories[_i];
    char body[1024];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m", body) / 100, 2);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/1", NULL), 200);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/2", NULL), 404);
}
END_TEST

#define FULL_MODEL                                                                                 \
    "{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"gaussian\",\"draws\":2,\"predictive\":"               \
    "\"linearised\",\"members\":[{\"mean\":[1,0,1,0,0.5,0.25,1,2],\"first\":2,\"std\":[1,2,0.5],"  \
    "\"factor\":[[1,2],[3,4],[5,6]]},{\"mean\":[1,0,2,0,0.5,1,3,4]}]},\"noise\":{\"kind\":"        \
    "\"predicted\"},\"calibration\":{\"method\":\"cv+\",\"folds\":2,\"fold\":[0,1],\"scores\":"    \
    "[[1],[2]]},\"report\":{\"loss\":[1,null],\"a.b\":3},\"warnings\":[{\"code\":\"c\",\"text\":"  \
    "\"t\"}],\"scores\":{\"rows\":1,\"relative_error\":1,\"rmse\":[1],\"output_range\":[[0,1]],"   \
    "\"crps\":[null],\"width\":[[1,2,3]]}}"

START_TEST(gaussians_and_diagnostics_survive)
{
    memory = &memories[_i];
    static const char max[] =
        "{\"inputs\":[[0.5],[3]],\"return\":[\"mean\",\"std\",\"noise_variance\",\"quantiles\","
        "\"covariance\",\"samples\"],\"samples\":2}";
    char answer[4096];
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/g", FULL_MODEL) / 100, 2);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/g/predict", max), 200);
    loop.config.whole_answer_mb = 0; /* the same while it is read */
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/g/predict", max), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/versions/1/export", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/diagnostics", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/versions/1/diagnostics", NULL), 200);
    ck_assert_int_eq(loopback_call(&loop, HTTP_GET, "/v1/models/g/diagnostics", NULL,
                                   &(struct loopback_answer){.out = answer, .size = 4096}),
                     200);
    ck_assert_ptr_nonnull(strstr(answer, "\"loss\":[1,null]"));
}
END_TEST

/* Answers that are computed while they are read: JSON with every result, npy and npz. */
static void shake_answers_in_blocks(const char *json)
{
    static _Alignas(64) char npy[NPY_HEAD_MAX + 2 * sizeof(double) + 1];
    static const size_t shape[] = {2, 1};
    static const double rows[] = {0.5, 3};
    size_t n_head = npy_head(2, shape, false, npy);
    memcpy(npy + n_head, rows, sizeof rows);
    const struct loopback_request table = {.method = HTTP_POST,
                                           .path = "/v1/models/m/predict?quantiles=0.1,0.9",
                                           .content_type = MEDIA_TYPE_NPY,
                                           .body = npy,
                                           .n_body = n_head + sizeof rows};
    const struct loopback_request zipped = npz_request(&table, rows, 2);
    ck_assert_int_eq(shake_request(&zipped), 200);
    int usual = loop.config.whole_answer_mb;
    loop.config.whole_answer_mb = 0;
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/predict", json), 200);
    ck_assert_int_eq(shake_request(&table), 200);
    ck_assert_int_eq(shake_request(&zipped), 200);
    loop.config.whole_answer_mb = usual;
}

static void shake_umbridge(void)
{
    static const char body[] = "{\"name\":\"m\",\"input\":[0.5],\"outWrt\":0,\"inWrt1\":0,"
                               "\"inWrt2\":0,\"sens\":1,\"vec\":2}";
    ck_assert_int_eq(shake(HTTP_GET, "/Info", NULL), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/Evaluate", body), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/ApplyHessian", body), 200);
}

START_TEST(reading_and_predicting_survive)
{
    memory = &memories[_i];
    static const char everything[] =
        "{\"inputs\":[[0.5],[3]],\"return\":[\"mean\",\"variance\",\"std\",\"noise_variance\","
        "\"total_variance\",\"quantiles\",\"covariance\",\"samples\",\"jacobian\"],\"samples\":2,"
        "\"intervals\":[0.5,0.9]}";
    char body[1024];
    char answer[4096];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/predict", everything), 200);
    shake_answers_in_blocks(everything);
    shake_umbridge();
    ck_assert_int_eq(
        shake(HTTP_POST, "/v1/models/m/evaluate", "{\"inputs\":[[0.5],[3]],\"outputs\":[[1],[2]]}"),
        200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1/export", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/metrics", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/ui", NULL), 308);
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", everything,
                                   &(struct loopback_answer){.out = answer, .size = 4096}),
                     200);
    ck_assert_ptr_nonnull(strstr(answer, "\"extrapolation\",\"row\":1"));
}
END_TEST

START_TEST(uploads_survive)
{
    memory = &memories[_i];
    static const char body[] = "{\"inputs\":[[0.5],[3]],\"outputs\":[[1],[2]]}";
    char answer[512];
    shake(HTTP_POST, "/v1/models/m/data", body);
    ck_assert_int_eq(loopback_call(&loop, HTTP_GET, "/v1/models/m/data", NULL,
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     200);
    /* Each success added exactly two rows. */
    long rows = 0;
    ck_assert_int_eq(sscanf(strstr(answer, "\"rows\":"), "\"rows\":%ld", &rows), 1);
    ck_assert_int_eq(rows % 2, 0);
    ck_assert_int_ge(rows, 2);
    ck_assert_int_eq(shake(HTTP_DELETE, "/v1/models/m/data", NULL), 200);
}
END_TEST

START_TEST(batches_and_exports_survive)
{
    memory = &memories[_i];
    static const char *const formats[] = {"json", "csv", "npy", "npz"};
    char body[2048] = "{\"provenance\":{\"run\":1},\"inputs\":[";
    char answer[8192];
    /* 60 rows of 16 bytes fill the chunk of 1000 bytes; here are more. */
    for (int i = 0; i < 90; i++) {
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s[%d]", i > 0 ? "," : "", i);
    }
    snprintf(body + strlen(body), sizeof body - strlen(body), "],\"outputs\":[");
    for (int i = 0; i < 90; i++) {
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s[%d]", i > 0 ? "," : "", -i);
    }
    snprintf(body + strlen(body), sizeof body - strlen(body), "]}");
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", body), 201);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/data", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/data/batches", NULL), 200);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/models/m/data/rows?format=%s", formats[i]);
        ck_assert_int_eq(shake(HTTP_GET, path, NULL), 200);
    }
    ck_assert_int_eq(loopback_call(&loop, HTTP_GET, "/v1/models/m/data/rows", NULL,
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     200);
    ck_assert_int_eq(strncmp(answer, "{\"inputs\":[[0],[1],[2]", 22), 0);
    ck_assert_ptr_nonnull(strstr(answer, ",[89]],\"outputs\":[[0],[-1],"));
    ck_assert_str_eq(answer + strlen(answer) - 8, ",[-89]]}");
    int status = shake(HTTP_DELETE, "/v1/models/m/data/batches/1", NULL);
    ck_assert(status == 200 || status == 404);
}
END_TEST

/* What is kept of a model's rows is what was sent once, however often it was tried. */
static void check_rows(const char *model, int64_t n_rows)
{
    struct err err = ERR_INIT;
    struct data_summary summary;
    ck_assert_int_eq(data_store_summary(loop.app.db, model, &summary, &err), ERR_OK);
    ck_assert_int_eq(summary.n_rows, n_rows);
}

START_TEST(uploads_of_each_format_survive)
{
    memory = &memories[_i];
    static const char json[] = "{\"inputs\":[[1],[2],[2]],\"outputs\":[[1],[2],[2]]}";
    static const char csv[] = "x,y\r\n3,1\r\n\"4\",2\r\n";
    static _Alignas(64) char npy[NPY_HEAD_MAX + 4 * sizeof(double) + 1];
    static const size_t shape[] = {2, 2};
    static const double rows[] = {2, 2, 9, 9};
    size_t n_head = npy_head(2, shape, false, npy);
    memcpy(npy + n_head, rows, sizeof rows);
    const struct loopback_request requests[] = {
        {HTTP_POST, "/v1/models/m/data", NULL, "a", json, sizeof json - 1},
        {HTTP_POST, "/v1/models/m/data?outputs=1", "text/csv", "b", csv, sizeof csv - 1},
        /* One row is there already, and is left out. */
        {HTTP_POST, "/v1/models/m/data?on_duplicate=skip", MEDIA_TYPE_NPY, "c", npy,
         n_head + sizeof rows},
    };
    static const int64_t totals[] = {3, 5, 6};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(shake_request(&requests[i]) / 100, 2);
        check_rows("m", totals[i]);
        ck_assert_int_eq(shake_request(&requests[i]) / 100, 2); /* a repeat */
        check_rows("m", totals[i]);
    }
}
END_TEST

#define HOLED_MODEL                                                                                \
    "{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,2,0,1,0.5,0.25]]},"    \
    "\"scores\":{\"rows\":2,\"counts\":[2,0],\"relative_error\":1,\"rmse\":[1,null],"              \
    "\"output_range\":[[0,1],[0,1]]},\"feasible\":{\"architecture\":{\"inputs\":1,\"outputs\":1,"  \
    "\"width\":1,\"layers\":0,\"basis\":\"constant\"},\"posterior\":{\"kind\":\"draws\","          \
    "\"parameters\":[[1,0,1,0,0.5,0.25],[1,0,2,0,0.5,1]]}}}"

START_TEST(holes_survive)
{
    memory = &memories[_i];
    static const char rows[] = "{\"inputs\":[[1],[2],[3]],\"outputs\":[[1,2],[9,9],[3,null]],"
                               "\"status\":[\"ok\",\"failed\",\"ok\"]}";
    static const char csv[] = "status,x,y,z\r\nfailed,3,,\r\nok,4,,2\r\nok,,1,2\r\n";
    static _Alignas(64) char npy[NPY_HEAD_MAX + 6 * sizeof(double) + 1];
    static const size_t shape[] = {2, 3};
    const double values[] = {7, 1, (double)NAN, 8, (double)NAN, (double)NAN};
    size_t n_head = npy_head(2, shape, false, npy);
    memcpy(npy + n_head, values, sizeof values);
    const struct loopback_request requests[] = {
        {HTTP_POST, "/v1/models/m/data", NULL, "a", rows, sizeof rows - 1},
        {HTTP_POST, "/v1/models/m/data?outputs=2&missing=allow&on_nonfinite=skip", "text/csv", "b",
         csv, sizeof csv - 1},
        {HTTP_POST, "/v1/models/m/data?missing=allow", MEDIA_TYPE_NPY, "c", npy,
         n_head + sizeof values},
    };
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(shake_request(&requests[i]) / 100, 2);
    }
    check_rows("m", 7);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/data/rows?format=csv", NULL), 200);
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m", HOLED_MODEL) / 100, 2);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/evaluate", rows), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1/export", NULL), 200);
    int status = shake(HTTP_DELETE, "/v1/models/m/data/batches/3", NULL);
    ck_assert(status == 200 || status == 404); /* it was gone before the answer could be written */
}
END_TEST

START_TEST(promotion_and_deletion_survive)
{
    memory = &memories[_i];
    char body[1024];
    for (int k = 1; k <= 3; k++) {
        snprintf(body, sizeof body, MODEL, k);
        ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    }
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/default", "{\"version\":1}"), 200);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 200);
    int status = shake(HTTP_DELETE, "/v1/models/m/versions/2", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/2", NULL), 404);
    status = shake(HTTP_DELETE, "/v1/models/m", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 404);
}
END_TEST

START_TEST(policies_and_jobs_survive)
{
    const char *rows = "{\"inputs\":[[0],[0.5],[1]],\"outputs\":[[1],[2],[3]]}";
    const char *request = "{\"solver\":\"ensemble\",\"settings\":{\"members\":1,\"epochs\":2},"
                          "\"architecture\":{\"width\":1,\"layers\":0},\"priority\":-1}";
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", rows), 201);
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/policy",
                           "{\"new_rows\":1000,\"daily_at\":\"02:30\",\"drift\":{\"increase\":1},"
                           "\"request\":{\"solver\":\"swag\"}}"),
                     200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/policy", NULL), 200);
    int status = shake(HTTP_DELETE, "/v1/models/m/policy", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/train", request), 202);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/jobs", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/jobs/1", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/jobs/1/curves", NULL), 200);
}
END_TEST

START_TEST(a_model_that_could_not_be_loaded_loads_later)
{
    char body[1024];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    for (int k = 0; k < 3; k++) {
        loopback_reopen(&loop);
        ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 200);
    }
    check_registry();
}
END_TEST

START_TEST(stored_content_spans_chunks)
{
    /* The loop-back registry has chunks of 1000 bytes; 200 draws need more. */
    char *body = calloc(1, 65536);
    char *at = body;
    at += sprintf(at, "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,"
                      "\"basis\":\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[");
    for (int k = 0; k < 200; k++) {
        at += sprintf(at, "%s[1,0,1,%d,0.5,0.25]", k > 0 ? "," : "", k);
    }
    sprintf(at, "]}}");
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    char first[4096];
    char second[4096];
    const char *ask = "{\"inputs\":[0.3]}";
    loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", ask,
                  &(struct loopback_answer){.out = first, .size = sizeof first});
    loopback_reopen(&loop);
    loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", ask,
                  &(struct loopback_answer){.out = second, .size = sizeof second});
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "\"draws\":200"));
    free(body);
}
END_TEST

START_TEST(opening_survives)
{
    memory = &memories[_i];
    struct db_settings settings = {.path = loop.place.path, .chunk_bytes = 1000};
    char body[1024];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    loopback_close(&loop);
    for (int fresh = 0; fresh < 2; fresh++) {
        long attempts = 1;
        for (long at = 1; attempts >= at; at = stride_next(at, memory->step)) {
            struct err err = ERR_INIT;
            struct db *db = NULL;
            if (fresh) {
                unlink(loop.place.path);
            }
            memory->fail_after(at, memory->for_ever);
            enum err_code code = store_open(&db, &settings, &err);
            attempts = memory->attempts();
            memory->fail_after(0, false);
            ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "allocation %ld: %s: %s", at,
                          err_text(code), err.msg);
            db_close(db);
            ck_assert_int_eq(mem_live(), live_before);
        }
    }
    loopback_open(&loop);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models", NULL), 200);
}
END_TEST

/* ---- training ---- */

#define JOB                                                                                        \
    "{\"solver\":\"ensemble\",\"settings\":{\"members\":2,\"epochs\":20},\"seed\":%ld,"            \
    "\"architecture\":{\"width\":2,\"layers\":1},\"calibration\":{\"method\":\"split\",\"share\":" \
    "0.3}}"

/* Queues a job without waking the worker. */
static int64_t queue(long seed)
{
    struct err err = ERR_INIT;
    char request[512];
    int64_t id = 0;
    snprintf(request, sizeof request, JOB, seed);
    struct job_new job = {
        .model = "m", .request = request, .n_request = strlen(request), .origin = "request"};
    ck_assert_int_eq(job_store_add(loop.app.db, &job, &id, &err), ERR_OK);
    return id;
}

static long long n_attempts(void)
{
    const struct metrics *m = &loop.metrics;
    return atomic_load(&m->jobs_succeeded) + atomic_load(&m->jobs_failed) +
           atomic_load(&m->jobs_retried);
}

/* The version of a job that has succeeded, whole. */
static void check_version(int64_t job)
{
    struct err err = ERR_INIT;
    struct job_row row;
    void *bytes = NULL;
    size_t n_bytes = 0;
    ck_assert_int_eq(job_store_get(loop.app.db, job, &row, &err), ERR_OK);
    ck_assert_int_gt(row.version, 0);
    ck_assert_msg(model_store_load(loop.app.db, "m", row.version, &bytes, &n_bytes, &err) == ERR_OK,
                  "%s", err.msg);
    mem_free(bytes);
}

static size_t n_versions(void)
{
    struct err err = ERR_INIT;
    struct model_view view;
    ck_assert_int_eq(model_store_view(loop.app.db, "m", &view, &err), ERR_OK);
    size_t n = view.n_versions;
    model_view_release(&view);
    return n;
}

static void nap(time_t until)
{
    ck_assert_msg(time(NULL) < until, "the job does not end");
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* The end of a job is stored before the worker is done with it. */
static enum job_state await(int64_t job)
{
    time_t until = time(NULL) + 60;
    enum job_state state = scenario_await(&loop, job);
    while (atomic_load(&loop.metrics.job_running) != 0) {
        nap(until);
    }
    return state;
}

/* Fails an allocation of the job, from its claim to its end. False: it has not so many. */
static bool train_without(long at)
{
    long long before = n_attempts();
    time_t until = time(NULL) + 60;
    int64_t id = queue(at);
    memory->fail_after(at, memory->for_ever);
    trainer_notify(loop.app.trainer);
    while (memory->attempts() < at && n_attempts() == before) {
        nap(until);
    }
    bool met = memory->attempts() >= at;
    memory->fail_after(0, false);
    enum job_state state = await(id);
    ck_assert_msg(state == JOB_SUCCEEDED, "allocation %ld: %s", at, job_state_name(state));
    check_version(id);
    return met;
}

START_TEST(training_survives)
{
    memory = &memories[_i];
    char body[2048] = "{\"inputs\":[";
    size_t n = 0;
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < 40; i++) {
            snprintf(body + strlen(body), sizeof body - strlen(body), "%s[%d]", i > 0 ? "," : "",
                     part == 0 ? i : i % 7);
        }
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s",
                 part == 0 ? "],\"outputs\":[" : "]}");
    }
    loop.config.checkpoint_ms = 1;
    loopback_reopen(&loop);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", body), 201);
    for (long at = 1; train_without(at); at = stride_next(at, 1)) {
        /* Each seed makes a version of its own, once. */
        ck_assert_uint_eq(n_versions(), ++n);
        ck_assert_int_lt(at, 100000);
    }
    const struct metrics *m = &loop.metrics;
    ck_assert_int_gt(atomic_load(&m->jobs_retried), 10 / STRIDE);
    ck_assert_int_eq(atomic_load(&m->jobs_failed), 0);
    check_registry();
    loopback_reopen(&loop);
    ck_assert_uint_eq(n_versions(), n + 1);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 200);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        registration_survives,
        gaussians_and_diagnostics_survive,
        reading_and_predicting_survive,
        uploads_survive,
        uploads_of_each_format_survive,
        holes_survive,
        batches_and_exports_survive,
        promotion_and_deletion_survive,
        policies_and_jobs_survive,
        opening_survives,
        training_survives,
    };
    Suite *suite = suite_create("chaos");
    TCase *tc = tcase_create("chaos");
    gemm_use_one_thread();
    foreign_mem_install();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_loop_test(tc, tests[i], 0, N_MEMORIES);
    }
    tcase_add_test(tc, a_model_that_could_not_be_loaded_loads_later);
    tcase_add_test(tc, stored_content_spans_chunks);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
