/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made while they are sent, tensors in documents, npy: bytes in, bytes out. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "formats/json_read.h"
#include "formats/json_stream.h"
#include "formats/json_tensor.h"
#include "formats/npy.h"

static void fill(struct json_stream *stream, struct arena *arena, const double *values)
{
    static const size_t shape[] = {2, 3, 2};
    static const size_t one[] = {1};
    struct err err = ERR_INIT;
    json_stream_init(stream, arena);
    json_write_object(&stream->json, NULL);
    json_stream_value(stream, "a", values, 3, shape);
    json_write_array(&stream->json, "b");
    json_stream_value(stream, NULL, values + 3, 1, one);
    json_stream_value(stream, NULL, values, 1, one);
    json_write_array_end(&stream->json);
    /* More than the writer's first block holds. */
    for (int i = 0; i < 100; i++) {
        json_write_int(&stream->json, "count", 100000 + i);
    }
    json_stream_value(stream, "c", values + 4, 1, one);
    json_write_object_end(&stream->json);
    ck_assert_int_eq(json_stream_end(stream, &err), ERR_OK);
}

static size_t expect(char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "%s",
                                  "{\"a\":[[[1,-2.5],[1e+300,0.1],[-1.7976931348623157e+308,0]],"
                                  "[[7,1e-320],[3,0.3333333333333333],[12345.5,2]]],"
                                  "\"b\":[[0.1],[1]]");
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(out + len, size - len, ",\"count\":%d", 100000 + i);
    }
    return len + (size_t)snprintf(out + len, size - len, ",\"c\":[-1.7976931348623157e+308]}");
}

START_TEST(a_stream_is_the_same_in_any_pieces)
{
    static const double values[12] = {
        1, -2.5, 1e300, 0.1, -1.7976931348623157e308, 0, 7, 1e-320, 3, 1.0 / 3, 12345.5, 2};
    char expected[4096];
    size_t expected_len = expect(expected, sizeof expected);
    struct arena arena = ARENA_INIT;
    struct json_stream stream;
    for (size_t size = 1; size < 200; size++) {
        char out[4096];
        size_t len = 0;
        size_t got;
        fill(&stream, &arena, values);
        ck_assert_uint_ge(json_stream_bound(&stream), expected_len);
        while ((got = json_stream_read(&stream, out + len, size)) > 0) {
            ck_assert_uint_le(got, size);
            len += got;
        }
        ck_assert_uint_eq(len, expected_len);
        ck_assert_int_eq(memcmp(out, expected, len), 0);
        ck_assert_uint_eq(json_stream_read(&stream, out, size), 0);
        arena_clear(&arena);
    }
    arena_release(&arena);
}
END_TEST

/* Numbers that come a few at a time, which begin one tensor in the middle of another. */
START_TEST(a_fed_stream_is_the_same_in_any_pieces)
{
    static const double values[12] = {
        1, -2.5, 1e300, 0.1, -1.7976931348623157e308, 0, 7, 1e-320, 3, 1.0 / 3, 12345.5, 2};
    static const char expected[] =
        "{\"a\":[[1,-2.5],[1e+300,0.1]],\"n\":5,\"b\":[-1.7976931348623157e+308,0,7],"
        "\"c\":[[1e-320],[3],[0.3333333333333333],[12345.5],[2]]}";
    static const size_t a[] = {2, 2};
    static const size_t b[] = {3};
    static const size_t c[] = {5, 1};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    for (size_t size = 1; size < 80; size++) {
        for (size_t n = 1; n <= 12; n++) {
            struct json_stream stream;
            struct json_feed next = {.sequence = 0};
            char out[256];
            size_t len = 0;
            json_stream_init(&stream, &arena);
            json_write_object(&stream.json, NULL);
            json_stream_fed(&stream, "a", (struct json_feed){7, 0}, 2, a);
            json_write_int(&stream.json, "n", 5);
            json_stream_fed(&stream, "b", (struct json_feed){7, 4}, 1, b);
            json_stream_fed(&stream, "c", (struct json_feed){7, 7}, 2, c);
            json_write_object_end(&stream.json);
            ck_assert_int_eq(json_stream_end(&stream, &err), ERR_OK);
            for (;;) {
                size_t got = json_stream_read(&stream, out + len, size);
                len += got;
                if (got > 0) {
                    continue;
                }
                if (!json_stream_needs(&stream, &next)) {
                    break;
                }
                ck_assert_int_eq(next.sequence, 7);
                json_stream_feed(&stream, values + next.first,
                                 next.first + n < 12 ? n : 12 - next.first);
            }
            ck_assert_uint_eq(len, sizeof expected - 1);
            ck_assert_int_eq(memcmp(out, expected, len), 0);
            arena_clear(&arena);
        }
    }
    arena_release(&arena);
}
END_TEST

