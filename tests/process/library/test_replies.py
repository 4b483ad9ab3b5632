# SPDX-License-Identifier: Apache-2.0
"""libsurrogated against a server that is busy, slow, gone, or something else."""

import json
import socket
import struct
import threading
import time
import unittest

from harness import npy
from library_harness import as_rows, call

OK, INVALID, UNREACHABLE, TIMEOUT, DENIED, NOT_FOUND, REFUSED, BUSY, SERVER = 0, 1, 4, 5, 6, 7, 8, 9, 10
JOB_FAILED = 13
ROWS = as_rows([[0.5]], 1)
UPLOAD = as_rows([[0.5]], 1, [[1.0]])
JSON = "application/json"


def reply(status, body=b"", kind="application/x-npy", cut=0, **headers):
    """Bytes of an answer; cut: so many bytes are promised beyond those that come."""
    if isinstance(body, dict):
        body, kind = json.dumps(body).encode(), JSON
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body) + cut}", f"Content-Type: {kind}",
             "Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(shape):
    """A prediction of ones of this shape."""
    count = 1
    for size in shape:
        count *= size
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack(f"<{count}d", *[1.0] * count)


def good(path):
    shape = (2, 1, 1, 1) if "jacobian" in path else (1, 1)
    return reply(200, answer(shape), Surrogate_Version=7, Surrogate_Extrapolated_Rows=0)


