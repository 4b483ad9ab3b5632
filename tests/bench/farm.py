#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A farm at work: clients append rows (JSON, CSV and npy, each upload with an idempotency key, some
sent twice or by two clients at once) while the same model is trained and predicts at a fixed rate. All
counts must be exact, the rows those that were sent, no answer 5xx, no job failed. Prints latencies of
predictions before and during, rows a second, resident memory.

usage: farm.py SURROGATED_BINARY OPENLOOP_BINARY [--clients 32] [--rows 1000000] [--rate 500]
               [--part 1000] [--columns 20] [--before 10] [--connections 16] [--epochs 20]
               [--http-threads 0]

Part: rows an upload; before: seconds; connections: of predictions; epochs: of a job, one follows the
other.

Uploads are written to files beforehand, by processes, and sent at low priority, so that what is
measured is the server and not the making of rows. Predictions are timed by openloop.c.
"""

import argparse
import array
import hashlib
import http.client
import json
import multiprocessing
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

MODEL = "/v1/models/farm"
DATA = MODEL + "/data"
BASE_ROWS = 2000  # the first version is trained on
KINDS = ("json", "csv", "npy")
TYPES = {"json": "application/json", "csv": "text/csv", "npy": "application/x-npy"}
N_PROCESSES = 4
RUNS = multiprocessing.get_context("fork")
ENDED = ("succeeded", "failed", "cancelled")


# ---- rows ----

def table(number, n_rows, columns):
    """Numbers in [1, 2) made by a hash, packed; no two uploads share a row."""
    bits = array.array("Q", hashlib.shake_128(str(number).encode()).digest(8 * n_rows * columns))
    return array.array("Q", (b >> 12 | 0x3FF << 52 for b in bits)).tobytes()


def hash_rows(packed, width):
    """The sum of the rows' hashes: equal for equal multisets of rows, whatever their order."""
    return sum(int.from_bytes(hashlib.blake2b(packed[i:i + width], digest_size=16).digest(), "big")
               for i in range(0, len(packed), width)) % 2**128


def body_of(kind, packed, columns):
    n_rows = len(packed) // (8 * columns)
    if kind == "npy":
        head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n_rows}, {columns}), }}"
        head = (head + " " * (-(len(head) + 11) % 64) + "\n").encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + packed
    lines = struct.iter_unpack(f"<{columns}d", packed)
    if kind == "csv":
        return "\n".join(",".join(map(repr, line)) for line in lines).encode()
    lines = [list(line) for line in lines]
    return json.dumps({"inputs": [line[:-1] for line in lines],
                       "outputs": [line[-1:] for line in lines]}).encode()


class Upload:
    def __init__(self, folder, number, n_rows):
        self.number, self.n_rows = number, n_rows
        self.kind = KINDS[number % len(KINDS)]
        self.key = f"run-{number}"
        self.path = os.path.join(folder, self.key)


def write_upload(work):
    upload, columns = work
    packed = table(upload.number, upload.n_rows, columns)
    with open(upload.path, "wb") as file:
        file.write(body_of(upload.kind, packed, columns))
    return hash_rows(packed, 8 * columns)


def prepare(folder, settings):
    """The uploads, and the sum of the hashes of all their rows."""
    uploads = [Upload(folder, number, min(settings.part, settings.rows - first))
               for number, first in enumerate(range(0, settings.rows, settings.part))]
    with RUNS.Pool(os.cpu_count()) as pool:
        work = [(upload, settings.columns) for upload in uploads]
        return uploads, sum(pool.imap_unordered(write_upload, work, 4)) % 2**128


# ---- clients ----

