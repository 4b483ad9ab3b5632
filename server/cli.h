/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that run in this process, with their settings; client/client.h has the others. */
#ifndef CLI_H
#define CLI_H

#include "base/config.h"
#include "access/limits.h"

#define CLI_MAX_WORDS 2

enum cli_command {
    CLI_SERVE,
    CLI_HEALTHCHECK,
    CLI_CHECK,
    CLI_BACKUP,
    CLI_RESTORE,
    CLI_COMPACT,
    CLI_TOKEN,
    CLI_DONE
};

struct cli {
    enum cli_command command;
    const char *name; /* of the command; NULL: none was found */
    struct config config;
    /* Options of single commands; borrowed from argv, NULL: not given. */
    const char *to;
    const char *from;
    bool force;
    bool damaged;
    int argc; /* as given */
    char **argv;
    const char *role;
    const char *id;
    const char *models;
    const char *expires;
    /* Of healthcheck; NULL: neither given nor in the environment. */
    const char *tls_ca;
    const char *tls_client_cert;
    const char *tls_client_key;
    const char *limits[LIMIT_N];
    const char *words[CLI_MAX_WORDS];
    int n_words;
};

/*
 * Reads the arguments, the config file and the environment. CLI_DONE: help or the version has been
 * printed. ERR_INVALID, ERR_NOT_FOUND, ERR_IO with the reason.
 */
enum err_code cli_parse(int argc, char **argv, struct cli *cli, struct err *err) MUST_CHECK;

#endif
