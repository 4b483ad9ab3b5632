# SPDX-License-Identifier: Apache-2.0
"""Every solver through the job API: train, predict, diagnose, export, register again."""

import json
import math
import random
import unittest

from harness import ServerTest

SMALL = {"width": 5, "layers": 1}
FIT = {"epochs": 150, "batch_size": 16}
CHAINS = {"chains": 2, "warmup": 60, "draws": 20, "epochs": 100}
SOLVERS = {
    "ensemble": {**FIT, "members": 3},
    "rms": {**FIT, "members": 3},
    "swag": {**FIT, "draws": 10, "swag_epochs": 10, "swag_every": 2, "swag_rank": 5},
    "mc_dropout": {**FIT, "draws": 10},
    "laplace": {**FIT, "draws": 10},
    "vi": {**FIT, "draws": 10},
    "amcmc": CHAINS,
    "mala": CHAINS,
    "hmc": {**CHAINS, "leapfrog_steps": 5},
    "nuts": {**CHAINS, "max_depth": 5},
    "bll": {**FIT, "draws": 10},
    "pbp": {"epochs": 10, "draws": 10},
    "duq": {**FIT, "draws": 10},
    "evidence": {"epochs": 40, "members": 3, "draws": 10},
    "conformal": {**FIT, "members": 2},
}


def wave(n, seed=1, noise=0.05):
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    y = [[10 + math.sin(3 * a) + a * b + rng.gauss(0, noise), 3 * b + rng.gauss(0, noise)] for a, b in x]
    return {"inputs": x, "outputs": y}


