#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trainings whose solver is chosen: what is shown of the choice, what narrows it, how it is resumed."""

import contextlib
import json
import math
import random
import re
import sqlite3
import time
import unittest

from client_harness import ClientTest
from harness import PATIENCE, rows

# A choice between two solvers of one small network, a second or two.
SMALL = {"architecture": {"width": 4, "layers": 1, "basis": "constant"},
         "scaling": {"outputs": "standard"}, "settings": {"members": 2, "epochs": 60}}


class Auto(ClientTest):
    flags = ("--checkpoint_ms", "40", "--train_nice", "0")

    def upload(self, n=60, model="m"):
        self.ok(201, "POST", f"/v1/models/{model}/data", rows(n))

    def train(self, request=None, model="m"):
        return self.ok(202, "POST", f"/v1/models/{model}/train", request)[1]

    def ended(self, job):
        row = self.server.wait_job(job, "succeeded", "failed", "cancelled", seconds=8 * PATIENCE)
        self.assertEqual(row["state"], "succeeded", row["message"])
        return row

    def choice(self, version):
        shown = self.ok(200, "GET", f"/v1/models/m/versions/{version}/diagnostics")[1]
        return shown["solver"], shown["auto"]

    def check_choice(self, version):
        """The chosen candidate is the version, and the others were not better."""
        solver, choice = self.choice(version)
        chosen = [c for c in choice["candidates"] if c["outcome"] == "chosen"]
        self.assertEqual([c["solver"] for c in chosen], [solver])
        self.assertIsNone(choice["current"])
        for c in choice["candidates"]:
            self.assertTrue(c["why"], c)
            if c["outcome"] in ("worse", "dropped"):
                self.assertGreater(c["gap"], 0)
                self.assertGreater(c["score"], chosen[0]["score"])
        return choice

    def test_a_request_without_a_solver_chooses_one(self):
        self.upload()
        job = self.train(SMALL)
        self.assertEqual(job["request"]["solver"], "auto")
        self.assertEqual(job["request"]["settings"], SMALL["settings"])
        self.assertNotIn("noise", job["request"])
        choice = self.check_choice(self.ended(job["id"])["version"])
        self.assertEqual([c["name"] for c in choice["candidates"]], ["evidence", "ensemble"])
        self.assertEqual((choice["rows"], choice["folds"]), (60, 5))
        for c in choice["candidates"]:
            self.assertEqual((c["width"], c["layers"], c["basis"], c["output_scaling"]),
                             (4, 1, "constant", "standard"))
        version = self.ok(200, "GET", "/v1/models/m/versions/1")[1]
        self.assertIn(version["settings"]["solver"], ("evidence", "ensemble"))
        self.assertEqual(version["settings"]["settings"]["members"], 2)
        # As before: the choice is made again, under what was given.
        again = self.train()
        self.assertEqual(again["inherited"], {"seed": 1, "split": None})
        for key in ("solver", "architecture", "settings", "scaling", "seed"):
            self.assertEqual(again["request"][key], job["request"][key], key)
        self.assertNotIn("split", again["request"])
        self.assertEqual(self.ended(again["id"])["version"], 1)  # of the same content

    def test_all_rows_train_and_the_gate_compares_what_the_folds_say(self):
        self.upload()
        only = {**SMALL, "settings": {"members": 2, "epochs": 60, "keep": 2}}
        both = {**SMALL, "seed": 1}
        first = self.ended(self.train(both)["id"])
        self.assertEqual(self.choice(1)[0], "evidence")
        version = self.ok(200, "GET", "/v1/models/m/versions/1")[1]
        self.assertEqual(version["settings"]["split"], {"validation": 0})
        self.assertEqual((version["scores"]["rows"], version["scores"]["folds"]), (60, 5))
        self.assertTrue(first["promoted"])
        # The next one has 20 more rows, which did not train the first one.
        self.ok(201, "POST", "/v1/models/m/data", rows(20, seed=2))
        # Errors of so small a network scatter.
        second = self.ended(self.train({**both, "gate": {"max_increase": 9}})["id"])
        self.assertTrue(second["promoted"], second["message"])
        gate = second["gate"]
        self.assertEqual(gate["basis"], "recorded")
        self.assertEqual((gate["rows"], gate["served_rows"], gate["new_rows"]), (60, 60, 0))
        self.assertIn("cross-validation", gate["rows_used"])
        new = self.ended(self.train({**both, "seed": 2, "gate": {"rows": "all"}})["id"])["gate"]
        self.assertEqual(new["served_version"], second["version"])
        # With one candidate nothing is compared, so that a tenth is kept.
        alone = self.ended(self.train(only)["id"])
        self.assertNotIn("folds", alone["scores"])
        self.assertEqual(alone["scores"]["rows"], 8)

    def test_a_version_that_unlearns_is_not_promoted(self):
        self.upload()
        self.assertTrue(self.ended(self.train(SMALL)["id"])["promoted"])
        # As many rows of the same inputs and another function.
        wrong = rows(60)
        wrong["outputs"] = [[-3 * value + 5 for value in row] for row in wrong["outputs"]]
        self.ok(201, "POST", "/v1/models/m/data", wrong)
        row = self.ended(self.train(SMALL)["id"])
        self.assertFalse(row["promoted"])
        self.assertIn("not promoted", row["message"])

    def test_a_named_solver_shows_no_choice(self):
        self.upload(20)
        job = self.train({"solver": "ensemble", "settings": {"members": 2, "epochs": 5}})
        self.assertIsNone(self.choice(self.ended(job["id"])["version"])[1])

    def test_what_is_given_leaves_the_solvers_that_have_it(self):
        self.upload()
        job = self.train({**SMALL, "settings": {"batch_size": 16, "members": 2, "epochs": 20}})
        choice = self.check_choice(self.ended(job["id"])["version"])
        self.assertEqual([c["solver"] for c in choice["candidates"]], ["ensemble"])
        for body, word in [
                ({"architecture": {"inputs": 99}}, "99 inputs"),
                ({"settings": {"batch_size": 16, "keep": 2}}, "batch_size"),
                ({"scaling": {"outputs": "log"}}, "positive"),
                ({"noise": {"kind": "given", "sigma": [1, 2, 3, 4, 5]}}, "5")]:
            with self.subTest(body=body):
                self.assertIn(word, self.ok(400, "POST", "/v1/models/m/train", body)[1]["detail"])
        tight = {**SMALL, "limits": {"memory_mb": 1}, "settings": {"members": 4096}}
        self.assertIn("memory_mb", self.ok(413, "POST", "/v1/models/m/train", tight)[1]["detail"])

    def test_the_candidates_are_shown_as_the_job_goes_on(self):
        self.upload()
        slow = {**SMALL, "settings": {"members": 8, "epochs": 3000}, "budget_fits": 12}
        job = self.train(slow)["id"]
        shown = self.server.wait_job(job, "running", "succeeded")
        end = time.time() + PATIENCE
        while shown["state"] == "running" and "auto" not in (shown["progress"] or {}):
            self.assertLess(time.time(), end)
            shown = self.ok(200, "GET", f"/v1/jobs/{job}")[1]
        self.assertEqual(shown["state"], "running", "too fast to be seen")
        self.assertEqual([c["name"] for c in shown["progress"]["auto"]["candidates"]],
                         ["evidence", "ensemble"])
        text = self.server.request("GET", f"/v1/jobs/{job}/events")[2].decode()
        told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        self.assertTrue(any("auto" in event for event in told), text[-2000:])
        self.ended(job)

    def test_a_choice_is_cancelled(self):
        self.upload()
        job = self.train({"settings": {"members": 64, "epochs": 1000000}})["id"]
        self.server.wait_job(job, "running")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")

    def stored(self, query, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.server.db}?mode=rw", uri=True,
                                                timeout=PATIENCE)) as db:
            return db.execute(query, values).fetchone()[0]

    def test_a_killed_choice_ends_as_an_unbroken_one(self):
        self.upload()
        request = {**SMALL, "settings": {"members": 2, "epochs": 300}, "budget_fits": 20, "seed": 3,
                   "promote": False}
        whole = self.ended(self.train(request)["id"])
        job, kills = self.train(request)["id"], 0
        while kills < 3 and self.ok(200, "GET", f"/v1/jobs/{job}")[1]["state"] in ("queued", "running"):
            before = self.server.request("GET", "/metrics")[2].decode()
            saved = re.compile(r"^surrogated_checkpoints_total (\d+)", re.M)
            end = time.time() + PATIENCE
            while saved.search(self.server.request("GET", "/metrics")[2].decode())[1] == \
                    saved.search(before)[1] and time.time() < end and \
                    self.ok(200, "GET", f"/v1/jobs/{job}")[1]["state"] in ("queued", "running"):
                time.sleep(0.01)
            self.server.kill()
            self.server.start()
            kills += 1
        row = self.ended(job)
        self.assertEqual(row["version"], whole["version"])  # of the same content
        self.assertEqual(self.stored("SELECT count(*) FROM job_checkpoints"), 0)

    def test_a_chosen_version_is_calibrated(self):
        self.upload()
        for method in ("split", "cv+"):
            row = self.ended(self.train({**SMALL, "calibration": {"method": method, "folds": 4},
                                         "gate": None, "seed": 1})["id"])
            told = self.ok(200, "GET", f"/v1/models/m/versions/{row['version']}")[1]
            self.assertEqual(told["settings"]["calibration"]["method"], method)
            self.check_choice(row["version"])
            found = self.ok(200, "POST", "/predict", {"model": "m", "inputs": [[0.1, 0.2]],
                                                      "version": row["version"], "intervals": [0.8]})[1]
            self.assertEqual(found["intervals"][0]["method"], method)
            self.assertLess(found["intervals"][0]["lower"][0][0], found["mean"][0][0])

    def test_the_limit_of_seconds_leaves_time_for_the_last_training(self):
        noisy, rng = rows(60), random.Random(3)
        noisy["outputs"] = [[row[0] + rng.gauss(0, 0.3)] for row in noisy["outputs"]]
        self.ok(201, "POST", "/v1/models/m/data", noisy)
        # Evidence ends where it rises no more; the ensemble would take longer than anybody waits.
        endless = {**SMALL, "settings": {"members": 2, "epochs": 1000000}, "limits": {"seconds": 12}}
        row = self.ended(self.train(endless)["id"])
        choice = self.check_choice(row["version"])
        self.assertEqual([(c["solver"], c["outcome"]) for c in choice["candidates"]],
                         [("evidence", "chosen"), ("ensemble", "budget")])
        self.assertIn("budget", choice["candidates"][1]["why"])
        self.assertIsNone(choice["candidates"][0]["seconds"])  # no budget in seconds was given

    def test_what_is_needless_is_said(self):
        # A plane is learned to the last digit.
        x = rows(80)["inputs"]
        self.ok(201, "POST", "/v1/models/m/data", {"inputs": x, "outputs": [[2 * a - b] for a, b in x]})
        choice = self.check_choice(self.ended(self.train(SMALL)["id"])["version"])
        self.assertEqual([(c["solver"], c["outcome"]) for c in choice["candidates"]],
                         [("evidence", "chosen"), ("ensemble", "needless")])
        self.assertIn("next to nothing", choice["candidates"][1]["why"])
        # With a budget of its own it is compared.
        choice = self.check_choice(self.ended(self.train({**SMALL, "budget_fits": 30})["id"])["version"])
        self.assertNotIn("needless", [c["outcome"] for c in choice["candidates"]])

    def test_a_plain_warm_start_has_the_network_of_its_base(self):
        self.upload()
        warm = {"solver": "evidence", "start": "warm"}
        self.assertIn("no version", self.ok(409, "POST", "/v1/models/m/train", warm)[1]["detail"])
        self.ended(self.train({"solver": "evidence", **SMALL})["id"])
        job = self.train(warm)
        shape = job["request"]["architecture"]
        self.assertEqual((shape["width"], shape["layers"], shape["basis"]), (4, 1, "constant"))
        version = self.ended(job["id"])["version"]
        told = self.ok(200, "GET", f"/v1/models/m/versions/{version}")[1]
        self.assertEqual(told["architecture"]["width"], 4)

    def test_noise_of_logarithms_grows_with_the_output(self):
        rng = random.Random(4)
        x = [[rng.uniform(-1, 1)] for _ in range(80)]
        y = [[math.exp(2 * a + 0.05 * rng.gauss(0, 1))] for a, in x]
        self.ok(201, "POST", "/v1/models/m/data", {"inputs": x, "outputs": y})
        job = self.train({"solver": "evidence", **SMALL, "scaling": {"outputs": "log"}})
        version = self.ok(200, "GET", f"/v1/models/m/versions/{self.ended(job['id'])['version']}")[1]
        noise = version["noise"]
        self.assertTrue(noise["of_logarithms"])
        self.assertAlmostEqual(noise["sigma"][0], 0.05, delta=0.015)
        found = self.ok(200, "POST", "/predict", {
            "model": "m", "inputs": [[-0.9], [0.9]], "return": ["mean", "noise_variance"]})[1]
        for (mean,), (variance,) in zip(found["mean"], found["noise_variance"]):
            self.assertAlmostEqual(variance / mean**2, math.expm1(noise["sigma"][0]**2), places=9)
        # The document says so, and the model that is made of it predicts the same.
        document = self.ok(200, "GET", "/v1/models/m/versions/1/export")[1]
        self.assertEqual(document["noise"], noise)
        self.ok(201, "PUT", "/v1/models/copy", document)
        copy = self.ok(200, "POST", "/predict", {
            "model": "copy", "inputs": [[-0.9], [0.9]], "return": ["mean", "noise_variance"]})[1]
        self.assertEqual((copy["mean"], copy["noise_variance"]), (found["mean"], found["noise_variance"]))

    def test_a_poor_choice_for_the_rows_names_a_better_one(self):
        self.upload()
        for solver, warned in (("rms", True), ("evidence", False)):
            row = self.ended(self.train({"solver": solver, "settings": {"members": 4}})["id"])
            told = self.ok(200, "GET", f"/v1/models/m/versions/{row['version']}")[1]
            found = [w for w in told["warnings"] if w["code"] == "better_solver"]
            self.assertEqual(len(found), int(warned), told["warnings"])
            self.assertTrue(all("evidence" in w["text"] for w in found))

    def test_a_policy_chooses_again(self):
        self.upload()
        self.ended(self.train(SMALL)["id"])
        self.ok(200, "PUT", "/v1/models/m/policy", {"new_rows": 10, "debounce_s": 0})
        self.ok(201, "POST", "/v1/models/m/data", rows(12, seed=3))
        end = time.time() + 8 * PATIENCE
        jobs = []
        while len(jobs) < 2 and time.time() < end:
            time.sleep(0.1)
            jobs = self.ok(200, "GET", "/v1/jobs")[1]["jobs"]
        job = self.ended(max(job["id"] for job in jobs))
        self.assertEqual(job["origin"], "new_rows")
        self.assertEqual(job["request"]["solver"], "auto")
        self.assertNotIn("split", job["request"])
        self.assertEqual(self.check_choice(job["version"])["rows"], 72)

    def test_the_command_line_prints_the_candidates(self):
        self.upload()
        sets = ["--set", "architecture.width=4", "--set", "architecture.layers=1", "--set", "members=2",
                "--set", "epochs=60"]
        out = self.good("train", "m", "--budget", "600", *sets, "--wait")
        self.assertIn("CANDIDATE", out)
        self.assertIn("chosen", out)
        self.assertRegex(out, r"(?m)^ensemble_4x1_linear")
        table = self.choice(1)[1]
        self.assertTrue(all(c["seconds"] >= 0 for c in table["candidates"] if c["folds"] > 0))


if __name__ == "__main__":
    unittest.main()
