#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulate what the model says is worth simulating, until it is accurate enough or the budget is spent.
Standard library only.

usage: python3 client-examples/loop.py [--url URL] [--model NAME] [--farm PROGRAM] [--first N] [--batch N]
           [--budget RUNS] [--accuracy SHARE] [--criterion NAME]

The server makes a first design in the space of the model. Each round then trains, reads the error that
the server measured by itself on rows that it kept out, asks for the next batch of points, runs the
simulator there and sends the rows with the ids of the points.
"""

import argparse
import os
import sys

from workflow import Surrogate, simulate_at

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SPACE = {
    "inputs": [
        {"name": "diffusivity", "distribution": {"kind": "loguniform", "low": 0.002, "high": 0.02}},
        {"name": "growth", "bounds": [4, 10]},
        {"name": "loss", "bounds": [0.2, 2]},
        {"name": "amplitude", "bounds": [0.2, 0.9]}],
    "outputs": ["mass", "middle", "mean_mass"]}


def read_options():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--url", default=os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080"),
                         help="the server [%(default)s]")
    options.add_argument("--model", default="loop", help="the model [%(default)s]")
    options.add_argument("--farm", default=f"{TOP}/build/client-examples/simulation-farm/farm",
                         help="the simulator [%(default)s]")
    options.add_argument("--first", type=int, default=40, help="points of the first design [%(default)s]")
    options.add_argument("--batch", type=int, default=20, help="points of a round [%(default)s]")
    options.add_argument("--budget", type=int, default=120, help="simulations in all [%(default)s]")
    options.add_argument("--accuracy", type=float, default=0.002,
                         help="relative error that is good enough [%(default)s]")
    options.add_argument("--criterion", default="integrated_variance", help="[%(default)s]")
    return options.parse_args()


def run_points(options, surrogate, answer):
    """Simulates points that were handed out, and sends them back with their ids; rows of the model now."""
    rows = simulate_at(options.farm, answer["points"])
    ids = ",".join(map(str, answer["ids"]))
    return surrogate.call("POST", f"{surrogate.path}/data?ids={ids}", rows)["total_rows"]


def train(surrogate):
    """The relative error on rows kept out of the training."""
    job = surrogate.train({"solver": "evidence", "seed": 1, "split": {"validation": 0.2},
                           "architecture": {"width": 8, "layers": 1}})
    return job["scores"]["relative_error"]


def main():
    options = read_options()
    surrogate = Surrogate(options.url, options.model)
    surrogate.call("PUT", f"{surrogate.path}/space", SPACE)
    total = run_points(options, surrogate,
                       surrogate.call("POST", f"{surrogate.path}/design", {"n": options.first}))
    while True:
        error = train(surrogate)
        print(f"{total} rows: relative error {error:.5f}")
        if error <= options.accuracy or total >= options.budget:
            break
        answer = surrogate.call("POST", f"{surrogate.path}/suggest", {
            "criterion": options.criterion, "n": min(options.batch, options.budget - total), "seed": total})
        variance = answer["variance"]
        print(f"  {len(answer['ids'])} points, after which the mean variance is expected to be "
              f"{variance['after'] / max(variance['before'], sys.float_info.min):.0%} of what it is")
        total = run_points(options, surrogate, answer)


if __name__ == "__main__":
    main()
