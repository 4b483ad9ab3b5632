/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "client.h"
#include "version.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S 2

static const struct command {
    const char *name;
    enum cli_command command;
    const char *summary;
} commands[] = {
    {"serve", CLI_SERVE, "run the server"},
    {"check", CLI_CHECK, "check the registry file: integrity and references"},
    {"healthcheck", CLI_HEALTHCHECK, "ask a running server whether it is ready"},
};

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
    printf("usage: surrogated %s [--setting value ..]\n\n%s\n\n"
           "  --%-18sread settings from a file of lines `name = value`\n",
           command->name, command->summary, "config");
    config_print_help(stdout);
    printf("\nEach setting is also an environment variable, SURROGATED_LISTEN for --listen.\n"
           "Flags win over the environment, the environment over the file.\n");
}

/* "--name=value" or "--name value". *next is the index after what was taken. */
static enum err_code split_flag(int argc, char **argv, int at, char *name, size_t size,
                                const char **value, int *next, struct err *err)
{
    const char *flag = argv[at] + 2;
    const char *equals = strchr(flag, '=');
    size_t len = equals != NULL ? (size_t)(equals - flag) : strlen(flag);
    if (strncmp(argv[at], "--", 2) != 0 || len == 0 || len >= size) {
        return err_set(err, ERR_INVALID, "\"%.60s\" is no setting; see --help", argv[at]);
    }
    memcpy(name, flag, len);
    name[len] = '\0';
    *value = equals != NULL ? equals + 1 : (at + 1 < argc ? argv[at + 1] : NULL);
    *next = at + (equals != NULL ? 1 : 2);
    if (*value == NULL) {
        return err_set(err, ERR_INVALID, "--%s needs a value", name);
    }
    return ERR_OK;
}

/* One pass over the flags; with `files` only --config is obeyed, else all but it. */
static enum err_code read_flags(int argc, char **argv, bool files, struct config *config,
                                struct err *err)
{
    char name[64];
    const char *value = NULL;
    int next = argc;
    for (int at = 2; at < argc; at = next) {
        if (split_flag(argc, argv, at, name, sizeof name, &value, &next, err) != ERR_OK) {
            return err->code;
        }
        bool is_file = strcmp(name, "config") == 0;
        if (is_file != files) {
            continue;
        }
        enum err_code code =
            is_file ? config_read_file(config, value, err) : config_set(config, name, value, err);
        if (code != ERR_OK) {
            return code;
        }
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

enum err_code cli_parse(int argc, char **argv, enum cli_command *command, struct config *config,
                        struct err *err)
{
    *command = CLI_DONE;
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
    config_defaults(config);
    if (read_flags(argc, argv, true, config, err) != ERR_OK ||
        config_read_environment(config, err) != ERR_OK ||
        read_flags(argc, argv, false, config, err) != ERR_OK ||
        config_finish(config, err) != ERR_OK) {
        return err->code;
    }
    *command = found->command;
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
