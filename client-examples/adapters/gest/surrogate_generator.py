#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server as a generator of gest-api: libEnsemble, Xopt, Optimas and others ask it where to simulate next.

Points are those of the server's `design` until the model has been trained once, and of its `suggest` from then on.
Every point carries the id that the server gave it as "_id". Results go back with their ids; rows and points that are
under way are kept by the server, so another process, or the next run, goes on from them.
"""

import math
import os
import sys
import time

import gest_api.vocs as kinds
from gest_api.generator import Generator

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from surrogate import REFUSED, Failure, Surrogate, run  # noqa: E402,F401

TRAINING = {"solver": "evidence", "seed": 1, "architecture": {"width": 8, "layers": 1}, "split": {"validation": 0}}


def plain(value):
    """A number or a text without NumPy's types."""
    if isinstance(value, str):
        return str(value)
    return int(value) if float(value).is_integer() else float(value)


def input_of(name, variable):
    """The input of a space for one of the variables."""
    if isinstance(variable, kinds.ContextualVariable):
        raise ValueError(f"{name} is contextual, and the server suggests every input")
    if isinstance(variable, kinds.ContinuousVariable):
        return {"name": name, "bounds": [float(end) for end in variable.domain]}
    values = sorted(variable.values, key=lambda value: (isinstance(value, str), value))
    if all(isinstance(value, str) for value in values):
        return {"name": name, "type": "category", "values": values}
    if any(isinstance(value, str) for value in values):
        raise ValueError(f"{name} has numbers and texts among its values")
    share = 1 / len(values)
    return {"name": name, "distribution": {"kind": "discrete", "values": [float(value) for value in values],
                                           "probabilities": [share] * len(values)}}


class SurrogateGenerator(Generator):
    """vocs: variables are the inputs; objectives, constraints and observables the outputs, in this order.

    criterion  of `suggest`: expected_improvement of one objective to be minimised or maximised, else
               integrated_variance; constraints are learnt, but do not steer it
    first      rows that `design` asks for before the first training
    every      new rows after which the model is trained again
    training   the body of a training
    hold_s     how long a point is waited for before it may be suggested again
    """

    returns_id = True

    def __init__(self, vocs, model, *, server=None, criterion=None, first=10, every=1, batch=1, training=None,
                 hold_s=86400, seed=1):
        super().__init__(vocs)
        self.vocs, self.first, self.every, self.batch = vocs, first, every, batch
        self.training, self.hold_s, self.seed = training or TRAINING, hold_s, seed
        self.inputs = list(vocs.variables)
        self.outputs = [*vocs.objectives, *vocs.constraints, *vocs.observables]
        self.criterion = criterion or self._criterion()
        self.handed = {}  # points under way, by id
        self.done = set()  # ids of those that came back
        self.server = Surrogate(model, server)
        self.server.ask("PUT", f"{self.server.path}/space", {
            "inputs": [input_of(name, variable) for name, variable in vocs.variables.items()], "outputs": self.outputs})
        self.rows = self._rows()
        self.trained = self.rows if self._get("/versions/@default") else 0  # rows of the last training

    def _validate_vocs(self, vocs):
        if not vocs.variables:
            raise ValueError("VOCS must define at least one variable.")
        if not vocs.objectives:
            raise ValueError("VOCS must define at least one objective.")
        for name, variable in vocs.variables.items():
            input_of(name, variable)

    def _criterion(self):
        only = list(self.vocs.objectives.values())
        steers = len(only) == 1 and not isinstance(only[0], kinds.ExploreObjective)
        return "expected_improvement" if steers else "integrated_variance"

    def _get(self, path):
        """What the server has there; None: nothing."""
        try:
            return self.server.ask("GET", self.server.path + path)
        except Failure as failure:
            if failure.status == REFUSED and ": 404," in failure.text:
                return None
            raise

    def _rows(self):
        data = self._get("/data")
        return data["rows"] if data else 0

    def _train(self):
        job = self.server.ask("POST", f"{self.server.path}/train", self.training, repeats=False)
        while job["state"] in ("queued", "running"):
            time.sleep(0.1)
            job = self.server.ask("GET", f"/v1/jobs/{job['id']}")
        if job["state"] != "succeeded":
            raise Failure(REFUSED, f"training ended as {job['state']}: {job['message']}")
        self.trained = self.rows

    def _request(self, count):
        """The route and the body by which so many points are asked for."""
        common = {"n": count, "hold_s": self.hold_s, "seed": self.seed + self.rows + len(self.handed)}
        if not self.trained:
            return "design", {**common, "extend": True}
        if self.criterion in ("integrated_variance", "variance", "d_optimal"):
            return "suggest", {**common, "criterion": self.criterion}
        name, objective = next(iter(self.vocs.objectives.items()))
        goal = "max" if isinstance(objective, kinds.MaximizeObjective) else "min"
        return "suggest", {**common, "criterion": self.criterion, "output": name, "goal": goal}

    def suggest(self, num_points=None):
        if self.rows >= self.first and self.rows - self.trained >= self.every:
            self._train()
        route, body = self._request(num_points or self.batch)
        answer = self.server.ask("POST", f"{self.server.path}/{route}", body, repeats=False)
        constants = {name: constant.value for name, constant in self.vocs.constants.items()}
        points = []
        for point, number in zip(answer["points"], answer["ids"]):
            self.handed[number] = point
            points.append({**dict(zip(self.inputs, point)), **constants, "_id": number})
        return points

    def _row(self, result):
        """(inputs, outputs, status): an output that is missing or no number is one of a run that failed."""
        outputs = [result.get(name) for name in self.outputs]
        failed = any(value is None or not math.isfinite(value) for value in outputs)
        return ([plain(result[name]) for name in self.inputs],
                [None if failed else float(value) for value in outputs], "failed" if failed else "ok")

    def ingest(self, results):
        if not results:
            return
        ids = [int(result["_id"]) for result in results if "_id" in result]
        unknown = [number for number in ids if number not in self.handed and number not in self.done]
        if unknown:
            raise ValueError(f"the points with the ids {unknown} are not of this generator")
        inputs, outputs, status = zip(*(self._row(result) for result in results))
        body = {"inputs": inputs, "outputs": outputs, **({"status": status} if "failed" in status else {})}
        path = f"{self.server.path}/data" + (f"?ids={','.join(map(str, ids))}" if ids else "")
        self.rows = self.server.ask("POST", path, body)["total_rows"]
        for number in ids:
            self.handed.pop(number, None)
        self.done.update(ids)

    def finalize(self):
        """Trains on what has come since the last training, so the model on the server has seen every row."""
        if self.rows >= self.first and self.rows > self.trained:
            self._train()
