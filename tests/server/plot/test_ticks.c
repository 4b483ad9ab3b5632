/* SPDX-License-Identifier: Apache-2.0 */
/* Round numbers along axes, and colours. */
#include "run.h"

#include "plot/palette.h"
#include "plot/ticks.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MINUS "\xe2\x88\x92"

static const struct {
    struct scale scale;
    int want;
    const char *labels; /* separated by blanks */
} cases[] = {
    {{.lo = 0.0, .hi = 1.0}, 5, "0 0.2 0.4 0.6 0.8 1.0"},
    {{.lo = 0.0, .hi = 10.0}, 5, "0 2 4 6 8 10"},
    {{.lo = -0.31, .hi = 0.29}, 4, MINUS "0.2 0 0.2"},
    {{.lo = 17.2, .hi = 17.9}, 4, "17.2 17.4 17.6 17.8"},
    {{.lo = 0.0021, .hi = 0.0198}, 3, "0.005 0.010 0.015"},
    {{.lo = 1.5e6, .hi = 3.4e6},
     4,
     "1.5\xc3\x97"
     "10\xe2\x81\xb6 2.0\xc3\x97"
     "10\xe2\x81\xb6 "
     "2.5\xc3\x97"
     "10\xe2\x81\xb6 3.0\xc3\x97"
     "10\xe2\x81\xb6"},
    {{.lo = 0.8, .hi = 1200.0, .log = true}, 5, "1 10 100 1000"},
    {{.lo = 1e-9, .hi = 2.0, .log = true},
     4,
     "10\xe2\x81\xbb\xe2\x81\xb9 10\xe2\x81\xbb\xe2\x81\xb6 10\xe2\x81\xbb\xc2\xb3 10\xe2\x81\xb0"},
};

START_TEST(ticks_are_round_numbers)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ticks ticks;
        char text[TICKS_MAX * (TICKS_LABEL_BYTES + 1)] = "";
        ticks_find(&cases[i].scale, cases[i].want, &ticks);
        for (int k = 0; k < ticks.n; k++) {
            strcat(text, k > 0 ? " " : "");
            strcat(text, ticks.labels[k]);
        }
        ck_assert_msg(strcmp(text, cases[i].labels) == 0, "case %zu: %s instead of %s", i, text,
                      cases[i].labels);
    }
}
END_TEST

/* Over ranges of any size and place there are ticks, within the range, in order, and with different
 * labels. */
START_TEST(every_range_has_ticks_that_differ)
{
    for (int size = -300; size <= 300; size += 7) {
        for (int place = -4; place <= 4; place++) {
            double range = 3.7 * pow(10.0, size);
            double lo = 1.3 * place * range;
            struct scale scale = {.lo = lo, .hi = lo + range};
            struct ticks ticks;
            ticks_find(&scale, 5, &ticks);
            ck_assert_int_ge(ticks.n, 2);
            ck_assert_int_le(ticks.n, TICKS_MAX);
            for (int k = 0; k < ticks.n; k++) {
                ck_assert_double_ge(ticks.at[k], scale.lo - 1e-6 * range);
                ck_assert_double_le(ticks.at[k], scale.hi + 1e-6 * range);
                if (k > 0) {
                    ck_assert_double_gt(ticks.at[k], ticks.at[k - 1]);
                    ck_assert_msg(strcmp(ticks.labels[k], ticks.labels[k - 1]) != 0,
                                  "range of 1e%d at %g: two ticks are %s", size, lo,
                                  ticks.labels[k]);
                }
            }
        }
    }
}
END_TEST

START_TEST(a_range_is_never_empty)
{
    const double alone[] = {0.0, 7.0, -1e-12, 1e300, 5e-324};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        struct scale scale = scale_around(alone[i], alone[i], false);
        ck_assert_double_lt(scale.lo, scale.hi);
        ck_assert_double_le(scale.lo, alone[i]);
        ck_assert_double_ge(scale.hi, alone[i]);
    }
    struct scale none = scale_around(NAN, NAN, false);
    ck_assert_double_lt(none.lo, none.hi);
    struct scale wide = scale_around(-DBL_MAX, DBL_MAX, false);
    ck_assert(isfinite(wide.hi - wide.lo));
    struct scale log = scale_around(1e-3, 1e3, true);
    ck_assert(log.lo > 0.0 && log.lo < 1e-3 && log.hi > 1e3);
}
END_TEST

