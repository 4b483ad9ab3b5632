# SPDX-License-Identifier: Apache-2.0
"""
Nothing is served in silence: what is wrong with a version stands in its description, with its model,
in its job and the events of it, with every prediction, and on the screen of the client's user.
"""

import json
import math
import random
import unittest

from harness import ServerTest, binary, npy, told_codes

SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 60}, "seed": 1, "gate": None}


def codes(warnings):
    return [w["code"] for w in warnings if "row" not in w]


class Warnings(ServerTest):
    def upload(self, model, x, y, **more):
        self.ok(201, "POST", f"/v1/models/{model}/data", {"inputs": x, "outputs": y, **more})

    def train(self, model, **request):
        job = self.ok(202, "POST", f"/v1/models/{model}/train", {**SHORT, **request})[1]
        return self.server.wait_job(job["id"], "succeeded", "failed")

    def events(self, job):
        """The last state that the stream of an ended job tells."""
        text = self.server.request("GET", f"/v1/jobs/{job['id']}/events")[2].decode()
        states = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        return json.loads(states[-1])

    def client(self, *args):
        run = binary(*args, "--server", f"http://127.0.0.1:{self.server.port}")
        self.assertEqual(run.returncode, 0, run.stderr)
        return run

    def everywhere(self, model, job, at):
        """The warnings of a version, which are the same wherever they are shown."""
        found = job["warnings"]
        told = [w for w in found if w["code"] in told_codes()]
        path = f"/v1/models/{model}"
        self.assertEqual(self.ok(200, "GET", path)[1]["model"]["warnings"], found)
        for version in ("@default", str(job["version"])):
            self.assertEqual(self.ok(200, "GET", f"{path}/versions/{version}")[1]["warnings"], found)
            self.assertEqual(self.ok(200, "GET", f"{path}/versions/{version}/diagnostics")[1]["warnings"], found)
        self.assertEqual(self.events(job)["warnings"], found)
        rows = {j["id"]: j for j in self.ok(200, "GET", "/v1/jobs")[1]["jobs"]}
        self.assertEqual(rows[job["id"]]["warnings"], [{"code": w["code"]} for w in found])
        self.assertEqual(self.ok(200, "POST", path + "/predict", {"inputs": [at]})[1]["warnings"], told)
        head = self.ok(200, "POST", path + "/predict?return=mean", npy([at]),
                       {"Content-Type": "application/x-npy", "Accept": "application/x-npy"})[0]
        self.assertEqual(head.get("Surrogate-Warnings"), ", ".join(codes(told)) or None)
        self.on_screen(model, job, at, told)
        return {w["code"]: w["text"] for w in found}

    def on_screen(self, model, job, at, told):
        run = self.client("predict", model, "--at=" + ",".join(map(repr, at)))
        lines = [f"surrogated: version {job['version']}: {w['text']} ({w['code']})" for w in told]
        self.assertEqual(run.stderr.splitlines(), lines)
        self.assertEqual(len(run.stdout.splitlines()), 2)
        watched = self.client("watch", str(job["id"])).stderr.splitlines()
        self.assertEqual(watched[-len(job["warnings"]):] if job["warnings"] else watched,
                         [f"surrogated: version {job['version']}: {w['text']} ({w['code']})"
                          for w in job["warnings"]])
        listed = ", ".join(codes(job["warnings"]))
        for table in (self.client("jobs", "list", "--model", model).stdout,
                      self.client("models", "show", model).stdout):
            self.assertIn(listed, table)
        shown = self.client("models", "show", model, str(job["version"])).stdout
        for w in job["warnings"]:
            self.assertIn(w["text"], shown)

    def test_few_rows_and_columns_that_are_constant_are_told_by_name(self):
        x = [[i / 5, 7.5] for i in range(6)]
        y = [[math.sin(a), 1e-9, 4.0] for a, _ in x]
        self.upload("m", x, y, names={"inputs": ["time", "wall"], "outputs": ["heat", "leak", "cost"]})
        job = self.train("m", split={"validation": 0})
        texts = self.everywhere("m", job, [0.5, 7.5])
        self.assertEqual(list(texts), ["few_rows", "constant_input", "constant_output"])
        self.assertIn("6 rows train a model of 2 inputs", texts["few_rows"])
        self.assertIn('"wall" (7.5)', texts["constant_input"])
        self.assertIn('"leak" (1e-09), "cost" (4)', texts["constant_output"])
        # They stay with the version: after a restart, and in a document that is registered elsewhere.
        self.server.stop()
        self.server.start()
        self.assertEqual(self.everywhere("m", job, [0.5, 7.5]), texts)
        text = self.server.request("GET", "/v1/models/m/versions/@default/export")[2]
        self.ok(201, "PUT", "/v1/models/copy", text)
        answer = self.ok(200, "POST", "/v1/models/copy/predict", {"inputs": [[0.5, 7.5]], "return": ["mean", "std"]})[1]
        self.assertEqual({w["code"]: w["text"] for w in answer["warnings"]}, texts)
        self.assertEqual((answer["mean"][0][1:], answer["std"][0][1:]), ([1e-9, 4.0], [0, 0]))

    def test_poor_fits_and_outputs_over_decades_are_told(self):
        rng = random.Random(3)
        x = [[rng.random()] for _ in range(80)]
        y = [[rng.gauss(0, 1), 10 ** (6 * a)] for a, in x]
        self.upload("m", x, y)
        texts = self.everywhere("m", self.train("m", split={"validation": 0.2}), [0.5])
        self.assertIn("output 0 (", texts["poor_fit"])
        self.assertIn("of 2 outputs", texts["poor_fit"])
        self.assertIn("output 1 (", texts["try_log"])
        # A version without warnings says nothing.
        self.upload("good", x, [[2 * a] for a, in x])
        job = self.train("good", settings={"members": 2, "epochs": 300})
        self.assertEqual(self.everywhere("good", job, [x[0][0]]), {})

    def test_chains_that_have_not_mixed_are_told(self):
        rng = random.Random(4)
        x = [[rng.random()] for _ in range(40)]
        self.upload("m", x, [[math.sin(6 * a)] for a, in x])
        job = self.train("m", solver="mala", settings={"chains": 3, "warmup": 5, "draws": 6})
        texts = self.everywhere("m", job, [0.5])
        self.assertIn("rhat_predictions", texts)

    def test_members_that_diverge_are_left_out_and_told_and_when_all_do_the_job_fails(self):
        rng = random.Random(5)
        x = [[rng.random()] for _ in range(60)]
        self.upload("m", x, [[math.sin(6 * a)] for a, in x])
        wild = {"optimizer": {"name": "sgd", "learning_rate": 1000}}
        job = self.train("m", **wild)
        self.assertEqual(job["state"], "failed")
        self.assertRegex(job["message"], "all 2 members diverged.*learning_rate")
        self.assertEqual(job["warnings"], [])
        self.assertEqual(self.client("jobs", "list").stdout.count("all 2 members diverged"), 1)


if __name__ == "__main__":
    unittest.main()
