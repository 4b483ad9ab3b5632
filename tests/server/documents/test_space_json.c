/* SPDX-License-Identifier: Apache-2.0 */
/* The document of an input space: read, written, and refused with the place. */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "model/space_rows.h"
#include "network/arch.h"

static enum err_code parse(const char *text, struct space **space, struct err *err)
{
    *space = NULL;
    return space_json_parse(text, strlen(text), space, err);
}

static char *write(const struct space *space, struct arena *arena)
{
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    space_json_write(&json, NULL, space);
    json_write_end(&json);
    ck_assert(!textbuf_failed(&text));
    return text.data;
}

START_TEST(documents_are_read_and_written_with_every_member)
{
    static const struct {
        const char *text;
        const char *written;
    } cases[] = {
        {"{\"inputs\":[\"k\"],\"outputs\":[\"T\"]}",
         "{\"inputs\":[{\"name\":\"k\",\"type\":\"real\"}],"
         "\"outputs\":[{\"name\":\"T\",\"positive\":false}]}"},
        {"{\"inputs\":[{\"name\":\"k\",\"unit\":null,\"bounds\":[0.5,2],"
         "\"distribution\":\"loguniform\",\"default\":1}],"
         "\"outputs\":[{\"name\":\"T\",\"unit\":\"K\",\"positive\":true}]}",
         "{\"inputs\":[{\"name\":\"k\",\"type\":\"real\",\"bounds\":[0.5,2],\"distribution\":"
         "{\"kind\":\"loguniform\",\"low\":0.5,\"high\":2},\"default\":1}],"
         "\"outputs\":[{\"name\":\"T\",\"unit\":\"K\",\"positive\":true}]}"},
        {"{\"inputs\":[{\"name\":\"m\",\"type\":\"category\",\"values\":[\"a\",2,0.5],"
         "\"default\":2,\"distribution\":{\"kind\":\"discrete\","
         "\"probabilities\":[0.25,0.25,0.5]}}],\"outputs\":[\"y\"]}",
         "{\"inputs\":[{\"name\":\"m\",\"type\":\"category\",\"values\":[\"a\",\"2\",\"0.5\"],"
         "\"distribution\":{\"kind\":\"discrete\",\"probabilities\":[0.25,0.25,0.5]},"
         "\"default\":\"2\"}],\"outputs\":[{\"name\":\"y\",\"positive\":false}]}"},
        {"{\"inputs\":[{\"name\":\"n\",\"type\":\"integer\",\"bounds\":[1,9],\"distribution\":"
         "{\"kind\":\"discrete\",\"values\":[1,9],\"probabilities\":[0.5,0.5]}}],"
         "\"outputs\":[\"y\"]}",
         "{\"inputs\":[{\"name\":\"n\",\"type\":\"integer\",\"bounds\":[1,9],\"distribution\":"
         "{\"kind\":\"discrete\",\"values\":[1,9],\"probabilities\":[0.5,0.5]}}],"
         "\"outputs\":[{\"name\":\"y\",\"positive\":false}]}"},
        {"{\"inputs\":[{\"name\":\"k\",\"distribution\":"
         "{\"kind\":\"truncated_lognormal\",\"low\":1,\"high\":3,\"mu\":0,\"sigma\":1}}],"
         "\"outputs\":[\"y\"]}",
         "{\"inputs\":[{\"name\":\"k\",\"type\":\"real\",\"distribution\":"
         "{\"kind\":\"truncated_lognormal\",\"low\":1,\"high\":3,\"mu\":0,\"sigma\":1}}],"
         "\"outputs\":[{\"name\":\"y\",\"positive\":false}]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct space *space;
        ck_assert_msg(parse(cases[i].text, &space, &err) == ERR_OK, "%s", err.msg);
        const char *written = write(space, &arena);
        ck_assert_str_eq(written, cases[i].written);
        space_unref(space);
        ck_assert_int_eq(parse(cases[i].written, &space, &err), ERR_OK);
        ck_assert_str_eq(write(space, &arena), cases[i].written);
        space_unref(space);
        arena_release(&arena);
    }
}
END_TEST

/* A document with this input, and with these members of an input called k. */
#define INPUT(text)  "{\"inputs\":[" text "],\"outputs\":[\"y\"]}"
#define MEMBER(text) INPUT("{\"name\":\"k\"," text "}")
#define DIST(text)   MEMBER("\"distribution\":{" text "}")

START_TEST(what_is_wrong_is_refused_with_its_place)
{
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        {"[]", "space is an array, an object is needed"},
        {"{\"inputs\":[\"k\"]}", "outputs is missing, an array is needed"},
        {"{\"inputs\":[],\"outputs\":[\"y\"]}", "inputs: there are 0, 1 to 4096"},
        {"{\"inputs\":[\"k\"],\"outputs\":[]}", "outputs: there are 0"},
        {"{\"inputs\":[\"k\"],\"outputs\":[\"y\"],\"more\":1}", "more"},
        {INPUT("3"), "inputs[0] is a number, a name or an object is needed"},
        {INPUT("{\"unit\":\"K\"}"), "name"},
        {INPUT("\"\""), "inputs[0].name is missing or empty"},
        {INPUT("\" k\""), "inputs[0].name begins or ends with a blank"},
        {INPUT("\"a\\tb\""), "inputs[0].name has a control character"},
        {INPUT("\"k\",\"k\""), "inputs[0] and inputs[1] have the same name \"k\""},
        {INPUT("\"y\""), "inputs[0] and outputs[0] have the same name \"y\""},
        {MEMBER("\"colour\":1"), "colour"},
        {MEMBER("\"unit\":\"\""), "inputs[0].unit is missing or empty"},
        {MEMBER("\"type\":\"enum\""), "inputs[0].type"},
        {MEMBER("\"values\":[\"a\",\"b\"]"), "inputs[0].values are for type category"},
        {MEMBER("\"type\":\"category\""),
         "inputs[0].values: a category has 2 to 1000 values, not 0"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\"]"), "has 2 to 1000 values, not 1"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\",\"a\"]"),
         "inputs[0].values[0] and [1] are the same \"a\""},
        {MEMBER("\"type\":\"category\",\"values\":[\"1\",1]"), "[0] and [1] are the same"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\",null]"), "inputs[0].values[1] is null"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\",\"b\"],\"bounds\":[0,1]"),
         "inputs[0].bounds: a category has none"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\",\"b\"],\"default\":\"c\""),
         "inputs[0].default is none of the values"},
        {MEMBER("\"type\":\"category\",\"values\":[\"a\",\"b\"],\"distribution\":"
                "{\"kind\":\"uniform\",\"low\":0,\"high\":1}"),
         "inputs[0].distribution is uniform, a category has discrete or none"},
        {MEMBER("\"bounds\":[2,1]"), "inputs[0].bounds are [2, 1]"},
        {MEMBER("\"bounds\":[1,1]"), "inputs[0].bounds are [1, 1]"},
        {MEMBER("\"bounds\":[1]"), "inputs[0].bounds"},
        {MEMBER("\"bounds\":[1,\"x\"]"), "inputs[0].bounds"},
        {MEMBER("\"type\":\"integer\",\"bounds\":[0.5,2]"), "integers are needed"},
        {MEMBER("\"bounds\":[0,1],\"default\":2"),
         "inputs[0].default is 2, a number between 0 and 1"},
        {MEMBER("\"type\":\"integer\",\"default\":0.5"), "inputs[0].default is 0.5, an integer"},
        {MEMBER("\"default\":\"x\""), "inputs[0]"},
        {MEMBER("\"distribution\":\"gamma\""), "inputs[0].distribution"},
        {MEMBER("\"distribution\":3"), "inputs[0].distribution is a number"},
        {MEMBER("\"distribution\":\"uniform\""), "uniform needs low, or the input bounds"},
        {MEMBER("\"distribution\":\"normal\""), "normal needs mean"},
        {DIST("\"low\":0"), "kind"},
        {DIST("\"kind\":\"uniform\",\"low\":0,\"high\":1,\"mean\":1"), "mean"},
        {DIST("\"kind\":\"uniform\",\"low\":1,\"high\":1"), "of uniform low must be below high"},
        {DIST("\"kind\":\"loguniform\",\"low\":0,\"high\":1"), "low must be above 0"},
        {DIST("\"kind\":\"normal\",\"mean\":0,\"std\":0"), "std must be above 0"},
        {DIST("\"kind\":\"lognormal\",\"mu\":0,\"sigma\":-1"), "sigma must be above 0"},
        {DIST("\"kind\":\"triangular\",\"low\":0,\"high\":1,\"mode\":2"), "mode between them"},
        {DIST("\"kind\":\"discrete\",\"probabilities\":[1]"), "inputs[0].distribution.values"},
        {DIST("\"kind\":\"discrete\",\"values\":[1,2],\"probabilities\":[1]"),
         "2 values and 1 probabilities"},
        {DIST("\"kind\":\"discrete\",\"values\":[1,2],\"probabilities\":[0.5,0.4]"),
         "have the sum 0.9, not 1"},
        {DIST("\"kind\":\"discrete\",\"values\":[2,1],\"probabilities\":[0.5,0.5]"),
         "values[1] is 1, finite numbers in ascending order"},
        {DIST("\"kind\":\"discrete\",\"values\":[1,2],\"probabilities\":[1.5,-0.5]"),
         "probabilities[0] is 1.5"},
        {MEMBER("\"bounds\":[0,1],\"distribution\":{\"kind\":\"uniform\",\"low\":0,\"high\":2}"),
         "uniform from 0 to 2 goes beyond the bounds [0, 1]"},
        {MEMBER("\"bounds\":[0,1],\"distribution\":{\"kind\":\"normal\",\"mean\":0,\"std\":1}"),
         "truncated_normal stays within them"},
        {"{\"inputs\":[\"k\"],\"outputs\":[{\"name\":\"y\",\"positive\":1}]}", "positive"},
        {"{\"inputs\":[\"k\"],\"outputs\":[{\"name\":\"y\",\"bounds\":[0,1]}]}", "bounds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct space *space;
        enum err_code code = parse(cases[i].text, &space, &err);
        ck_assert_msg(code == ERR_INVALID || code == ERR_LIMIT || code == ERR_SHAPE, "%s: %d",
                      cases[i].text, (int)code);
        ck_assert_msg(strstr(err.msg, cases[i].said) != NULL, "%s: %s", cases[i].text, err.msg);
        ck_assert_ptr_null(space);
    }
}
END_TEST

