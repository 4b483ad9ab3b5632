# SPDX-License-Identifier: Apache-2.0
"""Listening on sockets of the file system, alone and beside TCP."""

import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from harness import BINARY, PATIENCE, Server, binary, document, rows

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class UnixTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "socket")

    def start(self, *flags, listen=None, folder=None):
        server = Server(folder or self.folder, "--listen", listen or f"unix:{self.path}", *flags).start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        return server

    def refused(self, message, *flags, listen=None):
        """A second server, with a registry of its own, does not start."""
        run = binary("serve", "--listen", listen or f"unix:{self.path}", "--db", os.path.join(self.folder, "other.db"),
                     *flags)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn(message, run.stderr)

    def ask(self, method, target, body=None, headers=None, path=None):
        connection = UnixConnection(path or self.path)
        try:
            connection.request(method, target, json.dumps(body) if body is not None else None, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()


class Life(UnixTest):
    def test_requests_are_answered_and_the_file_goes_with_the_server(self):
        server = self.start()
        mode = os.lstat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(self.ask("PUT", "/v1/models/m", document())[0], 201)
        status, answer = self.ask("POST", "/predict", {"model": "m", "inputs": [[0.1, 0.2, 0.3]]})
        self.assertEqual((status, len(answer["mean"])), (200, 1))
        big = {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 100000}
        status, answer = self.ask("POST", "/predict", big)
        self.assertEqual((status, len(answer["mean"])), (200, 100000))
        self.assertEqual(self.ask("GET", "/v1/models", None, {"Host": "evil.example"})[0], 421)
        self.assertEqual(self.ask("GET", "/v1/models", None, {"Host": "127.0.0.1"})[0], 200)
        change = self.ask("GET", "/v1/audit")[1]["entries"][0]
        self.assertEqual((change["from"], change["who"]), ("unix", "loopback"))
        self.assertEqual(server.stop(), 0)
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("socket")], [])

    @unittest.skipUnless(shutil.which("curl"), "curl is missing: apt-get install curl")
    def test_curl(self):
        self.start()
        run = subprocess.run(["curl", "-sS", "--unix-socket", self.path, "-d", json.dumps(rows(5)), "-H",
                              "Content-Type: application/json", "http://localhost/v1/models/m/data"],
                             capture_output=True, text=True, timeout=PATIENCE, check=True)
        self.assertEqual(json.loads(run.stdout)["rows"], 5)

    def test_many_connections_count_as_this_machine_s(self):
        self.start("--max_peer_connections", "1", "--max_peer_streams", "1")
        clients = []
        for _ in range(5):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(PATIENCE)
            client.connect(self.path)
            clients.append(client)
        for client in clients:
            client.sendall(GET)
        for client in clients:
            self.assertIn(b"200 OK", client.recv(4096))

    def test_beside_tcp(self):
        second = os.path.join(self.folder, "second")
        server = self.start(listen=f"unix:{self.path}, 127.0.0.1:0,unix:{second}")
        self.assertEqual(server.request("GET", "/v1/models")[0], 200)
        for path in (self.path, second):
            self.assertEqual(self.ask("GET", "/v1/models", path=path)[0], 200)
        self.assertEqual(binary("healthcheck", "--listen", f"127.0.0.1:{server.port}, unix:{second}").returncode, 0)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(second))

    def test_a_mode_is_what_was_asked_for_whatever_the_umask(self):
        before = os.umask(0o077)
        try:
            server = self.start("--socket_mode", "0666", "--insecure", "true")
        finally:
            os.umask(before)
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o666)
        self.assertEqual(server.stop(), 0)


