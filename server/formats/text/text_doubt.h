/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the first records of a text table are names or a row, or cannot be told to be either. */
#ifndef TEXT_DOUBT_H
#define TEXT_DOUBT_H

#include "formats/text/text_field.h"
#include "formats/text/text_table.h"

/* A record that may be the header, field by field. */
struct text_head {
    struct text_field *fields; /* [n] */
    enum text_value *kinds;    /* [n] */
    double *values;            /* [n] */
    int n;
    int counts[TEXT_WORD + 1]; /* of fields by kind */
    int64_t line;
};

#define TEXT_PRESENT_OR_ABSENT                                                                     \
    "Content-Type \"text/csv; header=present\" says that these are names, header=absent that "     \
    "they "                                                                                        \
    "are a row"

/*
 * *header: the record holds the names of the columns. next: the record behind it, n 0: there is
 * none. ERR_INVALID, ERR_SHAPE: it may be names or a row, or is neither.
 */
enum err_code text_doubt_decide(const struct text_table_reader *reader,
                                const struct text_head *head, const struct text_head *next,
                                bool *header, struct err *err) MUST_CHECK;

/*
 * ERR_INVALID when the first records of a table without a header all end with a separator, so that
 * its last column would hold nothing. c: at the first record.
 */
enum err_code text_doubt_check_ends(const struct text_table_reader *reader, struct text_cursor c,
                                    struct err *err) MUST_CHECK;

enum text_units { TEXT_NO_UNITS, TEXT_UNITS, TEXT_UNITS_OR_NAMES };

/* Are these units of measurement, such as m, [K] and W/m^2? Single letters, each once, may as well
 * be names. */
enum text_units text_doubt_units(const struct text_head *head);

#endif