/* A space with a category of n values, or with names of n bytes. */
static enum err_code parse_sized(int n_values, int n_name, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct space *space = NULL;
    textbuf_puts(&text, "{\"inputs\":[{\"type\":\"category\",\"values\":[");
    for (int i = 0; i < n_values; i++) {
        textbuf_printf(&text, "%s\"v%d\"", i > 0 ? "," : "", i);
    }
    textbuf_puts(&text, "],\"name\":\"");
    for (int i = 0; i < n_name; i++) {
        textbuf_puts(&text, "n");
    }
    textbuf_puts(&text, "\"}],\"outputs\":[\"y\"]}");
    err_kept(space_json_parse(text.data, text.len, &space, err));
    space_unref(space);
    arena_release(&arena);
    return err->code;
}

START_TEST(limits_hold_at_the_limit_and_one_beyond)
{
    struct err err = ERR_INIT;
    char *long_text = mem_alloc(SPACE_JSON_MAX_BYTES + 1);
    struct space *space = NULL;
    ck_assert_int_eq(parse_sized(SPACE_MAX_VALUES, SPACE_MAX_NAME, &err), ERR_OK);
    ck_assert_int_eq(parse_sized(SPACE_MAX_VALUES + 1, 3, &err), ERR_INVALID);
    err_clear(&err);
    ck_assert_int_eq(parse_sized(2, SPACE_MAX_NAME + 1, &err), ERR_INVALID);
    memset(long_text, ' ', SPACE_JSON_MAX_BYTES + 1);
    memcpy(long_text, INPUT("\"k\""), strlen(INPUT("\"k\"")));
    err_clear(&err);
    ck_assert_int_eq(space_json_parse(long_text, SPACE_JSON_MAX_BYTES, &space, &err), ERR_OK);
    space_unref(space);
    ck_assert_int_eq(space_json_parse(long_text, SPACE_JSON_MAX_BYTES + 1, &space, &err),
                     ERR_TOO_LARGE);
    mem_free(long_text);
}
END_TEST

