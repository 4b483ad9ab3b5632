# SPDX-License-Identifier: Apache-2.0
"""What a scanner of TLS servers would try: versions, ciphers, renegotiation, compression, tickets."""

import os
import shutil
import ssl
import socket
import subprocess
import tempfile
import unittest

import client_hello
from certificates import make_certificate, needs_openssl
from client_hello import SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3
from harness import PATIENCE, Server

# Numbers of IANA's registry.
WEAK = {"NULL_NULL": 0x0000, "RSA_NULL_MD5": 0x0001, "RSA_NULL_SHA": 0x0002, "RSA_NULL_SHA256": 0x003b,
        "ECDHE_RSA_NULL_SHA": 0xc010, "ECDHE_ECDSA_NULL_SHA": 0xc006, "RSA_EXPORT_RC4_40": 0x0003,
        "RSA_EXPORT_DES40": 0x0008, "DHE_RSA_EXPORT_DES40": 0x0014, "RSA_RC4_MD5": 0x0004, "RSA_RC4_SHA": 0x0005,
        "ECDHE_RSA_RC4_SHA": 0xc011, "ECDHE_ECDSA_RC4_SHA": 0xc007, "RSA_DES": 0x0009, "RSA_3DES": 0x000a,
        "DHE_RSA_3DES": 0x0016, "ECDHE_RSA_3DES": 0xc012, "ECDHE_ECDSA_3DES": 0xc008, "RSA_IDEA": 0x0007,
        "RSA_SEED": 0x0096, "DH_ANON_RC4": 0x0018, "DH_ANON_AES128": 0x0034, "DH_ANON_AES128_GCM": 0x00a6,
        "ECDH_ANON_NULL": 0xc015, "ECDH_ANON_AES128": 0xc018, "PSK_AES128": 0x008c, "SRP_AES128": 0xc01d}
# Neither broken nor needed: without forward secrecy, or with CBC.
OLD = {"RSA_AES128_SHA": 0x002f, "RSA_AES256_SHA": 0x0035, "RSA_AES128_SHA256": 0x003c, "RSA_AES128_GCM": 0x009c,
       "DHE_RSA_AES128_SHA": 0x0033, "DHE_RSA_AES128_SHA256": 0x0067, "ECDHE_RSA_AES128_SHA": 0xc013,
       "ECDHE_RSA_AES256_SHA": 0xc014, "ECDHE_RSA_AES128_SHA256": 0xc027, "ECDHE_ECDSA_AES128_SHA": 0xc009,
       "ECDHE_ECDSA_AES128_SHA256": 0xc023, "RSA_CAMELLIA128_SHA": 0x0041}
GOOD = {"rsa": {"ECDHE_RSA_AES128_GCM": 0xc02f, "ECDHE_RSA_AES256_GCM": 0xc030, "ECDHE_RSA_CHACHA20": 0xcca8},
        "ec": {"ECDHE_ECDSA_AES128_GCM": 0xc02b, "ECDHE_ECDSA_AES256_GCM": 0xc02c, "ECDHE_ECDSA_CHACHA20": 0xcca9}}
DOWNGRADE = b"DOWNGRD\x01"  # RFC 8446, section 4.1.3
KEYS = {"rsa": ("-newkey", "rsa:2048"), "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")}
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class ScanTest(unittest.TestCase):
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.servers = {}
        for kind, key in KEYS.items():
            place = os.path.join(cls.folder, kind)
            os.mkdir(place)
            cert, secret = make_certificate(place, "server", key=key)
            server = Server(place, "--tls_cert", cert, "--tls_key", secret).start()
            cls.addClassCleanup(server.stop)
            cls.servers[kind] = server

    def hello(self, kind, *args, **more):
        address = ("127.0.0.1", self.servers[kind].port)
        return client_hello.talk(address, client_hello.client_hello(*args, **more), PATIENCE)

    def tearDown(self):
        for server in self.servers.values():
            self.assertIsNone(server.process.poll())


