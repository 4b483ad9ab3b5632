/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token or an address may use, and what it has used.
 *
 * What is limited by the second runs through a bucket that holds the amount of one second: it
 * starts full, fills at the rate of the limit, and each request takes out what it has cost. How
 * many rows and bytes a request has is known only once it has been read, so such a bucket lets a
 * request in while anything is left, and may then fall below empty. The time until it is above
 * empty again is what a refusal tells to wait.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum limit {
#define LIMIT(name, key, max, verb, unit, help) LIMIT_##name,
#include "access/limits.def"
#undef LIMIT
    LIMIT_N
};

#define LIMIT_N_RATES 3 /* the first ones are by the second */

struct limits {
    int64_t max[LIMIT_N]; /* 0: there is none */
};

const char *limit_key(enum limit limit);
const char *limit_verb(enum limit limit);
const char *limit_unit(enum limit limit);
int64_t limit_max(enum limit limit);

/* All keys, separated by commas. */
const char *limit_known(void);

/* The limit of a key of so many characters; LIMIT_N: there is none. */
enum limit limit_find(const char *key, int n);

/* A number from 1 to limit_max. */
bool limit_parse(enum limit limit, const char *text, int64_t *out) MUST_CHECK;

/* Does any of them have to be looked at when a request comes? */
bool limits_concern_requests(const struct limits *limits);

/* What was used; all zero: nothing. Guarded by its owner's lock. */
struct usage {
    int64_t full_ns[LIMIT_N_RATES]; /* when the bucket will be full, by clock_ns */
    int n_requests;                 /* under way */
};

struct excess {
    enum limit limit;
    int retry_s; /* after which a request is let in, if nobody else uses the same limit */
};

/* Counts a request that comes, until usage_end. False: it must be refused, and nothing is counted.
 */
bool usage_admit(struct usage *usage, const struct limits *limits, int64_t now_ns,
                 struct excess *excess);

/* The request under way is over. */
void usage_end(struct usage *usage);

/* A request had so many rows or bytes. */
void usage_charge(struct usage *usage, const struct limits *limits, enum limit limit, int64_t n,
                  int64_t now_ns);

#endif
