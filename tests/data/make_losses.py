#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes loss_reference.h: QUiNN's losses of its residual network, and their gradients.

For those who have QUiNN (github.com/sandialabs/quinn) and PyTorch; run it in this folder:
PYTHONPATH=quinn python3 make_losses.py | clang-format --assume-filename=x.h > loss_reference.h
"""

import numpy as np
import torch
from quinn.nns.losses import GradLoss, LogLoss, NegLogPost, PeriodicLoss
from quinn.nns.nnwrap import NNWrap
from quinn.nns.rnet import Lin, RNet
from quinn.nns.tchutils import tch

N, D, WIDTH, LAYERS = 6, 3, 4, 2
LOW, HIGH = -0.9, 0.8  # of the period of input 1
LAMBDA, SHIFT, SIGMA, PRIOR, N_ALL = 0.7, -9.0, 0.3, 0.8, 20


def array(name, values):
    numbers = ", ".join(float(v).hex() for v in np.asarray(values).ravel())
    print(f"static const double {name}[] = {{{numbers}}};")


def write(name, net, loss, x, y):
    """The loss's value and gradient by the parameters, in the order of NNWrap.p_flatten."""
    net.zero_grad()
    value = loss(tch(x), tch(y))
    value.backward()
    grad = [p.grad.detach().numpy().ravel() if p.grad is not None else np.zeros(p.numel()) for p in net.parameters()]
    array(f"loss_{name}", [value.item()])
    array(f"loss_{name}_grad", np.concatenate(grad))


def main():
    torch.set_default_dtype(torch.double)
    torch.manual_seed(7)
    rng = np.random.default_rng(7)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by make_losses.py: losses of QUiNN and their gradients. */")
    print("#ifndef LOSS_REFERENCE_H\n#define LOSS_REFERENCE_H\n")
    print(f"enum {{ LOSS_ROWS = {N}, LOSS_INPUTS = {D}, LOSS_WIDTH = {WIDTH}, LOSS_LAYERS = {LAYERS}, LOSS_ALL = {N_ALL} }};")
    array("loss_numbers", [LAMBDA, SHIFT, SIGMA, PRIOR, LOW, HIGH])
    x = rng.uniform(-1, 1, (N, D))
    array("loss_x", x)
    for o in (1, 2):
        net = RNet(WIDTH, LAYERS, wp_function=Lin(), indim=D, outdim=o, layer_pre=True, layer_post=True,
                   biasorno=True, nonlin=True, mlp=False, final_layer=None)
        params = 0.6 * rng.standard_normal(sum(p.numel() for p in net.parameters()))
        NNWrap(net).p_unflatten(params)
        y = rng.standard_normal((N, o))
        array(f"loss_params_{o}", params)
        array(f"loss_y_{o}", y)
        array(f"loss_f_{o}", net(tch(x)).detach().numpy())
        ends = [x.copy(), x.copy()]
        ends[0][:, 1], ends[1][:, 1] = LOW, HIGH
        write(f"periodic_{o}", net, PeriodicLoss(net, LAMBDA, (tch(ends[0]), tch(ends[1]))), x, y)
        write(f"log_{o}", net, LogLoss(net, [SHIFT]), x, y)
        anchor = torch.tensor(0.1 * rng.standard_normal(params.size))
        array(f"loss_anchor_{o}", anchor.numpy())
        write(f"post_{o}", net, NegLogPost(net, N_ALL, SIGMA, {"sigma": PRIOR, "anchor": anchor}), x, y)
        if o == 1:
            g = rng.standard_normal((N, D))
            array("loss_g", g)
            loss = GradLoss(net, lam=LAMBDA, xtrn=x, gtrn=g)
            loss.xtrn, loss.gtrn = loss._xtrn, loss._gtrn  # its forward asks for names that it does not set
            write("grad_1", net, loss, x, y)
    print("\n#endif")


if __name__ == "__main__":
    main()
