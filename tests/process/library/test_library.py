# SPDX-License-Identifier: Apache-2.0
"""libsurrogated against a real server, and against the files that it exports."""

import json
import math
import os
import random
import re
import shutil
import struct
import tempfile
import unittest

from harness import HERE, Server, ServerTest, architecture, document, full_document, gaussian
from library_harness import as_rows, call, probe

OK, INVALID, FILE, TIMEOUT, NOT_FOUND, REFUSED, UNSUPPORTED, JOB_FAILED = 0, 1, 3, 5, 7, 8, 12, 13
SMALL = {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}, "seed": 1}


def points(n, d, seed=1, low=-1.0, high=1.0):
    rng = random.Random(seed)
    return [[rng.uniform(low, high) for _ in range(d)] for _ in range(n)]


def architectures():
    """Those of the golden cases."""
    with open(os.path.join(HERE, "..", "data", "golden.json"), encoding="utf-8") as file:
        return [case["architecture"] for case in json.load(file)["cases"]]


def small(**extra):
    """A model of two inputs and one output."""
    return document(arch=architecture(inputs=2, outputs=1), **extra)


class LibraryTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.socket = os.path.join(cls.folder, "socket")
        cls.server = Server(cls.folder, "--listen", f"127.0.0.1:0,unix:{cls.socket}").start()
        cls.addClassCleanup(cls.stop_server)
        cls.url = f"http://127.0.0.1:{cls.server.port}"

    @classmethod
    def stop_server(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}: {cls.server.log_text()[-4000:]}")

    def setUp(self):
        self.m = self.id().split(".test_")[1][:60]  # a model for each test

    def tearDown(self):
        self.assertIsNone(self.server.process.poll())

    def export(self, model):
        path = os.path.join(self.folder, f"{model}.srgm")
        _, content = self.ok(200, "GET", f"/v1/models/{model}/versions/@default/export?format=binary")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def compare(self, model, inputs, n_outputs, derivatives=True):
        """Server and file answer the same bits, and these are those of the JSON answer."""
        path = self.export(model)
        lines = probe("compare", self.url, "file:" + path, model, *(() if derivatives else ("none",)),
                      rows=as_rows(inputs, n_outputs)).splitlines()
        names = ["mean", "std", "variance", "jacobian"][:4 if derivatives else 3]
        _, answer = self.ok(200, "POST", f"/v1/models/{model}/predict", {"inputs": inputs, "return": names})
        found = {line.split()[0]: [float.fromhex(word) for word in line.split()[1:]] for line in lines[1:]}
        for name in names[:3]:
            self.assertEqual(found[name], [value for row in answer[name] for value in row], (model, name))
        for name, part in (("jacobian", "mean"), ("jacobian_std", "std")) if derivatives else ():
            self.assertEqual(found[name], [v for row in answer["jacobian"][part] for line in row for v in line])
        return lines[0]


