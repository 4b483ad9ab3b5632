#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Twenty-four hours of a server's life in MINUTES: a million predictions, and each hour a rotated log, a
changed setting, a renewed certificate and token, uploads, deletions, trainings, models that come and
go, and a replica that follows. Prints memory, descriptors and the server's own account hour by hour,
and how fast they grow. With libfaketime (apt-get install faketime) clocks run faster too.

usage: soak.py SURROGATED_BINARY [MINUTES [PREDICTIONS]]
"""

import os
import shutil
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PROCESS = os.path.join(TESTS, "process")


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    if not shutil.which("openssl"):
        print("the openssl command is missing: apt-get install openssl")
        return 2
    binary = os.path.abspath(sys.argv[1])
    os.environ["SURROGATED_BIN"] = binary
    sys.path[:0] = [os.path.join(PROCESS, "day"), PROCESS]
    from day import Day, fast_clock, slope  # the folder of the binary must be known first

    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    predictions = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    openloop = os.path.join(os.path.dirname(binary), "..", "tests", "bench", "openloop")
    clock = fast_clock()
    print("clocks run", f"{24 * 60 / minutes:.0f} times as fast" if clock else "as usual: there is no libfaketime")
    print(f"{'hour':>4} {'resident':>9} {'replica':>9} {'account':>9} {'models':>9} {'registry':>9} {'wal':>9}  "
          "descriptors  threads")

    def tell(s):
        sizes = " ".join(f"{s[key] / 1e6:9.2f}" for key in ("resident", "replica", "account", "models", "registry_bytes",
                                                            "wal_bytes"))
        print(f"{s['hour']:4} {sizes}  {s['descriptors']:5} {s['replica_descriptors']:5}  {s['threads']:7}", flush=True)

    folder = tempfile.mkdtemp()
    day = Day(folder, openloop, 60 * minutes, predictions, clock)
    try:
        day.start()
        day.pass_day(tell)
        faults = day.close()
    finally:
        day.end()
        shutil.rmtree(folder, True)
    print("predictions:", day.load)
    print("done:", day.done, "failed jobs:", len(day.failed_jobs))
    for key in ("resident", "replica", "account", "registry_bytes"):
        print(f"{key}: {slope(day.samples[6:], key) / 1e3:+.1f} kB an hour from hour 7 on")
    for fault in faults:
        print("FAULT", fault)
    return 1 if faults or day.failed_jobs or day.load["2xx"] != day.load["requests"] or day.load["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
