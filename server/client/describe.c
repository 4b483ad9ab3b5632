/* SPDX-License-Identifier: Apache-2.0 */
#include "client/describe.h"

#include "client/terminal.h"

#include <stdint.h>
#include <string.h>

#define MAX_LISTED 8  /* elements of a list that is shown whole */
#define EACH_END   3  /* elements that are shown of each end of a longer one */
#define MAX_DEPTH  16 /* levels that are opened */

static const char *describe_value(struct arena *arena, const json_t *value);

/* A list in one cell. It calls describe_value for its elements, and is called by it. */
static void put_list(struct textbuf *text, const json_t *list, struct arena *arena)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        if (n > MAX_LISTED && i == EACH_END) {
            textbuf_puts(text, ", ..");
            i = n - EACH_END;
        }
        textbuf_printf(text, "%s%s", i > 0 ? ", " : "",
                       describe_value(arena, json_array_get(list, i)));
    }
    if (n > MAX_LISTED) {
        textbuf_printf(text, " (%zu)", n);
    }
}

static const char *describe_value(struct arena *arena, const json_t *value)
{
    struct textbuf text = textbuf_in(arena);
    if (json_is_string(value)) {
        terminal_escape(&text, json_string_value(value));
        textbuf_puts(&text, "");
        return textbuf_failed(&text) ? "?" : text.data;
    }
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "yes" : "no";
    }
    if (json_is_integer(value)) {
        textbuf_printf(&text, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        textbuf_printf(&text, "%.6g", json_real_value(value));
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        put_list(&text, value, arena);
    } else if (json_is_object(value) && json_object_size(value) > 0) {
        textbuf_puts(&text, "{..}");
    } else {
        return "-";
    }
    return textbuf_failed(&text) ? "?" : text.data;
}

const char *describe_member(struct arena *arena, const json_t *object, const char *key)
{
    return describe_value(arena, json_object_get(object, key));
}

/* Is it a list of lists or objects, or an object, so that each member has lines of its own? */
static bool is_deep(const json_t *value)
{
    if (!json_is_array(value)) {
        return json_is_object(value) && json_object_size(value) > 0;
    }
    const json_t *first = json_array_get(value, 0);
    return json_is_object(first) || json_is_array(first);
}

struct line {
    char *name;
    const char *text;
    struct line *next;
};

/* Lines are collected before they are printed, since the longest name sets the column. */
struct lines {
    struct arena *arena;
    struct line *first;
    struct line **end;
    int width;
    bool failed;
};

static void add_line(struct lines *lines, const char *path, const json_t *value)
{
    struct line *line = arena_zalloc_array(lines->arena, 1, sizeof *line);
    struct textbuf name = textbuf_in(lines->arena);
    struct textbuf text = textbuf_in(lines->arena);
    terminal_escape(&name, path);
    terminal_escape(&text, describe_value(lines->arena, value));
    textbuf_puts(&text, "");
    if (line == NULL || textbuf_failed(&name) || textbuf_failed(&text)) {
        lines->failed = true;
        return;
    }
    line->name = name.data;
    line->text = text.data;
    *lines->end = line;
    lines->end = &line->next;
    int width = terminal_columns(line->name);
    lines->width = width > lines->width ? width : lines->width;
}

static void collect_lines(struct lines *lines, const char *path, const json_t *value, int depth)
{
    if (!is_deep(value) || depth == MAX_DEPTH) {
        add_line(lines, path, value);
        return;
    }
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *child = json_array_get(value, i);
            char *deeper = arena_printf(lines->arena, "%s[%zu]", path, i);
            collect_lines(lines, deeper != NULL ? deeper : "?", child, depth + 1);
        }
        return;
    }
    /* jansson's iterators take no const. */
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const char *key = json_object_iter_key(at);
        char *deeper = arena_printf(lines->arena, "%s%s%s", path, *path != '\0' ? "." : "", key);
        collect_lines(lines, deeper != NULL ? deeper : "?", json_object_iter_value(at), depth + 1);
    }
}

enum err_code describe_object(const json_t *object, struct arena *arena, FILE *out, struct err *err)
{
    struct lines lines = {.arena = arena};
    lines.end = &lines.first;
    collect_lines(&lines, "", object, 0);
    if (lines.failed) {
        return err_set(err, ERR_NOMEM, "no memory for the output");
    }
    for (const struct line *line = lines.first; line != NULL; line = line->next) {
        int blanks = lines.width - terminal_columns(line->name) + 2;
        fprintf(out, "%s%s%s%*s%s\n", terminal_on(out, STYLE_BOLD), line->name, terminal_off(out),
                blanks, "", line->text);
    }
    return ERR_OK;
}

void describe_warnings(struct arena *arena, const char *version, const json_t *warnings)
{
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *warning = json_array_get(warnings, i);
        if (json_is_string(json_object_get(warning, "text"))) {
            fflush(stdout);
            fprintf(stderr, "surrogated: version %s: %s (%s)\n", version,
                    describe_member(arena, warning, "text"),
                    describe_member(arena, warning, "code"));
        }
    }
}

const char *describe_codes(struct arena *arena, const json_t *warnings)
{
    struct textbuf text = textbuf_in(arena);
    textbuf_puts(&text, "");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        textbuf_printf(&text, "%s%s", i > 0 ? ", " : "",
                       describe_member(arena, json_array_get(warnings, i), "code"));
    }
    return textbuf_failed(&text) ? "?" : text.data;
}
