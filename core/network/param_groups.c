/* SPDX-License-Identifier: Apache-2.0 */
#include "network/param_groups.h"

#include "base/mem.h"

#include <string.h>

static const char *const part_names[] = {"bias_pre", "blocks", "block_biases", "post", "bias_post"};

const char *param_part_name(enum param_part part)
{
    return part_names[part];
}

/* Puts n parameters from `first` on, if they exist, into a group. */
static void assign(struct param_groups *groups, int first, int n, int group)
{
    for (int k = 0; first >= 0 && k < n; k++) {
        groups->of[first + k] = group;
        groups->size[group]++;
    }
}

enum err_code param_groups_init(struct param_groups *groups, const struct resnet *net,
                                struct err *err)
{
    const struct arch *a = &net->arch;
    const struct arch_offsets *off = &net->off;
    int d = a->layer_pre ? a->inputs : 0;
    int r = a->width;
    *groups = (struct param_groups){.n_inputs = d, .n = d + PARAM_PARTS, .n_params = net->n_params};
    groups->of = mem_zalloc_array((size_t)net->n_params, sizeof *groups->of);
    groups->size = mem_zalloc_array((size_t)groups->n, sizeof *groups->size);
    if (groups->of == NULL || groups->size == NULL) {
        param_groups_release(groups);
        return err_set(err, ERR_NOMEM, "no memory for the groups of %d parameters", net->n_params);
    }
    for (int i = 0; d > 0 && i < r * d; i++) {
        assign(groups, off->weight_pre + i, 1, i % d);
    }
    assign(groups, off->bias_pre, r, d + PARAM_BIAS_PRE);
    assign(groups, off->ww, net->n_coef * r * r, d + PARAM_BLOCKS);
    assign(groups, off->bb, net->n_coef * r, d + PARAM_BLOCK_BIASES);
    assign(groups, off->weight_post, a->outputs * r, d + PARAM_POST);
    assign(groups, off->bias_post, a->outputs, d + PARAM_BIAS_POST);
    return ERR_OK;
}

void param_groups_release(struct param_groups *groups)
{
    mem_free(groups->of);
    mem_free(groups->size);
    *groups = (struct param_groups){.of = NULL};
}

void param_groups_sum(const struct param_groups *groups, const double *values, double *sums)
{
    memset(sums, 0, (size_t)groups->n * sizeof *sums);
    for (int k = 0; k < groups->n_params; k++) {
        sums[groups->of[k]] += values[k];
    }
}

void param_groups_spread(const struct param_groups *groups, const double *by_group, double *values)
{
    for (int k = 0; k < groups->n_params; k++) {
        values[k] = by_group[groups->of[k]];
    }
}
