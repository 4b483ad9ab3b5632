/* SPDX-License-Identifier: Apache-2.0 */
#include "maintain.h"

#include "store/care/backup.h"
#include "store/care/check_file.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FAILED  1
#define EXIT_STOPPED 130
#define PERIOD_S     0.2 /* between two lines of progress */

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
    bool terminal; /* standard error is one */
    bool shown;    /* there is a line of progress on the terminal */
    double last;   /* when it was last changed, in seconds */
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void clear_line(struct screen *screen)
{
    if (screen->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
        screen->shown = false;
    }
}

static bool show_progress(void *ctx, const char *phase, int64_t done, int64_t total)
{
    struct screen *screen = ctx;
    if (screen->terminal && now_s() - screen->last >= PERIOD_S) {
        screen->last = now_s();
        screen->shown = true;
        if (total > 0) {
            double share = (double)done / (double)total;
            fprintf(stderr, "\r\033[K%s %3.0f %%", phase, 100.0 * fmin(share, 1.0));
        } else {
            fprintf(stderr, "\r\033[K%s ..", phase);
        }
        fflush(stderr);
    }
    return stopped == 0;
}

static void print_finding(void *ctx, const char *text)
{
    clear_line(ctx);
    printf("%s\n", text);
}

/* ---- summaries ---- */

struct amount {
    char text[32];
};

static struct amount bytes_text(int64_t n_bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    struct amount amount;
    double value = (double)n_bytes;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < sizeof units / sizeof *units; value /= 1000.0) {
        unit++;
    }
    snprintf(amount.text, sizeof amount.text, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s",
             value, units[unit]);
    return amount;
}

static void print_summary(const char *word, const struct check_report *report)
{
    double free_share =
        report->n_bytes > 0 ? (double)report->n_free_bytes / (double)report->n_bytes : 0.0;
    printf("%s: %lld models, %lld versions, %lld batches, %s, %.0f%% free\n", word,
           (long long)report->n_models, (long long)report->n_versions, (long long)report->n_batches,
           bytes_text(report->n_bytes).text, 100.0 * free_share);
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
    char word[48] = "ok";
    enum err_code code = check_run(path, calls, &report, &err);
    check_leave(path);
    if (code != ERR_OK) {
        return print_error(calls->ctx, &err);
    }
    clear_line(calls->ctx);
    if (report.n_findings > 0) {
        snprintf(word, sizeof word, "%lld findings", (long long)report.n_findings);
    }
    print_summary(word, &report);
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
    printf("%s: %s, was %s\n", path, bytes_text(after).text, bytes_text(before).text);
    return 0;
}

int maintain_run(const struct cli *cli)
{
    struct screen screen = {.terminal = isatty(STDERR_FILENO) != 0};
    struct care_calls calls = {.finding = print_finding, .progress = show_progress, .ctx = &screen};
    catch_signals();
    switch (cli->command) {
    case CLI_CHECK:
        return check_registry(cli->config.db, &calls);
    case CLI_BACKUP:
    case CLI_RESTORE:
        return copy_registry(cli, &calls);
    case CLI_COMPACT:
        return compact_registry(cli->config.db, &calls);
    case CLI_SERVE:
    case CLI_HEALTHCHECK:
    case CLI_DONE:
        break;
    }
    return 0;
}
