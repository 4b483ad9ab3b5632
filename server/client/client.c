/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "client/commands.h"
#include "client/interrupt.h"
#include "client/terminal.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_SERVER "http://127.0.0.1:8080"
#define COMMON         (OPTION_BIT(SERVER) | OPTION_BIT(JSON) | OPTION_BIT(HELP))

enum { DONE = 0, REFUSED = 1, USAGE = 2, UNREACHABLE = 3, INTERRUPTED = 130 };

static const struct command {
    const char *name;
    uint64_t allowed;
    const char *summary;
    const char *usage; /* a line each form */
    const char *text;
    enum err_code (*run)(struct client *client, struct err *err);
} commands[] = {
#define COMMAND(name, allowed, summary, usage, text)                                               \
    {#name, (allowed) | COMMON, summary, usage, text, command_##name},
#include "client/commands.def"
#undef COMMAND
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

bool client_has_command(const char *name)
{
    return find_command(name) != NULL;
}

void client_print_commands(FILE *out)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fprintf(out, "  %-14s%s\n", commands[i].name, commands[i].summary);
    }
}

static void print_help(const struct command *command)
{
    const char *before = "usage:";
    for (const char *line = command->usage; *line != '\0'; before = "      ") {
        size_t len = strcspn(line, "\n");
        printf("%s surrogated %s %.*s\n", before, command->name, (int)len, line);
        line += len + (line[len] == '\n');
    }
    printf("\n%c%s.\n\n", command->summary[0] - 'a' + 'A', command->summary + 1);
    args_print_help(command->allowed, stdout);
    printf("\n%s\nexit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the server cannot be "
           "reached,\n130 interrupted\n",
           command->text);
}

/* ---- running a command ---- */

/* The address without slashes at its end, and with a scheme. */
static enum err_code find_server(struct client *client, struct err *err)
{
    const char *given = client->args->values[OPT_SERVER];
    given = given != NULL ? given : getenv("SURROGATED_SERVER");
    given = given != NULL && *given != '\0' ? given : DEFAULT_SERVER;
    const char *scheme = strstr(given, "://") != NULL ? "" : "http://";
    char *server = arena_printf(&client->arena, "%s%s", scheme, given);
    if (server == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the address");
    }
    if (strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0) {
        return err_set(err, ERR_INVALID, "server is \"%.80s\", http://host:port is needed", given);
    }
    size_t min = (size_t)(strstr(server, "://") - server) + 3;
    for (size_t len = strlen(server); len > min && server[len - 1] == '/'; len--) {
        server[len - 1] = '\0';
    }
    if (server[min] == '\0' || server[min] == '/') {
        return err_set(err, ERR_INVALID, "server is \"%.80s\", a host is missing", given);
    }
    client->server = server;
    return ERR_OK;
}

static enum err_code run(const struct command *command, struct client *client, struct err *err)
{
    client->json = client->args->values[OPT_JSON] != NULL;
    if (find_server(client, err) != ERR_OK ||
        connection_open(client->server, &client->connection, err) != ERR_OK ||
        command->run(client, err) != ERR_OK) {
        return err->code;
    }
    return client_flush(err);
}

static int exit_status(enum err_code code)
{
    switch ((int)code) {
    case ERR_OK:
        return DONE;
    case ERR_INVALID:
        return USAGE;
    case ERR_IO:
        return UNREACHABLE;
    case ERR_CANCELLED:
        return interrupt_seen() ? INTERRUPTED : REFUSED;
    default:
        return REFUSED;
    }
}

/* The message, except when the reader of the output has gone. */
static void complain(struct client *client, const struct command *command, const struct err *err)
{
    struct textbuf text = textbuf_in(&client->arena);
    fflush(stdout);
    terminal_escape(&text, err_msg(err));
    if (err->code != ERR_CANCELLED || interrupt_seen()) {
        fprintf(stderr, "surrogated: %s\n", textbuf_failed(&text) ? "out of memory" : text.data);
        if (client->hint != NULL) {
            fprintf(stderr, "surrogated: %s\n", client->hint);
        }
    }
    if (err->code == ERR_INVALID) {
        fprintf(stderr, "`surrogated %s --help` says how it is used\n", command->name);
    }
}

