/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/gate_rows.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "model/space_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIN_OF_A_KIND 2 /* with fewer known or new rows all that were kept out are taken */

/* ---- counting ---- */

static bool has_output(const struct data *data, size_t i)
{
    const double *y = data->y + i * (size_t)data->o;
    for (int j = 0; j < data->o; j++) {
        if (!isnan(y[j])) {
            return true;
        }
    }
    return false;
}

/* Has row i members of categories that the served version knows? */
static bool is_told(const struct gate_case *c, size_t i)
{
    struct space_fault fault;
    size_t d = (size_t)c->data->d;
    const struct space_rows row = {1, d, (double *)c->data->x + i * d};
    return !model_has_categories(c->served) || !space_find_fault(c->served->space, &row, &fault);
}

static bool is_chosen(const struct gate_case *c, const struct gate_choice *choice, size_t i)
{
    unsigned char facts = c->facts[i];
    return (facts & choice->with) == choice->with && (facts & choice->without) == 0 &&
           has_output(c->data, i) && is_told(c, i);
}

int gate_count(const struct gate_case *c, const struct gate_choice *choice)
{
    int n = 0;
    for (size_t i = 0; i < (size_t)c->data->n; i++) {
        n += is_chosen(c, choice, i);
    }
    return n;
}

void gate_mark(const struct gate_case *c, const struct gate_choice *choice, unsigned char *chosen)
{
    for (size_t i = 0; i < (size_t)c->data->n; i++) {
        chosen[i] = is_chosen(c, choice, i);
    }
}

/* ---- choosing ---- */

/* Rows of an age with the facts that a basis asks for. */
static struct gate_choice choose_rows(enum gate_basis basis, enum gate_rows rows)
{
    unsigned with = GATE_KEPT;
    unsigned without = 0;
    with |= basis != GATE_MAYBE ? GATE_CLEAN : 0;
    with |= rows == GATE_KNOWN ? GATE_HAD : 0;
    without |= basis == GATE_BOTH ? GATE_SEEN : 0;
    without |= rows == GATE_NEW ? GATE_HAD : 0;
    return (struct gate_choice){.basis = basis,
                                .rows = rows,
                                .with = (unsigned char)with,
                                .without = (unsigned char)without};
}

struct gate_choice gate_choose_known(void)
{
    return choose_rows(GATE_OWN, GATE_KNOWN);
}

struct gate_choice gate_choose_unseen(void)
{
    return (struct gate_choice){.basis = GATE_OWN, .rows = GATE_ALL, .without = GATE_SEEN};
}

/* A training that started from another seed's version may have recorded too good a score. */
static int count_recorded(const struct model *served)
{
    for (int i = 0; i < served->report.n_warnings; i++) {
        if (strcmp(served->report.warnings[i].code, "warm_seed") == 0 ||
            strcmp(served->report.warnings[i].code, "warm_split") == 0) {
            return 0;
        }
    }
    return served->scores.n_rows;
}

static void count_chosen(const struct gate_case *c, struct gate_choice *choice)
{
    const struct gate_choice unseen = gate_choose_unseen();
    struct gate_choice later = *choice;
    later.without = (unsigned char)(later.without | GATE_HAD);
    choice->n = gate_count(c, choice);
    choice->n_new = (choice->with & GATE_HAD) != 0 ? 0 : gate_count(c, &later);
    choice->n_served = choice->basis == GATE_RECORDED ? count_recorded(c->served)
                       : choice->basis == GATE_OWN    ? gate_count(c, &unseen)
                                                      : choice->n;
}

struct gate_choice gate_choose(enum gate_rows rows, const struct gate_case *c)
{
    const struct {
        enum gate_basis basis;
        enum gate_rows rows;
        int min; /* rows that it takes of either version */
        bool applies;
    } list[] = {
        {GATE_BOTH, rows, GATE_MIN_ROWS, true},
        {GATE_RECORDED, GATE_KNOWN, GATE_MIN_RECORDED, rows == GATE_KNOWN},
        {GATE_BOTH, GATE_ALL, GATE_MIN_ROWS, rows != GATE_ALL},
        {GATE_OWN, GATE_ALL, 1, true},
        {GATE_RECORDED, GATE_ALL, 1, true},
        {GATE_MAYBE, rows, MIN_OF_A_KIND, true},
        {GATE_MAYBE, GATE_ALL, 1, true},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct gate_choice choice = choose_rows(list[i].basis, list[i].rows);
        if (!list[i].applies) {
            continue;
        }
        count_chosen(c, &choice);
        if (choice.n >= list[i].min && choice.n_served >= list[i].min) {
            choice.beyond_known = rows == GATE_KNOWN && choice.rows == GATE_ALL;
            choice.rows = choice.rows == GATE_ALL && choice.n_new == choice.n && rows != GATE_ALL
                              ? GATE_NEW
                              : choice.rows;
            return choice;
        }
    }
    return (struct gate_choice){.basis = GATE_NONE, .rows = rows};
}

