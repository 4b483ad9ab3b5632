# SPDX-License-Identifier: Apache-2.0
"""Registration, versions, conditional requests and predictions against plain Python."""

import json
import math
import os
import statistics
import unittest

from harness import HERE, ServerTest, architecture, document, full_document, gaussian, make_golden

SCHEMA = os.path.join(HERE, "..", "..", "schema", "model.schema.json")

# Members of models that have them alone: names, failed runs, rows that miss outputs, fields, layers without biases.
OF_SOME = {"space", "feasible", "counts", "output_reduction", "outer_bias"}


class Registration(ServerTest):
    def test_a_model_is_registered_once(self):
        head, data = self.ok(201, "PUT", "/v1/models/m", document())
        self.assertEqual(data["version"], 1)
        self.assertEqual(head["Location"], "/v1/models/m/versions/1")
        etag = head["ETag"]
        head, data = self.ok(200, "PUT", "/v1/models/m", document())
        self.assertEqual((data["version"], data["created"], head["ETag"]), (1, False, etag))
        _, data = self.ok(201, "PUT", "/v1/models/m", document(seed=2))
        self.assertEqual(data["version"], 2)
        _, data = self.ok(200, "GET", "/v1/models")
        self.assertEqual([(m["name"], m["default_version"], m["versions"]) for m in data["models"]],
                         [("m", 2, 2)])

    def test_outer_layers_without_biases_and_other_activations(self):
        for name, more in (("plain", {"outer_bias": False}), ("gelu", {"activation": "gelu"}),
                           ("qr", {"basis": "qr", "order": 1})):
            given = document(arch=architecture(**more))
            self.ok(201, "PUT", f"/v1/models/{name}", given)
            exported = self.ok(200, "GET", f"/v1/models/{name}/versions/1/export?format=json")[1]
            for key, value in more.items():
                self.assertEqual(exported["architecture"][key], value)
            x = [[0.3, -0.2, 0.9]]
            draws = [make_golden.evaluate(given["architecture"], p, x[0]) for p in given["posterior"]["parameters"]]
            mean = [sum(column) / len(draws) for column in zip(*draws)]
            answer = self.ok(200, "POST", f"/v1/models/{name}/predict", {"inputs": x, "return": ["mean"]})[1]
            for found, wanted in zip(answer["mean"][0], mean):
                self.assertAlmostEqual(found, wanted, places=12)

    def test_an_export_registers_as_the_same_content(self):
        full = document(
            names={"inputs": ["a", "b\u00e9\"", None], "outputs": ["y", "z"]}, units=None,
            scaling={"inputs": [{"kind": "standard", "shift": 0.1, "scale": 3.3}] * 3,
                     "outputs": [{"kind": "unit", "shift": -1e-7, "scale": 1e20}] * 2},
            noise={"sigma": [0.1, 0.0]}, training_range=[[-1, 1.5], [0, 1], [0.1, 0.3]],
            solver="hmc", seed=-5, settings={"x": 0.1, "list": [1, 2.5, None, True, "t"]},
            provenance={"by": "a test", "n": 12345678901},
            scores={"rows": 7, "relative_error": 0.1, "rmse": [0.2, 1 / 3],
                    "output_range": [[0, 1], [-2.5, 1e9]]})
        head, _ = self.ok(201, "PUT", "/v1/models/m", full)
        _, exported = self.ok(200, "GET", "/v1/models/m/versions/1/export?format=json")
        self.assertEqual(exported["posterior"]["parameters"], full["posterior"]["parameters"])
        self.assertEqual(exported["settings"], full["settings"])
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        properties = schema["properties"]
        for found, known in ((exported, properties),
                             (exported["architecture"], properties["architecture"]["properties"]),
                             (exported["scores"], properties["scores"]["properties"]),
                             (exported["posterior"], schema["$defs"]["draws"]["properties"])):
            self.assertEqual(set(found), set(known) - OF_SOME)
        again, data = self.ok(201, "PUT", "/v1/models/copy", exported)
        self.assertEqual(again["ETag"], head["ETag"])
        self.assertEqual(self.ok(200, "PUT", "/v1/models/m", exported)[1]["version"], 1)

    def test_a_full_export_registers_as_the_same_content(self):
        full = full_document()
        head, _ = self.ok(201, "PUT", "/v1/models/m", full)
        _, exported = self.ok(200, "GET", "/v1/models/m/versions/1/export")
        for key in ("posterior", "calibration", "report", "warnings", "noise", "scores"):
            self.assertEqual(exported[key], full[key])
        self.assertEqual(list(exported["report"]), list(full["report"]))
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        gaussian = schema["$defs"]["gaussian"]["properties"]
        for found, known in (
                (exported, schema["properties"]), (exported["posterior"], gaussian),
                (exported["posterior"]["members"][0], gaussian["members"]["items"]["properties"]),
                (exported["scores"], schema["properties"]["scores"]["properties"]),
                (exported["calibration"], schema["properties"]["calibration"]["properties"])):
            self.assertEqual(set(found), set(known) - OF_SOME)
        again, _ = self.ok(201, "PUT", "/v1/models/copy", exported)
        self.assertEqual(again["ETag"], head["ETag"])
        # After a restart the draws are made again from the stored Gaussians.
        body = {"inputs": [[0.1, 0.2, 0.3]], "return": ["mean", "std", "samples", "total_variance"],
                "samples": 3}
        before = self.ok(200, "POST", "/v1/models/m/predict", body)[1]
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.ok(200, "POST", "/v1/models/m/predict", body)[1], before)
        head, _ = self.ok(200, "GET", "/v1/models/m/versions/1")
        self.assertEqual(again["ETag"], head["ETag"])

    def test_conditions_are_honoured(self):
        head, _ = self.ok(201, "PUT", "/v1/models/m", document(), {"If-None-Match": "*"})
        etag = head["ETag"]
        self.ok(412, "PUT", "/v1/models/m", document(seed=2), {"If-None-Match": "*"})
        self.ok(412, "PUT", "/v1/models/m", document(seed=2), {"If-Match": '"sha256-' + "0" * 64 + '"'})
        self.ok(412, "PUT", "/v1/models/none", document(), {"If-Match": "*"})
        self.ok(412, "PUT", "/v1/models/m", document(seed=2), {"If-None-Match": f'"x", {etag}'})
        self.ok(201, "PUT", "/v1/models/m", document(seed=2), {"If-Match": etag})
        head, body = self.ok(304, "GET", "/v1/models/m/versions/1", None, {"If-None-Match": etag})
        self.assertEqual((head["ETag"], body), (etag, b""))
        self.ok(404, "GET", "/v1/models/none")

    def test_versions_are_promoted_and_deleted(self):
        self.ok(201, "PUT", "/v1/models/m", document(seed=1))
        self.ok(201, "PUT", "/v1/models/m?promote=false", document(seed=2))
        body = {"model": "m", "inputs": [0.1, 0.2, 0.3]}
        self.assertEqual(self.ok(200, "POST", "/predict", body)[1]["version"], 1)
        self.ok(200, "PUT", "/v1/models/m/default", {"version": 2})
        self.assertEqual(self.ok(200, "POST", "/predict", body)[1]["version"], 2)
        old = self.ok(200, "POST", "/v1/models/m/versions/1/predict", {"inputs": [0.1, 0.2, 0.3]})[1]
        self.assertEqual(old["version"], 1)
        self.ok(404, "PUT", "/v1/models/m/default", {"version": 3})
        self.ok(409, "DELETE", "/v1/models/m/versions/2")
        self.ok(204, "DELETE", "/v1/models/m/versions/1")
        self.ok(404, "POST", "/v1/models/m/versions/1/predict", {"inputs": [0.1, 0.2, 0.3]})
        self.ok(204, "DELETE", "/v1/models/m")
        self.ok(404, "POST", "/predict", body)
        # Numbers are never used again.
        self.assertEqual(self.ok(201, "PUT", "/v1/models/m", document(seed=3))[1]["version"], 3)


