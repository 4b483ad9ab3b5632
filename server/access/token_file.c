/* SPDX-License-Identifier: Apache-2.0 */
#include "access/token_file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_CHARS  1024
#define MAX_PLACED  5 /* words that are known by their place */
#define MAX_WORDS   (MAX_PLACED + LIMIT_N)
#define HASH_PREFIX "sha256:"
#define BLANKS      " \t\r\n"

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static bool read_hex(const char *hex, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        out[i] = (unsigned char)(16 * high + low);
    }
    return true;
}

/* "sha256:SALT:DIGEST". */
static bool read_digest(const char *text, struct token *token)
{
    size_t n_salt = 2 * TOKEN_SALT_BYTES;
    if (strlen(text) != sizeof HASH_PREFIX + n_salt + DIGEST_HEX_CHARS ||
        strncmp(text, HASH_PREFIX, sizeof HASH_PREFIX - 1) != 0) {
        return false;
    }
    const char *salt = text + sizeof HASH_PREFIX - 1;
    return read_hex(salt, token->salt, TOKEN_SALT_BYTES) && salt[n_salt] == ':' &&
           read_hex(salt + n_salt + 1, token->digest, SHA256_BYTES);
}

static enum err_code read_secret(const char *text, struct token *token, struct err *err)
{
    const char *id;
    const char *secret;
    size_t n_id;
    if (read_digest(text, token)) {
        return ERR_OK;
    }
    if (!token_split(text, &id, &n_id, &secret)) {
        return err_set(err, ERR_INVALID,
                       "the third word is neither a token (sgt_ID_ and %d hexadecimal digits) nor "
                       "sha256:SALT:DIGEST",
                       TOKEN_SECRET_CHARS);
    }
    if (n_id != strlen(token->id) || memcmp(id, token->id, n_id) != 0) {
        return err_set(err, ERR_INVALID, "the id in the token is not the one before it");
    }
    return token_set_secret(token, secret, err);
}

/* "rate=50". A wrong word may be a token in the wrong place, so it is not repeated. */
static enum err_code read_limit(const char *word, struct token *token, struct err *err)
{
    const char *equals = strchr(word, '=');
    enum limit limit = limit_find(word, (int)(equals - word));
    if (limit == LIMIT_N) {
        return err_set(err, ERR_INVALID, "there is a limit that is none of %s", limit_known());
    }
    if (token->limits.max[limit] != 0) {
        return err_set(err, ERR_INVALID, "%s stands there twice", limit_key(limit));
    }
    if (!limit_parse(limit, equals + 1, &token->limits.max[limit])) {
        return err_set(err, ERR_INVALID, "%s needs a number from 1 to %lld", limit_key(limit),
                       (long long)limit_max(limit));
    }
    return ERR_OK;
}

/* Takes the limits out of the words that may be such; *n: how many are left. */
static enum err_code read_limits(char *words[MAX_WORDS], int *n, struct token *token,
                                 struct err *err)
{
    int left = 0;
    for (int i = 0; i < *n && err->code == ERR_OK; i++) {
        if (i > 2 && strchr(words[i], '=') != NULL) {
            err_kept(read_limit(words[i], token, err));
        } else {
            words[left++] = words[i];
        }
    }
    *n = left;
    return err->code;
}

static enum err_code read_words(char *words[MAX_WORDS], int n, struct token *token, struct err *err)
{
    if (read_limits(words, &n, token, err) != ERR_OK) {
        return err->code;
    }
    if (n < 3 || n > MAX_PLACED) {
        return err_set(err, ERR_INVALID,
                       "a line must read ID ROLE TOKEN [MODELS [EXPIRES]] [LIMIT=N ..]");
    }
    if (!token_id_is_valid(words[0])) {
        return err_set(err, ERR_INVALID, "an id has 1 to %d letters, digits and '-'",
                       TOKEN_ID_CHARS);
    }
    snprintf(token->id, sizeof token->id, "%s", words[0]);
    /* A word that is not a role may be a token in the wrong place, so the message does not repeat
     * it. */
    if (role_parse(words[1], &token->role, err) != ERR_OK) {
        err_clear(err);
        return err_set(err, ERR_INVALID,
                       "the second word is not a role: predict, read, write or admin");
    }
    if (n > 3 && !name_patterns_are_valid(words[3])) {
        return err_set(err, ERR_INVALID,
                       "the fourth word is not a list of model names, with * and ?");
    }
    snprintf(token->models, sizeof token->models, "%s", n > 3 ? words[3] : TOKEN_ALL_MODELS);
    if (n > 4 && !token_parse_time(words[4], &token->expires_ms)) {
        return err_set(err, ERR_INVALID,
                       "the fifth word is not a time (never, 2027-01-31, 2027-01-31T18:00:00Z)");
    }
    return read_secret(words[2], token, err);
}

/* *found: the line holds a token and not only a comment. */
static enum err_code read_line(char *line, struct token *token, bool *found, struct err *err)
{
    char *words[MAX_WORDS];
    char *rest = NULL;
    int n = 0;
    size_t len = strlen(line);
    if (len + 1 == LINE_CHARS && line[len - 1] != '\n') {
        return err_set(err, ERR_INVALID, "the line is longer than %d bytes", LINE_CHARS - 2);
    }
    line[strcspn(line, "#")] = '\0';
    for (char *word = strtok_r(line, BLANKS, &rest); word != NULL;
         word = strtok_r(NULL, BLANKS, &rest)) {
        if (n == MAX_WORDS) {
            return err_set(err, ERR_INVALID, "there are more than %d words", MAX_WORDS);
        }
        words[n++] = word;
    }
    *found = n > 0;
    return n > 0 ? read_words(words, n, token, err) : ERR_OK;
}

static bool has_id(const struct token *tokens, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(tokens[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static enum err_code add_line(char *line, struct token *tokens, size_t *n, struct err *err)
{
    struct token token = {.id = ""};
    bool found = false;
    if (read_line(line, &token, &found, err) != ERR_OK || !found) {
        return err->code;
    }
    if (*n == TOKEN_MAX_COUNT) {
        return err_set(err, ERR_LIMIT, "there are more than %d tokens", TOKEN_MAX_COUNT);
    }
    if (has_id(tokens, *n, token.id)) {
        return err_set(err, ERR_INVALID, "the id \"%s\" occurs twice", token.id);
    }
    tokens[(*n)++] = token;
    return ERR_OK;
}

enum err_code token_file_read(const char *path, struct token **out, size_t *n, struct err *err)
{
    char line[LINE_CHARS];
    *n = 0;
    *out = mem_alloc_array(TOKEN_MAX_COUNT, sizeof **out);
    if (*out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(err, ERR_IO, "tokens_file %.100s: %s", path, strerror(errno));
    }
    for (int number = 1; err->code == ERR_OK && fgets(line, sizeof line, file) != NULL; number++) {
        if (add_line(line, *out, n, err) != ERR_OK) {
            err_prefix(err, "tokens_file %.60s, line %d", path, number);
        }
    }
    digest_forget(line, sizeof line);
    if (err->code == ERR_OK && ferror(file)) {
        err_set(err, ERR_IO, "tokens_file %.100s cannot be read", path);
    }
    fclose(file);
    return err->code;
}
