#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Surrogates that a user might take instead, each in a process of its own with one thread: reads tasks
as JSON lines, answers each with a JSON line. surrogates.py starts it.

usage: surrogate_peers.py PEER

A task has x [n x d], y [n], at [m x d], ranges [d x 2] and seed; the answer has mean [m], variance [m]
of an observation (null where the peer has none), the times of fit and of 1,000 predictions by the wall
and by the process's own clock, and `settings`, what the peer chose for itself.
"""

import contextlib
import json
import os
import statistics
import sys
import time
import warnings

for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

TIMED_ROWS = 1000
TIMED_TIMES = 3


def to_unit(ranges):
    import numpy as np
    low, high = np.array(ranges).T
    return lambda x: (x - low) / (high - low)


class GaussianProcess:
    """scikit-learn: Matern 5/2, a length scale an input, learned noise; restarts of its search."""
    package = "scikit-learn"
    module = "sklearn"
    max_rows = 5000

    def __init__(self, task, x, y):
        import numpy as np
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        self.unit = to_unit(task["ranges"])
        restarts = 2 if len(x) < 1000 else 1
        kernel = (ConstantKernel(1.0, (1e-4, 1e6)) * Matern(np.ones(x.shape[1]), (1e-2, 1e3), nu=2.5)
                  + WhiteKernel(1e-6, (1e-10, 1e-1)))
        self.model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=restarts,
                                              random_state=task["seed"])
        self.model.fit(self.unit(x), y)
        self.settings = f"{restarts} restarts"

    def predict(self, at):
        mean, deviation = self.model.predict(self.unit(at), return_std=True)
        return mean, deviation**2


class Kriging:
    """SMT's KRG as it comes: squared exponential, constant trend, likelihood by Cobyla from ten starts."""
    package = "smt"
    module = "smt"
    max_rows = 1000

    def __init__(self, task, x, y):
        from smt.surrogate_models import KRG
        self.model = KRG(print_global=False, seed=task["seed"])
        self.model.set_training_values(x, y[:, None])
        self.model.train()
        self.settings = "defaults"

    def predict(self, at):
        return self.model.predict_values(at)[:, 0], self.model.predict_variances(at)[:, 0]


class Chaos:
    """OpenTURNS: sparse chaos by least angles with the corrected leave-one-out error, which also chooses
    among norms and degrees of the basis."""
    package = "openturns"
    module = "openturns"
    max_rows = 5000
    norms = (1.0, 0.75, 0.5)
    max_degree = 15

    def __init__(self, task, x, y):
        import openturns as ot
        ot.Log.Show(ot.Log.NONE)
        ot.TBB.Disable()  # one thread
        uniform = [ot.Uniform(low, high) for low, high in task["ranges"]]
        self.inputs = ot.JointDistribution(uniform)
        basis = [ot.StandardDistributionPolynomialFactory(one) for one in uniform]
        best = None
        for q in self.norms:
            enumerate_ = ot.HyperbolicAnisotropicEnumerateFunction(len(uniform), q)
            for degree in range(1 if q == 1.0 else 3, self.max_degree + 1):
                terms = enumerate_.getStrataCumulatedCardinal(degree)
                if terms > min(3 * len(x), 600):
                    break  # The next ones are larger still.
                found = self.fit(ot, x, y, ot.OrthogonalProductPolynomialFactory(basis, enumerate_), terms)
                error = min(found.getErrorHistory())
                if best is None or error < best[0]:
                    best = error, found, f"q {q:g}, degree {degree}, {terms} terms"
        self.surface = best[1].getMetaModel()
        self.sample = ot.Sample
        self.settings = best[2]

    def fit(self, ot, x, y, product, terms):
        search = ot.LeastSquaresStrategy(ot.LeastSquaresMetaModelSelectionFactory(
            ot.LARS(), ot.CorrectedLeaveOneOut()))
        fit = ot.FunctionalChaosAlgorithm(ot.Sample(x), ot.Sample(y[:, None]), self.inputs,
                                          ot.FixedStrategy(product, terms), search)
        fit.run()
        return fit.getResult()

    def predict(self, at):
        import numpy as np
        return np.array(self.surface(self.sample(at)))[:, 0], None


class Trees:
    """XGBoost: a slow learning rate, depth 4, as many trees as five-fold cross-validation wants."""
    package = "xgboost"
    module = "xgboost"
    max_rows = 10**6
    parameters = {"eta": 0.05, "max_depth": 4, "subsample": 0.8, "colsample_bytree": 0.8, "min_child_weight": 2,
                  "nthread": 1}

    def __init__(self, task, x, y):
        import xgboost
        self.matrix = xgboost.DMatrix
        rows = xgboost.DMatrix(x, y)
        parameters = {**self.parameters, "seed": task["seed"]}
        folds = xgboost.cv(parameters, rows, 3000, nfold=5, early_stopping_rounds=50, as_pandas=False,
                           seed=task["seed"])
        trees = len(folds["test-rmse-mean"])
        self.model = xgboost.train(parameters, rows, trees)
        self.settings = f"{trees} trees"

    def predict(self, at):
        return self.model.predict(self.matrix(at)).astype(float), None


