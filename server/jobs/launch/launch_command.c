/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/launch/launch_command.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Writes the next word of *at, with its zero, to `to` and moves *at behind it. Returns the bytes
 * written; 0: there is no further word, or a quote is not closed (*open).
 */
static size_t next_word(const char **at, char *to, bool *open)
{
    const char *from = *at;
    while (is_blank(*from)) {
        from++;
    }
    size_t n = 0;
    char quote = '\0';
    const bool any = *from != '\0';
    for (; *from != '\0' && (quote != '\0' || !is_blank(*from)); from++) {
        if (quote != '\0' ? *from == quote : *from == '\'' || *from == '"') {
            quote = quote != '\0' ? '\0' : *from;
        } else {
            to[n++] = *from;
        }
    }
    *at = from;
    *open = quote != '\0';
    if (!any || *open) {
        return 0;
    }
    to[n] = '\0';
    return n + 1;
}

/* Bytes and words that the arguments need at most; false: more than a size can say. */
static bool measure(const char *setting, const char *const *command, size_t *n_words,
                    size_t *n_bytes)
{
    const size_t len = strlen(setting);
    *n_words = len / 2 + 2; /* a word and a blank each; and NULL */
    *n_bytes = len + 1;
    for (; *command != NULL; command++) {
        if (!size_add(*n_bytes, strlen(*command) + 1, n_bytes)) {
            return false;
        }
        (*n_words)++;
    }
    return true;
}

static enum err_code fill(const char *setting, const char *const *command, char **words, char *to,
                          struct err *err)
{
    size_t n = 0;
    int n_commands = 0;
    bool open = false;
    for (size_t size; (size = next_word(&setting, to, &open)) > 0;) {
        if (strcmp(to, "{command}") != 0) {
            words[n++] = to;
            to += size;
            continue;
        }
        if (n == 0 || *words[0] == '\0') {
            return err_set(err, ERR_INVALID, "launcher: no program comes before {command}");
        }
        if (++n_commands > 1) {
            break;
        }
        for (const char *const *word = command; *word != NULL; word++) {
            const size_t bytes = strlen(*word) + 1;
            memcpy(to, *word, bytes);
            words[n++] = to;
            to += bytes;
        }
    }
    if (open) {
        return err_set(err, ERR_INVALID, "launcher: a quote is not closed");
    }
    if (n_commands != 1) {
        return err_set(err, ERR_INVALID, "launcher: the word {command} must occur exactly once");
    }
    words[n] = NULL;
    return ERR_OK;
}

enum err_code launch_command_split(const char *setting, const char *const *command, char ***out,
                                   struct err *err)
{
    *out = NULL;
    size_t n_words, n_bytes, n_pointers, size;
    if (!measure(setting, command, &n_words, &n_bytes) ||
        !size_mul(n_words, sizeof(char *), &n_pointers) || !size_add(n_pointers, n_bytes, &size)) {
        return err_set(err, ERR_NOMEM, "launcher: the command is too long");
    }
    char **words = mem_alloc(size);
    if (words == NULL) {
        return err_set(err, ERR_NOMEM, "launcher: no memory for the command");
    }
    const enum err_code code = fill(setting, command, words, (char *)words + n_pointers, err);
    if (code != ERR_OK) {
        mem_free(words);
        return code;
    }
    *out = words;
    return ERR_OK;
}
