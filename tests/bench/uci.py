#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy and calibration of every solver on four regression data sets with ten published splits
each: test RMSE, negative log likelihood of the predicted normal, and coverage of its 90 % interval,
beside published figures of the same protocol.

usage: uci.py SURROGATED_BINARY [--data FOLDER] [--solvers a,b] [--sets yacht,..] [--splits N]
              [--results FILE] [--inner] [--tag TEXT]

Trains through the API and predicts the test rows there. Every setting was chosen on training rows
(see SETTINGS). After an interruption it continues where it was; delete the results file to begin again.
"""

import argparse
import json
import math
import os
import random

import experiments

SETS = ("yacht", "energy", "concrete", "power-plant")
SOLVERS = ("auto", "default", "evidence", "ensemble", "rms", "swag", "mc_dropout", "laplace", "vi", "amcmc", "mala", "hmc", "nuts", "bll",
           "pbp", "duq", "conformal")

# Test RMSE and negative log likelihood, one hidden layer of 50, 20 splits: Hernandez-Lobato & Adams
# 2015 (PBP), Gal & Ghahramani 2016 (dropout), Lakshminarayanan et al. 2017 (deep ensembles), Bayes by
# Backprop as reported by later comparisons of the same protocol.
PUBLISHED = {
    "PBP": {"yacht": (1.02, 1.63), "energy": (1.80, 2.04), "concrete": (5.67, 3.16),
            "power-plant": (4.12, 2.84)},
    "MC dropout": {"yacht": (0.67, 1.25), "energy": (0.54, 1.21), "concrete": (4.82, 2.93),
                   "power-plant": (4.01, 2.80)},
    "deep ensembles": {"yacht": (1.58, 1.18), "energy": (2.09, 1.38), "concrete": (6.03, 3.06),
                       "power-plant": (4.11, 2.79)},
    "Bayes by Backprop": {"yacht": (0.97, 1.45), "energy": (1.00, 1.56), "concrete": (5.79, 3.26),
                          "power-plant": (4.22, 2.94)},
}
NAMESAKE = {"pbp": "PBP", "mc_dropout": "MC dropout", "ensemble": "deep ensembles",
            "vi": "Bayes by Backprop"}

# Chosen with --inner, on the training rows of the first splits alone; inputs and outputs standardised.
# Chains have a network small enough to mix. Solvers that learn their noise need no kept rows but for
# the scores. power-plant has ten times the rows of the others.
SCALING = {"inputs": "standard", "outputs": "standard"}
WIDE = {"width": 32, "layers": 3, "basis": "linear"}
MIDDLE = {"width": 16, "layers": 2, "basis": "linear"}
NARROW = {"width": 10, "layers": 2, "basis": "linear"}
FAN_IN = {"sigma": 1.0, "fan_in": True}
FEW = {"validation": 0.02}
FIT = {"epochs": 500, "batch_size": 32}
CHAINS = {"architecture": NARROW, "prior": FAN_IN, "split": FEW}
# Those of OWN are run as they come, with nothing set: the choice that nobody has to make, and what
# the default was before there was one.
OWN = {"auto": {"solver": "auto"}, "default": {"solver": "ensemble"}, "evidence": {"solver": "evidence"}}
SETTINGS = {
    "ensemble": {"architecture": WIDE, "settings": {**FIT, "members": 10}},
    "conformal": {"architecture": WIDE, "settings": {**FIT, "members": 5}},
    "rms": {"architecture": WIDE, "settings": {**FIT, "members": 5}, "prior": FAN_IN},
    "swag": {"architecture": WIDE, "settings": {**FIT, "members": 3, "draws": 20, "swag_epochs": 50}},
    "mc_dropout": {"architecture": WIDE, "settings": {"epochs": 2000, "batch_size": 32, "dropout": 0.05,
                                                        "members": 3, "draws": 34}},
    "laplace": {"architecture": MIDDLE, "settings": {**FIT, "members": 3}, "prior": FAN_IN},
    "vi": {"architecture": MIDDLE, "settings": {"epochs": 3000, "batch_size": 32}, "split": FEW,
           "optimizer": {"learning_rate": 0.02}},
    "amcmc": {**CHAINS, "settings": {"warmup": 4000, "draws": 50, "thin": 40, "epochs": 300}},
    "mala": {**CHAINS, "settings": {"warmup": 2000, "draws": 50, "thin": 60, "epochs": 300}},
    "hmc": {**CHAINS, "settings": {"warmup": 200, "draws": 50, "leapfrog_steps": 40, "epochs": 300}},
    "nuts": {**CHAINS, "settings": {"warmup": 200, "draws": 50, "max_depth": 6, "epochs": 300}},
    "bll": {"architecture": WIDE, "settings": {**FIT, "members": 3}},
    "pbp": {"architecture": {"width": 50, "layers": 0}, "settings": {"epochs": 100}, "split": FEW},
    "duq": {"architecture": WIDE, "settings": {**FIT, "epochs": 1000, "draws": 50}},
}
LONG = {"epochs": 60, "batch_size": 64}
# {(solver, set): request} laid over the above.
BY_SET = {(solver, "power-plant"): {"settings": {**LONG, **more}} for solver, more in {
    "ensemble": {"members": 5}, "conformal": {"members": 5}, "rms": {"members": 5}, "swag": {"swag_epochs": 10},
    "mc_dropout": {"epochs": 100, "dropout": 0.02, "members": 1, "draws": 100}, "laplace": {}, "vi": {"epochs": 300}, "bll": {}, "duq": {"epochs": 100},
    "amcmc": {"warmup": 2000, "thin": 10}, "mala": {"warmup": 500, "thin": 10},
    "hmc": {"warmup": 100, "draws": 25, "leapfrog_steps": 25}, "nuts": {"warmup": 100, "draws": 25, "max_depth": 5},
}.items()}
BY_SET.update({(solver, "concrete"): {"architecture": {"width": 20}, "settings": {"warmup": 300}}
               for solver in ("hmc", "nuts")})
BY_SET["pbp", "power-plant"] = {"settings": {"epochs": 20}}
DEFAULT_SPLITS = {"power-plant": 3}
TRIAL = {}


def request_of(solver, name, split):
    if solver in OWN:
        return {**OWN[solver], "seed": split}
    request = {"solver": solver, "scaling": SCALING, "seed": split}
    for part in (SETTINGS[solver], BY_SET.get((solver, name), {}), TRIAL):
        for key, value in part.items():
            both = isinstance(request.get(key), dict) and isinstance(value, dict)
            request[key] = {**request[key], **value} if both else value
    return request


def tasks_of(options):
    """(solver, set, split, key) of each training."""
    for split in range(10):
        for name in options.sets:
            if split >= (options.splits or DEFAULT_SPLITS.get(name, 10)):
                continue
            for solver in options.solvers:
                # Other settings are another result.
                print_of = format(hash_text(json.dumps(request_of(solver, name, split), sort_keys=True)), "08x")
                inner = "inner/" if options.inner else ""
                tag = f"@{options.tag}" if options.tag else ""
                yield solver, name, split, f"{inner}{name}/{solver}{tag}/{split}/{print_of}"


def load(folder, name):
    def numbers(path):
        with open(os.path.join(folder, name, path), encoding="utf-8") as file:
            return [[float(v) for v in line.split()] for line in file if line.strip()]

    data = numbers("data.txt")
    features = [int(v[0]) for v in numbers("index_features.txt")]
    target = int(numbers("index_target.txt")[0][0])
    x = [[row[j] for j in features] for row in data]
    y = [[row[target]] for row in data]
    splits = []
    for k in range(10):
        train, test = ([int(v[0]) for v in numbers(f"index_{part}_{k}.txt")] for part in ("train", "test"))
        splits.append((train, test))
    return x, y, splits


def score(mean, variance, truth):
    n = len(truth)
    square = nll = covered = 0.0
    for f, v, y in zip(mean, variance, truth):
        square += (f - y) ** 2
        nll += 0.5 * (math.log(2 * math.pi * v) + (f - y) ** 2 / v)
        covered += abs(f - y) <= 1.6448536269514722 * math.sqrt(v)
    return {"rmse": math.sqrt(square / n), "nll": nll / n, "coverage": covered / n}


class Bench:
    def __init__(self, options):
        self.options = options
        self.sets = {name: load(options.data, name) for name in options.sets}

    def tasks(self):
        for solver, name, split, key in tasks_of(self.options):
            yield key, (name, split, request_of(solver, name, split))

    def rows_of(self, name, split):
        """Row numbers to train on and to score."""
        train, test = self.sets[name][2][split]
        if not self.options.inner:
            return train, test
        order = train[:]
        random.Random(split).shuffle(order)
        return order[len(order) // 5:], order[:len(order) // 5]

    def work(self, server, key, task):
        name, split, request = task
        x, y, _ = self.sets[name]
        train, test = self.rows_of(name, split)
        model = experiments.model_name(key)
        _, seconds = experiments.train(server, model, [x[i] for i in train], [y[i] for i in train], request)
        found = experiments.predict(server, model, [x[i] for i in test], "mean", "total_variance")
        flat = [[row[0] for row in found[want]] for want in ("mean", "total_variance")]
        told = server.request("GET", f"/v1/models/{model}/versions/1")[2]
        return {**score(*flat, [y[i][0] for i in test]), "seconds": seconds,
                "chosen": f"{told['solver']} {experiments.network(told)}"}

    def table(self, results):
        counts = {name: self.options.splits or DEFAULT_SPLITS.get(name, 10) for name in self.options.sets}
        print(f"\nsplits: {counts}; mean and standard error of test RMSE, of NLL, coverage of the 90 % "
              "interval, seconds of training on one processor\n")
        width = max(len(s) for s in (*self.options.solvers, *PUBLISHED)) + 1
        print(" " * width + "".join(f"{name:>42}" for name in self.options.sets))
        rows = {}
        for solver, name, _, key in tasks_of(self.options):
            found = rows.setdefault(solver, {}).setdefault(name, [])
            found += [results.known[key]] if key in results.known else []
        for solver, by_set in rows.items():
            line = f"{solver:{width}}"
            for name in self.options.sets:
                found = by_set[name]
                if not found:
                    line += f"{'-':>42}"
                    continue
                rmse = experiments.mean_and_error([r["rmse"] for r in found])
                nll = experiments.mean_and_error([r["nll"] for r in found])
                cover = experiments.mean_and_error([r["coverage"] for r in found])
                line += (f"{rmse[0]:9.3f} ±{rmse[1]:5.3f}{nll[0]:8.3f} ±{nll[1]:5.3f}"
                         f"{100 * cover[0]:6.1f} %{sum(r['seconds'] for r in found) / len(found):6.1f}s")
            print(line)
        for column, by_set in PUBLISHED.items():
            line = f"{column:{width}}"
            for name in self.options.sets:
                rmse, nll = by_set[name]
                line += f"{rmse:9.2f} {'':6}{nll:8.2f} {'':6}{'':14}"
            print(line)
        self.before_and_after(rows)
        self.verdict(rows)

    @staticmethod
    def before_and_after(rows):
        """auto beside the default of before, split by split."""
        for name in rows.get("auto", {}):
            pairs = list(zip(rows["auto"][name], rows.get("default", {}).get(name, [])))
            for what in ("rmse", "nll") if len(pairs) > 1 else ():
                gap, error = experiments.mean_and_error([a[what] - b[what] for a, b in pairs])
                said = "worse" if gap > 2 * error else "better" if gap < -2 * error else "the same within noise"
                print(f"{name}: {what} of auto minus that of the default of before, on {len(pairs)} splits: "
                      f"{gap:+.3f} ± {error:.3f}, {said}")
            for row in rows["auto"][name]:
                print(f"  auto chose {row.get('chosen', '?')}")

    def verdict(self, rows):
        """The two claims: who beats the best published column, and namesakes."""
        print()
        for name in self.options.sets:
            best = {s: by_set[name] for s, by_set in rows.items() if by_set[name]}
            if not best:
                continue
            means = {s: (experiments.mean_and_error([r["rmse"] for r in f])[0],
                         experiments.mean_and_error([r["nll"] for r in f])[0]) for s, f in best.items()}
            column = min(PUBLISHED, key=lambda c: PUBLISHED[c][name][0])
            rmse, nll = PUBLISHED[column][name]
            both = [s for s, (a, b) in means.items() if a < rmse and b < nll]
            print(f"{name}: better than {column} ({rmse}, {nll}) in both RMSE and NLL: "
                  f"{', '.join(sorted(both, key=lambda s: means[s][1])) or 'none'}; lowest published NLL "
                  f"{min(v[name][1] for v in PUBLISHED.values())}")
            for solver, namesake in NAMESAKE.items():
                if solver not in means:
                    continue
                for k, what in enumerate(("rmse", "nll")):
                    mean, error = experiments.mean_and_error([r[what] for r in best[solver]])
                    if mean - 2 * error > PUBLISHED[namesake][name][k]:
                        print(f"  {solver}: {what} {mean:.3f} is above {namesake}'s "
                              f"{PUBLISHED[namesake][name][k]} by more than two standard errors ({error:.3f})")


def hash_text(text):
    value = 2166136261
    for c in text.encode():
        value = (value ^ c) * 16777619 & 0xFFFFFFFF
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--data", default=os.path.join(experiments.DATA, "uci"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--splits", type=int,
                        help="of each set; default: ten, of power-plant three (all ten: --splits 10)")
    parser.add_argument("--inner", action="store_true",
                        help="score on a fifth of the training rows instead: for the choice of settings")
    parser.add_argument("--tag", default="", help="kept under this name too: for results of another binary")
    parser.add_argument("--settings", default="{}", help="JSON laid over the requests: trying out")
    parser.add_argument("--results", default=os.path.join(experiments.HERE, "..", "..", "build-bench",
                                                          "results", "uci.jsonl"))
    options = parser.parse_args()
    TRIAL.update(json.loads(options.settings))
    options.sets = options.sets.split(",")
    options.solvers = options.solvers.split(",")
    experiments.use_binary(options.binary)
    for solver in options.solvers:
        print(f"{solver}: {json.dumps({k: v for k, v in request_of(solver, '', 0).items() if k != 'seed'})}")
    for (solver, name), part in BY_SET.items():
        print(f"{solver} on {name}: {json.dumps(part)}")
    bench = Bench(options)
    results = experiments.Results(options.results)
    experiments.run_all(bench.tasks(), results, bench.work)
    bench.table(results)


if __name__ == "__main__":
    main()
