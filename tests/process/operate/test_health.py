# SPDX-License-Identifier: Apache-2.0
"""Signals, settings that change while the server runs, and readiness that tells why not."""

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, PATIENCE, Server, ServerTest, binary, document, rows


class Watched(ServerTest):
    def wait_log(self, pattern, start=0):
        """The first match of pattern in what was logged after start characters."""
        end = time.time() + PATIENCE
        while time.time() < end:
            found = re.search(pattern, self.server.log_text()[start:])
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"no {pattern} in {self.server.log_text()[start:]}")

    def wait_ready(self, status):
        end = time.time() + PATIENCE
        while time.time() < end:
            found = self.server.request("GET", "/readyz")
            if found[0] == status:
                return found[2]
            time.sleep(0.02)
        raise AssertionError(f"/readyz is not {status}: {found}")

    def parts(self):
        return {reason["part"]: reason["reason"] for reason in self.wait_ready(503)["reasons"]}


class Signals(Watched):
    def test_no_signal_of_an_operator_ends_the_process(self):
        self.server.process.send_signal(signal.SIGUSR1)
        self.wait_log('message="log level changed" to=debug')
        self.ok(200, "GET", "/healthz")
        self.wait_log("level=debug message=request method=GET path=/healthz")
        for level in ("info", "warn", "error"):
            self.server.process.send_signal(signal.SIGUSR2)
            self.wait_log(f'message="log level changed" to={level}')
        # "error" is the last level and stays. One signal at a time: two that wait together come in
        # the order of their numbers.
        said = len(self.server.log_text())
        self.server.process.send_signal(signal.SIGUSR2)
        self.wait_log('message="log level changed" to=error', said)
        said = len(self.server.log_text())
        self.server.process.send_signal(signal.SIGUSR1)
        self.wait_log('message="log level changed" to=warn', said)
        self.server.process.send_signal(signal.SIGHUP)
        self.ok(200, "GET", "/healthz")
        self.assertIsNone(self.server.process.poll())


class EarlySignals(unittest.TestCase):
    def test_signals_during_the_start_wait_even_with_threads_of_the_libraries(self):
        """OpenBLAS starts its threads before main can block a signal for them."""
        for threads in ("1", "4"):
            folder = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, folder, True)
            server = Server(folder)
            before = os.environ.get("OPENBLAS_NUM_THREADS")
            os.environ["OPENBLAS_NUM_THREADS"] = threads
            try:
                server.launch()
            finally:
                os.environ.pop("OPENBLAS_NUM_THREADS")
                if before is not None:
                    os.environ["OPENBLAS_NUM_THREADS"] = before
            server.wait_message("listening", pause=0.001)
            for _ in range(20):
                for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                    server.process.send_signal(number)
            server.wait_message("ready")
            self.assertEqual(server.stop(), 0)


