/* SPDX-License-Identifier: Apache-2.0 */
/* One call with its settings, and calls in which each allocation fails in turn. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"

#define MAX_FAULTS 100000

/* ---- failing allocations ---- */

static int predict_mean(struct surr *s, const struct surr_rows *inputs)
{
    double mean[64];
    struct surr_prediction answer = {.n_outputs = 1, .mean = mean};
    probe_demand(inputs->n_rows <= 64, "too many rows");
    return surr_predict(s, inputs, &answer);
}

/* All of what a handle does; the first code that is not OK. words: of the last column; NULL: none.
 */
static int use_handle(char **argv, const struct probe_rows *rows, const struct surr_words *words)
{
    struct surr *s = NULL;
    struct probe_answer answer = {.type = SURR_REAL64};
    const struct surr_upload upload = {
        .inputs = {.values = rows->x,
                   .n_rows = rows->n,
                   .n_columns = rows->d,
                   .words = words,
                   .n_words = words != NULL ? 1 : 0},
        .outputs = {.values = rows->y, .n_rows = rows->n, .n_columns = rows->o},
        .key = "the-same"};
    struct surr_receipt receipt;
    int code = surr_open(&s, argv[0], argv[1]);
    bool server = strncmp(argv[0], "file:", 5) != 0;
    code = code != SURR_OK ? code : surr_set(s, "source", "a test");
    code = code != SURR_OK ? code : surr_shape(s, NULL, NULL);
    if (code == SURR_OK && words != NULL) {
        code = predict_mean(s, &upload.inputs);
    } else if (code == SURR_OK) {
        code = probe_predict(s, rows, &answer);
        probe_release_answer(&answer);
    }
    if (server) {
        code = code != SURR_OK ? code : surr_append(s, &upload, &receipt);
        code = code != SURR_OK || words != NULL ? code : surr_wait(s, atoll(argv[2]), 60.0, NULL);
    }
    probe_demand((code == SURR_OK) == (*surr_error(s) == '\0'), "code and message disagree");
    surr_close(s);
    return code;
}

int probe_faults(int argc, char **argv)
{
    struct probe_rows rows;
    probe_read_rows(&rows, true);
    const struct surr_words words = {.column = rows.d - 1, .words = (const char *const *)argv + 3};
    probe_demand(argc == 3 || argc == 3 + rows.n, "faults WHERE MODEL JOB [WORD ..]");
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        int code = SURR_NOMEM;
        long n = 0;
        while (code != SURR_OK && n < MAX_FAULTS) {
            long before = mem_live();
            mem_fail_after(++n, for_ever != 0);
            code = use_handle(argv, &rows, argc > 3 ? &words : NULL);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            if (code != SURR_OK && code != SURR_NOMEM) {
                fprintf(stderr, "allocation %ld: code %d\n", n, code);
            }
            probe_demand(code == SURR_OK || code == SURR_NOMEM,
                         "a failed allocation is told as something else");
            probe_demand(mem_live() == before, "memory is lost");
            probe_demand(code != SURR_OK || attempts < n, "a failed allocation was not noticed");
        }
        probe_demand(code == SURR_OK && n > 10, "no allocation was made");
        printf("%ld allocations\n", n - 1);
    }
    probe_release_rows(&rows);
    return 0;
}

/* ---- one call ---- */

static int call_predict(struct surr *s)
{
    struct probe_rows rows;
    struct probe_answer answer = {.type = SURR_REAL64};
    probe_read_rows(&rows, false);
    int code = probe_predict(s, &rows, &answer);
    if (code == SURR_OK) {
        printf("version %lld mean %.17g\n", (long long)answer.version,
               probe_number(&answer, &rows, 0, (const size_t[]){0, 0, 0}));
    }
    probe_release_answer(&answer);
    probe_release_rows(&rows);
    return code;
}

/* key: "-" for none; missing: "missing" */
static int call_append(struct surr *s, int argc, char **argv)
{
    struct probe_rows rows;
    struct surr_receipt receipt = {.batch = 0};
    probe_read_rows(&rows, true);
    const struct surr_upload upload = {
        .inputs = {.values = rows.x, .n_rows = rows.n, .n_columns = rows.d},
        .outputs = {.values = rows.y, .n_rows = rows.n, .n_columns = rows.o},
        .key = argc > 0 && strcmp(argv[0], "-") != 0 ? argv[0] : NULL,
        .missing = argc > 1 && strcmp(argv[1], "missing") == 0};
    int code = surr_append(s, &upload, &receipt);
    if (code == SURR_OK) {
        printf("batch %lld rows %lld of %lld%s\n", (long long)receipt.batch,
               (long long)receipt.n_rows, (long long)receipt.n_total_rows,
               receipt.repeated ? " repeated" : "");
    }
    probe_release_rows(&rows);
    return code;
}

