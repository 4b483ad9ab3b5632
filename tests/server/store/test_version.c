/* SPDX-License-Identifier: Apache-2.0 */
/* The number of the last change of a registry, on the side that writes and on the one that follows.
 */
#include "run.h"
#include "tmpdb.h"

#include <string.h>

#include "base/mem.h"
#include "store/models/model_admin.h"
#include "store/models/model_store.h"
#include "store/sqlite/db_follow.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/db_version.h"
#include "store/store.h"

static struct tmpdb place;
static struct db *db;

static void setup(void)
{
    tmpdb_init(&place);
    db = tmpdb_open(&place, 0);
}

static void teardown(void)
{
    db_close(db);
    tmpdb_release(&place);
}

static enum err_code put(const char *content, struct err *err)
{
    struct put_result result;
    struct put_request request = {
        .model = "m", .bytes = content, .n_bytes = strlen(content), .promote = true};
    return model_store_put(db, &request, &result, err);
}

static int64_t in_file(struct db *of)
{
    struct err err = ERR_INIT;
    int64_t version = -1;
    ck_assert_msg(db_version_in_file(of, &version, &err) == ERR_OK, "%s", err.msg);
    return version;
}

START_TEST(each_change_has_a_later_number_which_the_file_keeps)
{
    struct err err = ERR_INIT;
    int64_t before = db_version(db);
    ck_assert_int_ge(before, 1);
    for (int i = 0; i < 3; i++) {
        const char *const contents[] = {"one", "two", "three"};
        ck_assert_msg(put(contents[i], &err) == ERR_OK, "%s", err.msg);
        ck_assert_int_eq(db_version(db), ++before);
        ck_assert_int_eq(in_file(db), before);
    }
    db_close(db);
    db = tmpdb_open(&place, 0);
    ck_assert_int_eq(db_version(db), before);
}
END_TEST

START_TEST(a_transaction_that_changes_nothing_or_fails_is_no_change)
{
    struct err err = ERR_INIT;
    struct conn *conn;
    ck_assert_int_eq(put("one", &err), ERR_OK);
    int64_t before = db_version(db);
    ck_assert_int_eq(db_write_begin(db, &conn, &err), ERR_OK);
    ck_assert_int_eq(db_write_end(db, &err), ERR_OK);
    ck_assert_int_eq(db_version(db), before);
    ck_assert_int_eq(model_store_delete(db, "none", &err), ERR_NOT_FOUND);
    ck_assert_int_eq(db_version(db), before);
    ck_assert_int_eq(in_file(db), before);
}
END_TEST

/* A number that was told and whose commit failed is not told again for another change. */
START_TEST(numbers_stay_unique_when_memory_fails)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(put("one", &err), ERR_OK);
    bool failed = true;
    for (long n = 1; failed; n++) {
        int64_t before = db_version(db);
        int64_t stored = in_file(db);
        err_clear(&err);
        mem_fail_after(n, false);
        enum err_code code = put("two", &err);
        failed = mem_attempts() >= n;
        mem_fail_after(0, false);
        ck_assert_int_ge(db_version(db), before);
        ck_assert(code == ERR_OK || in_file(db) == stored);
        ck_assert(code != ERR_OK || in_file(db) == db_version(db));
    }
}
END_TEST

START_TEST(a_replica_reaches_a_number_when_it_has_taken_the_change_over)
{
    struct err err = ERR_INIT;
    struct db *replica = NULL;
    struct db_settings settings = {.path = place.path, .read_only = true};
    enum db_change change = DB_SAME;
    int64_t looked = 0;
    ck_assert_int_eq(put("one", &err), ERR_OK);
    ck_assert_msg(store_open(&replica, &settings, &err) == ERR_OK, "%s", err.msg);
    int64_t before = db_version(replica);
    ck_assert_int_eq(before, db_version(db));
    ck_assert_int_eq(put("two", &err), ERR_OK);
    ck_assert_int_eq(db_version(replica), before);
    ck_assert_int_eq(in_file(replica), before + 1);
    ck_assert_int_eq(db_poll(replica, &change, &err), ERR_OK);
    ck_assert_int_eq(change, DB_CHANGED);
    ck_assert_int_eq(db_version_look(replica, &looked, &err), ERR_OK);
    ck_assert_int_eq(looked, before + 1);
    ck_assert_int_eq(db_version(replica), before);
    db_version_reached(replica, looked);
    ck_assert_int_eq(db_version(replica), db_version(db));
    db_close(replica);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("version");
    TCase *tcase = tcase_create("version");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_change_has_a_later_number_which_the_file_keeps);
    tcase_add_test(tcase, a_transaction_that_changes_nothing_or_fails_is_no_change);
    tcase_add_test(tcase, numbers_stay_unique_when_memory_fails);
    tcase_add_test(tcase, a_replica_reaches_a_number_when_it_has_taken_the_change_over);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
