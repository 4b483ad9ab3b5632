#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A simulation whose output is a map of 20 x 20 points: upload, train on the coefficients of its modes, and
ask for the whole map, a corner of it and single points. Standard library only.

usage: python3 client-examples/field.py [--url URL] [--model NAME] [--runs N]
"""

import argparse
import math
import os
import random
import statistics

from workflow import Surrogate

SIDE = 20
AXIS = [i / (SIDE - 1) for i in range(SIDE)]
TEST_RUNS = 50
NOISE = 0.01


def plume(x, y, point):
    """Concentration at a place, of a source that drifts with the wind."""
    wind, spread, strength = point
    return strength * math.exp(-((x - 0.3 - 0.3 * wind) ** 2 + (y - 0.5) ** 2) / spread)


def simulate(runs, seed):
    chance = random.Random(seed)
    inputs = [[chance.uniform(0, 1), chance.uniform(0.05, 0.2), chance.uniform(1, 2)] for _ in range(runs)]
    maps = [[plume(x, y, point) + chance.gauss(0, NOISE) for x in AXIS for y in AXIS] for point in inputs]
    return {"inputs": inputs, "outputs": maps}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--url", default=os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080"),
                         help="the server [%(default)s]")
    options.add_argument("--model", default="plume", help="the model [%(default)s]")
    options.add_argument("--runs", type=int, default=120, help="simulations [%(default)s]")
    options = options.parse_args()
    surrogate = Surrogate(options.url, options.model)
    surrogate.upload(simulate(options.runs, 1))
    reduction = {"kind": "kl", "explained": 0.99, "coordinates": {"axes": [AXIS, AXIS]}, "weights": "trapezoid"}
    job = surrogate.train({"solver": "evidence", "settings": {"members": 4}, "output_reduction": reduction, "seed": 1})
    version = surrogate.call("GET", f"{surrogate.path}/versions/{job['version']}")
    found = version["output_reduction"]
    print(f"{found['outputs']} outputs, {found['modes']} modes have {found['explained']:.3f} of the variance")

    test = simulate(TEST_RUNS, 2)
    answer = surrogate.predict(test["inputs"], "mean", "total_variance")
    gaps = [(seen - mean, variance ** 0.5) for row in zip(test["outputs"], answer["mean"], answer["total_variance"])
            for seen, mean, variance in zip(*row)]
    spread = statistics.pstdev(value for row in test["outputs"] for value in row)
    error = math.sqrt(sum(gap ** 2 for gap, _ in gaps) / len(gaps))
    inside = sum(abs(gap) <= 1.645 * std for gap, std in gaps) / len(gaps)
    print(f"error {error:.3f} of a spread of {spread:.3f}; {inside:.2f} of all points within their 90 %")

    point = {"inputs": test["inputs"][:1], "return": ["mean", "std"]}
    corner = surrogate.call("POST", f"{surrogate.path}/predict", {**point, "within": [[0.0, 0.1], [None, 0.1]]})
    print(f"the corner has the outputs {corner['outputs']}")
    first = surrogate.call("POST", f"{surrogate.path}/predict", {**point, "outputs": "0:3"})
    print(f"the first three are {', '.join(f'{value:.3f}' for value in first['mean'][0])}")


if __name__ == "__main__":
    main()
