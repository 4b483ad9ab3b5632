/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock guards the ring, the latest progress of each job and the list of waiters; under it
 * things are only copied, compared and linked. A waiter is taken out of the list before it is
 * called: whoever takes it out is the only one who may call it, and the end waits for that.
 *
 * Rows of one job enter the ring in the order in which they were read. The row is read without the
 * lock, and read again when another thread has published a state of the job meanwhile.
 */
#include "jobs/events.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"

#include <string.h>

#define N_PLACES   32 /* running jobs whose progress is kept; one more replaces the oldest */
#define SHOW_EVERY (200 * CLOCK_MS)
#define LOOK_EVERY CLOCK_S /* how often clients are checked */
/* Numbers start at the present time in ms times this, so that they also grow over restarts. */
#define PER_MS ((uint64_t)1 << 19)

struct place {
    int64_t job;     /* 0: free */
    uint64_t number; /* of the report that is shown; 0: none is */
    int64_t shown_ns;
    bool holds;  /* there is a report that came too early to be shown */
    bool begins; /* the next report is the first of an attempt, and may be of less than earlier ones
                  */
    struct progress shown, held;
    double shown_eta_s, held_eta_s;
};

/* Number and job of a state, apart from its row so that a search touches little memory. */
struct mark {
    uint64_t number;
    int64_t job;
};

struct events {
    struct events_settings settings;
    pthread_t thread;
    bool has_thread;
    /* A notice: the thread has an earlier time to be awake at. The stop: events are closed. The
     * lock guards what follows. */
    struct wake wake;
    uint64_t newest;   /* the last number given out */
    uint64_t lost;     /* the number of the last state that left the ring; at first the start of all
                          numbers */
    uint64_t n_states; /* ever published; the ring holds the last EVENTS_STATES */
    struct mark marks[EVENTS_STATES];
    struct job_row rows[EVENTS_STATES];
    struct place places[N_PLACES];
    struct event_waiter *waiters;
    int n_calling;         /* threads that have taken waiters out and not called all of them yet */
    pthread_cond_t called; /* there may be none such any more; goes with the lock */
    int64_t look_ns;       /* when clients are checked next */
};

static bool is_over(const struct job_row *row)
{
    return row->state == JOB_SUCCEEDED || row->state == JOB_FAILED || row->state == JOB_CANCELLED;
}

/* ---- under the lock ---- */

/* Index of the first state of the job with a number above `after`, or of its last; -1: none. */
static int find_state_locked(const struct events *e, int64_t job, uint64_t after, bool last)
{
    int found = -1;
    uint64_t n = e->n_states < EVENTS_STATES ? e->n_states : EVENTS_STATES;
    for (uint64_t back = 1; back <= n; back++) {
        int at = (int)((e->n_states - back) % EVENTS_STATES);
        if (e->marks[at].number <= after) {
            break;
        }
        if (e->marks[at].job == job) {
            found = at;
            if (last) {
                break;
            }
        }
    }
    return found;
}

static struct place *find_place_locked(struct events *e, int64_t job)
{
    for (int i = 0; i < N_PLACES; i++) {
        if (e->places[i].job == job) {
            return &e->places[i];
        }
    }
    return NULL;
}

static struct place *make_place_locked(struct events *e, int64_t job, int64_t now_ns)
{
    struct place *oldest = &e->places[0];
    for (int i = 0; i < N_PLACES; i++) {
        struct place *p = &e->places[i];
        if (p->job == 0) {
            oldest = p;
            break;
        }
        if (p->shown_ns < oldest->shown_ns) {
            oldest = p;
        }
    }
    *oldest = (struct place){.job = job, .shown_ns = now_ns, .begins = true};
    return oldest;
}

/* Training threads report at the same time, so an older report may come after a newer one. */
static bool is_late_locked(const struct place *p, const struct progress *progress)
{
    return !p->begins && progress->fraction < (p->holds ? p->held : p->shown).fraction;
}

static void show_held_locked(struct events *e, struct place *p, int64_t now_ns)
{
    p->shown = p->held;
    p->shown_eta_s = p->held_eta_s;
    p->holds = false;
    p->shown_ns = now_ns;
    p->number = ++e->newest;
}

