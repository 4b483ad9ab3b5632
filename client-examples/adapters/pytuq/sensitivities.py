#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sobol sensitivities of a model's outputs by PyTUQ, with the surrogate in place of the simulation.

usage: sensitivities.py MODEL [--samples N] [--method SamSobol|PCSobol] [--order N] [--seed N]

The domain is the range of the rows that the model was trained on. Everything that PyTUQ does with a function of
[rows x inputs] can be done with `Model`: propagation, polynomial chaos surrogates, inference.
"""

import argparse
import contextlib
import io
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from surrogate import USAGE, Failure, Surrogate, run  # noqa: E402

PART = 100000  # rows of a request


class Model:
    """The mean over the posterior as a function of numpy arrays: [rows x inputs] to [rows x outputs]."""

    def __init__(self, name):
        self.surrogate = Surrogate(name)
        version = self.surrogate.ask("GET", f"{self.surrogate.path}/versions/@default")
        # One version answers all requests, whatever is trained meanwhile.
        self.path = f"{self.surrogate.path}/versions/{version['version']}/predict?return=mean"
        if version["training_range"] is None:
            raise Failure(USAGE, f"{name} does not say on which range it was trained")
        self.domain = np.array(version["training_range"])
        names = version["names"] or {}
        architecture = version["architecture"]
        self.inputs = names.get("inputs") or [f"x{i}" for i in range(architecture["inputs"])]
        self.outputs = names.get("outputs") or [f"y{i}" for i in range(architecture["outputs"])]

    def _part(self, x):
        body = io.BytesIO()
        np.save(body, np.ascontiguousarray(x, dtype=np.float64))
        kind = "application/x-npy"
        answer = self.surrogate.call("POST", self.path, body.getvalue(), {"Content-Type": kind, "Accept": kind})
        return np.load(io.BytesIO(answer)).reshape(len(x), -1)

    def __call__(self, x, _=None):
        return np.concatenate([self._part(x[i:i + PART]) for i in range(0, len(x), PART)])


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("model")
    options.add_argument("--samples", type=int, default=10000)
    options.add_argument("--method", default="SamSobol", choices=("SamSobol", "PCSobol"))
    options.add_argument("--order", type=int, default=4, help="of the polynomials of PCSobol")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    model = Model(chosen.model)
    os.environ.setdefault("MPLBACKEND", "agg")
    np.random.seed(chosen.seed)
    with contextlib.redirect_stdout(io.StringIO()):  # PyTUQ tells what it does
        from pytuq.gsa.gsa import model_sens  # pylint: disable=import-outside-toplevel
        more = {"order": chosen.order} if chosen.method == "PCSobol" else {}
        main_part, total = model_sens(model, None, model.domain, method=chosen.method, nsam=chosen.samples,
                                      plot=False, **more)
    print(f"{'':16}" + "".join(f"{name:>14}" for name in model.inputs))
    for name, first, all_of_it in zip(model.outputs, main_part, total):
        print(f"{name:10} main " + "".join(f"{value:14.3f}" for value in first))
        print(f"{'':10} total" + "".join(f"{value:14.3f}" for value in all_of_it))


if __name__ == "__main__":
    run(main)
