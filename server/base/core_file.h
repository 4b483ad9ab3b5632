/* SPDX-License-Identifier: Apache-2.0 */
/* What the system writes down of this process when it crashes. */
#ifndef CORE_FILE_H
#define CORE_FILE_H

/*
 * From now on a core file holds registers and the list of mappings, but no memory: tokens, keys and
 * rows lie in it. Whoever needs it to find a fault can have it back while the process runs, by
 * writing 0x33 to /proc/PID/coredump_filter. Threads that are started later inherit it.
 */
void core_file_leave_out_memory(void);

#endif
