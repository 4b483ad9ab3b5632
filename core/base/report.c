/* SPDX-License-Identifier: Apache-2.0 */
#include "base/report.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    bool told;
} known_warnings[] = {
#define WARNING(code, told) {code, told},
#include "base/warnings.def"
#undef WARNING
};

bool report_is_told(const char *code)
{
    for (size_t i = 0; i < sizeof known_warnings / sizeof *known_warnings; i++) {
        if (strcmp(known_warnings[i].code, code) == 0) {
            return known_warnings[i].told;
        }
    }
    return false;
}

void report_release(struct report *report)
{
    for (int i = 0; i < report->n_items; i++) {
        mem_free(report->items[i].values);
    }
    mem_free(report->items);
    mem_free(report->warnings);
    *report = (struct report){.items = NULL};
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for a training report");
}

/* Room for one more item, not yet counted; NULL with an error. */
static struct report_item *new_item(struct report *report, const char *name, struct err *err)
{
    if (report->n_items >= REPORT_MAX_ITEMS) {
        err_kept(err_set(err, ERR_LIMIT, "a report holds at most %d items", REPORT_MAX_ITEMS));
        return NULL;
    }
    struct report_item *items =
        mem_realloc_array(report->items, (size_t)report->n_items + 1, sizeof *items);
    if (items == NULL) {
        err_kept(no_memory(err));
        return NULL;
    }
    report->items = items;
    struct report_item *item = &items[report->n_items];
    *item = (struct report_item){.n = 0};
    snprintf(item->name, sizeof item->name, "%s", name);
    return item;
}

enum err_code report_add(struct report *report, const char *name, int n, const double *values,
                         struct err *err)
{
    if (n < 0 || n > REPORT_MAX_VALUES) {
        return err_set(err, ERR_LIMIT, "report item %s has %d values, at most %d are kept", name, n,
                       REPORT_MAX_VALUES);
    }
    double *copy = mem_alloc_array((size_t)n, sizeof *copy);
    if (copy == NULL) {
        return no_memory(err);
    }
    struct report_item *item = new_item(report, name, err);
    if (item == NULL) {
        mem_free(copy);
        return err->code;
    }
    if (n > 0) {
        memcpy(copy, values, (size_t)n * sizeof *copy);
    }
    item->n = n;
    item->values = copy;
    report->n_items++;
    return ERR_OK;
}

enum err_code report_add_number(struct report *report, const char *name, double value,
                                struct err *err)
{
    if (report_add(report, name, 1, &value, err) == ERR_OK) {
        report->items[report->n_items - 1].scalar = true;
    }
    return err->code;
}

enum err_code report_warn(struct report *report, struct err *err, const char *code, const char *fmt,
                          ...)
{
    for (int i = 0; i < report->n_warnings; i++) {
        if (strcmp(report->warnings[i].code, code) == 0) {
            return ERR_OK;
        }
    }
    if (report->n_warnings >= REPORT_MAX_WARNINGS) {
        return ERR_OK;
    }
    struct report_warning *warnings =
        mem_realloc_array(report->warnings, (size_t)report->n_warnings + 1, sizeof *warnings);
    if (warnings == NULL) {
        return no_memory(err);
    }
    report->warnings = warnings;
    struct report_warning *warning = &warnings[report->n_warnings++];
    va_list args;
    va_start(args, fmt);
    snprintf(warning->code, sizeof warning->code, "%s", code);
    vsnprintf(warning->text, sizeof warning->text, fmt, args);
    va_end(args);
    return ERR_OK;
}

const struct report_item *report_find(const struct report *report, const char *name)
{
    for (int i = 0; i < report->n_items; i++) {
        if (strcmp(report->items[i].name, name) == 0) {
            return &report->items[i];
        }
    }
    return NULL;
}

enum err_code report_append(struct report *to, struct report *from, const char *prefix,
                            struct err *err)
{
    char name[2 * REPORT_NAME_CHARS + 2];
    for (int i = 0; i < from->n_items; i++) {
        const struct report_item *item = &from->items[i];
        snprintf(name, sizeof name, "%s%s%s", prefix != NULL ? prefix : "",
                 prefix != NULL ? "." : "", item->name);
        if (report_add(to, name, item->n, item->values, err) != ERR_OK) {
            return err->code;
        }
        to->items[to->n_items - 1].scalar = item->scalar;
    }
    for (int i = 0; i < from->n_warnings; i++) {
        const struct report_warning *warning = &from->warnings[i];
        if (report_warn(to, err, warning->code, "%s", warning->text) != ERR_OK) {
            return err->code;
        }
    }
    report_release(from);
    return ERR_OK;
}
