# SPDX-License-Identifier: Apache-2.0
"""How predictions are served: npy, large answers, pipelining, load, deadlines, clients that leave."""

import json
import os
import random
import re
import socket
import struct
import threading
import time
import unittest

from harness import PATIENCE, ServerTest, architecture, document

WIDE = architecture(inputs=3, outputs=2, width=24, layers=3)
DEEP = architecture(inputs=3, outputs=2, width=24, layers=60, basis="constant")
SLOWNESS = {"none": 1, "thread": 30}.get(os.environ.get("SANITIZER", "none"), 6)  # of the build, at the least


def npy(rows, kind="<f8", fortran=False, shape=None, version=1, pad=True):
    """A matrix as NumPy would write it."""
    n, k = len(rows), len(rows[0])
    flat = [rows[i][j] for j in range(k) for i in range(n)] if fortran else sum(rows, [])
    head = f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape or (n, k)}, }}"
    start = 10 if version == 1 else 12
    blanks = -(start + len(head) + 1) % 64 if pad else 3
    head = (head + " " * blanks + "\n").encode()
    size = struct.pack("<H" if version == 1 else "<I", len(head))
    values = struct.pack(f"<{len(flat)}{'d' if '8' in kind else 'f'}", *flat)
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + values


def parse_npy(data):
    """(kind, shape, flat values)"""
    assert data[:8] == b"\x93NUMPY\x01\x00"
    size = struct.unpack("<H", data[8:10])[0]
    assert (10 + size) % 64 == 0
    head = eval(data[10:10 + size])  # pylint: disable=eval-used
    assert head["fortran_order"] is False
    count = 1
    for length in head["shape"]:
        count *= length
    values = struct.unpack(f"<{count}{'d' if '8' in head['descr'] else 'f'}", data[10 + size:])
    return head["descr"], head["shape"], list(values)


def points(n, seed=1, d=3):
    rng = random.Random(seed)
    return [[rng.uniform(-1, 1) for _ in range(d)] for _ in range(n)]


def flat(nested):
    return [v for item in nested for v in flat(item)] if isinstance(nested, list) else [nested]


def read_answers(data, n):
    """n HTTP/1.1 answers off a stream: [(status, body)] and what follows them."""
    out = []
    for _ in range(n):
        head, data = data.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = b""
        if length:
            body, data = data[:int(length[1])], data[int(length[1]):]
        else:
            assert re.search(rb"(?i)transfer-encoding: chunked", head), head
            while True:
                size, data = data.split(b"\r\n", 1)
                size = int(size, 16)
                body, data = body + data[:size], data[size + 2:]
                if size == 0:
                    break
        out.append((status, body))
    return out, data


