# SPDX-License-Identifier: Apache-2.0
"""Scores of a surrogate, and the tables and the picture of surrogates.py. Needs numpy and scipy."""

import math
import statistics

import numpy as np
from scipy.special import ndtr

NORMAL_95 = 1.6448536269514722
WORSE = 1.3  # a ratio of errors above it is counted
# In the picture.
LABELS = {"gp": "Gaussian process (scikit-learn)", "krg": "Kriging (SMT)", "chaos": "sparse chaos (OpenTURNS)",
          "trees": "trees (XGBoost)", "networks": "ensemble of networks (PyTorch)"}
COVER_ROWS = 200  # from so many rows on coverage is summed up


def score(mean, variance, truth):
    """Error, negative log likelihood, continuous ranked probability score and coverage of the 90 %
    interval of the normal, in units of the truth's standard deviation; without variance the error alone."""
    unit = truth.std()
    gap = (truth - np.asarray(mean)) / unit
    row = {"error": float(np.sqrt(np.mean(gap**2)))}
    if variance is None:
        return row
    variance = np.maximum(np.asarray(variance) / unit**2, 1e-300)
    deviation = np.sqrt(variance)
    z = gap / deviation
    density = np.exp(-z**2 / 2) / np.sqrt(2 * np.pi)
    crps = deviation * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return {**row, "nll": float(np.mean(0.5 * np.log(2 * np.pi * variance) + z**2 / 2)),
            "crps": float(np.mean(crps)), "coverage": float(np.mean(np.abs(z) < NORMAL_95))}


def median(rows, what):
    values = [row[what] for row in rows if row.get(what) is not None]
    return statistics.median(values) if values else None


def shown(value, form, width):
    return f"{'-' if value is None else format(value, form):>{width}}"


def geometric(values):
    return statistics.geometric_mean(values) if values else float("nan")


