/* SPDX-License-Identifier: Apache-2.0 */
/* The functions behind commands.def. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "client/client.h"

#define COMMAND(name, options, summary, usage, text)                                               \
    enum err_code command_##name(struct client *client, struct err *err) MUST_CHECK;
#include "client/commands.def"
#undef COMMAND

/*
 * Watches a job to its end, and sets not_promoted of the client. ERR_NUMERIC: the job failed or was
 * cancelled; ERR_CANCELLED: Ctrl-C.
 */
enum err_code watch_job(struct client *client, const char *id, struct err *err) MUST_CHECK;

#endif
