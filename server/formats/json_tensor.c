/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is walked once, through the outermost object and the objects in it that may hold a
 * tensor. An array under a known key is read as a tensor, and jansson gets the text with "null" in
 * its place. What the walk does not understand it leaves to jansson. When jansson finds an error,
 * it reads the whole text again, so that the error has the line and column that the client counts.
 */
#include "formats/json_tensor.h"

#include "base/numtext.h"
#include "base/phrase.h"
#include "formats/text_record.h"

#include <math.h>
#include <string.h>

#define FIRST_ITEMS 8                       /* of a list for which there is room at first */
#define MAX_CUTS    (4 * JSON_TENSOR_ITEMS) /* jansson reads tensors after these */
#define NULL_TEXT   "null"

/* The text of a tensor: [from, to) of the document. */
struct cut {
    size_t from;
    size_t to;
};

struct walk {
    const char *text;
    const char *at;
    const char *end;
    struct arena *arena;
    struct json_tensors tensors;
    struct cut *cuts; /* in the arena */
    int n_cuts;
    int room; /* for cuts */
    int item; /* index in the list that is being walked */
};

static void skip_blanks(struct walk *w)
{
    while (w->at < w->end &&
           (*w->at == ' ' || *w->at == '\n' || *w->at == '\r' || *w->at == '\t')) {
        w->at++;
    }
}

static bool skip_char(struct walk *w, char c)
{
    skip_blanks(w);
    if (w->at < w->end && *w->at == c) {
        w->at++;
        return true;
    }
    return false;
}

/* ---- a tensor ---- */

