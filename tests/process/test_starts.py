# SPDX-License-Identifier: Apache-2.0
"""What cannot be served is refused at the start: status 1, and a word that says what to do."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from harness import BINARY, PATIENCE, Server, binary

NOBODY = 65534


class Starting(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def refused(self, word, path, *flags, **kwargs):
        run = binary("serve", "--listen", "127.0.0.1:0", "--db", path, *flags, **kwargs)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn('message="not started"', run.stderr)
        self.assertIn(word, run.stderr)
        return run.stderr

    def registry(self, name="r.db"):
        """A registry that a server has made and closed."""
        server = Server(self.folder)
        server.db = self.path(name)
        self.assertEqual(server.start().stop(), 0)
        return server.db

    def edit(self, path, statements):
        db = sqlite3.connect(path)
        db.executescript(statements)
        db.close()

    def test_a_newer_schema(self):
        path = self.registry()
        self.edit(path, "PRAGMA user_version = 99")
        for flags in ((), ("--read-only", "true")):
            self.refused("has schema 99, this program knows up to", path, *flags)
            self.refused("use a newer one", path, *flags)
        self.edit(path, "PRAGMA user_version = -1")
        self.refused("has schema -1", path)

    def test_a_database_of_another_program_stays_as_it_is(self):
        path = self.path("theirs.db")
        self.edit(path, "CREATE TABLE theirs (x)")
        with open(path, "rb") as file:
            before = file.read()
        for flags in ((), ("--read-only", "true")):
            self.refused("is a database of another program; name another file", path, *flags)
        self.edit(path, "PRAGMA application_id = 77")
        self.refused("another program", path)
        self.edit(path, "PRAGMA application_id = 0")
        with open(path, "rb") as file:
            after = file.read()
        self.assertEqual((len(after), after[18:20]), (len(before), before[18:20]))  # no log of ours

    def test_no_database_at_all(self):
        path = self.path("text")
        with open(path, "w", encoding="utf-8") as file:
            file.write("not a database, only text that is long enough " * 100)
        for flags in ((), ("--read-only", "true")):
            self.refused("the file is no registry", path, *flags)
        with open(path, "w", encoding="utf-8") as file:
            file.write("short")
        self.refused("the file is no registry", path)

    def test_a_missing_folder_or_a_file_in_place_of_one(self):
        self.refused("make its folder first", self.path("none/r.db"))
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        self.refused("Not a directory", self.path("file/r.db"))
        self.refused("Not a directory", self.path("file/r.db"), "--read-only", "true")

    def test_a_folder_or_a_pipe_in_place_of_a_file(self):
        for flags in ((), ("--read-only", "true")):
            self.refused("is a folder; name a file", self.folder, *flags)
        os.mkfifo(self.path("pipe"))
        self.refused("is no regular file", self.path("pipe"))
        self.assertFalse(os.path.exists(self.folder + ".lock"))

    def test_no_permission(self):
        path = self.registry()
        as_user = {}
        if os.geteuid() == 0:
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(path, NOBODY, NOBODY)
        os.remove(path + ".lock")
        os.chmod(self.folder, 0o555)
        try:
            told = self.refused("Permission denied", path, **as_user)
            self.assertIn("must be able to write to its folder", told)
            os.chmod(self.folder, 0o777)
            os.chmod(path, 0o444)
            told = self.refused("cannot be written to: permission denied", path, **as_user)
            self.assertIn("--read-only true", told)
            os.chmod(path, 0o000)
            self.refused("Permission denied", path, **as_user)
            self.refused("Permission denied", path, "--read-only", "true", **as_user)
        finally:
            os.chmod(self.folder, 0o755)

    def test_a_second_server_on_the_file(self):
        server = Server(self.folder).start()
        self.refused("in use by another surrogated", server.db)
        self.assertEqual(server.request("GET", "/readyz")[0], 200)
        self.assertEqual(server.stop(), 0)

    def test_a_second_server_on_the_file_by_another_name(self):
        os.mkdir(self.path("elsewhere"))
        links = [self.path("elsewhere/symbolic.db"), self.path("elsewhere/hard.db")]
        server = Server(self.folder)
        os.symlink(server.db, links[0])  # before there is anything
        server.start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        os.link(server.db, links[1])
        before = sorted(os.listdir(self.path("elsewhere")))
        for path in links:
            self.refused("in use by another surrogated", path)
            told = binary("compact", "--db", path)
            self.assertEqual(told.returncode, 1, path)
            self.assertIn("in use by another surrogated", told.stderr)
        told = binary("restore", "--from", server.db, "--db", links[1], "--force")
        self.assertIn("in use by another surrogated", told.stderr)
        # No log of theirs lies beside.
        left = [name for name in os.listdir(self.path("elsewhere")) if not name.endswith(".lock")]
        self.assertEqual(sorted(left), before)
        self.assertEqual(server.request("GET", "/readyz")[0], 200)
        # Nor is a file free that was given another name under its server.
        os.rename(server.db, self.path("moved.db"))
        self.refused("in use by another surrogated, by another name", self.path("moved.db"))
        os.rename(self.path("moved.db"), server.db)
        self.assertEqual(server.stop(), 0)
        for path in links:
            second = Server(self.folder)
            second.db = path
            self.assertEqual(second.start().stop(), 0)

    def test_a_file_that_is_cut(self):
        path = self.registry()
        with open(path, "rb") as file:
            whole = file.read()
        for size in (len(whole) - 4096, len(whole) // 2, 4096, 1000, 100, 2):
            with open(path, "wb") as file:
                file.write(whole[:size])
            run = binary("serve", "--listen", "127.0.0.1:0", "--db", path)
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertRegex(run.stderr, "the registry file is damaged|the file is no registry")
            with open(path, "rb") as file:
                self.assertEqual(file.read()[:size], whole[:size])

    def test_an_empty_file_is_a_new_registry_but_not_for_a_replica(self):
        path = self.path("r.db")
        with open(path, "wb"):
            pass
        self.refused("is an empty file", path, "--read-only", "true")
        self.registry()
        self.assertGreater(os.path.getsize(path), 0)

    def test_a_replica_of_nothing_or_of_an_older_schema(self):
        self.refused("No such file", self.path("none.db"), "--read-only", "true")
        path = self.registry()
        self.edit(path, "PRAGMA user_version = 1")
        told = self.refused("has schema 1, a replica needs", path, "--read-only", "true")
        self.assertIn("open it once with a writable server", told)

    def test_a_file_that_may_not_grow(self):
        """A limit of the process: a write that fails in the middle of the first transaction."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))

        self.refused("disk I/O error", self.path("r.db"), preexec_fn=limit,
                     restore_signals=False)
        # It is no registry yet, and becomes one once there is room.
        self.registry()

    def test_a_full_disk(self):
        disk = self.path("disk")
        os.mkdir(disk)
        script = ('mount -t tmpfs -o size=100k tmpfs "$1" && exec "$0" serve --listen 127.0.0.1:0 '
                  '--db "$1/r.db"')
        run = subprocess.run(["unshare", "-m", "sh", "-c", script, BINARY, disk], capture_output=True,
                             text=True, timeout=PATIENCE, check=False)
        if "not started" not in run.stderr:
            self.skipTest(f"no file system can be mounted here: {run.stderr[:100]}")
        self.assertEqual(run.returncode, 1)
        self.assertIn("the disk is full", run.stderr)


class Environment(unittest.TestCase):
    def start(self, **variables):
        """A start that fails at once, because its folder does not exist."""
        return binary("serve", "--db", "/nowhere/registry.db", env={**os.environ, **variables})

    def test_a_misspelt_variable_is_refused_with_the_near_name(self):
        for name, near in (("SURROGATED_MAX_ROW", "SURROGATED_MAX_ROWS"), ("SURROGATED_LISEN", "SURROGATED_LISTEN"),
                           ("SURROGATED_TRAIN_THREAD", "SURROGATED_TRAIN_THREADS"),
                           ("SURROGATED_REQUIRE_TOKEN", "SURROGATED_REQUIRE_TOKENS")):
            done = self.start(**{name: "7"})
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"{name}: there is no such setting; did you mean {near}?", done.stderr)

    def test_what_others_set_is_left_alone(self):
        done = self.start(SURROGATED_SERVICE_HOST="10.0.0.1", SURROGATED_PORT="tcp://10.0.0.1:80",
                          SURROGATED_PORT_80_TCP_ADDR="10.0.0.1", SURROGATED_SERVER="http://a", SURROGATED_TOKEN="x")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("environment variable", done.stderr)


if __name__ == "__main__":
    unittest.main()
