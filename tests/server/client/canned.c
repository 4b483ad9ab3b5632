/* SPDX-License-Identifier: Apache-2.0 */
#include "canned.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- documents of a model of two inputs and two outputs ---- */

#define NAMES "\"names\":{\"inputs\":[\"k\",\"T\"],\"outputs\":[\"p\",\"q\"]}"
#define SERIES                                                                                     \
    "[0.05,0.1,0.15,0.2,0.25,0.3,0.35,0.4,0.45,0.5,0.55,0.6,0.65,0.7,0.75,0.8,0.85,0.9,0.95]"
#define SIGMA   "\"noise\":{\"sigma\":[0.1,0.2]}"
#define NETWORK "{\"inputs\":2,\"outputs\":2,\"width\":2,\"layers\":0,\"basis\":\"constant\"}"
#define OUTPUTS "{\"name\":\"output\",\"labels\":[\"p\",\"q\"]}"
#define PAIR    "[[0.4,0.1],[0.2,0.3]]"
#define EFFECTS                                                                                    \
    "\"axes\":[" OUTPUTS ",{\"name\":\"input\",\"labels\":[\"k\",\"T\"]}],\"estimate\":" PAIR      \
    ",\"sampling_error\":" PAIR ",\"surrogate_error\":" PAIR ",\"lower\":" PAIR ",\"upper\":" PAIR
#define CELLS "[[0.5,4],[1,2]]"

static const struct {
    const char *method, *path; /* the end of the path, without its query */
    const char *answer;
} documents[] = {
    {"GET", "/v1/models",
     "{\"models\":[{\"name\":\"m\",\"rows\":4,\"versions\":1,\"default_version\":1,"
     "\"created\":\"2026-01-01T00:00:00.000Z\"}]}"},
    {"GET", "/v1/models/m",
     "{\"model\":{\"name\":\"m\",\"rows\":4,\"versions\":1,\"default_version\":1,"
     "\"created\":\"2026-01-01T00:00:00.000Z\",\"warnings\":[]},\"versions\":[{\"version\":1,"
     "\"default\":true,\"draws\":3,\"solver\":\"nuts\",\"bytes\":99,"
     "\"created\":\"2026-01-01T00:00:00.000Z\",\"scores\":null,\"training_data\":null}],"
     "\"aliases\":[]}"},
    {"GET", "/versions/@default",
     "{\"model\":\"m\",\"version\":1,\"solver\":\"nuts\",\"architecture\":" NETWORK "," NAMES
     ",\"units\":{\"inputs\":[\"W\",null],\"outputs\":[\"Pa\",null]}," SIGMA
     ",\"training_range\":[[0.1,1],[0,1]]}"},
    {"GET", "/versions/@default/rows",
     "{\"model\":\"m\",\"version\":1,\"parts\":[\"trained\",\"kept_out\",\"unknown\",\"later\"],"
     "\"rows\":[0,1,2,3]}"},
    {"GET", "/data/rows",
     "{" NAMES ",\"inputs\":[[0.1,0],[0.4,0.3],[0.7,1],[1,0.5]],"
     "\"outputs\":[[1,2],[2,null],[3,1],[4,0]]}"},
    {"GET", "/v1/models/m/data",
     "{\"model\":\"m\",\"rows\":4,\"failed_rows\":0,\"batches\":1,\"inputs\":2,\"outputs\":2,"
     "\"columns\":[]}"},
    {"GET", "/diagnostics",
     "{\"model\":\"m\",\"version\":1,\"solver\":\"nuts\",\"seed\":1,\"draws\":3,\"parameters\":18,"
     "\"posterior\":{\"kind\":\"draws\"}," NAMES "," SIGMA ",\"precision\":\"float64\","
     "\"float32_error\":null,\"scores\":{\"rows\":10,\"relative_error\":0.1,\"rmse\":[0.1,0.2],"
     "\"output_range\":[[0,1],[0,2]],\"nll\":[1,2],\"nll_draws\":[1,2],\"crps\":[0.1,0.2],"
     "\"coverage\":[[0.5,0.9,0.95],[0.4,0.8,1]],\"width\":[[1,2,3],[1,2,3]],\"calibration\":"
     "[" SERIES "," SERIES
     "]},\"calibration\":null,\"auto\":null,\"warnings\":[{\"code\":\"few_rows\","
     "\"text\":\"few\"}],\"report\":{\"predictions.rows\":[0,2],\"predictions.rhat\":[1.01,1.2],"
     "\"predictions.ess_bulk\":[9,8]"
     ","
     "\"predictions.ess_tail\":[5,6],\"chains.accept\":[0.8,0.9],\"evidence.relevance\":[1,0.5],"
     "\"evidence.effective_parameters.inputs\":[2,1],\"evidence.effective_parameters.post\":[3]}}"},
    {"GET", "/export",
     "{\"architecture\":" NETWORK ",\"posterior\":{\"kind\":\"draws\",\"parameters\":["
     "[1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0.5,0.2],[1,0.5,0,1,0,0,1,0,0,1,0,0,1,0,0.3,1,0.5,0.2],"
     "[0,0,0.7,1,0,0,1,0,0.2,1,0,0,1,0,0,1,0.1,0.4]]}," SIGMA ",\"report\":{"
     "\"chains.accept\":[0.8]}}"},
    {"GET", "/v1/jobs",
     "{\"jobs\":[{\"id\":4,\"model\":\"m\",\"kind\":\"calibration\",\"state\":\"succeeded\","
     "\"started_from\":1},{\"id\":3,\"model\":\"m\",\"kind\":\"calibration\","
     "\"state\":\"succeeded\",\"started_from\":1},{\"id\":2,\"model\":\"m\","
     "\"kind\":\"analysis\",\"state\":\"succeeded\",\"started_from\":1},{\"id\":1,\"model\":\"m\","
     "\"kind\":\"train\",\"state\":\"succeeded\",\"version\":1}]}"},
    {"GET", "/v1/jobs/1",
     "{\"id\":1,\"model\":\"m\",\"kind\":\"train\",\"state\":\"succeeded\",\"version\":1,"
     "\"promoted\":true,\"progress\":{\"fraction\":1},\"warnings\":[]}"},
    {"GET", "/v1/jobs/1/curves",
     "{\"members\":[{\"step\":[1,2,3],\"loss\":[1,0.1,0.01],\"kept\":[2,0.5,0.4]},"
     "{\"step\":[1,2],\"loss\":[2,1],\"kept\":[null,null]}]}"},
    {"GET", "/v1/jobs/2/result",
     "{\"kind\":\"sobol\",\"draws\":3,\"evaluations\":64,\"tables\":[{\"name\":\"first\"," EFFECTS
     "},{\"name\":\"total\"," EFFECTS "},{\"name\":\"second\",\"axes\":[" OUTPUTS
     ",{\"name\":\"pair\",\"labels\":[\"k, T\"]}],\"estimate\":[[0.1],[0]],"
     "\"sampling_error\":[[0.1],[0]],\"surrogate_error\":[[0.1],[0]]}]}"},
    {"GET", "/v1/jobs/3/result",
     "{\"kind\":\"calibration\",\"parameters\":[{\"name\":\"k\",\"mean\":0.5},{\"name\":\"T\"}],"
     "\"samples\":[[0.1,0.2],[0.3,0.4],[0.5,0.1]]}"},
    {"GET", "/v1/jobs/4/result",
     "{\"kind\":\"history\",\"waves\":[{\"version\":1,\"share\":0.2}],\"inputs\":[{\"name\":\"k\","
     "\"values\":[0.1,1],\"minimum\":[1,2]},{\"name\":\"T\",\"values\":[\"a\",\"b\"],"
     "\"minimum\":[1,null]}],\"pairs\":[{\"inputs\":[\"k\",\"T\"],\"depth\":" CELLS
     ",\"minimum\":" CELLS "}],\"points\":[[0.2,0.3]],\"request\":{\"cutoff\":3}}"},
    {"POST", "/suggest",
     "{\"model\":\"m\",\"version\":1," NAMES ",\"points\":[[0.2,1.5],[0.9,0.1]],\"ids\":[1,2]}"},
    {"POST", "/design", "{\"model\":\"m\"," NAMES ",\"points\":[[0.2,1.5]],\"ids\":null}"},
    {"POST", "/optimize",
     "{\"model\":\"m\",\"version\":1," NAMES ",\"front\":{\"points\":[[1,0],[0,1]],"
     "\"values\":[[1,2],[2,1]]},\"draws\":{\"fronts\":[{\"values\":[[3,1],[1,3]]},"
     "{\"values\":[[2,2]]}]}}"},
};

