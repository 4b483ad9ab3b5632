/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/folder.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

static enum err_code system_error(struct err *err, const char *path, const char *what)
{
    int code = errno;
    return err_set(err, code == ENOSPC || code == EDQUOT ? ERR_FULL : ERR_IO,
                   "%.120s cannot be %s: %s", path, what, strerror(code));
}

enum err_code folder_read_file(const char *path, void **bytes, size_t *n_bytes, struct err *err)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (file == NULL) {
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no %.120s", path)
                               : system_error(err, path, "read");
    }
    if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode)) {
        err_set(err, ERR_IO, "%.120s is not a file", path);
    } else {
        size_t size = (size_t)about.st_size;
        char *read = mem_alloc(size + 1);
        errno = 0;
        if (read == NULL) {
            err_set(err, ERR_NOMEM, "no memory for %.120s of %zu bytes", path, size);
        } else if (fread(read, 1, size, file) != size) {
            errno = errno != 0 ? errno : EIO;
            system_error(err, path, "read");
            mem_free(read);
        } else {
            read[size] = '\0';
            *bytes = read;
            *n_bytes = size;
        }
    }
    fclose(file);
    return err->code;
}

enum err_code folder_write_file(const char *path, int rank, const struct folder_part *parts,
                                int n_parts, struct err *err)
{
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s.part%d", path, rank) >= (int)sizeof aside) {
        return err_set(err, ERR_IO, "the path %.120s is too long", path);
    }
    FILE *file = fopen(aside, "wb");
    if (file == NULL) {
        return system_error(err, aside, "written");
    }
    bool ok = true;
    for (int i = 0; i < n_parts && ok; i++) {
        ok = fwrite(parts[i].bytes, 1, parts[i].n, file) == parts[i].n;
    }
    ok = ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (!ok) {
        system_error(err, aside, "written");
    }
    if (fclose(file) != 0 && ok) {
        ok = false;
        system_error(err, aside, "written");
    }
    if (ok && rename(aside, path) != 0) {
        ok = false;
        system_error(err, path, "written");
    }
    if (!ok) {
        unlink(aside);
    }
    return err->code;
}

/* ---- states ---- */

/* The first state is saved soon, so that a run that dies early leaves something. */
static bool is_due(void *ctx, int task)
{
    struct folder *folder = ctx;
    atomic_llong *last = &folder->last[task % FOLDER_SLOTS];
    int64_t now = clock_tick_ns();
    int64_t then = atomic_load_explicit(last, memory_order_relaxed);
    if (then == 0) {
        int64_t soon = folder->every_ns < 2 * CLOCK_S ? folder->every_ns : 2 * CLOCK_S;
        atomic_store_explicit(last, now - folder->every_ns + soon, memory_order_relaxed);
    }
    return then != 0 && now - then >= folder->every_ns;
}

static enum err_code digest_state(const struct folder *folder, int task, const void *bytes,
                                  size_t n_bytes, unsigned char *out, struct err *err)
{
    struct digest digest = {.state = NULL};
    unsigned char number[4] = {(unsigned char)task, (unsigned char)(task >> 8),
                               (unsigned char)(task >> 16), (unsigned char)(task >> 24)};
    if (digest_open(&digest, err) == ERR_OK &&
        digest_add(&digest, folder->identity, sizeof folder->identity, err) == ERR_OK &&
        digest_add(&digest, number, sizeof number, err) == ERR_OK) {
        err_kept(digest_add(&digest, bytes, n_bytes, err));
    }
    digest_close(&digest, err->code == ERR_OK ? out : NULL);
    return err->code;
}

static bool name_state(const struct folder *folder, int task, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/task-%d.state", folder->path, task) < PATH_MAX;
}

static enum err_code save_state(void *ctx, int task, const void *bytes, size_t n_bytes,
                                struct err *err)
{
    struct folder *folder = ctx;
    struct err failure = ERR_INIT;
    unsigned char head[SHA256_BYTES];
    char path[PATH_MAX];
    (void)err; /* a failed save does not stop the training */
    const struct folder_part parts[] = {{head, sizeof head}, {bytes, n_bytes}};
    if (!name_state(folder, task, path)) {
        err_set(&failure, ERR_IO, "the path %.120s is too long", folder->path);
    } else if (digest_state(folder, task, bytes, n_bytes, head, &failure) == ERR_OK) {
        err_kept(folder_write_file(path, folder->rank, parts, 2, &failure));
    }
    if (failure.code != ERR_OK && !atomic_exchange(&folder->has_failed, true)) {
        fprintf(stderr, "surrogated-train: a checkpoint is not kept: %s\n", err_msg(&failure));
    }
    atomic_store_explicit(&folder->last[task % FOLDER_SLOTS], clock_tick_ns(),
                          memory_order_relaxed);
    return ERR_OK;
}

static enum err_code load_state(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    const struct folder *folder = ctx;
    struct err failure = ERR_INIT;
    unsigned char head[SHA256_BYTES];
    char path[PATH_MAX];
    void *found = NULL;
    size_t n = 0;
    if (name_state(folder, task, path) && folder_read_file(path, &found, &n, &failure) == ERR_OK &&
        n >= sizeof head &&
        digest_state(folder, task, (char *)found + sizeof head, n - sizeof head, head, &failure) ==
            ERR_OK &&
        memcmp(found, head, sizeof head) == 0) {
        *n_bytes = n - sizeof head;
        memmove(found, (char *)found + sizeof head, *n_bytes);
        *bytes = found;
        return ERR_OK;
    }
    mem_free(found);
    if (failure.code == ERR_NOMEM) {
        *err = failure;
        return err->code;
    }
    err->code = ERR_NOT_FOUND;
    return ERR_NOT_FOUND;
}

enum err_code folder_init(struct folder *folder, const char *path, int rank, int64_t every_ns,
                          struct err *err)
{
    *folder = (struct folder){
        .core = {.ctx = folder, .due = is_due, .save = save_state, .load = load_state},
        .path = path,
        .rank = rank,
        .every_ns = every_ns};
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return system_error(err, path, "made");
    }
    return ERR_OK;
}
