/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated watch: follows the events of a job. When the stream breaks, it is resumed after the
 * last event that came. Jobs outlive their server, so a server that does not answer is waited for,
 * up to a minute. Where there is no stream, because the server is older or has too many followers,
 * the job is polled: after a tenth of a second at first, later every second.
 */
#include "client/commands.h"

#include "base/clock.h"
#include "base/phrase.h"
#include "client/choice.h"
#include "client/describe.h"
#include "client/event_reader.h"
#include "client/interrupt.h"
#include "client/progress.h"
#include "client/terminal.h"
#include "formats/json_load.h"

#include <string.h>

#define FIRST_WAIT_S 0.1
#define MAX_WAIT_S   1.0
#define WAIT_GROWTH  1.25
#define AWAY_NS      (INT64_C(60) * 1000000000) /* how long a server may be away */
#define STEADY_NS    (INT64_C(5) * 1000000000)  /* a stream that lasted so long worked well */
#define SILENCE_S    45                         /* the server sends something every 15 s */

struct watch {
    struct client *client;
    const char *id;
    char *path;
    char *events_path;
    bool polls; /* there is no stream of events */
    struct event_reader reader;
    struct progress progress;
    struct arena scratch;
    json_t *job; /* as the server described it last */
    bool over;
    bool seen;         /* the server has answered before */
    int64_t away_ns;   /* since when it has not answered; 0: it does */
    double wait_s;     /* before the next try */
    struct err failed; /* of a callback */
};

#define N_UNFINISHED 2 /* of the states, which begin with these */

/* Its place among the states; -1: it is not one. */
static int find_state(const char *state)
{
    int i = 0;
    while (options_states[i] != NULL && strcmp(options_states[i], state) != 0) {
        i++;
    }
    return options_states[i] != NULL ? i : -1;
}

/* Was the version to become the default, and did not? Then the exit status says so. */
static void report_unpromoted(struct watch *w, const json_t *job)
{
    static const char repeated[] = "not promoted: ";
    struct textbuf reason = textbuf_in(&w->client->arena);
    const char *version = client_member(w->client, job, "version");
    const char *message = json_string_value(json_object_get(job, "message"));
    if (json_is_false(json_object_get(json_object_get(job, "request"), "promote"))) {
        if (!w->client->json) {
            printf("version %s was not promoted: the request has \"promote\": false\n", version);
        }
        return;
    }
    w->client->not_promoted = true;
    message = message != NULL ? message : "the server gives no reason";
    message += strncmp(message, repeated, sizeof repeated - 1) == 0 ? sizeof repeated - 1 : 0;
    terminal_escape(&reason, message);
    fflush(stdout);
    fprintf(stderr, "surrogated: version %s was not promoted: %s\n", version,
            textbuf_failed(&reason) ? "?" : reason.data);
}

/* On which rows the version was compared with the served one. */
static void report_comparison(struct watch *w, const json_t *job)
{
    const json_t *gate = json_object_get(job, "gate");
    const json_t *candidate = json_object_get(gate, "candidate");
    const json_t *served = json_object_get(gate, "served");
    struct textbuf rows = textbuf_in(&w->client->arena);
    if (!json_is_string(json_object_get(gate, "rows_used")) || !json_is_number(candidate) ||
        !json_is_number(served) ||
        json_equal(json_object_get(gate, "served_version"), json_object_get(job, "version"))) {
        return; /* or the same rows and request gave the same version again */
    }
    terminal_escape(&rows, client_member(w->client, gate, "rows_used"));
    printf("compared with version %s on %s: %s %.4g against %.4g\n",
           client_member(w->client, gate, "served_version"),
           textbuf_failed(&rows) ? "?" : rows.data, client_member(w->client, gate, "metric"),
           json_number_value(candidate), json_number_value(served));
}

/* How the candidates of auto compared. The job has ended whatever comes of this: a server that does
 * not answer is no error. */
static void report_choice(struct watch *w, const json_t *job)
{
    struct client *client = w->client;
    struct err err = ERR_INIT;
    struct answer answer = {.status = 0};
    json_t *doc = NULL;
    const char *solver =
        json_string_value(json_object_get(json_object_get(job, "request"), "solver"));
    const char *model = json_string_value(json_object_get(job, "model"));
    char version[32];
    if (solver == NULL || model == NULL || strcmp(solver, "auto") != 0) {
        return;
    }
    snprintf(version, sizeof version, "%lld",
             (long long)json_integer_value(json_object_get(job, "version")));
    struct call call = {.method = "GET",
                        .path = client_path(client, "/v1/models/", model, "/versions/", version,
                                            "/diagnostics", NULL)};
    if (call.path != NULL && connection_call(client->connection, &call, &answer, &err) == ERR_OK &&
        client_parse(&answer, 0, &doc, &err) == ERR_OK) {
        err_kept(choice_print(json_object_get(doc, "auto"), &client->arena, stdout, &err));
    }
    json_decref(doc);
    answer_release(&answer);
}

