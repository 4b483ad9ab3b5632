# SPDX-License-Identifier: Apache-2.0
"""Help, wrong usage and exit statuses of the binary, and its healthcheck."""

import os
import re
import socket
import subprocess
import tempfile
import time
import unittest

from client_harness import ClientTest
from harness import BINARY, PATIENCE, Server, binary, document

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def listed(path, pattern):
    """What the lines of a .def file hold."""
    with open(os.path.join(TOP, path), encoding="ascii") as file:
        return re.findall("(?m)" + pattern, file.read())


class Usage(ClientTest):
    def test_help_of_every_command_shows_usage_options_and_examples(self):
        commands = re.findall(r"(?m)^  (\w+) ", binary("--help").stdout.split("Asking a server:")[1])
        self.assertEqual(commands, ["models", "data", "space", "design", "suggest", "optimize", "train", "analyse",
                                    "calibrate", "jobs", "predict",
                                    "evaluate", "diagnostics", "plot", "watch"])
        for command in commands:
            out = self.good(command, "--help")
            for word in (f"usage: surrogated {command}", "--server URL", "examples:\n  surrogated", "130"):
                self.assertIn(word, out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_help_of_the_other_commands_lists_what_they_take(self):
        commands = re.findall(r"(?m)^  (\w+) ", binary("--help").stdout.split("Asking a server:")[0])
        self.assertEqual(commands, ["serve", "check", "backup", "restore", "compact", "token", "healthcheck",
                                    "version"])
        settings = listed("server/base/config.def", r'^CONFIG_\w+\((\w+), "?([^",]*)"?,')
        self.assertGreater(len(settings), 20)
        takes = {"serve": ["config", *(name for name, _ in settings)], "check": ["config", "db"],
                 "backup": ["config", "to", "force", "damaged", "db"],
                 "restore": ["config", "from", "force", "damaged", "db"], "compact": ["config", "db"],
                 "token": ["config", "role", "id", "models", "expires", "rate", "rows_per_s", "bytes_per_s",
                           "concurrent", "queue_share", "db"],
                 "healthcheck": ["config", "tls_ca", "tls_client_cert", "tls_client_key", "listen", "tls_cert"]}
        for command in commands[:-1]:
            out = self.good(command, "--help")
            self.assertTrue(out.startswith(f"usage: surrogated {command} "), out)
            self.assertEqual(re.findall(r"(?m)^  (?:-\w, )?--(\w+) ", out), [*takes[command], "help"])
            self.assertLessEqual(max(map(len, out.splitlines())), 100)
            self.assertIn("exit status: 0 ", out)
        text = re.sub(r"\s+", " ", self.good("serve", "--help"))
        for name, value in settings:
            self.assertRegex(text, rf"--{name} .*?\[{re.escape(value)}\] ")

    def test_help_lists_the_values_of_options_that_take_one_of_few(self):
        solvers = listed("core/solve/solver.def", r'^SOLVER\(\w+, "(\w+)"')
        self.assertGreater(len(solvers), 10)
        results = list(dict.fromkeys(listed("core/predict/results.def", r'^RESULT\(\w+, \w+, "(\w+)"')))
        self.assertGreater(len(results), 8)
        for command, values in (("train", solvers), ("predict", results), ("predict", ["csv", "json", "npy", "npz"]),
                                ("jobs", ["queued", "running", "succeeded", "failed", "cancelled"])):
            text = re.sub(r"\s+", " ", self.good(command, "--help"))
            self.assertIn(", ".join(values[:-1]) + " or " + values[-1], text)

    def test_a_mistyped_name_is_told_its_neighbour(self):
        config = self.path("conf", "lisen = x\n")
        for near, args in (("models", ("modles",)), ("serve", ("serv",)), ("--listen", ("serve", "--lissten", "x")),
                           ("--max_rows", ("serve", "--max-row", "3")), ("--db", ("check", "--bd", "x")),
                           ("--force", ("backup", "--forced")), ("--server", ("models", "--sever=x")),
                           ("--quantiles", ("predict", "m", "--quant", "0.5")), ("show", ("models", "shwo")),
                           ("append", ("data", "m", "apend", "x")), ("cancel", ("jobs", "cancle", "1")),
                           ("listen", ("serve", "--config", config))):
            with self.subTest(args=args):
                self.bad(2, f"; did you mean {near}?\n", *args)
        for args in (("dance",), ("models", "--nope"), ("serve", "--nope", "1"), ("jobs", "frob"),
                     ("healthcheck", "--db", "x")):
            with self.subTest(args=args):
                self.assertNotIn("did you mean", self.bad(2, "", *args).stderr)
        self.bad(2, "it can list, show, curves, result and cancel", "jobs", "frob")
        self.bad(2, "`surrogated serve --help` shows how", "serve", "here")
        self.bad(2, "`surrogated --help` shows how", "dance")

    def test_health_is_asked_for_in_bounded_time(self):
        port = self.server.port
        for host in ("127.0.0.1", "0.0.0.0", "localhost"):
            self.good("healthcheck", "--listen", f"{host}:{port}")
        done = binary("healthcheck", env={**os.environ, "SURROGATED_LISTEN": f"127.0.0.1:{port}"})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        for address in ("localhost", "127.0.0.1", "::1:80", ":80", "[::1]", "a/b:80", "me@localhost:80", "h:p"):
            self.bad(1, "host:port or [v6]:port is needed", "healthcheck", "--listen", address)
        self.bad(2, "listen needs a text", "healthcheck", "--listen", "")
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
            port = silent.getsockname()[1]
            begin = time.monotonic()
            self.bad(1, f"127.0.0.1:{port} is not ready: ", "healthcheck", "--listen", f"127.0.0.1:{port}")
            self.assertGreater(time.monotonic() - begin, 1.9)
        self.bad(1, "no answer from", "healthcheck", "--listen", f"127.0.0.1:{port}")

    def test_health_is_asked_for_over_version_6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as problem:
            self.skipTest(f"there is no IPv6 here: {problem}")
        for address in ("[::1]", "[::]"):
            with tempfile.TemporaryDirectory() as folder:
                server = Server(folder, "--listen", f"{address}:0", "--insecure", "true").start()
                self.addCleanup(lambda server=server: server.process.poll() is None and server.kill())
                self.good("healthcheck", "--listen", f"{address}:{server.port}")
                self.assertEqual(server.stop(), 0)
                self.bad(1, "is not ready", "healthcheck", "--listen", f"{address}:{server.port}")

    def test_wrong_usage_is_exit_status_2(self):
        for word, args in (("not an option", ("models", "--nope")), ("frob", ("models", "frob")),
                           ("missing", ("models", "show")), ("too many", ("models", "list", "x")),
                           ("missing", ("data",)), ("missing", ("data", "m", "append")),
                           ("needs a value", ("models", "--server")), ("takes no value", ("models", "--json=1")),
                           ("given twice", ("predict", "m", "--at", "1", "--at", "2")),
                           ("No such file", ("models", "put", "m", "/nonexistent")),
                           ("a folder", ("models", "put", "m", "/")),
                           ("http://host:port", ("models", "--server", "ftp://x")),
                           ("a host is missing", ("models", "--server", "http://")),
                           ("not the address", ("models", "--server", "::1:80")),
                           ("not a finite", ("predict", "m", "--at", "1,")),
                           ("not a finite", ("predict", "m", "--at", "1,nan")),
                           ("not a table", ("predict", "m", "--at", "1", "--return", "jacobian")),
                           ("csv, json, npy or npz", ("predict", "m", "-", "--format", "xml")),
                           ("number from", ("predict", "m", "-", "--retry", "soon"))):
            with self.subTest(args=args):
                self.bad(2, word, *args)
        self.assertEqual(binary("frob").returncode, 2)

    def test_a_server_that_is_down_is_exit_status_3(self):
        self.assertEqual(self.server.stop(), 0)
        # Nobody else is to listen at that port meanwhile.
        place = socket.socket()
        self.addCleanup(place.close)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", self.server.port))
        for args in (("models",), ("predict", "m", "--at", "1"), ("watch", "1"), ("train", "m"),
                     ("data", "m", "append", self.path("x.csv", "1,2\n"))):
            self.bad(3, f"no answer from {self.address}", *args)
        self.bad(3, "no answer from http://localhost:1", "models", "--server", "localhost:1")
        self.bad(3, "no answer from http://[::1]:1:", "models", "--server", "[::1]:1")
        done = self.bad(3, "no answer from http://localhost:1:", "models", "--server", "http://me:secret@localhost:1")
        self.assertNotIn("secret", done.stderr)

    def test_help_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BINARY, "models", "--help"], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)

    def test_an_output_whose_reader_goes_away_ends_the_command(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        client = subprocess.Popen([BINARY, "predict", "m", "-"], env=self.env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        client.stdout.close()
        _, err = client.communicate(b"0,0,0\n" * 20000, timeout=PATIENCE)
        self.assertEqual((client.returncode, err), (1, b""))

if __name__ == "__main__":
    unittest.main()
