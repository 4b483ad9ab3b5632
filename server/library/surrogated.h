/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsurrogated: predictions of surrogate models for simulation codes, from a server or from a
 * file.
 *
 *     struct surr *s;
 *     double x[2] = {0.25, 0.5}, mean[1], std[1];
 *     const struct surr_rows rows = {.values = x, .n_rows = 1, .n_columns = 2};
 *     struct surr_prediction answer = {.n_outputs = 1, .mean = mean, .std = std};
 *     if (surr_open(&s, "http://127.0.0.1:8080", "heat") != SURR_OK ||
 *         surr_predict(s, &rows, &answer) != SURR_OK) {
 *         fprintf(stderr, "%s\n", surr_error(s));
 *     }
 *     surr_close(s);
 *
 * The model is on a server ("http://host:port", "https://host:port", "unix:/path/of/the/socket") or
 * in a file that `surrogated models export M --format binary -o FILE` has written
 * ("file:/path/of/it"). Both answer the same bits on processors with the same vector units.
 *
 * Functions return a code of enum surr_code, and leave a sentence in the handle that surr_error
 * gives. The library never ends the process, prints nothing, starts no process, and sets neither
 * signal handlers nor the number of OpenBLAS's threads.
 *
 * Threads may share a handle; their calls run at the same time. surr_set and surr_close are for
 * one thread, while no other uses the handle.
 */
#ifndef SURROGATED_H
#define SURROGATED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SURR_VERSION_MAJOR 0
#define SURR_VERSION_MINOR 1

struct surr;

enum surr_code {
    SURR_OK = 0,
    SURR_INVALID = 1,      /* an argument, a row or a setting */
    SURR_NOMEM = 2,        /* memory is short */
    SURR_FILE = 3,         /* the file cannot be read, is damaged, or of a newer release */
    SURR_UNREACHABLE = 4,  /* no answer came from the server */
    SURR_TIMEOUT = 5,      /* it did not come in time, or the job did not end in time */
    SURR_DENIED = 6,       /* 401, 403: the token */
    SURR_NOT_FOUND = 7,    /* 404: no such model, version or job */
    SURR_REFUSED = 8,      /* another status 4xx */
    SURR_BUSY = 9,         /* 429, 503: still too busy after all tries */
    SURR_SERVER = 10,      /* another status 5xx, or an answer that is none */
    SURR_NUMERIC = 11,     /* a result that is no finite number of its type */
    SURR_UNSUPPORTED = 12, /* a file takes no rows and has no jobs */
    SURR_JOB_FAILED = 13   /* the job failed or was cancelled */
};

enum surr_type { SURR_REAL64 = 0, SURR_REAL32 = 1 };

/* Of C: the numbers of a row are neighbours. Of Fortran: those of a column are. */
enum surr_order { SURR_ROW_MAJOR = 0, SURR_COLUMN_MAJOR = 1 };

/* A column of inputs whose values are words, the members of a category. */
struct surr_words {
    int column;               /* of the rows, from 0 */
    const char *const *words; /* [n_rows] UTF-8 */
};

/* A matrix of the caller's, read during the call only. */
struct surr_rows {
    const void *values; /* [n_rows x n_columns], or [n_columns x n_rows] column-major */
    int n_rows;
    int n_columns;
    enum surr_type type;
    enum surr_order order;
    /* Inputs only: what `values` has in these columns is not looked at. NULL and 0: all are
     * numbers, of which 2 and 2.0 mean the member "2" of a category. */
    const struct surr_words *words; /* [n_words] */
    int n_words;
};

/* Arrays of the caller's, of the type and order of the inputs; NULL: not wanted. */
struct surr_prediction {
    int n_outputs;      /* of the model, for which the arrays have room */
    void *mean;         /* [n_rows x n_outputs] */
    void *std;          /* [n_rows x n_outputs] standard deviation of the mean, without noise */
    void *variance;     /* [n_rows x n_outputs] its square */
    void *jacobian;     /* [n_rows x n_outputs x n_columns] derivatives of the mean */
    void *jacobian_std; /* [n_rows x n_outputs x n_columns] derivatives of std */
    /* Set by the call. */
    int64_t version;        /* that has answered */
    int64_t n_extrapolated; /* rows outside the range of the training rows */
};

