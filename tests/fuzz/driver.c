/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target on given files and on changed seeds. The same number always stands for the same
 * changed seed, so a finding can be repeated by its number. To keep it, write the input to a file
 * in regress/TARGET/: the test replays those files first.
 *
 * usage: fuzz_X                  changed seeds for FUZZ_SECONDS (3)
 *        fuzz_X -r FOLDER        each file of the folder, which must not be empty, then changed
 * seeds fuzz_X FILE..           each file fuzz_X -n NUMBER        the changed seed of that number
 */
#include "driver.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES 4096

struct input {
    uint8_t bytes[MAX_BYTES];
    size_t size;
};

/* The input at work, for on_abort: a file, or NULL and a number. */
static const char *volatile file_name;
static volatile uint64_t number;

static uint64_t next(uint64_t *state)
{
    /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
    return n > 0 ? (size_t)(next(state) % n) : 0;
}

static size_t count(const struct seed *list)
{
    size_t n = 0;
    while (list[n].bytes != NULL) {
        n++;
    }
    return n;
}

static void cut(struct input *in, size_t at, size_t n)
{
    n = n < in->size - at ? n : in->size - at;
    memmove(in->bytes + at, in->bytes + at + n, in->size - at - n);
    in->size -= n;
}

static void put(struct input *in, size_t at, const void *bytes, size_t n)
{
    if (in->size + n <= MAX_BYTES) {
        memmove(in->bytes + at + n, in->bytes + at, in->size - at);
        memcpy(in->bytes + at, bytes, n);
        in->size += n;
    }
}

static void change(struct input *in, uint64_t *state)
{
    static const uint8_t bytes[] = {0,   1,   0x7f, 0x80, 0xff, '"', '\\',
                                    '[', ']', '{',  '}',  ',',  '-', '\n'};
    uint8_t copy[64];
    size_t at = below(state, in->size);
    size_t n = 1 + below(state, sizeof copy);
    size_t n_words = count(fuzz_words);
    switch (next(state) % 7) {
    case 0:
        in->bytes[at] ^= (uint8_t)(1u << next(state) % 8);
        break;
    case 1:
        in->bytes[at] = bytes[below(state, sizeof bytes)];
        break;
    case 2:
        cut(in, at, n);
        break;
    case 3:
        n = n < in->size - at ? n : in->size - at;
        memcpy(copy, in->bytes + at, n);
        put(in, below(state, in->size), copy, n);
        break;
    case 4:
        put(in, at, &bytes[below(state, sizeof bytes)], 1);
        break;
    case 5:
        in->size = at;
        break;
    default:
        if (n_words > 0) {
            const struct seed *word = &fuzz_words[below(state, n_words)];
            put(in, at, word->bytes, word->size);
        }
        break;
    }
}

/* In a block of its own size, so that AddressSanitizer sees every byte past the end. */
static void run_target(const uint8_t *bytes, size_t size)
{
    uint8_t *block = malloc(size > 0 ? size : 1);
    memcpy(block, bytes, size);
    LLVMFuzzerTestOneInput(block, size);
    free(block);
}

static void run_number(uint64_t which)
{
    static struct input in;
    uint64_t state = which;
    const struct seed *seed = &fuzz_seeds[below(&state, count(fuzz_seeds))];
    in.size = seed->size < MAX_BYTES ? seed->size : MAX_BYTES;
    memcpy(in.bytes, seed->bytes, in.size);
    /* The first rounds run the seeds as they are. */
    for (size_t k = which < 50 ? 0 : 1 + below(&state, 8); k > 0 && in.size > 0; k--) {
        change(&in, &state);
    }
    number = which;
    run_target(in.bytes, in.size);
}

static void run_file(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    file_name = path;
    run_target(bytes, size);
    file_name = NULL;
}

/* Each file but those whose names begin with a dot. */
static void run_folder(const char *path)
{
    DIR *folder = opendir(path);
    int n = 0;
    if (folder == NULL) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
            run_file(file);
            n++;
        }
    }
    closedir(folder);
    printf("%d files of %s\n", n, path);
    if (n == 0) {
        exit(1);
    }
}

static void on_abort(int signal_number)
{
    char text[4200];
    const char *file = file_name;
    int len = file != NULL
                  ? snprintf(text, sizeof text, "input %s\n", file)
                  : snprintf(text, sizeof text, "input -n %llu\n", (unsigned long long)number);
    (void)signal_number;
    if (write(STDERR_FILENO, text, (size_t)len) < 0) {
        _exit(2);
    }
    _exit(1);
}

int main(int argc, char **argv)
{
    const char *limit = getenv("FUZZ_SECONDS");
    double seconds = limit != NULL ? atof(limit) : 3.0;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    if (argc == 3 && strcmp(argv[1], "-n") == 0) {
        run_number(strtoull(argv[2], NULL, 10));
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "-r") == 0) {
        run_folder(argv[2]);
    } else if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            run_file(argv[i]);
        }
        return 0;
    }
    struct timespec start;
    struct timespec now;
    uint64_t which = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int k = 0; k < 64; k++) {
            run_number(which++);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + 1e-9 * (double)(now.tv_nsec - start.tv_nsec) <
             seconds);
    printf("%llu inputs\n", (unsigned long long)which);
    return 0;
}
