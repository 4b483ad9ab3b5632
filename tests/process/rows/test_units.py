# SPDX-License-Identifier: Apache-2.0
"""
Numbers of any unit through the server, and training requests that the stored rows rule out. A column in
units of a power of two has the same digits as in the usual unit, so that all that is linear in it, and all
that has no unit, must be the same.
"""

import json
import math
import random
import unittest

from harness import ServerTest

SETTINGS = {"ensemble": {"members": 2, "epochs": 40}, "laplace": {"epochs": 40, "draws": 8},
            "nuts": {"chains": 2, "warmup": 20, "draws": 10, "max_depth": 4}}
REQUEST = {"seed": 1, "gate": None, "split": {"validation": 0.2}, "architecture": {"width": 6, "layers": 1}}
LINEAR = {"return": ["mean", "std", "jacobian"], "quantiles": [0.1, 0.9], "intervals": [0.5], "samples": 2}
SHARPEST = 2.0 ** -997  # about 7e-301


def table(unit_in=1.0, unit_out=1.0, n=50):
    rng = random.Random(1)
    x, y = [], []
    for _ in range(n):
        a, b = rng.random(), rng.random()
        x.append([unit_in * a, b])
        y.append([unit_out * (1.5 + math.sin(3 * a) * b), a * b])
    return x, y


def first_output(answer, unit):
    """All that is linear in output 0, in its unit, and its derivative by input 1."""
    ends = [end for k in ("lower", "upper") for end in answer["intervals"][0][k]]
    rows = answer["mean"] + answer["std"] + [row for level in answer["quantiles"]["values"] for row in level]
    rows += ends + [row for draw in answer["samples"] for row in draw]
    slopes = [row[0][1] for k in ("mean", "std") for row in answer["jacobian"][k]]
    return [v / unit for v in [row[0] for row in rows] + slopes]


class Trained(ServerTest):
    count = 0

    def upload(self, x, y, **more):
        Trained.count += 1
        name = f"m{Trained.count}"
        self.ok(201, "POST", f"/v1/models/{name}/data", {"inputs": x, "outputs": y, **more})
        return name

    def train(self, name, solver="ensemble", **more):
        body = {"solver": solver, "settings": SETTINGS[solver], **REQUEST, **more}
        job = self.ok(202, "POST", f"/v1/models/{name}/train", body)[1]
        job = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual(job["state"], "succeeded", job["message"])
        return job

    def predict(self, name, rows, **more):
        return self.ok(200, "POST", f"/v1/models/{name}/predict", {"inputs": rows, **more})[1]

    def close(self, a, b):
        self.assertEqual(len(a), len(b))
        for u, v in zip(a, b):
            self.assertAlmostEqual(u, v, delta=1e-9 * max(1, abs(u)))


