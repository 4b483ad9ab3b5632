/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/origin.h"
#include "run.h"

struct asked {
    const char *listen;
    const char *hosts;
    const char *cors;
    const char *method;
    const char *host;
    const char *origin;
    const char *site;
    bool is_probe;
    enum err_code code;
};

static void rules_of(struct config *config, const char *listen, const char *hosts, const char *cors)
{
    config_defaults(config);
    snprintf(config->listen, sizeof config->listen, "%s", listen);
    snprintf(config->hosts, sizeof config->hosts, "%s", hosts);
    snprintf(config->cors_origins, sizeof config->cors_origins, "%s", cors);
}

static enum err_code ask(const struct asked *a, struct response *res)
{
    static struct config config;
    struct origin_rules rules;
    struct header headers[4];
    struct err err = ERR_INIT;
    bool is_get = strcmp(a->method, "GET") == 0;
    struct request req = {
        .method = is_get ? HTTP_GET : HTTP_OTHER, .method_text = a->method, .headers = headers};
    const struct header all[] = {
        {"host", a->host},
        {"Origin", a->origin},
        {"Sec-Fetch-Site", a->site},
        {"Access-Control-Request-Method", strcmp(a->method, "OPTIONS") == 0 ? "PUT" : NULL}};
    for (int i = 0; i < 4; i++) {
        if (all[i].value != NULL) {
            headers[req.n_headers++] = all[i];
        }
    }
    rules_of(&config, a->listen, a->hosts, a->cors);
    ck_assert_int_eq(origin_rules_init(&rules, &config, &err), ERR_OK);
    *res = (struct response){.status = 0};
    enum err_code code = origin_check(&rules, &req, a->is_probe, res, &err);
    origin_allow(&rules, &req, res);
    return code;
}

#define HERE  "127.0.0.1:8080"
#define THERE "0.0.0.0:8080"
#define BAD   ERR_MISDIRECTED