/* Moves the waiters of a job (0: of every job) from the list to `taken`. */
static struct event_waiter *take_waiters_locked(struct events *e, int64_t job,
                                                struct event_waiter *taken)
{
    for (struct event_waiter **at = &e->waiters; *at != NULL;) {
        struct event_waiter *w = *at;
        if (job == 0 || w->job == job) {
            *at = w->next;
            w->next = taken;
            taken = w;
        } else {
            at = &w->next;
        }
    }
    return taken;
}

/* The thread will call these waiters once it has let go of the lock. */
static void begin_calls_locked(struct events *e, const struct event_waiter *taken)
{
    e->n_calling += taken != NULL;
}

static bool has_news_locked(struct events *e, int64_t job, uint64_t after)
{
    const struct place *p = find_place_locked(e, job);
    return e->wake.stopping || after < e->lost || (p != NULL && p->number > after) ||
           find_state_locked(e, job, after, true) >= 0;
}

/* Does the row say what the job's last state in the ring says, or does it come after its end? */
static bool is_told_locked(const struct events *e, const struct job_row *row, int last)
{
    if (last < 0 || e->rows[last].id == 0) {
        return false;
    }
    const struct job_row *told = &e->rows[last];
    return is_over(told) ||
           (row->id != 0 && told->state == row->state && told->attempts == row->attempts &&
            told->cancel_requested == row->cancel_requested);
}

static void add_state_locked(struct events *e, int64_t job, const struct job_row *row)
{
    int at = (int)(e->n_states % EVENTS_STATES);
    struct place *p = find_place_locked(e, job);
    if (p != NULL && p->holds) {
        show_held_locked(e, p, p->shown_ns);
    }
    if (p != NULL) {
        p->begins = true;
    }
    if (e->n_states >= EVENTS_STATES) {
        e->lost = e->marks[at].number;
    }
    e->marks[at] = (struct mark){++e->newest, job};
    e->rows[at] = *row;
    e->n_states++;
}

/* ---- publishing ---- */

/* A waiter may no longer exist once it has been called. */
static void call_waiters(struct event_waiter *taken, enum events_call call)
{
    while (taken != NULL) {
        struct event_waiter *w = taken;
        taken = w->next;
        w->call = call;
        w->wake(w->ctx);
    }
}

static void end_calls(struct events *e)
{
    wake_lock(&e->wake);
    e->n_calling--;
    pthread_cond_broadcast(&e->called);
    wake_unlock(&e->wake);
}

/* After begin_calls_locked. */
static void call_taken(struct events *e, struct event_waiter *taken, enum events_call call)
{
    if (taken != NULL) {
        call_waiters(taken, call);
        end_calls(e);
    }
}

void events_publish_state(struct events *e, int64_t job)
{
    struct event_waiter *taken = NULL;
    uint64_t before = 0;
    bool again = true;
    if (e == NULL) {
        return;
    }
    while (again) {
        struct job_row row;
        struct err err = ERR_INIT;
        wake_lock(&e->wake);
        int last = find_state_locked(e, job, 0, true);
        before = last >= 0 ? e->marks[last].number : 0;
        wake_unlock(&e->wake);
        if (job_store_get(e->settings.db, job, &row, &err) != ERR_OK) {
            log_warn(e->settings.log, "state of a job published without its row", "job",
                     LOG_INT(job), "reason", err_msg(&err), NULL);
            memset(&row, 0, sizeof row);
        }
        wake_lock(&e->wake);
        last = find_state_locked(e, job, 0, true);
        again = !e->wake.stopping && (last >= 0 ? e->marks[last].number : 0) != before;
        if (!e->wake.stopping && !again && !is_told_locked(e, &row, last)) {
            add_state_locked(e, job, &row);
            taken = take_waiters_locked(e, job, NULL);
            begin_calls_locked(e, taken);
        }
        wake_unlock(&e->wake);
    }
    call_taken(e, taken, EVENTS_NEWS);
}

