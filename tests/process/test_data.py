# SPDX-License-Identifier: Apache-2.0
"""Training rows: formats, export, duplicates, outliers, columns, a file of schema 1."""

import concurrent.futures
import hashlib
import http.client
import io
import json
import os
import random
import shutil
import sqlite3
import tempfile
import unittest
import zipfile

from harness import HERE, PATIENCE, Server, ServerTest, rows
from row_tables import DATA, CSV, NPY, NPZ, key, packed, beside, npy, read_npy

# The schema of the first files.
SCHEMA_1 = os.path.join(HERE, "..", "..", "schema", "001_init.sql")


class Rows(ServerTest):
    def fetch(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body

    def test_rows_go_round_in_every_format(self):
        rng = random.Random(3)
        edge = [0.1, -0.0, 1e-308, 5e-324, -1.7976931348623157e308, 1 / 3, 123456789.125]
        table = []
        for size in (1, 700, 3000):
            part = [[rng.choice(edge) if rng.random() < 0.1 else rng.gauss(0, 1)
                     for _ in range(5)] for _ in range(size)]
            table += part
            self.ok(201, "POST", DATA + "?outputs=2", npy(part), NPY)
        _, data = self.ok(200, "GET", DATA)
        head, body = self.ok(200, "GET", DATA + "/rows?format=npy")
        text, numbers = read_npy(body)
        self.assertEqual(head["Content-Type"], "application/x-npy")
        self.assertEqual((head["Surrogate-Rows"], head["Surrogate-Outputs"]), ("3701", "2"))
        self.assertIn("(3701, 5)", text)
        self.assertEqual(numbers, packed(table))
        for kind, content in (("npy", NPY), ("npz", NPZ), ("csv", CSV), ("json", {})):
            body = self.fetch(f"{DATA}/rows?format={kind}")
            if kind == "npz":
                with zipfile.ZipFile(io.BytesIO(body)) as file:
                    self.assertIsNone(file.testzip())
                    self.assertEqual(file.namelist(), ["x.npy", "y.npy"])
                    arrays = [read_npy(file.read(name)) for name in file.namelist()]
                self.assertIn("(3701, 3)", arrays[0][0])
                self.assertIn("(3701, 2)", arrays[1][0])
                self.assertEqual([numbers for _, numbers in arrays],
                                 [packed([row[:3] for row in table]), packed([row[3:] for row in table])])
            if kind == "json":
                # Left to itself the parser makes the integer 0 of -0.
                self.assertEqual(packed(beside(json.loads(body, parse_int=float))), packed(table))
            if kind == "csv":
                lines = body.decode().split("\r\n")
                self.assertEqual(lines[0], "x1,x2,x3,y1,y2")
                self.assertEqual(packed([list(map(float, line.split(","))) for line in lines[1:-1]]),
                                 packed(table))
            path = f"/v1/models/copy-{kind}/data"
            _, answer = self.ok(201, "POST", path + "?outputs=2", body, content)
            self.assertEqual(answer["rows"], 3701)
            _, copied = self.ok(200, "GET", path + "/batches")
            self.assertEqual(copied["batches"][0]["digest"],
                             hashlib.sha256(packed(table)).hexdigest())
        _, body = self.ok(200, "GET", DATA + "/rows?format=npy&batch=2")
        self.assertEqual(read_npy(body)[1], packed(table[1:701]))
        self.ok(404, "GET", DATA + "/rows?batch=77")
        self.ok(400, "GET", DATA + "/rows?batch=x")
        self.ok(400, "GET", DATA + "/rows?format=xml")
        self.ok(404, "GET", "/v1/models/none/data/rows")
        self.assertEqual(data["rows"], 3701)

    def test_an_export_is_cut_when_its_rows_are_deleted(self):
        self.is_cut("csv")

    def test_an_export_as_npz_is_cut_too(self):
        self.is_cut("npz")

    def is_cut(self, kind):
        # 19 MB and more, which sockets do not keep for a client that does not read.
        big = npy([[i / 7, i / 3, i / 11] for i in range(100000)])
        batches = [self.ok(201, "POST", DATA + "?outputs=1", big, NPY)[1]["batch"] for _ in range(8)]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("GET", f"{DATA}/rows?format={kind}")
        answer = connection.getresponse()
        answer.read(1000)
        self.ok(200, "DELETE", f"{DATA}/batches/{batches[-1]}")
        with self.assertRaises(http.client.HTTPException):
            while answer.read(1 << 20):
                pass
        connection.close()
        self.server.wait_message("\"export cut\"")

    def test_csv_is_that_of_rfc_4180(self):
        def post(text, status=201):
            return self.ok(status, "POST", DATA + "?outputs=1", text, CSV)[1]
        quoted = ('"tempe""rature, in K","a\r\nname of more than sixty-three bytes, which says what '
                  'the column means",y\r\n"1","2.5",3\r\n4,"5e-1","-6"\r\n')
        self.assertEqual(post(quoted)["rows"], 2)
        _, body = self.ok(200, "GET", DATA + "/rows")
        names = body.pop("names")
        self.assertEqual((names["inputs"][0], names["outputs"]), ('tempe"rature, in K', ["y"]))
        self.assertEqual(body, {"inputs": [[1, 2.5], [4, 0.5]], "outputs": [[3], [-6]]})
        self.assertEqual(post("1,2,3\n7,8,9")["rows"], 2)
        self.ok(200, "DELETE", DATA)
        self.ok(204, "DELETE", DATA.replace("data", "space"))
        self.assertEqual(post("\ufeffa,b,c\n7,8,10\n")["rows"], 1)
        for bad, place in (('a,b,c\n1,"2"3,4\n', (0, 1)), ('a,b,c\n1,2"3",4\n', (0, 1)),
                           ('a,b,c\n1,2,"3', (0, 2)), ("1,2,3\n1,2\n", (1, 2)),
                           ("1,2,3\n1,2,3,4\n", (1, 3)), ("1,2,3\n1,,3\n", (1, 1)),
                           ("1,2,3\n1,nan,3\n", (1, 1)),
                           # A first row with a hole is no header: it would be lost silently.
                           ("1,2,nan\n4,5,6\n", (0, 2)), (",2,3\n4,5,6\n", (0, 0)),
                           ("1,2,3\n1\0,2\x005,3\n", (1, 0))):
            problem = post(bad, 400)
            self.assertEqual((problem.get("row"), problem.get("column")), place, bad)
        post('"a,b\n1,2\n', 400)
        post('"a"b,c,d\n1,2,3\n', 400)
        # Room is made for no more rows than a body of this size can hold.
        problem = self.ok(400, "POST", "/v1/models/wide/data?outputs=1", "1," * 8191 + "1\n" * 1000000, CSV)[1]
        self.assertEqual((problem.get("row"), problem.get("column")), (1, 1))

    def test_npy_needs_the_number_of_outputs_once(self):
        table = beside(rows(5, d=3))
        self.ok(400, "POST", DATA, npy(table), NPY)
        self.ok(201, "POST", DATA + "?outputs=1", npy(table), NPY)
        self.assertEqual(self.ok(201, "POST", DATA, npy(table), NPY)[1]["total_rows"], 10)
        self.ok(400, "POST", DATA + "?outputs=2", npy(table), NPY)
        self.ok(400, "POST", DATA + "?outputs=4", npy(table), NPY)
        # No more inputs than a network can have, no more outputs than a field can have, as a table no more columns
        # than a line is read with.
        for over in (1, 0):
            status = 400 if over else 201
            inputs = [0.5] * (4096 + over)
            path = "/v1/models/wide4096/data"
            self.ok(status, "POST", path, {"inputs": [inputs], "outputs": [[0.5]]})
            self.ok(status, "POST", f"{path}?outputs=1", npy([inputs + [0.5]]), NPY)
            self.ok(status, "POST", f"{path}?outputs=1", ",".join(["0.5"] * (4097 + over)), CSV)
            self.ok(status, "POST", f"/v1/models/wide1/data?outputs={1_000_000 + over}",
                    npy([[0.5] * (1_000_001 + over)]), NPY)
            self.ok(status, "POST", f"/v1/models/lines/data?outputs={65_535 + over}",
                    ",".join(["0.5"] * (65_536 + over)), CSV)
        table[2][1] = float("nan")
        problem = self.ok(400, "POST", DATA, npy(table), NPY)[1]
        self.assertEqual((problem["row"], problem["column"]), (2, 1))

    def test_duplicates_are_reported_or_left_out(self):
        table = beside(rows(400))
        _, answer = self.ok(201, "POST", DATA + "?outputs=1", npy(table), NPY)
        self.assertEqual(answer["duplicates"], {"count": 0, "skipped": False, "rows": []})
        fresh = beside(rows(10, seed=5))
        mixed = fresh[:4] + table[100:103] + fresh[3:5]
        _, answer = self.ok(201, "POST", DATA, npy(mixed), NPY)
        self.assertEqual(answer["duplicates"], {"count": 4, "skipped": False, "rows": [4, 5, 6, 7]})
        self.assertEqual((answer["rows"], answer["total_rows"]), (9, 409))
        mixed = table[7:8] + fresh[5:8] + fresh[5:6] + table[:20]
        _, answer = self.ok(201, "POST", DATA + "?on_duplicate=skip", npy(mixed),
                            {**NPY, **key("s")})
        self.assertEqual(answer["duplicates"],
                         {"count": 22, "skipped": True, "rows": [0, 4, 5, 6, 7, 8, 9, 10, 11, 12]})
        self.assertEqual((answer["rows"], answer["total_rows"]), (3, 412))
        _, body = self.ok(200, "GET", f"{DATA}/rows?format=npy&batch={answer['batch']}")
        self.assertEqual(read_npy(body)[1], packed(fresh[5:8]))
        # All are there: nothing is made, which a key remembers too.
        for repeated in (False, True):
            _, answer = self.ok(200, "POST", DATA + "?on_duplicate=skip", npy(table),
                                {**NPY, **key("t")})
            self.assertEqual((answer["batch"], answer["rows"], answer["total_rows"]),
                             (None, 0, 412))
            self.assertEqual(answer["duplicates"]["count"], 400)
            self.assertEqual(answer.get("repeated", False), repeated)
        # Bit for bit: zero and minus zero are two.
        self.ok(201, "POST", DATA, {"inputs": [[0.0, 0.0]], "outputs": [[0.0]]})
        _, answer = self.ok(201, "POST", DATA, {"inputs": [[-0.0, 0.0]], "outputs": [[0.0]]})
        self.assertEqual(answer["duplicates"]["count"], 0)
        self.ok(400, "POST", DATA + "?on_duplicate=drop", npy(table), NPY)
        # Of many clients with the same rows exactly one adds each row.
        many = npy(beside(rows(3000, seed=11)))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.server.request(
                "POST", DATA + "?on_duplicate=skip", many, NPY)[2]["rows"], range(8)))
        self.assertEqual(sorted(answers), [0] * 7 + [3000])
        _, metrics = self.ok(200, "GET", "/metrics")
        self.assertIn(b"surrogated_repeated_uploads_total 1\n", metrics)
        self.assertIn(b"surrogated_duplicate_rows_total %d\n" % (4 + 22 + 400 + 7 * 3000), metrics)

    def test_duplicates_are_found_among_many_batches(self):
        """Enough small uploads that runs of the index are joined more than once."""
        parts = [beside(rows(3, seed=seed)) for seed in range(100)]
        for part in parts:
            self.ok(201, "POST", DATA + "?outputs=1", npy(part), NPY)
        everything = [row for part in parts for row in part]
        _, answer = self.ok(201, "POST", DATA, npy(everything), NPY)
        self.assertEqual(answer["duplicates"]["count"], 300)
        # Rows of deleted batches do not count; those of this upload do not either, once it is gone.
        self.ok(200, "DELETE", f"{DATA}/batches/{answer['batch']}")
        for batch in range(1, 81):
            self.ok(200, "DELETE", f"{DATA}/batches/{batch}")
        _, answer = self.ok(201, "POST", DATA, npy(everything), NPY)
        self.assertEqual(answer["duplicates"]["count"], 60)
        self.assertEqual(answer["duplicates"]["rows"][0], 240)

    def test_outliers_are_reported(self):
        rng = random.Random(1)
        table = [[rng.gauss(5, 1), rng.uniform(0, 1), 3.0, rng.gauss(0, 2)] for _ in range(3000)]
        table[17][0] = 1e6
        _, answer = self.ok(201, "POST", DATA + "?outputs=1", npy(table), NPY)
        self.assertEqual(answer["outliers"]["count"], 1)
        place = answer["outliers"]["values"][0]
        self.assertEqual((place["row"], place["column"], place["value"]), (17, 0, 1e6))
        # Quartiles of a normal lie at +- 0.674.
        low, high = place["usual"]
        self.assertAlmostEqual(low, 5 - 21 * 0.674, delta=1.5)
        self.assertAlmostEqual(high, 5 + 21 * 0.674, delta=1.5)
        # A single row is judged by those that are there; a constant column tells nothing.
        _, answer = self.ok(201, "POST", DATA, npy([[5.0, 99.0, 4.0, -77.0]]), NPY)
        self.assertEqual([(v["row"], v["column"]) for v in answer["outliers"]["values"]],
                         [(0, 1), (0, 3)])
        _, answer = self.ok(201, "POST", DATA, npy([[5.0, 0.5, 3.0, 7.0]]), NPY)
        self.assertEqual(answer["outliers"], {"count": 0, "values": []})

    def test_outliers_are_those_of_exact_quartiles(self):
        """Of columns whose quartiles are easily missed: flags, counts, loops of a grid."""
        def count(values):
            n = len(values)
            order = sorted(values)
            first, third = order[n // 4], order[3 * n // 4]
            mean = sum(values) / n
            spread = third - first or (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5
            return sum(not first - 10 * spread <= v <= third + 10 * spread for v in values)
        rng = random.Random(4)
        for n in (1000, 5000):
            for share in (0.001, 0.05, 0.19, 0.2, 0.21, 0.22, 0.23, 0.24, 0.26, 0.28, 0.4, 0.6):
                table = [[float(rng.random() < share), rng.choices((0.0, 1.0, 9.0), (20, 5, 2))[0],
                          float(rng.random() < 0.15) + 1e-6 * rng.random(),
                          1e4 if i % 500 == 7 else rng.gauss(0, 1),
                          1e4 if i % 500 == 7 else 3.0] for i in range(n)]
                expected = sum(map(count, zip(*table)))
                _, answer = self.ok(201, "POST", f"/v1/models/m{n}-{share}/data?outputs=1",
                                    npy(table), NPY)
                self.assertEqual(answer["outliers"]["count"], expected, (n, share))
        # The inner loop of a grid goes round 32 times for each row that is looked at.
        table = [[i // 512, i // 16 % 32, i % 16, i % 16 * (i // 512) + 1e-6 * rng.random()]
                 for i in range(64 * 32 * 16)]
        _, answer = self.ok(201, "POST", DATA + "?outputs=1", npy(table), NPY)
        self.assertEqual(answer["outliers"]["count"], 0)

    def test_columns_are_described(self):
        rng = random.Random(2)
        table = [[rng.uniform(0, 8), rng.gauss(-3, 2)] for _ in range(20000)]
        for at in range(0, 20000, 500):
            self.ok(201, "POST", DATA + "?outputs=1", npy(table[at:at + 500]), NPY)
        _, data = self.ok(200, "GET", DATA)
        for column, (kind, j) in zip(data["columns"], (("input", 0), ("output", 0))):
            values = sorted(row[1 if kind == "output" else 0] for row in table)
            n = len(values)
            mean = sum(values) / n
            deviation = (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5
            self.assertEqual(column[kind], j)
            self.assertEqual((column["min"], column["max"]), (values[0], values[-1]))
            self.assertAlmostEqual(column["mean"], mean, delta=1e-12 * abs(values[-1] - values[0]))
            self.assertAlmostEqual(column["std"], deviation, delta=1e-11)
            # 40 sketches joined: within 3 % of the rows' ranks.
            for level, quartile in zip((0.25, 0.5, 0.75), column["quartiles"]):
                rank = sum(v <= quartile for v in values) / n
                self.assertAlmostEqual(rank, level, delta=0.03)


class Older(unittest.TestCase):
    def test_a_file_of_schema_1_is_brought_up_to_date(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        server = Server(folder)
        table = [[float(i), i / 7, -float(i * i)] for i in range(500)]
        with open(SCHEMA_1, encoding="utf-8") as file:
            schema = file.read()
        db = sqlite3.connect(server.db)
        db.executescript(schema + "PRAGMA application_id=0x53524754; PRAGMA user_version=1;")
        db.execute("INSERT INTO models (id, name, created_ms) VALUES (1, 'm', 5), (2, 'empty', 6)")
        # Batch 1 in two chunks, batch 2 in one, batch 3 damaged.
        for batch, chunks in ((1, ((0, 150), (150, 300))), (2, ((300, 500),)), (3, ((0, 10),))):
            db.execute("INSERT INTO batches (id, model_id, n_rows, n_inputs, n_outputs, created_ms)"
                       " VALUES (?, 1, ?, 2, 1, 7)", (batch, sum(b - a for a, b in chunks)))
            for seq, (a, b) in enumerate(chunks):
                data = packed(table[a:b])
                sha = b"\0" * 32 if batch == 3 else hashlib.sha256(data).digest()
                db.execute("INSERT INTO batch_chunks VALUES (?, ?, ?, ?, ?)",
                           (batch, seq, b - a, sha, data))
        db.commit()
        db.close()
        server.start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        _, _, page = server.request("GET", DATA + "/batches")
        self.assertEqual([b["digest"] for b in page["batches"][:2]],
                         [hashlib.sha256(packed(part)).hexdigest()
                          for part in (table[:300], table[300:])])
        self.assertEqual([b["format"] for b in page["batches"]], ["unknown"] * 3)
        # The damaged batch is not counted and can be deleted.
        status, _, _ = server.request("DELETE", DATA + "/batches/3")
        self.assertEqual(status, 200)
        _, _, data = server.request("GET", DATA)
        self.assertEqual((data["rows"], data["batches"], data["columns"][0]["max"]), (500, 2, 499))
        _, _, body = server.request("GET", DATA + "/rows?format=npy")
        self.assertEqual(read_npy(body)[1], packed(table))
        status, _, answer = server.request("POST", DATA, npy(table + [[9e9, 1.0, 1.0]]), NPY)
        self.assertEqual((status, answer["duplicates"]["count"], answer["outliers"]["count"]),
                         (201, 500, 1))
        status, _, answer = server.request("POST", "/v1/models/empty/data", rows(2))
        self.assertEqual((status, answer["total_rows"]), (201, 2))
        self.assertEqual(server.stop(), 0)
        db = sqlite3.connect(server.db)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        self.assertEqual(db.execute("PRAGMA foreign_key_check").fetchall(), [])
        db.close()


if __name__ == "__main__":
    unittest.main()
