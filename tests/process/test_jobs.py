#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of training jobs: order, limits, history, checkpoints that outlive a kill, policies."""

import contextlib
import hashlib
import os
import random
import re
import sqlite3
import time
import unittest

from harness import PATIENCE, ServerTest, architecture, document, rows

SLOW = 1 if os.environ.get("SANITIZER", "none") == "none" else 4
DEBOUNCE_S = 2

# Each runs for about a second, by parts of at least three tasks or one task of many steps.
SOLVERS = {
    "ensemble": {"epochs": 6000, "members": 3},
    "rms": {"epochs": 4000, "members": 3},
    "swag": {"epochs": 6000, "swag_epochs": 6000, "draws": 20, "swag_rank": 3},
    "mc_dropout": {"epochs": 8000, "draws": 20},
    "laplace": {"epochs": 8000, "draws": 20},
    "vi": {"epochs": 4000, "draws": 20},
    "amcmc": {"epochs": 200, "chains": 2, "warmup": 20000, "draws": 20, "thin": 1000},
    "mala": {"epochs": 200, "chains": 2, "warmup": 8000, "draws": 50, "thin": 100},
    "hmc": {"epochs": 200, "chains": 2, "warmup": 1500, "draws": 100, "thin": 10},
    "nuts": {"epochs": 200, "chains": 2, "warmup": 400, "draws": 100, "max_depth": 5},
    "bll": {"epochs": 8000, "draws": 20},
    "pbp": {"epochs": 1500, "draws": 20},
    "duq": {"epochs": 8000, "draws": 20},
    "evidence": {"epochs": 2000, "patience": 0, "members": 3, "draws": 20},
}
# A sanitizer makes each step as much slower.
FACTOR = {"none": 1, "thread": 8}.get(os.environ.get("SANITIZER", "none"), 3)
for settings in SOLVERS.values():
    for name in ("epochs", "swag_epochs", "warmup"):
        if settings.get(name, 0) >= 400:
            settings[name] //= FACTOR
    if "thin" in settings:
        settings["thin"] = max(1, settings["thin"] // FACTOR)
NETWORK = {"width": 8, "layers": 2}
# ThreadSanitizer has seen all there is to see after one solver of a kind.
KILLED = ("ensemble", "vi", "hmc", "nuts") if FACTOR == 8 else tuple(SOLVERS)


class Jobs(ServerTest):
    # Training at the least priority would wait for whatever else the machine does.
    flags = ("--checkpoint_ms", "40", "--train_nice", "0")

    def upload(self, model="m", n=120, seed=1):
        self.ok(201, "POST", f"/v1/models/{model}/data", rows(n, seed=seed))

    def train(self, model="m", **request):
        request = {"solver": "ensemble", "architecture": NETWORK, **request}
        return self.ok(202, "POST", f"/v1/models/{model}/train", request)[1]["id"]

    def job(self, job):
        return self.ok(200, "GET", f"/v1/jobs/{job}")[1]

    def ended(self, job, seconds=240 * FACTOR):
        return self.server.wait_job(job, "succeeded", "failed", "cancelled", seconds=seconds)

    def wait(self, what, true, seconds=120 * SLOW):
        end = time.time() + seconds
        while time.time() < end:
            value = true()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"{what}: not within {seconds} s")


