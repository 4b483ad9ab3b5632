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
    return (facts & choice->need) == choice->need && (facts & choice->not ) == 0 &&
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

/* ---- choosing ---- */

/* Rows of an age with these facts. */
static struct gate_choice choose_rows(enum gate_basis basis, enum gate_rows rows)
{
    struct gate_choice choice = {.basis = basis, .rows = rows, .need = GATE_KEPT};
    choice.need |= basis != GATE_MAYBE ? GATE_CLEAN : 0;
    choice.need |= rows == GATE_KNOWN ? GATE_HAD : 0;
    choice.not = basis == GATE_BOTH ? GATE_SEEN : 0;
    choice.not |= rows == GATE_NEW ? GATE_HAD : 0;
    return choice;
}

struct gate_choice gate_choose_known(void)
{
    return choose_rows(GATE_OWN, GATE_KNOWN);
}

static void count_chosen(const struct gate_case *c, struct gate_choice *choice)
{
    struct gate_choice later = *choice;
    later.not |= GATE_HAD;
    choice->n = gate_count(c, choice);
    choice->n_new = (choice->need & GATE_HAD) != 0 ? 0 : gate_count(c, &later);
    choice->n_served = choice->basis == GATE_OWN ? c->served->scores.n_rows : choice->n;
}

/* A training that started from another seed's version may have recorded too good a score. */
static bool has_own_score(const struct model *served)
{
    for (int i = 0; i < served->report.n_warnings; i++) {
        if (strcmp(served->report.warnings[i].code, "warm_seed") == 0 ||
            strcmp(served->report.warnings[i].code, "warm_split") == 0) {
            return false;
        }
    }
    return served->scores.n_rows > 0;
}

/* Is this a basis? min: the number of rows it takes. */
static bool is_enough(const struct gate_case *c, struct gate_choice *choice, int min)
{
    count_chosen(c, choice);
    return choice->n >= min && choice->n_served >= min &&
           (choice->basis != GATE_OWN || has_own_score(c->served));
}

struct gate_choice gate_choose(enum gate_rows rows, const struct gate_case *c)
{
    const struct {
        enum gate_basis basis;
        enum gate_rows rows;
        int min;
        bool applies;
    } list[] = {
        {GATE_BOTH, rows, GATE_MIN_ROWS, true},
        {GATE_OWN, GATE_KNOWN, GATE_MIN_ROWS, rows == GATE_KNOWN},
        {GATE_BOTH, GATE_ALL, GATE_MIN_ROWS, rows != GATE_ALL},
        {GATE_OWN, rows, MIN_OF_A_KIND, true},
        {GATE_OWN, GATE_ALL, 1, true},
        {GATE_MAYBE, rows, MIN_OF_A_KIND, true},
        {GATE_MAYBE, GATE_ALL, 1, true},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct gate_choice choice = choose_rows(list[i].basis, list[i].rows);
        if (list[i].applies && is_enough(c, &choice, list[i].min)) {
            bool any_age = choice.basis == GATE_BOTH && choice.rows == GATE_ALL;
            choice.after_others = any_age && rows == GATE_KNOWN;
            choice.rows =
                any_age && choice.n_new == choice.n && rows != GATE_ALL ? GATE_NEW : choice.rows;
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

void gate_describe(const struct gate_case *c, const struct gate_choice *choice, char *out,
                   size_t size)
{
    long long version = (long long)c->served_version;
    switch (choice->basis) {
    case GATE_BOTH:
        describe_same_rows(choice, version, out, size);
        break;
    case GATE_OWN:
        snprintf(out, size, "%s that it kept out itself, and %d that version %lld did",
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
