/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as gzip (RFC 1952), for clients that ask for it. JSON, CSV and other text becomes about
 * half as long; what is short, what is binary, and what never ends is sent as it is.
 */
#ifndef COMPRESS_H
#define COMPRESS_H

#include "api/app.h"

#define COMPRESS_MIN_BYTES   1024                /* of a body that is worth it */
#define COMPRESS_HERE_BYTES  ((size_t)32 * 1024) /* what an HTTP thread compresses itself */
#define COMPRESS_MAX_STREAMS 64 /* at a time; further answers are sent as they are */

/*
 * Replaces the body of an answer that is otherwise finished, if the client asks for that, and says
 * so in its headers. A longer body becomes a source that another thread compresses piece by piece
 * while the client reads, in 300 KB of memory. Where memory is short the answer is sent as it is.
 */
void compress_answer(struct app *app, struct request *req, struct response *res);

#endif
