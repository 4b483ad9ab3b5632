/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wiring and signals. The start opens the registry file, starts the background threads and the
 * socket, and loads the models. On SIGTERM or SIGINT the server is no longer ready and refuses new
 * requests; requests under way end, the running job goes back to the queue, and the file is closed.
 */
#include "access/stream_places.h"
#include "api/app.h"
#include "api/dispatch.h"
#include "background.h"
#include "base/address.h"
#include "base/core_file.h"
#include "base/log_writer.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "notify.h"
#include "base/threads.h"
#include "base/version.h"
#include "cli.h"
#include "client/client.h"
#include "client/healthcheck.h"
#include "formats/json_read.h"
#include "tls/certificate.h"
#include "http/daemon.h"
#include "announce.h"
#include "live/follow.h"
#include "live/preload.h"
#include "maintain.h"
#include "math/gemm.h"
#include "math/vtanh.h"
#include "reload.h"
#include "store/store.h"
#include "token_command.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_USAGE   2
#define EXIT_FAILED  1
#define LAST_WORDS_S 1
#define OTHER_FILES  64 /* the registry by several connections, the log, listening sockets */
#define MEGABYTE     1000000

struct server {
    struct app app;
    struct origin_rules origin;
    struct proxies proxies;
    struct log log;
    struct metrics metrics;
    struct daemon *daemon;
    struct health health;
    struct stream_places streams;
    struct watch *watch;
    struct announce *announce;
    int n_listen_fds; /* sockets handed over by systemd, from NOTIFY_FIRST_FD on */
    struct reload reload;
};

static void log_failure(const struct log *log, const char *what, const struct err *err)
{
    log_error(log, what, "reason", err_msg(err), NULL);
}

static enum err_code start_follow(struct server *server, const struct config *config,
                                  struct err *err)
{
    struct follow_settings settings = {
        .db = server->app.db,
        .models = server->app.models,
        .log = &server->log,
        .metrics = &server->metrics,
        .period_ms = config->follow_ms,
    };
    struct follow *follow = NULL;
    if (config->read_only && follow_start(&settings, &follow, err) == ERR_OK) {
        atomic_store(&server->app.follow, follow);
    }
    return err->code;
}

static enum err_code start_batcher(struct server *server, const struct config *config,
                                   struct err *err)
{
    struct batcher_settings settings = {
        .n_threads = config->predict_threads,
        .max_items = config->max_connections,
        .max_rows = config->queue_rows,
        .batch_rows = config->batch_rows,
        .metrics = &server->metrics,
    };
    return batcher_start(&settings, &server->app.batcher, err);
}

static enum err_code start_offload(struct server *server, const struct config *config,
                                   struct err *err)
{
    struct offload_settings settings = {.n_threads = config->write_threads, .log = &server->log};
    return offload_start(&settings, &server->app.offload, err);
}

static enum err_code start_http(struct server *server, const struct config *config, struct err *err)
{
    struct daemon_settings settings = {
        .first_fd = NOTIFY_FIRST_FD,
        .n_fds = server->n_listen_fds,
        .listen = config->listen,
        .n_threads = config->http_threads,
        .tls_cert = config->tls_cert,
        .tls_key = config->tls_key,
        .tls_client_ca = config->tls_client_ca,
        .max_connections = config->max_connections,
        .max_peer_connections = config->max_peer_connections,
        .idle_timeout_s = config->idle_timeout_s,
        .head_timeout_s = config->head_timeout_s,
        .min_rate = config->min_rate,
        .max_body_bytes = (size_t)config->max_body_bytes,
        .bodies_bytes = (size_t)config->bodies_mb * MEGABYTE,
        .log = &server->log,
        .proxies = proxies_are_none(&server->proxies) ? NULL : &server->proxies,
        .peers = server->app.peers,
        .head = dispatch_head,
        .handler = dispatch,
        .sent = dispatch_sent,
        .over = dispatch_over,
        .run_gathered = dispatch_gathered,
        .ctx = &server->app,
    };
    if (address_mode_parse(config->socket_mode, &settings.socket_mode, err) != ERR_OK) {
        return err->code;
    }
    return daemon_start(&settings, &server->daemon, err);
}

/* config_finish knows both names. */
static enum err_code start_log(struct log *log, const struct config *config, struct err *err)
{
    log->fd = STDERR_FILENO;
    log->level = names_find(log_level_known(), config->log_level);
    log->format = (enum log_format)names_find(log_format_known(), config->log_format);
    return log_writer_start(log->fd, &log->writer, err);
}

/* The soft limit is often 1024 while the hard one has room. */
static void raise_descriptor_limit(const struct log *log, const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        limit = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised : limit;
    }
    rlim_t needed = (rlim_t)(config->max_connections + 3 * config->http_threads + OTHER_FILES);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        log_warn(log, "too few open files for max_connections", "allowed", LOG_INT(limit.rlim_cur),
                 "needed", LOG_INT(needed), "remedy",
                 "raise LimitNOFILE or ulimit -Hn, or lower max_connections", NULL);
    }
}

