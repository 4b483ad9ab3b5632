/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that work on a registry file: check, backup, restore, compact. */
#ifndef MAINTAIN_H
#define MAINTAIN_H

#include "cli.h"

/*
 * Runs the command. Findings and a summary are printed on standard output, errors on standard
 * error, and progress too when that is a terminal. SIGINT and SIGTERM stop the command, which
 * leaves no incomplete file behind. Returns the exit status: 0; 1 for errors and findings; 130 when
 * stopped.
 */
int maintain_run(const struct cli *cli);

#endif
