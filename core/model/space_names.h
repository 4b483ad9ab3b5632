/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that a client names, and their places in the rows of a model. */
#ifndef SPACE_NAMES_H
#define SPACE_NAMES_H

#include "model/space.h"

/* Which columns a client names. */
enum space_part {
    SPACE_INPUTS,
    SPACE_GIVEN_INPUTS, /* the same, of which those with a default may be missing */
    SPACE_OUTPUTS,
    SPACE_COLUMNS /* inputs and outputs */
};

/*
 * place [n] <- where each of the n given columns belongs among those of the part, from 0. The names
 * may stand in any order. ERR_INVALID: one is unknown, missing or given twice; err has the names
 * that are sent and those that are known.
 */
enum err_code space_match(const struct space *space, enum space_part part, const char *const *names,
                          int n, int *place, struct err *err) MUST_CHECK;

/* ERR_INVALID: a column of the part is missing among those that are sent, with both lists. */
enum err_code space_refuse_missing(const struct space *space, enum space_part part,
                                   const char *const *names, int n, int place, struct err *err);

/* The place of one name of the part; -1: there is none. */
int space_find(const struct space *space, enum space_part part, const char *name);

/* How many columns the part has, and the name of one. */
int space_count(const struct space *space, enum space_part part);
const char *space_name(const struct space *space, enum space_part part, int place);

#endif
