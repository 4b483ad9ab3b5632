/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of an upload, one a line: key, source, content type; then on_duplicate and body. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "api/rows/upload.h"
#include "base/mem.h"
#include "store/data/data_append.h"

const struct seed fuzz_seeds[] = {SEED("\"a b\"\nnode 7\ntext/csv\nskip\n1,2"),
                                  SEED("abc-1:/=\n\napplication/x-npy; a=b\nreport\n"),
                                  SEED(" \"\\\"\\\\\" \n\xc3\xbc\njson\nskip\n{}"), SEEDS_END};

const struct seed fuzz_words[] = {SEED("\\\""), SEED("\\\\"), SEED("\""), SEED(";a=1"),
                                  SEED(", "),   SEED("\t"),   SEEDS_END};

/* What was read stands for itself when it is written in quotes. */
static bool key_comes_back(const char *key)
{
    char text[2 * IDEMPOTENCY_KEY_MAX + 3];
    char again[IDEMPOTENCY_KEY_MAX + 1];
    struct err err = ERR_INIT;
    size_t len = 0;
    text[len++] = '"';
    for (const char *p = key; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            text[len++] = '\\';
        }
        text[len++] = *p;
    }
    text[len++] = '"';
    text[len] = '\0';
    return strlen(key) >= 1 && strlen(key) <= IDEMPOTENCY_KEY_MAX &&
           idempotency_key_parse(text, again, &err) == ERR_OK && strcmp(again, key) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Idempotency-Key", "Surrogate-Source", "Content-Type"};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct upload up;
    struct header headers[3];
    char *rest = arena_strndup(&arena, (const char *)data, size);
    for (size_t i = 0; i < 3; i++) {
        headers[i] = (struct header){names[i], rest};
        rest += strcspn(rest, "\n");
        if (*rest != '\0') {
            *rest++ = '\0';
        }
    }
    struct header query = {"on_duplicate", rest};
    rest += strcspn(rest, "\n");
    if (*rest != '\0') {
        *rest++ = '\0';
    }
    struct request req = {.headers = headers,
                          .n_headers = 3,
                          .query = &query,
                          .n_query = 1,
                          .body = rest,
                          .n_body = strlen(rest),
                          .arena = &arena};
    if (upload_read_head(&req, &up, &err) == ERR_OK &&
        (up.data.key != up.key || !key_comes_back(up.key) ||
         (up.data.source != NULL && strlen(up.data.source) > DATA_SOURCE_MAX))) {
        abort();
    }
    arena_release(&arena);
    return 0;
}
