/* SPDX-License-Identifier: Apache-2.0 */
#include "base/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/near_name.h"
#include "base/textbuf.h"

#define LEFT_COLUMNS 26 /* of an option and its value in the help */
#define HELP_COLUMNS 96 /* of a line of the help */

static bool is_taken(const struct arg_command *command, int option)
{
    return (command->all_from > 0 && option >= command->all_from) ||
           (option < ARGS_SET_OPTIONS && (command->allowed >> option & 1) != 0);
}

/* ---- reading ---- */

static bool is_name(const char *name, const char *given, size_t len)
{
    size_t i = 0;
    while (i < len && name[i] != '\0' &&
           (name[i] == given[i] || (name[i] == '-' && given[i] == '_') ||
            (name[i] == '_' && given[i] == '-'))) {
        i++;
    }
    return i == len && name[i] == '\0';
}

/* The option that a word such as "--server=x" or "-o" names; -1: the command takes none such. */
static int find_option(const struct arg_command *command, const char *word)
{
    bool is_long = strncmp(word, "--", 2) == 0;
    for (int i = 0; i < command->n_options; i++) {
        const struct arg_option *option = &command->options[i];
        bool named = is_long ? is_name(option->name, word + 2, strcspn(word + 2, "="))
                             : option->letter != '\0' && word[1] == option->letter &&
                                   (word[2] == '\0' || word[2] == '=');
        if (named && is_taken(command, i)) {
            return i;
        }
    }
    return -1;
}

static enum err_code refuse_unknown(const struct arg_command *command, const char *word,
                                    struct err *err)
{
    char name[NEAR_NAME_CHARS + 1] = "";
    const char *bare = word + strspn(word, "-");
    int len = (int)strcspn(bare, "=");
    if (len <= NEAR_NAME_CHARS) {
        memcpy(name, bare, (size_t)len);
    }
    struct near_name near = near_name_of(name);
    for (int i = 0; i < command->n_options; i++) {
        if (is_taken(command, i)) {
            near_name_try(&near, command->options[i].name);
        }
    }
    return err_set(err, ERR_INVALID, "%.*s is not an option of `%s`%s", (int)(bare - word) + len,
                   word, command->name, near_name_hint(&near, "--").text);
}