struct surr_upload {
    struct surr_rows inputs;
    struct surr_rows outputs; /* as many rows */
    /*
     * A name for these rows, up to 200 visible characters without quotes, backslash, comma and
     * semicolon, under which they are stored once however often they are sent. Under MPI the number
     * of the rank is added, so that all ranks may use the same. NULL: one is made up, which serves
     * the tries of this call.
     */
    const char *key;
    int missing; /* not 0: outputs that are NaN are missing, as of a run that failed */
};

struct surr_receipt {
    int64_t batch;
    int64_t n_rows;       /* stored by this upload */
    int64_t n_total_rows; /* of the model */
    int repeated;         /* an earlier upload under this key had stored them */
};

struct surr_job {
    int64_t id;
    int64_t version; /* that it made; 0: none */
    int promoted;    /* it has become the default */
    char state[16];  /* queued, running, succeeded, failed, cancelled */
};

/*
 * where: as above; NULL: what SURROGATED_SERVER in the environment says, or else
 * http://127.0.0.1:8080. model: its name; of a file it may be NULL. A file is read here; a server
 * is first asked by the first call that needs it. *out is made in each case, for surr_error, and
 * must be closed; it is NULL when memory is short.
 */
int surr_open(struct surr **out, const char *where, const char *model);
void surr_close(struct surr *s); /* NULL is fine */

/*
 * The sentence about the last call that failed; "" when none has. It stays as it is until the same
 * thread calls surr_error again. s may be NULL after surr_open.
 */
const char *surr_error(struct surr *s);

/* "the server cannot be reached": what a code means, in general. */
const char *surr_code_text(int code);

/*
 * Settings, by their names on the command line of surrogated:
 *   version          a number, @default (default), @previous or @ALIAS; of a server
 *   token            for the server; SURROGATED_TOKEN
 *   token-in-clear   true: it may be sent over plain HTTP to another machine;
 *                    SURROGATED_TOKEN_IN_CLEAR
 *   tls-ca           PEM file of the authorities to trust; SURROGATED_TLS_CA
 *   tls-client-cert  PEM file of the certificate to show; SURROGATED_TLS_CLIENT_CERT
 *   tls-client-key   PEM file of its key; SURROGATED_TLS_CLIENT_KEY
 *   timeout          seconds that one try may take (60)
 *   retry            seconds during which a busy or absent server is asked again (60); 0: once
 *   threads          that compute a prediction of a file (1)
 *   rank             added to keys of uploads; by default what MPI's launcher says
 *   source           a note where rows come from, kept with them
 *
 * What the environment says counts at surr_open. value NULL: the default again.
 */
int surr_set(struct surr *s, const char *name, const char *value);

/* How many inputs and outputs the model has; either may be NULL. */
int surr_shape(struct surr *s, int *n_inputs, int *n_outputs);

/* Predicts all rows with one version. Long inputs are sent or computed in parts. A failure may
 * leave numbers in some of the arrays. */
int surr_predict(struct surr *s, const struct surr_rows *inputs, struct surr_prediction *out);

/*
 * Stores rows on the server. They are on its disk when it returns. out may be NULL. More than 8
 * MiB, or than the server takes at once, go in parts, each a batch under a key of its own that is
 * made of `key`: out->batch is the last one. After a failure the parts before it are stored, as
 * surr_error says; the same rows under the same key then add what is missing.
 */
int surr_append(struct surr *s, const struct surr_upload *upload, struct surr_receipt *out);

/* Queues a training job. request: JSON as POST /v1/models/{m}/train takes it; NULL: trained as
 * before. */
int surr_train(struct surr *s, const char *request, int64_t *job);

/* Waits until the job has ended, at most so many seconds; below 0: without limit. out may be NULL.
 * SURR_JOB_FAILED: it failed or was cancelled; SURR_TIMEOUT: it has not ended. */
int surr_wait(struct surr *s, int64_t job, double seconds, struct surr_job *out);

#ifdef __cplusplus
}
#endif

#endif
