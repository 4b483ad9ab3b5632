# SPDX-License-Identifier: Apache-2.0
"""Answers that are computed while they are read: the same bytes as whole ones, bounded, cut when they
cannot be finished."""

import http.client
import json
import os
import random
import re
import signal
import socket
import struct
import time
import unittest

from harness import (PATIENCE, Server, ServerTest, architecture, document, full_document, gaussian,
                     npy)

NPY = "application/x-npy"
BLOCK = 1 << 20  # bytes of numbers that are computed at a time


def fetch(port, path, body, headers=None):
    """(status, headers, bytes); http.client complains of a body that was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def inputs(n, d, seed=1):
    rng = random.Random(seed)
    return [[rng.uniform(-1, 1) for _ in range(d)] for _ in range(n)]


class PiecesTest(ServerTest):
    """Everything in pieces, so that short answers show it."""

    flags = ("--whole_answer_mb", "0", "--memory_mb", "400", "--min_rate", "0", "--drain_timeout_s",
             "1")

    def metric(self, name):
        _, text = self.ok(200, "GET", "/metrics")
        return float(re.search(rf"^surrogated_{re.escape(name)} (\S+)$", text.decode(), re.M).group(1))

    def settles(self, what, good):
        end = time.time() + PATIENCE
        while not good(value := what()):
            self.assertLess(time.time(), end, f"it stays {value}")
            time.sleep(0.02)

    def open(self, path, body, headers=b"", version=b"1.1"):
        """A client that has sent its request and reads nothing yet."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.server.port))
        client.sendall(b"POST %s HTTP/%s\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n"
                       % (path.encode(), version, len(body), headers) + body)
        return client

    @staticmethod
    def drain(client):
        out = b""
        try:
            while chunk := client.recv(1 << 20):
                out += chunk
        except ConnectionError:
            pass
        return out


class SameBytes(PiecesTest):
    """Two servers with the same models, one of which holds its answers whole."""

    def setUp(self):
        super().setUp()
        folder = os.path.join(self.folder, "whole")
        os.mkdir(folder)
        self.whole = Server(folder, "--whole_answer_mb", "1000", "--memory_mb", "4000").start()
        self.addCleanup(self.whole.kill)

    def register(self, name, body):
        for server in (self.server, self.whole):
            status, _, answer = server.request("PUT", f"/v1/models/{name}", body)
            self.assertEqual(status, 201, f"{answer!r:.300}")

    def compare(self, path, body, headers=None):
        """Returns the answer; `chunked` says whether it came in chunks."""
        status, head, expected = fetch(self.whole.port, path, body, headers)
        self.assertEqual(status, 200, f"{expected!r:.300}")
        status, pieces_head, found = fetch(self.server.port, path, body, headers)
        self.assertEqual(status, 200, f"{found!r:.300}")
        self.assertTrue(found == expected, f"{path} {body!r:.200}: {found!r:.200}, {expected!r:.200}")
        for name in head:
            if name.startswith("Surrogate-") or name == "Content-Type":
                self.assertEqual(head[name], pieces_head[name])
        return pieces_head, found

    def test_every_result_of_every_kind_of_model(self):
        names = ["mean", "variance", "std", "quantiles", "covariance", "samples", "jacobian"]
        noise = ["noise_variance", "total_variance"]
        kinds = {"draws": document(noise={"sigma": [0.1]}, training_range=[[-0.5, 0.5]] * 3,
                                   arch=architecture(outputs=1)),
                 "sampled": gaussian(),
                 "linear": gaussian(draws=12), "full": full_document()}
        kinds["linear"]["posterior"]["predictive"] = "linearised"
        del kinds["full"]["calibration"]["normalised"], kinds["full"]["calibration"]["fold_noise"]
        for name, body in kinds.items():
            self.register(name, body)
            knows_noise = name in ("draws", "full")
            table = inputs(130, 3)
            for results in ([[r] for r in names] + [names] + [["intervals"]] +
                            ([noise, names + noise] if knows_noise else [])):
                options = {"samples": 4, "quantiles": [0.1, 0.5, 0.75], "seed": 3}
                request = {"inputs": table, "return": [r for r in results if r != "intervals"]}
                for key, value in options.items():
                    if key == "seed" or key in results:
                        request[key] = value
                if results == ["intervals"]:
                    request = {"inputs": table, "intervals": [0.5, 0.6]}
                head, text = self.compare(f"/v1/models/{name}/predict", json.dumps(request))
                self.assertEqual(head["Transfer-Encoding"], "chunked")
                json.loads(text)

    def test_npy_has_its_length(self):
        self.register("m", document(arch=architecture(outputs=2)))
        for single in (False, True):
            table = npy(inputs(300, 3))
            if single:
                numbers = struct.pack("<900f", *(v for row in inputs(300, 3) for v in row))
                table = table.replace(b"<f8", b"<f4")[:-900 * 8] + numbers
            for query in ("return=mean", "return=jacobian", "quantiles=0.25,0.5",
                          "samples=3&seed=9", "return=covariance", "intervals=0.5,0.9"):
                head, found = self.compare(f"/v1/models/m/predict?{query}", table,
                                           {"Content-Type": NPY})
                self.assertEqual(int(head["Content-Length"]), len(found))
                self.assertIsNone(head["Transfer-Encoding"])

    def test_answers_of_many_blocks(self):
        self.register("m", document(draws=3, arch=architecture(outputs=2, width=2, layers=0)))
        table = npy(inputs(90000, 3))
        for query, accept in (("return=mean,variance", "application/json"),
                              ("quantiles=0.25,0.5,0.75&samples=3", "application/json"),
                              ("return=jacobian", NPY), ("samples=3", NPY)):
            _, found = self.compare(f"/v1/models/m/predict?{query}", table,
                                    {"Content-Type": NPY, "Accept": accept})
            self.assertGreater(len(found), 3 * BLOCK)

    def test_small_answers_are_whole_by_default(self):
        """Up to whole_answer_mb an answer has its length; beyond it is chunked. One row decides."""
        folder = os.path.join(self.folder, "usual")
        os.mkdir(folder)
        usual = Server(folder, "--whole_answer_mb", "1").start()
        self.addCleanup(usual.kill)
        self.register("m", document(draws=2, arch=architecture(width=2, layers=0, outputs=1)))
        usual.request("PUT", "/v1/models/m",
                      document(draws=2, arch=architecture(width=2, layers=0, outputs=1)))
        for n in (62500, 62501):  # mean and variance of 8 bytes
            table = npy(inputs(n, 3))
            _, expected = self.compare("/v1/models/m/predict?return=mean,variance", table,
                                       {"Content-Type": NPY, "Accept": "application/json"})
            before = self.streamed(usual)
            status, _, found = fetch(usual.port, "/v1/models/m/predict?return=mean,variance", table,
                                     {"Content-Type": NPY, "Accept": "application/json"})
            self.assertEqual(status, 200)
            self.assertTrue(found == expected)
            self.assertEqual(self.streamed(usual) - before, n - 62500)

    @staticmethod
    def streamed(server):
        _, _, text = server.request("GET", "/metrics")
        return float(re.search(r"^surrogated_answers_streamed_total (\S+)$", text.decode(), re.M).group(1))

    def test_a_client_of_http_1_0_gets_all_until_the_end(self):
        self.register("m", document())
        body = json.dumps({"inputs": inputs(500, 3)}).encode()
        _, expected = self.compare("/v1/models/m/predict", body)
        answer = self.drain(self.open("/v1/models/m/predict", body, version=b"1.0"))
        head, _, text = answer.partition(b"\r\n\r\n")
        self.assertNotIn(b"chunked", head)
        self.assertTrue(text == expected)


