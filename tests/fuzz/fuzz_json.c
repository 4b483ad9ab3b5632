/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents with tensors. What is taken must be what jansson takes of the whole text, number by
 * number; what jansson refuses must be refused.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json_tensor.h"

const struct seed fuzz_seeds[] = {
    SEED("{\"inputs\":[[1,2.5],[-3e2,0]],\"model\":\"m\"}"),
    SEED(" { \"a\" : { \"b\" : [ [ 1 ] , [ 2 ] ] } , \"inputs\" : [ 0.1 , 2 ] } "),
    SEED("{\"x\":\"\\\"}{\\u0041\",\"inputs\":[[1e-300,1E+5,-0.0]],\"t\":[true,null,{}]}"),
    SEED("{\"l\":[{\"v\":[1,2]},3,{},{\"w\":[9],\"v\":[[1],[2]]}],\"inputs\":[1]}"), SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("\"inputs\":"), SEED("\"a\":{"), SEED("\"b\":[["), SEED("1e999"),
    SEED("-0"),          SEED("01"),      SEED("0x1"),      SEED("NaN"),
    SEED("+1"),          SEED("1."),      SEED("\\u0000"),  SEED("null"),
    SEED("\xc3\xa9"),    SEED("\"v\":["), SEED("{}"),       SEED("\"l[].v\":[1]"),
    SEED("\"a.b\":[1]"), SEED("\"l\":["), SEEDS_END};

static void check_row(const json_t *row, const struct json_tensor *t, int i)
{
    if (json_array_size(row) != (size_t)t->k) {
        abort();
    }
    for (int j = 0; j < t->k; j++) {
        double value = json_number_value(json_array_get(row, (size_t)j));
        if (value != t->values[i * t->k + j]) {
            abort();
        }
    }
}

static void check_tensor(const json_t *list, const struct json_tensor *t)
{
    if (t->flat) {
        check_row(list, t, 0);
        return;
    }
    if (json_array_size(list) != (size_t)t->n) {
        abort();
    }
    for (int i = 0; i < t->n; i++) {
        check_row(json_array_get(list, (size_t)i), t, i);
    }
}

/* Of each object of the list; where there is no object nothing may have been found. */
static void check_items(const json_t *list, const struct json_tensor *t)
{
    for (int i = 0; i < JSON_TENSOR_ITEMS; i++) {
        struct json_tensor item = json_tensor_item(t, i);
        if (item.found) {
            check_tensor(json_object_get(json_array_get(list, (size_t)i), "v"), &item);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct err whole_err = ERR_INIT;
    struct json_tensor tensors[] = {{.key = "inputs", .max_rows = 50, .max_columns = 50},
                                    {.key = "a.b", .max_rows = 50, .max_columns = 50},
                                    {.key = "l[].v", .max_rows = 50, .max_columns = 50}};
    json_t *document = NULL;
    json_t *whole = NULL;
    if (begun++ == 0) {
        json_read_init();
    }
    char *text = arena_strndup(&arena, (const char *)data, size);
    enum err_code code = json_tensor_parse(text, size, (struct json_tensors){tensors, 3, 0}, &arena,
                                           &document, &err);
    enum err_code whole_code = json_read_parse(text, size, &arena, &whole, &whole_err);
    if (code == ERR_OK && whole_code != ERR_OK) {
        /* Integers beyond 64 bits and numbers that underflow are jansson's limits, not JSON's. */
        if (strstr(whole_err.msg, "integer") == NULL && strstr(whole_err.msg, "overflow") == NULL) {
            abort();
        }
    } else if (code == ERR_OK) {
        if (tensors[0].found) {
            check_tensor(json_object_get(whole, "inputs"), &tensors[0]);
        }
        if (tensors[1].found) {
            check_tensor(json_object_get(json_object_get(whole, "a"), "b"), &tensors[1]);
        }
        check_items(json_object_get(whole, "l"), &tensors[2]);
    } else if (code == ERR_SYNTAX && whole_code == ERR_OK) {
        abort();
    }
    arena_release(&arena);
    return 0;
}