class Prediction(ServerTest):
    def check(self, arch, draws, n):
        model = document(draws=draws, seed=4, arch=arch)
        self.ok(201, "PUT", "/v1/models/m", model)
        x = document(draws=n, seed=5, arch=architecture(width=2, layers=0, basis="constant"))
        x = [row[: arch["inputs"]] for row in x["posterior"]["parameters"]]
        _, answer = self.ok(200, "POST", "/predict", {
            "model": "m", "version": "@default", "inputs": x,
            "return": ["mean", "variance", "std", "quantiles", "samples", "covariance"],
            "quantiles": [0.0, 0.5, 1.0], "samples": draws, "seed": 3})
        self.assertEqual(answer["draws"], draws)
        for i, row in enumerate(x):
            values = [make_golden.evaluate(arch, p, row) for p in model["posterior"]["parameters"]]
            for j in range(len(values[0])):
                column = [v[j] for v in values]
                mean = statistics.fmean(column)
                variance = statistics.variance(column) if draws > 1 else 0.0
                self.assertAlmostEqual(answer["mean"][i][j], mean, delta=1e-12 * (1 + abs(mean)))
                self.assertAlmostEqual(answer["variance"][i][j], variance, delta=1e-12 * (1 + variance))
                self.assertAlmostEqual(answer["covariance"][i][j][j], variance,
                                       delta=1e-12 * (1 + variance))
                levels = [level[i][j] for level in answer["quantiles"]["values"]]
                for found, expected in zip(levels, [min(column), statistics.median(column), max(column)]):
                    self.assertAlmostEqual(found, expected, delta=1e-12 * (1 + abs(expected)))
                found = sorted(sample[i][j] for sample in answer["samples"])
                for a, b in zip(found, sorted(column)):
                    self.assertAlmostEqual(a, b, delta=1e-12 * (1 + abs(b)))

    def test_a_hundred_draws(self):
        self.check(architecture(), 100, 7)

    def test_a_single_draw_has_no_variance(self):
        self.check(architecture(basis="legendre", order=3), 1, 3)

    def test_float32_serves_what_float64_does_but_for_the_measured_error(self):
        model = document(draws=50, training_range=[[-1, 1]] * 3)
        self.ok(201, "PUT", "/v1/models/a", model)
        self.ok(201, "PUT", "/v1/models/b", {**model, "precision": "float32"})
        _, about = self.ok(200, "GET", "/v1/models/b/versions/1")
        self.assertEqual(about["precision"], "float32")
        for part in ("mean", "std"):
            self.assertTrue(0 < about["float32_error"][part] < 1e-5, about["float32_error"])
        x = {"inputs": [[0.1 * i - 1, 0.3, -0.7] for i in range(20)], "return": ["mean", "std"]}
        exact = self.ok(200, "POST", "/v1/models/a/predict", x)[1]
        single = self.ok(200, "POST", "/v1/models/b/predict", x)[1]
        self.assertNotEqual(exact["mean"], single["mean"])
        for a, b in zip(exact["mean"], single["mean"]):
            self.assertAlmostEqual(a[0], b[0], delta=1e-5)
        head, _ = self.ok(200, "GET", "/v1/models/b/versions/1")
        exported = self.ok(200, "GET", "/v1/models/b/versions/1/export")[1]
        again, _ = self.ok(201, "PUT", "/v1/models/c", exported)
        self.assertEqual(head["ETag"], again["ETag"])

    def test_a_predicted_noise_is_the_mean_of_the_second_head(self):
        arch = architecture(outputs=4)
        model = document(draws=7, arch=arch, noise={"kind": "predicted"}, scaling={
            "outputs": [{"kind": "standard", "shift": 1, "scale": 3}, {"kind": "none"}]})
        self.ok(201, "PUT", "/v1/models/m", model)
        x = [0.1, -0.2, 0.3]
        values = [make_golden.evaluate(arch, p, x) for p in model["posterior"]["parameters"]]
        _, answer = self.ok(200, "POST", "/v1/models/m/predict", {
            "inputs": [x], "return": ["mean", "noise_variance", "total_variance", "variance",
                                      "jacobian"]})
        for j, scale, shift in ((0, 3, 1), (1, 1, 0)):
            mean = statistics.fmean(v[j] for v in values) * scale + shift
            noise = statistics.fmean(math.exp(v[2 + j]) + 1e-6 for v in values) * scale**2
            self.assertAlmostEqual(answer["mean"][0][j], mean, delta=1e-12 * (1 + abs(mean)))
            self.assertAlmostEqual(answer["noise_variance"][0][j], noise, delta=1e-12 * noise)
            self.assertAlmostEqual(answer["total_variance"][0][j],
                                   answer["variance"][0][j] + noise, delta=1e-12 * (1 + noise))
        self.assertEqual(len(answer["jacobian"]["mean"][0]), 2)

    def test_gaussians_are_drawn_or_straightened(self):
        model = gaussian(draws=4000, spread=1e-3)
        self.ok(201, "PUT", "/v1/models/drawn", model)
        model["posterior"]["predictive"] = "linearised"
        self.ok(201, "PUT", "/v1/models/closed", model)
        body = {"inputs": [[0.1 * i, -0.2, 0.3] for i in range(20)], "quantiles": [0.1, 0.5],
                "return": ["mean", "std", "quantiles", "covariance"]}
        drawn = self.ok(200, "POST", "/v1/models/drawn/predict", body)[1]
        closed = self.ok(200, "POST", "/v1/models/closed/predict", body)[1]
        for i in range(20):
            for j in range(2):
                # The spread is small, so the network is nearly straight there.
                std = closed["std"][i][j]
                self.assertAlmostEqual(drawn["std"][i][j], std, delta=0.1 * std)
                self.assertAlmostEqual(drawn["mean"][i][j], closed["mean"][i][j], delta=0.1 * std)
                self.assertAlmostEqual(closed["covariance"][i][j][j], std**2, delta=1e-9 * std**2)
                for k in range(2):
                    self.assertAlmostEqual(drawn["quantiles"]["values"][k][i][j],
                                           closed["quantiles"]["values"][k][i][j], delta=0.3 * std)
        body = {"inputs": [[0, 0, 0]], "return": ["jacobian"]}
        slopes = [self.ok(200, "POST", f"/v1/models/{name}/predict", body)[1]["jacobian"]
                  for name in ("drawn", "closed")]
        for a, b in zip(slopes[0]["mean"][0][0], slopes[1]["mean"][0][0]):
            self.assertAlmostEqual(a, b, delta=1e-2 * (1 + abs(b)))
        _, problem = self.ok(400, "POST", "/v1/models/closed/predict",
                             {"inputs": [[0, 0, 0]], "quantiles": [0, 0.5],
                              "return": ["quantiles"]})
        self.assertIn("above 0", problem["detail"])

    def test_extrapolation_is_told(self):
        self.ok(201, "PUT", "/v1/models/m", document(training_range=[[0, 1], [0, 1], [0, 1]]))
        _, answer = self.ok(200, "POST", "/predict",
                            {"model": "m", "inputs": [[0.5, 0.5, 0.5], [0.5, 9.1, -1]]})
        self.assertEqual([(w["code"], w["row"], w["input"], w["value"], w["range"])
                          for w in answer["warnings"]],
                         [("extrapolation", 1, 1, 9.1, [0, 1]), ("extrapolation", 1, 2, -1, [0, 1])])
        many = {"model": "m", "inputs": [[9, 9, 9]] * 50}
        _, answer = self.ok(200, "POST", "/predict", many)
        self.assertEqual(len(answer["warnings"]), 101)
        self.assertEqual(answer["warnings"][-1], {"code": "more", "count": 50, "rows": 50})

    def test_covariance_between_rows_and_jacobian(self):
        self.ok(201, "PUT", "/v1/models/m", document(draws=6))
        _, answer = self.ok(200, "POST", "/predict", {
            "model": "m", "inputs": [[0, 0, 0], [0.1, 0, 0]], "covariance": "rows",
            "return": ["variance", "jacobian", "mean"]})
        cov = answer["covariance"]
        self.assertEqual((len(cov), len(cov[0]), len(cov[0][0])), (2, 2, 2))
        self.assertAlmostEqual(cov[1][0][0], answer["variance"][0][1], delta=1e-12)
        self.assertEqual(cov[0][0][1], cov[0][1][0])
        slope = answer["jacobian"]["mean"][0][0][0]
        secant = (answer["mean"][1][0] - answer["mean"][0][0]) / 0.1
        self.assertAlmostEqual(slope, secant, delta=0.1 * (1 + abs(slope)))


if __name__ == "__main__":
    unittest.main()
