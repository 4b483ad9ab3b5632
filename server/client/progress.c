/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bar: "job 7 heat [#######-----]  58 %  member 5/8  step 41/600  loss 2.2e-05  6.0 s left".
 * Where the screen is too narrow, details are left out from the right, and then the bar itself.
 */
#include "client/progress.h"

#include "base/clock.h"
#include "base/phrase.h"
#include "client/choice.h"
#include "client/describe.h"
#include "client/terminal.h"

#include <math.h>
#include <string.h>

#define MIN_BAR      8
#define MAX_BAR      40
#define LINE_EVERY   0.1                        /* of the whole, in a pipe */
#define LINE_LATEST  (INT64_C(60) * 1000000000) /* at the latest after so long, in a pipe */
#define N_DETAILS    5
#define DETAIL_CHARS 80

/* A job as it is shown. */
struct view {
    const char *title;
    const char *state;
    double fraction;
    char details[N_DETAILS][DETAIL_CHARS]; /* "member 5/8" and so on */
    int n_details;
};

void progress_begin(struct progress *p, FILE *out)
{
    *p = (struct progress){.out = out, .redraws = terminal_can_redraw(out), .fraction = -1.0};
}

/* As far as the server says. */
static void add_details(struct view *view, const json_t *progress)
{
    const json_t *members = json_object_get(progress, "members");
    const json_t *steps = json_object_get(progress, "steps");
    const json_t *loss = json_object_get(progress, "loss");
    const json_t *eta = json_object_get(progress, "eta_s");
    const json_t *choice = json_object_get(progress, "auto");
    if (json_is_object(choice)) {
        choice_describe_current(choice, view->details[view->n_details++], DETAIL_CHARS);
    }
    if (json_integer_value(members) > 1) {
        snprintf(view->details[view->n_details++], DETAIL_CHARS, "member %lld/%lld",
                 (long long)json_integer_value(json_object_get(progress, "member")) + 1,
                 (long long)json_integer_value(members));
    }
    if (json_integer_value(steps) > 0) {
        snprintf(view->details[view->n_details++], DETAIL_CHARS, "step %lld/%lld",
                 (long long)json_integer_value(json_object_get(progress, "step")),
                 (long long)json_integer_value(steps));
    }
    if (json_is_number(loss)) {
        snprintf(view->details[view->n_details++], DETAIL_CHARS, "loss %.3g",
                 json_number_value(loss));
    }
    if (json_is_number(eta)) {
        snprintf(view->details[view->n_details++], DETAIL_CHARS, "%s left",
                 phrase_duration(json_number_value(eta)).text);
    }
}

static double fraction_of(const json_t *job)
{
    const json_t *fraction = json_object_get(json_object_get(job, "progress"), "fraction");
    double value = json_is_number(fraction) ? json_number_value(fraction) : 0.0;
    return value >= 0.0 && value <= 1.0 ? value : 0.0;
}

/* ---- a terminal ---- */

static void put_bar(FILE *out, int width, double fraction)
{
    int full = (int)lround(fraction * width);
    fprintf(out, " [%s", terminal_on(out, STYLE_BAR));
    for (int i = 0; i < width; i++) {
        fputc(i < full ? '#' : '-', out);
    }
    fprintf(out, "%s]", terminal_off(out));
}

/* Overwrites the line; blanks hide what was longer, so that no escape sequence is needed. */
static void draw_bar(struct progress *p, const struct view *view)
{
    char percent[16];
    int room = terminal_width(p->out) - 1;
    snprintf(percent, sizeof percent, "%4.0f %%", floor(100.0 * view->fraction));
    size_t bytes = terminal_cut(view->title, room - (int)strlen(percent));
    int used = (int)strlen(percent);
    int shown = 0;
    fputc('\r', p->out);
    fwrite(view->title, 1, bytes, p->out);
    used += view->title[bytes] == '\0' ? terminal_columns(view->title) : room - used;
    int bar = room - used - 3;
    if (bar >= MIN_BAR) {
        /* The details get what the shortest bar leaves, and the bar gets the rest. */
        int left = bar - MIN_BAR;
        while (shown < view->n_details && (int)strlen(view->details[shown]) + 2 <= left) {
            left -= (int)strlen(view->details[shown++]) + 2;
        }
        bar = MIN_BAR + left > MAX_BAR ? MAX_BAR : MIN_BAR + left;
        put_bar(p->out, bar, view->fraction);
        used += bar + 3;
    }
    fputs(percent, p->out);
    for (int i = 0; i < shown; i++) {
        fprintf(p->out, "  %s", view->details[i]);
        used += 2 + (int)strlen(view->details[i]);
    }
    for (int i = used; i < p->drawn && i < room; i++) {
        fputc(' ', p->out);
    }
    p->drawn = used;
    fflush(p->out);
}

/* ---- a pipe ---- */

static void print_line(struct progress *p, const struct view *view)
{
    fprintf(p->out, "%s: %s", view->title, view->state);
    if (strcmp(view->state, "running") == 0) {
        fprintf(p->out, ", %.0f %%", floor(100.0 * view->fraction));
    }
    for (int i = 0; i < view->n_details; i++) {
        fprintf(p->out, ", %s", view->details[i]);
    }
    fputc('\n', p->out);
    fflush(p->out);
}

/* A line is printed for a new state, for every tenth of the work, and once a minute. */
static bool is_news(const struct progress *p, const struct view *view)
{
    return strcmp(view->state, p->state) != 0 || view->fraction >= p->fraction + LINE_EVERY ||
           view->fraction < p->fraction || clock_ns() > p->printed_ns + LINE_LATEST;
}

void progress_show(struct progress *p, const json_t *job, struct arena *scratch)
{
    struct textbuf title = textbuf_in(scratch);
    struct view view = {.state = describe_member(scratch, job, "state"),
                        .fraction = fraction_of(job)};
    add_details(&view, json_object_get(job, "progress"));
    terminal_escape(&title, "job ");
    terminal_escape(&title, describe_member(scratch, job, "id"));
    terminal_escape(&title, p->redraws ? " " : " of ");
    terminal_escape(&title, describe_member(scratch, job, "model"));
    if (p->redraws && strcmp(view.state, "running") != 0) {
        terminal_escape(&title, " ");
        terminal_escape(&title, view.state);
    }
    if (textbuf_failed(&title)) {
        return;
    }
    view.title = title.data;
    if (p->redraws) {
        draw_bar(p, &view);
    } else if (is_news(p, &view)) {
        print_line(p, &view);
        p->fraction = view.fraction;
        p->printed_ns = clock_ns();
    }
    snprintf(p->state, sizeof p->state, "%s", view.state);
}

void progress_say(struct progress *p, const char *text)
{
    if (p->redraws) {
        int room = terminal_width(p->out) - 1;
        int len = (int)terminal_cut(text, room);
        int blanks = p->drawn < room ? p->drawn - len : room - len;
        fprintf(p->out, "\r%.*s%*s", len, text, blanks > 0 ? blanks : 0, "");
        fflush(p->out);
        p->drawn = len;
    }
}

void progress_end(struct progress *p)
{
    if (p->drawn > 0) {
        /* The terminal may have become narrower; a full line of blanks would start another line. */
        int room = terminal_width(p->out) - 1;
        fprintf(p->out, "\r%*s\r", p->drawn < room ? p->drawn : room, "");
        fflush(p->out);
        p->drawn = 0;
    }
}
