# SPDX-License-Identifier: Apache-2.0
"""Which rows a new version and the served one are compared on: none that trained either of them."""

import json
import math
import random
import time
import unittest

from harness import PATIENCE, Server, ServerTest, binary

MODEL = "/v1/models/m"
TRAIN = {"solver": "ensemble", "settings": {"members": 3, "epochs": 60}, "architecture": {"width": 8, "layers": 2}}
WORSE = {"settings": {"members": 1, "epochs": 1}}


def simulate(n, seed, noise=0.1):
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    return {"inputs": x, "outputs": [[math.sin(2 * a) + 0.5 * a * b + rng.gauss(0, noise)] for a, b in x]}


def bumpy(n, seed, noise):
    """A function that few rows do not determine: a network that knows them by heart is wrong elsewhere."""
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    return {"inputs": x, "outputs": [[math.sin(5 * a) * math.cos(4 * b) + a * b + rng.gauss(0, noise)]
                                     for a, b in x]}


def joined(*parts):
    return {key: sum((part[key] for part in parts), []) for key in ("inputs", "outputs")}


class FairGate(ServerTest):
    def upload(self, rows, query=""):
        return self.ok(201, "POST", f"{MODEL}/data{query}", rows)[1]

    def train(self, model=MODEL, **changes):
        job = self.ok(202, "POST", model + "/train", {**TRAIN, **changes})[1]["id"]
        job = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(job["state"], "succeeded", job)
        return job

    def until(self, condition):
        for _ in range(int(PATIENCE / 0.1)):
            if condition():
                return
            time.sleep(0.1)
        self.fail("it did not happen")

    def served(self):
        return self.ok(200, "GET", MODEL)[1]["model"]["default_version"]

    def error(self, version, rows):
        answer = self.ok(200, "POST", f"{MODEL}/versions/{version}/evaluate", rows)[1]
        return answer["outputs"][0]["rmse"]

    def check(self, job, basis, **members):
        gate = job["gate"]
        self.assertEqual({"basis": gate["basis"], **{key: gate[key] for key in members}},
                         {"basis": basis, **members}, gate)
        return gate


class AnotherSeed(FairGate):
    def test_a_better_version_is_served_although_its_seed_is_another_one(self):
        """The served version knows by heart most of the rows that the new one has kept out."""
        slow = {"settings": {"members": 4, "epochs": 3000, "batch_size": 16},
                "architecture": {"width": 16, "layers": 2}}
        self.upload(bumpy(60, 1, 0.1))
        self.train(**slow, seed=0)
        self.upload(bumpy(60, 2, 0.1))
        job = self.train(**slow, seed=1)
        fresh = bumpy(400, 99, 0.0)
        self.assertLess(self.error(2, fresh), (1 - 0.42) * self.error(1, fresh))
        self.assertTrue(job["promoted"], job)
        self.assertEqual(self.served(), 2)
        gate = self.check(job, "own", rows=12, served_version=1)
        self.assertEqual(gate["rows_used"], f"12 rows that did not train it, and {gate['served_rows']} "
                                            "that did not train version 1")
        self.assertGreater(gate["served_rows"], 60)
        # What a worse one is refused for, it is told in the same words.
        job = self.train(**{**slow, **WORSE}, seed=7)
        self.assertFalse(job["promoted"], job)
        self.assertIn("fewer than 10 known rows trained neither", job["message"])
        self.assertIn("that of version 2", job["message"])
        self.assertEqual(self.served(), 2)

    def test_with_many_rows_each_is_judged_by_known_rows_that_it_kept_out(self):
        self.upload(simulate(400, 1))
        self.train(seed=1)
        self.upload(simulate(200, 2))
        job = self.train(seed=2)
        self.assertTrue(job["promoted"], job)
        self.check(job, "recorded", compared="known", rows=40, served_rows=40, new_rows=0)
        self.assertEqual(job["gate"]["rows_used"],
                         "40 rows that it kept out itself, and 40 that version 1 did")
        # Poison in the new rows does not make it better on the known ones.
        poison = simulate(200, 3)
        poison["outputs"] = [[1000 * v] for (v,) in poison["outputs"]]
        self.upload(poison)
        job = self.train(seed=3)
        self.assertFalse(job["promoted"], job)
        self.assertEqual((job["gate"]["compared"], job["gate"]["new_rows"]), ("known", 0), job)

    def test_poison_is_refused_although_few_known_rows_were_kept_out(self):
        self.upload(simulate(80, 1))
        self.train(seed=1, **{"settings": {"members": 3, "epochs": 300}})
        poison = simulate(160, 3)
        poison["outputs"] = [[1000 * v] for (v,) in poison["outputs"]]
        self.upload(poison)
        job = self.train(seed=2)
        self.assertFalse(job["promoted"], job)
        self.assertIn("hardly better than by their mean", job["message"])
        # Whoever means the change of the unit says so.
        job = self.train(seed=2, gate={"rows": "new"}, settings={"members": 3, "epochs": 61})
        self.assertTrue(job["promoted"], job)
        self.check(job, "kept_out_of_both", compared="new", rows=16)
        self.assertEqual(job["gate"]["rows_used"],
                         "16 rows kept out of its training that came after version 1")


