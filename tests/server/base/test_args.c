/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments by their table, similar names, and numbers as people write them. */
#include "run.h"

#include "base/args.h"
#include "base/near_name.h"
#include "base/phrase.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPT_SIZE, OPT_OUT, OPT_SET, OPT_LEVEL, OPT_QUIET, OPT_ELSEWHERE, N_OPTIONS };

static const char *const sizes[] = {"small", "medium", "large", NULL};

static const struct arg_option options[N_OPTIONS] = {
    [OPT_SIZE] = {.name = "max_size", .value = "N", .help = "a size", .standard = "7"},
    [OPT_OUT] = {.name = "out", .letter = 'o', .value = "FILE", .help = "a file"},
    [OPT_SET] = {.name = "set", .value = "A=B", .help = "a setting", .repeat = ARG_COLLECTS},
    [OPT_LEVEL] = {.name = "level",
                   .value = "NAME",
                   .help = "a level:",
                   .choices = sizes,
                   .repeat = ARG_LAST_WINS},
    [OPT_QUIET] = {.name = "quiet", .help = "says nothing"},
    [OPT_ELSEWHERE] = {.name = "elsewhere", .value = "X", .help = "of another command"},
};

static const struct arg_command command = {.name = "try",
                                           .summary = "try things",
                                           .usage = "[THING]\n--quiet\n",
                                           .text = "And more.\n",
                                           .options = options,
                                           .n_options = N_OPTIONS,
                                           .allowed = 0x1f};

/* Splits a line at its blanks and parses it. */
static enum err_code parse(const char *line, struct arena *arena, struct args *args,
                           struct err *err)
{
    char *argv[32];
    int argc = 0;
    char *rest = NULL;
    char *copy = arena_strndup(arena, line, strlen(line));
    ck_assert_ptr_nonnull(copy);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    err_clear(err);
    return args_parse(&command, argc, argv, arena, args, err);
}

START_TEST(words_and_options_come_in_any_order)
{
    static const char *const lines[] = {
        "a --max_size 3 -o f --quiet b -- --set",
        "--quiet a b --max-size=3 --out=f -- --set",
        "--out f a -- b --set --max_size=3",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct args args;
        ck_assert_int_eq(parse(lines[i], &arena, &args, &err), ERR_OK);
        ck_assert_str_eq(args_word(&args, 0), "a");
        ck_assert_str_eq(args_word(&args, 1), "b");
        ck_assert_str_eq(args_word(&args, 2), "--set");
        ck_assert_str_eq(args.values[OPT_OUT], "f");
        ck_assert_ptr_null(args.values[OPT_SET]);
        if (i < 2) {
            int64_t size = 0;
            ck_assert_ptr_null(args_word(&args, 3));
            ck_assert_str_eq(args.values[OPT_QUIET], "");
            ck_assert_int_eq(args_int(&args, OPT_SIZE, 0, 9, &size, &err), ERR_OK);
            ck_assert_int_eq(size, 3);
        } else {
            ck_assert_str_eq(args_word(&args, 3), "--max_size=3");
        }
        arena_release(&arena);
    }
}
END_TEST

START_TEST(what_may_be_repeated_is_kept_in_order)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct args args;
    ck_assert_int_eq(parse("--set a --level x --set=b --level y --set", &arena, &args, &err),
                     ERR_INVALID);
    ck_assert_int_eq(parse("--set a --level x --set=b --level y", &arena, &args, &err), ERR_OK);
    ck_assert_int_eq(args.n_given, 4);
    ck_assert_int_eq(args.given[0].option, OPT_SET);
    ck_assert_str_eq(args.given[0].value, "a");
    ck_assert_str_eq(args.given[2].value, "b");
    ck_assert_str_eq(args.values[OPT_LEVEL], "y");
    arena_release(&arena);
}
END_TEST

