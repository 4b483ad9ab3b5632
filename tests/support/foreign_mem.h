/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failure point for the memory of libraries, as mem_fail_after is one for the project's own: every
 * allocation of SQLite, which has no reserve of small blocks then, and of GnuTLS.
 */
#ifndef FOREIGN_MEM_H
#define FOREIGN_MEM_H

#include <stdbool.h>

/* Before either library is used, in the main function of a test. */
void foreign_mem_install(void);

/* The n-th allocation from now on fails (1: the next), with for_ever each after it too; 0: none. */
void foreign_mem_fail_after(long n, bool for_ever);
/* Allocations attempted since. */
long foreign_mem_attempts(void);

#endif
