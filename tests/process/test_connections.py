# SPDX-License-Identifier: Apache-2.0
"""Connections that hold a place without using it, and more of them than there is room for."""

import os
import resource
import re
import signal
import socket
import time
import unittest

from harness import PATIENCE, ServerTest, document

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIMIT = 32


class ConnectionTest(ServerTest):
    def connect(self, sent=b""):
        s = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(s.close)
        s.sendall(sent)
        return s

    def sockets(self):
        """How many sockets the server has open."""
        folder = f"/proc/{self.server.process.pid}/fd"
        n = 0
        for name in os.listdir(folder):
            try:
                n += os.readlink(f"{folder}/{name}").startswith("socket:")
            except OSError:
                pass  # closed meanwhile
        return n

    def all_of(self, s):
        """What comes until the server closes."""
        got = b""
        while piece := s.recv(65536):
            got += piece
        return got

    def until(self, condition, what):
        for _ in range(int(PATIENCE / 0.05)):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def serves(self):
        return self.server.request("GET", "/healthz")[0] == 200


class Bursts(ConnectionTest):
    flags = ("--max_connections", str(LIMIT), "--http_threads", "2")

    def test_a_burst_over_the_limit_ends_with_a_server_that_answers(self):
        for _ in range(3):
            burst = []
            for _ in range(10 * LIMIT):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", self.server.port))
                burst.append(s)
            for s in burst:
                s.close()
            self.assertTrue(self.serves())
        # tearDown stops the server, which must end.

    def test_idle_connections_make_room(self):
        idle = [self.connect(GET) for _ in range(LIMIT)]
        for s in idle:
            self.assertIn(b"200 OK", s.recv(4096))
        self.assertTrue(self.serves())
        self.assertTrue(self.serves())

    def test_as_many_as_there_may_be_are_kept_while_nobody_waits(self):
        full = [self.connect(GET) for _ in range(LIMIT)]
        for _ in range(3):
            for s in full:
                self.assertIn(b"200 OK", s.recv(4096))
            time.sleep(0.2)  # in which nothing may happen to them
            for s in full:
                s.sendall(GET)

    def test_connections_without_a_request_make_room(self):
        for _ in range(3 * LIMIT):
            self.connect()
        self.assertTrue(self.serves())


