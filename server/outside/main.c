/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated-train: a training without a server, in one process or over the ranks of MPI. All ranks
 * compute the whole training and share its tasks (core/base/ranks.h); rank 0 writes the version.
 */
#include "base/args.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/mem_account.h"
#include "base/threads.h"
#include "documents/cross_file.h"
#include "documents/job_json.h"
#include "formats/json_read.h"
#include "formats/model_file.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "model/space_rows.h"
#include "outside/teller.h"
#include "outside/folder.h"
#include "outside/inputs.h"
#include "outside/mpi_ranks.h"
#include "train/auto.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FAILED 1
#define EXIT_USAGE  2

enum {
    O_REQUEST,
    O_ROWS,
    O_OUT,
    O_SPACE,
    O_BASE,
    O_OUTPUTS,
    O_THREADS,
    O_CHECKPOINTS,
    O_EVERY,
    O_NAME,
    O_PROGRESS,
    O_RESULT,
    O_WHILE,
    O_CROSS,
    N_OPTIONS
};

static const struct arg_option options[N_OPTIONS] = {
    [O_REQUEST] = {.name = "request", .value = "FILE", .help = "the training request, JSON"},
    [O_ROWS] = {.name = "rows",
                .value = "FILE",
                .help = "inputs and outputs, .npy [n x (d + o)]; or the address of a server's"},
    [O_OUT] = {.name = "out", .value = "FILE", .help = "where the version is written"},
    [O_SPACE] = {.name = "space", .value = "FILE", .help = "the document of the input space"},
    [O_BASE] = {.name = "base", .value = "FILE", .help = "the version a warm start begins from"},
    [O_OUTPUTS] = {.name = "outputs",
                   .value = "N",
                   .help = "columns that are outputs, where there is no space",
                   .standard = "1"},
    [O_THREADS] = {.name = "threads",
                   .value = "N",
                   .help = "threads of each rank; 0: as the processors allow",
                   .standard = "0"},
    [O_CHECKPOINTS] = {.name = "checkpoints",
                       .value = "DIR",
                       .help = "where tasks keep their states, to go on from"},
    [O_EVERY] = {.name = "checkpoint-s",
                 .value = "S",
                 .help = "seconds between two states of a task",
                 .standard = "20"},
    [O_NAME] = {.name = "name", .value = "MODEL", .help = "the model's name", .standard = "model"},
    [O_PROGRESS] = {.name = "progress",
                    .value = "FILE",
                    .help = "where lines of progress are appended; else standard error"},
    [O_RESULT] = {.name = "result", .value = "FILE", .help = "where the end is told"},
    [O_WHILE] = {.name = "while", .value = "FILE", .help = "stop when this file is removed"},
    [O_CROSS] = {.name = "cross",
                 .value = "FILE",
                 .help = "where the predictions of auto's cross-validation are written"},
};

static const struct arg_command command = {
    .name = "surrogated-train",
    .summary = "train a version without a server, alone or under mpirun",
    .is_program = true,
    .usage = "--request FILE --rows FILE --out FILE [OPTION..]",
    .options = options,
    .n_options = N_OPTIONS,
    .allowed = ((uint64_t)1 << N_OPTIONS) - 1};

/* Set by a signal, of an alarm clock too. */
static struct cancel stop;

static void on_signal(int number)
{
    (void)number;
    cancel_request(&stop);
}

struct work {
    struct args args;
    struct ranks ranks;
    struct teller teller;
    struct inputs inputs;
    struct folder folder;
    struct rank_costs costs;
    struct mem_account account; /* of the limit of memory */
    int64_t begun_ns;           /* of that of seconds */
    struct ranks_checkpoint checkpoint;
    struct auto_table *table; /* mem */
    struct model *model;
    int n_threads;
    int64_t looked_ns; /* when the file of --while was looked for */
};

/* ---- training ---- */

/* Whoever started the training and is gone cannot stop it, but whoever comes after can. */
static void stop_without_file(struct work *work)
{
    const char *path = work->args.values[O_WHILE];
    int64_t now = clock_tick_ns();
    if (path != NULL && now - work->looked_ns >= CLOCK_S) {
        work->looked_ns = now;
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            cancel_request(&stop);
        }
    }
}

static void report(void *ctx, const struct progress *progress)
{
    struct work *work = ctx;
    stop_without_file(work);
    teller_progress(&work->teller, progress);
}

static double read_clock(void *ctx)
{
    (void)ctx;
    return (double)clock_ns() / (double)CLOCK_S;
}

