#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tokens, limits, TLS and another program cost a prediction, side by side.

usage: doors.py SURROGATED_BINARY [--before OTHER_BINARY] [--rounds N]

All servers run at a time, and each round asks each of them in turn over one connection that is kept. Printed are
microseconds a request: processor time of the server, by the scheduler's own clock, and time at the client; of each
the median over the rounds of the ratio to the plain server in the same round, which other work on the machine changes
little. The second plain server says how much a ratio means.
"""

import argparse
import glob
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n", 1)[0])
parser.add_argument("binary")
parser.add_argument("--before")
parser.add_argument("--rounds", type=int, default=31)
options = parser.parse_args()
for path in (options.binary, options.before):
    if path and not os.access(path, os.X_OK):
        sys.exit(f"doors.py: there is no program {path}; build one: meson setup build --buildtype=release && ninja -C build")

os.environ["SURROGATED_BIN"] = os.path.abspath(options.binary)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
import harness  # noqa: E402
from certificates import make_certificate  # noqa: E402

ARCH = harness.architecture(inputs=8, outputs=2, width=16, layers=4)
SIZES = ((1, 400), (1000, 6))  # rows of a request, requests of a round


class Subject:
    """A server of one kind, and the connection to it."""

    def __init__(self, folder, binary, *flags, token=None, tls=None):
        os.mkdir(folder)
        harness.BINARY = os.path.abspath(binary)
        # Registered without doors, so that every program is asked in the same way.
        self.server = harness.Server(folder, "--http_threads", "1", "--predict_threads", "1").start()
        status = self.server.request("PUT", "/v1/models/m", harness.document(20, arch=ARCH))[0]
        if status != 201:
            sys.exit(f"doors.py: {binary} does not take the model: {status}")
        self.server.stop()
        self.token = ""
        if token:
            made = subprocess.run([harness.BINARY, "token", "create", "--role", "predict", *token, "--db", self.server.db],
                                  capture_output=True, text=True, check=True)
            self.token = f"Authorization: Bearer {made.stdout.strip()}\r\n"
        self.server.flags = ("--http_threads", "1", "--predict_threads", "1", *flags)
        self.server.start()
        self.socket = socket.create_connection(("127.0.0.1", self.server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=tls)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.found = {rows: [] for rows, _ in SIZES}

    def processor_ns(self):
        total = 0
        for path in glob.glob(f"/proc/{self.server.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def ask(self, body, n):
        """(processor time of the server, time at the client) of a request, in microseconds."""
        request = (f"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\n{self.token}"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        processor, begin = self.processor_ns(), time.perf_counter_ns()
        for _ in range(n):
            self.socket.sendall(request)
            self.read_answer()
        client = time.perf_counter_ns() - begin
        return (self.processor_ns() - processor) / n / 1e3, client / n / 1e3

    def read_answer(self):
        got = self.socket.recv(1 << 20)
        head, _, rest = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"doors.py: {got[:300]!r}")
        if b"Transfer-Encoding: chunked" in head:
            while not got.endswith(b"\r\n0\r\n\r\n"):
                got = got[-8:] + self.socket.recv(1 << 20)
            return
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        left = length - len(rest)
        while left > 0:
            left -= len(self.socket.recv(1 << 20))

    def end(self):
        self.socket.close()
        self.server.stop()


def open_subjects(folder):
    if shutil.which("openssl") is None:
        sys.exit("doors.py: openssl is missing: apt-get install openssl")
    cert, key = make_certificate(folder, "server")
    doors = ("--require_tokens", "true")
    kinds = {"plain": (options.binary, (), {}), "plain again": (options.binary, (), {}),
             "token": (options.binary, doors, {"token": ["--id", "a"]}),
             "token with limits": (options.binary, doors, {"token": ["--id", "a", "--rate", "1000000", "--rows-per-s",
                                                                     "1000000000", "--concurrent", "100"]}),
             "TLS": (options.binary, ("--tls_cert", cert, "--tls_key", key), {"tls": cert})}
    if options.before:
        kinds["before"] = (options.before, (), {})
        kinds["TLS before"] = (options.before, ("--tls_cert", cert, "--tls_key", key), {"tls": cert})
    return {name: Subject(os.path.join(folder, name.replace(" ", "-")), binary, *flags, **more)
            for name, (binary, flags, more) in kinds.items()}


def print_table(subjects):
    for rows, _ in SIZES:
        print(f"{rows} row{'s' if rows > 1 else ''}: microseconds of the server's processor (ratio), at the client (ratio)")
        base = subjects["plain"].found[rows]
        for name, subject in subjects.items():
            cells = []
            for which in range(2):
                us = statistics.median(pair[which] for pair in subject.found[rows])
                ratios = [mine[which] / its[which] for mine, its in zip(subject.found[rows], base)]
                cells.append(f"{us:9.1f} ({statistics.median(ratios):5.3f})")
            print(f"  {name:20} {'   '.join(cells)}")


def main():
    folder = tempfile.mkdtemp()
    subjects = {}
    try:
        subjects = open_subjects(folder)
        order = list(subjects.values())
        for k in range(options.rounds + 1):
            for rows, n in SIZES:
                body = json.dumps({"inputs": [[(i * j % 17) / 17 for j in range(8)] for i in range(rows)]}).encode()
                for subject in order:
                    pair = subject.ask(body, n)
                    if k > 0:  # the first one warms up
                        subject.found[rows].append(pair)
            order = order[1:] + order[:1]
        print_table(subjects)
    finally:
        for subject in subjects.values():
            subject.end()
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    main()
