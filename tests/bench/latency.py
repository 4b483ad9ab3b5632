#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One-row predictions of a 100-draw posterior before, during and after a training job: latency
percentiles, and whether every answer stayed the same.

usage: latency.py SURROGATED_BINARY
"""

import http.client
import json
import os
import sys
import tempfile
import time

os.environ["SURROGATED_BIN"] = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
from harness import Server, architecture, document, rows  # noqa: E402

REQUESTS = 4000
PAUSE_S = 0.0005


def measure(server, body, expected):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    times = []
    wrong = 0
    for _ in range(REQUESTS):
        start = time.perf_counter()
        connection.request("POST", "/predict", body)
        answer = connection.getresponse().read()
        times.append(time.perf_counter() - start)
        wrong += answer != expected
        time.sleep(PAUSE_S)
    connection.close()
    times.sort()
    return [1e3 * times[int(q * (len(times) - 1))] for q in (0.5, 0.9, 0.99, 0.999)], wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder).start()
        arch = architecture(inputs=8, outputs=1, width=16, layers=4)
        print("registered:", server.request("PUT", "/v1/models/posterior", document(100, arch=arch))[0])
        server.request("POST", "/v1/models/training/data", rows(4000, d=8))
        body = json.dumps({"model": "posterior", "inputs": [[0.1] * 8]})
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/predict", body)
        expected = connection.getresponse().read()
        connection.close()
        measure(server, body, expected)
        found = {}
        for phase in ("before", "during", "after"):
            if phase == "during":
                job = server.request("POST", "/v1/models/training/train", {
                    "solver": "ensemble", "settings": {"epochs": 100000}})[2]["id"]
                server.wait_job(job, "running")
                time.sleep(0.5)
            found[phase], wrong = measure(server, body, expected)
            if phase == "during":
                state = server.request("GET", f"/v1/jobs/{job}")[2]["state"]
                server.request("DELETE", f"/v1/jobs/{job}")
                server.wait_job(job, "cancelled")
                assert state == "running", state
            p50, p90, p99, p999 = found[phase]
            print(f"{phase:7s} p50 {p50:.3f} ms  p90 {p90:.3f}  p99 {p99:.3f}  p99.9 {p999:.3f}  "
                  f"wrong answers {wrong} of {REQUESTS}")
        print(f"p99 during / before: {found['during'][2] / found['before'][2]:.2f}")
        server.stop()


if __name__ == "__main__":
    main()
