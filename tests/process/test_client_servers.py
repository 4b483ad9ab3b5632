# SPDX-License-Identifier: Apache-2.0
"""Client commands against servers that are busy, hostile, broken, or something else altogether."""

import csv
import http.server
import io
import json
import os
import re
import tempfile
import threading
import unittest

from client_harness import Terminal
from harness import PATIENCE, binary, rows

NASTY = "a\u001b[31mb\u202e\u0085"
HARMLESS = "a\\x1b[31mb\\u{202e}\\u{85}"


class Hostile(http.server.BaseHTTPRequestHandler):
    """A server that is busy twice, then answers; names would write on the terminal."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, data, kind="application/json", **headers):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def follow(self):
        """Events by a script: texts are sent, what is waited for is waited for."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for step in self.server.script:
            if isinstance(step, str):
                self.wfile.write(step.encode())
                self.wfile.flush()
            else:
                step.wait(PATIENCE)
        self.close_connection = True

    def do_GET(self):
        if self.path.endswith("/events") and self.server.script:
            self.follow()
        elif "/page" in self.path:
            self.answer(200, b"<html>please log in</html>", "text/html; charset=utf-8")
        elif "/other" in self.path:
            self.answer(200, [1, 2, 3])
        elif "/cut" in self.path:
            self.answer(200, b'{"id":1,"state":"run', **{"Content_Length": "1000"})
            self.close_connection = True
        elif self.path.endswith("/promotions"):
            self.answer(200, {"promotions": [{"at": NASTY, "version": NASTY, "previous": 1, "origin": NASTY}]})
        elif self.path.endswith("/garbage"):
            self.answer(200, b"no json")
        elif self.path == "/v1/models/m/data/batches":
            self.answer(200, {"batches": [{"batch": 1, "rows": 5, "source": "a"}], "next": 1})
        elif self.path == "/v1/models/m/data/batches?after=1":
            self.answer(200, {"batches": [{"batch": 7, "rows": 6, "source": None}], "next": None})
        elif self.path.startswith("/v1/models/m/data/rows?format="):
            self.answer(200, self.path.encode(), "text/csv")
        elif self.path.endswith("/html"):
            self.answer(502, b"<html>", "text/html")
        else:
            self.answer(200, {"models": [{"name": "a\u001b[31mb\u202e\u0085", "default_version": 1},
                                         {"name": "größe"}]})

    def do_POST(self):
        if "/other/" in self.path:
            self.body()
            self.answer(200, [1, 2, 3])
            return
        if self.path == "/v1/models/nasty/predict":
            self.body()
            self.answer(200, {"model": "m", "version": 1, NASTY: [[1], [2]]})
            return
        if self.path == "/v1/models/torn/predict":
            self.body()
            self.answer(200, {"model": "m", "version": 1, "mean": [[1], [2]], "std": [[1]]})
            return
        if self.path.startswith("/v1/models/nasty/compare"):
            self.body()
            self.answer(200, {"versions": [{"version": NASTY}], "warnings": [{"text": NASTY}]})
            return
        if self.path.endswith("/predict"):
            self.body()
            self.answer(200, {"model": "m", "version": 1, "mean": [[1, 2], [3, 1e300]],
                              "intervals": [{"level": 0.9, "method": "split", "lower": [[1, 2], [3, 4]],
                                             "upper": [[5, 6], [7, 12345678901234567890]]}],
                              "warnings": []})
            return
        seen = self.server.seen
        seen.append((self.path, dict(self.headers), self.body()))
        if len(seen) in self.server.broken:
            self.close_connection = True  # without an answer
        elif len(seen) <= self.server.busy:
            self.answer(self.server.busy_status, {"title": "busy", "status": 503, "detail": "too much"},
                        "application/problem+json", Retry_After="1")
        else:
            self.answer(201, {"batch": len(seen), "rows": 1, "total_rows": 1,
                              "duplicates": {"count": 2, "rows": [0, 1]}, "outliers": {"count": 1}})

    def log_message(self, *args):
        pass


