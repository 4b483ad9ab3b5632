/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models that are in memory before the server is ready, so that the first requests for them are as
 * fast as later ones: the default version is read, and rows are predicted through it once, which
 * brings its pages and the buffers of the linear algebra there.
 */
#ifndef PRELOAD_H
#define PRELOAD_H

#include "base/log.h"
#include "live/models.h"

struct preload_settings {
    struct db *db;
    struct models *models;
    struct log *log;
    const char *patterns; /* names and patterns, as in name_patterns_match */
    int n_threads;        /* that compute predictions */
};

/*
 * Loads what matches, by name. A model that cannot be loaded is logged and left out, as is a
 * pattern list that matches nothing, and versions that do not fit the models' limit of memory: the
 * server is of use without them. ERR_IO, ERR_NOMEM: the names cannot be read.
 */
enum err_code preload_run(const struct preload_settings *settings, struct err *err) MUST_CHECK;

#endif
