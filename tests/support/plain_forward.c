/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_forward.h"

#include <check.h>
#include <stdlib.h>

void plain_forward(const struct resnet *net, const double *params, int n, const double *x,
                   double *y)
{
    double *pack = calloc(net->pack_size, sizeof *pack);
    double *scratch = calloc(resnet_apply_scratch(net, n), sizeof *scratch);
    ck_assert(pack != NULL && scratch != NULL);
    resnet_pack(net, params, pack);
    resnet_apply(&(struct resnet_packed){.net = net, .pack = pack, .scratch = scratch}, n, x, y);
    free(pack);
    free(scratch);
}
