# SPDX-License-Identifier: Apache-2.0
"""Examples of client-examples/adapters as a user runs them: in a folder of their own, against a live server."""

import os
import shutil
import subprocess
import sys

from harness import BINARY, HERE, PATIENCE, ServerTest

ADAPTERS = os.path.abspath(os.path.join(HERE, "..", "..", "client-examples", "adapters"))
FARM = os.environ["FARM_BIN"]
INPUTS = ["diffusivity", "growth", "loss", "amplitude"]
OUTPUTS = ["mass", "middle", "mean_mass"]
POINT = [0.01, 6.0, 1.0, 0.5]
# A hurried training: what is tested is not how good the model is.
TRAINING = {"solver": "ensemble", "seed": 1, "settings": {"members": 3, "epochs": 30}}


def has_packages(*names):
    return subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], capture_output=True,
                          check=False).returncode == 0


def path_with_programs():
    """The programs of the project first, then those beside this interpreter, as in a virtual environment."""
    return os.pathsep.join([os.path.dirname(BINARY), os.path.dirname(FARM), os.path.dirname(sys.executable),
                            os.environ["PATH"]])


def has_program(name):
    return shutil.which(name, path=path_with_programs()) is not None


class AdapterTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.env = {**os.environ, "SURROGATED_SERVER": f"http://127.0.0.1:{self.server.port}",
                    "PATH": path_with_programs(), "PYTHONDONTWRITEBYTECODE": "1", "HOME": self.folder,
                    "PYTHONPATH": os.environ.get("QUINN", "")}
        self.env.pop("SURROGATED_TOKEN", None)

    def copy(self, *names):
        """Files of the examples, in the folder of the test, beside the client that they import."""
        os.makedirs(os.path.join(self.folder, "work"), exist_ok=True)
        shutil.copy(os.path.join(ADAPTERS, "surrogate.py"), self.folder)
        for name in names:
            shutil.copy(os.path.join(ADAPTERS, name), os.path.join(self.folder, "work"))

    def path(self, name):
        return os.path.join(self.folder, "work", name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def run_here(self, *command, **env):
        return subprocess.run(command, cwd=os.path.join(self.folder, "work"), env={**self.env, **env},
                              timeout=PATIENCE, capture_output=True, text=True, check=False)

    def good(self, *command, **env):
        done = self.run_here(*command, **env)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def fails(self, status, pattern, *command, **env):
        """An exit status, and one line that says why."""
        done = self.run_here(*command, **env)
        self.assertEqual(done.returncode, status, f"{done.stdout}{done.stderr}")
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def train(self, model="flow", runs=60):
        rows = subprocess.run([FARM, "--runs", str(runs), "--seed", "1", "--format", "csv"], capture_output=True,
                              check=True).stdout
        self.ok(201, "POST", f"/v1/models/{model}/data?outputs=3", rows, {"Content-Type": "text/csv"})
        _, job = self.ok(202, "POST", f"/v1/models/{model}/train", TRAINING)
        self.server.wait_job(job["id"], "succeeded")

    def predict(self, inputs, *results, model="flow", **more):
        return self.ok(200, "POST", f"/v1/models/{model}/predict", {"inputs": inputs, "return": results, **more})[1]

    def rows_of(self, model):
        return self.ok(200, "GET", f"/v1/models/{model}/data")[1]["rows"]
