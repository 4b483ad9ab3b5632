/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "client/commands.h"
#include "client/describe.h"
#include "client/interrupt.h"
#include "client/terminal.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/address.h"
#include "base/mem.h"
#include "formats/json_load.h"
#include "formats/json_read.h"

#define COMMON                                                                                     \
    (OPTION_BIT(SERVER) | OPTION_BIT(TOKEN_FILE) | OPTION_BIT(TOKEN_IN_CLEAR) |                    \
     OPTION_BIT(TLS_CA) | OPTION_BIT(TLS_CERT) | OPTION_BIT(TLS_KEY) | OPTION_BIT(JSON))
#define TOKEN_CHARS 4096
#define MAX_RETRY_S 86400

enum { DONE = 0, REFUSED = 1, USAGE = 2, UNREACHABLE = 3, NOT_PROMOTED = 4, INTERRUPTED = 130 };

static const struct command {
    struct arg_command about;
    enum err_code (*run)(struct client *client, struct err *err);
} commands[] = {
#define COMMAND(command, taken, short_text, forms, long_text)                                      \
    {{.name = #command,                                                                            \
      .summary = short_text,                                                                       \
      .usage = forms,                                                                              \
      .text = long_text,                                                                           \
      .options = options_table,                                                                    \
      .n_options = N_OPTIONS,                                                                      \
      .allowed = (taken) | COMMON},                                                                \
     command_##command},
#include "client/commands.def"
#undef COMMAND
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].about.name, name) == 0) {
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
    for (size_t i = 0; i < N_COMMANDS; i++) {
        args_print_summary(&commands[i].about, out);
    }
}

void client_try_names(struct near_name *near)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        near_name_try(near, commands[i].about.name);
    }
}

/* ---- running a command ---- */

/* The value of an option, or of the variable beside it; NULL: neither is given. */
static const char *find_value(const struct client *client, enum option option, const char *variable)
{
    const char *value = client->args->values[option];
    value = value != NULL ? value : getenv(variable);
    return value != NULL && *value != '\0' ? value : NULL;
}

/*
 * "user:password@" in the address is overwritten where it came from, the command line, which others
 * on this machine can read. It has been copied by then. What an option says lies in argv, which a
 * process may write.
 */
static void hide_user(const char *given)
{
    char *text = (char *)(uintptr_t)given;
    char *scheme = text != NULL ? strstr(text, "://") : NULL;
    char *user = scheme != NULL ? scheme + strlen("://") : text;
    for (size_t n = user != NULL ? strcspn(user, "/") : 0; n > 0; n--) {
        if (user[n - 1] == '@') {
            memset(user, '*', n - 1);
            break;
        }
    }
}

static enum err_code find_endpoint(struct client *client, struct err *err)
{
    static const enum option files_of_tls[] = {OPT_TLS_CA, OPT_TLS_CERT, OPT_TLS_KEY};
    const struct endpoint_files files = {
        .ca = find_value(client, OPT_TLS_CA, "SURROGATED_TLS_CA"),
        .cert = find_value(client, OPT_TLS_CERT, "SURROGATED_TLS_CLIENT_CERT"),
        .key = find_value(client, OPT_TLS_KEY, "SURROGATED_TLS_CLIENT_KEY")};
    const char *given = find_value(client, OPT_SERVER, "SURROGATED_SERVER");
    given = given != NULL ? given : options_table[OPT_SERVER].standard;
    if (endpoint_parse(given, &client->arena, &client->endpoint, err) != ERR_OK) {
        return err->code;
    }
    if (address_unix_path(given) == NULL) {
        hide_user(client->args->values[OPT_SERVER]);
    }
    for (size_t i = 0; i < sizeof files_of_tls / sizeof *files_of_tls; i++) {
        if (client->args->values[files_of_tls[i]] != NULL &&
            !endpoint_is_secure(&client->endpoint)) {
            return err_set(err, ERR_INVALID, "%s needs a server with https://, not %.80s",
                           options_table[files_of_tls[i]].name, client->endpoint.shown);
        }
    }
    return endpoint_set_files(&client->endpoint, &files, err);
}

/* From a file or the environment, never from the command line, which others can read. Messages do
 * not show it. */
static enum err_code find_token(struct client *client, bool *found, struct err *err)
{
    char line[TOKEN_CHARS] = "";
    const char *path = client->args->values[OPT_TOKEN_FILE];
    const char *token = getenv("SURROGATED_TOKEN");
    if (path != NULL) {
        FILE *file = fopen(path, "re");
        if (file == NULL || fgets(line, sizeof line, file) == NULL) {
            err_set(err, ERR_INVALID, "token-file %.100s cannot be read", path);
        }
        if (file != NULL) {
            fclose(file);
        }
        line[strcspn(line, " \t\r\n")] = '\0';
        token = line;
    }
    *found = err->code == ERR_OK && token != NULL && (path != NULL || *token != '\0');
    if (!*found) {
        return err->code;
    }
    return connection_set_token(client->connection, token, err);
}

static enum err_code check_exposure(const struct client *client, bool has_token, struct err *err)
{
    const char *variable = getenv("SURROGATED_TOKEN_IN_CLEAR");
    bool allowed = client->args->values[OPT_TOKEN_IN_CLEAR] != NULL ||
                   (variable != NULL && strcmp(variable, "true") == 0);
    return allowed ? ERR_OK : endpoint_check_exposure(&client->endpoint, has_token, err);
}

static enum err_code run_command(const struct command *command, struct client *client,
                                 struct err *err)
{
    client->json = client->args->values[OPT_JSON] != NULL;
    bool has_token = false;
    if (find_endpoint(client, err) != ERR_OK ||
        connection_open(&client->endpoint, &client->connection, err) != ERR_OK ||
        find_token(client, &has_token, err) != ERR_OK ||
        check_exposure(client, has_token, err) != ERR_OK || command->run(client, err) != ERR_OK) {
        return err->code;
    }
    return client_flush(err);
}

