/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executable is identified by its build ID, a digest of its content that the linker puts into an
 * ELF note. One without such a note is identified by its version alone.
 */
#define _GNU_SOURCE /* dl_iterate_phdr */

#include "base/build.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "math/gemm.h"
#include "math/vtanh.h"

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define ID_BYTES 32

struct build_id {
    unsigned char bytes[ID_BYTES];
    size_t n; /* 0: none was found */
};

static size_t padded(size_t n)
{
    return (n + 3) / 4 * 4;
}

static void read_notes(const unsigned char *at, size_t left, struct build_id *id)
{
    ElfW(Nhdr) note;
    while (left >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name = padded(note.n_namesz);
        size_t size = padded(note.n_descsz);
        if (name > left - sizeof note || size > left - sizeof note - name) {
            return;
        }
        const unsigned char *bytes = at + sizeof note + name;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + sizeof note, "GNU", 4) == 0) {
            id->n = note.n_descsz < ID_BYTES ? note.n_descsz : ID_BYTES;
            memcpy(id->bytes, bytes, id->n);
            return;
        }
        at = bytes + size;
        left -= sizeof note + name + size;
    }
}

/* The first object is the executable itself, so the search ends after it. */
static int visit_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_NOTE) {
            /* The loader gives the address as a number. */
            const unsigned char *at =
                (const unsigned char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
            read_notes(at, info->dlpi_phdr[i].p_memsz, ctx);
        }
    }
    return 1;
}

static const char *libc_version(void)
{
#ifdef __GLIBC__
    return gnu_get_libc_version();
#else
    return "unknown";
#endif
}

void build_describe(char *out, size_t size)
{
    struct build_id id = {.n = 0};
    char hex[2 * ID_BYTES + 1] = "";
    dl_iterate_phdr(visit_object, &id);
    for (size_t i = 0; i < id.n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", id.bytes[i]);
    }
    snprintf(out, size, "surrogated %s %s, kernels %s, %s %s, libc %s", SURROGATED_VERSION, hex,
             vtanh_isa(), openblas_get_config(), openblas_get_corename(), libc_version());
}
