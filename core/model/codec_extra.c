/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each piece goes into the model as soon as it is read, so a reader that fails midway leaves a
 * model that can be freed. Of content that could be written in several ways, only what the writer
 * writes is accepted, because the digest of a version's bytes identifies its content.
 */
#include "model/codec_priv.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void codec_put_array(struct bytes_writer *w, const double *values, size_t n)
{
    bytes_put_u32(w, values != NULL);
    if (values != NULL) {
        bytes_put_f64(w, values, n);
    }
}

/* Memory for n numbers that should follow; NULL, and the reader fails, when they do not. */
static double *room_for(struct bytes_reader *r, size_t n)
{
    if (r->failed || n > r->left / sizeof(double)) {
        r->failed = true;
        return NULL;
    }
    double *values = mem_zalloc_array(n, sizeof *values);
    if (values == NULL) {
        r->no_memory = true;
        r->failed = true;
    }
    return values;
}

static double *get_values(struct bytes_reader *r, size_t n)
{
    double *values = room_for(r, n);
    if (values != NULL) {
        bytes_get_f64(r, values, n);
    }
    return values;
}

double *codec_get_array(struct bytes_reader *r, size_t n)
{
    return bytes_get_int(r, 1) == 1 ? get_values(r, n) : NULL;
}

/* ---- numbers that may be unknown ---- */

/* A number that is not finite stands for "not known". It is always stored as the same NaN. */
static void put_known(struct bytes_writer *w, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double value = isfinite(values[i]) ? values[i] : (double)NAN;
        bytes_put_f64(w, &value, 1);
    }
}

static void check_known(struct bytes_reader *r, const double *values, size_t n)
{
    const double unknown = (double)NAN;
    for (size_t i = 0; values != NULL && i < n; i++) {
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): bits */
        if (!isfinite(values[i]) && memcmp(&values[i], &unknown, sizeof unknown) != 0) {
            r->failed = true;
        }
    }
}

/* ---- Gaussians ---- */

void codec_put_gaussians(struct bytes_writer *w, const struct gauss_mixture *mixture, int n_params)
{
    bytes_put_i64(w, mixture->seed);
    bytes_put_u32(w, mixture->linearised);
    for (int i = 0; i < mixture->n_members; i++) {
        const struct gauss *g = &mixture->members[i];
        bytes_put_f64(w, g->mean, (size_t)n_params);
        bytes_put_u32(w, (uint32_t)g->first);
        bytes_put_u32(w, (uint32_t)g->n);
        codec_put_array(w, g->std, (size_t)g->n);
        bytes_put_u32(w, (uint32_t)g->rank);
        bytes_put_f64(w, g->factor, (size_t)g->n * (size_t)g->rank);
    }
}

static void get_gaussian(struct bytes_reader *r, struct gauss *g, int n_params)
{
    size_t cells;
    g->mean = get_values(r, (size_t)n_params);
    g->first = bytes_get_int(r, n_params);
    g->n = bytes_get_int(r, n_params - g->first);
    g->std = codec_get_array(r, (size_t)g->n);
    g->rank = bytes_get_int(r, INT32_MAX);
    if (g->rank > 0 && !r->failed) {
        if (size_mul((size_t)g->n, (size_t)g->rank, &cells)) {
            g->factor = get_values(r, cells);
        }
        r->failed = r->failed || g->factor == NULL;
    }
    bool something = g->std != NULL || g->factor != NULL;
    r->failed = r->failed || something != (g->n > 0) || (g->n == 0 && g->first > 0);
}

void codec_get_gaussians(struct bytes_reader *r, struct gauss_mixture *mixture, int n_members,
                         int n_params, int m)
{
    mixture->seed = bytes_get_i64(r);
    mixture->linearised = bytes_get_int(r, 1) == 1;
    mixture->n_draws = m / n_members;
    /* Each member has at least a mean. A count that does not fit the bytes is refused before memory
     * is allocated. */
    if (r->failed || (size_t)n_members > r->left / ((size_t)n_params * sizeof(double))) {
        r->failed = true;
        return;
    }
    mixture->members = mem_zalloc_array((size_t)n_members, sizeof *mixture->members);
    if (mixture->members == NULL) {
        r->no_memory = true;
        r->failed = true;
        return;
    }
    mixture->n_members = n_members;
    for (int i = 0; i < n_members && !r->failed; i++) {
        get_gaussian(r, &mixture->members[i], n_params);
    }
}

/* ---- scores ---- */

/* The arrays that may be missing, and how many numbers each has for an output. */
struct score_list {
    double **array;
    size_t width;
};

#define N_SCORES 6

_Static_assert(SCORES_INTERVALS == 3 && SCORES_LEVELS == 19,
               "stored models have so many; other numbers need a format of their own");

static void list_scores(struct scores *s, struct score_list *list)
{
    const struct score_list all[N_SCORES] = {
        {&s->nll, 1},
        {&s->nll_draws, 1},
        {&s->crps, 1},
        {&s->coverage, SCORES_INTERVALS},
        {&s->width, SCORES_INTERVALS},
        {&s->calibration, SCORES_LEVELS},
    };
    memcpy(list, all, sizeof all);
}

