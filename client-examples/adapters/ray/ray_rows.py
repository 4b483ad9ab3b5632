#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulations as tasks of Ray whose rows are stored as they come; then a training, and predictions in parts.

usage: ray_rows.py [--model NAME] [--parts N] [--runs N] [--address ADDRESS]

Without --address it starts Ray on this machine with two processors.
"""

import argparse
import os
import sys

import ray

HERE = os.path.dirname(os.path.abspath(__file__))
ADAPTERS = os.path.join(HERE, "..")
sys.path.insert(0, ADAPTERS)
from surrogate import Surrogate, run  # noqa: E402
from farm_tasks import predict, simulate, store, train  # noqa: E402

POINTS = [[0.01, 6, 1, 0.5], [0.005, 8, 1, 0.4], [0.015, 5, 1.5, 0.7], [0.008, 7, 0.5, 0.6]]
# Of the environment of a task: where the server is, and who asks.
PASSED_ON = ("SURROGATED_SERVER", "SURROGATED_TOKEN", "SURROGATED_TLS_CA", "PATH")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--model", default="ray")
    options.add_argument("--parts", type=int, default=4)
    options.add_argument("--runs", type=int, default=25, help="simulations of a part")
    options.add_argument("--address")
    chosen = options.parse_args()
    paths = [os.path.abspath(ADAPTERS), os.environ.get("PYTHONPATH", "")]
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    ray.init(address=chosen.address, num_cpus=None if chosen.address else 2, include_dashboard=False,
             log_to_driver=False, logging_level="error",
             runtime_env={"env_vars": {**passed_on, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}})
    # A task that is lost with its node runs again: its rows are the same, and are stored once.
    remote = {task: ray.remote(max_retries=2)(task) for task in (simulate, store, predict)}
    rows = [remote[simulate].remote(part, chosen.runs) for part in range(1, chosen.parts + 1)]
    left = [remote[store].remote(chosen.model, part) for part in rows]
    while left:
        done, left = ray.wait(left)
        ray.get(done)
    surrogate = Surrogate(chosen.model)
    stored = surrogate.ask("GET", f"{surrogate.path}/data")["rows"]
    print(f"{stored} rows, version {train(surrogate)}")
    parts = [remote[predict].remote(chosen.model, points) for points in (POINTS[:2], POINTS[2:])]
    for mean in [row for part in ray.get(parts) for row in part]:
        print(" ".join(f"{value:.4f}" for value in mean))
    ray.shutdown()


if __name__ == "__main__":
    run(main)
