/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/judgement.h"

#include "base/mem.h"
#include "fit/split.h"
#include "train/train_rows.h"

#define PIECE_ROWS 100000 /* about 0.1 s */

void judgement_release(struct judgement *judgement)
{
    mem_free(judgement->prints);
    mem_free(judgement->kept);
    mem_free(judgement->facts);
    row_groups_release(&judgement->groups);
    row_history_release(&judgement->training);
    *judgement = (struct judgement){.prints = NULL};
}

bool judgement_passed(const struct judgement *judgement)
{
    return judgement->verdict.served_version == 0 || judgement->verdict.passed;
}

static unsigned char fact_if(bool holds, enum gate_fact fact)
{
    return holds ? (unsigned char)fact : 0;
}

static struct row_prints prints_of(const struct judgement_case *c, const struct judgement *j)
{
    return (struct row_prints){
        .db = c->db, .model = c->model, .data = c->data, .prints = j->prints};
}

/* In pieces, so that a request to stop is heard. */
static enum err_code print_rows(const struct judgement_case *c, uint32_t *prints, struct err *err)
{
    const struct data *data = c->data;
    for (int at = 0; at < data->n && err->code == ERR_OK; at += PIECE_ROWS) {
        const struct data piece = {.n = data->n - at < PIECE_ROWS ? data->n - at : PIECE_ROWS,
                                   .d = data->d,
                                   .o = data->o,
                                   .x = data->x + (size_t)at * (size_t)data->d,
                                   .y = data->y + (size_t)at * (size_t)data->o};
        if (cancel_is_requested(c->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled before it was compared");
        }
        err_kept(row_set_print(&piece, prints + at, err));
    }
    return err->code;
}

/*
 * seen [data->n] <- 1 where the row trained a version, or may have, or one of the same inputs did:
 * on another run of inputs that trained it a version does too well.
 */
static enum err_code find_seen(const struct judgement_case *c, const struct judgement *j,
                               const struct row_history *history, unsigned char *seen,
                               struct err *err)
{
    const struct row_prints prints = prints_of(c, j);
    unsigned char *any = mem_zalloc((size_t)j->groups.n); /* of each group */
    if (any == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
    }
    for (size_t i = 0; i < (size_t)c->data->n; i++) {
        any[j->groups.of[i]] |= row_history_has_seen(history, &prints, i);
    }
    for (size_t i = 0; i < (size_t)c->data->n; i++) {
        seen[i] = any[j->groups.of[i]];
    }
    mem_free(any);
    return ERR_OK;
}

enum err_code judgement_begin(const struct judgement_case *the_case, struct judgement *out,
                              struct err *err)
{
    const struct train_spec *spec = &the_case->spec->train;
    const struct data *data = the_case->data;
    size_t n = (size_t)data->n;
    *out = (struct judgement){.prints = mem_alloc_array(n, sizeof *out->prints),
                              .kept = mem_alloc(n),
                              .facts = mem_alloc(n)};
    if (out->prints == NULL || out->kept == NULL || out->facts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
    }
    if (row_groups_find(data, &out->groups, err) != ERR_OK) {
        return err->code;
    }
    train_rows_assign(spec, &out->groups, data, out->facts);
    for (size_t i = 0; i < n; i++) {
        out->kept[i] = fact_if(out->facts[i] == SPLIT_KEPT, GATE_KEPT);
    }
    const struct row_prints prints = prints_of(the_case, out);
    if (print_rows(the_case, out->prints, err) != ERR_OK ||
        row_history_of_training(&prints, out->facts, the_case->base, &out->training, err) !=
            ERR_OK) {
        return err->code;
    }
    if (find_seen(the_case, out, &out->training, out->facts, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        out->kept[i] = (unsigned char)(out->kept[i] | fact_if(out->facts[i] == 0, GATE_CLEAN));
    }
    /* Rows that were predicted without them are as good as kept out. */
    for (int i = 0; the_case->cross != NULL && i < the_case->cross->n; i++) {
        out->kept[the_case->cross->rows[i]] |= GATE_KEPT | GATE_CLEAN;
    }
    return ERR_OK;
}

/* The served version. NULL: there is none, or it is damaged, and then any new version is better. */
static enum err_code find_served(const struct judgement_case *c, struct served **out,
                                 struct err *err)
{
    const struct version_ref the_default = {.kind = VERSION_DEFAULT};
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    struct err viewing = ERR_INIT;
    if (models_get(c->models, c->model, 0, out, err) == ERR_NOT_FOUND) {
        err_clear(err);
    }
    if (err->code == ERR_CORRUPT) {
        /* ERR_CORRUPT may also come from a damaged page elsewhere in the file. */
        if (model_store_view(c->db, c->model, &view, &viewing) == ERR_OK &&
            model_view_find(&view, &the_default, &row, &viewing) == ERR_OK && row->damaged) {
            err_clear(err);
        }
        model_view_release(&view);
    }
    return err->code;
}

/* What the served version has seen of the rows. */
static enum err_code find_facts(const struct judgement_case *c, const struct served *served,
                                struct judgement *j, struct err *err)
{
    struct row_history history = {.n_unsure = 0};
    const struct row_prints prints = prints_of(c, j);
    if (row_history_of_version(&prints, served, &history, err) == ERR_OK &&
        find_seen(c, j, &history, j->facts, err) == ERR_OK) {
        for (size_t i = 0; i < (size_t)c->data->n; i++) {
            unsigned char seen = fact_if(j->facts[i] != 0, GATE_SEEN);
            unsigned char had = fact_if(row_history_had(&history, &prints, i), GATE_HAD);
            j->facts[i] = (unsigned char)(j->kept[i] | seen | had);
        }
    }
    row_history_release(&history);
    return err->code;
}

/* A poor fit may pass the gate, or there may be none: a better version stays nevertheless. */
static enum err_code judge_by_gate_and_fit(const struct judgement_case *c,
                                           const struct gate_case *gate, struct judgement *j,
                                           struct err *err)
{
    const struct gate_spec *spec = &c->spec->gate;
    struct gate_verdict poor;
    if (spec->on && (gate_judge(spec, gate, &j->verdict, err) != ERR_OK || !j->verdict.passed)) {
        return err->code;
    }
    if (gate_is_poor(c->candidate) &&
        gate_judge_poor(spec->on ? spec->rows : GATE_ALL, gate, &poor, err) == ERR_OK &&
        !poor.passed) {
        j->verdict = poor;
    }
    return err->code;
}

enum err_code judgement_run(const struct judgement_case *the_case, struct judgement *judgement,
                            struct err *err)
{
    struct served *served = NULL;
    judgement->verdict = (struct gate_verdict){.served_version = 0};
    judgement->served_version = 0;
    judgement->is_judged = the_case->spec->gate.on || gate_is_poor(the_case->candidate);
    if (!judgement->is_judged || find_served(the_case, &served, err) != ERR_OK || served == NULL) {
        return err->code;
    }
    const struct gate_case gate = {.candidate = the_case->candidate,
                                   .served = served->model,
                                   .served_version = served->version,
                                   .cross = the_case->cross,
                                   .data = the_case->data,
                                   .facts = judgement->facts,
                                   .n_threads = the_case->n_threads,
                                   .cancel = the_case->cancel};
    judgement->served_version = served->version;
    if (find_facts(the_case, served, judgement, err) == ERR_OK) {
        err_kept(judge_by_gate_and_fit(the_case, &gate, judgement, err));
    }
    served_unref(served);
    return err->code;
}
