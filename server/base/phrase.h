/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people write them. Each function returns its text by value, so that it can stand in a
 * call: printf("%s free", phrase_bytes(n).text).
 */
#ifndef PHRASE_H
#define PHRASE_H

#include <stdint.h>

struct phrase {
    char text[64];
};

/* "1 model", "0 models", "2 batches", "3 entries": the noun is given in the singular. */
struct phrase phrase_count(int64_t n, const char *noun);

/* What there should be of them: "1 is needed", "3 are needed". */
struct phrase phrase_needed(int64_t n);

/* "812 B", "3.4 MB", "12 GB": powers of 1000. */
struct phrase phrase_bytes(double bytes);

/* "0.4 s", "12 s", "3 min 20 s", "5 h 12 min", "2 d 3 h"; "?" when it is not a duration. */
struct phrase phrase_duration(double seconds);

/* Seconds since 1970 of a time such as "2026-01-31T10:20:30.400Z"; below 0: it is not a time. */
double phrase_read_time(const char *iso);

/* Such a time as "3 min ago"; what is not a time is returned unchanged, NULL as "-". */
struct phrase phrase_ago(const char *iso);

#endif
