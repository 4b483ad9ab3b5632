/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The activations of a network's layers, each by itself on every number:
 *
 *            act(u)            act'(u)                        act''(u)
 *   tanh     tanh u            1 - tanh(u)^2                  -2 tanh(u) act'(u)
 *   identity u                 1                              0
 *   relu     max(u, 0)         1 where u > 0, else 0          0
 *   sin      sin u             cos u                          -sin u
 *   silu     u s, s = 1 / (1 + e^-u)
 *                              s + u s (1 - s)                s (1 - s) (2 + u (1 - 2 s))
 *   gelu     u P(u), P the normal distribution function, p its density
 *                              P(u) + u p(u)                  p(u) (2 - u^2)
 *
 * relu's derivative at 0 is 0, as in PyTorch; its second derivative is 0 wherever there is one.
 * gelu is the exact form, PyTorch's default.
 */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <stdbool.h>

enum activation {
#define ACTIVATION(code, name) ACT_##code,
#include "math/activation.def"
#undef ACTIVATION
    ACT_COUNT
};

/* Is the derivative a function of the value alone? Then a backward pass keeps the values of the
 * forward pass, otherwise the derivatives. */
static inline bool activation_by_value(enum activation act)
{
    return act == ACT_TANH || act == ACT_IDENTITY;
}

#endif
