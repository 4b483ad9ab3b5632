/* SPDX-License-Identifier: Apache-2.0 */
#include "client/files.h"

#include "client/interrupt.h"
#include "client/terminal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const types[] = {[FORMAT_CSV] = "text/csv",
                                    [FORMAT_JSON] = "application/json",
                                    [FORMAT_NPY] = "application/x-npy",
                                    [FORMAT_NPZ] = "application/x-npz"};

/* The part of a name behind its last dot; empty when there is none. */
static const char *ending_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : "";
}

enum err_code files_format(const struct client *client, const char *name, enum file_format *out,
                           struct err *err)
{
    const char *given = client->args->values[OPT_FORMAT];
    const char *wanted = given != NULL ? given : ending_of(name);
    *out = FORMAT_CSV;
    for (int i = 0; options_formats[i] != NULL; i++) {
        if (strcmp(wanted, options_formats[i]) == 0) {
            *out = (enum file_format)i;
            return ERR_OK;
        }
    }
    if (given != NULL) {
        return err_set(err, ERR_INVALID, "format is \"%.40s\"; csv, json, npy or npz is needed",
                       given);
    }
    return ERR_OK;
}

/* Opening a pipe waits for somebody at its other end, until Ctrl-C. */
static enum err_code report_unopened(const char *name, struct err *err)
{
    return interrupt_seen() ? err_set(err, ERR_CANCELLED, "interrupted")
                            : err_set(err, ERR_INVALID, "%.120s: %s", name, strerror(errno));
}

/* The Content-Type of a file; --table says more of a table. */
static enum err_code find_type(struct client *client, enum file_format format, const char **out,
                               struct err *err)
{
    const char *table = client->args->values[OPT_TABLE];
    *out = types[format];
    if (table == NULL) {
        return ERR_OK;
    }
    if (format != FORMAT_CSV) {
        return err_set(err, ERR_INVALID, "--table is for CSV, and the file is %s",
                       options_formats[format]);
    }
    *out = arena_printf(&client->arena, "%s; %s", types[format], table);
    return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the request");
}

enum err_code input_open(struct client *client, const char *name, struct input *out,
                         struct err *err)
{
    struct stat about;
    *out = (struct input){.name = strcmp(name, "-") == 0 ? "standard input" : name};
    if (files_format(client, name, &out->format, err) != ERR_OK ||
        find_type(client, out->format, &out->type, err) != ERR_OK) {
        return err->code;
    }
    out->file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    if (out->file == NULL) {
        return report_unopened(name, err);
    }
    if (fstat(fileno(out->file), &about) == 0 && S_ISDIR(about.st_mode)) {
        input_close(out);
        return err_set(err, ERR_INVALID, "%.120s is a folder", name);
    }
    return ERR_OK;
}

void input_close(struct input *input)
{
    if (input->file != NULL && input->file != stdin) {
        fclose(input->file);
    }
    input->file = NULL;
}

bool input_can_rewind(const struct input *input)
{
    struct stat about;
    return fstat(fileno(input->file), &about) == 0 && S_ISREG(about.st_mode);
}

int input_peek(struct input *input)
{
    int c;
    do {
        c = getc(input->file);
    } while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    if (c != EOF) {
        ungetc(c, input->file);
    }
    return c;
}

enum err_code input_read(struct input *input, char **out, size_t *len, struct err *err)
{
    size_t capacity = 0;
    size_t n = 0;
    char *text = NULL;
    do {
        if (n + 1 >= capacity) {
            capacity = capacity < 4096 ? 8192 : 2 * capacity;
            char *grown = mem_realloc_array(text, capacity, 1);
            if (grown == NULL) {
                mem_free(text);
                return err_set(err, ERR_NOMEM, "no memory for %.80s", input->name);
            }
            text = grown;
        }
        n += fread(text + n, 1, capacity - n - 1, input->file);
    } while (!feof(input->file) && !ferror(input->file));
    if (ferror(input->file)) {
        mem_free(text);
        return interrupt_seen() ? err_set(err, ERR_CANCELLED, "interrupted")
                                : err_set(err, ERR_CORRUPT, "%.120s cannot be read", input->name);
    }
    text[n] = '\0';
    *out = text;
    *len = n;
    return ERR_OK;
}

