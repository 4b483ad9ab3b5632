/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_checkpoint.h"

#include "base/mem.h"

static bool due(void *ctx, int task)
{
    struct memory_checkpoint *self = ctx;
    pthread_mutex_lock(&self->lock);
    bool yes = self->every > 0 && ++self->n_asked % self->every == 0;
    pthread_mutex_unlock(&self->lock);
    (void)task;
    return yes;
}

/* The task's state; NULL when there is none. */
static struct memory_state *find_state(const struct memory_checkpoint *self, int task)
{
    for (int i = 0; i < self->n_states; i++) {
        if (self->states[i].task == task) {
            return &self->states[i];
        }
    }
    return NULL;
}

static enum err_code store_state(struct memory_checkpoint *self, int task, const void *bytes,
                                 size_t n_bytes, struct err *err)
{
    struct memory_state *state = find_state(self, task);
    void *copy = mem_dup(bytes, n_bytes);
    if (copy != NULL && state == NULL) {
        struct memory_state *more =
            mem_realloc_array(self->states, (size_t)self->n_states + 1, sizeof *more);
        if (more != NULL) {
            self->states = more;
            state = &more[self->n_states++];
            *state = (struct memory_state){.task = task};
        }
    }
    if (copy == NULL || state == NULL) {
        mem_free(copy);
        return err_set(err, ERR_NOMEM, "no memory to keep a checkpoint");
    }
    mem_free(state->bytes);
    state->bytes = copy;
    state->n_bytes = n_bytes;
    return ERR_OK;
}

static enum err_code save(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err)
{
    struct memory_checkpoint *self = ctx;
    enum err_code code = ERR_OK;
    pthread_mutex_lock(&self->lock);
    self->n_saves++;
    bool dead = self->die_after > 0 && self->n_saves > self->die_after;
    bool dies = self->die_after > 0 && self->n_saves == self->die_after;
    if (!dead) {
        code = store_state(self, task, bytes, n_bytes, err);
    }
    if (code == ERR_OK && (dead || dies)) {
        code = err_set(err, ERR_CANCELLED, "died at save %d", self->n_saves);
        if (self->cancel != NULL) {
            cancel_request(self->cancel);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

static enum err_code load(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    struct memory_checkpoint *self = ctx;
    enum err_code code = ERR_NOT_FOUND;
    pthread_mutex_lock(&self->lock);
    const struct memory_state *state = find_state(self, task);
    if (state != NULL) {
        *bytes = mem_dup(state->bytes, state->n_bytes);
        *n_bytes = state->n_bytes;
        self->n_loads++;
        code = *bytes != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a checkpoint");
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

void memory_checkpoint_init(struct memory_checkpoint *self, int every)
{
    *self = (struct memory_checkpoint){.every = every};
    self->checkpoint = (struct checkpoint){.ctx = self, .due = due, .save = save, .load = load};
    pthread_mutex_init(&self->lock, NULL);
}

void memory_checkpoint_release(struct memory_checkpoint *self)
{
    for (int i = 0; i < self->n_states; i++) {
        mem_free(self->states[i].bytes);
    }
    mem_free(self->states);
    pthread_mutex_destroy(&self->lock);
}

void memory_checkpoint_revive(struct memory_checkpoint *self)
{
    self->n_asked = 0;
    self->n_saves = 0;
    self->n_loads = 0;
    self->die_after = 0;
}
