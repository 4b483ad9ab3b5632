/* SPDX-License-Identifier: Apache-2.0 */
/* The handle behind surrogated.h, for the files of this folder. */
#ifndef HANDLE_H
#define HANDLE_H

#include "base/err.h"
#include "library/surrogated.h"
#include "model/model.h"

#include <pthread.h>

enum setting {
#define SETTING(ID, name, variable) SETTING_##ID,
#include "library/settings.def"
#undef SETTING
    N_SETTINGS
};

struct link; /* a connection to the server (server_call.h) */

struct surr {
    char *server; /* mem; NULL: the model is in a file */
    char *name;   /* of the model; mem; NULL: surr_open has failed */
    /* Of a file. */
    struct model *model; /* one reference */
    int64_t version;
    /* Written by surr_open and surr_set, while no other call is under way. */
    char *settings[N_SETTINGS]; /* mem; NULL: by default */
    double timeout_s;
    double retry_s;
    int n_threads;
    int64_t rank; /* -1: none */

    pthread_mutex_t lock;
    struct link *idle; /* connections that no call uses; guarded by lock */
    struct err last;   /* of the last call that failed; guarded by lock */
};

/* How a call has failed, beside its err: what a code of surrogated.h is found by. */
struct outcome {
    int status;     /* of the server's answer; 0: there was none */
    bool timed_out; /* waiting took too long */
    bool job;       /* the job has failed */
};

/* Notes the error, if there is one, and returns its code of surrogated.h. */
int handle_settle(struct surr *s, const struct outcome *outcome, const struct err *err);

/* ERR_INVALID: the handle has no model, because surr_open failed. */
enum err_code handle_check(const struct surr *s, struct err *err) MUST_CHECK;

/* A setting from its text; NULL: the default. ERR_INVALID, ERR_NOMEM; the old one stays. */
enum err_code settings_change(struct surr *s, enum setting setting, const char *value,
                              struct err *err) MUST_CHECK;
/* Finds a setting by its name. ERR_INVALID, with those that are known. */
enum err_code settings_find(const char *name, enum setting *out, struct err *err) MUST_CHECK;
/* All of them as the environment says, the others by default. */
enum err_code settings_init(struct surr *s, struct err *err) MUST_CHECK;

/* Reads the file, and takes its model. ERR_IO, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOT_FOUND (it
 * holds another model), ERR_NOMEM. */
enum err_code file_model_open(struct surr *s, const char *path, const char *name,
                              struct err *err) MUST_CHECK;

#endif
