# SPDX-License-Identifier: Apache-2.0
"""Client commands from rows to predictions, and those that queue, follow and end jobs."""

import csv
import io
import json
import random
import re
import signal
import subprocess
import time
import unittest

from client_harness import LONG, SHORT, ClientTest, Terminal, as_csv, state, waiting, without_warnings
from harness import BINARY, PATIENCE, npy, rows


class Road(ClientTest):
    def test_from_rows_to_predictions_that_equal_those_of_http_bit_for_bit(self):
        data = rows(90)
        out = self.good("data", "heat", "append", self.path("rows.csv", as_csv(data)), "--outputs", "1")
        self.assertRegex(out, r"rows\.csv: 90 rows appended as batch 1, 90 in all\n$")
        self.assertRegex(self.good("data", "heat"), r"(?m)^rows +90$")
        out = self.good("train", "heat", *SHORT, "--wait")
        # The job may be over before it is looked at.
        self.assertRegex(out, r"^(job 1 of heat: .*\n)*job 1 succeeded in .*: version 1 of heat\n$")
        self.assertNotIn("\r", out)
        settings = self.get("/v1/models/heat/versions/1")["settings"]
        self.assertEqual((settings["solver"], settings["settings"]["epochs"], settings["seed"]),
                         ("ensemble", 20, 1))
        # 5001 rows: more than the client sends in one piece.
        rng = random.Random(3)
        points = [[rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)] for _ in range(5001)]
        table = self.good("predict", "heat", "-", "--return", "mean,std,total_variance",
                          "--quantiles", "0.05,0.95", "--total_quantiles", "0.9",
                          input="a,b\r\n" + "".join(f'"{a!r}", {b!r}\r\n' for a, b in points))
        found = list(csv.DictReader(io.StringIO(table)))
        answer = self.ok(200, "POST", "/predict",
                         {"model": "heat", "inputs": points, "return": ["mean", "std", "total_variance"],
                          "quantiles": [0.05, 0.95], "total_quantiles": [0.9]})[1]
        self.assertEqual(len(found), 5001)
        for key in ("mean", "std", "total_variance"):
            self.assertEqual([[float(row[key])] for row in found], answer[key])
        for key, values in zip(("q0.05", "q0.95"), answer["quantiles"]["values"]):
            self.assertEqual([[float(row[key])] for row in found], values)
        self.assertEqual([[float(row["total_q0.9"])] for row in found],
                         answer["total_quantiles"]["values"][0])
        self.assertEqual(list(found[0]), ["mean", "std", "total_variance", "q0.05", "q0.95", "total_q0.9"])
        # The same rows as npy and as JSON.
        again = self.good("predict", "heat", self.path("x.npy", npy(points)), "--return",
                          "mean,std,total_variance", "--quantiles", "0.05,0.95", "--total_quantiles", "0.9")
        self.assertEqual(again, table)
        again = self.good("predict", "heat", self.path("x.json", json.dumps(points)), "--return",
                          "mean,std,total_variance", "--quantiles", "0.05,0.95", "--total_quantiles", "0.9")
        self.assertEqual(again, table)
        # One row; a whole request; the server's JSON.
        one = self.good("predict", "heat", f"--at={points[0][0]!r},{points[0][1]!r}", "--return", "mean")
        self.assertEqual(one.splitlines(), ["mean", found[0]["mean"]])
        request = self.path("request.json", json.dumps({"inputs": points[:2], "return": ["mean"]}))
        self.assertEqual(self.good("predict", "heat", request).splitlines(),
                         ["mean", found[0]["mean"], found[1]["mean"]])
        raw = self.good("predict", "heat", request, "--json")
        self.assertEqual(json.loads(raw), {**json.loads(raw), "mean": answer["mean"][:2], "draws": 2})
        self.assertEqual(raw.count("\n"), 1)

    def test_jobs_are_listed_shown_and_cancelled(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        out = self.good("train", "m", *LONG)
        self.assertRegex(out, "^job 1 of m is (queued|running); `surrogated watch 1` follows it\n$")
        self.server.wait_job(1, "running")
        self.assertRegex(self.good("jobs"), r"^ID  MODEL +STATE .*\n 1  m +running ")
        self.assertEqual(self.good("jobs", "list", "--model", "other").count("\n"), 1)
        self.assertRegex(self.good("jobs", "show", "1"), r"(?m)^state +running$")
        watch = subprocess.Popen([BINARY, "watch", "1"], env=self.env, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertRegex(watch.stdout.readline(), "^job 1 of m: running, ")
        self.assertIn("job 1", self.good("jobs", "cancel", "1"))
        out, err = watch.communicate(timeout=PATIENCE)
        self.assertEqual((watch.returncode, err), (1, "surrogated: job 1 was cancelled\n"))
        self.bad(1, "job 1", "jobs", "cancel", "1")
        self.bad(1, "there is no job 99", "jobs", "show", "99")
        self.assertEqual(json.loads(self.good("jobs", "--json")), self.get("/v1/jobs"))

    def test_a_failed_job_is_exit_status_1_with_its_reason(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(30))
        done = self.bad(1, "job 1 failed: ", "train", "m", "--solver", "ensemble", "--wait",
                        "--set", "optimizer.name=sgd", "optimizer.learning_rate=900",
                        "optimizer.schedule.name=constant", "architecture.activation=identity")
        self.assertIn("learning_rate", done.stderr)
        done = self.run_client("watch", "1", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["state"]), (1, "failed"))

    def test_a_version_that_is_not_promoted_is_exit_status_4_with_its_reason(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(60))
        good = ("--solver", "ensemble", "--set", "epochs=60", "members=1", "seed=1", "--wait")
        bad = ("--solver", "ensemble", "--set", "epochs=1", "members=1", "optimizer.learning_rate=1e-9", "--wait")
        self.good("train", "m", *good)
        done = self.bad(4, "version 2 was not promoted: fewer than 10 known rows trained neither, too few to be fair; each ", "train", "m", *bad)
        self.assertEqual(without_warnings(done.stderr).count("\n"), 1)
        self.assertRegex(done.stdout, r"(?m)^job 2 succeeded in .*: version 2 of m\n$")
        self.bad(4, "version 2 was not promoted: fewer than 10 known rows trained neither, too few to be fair; each ", "watch", "2")
        done = self.bad(4, "version 2 was not promoted: fewer than 10 known rows trained neither, too few to be fair; each ", "watch", "2", "--json")
        self.assertEqual(json.loads(done.stdout)["promoted"], False)
        # What was asked for is no refusal.
        out = self.good("train", "m", *bad[:-1], "promote=false", "seed=3", "gate=null", "--wait")
        self.assertIn("\nversion 3 was not promoted: the request has \"promote\": false\n", out)
        self.assertEqual(self.get("/v1/models/m")["model"]["default_version"], 1)
        # Of one that is promoted the rows are told.
        self.ok(201, "POST", "/v1/models/m/data", rows(60, seed=2))
        out = self.good("train", "m", *good[:4], "members=2", "gate.max_increase=100", "--wait")
        self.assertIn("\ncompared with version 1 on 12 rows that trained neither, 6 of which came after "
                      "version 1: rmse ", out)
        self.assertRegex(self.good("models", "history", "m"), r"job 4 +12 rows that trained neither, 6 of")
        self.assertEqual([line.split()[3] for line in self.good("models", "show", "m").splitlines()],
                         ["SOLVER"] + 4 * ["ensemble"])
        for command in ("train", "watch"):
            self.assertIn("4 the job succeeded, but its version was not promoted", self.good(command, "--help"))

    def test_ctrl_c_leaves_the_job_running_or_cancels_it_when_asked(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        for more, state, word in (((), "running", "job 1 goes on"),
                                  (("--cancel-on-interrupt",), "cancelled", "job 1 is cancelled")):
            args = ("train", "m", *LONG, "--wait") if not more else ("watch", "1", *more)
            client = subprocess.Popen([BINARY, *args], env=self.env, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in iter(client.stdout.readline, ""):
                if "running" in line:
                    break
            client.send_signal(signal.SIGINT)
            out, err = client.communicate(timeout=PATIENCE)
            self.assertEqual(client.returncode, 130, err)
            self.assertIn(word, err)
            self.server.wait_job(1, state)

    def test_ctrl_c_ends_a_command_that_waits_for_its_input(self):
        for args, before in ((("predict", "m", "-"), b"a,b,"), (("predict", "m", "-"), b"1,2\n1"),
                             (("predict", "m", "-", "--format", "json"), b" "),
                             (("data", "m", "append", "-"), b"1,2"), (("models", "put", "m", "-"), b"{"),
                             (("train", "m", "--request", "-"), b"{"), (("evaluate", "m", "-"), b"1,2\n")):
            with self.subTest(args=args, before=before):
                client = subprocess.Popen([BINARY, *args], env=self.env, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.addCleanup(client.kill)
                client.stdin.write(before)
                client.stdin.flush()
                # What was written is read, so Ctrl-C is caught; asleep it waits for more.
                while client.poll() is None and (waiting(client.stdin) or state(client.pid) != "S"):
                    time.sleep(0.01)
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(PATIENCE), 130, client.stderr.read())
                for stream in (client.stdin, client.stdout, client.stderr):
                    stream.close()

    def test_a_request_comes_from_a_file_and_is_changed_by_settings(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        request = self.path("r.json", json.dumps({"solver": "ensemble", "seed": 3,
                                                  "settings": {"epochs": 5, "members": 3}}))
        self.good("train", "m", "--request", request, "--set", "members=2", "--set",
                  "architecture.width=6", "optimizer.name=sgd", "--wait")
        settings = self.get("/v1/models/m/versions/1")["settings"]
        self.assertEqual((settings["seed"], settings["settings"]["members"], settings["settings"]["epochs"],
                          settings["architecture"]["width"], settings["optimizer"]["name"]),
                         (3, 2, 5, 6, "sgd"))
        # Without anything: as the default version was trained, so the same version.
        self.assertRegex(self.good("train", "m", "--wait"), "version 1 of m\n$")
        out = json.loads(self.good("train", "m", "--request", "-", "--json",
                                   input='{"solver":"ensemble","settings":{"epochs":1}}'))
        self.assertEqual(out["id"], 3)
        self.bad(2, "line 1", "train", "m", "--request", "-", input="{")
        self.bad(2, "not a JSON object", "train", "m", "--request", "-", input="[]")
        self.bad(2, "NAME=VALUE", "train", "m", "--set", "epochs")
        self.bad(1, "widht", "train", "m", "--solver", "ensemble", "--set", "architecture.widht=3")
        self.bad(1, "seed", "train", "m", "--solver", "ensemble", "--set", "seed=often")


    def test_parts_of_a_request_are_set_by_their_names(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        out = json.loads(self.good("train", "m", "--solver", "ensemble", "--json", "--set", "epochs=2", "prior=null",
                                   'limits={"seconds":600}', "noise.kind=learned", "gate=null", "priority=3",
                                   'settings={"epochs":3}', "members=2"))
        request = out["request"]
        self.assertEqual((request["prior"], request["limits"]["seconds"], request["noise"]["kind"], request["gate"],
                          out["priority"], request["settings"]["epochs"], request["settings"]["members"]),
                         (None, 600, "learned", None, 3, 3, 2))
        self.bad(2, "is not UTF-8", "train", "m", "--set", b"\xff=1")

    def test_jobs_have_filters_and_curves_and_versions_diagnostics(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        self.good("train", "m", *SHORT, "--wait")
        self.good("train", "m", *SHORT, "seed=2", "gate=null", "--wait")
        found = list(csv.DictReader(io.StringIO(self.good("jobs", "curves", "2"))))
        expected = [{"member": m["member"], "step": m["step"][i], "loss": m["loss"][i],
                     "validation_loss": m["validation_loss"][i]}
                    for m in self.get("/v1/jobs/2/curves")["members"] for i in range(len(m["step"]))]
        self.assertGreater(len(expected), 2)
        self.assertEqual([{k: float(v) for k, v in row.items()} for row in found], expected)
        self.assertEqual([line.split()[0] for line in self.good("jobs", "--limit", "1").splitlines()], ["ID", "2"])
        self.assertEqual(self.good("jobs", "--model", "m", "--state", "failed").count("\n"), 1)
        self.bad(1, "limit", "jobs", "--limit", "0")
        for version in (1, 2):
            self.assertRegex(self.good("diagnostics", "m", str(version)), rf"(?m)^version +{version}$")

    def test_a_watch_whose_reader_goes_away_does_not_wait_for_the_job(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        self.good("train", "m", *LONG)
        client = subprocess.Popen([BINARY, "watch", "1"], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.assertIn(b"job 1 of m: ", client.stdout.readline())
        client.stdout.close()
        self.assertEqual((client.wait(PATIENCE), client.stderr.read()), (1, b""))
        client.stderr.close()
        self.assertIn(self.get("/v1/jobs/1")["state"], ("queued", "running"))
        self.good("jobs", "cancel", "1")


class Bar(ClientTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "POST", "/v1/models/m/data", rows(80))

    def watch(self, *args, **more):
        return Terminal(*args, SURROGATED_SERVER=self.address, **more)

    def test_a_job_that_trains_ends_with_a_line_in_the_place_of_the_bar(self):
        terminal = self.watch("train", "m", *SHORT, "--wait", width=60)
        self.assertEqual(terminal.wait(), 0)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
        self.assertRegex(plain, r"(^|\r)job 1 succeeded in [^\r\n]*: version 1 of m\r\n$")

    def test_no_color_means_plain_tables(self):
        table = self.watch("models", NO_COLOR="1")
        self.assertEqual(table.wait(), 0)
        self.assertNotIn("\x1b", table.text)
        bold = self.watch("models")
        self.assertEqual(bold.wait(), 0)
        self.assertIn("\x1b[1mNAME", bold.text)

    def test_ctrl_c_typed_at_the_terminal_leaves_the_job(self):
        terminal = self.watch("train", "m", *LONG, "--wait")
        terminal.read_until(r"m .*\[.*member \d/4")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130)
        self.assertIn("job 1 goes on: `surrogated watch 1` follows it", terminal.text)
        self.assertEqual(self.get("/v1/jobs/1")["state"], "running")
        self.ok(202, "DELETE", "/v1/jobs/1")

    def test_the_last_column_of_a_table_is_cut_to_the_terminal(self):
        job = self.ok(202, "POST", "/v1/models/m/train",
                      {"solver": "ensemble", "architecture": {"activation": "identity"},
                       "optimizer": {"name": "sgd", "learning_rate": 900,
                                     "schedule": {"name": "constant"}}})[1]["id"]
        message = self.server.wait_job(job, "failed")["message"]
        terminal = self.watch("jobs", width=70)
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("\u2026", terminal.text)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
        self.assertEqual(max(map(len, plain.splitlines())), 70)
        self.assertIn(message, self.good("jobs"))

if __name__ == "__main__":
    unittest.main()
