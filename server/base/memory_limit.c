/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory_limit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define USABLE_PERCENT  80
#define LINE_CHARS      4096
#define CGROUP_ROOT     "/sys/fs/cgroup"
#define NO_LIMIT        ((size_t)1 << 60) /* version 1 writes nearly 2^63 for none */
#define FALLBACK_MEMORY ((size_t)1 << 30) /* when nothing tells */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool memory_limit_read(const char *text, size_t *bytes)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || (*end != '\0' && *end != '\n') ||
        value == 0 || value >= NO_LIMIT) {
        return false;
    }
    *bytes = (size_t)value;
    return true;
}

/* Lowers *bytes to the limit in a file, if it holds one. */
static void apply_file(const char *path, size_t *bytes)
{
    char line[64] = "";
    size_t limit;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof line, file) != NULL && memory_limit_read(line, &limit)) {
        *bytes = smaller(*bytes, limit);
    }
    fclose(file);
}

/* The limits of a group and of all groups around it. `group`, "/a/b", is shortened from its end. */
static void apply_group(const char *folder, const char *name, char *group, size_t *bytes)
{
    char path[2 * LINE_CHARS];
    char *slash = group;
    while (slash != NULL) {
        snprintf(path, sizeof path, CGROUP_ROOT "%s%s/%s", folder, group, name);
        apply_file(path, bytes);
        slash = strrchr(group, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
}

/* A line of /proc/self/cgroup: "0::/a/b" of version 2, "5:memory:/a/b" of version 1. */
static void apply_line(char *line, size_t *bytes)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL) {
        return;
    }
    *group++ = '\0';
    if (strcmp(controllers + 1, "") == 0) {
        apply_group("", "memory.max", group, bytes);
    } else if (strcmp(controllers + 1, "memory") == 0) {
        apply_group("/memory", "memory.limit_in_bytes", group, bytes);
    }
}

static void apply_cgroups(size_t *bytes)
{
    char line[LINE_CHARS];
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        apply_line(line, bytes);
    }
    fclose(file);
}

size_t memory_limit_usable(void)
{
    struct rlimit space;
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    size_t bytes =
        pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : FALLBACK_MEMORY;
    apply_cgroups(&bytes);
    bytes = bytes / 100 * USABLE_PERCENT;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
        bytes = smaller(bytes, (size_t)space.rlim_cur / 2);
    }
    return bytes;
}
