#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Appends many rows through the API by several clients at once, then exports them. Prints rows a second
by the tenth, the longest append, resident memory, size of the file, and the time and memory of exports.

usage: bulk.py SURROGATED_BINARY [ROWS (10000000)] [COLUMNS (20)] [CLIENTS (4)] [ROWS_OF_A_REQUEST (10000)]
"""

import array
import atexit
import hashlib
import http.client
import os
import struct
import sys
import tempfile
import threading
import time

os.environ["SURROGATED_BIN"] = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
from harness import Server  # noqa: E402

ROWS, COLUMNS, CLIENTS, PART = (
    int(sys.argv[i]) if len(sys.argv) > i else default
    for i, default in ((2, 10000000), (3, 20), (4, 4), (5, 10000)))
PATH = "/v1/models/bulk/data"


def table(seed, n):
    """Rows as npy: random bits of doubles in [1, 2), made by a hash rather than number by number."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, {COLUMNS}), }}"
    head = (head + " " * (-(10 + len(head) + 1) % 64) + "\n").encode()
    bits = array.array("Q", hashlib.shake_128(str(seed).encode()).digest(8 * n * COLUMNS))
    numbers = array.array("Q", (b >> 12 | 0x3FF << 52 for b in bits))
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + numbers.tobytes()


def metric(server, name):
    _, _, text = server.request("GET", "/metrics")
    return next(float(line.split()[1]) for line in text.decode().splitlines()
                if line.startswith(name + " "))


def megabytes(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
               if name.startswith("registry")) / 1e6


def append(server):
    n_parts = (ROWS + PART - 1) // PART
    lock = threading.Lock()
    state = {"next": 0, "rows": 0, "longest": 0.0, "mark": 0}
    begin = last = time.time()

    def client():
        nonlocal last
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        while True:
            with lock:
                number = state["next"]
                state["next"] += 1
            if number >= n_parts:
                return
            n = min(PART, ROWS - number * PART)
            body = table(number, n)
            start = time.time()
            connection.request("POST", PATH + "?outputs=1", body, {
                "Content-Type": "application/x-npy", "Idempotency-Key": f"part-{number}"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 201:
                print(f"{answer.status}: {text!r}", flush=True)
                server.process.kill()
                os._exit(1)
            with lock:
                state["rows"] += n
                state["longest"] = max(state["longest"], time.time() - start)
                if state["rows"] * 10 // ROWS > state["mark"]:
                    now = time.time()
                    done = (state["rows"] * 10 // ROWS - state["mark"]) * ROWS / 10
                    state["mark"] = state["rows"] * 10 // ROWS
                    print(f"{state['rows']:>10} rows: {done / (now - last):9.0f} rows/s, longest "
                          f"append {state['longest'] * 1e3:6.0f} ms, resident "
                          f"{metric(server, 'process_resident_memory_bytes') / 1e6:6.0f} MB, file "
                          f"{megabytes(server.folder):7.0f} MB", flush=True)
                    state["longest"], last = 0.0, now
    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"all: {ROWS / (time.time() - begin):.0f} rows/s, the clients' making of rows included")


def export(server, kind):
    start = time.time()
    size = 0
    most = 0.0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    connection.request("GET", f"{PATH}/rows?format={kind}")
    answer = connection.getresponse()
    while piece := answer.read(1 << 24):
        size += len(piece)
        most = max(most, metric(server, "process_resident_memory_bytes"))
    connection.close()
    print(f"export as {kind}: {size / 1e6:.0f} MB in {time.time() - start:.1f} s, resident at most "
          f"{most / 1e6:.0f} MB", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder).start()
        atexit.register(server.process.kill)
        append(server)
        _, _, data = server.request("GET", PATH)
        assert data["rows"] == ROWS, data["rows"]
        start = time.time()
        status, _, answer = server.request("POST", PATH + "?on_duplicate=skip", table(0, PART),
                                           {"Content-Type": "application/x-npy"})
        assert (status, answer["duplicates"]["count"]) == (200, PART), answer
        print(f"an upload of {PART} duplicates: {(time.time() - start) * 1e3:.0f} ms")
        start = time.time()
        server.request("GET", PATH)
        print(f"summary with fingerprint: {(time.time() - start) * 1e3:.1f} ms")
        for kind in ("npy", "csv", "json"):
            export(server, kind)
        start = time.time()
        status, _, _ = server.request("DELETE", PATH + "/batches/1")
        assert status == 200
        print(f"deleting a batch: {time.time() - start:.2f} s")
        server.stop()


if __name__ == "__main__":
    main()
