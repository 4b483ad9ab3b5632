/* SPDX-License-Identifier: Apache-2.0 */
/* Requests come and go by the thousand: their memory is kept for the next ones. */
#include "http/serve_priv.h"

#include "base/mem.h"

/* Between two calls of serve_give_back: then making memory anew costs nothing. */
#define FEW_REQUESTS 50
/* All that a thread gathers are under way at the same time. */
#define SPARES_PER_THREAD (EXCHANGE_MAX_GATHERED + 2)

struct exchange *exchange_get(struct serve *serve)
{
    pthread_mutex_lock(&serve->lock);
    struct exchange *ex = serve->spare;
    if (ex != NULL) {
        serve->spare = ex->next;
        serve->n_spare--;
        serve->min_spare = serve->n_spare < serve->min_spare ? serve->n_spare : serve->min_spare;
    }
    serve->n_requests++;
    pthread_mutex_unlock(&serve->lock);
    return ex != NULL ? ex : mem_zalloc(sizeof *ex);
}

void exchange_free(struct exchange *ex)
{
    arena_release(&ex->arena);
    body_free_spare(&ex->body);
    mem_free(ex);
}

/* The last ones of the list are those that were not needed; of few requests none needs any. */
void serve_give_back(struct serve *serve)
{
    pthread_mutex_lock(&serve->lock);
    struct exchange **end = &serve->spare;
    int kept = serve->n_requests < FEW_REQUESTS ? 0 : serve->n_spare - serve->min_spare;
    for (int i = 0; i < kept; i++) {
        end = &(*end)->next;
    }
    struct exchange *unused = *end;
    *end = NULL;
    serve->n_spare = serve->min_spare = kept;
    serve->n_requests = 0;
    pthread_mutex_unlock(&serve->lock);
    while (unused != NULL) {
        struct exchange *next = unused->next;
        exchange_free(unused);
        unused = next;
    }
}

void exchange_put(struct exchange *ex)
{
    struct serve *serve = ex->serve;
    body_end(&ex->body, &serve->room);
    struct exchange clean = {.arena = ex->arena, .body = {.spare = ex->body.spare}};
    arena_clear(&clean.arena);
    *ex = clean;
    pthread_mutex_lock(&serve->lock);
    bool keep = serve->n_spare < serve->settings.n_threads * SPARES_PER_THREAD;
    if (keep) {
        ex->next = serve->spare;
        serve->spare = ex;
        serve->n_spare++;
    }
    pthread_mutex_unlock(&serve->lock);
    if (!keep) {
        exchange_free(ex);
    }
}