class Networks:
    """PyTorch: five networks of three hidden layers of 64, each trained without another fifth of the rows,
    on which its best step is chosen and the noise is measured; Adam, cosine, minibatches of 64."""
    package = "torch"
    module = "torch"
    max_rows = 10**6
    members, width, batch = 5, 64, 64
    min_steps, epochs, check_steps, rate = 3000, 150, 50, 5e-3

    def __init__(self, task, x, y):
        import numpy as np
        import torch
        torch.set_num_threads(1)
        torch.manual_seed(task["seed"])
        self.torch = torch
        unit = to_unit(task["ranges"])
        self.inputs = lambda at: torch.as_tensor(2 * unit(at) - 1, dtype=torch.float32)
        self.mean, self.scale = y.mean(), y.std()
        fold = np.random.default_rng(task["seed"]).permutation(len(x)) % self.members
        rows = self.inputs(x)
        truth = torch.as_tensor((y - self.mean) / self.scale, dtype=torch.float32)
        self.layers = self.start(x.shape[1])
        steps = max(self.min_steps, self.epochs * len(x) // self.batch)
        left = [torch.as_tensor(np.flatnonzero(fold == k)) for k in range(self.members)]
        self.noise = self.train(rows, truth, left, steps)
        self.settings = f"{steps} steps of {min(self.batch, len(x))} rows"

    def start(self, inputs):
        """Weights and biases of all members, by PyTorch's own rule for linear layers."""
        torch, layers = self.torch, []
        for a, b in ((inputs, self.width), (self.width, self.width), (self.width, self.width), (self.width, 1)):
            bound = a**-0.5
            layers.append([torch.empty(self.members, a, b).uniform_(-bound, bound).requires_grad_(),
                           torch.empty(self.members, 1, b).uniform_(-bound, bound).requires_grad_()])
        return layers

    def values(self, h, layers):
        """[members x n] of inputs [members x n x d]."""
        for weight, bias in layers[:-1]:
            h = self.torch.nn.functional.silu(self.torch.baddbmm(bias, h, weight))
        return self.torch.baddbmm(layers[-1][1], h, layers[-1][0])[:, :, 0]

    def train(self, rows, truth, left, steps):
        torch, n = self.torch, len(rows)
        mine = [torch.as_tensor(sorted(set(range(n)) - set(part.tolist()))) for part in left]
        search = torch.optim.Adam([p for layer in self.layers for p in layer], lr=self.rate)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(search, steps)
        best = [(float("inf"), None)] * self.members  # mean square of the gaps on rows left out, and these
        kept = [[p.detach().clone() for p in layer] for layer in self.layers]
        for step in range(steps):
            part = torch.stack([one[torch.randperm(len(one))[:self.batch] if len(one) > self.batch
                                    else torch.arange(min(map(len, mine)))] for one in mine])
            search.zero_grad(set_to_none=True)
            gap = self.values(rows[part], self.layers) - truth[part]
            gap.square().mean(1).sum().backward()
            search.step()
            rate.step()
            if step % self.check_steps == self.check_steps - 1:
                with torch.no_grad():
                    gaps = self.values(rows.expand(self.members, *rows.shape), self.layers) - truth
                    self.keep_best([gaps[k, part] for k, part in enumerate(left)], best, kept)
        self.layers = kept
        return float(torch.cat([gaps for _, gaps in best]).square().mean())

    def keep_best(self, gaps, best, kept):
        for k, gap in enumerate(gaps):
            square = float(gap.square().mean())
            if square < best[k][0]:
                best[k] = square, gap
                for layer, copy in zip(self.layers, kept):
                    copy[0][k], copy[1][k] = layer[0][k], layer[1][k]

    def predict(self, at):
        with self.torch.no_grad():
            rows = self.inputs(at)
            answers = self.values(rows.expand(self.members, *rows.shape), self.layers).double().numpy()
        return self.mean + self.scale * answers.mean(0), self.scale**2 * (answers.var(0) + self.noise)


PEERS = {"gp": GaussianProcess, "krg": Kriging, "chaos": Chaos, "trees": Trees, "networks": Networks}


class Times:
    def __enter__(self):
        self.start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *unused):
        self.wall = time.perf_counter() - self.start[0]
        self.processor = time.process_time() - self.start[1]


def answer(peer, task):
    import numpy as np
    x, y, at = (np.array(task[key]) for key in ("x", "y", "at"))
    with Times() as fit:
        model = peer(task, x, y)
    mean, variance = model.predict(at)
    walls, processors = [], []
    for _ in range(TIMED_TIMES):
        with Times() as once:
            model.predict(at[:TIMED_ROWS])
        walls.append(once.wall)
        processors.append(once.processor)
    return {"mean": mean.tolist(), "variance": None if variance is None else variance.tolist(),
            "fit_s": fit.wall, "fit_processor_s": fit.processor, "predict_s": statistics.median(walls),
            "predict_processor_s": statistics.median(processors), "settings": model.settings}


def main():
    peer = PEERS[sys.argv[1]]
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Some libraries print.
    warnings.filterwarnings("ignore")
    try:
        __import__(peer.module)
        version = getattr(sys.modules[peer.module], "__version__", "")
        print(json.dumps({"version": f"{peer.package} {version}"}), file=channel, flush=True)
    except ImportError as error:
        print(json.dumps({"missing": f"{error}; pip install {peer.package}"}), file=channel, flush=True)
        return
    for line in sys.stdin:
        try:
            found = answer(peer, json.loads(line))
        except Exception as error:  # pylint: disable=broad-except
            found = {"failed": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(found), file=channel, flush=True)


if __name__ == "__main__":
    main()
