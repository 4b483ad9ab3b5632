# SPDX-License-Identifier: Apache-2.0
"""Analyses as jobs: every kind, what they find, what is refused, cancelled, killed and deleted."""

import json
import math
import os
import unittest

from harness import ServerTest, architecture, binary, document

SPACE = {"inputs": [{"name": "a", "distribution": {"kind": "uniform", "low": -1, "high": 1}},
                    {"name": "b", "bounds": [0, 2]}],
         "outputs": [{"name": "y"}, {"name": "z"}]}
KINDS = {
    "sobol": {"second_order": True, "groups": [["a", "b"]]},
    "shapley": {"correlation": [{"inputs": ["a", "b"], "value": 0.5}]},
    "morris": {},
    "propagate": {"quantiles": [0.1, 0.9], "bins": 8},
    "failure": {"region": [{"output": "y", "above": 0}], "method": "subset"},
    "slices": {"slices": [["a"], ["b", "a"]], "grid": 5},
    "active_subspace": {},
}
PARTS = ("estimate", "sampling_error", "surrogate_error", "lower", "upper")




class Analyses(ServerTest):
    def setUp(self):
        super().setUp()
        self.get(201, "PUT", "/v1/models/m", document(draws=6, arch=architecture(inputs=2, outputs=2)))
        self.get(200, "PUT", "/v1/models/m/space", SPACE)

    def get(self, *request):
        return self.ok(*request)[1]

    def queue(self, **request):
        return self.get(202, "POST", "/v1/models/m/analyses", request)

    def found(self, **request):
        job = self.server.wait_job(self.queue(**request)["id"], "succeeded", "failed")
        self.assertEqual(job["state"], "succeeded", job["message"])
        return self.get(200, "GET", f"/v1/jobs/{job['id']}/result")

    def predictions(self, points):
        """[draw][point][output]"""
        answer = self.get(200, "POST", "/v1/models/m/predict",
                         {"inputs": points, "return": ["samples"], "samples": 6, "seed": 1})
        return answer["samples"]

    def test_every_kind_fills_its_tables(self):
        for kind, members in KINDS.items():
            result = self.found(kind=kind, points=60, replicates=4, seed=3, **members)
            self.assertEqual((result["kind"], result["model"], result["version"], result["draws"]),
                             (kind, "m", 1, 6))
            self.assertGreater(result["evaluations"], 0)
            for table in result["tables"]:
                shape = [len(axis.get("labels") or axis["values"]) for axis in table["axes"]]
                for part in PARTS:
                    numbers = table[part]
                    for length in shape:
                        self.assertEqual(len(numbers), length, (kind, table["name"]))
                        numbers = numbers[0]
            self.assertEqual(result["request"]["seed"], 3)
            self.assertEqual(result["request"]["space"]["inputs"][1]["bounds"], [0, 2])
            # The stored request means the same analysis.
            again = self.found(**result["request"])
            self.assertEqual(again["tables"], result["tables"])

    def test_slices_are_predictions(self):
        result = self.found(kind="slices", grid=3, at={"b": 1}, slices=[["a"]])
        table, = result["tables"]
        points = [[a, 1.0] for a in table["axes"][0]["values"]]
        self.assertEqual([p[0] for p in points], [-1, 0, 1])
        draws = self.predictions(points)
        for i in range(3):
            for o in range(2):
                values = [draw[i][o] for draw in draws]
                mean = sum(values) / 6
                std = math.sqrt(sum((v - mean) ** 2 for v in values) / 5)
                self.assertAlmostEqual(table["estimate"][i][o], mean, delta=1e-12)
                self.assertAlmostEqual(table["surrogate_error"][i][o], std, delta=1e-12)
                self.assertEqual(table["sampling_error"][i][o], 0)

    def test_the_mean_is_that_of_predictions(self):
        result = self.found(kind="propagate", points=512, bins=0, outputs=["z"], draws=6)
        tables = {table["name"]: table for table in result["tables"]}
        self.assertEqual(tables["mean"]["axes"], [{"name": "output", "labels": ["z"]}])
        n = 40
        points = [[-1 + (2 * i + 1) / n, (2 * j + 1) / n] for i in range(n) for j in range(n)]
        draws = self.predictions(points)
        means = [sum(row[1] for row in draw) / len(draw) for draw in draws]
        self.assertAlmostEqual(tables["mean"]["estimate"][0], sum(means) / 6, delta=2e-3)

    def test_what_is_wrong_is_refused(self):
        for request, status, word in [
                ({"kind": "magic"}, 400, "magic"),
                ({}, 400, "kind"),
                ({"kind": "sobol", "bins": 3}, 400, "bins"),
                ({"kind": "sobol", "outputs": ["q"]}, 400, 'no output \\"q\\"'),
                ({"kind": "sobol", "fixed": {"q": 1}}, 400, 'no input \\"q\\"'),
                ({"kind": "sobol", "fixed": {"a": 0, "b": 0}}, 400, "every input is fixed"),
                ({"kind": "sobol", "groups": [["q"]]}, 400, 'no input \\"q\\"'),
                ({"kind": "sobol", "points": 0}, 400, "points"),
                ({"kind": "sobol", "draws": 7}, 400, "draws"),
                ({"kind": "sobol", "version": 9}, 404, "version 9"),
                ({"kind": "failure"}, 400, "region"),
                ({"kind": "failure", "region": [{"output": "y"}]}, 400, "above"),
                ({"kind": "failure", "region": [{"output": "y", "above": 1}], "method": "x"}, 400, "method"),
                ({"kind": "propagate", "quantiles": [2]}, 400, "quantiles"),
                ({"kind": "shapley", "correlation": [{"inputs": ["a", "b"], "value": 1}]}, 400, "correlation"),
                ({"kind": "slices", "slices": [["a", "a"]]}, 400, "different"),
                ({"kind": "sobol", "space": {"inputs": ["a"], "outputs": ["y"]}}, 409, "1 inputs"),
        ]:
            got, _, answer = self.server.request("POST", "/v1/models/m/analyses", request)
            self.assertEqual(got, status, (request, answer))
            self.assertIn(word, json.dumps(answer), request)
        self.get(201, "PUT", "/v1/models/bare", document(arch=architecture(inputs=2, outputs=1)))
        answer = self.get(409, "POST", "/v1/models/bare/analyses", {"kind": "sobol"})
        self.assertIn("no space", answer["detail"])
        names = {"inputs": ["a", "b"], "outputs": ["y"]}
        answer = self.get(400, "POST", "/v1/models/bare/analyses", {"kind": "sobol", "space": names})
        self.assertIn("neither a distribution nor bounds", answer["detail"])
        self.assertEqual(self.get(404, "POST", "/v1/models/none/analyses", {"kind": "sobol"})["status"], 404)

    def long(self):
        return self.queue(kind="sobol", points=1 << 18, replicates=64)["id"]

    def test_a_cancelled_one_is_gone_and_the_next_one_runs(self):
        job = self.long()
        self.server.wait_job(job, "running")
        answer = self.get(409, "GET", f"/v1/jobs/{job}/result")
        self.assertIn("running", answer["detail"])
        # Its version stays as long as it is read.
        self.get(201, "PUT", "/v1/models/m", document(seed=2, draws=6, arch=architecture(inputs=2, outputs=2)))
        self.assertEqual(self.server.request("DELETE", "/v1/models/m/versions/1")[0], 409)
        self.assertEqual(self.server.request("DELETE", f"/v1/jobs/{job}")[0], 202)
        self.server.wait_job(job, "cancelled")
        self.get(409, "GET", f"/v1/jobs/{job}/result")
        self.assertEqual(self.server.request("DELETE", "/v1/models/m/versions/1")[0], 204)
        self.assertEqual(self.found(kind="morris", version="@default")["version"], 2)

    @unittest.skipIf(os.environ.get("SANITIZER") == "thread", "takes minutes, and a kill is no race")
    def test_one_that_was_killed_goes_on_to_the_same_result(self):
        request = {"kind": "sobol", "points": 1 << 15, "replicates": 32}
        self.server.stop()
        self.server.flags = ("--checkpoint-ms", "50")
        self.server.start()
        whole = self.found(**request)
        job = self.queue(**request)["id"]
        self.server.wait_job(job, "running")
        while (self.get(200, "GET", f"/v1/jobs/{job}")["progress"] or {}).get("fraction", 0) < 0.2:
            pass
        self.server.kill()
        self.server.start()
        self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(self.get(200, "GET", f"/v1/jobs/{job}")["attempts"], 2)
        self.assertEqual(self.get(200, "GET", f"/v1/jobs/{job}/result")["tables"], whole["tables"])

    def test_threads_do_not_change_the_result(self):
        one = self.found(kind="sobol", points=200)
        self.server.stop()
        self.server.flags = ("--train-threads", "3")
        self.server.start()
        self.assertEqual(self.found(kind="sobol", points=200)["tables"], one["tables"])

    def test_an_analysis_does_not_wait_for_a_training(self):
        rows = {"inputs": [[i / 40 - 0.5, i / 20] for i in range(40)], "outputs": [[i, -i] for i in range(40)]}
        self.get(201, "POST", "/v1/models/m/data", rows)
        training = self.get(202, "POST", "/v1/models/m/train",
                           {"solver": "ensemble", "settings": {"epochs": 1000000, "members": 2}})["id"]
        self.server.wait_job(training, "running")
        self.found(kind="morris")
        self.assertEqual(self.get(200, "GET", f"/v1/jobs/{training}")["state"], "running")
        answer = self.get(404, "GET", f"/v1/jobs/{training}/result")
        self.assertIn("training", answer["detail"])
        self.get(202, "DELETE", f"/v1/jobs/{training}")

    def test_jobs_say_what_they_are(self):
        job = self.queue(kind="morris", priority=3)
        self.assertEqual((job["kind"], job["priority"], job["started_from"], job["version"]),
                         ("analysis", 3, 1, None))
        self.server.wait_job(job["id"], "succeeded")
        listed = self.get(200, "GET", "/v1/jobs?model=m")["jobs"]
        self.assertEqual([one["kind"] for one in listed], ["analysis"])
        status, _, events = self.server.request("GET", f"/v1/jobs/{job['id']}/events")
        self.assertEqual(status, 200)
        self.assertIn(b'"succeeded"', events)


