/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of listening sockets in their parts. */
#include "run.h"

#include <stdio.h>
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

START_TEST(a_unix_socket_is_an_absolute_path_that_fits)
{
    static const char *const bad[] = {"unix:",  "unix:socket",   "unix:./s",
                                      "unix:/", "unix:/folder/", "unix:@name"};
    char text[sizeof "unix:" + ADDRESS_PATH_CHARS] = "unix:/";
    struct address address;
    struct err err = ERR_INIT;
    memset(text + strlen(text), 'p', sizeof text - strlen(text) - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(address_parse(text, &address, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "108 bytes, a socket's may have 107"));
    text[sizeof text - 2] = '\0';
    err_clear(&err);
    ck_assert_int_eq(address_parse(text, &address, &err), ERR_OK);
    ck_assert_str_eq(address.path, text + strlen("unix:"));
    ck_assert_str_eq(address.host, "");
    ck_assert_int_eq(address_parse("localhost:80", &address, &err), ERR_OK);
    ck_assert_str_eq(address.path, "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&err);
        ck_assert_msg(address_parse(bad[i], &address, &err) == ERR_INVALID, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(err_msg(&err), bad[i]));
    }
}
END_TEST

START_TEST(a_list_has_addresses_between_commas)
{
    struct address_list list;
    struct err err = ERR_INIT;
    const char *eight = "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8";
    const char *nine = "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9";
    ck_assert_int_eq(address_list_parse(" 127.0.0.1:80 ,unix:/a b,\t[::1]:0", &list, &err), ERR_OK);
    ck_assert_int_eq(list.n, 3);
    ck_assert_str_eq(list.at[0].host, "127.0.0.1");
    ck_assert_str_eq(list.at[1].path, "/a b");
    ck_assert_str_eq(list.at[2].host, "::1");
    ck_assert_ptr_eq(address_list_find_unix(&list), &list.at[1]);
    ck_assert_int_eq(address_list_parse(eight, &list, &err), ERR_OK);
    ck_assert_int_eq(list.n, ADDRESS_LIST_MAX);
    ck_assert_ptr_null(address_list_find_unix(&list));
    ck_assert_int_eq(address_list_parse(nine, &list, &err), ERR_INVALID);
    ck_assert_int_eq(list.n, ADDRESS_LIST_MAX);
    static const char *const bad[] = {"", ",", "a:1,,a:2", "a:1,b", "unix:/a,b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&err);
        ck_assert_msg(address_list_parse(bad[i], &list, &err) == ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

START_TEST(who_can_reach_an_address)
{
    static const struct {
        const char *listen;
        unsigned mode;
        int open; /* index of the first that others reach; -1: none */
    } cases[] = {
        {"127.0.0.1:80", 0600, -1},
        {"localhost:80,[::1]:80", 0666, -1},
        {"0.0.0.0:80", 0600, 0},
        {"127.0.0.1:80,10.1.2.3:80", 0600, 1},
        {"unix:/s", 0600, -1},
        {"unix:/s", 0755, -1},
        {"unix:/s", 0620, 0},
        {"unix:/s", 0602, 0},
        {"127.0.0.1:80,unix:/s", 0660, 1},
        {"unix:/s,[::]:80", 0600, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_list list;
        struct err err = ERR_INIT;
        ck_assert_int_eq(address_list_parse(cases[i].listen, &list, &err), ERR_OK);
        const struct address *open = address_list_find_open(&list, cases[i].mode);
        int found = open == NULL ? -1 : (int)(open - list.at);
        ck_assert_msg(found == cases[i].open, "%s: %d", cases[i].listen, found);
    }
}
END_TEST

START_TEST(a_mode_is_octal)
{
    static const char *const bad[] = {"",     "0",     "60",   "06000", "0800", "rw-",
                                      "0400", "01777", "-600", "0600 ", "0x180"};
    unsigned mode = 1;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&err);
        ck_assert_msg(address_mode_parse(bad[i], &mode, &err) == ERR_INVALID, "%s", bad[i]);
        ck_assert_uint_eq(mode, 1);
    }
    err_clear(&err);
    ck_assert_int_eq(address_mode_parse("660", &mode, &err), ERR_OK);
    ck_assert_uint_eq(mode, 0660);
    ck_assert_int_eq(address_mode_parse("0777", &mode, &err), ERR_OK);
    ck_assert_uint_eq(mode, 0777);
}
END_TEST

START_TEST(a_port_from_elsewhere_replaces_those_of_a_list)
{
    static const struct {
        const char *listen, *port, *wanted; /* wanted NULL: refused */
    } cases[] = {
        {"127.0.0.1:8080", "0", "127.0.0.1:0"},
        {"127.0.0.1:8080", "65535", "127.0.0.1:65535"},
        {"127.0.0.1:8080", "65536", NULL},
        {"127.0.0.1:8080", "", NULL},
        {"127.0.0.1:8080", "-1", NULL},
        {"127.0.0.1:8080", "80 ", NULL},
        {"127.0.0.1:8080", "http", NULL},
        {"[::1]:1, unix:/run/s.sock, localhost:2", "443",
         "[::1]:443,unix:/run/s.sock,localhost:443"},
        {"nonsense", "80", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        char listen[64];
        snprintf(listen, sizeof listen, "%s", cases[i].listen);
        enum err_code code =
            address_list_set_port("PORT", cases[i].port, listen, sizeof listen, &err);
        ck_assert_int_eq(code, cases[i].wanted != NULL ? ERR_OK : ERR_INVALID);
        ck_assert_str_eq(listen, cases[i].wanted != NULL ? cases[i].wanted : cases[i].listen);
    }
    /* Longer than there is room for. */
    struct err err = ERR_INIT;
    char listen[16] = "127.0.0.1:1";
    ck_assert_int_eq(address_list_set_port("PORT", "65535", listen, sizeof listen, &err), ERR_OK);
    ck_assert_int_eq(address_list_set_port("PORT", "1", listen, 11, &err), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    tcase_add_test(tc, an_address_is_a_host_and_a_port);
    tcase_add_test(tc, what_is_no_address_is_named);
    tcase_add_test(tc, a_host_has_a_length);
    tcase_add_test(tc, a_unix_socket_is_an_absolute_path_that_fits);
    tcase_add_test(tc, a_list_has_addresses_between_commas);
    tcase_add_test(tc, who_can_reach_an_address);
    tcase_add_test(tc, a_mode_is_octal);
    tcase_add_test(tc, a_port_from_elsewhere_replaces_those_of_a_list);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