/* The server is not ready before that. */
static enum err_code load_models(struct server *server, const struct config *config,
                                 struct err *err)
{
    const struct preload_settings settings = {.db = server->app.db,
                                              .models = server->app.models,
                                              .log = &server->log,
                                              .patterns = config->preload,
                                              .n_threads = config->predict_threads};
    if (strcmp(config->preload, "none") != 0 && preload_run(&settings, err) != ERR_OK) {
        return err->code;
    }
    return models_load(server->app.models, err);
}

/* The socket opens before the models are loaded, so that /readyz can say so meanwhile. */
static enum err_code start_server(struct server *server, const struct config *config,
                                  struct err *err)
{
    int n_labels;
    const char *const *labels = dispatch_labels(&n_labels);
    struct db_settings db = {.path = config->db,
                             .read_only = config->read_only,
                             .reserve_bytes = (int64_t)config->reserve_mb * MEGABYTE};
    server->app.config = config;
    server->app.log = &server->log;
    server->app.metrics = &server->metrics;
    server->app.health = &server->health;
    stream_places_init(&server->streams);
    server->app.streams = &server->streams;
    metrics_init(&server->metrics, labels, n_labels, db_now_ms());
    if (origin_rules_init(&server->origin, config, err) != ERR_OK ||
        proxies_parse(config->proxies, config->proxy_header, &server->proxies, err) != ERR_OK) {
        return err->code;
    }
    server->app.origin = &server->origin;
    if (store_open(&server->app.db, &db, err) != ERR_OK ||
        access_new(config, server->app.db, &server->log, &server->app.access, err) != ERR_OK ||
        audit_new(&server->app.audit, err) != ERR_OK ||
        replicas_new(&server->app.replicas, err) != ERR_OK ||
        peers_new(config->max_connections, &server->app.peers, err) != ERR_OK ||
        models_new(server->app.db, &server->log, &server->app.models, err) != ERR_OK) {
        return err->code;
    }
    models_set_limit(server->app.models, (size_t)config->models_mb * MEGABYTE);
    if (background_start(&server->app, err) != ERR_OK ||
        start_batcher(server, config, err) != ERR_OK ||
        start_offload(server, config, err) != ERR_OK || start_http(server, config, err) != ERR_OK) {
        return err->code;
    }
    raise_descriptor_limit(&server->log, config);
    log_info(&server->log, "listening", "address", config->listen, "port",
             LOG_INT(daemon_port(server->daemon)), "db", config->db, "version", SURROGATED_VERSION,
             "sqlite", db_library_version(), "tanh", vtanh_isa(), "memory_mb",
             LOG_INT(config->memory_mb), NULL);
    if (load_models(server, config, err) != ERR_OK) {
        return err->code;
    }
    if (start_follow(server, config, err) != ERR_OK ||
        announce_start(&server->app, daemon_port(server->daemon), &server->announce, err) !=
            ERR_OK) {
        return err->code;
    }
    return watch_start(&server->app, server->daemon, &server->watch, err);
}

static void stop_server(struct server *server)
{
    announce_stop(server->announce);
    watch_stop(server->watch);
    atomic_store_explicit(&server->app.draining, true, memory_order_relaxed);
    /* First, so that streams of events end at once and no connection stays suspended. */
    events_close(server->app.events);
    follow_close(server->app.follow);
    daemon_drain(server->daemon, server->app.config->drain_timeout_s);
    if (server->app.batcher != NULL) {
        batcher_stop(server->app.batcher);
    }
    offload_stop(server->app.offload);
    /* Requests that waited for a thread are answered with 503 now. */
    daemon_drain(server->daemon, LAST_WORDS_S);
    daemon_stop(server->daemon);
    batcher_free(server->app.batcher);
    offload_free(server->app.offload);
    background_stop(&server->app);
    follow_stop(server->app.follow);
    models_free(server->app.models);
    access_free(server->app.access);
    audit_free(server->app.audit);
    peers_free(server->app.peers);
    replicas_free(server->app.replicas);
    if (server->app.streams != NULL) {
        stream_places_release(server->app.streams);
    }
    db_close(server->app.db);
}

/*
 * Threads that libraries start before main (OpenBLAS has such) do not block these signals, and
 * would end the process while main is busy. They pass them on: the id of the main thread is the
 * process's.
 */
static void pass_to_main(int signal_number)
{
    int before = errno;
    syscall(SYS_tgkill, getpid(), getpid(), signal_number);
    errno = before;
}

/* Every thread that is started later inherits the blocked signals, and main alone waits for
 * them. */
static void block_signals(sigset_t *signals)
{
    const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = pass_to_main, .sa_flags = SA_RESTART};
    sigemptyset(signals);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        sigaddset(signals, ours[i]);
    }
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        sigaction(ours[i], &action, NULL);
    }
}

static void reload_certificate(void *ctx, const struct config *config)
{
    struct server *server = ctx;
    (void)config;
    daemon_reload(server->daemon);
}

static void renew_tokens(void *ctx, const struct config *config)
{
    const struct server *server = ctx;
    (void)config;
    access_renew(server->app.access);
}

