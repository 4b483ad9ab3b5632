/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk fails in every way at every operation in turn, while a server is used and while it
 * starts: each answer is right or says that it was the disk, predictions go on, and once the fault
 * is gone the same requests end with the same registry as on a good disk.
 */
#include "fault_scenario.h"
#include "registry_check.h"
#include "registry_dump.h"
#include "fault_vfs.h"
#include "run.h"
#include "stride.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "store/sqlite/db.h"

#define MAX 100000 /* operations of a kind in a scenario */

/* A kind of fault, and of how many operations one is tried when that takes too long. */
struct trial {
    const char *name;
    enum fault_op op;
    enum fault_how how;
    enum fault_file file;
    bool for_ever;
    long step;
};

static const struct trial trials[] = {
    {"a write fails", FAULT_WRITE, FAULT_FAIL, FAULT_ANY_FILE, false, 9},
    {"a write is torn", FAULT_WRITE, FAULT_TEAR, FAULT_ANY_FILE, false, 9},
    {"a write to the database fails", FAULT_WRITE, FAULT_FAIL, FAULT_DATABASE, false, 2},
    {"a write to the database is torn", FAULT_WRITE, FAULT_TEAR, FAULT_DATABASE, false, 2},
    {"the disk is full for one write", FAULT_WRITE, FAULT_FULL, FAULT_ANY_FILE, false, 11},
    {"no space for one write", FAULT_WRITE, FAULT_NO_SPACE, FAULT_ANY_FILE, false, 7},
    {"a sync fails", FAULT_SYNC, FAULT_FAIL, FAULT_ANY_FILE, false, 1},
    {"a sync finds no space", FAULT_SYNC, FAULT_NO_SPACE, FAULT_ANY_FILE, false, 2},
    {"a read fails", FAULT_READ, FAULT_FAIL, FAULT_ANY_FILE, false, 7},
    {"a read is short", FAULT_READ, FAULT_SHORT, FAULT_ANY_FILE, false, 7},
    {"a truncation fails", FAULT_TRUNCATE, FAULT_FAIL, FAULT_ANY_FILE, false, 1},
    {"a length is not told", FAULT_SIZE, FAULT_FAIL, FAULT_ANY_FILE, false, 1},
    {"shared memory is not had", FAULT_SHM_MAP, FAULT_FAIL, FAULT_ANY_FILE, false, 1},
    {"a lock in shared memory fails", FAULT_SHM_LOCK, FAULT_FAIL, FAULT_ANY_FILE, false, 7},
    {"a file is not opened", FAULT_OPEN, FAULT_FAIL, FAULT_ANY_FILE, false, 1},
    {"writes fail", FAULT_WRITE, FAULT_FAIL, FAULT_ANY_FILE, true, 13},
    {"writes to the log are torn", FAULT_WRITE, FAULT_TEAR, FAULT_WAL, true, 29},
    {"writes to the database fail", FAULT_WRITE, FAULT_FAIL, FAULT_DATABASE, true, 3},
    {"the disk is full", FAULT_WRITE, FAULT_FULL, FAULT_ANY_FILE, true, 11},
    {"syncs fail", FAULT_SYNC, FAULT_FAIL, FAULT_ANY_FILE, true, 2},
    {"reads fail", FAULT_READ, FAULT_FAIL, FAULT_ANY_FILE, true, 3},
    {"locks in shared memory fail", FAULT_SHM_LOCK, FAULT_FAIL, FAULT_ANY_FILE, true, 17},
};

#define N_TRIALS ((int)(sizeof trials / sizeof *trials))

static struct loopback loop;
static struct scenario scenario;
static bool served; /* the model has been predicted */
static int day;     /* 0: rows and jobs; 1: versions and policies */

/* Two days, since each fault is tried at each operation of a day. */
static bool is_of_day(int step)
{
    return day == 0 ? step < N_DAY_STEPS : step <= STEP_PROMOTE || step >= N_DAY_STEPS;
}

static bool has_met(void)
{
    return fault_vfs_met() > 0;
}

static void arm(const struct trial *trial, long at)
{
    struct fault fault = {trial->op, trial->how, trial->file, at, trial->for_ever};
    fault_vfs_set(&fault);
}

static void check_file(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
}

/* ---- requests ---- */