def script(n):
    """A job's events: it waits, runs in n steps, succeeds."""
    job = {"id": 7, "model": "heat", "created": "2026-01-31T10:20:30.400Z", "started": "2026-01-31T10:20:30.400Z"}
    events = [("state", {**job, "state": "queued"}), ("state", {**job, "state": "running"})]
    events += [("progress", {"fraction": i / n, "member": 2, "members": 8, "step": i, "steps": n, "loss": 0.1 / (i + 1),
                             "eta_s": float(n - i)}) for i in range(n)]
    events.append(("state", {**job, "state": "succeeded", "version": 4, "finished": "2026-01-31T11:22:10.400Z"}))
    return [f"id: {i}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for i, (name, data) in enumerate(events)]


class OtherServers(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
        self.server.seen, self.server.busy = [], 2
        self.server.broken, self.server.script = set(), []
        self.server.busy_status = 503
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_client(self, *args, **more):
        return binary(*args, "--server", f"http://127.0.0.1:{self.server.server_port}/", **more)

    def test_a_busy_server_is_asked_again_with_the_same_key(self):
        done = self.run_client("data", "m/x", "append", "-", "--source", "run 7", "--skip-duplicates",
                               "--batch-lines", "1", input="1,2\n3,4\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([body for _, _, body in self.server.seen], [b"1,2\n"] * 3 + [b"3,4\n"])
        self.assertEqual({path for path, _, _ in self.server.seen}, {"/v1/models/m%2Fx/data?on_duplicate=skip"})
        self.assertEqual({head["Surrogate-Source"] for _, head, _ in self.server.seen}, {"run 7"})
        self.assertIn(", 2 duplicates, 1 outlier\n", done.stdout)
        keys = [head["Idempotency-Key"] for _, head, _ in self.server.seen]
        self.assertRegex(keys[0], "^[0-9a-f]{32}$")
        self.assertEqual(keys, [keys[0]] * 3 + [keys[0] + ".2"])

    def test_a_file_is_sent_again_from_its_beginning(self):
        body = json.dumps(rows(2000))
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(body)
        self.addCleanup(os.remove, file.name)
        done = self.run_client("data", "m", "append", file.name, "--key", "k1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([got for _, _, got in self.server.seen], [body.encode()] * 3)
        self.assertEqual([head["Idempotency-Key"] for _, head, _ in self.server.seen], ["k1"] * 3)

    def test_waiting_has_an_end(self):
        self.server.busy = 1000
        for retry, least, most in (("0", 1, 1), ("5", 2, 6)):
            self.server.seen.clear()
            done = self.run_client("data", "m", "append", "-", "--retry", retry, input="1,2\n")
            self.assertEqual(done.returncode, 1)
            self.assertTrue(least <= len(self.server.seen) <= most, self.server.seen)
            self.assertIn("busy: too much", done.stderr)

    def test_batches_come_in_pages_and_rows_in_formats(self):
        done = self.run_client("data", "m", "batches")
        self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()[1:]],
                         [["1", "5"], ["7", "6"]])
        done = self.run_client("data", "m", "export", "--batch", "3")
        self.assertEqual(done.stdout, "/v1/models/m/data/rows?format=csv&batch=3")
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("npy", "npz"):
                path = os.path.join(folder, "rows." + kind)
                done = self.run_client("data", "m", "export", "-o", path)
                self.assertEqual((done.returncode, done.stdout), (0, ""))
                with open(path, encoding="ascii") as file:
                    self.assertEqual(file.read(), "/v1/models/m/data/rows?format=" + kind)
            self.assertEqual(sorted(os.listdir(folder)), ["rows.npy", "rows.npz"])

    def test_intervals_are_columns_and_large_numbers_keep_their_value(self):
        done = self.run_client("predict", "m", "--at", "1", "--intervals", "0.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        head, *found = csv.reader(io.StringIO(done.stdout))
        self.assertEqual(head, ["mean_0", "mean_1", "lower0.9_0", "lower0.9_1", "upper0.9_0", "upper0.9_1"])
        self.assertEqual([list(map(float, row)) for row in found],
                         [[1, 2, 1, 2, 5, 6], [3, 1e300, 3, 4, 7, 12345678901234567890.0]])

    def test_names_cannot_write_on_the_terminal(self):
        done = self.run_client("models")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(HARMLESS + "  ", done.stdout)
        self.assertIn("größe", done.stdout)
        for args, times in ((("models", "history", "m"), 3), (("predict", "nasty", "--at", "1"), 1),
                            (("models", "compare", "nasty", "1", "2"), 2)):
            done = self.run_client(*args)
            text = done.stdout + done.stderr
            self.assertEqual((done.returncode, text.count(HARMLESS), "\x1b" in text), (0, times, False), text)

    def test_answers_that_are_no_json_are_refused(self):
        done = self.run_client("jobs", "show", "garbage")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not JSON", done.stderr)
        done = self.run_client("jobs", "show", "html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("status 502", done.stderr)

    def test_pages_and_answers_of_other_servers_are_no_success(self):
        for args in (("models", "show", "page"), ("models", "show", "page", "--json"), ("data", "page", "export"),
                     ("jobs", "curves", "page"), ("watch", "page"), ("diagnostics", "page", "--json")):
            done = self.run_client(*args)
            self.assertEqual((done.returncode, done.stdout), (1, ""), args)
            self.assertIn("a page of HTML", done.stderr)
        for args in (("models", "show", "other"), ("data", "other", "batches"), ("jobs", "curves", "other"),
                     ("watch", "other"), ("train", "other", "--wait"), ("models", "history", "other"),
                     ("data", "other", "append", "-"), ("predict", "torn", "--at", "1")):
            done = self.run_client(*args, input="1,2\n")
            self.assertEqual((done.returncode, done.stdout), (1, ""), args)
            self.assertIn("the server's answer", done.stderr)

    def test_half_an_answer_is_not_printed(self):
        for args in (("models", "show", "cut"), ("models", "show", "cut", "--json"), ("jobs", "show", "cut", "--json")):
            done = self.run_client(*args)
            self.assertEqual((done.returncode, done.stdout), (3, ""), args)
            self.assertIn("no answer from", done.stderr)

    def test_an_upload_goes_on_after_a_broken_connection_with_the_same_key(self):
        self.server.busy, self.server.broken = 0, {2, 3}
        done = self.run_client("data", "m", "append", "-", "--batch-lines", "1", input="1,2\n3,4\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        keys = [head["Idempotency-Key"] for _, head, _ in self.server.seen]
        self.assertEqual(keys, [keys[0]] + [keys[0] + ".2"] * 3)
        self.assertEqual([body for _, _, body in self.server.seen], [b"1,2\n"] + [b"3,4\n"] * 3)
        # When there is no time left, it is said how to go on.
        self.server.seen.clear()
        done = self.run_client("data", "m", "append", "-", "--batch-lines", "1", "--retry", "0", "--key", "k",
                               input="1,2\n3,4\n")
        self.assertEqual((done.returncode, len(self.server.seen)), (3, 2))
        self.assertIn("the same command with --key k adds", done.stderr)

    def test_a_failure_that_may_hide_a_stored_upload_tells_the_key(self):
        self.server.busy = 1000
        for status in (502, 503, 504):
            self.server.seen.clear()
            self.server.busy_status = status
            done = self.run_client("data", "m", "append", "-", "--retry", "0", input="1,2\n")
            self.assertEqual((done.returncode, len(self.server.seen)), (1, 1))
            key = self.server.seen[0][1]["Idempotency-Key"]
            self.assertIn(f"the same command with --key {key} adds", done.stderr)
        self.server.busy_status = 400
        done = self.run_client("data", "m", "append", "-", "--retry", "0", input="1,2\n")
        self.assertNotIn("--key", done.stderr)

    def test_what_comes_from_a_pipe_is_sent_again_too(self):
        body = json.dumps(rows(2000))
        done = self.run_client("data", "m", "append", "-", "--format", "json", input=body)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([got for _, _, got in self.server.seen], [body.encode()] * 3)

    def test_a_bar_fits_every_width_and_is_taken_away(self):
        self.server.script = script(20)
        for width in (20, 21, 30, 45, 60, 80, 133, 200):
            terminal = self.watch(width=width)
            self.assertEqual(terminal.wait(), 0)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
            lines = plain.split("\r")
            bars = [line for line in lines if line.endswith("%") or " %" in line]
            self.assertGreater(len(bars), 20)
            self.assertEqual([bar for bar in bars if len(bar) > width - 1], [])
            self.assertEqual(bars[0].split()[:3], ["job", "7", "heat"])
            percents = [int(re.search(r"(\d+) %", bar).group(1)) for bar in bars]
            self.assertEqual(percents, sorted(percents))
            self.assertEqual("[#" in bars[-1], width >= 30)
            self.assertEqual("loss" in bars[-1], width >= 80)
            self.assertEqual("\x1b[36m" in terminal.text, width >= 30)
            self.assertRegex(plain, r"\r +\rjob 7 succeeded in 1 h 1 min: version 4 of heat\r\n$")

    def test_a_bar_follows_the_width_of_its_terminal(self):
        steps = script(20)
        for at, shown in ((10, "35 %"), (-1, "95 %")):  # narrow on the way, narrow at the end
            narrowed = threading.Event()
            self.server.script = steps[:at] + [narrowed] + steps[at:]
            terminal = self.watch(width=120)
            terminal.read_until(shown + r".* left *$")
            wide = len(terminal.text)
            terminal.resize(30)
            narrowed.set()
            self.assertEqual(terminal.wait(), 0)
            after = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text[wide:]).split("\r")[1:]
            self.assertEqual([line for line in after if len(line) > 29 and "succeeded" not in line], [])
            self.assertIn("succeeded", after[-2])
            self.assertIn("95 %", terminal.text)

    def test_without_colours_or_on_a_dumb_terminal_there_are_no_escape_sequences(self):
        self.server.script = script(20)
        plain = self.watch(NO_COLOR="1", width=60)
        self.assertEqual(plain.wait(), 0)
        self.assertNotIn("\x1b", plain.text)
        self.assertIn("job 7 heat [##", plain.text)
        dumb = self.watch(TERM="dumb")
        self.assertEqual(dumb.wait(), 0)
        self.assertNotIn("\x1b", dumb.text)
        self.assertRegex(dumb.text, r"^job 7 of heat: queued\r\njob 7 of heat: running, 0 %.*\r\n")
        piped = self.run_client("watch", "7")
        self.assertEqual((piped.returncode, piped.stdout), (0, dumb.text.replace("\r", "")))
        self.assertEqual(len(piped.stdout.splitlines()), 12)  # two states, each tenth, the end

    def watch(self, **more):
        return Terminal("watch", "7", SURROGATED_SERVER=f"http://127.0.0.1:{self.server.server_port}", **more)

if __name__ == "__main__":
    unittest.main()