class Inherited(FairGate):
    def test_seed_and_split_are_those_of_the_served_version(self):
        self.upload(simulate(200, 1))
        job = self.train(seed=5, split={"validation": 0.2})
        self.assertIsNone(job["inherited"])
        self.upload(simulate(200, 2))
        job = self.train()
        self.assertEqual(job["inherited"], {"seed": 1, "split": 1})
        self.assertEqual((job["request"]["seed"], job["request"]["split"]), (5, {"validation": 0.2}))
        self.check(job, "kept_out_of_both", compared="known", rows=40, served_rows=40, reason=None)
        self.assertEqual(job["gate"]["rows_used"], "40 rows kept out of both trainings")
        self.assertEqual(self.ok(200, "GET", f"{MODEL}/versions/2")[1]["seed"], 5)
        self.assertTrue(job["promoted"], job)
        told = self.ok(200, "GET", MODEL + "/promotions")[1]["promotions"]
        self.assertEqual([p["rows_used"] for p in told], ["40 rows kept out of both trainings", None])
        # What is said counts, also if it says the same.
        job = self.train(seed=6, **WORSE)
        self.assertEqual((job["inherited"], job["request"]["seed"]), ({"seed": None, "split": 2}, 6))
        job = self.train(split={"validation": 0.2}, **WORSE)
        self.assertEqual((job["inherited"], job["request"]["seed"]), ({"seed": 2, "split": None}, 5))
        # An empty request takes all that it does not say from there.
        job = self.ok(202, "POST", MODEL + "/train")[1]
        self.assertEqual(job["inherited"], {"seed": 2, "split": 2})

    def test_a_split_that_keeps_nothing_out_is_not_taken_over(self):
        self.upload(simulate(200, 1))
        self.train(seed=5, split={"validation": 0})
        self.upload(simulate(200, 2))
        job = self.train()
        self.assertEqual((job["inherited"], job["request"]["split"]), ({"seed": 1, "split": None},
                                                                       {"validation": 0.1}))
        # All of the first rows trained version 1.
        self.check(job, "kept_out_of_both", compared="new", rows=20, new_rows=20)
        self.assertIn("fewer than 10 known rows trained neither", job["gate"]["reason"])

    def test_after_a_rollback_it_is_the_older_version_that_counts(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        self.upload(simulate(200, 2))
        self.train(seed=6, gate=None)
        self.assertEqual(self.served(), 2)
        self.ok(201, "PUT", MODEL + "/aliases/good", {"version": 1})
        self.ok(200, "PUT", MODEL + "/default", {"version": "@good"})
        job = self.train()
        self.assertEqual((job["inherited"], job["gate"]["served_version"]), ({"seed": 1, "split": 1}, 1))
        self.check(job, "kept_out_of_both", compared="known", rows=20)

    def test_a_job_that_drift_asks_for_inherits_too(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        drift = {"drift": {"increase": 0.5, "rows": 100}, "debounce_s": 0, "request": TRAIN}
        self.ok(200, "PUT", MODEL + "/policy", drift)
        later = simulate(200, 2)
        later["outputs"] = [[v + 2] for (v,) in later["outputs"]]
        self.upload(later)
        self.until(lambda: self.server.request("GET", "/v1/jobs/2")[0] == 200)
        job = self.server.wait_job(2, "succeeded", "failed")
        self.assertEqual((job["origin"], job["inherited"]), ("drift", {"seed": 1, "split": 1}))
        self.check(job, "kept_out_of_both", compared="known", rows=20)

    def test_a_job_of_a_policy_inherits_too(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        self.ok(200, "PUT", MODEL + "/policy", {"new_rows": 100, "debounce_s": 0, "request": TRAIN})
        self.upload(simulate(200, 2))
        self.until(lambda: self.server.request("GET", "/v1/jobs/2")[0] == 200)
        job = self.server.wait_job(2, "succeeded", "failed")
        self.assertEqual((job["origin"], job["inherited"]), ("new_rows", {"seed": 1, "split": 1}))
        self.check(job, "kept_out_of_both", rows=20)


class KnownAgain(FairGate):
    def test_rows_that_were_deleted_and_uploaded_again_are_known(self):
        first, second = simulate(150, 1), simulate(50, 2)
        self.upload(first)
        self.upload(second)
        self.train(seed=5)
        self.ok(200, "DELETE", MODEL + "/data")
        # In other batches, together with new ones, and one of them twice.
        everything = joined(first, second)
        head = {key: values[:70] for key, values in everything.items()}
        tail = {key: values[70:] for key, values in everything.items()}
        self.upload(head)
        self.upload(joined(tail, simulate(100, 3)))
        job = self.train()
        self.check(job, "kept_out_of_both", compared="known", rows=20, new_rows=0)
        self.assertEqual(job["gate"]["rows_used"], "20 rows kept out of both trainings")
        # Repeated rows that are skipped change nothing.
        self.upload(joined(head, simulate(10, 4)), "?on_duplicate=skip")
        job = self.train()
        self.check(job, "kept_out_of_both", compared="known", served_version=2, rows=30)

    def test_rows_with_the_same_inputs_are_kept_out_together(self):
        rows, again = simulate(200, 1), simulate(200, 1)
        again["outputs"] = [[y + 0.1] for [y] in again["outputs"]]
        for others in (rows, again):
            self.upload(joined(rows, others))
            self.train(seed=5)
            self.upload(simulate(200, 2))
            self.check(self.train(), "kept_out_of_both", compared="known", rows=40)
            self.ok(204, "DELETE", MODEL)

    def test_another_run_of_inputs_that_trained_a_version_is_not_fair(self):
        rows, again = simulate(100, 1), simulate(100, 1)
        again["outputs"] = [[y + 0.01] for [y] in again["outputs"]]
        self.upload(rows)
        self.train(seed=1)
        self.upload(again)
        # Of the 10 inputs that this one keeps out hardly any were kept out before.
        self.check(self.train(seed=2, gate={"rows": "new"}), "own")


    def test_a_deletion_in_between_moves_rows_but_does_not_make_them_fair(self):
        for seed in (1, 2, 3):
            self.upload(simulate(133, seed))
        self.train(seed=5)
        self.ok(200, "DELETE", f"{MODEL}/data/batches/1")
        job = self.train()
        # Rows that were kept out of the first training, at 266 other places, by chance.
        gate = job["gate"]
        self.assertEqual((gate["new_rows"], gate["compared"]), (0, "all"), gate)
        self.check(job, "own", rows=27)
        self.assertLess(gate["served_rows"], 30)

    def test_a_restart_in_the_middle_changes_nothing(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        self.upload(simulate(200, 2))
        job = self.ok(202, "POST", MODEL + "/train",
                      {**TRAIN, "settings": {"members": 3, "epochs": 1000}})[1]["id"]
        self.server.wait_job(job, "running")
        self.server.kill()
        self.server.start()
        done = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(done["inherited"], {"seed": 1, "split": 1})
        self.check(done, "kept_out_of_both", compared="known", rows=20)
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)
        # A replica tells the same.
        replica = Server(self.folder, "--read-only", "true", "--db", self.server.db)
        replica.start()
        try:
            status, _, again = replica.request("GET", f"/v1/jobs/{job}")
            self.assertEqual((status, again["gate"]), (200, done["gate"]))
            told = replica.request("GET", MODEL + "/promotions")[2]["promotions"]
            self.assertEqual(told, self.ok(200, "GET", MODEL + "/promotions")[1]["promotions"])
        finally:
            replica.stop()


class Forebears(FairGate):
    def test_rows_of_the_version_it_started_from_are_not_fair(self):
        self.upload(simulate(400, 1))
        self.train(seed=5)
        self.upload(simulate(400, 2))
        warm = self.train(start="warm", seed=6, settings={"members": 3, "epochs": 5})
        # Of the 40 known rows that seed 6 keeps out version 1 was trained on nearly all.
        gate = self.check(warm, "kept_out_of_both", new_rows=40)
        self.assertLess(gate["rows"], 50)
        self.ok(200, "PUT", MODEL + "/default", {"version": 2})
        # Rows that trained version 1 trained version 2 as well: what neither has seen are those that
        # seeds 5 and 6 both keep out of the first rows, and what seed 6 keeps out of the later ones.
        cold = self.train(seed=7)
        self.check(cold, "own", compared="all", served_version=2, rows=80,
                   served_rows=gate["rows"])

    def test_what_trained_a_registered_version_is_not_known(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        document = self.ok(200, "GET", MODEL + "/versions/1/export")[1]
        document.pop("scores")
        document.pop("settings", None)
        self.ok(201, "PUT", "/v1/models/copy", document)
        self.ok(201, "POST", "/v1/models/copy/data", simulate(200, 2))
        job = self.train("/v1/models/copy", seed=5)
        self.check(job, "kept_out_of_both", compared="new", rows=20, new_rows=20)
        self.assertEqual(job["gate"]["rows_used"],
                         "20 rows kept out of its training that came after version 1")
        # Rows that were there before may have trained it.
        self.ok(201, "POST", "/v1/models/late/data", simulate(200, 1))
        self.ok(201, "PUT", "/v1/models/late", document)
        job = self.train("/v1/models/late", seed=5)
        self.check(job, "may_have_trained", compared="known", rows=20)
        self.assertIn("which may have trained version 1", job["gate"]["rows_used"])


class Holes(FairGate):
    """Rows that miss outputs are compared by what they have."""

    def holed(self, n, seed):
        rows = simulate(n, seed)
        rows["outputs"] = [[y, 3 * y - 1, 7.0] for (y,) in rows["outputs"]]
        for i, row in enumerate(rows["outputs"]):
            if i % 5 == 1:
                row[1] = None
            if i % 5 == 2:
                row[:] = [None, None, None]
        return rows

    def test_missing_and_constant_outputs_are_left_out(self):
        self.upload(self.holed(200, 1))
        self.train(seed=5)
        self.upload(self.holed(200, 2))
        for metric, outputs in (("rmse", 3), ("nll", 2), ("crps", 2)):
            with self.subTest(metric=metric):
                job = self.train(gate={"metric": metric, "max_increase": 1000},
                                 settings={"members": 3, "epochs": 60 + outputs, "batch_size": 32})
                gate = self.check(job, "kept_out_of_both", compared="known", metric=metric, outputs=outputs,
                                  served_version=1)
                # Runs that failed are no rows to compare on.
                self.assertLess(gate["rows"], 20)
                self.assertGreaterEqual(gate["rows"], 10)
                self.assertTrue(job["promoted"], job)
                self.ok(200, "PUT", MODEL + "/default", {"version": 1})
        job = self.train(gate={"metric": "nll"}, **WORSE)
        self.assertFalse(job["promoted"], job)
        self.assertIn("its nll of 2 of 3 outputs on", job["message"])


class PoorFits(FairGate):
    def poor(self, rate=1e-9, **changes):
        """One epoch at a rate that hardly moves: worse than the mean."""
        return self.train(settings={"members": 1, "epochs": 1}, optimizer={"learning_rate": rate}, **changes)

    def codes(self, version):
        told = self.ok(200, "GET", f"{MODEL}/versions/{version}/diagnostics")[1]["warnings"]
        return [warning["code"] for warning in told]

    def test_a_poor_fit_never_replaces_a_better_version(self):
        self.upload(simulate(200, 1))
        self.train(seed=5)
        for i, gate in enumerate((None, {"max_increase": 1e6}, {"metric": "crps", "max_increase": 1e6})):
            with self.subTest(gate=gate):
                job = self.poor(gate=gate, rate=1e-9 * (i + 1))
                self.assertIn("poor_fit", self.codes(job["version"]))
                self.assertFalse(job["promoted"], job)
                self.assertIn("version 1 does better", job["message"])
                self.assertIn("default promotes it by hand", job["message"])
                self.assertFalse(job["gate"]["passed"])
                self.assertEqual(self.served(), 1)
        # Nor where its seed is another one.
        job = self.poor(gate={"max_increase": 1e6}, seed=6)
        self.assertFalse(job["promoted"], job)
        self.assertIn("hardly better than by their mean", job["message"])
        # By hand it is.
        self.ok(200, "PUT", MODEL + "/default", {"version": job["version"]})
        self.assertEqual(self.served(), job["version"])
        # And then it is replaced by a better one.
        job = self.train(seed=5, settings={"members": 3, "epochs": 61})
        self.assertTrue(job["promoted"], job)

    def test_without_a_served_version_a_poor_fit_is_served(self):
        self.upload(simulate(200, 1))
        job = self.poor()
        self.assertTrue(job["promoted"], job)
        self.assertIn("poor_fit", self.codes(1))
        # Another poor one that is better takes its place.
        job = self.train(settings={"members": 1, "epochs": 2}, optimizer={"learning_rate": 1e-3}, gate=None)
        self.assertTrue(job["promoted"], json.dumps(job["gate"]))


if __name__ == "__main__":
    unittest.main()
