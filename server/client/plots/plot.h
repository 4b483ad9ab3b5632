/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture of a model in the making: what the server says of the version, and the figure that a
 * kind fills in. Everything lives as long as the command.
 */
#ifndef PLOT_H
#define PLOT_H

#include "client/client.h"
#include "formats/json_write.h"
#include "plot/figure.h"

#include <jansson.h>

#define PLOT_MAX_DOCUMENTS 32
#define PLOT_MAX_ROWS      2000 /* of those stored that are drawn */
#define PLOT_MAX_LINES     7    /* lines of different colours in one panel */

/* An input or an output. */
struct column {
    const char *name;
    const char *label; /* with its unit: "T [K]" */
    /* Of a category the members that its rows have; a row's number is the place of its member. */
    const char *members[64];
    int n_members; /* 0: numbers */
};

struct plot {
    struct client *client;
    struct arena *arena; /* the client's */
    struct figure *figure;
    const char *model;
    const char *path;      /* "/v1/models/M/versions/V" */
    const json_t *version; /* its description */
    json_t *request;       /* of --request and --set, for kinds that send one; may be completed */
    int d, o;
    int o_all;                       /* outputs of the model; o is smaller after plot_narrow */
    const int *places;               /* [o] their numbers in the model; NULL: all in their order */
    struct column *inputs, *outputs; /* [d], [o] */
    int *chosen_inputs, *chosen_outputs; /* those of --columns, or all */
    int n_inputs, n_outputs;             /* chosen */
    bool chose;                          /* --columns is given */
    bool knows_noise;
    double *range;                         /* [d x 2] of the training inputs; NaN: not known */
    json_t *documents[PLOT_MAX_DOCUMENTS]; /* to be released */
    int n_documents;
};

/* The kinds, by kinds.def: each fills in plot->figure. */
#define PLOT(name, text) enum err_code plot_##name(struct plot *plot, struct err *err) MUST_CHECK;
#include "client/plots/kinds.def"
#undef PLOT

/* Asks for the description of the version and reads --columns. ERR_INVALID, ERR_NOMEM; those of
 * client_ask. */
enum err_code plot_begin(struct plot *plot, struct err *err) MUST_CHECK;

/* Releases the documents. */
void plot_end(struct plot *plot);

/* A document of the server, which the plot keeps. `body` NULL: GET; else POST. */
enum err_code plot_ask(struct plot *plot, const char *path, const char *body, const json_t **out,
                       struct err *err) MUST_CHECK;

/* A number, or NaN. */
double plot_number(const json_t *value);

/* values [n x k] <- an array of n arrays of k; NaN where a number is missing. ERR_CORRUPT: another
 * shape. */
enum err_code plot_matrix(const json_t *rows, size_t n, size_t k, double *values,
                          struct err *err) MUST_CHECK;

/* The figure's head: its title, unless one is given, and what stands below it. */
void plot_title(struct plot *plot, const char *what, const char *subtitle);

/*
 * Leaves the first max_inputs and max_outputs of those chosen (0: all). "", or a phrase that says
 * so, for the line below the title: "; 12 of 20 outputs (--columns)".
 */
const char *plot_limit(struct plot *plot, int max_inputs, int max_outputs);

/* Of a model with many outputs the chosen ones become all there are: rows are read and predictions
 * asked for of them alone. ERR_NOMEM. */
enum err_code plot_narrow(struct plot *plot, struct err *err) MUST_CHECK;

/* Writes the member "outputs" of a request for predictions, if not all are meant. */
void plot_write_outputs(const struct plot *plot, struct json_write *json);

/* Shares of a page: so many columns of panels for n of them. */
int plot_columns(int n);

/* ---- rows and predictions ---- */

struct plot_rows {
    size_t n;        /* of at most PLOT_MAX_ROWS, evenly among those stored */
    size_t n_all;    /* stored rows, or those of --batch */
    size_t n_failed; /* of all, without any output */
    double *x;       /* [n x d] */
    double *y;       /* [n x o]; NaN: missing */
    size_t *number;  /* [n] among n_all */
};

/* The stored rows that have some output, with `complete` all outputs. ERR_NOT_FOUND: there are
 * none. */
enum err_code plot_read_rows(struct plot *plot, bool complete, struct plot_rows *out,
                             struct err *err) MUST_CHECK;

/* What a row was to the version. */
enum plot_part { PLOT_TRAINED, PLOT_KEPT_OUT, PLOT_UNKNOWN, PLOT_LATER, PLOT_N_PARTS };

/* parts [rows->n], in the arena. A row that came after they were read: PLOT_UNKNOWN. */
enum err_code plot_read_parts(struct plot *plot, const struct plot_rows *rows,
                              unsigned char **parts, struct err *err) MUST_CHECK;

/* The member "inputs" of a request: rows x [n x d], categories by their members. */
void plot_write_inputs(struct plot *plot, struct json_write *json, const double *x, size_t n);

struct plot_prediction {
    double *mean, *std, *total; /* [n x o]; total: standard deviation with noise, or std */
};

/* x [n x d]. */
enum err_code plot_predict(struct plot *plot, const double *x, size_t n,
                           struct plot_prediction *out, struct err *err) MUST_CHECK;

/* out [d] <- the row of --at, or the middle of what the model was trained on. ERR_INVALID. */
enum err_code plot_centre(struct plot *plot, double *out, struct err *err) MUST_CHECK;

/* Points on maps. */
struct plot_overlay {
    const char *name;
    const double *x; /* [n x d] */
    size_t n;
};

/* Maps of the chosen outputs over the first two chosen inputs, mean and standard deviation; their
 * range has the points, if there are some (overlay NULL: none). ERR_INVALID, ERR_UNSUPPORTED. */
enum err_code plot_draw_maps(struct plot *plot, const struct plot_overlay *overlay,
                             const char *what, struct err *err) MUST_CHECK;

/* The value of input j in JSON; of a category the place of its member. NaN: there is none. */
double plot_input_value(struct plot *plot, size_t j, const json_t *value);

/* ---- jobs ---- */

/* The number of --job, or of the newest job of that kind that succeeded; as text. ERR_NOT_FOUND. */
enum err_code plot_find_job(struct plot *plot, const char *kind, const char *advice,
                            const char **out, struct err *err) MUST_CHECK;

/* What to look for among the results of jobs. */
struct plot_wanted {
    const char *kind;   /* of the job */
    const char *member; /* that the result has */
    const char *name;   /* "calibration", for messages */
    const char *advice; /* how such a job is made */
};

/* The result of --job, or of the newest job that has such a one; *job: its number as text.
 * ERR_NOT_FOUND; ERR_INVALID: --job is of another kind. */
enum err_code plot_find_result(struct plot *plot, const struct plot_wanted *wanted,
                               const json_t **out, const char **job, struct err *err) MUST_CHECK;

/* ---- shared forms ---- */

/* Pairs of k columns of values [n x k], with histograms on the diagonal. */
struct corner {
    const struct column *const *columns; /* [k] */
    int k;
    const double *values;
    size_t n;
};
void plot_corner(struct plot *plot, const struct corner *corner);

/* How many columns a corner has place for. */
#define PLOT_MAX_CORNER 6

#endif
