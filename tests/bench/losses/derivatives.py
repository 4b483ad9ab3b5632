#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
How many rows derivatives are worth: ensembles trained on n rows that carry them, and on n and 2 n
that do not, of the borehole function (8 inputs) and of thrust and fuel consumption of an engine by
Mach number, altitude and throttle (3 inputs, 2 outputs, as SMT's b777_engine has).

usage: SURROGATED_BIN=build/server/surrogated PYTHONPATH=tests/process python3 tests/bench/losses/derivatives.py
"""

import cmath
import math
import random
import tempfile

from harness import Server

N_TEST = 1000
SIZES = {"borehole": (25, 50, 100), "engine": (15, 30, 60)}
STEP = 1e-20  # of complex steps, whose derivatives are exact
SETTINGS = {"members": 4, "epochs": 600, "batch_size": 0, "hyperparameters": "given", "derivative_weight": 1}
REQUEST = {"solver": "ensemble", "architecture": {"width": 24, "layers": 1}, "optimizer": {"name": "lbfgs", "weight_decay": 1e-6},
           "split": {"validation": 0}, "settings": SETTINGS, "seed": 1, "gate": None}


def borehole(x):
    low = (0.05, 100, 63070, 990, 63.1, 700, 1120, 9855)
    high = (0.15, 50000, 115600, 1110, 116, 820, 1680, 12045)
    rw, r, tu, hu, tl, hl, length, kw = (a + (b - a) * v for a, b, v in zip(low, high, x))
    log = cmath.log(r / rw)
    return [2 * math.pi * tu * (hu - hl) / (log * (1 + 2 * length * tu / (log * rw**2 * kw) + tu / tl))]


def engine(x):
    mach, altitude, throttle = 0.9 * x[0], 13 * x[1], 0.1 + 0.9 * x[2]
    density = cmath.exp(-altitude / 8.5)
    thrust = 400 * throttle**1.3 * density**0.8 * (1 - 0.5 * mach + 0.35 * mach**2) / (1 + 0.2 * cmath.exp(9 * (0.2 - throttle)))
    fuel = 0.32 + 0.28 * mach + 0.15 * (1 - throttle)**3 * (1 + mach) - 0.006 * altitude * (1 - 0.04 * altitude)
    return [thrust, fuel]


def rows(function, d, n, seed, slopes):
    """A Latin hypercube; behind the outputs, their derivatives by each input."""
    rng = random.Random(seed)
    columns = [[(place + rng.random()) / n for place in rng.sample(range(n), n)] for _ in range(d)]
    x = [list(row) for row in zip(*columns)]
    y = []
    for row in x:
        values = [v.real for v in function([complex(v) for v in row])]
        if slopes:
            moved = [function([complex(v, STEP if j == k else 0) for j, v in enumerate(row)]) for k in range(d)]
            values += [moved[k][o].imag / STEP for o in range(len(values)) for k in range(d)]
        y.append(values)
    return {"inputs": x, "outputs": y}


def error(server, name, function, d, n, seed, slopes):
    """The root mean squared error over the outputs' standard deviations, at points of no row."""
    def ok(method, path, body):
        status, _, answer = server.request(method, path, body)
        assert status < 300, answer
        return answer

    test = rows(function, d, N_TEST, 99, False)
    o = len(test["outputs"][0])
    ok("POST", f"/v1/models/{name}/data", rows(function, d, n, seed, slopes))
    columns = [{"name": o + j * d + k, "role": "derivative", "of": j, "by": k} for j in range(o) for k in range(d)]
    job = ok("POST", f"/v1/models/{name}/train", {**REQUEST, "columns": columns if slopes else []})["id"]
    row = server.wait_job(job, "succeeded", "failed", seconds=1800)
    assert row["state"] == "succeeded", row
    found = ok("POST", f"/v1/models/{name}/predict", {"inputs": test["inputs"], "return": ["mean"]})["mean"]
    total = 0.0
    for j in range(o):
        truth = [row[j] for row in test["outputs"]]
        mean = sum(truth) / N_TEST
        spread = sum((v - mean)**2 for v in truth)
        total += sum((found[i][j] - truth[i])**2 for i in range(N_TEST)) / spread / o
    return math.sqrt(total)


def main():
    print("error / standard deviation of the output, median of three designs")
    print(f"{'function':10} {'rows n':>7} {'n with derivatives':>19} {'n':>9} {'2 n':>9} {'2 n / n with':>13}")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder).start()
        for name, function, d in (("borehole", borehole, 8), ("engine", engine, 3)):
            for n in SIZES[name]:
                def median(rows_used, slopes):
                    found = [error(server, f"{name}-{rows_used}-{int(slopes)}-{n}-{seed}", function, d, rows_used, seed, slopes)
                             for seed in (1, 2, 3)]
                    return sorted(found)[1]

                told, same, twice = median(n, True), median(n, False), median(2 * n, False)
                print(f"{name:10} {n:7} {told:19.5f} {same:9.5f} {twice:9.5f} {twice / told:13.2f}", flush=True)
        server.stop()


if __name__ == "__main__":
    main()
