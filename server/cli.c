/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "base/version.h"
#include "client/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S 2

/* What a command takes beside the settings. */
enum takes { TAKES_TO = 1, TAKES_FROM = 2, TAKES_FORCE = 4, TAKES_DAMAGED = 8 };

static const struct command {
    const char *name;
    enum cli_command command;
    unsigned takes;
    const char *only; /* the setting it reads; NULL: all */
    const char *summary;
} commands[] = {
    {"serve", CLI_SERVE, 0, NULL, "run the server"},
    {"check", CLI_CHECK, 0, "db", "examine a registry file, also beside a running server"},
    {"backup", CLI_BACKUP, TAKES_TO | TAKES_FORCE | TAKES_DAMAGED, "db",
     "copy a registry file, also beside a running server"},
    {"restore", CLI_RESTORE, TAKES_FROM | TAKES_FORCE | TAKES_DAMAGED, "db",
     "put a backup in the place of a registry file"},
    {"compact", CLI_COMPACT, 0, "db", "rewrite a registry file without free space"},
    {"healthcheck", CLI_HEALTHCHECK, 0, "listen", "ask a running server whether it is ready"},
};

static const struct cli_option {
    enum takes takes;
    const char *name;
    bool has_value;
    bool required;
    const char *help;
} options[] = {
    {TAKES_TO, "to", true, true, "FILE: the backup that is made"},
    {TAKES_FROM, "from", true, true, "FILE: the backup"},
    {TAKES_FORCE, "force", false, false,
     "take the place of a file that is there (restore keeps it as FILE.before-restore)"},
    {TAKES_DAMAGED, "damaged", false, false, "go on when contents are damaged"},
};

#define N_OPTIONS (sizeof options / sizeof *options)

static void print_usage(void)
{
    printf("usage: surrogated COMMAND [--setting value ..]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        printf("  %-14s%s\n", commands[i].name, commands[i].summary);
    }
    printf("  %-14s%s\n\nAsking a server:\n\n", "version", "print the version");
    client_print_commands(stdout);
    printf("\n`surrogated COMMAND --help` lists the settings of a command.\n");
}

static void print_command_help(const struct command *command)
{
    printf("usage: surrogated %s", command->name);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((command->takes & options[i].takes) != 0 && options[i].required) {
            printf(" --%s FILE", options[i].name);
        }
    }
    printf(" [--setting value ..]\n\n%s\n\n", command->summary);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((command->takes & options[i].takes) != 0) {
            printf("  --%-18s%s\n", options[i].name, options[i].help);
        }
    }
    printf("  --%-18sread settings from a file of lines `name = value`\n", "config");
    config_print_help(stdout, command->only);
    printf("\nEach setting is also an environment variable, SURROGATED_LISTEN for --listen.\n"
           "Flags win over the environment, the environment over the file.\n");
}

struct flag {
    char name[64];
    const char *value; /* NULL: none stands behind '=' */
    const char *next;  /* the argument behind it, or NULL */
};

/* "--name=value", "--name value" or "--name". */
static enum err_code read_flag(int argc, char **argv, int at, struct flag *flag, struct err *err)
{
    const char *text = argv[at] + 2;
    const char *equals = strchr(argv[at], '=');
    size_t len = strlen(argv[at]) < 2 ? 0 : strcspn(text, "=");
    if (strncmp(argv[at], "--", 2) != 0 || len == 0 || len >= sizeof flag->name) {
        return err_set(err, ERR_INVALID, "\"%.60s\" is no setting; see --help", argv[at]);
    }
    memcpy(flag->name, text, len);
    flag->name[len] = '\0';
    flag->value = equals != NULL ? equals + 1 : NULL;
    flag->next = at + 1 < argc ? argv[at + 1] : NULL;
    return ERR_OK;
}

