/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "base/args.h"
#include "base/near_name.h"
#include "base/version.h"
#include "client/client.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The options that are no settings, then the settings in the order of config.def. */
enum flag {
    FLAG_CONFIG,
    FLAG_TO,
    FLAG_FROM,
    FLAG_FORCE,
    FLAG_DAMAGED,
    FLAG_ROLE,
    FLAG_ID,
    FLAG_MODELS,
    FLAG_EXPIRES,
    FLAG_TLS_CA,
    FLAG_TLS_CLIENT_CERT,
    FLAG_TLS_CLIENT_KEY,
    FIRST_LIMIT,
    FIRST_SETTING = FIRST_LIMIT + LIMIT_N,
    BEFORE_SETTINGS = FIRST_SETTING - 1,
#define CONFIG_TEXT(setting, initial, text)          SETTING_##setting,
#define CONFIG_INT(setting, initial, min, max, text) SETTING_##setting,
#define CONFIG_BOOL(setting, initial, text)          SETTING_##setting,
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_INT
#undef CONFIG_BOOL
    N_FLAGS
};

/* The last of a setting wins, so that a script can add flags to those it was given. */
static const struct arg_option flags[N_FLAGS] = {
    [FLAG_CONFIG] = {.name = "config",
                     .value = "FILE",
                     .help = "read settings from FILE, which has lines `name = value`",
                     .repeat = ARG_COLLECTS},
    [FLAG_TO] = {.name = "to", .value = "FILE", .help = "the backup to make"},
    [FLAG_FROM] = {.name = "from", .value = "FILE", .help = "the backup to restore"},
    [FLAG_FORCE] = {.name = "force",
                    .help = "replace an existing file (restore keeps it as "
                            "FILE.before-restore)"},
    [FLAG_DAMAGED] = {.name = "damaged", .help = "continue even if contents are damaged"},
    [FLAG_ROLE] = {.name = "role",
                   .value = "ROLE",
                   .help = "what the token may do: predict, read, write or admin, each of which "
                           "includes those before it"},
    [FLAG_ID] = {.name = "id",
                 .value = "ID",
                 .help = "its public name; without it a random one is made"},
    [FLAG_MODELS] = {.name = "models",
                     .value = "PATTERNS",
                     .help = "the models it is for, with * and ?, separated by commas",
                     .standard = "*"},
    [FLAG_EXPIRES] = {.name = "expires",
                      .value = "TIME",
                      .help = "when it ends, in UTC, as 2027-01-31 or 2027-01-31T18:00:00Z",
                      .standard = "never"},
    [FLAG_TLS_CA] =
        {.name = "tls_ca",
         .value = "FILE",
         .help = "PEM file of the certificates that the server's must be signed by; without "
                 "it the server must have the key of tls_cert"},
    [FLAG_TLS_CLIENT_CERT] = {.name = "tls_client_cert",
                              .value = "FILE",
                              .help = "PEM file of the certificate to show to the server"},
    [FLAG_TLS_CLIENT_KEY] = {.name = "tls_client_key",
                             .value = "FILE",
                             .help = "PEM file of its private key"},
#define LIMIT(limit, key, max, verb, unit, text)                                                   \
    [FIRST_LIMIT + LIMIT_##                                                                        \
        limit] = {.name = key, .value = "N", .help = text, .standard = "no limit"},
#include "access/limits.def"
#undef LIMIT
#define CONFIG_TEXT(setting, initial, text)                                                        \
    [SETTING_##setting] = {.name = #setting,                                                       \
                           .value = "VALUE",                                                       \
                           .help = text,                                                           \
                           .standard = initial,                                                    \
                           .repeat = ARG_LAST_WINS},
#define CONFIG_INT(setting, initial, min, max, text)                                               \
    [SETTING_##setting] = {.name = #setting,                                                       \
                           .value = "N",                                                           \
                           .help = text,                                                           \
                           .standard = #initial,                                                   \
                           .repeat = ARG_LAST_WINS},
#define CONFIG_BOOL(setting, initial, text)                                                        \
    [SETTING_##setting] = {.name = #setting,                                                       \
                           .value = "true|false",                                                  \
                           .help = text,                                                           \
                           .standard = #initial,                                                   \
                           .repeat = ARG_LAST_WINS},
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_INT
#undef CONFIG_BOOL
};

