# SPDX-License-Identifier: Apache-2.0
"""Training rows: exactly once, where they came from, duplicates, outliers, export, deletion."""

import array
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
import unittest

from harness import HERE, PATIENCE, Server, ServerTest, rows

DATA = "/v1/models/m/data"
CSV = {"Content-Type": "text/csv"}
NPY = {"Content-Type": "application/x-npy"}
# The schema of the first files.
SCHEMA_1 = os.path.join(HERE, "..", "..", "schema", "001_init.sql")


def key(text):
    return {"Idempotency-Key": text}


def packed(table):
    """Rows [x + y] as the store keeps them."""
    return array.array("d", [value for row in table for value in row]).tobytes()


def beside(body):
    return [x + y for x, y in zip(body["inputs"], body["outputs"])]


def npy(table):
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(table)}, {len(table[0])}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + packed(table)


def read_npy(data):
    (size,) = struct.unpack("<H", data[8:10])
    return data[10:10 + size].decode(), data[10 + size:]


class Keys(ServerTest):
    def total(self):
        return self.ok(200, "GET", DATA)[1]["rows"]

    def test_a_repeat_adds_nothing(self):
        body = json.dumps(rows(30))
        _, first = self.ok(201, "POST", DATA, body, key('"a b"'))
        self.assertEqual((first["rows"], first["total_rows"]), (30, 30))
        self.assertNotIn("repeated", first)
        self.ok(201, "POST", DATA, rows(5, seed=2))
        for _ in range(2):
            _, again = self.ok(201, "POST", DATA, body, key('"a b"'))
            self.assertEqual(again, {**first, "repeated": True})
        self.assertEqual(self.total(), 35)
        # Keys are a model's own.
        _, other = self.ok(201, "POST", "/v1/models/other/data", body, key('"a b"'))
        self.assertNotIn("repeated", other)
        # Quoted or bare: the same key. Where a repeat comes from does not matter.
        self.ok(201, "POST", DATA, body, key("abc"))
        _, again = self.ok(201, "POST", DATA, body,
                           {**key('"abc"'), "Surrogate-Source": "elsewhere"})
        self.assertTrue(again["repeated"])
        self.server.stop()
        self.server.start()
        _, again = self.ok(201, "POST", DATA, body, key("abc"))
        self.assertTrue(again["repeated"])
        self.assertEqual(self.total(), 65)

    def test_another_payload_is_refused(self):
        table = beside(rows(4, d=3))
        text = "\n".join(",".join(map(repr, row)) for row in table)
        self.ok(201, "POST", DATA + "?outputs=1", text, {**CSV, **key("k")})
        _, problem = self.ok(422, "POST", DATA, rows(4, d=3, seed=9), key("k"))
        self.assertIn("another upload", problem["detail"])
        self.ok(422, "POST", DATA + "?outputs=2", text, {**CSV, **key("k")})
        self.ok(422, "POST", DATA + "?outputs=1&on_duplicate=skip", text, {**CSV, **key("k")})
        self.ok(422, "POST", DATA + "?outputs=1", text + "\n", {**CSV, **key("k")})
        self.assertEqual(self.total(), 4)

    def test_a_refused_upload_does_not_use_its_key(self):
        self.ok(400, "POST", DATA, {"inputs": [[1]], "outputs": [["x"]]}, key("k"))
        self.ok(201, "POST", DATA, rows(3), key("k"))

    def test_keys_are_read_strictly(self):
        body = rows(2)
        for good in ('"x"', "x", "a", '"\\"\\\\"', '"' + "k" * 255 + '"', "k" * 255,
                     "8e03978e-40d5-43dd-bc93-6894a57f9324", "a:/=@b"):
            self.ok(201, "POST", DATA, body, key(good))
        for bad in ('""', '"', '"a', 'a"', "a b", '"a" "b"', "a,b", '"a";p=1', '"\\a"', "k" * 256,
                    '"' + "k" * 256 + '"', "\u00e9", '"\u00e9"', "a\\"):
            self.ok(400, "POST", DATA, body, key(bad))
        raw = (f"POST {DATA} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n"
               f"Content-Length: 2\r\nConnection: close\r\n\r\n{{}}").encode()
        self.assertIn(b" 400 ", self.server.raw(raw))

    def test_a_key_is_forgotten_after_a_day(self):
        body = rows(3)
        self.ok(201, "POST", DATA, body, key("old"))
        self.ok(201, "POST", DATA, body, key("young"))
        self.server.stop()
        day = 24 * 3600 * 1000
        with sqlite3.connect(self.server.db) as db:
            db.execute("UPDATE data_keys SET created_ms = created_ms - ? WHERE key = 'old'", (day,))
            db.execute("UPDATE data_keys SET created_ms = created_ms - ? WHERE key = 'young'",
                       (day - 600000,))
        db.close()
        self.server.start()
        self.assertTrue(self.ok(201, "POST", DATA, body, key("young"))[1]["repeated"])
        self.assertNotIn("repeated", self.ok(201, "POST", DATA, body, key("old"))[1])
        self.assertEqual(self.total(), 9)

    def test_keys_that_are_over_go_a_few_at_a_time(self):
        """A day's worth of them must not hold up the upload that comes after a pause."""
        body = rows(3)
        self.ok(201, "POST", DATA, body, key("old0"))
        self.server.stop()
        with sqlite3.connect(self.server.db) as db:
            for i in range(1, 300):
                db.execute("INSERT INTO data_keys SELECT model_id, ?, payload, answer, created_ms"
                           " FROM data_keys WHERE key = 'old0'", (f"old{i}",))
            db.execute("UPDATE data_keys SET created_ms = 1000 + substr(key, 4)")
        db.close()
        self.server.start()

        def left():
            with sqlite3.connect(f"file:{self.server.db}?mode=ro", uri=True) as db:
                found = {row[0] for row in db.execute("SELECT key FROM data_keys")}
            db.close()
            return found
        # One that still lies there is not known any more, and may be used for another upload.
        other = rows(4, seed=2)
        self.assertNotIn("repeated", self.ok(201, "POST", DATA, other, key("old299"))[1])
        self.assertEqual(left(), {f"old{i}" for i in range(100, 300)})
        self.assertTrue(self.ok(201, "POST", DATA, other, key("old299"))[1]["repeated"])
        for _ in range(2):
            self.ok(201, "POST", DATA, body)
        self.assertEqual(left(), {"old299"})
        self.assertTrue(self.ok(201, "POST", DATA, other, key("old299"))[1]["repeated"])

    def together(self, calls):
        """Statuses and bodies of uploads that begin at the same moment."""
        gate = threading.Barrier(len(calls))

        def one(call):
            gate.wait()
            status, _, body = self.server.request("POST", DATA, *call)
            return status, body
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    def test_sixteen_clients_with_one_key_add_once(self):
        for turn in range(5):
            body = json.dumps(rows(200, seed=turn))
            answers = self.together([(body, key(f"turn{turn}"))] * 16)
            self.assertEqual({status for status, _ in answers}, {201})
            self.assertEqual(len({answer["batch"] for _, answer in answers}), 1)
            self.assertEqual(sum("repeated" not in answer for _, answer in answers), 1)
            self.assertEqual(self.total(), 200 * (turn + 1))

    def test_sixteen_clients_with_their_own_keys_all_add(self):
        bodies = [json.dumps(rows(50, seed=seed)) for seed in range(16)]
        answers = self.together([(body, key(f"k{i}")) for i, body in enumerate(bodies)])
        self.assertEqual({status for status, _ in answers}, {201})
        self.assertEqual(len({answer["batch"] for _, answer in answers}), 16)
        self.assertEqual(max(answer["total_rows"] for _, answer in answers), 800)
        # One key, sixteen payloads: one wins, the others are told.
        answers = self.together([(body, key("one")) for body in bodies])
        self.assertEqual(sorted(status for status, _ in answers), [201] + [422] * 15)
        self.assertEqual(self.total(), 850)

    def test_after_a_kill_every_upload_is_there_once(self):
        stop = threading.Event()

        def client(number):
            """Repeats each upload with its key until it is acknowledged, through restarts."""
            rng = random.Random(number)
            acknowledged = {}
            count = 0
            while not stop.is_set():
                count += 1
                body = json.dumps(rows(rng.randint(1, 300), seed=1000 * number + count))
                while True:
                    try:
                        status, _, answer = self.server.request(
                            "POST", DATA, body, {**key(f"{number}/{count}"),
                                                 "Surrogate-Source": f"{number}/{count}"})
                    except (OSError, ValueError, http.client.HTTPException):
                        time.sleep(0.05)
                        continue
                    self.assertEqual(status, 201, answer)
                    acknowledged[f"{number}/{count}"] = answer
                    break
            return acknowledged
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, number) for number in range(8)]
            rng = random.Random(5)
            for _ in range(4):
                time.sleep(rng.uniform(0.2, 0.5))
                self.server.kill()
                self.server.start()
            time.sleep(0.3)
            stop.set()
            acknowledged = {}
            for one in clients:
                acknowledged.update(one.result(60))
        found = {}
        after = 0
        while after is not None:
            _, page = self.ok(200, "GET", f"{DATA}/batches?limit=50&after={after}")
            for batch in page["batches"]:
                self.assertNotIn(batch["source"], found)
                found[batch["source"]] = batch
            after = page["next"]
        self.assertEqual({source: (b["batch"], b["rows"]) for source, b in found.items()},
                         {source: (a["batch"], a["rows"]) for source, a in acknowledged.items()})
        self.assertEqual(self.total(), sum(b["rows"] for b in found.values()))


