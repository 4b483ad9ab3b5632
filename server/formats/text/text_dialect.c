/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_dialect.h"

#include "base/digits.h"
#include "base/known.h"
#include "formats/media_type.h"
#include "formats/text_record.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SAMPLE_RECORDS 16
#define SAMPLE_BYTES   ((size_t)1 << 18)

struct choice {
    const char *name;
    int value;
};

static const struct choice separators[] = {
    {"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"blanks", ' '}, {NULL, 0}};
static const struct choice decimals[] = {
    {"point", TEXT_DECIMAL_POINT}, {"comma", TEXT_DECIMAL_COMMA}, {NULL, 0}};
static const struct choice headers[] = {
    {"present", TEXT_HEADER_PRESENT}, {"absent", TEXT_HEADER_ABSENT}, {NULL, 0}};

static const char *name_of(const struct choice *choices, int value)
{
    for (; choices->name != NULL; choices++) {
        if (choices->value == value) {
            return choices->name;
        }
    }
    return "";
}

const char *text_separator_name(char separator)
{
    return name_of(separators, separator);
}

const char *text_decimal_name(enum text_decimal decimal)
{
    /* Without a number that has a mark there is nothing to tell. */
    return name_of(decimals, decimal == TEXT_DECIMAL_COMMA ? (int)decimal : TEXT_DECIMAL_POINT);
}

/* ---- what the client says ---- */

/* *value stays as it is when there is no such parameter. */
static enum err_code read_choice(const char *content_type, const char *parameter,
                                 const struct choice *choices, int *value, struct err *err)
{
    char text[32];
    if (!media_type_parameter(content_type, parameter, text, sizeof text)) {
        return ERR_OK;
    }
    for (const struct choice *c = choices; c->name != NULL; c++) {
        if (strcasecmp(text, c->name) == 0) {
            *value = c->value;
            return ERR_OK;
        }
    }
    char known[80];
    size_t used = 0;
    for (const struct choice *c = choices; c->name != NULL && used < sizeof known; c++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                 c == choices        ? ""
                                 : c[1].name == NULL ? " or "
                                                     : ", ",
                                 c->name);
    }
    return err_set(err, ERR_INVALID, "Content-Type: %s is \"%s\", %s is needed", parameter, text,
                   known);
}

static enum err_code read_columns(const char *content_type, int *columns, struct err *err)
{
    char text[32];
    int64_t n = 0;
    if (!media_type_parameter(content_type, "columns", text, sizeof text)) {
        return ERR_OK;
    }
    if (!digits_parse(text, &n) || n < 1 || n > TEXT_MAX_COLUMNS) {
        return err_set(err, ERR_INVALID,
                       "Content-Type: columns is \"%s\", a number from 1 to %d is needed", text,
                       TEXT_MAX_COLUMNS);
    }
    *columns = (int)n;
    return ERR_OK;
}

/* A misspelt parameter would change how the table is read. */
static enum err_code check_parameters(const char *content_type, struct err *err)
{
    static const char *const known[] = {"charset", "header",  "separator",
                                        "decimal", "columns", NULL};
    char name[32];
    return media_type_other_parameter(content_type, known, name, sizeof name)
               ? known_refuse("Content-Type: parameter", name, (struct names){known, 5}, err)
               : ERR_OK;
}

enum err_code text_dialect_parse(const char *content_type, struct text_dialect *out,
                                 struct err *err)
{
    int separator = media_type_is(content_type, MEDIA_TYPE_TSV) ? '\t' : 0;
    int decimal = TEXT_DECIMAL_UNTOLD;
    int header = TEXT_HEADER_UNTOLD;
    int columns = 0;
    char charset[32];
    if (media_type_parameter(content_type, "charset", charset, sizeof charset) &&
        strcasecmp(charset, "utf-8") != 0 && strcasecmp(charset, "us-ascii") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "Content-Type: charset \"%s\" is not read; send the table as UTF-8",
                       charset);
    }
    if (check_parameters(content_type, err) != ERR_OK ||
        read_choice(content_type, "separator", separators, &separator, err) != ERR_OK ||
        read_choice(content_type, "decimal", decimals, &decimal, err) != ERR_OK ||
        read_choice(content_type, "header", headers, &header, err) != ERR_OK ||
        read_columns(content_type, &columns, err) != ERR_OK) {
        return err->code;
    }
    if (decimal == TEXT_DECIMAL_COMMA && separator == ',') {
        return err_set(err, ERR_INVALID,
                       "Content-Type: a comma cannot separate columns and be the decimal mark");
    }
    *out = (struct text_dialect){.separator = (char)separator,
                                 .decimal = (enum text_decimal)decimal,
                                 .header = (enum text_header)header,
                                 .columns = columns};
    return ERR_OK;
}