static void write_arrays(struct json_write *json, const double *large, const double *holes)
{
    json_write_object(json, NULL);
    for (int i = 0; i < JSON_STREAM_TENSORS + 3; i++) {
        json_write_reals(json, "a", large, JSON_WRITE_LARGE);
        json_write_matrix(json, "b", large, JSON_WRITE_LARGE / 4, 4);
    }
    json_write_reals(json, "small", large, 3);
    json_write_reals(json, "holes", holes, JSON_WRITE_LARGE);
    json_write_object_end(json);
}

/* Whether an array is held as text or not, more of them than a stream has room for. */
START_TEST(large_arrays_are_not_held_as_text)
{
    static double large[JSON_WRITE_LARGE];
    static double holes[JSON_WRITE_LARGE];
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct textbuf whole = textbuf_in(&arena);
    struct json_write json = json_write_to(&whole);
    for (int i = 0; i < JSON_WRITE_LARGE; i++) {
        large[i] = i / 7.0;
        holes[i] = i % 2 > 0 ? NAN : 1.5;
    }
    struct json_stream *stream = arena_alloc_array(&arena, 1, sizeof *stream);
    ck_assert_ptr_nonnull(stream);
    write_arrays(&json, large, holes);
    json_stream_init(stream, &arena);
    write_arrays(&stream->json, large, holes);
    ck_assert_int_eq(json_stream_end(stream, &err), ERR_OK);
    ck_assert_int_eq(stream->n_tensors, JSON_STREAM_TENSORS);
    ck_assert_uint_lt(stream->text.len, whole.len / 5 * 3);
    char *out = arena_alloc(&arena, whole.len + 1);
    size_t len = 0;
    size_t got;
    ck_assert_ptr_nonnull(out);
    while ((got = json_stream_read(stream, out + len, whole.len + 1 - len)) > 0) {
        len += got;
    }
    ck_assert_uint_eq(len, whole.len);
    ck_assert_int_eq(memcmp(out, whole.data, len), 0);
    arena_release(&arena);
}
END_TEST

START_TEST(a_stream_without_memory_says_so)
{
    static const double values[12] = {1};
    static const size_t shape[] = {3, 4};
    for (long n = 1; n < 10; n++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct json_stream stream;
        mem_fail_after(n, true);
        json_stream_init(&stream, &arena);
        json_write_object(&stream.json, NULL);
        for (int i = 0; i < 50; i++) {
            json_write_text(&stream.json, "name", "a text of some length");
            json_stream_value(&stream, "values", values, 2, shape);
        }
        json_write_object_end(&stream.json);
        enum err_code code = json_stream_end(&stream, &err);
        mem_fail_after(0, false);
        arena_release(&arena);
        if (code == ERR_OK) {
            ck_assert_int_gt(n, 1);
            return;
        }
    }
    ck_abort_msg("there was never enough memory");
}
END_TEST

static enum err_code parse(const char *text, struct json_tensor *t, struct arena *arena,
                           json_t **out, struct err *err)
{
    t->max_rows = 3;
    t->max_columns = 4;
    err_clear(err);
    return json_tensor_parse(text, strlen(text), (struct json_tensors){t, 1, 0}, arena, out, err);
}