static enum err_code report_end(struct watch *w, const json_t *job, struct err *err)
{
    struct client *client = w->client;
    const char *state = client_member(client, job, "state");
    const char *message = json_string_value(json_object_get(job, "message"));
    double started = phrase_read_time(json_string_value(json_object_get(job, "started")));
    double finished = phrase_read_time(json_string_value(json_object_get(job, "finished")));
    if (strcmp(state, "succeeded") != 0) {
        return err_set(err, ERR_NUMERIC, "job %s %s%s%s", w->id,
                       strcmp(state, "failed") == 0 ? "failed" : "was cancelled",
                       message != NULL ? ": " : "", message != NULL ? message : "");
    }
    const char *kind = json_string_value(json_object_get(job, "kind"));
    bool trains = kind == NULL || strcmp(kind, "train") == 0;
    bool unpromoted = trains && json_is_false(json_object_get(job, "promoted"));
    if (!client->json && !trains) {
        printf("job %s %ssucceeded%s in %s\n", w->id, terminal_on(stdout, STYLE_GOOD),
               terminal_off(stdout), phrase_duration(finished - started).text);
    } else if (!client->json) {
        bool more = message != NULL && !unpromoted;
        printf("job %s %ssucceeded%s in %s: version %s of %s%s%s\n", w->id,
               terminal_on(stdout, STYLE_GOOD), terminal_off(stdout),
               phrase_duration(finished - started).text, client_member(client, job, "version"),
               client_member(client, job, "model"), more ? ": " : "",
               more ? client_member(client, job, "message") : "");
        if (!unpromoted) {
            report_comparison(w, job);
        }
    }
    if (unpromoted) {
        report_unpromoted(w, job);
    }
    if (!client->json) {
        describe_warnings(&client->arena, client_member(client, job, "version"),
                          json_object_get(job, "warnings"));
    }
    return ERR_OK;
}

/* After Ctrl-C: says that the job goes on, or cancels it if --cancel-on-interrupt is given. */
static enum err_code end_interrupted(struct watch *w, struct err *err)
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

/* ---- what comes from the server ---- */

static void note_answer(struct watch *w)
{
    w->seen = true;
    w->away_ns = 0;
}

/* An error also when nobody reads what is shown, which ends the watch. */
static enum err_code show_progress(struct watch *w, struct err *err)
{
    if (w->client->json) {
        return ERR_OK;
    }
    progress_show(&w->progress, w->job, &w->scratch);
    return client_keep_up(err);
}

/* Takes ownership of the document and shows it; text: the same, as it came. */
static enum err_code take_job(struct watch *w, json_t *job, const char *text, struct err *err)
{
    json_decref(w->job);
    w->job = job;
    int state = find_state(describe_member(&w->scratch, job, "state"));
    w->over = state >= N_UNFINISHED;
    if (state < 0) {
        err_set(err, ERR_CORRUPT, "the server's answer is not a job");
    } else if (w->over) {
        progress_end(&w->progress);
        if (w->client->json) {
            printf("%s\n", text);
        }
        err_kept(report_end(w, job, err));
    } else {
        err_kept(show_progress(w, err));
    }
    arena_clear(&w->scratch);
    return err->code;
}

static bool on_event(void *ctx, const char *name, const char *data)
{
    struct watch *w = ctx;
    json_error_t problem;
    bool is_state = strcmp(name, "state") == 0;
    if (!is_state && strcmp(name, "progress") != 0) {
        return true;
    }
    bool is_short = false;
    json_t *value = json_load_whole(data, strlen(data), 0, &problem, &is_short);
    if (is_short) {
        err_set(&w->failed, ERR_NOMEM, "no memory for an event");
    } else if (!json_is_object(value)) {
        json_decref(value);
        err_set(&w->failed, ERR_CORRUPT, "an event of the server is not a JSON object");
    } else if (is_state) {
        err_kept(take_job(w, value, data, &w->failed));
    } else if (w->job == NULL) {
        json_decref(value); /* progress of a job whose state has not come yet */
    } else if (json_object_set_new(w->job, "progress", value) != 0) {
        err_set(&w->failed, ERR_NOMEM, "no memory for an event");
    } else {
        err_kept(show_progress(w, &w->failed));
        arena_clear(&w->scratch);
    }
    return w->failed.code == ERR_OK && !w->over;
}

static bool on_piece(void *ctx, const char *data, size_t n)
{
    struct watch *w = ctx;
    note_answer(w);
    return event_reader_take(&w->reader, data, n) && client_keep_up(&w->failed) == ERR_OK;
}

