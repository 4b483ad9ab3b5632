#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a registry with a server of some revision and writes it down: SQL and what was answered.

Run once for each released schema, with a server built from the revision whose schema it is:

    SURROGATED_BIN=.../surrogated python3 make_registry.py registry_schemaN

process/test_migrations.py loads the SQL and starts today's server on it.
"""

import http.client
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import make_golden  # noqa: E402

POINTS = [[0.1, 0.2], [-0.7, 0.4], [0.0, 0.0]]


def start(binary, folder):
    log = os.path.join(folder, "log")
    with open(log, "wb") as out:
        process = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--db",
                                    os.path.join(folder, "r.db"), "--train-threads", "1"], stderr=out)
    for _ in range(200):
        with open(log, encoding="utf-8") as file:
            text = file.read()
        found = re.search(r"message=listening .*port=(\d+)", text)
        if found and "message=ready" in text:
            return process, int(found.group(1))
        time.sleep(0.05)
    raise SystemExit(text)


def request(port, method, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def call(port, method, path, body=None, headers=None):
    code, data = request(port, method, path, body, headers)
    if code >= 300:
        raise SystemExit(f"{method} {path}: {code} {data[:300]}")
    return json.loads(data) if data else None


def status(port, method, path, body=None):
    """Of what an earlier server may refuse."""
    return request(port, method, path, body, None)[0]


def wait(port, job):
    while True:
        row = call(port, "GET", f"/v1/jobs/{job}")
        if row["state"] not in ("queued", "running"):
            return row
        time.sleep(0.05)


def upload(port, model, n, seed):
    """Numbers that are written and read exactly: the export must give them back as they are."""
    rng = random.Random(seed)
    inputs = [[round(rng.uniform(-1, 1), 3), round(rng.uniform(-1, 1), 3)] for _ in range(n)]
    outputs = [[round(a + b + a * b, 3)] for a, b in inputs]
    call(port, "POST", f"/v1/models/{model}/data", {"inputs": inputs, "outputs": outputs})
    return [x + y for x, y in zip(inputs, outputs)]


def fill(port):
    """A trained model, one that was registered (one version of it deleted), a deleted one."""
    rng = random.Random(4)
    rows = [upload(port, "trained", n, seed) for n, seed in ((40, 1), (7, 2), (25, 3))]
    train = {"solver": "ensemble", "settings": {"members": 2, "epochs": 5}, "seed": 1,
             "architecture": {"width": 4, "layers": 2}}
    wait(port, call(port, "POST", "/v1/models/trained/train", train)["id"])
    rows.append(upload(port, "trained", 12, 5))
    wait(port, call(port, "POST", "/v1/models/trained/train", {**train, "seed": 2})["id"])
    call(port, "PUT", "/v1/models/trained/default", {"version": 1})
    job = call(port, "POST", "/v1/models/trained/train", {**train, "settings": {"epochs": 100000}})["id"]
    call(port, "DELETE", f"/v1/jobs/{job}")
    wait(port, job)
    arch = {**make_golden.BASE, "inputs": 2}
    count = make_golden.count(arch)
    for seed in (1, 2):
        draws = [[rng.uniform(-0.8, 0.8) for _ in range(count)] for _ in range(3)]
        call(port, "PUT", "/v1/models/registered", {
            "architecture": arch,
            "posterior": {"kind": "draws", "parameters": draws, "weights": None}})
    call(port, "DELETE", "/v1/models/registered/versions/1")
    upload(port, "gone", 10, 6)
    call(port, "DELETE", "/v1/models/gone")
    return {"trained": rows}


def make_tokens(port):
    """One that is used, one with the limits of schema 5, and one that was revoked; none before schema 4."""
    if status(port, "GET", "/v1/tokens") == 404:
        return None
    token = call(port, "POST", "/v1/tokens", {"id": "farm", "role": "write", "models": "t*", "rate": 50})
    status(port, "POST", "/v1/tokens", {"id": "limited", "role": "read", "rows_per_s": 1000, "bytes_per_s": 100000,
                                        "concurrent": 4, "queue_share": 25})
    call(port, "POST", "/v1/tokens", {"id": "revoked", "role": "admin", "expires": "2099-01-31"})
    call(port, "DELETE", "/v1/tokens/revoked")
    return {"secret": token["token"], "list": call(port, "GET", "/v1/tokens")}


def record(port, rows):
    models = call(port, "GET", "/v1/models")
    out = {"models": models, "rows": rows, "about": {}, "versions": {}, "predictions": {},
           "documents": {}, "data": {}, "jobs": call(port, "GET", "/v1/jobs")}
    for name in ("registered", "trained"):
        out["about"][name] = call(port, "GET", f"/v1/models/{name}")
        for version in [v["version"] for v in out["about"][name]["versions"]]:
            key = f"{name}/versions/{version}"
            out["versions"][key] = call(port, "GET", f"/v1/models/{key}")
            out["documents"][key] = call(port, "GET", f"/v1/models/{key}/export")
            out["predictions"][key] = call(port, "POST", f"/v1/models/{key}/predict", {
                "inputs": POINTS, "return": ["mean", "variance"]})
    out["data"]["trained"] = call(port, "GET", "/v1/models/trained/data")
    return out


def dump(path):
    database = sqlite3.connect(path)
    pragma = {name: database.execute(f"PRAGMA {name}").fetchone()[0]
              for name in ("application_id", "user_version")}
    lines = list(database.iterdump())
    database.close()
    return "\n".join([f"PRAGMA {name}={value};" for name, value in pragma.items()] + lines) + "\n"


def main():
    binary = os.environ["SURROGATED_BIN"]
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(binary, folder)
        recorded = record(port, fill(port))
        tokens = make_tokens(port)
        if tokens:
            recorded["tokens"] = tokens
        process.send_signal(signal.SIGTERM)
        process.wait()
        text = dump(os.path.join(folder, "r.db"))
    with open(os.path.join(HERE, sys.argv[1] + ".sql"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(HERE, sys.argv[1] + ".json"), "w", encoding="utf-8") as file:
        json.dump(recorded, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
