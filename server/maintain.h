/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that care for a registry file: check, backup, restore, compact. */
#ifndef MAINTAIN_H
#define MAINTAIN_H

#include "cli.h"

/*
 * Runs the command and prints: findings and a summary on standard output, errors on standard error,
 * how far it is there too when that is a terminal. SIGINT and SIGTERM stop it and leave no half of
 * a file. The exit status: 0; 1 for failures and findings; 130 when it was stopped.
 */
int maintain_run(const struct cli *cli);

#endif
