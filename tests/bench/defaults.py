#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Solvers with nothing but their name set, beside `evidence`, on smooth functions with few runs.

usage: defaults.py SURROGATED_BINARY [--functions a,b] [--rows 50,200,1000] [--solvers a,b]
                   [--designs lhs:5,sobol:6,random:7] [--settings JSON] [--workers 1] [--results FILE]

Prints for each solver the ratio of its error to that of evidence, by function and number of rows, its
geometric mean and largest value, the coverage of 90 % intervals with noise, and the seconds of training.
Needs numpy and scipy. After an interruption it continues where it was.
"""

import argparse
import json
import statistics
import warnings

import numpy as np

import experiments
import surrogate_functions
import surrogate_others
from surrogates import score

FUNCTIONS = {**surrogate_functions.FUNCTIONS, **surrogate_others.FUNCTIONS}
SOLVERS = "evidence,ensemble,laplace,hmc,nuts,bll"


def work(server, key, task):
    solver, function, n, kind, number, settings = task
    name = experiments.model_name(key)
    x, y = surrogate_others.design(kind, FUNCTIONS[function], n, number)
    at, truth = surrogate_others.test_rows(FUNCTIONS[function])
    request = {"solver": solver, "seed": 1, **settings}
    row, seconds = experiments.train(server, name, x.tolist(), y[:, None].tolist(), request)
    found = experiments.predict(server, name, at.tolist(), "mean", "total_variance")
    error, nll, coverage = score(np.array(found["mean"])[:, 0], np.array(found["total_variance"])[:, 0], truth)
    return {"error": error, "nll": nll, "coverage": coverage, "seconds": seconds,
            "warnings": [w["code"] if isinstance(w, dict) else w for w in row.get("warnings") or []]}


def table(results, args, designs):
    known = results.known
    for n in args.rows.split(","):
        print(f"\n{n} rows: error of evidence; ratio of errors to it / coverage of 90 % / seconds; medians")
        ratios = {solver: [] for solver in args.solvers.split(",")}
        for function in args.functions.split(","):
            line = []
            for solver in ratios:
                keys = [f"{{}}/{function}/{n}/{kind}/{number}" for kind, number in designs]
                pairs = [(known.get(k.format(solver)), known.get(k.format("evidence"))) for k in keys]
                pairs = [(a, b) for a, b in pairs if a and b]
                if not pairs:
                    continue
                ratio = statistics.median(a["error"] / b["error"] for a, b in pairs)
                ratios[solver].append(ratio)
                cover = statistics.median(a["coverage"] for a, _ in pairs)
                seconds = statistics.median(a["seconds"] for a, _ in pairs)
                first = statistics.median(a["error"] for a, _ in pairs) if solver == "evidence" else ratio
                told = sorted({code for a, _ in pairs for code in a["warnings"]})
                line.append(f"{solver} {first:.4g} / {100 * cover:.0f} % / {seconds:.1f} s {' '.join(told)}")
            print(f"  {function:15s} " + "\n                  ".join(line))
        for solver, values in ratios.items():
            if values:
                print(f"  {solver:10s} geometric mean {statistics.geometric_mean(values):.2f}, "
                      f"largest {max(values):.2f}, above 3 in {sum(v > 3 for v in values)} of {len(values)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    parser.add_argument("--rows", default="50,200,1000")
    parser.add_argument("--solvers", default=SOLVERS)
    parser.add_argument("--designs", default="lhs:5")
    parser.add_argument("--settings", default="{}")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", default="defaults.jsonl")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="The balance properties of Sobol")
    experiments.use_binary(args.binary)
    settings = json.loads(args.settings)
    designs = [(text.split(":")[0], int(text.split(":")[1])) for text in args.designs.split(",")]
    results = experiments.Results(args.results)
    tasks = [(f"{solver}/{function}/{n}/{kind}/{number}", (solver, function, int(n), kind, number, settings))
             for n in args.rows.split(",") for kind, number in designs for function in args.functions.split(",")
             for solver in args.solvers.split(",")]
    fine = experiments.run_all(tasks, results, work, args.workers)
    table(results, args, designs)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
