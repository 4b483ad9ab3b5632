# SPDX-License-Identifier: Apache-2.0
"""
Columns of rows that are no targets: weights, noise, derivatives, the user's validation rows; and
constraints. They are uploaded as outputs, trained with, refused by name, and kept by versions that
are trained again, compared and watched.
"""

import math
import random
import unittest

from harness import ServerTest

FIT = {"members": 2, "epochs": 150, "batch_size": 16, "hyperparameters": "given"}
SMALL = {"solver": "ensemble", "architecture": {"width": 8, "layers": 1}, "settings": FIT, "seed": 1}
SPACE = {"inputs": [{"name": "a", "type": "real"}, {"name": "b", "type": "real"}],
         "outputs": [{"name": "w"}, {"name": "y"}, {"name": "kept"}, {"name": "sd"}, {"name": "dy_da"}]}
COLUMNS = [{"name": "w", "role": "weight"}, {"name": "kept", "role": "validation"},
           {"name": "sd", "role": "sigma", "of": "y"}, {"name": "dy_da", "role": "derivative", "of": "y", "by": "a"}]


def rows(n, seed):
    """y = sin 2a + b; a fifth of the rows is kept, and those below a = -0.8 are wrong and weigh nothing."""
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    y = []
    for i, (a, b) in enumerate(x):
        wrong = a < -0.8 and i % 5 != 0
        y.append([0 if wrong else 1 + i % 2, math.sin(2 * a) + b + (50 if wrong else 0), 1 if i % 5 == 0 else 0,
                  0.01 + 0.02 * abs(b), 2 * math.cos(2 * a)])
    return {"inputs": x, "outputs": y}


