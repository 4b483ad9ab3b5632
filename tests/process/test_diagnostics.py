# SPDX-License-Identifier: Apache-2.0
"""What the server reports about a version's quality and training."""

import unittest

from harness import ServerTest, document, full_document, rows


class Diagnostics(ServerTest):
    def test_a_full_version_tells_all_of_it(self):
        full = full_document()
        self.ok(201, "PUT", "/v1/models/m", full)
        head, told = self.ok(200, "GET", "/v1/models/m/diagnostics")
        for key in ("scores", "report", "warnings", "noise", "solver"):
            self.assertEqual(told[key], full[key])
        self.assertEqual((told["model"], told["version"], told["draws"]), ("m", 1, 40))
        self.assertEqual(told["posterior"], {"kind": "gaussian", "draws": 10, "seed": 7,
                                             "predictive": "sampled", "members": 4})
        self.assertEqual(told["calibration"],
                         {"method": "cv+", "normalised": True, "folds": 2, "rows": 5})
        self.assertEqual((told["precision"], told["float32_error"]), ("float64", None))
        _, about = self.ok(200, "GET", "/v1/models/m/versions/1")
        self.assertEqual(about["warnings"], full["warnings"])
        self.assertEqual(about["posterior"], told["posterior"])
        self.assertNotIn("report", about)
        self.ok(304, "GET", "/v1/models/m/diagnostics", None, {"If-None-Match": head["ETag"]})

    def test_the_default_and_a_named_version(self):
        self.ok(201, "PUT", "/v1/models/m", document(seed=1, precision="float32"))
        self.ok(201, "PUT", "/v1/models/m", document(seed=2, noise={"sigma": [0.5, 1]}))
        for path, version in (("/diagnostics", 2), ("/versions/@default/diagnostics", 2),
                              ("/versions/1/diagnostics", 1), ("/versions/2/diagnostics", 2)):
            self.assertEqual(self.ok(200, "GET", "/v1/models/m" + path)[1]["version"], version)
        _, first = self.ok(200, "GET", "/v1/models/m/versions/1/diagnostics")
        self.assertLess(0, first["float32_error"]["mean"])
        self.assertEqual((first["noise"], first["scores"], first["calibration"], first["report"],
                          first["warnings"]), (None, None, None, {}, []))
        _, second = self.ok(200, "GET", "/v1/models/m/diagnostics")
        self.assertEqual((second["noise"], second["posterior"]),
                         ({"sigma": [0.5, 1]}, {"kind": "draws"}))
        self.ok(404, "GET", "/v1/models/m/versions/3/diagnostics")
        self.ok(404, "GET", "/v1/models/none/diagnostics")
        self.ok(400, "GET", "/v1/models/m/versions/x/diagnostics")
        head, _ = self.ok(405, "POST", "/v1/models/m/diagnostics", {})
        self.assertIn("GET", head["Allow"])

    def test_a_trained_version_has_scores(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(60))
        _, job = self.ok(202, "POST", "/v1/models/m/train", {
            "solver": "ensemble", "settings": {"members": 2, "epochs": 3},
            "architecture": {"width": 4, "layers": 1}})
        self.assertEqual(self.server.wait_job(job["id"], "succeeded", "failed")["state"],
                         "succeeded")
        _, told = self.ok(200, "GET", "/v1/models/m/diagnostics")
        self.assertEqual((told["solver"], told["draws"], told["scores"]["rows"]),
                         ("ensemble", 2, 6))
        _, exported = self.ok(200, "GET", "/v1/models/m/versions/1/export")
        self.assertEqual(exported["report"], told["report"])
        self.ok(200, "PUT", "/v1/models/m", exported)

    def parts(self, model, version, query=""):
        _, told = self.ok(200, "GET", f"/v1/models/{model}/versions/{version}/rows{query}")
        self.assertEqual((told["model"], told["parts"]), (model, ["trained", "kept_out", "unknown", "later"]))
        return [told["parts"][place] for place in told["rows"]]

    def test_which_rows_trained_a_version_and_which_did_not(self):
        data = rows(60)
        self.ok(201, "POST", "/v1/models/m/data", data)
        request = {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}, "split": {"validation": 0.2}, "seed": 3,
                   "architecture": {"width": 4, "layers": 1}, "gate": None}
        job = self.ok(202, "POST", "/v1/models/m/train", request)[1]["id"]
        self.server.wait_job(job, "succeeded")
        parts = self.parts("m", 1)
        self.assertEqual({part: parts.count(part) for part in set(parts)}, {"trained": 48, "kept_out": 12})
        # The scores are of the rows that were kept out: their errors say so, with all digits.
        kept = [i for i, part in enumerate(parts) if part == "kept_out"]
        scores = self.ok(200, "GET", "/v1/models/m/diagnostics")[1]["scores"]
        self.assertEqual(scores["rows"], len(kept))
        said = self.ok(200, "POST", "/v1/models/m/predict", {"inputs": [data["inputs"][i] for i in kept], "return": ["mean"]})[1]
        for j, rmse in enumerate(scores["rmse"]):
            errors = [mean[j] - data["outputs"][i][j] for i, mean in zip(kept, said["mean"])]
            self.assertAlmostEqual(rmse, (sum(e * e for e in errors) / len(errors)) ** 0.5, delta=1e-9 * rmse)
        # Rows that come later are new to it; a version that starts from it has trained on what trained it.
        self.ok(201, "POST", "/v1/models/m/data", rows(90, seed=7))
        self.assertEqual(self.parts("m", 1, "?batch=2"), ["later"] * 90)
        self.assertEqual(self.parts("m", 1), parts + ["later"] * 90)
        job = self.ok(202, "POST", "/v1/models/m/train", {**request, "start": "warm"})[1]["id"]
        self.server.wait_job(job, "succeeded")
        after = self.parts("m", 2)
        self.assertEqual(after[:60], parts)
        self.assertEqual(sorted(set(after[60:])), ["kept_out", "trained"])
        self.assertEqual(self.parts("m", 1), parts + ["later"] * 90)

    def test_the_parts_of_many_rows_of_a_registered_version(self):
        x = rows(20000, 3)["inputs"]
        self.ok(404, "GET", "/v1/models/m/versions/1/rows")
        self.ok(201, "POST", "/v1/models/m/data", {"inputs": x, "outputs": [[a, b] for a, b, _ in x]})  # more than a piece that is read at once
        self.ok(201, "PUT", "/v1/models/m", document())
        self.assertEqual(self.parts("m", 1), ["unknown"] * 20000)
        self.ok(404, "GET", "/v1/models/m/versions/2/rows")
        self.ok(404, "GET", "/v1/models/m/versions/1/rows?batch=2")
        self.ok(400, "GET", "/v1/models/m/versions/1/rows?batch=0")


if __name__ == "__main__":
    unittest.main()
