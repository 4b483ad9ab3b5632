/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values are the samples of a prediction, so they are those that POST /predict answers. The
 * derivatives of a draw are those of its network, by reverse mode. A draw theta of a posterior that
 * is predicted in closed form is the network linearised at its member's mean,
 *
 *   f(x; mean) + J(x; mean) (theta - mean),
 *
 * whose derivative by x needs forward mode over reverse.
 */
#include "analyse/field.h"

#include "network/resnet_tangent.h"
#include "predict/predict_priv.h"

#include <math.h>
#include <string.h>

static enum err_code model_values(const struct field *field, const struct field_rows *rows,
                                  struct arena *scratch, double *y, struct err *err)
{
    const struct field_model *of = field->ctx;
    struct predict_result result;
    size_t o = (size_t)field->o;
    size_t all = (size_t)of->model->o;
    bool decoded = of->model->reduction != NULL; /* only what is needed then */
    const struct predict_request request = {.n = rows->n,
                                            .n_outputs = decoded ? field->o : 0,
                                            .outputs = decoded ? of->outputs : NULL,
                                            .x = rows->x,
                                            .want = PREDICT_SAMPLES,
                                            .n_samples = rows->m,
                                            .first_sample = rows->first,
                                            .seed = of->seed,
                                            .samples_alone = true,
                                            .n_threads = 1};
    if (predict_run(of->model, &request, scratch, &result, err) != ERR_OK) {
        return err->code;
    }
    if (decoded) {
        memcpy(y, result.samples, (size_t)rows->m * (size_t)rows->n * o * sizeof *y);
        return ERR_OK;
    }
    for (size_t i = 0; i < (size_t)rows->m * (size_t)rows->n; i++) {
        for (size_t a = 0; a < o; a++) {
            y[i * o + a] = result.samples[i * all + (size_t)of->outputs[a]];
        }
    }
    return ERR_OK;
}

/* ---- derivatives ---- */

struct slopes {
    const struct field *field;
    const struct model *model;
    int n;
    const double *x;   /* [n x d] */
    double *z;         /* [n x d] scaled */
    double *f;         /* [n x n_out] values of the tape's network */
    double *along;     /* [n x n_out] their change along theta - mean */
    double *direction; /* [K] theta - mean */
    double *weights;   /* [n x n_out] which output */
    double *zero;      /* [n x n_out] */
    double *dx, *ddx;  /* [n x d] */
    struct resnet_tape *tape;
    struct resnet_tangent *tangent; /* NULL: the draws are networks */
};

static void slopes_release(struct slopes *s)
{
    resnet_tape_free(s->tape);
    resnet_tangent_free(s->tangent);
}

static enum err_code slopes_init(struct slopes *s, struct arena *scratch, struct err *err)
{
    const struct model *model = s->model;
    size_t n = (size_t)s->n;
    size_t d = (size_t)model->net.arch.inputs;
    size_t out = (size_t)model->net.arch.outputs; /* at least n_out */
    bool ok = true;
    s->z = predict_scratch(scratch, n * d, &ok);
    s->f = predict_scratch(scratch, n * out, &ok);
    s->along = predict_scratch(scratch, n * out, &ok);
    s->direction = predict_scratch(scratch, (size_t)model->net.n_params, &ok);
    s->weights = predict_scratch(scratch, n * out, &ok);
    s->zero = arena_zalloc_array(scratch, n * out, sizeof *s->zero);
    s->dx = predict_scratch(scratch, n * d, &ok);
    s->ddx = predict_scratch(scratch, n * d, &ok);
    s->tape = resnet_tape_new(&model->net, s->n);
    ok = ok && s->zero != NULL && s->tape != NULL;
    if (predict_is_linear(model)) {
        s->tangent = resnet_tangent_new(&model->net, s->n);
        ok = ok && s->tangent != NULL;
    }
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for derivatives");
}

/* The network of a draw, or the one that it is linearised around. */
static void load_draw(struct slopes *s, int draw)
{
    const struct model *model = s->model;
    size_t k = (size_t)model->net.n_params;
    const double *theta = model->draws + (size_t)draw * k;
    if (s->tangent == NULL) {
        resnet_set_params(s->tape, theta);
        resnet_forward(s->tape, s->n, s->z, s->f);
        return;
    }
    const struct gauss *g = &model->gaussian.members[draw / model->gaussian.n_draws];
    for (size_t i = 0; i < k; i++) {
        bool uncertain = i >= (size_t)g->first && i < (size_t)g->first + (size_t)g->n;
        s->direction[i] = uncertain ? theta[i] - g->mean[i] : 0.0;
    }
    resnet_set_params(s->tape, g->mean);
    resnet_forward(s->tape, s->n, s->z, s->f);
}

