/* SPDX-License-Identifier: Apache-2.0 */
/* A figure with every mark, as a picture and as numbers, also when memory is short. */
#include "run.h"

#include "base/mem.h"
#include "base/textbuf.h"
#include "plot/figure_draw.h"
#include "plot/figure_text.h"

#include <math.h>
#include <string.h>

static const double xs[] = {0.0, 1.0, 2.0, 3.0};
static const double ys[] = {1.0, NAN, 4.0, 2.5};
static const double lows[] = {0.5, 1.0, 3.0, 2.0};
static const double highs[] = {1.5, 2.0, 5.0, 3.0};
static const double squares[] = {-1.0, 0.25, NAN, 1.0};
static const char *const names[] = {"one, \"quoted\"", "two & <three>"};

static void add(struct figure *figure, struct panel *panel, enum mark_kind kind, const char *name)
{
    struct mark *mark = figure_mark(figure, panel, kind, 4);
    mark->x = xs;
    mark->y = ys;
    mark->lower = lows;
    mark->upper = highs;
    mark->name = name;
}

/* Three panels: points, lines and areas; bars of two categories; a map. */
static void make_figure(struct figure *figure, struct arena *arena)
{
    *figure = (struct figure){.arena = arena, .kind = "test", .n_columns = 2};
    struct panel *lines = figure_panel(figure);
    add(figure, lines, MARK_BAND, "band");
    add(figure, lines, MARK_LINE, "line");
    add(figure, lines, MARK_POINTS, "points");
    figure_diagonal(figure, lines);
    figure_rule_x(figure, lines, 1.5);
    lines->title =
        "a title that is much too long for its panel, so that it has to be cut somewhere";
    lines->note = figure_text(figure, "%d points", 4);
    struct panel *bars = figure_panel(figure);
    struct mark *bar = figure_mark(figure, bars, MARK_BARS, 2);
    bar->x = highs;
    bar->y = xs;
    struct mark *errors = figure_mark(figure, bars, MARK_ERRORS, 2);
    *errors = (struct mark){
        .kind = MARK_ERRORS, .n = 2, .x = highs, .y = xs, .lower = lows, .upper = highs};
    bars->y.categories = names;
    bars->y.n_categories = 2;
    struct panel *map = figure_panel(figure);
    struct mark *cells = figure_mark(figure, map, MARK_MAP, 4);
    cells->x = cells->y = xs;
    cells->n_x = cells->n_y = 2;
    cells->values = squares;
    cells->written = true;
    cells->scale = "scale";
    map->x.categories = names;
    map->x.n_categories = 2;
    struct panel *histogram = figure_panel(figure);
    figure_histogram(figure, histogram, lows, 4);
    figure->title = "a figure <of> tests & more";
}

static enum err_code draw(enum canvas_format format, double height, char **bytes, size_t *n,
                          struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct figure *figure = mem_zalloc(sizeof *figure);
    const struct figure_look look = {.theme = theme_find("light"),
                                     .format = format,
                                     .width = 480.0,
                                     .height = height,
                                     .dpi = 96.0};
    if (figure == NULL) {
        return err_set(err, ERR_NOMEM, "no memory");
    }
    make_figure(figure, &arena);
    err_kept(figure_draw(figure, &look, bytes, n, err));
    mem_free(figure);
    arena_release(&arena);
    return err->code;
}

START_TEST(the_same_figure_gives_the_same_bytes)
{
    static const char *const begins[] = {[CANVAS_PNG] = "\x89PNG\r\n", [CANVAS_PDF] = "%PDF-"};
    for (int format = CANVAS_PNG; format <= CANVAS_PDF; format++) {
        char *bytes[2];
        size_t n[2];
        for (int k = 0; k < 2; k++) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(draw((enum canvas_format)format, 0.0, &bytes[k], &n[k], &err), ERR_OK);
        }
        ck_assert_uint_eq(n[0], n[1]);
        ck_assert_mem_eq(bytes[0], bytes[1], n[0]);
        ck_assert_mem_eq(bytes[0], begins[format], strlen(begins[format]));
        mem_free(bytes[0]);
        mem_free(bytes[1]);
    }
}
END_TEST