_Static_assert(N_FLAGS <= ARGS_MAX_OPTIONS, "an option has a place");
/* Of the settings that other commands than `serve` take this is the last. */
_Static_assert((int)SETTING_tls_cert < ARGS_SET_OPTIONS, "a set of options is 64 bits");

#define BIT(flag) (UINT64_C(1) << (flag))
#define A_FILE    (BIT(FLAG_CONFIG) | BIT(SETTING_db))
#define A_COPY    (A_FILE | BIT(FLAG_FORCE) | BIT(FLAG_DAMAGED))

#define SETTINGS_TEXT                                                                              \
    "A setting may also be an environment variable, SURROGATED_LISTEN for --listen, or a line "    \
    "of\n"                                                                                         \
    "the config file. Flags win over the environment, and the environment over the file.\n"        \
    "The variable PORT replaces the port of SURROGATED_LISTEN, or of the address in the file.\n"
#define CARE_STATUS                                                                                \
    "\nexit status: 0 done, 1 failed or something is damaged, 2 wrong usage, 130 interrupted\n"

static const struct command {
    enum cli_command command;
    struct arg_command about;
} commands[] = {
    {CLI_SERVE,
     {.name = "serve",
      .summary = "run the server",
      .usage = "[--config FILE] [--SETTING VALUE ..]\n",
      .text =
          SETTINGS_TEXT "\nexit status: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage\n",
      .allowed = BIT(FLAG_CONFIG),
      .all_from = FIRST_SETTING}},
    {CLI_CHECK,
     {.name = "check",
      .summary = "examine a registry file, also while a server uses it",
      .usage = "[--db FILE]\n",
      .text = SETTINGS_TEXT CARE_STATUS,
      .allowed = A_FILE}},
    {CLI_BACKUP,
     {.name = "backup",
      .summary = "copy a registry file, also while a server uses it",
      .usage = "--to FILE [--db FILE] [--force] [--damaged]\n",
      .text = SETTINGS_TEXT CARE_STATUS,
      .allowed = A_COPY | BIT(FLAG_TO)}},
    {CLI_RESTORE,
     {.name = "restore",
      .summary = "put a backup in place of a registry file, with the server stopped",
      .usage = "--from FILE [--db FILE] [--force] [--damaged]\n",
      .text = SETTINGS_TEXT CARE_STATUS,
      .allowed = A_COPY | BIT(FLAG_FROM)}},
    {CLI_COMPACT,
     {.name = "compact",
      .summary = "rewrite a registry file without free space, with the server stopped",
      .usage = "[--db FILE]\n",
      .text = SETTINGS_TEXT CARE_STATUS,
      .allowed = A_FILE}},
    {CLI_TOKEN,
     {.name = "token",
      .summary = "make, list and revoke tokens of a registry file, with the server stopped",
      .usage = "create --role ROLE [--OPTION VALUE ..] [--db FILE]\nlist [--db FILE]\nrevoke ID "
               "[--db FILE]\n",
      .text = "A new token is printed once; the file keeps a salted digest. While a server runs,\n"
              "an admin makes others with POST /v1/tokens.\n" CARE_STATUS,
      .allowed = A_FILE | BIT(FLAG_ROLE) | BIT(FLAG_ID) | BIT(FLAG_MODELS) | BIT(FLAG_EXPIRES) |
                 (BIT(FIRST_SETTING) - BIT(FIRST_LIMIT))}},
    {CLI_HEALTHCHECK,
     {.name = "healthcheck",
      .summary = "ask a running server whether it is ready",
      .usage = "[--config FILE] [--listen ADDRESS] [--tls_cert FILE]\n",
      .text = SETTINGS_TEXT
      "\nexit status: 0 ready, 1 not ready or no answer within 2 seconds, 2 wrong usage\n",
      .allowed = BIT(FLAG_CONFIG) | BIT(FLAG_TLS_CA) | BIT(FLAG_TLS_CLIENT_CERT) |
                 BIT(FLAG_TLS_CLIENT_KEY) | BIT(SETTING_listen) | BIT(SETTING_tls_cert)}},
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(void)
{
    printf("usage: surrogated COMMAND [--OPTION VALUE ..]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        args_print_summary(&commands[i].about, stdout);
    }
    printf("  %-14s%s\n\nAsking a server:\n\n", "version", "print the version");
    client_print_commands(stdout);
    printf("\n`surrogated COMMAND --help` lists the options of a command.\n");
}

static enum err_code refuse_command(const char *name, struct err *err)
{
    struct near_name near = near_name_of(name);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        near_name_try(&near, commands[i].about.name);
    }
    client_try_names(&near);
    return err_set(err, ERR_INVALID, "there is no command \"%.60s\"%s", name,
                   near_name_hint(&near, "").text);
}