/* words COLUMN WORD ..: appends (with outputs) and predicts rows whose column has these words. */
static int call_words(struct surr *s, int argc, char **argv)
{
    struct probe_rows rows;
    double mean[64], std[64];
    int code = SURR_OK;
    bool upload = argc > 1 && strcmp(argv[0], "append") == 0;
    probe_read_rows(&rows, upload);
    probe_demand(argc == rows.n + 2 && rows.n * rows.o <= 64, "words OPERATION COLUMN WORD ..");
    struct surr_words words = {.column = atoi(argv[1]), .words = (const char *const *)argv + 2};
    const struct surr_rows inputs = {
        .values = rows.x, .n_rows = rows.n, .n_columns = rows.d, .words = &words, .n_words = 1};
    if (upload) {
        const struct surr_upload all = {
            .inputs = inputs,
            .outputs = {.values = rows.y, .n_rows = rows.n, .n_columns = rows.o},
            .key = "words",
            .missing = 1};
        struct surr_receipt receipt = {.batch = 0};
        code = surr_append(s, &all, &receipt);
        printf("rows %lld\n", (long long)receipt.n_rows);
    } else {
        struct surr_prediction answer = {.n_outputs = rows.o, .mean = mean, .std = std};
        code = surr_predict(s, &inputs, &answer);
        for (int i = 0; code == SURR_OK && i < rows.n * rows.o; i++) {
            printf("%.17g %.17g\n", mean[i], std[i]);
        }
    }
    probe_release_rows(&rows);
    return code;
}

static int call_train(struct surr *s, int argc, char **argv)
{
    int64_t job = 0;
    int code = surr_train(s, argc > 0 ? argv[0] : NULL, &job);
    if (code == SURR_OK) {
        printf("job %lld\n", (long long)job);
    }
    return code;
}

static int call_wait(struct surr *s, int argc, char **argv)
{
    struct surr_job job;
    probe_demand(argc == 2, "wait JOB SECONDS");
    int code = surr_wait(s, atoll(argv[0]), atof(argv[1]), &job);
    printf("state %s version %lld promoted %d\n", job.state, (long long)job.version, job.promoted);
    return code;
}

static int call_shape(struct surr *s)
{
    int d = 0;
    int o = 0;
    int code = surr_shape(s, &d, &o);
    if (code == SURR_OK) {
        printf("shape %d %d\n", d, o);
    }
    return code;
}

static int call_operation(struct surr *s, int argc, char **argv)
{
    const char *name = argv[0];
    return strcmp(name, "predict") == 0  ? call_predict(s)
           : strcmp(name, "append") == 0 ? call_append(s, argc - 1, argv + 1)
           : strcmp(name, "words") == 0  ? call_words(s, argc - 1, argv + 1)
           : strcmp(name, "train") == 0  ? call_train(s, argc - 1, argv + 1)
           : strcmp(name, "wait") == 0   ? call_wait(s, argc - 1, argv + 1)
                                         : call_shape(s);
}

static const int watched_signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGALRM, SIGCHLD, SIGSEGV};
#define N_SIGNALS (sizeof watched_signals / sizeof *watched_signals)

/* What a library must leave as it is; sanitizers handle signals too. */
struct surroundings {
    struct sigaction actions[N_SIGNALS];
    int blas_threads;
};

static void note_surroundings(struct surroundings *out)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        sigaction(watched_signals[i], NULL, &out->actions[i]);
    }
    out->blas_threads = openblas_get_num_threads();
}

static void demand_untouched(const struct surroundings *before)
{
    struct surroundings now;
    note_surroundings(&now);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        probe_demand(now.actions[i].sa_handler == before->actions[i].sa_handler,
                     "a signal is handled otherwise");
    }
    probe_demand(now.blas_threads == before->blas_threads, "OpenBLAS has other threads");
}

/* WHERE MODEL NAME=VALUE .. OPERATION ..; "-" for WHERE and MODEL: NULL */
int probe_call(int argc, char **argv)
{
    struct surr *s = NULL;
    struct surroundings before;
    openblas_set_num_threads(2);
    note_surroundings(&before);
    int code = surr_open(&s, strcmp(argv[0], "-") == 0 ? NULL : argv[0],
                         strcmp(argv[1], "-") == 0 ? NULL : argv[1]);
    int at = 2;
    for (; code == SURR_OK && at < argc && strchr(argv[at], '=') != NULL; at++) {
        *strchr(argv[at], '=') = '\0';
        code = surr_set(s, argv[at], argv[at] + strlen(argv[at]) + 1);
    }
    if (code == SURR_OK && at < argc) {
        code = call_operation(s, argc - at, argv + at);
    }
    printf("%d %s\n", code, surr_error(s));
    probe_demand(strcmp(surr_code_text(code), "unknown code") != 0, "a code without a text");
    demand_untouched(&before);
    surr_close(s);
    return 0;
}
