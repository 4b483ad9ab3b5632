/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk fails while a registry is opened, new or left behind by a process that died, and while
 * models are loaded or swapped: what fails says so and leaves nothing behind, the next try works,
 * no version is called damaged that is not, and what is served is what is stored.
 */
#include "fault_scenario.h"
#include "registry_check.h"
#include "registry_dump.h"
#include "fault_vfs.h"
#include "run.h"
#include "stride.h"
#include "tmpdb.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"
#include "base/mem.h"
#include "math/gemm.h"
#include "store/store.h"

static const struct fault faults[] = {
    {FAULT_OPEN, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_READ, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_READ, FAULT_SHORT, FAULT_DATABASE, 0, false},
    {FAULT_WRITE, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_WRITE, FAULT_TEAR, FAULT_ANY_FILE, 0, false},
    {FAULT_WRITE, FAULT_FULL, FAULT_ANY_FILE, 0, true},
    {FAULT_SYNC, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_TRUNCATE, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_SIZE, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_SHM_MAP, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
    {FAULT_SHM_LOCK, FAULT_FAIL, FAULT_ANY_FILE, 0, false},
};

#define N_FAULTS ((int)(sizeof faults / sizeof *faults))

static struct loopback loop;
static struct scenario scenario;

static void arm(int which, long at)
{
    struct fault fault = faults[which];
    fault.at = at;
    fault_vfs_set(&fault);
}

static bool disarm(void)
{
    bool met = fault_vfs_met() > 0;
    fault_vfs_set(NULL);
    return met;
}

static void check_file(struct db *db)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(db, &err) == ERR_OK, "%s", err.msg);
}

/* ---- opening ---- */

static void copy_file(const char *from, const char *to)
{
    char piece[65536];
    size_t n;
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    ck_assert(in != NULL && out != NULL);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        ck_assert_uint_eq(fwrite(piece, 1, n, out), n);
    }
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
}

/* File and log as a process that dies leaves them. */
static void copy_registry(const char *from, const struct tmpdb *to)
{
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        char source[160];
        char target[160];
        snprintf(source, sizeof source, "%s%s", from, suffixes[i]);
        snprintf(target, sizeof target, "%s%s", to->path, suffixes[i]);
        copy_file(source, target);
    }
}

static bool is_explained(const struct fault *fault, enum err_code code)
{
    switch (fault->how) {
    case FAULT_FULL:
        return code == ERR_FULL;
    case FAULT_SHORT: /* the file seems to be a damaged one, or none of ours */
        return code == ERR_CORRUPT || code == ERR_INVALID || code == ERR_IO;
    case FAULT_FAIL:
    case FAULT_TEAR:
    case FAULT_NO_SPACE:
        break;
    }
    return code == ERR_IO;
}

/* False: there are not so many operations. */
static bool open_with(int which, long at, const char *left, const char *expected)
{
    struct err err = ERR_INIT;
    struct db *db = NULL;
    struct tmpdb place;
    char found[REGISTRY_DUMP];
    long live = mem_live();
    tmpdb_init(&place);
    if (left != NULL) {
        copy_registry(left, &place);
    }
    struct db_settings settings = {.path = place.path, .chunk_bytes = 1000};
    arm(which, at);
    enum err_code code = store_open(&db, &settings, &err);
    bool met = disarm();
    if (code == ERR_OK) {
        db_close(db);
    } else {
        ck_assert_msg(met && is_explained(&faults[which], code), "fault %d (%ld): %s: %s", which,
                      at, err_text(code), err.msg);
        ck_assert_str_ne(err.msg, "");
        ck_assert_ptr_null(db);
    }
    ck_assert_int_eq(mem_live(), live);
    db = tmpdb_open(&place, 1000);
    check_file(db);
    registry_dump(db, found);
    ck_assert_msg(strcmp(found, expected) == 0, "fault %d (%ld):\n%s\nin place of\n%s", which, at,
                  found, expected);
    db_close(db);
    tmpdb_release(&place);
    return met;
}

START_TEST(a_new_registry_is_made_or_not)
{
    char empty[REGISTRY_DUMP];
    struct tmpdb place;
    tmpdb_init(&place);
    struct db *db = tmpdb_open(&place, 1000);
    registry_dump(db, empty);
    db_close(db);
    tmpdb_release(&place);
    for (long at = 1; open_with(_i, at, NULL, empty); at = stride_next(at, 2)) {
        ck_assert_int_lt(at, 100000);
    }
}
END_TEST

START_TEST(a_registry_that_was_left_behind_is_opened_or_not)
{
    char expected[REGISTRY_DUMP];
    loopback_init(&loop);
    scenario_begin(&scenario, &loop);
    for (int step = 0; step <= STEP_DELETE_VERSION; step++) {
        scenario_send(&scenario, (enum scenario_step)step);
        ck_assert(scenario.done[step]);
    }
    registry_dump(loop.app.db, expected);
    for (long at = 1; open_with(_i, at, loop.place.path, expected); at = stride_next(at, 1)) {
        ck_assert_int_lt(at, 100000);
    }
    loopback_release(&loop);
}
END_TEST