class Formats(ServerTest):
    flags = ("--max-rows", "20000")

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m",
                document(draws=7, training_range=[[-0.9, 0.9]] * 3, noise={"sigma": [0.1, 0.2]}))
        self.x = points(130)
        self.path = "/v1/models/m/predict"

    def json(self, x, *names, **more):
        _, data = self.ok(200, "POST", self.path, {"inputs": x, "return": list(names), **more})
        return data

    def npy(self, body, query="", **headers):
        return self.ok(200, "POST", self.path + query, body,
                       {"Content-Type": "application/x-npy", **headers})

    def test_npy_gives_what_json_gives(self):
        data = self.json(self.x, "mean", "variance", "std", "noise_variance", "total_variance",
                         "quantiles", "total_quantiles", "covariance", "samples", "jacobian",
                         samples=3, seed=4, quantiles=[0.05, 0.5], total_quantiles=[0.01, 0.5])
        for query, expected, shape in [
                ("", data["mean"], (130, 2)),
                ("?return=mean", data["mean"], (130, 2)),
                ("?return=variance", data["variance"], (130, 2)),
                ("?return=std&version=1", data["std"], (130, 2)),
                ("?return=noise_variance", data["noise_variance"], (130, 2)),
                ("?return=total_variance&version=@default", data["total_variance"], (130, 2)),
                ("?quantiles=0.05,0.5", data["quantiles"]["values"], (2, 130, 2)),
                ("?return=quantiles&quantiles=0.05,0.5", data["quantiles"]["values"], (2, 130, 2)),
                ("?total_quantiles=0.01,0.5", data["total_quantiles"]["values"], (2, 130, 2)),
                ("?covariance=outputs", data["covariance"], (130, 2, 2)),
                ("?samples=3&seed=4", data["samples"], (3, 130, 2)),
                ("?return=jacobian", [data["jacobian"]["mean"], data["jacobian"]["std"]],
                 (2, 130, 2, 3))]:
            with self.subTest(query=query):
                head, body = self.npy(npy(self.x), query)
                self.assertEqual(head["Content-Type"], "application/x-npy")
                self.assertEqual(parse_npy(body), ("<f8", shape, flat(expected)))
        outside = sum(any(abs(v) > 0.9 for v in row) for row in self.x)
        self.assertEqual((head["Surrogate-Model"], head["Surrogate-Version"], head["Surrogate-Draws"],
                          head["Surrogate-Extrapolated-Rows"]), ("m", "1", "7", str(outside)))
        _, body = self.ok(200, "POST", "/predict?model=m", npy(self.x),
                          {"Content-Type": "application/x-npy"})
        self.assertEqual(parse_npy(body)[2], flat(data["mean"]))

    def test_samples_are_as_many_as_there_are_and_may_hold_the_noise(self):
        draws = self.json(self.x, "samples")["samples"]
        self.assertEqual(len(draws), 7)  # the model has no more; 16 by default
        same = self.json(self.x, "samples", samples_of="function")["samples"]
        self.assertEqual(same, draws)
        noisy = self.json(self.x, "samples", samples_of="observations")["samples"]
        self.assertEqual(noisy, self.json(self.x, "mean", samples_of="observations")["samples"])
        self.assertEqual([d[:40] for d in noisy],
                         self.json(self.x[:40], "samples", samples_of="observations")["samples"])
        for j, sigma in enumerate((0.1, 0.2)):
            z = [(noisy[s][i][j] - draws[s][i][j]) / sigma for s in range(7) for i in range(130)]
            self.assertLess(abs(sum(z)), 5 * len(z) ** 0.5)
            self.assertLess(abs(sum(v * v for v in z) - len(z)), 5 * (2 * len(z)) ** 0.5)
        _, body = self.npy(npy(self.x), "?samples_of=observations")
        self.assertEqual(parse_npy(body), ("<f8", (7, 130, 2), flat(noisy)))

    def test_npy_layouts(self):
        mean = flat(self.json(self.x, "mean")["mean"])
        for body in (npy(self.x, fortran=True), npy(self.x, version=2), npy(self.x, version=3),
                     npy(self.x, pad=False)):
            self.assertEqual(parse_npy(self.npy(body)[1])[2], mean)
        kind, shape, row = parse_npy(self.npy(npy(self.x[:1], shape="(3,)"))[1])
        self.assertEqual((kind, shape, row), ("<f8", (1, 2), mean[:2]))
        kind, shape, single = parse_npy(self.npy(npy(self.x, "<f4"))[1])
        self.assertEqual((kind, shape), ("<f4", (130, 2)))
        for a, b in zip(single, mean):
            self.assertAlmostEqual(a, b, delta=1e-5)

    def test_the_client_chooses_the_answer(self):
        mean = self.json(self.x, "mean")["mean"]
        _, data = self.npy(npy(self.x), Accept="application/json")
        self.assertEqual(data["mean"], mean)
        self.assertIn("variance", data)
        head, body = self.ok(200, "POST", self.path, {"inputs": self.x},
                             {"Accept": "application/x-npy, */*"})
        self.assertEqual(head["Content-Type"], "application/x-npy")
        self.assertEqual(parse_npy(body)[2], flat(mean))

    def test_bad_npy_is_refused(self):
        good = npy(self.x)
        nan = [row[:] for row in self.x]
        nan[5][2] = float("nan")
        cases = [
            (b"", "", "not npy"), (b"\x93NUMPY", "", "ends after 6 bytes"), (b'{"inputs":[1]}', "", "not npy"),
            (good[:6] + b"\x09" + good[7:], "", "version 9"),
            (good[:8] + b"\xff\xff" + good[10:], "", "header"),
            (good[:40], "", "header"),
            (good[:-1], "", "bytes"), (good + b"x", "", "bytes"),
            (npy(self.x, "<i8"), "", "<i8"), (npy(self.x, ">f8"), "", ">f8"),
            (npy(self.x, shape="(65, 2, 3)"), "", "3 dimensions"),
            (npy(self.x, shape="()"), "", "dimensions"),
            (npy(self.x, shape="(0, 3)"), "", "0 x 3"),
            (npy(self.x, shape="(390,)"), "", "390 numbers, 3 are needed"),
            (npy(self.x, shape="(130, -3)"), "", "header"),
            (npy(self.x, shape="(99999999999999999999, 3)"), "", "header"),
            (npy(self.x, shape="(6148914691236517206, 3)"), "", "more than 20000 rows"),
            (npy(self.x, shape="(1, 1, 1, 1, 390)"), "", "header"),
            (good.replace(b"'fortran_order'", b"'fortran_orde' "), "", "header"),
            (good.replace(b"False", b"None "), "", "header"),
            (npy(nan), "", "row 5, column 2"),
            (npy([[1.0, 2.0]]), "", "2 numbers, 3 are needed"),
            (good, "?return=mean,variance", "one result"),
            (good, "?return=wrong", "wrong"), (good, "?colour=1", '"colour" is unknown; model'),
            (good, "?seed=x&samples=1", "seed"), (good, "?quantiles=0.1,,2", "quantiles"),
            (good, "?samples=1&samples=2", "samples"), (good, "?model=m", "path names"),
            (good, "?inputs=1", "inputs"), (good, "?quantiles=2", "level")]
        for body, query, word in cases:
            with self.subTest(word=word, query=query):
                status, _, data = self.server.request("POST", self.path + query, body,
                                                      {"Content-Type": "application/x-npy"})
                self.assertIn(status, (400, 413), data)
                self.assertIn(word, data["detail"])
        big = document(draws=2, arch=architecture(inputs=3, outputs=2),
                       scaling={"inputs": [{"kind": "none", "shift": 0, "scale": 1}] * 3,
                                "outputs": [{"kind": "unit", "shift": 1e300, "scale": 1}] * 2})
        self.ok(201, "PUT", "/v1/models/big", big)
        status, _, data = self.server.request("POST", "/predict?model=big", npy(self.x, "<f4"),
                                              {"Content-Type": "application/x-npy"})
        self.assertEqual(status, 422)
        self.assertIn("does not fit float32", data["detail"])

    def test_large_answers_are_those_of_small_ones(self):
        x = points(9000, seed=2)
        small = []
        for first in range(0, 9000, 900):
            small += self.json(x[first:first + 900], "mean")["mean"]
        body = json.dumps({"model": "m", "inputs": x, "return": ["mean", "std"]}).encode()
        request = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = self.server.raw(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
        self.assertIn(b"chunked", answer[:400])
        ((status, text),), rest = read_answers(answer, 1)
        self.assertEqual((status, rest), (200, b""))
        data = json.loads(text)
        self.assertEqual(data["mean"], small)
        self.assertEqual(len(data["warnings"]), 101)
        # HTTP/1.0 has no chunks: the end of the connection ends the answer.
        answer = self.server.raw(request.replace(b"HTTP/1.1", b"HTTP/1.0") + body)
        self.assertEqual(json.loads(answer.split(b"\r\n\r\n", 1)[1]), data)

    def test_pipelined_requests_are_answered_in_their_order(self):
        sizes = [1, 5000, 3, 400, 1, 8000, 2]
        stream = b""
        for k, n in enumerate(sizes):
            body = json.dumps({"model": "m", "inputs": points(n, seed=k)}).encode()
            stream += b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n" % (
                len(body), b"Connection: close\r\n" if k == len(sizes) - 1 else b"") + body
            if k == 3:
                stream += b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        answers, rest = read_answers(self.server.raw(stream), len(sizes) + 1)
        self.assertEqual(rest, b"")
        self.assertEqual(answers.pop(4)[0], 400)
        for k, n in enumerate(sizes):
            status, text = answers[k]
            self.assertEqual(status, 200)
            data = json.loads(text)
            self.assertEqual(len(data["mean"]), n)
            row = self.json(points(n, seed=k)[-1:], "mean")["mean"][0]
            self.assertEqual(data["mean"][-1], row)


