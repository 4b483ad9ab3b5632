/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated plot: asks for what a picture shows, draws it, and writes the file. */
#include "client/commands.h"
#include "client/commands/requests.h"
#include "client/files.h"
#include "client/picture.h"
#include "client/plots/plot.h"
#include "client/terminal.h"
#include "plot/figure_draw.h"
#include "plot/figure_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define STANDARD_WIDTH 720.0
#define STANDARD_DPI   192
#define MIN_SIZE       120.0 /* pixels of 1/96 inch */
#define MAX_SIZE       8000.0
#define MAX_WORDS      1000
#define FORMAT_NUMBERS (CANVAS_PDF + 1) /* "csv", after the formats of pictures */

typedef enum err_code plot_fn(struct plot *plot, struct err *err);

static const struct {
    const char *name;
    plot_fn *run;
} kinds[] = {
#define PLOT(name, text) {#name, plot_##name},
#include "client/plots/kinds.def"
#undef PLOT
};

#define N_KINDS (sizeof kinds / sizeof *kinds)

static enum err_code find_kind(const char *name, plot_fn **out, struct err *err)
{
    char known[200] = "";
    struct near_name near = near_name_of(name);
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t len = strlen(known);
        near_name_try(&near, kinds[i].name);
        snprintf(known + len, sizeof known - len, "%s%s", i > 0 ? ", " : "", kinds[i].name);
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].run;
            return ERR_OK;
        }
    }
    return near.best != NULL ? err_set(err, ERR_INVALID, "there is no picture \"%.40s\"%s", name,
                                       near_name_hint(&near, "").text)
                             : err_set(err, ERR_INVALID,
                                       "there is no picture \"%.24s\"; there are %s", name, known);
}

/* ---- the look ---- */

/* The format of --as, or of the ending of --out; SVG if neither says. */
static enum err_code read_format(const struct client *client, int *out, struct err *err)
{
    const char *given = client->args->values[OPT_AS];
    const char *name = client->args->values[OPT_OUT];
    const char *dot = name != NULL ? strrchr(name, '.') : NULL;
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    const char *ending = dot != NULL && (slash == NULL || dot > slash) ? dot + 1 : "svg";
    const char *wanted = given != NULL ? given : ending;
    for (int i = 0; options_pictures[i] != NULL; i++) {
        if (strcmp(options_pictures[i], wanted) == 0) {
            *out = i;
            return ERR_OK;
        }
    }
    return given != NULL
               ? err_set(err, ERR_INVALID, "--as is \"%.40s\"; svg, png, pdf or csv is needed",
                         given)
               : err_set(err, ERR_INVALID,
                         "\"%.80s\" ends in none of .svg, .png, .pdf and .csv; --as NAME says the "
                         "format",
                         name);
}

/* "720" or "720x400". */
static enum err_code read_size(const struct client *client, struct figure_look *look,
                               struct err *err)
{
    const char *text = client->args->values[OPT_SIZE];
    char *end = NULL;
    if (text == NULL) {
        return ERR_OK;
    }
    look->width = strtod(text, &end);
    if (end != text && *end == 'x') {
        const char *height = end + 1;
        look->height = strtod(height, &end);
        end = end == height || look->height < MIN_SIZE || look->height > MAX_SIZE ? NULL : end;
    }
    if (end == NULL || end == text || *end != '\0' || !(look->width >= MIN_SIZE) ||
        !(look->width <= MAX_SIZE)) {
        return err_set(err, ERR_INVALID,
                       "--size is \"%.40s\"; 640 or 640x480 is needed, each from %.0f to %.0f",
                       text, MIN_SIZE, MAX_SIZE);
    }
    return ERR_OK;
}

