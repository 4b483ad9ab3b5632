# SPDX-License-Identifier: Apache-2.0
"""A real server on a free port and a registry in a temporary folder; standard library only."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "data"))
import described  # noqa: E402  answers against the OpenAPI description
import make_golden  # noqa: E402  the plain-Python network

BINARY = os.environ["SURROGATED_BIN"]
PATIENCE = 300  # seconds for what is sure to come, on however busy a machine; no measure of anything


class Server:
    def __init__(self, folder, *flags):
        self.folder = folder
        self.db = os.path.join(folder, "registry.db")
        self.flags = flags
        self.process = None
        self.port = None
        self.environment = None  # of its process; None: that of the test

    def launch(self):
        """Begins a process, without waiting for it."""
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.log.seek(0, os.SEEK_END)
        self.log_begin = self.log.tell()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.db, *self.flags],
            stderr=self.log, env=self.environment)
        return self

    def wait_message(self, message, pause=0.05):
        """Until this process has logged that it is "listening", from when on the port is known, or
        "ready"."""
        for _ in range(int(PATIENCE / pause)):
            with open(self.log.name, "rb") as log:
                log.seek(self.log_begin)
                text = log.read().decode()
            found = re.search(r"message=listening .*port=(\d+)", text)
            if found and f"message={message}" in text:
                self.port = int(found.group(1))
                return self
            if self.process.poll() is not None:
                break
            time.sleep(pause)
        raise AssertionError(f"the server did not start: {text}")

    def start(self):
        return self.launch().wait_message("ready")

    def stop(self):
        """SIGTERM; the exit code, which a sanitizer's finding makes non-zero."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.log.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def log_text(self):
        with open(self.log.name, "rb") as log:
            return log.read().decode(errors="replace")

    def request(self, method, path, body=None, headers=None, host="127.0.0.1"):
        """(status, headers, parsed JSON or bytes)"""
        connection = http.client.HTTPConnection(host, self.port, timeout=PATIENCE)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
            kind = answer.getheader("Content-Type") or ""
            parsed = json.loads(data) if data and "json" in kind else data
            self.check_described(method, path, answer, parsed)
            return answer.status, answer.headers, parsed
        finally:
            connection.close()

    def check_described(self, method, path, answer, data):
        """Is the answer one that the OpenAPI description tells of?"""
        if described.description():
            path = described.below(described.base_of(self.flags), path)
            described.description().check(method, path, answer.status, answer.getheader("Content-Type"), data)

    def raw(self, data, shut=False):
        """Sends bytes, gives back what comes until the server closes or is silent for a while."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            out = b""
            try:
                while chunk := sock.recv(65536):
                    out += chunk
            except (socket.timeout, ConnectionError):
                pass
            return out

    def wait_job(self, job, *states, seconds=PATIENCE):
        end = time.time() + seconds
        while time.time() < end:
            _, _, row = self.request("GET", f"/v1/jobs/{job}")
            if row["state"] in states:
                return row
            time.sleep(0.02)
        raise AssertionError(f"job {job} is {row} after {seconds} s")

    def wait_metrics(self, line, seconds=PATIENCE):
        """The metrics, once they hold this line: some are counted after what they count is seen."""
        end = time.time() + seconds
        while time.time() < end:
            text = self.request("GET", "/metrics")[2].decode()
            if line in text:
                return text
            time.sleep(0.02)
        raise AssertionError(f"no {line!r} in the metrics after {seconds} s")


class ServerTest(unittest.TestCase):
    """Each test has its own server; at the end it must stop cleanly."""

    flags = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder, *self.flags).start()
        self.addCleanup(self.end)  # a setUp of a subclass that fails has no tearDown

    def end(self):
        if self.server.process.poll() is None:
            self.server.kill()

    def tearDown(self):
        if self.server.process.poll() is None:
            code = self.server.stop()
            self.assertEqual(code, 0, self.server.log_text()[-4000:])

    def ok(self, status, method, path, body=None, headers=None):
        found, head, data = self.server.request(method, path, body, headers)
        self.assertEqual(found, status, f"{method} {path}: {data!r:.500}")
        if status >= 400:  # no error tells where the server keeps its files
            self.assertNotIn(self.folder, str(data))
        return head, data


def architecture(**changes):
    return {**make_golden.BASE, **changes}


def document(draws=5, seed=1, arch=None, **extra):
    """A random posterior of a small network."""
    arch = arch or architecture()
    rng = random.Random(seed)
    count = make_golden.count(arch)
    parameters = [[rng.uniform(-0.8, 0.8) for _ in range(count)] for _ in range(draws)]
    return {"architecture": arch, "posterior": {"kind": "draws", "parameters": parameters,
                                                "weights": None}, **extra}


def gaussian(members=2, draws=10, seed=1, spread=0.1, arch=None, **extra):
    """A random mixture of Gaussians: all but the first and the last parameter are uncertain."""
    arch = arch or architecture()
    rng = random.Random(seed)
    count = make_golden.count(arch)
    uncertain = count - 2

    def member():
        return {"mean": [rng.uniform(-0.8, 0.8) for _ in range(count)], "first": 1,
                "std": [spread * rng.random() for _ in range(uncertain)],
                "factor": [[spread * rng.gauss(0, 1) for _ in range(2)] for _ in range(uncertain)]}

    # One mean for all: what differs between members is their spread.
    parts = [member() for _ in range(members)]
    for part in parts:
        part["mean"] = list(parts[0]["mean"])
    return {"architecture": arch,
            "posterior": {"kind": "gaussian", "draws": draws, "seed": 7, "predictive": "sampled",
                          "members": parts}, **extra}


def full_document():
    """Everything a model can have besides draws and a constant noise."""
    rng = random.Random(8)

    def numbers(n, k=None):
        return [rng.random() if k is None else numbers(k) for _ in range(n)]

    return gaussian(
        members=4, arch=architecture(outputs=4), noise={"kind": "predicted"}, solver="laplace",
        scores={"rows": 7, "relative_error": 0.1, "rmse": [0.2, 1 / 3],
                "output_range": [[0, 1], [-2.5, 1e9]], "nll": [-1.5, None], "nll_draws": None,
                "crps": numbers(2), "coverage": numbers(2, 3), "width": numbers(2, 3),
                "calibration": numbers(2, 19)},
        calibration={"method": "cv+", "normalised": True, "folds": 2, "fold": [0, 1, 1, 0, 1],
                     "scores": numbers(5, 2), "fold_noise": numbers(2, 2)},
        report={"loss": [3.0, 2.5, None, 1e-300], "parameters.rhat": 1.01, "unknown": None,
                "empty": [], "one": [0.1]},
        warnings=[{"code": "mixing", "text": "the chains disagree: \"R-hat\" is 1.2"},
                  {"code": "short", "text": ""}])


def rows(n, d=2, seed=1):
    """Inputs and smooth outputs."""
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1) for _ in range(d)] for _ in range(n)]
    y = [[sum(row) + row[0] * row[-1]] for row in x]
    return {"inputs": x, "outputs": y}


def npy(table):
    """The file of a matrix of float64."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(table)}, {len(table[0])}), }}"
    head = (head + " " * (-(len(head) + 11) % 64) + "\n").encode()
    numbers = struct.pack(f"<{len(table) * len(table[0])}d", *(v for line in table for v in line))
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + numbers


def records(names, *rows):
    """A structured array as numpy.save writes it."""
    fields = ", ".join(f"('{name}', '<f8')" for name in names)
    head = f"{{'descr': [{fields}], 'fortran_order': False, 'shape': ({len(rows)},), }}"
    head = head.ljust(-(len(head) + 11) % 64 + len(head)) + "\n"
    return (b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()
            + b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows))


def told_codes():
    """Codes of the warnings that come with every prediction of a version."""
    with open(os.path.join(HERE, "../../core/base/warnings.def"), encoding="utf-8") as file:
        return set(re.findall(r'WARNING\("(\w+)", true\)', file.read()))


def binary(*args, **kwargs):
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          **kwargs)
