/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which command, with which settings. */
#ifndef CLI_H
#define CLI_H

#include "base/config.h"

enum cli_command {
    CLI_SERVE,
    CLI_HEALTHCHECK,
    CLI_CHECK,
    CLI_BACKUP,
    CLI_RESTORE,
    CLI_COMPACT,
    CLI_DONE
};

struct cli {
    enum cli_command command;
    struct config config;
    /* Options of single commands; borrowed from argv, NULL: not given. */
    const char *to;
    const char *from;
    bool force;
    bool damaged;
};

/*
 * Reads the arguments and, for commands with settings, file and environment too. CLI_DONE: help or
 * version has been printed. ERR_INVALID, ERR_NOT_FOUND, ERR_IO with the reason.
 */
enum err_code cli_parse(int argc, char **argv, struct cli *cli, struct err *err) MUST_CHECK;

/* Asks a daemon at `listen` for /readyz; ERR_OK when it is ready. */
enum err_code cli_healthcheck(const char *listen, struct err *err) MUST_CHECK;

#endif
