# SPDX-License-Identifier: Apache-2.0
"""The reference workloads, with random parameters: name -> inputs, outputs, width, layers, basis, draws."""

import random

WORKLOADS = {
    "W0": (1, 1, 3, 3, "constant", 100),
    "W1": (8, 1, 16, 4, "linear", 100),
    "W2": (10, 10, 64, 8, "quadratic", 50),
    "W3": (15, 10, 32, 6, "cubic", 1000),
}
TERMS = {"constant": 1, "linear": 2, "quadratic": 3, "cubic": 4}


def count(name):
    d, o, r, _, basis, _ = WORKLOADS[name]
    return r * d + r + TERMS[basis] * (r * r + r) + o * r + o


def draws(name):
    """[m][K] normal numbers, the same each time."""
    rng = random.Random(name)
    return [[rng.gauss(0, 0.3) for _ in range(count(name))] for _ in range(WORKLOADS[name][5])]


def document(name, precision="float64"):
    d, o, r, layers, basis, _ = WORKLOADS[name]
    return {"architecture": {"inputs": d, "outputs": o, "width": r, "layers": layers, "basis": basis},
            "posterior": {"kind": "draws", "parameters": draws(name)}, "precision": precision}


def rows(name, n):
    rng = random.Random(n)
    return [[rng.uniform(-1, 1) for _ in range(WORKLOADS[name][0])] for _ in range(n)]