class Queue(Jobs):
    def test_urgent_jobs_overtake(self):
        self.upload()
        first = self.train(settings={"epochs": 1000000})
        self.server.wait_job(first, "running")
        low = self.train(settings={"epochs": 1}, priority=-1)
        plain = self.train(settings={"epochs": 1})
        urgent = self.train(settings={"epochs": 1}, priority=100)
        self.ok(202, "DELETE", f"/v1/jobs/{first}")
        for job in (low, plain, urgent):
            self.assertEqual(self.ended(job)["state"], "succeeded")
        begun = {job: self.job(job)["started"] for job in (low, plain, urgent)}
        self.assertEqual(sorted(begun, key=begun.get), [urgent, plain, low])
        self.assertEqual(self.job(low)["priority"], -1)
        for bad in (101, -101, 0.5, "high"):
            self.ok(400, "POST", "/v1/models/m/train", {"solver": "ensemble", "priority": bad})

    def test_a_job_past_its_time_fails_and_says_so(self):
        self.upload()
        job = self.train(settings={"epochs": 1000000}, limits={"seconds": 1})
        row = self.ended(job)
        self.assertEqual(row["state"], "failed")
        self.assertIn("limit of 1 s", row["message"])
        self.assertEqual(row["attempts"], 1)
        self.assertEqual(self.ended(self.train(settings={"epochs": 5}, limits={"seconds": 60}))
                         ["state"], "succeeded")

    def test_a_job_that_needs_too_much_memory_fails_and_says_so(self):
        self.upload(n=2000)
        # The draws alone would fit, but not with the model that is made of them.
        job = self.train(solver="nuts", settings={"draws": 7500, "chains": 4, "epochs": 1},
                         limits={"memory_mb": 50})
        row = self.ended(job)
        self.assertEqual(row["state"], "failed")
        self.assertIn("limit of 50 MB", row["message"])
        self.assertEqual(self.ended(self.train(settings={"epochs": 5}, limits={"memory_mb": 50}))
                         ["state"], "succeeded")

    def test_what_makes_no_sense_is_refused(self):
        self.upload()
        for bad in ({"limits": {"seconds": -1}}, {"limits": {"hours": 1}}, {"limits": 3},
                    {"gate": {"metric": "mse"}}, {"gate": {"max_increase": -1}}, {"gate": "off"},
                    {"gate": {"rows": "some"}}, {"promote": "yes"}, {"start": "lukewarm"},
                    {"start": "warm"}):
            status, _, data = self.server.request("POST", "/v1/models/m/train",
                                                  {"solver": "ensemble", **bad})
            self.assertIn(status, (400, 409), bad)
            self.assertTrue(data["detail"])

    def test_the_history_tells_what_was_done(self):
        self.upload()
        job = self.train(seed=5, settings={"epochs": 300, "members": 2})
        row = self.ended(job)
        self.assertEqual(row["request"]["seed"], 5)
        self.assertEqual(row["request"]["settings"]["epochs"], 300)
        self.assertEqual(row["origin"], "request")
        self.assertTrue(row["promoted"])
        self.assertIsNone(row["gate"])
        _, data = self.ok(200, "GET", "/v1/models/m/data")
        self.assertEqual(row["training_data"]["fingerprint"], data["fingerprint"])
        _, told = self.ok(200, "GET", "/v1/models/m/diagnostics")
        self.assertEqual(row["scores"]["rmse"], told["scores"]["rmse"])
        _, curves = self.ok(200, "GET", f"/v1/jobs/{job}/curves")
        self.assertEqual(len(curves["members"]), 2)
        for member in curves["members"]:
            self.assertEqual(member["step"][-1], 300)
            self.assertEqual(len(member["loss"]), len(member["step"]))
            self.assertLess(member["loss"][-1], member["loss"][0])
            self.assertLess(len(member["step"]), 140)
        # They stay when the version goes.
        self.ended(self.train(seed=6, settings={"epochs": 10}, gate=None))
        self.ok(204, "DELETE", "/v1/models/m/versions/1")
        self.assertEqual(self.job(job)["scores"], row["scores"])
        self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{job}/curves")[1], curves)
        _, some = self.ok(200, "GET", "/v1/jobs?state=succeeded&limit=1")
        self.assertEqual([j["id"] for j in some["jobs"]], [2])
        self.assertEqual(self.ok(200, "GET", "/v1/jobs?state=failed")[1]["jobs"], [])
        self.ok(400, "GET", "/v1/jobs?state=lost")
        self.ok(404, "GET", "/v1/jobs/77/curves")

    def test_a_version_can_be_trained_without_being_served(self):
        self.upload()
        self.ended(self.train(settings={"epochs": 50}))
        row = self.ended(self.train(settings={"epochs": 60}, promote=False, gate=None))
        self.assertEqual((row["state"], row["promoted"], row["version"]), ("succeeded", False, 2))
        self.assertEqual(self.ok(200, "GET", "/v1/models/m")[1]["model"]["default_version"], 1)


