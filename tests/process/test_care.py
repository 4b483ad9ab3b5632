# SPDX-License-Identifier: Apache-2.0
"""check, backup, restore and compact, on files at rest, on damaged ones, and while a server writes."""

import os
import pty
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BINARY, Server, ServerTest, architecture, binary, document, rows

# Statement, and the words by which check must name what it did.
DAMAGES = [
    ("UPDATE version_chunks SET bytes = zeroblob(length(bytes)) WHERE version = 1 AND seq = 0",
     "version 1 of model p: chunk 0 does not match its SHA-256"),
    ("DELETE FROM version_chunks WHERE version = 1", "version 1 of model p has 0 bytes"),
    ("UPDATE versions SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE version = 2",
     "version 2 of model p does not match its SHA-256"),
    ("UPDATE versions SET damage = 'somebody said so' WHERE version = 2", "is marked as damaged (somebody said so)"),
    ("UPDATE batch_chunks SET bytes = zeroblob(length(bytes)) WHERE batch_id = 1",
     "batch 1 of model p cannot be read"),
    ("UPDATE batches SET digest = zeroblob(32) WHERE id = 2", "batch 2 of model p does not match its SHA-256"),
    ("UPDATE batches SET n_rows = n_rows + 1 WHERE id = 2", "batch 2 of model p has 30 rows, not the 31"),
    ("DELETE FROM batches WHERE id = 1", "model p has 30 rows in 1 batch, its statistics say 70 in 2"),
    ("DELETE FROM row_runs", "the index of model p has 0 entries for 70 rows"),
    ("UPDATE row_run_parts SET bytes = substr(bytes, 1, length(bytes) - 16)", "of the index of model p is not whole"),
    ("UPDATE data_stats SET columns = x'00'", "statistics of the rows of model p are damaged"),
    ("UPDATE models SET default_version = 9 WHERE name = 'p'", "model p: its default version 9 is not there"),
    ("UPDATE models SET previous_version = 9 WHERE name = 'p'", "model p: its previous version 9 is not there"),
    ("UPDATE models SET next_version = 2 WHERE name = 'p'", "its next version would be 2"),
    ("INSERT INTO aliases SELECT id, 'blue', 9, 0 FROM models", "model p: alias blue names version 9"),
    ("UPDATE models SET deleted = 1 WHERE name = 'p'", "model p is deleted, but"),
    ("DELETE FROM models", "of table versions refers to what is not there"),
    ("INSERT INTO jobs(model_id, request, created_ms) SELECT id, x'00', 0 FROM models;"
     "INSERT INTO job_checkpoints VALUES(1, 0, 0, zeroblob(32), x'01')",
     "checkpoint of job 1 (task 0) does not match its SHA-256"),
    ("INSERT INTO jobs(model_id, request, created_ms, state) SELECT id, x'00', 0, 2 FROM models;"
     "INSERT INTO job_checkpoints VALUES(1, 0, 0, "
     "x'4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a', x'01')",
     "job 1 has ended, but its checkpoints are there"),
    ("INSERT INTO jobs(model_id, request, created_ms) SELECT id, x'7b22', 0 FROM models",
     "model p: the request of job 1 is damaged"),
    ("INSERT INTO jobs(model_id, request, created_ms, state, gate) SELECT id, x'7b7d', 0, 2, '{' FROM models",
     "model p: the gate of job 1 is damaged"),
    ("INSERT INTO jobs(model_id, request, created_ms, state, scores) SELECT id, x'7b7d', 0, 2, '[1' FROM models",
     "model p: the list of scores of job 1 is damaged"),
    ("UPDATE batches SET provenance = '{\"by\":' WHERE id = 2", "model p: the provenance of batch 2 is damaged"),
    ("INSERT INTO policies SELECT id, '{\"new_rows\"', 0 FROM models", "model p: the policy is damaged"),
    ("INSERT INTO jobs(model_id, request, created_ms, state, version, data_rows, data_fingerprint)"
     " SELECT id, x'7b7d', 0, 2, 1, 70, 'f' FROM models;"
     "INSERT INTO training_data SELECT id, 1, 70, 0, 0, replace(hex(zeroblob(32)), '0', 'e'), 1, 0 FROM models",
     "model p: what is known of the rows of version 1 is damaged"),
    ("INSERT INTO version_rows SELECT id, 1, 1, 0, 1, 0 FROM models;"
     "INSERT INTO version_row_chunks SELECT id, 1, 0, zeroblob(32), x'01' FROM models",
     "the record of the rows of version 1 of model p is damaged"),
    ("INSERT INTO version_rows SELECT id, 2, 1, 0, 1, 0 FROM models",
     "the record of the rows of version 2 of model p is damaged"),
]


