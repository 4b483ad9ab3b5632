/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROWS_SHARE_H
#define ROWS_SHARE_H

#include "outside/inputs.h"

/*
 * The rows of a training, from a file or a server, in the memory of each rank: rank 0 reads them
 * and sends them in blocks, so that nothing is held but the rows themselves. Sets x, y, data and
 * rows_digest of the inputs, whose space has been read. Errors name the rows.
 */
enum err_code rows_share(struct inputs *inputs, const struct inputs_paths *paths,
                         const struct ranks *ranks, struct err *err) MUST_CHECK;

#endif
