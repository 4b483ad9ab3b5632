# SPDX-License-Identifier: Apache-2.0
"""
Runs that failed and rows that miss outputs: uploaded in each format, described, exported and taken
again, trained on, predicted, scored, and there after a restart.
"""

import contextlib
import gzip
import json
import math
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import unittest

from harness import BINARY, Server, ServerTest

CSV = {"Content-Type": "text/csv"}
NPY = {"Content-Type": "application/x-npy"}
NAN = struct.pack("<d", float("nan"))
OTHER_NAN = bytes.fromhex("010000000000f8ff")  # negative, with a payload
SMALL = {"architecture": {"width": 6, "layers": 1}, "seed": 1, "gate": None}
ENSEMBLE = {"solver": "ensemble", "settings": {"members": 3, "epochs": 60}, **SMALL}
ALLOW = "missing=allow"


def npy(rows, nan=NAN):
    """A .npy of these rows; None is a NaN of these bytes."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    body = b"".join(nan if v is None else struct.pack("<d", v) for row in rows for v in row)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + body


def simulate(n, seed):
    """Rows of two inputs and two outputs: runs fail where the first input is high, and the second
    output is missing in some of the others."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        a, b = rng.uniform(-1, 1), rng.uniform(-1, 1)
        failed = a > 0.5
        rows.append(([a, b], [None if failed else a * b, None if failed or i % 3 == 0 else a - b]))
    return {"inputs": [x for x, _ in rows], "outputs": [y for _, y in rows]}


class Holes(ServerTest):
    """All tests of a class share a server; each takes a model of its own."""

    number = 0

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.server = Server(cls.folder).start()
        cls.addClassCleanup(cls.end, cls)  # also when a test has broken it

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        assert code == 0, cls.server.log_text()[-4000:]

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def path(self):
        Holes.number += 1
        return f"/v1/models/h{Holes.number}"

    def rows(self, path):
        stored = self.ok(200, "GET", path + "/data/rows")[1]
        return [x + y for x, y in zip(stored["inputs"], stored["outputs"])]

    def upload(self, body, query="outputs=2", headers=None):
        """Into a model of its own; the answer and the rows that are stored."""
        path = self.path()
        answer = self.ok(201, "POST", f"{path}/data?{query}", body, headers)[1]
        return answer, self.rows(path)

    def refused(self, words, body, query="outputs=2", headers=None, status=400):
        answer = self.ok(status, "POST", f"{self.path()}/data?{query}", body, headers)[1]
        for word in words:
            self.assertIn(word, answer["detail"])
        return answer

    def train(self, path, **request):
        job = self.ok(202, "POST", path + "/train", {**ENSEMBLE, **request})[1]
        done = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual(done["state"], "succeeded", done)
        return done


