# SPDX-License-Identifier: Apache-2.0
"""The examples in Python, R and Octave: their page as it is written, and what they do while the server is busy, refuses
or is away. Those whose interpreter or packages are missing are skipped."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import unittest

import api_page
from harness import BINARY, HERE, PATIENCE, ServerTest
from test_examples import is_as_shown

TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
FOLDER = os.path.join(TOP, "client-examples", "languages")
FARM = os.environ["FARM_BIN"]


def runs(*command):
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


def python_has(*names):
    return runs(sys.executable, "-c", "import " + ", ".join(names))


PLAIN = {"plain.py": [sys.executable, f"{FOLDER}/plain.py"]}
if runs("Rscript", "-e", "library(curl); library(jsonlite)"):
    PLAIN["plain.R"] = ["Rscript", f"{FOLDER}/plain.R"]
if runs("octave-cli", "--eval", "jsondecode('1');") and shutil.which("curl"):
    PLAIN["plain.m"] = ["octave-cli", "--no-history", f"{FOLDER}/plain.m"]
HAS_NUMPY = python_has("numpy")
HAS_EMCEE = python_has("umbridge", "emcee", "requests")


class Stub(http.server.BaseHTTPRequestHandler):
    """Busy at first; then it answers, or cuts the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name
        self.server.seen.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        status = self.server.statuses.pop(0) if self.server.statuses else 201
        body = json.dumps({"rows": 2, "total_rows": 2, "detail": "too much work waits"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Languages(ServerTest):
    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{self.server.port}"
        path = os.pathsep.join([os.path.dirname(FARM), os.path.dirname(BINARY), os.path.dirname(sys.executable),
                                os.environ["PATH"]])
        self.env = {**os.environ, "SURROGATED_SERVER": self.url, "SURROGATED_RETRY_S": "20", "PATH": path,
                    "PYTHONDONTWRITEBYTECODE": "1", "HOME": self.folder}
        os.symlink(os.path.join(TOP, "client-examples"), os.path.join(self.folder, "client-examples"))

    def run_here(self, command, **env):
        return subprocess.run(command, cwd=self.folder, env={**self.env, **env}, timeout=PATIENCE, capture_output=True,
                              text=True, check=False, shell=isinstance(command, str))

    def train(self):
        rows = subprocess.run([FARM, "--runs", "100", "--seed", "1", "--format", "csv"], capture_output=True, check=True).stdout
        self.ok(201, "POST", "/v1/models/flow/data?outputs=3", rows, {"Content-Type": "text/csv"})
        _, job = self.ok(202, "POST", "/v1/models/flow/train", {"solver": "ensemble", "seed": 1,
                                                                "settings": {"members": 3, "epochs": 60}})
        self.server.wait_job(job["id"], "succeeded")

    def misses(self, command):
        """The word that says why a command of the page is left out."""
        for word, there in (("plain.R", "plain.R" in PLAIN), ("plain.m", "plain.m" in PLAIN),
                            ("numpy", HAS_NUMPY), ("arrays.py", HAS_NUMPY), ("sample.py", HAS_EMCEE)):
            if word in command and not there:
                return word
        return None

    def test_the_page(self):
        self.train()
        with open(f"{FOLDER}/README.md", encoding="utf-8") as file:
            commands = api_page.read_commands(file.read())
        self.assertGreater(len(commands), 8)
        left_out = []
        for command in commands:
            if self.misses(command.text):
                left_out.append(self.misses(command.text))
                continue
            text = command.text.replace("python3 ", sys.executable + " ")
            done = self.run_here(text)
            self.assertEqual((done.returncode, done.stderr), (0, ""), f"{text}\n{done.stdout}{done.stderr}")
            self.assertTrue(is_as_shown(command.answer, done.stdout), f"{text}\nprints\n{done.stdout}")
        if left_out:
            print("left out, since it is not installed:", ", ".join(sorted(set(left_out))), file=sys.stderr)
        self.assertEqual(self.ok(200, "GET", "/v1/models/night/data")[1]["rows"], 40)

    def test_all_languages_print_the_same(self):
        self.train()
        printed = {name: self.run_here([*command, "flow", "predict", "0.01,6,1,0.5", "0.0123456789,8,1,0.4"]).stdout
                   for name, command in PLAIN.items()}
        self.assertEqual(set(printed.values()), {printed["plain.py"]}, printed)
        answer = self.ok(200, "POST", "/v1/models/flow/predict", {"inputs": [0.0123456789, 8, 1, 0.4], "return": ["mean"]})[1]
        self.assertIn(f"{answer['mean'][0][0]:.4g} +- ", printed["plain.py"].splitlines()[1])

    def fails(self, name, status, word, *args, **env):
        done = self.run_here([*PLAIN[name], *args], **env)
        self.assertEqual(done.returncode, status, f"{name} {args}: {done.stdout}{done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.startswith(name + ": "), done.stderr)

    def test_failures_are_a_line_and_a_status(self):
        for name in PLAIN:
            with self.subTest(name=name):
                self.fails(name, 1, "none", "none", "predict", "1,2")
                self.fails(name, 2, "usage", "none")
                self.fails(name, 2, "", "m", "predict", "1,b")
                self.fails(name, 2, "nowhere.csv", "m", "append", "nowhere.csv", "key")
                self.fails(name, 3, "no server", "m", "predict", "1,2", SURROGATED_SERVER="http://127.0.0.1:1",
                           SURROGATED_RETRY_S="1")

    def test_a_busy_server_is_asked_again_under_the_same_key(self):
        with open(os.path.join(self.folder, "rows.csv"), "w", encoding="utf-8") as file:
            file.write("k,q\n1,2\n3,4\n")
        stub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
        threading.Thread(target=stub.serve_forever).start()
        try:
            for name, command in PLAIN.items():
                stub.seen, stub.statuses = [], [503, 429]
                done = self.run_here([*command, "m", "append", "rows.csv", "night 3"], OUTPUTS="1", SURROGATED_TOKEN="secret",
                                     SURROGATED_SERVER=f"http://127.0.0.1:{stub.server_address[1]}")
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "2 rows, 2 in all\n", ""), name)
                self.assertEqual(len(stub.seen), 3, name)
                for path, headers, body in stub.seen:
                    self.assertEqual((path, body), ("/v1/models/m/data?outputs=1", b"k,q\n1,2\n3,4\n"))
                    self.assertEqual((headers["Idempotency-Key"], headers["Authorization"]), ("night 3", "Bearer secret"))
        finally:
            stub.shutdown()
            stub.server_close()

    @unittest.skipUnless(HAS_NUMPY, "NumPy is missing: pip install numpy")
    def test_arrays_are_the_servers_to_the_bit(self):
        self.train()
        code = ("import numpy, sys; sys.path.insert(0, 'client-examples/languages'); import arrays; "
                "x = numpy.random.default_rng(1).uniform(0.3, 0.9, (50, 4)); numpy.savez('x.npz', x=x); "
                "print(arrays.predict('flow', x)['mean'].tolist(), x.tolist(), sep='\\n'); "
                "numpy.savez('rows.npz', x=x, y=x[:, :3])")
        mean, x = map(json.loads, self.run_here([sys.executable, "-c", code]).stdout.splitlines())
        self.assertEqual(self.ok(200, "POST", "/v1/models/flow/predict", {"inputs": x})[1]["mean"], mean)
        for _ in range(2):
            done = self.run_here([sys.executable, f"{FOLDER}/arrays.py", "new", "rows.npz"])
            self.assertEqual(done.stdout, "50 rows, 50 in all\n", done.stderr)
        code = ("import numpy; rows = numpy.load('rows.npz'); numpy.save('x.npy', rows['x']); "
                "numpy.save('rows.npy', numpy.hstack([rows['x'], rows['y']]))")
        self.run_here([sys.executable, "-c", code])
        for _ in range(2):
            done = self.run_here([sys.executable, f"{FOLDER}/arrays.py", "flat", "rows.npy"], OUTPUTS="3")
            self.assertEqual(done.stdout, "50 rows, 50 in all\n", done.stderr)
        stored = [self.ok(200, "GET", f"/v1/models/{model}/data/rows")[1] for model in ("new", "flat")]
        self.assertEqual(stored[0], stored[1])
        self.assertEqual(stored[0]["inputs"], x)
        for results, shown in ((["mean"], "mean (50, 3)\n"), ([], "mean (50, 3)\nstd (50, 3)\n")):
            done = self.run_here([sys.executable, f"{FOLDER}/arrays.py", "flow", "x.npy", *results])
            self.assertEqual((done.returncode, done.stdout), (0, shown), done.stderr)
            code = "import numpy; print(numpy.load('x.answer.npz')['mean'].tolist())"
            self.assertEqual(json.loads(self.run_here([sys.executable, "-c", code]).stdout), mean)


if __name__ == "__main__":
    unittest.main()
