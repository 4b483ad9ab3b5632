/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that care for a registry file: check, backup, restore, compact. */
#ifndef MAINTAIN_H
#define MAINTAIN_H

#include "cli.h"

/*
 * Runs the command. Findings and a summary go to standard output, errors to standard error, and
 * progress too if that is a terminal. SIGINT and SIGTERM stop the command, which leaves no half of
 * a file. The exit status: 0; 1 for failures and findings; 130 when it was stopped.
 */
int maintain_run(const struct cli *cli);

#endif
