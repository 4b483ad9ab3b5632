/* SPDX-License-Identifier: Apache-2.0 */
/* The table of models: names that come and go, and threads that hold what they have found. */
#include "run.h"
#include "tmpdb.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mem_budget.h"
#include "live/models.h"
#include "math/gemm.h"
#include "store/models/model_admin.h"

static struct tmpdb place;
static struct db *db;
static struct log silent;
static struct models *models;

static void setup(void)
{
    struct err err = ERR_INIT;
    gemm_use_one_thread();
    tmpdb_init(&place);
    db = tmpdb_open(&place, 0);
    silent = (struct log){.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
    ck_assert_int_eq(models_new(db, &silent, &models, &err), ERR_OK);
    ck_assert_int_eq(models_load(models, &err), ERR_OK);
}

static void teardown(void)
{
    models_free(models);
    db_close(db);
    tmpdb_release(&place);
}

static struct model *make_model(double value)
{
    struct err err = ERR_INIT;
    struct model *made = NULL;
    struct arch arch = arch_default(1, 1);
    arch.width = 1;
    ck_assert_int_eq(model_new(&arch, 1, &made, &err), ERR_OK);
    for (int k = 0; k < made->net.n_params; k++) {
        made->draws[k] = value;
    }
    ck_assert_int_eq(model_publish(made, &err), ERR_OK);
    return made;
}

static void put(const char *name, double value)
{
    struct err err = ERR_INIT;
    struct model *model = make_model(value);
    struct put_request request = {.model = name, .promote = true, .origin = PROMOTION_REGISTER};
    struct put_result result;
    ck_assert_msg(models_put(models, model, &request, &result, &err) == ERR_OK, "%s", err.msg);
    model_unref(model);
}

static enum err_code find(const char *name, struct served **out)
{
    struct err err = ERR_INIT;
    return models_get(models, name, 0, out, &err);
}

static void drop(const char *name)
{
    struct err err = ERR_INIT;
    ck_assert_msg(models_delete(models, name, &err) == ERR_OK, "%s", err.msg);
}

static void name_of(int i, char out[16])
{
    snprintf(out, 16, "model-%d", i);
}

START_TEST(names_that_are_gone_leave_the_table_and_its_memory)
{
    char name[16];
    put("stays", 0.5);
    size_t before = mem_budget_used();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            name_of(100 * round + i, name);
            put(name, 0.1 * i);
        }
        ck_assert_uint_eq(models_totals(models).n_names, 101);
        for (int i = 0; i < 100; i++) {
            name_of(100 * round + i, name);
            drop(name);
        }
        ck_assert_uint_eq(models_totals(models).n_names, 1);
    }
    ck_assert_uint_le(mem_budget_used(), before + 4096);
    struct served *served = NULL;
    ck_assert_int_eq(find("stays", &served), ERR_OK);
    served_unref(served);
    ck_assert_int_eq(find("model-7", &served), ERR_NOT_FOUND);
    ck_assert_uint_eq(models_totals(models).n_names, 1);
}
END_TEST

START_TEST(what_was_found_stays_whole_when_its_name_is_gone)
{
    struct served *served = NULL;
    put("m", 0.25);
    ck_assert_int_eq(find("m", &served), ERR_OK);
    drop("m");
    ck_assert_uint_eq(models_totals(models).n_names, 0);
    ck_assert_str_eq(served->name, "m");
    ck_assert_double_eq(served->model->draws[0], 0.25);
    served_unref(served);
    /* The name comes again, with another model. */
    put("m", 0.75);
    ck_assert_int_eq(find("m", &served), ERR_OK);
    ck_assert_double_eq(served->model->draws[0], 0.75);
    served_unref(served);
}
END_TEST

START_TEST(names_that_went_in_another_process_leave_at_a_reload)
{
    struct err err = ERR_INIT;
    char name[16];
    for (int i = 0; i < 40; i++) {
        name_of(i, name);
        put(name, 0.1 * i);
    }
    for (int i = 0; i < 40; i += 2) {
        name_of(i, name);
        ck_assert_int_eq(model_store_delete(db, name, &err), ERR_OK);
    }
    ck_assert_int_eq(models_reload(models, &err), ERR_OK);
    ck_assert_uint_eq(models_totals(models).n_names, 20);
    put("model-0", 0.5);
    ck_assert_uint_eq(models_totals(models).n_names, 21);
}
END_TEST

