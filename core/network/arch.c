/* SPDX-License-Identifier: Apache-2.0 */
#include "network/arch.h"

#include "base/names.h"

#include <stdint.h>

static const char *const wpfn_names[] = {
#define WPFN(code, name, order) name,
#include "network/wpfn.def"
#undef WPFN
};
/* Whether a basis has an order. */
static const bool takes_order[] = {
#define WPFN(code, name, order) order,
#include "network/wpfn.def"
#undef WPFN
};

static const char *const grid_names[] = {"left", "closed"};
static const char *const index_rule_names[] = {"integer", "quinn"};
static const char *const activation_names[] = {
#define ACTIVATION(code, name) name,
#include "math/activation.def"
#undef ACTIVATION
};
static const char *const final_names[] = {"none", "exp", "logabs", "sum"};

struct arch arch_default(int inputs, int outputs)
{
    return (struct arch){
        .inputs = inputs,
        .outputs = outputs,
        .width = 32,
        .layers = 4,
        .basis = WPFN_LINEAR,
        .bias = true,
        .outer_bias = true,
        .activation = ACT_TANH,
        .residual = true,
        .layer_pre = true,
        .layer_post = true,
        .final = FINAL_NONE,
        .grid = GRID_LEFT,
        .index_rule = INDEX_INTEGER,
        .horizon = 1.0,
    };
}

static enum err_code check_range(const char *field, int value, int low, int high, struct err *err)
{
    if (value < low) {
        return err_set(err, ERR_INVALID, "%s is %d, at least %d is needed", field, value, low);
    }
    if (value > high) {
        return err_set(err, ERR_LIMIT, "%s is %d, at most %d is allowed", field, value, high);
    }
    return ERR_OK;
}

int arch_n_blocks(const struct arch *arch)
{
    return arch->layers + 1;
}

int arch_n_coef(const struct arch *arch)
{
    switch (arch->basis) {
    case WPFN_CONSTANT:
        return 1;
    case WPFN_LINEAR:
        return 2;
    case WPFN_QUADRATIC:
        return 3;
    case WPFN_CUBIC:
        return 4;
    case WPFN_NONPARAMETRIC:
        return arch_n_blocks(arch);
    case WPFN_POLYNOMIAL:
    case WPFN_LEGENDRE:
    case WPFN_CHEBYSHEV:
    case WPFN_QR:
        return arch->order + 1;
    case WPFN_FOURIER:
        return 2 * arch->order + 1;
    }
    return 0;
}

static int64_t count_params(const struct arch *a)
{
    int64_t r = a->width;
    int64_t bias = a->bias ? 1 : 0;
    int64_t outer = a->outer_bias ? 1 : 0;
    int64_t n = (int64_t)arch_n_coef(a) * (r * r + bias * r);
    n += a->layer_pre ? r * a->inputs + outer * r : 0;
    n += a->layer_post ? (r + outer) * a->outputs : 0;
    return n;
}

enum err_code arch_validate(const struct arch *arch, struct err *err)
{
    if (check_range("inputs", arch->inputs, 1, ARCH_MAX_INPUTS, err) != ERR_OK ||
        check_range("outputs", arch->outputs, 1, ARCH_MAX_OUTPUTS, err) != ERR_OK ||
        check_range("width", arch->width, 1, ARCH_MAX_WIDTH, err) != ERR_OK ||
        check_range("layers", arch->layers, 0, ARCH_MAX_LAYERS, err) != ERR_OK ||
        check_range("order", arch->order, 0, ARCH_MAX_ORDER, err) != ERR_OK) {
        return err->code;
    }
    if (!takes_order[arch->basis] && arch->order != 0) {
        return err_set(err, ERR_INVALID, "order is %d, but basis %s takes none", arch->order,
                       wpfn_name(arch->basis));
    }
    if (arch->basis == WPFN_QR && arch->order > arch->layers) {
        return err_set(err, ERR_INVALID,
                       "order is %d, but basis qr takes at most layers, %d: %d "
                       "blocks tell no more polynomials apart",
                       arch->order, arch->layers, arch_n_blocks(arch));
    }
    if (!arch->layer_pre && arch->inputs != arch->width) {
        return err_set(err, ERR_INVALID, "without layer_pre, width %d must equal inputs %d",
                       arch->width, arch->inputs);
    }
    if (!arch->layer_post && arch->outputs != arch->width) {
        return err_set(err, ERR_INVALID, "without layer_post, width %d must equal outputs %d",
                       arch->width, arch->outputs);
    }
    if (!(arch->horizon > 0.0 && arch->horizon <= ARCH_MAX_HORIZON)) {
        return err_set(err, ERR_INVALID, "horizon is %g, a number in (0, %g] is needed",
                       arch->horizon, ARCH_MAX_HORIZON);
    }
    if (count_params(arch) > ARCH_MAX_PARAMS) {
        return err_set(err, ERR_LIMIT,
                       "the architecture has %lld parameters, at most %d are allowed",
                       (long long)count_params(arch), ARCH_MAX_PARAMS);
    }
    return ERR_OK;
}

int arch_n_outputs(const struct arch *arch)
{
    return arch->final == FINAL_SUM ? 1 : arch->outputs;
}

/* Where an optional part of n parameters begins: at *at, which then moves past it; -1: absent. */
static int place_part(int *at, bool present, int n)
{
    int start = present ? *at : -1;
    *at += present ? n : 0;
    return start;
}

struct arch_offsets arch_offsets(const struct arch *a)
{
    struct arch_offsets off;
    int r = a->width;
    int at = 0;
    off.weight_pre = place_part(&at, a->layer_pre, r * a->inputs);
    off.bias_pre = place_part(&at, a->layer_pre && a->outer_bias, r);
    off.weight_post = place_part(&at, a->layer_post, a->outputs * r);
    off.bias_post = place_part(&at, a->layer_post && a->outer_bias, a->outputs);
    off.ww = place_part(&at, true, arch_n_coef(a) * r * r);
    off.bb = place_part(&at, a->bias, arch_n_coef(a) * r);
    off.n_params = at;
    return off;
}

int arch_n_params(const struct arch *arch)
{
    return (int)count_params(arch);
}

double arch_step(const struct arch *arch)
{
    return arch->horizon / (double)arch_n_blocks(arch);
}

bool arch_equal(const struct arch *a, const struct arch *b)
{
    return a->inputs == b->inputs && a->outputs == b->outputs && a->width == b->width &&
           a->layers == b->layers && a->basis == b->basis && a->order == b->order &&
           a->bias == b->bias && a->outer_bias == b->outer_bias && a->activation == b->activation &&
           a->residual == b->residual && a->layer_pre == b->layer_pre &&
           a->layer_post == b->layer_post && a->final == b->final && a->grid == b->grid &&
           a->index_rule == b->index_rule && a->horizon >= b->horizon && a->horizon <= b->horizon;
}

NAMES_DEFINE(wpfn, enum wpfn_basis, wpfn_names)
NAMES_DEFINE(arch_grid, enum arch_grid, grid_names)
NAMES_DEFINE(arch_index_rule, enum arch_index_rule, index_rule_names)
NAMES_DEFINE(arch_activation, enum activation, activation_names)
NAMES_DEFINE(arch_final, enum arch_final, final_names)
