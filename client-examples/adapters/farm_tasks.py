# SPDX-License-Identifier: Apache-2.0
"""The tasks of a farm, as Dask and Ray run them: simulate, store, train, predict. Each may be run again."""

import hashlib
import subprocess
import time

from surrogate import REFUSED, Failure, Surrogate


def simulate(part, runs):
    """The rows of one part, as JSON."""
    return subprocess.run(["farm", "--runs", str(runs), "--seed", str(part), "--format", "json"],
                          stdout=subprocess.PIPE, check=True).stdout


def store(model, rows):
    """Uploads under a key that is made of the rows, so that they are stored once."""
    surrogate = Surrogate(model)
    key = hashlib.sha256(rows).hexdigest()[:32]
    return surrogate.call("POST", f"{surrogate.path}/data", rows,
                          {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'})


def predict(model, points):
    return Surrogate(model).predict(points, "mean", "std")["mean"]


def train(surrogate):
    """The version that a training makes; raises Failure."""
    job = surrogate.ask("POST", f"{surrogate.path}/train", {"solver": "ensemble", "seed": 1,
                        "settings": {"members": 4, "epochs": 200}}, repeats=False)
    while job["state"] in ("queued", "running"):
        time.sleep(0.2)
        job = surrogate.ask("GET", f"/v1/jobs/{job['id']}")
    if job["state"] != "succeeded":
        raise Failure(REFUSED, f"job {job['id']} is {job['state']}: {job['message']}")
    return job["version"]
