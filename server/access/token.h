/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: who may ask the server for what.
 *
 * A token is the text `sgt_ID_SECRET`. The id is public: it finds the token, and logs and lists
 * name it. The secret is 256 random bits in hexadecimal, of which only a salted SHA-256 is kept.
 * Since nobody can guess such a secret, a slow hash as for passwords would gain nothing.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include "base/digest.h"
#include "base/name_patterns.h"
#include "access/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_PREFIX       "sgt_"
#define TOKEN_ID_CHARS     32
#define TOKEN_SECRET_BYTES 32
#define TOKEN_SECRET_CHARS (2 * TOKEN_SECRET_BYTES)
#define TOKEN_SALT_BYTES   16
#define TOKEN_TEXT_CHARS   (sizeof TOKEN_PREFIX + TOKEN_ID_CHARS + 1 + TOKEN_SECRET_CHARS)
#define TOKEN_HEADER_CHARS 128  /* "Bearer " and a token, with room for some blanks */
#define TOKEN_MAX_COUNT    1000 /* in a registry, and in a file */
#define TOKEN_ALL_MODELS   "*"

/* Each may do what those before it may. ROLE_NONE: what needs no token. */
enum role { ROLE_NONE, ROLE_PREDICT, ROLE_READ, ROLE_WRITE, ROLE_ADMIN };

const char *role_name(enum role role);
/* ERR_INVALID with the names that there are. */
enum err_code role_parse(const char *text, enum role *out, struct err *err) MUST_CHECK;

struct token {
    char id[TOKEN_ID_CHARS + 1];
    enum role role;
    unsigned char salt[TOKEN_SALT_BYTES];
    unsigned char digest[SHA256_BYTES];
    char models[NAME_PATTERNS_CHARS + 1]; /* as in name_patterns.h; "*": all */
    int64_t created_ms;                   /* 0: not known */
    int64_t expires_ms;                   /* 0: never */
    int64_t revoked_ms;                   /* 0: it is not */
    struct limits limits;
};

/* Letters, digits and '-', so that an id can stand in a token and in a log line. */
bool token_id_is_valid(const char *id);

/* "never" (0), or a time in UTC: 2027-01-31, 2027-01-31T18:00:00Z. False: it is neither. */
bool token_parse_time(const char *text, int64_t *ms);

/* The two parts of a token; both are borrowed from the text. False: it is not a token. */
bool token_split(const char *text, const char **id, size_t *n_id, const char **secret);

/* Sets salt and digest of a secret. */
enum err_code token_set_secret(struct token *token, const char *secret, struct err *err) MUST_CHECK;

/*
 * Makes a secret for a token whose other fields are set, and an id if it has none. text: the token,
 * to be shown once. ERR_INTERNAL: the system gives no random bytes.
 */
enum err_code token_make(struct token *token, char text[TOKEN_TEXT_CHARS],
                         struct err *err) MUST_CHECK;

/*
 * A secret whose digest is known, so that a client that sends it with each request does not have it
 * digested each time. It says nothing of a token: that one is looked up anew, and if its secret has
 * changed, so has its digest.
 */
struct token_proof {
    bool known;
    unsigned char salt[TOKEN_SALT_BYTES];
    unsigned char digest[SHA256_BYTES];
    char secret[TOKEN_SECRET_CHARS];
};

/*
 * The last good token of a connection, as it stood among the tokens of a generation. While these
 * have not changed, a request with the same header needs no other look at them.
 */
struct token_memory {
    struct token_proof proof;
    int64_t generation;
    size_t n_header; /* 0: none is remembered */
    char header[TOKEN_HEADER_CHARS];
    struct token token;
};

/* Is this the header of n characters that is remembered, and have the tokens not changed since?
 * Takes the same time whatever a wrong header of its length is. */
bool token_memory_holds(const struct token_memory *memory, int64_t generation, const char *header,
                        size_t n);

/* Remembers a token that this header proved; one that is too long is not remembered. */
void token_memory_keep(struct token_memory *memory, int64_t generation, const char *header,
                       size_t n, const struct token *token);

void token_memory_forget(struct token_memory *memory);

/* Is this the token's secret? Takes the same time whatever a wrong secret is. proof: of an earlier
 * call, or zeroed; set where the secret is the token's; NULL: none. */
bool token_has_secret(const struct token *token, const char *secret, struct token_proof *proof);

/* Neither expired nor revoked. */
bool token_is_good(const struct token *token, int64_t now_ms);

#endif
