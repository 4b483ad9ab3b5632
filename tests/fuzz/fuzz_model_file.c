/* SPDX-License-Identifier: Apache-2.0 */
/* A file of a version. The digest of the input is made right, since no change of bytes would find
 * another one, and the fields are read a second time. */
#include "driver.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "formats/model_file.h"

#define DIGEST_AT  12
#define CHECKED_AT 44
#define NAME_AT    64

const struct seed fuzz_seeds[] = {SEED("SRGMFILE\x01\0\0\0"
                                       "0123456789abcdef0123456789abcdef"
                                       "\x03\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x04\0\0\0"
                                       "flow12345"),
                                  SEED("SRGMFILE\x01\0\0\0"
                                       "0123456789abcdef0123456789abcdef"
                                       "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                                  SEEDS_END};

const struct seed fuzz_words[] = {SEED("SRGMFILE"), SEED("\xff\xff\xff\xff\xff\xff\xff\xff"),
                                  SEED("\xff\0\0\0"), SEED("\0\x01\0\0"), SEEDS_END};

/* Whether the fields agree with the size, as the header of model_file.h says it. */
static bool is_right(const uint8_t *bytes, size_t size)
{
    uint32_t format;
    uint32_t n_name;
    uint64_t n_content;
    if (size < NAME_AT || memcmp(bytes, "SRGMFILE", 8) != 0) {
        return false;
    }
    memcpy(&format, bytes + 8, sizeof format);
    memcpy(&n_content, bytes + 52, sizeof n_content);
    memcpy(&n_name, bytes + 60, sizeof n_name);
    size_t name = le32toh(n_name);
    return le32toh(format) == 1 && name <= 255 && name <= size - NAME_AT &&
           le64toh(n_content) == size - NAME_AT - name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct model_file file = {.version = 0};
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    if (size >= CHECKED_AT &&
        digest_sha256(bytes + CHECKED_AT, size - CHECKED_AT, bytes + DIGEST_AT, &err) != ERR_OK) {
        abort();
    }
    bool taken = model_file_read(bytes, size, &file, &err) == ERR_OK;
    if (taken != is_right(bytes, size) ||
        (taken && (const uint8_t *)file.content + file.n_content != bytes + size)) {
        abort();
    }
    free(bytes);
    return 0;
}
