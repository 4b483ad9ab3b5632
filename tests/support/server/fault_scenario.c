/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_scenario.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "formats/npy.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":["
#define TRAIN                                                                                      \
    "{\"solver\":\"ensemble\",\"settings\":{\"members\":2,\"epochs\":%d},\"seed\":%d,"             \
    "\"architecture\":{\"width\":2,\"layers\":1}}"

#define N_JSON     90 /* rows; 62 of 16 bytes fill a chunk */
#define WAIT_S     120
#define JOB_EPOCHS 3

static const struct {
    const char *name;
    enum http_method method;
    const char *path;
    const char *type;
    const char *key;
} steps[N_STEPS] = {
    [STEP_REGISTER] = {"register", HTTP_PUT, "/v1/models/m", NULL, NULL},
    [STEP_REGISTER_SECOND] = {"register second", HTTP_PUT, "/v1/models/m?promote=false", NULL,
                              NULL},
    [STEP_PROMOTE] = {"promote", HTTP_PUT, "/v1/models/m/default", NULL, NULL},
    [STEP_REGISTER_THIRD] = {"register third", HTTP_PUT, "/v1/models/m?promote=false", NULL, NULL},
    [STEP_UPLOAD_JSON] = {"upload JSON", HTTP_POST, "/v1/models/m/data", NULL, "json"},
    [STEP_UPLOAD_CSV] = {"upload CSV", HTTP_POST, "/v1/models/m/data?outputs=1", "text/csv",
                         "\"csv\""},
    [STEP_UPLOAD_SKIP] = {"upload and skip", HTTP_POST, "/v1/models/m/data?on_duplicate=skip", NULL,
                          "skip"},
    [STEP_UPLOAD_NPY] = {"upload npy", HTTP_POST, "/v1/models/m/data?outputs=1",
                         "application/x-npy", "npy"},
    [STEP_DELETE_BATCH] = {"delete batch", HTTP_DELETE, NULL, NULL, NULL},
    [STEP_DELETE_VERSION] = {"delete version", HTTP_DELETE, NULL, NULL, NULL},
    [STEP_EXPORT] = {"export", HTTP_GET, "/v1/models/m/data/rows?format=csv", NULL, NULL},
    [STEP_TRAIN] = {"train", HTTP_POST, "/v1/models/m/train", NULL, NULL},
    [STEP_TRAIN_LONG] = {"train long", HTTP_POST, "/v1/models/m/train", NULL, NULL},
    [STEP_CANCEL] = {"cancel", HTTP_DELETE, NULL, NULL, NULL},
    [STEP_ROLL_BACK] = {"roll back", HTTP_PUT, "/v1/models/m/default", NULL, NULL},
    [STEP_PROMOTE_AGAIN] = {"promote again", HTTP_PUT, "/v1/models/m/default", NULL, NULL},
    [STEP_ALIAS] = {"name", HTTP_PUT, "/v1/models/m/aliases/blue", NULL, NULL},
    [STEP_ALIAS_MOVE] = {"name another", HTTP_PUT, "/v1/models/m/aliases/blue", NULL, NULL},
    [STEP_ALIAS_OTHER] = {"name again", HTTP_PUT, "/v1/models/m/aliases/green", NULL, NULL},
    [STEP_ALIAS_DELETE] = {"delete name", HTTP_DELETE, "/v1/models/m/aliases/green", NULL, NULL},
    [STEP_REGISTER_FOURTH] = {"register fourth", HTTP_PUT, "/v1/models/m?promote=false", NULL,
                              NULL},
    [STEP_KEEP] = {"keep one", HTTP_PUT, "/v1/models/m/keep", NULL, NULL},
    [STEP_REGISTER_FIFTH] = {"register fifth", HTTP_PUT, "/v1/models/m?promote=false", NULL, NULL},
    [STEP_POLICY] = {"set policy", HTTP_PUT, "/v1/models/m/policy", NULL, NULL},
    [STEP_POLICY_DELETE] = {"delete policy", HTTP_DELETE, "/v1/models/m/policy", NULL, NULL},
    [STEP_POLICY_AGAIN] = {"set policy again", HTTP_PUT, "/v1/models/m/policy", NULL, NULL},
};

const char *scenario_step_name(enum scenario_step step)
{
    return steps[step].name;
}

void scenario_begin(struct scenario *s, struct loopback *loop)
{
    memset(s, 0, sizeof *s);
    s->loop = loop;
}

/* ---- bodies ---- */

/* A version of its own for each kind; the third spans many chunks. */
static size_t write_model(char *out, size_t size, int kind)
{
    int n_draws = kind == 3 ? 150 : 2;
    size_t len = (size_t)snprintf(out, size, "%s", MODEL);
    for (int k = 0; k < n_draws; k++) {
        len += (size_t)snprintf(out + len, size - len, "%s[1,0,%d,%d,0.5,0.25]", k > 0 ? "," : "",
                                kind, k);
    }
    return len + (size_t)snprintf(out + len, size - len, "]}}");
}

static size_t write_json(char *out, size_t size, int first, int n, bool with_copies)
{
    static const char *const keys[] = {"{\"inputs\":[", "],\"outputs\":["};
    size_t len = 0;
    for (int part = 0; part < 2; part++) {
        len += (size_t)snprintf(out + len, size - len, "%s", keys[part]);
        for (int i = 0; i < n; i++) {
            /* A copy of a row of the first upload, and one of the row before. */
            int x = with_copies && i == 1 ? 5 : with_copies && i == 3 ? first + 2 : first + i;
            len += (size_t)snprintf(out + len, size - len, "%s[%d]", i > 0 ? "," : "",
                                    part == 0 ? x : -x * x);
        }
    }
    return len + (size_t)snprintf(out + len, size - len, "]}");
}

static size_t write_npy(char *out)
{
    static const size_t shape[] = {20, 2};
    double rows[40];
    size_t n_head = npy_head(2, shape, false, out);
    for (int i = 0; i < 20; i++) {
        rows[2 * i] = 300.0 + i;
        rows[2 * i + 1] = i * i;
    }
    memcpy(out + n_head, rows, sizeof rows);
    out[n_head + sizeof rows] = '\0';
    return n_head + sizeof rows;
}

static size_t write_version(char *out, size_t size, int64_t version)
{
    return (size_t)snprintf(out, size, "{\"version\":%lld}", (long long)version);
}

static size_t write_body(const struct scenario *s, enum scenario_step step, char *out, size_t size)
{
    switch (step) {
    case STEP_REGISTER:
        return write_model(out, size, 1);
    case STEP_REGISTER_SECOND:
        return write_model(out, size, 2);
    case STEP_REGISTER_THIRD:
        return write_model(out, size, 3);
    case STEP_REGISTER_FOURTH:
        return write_model(out, size, 4);
    case STEP_REGISTER_FIFTH:
        return write_model(out, size, 5);
    case STEP_ROLL_BACK:
        if (!s->tried[step]) {
            return (size_t)snprintf(out, size, "{\"version\":\"@previous\"}");
        }
        /* It may have been done, and going back again would go forward. */
        return write_version(out, size, s->done[STEP_TRAIN] ? s->second : s->first);
    case STEP_PROMOTE:
    case STEP_PROMOTE_AGAIN:
    case STEP_ALIAS:
    case STEP_ALIAS_OTHER:
        return write_version(out, size, s->second);
    case STEP_ALIAS_MOVE:
        return write_version(out, size, s->first);
    case STEP_KEEP:
        return (size_t)snprintf(out, size, "{\"versions\":1}");
    case STEP_POLICY:
        return (size_t)snprintf(out, size, "{\"new_rows\":1000000}");
    case STEP_POLICY_AGAIN:
        return (size_t)snprintf(out, size, "{\"every_s\":1000000}");
    case STEP_UPLOAD_JSON:
        return write_json(out, size, 0, N_JSON, false);
    case STEP_UPLOAD_CSV:
        return (size_t)snprintf(out, size, "x,y\r\n100,1\r\n101,2\r\n102,3\r\n");
    case STEP_UPLOAD_SKIP:
        return write_json(out, size, 200, 6, true);
    case STEP_UPLOAD_NPY:
        return write_npy(out);
    case STEP_TRAIN:
        return (size_t)snprintf(out, size, TRAIN, JOB_EPOCHS, 1);
    case STEP_TRAIN_LONG:
        return (size_t)snprintf(out, size, TRAIN, 1000000, 2);
    case STEP_DELETE_BATCH:
    case STEP_DELETE_VERSION:
    case STEP_EXPORT:
    case STEP_CANCEL:
    case STEP_ALIAS_DELETE:
    case STEP_POLICY_DELETE:
    case N_STEPS:
        break;
    }
    return 0;
}

/* ---- requests ---- */

static int64_t number_in(const char *answer, const char *key)
{
    const char *at = strstr(answer, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : 0;
}

static bool write_path(const struct scenario *s, enum scenario_step step, char *out, size_t size)
{
    const char *folder = step == STEP_DELETE_BATCH     ? "/v1/models/m/data/batches"
                         : step == STEP_DELETE_VERSION ? "/v1/models/m/versions"
                                                       : "/v1/jobs";
    int64_t number = step == STEP_DELETE_BATCH     ? s->csv_batch
                     : step == STEP_DELETE_VERSION ? s->third
                                                   : s->long_job;
    if (steps[step].path != NULL) {
        snprintf(out, size, "%s", steps[step].path);
        return true;
    }
    snprintf(out, size, "%s/%lld", folder, (long long)number);
    return number > 0;
}

/* What must be done before a step makes sense. */
static bool is_possible(const struct scenario *s, enum scenario_step step)
{
    bool rows = s->done[STEP_UPLOAD_NPY] && s->done[STEP_DELETE_BATCH];
    switch (step) {
    case STEP_REGISTER:
    case STEP_UPLOAD_JSON:
        return true;
    case STEP_REGISTER_SECOND: /* after the first: a model's first version is live at once */
    case STEP_REGISTER_THIRD:
        return s->done[STEP_REGISTER];
    case STEP_PROMOTE:
        return s->done[STEP_REGISTER_SECOND];
    case STEP_UPLOAD_CSV: /* uploads in order: training depends on it */
        return s->done[STEP_UPLOAD_JSON];
    case STEP_UPLOAD_SKIP:
        return s->done[STEP_UPLOAD_CSV];
    case STEP_UPLOAD_NPY:
        return s->done[STEP_UPLOAD_SKIP];
    case STEP_DELETE_BATCH:
        return s->done[STEP_UPLOAD_CSV];
    case STEP_DELETE_VERSION:
        return s->done[STEP_REGISTER_THIRD];
    case STEP_EXPORT:
        return rows;
    case STEP_TRAIN:
        return rows && s->done[STEP_PROMOTE];
    case STEP_TRAIN_LONG:
        return s->done[STEP_TRAIN];
    case STEP_CANCEL:
        return s->done[STEP_TRAIN_LONG];
    case STEP_ROLL_BACK:
        return s->done[STEP_PROMOTE] && (s->job == 0 || s->done[STEP_TRAIN]);
    case STEP_REGISTER_FOURTH:
        return s->done[STEP_ALIAS_DELETE] && (s->job == 0 || s->done[STEP_DELETE_VERSION]);
    case STEP_PROMOTE_AGAIN:
    case STEP_ALIAS:
    case STEP_ALIAS_MOVE:
    case STEP_ALIAS_OTHER:
    case STEP_ALIAS_DELETE:
    case STEP_KEEP:
    case STEP_REGISTER_FIFTH:
    case STEP_POLICY:
    case STEP_POLICY_DELETE:
    case STEP_POLICY_AGAIN:
        return s->done[step - 1]; /* in order: each changes what the one before has made */
    case N_STEPS:
        break;
    }
    return false;
}

static int call(struct scenario *s, enum scenario_step step)
{
    static _Alignas(64) char body[16384]; /* numbers of an npy are used where they lie */
    char path[128];
    struct loopback_answer answer = {.out = s->answer, .size = sizeof s->answer};
    struct loopback_request request = {.method = steps[step].method,
                                       .path = path,
                                       .content_type = steps[step].type,
                                       .key = steps[step].key,
                                       .body = body};
    s->answer[0] = '\0';
    body[0] = '\0';
    if (!write_path(s, step, path, sizeof path)) {
        return 0;
    }
    request.n_body = write_body(s, step, body, sizeof body);
    int status = loopback_send(s->loop, &request, &answer);
    s->retry_after = answer.retry_after;
    return status;
}

static void take_numbers(struct scenario *s, enum scenario_step step)
{
    int64_t version = number_in(s->answer, "\"version\":");
    s->first = step == STEP_REGISTER ? version : s->first;
    s->second = step == STEP_REGISTER_SECOND ? version : s->second;
    s->third = step == STEP_REGISTER_THIRD ? version : s->third;
    s->csv_batch = step == STEP_UPLOAD_CSV ? number_in(s->answer, "\"batch\":") : s->csv_batch;
    if (step == STEP_TRAIN) {
        atomic_store(&s->job, number_in(s->answer, "{\"id\":"));
    }
    s->long_job = step == STEP_TRAIN_LONG ? number_in(s->answer, "{\"id\":") : s->long_job;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
}

static long long n_ended(const struct metrics *m)
{
    return atomic_load(&m->jobs_succeeded) + atomic_load(&m->jobs_failed) +
           atomic_load(&m->jobs_cancelled) + atomic_load(&m->jobs_retried);
}

/* By the system's own way to files, so that it meets no fault. */
static void hurry(struct loopback *loop)
{
    sqlite3 *own = NULL;
    int status = sqlite3_open_v2(loop->place.path, &own, SQLITE_OPEN_READWRITE, "unix");
    if (status == SQLITE_OK) {
        sqlite3_busy_timeout(own, 10000);
        sqlite3_wal_autocheckpoint(own, 0);
        status = sqlite3_exec(own, "UPDATE jobs SET not_before_ms = 0 WHERE state = 0", NULL, NULL,
                              NULL);
    }
    ck_assert_msg(status == SQLITE_OK, "%s", sqlite3_errstr(status));
    sqlite3_close(own);
}

enum job_state scenario_await(struct loopback *loop, int64_t job)
{
    struct job_row row = {.state = JOB_QUEUED};
    time_t until = time(NULL) + WAIT_S;
    for (;;) {
        struct err err = ERR_INIT;
        ck_assert_msg(time(NULL) < until, "job %lld does not end", (long long)job);
        if (job_store_get(loop->app.db, job, &row, &err) == ERR_OK && row.state > JOB_RUNNING) {
            break;
        }
        if (err.code == ERR_OK && row.state == JOB_QUEUED && row.not_before_ms > 0) {
            ck_assert_str_ne(row.message, "");
            hurry(loop);
        }
        trainer_notify(loop->app.trainer);
        nap();
    }
    ck_assert_msg(row.state != JOB_FAILED || row.message[0] != '\0', "failed without a reason");
    return row.state;
}

/* No request is made until then, so that the operations that are counted are the worker's. */
static void wait_for_fault(struct scenario *s, long long ended_before)
{
    time_t until = time(NULL) + WAIT_S;
    while (n_ended(&s->loop->metrics) == ended_before && s->met != NULL && !s->met()) {
        ck_assert_msg(time(NULL) < until, "the job does not end");
        nap();
    }
}

/* Queues the job unless there is one already, and waits for its end. */
static int train(struct scenario *s)
{
    long long ended = n_ended(&s->loop->metrics);
    int status = 202;
    if (s->job == 0) {
        status = call(s, STEP_TRAIN);
        if (status != 202) {
            return status;
        }
        take_numbers(s, STEP_TRAIN);
    } else {
        ended = -1;
    }
    if (s->hasty) {
        return status;
    }
    wait_for_fault(s, ended);
    enum job_state state = scenario_await(s->loop, s->job);
    ck_assert_int_ne(state, JOB_CANCELLED);
    s->done[STEP_TRAIN] = state == JOB_SUCCEEDED;
    if (!s->done[STEP_TRAIN]) {
        atomic_store(&s->job, 0); /* it failed: another is queued */
    }
    return status;
}

int scenario_send(struct scenario *s, enum scenario_step step)
{
    if (!is_possible(s, step)) {
        return 0;
    }
    int status = step == STEP_TRAIN ? train(s) : call(s, step);
    bool again = s->tried[step];
    s->tried[step] = true;
    if (step != STEP_TRAIN && status / 100 == 2) {
        take_numbers(s, step);
        s->done[step] = true;
    }
    /* The answer was an error, and yet it is gone. */
    if (again && steps[step].method == HTTP_DELETE && (status == 404 || status == 409)) {
        s->done[step] = true;
    }
    if (step == STEP_CANCEL && s->done[step]) {
        enum job_state state = scenario_await(s->loop, s->long_job);
        ck_assert(state == JOB_CANCELLED || (s->may_fail && state == JOB_FAILED && status == 409));
    }
    return status;
}

int scenario_predict(struct scenario *s)
{
    char out[512];
    return loopback_call(s->loop, HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[0.5]}",
                         &(struct loopback_answer){.out = out, .size = sizeof out});
}

void scenario_settle(struct scenario *s)
{
    struct err err = ERR_INIT;
    struct job_row *rows = NULL;
    size_t n = 0;
    struct job_filter filter = {.state = -1, .limit = 100};
    ck_assert_msg(job_store_list(s->loop->app.db, &filter, &rows, &n, &err) == ERR_OK, "%s",
                  err.msg);
    for (size_t i = 0; i < n; i++) {
        struct job_row row;
        if (rows[i].state <= JOB_RUNNING && rows[i].id != s->job && rows[i].id != s->long_job) {
            ck_assert_int_eq(trainer_cancel(s->loop->app.trainer, rows[i].id, &row, &err), ERR_OK);
            scenario_await(s->loop, rows[i].id);
        }
    }
    mem_free(rows);
}

void scenario_check_keys(struct scenario *s)
{
    for (int step = 0; step < N_STEPS; step++) {
        if (steps[step].key != NULL && s->done[step]) {
            int status = call(s, (enum scenario_step)step);
            ck_assert_msg(status / 100 == 2 && strstr(s->answer, "\"repeated\":true") != NULL,
                          "%s again: %d %s", steps[step].name, status, s->answer);
        }
    }
}
