/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer of connection.c: what libcurl asks for while it sends and receives. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "client/connection.h"

#include <curl/curl.h>
#include <sys/types.h>

struct transfer {
    CURL *curl;
    const struct payload *payload;
    int part; /* 0: before, 1: bytes or file, 2: after */
    size_t sent_of_part;
    off_t start; /* of the file; -1: it cannot be read twice */
    FILE *sink;
    call_piece_fn *piece;
    void *piece_ctx;
    bool enough; /* `piece` wants no more */
    struct answer *answer;
    size_t capacity;
    enum err_code failed;
    const char *why;
};

/*
 * Sets on t->curl what is sent, what receives the answer and what notices Ctrl-C. `t` must outlive
 * the transfer.
 */
void transfer_prepare(struct transfer *t, const struct call *call);

/* Goes back to the beginning of what is sent; false: it cannot be read twice. */
bool transfer_rewind(struct transfer *t);

#endif
