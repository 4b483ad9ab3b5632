/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>

#include "formats/csv.h"

const struct seed fuzz_seeds[] = {SEED("a,b\n1,2\n3,4\n"), SEED("1.5,-2e-3\r\n\"3\",4"),
                                  SEED("\xef\xbb\xbf\"x\",\"y \"\"z\"\"\"\n1,2\n"), SEEDS_END};

const struct seed fuzz_words[] = {SEED("\r\n"), SEED("\"\""), SEED(",,"),     SEED("1e308"),
                                  SEED("nan"),  SEED("0x1"),  SEED("1e-400"), SEEDS_END};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct csv csv;
    /* Request bodies end with a NUL that does not count. */
    char *text = arena_strndup(&arena, (const char *)data, size);
    if (csv_parse(text, size, 100, &arena, &csv, &err) == ERR_OK) {
        for (size_t i = 0; i < (size_t)csv.n * (size_t)csv.k; i++) {
            if (!isfinite(csv.values[i])) {
                abort();
            }
        }
    }
    arena_release(&arena);
    return 0;
}
