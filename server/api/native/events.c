/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/jobs/{id}/events: a job as server-sent events until it ends.
 *
 * The id of an event is its number (jobs/events.h) times two, plus one if the event is the end of
 * the job. So a client that comes back with an odd id has seen the end, whatever the server
 * remembers. It is answered 204, after which an EventSource does not connect again.
 *
 * A stream that resumes gets the events after its id. A stream that cannot resume, because it is
 * new, from before a restart or too far behind, begins with the state of the job. The id of this
 * state is the newest number at the moment before the row was read: the row covers every event up
 * to it.
 */
#include "api/handlers.h"

#include "api/native/job_doc.h"
#include "access/stream_places.h"
#include "api/quota.h"
#include "api/reply.h"
#include "base/clock.h"
#include "store/jobs/job_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_S 5 /* after which there may be room for another stream */

static const char first_words[] = "retry: 2000\n\n";
static const char keep_alive[] = ": still here\n\n";

/* In the request's arena. */
struct stream {
    struct app *app;
    bool counted; /* among the streams of its address */
    struct stream_place place;
    const struct request *req;
    int64_t job;
    uint64_t after; /* number of the last event that was sent */
    bool over;      /* the end has been sent */
    bool has_told;
    struct job_row told; /* the state that was sent last */
    struct event_waiter waiter;
    struct arena scratch; /* holds `text`, released as soon as that is sent */
    const char *text;
    size_t n_text;
    size_t text_at;
};

static bool is_over(const struct job_row *row)
{
    return row->state != JOB_QUEUED && row->state != JOB_RUNNING;
}

/* ---- the text of events ---- */

static void write_head(struct textbuf *text, const struct stream *s, const char *name)
{
    textbuf_printf(text, "id: %llu\nevent: %s\ndata: ",
                   (unsigned long long)(2 * s->after + (s->over ? 1 : 0)), name);
}

static enum err_code write_state(struct stream *s, struct textbuf *text, const struct job_row *row,
                                 struct err *err)
{
    s->over = is_over(row);
    s->told = *row;
    s->has_told = true;
    write_head(text, s, "state");
    struct json_write json = json_write_to(text);
    if (job_doc_write(s->app, &json, row, err) == ERR_OK) {
        json_write_end(&json);
        textbuf_puts(text, "\n\n");
    }
    return err->code;
}

static void write_progress(struct stream *s, struct textbuf *text, const struct event *event)
{
    struct trainer_progress progress = {.last = event->progress, .eta_s = event->eta_s};
    struct choice_table table;
    bool chooses = trainer_get_table(s->app->trainer, s->job, &table);
    write_head(text, s, "progress");
    struct json_write json = json_write_to(text);
    job_doc_write_progress(&json, NULL, &progress, chooses ? &table : NULL);
    json_write_end(&json);
    textbuf_puts(text, "\n\n");
}

static bool is_told(const struct stream *s, const struct job_row *row)
{
    return s->has_told && s->told.state == row->state && s->told.attempts == row->attempts &&
           s->told.cancel_requested == row->cancel_requested;
}

static enum err_code write_present_state(struct stream *s, struct textbuf *text, struct err *err)
{
    struct job_row row;
    s->after = events_newest(s->app->events);
    if (job_store_get(s->app->db, s->job, &row, err) == ERR_OK) {
        err_kept(write_state(s, text, &row, err));
    }
    return err->code;
}

static enum err_code write_event(struct stream *s, struct textbuf *text, struct event *event,
                                 struct err *err)
{
    if (event->kind == EVENT_PROGRESS) {
        write_progress(s, text, event);
        return ERR_OK;
    }
    if (event->row.id == 0 && job_store_get(s->app->db, s->job, &event->row, err) != ERR_OK) {
        return err->code;
    }
    return is_told(s, &event->row) ? ERR_OK : write_state(s, text, &event->row, err);
}

