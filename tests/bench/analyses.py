#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Analyses through a trained surrogate beside closed forms, SALib and OpenTURNS; predictions beside an analysis.

A server of its own takes simulations of Ishigami's function, trains, and computes Sobol' indices. SALib and OpenTURNS,
where they are installed, compute them from the function itself with about as many evaluations. Then the latencies of
predictions of one row are measured before and during a long analysis.

usage: SURROGATED_BIN=build-release/server/surrogated python3 analyses.py [--rows 400] [--solver evidence] [--port 27010]
"""

import argparse
import http.client
import json
import math
import os
import random
import subprocess
import tempfile
import time

A, B = 7.0, 0.1
FIRST = (0.3139, 0.4424, 0.0)
TOTAL = (0.5576, 0.4424, 0.2437)
NAMES = ("x1", "x2", "x3")


def ishigami(x):
    return math.sin(x[0]) + A * math.sin(x[1]) ** 2 + B * x[2] ** 4 * math.sin(x[0])


class Server:
    def __init__(self, folder, port, *flags):
        self.port = port
        self.process = subprocess.Popen([os.environ["SURROGATED_BIN"], "serve", "--db", os.path.join(folder, "r.db"),
                                         "--listen", f"127.0.0.1:{port}", *flags], stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                self.ask("GET", "/healthz")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        data = json.loads(answer.read())
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data}")
        return data

    def wait(self, job):
        while True:
            found = self.ask("GET", f"/v1/jobs/{job}")
            if found["state"] not in ("queued", "running"):
                if found["state"] != "succeeded":
                    raise SystemExit(f"job {job}: {found['state']} {found['message']}")
                return found
            time.sleep(0.1)


def train(server, rows, solver):
    rng = random.Random(1)
    x = [[rng.uniform(-math.pi, math.pi) for _ in NAMES] for _ in range(rows)]
    server.ask("POST", "/v1/models/ishigami/data", {"inputs": x, "outputs": [[ishigami(row)] for row in x]})
    space = {"inputs": [{"name": name, "bounds": [-math.pi, math.pi]} for name in NAMES], "outputs": ["y"]}
    server.ask("PUT", "/v1/models/ishigami/space", space)
    job = server.ask("POST", "/v1/models/ishigami/train", {"solver": solver, "seed": 1})["id"]
    begin = time.time()
    server.wait(job)
    print(f"{rows} rows, {solver}: trained in {time.time() - begin:.1f} s", flush=True)


def line(who, first, total):
    print(f"{who:28} " + "  ".join(f"{value:8.4f}" for value in (*first, *total)))


def ours(server):
    job = server.ask("POST", "/v1/models/ishigami/analyses", {"kind": "sobol", "points": 1024})["id"]
    begin = time.time()
    server.wait(job)
    tables = {table["name"]: table for table in server.ask("GET", f"/v1/jobs/{job}/result")["tables"]}
    for part in ("estimate", "sampling_error", "surrogate_error"):
        line("surrogate: " + part, tables["first"][part][0], tables["total"][part][0])
    inside = sum(low <= value <= high for name, known in (("first", FIRST), ("total", TOTAL))
                 for low, high, value in zip(tables[name]["lower"][0], tables[name]["upper"][0], known))
    print(f"{inside} of 6 closed forms lie in the 95 % intervals; {time.time() - begin:.1f} s")


def salib():
    try:
        from SALib.analyze import sobol as analyze
        from SALib.sample import sobol as sample
    except ImportError:
        print("SALib is not installed")
        return
    problem = {"num_vars": 3, "names": list(NAMES), "bounds": [[-math.pi, math.pi]] * 3}
    points = sample.sample(problem, 16384, calc_second_order=False, seed=1)
    import numpy
    found = analyze.analyze(problem, numpy.array([ishigami(x) for x in points]), calc_second_order=False, seed=1)
    line("SALib, the function", found["S1"], found["ST"])


def openturns():
    try:
        import openturns as ot
    except ImportError:
        print("OpenTURNS is not installed")
        return
    joint = getattr(ot, "JointDistribution", None) or ot.ComposedDistribution
    inputs = joint([ot.Uniform(-math.pi, math.pi)] * 3)
    function = ot.PythonFunction(3, 1, lambda x: [ishigami(x)])
    design = ot.SobolIndicesExperiment(inputs, 16384, False).generate()
    found = ot.SaltelliSensitivityAlgorithm(design, function(design), 16384)
    line("OpenTURNS, the function", found.getFirstOrderIndices(), found.getTotalOrderIndices())


def percentile_ms(server, seconds):
    """p50 and p99 of predictions of one row over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = json.dumps({"inputs": [[0.1, 0.2, 0.3]]})
    times = []
    end = time.time() + seconds
    while time.time() < end:
        begin = time.perf_counter()
        connection.request("POST", "/v1/models/ishigami/predict", body)
        connection.getresponse().read()
        times.append(1000 * (time.perf_counter() - begin))
    connection.close()
    times.sort()
    return times[len(times) // 2], times[int(0.99 * len(times))]


def latencies(server, seconds):
    before = percentile_ms(server, seconds)
    job = server.ask("POST", "/v1/models/ishigami/analyses", {"kind": "sobol", "points": 1 << 18, "replicates": 64})["id"]
    while server.ask("GET", f"/v1/jobs/{job}")["state"] == "queued":
        time.sleep(0.05)
    during = percentile_ms(server, seconds)
    server.ask("DELETE", f"/v1/jobs/{job}")
    print(f"one row: p50 {before[0]:.2f} ms and p99 {before[1]:.2f} ms before an analysis, "
          f"{during[0]:.2f} and {during[1]:.2f} during one")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--solver", default="evidence")
    parser.add_argument("--port", type=int, default=27010)
    parser.add_argument("--train-nice", default="19", help="less than 19 on a busy machine")
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.port, "--train-nice", args.train_nice)
        try:
            train(server, args.rows, args.solver)
            print(" " * 29 + "  ".join(f"{name:>8}" for name in ("S1", "S2", "S3", "ST1", "ST2", "ST3")))
            line("closed form", FIRST, TOTAL)
            ours(server)
            salib()
            openturns()
            latencies(server, args.seconds)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
