#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A workflow in plain Python: simulate, upload, train; then simulate where the model is least sure, and
train again. Standard library only.

usage: python3 client-examples/workflow.py [--url URL] [--model NAME] [--farm PROGRAM] [--rounds N]
           [--epochs N]

Each round prints how many rows there are and the error at 200 points that are never trained on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIRST_RUNS = 100   # simulations before the first training
NEW_RUNS = 25      # simulations of a round
CANDIDATES = 1000  # points of which a round chooses
TEST_RUNS = 200


def read_options():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--url", default=os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080"),
                         help="the server [%(default)s]")
    options.add_argument("--model", default="workflow", help="the model [%(default)s]")
    options.add_argument("--farm", default=f"{TOP}/build/client-examples/simulation-farm/farm",
                         help="the simulator [%(default)s]")
    options.add_argument("--rounds", type=int, default=3, help="[%(default)s]")
    options.add_argument("--epochs", type=int, default=600, help="of the first training [%(default)s]")
    return options.parse_args()


class Surrogate:
    """What this workflow needs of the HTTP API."""

    def __init__(self, url, model):
        self.url = url
        self.path = f"/v1/models/{model}"

    def call(self, method, path, body=None, headers=None):
        """JSON of the answer. A server that is busy is asked again when it says; a refusal ends the
        workflow with the reason."""
        data = None if body is None else json.dumps(body).encode()
        while True:
            request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code in (429, 503):
                    time.sleep(int(error.headers.get("Retry-After", 1)))
                    continue
                sys.exit(f"{method} {path}: {json.load(error)['detail']}")
            except urllib.error.URLError as error:
                sys.exit(f"no server at {self.url}: {error.reason}; sh deploy/quickstart.sh starts one")

    def upload(self, rows):
        """Rows of the model now. With a key of its own the upload may be sent again and is stored once."""
        answer = self.call("POST", f"{self.path}/data?on_duplicate=skip", rows,
                           {"Idempotency-Key": str(uuid.uuid4())})
        return answer["total_rows"]

    def train(self, request):
        """Waits for the job; returns it when it has succeeded."""
        job = self.call("POST", f"{self.path}/train", request)
        while job["state"] in ("queued", "running"):
            time.sleep(0.2)
            job = self.call("GET", f"/v1/jobs/{job['id']}")
        if job["state"] != "succeeded":
            sys.exit(f"job {job['id']} is {job['state']}: {job['message']}")
        if not job["promoted"]:
            print(f"version {job['version']} is stored, not served: {job['message']}")
        return job

    def predict(self, inputs, *names):
        return self.call("POST", f"{self.path}/predict", {"inputs": inputs, "return": names})

    def evaluate(self, rows):
        return self.call("POST", f"{self.path}/evaluate", rows)


def simulate(farm, *flags):
    """What a run of the simulator prints."""
    try:
        done = subprocess.run([farm, *flags], capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"there is no simulator at {farm}: {error.strerror}; sh deploy/quickstart.sh builds it")
    if done.returncode != 0:
        sys.exit(f"{farm} failed: {done.stderr.strip()}")
    return done.stdout


def simulate_cube(farm, runs, seed, kind):
    """A Latin hypercube: rows (kind "json"), or points that are not simulated ("inputs")."""
    return json.loads(simulate(farm, "--runs", str(runs), "--seed", str(seed), "--format", kind))


def simulate_at(farm, points):
    """Rows of the simulations at some points."""
    outputs = [simulate(farm, "--at", ",".join(map(repr, point))).split(",") for point in points]
    return {"inputs": points, "outputs": [[float(value) for value in row] for row in outputs]}


def choose(surrogate, candidates):
    """The candidates with the largest standard deviation, each output relative to its typical one."""
    std = surrogate.predict(candidates, "std")["std"]
    typical = [sum(column) / len(std) for column in zip(*std)]
    doubt = [sum(s / t for s, t in zip(row, typical)) for row in std]
    order = sorted(range(len(candidates)), key=lambda i: -doubt[i])
    return [candidates[i] for i in order[:NEW_RUNS]]


def main():
    options = read_options()
    surrogate = Surrogate(options.url, options.model)
    test = simulate_cube(options.farm, TEST_RUNS, 2, "json")
    first = simulate_cube(options.farm, FIRST_RUNS, 1, "json")
    total = surrogate.upload(first)
    surrogate.train({"solver": "ensemble", "settings": {"epochs": options.epochs}, "seed": 1})
    print(f"{total} rows: relative error {surrogate.evaluate(test)['relative_error']:.4f}")
    for number in range(1, options.rounds + 1):
        candidates = simulate_cube(options.farm, CANDIDATES, 10 + number, "inputs")
        rows = simulate_at(options.farm, choose(surrogate, candidates))
        total = surrogate.upload(rows)
        # A warm start needs fewer epochs; the gate would keep a version that is worse from being served.
        surrogate.train({"solver": "ensemble", "start": "warm", "seed": 1,
                         "settings": {"epochs": max(options.epochs // 2, 1)},
                         "optimizer": {"learning_rate": 0.005}})
        print(f"{total} rows: relative error {surrogate.evaluate(test)['relative_error']:.4f}")


if __name__ == "__main__":
    main()