class Solvers(ServerTest):
    def train(self, name, **request):
        self.ok(201, "POST", f"/v1/models/{name}/data", wave(80))
        job = self.ok(202, "POST", f"/v1/models/{name}/train", request)[1]["id"]
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], "succeeded", row)
        return self.ok(200, "GET", f"/v1/models/{name}/versions/{row['version']}")[1]

    def check(self, name, version):
        """Predicts, and registers the export as another model that predicts the same."""
        points = wave(6, seed=2)["inputs"]
        body = {"inputs": points, "return": ["mean", "variance", "total_variance"]}
        answer = self.ok(200, "POST", f"/v1/models/{name}/predict", body)[1]
        self.assertEqual(answer["draws"], version["draws"])
        spread = [value for row in answer["total_variance"] for value in row]
        self.assertTrue(all(value > 0 for value in spread), answer)
        self.assertTrue(all(5 < row[0] < 15 for row in answer["mean"]), answer)
        document = self.ok(200, "GET", f"/v1/models/{name}/versions/1/export")[1]
        self.ok(201, "PUT", f"/v1/models/{name}-again", document)
        again = self.ok(200, "POST", f"/v1/models/{name}-again/predict", body)[1]
        for what in body["return"]:
            self.assertEqual(again[what], answer[what])

    def test_each_solver_trains_serves_and_tells(self):
        for solver, settings in SOLVERS.items():
            with self.subTest(solver=solver):
                version = self.train(solver, solver=solver, settings=settings, architecture=SMALL, seed=3)
                self.check(solver, version)
                diagnostics = self.ok(200, "GET", f"/v1/models/{solver}/diagnostics")[1]
                for score in ("rmse", "nll", "crps", "coverage", "width", "calibration"):
                    self.assertIn(score, diagnostics["scores"], solver)
                self.assertIsInstance(diagnostics["report"], dict)
                if solver == "evidence":
                    report = diagnostics["report"]
                    for key in ("log_evidence", "iterations", "kept"):
                        self.assertEqual(len(report[f"evidence.{key}"]), 3)
                    for key in ("relevance", "effective_parameters.inputs", "noise_sigma"):
                        self.assertEqual(len(report[f"evidence.{key}"]), 2)
                if solver in ("amcmc", "mala", "hmc", "nuts"):
                    for key in ("parameters.rhat_max", "predictions.rhat_max", "predictions.ess_bulk_min",
                                "chains.accept"):
                        self.assertIn(key, diagnostics["report"])
                    # Chains this short have not mixed: published, but never silently.
                    self.assertTrue(diagnostics["warnings"], solver)

    def test_noise_of_every_kind(self):
        for kind in ("given", "estimated", "learned", "predicted"):
            with self.subTest(kind=kind):
                noise = {"kind": kind, **({"sigma": [0.05, 0.05]} if kind == "given" else {})}
                version = self.train(f"noise-{kind}", solver="ensemble", noise=noise, architecture=SMALL,
                                     settings={**FIT, "members": 2}, seed=1)
                self.check(f"noise-{kind}", version)
                answer = self.ok(200, "POST", "/predict", {
                    "model": f"noise-{kind}", "inputs": [[0.1, 0.2]], "return": ["noise_variance"]})[1]
                for variance in answer["noise_variance"][0]:
                    # What kept rows show beyond the model's own variance may be nothing.
                    self.assertTrue((0 if kind == "estimated" else 1e-5) <= variance < 0.5, answer)

    def test_folds_of_other_solvers_give_intervals_that_outlive_a_restart(self):
        body = {"inputs": wave(5, seed=4)["inputs"], "return": ["mean"], "intervals": [0.5]}
        answers = {}
        for solver in ("laplace", "swag", "bll", "evidence"):
            for method in ("split", "cv+"):
                name = f"{solver}-{method.strip('+')}"
                self.train(name, solver=solver, settings=SOLVERS[solver], architecture=SMALL, seed=2,
                           calibration={"method": method, "folds": 3, "normalised": solver == "bll"})
                answers[name] = self.ok(200, "POST", f"/v1/models/{name}/predict", body)[1]
                interval = answers[name]["intervals"][0]
                self.assertEqual((interval["level"], interval["method"]), (0.5, method))
                for low, high, mean in zip(interval["lower"], interval["upper"], answers[name]["mean"]):
                    for a, b, c in zip(low, high, mean):
                        self.assertTrue(a < c < b and b - a < 2, (name, interval))
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        for name, answer in answers.items():
            self.assertEqual(self.ok(200, "POST", f"/v1/models/{name}/predict", body)[1], answer)

    def test_each_solver_goes_on_from_its_version(self):
        for solver, settings in SOLVERS.items():
            with self.subTest(solver=solver):
                request = {"solver": solver, "settings": settings, "architecture": SMALL, "seed": 3, "gate": None}
                self.train(solver, **request)
                shorter = {**settings, "epochs": 5, **({"warmup": 10} if "warmup" in settings else {})}
                version = self.train(solver, **{**request, "settings": shorter, "start": "warm"})
                self.assertEqual(version["version"], 2)
                job = self.ok(200, "GET", "/v1/jobs?limit=1")[1]["jobs"][0]
                self.assertEqual((job["model"], job["started_from"]), (solver, 1))
                job = self.ok(200, "GET", f"/v1/jobs/{job['id']}")[1]
                self.assertEqual(job["request"]["start"], "warm")
                scores = [self.ok(200, "GET", f"/v1/models/{solver}/versions/{v}")[1]["scores"]["rmse"]
                          for v in (1, 2)]
                for cold, warm in zip(*scores):
                    self.assertLess(warm, 1.5 * cold + 0.1, (solver, scores))

    def test_a_warm_start_that_keeps_other_rows_out_is_warned_of(self):
        request = {"solver": "ensemble", "settings": {**FIT, "epochs": 5}, "architecture": SMALL, "gate": None}
        self.train("m", **request)
        for more, codes in (({}, []), ({"seed": 1}, ["warm_seed"]),
                            ({"calibration": {"method": "split", "share": 0.3}}, ["warm_split"])):
            self.ok(200, "PUT", "/v1/models/m/default", {"version": 1})
            version = self.train("m", **request, start="warm", **more)
            self.assertEqual([w["code"] for w in version["warnings"]], codes)

    def test_a_warm_start_from_what_does_not_fit_is_refused(self):
        self.ok(201, "POST", "/v1/models/m/data", wave(40))
        data = self.ok(409, "POST", "/v1/models/m/train", {"solver": "ensemble", "start": "warm"})[1]
        self.assertIn("cold", data["detail"])
        self.train("m", solver="ensemble", settings={**FIT, "epochs": 5}, architecture=SMALL)
        for request, word in (
                ({"start": "tepid"}, "cold and warm"),
                ({"start": 1}, "start"),
                ({"architecture": {**SMALL, "width": 6}}, "width is 6, the model's is 5"),
                ({"architecture": {**SMALL, "basis": "constant"}}, "basis is constant"),
                ({"noise": {"kind": "predicted"}}, "noise is predicted"),
                ({"solver": "pbp"}, "pbp can start warm from a model of pbp only, not of ensemble"),
                ({"solver": "duq"}, "duq can start warm from a model of duq only, not of ensemble"),
        ):
            with self.subTest(request=json.dumps(request)):
                request = {"solver": "ensemble", "architecture": SMALL, "start": "warm", **request}
                data = self.ok(400, "POST", "/v1/models/m/train", request)[1]
                self.assertIn(word, data["detail"])

    def test_what_a_solver_does_not_know_is_refused(self):
        self.ok(201, "POST", "/v1/models/m/data", wave(20))
        for request, word in (
                ({"solver": "ensemble", "settings": {"warmup": 5}}, "warmup"),
                ({"solver": "nuts", "settings": {"members": 5}}, "members"),
                ({"solver": "laplace", "settings": {"hessian": "half"}}, "gauss_newton"),
                ({"solver": "ensemble", "noise": {"kind": "given"}}, "sigma"),
                ({"solver": "ensemble", "noise": {"kind": "given", "sigma": [1, 2, 3]}}, "sigma"),
                ({"solver": "ensemble", "noise": {"kind": "given", "sigma": -1}}, "sigma"),
                ({"solver": "bll", "noise": {"kind": "predicted"}}, "predicted"),
                ({"solver": "evidence", "noise": {"kind": "predicted"}},
                 "evidence does not support predicted noise"),
                ({"solver": "evidence", "noise": {"kind": "estimated"}}, "estimated"),
                ({"solver": "evidence", "architecture": {"width": 200}}, "width 86, which has 7914, is the largest"),
                ({"solver": "evidence", "settings": {"batch_size": 16}}, "batch_size"),
                ({"solver": "nuts", "prior": {"sigma": -1}}, "prior"),
                ({"solver": "nuts", "prior": {"sigma": None, "pre": 1}}, "prior"),
                ({"solver": "swag", "settings": {"swag_rank": 1}}, "swag_rank"),
                ({"solver": "rms", "prior": None}, "flat"),
                ({"solver": "duq", "architecture": {"layer_pre": False, "width": 2}}, "layer_pre"),
                ({"solver": "bll", "architecture": {"layer_post": False, "width": 2}}, "layer_post"),
                ({"solver": "pbp", "architecture": {"final": "exp"}}, "final"),
                ({"solver": "vi", "optimizer": {"name": "lbfgs"}}, "lbfgs"),
                ({"solver": "ensemble", "calibration": {"method": "cv+", "folds": 1}}, "folds"),
                ({"solver": "ensemble", "calibration": {"method": "half"}}, "method"),
        ):
            with self.subTest(request=json.dumps(request)):
                data = self.ok(400, "POST", "/v1/models/m/train", request)[1]
                self.assertIn(word, data["detail"])


if __name__ == "__main__":
    unittest.main()
