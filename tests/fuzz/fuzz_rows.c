/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of requests under a space: "missing" of the query, the content type, and a body of JSON, CSV
 * or npy. What is read for a prediction and for an evaluation are values of the space.
 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>

#include "api/native/prediction_request.h"
#include "api/rows/labelled.h"
#include "base/mem.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "lines.h"

#define MAX_ROWS 50

enum { D = 3, O = 2, N_MEMBERS = 3 };

static const char document[] =
    "{\"inputs\":[\"k\",{\"name\":\"n\",\"type\":\"integer\",\"default\":2},{\"name\":\"m\","
    "\"type\":"
    "\"category\",\"values\":[\"a\",7,\"\xc3\xa9\"]}],\"outputs\":[\"y\",\"z\"]}";

const struct seed fuzz_seeds[] = {
    SEED("\napplication/json\n{\"inputs\":[[0.5,1,\"a\"],{\"m\":7,\"k\":1}],\"outputs\":[[1,2],[3,"
         "null]],\"status\":[\"ok\",\"ok\"]}"),
    SEED("allow\ntext/csv\nz,m,k,n,y\n1,7,0.5,2,\n2,\xc3\xa9,1D-1,3,4\n"),
    SEED("\ntext/csv; header=absent; separator=blanks\n0.5 1 a 2 3\n"),
    SEED("\ntext/csv\nk;n;m;y;z;status\n0,5;1;a;1;2;ok\n0,5;1;a;;;failed\n"),
    SEED("\ntext/csv\nm,n,k\na,1,0.5\n"),
    SEED("\napplication/json\n{\"inputs\":[[0.5,1,\"a\"]]}"),
    SEED("refuse\ntext/tab-separated-values\nm\tn\tk\na\t1\t0.5\n"),
    SEED("\napplication/x-npy\n\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, "
         "'shape': (1, 3), }          \n\0\0\0\0\0\0\xf0?\0\0\0\0\0\0\xf0?\0\0\0\0\0\0\x1c@"),
    SEED(
        "allow\napplication/x-npy\n\x93NUMPY\x01\x00\x66\x00{'descr': [('m', '<f4'), ('k', '<f4'), "
        "('n', '<f4')], 'fortran_order': False, 'shape': (1,), }    \n\0\0\xe0@\0\0\0\0\0\0\0@"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"inputs\":"), SEED("\"outputs\":"), SEED("\"status\":["),
                                  SEED("failed"),      SEED("\"names\":"),   SEED("null"),
                                  SEED("header="),     SEED("separator="),   SEED("'<f4'"),
                                  SEED("nan"),         SEED("\xc3\xa9"),     SEEDS_END};

/* ---- what every row must be ---- */

static void check_inputs(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++, x += D) {
        if (!isfinite(x[0]) || !isfinite(x[1]) || x[1] != floor(x[1]) ||
            !(x[2] == 0.0 || x[2] == 1.0 || x[2] == N_MEMBERS - 1)) {
            abort();
        }
    }
}

static void check_outputs(const double *y, size_t n, bool holes)
{
    for (size_t i = 0; i < n * O; i++) {
        if (isinf(y[i]) || (isnan(y[i]) && !holes)) {
            abort();
        }
    }
}

/* ---- requests ---- */

static void evaluate(const struct request *req, const struct model *model)
{
    struct labelled labelled;
    struct err err = ERR_INIT;
    struct data data = {.n = 0};
    if (labelled_parse(req, MAX_ROWS, 0, &labelled, &err) != ERR_OK ||
        labelled_rows(&labelled, req, model, &data, &err) != ERR_OK) {
        return;
    }
    if (data.n < 1 || data.n > MAX_ROWS || data.d != D || data.o != O) {
        abort();
    }
    check_inputs(data.x, (size_t)data.n);
    /* Only what nobody may leave out in an array is never missing. */
    check_outputs(data.y, (size_t)data.n, !labelled.is_npy || labelled.may_miss);
}

static void predict(const struct request *req, const struct model *model)
{
    struct prediction_request request;
    struct err err = ERR_INIT;
    if (prediction_request_read(req, MAX_ROWS, 0, &request, &err) != ERR_OK ||
        prediction_request_fit(&request, req, MAX_ROWS, model, &err) != ERR_OK) {
        return;
    }
    if (request.predict.n < 1 || request.predict.n > MAX_ROWS || request.n_inputs != D) {
        abort();
    }
    check_inputs(request.predict.x, (size_t)request.predict.n);
}

static struct space *make_space(void)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct space *space = NULL;
    json_t *value = NULL;
    json_read_init();
    if (json_read_parse(document, sizeof document - 1, &arena, &value, &err) != ERR_OK ||
        space_json_read(value, &space, &err) != ERR_OK) {
        abort();
    }
    arena_release(&arena);
    return space;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct space *space;
    static struct scaler scalers[D]; /* SCALER_NONE */
    struct arena arena = ARENA_INIT;
    if (space == NULL) {
        space = make_space();
    }
    const struct model model = {.d = D, .o = O, .m = 1, .space = space, .in = scalers};
    char *rest = arena_strndup(&arena, (const char *)data, size);
    const char *end = rest + size;
    struct header query = {"missing", next_line(&rest)};
    struct header type = {"Content-Type", next_line(&rest)};
    struct request req = {.headers = &type,
                          .n_headers = 1,
                          .query = &query,
                          .n_query = query.value[0] != '\0',
                          .body = rest,
                          .n_body = (size_t)(end - rest),
                          .arena = &arena};
    evaluate(&req, &model);
    req.n_query = 0;
    predict(&req, &model);
    arena_release(&arena);
    return 0;
}
