# SPDX-License-Identifier: Apache-2.0
"""Help, wrong usage and exit statuses of the binary."""

import re
import socket
import subprocess
import unittest

from client_harness import ClientTest
from harness import BINARY, PATIENCE, binary, document


class Usage(ClientTest):
    def test_help_of_every_command_shows_usage_options_and_examples(self):
        commands = re.findall(r"(?m)^  (\w+) ", binary("--help").stdout.split("Asking a server:")[1])
        self.assertEqual(commands, ["models", "data", "train", "jobs", "predict", "evaluate", "diagnostics",
                                    "watch"])
        for command in commands:
            out = self.good(command, "--help")
            for word in (f"usage: surrogated {command}", "--server URL", "examples:\n  surrogated", "130"):
                self.assertIn(word, out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_wrong_usage_is_exit_status_2(self):
        for word, args in (("no option", ("models", "--nope")), ("frob", ("models", "frob")),
                           ("missing", ("models", "show")), ("too many", ("models", "list", "x")),
                           ("missing", ("data",)), ("missing", ("data", "m", "append")),
                           ("needs a value", ("models", "--server")), ("takes no value", ("models", "--json=1")),
                           ("given twice", ("predict", "m", "--at", "1", "--at", "2")),
                           ("No such file", ("models", "put", "m", "/nonexistent")),
                           ("a folder", ("models", "put", "m", "/")),
                           ("http://host:port", ("models", "--server", "ftp://x")),
                           ("a host is missing", ("models", "--server", "http://")),
                           ("not the address", ("models", "--server", "::1:80")),
                           ("not a finite", ("predict", "m", "--at", "1,x")),
                           ("not a finite", ("predict", "m", "--at", "1,nan")),
                           ("no table", ("predict", "m", "--at", "1", "--return", "jacobian")),
                           ("csv, json or npy", ("predict", "m", "-", "--format", "xml")),
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
