# SPDX-License-Identifier: Apache-2.0
"""What versions are called, which is the default, going back, and which old ones are kept."""

import http.client
import json
import math
import random
import re
import select
import sqlite3
import statistics
import threading
import time
import unittest

from harness import PATIENCE, ServerTest, architecture, document

ROW = {"inputs": [[0.1, 0.2, 0.3]], "return": ["mean"]}


class Versions(ServerTest):
    def put(self, *seeds, promote=True, model="m"):
        """Registers documents; the number of the last version."""
        query = "" if promote else "?promote=false"
        for seed in seeds:
            _, _, data = self.server.request("PUT", f"/v1/models/{model}{query}",
                                             document(seed=seed))
        return data["version"]

    def default(self, version, status=200, model="m"):
        return self.ok(status, "PUT", f"/v1/models/{model}/default", {"version": version})[1]

    def alias(self, name, version, status=201, model="m"):
        return self.ok(status, "PUT", f"/v1/models/{model}/aliases/{name}",
                       {"version": version})[1]

    def get(self, model="m"):
        return self.ok(200, "GET", f"/v1/models/{model}")[1]

    def numbers(self):
        return [row["version"] for row in self.get()["versions"]]

    def places(self):
        row = self.get()["model"]
        return row["default_version"], row["previous_version"]

    def history(self):
        rows = self.ok(200, "GET", "/v1/models/m/promotions")[1]["promotions"]
        return [(row["version"], row["previous"], row["origin"], row["job"]) for row in rows]

    def predicted(self, version):
        """The version that answered."""
        return self.ok(200, "POST", f"/v1/models/m/versions/{version}/predict", ROW)[1]["version"]


class Names(Versions):
    def test_a_version_is_named_the_same_way_in_every_place(self):
        self.put(1, 2, 3)
        self.default("@previous")
        self.alias("prod", 1)
        x = {"inputs": [[0.1, 0.2, 0.3]], "outputs": [[0.0, 0.0]]}
        for name, number in (("@default", 2), ("@previous", 3), ("@prod", 1), ("3", 3)):
            path = f"/v1/models/m/versions/{name}"
            self.assertEqual(self.predicted(name), number)
            for body in (dict(ROW, version=name), dict(ROW, version=number)):
                _, data = self.ok(200, "POST", "/v1/models/m/predict", body)
                self.assertEqual(data["version"], number)
            _, data = self.ok(200, "POST", "/predict", dict(ROW, model="m", version=name))
            self.assertEqual(data["version"], number)
            self.assertEqual(self.ok(200, "POST", path + "/evaluate", x)[1]["version"], number)
            self.assertEqual(self.ok(200, "GET", path + "/diagnostics")[1]["version"], number)
            head, data = self.ok(200, "GET", path)
            self.assertEqual(data["version"], number)
            self.assertEqual(self.ok(200, "GET", path + "/export")[0]["ETag"], head["ETag"])

    def test_npy_requests_name_versions_in_the_query(self):
        self.put(1, 2)
        self.alias("prod", 1)
        rows = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }"
        rows = rows.ljust(127) + b"\n" + bytes(24)
        head = {"Content-Type": "application/x-npy"}
        by = {}
        for name in ("1", "2", "@prod", "@default", "@previous"):
            by[name] = self.ok(200, "POST", f"/v1/models/m/predict?version={name}", rows, head)[1]
        self.assertEqual(by["@prod"], by["1"])
        self.assertEqual(by["@previous"], by["1"])
        self.assertEqual(by["@default"], by["2"])
        self.assertNotEqual(by["1"], by["2"])

    def test_what_is_not_there_is_named(self):
        self.put(1)
        for name, words in (("@prod", "no alias prod"), ("@previous", "was the default before"),
                            ("7", "no version 7")):
            for method, path, body in (
                    ("POST", f"/v1/models/m/versions/{name}/predict", ROW),
                    ("GET", f"/v1/models/m/versions/{name}", None),
                    ("DELETE", f"/v1/models/m/versions/{name}", None),
                    ("GET", f"/v1/models/m/versions/{name}/diagnostics", None),
                    ("PUT", "/v1/models/m/default", {"version": name}),
                    ("PUT", "/v1/models/m/aliases/a", {"version": name})):
                _, data = self.ok(404, method, path, body)
                self.assertIn(words, data["detail"], (method, path))
        for name in ("@", "@Prod", "@1", "0", "01", "-1", "prod", "@" + 65 * "a"):
            _, data = self.ok(400, "GET", f"/v1/models/m/versions/{name}")
            self.assertIn(name, data["detail"])
        for value in (0, -1, 1.5, None, True, [1], "1 "):
            self.ok(400, "PUT", "/v1/models/m/default", {"version": value})
            self.ok(400, "POST", "/v1/models/m/predict", dict(ROW, version=value))
        self.ok(400, "PUT", "/v1/models/m/default", {})
        self.ok(404, "GET", "/v1/models/none/versions/@prod")
        self.ok(404, "GET", "/v1/models/none/aliases")
        self.ok(404, "PUT", "/v1/models/none/aliases/a", {"version": 1})

    def test_predictions_by_name_need_no_look_at_the_file(self):
        self.put(1, 2, 3)
        self.alias("a", 1)
        for name in ("@a", "@previous", "@default"):
            self.predicted(name)
        # What another hand changes in the file is not seen by them.
        db = sqlite3.connect(self.server.db, isolation_level=None)
        self.addCleanup(db.close)
        db.execute("UPDATE aliases SET version = 2")
        db.execute("UPDATE models SET default_version = 1, previous_version = 1")
        self.assertEqual([self.predicted(name) for name in ("@a", "@previous", "@default")],
                         [1, 2, 3])