def send(port, uploads, out):
    """One client: its uploads one after the other. out gets (key, status, answer, seconds)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    for upload in uploads:
        with open(upload.path, "rb") as file:
            body = file.read()
        begin = time.time()
        connection.request("POST", DATA + ("" if upload.kind == "json" else "?outputs=1"), body, {
            "Content-Type": TYPES[upload.kind], "Idempotency-Key": f'"{upload.key}"',
            "Surrogate-Source": upload.key})
        answer = connection.getresponse()
        data = json.loads(answer.read())
        out.append((upload.key, answer.status, data, time.time() - begin))
    connection.close()


def client_process(port, lists, pipe):
    os.nice(10)  # a farm's clients are on other machines
    out = []
    threads = [threading.Thread(target=send, args=(port, uploads, out)) for uploads in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(out)
    pipe.close()


def deal(uploads, n_clients):
    """A list of uploads for each client. Of ten, one is repeated by its client and another one also
    comes from the next client, at about the same moment."""
    lists = [[] for _ in range(n_clients)]
    for upload in uploads:
        client = upload.number % n_clients
        lists[client].append(upload)
        if upload.number % 10 == 3:
            lists[client].append(upload)
        if upload.number % 10 == 7:
            lists[(client + 1) % n_clients].append(upload)
    return lists


class Clients:
    def __init__(self, port, uploads, n_clients):
        lists = deal(uploads, n_clients)
        self.runs = []
        for i in range(min(N_PROCESSES, n_clients)):
            pipe, end = RUNS.Pipe(False)
            run = RUNS.Process(target=client_process, args=(port, lists[i::N_PROCESSES], end),
                               daemon=True)
            run.start()
            end.close()
            self.runs.append((run, pipe))

    def results(self):
        """None while they are at work."""
        if not all(pipe.poll() for _, pipe in self.runs):
            return None
        out = []
        for run, pipe in self.runs:
            out += pipe.recv()  # EOFError: a client failed, its traceback is on stderr
            run.join()
        return out


# ---- the server's side ----

class Predictions:
    def __init__(self, openloop, port, body, settings, seconds):
        self.process = subprocess.Popen(
            [openloop, str(port), MODEL + "/predict", body, str(settings.rate), str(seconds),
             str(settings.connections)], stdout=subprocess.PIPE, text=True)

    def result(self, stop=False):
        if stop:
            self.process.send_signal(signal.SIGTERM)
        text = self.process.communicate(timeout=600)[0]
        found = json.loads(text)
        assert found["2xx"] == found["requests"] > 0 and found["broken"] == 0, found
        return found


class Training:
    """One job after the other."""

    def __init__(self, server, epochs):
        self.server, self.epochs = server, epochs
        self.states = []
        self.start()

    def start(self):
        status, _, data = self.server.request("POST", MODEL + "/train", {
            "solver": "ensemble", "settings": {"epochs": self.epochs}, "seed": len(self.states)})
        assert status == 202, (status, data)
        self.job = data["id"]

    def watch(self):
        row = self.server.request("GET", f"/v1/jobs/{self.job}")[2]
        if row["state"] in ENDED:
            self.ended(row)
            self.start()

    def ended(self, row):
        assert row["state"] != "failed", row
        self.states.append(row["state"])

    def finish(self):
        """The last job is cancelled, unless it is the only one."""
        if "succeeded" in self.states:
            status, _, data = self.server.request("DELETE", f"/v1/jobs/{self.job}")
            assert status in (200, 202, 409), (status, data)
        self.ended(self.server.wait_job(self.job, *ENDED, seconds=600))


def metrics(server):
    return server.request("GET", "/metrics")[2].decode()


def resident(server):
    return float(re.search(r"^process_resident_memory_bytes (\S+)", metrics(server), re.M)[1]) / 1e6


def check_answers(answers, uploads):
    """Each upload was taken once; whoever repeated it was told so."""
    by_key = {}
    for key, status, data, _ in answers:
        assert status == 201, (key, status, data)
        by_key.setdefault(key, []).append(data)
    for upload in uploads:
        found = by_key.pop(upload.key)
        assert len({data["batch"] for data in found}) == 1, found
        assert sum(not data.get("repeated", False) for data in found) == 1, found
        assert {data["rows"] for data in found} == {upload.n_rows}, found
    assert not by_key, by_key
    return len(answers) - len(uploads)


def exported_hash(server, columns):
    """(rows, sum of hashes) of all rows as they are streamed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    connection.request("GET", DATA + "/rows?format=npy")
    answer = connection.getresponse()
    answer.read(struct.unpack("<H", answer.read(10)[8:])[0])
    width, total, rest, n_bytes = 8 * columns, 0, b"", 0
    while piece := answer.read(1 << 20):
        n_bytes += len(piece)
        rest += piece
        whole = len(rest) // width * width
        total += hash_rows(rest[:whole], width)
        rest = rest[whole:]
    connection.close()
    assert rest == b"", len(rest)
    return n_bytes // width, total % 2**128


