# SPDX-License-Identifier: Apache-2.0
"""deploy/haproxy.cfg in front of a server: a path of its own, and no request that hides in another's body."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from harness import HERE, PATIENCE, ServerTest, document, rows
from test_framing import CANARY, OPEN, READ, REFUSED

HAPROXY = os.environ.get("HAPROXY") or shutil.which("haproxy")
SAMPLE = os.path.join(HERE, "..", "..", "deploy", "haproxy.cfg")
OURS = rb"x-content-type-options: nosniff"  # in every answer of the server, and in none of the proxy
# What follows is a part of a body that never ends: the proxy hangs up when its client does.
UNANSWERED = {"length_of_19_digits", "body_over_the_limit"}
PROBES = (b"metrics", b"readyz")


@unittest.skipUnless(HAPROXY, "haproxy is missing: apt-get install haproxy")
class BehindHaproxy(ServerTest):
    flags = ("--base_path", "/surrogate", "--hosts", "surrogate.example.org")

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "proxy")
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(SAMPLE, encoding="utf-8") as file:
            text = file.read()
        for old, new in ((":443 ssl crt /etc/haproxy/surrogate.pem ssl-min-ver TLSv1.2", f"unix@{self.path}"),
                         ("server local 127.0.0.1:8080", f"server local {self.backend()}")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        tried = subprocess.run([HAPROXY, "-c", "-q", "-f", config], capture_output=True, text=True, timeout=PATIENCE,
                               check=False)
        self.assertEqual((tried.returncode, tried.stderr), (0, ""))
        self.proxy = subprocess.Popen([HAPROXY, "-db", "-q", "-f", config], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        self.addCleanup(self.proxy.wait)
        self.addCleanup(self.proxy.kill)
        for _ in range(int(PATIENCE / 0.05)):
            if self.serves():
                return
            time.sleep(0.05)
        self.fail("the proxy finds no server")

    def backend(self):
        return f"127.0.0.1:{self.server.port}"

    def serves(self):
        try:
            return self.ask("GET", "/surrogate/healthz")[0] == 200
        except OSError:  # the proxy is starting
            return False

    def talk(self, raw):
        """All that comes back until the proxy closes."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.path)
            got = b""
            try:
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                while piece := s.recv(65536):
                    got += piece
            except ConnectionError:
                pass
            return got

    def ask(self, method, path, body=None, *headers):
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: surrogate.example.org", "Connection: close", *headers,
                 f"Content-Length: {len(data)}", "", ""]
        head, _, rest = self.talk("\r\n".join(lines).encode() + data).partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.decode(), rest

    def n_requests(self):
        """Requests that the server has answered, but for these and the proxy's own."""
        _, _, text = self.server.request("GET", "/metrics")
        lines = re.findall(rb'(?m)^surrogated_requests_total\{route="([^"]*)"[^}]*\} (\d+)', text)
        return sum(int(n) for route, n in lines if route not in PROBES)

    def test_the_path_is_kept(self):
        status, head, _ = self.ask("PUT", "/surrogate/v1/models/m", document())
        self.assertEqual(status, 201, head)
        self.assertRegex(head, r"(?i)\nlocation: /surrogate/v1/models/m/versions/1\r")
        self.assertEqual(self.ask("GET", "/surrogate/v1/models/m/versions/1")[0], 200)
        status, _, body = self.ask("GET", "/surrogate/")
        self.assertEqual((status, json.loads(body)["models"]), (200, "/surrogate/v1/models"))
        for path in ("/v1/models", "/surrogate2/v1/models", "/"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)
        status, _, body = self.ask("GET", "/surrogate/none")
        self.assertIn("/surrogate/none", json.loads(body)["detail"])

    def test_events_are_passed_on_as_they_come(self):
        self.assertEqual(self.ask("POST", "/surrogate/v1/models/m/data", rows(40))[0], 201)
        status, head, body = self.ask("POST", "/surrogate/v1/models/m/train",
                                      {"solver": "ensemble", "settings": {"epochs": 5}})
        self.assertEqual(status, 202, body)
        job = re.search(r"(?i)\nlocation: (/surrogate/v1/jobs/\d+)\r", head).group(1)
        status, _, body = self.ask("GET", f"{job}/events")
        self.assertEqual(status, 200)
        self.assertIn(b"succeeded", body)

    def test_an_address_that_a_client_writes_is_not_believed(self):
        for i, name in enumerate(("X-Forwarded-For", "Forwarded", "X-Real-IP")):
            status, _, _ = self.ask("PUT", "/surrogate/v1/models/m", document(seed=i), f"{name}: 203.0.113.7")
            self.assertEqual(status, 201)
        changes = self.server.request("GET", "/v1/audit")[2]["entries"]
        self.assertNotIn("203.0.113.7", {change["from"] for change in changes})

    def test_no_hidden_request_is_run(self):
        """As many requests have been run as answers came back, and the next client gets its own answer."""
        canary = CANARY.replace(b"/canary", b"/surrogate/canary")
        for name, raw, *_ in REFUSED + OPEN + READ:
            raw = raw.replace(CANARY, canary)
            for path in (b"/healthz", b"/predict", b"/v1/"):
                raw = re.sub(rb"(?m)^([A-Z]+ )" + path, rb"\1/surrogate" + path, raw, count=1)
            with self.subTest(name):
                before = self.n_requests()
                got = self.talk(raw + canary)
                status, _, body = self.ask("GET", "/surrogate/healthz")
                self.assertEqual((status, json.loads(body)["status"]), (200, "ok"), got)
                ran = self.n_requests() - before - 1  # that one
                answered = len(re.findall(OURS, got, re.IGNORECASE))
                self.assertIn(ran - answered, (0, 1) if name in UNANSWERED else (0,), got)
                self.assertLessEqual(got.count(b"/surrogate/canary"), 1)


if __name__ == "__main__":
    unittest.main()
