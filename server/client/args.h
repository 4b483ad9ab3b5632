/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of a client command: words and options, in any order; "--" ends the options. */
#ifndef ARGS_H
#define ARGS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option {
#define OPTION(id, name, value, help) OPT_##id,
#include "client/options.def"
#undef OPTION
    N_OPTIONS
};

/* A set of options. */
#define OPTION_BIT(id) (UINT64_C(1) << OPT_##id)

struct args {
    const char *values[N_OPTIONS]; /* NULL: not given; "" for one without a value */
    const char **sets;             /* every --set, in order */
    int n_sets;
    const char **words;
    int n_words;
};

/* Options outside `allowed` are refused by name. Texts are borrowed from argv. ERR_INVALID. */
enum err_code args_parse(int argc, char **argv, uint64_t allowed, struct arena *arena,
                         struct args *out, struct err *err) MUST_CHECK;

/* Word i, or NULL. */
const char *args_word(const struct args *args, int i);

/* The value of an option as a whole number, `absent` when it is not given. ERR_INVALID. */
enum err_code args_int(const struct args *args, enum option option, int64_t min, int64_t max,
                       int64_t absent, int64_t *out, struct err *err) MUST_CHECK;

/* One line an option. */
void args_print_help(uint64_t allowed, FILE *out);

#endif
