# SPDX-License-Identifier: Apache-2.0
"""Outputs that are fields: trained by their modes, answered whole and in part, carried elsewhere."""

import array
import ast
import json
import math
import random
import unittest

from harness import ServerTest
from row_tables import npy, read_npy

NPY = {"Content-Type": "application/x-npy"}
SIDE = 8
AXIS = [i / (SIDE - 1) for i in range(SIDE)]
FIT = {"solver": "ensemble", "seed": 1, "settings": {"members": 3, "epochs": 40, "batch_size": 16},
       "architecture": {"width": 6, "layers": 1}, "noise": {"kind": "learned"}}
GRID = {"kind": "kl", "modes": 4, "coordinates": {"axes": [AXIS, AXIS]}, "weights": "trapezoid"}


def table_of(data):
    """The rows of an npy file of two axes."""
    head, numbers = read_npy(data)
    n, k = ast.literal_eval(head)["shape"]
    values = array.array("d", numbers).tolist()
    return [values[i * k:(i + 1) * k] for i in range(n)]


def bump(x, y, a, b):
    return 2 + math.exp(-((x - 0.5 - 0.2 * a) ** 2 + (y - 0.5 - 0.2 * b) ** 2) / 0.2)


def fields(n, seed=1, axis=AXIS):
    rng = random.Random(seed)
    inputs = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    return inputs, [[bump(x, y, a, b) + rng.gauss(0, 0.01) for x in axis for y in axis] for a, b in inputs]