static enum err_code bad_syntax(const struct walk *w, const char *what, struct err *err)
{
    int line = 1;
    int column = 1;
    for (const char *p = w->text; p < w->at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return err_set(err, ERR_SYNTAX, "line %d, column %d: %s", line, column, what);
}

/* The error for what is there instead of a number. */
static enum err_code not_a_number(const struct walk *w, const char *key, int row, int column,
                                  struct err *err)
{
    static const struct {
        const char *text;
        const char *kind;
    } kinds[] = {{"\"", "a string"},         {"null", "null"},  {"true", "a truth value"},
                 {"false", "a truth value"}, {"[", "an array"}, {"{", "an object"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(kinds[i].text);
        if ((size_t)(w->end - w->at) >= len && memcmp(w->at, kinds[i].text, len) == 0) {
            return err_set_at(err, ERR_INVALID, row, column,
                              "%s: row %d, column %d is %s, not a number", key, row, column,
                              kinds[i].kind);
        }
    }
    return bad_syntax(w, "a number is expected", err);
}

static bool skip_null(const struct walk *w, const char **next)
{
    const size_t len = sizeof NULL_TEXT - 1;
    *next = w->at + len;
    return (size_t)(w->end - w->at) >= len && memcmp(w->at, NULL_TEXT, len) == 0;
}

/* Reads the numbers of a row from behind its '[' to behind its ']'; *k: how many. */
static enum err_code read_row(struct walk *w, const struct json_tensor *t, int row, double *out,
                              int *k, struct err *err)
{
    *k = 0;
    if (skip_char(w, ']')) {
        return ERR_OK;
    }
    for (;;) {
        const char *next = NULL;
        skip_blanks(w);
        enum numtext_status status = numtext_read(w->at, w->end, &next, &out[*k]);
        if (status == NUMTEXT_SYNTAX && t->holes && skip_null(w, &next)) {
            out[*k] = NAN;
        } else if (status == NUMTEXT_SYNTAX) {
            return not_a_number(w, t->key, row, *k, err);
        }
        if (status == NUMTEXT_OVERFLOW) {
            return err_set_at(err, ERR_NONFINITE, row, *k,
                              "%s: row %d, column %d is beyond the range of a float64", t->key, row,
                              *k);
        }
        w->at = next;
        if (++*k > t->max_columns) {
            return err_set_at(err, ERR_LIMIT, row, -1, "%s: row %d has more than %d columns",
                              t->key, row, t->max_columns);
        }
        if (skip_char(w, ']')) {
            return ERR_OK;
        }
        if (!skip_char(w, ',')) {
            return bad_syntax(w, "',' or ']' is expected", err);
        }
    }
}

/*
 * How many numbers there may be up to the bracket that closes the array, from behind its '['.
 * Reading cannot pass that bracket, so the room never has to grow.
 */
static size_t bound_numbers(const struct walk *w)
{
    size_t commas = 0;
    int depth = 1;
    for (const char *p = w->at; p < w->end && depth > 0; p++) {
        commas += *p == ',';
        depth += *p == '[' ? 1 : 0;
        depth -= *p == ']' ? 1 : 0;
    }
    return commas + 1;
}

static enum err_code read_rows(struct walk *w, struct json_tensor *t, struct err *err)
{
    t->n = 0;
    do {
        int k = 0;
        if (!skip_char(w, '[')) {
            skip_blanks(w);
            const char *next;
            double ignored;
            if (t->holes && skip_null(w, &next)) {
                return err_set_at(err, ERR_INVALID, t->n, -1,
                                  "%s: row %d is null, [null, ..] is needed: a null for each "
                                  "value that is missing",
                                  t->key, t->n);
            }
            if (numtext_read(w->at, w->end, &next, &ignored) == NUMTEXT_OK) {
                return err_set_at(err, ERR_INVALID, t->n, -1,
                                  "%s: row %d is a number, not an array", t->key, t->n);
            }
            return w->at < w->end && *w->at != ']' ? not_a_number(w, t->key, t->n, 0, err)
                                                   : bad_syntax(w, "a row is expected", err);
        }
        if (t->n == t->max_rows) {
            return err_set(err, ERR_TOO_LARGE,
                           "%s has more than %s, which is the limit for one request", t->key,
                           phrase_count(t->max_rows, "row").text);
        }
        if (read_row(w, t, t->n, t->values + (size_t)t->n * (size_t)t->k, &k, err) != ERR_OK) {
            return err->code;
        }
        t->k = t->n == 0 ? k : t->k;
        if (k != t->k || k == 0) {
            return err_set_at(err, ERR_SHAPE, t->n, -1, "%s: row %d has %s, %s", t->key, t->n,
                              phrase_count(k, "number").text,
                              phrase_needed(k == 0 && t->n == 0 ? 1 : t->k).text);
        }
        t->n++;
    } while (skip_char(w, ','));
    return skip_char(w, ']') ? ERR_OK : bad_syntax(w, "',' or ']' is expected", err);
}

static enum err_code no_memory(const struct json_tensor *t, struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for %s", t->key);
}

/* Reads the array that begins with the '[' at w->at. */
static enum err_code read_tensor(struct walk *w, struct json_tensor *t, struct err *err)
{
    w->at++;
    if (skip_char(w, ']')) {
        return err_set(err, ERR_SHAPE, "%s is empty, at least one row is needed", t->key);
    }
    /* A row may turn out longer than the first: there is room for all numbers, and one more. */
    t->values = arena_alloc_array(w->arena, bound_numbers(w) + 1, sizeof *t->values);
    if (t->values == NULL) {
        return no_memory(t, err);
    }
    skip_blanks(w);
    t->found = true;
    t->flat = w->at < w->end && *w->at != '[' && *w->at != '{';
    if (!t->flat) {
        return read_rows(w, t, err);
    }
    t->n = 1;
    return read_row(w, t, 0, t->values, &t->k, err);
}

/* ---- the object around ---- */

/* Skips a string whose opening quote has been skipped. */
static bool skip_string(struct walk *w)
{
    for (; w->at < w->end; w->at++) {
        if (*w->at == '"') {
            w->at++;
            return true;
        }
        w->at += *w->at == '\\';
    }
    w->at = w->end;
    return false;
}

/* Skips any value, up to the ',' or the bracket that follows it. */
static void skip_value(struct walk *w)
{
    int depth = 0;
    while (w->at < w->end) {
        char c = *w->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return;
        }
        w->at++;
        if (c == '"') {
            if (!skip_string(w)) {
                return;
            }
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
}

/* A key of an object; prefix is the path of the object ("" or "posterior."). */
struct name {
    const char *prefix;
    size_t prefix_len;
    const char *key;
    size_t len;
};

static bool has_path(const char *path, const struct name *name)
{
    /* The client's key may hold a NUL, or the '.' that separates the parts of a path. */
    return memchr(name->key, '.', name->len) == NULL &&
           strlen(path) >= name->prefix_len + name->len &&
           memcmp(path, name->prefix, name->prefix_len) == 0 &&
           memcmp(path + name->prefix_len, name->key, name->len) == 0;
}

static struct json_tensor *find_tensor(const struct walk *w, const struct name *name)
{
    for (int i = 0; i < w->tensors.n; i++) {
        const char *path = w->tensors.list[i].key;
        if (has_path(path, name) && path[name->prefix_len + name->len] == '\0') {
            return &w->tensors.list[i];
        }
    }
    return NULL;
}

/*
 * The path of a tensor that is inside the object (mark ".") or the list of objects (mark "[].")
 * under this key; NULL: there is none.
 */
static const char *find_inside(const struct walk *w, const struct name *name, const char *mark)
{
    for (int i = 0; i < w->tensors.n; i++) {
        const char *path = w->tensors.list[i].key;
        if (has_path(path, name) &&
            strncmp(path + name->prefix_len + name->len, mark, strlen(mark)) == 0) {
            return path;
        }
    }
    return NULL;
}

/* Makes room for the list's object of this number; a short list must not cost as much as a long. */
static bool reserve_item(struct arena *arena, struct json_tensor *list, int index)
{
    int n = list->n_items > 0 ? list->n_items : FIRST_ITEMS;
    while (n <= index) {
        n *= 2;
    }
    if (n == list->n_items) {
        return true;
    }
    struct json_tensor **items = arena_zalloc_array(arena, (size_t)n, sizeof *items);
    if (items == NULL) {
        return false;
    }
    if (list->n_items > 0) {
        memcpy(items, list->items, (size_t)list->n_items * sizeof *items);
    }
    list->items = items;
    list->n_items = n;
    return true;
}

/* The key of a list's object, with its number in the brackets; mark: where these are in the path.
 */
static char *item_key(struct arena *arena, const char *path, const char *mark, int index)
{
    size_t head = (size_t)(mark - path) + 1;
    size_t tail = strlen(mark + 1) + 1;
    char *key = arena_alloc(arena, head + NUMTEXT_MAX + tail);
    if (key != NULL) {
        memcpy(key, path, head);
        size_t n = numtext_write(index, key + head);
        memcpy(key + head + n, mark + 1, tail);
    }
    return key;
}

/* The tensor of the list's present object. */
static struct json_tensor *new_item(struct walk *w, struct json_tensor *list)
{
    const char *mark = strstr(list->key, "[]");
    struct json_tensor *t = arena_alloc(w->arena, sizeof *t);
    if (t == NULL || !reserve_item(w->arena, list, w->item)) {
        return NULL;
    }
    *t = (struct json_tensor){.max_rows = list->max_rows, .max_columns = list->max_columns};
    t->key = item_key(w->arena, list->key, mark, w->item);
    list->items[w->item] = t;
    return t->key != NULL ? t : NULL;
}

static bool room_for_cut(struct walk *w)
{
    if (w->n_cuts < w->room) {
        return true;
    }
    int room = w->room == 0 ? 8 : 2 * w->room;
    struct cut *cuts = arena_alloc_array(w->arena, (size_t)room, sizeof *cuts);
    if (cuts == NULL) {
        return false;
    }
    if (w->n_cuts > 0) {
        memcpy(cuts, w->cuts, (size_t)w->n_cuts * sizeof *cuts);
    }
    w->cuts = cuts;
    w->room = room;
    return true;
}

static enum err_code cut_tensor(struct walk *w, struct json_tensor *found, struct err *err)
{
    struct cut cut = {.from = (size_t)(w->at - w->text)};
    struct json_tensor *t = strstr(found->key, "[]") != NULL ? new_item(w, found) : found;
    if (t == NULL || !room_for_cut(w)) {
        return no_memory(found, err);
    }
    if (read_tensor(w, t, err) != ERR_OK) {
        return err->code;
    }
    cut.to = (size_t)(w->at - w->text);
    w->cuts[w->n_cuts++] = cut;
    return ERR_OK;
}

/* Reads the array at w->at as the tensor, or leaves it to jansson if it is not of numbers alone. */
static enum err_code take_tensor(struct walk *w, struct json_tensor *t, struct err *err)
{
    const char *from = w->at;
    if (cut_tensor(w, t, err) == ERR_OK || !t->mixed || err->code != ERR_INVALID ||
        w->at == w->end || (*w->at != '"' && *w->at != '{')) {
        return err->code;
    }
    err_clear(err);
    t->found = false;
    t->left = true;
    w->at = from;
    skip_value(w);
    return ERR_OK;
}

static enum err_code read_object(struct walk *w, const char *prefix, size_t prefix_len, bool *whole,
                                 struct err *err);

/* Walks a list of objects from its '['; *whole: it came to the ']'. */
static enum err_code read_list(struct walk *w, const char *prefix, size_t prefix_len, bool *whole,
                               struct err *err)
{
    *whole = false;
    skip_char(w, '[');
    if (skip_char(w, ']')) {
        *whole = true;
        return ERR_OK;
    }
    w->item = 0;
    do {
        bool inner = true;
        if (w->item == JSON_TENSOR_ITEMS) {
            return err_set(err, ERR_LIMIT, "%.*s has more than %d objects", (int)(prefix_len - 3),
                           prefix, JSON_TENSOR_ITEMS);
        }
        skip_blanks(w);
        if (w->at < w->end && *w->at == '{') {
            if (read_object(w, prefix, prefix_len, &inner, err) != ERR_OK || !inner) {
                return err->code;
            }
        } else {
            skip_value(w);
        }
        w->item++;
    } while (skip_char(w, ','));
    *whole = skip_char(w, ']');
    return ERR_OK;
}

/* Walks an object from its '{'; *whole: it came to the '}'. */
static enum err_code read_object(struct walk *w, const char *prefix, size_t prefix_len, bool *whole,
                                 struct err *err)
{
    *whole = false;
    if (!skip_char(w, '{')) {
        return ERR_OK;
    }
    if (skip_char(w, '}')) {
        *whole = true;
        return ERR_OK;
    }
    do {
        struct name name = {.prefix = prefix, .prefix_len = prefix_len};
        if (!skip_char(w, '"')) {
            return ERR_OK;
        }
        name.key = w->at;
        if (!skip_string(w)) {
            return ERR_OK;
        }
        name.len = (size_t)(w->at - name.key - 1);
        if (!skip_char(w, ':')) {
            return ERR_OK;
        }
        skip_blanks(w);
        char first = w->at < w->end ? *w->at : '\0';
        struct json_tensor *t = find_tensor(w, &name);
        const char *inside = find_inside(w, &name, ".");
        const char *listed = find_inside(w, &name, "[].");
        bool inner = true;
        if (t != NULL && first == '[' && w->n_cuts < MAX_CUTS) {
            if (take_tensor(w, t, err) != ERR_OK) {
                return err->code;
            }
        } else if (inside != NULL && first == '{') {
            if (read_object(w, inside, prefix_len + name.len + 1, &inner, err) != ERR_OK ||
                !inner) {
                return err->code;
            }
        } else if (listed != NULL && first == '[') {
            if (read_list(w, listed, prefix_len + name.len + 3, &inner, err) != ERR_OK || !inner) {
                return err->code;
            }
        } else {
            skip_value(w);
        }
    } while (skip_char(w, ','));
    *whole = skip_char(w, '}');
    return ERR_OK;
}

/* The text with null in place of the tensors. */
static char *cut_out(const struct walk *w, size_t *len)
{
    size_t size = (size_t)(w->end - w->text);
    size_t removed = 0;
    for (int i = 0; i < w->n_cuts; i++) {
        removed += w->cuts[i].to - w->cuts[i].from;
    }
    *len = size - removed + (size_t)w->n_cuts * strlen(NULL_TEXT);
    char *out = arena_alloc(w->arena, *len + 1);
    if (out == NULL) {
        return NULL;
    }
    char *to = out;
    size_t from = 0;
    for (int i = 0; i <= w->n_cuts; i++) {
        size_t until = i < w->n_cuts ? w->cuts[i].from : size;
        memcpy(to, w->text + from, until - from);
        to += until - from;
        if (i < w->n_cuts) {
            memcpy(to, NULL_TEXT, strlen(NULL_TEXT));
            to += strlen(NULL_TEXT);
            from = w->cuts[i].to;
        }
    }
    return out;
}

struct span {
    const char *text;
    size_t len;
};

/* *out is NULL when the text is longer than may be read now. */
static enum err_code parse_unless_long(const struct walk *w, struct span span, json_t **out,
                                       struct err *err)
{
    if (w->tensors.max_text > 0 && span.len > w->tensors.max_text) {
        *out = NULL;
        return ERR_OK;
    }
    return json_read_parse(span.text, span.len, w->arena, out, err);
}

enum err_code json_tensor_parse(const char *text, size_t len, struct json_tensors tensors,
                                struct arena *arena, json_t **out, struct err *err)
{
    const char *start = text + text_record_mark_length(text, len);
    struct walk w = {
        .text = start, .at = start, .end = text + len, .arena = arena, .tensors = tensors};
    size_t reduced_len = 0;
    bool closed;
    if (read_object(&w, "", 0, &closed, err) != ERR_OK) {
        return err->code;
    }
    if (w.n_cuts == 0) {
        return parse_unless_long(&w, (struct span){text, len}, out, err);
    }
    const char *reduced = cut_out(&w, &reduced_len);
    if (reduced == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the document");
    }
    if (parse_unless_long(&w, (struct span){reduced, reduced_len}, out, err) == ERR_SYNTAX) {
        /* Again and whole, for the line and column that the client counts. */
        struct err whole = ERR_INIT;
        json_t *document = NULL;
        if (parse_unless_long(&w, (struct span){text, len}, &document, &whole) != ERR_OK ||
            document == NULL) {
            *err = whole;
            *out = document;
        }
    }
    return err->code;
}

enum err_code json_tensor_check(const struct json_tensor *tensor, const json_t *object, int k,
                                struct err *err)
{
    const char *dot = strrchr(tensor->key, '.');
    const json_t *value = json_object_get(object, dot != NULL ? dot + 1 : tensor->key);
    if (!tensor->found) {
        return value == NULL ? err_set(err, ERR_INVALID, "%s is missing", tensor->key)
                             : err_set(err, ERR_INVALID, "%s is %s, an array of rows is needed",
                                       tensor->key, json_read_kind(value));
    }
    if (k > 0 && tensor->k != k) {
        return err_set_at(err, ERR_SHAPE, 0, -1, "%s: row 0 has %s, %s", tensor->key,
                          phrase_count(tensor->k, "number").text, phrase_needed(k).text);
    }
    return ERR_OK;
}

struct json_tensor json_tensor_item(const struct json_tensor *list, int index)
{
    if (index < list->n_items && list->items[index] != NULL) {
        return *list->items[index];
    }
    return (struct json_tensor){.key = list->key};
}