/* The option at argv[*at] with its value; *at becomes the index of the last argument read. */
static enum err_code read_option(const struct arg_command *command, int argc, char **argv, int *at,
                                 struct arg *out, struct err *err)
{
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    int i = find_option(command, word);
    if (i < 0) {
        return refuse_unknown(command, word, err);
    }
    const struct arg_option *option = &command->options[i];
    if (option->value == NULL && equals != NULL) {
        return err_set(err, ERR_INVALID, "--%s takes no value", option->name);
    }
    if (option->value != NULL && equals == NULL && ++*at >= argc) {
        return err_set(err, ERR_INVALID, "--%s needs a value", option->name);
    }
    out->option = i;
    out->value = option->value == NULL ? "" : equals != NULL ? equals + 1 : argv[*at];
    return ERR_OK;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static enum err_code keep_option(struct args *args, const struct arg *arg, struct arg *given,
                                 struct err *err)
{
    const struct arg_option *option = &args->command->options[arg->option];
    if (args->values[arg->option] != NULL && option->value != NULL && option->repeat == ARG_ONCE) {
        return err_set(err, ERR_INVALID, "--%s is given twice", option->name);
    }
    args->values[arg->option] = arg->value;
    given[args->n_given++] = *arg;
    return ERR_OK;
}

enum err_code args_parse(const struct arg_command *command, int argc, char **argv,
                         struct arena *arena, struct args *out, struct err *err)
{
    size_t max = (size_t)argc + 1;
    struct arg *given = arena_alloc_array(arena, max, sizeof *given);
    bool ended = false;
    *out = (struct args){.command = command, .given = given};
    out->words = arena_zalloc_array(arena, max, sizeof *out->words);
    if (given == NULL || out->words == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the arguments");
    }
    out->wants_help = asks_for_help(argc, argv);
    for (int at = 0; at < argc && !out->wants_help; at++) {
        struct arg arg = {.option = -1};
        if (ended || argv[at][0] != '-' || argv[at][1] == '\0') {
            out->words[out->n_words++] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            ended = true;
        } else if (read_option(command, argc, argv, &at, &arg, err) != ERR_OK ||
                   keep_option(out, &arg, given, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

const char *args_word(const struct args *args, int i)
{
    return i < args->n_words ? args->words[i] : NULL;
}

enum err_code args_int(const struct args *args, int option, int64_t min, int64_t max, int64_t *out,
                       struct err *err)
{
    const struct arg_option *about = &args->command->options[option];
    const char *text = args->values[option] != NULL ? args->values[option] : about->standard;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max) {
        return err_set(err, ERR_INVALID,
                       "--%s is \"%.40s\"; a whole number from %lld to %lld is needed", about->name,
                       text, (long long)min, (long long)max);
    }
    *out = value;
    return ERR_OK;
}

/* ---- help ---- */

struct wrapped {
    FILE *out;
    int column;
};

/* Words of a text, broken where a line would be too long; the next lines begin below the first. */
static void put_wrapped(struct wrapped *to, const char *text)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (to->column > LEFT_COLUMNS && to->column + 1 + len > HELP_COLUMNS) {
            fprintf(to->out, "\n%*s", LEFT_COLUMNS, "");
            to->column = LEFT_COLUMNS;
        } else if (to->column > LEFT_COLUMNS) {
            fputc(' ', to->out);
            to->column++;
        }
        fprintf(to->out, "%.*s", len, text);
        to->column += len;
        text += len + (text[len] == ' ');
    }
}

/* "a, b or c" */
static void put_choices(struct wrapped *to, const char *const *choices)
{
    for (int i = 0; choices[i] != NULL; i++) {
        char word[NEAR_NAME_CHARS];
        bool last = choices[i + 1] == NULL;
        snprintf(word, sizeof word, "%s%s%s", last && i > 0 ? "or " : "", choices[i],
                 last || choices[i + 2] == NULL ? "" : ",");
        put_wrapped(to, word);
    }
}

static void print_option(const struct arg_option *option, FILE *out)
{
    char left[80];
    char letter[] = {'-', option->letter, ',', ' ', '\0'};
    bool has_value = option->value != NULL;
    snprintf(left, sizeof left, "  %s--%s%s%s", option->letter != '\0' ? letter : "", option->name,
             has_value ? " " : "", has_value ? option->value : "");
    fprintf(out, "%-*s", LEFT_COLUMNS, left);
    if (strlen(left) >= LEFT_COLUMNS) {
        fprintf(out, "\n%*s", LEFT_COLUMNS, "");
    }
    struct wrapped to = {.out = out, .column = LEFT_COLUMNS};
    put_wrapped(&to, option->help);
    if (option->choices != NULL) {
        put_choices(&to, option->choices);
    }
    if (option->standard != NULL) {
        char standard[128];
        snprintf(standard, sizeof standard, "[%s]", option->standard);
        put_wrapped(&to, standard);
    }
    fputc('\n', out);
}

void args_print_help(const struct arg_command *command, FILE *out)
{
    static const struct arg_option help = {.name = "help", .letter = 'h', .help = "print this"};
    const char *program = command->is_program ? "" : "surrogated ";
    const char *before = "usage:";
    for (const char *line = command->usage; *line != '\0'; before = "      ") {
        size_t len = strcspn(line, "\n");
        fprintf(out, "%s %s%s %.*s\n", before, program, command->name, (int)len, line);
        line += len + (line[len] == '\n');
    }
    fprintf(out, "\n%c%s.\n\n", toupper((unsigned char)command->summary[0]), command->summary + 1);
    for (int i = 0; i < command->n_options; i++) {
        if (is_taken(command, i)) {
            print_option(&command->options[i], out);
        }
    }
    print_option(&help, out);
    fprintf(out, "%s%s", command->text != NULL ? "\n" : "",
            command->text != NULL ? command->text : "");
}

void args_print_summary(const struct arg_command *command, FILE *out)
{
    fprintf(out, "  %-14s%s\n", command->name, command->summary);
}
