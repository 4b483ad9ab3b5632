/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of design, suggest, optimize, analyses and calibrations; the first byte says which. What
 * is accepted is within its limits, a small design that follows lies in its region, and the text of
 * an analysis reads the same again, because a job keeps only that.
 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "documents/analyses/analysis_request.h"
#include "documents/explore/explore_json.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "model/model.h"

#define SMALL 16 /* points of a design that is made */

const struct seed fuzz_seeds[] = {
    SEED(
        "d{\"kind\":\"halton\",\"n\":4,\"seed\":2,\"scrambled\":false,\"skip\":3,\"hold_s\":0,"
        "\"bounds\":{\"k\":[0.2,0.5]},\"fixed\":{\"mesh\":\"fine\"},"
        "\"constraints\":[{\"coefficients\":{\"k\":1,\"n\":-0.5},\"at_most\":1,\"at_least\":-3}]}"),
    SEED("d{\"kind\":\"grid\",\"levels\":3,\"n\":9}"),
    SEED("d{\"kind\":\"lhs\",\"n\":5,\"maximin\":false,\"extend\":true}"),
    SEED("d{\"kind\":\"maximin\",\"n\":2,\"constraints\":[{\"coefficients\":{\"k\":1,\"h\":1},"
         "\"at_most\":0.6,\"at_least\":0.6}]}"),
    SEED("s{\"criterion\":\"level_set\",\"n\":2,\"output\":\"T\",\"threshold\":1,\"k\":2,"
         "\"goal\":\"max\",\"candidates\":[[0.2,1.5,3,\"fine\"],{\"k\":0.3,\"mesh\":\"coarse\"}],"
         "\"costs\":[1,2.5],\"pending\":[[0.1,1,2,\"coarse\"]],\"references\":12,\"best\":0.5}"),
    SEED("s{\"outputs\":[\"T\",1],\"candidates\":50,\"search\":false}"),
    SEED("o{\"objective\":{\"output\":\"T\",\"of\":\"bound\",\"k\":-2,\"goal\":\"max\"},"
         "\"limits\":[{\"output\":\"u\",\"at_most\":1,\"at_least\":-1}],\"starts\":2,\"draws\":3}"),
    SEED("o{\"objectives\":[{\"output\":0},{\"output\":1,\"of\":\"quantile\",\"level\":0.9}],"
         "\"method\":\"weighted_sum\",\"population\":8,\"candidates\":20}"),
    SEED("a{\"kind\":\"sobol\",\"seed\":1,\"points\":256,\"replicates\":4,\"draws\":2,"
         "\"second_order\":true,\"groups\":[[\"k\",\"n\"]],\"outputs\":[\"T\"],"
         "\"fixed\":{\"h\":1.5}}"),
    SEED("a{\"kind\":\"shapley\",\"correlation\":[{\"inputs\":[\"k\",\"h\"],\"value\":0.6}]}"),
    SEED("a{\"kind\":\"failure\",\"region\":[{\"output\":\"T\",\"above\":0.9}],"
         "\"method\":\"subset\"}"),
    SEED("a{\"kind\":\"slices\",\"slices\":[[\"k\"],[\"k\",\"h\"]],\"grid\":5,\"at\":{\"k\":0.4}}"),
    SEED("a{\"kind\":\"propagate\",\"quantiles\":[0.05,0.95],\"bins\":5,"
         "\"space\":{\"inputs\":[\"k\",\"h\",\"n\"],\"outputs\":[\"T\",\"u\"]}}"),
    SEED("c{\"experiments\":[{\"fixed\":{\"n\":2},\"outputs\":[[1.3,0.4],[1.1,0.7]]}],"
         "\"sigma\":{\"T\":0.3,\"u\":0.1},\"chains\":2,\"warmup\":10,\"samples\":20,"
         "\"surrogate_error\":\"draws\",\"discrepancy\":true,\"scale\":{\"T\":0.2,\"u\":1}}"),
    SEED("c{\"experiments\":[{\"outputs\":[[1]]}],\"outputs\":[\"T\"],\"covariance\":[[0.1]]}"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"constraints\":["),
                                  SEED("\"coefficients\":{\"k\":1}"),
                                  SEED("\"at_least\":"),
                                  SEED("\"at_most\":"),
                                  SEED("\"candidates\":["),
                                  SEED("\"objectives\":["),
                                  SEED("\"morris\""),
                                  SEED("\"active_subspace\""),
                                  SEED("1e300"),
                                  SEED("-0"),
                                  SEED("null"),
                                  SEED("\"mesh\":\"fine\""),
                                  SEEDS_END};

/* ---- a space and a model that requests are about ---- */

static const char mixed_text[] =
    "{\"inputs\":[{\"name\":\"k\",\"bounds\":[0.1,1]},"
    "{\"name\":\"h\",\"distribution\":{\"kind\":\"normal\",\"mean\":1,\"std\":0.5}},"
    "{\"name\":\"n\",\"type\":\"integer\",\"bounds\":[1,4]},"
    "{\"name\":\"mesh\",\"type\":\"category\",\"values\":[\"coarse\",\"fine\"],"
    "\"default\":\"fine\"}],\"outputs\":[\"T\",\"u\"]}";