class Calibrations(ServerTest):
    """The inverse problem through a version; core's tests hold posteriors against closed forms."""

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(draws=6, arch=architecture(inputs=2, outputs=2)))
        self.ok(200, "PUT", "/v1/models/m/space", SPACE)

    def found(self, **request):
        job = self.ok(202, "POST", "/v1/models/m/calibrations", request)[1]
        self.assertEqual(job["kind"], "calibration")
        job = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual(job["state"], "succeeded", job["message"])
        return self.ok(200, "GET", f"/v1/jobs/{job['id']}/result")[1]

    def at(self, a, b):
        answer = self.ok(200, "POST", "/v1/models/m/predict", {"inputs": [[a, b]], "return": ["mean"]})[1]
        return answer["mean"][0]

    def test_it_finds_the_inputs_that_made_the_observations(self):
        truth = self.at(0.3, 1.2)
        for error in ("none", "variance", "covariance", "draws"):
            result = self.found(experiments=[{"outputs": [truth, truth]}], sigma={"y": 0.02, "z": 0.02},
                                surrogate_error=error, chains=2, warmup=200, samples=200,
                                temperatures=3 if error == "variance" else 1,
                                draws=3 if error == "draws" else 6)
            self.assertEqual([one["name"] for one in result["parameters"]], ["a", "b"])
            self.assertEqual(len(result["samples"]), (3 if error == "draws" else 1) * 2 * 200)
            for one, output in zip(result["predictive"], truth):
                self.assertAlmostEqual(one["observed"], output, delta=1e-12)
                if error == "none":
                    self.assertLess(abs(one["mean"] - output), 0.04)
            again = self.found(**result["request"])
            self.assertEqual(again["samples"], result["samples"])

    def test_what_experiments_fix_is_not_calibrated(self):
        result = self.found(experiments=[{"fixed": {"b": 0.5}, "outputs": [self.at(0.3, 0.5)]},
                                         {"fixed": {"b": 1.5}, "outputs": [self.at(0.3, 1.5)]}],
                            scale={"y": 0.05, "z": 0.05}, discrepancy=True, surrogate_error="none",
                            chains=2, warmup=200, samples=200)
        self.assertEqual([one["name"] for one in result["parameters"]],
                         ["a", "sigma of y", "sigma of z", "discrepancy of y", "discrepancy of z"])
        a = result["parameters"][0]
        self.assertLess(abs(a["mean"] - 0.3), 5 * a["std"] + 0.05)

    def test_it_says_what_to_simulate_next(self):
        truth = self.at(0.3, 1.2)
        request = {"experiments": [{"outputs": [truth]}], "sigma": {"y": 0.05, "z": 0.05}, "chains": 2,
                   "warmup": 100, "samples": 100, "next": 3, "hold_s": 1000}
        result = self.found(**request)
        points = result["next"]["points"]
        self.assertEqual((len(points), len(result["ids"]), len(set(result["ids"]))), (3, 3, 3))
        for point in points:
            self.assertIn(point, [row[:2] for row in result["samples"]])
        self.assertLess(result["next"]["variance_after"], result["next"]["variance"])
        # They are pending until their rows come.
        suggested = self.ok(200, "POST", "/v1/models/m/suggest", {"n": 1, "hold_s": 0})[1]
        self.assertEqual(suggested["pending"], 3)
        ids = ",".join(str(one) for one in result["ids"])
        rows = {"inputs": points, "outputs": [self.at(*point) for point in points]}
        self.ok(201, "POST", f"/v1/models/m/data?ids={ids}", rows)
        suggested = self.ok(200, "POST", "/v1/models/m/suggest", {"n": 1, "hold_s": 0})[1]
        self.assertEqual(suggested["pending"], 0)
        again = self.found(**{**result["request"], "hold_s": 0})
        self.assertEqual((again["next"], again["ids"]), (result["next"], None))
        self.assertEqual(self.found(**{**request, "next": 0})["ids"], None)

    def test_history_matching_goes_in_waves(self):
        truth = self.at(0.3, 1.2)
        request = {"kind": "history", "experiments": [{"outputs": [truth]}], "sigma": {"y": 0.02, "z": 0.02},
                   "discrepancy_sigma": {"y": 0.01, "z": 0.01}, "points": 256, "replicates": 4, "grid": 5, "next": 4,
                   "cutoff": 0.3}
        first = self.found(**request)
        self.assertEqual([one["version"] for one in first["waves"]], [1])
        self.assertTrue(0 < first["waves"][0]["share"] < 1)
        self.assertEqual([len(first["points"]), len(first["ids"]), first["evaluations"]], [4, 4, 256 * 4 * 6])
        self.assertEqual([one["name"] for one in first["inputs"]], ["a", "b"])
        pair, = first["pairs"]
        self.assertEqual((pair["inputs"], len(pair["depth"]), len(pair["minimum"][0])), (["a", "b"], 5, 5))
        # The implausibility is that of predictions.
        draws = self.ok(200, "POST", "/v1/models/m/predict", {"inputs": first["points"], "return": ["mean", "variance"]})[1]
        for i, value in enumerate(first["implausibility"]):
            worst = max(abs(truth[k] - draws["mean"][i][k]) / math.sqrt(0.0005 + draws["variance"][i][k]) for k in (0, 1))
            self.assertAlmostEqual(value, worst, delta=1e-9)
            self.assertLessEqual(value, 0.3)
        # The next wave is a version.
        self.ok(201, "PUT", "/v1/models/m", document(seed=2, draws=4, arch=architecture(inputs=2, outputs=2)))
        second = self.found(**request, earlier=[1])
        self.assertEqual([one["version"] for one in second["waves"]], [1, 2])
        self.assertEqual(second["waves"][0], first["waves"][0])
        self.assertLessEqual(second["waves"][1]["share"], second["waves"][0]["share"])
        again = self.found(**second["request"])
        self.assertEqual([again[key] for key in ("waves", "pairs", "points")],
                         [second[key] for key in ("waves", "pairs", "points")])
        # Nothing fits.
        nothing = self.found(**{**request, "experiments": [{"outputs": [[1e6, 0]]}]})
        self.assertEqual((nothing["points"], nothing["ids"]), ([], None))
        self.assertIn("ruled out", nothing["warnings"][0])

    @unittest.skipIf(os.environ.get("SANITIZER") == "thread", "takes minutes, and a kill is no race")
    def test_what_was_killed_goes_on_to_the_same_result(self):
        seen = {"experiments": [{"outputs": [self.at(0.3, 1.2)]}], "sigma": {"y": 0.05, "z": 0.05}, "hold_s": 0}
        self.server.stop()
        self.server.flags = ("--checkpoint-ms", "20")
        self.server.start()
        for request in ({**seen, "kind": "history", "points": 1 << 16, "replicates": 16},
                        {**seen, "chains": 4, "samples": 1500, "temperatures": 2}):
            whole = self.found(**request)
            job = self.ok(202, "POST", "/v1/models/m/calibrations", request)[1]["id"]
            self.server.wait_job(job, "running")
            while (self.ok(200, "GET", f"/v1/jobs/{job}")[1]["progress"] or {}).get("fraction", 0) < 0.2:
                pass
            self.server.kill()
            self.server.start()
            self.server.wait_job(job, "succeeded", "failed")
            self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{job}")[1]["attempts"], 2)
            again = self.ok(200, "GET", f"/v1/jobs/{job}/result")[1]
            self.assertEqual(again, whole)

    def test_a_wrong_history_match_is_refused(self):
        one = {"kind": "history", "experiments": [{"outputs": [[0, 0]]}]}
        known = {**one, "sigma": {"y": 1, "z": 1}}
        for request, status, word in [(one, 400, "sigma"), ({**known, "chains": 2}, 400, "chains"),
                                      ({**known, "kind": "posterior", "temperatures": 33}, 400, "temperatures"),
                                      ({**known, "cutoff": 0}, 400, "cutoff"), ({**known, "order": 4}, 400, "order"),
                                      ({**known, "earlier": ["a"]}, 400, "earlier"),
                                      ({**known, "earlier": [7]}, 404, "version 7"),
                                      ({**known, "grid": 1000}, 400, "grid"),
                                      ({**known, "discrepancy_sigma": {"y": 1}}, 400, "discrepancy_sigma"),
                                      ({**known, "fixed": {"a": 0, "b": 0}}, 400, "fixed")]:
            got, _, answer = self.server.request("POST", "/v1/models/m/calibrations", request)
            self.assertEqual(got, status, (request, answer))
            self.assertIn(word, json.dumps(answer), request)

    def test_what_is_wrong_is_refused(self):
        one = {"experiments": [{"outputs": [[0, 0]]}]}
        for request, word in [({}, "experiments"), ({**one, "kind": "sobol"}, "kind"), (one, "scale"),
                              ({**one, "sigma": {"y": 1}}, "sigma"), ({**one, "sigma": {"y": 1, "z": -1}}, "sigma"),
                              ({**one, "sigma": {"y": 1, "z": 1}, "surrogate_error": "all"}, "surrogate_error"),
                              ({**one, "sigma": {"y": 1, "z": 1}, "fixed": {"a": 0, "b": 0}}, "no input to calibrate"),
                              ({"experiments": [{"outputs": [[0]]}], "sigma": {"y": 1, "z": 1}}, "outputs"),
                              ({"experiments": [{"outputs": [[0, 0]], "fixed": {"q": 1}}]}, "no input")]:
            got, _, answer = self.server.request("POST", "/v1/models/m/calibrations", request)
            self.assertEqual(got, 400, (request, answer))
            self.assertIn(word, json.dumps(answer), request)


