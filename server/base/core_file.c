/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's filter also holds where core files are piped to a program, which a limit of their
 * size does not, and unlike PR_SET_DUMPABLE it leaves /proc/PID readable to the operator.
 */
#include "base/core_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

void core_file_leave_out_memory(void)
{
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "0", 1) == 1;
    struct rlimit limit;
    if (fd >= 0) {
        close(fd);
    }
    /* Where there is no /proc or it may not be written, at least no file is made. */
    if (!done && getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &limit);
    }
}
