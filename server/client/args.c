/* SPDX-License-Identifier: Apache-2.0 */
#include "client/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *value;
    const char *help;
} options[] = {
#define OPTION(id, name, value, help) {name, value, help},
#include "client/options.def"
#undef OPTION
};

_Static_assert(N_OPTIONS <= 64, "a set of options is 64 bits");

/* The option that a word such as "--server=x", "-o" or "-h" names; N_OPTIONS when there is none. */
static int find(const char *word, uint64_t allowed)
{
    size_t len = strcspn(word, "=");
    if (strcmp(word, "-h") == 0) {
        return OPT_HELP;
    }
    for (int i = 0; i < N_OPTIONS; i++) {
        bool named = len == strlen(options[i].name) + 2 && strncmp(word, "--", 2) == 0 &&
                     strncmp(word + 2, options[i].name, len - 2) == 0;
        if ((allowed >> i & 1) != 0 && (named || (i == OPT_OUT && strcmp(word, "-o") == 0))) {
            return i;
        }
    }
    return N_OPTIONS;
}

/* The option at argv[*at], with its value; *at becomes the index of the last word taken. */
static enum err_code take_option(int argc, char **argv, int *at, uint64_t allowed, struct args *out,
                                 struct err *err)
{
    const char *word = argv[*at];
    int i = find(word, allowed);
    const char *equals = strchr(word, '=');
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (i == N_OPTIONS) {
        return err_set(err, ERR_INVALID, "%.60s is no option of this command", word);
    }
    if (options[i].value == NULL) {
        if (value != NULL) {
            return err_set(err, ERR_INVALID, "--%s takes no value", options[i].name);
        }
        value = "";
    } else if (value == NULL) {
        if (++*at >= argc) {
            return err_set(err, ERR_INVALID, "--%s needs a value", options[i].name);
        }
        value = argv[*at];
    }
    if (i == OPT_SET) {
        out->sets[out->n_sets++] = value;
    } else if (out->values[i] != NULL && options[i].value != NULL) {
        return err_set(err, ERR_INVALID, "--%s is given twice", options[i].name);
    }
    out->values[i] = value;
    return ERR_OK;
}

enum err_code args_parse(int argc, char **argv, uint64_t allowed, struct arena *arena,
                         struct args *out, struct err *err)
{
    size_t max = (size_t)argc + 1;
    bool ended = false;
    *out = (struct args){.n_words = 0};
    out->sets = arena_zalloc_array(arena, max, sizeof *out->sets);
    out->words = arena_zalloc_array(arena, max, sizeof *out->words);
    if (out->sets == NULL || out->words == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the arguments");
    }
    for (int at = 0; at < argc; at++) {
        if (ended || argv[at][0] != '-' || argv[at][1] == '\0') {
            out->words[out->n_words++] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            ended = true;
        } else if (take_option(argc, argv, &at, allowed, out, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

const char *args_word(const struct args *args, int i)
{
    return i < args->n_words ? args->words[i] : NULL;
}

enum err_code args_int(const struct args *args, enum option option, int64_t min, int64_t max,
                       int64_t absent, int64_t *out, struct err *err)
{
    const char *text = args->values[option];
    char *end = NULL;
    if (text == NULL) {
        *out = absent;
        return ERR_OK;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max) {
        return err_set(err, ERR_INVALID, "--%s is \"%.40s\", a number from %lld to %lld is needed",
                       options[option].name, text, (long long)min, (long long)max);
    }
    *out = value;
    return ERR_OK;
}

void args_print_help(uint64_t allowed, FILE *out)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options[i].name,
                 options[i].value != NULL ? " " : "",
                 options[i].value != NULL ? options[i].value : "");
        if ((allowed >> i & 1) != 0) {
            fprintf(out, "  %-24s%s\n", left, options[i].help);
        }
    }
}
