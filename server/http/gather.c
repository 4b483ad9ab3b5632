/* SPDX-License-Identifier: Apache-2.0 */
#include "http/gather.h"

#include "http/place.h"
#include "http/serve_priv.h"
#include "http/worker.h"

/* Turns with one request, after one with several, until no more are expected. */
#define LONE_TURNS 4

bool gather_add(struct exchange *ex, void *item)
{
    struct gathered *gathered = &ex->thread->gathered;
    gathered->n_seen++;
    if (ex->serve->settings.run_gathered == NULL || gathered->expects == 0 || gathered->n == GATHER_MAX) {
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

void gather_end_turn(void *ctx)
{
    struct serve_thread *thread = ctx;
    struct gathered *gathered = &thread->gathered;
    const struct daemon_settings *settings = &thread->serve->settings;
    void *items[GATHER_MAX];
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
