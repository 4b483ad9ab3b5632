/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "launch_setup.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "surrogated-train"

/* folder [PATH_MAX] <- that of a path, "." where it names none; returns the name behind it. */
static const char *split_path(const char *path, char *folder)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        snprintf(folder, PATH_MAX, ".");
        return path;
    }
    snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return slash + 1;
}

/* REGISTRY.jobs beside the registry file, with no link in its path. */
static enum err_code set_root(const struct config *config, struct launch_settings *out,
                              struct err *err)
{
    char folder[PATH_MAX];
    char whole[PATH_MAX];
    int n;
    if (strcmp(config->launch_folder, "auto") != 0) {
        if (config->launch_folder[0] != '/') {
            return err_set(err, ERR_INVALID, "launch_folder is \"%.80s\"; a whole path is needed",
                           config->launch_folder);
        }
        n = snprintf(out->root, sizeof out->root, "%s", config->launch_folder);
    } else {
        const char *name = split_path(config->db, folder);
        if (realpath(folder, whole) == NULL) {
            return err_set(err, ERR_IO, "folder of the registry %.120s: %s", folder,
                           strerror(errno));
        }
        n = snprintf(out->root, sizeof out->root, "%s/%s.jobs",
                     strcmp(whole, "/") == 0 ? "" : whole, name);
    }
    return n < (int)sizeof out->root ? ERR_OK
                                     : err_set(err, ERR_INVALID, "launch_folder is too long");
}

static enum err_code set_program(const struct config *config, struct launch_settings *out,
                                 struct err *err)
{
    char self[PATH_MAX];
    char folder[PATH_MAX];
    bool given = strcmp(config->launch_program, "auto") != 0;
    if (given && config->launch_program[0] != '/' && strchr(config->launch_program, '/') != NULL) {
        return err_set(err, ERR_INVALID,
                       "launch_program is \"%.80s\"; a whole path is needed, or a name in PATH",
                       config->launch_program);
    }
    ssize_t n = given ? 0 : readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        split_path(self, folder);
        int len = snprintf(out->program, sizeof out->program, "%s/" PROGRAM, folder);
        if (len < (int)sizeof out->program && access(out->program, X_OK) == 0) {
            return ERR_OK;
        }
    }
    snprintf(out->program, sizeof out->program, "%s", given ? config->launch_program : PROGRAM);
    return ERR_OK;
}

enum err_code launch_setup(const struct config *config, const struct log *log,
                           struct launch_settings *out, struct err *err)
{
    bool on = strcmp(config->launcher, "none") != 0;
    *out = (struct launch_settings){.command = on ? config->launcher : NULL,
                                    .start_ns = config->launch_start_s * CLOCK_S,
                                    .silent_ns = config->launch_silent_s * CLOCK_S,
                                    .stop_ns = config->launch_stop_s * CLOCK_S,
                                    .log = log};
    return set_root(config, out, err) == ERR_OK ? set_program(config, out, err) : err->code;
}