/* The request with the chosen solver in place of auto. */
static enum err_code describe_chosen(void *ctx, const struct train_spec *chosen, char **text,
                                     struct err *err)
{
    const struct work *work = ctx;
    struct job_spec spec = work->inputs.spec;
    struct arena arena = ARENA_INIT;
    struct textbuf out = textbuf_in(&arena);
    spec.train = *chosen;
    spec.choice.on = false;
    spec.choice.chosen = true;
    spec.choice.table = work->table;
    job_json_write(&out, &spec);
    *text = textbuf_failed(&out) ? NULL : mem_strdup(out.data);
    arena_release(&arena);
    return *text != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the chosen settings");
}

/* For whoever compares the version with another one. */
static enum err_code write_cross(const struct work *work, const struct train_cross *cross,
                                 struct err *err)
{
    void *bytes = NULL;
    size_t n = 0;
    if (cross_file_encode(cross, &bytes, &n, err) == ERR_OK) {
        const struct folder_part part = {bytes, n};
        err_kept(folder_write_file(work->args.values[O_CROSS], 0, &part, 1, err));
    }
    mem_free(bytes);
    return err->code;
}

static enum err_code choose(struct work *work, const struct train_run *run, struct err *err)
{
    const struct auto_spec spec = job_spec_auto(&work->inputs.spec);
    struct train_cross cross = {.n = 0};
    /* Several ranks have several clocks; of them the limit ends the whole, and not a comparison. */
    double max_seconds = work->ranks.n == 1 ? (double)work->inputs.spec.limits.seconds : 0.0;
    max_seconds *= JOB_CHOICE_SHARE;
    bool timed = spec.seconds > 0.0 || max_seconds > 0.0;
    const struct auto_run choice = {.spec = &spec,
                                    .run = *run,
                                    .max_bytes = work->inputs.spec.limits.bytes,
                                    .max_seconds = max_seconds,
                                    .cross = &cross,
                                    .clock = timed ? read_clock : NULL,
                                    .describe = describe_chosen,
                                    .ctx = work};
    if (spec.seconds > 0.0 && work->ranks.n > 1) {
        return err_set(
            err, ERR_UNSUPPORTED,
            "a budget of seconds depends on the clock of each rank; a budget of fits, or "
            "one process, is needed");
    }
    work->table = mem_zalloc(sizeof *work->table);
    if (work->table == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates of auto");
    }
    if (auto_train(&choice, work->table, &work->model, err) == ERR_OK &&
        work->args.values[O_CROSS] != NULL && work->ranks.rank == 0) {
        err_kept(write_cross(work, &cross, err));
    }
    train_cross_release(&cross);
    return err->code;
}

static enum err_code train(struct work *work, struct err *err)
{
    struct inputs *in = &work->inputs;
    int width = in->space != NULL ? space_width(in->space) : in->data.d;
    const struct train_run run = {
        .spec = &in->spec.train,
        .data = in->data,
        .space = in->space,
        .base = in->base,
        .base_spec = in->knows_base_spec ? &in->base_spec.train : NULL,
        .n_threads = work->n_threads,
        .settings_text = in->request,
        .cancel = &stop,
        .checkpoint = &work->checkpoint.core,
        .progress = work->ranks.rank == 0 ? report : NULL,
        .progress_ctx = work,
    };
    if (in->spec.choice.on) {
        return choose(work, &run, err);
    }
    return train_resolve(&in->spec.train, width, in->data.o, err) == ERR_OK
               ? train_run(&run, &work->model, err)
               : err->code;
}

/* ---- the end ---- */

static enum err_code digest_text(const void *bytes, size_t n, char *hex, struct err *err)
{
    unsigned char digest[SHA256_BYTES];
    if (digest_sha256(bytes, n, digest, err) == ERR_OK) {
        digest_hex(digest, hex);
    }
    return err->code;
}

