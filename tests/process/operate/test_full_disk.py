# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: a small one of memory, in a mount namespace of the server's own."""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, PATIENCE, Server, ServerTest, document, rows

DISK_MB = 40
RESERVE_MB = 6


def can_mount():
    """root, or a user who may make namespaces."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True,
                              timeout=PATIENCE).returncode == 0
    except OSError:
        return False


class SmallDisk(Server):
    def __init__(self, folder, *flags):
        super().__init__(folder, *flags)
        self.disk = os.path.join(folder, "disk")
        os.mkdir(self.disk)
        self.db = os.path.join(self.disk, "registry.db")

    def launch(self):
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.log_begin = 0
        script = 'mount -t tmpfs -o "size=$1m" small "$2" && shift 2 && exec "$@"'
        self.process = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", script, "sh", str(DISK_MB), self.disk,
             BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.db, *self.flags], stderr=self.log)
        return self


@unittest.skipUnless(can_mount(), "mount namespaces are not allowed here (unshare -rm)")
class FullDisk(unittest.TestCase):
    def begin(self, reserve_mb):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        self.server = SmallDisk(folder, "--reserve_mb", str(reserve_mb), "--min_free_mb", "1")
        self.addCleanup(lambda: self.server.process.poll() is not None or self.server.kill())
        self.server.start()

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2].decode()
        return float(re.search(rf"(?m)^{name} (\S+)$", text).group(1))

    def wait_metric(self, name, value):
        """Sizes are looked at once a second."""
        for _ in range(int(PATIENCE / 0.05)):
            if self.metric(name) == value:
                return
            time.sleep(0.05)
        self.fail(f"{name} is {self.metric(name)}, not {value}")

    def fill(self):
        """Batches until nothing more fits, not even a row; how many rows were taken."""
        rng = random.Random(1)
        taken = 0
        for n in (10000, 1000, 100, 1):
            body = "\n".join(",".join(repr(rng.random()) for _ in range(10)) for _ in range(n)) + "\n"
            for _ in range(10 * DISK_MB):
                status, _, data = self.server.request("POST", "/v1/models/a/data?outputs=1", body,
                                                      {"Content-Type": "text/csv"})
                if status != 201:
                    self.assertEqual(status, 507, data)
                    break
                taken += n
        return taken

    def stored(self):
        return self.server.request("GET", "/v1/models/a/data")[2]["rows"]

    def test_what_is_deleted_makes_room(self):
        self.begin(RESERVE_MB)
        self.wait_metric("surrogated_disk_reserve_bytes", 1e6 * RESERVE_MB)
        self.assertEqual(self.server.request("PUT", "/v1/models/m", document())[0], 201)
        taken = self.fill()
        self.assertEqual(self.stored(), taken)
        status, _, data = self.server.request("DELETE", "/v1/models/a/data")
        self.assertEqual((status, data), (200, {"deleted_rows": taken}))
        self.assertEqual(self.stored(), 0)
        # There is room again, for new rows and for the next full disk.
        self.wait_metric("surrogated_disk_reserve_bytes", 1e6 * RESERVE_MB)
        again = self.fill()
        self.assertGreater(again, taken // 2)
        for path in ("/v1/models/a/data/batches/" + str(self.newest()), "/v1/models/m/versions/1", "/v1/models/a"):
            status, _, data = self.server.request("DELETE", path)
            self.assertIn(status, (200, 204), (path, data))
        self.assertEqual(self.server.request("POST", "/v1/models/b/data", rows(20))[0], 201)
        self.assertEqual(self.server.stop(), 0)

    def newest(self):
        return max(batch["batch"] for batch in self.server.request("GET", "/v1/models/a/data/batches")[2]["batches"])

    def test_without_a_reserve_nothing_is_deleted_and_the_answer_says_507(self):
        self.begin(0)
        taken = self.fill()
        self.assertEqual(self.metric("surrogated_disk_reserve_bytes"), 0)
        status, _, data = self.server.request("DELETE", "/v1/models/a/data")
        self.assertEqual(status, 507, data)
        self.assertEqual(self.stored(), taken)
        self.assertEqual(self.server.request("GET", "/v1/models")[0], 200)


class Reserve(ServerTest):
    flags = ("--reserve_mb", "1")

    def reserve(self):
        return self.server.db + "-reserve"

    def test_it_is_there_while_the_server_runs(self):
        about = os.stat(self.reserve())
        self.assertEqual((about.st_size, about.st_mode & 0o777), (1000000, 0o600))
        self.assertGreaterEqual(about.st_blocks * 512, 1000000)
        self.server.kill()
        self.assertTrue(os.path.exists(self.reserve()))
        self.server.start()
        self.assertEqual(os.stat(self.reserve()).st_ino, about.st_ino)  # the one that was left
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse(os.path.exists(self.reserve()))


if __name__ == "__main__":
    unittest.main()