void events_publish_progress(struct events *e, int64_t job, const struct progress *progress,
                             double eta_s)
{
    struct event_waiter *taken = NULL;
    int64_t now_ns = clock_ns();
    if (e == NULL) {
        return;
    }
    wake_lock(&e->wake);
    if (!e->wake.stopping) {
        struct place *p = find_place_locked(e, job);
        p = p != NULL ? p : make_place_locked(e, job, now_ns);
        bool late = is_late_locked(p, progress);
        bool first = p->begins;
        if (!late && !p->holds) {
            wake_notify_locked(&e->wake);
        }
        if (!late) {
            p->held = *progress;
            p->held_eta_s = eta_s;
            p->holds = true;
            p->begins = false;
        }
        if (!late && (first || now_ns - p->shown_ns >= SHOW_EVERY)) {
            show_held_locked(e, p, now_ns);
            taken = take_waiters_locked(e, job, NULL);
            begin_calls_locked(e, taken);
        }
    }
    wake_unlock(&e->wake);
    call_taken(e, taken, EVENTS_NEWS);
}

/* ---- following ---- */

uint64_t events_newest(struct events *e)
{
    wake_lock(&e->wake);
    uint64_t newest = e->newest;
    wake_unlock(&e->wake);
    return newest;
}

bool events_resumes(struct events *e, const struct job_row *row, uint64_t after)
{
    struct event_waiter *taken = NULL;
    wake_lock(&e->wake);
    bool resumes = after >= e->lost && after <= e->newest;
    if (resumes && is_over(row)) {
        /* The end is in the store before it is published, and a client may ask in between. */
        int last = find_state_locked(e, row->id, 0, true);
        if (!e->wake.stopping && last >= 0 && !is_told_locked(e, row, last)) {
            add_state_locked(e, row->id, row);
            taken = take_waiters_locked(e, row->id, NULL);
            begin_calls_locked(e, taken);
        }
        /* A follower would wait forever for an end that is not in the ring. */
        last = find_state_locked(e, row->id, after, true);
        resumes = last >= 0 && is_over(&e->rows[last]);
    }
    wake_unlock(&e->wake);
    call_taken(e, taken, EVENTS_NEWS);
    return resumes;
}

static enum events_answer find_next_locked(struct events *e, int64_t job, uint64_t *after,
                                           struct event *out)
{
    if (e->wake.stopping) {
        return EVENTS_CLOSED;
    }
    if (*after < e->lost) {
        return EVENTS_LOST;
    }
    int state = find_state_locked(e, job, *after, false);
    const struct place *p = find_place_locked(e, job);
    if (p != NULL && p->number > *after && (state < 0 || p->number < e->marks[state].number)) {
        *out = (struct event){.number = p->number,
                              .kind = EVENT_PROGRESS,
                              .progress = p->shown,
                              .eta_s = p->shown_eta_s};
    } else if (state >= 0) {
        *out = (struct event){
            .number = e->marks[state].number, .kind = EVENT_STATE, .row = e->rows[state]};
    } else {
        *after = e->newest;
        return EVENTS_NONE;
    }
    *after = out->number;
    return EVENTS_ONE;
}

enum events_answer events_next(struct events *e, int64_t job, uint64_t *after, struct event *out)
{
    wake_lock(&e->wake);
    enum events_answer answer = find_next_locked(e, job, after, out);
    wake_unlock(&e->wake);
    return answer;
}

bool events_wait(struct events *e, struct event_waiter *w)
{
    wake_lock(&e->wake);
    bool waits = !has_news_locked(e, w->job, w->after);
    if (waits) {
        if (e->waiters == NULL) {
            e->look_ns = clock_ns() + LOOK_EVERY;
            wake_notify_locked(&e->wake);
        }
        w->next = e->waiters;
        e->waiters = w;
    }
    wake_unlock(&e->wake);
    return waits;
}

/* ---- the thread ---- */