class Aliases(Versions):
    def test_an_alias_is_made_moved_and_deleted(self):
        self.put(1, 2)
        self.assertEqual(self.alias("prod", 1),
                         {"model": "m", "alias": "prod", "version": 1, "before": None})
        self.assertEqual(self.predicted("@prod"), 1)
        self.assertEqual(self.alias("prod", "@default", status=200)["before"], 1)
        self.assertEqual(self.predicted("@prod"), 2)
        self.assertEqual(self.alias("prod", 2, status=200)["version"], 2)
        self.alias("old", "@previous")
        self.alias("oldest", "@old")
        _, data = self.ok(200, "GET", "/v1/models/m/aliases")
        self.assertEqual([(a["alias"], a["version"]) for a in data["aliases"]],
                         [("old", 1), ("oldest", 1), ("prod", 2)])
        shown = self.get()
        self.assertEqual(shown["aliases"], data["aliases"])
        self.assertEqual([v["aliases"] for v in shown["versions"]], [["old", "oldest"], ["prod"]])
        self.ok(204, "DELETE", "/v1/models/m/aliases/old")
        self.ok(404, "DELETE", "/v1/models/m/aliases/old")
        self.ok(404, "POST", "/v1/models/m/versions/@old/predict", ROW)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual([self.predicted("@prod"), self.predicted("@oldest")], [2, 1])

    def test_names_of_aliases_have_a_rule_and_a_number(self):
        self.put(1)
        for name in ("default", "previous", "Prod", "1a", "-a", "a b".replace(" ", "%20"),
                     65 * "a", "%40a"):
            self.alias(name, 1, status=400)
            self.ok(400, "DELETE", f"/v1/models/m/aliases/{name}")
        for i, name in enumerate(["a", "a.b_c-9", 64 * "a"] + [f"n{i}" for i in range(61)]):
            self.alias(name, 1)
        data = self.alias("more", 1, status=400)
        self.assertIn("64", data["detail"])
        self.alias("a", 1, status=200)
        self.ok(204, "DELETE", "/v1/models/m/aliases/a")
        self.alias("more", 1)
        for name in ("more", "n60", 64 * "a", "a.b_c-9"):
            self.assertEqual(self.predicted("@" + name), 1)

    def test_aliases_go_with_their_model(self):
        self.put(1, 2)
        self.alias("prod", 1)
        self.ok(200, "PUT", "/v1/models/m/keep", {"versions": 3})
        self.ok(204, "DELETE", "/v1/models/m")
        self.ok(404, "GET", "/v1/models/m/promotions")
        self.ok(404, "POST", "/v1/models/m/versions/@prod/predict", ROW)
        self.assertEqual(self.put(3), 3)
        shown = self.get()
        self.assertEqual((shown["aliases"], shown["model"]["keep_versions"]), ([], None))
        self.assertEqual(self.places(), (3, None))
        self.assertEqual(self.history(), [(3, None, "register", None)])
        self.ok(404, "POST", "/v1/models/m/versions/@prod/predict", ROW)


