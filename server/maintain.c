/* SPDX-License-Identifier: Apache-2.0 */
#include "maintain.h"

#include "base/clock.h"
#include "base/phrase.h"
#include "client/progress.h"
#include "store/care/backup.h"
#include "store/care/check_file.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define EXIT_FAILED  1
#define EXIT_STOPPED 130
#define PERIOD_NS    200000000 /* between two lines on a terminal */

static volatile sig_atomic_t stopped;

static void note_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- what is printed while a command runs ---- */

struct screen {
    struct progress line; /* on standard error, if that is a terminal */
    int64_t shown_ns;     /* when it was shown last */
};

static bool show_progress(void *ctx, const char *phase, int64_t done, int64_t total)
{
    struct screen *screen = ctx;
    char text[80];
    if (clock_ns() - screen->shown_ns >= PERIOD_NS) {
        screen->shown_ns = clock_ns();
        if (total > 0) {
            double share = (double)done / (double)total;
            snprintf(text, sizeof text, "%s %3.0f %%", phase, 100.0 * fmin(share, 1.0));
        } else {
            snprintf(text, sizeof text, "%s ..", phase);
        }
        progress_say(&screen->line, text);
    }
    return stopped == 0;
}

static void clear_line(struct screen *screen)
{
    progress_end(&screen->line);
}

static void print_finding(void *ctx, const char *text)
{
    clear_line(ctx);
    printf("%s\n", text);
}

/* ---- summaries ---- */

static void print_summary(const char *word, const struct check_report *report)
{
    double free_share =
        report->n_bytes > 0 ? (double)report->n_free_bytes / (double)report->n_bytes : 0.0;
    printf("%s: %s, %s, %s, %s, %.0f%% free\n", word, phrase_count(report->n_models, "model").text,
           phrase_count(report->n_versions, "version").text,
           phrase_count(report->n_batches, "batch").text,
           phrase_bytes((double)report->n_bytes).text, 100.0 * free_share);
}

static int print_error(struct screen *screen, const struct err *err)
{
    clear_line(screen);
    fprintf(stderr, "surrogated: %s\n", err_msg(err));
    return err->code == ERR_CANCELLED ? EXIT_STOPPED : EXIT_FAILED;
}

/* ---- commands ---- */

static int check_registry(const char *path, const struct care_calls *calls)
{
    struct err err = ERR_INIT;
    struct check_report report;
    enum err_code code = check_run(path, calls, &report, &err);
    check_leave(path);
    if (code != ERR_OK) {
        return print_error(calls->ctx, &err);
    }
    clear_line(calls->ctx);
    print_summary(report.n_findings > 0 ? phrase_count(report.n_findings, "finding").text : "ok",
                  &report);
    return report.n_findings == 0 ? 0 : EXIT_FAILED;
}

static int copy_registry(const struct cli *cli, const struct care_calls *calls)
{
    struct err err = ERR_INIT;
    struct check_report report;
    bool backup = cli->command == CLI_BACKUP;
    struct backup_request request = {.from = backup ? cli->config.db : cli->from,
                                     .to = backup ? cli->to : cli->config.db,
                                     .force = cli->force,
                                     .damaged = cli->damaged,
                                     .calls = calls};
    enum err_code code =
        backup ? backup_make(&request, &report, &err) : backup_restore(&request, &report, &err);
    check_leave(request.from);
    if (code != ERR_OK) {
        return print_error(calls->ctx, &err);
    }
    clear_line(calls->ctx);
    print_summary(request.to, &report);
    return report.n_findings == 0 ? 0 : EXIT_FAILED;
}

static int compact_registry(const char *path, const struct care_calls *calls)
{
    struct err err = ERR_INIT;
    int64_t before = 0;
    int64_t after = 0;
    if (backup_compact(path, calls, &before, &after, &err) != ERR_OK) {
        return print_error(calls->ctx, &err);
    }
    clear_line(calls->ctx);
    printf("%s: %s, was %s\n", path, phrase_bytes((double)after).text,
           phrase_bytes((double)before).text);
    return 0;
}

int maintain_run(const struct cli *cli)
{
    struct screen screen = {.shown_ns = 0};
    struct care_calls calls = {.finding = print_finding, .progress = show_progress, .ctx = &screen};
    progress_begin(&screen.line, stderr);
    catch_signals();
    switch (cli->command) {
    case CLI_CHECK:
        return check_registry(cli->config.db, &calls);
    case CLI_BACKUP:
    case CLI_RESTORE:
        return copy_registry(cli, &calls);
    case CLI_COMPACT:
        return compact_registry(cli->config.db, &calls);
    case CLI_TOKEN:
    case CLI_SERVE:
    case CLI_HEALTHCHECK:
    case CLI_DONE:
        break;
    }
    return 0;
}
