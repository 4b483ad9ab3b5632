/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zip file ends with a record that says where its directory is. The directory lists the members,
 * each with the place of its local header, behind which its data lies. Numbers are little-endian.
 * One that is too large for its field is all ones there and stands in a record of Zip64 instead.
 */
#include "formats/zip.h"

#include <limits.h>
#include <string.h>

#include "base/utf8.h"
#include "formats/zlib_memory.h"

#define END_BYTES     ((size_t)22) /* without the comment */
#define END64_BYTES   ((size_t)56)
#define LOCATOR_BYTES ((size_t)20)
#define ENTRY_BYTES   ((size_t)46) /* without name, extra fields and comment */
#define LOCAL_BYTES   ((size_t)30) /* without name and extra fields */
#define MAX_COMMENT   ((size_t)65535)

#define FLAG_ENCRYPTED 0x2041U /* bits 0, 6 and 13 */
#define FLAG_STREAMED  0x0008U
#define METHOD_STORED  0
#define METHOD_DEFLATE 8
#define EXTRA_ZIP64    1
#define FULL_16        UINT16_MAX
#define FULL_32        UINT32_MAX
#define RAW_WINDOW     (-15) /* the longest window, and no header */

static uint16_t load16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t load32(const unsigned char *at)
{
    return (uint32_t)load16(at) | (uint32_t)load16(at + 2) << 16;
}

static uint64_t load64(const unsigned char *at)
{
    return (uint64_t)load32(at) | (uint64_t)load32(at + 4) << 32;
}

static bool is_mark(const unsigned char *at, const char *mark)
{
    return memcmp(at, mark, 4) == 0;
}

static enum err_code refuse_damaged(struct err *err)
{
    return err_set(err, ERR_SYNTAX, "the zip file is damaged or cut");
}

/* ---- the end ---- */

struct directory {
    const unsigned char *file;
    size_t from;
    size_t until; /* the end of the directory */
    uint64_t n;
};

/* The record at the end; NULL: there is none. Its comment ends with the file. */
static const unsigned char *find_end(const unsigned char *file, size_t len)
{
    for (size_t comment = 0; comment <= MAX_COMMENT && comment + END_BYTES <= len; comment++) {
        const unsigned char *at = file + len - END_BYTES - comment;
        if (is_mark(at, "PK\5\6") && load16(at + 20) == comment) {
            return at;
        }
    }
    return NULL;
}

/* Before the end are a locator and the record that it locates. NULL: they are not there. */
static const unsigned char *find_end64(const unsigned char *file, const unsigned char *end)
{
    size_t before = (size_t)(end - file);
    const unsigned char *locator = end - LOCATOR_BYTES;
    if (before < LOCATOR_BYTES + END64_BYTES || !is_mark(locator, "PK\6\7")) {
        return NULL;
    }
    uint64_t place = load64(locator + 8);
    bool fits = place == before - LOCATOR_BYTES - END64_BYTES && load32(locator + 4) == 0;
    return fits && is_mark(file + place, "PK\6\6") ? file + place : NULL;
}

static enum err_code find_directory(const unsigned char *file, size_t len, struct directory *out,
                                    struct err *err)
{
    const unsigned char *end = find_end(file, len);
    if (end == NULL) {
        return err_set(err, ERR_SYNTAX,
                       len < END_BYTES || !is_mark(file, "PK\3\4")
                           ? "the body is not a zip file (npz)"
                           : "the zip file is cut: it has no end");
    }
    uint64_t n = load16(end + 10);
    uint64_t size = load32(end + 12);
    uint64_t from = load32(end + 16);
    bool parts = load16(end + 4) != 0 || load16(end + 6) != 0 || load16(end + 8) != n;
    if (n == FULL_16 || size == FULL_32 || from == FULL_32) {
        end = find_end64(file, end);
        if (end == NULL) {
            return refuse_damaged(err);
        }
        n = load64(end + 32);
        size = load64(end + 40);
        from = load64(end + 48);
        parts = load32(end + 16) != 0 || load32(end + 20) != 0 || load64(end + 24) != n;
    }
    if (parts) {
        return err_set(err, ERR_UNSUPPORTED, "a zip file in several parts is not read");
    }
    uint64_t until = (uint64_t)(end - file);
    if (size > until || from != until - size) {
        return refuse_damaged(err); /* or something is before it or behind it */
    }
    *out = (struct directory){file, (size_t)from, (size_t)until, n};
    return ERR_OK;
}

/* ---- a member ---- */

/* An entry of the directory as it is, its large numbers found. */
struct entry {
    const unsigned char *at;
    const unsigned char *name;
    size_t n_name;
    unsigned flags;
    unsigned method;
    uint64_t n_packed;
    uint64_t size;
    uint64_t local; /* place of the local header */
};