/* ---- loading ---- */

static int call(enum http_method method, const char *path, const char *body, char *out)
{
    return loopback_call(&loop, method, path, body,
                         &(struct loopback_answer){.out = out, .size = 8192});
}

static void begin_with_two_versions(void)
{
    loopback_init(&loop);
    scenario_begin(&scenario, &loop);
    scenario_send(&scenario, STEP_REGISTER);
    scenario_send(&scenario, STEP_REGISTER_THIRD);
    ck_assert(scenario.done[STEP_REGISTER] && scenario.done[STEP_REGISTER_THIRD]);
}

START_TEST(a_version_that_could_not_be_read_is_not_damaged)
{
    char answer[8192];
    bool met = true;
    begin_with_two_versions();
    for (long at = 1; met; at = stride_next(at, 1)) {
        loopback_reopen(&loop);
        arm(_i, at);
        int status = call(HTTP_POST, "/v1/models/m/versions/2/predict", "{\"inputs\":[1]}", answer);
        met = disarm();
        bool shrunk = faults[_i].how == FAULT_SHORT && (status == 500 || status == 404);
        ck_assert_msg(status == 200 || status == 503 || shrunk, "%ld: %d %s", at, status, answer);
        status = call(HTTP_POST, "/v1/models/m/versions/2/predict", "{\"inputs\":[1]}", answer);
        ck_assert_msg(status == 200, "%ld: %d %s", at, status, answer);
        ck_assert_int_eq(call(HTTP_GET, "/v1/models/m", NULL, answer), 200);
        ck_assert_ptr_null(strstr(answer, "damaged"));
    }
    loopback_release(&loop);
}
END_TEST

/* The default version by what is told and by what predicts; 0: none. */
static long stored_default(void)
{
    char answer[8192];
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m", NULL, answer), 200);
    const char *at = strstr(answer, "\"default_version\":");
    return at != NULL ? strtol(at + 18, NULL, 10) : 0;
}

static long served_default(void)
{
    char answer[8192];
    ck_assert_int_eq(call(HTTP_POST, "/predict", "{\"model\":\"m\",\"inputs\":[1]}", answer), 200);
    return strtol(strstr(answer, "\"version\":") + 10, NULL, 10);
}

START_TEST(what_is_served_is_what_is_stored)
{
    char answer[8192];
    char body[64];
    bool met = true;
    begin_with_two_versions();
    for (long at = 1; met; at = stride_next(at, 1)) {
        loopback_reopen(&loop);
        snprintf(body, sizeof body, "{\"version\":%ld}", 3 - stored_default());
        /* The readers know these pages: what fails is the change and what follows it. */
        arm(_i, at);
        int status = call(HTTP_PUT, "/v1/models/m/default", body, answer);
        met = disarm();
        ck_assert_msg(status == 200 || status == 503 || status == 507 ||
                          (faults[_i].how == FAULT_SHORT && (status == 500 || status == 404)),
                      "%ld: %d %s", at, status, answer);
        ck_assert_int_eq(served_default(), stored_default());
    }
    loopback_release(&loop);
}
END_TEST

/* Opens the registry while its models cannot be read. */
START_TEST(a_model_that_was_not_loaded_at_start_is_loaded_for_good_later)
{
    static const struct fault reads = {FAULT_READ, FAULT_FAIL, FAULT_ANY_FILE, 1, true};
    struct err err = ERR_INIT;
    char answer[8192];
    begin_with_two_versions();
    for (long at = 1;; at++) {
        loopback_reopen(&loop);
        background_stop(&loop.app); /* it holds the registry */
        models_free(loop.app.models);
        ck_assert_int_eq(models_new(loop.app.db, &loop.log, &loop.app.models, &err), ERR_OK);
        arm(_i, at);
        enum err_code code = models_load(loop.app.models, &err);
        bool met = disarm();
        ck_assert(met || code == ERR_OK);
        err_clear(&err);
        if (code == ERR_OK) {
            /* Without the threads behind, which read the registry for reasons of their own. */
            ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}", answer),
                             200);
            fault_vfs_set(&reads);
            ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}", answer),
                             200);
            ck_assert(!disarm());
        }
        ck_assert_int_eq(background_start(&loop.app, &err), ERR_OK);
        if (!met) {
            break;
        }
    }
    loopback_release(&loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_start");
    TCase *tc = tcase_create("fault_start");
    gemm_use_one_thread();
    fault_vfs_register();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_new_registry_is_made_or_not, 0, N_FAULTS);
    tcase_add_loop_test(tc, a_registry_that_was_left_behind_is_opened_or_not, 0, N_FAULTS);
    tcase_add_loop_test(tc, a_version_that_could_not_be_read_is_not_damaged, 0, N_FAULTS);
    tcase_add_loop_test(tc, what_is_served_is_what_is_stored, 0, N_FAULTS);
    tcase_add_loop_test(tc, a_model_that_was_not_loaded_at_start_is_loaded_for_good_later, 0,
                        N_FAULTS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
