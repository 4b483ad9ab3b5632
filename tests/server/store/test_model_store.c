/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions in the store alone: what they are called, which is the default, and which are deleted.
 * After each of many random changes, the versions that are left are compared with a plain statement
 * of the rule.
 */
#include "registry_check.h"
#include "run.h"
#include "tmpdb.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/jobs/job_store.h"
#include "store/models/alias_store.h"
#include "store/models/model_admin.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"
#include "store/models/promotion_store.h"
#include "store/store.h"

static struct tmpdb place;
static struct db *db;

static void setup(void)
{
    tmpdb_init(&place);
    db = tmpdb_open(&place, 1000);
}

static void teardown(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(db, &err) == ERR_OK, "%s", err.msg);
    db_close(db);
    tmpdb_release(&place);
}

/* Content is opaque to the store: a number. */
static int64_t put(int content, bool promote)
{
    struct err err = ERR_INIT;
    struct put_result out;
    struct put_request request = {
        .model = "m", .bytes = &content, .n_bytes = sizeof content, .promote = promote};
    ck_assert_msg(model_store_put(db, &request, &out, &err) == ERR_OK, "%s", err.msg);
    return out.version;
}

static struct version_ref ref(const char *text)
{
    struct version_ref out;
    struct err err = ERR_INIT;
    ck_assert_msg(version_ref_parse(text, &out, &err) == ERR_OK, "%s", err.msg);
    return out;
}

static enum err_code set_default(const char *text)
{
    struct err err = ERR_INIT;
    struct version_ref to = ref(text);
    int64_t version;
    return model_store_set_default(db, "m", &to, &version, &err);
}

static enum err_code set_alias(const char *alias, const char *text)
{
    struct err err = ERR_INIT;
    struct version_ref to = ref(text);
    struct alias_put out;
    return alias_store_set(db, "m", alias, &to, &out, &err);
}

static enum err_code delete_version(const char *text)
{
    struct err err = ERR_INIT;
    struct version_ref which = ref(text);
    return model_store_delete_version(db, "m", &which, &err);
}

static int64_t keep(int64_t n)
{
    struct err err = ERR_INIT;
    int64_t n_deleted;
    ck_assert_msg(model_store_set_keep(db, "m", n, &n_deleted, &err) == ERR_OK, "%s", err.msg);
    return n_deleted;
}

static struct model_view look(void)
{
    struct err err = ERR_INIT;
    struct model_view view;
    ck_assert_msg(model_store_view(db, "m", &view, &err) == ERR_OK, "%s", err.msg);
    return view;
}

/* The versions that are there as text: "1 2 5". */
static void check_versions(const char *expected)
{
    char found[256] = "";
    size_t len = 0;
    struct model_view view = look();
    for (size_t i = 0; i < view.n_versions; i++) {
        len += (size_t)snprintf(found + len, sizeof found - len, i > 0 ? " %lld" : "%lld",
                                (long long)view.versions[i].version);
    }
    model_view_release(&view);
    ck_assert_str_eq(found, expected);
}

static void check_places(int64_t now, int64_t before)
{
    struct model_view view = look();
    ck_assert_int_eq(view.row.default_version, now);
    ck_assert_int_eq(view.row.previous_version, before);
    model_view_release(&view);
}

START_TEST(texts_name_versions)
{
    static const struct {
        const char *text;
        enum version_kind kind;
    } good[] = {{"1", VERSION_NUMBER},         {"9223372036854775807", VERSION_NUMBER},
                {"@default", VERSION_DEFAULT}, {"@previous", VERSION_PREVIOUS},
                {"@previous2", VERSION_ALIAS}, {"@a", VERSION_ALIAS},
                {"@a.b_c-1", VERSION_ALIAS}};
    static const char *const bad[] = {
        "",         "@",  "0",   "-1", "+1",   "1 ",  "01",      "1.0",
        "@Default", "@1", "@-a", "a",  "@a b", "@a@", "default", "9223372036854775808"};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct version_ref out = ref(good[i].text);
        ck_assert_int_eq(out.kind, good[i].kind);
        if (out.kind == VERSION_ALIAS) {
            ck_assert_str_eq(out.alias, good[i].text + 1);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct version_ref out;
        err_clear(&err);
        ck_assert_msg(version_ref_parse(bad[i], &out, &err) == ERR_INVALID, "\"%s\"", bad[i]);
    }
    char longest[ALIAS_MAX_CHARS + 3] = "@";
    memset(longest + 1, 'a', ALIAS_MAX_CHARS);
    ck_assert_uint_eq(strlen(ref(longest).alias), ALIAS_MAX_CHARS);
    longest[ALIAS_MAX_CHARS + 1] = 'a';
    struct version_ref out;
    err_clear(&err);
    ck_assert_int_eq(version_ref_parse(longest, &out, &err), ERR_INVALID);
}
END_TEST