START_TEST(a_refresh_that_failed_is_tried_again_without_a_request)
{
    struct err err = ERR_INIT;
    char name[NAME_MAX_CHARS + 1];
    put("m", 0.5);
    models_evict_all(models, NULL);
    mem_fail_after(1, true);
    ck_assert_int_eq(models_refresh(models, "m", NULL, 0, &err), ERR_NOMEM);
    models_retry_failed(models);
    ck_assert_int_eq(models_count_failed(models, name), 1);
    ck_assert_str_eq(name, "m");
    mem_fail_after(0, false);
    models_retry_failed(models);
    ck_assert_int_eq(models_count_failed(models, name), 0);
    /* Also of a model that has gone meanwhile. */
    mem_fail_after(1, true);
    err_clear(&err);
    ck_assert_int_eq(models_refresh(models, "m", NULL, 0, &err), ERR_NOMEM);
    mem_fail_after(0, false);
    err_clear(&err);
    ck_assert_int_eq(model_store_delete(db, "m", &err), ERR_OK);
    models_retry_failed(models);
    ck_assert_uint_eq(models_totals(models).n_names, 0);
}
END_TEST

/* ---- threads ---- */

#define N_NAMES   3
#define N_CHANGES 40
#define N_READERS 3

static atomic_bool over;

/* Registers and deletes one name again and again; at last it is deleted, or is there. */
static void *change(void *arg)
{
    int i = *(const int *)arg;
    char name[16];
    name_of(i, name);
    for (int turn = 0; turn < N_CHANGES; turn++) {
        put(name, turn);
        struct served *served = NULL;
        ck_assert_int_eq(find(name, &served), ERR_OK);
        ck_assert_double_eq(served->model->draws[0], turn);
        drop(name);
        ck_assert_double_eq(served->model->draws[0], turn);
        served_unref(served);
        ck_assert_int_eq(find(name, &served), ERR_NOT_FOUND);
    }
    if (i == 0) {
        put(name, -1.0);
    }
    return NULL;
}

static void *read_all(void *arg)
{
    (void)arg;
    char name[16];
    while (!atomic_load(&over)) {
        for (int i = 0; i < N_NAMES; i++) {
            struct served *served = NULL;
            struct err err = ERR_INIT;
            name_of(i, name);
            if (find(name, &served) == ERR_OK) {
                ck_assert_str_eq(served->name, name);
                served_unref(served);
            }
            err_kept(models_refresh(models, name, NULL, 0, &err));
        }
    }
    return NULL;
}

START_TEST(threads_that_change_and_read_names_agree_with_the_store)
{
    pthread_t changers[N_NAMES], readers[N_READERS];
    int numbers[N_NAMES];
    atomic_store(&over, false);
    for (int i = 0; i < N_READERS; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, NULL), 0);
    }
    for (int i = 0; i < N_NAMES; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&changers[i], NULL, change, &numbers[i]), 0);
    }
    for (int i = 0; i < N_NAMES; i++) {
        pthread_join(changers[i], NULL);
    }
    atomic_store(&over, true);
    for (int i = 0; i < N_READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    ck_assert_uint_eq(models_totals(models).n_names, 1);
    struct served *served = NULL;
    ck_assert_int_eq(find("model-0", &served), ERR_OK);
    ck_assert_double_eq(served->model->draws[0], -1.0);
    served_unref(served);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("models");
    TCase *tc = tcase_create("models");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, names_that_are_gone_leave_the_table_and_its_memory);
    tcase_add_test(tc, what_was_found_stays_whole_when_its_name_is_gone);
    tcase_add_test(tc, names_that_went_in_another_process_leave_at_a_reload);
    tcase_add_test(tc, a_refresh_that_failed_is_tried_again_without_a_request);
    tcase_add_test(tc, threads_that_change_and_read_names_agree_with_the_store);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