class Table:
    def __init__(self, args, cells, results, ours):
        self.args, self.ours = args, ours
        self.peers = [name for name in args.methods if name not in ours]
        self.rows = {}  # (method, function, rows) -> {number: row}
        self.failures = []
        for cell in cells:
            row = results.known.get(cell.key)
            if row is None:
                continue
            if "failed" in row:
                self.failures.append((cell.key, row["failed"]))
            else:
                self.rows.setdefault((cell.method, cell.function, cell.rows), {})[cell.number] = row

    def pairs(self, one, other, function, n):
        """The rows of both on the designs that both have."""
        mine, theirs = (self.rows.get((name, function, n), {}) for name in (one, other))
        numbers = sorted(mine.keys() & theirs.keys())
        return [mine[k] for k in numbers], [theirs[k] for k in numbers]

    def print(self):
        args = self.args
        print("\nMedians over designs: error (root mean square over the function's standard deviation), "
              "negative log likelihood, CRPS,\ncoverage of the 90 % interval; seconds of processor and "
              "(on the wall) of the fit; milliseconds of processor of\n1,000 predictions (ours: with the "
              "server's reading and writing of JSON). Wall times say little where the machine is shared.")
        for n in args.rows:
            for function in args.functions:
                self.print_cell(function, n)
        for key, why in self.failures:
            print(f"failed: {key}: {why}")
        for name in self.ours:
            self.summary(name)

    def print_cell(self, function, n):
        lines = [(name, list(self.rows.get((name, function, n), {}).values())) for name in self.args.methods]
        lines = [(name, rows) for name, rows in lines if rows]
        if not lines:
            return
        print(f"\n{function}, {n} rows" + " " * max(1, 24 - len(f"{function}, {n} rows"))
              + "designs     error      NLL      CRPS   cover   fit s    (wall)   1,000 ms")
        for name, rows in lines:
            cover = median(rows, "coverage")
            print(f"  {name:22s}{len(rows):7d}{median(rows, 'error'):10.5f}"
                  f"{shown(median(rows, 'nll'), '.2f', 9)}{shown(median(rows, 'crps'), '.5f', 10)}"
                  f"{shown(None if cover is None else 100 * cover, '.0f', 6)} %"
                  f"{median(rows, 'fit_processor_s'):8.2f}{'(%.1f)' % median(rows, 'fit_s'):>10}"
                  f"{1000 * median(rows, 'predict_processor_s'):11.2f}   {rows[0]['settings']}")

    def summary(self, name):
        cells = [(f, n) for n in self.args.rows for f in self.args.functions if (name, f, n) in self.rows]
        if not cells:
            return
        print(f"\n{name}")
        if "gp" in self.peers:
            self.against_gp(name, cells)
        self.against_best(name, cells)
        covers = [(median(list(self.rows[name, f, n].values()), "coverage"), f, n) for f, n in cells
                  if n >= COVER_ROWS]
        if covers:
            low, high = min(covers), max(covers)
            print(f"  coverage of 90 % intervals from {COVER_ROWS} rows on: {100 * low[0]:.0f} % ({low[1]}, {low[2]}) "
                  f"to {100 * high[0]:.0f} % ({high[1]}, {high[2]})")

    def against_gp(self, name, cells):
        ratios, lower, compared = {}, 0, 0
        for function, n in cells:
            mine, theirs = self.pairs(name, "gp", function, n)
            if not mine:
                continue
            ratios[function, n] = [median(mine, what) / median(theirs, what) for what in
                                   ("error", "fit_processor_s", "predict_processor_s")]
            compared += 1
            lower += median(mine, "nll") < median(theirs, "nll")
        for n in (*self.args.rows, None):
            some = {key: value for key, value in ratios.items() if n in (key[1], None)}
            if not some:
                continue
            worse = [f"{f} {k}: {v[0]:.2f}" for (f, k), v in some.items() if v[0] > WORSE]
            errors, fits, predictions = (geometric([v[i] for v in some.values()]) for i in range(3))
            print(f"  error / gp's, {f'{n} rows' if n else 'all':>9}: {errors:.3f} in the geometric mean of "
                  f"{len(some)}; above {WORSE}: {', '.join(worse) or 'none'}; fit time {fits:.3g}, "
                  f"prediction {predictions:.3g} of gp's")
        if compared:
            print(f"  lower negative log likelihood than gp in {lower} of {compared}")

    def against_best(self, name, cells):
        ratios = {}
        for function, n in cells:
            found = []
            for peer in self.peers:
                mine, theirs = self.pairs(name, peer, function, n)
                if mine:
                    found.append((median(mine, "error") / median(theirs, "error"), peer))
            if found:
                ratios[function, n] = max(found)
        for n in (*self.args.rows, None):
            some = {key: value for key, value in ratios.items() if n in (key[1], None)}
            if some:
                worse = [f"{f} {k}: {v[0]:.2f} ({v[1]})" for (f, k), v in some.items() if v[0] > WORSE]
                print(f"  error / the best peer's, {f'{n} rows' if n else 'all':>9}: "
                      f"{geometric([v[0] for v in some.values()]):.3f}; above {WORSE}: {', '.join(worse) or 'none'}")

    def draw(self, path):
        try:
            import matplotlib  # pylint: disable=import-outside-toplevel
        except ImportError:
            print("no picture: matplotlib is not installed (pip install matplotlib)")
            return
        matplotlib.use("agg")
        from matplotlib import pyplot, ticker  # pylint: disable=import-outside-toplevel
        names = self.args.functions
        columns = min(4, len(names))
        lines = -(-len(names) // columns)
        figure, axes = pyplot.subplots(lines, columns, figsize=(3.2 * columns, 2.7 * lines), squeeze=False,
                                       layout="constrained")
        colours = dict(zip(self.peers, ("#0072b2", "#56b4e9", "#e69f00", "#999999", "#cc79a7")))
        colours.update(zip(self.ours, ("#d55e00", "#009e73", "#000000", "#f0e442")))
        for axis, function in zip(axes.flat, names):
            for method in self.args.methods:
                points = [(n, median(list(self.rows[method, function, n].values()), "error"))
                          for n in self.args.rows if (method, function, n) in self.rows]
                if points:
                    mine = method in self.ours
                    axis.loglog(*zip(*points), label=LABELS.get(method, method), color=colours.get(method), marker="o", markersize=3,
                                linewidth=2.2 if mine else 1.2, linestyle="-" if mine else "--")
            axis.set_title(function, fontsize=10)
            axis.set_xticks(self.args.rows)
            axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
            axis.xaxis.set_minor_locator(ticker.NullLocator())
            axis.set_ylim(*(10.0 ** end(math.log10(limit)) for end, limit in zip((math.floor, math.ceil), axis.get_ylim())))
            axis.yaxis.set_minor_formatter(ticker.NullFormatter())
            axis.tick_params(labelsize=7)
            axis.grid(True, which="major", alpha=0.3)
        for axis in axes.flat[len(names):]:
            axis.set_visible(False)
        figure.supxlabel("runs of the simulation", fontsize=9)
        figure.supylabel("error / standard deviation", fontsize=9)
        handles = {}
        for axis in axes.flat:
            handles.update(zip(*reversed(axis.get_legend_handles_labels())))
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), fontsize=8,
                      frameon=False)
        figure.savefig(path, dpi=110, pil_kwargs={"optimize": True})
        print(f"drawn: {path}")
