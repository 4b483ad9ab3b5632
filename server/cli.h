/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which command, with which settings. */
#ifndef CLI_H
#define CLI_H

#include "config.h"

enum cli_command { CLI_SERVE, CLI_HEALTHCHECK, CLI_CHECK, CLI_DONE };

/*
 * Reads the arguments and, for commands with settings, file and environment too. CLI_DONE: help or
 * version has been printed. ERR_INVALID, ERR_NOT_FOUND, ERR_IO with the reason.
 */
enum err_code cli_parse(int argc, char **argv, enum cli_command *command, struct config *config,
                        struct err *err) MUST_CHECK;

/* Asks a daemon at `listen` for /readyz; ERR_OK when it is ready. */
enum err_code cli_healthcheck(const char *listen, struct err *err) MUST_CHECK;

#endif
