/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/launch/launch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "documents/launch_json.h"
#include "jobs/launch/launch_command.h"
#include "jobs/launch/launch_process.h"
#include "jobs/launch/launch_result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN_PAUSE_MS     10
#define MAX_PAUSE_MS     200
#define LINE_BYTES       1024
#define READS_AT_ONCE    64                   /* of LINE_BYTES, between two looks at the rest */
#define MAX_OUTPUT_BYTES ((int64_t)256 << 20) /* that a launcher may print */
#define LAST_WORDS_CHARS 90
#define LAST_WORDS_BYTES 2048 /* of its output, at the end */

/* A training that is followed. */
struct following {
    const struct launch_settings *settings;
    const struct launch_task *task;
    struct launch_folder folder;
    struct launch_process process;
    int fd; /* of progress.ndjson; -1: not there yet */
    char line[LINE_BYTES];
    size_t n_line;
    bool skips;       /* the line is too long */
    bool has_started; /* a sign was seen */
    int64_t sign_ns;  /* of the last sign, or of the start */
    int64_t saved_ns;
};

/* ---- start ---- */

/* Paths within the job's folder. */
struct paths {
    char request[PATH_MAX], rows[PATH_MAX], space[PATH_MAX], base[PATH_MAX];
    char checkpoints[PATH_MAX];
    char out[PATH_MAX], cross[PATH_MAX], result[PATH_MAX], progress[PATH_MAX], alive[PATH_MAX],
        log[PATH_MAX];
    char every[24], outputs[24];
};

static enum err_code fill_paths(const struct following *f, struct paths *p, struct err *err)
{
    const struct {
        char *to;
        const char *folder, *name;
    } all[] = {
        {p->request, f->folder.job, "request.json"},     {p->rows, f->folder.job, "rows.npy"},
        {p->space, f->folder.job, "space.json"},         {p->base, f->folder.job, "base.bin"},
        {p->checkpoints, f->folder.job, "checkpoints"},  {p->out, f->folder.run, "version.bin"},
        {p->cross, f->folder.run, "cross.bin"},          {p->result, f->folder.run, "result.json"},
        {p->progress, f->folder.run, "progress.ndjson"}, {p->alive, f->folder.run, "alive"},
        {p->log, f->folder.run, "launcher.log"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (snprintf(all[i].to, PATH_MAX, "%s/%s", all[i].folder, all[i].name) >= PATH_MAX) {
            return err_set(err, ERR_IO, "the path %.120s is too long", all[i].folder);
        }
    }
    int64_t seconds = (f->task->checkpoint_ms + 999) / 1000;
    snprintf(p->every, sizeof p->every, "%lld", (long long)(seconds > 0 ? seconds : 1));
    snprintf(p->outputs, sizeof p->outputs, "%d", f->task->inputs.data->o);
    return ERR_OK;
}

static enum err_code start(struct following *f, const struct paths *p, struct err *err)
{
    const char *command[32] = {f->settings->program,
                               "--request",
                               p->request,
                               "--rows",
                               p->rows,
                               "--out",
                               p->out,
                               "--result",
                               p->result,
                               "--progress",
                               p->progress,
                               "--checkpoints",
                               p->checkpoints,
                               "--checkpoint-s",
                               p->every,
                               "--while",
                               p->alive,
                               "--name",
                               f->task->model};
    size_t n = 0;
    while (command[n] != NULL) {
        n++;
    }
    command[n++] = f->task->inputs.space != NULL ? "--space" : "--outputs";
    command[n++] = f->task->inputs.space != NULL ? p->space : p->outputs;
    if (f->task->chooses) {
        command[n++] = "--cross";
        command[n++] = p->cross;
    }
    if (f->task->inputs.base != NULL) {
        command[n++] = "--base";
        command[n++] = p->base;
    }
    char **argv = NULL;
    if (launch_command_split(f->settings->command, command, &argv, err) != ERR_OK) {
        return err->code;
    }
    const struct launch_start how = {
        .argv = argv, .folder = f->folder.run, .output = p->log, .mark = f->folder.job};
    if (launch_process_start(&how, &f->process, err) == ERR_OK) {
        log_info(f->settings->log, "training launched", "job", LOG_INT(f->task->job), "model",
                 f->task->model, "launcher", argv[0], "pid", LOG_INT(f->process.pid), "folder",
                 f->folder.run, NULL);
    }
    mem_free(argv);
    return err->code;
}

/* ---- progress ---- */

static void take_line(struct following *f)
{
    struct launch_line line;
    launch_json_read_line(f->line, f->n_line, &line);
    if (line.event == LAUNCH_OTHER) {
        return;
    }
    f->has_started = true;
    f->sign_ns = clock_ns();
    if (line.event == LAUNCH_PROGRESS) {
        f->task->progress(f->task->progress_ctx, &line.progress);
    }
}

static void take_bytes(struct following *f, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            if (!f->skips) {
                take_line(f);
            }
            f->n_line = 0;
            f->skips = false;
        } else if (f->n_line < sizeof f->line) {
            f->line[f->n_line++] = bytes[i];
        } else {
            f->skips = true;
        }
    }
}

