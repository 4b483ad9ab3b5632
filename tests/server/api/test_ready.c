/* SPDX-License-Identifier: Apache-2.0 */
/* What /readyz and /v1/status say: every part that is not well, and that it is well again. */
#include "loopback.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

static struct loopback loop;
static struct health health;
static char answer[16384];

static int get(const char *path)
{
    struct loopback_answer out = {.out = answer, .size = sizeof answer};
    return loopback_call(&loop, HTTP_GET, path, NULL, &out);
}

static void setup(void)
{
    loopback_init(&loop);
    health_init(&health);
    loop.app.health = &health;
}

static void teardown(void)
{
    loopback_release(&loop);
    health_release(&health);
}

START_TEST(each_part_that_is_not_well_is_told_with_its_reason)
{
    for (int part = HEALTH_DISK; part < HEALTH_N_PARTS; part++) {
        const char *name = health_part_name((enum health_part)part);
        char wanted[128];
        char reason[64];
        ck_assert_int_eq(get("/readyz"), 200);
        snprintf(reason, sizeof reason, "the %s is ill", name);
        ck_assert(health_set(&health, (enum health_part)part, reason));
        ck_assert(!health_set(&health, (enum health_part)part, reason));
        ck_assert_int_eq(get("/readyz"), 503);
        snprintf(wanted, sizeof wanted, "{\"part\":\"%s\",\"reason\":\"%s\"}", name, reason);
        ck_assert_msg(strstr(answer, wanted) != NULL, "%s", answer);
        ck_assert_int_eq(get("/v1/status"), 200);
        ck_assert_ptr_nonnull(strstr(answer, reason));
        ck_assert_ptr_nonnull(strstr(answer, "\"ready\":false"));
        ck_assert(health_set(&health, (enum health_part)part, NULL));
    }
    ck_assert_int_eq(get("/readyz"), 200);
    ck_assert_int_eq(get("/v1/status"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"ready\":true"));
}
END_TEST

START_TEST(all_reasons_are_told_together_the_first_as_the_detail)
{
    health_set(&health, HEALTH_HTTP, "an HTTP thread hangs");
    health_set(&health, HEALTH_TRAINER, "the thread that trains has ended");
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "\"detail\":\"the thread that trains has ended\""));
    ck_assert_ptr_nonnull(strstr(answer, "{\"part\":\"trainer\","));
    ck_assert_ptr_nonnull(strstr(answer, "{\"part\":\"http\","));
}
END_TEST

/* The registry is looked at by each probe, not once a second. */
START_TEST(a_registry_that_is_gone_is_told_at_once)
{
    char away[128];
    snprintf(away, sizeof away, "%s.away", loop.place.path);
    ck_assert_int_eq(rename(loop.place.path, away), 0);
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "\"part\":\"registry\""));
    ck_assert_int_eq(rename(away, loop.place.path), 0);
    ck_assert_int_eq(get("/readyz"), 200);
}
END_TEST

START_TEST(a_server_that_starts_or_stops_is_not_ready)
{
    struct err err = ERR_INIT;
    struct models *loaded = loop.app.models;
    ck_assert_int_eq(models_new(loop.app.db, &loop.log, &loop.app.models, &err), ERR_OK);
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "models are being loaded"));
    models_free(loop.app.models);
    loop.app.models = loaded;
    ck_assert_int_eq(get("/readyz"), 200);
    atomic_store(&loop.app.draining, true);
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_int_eq(get("/healthz"), 200);
    atomic_store(&loop.app.draining, false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ready");
    TCase *tc = tcase_create("ready");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_part_that_is_not_well_is_told_with_its_reason);
    tcase_add_test(tc, all_reasons_are_told_together_the_first_as_the_detail);
    tcase_add_test(tc, a_registry_that_is_gone_is_told_at_once);
    tcase_add_test(tc, a_server_that_starts_or_stops_is_not_ready);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