class Taken(UnixTest):
    def test_what_a_killed_server_left_is_replaced(self):
        self.start().kill()
        self.assertTrue(os.path.exists(self.path))
        server = self.start()
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(server.stop(), 0)

    def test_a_socket_at_which_somebody_listens_is_left_alone(self):
        server = self.start()
        self.refused(f"cannot listen on unix:{self.path}: another process listens there")
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(server.stop(), 0)
        with socket.socket(socket.AF_UNIX) as other:  # of another program, without a lock, with a full queue
            other.bind(self.path)
            other.listen(0)
            self.refused("another process listens there")
            waiting = []
            for _ in range(3):
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(self.path)
            self.refused("another process listens there")
            for client in waiting:
                client.close()
        self.assertTrue(os.path.exists(self.path))

    def test_a_file_of_another_kind_is_left_alone(self):
        def write():
            with open(self.path, "w", encoding="ascii") as file:
                file.write("mine")

        target = os.path.join(self.folder, "target")
        for name, make in (("file", write), ("folder", lambda: os.mkdir(self.path)),
                           ("pipe", lambda: os.mkfifo(self.path)), ("link", lambda: os.symlink(target, self.path))):
            with self.subTest(name):
                make()
                self.refused("a file that is no socket is there")
                kind = os.lstat(self.path).st_mode
                if stat.S_ISDIR(kind):
                    os.rmdir(self.path)
                else:
                    os.remove(self.path)
        self.assertFalse(os.path.lexists(target))

    def test_a_file_that_took_its_place_is_not_removed(self):
        server = self.start()
        os.remove(self.path)
        with open(self.path, "w", encoding="ascii") as file:
            file.write("mine")
        self.assertEqual(server.stop(), 0)
        with open(self.path, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")

    def test_of_many_that_start_at_once_one_gets_it(self):
        self.start().kill()  # a stale file is there
        servers = []
        for i in range(6):
            folder = os.path.join(self.folder, str(i))
            os.mkdir(folder)
            servers.append(Server(folder, "--listen", f"unix:{self.path}").launch())
        running = []
        for server in servers:
            self.addCleanup(lambda s=server: s.process.poll() is None and s.kill())
            try:
                server.wait_message("ready")
                running.append(server)
            except AssertionError:
                self.assertIn("another process listens there", server.log_text())
                server.log.close()
        self.assertEqual(len(running), 1)
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(running[0].stop(), 0)

    def test_paths_that_cannot_be_bound_are_named(self):
        long = "unix:/" + "x" * 107
        for message, listen in (("No such file or directory", f"unix:{self.folder}/none/socket"),
                                ("the path has 108 bytes, a socket's may have 107", long),
                                ("unix:/path/of/the/socket is needed", "unix:relative"),
                                ("unix:/path/of/the/socket is needed", "unix:"),
                                ("unix:/path/of/the/socket is needed", "unix:/folder/"),
                                ("host:port or [v6]:port is needed", f"unix:{self.path}, 8080"),
                                ("more than 8 addresses", ",".join(["127.0.0.1:0"] * 9))):
            with self.subTest(listen=listen):
                self.refused(message, listen=listen)
        # When one of several cannot be bound the others are given back.
        self.refused("No such file", listen=f"unix:{self.path}, unix:{self.folder}/none/socket")
        self.assertFalse(os.path.lexists(self.path))


class Doors(UnixTest):
    def test_others_who_may_write_need_tokens(self):
        for mode in ("0660", "0606", "0622", "666", "0777"):
            self.refused(f"which others can reach with socket_mode {mode}", "--socket_mode", mode)
        for mode in ("600", "0700", "0644"):
            server = self.start("--socket_mode", mode)
            self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), int(mode, 8))
            self.assertEqual(self.ask("GET", "/v1/models")[0], 200)
            self.assertEqual(server.stop(), 0)
        for mode in ("rw", "0", "0800", "0400", "01777", "-600", "0600 ", "6"):
            self.refused("octal digits from 0600 to 0777 are needed", f"--socket_mode={mode}")

    def test_with_a_token_it_opens_to_the_token_alone(self):
        db = os.path.join(self.folder, "registry.db")
        token = binary("token", "create", "--role", "read", "--db", db).stdout.strip()
        server = self.start("--socket_mode", "0666")
        self.assertEqual(self.ask("GET", "/v1/models")[0], 401)
        self.assertEqual(self.ask("GET", "/v1/models", None, {"Authorization": f"Bearer {token}"})[0], 200)
        self.assertEqual(binary("healthcheck", "--listen", f"unix:{self.path}").returncode, 0)
        self.assertEqual(server.stop(), 0)

    def test_a_network_address_beside_it_needs_tokens_for_both(self):
        self.refused("which others can reach, and there is no valid token", listen=f"unix:{self.path}, 0.0.0.0:0")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user_is_kept_out_by_the_mode(self):
        self.start()
        os.chmod(self.folder, 0o755)
        script = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        run = subprocess.run(["python3", "-c", script, self.path], capture_output=True, text=True, user=65534,
                             group=65534, extra_groups=[], timeout=PATIENCE, check=False)
        self.assertIn("PermissionError", run.stderr)


class Activation(UnixTest):
    """Sockets that systemd hands over."""

    def launch(self, *sockets):
        log = open(os.path.join(self.folder, "log"), "w+b")
        self.addCleanup(log.close)
        moves = "".join(f"exec {3 + i}<&${2 + i}; " for i in range(len(sockets)))
        shell = f'{moves}export LISTEN_FDS={len(sockets)} LISTEN_PID=$$; exec "$0" serve --db "$1"'
        # High numbers, so that no move covers a descriptor that is still to be moved.
        high = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(sockets)]
        process = subprocess.Popen(["bash", "-c", shell, BINARY, os.path.join(self.folder, "db"),
                                    *map(str, high)], pass_fds=high, stderr=log)
        for fd in high:
            os.close(fd)
        self.addCleanup(lambda: process.poll() is not None or (process.kill(), process.wait()))
        return process, log

    def bind(self, mode):
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(self.path)
        os.chmod(self.path, mode)
        listening.listen(16)
        return listening

    def test_a_unix_socket_and_one_of_tcp_outlive_the_server(self):
        listening = self.bind(0o600)
        tcp = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.addCleanup(tcp.close)
        for _ in range(2):
            process, log = self.launch(listening, tcp)
            self.assertEqual(self.ask("GET", "/v1/models")[0], 200)  # waits in the socket until the server is there
            with socket.create_connection(tcp.getsockname(), timeout=PATIENCE) as client:
                client.sendall(GET)
                self.assertIn(b"200 OK", client.recv(4096))
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE), 0)
            log.seek(0)
            self.assertIn(f"unix:{self.path}, 127.0.0.1:", log.read().decode())
            self.assertTrue(os.path.exists(self.path), "it is systemd's")

    def test_its_mode_counts_and_not_the_setting(self):
        process, log = self.launch(self.bind(0o666))
        self.assertEqual(process.wait(PATIENCE), 1)
        log.seek(0)
        self.assertIn("which others can reach with socket_mode 0666", log.read().decode())

    def test_one_without_a_file_is_refused(self):
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(f"\0surrogated-test-{os.getpid()}")
        listening.listen(1)
        process, log = self.launch(listening)
        self.assertEqual(process.wait(PATIENCE), 1)
        log.seek(0)
        self.assertIn("is a Unix socket without a file", log.read().decode())


if __name__ == "__main__":
    unittest.main()