class Reload(Watched):
    def setUp(self):
        self.conf_folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.conf_folder, True)
        self.conf = os.path.join(self.conf_folder, "conf")
        self.write("max_rows = 4\n")
        self.flags = ("--config", self.conf)
        super().setUp()

    def write(self, text):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, pattern):
        self.server.process.send_signal(signal.SIGHUP)
        return self.wait_log(pattern)

    def test_what_can_change_does_and_the_log_says_what(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        inputs = {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 5}
        self.ok(413, "POST", "/predict", inputs)
        self.write("max_rows = 5\nlog_level = debug\nhttp_threads = 7\n")
        self.reload('message="settings reloaded"')
        log = self.server.log_text()
        self.assertIn('message="setting changed" setting=max_rows from=4 to=5', log)
        self.assertIn('message="setting changed" setting=log_level from=info to=debug', log)
        self.assertIn('message="setting changes at the next start" setting=http_threads', log)
        self.ok(200, "POST", "/predict", inputs)
        self.ok(413, "POST", "/predict", {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 6})
        self.wait_log("level=debug message=request")

    def test_after_an_error_all_settings_stay(self):
        self.write("max_rows = 5\nno_such = 1\n")
        found = self.reload('level=error message="settings not reloaded" reason=(.*)')
        self.assertIn("no_such", found.group(1))
        self.ok(201, "PUT", "/v1/models/m", document())
        self.ok(413, "POST", "/predict", {"model": "m", "inputs": [[0.1, 0.2, 0.3]] * 5})
        os.unlink(self.conf)
        self.reload('settings not reloaded(.*\n)*.*settings not reloaded')
        self.ok(200, "GET", "/readyz")


class Descriptors(unittest.TestCase):
    def start(self, soft, hard, *flags):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        server = Server(folder, *flags)
        real = subprocess.Popen
        try:
            subprocess.Popen = lambda *args, **kwargs: real(
                *args, **kwargs,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
            server.start()
        finally:
            subprocess.Popen = real
        self.addCleanup(lambda: server.process.poll() is not None or server.kill())
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)
        return server

    def limits(self, server):
        with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as file:
            return tuple(int(n) for n in re.search(r"Max open files\s+(\d+)\s+(\d+)", file.read()).groups())

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        server = self.start(256, 3000)
        self.assertEqual(self.limits(server), (3000, 3000))
        self.assertNotIn("too few open files", server.log_text())
        self.assertEqual(server.stop(), 0)

    def test_a_limit_below_the_connections_is_a_warning(self):
        server = self.start(256, 1000)
        found = re.search(r'level=warn message="too few open files for max_connections" allowed=1000 needed=(\d+)',
                          server.log_text())
        needed = int(found.group(1))
        self.assertEqual(server.stop(), 0)
        # At the limit and one beyond.
        for allowed, warns in ((needed, False), (needed - 1, True)):
            server = self.start(256, allowed)
            self.assertEqual("too few open files" in server.log_text(), warns)
            self.assertEqual(server.stop(), 0)


class RegistryFile(Watched):
    def test_a_file_that_was_removed_takes_no_upload(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(20))
        os.rename(self.server.db, self.server.db + ".away")
        status, _, answer = self.server.request("POST", "/v1/models/m/data", rows(20, seed=2))
        self.assertEqual(status, 503, answer)
        self.assertIn("registry file has been removed", answer["detail"])
        self.assertNotIn(self.folder, answer["detail"])
        self.assertIn("registry", self.parts())
        self.wait_log('level=error message="not ready" part=registry reason="the registry file has been removed')
        self.ok(200, "GET", "/v1/models/m/data")
        os.rename(self.server.db + ".away", self.server.db)
        self.wait_ready(200)
        self.wait_log('message="ready again" part=registry')
        self.ok(201, "POST", "/v1/models/m/data", rows(20, seed=3))
        self.assertEqual(self.ok(200, "GET", "/v1/models/m/data")[1]["rows"], 40)
        self.assertEqual(len(re.findall('message="not ready"', self.server.log_text())), 1)

    def test_a_file_that_was_replaced_takes_no_upload(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(20))
        copy = self.server.db + ".copy"
        self.assertEqual(binary("backup", "--db", self.server.db, "--to", copy).returncode, 0)
        os.replace(copy, self.server.db)
        status, _, answer = self.server.request("POST", "/v1/models/m/data", rows(20, seed=2))
        self.assertEqual(status, 503, answer)
        self.assertIn("another file", answer["detail"])
        self.assertEqual(self.server.request("PUT", "/v1/models/p", document())[0], 503)
        self.assertIn("another file", self.parts()["registry"])

    def test_nothing_acknowledged_is_lost_when_the_file_goes(self):
        acknowledged = 0
        for seed in range(40):
            if seed == 20:
                os.rename(self.server.db, self.server.db + ".away")
            status = self.server.request("POST", "/v1/models/m/data", rows(5, seed=seed))[0]
            acknowledged += 5 * (status == 201)
        self.assertEqual(acknowledged, 100)
        self.assertEqual(self.server.stop(), 0)
        with sqlite3.connect(self.server.db + ".away") as db:
            self.assertEqual(db.execute("SELECT sum(n_rows) FROM batches").fetchone()[0], acknowledged)


class Status(Watched):
    def test_it_says_how_the_server_is(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        status = self.ok(200, "GET", "/v1/status")[1]
        self.assertEqual((status["ready"], status["not_ready"], status["last_errors"]), (True, [], []))
        self.assertEqual(status["models"]["loaded"], 1)
        self.assertEqual(status["jobs"], dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 0))
        self.assertGreater(status["bytes"]["memory"], 1e6)
        self.assertEqual((status["read_only"], status["running_job"], status["log_lines_lost"]), (False, None, 0))
        self.assertGreater(status["memory"]["models"], 0)
        self.assertLessEqual(sum(n for kind, n in status["memory"].items() if kind != "budget"),
                             status["memory"]["budget"])
        self.assertEqual(status["version"], self.ok(200, "GET", "/healthz")[1]["version"])
        os.rename(self.server.db, self.server.db + ".away")
        self.wait_log("part=registry")
        status = self.ok(200, "GET", "/v1/status")[1]
        self.assertFalse(status["ready"])
        self.assertIn("has been removed", status["not_ready"][0])
        self.assertIn("part=registry", status["last_errors"][0])


class RunningJob(Watched):
    def test_the_running_job_is_told_with_its_progress(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        job = self.ok(202, "POST", "/v1/models/m/train",
                      {"solver": "ensemble", "settings": {"members": 1, "epochs": 1000000}})[1]["id"]
        self.server.wait_job(job, "running")
        end = time.time() + PATIENCE
        while not ((about := self.ok(200, "GET", "/v1/status")[1]["running_job"]) and about["progress"]):
            self.assertLess(time.time(), end)
            time.sleep(0.02)
        self.assertEqual(about["id"], job)
        self.assertTrue(0 <= about["progress"]["fraction"] <= 1)
        self.assertGreaterEqual(about["checkpoint_age_s"], 0)
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        while self.ok(200, "GET", "/v1/status")[1]["running_job"]:
            self.assertLess(time.time(), end)
            time.sleep(0.02)


class BasePath(ServerTest):
    flags = ("--base_path", "/farm/surrogate")

    def test_routes_work_below_it_and_locations_begin_with_it(self):
        head, _ = self.ok(201, "PUT", "/farm/surrogate/v1/models/m", document())
        self.assertEqual(head["Location"], "/farm/surrogate/v1/models/m/versions/1")
        self.ok(200, "GET", head["Location"])
        self.ok(200, "GET", "/v1/models/m/versions/1")  # a proxy that cuts it off
        self.ok(200, "GET", "/farm/surrogate")
        self.ok(200, "GET", "/farm/surrogate/healthz")
        for path in ("/farm/v1/models", "/farm/surrogatex/healthz", "/farm/surrogate/farm/surrogate/healthz"):
            self.ok(404, "GET", path)
        self.ok(201, "POST", "/v1/models/n/data", rows(20))
        head, job = self.ok(202, "POST", "/farm/surrogate/v1/models/n/train",
                            {"solver": "ensemble", "gate": None, "settings": {"members": 1, "epochs": 2}})
        self.assertEqual(head["Location"], f"/farm/surrogate/v1/jobs/{job['id']}")
        self.server.wait_job(job["id"], "succeeded")

    def test_what_cannot_be_a_path_is_refused(self):
        for path in ("surrogate", "/a/", "//a", "/a b", "/a?b", "/ü"):
            found = binary("serve", "--base_path", path)
            self.assertEqual(found.returncode, 2, path)
            self.assertIn("base_path", found.stderr)


class FullDisk(Watched):
    def setUp(self):
        self.conf_folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.conf_folder, True)
        self.conf = os.path.join(self.conf_folder, "conf")
        self.write("min_free_mb = 100000000\n")
        self.flags = ("--config", self.conf)
        super().setUp()

    def write(self, text):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def test_a_full_disk_is_not_ready(self):
        reason = self.parts()["disk"]
        self.assertRegex(reason, r"the disk of the registry is full: \d+ MB are free, min_free_mb is 100000000")
        self.ok(200, "GET", "/healthz")
        self.wait_log('level=error message="not ready" part=disk')
        self.assertRegex(self.ok(200, "GET", "/metrics")[1].decode(), r"surrogated_disk_free_bytes \d{6}")
        self.write("min_free_mb = 0\n")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_ready(200)
        self.wait_log('message="ready again" part=disk')


class Models(Watched):
    def test_a_model_that_failed_to_load_is_not_ready_until_it_is_mended(self):
        self.ok(201, "PUT", "/v1/models/good", document(seed=1))
        self.ok(201, "PUT", "/v1/models/bad", document(seed=2))
        self.assertEqual(self.server.stop(), 0)
        with sqlite3.connect(self.server.db) as db:
            db.execute("UPDATE version_chunks SET bytes = zeroblob(length(bytes)) WHERE model_id = "
                       "(SELECT id FROM models WHERE name = 'bad')")
        db.close()
        self.server.start()
        self.wait_ready(200)  # it is read when it is first asked for
        self.assertEqual(self.server.request("POST", "/v1/models/bad/predict", {"inputs": [0.1, 0.2, 0.3]})[0], 500)
        reason = self.parts()["models"]
        self.assertEqual(reason, "1 model could not be loaded, model bad among them")
        self.ok(200, "POST", "/predict", {"model": "good", "inputs": [0.1, 0.2, 0.3]})
        # It stays so, over a restart too, until another version is served.
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.parts()["models"], reason)
        self.ok(201, "PUT", "/v1/models/bad", document(seed=3))
        self.wait_ready(200)
        self.wait_log('message="ready again" part=models')


if __name__ == "__main__":
    unittest.main()