class Promotions(Versions):
    def test_going_back_twice_goes_forward(self):
        self.put(1, 2, 3)
        self.assertEqual(self.places(), (3, 2))
        self.assertEqual(self.default("@previous"), {"model": "m", "default_version": 2})
        self.assertEqual((self.places(), self.predicted("@default")), ((2, 3), 2))
        self.assertEqual(self.default("@previous")["default_version"], 3)
        self.assertEqual((self.places(), self.predicted("@default")), ((3, 2), 3))
        self.default("@default")  # is it already: nothing changes
        self.default(3)
        self.assertEqual(self.places(), (3, 2))
        self.put(1)  # content of version 1, promoted
        self.assertEqual(self.places(), (1, 3))
        self.put(4, promote=False)
        self.assertEqual(self.places(), (1, 3))
        self.assertEqual(self.history(), [
            (1, 3, "register", None), (3, 2, "request", None), (2, 3, "request", None),
            (3, 2, "register", None), (2, 1, "register", None), (1, None, "register", None)])
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual((self.places(), self.predicted("@previous")), ((1, 3), 3))

    def test_the_history_is_limited_newest_first(self):
        self.put(1, 2)
        for _ in range(60):
            self.default("@previous")
        path = "/v1/models/m/promotions"
        rows = self.ok(200, "GET", path)[1]["promotions"]
        self.assertEqual(len(rows), 50)
        # By the order of the changes, whatever the clock did.
        self.assertEqual([(row["version"], row["previous"]) for row in rows],
                         [(2, 1), (1, 2)] * 25)
        self.assertEqual(self.ok(200, "GET", path + "?limit=2")[1]["promotions"], rows[:2])
        self.assertEqual(len(self.ok(200, "GET", path + "?limit=1000")[1]["promotions"]), 62)
        for limit in ("0", "1001", "x"):
            self.ok(400, "GET", f"{path}?limit={limit}")

    def test_a_job_is_named_in_the_history(self):
        self.put(1)
        rng = random.Random(3)
        rows = [[rng.random() for _ in range(3)] for _ in range(30)]
        self.ok(201, "POST", "/v1/models/m/data",
                {"inputs": rows, "outputs": [[x[0], x[1]] for x in rows]})
        request = {"solver": "ensemble", "settings": {"members": 1, "epochs": 300}, "seed": 1,
                   "gate": None}
        jobs = []
        for promote in (True, False):
            _, job = self.ok(202, "POST", "/v1/models/m/train",
                             dict(request, seed=len(jobs), promote=promote))
            row = self.server.wait_job(job["id"], "succeeded", "failed")
            self.assertEqual(row["state"], "succeeded", row)
            jobs.append(row)
        self.assertEqual(self.history(), [(2, 1, "job", jobs[0]["id"]),
                                          (1, None, "register", None)])
        self.assertEqual(self.places(), (2, 1))

    def test_readers_end_well_while_the_default_goes_back_and_forth(self):
        self.put(1, 2)
        self.alias("a", 1)
        wrong = []
        stop = threading.Event()

        def read(name):
            while not stop.is_set():
                status, _, data = self.server.request(
                    "POST", f"/v1/models/m/versions/{name}/predict", ROW)
                if status != 200 or data["version"] not in (1, 2):
                    wrong.append((status, data))

        threads = [threading.Thread(target=read, args=(name,))
                   for name in ("@default", "@previous", "@a")]
        for thread in threads:
            thread.start()
        for i in range(100):
            self.default("@previous")
            self.assertEqual(self.predicted("@default"), 1 + i % 2)
            self.alias("a", "@previous", status=200)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Keeping(Versions):
    def keep(self, versions, status=200):
        return self.ok(status, "PUT", "/v1/models/m/keep", {"versions": versions})[1]

    def test_old_versions_go_but_not_the_named_ones(self):
        self.put(*range(1, 9))
        self.alias("prod", 2)
        self.default(4)
        self.default(5)
        self.assertEqual(self.keep(2), {"model": "m", "keep_versions": 2, "deleted": 3})
        self.assertEqual(self.numbers(), [2, 4, 5, 7, 8])
        self.assertEqual(self.get()["model"]["keep_versions"], 2)
        for name, number in (("@prod", 2), ("@previous", 4), ("@default", 5), ("8", 8)):
            self.assertEqual(self.predicted(name), number)
        self.ok(404, "POST", "/v1/models/m/versions/6/predict", ROW)
        self.assertEqual(self.put(9, promote=False), 9)
        self.assertEqual(self.numbers(), [2, 4, 5, 8, 9])
        self.assertEqual(self.put(10), 10)  # 4 is no longer the previous one
        self.assertEqual(self.numbers(), [2, 5, 9, 10])
        self.ok(204, "DELETE", "/v1/models/m/aliases/prod")
        self.assertEqual(self.numbers(), [2, 5, 9, 10])
        self.put(11, promote=False)
        self.assertEqual(self.numbers(), [5, 10, 11])
        self.assertEqual(self.keep(None)["keep_versions"], None)
        self.put(12, 13, 14, promote=False)
        self.assertEqual(self.numbers(), [5, 10, 11, 12, 13, 14])
        self.assertEqual(self.keep(0), {"model": "m", "keep_versions": None, "deleted": 0})
        self.assertEqual(self.keep(1)["deleted"], 3)
        self.assertEqual(self.numbers(), [5, 10, 14])

    def test_a_pruned_version_leaves_memory(self):
        self.put(1, 2, 3)
        self.assertEqual(self.predicted("1"), 1)
        self.keep(1)
        self.ok(404, "POST", "/v1/models/m/versions/1/predict", ROW)
        self.assertEqual(self.predicted("@previous"), 2)
        self.put(4)
        self.ok(404, "POST", "/v1/models/m/versions/2/predict", ROW)

    def test_what_may_be_kept_is_a_number(self):
        self.put(1)
        for value in (-1, 1.5, "5", True, [1], 1000001):
            self.keep(value, status=400)
        self.ok(400, "PUT", "/v1/models/m/keep", {})
        self.ok(400, "PUT", "/v1/models/m/keep", {"version": 1})
        self.ok(404, "PUT", "/v1/models/none/keep", {"versions": 1})

    def test_a_version_in_use_is_not_deleted_by_hand(self):
        self.put(1, 2, 3)
        self.alias("prod", 1)
        _, data = self.ok(409, "DELETE", "/v1/models/m/versions/1")
        self.assertIn("alias prod", data["detail"])
        self.ok(409, "DELETE", "/v1/models/m/versions/@prod")
        _, data = self.ok(409, "DELETE", "/v1/models/m/versions/3")
        self.assertIn("default", data["detail"])
        self.ok(409, "DELETE", "/v1/models/m/versions/@default")
        self.assertEqual(self.places(), (3, 2))
        self.ok(204, "DELETE", "/v1/models/m/versions/@previous")
        self.assertEqual(self.places(), (3, None))
        self.default("@previous", status=404)
        self.ok(204, "DELETE", "/v1/models/m/aliases/prod")
        self.ok(204, "DELETE", "/v1/models/m/versions/1")
        self.ok(404, "DELETE", "/v1/models/m/versions/1")
        self.ok(204, "DELETE", "/v1/models/m/versions/3")  # the last one may go
        self.assertEqual((self.numbers(), self.places()), ([], (None, None)))
        self.assertEqual(self.history()[0], (None, 3, "request", None))
        self.ok(404, "POST", "/v1/models/m/predict", ROW)
        self.assertEqual(self.put(4), 4)
        self.assertEqual(self.places(), (4, None))