/* Reads what has come; garbage is no sign of life. */
static void read_progress(struct following *f)
{
    char path[PATH_MAX];
    char bytes[LINE_BYTES];
    struct err unread = ERR_INIT;
    if (f->fd < 0 && launch_folder_file(&f->folder, "progress.ndjson", path, &unread) == ERR_OK) {
        f->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    for (int i = 0; f->fd >= 0 && i < READS_AT_ONCE; i++) {
        ssize_t n = read(f->fd, bytes, sizeof bytes);
        if (n <= 0) {
            return;
        }
        take_bytes(f, bytes, (size_t)n);
    }
}

/* ---- the launcher's own output ---- */

static bool prints_too_much(const struct following *f)
{
    char path[PATH_MAX];
    struct stat about;
    struct err unread = ERR_INIT;
    return launch_folder_file(&f->folder, "launcher.log", path, &unread) == ERR_OK &&
           stat(path, &about) == 0 && about.st_size > MAX_OUTPUT_BYTES;
}

/* ": " and the last line that it printed, in printable ASCII; "": none. */
static void read_last_words(const struct following *f, char *out)
{
    char path[PATH_MAX];
    char bytes[LAST_WORDS_BYTES];
    struct stat about;
    struct err unread = ERR_INIT;
    *out = '\0';
    int fd = launch_folder_file(&f->folder, "launcher.log", path, &unread) == ERR_OK
                 ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
                 : -1;
    if (fd < 0) {
        return;
    }
    off_t from = fstat(fd, &about) == 0 && about.st_size > (off_t)sizeof bytes
                     ? about.st_size - (off_t)sizeof bytes
                     : 0;
    ssize_t n = pread(fd, bytes, sizeof bytes, from);
    close(fd);
    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == ' ')) {
        n--;
    }
    ssize_t first = n;
    while (first > 0 && bytes[first - 1] != '\n') {
        first--;
    }
    if (n > first) {
        *out++ = ':';
        *out++ = ' ';
        for (int i = 0; i < LAST_WORDS_CHARS && first < n; i++, first++) {
            *out++ = bytes[first] >= ' ' && bytes[first] <= '~' ? bytes[first] : '?';
        }
        *out = '\0';
    }
}

/* ---- following ---- */

static void pause_for(int64_t ms)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * CLOCK_MS};
    nanosleep(&pause, NULL);
}

/* Is there a reason to stop it? */
static enum err_code look(struct following *f, struct err *err)
{
    int64_t limit = f->has_started ? f->settings->silent_ns : f->settings->start_ns;
    if (cancel_is_requested(f->task->cancel)) {
        return err_set(err, ERR_CANCELLED, "the training was cancelled");
    }
    if (limit > 0 && clock_ns() - f->sign_ns > limit) {
        return err_set(err, ERR_DEADLINE,
                       f->has_started ? "the launched training has told nothing for %lld s"
                                      : "the launched training did not begin within %lld s",
                       (long long)(limit / CLOCK_S));
    }
    return !prints_too_much(f)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "the launcher printed more than %lld bytes",
                         (long long)MAX_OUTPUT_BYTES);
}

static void save_now_and_then(struct following *f)
{
    int64_t now = clock_ns();
    if (now - f->saved_ns >= f->task->checkpoint_ms * CLOCK_MS) {
        f->saved_ns = now;
        if (launch_folder_has_checkpoint(&f->folder)) {
            f->task->saved(f->task->saved_ctx);
        }
    }
}

/* Until the launcher has ended by itself, or was stopped for a reason. */
static enum err_code follow(struct following *f, struct err *err)
{
    int64_t pause_ms = MIN_PAUSE_MS;
    while (!launch_process_has_ended(&f->process)) {
        read_progress(f);
        save_now_and_then(f);
        if (look(f, err) != ERR_OK) {
            launch_process_stop(&f->process, f->settings->stop_ns);
            break;
        }
        pause_for(pause_ms);
        pause_ms = pause_ms < MAX_PAUSE_MS ? pause_ms + 1 : pause_ms;
    }
    read_progress(f);
    return err->code;
}

