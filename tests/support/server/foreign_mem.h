/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failure point for the memory of libraries, like mem_fail_after for the project's own: any
 * allocation of SQLite (which then has no reserve of small blocks) and of GnuTLS may fail.
 */
#ifndef FOREIGN_MEM_H
#define FOREIGN_MEM_H

#include <stdbool.h>

/* Called in the main function of a test, before either library is used. */
void foreign_mem_install(void);

/* The n-th allocation from now on fails (1: the next one), with for_ever all later ones too; 0:
 * none. */
void foreign_mem_fail_after(long n, bool for_ever);
/* The number of allocations attempted since then. */
long foreign_mem_attempts(void);

#endif
