#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulations as Parsl apps whose rows are stored as they come; then a training, and predictions in parts.

usage: parsl_rows.py [--model NAME] [--parts N] [--runs N]

For a cluster replace the executor by one of its scheduler; nothing else changes.
"""

import argparse
import hashlib
import os
import sys
import time

import parsl
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from surrogate import REFUSED, Failure, Surrogate, run  # noqa: E402


@parsl.python_app
def simulate(part, runs, folder):
    """The rows of one part, in a file that a repetition finds; its path."""
    import subprocess  # apps may run on another machine
    path = f"{folder}/{part}.json"
    with open(path + ".part", "wb") as file:
        subprocess.run(["farm", "--runs", str(runs), "--seed", str(part), "--format", "json"], stdout=file, check=True)
    os.replace(path + ".part", path)
    return path


@parsl.python_app
def store(model, path):
    """Uploads under a key that is made of the rows, so that Parsl may run it again: rows stored."""
    with open(path, "rb") as file:
        rows = file.read()
    surrogate = Surrogate(model)
    key = hashlib.sha256(rows).hexdigest()[:32]
    return surrogate.call("POST", f"{surrogate.path}/data", rows,
                          {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'})


@parsl.python_app
def predict(model, points):
    return Surrogate(model).predict(points, "mean", "std")["mean"]


def train(surrogate):
    job = surrogate.ask("POST", f"{surrogate.path}/train", {"solver": "ensemble", "seed": 1,
                        "settings": {"members": 4, "epochs": 200}}, repeats=False)
    while job["state"] in ("queued", "running"):
        time.sleep(0.2)
        job = surrogate.ask("GET", f"/v1/jobs/{job['id']}")
    if job["state"] != "succeeded":
        raise Failure(REFUSED, f"job {job['id']} is {job['state']}: {job['message']}")
    return job["version"]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--model", default="parsl")
    options.add_argument("--parts", type=int, default=4)
    options.add_argument("--runs", type=int, default=25, help="simulations of a part")
    chosen = options.parse_args()
    folder = os.path.abspath("rows")
    os.makedirs(folder, exist_ok=True)
    with parsl.load(Config(executors=[ThreadPoolExecutor(max_threads=2)], retries=2)):
        files = [simulate(part, chosen.runs, folder) for part in range(1, chosen.parts + 1)]
        for receipt in [store(chosen.model, path) for path in files]:  # each runs once its rows are there
            receipt.result()
        surrogate = Surrogate(chosen.model)
        rows = surrogate.ask("GET", f"{surrogate.path}/data")["rows"]
        print(f"{rows} rows, version {train(surrogate)}")
        points = [[0.01, 6, 1, 0.5], [0.005, 8, 1, 0.4], [0.015, 5, 1.5, 0.7], [0.008, 7, 0.5, 0.6]]
        parts = [predict(chosen.model, points[i:i + 2]) for i in range(0, len(points), 2)]
        for mean in [row for part in parts for row in part.result()]:
            print(" ".join(f"{value:.4f}" for value in mean))


if __name__ == "__main__":
    run(main)
