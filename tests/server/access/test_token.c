/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "access/token.h"
#include "run.h"

START_TEST(patterns_match_names)
{
    static const struct {
        const char *models;
        const char *name;
        bool matches;
    } cases[] = {
        {"*", "anything", true},
        {"heat", "heat", true},
        {"heat", "heat2", false},
        {"heat", "hea", false},
        {"heat*", "heat", true},
        {"heat*", "heat-1", true},
        {"*-1", "heat-1", true},
        {"*-1", "heat-1-2", false},
        {"h?at", "heat", true},
        {"h?at", "hat", false},
        {"a,b", "b", true},
        {"a,b", "a,b", false},
        {"a,b", "c", false},
        {",a", "a", true},
        {",", "a", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"**", "x", true},
        {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"heat*,flow?", "flow2", true},
        {"heat*,flow?", "flow22", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(name_patterns_match(cases[i].models, cases[i].name) == cases[i].matches,
                      "%s %s", cases[i].models, cases[i].name);
    }
}
END_TEST

START_TEST(times_are_read)
{
    static const struct {
        const char *text;
        int64_t s; /* -1: no time */
    } cases[] = {
        {"never", 0},
        {"1970-01-01", 0},
        {"2000-02-29", 951782400},
        {"2000-03-01T00:00:00Z", 951868800},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648)},
        {"2100-03-01", INT64_C(4107542400)},
        {"2027-13-01", -1},
        {"2027-00-01", -1},
        {"2027-01-32", -1},
        {"2027-1", -1},
        {"2027-01-01T24:00:00Z", -1},
        {"2027-01-01T00:00:00", -1},
        {"2027-01-01T00:00:00Zx", -1},
        {"2027-01-01 ", -1},
        {"2024-02-29", 1709164800},
        {"2027-02-29", -1},
        {"2100-02-29", -1},
        {"2027-04-31", -1},
        {"2027-01-3", -1},
        {"2027- 1-31", -1},
        {"+027-01-31", -1},
        {"2027-01-31T1:00:00Z", -1},
        {"2027-01-31T-1:00:00Z", -1},
        {"soon", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        bool read = token_parse_time(cases[i].text, &ms);
        ck_assert_msg(read == (cases[i].s >= 0), "%s", cases[i].text);
        if (read) {
            ck_assert_msg(ms == 1000 * cases[i].s, "%s is %lld", cases[i].text, (long long)ms);
        }
    }
}
END_TEST

START_TEST(ids_and_patterns_have_their_limits)
{
    char id[TOKEN_ID_CHARS + 2];
    char models[NAME_PATTERNS_CHARS + 2];
    memset(id, 'a', sizeof id);
    id[TOKEN_ID_CHARS] = '\0';
    ck_assert(token_id_is_valid(id));
    id[TOKEN_ID_CHARS] = 'a';
    id[TOKEN_ID_CHARS + 1] = '\0';
    ck_assert(!token_id_is_valid(id));
    ck_assert(!token_id_is_valid(""));
    ck_assert(!token_id_is_valid("a_b"));
    memset(models, '*', sizeof models);
    models[NAME_PATTERNS_CHARS] = '\0';
    ck_assert(name_patterns_are_valid(models));
    models[NAME_PATTERNS_CHARS] = '*';
    models[NAME_PATTERNS_CHARS + 1] = '\0';
    ck_assert(!name_patterns_are_valid(models));
    ck_assert(!name_patterns_are_valid("a b"));
    ck_assert(!name_patterns_are_valid(""));
}
END_TEST

START_TEST(a_secret_is_known_by_its_digest_alone)
{
    struct token token = {.id = ""};
    struct token other = {.id = ""};
    char text[TOKEN_TEXT_CHARS];
    char again[TOKEN_TEXT_CHARS];
    struct err err = ERR_INIT;
    const char *id;
    const char *secret;
    size_t n;
    ck_assert_int_eq(token_make(&token, text, &err), ERR_OK);
    ck_assert_int_eq(token_make(&other, again, &err), ERR_OK);
    ck_assert_str_ne(text, again);
    ck_assert(token_split(text, &id, &n, &secret));
    ck_assert_uint_eq(n, strlen(token.id));
    ck_assert_int_eq(memcmp(id, token.id, n), 0);
    ck_assert(token_has_secret(&token, secret, NULL));
    ck_assert(!token_has_secret(&other, secret, NULL));
    /* The same secret under another salt has another digest. */
    ck_assert_int_eq(token_set_secret(&other, secret, &err), ERR_OK);
    ck_assert(token_has_secret(&other, secret, NULL));
    ck_assert_int_ne(memcmp(token.digest, other.digest, sizeof token.digest), 0);
    for (char *c = text + strlen(text) - TOKEN_SECRET_CHARS; *c != '\0'; c++) {
        char was = *c;
        *c = was == '0' ? '1' : '0';
        ck_assert(!token_has_secret(&token, secret, NULL));
        *c = was;
    }
}
END_TEST

