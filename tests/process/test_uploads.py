# SPDX-License-Identifier: Apache-2.0
"""Uploads of training rows: exactly once, in batches with their origin, deleted, and what a job takes."""

import array
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time
import unittest

from harness import ServerTest, rows
from row_tables import DATA, CSV, NPY, key, packed, beside, npy


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
        raw = (f"POST {DATA} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n"
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
        """A whole day's expired keys must not hold up the upload that comes after a pause."""
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


if __name__ == "__main__":
    unittest.main()