static int exit_status(const struct client *client, enum err_code code)
{
    switch ((int)code) {
    case ERR_OK:
        return client->not_promoted ? NOT_PROMOTED : DONE;
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

/* Prints the message, except when the reader of the output has gone. */
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
        if (strstr(err_msg(err), "\"Content-Encoding: gzip\"") != NULL) {
            fprintf(stderr, "surrogated: here gunzip unpacks it first\n");
        }
        if (strstr(err_msg(err), "?missing=allow") != NULL) {
            fprintf(stderr, "surrogated: here --missing says missing=allow\n");
        }
        if (strstr(err_msg(err), "?on_nonfinite=skip") != NULL) {
            fprintf(stderr, "surrogated: here --skip-nonfinite says on_nonfinite=skip\n");
        }
        if (strstr(err_msg(err), "text/csv; ") != NULL) {
            fprintf(stderr, "surrogated: here --table says it, as --table header=present\n");
        }
    }
    if (err->code == ERR_INVALID) {
        fprintf(stderr, "`surrogated %s --help` shows how to use it\n", command->about.name);
    }
}

static enum err_code print_help(const struct command *command, struct err *err)
{
    bool follows_jobs = (command->about.allowed & OPTION_BIT(CANCEL)) != 0;
    args_print_help(&command->about, stdout);
    printf("\nexit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the server cannot be "
           "reached,\n%s130 interrupted\n",
           follows_jobs ? "4 the job succeeded, but its version was not promoted, " : "");
    return client_flush(err);
}

int client_run(int argc, char **argv)
{
    const struct command *command = find_command(argv[1]);
    struct args args = {.n_words = 0};
    struct client client = {.args = &args, .arena = ARENA_INIT};
    struct err err = ERR_INIT;
    /* For the width of characters; numbers keep their points. */
    setlocale(LC_CTYPE, "");
    json_read_leave();
    signal(SIGPIPE, SIG_IGN);
    interrupt_catch();
    if (args_parse(&command->about, argc - 2, argv + 2, &client.arena, &args, &err) == ERR_OK) {
        err_kept(args.wants_help ? print_help(command, &err) : run_command(command, &client, &err));
    }
    if (err.code != ERR_OK) {
        complain(&client, command, &err);
    }
    int status = exit_status(&client, err.code);
    connection_close(client.connection);
    arena_release(&client.arena);
    return status;
}

/* ---- for the commands ---- */

const char *client_word(const struct client *client, int i)
{
    const char *text = args_word(client->args, i);
    return text != NULL ? text : "";
}

enum err_code client_retry_s(const struct client *client, double *out, struct err *err)
{
    int64_t seconds = 0;
    if (args_int(client->args, OPT_RETRY, 0, MAX_RETRY_S, &seconds, err) == ERR_OK) {
        *out = (double)seconds;
    }
    return err->code;
}

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
    bool is_short = false;
    *out = answer->data != NULL
               ? json_load_whole(answer->data, answer->n_data, flags, &problem, &is_short)
               : NULL;
    if (is_short) {
        return err_set(err, ERR_NOMEM, "no memory for the server's answer");
    }
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

enum err_code client_delete(struct client *client, const char *path, struct err *err)
{
    struct call call = {.method = "DELETE", .path = path};
    struct answer answer;
    err_kept(client_call(client, &call, &answer, err));
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

const char *client_member(struct client *client, const json_t *object, const char *key)
{
    return describe_member(&client->arena, object, key);
}

enum err_code client_check_words(const struct client *client, int min, int max, struct err *err)
{
    const struct args *args = client->args;
    if (args->n_words < min) {
        return err_set(err, ERR_INVALID, "an argument is missing after \"%.40s\"",
                       args->n_words > 0 ? args->words[args->n_words - 1] : "the command");
    }
    if (args->n_words > max) {
        return err_set(err, ERR_INVALID, "there is one argument too many: \"%.40s\"",
                       args->words[max]);
    }
    return ERR_OK;
}

/* What a word that is not a verb may have meant, or else which verbs there are. */
static enum err_code refuse_verb(const struct client *client, const char *word,
                                 const struct verb *verbs, size_t n, struct err *err)
{
    char known[160] = "; it can ";
    struct near_name near = near_name_of(word);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(known);
        const char *before = i == 0 ? "" : i + 1 < n ? ", " : " and ";
        near_name_try(&near, verbs[i].name);
        snprintf(known + len, sizeof known - len, "%s%s", before, verbs[i].name);
    }
    return err_set(err, ERR_INVALID, "`%s` cannot \"%.40s\"%s", client->args->command->name, word,
                   near.best != NULL ? near_name_hint(&near, "").text : known);
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
    return refuse_verb(client, word, verbs, n, err);
}

/* A pipe or socket at whose other end nobody reads any more. */
static bool reader_has_gone(void)
{
    struct pollfd out = {.fd = fileno(stdout)};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

enum err_code client_flush(struct err *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return ERR_OK;
    }
    /* When an earlier write failed, errno no longer says why. */
    if (errno == EPIPE || reader_has_gone()) {
        return err_set(err, ERR_CANCELLED, "the reader of the output has gone");
    }
    return err_set(err, ERR_FULL, "the output cannot be written%s%s", errno != 0 ? ": " : "",
                   errno != 0 ? strerror(errno) : "");
}

enum err_code client_keep_up(struct err *err)
{
    if (client_flush(err) == ERR_OK && reader_has_gone()) {
        err_set(err, ERR_CANCELLED, "the reader of the output has gone");
    }
    return err->code;
}
