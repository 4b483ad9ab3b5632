/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target on changed seeds for a while, or on given files. Which input a number stands for is
 * fixed, so a finding can be had again by its number.
 *
 * usage: fuzz_X                  for FUZZ_SECONDS (3)
 *        fuzz_X FILE..           each file once
 *        fuzz_X -n NUMBER        that one
 */
#include "driver.h"

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
    /* In a block of its own size, so that AddressSanitizer sees every byte past the end. */
    uint8_t *block = malloc(in.size > 0 ? in.size : 1);
    memcpy(block, in.bytes, in.size);
    LLVMFuzzerTestOneInput(block, in.size);
    free(block);
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
    LLVMFuzzerTestOneInput(bytes, size);
}

static void on_abort(int signal_number)
{
    char text[64];
    int len = snprintf(text, sizeof text, "input number %llu\n", (unsigned long long)number);
    (void)signal_number;
    if (write(STDERR_FILENO, text, (size_t)len) < 0) {
        _exit(2);
    }
    _exit(1);
}

int main(int argc, char **argv)
{
    const char *request = getenv("FUZZ_SECONDS");
    double seconds = request != NULL ? atof(request) : 3.0;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    if (argc == 3 && strcmp(argv[1], "-n") == 0) {
        run_number(strtoull(argv[2], NULL, 10));
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        run_file(argv[i]);
    }
    if (argc > 1) {
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
