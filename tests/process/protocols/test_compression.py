# SPDX-License-Identifier: Apache-2.0
"""Answers as gzip: to whom, which, and how they are told apart."""

import gzip
import http.client
import json
import socket
import threading
import unittest
import zlib

from harness import PATIENCE, ServerTest, document, rows


class Compression(ServerTest):
    flags = ("--max-rows", "200000")

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(draws=40))
        self.path = "/v1/models/m/predict"

    def fetch(self, method, path, body=None, accept="gzip", status=200, headers=None):
        """(headers, bytes as they came)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        more = {} if accept is None else {"Accept-Encoding": accept}
        connection.putrequest(method, path, skip_accept_encoding=True)
        data = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        for name, value in {**more, **(headers or {}), "Content-Length": str(len(data))}.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        answer = connection.getresponse()
        self.assertEqual(answer.status, status)
        found = answer.headers, answer.read()
        connection.close()
        return found

    def both(self, method, path, body=None):
        """The answer as gzip, unpacked, after it was found to be what comes without."""
        plain_head, plain = self.fetch(method, path, body, None)
        head, packed = self.fetch(method, path, body)
        self.assertEqual(head["Content-Encoding"], "gzip")
        self.assertEqual(head["Vary"], "Accept-Encoding")
        self.assertIsNone(plain_head["Content-Encoding"])
        self.assertEqual(plain_head["Vary"], "Accept-Encoding")
        self.assertEqual(head["Content-Type"], plain_head["Content-Type"])
        self.assertEqual(gzip.decompress(packed), plain)
        self.assertLess(len(packed), 0.7 * len(plain))
        return head, plain

    def test_answers_of_all_lengths_are_the_same(self):
        for n in (40, 500, 900, 3000, 20000):
            x = rows(n, d=3)["inputs"]
            with self.subTest(rows=n):
                head, _ = self.both("POST", self.path, {"inputs": x, "return": ["mean", "std"]})
                self.assertEqual("Content-Length" in head, n < 500)  # short ones are compressed at once
        self.server.stop()
        self.server.flags = (*self.flags, "--whole-answer-mb", "1")  # computed while they are read
        self.server.start()
        self.both("POST", self.path, {"inputs": x, "return": ["mean", "std", "samples"]})

    def test_other_routes(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(30000, d=3) | {"outputs": [[1.5, 2.5]] * 30000})
        for path in ("/openapi.json", "/v1/models/m/versions/1/export", "/v1/models/m/data/rows",
                     "/v1/models/m/data/rows?format=csv", "/v1/models/m/versions/1"):
            with self.subTest(path=path):
                plain = self.fetch("GET", path, accept=None)[1]
                if len(plain) >= 1024:
                    self.both("GET", path)
        # Bytes of numbers are sent as they are.
        for kind in ("npy", "npz"):
            head, _ = self.fetch("GET", "/v1/models/m/data/rows?format=" + kind)
            self.assertIsNone(head["Content-Encoding"])
            self.assertIsNone(head["Vary"])
        # A refusal is too short.
        head, _ = self.fetch("GET", "/v1/models/none", status=404)
        self.assertIsNone(head["Content-Encoding"])

    def test_who_gets_it(self):
        body = {"inputs": rows(200, d=3)["inputs"]}
        for accept, asked in (("gzip", True), ("GZIP", True), ("x-gzip", True), ("*", True), ("deflate, gzip;q=0.5", True),
                              ("gzip;q=1.0, identity; q=0.5, *;q=0", True), ("gzip ; q=0.001", True), ("br, gzip", True),
                              ("identity;q=0.5,gzip;q=0.5", True), (None, False), ("", False), ("identity", False),
                              ("deflate, br", False), ("gzip;q=0", False), ("gzip;q=0.0", False), ("*;q=0", False),
                              ("gzip;q=0, *", False), ("gzip;q=2", False), ("gzip;q=much", False), ("gzippy", False),
                              ("identity, gzip;q=0.9", False)):
            with self.subTest(accept=accept):
                head, data = self.fetch("POST", self.path, body, accept)
                self.assertEqual(head["Content-Encoding"], "gzip" if asked else None)
                plain = gzip.decompress(data) if asked else data
                self.assertEqual(len(json.loads(plain)["mean"]), 200)

    def test_short_answers_stay_as_they_are(self):
        head, data = self.fetch("POST", self.path, {"inputs": [[0.1, 0.2, 0.3]]})
        self.assertIsNone(head["Content-Encoding"])
        self.assertIsNone(head["Vary"])
        self.assertLess(len(data), 1024)

    def test_head_says_what_get_would(self):
        for path in ("/openapi.json", "/v1/models/m/versions/1/export"):
            head, body = self.fetch("HEAD", path)
            self.assertEqual(body, b"")
            get, _ = self.fetch("GET", path)
            for name in ("Content-Encoding", "Vary", "ETag", "Content-Type"):
                self.assertEqual(head[name], get[name], (path, name))
            # The connection is good for another request.
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
            for _ in range(3):
                connection.request("HEAD", path, headers={"Accept-Encoding": "gzip"})
                answer = connection.getresponse()
                self.assertEqual((answer.status, answer.read()), (200, b""))
                connection.request("GET", "/healthz")
                self.assertEqual(connection.getresponse().read()[:1], b"{")
            connection.close()

    def test_the_tag_is_weak_and_known_when_it_comes_back(self):
        path = "/v1/models/m/versions/1/export"
        strong = self.fetch("GET", path, accept=None)[0]["ETag"]
        self.assertTrue(strong.startswith('"sha256-'))
        weak = self.fetch("GET", path)[0]["ETag"]
        self.assertEqual(weak, "W/" + strong)
        for tag in (strong, weak):
            for accept in ("gzip", None):
                head, body = self.fetch("GET", path, accept=accept, status=304, headers={"If-None-Match": tag})
                self.assertEqual(body, b"")
                self.assertEqual(head["ETag"], tag if accept else strong)

    def test_events_and_tokens_stay_as_they_are(self):
        self.ok(201, "POST", "/v1/models/t/data", rows(50))
        _, job = self.ok(202, "POST", "/v1/models/t/train", {"solver": "ensemble", "settings": {"epochs": 5, "members": 1}})
        self.server.wait_job(job["id"], "succeeded")
        head, body = self.fetch("GET", f"/v1/jobs/{job['id']}/events")
        self.assertIsNone(head["Content-Encoding"])
        self.assertIn(b"event:", body)
        token = json.dumps({"id": "a", "role": "admin", "models": ",".join(f"m{i}*" for i in range(2))})
        head, body = self.fetch("POST", "/v1/tokens", token.encode(), status=201)
        self.assertIsNone(head["Content-Encoding"])
        self.assertIn(b"token", body)

    def test_a_client_that_leaves_or_waits_costs_nothing(self):
        body = json.dumps({"inputs": rows(20000, d=3)["inputs"], "return": ["mean", "std", "samples"]}).encode()
        request = (f"POST {self.path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        slow = []
        for i in range(70):  # more than are compressed at a time
            sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
            sock.sendall(request + body)
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 "))
            if i % 2:
                sock.close()
            else:
                slow.append(sock)
        self.both("POST", self.path, {"inputs": rows(3000, d=3)["inputs"]})
        for sock in slow:
            sock.close()
        self.server.wait_metrics('surrogated_requests_active 1')

    def test_many_at_once(self):
        bodies = [{"inputs": rows(400 * (i + 1), d=3, seed=i)["inputs"]} for i in range(6)]
        wanted = [self.fetch("POST", self.path, body, None)[1] for body in bodies]
        failed = []

        def ask(first):
            for i in range(first, first + 12):
                data = self.fetch("POST", self.path, bodies[i % 6])[1]
                if zlib.decompress(data, 31) != wanted[i % 6]:
                    failed.append(i)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_a_stop_ends_them(self):
        body = json.dumps({"inputs": rows(20000, d=3)["inputs"], "return": ["mean", "std"]}).encode()
        request = (f"POST {self.path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as sock:
            sock.sendall(request + body)
            self.assertTrue(sock.recv(10).startswith(b"HTTP/1.1 "))
            self.server.process.terminate()
            try:
                while sock.recv(1 << 20):  # what was begun is finished, or cut when the time is over
                    pass
            except ConnectionError:
                pass
        self.assertEqual(self.server.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
