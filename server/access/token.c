/* SPDX-License-Identifier: Apache-2.0 */
#include "access/token.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ID_BYTES 6 /* of an id that is made here */

static const char *const roles[] = {"none", "predict", "read", "write", "admin"};

const char *role_name(enum role role)
{
    return roles[role];
}

enum err_code role_parse(const char *text, enum role *out, struct err *err)
{
    for (enum role role = ROLE_PREDICT; role <= ROLE_ADMIN; role++) {
        if (strcmp(roles[role], text) == 0) {
            *out = role;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_INVALID, "role is \"%.40s\"; predict, read, write or admin is needed",
                   text);
}

bool token_id_is_valid(const char *id)
{
    size_t n = 0;
    while (n <= TOKEN_ID_CHARS && (isalnum((unsigned char)id[n]) || id[n] == '-')) {
        n++;
    }
    return n > 0 && n <= TOKEN_ID_CHARS && id[n] == '\0';
}

/* Reads exactly `n` digits, and steps over them. */
static bool read_digits(const char **text, int n, int *out)
{
    int value = 0;
    for (; n > 0; n--, ++*text) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        value = 10 * value + (**text - '0');
    }
    *out = value;
    return true;
}

/* Reads numbers of two digits, each of which stands behind its mark. */
static bool read_marked(const char **text, const char marks[3], int *first, int *second)
{
    int *const numbers[] = {first, second};
    for (int i = 0; i < 2; i++) {
        if (**text != marks[i]) {
            return false;
        }
        ++*text;
        if (!read_digits(text, 2, numbers[i])) {
            return false;
        }
    }
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (leap && month == 2);
}

/* What follows the day: nothing, or "T18:00:00Z". */
static bool read_clock(const char *text, int *seconds)
{
    int h = 0, min = 0, s = 0;
    if (*text == '\0') {
        *seconds = 0;
        return true;
    }
    if (*text != 'T') {
        return false;
    }
    text++;
    if (!read_digits(&text, 2, &h) || !read_marked(&text, "::", &min, &s) ||
        strcmp(text, "Z") != 0 || h > 23 || min > 59 || s > 59) {
        return false;
    }
    *seconds = h * 3600 + min * 60 + s;
    return true;
}

bool token_parse_time(const char *text, int64_t *ms)
{
    int y = 0, m = 0, d = 0;
    int seconds = 0;
    if (strcmp(text, "never") == 0) {
        *ms = 0;
        return true;
    }
    if (!read_digits(&text, 4, &y) || !read_marked(&text, "--", &m, &d) ||
        !read_clock(text, &seconds) || y < 1970 || m < 1 || m > 12 || d < 1 ||
        d > days_of_month(y, m)) {
        return false;
    }
    /* Days since 1970 of a year that begins in March, so that a leap day is its last. */
    int64_t year = m > 2 ? y : y - 1;
    int64_t month = m > 2 ? m - 3 : m + 9;
    int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + d - 1;
    *ms = ((days - 719468) * 86400 + seconds) * 1000;
    return true;
}

bool token_split(const char *text, const char **id, size_t *n_id, const char **secret)
{
    size_t n_prefix = sizeof TOKEN_PREFIX - 1;
    if (strncmp(text, TOKEN_PREFIX, n_prefix) != 0) {
        return false;
    }
    *id = text + n_prefix;
    *n_id = strcspn(*id, "_");
    if (*n_id == 0 || *n_id > TOKEN_ID_CHARS || (*id)[*n_id] != '_') {
        return false;
    }
    *secret = *id + *n_id + 1;
    return strspn(*secret, "0123456789abcdef") == TOKEN_SECRET_CHARS &&
           (*secret)[TOKEN_SECRET_CHARS] == '\0';
}

static enum err_code salted_digest(const unsigned char *salt, const char *secret,
                                   unsigned char *out, struct err *err)
{
    unsigned char bytes[TOKEN_SALT_BYTES + TOKEN_SECRET_CHARS];
    memcpy(bytes, salt, TOKEN_SALT_BYTES);
    memcpy(bytes + TOKEN_SALT_BYTES, secret, TOKEN_SECRET_CHARS);
    enum err_code code = digest_sha256(bytes, sizeof bytes, out, err);
    digest_forget(bytes, sizeof bytes);
    return code;
}

enum err_code token_set_secret(struct token *token, const char *secret, struct err *err)
{
    if (digest_random(token->salt, sizeof token->salt, err) != ERR_OK) {
        return err->code;
    }
    return salted_digest(token->salt, secret, token->digest, err);
}

static void put_hex(const unsigned char *bytes, size_t n, char *hex)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
}

enum err_code token_make(struct token *token, char text[TOKEN_TEXT_CHARS], struct err *err)
{
    unsigned char bytes[ID_BYTES + TOKEN_SECRET_BYTES];
    char secret[TOKEN_SECRET_CHARS + 1];
    if (digest_random(bytes, sizeof bytes, err) != ERR_OK) {
        return err->code;
    }
    if (token->id[0] == '\0') {
        put_hex(bytes, ID_BYTES, token->id);
    }
    put_hex(bytes + ID_BYTES, TOKEN_SECRET_BYTES, secret);
    if (token_set_secret(token, secret, err) == ERR_OK) {
        snprintf(text, TOKEN_TEXT_CHARS, TOKEN_PREFIX "%.32s_%.64s", token->id, secret);
    }
    digest_forget(bytes, sizeof bytes);
    digest_forget(secret, sizeof secret);
    return err->code;
}

bool token_memory_holds(const struct token_memory *memory, int64_t generation, const char *header,
                        size_t n)
{
    return memory->n_header > 0 && memory->generation == generation && memory->n_header == n &&
           digest_is_same_secret(memory->header, header, n);
}

void token_memory_keep(struct token_memory *memory, int64_t generation, const char *header,
                       size_t n, const struct token *token)
{
    memory->generation = generation;
    memory->n_header = n <= sizeof memory->header ? n : 0;
    memcpy(memory->header, header, memory->n_header);
    memory->token = *token;
}

void token_memory_forget(struct token_memory *memory)
{
    digest_forget(memory, sizeof *memory);
}

static bool is_proved(const struct token_proof *proof, const struct token *token,
                      const char *secret)
{
    return proof != NULL && proof->known &&
           memcmp(proof->salt, token->salt, TOKEN_SALT_BYTES) == 0 &&
           memcmp(proof->digest, token->digest, SHA256_BYTES) == 0 &&
           digest_is_same_secret(proof->secret, secret, TOKEN_SECRET_CHARS);
}

bool token_has_secret(const struct token *token, const char *secret, struct token_proof *proof)
{
    unsigned char digest[SHA256_BYTES];
    struct err err = ERR_INIT;
    if (is_proved(proof, token, secret)) {
        return true;
    }
    bool has = salted_digest(token->salt, secret, digest, &err) == ERR_OK &&
               digest_is_equal(digest, token->digest);
    if (has && proof != NULL) {
        proof->known = true;
        memcpy(proof->salt, token->salt, TOKEN_SALT_BYTES);
        memcpy(proof->digest, token->digest, SHA256_BYTES);
        memcpy(proof->secret, secret, TOKEN_SECRET_CHARS);
    }
    return has;
}

bool token_is_good(const struct token *token, int64_t now_ms)
{
    return token->revoked_ms == 0 && (token->expires_ms == 0 || now_ms < token->expires_ms);
}