class Units(Trained):
    def whole_road(self, solver, unit_in, unit_out):
        """Everything that is told of a model in these units, without them."""
        x, y = table(unit_in, unit_out)
        name = self.upload(x, y)
        first = self.train(name, solver)
        self.train(name, solver, seed=2)
        at = [[unit_in * a, b] for a, b in ((0.3, 0.2), (0.8, 0.9), (1.5, 0.4))]
        path = f"/v1/models/{name}/versions/1"
        answer = self.ok(200, "POST", path + "/predict", {"inputs": at, **LINEAR})[1]
        scored = self.ok(200, "POST", path + "/evaluate", {"inputs": x, "outputs": y})[1]["outputs"][0]
        compared = self.ok(200, "POST", f"/v1/models/{name}/compare?versions=1,2", {"inputs": x, "outputs": y})[1]
        by_loss = compared["versions"][1]["difference"]
        shown = self.ok(200, "GET", path)[1]["scores"]
        document = self.server.request("GET", path + "/export")[2]
        self.ok(201, "PUT", f"/v1/models/{name}-copy", json.dumps(document))
        copy = self.predict(name + "-copy", at, **LINEAR)
        self.assertEqual([copy[k] for k in ("mean", "std", "samples", "intervals")],
                         [answer[k] for k in ("mean", "std", "samples", "intervals")])
        self.assertIsInstance(by_loss["crps"]["standard_error"], float)
        found = first_output(answer, unit_out)
        found += [scored["rmse"] / unit_out, scored["crps"] / unit_out, scored["nll"] - math.log(unit_out)]
        found += [c["observed"] for c in scored["coverage"]] + [c["width"] / unit_out for c in scored["coverage"]]
        found += [v for k in ("squared_error", "nll") for v in by_loss[k].values()]
        found += [shown["relative_error"], shown["rmse"][0] / unit_out, first["scores"]["relative_error"]]
        return found

    def test_outputs_of_any_unit_keep_their_digits(self):
        for solver in SETTINGS:
            usual = self.whole_road(solver, 1.0, 1.0)
            for unit in (SHARPEST, 2.0 ** -500, 2.0 ** 664, 2.0 ** 996):
                with self.subTest(solver=solver, unit=unit):
                    self.close(usual, self.whole_road(solver, 1.0, unit))

    def test_inputs_of_any_unit_keep_their_digits(self):
        usual = self.whole_road("ensemble", 1.0, 1.0)
        for unit in (SHARPEST, 2.0 ** 996):
            with self.subTest(unit=unit):
                self.close(usual, self.whole_road("ensemble", unit, 1.0))

    def test_by_default_outputs_without_a_square_have_a_standard_deviation(self):
        x, y = table(unit_out=2.0 ** 996)
        name = self.upload(x, y, names={"inputs": ["a", "b"], "outputs": ["p", "q"]})
        self.train(name)
        answer = self.predict(name, [x[0]])
        self.assertEqual(("std" in answer, "variance" in answer), (True, False))
        refused = self.ok(400, "POST", f"/v1/models/{name}/predict", {"inputs": [x[0]], "return": ["variance"]})[1]
        self.assertRegex(refused["detail"], r'output 0, "p", is of the order of 1e300.*ask for std')

    def test_outputs_over_twenty_decades(self):
        x, _ = table()
        name = self.upload(x, [[10 ** (20 * a - 10)] for a, _ in x])
        job = self.train(name, settings={"members": 2, "epochs": 400}, scaling={"outputs": "log"})
        self.assertEqual(job["warnings"], [])
        for row, a in zip(self.predict(name, [[a, 0.5] for a in (0.2, 0.5, 0.8)])["mean"], (0.2, 0.5, 0.8)):
            self.assertAlmostEqual(math.log10(row[0]), 20 * a - 10, delta=0.5)
        self.assertIn("try_log", [w["code"] for w in self.train(name)["warnings"]])

    def test_constants_of_any_size_are_predicted_exactly(self):
        x, _ = table()
        for value in (0.0, 5e-324, -1e-310, 1e-300, 1e-9, -3.25, 1e300, 1.7e308):
            with self.subTest(value=value):
                name = self.upload([[a, value] for a, _ in x], [[value, a] for a, _ in x])
                job = self.train(name)
                self.assertEqual([w["code"] for w in job["warnings"]], ["constant_input", "constant_output"])
                answer = self.predict(name, [[0.3, value], [0.9, value]], **LINEAR)
                self.assertEqual({row[0] for row in answer["mean"]}, {value})
                self.assertEqual({row[0] for row in answer["std"]}, {0})
                self.assertEqual({row[0] for row in answer["intervals"][0]["upper"]}, {value})
                self.assertEqual({row[0] for draw in answer["samples"] for row in draw}, {value})
                self.assertEqual({slope[1] for row in answer["jacobian"]["mean"] for slope in row}, {0})
                self.assertEqual({row[0] for row in self.predict(name, [[0.3, value]])["variance"]}, {0})
                compared = self.ok(200, "POST", f"/v1/models/{name}/compare?versions=1,1",
                                   {"inputs": [[a, value] for a, _ in x], "outputs": [[value, a] for a, _ in x]})[1]
                self.assertEqual(compared["versions"][1]["difference"]["nll"]["mean"], 0)
        name = self.upload(x[:3], [[0.1 * (1 + rounding * 2.0 ** -52), a] for rounding, (a, _) in enumerate(x[:3])])
        self.assertIn("constant_output", [w["code"] for w in self.train(name, split={"validation": 0})["warnings"]])