static void put_scores(struct bytes_writer *w, const struct model *model)
{
    struct score_list list[N_SCORES];
    struct scores copy = model->scores;
    list_scores(&copy, list);
    for (int i = 0; i < N_SCORES && copy.n_rows > 0; i++) {
        bytes_put_u32(w, *list[i].array != NULL);
        if (*list[i].array != NULL) {
            put_known(w, *list[i].array, (size_t)model->o * list[i].width);
        }
    }
}

static void get_scores(struct bytes_reader *r, struct model *model)
{
    struct score_list list[N_SCORES];
    list_scores(&model->scores, list);
    for (int i = 0; i < N_SCORES && model->scores.n_rows > 0; i++) {
        size_t n = (size_t)model->o * list[i].width;
        *list[i].array = codec_get_array(r, n);
        check_known(r, *list[i].array, n);
    }
}

/* ---- calibration ---- */

static void put_calibration(struct bytes_writer *w, const struct model *model)
{
    const struct conformal *c = &model->conformal;
    codec_put_choice(w, CODEC_CALIBRATION, (int)c->method);
    if (c->method == CONFORMAL_NONE) {
        return;
    }
    bytes_put_u32(w, c->normalised);
    bytes_put_u32(w, (uint32_t)c->n_folds);
    bytes_put_u32(w, (uint32_t)c->n);
    for (int i = 0; c->fold != NULL && i < c->n; i++) {
        bytes_put_u32(w, (uint32_t)c->fold[i]);
    }
    bytes_put_f64(w, c->scores, (size_t)c->n * (size_t)model->o);
    codec_put_array(w, c->fold_noise, (size_t)c->n_folds * (size_t)model->o);
}

static void get_calibration(struct bytes_reader *r, struct model *model, uint32_t format)
{
    struct conformal *c = &model->conformal;
    c->method = (enum conformal_method)codec_get_choice(r, CODEC_CALIBRATION);
    if (c->method == CONFORMAL_NONE) {
        return;
    }
    c->normalised = bytes_get_int(r, 1) == 1;
    c->n_folds = bytes_get_int(r, CONFORMAL_MAX_ROWS);
    c->n = bytes_get_int(r, CONFORMAL_MAX_ROWS);
    if (c->method != CONFORMAL_SPLIT && !r->failed) {
        bool there = (size_t)c->n <= r->left / sizeof(uint32_t);
        c->fold = there ? mem_zalloc_array((size_t)c->n, sizeof *c->fold) : NULL;
        r->no_memory = r->no_memory || (there && c->fold == NULL);
        r->failed = r->failed || c->fold == NULL;
    }
    for (int i = 0; c->fold != NULL && i < c->n; i++) {
        c->fold[i] = bytes_get_int(r, CONFORMAL_MAX_ROWS);
    }
    c->scores = get_values(r, (size_t)c->n * (size_t)model->o);
    check_known(r, c->scores, (size_t)c->n * (size_t)model->o);
    /* The counts tell which format is needed; publishing the model counts again. */
    struct err err = ERR_INIT;
    if (c->scores != NULL && conformal_count(c, model->o, &err) != ERR_OK) {
        r->no_memory = r->failed = true;
    }
    r->failed = r->failed || (format < 4 && c->counts != NULL);
    c->fold_noise = codec_get_array(r, (size_t)c->n_folds * (size_t)model->o);
}

/* ---- report ---- */

static void put_report(struct bytes_writer *w, const struct report *report)
{
    bytes_put_u32(w, (uint32_t)report->n_items);
    for (int i = 0; i < report->n_items; i++) {
        const struct report_item *item = &report->items[i];
        bytes_put_text(w, item->name);
        bytes_put_u32(w, item->scalar);
        bytes_put_u32(w, (uint32_t)item->n);
        put_known(w, item->values, (size_t)item->n);
    }
    bytes_put_u32(w, (uint32_t)report->n_warnings);
    for (int i = 0; i < report->n_warnings; i++) {
        bytes_put_text(w, report->warnings[i].code);
        bytes_put_text(w, report->warnings[i].text);
    }
}

/* A text of at most room - 1 bytes into `out`. */
static void get_short_text(struct bytes_reader *r, char *out, size_t room)
{
    char *text = bytes_get_text(r, room - 1);
    r->failed = r->failed || text == NULL;
    snprintf(out, room, "%s", text != NULL ? text : "");
    mem_free(text);
}

static void get_item(struct bytes_reader *r, struct report *report)
{
    struct err err = ERR_INIT;
    char name[REPORT_NAME_CHARS];
    get_short_text(r, name, sizeof name);
    bool scalar = bytes_get_int(r, 1) == 1;
    int n = bytes_get_int(r, REPORT_MAX_VALUES);
    double *values = get_values(r, (size_t)n);
    check_known(r, values, (size_t)n);
    r->failed = r->failed || (scalar && n != 1);
    if (!r->failed) {
        /* The item is within all limits, so only memory can be short. */
        r->failed = report_add(report, name, n, values, &err) != ERR_OK;
        r->no_memory = r->no_memory || r->failed;
    }
    if (!r->failed) {
        report->items[report->n_items - 1].scalar = scalar;
    }
    mem_free(values);
}

