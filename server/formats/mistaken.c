/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/mistaken.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define SAMPLE 64 /* bytes in which UTF-16 shows */

#define MARK(text, what)                                                                           \
    {                                                                                              \
        text, sizeof text - 1, what                                                                \
    }

/* The first bytes of formats, from their specifications. */
static const struct {
    const char *bytes;
    size_t len;
    const char *what;
} marks[] = {
    MARK("\x1f\x8b", "is gzip; send it with \"Content-Encoding: gzip\""),
    MARK("PK\x03\x04", "is a zip file or a spreadsheet; export the sheet as CSV"),
    MARK("\xd0\xcf\x11\xe0", "is a spreadsheet; export the sheet as CSV"),
    MARK("\x93NUMPY", "is npy; send it with \"Content-Type: application/x-npy\""),
    MARK("\x89HDF", "is HDF5, which is not read; write the rows as CSV or npy"),
    MARK("CDF", "is netCDF, which is not read; write the rows as CSV or npy"),
    MARK("PAR1", "is Parquet, which is not read; write the rows as CSV or npy"),
    MARK("\x28\xb5\x2f\xfd", "is compressed by zstd, which is not read; send it plain or as gzip"),
    MARK("BZh", "is compressed by bzip2, which is not read; send it plain or as gzip"),
    MARK("\xfd\x37zXZ", "is compressed by xz, which is not read; send it plain or as gzip"),
};

/* A byte order mark of UTF-16, or text of which each second byte is NUL. */
static bool is_utf16(const char *bytes, size_t len)
{
    size_t sample = (len < SAMPLE ? len : SAMPLE) & ~(size_t)1;
    size_t nuls[2] = {0, 0};
    if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
        return true;
    }
    for (size_t i = 0; i < sample; i++) {
        nuls[i % 2] += bytes[i] == '\0';
    }
    return sample >= 4 && (nuls[0] == 0) != (nuls[1] == 0) && nuls[0] + nuls[1] >= sample / 2 - 1;
}

static const char *skip_blanks(const char *bytes, const char *end)
{
    while (bytes < end && strchr(" \t\r\n", *bytes) != NULL && *bytes != '\0') {
        bytes++;
    }
    return bytes;
}

static bool is_markup(const char *bytes, size_t len)
{
    const char *end = bytes + len;
    const char *first = skip_blanks(bytes, end);
    return first < end && *first == '<';
}

const char *mistaken_for(const char *bytes, size_t len)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (len >= marks[i].len && memcmp(bytes, marks[i].bytes, marks[i].len) == 0) {
            return marks[i].what;
        }
    }
    if (is_utf16(bytes, len)) {
        return "is UTF-16; write it as UTF-8 (PowerShell: Export-Csv -Encoding utf8, or: iconv -f "
               "utf-16 -t utf-8)";
    }
    return is_markup(bytes, len) ? "is a page of HTML or XML, not a table: was the right file or "
                                   "address downloaded?"
                                 : NULL;
}

const char *mistaken_table(const char *bytes, size_t len)
{
    const char *end = bytes + len;
    const char *first = skip_blanks(bytes, end);
    if (first < end && (*first == '{' || *first == '[')) {
        return "is JSON; send it with \"Content-Type: application/json\"";
    }
    return mistaken_for(bytes, len);
}
