/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The care of a registry file, in one process: space is given back, a read-only registry follows
 * its file while readers are at work, and a failed allocation leaves nothing behind.
 */
#include "run.h"
#include "tmpdb.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/care/backup.h"
#include "store/care/check_file.h"
#include "store/data/data_append.h"
#include "store/data/data_delete.h"
#include "store/models/model_admin.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"
#include "store/sqlite/db_follow.h"
#include "store/sqlite/db_tidy.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"
#include "store/store.h"

static struct tmpdb place;
static const char *const path = place.path;
static char other[96];
static struct db *db;

static struct db *open_writable(const char *at)
{
    struct err err = ERR_INIT;
    struct db *opened = NULL;
    struct db_settings settings = {.path = at, .chunk_bytes = 20000};
    ck_assert_msg(store_open(&opened, &settings, &err) == ERR_OK, "%s", err.msg);
    return opened;
}

static void setup(void)
{
    tmpdb_init(&place);
    snprintf(other, sizeof other, "%s/other.db", place.folder);
    db = open_writable(path);
}

static void teardown(void)
{
    char command[128];
    db_close(db);
    snprintf(command, sizeof command, "rm -r %s", place.folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(struct db *to, const char *model, const char *content)
{
    struct err err = ERR_INIT;
    struct put_result result;
    struct put_request request = {
        .model = model, .bytes = content, .n_bytes = strlen(content), .promote = true};
    ck_assert_msg(model_store_put(to, &request, &result, &err) == ERR_OK, "%s", err.msg);
}

static int64_t append(int64_t n)
{
    struct err err = ERR_INIT;
    struct data_append_result result;
    double *rows = calloc((size_t)n * 10, sizeof *rows);
    for (int64_t i = 0; i < n * 10; i++) {
        rows[i] = (double)i;
    }
    struct data_upload up = {.n = n, .d = 9, .o = 1, .rows = rows, .format = "npy"};
    ck_assert_msg(data_store_append(db, "m", &up, &result, &err) == ERR_OK, "%s", err.msg);
    free(rows);
    return result.batch;
}

static long long file_bytes(void)
{
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    return (long long)about.st_size;
}

static void finding(void *ctx, const char *text)
{
    int *n = ctx;
    (void)text;
    (*n)++;
}

static bool go_on(void *ctx, const char *phase, int64_t done, int64_t total)
{
    (void)ctx;
    (void)phase;
    ck_assert_int_ge(done, 0);
    ck_assert_int_ge(total, 0);
    return true;
}

static bool stop(void *ctx, const char *phase, int64_t done, int64_t total)
{
    (void)go_on(ctx, phase, done, total);
    return false;
}

static int n_found;
static const struct care_calls calls = {.finding = finding, .progress = go_on, .ctx = &n_found};

/* ---- space ---- */

START_TEST(a_deleted_batch_gives_its_space_back_in_bounded_steps)
{
    struct err err = ERR_INIT;
    int64_t n_rows;
    int n = -1;
    append(100);
    int64_t batch = append(100000); /* 8 MB: 2000 pages, and the index */
    ck_assert_int_eq(db_tidy(db, 1 << 20, &n, &err), ERR_OK);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(data_store_delete_batch(db, "m", batch, &n_rows, &err), ERR_OK);
    ck_assert_int_eq(db_tidy(db, 100, &n, &err), ERR_OK);
    ck_assert_int_eq(n, 0); /* less than a step is asked for */
    long long before = file_bytes();
    ck_assert_int_eq(db_tidy(db, 600, &n, &err), ERR_OK);
    ck_assert(n >= 512 && n < 520); /* and the pages that kept account of them */
    ck_assert_int_lt(file_bytes(), before);
    while (n > 0) {
        ck_assert_int_eq(db_tidy(db, 512, &n, &err), ERR_OK);
    }
    /* What is left is under a thousand free pages. */
    ck_assert_int_lt(file_bytes(), 1100 * 4096 + 200 * 1024);
    struct check_report report;
    n_found = 0;
    ck_assert_int_eq(check_run(path, &calls, &report, &err), ERR_OK);
    ck_assert_int_eq(report.n_findings, 0);
    ck_assert_int_eq(report.n_batches, 1);
}
END_TEST

/* ---- read-only ---- */

static struct db *open_replica(const char *at)
{
    struct err err = ERR_INIT;
    struct db *opened = NULL;
    struct db_settings settings = {.path = at, .read_only = true, .n_readers = 2};
    ck_assert_msg(store_open(&opened, &settings, &err) == ERR_OK, "%s", err.msg);
    return opened;
}

static size_t count_models(struct db *from)
{
    struct err err = ERR_INIT;
    struct model_row *rows = NULL;
    size_t n = 0;
    ck_assert_msg(model_store_list(from, &rows, &n, &err) == ERR_OK, "%s", err.msg);
    mem_free(rows);
    return n;
}

static enum db_change poll_of(struct db *replica)
{
    struct err err = ERR_INIT;
    enum db_change change = DB_SAME;
    ck_assert_msg(db_poll(replica, &change, &err) == ERR_OK, "%s", err.msg);
    return change;
}

START_TEST(a_replica_writes_nothing_and_sees_commits_of_others)
{
    struct err err = ERR_INIT;
    struct put_result result;
    struct put_request request = {.model = "m", .bytes = "x", .n_bytes = 1};
    put(db, "m", "one");
    struct db *replica = open_replica(path);
    ck_assert(db_is_read_only(replica));
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    ck_assert_int_eq(model_store_put(replica, &request, &result, &err), ERR_READ_ONLY);
    err_clear(&err);
    ck_assert_int_eq(model_store_mark_damaged(replica, "m", 1, "x", &err), ERR_READ_ONLY);
    err_clear(&err);
    ck_assert_int_eq(db_tidy(replica, 1 << 20, NULL, &err), ERR_OK);
    put(db, "n", "two");
    ck_assert_int_eq(poll_of(replica), DB_CHANGED);
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    ck_assert_int_eq((int)count_models(replica), 2);
    db_close(replica);
}
END_TEST

static void copy(const char *from, const char *to)
{
    struct err err = ERR_INIT;
    struct check_report report;
    struct backup_request request = {.from = from, .to = to, .force = true, .calls = &calls};
    ck_assert_msg(backup_make(&request, &report, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(report.n_findings, 0);
}

START_TEST(readers_at_work_finish_on_the_old_file)
{
    struct err err = ERR_INIT;
    struct conn *reading[2];
    int64_t n = 0;
    put(db, "m", "one");
    copy(path, other);
    struct db *replica = open_replica(other);
    /* Both connections are out while the file is replaced, and one is inside a statement. */
    ck_assert_int_eq(db_read_begin(replica, &reading[0], &err), ERR_OK);
    ck_assert_int_eq(db_read_begin(replica, &reading[1], &err), ERR_OK);
    struct query q = query_open(reading[0], SQL_MODEL_LIST, &err);
    ck_assert(query_row(&q));
    put(db, "n", "two");
    copy(path, other);
    ck_assert_int_eq(poll_of(replica), DB_REPLACED);
    ck_assert_int_eq(db_reopen(replica, &err), ERR_OK);
    ck_assert_int_eq((int)count_models(replica), 2);
    ck_assert(!query_row(&q));
    ck_assert_int_eq(query_close(&q), ERR_OK);
    ck_assert_int_eq(query_number(reading[1], SQL_TABLE_COUNT, &n, &err), ERR_OK);
    ck_assert_int_eq(db_read_end(replica, reading[0], &err), ERR_OK);
    ck_assert_int_eq(db_read_end(replica, reading[1], &err), ERR_OK);
    ck_assert_int_eq((int)count_models(replica), 2);
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    db_close(replica);
}
END_TEST

static void write_file(const char *at, size_t n_bytes)
{
    char *bytes = malloc(n_bytes);
    FILE *in = fopen(path, "rb");
    size_t got = fread(bytes, 1, n_bytes, in);
    ck_assert_int_eq(fclose(in), 0);
    FILE *out = fopen(at, "wb");
    ck_assert_int_eq((int)fwrite(bytes, 1, got, out), (int)got);
    ck_assert_int_eq(fclose(out), 0);
    free(bytes);
}

START_TEST(a_bad_replacement_is_refused_and_the_old_one_goes_on)
{
    struct err err = ERR_INIT;
    char half[112];
    put(db, "m", "one");
    copy(path, other);
    struct db *replica = open_replica(other);
    append(2000);
    db_close(db); /* folds the log in */
    snprintf(half, sizeof half, "%s.half", other);
    write_file(half, 60000);
    ck_assert_int_eq(rename(half, other), 0);
    ck_assert_int_eq(poll_of(replica), DB_REPLACED);
    ck_assert_int_eq(db_reopen(replica, &err), ERR_CORRUPT);
    ck_assert_int_eq((int)count_models(replica), 1);
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    /* Gone, and back again. */
    enum db_change change = DB_SAME;
    ck_assert_int_eq(unlink(other), 0);
    err_clear(&err);
    ck_assert_int_eq(db_poll(replica, &change, &err), ERR_NOT_FOUND);
    db = open_writable(path);
    put(db, "n", "two");
    copy(path, other);
    ck_assert_int_eq(poll_of(replica), DB_REPLACED);
    err_clear(&err);
    ck_assert_int_eq(db_reopen(replica, &err), ERR_OK);
    ck_assert_int_eq((int)count_models(replica), 2);
    db_close(replica);
}
END_TEST

START_TEST(the_log_of_the_file_before_is_not_read_with_the_one_in_its_place)
{
    struct err err = ERR_INIT;
    put(db, "m", "one");
    copy(path, other);
    put(db, "n", "two");
    put(db, "o", "three");
    struct db *replica = open_replica(path);
    ck_assert_int_eq((int)count_models(replica), 3);
    /* The writer's log stays where it is, as after a crash. */
    ck_assert_int_eq(rename(other, path), 0);
    ck_assert_int_eq(poll_of(replica), DB_REPLACED);
    ck_assert_int_eq(db_reopen(replica, &err), ERR_OK);
    ck_assert_int_eq((int)count_models(replica), 1);
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    db_close(replica);
}
END_TEST

START_TEST(a_writer_that_comes_to_a_file_at_rest_is_noticed)
{
    struct err err = ERR_INIT;
    put(db, "m", "one");
    copy(path, other);
    struct db *replica = open_replica(other);
    ck_assert_int_eq(poll_of(replica), DB_SAME);
    struct db *writer = open_writable(other);
    put(writer, "n", "two");
    ck_assert_int_eq(poll_of(replica), DB_REPLACED);
    ck_assert_int_eq(db_reopen(replica, &err), ERR_OK);
    ck_assert_int_eq((int)count_models(replica), 2);
    put(writer, "o", "three");
    ck_assert_int_eq(poll_of(replica), DB_CHANGED);
    ck_assert_int_eq((int)count_models(replica), 3);
    db_close(writer);
    db_close(replica);
}
END_TEST

/* ---- what fails ---- */

START_TEST(a_stopped_backup_leaves_nothing)
{
    struct err err = ERR_INIT;
    struct check_report report;
    struct care_calls stopping = {.finding = finding, .progress = stop, .ctx = &n_found};
    struct backup_request request = {.from = path, .to = other, .calls = &stopping};
    char command[160];
    append(5000);
    ck_assert_int_eq(backup_make(&request, &report, &err), ERR_CANCELLED);
    snprintf(command, sizeof command, "ls %s | grep -q other", place.folder);
    ck_assert_int_ne(system(command), 0);
}
END_TEST

enum act { CHECK, BACKUP, RESTORE, COMPACT, REPLICA };

static enum err_code act_once(enum act act, struct err *err)
{
    struct check_report report;
    struct backup_request request = {.from = path, .to = other, .force = true, .calls = &calls};
    struct db_settings settings = {.path = path, .read_only = true};
    struct db *replica = NULL;
    int64_t before;
    int64_t after;
    switch (act) {
    case CHECK:
        return check_run(path, &calls, &report, err);
    case BACKUP:
        return backup_make(&request, &report, err);
    case RESTORE:
        return backup_restore(&request, &report, err);
    case COMPACT:
        return backup_compact(path, &calls, &before, &after, err);
    case REPLICA:
        if (store_open(&replica, &settings, err) == ERR_OK && db_reopen(replica, err) == ERR_OK) {
            err_kept(db_tidy(replica, 1, NULL, err));
        }
        db_close(replica);
        return err->code;
    }
    return ERR_INTERNAL;
}

START_TEST(every_failed_allocation_is_reported_and_leaves_nothing)
{
    struct err err = ERR_INIT;
    char kept[128];
    put(db, "m", "one");
    append(3000);
    db_close(db);
    db = NULL;
    snprintf(kept, sizeof kept, "%s.before-restore", other);
    ck_assert_int_eq(act_once((enum act)_i, &err), ERR_OK); /* what is allocated once and kept */
    long n = 1;
    for (bool failed = true; failed; n++) {
        unlink(kept);
        long live = mem_live();
        err_clear(&err);
        n_found = 0;
        mem_fail_after(n, false);
        enum err_code code = act_once((enum act)_i, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        failed = attempts >= n;
        ck_assert_msg(code == (failed ? ERR_NOMEM : ERR_OK), "%ld: %s", n, err_msg(&err));
        ck_assert_int_eq(mem_live(), live);
        ck_assert_int_eq(n_found, 0);
    }
    ck_assert_int_gt(n, 2);
    db = open_writable(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("care");
    TCase *tcase = tcase_create("care");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_deleted_batch_gives_its_space_back_in_bounded_steps);
    tcase_add_test(tcase, a_replica_writes_nothing_and_sees_commits_of_others);
    tcase_add_test(tcase, readers_at_work_finish_on_the_old_file);
    tcase_add_test(tcase, a_bad_replacement_is_refused_and_the_old_one_goes_on);
    tcase_add_test(tcase, the_log_of_the_file_before_is_not_read_with_the_one_in_its_place);
    tcase_add_test(tcase, a_writer_that_comes_to_a_file_at_rest_is_noticed);
    tcase_add_test(tcase, a_stopped_backup_leaves_nothing);
    tcase_add_loop_test(tcase, every_failed_allocation_is_reported_and_leaves_nothing, CHECK,
                        REPLICA + 1);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
