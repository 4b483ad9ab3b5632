# SPDX-License-Identifier: Apache-2.0
"""HTTPS: versions, renewed certificates under load, certificates of clients. Needs the openssl command."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from harness import PATIENCE, Server, document

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_certificate(folder, name, signer=None):
    """name.pem and name.key for localhost, signed by itself or by signer."""
    cert, key = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key"))
    by = [] if signer is None else ["-CA", os.path.join(folder, f"{signer}.pem"),
                                    "-CAkey", os.path.join(folder, f"{signer}.key")]
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", key, "-out", cert, *by)
    return cert, key


@unittest.skipUnless(shutil.which("openssl"), "the openssl command is missing: apt-get install openssl")
class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.cert, self.key = make_certificate(self.folder, "first")
        self.server = None

    def start(self, *flags):
        self.server = Server(self.folder, "--tls_cert", self.cert, "--tls_key", self.key, *flags).start()
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def context(self, ca=None):
        context = ssl.create_default_context(cafile=ca or self.cert)
        return context

    def ask(self, context, request=GET):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as s:
                s.sendall(request)
                got = b""
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        return got, s.version(), s.getpeercert()
                    got += piece

    def test_requests_are_answered_over_tls_alone(self):
        self.start()
        got, version, _ = self.ask(self.context())
        self.assertIn(b"200 OK", got)
        self.assertEqual(version, "TLSv1.3")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as plain:
            plain.sendall(GET)
            try:
                self.assertNotIn(b"200 OK", plain.recv(4096))
            except ConnectionResetError:
                pass

    def test_large_bodies_and_answers_pass(self):
        self.start()
        body = json.dumps(document()).encode()
        put = b"PUT /v1/models/m HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.assertIn(b"201 Created", self.ask(self.context(), put + body)[0])
        rows = json.dumps({"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 50000}).encode()
        post = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(rows)
        got, _, _ = self.ask(self.context(), post + rows)
        self.assertIn(b"200 OK", got)
        self.assertGreater(len(got), 1000000)

    def test_old_versions_are_refused(self):
        self.start()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.context()
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
            with self.subTest(version=version), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.ask(context)
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(self.ask(context)[1], "TLSv1.2")

    def test_a_renewed_certificate_is_taken_over_without_a_failed_request(self):
        self.start()
        failures = []
        ends = threading.Event()
        both = os.path.join(self.folder, "both.pem")
        second = make_certificate(self.folder, "second")
        with open(both, "w", encoding="utf-8") as file:
            for cert in (self.cert, second[0]):
                with open(cert, encoding="utf-8") as one:
                    file.write(one.read())
        context = self.context(both)

        def load():
            while not ends.is_set():
                try:
                    if b"200 OK" not in self.ask(context)[0]:
                        failures.append("no answer")
                except OSError as error:
                    failures.append(repr(error))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        for source, target in zip(second, (self.cert, self.key)):
            shutil.copy(source, target + ".new")
            os.replace(target + ".new", target)
        names = set()
        for _ in range(int(PATIENCE / 0.1)):
            names = {value for part in self.ask(context)[2]["subject"] for _, value in part}
            if names == {"second"}:
                break
            time.sleep(0.1)
        ends.set()
        for thread in threads:
            thread.join()
        self.assertEqual(names, {"second"})
        self.assertEqual(failures, [])

    def test_a_bad_renewal_leaves_the_certificate_that_was_there(self):
        self.start()
        with open(self.cert, "w", encoding="utf-8") as file:
            file.write("nothing\n")
        for _ in range(int(PATIENCE / 0.1)):
            if "certificate not taken over" in self.server.log_text():
                break
            time.sleep(0.1)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.assertIn(b"200 OK", self.ask(context)[0])

    def test_clients_need_a_certificate_where_one_is_asked_for(self):
        ca, _ = make_certificate(self.folder, "farm")
        known = make_certificate(self.folder, "client", "farm")
        stranger = make_certificate(self.folder, "stranger")
        self.start("--tls_client_ca", ca)
        context = self.context()
        context.load_cert_chain(*known)
        self.assertIn(b"200 OK", self.ask(context)[0])
        for pair in (None, stranger):
            context = self.context()
            if pair is not None:
                context.load_cert_chain(*pair)
            with self.subTest(pair=pair):
                try:
                    self.assertEqual(self.ask(context)[0], b"")
                except OSError:
                    pass

    def test_what_cannot_be_used_is_refused_at_start(self):
        other = make_certificate(self.folder, "other")
        for flags, word in ((("--tls_cert", self.cert, "--tls_key", other[1]), "tls_key is not the key"),
                            (("--tls_cert", "/nowhere", "--tls_key", self.key), "tls_cert"),
                            (("--tls_cert", self.key, "--tls_key", self.key), "cannot be used")):
            with self.subTest(word=word):
                server = Server(self.folder, *flags).launch()
                self.assertNotEqual(server.process.wait(PATIENCE), 0)
                self.assertIn(word, server.log_text())
                server.log.close()


if __name__ == "__main__":
    unittest.main()
