/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include "base/address.h"
#include "base/known.h"
#include "base/log.h"
#include "base/memory_limit.h"
#include "base/name_patterns.h"
#include "base/near_name.h"
#include "base/threads.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

extern char **environ; /* of POSIX, which gives it no header */

#define VARIABLE_PREFIX "SURROGATED_"

#define MEGABYTE 1000000

static const struct setting {
    const char *name;
    enum { IS_TEXT, IS_INT, IS_BOOL } kind;
    size_t offset;
    const char *text;
    int value, min, max;
    const char *help;
} settings[] = {
#define CONFIG_TEXT(name, value, help)                                                             \
    {#name, IS_TEXT, offsetof(struct config, name), value, 0, 0, 0, help},
#define CONFIG_INT(name, value, min, max, help)                                                    \
    {#name, IS_INT, offsetof(struct config, name), NULL, value, min, max, help},
#define CONFIG_BOOL(name, value, help)                                                             \
    {#name, IS_BOOL, offsetof(struct config, name), NULL, value, 0, 1, help},
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_INT
#undef CONFIG_BOOL
};

#define N_SETTINGS (sizeof settings / sizeof *settings)

static void *field(struct config *config, const struct setting *s)
{
    return (char *)config + s->offset;
}

void config_defaults(struct config *config)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        switch (s->kind) {
        case IS_TEXT:
            snprintf(field(config, s), CONFIG_TEXT_CHARS, "%s", s->text);
            break;
        case IS_INT:
            *(int *)field(config, s) = s->value;
            break;
        case IS_BOOL:
            *(bool *)field(config, s) = s->value != 0;
            break;
        }
    }
}

static enum err_code set_int(const struct setting *s, const char *value, int *out, struct err *err)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < s->min || number > s->max) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\"; a whole number from %d to %d is needed",
                       s->name, value, s->min, s->max);
    }
    *out = (int)number;
    return ERR_OK;
}

static enum err_code set_bool(const struct setting *s, const char *value, bool *out,
                              struct err *err)
{
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\"; true or false is needed", s->name,
                       value);
    }
    *out = yes;
    return ERR_OK;
}

static enum err_code set_text(const struct setting *s, const char *value, char *out,
                              struct err *err)
{
    if (value[0] == '\0' || strlen(value) >= CONFIG_TEXT_CHARS) {
        return err_set(err, ERR_INVALID, "%s needs a text of 1 to %d bytes", s->name,
                       CONFIG_TEXT_CHARS - 1);
    }
    snprintf(out, CONFIG_TEXT_CHARS, "%s", value);
    return ERR_OK;
}

/* Flags may have '-' where names have '_'. */
static bool is_same_name(const char *name, const char *given)
{
    for (; *name != '\0' && *given != '\0'; name++, given++) {
        if (*name != (*given == '-' ? '_' : *given)) {
            return false;
        }
    }
    return *name == *given;
}

enum err_code config_set(struct config *config, const char *name, const char *value,
                         struct err *err)
{
    struct near_name near = near_name_of(name);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        near_name_try(&near, s->name);
        if (!is_same_name(s->name, name)) {
            continue;
        }
        switch (s->kind) {
        case IS_TEXT:
            return set_text(s, value, field(config, s), err);
        case IS_INT:
            return set_int(s, value, field(config, s), err);
        case IS_BOOL:
            return set_bool(s, value, field(config, s), err);
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no setting \"%.60s\"%s", name,
                   near_name_hint(&near, "").text);
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    return text;
}

static enum err_code read_line(struct config *config, char *line, struct err *err)
{
    line[strcspn(line, "#")] = '\0';
    char *name = trim(line);
    if (*name == '\0') {
        return ERR_OK;
    }
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        return err_set(err, ERR_INVALID, "a line must read `name = value`");
    }
    *equals = '\0';
    return config_set(config, trim(name), trim(equals + 1), err);
}

enum err_code config_read_file(struct config *config, const char *path, struct err *err)
{
    char line[CONFIG_TEXT_CHARS + 128];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return err_set(err, ERR_IO, "config file %.100s: %s", path, strerror(errno));
    }
    for (int number = 1; err->code == ERR_OK && fgets(line, sizeof line, file) != NULL; number++) {
        if (read_line(config, line, err) != ERR_OK) {
            err_prefix(err, "config file %.60s, line %d", path, number);
        }
    }
    if (err->code == ERR_OK && ferror(file)) {
        err_set(err, ERR_IO, "config file %.100s cannot be read", path);
    }
    fclose(file);
    return err->code;
}

