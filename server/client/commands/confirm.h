/* SPDX-License-Identifier: Apache-2.0 */
/* A last question before something is deleted that cannot be restored. */
#ifndef CONFIRM_H
#define CONFIRM_H

#include "client/client.h"

/*
 * Asks on the terminal, if stdin and stderr are one and --yes is not given. ERR_CANCELLED: the
 * answer was not "y" or "yes", and a line has said that nothing was deleted.
 */
enum err_code confirm(const struct client *client, const char *question,
                      struct err *err) MUST_CHECK;

#endif