static enum err_code read_look(const struct client *client, struct figure_look *look, int *format,
                               struct err *err)
{
    const char *theme = client->args->values[OPT_THEME];
    int64_t dpi = STANDARD_DPI;
    *look = (struct figure_look){.theme = theme_find(theme != NULL ? theme : theme_names[0]),
                                 .width = STANDARD_WIDTH};
    if (look->theme == NULL) {
        return err_set(err, ERR_INVALID, "--theme is \"%.40s\"; light or dark is needed", theme);
    }
    if (read_format(client, format, err) != ERR_OK || read_size(client, look, err) != ERR_OK ||
        args_int(client->args, OPT_DPI, 24, 2400, &dpi, err) != ERR_OK) {
        return err->code;
    }
    look->dpi = (double)dpi;
    look->format = *format == FORMAT_NUMBERS ? CANVAS_SVG : (enum canvas_format) * format;
    return ERR_OK;
}

/* ---- writing ---- */

static enum err_code write_numbers(struct client *client, const struct figure *figure,
                                   struct err *err)
{
    struct textbuf text = textbuf_in(&client->arena);
    figure_write_csv(figure, &text);
    if (figure->failed || textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the numbers");
    }
    return files_put(client, text.data, text.len, false, err);
}

/* A terminal gets a picture only if it can show one. */
static bool shows_on_terminal(const struct client *client)
{
    return client->args->values[OPT_OUT] == NULL && client->args->values[OPT_AS] == NULL &&
           terminal_is(stdout);
}

static enum err_code write_picture(struct client *client, const struct figure *figure,
                                   struct figure_look *look, struct err *err)
{
    char *bytes = NULL;
    size_t n = 0;
    bool shown = shows_on_terminal(client);
    if (shown && !picture_can_show()) {
        return err_set(err, ERR_INVALID,
                       "this terminal shows no pictures; -o FILE.svg writes one to a file");
    }
    if (shown) {
        look->format = CANVAS_PNG;
    }
    if (figure_draw(figure, look, &bytes, &n, err) == ERR_OK) {
        err_kept(shown ? picture_show(&client->arena, bytes, n, stdout, err)
                       : files_put(client, bytes, n, look->format != CANVAS_SVG, err));
    }
    mem_free(bytes);
    return err->code;
}

/* Those that send a request, whose settings follow as words after --set. */
static bool takes_settings(const char *kind)
{
    return strcmp(kind, "suggest") == 0 || strcmp(kind, "pareto") == 0;
}

static enum err_code draw(struct client *client, struct figure *figure, struct err *err)
{
    plot_fn *run = NULL;
    struct figure_look look;
    int format = 0;
    if (find_kind(client_word(client, 1), &run, err) != ERR_OK ||
        read_look(client, &look, &format, err) != ERR_OK) {
        return err->code;
    }
    struct plot plot = {.client = client,
                        .arena = &client->arena,
                        .figure = figure,
                        .model = client_word(client, 0)};
    figure->kind = client_word(client, 1);
    if (takes_settings(figure->kind) &&
        (request_read(client, &plot.request, err) != ERR_OK ||
         request_apply_all(client, plot.request, 2, NULL, err) != ERR_OK)) {
        json_decref(plot.request);
        return err->code;
    }
    if (plot_begin(&plot, err) == ERR_OK && run(&plot, err) == ERR_OK) {
        err_kept(format == FORMAT_NUMBERS ? write_numbers(client, figure, err)
                                          : write_picture(client, figure, &look, err));
    }
    plot_end(&plot);
    json_decref(plot.request);
    return err->code;
}

enum err_code command_plot(struct client *client, struct err *err)
{
    if (client->json) {
        return err_set(err, ERR_INVALID,
                       "--json is not for pictures; --as csv writes their numbers");
    }
    if (client_check_words(client, 2, MAX_WORDS, err) != ERR_OK ||
        client_check_words(client, 2, takes_settings(client_word(client, 1)) ? MAX_WORDS : 2,
                           err) != ERR_OK) {
        return err->code;
    }
    struct figure *figure = mem_zalloc(sizeof *figure);
    if (figure == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    figure->arena = &client->arena;
    err_kept(draw(client, figure, err));
    mem_free(figure);
    return err->code;
}