/* Does the server, or a proxy in front of it, say that it is not there for now? */
static bool is_away(int status)
{
    return status == 502 || status == 503 || status == 504;
}

/* Once a server has answered, it may be away for a while: the error is forgotten that long. */
static enum err_code tolerate_absence(struct watch *w, const struct answer *answer, struct err *err)
{
    int64_t now_ns = clock_ns();
    if ((err->code != ERR_IO && !is_away(answer->status)) || !w->seen) {
        return err->code;
    }
    w->away_ns = w->away_ns != 0 ? w->away_ns : now_ns;
    if (now_ns < w->away_ns + AWAY_NS) {
        err_clear(err);
        char *text =
            arena_printf(&w->scratch, "job %s: the server does not answer, waiting for it", w->id);
        if (!w->client->json && text != NULL) {
            progress_say(&w->progress, text);
        }
        arena_clear(&w->scratch);
    }
    return err->code;
}

/* Asks for the job once. */
static enum err_code poll_job(struct watch *w, struct err *err)
{
    struct call call = {.method = "GET", .path = w->path};
    struct answer answer = {.status = 0};
    json_t *job = NULL;
    if (connection_call(w->client->connection, &call, &answer, err) == ERR_OK &&
        client_parse(&answer, 0, &job, err) == ERR_OK) {
        note_answer(w);
        err_kept(take_job(w, job, answer.data, err));
    } else {
        err_kept(tolerate_absence(w, &answer, err));
    }
    answer_release(&answer);
    return err->code;
}

/* Follows the stream of events as long as it lasts. */
static enum err_code follow_stream(struct watch *w, struct err *err)
{
    char last_id[EVENT_NAME_CHARS + 32];
    struct answer answer = {.status = 0};
    struct call call = {.method = "GET",
                        .path = w->events_path,
                        .headers = {"Accept: text/event-stream"},
                        .piece = on_piece,
                        .piece_ctx = w,
                        .silence_s = SILENCE_S};
    int64_t begin_ns = clock_ns();
    if (w->reader.last_id[0] != '\0') {
        snprintf(last_id, sizeof last_id, "Last-Event-ID: %s", w->reader.last_id);
        call.headers[1] = last_id;
    }
    event_reader_begin(&w->reader);
    err_kept(connection_call(w->client->connection, &call, &answer, err));
    w->wait_s = clock_ns() - begin_ns > STEADY_NS ? FIRST_WAIT_S : w->wait_s;
    if (w->failed.code != ERR_OK || w->over) {
        *err = w->failed;
    } else if (err->code == ERR_OK && answer.status == 200 && !answer.is_stream) {
        w->polls = true;
        err_kept(poll_job(w, err));
    } else if (w->reader.failed) {
        err_clear(err);
        err_set(err, ERR_NOMEM, "no memory for an event");
    } else if (answer.status == 404 || answer.status == 405 || answer.status == 429 ||
               answer.status == 503 || answer.status == 204) {
        /* No such route, no such job, or no room: asking for the job shows which. */
        w->polls = answer.status == 404 || answer.status == 405;
        err_clear(err);
        err_kept(poll_job(w, err));
    } else if (err->code != ERR_OK) {
        err_kept(tolerate_absence(w, &answer, err));
    }
    answer_release(&answer);
    return err->code;
}

enum err_code watch_job(struct client *client, const char *id, struct err *err)
{
    struct watch w = {.client = client,
                      .id = id,
                      .scratch = ARENA_INIT,
                      .wait_s = FIRST_WAIT_S,
                      .failed = ERR_INIT};
    w.path = client_path(client, "/v1/jobs/", id, NULL);
    w.events_path = client_path(client, "/v1/jobs/", id, "/events", NULL);
    if (w.path == NULL || w.events_path == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    w.reader.on_event = on_event;
    w.reader.ctx = &w;
    progress_begin(&w.progress, stdout);
    while ((w.polls ? poll_job(&w, err) : follow_stream(&w, err)) == ERR_OK && !w.over) {
        if (!interrupt_sleep(w.wait_s)) {
            break;
        }
        w.wait_s = w.wait_s * WAIT_GROWTH > MAX_WAIT_S ? MAX_WAIT_S : w.wait_s * WAIT_GROWTH;
    }
    progress_end(&w.progress);
    if (w.over && err->code == ERR_OK && !client->json) {
        report_choice(&w, w.job); /* not before: the stream has the connection */
    }
    json_decref(w.job);
    event_reader_release(&w.reader);
    arena_release(&w.scratch);
    if (!w.over && interrupt_seen()) {
        err_clear(err);
        return end_interrupted(&w, err);
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
