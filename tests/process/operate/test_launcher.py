# SPDX-License-Identifier: Apache-2.0
"""Trainings that a launcher starts: the same bytes as in the server; and launchers that die, hang, lie and do not listen."""

import json
import os
import random
import shutil
import sys
import tempfile
import time
import unittest

from harness import HERE, PATIENCE, Server

TRAIN = os.environ.get("TRAIN_BIN", "")
FAKE = os.path.join(HERE, "operate", "fake_launcher.py")
SMALL = {"solver": "ensemble", "seed": 3, "settings": {"members": 2, "epochs": 5}, "architecture": {"width": 4, "layers": 1}}
FIELD = {**SMALL, "output_reduction": {"kind": "kl", "modes": 2}}
AUTO = {"seed": 3, "budget_fits": 12, "architecture": {"width": 4, "layers": 1}}
LONG = {"solver": "ensemble", "seed": 3, "settings": {"members": 1, "epochs": 4000, "batch_size": 8},
        "architecture": {"width": 8, "layers": 2}}


def upload(server, model, n, outputs=1):
    draw = random.Random(n)
    rows = [[draw.random(), draw.random()] for _ in range(n)]
    body = {"inputs": rows, "outputs": [[a * a + b * (j + 1) for j in range(outputs)] for a, b in rows]}
    status, _, data = server.request("POST", f"/v1/models/{model}/data", body)
    assert status == 201, data


