#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training against test error of plain networks and of weight-parameterized ones on the E3SM land
model runs: MLP, ResNet with its own weights in each block (nonparametric), and ResNets whose weights
are constant, linear, quadratic, cubic or Legendre (order 2) functions of depth.

usage: generalization.py SURROGATED_BINARY [--data FOLDER] [--widths 8,16,32] [--layers 2,5,11]
                         [--seeds 3] [--epochs 400] [--rows 1740] [--out FOLDER]

One network each, Adam with a cosine schedule, the last epoch kept (no early stop: the gap between
training and test error is what is looked for). The error is that of the published study: mean over
rows of ||prediction - truth|| / ||truth||, outputs scaled to [0, 1]. Writes a table and plots.
"""

import argparse
import math
import os

import experiments

INPUTS = 15
KINDS = {
    "MLP": {"basis": "nonparametric", "residual": False},
    "ResNet": {"basis": "nonparametric"},
    "cubic": {"basis": "cubic"},
    "quadratic": {"basis": "quadratic"},
    "Legendre 2": {"basis": "legendre", "order": 2},
    "linear": {"basis": "linear"},
    "constant": {"basis": "constant"},
}


def table(path):
    with open(path, encoding="utf-8") as file:
        rows = [[float(v) for v in line.split(",")] for line in file.read().splitlines()[1:]]
    return [r[:INPUTS] for r in rows], [r[INPUTS:] for r in rows]


class Experiment:
    def __init__(self, options):
        self.options = options
        self.x, self.y = table(os.path.join(options.data, "train.csv"))
        self.x, self.y = self.x[:options.rows], self.y[:options.rows]
        self.test_x, self.test_y = table(os.path.join(options.data, "validation.csv"))
        self.low = [min(c) for c in zip(*self.y)]
        self.high = [max(c) for c in zip(*self.y)]

    def error(self, mean, truth):
        total = 0.0
        for f, y in zip(mean, truth):
            f, y = ([(a - l) / (h - l) for a, l, h in zip(v, self.low, self.high)] for v in (f, y))
            total += math.dist(f, y) / math.hypot(*y)
        return total / len(truth)

    def parameters(self, kind, width, layers):
        arch = KINDS[kind]
        count = {"nonparametric": layers + 1, "constant": 1, "linear": 2, "quadratic": 3, "cubic": 4,
                 "legendre": arch.get("order", 0) + 1}[arch["basis"]]
        outputs = len(self.low)
        return width * INPUTS + width + count * (width * width + width) + outputs * width + outputs

    def tasks(self):
        o = self.options
        for seed in range(o.seeds):
            for width in o.widths:
                for layers in o.layers:
                    for kind in KINDS:
                        key = f"{kind}/{width}/{layers}/{seed}/{o.epochs}/{o.rows}"
                        yield key, (kind, width, layers, seed)

    def work(self, server, key, task):
        kind, width, layers, seed = task
        name = experiments.model_name(key)
        request = {"solver": "ensemble", "seed": seed, "split": {"validation": 0},
                   "architecture": {"width": width, "layers": layers, **KINDS[kind]},
                   "settings": {"members": 1, "epochs": self.options.epochs},
                   "optimizer": {"learning_rate": 0.005}}
        _, seconds = experiments.train(server, name, self.x, self.y, request)
        errors = [self.error(experiments.predict(server, name, x, "mean")["mean"], y)
                  for x, y in ((self.x, self.y), (self.test_x, self.test_y))]
        return {"train": errors[0], "test": errors[1], "seconds": seconds,
                "parameters": self.parameters(kind, width, layers)}

    def summary(self, results):
        """{(kind, width, layers): (train, test, standard error of test, parameters)}"""
        found = {}
        for key, task in self.tasks():
            if key in results.known:
                found.setdefault(task[:3], []).append(results.known[key])
        return {task: (experiments.mean_and_error([r["train"] for r in rows])[0],
                       *experiments.mean_and_error([r["test"] for r in rows]), rows[0]["parameters"])
                for task, rows in found.items()}

    def report(self, summary):
        o = self.options
        print(f"\n{len(self.x)} training rows, {len(self.test_x)} test rows, {o.seeds} seeds, {o.epochs} epochs; "
              "relative error: training, test ± standard error, gap\n")
        for layers in o.layers:
            print(f"{layers + 1} blocks")
            for kind in KINDS:
                line = f"  {kind:11}"
                for width in o.widths:
                    if (kind, width, layers) in summary:
                        train, test, error, count = summary[kind, width, layers]
                        line += (f"  width {width:2} ({count:6}): {train:.3f} {test:.3f} ±{error:.3f} "
                                 f"{test - train:+.3f}")
                print(line)
        best = sorted(summary.items(), key=lambda item: item[1][1])
        print("\nlowest test errors:")
        for (kind, width, layers), (train, test, error, count) in best[:8]:
            print(f"  {test:.4f} ±{error:.4f} (training {train:.4f})  {kind}, width {width}, {layers + 1} blocks, "
                  f"{count} parameters")

    def plot(self, summary):
        try:
            import matplotlib  # pylint: disable=import-outside-toplevel
        except ImportError:
            print("no plot: matplotlib is not installed")
            return
        matplotlib.use("svg")
        import matplotlib.ticker  # pylint: disable=import-outside-toplevel
        from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
        o = self.options
        figure, axes = pyplot.subplots(1, len(o.layers), figsize=(4.6 * len(o.layers), 4), sharey=True,
                                       squeeze=False)
        for axis, layers in zip(axes[0], o.layers):
            for k, kind in enumerate(KINDS):
                points = [summary[kind, w, layers] for w in o.widths if (kind, w, layers) in summary]
                counts = [p[3] for p in points]
                axis.errorbar(counts, [p[1] for p in points], [p[2] for p in points], color=f"C{k}",
                              marker="o", label=kind)
                axis.plot(counts, [p[0] for p in points], color=f"C{k}", linestyle=":")
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
            axis.set_title(f"{layers + 1} blocks")
            axis.set_xlabel("parameters")
        axes[0][0].set_ylabel("relative error (solid: test, dotted: training)")
        axes[0][0].legend(fontsize="small")
        figure.tight_layout()
        path = os.path.join(o.out, "generalization.svg")
        figure.savefig(path)
        figure.savefig(path.replace(".svg", ".png"), dpi=110) if o.png else None
        print("written:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    integers = lambda text: [int(v) for v in text.split(",")]
    parser.add_argument("binary")
    parser.add_argument("--data", default=os.path.join(experiments.DATA, "elm"))
    parser.add_argument("--widths", type=integers, default=[8, 16, 32])
    parser.add_argument("--layers", type=integers, default=[2, 5, 11])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--rows", type=int, default=1740)
    parser.add_argument("--png", action="store_true", help="a PNG beside the SVG")
    parser.add_argument("--out", default=os.path.join(experiments.HERE, "..", "..", "build-bench", "results"))
    options = parser.parse_args()
    experiments.use_binary(options.binary)
    experiment = Experiment(options)
    results = experiments.Results(os.path.join(options.out, "generalization.jsonl"))
    experiments.run_all(experiment.tasks(), results, experiment.work)
    summary = experiment.summary(results)
    experiment.report(summary)
    experiment.plot(summary)


if __name__ == "__main__":
    main()
