/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model keeps numbers of each candidate in its report ("auto.NAME.score"), and what failed in its
 * settings. The name of a candidate says all in which it differs from others; what it does not say
 * was given, and is as in the model.
 */
#include "documents/choice_json.h"

#include "base/mem.h"
#include "documents/job_json.h"
#include "formats/json_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "auto."

_Static_assert(sizeof((struct auto_candidate *)NULL)->name == CHOICE_NAME_CHARS, "a whole name");
_Static_assert(sizeof((struct auto_candidate *)NULL)->why == CHOICE_WHY_CHARS, "a whole text");

void choice_table_take(struct choice_table *self, const struct auto_table *table)
{
    *self = (struct choice_table){.n = table->n,
                                  .n_rows = table->n_rows,
                                  .n_folds = table->n_folds,
                                  .n_scored = table->n_scored,
                                  .current = table->current};
    for (int i = 0; i < table->n; i++) {
        const struct auto_candidate *c = &table->candidates[i];
        struct choice_line *line = &self->lines[i];
        *line = (struct choice_line){.solver = c->spec.solver,
                                     .width = c->spec.arch.width,
                                     .layers = c->spec.arch.layers,
                                     .basis = c->spec.arch.basis,
                                     .output_scaling = c->spec.output_scaling,
                                     .outcome = c->outcome,
                                     .n_folds = c->n_folds,
                                     .score = c->score,
                                     .error = c->error,
                                     .gap = c->gap,
                                     .gap_error = c->gap_error,
                                     .seconds = c->seconds};
        memcpy(line->name, c->name, sizeof line->name);
        memcpy(line->why, c->why, sizeof line->why);
    }
}

/* ---- of a model ---- */

/* A rest of a name that begins with _WORD and ends there or goes on with _; NULL: it does not. */
static const char *pass_word(const char *rest, const char *word)
{
    size_t len = strlen(word);
    bool begins = rest[0] == '_' && strncmp(rest + 1, word, len) == 0;
    return begins && (rest[len + 1] == '_' || rest[len + 1] == '\0') ? rest + len + 1 : NULL;
}

/* Sets what a name says: "evidence_16x2_constant_log". False: it is none of a candidate. */
static bool read_name(struct choice_line *line, const char *name)
{
    const char *rest = NULL;
    char padded[CHOICE_NAME_CHARS + 1];
    int used = 0;
    snprintf(padded, sizeof padded, "_%s", name);
    for (int i = 0; i < solver_known().n && rest == NULL; i++) {
        rest = pass_word(padded, solver_known().list[i]);
        line->solver = (enum solver_kind)i;
    }
    if (rest == NULL) {
        return false;
    }
    line->output_scaling = train_defaults(line->solver).output_scaling;
    if (sscanf(rest, "_%dx%d%n", &line->width, &line->layers, &used) == 2) {
        rest += used;
        for (int i = 0; i < wpfn_known().n; i++) {
            const char *after = pass_word(rest, wpfn_known().list[i]);
            if (after != NULL) {
                line->basis = (enum wpfn_basis)i;
                rest = after;
                break;
            }
        }
    }
    if (pass_word(rest, "log") != NULL) {
        line->output_scaling = SCALER_LOG;
    }
    return true;
}

/* The line of a candidate, which is added if it is new. NULL: there is no room, or no such name. */
static struct choice_line *find_line(struct choice_table *table, const struct model *model,
                                     const char *name)
{
    for (int i = 0; i < table->n; i++) {
        if (strcmp(table->lines[i].name, name) == 0) {
            return &table->lines[i];
        }
    }
    struct choice_line line = {.width = model->net.arch.width,
                               .layers = model->net.arch.layers,
                               .basis = model->net.arch.basis,
                               .outcome = AUTO_WAITING,
                               .score = (double)NAN,
                               .error = (double)NAN,
                               .gap = (double)NAN,
                               .gap_error = (double)NAN,
                               .seconds = (double)NAN};
    snprintf(line.name, sizeof line.name, "%s", name);
    if (table->n == AUTO_MAX_CANDIDATES || !read_name(&line, name)) {
        return NULL;
    }
    table->lines[table->n] = line;
    return &table->lines[table->n++];
}

/* What an item of the report says of its candidate. */
static void take_item(struct choice_line *line, const char *what, const struct report_item *item)
{
    int outcome = names_find(auto_outcome_known(), what);
    if (outcome >= 0) {
        line->outcome = (enum auto_outcome)outcome;
    } else if (strcmp(what, "score") == 0 && item->n == 2) {
        line->score = item->values[0];
        line->error = item->values[1];
    } else if (strcmp(what, "gap") == 0 && item->n == 2) {
        line->gap = item->values[0];
        line->gap_error = item->values[1];
    } else if (strcmp(what, "folds") == 0) {
        line->n_folds = (int)item->values[0];
    } else if (strcmp(what, "seconds") == 0) {
        line->seconds = item->values[0];
    }
}

static int count_of(const struct report *report, const char *name)
{
    const struct report_item *item = report_find(report, name);
    bool counts = item != NULL && item->n > 0 && item->values[0] >= 0.0 && item->values[0] <= 1e9;
    return counts ? (int)item->values[0] : 0;
}

