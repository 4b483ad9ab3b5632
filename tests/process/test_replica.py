# SPDX-License-Identifier: Apache-2.0
"""Read-only servers that follow a file: changed in place beside its primary, or replaced by rename."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import threading
import time

from harness import BINARY, PATIENCE, Server, ServerTest, architecture, binary, document, rows

SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 5}, "seed": 1}
READ_ONLY = ("--read-only", "true", "--follow-ms", "20")
POINT = {"inputs": [[0.1, 0.2]]}


def small(seed):
    return document(seed=seed, arch=architecture(inputs=2, outputs=1))


class Replica(ServerTest):
    """self.server is the primary."""

    def setUp(self):
        super().setUp()
        self.home = os.path.join(self.folder, "replica")
        os.mkdir(self.home)
        self.replica = Server(self.home, *READ_ONLY)
        self.addCleanup(lambda: self.replica.process and self.replica.process.poll() is None
                        and self.replica.kill())

    def beside(self):
        """A replica on the primary's own file."""
        self.replica.db = self.server.db
        return self.replica.start()

    def ship(self, name="new"):
        """A backup of the primary takes the place of the replica's file, as replication would do it."""
        path = os.path.join(self.home, name)
        run = binary("backup", "--db", self.server.db, "--to", path)
        self.assertEqual(run.returncode, 0, run.stderr)
        os.rename(path, self.replica.db)

    def here(self, status, method, path, body=None):
        found, _, data = self.replica.request(method, path, body)
        self.assertEqual(found, status, f"{method} {path}: {data!r:.300}")
        return data

    def eventually(self, wanted, ask, seconds=PATIENCE):
        end = time.time() + seconds
        while (found := ask()) != wanted:
            self.assertLess(time.time(), end, f"{found} is not {wanted}: {self.replica.log_text()[-2000:]}")
            time.sleep(0.01)

    def names(self):
        return [m["name"] for m in self.here(200, "GET", "/v1/models")["models"]]

    def served(self, model):
        status, _, data = self.replica.request("POST", f"/v1/models/{model}/predict", POINT)
        return data["version"] if status == 200 else status

    def metric(self, name):
        text = self.here(200, "GET", "/metrics").decode()
        return int(re.search(rf"(?m)^surrogated_{name} (\d+)$", text).group(1))

    def stop_replica(self):
        self.assertEqual(self.replica.stop(), 0, self.replica.log_text()[-3000:])

    def test_every_change_is_refused_and_every_question_answered(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ok(201, "POST", "/v1/models/p/data", rows(30))
        job = self.ok(202, "POST", "/v1/models/p/train", SHORT)[1]["id"]
        self.server.wait_job(job, "succeeded")
        self.beside()
        for method, path, body in (
                ("PUT", "/v1/models/q", small(2)), ("DELETE", "/v1/models/p", None),
                ("DELETE", "/v1/models/p/versions/1", None), ("PUT", "/v1/models/p/default", {"version": 1}),
                ("POST", "/v1/models/p/data", rows(3)), ("DELETE", "/v1/models/p/data", None),
                ("DELETE", "/v1/models/p/data/batches/1", None), ("POST", "/v1/models/p/train", SHORT),
                ("POST", "/v1/models/p/train", None), ("DELETE", f"/v1/jobs/{job}", None)):
            problem = self.here(403, method, path, body)
            self.assertEqual(problem["title"], "read-only")
            self.assertIn("this server is a read-only replica", problem["detail"])
        for path in ("/healthz", "/readyz", "/v1/models", "/v1/models/p", "/v1/models/p/versions/2",
                     "/v1/models/p/versions/1/export", "/v1/models/p/data", "/v1/models/p/data/rows",
                     "/v1/models/p/data/batches", "/v1/models/p/diagnostics", "/v1/jobs", f"/v1/jobs/{job}"):
            mine = self.replica.request("GET", path)
            theirs = self.server.request("GET", path)
            self.assertEqual((mine[0], mine[2]), (200, theirs[2]), path)
        self.assertEqual(self.here(200, "POST", "/v1/models/p/predict", POINT),
                         self.ok(200, "POST", "/v1/models/p/predict", POINT)[1])
        self.stop_replica()
        self.ok(201, "PUT", "/v1/models/q", small(2))  # the primary goes on

    def test_changes_of_the_primary_beside_it_appear(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.beside()
        self.assertEqual(self.served("p"), 1)
        self.assertEqual(self.served("q"), 404)
        self.ok(201, "PUT", "/v1/models/p", small(2))
        self.ok(201, "PUT", "/v1/models/q", small(3))
        self.eventually(2, lambda: self.served("p"))
        self.eventually(1, lambda: self.served("q"))
        self.ok(200, "PUT", "/v1/models/p/default", {"version": 1})
        self.eventually(1, lambda: self.served("p"))
        self.ok(200, "POST", "/v1/models/p/versions/2/predict", POINT)
        self.here(200, "POST", "/v1/models/p/versions/2/predict", POINT)
        self.ok(204, "DELETE", "/v1/models/p/versions/2")
        self.eventually(404, lambda: self.replica.request("POST", "/v1/models/p/versions/2/predict", POINT)[0])
        self.ok(204, "DELETE", "/v1/models/q")
        self.eventually(404, lambda: self.served("q"))
        self.assertGreaterEqual(self.metric("replica_reloads_total"), 3)
        self.assertEqual(self.metric("replica_failures_total"), 0)
        # The primary stops, starts again, and is followed still.
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.served("p"), 1)
        self.server.start()
        self.ok(201, "PUT", "/v1/models/p", small(4))
        self.eventually(3, lambda: self.served("p"))
        self.server.kill()
        self.assertEqual(self.served("p"), 3)
        self.server.start()
        self.ok(201, "PUT", "/v1/models/p", small(5))
        self.eventually(4, lambda: self.served("p"))
        self.stop_replica()

    def test_links_to_the_file_are_followed(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        link = os.path.join(self.home, "link.db")
        os.symlink(self.server.db, link)
        self.replica.db = link
        self.replica.start()
        self.ok(201, "PUT", "/v1/models/p", small(2))  # stands in the log beside the file itself
        self.eventually(2, lambda: self.served("p"))
        # The link comes to point to another file.
        self.assertEqual(binary("backup", "--db", self.server.db, "--to", self.replica.db + ".1").returncode, 0)
        db = sqlite3.connect(self.replica.db + ".1")
        db.execute("UPDATE models SET default_version = 1")
        db.commit()
        db.close()
        os.symlink(self.replica.db + ".1", os.path.join(self.home, "next"))
        os.rename(os.path.join(self.home, "next"), link)
        self.eventually(1, lambda: self.served("p"))
        self.stop_replica()

    def test_a_replica_that_was_first_sees_the_primary_come(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.assertEqual(self.server.stop(), 0)
        self.beside()
        self.assertEqual(self.served("p"), 1)
        self.server.start()
        self.ok(201, "PUT", "/v1/models/p", small(2))
        self.eventually(2, lambda: self.served("p"))
        self.stop_replica()

    def test_no_request_fails_while_the_file_is_replaced(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ok(201, "PUT", "/v1/models/old", small(2))
        self.ok(201, "POST", "/v1/models/p/data", rows(2000))
        self.ship()
        self.replica.start()
        stop = threading.Event()
        failures = []
        count = [0]

        def ask(path, body):
            while not stop.is_set():
                try:
                    status, _, data = self.replica.request("POST" if body else "GET", path, body)
                except Exception as error:  # a broken answer is a failure too
                    status, data = 0, error
                count[0] += 1
                if status != 200:
                    failures.append((path, status, data))

        threads = [threading.Thread(target=ask, args=args) for args in (
            ("/v1/models/p/predict", POINT), ("/v1/models/p", None), ("/v1/models/p/data/rows", None),
            ("/readyz", None), ("/v1/models/p/versions/1/predict", POINT))]
        for thread in threads:
            thread.start()
        try:
            for version in range(2, 8):
                self.ok(201, "PUT", "/v1/models/p", small(version + 10))
                self.ship()
                self.eventually(version, lambda: self.served("p"))
            self.ok(204, "DELETE", "/v1/models/old")
            self.ok(201, "PUT", "/v1/models/new", small(99))
            self.ship()
            self.eventually(["new", "p"], self.names)
            self.eventually((404, 1), lambda: (self.served("old"), self.served("new")))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(count[0], 20)
        self.assertEqual(self.metric("replica_failures_total"), 0)
        self.assertEqual(sorted(os.listdir(self.home)), ["log", "registry.db"])  # it made nothing there
        self.stop_replica()

    def test_other_contents_under_the_same_numbers_are_served_as_they_are(self):
        body = {"inputs": [[0.3, -0.2]]}
        for model in ("p", "q"):
            self.ok(201, "PUT", f"/v1/models/{model}", small(1))
        self.ok(201, "PUT", "/v1/models/q", small(2))
        self.ship()
        self.replica.start()
        before = [self.here(200, "POST", f"/v1/models/{m}/versions/1/predict", body)["mean"] for m in "pq"]
        # Another history: the same names and numbers, other contents.
        os.mkdir(os.path.join(self.folder, "other"))
        other = Server(os.path.join(self.folder, "other")).start()
        for model, seed in (("p", 7), ("q", 8), ("q", 9)):
            other.request("PUT", f"/v1/models/{model}", small(seed))
        self.server, primary = other, self.server
        self.ship()
        reloads = lambda: self.metric("replica_reloads_total")
        self.eventually(1, reloads)
        for i, model in enumerate("pq"):
            path = f"/v1/models/{model}/versions/1/predict"
            after = self.here(200, "POST", path, body)["mean"]
            self.assertNotEqual(after, before[i])
            self.assertEqual(after, self.ok(200, "POST", path, body)[1]["mean"])
        self.stop_replica()
        self.assertEqual(primary.stop(), 0)

    def test_a_damaged_replacement_is_refused_once_and_the_old_one_serves(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ok(201, "POST", "/v1/models/p/data", rows(3000))
        self.ship()
        self.replica.start()
        self.ok(201, "PUT", "/v1/models/p", small(2))
        good = os.path.join(self.home, "good")
        self.assertEqual(binary("backup", "--db", self.server.db, "--to", good).returncode, 0)
        with open(good, "rb") as file:
            whole = file.read()
        os.remove(good)
        bad = []
        bad.append(whole[:len(whole) // 2])           # half-written
        bad.append(b"this is no database" * 1000)     # something else
        page = bytearray(whole)
        page[4096 * 3:4096 * 4] = random.Random(1).randbytes(4096)
        bad.append(bytes(page))                       # rubbish in the middle
        bad.append(whole[:60] + b"\0\0\0\x63" + whole[64:])  # a newer schema
        for n, content in enumerate(bad, 1):
            path = os.path.join(self.home, "bad")
            with open(path, "wb") as file:
                file.write(content)
            os.rename(path, self.replica.db)
            self.eventually(n, lambda: self.metric("replica_failures_total"))
            for _ in range(10):
                self.assertEqual(self.served("p"), 1)
                self.assertEqual(self.names(), ["p"])
                self.here(200, "GET", "/readyz")
            self.assertEqual(self.metric("replica_failures_total"), n)
            self.assertEqual(self.replica.log_text().count("not taken over"), n)
        self.ship()
        self.eventually(2, lambda: self.served("p"))
        self.stop_replica()

    def test_a_damaged_version_keeps_its_predecessor_and_the_others_come(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ship()
        self.replica.start()
        self.assertEqual(self.served("p"), 1)  # a version that nobody asked for would not be read
        self.ok(201, "PUT", "/v1/models/p", small(2))
        self.ok(201, "PUT", "/v1/models/q", small(3))
        path = os.path.join(self.home, "new")
        self.assertEqual(binary("backup", "--db", self.server.db, "--to", path).returncode, 0)
        db = sqlite3.connect(path)
        db.execute("UPDATE version_chunks SET bytes = zeroblob(length(bytes)) WHERE version = 2")
        db.commit()
        db.close()
        os.rename(path, self.replica.db)
        self.eventually(1, lambda: self.served("q"))
        self.eventually(1, lambda: self.metric("replica_failures_total"))
        self.assertEqual(self.served("p"), 1)
        self.assertEqual(self.replica.request("POST", "/v1/models/p/versions/2/predict", POINT)[0], 500)
        self.ship()
        self.eventually(2, lambda: self.served("p"))
        self.stop_replica()

    def test_a_file_that_is_gone_for_a_while(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ship()
        self.replica.start()
        os.remove(self.replica.db)
        self.eventually(1, lambda: self.metric("replica_failures_total"))
        self.assertEqual(self.served("p"), 1)
        self.ok(201, "PUT", "/v1/models/p", small(2))
        self.ship()
        self.eventually(2, lambda: self.served("p"))
        self.stop_replica()

    def test_a_file_that_is_written_over_in_place(self):
        """Not how it should be done, but the replica is right once the copy is complete."""
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ship()
        self.replica.start()
        self.ok(201, "PUT", "/v1/models/p", small(2))
        path = os.path.join(self.home, "new")
        self.assertEqual(binary("backup", "--db", self.server.db, "--to", path).returncode, 0)
        shutil.copyfile(path, self.replica.db)
        self.eventually(2, lambda: self.served("p"))
        self.assertEqual(self.names(), ["p"])
        self.stop_replica()

    def test_a_replica_in_a_folder_it_cannot_write_to(self):
        self.ok(201, "PUT", "/v1/models/p", small(1))
        self.ship()
        as_user = {}
        if os.geteuid() == 0:
            for path in (self.folder, self.home):
                os.chmod(path, 0o755)
            os.chmod(self.replica.db, 0o644)
            as_user = {"user": 65534, "group": 65534, "extra_groups": []}
        else:
            os.chmod(self.home, 0o555)
        log = open(os.path.join(self.home, "log"), "wb") if as_user else open(os.path.join(self.folder, "log2"), "wb")
        self.replica.log = log
        self.replica.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.replica.db, *READ_ONLY], stderr=log,
            **as_user)
        try:
            self.eventually(True, lambda: "message=ready" in self.replica.log_text())
            self.replica.port = int(re.search(r"message=listening .*port=(\d+)", self.replica.log_text()).group(1))
            self.assertEqual(self.served("p"), 1)
            if as_user:
                self.ok(201, "PUT", "/v1/models/p", small(2))
                self.ship()
                os.chmod(self.replica.db, 0o644)
                self.eventually(2, lambda: self.served("p"))
            self.stop_replica()
        finally:
            os.chmod(self.home, 0o755)


if __name__ == "__main__":
    import unittest
    unittest.main()
