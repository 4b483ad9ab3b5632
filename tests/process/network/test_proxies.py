# SPDX-License-Identifier: Apache-2.0
"""Clients behind proxies: each is known by the address that the proxy names, and by no other that it writes itself."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from harness import HERE, PATIENCE, ServerTest, binary, document, rows

HAPROXY = os.environ.get("HAPROXY") or shutil.which("haproxy")
SAMPLE = os.path.join(HERE, "..", "..", "deploy", "haproxy.cfg")
# Rows of a second: who has had so many waits for a quarter of an hour.
MANY = {"inputs": [[0.1, 0.2, 0.3]] * 1000}
ANN, BOB = "198.51.100.1", "2001:db8::b0b"


def own_address():
    """One of this machine that is not a loopback address; None: there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            found = s.getsockname()[0]
        except OSError:
            return None
    return None if found.startswith("127.") else found


class ProxyTest(ServerTest):
    flags = ("--proxies", "127.0.0.1, unix:", "--max_peer_rows_per_s", "1", "--max_peer_streams", "1",
             "--max_queued_jobs", "4", "--max_peer_queue_share", "25")
    header = "X-Forwarded-For"

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document())

    def ask(self, client, method, path, body=None, sender="127.0.0.1", host="127.0.0.1"):
        """client: what the proxy's header says, a list for several lines; None: there is no header."""
        connection = http.client.HTTPConnection(host, self.server.port, timeout=PATIENCE, source_address=(sender, 0))
        try:
            data = json.dumps(body).encode() if body is not None else b""
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", "localhost")
            for line in [] if client is None else [client] if isinstance(client, str) else client:
                connection.putheader(self.header, line)
            connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def predict(self, client, **options):
        return self.ask(client, "POST", "/v1/models/m/predict", MANY, **options)

    def last_change(self):
        return self.server.request("GET", "/v1/audit")[2]["entries"][-1]

    def unreadable(self):
        """The count, which is brought up to date once a second."""
        text = self.server.request("GET", "/metrics")[2].decode()
        return int(re.search(r"(?m)^surrogated_forwarded_unreadable_total (\d+)$", text).group(1))


class Clients(ProxyTest):
    def test_each_has_its_own_limits(self):
        self.assertEqual(self.predict(ANN)[0], 200)
        status, problem = self.predict(ANN)
        self.assertEqual(status, 429)
        self.assertIn(f"the address {ANN} may send 1 rows a second", problem["detail"])
        self.assertEqual(self.predict(BOB)[0], 200)
        self.assertEqual(self.predict(f"{BOB}0")[0], 429)  # the same 64 bits
        self.assertEqual(self.predict(f"{ANN}, 127.0.0.1")[0], 429)

    def test_what_a_client_writes_itself_is_not_believed(self):
        self.assertEqual(self.predict(ANN)[0], 200)
        for written in ("192.0.2.7", "127.0.0.1", "unknown", "", "192.0.2.7, 127.0.0.1", '"', "[", "a" * 8000):
            self.assertEqual(self.predict(f"{written}, {ANN}")[0], 429, written)
            self.assertEqual(self.predict([written, ANN])[0], 429, written)
        self.assertEqual(self.unreadable(), 0)

    def test_a_proxy_that_names_nobody_asks_for_itself(self):
        for client in (None, "", "127.0.0.1"):
            for _ in range(2):
                self.assertEqual(self.predict(client)[0], 200, client)

    def test_others_are_no_proxies(self):
        self.assertEqual(self.predict(ANN)[0], 200)
        for _ in range(2):
            self.assertEqual(self.predict(ANN, sender="127.0.0.2")[0], 200)
        self.assertEqual(self.ask(ANN, "PUT", "/v1/models/n", document(), sender="127.0.0.2")[0], 201)
        self.assertEqual(self.last_change()["from"], "127.0.0.2")

    def test_rubbish_is_counted_and_left(self):
        for n, client in enumerate(("unknown", "192.0.2.1 192.0.2.2", "localhost"), 1):
            self.assertEqual(self.ask(client, "PUT", "/v1/models/n", document(seed=n))[0], 201)
            self.assertEqual(self.last_change()["from"], "127.0.0.1")
        end = time.time() + PATIENCE
        while self.unreadable() != 3:
            self.assertLess(time.time(), end, self.unreadable())
            time.sleep(0.1)

    def test_changes_jobs_and_streams_are_theirs(self):
        for client in (ANN, BOB):
            self.assertEqual(self.ask(client, "PUT", "/v1/models/n", document(seed=len(client)))[0], 201)
            self.assertEqual(self.last_change()["from"], client)
        self.ok(201, "POST", "/v1/models/t/data", rows(20))
        endless = {"solver": "ensemble", "settings": {"epochs": 1000000}}
        first = self.ask(None, "POST", "/v1/models/t/train", endless)[1]["id"]
        self.server.wait_job(first, "running")
        self.assertEqual([self.ask(client, "POST", "/v1/models/t/train", endless)[0]
                          for client in (ANN, ANN, BOB, BOB)], [202, 429, 202, 429])
        streams = [self.follow(first, client) for client in (ANN, ANN, BOB)]
        self.assertEqual(streams, [200, 429, 200])

    def follow(self, job, client):
        s = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(s.close)
        s.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\r\n".encode())
        return int(s.recv(4096).split()[1])

    def test_requests_of_several_clients_share_a_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.connect()
        port = connection.sock.getsockname()
        for n, client in enumerate((ANN, BOB, None, ANN)):
            connection.request("PUT", "/v1/models/n", json.dumps(document(seed=n)),
                               {"X-Forwarded-For": client} if client else {})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 201)
            self.assertEqual(self.last_change()["from"], client or "127.0.0.1")
        self.assertEqual(connection.sock.getsockname(), port)