static void take_report(const struct model *model, struct choice_table *table)
{
    const struct report *report = &model->report;
    for (int i = 0; i < report->n_items; i++) {
        const struct report_item *item = &report->items[i];
        const char *name = item->name + strlen(PREFIX);
        const char *dot =
            strncmp(item->name, PREFIX, strlen(PREFIX)) == 0 ? strchr(name, '.') : NULL;
        char text[CHOICE_NAME_CHARS];
        if (dot == NULL || dot - name >= CHOICE_NAME_CHARS || item->n < 1) {
            continue;
        }
        snprintf(text, sizeof text, "%.*s", (int)(dot - name), name);
        struct choice_line *line = find_line(table, model, text);
        if (line != NULL) {
            take_item(line, dot + 1, item);
        }
    }
    table->n_rows = count_of(report, PREFIX "rows");
    table->n_folds = count_of(report, PREFIX "folds");
    table->n_scored = count_of(report, PREFIX "scored_folds");
    table->current = table->n;
}

/* What the settings say: the scaling that was given, and why candidates failed. */
static enum err_code take_settings(const struct model *model, struct choice_table *table,
                                   struct err *err)
{
    json_t *object = NULL;
    struct arena arena = ARENA_INIT;
    struct job_spec spec = {.promote = false};
    if (json_read_parse(model->settings, strlen(model->settings), &arena, &object, err) == ERR_OK &&
        job_json_read(object, &spec, err) == ERR_OK) {
        const json_t *failed = json_object_get(json_object_get(object, "auto"), "failed");
        for (int i = 0; i < table->n; i++) {
            struct choice_line *line = &table->lines[i];
            const char *why = json_string_value(json_object_get(failed, line->name));
            snprintf(line->why, sizeof line->why, "%s", why != NULL ? why : "");
            if ((spec.choice.fixed & AUTO_FIXED_OUTPUT_SCALING) != 0) {
                line->output_scaling = spec.train.output_scaling;
            }
        }
    }
    if (err->code != ERR_NOMEM) {
        err_clear(err); /* the settings of a registered version may be any text */
    }
    train_spec_release(&spec.train);
    arena_release(&arena);
    return err->code;
}

enum err_code choice_table_of_model(const struct model *model, struct choice_table *out,
                                    struct err *err)
{
    *out = (struct choice_table){.n = 0};
    take_report(model, out);
    return out->n > 0 && model->settings != NULL ? take_settings(model, out, err) : ERR_OK;
}

/* ---- as JSON ---- */

/* Why an outcome is what it is; NULL: nothing is to be said. */
static const char *reason_of(const struct choice_table *table, const struct choice_line *line)
{
    switch (line->outcome) {
    case AUTO_WAITING:
    case AUTO_SCORED:
        return NULL;
    case AUTO_CHOSEN:
        return isnan(line->score) ? "nothing was compared, and it is the first that can be trained"
               : isnan(line->gap) ? "it is the best of those that were left"
               : line->gap == 0.0 ? "it has the best score"
                                  : "it is as good as the best one, with fewer parameters";
    case AUTO_TIED:
        return "it is within a standard error of the best one";
    case AUTO_WORSE:
        return "it is worse than the best one by more than a standard error";
    case AUTO_DROPPED:
        return "it was so far behind that its other folds were not tried";
    case AUTO_FAILED:
        return line->why[0] != '\0' ? line->why : "its training failed";
    case AUTO_BUDGET:
        return table->n_scored > 0 ? "the budget was used up" : "nothing was compared";
    case AUTO_TOO_LARGE:
        return "it needs more memory than the training may have";
    case AUTO_NEEDLESS:
        return "the best one leaves next to nothing to be learned, which fits by minibatches do "
               "not reach";
    }
    return NULL;
}

static void write_line(struct json_write *json, const struct choice_table *table,
                       const struct choice_line *line)
{
    json_write_object(json, NULL);
    json_write_text(json, "name", line->name);
    json_write_text(json, "solver", solver_name(line->solver));
    json_write_int(json, "width", line->width);
    json_write_int(json, "layers", line->layers);
    json_write_text(json, "basis", wpfn_name(line->basis));
    json_write_text(json, "output_scaling", scaler_kind_name(line->output_scaling));
    json_write_text(json, "outcome", auto_outcome_name(line->outcome));
    json_write_text(json, "why", reason_of(table, line));
    json_write_int(json, "folds", line->n_folds);
    json_write_real(json, "score", line->score);
    json_write_real(json, "standard_error", line->error);
    json_write_real(json, "gap", line->gap);
    json_write_real(json, "gap_error", line->gap_error);
    json_write_real(json, "seconds", line->seconds);
    json_write_object_end(json);
}

void choice_json_write(struct json_write *json, const char *key, const struct choice_table *table)
{
    json_write_object(json, key);
    json_write_int(json, "rows", table->n_rows);
    json_write_int(json, "folds", table->n_folds);
    json_write_int(json, "scored_folds", table->n_scored);
    json_write_text(json, "current",
                    table->current < table->n ? table->lines[table->current].name : NULL);
    json_write_array(json, "candidates");
    for (int i = 0; i < table->n; i++) {
        write_line(json, table, &table->lines[i]);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

void choice_json_write_of_model(struct json_write *json, const char *key, const struct model *model)
{
    struct choice_table table;
    struct err err = ERR_INIT;
    if (choice_table_of_model(model, &table, &err) == ERR_OK && table.n > 0) {
        choice_json_write(json, key, &table);
    } else {
        json_write_null(json, key);
    }
}
