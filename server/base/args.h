/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of a command: words and options in any order; "--" ends the options. An option is
 * "--name value" or "--name=value", and "-n value" where it has a letter; in names '-' and '_' are
 * the same. One table says which options there are; the parser and the help both read it.
 */
#ifndef ARGS_H
#define ARGS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ARGS_MAX_OPTIONS 128
#define ARGS_SET_OPTIONS 64 /* a set of them is 64 bits */

enum arg_repeat {
    ARG_ONCE,      /* given twice it is refused */
    ARG_LAST_WINS, /* the last one holds */
    ARG_COLLECTS   /* all of them count */
};

struct arg_option {
    const char *name;           /* without its dashes */
    const char *value;          /* the placeholder for its value in the help; NULL: it takes none */
    const char *help;           /* a phrase without a full stop */
    const char *standard;       /* its default; NULL: none */
    const char *const *choices; /* values that the help lists, ended by NULL; NULL: none */
    char letter;                /* of the short form "-o"; NUL: it has none */
    enum arg_repeat repeat;
};

struct arg_command {
    const char *name;
    const char *summary; /* a phrase without a capital and a full stop */
    const char *usage;   /* what follows the command's name, one line for each form */
    const char *text;    /* what else the help says, such as examples; NULL: nothing */
    const struct arg_option *options;
    int n_options;
    uint64_t allowed; /* bit i: the command takes option i, below ARGS_SET_OPTIONS */
    int all_from;     /* it takes all options from this one on; 0: only those of the bits */
    bool is_program;  /* the name is a program's; else a command of surrogated */
};

struct arg {
    int option;
    const char *value; /* "" for an option without one */
};

/* All texts are borrowed from argv. */
struct args {
    const struct arg_command *command;
    bool wants_help; /* --help or -h is among the options; then nothing else has been read */
    const char *values[ARGS_MAX_OPTIONS]; /* the last of each option; NULL: not given */
    const struct arg *given;              /* every option, in order */
    int n_given;
    const char **words;
    int n_words;
};

/*
 * Reads what follows the command's name. Options that the command does not take are refused, with a
 * similar name where there is one. ERR_INVALID, ERR_NOMEM.
 */
enum err_code args_parse(const struct arg_command *command, int argc, char **argv,
                         struct arena *arena, struct args *out, struct err *err) MUST_CHECK;

/* Word i, or NULL. */
const char *args_word(const struct args *args, int i);

/* The value of an option, or else its default, as a whole number. ERR_INVALID. */
enum err_code args_int(const struct args *args, int option, int64_t min, int64_t max, int64_t *out,
                       struct err *err) MUST_CHECK;

/* Usage, summary, a line for each option, text. */
void args_print_help(const struct arg_command *command, FILE *out);

/* The line of a command in a list of them. */
void args_print_summary(const struct arg_command *command, FILE *out);

#endif
