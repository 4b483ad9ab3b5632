# SPDX-License-Identifier: Apache-2.0
"""Events of jobs as a browser, curl and the client command follow them: whole, resumed, cut off."""

import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from client_harness import Terminal
from harness import BINARY, PATIENCE, ServerTest, binary, document, rows

# Never ends by itself, however long a test is held up.
LONG = {"solver": "ensemble", "settings": {"members": 4, "epochs": 1000000}, "seed": 1}
SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}, "seed": 1}


class Stream:
    """An EventSource: text by text, with the last id it has seen."""

    def __init__(self, port, job, last_id=None, small=False):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        if small:
            # Set before connecting: the window is what the receiver has room for.
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.connect(("127.0.0.1", port))
            self.connection.sock = sock
        self.connection.request("GET", f"/v1/jobs/{job}/events",
                                headers={"Last-Event-ID": str(last_id)} if last_id else {})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.last_id = last_id
        self.retry = None
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.answer.close()
        self.connection.close()

    def lines(self):
        """To the end of the answer; unlike its readline this raises when the answer is cut."""
        while True:
            while b"\n" not in self.rest:
                piece = self.answer.read1(65536)
                if not piece:
                    return
                self.rest += piece
            line, self.rest = self.rest.split(b"\n", 1)
            yield line.decode()

    def __iter__(self):
        """(id, name, document) until the stream ends."""
        event = {}
        for line in self.lines():
            name, _, value = line.partition(": ")
            if line == "":
                if "data" in event:
                    self.last_id = event["id"]
                    yield int(event["id"]), event["event"], json.loads(event["data"])
                event = {}
            elif name == "retry":
                self.retry = int(value)
            elif name != "":
                event[name] = value


class EventTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "POST", "/v1/models/m/data", rows(80))

    def train(self, request, model="m"):
        return self.ok(202, "POST", f"/v1/models/{model}/train", request)[1]["id"]

    def stream(self, job, *args, **more):
        stream = Stream(self.server.port, job, *args, **more)
        self.addCleanup(stream.close)
        return stream

    def streams(self):
        text = self.ok(200, "GET", "/metrics")[1].decode()
        return int(re.search(r"(?m)^surrogated_event_streams (\d+)$", text).group(1))

    def wait_streams(self, n, seconds=PATIENCE):
        end = time.time() + seconds
        while self.streams() != n:
            self.assertLess(time.time(), end, f"{self.streams()} streams are there, not {n}")
            time.sleep(0.05)


