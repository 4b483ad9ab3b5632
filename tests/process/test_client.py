# SPDX-License-Identifier: Apache-2.0
"""The client commands of the binary, run by a person or a script, against a real server."""

import codecs
import csv
import fcntl
import http.server
import io
import json
import os
import pty
import random
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

from harness import BINARY, PATIENCE, ServerTest, binary, document, rows

SHORT = ("--solver", "ensemble", "--set", "epochs=20", "--set", "members=2", "--set", "seed=1")
LONG = ("--solver", "ensemble", "--set", "epochs=100000", "members=4")


def as_csv(data, header="a,b,\"y, in m\"\n"):
    return header + "".join(",".join(map(repr, x + y)) + "\n" for x, y in zip(data["inputs"], data["outputs"]))


def npy(matrix):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(matrix), len(matrix[0]))
    head = head.ljust(117) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
            b"".join(struct.pack("<d", v) for row in matrix for v in row))


def waiting(pipe):
    """Bytes in a pipe that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


class Terminal:
    """The binary on a pseudo-terminal of a given width."""

    def __init__(self, *args, width=100, **env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        self.process = subprocess.Popen([BINARY, *args], stdin=slave, stdout=slave, stderr=slave,
                                        env={**clean, "TERM": "xterm", **env}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()  # a piece may end within a character

    def resize(self, width):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def read_until(self, pattern, seconds=PATIENCE):
        """Until the pattern has come, or with None the end."""
        end = time.time() + seconds
        while pattern is None or not re.search(pattern, self.text):
            if not select.select([self.master], [], [], max(0, end - time.time()))[0]:
                raise AssertionError(f"{pattern!r} did not come: {self.text!r}")
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                assert pattern is None, f"{pattern!r} did not come: {self.text!r}"
                break
            self.text += self.decoder.decode(data)
        return self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self):
        self.read_until(None)
        os.close(self.master)
        return self.process.wait(PATIENCE)


class ClientTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.address = f"http://127.0.0.1:{self.server.port}"
        self.env = {**os.environ, "SURROGATED_SERVER": self.address}

    def run_client(self, *args, **more):
        return binary(*args, env=self.env, **more)

    def good(self, *args, **more):
        done = self.run_client(*args, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{args}: {done.stdout}")
        self.assertNotIn("\x1b", done.stdout)
        return done.stdout

    def bad(self, status, word, *args, **more):
        done = self.run_client(*args, **more)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout} {done.stderr}")
        self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.startswith("surrogated: "), done.stderr)
        return done

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def get(self, path):
        return self.ok(200, "GET", path)[1]


class Road(ClientTest):
    def test_from_rows_to_predictions_that_equal_those_of_http_bit_for_bit(self):
        data = rows(90)
        out = self.good("data", "heat", "append", self.path("rows.csv", as_csv(data)), "--outputs", "1")
        self.assertRegex(out, r"rows\.csv: 90 rows appended as batch 1, 90 in all\n$")
        self.assertRegex(self.good("data", "heat"), r"(?m)^rows +90$")
        out = self.good("train", "heat", *SHORT, "--wait")
        # The job may be over before it is looked at.
        self.assertRegex(out, r"^(job 1 of heat: .*\n)*job 1 succeeded in .*: version 1 of heat\n$")
        self.assertNotIn("\r", out)
        settings = self.get("/v1/models/heat/versions/1")["settings"]
        self.assertEqual((settings["solver"], settings["settings"]["epochs"], settings["seed"]),
                         ("ensemble", 20, 1))
        # 5001 rows: more than the client sends in one piece.
        rng = random.Random(3)
        points = [[rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)] for _ in range(5001)]
        table = self.good("predict", "heat", "-", "--return", "mean,std,total_variance",
                          "--quantiles", "0.05,0.95",
                          input="x1,x2\r\n" + "".join(f'"{a!r}", {b!r}\r\n' for a, b in points))
        found = list(csv.DictReader(io.StringIO(table)))
        answer = self.ok(200, "POST", "/predict",
                         {"model": "heat", "inputs": points, "return": ["mean", "std", "total_variance"],
                          "quantiles": [0.05, 0.95]})[1]
        self.assertEqual(len(found), 5001)
        for key in ("mean", "std", "total_variance"):
            self.assertEqual([[float(row[key])] for row in found], answer[key])
        for key, values in zip(("q0.05", "q0.95"), answer["quantiles"]["values"]):
            self.assertEqual([[float(row[key])] for row in found], values)
        self.assertEqual(list(found[0]), ["mean", "std", "total_variance", "q0.05", "q0.95"])
        # The same rows as npy and as JSON.
        again = self.good("predict", "heat", self.path("x.npy", npy(points)), "--return",
                          "mean,std,total_variance", "--quantiles", "0.05,0.95")
        self.assertEqual(again, table)
        again = self.good("predict", "heat", self.path("x.json", json.dumps(points)), "--return",
                          "mean,std,total_variance", "--quantiles", "0.05,0.95")
        self.assertEqual(again, table)
        # One row; a whole request; the server's JSON.
        one = self.good("predict", "heat", f"--at={points[0][0]!r},{points[0][1]!r}", "--return", "mean")
        self.assertEqual(one.splitlines(), ["mean", found[0]["mean"]])
        request = self.path("request.json", json.dumps({"inputs": points[:2], "return": ["mean"]}))
        self.assertEqual(self.good("predict", "heat", request).splitlines(),
                         ["mean", found[0]["mean"], found[1]["mean"]])
        raw = self.good("predict", "heat", request, "--json")
        self.assertEqual(json.loads(raw), {**json.loads(raw), "mean": answer["mean"][:2], "draws": 2})
        self.assertEqual(raw.count("\n"), 1)

    def test_jobs_are_listed_shown_and_cancelled(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        out = self.good("train", "m", *LONG)
        self.assertRegex(out, "^job 1 of m is (queued|running); `surrogated watch 1` follows it\n$")
        self.server.wait_job(1, "running")
        self.assertRegex(self.good("jobs"), r"^ID  MODEL +STATE .*\n 1  m +running ")
        self.assertEqual(self.good("jobs", "list", "--model", "other").count("\n"), 1)
        self.assertRegex(self.good("jobs", "show", "1"), r"(?m)^state +running$")
        watch = subprocess.Popen([BINARY, "watch", "1"], env=self.env, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertRegex(watch.stdout.readline(), "^job 1 of m: running, ")
        self.assertIn("job 1", self.good("jobs", "cancel", "1"))
        out, err = watch.communicate(timeout=PATIENCE)
        self.assertEqual((watch.returncode, err), (1, "surrogated: job 1 was cancelled\n"))
        self.bad(1, "job 1", "jobs", "cancel", "1")
        self.bad(1, "there is no job 99", "jobs", "show", "99")
        self.assertEqual(json.loads(self.good("jobs", "--json")), self.get("/v1/jobs"))

    def test_a_failed_job_is_exit_status_1_with_its_reason(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(30))
        done = self.bad(1, "job 1 failed: ", "train", "m", "--solver", "ensemble", "--wait",
                        "--set", "scaling.outputs=log")
        self.assertIn("positive", done.stderr)
        done = self.run_client("watch", "1", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["state"]), (1, "failed"))

    def test_ctrl_c_leaves_the_job_running_or_cancels_it_when_asked(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        for more, state, word in (((), "running", "job 1 goes on"),
                                  (("--cancel-on-interrupt",), "cancelled", "job 1 is cancelled")):
            args = ("train", "m", *LONG, "--wait") if not more else ("watch", "1", *more)
            client = subprocess.Popen([BINARY, *args], env=self.env, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in iter(client.stdout.readline, ""):
                if "running" in line:
                    break
            client.send_signal(signal.SIGINT)
            out, err = client.communicate(timeout=PATIENCE)
            self.assertEqual(client.returncode, 130, err)
            self.assertIn(word, err)
            self.server.wait_job(1, state)

    def test_ctrl_c_ends_a_command_that_waits_for_its_input(self):
        for args, before in ((("predict", "m", "-"), b"a,b,"), (("predict", "m", "-"), b"1,2\n1"),
                             (("predict", "m", "-", "--format", "json"), b" "),
                             (("data", "m", "append", "-"), b"1,2"), (("models", "put", "m", "-"), b"{"),
                             (("train", "m", "--request", "-"), b"{"), (("evaluate", "m", "-"), b"1,2\n")):
            with self.subTest(args=args, before=before):
                client = subprocess.Popen([BINARY, *args], env=self.env, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.addCleanup(client.kill)
                client.stdin.write(before)
                client.stdin.flush()
                # What was written is read, so Ctrl-C is caught; asleep it waits for more.
                while client.poll() is None and (waiting(client.stdin) or state(client.pid) != "S"):
                    time.sleep(0.01)
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(PATIENCE), 130, client.stderr.read())
                for stream in (client.stdin, client.stdout, client.stderr):
                    stream.close()

    def test_a_request_comes_from_a_file_and_is_changed_by_settings(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        request = self.path("r.json", json.dumps({"solver": "ensemble", "seed": 3,
                                                  "settings": {"epochs": 5, "members": 3}}))
        self.good("train", "m", "--request", request, "--set", "members=2", "--set",
                  "architecture.width=6", "optimizer.name=sgd", "--wait")
        settings = self.get("/v1/models/m/versions/1")["settings"]
        self.assertEqual((settings["seed"], settings["settings"]["members"], settings["settings"]["epochs"],
                          settings["architecture"]["width"], settings["optimizer"]["name"]),
                         (3, 2, 5, 6, "sgd"))
        # Without anything: as the default version was trained, so the same version.
        self.assertRegex(self.good("train", "m", "--wait"), "version 1 of m\n$")
        out = json.loads(self.good("train", "m", "--request", "-", "--json",
                                   input='{"solver":"ensemble","settings":{"epochs":1}}'))
        self.assertEqual(out["id"], 3)
        self.bad(2, "line 1", "train", "m", "--request", "-", input="{")
        self.bad(2, "not a JSON object", "train", "m", "--request", "-", input="[]")
        self.bad(2, "NAME=VALUE", "train", "m", "--set", "epochs")
        self.bad(1, "widht", "train", "m", "--solver", "ensemble", "--set", "architecture.widht=3")
        self.bad(1, "seed", "train", "m", "--solver", "ensemble", "--set", "seed=often")


    def test_parts_of_a_request_are_set_by_their_names(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        out = json.loads(self.good("train", "m", "--solver", "ensemble", "--json", "--set", "epochs=2", "prior=null",
                                   'limits={"seconds":600}', "noise.kind=learned", "gate=null", "priority=3",
                                   'settings={"epochs":3}', "members=2"))
        request = out["request"]
        self.assertEqual((request["prior"], request["limits"]["seconds"], request["noise"]["kind"], request["gate"],
                          out["priority"], request["settings"]["epochs"], request["settings"]["members"]),
                         (None, 600, "learned", None, 3, 3, 2))
        self.bad(2, "is not UTF-8", "train", "m", "--set", b"\xff=1")

    def test_jobs_have_filters_and_curves_and_versions_diagnostics(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        self.good("train", "m", *SHORT, "--wait")
        self.good("train", "m", *SHORT, "seed=2", "gate=null", "--wait")
        found = list(csv.DictReader(io.StringIO(self.good("jobs", "curves", "2"))))
        expected = [{"member": m["member"], "step": m["step"][i], "loss": m["loss"][i],
                     "validation_loss": m["validation_loss"][i]}
                    for m in self.get("/v1/jobs/2/curves")["members"] for i in range(len(m["step"]))]
        self.assertGreater(len(expected), 2)
        self.assertEqual([{k: float(v) for k, v in row.items()} for row in found], expected)
        self.assertEqual([line.split()[0] for line in self.good("jobs", "--limit", "1").splitlines()], ["ID", "2"])
        self.assertEqual(self.good("jobs", "--model", "m", "--state", "failed").count("\n"), 1)
        self.bad(1, "limit", "jobs", "--limit", "0")
        for version in (1, 2):
            self.assertRegex(self.good("diagnostics", "m", str(version)), rf"(?m)^version +{version}$")

    def test_a_watch_whose_reader_goes_away_does_not_wait_for_the_job(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        self.good("train", "m", *LONG)
        client = subprocess.Popen([BINARY, "watch", "1"], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.assertIn(b"job 1 of m: ", client.stdout.readline())
        client.stdout.close()
        self.assertEqual((client.wait(PATIENCE), client.stderr.read()), (1, b""))
        client.stderr.close()
        self.assertIn(self.get("/v1/jobs/1")["state"], ("queued", "running"))
        self.good("jobs", "cancel", "1")


class Models(ClientTest):
    def test_a_policy_is_put_shown_and_taken_away(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        self.bad(1, "no policy", "models", "policy", "m")
        out = self.good("models", "m", "policy", "-", input='{"new_rows":500,"request":{"solver":"ensemble"}}')
        self.assertRegex(out, r"(?m)^policy\.new_rows +500$")
        self.assertEqual(json.loads(self.good("models", "policy", "m", "--json"))["policy"]["new_rows"], 500)
        self.assertEqual(self.good("models", "policy", "m", "none"), "m has no policy any more\n")
        self.bad(1, "no policy", "models", "policy", "m", "none")

    def test_export_and_put_are_a_round_trip(self):
        path = self.path("m.json", json.dumps(document()))
        self.assertEqual(self.good("models", "put", "m", path), "m: version 1 registered\n")
        self.assertEqual(self.good("models", "put", "m", path), "m: version 1 has this content already\n")
        out = self.path("out.json")
        self.assertEqual(self.good("models", "export", "m", "-o", out), "")
        with open(out, "rb") as file:
            exported = file.read()
        self.assertEqual(self.good("models", "export", "m", "1").encode(), exported)
        self.assertEqual(self.good("models", "put", "n", out), "n: version 1 registered\n")
        self.assertEqual(self.get("/v1/models/n")["versions"][0]["etag"],
                         self.get("/v1/models/m")["versions"][0]["etag"])
        # A refused export leaves what was there.
        self.bad(1, "not found", "models", "export", "none", "-o", out)
        with open(out, "rb") as file:
            self.assertEqual(file.read(), exported)
        self.assertEqual([name for name in os.listdir(self.folder) if "part" in name], [])

    def test_versions_are_shown_promoted_and_deleted(self):
        for seed in (1, 2):
            self.good("models", "put", "m", "-", *(("--keep-default",) if seed == 2 else ()),
                      input=json.dumps(document(seed=seed)))
        lines = self.good("models", "show", "m").splitlines()
        self.assertEqual([line.split()[:2] for line in lines], [["VERSION", "DEFAULT"], *(
            [str(v["version"]), "yes" if v["default"] else "no"]
            for v in self.get("/v1/models/m")["versions"])])
        self.assertEqual(len({line.index(word) for line, word in zip(lines, ("ETAG", "sha", "sha"))}), 1)
        self.assertEqual(self.good("models", "default", "m", "2"), "m: version 2 is the default\n")
        self.assertRegex(self.good("models"), r"^NAME .*\nm +2 +2 +0  (now|\d+ \w+ ago)\n$")
        self.assertRegex(self.good("models", "show", "m", "2"), r"(?m)^architecture\.width +5$")
        self.good("models", "delete", "m", "1")
        self.good("models", "delete", "m")
        self.assertEqual(self.get("/v1/models")["models"], [])

    def test_versions_have_names_a_history_and_a_way_back(self):
        for seed in (1, 2, 3):
            self.good("models", "put", "m", "-", input=json.dumps(document(seed=seed)))
        self.assertEqual(self.good("models", "m", "promote", "@previous"), "m: version 2 is the default\n")
        self.assertEqual(self.good("models", "promote", "m", "@previous"), "m: version 3 is the default\n")
        self.assertEqual(self.good("models", "m", "alias", "prod", "1"), "m: @prod is version 1\n")
        self.assertEqual(self.good("models", "alias", "m", "prod", "@previous"),
                         "m: @prod is version 2, before 1\n")
        names = [line.split()[2:4] for line in self.good("models", "show", "m").splitlines()[1:]]
        self.assertEqual([name[0] for name in names], ["-", "@previous", "-"])
        self.assertEqual(names[1][1], "@prod")
        self.bad(1, "alias prod", "models", "delete", "m", "2")
        self.bad(1, "no alias old", "models", "promote", "m", "@old")
        self.bad(1, "is no alias", "models", "alias", "m", "Prod", "1")
        self.assertEqual(self.good("models", "m", "keep", "1"),
                         "m: the newest 1 versions are kept, 1 deleted now\n")
        self.assertEqual(self.good("models", "m", "keep", "all"), "m: all versions are kept\n")
        self.assertEqual(self.good("models", "m", "unalias", "prod"), "m: @prod is no alias any more\n")
        self.bad(1, "no alias prod", "models", "m", "unalias", "prod")
        lines = self.good("models", "m", "history").splitlines()
        self.assertEqual([re.split(" {2,}", line)[1:] for line in lines],
                         [["DEFAULT", "BEFORE", "BY"], ["3", "2", "request"], ["2", "3", "request"],
                          ["3", "2", "register"], ["2", "1", "register"], ["1", "-", "register"]])

    def test_versions_are_compared_on_a_file_or_on_stored_rows(self):
        for seed in (1, 2):
            self.ok(201, "PUT", "/v1/models/m", document(seed=seed, noise={"sigma": [1, 1]}))
        data = {"inputs": [[0.1 * i, 0.2, 0.3] for i in range(9)],
                "outputs": [[1.0, 0.1 * i] for i in range(9)]}
        path = self.path("rows.csv", as_csv(data, header="a,b,c,y,z\n"))
        out = self.good("models", "compare", "m", "@previous", "2", path)
        self.ok(201, "POST", "/v1/models/m/data", data)
        answer = self.run_client("models", "compare", "m", "1", "2")
        self.assertEqual((answer.returncode, answer.stdout), (0, out))
        self.assertIn("may have been trained on", answer.stderr)
        found = json.loads(self.good("models", "compare", "m", "1", "2", "-", "--format", "json", "--json",
                                     input=json.dumps(data)))
        lines = [re.split(" {2,}", line.strip()) for line in out.splitlines()]
        self.assertEqual([line[:2] for line in lines[1:3]], [["1", "9"], ["2", "9"]])
        difference = found["versions"][1]["difference"]
        self.assertEqual([line[:2] for line in lines[5:]], [["2", name] for name in difference])
        for line, loss in zip(lines[5:], difference.values()):
            self.assertEqual(line[4], f"{100 * loss['better']:.1f} %")
            self.assertAlmostEqual(float(line[2]), loss["mean"], delta=1e-4 * abs(loss["mean"]))
        self.bad(2, "missing", "models", "compare", "m", "1")

    def test_a_terminal_is_asked_before_a_model_or_its_rows_go(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        for args, question in ((("models", "delete", "m"), "with all its versions"),
                               (("data", "m", "delete"), "all rows of model m")):
            for answer in ("n\n", "\n", "\x04"):
                terminal = Terminal(*args, "--server", self.address)
                terminal.read_until(question)
                terminal.type(answer)
                self.assertEqual(terminal.wait(), 1)
                self.assertIn("nothing is deleted", terminal.text)
            self.assertEqual(self.get("/v1/models/m/data")["rows"], 6)
        terminal = Terminal("data", "m", "delete", "--server", self.address)
        terminal.read_until("y/N")
        terminal.type("y\n")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("6 rows deleted", terminal.text)
        terminal = Terminal("models", "delete", "m", "--yes", "--server", self.address)
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("y/N", terminal.text)
        self.assertEqual(self.get("/v1/models")["models"], [])

    def test_json_is_printed_as_the_server_sends_it(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        for args, path in ((("models",), "/v1/models"), (("models", "show", "m"), "/v1/models/m"),
                           (("models", "show", "m", "1"), "/v1/models/m/versions/1")):
            out = self.good(*args, "--json")
            self.assertEqual(json.loads(out), self.get(path))
            self.assertEqual(out.count("\n"), 1)
        problem = json.loads(self.bad(1, "not found", "models", "show", "none", "--json").stdout)
        self.assertEqual(problem["status"], 404)


class Uploads(ClientTest):
    def total(self):
        return self.get("/v1/models/m/data")["rows"]

    def test_long_csv_goes_in_batches_cut_between_records(self):
        text = as_csv(rows(1000), header='a,"b\nin K",y\r\n')
        out = self.good("data", "m", "append", "-", "--outputs=1", "--batch-lines", "300", input=text)
        self.assertEqual([line.split(",")[1] for line in out.splitlines()],
                         [" 299 in all", " 599 in all", " 899 in all", " 1000 in all"])
        self.assertEqual(self.get("/v1/models/m/data")["batches"], 4)
        # Without a line end at the end, and with the other kinds of line ends.
        self.good("data", "m", "append", self.path("old.csv", "1,2,3\r4,5,6\r7,8,9"))
        self.assertEqual(self.total(), 1003)

    def test_json_and_several_files(self):
        one = self.path("one.json", json.dumps(rows(3)))
        two = self.path("two.csv", as_csv(rows(2)))
        out = self.good("data", "m", "append", one, two)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertEqual(self.total(), 5)
        self.assertEqual(self.good("data", "m", "append", "-", input="1,2,3\n").count("1 row appended"), 1)
        self.assertEqual(self.good("data", "m", "delete"), "m: 6 rows deleted\n")

    def test_what_is_refused_names_the_place_and_what_is_stored(self):
        text = "1,2,3\n" * 5 + "1,oops,3\n"
        done = self.bad(1, "row 1, column 1", "data", "m", "append", "-", "--outputs", "1",
                        "--batch-lines", "4", input=text)
        self.assertIn("after 4 rows that are stored", done.stderr)
        self.assertEqual(self.total(), 4)
        self.bad(1, "?outputs=N", "data", "new", "append", "-", input="1,2\n")
        self.bad(1, "empty", "data", "new", "append", "-", "--outputs", "1", input="")

    def test_predictions_of_malformed_rows_name_the_place(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        for text, word in (("1,2,3\n1,x,3\n", 'row 1, column 1 is "x"'), ("1,2,3\n1,2\n", "row 1 has 2 columns"),
                           ("a,b,c\n1,2,nan\n", "row 0, column 2"), ("", "no rows"),
                           ("1,2,nan\n1,2,3\n", 'numbers, but column 2 is "nan"'), (",2,3\n1,2,3\n", 'column 0 is ""'),
                           ("nan,,x\n", "no rows"), ("a,b,c\n", "no rows"),
                           ("1,2\n", "3 are needed"), ('1,2,"3\n', "open quote"), ('1,2,3\n"1"2,2,3\n', "row 1, column 0 has a misplaced quote"),
                           ("1,2,3\n1,2,1e999\n", "1e999")):
            with self.subTest(text=text):
                self.bad(1, word, "predict", "m", "-", input=text)


    def test_a_bad_line_where_the_file_is_cut_is_no_header(self):
        text = "a,b,y\n" + "1,2,3\n" * 2 + "1,oops,3\n" + "4,5,6\n"
        done = self.bad(1, 'row 0, column 1 is "oops"', "data", "m", "append", "-", "--outputs", "1",
                        "--batch-lines", "3", "--key", '"k"', input=text)
        self.assertIn("after 2 rows that are stored", done.stderr)
        self.assertIn("\nsurrogated: repeated with --key k the same command adds what is missing\n", done.stderr)
        # So it does, once the line is what it should be.
        out = self.good("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "3", "--key", '"k"',
                        input=text.replace("oops", "2"))
        self.assertEqual([line.split(" as ")[0] for line in out.splitlines()],
                         ["standard input: 2 rows had been appended", "standard input: 2 rows appended"])
        self.assertEqual(self.total(), 4)

    def test_names_of_other_things_do_not_delete_all(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        for name in ("..", ".", "", "../..", "%2e%2e"):
            self.bad(1, "", "data", "m", "delete", "--batch", name)
            self.bad(1, "", "models", "delete", "m", name)
        self.assertEqual(self.total(), 6)

    def test_a_pipe_or_a_device_takes_an_export_and_stays_what_it_is(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        whole = self.good("data", "m", "export")
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        client = subprocess.Popen([BINARY, "data", "m", "export", "-o", pipe], env=self.env)
        with open(pipe, encoding="ascii") as file:
            self.assertEqual(file.read(), whole)
        self.assertEqual(client.wait(PATIENCE), 0)
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
        # A link goes on pointing to the file it points to, and a shell's redirection gets what it asked for.
        link, target = self.path("link"), self.path("target", "old")
        os.symlink("target", link)
        self.good("data", "m", "export", "-o", link)
        self.assertTrue(os.path.islink(link))
        with open(target, encoding="ascii") as file:
            self.assertEqual(file.read(), whole)
        out = self.path("out")
        os.symlink("/proc/self/fd/1", out)  # as /dev/stdout is one
        with open(target, "w+", encoding="ascii") as file:
            done = subprocess.run([BINARY, "data", "m", "export", "-o", out], env=self.env, stdout=file,
                                  timeout=PATIENCE, check=False)
            self.assertEqual((done.returncode, file.read()), (0, whole))
        self.assertTrue(os.path.islink(out))

    def test_ctrl_c_ends_an_export_into_a_pipe_that_nobody_reads(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        client = subprocess.Popen([BINARY, "data", "m", "export", "-o", pipe], env=self.env,
                                  stderr=subprocess.PIPE)
        self.addCleanup(client.stderr.close)
        self.addCleanup(client.kill)
        while client.poll() is None:  # until its handler is there
            client.send_signal(signal.SIGINT)
            time.sleep(0.05)
        # Before the handler is there the signal itself ends it.
        self.assertIn(client.returncode, (130, -signal.SIGINT))

    def test_another_upload_under_a_key_is_not_promised_to_be_completed(self):
        args = ("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "1", "--key", "q")
        self.good(*args, input="1,2,3\n4,5,6\n")
        done = self.bad(1, "idempotency", *args, input="1,2,3\n4,5,7\n")
        self.assertNotIn("--key", done.stderr)
        self.assertEqual(self.total(), 2)
        self.bad(2, "1 to 240 characters", *args[:-1], "k" * 241, input="1,2,3\n")

    def test_an_export_whose_reader_goes_away_ends_without_a_word(self):
        self.good("data", "m", "append", "-", "--outputs", "1", input="1,2,3\n" * 100000)
        client = subprocess.Popen([BINARY, "data", "m", "export"], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"x1,x2,y1\r\n")
        client.stdout.close()
        self.assertEqual((client.wait(PATIENCE), client.stderr.read()), (1, b""))
        client.stderr.close()


class Usage(ClientTest):
    def test_help_of_every_command_shows_usage_options_and_examples(self):
        commands = re.findall(r"(?m)^  (\w+) ", binary("--help").stdout.split("Asking a server:")[1])
        self.assertEqual(commands, ["models", "data", "train", "jobs", "predict", "evaluate", "diagnostics",
                                    "watch"])
        for command in commands:
            out = self.good(command, "--help")
            for word in (f"usage: surrogated {command}", "--server URL", "examples:\n  surrogated", "130"):
                self.assertIn(word, out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_wrong_usage_is_exit_status_2(self):
        for word, args in (("no option", ("models", "--nope")), ("frob", ("models", "frob")),
                           ("missing", ("models", "show")), ("too many", ("models", "list", "x")),
                           ("missing", ("data",)), ("missing", ("data", "m", "append")),
                           ("needs a value", ("models", "--server")), ("takes no value", ("models", "--json=1")),
                           ("given twice", ("predict", "m", "--at", "1", "--at", "2")),
                           ("No such file", ("models", "put", "m", "/nonexistent")),
                           ("a folder", ("models", "put", "m", "/")),
                           ("http://host:port", ("models", "--server", "ftp://x")),
                           ("a host is missing", ("models", "--server", "http://")),
                           ("not the address", ("models", "--server", "::1:80")),
                           ("not a finite", ("predict", "m", "--at", "1,x")),
                           ("not a finite", ("predict", "m", "--at", "1,nan")),
                           ("no table", ("predict", "m", "--at", "1", "--return", "jacobian")),
                           ("csv, json or npy", ("predict", "m", "-", "--format", "xml")),
                           ("number from", ("predict", "m", "-", "--retry", "soon"))):
            with self.subTest(args=args):
                self.bad(2, word, *args)
        self.assertEqual(binary("frob").returncode, 2)

    def test_a_server_that_is_down_is_exit_status_3(self):
        self.assertEqual(self.server.stop(), 0)
        # Nobody else is to listen at that port meanwhile.
        place = socket.socket()
        self.addCleanup(place.close)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", self.server.port))
        for args in (("models",), ("predict", "m", "--at", "1"), ("watch", "1"), ("train", "m"),
                     ("data", "m", "append", self.path("x.csv", "1,2\n"))):
            self.bad(3, f"no answer from {self.address}", *args)
        self.bad(3, "no answer from http://localhost:1", "models", "--server", "localhost:1")
        self.bad(3, "no answer from http://[::1]:1:", "models", "--server", "[::1]:1")
        done = self.bad(3, "no answer from http://localhost:1:", "models", "--server", "http://me:secret@localhost:1")
        self.assertNotIn("secret", done.stderr)

    def test_help_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BINARY, "models", "--help"], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)

    def test_an_output_whose_reader_goes_away_ends_the_command(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        client = subprocess.Popen([BINARY, "predict", "m", "-"], env=self.env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        client.stdout.close()
        _, err = client.communicate(b"0,0,0\n" * 20000, timeout=PATIENCE)
        self.assertEqual((client.returncode, err), (1, b""))


class Bar(ClientTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "POST", "/v1/models/m/data", rows(80))

    def watch(self, *args, **more):
        return Terminal(*args, SURROGATED_SERVER=self.address, **more)

    def test_a_job_that_trains_ends_with_a_line_in_the_place_of_the_bar(self):
        terminal = self.watch("train", "m", *SHORT, "--wait", width=60)
        self.assertEqual(terminal.wait(), 0)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
        self.assertRegex(plain, r"(^|\r)job 1 succeeded in [^\r\n]*: version 1 of m\r\n$")

    def test_no_color_means_plain_tables(self):
        table = self.watch("models", NO_COLOR="1")
        self.assertEqual(table.wait(), 0)
        self.assertNotIn("\x1b", table.text)
        bold = self.watch("models")
        self.assertEqual(bold.wait(), 0)
        self.assertIn("\x1b[1mNAME", bold.text)

    def test_ctrl_c_typed_at_the_terminal_leaves_the_job(self):
        terminal = self.watch("train", "m", *LONG, "--wait")
        terminal.read_until(r"m .*\[.*member \d/4")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130)
        self.assertIn("job 1 goes on: `surrogated watch 1` follows it", terminal.text)
        self.assertEqual(self.get("/v1/jobs/1")["state"], "running")
        self.ok(202, "DELETE", "/v1/jobs/1")

    def test_the_last_column_of_a_table_is_cut_to_the_terminal(self):
        job = self.ok(202, "POST", "/v1/models/m/train",
                      {"solver": "ensemble", "scaling": {"outputs": "log"}})[1]["id"]
        message = self.server.wait_job(job, "failed")["message"]
        terminal = self.watch("jobs", width=70)
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("\u2026", terminal.text)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
        self.assertEqual(max(map(len, plain.splitlines())), 70)
        self.assertIn(message, self.good("jobs"))


NASTY = "a\u001b[31mb\u202e\u0085"
HARMLESS = "a\\x1b[31mb\\u{202e}\\u{85}"


class Hostile(http.server.BaseHTTPRequestHandler):
    """A server that is busy twice, then answers; names would write on the terminal."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, data, kind="application/json", **headers):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def follow(self):
        """Events by a script: texts are sent, what is waited for is waited for."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for step in self.server.script:
            if isinstance(step, str):
                self.wfile.write(step.encode())
                self.wfile.flush()
            else:
                step.wait(PATIENCE)
        self.close_connection = True

    def do_GET(self):
        if self.path.endswith("/events") and self.server.script:
            self.follow()
        elif "/page" in self.path:
            self.answer(200, b"<html>please log in</html>", "text/html; charset=utf-8")
        elif "/other" in self.path:
            self.answer(200, [1, 2, 3])
        elif "/cut" in self.path:
            self.answer(200, b'{"id":1,"state":"run', **{"Content_Length": "1000"})
            self.close_connection = True
        elif self.path.endswith("/promotions"):
            self.answer(200, {"promotions": [{"at": NASTY, "version": NASTY, "previous": 1, "origin": NASTY}]})
        elif self.path.endswith("/garbage"):
            self.answer(200, b"no json")
        elif self.path == "/v1/models/m/data/batches":
            self.answer(200, {"batches": [{"batch": 1, "rows": 5, "source": "a"}], "next": 1})
        elif self.path == "/v1/models/m/data/batches?after=1":
            self.answer(200, {"batches": [{"batch": 7, "rows": 6, "source": None}], "next": None})
        elif self.path.startswith("/v1/models/m/data/rows?format="):
            self.answer(200, self.path.encode(), "text/csv")
        elif self.path.endswith("/html"):
            self.answer(502, b"<html>", "text/html")
        else:
            self.answer(200, {"models": [{"name": "a\u001b[31mb\u202e\u0085", "default_version": 1},
                                         {"name": "größe"}]})

    def do_POST(self):
        if "/other/" in self.path:
            self.body()
            self.answer(200, [1, 2, 3])
            return
        if self.path == "/v1/models/nasty/predict":
            self.body()
            self.answer(200, {"model": "m", "version": 1, NASTY: [[1], [2]]})
            return
        if self.path == "/v1/models/torn/predict":
            self.body()
            self.answer(200, {"model": "m", "version": 1, "mean": [[1], [2]], "std": [[1]]})
            return
        if self.path.startswith("/v1/models/nasty/compare"):
            self.body()
            self.answer(200, {"versions": [{"version": NASTY}], "warnings": [{"text": NASTY}]})
            return
        if self.path.endswith("/predict"):
            self.body()
            self.answer(200, {"model": "m", "version": 1, "mean": [[1, 2], [3, 1e300]],
                              "intervals": [{"level": 0.9, "method": "split", "lower": [[1, 2], [3, 4]],
                                             "upper": [[5, 6], [7, 12345678901234567890]]}],
                              "warnings": []})
            return
        seen = self.server.seen
        seen.append((self.path, dict(self.headers), self.body()))
        if len(seen) in self.server.broken:
            self.close_connection = True  # without an answer
        elif len(seen) <= self.server.busy:
            self.answer(self.server.busy_status, {"title": "busy", "status": 503, "detail": "too much"},
                        "application/problem+json", Retry_After="1")
        else:
            self.answer(201, {"batch": len(seen), "rows": 1, "total_rows": 1,
                              "duplicates": {"count": 2, "rows": [0, 1]}, "outliers": {"count": 1}})

    def log_message(self, *args):
        pass


def script(n):
    """A job's events: it waits, runs in n steps, succeeds."""
    job = {"id": 7, "model": "heat", "created": "2026-01-31T10:20:30.400Z", "started": "2026-01-31T10:20:30.400Z"}
    events = [("state", {**job, "state": "queued"}), ("state", {**job, "state": "running"})]
    events += [("progress", {"fraction": i / n, "member": 2, "members": 8, "step": i, "steps": n, "loss": 0.1 / (i + 1),
                             "eta_s": float(n - i)}) for i in range(n)]
    events.append(("state", {**job, "state": "succeeded", "version": 4, "finished": "2026-01-31T11:22:10.400Z"}))
    return [f"id: {i}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for i, (name, data) in enumerate(events)]


class OtherServers(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
        self.server.seen, self.server.busy = [], 2
        self.server.broken, self.server.script = set(), []
        self.server.busy_status = 503
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_client(self, *args, **more):
        return binary(*args, "--server", f"http://127.0.0.1:{self.server.server_port}/", **more)

    def test_a_busy_server_is_asked_again_with_the_same_key(self):
        done = self.run_client("data", "m/x", "append", "-", "--source", "run 7", "--skip-duplicates",
                               "--batch-lines", "1", input="1,2\n3,4\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([body for _, _, body in self.server.seen], [b"1,2\n"] * 3 + [b"x,x\n3,4\n"])
        self.assertEqual({path for path, _, _ in self.server.seen}, {"/v1/models/m%2Fx/data?on_duplicate=skip"})
        self.assertEqual({head["Surrogate-Source"] for _, head, _ in self.server.seen}, {"run 7"})
        self.assertIn(", 2 duplicates, 1 outlier\n", done.stdout)
        keys = [head["Idempotency-Key"] for _, head, _ in self.server.seen]
        self.assertRegex(keys[0], "^[0-9a-f]{32}$")
        self.assertEqual(keys, [keys[0]] * 3 + [keys[0] + ".2"])

    def test_a_file_is_sent_again_from_its_beginning(self):
        body = json.dumps(rows(2000))
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(body)
        self.addCleanup(os.remove, file.name)
        done = self.run_client("data", "m", "append", file.name, "--key", "k1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([got for _, _, got in self.server.seen], [body.encode()] * 3)
        self.assertEqual([head["Idempotency-Key"] for _, head, _ in self.server.seen], ["k1"] * 3)

    def test_waiting_has_an_end(self):
        self.server.busy = 1000
        for retry, least, most in (("0", 1, 1), ("5", 2, 6)):
            self.server.seen.clear()
            done = self.run_client("data", "m", "append", "-", "--retry", retry, input="1,2\n")
            self.assertEqual(done.returncode, 1)
            self.assertTrue(least <= len(self.server.seen) <= most, self.server.seen)
            self.assertIn("busy: too much", done.stderr)

    def test_batches_come_in_pages_and_rows_in_formats(self):
        done = self.run_client("data", "m", "batches")
        self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()[1:]],
                         [["1", "5"], ["7", "6"]])
        done = self.run_client("data", "m", "export", "--batch", "3")
        self.assertEqual(done.stdout, "/v1/models/m/data/rows?format=csv&batch=3")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.npy")
            done = self.run_client("data", "m", "export", "-o", path)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), "/v1/models/m/data/rows?format=npy")
            self.assertEqual(os.listdir(folder), ["rows.npy"])

    def test_intervals_are_columns_and_large_numbers_keep_their_value(self):
        done = self.run_client("predict", "m", "--at", "1", "--intervals", "0.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        head, *found = csv.reader(io.StringIO(done.stdout))
        self.assertEqual(head, ["mean_0", "mean_1", "lower0.9_0", "lower0.9_1", "upper0.9_0", "upper0.9_1"])
        self.assertEqual([list(map(float, row)) for row in found],
                         [[1, 2, 1, 2, 5, 6], [3, 1e300, 3, 4, 7, 12345678901234567890.0]])

    def test_names_cannot_write_on_the_terminal(self):
        done = self.run_client("models")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(HARMLESS + "  ", done.stdout)
        self.assertIn("größe", done.stdout)
        for args, times in ((("models", "history", "m"), 3), (("predict", "nasty", "--at", "1"), 1),
                            (("models", "compare", "nasty", "1", "2"), 2)):
            done = self.run_client(*args)
            text = done.stdout + done.stderr
            self.assertEqual((done.returncode, text.count(HARMLESS), "\x1b" in text), (0, times, False), text)

    def test_answers_that_are_no_json_are_refused(self):
        done = self.run_client("jobs", "show", "garbage")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not JSON", done.stderr)
        done = self.run_client("jobs", "show", "html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("status 502", done.stderr)

    def test_pages_and_answers_of_other_servers_are_no_success(self):
        for args in (("models", "show", "page"), ("models", "show", "page", "--json"), ("data", "page", "export"),
                     ("jobs", "curves", "page"), ("watch", "page"), ("diagnostics", "page", "--json")):
            done = self.run_client(*args)
            self.assertEqual((done.returncode, done.stdout), (1, ""), args)
            self.assertIn("a page of HTML", done.stderr)
        for args in (("models", "show", "other"), ("data", "other", "batches"), ("jobs", "curves", "other"),
                     ("watch", "other"), ("train", "other", "--wait"), ("models", "history", "other"),
                     ("data", "other", "append", "-"), ("predict", "torn", "--at", "1")):
            done = self.run_client(*args, input="1,2\n")
            self.assertEqual((done.returncode, done.stdout), (1, ""), args)
            self.assertIn("the server's answer", done.stderr)

    def test_half_an_answer_is_not_printed(self):
        for args in (("models", "show", "cut"), ("models", "show", "cut", "--json"), ("jobs", "show", "cut", "--json")):
            done = self.run_client(*args)
            self.assertEqual((done.returncode, done.stdout), (3, ""), args)
            self.assertIn("no answer from", done.stderr)

    def test_an_upload_goes_on_after_a_broken_connection_with_the_same_key(self):
        self.server.busy, self.server.broken = 0, {2, 3}
        done = self.run_client("data", "m", "append", "-", "--batch-lines", "1", input="1,2\n3,4\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        keys = [head["Idempotency-Key"] for _, head, _ in self.server.seen]
        self.assertEqual(keys, [keys[0]] + [keys[0] + ".2"] * 3)
        self.assertEqual([body for _, _, body in self.server.seen], [b"1,2\n"] + [b"x,x\n3,4\n"] * 3)
        # When there is no time left, it is said how to go on.
        self.server.seen.clear()
        done = self.run_client("data", "m", "append", "-", "--batch-lines", "1", "--retry", "0", "--key", "k",
                               input="1,2\n3,4\n")
        self.assertEqual((done.returncode, len(self.server.seen)), (3, 2))
        self.assertIn("repeated with --key k", done.stderr)

    def test_a_failure_that_may_hide_a_stored_upload_tells_the_key(self):
        self.server.busy = 1000
        for status in (502, 503, 504):
            self.server.seen.clear()
            self.server.busy_status = status
            done = self.run_client("data", "m", "append", "-", "--retry", "0", input="1,2\n")
            self.assertEqual((done.returncode, len(self.server.seen)), (1, 1))
            key = self.server.seen[0][1]["Idempotency-Key"]
            self.assertIn(f"repeated with --key {key} the same", done.stderr)
        self.server.busy_status = 400
        done = self.run_client("data", "m", "append", "-", "--retry", "0", input="1,2\n")
        self.assertNotIn("--key", done.stderr)

    def test_what_comes_from_a_pipe_is_sent_again_too(self):
        body = json.dumps(rows(2000))
        done = self.run_client("data", "m", "append", "-", "--format", "json", input=body)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([got for _, _, got in self.server.seen], [body.encode()] * 3)

    def test_a_bar_fits_every_width_and_is_taken_away(self):
        self.server.script = script(20)
        for width in (20, 21, 30, 45, 60, 80, 133, 200):
            terminal = self.watch(width=width)
            self.assertEqual(terminal.wait(), 0)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
            lines = plain.split("\r")
            bars = [line for line in lines if line.endswith("%") or " %" in line]
            self.assertGreater(len(bars), 20)
            self.assertEqual([bar for bar in bars if len(bar) > width - 1], [])
            self.assertEqual(bars[0].split()[:3], ["job", "7", "heat"])
            percents = [int(re.search(r"(\d+) %", bar).group(1)) for bar in bars]
            self.assertEqual(percents, sorted(percents))
            self.assertEqual("[#" in bars[-1], width >= 30)
            self.assertEqual("loss" in bars[-1], width >= 80)
            self.assertEqual("\x1b[36m" in terminal.text, width >= 30)
            self.assertRegex(plain, r"\r +\rjob 7 succeeded in 1 h 1 min: version 4 of heat\r\n$")

    def test_a_bar_follows_the_width_of_its_terminal(self):
        steps = script(20)
        for at, shown in ((10, "35 %"), (-1, "95 %")):  # narrow on the way, narrow at the end
            narrowed = threading.Event()
            self.server.script = steps[:at] + [narrowed] + steps[at:]
            terminal = self.watch(width=120)
            terminal.read_until(shown + r".* left *$")
            wide = len(terminal.text)
            terminal.resize(30)
            narrowed.set()
            self.assertEqual(terminal.wait(), 0)
            after = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text[wide:]).split("\r")[1:]
            self.assertEqual([line for line in after if len(line) > 29 and "succeeded" not in line], [])
            self.assertIn("succeeded", after[-2])
            self.assertIn("95 %", terminal.text)

    def test_without_colours_or_on_a_dumb_terminal_there_are_no_escape_sequences(self):
        self.server.script = script(20)
        plain = self.watch(NO_COLOR="1", width=60)
        self.assertEqual(plain.wait(), 0)
        self.assertNotIn("\x1b", plain.text)
        self.assertIn("job 7 heat [##", plain.text)
        dumb = self.watch(TERM="dumb")
        self.assertEqual(dumb.wait(), 0)
        self.assertNotIn("\x1b", dumb.text)
        self.assertRegex(dumb.text, r"^job 7 of heat: queued\r\njob 7 of heat: running, 0 %.*\r\n")
        piped = self.run_client("watch", "7")
        self.assertEqual((piped.returncode, piped.stdout), (0, dumb.text.replace("\r", "")))
        self.assertEqual(len(piped.stdout.splitlines()), 12)  # two states, each tenth, the end

    def watch(self, **more):
        return Terminal("watch", "7", SURROGATED_SERVER=f"http://127.0.0.1:{self.server.server_port}", **more)


if __name__ == "__main__":
    unittest.main()
