# SPDX-License-Identifier: Apache-2.0
"""Scores of a version on rows, and intervals, against plain Python over the answers of /predict."""

import json
import math
import random
import statistics
import struct
import unittest

from harness import ServerTest, architecture, document, rows

NORMAL = statistics.NormalDist()
ARCH = architecture(inputs=2, outputs=2)
LEVELS = [k / 20 for k in range(1, 20)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def crps(mu, sigma, y):
    z = (y - mu) / sigma
    return sigma * (z * (2 * NORMAL.cdf(z) - 1) + 2 * NORMAL.pdf(z) - 1 / math.sqrt(math.pi))


def mixture_nll(draws, sigma, y):
    exponents = [-((y - f) / sigma) ** 2 / 2 for f in draws]
    top = max(exponents)
    total = sum(math.exp(e - top) for e in exponents) / len(draws)
    return -top - math.log(total) + math.log(2 * math.pi * sigma ** 2) / 2


class Evaluation(ServerTest):
    flags = ("--max-rows", "20000")

    def put(self, **extra):
        self.ok(201, "PUT", "/v1/models/m", document(draws=5, arch=ARCH, **extra))

    def observed(self, n, spread=0.3, seed=1):
        """Inputs, and outputs around the model's mean."""
        rng = random.Random(seed)
        x = [[rng.uniform(-1, 1) for _ in range(2)] for _ in range(n)]
        _, data = self.ok(200, "POST", "/v1/models/m/predict", {"inputs": x, "return": ["mean"]})
        y = [[v + rng.gauss(0, spread) for v in row] for row in data["mean"]]
        return {"inputs": x, "outputs": y}

    def evaluate(self, body, status=200, query="", headers=None, path="/v1/models/m/evaluate"):
        return self.ok(status, "POST", path + query, body, headers)[1]

    def near(self, found, expected, digits=1e-11):
        self.assertLessEqual(abs(found - expected), digits * (1 + abs(expected)))

    def check(self, body, found, ranges):
        """All numbers of an answer for a model with noise 0.2 and 0.3."""
        sigmas = [0.2, 0.3]
        x, y = body["inputs"], body["outputs"]
        _, p = self.ok(200, "POST", "/v1/models/m/predict", {
            "inputs": x, "return": ["mean", "total_variance", "samples"], "samples": 5})
        self.assertEqual((found["model"], found["version"], found["rows"]), ("m", 1, len(x)))
        unit = [[(v - low) / (high - low) for v, (low, high) in zip(row, ranges)] for row in y]
        guess = [[(v - low) / (high - low) for v, (low, high) in zip(row, ranges)]
                 for row in p["mean"]]
        self.near(found["relative_error"],
                  mean(math.dist(a, b) / math.hypot(*a) for a, b in zip(unit, guess)))
        for j, output in enumerate(found["outputs"]):
            mu = [row[j] for row in p["mean"]]
            sd = [math.sqrt(row[j]) for row in p["total_variance"]]
            target = [row[j] for row in y]
            z = [(t - m) / s for t, m, s in zip(target, mu, sd)]
            self.near(output["rmse"], math.sqrt(mean((t - m) ** 2 for t, m in zip(target, mu))))
            self.near(output["nll"], mean(-math.log(NORMAL.pdf(u) / s) for u, s in zip(z, sd)))
            self.near(output["crps"], mean(map(crps, mu, sd, target)))
            self.near(output["nll_draws"], mean(
                mixture_nll([draw[i][j] for draw in p["samples"]], sigmas[j], t)
                for i, t in enumerate(target)))
            self.assertEqual([c["level"] for c in output["coverage"]], [0.5, 0.9, 0.95])
            for c in output["coverage"]:
                half = NORMAL.inv_cdf(0.5 + c["level"] / 2)
                self.near(c["observed"], mean(abs(u) <= half for u in z))
                self.near(c["width"], mean(2 * half * s for s in sd), 1e-9)
            self.assertEqual([c["level"] for c in output["calibration"]], LEVELS)
            for c in output["calibration"]:
                self.near(c["observed"], mean(NORMAL.cdf(u) <= c["level"] for u in z))
            self.assertNotIn("conformal", output)
        for key in ("nll", "nll_draws"):
            self.near(found[key], mean(output[key] for output in found["outputs"]))
        # Outputs may have different units, so only shares of their ranges are averaged.
        self.near(found["crps"], mean(output["crps"] / (high - low)
                                      for output, (low, high) in zip(found["outputs"], ranges)))

    def test_scores_are_those_of_plain_python(self):
        self.put(noise={"sigma": [0.2, 0.3]}, names={"inputs": ["a", "b"], "outputs": ["u", None]})
        # One block at once; several, each in its turn.
        for n in (1, 50, 9000):
            with self.subTest(rows=n):
                body = self.observed(n)
                found = self.evaluate(body)
                columns = list(zip(*body["outputs"]))
                ranges = [(min(c), max(c)) if n > 1 else (c[0], c[0] + 1) for c in columns]
                if n > 1:
                    self.check(body, found, ranges)
                self.assertEqual([output["name"] for output in found["outputs"]], ["u", None])
                text = "\n".join(",".join(map(repr, a + b))
                                 for a, b in zip(body["inputs"], body["outputs"]))
                for query in ("", "?outputs=2"):
                    self.assertEqual(found, self.evaluate(
                        text, query=query, headers={"Content-Type": "text/csv"}))
                for version in ("1", "@default"):
                    self.assertEqual(found, self.evaluate(
                        body, path=f"/v1/models/m/versions/{version}/evaluate"))

    def test_outputs_are_scaled_as_in_training(self):
        ranges = [[-3.0, 5.0], [0.5, 2.5]]
        self.put(noise={"sigma": [0.2, 0.3]},
                 scores={"rows": 1, "relative_error": 0.0, "rmse": [1, 1], "output_range": ranges})
        body = self.observed(40)
        self.check(body, self.evaluate(body), ranges)

    def test_scores_without_a_density_are_null(self):
        self.ok(201, "PUT", "/v1/models/m", document(draws=1, arch=ARCH))
        found = self.evaluate(self.observed(5))
        self.assertGreater(found["relative_error"], 0)
        for output in found["outputs"]:
            self.assertGreater(output["rmse"], 0)
            for key in ("nll", "nll_draws", "crps", "coverage", "calibration"):
                self.assertIsNone(output[key])
        self.assertIsNone(found["nll"])
        self.ok(201, "PUT", "/v1/models/m", document(draws=3, arch=ARCH))
        found = self.evaluate(self.observed(5))
        self.assertIsNotNone(found["nll"])
        self.assertIsNone(found["nll_draws"])

    def test_bad_rows_are_refused(self):
        self.put()
        good = [[0.1, 0.2], [0.3, 0.4]]
        csv = {"Content-Type": "text/csv"}
        for body, status, head, query, word in [
                ({"inputs": good, "outputs": good[:1]}, 400, {}, "", "outputs has 1 row"),
                ({"inputs": good}, 400, {}, "", "outputs"),
                ({"outputs": good}, 400, {}, "", "inputs"),
                ({"inputs": [[1]], "outputs": [[1, 2]]}, 400, {}, "", "inputs: row 0"),
                ({"inputs": [[1, 2]], "outputs": [[1, 2, 3]]}, 400, {}, "", "outputs: row 0"),
                ({"inputs": good, "outputs": good, "model": "m"}, 400, {}, "", "model"),
                ({"inputs": [], "outputs": []}, 400, {}, "", "inputs"),
                ('{"inputs":[[1,2],[1,"3"]],"outputs":[[1,2],[1,2]]}', 400, {}, "",
                 "inputs: row 1, column 1"),
                ('{"inputs":[[1,2]],"outputs":[[1,NaN]]}', 400, {}, "", ""),
                ({"inputs": [[0, 0]] * 20001, "outputs": [[0, 0]] * 20001}, 413, {}, "", "20000"),
                ("1,2,3\n", 400, csv, "", "3 columns"),
                ("1,2,3,4\n1,2,3,x\n", 400, csv, "", "x"),
                ("1,2,3,4\n", 400, csv, "?outputs=3", "outputs"),
                ("1,2,3,4\n", 400, csv, "?outputs=x", "outputs"),
                ("1,2,3,4\n", 400, {"Content-Type": "text/csvfoo"}, "", "does not say text/csv: line 1"),
                ({"inputs": good, "outputs": good}, 400, {"Request-Timeout-Ms": "0"}, "", "Timeout")]:
            with self.subTest(body=str(body)[:60]):
                data = self.evaluate(body, status, query, head)
                self.assertIn(word, data["detail"])
        data = self.evaluate('{"inputs":[[1,2],[1,"3"]],"outputs":[[1,2],[1,2]]}', 400)
        self.assertEqual((data["row"], data["column"]), (1, 1))
        body = {"inputs": good, "outputs": good}
        self.evaluate(body, 404, path="/v1/models/none/evaluate")
        self.evaluate(body, 404, path="/v1/models/m/versions/7/evaluate")
        self.evaluate(body, 400, path="/v1/models/m/versions/x/evaluate")
        self.ok(405, "GET", "/v1/models/m/evaluate")

    def test_a_deadline_ends_an_evaluation(self):
        arch = architecture(inputs=2, outputs=2, width=24, layers=60, basis="constant")
        self.ok(201, "PUT", "/v1/models/m", document(draws=3, arch=arch))
        body = {"inputs": [[0.1, 0.2]] * 20000, "outputs": [[0, 0]] * 20000}
        self.evaluate(body, 504, headers={"Request-Timeout-Ms": "1"})

    def test_normal_intervals(self):
        self.put(noise={"sigma": [0.2, 0.3]})
        x = self.observed(5)["inputs"]
        path = "/v1/models/m/predict"
        _, p = self.ok(200, "POST", path, {
            "inputs": x, "return": ["mean", "total_variance"], "intervals": [0.5, 0.9]})
        self.assertEqual([(i["level"], i["method"]) for i in p["intervals"]],
                         [(0.5, "normal"), (0.9, "normal")])
        for interval in p["intervals"]:
            half = NORMAL.inv_cdf(0.5 + interval["level"] / 2)
            for i in range(5):
                for j in range(2):
                    reach = half * math.sqrt(p["total_variance"][i][j])
                    self.near(interval["lower"][i][j], p["mean"][i][j] - reach, 1e-9)
                    self.near(interval["upper"][i][j], p["mean"][i][j] + reach, 1e-9)
        _, named = self.ok(200, "POST", path, {"inputs": x, "return": ["intervals"]})
        self.assertEqual(named["intervals"], p["intervals"][1:])
        self.assertNotIn("total_variance", named)
        self.assertNotIn("mean", named)
        # npy: the same bits, lower and upper of each level.
        head = (f"{{'descr': '<f8', 'fortran_order': False, 'shape': (5, 2), }}").ljust(117) + "\n"
        npy = (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
               struct.pack("<10d", *sum(x, [])))
        for query, expected in (("?intervals=0.9", p["intervals"][1:]),
                                ("?intervals=0.5,0.9", p["intervals"]),
                                ("?return=intervals", p["intervals"][1:])):
            _, body = self.ok(200, "POST", path + query, npy,
                              {"Content-Type": "application/x-npy"})
            flat = [v for i in expected for end in ("lower", "upper") for row in i[end] for v in row]
            size = struct.unpack("<H", body[8:10])[0]
            self.assertIn(f"({2 * len(expected)}, 5, 2)", body[10:10 + size].decode())
            self.assertEqual(list(struct.unpack(f"<{len(flat)}d", body[10 + size:])), flat)
        for levels in ([], [0], [1], [-0.1], ["a"], [0.5] * 17, 0.9):
            _, data = self.ok(400, "POST", path, {"inputs": x, "intervals": levels})
            self.assertIn("intervals", data["detail"])
        _, data = self.ok(200, "POST", path, {"inputs": x, "intervals": [0.5] * 16, "samples": 2,
                                              "return": ["mean", "variance", "std", "samples",
                                                         "noise_variance", "total_variance",
                                                         "quantiles", "covariance", "jacobian"]})
        self.assertEqual(len(data["intervals"]), 16)
        self.assertEqual(data["intervals"][0], p["intervals"][0])


class Conformal(ServerTest):
    def train(self, n, calibration):
        self.ok(201, "POST", "/v1/models/m/data", rows(n))
        _, job = self.ok(202, "POST", "/v1/models/m/train", {
            "solver": "ensemble", "seed": 3, "architecture": {"width": 4, "layers": 1},
            "settings": {"members": 2, "epochs": 20}, "calibration": calibration})
        job = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual(job["state"], "succeeded", json.dumps(job))

    def check(self, method):
        fresh = rows(100, seed=2)
        _, p = self.ok(200, "POST", "/v1/models/m/predict", {
            "inputs": fresh["inputs"], "intervals": [0.9], "return": ["mean"]})
        interval = p["intervals"][0]
        self.assertEqual((interval["level"], interval["method"]), (0.9, method))
        _, found = self.ok(200, "POST", "/v1/models/m/evaluate", fresh)
        conformal = found["outputs"][0]["conformal"]
        self.assertEqual((conformal["level"], conformal["method"]), (0.9, method))
        inside = [a[0] <= y[0] <= b[0] for a, y, b in
                  zip(interval["lower"], fresh["outputs"], interval["upper"])]
        self.assertAlmostEqual(conformal["observed"], mean(inside), delta=1e-12)
        self.assertAlmostEqual(conformal["width"], mean(
            b[0] - a[0] for a, b in zip(interval["lower"], interval["upper"])), delta=1e-12)
        return p, interval

    def test_split(self):
        self.train(200, {"method": "split", "share": 0.4})
        p, interval = self.check("split")
        widths = {round(b[0] - a[0], 9) for a, b in zip(interval["lower"], interval["upper"])}
        self.assertEqual(len(widths), 1)
        for a, m, b in zip(interval["lower"], p["mean"], interval["upper"]):
            self.assertAlmostEqual(m[0], (a[0] + b[0]) / 2, delta=1e-9)

    def test_cv_plus(self):
        self.train(80, {"method": "cv+", "folds": 4, "normalised": True})
        self.check("cv+")

    def test_a_level_that_the_calibration_is_too_small_for(self):
        self.train(20, {"method": "split", "share": 0.25})
        _, data = self.ok(400, "POST", "/v1/models/m/predict",
                          {"inputs": [[0, 0]], "intervals": [0.5, 0.9]})
        self.assertRegex(data["detail"], r"intervals\[1\] is 0.9.*calibration rows allow no level above")
        _, found = self.ok(200, "POST", "/v1/models/m/evaluate", rows(5))
        self.assertIsNone(found["outputs"][0]["conformal"])


if __name__ == "__main__":
    unittest.main()
