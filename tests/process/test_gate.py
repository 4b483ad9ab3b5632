# SPDX-License-Identifier: Apache-2.0
"""The gate: a trained version that is worse than the one that is served is kept, but not served."""

import math
import random
import time
import unittest

from harness import ServerTest, binary, document

MODEL = "/v1/models/m"
TRAIN = {"solver": "ensemble", "settings": {"members": 4, "epochs": 100}, "seed": 1,
         "architecture": {"width": 8, "layers": 2}}
POINTS = {"inputs": [[0.1, 0.2], [-0.7, 0.4], [0.9, -0.9]], "return": ["mean", "std"]}


def simulate(n, seed, scale_input=1.0, scale_output=1.0):
    """Rows of a smooth function with noise, so that its size, not chance, decides how good a fit can
    be; column 0 of the inputs, or the output, may be in a wrong unit."""
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    y = [[math.sin(2 * a) + 0.5 * a * b + rng.gauss(0, 0.1)] for a, b in x]
    return {"inputs": [[scale_input * a, b] for a, b in x],
            "outputs": [[scale_output * v] for (v,) in y]}


class Gate(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=1))
        first = self.train()
        self.assertEqual((first["state"], first["version"], first["promoted"]),
                         ("succeeded", 1, True))
        self.before = self.predict()

    def train(self, **changes):
        job = self.ok(202, "POST", MODEL + "/train", {**TRAIN, **changes})[1]["id"]
        return self.server.wait_job(job, "succeeded", "failed")

    def predict(self):
        return self.ok(200, "POST", MODEL + "/predict", POINTS)[1]

    def default(self):
        return self.ok(200, "GET", MODEL)[1]["model"]["default_version"]

    def check_refused(self, job):
        self.assertEqual((job["state"], job["promoted"]), ("succeeded", False), job)
        gate = job["gate"]
        self.assertEqual((gate["served_version"], gate["passed"]), (1, False))
        self.assertGreater(gate["rows"], 0)
        self.assertGreater(gate["candidate"], gate["served"])
        self.assertIn("version 1", job["message"])
        self.assertEqual(self.default(), 1)
        self.assertEqual(self.predict(), self.before)

    def poisoned(self, **scales):
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=2, **scales))
        job = self.train()
        self.check_refused(job)
        self.assertEqual(job["gate"]["metric"], "rmse")
        # The errors differ by more than a tenth, which is what the gate allows unless told.
        self.assertGreater(job["gate"]["candidate"], 1.1 * job["gate"]["served"])
        # Kept-out rows of the default: of its 400 rows, not of the 800 that are there.
        self.assertLessEqual(job["gate"]["rows"], 200)
        return job

    def test_a_poisoned_input_column_is_refused(self):
        job = self.poisoned(scale_input=1000.0)
        # The version is there, for whoever wants to see it, or to serve it in spite of all.
        version = job["version"]
        self.assertEqual(version, 2)
        self.assertFalse(self.ok(200, "GET", f"{MODEL}/versions/{version}")[1]["default"])
        self.ok(200, "POST", f"{MODEL}/versions/{version}/predict", POINTS)
        self.ok(200, "PUT", MODEL + "/default", {"version": version})
        self.assertNotEqual(self.predict()["mean"], self.before["mean"])
        self.ok(200, "PUT", MODEL + "/default", {"version": 1})
        self.assertEqual(self.predict(), self.before)

    def test_a_poisoned_output_column_is_refused(self):
        self.poisoned(scale_output=1000.0)

    def test_without_the_poison_it_passes_again(self):
        self.poisoned(scale_output=1000.0)
        batch = self.ok(200, "GET", MODEL + "/data/batches")[1]["batches"][1]["batch"]
        self.ok(200, "DELETE", f"{MODEL}/data/batches/{batch}")
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=3))
        job = self.train()
        self.assertTrue(job["promoted"], job)
        self.assertEqual(self.default(), job["version"])

    def test_an_honest_upload_passes(self):
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=3))
        job = self.train()
        self.assertEqual((job["state"], job["promoted"], job["version"]), ("succeeded", True, 2), job)
        self.assertEqual((job["gate"]["served_version"], job["gate"]["passed"]), (1, True))
        self.assertLessEqual(job["gate"]["candidate"], 1.1 * job["gate"]["served"])
        # Both are about as good as the noise allows, on rows that neither was fitted to; errors are
        # relative to the range of the outputs that the default was trained on.
        known = [y for (y,) in simulate(400, seed=1)["outputs"]]
        for value in (job["gate"]["candidate"], job["gate"]["served"]):
            self.assertLess(abs(value * (max(known) - min(known)) - 0.1), 0.04)
        self.assertEqual(self.default(), 2)
        self.assertEqual(self.predict()["version"], 2)

    def test_every_metric_refuses_poison(self):
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=2, scale_output=1000.0))
        for number, metric in enumerate(("rmse", "nll", "crps")):
            with self.subTest(metric=metric):
                # Another seed: the same settings and rows would give the same version.
                job = self.train(gate={"metric": metric, "max_increase": 0.5, "rows": "known"},
                                 noise={"kind": "estimated"}, seed=10 + number)
                self.check_refused(job)
                self.assertEqual(job["gate"]["metric"], metric)

    def test_the_rows_of_the_comparison_can_be_chosen(self):
        self.ok(201, "POST", MODEL + "/data", simulate(600, seed=2, scale_output=1000.0))
        # On the rows in the new unit the new version is the better one: whoever means the change
        # says so.
        job = self.train(gate={"rows": "new"}, seed=2)
        self.assertEqual((job["promoted"], job["gate"]["passed"]), (True, True), job)
        self.assertLess(job["gate"]["candidate"], job["gate"]["served"])
        self.ok(200, "PUT", MODEL + "/default", {"version": 1})
        counts = {rows: self.train(gate={"rows": rows}, seed=3 + i)["gate"]["rows"]
                  for i, rows in enumerate(("known", "all"))}
        self.assertLess(counts["known"], counts["all"])

    def test_rows_that_came_after_a_registered_version_are_no_known_ones(self):
        _, exported = self.ok(200, "GET", MODEL + "/versions/1/export")
        self.ok(201, "POST", "/v1/models/copy/data", simulate(400, seed=1))
        self.ok(201, "PUT", "/v1/models/copy", exported)
        self.tick()
        self.ok(201, "POST", "/v1/models/copy/data", simulate(400, seed=2, scale_output=1000.0))
        job = self.ok(202, "POST", "/v1/models/copy/train", TRAIN)[1]["id"]
        job = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual((job["state"], job["promoted"]), ("succeeded", False), job)
        self.assertEqual((job["gate"]["compared"], job["gate"]["rows"]), ("known", 40))
        self.assertEqual(self.ok(200, "GET", "/v1/models/copy")[1]["model"]["default_version"], 1)

    def tick(self):
        """Until the server's clock, which is this machine's, shows a later millisecond."""
        begin = time.time_ns() // 1000000
        while time.time_ns() // 1000000 <= begin:
            pass

    def test_what_cannot_be_compared_is_not_served(self):
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=2, scale_output=1000.0))
        job = self.train(split={"validation": 0})
        self.assertEqual((job["state"], job["version"], job["promoted"]), ("succeeded", 2, False))
        self.assertIn("no rows were kept out", job["message"])
        self.assertEqual((job["gate"]["rows"], job["gate"]["candidate"]), (0, None))
        self.assertEqual((self.default(), self.predict()), (1, self.before))
        # Nor when a version of another shape is served, which was registered when there were no rows.
        self.ok(200, "DELETE", MODEL + "/data")
        self.ok(201, "PUT", MODEL, document(seed=1))
        self.ok(200, "PUT", MODEL + "/default", {"version": 1})
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=2, scale_output=1000.0))
        self.ok(200, "PUT", MODEL + "/default", {"version": 3})
        job = self.train(seed=2)
        self.assertEqual((job["state"], job["version"], job["promoted"]), ("succeeded", 4, False))
        self.assertIn("version 3 has 3 inputs and 2 outputs, this one has 2 and 1", job["message"])
        self.assertEqual(self.default(), 3)

    def test_without_a_gate_everything_is_served(self):
        self.ok(201, "POST", MODEL + "/data", simulate(400, seed=2, scale_output=1000.0))
        job = self.train(gate=None)
        self.assertEqual((job["state"], job["promoted"], job["gate"]), ("succeeded", True, None), job)
        self.assertEqual(self.default(), 2)

    def test_a_refusal_outlives_a_restart(self):
        job = self.poisoned(scale_input=1000.0)
        self.server.kill()
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)
        self.server.start()
        again = self.ok(200, "GET", f"/v1/jobs/{job['id']}")[1]
        self.assertEqual([again[key] for key in ("promoted", "gate", "message")],
                         [job[key] for key in ("promoted", "gate", "message")])
        self.assertEqual(self.default(), 1)
        self.assertEqual(self.predict(), self.before)

    def test_a_gate_is_read_strictly(self):
        for bad in ({"metric": "mse"}, {"max_increase": -0.1}, {"max_increase": "much"},
                    {"rows": "some"}, {"colour": 1}, 1, "rmse", []):
            with self.subTest(gate=bad):
                status, _, data = self.server.request("POST", MODEL + "/train", {**TRAIN, "gate": bad})
                self.assertEqual(status, 400, data)
                self.assertIn("gate", data["detail"])


if __name__ == "__main__":
    unittest.main()