/* Later sources win: file, environment, flags. */
static enum err_code read_settings(const struct args *args, struct config *config, struct err *err)
{
    config_defaults(config);
    for (int i = 0; i < args->n_given && err->code == ERR_OK; i++) {
        if (args->given[i].option == FLAG_CONFIG) {
            err_kept(config_read_file(config, args->given[i].value, err));
        }
    }
    if (err->code != ERR_OK || config_read_environment(config, err) != ERR_OK) {
        return err->code;
    }
    for (int i = FIRST_SETTING; i < N_FLAGS; i++) {
        if (args->values[i] != NULL &&
            config_set(config, flags[i].name, args->values[i], err) != ERR_OK) {
            return err->code;
        }
    }
    return config_finish(config, err);
}

/* Is the file named without which the command makes no sense? */
static enum err_code check_file_option(const struct args *args, enum flag flag, struct err *err)
{
    const char *value = args->values[flag];
    if ((args->command->allowed & BIT(flag)) == 0 || (value != NULL && *value != '\0')) {
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID, "%s needs --%s FILE", args->command->name, flags[flag].name);
}

static const char *find_value(const struct args *args, enum flag flag, const char *variable)
{
    return args->values[flag] != NULL ? args->values[flag] : getenv(variable);
}

static enum err_code read_arguments(struct cli *cli, const struct args *args, struct err *err)
{
    int max_words = (args->command->allowed & BIT(FLAG_ROLE)) != 0 ? CLI_MAX_WORDS : 0;
    if (args->n_words > max_words) {
        return err_set(err, ERR_INVALID, "\"%.60s\" is not an option", args->words[max_words]);
    }
    if (read_settings(args, &cli->config, err) != ERR_OK ||
        check_file_option(args, FLAG_TO, err) != ERR_OK ||
        check_file_option(args, FLAG_FROM, err) != ERR_OK) {
        return err->code;
    }
    cli->to = args->values[FLAG_TO];
    cli->from = args->values[FLAG_FROM];
    for (cli->n_words = 0; cli->n_words < args->n_words; cli->n_words++) {
        cli->words[cli->n_words] = args->words[cli->n_words];
    }
    cli->role = args->values[FLAG_ROLE];
    cli->id = args->values[FLAG_ID];
    cli->models = args->values[FLAG_MODELS];
    cli->expires = args->values[FLAG_EXPIRES];
    cli->tls_ca = find_value(args, FLAG_TLS_CA, "SURROGATED_TLS_CA");
    cli->tls_client_cert = find_value(args, FLAG_TLS_CLIENT_CERT, "SURROGATED_TLS_CLIENT_CERT");
    cli->tls_client_key = find_value(args, FLAG_TLS_CLIENT_KEY, "SURROGATED_TLS_CLIENT_KEY");
    for (int i = 0; i < LIMIT_N; i++) {
        cli->limits[i] = args->values[FIRST_LIMIT + i];
    }
    cli->force = args->values[FLAG_FORCE] != NULL;
    cli->damaged = args->values[FLAG_DAMAGED] != NULL;
    return ERR_OK;
}

static enum err_code parse_command(const struct command *found, int argc, char **argv,
                                   struct cli *cli, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct args args;
    struct arg_command about = found->about;
    about.options = flags;
    about.n_options = N_FLAGS;
    cli->name = about.name;
    if (args_parse(&about, argc, argv, &arena, &args, err) == ERR_OK) {
        if (args.wants_help) {
            args_print_help(&about, stdout);
        } else if (read_arguments(cli, &args, err) == ERR_OK) {
            cli->command = found->command;
        }
    }
    arena_release(&arena);
    return err->code;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

enum err_code cli_parse(int argc, char **argv, struct cli *cli, struct err *err)
{
    cli->command = CLI_DONE;
    cli->name = NULL;
    cli->argc = argc;
    cli->argv = argv;
    if (argc < 2) {
        return err_set(err, ERR_INVALID, "a command is missing");
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        print_usage();
        return ERR_OK;
    }
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("surrogated %s\n", SURROGATED_VERSION);
        return ERR_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].about.name, argv[1]) == 0) {
            return parse_command(&commands[i], argc - 2, argv + 2, cli, err);
        }
    }
    return refuse_command(argv[1], err);
}