/* The network has as many inputs as there are numbers and values: at most ARCH_MAX_INPUTS. */
START_TEST(the_width_of_the_network_is_limited)
{
    for (int more = 0; more < 2; more++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct textbuf text = textbuf_in(&arena);
        struct space *space = NULL;
        int left = ARCH_MAX_INPUTS + more;
        textbuf_puts(&text, "{\"inputs\":[");
        for (int j = 0; left > 0; j++) {
            int n = left > SPACE_MAX_VALUES + 1 ? SPACE_MAX_VALUES : left;
            n = n > SPACE_MAX_VALUES ? SPACE_MAX_VALUES - 1 : n;
            textbuf_printf(&text, "%s{\"name\":\"c%d\",\"type\":\"category\",\"values\":[",
                           j > 0 ? "," : "", j);
            for (int i = 0; i < n; i++) {
                textbuf_printf(&text, "%s%d", i > 0 ? "," : "", i);
            }
            textbuf_puts(&text, "]}");
            left -= n;
        }
        textbuf_puts(&text, "],\"outputs\":[\"y\"]}");
        enum err_code code = space_json_parse(text.data, text.len, &space, &err);
        ck_assert_msg(code == (more > 0 ? ERR_LIMIT : ERR_OK), "%s", err.msg);
        ck_assert(more > 0 || space_width(space) == ARCH_MAX_INPUTS);
        space_unref(space);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(short_memory_is_an_error)
{
    static const char text[] =
        INPUT("{\"name\":\"m\",\"unit\":\"u\",\"type\":\"category\",\"values\":[\"a\",2],"
              "\"distribution\":{\"kind\":\"discrete\",\"probabilities\":[0.5,0.5]}}");
    bool done = false;
    for (long n = 1; n < 1000 && !done; n++) {
        struct err err = ERR_INIT;
        struct space *space = NULL;
        mem_fail_after(n, false);
        enum err_code code = space_json_parse(text, strlen(text), &space, &err);
        mem_fail_after(0, false);
        done = code == ERR_OK;
        ck_assert_msg(done || code == ERR_NOMEM, "%ld: %s", n, err.msg);
        space_unref(space);
    }
    ck_assert(done);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("space_json");
    TCase *tc = tcase_create("space_json");
    tcase_set_timeout(tc, 0);
    json_read_init();
    tcase_add_test(tc, documents_are_read_and_written_with_every_member);
    tcase_add_test(tc, what_is_wrong_is_refused_with_its_place);
    tcase_add_test(tc, limits_hold_at_the_limit_and_one_beyond);
    tcase_add_test(tc, the_width_of_the_network_is_limited);
    tcase_add_test(tc, short_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