START_TEST(a_tensor_may_lie_in_an_object)
{
    static const struct {
        const char *text;
        enum err_code code; /* of parse */
        bool found;
    } cases[] = {
        {"{\"p\":{\"w\":[[1,2],[3,4]]},\"z\":1}", ERR_OK, true},
        {" { \"z\" : {\"p\":{\"w\":[]}} , \"p\" : { \"x\":\"}\", \"w\" : [ [ 1 , 2 ] ] } } ",
         ERR_OK, true},
        {"{\"w\":[[1]],\"p\":{}}", ERR_OK, false},
        {"{\"p\":[[1]]}", ERR_OK, false},
        {"{\"p\":{\"w\":{\"w\":[[1]]}}}", ERR_OK, false},
        {"{\"p\":{\"w\":[1,2]}}", ERR_OK, true},
        {"{\"p\":{\"w\":[[1,2],[3]]}}", ERR_SHAPE, true},
        {"{\"p\":{\"w\":[[1,2,3,4,5]]}}", ERR_LIMIT, true},
        {"{\"p\":{\"w\":[[1],[1],[1],[1]]}}", ERR_TOO_LARGE, true},
        {"{\"p\":{\"w\":[[1]],\"w\":[[2]]}}", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[1]]},\"p\":{}}", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[1]]}", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[1]]}}}", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[1]", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[01]]}}", ERR_SYNTAX, true},
        {"{\"p\":{\"w\":[[1e999]]}}", ERR_NONFINITE, true},
        {"{\"p\":{\"w\":[[null]]}}", ERR_INVALID, true},
        {"{\"p\":{\"w\":", ERR_SYNTAX, false},
        {"", ERR_SYNTAX, false},
    };
    json_read_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_tensor t = {.key = "p.w"};
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *document = NULL;
        enum err_code code = parse(cases[i].text, &t, &arena, &document, &err);
        ck_assert_msg(code == cases[i].code, "%s: %s", cases[i].text, err_msg(&err));
        ck_assert_msg(t.found == cases[i].found, "%s", cases[i].text);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(a_document_of_more_text_than_may_be_read_is_left)
{
    static const struct {
        const char *text;
        size_t max_text;
        enum err_code code;
        bool left;
    } cases[] = {
        {"{\"p\":{\"w\":[[1,2],[3,4]]}}", 16, ERR_OK, false}, /* {"p":{"w":null}} */
        {"{\"p\":{\"w\":[[1,2],[3,4]]}}", 15, ERR_OK, true},
        {"{\"p\":[[1,2],[3,4]]}", 19, ERR_OK, false},
        {"{\"p\":[[1,2],[3,4]]}", 18, ERR_OK, true},
        {"{\"p\":{\"w\":[[1,2],[3]]}}", 1, ERR_SHAPE, false},
        /* What is wrong is looked for in the whole text. */
        {"{\"p\":{\"w\":[[1,2],[3,4]]}]", 25, ERR_SYNTAX, false},
        {"{\"p\":{\"w\":[[1,2],[3,4]]}]", 24, ERR_OK, true},
        {"{\"p\":{\"w\":[[1,2],[3,4]]}]", 0, ERR_SYNTAX, false},
    };
    json_read_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_tensor t = {.key = "p.w", .max_rows = 3, .max_columns = 4};
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *document = NULL;
        enum err_code code = json_tensor_parse(cases[i].text, strlen(cases[i].text),
                                               (struct json_tensors){&t, 1, cases[i].max_text},
                                               &arena, &document, &err);
        ck_assert_msg(code == cases[i].code, "%zu: %s", i, err_msg(&err));
        ck_assert_msg((code == ERR_OK && document == NULL) == cases[i].left, "%zu", i);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(a_list_of_objects_may_hold_a_tensor_each)
{
    static const struct {
        const char *text;
        enum err_code code;
        int columns[4]; /* of the tensor of each object; 0: none */
    } cases[] = {
        {"{\"p\":{\"l\":[{\"w\":[1,2]},{},{\"w\":[[3],[4]]},{\"w\":null}]}}", ERR_OK, {2, 0, 1, 0}},
        {"{\"p\":{\"l\":[1,\"]\",[[2]],{\"x\":[5],\"w\":[7,8,9]}]}}", ERR_OK, {0, 0, 0, 3}},
        {"{\"p\":{\"l\":[]}}", ERR_OK, {0}},
        {"{\"p\":{\"l\":{\"w\":[1]}}}", ERR_OK, {0}},
        {"{\"p\":{\"l[].w\":[1]},\"p.l[].w\":[1]}", ERR_OK, {0}},
        {"{\"l\":[{\"w\":[1]}]}", ERR_OK, {0}},
        {"{\"p\":{\"l\":[{\"w\":[1]},{\"w\":[1,\"2\"]}]}}", ERR_INVALID, {1, 1}},
        {"{\"p\":{\"l\":[{\"w\":[1],\"w\":[2]}]}}", ERR_SYNTAX, {1}},
        {"{\"p\":{\"l\":[{\"w\":[1]},]}}", ERR_SYNTAX, {1}},
        {"{\"p\":{\"l\":[{\"w\":[1]}", ERR_SYNTAX, {1}},
        {"{\"p\":{\"l\":[{\"w\":[1", ERR_SYNTAX, {1}},
    };
    json_read_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_tensor t = {.key = "p.l[].w"};
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *document = NULL;
        enum err_code code = parse(cases[i].text, &t, &arena, &document, &err);
        ck_assert_msg(code == cases[i].code, "%s: %s", cases[i].text, err_msg(&err));
        for (int j = 0; j < 4; j++) {
            struct json_tensor item = json_tensor_item(&t, j);
            ck_assert_msg((item.found ? item.k : 0) == cases[i].columns[j], "%s: object %d",
                          cases[i].text, j);
        }
        if (code == ERR_INVALID) {
            ck_assert_ptr_nonnull(strstr(err_msg(&err), "p.l[1].w: row 0, column 1 is a string"));
        }
        arena_release(&arena);
    }
}
END_TEST