@needs_openssl
class Hellos(ScanTest):
    def test_old_versions_are_refused_with_every_cipher(self):
        for kind, good in GOOD.items():
            ciphers = [*good.values(), *OLD.values(), *WEAK.values()]
            for version in (SSL3, TLS1_0, TLS1_1):
                with self.subTest(kind=kind, version=hex(version)):
                    self.assertTrue(self.hello(kind, version, ciphers).refused)
            self.assertEqual(self.hello(kind, TLS1_2, ciphers).version, TLS1_2)
        # SSL 2 has a hello of its own.
        old = bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + os.urandom(16)
        self.assertTrue(client_hello.talk(("127.0.0.1", self.servers["rsa"].port), old, PATIENCE).refused)

    def test_ciphers_one_by_one(self):
        for kind, good in GOOD.items():
            for name, cipher in {**WEAK, **OLD}.items():
                with self.subTest(kind=kind, cipher=name):
                    self.assertTrue(self.hello(kind, TLS1_2, [cipher]).refused)
            for name, cipher in good.items():
                with self.subTest(kind=kind, cipher=name):
                    self.assertEqual(self.hello(kind, TLS1_2, [cipher]).cipher, cipher)
            # What is weak is not chosen because it comes first.
            answer = self.hello(kind, TLS1_2, [*WEAK.values(), *OLD.values(), *good.values()])
            self.assertIn(answer.cipher, good.values())

    def test_compression_tickets_renegotiation_and_protocols(self):
        for kind, good in GOOD.items():
            answer = self.hello(kind, TLS1_2, list(good.values()), protocols=(b"h2", b"http/1.1"),
                                compressions=(client_hello.DEFLATE, client_hello.NO_COMPRESSION))
            self.assertEqual(answer.compression, client_hello.NO_COMPRESSION)
            self.assertEqual(answer.extensions[client_hello.RENEGOTIATION_INFO], b"\0")
            self.assertNotIn(client_hello.SESSION_TICKET, answer.extensions)
            # Never h2, which is not spoken here.
            self.assertIn(answer.extensions.get(client_hello.ALPN), (None, b"\x00\x09\x08http/1.1"))
            refused = self.hello(kind, TLS1_2, list(good.values()), compressions=(client_hello.DEFLATE,))
            self.assertTrue(refused.refused)

    def test_a_client_that_was_made_to_fall_back_notices(self):
        for kind, good in GOOD.items():
            answer = self.hello(kind, TLS1_2, list(good.values()))
            self.assertEqual(answer.random[-8:], DOWNGRADE)

    def test_any_name_or_none_gets_the_certificate(self):
        for kind, good in GOOD.items():
            for name in (None, b"localhost", b"other.example", b"127.0.0.1", b"x" * 250):
                with self.subTest(kind=kind, name=name):
                    self.assertFalse(self.hello(kind, TLS1_2, list(good.values()), name=name).refused)

    def test_hellos_that_are_none_do_no_harm(self):
        good = client_hello.client_hello(TLS1_2, list(GOOD["ec"].values()))
        address = ("127.0.0.1", self.servers["ec"].port)
        for at in (0, 1, 5, 6, 9, 11, 43, 44, 46, len(good) - 1):
            broken = bytearray(good)
            broken[at] ^= 0xff
            with socket.create_connection(address, timeout=PATIENCE) as s:
                try:
                    s.sendall(broken)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
                except OSError as error:  # it may close before all is sent
                    self.assertNotIsInstance(error, TimeoutError)
        self.assertFalse(self.hello("ec", TLS1_2, list(GOOD["ec"].values())).refused)


@needs_openssl
class Openssl(ScanTest):
    """As the openssl command sees it."""

    def s_client(self, kind, *words, text=""):
        run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.servers[kind].port}", *words],
                             input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return run.stdout + run.stderr

    def test_both_versions_are_spoken(self):
        for kind in KEYS:
            for words, wanted in ((("-tls1_2",), ("New, TLSv1.2", "Secure Renegotiation IS supported",
                                                  "Compression: NONE", "Extended master secret: yes")),
                                  (("-tls1_3",), ("New, TLSv1.3", "Compression: NONE", "Early data was not sent"))):
                out = self.s_client(kind, *words)
                for text in wanted:
                    with self.subTest(kind=kind, words=words, text=text):
                        self.assertIn(text, out)
                self.assertNotIn("TLS session ticket:", out)

    def test_renegotiation_by_the_client_is_refused_or_does_no_harm(self):
        for kind in KEYS:
            out = self.s_client(kind, "-tls1_2", text="R\n")
            self.assertIn("RENEGOTIATING", out)
            context = self.context()
            with self.connect(kind, context) as s:
                s.sendall(GET)
                self.assertIn(b"200 OK", s.recv(4096))

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def connect(self, kind, context, session=None):
        plain = socket.create_connection(("127.0.0.1", self.servers[kind].port), timeout=PATIENCE)
        return context.wrap_socket(plain, session=session)

    def test_no_session_is_resumed(self):
        """So that nobody is let in by a certificate that was looked at long ago."""
        for kind in KEYS:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = self.context()
                context.minimum_version = context.maximum_version = version
                with self.connect(kind, context) as s:
                    s.sendall(GET)
                    self.assertIn(b"200 OK", s.recv(4096))
                    session = s.session
                with self.connect(kind, context, session) as s:
                    s.sendall(GET)
                    self.assertIn(b"200 OK", s.recv(4096))
                    self.assertFalse(s.session_reused)

    def test_versions_are_those_of_the_list(self):
        self.assertEqual(TLS1_3, 0x0304)
        for kind in KEYS:
            context = self.context()
            with self.connect(kind, context) as s:
                self.assertEqual(s.version(), "TLSv1.3")
                self.assertIsNone(s.compression())


if __name__ == "__main__":
    unittest.main()
