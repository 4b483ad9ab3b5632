/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/mistaken.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define SAMPLE        64  /* bytes in which UTF-16 shows */
#define BINARY_SAMPLE 512 /* bytes in which control characters show */
#define MAX_CONTROLS  4   /* of them in text */

#define ROWS_AS_TEXT  "which is not read; write the rows as CSV or npy"
#define PLAIN_OR_GZIP "which is not read; send it plain or as gzip"
#define NO_TABLE      "not a table; export the rows as CSV"

#define MARK(text, what)                                                                           \
    {                                                                                              \
        text, sizeof text - 1, what                                                                \
    }

/* The first bytes of formats, from their specifications; longer ones before their beginnings. */
static const struct {
    const char *bytes;
    size_t len;
    const char *what;
} marks[] = {
    MARK("\x1f\x8b", "is gzip; send it with \"Content-Encoding: gzip\""),
    MARK("PK\x05\x06", "is an empty zip file"),
    MARK("\xd0\xcf\x11\xe0", "is a spreadsheet; export the sheet as CSV"),
    MARK("\x93NUMPY", "is npy; send it with \"Content-Type: application/x-npy\""),
    MARK("\x89HDF", "is HDF5, " ROWS_AS_TEXT),
    MARK("CDF", "is netCDF, " ROWS_AS_TEXT),
    MARK("PAR1", "is Parquet, " ROWS_AS_TEXT),
    MARK("ARROW1", "is Arrow (Feather), " ROWS_AS_TEXT),
    MARK("ORC", "is ORC, " ROWS_AS_TEXT),
    MARK("Obj\x01", "is Avro, " ROWS_AS_TEXT),
    MARK("MATLAB 5.0 MAT-file",
         "is a MAT-file of MATLAB, which is not read; write the rows with writematrix or "
         "writetable"),
    MARK("MATLAB 7.3 MAT-file",
         "is a MAT-file of MATLAB, which is not read; write the rows with writematrix or "
         "writetable"),
    MARK("RDX2\n", "is saved by R, which is not read; write the rows with write.csv"),
    MARK("RDX3\n", "is saved by R, which is not read; write the rows with write.csv"),
    MARK("X\n\x00\x00\x00", "is saved by R, which is not read; write the rows with write.csv"),
    MARK("\x80\x02", "is a pickle of Python, " ROWS_AS_TEXT),
    MARK("\x80\x03", "is a pickle of Python, " ROWS_AS_TEXT),
    MARK("\x80\x04", "is a pickle of Python, " ROWS_AS_TEXT),
    MARK("\x80\x05", "is a pickle of Python, " ROWS_AS_TEXT),
    MARK("(lp0\n", "is a pickle of Python, " ROWS_AS_TEXT),
    MARK("<stata_dta>", "is a dataset of Stata, which is not read; write it with export delimited"),
    MARK("$FL2", "is a dataset of SPSS, " ROWS_AS_TEXT),
    MARK("SQLite format 3\x00", "is an SQLite database, " ROWS_AS_TEXT),
    MARK("SIMPLE  =", "is FITS, " ROWS_AS_TEXT),
    MARK("%PDF-", "is PDF, " NO_TABLE),
    MARK("{\\rtf", "is RTF, " NO_TABLE),
    MARK("\x89PNG", "is an image, " NO_TABLE),
    MARK("\xff\xd8\xff", "is an image, " NO_TABLE),
    MARK("\x28\xb5\x2f\xfd", "is compressed by zstd, " PLAIN_OR_GZIP),
    MARK("BZh", "is compressed by bzip2, " PLAIN_OR_GZIP),
    MARK("\xfd\x37zXZ", "is compressed by xz, " PLAIN_OR_GZIP),
    MARK("\x04\x22\x4d\x18", "is compressed by lz4, " PLAIN_OR_GZIP),
    MARK("\x1f\x9d", "is compressed by compress, " PLAIN_OR_GZIP),
    MARK("7z\xbc\xaf\x27\x1c", "is a 7z archive, " PLAIN_OR_GZIP),
};

/* The first name in a zip file, by its format. */
#define ZIP_MARK     "PK\x03\x04"
#define ZIP_NAME_LEN 26
#define ZIP_NAME     30

