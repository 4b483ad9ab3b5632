# SPDX-License-Identifier: Apache-2.0
"""Limits of tokens and of addresses: met at the limit, refused beyond it, with a wait that is true."""

import gzip
import json
import os
import re
import socket
import time
import unittest

from harness import PATIENCE, Server, binary, document, rows
from token_harness import TokenTest

KINDS = ("rate", "rows_per_s", "bytes_per_s", "concurrent", "queue_share")


def own_address():
    """One of this machine that is not a loopback address; None: there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            found = s.getsockname()[0]
        except OSError:
            return None
    return None if found.startswith("127.") else found


class LimitTest(TokenTest):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.status(self.tokens["WRITE"], "PUT", "/v1/models/m", document()), 201)

    def make(self, **options):
        status, _, made = self.ask(self.tokens["ADMIN"], "POST", "/v1/tokens", {"role": "write", **options})
        self.assertEqual(status, 201, made)
        return made["token"]

    def limited(self):
        text = self.ask(self.tokens["ADMIN"], "GET", "/metrics")[2].decode()
        found = re.findall(r'(?m)^surrogated_limited_requests_total\{limit="(\w+)"\} (\d+)$', text)
        return {name: int(count) for name, count in found if count != "0"}

    def wait_running(self):
        """Until the first job runs, so that those behind it are queued."""
        self.until(lambda: self.ask(self.tokens["READ"], "GET", "/v1/jobs/1")[2]["state"] == "running", "no job runs")

    def open_body(self, token):
        """A request that is under way until its body comes."""
        s = socket.create_connection((self.host, self.server.port), timeout=PATIENCE)
        self.addCleanup(s.close)
        head = f"Authorization: Bearer {token}\r\n" if token else ""
        s.sendall(f"POST /predict HTTP/1.1\r\nHost: {self.host}\r\n{head}Content-Length: 2\r\n\r\n".encode())
        return s

    host = "127.0.0.1"


class OfTokens(LimitTest):
    def test_they_are_stored_listed_and_read_again(self):
        wanted = dict(zip(KINDS, (5, 100, 2147483647, 7, 30)))
        made = self.ask(self.tokens["ADMIN"], "POST", "/v1/tokens", {"role": "read", "id": "x", **wanted})[2]
        self.assertEqual({key: made[key] for key in KINDS}, wanted)
        self.assertEqual(self.server.stop(), 0)
        self.create("--role", "read", "--id", "y", *(f"--{key.replace('_', '-')}={n}" for key, n in wanted.items()))
        self.server.start()
        listed = {row["id"]: row for row in self.ask(self.tokens["ADMIN"], "GET", "/v1/tokens")[2]["tokens"]}
        for name in "xy":
            self.assertEqual({key: listed[name][key] for key in KINDS}, wanted)
        self.assertEqual({listed["admin"][key] for key in KINDS}, {None})
        for key, beyond in zip(KINDS, (1000001, 2147483648, 2147483648, 100001, 101)):
            for bad in (0, -1, beyond, "5", 1.5):
                found = self.ask(self.tokens["ADMIN"], "POST", "/v1/tokens", {"role": "read", key: bad})
                self.assertEqual(found[0], 400, (key, bad))
            done = binary("token", "create", "--role", "read", f"--{key}", str(beyond), "--db", self.server.db)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(str(beyond), done.stderr)

    def test_rows_are_paid_off(self):
        token = self.make(rows_per_s=10)
        body = {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 25}
        self.assertEqual(self.status(token, "POST", "/predict", body), 200)
        began = time.monotonic()
        status, head, problem = self.ask(token, "POST", "/predict", body)
        self.assertEqual(status, 429)
        self.assertIn("10 rows a second", problem["detail"])
        # 25 rows out of a second's 10, so that 15 are owed: 1.5 s, rounded up, less what has passed.
        wait = int(head["Retry-After"])
        self.assertLessEqual(wait, 2)
        self.assertEqual(self.status(self.tokens["WRITE"], "POST", "/predict", body), 200)
        time.sleep(max(0.0, began + wait - time.monotonic()))
        self.assertEqual(self.status(token, "POST", "/predict", body), 200)
        self.assertEqual(self.limited(), {"token_rows_per_s": 1})

    def test_every_kind_of_rows_counts(self):
        three = {"inputs": [[0.1, 0.2, 0.3]] * 50, "outputs": [[0.1, 0.2]] * 50}
        self.assertEqual(self.status(self.tokens["WRITE"], "PUT", "/v1/models/m", document(seed=3)), 201)
        for path, body in (("/v1/models/m/predict", {"inputs": three["inputs"]}), ("/v1/models/m/evaluate", three),
                           ("/v1/models/n/data", rows(50)), ("/v1/models/m/versions/1/evaluate", three),
                           ("/v1/models/m/compare", {"versions": [1, 2], **three})):
            with self.subTest(path=path):
                token = self.make(rows_per_s=1)
                status, _, answer = self.ask(token, "POST", path, body)
                self.assertIn(status, (200, 201), answer)
                status, head, _ = self.ask(token, "GET", "/v1/models")
                self.assertEqual(status, 429)
                self.assertTrue(40 < int(head["Retry-After"]) <= 49, head["Retry-After"])

    def test_bytes_of_bodies_count_kept_or_not(self):
        body = json.dumps({"model": "m", "inputs": [[0.1, 0.2, 0.3]], "x": " " * 5000})
        token = self.make(bytes_per_s=100)
        self.assertEqual(self.status(token, "POST", "/predict", body), 400)
        status, head, problem = self.ask(token, "POST", "/predict", body)
        self.assertEqual(status, 429)
        self.assertIn("100 bytes of request bodies a second", problem["detail"])
        self.assertTrue(40 < int(head["Retry-After"]) <= 51, head["Retry-After"])
        # A client that goes away with its body half sent has sent half of it.
        token = self.make(bytes_per_s=1)
        s = socket.create_connection((self.host, self.server.port), timeout=PATIENCE)
        s.sendall(f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                  f"Content-Length: 9000\r\n\r\n{'x' * 4000}".encode())
        self.until(lambda: b'state="body"} 1' in self.ask(self.tokens["ADMIN"], "GET", "/metrics")[2], "no body")
        s.close()
        self.until(lambda: self.status(token, "GET", "/v1/models") == 429, "the bytes are not counted")
        self.assertEqual(set(self.limited()), {"token_bytes_per_s"})

    def test_what_gzip_becomes_is_charged(self):
        """Also when it becomes more than a body may be, and is refused."""
        for size in (1000000, 100000000):
            token = self.make(bytes_per_s=10000)
            bomb = gzip.compress(b" " * size, 9, mtime=0)
            found = self.ask(token, "POST", "/v1/models/m/data", bomb, **{"Content-Encoding": "gzip"})
            self.assertEqual(found[0], 400 if size == 1000000 else 413, found)
            status, head, _ = self.ask(token, "GET", "/v1/models")
            self.assertEqual(status, 429)
            owed = min(size, 67108864) / 10000  # seconds
            self.assertGreater(int(head["Retry-After"]), 0.9 * owed - 60)
            self.assertLess(int(head["Retry-After"]), 1.1 * owed + 60)

    def test_requests_under_way_end_with_their_connections_too(self):
        token = self.make(concurrent=2)
        clients = [self.open_body(token) for _ in range(2)]
        # Not by asking with the same token: a question that overtakes the second body takes its place.
        self.until(lambda: b'state="body"} 2' in self.ask(self.tokens["ADMIN"], "GET", "/metrics")[2], "no bodies")
        status, head, problem = self.ask(token, "GET", "/v1/models")
        self.assertEqual((status, head["Retry-After"]), (429, "1"))
        self.assertIn("may have 2 requests under way", problem["detail"])
        clients[0].sendall(b"{}")
        self.assertIn(b" 400 ", clients[0].recv(4096))
        for _ in range(2):  # a request counts until its answer is sent, so that the client may be first
            self.wait_status(200, token, "GET", "/v1/models")
        clients[1].close()  # the client is gone before its body
        clients = [self.open_body(token) for _ in range(1)]
        self.wait_status(200, token, "GET", "/v1/models")
        self.assertEqual(set(self.limited()), {"token_concurrent"})

    def test_one_of_many_cannot_fill_the_queue(self):
        self.assertEqual(self.status(self.tokens["WRITE"], "POST", "/v1/models/n/data", rows(40)), 201)
        long = {"solver": "ensemble", "gate": None, "settings": {"epochs": 1000000}}
        self.assertEqual(self.status(self.tokens["WRITE"], "POST", "/v1/models/n/train", long), 202)
        self.wait_running()
        token = self.make(queue_share=2)  # of 100
        found = [self.status(token, "POST", "/v1/models/n/train", long) for _ in range(4)]
        self.assertEqual(found, [202, 202, 429, 429])
        self.assertIn("its share of the queue is 2", self.ask(token, "POST", "/v1/models/n/train", long)[2]["detail"])
        self.assertEqual(self.status(self.tokens["WRITE"], "POST", "/v1/models/n/train", long), 202)
        self.assertEqual(self.limited(), {"token_queue_share": 3})
        # Queued jobs are still whose they were after a restart.
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.wait_running()
        self.assertEqual(self.status(token, "POST", "/v1/models/n/train", long), 429)
        jobs = self.ask(token, "GET", "/v1/jobs?state=queued")[2]["jobs"]
        self.assertEqual(self.status(token, "DELETE", f"/v1/jobs/{min(job['id'] for job in jobs)}"), 200)
        self.assertEqual(self.status(token, "POST", "/v1/models/n/train", long), 202)
        self.ask(token, "DELETE", "/v1/jobs?state=queued&model=n")
        self.ask(token, "DELETE", "/v1/jobs/1")


class FromFile(LimitTest):
    def prepare(self):
        super().prepare()
        path = os.path.join(self.folder, "tokens")
        self.token = "sgt_farm_" + "cd" * 32
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"farm write {self.token} m* rows_per_s=10 concurrent=3\n")
        self.server.flags = (*self.flags, "--tokens-file", path)

    def test_a_file_limits_its_tokens(self):
        body = {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 25}
        self.assertEqual(self.status(self.token, "POST", "/predict", body), 200)
        self.assertEqual(self.status(self.token, "POST", "/predict", body), 429)


@unittest.skipUnless(own_address(), "this machine has no address that is not a loopback address")
class OfAddresses(LimitTest):
    host = own_address()
    flags = ("--listen", "0.0.0.0:0", "--insecure", "true", "--max_peer_rate", "20", "--max_peer_rows_per_s", "10",
             "--max_peer_bytes_per_s", "100000", "--max_peer_requests", "2", "--max_peer_queue_share", "1")

    def prepare(self):
        self.tokens = dict.fromkeys(("READ", "WRITE", "ADMIN"))

    def from_afar(self, method, path, body=None):
        """The same as ask, by an address that is not this machine's own."""
        there = Server(self.folder)
        there.port = self.server.port
        return there.request(method, path, body, host=self.host)

    def test_an_address_has_limits_and_this_machine_has_none(self):
        body = {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 25}
        for _ in range(3):
            self.assertEqual(self.status(None, "POST", "/predict", body), 200)
        self.assertEqual(self.from_afar("POST", "/predict", body)[0], 200)
        status, head, problem = self.from_afar("POST", "/predict", body)
        self.assertEqual(status, 429)
        self.assertIn(f"the address {self.host} may send 10 rows a second", problem["detail"])
        self.assertIn(head["Retry-After"], ("1", "2"))
        self.assertEqual(self.from_afar("GET", "/healthz")[0], 200)  # probes are let in
        time.sleep(2)
        found = [self.from_afar("GET", "/v1/models")[0] for _ in range(200)]
        self.assertEqual(found[0], 200)
        self.assertIn(429, found)
        counts = self.limited()
        self.assertEqual(set(counts), {"address_rows_per_s", "address_rate"})

    def test_requests_under_way(self):
        for _ in range(2):
            self.open_body(None)
        self.until(lambda: self.from_afar("GET", "/v1/models")[0] == 429 and
                   "address_concurrent" in self.limited(), "requests under way are not counted")

    def test_a_share_of_the_queue(self):
        self.assertEqual(self.status(None, "POST", "/v1/models/n/data", rows(40)), 201)
        long = {"solver": "ensemble", "gate": None, "settings": {"epochs": 1000000}}
        self.assertEqual(self.status(None, "POST", "/v1/models/n/train", long), 202)
        self.wait_running()
        self.assertEqual(self.from_afar("POST", "/v1/models/n/train", long)[0], 202)
        status, _, problem = self.from_afar("POST", "/v1/models/n/train", long)
        self.assertEqual(status, 429, problem)
        self.assertIn("this address has 1 queued jobs", problem["detail"])
        self.assertEqual(self.status(None, "POST", "/v1/models/n/train", long), 202)
        self.assertEqual(self.limited(), {"address_queue_share": 1})
        self.ask(None, "DELETE", "/v1/jobs?state=queued&model=n")
        self.ask(None, "DELETE", "/v1/jobs/1")


if __name__ == "__main__":
    unittest.main()
