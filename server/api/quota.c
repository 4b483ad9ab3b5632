/* SPDX-License-Identifier: Apache-2.0 */
#include "api/quota.h"

#include "api/token_table.h"

#include <stdio.h>

#define BY_TOKEN   1u /* bits of req->counted */
#define BY_ADDRESS 2u
#define PERCENT    100
#define NAME_CHARS 80

/* In the order of the metric's values: the limits of a token, those of an address, streams, and the
 * queues that all share. */
#define METRIC_ADDRESS LIMIT_N
#define METRIC_STREAMS (2 * LIMIT_N)
#define METRIC_QUEUE   (METRIC_STREAMS + 1)
#define METRIC_JOBS    (METRIC_QUEUE + 1)

_Static_assert(METRIC_JOBS + 1 == sizeof((struct metrics *)0)->limited / sizeof(atomic_llong),
               "the metric has a value for each limit");

static struct limits limits_of_address(const struct app *app)
{
    const struct config *config = app->config;
    return (struct limits){.max = {[LIMIT_REQUESTS] = config->max_peer_rate,
                                   [LIMIT_ROWS] = config->max_peer_rows_per_s,
                                   [LIMIT_BYTES] = config->max_peer_bytes_per_s,
                                   [LIMIT_CONCURRENT] = config->max_peer_requests,
                                   [LIMIT_QUEUE] = config->max_peer_queue_share}};
}

/* Those of its token that are looked at here; NULL: none. */
static const struct limits *limits_of_token(const struct request *req)
{
    const struct limits *limits = req->caller.limits;
    return limits != NULL && limits_concern_requests(limits) ? limits : NULL;
}

static bool has_address(const struct app *app, const struct request *req)
{
    return app->peers != NULL && req->peer != NULL && peer_is_limited(req->peer);
}

/* name: `token "farm"`. */
static enum err_code refuse(const char *name, const struct limits *limits,
                            const struct excess *excess, struct err *err)
{
    err_set(err, ERR_RATE, "the %s may %s %lld %s", name, limit_verb(excess->limit),
            (long long)limits->max[excess->limit], limit_unit(excess->limit));
    err->retry_s = excess->retry_s;
    return err->code;
}

enum err_code quota_admit_address(struct app *app, struct request *req, struct err *err)
{
    struct excess excess;
    char name[NAME_CHARS];
    char text[EXCHANGE_ADDRESS_CHARS] = "";
    struct limits limits = limits_of_address(app);
    if (!limits_concern_requests(&limits) || !has_address(app, req)) {
        return ERR_OK;
    }
    if (peers_admit(app->peers, req->peer, &limits, &excess)) {
        req->counted |= BY_ADDRESS;
        return ERR_OK;
    }
    metrics_add(&app->metrics->limited[METRIC_ADDRESS + excess.limit], 1);
    req->ops->address(req->exchange, text);
    snprintf(name, sizeof name, "address %s", text);
    return refuse(name, &limits, &excess, err);
}

enum err_code quota_admit_token(struct app *app, struct request *req, struct err *err)
{
    struct excess excess;
    char name[NAME_CHARS];
    const struct limits *limits = limits_of_token(req);
    if (limits == NULL) {
        return ERR_OK;
    }
    if (token_table_admit(access_tokens(app->access), req->caller.who, limits, &excess)) {
        req->counted |= BY_TOKEN;
        return ERR_OK;
    }
    metrics_add(&app->metrics->limited[excess.limit], 1);
    snprintf(name, sizeof name, "token \"%s\"", req->caller.who);
    return refuse(name, limits, &excess, err);
}

static void charge(struct app *app, const struct request *req, enum limit limit, int64_t n)
{
    const struct limits *of_token = limits_of_token(req);
    struct limits of_address = limits_of_address(app);
    if (n <= 0) {
        return;
    }
    if (of_token != NULL && of_token->max[limit] > 0) {
        token_table_charge(access_tokens(app->access), req->caller.who, of_token, limit, n);
    }
    if (of_address.max[limit] > 0 && has_address(app, req)) {
        peers_charge(app->peers, req->peer, &of_address, limit, n);
    }
}

void quota_charge_rows(struct app *app, const struct request *req, int64_t n)
{
    charge(app, req, LIMIT_ROWS, n);
}

void quota_charge_body(struct app *app, struct request *req)
{
    charge(app, req, LIMIT_BYTES, (int64_t)(req->n_received - req->n_charged));
    req->n_charged = req->n_received;
}

void quota_end(struct app *app, struct request *req)
{
    quota_charge_body(app, req);
    if ((req->counted & BY_TOKEN) != 0) {
        token_table_end(access_tokens(app->access), req->caller.who);
    }
    if ((req->counted & BY_ADDRESS) != 0) {
        peers_end(app->peers, req->peer);
    }
}

/* A share lets one job in, however small it is. */
static int64_t part_of_queue(const struct app *app, int64_t percent)
{
    int64_t n = percent * app->config->max_queued_jobs / PERCENT;
    return percent == 0 || percent == PERCENT ? 0 : n > 0 ? n : 1;
}

int64_t quota_jobs_of_token(const struct app *app, const struct request *req)
{
    const struct limits *limits = req->caller.limits;
    return limits != NULL ? part_of_queue(app, limits->max[LIMIT_QUEUE]) : 0;
}

int64_t quota_jobs_of_address(const struct app *app)
{
    return part_of_queue(app, limits_of_address(app).max[LIMIT_QUEUE]);
}

void quota_count_job(struct app *app, bool of_token)
{
    metrics_add(&app->metrics->limited[(of_token ? 0 : METRIC_ADDRESS) + LIMIT_QUEUE], 1);
}

void quota_count_stream(struct app *app)
{
    metrics_add(&app->metrics->limited[METRIC_STREAMS], 1);
}

void quota_count_full_queue(struct app *app, bool of_jobs)
{
    metrics_add(&app->metrics->limited[of_jobs ? METRIC_JOBS : METRIC_QUEUE], 1);
}