class Following(EventTest):
    def test_a_stream_tells_every_state_and_progress_in_order_and_ends_with_the_job(self):
        blocker = self.train(LONG)
        first = self.train({**LONG, "settings": {"members": 4, "epochs": 1500}})
        second = self.train(SHORT)
        stream, waiting = self.stream(first), self.stream(second)
        self.ok(202, "DELETE", f"/v1/jobs/{blocker}")
        events = list(stream)
        ids = [number for number, _, _ in events]
        self.assertEqual(ids, sorted(set(ids)))
        states = [data["state"] for _, name, data in events if name == "state"]
        self.assertEqual(states, ["queued", "running", "succeeded"])
        self.assertEqual(events[-1][2], self.ok(200, "GET", f"/v1/jobs/{first}")[1])
        progress = [data for _, name, data in events if name == "progress"]
        fractions = [p["fraction"] for p in progress]
        self.assertEqual(fractions, sorted(fractions))
        self.assertAlmostEqual(fractions[-1], 1)
        self.assertEqual(set(progress[0]), {"fraction", "member", "members", "step", "steps", "loss",
                                            "validation_loss", "eta_s"})
        # The other one waited for both, and tells the same whenever it is read.
        states = [(number % 2, data["state"]) for number, name, data in waiting if name == "state"]
        self.assertEqual(states, [(0, "queued"), (0, "running"), (1, "succeeded")])
        self.assertEqual(waiting.retry, 2000)
        self.wait_streams(0)

    def test_headers_methods_and_refusals(self):
        job = self.train(LONG)
        stream = self.stream(job)
        head = stream.answer.headers
        self.assertEqual((stream.status, head["Content-Type"], head["Cache-Control"], head["X-Accel-Buffering"]),
                         (200, "text/event-stream", "no-store", "no"))
        found, head, data = self.server.request("HEAD", f"/v1/jobs/{job}/events")
        self.assertEqual((found, head["Content-Type"], data), (200, "text/event-stream", b""))
        self.ok(404, "GET", "/v1/jobs/99/events")
        self.ok(404, "GET", "/v1/jobs/no/events")
        self.assertEqual(self.ok(405, "DELETE", f"/v1/jobs/{job}/events")[0]["Allow"], "GET, HEAD")
        for bad in ("x", "-1", "1 2", "1e3", "9" * 30):
            answer = self.ok(400, "GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": bad})[1]
            self.assertIn(bad, answer["detail"])
        # HTTP/1.0 knows no chunks: the end of the connection is the end.
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(sock.close)
        sock.sendall(f"GET /v1/jobs/{job}/events HTTP/1.0\r\n\r\n".encode())
        file = sock.makefile("rb")
        while b"event: progress" not in (line := file.readline()):
            self.assertNotEqual(line, b"")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        text = file.read().decode()
        self.assertRegex(text, r'event: state\ndata: {[^\n]*"state":"cancelled"[^\n]*}\n\n$')
        self.assertNotIn("Transfer-Encoding", text)
        self.assertEqual([data["state"] for _, name, data in stream if name == "state"][-1], "cancelled")
        self.wait_streams(0)

    def test_a_client_that_comes_back_misses_no_state_and_hears_none_twice(self):
        blocker = self.train(LONG)
        job = self.train(SHORT)
        heard = []
        last = None
        with self.stream(job) as stream:
            heard.append(next(iter(stream)))
            last = stream.last_id
        self.ok(202, "DELETE", f"/v1/jobs/{blocker}")
        self.server.wait_job(job, "succeeded")
        # All of it happened while nobody listened; now cut after each event.
        while True:
            with self.stream(job, last) as stream:
                if stream.status == 204:
                    break
                heard.append(next(iter(stream)))
                last = stream.last_id
        ids = [number for number, _, _ in heard]
        self.assertEqual(ids, sorted(set(ids)))
        states = [data["state"] for _, name, data in heard if name == "state"]
        self.assertEqual(states, ["queued", "running", "succeeded"])
        self.assertEqual(heard[-1][2], self.ok(200, "GET", f"/v1/jobs/{job}")[1])
        self.assertEqual(heard[-1][0] % 2, 1)
        # The query is for those who cannot set a header.
        self.assertEqual(self.ok(204, "GET", f"/v1/jobs/{job}/events?last_event_id={last}")[1], b"")
        # After a restart the end is still the end, and what came before it leads to it.
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.ok(204, "GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": last})
        with self.stream(job, heard[0][0]) as stream:
            self.assertEqual([data for _, _, data in stream], [heard[-1][2]])

    def test_a_cancelled_job_says_so_at_each_step(self):
        job = self.train(LONG)
        waiting = self.train(LONG)
        self.server.wait_job(job, "running")
        with self.stream(job) as stream, self.stream(waiting) as other:
            self.ok(200, "DELETE", f"/v1/jobs/{waiting}")
            self.ok(202, "DELETE", f"/v1/jobs/{job}")
            states = [(data["state"], data["cancel_requested"]) for _, name, data in stream if name == "state"]
            self.assertEqual(states[0], ("running", False))
            # The wish may be told together with what it led to.
            self.assertIn(states[1:], ([("running", True), ("cancelled", True)], [("cancelled", True)]))
            self.assertEqual([data["state"] for _, _, data in other], ["queued", "cancelled"])

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl_shows_progress_as_it_comes(self):
        job = self.train(LONG)
        curl = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{self.server.port}/v1/jobs/{job}/events"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(curl.stdout.close)
        seen = 0
        while seen < 3:
            line = curl.stdout.readline()
            self.assertNotEqual(line, "")
            seen += line.startswith('data: {"fraction"')
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.assertIn('"state":"cancelled"', curl.stdout.read())
        self.assertEqual(curl.wait(PATIENCE), 0)


class Places(EventTest):
    flags = ("--event-streams", "3")

    def replaced(self):
        text = self.ok(200, "GET", "/metrics")[1].decode()
        return int(re.search(r"(?m)^surrogated_event_streams_replaced_total (\d+)$", text).group(1))

    def test_the_oldest_stream_gives_way_and_its_client_comes_back(self):
        job = self.train(LONG)
        watcher = self.stream(job)
        first = next(iter(watcher))
        crowd = [self.stream(job) for _ in range(2)]
        self.wait_streams(3)
        crowd.append(self.stream(job))
        self.assertEqual(crowd[-1].status, 200)
        # Its stream ends cleanly, and no event says that the job has ended.
        later = [first, *watcher]
        self.assertTrue(all(number % 2 == 0 for number, _, _ in later))
        self.assertEqual(self.replaced(), 1)
        self.wait_streams(3)
        again = self.stream(job, last_id=later[-1][0])
        self.assertEqual(again.status, 200)
        self.wait_streams(3)
        self.assertEqual(self.replaced(), 2)
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        states = [data["state"] for _, name, data in again if name == "state"]
        self.assertEqual(states[-1], "cancelled")


