/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, awake every second. It looks at the policies when rows have come, when one of them is
 * due, and at least every LOOK_MS. It waits by a clock that never jumps, while a schedule goes by
 * the time of day: when that clock is set, this is noticed within LOOK_MS. The lock guards the
 * notice and the status of the models; nothing is computed and no SQL runs while it is held.
 */
#include "jobs/keeper.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"
#include "documents/policy_json.h"
#include "jobs/drift.h"
#include "jobs/train_request.h"
#include "store/jobs/job_store.h"
#include "store/jobs/policy_store.h"
#include "store/sqlite/db_tidy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS     60000 /* the longest time between two looks */
#define BUSY_MS     1000  /* between looks at a model whose job runs */
#define TIDY_PAGES  25600 /* given back at one look: at most 100 MB */
#define MIN_WATCHES 16    /* that there is memory for */
#define PAUSE_MS    60000 /* after something went wrong with a policy */

struct watch {
    char model[NAME_MAX_CHARS + 1];
    bool seen; /* its policy was there at the present look */
    struct policy_memory memory;
    int64_t changed_ms;          /* of the policy at the last look */
    int64_t paused_until_ns;     /* after something went wrong with it, by clock_ns */
    struct keeper_status status; /* guarded by lock */
};

struct keeper {
    struct keeper_settings settings;
    pthread_t thread;
    struct cancel cancel;  /* stops a measurement */
    struct wake wake;      /* for the stop */
    bool notified;         /* guarded by lock: rows came, or a policy changed */
    struct watch *watches; /* changed by the thread alone, under the lock */
    size_t n_watches;
    size_t capacity;
    int64_t next_ns; /* of the next look, by clock_ns */
    int64_t tidy_ns; /* of the next look at free space */
};

/* ---- what is remembered ---- */

static struct watch *find_watch(struct keeper *keeper, const char *model)
{
    for (size_t i = 0; i < keeper->n_watches; i++) {
        if (strcmp(keeper->watches[i].model, model) == 0) {
            return &keeper->watches[i];
        }
    }
    return NULL;
}

/* NULL: no memory. */
static struct watch *find_or_add_watch(struct keeper *keeper, const char *model)
{
    struct watch *watch = find_watch(keeper, model);
    if (watch != NULL) {
        return watch;
    }
    wake_lock(&keeper->wake);
    if (keeper->n_watches == keeper->capacity) {
        size_t capacity = keeper->capacity == 0 ? MIN_WATCHES : 2 * keeper->capacity;
        struct watch *grown = mem_realloc_array(keeper->watches, capacity, sizeof *grown);
        if (grown != NULL) {
            keeper->watches = grown;
            keeper->capacity = capacity;
        }
    }
    if (keeper->n_watches < keeper->capacity) {
        watch = &keeper->watches[keeper->n_watches++];
        *watch = (struct watch){.status = {.drift_score = NAN, .drift_baseline = NAN}};
        snprintf(watch->model, sizeof watch->model, "%s", model);
    }
    wake_unlock(&keeper->wake);
    return watch;
}

/* Drops models that have no policy any more, and their memory when most of it is free. */
static void forget_unseen(struct keeper *keeper)
{
    size_t n = 0;
    wake_lock(&keeper->wake);
    for (size_t i = 0; i < keeper->n_watches; i++) {
        if (keeper->watches[i].seen) {
            keeper->watches[n] = keeper->watches[i];
            keeper->watches[n++].seen = false;
        }
    }
    keeper->n_watches = n;
    while (keeper->capacity > MIN_WATCHES && keeper->capacity / 4 > n) {
        struct watch *smaller =
            mem_realloc_array(keeper->watches, keeper->capacity / 2, sizeof *smaller);
        if (smaller == NULL) {
            break;
        }
        keeper->watches = smaller;
        keeper->capacity /= 2;
    }
    wake_unlock(&keeper->wake);
}

static void note_status(struct keeper *keeper, struct watch *watch, const char *waiting,
                        int64_t job)
{
    wake_lock(&keeper->wake);
    watch->status.looked_ms = db_now_ms();
    watch->status.changed_ms = watch->changed_ms;
    snprintf(watch->status.waiting, sizeof watch->status.waiting, "%s", waiting);
    watch->status.job = job > 0 ? job : watch->status.job;
    wake_unlock(&keeper->wake);
}

/* The policy was changed: what is remembered belongs to the old one. */
static void reset_watch(struct keeper *keeper, struct watch *watch, int64_t changed_ms)
{
    watch->memory = (struct policy_memory){.held_since_ms = 0};
    watch->changed_ms = changed_ms;
    watch->paused_until_ns = 0;
    wake_lock(&keeper->wake);
    watch->status.drift_score = NAN;
    watch->status.drift_baseline = NAN;
    wake_unlock(&keeper->wake);
}

