/* SPDX-License-Identifier: Apache-2.0 */
#include "base/phrase.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool ends_with(const char *word, const char *ending)
{
    size_t n = strlen(word);
    size_t k = strlen(ending);
    return n >= k && strcmp(word + n - k, ending) == 0;
}

struct phrase phrase_count(int64_t n, const char *noun)
{
    struct phrase phrase;
    int len = (int)strlen(noun);
    const char *ending = "s";
    if (n == 1) {
        ending = "";
    } else if (ends_with(noun, "s") || ends_with(noun, "x") || ends_with(noun, "ch") ||
               ends_with(noun, "sh")) {
        ending = "es";
    } else if (ends_with(noun, "ry")) {
        len--;
        ending = "ies";
    }
    snprintf(phrase.text, sizeof phrase.text, "%lld %.*s%s", (long long)n, len < 32 ? len : 32,
             noun, ending);
    return phrase;
}

struct phrase phrase_needed(int64_t n)
{
    struct phrase phrase;
    snprintf(phrase.text, sizeof phrase.text, "%lld %s needed", (long long)n,
             n == 1 ? "is" : "are");
    return phrase;
}

struct phrase phrase_bytes(double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    struct phrase phrase;
    size_t k = 0;
    /* 999.5 would be rounded to 1000. */
    while (k + 1 < sizeof units / sizeof *units && bytes >= (k == 0 ? 1000.0 : 999.5)) {
        bytes /= 1000.0;
        k++;
    }
    int digits = k > 0 && bytes < 9.95 ? 1 : 0;
    snprintf(phrase.text, sizeof phrase.text, "%.*f %s", digits, bytes, units[k]);
    return phrase;
}

struct phrase phrase_duration(double seconds)
{
    struct phrase phrase = {.text = "?"};
    if (!(seconds >= 0.0) || seconds > 1e12) {
        return phrase;
    }
    long long whole = llround(seconds);
    long long minutes = whole / 60;
    if (seconds < 9.95) {
        snprintf(phrase.text, sizeof phrase.text, "%.1f s", seconds);
    } else if (minutes == 0) {
        snprintf(phrase.text, sizeof phrase.text, "%lld s", whole);
    } else if (minutes < 60) {
        snprintf(phrase.text, sizeof phrase.text, "%lld min %lld s", minutes, whole % 60);
    } else if (minutes < 24 * 60) {
        snprintf(phrase.text, sizeof phrase.text, "%lld h %lld min", minutes / 60, minutes % 60);
    } else {
        snprintf(phrase.text, sizeof phrase.text, "%lld d %lld h", minutes / 1440,
                 minutes / 60 % 24);
    }
    return phrase;
}

double phrase_read_time(const char *iso)
{
    struct tm tm = {.tm_isdst = 0};
    double seconds = 0.0;
    if (iso == NULL || sscanf(iso, "%4d-%2d-%2dT%2d:%2d:%lfZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                              &tm.tm_hour, &tm.tm_min, &seconds) != 6) {
        return -1.0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (double)timegm(&tm) + seconds;
}

struct phrase phrase_ago(const char *iso)
{
    static const struct {
        double seconds; /* of the unit */
        const char *name;
    } units[] = {{86400.0, "d"}, {3600.0, "h"}, {60.0, "min"}, {1.0, "s"}};
    struct phrase phrase = {.text = "now"};
    double then = phrase_read_time(iso);
    double age = (double)time(NULL) - then;
    if (then < 0.0) {
        snprintf(phrase.text, sizeof phrase.text, "%s", iso != NULL ? iso : "-");
        return phrase;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (age >= units[i].seconds) {
            snprintf(phrase.text, sizeof phrase.text, "%.0f %s ago", floor(age / units[i].seconds),
                     units[i].name);
            break;
        }
    }
    return phrase;
}
