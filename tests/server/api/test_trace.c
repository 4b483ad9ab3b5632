/* SPDX-License-Identifier: Apache-2.0 */
#include "api/head/trace.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

START_TEST(an_id_is_short_and_plain)
{
    char text[TRACE_MAX_ID + 2] = "";
    ck_assert(!trace_id_is_valid(""));
    ck_assert(trace_id_is_valid("a"));
    ck_assert(trace_id_is_valid("0190d6d5-5e4f-7c1a-9b2e-1f2e3d4c5b6a"));
    memset(text, 'x', TRACE_MAX_ID);
    ck_assert(trace_id_is_valid(text));
    text[TRACE_MAX_ID] = 'x';
    ck_assert(!trace_id_is_valid(text));
    const char *const bad[] = {"a b", "a\r", "a\"", "a\n", "ü", "a,b", "\x7f", "a;b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!trace_id_is_valid(bad[i]), "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_parent_has_the_form_of_the_standard)
{
    ck_assert(trace_parent_is_valid(PARENT));
    const char *const bad[] = {
        "",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c.b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!trace_parent_is_valid(bad[i]), "%s", bad[i]);
    }
}
END_TEST

START_TEST(an_answer_repeats_what_came_and_makes_what_it_must)
{
    struct arena arena = ARENA_INIT;
    const struct header both[] = {{"x-request-id", "mine"}, {"Traceparent", PARENT}};
    const struct header bad[] = {{"X-Request-Id", "a b"}, {"traceparent", "00-x"}};
    struct request req = {.headers = both, .n_headers = 2, .arena = &arena};
    struct response res = {.status = 200};
    struct trace trace = trace_of(&req);
    trace_answer(&trace, false, &req, &res);
    ck_assert_int_eq(res.n_headers, 2);
    ck_assert_str_eq(res.headers[0].value, "mine");
    ck_assert_str_eq(res.headers[1].value, PARENT);

    req.headers = bad;
    res = (struct response){.status = 200};
    trace = trace_of(&req);
    trace_answer(&trace, false, &req, &res);
    ck_assert_int_eq(res.n_headers, 0);
    trace_answer(&trace, true, &req, &res);
    ck_assert_int_eq(res.n_headers, 1);
    ck_assert_uint_eq(strlen(res.headers[0].value), 16);
    ck_assert_str_eq(res.headers[0].value, trace_id(&trace));
    struct trace other = trace_of(&req);
    ck_assert_str_ne(trace_id(&other), trace_id(&trace));
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tcase = tcase_create("trace");
    tcase_add_test(tcase, an_id_is_short_and_plain);
    tcase_add_test(tcase, a_parent_has_the_form_of_the_standard);
    tcase_add_test(tcase, an_answer_repeats_what_came_and_makes_what_it_must);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
