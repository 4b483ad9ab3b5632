/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target: libFuzzer's entry point, and what the driver without libFuzzer starts from. */
#ifndef DRIVER_H
#define DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* Any bytes; crashes, or stops by abort, when something is wrong. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Good inputs, and words worth putting in; both end with a NULL text. */
struct seed {
    const char *bytes;
    size_t size;
};
#define SEED(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
#define SEEDS_END                                                                                  \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

extern const struct seed fuzz_seeds[];
extern const struct seed fuzz_words[];

#endif