class Crowd(EventTest):
    flags = ("--event-streams", "51")

    def test_fifty_streams_and_one_that_does_not_read_leave_predictions_alone(self):
        model = document(draws=20)
        self.ok(201, "PUT", "/v1/models/p", model)
        body = {"model": "p", "inputs": [[0.1, 0.2, 0.3]]}
        before = self.ok(200, "POST", "/predict", body)[1]
        job = self.train(LONG)
        slow = self.stream(job, small=True)
        ends = []
        with_progress = threading.Semaphore(0)

        def follow(stream):
            names = []
            for _, name, data in stream:
                if name == "progress" and name not in names:
                    with_progress.release()
                names.append(name)
            ends.append(data["state"])

        readers = [threading.Thread(target=follow, args=(self.stream(job),)) for _ in range(50)]
        for reader in readers:
            reader.start()
        self.wait_streams(51)
        for _ in range(100):
            self.assertEqual(self.ok(200, "POST", "/predict", body)[1], before)
        for _ in readers:
            self.assertTrue(with_progress.acquire(timeout=PATIENCE))
        # The slow one has read nothing since; it hears of every state.
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        for reader in readers:
            reader.join(PATIENCE)
        self.assertEqual(ends, ["cancelled"] * 50)
        self.assertEqual([data["state"] for _, name, data in slow if name == "state"][-1], "cancelled")
        self.wait_streams(0)

    def test_a_client_that_vanishes_is_released(self):
        self.train(LONG)
        job = self.train(LONG)  # waits, so nothing is written to its streams
        streams = [self.stream(job) for _ in range(5)]
        for stream in streams:
            self.assertEqual(next(iter(stream))[2]["state"], "queued")
        self.wait_streams(5)
        # Two say good-bye, two are reset, one stays.
        for stream in streams[:2]:
            stream.close()
        for stream in streams[2:4]:
            stream.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            stream.close()
        self.wait_streams(1)
        self.ok(200, "DELETE", f"/v1/jobs/{job}")
        self.assertEqual([data["state"] for _, _, data in streams[4]], ["cancelled"])


class Quiet(EventTest):
    flags = ("--idle-timeout-s", "1")

    def test_a_stream_without_news_outlives_the_idle_timeout_and_shows_that_it_lives(self):
        self.train(LONG)
        job = self.train(LONG)
        stream = self.stream(job)
        self.assertEqual(next(iter(stream))[2]["state"], "queued")
        self.assertRegex(next(line for line in stream.lines() if line), "^: ")
        self.ok(200, "DELETE", f"/v1/jobs/{job}")
        self.assertEqual([data["state"] for _, _, data in stream], ["cancelled"])