def rows_of(n, seed=5):
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1) for _ in range(3)] for _ in range(n)]
    return x, [[math.sin(r[0]) + r[1], r[2] * 5 + rng.gauss(0, 0.1)] for r in x]


def losses(mean, variance, y, ranges):
    """Of one row, in plain words: the mean over outputs of each loss."""
    square, nll, crps = [], [], []
    for m, v, t, (low, high) in zip(mean, variance, y, ranges):
        std = math.sqrt(v)
        z = (t - m) / std
        square.append(((m - t) / (high - low)) ** 2)
        nll.append(-math.log(statistics.NormalDist(m, std).pdf(t)))
        phi = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        crps.append(std * (z * (2 * statistics.NormalDist().cdf(z) - 1) + 2 * phi
                           - 1 / math.sqrt(math.pi)) / (high - low))
    return [statistics.fmean(part) for part in (square, nll, crps)]


class Comparison(Versions):
    def setUp(self):
        super().setUp()
        scores = {"rows": 7, "relative_error": 0.1, "rmse": [0.2, 0.3],
                  "output_range": [[-2, 2], [-5, 6]]}
        for seed, more in ((1, {"scores": scores}), (2, {}), (3, {})):
            self.ok(201, "PUT", "/v1/models/m",
                    document(seed=seed, noise={"sigma": [0.3, 1.5]}, **more))

    def compare(self, body, status=200, query="", **head):
        return self.ok(status, "POST", f"/v1/models/m/compare{query}", body, head)[1]

    def expected(self, first, other, x, y, ranges):
        """Differences of the losses by way of predictions."""
        by = []
        for version in (first, other):
            _, data = self.ok(200, "POST", f"/v1/models/m/versions/{version}/predict",
                              {"inputs": x, "return": ["mean", "total_variance"]})
            by.append([losses(m, v, t, ranges)
                       for m, v, t in zip(data["mean"], data["total_variance"], y)])
        out = {}
        for k, name in enumerate(("squared_error", "nll", "crps")):
            d = [b[k] - a[k] for a, b in zip(*by)]
            out[name] = (statistics.fmean(d), statistics.stdev(d) / math.sqrt(len(d)),
                         sum(v < 0 for v in d) / len(d))
        return out

    def check(self, found, expected):
        self.assertEqual(list(found), list(expected))
        for name, (mean, error, better) in expected.items():
            self.assertTrue(math.isclose(found[name]["mean"], mean, rel_tol=1e-6, abs_tol=1e-12),
                            (name, found[name], mean))
            self.assertTrue(math.isclose(found[name]["standard_error"], error, rel_tol=1e-6),
                            (name, found[name], error))
            self.assertEqual(found[name]["better"], better)

    def test_differences_are_those_of_the_predictions(self):
        self.alias("prod", 1)
        x, y = rows_of(101)
        data = self.compare({"versions": ["@prod", 2, "@default"], "inputs": x, "outputs": y})
        self.assertEqual((data["model"], data["rows"]), ("m", 101))
        self.assertEqual([v["version"] for v in data["versions"]], [1, 2, 3])
        for part in data["versions"]:
            path = f"/v1/models/m/versions/{part['version']}/evaluate"
            _, alone = self.ok(200, "POST", path, {"inputs": x, "outputs": y})
            part = dict(part, model="m")
            difference = part.pop("difference", None)
            self.assertEqual(part, alone)
            if part["version"] == 1:
                self.assertIsNone(difference)
            else:
                self.check(difference, self.expected(1, part["version"], x, y, [(-2, 2), (-5, 6)]))
        # Without scores of its own the first version is measured by the rows' range.
        data = self.compare({"versions": [3, 1], "inputs": x, "outputs": y})
        ranges = [(min(c), max(c)) for c in zip(*y)]
        self.check(data["versions"][1]["difference"], self.expected(3, 1, x, y, ranges))

    def test_a_version_does_not_differ_from_itself(self):
        x, y = rows_of(20)
        data = self.compare({"versions": ["@default", 3], "inputs": x, "outputs": y})
        none = {"mean": 0.0, "standard_error": 0.0, "better": 0.0}
        self.assertEqual(data["versions"][1]["difference"],
                         {"squared_error": none, "nll": none, "crps": none})
        data = self.compare({"versions": [1, 2], "inputs": x[:1], "outputs": y[:1]})
        self.assertIsNone(data["versions"][1]["difference"]["nll"]["standard_error"])

    def test_points_without_variance_have_no_density_to_compare(self):
        for seed in (1, 2):
            self.ok(201, "PUT", "/v1/models/points", document(draws=1, seed=seed))
        x, y = rows_of(5)
        _, data = self.ok(200, "POST", "/v1/models/points/compare",
                          {"versions": [1, 2], "inputs": x, "outputs": y})
        difference = data["versions"][1]["difference"]
        self.assertEqual((difference["nll"], difference["crps"]), (None, None))
        self.assertEqual(set(difference["squared_error"]), {"mean", "standard_error", "better"})

    def test_rows_come_as_csv_or_from_the_store(self):
        x, y = rows_of(50)
        self.ok(404, "POST", "/v1/models/m/compare", {"versions": [1, 2], "data": {}})
        sent = self.compare({"versions": [1, 2], "inputs": x, "outputs": y})
        text = "a,b,c,y,z\n" + "".join(",".join(map(repr, r + t)) + "\n" for r, t in zip(x, y))
        csv = self.compare(text, query="?versions=1,@previous", **{"Content-Type": "text/csv"})
        self.assertEqual(csv, sent)
        named = self.compare({"inputs": x, "outputs": y}, query="?versions=1,2")
        self.assertEqual(named, sent)
        self.compare({"inputs": x, "outputs": y, "versions": [1, 2]}, 400, "?versions=1,2")
        batches = []
        for part in (slice(0, 20), slice(20, 50)):
            _, data = self.ok(201, "POST", "/v1/models/m/data",
                              {"inputs": x[part], "outputs": y[part]})
            batches.append(data["batch"])
        stored = self.compare({"versions": [1, 2], "data": {}})
        self.assertEqual(stored["versions"], sent["versions"])
        self.assertEqual(stored["data"], {"after_batch": 0, "limit": 1000})
        self.assertIn("trained on", stored["warnings"][0]["text"])
        for data, part in (({"after_batch": batches[0]}, slice(20, 50)),
                           ({"limit": 7}, slice(43, 50))):
            stored = self.compare({"versions": [1, 2], "data": data})
            sent = self.compare({"versions": [1, 2], "inputs": x[part], "outputs": y[part]})
            self.assertEqual(stored["versions"], sent["versions"])
        self.compare({"versions": [1, 2], "data": {"after_batch": batches[1]}}, status=404)

    def test_what_cannot_be_compared_is_refused(self):
        x, y = rows_of(2)
        rows = {"inputs": x, "outputs": y}
        for body in ({"versions": [1]}, {"versions": [1] * 9}, {"versions": 1}, {},
                     {"versions": [1, 0]}, {"versions": [1, None]}, {"versions": [1, 2], "more": 1}):
            self.compare(dict(rows, **body), status=400)
        self.compare({"versions": [1, 2]}, status=400)
        self.compare({"versions": [1, 2], "inputs": x}, status=400)
        self.compare({"versions": [1, 2], "inputs": x, "outputs": y[:1]}, status=400)
        self.compare(dict(rows, versions=[1, 2], data={}), status=400)
        for data in ({"limit": 0}, {"limit": 100001}, {"after_batch": -1}, {"x": 1}, [], None):
            self.compare({"versions": [1, 2], "data": data}, status=400)
        for versions in (["@none", 1], [1, 9], ["@default", "@prod"]):
            self.compare(dict(rows, versions=versions), status=404)
        self.ok(404, "POST", "/v1/models/none/compare", dict(rows, versions=[1, 2]))
        for query in ("", "?versions=1", "?versions=1,2,3,1,2,3,1,2,3", "?versions=1,,2"):
            self.compare("a,b,c,y,z\n1,2,3,4,5\n", 400, query, **{"Content-Type": "text/csv"})
        x, y = rows_of(20000)
        self.compare({"versions": [1, 2], "inputs": x, "outputs": y}, 504,
                     **{"Request-Timeout-Ms": "1"})
        self.ok(201, "PUT", "/v1/models/m", document(arch=architecture(inputs=2)))
        data = self.compare(dict(rows, versions=[1, "@default"]), status=400)
        self.assertIn("version 4 has 2 inputs", data["detail"])


