#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The training steps of bench_train.c in PyTorch, written for this comparison.

A step is forward, mean squared error, autograd, Adam, in float64 and eagerly; the weights of depth
of all blocks come from one product with the table of powers, and of Adam's forms (plain, foreach,
fused) the fastest is taken. The Hamiltonian step is three leapfrog steps on the flat parameters, the
gradient by autograd.

usage: peer_train_torch.py NAME THREADS [SECONDS]   prints seconds of one step and which form
"""

import math
import random
import sys
import time

import torch

# As in bench_train.c: inputs, outputs, width, layers, coefficients of depth, rows.
SHAPES = {
    "T1": (8, 1, 16, 4, 2, 100),
    "T2": (10, 10, 64, 8, 3, 200),
    "HMC": (1, 1, 3, 3, 1, 13),
}


class Net:
    """Parameters are slices of one flat vector or leaves of their own."""

    def __init__(self, name):
        d, o, r, layers, terms, n = SHAPES[name]
        rng = random.Random(name)
        self.shapes = [(r, d), (r,), (o, r), (o,), (terms, r, r), (terms, r)]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.step = 1.0 / (layers + 1)
        self.powers = torch.tensor([[(i * self.step)**k for k in range(terms)]
                                    for i in range(layers + 1)], dtype=torch.float64)
        self.flat = torch.tensor([rng.gauss(0, 0.1) for _ in range(sum(self.sizes))], dtype=torch.float64)
        self.x = torch.tensor([[rng.uniform(-1, 1) for _ in range(d)] for _ in range(n)], dtype=torch.float64)
        self.y = torch.tensor([[rng.gauss(0, 1) for _ in range(o)] for _ in range(n)], dtype=torch.float64)

    def pieces(self, flat):
        return [part.view(shape) for part, shape in zip(flat.split(self.sizes), self.shapes)]

    def values(self, pre_w, pre_b, post_w, post_b, ww, bb):
        linear = torch.nn.functional.linear
        z = torch.tanh(linear(self.x, pre_w, pre_b))
        weights = torch.tensordot(self.powers, ww, 1).unbind()
        biases = (self.powers @ bb).unbind()
        for w, b in zip(weights, biases):
            z = z.add(torch.tanh(linear(z, w, b)), alpha=self.step)
        return linear(z, post_w, post_b)


def training_step(name, **form):
    net = Net(name)
    params = [piece.clone().requires_grad_() for piece in net.pieces(net.flat)]
    optim = torch.optim.Adam(params, lr=1e-3, **form)

    def step():
        optim.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(net.values(*params), net.y)
        loss.backward()
        optim.step()
    return step


def hmc_step(name, leapfrogs=3, epsilon=0.01, noise=0.3):
    net = Net(name)

    def logp(q):
        q = q.detach().requires_grad_()
        value = (-0.5 * (net.values(*net.pieces(q)) - net.y).square().sum() / noise**2 -
                 0.5 * q.square().sum())
        grad, = torch.autograd.grad(value, q)
        return value.item(), grad

    state = [net.flat, *logp(net.flat)]

    def step():
        q, value, grad = state
        p = torch.randn_like(q)
        before = 0.5 * p.dot(p).item() - value
        for _ in range(leapfrogs):
            p = p + 0.5 * epsilon * grad
            q = q + epsilon * p
            value, grad = logp(q)
            p = p + 0.5 * epsilon * grad
        after = 0.5 * p.dot(p).item() - value
        if math.log(random.random()) < before - after:
            state[:] = q, value, grad
    return step


def seconds(step, budget):
    """Median time of a step, over about `budget` seconds and at least ten steps."""
    for _ in range(10):
        step()
    times = []
    end = time.perf_counter() + budget
    while len(times) < 10 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2]


def main():
    name, threads = sys.argv[1:3]
    budget = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    torch.set_num_threads(int(threads))
    if name == "HMC":
        print(seconds(hmc_step(name), budget), "autograd")
        return
    best = (float("inf"), "")
    for label, form in (("plain", {"foreach": False}), ("foreach", {"foreach": True}), ("fused", {"fused": True})):
        try:
            step = training_step(name, **form)
            best = min(best, (seconds(step, budget), f"Adam {label}"))
        except (RuntimeError, TypeError):
            pass  # This PyTorch has no such form here.
    print(*best)


if __name__ == "__main__":
    main()
