# SPDX-License-Identifier: Apache-2.0
"""Registries of earlier schemas, as their own servers wrote them, under today's server.

tests/data/make_registry.py made the files; what those servers answered stands beside the SQL.
"""

import glob
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, HERE, Server, binary, told_codes

DATA = os.path.join(HERE, "..", "data")
SCHEMA = os.path.join(HERE, "..", "..", "schema")
POINTS = [[0.1, 0.2], [-0.7, 0.4], [0.0, 0.0]]


def migrations():
    """Paths by number."""
    return {int(os.path.basename(path)[:3]): path for path in glob.glob(os.path.join(SCHEMA, "[0-9]*_*.sql"))}


NEWEST = max(migrations())


def load(number, path):
    with open(os.path.join(DATA, f"registry_schema{number}.sql"), encoding="utf-8") as file:
        text = file.read()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(text)
    db.close()


def recorded(number):
    with open(os.path.join(DATA, f"registry_schema{number}.json"), encoding="utf-8") as file:
        return json.load(file)


def user_version(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


class Migration(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder)
        self.addCleanup(lambda: self.server.process and self.server.process.poll() is None
                        and self.server.kill())

    def get(self, path, body=None):
        status, headers, data = self.server.request("POST" if body else "GET", path, body)
        self.assertEqual(status, 200, f"{path}: {data!r:.300}")
        return data

    def includes(self, old, new, where):
        """New members may have been added; old ones are unchanged."""
        if isinstance(old, dict):
            for key, value in old.items():
                self.assertIn(key, new, where)
                self.includes(value, new[key], f"{where}.{key}")
        elif isinstance(old, list):
            self.assertEqual(len(old), len(new), where)
            for i, (a, b) in enumerate(zip(old, new)):
                self.includes(a, b, f"{where}[{i}]")
        elif isinstance(old, float):
            self.assertAlmostEqual(old, new, delta=1e-12 * max(1.0, abs(old)), msg=where)
        else:
            self.assertEqual(old, new, where)

    def check_clean(self):
        run = binary("check", "--db", self.server.db)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"^ok: 2 models, 3 versions, 4 batches, ")

    def answers_as(self, before):
        self.includes(before["models"], self.get("/v1/models"), "models")
        for name, about in before["about"].items():
            self.includes(about, self.get(f"/v1/models/{name}"), name)
        for key, version in before["versions"].items():
            self.includes(version, self.get(f"/v1/models/{key}"), key)
            self.includes(before["documents"][key], self.get(f"/v1/models/{key}/export"), key)
            asked = {"inputs": POINTS, "return": ["mean", "variance"]}
            answer = self.get(f"/v1/models/{key}/predict", asked)
            # What is wrong with a version is told with predictions since schema 7.
            self.assertEqual([w for w in answer["warnings"] if "row" not in w],
                             [w for w in version.get("warnings", []) if w["code"] in told_codes()])
            answer["warnings"] = [w for w in answer["warnings"] if "row" in w]
            told = dict(before["predictions"][key])
            told["warnings"] = [w for w in told["warnings"] if "row" in w]
            self.includes(told, answer, key)
        self.includes(before["data"]["trained"], self.get("/v1/models/trained/data"), "data")
        self.includes(before["jobs"], self.get("/v1/jobs"), "jobs")
        text = self.get("/v1/models/trained/data/rows?format=csv").decode()
        rows = [[float(x) for x in line.split(",")] for line in text.splitlines()
                if re.match(r"[-\d]", line)]
        self.assertEqual(rows, [row for batch in before["rows"]["trained"] for row in batch])
        self.assertEqual(self.server.request("GET", "/v1/models/gone")[0], 404)
        if "tokens" in before:
            self.includes(before["tokens"]["list"], self.get("/v1/tokens"), "tokens")

    def works_on(self, number):
        """Writes of today on what was written then."""
        row = {"inputs": [[0.5, 0.25]], "outputs": [[0.875]]}
        status, _, added = self.server.request("POST", "/v1/models/trained/data", row)
        self.assertEqual((status, added["batch"], added["total_rows"]), (201, 6, 85))
        again = self.server.request("POST", "/v1/models/trained/data", row)[2]
        self.assertEqual(again["duplicates"]["count"], 1)
        # As the default version was trained, with the request that was stored then.
        status, _, job = self.server.request("POST", "/v1/models/trained/train")
        self.assertEqual((status, job.get("id")), (202, 4))
        job = self.server.wait_job(4, "succeeded", "failed")
        self.assertEqual((job["version"], job["inherited"]), (3, {"seed": 1, "split": 1}))
        # Of its 72 rows version 1 kept 7 out; 14 came later. Schema 1 did not say which were its rows.
        self.assertEqual((job["gate"]["basis"], job["gate"]["served_rows"]), ("own", 14 if number == 1 else 21))
        self.assertEqual(self.server.request("DELETE", "/v1/models/trained/data/batches/2")[0], 200)

    def road(self, number):
        load(number, self.server.db)
        self.assertEqual(user_version(self.server.db), number)
        old = binary("check", "--db", self.server.db)
        self.assertEqual(old.returncode, 0, old.stdout + old.stderr)
        self.server.start()
        self.answers_as(recorded(number))
        self.assertEqual(self.server.stop(), 0, self.server.log_text())
        self.assertEqual(user_version(self.server.db), NEWEST)
        self.check_clean()
        # A second start changes nothing, byte for byte.
        with open(self.server.db, "rb") as file:
            before = file.read()
        self.server.start()
        self.assertEqual(self.server.stop(), 0)
        with open(self.server.db, "rb") as file:
            self.assertEqual(file.read(), before)
        self.server.start()
        self.works_on(number)
        self.assertEqual(self.server.stop(), 0, self.server.log_text())
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)

    def test_every_earlier_schema_has_a_fixture(self):
        for number in range(1, NEWEST):
            self.assertTrue(os.path.exists(os.path.join(DATA, f"registry_schema{number}.sql")), number)

    def test_a_registry_of_schema_1_serves_as_it_did(self):
        self.road(1)

    def test_a_registry_of_schema_2_serves_as_it_did(self):
        self.road(2)

    def test_a_registry_of_schema_3_serves_as_it_did(self):
        self.road(3)

    def test_a_registry_of_schema_4_serves_as_it_did(self):
        self.road(4)
        listed = binary("token", "list", "--db", self.server.db)
        self.assertRegex(listed.stdout, r"farm +write +valid +t\* rate=50\n")

    def test_a_registry_of_schema_5_serves_as_it_did(self):
        self.road(5)
        listed = binary("token", "list", "--db", self.server.db)
        self.assertRegex(listed.stdout, r"limited +read +valid +\* .*queue_share=25\n")

    def test_a_registry_of_schema_6_serves_as_it_did(self):
        self.road(6)

    def test_a_registry_of_schema_7_serves_as_it_did(self):
        self.road(7)

    def test_a_registry_of_schema_8_serves_as_it_did(self):
        self.road(8)

    def test_a_registry_of_schema_9_serves_as_it_did(self):
        self.road(9)

    def finish(self, number):
        """The next start completes what a crash left unfinished."""
        self.server.start()
        self.answers_as(recorded(number))
        self.assertEqual(self.server.stop(), 0, self.server.log_text())
        self.assertEqual(user_version(self.server.db), NEWEST)
        self.check_clean()

    def test_a_crash_between_two_migrations(self):
        for number in range(1, NEWEST):
            for reached in range(number + 1, NEWEST + 1):
                load(number, self.server.db)
                db = sqlite3.connect(self.server.db)
                for step in range(number + 1, reached + 1):
                    with open(migrations()[step], encoding="utf-8") as file:
                        db.executescript(f"BEGIN IMMEDIATE;{file.read()};PRAGMA user_version={step};COMMIT;")
                db.close()
                self.finish(number)
                os.remove(self.server.db)

    def test_a_crash_within_a_migration(self):
        """A process that dies with half of a step in the log, uncommitted but on disk."""
        for number in range(1, NEWEST):
            load(number, self.server.db)
            script = (
                "import os, sqlite3, sys\n"
                "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                "db.execute('PRAGMA cache_size=1')\n"
                "db.execute('BEGIN IMMEDIATE')\n"
                "text = open(sys.argv[2]).read()\n"
                "part = ''\n"
                "for line in text[:len(text) * 3 // 4].splitlines(True):\n"
                "    part += line\n"
                "    if sqlite3.complete_statement(part):\n"
                "        db.execute(part)\n"
                "        part = ''\n"
                "os.kill(os.getpid(), 9)\n")
            died = subprocess.run(["python3", "-c", script, self.server.db, migrations()[number + 1]],
                                  check=False)
            self.assertEqual(died.returncode, -9)
            self.finish(number)
            os.remove(self.server.db)

    def test_kill_at_any_moment_of_the_first_start(self):
        rng = random.Random(1)
        load(1, self.server.db)
        begin = time.time()
        self.server.start()
        whole = time.time() - begin
        self.assertEqual(self.server.stop(), 0)
        os.remove(self.server.db)
        for turn in range(16):
            number = 1 + turn % (NEWEST - 1)
            load(number, self.server.db)
            process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.server.db],
                                       stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.0, whole))
            process.kill()
            process.wait()
            self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)
            self.finish(number)
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(self.server.db + suffix):
                    os.remove(self.server.db + suffix)


if __name__ == "__main__":
    unittest.main()
