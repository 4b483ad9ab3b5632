/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_checkpoint.h"

#include "mem.h"

static bool due(void *ctx, int task)
{
    struct memory_checkpoint *self = ctx;
    (void)task;
    pthread_mutex_lock(&self->lock);
    bool is_due = self->every > 0 && ++self->questions % self->every == 0;
    pthread_mutex_unlock(&self->lock);
    return is_due;
}

/* The task's state, added when it has none; NULL: no memory. */
static struct memory_checkpoint_state *state_of(struct memory_checkpoint *self, int task, bool add)
{
    for (int i = 0; i < self->n_states; i++) {
        if (self->states[i].task == task) {
            return &self->states[i];
        }
    }
    if (!add) {
        return NULL;
    }
    struct memory_checkpoint_state *states =
        mem_realloc_array(self->states, (size_t)self->n_states + 1, sizeof *states);
    if (states == NULL) {
        return NULL;
    }
    self->states = states;
    states[self->n_states] = (struct memory_checkpoint_state){.task = task};
    return &states[self->n_states++];
}

static enum err_code save(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err)
{
    struct memory_checkpoint *self = ctx;
    void *copy = mem_dup(bytes, n_bytes);
    pthread_mutex_lock(&self->lock);
    struct memory_checkpoint_state *state = copy != NULL ? state_of(self, task, true) : NULL;
    if (state == NULL) {
        mem_free(copy);
        err_set(err, ERR_NOMEM, "no memory for a state");
    } else {
        mem_free(state->bytes);
        state->bytes = copy;
        state->n_bytes = n_bytes;
        if (++self->saves == self->cancel_after) {
            cancel_request(&self->cancel);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return err->code;
}

static enum err_code load(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    struct memory_checkpoint *self = ctx;
    enum err_code code = ERR_NOT_FOUND;
    pthread_mutex_lock(&self->lock);
    const struct memory_checkpoint_state *state = state_of(self, task, false);
    if (state != NULL) {
        self->loads++;
        *bytes = mem_dup(state->bytes, state->n_bytes);
        *n_bytes = state->n_bytes;
        code = *bytes != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a state");
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

void memory_checkpoint_init(struct memory_checkpoint *self, int every, int cancel_after)
{
    *self = (struct memory_checkpoint){.every = every, .cancel_after = cancel_after};
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

void memory_checkpoint_again(struct memory_checkpoint *self, int cancel_after)
{
    atomic_store(&self->cancel.stop, false);
    self->saves = 0;
    self->cancel_after = cancel_after;
}