/* s->dx [n x d] <- derivatives of output a of the network by its inputs. */
static void slopes_of(struct slopes *s, int a)
{
    size_t n_out = (size_t)s->model->net.n_out;
    size_t d = (size_t)s->model->net.arch.inputs;
    memset(s->weights, 0, (size_t)s->n * n_out * sizeof *s->weights);
    for (size_t i = 0; i < (size_t)s->n; i++) {
        s->weights[i * n_out + (size_t)a] = 1.0;
    }
    resnet_backward(s->tape, s->weights, NULL, s->dx);
    if (s->tangent == NULL) {
        return;
    }
    resnet_tangent_adjoint(s->tape, s->weights);
    resnet_tangent_forward(s->tangent, s->tape, s->direction, NULL, s->along);
    resnet_tangent_backward(s->tangent, s->zero, NULL, s->ddx);
    for (size_t i = 0; i < (size_t)s->n * d; i++) {
        s->dx[i] += s->ddx[i];
    }
}

/* Scaled value of output a at row i, of the draw. */
static double scaled_value(const struct slopes *s, size_t i, int a)
{
    size_t at = i * (size_t)s->model->net.n_out + (size_t)a;
    return s->f[at] + (s->tangent != NULL ? s->along[at] : 0.0);
}

/* jac [n x o x d] of the draw whose network is on the tape. */
static void draw_jacobian(struct slopes *s, double *jac)
{
    const struct model *model = s->model;
    const struct field_model *of = s->field->ctx;
    size_t d = (size_t)model->d;
    for (int a = 0; a < s->field->o; a++) {
        const struct scaler *out = &model->out[of->outputs[a]];
        slopes_of(s, of->outputs[a]);
        for (size_t i = 0; i < (size_t)s->n; i++) {
            double y = scaled_value(s, i, of->outputs[a]);
            scaler_invert(out, 1, 1, &y);
            double by = scaler_slope_back(out, y);
            double *row = jac + (i * (size_t)s->field->o + (size_t)a) * d;
            for (size_t b = 0; b < d; b++) {
                row[b] = by * s->dx[i * d + b] * scaler_slope(&model->in[b], s->x[i * d + b]);
            }
        }
    }
}

static enum err_code model_jacobian(const struct field *field, const struct field_rows *rows,
                                    struct arena *scratch, double *jac, struct err *err);

/* Of outputs that are decoded: sum_i V_ji of the derivatives of the coefficients. */
static enum err_code decoded_jacobian(const struct field *field, const struct field_rows *rows,
                                      struct arena *scratch, double *jac, struct err *err)
{
    const struct field_model *of = field->ctx;
    const struct reduction *r = of->model->reduction;
    struct model view;
    struct field_model of_view = *of;
    struct field coefficients = *field;
    size_t k = (size_t)r->k;
    size_t o = (size_t)field->o;
    size_t d = (size_t)field->d;
    size_t n = (size_t)rows->m * (size_t)rows->n;
    int *all = arena_alloc_array(scratch, k, sizeof *all);
    double *slopes = arena_alloc_array(scratch, n * k * d, sizeof *slopes);
    if (all == NULL || slopes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for derivatives");
    }
    for (int i = 0; i < r->k; i++) {
        all[i] = i;
    }
    model_view_coefficients(of->model, &view);
    of_view.model = &view;
    of_view.outputs = all;
    coefficients.o = r->k;
    coefficients.ctx = &of_view;
    if (model_jacobian(&coefficients, rows, scratch, slopes, err) != ERR_OK) {
        return err->code;
    }
    memset(jac, 0, n * o * d * sizeof *jac);
    for (size_t q = 0; q < n * o; q++) {
        const double *v = r->modes + of->outputs[q % o];
        for (size_t i = 0; i < k; i++) {
            for (size_t b = 0; b < d; b++) {
                jac[q * d + b] += v[i * (size_t)r->p] * slopes[(q / o * k + i) * d + b];
            }
        }
    }
    return ERR_OK;
}

static enum err_code model_jacobian(const struct field *field, const struct field_rows *rows,
                                    struct arena *scratch, double *jac, struct err *err)
{
    const struct field_model *of = field->ctx;
    if (of->model->reduction != NULL) {
        return decoded_jacobian(field, rows, scratch, jac, err);
    }
    const struct model *model = of->model;
    struct slopes s = {.field = field, .model = model, .n = rows->n, .x = rows->x};
    const struct scaler_rows inputs = {
        .n = (size_t)rows->n, .k = model->d, .v = rows->x, .names = model->input_names};
    if (model_has_categories(model)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "an input is a category, by which there is no "
                       "derivative");
    }
    if (slopes_init(&s, scratch, err) == ERR_OK &&
        model_scale_inputs(model, &inputs, s.z, err) == ERR_OK) {
        size_t size = (size_t)rows->n * (size_t)field->o * (size_t)field->d;
        for (int j = 0; j < rows->m; j++) {
            load_draw(&s, of->order[rows->first + j]);
            draw_jacobian(&s, jac + (size_t)j * size);
        }
    }
    slopes_release(&s);
    return err->code;
}

enum err_code field_of_model(struct field_model *of, int o, int m, struct arena *arena,
                             struct field *out, struct err *err)
{
    static const struct field_ops ops = {.values = model_values, .jacobian = model_jacobian};
    of->order = arena_alloc_array(arena, (size_t)of->model->m, sizeof *of->order);
    if (of->order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the draws");
    }
    predict_order_draws(of->model->m, of->seed, of->order);
    *out = (struct field){.ops = &ops, .d = of->model->d, .o = o, .m = m, .ctx = of};
    return ERR_OK;
}