static void get_report(struct bytes_reader *r, struct report *report)
{
    struct err err = ERR_INIT;
    char code[REPORT_NAME_CHARS];
    char text[REPORT_TEXT_CHARS];
    int n_items = bytes_get_int(r, REPORT_MAX_ITEMS);
    for (int i = 0; i < n_items && !r->failed; i++) {
        get_item(r, report);
    }
    int n_warnings = bytes_get_int(r, REPORT_MAX_WARNINGS);
    for (int i = 0; i < n_warnings && !r->failed; i++) {
        get_short_text(r, code, sizeof code);
        get_short_text(r, text, sizeof text);
        if (!r->failed) {
            r->failed = report_warn(report, &err, code, "%s", text) != ERR_OK;
            r->no_memory = r->no_memory || r->failed;
            /* A code that comes twice is kept once. */
            r->failed = r->failed || report->n_warnings != i + 1;
        }
    }
}

/* ---- all of it ---- */

/* An optional list of k counts, at most `max` each. */
static void put_counts(struct bytes_writer *w, const int *counts, int k)
{
    bytes_put_u32(w, counts != NULL);
    for (int j = 0; counts != NULL && j < k; j++) {
        bytes_put_u32(w, (uint32_t)counts[j]);
    }
}

static int *get_counts(struct bytes_reader *r, int k, int max)
{
    if (bytes_get_int(r, 1) == 0 || r->failed || (size_t)k > r->left / sizeof(uint32_t)) {
        return NULL;
    }
    int *counts = mem_zalloc_array((size_t)k, sizeof *counts);
    r->no_memory = r->no_memory || counts == NULL;
    r->failed = r->failed || counts == NULL;
    for (int j = 0; counts != NULL && j < k; j++) {
        counts[j] = bytes_get_int(r, max);
    }
    return counts;
}

/* A model within the model: its bytes, or none. */
static void put_feasible(struct bytes_writer *w, const struct model *feasible)
{
    struct err err = ERR_INIT;
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (feasible != NULL && codec_encode(feasible, &bytes, &n, &err) != ERR_OK) {
        w->failed = true; /* there was no memory */
    }
    bytes_put_i64(w, (int64_t)n);
    if (n > 0) {
        bytes_put(w, bytes, n);
    }
    mem_free(bytes);
}

/* within: this is such a model already, in which there is no other. */
static void get_feasible(struct bytes_reader *r, bool within, struct model *model)
{
    struct err err = ERR_INIT;
    int64_t n = bytes_get_i64(r);
    if (r->failed || n <= 0 || (uint64_t)n > r->left || within) {
        r->failed = r->failed || n != 0;
        return;
    }
    const void *bytes = bytes_get(r, (size_t)n);
    if (bytes == NULL || codec_decode_within(bytes, (size_t)n, &model->feasible, &err) != ERR_OK) {
        r->no_memory = r->no_memory || err.code == ERR_NOMEM;
        r->failed = true;
    }
}

void codec_put_extra(struct bytes_writer *w, const struct model *model, uint32_t format)
{
    put_scores(w, model);
    put_calibration(w, model);
    put_report(w, &model->report);
    if (format >= 4) {
        put_counts(w, model->scores.counts, model->o);
        put_feasible(w, model->feasible);
    }
}

void codec_get_extra(struct bytes_reader *r, struct model *model, const struct codec_reading *how)
{
    get_scores(r, model);
    get_calibration(r, model, how->format);
    get_report(r, &model->report);
    if (how->format >= 4) {
        model->scores.counts = get_counts(r, model->o, model->scores.n_rows);
        get_feasible(r, how->within, model);
    }
}

static bool needs_format_4(const struct model *model)
{
    bool constant = false;
    for (int j = 0; j < model->d; j++) {
        constant = constant || scaler_is_constant(&model->in[j]);
    }
    for (int j = 0; j < model->o; j++) {
        constant = constant || scaler_is_constant(&model->out[j]);
    }
    return constant || model->scores.counts != NULL || model->conformal.counts != NULL ||
           model->feasible != NULL;
}

static bool needs_format_3(const struct model *model)
{
    struct score_list list[N_SCORES];
    struct scores copy = model->scores;
    bool scores = false;
    list_scores(&copy, list);
    for (int i = 0; i < N_SCORES && copy.n_rows > 0; i++) {
        scores = scores || *list[i].array != NULL;
    }
    return scores || model->noise_predicted || model->noise_of_logs ||
           model->gaussian.n_members > 0 || model->conformal.method != CONFORMAL_NONE ||
           model->report.n_items > 0 || model->report.n_warnings > 0;
}

uint32_t codec_format(const struct model *model)
{
    if (model->reduction != NULL) {
        return 6;
    }
    return model->space != NULL ? 5 : needs_format_4(model) ? 4 : needs_format_3(model) ? 3 : 2;
}
