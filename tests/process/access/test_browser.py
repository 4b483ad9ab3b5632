# SPDX-License-Identifier: Apache-2.0
"""A page of another origin in a real browser reads nothing and changes nothing.

Needs Chromium, which the other tests do not: `apt-get install chromium` (about 300 MB); without it these are skipped.

The browser asks a small server of this test for its pages, directly and as its proxy. As the proxy that server also
plays the name whose address changes (DNS rebinding): the page comes from it, and everything else that is asked of the
same name is passed on to the surrogate's server, as if the name led there by then.
"""

import http.client
import http.server
import json
import os
import queue
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, ServerTest, architecture, document, rows

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARCHITECTURE = architecture(inputs=3, outputs=1)
SECRET = "secret-of-the-registry"
# Deletions are refused while a job of the model runs.
CHANGES = {("POST", "/v1/models/{m}/data"), ("POST", "/v1/models/{m}/train"), ("PUT", "/v1/models/{m}"),
           ("PUT", "/v1/models/{m}/default"), ("POST", "/v1/tokens")}
# What would keep such requests from the server, so that it is the server that is tried.
FEATURES = "BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights,LocalNetworkAccessChecks,HttpsUpgrades"


def page():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.html"), encoding="utf-8") as file:
        text = file.read()
    return text.replace("(ROWS)", f"({json.dumps(rows(30, d=3))})").replace("(DOCUMENT)", f"({json.dumps(document(seed=2, arch=ARCHITECTURE))})")


class Evil(http.server.BaseHTTPRequestHandler):
    """The attacker's server. self.server has `port` of the server that is attacked, and `reports`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", kind="text/html; charset=utf-8"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def take(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/attack.html":
            self.answer(200, page().encode())
        elif path == "/report":
            self.server.reports.put(json.loads(body))
            self.answer(200)
        elif urlsplit(self.path).hostname == "rebound.example":
            self.pass_on(body)
        else:
            self.answer(404)

    def pass_on(self, body):
        """To the address that the name has by now."""
        there = urlsplit(self.path)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        connection.request(self.command, there._replace(scheme="", netloc="").geturl() or "/", body or None, headers)
        answer = connection.getresponse()
        self.answer(answer.status, answer.read(), answer.getheader("Content-Type") or "text/plain")
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = take

    def do_CONNECT(self):
        self.answer(502)


class BrowserTest(ServerTest):
    def setUp(self):
        self.evil = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
        self.evil.daemon_threads = True
        self.evil.reports = queue.Queue()
        self.origin = f"http://127.0.0.1:{self.evil.server_address[1]}"
        self.flags = tuple(flag.replace("EVIL", self.origin) for flag in self.flags)
        super().setUp()
        self.evil.port = self.server.port
        threading.Thread(target=self.evil.serve_forever, daemon=True).start()
        self.addCleanup(self.evil.server_close)
        self.addCleanup(self.evil.shutdown)
        self.ok(201, "PUT", "/v1/models/m", document(arch=ARCHITECTURE))
        self.ok(201, "PUT", f"/v1/models/{SECRET}", document(arch=ARCHITECTURE))
        self.ok(201, "POST", "/v1/models/m/data", rows(30, d=3))
        self.ok(201, "POST", f"/v1/models/{SECRET}/data", rows(30, d=3))
        job = self.ok(202, "POST", f"/v1/models/{SECRET}/train",
                      {"gate": None, "solver": "ensemble", "settings": {"epochs": 2}})[1]["id"]
        self.server.wait_job(job, "succeeded")

    def browse(self, start, target):
        """What the page got, by what it tried."""
        profile = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, profile, True)
        browser = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
             f"--disable-features={FEATURES}", f"--user-data-dir={profile}", f"--proxy-server={self.origin}",
             f"{start}/attack.html?target={target}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return self.evil.reports.get(timeout=PATIENCE)
        finally:
            browser.terminate()
            browser.wait()

    def registry(self):
        db = sqlite3.connect(f"file:{self.server.db}?mode=ro", uri=True)
        lines = list(db.iterdump())
        db.close()
        return lines

    def changes(self):
        return {(e["method"], e["route"]) for e in self.audit() if e["status"] < 300}

    def audit(self):
        return self.ok(200, "GET", "/v1/audit?after=0&limit=1000")[1]["entries"]


@unittest.skipUnless(CHROMIUM, "chromium is missing: apt-get install chromium")
class Attacked(BrowserTest):
    def attack(self, start, target):
        registry, audit = self.registry(), self.audit()
        results = self.browse(start, target)
        self.assertGreater(len(results), 300)
        for name, got in results.items():
            self.assertNotIn(SECRET, got, name)
            self.assertNotIn("surrogated_", got, name)
            self.assertNotIn('"posterior"', got, name)
        self.assertEqual(self.registry(), registry)
        self.assertEqual([e for e in self.audit() if e not in audit and e["status"] < 400], [])
        return results

    def refusals(self):
        text = self.ok(200, "GET", "/metrics")[1].decode()
        return {code: int(n) for code, n in
                (line.split('code="')[1].split('"} ') for line in text.splitlines()
                 if line.startswith('surrogated_requests_total{route="other"'))}

    def test_a_page_of_another_port_and_one_of_another_site(self):
        for start in (self.origin, "http://evil.example"):
            with self.subTest(start=start):
                before = self.refusals().get("403", 0)
                results = self.attack(start, f"http://127.0.0.1:{self.server.port}")
                # They came as far as the server, and it refused them.
                self.assertGreater(self.refusals()["403"], before + 50)
                self.assertEqual({results[f"fetch cors GET {path}"] for path in ("/v1/models", "/metrics")}, {"refused"})
                self.assertEqual(results["fetch no-cors GET /v1/models"], "opaque 0 ")
                self.assertEqual((results["events"], results["socket /v1/models"]), ("refused", "refused"))
                self.assertEqual(results["script /v1/models"], "refused")

    def test_a_name_that_was_rebound(self):
        results = self.attack("http://rebound.example", "http://rebound.example")
        self.assertRegex(results["fetch cors GET /v1/models"], r"^basic 421 ")
        self.assertRegex(results["fetch cors DELETE /v1/models/m null"], r"^basic 421 ")
        self.assertEqual(results["events"], "refused")
        self.assertGreater(self.refusals()["421"], 100)


@unittest.skipUnless(CHROMIUM, "chromium is missing: apt-get install chromium")
class Listed(BrowserTest):
    """The same page where its origin is listed: what it tries does work, so that its failures above say something."""

    flags = ("--cors-origins", "EVIL", "--hosts", "rebound.example")

    def test_a_listed_page_reads_and_changes(self):
        results = self.browse(self.origin, f"http://127.0.0.1:{self.server.port}")
        self.assertIn(SECRET, results["fetch cors GET /v1/models"])
        self.assertRegex(results["fetch cors POST /v1/tokens application/json"], r"^cors 201 ")
        self.assertLessEqual(CHANGES, self.changes())

    def test_a_name_of_its_own_reads_and_changes(self):
        results = self.browse("http://rebound.example", "http://rebound.example")
        self.assertIn(SECRET, results["fetch cors GET /v1/models"])
        self.assertIn(SECRET, results["events"])
        self.assertLessEqual(CHANGES, self.changes())


if __name__ == "__main__":
    unittest.main()