/* ---- taking ---- */

void gate_picked_release(struct gate_picked *picked)
{
    mem_free(picked->x);
    mem_free(picked->y);
    *picked = (struct gate_picked){.x = NULL};
}

enum err_code gate_pick(const struct gate_case *c, const struct gate_choice *choice,
                        struct gate_picked *out, struct err *err)
{
    const struct data *data = c->data;
    size_t d = (size_t)data->d;
    size_t o = (size_t)data->o;
    size_t n = (size_t)gate_count(c, choice);
    *out = (struct gate_picked){.data = {.d = data->d, .o = data->o}};
    out->x = mem_alloc_array(n * d, sizeof *out->x);
    out->y = mem_alloc_array(n * o, sizeof *out->y);
    if (out->x == NULL || out->y == NULL) {
        gate_picked_release(out);
        return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
    }
    for (size_t i = 0; i < (size_t)data->n; i++) {
        if (is_chosen(c, choice, i)) {
            size_t to = (size_t)out->data.n++;
            memcpy(out->x + to * d, data->x + i * d, d * sizeof *data->x);
            memcpy(out->y + to * o, data->y + i * o, o * sizeof *data->y);
        }
    }
    out->data.x = out->x;
    out->data.y = out->y;
    return ERR_OK;
}

/* ---- in words ---- */

static void describe_same_rows(const struct gate_choice *choice, long long version, char *out,
                               size_t size)
{
    const struct phrase rows = phrase_count(choice->n, "row");
    if (choice->n_new == 0) {
        snprintf(out, size, "%s kept out of both trainings", rows.text);
    } else if (choice->n_new == choice->n) {
        snprintf(out, size, "%s kept out of its training that came after version %lld", rows.text,
                 version);
    } else {
        snprintf(out, size, "%s that trained neither, %d of which came after version %lld",
                 rows.text, choice->n_new, version);
    }
}

/* Rows that trained the candidate, and were predicted without them. */
static void describe_cross(const struct gate_case *c, const struct gate_choice *choice, char *out,
                           size_t size)
{
    const struct phrase rows = phrase_count(choice->n, "row");
    long long version = (long long)c->served_version;
    switch (choice->basis) {
    case GATE_BOTH:
        snprintf(out, size, "%s of its cross-validation that did not train version %lld", rows.text,
                 version);
        break;
    case GATE_RECORDED:
    case GATE_OWN:
        snprintf(out, size, "%s of its cross-validation, and %d that version %lld has scores of",
                 rows.text, choice->n_served, version);
        break;
    case GATE_MAYBE:
        snprintf(out, size, "%s of its cross-validation, which may have trained version %lld",
                 rows.text, version);
        break;
    case GATE_NONE:
        snprintf(out, size, "no rows");
        break;
    }
}

void gate_describe(const struct gate_case *c, const struct gate_choice *choice, char *out,
                   size_t size)
{
    long long version = (long long)c->served_version;
    if (c->cross != NULL) {
        describe_cross(c, choice, out, size);
        return;
    }
    switch (choice->basis) {
    case GATE_BOTH:
        describe_same_rows(choice, version, out, size);
        break;
    case GATE_RECORDED:
        snprintf(out, size, "%s that it kept out itself, and %d that version %lld did",
                 phrase_count(choice->n, "row").text, choice->n_served, version);
        break;
    case GATE_OWN:
        snprintf(out, size, "%s that did not train it, and %d that did not train version %lld",
                 phrase_count(choice->n, "row").text, choice->n_served, version);
        break;
    case GATE_MAYBE:
        snprintf(out, size, "%s kept out of its training, which may have trained version %lld",
                 phrase_count(choice->n, "row").text, version);
        break;
    case GATE_NONE:
        snprintf(out, size, "no rows");
        break;
    }
}
