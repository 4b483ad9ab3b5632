#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy on test functions with few runs: root mean square error over the function's standard
deviation, negative log likelihood of the predicted normal (of values over that deviation), coverage
of its 90 % interval, seconds of training; beside a Gaussian process where it was measured.

usage: surrogates.py SURROGATED_BINARY [--functions a,b] [--rows 50,200] [--designs 5,6]
                     [--request NAME=JSON ...] [--results FILE]

Needs numpy and scipy. Each request is a training request laid over {"solver": "evidence", "seed": 1};
without any, that one is run alone. After an interruption it continues where it was; delete the results
file to begin again.
"""

import argparse
import json
import os
import statistics

import numpy as np

import experiments
from surrogate_functions import FUNCTIONS, design, test_rows

# Error and negative log likelihood of scikit-learn 1.5's Gaussian process (Matern 5/2, a length scale
# an input, learned noise) on the design with seed 5.
GAUSSIAN_PROCESS = {
    "borehole/50": (0.0184, -2.87), "borehole/200": (0.00323, -4.73), "borehole/1000": (0.00079, -5.99),
    "otl/50": (0.0154, -3.21), "otl/200": (0.00306, -4.70), "otl/1000": (0.00070, -6.11),
    "wing/50": (0.0443, -1.72), "wing/200": (0.00457, -4.07), "wing/1000": (0.00085, -5.74),
    "piston/50": (0.0812, None), "piston/200": (0.0244, None), "piston/1000": (0.00738, None),
    "ishigami/50": (0.643, None), "ishigami/200": (0.167, None), "ishigami/1000": (0.0217, None),
    "friedman/50": (0.0362, None), "friedman/200": (0.00221, None), "friedman/1000": (0.00028, None),
}
NORMAL_95 = 1.6448536269514722


def score(mean, variance, truth):
    """(error, negative log likelihood, coverage) in units of the truth's standard deviation."""
    unit = truth.std()
    gap = (truth - mean) / unit
    variance = np.maximum(variance / unit**2, 1e-300)
    nll = np.mean(0.5 * np.log(2 * np.pi * variance) + 0.5 * gap**2 / variance)
    return (float(np.sqrt(np.mean(gap**2))), float(nll),
            float(np.mean(np.abs(gap) < NORMAL_95 * np.sqrt(variance))))


def work(server, key, task):
    function, n, number, request = task
    name = experiments.model_name(key)
    x, y = design(function, n, number)
    at, truth = test_rows(function)
    _, seconds = experiments.train(server, name, x.tolist(), y[:, None].tolist(), request)
    found = experiments.predict(server, name, at.tolist(), "mean", "total_variance")
    error, nll, coverage = score(np.array(found["mean"])[:, 0], np.array(found["total_variance"])[:, 0], truth)
    report = server.request("GET", f"/v1/models/{name}/diagnostics")[2]["report"]
    told = {item[len("evidence."):]: value for item, value in report.items() if item.startswith("evidence.")}
    return {"error": error, "nll": nll, "coverage": coverage, "seconds": seconds, "report": told}


def table(results, names, cells, designs):
    print("median over designs: error / nll / coverage of 90 % / seconds / ratio to the Gaussian process")
    ratios = {name: [] for name in names}
    for function, n in cells:
        peer = GAUSSIAN_PROCESS.get(f"{function}/{n}")
        print(f"\n{function}, {n} rows" + (f": Gaussian process {peer[0]} / {peer[1]}" if peer else ""))
        for name in names:
            rows = [results.known.get(f"{name}/{function}/{n}/{number}") for number in designs]
            rows = [row for row in rows if row is not None]
            if not rows:
                continue
            error, nll, coverage, seconds = (statistics.median(row[what] for row in rows)
                                             for what in ("error", "nll", "coverage", "seconds"))
            ratio = error / peer[0] if peer else float("nan")
            ratios[name] += [ratio] if peer else []
            starts = rows[0]["report"].get("log_evidence")
            starts = " ".join(f"{v:.0f}" for v in starts if v is not None) if starts else ""
            iterations = rows[0]["report"].get("iterations")
            iterations = statistics.median(iterations) if iterations else 0
            print(f"  {name:24s} {error:9.5f} {nll:7.2f} {100 * coverage:4.0f} % {seconds:7.1f} s {ratio:6.2f}"
                  f"   {iterations:.0f} iterations, evidence {starts}")
    for name, values in ratios.items():
        if values:
            print(f"\n{name}: geometric mean of the ratios {statistics.geometric_mean(values):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--functions", default=",".join(name for name in FUNCTIONS if "inert" not in name))
    parser.add_argument("--rows", default="50,200")
    parser.add_argument("--designs", default="5")
    parser.add_argument("--request", action="append", default=[])
    parser.add_argument("--results", default="surrogates.jsonl")
    args = parser.parse_args()
    experiments.use_binary(args.binary)
    requests = {}
    for text in args.request or ["evidence={}"]:
        name, body = text.split("=", 1)
        requests[name] = {"solver": "evidence", "seed": 1, **json.loads(body)}
    designs = [int(v) for v in args.designs.split(",")]
    cells = [(function, int(n)) for function in args.functions.split(",") for n in args.rows.split(",")]
    results = experiments.Results(args.results)
    tasks = [(f"{name}/{function}/{n}/{number}", (function, n, number, request))
             for function, n in cells for number in designs for name, request in requests.items()]
    fine = experiments.run_all(tasks, results, work)
    table(results, requests, cells, designs)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