START_TEST(the_default_of_before_is_known_until_it_is_deleted)
{
    put(1, true);
    check_places(1, 0);
    ck_assert_int_eq(set_default("@previous"), ERR_NOT_FOUND);
    put(2, true);
    put(3, false);
    check_places(2, 1);
    ck_assert_int_eq(set_default("@previous"), ERR_OK);
    check_places(1, 2);
    ck_assert_int_eq(set_default("3"), ERR_OK);
    check_places(3, 1);
    ck_assert_int_eq(delete_version("@previous"), ERR_OK);
    check_places(3, 0);
    ck_assert_int_eq(delete_version("2"), ERR_OK);
    ck_assert_int_eq(delete_version("3"), ERR_OK);
    check_places(0, 0);
    check_versions("");
    ck_assert_int_eq(put(3, false), 4);
    check_places(4, 0);
}
END_TEST

START_TEST(damaged_versions_get_neither_the_default_nor_an_alias)
{
    struct err err = ERR_INIT;
    put(1, true);
    put(2, false);
    ck_assert_int_eq(model_store_mark_damaged(db, "m", 2, "a test", &err), ERR_OK);
    ck_assert_int_eq(set_default("2"), ERR_CONFLICT);
    ck_assert_int_eq(set_alias("a", "2"), ERR_CONFLICT);
    ck_assert_int_eq(set_alias("a", "7"), ERR_NOT_FOUND);
    check_places(1, 0);
}
END_TEST

/* A job of the model that starts from a version. */
static int64_t start_job(int64_t base, bool claim)
{
    struct err err = ERR_INIT;
    struct job_new job = {.model = "m", .request = "{}", .n_request = 2, .origin = "request"};
    struct job_row row;
    struct training_data data = {.n_rows = 0};
    void *request = NULL;
    size_t n_request;
    int64_t id;
    ck_assert_int_eq(job_store_add(db, &job, &id, &err), ERR_OK);
    if (claim) {
        ck_assert_int_eq(job_store_claim(db, JOB_LANE_TRAIN, &row, &request, &n_request, &err),
                         ERR_OK);
        mem_free(request);
    }
    ck_assert_int_eq(job_store_set_data(db, id, &data, base, &err), ERR_OK);
    return id;
}