class LongComparison(Versions):
    """A comparison of versions whose predictions take a while, by a client that has to wait."""

    flags = ("--write_threads", "1", "--drain_timeout_s", "0")

    def setUp(self):
        super().setUp()
        arch = architecture(width=24, layers=6)
        for seed in (1, 2):
            self.ok(201, "PUT", "/v1/models/m", document(draws=40, seed=seed, arch=arch))
        self.begin(3000)

    def begin(self, n):
        """Asks for a comparison of n rows, eight times, and waits until the first is done."""
        x, y = rows_of(n)
        body = json.dumps({"inputs": x, "outputs": y, "versions": [1, 2] * 4})
        before = self.predicted_rows()
        self.client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        self.addCleanup(self.client.close)
        self.client.request("POST", "/v1/models/m/compare", body)
        end = time.time() + PATIENCE
        while self.predicted_rows() == before:
            self.assertLess(time.time(), end)

    def is_answered(self):
        return select.select([self.client.sock], [], [], 0)[0] != []

    def predicted_rows(self):
        text = self.server.request("GET", "/metrics")[2].decode()
        return float(re.search(r"^surrogated_predicted_rows_total (\S+)", text, re.M).group(1))

    def test_writes_do_not_wait_for_it(self):
        for n in (3000, 6000, 12000, 24000, 48000):  # a machine may be held up meanwhile
            self.ok(201, "POST", "/v1/models/m/data", {"inputs": [[1, 2, n]], "outputs": [[1, 2]]})
            self.alias(f"a{n}", 1)
            if not self.is_answered():
                return
            self.begin(2 * n)
        self.fail("no write was done before a comparison of 48000 rows was")

    def test_a_stop_does_not_wait_for_it(self):
        for n in (3000, 6000, 12000, 24000, 48000):
            self.assertEqual(self.server.stop(), 0)
            status = self.client.getresponse().status
            if status == 503:
                return
            self.assertEqual(status, 200)  # the machine was held up
            self.server.start()
            self.begin(2 * n)
        self.fail("a comparison of 48000 rows was done before a stop")

    def test_versions_are_deleted_meanwhile(self):
        self.ok(204, "DELETE", "/v1/models/m/versions/1")
        self.ok(204, "DELETE", "/v1/models/m")
        answer = self.client.getresponse()
        self.assertEqual(answer.status, 200)
        versions = json.loads(answer.read())["versions"]
        self.assertEqual([part["version"] for part in versions], [1, 2] * 4)
        for part in versions[2::2]:
            self.assertEqual(part["difference"]["squared_error"]["mean"], 0)


if __name__ == "__main__":
    unittest.main()
