/* SPDX-License-Identifier: Apache-2.0 */
/* JSON written value by value: the bytes, every kind of imbalance, and memory that runs out. */
#include "run.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "formats/json_read.h"
#include "formats/json_write.h"

static struct arena arena;
static struct textbuf text;
static struct json_write json;

static void setup(void)
{
    arena = (struct arena)ARENA_INIT;
    text = textbuf_in(&arena);
    json = json_write_to(&text);
}

static void teardown(void)
{
    arena_release(&arena);
}

static void write_member(struct json_write *out, const char *key)
{
    json_write_object(out, key);
    json_write_int(out, "width", 8);
    json_write_object_end(out);
}

START_TEST(every_kind_of_value_has_its_bytes)
{
    static const double numbers[] = {1, -2.5, 0.1, 1e300, 5e-324, 3};
    json_write_object(&json, NULL);
    json_write_null(&json, "null");
    json_write_bool(&json, "yes", true);
    json_write_bool(&json, "no", false);
    json_write_int(&json, "least", INT64_MIN);
    json_write_int(&json, "greatest", INT64_MAX);
    json_write_real(&json, "real", 0.1);
    json_write_real(&json, "whole", 3.0);
    json_write_text(&json, "text", "a \"b\" \\ \n \x1f \xc3\xa9 /");
    json_write_text(&json, "none", NULL);
    json_write_text(&json, "a \"key\"", "");
    json_write_reals(&json, "vector", numbers, 6);
    json_write_reals(&json, "no vector", NULL, 6);
    json_write_reals(&json, "empty vector", numbers, 0);
    json_write_matrix(&json, "matrix", numbers, 2, 3);
    json_write_matrix(&json, "no matrix", NULL, 2, 3);
    json_write_raw(&json, "raw", "{\"x\":[1]}");
    json_write_raw(&json, "nothing raw", NULL);
    json_write_raw_bytes(&json, "bytes", "12345", 3);
    json_write_raw_bytes(&json, "no bytes", NULL, 3);
    json_write_object_end(&json);
    json_write_end(&json);
    ck_assert_str_eq(
        text.data, "{\"null\":null,\"yes\":true,\"no\":false,\"least\":-9223372036854775808,"
                   "\"greatest\":9223372036854775807,\"real\":0.1,\"whole\":3,"
                   "\"text\":\"a \\\"b\\\" \\\\ \\u000a \\u001f \xc3\xa9 /\",\"none\":null,"
                   "\"a \\\"key\\\"\":\"\",\"vector\":[1,-2.5,0.1,1e+300,5e-324,3],"
                   "\"no vector\":null,\"empty vector\":[],\"matrix\":[[1,-2.5,0.1],"
                   "[1e+300,5e-324,3]],\"no matrix\":null,\"raw\":{\"x\":[1]},\"nothing raw\":null,"
                   "\"bytes\":123,\"no bytes\":null}");
}
END_TEST

START_TEST(a_number_that_is_not_finite_is_null)
{
    json_write_array(&json, NULL);
    json_write_real(&json, NULL, NAN);
    json_write_real(&json, NULL, INFINITY);
    json_write_real(&json, NULL, -INFINITY);
    json_write_reals(&json, NULL, (double[]){1, NAN}, 2);
    json_write_array_end(&json);
    json_write_end(&json);
    ck_assert_str_eq(text.data, "[null,null,null,[1,null]]");
}
END_TEST

START_TEST(commas_stand_where_they_belong)
{
    json_write_array(&json, NULL);
    json_write_object(&json, NULL);
    json_write_object_end(&json);
    json_write_array(&json, NULL);
    json_write_array_end(&json);
    json_write_object(&json, NULL);
    json_write_array(&json, "a");
    json_write_int(&json, NULL, 1);
    json_write_object(&json, NULL);
    json_write_object_end(&json);
    json_write_int(&json, NULL, 2);
    json_write_array_end(&json);
    write_member(&json, "b");
    json_write_null(&json, "c");
    json_write_object(&json, "d");
    json_write_object_end(&json);
    json_write_object_end(&json);
    json_write_array_end(&json);
    json_write_end(&json);
    ck_assert_str_eq(text.data, "[{},[],{\"a\":[1,{},2],\"b\":{\"width\":8},\"c\":null,\"d\":{}}]");
}
END_TEST

