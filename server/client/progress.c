/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bar: "job 7 heat [#######-----]  58 %  member 5/8  step 41/600  loss 2.2e-05  0:06 left".
 * What does not fit the screen is left out from the right, then the bar itself.
 */
#include "client/progress.h"

#include "base/clock.h"
#include "client/describe.h"
#include "client/table.h"
#include "client/terminal.h"

#include <math.h>
#include <string.h>

#define MIN_BAR      8
#define MAX_BAR      40
#define LINE_EVERY   0.1 /* of the whole, in a pipe */
#define LINE_LATEST  (INT64_C(60) * 1000000000)
#define N_DETAILS    4
#define DETAIL_CHARS 64

void progress_begin(struct progress *p, FILE *out)
{
    *p = (struct progress){.out = out, .redraws = terminal_can_redraw(out), .fraction = -1.0};
}

/* "member 5/8" and so on, as far as the server tells; empty where it does not. */
static int make_details(const json_t *progress, struct arena *scratch,
                        char details[N_DETAILS][DETAIL_CHARS])
{
    int n = 0;
    const json_t *members = json_object_get(progress, "members");
    const json_t *steps = json_object_get(progress, "steps");
    const json_t *loss = json_object_get(progress, "loss");
    const json_t *eta = json_object_get(progress, "eta_s");
    if (json_integer_value(members) > 1) {
        snprintf(details[n++], DETAIL_CHARS, "member %lld/%lld",
                 (long long)json_integer_value(json_object_get(progress, "member")),
                 (long long)json_integer_value(members));
    }
    if (json_integer_value(steps) > 0) {
        snprintf(details[n++], DETAIL_CHARS, "step %lld/%lld",
                 (long long)json_integer_value(json_object_get(progress, "step")),
                 (long long)json_integer_value(steps));
    }
    if (json_is_number(loss)) {
        snprintf(details[n++], DETAIL_CHARS, "loss %.3g", json_number_value(loss));
    }
    if (json_is_number(eta)) {
        snprintf(details[n++], DETAIL_CHARS, "%s left",
                 table_duration(scratch, json_number_value(eta)));
    }
    return n;
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

/* Overwrites the last line; blanks hide what was longer, so that no escape sequence is needed. */
static void draw(struct progress *p, const char *title, double fraction,
                 char details[N_DETAILS][DETAIL_CHARS], int n_details)
{
    char percent[16];
    int room = terminal_width(p->out) - 1;
    snprintf(percent, sizeof percent, "%4.0f %%", floor(100.0 * fraction));
    size_t bytes = terminal_cut(title, room - (int)strlen(percent));
    int used = (int)strlen(percent);
    int shown = 0;
    fputc('\r', p->out);
    fwrite(title, 1, bytes, p->out);
    used += title[bytes] == '\0' ? terminal_columns(title) : room - used;
    int bar = room - used - 3;
    if (bar >= MIN_BAR) {
        /* Details have what the shortest bar leaves, the bar has the rest. */
        int left = bar - MIN_BAR;
        while (shown < n_details && (int)strlen(details[shown]) + 2 <= left) {
            left -= (int)strlen(details[shown++]) + 2;
        }
        bar = MIN_BAR + left > MAX_BAR ? MAX_BAR : MIN_BAR + left;
        put_bar(p->out, bar, fraction);
        used += bar + 3;
    }
    fputs(percent, p->out);
    for (int i = 0; i < shown; i++) {
        fprintf(p->out, "  %s", details[i]);
        used += 2 + (int)strlen(details[i]);
    }
    for (int i = used; i < p->drawn && i < room; i++) {
        fputc(' ', p->out);
    }
    p->drawn = used;
    fflush(p->out);
}

/* ---- a pipe ---- */

static void print_line(struct progress *p, const char *title, const char *state, double fraction,
                       char details[N_DETAILS][DETAIL_CHARS], int n_details)
{
    fprintf(p->out, "%s: %s", title, state);
    if (strcmp(state, "running") == 0) {
        fprintf(p->out, ", %.0f %%", floor(100.0 * fraction));
    }
    for (int i = 0; i < n_details; i++) {
        fprintf(p->out, ", %s", details[i]);
    }
    fputc('\n', p->out);
    fflush(p->out);
}

/* Lines come with a new state, with every tenth of the work, and once a minute. */
static bool is_news(const struct progress *p, const char *state, double fraction)
{
    return strcmp(state, p->state) != 0 || fraction >= p->fraction + LINE_EVERY ||
           fraction < p->fraction || clock_ns() > p->printed_ns + LINE_LATEST;
}

void progress_show(struct progress *p, const json_t *job, struct arena *scratch)
{
    char details[N_DETAILS][DETAIL_CHARS];
    struct textbuf title = textbuf_in(scratch);
    int n_details = make_details(json_object_get(job, "progress"), scratch, details);
    const char *state = describe_member(scratch, job, "state");
    double fraction = fraction_of(job);
    terminal_escape(&title, "job ");
    terminal_escape(&title, describe_member(scratch, job, "id"));
    terminal_escape(&title, p->redraws ? " " : " of ");
    terminal_escape(&title, describe_member(scratch, job, "model"));
    if (p->redraws && strcmp(state, "running") != 0) {
        terminal_escape(&title, " ");
        terminal_escape(&title, state);
    }
    if (textbuf_failed(&title)) {
        return;
    }
    if (p->redraws) {
        draw(p, title.data, fraction, details, n_details);
    } else if (is_news(p, state, fraction)) {
        print_line(p, title.data, state, fraction, details, n_details);
        p->fraction = fraction;
        p->printed_ns = clock_ns();
    }
    snprintf(p->state, sizeof p->state, "%s", state);
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
        /* The terminal may have become narrower; a full line of blanks would begin the next. */
        int room = terminal_width(p->out) - 1;
        fprintf(p->out, "\r%*s\r", p->drawn < room ? p->drawn : room, "");
        fflush(p->out);
        p->drawn = 0;
    }
}