START_TEST(help_is_wanted_wherever_it_stands)
{
    static const char *const lines[] = {"--help", "-h", "a --nope --help", "--out --help"};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct args args;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_int_eq(parse(lines[i], &arena, &args, &err), ERR_OK);
        ck_assert(args.wants_help);
    }
    ck_assert_int_eq(parse("a -- --help", &arena, &args, &err), ERR_OK);
    ck_assert(!args.wants_help);
    ck_assert_int_eq(args.n_words, 2);
    arena_release(&arena);
}
END_TEST

START_TEST(a_wrong_line_is_refused_by_name)
{
    static const struct {
        const char *line;
        const char *word;
    } cases[] = {
        {"--outt f", "--outt is not an option of `try`; did you mean --out?"},
        {"--MAX-SIZE=3", "--MAX-SIZE is not an option of `try`; did you mean --max_size?"},
        {"-x", "-x is not an option of `try`"},
        {"-of", "-of is not an option of `try`"},
        {"--elsewhere 1", "--elsewhere is not an option of `try`"},
        {"--=x", "-- is not an option of `try`"},
        {"--out", "--out needs a value"},
        {"--out a -o b", "--out is given twice"},
        {"--quiet=1", "--quiet takes no value"},
    };
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct args args;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(parse(cases[i].line, &arena, &args, &err), ERR_INVALID);
        ck_assert_str_eq(err_msg(&err), cases[i].word);
    }
    ck_assert_int_eq(parse("--quiet --quiet", &arena, &args, &err), ERR_OK);
    arena_release(&arena);
}
END_TEST

START_TEST(a_number_is_whole_and_within_its_bounds)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct args args;
    int64_t size = 0;
    ck_assert_int_eq(parse("", &arena, &args, &err), ERR_OK);
    ck_assert_int_eq(args_int(&args, OPT_SIZE, 0, 9, &size, &err), ERR_OK);
    ck_assert_int_eq(size, 7);
    static const char *const lines[] = {"--max_size=10", "--max_size=-1", "--max_size=3x",
                                        "--max_size=", "--max_size=99999999999999999999"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_int_eq(parse(lines[i], &arena, &args, &err), ERR_OK);
        ck_assert_int_eq(args_int(&args, OPT_SIZE, 0, 9, &size, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err_msg(&err), "a whole number from 0 to 9 is needed"));
    }
    ck_assert_int_eq(size, 7);
    arena_release(&arena);
}
END_TEST