class Descriptors(ConnectionTest):
    """Fewer file descriptors than connections that would be allowed."""

    FILES = 100
    flags = ("--max_connections", "1000", "--http_threads", "2", "--idle_timeout_s", "3600")

    def setUp(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.FILES, before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        super().setUp()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        # The server raises the soft limit at its start.
        resource.prlimit(self.server.process.pid, resource.RLIMIT_NOFILE, (self.FILES, self.FILES))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def cpu_s(self):
        with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as file:
            user, system = file.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def test_idle_connections_make_room_when_files_run_out(self):
        known = self.connect(GET)
        self.assertIn(b"200 OK", known.recv(4096))
        idle = [self.connect() for _ in range(self.FILES)]  # as many as there cannot be
        self.until(lambda: "no file descriptor for a connection" in self.server.log_text(), "nothing is said")
        before = self.cpu_s()
        for _ in range(10):
            self.assertTrue(self.serves())
        # Of those that never asked, and not more of them than were in the way.
        self.until(lambda: any(self.is_closed(s) for s in idle), "no idle connection is closed")
        self.assertFalse(all(self.is_closed(s) for s in idle))
        known.sendall(GET)
        self.assertIn(b"200 OK", known.recv(4096))
        self.assertEqual(self.server.log_text().count("no file descriptor for a connection"), 1)
        self.assertLess(self.cpu_s() - before, 5)

    def test_without_an_idle_one_the_next_waits_and_nothing_spins(self):
        body = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{"
        busy = [self.connect(body) for _ in range(self.FILES)]
        self.until(lambda: self.open_files() >= self.FILES - 1, "files do not run out")
        late = self.connect(GET)
        before = self.cpu_s()
        time.sleep(2)
        self.assertLess(self.cpu_s() - before, 1.5)  # a thread that spins takes two
        self.assertEqual(self.server.log_text().count("no file descriptor for a connection"), 1)
        for s in busy:
            s.close()
        self.assertIn(b"200 OK", late.recv(4096))

    @staticmethod
    def is_closed(s):
        s.setblocking(False)
        try:
            return s.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            s.settimeout(PATIENCE)


class HalfHeads(ConnectionTest):
    flags = ("--max_connections", str(LIMIT), "--http_threads", "2", "--head_timeout_s", "3600")

    def metrics(self, s):
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while True:
            piece = s.recv(65536)
            self.assertNotEqual(piece, b"", "the connection was closed")
            got += piece
            head, _, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            if length and len(body) >= int(length.group(1)):
                return body

    def test_those_that_never_ask_make_room_before_those_that_have_asked(self):
        """Clients that have sent a part of a head keep out neither new clients nor old ones."""
        kept = self.connect(GET)
        self.assertIn(b"200 OK", kept.recv(4096))
        for _ in range(LIMIT - 2):  # one place is left
            self.connect(b"G")
        self.until(lambda: b'{state="head"} %d\n' % (LIMIT - 2) in self.metrics(kept), "no heads are seen")
        others = [self.connect(GET) for _ in range(LIMIT // 2)]
        for s in others:
            self.assertIn(b"200 OK", s.recv(4096))
        kept.sendall(GET)
        self.assertIn(b"200 OK", kept.recv(4096))


class Queries(ConnectionTest):
    flags = ()

    def test_one_of_too_many_parameters_is_answered(self):
        for n, status in ((64, b" 400 "), (65, b" 400 "), (500, b" 400 "), (1200, b" 400 ")):
            query = "&".join(f"k{i}=1" for i in range(n))
            s = self.connect(f"GET /v1/models?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            got = s.recv(4096)
            self.assertIn(status, got)
            self.assertEqual(b"more than 64 parameters" in got, n > 64, got)
            s.sendall(GET)  # the connection goes on
            self.assertIn(b"200 OK", s.recv(4096))


class Spins(ConnectionTest):
    flags = ("--max_connections", "100", "--http_threads", "1", "--head_timeout_s", "3600")

    def test_a_line_that_fills_the_buffer_does_not_keep_a_thread_busy(self):
        """The library would look for its end for as long as the connection lasts."""
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        for size in (14000, 20000, 100000):
            s = self.connect(head + b"1;" + b"x" * size)
            slow = self.connect(head + b"2\r\n{")  # a client that only takes its time
            if size > 16384:
                head, _, problem = self.all_of(s).partition(b"\r\n\r\n")
                self.assertIn(b" 400 ", head)
                self.assertIn(f"Content-Length: {len(problem)}\r\n".encode(), head + b"\r\n")
                # Where the line ends with the first buffer the library says so itself.
                self.assertTrue(b"longer than 16384 bytes" in problem or b"malformed" in problem, problem)
            self.assertFalse(self.is_closed(slow))
            slow.sendall(b"}\r\n0\r\n\r\n")
            self.assertIn(b" 400 ", slow.recv(4096))
            self.assertTrue(self.serves())

    is_closed = staticmethod(Descriptors.is_closed)


class Together(ConnectionTest):
    flags = ("--http_threads", "1", "--max_connections", "1000")

    def test_requests_that_come_at_once_are_all_answered(self):
        """Also in numbers at which a loop that reads 128 events at a time could wait for more."""
        for n in (127, 128, 129, 256, 384):
            with self.subTest(n=n):
                clients = [self.connect() for _ in range(n)]
                self.assertTrue(self.serves())
                os.kill(self.server.process.pid, signal.SIGSTOP)
                for s in clients:
                    s.sendall(GET)
                os.kill(self.server.process.pid, signal.SIGCONT)
                for s in clients:
                    self.assertIn(b"200 OK", s.recv(4096))
                    s.close()


class Dead(ConnectionTest):
    flags = ("--idle_timeout_s", "3600", "--head_timeout_s", "3600")

    def test_clients_that_have_gone_are_noticed(self):
        before = self.sockets()
        for part in (b"", b"G", GET[:20], b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
                     b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"):
            with self.subTest(part=part):
                for _ in range(20):
                    self.connect(part).close()
                self.until(lambda: self.sockets() <= before, "connections of clients that have gone stay")

    def test_a_client_that_ends_its_side_after_the_request_gets_the_answer(self):
        s = self.connect(GET)
        s.shutdown(socket.SHUT_WR)
        self.assertIn(b"200 OK", s.recv(4096))


class Slow(ConnectionTest):
    flags = ("--idle_timeout_s", "3600", "--head_timeout_s", "1", "--min_rate", "2000")

    def trickle(self, s, piece, pause=0.2):
        """Sends until the server has cut the connection."""
        s.settimeout(pause)
        for _ in range(int(PATIENCE / pause)):
            try:
                s.sendall(piece)
                if s.recv(4096) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
        self.fail("a slow client is not cut")

    def test_a_head_of_single_bytes_is_cut(self):
        self.trickle(self.connect(b"GET /healthz HTTP/1.1\r\nX: "), b"x")

    def test_a_second_head_of_single_bytes_is_cut(self):
        s = self.connect(GET)
        self.assertIn(b"200 OK", s.recv(4096))
        self.trickle(s, b"G")

    def test_a_body_of_single_bytes_is_cut(self):
        self.trickle(self.connect(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n"), b" ")

    def test_a_fast_beginning_buys_no_time_for_a_stall(self):
        s = self.connect(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
        s.sendall(b" " * 8000000)
        before = time.monotonic()
        self.assertEqual(s.recv(4096), b"")
        self.assertLess(time.monotonic() - before, 1000)  # at the pace that is asked for: 4000 s

    def test_a_silent_head_is_cut(self):
        s = self.connect(GET[:-2])
        self.assertEqual(s.recv(4096), b"")

    def test_a_body_above_the_pace_is_read(self):
        s = self.connect(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            s.sendall(b" " * 1000)
            time.sleep(0.1)
        self.assertIn(b"400 Bad Request", s.recv(4096))

    def test_an_idle_connection_is_kept(self):
        s = self.connect(GET)
        self.assertIn(b"200 OK", s.recv(4096))
        time.sleep(3)
        s.sendall(GET)
        self.assertIn(b"200 OK", s.recv(4096))

    def test_an_answer_that_nobody_reads_is_cut(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        rows = ",".join(["[0.1,0.2,0.3]"] * 100000)
        body = f'{{"model":"m","inputs":[{rows}],"return":["mean","std"]}}'.encode()
        before = self.sockets()
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", self.server.port))
        self.addCleanup(s.close)
        s.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertIn(b"200 OK", s.recv(100))
        self.until(lambda: self.sockets() <= before, "an answer that nobody reads keeps its connection")


if __name__ == "__main__":
    unittest.main()
