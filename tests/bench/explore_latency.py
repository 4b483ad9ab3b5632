#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The time of predictions before and during suggestions, optimisations and designs: one client predicts a row at a
time, others ask for explorations one after another.

usage: SURROGATED_BIN=build-release/server/surrogated python3 tests/bench/explore_latency.py [--seconds N]

Standard library only. Client and server share the machine, so on few processors the client's own wait is in it.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

WORK = {"suggest": {"n": 20, "candidates": 2000, "criterion": "expected_improvement", "output": "y", "hold_s": 0},
        "optimize": {"objectives": [{"output": "y"}, {"output": "z", "goal": "max"}], "population": 100, "generations": 200},
        "design": {"kind": "maximin", "n": 4000, "hold_s": 0}}
DRAWS, WIDTH, LAYERS, INPUTS, OUTPUTS = 100, 16, 2, 4, 2


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, method, path, body):
        self.connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def model():
    rng = random.Random(1)
    size = WIDTH * INPUTS + WIDTH + LAYERS * (WIDTH * WIDTH + WIDTH) + OUTPUTS * WIDTH + OUTPUTS
    return {"architecture": {"inputs": INPUTS, "outputs": OUTPUTS, "width": WIDTH, "layers": LAYERS},
            "training_range": [[0, 1]] * INPUTS, "names": {"inputs": ["a", "b", "c", "d"], "outputs": ["y", "z"]},
            "posterior": {"kind": "draws", "parameters": [[rng.gauss(0, 0.4) for _ in range(size)] for _ in range(DRAWS)]}}


def start(folder):
    log = os.path.join(folder, "log")
    binary = os.environ.get("SURROGATED_BIN", "build-release/server/surrogated")
    with open(log, "wb") as out:
        process = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--db", os.path.join(folder, "r.db")], stderr=out)
    while process.poll() is None:
        time.sleep(0.05)
        with open(log, encoding="utf-8") as text:
            port = re.search(r"message=listening .*port=(\d+)", text.read())
        if port is not None:
            return process, int(port.group(1))
    sys.exit("the server did not start")


def predictions(port, seconds):
    """Milliseconds of each, sorted."""
    client, times = Client(port), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        status, _ = client.ask("POST", "/v1/models/m/predict", {"inputs": [[0.1, 0.2, 0.3, 0.4]]})
        times.append(1e3 * (time.perf_counter() - began))
        if status != 200:
            sys.exit(f"a prediction was answered {status}")
        time.sleep(0.002)
    return sorted(times)


def explore(port, what, stop, done):
    client = Client(port)
    while not stop.is_set():
        status, answer = client.ask("POST", f"/v1/models/m/{what}", WORK[what])
        if status == 200:
            done.append(what)
        elif status != 503:
            sys.exit(f"{what} was answered {status}: {answer}")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=10, help="of each measurement [%(default)s]")
    seconds = options.parse_args().seconds
    folder = tempfile.mkdtemp()
    process, port = start(folder)
    try:
        client = Client(port)
        if client.ask("PUT", "/v1/models/m", model())[0] != 201:
            sys.exit("the model was not taken")
        client.ask("PUT", "/v1/models/m/space",
                   {"inputs": [{"name": name, "bounds": [0, 1]} for name in "abcd"], "outputs": ["y", "z"]})
        print("| predictions of one row | count | median ms | p99 ms |\n|---|---|---|---|")
        for what in ("", *WORK, ""):
            stop, done = threading.Event(), []
            worker = threading.Thread(target=explore, args=(port, what, stop, done))
            if what:
                worker.start()
            times = predictions(port, seconds)
            stop.set()
            if what:
                worker.join()
            name = f"during {what}, {len(done)} of them" if what else "alone"
            print(f"| {name} | {len(times)} | {times[len(times) // 2]:.2f} | {times[int(0.99 * len(times))]:.2f} |", flush=True)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    main()
