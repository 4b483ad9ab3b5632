# SPDX-License-Identifier: Apache-2.0
"""Many trainings through the API of real servers, one a processor with one training thread each;
results are kept in a file of JSON lines, so that an interrupted run continues where it was."""

import hashlib
import json
import os
import queue
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))
DATA = os.path.join(HERE, "..", "..", "..", "shared", "data")


def use_binary(path):
    """Names the server's binary, before anything here is used."""
    os.environ["SURROGATED_BIN"] = os.path.abspath(path)


def digest(path):
    """Short name of a binary's bytes, to keep results of different ones apart."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:8]


class Results:
    """Results by key, one JSON line each."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.known = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if line.endswith("\n"):
                        row = json.loads(line)
                        self.known[row["key"]] = row
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)

    def add(self, key, row):
        with self.lock:
            self.known[key] = {"key": key, **row}
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(self.known[key]) + "\n")


def train(server, name, inputs, outputs, request, seconds=1800):
    """Uploads rows as model `name`, trains, gives (job, seconds of training)."""
    status, _, data = server.request("POST", f"/v1/models/{name}/data",
                                     {"inputs": inputs, "outputs": outputs})
    assert status == 201, data
    start = time.time()
    status, _, job = server.request("POST", f"/v1/models/{name}/train", request)
    assert status == 202, job
    row = server.wait_job(job["id"], "succeeded", "failed", seconds=seconds)
    if row["state"] != "succeeded":
        raise RuntimeError(f"{name}: {row.get('error')}")
    return row, time.time() - start


def predict(server, name, inputs, *wanted):
    """{result: [n x o]} in blocks of rows."""
    found = {want: [] for want in wanted}
    for i in range(0, len(inputs), 2000):
        status, _, data = server.request("POST", "/predict", {
            "model": name, "inputs": inputs[i:i + 2000], "return": list(wanted)})
        assert status == 200, data
        for want in wanted:
            found[want] += data[want]
    return found


def run_all(tasks, results, work, workers=None):
    """work(server, key, task) -> row for each (key, task) not in results; prints progress."""
    from harness import Server  # pylint: disable=import-outside-toplevel
    todo = queue.Queue()
    for key, task in tasks:
        if key not in results.known:
            todo.put((key, task))
    total = todo.qsize()
    start = time.time()
    failures = []

    def worker():
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, "--train-threads", "1", "--train-nice", "0").start()
            try:
                while True:
                    key, task = todo.get_nowait()
                    try:
                        results.add(key, work(server, key, task))
                    except Exception as error:  # pylint: disable=broad-except
                        failures.append((key, error))
                    server.request("DELETE", f"/v1/models/{model_name(key)}")
                    server.request("DELETE", f"/v1/models/{model_name(key)}/data")
                    done = total - todo.qsize()
                    print(f"\r{done} of {total}, {time.time() - start:.0f} s, last {key}          ",
                          end="", file=sys.stderr, flush=True)
            except queue.Empty:
                pass
            server.stop()

    threads = [threading.Thread(target=worker) for _ in range(workers or os.cpu_count())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(file=sys.stderr)
    for key, error in failures:
        print(f"failed: {key}: {error}")
    print(f"{total} trainings in {time.time() - start:.0f} s on {os.cpu_count()} processors")
    return not failures


def process_clock(pid):
    """For time.clock_gettime: seconds of processor that a process has used, all its threads together.
    Linux makes the number of this clock from the process's id."""
    return ~pid << 3 | 2


def network(version):
    """Width, layers, basis and what is kept of a version, in a few words."""
    arch, posterior = version["architecture"], version["posterior"]
    kept = f"{posterior['members']} members" if "members" in posterior else f"{version['draws']} draws"
    return f"{arch['width']} x {arch['layers']} {arch['basis']}, {kept}"


def model_name(key):
    return "".join(c if c.isalnum() else "-" for c in key)


def mean_and_error(values):
    if len(values) < 2:
        return (values[0] if values else float("nan")), float("nan")
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