/* A file that another machine wrote may become visible a little later. */
static void wait_for_result(const struct following *f)
{
    int64_t end = clock_ns() + f->settings->stop_ns;
    while (!launch_result_is_there(&f->folder) && clock_ns() < end &&
           !cancel_is_requested(f->task->cancel)) {
        pause_for(MAX_PAUSE_MS / 4);
    }
}

static enum err_code take_result(const struct following *f, struct model **out,
                                 struct train_cross *cross, struct err *err)
{
    const struct launch_expected expected = {.request = f->task->inputs.request,
                                             .n_request = f->task->inputs.n_request,
                                             .chooses = f->task->chooses,
                                             .n = f->task->inputs.data->n,
                                             .d = f->task->inputs.data->d,
                                             .o = f->task->n_targets,
                                             .max_bytes = f->task->max_bytes};
    char told[LAUNCH_TOLD_CHARS];
    char words[LAST_WORDS_CHARS + 3];
    struct model *model = NULL;
    struct train_cross found = {.n = 0};
    bool good = f->process.status == 0;
    if (good) {
        wait_for_result(f);
    }
    if (good || launch_result_is_there(&f->folder)) {
        err_kept(launch_result_take(&f->folder, &expected, &model, &found, err));
    }
    if (!good && (err->code == ERR_OK || err->code == ERR_CORRUPT)) {
        err_clear(err);
        launch_process_tell(&f->process, told);
        read_last_words(f, words);
        err_set(err, ERR_NUMERIC, "the launcher %s%s", told, words);
    }
    if (err->code == ERR_OK) {
        *out = model;
        *cross = found;
        model = NULL;
        found = (struct train_cross){.n = 0};
    }
    train_cross_release(&found);
    model_unref(model);
    return err->code;
}

/* Where the server keeps its files is not for those who read a job's message. */
static void hide_root(const char *root, struct err *err)
{
    size_t len = strlen(root);
    char *at = strstr(err->msg, root);
    while (len > 0 && at != NULL) {
        memmove(at, at + len, strlen(at + len) + 1);
        at = strstr(at, root);
    }
}

enum err_code launch_check(const struct launch_settings *settings, struct err *err)
{
    static const char *const command[] = {"surrogated-train", NULL};
    char **argv = NULL;
    if (settings->command == NULL ||
        launch_command_split(settings->command, command, &argv, err) != ERR_OK) {
        return err->code;
    }
    if (argv[0][0] != '/' && strchr(argv[0], '/') != NULL) {
        err_set(err, ERR_INVALID,
                "launcher: the program %.80s is needed with its whole path, or by a name in PATH",
                argv[0]);
    }
    mem_free(argv);
    return err->code;
}

enum err_code launch_train(const struct launch_settings *settings, const struct launch_task *task,
                           struct model **out, struct train_cross *cross, struct err *err)
{
    struct paths *paths = mem_alloc(sizeof *paths);
    struct following *f = mem_alloc(sizeof *f);
    if (f != NULL) {
        *f = (struct following){.settings = settings, .task = task, .fd = -1};
    }
    if (paths == NULL || f == NULL) {
        err_set(err, ERR_NOMEM, "no memory to launch a training");
        goto done;
    }
    launch_clean(settings, task->job, true);
    if (launch_folder_make(settings->root, task->job, &task->inputs, &f->folder, err) != ERR_OK ||
        fill_paths(f, paths, err) != ERR_OK || start(f, paths, err) != ERR_OK) {
        goto done;
    }
    f->sign_ns = f->saved_ns = clock_ns();
    if (follow(f, err) == ERR_OK) {
        err_kept(take_result(f, out, cross, err));
    }
    launch_clean(settings, task->job, true);
done:
    if (f != NULL && f->fd >= 0) {
        close(f->fd);
    }
    mem_free(f);
    mem_free(paths);
    hide_root(settings->root, err);
    return err->code;
}

void launch_clean(const struct launch_settings *settings, int64_t job, bool goes_on)
{
    char path[LAUNCH_PATH_CHARS];
    struct err err = ERR_INIT;
    if (launch_folder_name(settings->root, job, path, &err) == ERR_OK && access(path, F_OK) == 0) {
        int n = launch_process_end_marked(path, settings->stop_ns);
        if (n > 0) {
            log_warn(settings->log, "processes of an earlier training ended", "job", LOG_INT(job),
                     "processes", LOG_INT(n), NULL);
        }
        err_kept(goes_on ? launch_folder_remove_runs(path, &err)
                         : launch_folder_remove(path, &err));
    }
    if (err.code != ERR_OK) {
        log_warn(settings->log, "folder of a job not removed", "job", LOG_INT(job), "reason",
                 err_msg(&err), NULL);
    }
}
