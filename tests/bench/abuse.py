#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of good predictions beside hostile requests of eighty kinds, memory and descriptors before,
meanwhile and after. The same siege at a smaller size, without a word about time, is a test
(tests/process/hostile/test_siege.py).

usage: abuse.py SURROGATED_BINARY OPENLOOP_BINARY [--requests N] [--hostile RATE] [--good RATE] [--seed S]

Good requests are counted from the moment they are due. With --good alone (--requests 0) the same
predictions are made in peace for ten seconds. The last lines say what holds and what does not, and the exit status
is 0 when all holds.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("openloop")
parser.add_argument("--requests", type=int, default=20000)
parser.add_argument("--hostile", type=float, default=500.0)
parser.add_argument("--good", type=float, default=500.0)
parser.add_argument("--seed", default="1")
parser.add_argument("--memory_mb", type=int, default=1000)
parser.add_argument("--kinds", default="", help="words, separated by commas: only kinds whose names have one of them")
options = parser.parse_args()

os.environ["SURROGATED_BIN"] = os.path.abspath(options.binary)
PROCESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process")
sys.path[:0] = [PROCESS, os.path.join(PROCESS, "hostile")]
from harness import Server  # noqa: E402
from siege import ROW, Siege, World, good_load  # noqa: E402

MAX_CONNECTIONS = 1024


def in_peace(server):
    """What the good clients see without anybody else."""
    expected = json.dumps(server.request("POST", "/v1/models/good/predict", ROW)[2], separators=(",", ":")).encode()
    load = good_load(server, options.openloop, expected, options.good)
    time.sleep(10)
    load.terminate()
    return json.loads(load.communicate()[0])


def print_report(report):
    for key in ("seconds", "hostile", "witness", "witness_again", "budget_mb", "account_highest_mb", "memory_highest_mb",
                "memory_fresh_mb", "memory_before_mb", "memory_after_mb", "account_before", "account_after", "processor_s", "descriptors"):
        print(f"{key:20} {report[key] if not isinstance(report[key], float) else round(report[key], 1)}")
    print(f"{'good, in peace':20} {report['peace']}")
    print(f"{'good, under attack':20} {report['good']}")
    for name, kind in sorted(report["kinds"].items()):
        statuses = " ".join(f"{status}:{n}" for status, n in sorted(kind["statuses"].items()))
        print(f"  {name:40} {kind['attacks']:6} attacks {kind['requests']:7} requests {kind['cut']:6} cut  {statuses}")


def print_verdicts(report, faults):
    """True: all that is promised holds."""
    good, mb = report["good"], report["budget_mb"]
    verdicts = (
        (f"99 % of the good predictions within 10 ms: {good['p99_ms']:.2f} ms, in peace {report['peace']['p99_ms']:.2f} ms",
         good["p99_ms"] < 10),
        (f"none of {good['requests']} lost, refused or wrong",
         good["answered"] == good["requests"] == good["2xx"] and not good["wrong"]),
        (f"the account under its budget: {report['account_highest_mb']:.0f} of {mb:.0f} MB",
         report["account_highest_mb"] <= mb),
        (f"resident memory within a tenth and 1 MB again: {report['memory_before_mb']:.1f} MB before, "
         f"{report['memory_after_mb']:.1f} after", report["memory_after_mb"] <= 1.1 * report["memory_before_mb"] + 1),
        (f"descriptors as before: {report['descriptors']}", report["descriptors"][1] <= report["descriptors"][0]),
        ("no other fault", not faults))
    for text, holds in verdicts:
        print("holds " if holds else "FAILS ", text)
    return all(holds for _, holds in verdicts)


def main():
    folder = tempfile.mkdtemp()
    server = Server(folder, "--memory_mb", str(options.memory_mb), "--max_connections", str(MAX_CONNECTIONS),
                    "--train_threads", "1").start()
    try:
        siege = Siege(server, options.openloop, options.requests, (options.hostile, options.good), options.seed)
        siege.words = [word for word in options.kinds.split(",") if word]
        siege.between = in_peace
        faults = siege.run(World(server, MAX_CONNECTIONS, hold_s=8, bomb_values=1000000), options.memory_mb * 1e6)
        faults += siege.stop()
        print_report(siege.report)
        for fault in faults:
            print("FAULT", fault)
        return 0 if print_verdicts(siege.report, faults) else 1
    finally:
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    sys.exit(main())
