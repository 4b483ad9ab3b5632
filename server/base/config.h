/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the daemon: defaults < config file < environment < flags. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

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

/* Sets one by name. ERR_NOT_FOUND: no such setting; ERR_INVALID: the value, with what is wanted. */
enum err_code config_set(struct config *config, const char *name, const char *value,
                         struct err *err) MUST_CHECK;

/* Lines `name = value`, '#' begins a comment. Errors name file and line. */
enum err_code config_read_file(struct config *config, const char *path, struct err *err) MUST_CHECK;

/* SURROGATED_<NAME> for every setting. */
enum err_code config_read_environment(struct config *config, struct err *err) MUST_CHECK;

/* What no single setting can say: names of levels and formats, numbers worked out from the machine.
 */
enum err_code config_finish(struct config *config, struct err *err) MUST_CHECK;

/* "true" or "false". ERR_INVALID names the setting. */
enum err_code config_read_bool(const char *name, const char *value, bool *out,
                               struct err *err) MUST_CHECK;

/* One line a setting, for --help; with a name that setting alone. */
void config_print_help(FILE *out, const char *only);

#endif