def small(seed):
    return document(seed=seed, arch=architecture(inputs=2, outputs=1))


def edit(path, statements):
    db = sqlite3.connect(path)
    db.executescript(statements)
    db.close()


class Care(ServerTest):
    def fill(self):
        for seed in (1, 2):
            self.ok(201, "PUT", "/v1/models/p", small(seed))
        for n, seed in ((40, 1), (30, 2)):
            self.ok(201, "POST", "/v1/models/p/data", rows(n, seed=seed))

    def run_(self, *args, status=0):
        run = binary(*args)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout if status == 0 else run.stdout + run.stderr

    def path(self, name):
        return os.path.join(self.folder, name)

    def stop(self):
        self.assertEqual(self.server.stop(), 0, self.server.log_text()[-3000:])

    def test_check_beside_a_server_sums_up(self):
        self.fill()
        self.assertRegex(self.run_("check", "--db", self.server.db),
                         r"^ok: 1 model, 2 versions, 2 batches, \d+ kB, \d+% free\n$")
        # It needs no lock and leaves the server alone.
        self.ok(201, "POST", "/v1/models/p/data", rows(5, seed=3))
        self.assertIn("3 batches", self.run_("check", "--db", self.server.db))

    def test_check_names_each_kind_of_damage(self):
        self.fill()
        self.stop()
        for statements, words in DAMAGES:
            with self.subTest(statements):
                shutil.copy(self.server.db, self.path("damaged.db"))
                edit(self.path("damaged.db"), statements)
                told = self.run_("check", "--db", self.path("damaged.db"), status=1)
                self.assertIn(words, told)
                self.assertRegex(told, r"(?m)^(1 finding|\d+ findings): ")

    def test_looking_at_a_file_at_rest_leaves_nothing_beside_it(self):
        self.fill()
        # Beside a server its log stays.
        self.run_("check", "--db", self.server.db)
        self.assertTrue(os.path.exists(self.server.db + "-shm"))
        self.stop()
        before = sorted(os.listdir(self.folder))
        self.run_("check", "--db", self.server.db)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        for name in ("a.db", "b.db"):
            self.run_("backup", "--db", self.server.db, "--to", self.path(name))
            os.remove(self.path(name))
        self.run_("restore", "--from", self.server.db, "--db", self.path("r.db"))
        left = [name for name in os.listdir(self.folder) if not name.startswith("r.db")]
        self.assertEqual(sorted(left), before)
        # A log that holds something is not touched, and its file no target.
        self.server.start()
        self.ok(201, "POST", "/v1/models/p/data", rows(3, seed=9))
        self.server.kill()
        size = os.path.getsize(self.server.db + "-wal")
        self.assertGreater(size, 0)
        self.assertIn("3 batches", self.run_("check", "--db", self.server.db))
        self.assertEqual(os.path.getsize(self.server.db + "-wal"), size)
        told = self.run_("backup", "--db", self.path("r.db"), "--to", self.server.db, "--force", status=1)
        self.assertIn("a program has it open, or was killed", told)

    def test_restore_through_a_link_replaces_the_file_and_not_the_link(self):
        self.fill()
        self.run_("backup", "--db", self.server.db, "--to", self.path("b.db"))
        os.mkdir(self.path("disk"))
        link, file = self.path("link.db"), self.path("disk/real.db")
        self.run_("restore", "--from", self.path("b.db"), "--db", file)
        os.symlink(file, link)
        self.run_("restore", "--from", self.path("b.db"), "--db", link, "--force")
        self.assertTrue(os.path.islink(link))
        self.assertEqual(sorted(os.listdir(self.path("disk"))),
                         ["real.db", "real.db.before-restore", "real.db.lock"])
        # One that was stopped half way is run again; its link leads nowhere then.
        for hop in (file, "disk/real.db"):
            os.remove(link)
            os.symlink(hop, link)
            os.remove(file)
            self.run_("restore", "--from", self.path("b.db"), "--db", link)
            self.assertTrue(os.path.islink(link))
            self.assertIn("batch", self.run_("check", "--db", file))
        os.remove(link)
        os.symlink("link.db", link)
        self.assertIn("link", self.run_("restore", "--from", self.path("b.db"), "--db", link, status=1))

    def test_check_survives_pages_of_rubbish(self):
        self.fill()
        self.stop()
        rng = random.Random(3)
        with open(self.server.db, "rb") as file:
            good = file.read()
        refused = 0
        for _ in range(40):
            bad = bytearray(good)
            at = rng.randrange(1, len(good) // 4096) * 4096
            bad[at:at + 4096] = rng.randbytes(4096)
            with open(self.path("bad.db"), "wb") as file:
                file.write(bad)
            run = binary("check", "--db", self.path("bad.db"))
            self.assertIn(run.returncode, (0, 1), run.stderr)
            refused += run.returncode
        self.assertGreaterEqual(refused, 36)  # the others hit pages that nothing is in

    def test_backup_beside_a_server_that_writes(self):
        self.fill()
        stop = threading.Event()
        added = []

        def append():
            while not stop.is_set():
                added.append(self.server.request("POST", "/v1/models/p/data", rows(3, seed=len(added) + 10))[0])

        writer = threading.Thread(target=append)
        writer.start()
        try:
            for turn in range(4):
                before = len(added)
                told = self.run_("backup", "--db", self.server.db, "--to", self.path(f"b{turn}.db"))
                self.assertIn("1 model, 2 versions", told)
                self.run_("check", "--db", self.path(f"b{turn}.db"))
                db = sqlite3.connect(self.path(f"b{turn}.db"))
                count = db.execute("SELECT count(*) FROM batches").fetchone()[0]
                db.close()
                # All that was answered before, and nothing that was not sent.
                self.assertTrue(before + 2 <= count <= len(added) + 3, (before, count, len(added)))
        finally:
            stop.set()
            writer.join()
        self.assertEqual(set(added), {201})
        left = [name for name in os.listdir(self.folder) if name.startswith("b")]
        self.assertEqual(sorted(left), [f"b{turn}.db" for turn in range(4)])

    def test_backup_and_restore_bring_back_what_was(self):
        self.fill()
        body = {"model": "p", "inputs": [[0.1, 0.2]]}
        before = self.ok(200, "POST", "/predict", body)[1]
        self.run_("backup", "--db", self.server.db, "--to", self.path("b.db"))
        self.ok(201, "PUT", "/v1/models/p", small(3))
        told = self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db, "--force", status=1)
        self.assertIn("in use by another surrogated", told)
        self.stop()
        told = self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db, status=1)
        self.assertIn("--force", told)
        self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db, "--force")
        self.server.start()
        self.assertEqual(self.ok(200, "POST", "/predict", body)[1], before)
        self.assertEqual(len(self.ok(200, "GET", "/v1/models/p")[1]["versions"]), 2)
        # A late repeat is a new registration on the restored registry, numbered on from there.
        self.assertEqual(self.ok(201, "PUT", "/v1/models/p", small(3))[1]["version"], 3)
        self.stop()
        self.assertIn("3 versions", self.run_("check", "--db", self.server.db + ".before-restore"))
        told = self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db, "--force", status=1)
        self.assertIn("from an earlier restore", told)
        # To a place where nothing is.
        self.run_("restore", "--from", self.path("b.db"), "--db", self.path("fresh.db"))
        self.assertIn("2 versions", self.run_("check", "--db", self.path("fresh.db")))

    def test_a_log_left_by_a_crash_never_meets_the_restored_file(self):
        self.fill()
        self.run_("backup", "--db", self.server.db, "--to", self.path("b.db"))
        self.ok(201, "PUT", "/v1/models/late", small(4))
        self.server.kill()
        self.assertGreater(os.path.getsize(self.server.db + "-wal"), 0)
        self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db, "--force")
        self.assertFalse(os.path.exists(self.server.db + "-wal"))
        self.assertFalse(os.path.exists(self.server.db + "-shm"))
        self.server.start()
        self.assertEqual([m["name"] for m in self.ok(200, "GET", "/v1/models")[1]["models"]], ["p"])
        self.stop()
        # The old one is kept whole, with what its log held.
        self.assertIn("2 models, 3 versions", self.run_("check", "--db", self.server.db + ".before-restore"))
        # A log whose file is gone does not meet it either.
        os.remove(self.server.db)
        os.remove(self.server.db + ".before-restore")
        for suffix in ("-wal", "-shm"):
            if os.path.exists(self.server.db + ".before-restore" + suffix):
                os.remove(self.server.db + ".before-restore" + suffix)
        with open(self.server.db + "-wal", "wb") as file:
            file.write(b"\x37\x7f\x06\x82" + bytes(5000))
        self.run_("restore", "--from", self.path("b.db"), "--db", self.server.db)
        self.assertFalse(os.path.exists(self.server.db + "-wal"))

    def test_backup_refuses_what_it_would_spoil(self):
        self.fill()
        out = self.path("b.db")
        refused = [
            (("--to", self.server.db, "--force"), "is the registry itself"),
            (("--to", self.path("none/b.db")), "No such file"),
            (("--to", self.folder, "--force"), "a folder"),
            ((), "backup needs --to"),
            (("--to",), "--to needs a value"),
            (("--to", out, "--from", "x"), "--from is not an option of `backup`"),
            (("--to", out, "--force=perhaps"), "--force takes no value"),
        ]
        for flags, words in refused:
            run = binary("backup", "--db", self.server.db, *flags)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(words, run.stderr)
        self.assertIn("there is no such file", self.run_("backup", "--db", self.path("no.db"), "--to", out, status=1))
        self.run_("backup", "--db", self.server.db, "--to", out)
        os.chmod(out, 0o600)
        self.assertIn("--force replaces it", self.run_("backup", "--db", self.server.db, "--to", out, status=1))
        self.run_("backup", "--db", self.server.db, f"--to={out}", "--force")
        # Another server's registry is none to be replaced.
        os.mkdir(self.path("o"))
        other = Server(self.path("o")).start()
        told = self.run_("backup", "--db", self.server.db, "--to", other.db, "--force", status=1)
        self.assertIn("a program has it open", told)
        self.assertEqual(other.stop(), 0)

    def test_what_is_restored_has_the_mode_of_what_it_replaces(self):
        self.stop()
        copy = self.path("copy.db")
        self.run_("backup", "--db", self.server.db, "--to", copy)
        os.chmod(copy, 0o644)
        for mode in (0o600, 0o640):
            os.chmod(self.server.db, mode)
            self.run_("restore", "--db", self.server.db, "--from", copy, "--force")
            self.assertEqual(os.stat(self.server.db).st_mode & 0o777, mode)
            os.remove(self.server.db + ".before-restore")
        os.remove(self.server.db)
        self.run_("restore", "--db", self.server.db, "--from", copy)
        self.assertEqual(os.stat(self.server.db).st_mode & 0o777, 0o600)

    def test_damaged_contents_are_copied_only_when_that_is_wanted(self):
        self.fill()
        self.stop()
        self.run_("backup", "--db", self.server.db, "--to", self.path("good.db"))
        edit(self.server.db, DAMAGES[0][0])
        with open(self.path("good.db"), "rb") as file:
            good = file.read()
        told = self.run_("backup", "--db", self.server.db, "--to", self.path("good.db"), "--force", status=1)
        self.assertIn("chunk 0 does not match", told)
        self.assertIn("--damaged", told)
        with open(self.path("good.db"), "rb") as file:
            self.assertEqual(file.read(), good)
        self.run_("backup", "--db", self.server.db, "--to", self.path("bad.db"), "--damaged", status=1)
        self.assertTrue(os.path.exists(self.path("bad.db")))
        fresh = self.path("fresh.db")
        self.assertIn("the backup is damaged",
                      self.run_("restore", "--from", self.path("bad.db"), "--db", fresh, status=1))
        self.assertFalse(os.path.exists(fresh))
        self.run_("restore", "--from", self.path("bad.db"), "--db", fresh, "--damaged", status=1)
        self.assertTrue(os.path.exists(fresh))
        # A broken file is none to restore, however it is wanted.
        with open(self.path("half.db"), "wb") as file:
            file.write(good[:len(good) // 2])
        told = self.run_("restore", "--from", self.path("half.db"), "--db", self.path("x.db"), "--damaged", status=1)
        self.assertIn("damaged", told)
        self.assertFalse(os.path.exists(self.path("x.db")))

    def test_a_source_in_a_folder_that_cannot_be_written_to(self):
        self.fill()
        self.stop()
        ours = self.path("ours")
        os.mkdir(ours)
        os.mkdir(self.path("ro"))
        source = self.path("ro/r.db")
        shutil.copy(self.server.db, source)
        as_user = {}
        if os.geteuid() == 0:
            os.chmod(self.folder, 0o755)
            os.chown(ours, 65534, 65534)
            as_user = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(source, 0o444)
        os.chmod(self.path("ro"), 0o555)
        try:
            for args in (("check",), ("backup", "--to", os.path.join(ours, "b.db"))):
                run = binary(args[0], "--db", source, *args[1:], **as_user)
                self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(os.listdir(self.path("ro")), ["r.db"])
            run = binary("backup", "--db", source, "--to", self.path("ro/b.db"), **as_user)
            self.assertEqual(run.returncode, 1)
            self.assertIn("Permission denied", run.stderr)
            # With a log that holds something the file alone is not the registry: that is said.
            os.chmod(self.path("ro"), 0o755)
            with open(source + "-wal", "wb") as file:
                file.write(bytes(100))
            os.chmod(source + "-wal", 0o000)
            os.chmod(self.path("ro"), 0o555)
            if as_user:
                run = binary("backup", "--db", source, "--to", os.path.join(ours, "c.db"), **as_user)
                self.assertEqual(run.returncode, 1)
                self.assertIn("write-ahead log", run.stderr)
        finally:
            os.chmod(self.path("ro"), 0o755)

    def test_a_stopped_backup_leaves_nothing(self):
        self.fill()
        for _ in range(8):
            self.ok(201, "POST", "/v1/models/p/data", rows(20000, seed=7))
        begin = time.time()
        self.run_("backup", "--db", self.server.db, "--to", self.path("b.db"))
        whole = time.time() - begin
        os.remove(self.path("b.db"))
        for delay in (0.0, 0.1 * whole, 0.3 * whole, 0.6 * whole, 0.9 * whole):
            process = subprocess.Popen([BINARY, "backup", "--db", self.server.db, "--to", self.path("b.db")],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            told = process.communicate()[1]
            # It had not begun to listen, it was stopped, or it was done.
            self.assertIn(process.returncode, (-signal.SIGTERM, 130, 0), told)
            names = [name for name in os.listdir(self.folder) if name.startswith("b")]
            self.assertEqual(names, ["b.db"] if process.returncode == 0 else [])
            if process.returncode == 0:
                os.remove(self.path("b.db"))

    def test_progress_is_shown_on_a_terminal_and_only_there(self):
        self.fill()
        for seed in range(6):
            self.ok(201, "POST", "/v1/models/p/data", rows(20000, seed=seed))
        quiet = binary("check", "--db", self.server.db)
        self.assertEqual((quiet.returncode, quiet.stderr), (0, ""))
        master, slave = pty.openpty()
        with subprocess.Popen([BINARY, "check", "--db", self.server.db], stdout=subprocess.PIPE, stderr=slave,
                              text=True) as process:
            os.close(slave)
            told = process.stdout.read()
            shown = b""
            try:
                while piece := os.read(master, 4096):
                    shown += piece
            except OSError:
                pass
            self.assertEqual(process.wait(), 0)
        os.close(master)
        self.assertRegex(told, "^ok: ")
        self.assertRegex(shown.decode(), r"\r(pages|contents)")
        self.assertTrue(shown.endswith(b" \r"), shown[-40:])

    def test_compact_shrinks_a_file_and_makes_an_old_one_shrinkable(self):
        self.fill()
        for _ in range(4):
            self.ok(201, "POST", "/v1/models/q/data", rows(20000))
        self.ok(204, "DELETE", "/v1/models/q")
        self.assertIn("in use by another", self.run_("compact", "--db", self.server.db, status=1))
        self.stop()
        # As an older program made it.
        edit(self.server.db, "PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=0; VACUUM; PRAGMA journal_mode=WAL")
        self.server.start()
        for _ in range(4):
            self.ok(201, "POST", "/v1/models/q/data", rows(20000))
        self.ok(204, "DELETE", "/v1/models/q")
        self.stop()
        before = os.path.getsize(self.server.db)
        self.assertRegex(self.run_("compact", "--db", self.server.db), r"kB, was \d.* MB\n$")
        self.assertLess(os.path.getsize(self.server.db), before / 4)
        db = sqlite3.connect(self.server.db)
        self.assertEqual(db.execute("PRAGMA auto_vacuum").fetchone()[0], 2)
        db.close()
        self.server.start()
        self.assertEqual(len(self.ok(200, "GET", "/v1/models/p")[1]["versions"]), 2)
        self.assertIn("0% free", self.run_("check", "--db", self.server.db))

    def test_a_new_registry_can_give_space_back(self):
        db = sqlite3.connect(self.server.db)
        self.assertEqual(db.execute("PRAGMA auto_vacuum").fetchone()[0], 2)
        db.close()


class Root(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "gives a file to another user")
    def test_what_root_restores_belongs_to_whom_the_folder_belongs(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            home = os.path.join(folder, "home")
            os.mkdir(home)
            server = Server(folder).start()
            self.assertEqual(server.stop(), 0)
            os.chown(home, 65534, 65534)
            path = os.path.join(home, "r.db")
            self.assertEqual(binary("restore", "--from", server.db, "--db", path).returncode, 0)
            self.assertEqual({os.stat(p).st_uid for p in (path, path + ".lock")}, {65534})


if __name__ == "__main__":
    unittest.main()
