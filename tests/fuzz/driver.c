/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target on given files and on changed seeds. The same number always stands for the same
 * changed seed, so a finding can be repeated by its number. To keep it, write the input to a file
 * in regress/TARGET/: the test replays those files first.
 *
 *   fuzz_X                 changed seeds for FUZZ_SECONDS (3)
 *   fuzz_X -r FOLDER ..    each file of the folders, which must not be empty; then changed seeds
 *   fuzz_X FILE ..         each file
 *   fuzz_X -n NUMBER       the changed seed of that number
 *   fuzz_X -n NUMBER FILE  writes it into a file instead
 *   fuzz_X -w FOLDER       writes each seed into a file of the folder, and the words into
 *                          .dictionary there, so that libFuzzer starts from them too
 */
#include "driver.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static void make_input(uint64_t which, struct input *out)
{
    uint64_t state = which;
    const struct seed *seed = &fuzz_seeds[below(&state, count(fuzz_seeds))];
    out->size = seed->size < MAX_BYTES ? seed->size : MAX_BYTES;
    memcpy(out->bytes, seed->bytes, out->size);
    /* The first rounds run the seeds as they are. */
    for (size_t k = which < 50 ? 0 : 1 + below(&state, 8); k > 0 && out->size > 0; k--) {
        change(out, &state);
    }
}

static void run_number(uint64_t which)
{
    static struct input in;
    make_input(which, &in);
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

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Each file in the folder and in those in it, but none whose name begins with a dot; how many. */
static int run_files(const char *path)
{
    DIR *folder = opendir(path);
    int n = 0;
    if (folder == NULL) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (is_folder(inner)) {
            n += run_files(inner);
        } else {
            run_file(inner);
            n++;
        }
    }
    closedir(folder);
    return n;
}

static void run_folder(const char *path)
{
    int n = run_files(path);
    printf("%d files of %s\n", n, path);
    if (n == 0) {
        exit(1);
    }
}

static FILE *create_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void close_written(FILE *file, const char *what)
{
    if (fclose(file) != 0) {
        perror(what);
        exit(1);
    }
}

static void write_number(uint64_t which, const char *name)
{
    static struct input in;
    make_input(which, &in);
    FILE *file = create_file(".", name);
    fwrite(in.bytes, 1, in.size, file);
    close_written(file, name);
}

static void write_seeds(const char *folder)
{
    for (size_t i = 0; i < count(fuzz_seeds); i++) {
        char name[32];
        snprintf(name, sizeof name, "seed_%zu", i);
        FILE *file = create_file(folder, name);
        fwrite(fuzz_seeds[i].bytes, 1, fuzz_seeds[i].size, file);
        close_written(file, name);
    }
    FILE *words = create_file(folder, ".dictionary");
    for (size_t i = 0; i < count(fuzz_words); i++) {
        fputc('"', words);
        for (size_t k = 0; k < fuzz_words[i].size; k++) {
            fprintf(words, "\\x%02x", (unsigned char)fuzz_words[i].bytes[k]);
        }
        fputs("\"\n", words);
    }
    close_written(words, ".dictionary");
}

/* "-r FOLDER" as often as it stands there; false: the arguments are something else. */
static bool run_folders(int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "-r") == 0; i += 2) {
        run_folder(argv[i + 1]);
    }
    return i == argc;
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
    if (argc == 4 && strcmp(argv[1], "-n") == 0) {
        write_number(strtoull(argv[2], NULL, 10), argv[3]);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "-w") == 0) {
        write_seeds(argv[2]);
        return 0;
    }
    if (!run_folders(argc, argv)) {
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