class Batches(ServerTest):
    def test_a_batch_tells_where_it_came_from(self):
        body = rows(3)
        origin = {"run": 7, "machine": ["a", {"b": None}], "name": "\u00fc\"\n"}
        self.ok(201, "POST", DATA, {**body, "provenance": origin},
                {"Surrogate-Source": "solver 2.1, node 17 \u00fc".encode()})
        self.ok(201, "POST", DATA, npy(beside(body)), NPY)
        _, page = self.ok(200, "GET", DATA + "/batches")
        first, second = page["batches"]
        self.assertEqual((first["source"], first["provenance"], first["format"], first["rows"]),
                         ("solver 2.1, node 17 \u00fc", origin, "json", 3))
        self.assertEqual((second["source"], second["provenance"], second["format"]),
                         (None, None, "npy"))
        # The digest is SHA-256 of the rows, the fingerprint that of the digests.
        digest = hashlib.sha256(packed(beside(body))).hexdigest()
        self.assertEqual((first["digest"], second["digest"]), (digest, digest))
        _, data = self.ok(200, "GET", DATA)
        self.assertEqual(data["fingerprint"],
                         hashlib.sha256(bytes.fromhex(digest + digest)).hexdigest())
        self.ok(201, "POST", DATA, body, {"Surrogate-Source": "s" * 1024})
        for bad in ("s" * 1025, b"\xff", "a\x01b"):
            self.ok(400, "POST", DATA, body, {"Surrogate-Source": bad})
        for bad in (1, "text", [], {"x": "y" * 20000}):
            self.ok(400, "POST", DATA, {**body, "provenance": bad})

    def test_batches_come_in_pages(self):
        for seed in range(7):
            self.ok(201, "POST", DATA, rows(2, seed=seed))
        _, page = self.ok(200, "GET", DATA + "/batches?limit=3")
        self.assertEqual([b["batch"] for b in page["batches"]], [1, 2, 3])
        self.assertEqual(page["next"], 3)
        _, page = self.ok(200, "GET", DATA + "/batches?limit=4&after=3")
        self.assertEqual([b["batch"] for b in page["batches"]], [4, 5, 6, 7])
        self.assertIsNone(page["next"])
        for query in ("limit=0", "limit=1001", "limit=x", "after=-1", "after=01"):
            self.ok(400, "GET", f"{DATA}/batches?{query}")
        self.ok(404, "GET", "/v1/models/none/data/batches")

    def test_totals_hold_while_batches_come_and_go(self):
        def appender(number):
            return [self.server.request("POST", DATA, rows(20 + n, seed=100 * number + n))[2]["batch"]
                    for n in range(40)]

        def deleter(number):
            """Deletes every third batch until all have come."""
            gone = 0
            last = False
            while not last:
                last = all(one.done() for one in adding)
                _, _, page = self.server.request("GET", DATA + "/batches?limit=1000")
                for batch in page.get("batches", []):
                    if batch["batch"] % 3 != number:
                        continue
                    status, _, answer = self.server.request(
                        "DELETE", f"{DATA}/batches/{batch['batch']}")
                    self.assertIn(status, (200, 404))
                    gone += answer.get("deleted_rows", 0)
            return gone
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            adding = [pool.submit(appender, number) for number in range(4)]
            deleting = [pool.submit(deleter, number) for number in range(2)]
            numbers = [batch for one in adding for batch in one.result()]
            gone = sum(one.result() for one in deleting)
        self.assertEqual(len(set(numbers)), 160)
        _, page = self.ok(200, "GET", DATA + "/batches?limit=1000")
        left = page["batches"]
        self.assertEqual(sum(b["rows"] for b in left) + gone, 4 * sum(range(20, 60)))
        _, data = self.ok(200, "GET", DATA)
        self.assertEqual((data["rows"], data["batches"]),
                         (sum(b["rows"] for b in left), len(left)))
        self.assertLess(len(left), 160)
        _, body = self.ok(200, "GET", DATA + "/rows")
        for j, column in enumerate(data["columns"][:2]):
            values = [x[j] for x in body["inputs"]]
            self.assertEqual((column["min"], column["max"]), (min(values), max(values)))
            self.assertAlmostEqual(column["mean"], sum(values) / len(values), delta=1e-12)
        # Each row that is left is found as a duplicate, and no other.
        _, answer = self.ok(201, "POST", DATA, body)
        self.assertEqual(answer["duplicates"]["count"], len(body["inputs"]))

    def test_a_deleted_batch_leaves_no_trace(self):
        good = rows(100)
        self.ok(201, "POST", DATA, good)
        _, before = self.ok(200, "GET", DATA)
        bad = rows(100, seed=2)
        bad["inputs"] = [[1000 * x, y] for x, y in bad["inputs"]]
        _, answer = self.ok(201, "POST", DATA, bad, key("bad"))
        self.assertGreater(answer["outliers"]["count"], 50)
        _, polluted = self.ok(200, "GET", DATA)
        self.assertNotEqual(polluted["fingerprint"], before["fingerprint"])
        self.assertEqual(self.ok(200, "DELETE", DATA + "/batches/2")[1], {"deleted_rows": 100})
        self.ok(404, "DELETE", DATA + "/batches/2")
        self.ok(404, "DELETE", DATA + "/batches/x")
        self.ok(404, "DELETE", "/v1/models/none/data/batches/1")
        self.assertEqual(self.ok(200, "GET", DATA)[1], before)
        # A late repeat does not bring the rows back; the same rows under another key are new.
        self.assertTrue(self.ok(201, "POST", DATA, bad, key("bad"))[1]["repeated"])
        self.assertEqual(self.ok(200, "GET", DATA)[1], before)
        self.assertEqual(self.ok(201, "POST", DATA, bad)[1]["duplicates"]["count"], 0)
        # Another model's batch is not there.
        self.ok(201, "POST", "/v1/models/other/data", good)
        self.ok(404, "DELETE", DATA + "/batches/4")
        # Without rows the next upload may have other columns.
        self.assertEqual(self.ok(200, "DELETE", DATA + "/batches/1")[1], {"deleted_rows": 100})
        self.assertEqual(self.ok(200, "DELETE", DATA + "/batches/3")[1], {"deleted_rows": 100})
        self.ok(201, "POST", DATA, rows(4, d=5))
        self.assertEqual(self.ok(200, "GET", DATA)[1]["inputs"], 5)


    def test_deleting_rows_does_not_write_them_once_more(self):
        """Other writes wait for a deletion, so it must not cost as much as the upload did."""
        count = 250000
        table = array.array("d", map(float, range(8 * count))).tobytes()
        head = npy([[0.0] * 8])[:128].replace(b"(1, 8), }     ", b"(%d, 8), }" % count)
        for path in (DATA + "/batches/2", DATA):
            for _ in range(2):
                self.ok(201, "POST", DATA + "?outputs=1", head + table, NPY)
            self.server.stop()  # which empties the log
            self.assertFalse(os.path.exists(self.server.db + "-wal"))
            self.server.start()
            self.ok(200, "DELETE", path)
            self.assertLess(os.path.getsize(self.server.db + "-wal"), len(table) / 2)
            self.assertEqual(self.ok(200, "GET", DATA)[1]["rows"], count if path != DATA else 0)


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
        for kind, content in (("npy", NPY), ("csv", CSV), ("json", {})):
            body = self.fetch(f"{DATA}/rows?format={kind}")
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
        # 40 MB of text, more than sockets keep for a client that does not read.
        big = npy([[i / 7, i / 3, i / 11] for i in range(100000)])
        for _ in range(8):
            self.ok(201, "POST", DATA + "?outputs=1", big, NPY)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("GET", DATA + "/rows?format=csv")
        answer = connection.getresponse()
        answer.read(1000)
        self.ok(200, "DELETE", DATA + "/batches/8")
        with self.assertRaises(http.client.HTTPException):
            while answer.read(1 << 20):
                pass
        connection.close()
        self.assertIn("export cut", self.server.log_text())

    def test_csv_is_that_of_rfc_4180(self):
        def post(text, status=201):
            return self.ok(status, "POST", DATA + "?outputs=1", text, CSV)[1]
        quoted = ('"tempe""rature, in K","a\r\nname of more than sixty-three bytes, which says what '
                  'the column means",y\r\n"1","2.5",3\r\n4,"5e-1","-6"\r\n')
        self.assertEqual(post(quoted)["rows"], 2)
        _, body = self.ok(200, "GET", DATA + "/rows")
        self.assertEqual(body, {"inputs": [[1, 2.5], [4, 0.5]], "outputs": [[3], [-6]]})
        self.assertEqual(post("1,2,3\n7,8,9")["rows"], 2)
        self.assertEqual(post("\ufeffa,b,c\n7,8,10\n")["rows"], 1)
        for bad, place in (('a,b,c\n1,"2"3,4\n', (0, 1)), ('a,b,c\n1,2"3",4\n', (0, 1)),
                           ('a,b,c\n1,2,"3', (0, 2)), ("1,2,3\n1,2\n", (1, 2)),
                           ("1,2,3\n1,2,3,4\n", (1, 3)), ("1,2,3\n1,,3\n", (1, 1)),
                           ("1,2,3\n\n4,5,6\n", (1, 0)), ("1,2,3\n1,nan,3\n", (1, 1)),
                           # A first row with a hole is no header: it would be lost silently.
                           ("1,2,nan\n4,5,6\n", (0, 2)), (",2,3\n4,5,6\n", (0, 0)),
                           ("1,2,3\n1\0,2\x005,3\n", (1, 0))):
            problem = post(bad, 400)
            self.assertEqual((problem.get("row"), problem.get("column")), place, bad)
        post('"a,b\n1,2\n', 400)
        post('"a"b,c,d\n1,2,3\n', 400)
        # Room is made for no more rows than a body of this size can hold.
        problem = post("1," * 8191 + "1\n" * 1000000, 400)
        self.assertEqual((problem.get("row"), problem.get("column")), (1, 1))

    def test_npy_needs_the_number_of_outputs_once(self):
        table = beside(rows(5, d=3))
        self.ok(400, "POST", DATA, npy(table), NPY)
        self.ok(201, "POST", DATA + "?outputs=1", npy(table), NPY)
        self.assertEqual(self.ok(201, "POST", DATA, npy(table), NPY)[1]["total_rows"], 10)
        self.ok(400, "POST", DATA + "?outputs=2", npy(table), NPY)
        self.ok(400, "POST", DATA + "?outputs=4", npy(table), NPY)
        # No more columns than a network can have.
        for inputs, outputs in ((4096, 1), (1, 4096)):
            path = f"/v1/models/wide{inputs}/data"
            wide = [[0.5] * (inputs + outputs)]
            text = ",".join(map(str, wide[0]))
            for over in (1, 0):
                k = inputs + over if inputs > 1 else inputs
                o = outputs + over if outputs > 1 else outputs
                status = 400 if over else 201
                self.ok(status, "POST", path, {"inputs": [[0.5] * k], "outputs": [[0.5] * o]})
                more = [wide[0] + [0.5] * over]
                self.ok(status, "POST", f"{path}?outputs={o}", npy(more), NPY)
                self.ok(status, "POST", f"{path}?outputs={o}", text + ",0.5" * over, CSV)
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


