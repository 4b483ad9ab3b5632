# SPDX-License-Identifier: Apache-2.0
"""What a service manager sees: notifications, the watchdog, sockets that are handed over, the unit."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, HERE, PATIENCE, Server

DEPLOY = os.path.join(HERE, "..", "..", "deploy")
ANALYZE = shutil.which("systemd-analyze")
MAX_EXPOSURE = 1.6


class Manager(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.path = os.path.join(self.folder, "notify")
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.inbox.close)
        self.inbox.bind(self.path)
        self.inbox.settimeout(PATIENCE)
        self.server = Server(self.folder)
        self.addCleanup(lambda: self.server.process.poll() is not None or self.server.kill())

    def start(self, **environment):
        before = dict(os.environ)
        os.environ.update(environment, NOTIFY_SOCKET=self.path)
        try:
            return self.server.start()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def wait(self, wanted):
        """The messages up to the one with this line."""
        seen = []
        while True:
            message = self.inbox.recv(4096).decode()
            seen.append(message)
            if wanted in message.split("\n"):
                return seen

    def test_each_stage_of_life_is_told(self):
        self.start()
        seen = self.wait("READY=1")
        self.assertIn("STATUS=ready, 0 models in memory", seen)
        self.assertFalse([m for m in seen if m.startswith("WATCHDOG")])
        self.server.process.send_signal(signal.SIGHUP)
        reloading = self.wait("READY=1")
        self.assertRegex(reloading[-2], r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        os.rename(self.server.db, self.server.db + ".away")
        while not (message := self.inbox.recv(4096).decode()).startswith("STATUS=not ready: the registry file"):
            self.assertIn("STATUS", message)
        self.server.process.send_signal(signal.SIGTERM)
        self.wait("STOPPING=1")
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        self.server.log.close()

    def test_the_watchdog_hears_of_it_in_time(self):
        self.start(WATCHDOG_USEC="900000")
        self.wait("READY=1")
        times = []
        for _ in range(5):
            self.wait("WATCHDOG=1")
            times.append(time.time())
        # On a busy machine single gaps may be longer; the usual one is a third of the time.
        self.assertLess(sorted(b - a for a, b in zip(times, times[1:]))[1], 0.9)
        self.assertEqual(self.server.stop(), 0)

    def test_a_watchdog_of_another_process_is_not_ours(self):
        self.start(WATCHDOG_USEC="30000", WATCHDOG_PID="1")
        self.wait("READY=1")
        time.sleep(0.5)
        self.inbox.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.assertFalse(self.inbox.recv(4096).startswith(b"WATCHDOG"))
        self.assertEqual(self.server.stop(), 0)

    def test_a_manager_that_does_not_read_holds_nobody_up(self):
        self.inbox.close()
        self.start(WATCHDOG_USEC="30000")
        self.assertEqual(self.server.request("GET", "/readyz")[0], 200)
        self.assertEqual(self.server.stop(), 0)


class Activation(unittest.TestCase):
    def test_a_socket_that_others_reach_needs_a_token_whatever_listen_says(self):
        with socket.socket() as inherited:
            inherited.bind(("0.0.0.0", 0))
            inherited.listen()
            process, log = self.launch(inherited.fileno())
            self.assertEqual(process.wait(PATIENCE), 1)
            log.seek(0)
            self.assertIn(b"there is no valid token", log.read())

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)

    def launch(self, fd):
        """As systemd does: the socket is descriptor 3, and the environment names this very process."""
        log = open(os.path.join(self.folder, "log"), "w+b")
        self.addCleanup(log.close)
        shell = 'exec 3<&"$1"; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$2" serve --db "$3"'
        process = subprocess.Popen(["bash", "-c", shell, "-", str(fd), BINARY, os.path.join(self.folder, "db")],
                                   pass_fds=[fd], stderr=log)
        self.addCleanup(lambda: process.poll() is not None or (process.kill(), process.wait()))
        return process, log

    def ask(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := client.recv(4096):
                answer += piece
            return answer

    def test_a_socket_that_is_handed_over_outlives_the_server(self):
        with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
            port = listening.getsockname()[1]
            for _ in range(2):
                process, log = self.launch(listening.fileno())
                # The connection waits in the socket until the server is there.
                self.assertTrue(self.ask(port).startswith(b"HTTP/1.1 200"))
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(PATIENCE), 0)
                log.seek(0)
                self.assertRegex(log.read().decode(), rf"message=listening .*port={port}\b")

    def test_what_is_no_listening_socket_is_refused(self):
        with socket.socket() as plain:
            process, log = self.launch(plain.fileno())
            self.assertEqual(process.wait(PATIENCE), 1)
            log.seek(0)
            self.assertIn("not a listening stream socket", log.read().decode())


class Unit(unittest.TestCase):
    @unittest.skipUnless(ANALYZE, "systemd-analyze is missing: apt-get install systemd")
    def test_the_unit_is_confined(self):
        found = subprocess.run([ANALYZE, "security", "--offline=true", "--no-pager",
                                os.path.join(DEPLOY, "surrogated.service")],
                               capture_output=True, text=True, timeout=PATIENCE, check=False)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)
        self.assertTrue(exposure, found.stdout + found.stderr)
        self.assertLessEqual(float(exposure.group(1)), MAX_EXPOSURE)

    @unittest.skipUnless(ANALYZE, "systemd-analyze is missing: apt-get install systemd")
    def test_systemd_finds_no_fault_in_unit_and_socket(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        for name in ("surrogated.service", "surrogated.socket"):
            with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
                text = file.read().replace("/usr/bin/surrogated", BINARY)
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        found = subprocess.run([ANALYZE, "verify", "--man=no", os.path.join(folder, "surrogated.socket"),
                                os.path.join(folder, "surrogated.service")],
                               capture_output=True, text=True, timeout=PATIENCE, check=False)
        ours = [line for line in found.stderr.splitlines() if "surrogated" in line]
        self.assertEqual((found.returncode, ours), (0, []))


if __name__ == "__main__":
    unittest.main()
