#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long the server needs to start with many registered models, and with some of them preloaded.

usage: SURROGATED_BIN=build/server/surrogated python3 tests/bench/start.py [MODELS]

Prints milliseconds from the start of the process to the lines `listening` and `ready` of its log.
"""

import os
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
if "SURROGATED_BIN" not in os.environ:
    sys.exit("start.py: name the program: SURROGATED_BIN=build/server/surrogated python3 tests/bench/start.py")
from harness import Server, document  # noqa: E402

TIMES = 5


def start_once(folder, *flags):
    """Milliseconds to each line, by the clock of this process."""
    server = Server(folder, *flags)
    begin = time.monotonic()
    server.launch()
    times = {}
    while len(times) < 2:
        text = server.log_text()[server.log_begin:]
        for line in ("listening", "ready"):
            if line not in times and re.search(rf"message={line}\b", text):
                times[line] = 1e3 * (time.monotonic() - begin)
        if server.process.poll() is not None:
            sys.exit(text)
        time.sleep(0.001)
    server.stop()
    return times


def measure(folder, title, *flags):
    found = [start_once(folder, *flags) for _ in range(TIMES)]
    for line in ("listening", "ready"):
        ms = sorted(times[line] for times in found)
        print(f"{title:24} {line:10} median {ms[TIMES // 2]:7.1f} ms, slowest {ms[-1]:7.1f} ms")


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    folder = tempfile.mkdtemp()
    try:
        server = Server(folder).start()
        for i in range(n):
            status = server.request("PUT", f"/v1/models/model-{i}", document(seed=i))[0]
            if status != 201:
                sys.exit(f"model {i} was not registered: {status}")
        server.stop()
        measure(folder, f"{n} models")
        measure(folder, f"{n} models, 10 preloaded", "--preload", "model-1*9")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