class Resumption(Jobs):
    def stored(self, query, *values):
        """A number from the file, read while the server runs or after it has stopped."""
        with contextlib.closing(self.file()) as db:
            return db.execute(query, values).fetchone()[0]

    def file(self):
        return sqlite3.connect(f"file:{self.server.db}?mode=rw", uri=True, timeout=PATIENCE)

    before = 0  # states that this process had stored when the job was posted

    def train(self, **request):
        self.before = self.states_stored()
        return super().train(**request)

    def states_stored(self):
        _, _, text = self.server.request("GET", "/metrics")
        return int(re.search(r"^surrogated_checkpoints_total (\d+)", text.decode(), re.M)[1])

    def kill_in_the_middle(self, job, restart=True):
        """Kills once this process has stored a state of the job; false: it was faster."""
        self.wait("a checkpoint", lambda: self.job(job)["state"] not in ("queued", "running") or
                  self.states_stored() > self.before, seconds=2 * PATIENCE)
        time.sleep(random.random() * 0.1 * SLOW)  # somewhere in the work
        self.server.kill()
        self.before = 0
        running = self.stored("SELECT state FROM jobs WHERE id = ?", job) == 1
        if restart:
            self.server.start()
        return running

    def train_and_kill(self, **request):
        """A job that has been killed; on a busy machine one or the other ends before it is."""
        for _ in range(10):
            job = self.train(**request)
            if self.kill_in_the_middle(job):
                return job
        raise AssertionError(f"{request}: too fast to be killed")

    def etag(self, version):
        return self.ok(200, "GET", f"/v1/models/m/versions/{version}")[1]["etag"]

    def whole(self, **request):
        row = self.ended(self.train(**request))
        self.assertEqual(row["state"], "succeeded", row["message"])
        return row

    def check_end(self, job, whole):
        row = self.ended(job)
        self.assertEqual(row["state"], "succeeded", row["message"])
        self.assertGreaterEqual(row["attempts"], 2)
        # The same content is the same version.
        self.assertEqual(row["version"], whole["version"], row["request"])
        self.assertEqual(self.stored("SELECT count(*) FROM job_checkpoints"), 0)

    def check_solver(self, name, **request):
        request = {"solver": name, "seed": 3, "promote": False, **request}
        whole = self.whole(**request)
        etag = self.etag(whole["version"])
        job = self.train_and_kill(**request)
        if self.job(job)["state"] in ("queued", "running"):
            self.kill_in_the_middle(job)
        self.check_end(job, whole)
        self.assertEqual(self.etag(whole["version"]), etag)

    def check_solvers(self, *names):
        self.upload()
        for name in names:
            if name in KILLED:
                self.check_solver(name, settings=SOLVERS[name])

    def test_members_resume_bit_for_bit(self):
        self.check_solvers("ensemble", "rms", "swag", "mc_dropout")

    def test_gaussians_resume_bit_for_bit(self):
        self.check_solvers("laplace", "vi", "bll", "pbp", "duq", "evidence")

    def test_chains_resume_bit_for_bit(self):
        self.check_solvers("amcmc", "mala", "hmc", "nuts")

    @unittest.skipIf(FACTOR == 8, "the same threads as of an ensemble")
    def test_other_ways_to_train_resume_bit_for_bit(self):
        self.upload()
        self.check_solver("ensemble", settings={"members": 1, "epochs": 2000 // FACTOR},
                          calibration={"method": "cv+", "folds": 8})
        self.check_solver("ensemble", settings={"members": 3, "epochs": 4000 // FACTOR},
                          optimizer={"name": "lbfgs"},
                          architecture={"width": 16, "layers": 4})

    def test_another_number_of_threads_ends_the_same(self):
        self.upload()
        request = {"seed": 3, "promote": False, "settings": SOLVERS["ensemble"]}
        self.server.stop()
        self.server.flags = (*self.flags, "--train_threads", "1")
        self.server.start()
        whole = self.whole(**request)
        job = self.train(**request)
        for threads in ("3", "2", "1"):
            running = self.kill_in_the_middle(job, restart=False)
            self.server.flags = (*self.flags, "--train_threads", threads)
            self.server.start()
            if not running:
                job = self.train(**request)
        row = self.ended(job)
        self.assertEqual((row["state"], row["version"]), ("succeeded", whole["version"]))

    def spoil(self, job, change):
        """Changes the first chunk of each stored state and stores the SHA-256 of the changed chunk."""
        with contextlib.closing(self.file()) as db:
            chunks = db.execute("SELECT rowid, bytes FROM job_checkpoints WHERE job_id = ? "
                                "AND seq = 0", (job,)).fetchall()
            for row, data in chunks:
                data = change(data)
                db.execute("UPDATE job_checkpoints SET bytes = ?, sha256 = ? WHERE rowid = ?",
                           (data, hashlib.sha256(data).digest(), row))
            db.commit()
            return len(chunks)

    def test_states_of_no_use_are_dropped_and_the_work_begins_again(self):
        self.upload()
        request = {"seed": 3, "promote": False, "settings": SOLVERS["ensemble"]}
        whole = self.whole(**request)
        # Of another build; cut short; nothing.
        for change in (lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[:-1],
                       lambda data: b""):
            job = self.train(**request)
            for _ in range(10):
                if self.kill_in_the_middle(job, restart=False):
                    break
                self.server.start()
                job = self.train(**request)
            self.assertGreaterEqual(self.spoil(job, change), 1)
            self.server.start()
            self.check_end(job, whole)
            self.assertIn("checkpoints dropped", self.server.log_text())

    def test_rows_that_were_deleted_meanwhile_are_not_missed(self):
        self.upload()
        self.upload(seed=2)
        job = self.train_and_kill(settings=SOLVERS["ensemble"])
        self.ok(200, "DELETE", "/v1/models/m/data/batches/2")
        self.server.kill()
        self.server.start()
        row = self.ended(job)
        self.assertEqual(row["state"], "succeeded", row["message"])
        self.assertIn(row["training_data"]["rows"], (120, 240))


class Policies(Jobs):
    REQUEST = {"solver": "ensemble", "architecture": NETWORK,
               "settings": {"epochs": 60, "members": 2}, "gate": None}

    def policy(self, **policy):
        self.ok(200, "PUT", "/v1/models/m/policy",
                {"debounce_s": 0, "request": self.REQUEST, **policy})

    def jobs(self):
        return self.ok(200, "GET", "/v1/jobs?model=m")[1]["jobs"]

    def wait_jobs(self, n):
        def all_ended():
            jobs = self.jobs()
            return len(jobs) >= n and all(j["state"] == "succeeded" for j in jobs) and jobs
        return self.wait(f"{n} jobs", all_ended)

    def test_new_rows_train(self):
        self.upload(n=100)
        self.policy(new_rows=100)
        jobs = self.wait_jobs(1)
        self.assertEqual(jobs[0]["origin"], "new_rows")
        self.upload(n=60, seed=2)
        status = self.wait("a look", lambda: self.ok(200, "GET", "/v1/models/m/policy")[1]["status"])
        self.assertTrue(status["waiting"])
        self.assertEqual(len(self.jobs()), 1)
        self.upload(n=40, seed=3)
        jobs = self.wait_jobs(2)
        self.assertEqual(jobs[0]["training_data"]["rows"], 200)
        # Told a moment after the job was queued.
        shown = self.wait("the job's number", lambda: (
            lambda shown: shown["status"]["job"] == jobs[0]["id"] and shown)(
                self.ok(200, "GET", "/v1/models/m/policy")[1]))
        self.assertEqual(shown["policy"]["new_rows"], 100)
        self.assertEqual(shown["policy"]["request"], self.REQUEST)
        self.ok(204, "DELETE", "/v1/models/m/policy")
        self.ok(404, "GET", "/v1/models/m/policy")
        self.ok(404, "DELETE", "/v1/models/m/policy")

    def test_a_warm_policy_begins_cold_and_goes_on_warm(self):
        self.upload(n=60)
        self.policy(new_rows=50, request={**self.REQUEST, "start": "warm"})
        first = self.wait_jobs(1)[0]
        self.assertIsNone(first["started_from"])
        self.upload(n=60, seed=2)
        second = self.wait_jobs(2)[0]
        self.assertEqual((second["started_from"], second["version"]), (1, 2))

    def test_a_burst_of_uploads_is_one_job(self):
        began, ended = [], []
        for seed in range(13):
            began.append(time.monotonic())
            self.upload(n=10, seed=seed + 1)
            if seed == 0:
                self.policy(new_rows=10, debounce_s=DEBOUNCE_S)
            ended.append(time.monotonic())
            time.sleep(0.05)
        jobs = self.wait("a job with all rows", lambda: (
            lambda jobs: jobs and jobs[0]["state"] == "succeeded" and
            jobs[0]["training_data"]["rows"] == 130 and jobs)(self.jobs()))
        # A machine that halted in the burst has made two of it, as many as it halted.
        halts = sum(ended[i + 1] - began[i] >= DEBOUNCE_S for i in range(12))
        if ended[-1] - began[0] < 10 * DEBOUNCE_S:
            self.assertLessEqual(len(jobs), 1 + halts)

    def test_a_schedule_trains_when_rows_have_changed(self):
        self.upload(n=50)
        self.policy(every_s=1)
        self.assertEqual(self.wait_jobs(1)[0]["origin"], "schedule")
        time.sleep(3)  # time in which nothing must happen
        self.assertEqual(len(self.jobs()), 1)
        self.upload(n=5, seed=2)
        self.wait_jobs(2)

    def test_drift_trains(self):
        self.upload(n=200)
        self.ended(self.train(seed=1, settings={"epochs": 400, "members": 4}))
        self.policy(drift={"increase": 1, "rows": 40})
        self.upload(n=40, seed=2)
        status = self.wait("a measurement", lambda: (
            self.ok(200, "GET", "/v1/models/m/policy")[1]["status"] or {}).get("drift_score"))
        self.assertEqual(len(self.jobs()), 1, status)
        other = rows(40, seed=3)
        other["outputs"] = [[y[0] + 3] for y in other["outputs"]]
        self.ok(201, "POST", "/v1/models/m/data", other)
        jobs = self.wait_jobs(2)
        self.assertEqual(jobs[0]["origin"], "drift")
        _, shown = self.ok(200, "GET", "/v1/models/m/policy")
        self.assertGreater(shown["status"]["drift_score"],
                           2 * shown["status"]["drift_baseline"])

    def test_a_registered_version_is_judged_by_its_first_rows(self):
        arch = architecture()
        rng = random.Random(4)

        def some(n, shift=0.0):
            """Rows as the version predicts them, plus a little noise and a shift."""
            x = [[rng.uniform(-1, 1) for _ in range(arch["inputs"])] for _ in range(n)]
            _, said = self.ok(200, "POST", "/predict", {"model": "m", "inputs": x})
            self.ok(201, "POST", "/v1/models/m/data", {"inputs": x, "outputs": [
                [y + rng.gauss(shift, 0.01) for y in row] for row in said["mean"]]})

        def status(what, true):
            return self.wait(what, lambda: (lambda s: s and true(s) and s)(
                self.ok(200, "GET", "/v1/models/m/policy")[1]["status"]))

        self.ok(201, "PUT", "/v1/models/m", document())
        self.policy(drift={"increase": 1, "rows": 30})
        some(40)
        told = status("a look", lambda s: "too few" in s["waiting"])
        self.assertEqual((told["drift_score"], told["drift_baseline"]), (None, None))
        some(20)
        told = status("a measurement", lambda s: s["drift_score"])
        self.assertIn("does well", told["waiting"])
        self.assertLess(told["drift_score"], 2 * told["drift_baseline"])
        # What is told is never of the policy before.
        _, shown = self.ok(200, "PUT", "/v1/models/m/policy", {
            "debounce_s": 0, "request": self.REQUEST, "drift": {"increase": 1, "rows": 20}})
        self.assertTrue(shown["status"] is None or shown["status"]["looked"] >= shown["changed"], shown)
        self.assertEqual(self.jobs(), [])
        some(20, shift=0.5)
        job = self.wait_jobs(1)[0]
        self.assertEqual(job["origin"], "drift")
        self.assertEqual(job["training_data"]["rows"], 80)

    def test_what_makes_no_policy_is_refused(self):
        self.upload(n=5)
        for bad in ({}, {"new_rows": -1}, {"every_s": "day"}, {"daily_at": "25:00"},
                    {"daily_at": "2:30"}, {"drift": {}}, {"drift": {"increase": 1, "rows": 1}},
                    {"new_rows": 5, "request": {"solver": "magic"}}, {"new_rows": 5, "often": 1},
                    {"new_rows": 5, "debounce_s": -1}, []):
            self.ok(400, "PUT", "/v1/models/m/policy", bad)
        self.ok(404, "PUT", "/v1/models/none/policy", {"new_rows": 5})
        self.ok(200, "PUT", "/v1/models/m/policy", {"daily_at": "23:59", "new_rows": 1000})
        self.assertEqual(self.ok(200, "GET", "/v1/models/m/policy")[1]["policy"]["daily_at"],
                         "23:59")

    def test_a_policy_outlives_a_restart_and_a_bad_one_does_no_harm(self):
        self.upload(n=20)
        # The rows have no logarithms: said, not fatal.
        self.ok(200, "PUT", "/v1/models/m/policy", {"new_rows": 10, "debounce_s": 0, "request": {
            "solver": "ensemble", "scaling": {"outputs": "log"}}})
        self.wait("a word", lambda: "positive" in (
            self.ok(200, "GET", "/v1/models/m/policy")[1]["status"] or {"waiting": ""})["waiting"])
        self.server.kill()
        self.server.start()
        self.policy(new_rows=10)
        self.wait_jobs(1)



class Bounds(ServerTest):
    flags = ("--max-queued-jobs", "3")
    LONG = {"solver": "ensemble", "settings": {"epochs": 1000000}}

    def queue(self, model, status=202):
        return self.ok(status, "POST", f"/v1/models/{model}/train", self.LONG)[1]

    def test_queued_jobs_of_a_model_are_bounded_and_cancelled_together(self):
        for model in ("m", "n"):
            self.ok(201, "POST", f"/v1/models/{model}/data", rows(30))
        first = self.queue("m")["id"]
        self.server.wait_job(first, "running")
        waiting = [self.queue("m")["id"] for _ in range(3)]
        self.assertIn("max_queued_jobs", self.queue("m", 429)["detail"])
        other = self.queue("n")["id"]
        for query in ("", "?model=m", "?state=queued", "?model=m&state=running", "?model=m!&state=queued"):
            self.ok(400, "DELETE", f"/v1/jobs{query}")
        self.ok(404, "DELETE", "/v1/jobs?model=none&state=queued")
        self.assertEqual(self.ok(200, "DELETE", "/v1/jobs?model=m&state=queued")[1], {"cancelled": 3})
        self.assertEqual(self.ok(200, "DELETE", "/v1/jobs?model=m&state=queued")[1], {"cancelled": 0})
        for job in waiting:
            self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{job}")[1]["state"], "cancelled")
        self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{first}")[1]["state"], "running")
        self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{other}")[1]["state"], "queued")
        self.queue("m")
        self.ok(200, "DELETE", "/v1/jobs?model=n&state=queued")
        self.ok(200, "DELETE", "/v1/jobs?model=m&state=queued")
        self.ok(202, "DELETE", f"/v1/jobs/{first}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