START_TEST(a_version_that_a_job_starts_from_stays)
{
    struct err err = ERR_INIT;
    for (int i = 1; i <= 6; i++) {
        put(i, true);
    }
    int64_t running = start_job(2, true);
    int64_t queued = start_job(3, false);
    ck_assert_int_eq(delete_version("2"), ERR_CONFLICT);
    ck_assert_int_eq(delete_version("3"), ERR_CONFLICT);
    ck_assert_int_eq(keep(1), 2);
    check_versions("2 3 5 6");
    /* Its own publication leaves the version it began with; the next one does not. */
    int content = 7;
    struct put_request request = {.model = "m",
                                  .bytes = &content,
                                  .n_bytes = sizeof content,
                                  .promote = true,
                                  .origin = PROMOTION_JOB,
                                  .job = running};
    struct job_result result = {.put = &request, .message = ""};
    struct put_result out;
    ck_assert_int_eq(job_store_publish(db, running, &result, &out, &err), ERR_OK);
    check_versions("2 3 6 7");
    put(8, false);
    check_versions("3 6 7 8");
    struct job_row row;
    ck_assert_int_eq(job_store_cancel(db, queued, &row, &err), ERR_OK);
    put(9, false);
    check_versions("6 7 9");
    struct promotion_row *rows = NULL;
    size_t n = 0;
    ck_assert_int_eq(model_store_promotions(db, "m", 1, &rows, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(rows[0].version, 7);
    ck_assert_int_eq(rows[0].previous, 6);
    ck_assert_str_eq(rows[0].origin, "job");
    ck_assert_int_eq(rows[0].job, running);
    mem_free(rows);
}
END_TEST

START_TEST(content_that_is_there_already_is_not_lost_by_its_publication)
{
    for (int i = 1; i <= 4; i++) {
        put(i, i == 1);
    }
    keep(0);
    put(1, true);
    ck_assert_int_eq(keep(2), 1);
    check_versions("1 3 4");
    ck_assert_int_eq(set_default("4"), ERR_OK);
    ck_assert_int_eq(set_default("3"), ERR_OK);
    ck_assert_int_eq(put(1, false), 1);
    check_versions("1 3 4");
    put(5, false);
    check_versions("3 4 5");
}
END_TEST

/* The rule of what stays, in words of a program. */
struct rule {
    bool there[200];
    int64_t newest;
    int64_t now, before;
    int64_t alias[3];
    int64_t keep;
};

static void apply(struct rule *rule)
{
    int64_t n = 0;
    for (int64_t v = rule->newest; rule->keep > 0 && v >= 1; v--) {
        if (!rule->there[v]) {
            continue;
        }
        bool named = v == rule->now || v == rule->before;
        for (int a = 0; a < 3; a++) {
            named = named || rule->alias[a] == v;
        }
        n++;
        rule->there[v] = n <= rule->keep || named;
    }
}

static void promote(struct rule *rule, int64_t version)
{
    if (version != rule->now) {
        rule->before = rule->now;
        rule->now = version;
    }
}

static void check_rule(const struct rule *rule)
{
    struct model_view view = look();
    size_t at = 0;
    for (int64_t v = 1; v <= rule->newest; v++) {
        if (rule->there[v]) {
            ck_assert_uint_lt(at, view.n_versions);
            ck_assert_int_eq(view.versions[at++].version, v);
        }
    }
    ck_assert_uint_eq(at, view.n_versions);
    ck_assert_int_eq(view.row.default_version, rule->now);
    ck_assert_int_eq(view.row.previous_version, rule->before);
    model_view_release(&view);
}

START_TEST(what_stays_follows_the_rule_over_random_changes)
{
    static const char *const names[] = {"a", "b", "c"};
    static struct rule rule;
    uint64_t state = 12345;
    rule.there[1] = true;
    rule.now = rule.newest = put(1, true);
    for (int step = 0; step < 400 && rule.newest < 199; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int64_t pick = 1 + (int64_t)((state >> 40) % (uint64_t)rule.newest);
        int which = (int)(state >> 33) % 8;
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)pick);
        if (which < 3) {
            rule.newest = put((int)rule.newest + 1, which == 0);
            rule.there[rule.newest] = true;
            promote(&rule, which == 0 ? rule.newest : rule.now);
            apply(&rule);
        } else if (which == 3) {
            ck_assert_int_eq(set_default(text), rule.there[pick] ? ERR_OK : ERR_NOT_FOUND);
            promote(&rule, rule.there[pick] ? pick : rule.now);
        } else if (which == 4) {
            ck_assert_int_eq(set_alias(names[pick % 3], text),
                             rule.there[pick] ? ERR_OK : ERR_NOT_FOUND);
            rule.alias[pick % 3] = rule.there[pick] ? pick : rule.alias[pick % 3];
        } else if (which == 5) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(alias_store_delete(db, "m", names[pick % 3], &err),
                             rule.alias[pick % 3] > 0 ? ERR_OK : ERR_NOT_FOUND);
            rule.alias[pick % 3] = 0;
        } else if (which == 6) {
            rule.keep = pick % 5;
            keep(rule.keep);
            apply(&rule);
        } else {
            ck_assert_int_eq(set_default("@previous"), rule.before > 0 ? ERR_OK : ERR_NOT_FOUND);
            promote(&rule, rule.before > 0 ? rule.before : rule.now);
        }
        check_rule(&rule);
    }
}
END_TEST

/* Every change with its n-th allocation failing: it is done or not done, never in part. */
START_TEST(every_allocation_of_a_change_may_fail)
{
    put(1, true);
    put(2, true);
    put(3, false);
    keep(3);
    struct err err = ERR_INIT;
    struct version_ref one = ref("1");
    for (long at = 1;; at++) {
        long live = mem_live();
        struct model_view view = {.n_versions = 0};
        struct alias_put out;
        struct promotion_row *rows = NULL;
        size_t n = 0;
        int64_t version;
        int64_t n_deleted;
        err_clear(&err);
        mem_fail_after(at, false);
        if (model_store_view(db, "m", &view, &err) == ERR_OK &&
            alias_store_set(db, "m", "a", &one, &out, &err) == ERR_OK &&
            model_store_set_default(db, "m", &one, &version, &err) == ERR_OK &&
            model_store_set_keep(db, "m", 2, &n_deleted, &err) == ERR_OK &&
            alias_store_delete(db, "m", "a", &err) == ERR_OK) {
            err_kept(model_store_promotions(db, "m", 10, &rows, &n, &err));
        }
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        mem_free(rows);
        model_view_release(&view);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_msg(err.code == ERR_OK, "%s", err.msg);
            break;
        }
        ck_assert_msg(err.code == ERR_NOMEM, "allocation %ld: %s", at, err.msg);
        ck_assert_int_lt(at, 1000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_store");
    TCase *tcase = tcase_create("store");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, texts_name_versions);
    tcase_add_test(tcase, the_default_of_before_is_known_until_it_is_deleted);
    tcase_add_test(tcase, damaged_versions_get_neither_the_default_nor_an_alias);
    tcase_add_test(tcase, a_version_that_a_job_starts_from_stays);
    tcase_add_test(tcase, content_that_is_there_already_is_not_lost_by_its_publication);
    tcase_add_test(tcase, what_stays_follows_the_rule_over_random_changes);
    tcase_add_test(tcase, every_allocation_of_a_change_may_fail);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
