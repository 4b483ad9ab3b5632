/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of UM-Bridge: every allocation of each fails in turn, and the answer is the right one or
 * 503 in UM-Bridge's form, which its clients look for in every body; nothing leaks.
 */
#include "loopback.h"
#include "run.h"

#include <string.h>

#include "base/mem.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,1]]},\"names\":{\"inputs\":[\"k\"]}}"

static struct loopback loop;

static void setup(void)
{
    loopback_init(&loop);
    ck_assert_int_eq(loopback_call(&loop, HTTP_PUT, "/v1/models/m", MODEL, NULL), 201);
}

static void teardown(void)
{
    loopback_release(&loop);
}

/* {"error":{"type":"Unavailable","message":".."}}, and nothing else. */
static void check_unavailable(const char *path, long at, const char *body)
{
    static const char begin[] = "{\"error\":{\"type\":\"Unavailable\",\"message\":\"";
    size_t n = sizeof begin - 1;
    const char *end = strncmp(body, begin, n) == 0 ? strchr(body + n, '"') : NULL;
    ck_assert_msg(end != NULL && end > body + n && strcmp(end, "\"}}") == 0,
                  "%s, allocation %ld: %s", path, at, body);
}

/* Fails allocation 1, 2, .. of a request until it gets by without; its status then. *n_refused:
 * how many answers were 503. */
static int shake(enum http_method method, const char *path, const char *body, int *n_refused)
{
    *n_refused = 0;
    for (long at = 1;; at++) {
        char out[4096] = "";
        struct loopback_answer answer = {.out = out, .size = sizeof out};
        long live = mem_live();
        mem_fail_after(at, false);
        int status = loopback_call(&loop, method, path, body, &answer);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (attempts < at) {
            return status;
        }
        ck_assert_msg(status == 503 || status == 200 || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d %s", path, at, status, out);
        if (status == 503) {
            check_unavailable(path, at, out);
            ++*n_refused;
        }
        ck_assert_msg(mem_live() <= live + 120, "%s, allocation %ld: %ld blocks stay", path, at,
                      mem_live() - live);
        ck_assert_int_lt(at, 10000);
    }
}

START_TEST(memory_that_is_short_is_told_in_the_form_of_the_protocol)
{
    static const struct {
        const char *path, *body;
    } cases[] = {{"/ModelInfo", "{\"name\":\"m\"}"},
                 {"/InputSizes", "{\"name\":\"m\",\"config\":{}}"},
                 {"/OutputSizes", "{\"name\":\"m.quantiles\",\"config\":{\"quantiles\":[0.1]}}"},
                 {"/Evaluate", "{\"name\":\"m\",\"input\":[[0.5]]}"},
                 {"/Evaluate",
                  "{\"name\":\"m\",\"input\":[[0.5]],\"config\":{\"outputs\":[\"mean\",\"std\","
                  "\"quantiles\",\"sample\"]}}"},
                 {"/Gradient",
                  "{\"name\":\"m.std\",\"outWrt\":0,\"inWrt\":0,\"input\":[[0.5]],\"sens\":[1]}"},
                 {"/ApplyJacobian",
                  "{\"name\":\"m\",\"outWrt\":0,\"inWrt\":0,\"input\":[[0.5]],\"vec\":[1]}"},
                 {"/ApplyHessian",
                  "{\"name\":\"m\",\"outWrt\":0,\"inWrt1\":0,\"inWrt2\":0,\"input\":[[0.5]],"
                  "\"sens\":[1],\"vec\":[1]}"}};
    int n_refused, n_all = 0;
    ck_assert_int_eq(shake(HTTP_GET, "/Info", NULL, &n_refused), 200);
    ck_assert_int_gt(n_refused, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(shake(HTTP_POST, cases[i].path, cases[i].body, &n_refused), 200);
        n_all += n_refused;
    }
    /* Requests that find all the memory they need in that of their connection allocate none. */
    ck_assert_int_gt(n_all, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("umbridge_memory");
    TCase *tc = tcase_create("umbridge_memory");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, memory_that_is_short_is_told_in_the_form_of_the_protocol);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