def lives(pid):
    """Not a zombie, which whoever adopted it may not look after."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@unittest.skipUnless(TRAIN, "there is no surrogated-train")
class Launcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fake = os.path.join(cls.folder, "fake")
        os.mkdir(cls.fake)
        cls.server = cls.launching().start()
        cls.addClassCleanup(cls.end)
        upload(cls.server, "small", 20)
        upload(cls.server, "large", 40)
        upload(cls.server, "field", 20, 6)

    @classmethod
    def launching(cls, *flags, folder=None, command=None, stop_s=1):
        return Server(folder or cls.folder, "--launcher", command or f"{sys.executable} {FAKE} {cls.fake} {{command}}",
                      "--launch-program", TRAIN, "--launch-stop-s", str(stop_s), "--launch-rows", "30",
                      "--checkpoint-ms", "100", "--train-nice", "0", *flags)

    @classmethod
    def end(cls):
        if cls.server.process.poll() is None:
            assert cls.server.stop() == 0, cls.server.log_text()[-4000:]

    def mode(self, name):
        with open(os.path.join(self.fake, "mode"), "w", encoding="utf-8") as file:
            file.write(name)

    def ask(self, status, method, path, body=None, server=None):
        found, _, data = (server or self.server).request(method, path, body)
        self.assertEqual(found, status, data)
        return data

    def train(self, model, request, *states, server=None):
        job = self.ask(202, "POST", f"/v1/models/{model}/train", request, server)["id"]
        return (server or self.server).wait_job(job, *states) if states else job

    def pids(self):
        """Of a launcher that sleeps, and of the process it left its group with."""
        path = os.path.join(self.fake, "pids")
        end = time.time() + PATIENCE
        while not os.path.exists(path) and time.time() < end:
            time.sleep(0.02)
        with open(path, encoding="utf-8") as file:
            pids = [int(word) for word in file.read().split()]
        os.remove(path)
        self.assertTrue(all(map(lives, pids)))
        return pids

    def wait_gone(self, *pids):
        end = time.time() + PATIENCE
        while any(map(lives, pids)):
            self.assertLess(time.time(), end, "processes of a launcher are left")
            time.sleep(0.02)

    def wait_no_folder(self, server=None):
        """The job's end is in the registry a moment before its folder goes."""
        root = (server or self.server).db + ".jobs"
        end = time.time() + PATIENCE
        while os.listdir(root):
            self.assertLess(time.time(), end, "folders of jobs are left")
            time.sleep(0.02)

    def test_a_version_is_the_same_wherever_it_is_trained(self):
        self.mode("good")
        for request in (SMALL, {**SMALL, "solver": "nuts", "settings": {"chains": 2, "draws": 4, "warmup": 6}},
                        {**SMALL, "start": "warm"}, AUTO, FIELD):
            model = "field" if request is FIELD else "small"
            with self.subTest(request=request):
                here = self.train(model, {**request, "where": "here", "promote": False}, "succeeded", "failed")
                self.assertEqual((here["state"], here["where"]), ("succeeded", "here"), here["message"])
                self.assertNotIn("where", here["request"])
                there = self.train(model, {**request, "where": "launcher", "promote": False}, "succeeded", "failed")
                self.assertEqual((there["state"], there["where"]), ("succeeded", "launcher"), there["message"])
                self.assertEqual(there["request"].pop("where"), "launcher")
                self.assertEqual(there["request"], here["request"])
                # Identical content is the same version.
                self.assertEqual(there["version"], here["version"])
                self.assertEqual(there["scores"], here["scores"])
                # So is what the gate saw of them: of auto the predictions of its folds too.
                self.assertEqual(there["gate"], here["gate"])
            if request is SMALL:
                self.ask(200, "PUT", "/v1/models/small/default", {"version": here["version"]})
        self.wait_no_folder()

    def test_columns_are_taken_where_it_is_trained(self):
        self.mode("good")
        draw = random.Random(4)
        rows = [[draw.random(), draw.random()] for _ in range(20)]
        outputs = [[1 + i % 2, a * a + b, float(i % 5 == 0)] for i, (a, b) in enumerate(rows)]
        self.ask(201, "POST", "/v1/models/columns/data", {"inputs": rows, "outputs": outputs})
        request = {**SMALL, "promote": False, "columns": [{"name": 0, "role": "weight"}, {"name": 2, "role": "validation"}]}
        versions = []
        for where in ("here", "launcher"):
            row = self.train("columns", {**request, "where": where}, "succeeded", "failed")
            self.assertEqual(row["state"], "succeeded", row["message"])
            self.assertEqual(row["scores"]["rows"], 4)
            versions.append(row["version"])
        self.assertEqual(versions[0], versions[1])
        self.wait_no_folder()

    def test_where_a_training_runs(self):
        self.mode("good")
        for model, request, where in (("small", SMALL, "here"), ("large", SMALL, "launcher"),
                                      ("large", {**SMALL, "where": "here"}, "here")):
            job = self.train(model, request, "succeeded", "failed")
            self.assertEqual((job["state"], job["where"]), ("succeeded", where), job["message"])
        # What cannot be launched stays here, unless it was asked for.
        job = self.train("large", {"budget_s": 0.1})
        self.assertEqual(self.ask(200, "GET", f"/v1/jobs/{job}")["where"], "here")
        self.server.request("DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled", "succeeded")
        refused = self.ask(400, "POST", "/v1/models/large/train", {"budget_s": 1, "where": "launcher"})
        self.assertIn("budget_fits", refused["detail"])
        self.ask(400, "POST", "/v1/models/large/train", {**SMALL, "where": "moon"})

    def test_a_launcher_that_fails_changes_nothing(self):
        before = self.ask(200, "GET", "/v1/models/small")
        for mode, why in (("die", "status 3: no partition is up"), ("killed", "signal 9"), ("nothing", "no result"),
                          ("garbage", "result.json"), ("byte", "fingerprint"), ("fingerprint", "fingerprint"),
                          ("request", "another request"), ("rows", "other rows"), ("late", "status 5"),
                          ("failed", "the fit diverged")):
            with self.subTest(mode=mode):
                self.mode(mode)
                job = self.train("small", {**SMALL, "seed": 17, "where": "launcher"}, "succeeded", "failed")
                self.assertEqual(job["state"], "failed")
                self.assertIn(why, job["message"])
                self.assertNotIn(self.folder, job["message"])
                self.assertIsNone(job["version"])
        self.assertEqual(self.ask(200, "GET", "/v1/models/small"), before)
        self.wait_no_folder()

    def test_a_launcher_that_does_not_listen_is_killed(self):
        for mode in ("hang", "deaf"):
            with self.subTest(mode=mode):
                self.mode(mode)
                job = self.train("small", {**SMALL, "where": "launcher"})
                pids = self.pids()
                self.ask(202, "DELETE", f"/v1/jobs/{job}")
                self.server.wait_job(job, "cancelled")
                self.wait_gone(*pids)
        self.wait_no_folder()

    def test_a_limit_of_time_ends_it(self):
        self.mode("hang")
        job = self.train("small", {**SMALL, "where": "launcher", "limits": {"seconds": 1}}, "failed", "succeeded")
        self.assertIn("limit of 1 s", job["message"])
        self.wait_gone(*self.pids_now())
        self.wait_no_folder()

    def pids_now(self):
        """What has been told, or nothing: it may have been ended before it told."""
        path = os.path.join(self.fake, "pids")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            pids = [int(word) for word in file.read().split()]
        os.remove(path)
        return pids

    def test_silence_ends_it(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        server = self.launching("--launch-start-s", "1", "--launch-silent-s", "2", folder=folder).start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        upload(server, "small", 20)
        for mode, why in (("hang", ("did not begin within 1 s",)),
                          ("silent", ("has told nothing for 2 s", "did not begin"))):  # the latter on a busy machine
            self.mode(mode)
            job = self.train("small", {**SMALL, "where": "launcher"}, "failed", "succeeded", server=server)
            self.assertTrue(any(one in job["message"] for one in why), job["message"])
            self.wait_gone(*self.pids_now())
        self.wait_no_folder(server)
        self.assertEqual(server.stop(), 0, server.log_text()[-4000:])
        # Without a launcher, or with one that is none.
        server.flags = ()
        server.start()
        refused = self.ask(400, "POST", "/v1/models/small/train", {**SMALL, "where": "launcher"}, server)
        self.assertIn("no launcher", refused["detail"])
        self.assertEqual(server.stop(), 0)
        for command, why in (("srun", "{command}"), ("bin/srun {command}", "whole path")):
            server.flags = ("--launcher", command)
            server.launch()
            self.assertNotEqual(server.process.wait(PATIENCE), 0)
            self.assertIn(why, server.log_text()[-500:])
            server.log.close()
        server.flags = ("--launcher", "no-such-program {command}")
        server.start()
        job = self.train("small", {**SMALL, "where": "launcher"}, "failed", "succeeded", server=server)
        self.assertIn("no-such-program cannot be started", job["message"])
        self.assertEqual(server.stop(), 0, server.log_text()[-4000:])

    def test_a_job_of_kubernetes(self):
        """deploy/kubernetes/launch.sh, with a kubectl that starts processes."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        kubectl = os.path.join(folder, "kubectl")
        with open(kubectl, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {sys.executable} {HERE}/operate/fake_kubectl.py \"$@\"\n")
        os.chmod(kubectl, 0o755)
        server = self.launching(folder=folder, command=f"sh {HERE}/../../deploy/kubernetes/launch.sh {{command}}",
                                stop_s=PATIENCE)
        server.environment = {**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"], "KUBE": folder,
                              "IMAGE": "image:1", "CLAIM": "registry", "PAUSE_S": "0.2"}
        server.start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        upload(server, "small", 20)
        job = self.train("small", {**SMALL, "where": "launcher"}, "succeeded", "failed", server=server)
        self.assertEqual(job["state"], "succeeded", job["message"])
        job = self.train("small", {**LONG, "settings": {"members": 1, "epochs": 1000000}, "where": "launcher"}, server=server)
        end = time.time() + PATIENCE
        while not self.ask(200, "GET", f"/v1/jobs/{job}", server=server)["progress"] and time.time() < end:
            time.sleep(0.02)
        self.ask(202, "DELETE", f"/v1/jobs/{job}", server=server)
        server.wait_job(job, "cancelled")
        names = sorted(os.listdir(folder))
        self.assertEqual([sum(name.endswith(end) for name in names) for end in (".pid", ".deleted")], [2, 2], names)
        # No signal has reached the training: it has seen that its folder is gone.
        for name in names:
            if name.endswith(".pid"):
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    self.wait_gone(int(file.read()))
        self.wait_no_folder(server)
        self.assertEqual(server.stop(), 0, server.log_text()[-4000:])

    def test_a_server_that_is_killed_goes_on_from_checkpoints(self):
        self.mode("checkpoint")
        job = self.train("small", {**LONG, "where": "launcher"})
        pids = self.pids()
        self.server.kill()
        self.assertTrue(all(map(lives, pids)))
        # Again, by a server that stops while a launcher hangs.
        self.mode("hang")
        self.server.start()
        self.wait_gone(*pids)
        pids = self.pids()
        self.assertEqual(self.server.stop(), 0, self.server.log_text()[-4000:])
        self.wait_gone(*pids)
        self.mode("keep")
        self.server.start()
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], "succeeded", row["message"])
        with open(os.path.join(self.fake, "progress"), encoding="utf-8") as file:
            steps = [line for line in map(json.loads, file) if line["event"] == "progress"]
        # The one member had a state, and may have been ready.
        self.assertTrue(not steps or steps[0]["step"] > 1, steps[:1])
        here = self.train("small", {**LONG, "where": "here"}, "succeeded", "failed")
        self.assertEqual(here["version"], row["version"])
        self.wait_no_folder()


if __name__ == "__main__":
    unittest.main()
