/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small work of requests that have come to one HTTP thread at the same time is gathered while the
 * library reads them, and run together at the end of its turn. Nothing waits for more to come, and
 * requests that come alone are not gathered: the thread expects several only after a turn with
 * several, and until a few have come alone.
 *
 * A gathered request is not suspended, which would cost calls of the system. The library calls
 * again for the answer of any request that has neither an answer nor been suspended (microhttpd.h
 * says so of MHD_AccessHandlerCallback), without waiting: that is its next turn, when the answer is
 * there.
 *
 * All of this belongs to the thread that serves the connections, so there is no lock.
 */
#include "http/place.h"
#include "http/serve_priv.h"
#include "http/worker.h"

/* Turns with one request, after one with several, until no more are expected. */
#define LONE_TURNS 4

bool gather_add(struct exchange *ex, void *item)
{
    struct gathered *gathered = &ex->thread->gathered;
    gathered->n_seen++;
    if (ex->serve->settings.run_gathered == NULL || gathered->expects == 0 ||
        gathered->n == EXCHANGE_MAX_GATHERED) {
        return false;
    }
    ex->item = item;
    gathered->waiting[gathered->n++] = ex;
    return true;
}

void gather_drop(struct exchange *ex)
{
    struct gathered *gathered = &ex->thread->gathered;
    int at = 0;
    if (ex->item == NULL) {
        return;
    }
    while (gathered->waiting[at] != ex) {
        at++;
    }
    for (gathered->n--; at < gathered->n; at++) {
        gathered->waiting[at] = gathered->waiting[at + 1];
    }
    ex->item = NULL;
}

void serve_end_turn(void *ctx)
{
    struct serve_thread *thread = ctx;
    struct gathered *gathered = &thread->gathered;
    const struct daemon_settings *settings = &thread->serve->settings;
    void *items[EXCHANGE_MAX_GATHERED];
    int n = gathered->n;
    for (int i = 0; i < n; i++) {
        items[i] = gathered->waiting[i]->item;
        gathered->waiting[i]->item = NULL;
    }
    if (gathered->n_seen > 1) {
        gathered->expects = LONE_TURNS;
    } else if (gathered->n_seen == 1 && gathered->expects > 0) {
        gathered->expects--;
    }
    gathered->n_seen = 0;
    gathered->n = 0;
    if (n > 0) {
        settings->run_gathered(settings->ctx, items, n);
        worker_note_end(thread->worker); /* the next turn is not for nothing */
    }
    place_send_all_held(thread);
}