START_TEST(a_value_is_appended_to_what_is_there)
{
    textbuf_puts(&text, "data: ");
    write_member(&json, NULL);
    json_write_end(&json);
    textbuf_puts(&text, "\n");
    ck_assert_str_eq(text.data, "data: {\"width\":8}\n");
}
END_TEST

START_TEST(the_deepest_value_is_balanced)
{
    for (int k = 0; k < JSON_WRITE_MAX_DEPTH; k++) {
        if (k % 3 == 0) {
            json_write_object(&json, NULL);
        } else {
            json_write_array(&json, k % 3 == 1 ? "in" : NULL);
        }
    }
    for (int k = JSON_WRITE_MAX_DEPTH; k-- > 0;) {
        if (k % 3 == 0) {
            json_write_object_end(&json);
        } else {
            json_write_array_end(&json);
        }
    }
    json_write_end(&json);
    ck_assert_int_eq(strncmp(text.data, "{\"in\":[[{\"in\":[[{", 17), 0);
    ck_assert_str_eq(text.data + text.len - 9, "]]}]]}]]}");
}
END_TEST

/* Each of these is a bug of the caller and must stop the program. */
static void member_without_a_key(void)
{
    json_write_object(&json, NULL);
    json_write_int(&json, NULL, 1);
}

static void element_with_a_key(void)
{
    json_write_array(&json, NULL);
    json_write_int(&json, "k", 1);
}

static void outermost_value_with_a_key(void)
{
    json_write_int(&json, "k", 1);
}

static void two_outermost_values(void)
{
    json_write_int(&json, NULL, 1);
    json_write_int(&json, NULL, 2);
}

static void array_ended_as_an_object(void)
{
    json_write_array(&json, NULL);
    json_write_object_end(&json);
}

static void object_ended_as_an_array(void)
{
    json_write_object(&json, NULL);
    json_write_array(&json, "a");
    json_write_array_end(&json);
    json_write_array_end(&json);
}

static void end_of_nothing(void)
{
    json_write_array_end(&json);
}

static void nothing_at_all(void)
{
    json_write_end(&json);
}

static void object_left_open(void)
{
    json_write_object(&json, NULL);
    json_write_end(&json);
}

static void too_deep(void)
{
    for (int k = 0; k <= JSON_WRITE_MAX_DEPTH; k++) {
        json_write_array(&json, NULL);
    }
}

static void (*const bugs[])(void) = {
    member_without_a_key,
    element_with_a_key,
    outermost_value_with_a_key,
    two_outermost_values,
    array_ended_as_an_object,
    object_ended_as_an_array,
    end_of_nothing,
    nothing_at_all,
    object_left_open,
    too_deep,
};
#define N_BUGS ((int)(sizeof bugs / sizeof *bugs))

START_TEST(a_bug_of_the_caller_stops_the_program)
{
    bugs[_i]();
}
END_TEST

static void write_much(void)
{
    static const double numbers[] = {0.1, 0.2, 0.3, 0.4};
    json_write_array(&json, NULL);
    for (int i = 0; i < 200; i++) {
        json_write_object(&json, NULL);
        json_write_text(&json, "name", "some text");
        json_write_matrix(&json, "values", numbers, 2, 2);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_end(&json);
}

START_TEST(short_memory_is_told_at_the_end)
{
    long n = 1;
    for (; n < 100; n++) {
        setup();
        mem_fail_after(n, true);
        write_much();
        mem_fail_after(0, false);
        if (!textbuf_failed(&text)) {
            break;
        }
        teardown();
    }
    struct err err = ERR_INIT;
    json_t *value = NULL;
    ck_assert_int_gt(n, 1);
    json_read_init();
    ck_assert_int_eq(json_read_parse(text.data, text.len, &arena, &value, &err), ERR_OK);
    ck_assert_uint_eq(json_array_size(value), 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_write");
    TCase *tc = tcase_create("json_write");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_kind_of_value_has_its_bytes);
    tcase_add_test(tc, a_number_that_is_not_finite_is_null);
    tcase_add_test(tc, commas_stand_where_they_belong);
    tcase_add_test(tc, a_value_is_appended_to_what_is_there);
    tcase_add_test(tc, the_deepest_value_is_balanced);
    tcase_add_loop_test_raise_signal(tc, a_bug_of_the_caller_stops_the_program, SIGABRT, 0, N_BUGS);
    tcase_add_test(tc, short_memory_is_told_at_the_end);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
