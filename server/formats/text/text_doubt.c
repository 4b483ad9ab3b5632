/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_doubt.h"

#include "base/phrase.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define SAMPLE_RECORDS 16
#define MAX_SHOWN      30 /* bytes of a field in a message */
#define FIRST_YEAR     1900
#define LAST_YEAR      2100

/* ---- numbers that may be names ---- */

static bool is_integer(double value)
{
    return value == floor(value) && fabs(value) < 1e15;
}

/* Names of columns have digits only; 1.0 is a number. */
static bool is_written_in_digits(const struct text_field *field)
{
    for (size_t i = 0; i < field->len; i++) {
        if (!isdigit((unsigned char)field->text[i])) {
            return false;
        }
    }
    return true;
}

static bool has_equal_steps(const struct text_head *head)
{
    double step = head->n > 1 ? head->values[1] - head->values[0] : 0.0;
    for (int j = 1; j < head->n; j++) {
        if (head->values[j] - head->values[j - 1] != step) {
            return false;
        }
    }
    return step != 0.0;
}

/* Names of years are in order, though some may be left out. */
static bool are_years_in_order(const struct text_head *head)
{
    bool rise = head->n > 1 && head->values[1] > head->values[0];
    for (int j = 0; j < head->n; j++) {
        double value = head->values[j];
        if (value < FIRST_YEAR || value > LAST_YEAR ||
            (j > 0 && !(rise ? value > head->values[j - 1] : value < head->values[j - 1]))) {
            return false;
        }
    }
    return head->n > 1;
}

static int count_quoted(const struct text_head *head)
{
    int n = 0;
    for (int j = 0; j < head->n; j++) {
        n += head->fields[j].quoted;
    }
    return n;
}

static bool all_in_digits(const struct text_head *head)
{
    for (int j = 0; j < head->n; j++) {
        if (!is_written_in_digits(&head->fields[j])) {
            return false;
        }
    }
    return true;
}

/* Values of next within low and high that are integers. */
static int count_integers(const struct text_head *next, double low, double high)
{
    int n = 0;
    for (int j = 0; j < next->n; j++) {
        n += next->kinds[j] == TEXT_NUMBER && is_integer(next->values[j]) &&
             next->values[j] >= low && next->values[j] <= high;
    }
    return n;
}

/*
 * May these numbers be names? 0..k-1 is what pandas writes where columns have none, 0.0, 1.0, 2.0
 * where their names were floats. Equal steps of integers are doubtful above a row that has other
 * numbers, years above a row that has none, and numbers in quotes, as R writes names, above a row
 * without quotes.
 */
static bool may_be_names(const struct text_head *head, const struct text_head *next)
{
    if (head->counts[TEXT_NUMBER] != head->n || head->n < 2) {
        return false;
    }
    if (next->n > 0 && count_quoted(head) == head->n && count_quoted(next) == 0) {
        return true;
    }
    if (all_in_digits(head) && are_years_in_order(head) && next->n > 0 &&
        count_integers(next, FIRST_YEAR, LAST_YEAR) == 0) {
        return true;
    }
    if (!has_equal_steps(head)) {
        return false;
    }
    bool counted = head->values[0] == 0.0 && head->values[1] == 1.0;
    if (!all_in_digits(head)) {
        return counted && head->n > 2 && next->n > 0;
    }
    bool others = next->counts[TEXT_NUMBER] > count_integers(next, -INFINITY, INFINITY);
    return counted || (head->n > 2 && others);
}