bool keeper_get_status(struct keeper *keeper, const char *model, struct keeper_status *out)
{
    wake_lock(&keeper->wake);
    const struct watch *watch = find_watch(keeper, model);
    if (watch != NULL) {
        *out = watch->status;
    }
    wake_unlock(&keeper->wake);
    return watch != NULL;
}

/* ---- one model ---- */

static enum err_code measure_drift(struct keeper *keeper, struct watch *watch,
                                   const struct policy_spec *policy,
                                   const struct policy_facts *facts, struct err *err)
{
    const struct keeper_settings *s = &keeper->settings;
    const struct drift_request request = {.models = s->models,
                                          .db = s->db,
                                          .model = watch->model,
                                          .after = facts->known_to,
                                          .n_rows = policy->drift_rows,
                                          .n_fresh = facts->n_fresh,
                                          .n_threads = s->n_threads,
                                          .cancel = &keeper->cancel};
    struct drift drift;
    if (drift_measure(&request, &drift, err) != ERR_OK) {
        return err->code;
    }
    watch->memory.judged_batch = facts->last_batch;
    watch->memory.judged_version = facts->default_version;
    watch->memory.undecided = drift.n == 0;
    /* A version that cannot predict fresh rows (NaN) has drifted as well. */
    watch->memory.drifted =
        drift.n > 0 && !(drift.score <= drift.baseline * (1.0 + policy->drift_increase));
    wake_lock(&keeper->wake);
    watch->status.drift_score = drift.score;
    watch->status.drift_baseline = drift.baseline;
    wake_unlock(&keeper->wake);
    return ERR_OK;
}

static enum err_code start_job(struct keeper *keeper, struct watch *watch,
                               const struct policy_spec *policy, const char *reason,
                               struct err *err)
{
    const struct keeper_settings *s = &keeper->settings;
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct job_new job = {.model = watch->model, .origin = reason, .policy_ms = watch->changed_ms};
    /* A warm start that is not possible becomes a cold one: there is no client to refuse it to. */
    const struct train_request request = {.db = s->db,
                                          .models = s->models,
                                          .model = watch->model,
                                          .spec = policy->request != NULL ? &policy->job : NULL,
                                          .cold_if_needed = true,
                                          .n_threads = s->train_threads,
                                          .max_bytes = s->max_train_bytes,
                                          .launch = s->launch};
    int64_t id = 0;
    if (train_request_write(&request, &text, &job, err) == ERR_OK) {
        job.request = text.data;
        job.n_request = text.len;
        if (job_store_add(s->db, &job, &id, err) == ERR_OK) {
            log_info(s->log, "job by policy", "job", LOG_INT(id), "model", watch->model, "reason",
                     reason, NULL);
            note_status(keeper, watch, "a job of the model is queued or running", id);
            events_publish_state(s->events, id);
            trainer_notify(s->trainer);
        } else if (err->code == ERR_CONFLICT) {
            err_clear(err); /* another job was added meanwhile: the next look sees it */
        }
    }
    arena_release(&arena);
    return err->code;
}

/* Reads the present facts and decides by the policy. */
static enum err_code apply_policy(struct keeper *keeper, struct watch *watch,
                                  const struct policy_spec *policy, struct policy_facts *facts,
                                  struct policy_decision *out, struct err *err)
{
    if (policy_store_facts(keeper->settings.db, watch->model, facts, err) == ERR_OK) {
        *out = policy_decide(policy, facts, watch->changed_ms, db_now_ms(), &watch->memory);
    }
    return err->code;
}

/* *delay_ms: until the next look at the latest. */
static enum err_code follow_policy(struct keeper *keeper, struct watch *watch,
                                   const struct policy_spec *policy, int64_t *delay_ms,
                                   struct err *err)
{
    struct policy_facts facts;
    struct policy_decision decision = {.act = POLICY_WAIT};
    if (apply_policy(keeper, watch, policy, &facts, &decision, err) != ERR_OK) {
        return err->code;
    }
    /* Rows, jobs and versions may change during a measurement: the decision is made again. */
    if (decision.act == POLICY_MEASURE &&
        (measure_drift(keeper, watch, policy, &facts, err) != ERR_OK ||
         apply_policy(keeper, watch, policy, &facts, &decision, err) != ERR_OK)) {
        return err->code;
    }
    if (decision.act == POLICY_TRAIN) {
        *delay_ms = BUSY_MS;
        return start_job(keeper, watch, policy, decision.reason, err);
    }
    if (decision.act == POLICY_MEASURE) {
        *delay_ms = 0; /* what was measured has changed meanwhile: measure again */
        return ERR_OK;
    }
    *delay_ms = decision.next_ms > 0 ? decision.next_ms - db_now_ms() : LOOK_MS;
    note_status(keeper, watch, decision.reason, 0);
    return ERR_OK;
}

