# SPDX-License-Identifier: Apache-2.0
"""A day in the life of a server, hour by hour, faster than the clock.

A primary is asked for predictions at a steady rate, is given rows, trains, publishes and deletes; a
replica with HTTPS and tokens follows its file. Each hour the log is rotated, a setting changes, the
certificate and the token are renewed, models and versions come and go, and a job is queued by a
policy. With libfaketime, if it is installed, the servers' clock runs as much faster as the day is
shorter, so that what happens after hours (schedules, expiries, rates, idle connections) happens.
"""

import glob
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import threading
import time

from certificates import make_certificate
from harness import PATIENCE, Server, architecture, binary, document, npy, rows

HOURS = 24
SETTLED = 5  # hours after which nothing may grow
CONNECTIONS = 8  # of the steady load
TRAINING = {"solver": "ensemble", "settings": {"members": 2, "epochs": 10}, "gate": None}
ROW = {"inputs": [[0.1, 0.2, 0.3]]}
FEW, MANY = 3000, 4000  # max_rows in even and in odd hours


def fast_clock():
    """The library that makes clocks run faster, or None."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def resident(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def threads(server):
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


class Day:
    def __init__(self, folder, openloop, seconds, predictions, clock=None):
        self.folder = folder
        self.openloop = openloop
        self.hour_s = seconds / HOURS
        self.rate = predictions / seconds
        self.clock = clock
        self.samples = []
        self.batches = []
        self.done = {"trainings": 0, "uploads": 0, "deletions": 0, "certificates": 0, "tokens": 0, "rotations": 0,
                     "settings": 0, "versions": 0, "policies": 0, "backups": 0}
        self.config = os.path.join(folder, "surrogated.conf")
        self.tokens = os.path.join(folder, "tokens")
        self.token = None

    # ---- the two servers ----

    def start(self):
        self.environment = None
        if self.clock:
            speed = 24 * 3600 / (HOURS * self.hour_s)
            self.environment = {**os.environ, "LD_PRELOAD": self.clock, "FAKETIME": f"+0 x{speed:.0f}"}
        # Clients keep to the real clock, so what limits them is out of reach of the fast one.
        patient = ("--idle_timeout_s", "86400", "--head_timeout_s", "86400", "--min_rate", "0", "--drain_timeout_s",
                   "3600", "--slow_ms", "0")
        self.write_settings(FEW)
        self.primary = Server(self.folder, "--config", self.config, "--train_threads", "1", *patient)
        self.primary.environment = self.environment
        self.primary.start()
        for name, body in (("fixed", document()), ("m", document(seed=9, arch=architecture(outputs=1)))):
            self.ask((201,), "PUT", f"/v1/models/{name}", body)
        self.ask((200,), "PUT", "/v1/models/m/keep", {"versions": 3})
        reason = {"every_s": 5400} if self.clock else {"new_rows": 50}
        self.ask((200,), "PUT", "/v1/models/m/policy", {**reason, "debounce_s": 1, "request": TRAINING})
        for version in range(3):
            self.upload(version)
        home = os.path.join(self.folder, "replica")
        os.mkdir(home)
        self.renew_certificate(0)
        self.renew_token(0)
        self.replica = Server(home, "--read_only", "true", "--follow_ms", "20000" if self.clock else "100", "--require_tokens", "true",
                              "--tokens_file", self.tokens, "--tls_cert", f"{self.folder}/cert.pem", "--tls_key",
                              f"{self.folder}/key.pem", *patient)
        self.replica.db = self.primary.db
        self.replica.environment = self.environment
        self.replica.start()

    def end(self):
        for server in (getattr(self, "replica", None), getattr(self, "primary", None)):
            if server and server.process.poll() is None:
                server.kill()

    def ask(self, statuses, method, path, body=None, headers=None):
        status, _, data = self.primary.request(method, path, body, headers)
        assert status in statuses, f"{method} {path} was answered {status}: {data!r:.500}"
        return data

    def ask_replica(self, method, path, body=None, token=None):
        """Over HTTPS, with the present certificate and token."""
        context = ssl.create_default_context(cafile=f"{self.folder}/cert.pem")
        connection = http.client.HTTPSConnection("localhost", self.replica.port, timeout=PATIENCE, context=context)
        try:
            connection.request(method, path, json.dumps(body) if body else None,
                               {"Authorization": f"Bearer {token or self.token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @staticmethod
    def eventually(what, good):
        """Waits for what comes a moment later: a server looks at its files once in a while."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if good():
                    return
            except (ssl.SSLError, ConnectionError) as error:
                what = f"{what}: {error}"
            assert time.monotonic() < end, what
            time.sleep(0.05)

    # ---- what happens in an hour ----

    def write_settings(self, max_rows):
        with open(self.config + ".new", "w", encoding="ascii") as file:
            file.write(f"max_rows = {max_rows}\nlog_level = info\n")
        os.rename(self.config + ".new", self.config)

    def change_setting(self, hour):
        """And a reload, which is told in the log; whatever was done to that before."""
        self.write_settings(FEW if hour % 2 == 0 else MANY)
        self.primary.process.send_signal(signal.SIGHUP)
        body = {"inputs": [[0.1, 0.2, 0.3]] * (FEW + 1)}
        wanted = 413 if hour % 2 == 0 else 200
        self.eventually("a setting does not change", lambda: self.primary.request(
            "POST", "/v1/models/fixed/predict", body)[0] == wanted)
        self.done["settings"] += 1

    def rotate_log(self, hour):
        path = self.primary.log.name
        if hour % 2:
            shutil.copy(path, f"{path}.{hour}")
            os.truncate(path, 0)
        else:  # nobody opens it again: lines go where the file is
            os.rename(path, f"{path}.{hour}")
            path = f"{path}.{hour}"
        size = os.path.getsize(path)
        self.change_setting(hour)
        if self.done["settings"] > 1:
            self.eventually("the log has no line about the setting", lambda: os.path.getsize(path) > size)
        if not hour % 2:
            os.rename(path, self.primary.log.name)
        self.done["rotations"] += 1

    def renew_certificate(self, hour):
        cert, key = make_certificate(self.folder, f"hour{hour}")
        os.rename(key, f"{self.folder}/key.pem")
        os.rename(cert, f"{self.folder}/cert.pem")
        self.done["certificates"] += 1

    def renew_token(self, hour):
        self.token = f"sgt_hour{hour}_{secrets.token_hex(32)}"
        with open(self.tokens + ".new", "w", encoding="ascii") as file:
            file.write(f"hour{hour} read {self.token}\n")
        os.rename(self.tokens + ".new", self.tokens)
        self.done["tokens"] += 1

    def renew_at_the_door(self, hour):
        old = self.token
        self.renew_certificate(hour)
        self.renew_token(hour)
        self.eventually("the new certificate or token is not taken",
                        lambda: self.ask_replica("GET", "/v1/models")[0] == 200)
        self.eventually("the old token is still taken",
                        lambda: self.ask_replica("GET", "/v1/models", token=old)[0] == 401)
        made = self.ask((201,), "POST", "/v1/tokens", {"role": "read", "id": f"hour{hour}"})
        self.ask((204,), "DELETE", f"/v1/tokens/{made['id']}")

    def upload(self, number):
        data = self.ask((201,), "POST", "/v1/models/m/data", rows(50, d=3, seed=number + 1),
                        {"Idempotency-Key": f"upload-{number}"})
        self.batches.append(data["batch"])
        self.done["uploads"] += 1

    def exchange_rows(self, hour):
        """As many come as go."""
        self.upload(hour + 100)
        self.ask((200,), "DELETE", f"/v1/models/m/data/batches/{self.batches.pop(0)}")
        self.done["deletions"] += 1
        summary = self.ask((200,), "GET", "/v1/models/m/data")
        assert summary["rows"] == 150, summary

    def train(self):
        """Followed to its end, and then served by the replica as by the primary."""
        job = self.ask((202,), "POST", "/v1/models/m/train", TRAINING)
        self.ask((200, 204), "GET", f"/v1/jobs/{job['id']}/events")
        row = self.primary.wait_job(job["id"], "succeeded", "failed", "cancelled")
        assert row["state"] == "succeeded", row
        self.last_job = job["id"]
        self.eventually("the replica does not follow", lambda: self.ask_replica(
            "POST", "/v1/models/m/predict", ROW)[1] == self.ask((200,), "POST", "/v1/models/m/predict", ROW))
        self.done["trainings"] += 1

    def await_policy(self):
        """A job that nobody asked for, because of the rows or the time."""
        def ended():
            jobs = self.ask((200,), "GET", "/v1/jobs?model=m")["jobs"]
            found = [job for job in jobs if job["origin"] != "request" and job["id"] > self.last_job]
            return found and found[0]["state"] == "succeeded"

        self.eventually("no policy has queued a job", ended)
        self.done["policies"] += 1

    def ask_for_much(self):
        """Answers of thousands of rows, in both formats."""
        many = [[0.1, 0.2, 0.3]] * 2000
        for body, kind in ((json.dumps({"inputs": many}), "application/json"), (npy(many), "application/x-npy"),
                           (json.dumps({"inputs": many[:50], "return": ["quantiles", "samples"], "samples": 5}),
                            "application/json")):
            self.ask((200,), "POST", "/v1/models/fixed/predict", body, {"Content-Type": kind})

    def churn_models(self, hour):
        for seed in range(3):
            self.ask((201,), "PUT", "/v1/models/passing", document(seed=100 * hour + seed + 10))
            self.ask((200,), "POST", "/v1/models/passing/predict", ROW)
            self.ask((201, 200), "PUT", f"/v1/models/passing/aliases/a{seed}", {"version": "@default"})
        self.ask((204,), "DELETE", "/v1/models/passing")
        self.done["versions"] += 3

    def back_up(self):
        to = os.path.join(self.folder, "backup.db")
        for words in (("backup", "--db", self.primary.db, "--to", to, "--force"), ("check", "--db", to)):
            found = binary(*words)
            assert found.returncode == 0, found.stderr
        self.done["backups"] += 1

    def pass_hour(self, hour):
        self.rotate_log(hour)
        self.renew_at_the_door(hour)
        self.exchange_rows(hour)
        if hour % 2 == 0:
            self.train()
        else:
            self.await_policy()
        self.ask_for_much()
        self.churn_models(hour)
        if hour % 6 == 5:
            self.back_up()

    # ---- the day ----

    def look_at_memory(self):
        _, _, text = self.primary.request("GET", "/metrics")
        return text, dict(re.findall(r'^surrogated_memory_bytes\{kind="(\w+)"\} (\S+)$', text.decode(), re.M))

    def sample(self, hour):
        # The load goes on: what its answers hold at the moment is not what is left behind.
        text, kinds = min((self.look_at_memory() for _ in range(5)), key=lambda look: float(look[1]["answers"]))
        room = dict(re.findall(r"^surrogated_(wal_bytes|registry_bytes) (\S+)$", text.decode(), re.M))
        found = {"hour": hour + 1, "resident": resident(self.primary), "replica": resident(self.replica),
                 "descriptors": descriptors(self.primary), "replica_descriptors": descriptors(self.replica),
                 "threads": threads(self.primary), **{k: int(float(v)) for k, v in {**kinds, **room}.items()}}
        found["account"] = sum(int(float(n)) for kind, n in kinds.items() if kind != "models")
        self.samples.append(found)
        return found

    def begin_load(self):
        names = [os.path.join(self.folder, name) for name in ("row.json", "answer.json")]
        answer = self.ask((200,), "POST", "/v1/models/fixed/predict", ROW)
        for name, text in zip(names, (ROW, answer)):
            with open(name, "w", encoding="ascii") as file:
                json.dump(text, file, separators=(",", ":"))
        return subprocess.Popen([self.openloop, str(self.primary.port), "/v1/models/fixed/predict", names[0],
                                 str(self.rate), "86400", str(CONNECTIONS), names[1], "1000"], stdout=subprocess.PIPE, text=True)

    def pass_day(self, tell=lambda sample: None):
        load = self.begin_load()
        begun = time.monotonic()
        for hour in range(HOURS):
            self.pass_hour(hour)
            rest = begun + (hour + 1) * self.hour_s - time.monotonic()
            threading.Event().wait(max(0.0, rest))
            tell(self.sample(hour))
        load.terminate()
        self.load = json.loads(load.communicate(timeout=PATIENCE)[0])
        # Other connections than those of the load may have been open when samples were taken.
        then = self.samples[SETTLED]
        self.eventually("descriptors of the primary are not given back", lambda: descriptors(
            self.primary) <= then["descriptors"] - CONNECTIONS // 2)
        self.eventually("descriptors of the replica are not given back", lambda: descriptors(
            self.replica) <= then["replica_descriptors"])
        jobs = self.ask((200,), "GET", "/v1/jobs?model=m")["jobs"]
        self.failed_jobs = [job for job in jobs if job["state"] in ("failed", "cancelled")]

    def close(self):
        """What went wrong at the end: exit codes, findings of check."""
        faults = []
        for server in (self.replica, self.primary):
            if code := server.stop():
                faults.append(f"a server ended with {code}: {server.log_text()[-3000:]}")
        found = binary("check", "--db", self.primary.db)
        return faults + ([f"check: {found.stdout}"] if found.returncode else [])


def slope(samples, key):
    """By least squares, in units an hour."""
    n = len(samples)
    hours = [s["hour"] for s in samples]
    values = [s[key] for s in samples]
    middle, mean = sum(hours) / n, sum(values) / n
    return (sum((h - middle) * (v - mean) for h, v in zip(hours, values)) /
            sum((h - middle) ** 2 for h in hours))
