#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains an ensemble of 8 linear WP-ResNets on the E3SM land model runs through the API and prints
its relative error on the published validation rows and the time it took.

usage: elm.py SURROGATED_BINARY [DATA_FOLDER]     DATA_FOLDER holds train.csv and validation.csv

The error is the mean over rows of ||prediction - truth|| / ||truth||, outputs scaled to [0, 1] by
the training range. The reference, the same ensemble in PyTorch (Adam 5e-3, cosine, batch 64, 300
epochs, best epoch kept): 0.110 in 75 s on two cores.
"""

import math
import os
import sys
import tempfile
import time

os.environ["SURROGATED_BIN"] = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))
from harness import Server  # noqa: E402

DATA = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "..", "..", "..", "shared", "data", "elm")
INPUTS = 15


def read(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return file.read()


def table(text):
    return [[float(v) for v in line.split(",")] for line in text.splitlines()[1:]]


def relative_error(mean, truth, low, high):
    total = 0.0
    for f, y in zip(mean, truth):
        scale = lambda v: [(a - l) / (h - l) for a, l, h in zip(v, low, high)]
        f, y = scale(f), scale(y)
        total += math.dist(f, y) / math.hypot(*y)
    return total / len(truth)


def main():
    training = read("train.csv")
    outputs = [row[INPUTS:] for row in table(training)]
    low, high = [min(c) for c in zip(*outputs)], [max(c) for c in zip(*outputs)]
    validation = table(read("validation.csv"))
    for seed in (1, 2, 3):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder).start()
            start = time.time()
            status, _, data = server.request("POST", f"/v1/models/elm/data?outputs={len(low)}", training,
                                             {"Content-Type": "text/csv"})
            assert status == 201, data
            _, _, job = server.request("POST", "/v1/models/elm/train", {"solver": "ensemble", "seed": seed})
            row = server.wait_job(job["id"], "succeeded", "failed", seconds=600)
            elapsed = time.time() - start
            assert row["state"] == "succeeded", row
            _, _, answer = server.request("POST", "/predict", {
                "model": "elm", "inputs": [r[:INPUTS] for r in validation], "return": ["mean"]})
            error = relative_error(answer["mean"], [r[INPUTS:] for r in validation], low, high)
            print(f"seed {seed}: relative error {error:.4f} on {len(validation)} validation rows, "
                  f"uploaded and trained in {elapsed:.1f} s (reference 0.110, 75 s)")
            server.stop()


if __name__ == "__main__":
    main()
