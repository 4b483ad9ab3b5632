# SPDX-License-Identifier: Apache-2.0
"""The log: a reader that stops reading, lines that are left out, the last lines of a stop."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, HERE, PATIENCE, Server, ServerTest, document

STOP_S = 20  # far above the second that the log has at a stop


class Piped(Server):
    """A server whose log goes into a pipe that the test reads or does not read."""

    def launch(self):
        self.read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.db, *self.flags], stderr=write_end)
        os.close(write_end)
        return self

    def start(self):
        self.launch()
        text = b""
        while b"message=ready" not in text:
            piece = os.read(self.read_end, 65536)
            if not piece:
                raise AssertionError(f"the server did not start: {text!r}")
            text += piece
        self.port = int(re.search(rb"message=listening .*port=(\d+)", text).group(1))
        return self

    def rest(self):
        """What is still in the pipe, once the process has ended."""
        text = b""
        while piece := os.read(self.read_end, 65536):
            text += piece
        return text.decode()


class Pipe(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)

    def begin(self, *flags):
        self.server = Piped(self.folder, *flags).start()
        self.addCleanup(os.close, self.server.read_end)
        self.addCleanup(self.end)

    def end(self):
        if self.server.process.poll() is None:
            self.server.process.kill()
            self.server.process.wait()

    def fill(self, n):
        """Each request is a line at level debug; a pipe holds about 64 kB of them."""
        for _ in range(n):
            self.assertEqual(self.server.request("GET", "/healthz")[0], 200)

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2].decode()
        return float(re.search(rf"(?m)^{name} (\S+)$", text).group(1))

    def test_a_log_that_nobody_reads_stops_nothing(self):
        self.begin("--log_level", "debug")
        long_path = "/" + "x" * 1500
        for _ in range(400):
            self.assertEqual(self.server.request("GET", long_path)[0], 404)
        self.assertEqual(self.server.request("PUT", "/v1/models/m", document())[0], 201)
        self.assertEqual(self.server.request("GET", "/readyz")[0], 200)
        self.assertGreater(self.metric("surrogated_log_dropped_lines_total"), 0)
        begin = time.time()
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        self.assertLess(time.time() - begin, STOP_S)

    def test_a_reader_that_comes_back_learns_how_many_lines_are_missing(self):
        self.begin("--log_level", "debug")
        long_path = "/" + "x" * 1500
        for _ in range(400):
            self.server.request("GET", long_path)
        text = b""
        end = time.time() + PATIENCE
        while b"lines were dropped" not in text and time.time() < end:
            text += os.read(self.server.read_end, 65536)
            if len(text) > 100000:
                self.fill(1)
        dropped = int(re.search(rb'message="log lines were dropped" count=(\d+)', text).group(1))
        self.assertGreater(dropped, 0)
        self.assertEqual(dropped, self.metric("surrogated_log_dropped_lines_total"))
        for line in text.split(b"\n")[:-1]:
            self.assertTrue(line.startswith(b"time=") or line == text.split(b"\n")[0], line)

    def test_nothing_is_lost_and_the_last_lines_are_written(self):
        self.begin("--log_level", "debug")
        self.fill(40)
        self.assertEqual(self.metric("surrogated_log_dropped_lines_total"), 0)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        lines = self.server.rest().splitlines()
        self.assertEqual(sum("path=/healthz" in line for line in lines), 40)
        self.assertIn("message=stopped", lines[-1])

    def test_a_reader_that_is_gone_stops_nothing(self):
        self.begin("--log_level", "debug")
        os.close(self.server.read_end)
        self.server.read_end = os.open(os.devnull, os.O_RDONLY)
        self.fill(20)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)


class Kinds(ServerTest):
    flags = ("--event_streams", "0")

    def test_refused_streams_are_few_lines(self):
        self.ok(201, "POST", "/v1/models/m/data", {"inputs": [[0.1 * i] for i in range(20)],
                                                   "outputs": [[0.1 * i] for i in range(20)]})
        job = self.ok(202, "POST", "/v1/models/m/train", {"solver": "ensemble", "gate": None,
                                                          "settings": {"members": 1, "epochs": 2}})[1]["id"]
        for _ in range(300):
            self.ok(503, "GET", f"/v1/jobs/{job}/events")
        self.assertEqual(self.server.stop(), 0)
        lines = self.server.log_text().splitlines()
        refused = [line for line in lines if "status=503" in line]
        self.assertTrue(0 < len(refused) <= 100, len(refused))
        self.assertTrue(all('level=warn message="request refused"' in line for line in refused))
        left_out = [re.search(r'message="similar log lines were left out" of="request refused" count=(\d+)', line)
                    for line in lines]
        self.assertEqual(sum(int(found.group(1)) for found in left_out if found), 300 - len(refused))


class JsonServer(Server):
    """A server whose log is JSON."""

    def wait_message(self, message, pause=0.05):
        end = time.time() + PATIENCE
        while time.time() < end and self.process.poll() is None:
            text = self.log_text()[self.log_begin:]
            found = re.search(r'"message":"listening".*"port":"(\d+)"', text)
            if found and f'"message":"{message}"' in text:
                self.port = int(found.group(1))
                return self
            time.sleep(pause)
        raise AssertionError(f"the server did not start: {self.log_text()}")


class Keys(unittest.TestCase):
    flags = ("--log_format", "json", "--log_level", "debug", "--slow_ms", "1", "--preload", "none-such")

    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        self.server = JsonServer(folder, *self.flags)
        self.addCleanup(lambda: self.server.process.poll() is not None or self.server.kill())
        self.server.start()

    def ok(self, status, *request):
        found, head, data = self.server.request(*request)
        self.assertEqual(found, status, data)
        return head, data

    def documented(self):
        with open(os.path.join(HERE, "..", "..", "deploy", "README.md"), encoding="utf-8") as file:
            table = file.read().split("<!-- list: server/base/log.h -->\n")[1].split("\n\n")[0]
        return {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])}

    def test_every_line_is_an_object_with_known_keys(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        self.ok(400, "GET", '/v1/models/none"\\%20%09')
        self.ok(201, "POST", "/v1/models/r/data", {"inputs": [[0.1 * i] for i in range(20)],
                                                   "outputs": [[0.1 * i] for i in range(20)]})
        job = self.ok(202, "POST", "/v1/models/r/train", {"solver": "ensemble", "gate": None,
                                                          "settings": {"members": 1, "epochs": 2}})[1]["id"]
        self.server.wait_job(job, "succeeded")
        os.rename(self.server.db, self.server.db + ".away")
        self.ok(503, "PUT", "/v1/models/n", document(seed=2))
        self.server.process.send_signal(signal.SIGHUP)
        os.rename(self.server.db + ".away", self.server.db)
        self.assertEqual(self.server.stop(), 0)
        lines = [json.loads(line) for line in self.server.log_text().splitlines()]
        known = self.documented()
        for line in lines:
            self.assertEqual(list(line)[:3], ["time", "level", "message"])
            self.assertLessEqual(set(line), known, line)
            self.assertTrue(all(isinstance(value, str) for value in line.values()), line)
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(line["level"], ("debug", "info", "warn", "error"))
        messages = {line["message"] for line in lines}
        self.assertLessEqual({"listening", "ready", "no model to preload", "slow request", "request refused",
                              "job queued", "job started", "job ended", "change", "stopping", "stopped"}, messages)


class Traces(ServerTest):
    flags = ("--log_level", "debug", "--slow_ms", "1")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def test_ids_go_from_the_request_into_answer_lines_and_jobs(self):
        mine = {"X-Request-Id": "mine-1", "traceparent": self.parent}
        head, _ = self.ok(200, "GET", "/healthz", headers=mine)
        self.assertEqual((head["X-Request-Id"], head["traceparent"]), ("mine-1", self.parent))
        self.ok(201, "POST", "/v1/models/m/data", {"inputs": [[0.1 * i] for i in range(20)],
                                                   "outputs": [[0.1 * i] for i in range(20)]})
        train = {"solver": "ensemble", "gate": None, "settings": {"members": 1, "epochs": 2}}
        queued = self.ok(202, "POST", "/v1/models/m/train", train, {**mine, "X-Request-Id": "mine-2"})[1]
        self.assertEqual((queued["request_id"], queued["traceparent"]), ("mine-2", self.parent))
        job = queued["id"]
        done = self.server.wait_job(job, "succeeded")
        self.assertEqual((done["request_id"], done["traceparent"]), ("mine-2", self.parent))
        unnamed = self.ok(202, "POST", "/v1/models/m/train", train)[1]
        self.assertRegex(unnamed["request_id"], "^[0-9a-f]{16}$")
        self.assertIsNone(unnamed["traceparent"])
        self.server.wait_job(unnamed["id"], "succeeded")
        head, _ = self.ok(200, "GET", "/healthz")
        self.assertNotIn("X-Request-Id", head)
        head, _ = self.ok(200, "GET", "/healthz", headers={"X-Request-Id": "a b", "traceparent": "00-1"})
        self.assertNotIn("X-Request-Id", head)
        self.assertNotIn("traceparent", head)
        self.assertEqual(self.server.stop(), 0)
        log = self.server.log_text()
        self.assertRegex(log, rf"path=/healthz status=200 ms=\S+ request_id=mine-1 traceparent={self.parent}")
        for message in ("job queued", "job started", "job ended"):
            self.assertIn(f'message="{message}" job={job} model=m request_id=mine-2 traceparent={self.parent}', log)
            self.assertIn(f'message="{message}" job={unnamed["id"]} model=m request_id={unnamed["request_id"]} '
                          'traceparent=""', log)
        self.assertRegex(log, r"path=/healthz status=200 ms=\S+ request_id=[0-9a-f]{16} traceparent=\"\"")

    def test_slow_requests_are_lines(self):
        self.ok(201, "PUT", "/v1/models/m", document())  # a commit takes more than a millisecond
        self.assertEqual(self.server.stop(), 0)
        self.assertRegex(self.server.log_text(), 'level=warn message="slow request" method=PUT path=/v1/models/m')


if __name__ == "__main__":
    unittest.main()
