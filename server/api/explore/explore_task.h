/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What design, suggest and optimize share: the model, its space, its points that are pending, and a
 * place among those that compute. They run on the writing threads, at lower priority than
 * predictions, and never on all of them, and stop when the client goes, when its time is over or
 * when the server stops.
 */
#ifndef EXPLORE_TASK_H
#define EXPLORE_TASK_H

#include "api/app.h"
#include "api/explore/explore_watch.h"
#include "documents/explore/explore_json.h"
#include "formats/json_write.h"
#include "live/served.h"

struct explore_task {
    struct app *app;
    const struct request *req;
    const char *model;
    struct served *served; /* one reference; NULL: a design needs no version */
    struct space *space;   /* one reference */
    double *fallback;      /* [d x 2] of the version's training rows; NULL: not known */
    struct explore_request request;
    double *pending; /* [n_pending x d] of the store; mem */
    int n_pending;
    bool counted; /* it has a place */
    bool watched;
    struct explore_watch watch; /* its cancel stops the computation */
};

/*
 * Finds the space of a model, and its default version if that is needed, and reads the body as
 * JSON. ERR_BUSY: others compute; ERR_NOT_FOUND; ERR_CONFLICT: a design without a space; errors of
 * JSON. A task that failed is released like any other.
 */
enum err_code explore_task_begin(struct explore_task *task, struct app *app,
                                 const struct request *req, bool needs_version,
                                 struct err *err) MUST_CHECK;
/* An error that the end of a request has caused tells which end (explore_watch.h). */
void explore_task_release(struct explore_task *task, struct err *err);

/* The region of the request, which was read. ERR_INVALID. */
enum err_code explore_task_region(struct explore_task *task, struct region *region,
                                  struct err *err) MUST_CHECK;

/* Finds at most `limit` pending points. */
enum err_code explore_task_pending(struct explore_task *task, int limit,
                                   struct err *err) MUST_CHECK;

/* *x [*n x d] in the arena <- inputs of the newest rows, at most `limit`; none is no error. */
enum err_code explore_task_rows(const struct explore_task *task, int limit, int *n, double **x,
                                struct err *err) MUST_CHECK;

/*
 * Notes points as pending, unless the request's hold_s is 0 or the server is a replica and the
 * request does not ask for it, and writes "ids" and "expires": null when they were not noted.
 */
struct explore_handed {
    const char *origin;
    int n;
    const double *x;
};
enum err_code explore_task_hand_out(struct explore_task *task, const struct explore_handed *points,
                                    struct json_write *json, struct err *err) MUST_CHECK;

/* "names" of inputs and outputs, and "model", "version" before them; opens the answer's object. */
void explore_task_write_head(const struct explore_task *task, struct json_write *json);

#endif
