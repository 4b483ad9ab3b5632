/* SPDX-License-Identifier: Apache-2.0 */
#include "client/csv_head.h"

#include "base/textbuf.h"
#include "formats/text_header.h"

/* A name in quotes, a quote in it doubled. */
static void write_name(struct textbuf *out, const char *name)
{
    textbuf_puts(out, "\"");
    for (const char *p = name; *p != '\0'; p++) {
        textbuf_printf(out, "%s%c", *p == '"' ? "\"" : "", *p);
    }
    textbuf_puts(out, "\"");
}

static void write_names(struct textbuf *out, const struct text_table_reader *reader)
{
    const char separator[] = {reader->dialect.separator, '\0'};
    for (int j = 0; j < reader->n_fields; j++) {
        int column = j - reader->first_column;
        textbuf_puts(out, j > 0 ? separator : "");
        write_name(out, column < 0 ? reader->left_out[j] : reader->names[column]);
    }
    textbuf_puts(out, "\n");
}

enum err_code csv_head_read(const char *text, size_t len, struct arena *arena, struct csv_head *out,
                            struct err *err)
{
    const struct text_dialect untold = {.separator = 0};
    struct text_table_reader reader = text_table_reader(&untold, 1, arena);
    struct text_cursor c = {.at = text, .end = text + len, .line = 1};
    struct err refused = ERR_INIT;
    *out = (struct csv_head){.type = "text/csv"};
    if (text_header_read(&reader, &c, &refused) != ERR_OK || reader.n_fields == 0) {
        return refused.code == ERR_NOMEM ? err_set(err, ERR_NOMEM, "%s", err_msg(&refused))
                                         : ERR_OK;
    }
    struct textbuf names = textbuf_in(arena);
    if (reader.names != NULL) {
        write_names(&names, &reader);
        out->before = names.data;
    }
    out->type = arena_printf(arena, "text/csv; header=%s; separator=%s",
                             reader.names != NULL ? "present" : "absent",
                             text_separator_name(reader.dialect.separator));
    return out->type != NULL && !textbuf_failed(&names)
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the request");
}
