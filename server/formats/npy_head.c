/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/npy_head.h"

#include "base/textbuf.h"
#include "formats/mistaken.h"

#include <string.h>

#include "base/mem.h"

#define MAX_HEADER  65536
#define MAX_NAME    128  /* bytes of a field's name */
#define MAX_PADDING 4096 /* bytes in a record */

struct cursor {
    const char *at;
    const char *end;
};

/* ---- the dictionary ---- */

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) {
        c->at++;
    }
}

static bool skip_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0) {
        return false;
    }
    c->at += len;
    return true;
}

/* A string in quotes without escapes. */
static bool read_string(struct cursor *c, char *out, size_t size)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    char quote = *c->at++;
    size_t len = 0;
    while (c->at < c->end && *c->at != quote) {
        if (len + 1 >= size || *c->at == '\\') {
            return false;
        }
        out[len++] = *c->at++;
    }
    out[len] = '\0';
    return c->at < c->end && *c->at++ == quote;
}

static bool read_count(struct cursor *c, size_t *out)
{
    size_t value = 0;
    skip_blanks(c);
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (!size_mul(value, 10, &value) || !size_add(value, (size_t)(*c->at - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    bool any = c->at > start;
    c->at += any && c->at < c->end && *c->at == 'L'; /* Python 2 marks its long integers */
    return any;
}

static bool read_shape(struct cursor *c, struct npy_layout *head)
{
    if (!skip_word(c, "(")) {
        return false;
    }
    while (!skip_word(c, ")")) {
        if (head->rank == NPY_MAX_RANK || !read_count(c, &head->shape[head->rank])) {
            return false;
        }
        head->rank++;
        if (!skip_word(c, ",")) {
            return skip_word(c, ")");
        }
    }
    return true;
}

static enum err_code bad_header(struct err *err)
{
    return err_set(err, ERR_SYNTAX, "the header of the npy body is malformed");
}

/* *item: bytes of a number. field: its name, or NULL in a plain array. */
static enum err_code find_item(const char *type, const char *field, size_t *item, struct err *err)
{
    *item = strcmp(type, "<f8") == 0 ? 8 : (strcmp(type, "<f4") == 0 ? 4 : 0);
    if (*item != 0) {
        return ERR_OK;
    }
    if (field != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "field \"%.60s\" of the npy body holds %.15s, little-endian float64 or "
                       "float32 is needed",
                       field, type);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the npy body holds %.15s, little-endian float64 or float32 is needed (in "
                   "NumPy: .astype('<f8'))",
                   type);
}

/* Padding of an aligned record: ('', '|V4'). */
static bool is_padding(const char *name, const char *type, size_t *bytes)
{
    struct cursor c = {type + 2, type + strlen(type)};
    return name[0] == '\0' && strncmp(type, "|V", 2) == 0 && read_count(&c, bytes) &&
           c.at == c.end && *bytes <= MAX_PADDING;
}

/* ('name', '<f8') from behind the bracket; *n: fields so far. */
static enum err_code read_field(struct cursor *c, struct arena *arena, struct npy_layout *head,
                                struct err *err)
{
    char name[MAX_NAME + 1];
    char type[16];
    size_t bytes = 0;
    if (!read_string(c, name, sizeof name) || !skip_word(c, ",") ||
        !read_string(c, type, sizeof type)) {
        return bad_header(err);
    }
    if (!skip_word(c, ")")) {
        return err_set(err, ERR_UNSUPPORTED,
                       "field \"%.60s\" of the npy body is an array, a number is needed", name);
    }
    if (!is_padding(name, type, &bytes)) {
        struct npy_field *field = &head->fields[head->n_fields];
        if (find_item(type, name, &bytes, err) != ERR_OK) {
            return err->code;
        }
        *field = (struct npy_field){arena_strndup(arena, name, strlen(name)), head->item, bytes};
        if (field->name == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the names of the columns");
        }
        head->n_fields++;
    }
    head->item += bytes;
    return ERR_OK;
}

/* [('x', '<f8'), ('y', '<f8')] from behind the opening bracket. */
static enum err_code read_fields(struct cursor *c, struct arena *arena, struct npy_layout *head,
                                 struct err *err)
{
    size_t room = 1;
    for (const char *p = c->at; p < c->end; p++) {
        room += *p == '(';
    }
    head->fields = arena_alloc_array(arena, room, sizeof *head->fields);
    if (head->fields == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of the columns");
    }
    while (!skip_word(c, "]")) {
        if (!skip_word(c, "(")) {
            return bad_header(err);
        }
        if (read_field(c, arena, head, err) != ERR_OK) {
            return err->code;
        }
        if (!skip_word(c, ",") && !skip_word(c, "]")) {
            return bad_header(err);
        }
        if (c->at[-1] == ']') {
            break;
        }
    }
    return head->n_fields > 0 ? ERR_OK : bad_header(err);
}

static enum err_code read_type(struct cursor *c, struct arena *arena, struct npy_layout *head,
                               struct err *err)
{
    char type[16];
    if (skip_word(c, "[")) {
        return read_fields(c, arena, head, err);
    }
    return read_string(c, type, sizeof type) ? find_item(type, NULL, &head->item, err)
                                             : bad_header(err);
}

static enum err_code read_dictionary(struct cursor *c, struct arena *arena, struct npy_layout *head,
                                     struct err *err)
{
    bool has_shape = false;
    bool has_order = false;
    if (!skip_word(c, "{")) {
        return bad_header(err);
    }
    while (!skip_word(c, "}")) {
        char key[16];
        if (!read_string(c, key, sizeof key) || !skip_word(c, ":")) {
            return bad_header(err);
        }
        if (strcmp(key, "descr") == 0 && head->item == 0) {
            if (read_type(c, arena, head, err) != ERR_OK) {
                return err->code;
            }
        } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
            head->fortran = skip_word(c, "True");
            has_order = head->fortran || skip_word(c, "False");
            if (!has_order) {
                return bad_header(err);
            }
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            has_shape = read_shape(c, head);
            if (!has_shape) {
                return bad_header(err);
            }
        } else {
            return bad_header(err);
        }
        if (!skip_word(c, ",")) {
            if (!skip_word(c, "}")) {
                return bad_header(err);
            }
            break;
        }
    }
    skip_blanks(c);
    return head->item != 0 && has_order && has_shape && c->at == c->end ? ERR_OK : bad_header(err);
}

enum err_code npy_head_read(const unsigned char *bytes, size_t len, struct arena *arena,
                            struct npy_layout *out, struct err *err)
{
    *out = (struct npy_layout){.item = 0};
    if (len < NPY_MAGIC_BYTES || memcmp(bytes, NPY_MAGIC, NPY_MAGIC_BYTES) != 0) {
        const char *mistaken = mistaken_for((const char *)bytes, len);
        return err_set(err, ERR_SYNTAX, "the body %s",
                       mistaken != NULL && len > 0 ? mistaken
                                                   : "is not npy, which begins with \\x93NUMPY");
    }
    if (len < NPY_MAGIC_BYTES + 4) {
        return err_set(err, ERR_SYNTAX, "the npy body ends after %zu bytes, before its header",
                       len);
    }
    int major = bytes[NPY_MAGIC_BYTES];
    size_t start = major == 1 ? 10 : 12;
    if (major < 1 || major > 3 || len < start) {
        return err_set(err, ERR_UNSUPPORTED, "the npy body has version %d, 1 to 3 are supported",
                       major);
    }
    size_t header = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (major > 1) {
        header |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (header > MAX_HEADER || header > len - start) {
        return bad_header(err);
    }
    struct cursor c = {.at = (const char *)bytes + start,
                       .end = (const char *)bytes + start + header};
    out->data = start + header;
    return read_dictionary(&c, arena, out, err);
}

/* ---- writing ---- */

#define LONG_PREFIX 12 /* bytes before the dictionary, from version 2 on */

static enum err_code write_fields(const struct npy_records *records, struct textbuf *text,
                                  struct err *err)
{
    textbuf_puts(text, "{'descr': [");
    for (int j = 0; j < records->k; j++) {
        const char *name = records->names[j];
        char quote = strchr(name, '\'') == NULL ? '\'' : '"';
        if (strchr(name, quote) != NULL || strchr(name, '\\') != NULL) {
            return err_set(err, ERR_UNSUPPORTED,
                           "the name \"%.60s\" has quotes of both kinds or a backslash, which a "
                           "structured array cannot have here; json and csv can",
                           name);
        }
        textbuf_printf(text, "%s(%c%s%c, '<f8')", j > 0 ? ", " : "", quote, name, quote);
    }
    textbuf_printf(text, "], 'fortran_order': False, 'shape': (%zu,), }", records->n);
    return ERR_OK;
}

enum err_code npy_head_write(const struct npy_records *records, struct arena *arena,
                             const char **head, size_t *len, struct err *err)
{
    struct textbuf text = textbuf_in(arena);
    textbuf_put(&text, NPY_MAGIC "\x03\x00\0\0\0\0", LONG_PREFIX);
    if (write_fields(records, &text, err) != ERR_OK) {
        return err->code;
    }
    while ((text.len + 1) % NPY_ALIGNMENT != 0 && !textbuf_failed(&text)) {
        textbuf_puts(&text, " ");
    }
    textbuf_puts(&text, "\n");
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    size_t header = text.len - LONG_PREFIX;
    if (header > MAX_HEADER) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the names are too long for the header of a structured array; json and csv "
                       "can have them");
    }
    for (int i = 0; i < 4; i++) {
        text.data[8 + i] = (char)(header >> (8 * i) & 0xff);
    }
    *head = text.data;
    *len = text.len;
    return ERR_OK;
}