class Fields(ServerTest):
    def upload(self, name, inputs, outputs):
        rows = [x + y for x, y in zip(inputs, outputs)]
        return self.ok(201, "POST", f"/v1/models/{name}/data?outputs={len(outputs[0])}", npy(rows), NPY)[1]

    def train(self, name, **more):
        job = self.ok(202, "POST", f"/v1/models/{name}/train", {**FIT, **more})[1]["id"]
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], "succeeded", row)
        return row, self.ok(200, "GET", f"/v1/models/{name}/versions/{row['version']}")[1]

    def predict(self, name, **body):
        return self.ok(200, "POST", f"/v1/models/{name}/predict", body)[1]

    def refused(self, status, name, word, **body):
        answer = self.ok(status, "POST", f"/v1/models/{name}/predict", body)[1]
        self.assertIn(word, answer["detail"])

    def test_a_map_is_learnt_by_its_modes_and_answered_in_parts(self):
        self.upload("map", *fields(60))
        row, version = self.train("map", output_reduction=GRID)
        found = version["output_reduction"]
        self.assertEqual((found["outputs"], found["modes"], found["coordinates"]), (64, 4, 2))
        self.assertGreater(found["explained"], 0.9)
        self.assertEqual(version["architecture"]["outputs"], 4)
        self.assertEqual(len(version["noise"]["sigma"]), 64)
        self.assertEqual(row["request"]["output_reduction"], json.loads(json.dumps(GRID)))
        report = self.ok(200, "GET", "/v1/models/map/versions/1/diagnostics")[1]["report"]
        self.assertEqual(report["reduction.modes"], 4)
        self.assertEqual(len(report["field.coverage"]), 3)

        points, seen = fields(5, seed=9)
        results = ["mean", "std", "total_variance", "samples", "covariance"]
        whole = self.predict("map", inputs=points, **{"return": results})
        self.assertEqual(len(whole["mean"][0]), 64)
        error = [abs(m - s) for row, truth in zip(whole["mean"], seen) for m, s in zip(row, truth)]
        self.assertLess(max(error), 1)
        some = self.predict("map", inputs=points, outputs="3:9:2,63", **{"return": results})
        self.assertEqual(some["outputs"], [3, 5, 7, 63])
        for what in ("mean", "std", "total_variance"):
            self.assertEqual(some[what], [[row[j] for j in some["outputs"]] for row in whole[what]])
        for a, i in enumerate(some["outputs"]):
            for b, j in enumerate(some["outputs"]):
                self.assertEqual(some["covariance"][0][a][b], whole["covariance"][0][i][j])
        self.assertAlmostEqual(whole["covariance"][0][3][3], whole["std"][0][3] ** 2, places=12)

        near = self.predict("map", inputs=points[:1], within=[[0, 0.2], [None, 0.1]])
        self.assertEqual(near["outputs"], [0, SIDE])
        path = "/v1/models/map/predict?return=mean&within=0:0.2,:0.1"
        found = table_of(self.server.request("POST", path, npy(points), NPY)[2])
        self.assertEqual(found, [[row[0], row[SIDE]] for row in whole["mean"]])
        listed = self.predict("map", inputs=points[:1], outputs=[7, "1:3"])
        self.assertEqual(listed["outputs"], [7, 1, 2])

        for word, body in (("there is no output 64", {"outputs": [64]}),
                           ("no output", {"outputs": "mass"}),
                           ("chosen twice", {"outputs": "1,0:3"}),
                           ("ends at 65", {"outputs": "0:65"}),
                           ("no output is chosen", {"outputs": "5:5"}),
                           ("exclude each other", {"outputs": "1", "within": [[0, 1], [0, 1]]}),
                           ("no output is chosen", {"within": [[2, 3], [0, 1]]}),
                           ("each of 2 coordinates", {"within": [[0, 1]]}),
                           ("each of 2 coordinates", {"within": "0:1,a:b"})):
            self.refused(400, "map", word, inputs=points[:1], **body)
        self.refused(400, "map", "jacobian", inputs=points[:1], **{"return": ["jacobian"]})

        # The scores are of whole fields, and rows that come later are too.
        scores = self.ok(200, "POST", "/v1/models/map/evaluate", dict(zip(("inputs", "outputs"), fields(6, 4))))[1]
        self.assertEqual(len(scores["outputs"]), 64)

    def test_a_version_is_carried_elsewhere(self):
        self.upload("map", *fields(60))
        for solver in ("ensemble", "bll"):
            row, version = self.train("map", solver=solver, output_reduction=GRID,
                                      settings={"members": 2, "epochs": 20, "batch_size": 16})
            points = fields(3, seed=9)[0]
            body = {"inputs": points, "return": ["mean", "total_variance"], "version": row["version"]}
            first = self.predict("map", **body)
            path = f"/v1/models/map/versions/{row['version']}/export"
            document = self.ok(200, "GET", path)[1]
            self.assertEqual(len(document["output_reduction"]["modes"]), 4)
            self.ok(201, "PUT", f"/v1/models/again-{solver}", document)
            again = self.predict(f"again-{solver}", inputs=points, **{"return": ["mean", "total_variance"]})
            self.assertEqual((again["mean"], again["total_variance"]), (first["mean"], first["total_variance"]))
            etag = self.ok(200, "GET", f"/v1/models/again-{solver}/versions/1")[1]["etag"]
            self.assertEqual(etag, version["etag"])
            for word, change in (("modes 0 and 0", {"modes": [[2.0] * 64] * 4}),
                                 ("modes, but the network has", {"modes": document["output_reduction"]["modes"][:3],
                                                                 "deviations": [1, 1, 1]}),
                                 ("truncation", {"truncation": [0.1]}),
                                 ("kind", {"kind": "pod"})):
                broken = {**document, "output_reduction": {**document["output_reduction"], **change}}
                status, _, data = self.server.request("PUT", "/v1/models/broken", broken)
                self.assertIn(status, (400, 422), data)
                self.assertIn(word, data["detail"])
        status, _, tensors = self.server.request(
            "GET", "/v1/models/map/versions/1/export?format=safetensors")
        self.assertEqual(status, 200)
        self.ok(201, "PUT", "/v1/models/tensors", tensors, {"Content-Type": "application/x-safetensors"})
        answer = self.predict("tensors", inputs=points)
        self.assertEqual(answer["mean"], self.predict("map", inputs=points, version=1)["mean"])

    def test_a_warm_start_keeps_the_modes_and_the_gate_judges_fields(self):
        self.upload("map", *fields(60))
        self.train("map", output_reduction=GRID)
        self.upload("map", *fields(20, seed=3))
        row, version = self.train("map", output_reduction=GRID, start="warm")
        self.assertTrue(row["gate"]["passed"] is not None, row)
        first, second = (self.ok(200, "GET", f"/v1/models/map/versions/{v}/export")[1]["output_reduction"]
                         for v in (1, version["version"]))
        self.assertEqual(first["modes"], second["modes"])
        answer = self.ok(400, "POST", "/v1/models/map/train", {**FIT, "start": "warm"})[1]
        self.assertIn("output_reduction", answer["detail"])

    def test_what_cannot_be_reduced_is_refused(self):
        inputs, outputs = fields(30)
        self.upload("map", inputs, outputs)
        for word, change in (("either", {"kind": "kl"}),
                             ("kind", {"kind": "pca", "modes": 2}),
                             ("modes", {"kind": "kl", "modes": 0}),
                             ("explained", {"kind": "kl", "explained": 2}),
                             ("64", {"kind": "kl", "modes": 2, "weights": [1, 2]}),
                             ("64", {"kind": "kl", "modes": 2, "coordinates": {"axes": [AXIS]}}),
                             ("trapezoid", {"kind": "kl", "modes": 2, "weights": "trapezoid"}),
                             ("numer", {"kind": "kl", "numer": 2})):
            status, _, data = self.server.request("POST", "/v1/models/map/train",
                                                  {**FIT, "output_reduction": change})
            self.assertIn(status, (400, 422), data)
            self.assertIn(word, data["detail"])
        for change in ({"calibration": {"method": "cv+"}}, {"scaling": {"outputs": "log"}}):
            status, _, data = self.server.request("POST", "/v1/models/map/train",
                                                  {**FIT, "output_reduction": GRID, **change})
            self.assertIn(status, (400, 422), data)

    def test_protocols_and_analyses_have_fields(self):
        self.upload("map", *fields(60))
        self.train("map", output_reduction=GRID)
        sizes = self.ok(200, "POST", "/OutputSizes", {"name": "map", "config": {}})[1]
        self.assertEqual(sizes["outputSizes"], [64])
        value = self.ok(200, "POST", "/Evaluate", {"name": "map", "input": [[0.1, 0.2]], "config": {}})[1]
        mean = self.predict("map", inputs=[0.1, 0.2])["mean"][0]
        self.assertEqual(value["output"], [mean])
        about = self.ok(200, "POST", "/ModelInfo", {"name": "map"})[1]
        self.assertFalse(about["support"]["Gradient"])
        found = self.ok(200, "POST", "/v2/models/map/infer", {
            "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [0.1, 0.2]}]})[1]
        self.assertEqual(found["outputs"][0]["data"], mean)
        status, _, data = self.server.request("POST", "/v1/models/map/suggest", {"n": 1, "criterion": "variance"})
        self.assertGreaterEqual(status, 400)
        self.assertIn("field", data["detail"])

    def test_many_outputs_are_described_in_brief_and_streamed(self):
        axis = [i / 49 for i in range(50)]
        inputs, outputs = fields(24, axis=axis)
        self.upload("wide", inputs, outputs)
        _, version = self.train("wide", output_reduction={"kind": "kl", "explained": 0.95})
        self.assertEqual(version["output_reduction"]["outputs"], 2500)
        self.assertIsNone(version["scores"]["rmse"])
        self.assertGreater(version["scores"]["rmse_of_all"], 0)
        self.assertIsNone(version["noise"]["sigma"])
        self.assertLess(len(json.dumps(version)), 10000)
        points = fields(300, seed=5, axis=[0.0])[0]
        streamed = table_of(self.server.request("POST", "/v1/models/wide/predict", npy(points), NPY)[2])
        self.assertEqual((len(streamed), len(streamed[0])), (300, 2500))
        some = self.predict("wide", inputs=points[200:201], outputs="0:2500:100", **{"return": ["mean"]})
        self.assertEqual(some["mean"][0], streamed[200][::100])


if __name__ == "__main__":
    unittest.main()
