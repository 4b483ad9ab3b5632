/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/whitened.h"

#include "base/mem.h"
#include "math/gemm.h"

#include <string.h>

enum err_code whitened_init(struct whitened *self, int n, int k, struct err *err)
{
    *self = (struct whitened){.n = n, .k = k};
    self->mean = mem_zalloc_array(4 * (size_t)n, sizeof *self->mean);
    if (self->mean == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the coordinates of %d parameters", n);
    }
    self->theta = self->mean + n;
    self->grad = self->theta + n;
    self->spread = self->grad + n;
    return ERR_OK;
}

void whitened_release(struct whitened *self)
{
    mem_free(self->mean);
    self->mean = NULL;
}

void whitened_point(const struct whitened *self, const double *z, double *theta)
{
    int k = self->k;
    memcpy(theta, self->mean, (size_t)self->n * sizeof *theta);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, k, k, 1.0, self->factor, k, z, 1, 1.0, theta, 1);
    for (int i = k; i < self->n; i++) {
        theta[i] += self->spread[i - k] * z[i];
    }
}

static double log_density(void *ctx, const double *z, double *grad)
{
    struct whitened *self = ctx;
    int k = self->k;
    whitened_point(self, z, self->theta);
    double value = self->inner.logp(self->inner.ctx, self->theta, grad != NULL ? self->grad : NULL);
    if (grad != NULL) {
        cblas_dgemv(CblasRowMajor, CblasTrans, k, k, 1.0, self->factor, k, self->grad, 1, 0.0, grad,
                    1);
        for (int i = k; i < self->n; i++) {
            grad[i] = self->spread[i - k] * self->grad[i];
        }
    }
    return value;
}

struct target whitened_target(struct whitened *self)
{
    return (struct target){.n = self->n, .logp = log_density, .ctx = self};
}