static const char *name_zip(const char *bytes, size_t len)
{
    if (len < ZIP_NAME || memcmp(bytes, ZIP_MARK, sizeof ZIP_MARK - 1) != 0) {
        return NULL;
    }
    size_t n = (size_t)(unsigned char)bytes[ZIP_NAME_LEN] |
               (size_t)(unsigned char)bytes[ZIP_NAME_LEN + 1] << 8;
    n = n < len - ZIP_NAME ? n : len - ZIP_NAME;
    if (n > 4 && memcmp(bytes + ZIP_NAME + n - 4, ".npy", 4) == 0) {
        return "is npz; send it with \"Content-Type: application/x-npz\"";
    }
    return "is a zip file or a spreadsheet; export the sheet as CSV";
}

/* A byte order mark of UTF-32, or text in which three of four bytes are NUL. */
static bool is_utf32(const char *bytes, size_t len)
{
    size_t sample = (len < SAMPLE ? len : SAMPLE) & ~(size_t)3;
    size_t nuls[4] = {0};
    if (len >= 4 &&
        (memcmp(bytes, "\xff\xfe\0\0", 4) == 0 || memcmp(bytes, "\0\0\xfe\xff", 4) == 0)) {
        return true;
    }
    for (size_t i = 0; i < sample; i++) {
        nuls[i % 4] += bytes[i] == '\0';
    }
    bool little = nuls[0] == 0 && nuls[3] == sample / 4;
    bool big = nuls[3] == 0 && nuls[0] == sample / 4;
    return sample >= 8 && nuls[1] >= sample / 4 - 1 && nuls[2] >= sample / 4 - 1 && (little || big);
}

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

/* A form of several parts, as curl -F and browsers send it. */
static bool is_form(const char *bytes, size_t len)
{
    static const char part[] = "\nContent-Disposition:";
    size_t n = len < BINARY_SAMPLE ? len : BINARY_SAMPLE;
    for (size_t i = 2; i + sizeof part - 1 <= n && memcmp(bytes, "--", 2) == 0; i++) {
        if (strncasecmp(bytes + i, part, sizeof part - 1) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Control characters that no text has. NULs behind the last other byte are none: programs with
 * buffers of a fixed size write them.
 */
static bool is_binary(const char *bytes, size_t len)
{
    size_t n = len < BINARY_SAMPLE ? len : BINARY_SAMPLE;
    int controls = 0;
    while (n > 0 && bytes[n - 1] == '\0') {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        controls += (byte < 0x20 && strchr("\t\n\v\f\r\x1a", byte) == NULL) || byte == 0x7f;
        controls += byte == '\0'; /* which strchr finds */
    }
    return controls > MAX_CONTROLS;
}

static const char *name_mark(const char *bytes, size_t len)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (len >= marks[i].len && memcmp(bytes, marks[i].bytes, marks[i].len) == 0) {
            return marks[i].what;
        }
    }
    return name_zip(bytes, len);
}

const char *mistaken_for(const char *bytes, size_t len)
{
    const char *what = name_mark(bytes, len);
    if (what != NULL) {
        return what;
    }
    if (is_utf32(bytes, len)) {
        return "is UTF-32; write it as UTF-8 (iconv -f utf-32 -t utf-8)";
    }
    if (is_utf16(bytes, len)) {
        return "is UTF-16; write it as UTF-8 (PowerShell: Export-Csv -Encoding utf8, or: iconv -f "
               "utf-16 -t utf-8)";
    }
    if (is_form(bytes, len)) {
        return "is a form; send the file itself: curl --data-binary @FILE";
    }
    if (is_markup(bytes, len)) {
        return "is a page of HTML or XML, not a table: was the right file or address downloaded?";
    }
    return is_binary(bytes, len) ? "is binary, not text; write the rows as CSV or npy" : NULL;
}

const char *mistaken_table(const char *bytes, size_t len)
{
    const char *end = bytes + len;
    const char *first = skip_blanks(bytes, end);
    const char *what = mistaken_for(bytes, len);
    if (what == NULL && first < end && (*first == '{' || *first == '[')) {
        return "is JSON; send it with \"Content-Type: application/json\"";
    }
    return what;
}
