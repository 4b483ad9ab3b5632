# SPDX-License-Identifier: Apache-2.0
"""The examples, and what the pages about them show, run against a real server; the virtual host of
deploy/nginx.conf in front of one."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import unittest

import api_page
from harness import BINARY, HERE, PATIENCE, ServerTest, rows

TOP = os.path.join(HERE, "..", "..")
FARM = os.environ["FARM_BIN"]
LIBRARY_EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(FARM)), "libsurrogated")
PAGE = os.path.join(TOP, "client-examples", "README.md")
NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
HAS_PANDAS = subprocess.run([sys.executable, "-c", "import pandas"], capture_output=True, check=False).returncode == 0
HAS_FORTRAN = os.path.exists(os.path.join(LIBRARY_EXAMPLES, "heat"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def is_as_shown(shown, printed):
    """Numbers may differ, blanks too; "..." stands for anything, alone on a line for any lines."""
    lines = []
    for line in shown:
        if line == "...":
            lines.append(r"(?:.*\n)*")
            continue
        pieces = [NUMBER.join(map(re.escape, re.split(NUMBER, piece))) for piece in line.split("...")]
        lines.append(re.sub(r"(?:\\ )+", " +", r".*".join(pieces)) + r" *\n")
    return re.fullmatch("".join(lines), printed) is not None


class Examples(ServerTest):
    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.env = {**os.environ, "SURROGATED_SERVER": self.url, "SURROGATED_URL": self.url, "FARM": FARM,
                    "CURL_HOME": self.folder, "PYTHONDONTWRITEBYTECODE": "1",
                    "PATH": os.pathsep.join([os.path.dirname(BINARY), os.path.dirname(FARM), LIBRARY_EXAMPLES, os.environ["PATH"]])}
        with open(os.path.join(self.folder, ".curlrc"), "w", encoding="utf-8") as file:
            file.write("silent\nshow-error\nfail-with-body\n")
        # As in a clone that the quick start has built.
        os.makedirs(os.path.join(self.folder, "build", "client-examples"))
        os.symlink(os.path.dirname(FARM), os.path.join(self.folder, "build", "client-examples", "simulation-farm"))
        os.symlink(LIBRARY_EXAMPLES, os.path.join(self.folder, "build", "client-examples", "libsurrogated"))
        os.symlink(os.path.join(TOP, "client-examples"), os.path.join(self.folder, "client-examples"))

    def run_here(self, command, **env):
        """A command of a page, in a folder that looks like the top of a built clone."""
        text = command.replace("http://127.0.0.1:8080", self.url).replace("python3 ", sys.executable + " ")
        return subprocess.run(["sh", "-c", text], cwd=self.folder, env={**self.env, **env}, timeout=PATIENCE,
                              capture_output=True, text=True, check=False)

    def good(self, command, **env):
        done = self.run_here(command, **env)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def train_small(self, name="reaction"):
        self.good(f"farm --runs 60 --seed 1 --format csv | surrogated data {name} append - --outputs 3")
        self.good(f"surrogated train {name} --solver ensemble --set members=2 epochs=20 --wait")

    def test_the_quick_start_and_then_the_page(self):
        self.assertIn("all outputs at", self.good("sh client-examples/quickstart.sh"))
        page = read(PAGE)
        for text in api_page.blocks(page, "python"):
            name = re.match(r"# (\w+\.py)\n", text).group(1)
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text.replace("http://127.0.0.1:8080", self.url))
        commands = api_page.read_commands(page)
        self.assertGreater(len(commands), 20)
        for command in commands:
            if "bands.py" in command.text and not HAS_PANDAS:
                continue
            if re.search(r"\bheat --rows| rate\b", command.text) and not HAS_FORTRAN:
                continue
            printed = self.good(command.text)
            if "bands.py" in command.text and "bands.png" not in printed:
                continue  # without matplotlib
            ended = printed if printed.endswith("\n") or not printed else printed + "\n"
            self.assertTrue(is_as_shown(command.answer, ended),
                            f"line {command.line}: {command.text}\nprints\n{printed}\nnot\n" +
                            "\n".join(command.answer))

    def test_the_page_of_solvers_shows_requests_that_are_accepted(self):
        self.train_small("m")
        requests = [json.loads(text) for text in api_page.blocks(read(f"{TOP}/core/SOLVERS.md"), "json")]
        self.assertGreater(len(requests), 3)
        for request in requests:
            job = self.ok(202, "POST", "/v1/models/m/train", {**request, "priority": -1})[1]["id"]
            self.server.request("DELETE", f"/v1/jobs/{job}")
            self.server.wait_job(job, "cancelled", "succeeded")

    def test_the_workflow(self):
        command = "python3 client-examples/workflow.py --epochs 30 --rounds 2 --model w"
        first = re.findall(r"(?m)^(\d+) rows: relative error 0\.\d+$", self.good(command))
        self.assertEqual(first, ["100", "125", "150"])
        # Again: the first rows are there, and so are some of the points that it chooses.
        again = re.findall(r"(?m)^(\d+) rows", self.good(command.replace("--rounds 2", "--rounds 1")))
        self.assertEqual(again[0], "150")
        self.assertIn(int(again[1]), range(151, 176))

    def test_the_loop_stops_at_its_budget_or_accuracy(self):
        command = "python3 client-examples/loop.py --first 20 --batch 6 --model lo"
        text = self.good(f"{command} --budget 30 --accuracy 0")
        self.assertEqual(re.findall(r"(?m)^(\d+) rows: relative error 0\.\d+$", text), ["20", "26", "30"])
        self.assertEqual(len(re.findall(r"(?m)^  \d points, after which", text)), 2)
        again = self.good(f"{command}2 --budget 100 --accuracy 1")
        self.assertEqual(re.findall(r"(?m)^(\d+) rows", again), ["20"])

    def test_points_that_improve_on_the_loop(self):
        """The page's command, for the model that loop.py leaves."""
        self.good("python3 client-examples/loop.py --first 20 --batch 6 --budget 20")
        commands = re.findall(r"(?m)^\$ (surrogated suggest loop .*)$", read(PAGE))
        self.assertEqual(len(commands), 1)
        self.good(commands[0])
        lines = read(os.path.join(self.folder, "next.csv")).splitlines()
        self.assertEqual(len(lines), 1 + 8, lines)
        self.assertEqual(len(set(lines)), 9, lines)
        inputs = self.ok(200, "GET", "/v1/models/loop/space")[1]["space"]["inputs"]
        head = lines[0].split(",")
        for given in inputs:
            at = head.index(given["name"])
            law = given.get("distribution", {})
            low, high = given.get("bounds") or (law["low"], law["high"])
            for line in lines[1:]:
                self.assertGreaterEqual(float(line.split(",")[at]), low)
                self.assertLessEqual(float(line.split(",")[at]), high)

    def test_the_workflow_says_what_is_missing(self):
        for flags, word in (("--farm ./nowhere", "there is no simulator at ./nowhere"),
                            ("--url http://127.0.0.1:1", "no server at http://127.0.0.1:1"),
                            ("--model .x", "a model name has 1 to 64 letters")):
            done = self.run_here(f"python3 client-examples/workflow.py {flags}")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(word, done.stderr)

    def without(self, module):
        """The environment of a Python that lacks a module."""
        folder = os.path.join(self.folder, "without_" + module)
        os.mkdir(folder)
        with open(os.path.join(folder, module + ".py"), "w", encoding="utf-8") as file:
            file.write(f"raise ImportError('{module} is not there')\n")
        return {"PYTHONPATH": folder}

    def test_bands_say_in_a_line_what_is_missing(self):
        done = self.run_here("python3 client-examples/bands.py", **self.without("pandas"))
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn("pip install pandas matplotlib", done.stderr)

    @unittest.skipUnless(HAS_PANDAS, "pandas is not installed")
    def test_bands_without_matplotlib_are_printed(self):
        self.train_small()
        printed = self.good("python3 client-examples/bands.py --along x3", **self.without("matplotlib"))
        self.assertEqual(printed.count(" mean "), 3, printed)
        answer = self.ok(200, "POST", "/v1/models/reaction/predict", {"inputs": [self.first_of_line(2)]})[1]
        for mean in answer["mean"][0]:
            self.assertIn(f"{mean:.4g}", printed)
        self.assertIn("install matplotlib", printed)

    def first_of_line(self, along):
        """The first point that bands.py predicts: the minimum of one input, the medians of the others."""
        inputs = self.ok(200, "GET", "/v1/models/reaction/data/rows")[1]["inputs"]
        columns = [sorted(column) for column in zip(*inputs)]
        point = [(column[29] + column[30]) / 2 for column in columns]
        point[along] = columns[along][0]
        return point

    @unittest.skipUnless(HAS_PANDAS, "pandas is not installed")
    def test_bands_refuse_what_is_not_there(self):
        self.train_small()
        for flags, word in (("--along x9", "the model has x1, x2, x3, x4"), ("--model none", "there is no model none"),
                            ("--url http://127.0.0.1:1", "no server at")):
            done = self.run_here(f"python3 client-examples/bands.py {flags}")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(word, done.stderr.splitlines()[-1])
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class Shown(unittest.TestCase):
    def test_the_comparison_finds_differences(self):
        for shown, printed in ((["a 1"], "a 2.5e-3\n"), (["...", "b"], "x\ny\nb\n"), (["a ... c"], "a b  c\n"),
                               (["a  b"], "a b\n"), ([], ""), (["..."], "")):
            self.assertTrue(is_as_shown(shown, printed), (shown, printed))
        for shown, printed in ((["a 1"], "a x\n"), (["a"], "a\nb\n"), (["a", "b"], "a\n"), (["...", "b"], "b\nc\n"),
                               ([], "a\n"), (["a"], "")):
            self.assertFalse(is_as_shown(shown, printed), (shown, printed))


