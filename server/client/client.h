/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client commands of the binary: `surrogated models`, `data`, `train` and so on, for people and
 * their scripts. They talk to a server over HTTP and know nothing of its insides.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "base/near_name.h"
#include "client/connection.h"
#include "client/options.h"

#include <jansson.h>

struct client {
    struct endpoint endpoint;
    bool json; /* print the server's JSON as it is */
    const struct args *args;
    struct connection *connection;
    const char *hint;   /* NULL, or a line that follows the message of an error */
    bool not_promoted;  /* the job succeeded, but its version did not become the default */
    struct arena arena; /* lives as long as the command */
};

bool client_has_command(const char *name);

/* One line for each command, for the help of the whole binary. */
void client_print_commands(FILE *out);

/* Offers the names of all client commands. */
void client_try_names(struct near_name *near);

/*
 * Runs the command argv[1]. The exit status: 0 done; 1 the server refused, the job failed, or
 * something else did; 2 the command line is wrong; 3 the server cannot be reached; 4 a job
 * succeeded, but its version was not promoted; 130 interrupted.
 */
int client_run(int argc, char **argv);

/* ---- for the commands ---- */

/* Word i of the command line; empty when there are fewer. */
const char *client_word(const struct client *client, int i);

/* The seconds of --retry. ERR_INVALID. */
enum err_code client_retry_s(const struct client *client, double *out, struct err *err) MUST_CHECK;

/* The path of text and names in turn ("/v1/models/", name, "/data"), the names escaped; in the
 * client's arena. NULL: memory was short. */
char *client_path(struct client *client, const char *text, ...) NULL_ENDED;

/*
 * As connection_call; with --json the body of an answer in memory, good or bad, is printed too.
 * ERR_CORRUPT: the answer is good but not JSON.
 */
enum err_code client_call(struct client *client, const struct call *call, struct answer *out,
                          struct err *err) MUST_CHECK;

/*
 * A call whose answer is one JSON document: the caller passes *out to json_decref. With --json it
 * has been printed and *out is NULL: the command has nothing more to say. NULL for path: ERR_NOMEM.
 */
enum err_code client_ask(struct client *client, const char *method, const char *path,
                         const struct payload *payload, json_t **out, struct err *err) MUST_CHECK;

/* A DELETE whose answer says nothing that is printed for people. NULL for path: ERR_NOMEM. */
enum err_code client_delete(struct client *client, const char *path, struct err *err) MUST_CHECK;

/* The document in an answer; jansson's decoding flags. ERR_CORRUPT. */
enum err_code client_parse(const struct answer *answer, size_t flags, json_t **out,
                           struct err *err) MUST_CHECK;

/* The list under `key`; NULL with ERR_CORRUPT: the document does not come from a surrogated. */
const json_t *client_list(const json_t *doc, const char *key, struct err *err);

/* A member of an object in one cell, as describe_member has it. */
const char *client_member(struct client *client, const json_t *object, const char *key);

/* What a command does by its word: `surrogated models put`. */
struct verb {
    const char *name;
    int min, max; /* words of the command, this one included */
    enum err_code (*run)(struct client *client, struct err *err);
};

/* Runs the verb that word `at` names, or the first when there is none. ERR_INVALID. */
enum err_code client_run_verb(struct client *client, const struct verb *verbs, size_t n, int at,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID unless there are `min` to `max` words. */
enum err_code client_check_words(const struct client *client, int min, int max,
                                 struct err *err) MUST_CHECK;

/* Writes all that stdout holds; ERR_FULL, or ERR_CANCELLED when its reader has gone. */
enum err_code client_flush(struct err *err) MUST_CHECK;

/* The same between two outputs: ERR_CANCELLED even when there is nothing to write now. */
enum err_code client_keep_up(struct err *err) MUST_CHECK;

#endif
