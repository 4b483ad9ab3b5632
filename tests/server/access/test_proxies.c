/* SPDX-License-Identifier: Apache-2.0 */
/* The setting `proxies`, and whose request it is that a proxy passes on. */
#include "run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "access/proxies.h"
#include "http/forwarded.h"

static struct proxies proxies_of(const char *list, const char *header)
{
    struct proxies proxies;
    struct err err = ERR_INIT;
    ck_assert_msg(proxies_parse(list, header, &proxies, &err) == ERR_OK, "%s: %s", list,
                  err_msg(&err));
    return proxies;
}

static union proxies_address address_of(const char *text)
{
    union proxies_address address = {.any = {.sa_family = AF_INET}};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) != 1) {
        memset(&address, 0, sizeof address);
        address.v6.sin6_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    }
    return address;
}

START_TEST(addresses_of_the_setting_are_believed_and_no_others)
{
    static const struct {
        const char *list;
        const char *address;
        bool trusted;
    } cases[] = {
        {"none", "127.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::ffff:127.0.0.1", true},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "::1", false},
        {" 10.0.0.0/8 , ::1", "10.255.255.255", true},
        {" 10.0.0.0/8 , ::1", "11.0.0.0", false},
        {"10.0.0.0/8,::1", "::1", true},
        {"10.0.0.0/8,::1", "::2", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.255", true},
        {"192.0.2.128/25", "192.0.3.128", false},
        {"128.0.0.0/1", "128.0.0.0", true},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.1/32", "192.0.2.0", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"8000::/1", "ffff::", true},
        {"8000::/1", "10.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxies proxies = proxies_of(cases[i].list, "X-Forwarded-For");
        union proxies_address address = address_of(cases[i].address);
        ck_assert_msg(proxies_trust(&proxies, &address.any) == cases[i].trusted, "%s %s",
                      cases[i].list, cases[i].address);
    }
}
END_TEST

START_TEST(unix_sockets_are_proxies_when_the_setting_says_so)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const char *const lists[] = {"none", "127.0.0.1", "unix:", "::1, unix:"};
    for (int i = 0; i < 4; i++) {
        struct proxies proxies = proxies_of(lists[i], "Forwarded");
        ck_assert_int_eq(proxies_trust(&proxies, (const struct sockaddr *)&address), i >= 2);
        ck_assert_int_eq(proxies_are_none(&proxies), i == 0);
    }
}
END_TEST

START_TEST(settings_that_say_nothing_clear_are_refused)
{
    static const char *const lists[] = {
        "localhost",
        "10.0.0.0/33",
        "10.0.0.0/0",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0",
        "*",
        "[::1]",
        "127.0.0.1:80",
        "2001:db8::/129",
        "::/0",
        "unix:/run/x",
        "10.0.0.0/8,,::1",
        "10.0.0.0/08.0",
        "2001:db8::1/64",
        "10.0.0.0/ 8",
        "none, ::1",
        "0000:0000:0000:0000:0000:0000:0000:0001:0000:0000:0000:0000:0000:0000:0001",
    };
    struct proxies proxies;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct err err = ERR_INIT;
        ck_assert_msg(proxies_parse(lists[i], "Forwarded", &proxies, &err) == ERR_INVALID, "%s",
                      lists[i]);
        ck_assert_msg(strstr(err_msg(&err), "proxies") != NULL, "%s", err_msg(&err));
    }
    struct err err = ERR_INIT;
    ck_assert_int_eq(proxies_parse("none", "X-Real-IP", &proxies, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "X-Forwarded-For or Forwarded"));
}
END_TEST

START_TEST(the_setting_has_room_for_so_many_and_no_more)
{
    char list[(PROXIES_MAX + 1) * 16] = "";
    struct proxies proxies;
    for (int i = 0; i <= PROXIES_MAX; i++) {
        struct err err = ERR_INIT;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s10.0.0.%d", i > 0 ? "," : "", i);
        ck_assert_int_eq(proxies_parse(list, "Forwarded", &proxies, &err),
                         i < PROXIES_MAX ? ERR_OK : ERR_INVALID);
    }
}
END_TEST

/* The client's address as text; "-": not known; '!' in front: something could not be read. */
static void find_client(const char *header, const char *const *lines, char *out)
{
    struct proxies proxies = proxies_of("127.0.0.1, 10.0.0.0/8, ::1", header);
    struct header headers[3];
    struct request req = {.headers = headers};
    union proxies_address client;
    for (; req.n_headers < 3 && lines[req.n_headers] != NULL; req.n_headers++) {
        headers[req.n_headers] = (struct header){header, lines[req.n_headers]};
    }
    if (!forwarded_find_client(&proxies, &req, &client)) {
        *out++ = '!';
    }
    strcpy(out, "-");
    if (client.any.sa_family != 0) {
        const void *number = client.any.sa_family == AF_INET ? (const void *)&client.v4.sin_addr
                                                             : (const void *)&client.v6.sin6_addr;
        ck_assert_ptr_nonnull(inet_ntop(client.any.sa_family, number, out, INET6_ADDRSTRLEN));
    }
}

