/* SPDX-License-Identifier: Apache-2.0 */
#include "curvature.h"

enum err_code curvature_hessian(const struct curvature_problem *problem, double *h, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "not written yet");
}

enum err_code curvature_gauss_newton(const struct curvature_problem *problem, double *h,
                                     struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "not written yet");
}

enum err_code curvature_fisher_diagonal(const struct curvature_problem *problem, double *diagonal,
                                        struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "not written yet");
}
