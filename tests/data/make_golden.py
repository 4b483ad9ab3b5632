#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes golden.json: networks evaluated by the formulas, one scalar at a time, in plain Python.

It shares no code with the server and uses nothing but the standard library. Run it in its folder
when a case is added: python3 make_golden.py > golden.json
"""

import json
import math
import random
from fractions import Fraction


ACTIVATIONS = {
    "tanh": math.tanh,
    "identity": lambda u: u,
    "relu": lambda u: max(u, 0.0),
    "sin": math.sin,
    "silu": lambda u: u / (1.0 + math.exp(-u)),
    "gelu": lambda u: 0.5 * u * math.erfc(-u / math.sqrt(2.0)),
}


def phi(arch, i):
    blocks = arch["layers"] + 1
    if arch["grid"] == "closed":
        t = i / arch["layers"] if arch["layers"] else 0.0
    else:
        t = i * (1.0 / blocks)
    basis, p, x = arch["basis"], arch["order"], 2.0 * t - 1.0
    if basis == "nonparametric":
        k = int(t * blocks) if arch["index_rule"] == "quinn" else i
        return [1.0 if j == k else 0.0 for j in range(blocks)]
    if basis == "fourier":
        out = [1.0]
        for k in range(1, p + 1):
            out += [math.cos(2 * math.pi * k * t), math.sin(2 * math.pi * k * t)]
        return out
    if basis == "chebyshev":
        return [math.cos(k * math.acos(x)) for k in range(p + 1)]
    if basis == "legendre":  # explicit sum, not the recurrence
        return [
            sum(math.comb(n, k) ** 2 * (x - 1) ** (n - k) * (x + 1) ** k for k in range(n + 1)) / 2**n
            for n in range(p + 1)
        ]
    if basis == "qr":  # exact Gram-Schmidt of the powers, rounded at the end
        depths = [Fraction(j, arch["layers"]) if arch["grid"] == "closed" else Fraction(j, blocks) for j in range(blocks)]
        found = []
        for k in range(p + 1):
            v = [d**k for d in depths]
            for q in found:
                share = sum(u * w for u, w in zip(v, q)) / sum(w * w for w in q)
                v = [u - share * w for u, w in zip(v, q)]
            found.append(v)
        return [float(v[i]) / math.sqrt(sum(u * u for u in v)) for v in found]
    degree = {"constant": 0, "linear": 1, "quadratic": 2, "cubic": 3}.get(basis, p)
    return [t**k for k in range(degree + 1)]


def matvec(w, x):
    return [sum(a * b for a, b in zip(row, x)) for row in w]


def evaluate(arch, params, x):
    at = 0

    def take(rows, cols):
        nonlocal at
        out = [params[at + i * cols : at + (i + 1) * cols] for i in range(rows)]
        at += rows * cols
        return out

    d, o, r = arch["inputs"], arch["outputs"], arch["width"]
    n_coef = len(phi(arch, 0))
    bias = arch["bias"]
    act = ACTIVATIONS[arch["activation"]]
    if arch["layer_pre"]:
        w_pre, b_pre = take(r, d), take(1, r)[0] if arch.get("outer_bias", True) else [0.0] * r
    if arch["layer_post"]:
        w_post, b_post = take(o, r), take(1, o)[0] if arch.get("outer_bias", True) else [0.0] * o
    ww = [take(r, r) for _ in range(n_coef)]
    bb = [take(1, r)[0] if bias else [0.0] * r for _ in range(n_coef)]
    assert at == len(params)

    z = [act(v + b) for v, b in zip(matvec(w_pre, x), b_pre)] if arch["layer_pre"] else list(x)
    h = arch["horizon"] / (arch["layers"] + 1)
    for i in range(arch["layers"] + 1):
        f = phi(arch, i)
        w = [[sum(f[k] * ww[k][a][b] for k in range(n_coef)) for b in range(r)] for a in range(r)]
        c = [sum(f[k] * bb[k][a] for k in range(n_coef)) for a in range(r)]
        step = [act(v + b) for v, b in zip(matvec(w, z), c)]
        z = [a + h * b for a, b in zip(z, step)] if arch["residual"] else step
    y = [v + b for v, b in zip(matvec(w_post, z), b_post)] if arch["layer_post"] else z
    final = arch["final"]
    if final == "exp":
        return [math.exp(v) for v in y]
    if final == "logabs":
        return [math.log(abs(v)) for v in y]
    return [sum(y)] if final == "sum" else y


def count(arch):
    r, n = arch["width"], len(phi(arch, 0))
    bias = 1 if arch["bias"] else 0
    total = n * (r * r + bias * r)
    outer = 1 if arch.get("outer_bias", True) else 0
    total += r * arch["inputs"] + outer * r if arch["layer_pre"] else 0
    return total + ((r + outer) * arch["outputs"] if arch["layer_post"] else 0)


BASE = dict(inputs=3, outputs=2, width=5, layers=3, basis="linear", order=0, bias=True,
            activation="tanh", residual=True, layer_pre=True, layer_post=True, final="none",
            grid="left", index_rule="integer", horizon=1.0)
VARIANTS = [
    {}, {"basis": "constant"}, {"basis": "quadratic"}, {"basis": "cubic"},
    {"basis": "polynomial", "order": 5}, {"basis": "nonparametric"},
    {"basis": "nonparametric", "layers": 6, "index_rule": "quinn"},
    {"basis": "legendre", "order": 4}, {"basis": "chebyshev", "order": 4},
    {"basis": "fourier", "order": 2}, {"basis": "legendre", "order": 0},
    {"grid": "closed"}, {"grid": "closed", "layers": 0}, {"grid": "closed", "basis": "fourier", "order": 3},
    {"residual": False}, {"bias": False}, {"activation": "identity"}, {"horizon": 5.0},
    {"final": "exp"}, {"final": "logabs"}, {"final": "sum"}, {"layers": 0},
    {"layer_pre": False, "inputs": 5}, {"layer_post": False, "outputs": 5},
    {"layer_pre": False, "layer_post": False, "inputs": 5, "outputs": 5, "residual": False},
    {"width": 17, "layers": 7, "basis": "cubic", "inputs": 1, "outputs": 1},
    {"activation": "relu"}, {"activation": "sin", "horizon": 3.0}, {"activation": "silu"}, {"activation": "gelu"},
    {"activation": "relu", "residual": False}, {"activation": "sin", "residual": False},
    {"activation": "silu", "residual": False}, {"activation": "gelu", "residual": False, "layer_pre": False, "inputs": 5},
    {"outer_bias": False}, {"outer_bias": False, "bias": False, "outputs": 1, "width": 4},
    {"outer_bias": False, "layer_pre": False, "inputs": 5},
    {"basis": "qr", "order": 2}, {"basis": "qr", "order": 0}, {"basis": "qr", "order": 6, "layers": 6, "grid": "closed"},
]


def main():
    rng = random.Random(20250301)
    cases = []
    for variant in VARIANTS:
        arch = {**BASE, **variant}
        params = [rng.uniform(-0.8, 0.8) for _ in range(count(arch))]
        x = [[rng.uniform(-1.5, 1.5) for _ in range(arch["inputs"])] for _ in range(3)]
        cases.append(dict(architecture=arch, parameters=params, x=x,
                          y=[evaluate(arch, params, row) for row in x]))
    print(json.dumps({"about": "y = network(x; parameters)", "cases": cases}))


if __name__ == "__main__":
    main()