START_TEST(the_client_is_the_last_that_is_no_proxy)
{
    static const struct {
        const char *lines[3];
        const char *client;
    } cases[] = {
        {{NULL}, "-"},
        {{""}, "-"},
        {{" , ,"}, "-"},
        {{"192.0.2.1"}, "192.0.2.1"},
        {{"192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
        {{"192.0.2.1,10.1.2.3 , 127.0.0.1"}, "192.0.2.1"},
        {{"192.0.2.1, , 10.1.2.3,"}, "192.0.2.1"},
        {{"192.0.2.9, 192.0.2.1"}, "192.0.2.1"}, /* what a client writes is not looked at */
        {{"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
        {{"rubbish, \", 192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
        {{"192.0.2.1", "10.1.2.3"}, "192.0.2.1"},
        {{"192.0.2.9", "192.0.2.1"}, "192.0.2.1"},
        {{"192.0.2.9", "192.0.2.1", "10.1.2.3, 10.1.2.4"}, "192.0.2.1"},
        {{"10.1.2.3, 127.0.0.1"}, "10.1.2.3"}, /* proxies only: the first of them asks */
        {{"192.0.2.1:4711"}, "192.0.2.1"},
        {{"2001:db8::1"}, "2001:db8::1"},
        {{"[2001:db8::1]"}, "2001:db8::1"},
        {{"[2001:db8::1]:65535"}, "2001:db8::1"},
        {{"2001:db8::1, ::1"}, "2001:db8::1"},
        {{"::ffff:192.0.2.1, ::ffff:10.1.2.3"}, "::ffff:192.0.2.1"},
        {{"unknown"}, "!-"},
        {{"192.0.2.1, unknown"}, "!-"},
        {{"192.0.2.1, unknown, 10.1.2.3"}, "!10.1.2.3"},
        {{"192.0.2.1:"}, "!-"},
        {{"192.0.2.1:123456"}, "!-"},
        {{"192.0.2.1:80:80"}, "!-"},
        {{"[192.0.2.1]"}, "!-"},
        {{"[2001:db8::1"}, "!-"},
        {{"[2001:db8::1]80"}, "!-"},
        {{"[]"}, "!-"},
        {{"fe80::1%eth0"}, "!-"},
        {{"192.0.2.1 10.1.2.3"}, "!-"},
        {{"0x7f.1"}, "!-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char client[INET6_ADDRSTRLEN + 2];
        find_client("X-Forwarded-For", cases[i].lines, client);
        ck_assert_msg(strcmp(client, cases[i].client) == 0, "%zu: %s, not %s", i, client,
                      cases[i].client);
    }
}
END_TEST

START_TEST(forwarded_is_read_as_its_standard_says)
{
    static const struct {
        const char *lines[3];
        const char *client;
    } cases[] = {
        {{NULL}, "-"},
        {{"for=192.0.2.1"}, "192.0.2.1"},
        {{"For=192.0.2.1;proto=http;by=203.0.113.43"}, "192.0.2.1"},
        {{"proto=http; for=\"192.0.2.1:4711\" ;by=203.0.113.43"}, "192.0.2.1"},
        {{"for=\"[2001:db8:cafe::17]:4711\""}, "2001:db8:cafe::17"},
        {{"for=192.0.2.1, for=10.1.2.3"}, "192.0.2.1"},
        {{"for=192.0.2.9, for=192.0.2.1", "for=10.1.2.3;proto=https"}, "192.0.2.1"},
        {{"for=192.0.2.1, for=unknown"}, "!-"},
        {{"for=_hidden, for=10.1.2.3"}, "!10.1.2.3"},
        {{"for=192.0.2.1, proto=https"}, "!-"},
        {{"xfor=192.0.2.1"}, "!-"},
        {{"for="}, "!-"},
        {{"for=\""}, "!-"},
        /* A quote that the client has left open, and one that hides in a name it asked for. */
        {{"for=\"192.0.2.9, for=192.0.2.1"}, "192.0.2.1"},
        {{"for=192.0.2.9;host=\"x, for=192.0.2.1;host=\"y\""}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x, for=192.0.2.9\""}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x\\\", for=192.0.2.9;y\\\"\""}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x\\\\\", for=10.1.2.3"}, "192.0.2.1"},
        {{"host=\"x;for=192.0.2.9\";for=192.0.2.1"}, "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char client[INET6_ADDRSTRLEN + 2];
        find_client("Forwarded", cases[i].lines, client);
        ck_assert_msg(strcmp(client, cases[i].client) == 0, "%zu: %s, not %s", i, client,
                      cases[i].client);
    }
}
END_TEST

START_TEST(so_many_proxies_are_walked_and_no_more)
{
    char line[(PROXIES_MAX_HOPS + 1) * 12] = "192.0.2.1";
    const char *const lines[] = {line, NULL};
    for (int n = 1; n <= PROXIES_MAX_HOPS; n++) {
        char client[INET6_ADDRSTRLEN + 2];
        strcat(line, n == 1 ? ", 10.0.0.1" : ", 10.0.0.2");
        find_client("X-Forwarded-For", lines, client);
        const char *expected = n < PROXIES_MAX_HOPS ? "192.0.2.1" : "10.0.0.1";
        ck_assert_msg(strcmp(client, expected) == 0, "%d: %s", n, client);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxies");
    TCase *tc = tcase_create("proxies");
    tcase_add_test(tc, addresses_of_the_setting_are_believed_and_no_others);
    tcase_add_test(tc, unix_sockets_are_proxies_when_the_setting_says_so);
    tcase_add_test(tc, settings_that_say_nothing_clear_are_refused);
    tcase_add_test(tc, the_setting_has_room_for_so_many_and_no_more);
    tcase_add_test(tc, the_client_is_the_last_that_is_no_proxy);
    tcase_add_test(tc, forwarded_is_read_as_its_standard_says);
    tcase_add_test(tc, so_many_proxies_are_walked_and_no_more);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
