/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surrogated-train tells whoever started it: lines on the way and a result at the end
 * (server/README.md, "A training outside the server"). The texts may be anything; keys that are not
 * known are ignored, so that a newer program may say more.
 */
#ifndef LAUNCH_JSON_H
#define LAUNCH_JSON_H

#include "base/cancel.h"
#include "base/digest.h"
#include "base/err.h"

#include <stdint.h>

enum launch_event { LAUNCH_OTHER, LAUNCH_STARTED, LAUNCH_PROGRESS };

struct launch_line {
    enum launch_event event;  /* LAUNCH_OTHER: none of these, or no such line at all */
    int ranks;                /* of LAUNCH_STARTED */
    struct progress progress; /* of LAUNCH_PROGRESS: 0 <= member < n_members, 0 <= step <= n_steps,
                                 1 <= n_steps, 0 <= fraction <= 1 */
};

void launch_json_read_line(const char *text, size_t len, struct launch_line *out);

#define LAUNCH_MESSAGE_CHARS 160

struct launch_result {
    bool ok;
    int64_t bytes; /* of the version's file */
    /* In hexadecimal: of the version's file, of the content in it, and of what was read. */
    char sha256[DIGEST_HEX_CHARS + 1];
    char content_sha256[DIGEST_HEX_CHARS + 1];
    char request_sha256[DIGEST_HEX_CHARS + 1];
    char rows_sha256[DIGEST_HEX_CHARS + 1];
    bool was_stopped;                       /* not ok: by a signal, or its file is gone */
    char message[LAUNCH_MESSAGE_CHARS + 1]; /* not ok: why, in printable ASCII */
};

/* ERR_SYNTAX, ERR_INVALID: no such text; ERR_NOMEM. */
enum err_code launch_json_parse_result(const char *text, size_t len, struct launch_result *out,
                                       struct err *err) MUST_CHECK;

#endif