START_TEST(the_help_is_that_of_the_table)
{
    static const char expected[] = "usage: surrogated try [THING]\n"
                                   "       surrogated try --quiet\n"
                                   "\n"
                                   "Try things.\n"
                                   "\n"
                                   "  --max_size N            a size [7]\n"
                                   "  -o, --out FILE          a file\n"
                                   "  --set A=B               a setting\n"
                                   "  --level NAME            a level: small, medium or large\n"
                                   "  --quiet                 says nothing\n"
                                   "  -h, --help              print this\n"
                                   "\n"
                                   "And more.\n";
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(out);
    args_print_help(&command, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

START_TEST(a_name_is_near_when_fingers_slip)
{
    static const struct {
        const char *given;
        const char *best; /* NULL: none is near */
    } cases[] = {
        {"quantiles", "quantiles"},
        {"quantile", "quantiles"},
        {"qauntiles", "quantiles"},
        {"qu", NULL},
        {"quan", "quantiles"},
        {"QUANTILES", "quantiles"},
        {"retrun", "return"},
        {"retry", "retry"},
        {"rety", "retry"},
        {"max-rows", "max_rows"},
        {"intervalls", "intervals"},
        {"xyz", NULL},
        {"", NULL},
        {"t", "at"},
        {"version", NULL},
        {"retry_seconds", "retry"},
    };
    static const char *const names[] = {"return",   "retry",     "quantiles",
                                        "max_rows", "intervals", "at"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct near_name near = near_name_of(cases[i].given);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            near_name_try(&near, names[k]);
        }
        if (cases[i].best == NULL) {
            ck_assert_msg(near.best == NULL, "%s: %s", cases[i].given, near.best);
            ck_assert_str_eq(near_name_hint(&near, "--").text, "");
        } else {
            ck_assert_msg(near.best != NULL, "%s", cases[i].given);
            ck_assert_str_eq(near.best, cases[i].best);
        }
    }
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct near_name near = near_name_of(longer);
    near_name_try(&near, longer);
    ck_assert_ptr_null(near.best);
}
END_TEST

START_TEST(nouns_are_counted)
{
    ck_assert_str_eq(phrase_count(0, "model").text, "0 models");
    ck_assert_str_eq(phrase_count(1, "model").text, "1 model");
    ck_assert_str_eq(phrase_count(2, "batch").text, "2 batches");
    ck_assert_str_eq(phrase_count(1, "batch").text, "1 batch");
    ck_assert_str_eq(phrase_count(0, "entry").text, "0 entries");
    ck_assert_str_eq(phrase_count(1, "entry").text, "1 entry");
    ck_assert_str_eq(phrase_count(12345678901, "row").text, "12345678901 rows");
}
END_TEST

START_TEST(sizes_and_durations_are_short)
{
    static const struct {
        double value;
        const char *text;
    } sizes_by_text[] = {{0, "0 B"},         {999, "999 B"},    {1000, "1.0 kB"},
                         {9949, "9.9 kB"},   {9950, "10 kB"},   {999499, "999 kB"},
                         {999500, "1.0 MB"}, {3.4e6, "3.4 MB"}, {1.2e10, "12 GB"},
                         {5e12, "5.0 TB"},   {2e15, "2000 TB"}};
    static const struct {
        double value;
        const char *text;
    } durations[] = {{0, "0.0 s"},          {9.94, "9.9 s"},     {9.96, "10 s"},
                     {59.4, "59 s"},        {59.6, "1 min 0 s"}, {200, "3 min 20 s"},
                     {18720, "5 h 12 min"}, {183600, "2 d 3 h"}, {-1, "?"},
                     {1e300, "?"}};
    for (size_t i = 0; i < sizeof sizes_by_text / sizeof *sizes_by_text; i++) {
        ck_assert_str_eq(phrase_bytes(sizes_by_text[i].value).text, sizes_by_text[i].text);
    }
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        ck_assert_str_eq(phrase_duration(durations[i].value).text, durations[i].text);
    }
}
END_TEST

START_TEST(times_are_told_by_their_age)
{
    /* Not at the edge of a unit: the clock advances between the two readings. */
    static const struct {
        int seconds;
        const char *text;
    } cases[] = {{90, "1 min ago"}, {7300, "2 h ago"}, {200000, "2 d ago"}};
    ck_assert_double_eq_tol(phrase_read_time("1970-01-02T00:00:01.500Z"), 86401.5, 1e-9);
    ck_assert_double_lt(phrase_read_time("yesterday"), 0.0);
    ck_assert_double_lt(phrase_read_time(NULL), 0.0);
    ck_assert_str_eq(phrase_ago("yesterday").text, "yesterday");
    ck_assert_str_eq(phrase_ago("2999-01-01T00:00:00.000Z").text, "now");
    ck_assert_str_eq(phrase_ago(NULL).text, "-");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char iso[64];
        struct tm tm;
        time_t then = time(NULL) - cases[i].seconds;
        gmtime_r(&then, &tm);
        strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        ck_assert_str_eq(phrase_ago(iso).text, cases[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("args");
    TCase *tc = tcase_create("args");
    tcase_add_test(tc, words_and_options_come_in_any_order);
    tcase_add_test(tc, what_may_be_repeated_is_kept_in_order);
    tcase_add_test(tc, help_is_wanted_wherever_it_stands);
    tcase_add_test(tc, a_wrong_line_is_refused_by_name);
    tcase_add_test(tc, a_number_is_whole_and_within_its_bounds);
    tcase_add_test(tc, the_help_is_that_of_the_table);
    tcase_add_test(tc, a_name_is_near_when_fingers_slip);
    tcase_add_test(tc, nouns_are_counted);
    tcase_add_test(tc, sizes_and_durations_are_short);
    tcase_add_test(tc, times_are_told_by_their_age);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