class Bits(LibraryTest):
    def test_every_architecture(self):
        cases = architectures()
        self.assertGreater(len(cases), 20)
        for number, arch in enumerate(cases):
            name = f"golden-{number}"
            self.ok(201, "PUT", f"/v1/models/{name}", document(draws=3, seed=number, arch=arch))
            outputs = 1 if arch["final"] == "sum" else arch["outputs"]
            self.compare(name, points(3, arch["inputs"], number), outputs)

    def test_every_kind_of_posterior(self):
        kinds = {"draws": document(draws=9), "float32": document(draws=9, precision="float32"),
                 "one": document(draws=1), "mixture": gaussian(), "single": gaussian(members=1),
                 "predicted": full_document(), "linear": gaussian(), "linear-one": gaussian(members=1, spread=0.3),
                 "linear-predicted": full_document()}
        for name, doc in kinds.items():
            if name.startswith("linear"):
                doc["posterior"]["predictive"] = "linearised"
            outputs = doc["architecture"]["outputs"] // (2 if "predicted" in name else 1)
            self.ok(201, "PUT", f"/v1/models/{name}", doc)
            self.compare(name, points(7, doc["architecture"]["inputs"]), outputs)

    def test_spaces_with_categories_and_integers(self):
        space = {"inputs": [{"name": "k", "bounds": [-1, 1]}, {"name": "n", "type": "integer"},
                            {"name": "grade", "type": "category", "values": ["10", "20", "30"]}],
                 "outputs": [{"name": "q"}]}
        arch = architecture(inputs=5, outputs=1)
        self.ok(201, "PUT", "/v1/models/s", document(arch=arch, space=space))
        inputs = [[0.5, 3.0, 10.0], [-0.25, -2.0, 30.0], [0.125, 0.0, 20.0]]
        self.compare("s", inputs, 1, derivatives=False)
        path = "file:" + self.export("s")
        for row, column in (([0.5, 3.0, 40.0], 2), ([0.5, 3.5, 10.0], 1)):
            messages = []
            for where in (self.url, path):
                code, message, _ = call(where, "s", "predict", rows=as_rows([inputs[0], row], 1))
                self.assertEqual(code, INVALID, message)
                self.assertIn(f"row 1, column {column}", message)
                messages.append(message.split("inputs: ")[1])
            self.assertEqual(*messages)

    def test_members_of_categories_may_be_words(self):
        space = {"inputs": [{"name": "k"}, {"name": "mesh", "type": "category", "values": ["coarse", "fine \"2\"", "très fin"]}],
                 "outputs": [{"name": "q"}, {"name": "r"}]}
        self.ok(201, "PUT", "/v1/models/w", document(arch=architecture(inputs=4, outputs=2), space=space))
        given = [[0.1, "fine \"2\""], [1 / 3, "coarse"], [-0.7, "très fin"], [0.25, "coarse"]]
        rows = as_rows([[k, math.nan] for k, _ in given], 2)
        words = [word for _, word in given]
        path = "file:" + self.export("w")
        _, answer = self.ok(200, "POST", "/v1/models/w/predict", {"inputs": given, "return": ["mean", "std"]})
        wanted = [[m, s] for mean, std in zip(answer["mean"], answer["std"]) for m, s in zip(mean, std)]
        for where in (self.url, path):
            code, message, text = call(where, "w", "words", "predict", 1, *words, rows=rows)
            self.assertEqual((code, message), (OK, ""))
            self.assertEqual([list(map(float, line.split())) for line in text.splitlines()], wanted)
        for where in (self.url, path):
            code, message, _ = call(where, "w", "words", "predict", 1, *words[:3], "medium", rows=rows)
            self.assertEqual(code, INVALID)
            self.assertIn('is "medium", one of "coarse", ', message)
            code, message, _ = call(where, "w", "words", "predict", 0, *words, rows=rows.replace("nan", "1"))
            self.assertEqual(code, INVALID)
            self.assertIn("is needed", message)
            for column in (-1, 2):
                code, message, _ = call(where, "w", "words", "predict", column, *words, rows=rows)
                self.assertEqual((code, message), (INVALID, "inputs: words 0 have no column or are at NULL"))
        self.ok(201, "PUT", "/v1/models/numbers", small())
        for where in (self.url, "file:" + self.export("numbers")):
            code, message, _ = call(where, "numbers", "words", "predict", 1, "a", rows=as_rows([[0.5, 0.5]], 1))
            self.assertEqual(code, INVALID)
            self.assertRegex(message, "row 0, column 1 is .*number")
        one = document(arch=architecture(inputs=4, outputs=1), space={**space, "outputs": ["q"]})
        self.ok(201, "PUT", "/v1/models/one", one)
        for where in (self.url, "file:" + self.export("one")):
            self.assertIn("allocations", probe("faults", where, "one", 0, *words, rows=as_rows(
                [[k, 0.0] for k, _ in given], 1, points(4, 1))))
        # Rows to train on, one of which misses an output.
        table = as_rows([[k, math.nan] for k, _ in given], 2, [[1.0, 2.0], [3.0, math.nan], [5.0, 6.0], [7.0, 8.0]])
        for _ in range(2):
            self.assertEqual(call(self.url, "w", "words", "append", 1, *words, rows=table), (OK, "", "rows 4"))
        _, stored = self.ok(200, "GET", "/v1/models/w/data/rows")
        self.assertEqual(stored["inputs"], given)
        self.assertEqual(stored["outputs"], [[1, 2], [3, None], [5, 6], [7, 8]])

    def test_rows_outside_the_training_range_are_counted_and_logarithms_scaled(self):
        doc = document(arch=architecture(inputs=2, outputs=1), training_range=[[0.5, 2.0], [0.0, 1.0]],
                       scaling={"inputs": [{"kind": "log", "shift": 0, "scale": 1}, {"kind": "none"}],
                                "outputs": [{"kind": "log", "shift": 0, "scale": 1}]})
        self.ok(201, "PUT", f"/v1/models/{self.m}", doc)
        inputs = [[1.0, 0.5], [3.0, 0.5], [1.5, -0.5], [1.5, 0.25], [0.1, 2.0]]
        self.assertEqual(self.compare(self.m, inputs, 1), "version 1 extrapolated 3")
        for where in (self.url, "file:" + self.export(self.m)):
            code, message, _ = call(where, self.m, "predict", rows=as_rows([[1.0, 0.5], [-3.0, 0.5]], 1))
            self.assertEqual(code, INVALID, message)
            self.assertIn("row 1", message)

    def test_many_rows_go_in_parts_of_one_version(self):
        arch = architecture(inputs=32, outputs=32, width=4, layers=1)
        self.ok(201, "PUT", f"/v1/models/{self.m}", document(draws=2, arch=arch))
        self.compare(self.m, points(300, 32), 32)  # 128 in a part

    def test_threads_share_handles(self):
        self.ok(201, "PUT", f"/v1/models/{self.m}", small())
        probe("threads", self.url, "file:" + self.export(self.m), self.m, rows=as_rows(points(20, 2), 1))

    def test_each_allocation_may_fail(self):
        self.ok(201, "POST", f"/v1/models/{self.m}/data", {"inputs": points(8, 2), "outputs": points(8, 1)})
        job = self.ok(202, "POST", f"/v1/models/{self.m}/train", SMALL)[1]["id"]
        self.server.wait_job(job, "succeeded")
        rows = as_rows(points(2, 2), 1, points(2, 1, seed=3))
        for where in (self.url, "file:" + self.export(self.m)):
            self.assertIn("allocations", probe("faults", where, self.m, job, rows=rows))


