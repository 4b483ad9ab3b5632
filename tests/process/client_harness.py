# SPDX-License-Identifier: Apache-2.0
"""The client commands of the binary, run in pipes or on a pseudo-terminal against a real server."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from harness import BINARY, PATIENCE, ServerTest, binary

SHORT = ("--solver", "ensemble", "--set", "epochs=20", "--set", "members=2", "--set", "seed=1")
LONG = ("--solver", "ensemble", "--set", "epochs=100000", "members=4")


def as_csv(data, header="a,b,\"y, in m\"\n"):
    return header + "".join(",".join(map(repr, x + y)) + "\n" for x, y in zip(data["inputs"], data["outputs"]))


def without_warnings(stderr):
    """What the client says beside what is wrong with a version."""
    return re.sub(r"(?m)^surrogated: version \d+: .* \([a-z_]+\)\n", "", stderr)


def waiting(pipe):
    """Bytes in a pipe that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


class Terminal:
    """The binary on a pseudo-terminal of a given width."""

    def __init__(self, *args, width=100, **env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        self.process = subprocess.Popen([BINARY, *args], stdin=slave, stdout=slave, stderr=slave,
                                        env={**clean, "TERM": "xterm", **env}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()  # a piece may end within a character

    def resize(self, width):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def read_until(self, pattern, seconds=PATIENCE):
        """Until the pattern has come, or with None the end."""
        end = time.time() + seconds
        while pattern is None or not re.search(pattern, self.text):
            if not select.select([self.master], [], [], max(0, end - time.time()))[0]:
                raise AssertionError(f"{pattern!r} did not come: {self.text!r}")
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                assert pattern is None, f"{pattern!r} did not come: {self.text!r}"
                break
            self.text += self.decoder.decode(data)
        return self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self):
        self.read_until(None)
        os.close(self.master)
        return self.process.wait(PATIENCE)


class ClientTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.address = f"http://127.0.0.1:{self.server.port}"
        self.env = {**os.environ, "SURROGATED_SERVER": self.address}

    def run_client(self, *args, **more):
        return binary(*args, env=self.env, **more)

    def good(self, *args, **more):
        """Its output. Short trainings on few rows make poor versions, and the client says so."""
        done = self.run_client(*args, **more)
        self.assertEqual((done.returncode, without_warnings(done.stderr)), (0, ""), f"{args}: {done.stdout}")
        self.assertNotIn("\x1b", done.stdout)
        return done.stdout

    def bad(self, status, word, *args, **more):
        done = self.run_client(*args, **more)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout} {done.stderr}")
        self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.startswith("surrogated: "), done.stderr)
        return done

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def get(self, path):
        return self.ok(200, "GET", path)[1]
