# SPDX-License-Identifier: Apache-2.0
"""Training in the background, stopping, dying and starting again."""

import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BINARY, PATIENCE, Server, ServerTest, binary, document, rows

LONG = {"solver": "ensemble", "settings": {"members": 4, "epochs": 100000}, "seed": 1}
# Too short a training for the gate: chance decides whether the next version is better.
SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}, "seed": 1, "gate": None}


class Training(ServerTest):
    def test_the_whole_road(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        head, job = self.ok(202, "POST", "/v1/models/m/train", SHORT)
        self.assertEqual(head["Location"], f"/v1/jobs/{job['id']}")
        done = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual((done["state"], done["version"], done["attempts"]), ("succeeded", 1, 1))
        _, version = self.ok(200, "GET", "/v1/models/m/versions/1")
        self.assertEqual(version["draws"], 2)
        self.assertEqual(version["settings"]["settings"]["epochs"], 20)
        self.assertEqual(version["scores"]["rows"], 8)
        # Without a body: as the default version was trained; same rows and seed, so same content.
        _, again = self.ok(202, "POST", "/v1/models/m/train")
        self.assertEqual(self.server.wait_job(again["id"], "succeeded")["version"], 1)
        # More rows: another version, served at once.
        self.ok(201, "POST", "/v1/models/m/data", "a,b,y\n0.1,0.2,0.3\r\n\"0.3\", 0.1 ,0.5",
                {"Content-Type": "text/csv; header=present"})
        self.assertEqual(self.ok(200, "GET", "/v1/models/m/data")[1]["rows"], 82)
        _, third = self.ok(202, "POST", "/v1/models/m/train")
        self.assertEqual(self.server.wait_job(third["id"], "succeeded")["version"], 2)
        _, answer = self.ok(200, "POST", "/predict",
                            {"model": "m", "inputs": [0.1, 0.1], "return": ["total_variance"]})
        self.assertEqual((answer["version"], len(answer["total_variance"][0])), (2, 1))
        jobs = self.ok(200, "GET", "/v1/jobs?model=m")[1]["jobs"]
        self.assertEqual([j["id"] for j in jobs], [3, 2, 1])
        metrics = self.server.wait_metrics("surrogated_jobs_succeeded_total 3\n")
        self.assertIn("surrogated_predicted_rows_total 1\n", metrics)
        self.assertIn('surrogated_requests_total{route="train",code="202"} 3\n', metrics)
        self.assertIn('surrogated_request_duration_seconds_bucket{route="predict",outcome="ok",le="+Inf"} 1\n', metrics)
        self.assertEqual(self.ok(200, "DELETE", "/v1/models/m/data")[1], {"deleted_rows": 82})

    def test_a_job_shows_progress_and_is_cancelled(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        job = self.ok(202, "POST", "/v1/models/m/train", LONG)[1]["id"]
        waiting = self.ok(202, "POST", "/v1/models/m/train", LONG)[1]["id"]
        fractions = []
        end = time.time() + PATIENCE
        while time.time() < end:
            row = self.ok(200, "GET", f"/v1/jobs/{job}")[1]
            if row["state"] == "running" and row["progress"]:
                fractions.append(row["progress"]["fraction"])
                if len(set(fractions)) > 2:
                    break
            time.sleep(0.02)
        self.assertEqual(fractions, sorted(fractions))
        self.assertGreater(fractions[-1], 0)
        self.assertGreater(row["progress"]["eta_s"], 0)
        # A second job of the same model waits; cancelled, it never runs.
        self.assertEqual(self.ok(200, "DELETE", f"/v1/jobs/{waiting}")[1]["state"], "cancelled")
        self.ok(409, "DELETE", "/v1/models/m")
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        self.ok(409, "DELETE", f"/v1/jobs/{job}")
        self.ok(404, "POST", "/predict", {"model": "m", "inputs": [0, 0]})
        self.ok(204, "DELETE", "/v1/models/m")

    def test_a_failed_job_says_why_and_leaves_the_served_version(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(30))
        first = self.ok(202, "POST", "/v1/models/m/train", SHORT)[1]["id"]
        self.server.wait_job(first, "succeeded")
        wild = {"solver": "ensemble", "optimizer": {"name": "sgd", "learning_rate": 900,
                                                    "schedule": {"name": "constant"}},
                "architecture": {"activation": "identity"}}
        job = self.ok(202, "POST", "/v1/models/m/train", wild)[1]["id"]
        row = self.server.wait_job(job, "failed", "succeeded")
        self.assertEqual(row["state"], "failed")
        self.assertIn("learning_rate", row["message"])
        self.assertEqual(self.ok(200, "POST", "/predict", {"model": "m", "inputs": [0, 0]})[1]["version"], 1)
        log = {"solver": "ensemble", "scaling": {"outputs": "log"}}
        self.assertIn("positive", self.ok(400, "POST", "/v1/models/m/train", log)[1]["detail"])

    def test_a_trained_version_may_be_served_in_float32(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(30))
        job = self.ok(202, "POST", "/v1/models/m/train", {**SHORT, "precision": "float32"})[1]["id"]
        self.server.wait_job(job, "succeeded")
        about = self.ok(200, "GET", "/v1/models/m/versions/1")[1]
        self.assertEqual(about["precision"], "float32")
        self.assertEqual(about["settings"]["precision"], "float32")
        self.assertTrue(0 < about["float32_error"]["mean"] < 1e-5)

    def test_predictions_stay_right_while_a_job_runs(self):
        model = document(draws=100)
        self.ok(201, "PUT", "/v1/models/p", model)
        body = {"model": "p", "inputs": [[0.1, 0.2, 0.3]]}
        before = self.ok(200, "POST", "/predict", body)[1]
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        job = self.ok(202, "POST", "/v1/models/m/train", LONG)[1]["id"]
        self.server.wait_job(job, "running")
        for _ in range(50):
            self.assertEqual(self.ok(200, "POST", "/predict", body)[1], before)
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        self.assertEqual(self.ok(200, "POST", "/predict", body)[1], before)


class Restart(ServerTest):
    def restart(self, kill):
        if kill:
            self.server.kill()
        else:
            self.assertEqual(self.server.stop(), 0, self.server.log_text()[-2000:])
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)
        self.server.start()

    def test_a_stop_gives_the_running_job_back_to_the_queue(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        job = self.ok(202, "POST", "/v1/models/m/train", LONG)[1]["id"]
        self.server.wait_job(job, "running")
        self.restart(kill=False)
        row = self.server.wait_job(job, "running")
        self.assertEqual(row["attempts"], 1)
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")

    def test_kill_in_the_middle_of_a_training(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(80))
        job = self.ok(202, "POST", "/v1/models/m/train", LONG)[1]["id"]
        for attempt in (1, 2, 3):
            row = self.server.wait_job(job, "running")
            self.assertEqual(row["attempts"], attempt)
            self.restart(kill=True)
        row = self.server.wait_job(job, "failed")
        self.assertIn("stopped each time", row["message"])

    def test_a_killed_training_ends_with_the_same_version(self):
        settings = {**SHORT, "settings": {"members": 2, "epochs": 400}}
        for model in ("a", "b"):
            self.ok(201, "POST", f"/v1/models/{model}/data", rows(80))
        job = self.ok(202, "POST", "/v1/models/a/train", settings)[1]["id"]
        self.server.wait_job(job, "succeeded")
        job = self.ok(202, "POST", "/v1/models/b/train", settings)[1]["id"]
        self.server.wait_job(job, "running", "succeeded")
        self.restart(kill=True)
        self.server.wait_job(job, "succeeded")
        etags = [self.server.request("GET", f"/v1/models/{m}/versions/@default")[1]["ETag"] for m in "ab"]
        self.assertEqual(etags[0], etags[1])

    def test_kill_in_the_middle_of_registrations(self):
        rng = random.Random(1)
        documents = [document(draws=20, seed=s) for s in range(200)]
        acknowledged = {}
        at = 0
        for _ in range(4):
            stop = threading.Event()

            def register():
                nonlocal at
                while not stop.is_set() and at < len(documents):
                    try:
                        status, head, data = self.server.request("PUT", "/v1/models/m", documents[at])
                    except OSError:
                        return
                    except Exception:
                        return
                    if status in (200, 201):
                        acknowledged[data["version"]] = head["ETag"]
                    at += 1

            thread = threading.Thread(target=register)
            thread.start()
            time.sleep(rng.uniform(0.02, 0.3))
            self.server.kill()
            stop.set()
            thread.join()
            self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)
            self.server.start()
            _, listing = self.ok(200, "GET", "/v1/models/m") if acknowledged else (None, {"versions": []})
            stored = {v["version"]: f'"{v["etag"]}"' for v in listing["versions"]}
            for version, etag in acknowledged.items():
                self.assertEqual(stored.get(version), etag)
            self.assertFalse(any("damaged" in v for v in listing["versions"]))
        self.assertTrue(acknowledged)

    def test_a_damaged_version_is_refused_and_the_others_serve(self):
        self.ok(201, "PUT", "/v1/models/good", document(seed=1))
        self.ok(201, "PUT", "/v1/models/bad", document(seed=2))
        self.assertEqual(self.server.stop(), 0)
        with sqlite3.connect(self.server.db) as db:
            db.execute("UPDATE version_chunks SET bytes = zeroblob(length(bytes)) WHERE model_id = "
                       "(SELECT id FROM models WHERE name = 'bad')")
        db.close()
        self.server.start()
        body = {"inputs": [[0, 0, 0]]}
        self.ok(200, "POST", "/v1/models/good/predict", body)
        _, problem = self.ok(500, "POST", "/v1/models/bad/predict", body)
        self.assertIn("SHA-256", problem["detail"])
        versions = self.ok(200, "GET", "/v1/models/bad")[1]["versions"]
        self.assertIn("SHA-256", versions[0]["damaged"])


class Starting(unittest.TestCase):
    def refused(self, word, *flags, env=None):
        run = binary("serve", "--listen", "127.0.0.1:0", *flags,
                     env={**os.environ, **(env or {})})
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(word, run.stderr)

    def test_what_cannot_be_opened_is_refused_in_words(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.db")
            self.refused("make its folder first", "--db", os.path.join(folder, "none", "x.db"))
            with open(path, "w", encoding="utf-8") as file:
                file.write("not a database, only text that is long enough " * 100)
            self.refused("no registry", "--db", path)
            os.remove(path)
            db = sqlite3.connect(path)
            db.execute("CREATE TABLE theirs (x)")
            db.close()
            self.refused("another program", "--db", path)
            os.remove(path)
            server = Server(folder).start()
            self.refused("in use by another surrogated", "--db", server.db)
            self.refused("cannot listen", "--listen", f"127.0.0.1:{server.port}", "--db", path)
            self.assertEqual(binary("healthcheck", "--listen", f"127.0.0.1:{server.port}").returncode, 0)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(binary("healthcheck", "--listen", f"127.0.0.1:{server.port}").returncode, 1)
            db = sqlite3.connect(server.db)
            db.execute("PRAGMA user_version = 99")
            db.close()
            self.refused("use a newer one", "--db", server.db)

    def test_settings_come_from_four_places(self):
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"# comment\ndb = {folder}/none/x.db\nmax_rows = 5\nlisten=127.0.0.1:0\n")
            self.refused("none/x.db", "--config", config)
            self.refused("other/x.db", "--config", config, env={"SURROGATED_DB": f"{folder}/other/x.db"})
            self.refused("flag/x.db", "--config", config, f"--db={folder}/flag/x.db",
                         env={"SURROGATED_DB": f"{folder}/other/x.db"})
            with open(config, "a", encoding="utf-8") as file:
                file.write("colour = red\n")
            self.refused("line 5: there is no setting", "--config", config)
            self.refused("max_rows", "--max-rows", "0")
            self.refused("log_level", "--log-level", "loud")
            self.refused("needs a value", "--db")
            self.refused("SURROGATED_MAX_ROWS", env={"SURROGATED_MAX_ROWS": "x"})

    def test_help_and_version(self):
        for flags in (["--help"], ["serve", "--help"], ["check", "--help"], ["healthcheck", "--help"],
                      ["--version"], ["version"]):
            run = binary(*flags)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertIn("surrogated", run.stdout)
        self.assertEqual(binary().returncode, 2)
        self.assertEqual(binary("dance").returncode, 2)

    def test_sigint_stops_too_and_readiness_goes_first(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder).start()
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(PATIENCE), 0)
            self.assertIn("message=stopped", server.log_text())


if __name__ == "__main__":
    unittest.main()
