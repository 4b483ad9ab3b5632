/* SPDX-License-Identifier: Apache-2.0 */
#include "disk_image.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 16
#define SECTOR    512

enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_REMOVE };

struct change {
    enum change_kind kind;
    int64_t at; /* of a write; the size after a truncation */
    size_t n;
    unsigned char *bytes; /* [n] */
};

struct bytes {
    unsigned char *data;
    size_t n;
    bool exists;
};

struct disk_file {
    char path[256];
    struct bytes synced;
    struct change *changes; /* since then, in order */
    size_t n_changes;
    size_t capacity;
    bool with_folder; /* its next sync is one of the folder */
};

static struct disk_file files[MAX_FILES];
static size_t n_files;

/* splitmix64: any seed gives a sequence of its own. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void resize(struct bytes *bytes, size_t n)
{
    if (n > bytes->n) {
        bytes->data = realloc(bytes->data, n);
        ck_assert_ptr_nonnull(bytes->data);
        memset(bytes->data + bytes->n, 0, n - bytes->n);
    }
    bytes->n = n;
}

/* Puts bytes [from, to) of a write into place. */
static void write_part(struct bytes *bytes, const struct change *c, size_t from, size_t to)
{
    size_t at = (size_t)c->at;
    if (at + to > bytes->n) {
        resize(bytes, at + to);
    }
    memcpy(bytes->data + at + from, c->bytes + from, to - from);
    bytes->exists = true;
}

/* lossy: each sector of a write, and each truncation, arrives or does not. */
static void apply(struct bytes *bytes, const struct change *c, bool lossy, uint64_t *random)
{
    if (c->kind == CHANGE_REMOVE) {
        resize(bytes, 0);
        bytes->exists = false;
    } else if (c->kind == CHANGE_TRUNCATE) {
        if (!lossy || next_random(random) % 2 == 0) {
            resize(bytes, (size_t)c->at);
        }
    } else if (!lossy) {
        write_part(bytes, c, 0, c->n);
    } else {
        size_t end;
        for (size_t from = 0; from < c->n; from = end) {
            end = from + SECTOR - ((size_t)c->at + from) % SECTOR;
            end = end < c->n ? end : c->n;
            if (next_random(random) % 2 == 0) {
                write_part(bytes, c, from, end);
            }
        }
    }
}

static void clear_changes(struct disk_file *file)
{
    for (size_t i = 0; i < file->n_changes; i++) {
        free(file->changes[i].bytes);
    }
    file->n_changes = 0;
}

/* Removals become sure, and with them what had been the file's until then is gone. */
static void sync_folder(void)
{
    for (size_t i = 0; i < n_files; i++) {
        struct disk_file *file = &files[i];
        size_t last = 0;
        for (size_t k = 0; k < file->n_changes; k++) {
            last = file->changes[k].kind == CHANGE_REMOVE ? k + 1 : last;
        }
        if (last > 0) {
            resize(&file->synced, 0);
            file->synced.exists = false;
            for (size_t k = 0; k < last; k++) {
                free(file->changes[k].bytes);
            }
            file->n_changes -= last;
            memmove(file->changes, file->changes + last, file->n_changes * sizeof *file->changes);
        }
    }
}

static struct disk_file *find(const char *path)
{
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i].path, path) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static void read_now(struct disk_file *file)
{
    unsigned char piece[4096];
    size_t n;
    FILE *in = fopen(file->path, "rb");
    ck_assert_ptr_nonnull(in);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        size_t at = file->synced.n;
        resize(&file->synced, at + n);
        memcpy(file->synced.data + at, piece, n);
    }
    fclose(in);
    file->synced.exists = true;
}

struct disk_file *disk_follow(const char *path, bool exists, bool with_folder)
{
    struct disk_file *file = find(path);
    if (file == NULL) {
        ck_assert_uint_lt(n_files, MAX_FILES);
        file = &files[n_files++];
        memset(file, 0, sizeof *file);
        snprintf(file->path, sizeof file->path, "%s", path);
        if (exists) {
            read_now(file);
        }
    }
    file->with_folder = file->with_folder || with_folder;
    return file;
}

static struct change *add_change(struct disk_file *file, enum change_kind kind, int64_t at)
{
    if (file->n_changes == file->capacity) {
        file->capacity = file->capacity > 0 ? 2 * file->capacity : 64;
        file->changes = realloc(file->changes, file->capacity * sizeof *file->changes);
        ck_assert_ptr_nonnull(file->changes);
    }
    struct change *c = &file->changes[file->n_changes++];
    *c = (struct change){.kind = kind, .at = at};
    return c;
}

void disk_note_write(struct disk_file *file, int64_t at, const void *bytes, size_t n)
{
    struct change *c = add_change(file, CHANGE_WRITE, at);
    c->n = n;
    c->bytes = malloc(n > 0 ? n : 1);
    ck_assert_ptr_nonnull(c->bytes);
    memcpy(c->bytes, bytes, n);
}

void disk_note_truncate(struct disk_file *file, int64_t size)
{
    add_change(file, CHANGE_TRUNCATE, size);
}

void disk_note_sync(struct disk_file *file)
{
    if (file->with_folder) {
        file->with_folder = false;
        sync_folder();
    }
    for (size_t i = 0; i < file->n_changes; i++) {
        apply(&file->synced, &file->changes[i], false, NULL);
    }
    clear_changes(file);
    file->synced.exists = true;
}

void disk_note_remove(const char *path, bool with_folder)
{
    struct disk_file *file = find(path);
    if (file != NULL) {
        add_change(file, CHANGE_REMOVE, 0);
        if (with_folder) {
            sync_folder();
        }
    }
}

/* A file whose removal is not sure is the old one, whole, or what came after. */
static void make(const struct disk_file *file, uint64_t *random, struct bytes *out)
{
    *out = (struct bytes){.exists = file->synced.exists};
    resize(out, file->synced.n);
    if (out->n > 0) {
        memcpy(out->data, file->synced.data, out->n);
    }
    for (size_t i = 0; i < file->n_changes; i++) {
        if (file->changes[i].kind == CHANGE_REMOVE && next_random(random) % 2 == 0) {
            return;
        }
        apply(out, &file->changes[i], true, random);
    }
}

void disk_write_image(const char *folder, uint64_t seed)
{
    uint64_t random = seed;
    for (size_t i = 0; i < n_files; i++) {
        const char *name = strrchr(files[i].path, '/');
        char path[512];
        struct bytes bytes = files[i].synced;
        if (seed != 0) {
            make(&files[i], &random, &bytes);
        }
        if (bytes.exists) {
            snprintf(path, sizeof path, "%s%s", folder, name);
            FILE *out = fopen(path, "wb");
            ck_assert_ptr_nonnull(out);
            ck_assert_uint_eq(fwrite(bytes.data, 1, bytes.n, out), bytes.n);
            ck_assert_int_eq(fclose(out), 0);
        }
        if (seed != 0) {
            free(bytes.data);
        }
    }
}

void disk_forget(void)
{
    for (size_t i = 0; i < n_files; i++) {
        clear_changes(&files[i]);
        free(files[i].changes);
        free(files[i].synced.data);
    }
    n_files = 0;
}