def check_rows(server, uploads, settings, expected):
    data = server.request("GET", DATA)[2]
    n_rows = BASE_ROWS + settings.rows
    assert (data["rows"], data["batches"]) == (n_rows, len(uploads) + 1), data
    assert exported_hash(server, settings.columns) == (n_rows, expected), "other rows than were sent"
    sources, after = [], 0
    while after is not None:
        page = server.request("GET", f"{DATA}/batches?limit=1000&after={after}")[2]
        sources += [batch["source"] for batch in page["batches"]]
        after = page["next"]
    assert sorted(sources[1:]) == sorted(upload.key for upload in uploads), sources[:5]


def begin(server, settings):
    """A first version to serve; the sum of the hashes of its rows."""
    packed = table("base", BASE_ROWS, settings.columns)
    status, _, data = server.request("POST", DATA + "?outputs=1",
                                     body_of("npy", packed, settings.columns),
                                     {"Content-Type": TYPES["npy"]})
    assert status == 201, data
    status, _, data = server.request("POST", MODEL + "/train", {
        "solver": "ensemble", "settings": {"epochs": 5}})
    assert status == 202, data
    row = server.wait_job(data["id"], *ENDED, seconds=600)
    assert row["state"] == "succeeded", row
    return hash_rows(packed, 8 * settings.columns)


def at_work(server, training, clients):
    """Waits for the clients: their answers and the most memory that was resident."""
    most = 0.0
    while (answers := clients.results()) is None:
        training.watch()
        most = max(most, resident(server))
        time.sleep(0.1)
    return answers, most


def check_no_5xx(server):
    for line in metrics(server).splitlines():
        assert 'code="5' not in line or line.endswith(" 0"), line


def run(server, openloop, settings):
    """AssertionError when anything is not as it should be; else what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        uploads, expected = prepare(folder, settings)
        expected = (expected + begin(server, settings)) % 2**128
        body = os.path.join(folder, "predict")
        with open(body, "w", encoding="utf-8") as file:
            json.dump({"inputs": [[1.5] * (settings.columns - 1)]}, file)
        before = Predictions(openloop, server.port, body, settings, settings.before).result()
        training = Training(server, settings.epochs)
        server.wait_job(training.job, "running", *ENDED)
        predictions = Predictions(openloop, server.port, body, settings, 24 * 3600)
        try:
            start = time.time()
            clients = Clients(server.port, uploads, settings.clients)
            answers, most = at_work(server, training, clients)
            seconds = time.time() - start
            during = predictions.result(stop=True)
        finally:
            predictions.process.kill()
            predictions.process.wait()
        training.finish()
        repeated = check_answers(answers, uploads)
        check_rows(server, uploads, settings, expected)
        check_no_5xx(server)
    return {"before": before, "during": during, "seconds": seconds, "uploads": len(uploads),
            "repeated": repeated, "jobs": training.states, "resident_mb": most,
            "longest_upload_s": max(answer[3] for answer in answers)}


def parse(arguments):
    parser = argparse.ArgumentParser()
    for name, default in (("clients", 32), ("rows", 1000000), ("rate", 500), ("part", 1000),
                          ("columns", 20), ("before", 10), ("connections", 16), ("epochs", 20),
                          ("http-threads", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args(arguments)


def main():
    os.environ["SURROGATED_BIN"] = os.path.abspath(sys.argv[1])
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
    from harness import Server  # it looks for SURROGATED_BIN
    settings = parse(sys.argv[3:])
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, "--http-threads", str(settings.http_threads)).start()
        try:
            found = run(server, os.path.abspath(sys.argv[2]), settings)
        finally:
            code = server.stop()
        assert code == 0, server.log_text()[-2000:]
    print(f"{settings.rows} rows of {settings.columns} columns by {settings.clients} clients in "
          f"{found['uploads']} uploads and {found['repeated']} repeats: "
          f"{settings.rows / found['seconds']:.0f} rows/s, longest upload "
          f"{found['longest_upload_s'] * 1e3:.0f} ms, counts and rows exact, no 5xx")
    print(f"jobs: {', '.join(found['jobs'])}; resident at most {found['resident_mb']:.0f} MB")
    for phase in ("before", "during"):
        p = found[phase]
        print(f"predictions {phase}: {p['requests']} at {p['requests'] / p['seconds']:.0f}/s, "
              f"p50 {p['p50_ms']:.3f} ms, p90 {p['p90_ms']:.3f}, p99 {p['p99_ms']:.3f}, "
              f"p99.9 {p['p999_ms']:.3f}, max {p['max_ms']:.1f}")


if __name__ == "__main__":
    main()