class Stub:
    """Answers requests one after the other, each with the next of `script`, the last one for ever: bytes,
    None (closes without an answer), or a function of the path."""

    def __init__(self, *script):
        self.script = list(script)
        self.got = []  # (line, headers, body)
        self.times = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.exchange(connection)
                except OSError:
                    pass

    def exchange(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        line, *lines = head.decode().split("\r\n")
        headers = dict(one.split(": ", 1) for one in lines)
        if headers.get("Expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < int(headers.get("Content-Length", 0)):
            piece = connection.recv(65536)
            if not piece:
                return
            body += piece
        step = self.script[min(len(self.got), len(self.script) - 1)]
        self.times.append(time.monotonic())
        self.got.append((line, headers, body))
        step = step(line.split()[1]) if callable(step) else step
        if step is not None:
            connection.sendall(step)


class Replies(unittest.TestCase):
    def stub(self, *script):
        stub = Stub(*script)
        self.addCleanup(stub.close)
        return stub

    def test_each_status_has_its_code(self):
        problem = {"title": "a title", "detail": "the detail"}
        for status, code in ((400, INVALID), (401, DENIED), (403, DENIED), (404, NOT_FOUND), (409, REFUSED),
                             (413, REFUSED), (422, INVALID), (429, BUSY), (500, SERVER), (503, BUSY), (504, TIMEOUT),
                             (302, SERVER)):
            with self.subTest(status=status):
                stub = self.stub(reply(status, problem))
                self.assertEqual(call(stub.url, "m", "retry=0", "predict", rows=ROWS),
                                 (code, "a title: the detail", ""))
                self.assertEqual(len(stub.got), 1)

    def test_a_busy_server_is_asked_again_when_it_says(self):
        for status, wait in ((429, 2), (503, 1)):
            stub = self.stub(reply(status, {"title": "busy"}, Retry_After=wait), good)
            self.assertEqual(call(stub.url, "m", "predict", rows=ROWS)[::2], (OK, "version 7 mean 1"))
            self.assertGreaterEqual(stub.times[1] - stub.times[0], wait - 0.1)
            # All after the first answer name its version.
            self.assertEqual([line.split()[1].rsplit("/", 1)[0] for line, _, _ in stub.got],
                             ["/v1/models/m/versions/@default"] * 2 + ["/v1/models/m/versions/7"] * 3)
        # What it wants to wait is longer than what the caller wants to.
        stub = self.stub(reply(503, {"title": "busy"}, Retry_After=60))
        self.assertEqual(call(stub.url, "m", "retry=5", "predict", rows=ROWS), (BUSY, "busy", ""))
        self.assertEqual(len(stub.got), 1)

    def test_an_upload_keeps_its_key_over_all_tries(self):
        stored = reply(201, {"batch": 1, "rows": 1, "total_rows": 1})
        for word, fault in (("-", None), ("mine", reply(503, {"title": "busy"}, Retry_After=1))):
            stub = self.stub(fault, stored)
            self.assertEqual(call(stub.url, "m", "rank=4", "append", word, rows=UPLOAD),
                             (OK, "", "batch 1 rows 1 of 1"))
            keys = {headers["Idempotency-Key"] for _, headers, _ in stub.got}
            self.assertEqual((len(stub.got), len(keys)), (2, 1))
            self.assertRegex(keys.pop(), r'^"(mine|[0-9a-f]{32})\.rank4"$')
            self.assertEqual({body for _, _, body in stub.got}, {npy([[0.5, 1.0]])})
            self.assertIn("outputs=1", stub.got[0][0])

    def test_a_long_upload_goes_in_parts_under_keys_of_their_own(self):
        stored = reply(201, {"batch": 1, "rows": 2, "total_rows": 9})
        rows = as_rows([[0.5], [0.6], [0.7]], 1, [[1.0], [2.0], [3.0]])
        stub = self.stub(reply(413, {"title": "too large"}), stored, None, stored)
        self.assertEqual(call(stub.url, "m", "append", "mine", rows=rows), (OK, "", "batch 1 rows 4 of 9"))
        self.assertEqual([headers["Idempotency-Key"] for _, headers, _ in stub.got],
                         ['"mine"', '"mine.rows0-1"', '"mine.rows2-2"', '"mine.rows2-2"'])
        self.assertEqual([body for _, _, body in stub.got][1:3], [npy([[0.5, 1.0], [0.6, 2.0]]), npy([[0.7, 3.0]])])
        # A fault after the first part says how far it came, and the same call goes on from there.
        stub = self.stub(reply(413, {"title": "too large"}), stored, reply(507, {"title": "full"}))
        self.assertEqual(call(stub.url, "m", "append", "mine", rows=rows),
                         (SERVER, "after 2 of 3 rows were stored: full", ""))
        stub = self.stub(reply(413, {"title": "too large"}))
        self.assertEqual(call(stub.url, "m", "append", "mine", rows=rows), (REFUSED, "too large", ""))
        self.assertEqual(len(stub.got), 3)  # 3 rows, 2, 1

    def test_a_training_is_sent_again_only_when_it_was_not_taken(self):
        stub = self.stub(reply(429, {"title": "busy"}, Retry_After=1), reply(202, {"id": 5}))
        self.assertEqual(call(stub.url, "m", "train", "{}"), (OK, "", "job 5"))
        stub = self.stub(None)
        self.assertEqual(call(stub.url, "m", "train")[0], UNREACHABLE)
        self.assertEqual(len(stub.got), 1)

    def test_a_server_that_is_gone(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for words in (("predict",), ("shape",), ("append", "k"), ("train",), ("wait", 1, 5)):
            code, message, _ = call(url, "m", "retry=0", *words, rows=UPLOAD if "append" in words else ROWS)
            self.assertEqual(code, UNREACHABLE, message)
            self.assertIn(f"no answer from {url}", message)
        # It comes back in time.
        stub = self.stub(None, good)
        self.assertEqual(call(stub.url, "m", "predict", rows=ROWS)[0], OK)

    def test_a_server_that_is_slow(self):
        stop = threading.Event()
        stub = self.stub(lambda path: None if stop.wait(60) else None)
        self.addCleanup(stop.set)  # before the stub is closed
        begun = time.monotonic()
        code, message, _ = call(stub.url, "m", "timeout=0.3", "retry=0", "predict", rows=ROWS)
        self.assertEqual(code, TIMEOUT, message)
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)

    def test_answers_that_are_cut_or_something_else(self):
        html = reply(200, b"<html></html>", kind="text/html")
        other = reply(200, answer((1, 1)).replace(b"<f8", b"<i8"), Surrogate_Version=7)
        for one, code, message in (
                (reply(200, answer((1, 1)), cut=5), UNREACHABLE, "no answer from"),
                (b"HTTP/1.1 200 x\r\nContent-Le", SERVER, "no NumPy file"),
                (b"SSH-2.0-OpenSSH\r\n", UNREACHABLE, "no answer from"),
                (None, UNREACHABLE, "no answer from"),
                (reply(200, answer((1, 1))[:-8], Surrogate_Version=7), SERVER, "the answer was cut"),
                (reply(200, answer((1, 1))[:30]), SERVER, "no NumPy file"),
                (reply(200, b""), SERVER, "no NumPy file"),
                (reply(200, answer((2, 1))), SERVER, "another shape"),
                (reply(200, answer((1, 1, 1))), SERVER, "another shape"),
                (reply(200, answer((1, 2))), INVALID, "for 1 output, the model has 2"),
                (other, SERVER, "no NumPy file"),
                (html, SERVER, "a page of HTML")):
            with self.subTest(one=one):
                stub = self.stub(one)
                found = call(stub.url, "m", "retry=0", "predict", rows=ROWS)
                self.assertEqual(found[0], code, found)
                self.assertIn(message, found[1])
        for body in (b"", b"[1]", b'{"id":', b"{}", b'{"state":7}'):
            for words in (("wait", 1, 1), ("shape",)):
                stub = self.stub(reply(200, body, kind=JSON))
                self.assertEqual(call(stub.url, "m", "retry=0", *words)[0], SERVER, (body, words))

    def test_a_job_that_fails_says_why(self):
        running = reply(200, {"id": 3, "state": "running", "version": None, "message": None})
        failed = reply(200, {"id": 3, "state": "failed", "version": None, "message": "the loss is not finite"})
        stub = self.stub(running, None, failed)
        self.assertEqual(call(stub.url, "m", "wait", 3, -1),
                         (JOB_FAILED, "job 3 failed: the loss is not finite", "state failed version 0 promoted 0"))
        self.assertEqual(stub.got[0][0], "GET /v1/jobs/3 HTTP/1.1")

    def test_the_token_and_names_are_sent_as_they_must_be(self):
        stub = self.stub(good)
        call(stub.url, "a/../b c", "version=@x?y", "predict", rows=ROWS, SURROGATED_TOKEN="sgt_a_1")
        call(stub.url, "m", "token=sgt_b_2", "predict", rows=ROWS, SURROGATED_TOKEN="sgt_a_1")
        self.assertEqual(stub.got[0][0].split()[1],
                         "/v1/models/a%2F..%2Fb%20c/versions/@x%3Fy/predict?return=mean")
        self.assertEqual([stub.got[at][1]["Authorization"] for at in (0, -1)], ["Bearer sgt_a_1", "Bearer sgt_b_2"])
        code, message, _ = call(stub.url, "m", "token=a\nb", "predict", rows=ROWS)
        self.assertEqual((code, message), (INVALID, "the token holds something else than visible ASCII"))

    def test_a_file_of_tls_that_is_none(self):
        for name in ("tls-ca", "tls-client-cert"):
            code, message, _ = call("https://127.0.0.1:1", "m", f"{name}=/none", "predict", rows=ROWS)
            self.assertEqual(code, INVALID)
            self.assertIn(f"{name} /none cannot be read", message)


if __name__ == "__main__":
    unittest.main()