class Load(ServerTest):
    flags = ("--predict-threads", "1", "--queue-rows", "100", "--drain-timeout-s", "0")

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(draws=300 // min(SLOWNESS, 6), arch=WIDE))
        self.slow = json.dumps({"model": "m", "inputs": points(12000)})  # many short tiles
        self.threads = []

    def tearDown(self):
        super().tearDown()
        for thread in self.threads:
            thread.join(PATIENCE)

    def metric(self, name):
        _, text = self.ok(200, "GET", "/metrics")
        return int(re.search(rf"^surrogated_{name} (\d+)$", text.decode(), re.M)[1])

    def wait_metric(self, name, value):
        end = time.time() + PATIENCE
        right = value if callable(value) else value.__eq__
        while not right(self.metric(name)):
            self.assertLess(time.time(), end, name)
            time.sleep(0.01)

    def later(self, body, headers=None):
        """Sends a prediction from a thread of its own; the list gets (status, headers, data)."""
        out = []
        thread = threading.Thread(
            target=lambda: out.append(self.server.request("POST", "/predict", body, headers)))
        thread.start()
        self.threads.append(thread)
        return out

    def hold(self):
        """Keeps the compute thread busy with one long tile, about a second of it."""
        self.ok(201, "PUT", "/v1/models/deep", document(draws=600 // SLOWNESS, arch=DEEP))
        self.wait_metric("compute_threads_busy", 0)
        answer = self.later({"model": "deep", "inputs": points(96), "return": ["jacobian"]})
        self.wait_metric("compute_threads_busy", 1)
        return answer

    def post(self, body):
        """A connection that has sent a request and not read anything."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        sock.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        return sock

    def rows(self, n, **more):
        return {"model": "m", "inputs": points(n), **more}

    def test_a_full_queue_says_when_to_come_again(self):
        slow = self.hold()
        waiting = [self.later(self.rows(45, covariance="rows")) for _ in range(2)]
        self.wait_metric("queue_rows", 90)
        status, head, data = self.server.request("POST", "/predict", self.rows(20))
        self.assertEqual((status, data["title"]), (429, "the queue is full"))
        self.assertRegex(head["Retry-After"], r"^[1-9]\d*$")
        self.assertIn("2 requests with 90 rows", data["detail"])
        for thread in self.threads:
            thread.join()
        for answer in [slow, *waiting]:
            self.assertEqual(answer[0][0], 200)
        self.ok(200, "POST", "/predict", self.rows(20))
        self.assertEqual(self.metric("requests_rejected_total"), 1)
        self.assertEqual(self.metric("queue_requests"), 0)

    def test_who_has_left_is_not_computed_for(self):
        first = self.post(self.slow)
        self.wait_metric("predict_tiles_total", lambda v: v > 3)
        first.close()
        self.wait_metric("requests_abandoned_total", 1)
        self.hold()
        second = self.post(self.rows(40, covariance="rows"))
        self.wait_metric("queue_requests", 1)
        second.close()
        self.wait_metric("requests_abandoned_total", 2)
        self.assertEqual(self.metric("queue_requests"), 0)
        self.ok(200, "POST", "/predict", self.rows(5))

    def test_a_deadline_ends_the_waiting(self):
        self.hold()
        status, _, data = self.server.request("POST", "/predict", self.rows(50, covariance="rows"),
                                              {"Request-Timeout-Ms": "1"})
        self.assertEqual((status, data["title"]), (504, "the deadline passed"))
        status, _, data = self.server.request("POST", "/predict", self.slow,
                                              {"Request-Timeout-Ms": "30"})
        self.assertEqual(status, 504)
        self.assertEqual(self.metric("requests_expired_total"), 2)
        self.ok(200, "POST", "/predict", self.rows(50), {"Request-Timeout-Ms": "60000"})
        for bad in ("", "0", "-5", "1.5", "x", "99999999999999999999"):
            status, _, data = self.server.request("POST", "/predict", self.rows(1),
                                                  {"Request-Timeout-Ms": bad})
            self.assertEqual(status, 400, bad)
            self.assertIn("Request-Timeout-Ms", data["detail"])

    def test_small_requests_pass_a_large_one(self):
        slow = self.later(self.slow)
        self.wait_metric("predict_tiles_total", lambda v: v > 3)
        for n in (1, 50):
            self.ok(200, "POST", "/predict", self.rows(n))
        self.assertEqual(slow, [])

    def test_a_slow_reader_keeps_nobody_waiting(self):
        with self.post(self.slow) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 200"))
            for _ in range(20):
                self.ok(200, "POST", "/predict", self.rows(3))

    def test_crowded_answers_are_those_of_each_alone(self):
        alone = [self.ok(200, "POST", "/predict", {"model": "m", "inputs": points(1 + i % 3, seed=i)})[1]
                 for i in range(40)]
        answers = [self.later({"model": "m", "inputs": points(1 + i % 3, seed=i)}) for i in range(40)]
        for thread in self.threads:
            thread.join()
        self.assertEqual([a[0][2] for a in answers], alone)

    def test_a_stop_tells_those_who_wait(self):
        first = self.hold()
        waiting = [self.later(self.rows(40, covariance="rows")) for _ in range(2)]
        self.wait_metric("queue_requests", 2)
        self.assertEqual(self.server.stop(), 0, self.server.log_text()[-3000:])
        for thread in self.threads:
            thread.join()
        for answer in [first, *waiting]:
            self.assertIn(answer[0][0], (200, 503))


if __name__ == "__main__":
    unittest.main()
