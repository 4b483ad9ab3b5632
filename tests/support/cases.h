/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases that are data: a folder holds one folder for each case, and this an `input` with any
 * extension and the text `expected`.
 */
#ifndef CASES_H
#define CASES_H

#include "base/err.h"

#include <stddef.h>

struct test_case {
    char name[256];
    char *input; /* [n_input], with a NUL behind it */
    size_t n_input;
    char *expected;
};

/* folder: below tests/. In the order of their names; fails the test when there are none. */
struct test_case *cases_load(const char *folder, int *n);
void cases_free(struct test_case *cases, int n);

/* "SYNTAX" for ERR_SYNTAX, as `expected` writes it. */
const char *cases_err_name(enum err_code code);

#endif
