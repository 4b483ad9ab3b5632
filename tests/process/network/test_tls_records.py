# SPDX-License-Identifier: Apache-2.0
"""Records of TLS as they come and go: cut anywhere, several at once, with the client's end behind them.

The client makes its records in memory, so that each test chooses which bytes are sent together.
"""

import json
import shutil
import socket
import ssl
import tempfile
import time
import unittest

from certificates import make_certificate, needs_openssl
from harness import PATIENCE, Server, document

HANDSHAKE, APPLICATION = 22, 23


class Client:
    """A session whose records are made in memory."""

    def __init__(self, port, cert, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=cert)
        context.minimum_version = context.maximum_version = version
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.came, self.goes, server_hostname="localhost")
        self.records = []  # lengths of those of the server since the last look
        self.partial = b""
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.take()
        self.flush()

    def flush(self):
        data = self.goes.read()
        if data:
            self.socket.sendall(data)

    def take(self):
        """Bytes of the server go to the session; False: it has ended its side."""
        data = self.socket.recv(65536)
        self.came.write(data)
        self.partial += data
        while len(self.partial) >= 5:
            length = 5 + int.from_bytes(self.partial[3:5], "big")
            if len(self.partial) < length:
                break
            if self.partial[0] == APPLICATION:
                self.records.append(length)
            self.partial = self.partial[length:]
        return data != b""

    def seal(self, *texts):
        """A record for each text."""
        records = []
        for text in texts:
            self.session.write(text)
            records.append(self.goes.read())
        return records

    def seal_end(self):
        try:
            self.session.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.goes.read()

    def read(self):
        """What has come next, decrypted; b"": the end."""
        while True:
            try:
                return self.session.read(65536)
            except ssl.SSLWantReadError:
                if not self.take():
                    return b""
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def answers(self, n, got=b""):
        """The bodies of the next n answers; the head of each says how long it is."""
        bodies = []
        while len(bodies) < n:
            head, found, rest = got.partition(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) if found else 0
            if found and len(rest) >= length:
                bodies.append((int(head[9:12]), rest[:length]))
                got = rest[length:]
                continue
            piece = self.read()
            if not piece:
                raise AssertionError(f"the connection ended after {len(bodies)} answers: {got!r}")
            got += piece
        if got:
            raise AssertionError(f"more than {n} answers: {got!r}")
        return bodies

    def close(self):
        self.socket.close()