static enum err_code write_version(struct work *work, const unsigned char *content,
                                   size_t n_content, struct err *err)
{
    struct model_file file = {.version = 0, .content = content, .n_content = n_content};
    unsigned char head[MODEL_FILE_HEAD_MAX];
    size_t n_head = 0;
    unsigned char *whole = NULL;
    char hex[4][DIGEST_HEX_CHARS + 1];
    const char *result = work->args.values[O_RESULT];
    const char *name = work->args.values[O_NAME];
    rank_costs_close(&work->costs);
    snprintf(file.model, sizeof file.model, "%s", name != NULL ? name : options[O_NAME].standard);
    if (model_file_write_head(&file, head, &n_head, err) != ERR_OK) {
        return err->code;
    }
    const struct folder_part parts[] = {{head, n_head}, {content, n_content}};
    whole = mem_alloc(n_head + n_content);
    if (whole == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the version");
    }
    memcpy(whole, head, n_head);
    memcpy(whole + n_head, content, n_content);
    digest_hex(work->inputs.request_digest, hex[2]);
    digest_hex(work->inputs.rows_digest, hex[3]);
    if (digest_text(whole, n_head + n_content, hex[0], err) == ERR_OK &&
        digest_text(content, n_content, hex[1], err) == ERR_OK &&
        folder_write_file(work->args.values[O_OUT], 0, parts, 2, err) == ERR_OK && result != NULL) {
        const struct err none = ERR_INIT;
        const struct teller_result told = {.ranks = work->ranks.n,
                                           .costs = work->ranks.n > 1 ? &work->costs : NULL,
                                           .bytes = n_head + n_content,
                                           .sha256 = hex[0],
                                           .content_sha256 = hex[1],
                                           .request_sha256 = hex[2],
                                           .rows_sha256 = hex[3]};
        err_kept(teller_write_result(result, 0, &told, &none, err));
    }
    mem_free(whole);
    return err->code;
}

static enum err_code publish(struct work *work, struct err *err)
{
    unsigned char *content = NULL;
    size_t n = 0;
    if (work->ranks.rank == 0 && codec_encode(work->model, &content, &n, err) == ERR_OK) {
        err_kept(write_version(work, content, n, err));
    }
    mem_free(content);
    return err->code;
}

/* A failure is told by every rank that has one, since it may be the only one. */
static void tell_failure(struct work *work, const struct err *err)
{
    const char *result = work->args.values[O_RESULT];
    struct err lost = ERR_INIT;
    fprintf(stderr, "surrogated-train: rank %d: %s\n", work->ranks.rank, err_msg(err));
    if (result != NULL &&
        teller_write_result(result, work->ranks.rank, NULL, err, &lost) != ERR_OK) {
        fprintf(stderr, "surrogated-train: %s\n", err_msg(&lost));
    }
}

/* ---- limits ---- */

/* Those of the request hold for each rank. */
static void begin_limits(void *ctx, const struct job_limits *limits)
{
    struct work *work = ctx;
    work->account.limit = (size_t)limits->bytes;
    mem_account_use(&work->account);
    if (limits->seconds > 0) {
        signal(SIGALRM, on_signal);
        alarm((unsigned)(limits->seconds < INT_MAX ? limits->seconds : INT_MAX));
    }
}

/* Says of which limit an error came. */
static void explain_limits(const struct work *work, struct err *err)
{
    const struct job_limits *limits = &work->inputs.spec.limits;
    int64_t passed = clock_ns() - work->begun_ns;
    if (err->code == ERR_NOMEM && atomic_load(&work->account.refused)) {
        err_clear(err);
        err_set(err, ERR_LIMIT, "the training needs more memory than its limit of %lld MB",
                (long long)(limits->bytes / 1000000));
    } else if (err->code == ERR_CANCELLED && limits->seconds > 0 &&
               passed / CLOCK_S >= limits->seconds) {
        err_clear(err);
        err_set(err, ERR_LIMIT, "stopped at its limit of %lld s", (long long)limits->seconds);
    }
}

/* ---- the whole ---- */

/* The smallest number of threads of any rank: how much memory a training needs, and so which
 * candidates auto may try, depends on it. */
static enum err_code agree_on_threads(struct work *work, struct err *err)
{
    const struct ranks *ranks = &work->ranks;
    void *all = NULL;
    size_t *sizes = mem_zalloc_array((size_t)ranks->n, sizeof *sizes);
    if (sizes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to talk with %d ranks", ranks->n);
    }
    if (ranks->n > 1 && ranks->gather(ranks->ctx, &work->n_threads, sizeof work->n_threads, &all,
                                      sizes, err) == ERR_OK) {
        for (int i = 0; i < ranks->n; i++) {
            int n = 0;
            memcpy(&n, (const char *)all + (size_t)i * sizeof n, sizeof n);
            work->n_threads = n < work->n_threads ? n : work->n_threads;
        }
    }
    mem_free(all);
    mem_free(sizes);
    return err->code;
}