class LongAnswers(PiecesTest):
    """What is asked for would take a gigabyte; 400 MB is all there is."""

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m",
                document(draws=400, arch=architecture(inputs=1, outputs=1, width=2, layers=0)))
        self.path = "/v1/models/m/predict?samples=400&return=samples"
        self.body = npy([[i / 100000] for i in range(100000)])
        self.head = b"Content-Type: application/x-npy\r\n"
        self.n_bytes = 400 * 100000 * 8

    def predicts(self):
        self.ok(200, "POST", "/v1/models/m/predict", {"inputs": [[0.5]]})

    def test_readers_that_do_not_read_hold_a_block_each(self):
        lazy = [self.open(self.path, self.body, self.head) for _ in range(8)]
        self.settles(lambda: self.metric("answers_streamed_total"), lambda n: n == 8)
        self.predicts()
        self.assertLessEqual(self.metric("answer_reserved_bytes"), 8 * BLOCK)
        self.settles(lambda: self.metric("queue_requests"), lambda n: n == 0)
        self.assertLessEqual(self.metric('memory_bytes{kind="answers"}'), 8 * 3 * BLOCK)
        for client in lazy:
            client.close()
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)
        self.settles(lambda: self.metric('memory_bytes{kind="answers"}'), lambda b: b < 2 * BLOCK)

    def test_a_reader_gets_all_of_it(self):
        client = self.open(self.path, self.body, self.head + b"Connection: close\r\n")
        got = 0
        text = b""
        while b"\r\n\r\n" not in text:
            text += client.recv(65536)
        head, _, text = text.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        self.assertEqual(length - 128, self.n_bytes)
        got = len(text)
        while chunk := client.recv(1 << 20):
            got += len(chunk)
        self.assertEqual(got, length)

    def test_the_model_of_the_beginning_answers_to_the_end(self):
        body = json.dumps({"inputs": [[i / 20000] for i in range(20000)], "samples": 20}).encode()
        expected = fetch(self.server.port, "/v1/models/m/versions/1/predict", body)[2]
        client = self.open("/v1/models/m/versions/1/predict", body, b"Connection: close\r\n")
        first = client.recv(1)
        self.ok(201, "PUT", "/v1/models/m",
                document(seed=9, arch=architecture(inputs=1, outputs=1, width=2, layers=0)))
        self.ok(204, "DELETE", "/v1/models/m")
        text = self.chunks(first + self.drain(client))
        self.assertTrue(text == expected)

    @staticmethod
    def chunks(answer):
        """The body of a chunked answer; AssertionError when it has no end."""
        _, _, rest = answer.partition(b"\r\n\r\n")
        out = b""
        while True:
            size, found, rest = rest.partition(b"\r\n")
            if not found:
                raise AssertionError("the last chunk is missing")
            n = int(size, 16)
            if n == 0:
                return out
            out += rest[:n]
            rest = rest[n + 2:]

    def test_a_stop_cuts_what_nobody_reads(self):
        body = json.dumps({"inputs": [[i / 100000] for i in range(100000)], "samples": 400}).encode()
        clients = [self.open(self.path, self.body, self.head), self.open("/v1/models/m/predict", body)]
        self.settles(lambda: self.metric("answers_streamed_total"), lambda n: n == 2)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        self.assertLess(len(self.drain(clients[0])), self.n_bytes)
        answer = self.drain(clients[1])
        with self.assertRaises((AssertionError, ValueError)):
            self.chunks(answer)


