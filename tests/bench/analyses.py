#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Analyses through a trained surrogate beside closed forms, SALib and OpenTURNS; predictions beside an analysis.

A server of its own takes simulations of Ishigami's function, trains, and computes Sobol' indices. SALib and OpenTURNS,
where they are installed, compute them from the function itself with about as many evaluations. Then the latencies of
predictions of one row, at random times, are measured before and during long jobs.

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


def percentiles(server, openloop, folder, seconds, rate):
    """p50, p99 and p99.9 in ms of predictions of one row that come at random times, whatever was answered before."""
    body = os.path.join(folder, "row.json")
    with open(body, "w", encoding="utf-8") as file:
        json.dump({"inputs": [[0.1, 0.2, 0.3]]}, file)
    run = subprocess.run([openloop, str(server.port), "/v1/models/ishigami/predict", body, str(rate), str(seconds), "16"],
                         capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    return found["p50_ms"], found["p99_ms"], found["p999_ms"]


LONG = {
    "sobol": ("analyses", {"kind": "sobol", "points": 1 << 18, "replicates": 64}),
    "calibration": ("calibrations", {"experiments": [{"outputs": [[6.0]]}], "sigma": {"y": 0.1}, "chains": 8,
                                     "samples": 20000}),
    "history": ("calibrations", {"kind": "history", "experiments": [{"outputs": [[6.0]]}], "sigma": {"y": 0.1},
                                 "points": 1 << 20, "replicates": 64}),
}


def latencies(server, openloop, folder, args):
    """In turn without and with a job, since other work on the machine comes and goes."""
    print(f"one row at random times, {args.rate} a second: p50, p99, p999 in ms")
    for name, (route, request) in LONG.items():
        before = percentiles(server, openloop, folder, args.seconds, args.rate)
        job = server.ask("POST", f"/v1/models/ishigami/{route}", request)["id"]
        while server.ask("GET", f"/v1/jobs/{job}")["state"] == "queued":
            time.sleep(0.05)
        time.sleep(0.2)
        during = percentiles(server, openloop, folder, args.seconds, args.rate)
        state = server.ask("GET", f"/v1/jobs/{job}")["state"]
        server.ask("DELETE", f"/v1/jobs/{job}")
        while server.ask("GET", f"/v1/jobs/{job}")["state"] == "running":
            time.sleep(0.05)
        line = "  ".join(f"{value:6.2f}" for value in (*before, *during))
        print(f"{name:12} before and during: {line}" + ("" if state == "running" else "  (it ended before)"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--solver", default="evidence")
    parser.add_argument("--port", type=int, default=27010)
    parser.add_argument("--train-nice", default="19", help="less than 19 on a busy machine")
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--rate", type=int, default=200, help="predictions a second")
    parser.add_argument("--openloop", help="beside the binary by default")
    args = parser.parse_args()
    folder_of = os.path.dirname(os.path.abspath(os.environ["SURROGATED_BIN"]))
    openloop = args.openloop or os.path.join(folder_of, "..", "tests", "bench", "openloop")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.port, "--train-nice", args.train_nice)
        try:
            train(server, args.rows, args.solver)
            print(" " * 29 + "  ".join(f"{name:>8}" for name in ("S1", "S2", "S3", "ST1", "ST2", "ST3")))
            line("closed form", FIRST, TOTAL)
            ours(server)
            salib()
            openturns()
            latencies(server, openloop, folder, args)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
