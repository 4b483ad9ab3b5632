/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the Open Inference Protocol: every allocation of each fails in turn, and the answer
 * is 503 or the right one and nothing leaks; lengths at their limit and one beyond.
 */
#include "loopback.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "api/oip/infer_request.h"
#include "base/mem.h"
#include "formats/tensor_type.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,1]]},\"noise\":{\"sigma\":[0.1]},\"names\":{\"inputs\":[\"k\"]}}"
#define INPUT(name) "{\"name\":\"" name "\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[0.5,1]}"

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

/* Fails allocation 1, 2, .. of a request until it gets by without; its status then. */
static int shake(enum http_method method, const char *path, const char *body)
{
    for (long at = 1;; at++) {
        char out[4096];
        struct loopback_answer answer = {.out = out, .size = sizeof out};
        long live = mem_live();
        mem_fail_after(at, false);
        int status = loopback_call(&loop, method, path, body, &answer);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (attempts < at) {
            return status;
        }
        ck_assert_msg(status == 503 || status / 100 == 2 || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d", path, at, status);
        ck_assert_msg(status != 503 || strncmp(out, "{\"error\":\"", 10) == 0, "%s", out);
        ck_assert_msg(mem_live() <= live + 120, "%s, allocation %ld: %ld blocks stay", path, at,
                      mem_live() - live);
        ck_assert_int_lt(at, 10000);
    }
}

START_TEST(inference_survives)
{
    static const char *const bodies[] = {
        "{\"id\":\"7\",\"inputs\":[" INPUT("x") "]}",
        "{\"inputs\":[" INPUT("k") "],\"parameters\":{\"quantiles\":\"0.1, 0.9\",\"samples\":1},"
                                   "\"outputs\":[{\"name\":\"quantiles\"},{\"name\":\"samples\"}]}",
        "{\"inputs\":[" INPUT("x") "],\"parameters\":{\"binary_data_output\":true},"
                                   "\"outputs\":[{\"name\":\"mean\"},{\"name\":\"std\","
                                   "\"parameters\":{\"binary_data\":false}}"
                                   "]}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        ck_assert_int_eq(shake(HTTP_POST, "/v2/models/m/infer", bodies[i]), 200);
    }
}
END_TEST

START_TEST(descriptions_and_the_repository_survive)
{
    static const char *const paths[] = {"/v2",
                                        "/v2/health/ready",
                                        "/v2/models",
                                        "/v2/models/m",
                                        "/v2/models/m/versions/1/ready",
                                        "/v2/models/m/config",
                                        "/v2/models/m/stats",
                                        "/v2/models/stats"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_int_eq(shake(HTTP_GET, paths[i], NULL), 200);
    }
    ck_assert_int_eq(shake(HTTP_POST, "/v2/repository/index", "{\"ready\":true}"), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/v2/repository/models/m/unload", "{}"), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/v2/repository/models/m/load", "{}"), 200);
    ck_assert_int_eq(loopback_call(&loop, HTTP_GET, "/v2/models/m/ready", NULL, NULL), 200);
}
END_TEST

START_TEST(the_header_is_within_the_body)
{
    static const struct {
        const char *header;
        size_t n_bytes;
        int n_json; /* -1: refused */
    } cases[] = {{NULL, 7, 7},  {"0", 7, 0},   {"7", 7, 7},
                 {"8", 7, -1},  {"007", 7, 7}, {"", 7, -1},
                 {"-1", 7, -1}, {" 1", 7, -1}, {"18446744073709551617", 7, -1},
                 {"1 ", 7, -1}, {"0", 0, 0},   {"99999999999999999999999999", SIZE_MAX, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        size_t n_json = 0;
        bool good = infer_body_split(cases[i].header, cases[i].n_bytes, &n_json, &err) == ERR_OK;
        ck_assert_int_eq(good, cases[i].n_json >= 0);
        ck_assert(!good || n_json == (size_t)cases[i].n_json);
    }
}
END_TEST

/* Half precision by its tables: signs, zeros, the smallest, the largest, infinity. */
START_TEST(half_precision_is_read)
{
    static const struct {
        uint16_t bits;
        double value;
    } cases[] = {{0x0000, 0.0},
                 {0x0001, 0x1p-24},
                 {0x03ff, 0x1.ff8p-15},
                 {0x0400, 0x1p-14},
                 {0x3c00, 1.0},
                 {0x3555, 0.333251953125},
                 {0xc000, -2.0},
                 {0x7bff, 65504.0},
                 {0x7c00, (double)INFINITY},
                 {0xfc00, -(double)INFINITY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 0.5;
        size_t bad;
        ck_assert(tensor_type_read(TENSOR_F16, (const char *)&cases[i].bits, 1, &value, &bad));
        ck_assert(memcmp(&value, &cases[i].value, sizeof value) == 0);
    }
    static const uint16_t brain[] = {0x3f80, 0xc040, 0x7f80};
    static const double values[] = {1.0, -3.0, (double)INFINITY};
    double read[3];
    size_t bad;
    ck_assert(tensor_type_read(TENSOR_BF16, (const char *)brain, 3, read, &bad));
    ck_assert(memcmp(read, values, sizeof read) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("infer");
    TCase *tcase = tcase_create("allocations");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, inference_survives);
    tcase_add_test(tcase, descriptions_and_the_repository_survive);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("bytes");
    tcase_add_test(tcase, the_header_is_within_the_body);
    tcase_add_test(tcase, half_precision_is_read);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
