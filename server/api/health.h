/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps the server from being ready, part by part. Any thread may read and set it. */
#ifndef HEALTH_H
#define HEALTH_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>

#define HEALTH_REASON_CHARS 200

enum health_part {
    HEALTH_REGISTRY, /* the file is there and can be read */
    HEALTH_DISK,     /* there is room for changes */
    HEALTH_TRAINER,  /* the worker of training jobs lives */
    HEALTH_HTTP,     /* the HTTP threads take turns */
    HEALTH_MODELS,   /* every default version is loaded */
    HEALTH_N_PARTS
};

struct health {
    pthread_mutex_t lock;                              /* guards what follows */
    char reasons[HEALTH_N_PARTS][HEALTH_REASON_CHARS]; /* "": well */
};

void health_init(struct health *health);
void health_release(struct health *health);

/* Sets why a part is not well; NULL: it is well. True: this differs from what was set before. */
bool health_set(struct health *health, enum health_part part, const char *reason);

/* Copies the reason, of HEALTH_REASON_CHARS. False: the part is well. */
bool health_get(struct health *health, enum health_part part, char *out);

/* The first reason there is; false: everything is well. */
bool health_get_first(struct health *health, char *out);

/* The name of a part in answers and log lines. */
const char *health_part_name(enum health_part part);

#endif
