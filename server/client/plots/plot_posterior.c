/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws of the parameters, in pairs, and the loss on a plane through three of them.
 *
 * The plane is that of J. Garipov, P. Izmailov and others (NeurIPS 2018), with anchors as QUiNN has
 * them: with u = b - a and v = c - a - <c - a, u> u / |u|^2, a point is a + x u / |u| + y v / |v|,
 * so distances in the picture are those between vectors of parameters.
 */
#include "client/plots/plot_network.h"

#include <math.h>
#include <string.h>

#define N_PAIRS            5
#define GRID               41
#define N_LINE             101
#define BEYOND             0.25 /* of the distance of the anchors, around them */
#define MAX_LANDSCAPE_ROWS 300

/* ---- pairs of parameters ---- */

/* Parameters evenly from all. */
static void add_pairs(struct plot *plot, const struct model *model)
{
    struct column named[N_PAIRS];
    const struct column *columns[N_PAIRS];
    int all = model->net.n_params;
    int k = all < N_PAIRS ? all : N_PAIRS;
    size_t m = (size_t)model->m;
    size_t n = m < PLOT_MAX_ROWS ? m : PLOT_MAX_ROWS;
    double *values = figure_numbers(plot->figure, n * (size_t)k);
    for (int j = 0; j < k; j++) {
        int parameter = (int)((long long)j * all / k);
        named[j] =
            (struct column){.label = figure_text(plot->figure, "parameter %d", parameter + 1)};
        columns[j] = &named[j];
        for (size_t i = 0; values != NULL && i < n; i++) {
            values[i * (size_t)k + (size_t)j] =
                model->draws[(i * m / n) * (size_t)all + (size_t)parameter];
        }
    }
    if (values != NULL) {
        plot_corner(plot, &(struct corner){.columns = columns, .k = k, .values = values, .n = n});
    }
}

enum err_code plot_posterior(struct plot *plot, struct err *err)
{
    struct network network;
    if (network_open(plot, &network, err) == ERR_OK && network.model->m < 2) {
        err_set(err, ERR_NOT_FOUND, "the version has one draw, and no pairs to show");
    }
    if (err->code == ERR_OK) {
        add_pairs(plot, network.model);
        plot_title(
            plot, "posterior of the parameters",
            figure_text(plot->figure,
                        "%d draws, %d parameters; modes repeat, since units may be exchanged",
                        network.model->m, network.model->net.n_params));
    }
    network_close(&network);
    return err->code;
}

/* ---- landscape ---- */

struct plane {
    size_t k;          /* parameters */
    const double *a;   /* [draws x k]; the first is an anchor */
    double *u, *v;     /* [k] unit vectors */
    int draws[3];      /* the anchors */
    double anchors[6]; /* x0, x1, x2, y0, y1, y2 of the three in the plane */
};

static double dot(const double *a, const double *b, size_t k)
{
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* out <- c - a without its part along u, if there is a u; its length. *along: that part's. */
static double lean(const struct plane *plane, const double *c, const double *u, double *out,
                   double *along)
{
    *along = 0.0;
    for (size_t i = 0; i < plane->k; i++) {
        out[i] = c[i] - plane->a[i];
    }
    if (u != NULL) {
        *along = dot(out, u, plane->k);
        for (size_t i = 0; i < plane->k; i++) {
            out[i] -= *along * u[i];
        }
    }
    return sqrt(dot(out, out, plane->k));
}

/* The draw [m x k] that is farthest from the first, or from the line along u; draws of chains may
 * be the same. out <- its direction, of length 1. */
static double find_farthest(const struct plane *plane, size_t m, const double *u, double *out,
                            int *draw)
{
    double along;
    double farthest = -1.0;
    for (size_t i = 1; i < m; i++) {
        double distance = lean(plane, plane->a + i * plane->k, u, out, &along);
        if (distance > farthest) {
            farthest = distance;
            *draw = (int)i;
        }
    }
    (void)lean(plane, plane->a + (size_t)*draw * plane->k, u, out, &along);
    for (size_t i = 0; i < plane->k && farthest > 0.0; i++) {
        out[i] /= farthest;
    }
    return farthest;
}

static void spread_centres(const double *anchors, double *out)
{
    double low = fmin(anchors[0], fmin(anchors[1], anchors[2]));
    double high = fmax(anchors[0], fmax(anchors[1], anchors[2]));
    double more = BEYOND * (high - low);
    for (int i = 0; i < GRID; i++) {
        out[i] = low - more + (high - low + 2.0 * more) * i / (GRID - 1);
    }
}

static void add_surface(struct plot *plot, struct network *network, const struct plane *plane,
                        struct panel *panel)
{
    size_t n = (size_t)GRID * GRID;
    double *numbers = figure_numbers(plot->figure, 2 * GRID + n + plane->k);
    struct mark *map = figure_mark(plot->figure, panel, MARK_MAP, n);
    if (numbers == NULL) {
        map->n = 0;
        return;
    }
    double *values = numbers + 2 * GRID;
    double *point = values + n;
    spread_centres(plane->anchors, numbers);
    spread_centres(plane->anchors + 3, numbers + GRID);
    for (size_t i = 0; i < n; i++) {
        double x = numbers[i % GRID];
        double y = numbers[GRID + i / GRID];
        for (size_t p = 0; p < plane->k; p++) {
            point[p] = plane->a[p] + x * plane->u[p] + y * plane->v[p];
        }
        values[i] = log10(network_loss(network, point));
    }
    map->x = numbers;
    map->y = numbers + GRID;
    map->n_x = map->n_y = GRID;
    map->values = values;
    map->scale = "log10 of the mean squared error, scaled outputs";
    map->name = "log10 loss";
    map->quiet = true;
}

/* The loss along the straight line from one anchor to another, 0 at one and 1 at the other. */
static void add_line(struct plot *plot, struct network *network, const struct plane *plane,
                     struct panel *panel, int line)
{
    const double *draws = network->model->draws;
    int from = plane->draws[line];
    int to = plane->draws[(line + 1) % 3];
    const double *a = draws + (size_t)from * plane->k;
    const double *b = draws + (size_t)to * plane->k;
    double *numbers = figure_numbers(plot->figure, 2 * N_LINE + plane->k);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_LINE, numbers != NULL ? N_LINE : 0);
    for (int i = 0; numbers != NULL && i < N_LINE; i++) {
        double share = -BEYOND + (1.0 + 2.0 * BEYOND) * i / (N_LINE - 1);
        double *point = numbers + 2 * N_LINE;
        for (size_t p = 0; p < plane->k; p++) {
            point[p] = (1.0 - share) * a[p] + share * b[p];
        }
        numbers[i] = share;
        numbers[N_LINE + i] = network_loss(network, point);
    }
    mark->x = numbers;
    mark->y = numbers != NULL ? numbers + N_LINE : NULL;
    mark->colour = line + 2;
    mark->name = figure_text(plot->figure, "from draw %d to draw %d", from + 1, to + 1);
}

