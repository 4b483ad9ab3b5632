/* SPDX-License-Identifier: Apache-2.0 */
/* Spaces as bytes, inside of stored models. */
#ifndef SPACE_CODEC_H
#define SPACE_CODEC_H

#include "base/bytes.h"
#include "model/space.h"

void space_encode(struct bytes_writer *w, const struct space *space);

/* A checked space with one reference; NULL, and the reader fails, when there is none. */
struct space *space_decode(struct bytes_reader *r);

#endif