static const struct asked by_name[] = {
    {HERE, "auto", "none", "GET", "127.0.0.1:8080", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "127.0.0.1", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "127.9.9.9:1", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "LocalHost:9", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "[::1]:8080", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "[::1]", NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", NULL, NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "GET", "evil.example", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "auto", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "localhost.evil.example:8080", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "127.0.0.1.evil.example", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "10.0.0.7:8080", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "10.0.0.7:8080", NULL, NULL, true, ERR_OK},
    {HERE, "auto", "none", "GET", "evil.example", NULL, NULL, true, BAD},
    {HERE, "auto", "none", "GET", "", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", ":80", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "localhost:", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "localhost:80x", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "[::1", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "[localhost]", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "[127.0.0.1]:8080", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "[::1]x", NULL, NULL, false, BAD},
    {HERE, "auto", "none", "GET", "localhost@evil.example", NULL, NULL, false, BAD},
    {HERE, "a.example, b.example:443", "none", "GET", "A.example:1", NULL, NULL, false, ERR_OK},
    {HERE, "a.example, b.example:443", "none", "GET", "b.example:443", NULL, NULL, false, ERR_OK},
    {HERE, "a.example, b.example:443", "none", "GET", "b.example", NULL, NULL, false, BAD},
    {HERE, "a.example", "none", "GET", "aa.example", NULL, NULL, false, BAD},
    {HERE, "a.example", "none", "GET", "localhost", NULL, NULL, false, ERR_OK},
    {HERE, "*", "none", "GET", "any.example", NULL, NULL, false, ERR_OK},
    {THERE, "auto", "none", "GET", "10.0.0.7:8080", NULL, NULL, false, ERR_OK},
    {THERE, "auto", "none", "GET", "evil.example", NULL, NULL, false, BAD},
    {"[::]:80", "auto", "none", "GET", "[fd00::1]:8080", NULL, NULL, false, ERR_OK},
    {"10.0.0.5:80", "auto", "none", "GET", "10.0.0.5", NULL, NULL, false, ERR_OK},
    {"10.0.0.5:80", "auto", "none", "GET", "10.0.0.6", NULL, NULL, false, BAD},
};

#undef BAD
#define BAD ERR_FORBIDDEN
#define US  "localhost:8080"

static const struct asked by_page[] = {
    {HERE, "auto", "none", "POST", US, NULL, NULL, false, ERR_OK},
    {HERE, "auto", "none", "POST", US, "http://localhost:8080", "same-origin", false, ERR_OK},
    {HERE, "auto", "none", "POST", US, NULL, "none", false, ERR_OK},
    {HERE, "auto", "none", "POST", US, "http://evil.example", NULL, false, BAD},
    {HERE, "auto", "none", "GET", US, "http://evil.example", "cross-site", false, ERR_OK},
    {HERE, "auto", "none", "POST", US, "null", NULL, false, BAD},
    {HERE, "auto", "none", "POST", US, "", NULL, false, BAD},
    {HERE, "auto", "none", "POST", US, "http://localhost:3000", NULL, false, BAD},
    {HERE, "auto", "none", "POST", US, NULL, "cross-site", false, BAD},
    {HERE, "auto", "none", "POST", US, NULL, "same-site", false, BAD},
    {HERE, "auto", "none", "POST", US, "http://localhost:8080", "same-site", false, BAD},
    {HERE, "a.example", "none", "POST", US, "https://a.example", "same-origin", false, ERR_OK},
    {HERE, "*", "none", "POST", US, "https://a.example", NULL, false, BAD},
    {HERE, "auto", "https://n.example", "POST", US, "https://n.example", "cross-site", false,
     ERR_OK},
    {HERE, "auto", "https://n.example", "POST", US, "http://n.example", "cross-site", false, BAD},
    {HERE, "auto", "https://n.example", "POST", US, "https://n.example.evil", NULL, false, BAD},
};

static void check_table(const struct asked *table, size_t n)
{
    struct response res;
    for (size_t i = 0; i < n; i++) {
        enum err_code code = ask(&table[i], &res);
        ck_assert_msg(code == table[i].code, "row %zu: host %s, origin %s: %s", i, table[i].host,
                      table[i].origin, err_text(code));
    }
}

START_TEST(only_names_of_the_server_are_taken)
{
    check_table(by_name, sizeof by_name / sizeof *by_name);
}
END_TEST

START_TEST(pages_of_other_sites_change_nothing)
{
    check_table(by_page, sizeof by_page / sizeof *by_page);
}
END_TEST

START_TEST(the_name_of_the_machine_is_taken_where_all_addresses_are)
{
    char machine[256] = "";
    struct response res;
    ck_assert_int_eq(gethostname(machine, sizeof machine - 1), 0);
    struct asked a = {THERE, "auto", "none", "GET", machine, NULL, NULL, false, ERR_OK};
    ck_assert_int_eq(ask(&a, &res), ERR_OK);
    a.listen = HERE;
    ck_assert_int_eq(ask(&a, &res), ERR_MISDIRECTED);
}
END_TEST

static const char *header_of(const struct response *res, const char *name)
{
    for (int i = 0; i < res->n_headers; i++) {
        if (strcmp(res->headers[i].name, name) == 0) {
            return res->headers[i].value;
        }
    }
    return NULL;
}

START_TEST(browsers_are_told_of_listed_origins_alone)
{
    struct response res;
    struct asked a = {HERE,         "auto", "http://o.example:3, https://n.example",
                      "OPTIONS",    US,     "https://n.example",
                      "cross-site", false,  ERR_OK};
    ck_assert_int_eq(ask(&a, &res), ERR_OK);
    ck_assert_int_eq(res.status, 204);
    ck_assert_str_eq(header_of(&res, "Access-Control-Allow-Origin"), "https://n.example");
    ck_assert_str_eq(header_of(&res, "Vary"), "Origin");
    ck_assert_ptr_nonnull(strstr(header_of(&res, "Access-Control-Allow-Methods"), "DELETE"));
    ck_assert_ptr_nonnull(strstr(header_of(&res, "Access-Control-Allow-Headers"), "Authorization"));
    a.origin = "https://other.example";
    ck_assert_int_eq(ask(&a, &res), ERR_FORBIDDEN);
    ck_assert_int_eq(res.status, 0);
    ck_assert_ptr_null(header_of(&res, "Access-Control-Allow-Origin"));
    a.method = "GET";
    a.origin = "http://o.example:3";
    ck_assert_int_eq(ask(&a, &res), ERR_OK);
    ck_assert_str_eq(header_of(&res, "Access-Control-Allow-Origin"), "http://o.example:3");
    a.cors = "none";
    ck_assert_int_eq(ask(&a, &res), ERR_OK);
    ck_assert_int_eq(res.n_headers, 0);
}
END_TEST

START_TEST(lists_that_hold_something_else_are_refused)
{
    static struct config config;
    struct origin_rules rules;
    static const char *const hosts[] = {"http://a.example", "a/b", "a,b:x", "*.example", "@"};
    static const char *const origins[] = {"a.example", "*", "https://", "https://a/b", "ftp://a"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct err err = ERR_INIT;
        rules_of(&config, HERE, hosts[i], "none");
        ck_assert_msg(origin_rules_init(&rules, &config, &err) == ERR_INVALID, "%s", hosts[i]);
        err = (struct err)ERR_INIT;
        rules_of(&config, HERE, "auto", origins[i]);
        ck_assert_msg(origin_rules_init(&rules, &config, &err) == ERR_INVALID, "%s", origins[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("origin");
    TCase *c = tcase_create("origin");
    tcase_add_test(c, only_names_of_the_server_are_taken);
    tcase_add_test(c, pages_of_other_sites_change_nothing);
    tcase_add_test(c, the_name_of_the_machine_is_taken_where_all_addresses_are);
    tcase_add_test(c, browsers_are_told_of_listed_origins_alone);
    tcase_add_test(c, lists_that_hold_something_else_are_refused);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