static enum err_code look_at_model(struct keeper *keeper, struct watch *watch, int64_t *delay_ms,
                                   struct err *err)
{
    struct policy_spec policy = policy_spec_defaults();
    char *document = NULL;
    int64_t changed_ms = 0;
    if (policy_store_get(keeper->settings.db, watch->model, &document, &changed_ms, err) !=
        ERR_OK) {
        return err->code;
    }
    if (changed_ms != watch->changed_ms) {
        reset_watch(keeper, watch, changed_ms);
    }
    int64_t paused_ms = (watch->paused_until_ns - clock_ns()) / CLOCK_MS;
    if (paused_ms > 0) {
        *delay_ms = paused_ms;
    } else if (policy_json_parse(document, strlen(document), &policy, err) == ERR_OK) {
        err_kept(follow_policy(keeper, watch, &policy, delay_ms, err));
    }
    policy_spec_release(&policy);
    mem_free(document);
    return err->code;
}

/* ---- all of them ---- */

static void give_space_back(struct keeper *keeper)
{
    struct err err = ERR_INIT;
    int n_pages = 0;
    if (db_tidy(keeper->settings.db, TIDY_PAGES, &n_pages, &err) != ERR_OK) {
        log_warn(keeper->settings.log, "free space not given back", "reason", err_msg(&err), NULL);
    } else if (n_pages > 0) {
        log_info(keeper->settings.log, "free space given back", "pages", LOG_INT(n_pages), NULL);
    }
}

/* At the latest after LOOK_MS, for the clock may be set while a time of day is still far away. */
static void schedule_look(struct keeper *keeper, int64_t delay_ms)
{
    int64_t at =
        clock_ns() + (delay_ms > 0 ? delay_ms < LOOK_MS ? delay_ms : LOOK_MS : 0) * CLOCK_MS;
    keeper->next_ns = at < keeper->next_ns ? at : keeper->next_ns;
}

static void look_at_models(struct keeper *keeper)
{
    struct policy_name *names = NULL;
    size_t n = 0;
    struct err listing = ERR_INIT;
    int64_t now = clock_ns();
    keeper->next_ns = now + LOOK_MS * CLOCK_MS;
    if (now >= keeper->tidy_ns) {
        keeper->tidy_ns = now + LOOK_MS * CLOCK_MS;
        give_space_back(keeper);
    }
    if (policy_store_list(keeper->settings.db, &names, &n, &listing) != ERR_OK) {
        log_warn(keeper->settings.log, "policies not looked at", "reason", err_msg(&listing), NULL);
        return;
    }
    for (size_t i = 0; i < n && !cancel_is_requested(&keeper->cancel); i++) {
        struct watch *watch = find_or_add_watch(keeper, names[i].model);
        struct err err = ERR_INIT;
        int64_t delay_ms = LOOK_MS;
        if (watch == NULL) {
            continue;
        }
        watch->seen = true;
        if (look_at_model(keeper, watch, &delay_ms, &err) != ERR_OK && err.code != ERR_NOT_FOUND &&
            err.code != ERR_CANCELLED) {
            log_warn(keeper->settings.log, "policy not followed", "model", watch->model, "reason",
                     err_msg(&err), NULL);
            note_status(keeper, watch, err_msg(&err), 0);
            watch->paused_until_ns = clock_ns() + PAUSE_MS * CLOCK_MS;
            delay_ms = PAUSE_MS;
        }
        schedule_look(keeper, delay_ms);
    }
    forget_unseen(keeper);
    mem_free(names);
}

/* False: the keeper stops. A notice does not end the sleep: there may be hundreds of uploads in a
 * second, and policies can wait that long. */
static bool sleep_a_second(struct keeper *keeper, bool *notified)
{
    wake_lock(&keeper->wake);
    bool go_on = wake_wait_locked(&keeper->wake, clock_ns() + 1000 * CLOCK_MS);
    *notified = keeper->notified;
    keeper->notified = false;
    wake_unlock(&keeper->wake);
    return go_on;
}

static void *keep_models(void *arg)
{
    struct keeper *keeper = arg;
    bool notified = true;
    do {
        if (notified || clock_ns() >= keeper->next_ns) {
            look_at_models(keeper);
        }
    } while (sleep_a_second(keeper, &notified));
    return NULL;
}

enum err_code keeper_start(const struct keeper_settings *settings, struct keeper **out,
                           struct err *err)
{
    struct keeper *keeper = mem_zalloc(sizeof *keeper);
    if (keeper == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the keeper");
    }
    keeper->settings = *settings;
    atomic_init(&keeper->cancel.stop, false);
    wake_init(&keeper->wake);
    if (threads_start(&keeper->thread, "keeper", keep_models, keeper, err) != ERR_OK) {
        wake_release(&keeper->wake);
        mem_free(keeper);
        return err->code;
    }
    *out = keeper;
    return ERR_OK;
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    cancel_request(&keeper->cancel);
    wake_stop(&keeper->wake);
    pthread_join(keeper->thread, NULL);
    wake_release(&keeper->wake);
    mem_free(keeper->watches);
    mem_free(keeper);
}

void keeper_notify(struct keeper *keeper)
{
    wake_lock(&keeper->wake);
    keeper->notified = true;
    wake_unlock(&keeper->wake);
}