class Uploads(Holes):
    def test_null_is_data(self):
        path = self.path()
        body = {"inputs": [[1], [2], [3]], "outputs": [[1, 2], [None, None], [3, None]]}
        answer = self.ok(201, "POST", path + "/data", body)[1]
        self.assertEqual((answer["rows"], answer["failed_rows"], answer["missing_values"]), (3, 1, 1))
        self.assertEqual(self.rows(path), [[1, 1, 2], [2, None, None], [3, 3, None]])
        about = self.ok(200, "GET", path + "/data")[1]
        self.assertEqual((about["rows"], about["failed_rows"]), (3, 1))
        self.assertEqual([c.get("missing") for c in about["columns"]], [None, 1, 2])
        first, second = about["columns"][1:]
        self.assertEqual((first["mean"], first["min"], first["max"]), (2, 1, 3))
        self.assertEqual((second["mean"], second["std"], second["quartiles"]), (2, 0, [2, 2, 2]))

    def test_an_output_without_values_has_no_statistics(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", {"inputs": [[1], [2]], "outputs": [[1, None], [2, None]]})
        column = self.ok(200, "GET", path + "/data")[1]["columns"][2]
        self.assertEqual(column, {"output": 1, "missing": 2, "mean": None, "std": None, "min": None,
                                  "max": None, "quartiles": [None] * 3})
        self.ok(201, "POST", path + "/data", {"inputs": [[3]], "outputs": [[None, 5]]})
        column = self.ok(200, "GET", path + "/data")[1]["columns"][2]
        self.assertEqual((column["missing"], column["mean"], column["min"]), (2, 5, 5))

    def test_status_says_how_runs_ended(self):
        body = {"inputs": [[1], [2], [3]], "outputs": [[1], [-999], [None]],
                "status": ["ok", "failed", "failed"]}
        answer, rows = self.upload(body, "")
        self.assertEqual((answer["failed_rows"], answer["discarded_values"]), (2, 1))
        self.assertEqual(rows, [[1, 1], [2, None], [3, None]])

    def test_a_run_that_failed_is_not_left_out(self):
        body = {"inputs": [[1], [2], [3]], "outputs": [[1], [None], [None]], "status": ["ok", "failed", "ok"]}
        answer, rows = self.upload(body, "on_nonfinite=skip")
        self.assertEqual((rows, answer["nonfinite"]["rows"]), ([[1, 1], [2, None]], [2]))
        body["status"][2] = "failed"
        self.assertEqual(self.upload(body, "missing=refuse")[0]["failed_rows"], 2)

    def test_status_is_checked(self):
        two = {"inputs": [[1], [2]], "outputs": [[1], [None]]}
        for status, words in ((["ok"], ["status has 1 word, inputs has 2 rows"]),
                              (["ok", "faild"], ["status: row 1", '"faild"', "did you mean failed?"]),
                              (["ok", None], ["status: row 1 is null"]), ("ok", ["status is a string"]),
                              (["ok", 1], ["status: row 1 is a number"]),
                              (["ok", "ok"], ["status: row 1", "a run without any output is"])):
            with self.subTest(status):
                self.refused(words, {**two, "status": status}, "")

    def test_missing_inputs_are_never_taken(self):
        for query in ("", "?" + ALLOW):
            answer = self.ok(400, "POST", self.path() + "/data" + query,
                             {"inputs": [[1], [None]], "outputs": [[3], [None]]})[1]
            self.assertIn("inputs: row 1, column 0 is null", answer["detail"])
            self.assertNotIn("missing=allow", answer["detail"])
        self.refused(['line 2, column "x" is missing'], "x,y\n,2\n", "outputs=1&" + ALLOW, CSV)
        self.refused(["line 1, column 2 is not a finite number"], "1,inf\n", "outputs=1&" + ALLOW, CSV)
        self.refused(["row 0, column 0 is nan"], npy([[None, 1]]), "outputs=1&" + ALLOW, NPY)

    def test_null_is_refused_or_left_out_where_the_query_says_so(self):
        body = {"inputs": [[1], [2]], "outputs": [[1], [None]]}
        self.refused(["outputs: row 1, column 0 is null", "?missing=allow", "?on_nonfinite=skip"], body,
                     "missing=refuse")
        answer, rows = self.upload(body, "on_nonfinite=skip")
        self.assertEqual((rows, answer["nonfinite"]["rows"]), ([[1, 1]], [1]))
        body["inputs"].append([None])
        body["outputs"].append([4])
        answer, rows = self.upload(body, "on_nonfinite=skip&" + ALLOW)
        self.assertEqual((rows, answer["nonfinite"]), ([[1, 1], [2, None]], {"count": 1, "rows": [2]}))
        self.refused(['missing is "alow"'], body, "missing=alow")

    def test_all_rows_left_out_are_listed(self):
        body = "x,y,z\n1,2,3\n,5,6\n7,inf,8\n9,,1\n3,nan,\n"
        answer, rows = self.upload(body, "outputs=2&on_nonfinite=skip&" + ALLOW, CSV)
        self.assertEqual(answer["nonfinite"], {"count": 2, "rows": [1, 2], "lines": [3, 4]})
        self.assertEqual(rows, [[1, 2, 3], [9, None, 1], [3, None, None]])
        self.assertEqual((answer["failed_rows"], answer["missing_values"]), (1, 1))

    def test_empty_fields_need_a_word(self):
        body = "x,y,z\n1,2,3\n4,,6\n7,NA,\n"
        self.refused(['line 3, column "y" is missing (also line 4)', "?missing=allow stores what is there",
                      "?on_nonfinite=skip leaves such rows out"], body, headers=CSV)
        answer, rows = self.upload(body, "outputs=2&" + ALLOW, CSV)
        self.assertEqual(rows, [[1, 2, 3], [4, None, 6], [7, None, None]])
        self.assertEqual((answer["failed_rows"], answer["missing_values"]), (1, 1))

    def test_a_column_status_says_how_runs_ended(self):
        body = "x,Status,y,z\n1,ok,2,3\n4,failed,0,\n7,\"failed\",,\n"
        answer, rows = self.upload(body, headers=CSV)
        self.assertEqual(rows, [[1, 2, 3], [4, None, None], [7, None, None]])
        self.assertEqual((answer["failed_rows"], answer["discarded_values"]), (2, 1))
        self.assertEqual(answer["table"]["status"], "present")
        self.assertEqual(answer["names"], {"inputs": ["x"], "outputs": ["y", "z"]})

    def test_a_column_status_is_checked(self):
        for body, words in (("x,y,status\n1,2,ok\n1,2,fialed\n",
                             ['line 3, column "status" is "fialed", ok or failed', "did you mean failed?"]),
                            ("x,y,status\n1,2,ok\n1,2,\n", ['line 3, column "status" is missing']),
                            ("x,y,status\n1,2,0\n", ['line 2, column "status" is "0", ok or failed']),
                            ("x,y,status\n1,,ok\n", ['line 2, column "y" is missing']),
                            ("status\nok\n", ["cannot hold"])):
            with self.subTest(body):
                self.refused(words, body, "outputs=1", CSV)
        self.refused(['line 3, column "status"', "a run without any output is"],
                     "x,y,status\n1,2,ok\n1,,ok\n", "outputs=1&" + ALLOW, CSV)

    def test_a_column_of_the_model_is_no_status(self):
        path = self.path()
        space = {"inputs": ["x", "status"], "outputs": ["y"]}
        self.ok(200, "PUT", path + "/space", space)
        self.ok(201, "POST", path + "/data", "y,status,x\n1,2,3\n", CSV)
        self.assertEqual(self.rows(path), [[3, 2, 1]])

    def test_status_beside_categories_and_other_orders(self):
        path = self.path()
        space = {"inputs": [{"name": "mesh", "type": "category", "values": ["coarse", "fine"]}, "k"],
                 "outputs": ["T"]}
        self.ok(200, "PUT", path + "/space", space)
        self.ok(201, "POST", path + "/data", "status,T,k,mesh\nfailed,,1,fine\nok,5,2,coarse\n", CSV)
        self.assertEqual(self.rows(path), [["fine", 1, None], ["coarse", 2, 5]])

    def test_npy(self):
        rows = [[1, 2, 3], [4, None, 6], [7, None, None]]
        self.refused(["row 1, column 1 is nan (as in 1 row more)", "?missing=allow"], npy(rows), headers=NPY)
        answer, stored = self.upload(npy(rows), "outputs=2&" + ALLOW, NPY)
        self.assertEqual(stored, rows)
        self.assertEqual((answer["failed_rows"], answer["missing_values"]), (1, 1))
        answer, stored = self.upload(npy(rows), "outputs=2&on_nonfinite=skip", NPY)
        self.assertEqual((stored, answer["nonfinite"]["rows"]), ([[1, 2, 3]], [1, 2]))

    def test_missing_values_are_the_same_whatever_wrote_them(self):
        path = self.path()
        rows = [[1, 2, None], [4, None, None]]
        self.ok(201, "POST", f"{path}/data?outputs=2&{ALLOW}", npy(rows, OTHER_NAN), NPY)
        for body, headers in ((npy(rows), NPY), ("1,2,\n4,nan,NA\n", CSV),
                              ({"inputs": [[1], [4]], "outputs": [[2, None], [None, None]]}, None)):
            answer = self.ok(200, "POST", f"{path}/data?outputs=2&{ALLOW}&on_duplicate=skip", body,
                             headers)[1]
            self.assertEqual((answer["rows"], answer["failed_rows"], answer["duplicates"]["count"]), (0, 0, 2))

    def test_outliers_pass_over_what_is_missing(self):
        path = self.path()
        body = {"inputs": [[i] for i in range(60)], "outputs": [[i % 7] for i in range(60)]}
        self.ok(201, "POST", path + "/data", body)
        body = {"inputs": [[60], [61], [62]], "outputs": [[None], [1e9], [3]]}
        outliers = self.ok(201, "POST", path + "/data", body)[1]["outliers"]
        self.assertEqual([(o["row"], o["value"]) for o in outliers["values"]], [(1, 1e9)])

    def test_a_repeated_upload_tells_the_same(self):
        path = self.path()
        body = {"inputs": [[1], [2]], "outputs": [[1], [5]], "status": ["ok", "failed"]}
        first = self.ok(201, "POST", path + "/data", body, {"Idempotency-Key": "k"})[1]
        again = self.ok(201, "POST", path + "/data", body, {"Idempotency-Key": "k"})[1]
        self.assertTrue(again.pop("repeated"))
        self.assertEqual((first["failed_rows"], first["discarded_values"]), (1, 1))
        self.assertEqual([again[k] for k in ("failed_rows", "missing_values", "discarded_values")],
                         [first[k] for k in ("failed_rows", "missing_values", "discarded_values")])
        other = self.server.request("POST", path + "/data?missing=refuse", body, {"Idempotency-Key": "k"})
        self.assertEqual(other[0], 422)


class Stored(Holes):
    def test_each_export_can_be_taken_again(self):
        path = self.path()
        body = {"inputs": [[1], [2], [0.1]], "outputs": [[1, 2], [None, None], [3e300, None]]}
        self.ok(201, "POST", path + "/data", body)
        rows = self.rows(path)
        for kind, headers in (("csv", {"Content-Type": "text/csv; header=present"}), ("npy", NPY),
                              ("npz", {"Content-Type": "application/x-npz"}), ("json", None)):
            with self.subTest(kind):
                text = self.server.request("GET", f"{path}/data/rows?format={kind}")[2]
                answer, again = self.upload(text, "outputs=2&" + ALLOW, headers)
                self.assertEqual(again, rows)
                self.assertEqual((answer["failed_rows"], answer["missing_values"]), (1, 1))
                self.ok(200, "POST", f"{path}/data?outputs=2&{ALLOW}&on_duplicate=skip", text, headers)

    def test_deleted_batches_leave_right_counts(self):
        path = self.path()
        for outputs in ([[1, None], [None, None]], [[None, None], [None, 4]], [[5, 6]]):
            body = {"inputs": [[i] for i in range(len(outputs))], "outputs": outputs}
            last = self.ok(201, "POST", path + "/data", body)[1]["batch"]
        about = self.ok(200, "GET", path + "/data")[1]
        self.assertEqual((about["failed_rows"], [c["missing"] for c in about["columns"][1:]]), (2, [3, 3]))
        self.ok(200, "DELETE", f"{path}/data/batches/{last - 1}")
        about = self.ok(200, "GET", path + "/data")[1]
        self.assertEqual((about["rows"], about["failed_rows"]), (3, 1))
        self.assertEqual([c["missing"] for c in about["columns"][1:]], [1, 2])
        self.assertEqual(about["columns"][1]["mean"], 3)
        self.ok(200, "DELETE", path + "/data")
        self.assertEqual(self.ok(200, "GET", path + "/data")[1]["failed_rows"], 0)

    def test_check_and_backup(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", simulate(50, 2))
        copy = os.path.join(self.folder, "copy.db")
        for args in (["check", "--db", self.server.db], ["backup", "--db", self.server.db, "--to", copy], ["check", "--db", copy]):
            done = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Trained(Holes):
    trained = "/v1/models/trained"

    def version(self):
        """A version that was trained on failed runs, once for all tests."""
        if self.server.request("GET", self.trained)[0] != 200:
            self.ok(201, "POST", self.trained + "/data", simulate(240, 1))
            self.train(self.trained)
        return self.trained

    def test_the_description_tells_what_was_learnt(self):
        about = self.ok(200, "GET", self.version() + "/versions/1")[1]
        learnt = about["feasible"]
        self.assertEqual(learnt["solver"], "ensemble")
        self.assertGreater(learnt["train_failed"], 10)
        self.assertLess(learnt["log_loss"], 0.4)
        self.assertGreater(learnt["auc"], 0.9)
        self.assertEqual(len(about["scores"]["counts"]), 2)
        report = self.ok(200, "GET", self.trained + "/versions/1/diagnostics")[1]
        self.assertIn("train.output_rows", json.dumps(report))

    def test_predictions_tell_whether_a_run_succeeds(self):
        path = self.version()
        ask = {"inputs": [[-0.5, 0.2], [0.9, 0.2]], "return": ["mean", "feasible"]}
        answer = self.ok(200, "POST", path + "/predict", ask)[1]
        good, bad = answer["feasible"]["mean"]
        self.assertGreater(good, 0.8)
        self.assertLess(bad, 0.2)
        self.assertTrue(all(0 < s < 0.5 for s in answer["feasible"]["std"]))
        self.assertLess(abs(answer["mean"][0][0] + 0.1), 0.2)
        data = self.server.request("POST", path + "/predict", {**ask, "return": ["feasible"]},
                                   {"Accept": "application/x-npy"})[2]
        self.assertEqual(struct.unpack("<4d", data[-32:]),
                         (*answer["feasible"]["mean"], *answer["feasible"]["std"]))
        out = self.client("predict", "trained", "--at", "0.9,0.2", "--return", "feasible")[1]
        head, row = (line.split(",") for line in out.splitlines())
        self.assertEqual(head, ["feasible_mean", "feasible_std"])
        self.assertAlmostEqual(float(row[0]), bad, places=12)

    def client(self, *args, status=0, **more):
        done = subprocess.run([BINARY, *args, "--server", f"http://127.0.0.1:{self.server.port}"],
                              capture_output=True, text=True, timeout=300, check=False, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.returncode, done.stdout, done.stderr

    def test_evaluations_use_what_is_there(self):
        path = self.version()
        fresh = simulate(60, 3)
        answer = self.ok(200, "POST", path + "/evaluate", fresh)[1]
        failed = sum(y == [None, None] for y in fresh["outputs"])
        self.assertEqual((answer["rows"], answer["failed_rows"]), (60 - failed, failed))
        for j, output in enumerate(answer["outputs"]):
            there = [i for i, y in enumerate(fresh["outputs"]) if y[j] is not None]
            means = self.ok(200, "POST", path + "/predict", {"inputs": fresh["inputs"]})[1]["mean"]
            squares = [(means[i][j] - fresh["outputs"][i][j]) ** 2 for i in there]
            self.assertEqual(output["rows"], len(there))
            self.assertAlmostEqual(output["rmse"], math.sqrt(sum(squares) / len(there)), places=12)
        feasible = answer["feasible"]
        self.assertEqual((feasible["rows"], feasible["failed"]), (60, failed))
        self.assert_feasible_scores(path, fresh, feasible)

    def assert_feasible_scores(self, path, fresh, feasible):
        """Log loss and AUC of the probabilities, by their definitions."""
        p = self.ok(200, "POST", path + "/predict",
                    {"inputs": fresh["inputs"], "return": ["feasible"]})[1]["feasible"]["mean"]
        bad = [y == [None, None] for y in fresh["outputs"]]
        loss = -sum(math.log(1 - q if b else q) for q, b in zip(p, bad)) / len(p)
        pairs = [(g > b) + 0.5 * (g == b) for g, f in zip(p, bad) if not f for b, e in zip(p, bad) if e]
        self.assertAlmostEqual(feasible["log_loss"], loss, places=10)
        self.assertAlmostEqual(feasible["auc"], sum(pairs) / len(pairs), places=12)

    def test_evaluations_by_status_and_by_table_are_the_same(self):
        path = self.version()
        fresh = simulate(30, 4)
        answer = self.ok(200, "POST", path + "/evaluate", fresh)[1]
        status = ["failed" if y == [None, None] else "ok" for y in fresh["outputs"]]
        filled = [[-1, -1] if s == "failed" else y for y, s in zip(fresh["outputs"], status)]
        same = self.ok(200, "POST", path + "/evaluate", {**fresh, "outputs": filled, "status": status})[1]
        self.assertEqual(same, answer)
        text = "a,b,y,z\n" + "".join(
            ",".join("" if v is None else repr(v) for v in x + y) + "\n"
            for x, y in zip(fresh["inputs"], fresh["outputs"]))
        self.assertEqual(self.ok(200, "POST", f"{path}/evaluate?{ALLOW}", text, CSV)[1], answer)
        refused = self.ok(400, "POST", path + "/evaluate", text, CSV)[1]
        self.assertIn("?missing=allow scores what is there", refused["detail"])
        out = self.client("evaluate", "trained", "-", "--missing", input=text)[1]
        self.assertIn("P(run succeeds): log loss", out)
        self.assertIn("crps", self.client("models", "compare", "trained", "1", "1", "-", "--missing", input=text)[1].lower())
        both = {"versions": [1, 1], **fresh}
        compared = self.ok(200, "POST", path + "/compare", both)[1]["versions"]
        self.assertEqual([v["feasible"] for v in compared], [answer["feasible"]] * 2)
        self.assertEqual(compared[1]["difference"]["squared_error"]["mean"], 0)
        compared = self.ok(200, "POST", path + "/compare", {"versions": [1, 1], "data": {"limit": 90}})[1]
        self.assertEqual([v["rows"] + v["failed_rows"] for v in compared["versions"]], [90, 90])

    def test_runs_that_ended_alike_have_no_auc(self):
        path = self.version()
        ask = {"inputs": [[0, 0], [0.1, 0]], "outputs": [[0, 0], [None, 0.1]]}
        answer = self.ok(200, "POST", path + "/evaluate", ask)[1]
        self.assertEqual((answer["feasible"]["auc"], answer["feasible"]["reason"]),
                         (None, "none of these runs failed"))
        self.assertGreater(answer["feasible"]["log_loss"], 0)
        answer = self.ok(200, "POST", path + "/evaluate",
                         {"inputs": [[0.9, 0], [0.8, 0]], "outputs": [[None] * 2] * 2})[1]
        self.assertEqual((answer["rows"], answer["failed_rows"], answer["relative_error"]), (0, 2, None))
        self.assertEqual(answer["feasible"]["reason"], "all of these runs failed")
        self.assertIsNone(answer["outputs"][0]["rmse"])

    def test_means_pass_over_outputs_without_rows(self):
        path = self.version()
        ask = {"inputs": [[0, 0], [0.1, 0]], "outputs": [[0.1, None], [0, None]]}
        answer = self.ok(200, "POST", path + "/evaluate", ask)[1]
        first, second = answer["outputs"]
        self.assertEqual((second["rows"], second["rmse"], second["crps"]), (0, None, None))
        self.assertEqual(answer["nll"], first["nll"])
        low, high = self.ok(200, "GET", path + "/versions/1")[1]["scores"]["output_range"][0]
        self.assertAlmostEqual(answer["crps"], first["crps"] / (high - low), places=12)

    def test_an_export_keeps_the_probability(self):
        path = self.version()
        document = self.ok(200, "GET", path + "/versions/1/export")[1]
        self.assertIn("feasible", document)
        again = self.path()
        self.ok(201, "PUT", again, document)
        self.assertEqual(self.ok(200, "GET", again + "/versions/1/export")[1], document)
        ask = {"inputs": [[0.3, 0.1], [0.7, -1]], "return": ["mean", "feasible"]}
        one, two = (self.ok(200, "POST", p + "/predict", ask)[1] for p in (path, again))
        self.assertEqual([one["mean"], one["feasible"]], [two["mean"], two["feasible"]])

    def test_documents_with_a_wrong_probability_are_refused(self):
        document = self.ok(200, "GET", self.version() + "/versions/1/export")[1]
        scores = {**document["scores"], "counts": [0, document["scores"]["counts"][1]]}
        feasible = document["feasible"]
        for changes, words in (({"feasible": {**feasible, "seed": "x"}}, "feasible: "),
                               ({"feasible": {"posterior": feasible["posterior"]}}, "architecture is missing"),
                               ({"feasible": {**feasible, "draws": 3}}, "draws"),
                               ({"feasible": {**feasible, "posterior": {"kind": "draws"}}}, "parameters"),
                               ({"scores": scores}, "no rows have output 0")):
            with self.subTest(words):
                answer = self.ok(400, "PUT", self.path(), {**document, **changes})[1]
                self.assertIn(words, answer["detail"])

    def test_conformal_calibration_with_holes(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", simulate(200, 5))
        self.train(path, calibration={"method": "split", "share": 0.3})
        fresh = simulate(80, 6)
        answer = self.ok(200, "POST", path + "/evaluate", fresh)[1]
        ask = {"inputs": fresh["inputs"], "intervals": [0.9]}
        ends = self.ok(200, "POST", path + "/predict", ask)[1]["intervals"][0]
        for j, output in enumerate(answer["outputs"]):
            there = [i for i, y in enumerate(fresh["outputs"]) if y[j] is not None]
            inside = sum(ends["lower"][i][j] <= fresh["outputs"][i][j] <= ends["upper"][i][j] for i in there)
            self.assertAlmostEqual(output["conformal"]["observed"], inside / len(there), places=12)
        document = self.ok(200, "GET", path + "/versions/1/export")[1]
        self.assertIn(None, [score[1] for score in document["calibration"]["scores"]])
        self.ok(201, "PUT", self.path(), document)

    def test_another_solver(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", simulate(120, 7))
        self.train(path, solver="bll", settings={"epochs": 40})
        answer = self.ok(200, "POST", path + "/evaluate", simulate(40, 8))[1]
        self.assertGreater(answer["feasible"]["auc"], 0.8)
        self.assertTrue(all(o["rmse"] < 0.7 for o in answer["outputs"]))

    def test_a_gate_compares_on_what_is_there(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", simulate(120, 14))
        self.train(path)
        self.ok(201, "POST", path + "/data", simulate(120, 15))
        for solver in ("ensemble", "bll"):
            request = {"solver": solver, "settings": {"epochs": 40}, "architecture": SMALL["architecture"]}
            job = self.ok(202, "POST", path + "/train", request)[1]
            done = self.server.wait_job(job["id"], "succeeded", "failed")
            self.assertEqual(done["state"], "succeeded", done)
            self.assertIsNotNone(done["gate"]["candidate"], done)

    def test_few_failed_runs_are_learnt_by_a_regression(self):
        path = self.path()
        body = simulate(60, 9)
        rows = [(x, [x[0], x[1]] if i % 20 or x[0] < 0 else [None] * 2) for i, x in enumerate(body["inputs"])]
        rows.append(([0.99, 0], [None, None]))
        self.ok(201, "POST", path + "/data", {"inputs": [x for x, _ in rows], "outputs": [y for _, y in rows]})
        self.train(path)
        self.assertEqual(self.ok(200, "GET", path + "/versions/1")[1]["feasible"]["solver"], "logistic")

    def test_models_without_failed_runs_say_so(self):
        path = self.path()
        rows = simulate(80, 10)
        keep = [i for i, y in enumerate(rows["outputs"]) if y[0] is not None]
        self.ok(201, "POST", path + "/data", {k: [rows[k][i] for i in keep] for k in rows})
        self.train(path)
        self.assertNotIn("feasible", self.ok(200, "GET", path + "/versions/1")[1])
        answer = self.ok(400, "POST", path + "/predict", {"inputs": [[0, 0]], "return": ["feasible"]})[1]
        self.assertIn("trained without failed runs", answer["detail"])
        answer = self.ok(200, "POST", path + "/evaluate", simulate(20, 11))[1]["feasible"]
        self.assertEqual((answer["log_loss"], answer["reason"]),
                         (None, "the model was trained without failed runs"))
        self.ok(400, "POST", path + "/evaluate", {"inputs": [[0, 0]], "outputs": [[None, None]]})

    def test_what_cannot_be_trained_on_is_refused_at_the_request(self):
        path = self.path()
        names = {"inputs": ["k"], "outputs": ["T", "p"]}
        self.ok(201, "POST", path + "/data", {"inputs": [[1], [2]], "outputs": [[1, None], [2, None]],
                                              "names": names})
        detail = self.ok(400, "POST", path + "/train", ENSEMBLE)[1]["detail"]
        self.assertIn('none of the 2 rows has output 1 ("p")', detail)
        self.ok(201, "POST", path + "/data", {"inputs": [[3], [-4]], "outputs": [[1, 0], [None, 5]]})
        log = {**ENSEMBLE, "scaling": {"inputs": "standard", "outputs": "log"}}
        detail = self.ok(400, "POST", path + "/train", log)[1]["detail"]
        self.assertIn('row 2 column 1 ("p") is 0', detail)
        log = {**ENSEMBLE, "scaling": {"inputs": "log", "outputs": "standard"}}
        detail = self.ok(400, "POST", path + "/train", log)[1]["detail"]
        self.assertIn('row 3 column 0 ("k") is -4', detail)
        path = self.path()
        self.ok(201, "POST", path + "/data", {"inputs": [[1], [2]], "outputs": [[None], [None]]})
        detail = self.ok(400, "POST", path + "/train", ENSEMBLE)[1]["detail"]
        self.assertIn("none of the 2 rows has an output", detail)

    def test_log_scaling_leaves_categories_alone(self):
        path = self.path()
        space = {"inputs": [{"name": "mesh", "type": "category", "values": ["a", "b"]}, "k"], "outputs": ["T"]}
        self.ok(200, "PUT", path + "/space", space)
        self.ok(201, "POST", path + "/data", {"inputs": [["ab"[i % 2], 1 + i] for i in range(30)],
                                              "outputs": [[i + 1] for i in range(30)]})
        self.train(path, scaling={"inputs": "log", "outputs": "log"})

    def test_the_client_appends_and_tells(self):
        text = "x,y,status\n1,2,ok\n2,3,failed\n4,,failed\n"
        name = self.path().rsplit("/", 1)[1]
        out = self.client("data", name, "append", "-", "--outputs", "1", input=text)[1]
        self.assertIn("2 failed runs", out)
        out = self.client("data", name, "append", "-", "--missing", input="x,y\n5,\n")[1]
        self.assertIn("1 failed run\n", out)
        self.assertIn("failed_rows", self.client("data", name)[1])

    def test_the_client_says_how_it_leaves_rows_out_and_what_is_unexpected(self):
        name = self.path().rsplit("/", 1)[1]
        append = ("data", name, "append", "-")
        text = "x,y\n1,2\n2,\n3,inf\n9,-4\n"
        space = {"inputs": [{"name": "x", "bounds": [0, 5]}], "outputs": [{"name": "y", "positive": True}]}
        self.ok(200, "PUT", f"/v1/models/{name}/space", space)
        told = self.client(*append, input=text, status=1)[2]
        self.assertIn("here --missing says missing=allow", told)
        self.assertIn("here --skip-nonfinite says on_nonfinite=skip", told)
        out, told = self.client(*append, "--missing", "--skip-nonfinite", input=text)[1:]
        self.assertIn("3 rows appended", out)
        self.assertIn("1 failed run, 1 skipped row\n", out)
        self.assertIn("input 0, x: outside its bounds in 1 row (outside_bounds)\n", told)
        self.assertIn("output 0, y: not above 0 in 1 row (not_positive)\n", told)
        out = self.client(*append, "--skip-nonfinite", input=text)[1]
        self.assertIn("2 rows appended", out)
        packed = subprocess.run([BINARY, *append, "--server", f"http://127.0.0.1:{self.server.port}"],
                                capture_output=True, input=gzip.compress(b"x,y\n1,2\n"), check=False, timeout=300)
        self.assertIn(b"here gunzip unpacks it first", packed.stderr)
        numbers = "".join(f"{i},{i * 7 % 30},{i * i}\n" for i in range(1, 31))
        told = self.client("data", name + "-numbers", "append", "-", "--outputs", "1", input=numbers)[2]
        self.assertIn("input 0: only counts the rows, as an index does: is it an input?", told)


class Restarted(Holes):
    def test_rows_and_versions_are_there_after_a_restart(self):
        path = self.path()
        self.ok(201, "POST", path + "/data", simulate(80, 12))
        self.train(path)
        ask = {"inputs": [[0.3, 0.1]], "return": ["mean", "feasible"]}
        before = [self.ok(200, "POST", path + "/predict", ask)[1], self.rows(path),
                  self.ok(200, "GET", path + "/data")[1], self.ok(200, "GET", path + "/versions/1/export")[1]]
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(before, [self.ok(200, "POST", path + "/predict", ask)[1], self.rows(path),
                                  self.ok(200, "GET", path + "/data")[1],
                                  self.ok(200, "GET", path + "/versions/1/export")[1]])
        # By the rows as they were, the same model to the bit, which is no new version.
        self.assertEqual(self.train(path)["version"], 1)

    def test_answers_of_an_earlier_program_are_told_again(self):
        path = self.path()
        body = {"inputs": [[1], [2]], "outputs": [[1], [5]]}
        first = self.ok(201, "POST", path + "/data", body, {"Idempotency-Key": "k"})[1]
        self.assertEqual(self.server.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.server.db)) as registry, registry:
            # Without the three counts that such answers did not have.
            registry.execute("UPDATE data_keys SET answer = substr(answer, 1, length(answer) - 24)")
        self.server.start()
        again = self.ok(201, "POST", path + "/data", body, {"Idempotency-Key": "k"})[1]
        self.assertTrue(again.pop("repeated"))
        self.assertEqual(again, first)


if __name__ == "__main__":
    unittest.main()
