/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the client commands: options.def as a table. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/args.h"

enum option {
#define OPTION(id, ...) OPT_##id,
#include "client/options.def"
#undef OPTION
    N_OPTIONS
};

/* A set of options. */
#define OPTION_BIT(id) (UINT64_C(1) << OPT_##id)

extern const struct arg_option options_table[N_OPTIONS];

/* Names of file formats in the order of enum file_format, ended by NULL. */
extern const char *const options_formats[];

/* Formats of pictures in the order of enum canvas_format, then csv, ended by NULL. */
extern const char *const options_pictures[];

/* The states of a job in their order, ended by NULL. */
extern const char *const options_states[];

#endif
