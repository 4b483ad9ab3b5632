/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of listening sockets in their parts. */
#include "run.h"

#include <string.h>

#include "base/address.h"

START_TEST(an_address_is_a_host_and_a_port)
{
    static const struct {
        const char *text;
        const char *host;
        const char *port;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080"}, {"localhost:0", "localhost", "0"},
        {"[::1]:65535", "::1", "65535"},         {"[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
        {"[127.0.0.1]:80", "127.0.0.1", "80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        struct err err = ERR_INIT;
        ck_assert_int_eq(address_parse(cases[i].text, &address, &err), ERR_OK);
        ck_assert_str_eq(address.host, cases[i].host);
        ck_assert_str_eq(address.port, cases[i].port);
    }
}
END_TEST

START_TEST(what_is_no_address_is_named)
{
    static const char *const cases[] = {
        "",         ":",          "8080",        "host",           "host:",
        ":8080",    "::1",        "::1:8080",    "[::1]",          "[]:80",
        "[::1:80",  "host:65536", "host:99999",  "host:http",      "host:-1",
        "host: 80", "host:80 ",   "host:080000", "http://host:80", "a@b:80",
        "a/b:80",   "a?b:80",     "a b:80",      "[a#b]:80",       "[a:80",
        "a]:80",    "[[::1]:80",  "[::1]]:80",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address = {.host = "untouched"};
        struct err err = ERR_INIT;
        ck_assert_msg(address_parse(cases[i], &address, &err) == ERR_INVALID, "%s", cases[i]);
        ck_assert_ptr_nonnull(strstr(err_msg(&err), cases[i]));
        ck_assert_str_eq(address.host, "untouched");
    }
}
END_TEST

START_TEST(a_host_has_a_length)
{
    char text[ADDRESS_HOST_CHARS + 8];
    struct address address;
    struct err err = ERR_INIT;
    memset(text, 'h', sizeof text);
    strcpy(text + ADDRESS_HOST_CHARS, ":80");
    ck_assert_int_eq(address_parse(text, &address, &err), ERR_INVALID);
    err_clear(&err);
    ck_assert_int_eq(address_parse(text + 1, &address, &err), ERR_OK);
    ck_assert_uint_eq(strlen(address.host), ADDRESS_HOST_CHARS - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    tcase_add_test(tc, an_address_is_a_host_and_a_port);
    tcase_add_test(tc, what_is_no_address_is_named);
    tcase_add_test(tc, a_host_has_a_length);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