class Columns(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "POST", "/v1/models/m/data", {"space": SPACE, **rows(100, 1)})

    def train(self, want="succeeded", **request):
        job = self.ok(202, "POST", "/v1/models/m/train", request or None)[1]["id"]
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], want, row)
        return row

    def version(self, row):
        return self.ok(200, "GET", f"/v1/models/m/versions/{row['version']}")[1]

    def test_roles_are_taken_and_kept(self):
        version = self.version(self.train(**SMALL, columns=COLUMNS))
        self.assertEqual(self.ok(200, "GET", "/v1/models/m/versions/1/export")[1]["names"]["outputs"], ["y"])
        self.assertEqual(version["scores"]["rows"], 20)  # those that the user chose
        self.assertLess(version["scores"]["rmse"][0], 0.1)  # what weighs nothing has taught nothing
        self.assertGreater(version["noise"]["sigma"][0], 0.01)
        self.assertLess(version["noise"]["sigma"][0], 0.03)
        self.assertEqual(version["settings"]["columns"], COLUMNS)
        self.assertEqual(version["settings"]["noise"]["kind"], "given")
        at = self.ok(200, "POST", "/v1/models/m/predict", {"inputs": [[-0.9, 0.0]], "return": ["mean"]})[1]
        self.assertAlmostEqual(at["mean"][0][0], math.sin(-1.8), delta=0.5)

        # Trained again as before, and passed by the gate, which knows the targets.
        self.ok(201, "POST", "/v1/models/m/data", rows(30, 2))
        again = self.train()
        self.assertIsNotNone(again["gate"])
        self.assertEqual(self.version(again)["scores"]["rows"], 26)
        newest = {"versions": [1, 2], "data": {"limit": 20}}
        compared = self.ok(200, "POST", "/v1/models/m/compare", newest)[1]
        self.assertEqual(compared["rows"], 20)

    def test_places_do_where_there_are_no_names(self):
        plain = rows(60, 3)
        self.ok(201, "POST", "/v1/models/p/data", plain)
        places = [{"name": 0, "role": "weight"}, {"name": 2, "role": "validation"},
                  {"name": 3, "role": "sigma", "of": 1}, {"name": 4, "role": "derivative", "of": 1, "by": 0}]
        job = self.ok(202, "POST", "/v1/models/p/train", {**SMALL, "columns": places})[1]["id"]
        self.assertEqual(self.server.wait_job(job, "succeeded", "failed")["state"], "succeeded")
        self.assertEqual(self.ok(200, "GET", "/v1/models/p/versions/1")[1]["scores"]["rows"], 12)

    def test_constraints_and_losses(self):
        columns = [column for column in COLUMNS if column["role"] != "sigma"] + [{"name": "sd", "role": "weight"}]
        self.ok(400, "POST", "/v1/models/m/train", {**SMALL, "columns": columns})  # two weights
        request = {**SMALL, "columns": COLUMNS, "settings": {**FIT, "gradient_check": True, "derivative_weight": 0.5},
                   "constraints": [{"kind": "monotone", "input": "b", "output": "y", "direction": "rising"},
                                   {"kind": "periodic", "input": "a", "low": -3.14159, "high": 3.14159}],
                   "optimizer": {"schedule": {"name": "list", "rates": [[0, 0.01], [100, 0.002], [150, 0]]}}}
        version = self.version(self.train(**request))
        self.assertEqual(version["settings"]["constraints"], request["constraints"])
        self.assertEqual(version["settings"]["optimizer"]["schedule"]["rates"], [[0, 0.01], [100, 0.002], [150, 0]])
        report = self.ok(200, "GET", f"/v1/models/m/versions/{version['version']}/diagnostics")[1]
        self.assertIn("gradient_check", str(report))

    def test_logarithms_and_plateaus(self):
        x = [[i / 40, 0.5] for i in range(41)]
        self.ok(201, "POST", "/v1/models/l/data", {"inputs": x, "outputs": [[math.exp(3 * a)] for a, _ in x]})
        settings = {**FIT, "residual": "log", "log_shift": -1}
        plateau = {"schedule": {"name": "plateau", "step_factor": 0.7, "plateau_patience": 3}}
        job = self.ok(202, "POST", "/v1/models/l/train", {**SMALL, "settings": settings, "optimizer": plateau})[1]["id"]
        self.assertEqual(self.server.wait_job(job, "succeeded", "failed")["state"], "succeeded")
        settings["log_shift"] = 2
        job = self.ok(202, "POST", "/v1/models/l/train", {**SMALL, "settings": settings})[1]["id"]
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], "failed", row)
        self.assertIn("log_shift is 2", row["message"])

    def test_what_cannot_be_is_refused_by_name(self):
        def refuse(wanted, **request):
            answer = self.ok(400, "POST", "/v1/models/m/train", {**SMALL, **request})[1]
            self.assertIn(wanted, str(answer))

        refuse("there is no output column z", columns=[{"name": "z", "role": "weight"}])
        refuse("weights", columns=[{"name": "w", "role": "weights"}])
        refuse("takes \"of\"", columns=[{"name": "sd", "role": "sigma"}])
        refuse("no output is left", columns=COLUMNS + [{"name": "y", "role": "sigma", "of": "w"}])
        refuse("each needs one", columns=[{"name": "sd", "role": "sigma", "of": "y"}])
        refuse("split", columns=COLUMNS, split={"validation": 0.2})
        refuse("noise has a sigma", columns=COLUMNS, noise={"kind": "given", "sigma": 1})
        refuse("cannot be learned as well", columns=COLUMNS, noise={"kind": "learned"})
        refuse("has no input", constraints=[{"kind": "positive", "input": "a"}])
        refuse("needs direction", constraints=[{"kind": "monotone", "input": "a"}])
        refuse("low to high", constraints=[{"kind": "periodic", "input": "a", "low": 1, "high": 0}])
        refuse("rates", optimizer={"schedule": {"name": "list"}})
        refuse("rates are of the schedule", optimizer={"schedule": {"name": "step", "rates": [[0, 1]]}})
        refuse("do not go together", settings={**FIT, "residual": "log"}, scaling={"outputs": "log"})
        for solver in ("laplace", "bll", "pbp", "evidence"):
            refuse(f"{solver} does not support weights of rows; these do: ensemble, rms", solver=solver,
                   settings={}, columns=[{"name": "w", "role": "weight"}])
        refuse("duq does not support constraints", solver="duq", settings={},
               constraints=[{"kind": "positive"}])
        refuse("levenberg_marquardt does not support weights", columns=COLUMNS[:1],
               optimizer={"name": "levenberg_marquardt"})
        refuse("columns", solver="auto", settings={}, architecture={}, columns=COLUMNS)
        refuse("there is no input z", constraints=[{"kind": "monotone", "input": "z", "direction": "rising"}])
        refuse("there is no output w", columns=COLUMNS, constraints=[{"kind": "positive", "output": "w"}])

    def test_every_solver_that_weighs(self):
        chains = {"chains": 2, "warmup": 30, "draws": 10, "epochs": 50, "hyperparameters": "given"}
        fit = {"epochs": 40, "batch_size": 16}
        solvers = {"rms": {**fit, "members": 2}, "swag": {**fit, "draws": 5, "swag_epochs": 4, "swag_every": 2, "swag_rank": 0},
                   "mc_dropout": {**fit, "draws": 5}, "vi": {**fit, "draws": 5}, "duq": {**fit, "draws": 5},
                   "amcmc": chains, "mala": chains, "hmc": {**chains, "leapfrog_steps": 3}, "nuts": {**chains, "max_depth": 4}}
        for solver, settings in solvers.items():
            more = [] if solver == "duq" else COLUMNS[3:]
            columns = COLUMNS[:2] + [{"name": "sd", "role": "sigma", "of": "y"}] + more
            constraints = [{"kind": "monotone", "input": "b", "direction": "rising"}]
            if solver == "duq":  # it has no terms; the other columns are targets like y
                columns, constraints = COLUMNS[:2], []
            row = self.train(solver=solver, architecture={"width": 4, "layers": 1}, settings=settings, columns=columns,
                             constraints=constraints, gate=None)
            self.assertEqual(self.version(row)["scores"]["rows"], 20, solver)


if __name__ == "__main__":
    unittest.main()
