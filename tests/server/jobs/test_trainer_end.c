/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that trains ends without having been told to: the watch says so in /readyz, and no
 * longer tells systemd that all is well. Nothing in the server makes that thread end, so the test
 * has the trainer's own file in it and does so from within.
 */
#include "loopback.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "api/dispatch.h"
#include "jobs/trainer.c"
#include "watch.h"

static struct loopback loop;
static struct health health;
static struct daemon *http;
static struct watch *watch;
static int manager = -1; /* systemd's end of its socket */
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char answer[4096];

static void setup(void)
{
    struct err err = ERR_INIT;
    loopback_init(&loop);
    health_init(&health);
    loop.app.health = &health;
    snprintf(address.sun_path, sizeof address.sun_path, "%s.notify", loop.place.path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(manager, (const struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "300000", 1);
    unsetenv("WATCHDOG_PID");
    const struct daemon_settings settings = {.listen = "127.0.0.1:0",
                                             .n_threads = 1,
                                             .max_connections = 8,
                                             .max_peer_connections = 8,
                                             .idle_timeout_s = 120,
                                             .head_timeout_s = 10,
                                             .max_body_bytes = 1000,
                                             .bodies_bytes = 1000,
                                             .tls_cert = "",
                                             .tls_key = "",
                                             .tls_client_ca = "",
                                             .log = &loop.log,
                                             .handler = dispatch,
                                             .ctx = &loop.app};
    ck_assert_msg(daemon_start(&settings, &http, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_msg(watch_start(&loop.app, http, &watch, &err) == ERR_OK, "%s", err_msg(&err));
}

static void teardown(void)
{
    watch_stop(watch);
    daemon_stop(http);
    close(manager);
    unlink(address.sun_path);
    loopback_release(&loop);
    health_release(&health);
}

static int get(const char *path)
{
    struct loopback_answer out = {.out = answer, .size = sizeof answer};
    return loopback_call(&loop, HTTP_GET, path, NULL, &out);
}

/* Reads what systemd has been told, until it is `wanted`. */
static void wait_told(const char *wanted)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    char text[512] = "";
    while (strcmp(text, wanted) != 0) {
        ssize_t n = recv(manager, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        if (n <= 0) {
            nanosleep(&pause, NULL);
        }
    }
}

/* How often the watchdog is told in what has arrived. */
static int count_watchdog(void)
{
    char text[512];
    int count = 0;
    ssize_t n;
    while ((n = recv(manager, text, sizeof text - 1, 0)) > 0) {
        text[n] = '\0';
        count += strcmp(text, "WATCHDOG=1") == 0;
    }
    return count;
}

START_TEST(its_death_is_told_to_clients_and_to_the_watchdog)
{
    static const char told[] = "the thread that trains has ended; restart the server";
    char status[sizeof told + 32];
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    snprintf(status, sizeof status, "STATUS=not ready: %s", told);
    wait_told("WATCHDOG=1");
    ck_assert_int_eq(get("/readyz"), 200);
    ck_assert(trainer_is_alive(loop.app.trainer));
    wake_stop(&loop.app.trainer->workers[JOB_LANE_TRAIN].wake);
    wait_told(status);
    ck_assert(!trainer_is_alive(loop.app.trainer));
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "\"part\":\"trainer\""));
    ck_assert_ptr_nonnull(strstr(answer, told));
    ck_assert_int_eq(get("/healthz"), 200);
    /* Predictions go on; the watch goes round at least once more, and says nothing. */
    (void)count_watchdog();
    int64_t seen_ns = clock_ns();
    while (clock_ns() - seen_ns < 3 * CLOCK_S) {
        nanosleep(&pause, NULL);
    }
    ck_assert_int_eq(count_watchdog(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainer_end");
    TCase *tc = tcase_create("trainer_end");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, its_death_is_told_to_clients_and_to_the_watchdog);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
