/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/npy.h"

#define HEAD(version, size, text) "\x93NUMPY" version size text

const struct seed fuzz_seeds[] = {
    SEED(HEAD("\x01\x00", "\x46\x00",
              "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }          \n"
              "0123456789abcdef")),
    SEED(HEAD("\x01\x00", "\x46\x00",
              "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }           \n"
              "0123456789abcdef")),
    SEED(HEAD("\x02\x00", "\x46\x00\x00\x00",
              "{'shape': (2,), 'descr': '<f8', 'fortran_order': False}              \n"
              "0123456789abcdef")),
    SEED(HEAD(
        "\x01\x00", "\x56\x00",
        "{'descr': [('x', '<f8'), ('y', '<f4')], 'fortran_order': False, 'shape': (1L,), }    \n"
        "0123456789ab")),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("'shape'"), SEED("(1, 2)"), SEED("(18446744073709551615,)"),
                                  SEED("'<f8'"),   SEED("True"),   SEED("\xff\xff"),
                                  SEED("0, "),     SEEDS_END};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct npy npy;
    if (npy_parse(data, size, 1000, &arena, &npy, &err) == ERR_OK) {
        bool finite = true;
        for (size_t i = 0; i < (size_t)npy.n * (size_t)npy.k; i++) {
            finite &= isfinite(npy.values[i]) != 0;
        }
        for (int j = 0; npy.names != NULL && j < npy.k; j++) {
            finite &= strlen(npy.names[j]) <= 128;
        }
        if (finite != (npy_check_finite(&npy, &err) == ERR_OK)) {
            abort();
        }
    }
    arena_release(&arena);
    return 0;
}