static bool is_of_the_system(const char *name)
{
    return strncmp(name, "/dev/", 5) == 0 || strncmp(name, "/proc/", 6) == 0;
}

/* A device, a pipe or the like, or the file that is open as /dev/stdout: a new file must not
 * replace it. */
static bool is_special(const char *name)
{
    struct stat about;
    char target[PATH_MAX];
    ssize_t n = readlink(name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    return is_of_the_system(name) || is_of_the_system(target) ||
           (stat(name, &about) == 0 && !S_ISREG(about.st_mode));
}

/* What goes into a file: the answer to a call, or bytes. */
struct content {
    struct client *client;
    struct call *call; /* NULL: the bytes */
    const char *bytes;
    size_t n;
};

static enum err_code write_content(const struct content *content, const char *name, FILE *file,
                                   struct err *err)
{
    struct answer answer = {.status = 0};
    if (content->call == NULL) {
        errno = 0;
        if (fwrite(content->bytes, 1, content->n, file) != content->n) {
            err_set(err, errno == EPIPE ? ERR_CANCELLED : ERR_FULL, "%.120s: %s", name,
                    strerror(errno));
        }
        return err->code;
    }
    content->call->sink = file;
    err_kept(client_call(content->client, content->call, &answer, err));
    answer_release(&answer);
    return err->code;
}

static enum err_code save_into(const struct content *content, const char *name, struct err *err)
{
    FILE *file = fopen(name, "wb");
    if (file == NULL) {
        return report_unopened(name, err);
    }
    err_kept(write_content(content, name, file, err));
    if (fclose(file) != 0) {
        err_set(err, errno == EPIPE ? ERR_CANCELLED : ERR_FULL, "%.120s: %s", name,
                strerror(errno));
    }
    return err->code;
}

/* Writes a file beside the target and renames it once it is whole. A symbolic link stays one. */
static enum err_code save_as(const struct content *content, const char *link, struct err *err)
{
    char target[PATH_MAX];
    const char *name = realpath(link, target) != NULL ? target : link;
    char *part = arena_printf(&content->client->arena, "%s.part", name);
    FILE *file = part != NULL ? fopen(part, "wb") : NULL;
    if (file == NULL) {
        return err_set(err, ERR_INVALID, "%.120s: %s", part != NULL ? part : name, strerror(errno));
    }
    err_kept(write_content(content, part, file, err));
    if (fclose(file) != 0) {
        err_set(err, ERR_FULL, "%.120s: %s", part, strerror(errno));
    }
    if (err->code == ERR_OK && rename(part, name) != 0) {
        err_set(err, ERR_FULL, "%.120s: %s", name, strerror(errno));
    }
    if (err->code != ERR_OK) {
        unlink(part);
    }
    return err->code;
}

static enum err_code save(const struct content *content, bool binary, struct err *err)
{
    const char *name = content->client->args->values[OPT_OUT];
    if (name != NULL && strcmp(name, "-") != 0) {
        return is_special(name) ? save_into(content, name, err) : save_as(content, name, err);
    }
    if (binary && name == NULL && terminal_is(stdout)) {
        return err_set(err, ERR_INVALID, "this is not for a terminal; -o FILE writes it to a file");
    }
    return write_content(content, "standard output", stdout, err);
}

enum err_code files_save(struct client *client, struct call *call, bool binary, struct err *err)
{
    return save(&(struct content){.client = client, .call = call}, binary, err);
}

enum err_code files_put(struct client *client, const char *bytes, size_t n, bool binary,
                        struct err *err)
{
    return save(&(struct content){.client = client, .bytes = bytes, .n = n}, binary, err);
}
