/* SPDX-License-Identifier: Apache-2.0 */
/* `surrogated token create|list|revoke`: the tokens of a registry file whose server is stopped. */
#ifndef TOKEN_COMMAND_H
#define TOKEN_COMMAND_H

#include "cli.h"

/* The exit status. A new token goes to standard output, and nowhere else. */
int token_command_run(const struct cli *cli);

#endif
