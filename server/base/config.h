/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the server. Flags win over the environment, and the environment over the file. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

#define CONFIG_TEXT_CHARS 4096

struct config {
#define CONFIG_TEXT(name, value, help)          char name[CONFIG_TEXT_CHARS];
#define CONFIG_INT(name, value, min, max, help) int name;
#define CONFIG_BOOL(name, value, help)          bool name;
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_INT
#undef CONFIG_BOOL
};

void config_defaults(struct config *config);

/* Sets one by name. ERR_NOT_FOUND: there is no such setting; ERR_INVALID: the value. */
enum err_code config_set(struct config *config, const char *name, const char *value,
                         struct err *err) MUST_CHECK;

/* Reads lines `name = value`; '#' begins a comment. Errors name file and line. */
enum err_code config_read_file(struct config *config, const char *path, struct err *err) MUST_CHECK;

/* Reads the variable SURROGATED_<NAME> for every setting, and then PORT, the port of `listen`. */
enum err_code config_read_environment(struct config *config, struct err *err) MUST_CHECK;

/* A path without the base path in front of it; the path itself when it has none. */
const char *config_strip_base(const struct config *config, const char *path);
/* What stands in front of a path in a Location header: "" or the base path. */
const char *config_base(const struct config *config);

/* Once all is read: checks the names of levels and formats, and replaces numbers of threads that
 * are 0 by what suits the machine. */
enum err_code config_finish(struct config *config, struct err *err) MUST_CHECK;

#endif