@needs_openssl
class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cert, key = make_certificate(cls.folder, "server")
        # One thread, so that a connection that is forgotten is not woken by another's.
        plain = Server(cls.folder, "--http_threads", "1").start()
        assert plain.request("PUT", "/v1/models/m", document())[0] == 201
        plain.stop()
        plain.flags = ("--http_threads", "1", "--tls_cert", cls.cert, "--tls_key", key)
        cls.server = plain.start()
        cls.addClassCleanup(cls.server.stop)

    def connect(self, **kind):
        client = Client(self.server.port, self.cert, **kind)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def request(rows=1, more=b"", version=b"1.1", first=0.25):
        body = json.dumps({"inputs": [[first, 0.5, 0.75]] * rows}).encode()
        return (b"POST /v1/models/m/predict HTTP/" + version + b"\r\nHost: localhost\r\n" + more +
                b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def expected(self, **request):
        client = self.connect()
        client.socket.sendall(client.seal(self.request(**request))[0])
        return client.answers(1)[0]

    def test_a_short_answer_is_one_record(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.connect(version=version)
            for k in range(20):  # the socket is looked at again after some
                client.socket.sendall(client.seal(self.request())[0])
                self.assertEqual(client.answers(1)[0][0], 200)
                # The first answer may come behind the tickets of a session.
                self.assertEqual(len(client.records) if k else 1, 1, version)
                client.records = []

    def test_a_head_and_a_body_that_come_apart_are_answered_by_one_record(self):
        client = self.connect()
        wanted = self.expected()
        for k in range(10):
            head, _, body = self.request().partition(b"\r\n\r\n")
            client.socket.sendall(client.seal(head + b"\r\n\r\n")[0])
            time.sleep(0.02)  # the order of events is another one; that of the answers may not be
            client.socket.sendall(client.seal(body)[0])
            self.assertEqual(client.answers(1), [wanted])
            self.assertEqual(len(client.records) if k else 1, 1)
            client.records = []

    def test_answers_of_all_lengths_are_whole(self):
        client = self.connect()
        for rows in (1, 10, 30, 50, 100, 1000, 1, 20000, 1):
            client.socket.sendall(b"".join(client.seal(self.request(rows))))
            got = b""
            while b"\r\n\r\n" not in got:
                got += client.read()
            if b"chunked" not in got:
                (status, body), = client.answers(1, got)
            else:
                while not got.endswith(b"\r\n0\r\n\r\n"):
                    got += client.read()
                status, body = 200, b"".join(got.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2])
            self.assertEqual(status, 200)
            self.assertEqual(len(json.loads(body)["mean"]), rows)

    def test_requests_that_come_in_one_record_or_segment_are_all_answered(self):
        wanted = [self.expected(first=k / 64) for k in range(40)]
        requests = [self.request(first=k / 64) for k in range(40)]
        client = self.connect()
        client.socket.sendall(client.seal(b"".join(requests))[0])  # one record
        self.assertEqual(client.answers(40), wanted)
        client.socket.sendall(b"".join(client.seal(*requests)))  # a record each, more than are read ahead
        self.assertEqual(client.answers(40), wanted)
        for k in range(0, 40, 2):  # two and nothing behind them, which fit into what is read ahead
            client.socket.sendall(b"".join(client.seal(*requests[k : k + 2])))
            self.assertEqual(client.answers(2), wanted[k : k + 2])

    def test_records_may_be_cut_anywhere(self):
        client = self.connect()
        wanted = self.expected()
        length = len(self.request()) + 22  # of a record: head, kind and tag are added
        for cut in (1, 4, 5, 6, 100):
            for at in (cut, length - cut, length + cut):
                both = b"".join(client.seal(self.request(), self.request()))
                self.assertEqual(len(both), 2 * length)
                client.socket.sendall(both[:at])
                time.sleep(0.02)  # not relied on: it makes it likely that the pieces come apart
                client.socket.sendall(both[at:])
                self.assertEqual(client.answers(2), [wanted] * 2)
        sealed = client.seal(self.request())[0]
        for k in range(len(sealed)):
            client.socket.sendall(sealed[k : k + 1])
        self.assertEqual(client.answers(1), [wanted])

    def test_every_length_of_what_is_read_ahead_is_given_out(self):
        client = self.connect()
        for more in list(range(1700, 2300, 7)) + [4096, 8192, 15000]:
            records = client.seal(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                  b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * more + b"\r\n\r\n")
            client.socket.sendall(b"".join(records))
            self.assertEqual([status for status, _ in client.answers(2)], [200, 200], more)

    def test_who_ends_its_side_behind_the_requests_gets_the_answers(self):
        wanted = self.expected()
        for n in (1, 2, 5):
            for ends_session in (False, True):
                client = self.connect()
                records = client.seal(*[self.request()] * n)
                end = client.seal_end() if ends_session and n == 1 else b""
                client.socket.sendall(b"".join(records) + end)
                client.socket.shutdown(socket.SHUT_WR)
                if end:
                    # The session of this client takes nothing after its own end; the bytes must come.
                    self.assertTrue(client.take())
                    while client.take():
                        pass
                    self.assertGreaterEqual(len(client.records), 1)
                else:
                    self.assertEqual(client.answers(n), [wanted] * n)
                client.close()

    def test_the_last_answer_comes_before_the_end_of_the_session(self):
        for more, version in ((b"Connection: close\r\n", b"1.1"), (b"", b"1.0"), (b"Connection: x, close\r\n", b"1.1"),
                              (b"Connection: keep-alive\r\n", b"1.0")):
            client = self.connect()
            client.socket.sendall(client.seal(self.request(more=more, version=version))[0])
            self.assertEqual(client.answers(1)[0][0], 200, more)
            if b"alive" not in more:
                self.assertEqual(client.read(), b"")

    def test_a_refusal_of_a_body_comes_before_the_end(self):
        client = self.connect()
        client.socket.sendall(client.seal(b"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\n"
                                          b"Content-Length: 99999999999\r\n\r\nabc")[0])
        self.assertEqual(client.answers(1)[0][0], 413)
        self.assertEqual(client.read(), b"")

    def test_who_does_not_read_holds_nobody_up(self):
        wanted = self.expected()
        slow = self.connect()
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sealed = slow.seal(*[self.request() + b""] * 400)
        slow.socket.setblocking(False)
        n = 0
        for record in sealed:  # until the server stops to read, or all are there
            try:
                if slow.socket.send(record) < len(record):
                    break
            except BlockingIOError:
                break
            n += 1
        slow.socket.settimeout(PATIENCE)
        other = self.connect()
        for _ in range(50):
            other.socket.sendall(other.seal(self.request())[0])
            self.assertEqual(other.answers(1), [wanted])
        self.assertGreater(n, 20)
        self.assertEqual(slow.answers(n), [wanted] * n)

    def test_a_client_that_has_gone_with_half_a_record_is_noticed(self):
        client = self.connect()
        client.socket.sendall(client.seal(self.request())[0][:-10])
        client.close()
        for _ in range(int(PATIENCE / 0.1)):
            if not self.half_closed():
                return
            time.sleep(0.1)
        self.fail("the connection stays in CLOSE_WAIT")

    def half_closed(self):
        port = f":{self.server.port:04X}"
        with open("/proc/net/tcp", encoding="ascii") as lines:
            return [line for line in lines if line.split()[1].endswith(port) and line.split()[3] == "08"]


if __name__ == "__main__":
    unittest.main()
