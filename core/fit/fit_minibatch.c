/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs of minibatches. An epoch of many rows takes minutes, so that a checkpoint may come between
 * any two minibatches. The order of the rows is not saved: it is drawn again, from the state that
 * the random numbers had when the epoch began.
 */
#include "fit/fit_priv.h"

#include "base/mem.h"

struct minibatch {
    struct fit *fit;
    struct optim optim;
    struct rng *rng;
    double *params; /* [n_params] */
    int batch;
    int *order;            /* [n] */
    struct data_room room; /* of a minibatch */

    /* The current epoch. */
    struct rng begun; /* the random numbers when it began */
    int first;        /* the first row of the next minibatch; 0: the epoch has not begun */
    double sum;       /* of the losses so far */
};

/* ---- checkpoints ---- */

static enum err_code save_state(const struct minibatch *mb, struct err *err)
{
    const struct fit_problem *p = mb->fit->problem;
    size_t n = (size_t)p->loss.n_params;
    struct bytes_writer w = {.data = NULL};
    fit_put_state(mb->fit, false, mb->rng, &w);
    bytes_put_f64(&w, mb->params, n);
    bytes_put_i64(&w, mb->optim.t);
    bytes_put_f64(&w, mb->optim.m, n);
    if (mb->optim.v != NULL) {
        bytes_put_f64(&w, mb->optim.v, n);
    }
    bytes_put_u32(&w, (uint32_t)mb->first);
    if (mb->first > 0) {
        rng_save(&mb->begun, &w);
        bytes_put_f64(&w, &mb->sum, 1);
    }
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

static enum err_code save_if_due(const struct minibatch *mb, struct err *err)
{
    const struct fit_problem *p = mb->fit->problem;
    return checkpoint_due(p->checkpoint, p->task) ? save_state(mb, err) : ERR_OK;
}

/* What save_state has written behind the state of every fit. */
static void get_own_state(struct minibatch *mb, struct bytes_reader *r)
{
    size_t n = (size_t)mb->fit->problem->loss.n_params;
    bytes_get_f64(r, mb->params, n);
    mb->optim.t = (long)bytes_get_i64(r);
    bytes_get_f64(r, mb->optim.m, n);
    if (mb->optim.v != NULL) {
        bytes_get_f64(r, mb->optim.v, n);
    }
    mb->first = bytes_get_int(r, mb->fit->problem->train.n);
    if (mb->first > 0) {
        rng_load(&mb->begun, r);
        bytes_get_f64(r, &mb->sum, 1);
    }
}

static enum err_code resume_fit(struct minibatch *mb, bool *ended, struct err *err)
{
    struct fit_state state;
    if (fit_open_state(mb->fit, mb->rng, &state, ended, err) == ERR_OK && state.found) {
        get_own_state(mb, &state.reader);
    }
    if (fit_close_state(&state, err) == ERR_OK && mb->first > 0) {
        /* The order of the epoch that was interrupted. */
        struct rng again = mb->begun;
        rng_permutation(&again, mb->fit->problem->train.n, mb->order);
    }
    return err->code;
}

/* ---- epochs ---- */

/* One pass over the shuffled rows, or the rest of it; mb->sum is the sum of the rows' losses. */
static enum err_code run_epoch(struct minibatch *mb, struct err *err)
{
    const struct fit_problem *p = mb->fit->problem;
    const struct fit_settings *s = mb->fit->settings;
    const struct data *train = &p->train;
    double rate = optim_rate(&s->optim, mb->fit->result->epochs, s->epochs);
    if (s->optim.schedule == SCHEDULE_PLATEAU) {
        rate *= mb->fit->plateau.factor;
    }
    if (mb->first == 0) {
        mb->sum = 0.0;
        mb->begun = *mb->rng;
        rng_permutation(mb->rng, train->n, mb->order);
    }
    while (mb->first < train->n) {
        int rows = train->n - mb->first < mb->batch ? train->n - mb->first : mb->batch;
        struct data chosen = data_room_take(&mb->room, train, mb->order + mb->first, rows);
        double value = p->loss.train(p->loss.ctx, &chosen, mb->params, mb->fit->grad, mb->rng);
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in epoch %d",
                           mb->fit->result->epochs + 1);
        }
        mb->sum += p->loss.is_mean ? value * rows : value;
        optim_step(&mb->optim, rate, mb->fit->grad, mb->params);
        mb->first += rows;
        if (mb->first < train->n && save_if_due(mb, err) != ERR_OK) {
            return err->code;
        }
    }
    mb->first = 0;
    return ERR_OK;
}

enum err_code fit_minibatch(struct fit *fit, struct rng *rng, double *params, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    struct minibatch mb = {.fit = fit, .rng = rng, .params = params};
    bool stop = false;
    mb.batch = s->batch_size > 0 && s->batch_size < p->train.n ? s->batch_size : p->train.n;
    mb.order = mem_alloc_array((size_t)p->train.n, sizeof *mb.order);
    if (mb.order == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a minibatch");
        goto done;
    }
    if (data_room_init(&mb.room, &p->train, mb.batch, err) != ERR_OK ||
        optim_init(&mb.optim, &s->optim, p->loss.n_params, err) != ERR_OK ||
        resume_fit(&mb, &stop, err) != ERR_OK) {
        goto done;
    }
    while (fit->result->epochs < s->epochs && !stop) {
        if (run_epoch(&mb, err) != ERR_OK ||
            fit_epoch_done(fit, mb.sum / (double)p->train.n, params, &stop, err) != ERR_OK ||
            save_if_due(&mb, err) != ERR_OK) {
            goto done;
        }
    }
done:
    optim_release(&mb.optim);
    mem_free(mb.order);
    data_room_release(&mb.room);
    return err->code;
}
