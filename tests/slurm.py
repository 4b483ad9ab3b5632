#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tests/slurm.sh says, on a cluster of this machine alone."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from harness import BINARY, HERE, PATIENCE, Server
from slurm_cluster import Cluster

DEPLOY = os.path.join(HERE, "..", "..", "deploy", "slurm")
TRAIN = os.environ["TRAIN_BIN"]
SHORT = {"solver": "ensemble", "seed": 1, "settings": {"members": 2, "epochs": 100}, "where": "launcher"}
LONG = {"solver": "ensemble", "seed": 2, "settings": {"members": 4, "epochs": 20000, "batch_size": 4}, "where": "launcher"}
POINT = {"inputs": [[0.01, 6, 1, 0.5]]}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Scene:
    def __init__(self, folder, cluster):
        self.folder = folder
        self.cluster = cluster
        self.server = None
        self.token = subprocess.run([BINARY, "token", "create", "--role", "write", "--db",
                                     os.path.join(folder, "registry.db")], check=True, capture_output=True, text=True).stdout

    def start(self, launcher):
        self.server = Server(self.folder, "--launcher", launcher, "--launch-program", TRAIN, "--launch-stop-s", "5",
                             "--checkpoint-ms", "1000")
        self.server.environment = {**os.environ, **self.cluster.env}
        self.server.start()

    def ask(self, status, method, path, body=None):
        found, _, data = self.server.request(method, path, body)
        assert found == status, data
        return data

    def queue(self, *filters):
        return self.cluster.ask("squeue", "-h", "-o", "%i %j %T", *filters).stdout.split("\n")[:-1]

    def wait_for(self, done, what):
        end = time.time() + PATIENCE
        while not done():
            assert time.time() < end, f"{what} did not happen\n{self.cluster.logs()}\n{self.server.log_text()[-3000:]}"
            time.sleep(0.1)

    def train(self, request, *states):
        job = self.ask(202, "POST", "/v1/models/farm/train", request)["id"]
        return self.server.wait_job(job, *states) if states else job

    def progress(self, job):
        return self.ask(200, "GET", f"/v1/jobs/{job}")["progress"]

    def wait_progress(self, job):
        """It runs on the cluster and has told so."""
        self.wait_for(lambda: self.progress(job), "progress")
        running = [line for line in self.queue() if "RUNNING" in line]
        assert running, self.queue()
        say(f"  job {job} runs as {running[0]}, at {self.progress(job)['fraction']:.3f}")
        return running[0].split()[0]

    def wait_idle(self):
        self.wait_for(lambda: not self.queue("-t", "PENDING,RUNNING,COMPLETING,CONFIGURING"), "an empty queue")

    def upload_by_array(self):
        """deploy/slurm/simulations.sbatch, which finds server and token in its folder."""
        shared = os.path.join(self.folder, "surrogate")
        os.mkdir(shared)
        for name, text in (("token", self.token), ("server", f"http://127.0.0.1:{self.server.port}\n")):
            with open(os.path.join(shared, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink(BINARY, os.path.join(self.folder, "surrogated"))
        path = self.folder + os.pathsep + os.environ["PATH"]
        done = subprocess.run(["sbatch", os.path.join(DEPLOY, "simulations.sbatch")], cwd=self.folder, check=True,
                              env={**os.environ, **self.cluster.env, "FOLDER": shared, "PATH": path, "PAUSE_S": "1",
                                   "SIMULATION": os.environ["FARM_BIN"]}, capture_output=True, text=True)
        job = re.search(r"Submitted batch job (\d+)", done.stdout)[1]
        self.cluster.wait(job)
        self.wait_idle()
        rows = self.ask(200, "GET", "/v1/models/farm/data")["rows"]
        assert rows == 100, self.cluster.logs()
        say(f"array job {job}: {rows} rows were uploaded by 4 tasks")

    def train_and_serve(self, name):
        row = self.train(SHORT, "succeeded", "failed")
        assert row["state"] == "succeeded" and row["where"] == "launcher", row["message"]
        mean = self.ask(200, "POST", "/v1/models/farm/predict", POINT)["mean"][0]
        say(f"{name}: job {row['id']} made version {row['version']}, which predicts {mean}")
        here = self.train({**SHORT, "where": "here"}, "succeeded", "failed")
        assert here["version"] == row["version"], (here, row)
        say(f"  trained in the server it is the same version {here['version']}")
        self.wait_idle()

    def survive_scancel(self):
        before = self.ask(200, "GET", "/v1/models/farm")["model"]["default_version"]
        job = self.train(LONG)
        step = self.wait_progress(job)
        self.cluster.ask("scancel", step)
        row = self.server.wait_job(job, "failed", "succeeded")
        assert row["state"] == "failed", row
        say(f"  scancel: job {job} failed: {row['message']}")
        assert self.ask(200, "GET", "/v1/models/farm")["model"]["default_version"] == before
        assert self.train(SHORT, "succeeded", "failed")["state"] == "succeeded"
        say("  the server serves the version of before, and the next training succeeds")
        self.wait_idle()

    def cancel(self):
        job = self.train(LONG)
        self.wait_progress(job)
        self.ask(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        self.wait_idle()
        say(f"  DELETE of job {job}: cancelled, and nothing of it is in Slurm's queue")

    def survive_a_kill(self):
        job = self.train(LONG)
        self.wait_progress(job)
        states = os.path.join(self.server.db + ".jobs", f"job-{job}", "checkpoints")
        self.wait_for(lambda: os.path.isdir(states) and any(n.endswith(".state") for n in os.listdir(states)), "a checkpoint")
        at = self.progress(job)["fraction"]
        self.server.kill()
        self.server.start()
        self.wait_progress(job)
        say(f"  kill -9 of the server at {at:.3f}: started again, job {job} went on at {self.progress(job)['fraction']:.3f}, "
            f"queue: {self.queue()}")
        self.ask(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        self.wait_idle()
        self.wait_for(lambda: not os.listdir(self.server.db + ".jobs"), "the end of all folders")
        say("  cancelled: the queue is empty, and no folder of a job is left")

    def end(self):
        code = self.server.stop()
        assert code == 0, self.server.log_text()[-3000:]


def main():
    folder = tempfile.mkdtemp()
    try:
        with Cluster(folder) as cluster:
            say("Slurm runs: " + cluster.ask("sinfo", "-h", "-o", "%N %c processors %T").stdout.strip())
            scene = Scene(folder, cluster)
            try:
                scene.start("srun -n 1 {command}")
                scene.upload_by_array()
                for name, launcher in (("srun", "srun -n 1 {command}"),
                                       ("sbatch", f"sbatch --wait {os.path.abspath(DEPLOY)}/train.sbatch {{command}}")):
                    scene.end()
                    scene.start(launcher)
                    scene.train_and_serve(name)
                    scene.survive_scancel()
                    scene.cancel()
                    scene.survive_a_kill()
                scene.end()
            finally:
                if scene.server.process.poll() is None:
                    scene.server.kill()
        say("good")
    finally:
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    main()