/* What was proved of one secret is not believed of another, nor of another token. */
START_TEST(a_proof_is_of_one_secret_and_one_digest)
{
    struct token token = {.id = ""};
    struct token other = {.id = ""};
    struct token_proof proof = {.known = false};
    char text[TOKEN_TEXT_CHARS];
    char others[TOKEN_TEXT_CHARS];
    struct err err = ERR_INIT;
    const char *id;
    const char *secret;
    const char *others_secret;
    size_t n;
    ck_assert_int_eq(token_make(&token, text, &err), ERR_OK);
    ck_assert_int_eq(token_make(&other, others, &err), ERR_OK);
    ck_assert(token_split(text, &id, &n, &secret));
    ck_assert(token_split(others, &id, &n, &others_secret));
    ck_assert(!token_has_secret(&token, others_secret, &proof));
    ck_assert(!proof.known);
    for (int again = 0; again < 2; again++) {
        ck_assert(token_has_secret(&token, secret, &proof));
        ck_assert(proof.known);
        ck_assert(!token_has_secret(&other, secret, &proof));
        for (char *c = text + strlen(text) - TOKEN_SECRET_CHARS; *c != '\0'; c++) {
            char was = *c;
            *c = was == '0' ? '1' : '0';
            ck_assert(!token_has_secret(&token, secret, &proof));
            *c = was;
        }
    }
    /* The token gets another secret, and then the old one under another salt. */
    ck_assert_int_eq(token_set_secret(&token, others_secret, &err), ERR_OK);
    ck_assert(!token_has_secret(&token, secret, &proof));
    ck_assert(token_has_secret(&token, others_secret, &proof));
    ck_assert_int_eq(token_set_secret(&token, secret, &err), ERR_OK);
    ck_assert(!token_has_secret(&token, others_secret, &proof));
    ck_assert(token_has_secret(&token, secret, &proof));
    /* Salt and digest must both be the same. */
    token.salt[0] ^= 1;
    ck_assert(!token_has_secret(&token, secret, &proof));
    token.salt[0] ^= 1;
    token.digest[SHA256_BYTES - 1] ^= 1;
    ck_assert(!token_has_secret(&token, secret, &proof));
}
END_TEST

/* A header is remembered as a whole, and for one generation of the tokens. */
START_TEST(a_memory_is_of_one_header_and_one_generation)
{
    static const struct token_memory nothing;
    struct token token = {.id = "farm", .role = ROLE_READ};
    struct token_memory memory;
    char header[TOKEN_HEADER_CHARS + 2];
    memset(&memory, 0, sizeof memory);
    memset(header, 'x', sizeof header);
    ck_assert(!token_memory_holds(&memory, 0, header, 0));
    for (size_t n = 1; n <= TOKEN_HEADER_CHARS; n++) {
        token_memory_keep(&memory, 7, header, n, &token);
        ck_assert(token_memory_holds(&memory, 7, header, n));
        ck_assert_str_eq(memory.token.id, "farm");
        ck_assert(!token_memory_holds(&memory, 8, header, n));
        ck_assert(!token_memory_holds(&memory, 7, header, n - 1));
        ck_assert(!token_memory_holds(&memory, 7, header, n + 1));
        for (size_t i = 0; i < n; i++) {
            header[i] ^= 1;
            ck_assert(!token_memory_holds(&memory, 7, header, n));
            header[i] ^= 1;
        }
    }
    /* One that is too long takes the place of the one before, and is not remembered itself. */
    token_memory_keep(&memory, 7, header, TOKEN_HEADER_CHARS + 1, &token);
    ck_assert(!token_memory_holds(&memory, 7, header, TOKEN_HEADER_CHARS));
    ck_assert(!token_memory_holds(&memory, 7, header, TOKEN_HEADER_CHARS + 1));
    token_memory_forget(&memory);
    ck_assert_int_eq(memcmp(&memory, &nothing, sizeof memory), 0);
}
END_TEST

START_TEST(the_longest_token_fits)
{
    struct token token = {.id = "12345678901234567890123456789012"};
    char text[TOKEN_TEXT_CHARS];
    struct err err = ERR_INIT;
    const char *id;
    const char *secret;
    size_t n;
    ck_assert_int_eq(token_make(&token, text, &err), ERR_OK);
    ck_assert_uint_eq(strlen(text), TOKEN_TEXT_CHARS - 1);
    ck_assert(token_split(text, &id, &n, &secret));
    ck_assert(token_has_secret(&token, secret, NULL));
}
END_TEST

START_TEST(a_token_is_good_until_it_ends_or_is_revoked)
{
    struct token token = {.expires_ms = 1000};
    ck_assert(token_is_good(&token, 999));
    ck_assert(!token_is_good(&token, 1000));
    token.expires_ms = 0;
    ck_assert(token_is_good(&token, INT64_MAX));
    token.revoked_ms = 1;
    ck_assert(!token_is_good(&token, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token");
    TCase *c = tcase_create("token");
    tcase_add_test(c, patterns_match_names);
    tcase_add_test(c, times_are_read);
    tcase_add_test(c, ids_and_patterns_have_their_limits);
    tcase_add_test(c, a_secret_is_known_by_its_digest_alone);
    tcase_add_test(c, a_proof_is_of_one_secret_and_one_digest);
    tcase_add_test(c, a_memory_is_of_one_header_and_one_generation);
    tcase_add_test(c, the_longest_token_fits);
    tcase_add_test(c, a_token_is_good_until_it_ends_or_is_revoked);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