static enum err_code refuse_doubtful(const struct text_head *head, const struct text_head *next,
                                     struct err *err)
{
    for (int j = 0; j < head->n; j++) {
        if (head->kinds[j] == TEXT_WORD) {
            const struct text_field *f = &head->fields[j];
            return err_set_at(err, ERR_INVALID, 0, j,
                              "line %" PRId64 " has numbers, but column %d is \"%.*s\": a header "
                              "has names only, a row numbers only (%s)",
                              head->line, j + 1, f->len < MAX_SHOWN ? (int)f->len : MAX_SHOWN,
                              f->text,
                              next->n > 0 ? TEXT_PRESENT_OR_ABSENT
                                          : "were lines joined? curl -d does so, --data-binary "
                                            "does not");
        }
    }
    return err_set_at(err, ERR_INVALID, 0, 0,
                      "line %" PRId64
                      " (%g, %g, ..) may be a header or a row: " TEXT_PRESENT_OR_ABSENT,
                      head->line, head->values[0], head->values[1]);
}

/* ---- words that may be no names ---- */

/* Does it begin with a mark of comments elsewhere: !, ;, //, *, REM? */
static bool is_other_comment(const struct text_field *field)
{
    size_t len = 0;
    size_t marks = 0;
    while (len < field->len && field->text[len] != ' ') {
        char byte = field->text[len++];
        marks += byte != '\0' && strchr("!;/*", byte) != NULL;
    }
    return (len == 3 && strncasecmp(field->text, "rem", 3) == 0) || (len > 0 && marks == len);
}

static bool has_empty_end(const struct text_head *head)
{
    return head->n > 0 && head->fields[head->n - 1].len == 0;
}

/* A line of words of another length than the rows below it. */
static enum err_code check_length(const struct text_table_reader *reader,
                                  const struct text_head *head, const struct text_head *next,
                                  struct err *err)
{
    const char *why = NULL;
    const struct text_field *first = &head->fields[0];
    if (first->len >= 4 && strncasecmp(first->text, "sep=", 4) == 0) {
        return err_set_at(err, ERR_INVALID, -1, 0,
                          "line %" PRId64 " is for Excel (sep=) and no row; delete it", head->line);
    }
    if (next->n == 0 || next->n == head->n) {
        return ERR_OK;
    }
    if (is_other_comment(first)) {
        why = "a comment begins with # or %";
    } else if (next->n == head->n + 1 && has_empty_end(next)) {
        why = "write the lines without a separator at their end";
    } else if (head->n == 1 || next->counts[TEXT_WORD] == next->n) {
        why = "a title above the names is a comment: begin it with #";
    } else if (next->n == head->n + 1) {
        why = "R writes row names like this: use row.names=FALSE";
    } else if (reader->dialect.separator == ' ' && next->n < head->n) {
        why = "a name with a blank in it needs quotes";
    }
    return why == NULL ? ERR_OK
                       : err_set_at(err, ERR_SHAPE, 0, head->n,
                                    "line %" PRId64 " has %s and line %" PRId64 " has %s; %s",
                                    head->line, phrase_count(head->n, "name").text, next->line,
                                    phrase_count(next->n, "column").text, why);
}

static enum err_code check_second(const struct text_table_reader *reader,
                                  const struct text_head *head, const struct text_head *next,
                                  struct err *err)
{
    bool may_be_row = reader->members != NULL && reader->members->may_be_all;
    if (may_be_row || head->n == 1 || next->n != head->n || next->counts[TEXT_WORD] == 0 ||
        next->counts[TEXT_WORD] + next->counts[TEXT_MISSING] != next->n) {
        return ERR_OK;
    }
    return err_set_at(err, ERR_INVALID, -1, -1,
                      "lines %" PRId64 " and %" PRId64 " have words only: a table has one line of "
                      "names; begin a title or a line of units with #",
                      head->line, next->line);
}

enum err_code text_doubt_decide(const struct text_table_reader *reader,
                                const struct text_head *head, const struct text_head *next,
                                bool *header, struct err *err)
{
    int numbers =
        head->counts[TEXT_NUMBER] + head->counts[TEXT_INFINITE] + head->counts[TEXT_NUMBERLIKE];
    *header = reader->dialect.header == TEXT_HEADER_PRESENT;
    if (reader->dialect.header != TEXT_HEADER_UNTOLD) {
        return ERR_OK;
    }
    if (head->counts[TEXT_WORD] == 0) {
        return may_be_names(head, next) ? refuse_doubtful(head, next, err) : ERR_OK;
    }
    *header = true;
    if (numbers > 0 && !(is_other_comment(&head->fields[0]) && next->n != head->n)) {
        return refuse_doubtful(head, next, err);
    }
    return check_length(reader, head, next, err) == ERR_OK ? check_second(reader, head, next, err)
                                                           : err->code;
}

