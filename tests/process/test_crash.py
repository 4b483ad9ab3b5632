# SPDX-License-Identifier: Apache-2.0
"""A server that is killed at random moments while clients register, upload, train, promote and
delete. While it is down the file is checked; after each restart everything acknowledged is there
exactly once, nothing else is there except what was under way, and that completely or not at all; what is served
is a stored version.

    CRASHES     kills, 200 unless told
    CRASH_SEED  of all choices (the moments at which threads run stay their own)
"""

import hashlib
import http.client
import os
import random
import shutil
import signal
import sqlite3
import statistics
import tempfile
import threading
import time
import unittest

from crash_clients import Client
from crash_ledger import (FINAL, POINT, Ledger, Violation, check_batches, check_jobs,
                          check_versions, close, make_document, parse_rows, recompute)
from harness import PATIENCE, Server, binary

CRASHES = int(os.environ.get("CRASHES", "200"))
SEED = int(os.environ.get("CRASH_SEED", "20250301"))
N_CLIENTS = 6
SETTLE_EVERY = 40   # kills between two waits until every job has ended
SETTLE_S = 240      # a hang, not a slow machine


class Crash(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder, "--train-threads", "2", "--drain-timeout-s", "1")
        self.rng = random.Random(SEED)
        self.ledger = Ledger()
        self.dying = threading.Event()
        self.clients = [Client(i, self.ledger, self.dying, SEED) for i in range(N_CLIENTS)]
        self.kills = 0
        self.lost = {}   # requests without an answer: how many, and how many were done
        self.starts = []  # seconds each took

    def tearDown(self):
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.kill()

    # ---- killing ----

    def start(self):
        begin = time.time()
        self.server.launch().wait_message("ready", 0.004)
        self.starts.append(time.time() - begin)
        while self.get("/readyz")[0] != 200:
            time.sleep(0.004)

    @property
    def startup_s(self):
        """What a start takes; one that a busy machine has held up does not count."""
        return statistics.median(self.starts)

    def kill(self):
        self.dying.set()
        code = self.server.process.poll()
        if code is not None and not (code == 0 and self.stopping):
            raise Violation("-", f"the server ended by itself with {code}:\n"
                                 f"{self.server.log_text()[-3000:]}")
        self.server.kill()
        self.kills += self.server.process.returncode == -signal.SIGKILL
        self.ledger.note(f"---- kill {self.kills}")

    def check_file(self):
        """Looks at a copy: the server itself has to find the file as the kill left it."""
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "registry.db")
            for end in ("", "-wal"):
                if os.path.exists(self.server.db + end):
                    shutil.copyfile(self.server.db + end, copy + end)
            db = sqlite3.connect(copy)
            try:
                found = db.execute("PRAGMA integrity_check").fetchall()
                if found != [("ok",)]:
                    raise Violation("-", f"integrity_check: {found}")
                found = db.execute("PRAGMA foreign_key_check").fetchall()
                if found:
                    raise Violation("-", f"foreign_key_check: {found}")
            finally:
                db.close()
            run = binary("check", "--db", copy)
            if run.returncode != 0:
                raise Violation("-", f"surrogated check: {run.stdout}{run.stderr}")

    def load(self, wait_for):
        """All clients at work until a random moment."""
        window = max(0.3, 2 * self.startup_s)
        self.dying.clear()
        self.stopping = False
        if wait_for == "listening":
            self.server.launch().wait_message("listening", 0.001)
        threads = [threading.Thread(target=client.run, args=(self.server.port,))
                   for client in self.clients]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0, window))
        if self.rng.random() < 0.08:  # in the middle of an orderly stop
            self.stopping = True
            self.dying.set()
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(self.rng.uniform(0, 0.05))
        self.kill()
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), "a client hangs")
        for client in self.clients:
            if client.failure is not None:
                raise client.failure

    def disturb_recovery(self):
        """Killed while starting, before or after it is ready."""
        self.stopping = False
        self.server.launch()
        time.sleep(self.rng.uniform(0, 1.3 * self.startup_s))
        self.kill()

    def one_round(self):
        """From a quiet server to one that is down; at least one kill, unless it stopped in time."""
        mode = self.rng.choices(["load", "startup", "recovery"], [80, 10, 10])[0]
        if mode == "load":
            self.load("ready")
        elif mode == "startup":
            self.stopping = False
            self.kill()
            self.check_file()
            self.load("listening")
        else:
            self.load("ready")
            self.check_file()
            self.disturb_recovery()

    # ---- verifying ----

    def get(self, path, method="GET", body=None):
        return self.server.request(method, path, body)

    def must(self, model, path, method="GET", body=None):
        status, head, data = self.get(path, method, body)
        if status != 200:
            raise model.wrong(f"{method} {path}: {status} {data}")
        return head, data

    def batches(self, model):
        found, after = [], 0
        while after is not None:
            page = self.must(model, f"/v1/models/{model.name}/data/batches?limit=500&after={after}")[1]
            found += page["batches"]
            after = page["next"]
        return found

    def verify_rows(self, model, lost):
        doubt = {i.upload.tag for i in lost if i.kind == "upload"}
        deleting = {i.upload.tag for i in lost if i.kind == "delete_batch"}
        there = check_batches(model, self.batches(model),
                              any(i.kind == "delete_rows" for i in lost), deleting, doubt)
        for intent in lost:
            if intent.kind == "upload":
                self.count_lost("upload", intent.upload.state == "there")
            elif intent.kind == "delete_batch":
                self.count_lost("delete_batch", intent.upload.state == "gone")
        path = f"/v1/models/{model.name}/data"
        table = [values for upload in there for values in upload.table()]
        data = self.must(model, path)[1]
        if (data["rows"], data["batches"]) != (len(table), len(there)):
            raise model.wrong(f"{len(table)} rows in {len(there)} batches are counted as {data}")
        if not table:
            return
        digests = b"".join(hashlib.sha256(upload.packed()).digest() for upload in there)
        if data["fingerprint"] != hashlib.sha256(digests).hexdigest():
            raise model.wrong("the fingerprint is not that of the batches")
        kind = self.rng.choice(["json", "csv", "npy"])
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("GET", f"{path}/rows?format={kind}")
        rows = parse_rows(kind, connection.getresponse().read())
        connection.close()
        if rows != table:
            lines = [f"{kind} export of {len(rows)} rows, {len(table)} are known"]
            lines += [f"row {r} too often" for r in rows if rows.count(r) > table.count(r)][:5]
            lines += [f"row {r} missing" for r in table if r not in rows][:5]
            raise model.wrong("\n".join(lines))

    def export(self, model, number):
        head, data = self.must(model, f"/v1/models/{model.name}/versions/{number}/export")
        model.remember_etag(number, head["ETag"].strip('"'))
        return data

    def read_some(self, model):
        """Contents: every version once, and one that was read before."""
        there = [v for v in model.versions.values() if v.state == "there" and v.etag is not None]
        fresh = [v for v in there if not v.read]
        for version in fresh + ([self.rng.choice(there)] if there else []):
            doc = self.export(model, version.number)
            if version.seed is not None and (doc["posterior"]["parameters"]
                                             != make_document(version.seed)["posterior"]["parameters"]):
                raise model.wrong(f"version {version.number} is not document {version.seed}")
            mean = self.predicted(model, f"versions/{version.number}/predict", version.number)
            if not close(mean, recompute(doc, POINT)):
                raise model.wrong(f"version {version.number} predicts {mean}, its document "
                                  f"{recompute(doc, POINT)}")
            version.read = True

    def predicted(self, model, path, number=None):
        data = self.must(model, f"/v1/models/{model.name}/{path}", "POST", {"inputs": [POINT]})[1]
        if number not in (None, data["version"]):
            raise model.wrong(f"{path} answers with version {data['version']}")
        model.remember_mean(data["version"], data["mean"][0])
        return data["mean"][0] if number is not None else data["version"]

    def verify_versions(self, model, lost):
        jobs_path = f"/v1/jobs?model={model.name}"
        training = [i.client for i in lost if i.kind == "train"]
        before = self.must(model, jobs_path)[1]["jobs"]
        n_known = len(model.jobs)
        check_jobs(model, before, training, self.ledger.tick())
        for _ in training:
            self.count_lost("train", n_known < len(model.jobs))
            n_known += 1
        asked = self.ledger.tick()
        about = self.must(model, f"/v1/models/{model.name}")[1]
        served = self.predicted(model, "predict") if about["versions"] else None
        answered = self.ledger.tick()
        after = self.must(model, jobs_path)[1]["jobs"]
        check_jobs(model, after, [], self.ledger.tick())
        new = check_versions(model, about["versions"], before, after,
                             {i.number for i in lost if i.kind == "delete_version"},
                             [(i.client, i.seed) for i in lost if i.kind == "register"],
                             lambda number: self.export(model, number))
        for intent in lost:
            arrived = [v.number for v in model.versions.values()
                       if v.seed == intent.seed and v.state == "there"]
            if intent.kind == "register":
                self.count_lost("register", bool(arrived))
                # What arrived was promoted in the same moment, if it was to be.
                model.defaults += [(intent.sent, answered, number, intent.promote and number in new)
                                   for number in arrived]
            elif intent.kind == "promote":
                model.defaults.append((intent.sent, answered, intent.number, False))
                self.count_lost("promote", about["model"]["default_version"] == intent.number)
            elif intent.kind == "delete_version":
                self.count_lost("delete_version",
                                model.versions[intent.number].state == "gone")
        self.verify_default(model, about, served, asked, answered)

    def verify_default(self, model, about, served, asked, answered):
        default = about["model"]["default_version"]
        there = {data["version"] for data in about["versions"]}
        candidates = model.default_candidates(asked)
        if default not in (there if there else {None}):
            raise model.wrong(f"the default is {default}, the versions are {sorted(there)}")
        for number in (default, served) if there else ():
            if number not in candidates:
                raise model.wrong(f"version {number} is the default or served, {candidates} may be: "
                                  f"{model.defaults}")
        if served is not None:
            mean = self.predicted(model, f"versions/{served}/predict", served)
            wanted = recompute(self.export(model, served), POINT)
            if not close(mean, wanted):
                raise model.wrong(f"version {served} is served as {mean}, its document says {wanted}")
        # Seen is seen; what a job did in the meantime may have changed it since.
        model.defaults = [d for d in model.defaults if d[1] > answered]
        if default is not None:
            model.defaults.append((asked, answered, default, True))

    def verify(self, model, lost):
        status, _, data = self.get(f"/v1/models/{model.name}")
        creating = any(i.kind in ("upload", "register") for i in lost)
        deleting = any(i.kind == "delete_model" for i in lost)
        if status == 404:
            if model.exists and not deleting:
                raise model.wrong("an acknowledged model is lost")
            if deleting:
                self.count_lost("delete_model", True)
            for intent in lost:
                if intent.kind in ("upload", "register"):
                    self.count_lost(intent.kind, False)
                if intent.kind == "upload":
                    intent.upload.state = "absent"
            model.clear()
            for path in ("data/batches", "data/rows", "versions/1"):
                if self.get(f"/v1/models/{model.name}/{path}")[0] != 404:
                    raise model.wrong(f"is deleted, but {path} is there")
            if self.get(f"/v1/jobs?model={model.name}")[2]["jobs"]:
                raise model.wrong("is deleted, but its jobs are there")
            return
        if status != 200 or not (model.exists or creating):
            raise model.wrong(f"should be absent: {status} {data}")
        if deleting:
            self.count_lost("delete_model", False)
        model.exists = True
        self.verify_rows(model, lost)
        self.verify_versions(model, lost)
        self.read_some(model)

    def count_lost(self, kind, done):
        n, n_done = self.lost.get(kind, (0, 0))
        self.lost[kind] = (n + 1, n_done + done)

    def verify_all(self):
        lost = [client.lost for client in self.clients if client.lost is not None]
        for model in self.ledger.models.values():
            self.verify(model, [intent for intent in lost if intent.model is model])
        names = {m["name"] for m in self.get("/v1/models")[2]["models"]}
        known = {m.name for m in self.ledger.models.values() if m.exists}
        if names != known:
            raise Violation("-", f"models {sorted(names)} are there, {sorted(known)} should be")

    def settle(self):
        """Every job comes to an end."""
        end = time.time() + SETTLE_S
        while True:
            jobs = self.get("/v1/jobs")[2]["jobs"]
            active = [job for job in jobs if job["state"] not in FINAL]
            if not active:
                return
            if time.time() > end:
                raise Violation(active[0]["model"], f"jobs do not end: {active[:3]}")
            time.sleep(0.02)

    # ---- all of it ----

    def run_crashes(self):
        settled = 0
        self.start()
        while self.kills < CRASHES:
            self.one_round()
            self.check_file()
            self.start()
            if self.kills >= settled + SETTLE_EVERY or self.kills >= CRASHES:
                self.settle()
                settled = self.kills
            self.verify_all()
        code = self.server.stop()
        if code != 0:
            raise Violation("-", f"stopped with {code}:\n{self.server.log_text()[-3000:]}")

    def test_nothing_acknowledged_is_lost_and_no_half_is_seen(self):
        print(f"seed {SEED}, {CRASHES} kills", flush=True)
        begin = time.time()
        try:
            self.run_crashes()
        except AssertionError as wrong:
            model = getattr(wrong, "model", "-")
            self.fail(f"seed {SEED}, kill {self.kills}: {wrong}\n{self.ledger.tail(model)}")
        counts = {}
        for client in self.clients:
            for kind, n in client.counts.items():
                Ledger.count(counts, kind, n)
        print(f"{self.kills} kills in {time.time() - begin:.0f} s\nacknowledged: {counts}\n"
              f"lost (of those, done): {self.lost}\njobs ended: {self.ledger.ends}", flush=True)
        self.check_that_it_was_a_test(counts)

    def check_that_it_was_a_test(self, counts):
        """That the clients were at work, and that kills hit between doing and answering."""
        for kind in ("upload", "register", "train", "promote", "delete_batch", "delete_version"):
            self.assertGreater(counts.get(kind, 0), self.kills / 5, kind)
        if self.kills >= 100:
            n, n_done = (sum(values) for values in zip(*self.lost.values()))
            self.assertGreater(n, self.kills / 2)
            self.assertGreater(n_done, 0)
            self.assertGreater(n - n_done, 0)
            self.assertGreater(counts.get("repeat", 0) * counts.get("delete_model", 0), 0)


if __name__ == "__main__":
    unittest.main()
