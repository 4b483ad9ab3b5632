/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of spaces: what is read is written and read again the same, as JSON and as bytes; its
 * names in another order lead back to their places.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "model/space_codec.h"
#include "model/space_names.h"
#include "model/space_rows.h"

const struct seed fuzz_seeds[] = {
    SEED("{\"inputs\":[\"k\",\"T\"],\"outputs\":[\"y\"]}"),
    SEED("{\"inputs\":[{\"name\":\"m\",\"type\":\"category\",\"values\":[\"a\",2,\"\xc3\xa9\"],"
         "\"default\":\"a\",\"distribution\":{\"kind\":\"discrete\",\"probabilities\":[0.5,0.25,0."
         "25]"
         "}}],\"outputs\":[{\"name\":\"y\",\"unit\":\"K\",\"positive\":true}]}"),
    SEED("{\"inputs\":[{\"name\":\"n\",\"type\":\"integer\",\"bounds\":[1,10],\"default\":2}],"
         "\"outputs\":[\"y\"]}"),
    SEED("{\"inputs\":[{\"name\":\"k\",\"bounds\":[0.5,2],\"distribution\":\"loguniform\"},"
         "{\"name\":\"q\",\"distribution\":{\"kind\":\"truncated_normal\",\"low\":-1,\"high\":1e3,"
         "\"mean\":0,\"std\":2}}],\"outputs\":[\"y\",\"z\"]}"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"category\""), SEED("\"values\":["), SEED("\"bounds\":["),
                                  SEED("\"discrete\""), SEED("1e308"),        SEED("null"),
                                  SEED("\"\\u0000\""),  SEED("triangular"),   SEEDS_END};

static char *write(const struct space *space, struct arena *arena)
{
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    space_json_write(&json, NULL, space);
    json_write_end(&json);
    return text.data;
}

static void check_bytes(const struct space *space, const char *text, struct arena *arena)
{
    struct bytes_writer w = {.data = NULL};
    space_encode(&w, space);
    struct bytes_reader r = {.data = w.data, .left = w.size};
    struct space *back = space_decode(&r);
    if (w.failed || back == NULL || r.left != 0 || strcmp(write(back, arena), text) != 0) {
        abort();
    }
    space_unref(back);
    mem_free(w.data);
}

static void check_names(const struct space *space, struct arena *arena)
{
    struct err err = ERR_INIT;
    int n = space->d + space->o;
    const char **names = arena_alloc_array(arena, (size_t)n, sizeof *names);
    int *place = arena_alloc_array(arena, (size_t)n, sizeof *place);
    for (int j = 0; j < n; j++) {
        names[j] = space_column_name(space, n - 1 - j);
    }
    if (space_match(space, SPACE_COLUMNS, names, n, place, &err) != ERR_OK) {
        abort();
    }
    for (int j = 0; j < n; j++) {
        if (place[j] != n - 1 - j) {
            abort();
        }
    }
    if (space_match(space, SPACE_COLUMNS, names, n - 1, place, &err) != ERR_INVALID ||
        space_check_successor(space, space, &(struct err)ERR_INIT) != ERR_OK ||
        space_width(space) < space->d) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct space *space = NULL;
    struct space *again = NULL;
    struct bytes_reader damaged = {.data = data, .left = size};
    static int begun;
    if (begun++ == 0) {
        json_read_init();
    }
    space_unref(space_decode(&damaged));
    if (space_json_parse((const char *)data, size, &space, &err) == ERR_OK) {
        const char *text = write(space, &arena);
        if (space_json_parse(text, strlen(text), &again, &err) != ERR_OK ||
            strcmp(write(again, &arena), text) != 0) {
            abort();
        }
        check_bytes(space, text, &arena);
        check_names(space, &arena);
    } else if (err.msg[0] == '\0') {
        abort();
    }
    space_unref(space);
    space_unref(again);
    arena_release(&arena);
    return 0;
}
