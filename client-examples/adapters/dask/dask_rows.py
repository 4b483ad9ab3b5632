#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulations as tasks of Dask whose rows are stored as they come; then a training, and predictions in parts.

usage: dask_rows.py [--model NAME] [--parts N] [--runs N] [--scheduler ADDRESS]

Without --scheduler it makes a cluster of two workers on this machine.
"""

import argparse
import os
import sys

from dask.distributed import Client, LocalCluster, as_completed

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from surrogate import Surrogate, run  # noqa: E402
from farm_tasks import predict, simulate, store, train  # noqa: E402

POINTS = [[0.01, 6, 1, 0.5], [0.005, 8, 1, 0.4], [0.015, 5, 1.5, 0.7], [0.008, 7, 0.5, 0.6]]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--model", default="dask")
    options.add_argument("--parts", type=int, default=4)
    options.add_argument("--runs", type=int, default=25, help="simulations of a part")
    options.add_argument("--scheduler")
    chosen = options.parse_args()
    cluster = chosen.scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client:
        for name in ("../surrogate.py", "../farm_tasks.py"):  # workers may be on other machines
            client.upload_file(os.path.join(HERE, name))
        rows = [client.submit(simulate, part, chosen.runs, retries=2) for part in range(1, chosen.parts + 1)]
        # pure: the key of an upload is made of its rows, so a worker that is lost may leave it to another one.
        receipts = [client.submit(store, chosen.model, part, retries=2) for part in rows]
        for receipt in as_completed(receipts):
            receipt.result()
        surrogate = Surrogate(chosen.model)
        stored = surrogate.ask("GET", f"{surrogate.path}/data")["rows"]
        print(f"{stored} rows, version {train(surrogate)}")
        parts = client.map(predict, [chosen.model] * 2, [POINTS[:2], POINTS[2:]])
        for mean in [row for part in client.gather(parts) for row in part]:
            print(" ".join(f"{value:.4f}" for value in mean))
    if not chosen.scheduler:
        cluster.close()


if __name__ == "__main__":
    run(main)