class Use(LibraryTest):
    def test_rows_are_appended_once_and_a_training_is_waited_for(self):
        inputs, outputs = points(10, 2), points(10, 1, seed=2)
        rows = as_rows(inputs, 1, outputs)

        def append(*words, rows, **env):
            code, message, text = call(self.url, self.m, *words, rows=rows, **env)
            self.assertEqual((code, message), (OK, ""))
            return re.fullmatch(r"batch (\d+) (rows .*)", text).groups()

        batch, stored = append("append", "run-1", rows=rows)
        self.assertEqual(stored, "rows 10 of 10")
        self.assertEqual(append("source=node 4", "append", "run-1", rows=rows), (batch, "rows 10 of 10 repeated"))
        # Each rank has keys of its own, and other rows under the same key are refused.
        for number, env in enumerate(({"OMPI_COMM_WORLD_RANK": "3"}, {"SLURM_PROCID": "0"}, {}), 1):
            words = ("rank=7",) if not env else ()
            mine = as_rows(points(2, 2, seed=number), 1, points(2, 1, seed=number))
            self.assertEqual(append(*words, "append", "run-1", rows=mine, **env)[1], f"rows 2 of {10 + 2 * number}")
        code, message, _ = call(self.url, self.m, "append", "run-1", rows=as_rows(points(2, 2, 9), 1, points(2, 1, 9)))
        self.assertEqual(code, INVALID, message)
        # Without a key each call has one of its own.
        self.assertNotEqual(append("append", rows=rows)[0], append("source=node 5", "append", rows=rows)[0])
        self.assertIn("node 5", str(self.ok(200, "GET", f"/v1/models/{self.m}/data/batches")[1]))
        code, message, text = call(self.url, self.m, "train", json.dumps(SMALL))
        self.assertEqual(code, OK, message)
        self.assertEqual(call(self.url, self.m, "wait", text.removeprefix("job "), -1),
                         (OK, "", "state succeeded version 1 promoted 1"))
        self.assertEqual(call(self.url, self.m, "shape")[2], "shape 2 1")
        code, message, _ = call(self.url, self.m, "wait", 999, 1)
        self.assertEqual(code, NOT_FOUND, message)

    def test_what_the_server_does_not_take_at_once_goes_in_parts(self):
        server = Server(os.path.join(self.folder, "small"), "--max-body-bytes", "2000")
        os.mkdir(server.folder)
        server.start()
        try:
            url = f"http://127.0.0.1:{server.port}"
            inputs, outputs = points(300, 2), points(300, 1, seed=2)
            rows = as_rows(inputs, 1, outputs)
            code, message, text = call(url, "m", "rank=3", "append", "run-1", rows=rows)
            self.assertEqual((code, message), (OK, ""))
            self.assertRegex(text, "^batch [0-9]+ rows 300 of 300$")
            code, message, text = call(url, "m", "rank=3", "append", "run-1", rows=rows)
            self.assertRegex(text, "^batch [0-9]+ rows 300 of 300 repeated$")
            found = server.request("GET", "/v1/models/m/data/rows")[2]
            self.assertEqual((found["inputs"], found["outputs"]), (inputs, outputs))
            batches = server.request("GET", "/v1/models/m/data/batches")[2]["batches"]
            self.assertEqual(len(batches), 4)  # of 75 rows, 1,928 bytes
            # A row that is too long by itself.
            wide = as_rows(points(2, 400), 1, points(2, 1))
            self.assertEqual(call(url, "wide", "append", "run-3", rows=wide)[0], REFUSED)
        finally:
            self.assertEqual(server.stop(), 0, server.log_text()[-2000:])

    def test_missing_outputs_are_taken_where_that_is_said(self):
        inputs = points(3, 2)
        rows = as_rows(inputs, 1, [[1.0], [2.0], [3.0]]).replace("2.0\n", "nan\n")
        code, message, _ = call(self.url, self.m, "append", "a", rows=rows)
        self.assertEqual(code, INVALID)
        self.assertIn("outputs: row 1, column 0 is nan", message)
        self.assertEqual(call(self.url, self.m, "append", "a", "missing", rows=rows)[0], OK)
        self.assertEqual(self.ok(200, "GET", f"/v1/models/{self.m}/data")[1]["failed_rows"], 1)

    def test_a_job_that_is_cancelled_or_lasts(self):
        self.ok(201, "POST", f"/v1/models/{self.m}/data", {"inputs": points(20, 2), "outputs": points(20, 1)})
        long = {"solver": "ensemble", "settings": {"members": 4, "epochs": 100000}}
        job = call(self.url, self.m, "train", json.dumps(long))[2].removeprefix("job ")
        code, message, text = call(self.url, self.m, "wait", job, 0.2)
        self.assertEqual(code, TIMEOUT, message)
        self.assertRegex(message, f"job {job} is (queued|running) after 0.2 s")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        code, message, text = call(self.url, self.m, "wait", job, -1)
        self.assertEqual((code, text), (JOB_FAILED, "state cancelled version 0 promoted 0"))
        self.assertIn(f"job {job} was cancelled", message)

    def test_versions_are_chosen(self):
        for seed in (1, 2):
            self.ok(201, "PUT", f"/v1/models/{self.m}", small(seed=seed))
        rows = as_rows(points(1, 2), 1)
        answers = {version: call(self.url, self.m, f"version={version}", "predict", rows=rows)
                   for version in ("1", "2", "@default", "@previous", "7", "@none")}
        self.assertEqual([answers[v][0] for v in answers], [OK] * 4 + [NOT_FOUND] * 2)
        self.assertEqual(answers["@default"], answers["2"])
        self.assertEqual(answers["@previous"], answers["1"])
        self.assertNotEqual(answers["1"][2].split()[3], answers["2"][2].split()[3])

    def test_what_a_caller_may_get_wrong(self):
        self.ok(201, "PUT", f"/v1/models/{self.m}", small())
        path = "file:" + self.export(self.m)
        one = as_rows(points(1, 2), 1)
        for where in (self.url, path):
            for words, rows, code, message in (
                    (("predict",), as_rows(points(1, 3), 1), INVALID, "3 numbers, 2 are needed"),
                    (("predict",), as_rows(points(1, 2), 2), INVALID, "for 2 outputs, the model has 1"),
                    (("predict",), "1 2 1\n0.5 inf\n", INVALID, "row 0, column 1 is inf"),
                    (("predict",), "0 2 1\n", INVALID, "0 rows of 2"),
                    (("predict",), "1 2 0\n1 1\n", INVALID, "n_outputs is 0"),
                    (("colour=red", "shape"), "", INVALID, 'setting "colour" is unknown'),
                    (("retrys=1", "shape"), "", INVALID, "did you mean retry"),
                    (("timeout=0", "shape"), "", INVALID, "from 0.001 to 86400"),
                    (("timeout=1e", "shape"), "", INVALID, "timeout is"),
                    (("retry=86401", "shape"), "", INVALID, "from 0 to 86400"),
                    (("threads=1.5", "shape"), "", INVALID, "a whole number from 1 to 256"),
                    (("threads=257", "shape"), "", INVALID, "from 1 to 256"),
                    (("rank=-1", "shape"), "", INVALID, "rank is"),
                    (("source=a\nb", "shape"), "", INVALID, "control character")):
                with self.subTest(where=where, words=words):
                    found = call(where, self.m, *words, rows=rows)
                    self.assertEqual(found[0], code, found)
                    self.assertIn(message, found[1])
            self.assertEqual(call(where, self.m, "threads=256", "timeout=0.001", "retry=86400", "retry=0",
                                  "timeout=60", "predict", rows=one)[0], OK)
        for words in (("append", "k"), ("train",), ("wait", 1, 1)):
            code, message, _ = call(path, self.m, *words, rows=as_rows(points(1, 2), 1, points(1, 1)))
            self.assertEqual(code, UNSUPPORTED)
            self.assertIn(f"{self.m} is in a file", message)
        for key in ("", "a" * 201, "a b", 'a"', "a,b", "ä"):
            code, message, _ = call(self.url, self.m, "append", key, rows=as_rows(points(1, 2), 1, points(1, 1)))
            self.assertEqual(code, INVALID, key)
            self.assertIn("key", message)
        code, _, _ = call(self.url, self.m, "rank=1000000000", "append", "a" * 200,
                          rows=as_rows(points(1, 2), 1, points(1, 1)))
        self.assertEqual(code, OK)

    def test_addresses(self):
        self.ok(201, "PUT", f"/v1/models/{self.m}", small())
        rows = as_rows(points(1, 2), 1)
        good = call(self.url, self.m, "predict", rows=rows)
        self.assertEqual(good[0], OK)
        self.assertEqual(call("-", self.m, "predict", rows=rows, SURROGATED_SERVER=self.url), good)
        self.assertEqual(call("-", "-", "predict", rows=rows, SURROGATED_SERVER="file:" + self.export(self.m)), good)
        for where, model, message in ((self.url, "-", "the name of a model"), ("ftp://a", self.m, "http://host:port"),
                                      ("http://", self.m, "a host is missing"), ("unix:", self.m, "unix:/path")):
            code, found, _ = call(where, model, "predict", rows=rows)
            self.assertEqual(code, INVALID, found)
            self.assertIn(message, found)
        self.assertEqual(call(self.url, "none", "predict", rows=rows)[0], NOT_FOUND)
        code, message, _ = call("http://192.0.2.1", self.m, "predict", rows=rows, SURROGATED_TOKEN="sgt_a_b")
        self.assertEqual(code, INVALID)
        self.assertIn("over plain HTTP, where others can read it", message)

    def test_a_socket(self):
        self.ok(201, "PUT", f"/v1/models/{self.m}", small())
        rows = as_rows(points(1, 2), 1)
        self.assertEqual(call("unix:" + self.socket, self.m, "predict", rows=rows)[0], OK)


