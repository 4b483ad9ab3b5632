/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens in memory: what was changed counts, while others look and while a source fails. */
#include "run.h"
#include "tmpdb.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/token_table.h"
#include "base/clock.h"
#include "store/access/token_store.h"
#include "store/store.h"

#define N_ROUNDS  40
#define N_LOOKERS 3

static struct tmpdb place;
static struct db *db;
static struct token_table *table;
static struct log quiet = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
static char path[512];
static atomic_bool ends;

static void setup(void)
{
    struct err err = ERR_INIT;
    tmpdb_init(&place);
    struct db_settings settings = {.path = place.path};
    snprintf(path, sizeof path, "%s.tokens", place.path);
    ck_assert_msg(store_open(&db, &settings, &err) == ERR_OK, "%s", err.msg);
}

static void teardown(void)
{
    token_table_free(table);
    table = NULL;
    db_close(db);
    unlink(path);
    tmpdb_release(&place);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    fclose(file);
}

static void open_table(const char *file)
{
    struct err err = ERR_INIT;
    ck_assert_msg(token_table_new(db, file, &quiet, &table, &err) == ERR_OK, "%s", err.msg);
}

static void add(const char *id, int64_t rate)
{
    struct err err = ERR_INIT;
    char text[TOKEN_TEXT_CHARS];
    struct token token = {.role = ROLE_READ, .models = "*"};
    snprintf(token.id, sizeof token.id, "%s", id);
    token.limits.max[LIMIT_REQUESTS] = rate;
    ck_assert_int_eq(token_make(&token, text, &err), ERR_OK);
    ck_assert_msg(token_store_add(db, &token, &err) == ERR_OK, "%s", err.msg);
}

static struct token find(const char *id)
{
    struct token token;
    token_table_find(table, id, strlen(id), &token);
    return token;
}

static void *look_all_the_time(void *arg)
{
    (void)arg;
    int64_t now_ns = clock_ns();
    while (!atomic_load(&ends)) {
        now_ns += 2 * CLOCK_S; /* always time for another look */
        token_table_refresh(table, now_ns);
    }
    return NULL;
}

START_TEST(a_change_counts_when_the_look_returns_whoever_looks_besides)
{
    pthread_t lookers[N_LOOKERS];
    struct err err = ERR_INIT;
    open_table(NULL);
    atomic_store(&ends, false);
    for (int i = 0; i < N_LOOKERS; i++) {
        ck_assert_int_eq(pthread_create(&lookers[i], NULL, look_all_the_time, NULL), 0);
    }
    for (int i = 0; i < N_ROUNDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        add(id, 0);
        token_table_look(table);
        ck_assert_str_eq(find(id).id, id);
        ck_assert_int_eq(token_store_revoke(db, id, &err), ERR_OK);
        token_table_look(table);
        ck_assert_int_ne(find(id).revoked_ms, 0);
    }
    atomic_store(&ends, true);
    for (int i = 0; i < N_LOOKERS; i++) {
        pthread_join(lookers[i], NULL);
    }
}
END_TEST

START_TEST(each_source_is_read_although_the_other_one_cannot_be)
{
    struct err err = ERR_INIT;
    char line[256];
    snprintf(line, sizeof line, "farm write sgt_farm_%064d m* never rate=7 queue_share=30\n", 0);
    write_file(line);
    open_table(path);
    ck_assert_int_eq(find("farm").limits.max[LIMIT_REQUESTS], 7);
    ck_assert_int_eq(find("farm").limits.max[LIMIT_QUEUE], 30);
    add("other", 0);
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            write_file("farm\n");
        } else {
            unlink(path);
        }
        token_table_look(table);
        ck_assert_int_eq(find("farm").role, ROLE_WRITE);
        ck_assert_int_eq(find("other").role, ROLE_READ);
        ck_assert_int_eq(find("other").revoked_ms != 0, i);
        if (i == 0) {
            ck_assert_int_eq(token_store_revoke(db, "other", &err), ERR_OK);
        }
    }
    write_file("");
    int64_t generation = token_table_generation(table);
    token_table_look(table);
    ck_assert_str_eq(find("farm").id, "");
    ck_assert_int_gt(token_table_generation(table), generation);
    generation = token_table_generation(table);
    token_table_look(table);
    ck_assert_int_eq(token_table_generation(table), generation);
}
END_TEST

START_TEST(what_was_used_outlasts_a_change_of_the_tokens)
{
    struct excess excess;
    add("a", 2);
    open_table(NULL);
    struct limits limits = find("a").limits;
    ck_assert(token_table_admit(table, "a", &limits, &excess));
    add("b", 1);
    token_table_look(table);
    ck_assert(token_table_admit(table, "a", &limits, &excess));
    ck_assert(!token_table_admit(table, "a", &limits, &excess));
    ck_assert_int_eq(excess.limit, LIMIT_REQUESTS);
    token_table_charge(table, "nobody", &limits, LIMIT_ROWS, 10);
    token_table_end(table, "nobody");
}
END_TEST

START_TEST(a_faulty_source_is_an_error_at_the_start)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(token_table_new(db, path, &quiet, &table, &err), ERR_IO);
    ck_assert_ptr_null(table);
    static const char *const ends_of_lines[] = {
        "rate",     "rate=", "rate=0",          "rate=1 rate=2", "rate=1000001",
        "speed=10", "=1",    "queue_share=101", "m never x"};
    for (size_t i = 0; i < sizeof ends_of_lines / sizeof *ends_of_lines; i++) {
        char line[256];
        bool pattern = i == 0; /* without '=' it is a name of models */
        snprintf(line, sizeof line, "a read sgt_a_%064d %s\n", 0, ends_of_lines[i]);
        write_file(line);
        err_clear(&err);
        enum err_code code = token_table_new(db, path, &quiet, &table, &err);
        ck_assert_msg(code == (pattern ? ERR_OK : ERR_INVALID), "%s: %s", line, err.msg);
        ck_assert(pattern || strstr(err.msg, "line 1") != NULL);
        token_table_free(table);
        table = NULL;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_table");
    TCase *tc = tcase_create("token_table");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_change_counts_when_the_look_returns_whoever_looks_besides);
    tcase_add_test(tc, each_source_is_read_although_the_other_one_cannot_be);
    tcase_add_test(tc, what_was_used_outlasts_a_change_of_the_tokens);
    tcase_add_test(tc, a_faulty_source_is_an_error_at_the_start);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