static const char plain_text[] = "{\"inputs\":[{\"name\":\"k\",\"bounds\":[0.1,1]},"
                                 "{\"name\":\"h\",\"bounds\":[1,2]},"
                                 "{\"name\":\"n\",\"type\":\"integer\",\"bounds\":[1,4]}],"
                                 "\"outputs\":[\"T\",\"u\"]}";

static struct space *mixed;
static struct space *plain;
static struct model *model;

static void make_subjects(void)
{
    struct err err = ERR_INIT;
    const struct arch arch = arch_default(3, 2);
    json_read_init();
    if (space_json_parse(mixed_text, sizeof mixed_text - 1, &mixed, &err) != ERR_OK ||
        space_json_parse(plain_text, sizeof plain_text - 1, &plain, &err) != ERR_OK ||
        model_new(&arch, 3, &model, &err) != ERR_OK || model_publish(model, &err) != ERR_OK) {
        abort();
    }
}

/* ---- explorations ---- */

static void make_design(const struct region *region, const struct design_spec *spec,
                        struct arena *arena)
{
    struct err err = ERR_INIT;
    struct design design;
    if (spec->n > SMALL || spec->levels > SMALL || spec->skip > SMALL ||
        design_make(region, spec, arena, &design, &err) != ERR_OK) {
        return;
    }
    for (int i = 0; i < design.n; i++) {
        const double *x = design.x + (size_t)i * (size_t)region->d;
        bool finite = true;
        for (int j = 0; j < region->d; j++) {
            finite = finite && isfinite(x[j]);
        }
        if (!finite || !region_holds(region, x)) {
            abort();
        }
    }
}

static enum err_code read_exploration(char kind, struct explore_request *request, struct err *err)
{
    struct suggest_spec suggest = {.n_threads = 1};
    struct explore_points pending;
    struct explore_optimize optimize;
    struct design_spec design;
    struct region region;
    bool extend;
    if (kind == 's') {
        if (explore_suggest_read(request, &suggest, &pending, err) == ERR_OK &&
            (suggest.n < 1 || suggest.n_candidates < 1 ||
             suggest.n_candidates > SUGGEST_MAX_CANDIDATES || suggest.n_outputs < 1 ||
             suggest.n_outputs > request->space->o || pending.n > SUGGEST_MAX_PENDING)) {
            abort();
        }
        return err->code;
    }
    if (kind == 'o') {
        if (explore_optimize_read(request, &optimize, err) == ERR_OK &&
            (optimize.n_objectives < 1 || optimize.n_terms > TERMS_MAX ||
             optimize.n_terms < optimize.n_objectives)) {
            abort();
        }
        return err->code;
    }
    if (explore_design_read(request, &design, &extend, err) == ERR_OK &&
        region_init(&region, &request->region, request->arena, err) == ERR_OK) {
        make_design(&region, &design, request->arena);
    }
    return err->code;
}

static void check_exploration(char kind, const char *text, size_t size, struct arena *arena)
{
    struct err err = ERR_INIT;
    json_t *body = NULL;
    if (json_read_parse(text, size, arena, &body, &err) == ERR_OK && json_is_object(body)) {
        struct explore_request request = {.body = body, .space = mixed, .arena = arena};
        if (read_exploration(kind, &request, &err) != ERR_OK && err.msg[0] == '\0') {
            abort();
        }
    }
}

/* ---- analyses and calibrations ---- */

static void check_analysis(bool calibrates, const char *text, size_t size, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct analysis_request first = {.space = NULL};
    struct analysis_request second = {.space = NULL};
    struct textbuf once = textbuf_in(arena);
    struct textbuf twice = textbuf_in(arena);
    const struct analysis_subject subject = {
        .model = model, .space = plain, .calibrates = calibrates};
    if (analysis_request_parse(text, size, &subject, &first, &err) == ERR_OK) {
        analysis_request_write(&once, &first, 1);
        if (analysis_request_parse(once.data, once.len, &subject, &second, &err) != ERR_OK) {
            abort();
        }
        analysis_request_write(&twice, &second, 1);
        if (strcmp(once.data, twice.data) != 0) {
            abort();
        }
    } else if (err.msg[0] == '\0') {
        abort();
    }
    analysis_request_release(&first);
    analysis_request_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    if (begun++ == 0) {
        make_subjects();
    }
    if (size > 0) {
        char kind = (char)data[0];
        char *text = arena_strndup(&arena, (const char *)data + 1, size - 1);
        if (kind == 'a' || kind == 'c') {
            check_analysis(kind == 'c', text, size - 1, &arena);
        } else {
            check_exploration(kind, text, size - 1, &arena);
        }
    }
    arena_release(&arena);
    return 0;
}