class Files(LibraryTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", f"/v1/models/{self.m}", small())
        self.path = self.export(self.m)
        with open(self.path, "rb") as file:
            self.data = file.read()

    def write(self, data):
        with open(self.path, "wb") as file:
            file.write(data)

    def refused(self, code, message, model=None, path=None):
        model = model or self.m
        found = call("file:" + (path or self.path), model, "shape")
        self.assertEqual(found[0], code, found)
        self.assertIn(message, found[1])
        # The handle of a failed opening says so at each call.
        again = call("file:" + (path or self.path), model, "shape")
        self.assertEqual(found, again)

    def test_files_that_are_cut_changed_or_something_else(self):
        self.assertEqual(call("file:" + self.path, self.m, "shape")[2], "shape 2 1")
        rng = random.Random(5)
        for size in (0, 7, 8, 43, 60, 64, len(self.data) - 1, *rng.sample(range(len(self.data)), 5)):
            self.write(self.data[:size])
            self.refused(FILE, "it is no file of" if size < 8 else "the file is damaged")
        self.write(self.data + b"\0")
        self.refused(FILE, "the file is damaged")
        for at in rng.sample(range(12, len(self.data)), 10):
            changed = bytearray(self.data)
            changed[at] ^= 1
            self.write(changed)
            self.refused(FILE, "the file is damaged")
        self.write(json.dumps(document()).encode())
        self.refused(FILE, "it is no file of `surrogated models export --format binary`")

    def test_files_of_another_release_or_model(self):
        self.refused(NOT_FOUND, f"the file holds model {self.m}, not n", model="n")
        self.write(self.data[:8] + struct.pack("<I", 2) + self.data[12:])
        self.refused(FILE, "the file has format 2, which this release does not know")

    def test_what_is_no_file(self):
        self.refused(FILE, "No such file", path=os.path.join(self.folder, "none"))
        self.refused(FILE, "is not a file", path=self.folder)
        self.refused(FILE, "is not a file", path="/dev/null")


if __name__ == "__main__":
    unittest.main()