START_TEST(a_list_has_a_limit_of_objects)
{
    struct json_tensor t = {.key = "p.l[].w"};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *document = NULL;
    char *text = calloc(1, 16 * (JSON_TENSOR_ITEMS + 2));
    ck_assert_ptr_nonnull(text);
    json_read_init();
    for (int extra = 0; extra < 2; extra++) {
        size_t len = (size_t)sprintf(text, "{\"p\":{\"l\":[");
        for (int i = 0; i < JSON_TENSOR_ITEMS + extra; i++) {
            len += (size_t)sprintf(text + len, "%s{\"w\":[%d]}", i > 0 ? "," : "", i);
        }
        sprintf(text + len, "]}}");
        ck_assert_int_eq(parse(text, &t, &arena, &document, &err), extra ? ERR_LIMIT : ERR_OK);
    }
    ck_assert_double_eq(json_tensor_item(&t, JSON_TENSOR_ITEMS - 1).values[0],
                        JSON_TENSOR_ITEMS - 1.0);
    free(text);
    arena_release(&arena);
}
END_TEST

START_TEST(npy_comes_back)
{
    double values[24];
    for (int i = 0; i < 24; i++) {
        values[i] = sin((double)i);
    }
    for (int rank = 1; rank <= 2; rank++) {
        for (int single = 0; single < 2; single++) {
            static const size_t shapes[][2] = {{24, 0}, {4, 6}};
            struct arena arena = ARENA_INIT;
            struct err err = ERR_INIT;
            struct npy npy;
            const char *bytes = NULL;
            size_t len = 0;
            const struct npy_array array = {
                .values = values, .rank = rank, .shape = shapes[rank - 1], .single = single == 1};
            ck_assert_int_eq(npy_write(&array, &arena, &bytes, &len, &err), ERR_OK);
            ck_assert_int_eq(npy_parse(bytes, len, 10, &arena, &npy, &err), ERR_OK);
            ck_assert_int_eq(npy.n, rank == 1 ? 1 : 4);
            ck_assert_int_eq(npy.k, rank == 1 ? 24 : 6);
            ck_assert(npy.single == (single == 1));
            for (int i = 0; i < 24; i++) {
                ck_assert_double_eq(npy.values[i], single ? (double)(float)values[i] : values[i]);
            }
            /* In place where that is possible. */
            ck_assert(single == 1 ||
                      ((const char *)npy.values > bytes && (const char *)npy.values < bytes + len));
            /* Each shorter text is refused. */
            for (size_t cut = 0; cut < len; cut++) {
                err_clear(&err);
                ck_assert_int_ne(npy_parse(bytes, cut, 10, &arena, &npy, &err), ERR_OK);
            }
            arena_release(&arena);
        }
    }
}
END_TEST

/* ---- numbers ---- */

START_TEST(a_whole_number_may_be_written_as_a_real)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } cases[] = {
        {"5", true, 5},
        {"-9223372036854775808", true, INT64_MIN},
        {"5.0", true, 5},
        {"-0.0", true, 0},
        {"1e3", true, 1000},
        {"9007199254740992.0", true, 9007199254740992},
        {"-9007199254740992.0", true, -9007199254740992},
        {"9007199254740994.0", false, 0},
        {"1e300", false, 0},
        {"0.5", false, 0},
        {"true", false, 0},
        {"\"5\"", false, 0},
        {"null", false, 0},
    };
    json_read_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *document = NULL;
        int64_t value = -7;
        int64_t member = -7;
        int len = snprintf(text, sizeof text, "{\"n\":%s}", cases[i].text);
        ck_assert_int_eq(json_read_parse(text, (size_t)len, &arena, &document, &err), ERR_OK);
        ck_assert_msg(json_read_whole(json_object_get(document, "n"), &value) == cases[i].whole,
                      "%s", cases[i].text);
        ck_assert_int_eq(value, cases[i].whole ? cases[i].value : -7);
        const struct json_members members = {document, "body", &err};
        enum err_code code = json_read_int(members, "n", INT64_MIN, INT64_MAX, &member);
        ck_assert_int_eq(code, cases[i].whole ? ERR_OK : ERR_INVALID);
        ck_assert_int_eq(member, value);
        arena_release(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("formats");
    TCase *tc = tcase_create("formats");
    tcase_add_test(tc, a_stream_is_the_same_in_any_pieces);
    tcase_add_test(tc, a_fed_stream_is_the_same_in_any_pieces);
    tcase_add_test(tc, large_arrays_are_not_held_as_text);
    tcase_add_test(tc, a_stream_without_memory_says_so);
    tcase_add_test(tc, a_tensor_may_lie_in_an_object);
    tcase_add_test(tc, a_document_of_more_text_than_may_be_read_is_left);
    tcase_add_test(tc, a_list_of_objects_may_hold_a_tensor_each);
    tcase_add_test(tc, a_list_has_a_limit_of_objects);
    tcase_add_test(tc, npy_comes_back);
    tcase_add_test(tc, a_whole_number_may_be_written_as_a_real);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