/* ---- what the text shows ---- */

/* What stands outside of quotes in a record. */
struct marks {
    int commas;
    int semicolons;
    int tabs;
    int gaps; /* runs of blanks between other bytes */
};

struct sample {
    struct marks records[SAMPLE_RECORDS];
    int n;
};

static void count_mark(struct marks *m, char byte, bool *gap, bool *any)
{
    if (byte == ' ' || byte == '\t') {
        *gap = *any;
    } else {
        m->gaps += *gap;
        *gap = false;
        *any = true;
    }
    m->commas += byte == ',';
    m->semicolons += byte == ';';
}

static void take_sample(const char *text, size_t len, struct sample *sample)
{
    enum text_record_place place = RECORD_START;
    struct marks m = {0};
    bool gap = false;
    bool any = false;
    int tabs = 0; /* since the last byte that is no blank */
    *sample = (struct sample){.n = 0};
    for (size_t i = text_record_mark_length(text, len); i <= len && sample->n < SAMPLE_RECORDS;
         i++) {
        enum text_record_place before = place;
        enum text_record_event event = i < len ? text_record_step(&place, text[i]) : RECORD_END;
        if (event == RECORD_BYTE && place != RECORD_COMMENT && before != RECORD_QUOTED) {
            tabs += text[i] == '\t' && any;
            m.tabs += text[i] != ' ' && text[i] != '\t' ? tabs : 0;
            tabs = text[i] != ' ' && text[i] != '\t' ? 0 : tabs;
            count_mark(&m, text[i], &gap, &any);
        }
        if (event != RECORD_BYTE) {
            if (any) {
                sample->records[sample->n++] = m;
            }
            m = (struct marks){0};
            gap = any = false;
            tabs = 0;
        }
    }
}

/* The first record may be a header, whose names may hold blanks. */
static bool has_gaps(const struct sample *sample)
{
    for (int i = sample->n > 1 ? 1 : 0; i < sample->n; i++) {
        if (sample->records[i].gaps > 0) {
            return true;
        }
    }
    return false;
}

static bool has_equal_tabs(const struct sample *sample)
{
    for (int i = 0; i < sample->n; i++) {
        if (sample->records[i].tabs == 0 || sample->records[i].tabs != sample->records[0].tabs) {
            return false;
        }
    }
    return sample->n > 0;
}

/*
 * Semicolons come first, since commas beside them are decimal marks. Tabs separate where each
 * record has as many, and commas where there are any.
 */
void text_dialect_tell(struct text_dialect *dialect, const char *text, size_t len)
{
    struct sample sample;
    if (dialect->separator == 0) {
        take_sample(text, len < SAMPLE_BYTES ? len : SAMPLE_BYTES, &sample);
        const struct marks *first = &sample.records[0];
        const struct marks *second = &sample.records[sample.n > 1 ? 1 : 0];
        if (sample.n == 0) {
            return;
        }
        bool semicolons = first->semicolons > 0 && second->semicolons > 0;
        bool commas = first->commas > 0 || second->commas > 0;
        dialect->separator = semicolons                ? ';'
                             : has_equal_tabs(&sample) ? '\t'
                             : commas                  ? ','
                             : has_gaps(&sample)       ? ' '
                                                       : ',';
    }
    if (dialect->separator != ';' && dialect->decimal == TEXT_DECIMAL_UNTOLD) {
        dialect->decimal = TEXT_DECIMAL_POINT;
    }
}
