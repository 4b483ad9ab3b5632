/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of a header Accept-Encoding, beside a second reading of it. That one cuts the list at
 * its commas and the members at their semicolons, and holds weights as four digits of text.
 */
#include "driver.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "formats/coding.h"

#define BLANKS " \t"
#define NONE   "" /* sorts before every weight */

const struct seed fuzz_seeds[] = {
    SEED("gzip"),
    SEED("gzip, deflate, br;q=0.9, zstd"),
    SEED("identity;q=0.5, *;q=0.25"),
    SEED("GZIP ; q=0.001"),
    SEED("x-gzip;q=1.000,identity"),
    SEED("*;q=0"),
    SEED("gzip;level=9;Q=0.7;q=1"),
    SEED(" ,, gzip\t;\tq=0.0009 ,"),
    SEED("identity;q=1.5, gzip;q=0.2"),
    SEEDS_END,
};

const struct seed fuzz_words[] = {
    SEED("gzip"), SEED("x-gzip"), SEED("identity"), SEED("*"),  SEED(";q="), SEED(";Q="),
    SEED("0."),   SEED("1.0"),    SEED("0.001"),    SEED(", "), SEED("\t"),  SEEDS_END,
};

static bool is_name(const char *text, const char *name)
{
    while (*text != '\0' && tolower((unsigned char)*text) == *name) {
        text++;
        name++;
    }
    return *text == '\0' && *name == '\0';
}

/* Cuts *rest at its first `at`: returns what stands before it and moves *rest behind it, or to
 * NULL. */
static char *cut(char **rest, char at)
{
    char *begin = *rest;
    char *end = strchr(begin, at);
    *rest = end != NULL ? end + 1 : NULL;
    if (end != NULL) {
        *end = '\0';
    }
    return begin;
}

/* Sets to [5] the weight that stands for a text behind "q=". */
static void digits_of(char *text, char *to)
{
    memcpy(to, "0000", 5);
    text[strcspn(text, BLANKS)] = '\0';
    bool point = text[0] != '\0' && text[1] == '.';
    const char *decimals = point ? text + 2 : "";
    bool whole = text[0] != '\0' && (point || text[1] == '\0');
    if (!whole || (*text != '0' && *text != '1') ||
        strspn(decimals, "0123456789") != strlen(decimals)) {
        return;
    }
    char found[5] = "0000";
    found[0] = *text;
    for (int i = 0; i < 3 && decimals[i] != '\0'; i++) {
        found[i + 1] = decimals[i];
    }
    if (strcmp(found, "1000") <= 0) {
        memcpy(to, found, sizeof found);
    }
}

static bool second_reading(char *list)
{
    char gzip[5] = NONE;
    char any[5] = NONE;
    char identity[5] = NONE;
    while (list != NULL) {
        char *rest = cut(&list, ',');
        char *name = cut(&rest, ';');
        char weight[5] = "1000";
        name += strspn(name, BLANKS);
        size_t len = strcspn(name, BLANKS);
        bool alone = name[len + strspn(name + len, BLANKS)] == '\0';
        name[len] = '\0';
        while (rest != NULL && alone) { /* behind two words there are no parameters */
            char *parameter = cut(&rest, ';');
            parameter += strspn(parameter, BLANKS);
            if (tolower((unsigned char)parameter[0]) == 'q' && parameter[1] == '=') {
                digits_of(parameter + 2, weight);
            }
        }
        char *to = is_name(name, "gzip") || is_name(name, "x-gzip") ? gzip
                   : is_name(name, "*")                             ? any
                   : is_name(name, "identity")                      ? identity
                                                                    : NULL;
        if (to != NULL) {
            memcpy(to, weight, sizeof weight);
        }
    }
    const char *weight = *gzip != '\0' ? gzip : any;
    return strcmp(weight, "0000") > 0 && strcmp(weight, identity) >= 0;
}

/* With another member at the end. */
static bool asks_with(struct arena *arena, const char *list, const char *member)
{
    size_t len = strlen(list);
    size_t more = strlen(member) + 1;
    char *all = arena_alloc(arena, len + more);
    if (all == NULL) {
        abort();
    }
    memcpy(all, list, len);
    memcpy(all + len, member, more);
    return coding_asks_for_gzip(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    const char *list = arena_strndup(&arena, (const char *)data, size);
    char *scratch = arena_strndup(&arena, list, strlen(list));
    if (coding_asks_for_gzip(list) != second_reading(scratch)) {
        abort();
    }
    if (asks_with(&arena, list, ",gzip;q=0") || !asks_with(&arena, list, ", GZIP")) {
        abort();
    }
    arena_release(&arena);
    return 0;
}