/* Calls waiters whose client has gone or has heard nothing for long, and keeps the others. */
static void check_on_waiters(struct events *e, struct event_waiter *taken, int64_t now_ns)
{
    bool calls = taken != NULL;
    while (taken != NULL) {
        struct event_waiter *w = taken;
        taken = w->next;
        w->next = NULL;
        if (w->gone != NULL && w->gone(w->ctx)) {
            call_waiters(w, EVENTS_GONE);
        } else if (now_ns >= w->silent_ns) {
            call_waiters(w, EVENTS_SILENCE);
        } else if (!events_wait(e, w)) {
            w->next = NULL;
            call_waiters(w, EVENTS_NEWS);
        }
    }
    if (calls) {
        end_calls(e);
    }
}

void events_tick(struct events *e, int64_t now_ns)
{
    struct event_waiter *hear = NULL;
    struct event_waiter *look = NULL;
    wake_lock(&e->wake);
    for (int i = 0; i < N_PLACES && !e->wake.stopping; i++) {
        struct place *p = &e->places[i];
        if (p->holds && now_ns - p->shown_ns >= SHOW_EVERY) {
            show_held_locked(e, p, now_ns);
            hear = take_waiters_locked(e, p->job, hear);
        }
    }
    if (!e->wake.stopping && now_ns >= e->look_ns) {
        look = take_waiters_locked(e, 0, NULL);
        e->look_ns = now_ns + LOOK_EVERY;
    }
    begin_calls_locked(e, hear);
    begin_calls_locked(e, look);
    wake_unlock(&e->wake);
    call_taken(e, hear, EVENTS_NEWS);
    check_on_waiters(e, look, now_ns);
}

void events_look(struct events *e)
{
    wake_lock(&e->wake);
    e->look_ns = 0;
    wake_notify_locked(&e->wake);
    wake_unlock(&e->wake);
}

/* When the thread has something to do next. */
static int64_t due_locked(const struct events *e)
{
    int64_t due_ns = e->waiters != NULL ? e->look_ns : WAKE_NEVER;
    for (int i = 0; i < N_PLACES; i++) {
        const struct place *p = &e->places[i];
        if (p->holds && p->shown_ns + SHOW_EVERY < due_ns) {
            due_ns = p->shown_ns + SHOW_EVERY;
        }
    }
    return due_ns;
}

/* False: events are closed. */
static bool sleep_until_due(struct events *e)
{
    wake_lock(&e->wake);
    bool go_on = !e->wake.stopping;
    for (int64_t due_ns = due_locked(e); go_on && clock_ns() < due_ns; due_ns = due_locked(e)) {
        go_on = wake_wait_locked(&e->wake, due_ns);
    }
    wake_unlock(&e->wake);
    return go_on;
}

static void *watch_events(void *arg)
{
    struct events *e = arg;
    while (sleep_until_due(e)) {
        events_tick(e, clock_ns());
    }
    return NULL;
}

enum err_code events_start(const struct events_settings *settings, struct events **out,
                           struct err *err)
{
    struct events *e = mem_zalloc(sizeof *e);
    if (e == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the events of jobs");
    }
    e->settings = *settings;
    e->newest = e->lost = (uint64_t)db_now_ms() * PER_MS;
    wake_init(&e->wake);
    pthread_cond_init(&e->called, NULL);
    if (threads_start(&e->thread, "events", watch_events, e, err) != ERR_OK) {
        events_free(e);
        return err->code;
    }
    e->has_thread = true;
    *out = e;
    return ERR_OK;
}

void events_close(struct events *e)
{
    if (e == NULL) {
        return;
    }
    wake_stop(&e->wake);
    if (e->has_thread) {
        /* The thread may hold waiters that it has taken out; it calls them before it ends. */
        pthread_join(e->thread, NULL);
        e->has_thread = false;
    }
    wake_lock(&e->wake);
    struct event_waiter *taken = take_waiters_locked(e, 0, NULL);
    wake_unlock(&e->wake);
    call_waiters(taken, EVENTS_NEWS);
    /* Publishers and requests may be calling others; whoever was called may be freed after this. */
    wake_lock(&e->wake);
    while (e->n_calling > 0) {
        pthread_cond_wait(&e->called, &e->wake.lock);
    }
    wake_unlock(&e->wake);
}

void events_free(struct events *e)
{
    if (e != NULL) {
        events_close(e);
        pthread_cond_destroy(&e->called);
        wake_release(&e->wake);
        mem_free(e);
    }
}
