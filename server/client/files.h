/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read and written for a command. */
#ifndef FILES_H
#define FILES_H

#include "client/client.h"

enum file_format { FORMAT_CSV, FORMAT_JSON, FORMAT_NPY, FORMAT_NPZ }; /* as options_formats */

struct input {
    const char *name;
    FILE *file; /* NULL: not open */
    enum file_format format;
    const char *type; /* its Content-Type, with what --table says */
};

/* The format given by --format or else by the name's ending; CSV if neither does. ERR_INVALID. */
enum err_code files_format(const struct client *client, const char *name, enum file_format *out,
                           struct err *err) MUST_CHECK;

/* "-" is standard input. ERR_INVALID: it cannot be opened, or --table is given and it is no CSV. */
enum err_code input_open(struct client *client, const char *name, struct input *out,
                         struct err *err) MUST_CHECK;
void input_close(struct input *input);

/* Skips blanks; the first other character, which stays to be read, or EOF. */
int input_peek(struct input *input);

/* Can it be read again from its beginning? */
bool input_can_rewind(const struct input *input);

/* All of it, by mem, with a NUL. ERR_NOMEM, ERR_CORRUPT (it cannot be read), ERR_CANCELLED. */
enum err_code input_read(struct input *input, char **out, size_t *len, struct err *err) MUST_CHECK;

/*
 * A call whose answer goes to the file of --out, or else to standard output. The file appears whole
 * or not at all; pipes and devices are written to. ERR_FULL, ERR_INVALID (the file cannot be made,
 * or the answer is `binary` and the output a terminal).
 */
enum err_code files_save(struct client *client, struct call *call, bool binary,
                         struct err *err) MUST_CHECK;

/* The same for bytes that are there already. */
enum err_code files_put(struct client *client, const char *bytes, size_t n, bool binary,
                        struct err *err) MUST_CHECK;

#endif