class Exports(PiecesTest):
    """Documents of models, which are made while they are read."""

    flags = ("--answers_mb", "5", "--memory_mb", "400", "--min_rate", "0")

    def read_nothing(self, version):
        client = self.open("/", b"")
        client.recv(65536)
        client.sendall(b"GET /v1/models/m/versions/%d/export HTTP/1.1\r\nHost: localhost\r\n\r\n" % version)
        return client

    def test_documents_are_not_held(self):
        """Each is 9 MB of text, more than all answers may have."""
        arch = architecture(inputs=1, outputs=1, width=16)
        body = document(draws=800, arch=arch)
        for _ in range(2):
            self.ok(201, "PUT", "/v1/models/m", body)
            body["posterior"]["parameters"][0][0] += 1
        _, exported = self.ok(200, "GET", "/v1/models/m/versions/1/export")
        size = self.metric('memory_bytes{kind="models"}')
        body["posterior"]["parameters"][0][0] -= 2
        self.assertEqual(exported["posterior"]["parameters"][1:], body["posterior"]["parameters"][1:])
        lazy = [self.read_nothing(1) for _ in range(20)]
        self.settles(lambda: self.metric('connections{state="answer"}'), lambda n: n >= 20)
        self.assertLess(self.metric('memory_bytes{kind="requests"}'), 20e6)
        self.assertLess(self.metric('memory_bytes{kind="models"}'), 1.1 * size)
        # Another version is another model to be held.
        status, head, answer = self.server.request("GET", "/v1/models/m/versions/2/export")
        self.assertEqual(status, 503, f"{answer!r:.300}")
        self.assertIn("Retry-After", head)
        self.ok(200, "POST", "/v1/models/m/versions/2/predict", {"inputs": [[0.5]]})
        for client in lazy:
            client.close()
        self.settles(lambda: self.server.request("GET", "/v1/models/m/versions/2/export")[0],
                     lambda status: status == 200)


class Failures(PiecesTest):
    def test_rows_without_an_answer_are_found_before_it_begins(self):
        arch = architecture(inputs=1, outputs=1)
        self.ok(201, "PUT", "/v1/models/m", document(
            arch=arch, scaling={"inputs": [{"kind": "log", "shift": 0, "scale": 1}],
                                "outputs": [{"kind": "none"}]}))
        table = [[1.0]] * 200000
        table[-1] = [-1.0]
        status, _, answer = fetch(self.server.port, "/v1/models/m/predict", npy(table),
                                  {"Content-Type": NPY})
        self.assertEqual(status, 400)
        self.assertIn("row 199999, column 0 is -1", json.loads(answer)["detail"])

    def test_an_answer_that_cannot_be_finished_is_cut(self):
        """A number beyond float32."""
        arch = architecture(inputs=1, outputs=1)
        self.ok(201, "PUT", "/v1/models/m", document(
            arch=arch, scaling={"inputs": [{"kind": "none"}],
                                "outputs": [{"kind": "standard", "shift": 0, "scale": 1e100}]}))
        table = npy([[0.5]] * 10)
        status, _, answer = fetch(self.server.port, "/v1/models/m/predict", table, {"Content-Type": NPY})
        self.assertEqual(status, 200)
        single = table.replace(b"<f8", b"<f4")[:-80] + struct.pack("<10f", *[0.5] * 10)
        with self.assertRaises(http.client.IncompleteRead):
            fetch(self.server.port, "/v1/models/m/predict", single, {"Content-Type": NPY})
        self.settles(self.server.log_text, lambda text: "answer cut" in text)
        self.ok(200, "POST", "/v1/models/m/predict", {"inputs": [[0.5]]})
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)


if __name__ == "__main__":
    unittest.main()
