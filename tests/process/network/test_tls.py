# SPDX-License-Identifier: Apache-2.0
"""HTTPS: versions, renewed certificates under load, certificates of clients. Needs the openssl command."""

import json
import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
import unittest

from certificates import join, make_certificate, make_dated, needs_openssl, openssl
from harness import PATIENCE, Server, document

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@needs_openssl
class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.cert, self.key = make_certificate(self.folder, "first")
        self.server = None

    def start(self, *flags):
        self.server = Server(self.folder, "--tls_cert", self.cert, "--tls_key", self.key, *flags).start()
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def wait_log(self, text):
        for _ in range(int(PATIENCE / 0.05)):
            if text in self.server.log_text():
                return
            time.sleep(0.05)
        self.fail(f"{text!r} is not in the log: {self.server.log_text()}")

    def refused(self, message, *flags):
        server = Server(self.folder, *flags).launch()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        self.assertNotEqual(server.process.wait(PATIENCE), 0)
        self.assertIn(message, server.log_text())
        server.log.close()
        with open(server.log.name, "w", encoding="ascii"):
            pass

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

    def test_a_line_between_chunks_that_fills_the_buffer_is_answered(self):
        """The library has no word for it, and the answer must not go around the session."""
        self.start("--http_threads", "1", "--head_timeout_s", "3600")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for size in (20000, 100000):
                with self.subTest(version=version.name, size=size):
                    context = self.context()
                    context.maximum_version = version
                    got, _, _ = self.ask(context, b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
                                         b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * size)
                    head, _, problem = got.partition(b"\r\n\r\n")
                    self.assertIn(b" 400 ", head)
                    self.assertIn(f"Content-Length: {len(problem)}\r\n".encode(), head + b"\r\n")
                    # Where the line ends with the first buffer the library says so itself.
                    self.assertTrue(b"longer than 16384 bytes" in problem or b"malformed" in problem, problem)
        self.assertIn(b"200 OK", self.ask(self.context())[0])

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
        second = make_certificate(self.folder, "second")
        context = self.context(join(os.path.join(self.folder, "both.pem"), self.cert, second[0]))

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
        self.wait_log("certificate not taken over")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.assertIn(b"200 OK", self.ask(context)[0])

    def test_clients_need_a_certificate_where_one_is_asked_for(self):
        ca, _ = make_certificate(self.folder, "farm")
        known = make_certificate(self.folder, "client", "farm")
        self.start("--tls_client_ca", ca)
        context = self.context()
        context.load_cert_chain(*known)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            self.assertIn(b"200 OK", self.ask(context)[0])
        strangers = {"none": None, "signed by itself": make_certificate(self.folder, "stranger"),
                     "of another authority with the same name": self.impostor(),
                     "expired": make_dated(self.folder, "old", "20200101000000Z", "20200201000000Z", "farm"),
                     "not valid yet": make_dated(self.folder, "new", "20900101000000Z", "20900201000000Z", "farm")}
        for name, pair in strangers.items():
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = self.context()
                context.maximum_version = version
                if pair is not None:
                    context.load_cert_chain(*pair)
                with self.subTest(name, version=version):
                    try:
                        self.assertEqual(self.ask(context)[0], b"")
                    except OSError:
                        pass

    def impostor(self):
        place = os.path.join(self.folder, "elsewhere")
        os.mkdir(place)
        make_certificate(place, "farm")
        return make_certificate(place, "client", "farm")

    def make_chain(self, n):
        """A file of n certificates, each signed by the next one, and the key of the first."""
        make_certificate(self.folder, "link0")
        for i in range(1, n):
            make_certificate(self.folder, f"link{i}", f"link{i - 1}")
        links = [os.path.join(self.folder, f"link{i}.pem") for i in reversed(range(n))]
        return join(os.path.join(self.folder, "chain.pem"), *links), links[0].replace(".pem", ".key")

    def test_a_chain_has_a_length(self):
        longest = self.make_chain(16)
        self.server = Server(self.folder, "--tls_cert", longest[0], "--tls_key", longest[1]).start()
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))
        context = self.context(os.path.join(self.folder, "link0.pem"))
        self.assertIn(b"200 OK", self.ask(context)[0])
        # One more: the server goes on with the one it has, and says why.
        make_certificate(self.folder, "link16", "link15")
        longer = join(os.path.join(self.folder, "longer.pem"), os.path.join(self.folder, "link16.pem"), longest[0])
        os.replace(os.path.join(self.folder, "link16.key"), longest[1])
        os.replace(longer, longest[0])
        self.wait_log("tls_cert has 17 certificates, at most 16")
        self.assertIn(b"200 OK", self.ask(context)[0])
        other = tempfile.mkdtemp(dir=self.folder)
        server = Server(other, "--tls_cert", longest[0], "--tls_key", longest[1]).launch()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        self.assertNotEqual(server.process.wait(PATIENCE), 0)
        self.assertIn("tls_cert has 17 certificates, at most 16", server.log_text())
        server.log.close()

    def test_a_bad_renewal_is_told_of_once(self):
        self.start()
        with open(self.cert, "w", encoding="utf-8") as file:
            file.write("nothing\n")
        self.wait_log("certificate not taken over")
        time.sleep(3)  # two more looks
        self.assertEqual(self.server.log_text().count("certificate not taken over"), 1)

    def test_certificates_that_clients_will_refuse_are_warned_of(self):
        for name, begin, end, text in (("old", "20200101000000Z", "20200201000000Z", "the certificate has expired"),
                                       ("new", "20900101000000Z", "20900201000000Z", "the certificate is not valid yet")):
            cert, key = make_dated(self.folder, name, begin, end)
            server = Server(self.folder, "--tls_cert", cert, "--tls_key", key).start()
            self.assertIn(f'level=warn message="{text}"', server.log_text())
            self.assertEqual(server.stop(), 0)
        self.start()
        self.assertEqual(self.server.log_text().count("level=warn"), 2)

    def test_what_cannot_be_used_is_refused_at_start(self):
        other = make_certificate(self.folder, "other")
        dsa = os.path.join(self.folder, "dsa")
        openssl("dsaparam", "-genkey", "-out", f"{dsa}.key", "2048")
        openssl("req", "-x509", "-key", f"{dsa}.key", "-subj", "/CN=dsa", "-out", f"{dsa}.pem")
        secret = os.path.join(self.folder, "secret.key")
        openssl("pkcs8", "-topk8", "-in", self.key, "-out", secret, "-passout", "pass:secret")
        empty = join(os.path.join(self.folder, "empty"))
        ours = ("--tls_cert", self.cert, "--tls_key", self.key)
        for flags, word in ((("--tls_cert", self.cert, "--tls_key", other[1]), "tls_key is not the key"),
                            (("--tls_cert", "/nowhere", "--tls_key", self.key), "tls_cert: /nowhere cannot be read"),
                            (("--tls_cert", self.cert, "--tls_key", "/nowhere"), "tls_key: /nowhere cannot be read"),
                            (("--tls_cert", self.key, "--tls_key", self.key), "tls_cert holds no certificate"),
                            (("--tls_cert", empty, "--tls_key", self.key), "tls_cert holds no certificate"),
                            (("--tls_cert", self.cert, "--tls_key", secret), "cannot be used"),
                            (("--tls_cert", f"{dsa}.pem", "--tls_key", f"{dsa}.key"), "no client could connect"),
                            # Half of it must not mean plain HTTP.
                            (("--tls_cert", self.cert), "tls_key is missing"),
                            (("--tls_key", self.key), "tls_cert is missing"),
                            (("--tls_client_ca", self.cert), "tls_cert is missing"),
                            ((*ours, "--tls_client_ca", "/nowhere"), "tls_client_ca: /nowhere cannot be read"),
                            ((*ours, "--tls_client_ca", self.key), "tls_client_ca holds no certificate"),
                            ((*ours, "--tls_client_ca", empty), "tls_client_ca holds no certificate")):
            with self.subTest(word=word, flags=flags):
                self.refused(word, *flags)

    def test_a_unix_socket_beside_it_is_plain(self):
        path = os.path.join(self.folder, "socket")
        ca, _ = make_certificate(self.folder, "farm")
        self.start("--listen", f"127.0.0.1:0, unix:{path}", "--tls_client_ca", ca)
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(PATIENCE)
                local.connect(path)
                local.sendall(GET)
                self.assertIn(b"200 OK", local.recv(4096))
        try:
            self.assertEqual(self.ask(self.context())[0], b"")  # there a certificate is asked for
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main()
