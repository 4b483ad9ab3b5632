# SPDX-License-Identifier: Apache-2.0
"""What the build and a crash leave to an attacker: the binary itself, by readelf, and core files."""

import glob
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, PATIENCE, Server, document

READELF = shutil.which("readelf")
SANITIZED = os.environ.get("SANITIZER", "none") != "none"


@unittest.skipUnless(READELF, "readelf is missing: apt-get install binutils")
class Binary(unittest.TestCase):
    def read(self, *options):
        return subprocess.run([READELF, "-W", *options, BINARY], capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout

    def test_it_is_loaded_anywhere(self):
        self.assertRegex(self.read("-h"), r"Type:\s+DYN")

    def test_tables_of_functions_are_read_only(self):
        self.assertIn("GNU_RELRO", self.read("-l"))
        self.assertRegex(self.read("-d"), r"BIND_NOW|Flags:.*NOW")

    def test_the_stack_is_not_executable(self):
        self.assertRegex(self.read("-l"), r"GNU_STACK.* RW +0x")

    @unittest.skipIf(SANITIZED, "sanitizers check the stack and lengths by themselves")
    def test_the_stack_and_lengths_are_checked(self):
        symbols = set(re.findall(r" UND (\w+)", self.read("--dyn-syms")))
        self.assertIn("__stack_chk_fail", symbols)
        self.assertTrue({"__snprintf_chk", "__vsnprintf_chk", "__memcpy_chk"} & symbols, symbols)


class Crashing(Server):
    """Its folder is the one that it runs in, and a core file of any size may be written there."""

    def launch(self):
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.log_begin = self.log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.db, *self.flags], stderr=self.log,
            cwd=self.folder, preexec_fn=self.allow)
        return self

    def allow(self):
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


class CoreFile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = Crashing(self.folder).start()
        self.addCleanup(lambda: self.server.process.poll() is not None or self.server.kill())
        self.filter = f"/proc/{self.server.process.pid}/coredump_filter"

    def crash(self):
        """The core files that are there then."""
        secret, value = "sgt_farm_" + "5ec2e7" * 10 + "5ec2", 0.123456789012345
        put = self.server.request
        self.assertEqual(put("PUT", "/v1/models/m", document())[0], 201)
        self.assertEqual(put("POST", "/v1/models/m/predict", {"inputs": [[value, value, value]]},
                             {"Authorization": f"Bearer {secret}"})[0], 200)
        # A token is forgotten with its request, so one is under way.
        head = (f"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
                "Content-Length: 9\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.server.port)) as half:
            half.sendall(head.encode())
            time.sleep(0.2)
            self.server.process.send_signal(signal.SIGABRT)
            self.server.process.wait(PATIENCE)
        self.server.log.close()
        cores = []
        for path in glob.glob(os.path.join(self.folder, "core*")):
            with open(path, "rb") as file:
                cores.append(file.read())
        return cores, secret.encode(), struct.pack("<d", value)

    def test_its_filter_leaves_out_all_memory(self):
        with open(self.filter, encoding="ascii") as file:
            self.assertEqual(int(file.read(), 16), 0)

    @unittest.skipIf(SANITIZED, "sanitizers make no core file")
    def test_a_crash_writes_down_no_token_and_no_row(self):
        cores, secret, row = self.crash()
        for core in cores:
            self.assertFalse(secret in core, "a token is in the core file")
            self.assertFalse(row in core, "a row is in the core file")

    @unittest.skipIf(SANITIZED, "sanitizers make no core file")
    def test_who_looks_for_a_fault_gets_the_memory_back(self):
        with open(self.filter, "w", encoding="ascii") as file:
            file.write("0x33")
        cores, secret, row = self.crash()
        if not cores:
            self.skipTest("this machine writes no core file where the process runs")
        self.assertTrue(secret in cores[0])
        self.assertTrue(row in cores[0])


if __name__ == "__main__":
    unittest.main()
