#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains on the E3SM land model runs through the API and prints the relative error on the published
validation rows, what was chosen, and the time it took: the default of before (`ensemble`) beside `auto`.

usage: elm.py SURROGATED_BINARY [--data FOLDER] [--seeds 1,2,3] [--methods ensemble,auto]
              [--request NAME=JSON ...] [--results FILE] [--tag TEXT] [--threads N]

The folder holds train.csv and validation.csv. The error is the mean over rows of
||prediction - truth|| / ||truth||, outputs scaled to [0, 1] by the training range. The reference, an
ensemble of 8 linear WP-ResNets in PyTorch (Adam 5e-3, cosine, batch 64, 300 epochs, best epoch kept):
0.110 in 75 s on two cores. Each training is run once and kept in the results file; delete it to begin
again, or name another --tag where the binary has changed.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time

import experiments

INPUTS = 15
METHODS = {"ensemble": {"solver": "ensemble"}, "auto": {"solver": "auto"}}
AIM = 0.092


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def table(text):
    return [[float(v) for v in line.split(",")] for line in text.splitlines()[1:]]


def relative_error(mean, truth, low, high):
    def scaled(row):
        return [(a - l) / (h - l) for a, l, h in zip(row, low, high)]

    return statistics.mean(math.dist(scaled(f), scaled(y)) / math.hypot(*scaled(y)) for f, y in zip(mean, truth))


class Bench:
    def __init__(self, options):
        self.options = options
        self.training = read(options.data, "train.csv")
        outputs = [row[INPUTS:] for row in table(self.training)]
        self.low, self.high = [min(c) for c in zip(*outputs)], [max(c) for c in zip(*outputs)]
        self.validation = table(read(options.data, "validation.csv"))

    def measure(self, request):
        from harness import Server  # pylint: disable=import-outside-toplevel
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, "--train-threads", str(self.options.threads), "--train-nice", "0").start()
            start = time.time()
            clock = experiments.process_clock(server.process.pid)
            before = time.clock_gettime(clock)
            status, _, data = server.request("POST", f"/v1/models/elm/data?outputs={len(self.low)}", self.training,
                                             {"Content-Type": "text/csv"})
            assert status == 201, data
            status, _, job = server.request("POST", "/v1/models/elm/train", request)
            assert status == 202, job
            row = server.wait_job(job["id"], "succeeded", "failed", seconds=7200)
            seconds = time.time() - start
            processor = time.clock_gettime(clock) - before
            if row["state"] != "succeeded":
                server.stop()
                return {"failed": row.get("error")}
            found = experiments.predict(server, "elm", [r[:INPUTS] for r in self.validation], "mean")
            told = server.request("GET", "/v1/models/elm/versions/1")[2]
            server.stop()
        return {"error": relative_error(found["mean"], [r[INPUTS:] for r in self.validation], self.low, self.high),
                "seconds": seconds, "processor_s": processor, "solver": told.get("solver"),
                "architecture": experiments.network(told)}

    def run(self, results):
        for name in self.options.methods:
            errors = []
            print(f"{name}: {json.dumps(METHODS[name])}")
            for seed in self.options.seeds:
                key = f"{name}@{self.options.tag}/{experiments.model_name(json.dumps(METHODS[name]))}/{seed}"
                if key not in results.known:
                    results.add(key, self.measure({**METHODS[name], "seed": seed}))
                row = results.known[key]
                if "failed" in row:
                    print(f"  seed {seed}: failed: {row['failed']}", flush=True)
                    continue
                errors.append(row["error"])
                print(f"  seed {seed}: relative error {row['error']:.4f} on {len(self.validation)} rows by "
                      f"{row['solver']}, {row['architecture']}; uploaded and trained in {row['seconds']:.1f} s, "
                      f"{row['processor_s']:.1f} s of processor", flush=True)
            if errors:
                print(f"  median {statistics.median(errors):.4f} (reference 0.110; aim: below {AIM})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--data", default=os.path.join(experiments.DATA, "elm"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--request", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--results", default=os.path.join(experiments.HERE, "..", "..", "build-bench", "results",
                                                          "elm.jsonl"))
    parser.add_argument("--tag")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for text in options.request:
        name, _, body = text.partition("=")
        METHODS[name] = json.loads(body)
    asked = [name for name in options.methods.split(",") if name]
    options.methods = asked + [name for name in METHODS if name not in asked and name not in ("ensemble", "auto")]
    if not os.access(options.binary, os.X_OK):
        parser.error(f"{options.binary} is no program; build it and name BUILD/server/surrogated")
    options.seeds = [int(v) for v in options.seeds.split(",")]
    options.tag = options.tag or experiments.digest(options.binary)
    experiments.use_binary(options.binary)
    Bench(options).run(experiments.Results(options.results))


if __name__ == "__main__":
    main()
