#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy on test functions with few runs, side by side with what a user might take instead.

usage: surrogates.py SURROGATED_BINARY [--quick] [--functions a,b] [--rows 50,200] [--designs 1,2]
                     [--design lhs] [--methods gp,auto] [--request NAME=JSON ...] [--results FILE]
                     [--tag TEXT] [--limit SECONDS] [--retry] [--report] [--plot FILE.png]

Each cell (method, function, rows, design) is run once and kept in the results file, so an interrupted
run continues where it was; delete the file to begin again. Our own cells also belong to one binary, or
to what --tag calls it. One process with one thread works at a time. Fit times are compared by processor
time, which other work on the machine disturbs less than it does the clock on the wall.

Needs numpy and scipy, of each peer its package (scikit-learn, smt, openturns, xgboost, torch: what is
missing is named and left out), and matplotlib for --plot. --functions all: those of the table and the
others of surrogate_functions.py, which played no part in any choice of defaults.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{variable}_NUM_THREADS"] = "1"

try:
    import numpy as np
    import surrogate_functions
    import surrogate_table
except ImportError as missing:
    sys.exit(f"{missing}: this needs numpy and scipy (python3 -m venv V; V/bin/pip install numpy scipy; "
             f"V/bin/python {sys.argv[0]} ...)")
import experiments
from surrogate_peers import PEERS, TIMED_ROWS, TIMED_TIMES

OURS = {"auto": {"solver": "auto", "seed": 1}, "evidence": {"solver": "evidence", "seed": 1},
        "ensemble": {"solver": "ensemble", "seed": 1}}
QUICK = {"functions": "borehole,otl,ishigami,friedman", "rows": "50,200", "designs": "1,2",
         "methods": "gp,chaos,trees,auto,evidence,ensemble", "limit": 60.0}


class Peer:
    """A process of surrogate_peers.py, begun when it is first needed."""

    def __init__(self, name, limit):
        self.name, self.limit = name, limit
        self.process = self.missing = self.version = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "surrogate_peers.py"), self.name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        told = self.read(300) or {"missing": f"{PEERS[self.name].package} does not start"}
        self.missing, self.version = told.get("missing"), told.get("version")
        return self.missing is None

    def read(self, seconds):
        """The next answer; None: it took more than these seconds of processor, or the process is dead."""
        clock = experiments.process_clock(self.process.pid)
        end = time.clock_gettime(clock) + seconds
        while not select.select([self.process.stdout], [], [], 1)[0]:
            if time.clock_gettime(clock) > end:
                return None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def fit(self, cell, x, y, at):
        if self.missing:
            return None
        if self.process is None and not self.start():
            print(f"{self.name} is left out: {self.missing}", flush=True)
            return None
        if cell.rows > PEERS[self.name].max_rows:
            return None
        task = {"x": x.tolist(), "y": y.tolist(), "at": at.tolist(), "seed": cell.number,
                "ranges": surrogate_functions.FUNCTIONS[cell.function][1]}
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        self.process.stdin.flush()
        found = self.read(self.limit)
        if found is None:
            alive = self.process.poll() is None
            self.stop()
            found = {"failed": f"took more than {self.limit:g} s of processor" if alive else "its process ended"}
        return {**found, "version": self.version}

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


class Ours:
    """A server with one training thread, begun when it is first needed."""

    def __init__(self, name, request, limit):
        self.name, self.request, self.limit = name, request, limit
        self.server = self.folder = None

    def start(self):
        from harness import Server  # pylint: disable=import-outside-toplevel
        self.folder = tempfile.TemporaryDirectory()
        self.server = Server(self.folder.name, "--train-threads", "1", "--train-nice", "0").start()

    def processor(self):
        return time.clock_gettime(experiments.process_clock(self.server.process.pid))

    def wait(self, job):
        """Until the job has ended; cancels it when it takes more processor than the limit."""
        end, known = self.processor() + self.limit, ("succeeded", "failed", "cancelled")
        row = self.server.request("GET", f"/v1/jobs/{job}")[2]
        while row["state"] not in known:
            if self.processor() > end:
                self.server.request("DELETE", f"/v1/jobs/{job}")
                self.server.wait_job(job, *known)
                raise RuntimeError(f"took more than {self.limit:g} s of processor")
            time.sleep(0.02)
            row = self.server.request("GET", f"/v1/jobs/{job}")[2]
        if row["state"] != "succeeded":
            raise RuntimeError(row.get("error") or row["state"])

    def fit(self, cell, x, y, at):
        if self.server is None:
            self.start()
        name = experiments.model_name(cell.key)
        try:
            return self.measure(name, x, y, at)
        except (RuntimeError, AssertionError) as error:
            return {"failed": str(error)}
        finally:
            self.server.request("DELETE", f"/v1/models/{name}")
            self.server.request("DELETE", f"/v1/models/{name}/data")

    def measure(self, name, x, y, at):
        server = self.server
        status, _, data = server.request("POST", f"/v1/models/{name}/data",
                                         {"inputs": x.tolist(), "outputs": y[:, None].tolist()})
        assert status == 201, data
        before, start = self.processor(), time.time()
        status, _, job = server.request("POST", f"/v1/models/{name}/train", self.request)
        assert status == 202, job
        self.wait(job["id"])
        wall, processor = time.time() - start, self.processor() - before
        found = experiments.predict(server, name, at.tolist(), "mean", "total_variance")
        body = {"model": name, "inputs": at[:TIMED_ROWS].tolist(), "return": ["mean", "total_variance"]}
        walls, processors = [], []
        for _ in range(TIMED_TIMES):
            before, start = self.processor(), time.time()
            status, _, data = server.request("POST", "/predict", body)
            walls.append(time.time() - start)
            processors.append(self.processor() - before)
            assert status == 200, data
        told = server.request("GET", f"/v1/models/{name}/versions/1")[2]
        return {"mean": np.array(found["mean"])[:, 0], "variance": np.array(found["total_variance"])[:, 0],
                "fit_s": wall, "fit_processor_s": processor, "predict_s": statistics.median(walls),
                "predict_processor_s": statistics.median(processors),
                "settings": f"{told['solver']} {experiments.network(told)}"}

    def stop(self):
        if self.server is not None:
            self.server.stop()
            self.folder.cleanup()
            self.server = None


