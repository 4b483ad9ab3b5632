/* SPDX-License-Identifier: Apache-2.0 */
/* A last question before something goes that does not come back. */
#ifndef CONFIRM_H
#define CONFIRM_H

#include "client/client.h"

/*
 * Asks on the terminal, when there is one at both ends and --yes is not given; "y" and "yes" go
 * on. ERR_CANCELLED otherwise, after a line that says so.
 */
enum err_code confirm(const struct client *client, const char *question,
                      struct err *err) MUST_CHECK;

#endif