static void add_anchors(struct plot *plot, const struct plane *plane, struct panel *panel)
{
    double *numbers = figure_numbers(plot->figure, 6);
    struct mark *points = figure_mark(plot->figure, panel, MARK_POINTS, numbers != NULL ? 3 : 0);
    if (numbers != NULL) {
        memcpy(numbers, plane->anchors, sizeof plane->anchors);
        points->x = numbers;
        points->y = numbers + 3;
    }
    points->colour = 1;
    points->name = "draws";
}

static enum err_code find_anchors(struct plot *plot, const struct model *model, struct plane *plane,
                                  struct err *err)
{
    size_t k = (size_t)model->net.n_params;
    size_t m = (size_t)model->m;
    double *numbers = figure_numbers(plot->figure, 3 * k);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu parameters", k);
    }
    *plane = (struct plane){.k = k, .a = model->draws, .u = numbers, .v = numbers + k};
    double across = find_farthest(plane, m, NULL, plane->u, &plane->draws[1]);
    double up = find_farthest(plane, m, plane->u, plane->v, &plane->draws[2]);
    if (m < 3 || !(across > 0.0) || !(up > 1e-9 * across)) {
        return err_set(err, ERR_NOT_FOUND,
                       "a plane needs three different draws, which the version does not have");
    }
    double along;
    (void)lean(plane, model->draws + (size_t)plane->draws[2] * k, plane->u, numbers + 2 * k,
               &along);
    const double anchors[6] = {0.0, across, along, 0.0, 0.0, up};
    memcpy(plane->anchors, anchors, sizeof anchors);
    return ERR_OK;
}

static enum err_code draw_landscape(struct plot *plot, struct network *network, struct err *err)
{
    struct plane plane;
    struct plot_rows rows;
    if (find_anchors(plot, network->model, &plane, err) != ERR_OK ||
        plot_read_rows(plot, false, &rows, err) != ERR_OK) {
        return err->code;
    }
    size_t n = rows.n < MAX_LANDSCAPE_ROWS ? rows.n : MAX_LANDSCAPE_ROWS;
    rows.n = n;
    if (network_take_rows(plot, network, &rows, err) != ERR_OK) {
        return err->code;
    }
    struct panel *panel = figure_panel(plot->figure);
    add_surface(plot, network, &plane, panel);
    add_anchors(plot, &plane, panel);
    panel->x = (struct axis){.title = "along the line through the first two draws", .tight = true};
    panel->y = (struct axis){.title = "across, towards the third", .tight = true};
    struct panel *lines = figure_panel(plot->figure);
    for (int line = 0; line < 3; line++) {
        add_line(plot, network, &plane, lines, line);
    }
    lines->x = (struct axis){.title = "along the line from one draw to another", .tight = true};
    lines->y = (struct axis){.title = "mean squared error", .log = true};
    plot->figure->n_columns = 1;
    plot_title(plot, "loss on the plane through three draws",
               figure_text(plot->figure, "draws 1, %d and %d of %d; %zu stored rows",
                           plane.draws[1] + 1, plane.draws[2] + 1, network->model->m, n));
    return ERR_OK;
}

enum err_code plot_landscape(struct plot *plot, struct err *err)
{
    struct network network;
    if (network_open(plot, &network, err) == ERR_OK) {
        err_kept(draw_landscape(plot, &network, err));
    }
    network_close(&network);
    return err->code;
}