static const struct cli_option *find_option(const struct command *command, const char *name)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((command->takes & options[i].takes) != 0 && strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static enum err_code set_option(struct cli *cli, const struct cli_option *option, const char *value,
                                struct err *err)
{
    switch (option->takes) {
    case TAKES_TO:
        cli->to = value;
        break;
    case TAKES_FROM:
        cli->from = value;
        break;
    case TAKES_FORCE:
        return config_read_bool(option->name, value, &cli->force, err);
    case TAKES_DAMAGED:
        return config_read_bool(option->name, value, &cli->damaged, err);
    }
    return value[0] != '\0' ? ERR_OK
                            : err_set(err, ERR_INVALID, "--%s needs a file's name", option->name);
}

static enum err_code obey(struct cli *cli, const struct cli_option *option, const struct flag *flag,
                          bool files, struct err *err)
{
    bool is_file = strcmp(flag->name, "config") == 0;
    if (is_file != files) {
        return ERR_OK;
    }
    if (option != NULL) {
        return set_option(cli, option, flag->value, err);
    }
    return is_file ? config_read_file(&cli->config, flag->value, err)
                   : config_set(&cli->config, flag->name, flag->value, err);
}

/* One pass over the flags; with `files` only --config is obeyed, else all but it. */
static enum err_code read_flags(int argc, char **argv, const struct command *command, bool files,
                                struct cli *cli, struct err *err)
{
    struct flag flag;
    for (int at = 2; at < argc; at++) {
        if (read_flag(argc, argv, at, &flag, err) != ERR_OK) {
            return err->code;
        }
        const struct cli_option *option = find_option(command, flag.name);
        if (flag.value == NULL && option != NULL && !option->has_value) {
            flag.value = "true";
        } else if (flag.value == NULL) {
            flag.value = flag.next;
            at++;
        }
        if (flag.value == NULL) {
            return err_set(err, ERR_INVALID, "--%s needs a value", flag.name);
        }
        if (obey(cli, option, &flag, files, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* Are the options there without which the command makes no sense? */
static enum err_code check_options(const struct command *command, const struct cli *cli,
                                   struct err *err)
{
    if ((command->takes & TAKES_TO) != 0 && cli->to == NULL) {
        return err_set(err, ERR_INVALID, "%s needs --to FILE", command->name);
    }
    if ((command->takes & TAKES_FROM) != 0 && cli->from == NULL) {
        return err_set(err, ERR_INVALID, "%s needs --from FILE", command->name);
    }
    return ERR_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

enum err_code cli_parse(int argc, char **argv, struct cli *cli, struct err *err)
{
    cli->command = CLI_DONE;
    if (argc < 2) {
        return err_set(err, ERR_INVALID, "a command is needed; see surrogated --help");
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        print_usage();
        return ERR_OK;
    }
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("surrogated %s\n", SURROGATED_VERSION);
        return ERR_OK;
    }
    const struct command *found = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        found = strcmp(commands[i].name, argv[1]) == 0 ? &commands[i] : found;
    }
    if (found == NULL) {
        return err_set(err, ERR_INVALID, "there is no command \"%.60s\"; see surrogated --help",
                       argv[1]);
    }
    if (wants_help(argc, argv)) {
        print_command_help(found);
        return ERR_OK;
    }
    config_defaults(&cli->config);
    if (read_flags(argc, argv, found, true, cli, err) != ERR_OK ||
        config_read_environment(&cli->config, err) != ERR_OK ||
        read_flags(argc, argv, found, false, cli, err) != ERR_OK ||
        config_finish(&cli->config, err) != ERR_OK || check_options(found, cli, err) != ERR_OK) {
        return err->code;
    }
    cli->command = found->command;
    return ERR_OK;
}

/* ---- healthcheck ---- */

static int connect_to(const char *listen_at, struct err *err)
{
    char host[256];
    const char *colon = strrchr(listen_at, ':');
    size_t len = colon != NULL ? (size_t)(colon - listen_at) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    if (len == 0 || len >= sizeof host) {
        err_set(err, ERR_INVALID, "listen is \"%.60s\", host:port is needed", listen_at);
        return -1;
    }
    bool brackets = listen_at[0] == '[';
    memcpy(host, listen_at + brackets, len - 2 * (size_t)brackets);
    host[len - 2 * (size_t)brackets] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        err_set(err, ERR_INVALID, "\"%.60s\" is not an address", listen_at);
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    }
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        err_set(err, ERR_IO, "nobody answers at %.60s: %s", listen_at, strerror(errno));
    }
    freeaddrinfo(found);
    return fd;
}

enum err_code cli_healthcheck(const char *listen_at, struct err *err)
{
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char reply[64] = "";
    int fd = connect_to(listen_at, err);
    if (fd < 0) {
        return err->code;
    }
    ssize_t got = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1) {
        got = recv(fd, reply, sizeof reply - 1, MSG_WAITALL);
    }
    close(fd);
    if (got < 12 || strncmp(reply + strcspn(reply, " "), " 200", 4) != 0) {
        return err_set(err, ERR_IO, "%.60s is not ready", listen_at);
    }
    return ERR_OK;
}