NGINX = os.environ.get("NGINX") or shutil.which("nginx")


@unittest.skipUnless(NGINX and shutil.which("openssl"), "nginx or openssl is not installed")
class BehindNginx(ServerTest):
    """deploy/nginx.conf with a certificate of the test and a socket of the file system."""

    flags = ("--hosts", "surrogate.example.org")

    def setUp(self):
        super().setUp()
        self.port = self.server.port
        with open(self.path("users"), "w", encoding="utf-8") as file:
            file.write("ann:{PLAIN}secret\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", self.path("key"), "-out", self.path("cert")], check=True, capture_output=True)
        self.start_nginx()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_configuration(self):
        site = read(f"{TOP}/deploy/nginx.conf")
        for old, new in (("listen 443 ssl;", f"listen unix:{self.path('socket')} ssl;"),
                         ("/etc/ssl/certs/surrogate.pem", self.path("cert")),
                         ("/etc/ssl/private/surrogate.key", self.path("key")),
                         ("/etc/nginx/surrogated.users", self.path("users")),
                         ("127.0.0.1:8080", f"127.0.0.1:{self.port}")):
            self.assertIn(old, site)
            site = site.replace(old, new)
        temporary = "".join(f"{kind}_temp_path {self.path('nginx')}_{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(f"pid {self.path('pid')}; daemon off; master_process off; events {{}}\n"
                       f"http {{ access_log off; {temporary}\n{site}\n}}\n")

    def start_nginx(self):
        self.write_configuration()
        command = [NGINX, "-e", "stderr", "-p", self.folder, "-c", self.path("nginx.conf")]
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        self.assertEqual(tried.returncode, 0, tried.stderr)
        self.assertNotIn("[warn]", tried.stderr)
        self.nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.addCleanup(self.nginx.wait)
        self.addCleanup(self.nginx.terminate)

    def ask(self, method, path, body=None, user="ann:secret", headers=None):
        """(status, headers, body) of a request to the virtual host."""
        connection = UnixTls(self.path("socket"), PATIENCE)
        head = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode(), **(headers or {})}
        connection.request(method, path, body, head)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def test_prefix_password_events_and_large_bodies(self):
        self.assertEqual(self.ask("GET", "/surrogate/v1/models", user="ann:wrong")[0], 401)
        self.assertEqual(self.ask("GET", "/v1/models")[0], 404)
        status, _, data = self.ask("POST", "/surrogate/v1/models/m/data", json.dumps(rows(40)))
        self.assertEqual((status, json.loads(data)["rows"]), (201, 40))
        request = {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}}
        status, head, _ = self.ask("POST", "/surrogate/v1/models/m/train", json.dumps(request))
        self.assertEqual(status, 202)
        self.assertTrue(head["Location"].endswith("/surrogate/v1/jobs/1"), head["Location"])
        status, head, data = self.ask("GET", "/surrogate/v1/jobs/1/events?last_event_id=0")
        self.assertEqual((status, head["Content-Type"]), (200, "text/event-stream"))
        self.assertIn(b'"state":"succeeded"', data)
        status, _, data = self.ask("POST", "/surrogate/v1/models/m/versions/@default/predict",
                                   json.dumps({"inputs": [[0.1, 0.2]]}))
        self.assertEqual((status, json.loads(data)["version"]), (200, 1))
        status, head, data = self.ask("POST", "/surrogate/predict", b" " * (67108864 + 1))
        self.assertEqual((status, json.loads(data)["title"]), (413, "body too large"))


class UnixTls(http.client.HTTPConnection):
    """HTTP over TLS on a socket of the file system."""

    def __init__(self, path, timeout):
        super().__init__("surrogate.example.org", timeout=timeout)
        self.socket_path = path

    def connect(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        end = time.time() + PATIENCE
        while True:
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(self.timeout)
            try:
                plain.connect(self.socket_path)
                break
            except OSError:  # nginx is starting
                plain.close()
                if time.time() > end:
                    raise
                time.sleep(0.05)
        self.sock = context.wrap_socket(plain)


if __name__ == "__main__":
    unittest.main()
