# SPDX-License-Identifier: Apache-2.0
"""A server that asks for tokens, and one of each role."""

import os
import re
import shutil
import tempfile
import time
import unittest

from harness import HERE, PATIENCE, Server, binary

ROUTES_DEF = os.path.join(HERE, "..", "..", "server", "api", "routes.def")
ROLES = ["NONE", "PREDICT", "READ", "WRITE", "ADMIN"]


def routes():
    """(method, pattern, role) of the server's list."""
    with open(ROUTES_DEF, encoding="utf-8") as file:
        lines = re.findall(r'^ROUTE\((\w+), "([^"]*)", \w+, "\w+", (\w+),\s+"[^"]*"\)$', file.read(), re.M)
    assert len(lines) > 40
    return lines


class TokenTest(unittest.TestCase):
    flags = ("--require-tokens", "true")

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder, *self.flags)
        self.addCleanup(self.end)
        self.prepare()
        self.server.start()

    def prepare(self):
        self.tokens = {role: self.create("--role", role.lower(), "--id", role.lower()) for role in ROLES[1:]}

    def end(self):
        if self.server.process and self.server.process.poll() is None:
            self.assertEqual(self.server.stop(), 0)

    def create(self, *args):
        done = binary("token", "create", *args, "--db", self.server.db)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^sgt_[A-Za-z0-9-]+_[0-9a-f]{64}\n$")
        self.assertNotIn(done.stdout.strip(), done.stderr)
        return done.stdout.strip()

    def ask(self, token, method, path, body=None, **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.server.request(method, path, body, headers)

    def status(self, *args, **headers):
        return self.ask(*args, **headers)[0]

    def until(self, condition, what):
        end = time.time() + PATIENCE
        while not condition():
            self.assertLess(time.time(), end, what)
            time.sleep(0.05)

    def wait_status(self, wanted, *args):
        self.until(lambda: self.status(*args) == wanted, f"{args[1:]} is not {wanted}")