class Forwarded(ProxyTest):
    flags = ProxyTest.flags + ("--proxy_header", "forwarded")
    header = "Forwarded"

    def test_the_standard_header_is_read_in_place_of_the_usual_one(self):
        self.assertEqual(self.predict(f"for={ANN};proto=https")[0], 200)
        self.assertEqual(self.predict(f'for="{ANN}:4711"')[0], 429)
        self.assertEqual(self.predict(f'for="[{BOB}]", for=127.0.0.1;by=_x')[0], 200)
        self.assertEqual(self.predict(f'for="192.0.2.1, for="[{BOB}]:80"')[0], 429)
        self.header = "X-Forwarded-For"
        for _ in range(2):
            self.assertEqual(self.predict(ANN)[0], 200)


class OfUnixSockets(ProxyTest):
    def setUp(self):
        self.addCleanup(setattr, type(self), "flags", self.flags)
        folder = os.path.realpath(os.path.join("/tmp", f"proxies-{os.getpid()}"))
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder)
        self.path = os.path.join(folder, "socket")
        type(self).flags = self.flags + ("--listen", f"unix:{self.path}, 127.0.0.1:0")
        super().setUp()

    def status(self, client):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.path)
            data = json.dumps(MANY).encode()
            line = f"X-Forwarded-For: {client}\r\n" if client else ""
            s.sendall(f"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\n{line}"
                      f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            return int(s.recv(4096).split()[1])

    def test_their_clients_have_limits(self):
        self.assertEqual([self.status(client) for client in (ANN, ANN, BOB, None, None)], [200, 429, 200, 200, 200])


class Starts(unittest.TestCase):
    def test_settings_that_are_not_clear_are_refused(self):
        for flags, message in ((("--proxies", "10.0.0.0/0"), "needs a length from 1 to 32"),
                               (("--proxies", "nginx"), 'nginx\\" is no address'),
                               (("--proxies", "10.0.0.1/8"), "has bits beyond its length"),
                               (("--proxy_header", "X-Real-IP"), "X-Forwarded-For or Forwarded")):
            run = binary("serve", "--listen", "127.0.0.1:0", "--db", "/nowhere/registry.db", *flags)
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn(message, run.stderr)


@unittest.skipUnless(own_address(), "this machine has no address that is not a loopback address")
class OnTheNetwork(ProxyTest):
    flags = ProxyTest.flags + ("--listen", "0.0.0.0:0", "--insecure", "true", "--max_peer_connections", "2",
                               "--proxies", f"{own_address()}/32")

    def test_a_proxy_has_as_many_connections_as_its_clients_need(self):
        host = own_address()
        opened = []
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1", "192.0.2.2"):
            s = socket.create_connection((host, self.server.port), timeout=PATIENCE)
            self.addCleanup(s.close)
            s.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\n\r\n".encode())
            opened.append(int(s.recv(4096).split()[1]))
        self.assertEqual(opened, [200] * 5)
        self.assertEqual([self.predict(client, host=host, sender=host)[0] for client in (ANN, ANN, BOB, None, None)],
                         [200, 429, 200, 200, 429])  # the proxy itself is an address like others


@unittest.skipUnless(HAPROXY, "haproxy is missing: apt-get install haproxy")
@unittest.skipUnless(own_address(), "this machine has no address that is not a loopback address")
class BehindHaproxy(ProxyTest):
    flags = ProxyTest.flags + ("--base_path", "/surrogate", "--hosts", "*")

    def setUp(self):
        super().setUp()
        config = os.path.join(self.folder, "haproxy.cfg")
        listener = socket.create_server(("0.0.0.0", 0))
        self.addCleanup(listener.close)
        with open(SAMPLE, encoding="utf-8") as file:
            text = file.read()
        for old, new in ((":443 ssl crt /etc/haproxy/surrogate.pem ssl-min-ver TLSv1.2", f"fd@{listener.fileno()}"),
                         ("server local 127.0.0.1:8080", f"server local 127.0.0.1:{self.server.port}")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        self.port = listener.getsockname()[1]
        proxy = subprocess.Popen([HAPROXY, "-db", "-q", "-f", config], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, pass_fds=[listener.fileno()])
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        end = time.time() + PATIENCE
        while self.through("127.0.0.2", "GET", "/healthz")[0] != 200:
            self.assertLess(time.time(), end, "the proxy finds no server")
            time.sleep(0.05)

    def through(self, sender, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(sender, self.port, timeout=PATIENCE, source_address=(sender, 0))
        try:
            connection.request(method, "/surrogate" + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()

    def test_each_client_is_known_by_its_own_address(self):
        spoofed = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
        self.assertEqual(self.through("127.0.0.2", "PUT", "/v1/models/n", document(), **spoofed)[0], 201)
        self.assertEqual(self.last_change()["from"], "127.0.0.2")
        found = [self.through(sender, "POST", "/v1/models/m/predict", MANY, **spoofed)[0]
                 for sender in (own_address(), own_address(), "127.0.0.2", "127.0.0.2")]
        self.assertEqual(found, [200, 429, 200, 200])


if __name__ == "__main__":
    unittest.main()
