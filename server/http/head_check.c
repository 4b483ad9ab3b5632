/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head_check.h"

#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HIDING_VERSIONS "0." /* how the versions begin that hide lines */
#define CRLF            2    /* bytes */

/* Addresses are compared as numbers, since a folded header lies in another piece of memory. */
struct walk {
    uintptr_t next; /* where the next header must begin */
    bool whole;
};

static uintptr_t end_of(const char *text)
{
    return (uintptr_t)text + strlen(text) + CRLF;
}

static enum MHD_Result step(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct walk *walk = ctx;
    (void)kind;
    walk->whole = walk->whole && value != NULL && (uintptr_t)name == walk->next;
    walk->next = value != NULL ? end_of(value) : 0;
    return walk->whole ? MHD_YES : MHD_NO;
}

bool head_is_whole(struct MHD_Connection *connection, const char *method, const char *version)
{
    if (strncmp(MHD_get_version(), HIDING_VERSIONS, strlen(HIDING_VERSIONS)) != 0) {
        return true;
    }
    struct walk walk = {end_of(version), true};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, step, &walk);
    return walk.whole && info != NULL && walk.next + CRLF == (uintptr_t)method + info->header_size;
}
