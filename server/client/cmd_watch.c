/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated watch: asks for the job again and again, after a tenth of a second at first, later
 * after a second. Jobs outlive their server, so a server that is away for a while is waited for.
 */
#include "commands.h"

#include "clock.h"
#include "describe.h"
#include "interrupt.h"
#include "progress.h"
#include "table.h"
#include "terminal.h"

#include <string.h>

#define FIRST_WAIT_S 0.1
#define MOST_WAIT_S  1.0
#define SLOWER       1.25
#define AWAY_NS      (INT64_C(30) * 1000000000) /* how long a server may be away */

struct watch {
    struct client *client;
    const char *id;
    char *path;
    struct progress progress;
    int64_t seen_ns; /* when the server answered last; 0: never */
};

static bool is_over(const char *state)
{
    return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

/* One look. A server that does not answer is no error for a while, once it has answered. */
static enum err_code look(struct watch *w, struct answer *answer, json_t **job, struct err *err)
{
    struct call call = {.method = "GET", .path = w->path};
    *job = NULL;
    if (connection_call(w->client->connection, &call, answer, err) == ERR_OK &&
        client_parse(answer, 0, job, err) == ERR_OK) {
        w->seen_ns = clock_ns();
        return ERR_OK;
    }
    bool away = err->code == ERR_IO || answer->status == 503;
    if (away && w->seen_ns != 0 && clock_ns() < w->seen_ns + AWAY_NS) {
        err_clear(err);
    }
    return err->code;
}

static enum err_code say_end(struct watch *w, const json_t *job, struct err *err)
{
    struct arena *arena = &w->client->arena;
    const char *state = describe_member(arena, job, "state");
    const char *message = json_string_value(json_object_get(job, "message"));
    double started = table_time(json_string_value(json_object_get(job, "started")));
    double finished = table_time(json_string_value(json_object_get(job, "finished")));
    if (strcmp(state, "succeeded") != 0) {
        return err_set(err, ERR_NUMERIC, "job %s %s%s%s", w->id,
                       strcmp(state, "failed") == 0 ? "failed" : "was cancelled",
                       message != NULL ? ": " : "", message != NULL ? message : "");
    }
    if (w->client->json) {
        return ERR_OK;
    }
    struct textbuf text = textbuf_in(arena);
    terminal_escape(&text, describe_member(arena, job, "model"));
    terminal_escape(&text, message != NULL ? ": " : "");
    terminal_escape(&text, message != NULL ? message : "");
    printf("job %s %ssucceeded%s in %s: version %s of %s\n", w->id, terminal_on(stdout, STYLE_GOOD),
           terminal_off(stdout), table_duration(arena, finished - started),
           describe_member(arena, job, "version"), textbuf_failed(&text) ? "?" : text.data);
    return ERR_OK;
}

/* Ctrl-C: the job goes on and this is said, or it is cancelled when that was wished. */
static enum err_code leave(struct watch *w, struct err *err)
{
    struct answer answer = {.status = 0};
    struct err failed = ERR_INIT;
    struct call call = {.method = "DELETE", .path = w->path};
    if (w->client->args->values[OPT_CANCEL] == NULL) {
        return err_set(err, ERR_CANCELLED,
                       "interrupted; job %s goes on: `surrogated watch %s` follows it again, "
                       "`surrogated jobs cancel %s` ends it",
                       w->id, w->id, w->id);
    }
    interrupt_forget();
    enum err_code code = connection_call(w->client->connection, &call, &answer, &failed);
    interrupt_raise();
    answer_release(&answer);
    if (code != ERR_OK) {
        return err_set(err, ERR_CANCELLED, "interrupted; job %s could not be cancelled: %s", w->id,
                       err_msg(&failed));
    }
    return err_set(err, ERR_CANCELLED, "interrupted; job %s is cancelled", w->id);
}

/* One look and what follows of it; *over at the job's end. */
static enum err_code follow(struct watch *w, struct arena *scratch, bool *over, struct err *err)
{
    struct answer answer = {.status = 0};
    json_t *job = NULL;
    if (look(w, &answer, &job, err) == ERR_OK && job != NULL) {
        *over = is_over(describe_member(scratch, job, "state"));
        if (*over) {
            progress_end(&w->progress);
        } else if (!w->client->json) {
            progress_show(&w->progress, job, scratch);
        }
        if (*over && w->client->json) {
            printf("%s\n", answer.data);
        }
        if (*over) {
            err_kept(say_end(w, job, err));
        }
    }
    json_decref(job);
    answer_release(&answer);
    arena_clear(scratch);
    return err->code;
}

enum err_code watch_job(struct client *client, const char *id, struct err *err)
{
    struct watch w = {.client = client, .id = id};
    struct arena scratch = ARENA_INIT;
    double wait_s = FIRST_WAIT_S;
    bool over = false;
    w.path = client_path(client, "/v1/jobs/", id, NULL);
    if (w.path == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    progress_begin(&w.progress, stdout);
    while (follow(&w, &scratch, &over, err) == ERR_OK && !over) {
        if (!interrupt_sleep(wait_s)) {
            break;
        }
        wait_s = wait_s * SLOWER > MOST_WAIT_S ? MOST_WAIT_S : wait_s * SLOWER;
    }
    progress_end(&w.progress);
    arena_release(&scratch);
    if (!over && interrupt_seen()) {
        err_clear(err);
        return leave(&w, err);
    }
    return err->code;
}

enum err_code command_watch(struct client *client, struct err *err)
{
    if (client_check_words(client, 1, 1, err) != ERR_OK) {
        return err->code;
    }
    return watch_job(client, client->args->words[0], err);
}