class Cell:
    def __init__(self, args, method, function, rows, number):
        self.method, self.function, self.rows, self.number = method, function, rows, number
        kind = "" if args.design == "lhs" else args.design + "/"
        ours = f"@{args.tag}" if method not in PEERS else ""
        self.key = f"{method}{ours}/{kind}{function}/{rows}/{number}"


def measure(cell, engine, args):
    """The row to keep of a cell; None: there is none."""
    x, y = surrogate_functions.design(cell.function, cell.rows, cell.number, args.design)
    at, truth = surrogate_functions.test_rows(cell.function)
    found = engine.fit(cell, x, y, at)
    if found is None or "failed" in found:
        return found
    mean, variance = found.pop("mean"), found.pop("variance")
    return {**surrogate_table.score(mean, variance, truth), **found}


def run(cells, engines, results, args):
    def is_missing(key):
        return key not in results.known or (args.retry and "failed" in results.known[key])

    todo = [cell for cell in cells if is_missing(cell.key)]
    start, failed = time.time(), 0
    for i, cell in enumerate(todo):
        row = measure(cell, engines[cell.method], args)
        if row is not None:
            results.add(cell.key, row)
            failed += "failed" in row
            said = row.get("failed") or f"error {row['error']:.4g}, fit {row['fit_processor_s']:.1f} s of processor"
            print(f"{i + 1} of {len(todo)}, {time.time() - start:.0f} s: {cell.key}: {said}", file=sys.stderr,
                  flush=True)
    return failed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--quick", action="store_true", help="four functions and two designs, ten minutes")
    parser.add_argument("--functions", default=",".join(surrogate_functions.TABLE))
    parser.add_argument("--rows", default="50,100,200,400,1000,5000")
    parser.add_argument("--designs", default="1,2,3,4,5", help="numbers: seeds of designs")
    parser.add_argument("--design", default="lhs", choices=list(surrogate_functions.DESIGNS))
    parser.add_argument("--methods", default=",".join([*PEERS, *OURS]))
    parser.add_argument("--request", action="append", default=[], metavar="NAME=JSON",
                        help="one more of ours: a training request")
    parser.add_argument("--results", default=os.path.join(HERE, "..", "..", "build-bench", "results",
                                                          "surrogates.jsonl"))
    parser.add_argument("--tag", help="what our results are kept under; default: a digest of the binary")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds of processor of a fit")
    parser.add_argument("--retry", action="store_true", help="runs cells again that failed")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is there")
    parser.add_argument("--plot", help="draws error over rows into this PNG file")
    given = parser.parse_args()
    if given.quick:
        parser.set_defaults(**QUICK)
        given = parser.parse_args()
    if given.functions == "all":
        given.functions = ",".join(surrogate_functions.FUNCTIONS)
    for what in ("functions", "rows", "designs", "methods"):
        setattr(given, what, [part for part in getattr(given, what).split(",") if part])
    given.rows, given.designs = ([int(v) for v in values] for values in (given.rows, given.designs))
    for name in given.functions:
        if name not in surrogate_functions.FUNCTIONS:
            parser.error(f"no function {name!r}; there are {', '.join(surrogate_functions.FUNCTIONS)}")
    for text in given.request:
        name, _, body = text.partition("=")
        OURS[name] = {"seed": 1, **json.loads(body)}
        given.methods += [name] if name not in given.methods else []
    for name in given.methods:
        if name not in OURS and name not in PEERS:
            parser.error(f"no method {name!r}; there are {', '.join([*PEERS, *OURS])}")
    if not os.access(given.binary, os.X_OK):
        parser.error(f"{given.binary} is no program; build it (meson setup BUILD --buildtype=release; ninja -C BUILD) "
                     "and name BUILD/server/surrogated")
    if given.tag is None:
        given.tag = experiments.digest(given.binary)
    return given


def main():
    args = arguments()
    experiments.use_binary(args.binary)
    engines = {name: Peer(name, args.limit) if name in PEERS else Ours(name, OURS[name], args.limit)
               for name in args.methods}
    cells = [Cell(args, method, function, rows, number) for rows in args.rows for number in args.designs
             for function in args.functions for method in args.methods]
    results = experiments.Results(args.results)
    for name in args.methods:
        print(f"{name}: {PEERS[name].__doc__ if name in PEERS else json.dumps(OURS[name])}")
    try:
        failed = 0 if args.report else run(cells, engines, results, args)
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues where it was")
    finally:
        for engine in engines.values():
            engine.stop()
    table = surrogate_table.Table(args, cells, results, [name for name in args.methods if name in OURS])
    table.print()
    if args.plot:
        table.draw(args.plot)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