static enum err_code begin(struct work *work, struct err *err)
{
    const struct args *args = &work->args;
    const struct checkpoint *kept = NULL;
    int64_t outputs = 0;
    int64_t threads = 0;
    int64_t every = 0;
    if (args_int(args, O_OUTPUTS, 1, SPACE_MAX_OUTPUTS, &outputs, err) != ERR_OK ||
        args_int(args, O_THREADS, 0, PAR_MAX_THREADS, &threads, err) != ERR_OK ||
        args_int(args, O_EVERY, 0, 86400, &every, err) != ERR_OK) {
        return err->code;
    }
    int here = mpi_ranks_here(&work->ranks);
    int share = threads_n_cpus() / here;
    work->n_threads = threads > 0 ? (int)threads : share > 1 ? share : 1;
    const struct inputs_paths paths = {.request = args->values[O_REQUEST],
                                       .rows = args->values[O_ROWS],
                                       .space = args->values[O_SPACE],
                                       .base = args->values[O_BASE],
                                       .begin_limits = begin_limits,
                                       .ctx = work,
                                       .outputs = (int)outputs};
    if ((work->ranks.rank == 0 &&
         teller_open(&work->teller, args->values[O_PROGRESS], err) != ERR_OK) ||
        inputs_read(&work->inputs, &paths, &work->ranks, err) != ERR_OK) {
        return err->code;
    }
    if (args->values[O_CHECKPOINTS] != NULL) {
        if (folder_init(&work->folder, args->values[O_CHECKPOINTS], work->ranks.rank,
                        every * CLOCK_S, err) != ERR_OK) {
            return err->code;
        }
        memcpy(work->folder.identity, work->inputs.identity, SHA256_BYTES);
        kept = &work->folder.core;
    }
    rank_costs_init(&work->costs, &work->ranks);
    return agree_on_threads(work, err) == ERR_OK
               ? ranks_checkpoint_init(&work->checkpoint, &work->costs.core, kept, err)
               : err->code;
}

static enum err_code run(struct work *work, struct err *err)
{
    if (begin(work, err) != ERR_OK) {
        return err->code;
    }
    const struct data *data = &work->inputs.data;
    teller_tell_start(&work->teller, &(struct teller_start){.ranks = work->ranks.n,
                                                            .threads = work->n_threads,
                                                            .rows = data->n,
                                                            .inputs = data->d,
                                                            .outputs = data->o});
    err_kept(train(work, err));
    mem_account_use(NULL); /* a version in bytes is no part of its training */
    if (err->code == ERR_OK) {
        err_kept(publish(work, err));
    }
    ranks_checkpoint_release(&work->checkpoint);
    return err->code;
}

static enum err_code read_args(int argc, char **argv, struct arena *arena, struct args *args,
                               struct err *err)
{
    static const int needed[] = {O_REQUEST, O_ROWS, O_OUT};
    if (args_parse(&command, argc - 1, argv + 1, arena, args, err) != ERR_OK || args->wants_help) {
        return err->code;
    }
    if (args->n_words > 0) {
        return err_set(err, ERR_INVALID, "\"%.60s\" is not an option", args->words[0]);
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (args->values[needed[i]] == NULL) {
            return err_set(err, ERR_INVALID, "--%s is needed", options[needed[i]].name);
        }
    }
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct work work;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    int status = 0;
    signal(SIGPIPE, SIG_IGN);
    mem_configure();
    gemm_use_one_thread();
    json_read_init();
    if (read_args(argc, argv, &arena, &work.args, &err) != ERR_OK) {
        fprintf(stderr, "surrogated-train: %s\n`surrogated-train --help` shows how to use it\n",
                err_msg(&err));
        arena_release(&arena);
        return EXIT_USAGE;
    }
    if (work.args.wants_help) {
        args_print_help(&command, stdout);
        arena_release(&arena);
        return 0;
    }
    if (mpi_ranks_begin(&argc, &argv, &work.ranks, &err) == ERR_OK) {
        signal(SIGTERM, on_signal);
        signal(SIGINT, on_signal);
        work.begun_ns = clock_ns();
        err_kept(run(&work, &err));
        mem_account_use(NULL);
        explain_limits(&work, &err);
    }
    if (err.code != ERR_OK) {
        tell_failure(&work, &err);
        status = EXIT_FAILED;
    }
    teller_tell_end(&work.teller, &err);
    teller_close(&work.teller);
    model_unref(work.model);
    mem_free(work.table);
    inputs_release(&work.inputs);
    arena_release(&arena);
    return mpi_ranks_end(&work.ranks, status);
}
