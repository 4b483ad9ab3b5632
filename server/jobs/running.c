/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time left is estimated from the work of this attempt alone: what its checkpoints restored
 * took no time.
 */
#include "jobs/running.h"

#include "base/clock.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

static double seconds_since(int64_t start_ns)
{
    return 1e-9 * (double)(clock_ns() - start_ns);
}

/* ---- the time limit ---- */

static void *watch_deadline(void *arg)
{
    struct running *running = arg;
    bool go_on = true;
    wake_lock(&running->wake);
    while (go_on) {
        if (running->deadline_ns == 0) {
            go_on = wake_wait_locked(&running->wake, WAKE_NEVER);
        } else if (clock_ns() < running->deadline_ns) {
            go_on = wake_wait_locked(&running->wake, running->deadline_ns);
        } else {
            running->deadline_ns = 0;
            running->timed_out = true;
            cancel_request(&running->cancel);
        }
    }
    wake_unlock(&running->wake);
    return NULL;
}

enum err_code running_init(struct running *running, struct err *err)
{
    memset(running, 0, sizeof *running);
    wake_init(&running->wake);
    atomic_init(&running->cancel.stop, false);
    if (threads_start(&running->thread, "limits", watch_deadline, running, err) != ERR_OK) {
        wake_release(&running->wake);
    }
    return err->code;
}

void running_release(struct running *running)
{
    wake_stop(&running->wake);
    pthread_join(running->thread, NULL);
    wake_release(&running->wake);
}

/* ---- the job ---- */

void running_begin(struct running *running, int64_t job, int64_t max_s, struct bytes_reader *left)
{
    wake_lock(&running->wake);
    running->job = job;
    running->has_progress = false;
    running->first_fraction = 0.0;
    memset(running->heard, 0, sizeof running->heard);
    running->resumes = left != NULL;
    running->timed_out = false;
    running->table.n = 0;
    memset(&running->curves, 0, sizeof running->curves);
    if (left != NULL) {
        curves_decode(&running->curves, left);
    }
    running->start_ns = clock_ns();
    running->deadline_ns = max_s > 0 ? running->start_ns + max_s * CLOCK_S : 0;
    wake_notify_locked(&running->wake);
    if (!running->closed) {
        atomic_store_explicit(&running->cancel.stop, false, memory_order_relaxed);
    }
    wake_unlock(&running->wake);
}

void running_end(struct running *running)
{
    wake_lock(&running->wake);
    running->job = 0;
    running->deadline_ns = 0;
    running->has_progress = false;
    wake_unlock(&running->wake);
}

static bool is_first_of_member(struct running *running, int member)
{
    if (member < 0 || member >= RUNNING_MEMBERS) {
        return false;
    }
    unsigned char bit = (unsigned char)(1U << (member % 8));
    bool first = (running->heard[member / 8] & bit) == 0;
    running->heard[member / 8] |= bit;
    return first;
}

/*
 * Adds up what checkpoints restored to a resumed attempt. The first report of all counts the
 * members that had ended and the one that reports; the first report of each further member counts
 * the steps that this member had done.
 */
static void count_before_locked(struct running *running, const struct progress *p)
{
    double step = 1.0 / ((double)p->n_steps * (double)p->n_members);
    bool first = is_first_of_member(running, p->member);
    if (!running->resumes) {
        return;
    }
    if (!running->has_progress) {
        running->first_fraction = p->fraction - step;
    } else if (first) {
        running->first_fraction += (p->step - 1) * step;
    }
    running->first_fraction = fmax(fmin(running->first_fraction, p->fraction - step), 0.0);
}

static double eta_locked(const struct running *running)
{
    double done = running->last.fraction - running->first_fraction;
    double elapsed = seconds_since(running->start_ns);
    return done > 0.0 ? elapsed * (1.0 - running->last.fraction) / done : -1.0;
}

void running_note(struct running *running, const struct progress *progress, int64_t *job,
                  double *eta_s)
{
    wake_lock(&running->wake);
    count_before_locked(running, progress);
    running->has_progress = true;
    running->last = *progress;
    curves_add(&running->curves, progress);
    *job = running->job;
    *eta_s = eta_locked(running);
    wake_unlock(&running->wake);
}

void running_note_table(struct running *running, const struct auto_table *table)
{
    wake_lock(&running->wake);
    choice_table_take(&running->table, table);
    memset(&running->curves, 0, sizeof running->curves);
    wake_unlock(&running->wake);
}

void running_write_curves(struct running *running, struct bytes_writer *writer)
{
    wake_lock(&running->wake);
    curves_encode(&running->curves, writer);
    wake_unlock(&running->wake);
}

void running_cancel(struct running *running, int64_t job)
{
    wake_lock(&running->wake);
    if (running->job == job) {
        cancel_request(&running->cancel);
    }
    wake_unlock(&running->wake);
}

void running_close(struct running *running)
{
    wake_lock(&running->wake);
    running->closed = true;
    cancel_request(&running->cancel);
    wake_unlock(&running->wake);
}

bool running_timed_out(struct running *running)
{
    wake_lock(&running->wake);
    bool timed_out = running->timed_out;
    wake_unlock(&running->wake);
    return timed_out;
}

int64_t running_job(struct running *running)
{
    wake_lock(&running->wake);
    int64_t job = running->job;
    wake_unlock(&running->wake);
    return job;
}

double running_seconds(struct running *running)
{
    wake_lock(&running->wake);
    double seconds = seconds_since(running->start_ns);
    wake_unlock(&running->wake);
    return seconds;
}

bool running_get_progress(struct running *running, int64_t job, struct progress *out, double *eta_s)
{
    wake_lock(&running->wake);
    bool found = running->job == job && running->has_progress;
    if (found) {
        *out = running->last;
        *eta_s = eta_locked(running);
    }
    wake_unlock(&running->wake);
    return found;
}

bool running_get_curves(struct running *running, int64_t job, struct curves *out)
{
    wake_lock(&running->wake);
    bool found = running->job == job;
    if (found) {
        *out = running->curves;
    }
    wake_unlock(&running->wake);
    return found;
}

bool running_get_table(struct running *running, int64_t job, struct choice_table *out)
{
    wake_lock(&running->wake);
    bool found = running->job == job && running->table.n > 0;
    if (found) {
        *out = running->table;
    }
    wake_unlock(&running->wake);
    return found;
}