class Commands(ServerTest):
    def run_client(self, *words):
        run = binary(*words, "--server", f"http://127.0.0.1:{self.server.port}")
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_the_client_asks_waits_and_prints(self):
        self.ok(201, "PUT", "/v1/models/m", document(draws=6, arch=architecture(inputs=2, outputs=2)))
        self.ok(200, "PUT", "/v1/models/m/space", SPACE)
        printed = self.run_client("analyse", "m", "slices", "--set", "at={}", "grid=3", "slices=[[\"a\"]]", "--wait")
        lines = printed[printed.index("table,"):].splitlines()
        self.assertEqual(lines[0], "table,axis_1,axis_2,axis_3,estimate,sampling_error,surrogate_error,lower,upper")
        self.assertEqual([line.split(",")[:4] for line in lines[1:4]],
                         [["slice", "-1", "y", ""], ["slice", "-1", "z", ""], ["slice", "0", "y", ""]])
        self.assertIn("\n".join(lines), self.run_client("jobs", "result", "1"))
        path = self.folder + "/observed.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"experiments": [{"outputs": [[0.1, 0.2]]}], "sigma": {"y": 0.1, "z": 0.1}}, file)
        printed = self.run_client("calibrate", "m", "--request", path, "--set", "samples=50", "warmup=50", "--wait")
        self.assertRegex(printed, r"(?m)^parameter,mean,std,rhat,ess_bulk,ess_tail\na,")
        self.assertRegex(printed, r"(?m)^id,a,b\n1,")
        printed = self.run_client("calibrate", "m", "--request", path, "--set", "kind=history", "points=64", "cutoff=100",
                                  "next=1", "--wait")
        self.assertRegex(printed, r"(?m)^version,share,sampling_error,lower,upper\n1,1,0,[^\n]*\nid,a,b\n\d+,")
        refused = binary("analyse", "m", "magic", "--server", f"http://127.0.0.1:{self.server.port}")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("magic", refused.stderr)


if __name__ == "__main__":
    unittest.main()