/* The numbers that do not fit their fields are in this order in the extra field of Zip64. */
static bool read_zip64(struct entry *entry, const unsigned char *extra, size_t n_extra)
{
    uint64_t *const numbers[] = {&entry->size, &entry->n_packed, &entry->local};
    while (n_extra >= 4) {
        size_t size = load16(extra + 2);
        if (size > n_extra - 4) {
            return false;
        }
        size_t at = 0;
        for (int i = 0; load16(extra) == EXTRA_ZIP64 && i < 3; i++) {
            if (*numbers[i] == FULL_32 && at + 8 <= size) {
                *numbers[i] = load64(extra + 4 + at);
                at += 8;
            }
        }
        extra += 4 + size;
        n_extra -= 4 + size;
    }
    return true;
}

/* *next: behind the entry. False: it does not lie within the directory. */
static bool read_entry(const struct directory *directory, size_t at, struct entry *out,
                       size_t *next)
{
    const unsigned char *p = directory->file + at;
    size_t room = directory->until - at;
    if (room < ENTRY_BYTES || !is_mark(p, "PK\1\2")) {
        return false;
    }
    size_t n_name = load16(p + 28);
    size_t n_extra = load16(p + 30);
    size_t whole = ENTRY_BYTES + n_name + n_extra + load16(p + 32);
    if (room < whole) {
        return false;
    }
    *out = (struct entry){.at = p,
                          .name = p + ENTRY_BYTES,
                          .n_name = n_name,
                          .flags = load16(p + 8),
                          .method = load16(p + 10),
                          .n_packed = load32(p + 20),
                          .size = load32(p + 24),
                          .local = load32(p + 42)};
    *next = at + whole;
    return read_zip64(out, p + ENTRY_BYTES + n_name, n_extra);
}

/* A name that is safe to show and to look for; folders have no meaning here. */
static enum err_code check_name(const struct entry *entry, struct err *err)
{
    const char *name = (const char *)entry->name;
    bool good = entry->n_name > 0 && entry->n_name <= ZIP_MAX_NAME &&
                utf8_is_valid(name, entry->n_name) && !(name[0] == '.' && name[1] == '.');
    for (size_t i = 0; good && i < entry->n_name; i++) {
        unsigned char c = entry->name[i];
        good = c >= 0x20 && c != 0x7f && c != '/' && c != '\\';
    }
    return good ? ERR_OK
                : err_set(err, ERR_SYNTAX,
                          "a member of the zip file has a name of 1 to %d bytes of UTF-8 without "
                          "folders",
                          ZIP_MAX_NAME);
}

static enum err_code check_kind(const struct entry *entry, const char *name, struct err *err)
{
    if (entry->flags & FLAG_ENCRYPTED) {
        return err_set(err, ERR_UNSUPPORTED, "member \"%.40s\" of the zip file is encrypted", name);
    }
    if (entry->method != METHOD_STORED && entry->method != METHOD_DEFLATE) {
        return err_set(err, ERR_UNSUPPORTED,
                       "member \"%.40s\" of the zip file is compressed by method %u; stored "
                       "members and deflate (8) are read",
                       name, entry->method);
    }
    return ERR_OK;
}

/* The local header says the same as the directory, and the data lies between the member before,
 * which ends at *used, and the directory. */
static enum err_code find_data(const struct directory *directory, struct entry *entry, size_t *used,
                               struct zip_member *member, struct err *err)
{
    size_t room = directory->from;
    if (entry->local != *used || room - *used < LOCAL_BYTES + entry->n_name) {
        return err_set(err, ERR_SYNTAX,
                       "member \"%.40s\" of the zip file does not begin where the one before ends",
                       member->name);
    }
    const unsigned char *p = directory->file + *used;
    size_t head = LOCAL_BYTES + entry->n_name + load16(p + 28);
    if (!is_mark(p, "PK\3\4") || load16(p + 26) != entry->n_name ||
        load16(p + 8) != entry->method || ((load16(p + 6) ^ entry->flags) & FLAG_ENCRYPTED) ||
        memcmp(p + LOCAL_BYTES, entry->name, entry->n_name) != 0 || room - *used < head ||
        entry->n_packed > room - *used - head) {
        return refuse_damaged(err);
    }
    entry->flags |= load16(p + 6);
    member->packed = p + head;
    member->n_packed = (size_t)entry->n_packed;
    *used += head + member->n_packed;
    return ERR_OK;
}

/* Behind the data of a member that was written as a stream its numbers stand once more, with or
 * without a mark, and in 4 or 8 bytes. */
static void skip_descriptor(const struct directory *directory, const struct entry *entry,
                            size_t *used)
{
    const unsigned char *p = directory->file + *used;
    size_t room = directory->from - *used;
    static const size_t sizes[] = {16, 24, 12, 20};
    for (size_t i = 0; (entry->flags & FLAG_STREAMED) && i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        bool ends = room == size || (room >= size + 4 && is_mark(p + size, "PK\3\4"));
        if (ends && (size % 8 == 4 || is_mark(p, "PK\7\x08"))) {
            *used += size;
            return;
        }
    }
}