/* ---- the ends of lines ---- */

enum err_code text_doubt_check_ends(const struct text_table_reader *reader, struct text_cursor c,
                                    struct err *err)
{
    const int64_t line = c.line;
    int n = 0;
    if (reader->dialect.header != TEXT_HEADER_UNTOLD || reader->dialect.separator == ' ') {
        return ERR_OK;
    }
    for (text_skip_lines(&c, NULL); c.at < c.end && n < SAMPLE_RECORDS; text_skip_lines(&c, NULL)) {
        struct text_field field = {.last = false};
        const char *end = c.at;
        while (!field.last) {
            end = c.at;
            text_next_field(&c, reader->dialect.separator, &field);
        }
        /* An empty field in quotes is written as one. */
        if (field.len > 0 || (end < c.end && *end == '"')) {
            return ERR_OK;
        }
        n++;
    }
    return n < 2 ? ERR_OK
                 : err_set_at(err, ERR_INVALID, 0, reader->n_fields - 1,
                              "line %" PRId64 " and those after it end with a separator, so that "
                              "column %d is empty; write them without it, or with a header",
                              line, reader->n_fields);
}

/* ---- units ---- */

static bool is_unit_symbol(const char *text, size_t len)
{
    static const char *const symbols[] = {
        "m",   "mm",  "cm",  "km",   "um",  "nm",  "s",    "ms",  "us",   "ns", "min", "h",
        "hr",  "day", "d",   "yr",   "K",   "C",   "degC", "F",   "degF", "Pa", "hPa", "kPa",
        "MPa", "GPa", "bar", "mbar", "atm", "psi", "N",    "kN",  "MN",   "J",  "kJ",  "MJ",
        "eV",  "keV", "MeV", "W",    "kW",  "MW",  "V",    "mV",  "A",    "mA", "T",   "Hz",
        "kHz", "MHz", "GHz", "kg",   "g",   "mg",  "t",    "mol", "kmol", "l",  "L",   "rad",
        "deg", "sr",  "Ohm", "ohm",  "S",   "H",   "lb",   "ft",  "in",   "cd", "lm",  "lx"};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        if (strlen(symbols[i]) == len && memcmp(symbols[i], text, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Symbols with powers, products and quotients of them: W/m^2/K, kg*m-3; or -, or in brackets. */
static bool is_unit(const char *text, size_t len)
{
    static const char *const brackets[] = {"[]", "()", "<>"};
    for (int i = 0; i < 3; i++) {
        if (len >= 2 && text[0] == brackets[i][0] && text[len - 1] == brackets[i][1]) {
            return true;
        }
    }
    for (size_t i = 0; i < len;) {
        size_t start = i;
        while (i < len && isalpha((unsigned char)text[i])) {
            i++;
        }
        if (i > start && !is_unit_symbol(text + start, i - start)) {
            return false;
        }
        if (i == start && strchr("^*/.-+%0123456789", text[i]) == NULL) {
            return false;
        }
        i += i == start;
    }
    return len > 0;
}

enum text_units text_doubt_units(const struct text_head *head)
{
    bool seen[UCHAR_MAX + 1] = {false};
    bool letters = true;
    for (int j = 0; j < head->n; j++) {
        const struct text_field *field = &head->fields[j];
        if (!is_unit(field->text, field->len)) {
            return TEXT_NO_UNITS;
        }
        unsigned char first = (unsigned char)field->text[0];
        letters = letters && field->len == 1 && isalpha(first) && !seen[first];
        seen[first] = true;
    }
    return letters ? TEXT_UNITS_OR_NAMES : TEXT_UNITS;
}