/* Makes the text of the next event; *answer: EVENTS_ONE, or why there is none. */
static enum err_code make_text(struct stream *s, enum events_answer *answer, struct err *err)
{
    struct event event;
    struct textbuf text = textbuf_in(&s->scratch);
    do {
        *answer = events_next(s->app->events, s->job, &s->after, &event);
        if (*answer == EVENTS_LOST) {
            *answer = EVENTS_ONE;
            err_kept(write_present_state(s, &text, err));
        } else if (*answer == EVENTS_ONE) {
            err_kept(write_event(s, &text, &event, err));
        }
    } while (*answer == EVENTS_ONE && err->code == ERR_OK && text.len == 0 &&
             !textbuf_failed(&text));
    if (textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for an event");
    }
    s->text = text.data;
    s->n_text = text.len;
    s->text_at = 0;
    return err->code;
}

/* ---- the source ---- */

static size_t copy_text(struct stream *s, char *out, size_t size)
{
    size_t left = s->n_text - s->text_at;
    size_t n = left < size ? left : size;
    memcpy(out, s->text + s->text_at, n);
    s->text_at += n;
    if (s->text_at == s->n_text) {
        arena_release(&s->scratch);
        s->n_text = s->text_at = 0;
        s->waiter.silent_ns = clock_ns() + EVENTS_KEEP_ALIVE_NS;
    }
    return n;
}

/*
 * Ends the stream when the connection cannot be suspended, and on a replica, where nobody publishes
 * events: its clients come back for the next state.
 */
static size_t wait_for_more(struct stream *s)
{
    const struct request *req = s->req;
    if (req->ops == NULL || db_is_read_only(s->app->db)) {
        return 0;
    }
    s->waiter.after = s->after;
    /* Suspended first, because wake_stream may be called before events_wait returns. */
    req->ops->suspend(req->exchange);
    if (!events_wait(s->app->events, &s->waiter)) {
        req->ops->resume(req->exchange);
    }
    return BODY_SOURCE_WAIT;
}

static size_t read_stream(void *ctx, char *out, size_t size)
{
    struct stream *s = ctx;
    struct err err = ERR_INIT;
    enum events_answer answer = EVENTS_NONE;
    enum events_call call = s->waiter.call;
    s->waiter.call = EVENTS_NEWS;
    if (s->text_at < s->n_text) {
        return copy_text(s, out, size);
    }
    if (call == EVENTS_GONE && !stream_gives_way(&s->place)) {
        return BODY_SOURCE_FAILED;
    }
    if (s->over || stream_gives_way(&s->place)) {
        return 0; /* its client comes back where more is to come */
    }
    if (call == EVENTS_SILENCE) {
        s->text = keep_alive;
        s->n_text = sizeof keep_alive - 1;
        return copy_text(s, out, size);
    }
    if (make_text(s, &answer, &err) != ERR_OK) {
        log_warn(s->app->log, "event stream cut", "job", LOG_INT(s->job), "reason", err_msg(&err),
                 NULL);
        return BODY_SOURCE_FAILED;
    }
    if (answer == EVENTS_ONE) {
        return copy_text(s, out, size);
    }
    return answer == EVENTS_CLOSED ? 0 : wait_for_more(s);
}

static void count_out(struct stream *s)
{
    if (s->app->streams != NULL) {
        stream_close(s->app->streams, &s->place);
    }
    if (s->counted) {
        peers_remove(s->app->peers, s->req->peer, PEER_STREAMS);
    }
    metrics_add(&s->app->metrics->event_streams, -1);
}

static void release_stream(void *ctx)
{
    struct stream *s = ctx;
    arena_release(&s->scratch);
    count_out(s);
}

static void wake_stream(void *ctx)
{
    struct stream *s = ctx;
    s->req->ops->resume(s->req->exchange);
}

static bool is_client_gone(const void *ctx)
{
    const struct stream *s = ctx;
    return stream_gives_way(&s->place) || s->req->ops->gone(s->req->exchange);
}

/* ---- the handler ---- */

/* The last id that the client has seen; *given: it sent one, and not an empty one. */
static enum err_code read_last_id(const struct request *req, uint64_t *id, bool *given,
                                  struct err *err)
{
    const char *text = request_header(req, "Last-Event-ID");
    if (text == NULL || *text == '\0') {
        text = request_query(req, "last_event_id");
    }
    *given = text != NULL && *text != '\0';
    if (!*given) {
        return ERR_OK;
    }
    errno = 0;
    *id = strtoull(text, NULL, 10);
    if (errno != 0 || strspn(text, "0123456789") != strlen(text)) {
        return err_set(err, ERR_INVALID,
                       "the last event's id is \"%.40s\", a whole number as in an event's id is "
                       "needed",
                       text);
    }
    return ERR_OK;
}