static enum err_code read_member(const struct directory *directory, struct entry *entry,
                                 struct arena *arena, size_t *used, struct zip_member *out,
                                 struct err *err)
{
    if (check_name(entry, err) != ERR_OK) {
        return err->code;
    }
    out->name = arena_strndup(arena, (const char *)entry->name, entry->n_name);
    if (out->name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the zip file");
    }
    if (check_kind(entry, out->name, err) != ERR_OK ||
        find_data(directory, entry, used, out, err) != ERR_OK) {
        return err->code;
    }
    skip_descriptor(directory, entry, used);
    out->deflated = entry->method == METHOD_DEFLATE;
    out->crc = load32(entry->at + 16);
    out->size = (size_t)entry->size;
    return out->deflated || out->size == out->n_packed ? ERR_OK : refuse_damaged(err);
}

static enum err_code check_twice(const struct zip *zip, const char *name, struct err *err)
{
    for (int i = 0; i < zip->n; i++) {
        if (strcmp(zip->members[i].name, name) == 0) {
            return err_set(err, ERR_SYNTAX, "the zip file has two members \"%.40s\"", name);
        }
    }
    return ERR_OK;
}

static enum err_code read_members(const struct directory *directory, struct arena *arena,
                                  struct zip *zip, struct err *err)
{
    size_t at = directory->from;
    size_t used = 0;
    while (at < directory->until && (uint64_t)zip->n < directory->n) {
        struct entry entry;
        struct zip_member *member = &zip->members[zip->n];
        if (!read_entry(directory, at, &entry, &at)) {
            return refuse_damaged(err);
        }
        if (read_member(directory, &entry, arena, &used, member, err) != ERR_OK ||
            check_twice(zip, member->name, err) != ERR_OK) {
            return err->code;
        }
        if (member->deflated && !size_add(zip->n_inflated, member->size, &zip->n_inflated)) {
            return refuse_damaged(err);
        }
        zip->n++;
    }
    bool all = at == directory->until && (uint64_t)zip->n == directory->n;
    return all && used == directory->from ? ERR_OK : refuse_damaged(err);
}

enum err_code zip_read(const void *bytes, size_t len, struct arena *arena, struct zip *out,
                       struct err *err)
{
    struct directory directory = {.n = 0};
    struct zip zip = {.n = 0};
    if (find_directory(bytes, len, &directory, err) != ERR_OK) {
        return err->code;
    }
    if (directory.n > ZIP_MAX_MEMBERS) {
        return err_set(err, ERR_LIMIT, "the zip file has more than %d members", ZIP_MAX_MEMBERS);
    }
    zip.members = arena_zalloc_array(arena, (size_t)directory.n + 1, sizeof *zip.members);
    if (zip.members == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the zip file");
    }
    if (read_members(&directory, arena, &zip, err) == ERR_OK) {
        *out = zip;
    }
    return err->code;
}

/* ---- the data ---- */

/* Z_STREAM_END: whole, and as long as it should be. zlib counts with unsigned. */
static int inflate_whole(z_stream *stream, const struct zip_member *member, unsigned char *out)
{
    size_t fed = 0;
    size_t made = 0;
    int status = Z_OK;
    stream->next_in = (unsigned char *)member->packed;
    stream->next_out = out;
    while (status == Z_OK) {
        if (stream->avail_in == 0) {
            size_t left = member->n_packed - fed;
            stream->avail_in = left < UINT_MAX ? (unsigned)left : UINT_MAX;
            fed += stream->avail_in;
        }
        if (stream->avail_out == 0) {
            size_t left = member->size - made;
            stream->avail_out = left < UINT_MAX ? (unsigned)left : UINT_MAX;
            made += stream->avail_out;
        }
        status = inflate(stream, Z_NO_FLUSH);
    }
    bool whole = stream->avail_in == 0 && fed == member->n_packed && stream->avail_out == 0 &&
                 made == member->size;
    return status == Z_STREAM_END && !whole ? Z_DATA_ERROR : status;
}

static enum err_code inflate_member(const struct zip_member *member, unsigned char *out,
                                    struct err *err)
{
    z_stream stream = ZLIB_MEMORY_STREAM;
    if (inflateInit2(&stream, RAW_WINDOW) != Z_OK) {
        return err_set(err, ERR_NOMEM, "no memory for the zip file");
    }
    int status = inflate_whole(&stream, member, out);
    (void)inflateEnd(&stream);
    if (status == Z_MEM_ERROR) {
        return err_set(err, ERR_NOMEM, "no memory for the zip file");
    }
    return status == Z_STREAM_END
               ? ERR_OK
               : err_set(err, ERR_SYNTAX,
                         "member \"%.40s\" of the zip file is damaged, or not of the %zu bytes "
                         "that its directory says",
                         member->name, member->size);
}

enum err_code zip_unpack(const struct zip_member *member, struct arena *arena,
                         const unsigned char **bytes, struct err *err)
{
    const unsigned char *data = member->packed;
    if (member->deflated) {
        unsigned char *out = arena_alloc(arena, member->size + 1);
        if (out == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the zip file");
        }
        if (inflate_member(member, out, err) != ERR_OK) {
            return err->code;
        }
        data = out;
    }
    if (crc32_z(0, data, member->size) != member->crc) {
        return err_set(err, ERR_SYNTAX,
                       "member \"%.40s\" of the zip file is damaged: its checksum differs",
                       member->name);
    }
    *bytes = data;
    return ERR_OK;
}