class Training(ServerTest):
    def test_a_version_tells_its_rows(self):
        request = {"solver": "ensemble", "settings": {"members": 1, "epochs": 2}, "seed": 3}

        def train(model):
            _, job = self.ok(202, "POST", f"/v1/models/{model}/train", request)
            row = self.server.wait_job(job["id"], "succeeded", "failed")
            self.assertEqual(row["state"], "succeeded", row)
            _, version = self.ok(200, "GET", f"/v1/models/{model}/versions/{row['version']}")
            self.assertEqual(version["training_data"], row["training_data"])
            return version
        body = rows(40)
        self.ok(201, "POST", DATA, body)
        first = train("m")
        _, data = self.ok(200, "GET", DATA)
        self.assertEqual(first["training_data"], {"rows": 40, "batches": 1, "last_batch": 1,
                                                  "fingerprint": data["fingerprint"]})
        self.ok(201, "POST", DATA, rows(5, seed=4))
        second = train("m")
        self.assertEqual(second["training_data"]["rows"], 45)
        self.assertNotEqual(second["training_data"]["fingerprint"],
                            first["training_data"]["fingerprint"])
        # The same rows in two batches: another fingerprint, the same content.
        self.ok(201, "POST", "/v1/models/halves/data",
                {"inputs": body["inputs"][:9], "outputs": body["outputs"][:9]})
        self.ok(201, "POST", "/v1/models/halves/data",
                {"inputs": body["inputs"][9:], "outputs": body["outputs"][9:]})
        halves = train("halves")
        self.assertEqual(halves["etag"], first["etag"])
        self.assertEqual(halves["training_data"]["batches"], 2)
        _, version = self.ok(200, "GET", "/v1/models/m/versions/1")
        self.assertEqual(version["training_data"], first["training_data"])
        # A version from elsewhere has no rows.
        _, document = self.ok(200, "GET", "/v1/models/m/versions/1/export")
        self.ok(201, "PUT", "/v1/models/copy", document)
        _, version = self.ok(200, "GET", "/v1/models/copy/versions/1")
        self.assertIsNone(version["training_data"])

    def interrupt(self, change):
        """Kills the server at a job that has noted its rows, after a change of them, and starts it
        again. A job that ended too early is followed by a longer one, of another model.
        (path of the model, job, what it had noted)"""
        epochs = 1500
        while True:
            path = f"/v1/models/m{epochs}"
            self.ok(201, "POST", path + "/data", rows(40))
            request = {"solver": "ensemble", "settings": {"members": 4, "epochs": epochs}, "seed": 3}
            _, job = self.ok(202, "POST", path + "/train", request)
            noted = None
            while not noted:
                _, row = self.ok(200, "GET", f"/v1/jobs/{job['id']}")
                self.assertIn(row["state"], ("queued", "running", "succeeded"))
                noted = row["training_data"]
            self.assertEqual(noted["rows"], 40)
            change(path)
            self.server.kill()
            with sqlite3.connect(self.server.db) as db:
                (state,) = db.execute("SELECT state FROM jobs WHERE id = ?", (job["id"],)).fetchone()
            db.close()
            self.server.start()
            if state == 1:
                return path, job["id"], noted
            epochs *= 4

    def test_a_job_that_is_begun_again_has_the_same_rows(self):
        def change(path):
            self.ok(201, "POST", path + "/data", rows(7, seed=8))
        path, job, noted = self.interrupt(change)
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual((row["state"], row["attempts"]), ("succeeded", 2))
        self.assertEqual(row["training_data"], noted)
        _, version = self.ok(200, "GET", path + "/versions/1")
        self.assertEqual(version["training_data"], noted)

    def test_a_job_whose_rows_were_deleted_takes_those_there_are(self):
        def change(path):
            self.ok(201, "POST", path + "/data", rows(7, seed=8))
            self.ok(200, "DELETE", f"{path}/data/batches/{self.first_batch(path)}")
        path, job, noted = self.interrupt(change)
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], "succeeded", row)
        self.assertEqual((row["training_data"]["rows"], row["training_data"]["batches"]), (7, 1))
        self.assertNotEqual(row["training_data"]["fingerprint"], noted["fingerprint"])

    def first_batch(self, path):
        return self.ok(200, "GET", path + "/data/batches")[1]["batches"][0]["batch"]


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