/* Width and height of a PNG are the big-endian numbers at 16 and 20. */
START_TEST(a_height_that_is_given_is_the_height)
{
    struct err err = ERR_INIT;
    char *bytes = NULL;
    size_t n = 0;
    ck_assert_int_eq(draw(CANVAS_PNG, 300.0, &bytes, &n, &err), ERR_OK);
    const unsigned char *size = (const unsigned char *)bytes + 16;
    ck_assert_int_eq(size[2] << 8 | size[3], 480);
    ck_assert_int_eq(size[6] << 8 | size[7], 300);
    mem_free(bytes);
    ck_assert_int_eq(draw(CANVAS_PNG, 30000.0, &bytes, &n, &err), ERR_LIMIT);
}
END_TEST

START_TEST(the_numbers_of_a_figure_are_a_table)
{
    struct arena arena = ARENA_INIT;
    struct figure *figure = mem_zalloc(sizeof *figure);
    struct textbuf text = textbuf_in(&arena);
    make_figure(figure, &arena);
    figure_write_csv(figure, &text);
    ck_assert(!textbuf_failed(&text));
    ck_assert_ptr_nonnull(strstr(text.data, "panel,series,x,y,lower,upper,value\n"));
    ck_assert_ptr_nonnull(strstr(text.data, ",points,2,4,3,5,\n"));
    ck_assert_ptr_nonnull(strstr(text.data, ",points,1,,1,2,\n")); /* NaN is an empty field */
    ck_assert_ptr_nonnull(strstr(text.data, ",,1.5,\"one, \"\"quoted\"\"\",,,\n"));
    ck_assert_ptr_nonnull(strstr(text.data, ",,two & <three>,0,,,0.25\n"));
    mem_free(figure);
    arena_release(&arena);
}
END_TEST

START_TEST(an_svg_says_what_it_is)
{
    struct err err = ERR_INIT;
    char *bytes = NULL;
    size_t n = 0;
    ck_assert_int_eq(draw(CANVAS_SVG, 0.0, &bytes, &n, &err), ERR_OK);
    char *text = mem_strndup(bytes, n);
    ck_assert_ptr_nonnull(strstr(text, "<title>a figure &lt;of&gt; tests &amp; more</title>"));
    ck_assert_ptr_nonnull(strstr(text, "<metadata>{\"kind\":\"test\",\"panels\":["));
    mem_free(text);
    mem_free(bytes);
}
END_TEST

/* Each allocation in turn, and all from one on: an error, and nothing is left behind. */
START_TEST(short_memory_is_an_error)
{
    for (int format = CANVAS_SVG; format <= CANVAS_PNG; format++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            enum err_code code = ERR_NOMEM;
            for (long fail = 1; code != ERR_OK; fail++) {
                struct err err = ERR_INIT;
                char *bytes = NULL;
                size_t n = 0;
                long before = mem_live();
                mem_fail_after(fail, for_ever == 1);
                code = draw((enum canvas_format)format, 0.0, &bytes, &n, &err);
                mem_fail_after(0, false);
                ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "allocation %ld: %s", fail,
                              err_msg(&err));
                mem_free(bytes);
                ck_assert_int_eq(mem_live(), before);
                ck_assert_int_lt(fail, 1000);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("figure");
    TCase *tc = tcase_create("figure");
    tcase_add_test(tc, the_same_figure_gives_the_same_bytes);
    tcase_add_test(tc, a_height_that_is_given_is_the_height);
    tcase_add_test(tc, the_numbers_of_a_figure_are_a_table);
    tcase_add_test(tc, an_svg_says_what_it_is);
    tcase_add_test(tc, short_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