class Restart(EventTest):
    # Longer than a stop may take in all: one that waited for a stream would be found.
    flags = ("--drain-timeout-s", "600")

    def again(self):
        """The server once more, on the same port."""
        self.server.flags = (*self.flags, "--listen", f"127.0.0.1:{self.server.port}")
        self.server.start()

    def test_a_stop_ends_streams_at_once_and_cleanly(self):
        self.train(LONG)
        job = self.train(LONG)
        streams = [self.stream(job) for _ in range(20)]
        stuck = self.stream(1, small=True)
        self.wait_streams(21)
        self.assertEqual(self.server.stop(), 0)
        # Each ends as an answer ends; a cut would raise.
        for stream in streams:
            self.assertEqual([data["state"] for _, _, data in stream], ["queued"])
        stuck.close()

    def test_after_a_kill_a_follower_goes_on_with_a_fresh_state(self):
        job = self.train(LONG)
        heard = []
        stream = self.stream(job)
        for event in stream:
            heard.append(event)
            if event[1] == "progress":
                break
        self.server.kill()
        with self.assertRaises((http.client.HTTPException, ConnectionError)):
            heard.extend(stream)
        self.again()
        stream = iter(self.stream(job, stream.last_id))
        first = next(stream)
        self.assertEqual(first[1], "state")
        self.assertGreater(first[0], heard[-1][0])
        self.assertIn(first[2]["state"], ("queued", "running"))
        self.server.wait_job(job, "running")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        last = list(stream)[-1]
        self.assertEqual((last[2]["state"], last[2]["attempts"]), ("cancelled", 2))

    def test_the_client_command_follows_over_a_kill_and_says_that_it_waits(self):
        address = f"http://127.0.0.1:{self.server.port}"
        job = self.train(LONG)
        terminal = Terminal("watch", str(job), SURROGATED_SERVER=address, NO_COLOR="1")
        self.addCleanup(terminal.process.kill)
        pipe = subprocess.Popen([BINARY, "watch", str(job)], env={**os.environ, "SURROGATED_SERVER": address},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(pipe.kill)
        terminal.read_until(r"step \d")
        while "running" not in (first := pipe.stdout.readline()):
            self.assertRegex(first, "^job 1 of m: queued")
        self.server.kill()
        terminal.read_until("the server does not answer, waiting for it")
        self.again()
        terminal.read_until(r"(?s)waiting for it.* step \d")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.assertEqual(terminal.wait(), 1)
        self.assertRegex(terminal.text, "\r +\rsurrogated: job 1 was cancelled\r\n$")
        out, err = pipe.communicate(timeout=PATIENCE)
        self.assertEqual((pipe.returncode, err), (1, "surrogated: job 1 was cancelled\n"))
        self.assertRegex(out, r"^(job 1 of m: [^\n]*\n)*$")

    def test_the_client_command_gives_a_server_up_that_was_never_there(self):
        self.assertEqual(self.server.stop(), 0)
        done = binary("watch", "1", "--server", f"127.0.0.1:{self.server.port}")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("no answer from", done.stderr)


class Odd(http.server.BaseHTTPRequestHandler):
    """A server whose stream is cut in pieces, has every kind of line end, and breaks off."""

    protocol_version = "HTTP/1.1"
    running = '{"id":7,"model":"m","state":"running","progress":null}'
    done = '{"id":7,"model":"m","state":"succeeded","version":3}'

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def say(self, text, size):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = text.encode()
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Last-Event-ID")))
        n = len(self.server.seen)
        if self.server.kind == "old":
            if self.path.endswith("/events"):
                self.answer(404, '{"title":"not found","detail":"there is nothing"}')
            else:
                self.answer(200, self.running if n < 4 else self.done)
        elif self.server.kind == "full":
            if self.path.endswith("/events"):
                self.answer(503, '{"title":"busy","detail":"too many"}')
            else:
                self.answer(200, self.running if n < 4 else self.done)
        elif n == 1:
            self.say("retry: 1\r\n: hello\r\n\r\nid: 10\revent:state\rdata: " + self.running.replace(",", ",\r\ndata:") +
                     "\r\r\nid: 12\nevent: unknown\nnonsense\ndata: x\n\nid: 14\nevent: progress\ndata: {\"fract", 1)
            self.wfile.write(b"0\r\n\r\n")
        elif n == 2:
            self.say("event: progress\ndata: {\"fraction\":0.5}\nid: 15\n\n", 3)
            self.close_connection = True  # broken off in the middle
        else:
            self.say("event: state\nid: 17\ndata: " + self.done + "\n\n", 1000)
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


class OtherServers(unittest.TestCase):
    def watch(self, kind):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        server.seen, server.kind = [], kind
        server.handle_error = lambda *_: None  # a client that has heard enough hangs up
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        done = binary("watch", "7", "--server", f"http://127.0.0.1:{server.server_port}")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"^job 7 of m: running, 0 %\n(.*\n)*job 7 succeeded in .*: version 3 of m\n$")
        return server.seen, done.stdout

    def test_the_client_reads_any_stream_and_goes_on_after_the_last_whole_event(self):
        seen, out = self.watch("odd")
        self.assertEqual(seen, [("/v1/jobs/7/events", None), ("/v1/jobs/7/events", "12"),
                                ("/v1/jobs/7/events", "15")])
        self.assertIn("running, 50 %", out)

    def test_a_server_without_the_route_is_polled(self):
        seen, _ = self.watch("old")
        self.assertEqual([path for path, _ in seen], ["/v1/jobs/7/events"] + ["/v1/jobs/7"] * 3)

    def test_a_server_with_too_many_followers_is_polled_until_there_is_room(self):
        seen, _ = self.watch("full")
        self.assertEqual([path for path, _ in seen], ["/v1/jobs/7/events", "/v1/jobs/7"] * 2)


if __name__ == "__main__":
    unittest.main()