/* ---- predictions ---- */

/* Text that grows. */
struct text {
    char *data;
    size_t len, room;
};

static void add(struct text *text, const char *fmt, ...)
{
    va_list args;
    if (text->room - text->len < 64) {
        text->room = 2 * text->room + 4096;
        char *data = realloc(text->data, text->room);
        if (data == NULL) {
            abort();
        }
        text->data = data;
    }
    va_start(args, fmt);
    text->len += (size_t)vsnprintf(text->data + text->len, text->room - text->len, fmt, args);
    va_end(args);
}

/* Rows of "inputs":[[..],[..]]: as many as brackets are opened within. */
static size_t count_rows(const char *body, size_t n_body)
{
    const char *at = n_body > 0 ? strstr(body, "\"inputs\":[") : NULL;
    size_t rows = 0;
    for (at = at != NULL ? at + 10 : NULL; at != NULL && *at != ']'; at++) {
        if (*at == '[') {
            rows++;
            at += strcspn(at, "]");
        }
    }
    return rows;
}

static void add_results(struct text *text, const char *name, size_t rows)
{
    add(text, ",\"%s\":[", name);
    for (size_t i = 0; i < rows; i++) {
        add(text, "%s[%zu,%zu.5]", i > 0 ? "," : "", i % 7 + 1, i % 5);
    }
    add(text, "]");
}

static char *predict(const char *body, size_t n_body)
{
    struct text text = {.data = NULL};
    size_t nested = count_rows(body, n_body);
    size_t rows = nested > 0 ? nested : 1; /* "inputs":[1,2] is one row */
    add(&text, "{\"model\":\"m\",\"version\":1,\"draws\":3");
    add_results(&text, "mean", rows);
    add_results(&text, "std", rows);
    add_results(&text, "noise_variance", rows);
    if (n_body > 0 && strstr(body, "covariance") != NULL) {
        add(&text, ",\"covariance\":[[[4,1],[1,2]]]");
    }
    add(&text, ",\"warnings\":[]}");
    return text.data;
}

/* ---- all ---- */

/* Does the path end so, its query aside? One that begins at the root has to be the same. */
static bool matches(const char *path, const char *wanted)
{
    size_t len = strcspn(path, "?");
    size_t end = strlen(wanted);
    bool whole = strncmp(wanted, "/v1/", 4) == 0;
    return (whole ? len == end : len >= end) && strncmp(path + len - end, wanted, end) == 0;
}

char *canned_answer(const char *method, const char *path, const char *body, size_t n_body)
{
    if (strcmp(method, "POST") == 0 && matches(path, "/predict")) {
        return predict(body, n_body);
    }
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        if (strcmp(method, documents[i].method) == 0 && matches(path, documents[i].path)) {
            return strdup(documents[i].answer);
        }
    }
    return NULL;
}
