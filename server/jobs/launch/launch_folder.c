/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* nftw */
#include "jobs/launch/launch_folder.h"

#include "base/mem.h"
#include "documents/space_json.h"
#include "formats/model_file.h"
#include "formats/npy.h"
#include "model/codec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_NUMBERS 8192 /* of rows that are written at once, at least one row */
#define OPEN_FOLDERS  16   /* while a tree is removed */

static enum err_code system_error(struct err *err, const char *path, const char *what)
{
    int code = errno;
    return err_set(err, code == ENOSPC || code == EDQUOT ? ERR_FULL : ERR_IO,
                   "%.120s cannot be %s: %s", path, what, strerror(code));
}

/* ---- writing ---- */

/* A file that is written aside and renamed. */
struct sink {
    char path[PATH_MAX], aside[PATH_MAX];
    int fd;
    struct digest digest;
};

static enum err_code sink_open(struct sink *sink, const char *folder, const char *name,
                               struct err *err)
{
    sink->fd = -1;
    sink->digest = (struct digest){.state = NULL};
    if (snprintf(sink->path, sizeof sink->path, "%s/%s", folder, name) >= (int)sizeof sink->path ||
        snprintf(sink->aside, sizeof sink->aside, "%s/%s.part", folder, name) >=
            (int)sizeof sink->aside) {
        return err_set(err, ERR_IO, "the path %.120s is too long", folder);
    }
    sink->fd = open(sink->aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return sink->fd >= 0 ? digest_open(&sink->digest, err)
                         : system_error(err, sink->aside, "written");
}

static enum err_code sink_put(struct sink *sink, const void *bytes, size_t n, struct err *err)
{
    const char *at = bytes;
    if (digest_add(&sink->digest, bytes, n, err) != ERR_OK) {
        return err->code;
    }
    while (n > 0) {
        ssize_t written = write(sink->fd, at, n);
        if (written < 0 && errno != EINTR) {
            return system_error(err, sink->aside, "written");
        }
        at += written > 0 ? written : 0;
        n -= written > 0 ? (size_t)written : 0;
    }
    return ERR_OK;
}

/* Closes, and renames what is whole. hex: [DIGEST_HEX_CHARS + 1], or NULL. */
static enum err_code sink_close(struct sink *sink, char *hex, struct err *err)
{
    unsigned char digest[SHA256_BYTES] = {0};
    digest_close(&sink->digest, err->code == ERR_OK ? digest : NULL);
    if (sink->fd < 0) {
        return err->code;
    }
    /* A disk of another machine may refuse only now. */
    if (close(sink->fd) != 0 || (err->code == ERR_OK && rename(sink->aside, sink->path) != 0)) {
        system_error(err, sink->path, "written");
    }
    if (err->code != ERR_OK) {
        unlink(sink->aside);
    } else if (hex != NULL) {
        digest_hex(digest, hex);
    }
    return err->code;
}

static enum err_code write_file(const char *folder, const char *name, const void *bytes, size_t n,
                                char *hex, struct err *err)
{
    struct sink sink;
    if (sink_open(&sink, folder, name, err) == ERR_OK) {
        err_kept(sink_put(&sink, bytes, n, err));
    }
    return sink_close(&sink, hex, err);
}

/* ---- what the training reads ---- */

/* Inputs and outputs of a row side by side, as surrogated-train reads them. */
static enum err_code put_rows(struct sink *sink, const struct data *data, struct err *err)
{
    size_t d = (size_t)data->d;
    size_t o = (size_t)data->o;
    size_t block = BLOCK_NUMBERS / (d + o) > 0 ? BLOCK_NUMBERS / (d + o) : 1;
    char head[NPY_HEAD_MAX];
    const size_t shape[] = {(size_t)data->n, d + o};
    double *rows = mem_alloc_array(block * (d + o), sizeof *rows);
    char *bytes = mem_alloc_array(block * (d + o), sizeof *rows);
    if (rows == NULL || bytes == NULL) {
        err_set(err, ERR_NOMEM, "no memory to write rows");
    } else {
        err_kept(sink_put(sink, head, npy_head(2, shape, false, head), err));
    }
    for (size_t at = 0; at < (size_t)data->n && err->code == ERR_OK; at += block) {
        size_t n = (size_t)data->n - at < block ? (size_t)data->n - at : block;
        for (size_t i = 0; i < n; i++) {
            memcpy(rows + i * (d + o), data->x + (at + i) * d, d * sizeof *rows);
            memcpy(rows + i * (d + o) + d, data->y + (at + i) * o, o * sizeof *rows);
        }
        if (npy_write_numbers(rows, n * (d + o), false, bytes, err) == ERR_OK) {
            err_kept(sink_put(sink, bytes, n * (d + o) * sizeof *rows, err));
        }
    }
    mem_free(rows);
    mem_free(bytes);
    return err->code;
}

static enum err_code write_rows(const char *folder, const struct data *data, char *hex,
                                struct err *err)
{
    struct sink sink;
    if (sink_open(&sink, folder, "rows.npy", err) == ERR_OK) {
        err_kept(put_rows(&sink, data, err));
    }
    return sink_close(&sink, hex, err);
}

static enum err_code write_space(const char *folder, const struct space *space, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    space_json_write(&json, NULL, space);
    json_write_end(&json);
    if (textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for the document of a space");
    } else {
        err_kept(write_file(folder, "space.json", text.data, text.len, NULL, err));
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code write_base(const char *folder, const struct model *base, struct err *err)
{
    unsigned char head[MODEL_FILE_HEAD_MAX];
    unsigned char *content = NULL;
    struct model_file file = {.model = "base", .version = 0};
    size_t n_head = 0;
    struct sink sink;
    if (codec_encode(base, &content, &file.n_content, err) != ERR_OK) {
        return err->code;
    }
    file.content = content;
    if (model_file_write_head(&file, head, &n_head, err) == ERR_OK) {
        if (sink_open(&sink, folder, "base.bin", err) == ERR_OK &&
            sink_put(&sink, head, n_head, err) == ERR_OK) {
            err_kept(sink_put(&sink, content, file.n_content, err));
        }
        err_kept(sink_close(&sink, NULL, err));
    }
    mem_free(content);
    return err->code;
}

static enum err_code make_folder(const char *path, struct err *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : system_error(err, path, "made");
}

/* A new folder for a start, with the file whose loss ends the training. */
static enum err_code make_run(struct launch_folder *folder, struct err *err)
{
    if (snprintf(folder->run, sizeof folder->run, "%s/run-XXXXXX", folder->job) >=
        (int)sizeof folder->run) {
        return err_set(err, ERR_IO, "the path %.120s is too long", folder->job);
    }
    return mkdtemp(folder->run) != NULL ? write_file(folder->run, "alive", "", 0, NULL, err)
                                        : system_error(err, folder->run, "made");
}

enum err_code launch_folder_make(const char *root, int64_t job, const struct launch_inputs *inputs,
                                 struct launch_folder *out, struct err *err)
{
    char hex[2][DIGEST_HEX_CHARS + 1];
    if (launch_folder_name(root, job, out->job, err) != ERR_OK ||
        make_folder(root, err) != ERR_OK || make_folder(out->job, err) != ERR_OK ||
        launch_folder_remove_runs(out->job, err) != ERR_OK ||
        write_file(out->job, "request.json", inputs->request, inputs->n_request, hex[0], err) !=
            ERR_OK ||
        write_rows(out->job, inputs->data, hex[1], err) != ERR_OK ||
        (inputs->space != NULL && write_space(out->job, inputs->space, err) != ERR_OK) ||
        (inputs->base != NULL && write_base(out->job, inputs->base, err) != ERR_OK) ||
        make_run(out, err) != ERR_OK) {
        return err->code;
    }
    memcpy(out->request_sha256, hex[0], sizeof hex[0]);
    memcpy(out->rows_sha256, hex[1], sizeof hex[1]);
    return ERR_OK;
}

/* ---- removing ---- */

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

enum err_code launch_folder_remove(const char *path, struct err *err)
{
    errno = 0;
    return nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT
               ? ERR_OK
               : system_error(err, path, "removed");
}

enum err_code launch_folder_remove_runs(const char *job, struct err *err)
{
    DIR *folder = opendir(job);
    char path[PATH_MAX];
    if (folder == NULL) {
        return errno == ENOENT ? ERR_OK : system_error(err, job, "read");
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL && err->code == ERR_OK;
         entry = readdir(folder)) {
        if (strncmp(entry->d_name, "run-", 4) == 0 &&
            snprintf(path, sizeof path, "%s/%s", job, entry->d_name) < (int)sizeof path) {
            err_kept(launch_folder_remove(path, err));
        }
    }
    closedir(folder);
    return err->code;
}

/* ---- finding and reading ---- */

enum err_code launch_folder_name(const char *root, int64_t job, char *path, struct err *err)
{
    return snprintf(path, LAUNCH_PATH_CHARS, "%s/job-%lld", root, (long long)job) <
                   LAUNCH_PATH_CHARS
               ? ERR_OK
               : err_set(err, ERR_IO, "the path %.120s is too long", root);
}

enum err_code launch_folder_list(const char *root, void (*visit)(void *ctx, int64_t job), void *ctx,
                                 struct err *err)
{
    DIR *folder = opendir(root);
    if (folder == NULL) {
        return errno == ENOENT ? ERR_OK : system_error(err, root, "read");
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *digits = entry->d_name + 4;
        size_t n = strncmp(entry->d_name, "job-", 4) == 0 ? strspn(digits, "0123456789") : 0;
        if (n > 0 && n < 19 && digits[n] == '\0') {
            visit(ctx, strtoll(digits, NULL, 10));
        }
    }
    closedir(folder);
    return ERR_OK;
}

bool launch_folder_has_checkpoint(const struct launch_folder *folder)
{
    char path[PATH_MAX];
    bool found = false;
    if (snprintf(path, sizeof path, "%s/checkpoints", folder->job) >= (int)sizeof path) {
        return false;
    }
    DIR *states = opendir(path);
    const struct dirent *entry = states != NULL ? readdir(states) : NULL;
    for (; entry != NULL && !found; entry = readdir(states)) {
        size_t n = strlen(entry->d_name);
        found = n > 6 && strcmp(entry->d_name + n - 6, ".state") == 0;
    }
    if (states != NULL) {
        closedir(states);
    }
    return found;
}

enum err_code launch_folder_file(const struct launch_folder *folder, const char *name, char *path,
                                 struct err *err)
{
    return snprintf(path, PATH_MAX, "%s/%s", folder->run, name) < PATH_MAX
               ? ERR_OK
               : err_set(err, ERR_IO, "the path %.120s is too long", folder->run);
}

static enum err_code read_bytes(int fd, size_t n, char *out, const char *path, struct err *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, out + at, n - at);
        if (got == 0) {
            return err_set(err, ERR_IO, "%.120s became shorter while it was read", path);
        }
        if (got < 0 && errno != EINTR) {
            return system_error(err, path, "read");
        }
        at += got > 0 ? (size_t)got : 0;
    }
    out[n] = '\0';
    return ERR_OK;
}

enum err_code launch_folder_read(const struct launch_folder *folder, const char *name,
                                 size_t max_bytes, void **bytes, size_t *n_bytes, struct err *err)
{
    char path[PATH_MAX];
    struct stat about;
    char *out = NULL;
    if (launch_folder_file(folder, name, path, err) != ERR_OK) {
        return err->code;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no %.120s", path)
                               : system_error(err, path, "read");
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        err_set(err, ERR_IO, "%.120s is not a file", path);
    } else if ((uint64_t)about.st_size > max_bytes) {
        err_set(err, ERR_TOO_LARGE, "%s has %lld bytes, at most %zu are taken", name,
                (long long)about.st_size, max_bytes);
    } else if ((out = mem_alloc((size_t)about.st_size + 1)) == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %s of %lld bytes", name, (long long)about.st_size);
    } else if (read_bytes(fd, (size_t)about.st_size, out, path, err) == ERR_OK) {
        *bytes = out;
        *n_bytes = (size_t)about.st_size;
        out = NULL;
    }
    mem_free(out);
    close(fd);
    return err->code;
}