class Refusals(Trained):
    """What can be refused at the request is, in words that say where and how to mend it."""

    def refused(self, name, pattern, status=400, **request):
        body = {"solver": "ensemble", **request}
        answer = self.ok(status, "POST", f"/v1/models/{name}/train", body)[1]
        self.assertRegex(answer["detail"], pattern)
        return answer

    def test_an_input_without_a_logarithm_is_named(self):
        names = {"inputs": ["k", "T"], "outputs": ["q"]}
        name = self.upload([[1 + i, 2 + i * i] for i in range(20)], [[i] for i in range(20)], names=names)
        self.train(name, scaling={"inputs": "log"})
        bad = {"inputs": [[1, 2], {"T": -3, "k": 2}]}
        for route, body in (("predict", bad), ("evaluate", {**bad, "outputs": [[1], [2]]}),
                            ("compare", {**bad, "outputs": [[1], [2]], "versions": [1, "@default"]})):
            problem = self.ok(400, "POST", f"/v1/models/{name}/{route}", body)[1]
            self.assertIn('row 1, column 1 ("T") is -3, but the model takes its logarithm', problem["detail"], route)
            self.assertEqual((problem["row"], problem["column"]), (1, 1))
        # In a table it is a line of the user's file, wherever that was cut.
        for route, text in (("predict", "T,k\n# a comment\n1,2\n-3,2\n"),
                            ("evaluate", "T,k,q\n# a comment\n1,2,1\n-3,2,1\n")):
            problem = self.ok(400, "POST", f"/v1/models/{name}/{route}", text,
                              {"Content-Type": "text/csv", "Surrogate-First-Line": "11"})[1]
            self.assertRegex(problem["detail"], r'^line 14: .*\("T"\) is -3', route)
            self.assertEqual((problem["line"], problem["row"], problem["column"]), (14, 1, 1))

    def test_rows_that_rule_a_request_out(self):
        x, y = table()
        y[17][0] = -3.0
        name = self.upload(x, y, names={"inputs": ["k", "T"], "outputs": ["p", "q"]})
        answer = self.refused(name, r'row 17 column 0 \("p"\) is -3', scaling={"outputs": "log"})
        self.assertEqual((answer["row"], answer["column"]), (17, 0))
        few = self.upload(x[:5], y[:5])
        self.refused(few, "left to train on, 4, are too few for 10 folds", calibration={"method": "cv+"})
        self.train(few, calibration={"method": "cv+", "folds": 4})
        two = self.upload(x[:2], y[:2])
        self.refused(two, "left to train on, 1, are too few for 3 folds", calibration={"method": "jackknife+"})
        self.refused(two, "calibration: there are too few rows", calibration={"method": "split"})
        self.assertEqual([w["code"] for w in self.train(two, split={"validation": 0})["warnings"]], ["few_rows"])
        one = self.upload(x[:1], y[:1])
        self.refused(one, "has 1 training rows, at least 2", status=409)
        self.assertEqual([j for j in self.ok(200, "GET", "/v1/jobs")[1]["jobs"] if j["state"] == "failed"], [])

    def test_columns_that_no_scaling_can_take(self):
        x, _ = table()
        wide = self.upload(x, [[2 * (a - 0.5) * 1.7e308] for a, _ in x], names={"inputs": ["a", "b"], "outputs": ["p"]})
        answer = self.refused(wide, r'outputs: the values of column 0 \("p"\), from .* are further apart')
        self.assertEqual(answer["column"], 0)
        self.train(wide, scaling={"outputs": "range"})
        thin = self.upload([[a * 1e-309, b] for a, b in x], [[a] for a, _ in x])
        self.refused(thin, "inputs: the values of column 0, from .* are closer than the smallest number")

    def test_networks_that_a_solver_cannot_take(self):
        name = self.upload(*table())
        self.refused(name, "laplace takes at most 8000", solver="laplace", architecture={"width": 200})
        self.refused(name, "needs a prior that is not flat", solver="laplace", settings={"marginal_likelihood": True},
                     prior=None)
        self.refused(name, "warmup [+] draws [*] thin", solver="hmc", settings={"draws": 100000, "thin": 100000})
        self.refused(name, "the rows have 2 and 2", architecture={"inputs": 3})
        self.refused(name, "limits: memory_mb is 1, and 50 rows and 8 draws of 81402 parameters alone need 6 MB",
                     status=413, limits={"memory_mb": 1}, architecture={"width": 200, "layers": 8})
        self.refused(name, '"epochs" belongs under "settings"', epochs=60)
        self.refused(name, "^split: validation is 0.95", split={"validation": 0.95})
        self.refused(name, "^optimizer: learning_rate is 1e[+]06", optimizer={"learning_rate": 1e6})


if __name__ == "__main__":
    unittest.main()
