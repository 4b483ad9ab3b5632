#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fields by their modes: error and calibration on fields that never trained, of a steady convection,
diffusion and reaction (72 outputs, 5 inputs), with and without the reduction, and of a map of 100 x
100 points (3 inputs).

usage: fields.py SURROGATED_BINARY [--solvers a,b] [--runs N] [--skip-map]

Prints, for each: modes, error as a share of the spread of the kept fields, the share of points within
their central 90 % interval (with the noise), and seconds of the job.
"""

import argparse
import array
import math
import os
import random
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import experiments  # noqa: E402  pylint: disable=wrong-import-position

NOISE = 0.01
TEST = 100
SOLVERS = ("evidence", "ensemble", "bll", "swag")


def transport(point, n=72):
    """-D u'' + v u' + k u = s(x) on [0, 1], u(0) = u0, u'(1) = 0, by central differences (Thomas)."""
    diffusion, speed, rate, source, left = point
    h = 1.0 / n
    low = -diffusion / h ** 2 - speed / (2 * h)
    high = -diffusion / h ** 2 + speed / (2 * h)
    middle = 2 * diffusion / h ** 2 + rate
    upper, right = [], []
    for i in range(n):
        x = (i + 1) * h
        below, diagonal, above = low, middle, high
        value = source * math.exp(-((x - 0.4) / 0.1) ** 2)
        if i == 0:
            value -= low * left
            below = 0.0
        if i == n - 1:
            below, above = low + high, 0.0
        scale = diagonal - below * (upper[-1] if upper else 0.0)
        right.append((value - below * (right[-1] if right else 0.0)) / scale)
        upper.append(above / scale)
    u = [0.0] * n
    for i in reversed(range(n)):
        u[i] = right[i] - upper[i] * (u[i + 1] if i + 1 < n else 0.0)
    return u


def plume(point, side=100):
    a, b, c = point
    across = [math.exp(-(i / (side - 1) - 0.5 - 0.15 * a) ** 2 / 0.05) for i in range(side)]
    along = [math.exp(-(j / (side - 1) - 0.4 - 0.15 * b) ** 2 / (0.05 + 0.02 * c)) for j in range(side)]
    return [x * y for x in across for y in along]


CASES = {"transport": (transport, [(0.05, 0.2), (0.5, 2.0), (0.5, 3.0), (2.0, 6.0), (0.0, 1.0)]),
         "map": (plume, [(-1.0, 1.0)] * 3)}


def rows_of(case, n, seed):
    solve, ranges = CASES[case]
    chance = random.Random(seed)
    points = [[chance.uniform(low, high) for low, high in ranges] for _ in range(n)]
    return points, [[v + chance.gauss(0, NOISE) for v in solve(point)] for point in points]


def npy(table):
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(table)}, {len(table[0])}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    numbers = array.array("d", [v for row in table for v in row])
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + numbers.tobytes()


def numbers_of(data):
    size = struct.unpack("<H", data[8:10])[0]
    return array.array("d", data[10 + size:])


def call(server, method, path, body=None, headers=None):
    status, _, data = server.request(method, path, body, headers)
    assert status < 300, data
    return data


def ask(server, model, points, what):
    path = f"/v1/models/{model}/predict?return={what}"
    return numbers_of(call(server, "POST", path, npy(points), {"Content-Type": "application/x-npy"}))


def measure(server, case, model, request):
    points, seen = rows_of(case, TEST, 99)
    began = time.time()
    job = call(server, "POST", f"/v1/models/{model}/train", {**request, "gate": None})["id"]
    row = server.wait_job(job, "succeeded", "failed", seconds=3600)
    assert row["state"] == "succeeded", row
    seconds = time.time() - began
    found = call(server, "GET", f"/v1/models/{model}/versions/{row['version']}")
    mean = ask(server, model, points, "mean")
    total = ask(server, model, points, "total_variance")
    truth = array.array("d", [v for row in seen for v in row])
    p = len(seen[0])
    centre = [sum(row[j] for row in seen) / TEST for j in range(p)]
    spread = math.sqrt(sum((v - centre[i % p]) ** 2 for i, v in enumerate(truth)) / len(truth))
    error = math.sqrt(sum((a - b) ** 2 for a, b in zip(mean, truth)) / len(truth))
    inside = sum(abs(a - b) <= 1.6449 * math.sqrt(v) for a, b, v in zip(mean, truth, total)) / len(truth)
    modes = found.get("output_reduction", {}).get("modes", "-")
    print(f"{case:10} {request['solver']:10} {modes!s:>5} {error / spread:8.4f} {inside:8.3f} {seconds:8.1f}",
          flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("binary")
    options.add_argument("--solvers", default=",".join(SOLVERS))
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--skip-map", action="store_true")
    options = options.parse_args()
    kl = {"kind": "kl", "explained": 0.999}
    print(f"{'case':10} {'solver':10} {'modes':>5} {'error':>8} {'in 90 %':>8} {'s':>8}")
    experiments.use_binary(options.binary)
    from harness import Server  # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder).start()
        for case in ("transport",) if options.skip_map else ("transport", "map"):
            points, seen = rows_of(case, options.runs, 1)
            table = [x + y for x, y in zip(points, seen)]
            call(server, "POST", f"/v1/models/{case}/data?outputs={len(seen[0])}", npy(table),
                 {"Content-Type": "application/x-npy"})
            for solver in options.solvers.split(","):
                measure(server, case, case, {"solver": solver, "seed": 1, "output_reduction": kl})
                if case == "transport":
                    measure(server, case, case, {"solver": solver, "seed": 1})
        server.stop()


if __name__ == "__main__":
    main()
