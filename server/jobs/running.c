/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The estimate of the time left counts from where this attempt began: what checkpoints brought back
 * cost nothing.
 */
#include "running.h"

#include <string.h>

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

void running_init(struct running *running)
{
    memset(running, 0, sizeof *running);
    pthread_mutex_init(&running->lock, NULL);
    atomic_init(&running->cancel.stop, false);
}

void running_release(struct running *running)
{
    pthread_mutex_destroy(&running->lock);
}

void running_begin(struct running *running, int64_t job, int64_t most_s, struct bytes_reader *left)
{
    pthread_mutex_lock(&running->lock);
    running->job = job;
    running->has_progress = false;
    running->most_s = most_s;
    running->timed_out = false;
    memset(&running->curves, 0, sizeof running->curves);
    if (left != NULL) {
        curves_decode(&running->curves, left);
    }
    clock_gettime(CLOCK_MONOTONIC, &running->start);
    if (!running->closed) {
        atomic_store_explicit(&running->cancel.stop, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&running->lock);
}

void running_end(struct running *running)
{
    pthread_mutex_lock(&running->lock);
    running->job = 0;
    running->has_progress = false;
    pthread_mutex_unlock(&running->lock);
}

static double eta_locked(const struct running *running)
{
    double done = running->last.fraction - running->first_fraction;
    double elapsed = seconds_since(&running->start);
    return done > 0.0 ? elapsed * (1.0 - running->last.fraction) / done : -1.0;
}

void running_note(struct running *running, const struct progress *progress, int64_t *job,
                  double *eta_s)
{
    pthread_mutex_lock(&running->lock);
    if (!running->has_progress) {
        running->first_fraction = progress->step > 1 ? progress->fraction : 0.0;
        running->has_progress = true;
    }
    running->last = *progress;
    curves_add(&running->curves, progress);
    *job = running->job;
    *eta_s = eta_locked(running);
    pthread_mutex_unlock(&running->lock);
}

void running_write_curves(struct running *running, struct bytes_writer *writer)
{
    pthread_mutex_lock(&running->lock);
    curves_encode(&running->curves, writer);
    pthread_mutex_unlock(&running->lock);
}

void running_cancel(struct running *running, int64_t job)
{
    pthread_mutex_lock(&running->lock);
    if (running->job == job) {
        cancel_request(&running->cancel);
    }
    pthread_mutex_unlock(&running->lock);
}

void running_close(struct running *running)
{
    pthread_mutex_lock(&running->lock);
    running->closed = true;
    cancel_request(&running->cancel);
    pthread_mutex_unlock(&running->lock);
}

void running_check_time(struct running *running)
{
    pthread_mutex_lock(&running->lock);
    if (running->job != 0 && running->most_s > 0 && !running->timed_out &&
        seconds_since(&running->start) > (double)running->most_s) {
        running->timed_out = true;
        cancel_request(&running->cancel);
    }
    pthread_mutex_unlock(&running->lock);
}

bool running_timed_out(struct running *running)
{
    pthread_mutex_lock(&running->lock);
    bool timed_out = running->timed_out;
    pthread_mutex_unlock(&running->lock);
    return timed_out;
}

double running_seconds(struct running *running)
{
    pthread_mutex_lock(&running->lock);
    double seconds = seconds_since(&running->start);
    pthread_mutex_unlock(&running->lock);
    return seconds;
}

bool running_get_progress(struct running *running, int64_t job, struct progress *out, double *eta_s)
{
    pthread_mutex_lock(&running->lock);
    bool found = running->job == job && running->has_progress;
    if (found) {
        *out = running->last;
        *eta_s = eta_locked(running);
    }
    pthread_mutex_unlock(&running->lock);
    return found;
}

bool running_get_curves(struct running *running, int64_t job, struct curves *out)
{
    pthread_mutex_lock(&running->lock);
    bool found = running->job == job;
    if (found) {
        *out = running->curves;
    }
    pthread_mutex_unlock(&running->lock);
    return found;
}
