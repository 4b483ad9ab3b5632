#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often the 95 % intervals of analyses hold the truth, over many surrogates that are trained with different rows.

For each surrogate a design of random rows is simulated, a model is trained with its own seed, and its Sobol' indices,
mean, variance and probability of failure are computed, of which closed forms or one long computation with the function
itself are the truth. Of the four-branch system and of the stressed beam the probability alone is computed, whose truth is a
one-dimensional quadrature; their rows spread twice as far as the inputs do, or a surrogate would not see failures. Every number has a sampling error and a surrogate error; `lower` and `upper` join both. Prints, for
each number, in how many surrogates it lies between them, and the root mean square of both errors beside the actual one.

usage: SURROGATED_BIN=build-release/server/surrogated python3 analysis_coverage.py [--surrogates 50] [--rows 200]
                                                     [--function ishigami|g|four_branch|four_branch_rare|beam] [--solver evidence] [--port 27020]
                                                     [--folder FOLDER]

With --folder the models stay there, and a later run trains those only that it has not yet.
"""

import argparse
import math
import random
import tempfile

from analyses import Server, ishigami

G = (0.0, 1.0, 4.5, 9.0)  # the first four of Sobol's g function; the others hardly matter


def g_function(x):
    return math.prod((abs(4 * value - 2) + a) / (1 + a) for value, a in zip(x, G))


def g_indices():
    parts = [1 / (3 * (1 + a) ** 2) for a in G]
    variance = math.prod(1 + part for part in parts) - 1
    first = [part / variance for part in parts]
    total = [part * (1 + variance) / (1 + part) / variance for part in parts]
    return first, total, 1.0, variance


FUNCTIONS = {  # function, bounds, (first, total, mean, variance), a limit that a run fails above
    "ishigami": (ishigami, [(-math.pi, math.pi)] * 3,
                 ((0.3139052, 0.4424111, 0.0), (0.5575889, 0.4424111, 0.2436837), 3.5, 13.844588), 10.0),
    "g": (g_function, [(0, 1)] * 4, g_indices(), 3.0),
}


def four_branch(p):
    def lowest(x):
        s, d = (x[0] + x[1]) / math.sqrt(2), x[0] - x[1]
        bent = 3 + 0.1 * d * d
        return min(bent - s, bent + s, d + p, p - d)
    return lowest


SIGMA = math.sqrt(math.log(1.01))  # of the logarithm of the beam's resistance, in MPa: mean 3, standard deviation 0.3
STANDARD = {"kind": "normal", "mean": 0, "std": 1}
FAILURES = {  # function, how inputs are distributed, bounds of the rows, probability of being below 0
    "four_branch": (four_branch(6 / math.sqrt(2)), [STANDARD] * 2, [(-5, 5)] * 2, 4.45733e-3),
    "four_branch_rare": (four_branch(3.5 * math.sqrt(2)), [STANDARD] * 2, [(-5, 5)] * 2, 2.22280e-3),
    "beam": (lambda x: x[0] - x[1] / (100 * math.pi),
             [{"kind": "lognormal", "mu": math.log(3) - SIGMA**2 / 2, "sigma": SIGMA},
              {"kind": "normal", "mean": 750, "std": 50}], [(1.8, 4.4), (550, 950)], 0.0291982),
}


METHODS = ("monte_carlo", "subset", "importance")


def probability(function, bounds, limit, n=400000):
    rng = random.Random(7)
    return sum(function([rng.uniform(*ends) for ends in bounds]) > limit for _ in range(n)) / n


class Tally:
    """Of one number: how many intervals hold the truth, and sums of squares."""

    def __init__(self, truth):
        self.truth, self.n, self.inside = truth, 0, 0
        self.actual = self.sampling = self.surrogate = 0.0

    def add(self, numbers):
        self.n += 1
        self.inside += numbers["lower"] <= self.truth <= numbers["upper"]
        self.actual += (numbers["estimate"] - self.truth) ** 2
        self.sampling += numbers["sampling_error"] ** 2
        self.surrogate += numbers["surrogate_error"] ** 2

    def line(self, name):
        root = lambda squares: math.sqrt(squares / self.n)
        return (f"| {name} | {self.truth:.4g} | {self.inside} of {self.n} | {root(self.actual):.2g} | "
                f"{root(self.sampling):.2g} | {root(self.surrogate):.2g} |")


def pick(table, *at):
    numbers = {}
    for part in ("estimate", "sampling_error", "surrogate_error", "lower", "upper"):
        value = table[part]
        for place in at:
            value = value[place]
        numbers[part] = value
    return numbers


def analyse(server, model, **request):
    job = server.ask("POST", f"/v1/models/{model}/analyses", request)["id"]
    server.wait(job)
    result = server.ask("GET", f"/v1/jobs/{job}/result")
    return {table["name"]: table for table in result["tables"]}


def train(server, model, seed, args):
    if model in args.trained:
        return
    laws = None
    if args.function in FAILURES:
        function, laws, bounds, _ = FAILURES[args.function]
    else:
        function, bounds, _, _ = FUNCTIONS[args.function]
    rng = random.Random(1000 + seed)
    rows = [[rng.uniform(*ends) for ends in bounds] for _ in range(args.rows)]
    names = [f"x{i + 1}" for i in range(len(bounds))]
    server.ask("POST", f"/v1/models/{model}/data", {"inputs": rows, "outputs": [[function(row)] for row in rows]})
    key = "bounds" if laws is None else "distribution"
    server.ask("PUT", f"/v1/models/{model}/space",
               {"inputs": [{"name": name, key: law} for name, law in zip(names, laws or bounds)],
                "outputs": ["y"]})
    server.wait(server.ask("POST", f"/v1/models/{model}/train", {"solver": args.solver, "seed": seed})["id"])


def tallies(args):
    if args.function in FAILURES:
        truth = FAILURES[args.function][3]
        return {(method, None): Tally(truth) for method in METHODS}
    function, bounds, (first, total, mean, variance), limit = FUNCTIONS[args.function]
    found = {}
    for i, (one, all_of_it) in enumerate(zip(first, total)):
        found["first", i] = Tally(one)
        found["total", i] = Tally(all_of_it)
    found["mean", None] = Tally(mean)
    found["variance", None] = Tally(variance)
    found["probability", None] = Tally(probability(function, bounds, limit))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--surrogates", type=int, default=50)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--function", choices=sorted({**FUNCTIONS, **FAILURES}), default="ishigami")
    parser.add_argument("--solver", default="evidence")
    parser.add_argument("--port", type=int, default=27020)
    parser.add_argument("--train-nice", default="19", help="less than 19 on a busy machine")
    parser.add_argument("--folder", help="keeps the models here, and trains those only that it has not yet")
    args = parser.parse_args()
    counted = tallies(args)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(args.folder or folder, args.port, "--train-nice", args.train_nice)
        try:
            args.trained = {model["name"] for model in server.ask("GET", "/v1/models")["models"]}
            for seed in range(1, args.surrogates + 1):
                model = f"m{seed}"
                train(server, model, seed, args)
                if args.function in FAILURES:
                    for (method, _), tally in counted.items():
                        found = analyse(server, model, kind="failure", points=1000, seed=seed, method=method,
                                        region=[{"output": "y", "below": 0}])
                        tally.add(pick(found["probability"]))
                    continue
                limit = FUNCTIONS[args.function][3]
                sobol = analyse(server, model, kind="sobol", points=1024, seed=seed)
                failure = analyse(server, model, kind="failure", points=1000, seed=seed, method="monte_carlo",
                                  region=[{"output": "y", "above": limit}])
                for (name, place), tally in counted.items():
                    table = (failure if name == "probability" else sobol)[name]
                    at = () if name == "probability" else (0,) if place is None else (0, place)
                    tally.add(pick(table, *at))
        finally:
            server.process.terminate()
            server.process.wait()
    print(f"{args.function}, {args.rows} random rows, {args.solver}, {args.surrogates} surrogates")
    print("| number | truth | in the interval | actual error | sampling error | surrogate error |")
    print("|---|---|---|---|---|---|")
    for (name, place), tally in counted.items():
        print(tally.line(name if place is None else f"{name} x{place + 1}"))
    numbers = list(counted.values())
    print(f"all: {100 * sum(t.inside for t in numbers) / sum(t.n for t in numbers):.1f} %")


if __name__ == "__main__":
    main()