START_TEST(places_are_linear_or_logarithmic)
{
    const struct scale linear = {.lo = 2.0, .hi = 4.0, .from = 100.0, .to = 0.0};
    const struct scale log = {.lo = 0.01, .hi = 100.0, .log = true, .from = 0.0, .to = 80.0};
    ck_assert_double_eq_tol(scale_at(&linear, 2.5), 75.0, 1e-12);
    ck_assert_double_eq_tol(scale_at(&log, 10.0), 60.0, 1e-12);
    ck_assert(isnan(scale_at(&log, 0.0)));
    ck_assert(isnan(scale_at(&linear, NAN)));
}
END_TEST

static const struct {
    double value;
    const char *text;
} numbers[] = {{0.0, "0"},
               {0.125, "0.125"},
               {-3.0, MINUS "3"},
               {12345.0, "12345"},
               {2e5, "2\xc3\x97"
                     "10\xe2\x81\xb5"},
               {1e-7, "10\xe2\x81\xbb\xe2\x81\xb7"},
               {1.25e-5, "1.25\xc3\x97"
                         "10\xe2\x81\xbb\xe2\x81\xb5"}};

START_TEST(numbers_have_three_digits)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[TICKS_LABEL_BYTES];
        ticks_write(numbers[i].value, text);
        ck_assert_str_eq(text, numbers[i].text);
    }
}
END_TEST

/* Five colours of matplotlib's table of viridis, at 0, 64, 128, 192 and 255 of 255. */
static const struct {
    int at;
    int red, green, blue;
} viridis[] = {{0, 0x44, 0x01, 0x54},
               {64, 0x3b, 0x52, 0x8b},
               {128, 0x21, 0x91, 0x8c},
               {192, 0x5e, 0xc9, 0x62},
               {255, 0xfd, 0xe7, 0x25}};

START_TEST(the_colours_of_maps_are_those_of_viridis)
{
    double before = -1.0;
    for (size_t i = 0; i < sizeof viridis / sizeof *viridis; i++) {
        struct colour colour = palette_viridis(viridis[i].at / 255.0);
        ck_assert_double_eq_tol(colour.red, viridis[i].red / 255.0, 0.02);
        ck_assert_double_eq_tol(colour.green, viridis[i].green / 255.0, 0.02);
        ck_assert_double_eq_tol(colour.blue, viridis[i].blue / 255.0, 0.02);
    }
    for (int k = 0; k <= 100; k++) {
        double luminance = palette_luminance(palette_viridis(k / 100.0));
        ck_assert_double_gt(luminance, before);
        before = luminance;
    }
}
END_TEST

/* The contrast by WCAG 2 of text to paper is 4.5 at the least, of lines 3. */
static double contrast(struct colour a, struct colour b)
{
    double light = palette_luminance(a) + 0.05;
    double dark = palette_luminance(b) + 0.05;
    return light > dark ? light / dark : dark / light;
}

START_TEST(texts_and_lines_stand_out_from_the_paper)
{
    for (int i = 0; theme_names[i] != NULL; i++) {
        const struct theme *theme = theme_find(theme_names[i]);
        ck_assert_ptr_nonnull(theme);
        ck_assert_double_ge(contrast(theme->ink, theme->background), 4.5);
        ck_assert_double_ge(contrast(theme->muted, theme->background), 4.5);
        for (int k = 0; k < 3; k++) {
            ck_assert_double_ge(contrast(theme_series(theme, k), theme->background), 3.0);
        }
    }
    ck_assert_ptr_null(theme_find("sepia"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ticks");
    TCase *tc = tcase_create("ticks");
    tcase_add_test(tc, ticks_are_round_numbers);
    tcase_add_test(tc, every_range_has_ticks_that_differ);
    tcase_add_test(tc, a_range_is_never_empty);
    tcase_add_test(tc, places_are_linear_or_logarithmic);
    tcase_add_test(tc, numbers_have_three_digits);
    tcase_add_test(tc, the_colours_of_maps_are_those_of_viridis);
    tcase_add_test(tc, texts_and_lines_stand_out_from_the_paper);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
