/* SPDX-License-Identifier: Apache-2.0 */
#include "client/plots/plot_network.h"

#include "documents/model_json.h"
#include "formats/json_read.h"

#include <math.h>
#include <string.h>

enum err_code network_open(struct plot *plot, struct network *out, struct err *err)
{
    struct arena scratch = ARENA_INIT;
    struct answer answer = {.status = 0};
    const struct call call = {.method = "GET",
                              .path = arena_printf(plot->arena, "%s/export", plot->path)};
    *out = (struct network){.model = NULL};
    if (client_call(plot->client, &call, &answer, err) == ERR_OK) {
        json_read_init(); /* the document is read as the server reads one */
        err_kept(model_json_parse(answer.data != NULL ? answer.data : "", answer.n_data, &scratch,
                                  &out->model, err));
        json_read_leave();
    }
    answer_release(&answer);
    arena_release(&scratch);
    return err->code;
}

void network_close(struct network *network)
{
    model_unref(network->model);
    network->model = NULL;
}

/* A category's number is the place of its member in the model's space; here it is that in the rows.
 */
static double place_in_model(const struct model *model, const struct column *column, int j,
                             double value)
{
    if (column->n_members == 0 || model->space == NULL) {
        return value;
    }
    const struct space_input *input = &model->space->inputs[j];
    for (int k = 0; k < input->n_values; k++) {
        if (strcmp(input->values[k], column->members[(int)value]) == 0) {
            return k;
        }
    }
    return NAN;
}

/* The outputs that have no number stay so. */
static enum err_code scale_targets(struct network *network, const double *y, size_t o,
                                   struct err *err)
{
    const struct model *model = network->model;
    const struct scaler_rows rows = {.n = network->n, .k = (int)o, .v = y, .holes = true};
    return scaler_apply(model->out, &rows, network->targets, err);
}

enum err_code network_take_rows(struct plot *plot, struct network *network,
                                const struct plot_rows *rows, struct err *err)
{
    const struct resnet *net = &network->model->net;
    size_t n = rows->n;
    size_t d = (size_t)plot->d;
    double *x = figure_numbers(plot->figure, n * d);
    network->n = n;
    network->z = figure_numbers(plot->figure, n * (size_t)net->arch.inputs);
    network->targets = figure_numbers(plot->figure, n * (size_t)plot->o);
    network->pack = figure_numbers(plot->figure, net->pack_size);
    network->scratch = figure_numbers(plot->figure, resnet_apply_scratch(net, (int)n) + 1);
    network->y = figure_numbers(plot->figure, n * (size_t)net->n_out);
    if (plot->figure->failed) {
        return err_set(err, ERR_NOMEM, "no memory for the network");
    }
    if (network->model->d != plot->d || network->model->o != plot->o) {
        return err_set(err, ERR_CORRUPT, "the exported version has another shape than the version");
    }
    for (size_t i = 0; i < n * d; i++) {
        int j = (int)(i % d);
        x[i] = place_in_model(network->model, &plot->inputs[j], j, rows->x[i]);
    }
    const struct scaler_rows inputs = {.n = n, .k = plot->d, .v = x};
    if (model_scale_inputs(network->model, &inputs, network->z, err) == ERR_OK) {
        err_kept(scale_targets(network, rows->y, (size_t)plot->o, err));
    }
    return err->code;
}

void network_run(struct network *network, const double *parameters)
{
    const struct resnet *net = &network->model->net;
    const struct resnet_packed packed = {
        .net = net, .pack = network->pack, .scratch = network->scratch};
    resnet_pack(net, parameters, network->pack);
    resnet_apply(&packed, (int)network->n, network->z, network->y);
}

double network_loss(struct network *network, const double *parameters)
{
    size_t o = (size_t)network->model->o;
    size_t width = (size_t)network->model->net.n_out;
    double sum = 0.0;
    double count = 0.0;
    network_run(network, parameters);
    for (size_t i = 0; i < network->n * o; i++) {
        double gap = network->y[i / o * width + i % o] - network->targets[i];
        if (!isnan(network->targets[i])) {
            sum += gap * gap;
            count += 1.0;
        }
    }
    return sum / count;
}

struct chains network_chains(const struct network *network)
{
    static const char *const names[] = {"chains.step_size", "chains.accept"};
    const struct model *model = network->model;
    int folds = model->conformal.method > CONFORMAL_SPLIT ? model->conformal.n_folds : 1;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct report_item *item = report_find(&model->report, names[k]);
        if (item != NULL && item->n > 0 && folds > 0 && model->m % (item->n * folds) == 0) {
            return (struct chains){.n = item->n, .length = (size_t)(model->m / folds / item->n)};
        }
    }
    return (struct chains){.n = 0};
}