static bool is_explained(const struct trial *trial, enum scenario_step step, int status)
{
    const char *answer = scenario.answer;
    if (status == 503) {
        return trial->how != FAULT_FULL && scenario.retry_after &&
               strstr(answer, "\"detail\":\"") != NULL;
    }
    if (status == 507) {
        return trial->how == FAULT_FULL || trial->how == FAULT_NO_SPACE;
    }
    /* A file that seems to have shrunk cannot be told from a damaged one, of which a job fails. */
    return trial->how == FAULT_SHORT &&
           (status == 500 ||
            (step == STEP_CANCEL && status == 409 && strstr(answer, "has failed already") != NULL));
}

/* Sends a step; an error must come of the fault and say so. */
static void send_under_fault(const struct trial *trial, long at, enum scenario_step step)
{
    int status = scenario_send(&scenario, step);
    if (!scenario.done[step] && status / 100 != 2 && status != 0) {
        ck_assert_msg(has_met(), "%s: %d %s", scenario_step_name(step), status, scenario.answer);
        ck_assert_msg(is_explained(trial, step, status) || status == LOOPBACK_CUT,
                      "%s (%ld), %s: %d %s", trial->name, at, scenario_step_name(step), status,
                      scenario.answer);
    }
    /* From the first time on that it can be predicted. */
    status = scenario_predict(&scenario);
    ck_assert_msg(status == 200 || !served, "%s (%ld), prediction after %s: %d", trial->name, at,
                  scenario_step_name(step), status);
    served = status == 200;
}

/* The same request without the fault. */
static void send_well(const struct trial *trial, long at, enum scenario_step step)
{
    int status = scenario_send(&scenario, step);
    ck_assert_msg(scenario.done[step], "after %s (%ld), %s: %d %s", trial->name, at,
                  scenario_step_name(step), status, scenario.answer);
}

/* ---- scenarios ---- */

static void check_dump(const char *expected, const char *what, const struct trial *trial, long at)
{
    char found[REGISTRY_DUMP];
    registry_dump(loop.app.db, found);
    ck_assert_msg(strcmp(found, expected) == 0, "%s (%ld), %s:\n%s\nin place of\n%s", trial->name,
                  at, what, found, expected);
}

static void run_well(char *dump)
{
    loopback_init(&loop);
    scenario_begin(&scenario, &loop);
    for (int step = 0; step < N_STEPS; step++) {
        if (!is_of_day(step)) {
            continue;
        }
        scenario_send(&scenario, (enum scenario_step)step);
        ck_assert_msg(scenario.done[step], "%s: %s", scenario_step_name((enum scenario_step)step),
                      scenario.answer);
    }
    registry_dump(loop.app.db, dump);
    loopback_release(&loop);
}

/* One operation fails, or all from one on; false: there are not so many. */
static bool run_with(const struct trial *trial, long at, const char *expected)
{
    loopback_init(&loop);
    scenario_begin(&scenario, &loop);
    served = false;
    scenario.met = has_met;
    scenario.hasty = trial->for_ever;
    scenario.may_fail = trial->how == FAULT_SHORT;
    arm(trial, at);
    for (int step = 0; step < N_STEPS; step++) {
        if (!is_of_day(step)) {
            continue;
        }
        send_under_fault(trial, at, (enum scenario_step)step);
        if (!trial->for_ever && !scenario.done[step]) {
            scenario_settle(&scenario);
            send_well(trial, at, (enum scenario_step)step);
        }
    }
    bool met = has_met();
    fault_vfs_set(NULL);
    scenario.hasty = false;
    scenario_settle(&scenario);
    for (int step = 0; step < N_STEPS; step++) {
        if (is_of_day(step) && !scenario.done[step]) {
            send_well(trial, at, (enum scenario_step)step);
        }
    }
    check_dump(expected, "at once", trial, at);
    scenario_check_keys(&scenario);
    loopback_reopen(&loop);
    ck_assert_int_eq(scenario_predict(&scenario), 200);
    check_dump(expected, "after a restart", trial, at);
    check_file();
    loopback_release(&loop);
    return met;
}

START_TEST(a_server_outlives_a_disk_that_fails)
{
    const struct trial *trial = &trials[_i % N_TRIALS];
    char expected[REGISTRY_DUMP];
    day = _i / N_TRIALS;
    run_well(expected);
    long at = 1;
    while (run_with(trial, at, expected)) {
        at = stride_next(at, trial->step);
        ck_assert_int_lt(at, MAX);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("faults");
    gemm_use_one_thread();
    fault_vfs_register();
    tcase_set_timeout(tc, 280);
    tcase_add_loop_test(tc, a_server_outlives_a_disk_that_fails, 0, 2 * N_TRIALS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
