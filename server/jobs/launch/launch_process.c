/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* posix_spawn: folder and open files */
#include "jobs/launch/launch_process.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ; /* of POSIX, which gives it no header */

#define PAUSE_MS          20
#define KILL_MS           5000              /* until a process that was killed is given up */
#define MAX_ENVIRON_BYTES ((size_t)4 << 20) /* of another process, that are looked at */
#define MARK_CHARS        (sizeof LAUNCH_MARK + 4096)

static void pause_a_little(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * CLOCK_MS};
    nanosleep(&pause, NULL);
}

/* "SURROGATED_JOB=mark". False: it is too long. */
static bool write_mark(const char *mark, char *out)
{
    return snprintf(out, MARK_CHARS, LAUNCH_MARK "=%s", mark) < (int)MARK_CHARS;
}

/* ---- start ---- */

/* This process's environment with the mark; the array is by mem, its texts are borrowed. */
static char **mark_environment(char *mark)
{
    size_t n = 0;
    size_t kept = 0;
    while (environ[n] != NULL) {
        n++;
    }
    char **out = mem_alloc_array(n + 2, sizeof *out);
    if (out == NULL) {
        return NULL;
    }
    out[kept++] = mark;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], LAUNCH_MARK "=", sizeof LAUNCH_MARK) != 0) {
            out[kept++] = environ[i];
        }
    }
    out[kept] = NULL;
    return out;
}

/* Returns an errno, 0: good. */
static int set_files(posix_spawn_file_actions_t *files, const struct launch_start *start)
{
    int code = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (code == 0) {
        code = posix_spawn_file_actions_addopen(
            files, 1, start->output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
    }
    if (code == 0) {
        code = posix_spawn_file_actions_adddup2(files, 1, 2);
    }
    /* Among the others are sockets, which would stay bound as long as the launcher runs. */
    if (code == 0) {
        code = posix_spawn_file_actions_addclosefrom_np(files, 3);
    }
    return code != 0 ? code : posix_spawn_file_actions_addchdir_np(files, start->folder);
}

/* Threads of the server block signals, and it ignores some. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawnattr_setsigmask(attributes, &none);
    if (code == 0) {
        code = posix_spawnattr_setsigdefault(attributes, &all);
    }
    if (code == 0) {
        code = posix_spawnattr_setpgroup(attributes, 0);
    }
    return code != 0 ? code
                     : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                                POSIX_SPAWN_SETSIGDEF |
                                                                POSIX_SPAWN_SETPGROUP);
}

static int spawn(const struct launch_start *start, char **environment, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&files);
    if (code != 0) {
        return code;
    }
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        code = set_files(&files, start);
        if (code == 0) {
            code = set_signals(&attributes);
        }
        if (code == 0) {
            code = posix_spawnp(pid, start->argv[0], &files, &attributes, start->argv, environment);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return code;
}

enum err_code launch_process_start(const struct launch_start *start, struct launch_process *out,
                                   struct err *err)
{
    char mark[MARK_CHARS];
    pid_t pid = 0;
    if (!write_mark(start->mark, mark)) {
        return err_set(err, ERR_UNSUPPORTED, "the path of the job's folder is too long");
    }
    char **environment = mark_environment(mark);
    if (environment == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to start the launcher");
    }
    int code = spawn(start, environment, &pid);
    mem_free(environment);
    if (code != 0) {
        return err_set(err, code == ENOMEM ? ERR_NOMEM : ERR_UNSUPPORTED,
                       "the launcher %.80s cannot be started: %s", start->argv[0], strerror(code));
    }
    *out = (struct launch_process){.pid = pid};
    return ERR_OK;
}

/* ---- end ---- */

bool launch_process_has_ended(struct launch_process *process)
{
    siginfo_t info = {.si_pid = 0};
    if (process->pid == 0) {
        return true;
    }
    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        process->pid = errno == ECHILD ? 0 : process->pid; /* nobody else waits for it */
        return process->pid == 0;
    }
    if (info.si_pid == 0) {
        return false;
    }
    /* Until it is waited for, its number, and so the group's, is not given to others. */
    kill(-process->pid, SIGKILL);
    if (waitpid(process->pid, &process->status, 0) == process->pid) {
        process->pid = 0;
    }
    return process->pid == 0;
}

static bool ends_within(struct launch_process *process, int64_t ns)
{
    int64_t end = clock_ns() + ns;
    while (!launch_process_has_ended(process)) {
        if (clock_ns() >= end) {
            return false;
        }
        pause_a_little();
    }
    return true;
}

void launch_process_stop(struct launch_process *process, int64_t grace_ns)
{
    if (launch_process_has_ended(process)) {
        return;
    }
    kill(-process->pid, SIGTERM);
    if (!ends_within(process, grace_ns)) {
        kill(-process->pid, SIGKILL);
        /* One that waits for a disk of another machine is not waited for. */
        if (!ends_within(process, KILL_MS * CLOCK_MS)) {
            process->pid = 0;
        }
    }
}

void launch_process_tell(const struct launch_process *process, char *out)
{
    if (WIFSIGNALED(process->status)) {
        snprintf(out, LAUNCH_TOLD_CHARS, "was killed by signal %d", WTERMSIG(process->status));
    } else {
        snprintf(out, LAUNCH_TOLD_CHARS, "ended with status %d", WEXITSTATUS(process->status));
    }
}

/* ---- marked processes ---- */

/* Has the process the text among its variables, each of which ends with a NUL? */
static bool has_variable(pid_t pid, const char *text, char *room)
{
    char path[64];
    size_t n = 0;
    ssize_t got = 1;
    size_t len = strlen(text) + 1;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    while (got > 0 && n < MAX_ENVIRON_BYTES) {
        got = read(fd, room + n, MAX_ENVIRON_BYTES - n);
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    for (const char *at = room; n >= len && at <= room + n - len;) {
        if (memcmp(at, text, len) == 0) {
            return true;
        }
        const char *end = memchr(at, '\0', (size_t)(room + n - at));
        if (end == NULL) {
            return false;
        }
        at = end + 1;
    }
    return false;
}

/* Sends a signal (0: none) to all that have the mark; returns how many there are. */
static int signal_marked(const char *mark, int number, char *room)
{
    int n = 0;
    DIR *processes = opendir("/proc");
    const struct dirent *entry = processes != NULL ? readdir(processes) : NULL;
    for (; entry != NULL; entry = readdir(processes)) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && pid > 1 && pid != getpid() && has_variable((pid_t)pid, mark, room) &&
            kill((pid_t)pid, number) == 0) {
            n++;
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
    return n;
}

int launch_process_end_marked(const char *mark, int64_t grace_ns)
{
    char text[MARK_CHARS];
    char *room = mem_alloc(MAX_ENVIRON_BYTES);
    int64_t end = clock_ns() + grace_ns;
    int n = 0;
    if (room != NULL && write_mark(mark, text)) {
        n = signal_marked(text, SIGTERM, room);
        while (n > 0 && signal_marked(text, 0, room) > 0 && clock_ns() < end) {
            pause_a_little();
        }
        end = clock_ns() + KILL_MS * CLOCK_MS;
        while (n > 0 && signal_marked(text, SIGKILL, room) > 0 && clock_ns() < end) {
            pause_a_little();
        }
    }
    mem_free(room);
    return n;
}
