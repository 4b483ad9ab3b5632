/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training run reports besides the model: named lists of numbers in the order in which they
 * were added (losses by epoch, acceptance by chain, R-hat), and warnings for people. The report is
 * stored with the model, whose diagnostics show it.
 *
 * Names are lower-case words with underscores; a dot forms groups ("parameters.rhat").
 */
#ifndef REPORT_H
#define REPORT_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

#define REPORT_NAME_CHARS   48
#define REPORT_TEXT_CHARS   240
#define REPORT_MAX_ITEMS    256
#define REPORT_MAX_WARNINGS 32
#define REPORT_MAX_VALUES   1000000 /* of one item */

struct report_item {
    char name[REPORT_NAME_CHARS];
    bool scalar; /* a single number rather than a list of one */
    int n;
    double *values; /* [n]; NaN: unknown; mem */
};

struct report_warning {
    char code[REPORT_NAME_CHARS];
    char text[REPORT_TEXT_CHARS];
};

/* A zeroed report is empty and may be released. */
struct report {
    int n_items;
    struct report_item *items;
    int n_warnings;
    struct report_warning *warnings;
};

void report_release(struct report *report);

/* Adds a copy of values [n], or one number. ERR_NOMEM; ERR_LIMIT. */
enum err_code report_add(struct report *report, const char *name, int n, const double *values,
                         struct err *err) MUST_CHECK;
enum err_code report_add_number(struct report *report, const char *name, double value,
                                struct err *err) MUST_CHECK;

/*
 * Adds a warning, unless there is one with that code already or there are too many. The codes of
 * trainings are listed in base/warnings.def; a document from elsewhere may have others. ERR_NOMEM.
 */
enum err_code report_warn(struct report *report, struct err *err, const char *code, const char *fmt,
                          ...) PRINTF_LIKE(4, 5) MUST_CHECK;

/* Does a warning of that code come with every prediction of its model (base/warnings.def)? */
bool report_is_told(const char *code);

/* The item of that name; NULL when there is none. */
const struct report_item *report_find(const struct report *report, const char *name);

/* Moves everything from `from` to the end of `to`, its names prefixed with "prefix." unless prefix
 * is NULL. */
enum err_code report_append(struct report *to, struct report *from, const char *prefix,
                            struct err *err) MUST_CHECK;

#endif