/* Until the signal that stops the server, whose name it returns. */
static const char *obey_signals(struct server *server, const sigset_t *signals)
{
    const struct reload_hook certificate = {.reload = reload_certificate, .ctx = server};
    const struct reload_hook tokens = {.reload = renew_tokens, .ctx = server};
    reload_add_hook(&server->reload, &certificate);
    reload_add_hook(&server->reload, &tokens);
    for (;;) {
        int signal_number = 0;
        sigwait(signals, &signal_number);
        switch (signal_number) {
        case SIGHUP:
            notify_reloading();
            reload_run(&server->reload);
            notify_send("READY=1");
            break;
        case SIGUSR1:
            reload_change_log_level(&server->log, -1);
            break;
        case SIGUSR2:
            reload_change_log_level(&server->log, 1);
            break;
        case SIGTERM:
            return "TERM";
        case SIGINT:
            return "INT";
        default:
            break;
        }
    }
}

/* The addresses of sockets that were handed over take the place of the settings. */
static enum err_code take_sockets(struct server *server, struct config *config, struct err *err)
{
    server->n_listen_fds = notify_listen_fds();
    return server->n_listen_fds == 0 ? ERR_OK
                                     : notify_read_addresses(server->n_listen_fds, config, err);
}

static int serve(struct cli *cli, const sigset_t *signals)
{
    struct config *config = &cli->config;
    struct server *server = mem_zalloc(sizeof *server);
    struct err err = ERR_INIT;
    int status = EXIT_FAILED;
    if (server == NULL) {
        fprintf(stderr, "surrogated: out of memory\n");
        return EXIT_FAILED;
    }
    health_init(&server->health);
    server->app.config = config;
    reload_init(&server->reload, &server->app, cli->argc, cli->argv);
    if (start_log(&server->log, config, &err) == ERR_OK &&
        take_sockets(server, config, &err) == ERR_OK &&
        start_server(server, config, &err) == ERR_OK) {
        log_info(&server->log, "ready", NULL);
        notify_send("READY=1");
        const char *name = obey_signals(server, signals);
        log_info(&server->log, "stopping", "signal", name, NULL);
        status = 0;
    } else {
        log_failure(&server->log, "not started", &err);
    }
    notify_send("STOPPING=1\nSTATUS=stopping: requests and the running job end");
    /* Signals stay blocked: the stop takes bounded time, and a second Ctrl-C must not cut it
     * short. */
    stop_server(server);
    if (status == 0) {
        log_tell_missing(&server->log, true);
        log_info(&server->log, "stopped", NULL);
    }
    reload_release(&server->reload);
    health_release(&server->health);
    log_writer_stop(server->log.writer, LAST_WORDS_S * 1000);
    mem_free(server);
    return status;
}

static enum err_code check_health(const struct cli *cli, struct err *err)
{
    char pin[CERTIFICATE_PIN_CHARS];
    struct healthcheck check = {
        .listen = cli->config.listen,
        .secure = cli->config.tls_cert[0] != '\0',
        .files = {.ca = cli->tls_ca, .cert = cli->tls_client_cert, .key = cli->tls_client_key}};
    bool pinned = check.secure && (cli->tls_ca == NULL || cli->tls_ca[0] == '\0');
    if (pinned && certificate_read_pin(cli->config.tls_cert, pin, err) != ERR_OK) {
        return err->code;
    }
    check.pin = pinned ? pin : NULL;
    return healthcheck_run(&check, err);
}

int main(int argc, char **argv)
{
    static struct cli cli;
    struct err err = ERR_INIT;
    sigset_t signals;
    core_file_leave_out_memory();
    /* Client commands have signals and memory rules of their own. */
    if (argc > 1 && client_has_command(argv[1])) {
        return client_run(argc, argv);
    }
    if (cli_parse(argc, argv, &cli, &err) != ERR_OK) {
        fprintf(stderr, "surrogated: %s\n`surrogated%s%s --help` shows how to use it\n",
                err_msg(&err), cli.name != NULL ? " " : "", cli.name != NULL ? cli.name : "");
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    mem_configure();

    switch (cli.command) {
    case CLI_SERVE:
        block_signals(&signals);
        gemm_use_one_thread();
        json_read_init();
        mem_budget_set((size_t)cli.config.memory_mb * MEGABYTE);
        mem_budget_set_limit(MEM_MODELS, (size_t)cli.config.models_mb * MEGABYTE);
        return serve(&cli, &signals);
    case CLI_CHECK:
    case CLI_BACKUP:
    case CLI_RESTORE:
    case CLI_COMPACT:
        return maintain_run(&cli);
    case CLI_TOKEN:
        return token_command_run(&cli);
    case CLI_HEALTHCHECK:
        if (check_health(&cli, &err) != ERR_OK) {
            fprintf(stderr, "surrogated: %s\n", err_msg(&err));
            return EXIT_FAILED;
        }
        return 0;
    case CLI_DONE:
        break;
    }
    return 0;
}
