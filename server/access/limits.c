/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket is one number: when it will be full. It lacks what flows in until then, so that it is
 * empty one second before, and a cost moves the time on by what takes as long to flow in.
 */
#include "access/limits.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define BURST_NS    CLOCK_S                    /* of an empty bucket to become full */
#define MAX_DEBT_NS (INT64_C(86400) * CLOCK_S) /* what is owed beyond a day is forgiven */
#define RETRY_S     1                          /* nobody knows when a request under way will end */

static const struct {
    const char *key;
    const char *verb;
    const char *unit;
    int64_t max;
} limit_list[LIMIT_N] = {
#define LIMIT(name, key, max, verb, unit, help) {key, verb, unit, max},
#include "access/limits.def"
#undef LIMIT
};

_Static_assert(LIMIT_BYTES + 1 == LIMIT_N_RATES, "the limits by the second come first");

const char *limit_key(enum limit limit)
{
    return limit_list[limit].key;
}

const char *limit_verb(enum limit limit)
{
    return limit_list[limit].verb;
}

const char *limit_unit(enum limit limit)
{
    return limit_list[limit].unit;
}

int64_t limit_max(enum limit limit)
{
    return limit_list[limit].max;
}

const char *limit_known(void)
{
    static const char keys[] = ""
#define LIMIT(name, key, max, verb, unit, help) ", " key
#include "access/limits.def"
#undef LIMIT
        ;
    return keys + 2; /* without the first comma */
}

enum limit limit_find(const char *key, int n)
{
    enum limit limit = 0;
    while (limit < LIMIT_N && ((int)strlen(limit_list[limit].key) != n ||
                               strncmp(limit_list[limit].key, key, (size_t)n) != 0)) {
        limit++;
    }
    return limit;
}

bool limit_parse(enum limit limit, const char *text, int64_t *out)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 18 || text[n] != '\0') {
        return false;
    }
    int64_t value = strtoll(text, NULL, 10);
    if (value < 1 || value > limit_list[limit].max) {
        return false;
    }
    *out = value;
    return true;
}

bool limits_concern_requests(const struct limits *limits)
{
    return limits->max[LIMIT_REQUESTS] > 0 || limits->max[LIMIT_ROWS] > 0 ||
           limits->max[LIMIT_BYTES] > 0 || limits->max[LIMIT_CONCURRENT] > 0;
}

/* What the bucket lacks, as the time in which that flows in. */
static int64_t lack(const struct usage *usage, enum limit limit, int64_t now_ns)
{
    int64_t ns = usage->full_ns[limit] - now_ns;
    return ns > 0 ? ns : 0;
}

/* How long until the bucket lets a request in; 0: it does now. */
static int64_t find_wait(const struct usage *usage, const struct limits *limits, enum limit limit,
                         int64_t now_ns)
{
    if (limits->max[limit] == 0) {
        return 0;
    }
    /* Of requests a whole one must be there, of anything else a first bit of it. */
    int64_t needed = limit == LIMIT_REQUESTS ? CLOCK_S / limits->max[limit] : 1;
    int64_t wait = lack(usage, limit, now_ns) + needed - BURST_NS;
    return wait > 0 ? wait : 0;
}

void usage_charge(struct usage *usage, const struct limits *limits, enum limit limit, int64_t n,
                  int64_t now_ns)
{
    int64_t rate = limits->max[limit];
    if (rate == 0 || n <= 0) {
        return;
    }
    double cost = (double)n * (double)CLOCK_S / (double)rate;
    double owed = (double)lack(usage, limit, now_ns) + cost;
    usage->full_ns[limit] = now_ns + (owed < (double)MAX_DEBT_NS ? (int64_t)owed : MAX_DEBT_NS);
}

bool usage_admit(struct usage *usage, const struct limits *limits, int64_t now_ns,
                 struct excess *excess)
{
    int64_t longest = 0;
    for (enum limit limit = 0; limit < LIMIT_N_RATES; limit++) {
        int64_t wait = find_wait(usage, limits, limit, now_ns);
        if (wait > longest) {
            longest = wait;
            *excess = (struct excess){limit, (int)((wait + CLOCK_S - 1) / CLOCK_S)};
        }
    }
    if (longest > 0) {
        return false;
    }
    int64_t max = limits->max[LIMIT_CONCURRENT];
    if (max > 0 && usage->n_requests >= max) {
        *excess = (struct excess){LIMIT_CONCURRENT, RETRY_S};
        return false;
    }
    usage->n_requests++;
    usage_charge(usage, limits, LIMIT_REQUESTS, 1, now_ns);
    return true;
}

void usage_end(struct usage *usage)
{
    usage->n_requests -= usage->n_requests > 0;
}
