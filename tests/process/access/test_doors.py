# SPDX-License-Identifier: Apache-2.0
"""Requests that are refused at their heads, and changes whose clients do not wait for the answer."""

import json
import os
import socket
import sqlite3
import struct
import time
import unittest

from harness import PATIENCE, document, rows
from token_harness import TokenTest

LARGE = 60_000_000  # below max_body_bytes


class Heads(TokenTest):
    """What must not be answered is refused before its body is read."""

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(s.close)
        return s

    def head(self, line, *headers, token=None):
        lines = [line.encode(), *(h.encode() for h in headers)]
        if not any(h.startswith("Host:") for h in headers):
            lines.append(b"Host: localhost")
        if token is not None:
            lines.append(b"Authorization: Bearer " + token.encode())
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def read_all(self, s):
        got = b""
        while piece := s.recv(65536):
            got += piece
        return got

    def refusals(self):
        """(status, request line, headers, token)"""
        read = self.tokens["READ"]
        good = self.tokens["ADMIN"]
        wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
        yield 401, "POST /v1/models/m/data HTTP/1.1", [], None
        yield 401, "PUT /v1/models/m HTTP/1.1", [], wrong
        yield 401, "POST /nothing HTTP/1.1", [], None
        yield 401, "DELETE /v1/models/m HTTP/1.1", [], None
        yield 403, "DELETE /v1/models/m HTTP/1.1", [], read
        yield 403, "POST /v1/models/m/data HTTP/1.1", [], read
        yield 403, "PUT /v1/models/m HTTP/1.1", ["Origin: https://evil.example"], good
        yield 403, "POST /predict HTTP/1.1", ["Sec-Fetch-Site: cross-site"], good
        yield 421, "POST /predict HTTP/1.1", ["Host: evil.example"], good
        yield 404, "POST /nothing HTTP/1.1", [], good
        yield 405, "PUT /v1/models HTTP/1.1", [], good

    def test_the_answer_does_not_wait_for_the_body(self):
        for status, line, headers, token in self.refusals():
            for framing in ("Content-Length: 1", f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"):
                for expect in ([], ["Expect: 100-continue"]):
                    with self.subTest(line=line, status=status, framing=framing, expect=expect):
                        s = self.connect()
                        s.sendall(self.head(line, framing, *headers, *expect, token=token))
                        got = self.read_all(s)  # to the end: the server closes
                        self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got[:200])
                        self.assertIn(b"Connection: close", got)
                        self.assertNotIn(b"100 Continue", got)
                        s.close()

    def test_a_client_that_sends_on_gets_the_answer_and_no_reset(self):
        """Also one that sends all of a large body before it reads."""
        for status, line, headers, token in self.refusals():
            with self.subTest(line=line, status=status):
                s = self.connect()
                s.sendall(self.head(line, f"Content-Length: {LARGE}", *headers, token=token))
                piece = b" " * 1_000_000
                for _ in range(LARGE // len(piece)):
                    s.sendall(piece)
                got = self.read_all(s)
                self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got[:200])
                s.close()

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as file:
            text = file.read()
        return 1024 * int(text.split("VmHWM:")[1].split()[0])

    @unittest.skipIf(os.environ.get("SANITIZER", "none") != "none", "sanitizers keep memory for themselves")
    def test_no_body_is_held(self):
        self.assertEqual(self.status(self.tokens["READ"], "GET", "/v1/models"), 200)
        before = self.memory()
        clients = []
        for _ in range(8):
            for line, token in (("POST /predict HTTP/1.1", None), ("PUT /v1/models/m HTTP/1.1", self.tokens["READ"])):
                s = self.connect()
                s.sendall(self.head(line, f"Content-Length: {LARGE}", token=token) + b" " * 4_000_000)
                clients.append(s)
        for s in clients:
            self.assertRegex(self.read_all(s), rb"^HTTP/1.1 40[13] ")
        self.assertLess(self.memory() - before, 16_000_000)

    def test_a_body_that_is_wanted_is_asked_for(self):
        body = json.dumps(document()).encode()
        s = self.connect()
        s.sendall(self.head("PUT /v1/models/m HTTP/1.1", f"Content-Length: {len(body)}", "Expect: 100-continue",
                            "Connection: close", token=self.tokens["WRITE"]))
        self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 100 Continue"))
        s.sendall(body)
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 201 "))

    def test_a_refusal_without_a_body_keeps_the_connection(self):
        s = self.connect()
        for _ in range(3):
            s.sendall(self.head("GET /v1/models HTTP/1.1"))
            got = s.recv(65536)
            self.assertTrue(got.startswith(b"HTTP/1.1 401 "), got[:100])
            self.assertNotIn(b"Connection: close", got)

    def test_what_is_refused_for_its_role_is_written_down(self):
        s = self.connect()
        s.sendall(self.head("DELETE /v1/models/m HTTP/1.1", "Content-Length: 10", token=self.tokens["READ"]) + b" " * 10)
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 403 "))
        entries = self.ask(self.tokens["ADMIN"], "GET", "/v1/audit")[2]["entries"]
        self.assertEqual([(e["who"], e["method"], e["status"]) for e in entries], [("read", "DELETE", 403)])

    def test_a_token_that_is_revoked_while_its_body_comes_changes_nothing(self):
        admin = self.tokens["ADMIN"]
        body = json.dumps(document()).encode()
        s = self.connect()
        s.sendall(self.head("PUT /v1/models/m HTTP/1.1", f"Content-Length: {len(body)}", "Connection: close",
                            token=self.tokens["WRITE"]) + body[:-1])
        self.until(lambda: b'state="body"} 1' in self.ask(admin, "GET", "/metrics")[2], "the body is not being read")
        self.assertEqual(self.status(admin, "DELETE", "/v1/tokens/write"), 204)
        s.sendall(body[-1:])
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 401 "))
        self.assertEqual(self.status(admin, "GET", "/v1/models/m"), 404)


class Gone(TokenTest):
    """A change is in the audit log, whatever its client does."""

    def prepare(self):
        super().prepare()
        self.server.flags = (*self.flags, "--http_threads", "1")

    def send_and_reset(self, body, pause):
        s = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(b"POST /v1/models/m/data HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                  + self.tokens["WRITE"].encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(pause)
        s.close()  # with a reset

    def stored(self):
        """Batches of rows, once the server has ended."""
        db = sqlite3.connect(self.server.db)
        count = db.execute("SELECT count(*) FROM batches").fetchone()[0]
        db.close()
        return count

    def test_a_reset_behind_a_change_hides_nothing(self):
        """The reset comes before, during and after the change; a request that was not read changes nothing."""
        body = json.dumps(rows(2000)).encode()
        for pause in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032) * 12:
            self.send_and_reset(body, pause)
        self.assertEqual(self.server.stop(), 0)
        lines = [line for line in self.server.log_text().splitlines() if "message=change" in line]
        told = [line for line in lines if "who=write" in line and "status=201" in line and "path=/v1/models/m/data" in line]
        self.assertGreater(self.stored(), 5)
        self.assertEqual(len(told), self.stored())


if __name__ == "__main__":
    unittest.main()