/* The first text: how soon to come back, and the job's state unless the stream can resume. */
static enum err_code begin_stream(struct stream *s, bool given, uint64_t id,
                                  const struct job_row *row, struct err *err)
{
    struct textbuf text = textbuf_in(&s->scratch);
    textbuf_puts(&text, first_words);
    if (given && !db_is_read_only(s->app->db) && events_resumes(s->app->events, row, id / 2)) {
        s->after = id / 2;
    } else {
        err_kept(write_state(s, &text, row, err));
    }
    s->text = text.data;
    s->n_text = text.len;
    if (err->code == ERR_OK && textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for the events of job %lld", (long long)s->job);
    }
    if (err->code != ERR_OK) {
        arena_release(&s->scratch);
    }
    return err->code;
}

/* Among the streams of its address. */
static enum err_code count_in_address(struct stream *s, struct err *err)
{
    char from[EXCHANGE_ADDRESS_CHARS] = "";
    struct app *app = s->app;
    const struct request *req = s->req;
    int max = app->config->max_peer_streams;
    if (app->peers == NULL || req->peer == NULL) {
        return ERR_OK;
    }
    s->counted = peers_add(app->peers, req->peer, PEER_STREAMS, max);
    if (!s->counted) {
        quota_count_stream(app);
        req->ops->address(req->exchange, from);
        err_set(err, ERR_RATE,
                "%s follows events %d times already, the most that max_peer_streams allows", from,
                max);
        err->retry_s = RETRY_S;
    }
    return err->code;
}

/* Among all streams. Where there is no place another one gives way, and is told of it. */
static enum err_code take_place(struct stream *s, long long others, struct err *err)
{
    struct app *app = s->app;
    int max = app->config->event_streams;
    enum stream_answer answer = others >= max ? STREAM_REFUSED : STREAM_OPEN;
    if (app->streams != NULL) {
        answer = stream_open(app->streams, &s->place, s->req->peer, s->req->caller.who, max);
    }
    if (answer == STREAM_REPLACES) {
        metrics_add(&app->metrics->event_streams_replaced, 1);
        events_look(app->events);
    } else if (answer == STREAM_REFUSED) {
        err_set(err, ERR_BUSY, "%d clients follow events already, and event_streams allows no more",
                max);
        err->retry_s = RETRY_S;
    }
    return err->code;
}

/* Counts the stream until release_stream. */
static enum err_code admit_stream(struct stream *s, struct err *err)
{
    struct app *app = s->app;
    long long others =
        atomic_fetch_add_explicit(&app->metrics->event_streams, 1, memory_order_relaxed);
    if (count_in_address(s, err) != ERR_OK || take_place(s, others, err) != ERR_OK) {
        count_out(s);
    }
    return err->code;
}

enum err_code handle_job_events(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    struct stream *s = arena_zalloc_array(req->arena, 1, sizeof *s);
    struct job_row row;
    uint64_t id = 0;
    bool given = false;
    if (s == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    *s = (struct stream){.app = app, .req = req, .after = events_newest(app->events)};
    if (reply_number(req->params[0], "job", &s->job, err) != ERR_OK ||
        read_last_id(req, &id, &given, err) != ERR_OK ||
        job_doc_find(app, req, s->job, &row, err) != ERR_OK) {
        return err->code;
    }
    response_header(res, "Cache-Control", "no-store");
    if (given && id % 2 == 1 && is_over(&row)) {
        res->status = 204;
        return ERR_OK;
    }
    if (admit_stream(s, err) != ERR_OK) {
        return err->code;
    }
    if (begin_stream(s, given, id, &row, err) != ERR_OK) {
        count_out(s);
        return err->code;
    }
    s->waiter = (struct event_waiter){
        .job = s->job, .gone = is_client_gone, .wake = wake_stream, .ctx = s, .call = EVENTS_NEWS};
    response_header(res, "X-Accel-Buffering", "no");
    res->status = 200;
    res->content_type = "text/event-stream";
    res->source = (struct body_source){
        .read = read_stream, .release = release_stream, .ctx = s, .endless = true};
    return ERR_OK;
}