int client_run(int argc, char **argv)
{
    const struct command *command = find_command(argv[1]);
    struct args args = {.n_words = 0};
    struct client client = {.args = &args, .arena = ARENA_INIT};
    struct err err = ERR_INIT;
    /* For the width of characters; numbers keep their points. */
    setlocale(LC_CTYPE, "");
    json_set_alloc_funcs(mem_alloc, mem_free);
    signal(SIGPIPE, SIG_IGN);
    interrupt_catch();
    if (args_parse(argc - 2, argv + 2, command->allowed, &client.arena, &args, &err) == ERR_OK) {
        if (args.values[OPT_HELP] != NULL) {
            print_help(command);
            err_kept(client_flush(&err));
        } else {
            err_kept(run(command, &client, &err));
        }
    }
    if (err.code != ERR_OK) {
        complain(&client, command, &err);
    }
    connection_close(client.connection);
    arena_release(&client.arena);
    return exit_status(err.code);
}

/* ---- for the commands ---- */

char *client_path(struct client *client, const char *text, ...)
{
    struct textbuf path = textbuf_in(&client->arena);
    va_list args;
    va_start(args, text);
    for (bool name = false; text != NULL; text = va_arg(args, const char *), name = !name) {
        if (name) {
            connection_escape(&path, text);
        } else {
            textbuf_puts(&path, text);
        }
    }
    va_end(args);
    return textbuf_failed(&path) ? NULL : path.data;
}

enum err_code client_call(struct client *client, const struct call *call, struct answer *out,
                          struct err *err)
{
    *out = (struct answer){.status = 0};
    if (call->path == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    err_kept(connection_call(client->connection, call, out, err));
    if (err->code == ERR_OK && out->n_data > 0 && !out->is_json) {
        return err_set(err, ERR_CORRUPT, "the server's answer is not JSON");
    }
    if (client->json && out->is_json && out->n_data > 0) {
        fwrite(out->data, 1, out->n_data, stdout);
        fputs(out->data[out->n_data - 1] == '\n' ? "" : "\n", stdout);
    }
    return err->code;
}

enum err_code client_parse(const struct answer *answer, size_t flags, json_t **out, struct err *err)
{
    json_error_t problem;
    *out = answer->data != NULL ? json_loadb(answer->data, answer->n_data, flags, &problem) : NULL;
    if (*out == NULL) {
        return err_set(err, ERR_CORRUPT, "the server's answer is not JSON%s%.100s",
                       answer->data != NULL ? ": " : ": it is empty",
                       answer->data != NULL ? problem.text : "");
    }
    return ERR_OK;
}

enum err_code client_ask(struct client *client, const char *method, const char *path,
                         const struct payload *payload, json_t **out, struct err *err)
{
    struct call call = {.method = method, .path = path};
    struct answer answer;
    *out = NULL;
    if (payload != NULL) {
        call.payload = *payload;
    }
    if (client_call(client, &call, &answer, err) == ERR_OK &&
        (!client->json || answer.n_data == 0)) {
        err_kept(client_parse(&answer, 0, out, err));
    }
    answer_release(&answer);
    return err->code;
}

const json_t *client_list(const json_t *doc, const char *key, struct err *err)
{
    const json_t *list = json_object_get(doc, key);
    if (!json_is_array(list)) {
        err_set(err, ERR_CORRUPT, "the server's answer holds no list of %s", key);
        return NULL;
    }
    return list;
}

enum err_code client_check_words(const struct client *client, int min, int max, struct err *err)
{
    const struct args *args = client->args;
    if (args->n_words < min) {
        return err_set(err, ERR_INVALID, "something is missing after \"%.40s\"",
                       args->n_words > 0 ? args->words[args->n_words - 1] : "the command");
    }
    if (args->n_words > max) {
        return err_set(err, ERR_INVALID, "\"%.40s\" is one word too many", args->words[max]);
    }
    return ERR_OK;
}

enum err_code client_run_verb(struct client *client, const struct verb *verbs, size_t n, int at,
                              struct err *err)
{
    const char *word = args_word(client->args, at);
    for (size_t i = 0; i < n; i++) {
        if (word != NULL && strcmp(verbs[i].name, word) != 0) {
            continue;
        }
        if (client_check_words(client, word != NULL ? verbs[i].min : at, verbs[i].max, err) !=
            ERR_OK) {
            return err->code;
        }
        return verbs[i].run(client, err);
    }
    return err_set(err, ERR_INVALID, "\"%.40s\" is nothing this command does", word);
}

enum err_code client_flush(struct err *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return ERR_OK;
    }
    if (errno == EPIPE) {
        return err_set(err, ERR_CANCELLED, "the reader of the output has gone");
    }
    return err_set(err, ERR_FULL, "the output cannot be written: %s",
                   errno != 0 ? strerror(errno) : "it failed before");
}

enum err_code client_keep_up(struct err *err)
{
    struct pollfd out = {.fd = fileno(stdout)};
    if (client_flush(err) == ERR_OK && poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0) {
        err_set(err, ERR_CANCELLED, "the reader of the output has gone");
    }
    return err->code;
}
