# SPDX-License-Identifier: Apache-2.0
"""The client commands and the health check over TLS, with certificates of their own, and over a Unix socket."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from certificates import join, make_certificate, needs_openssl
from harness import BINARY, PATIENCE, Server, binary, document

# Every client command, and a word of its answer. The job is one that is not there.
COMMANDS = [(("models",), "heat"), (("data", "heat"), "0"), (("jobs",), "ID"),
            (("predict", "heat", "--at", "0.1,0.2,0.3"), "mean"), (("diagnostics", "heat"), "heat")]
REFUSED = [("train", "heat"), ("watch", "7"), ("evaluate", "heat", "-")]


class TlsClient(unittest.TestCase):
    server_flags = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.ca = make_certificate(self.folder, "farm")[0]
        self.cert, self.key = make_certificate(self.folder, "server", "farm")
        self.server = Server(self.folder, "--tls_cert", self.cert, "--tls_key", self.key,
                             *(flag.format(ca=self.ca) for flag in self.server_flags)).start()
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))
        self.address = f"https://localhost:{self.server.port}"
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("SURROGATED_T")}
        self.env["SURROGATED_SERVER"] = self.address

    def run_client(self, *words, env=None, **more):
        return binary(*words, env={**self.env, **(env or {})}, **more)

    def bad(self, status, message, *words, **more):
        done = self.run_client(*words, **more)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        self.assertIn(message, done.stderr)
        self.assertNotIn("-----END", done.stderr)

    def check_commands(self, *files, **more):
        done = self.run_client("models", "put", "heat", "-", *files, input=json.dumps(document()), **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words, wanted in COMMANDS:
            with self.subTest(words=words):
                done = self.run_client(*words, *files, **more)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(wanted, done.stdout)
        for words in REFUSED:  # by the server, which has neither rows nor a job 7
            with self.subTest(words=words):
                done = self.run_client(*words, *files, input="", **more)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertNotIn("no answer", done.stderr)


@needs_openssl
class OneSided(TlsClient):
    def test_every_command_takes_an_authority_as_an_option_or_a_variable(self):
        self.check_commands("--tls-ca", self.ca)
        done = self.run_client("models", env={"SURROGATED_TLS_CA": self.ca})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.run_client("models", "--tls_ca", self.cert, env={"SURROGATED_TLS_CA": "/nowhere"})
        self.assertEqual((done.returncode, done.stderr), (0, ""), "the option wins, and names in either spelling")

    def test_a_server_that_is_not_known_is_not_asked(self):
        other = make_certificate(self.folder, "other")[0]
        self.bad(3, "--tls-ca names the authority", "models")
        self.bad(3, "not of an authority in tls-ca", "models", "--tls-ca", other)
        elsewhere = make_certificate(self.folder, "elsewhere", "farm", names="subjectAltName=DNS:elsewhere")
        server = Server(tempfile.mkdtemp(dir=self.folder), "--tls_cert", elsewhere[0], "--tls_key", elsewhere[1])
        server.start()
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
        self.bad(3, "of another host", "models", "--tls-ca", self.ca, "--server", f"https://localhost:{server.port}")

    def test_files_that_cannot_be_used_are_named(self):
        empty = os.path.join(self.folder, "empty")
        broken = os.path.join(self.folder, "broken")
        with open(empty, "w", encoding="ascii"):
            pass
        with open(broken, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
        for message, words in (("tls-ca /nowhere cannot be read: No such file", ("--tls-ca", "/nowhere")),
                               (f"tls-ca {self.folder} cannot be read", ("--tls-ca", self.folder)),
                               (f"tls-ca {empty} is no PEM file", ("--tls-ca", empty)),
                               (f"tls-ca {self.key} is no PEM file", ("--tls-ca", self.key)),
                               (f"tls-client-key {self.cert} is no PEM file", ("--tls-client-cert", self.cert)),
                               ("tls-client-key needs tls-client-cert", ("--tls-client-key", self.key))):
            with self.subTest(words=words):
                self.bad(2, message, "models", *words)
        self.bad(2, "/nowhere", "models", env={"SURROGATED_TLS_CA": "/nowhere"})
        self.assertIn(self.run_client("models", "--tls-ca", broken).returncode, (2, 3))
        plain = self.address.replace("https", "http")
        self.bad(2, "tls-ca needs a server with https://", "models", "--server", plain, "--tls-ca", self.ca)
        self.bad(3, "no answer from", "models", "--server", plain)

    def test_health_is_asked_of_the_server_with_our_key(self):
        listen = f"127.0.0.1:{self.server.port}"
        done = self.run_client("healthcheck", "--listen", listen, "--tls_cert", self.cert)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        config = os.path.join(self.folder, "conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"listen = {listen}\ntls_cert = {self.cert}\ntls_key = {self.key}\n")
        self.assertEqual(self.run_client("healthcheck", "--config", config).returncode, 0)
        done = self.run_client("healthcheck", "--listen", f"localhost:{self.server.port}", "--tls_ca", self.ca)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        other = make_certificate(self.folder, "other", "farm")[0]
        self.bad(1, "another certificate than tls_cert", "healthcheck", "--listen", listen, "--tls_cert", other)
        self.bad(1, "tls_cert: /nowhere cannot be read", "healthcheck", "--listen", listen, "--tls_cert", "/nowhere")
        self.bad(1, "is not ready", "healthcheck", "--listen", listen)
        # By the authority the name counts.
        self.bad(1, "is not ready", "healthcheck", "--listen", listen, "--tls_ca", other)


@needs_openssl
class Mutual(TlsClient):
    server_flags = ("--tls_client_ca", "{ca}")

    def test_every_command_shows_its_certificate(self):
        cert, key = make_certificate(self.folder, "client", "farm")
        self.check_commands("--tls-ca", self.ca, "--tls-client-cert", cert, "--tls-client-key", key)
        both = join(os.path.join(self.folder, "both"), cert, key)
        self.check_commands(env={"SURROGATED_TLS_CA": self.ca, "SURROGATED_TLS_CLIENT_CERT": both})

    def test_without_one_or_with_a_wrong_one_there_is_no_answer(self):
        stranger = make_certificate(self.folder, "stranger")
        self.bad(3, "--tls-client-cert", "models", "--tls-ca", self.ca)
        self.bad(3, "may not accept the certificate", "models", "--tls-ca", self.ca, "--tls-client-cert", stranger[0],
                 "--tls-client-key", stranger[1])
        # A key of another certificate.
        done = self.run_client("models", "--tls-ca", self.ca, "--tls-client-cert", stranger[0], "--tls-client-key", self.key)
        self.assertIn(done.returncode, (2, 3))
        self.assertNotEqual(done.stderr, "")

    def test_health(self):
        listen = f"127.0.0.1:{self.server.port}"
        cert, key = make_certificate(self.folder, "client", "farm")
        words = ("healthcheck", "--listen", listen, "--tls_cert", self.cert)
        done = self.run_client(*words, "--tls_client_cert", cert, "--tls_client_key", key)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.run_client(*words, env={"SURROGATED_TLS_CLIENT_CERT": cert, "SURROGATED_TLS_CLIENT_KEY": key})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.bad(1, "is not ready", *words)


class Spy:
    """Takes connections and keeps what the first pieces of them are."""

    def __init__(self, host):
        self.socket = socket.create_server((host, 0))
        self.port = self.socket.getsockname()[1]
        self.got = []
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                self.got.append(client.recv(4096))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n"
                               b"Connection: close\r\n\r\n{\"models\":[]}")

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class Exposure(unittest.TestCase):
    """A token does not leave the machine in the clear."""

    def setUp(self):
        self.spy = Spy("0.0.0.0")
        self.addCleanup(self.spy.close)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("SURROGATED_T")}

    def ask(self, host, *words, **env):
        return binary("models", "--server", f"http://{host}:{self.spy.port}", *words, env={**self.env, **env})

    def test_a_token_or_password_for_another_machine_is_not_sent(self):
        secret = "sgt_a_" + "0" * 64
        for host, word in (("0.0.0.0", "token"), ("surrogate.example.org", "token"), ("10.1.2.3", "token"),
                           ("127.0.0.1.example.org", "token"), ("[2001:db8::1]", "token")):
            with self.subTest(host=host):
                done = self.ask(host, SURROGATED_TOKEN=secret)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"the {word} would go to http://{host}:{self.spy.port} over plain HTTP", done.stderr)
                self.assertNotIn(secret, done.stderr)
        done = self.ask("ann:geheim@0.0.0.0")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("the password would go to http://0.0.0.0:", done.stderr)
        self.assertNotIn("geheim", done.stderr)
        self.assertEqual(self.spy.got, [])

    def test_the_process_list_shows_no_password(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(PATIENCE)
            for scheme in ("http://", ""):
                for form in ("--server {}", "--server={}"):
                    url = f"{scheme}ann:ge%40heim@127.0.0.1:{silent.getsockname()[1]}/a@b"
                    client = subprocess.Popen([BINARY, "models", *form.format(url).split()], env=self.env,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    self.addCleanup(client.wait, PATIENCE)
                    self.addCleanup(client.kill)
                    connection, _ = silent.accept()
                    with connection, open(f"/proc/{client.pid}/cmdline", "rb") as file:
                        line = file.read()
                        self.assertIn(b"Authorization: Basic " + base64.b64encode(b"ann:ge@heim"), connection.recv(4096))
                    self.assertFalse(b"heim" in line or b"ann" in line, line)
                    self.assertIn(f"*@127.0.0.1:{silent.getsockname()[1]}/a@b".encode(), line)

    def test_this_machine_and_who_says_so_get_it(self):
        secret = "sgt_a_" + "0" * 64
        for host, words, env in (("127.0.0.1", (), {}), ("localhost", (), {}), ("127.9.8.7", (), {}),
                                 ("0.0.0.0", ("--token-in-clear",), {}),
                                 ("0.0.0.0", (), {"SURROGATED_TOKEN_IN_CLEAR": "true"})):
            with self.subTest(host=host):
                done = self.ask(host, *words, SURROGATED_TOKEN=secret, **env)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"Bearer {secret}".encode(), self.spy.got[-1])
        # Without a secret there is nothing to keep.
        self.assertEqual(self.ask("0.0.0.0").returncode, 0)
        self.assertEqual(self.ask("0.0.0.0", SURROGATED_TOKEN=secret, SURROGATED_TOKEN_IN_CLEAR="no").returncode, 2)


class UnixSocket(unittest.TestCase):
    def test_every_command_over_a_unix_socket(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        server = Server(folder, "--listen", f"unix:{path}").start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        env = {**os.environ, "SURROGATED_SERVER": f"unix:{path}"}
        done = binary("models", "put", "heat", "-", env=env, input=json.dumps(document()))
        self.assertEqual(done.returncode, 0, done.stderr)
        for words, wanted in COMMANDS:
            with self.subTest(words=words):
                done = binary(*words, env=env)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(wanted, done.stdout)
        # A token may go that way, for nobody else can read it.
        done = binary("models", env={**env, "SURROGATED_TOKEN": "sgt_a_" + "0" * 64})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(binary("healthcheck", "--listen", f"unix:{path}").returncode, 0)
        self.assertEqual(server.stop(), 0)
        done = binary("models", env=env)
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"no answer from unix:{path}", done.stderr)
        done = binary("healthcheck", "--listen", f"unix:{path}")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"unix:{path} is not ready", done.stderr)

    def test_paths_that_are_none(self):
        for path in ("unix:", "unix:socket", "unix:/", "unix:/" + "x" * 107):
            done = binary("models", "--server", path)
            self.assertEqual(done.returncode, 2, path)
            self.assertIn("unix:/path/of/the/socket is needed, of at most 107 bytes", done.stderr)
        self.assertEqual(binary("models", "--server", "unix:/" + "x" * 106).returncode, 3)


if __name__ == "__main__":
    unittest.main()