/* Variables that are no settings, but that the client reads. */
static bool is_client_variable(const char *name, size_t len)
{
    static const char *const names[] = {"SERVER", "TOKEN",           "TOKEN_IN_CLEAR",
                                        "TLS_CA", "TLS_CLIENT_CERT", "TLS_CLIENT_KEY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * A variable whose name is close to a setting's is a misspelt one. Others are ignored, because
 * orchestrators make some of their own (SURROGATED_SERVICE_HOST).
 */
static enum err_code check_variable(const char *name, size_t len, struct err *err)
{
    char given[NEAR_NAME_CHARS + 1] = "";
    if (len > NEAR_NAME_CHARS || is_client_variable(name, len)) {
        return ERR_OK;
    }
    memcpy(given, name, len);
    struct near_name near = near_name_of(given);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (strcasecmp(settings[i].name, given) == 0) {
            return ERR_OK;
        }
        near_name_try(&near, settings[i].name);
    }
    if (near.best == NULL) {
        return ERR_OK;
    }
    char best[NEAR_NAME_CHARS + 1];
    size_t n = 0;
    for (; n < NEAR_NAME_CHARS && near.best[n] != '\0'; n++) {
        best[n] = (char)toupper((unsigned char)near.best[n]);
    }
    best[n] = '\0';
    return err_set(err, ERR_INVALID,
                   "environment variable " VARIABLE_PREFIX "%s: there is no such setting; did you "
                   "mean " VARIABLE_PREFIX "%s?",
                   given, best);
}

static enum err_code check_environment(struct err *err)
{
    size_t n_prefix = sizeof VARIABLE_PREFIX - 1;
    for (char **at = environ; *at != NULL && err->code == ERR_OK; at++) {
        if (strncmp(*at, VARIABLE_PREFIX, n_prefix) == 0) {
            err_kept(check_variable(*at + n_prefix, strcspn(*at + n_prefix, "="), err));
        }
    }
    return err->code;
}

/* Where the port is given by whoever starts the server, as UM-Bridge's launchers do. */
static enum err_code read_port(struct config *config, struct err *err)
{
    const char *port = getenv("PORT");
    return port != NULL && port[0] != '\0'
               ? address_list_set_port("environment variable PORT", port, config->listen,
                                       sizeof config->listen, err)
               : ERR_OK;
}

enum err_code config_read_environment(struct config *config, struct err *err)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        char variable[64];
        int len = snprintf(variable, sizeof variable, VARIABLE_PREFIX "%s", settings[i].name);
        for (int k = 0; k < len; k++) {
            variable[k] = (char)toupper((unsigned char)variable[k]);
        }
        const char *value = getenv(variable);
        if (value != NULL && config_set(config, settings[i].name, value, err) != ERR_OK) {
            err_prefix(err, "environment variable %s", variable);
            return err->code;
        }
    }
    return read_port(config, err) == ERR_OK ? check_environment(err) : err->code;
}

static int at_least_one(int mb)
{
    return mb > 0 ? mb : 1;
}

/* The shares of the one budget. Bodies have a limit of their own, which a small budget lowers. */
static void finish_memory(struct config *config)
{
    if (config->memory_mb == 0) {
        config->memory_mb = (int)(memory_limit_usable() / MEGABYTE);
    }
    int mb = config->memory_mb;
    if (config->train_memory_mb == 0) {
        config->train_memory_mb = at_least_one(mb / 2);
    }
    if (config->models_mb == 0) {
        config->models_mb = at_least_one(mb / 2);
    }
    if (config->answers_mb == 0) {
        config->answers_mb = at_least_one(mb / 4);
    }
    if (config->bodies_mb > mb / 4) {
        config->bodies_mb = at_least_one(mb / 4);
    }
}

const char *config_base(const struct config *config)
{
    return strcmp(config->base_path, "/") == 0 ? "" : config->base_path;
}

const char *config_strip_base(const struct config *config, const char *path)
{
    const char *base = config_base(config);
    size_t len = strlen(base);
    bool below =
        len > 0 && strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0');
    return !below ? path : path[len] == '\0' ? "/" : path + len;
}

/* It goes into headers as it is, so it is plain. */
static enum err_code check_base_path(const char *path, struct err *err)
{
    size_t len = strlen(path);
    bool good = path[0] == '/' && (len == 1 || path[len - 1] != '/') && strstr(path, "//") == NULL;
    for (const char *p = path; good && *p != '\0'; p++) {
        good = isalnum((unsigned char)*p) || strchr("/-_.~", *p) != NULL;
    }
    if (!good) {
        return err_set(err, ERR_INVALID,
                       "base_path is \"%.60s\"; a path such as /surrogate is needed, of letters, "
                       "digits and -_.~, without a slash at its end",
                       path);
    }
    return ERR_OK;
}

/* Cuts the '/' at the end off, since paths begin with one. */
static enum err_code check_primary(struct config *config, struct err *err)
{
    static const char usual[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~/:[]%@";
    char *url = config->primary;
    bool none = strcmp(url, "none") == 0;
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t len = strlen(url);
    if (!none &&
        (scheme == 0 || len == scheme || url[scheme] == '/' || strspn(url, usual) != len)) {
        return err_set(err, ERR_INVALID,
                       "primary is \"%.80s\"; a URL such as https://writer.example.org:8080 or "
                       "none is needed",
                       url);
    }
    if (none && config->redirect_writes) {
        return err_set(err, ERR_INVALID, "redirect_writes needs the URL of the primary");
    }
    if (none && config->announce_s > 0) {
        return err_set(err, ERR_INVALID, "announce_s needs the URL of the primary");
    }
    while (!none && url[len - 1] == '/') {
        url[--len] = '\0';
    }
    return ERR_OK;
}

enum err_code config_finish(struct config *config, struct err *err)
{
    if (names_find(log_level_known(), config->log_level) < 0) {
        return known_refuse("log_level", config->log_level, log_level_known(), err);
    }
    if (names_find(log_format_known(), config->log_format) < 0) {
        return known_refuse("log_format", config->log_format, log_format_known(), err);
    }
    if (check_base_path(config->base_path, err) != ERR_OK) {
        return err->code;
    }
    if (check_primary(config, err) != ERR_OK) {
        return err->code;
    }
    if (!name_patterns_are_valid(config->preload)) {
        return err_set(
            err, ERR_INVALID,
            "preload is \"%.80s\"; names or patterns such as heat-*, separated by commas, "
            "at most %d characters, or none are needed",
            config->preload, NAME_PATTERNS_CHARS);
    }
    int cpus = threads_n_cpus();
    if (config->http_threads == 0) {
        config->http_threads = 2 * cpus > 4 ? 2 * cpus : 4;
    }
    if (config->predict_threads == 0) {
        config->predict_threads = cpus;
    }
    if (config->train_threads == 0) {
        config->train_threads = cpus;
    }
    finish_memory(config);
    return ERR_OK;
}
