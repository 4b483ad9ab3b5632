#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Points that the server suggests against random points and Latin hypercubes: the error of a surrogate of the
borehole by the number of rows, and how close the best row comes to the minimum of Branin and Hartmann-6, with
BoTorch's expected improvement on a Gaussian process beside the server's where it is installed.

usage: SURROGATED_BIN=build-release/server/surrogated python3 tests/bench/suggest.py [--seeds N] [--only NAME]
           [--plot FOLDER]

Standard library only, but for --plot (matplotlib) and BoTorch (botorch with torch; without them that way is left
out). Every run trains with the solver `evidence`; each figure is the median over seeds, with the lower and upper
quartile. Rows needed: the median over seeds of the first number of rows whose figure is at most the target; "more"
where more than half of the seeds never come there. The seeds of designs, trainings and suggestions are 1 .. N.
"""

import argparse
import importlib.util
import json
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BOREHOLE = [("rw", 0.05, 0.15), ("r", 100, 50000), ("Tu", 63070, 115600), ("Hu", 990, 1110), ("Tl", 63.1, 116),
            ("Hl", 700, 820), ("L", 1120, 1680), ("Kw", 9855, 12045)]
HARTMANN_A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
HARTMANN_P = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]


def borehole(x):
    rw, r, tu, hu, tl, hl, length, kw = x
    log = math.log(r / rw)
    return 2 * math.pi * tu * (hu - hl) / (log * (1 + 2 * length * tu / (log * rw**2 * kw) + tu / tl))


def branin(x):
    a, b = x
    return (b - 5.1 * a * a / (4 * math.pi**2) + 5 * a / math.pi - 6)**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10


def hartmann(x):
    return -sum(c * math.exp(-sum(a * (v - p / 1e4)**2 for a, p, v in zip(row, places, x)))
                for c, row, places in zip((1, 1.2, 3, 3.2), HARTMANN_A, HARTMANN_P))


class Server:
    def __init__(self):
        self.folder = tempfile.mkdtemp()
        log = os.path.join(self.folder, "log")
        binary = os.environ.get("SURROGATED_BIN", "build-release/server/surrogated")
        if not os.path.exists(binary):
            sys.exit(f"there is no {binary}; build it, or name another one in SURROGATED_BIN")
        with open(log, "wb") as out:
            self.process = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--db",
                                             os.path.join(self.folder, "r.db")], stderr=out)
        port = None
        while port is None and self.process.poll() is None:
            time.sleep(0.05)
            with open(log, encoding="utf-8") as text:
                port = re.search(r"message=listening .*port=(\d+)", text.read())
        if port is None:
            sys.exit("the server did not start")
        self.url = f"http://127.0.0.1:{port.group(1)}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method)) as answer:
            return json.load(answer) if answer.status != 204 else None

    def train(self, model, seed):
        request = {"solver": "evidence", "seed": seed, "architecture": {"width": 8, "layers": 1},
                   "split": {"validation": 0}, "gate": None}
        job = self.ask("POST", f"/v1/models/{model}/train", request)
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = self.ask("GET", f"/v1/jobs/{job['id']}")
        if job["state"] != "succeeded":
            raise RuntimeError(job["message"])
        while self.ask("POST", f"/v1/models/{model}/predict", {"inputs": [self.somewhere]})["version"] != job["version"]:
            time.sleep(0.02)  # the version is served a moment after the job has ended

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, True)


def botorch_loop(problem, seed, counts):
    """Expected improvement as BoTorch does it: a Gaussian process of scaled rows, batches by qLogEI."""
    import torch
    from botorch.acquisition import qLogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    bounds = torch.tensor([[a for _, a, _ in problem["inputs"]], [b for _, _, b in problem["inputs"]]], dtype=torch.double)
    cube = torch.stack([torch.zeros_like(bounds[0]), torch.ones_like(bounds[0])])
    x = torch.quasirandom.SobolEngine(len(bounds[0]), scramble=True, seed=seed).draw(counts[0], dtype=torch.double)
    y = torch.tensor([[-problem["f"]((bounds[0] + u * (bounds[1] - bounds[0])).tolist())] for u in x], dtype=torch.double)
    found = [-float(y.max()) - problem["minimum"]]
    for count in counts[1:]:
        model = SingleTaskGP(x, (y - y.mean()) / y.std())
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogExpectedImprovement(model, best_f=((y - y.mean()) / y.std()).max())
        new, _ = optimize_acqf(acquisition, cube, q=count - len(x), num_restarts=4, raw_samples=128, sequential=True)
        values = [[-problem["f"]((bounds[0] + u * (bounds[1] - bounds[0])).tolist())] for u in new]
        x = torch.cat([x, new])
        y = torch.cat([y, torch.tensor(values, dtype=torch.double)])
        found.append(-float(y.max()) - problem["minimum"])
    return found


def has_botorch():
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "botorch"))


def loop(server, problem, how, seed, counts):
    """Runs one way of choosing points; what `problem.judge` says after each number of rows."""
    model = "m"
    server.somewhere = [a for _, a, _ in problem["inputs"]]
    server.ask("PUT", f"/v1/models/{model}/space",
               {"inputs": [{"name": n, "bounds": [a, b]} for n, a, b in problem["inputs"]], "outputs": ["y"]})
    path = f"/v1/models/{model}"
    found = []
    rows = []
    for count in counts:
        new = count - len(rows)
        if how in ("random", "lhs") or not rows:
            kind = "lhs" if how != "random" else "random"
            asked = {"kind": kind, "n": count if kind == "lhs" and how == "lhs" else new,
                     "seed": seed * 1000 + count, "hold_s": 0}
            points = server.ask("POST", f"{path}/design", asked)["points"]
            if how == "lhs" and rows:  # a design of that size by itself
                server.ask("DELETE", f"{path}/data")
                rows = []
        else:
            points = server.ask("POST", f"{path}/suggest", {"criterion": how, "n": new, "seed": seed, "hold_s": 0})["points"]
        fresh = [problem["f"](x) for x in points]
        rows += list(zip(points, fresh))
        server.ask("POST", f"{path}/data", {"inputs": points, "outputs": [[y] for y in fresh]})
        if how not in ("random", "lhs") or problem["judge"] is error:
            server.train(model, seed)
        found.append(problem["judge"](server, model, problem, rows))
    server.ask("DELETE", path)
    return found


def error(server, model, problem, rows):
    """RMSE over the standard deviation of the function, at 1000 random points."""
    rng = random.Random(12345)
    points = [[rng.uniform(a, b) for _, a, b in problem["inputs"]] for _ in range(1000)]
    truth = [problem["f"](x) for x in points]
    mean = server.ask("POST", f"/v1/models/{model}/predict", {"inputs": points, "return": ["mean"]})["mean"]
    return math.sqrt(statistics.fmean((m[0] - y)**2 for m, y in zip(mean, truth))) / statistics.pstdev(truth)


def regret(server, model, problem, rows):
    """How far the best row is above the minimum."""
    return min(y for _, y in rows) - problem["minimum"]


PROBLEMS = {
    "borehole": {"inputs": BOREHOLE, "f": borehole, "judge": error, "counts": (20, 30, 40, 50), "targets": (0.1, 0.05, 0.03),
                 "ways": ("random", "lhs", "integrated_variance", "variance")},
    "branin": {"inputs": [("a", -5, 10), ("b", 0, 15)], "f": branin, "judge": regret, "minimum": 0.397887,
               "counts": (10, 14, 18, 22, 26, 30, 34, 38), "targets": (1, 0.3, 0.1),
               "ways": ("random", "lhs", "expected_improvement", "lower_confidence", "botorch")},
    "hartmann6": {"inputs": [(f"x{k}", 0, 1) for k in range(1, 7)], "f": hartmann, "judge": regret, "minimum": -3.32237,
                  "counts": (20, 30, 40, 50, 60, 70, 80), "targets": (1, 0.5, 0.2),
                  "ways": ("random", "lhs", "expected_improvement", "lower_confidence", "botorch")},
}


def run_way(problem, way, seed):
    if way == "botorch":
        return botorch_loop(problem, seed, problem["counts"])
    server = Server()
    try:
        return loop(server, problem, way, seed, problem["counts"])
    finally:
        server.close()


def quartiles(column):
    return statistics.quantiles(column, n=4) if len(column) > 1 else list(column) * 3


def rows_needed(problem, runs, target):
    """The median over runs of the first number of rows that reaches the target."""
    first = sorted(next((n for n, value in zip(problem["counts"], run) if value <= target), math.inf) for run in runs)
    middle = first[(len(first) - 1) // 2]
    return "more" if middle == math.inf else str(middle)


def plot(folder, name, problem, results, what):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for way, runs in results.items():
        low, middle, high = zip(*(quartiles(column) for column in zip(*runs)))
        line, = axes.plot(problem["counts"], middle, marker="o", label=way)
        axes.fill_between(problem["counts"], low, high, color=line.get_color(), alpha=0.15)
    axes.set(xlabel="rows", ylabel=what, yscale="log", title=name)
    axes.legend()
    figure.tight_layout()
    figure.savefig(os.path.join(folder, f"{name}.png"), dpi=120)


def run_problem(name, problem, seeds, folder):
    what = "RMSE / standard deviation" if problem["judge"] is error else "best row above the minimum"
    results = {}
    print(f"{name}: {what}, median [quartiles] of {seeds} seeds, and rows needed")
    titles = [f"{n} rows" for n in problem["counts"]] + [f"rows for {target:g}" for target in problem["targets"]]
    print("| way | " + " | ".join(titles) + " |")
    print("|---|" + "---|" * len(titles))
    for way in problem["ways"]:
        if way == "botorch" and not has_botorch():
            print("botorch is not installed", file=sys.stderr)
            continue
        runs = results[way] = [run_way(problem, way, seed) for seed in range(1, seeds + 1)]
        cells = []
        for column in zip(*runs):
            low, middle, high = quartiles(column)
            cells.append(f"{middle:.3g} [{low:.2g}, {high:.2g}]")
        cells += [rows_needed(problem, runs, target) for target in problem["targets"]]
        print(f"| {way} | " + " | ".join(cells) + " |", flush=True)
    print(flush=True)
    if folder is not None:
        plot(folder, name, problem, results, what)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--seeds", type=int, default=20, help="[%(default)s]")
    options.add_argument("--only", choices=list(PROBLEMS), help="one of the functions")
    options.add_argument("--plot", metavar="FOLDER", help="draws a PNG of each function into it")
    chosen = options.parse_args()
    for name, problem in PROBLEMS.items():
        if chosen.only in (None, name):
            run_problem(name, problem, chosen.seeds, chosen.plot)


if __name__ == "__main__":
    main()
