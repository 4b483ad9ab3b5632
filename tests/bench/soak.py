#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Resident memory of a server under mixed load while its models are replaced every second: small and
large predictions in JSON and npy, uploads, listings. One minute warms up; then its median by the minute
and how much it grew over MINUTES.

usage: soak.py SURROGATED_BINARY [MINUTES]
"""

import http.client
import json
import os
import statistics
import struct
import sys
import tempfile
import threading
import time

os.environ["SURROGATED_BIN"] = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
from harness import Server, architecture, document, rows  # noqa: E402

MINUTES = float(sys.argv[2]) if len(sys.argv) > 2 else 10
ARCH = architecture(inputs=8, outputs=2, width=16, layers=4)
NAMES = ("a", "b")


def npy(n):
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, 8), }}"
    head = (head + " " * (-(10 + len(head) + 1) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<d", 0.1) * 8 * n


class Load:
    def __init__(self, server):
        self.server = server
        self.stop = False
        self.counts = {}
        self.failures = []
        self.lock = threading.Lock()

    def run(self, label, method, path, body, kind, pause=0.0):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        n = 0
        while not self.stop:
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            n += 1
            if answer.status >= 300:
                self.failures.append((label, answer.status))
            time.sleep(pause)
        with self.lock:
            self.counts[label] = self.counts.get(label, 0) + n


def resident(server):
    _, _, text = server.request("GET", "/metrics")
    for line in text.decode().splitlines():
        if line.startswith("process_resident_memory_bytes "):
            return int(line.split()[1])
    return 0


def main():
    one = json.dumps({"inputs": [[0.1] * 8]})
    many = json.dumps({"inputs": [[0.1] * 8] * 2000})
    quantiles = json.dumps({"inputs": [[0.1] * 8] * 50, "return": ["mean", "quantiles"]})
    upload = json.dumps(rows(100, d=8))
    documents = [json.dumps(document(60 + 20 * k, seed=k, arch=ARCH)) for k in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder).start()
        for name in NAMES:
            server.request("PUT", f"/v1/models/{name}", documents[0])
        load = Load(server)
        works = [("one row", "POST", "/v1/models/a/predict", one, "application/json"),
                 ("one row", "POST", "/v1/models/b/predict", one, "application/json"),
                 ("2000 rows", "POST", "/v1/models/a/predict", many, "application/json", 0.02),
                 ("2000 rows npy", "POST", "/v1/models/b/predict", npy(2000), "application/x-npy", 0.02),
                 ("quantiles", "POST", "/v1/models/b/predict", quantiles, "application/json", 0.01),
                 ("upload", "POST", "/v1/models/data/data", upload, "application/json", 1.0),
                 ("list", "GET", "/v1/models/a", None, "application/json", 0.2)]
        threads = [threading.Thread(target=load.run, args=work) for work in works]
        for thread in threads:
            thread.start()
        start = time.time()
        marks = []
        samples = []
        replaced = 0
        while time.time() - start < 60 * (MINUTES + 1) + 2:
            time.sleep(1)
            replaced += 1
            # Exact bytes are a version once, so the seed changes each time.
            changed = documents[replaced % 4].replace('"posterior"', f'"seed": {replaced}, "posterior"', 1)
            for name in NAMES:
                status, _, data = server.request("PUT", f"/v1/models/{name}", changed)
                if status != 201:
                    load.failures.append(("replace", status, data))
                if replaced > 5:
                    server.request("DELETE", f"/v1/models/{name}/versions/{replaced - 4}")
            samples.append(resident(server))
            if time.time() - start > 60 * (len(marks) + 1):
                marks.append(statistics.median(samples))
                samples = []
                print(f"minute {len(marks):3}: {marks[-1] / 1e6:8.2f} MB", flush=True)
        load.stop = True
        for thread in threads:
            thread.join()
        print("requests:", load.counts, "models replaced:", replaced * len(NAMES))
        print("failures:", load.failures[:5], len(load.failures))
        if len(marks) > 2:
            warm = marks[1:]
            print(f"growth after the warm-up: {100 * (warm[-1] / warm[0] - 1):+.2f} %, "
                  f"highest {100 * (max(warm) / warm[0] - 1):+.2f} %")
        print("exit code", server.stop())


if __name__ == "__main__":
    main()
