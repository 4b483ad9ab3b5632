# SPDX-License-Identifier: Apache-2.0
"""Clients of a server that dies: each sends one request after the other, chosen at random, writes
down what it intends before it sends and what was acknowledged after the answer, and stops when the
connection breaks. The request that was under way then is in `lost`."""

import http.client
import json
import random
import time

from crash_ledger import (FINAL, POINT, Job, Upload, Version, Violation, close, make_document,
                          recompute)
from harness import PATIENCE, npy

# What is done how often, in a model of the client's own and in one that all share.
OWN = {"upload": 30, "repeat_upload": 6, "register": 14, "register_again": 4, "predict": 16,
       "train": 6, "look": 8, "cancel": 3, "promote": 8, "delete_batch": 5, "delete_version": 6,
       "delete_rows": 1, "delete_model": 3}
SHARED = {name: weight for name, weight in OWN.items()
          if name not in ("delete_rows", "delete_model")}
MAX_UPLOADS, MAX_VERSIONS, MAX_JOBS = 12, 6, 2  # of a client in a model; then it deletes first

# Short ones end between two kills; the others are there to be killed.
TRAININGS = [
    {"solver": "ensemble", "settings": {"members": 2, "epochs": 3}},
    {"solver": "ensemble", "settings": {"members": 2, "epochs": 60}},
    {"solver": "hmc", "settings": {"chains": 2, "warmup": 20, "draws": 5, "leapfrog_steps": 4},
     "noise": {"kind": "given", "sigma": 0.1}},
    {"solver": "nuts", "settings": {"chains": 2, "warmup": 60, "draws": 10, "max_depth": 5},
     "noise": {"kind": "given", "sigma": 0.1}},
]


class Lost(Exception):
    """No answer came."""


class Intent:
    """A request that is under way: what it would do to which model."""

    def __init__(self, kind, model, sent, client, upload=None, seed=None, number=None,
                 promote=None):
        self.kind, self.model, self.sent, self.client = kind, model, sent, client
        self.upload, self.seed, self.number, self.promote = upload, seed, number, promote


class Client:
    def __init__(self, number, ledger, dying, seed):
        self.number, self.ledger, self.dying = number, ledger, dying
        self.rng = random.Random(f"{seed}/client/{number}")
        self.own = ledger.model(f"own{number}")
        self.shared = [ledger.model("shared0"), ledger.model("shared1")]
        self.serial = 0
        self.lost = None     # Intent without an answer
        self.pending = None  # the lost one of the run before, to be sent again
        self.failure = None
        self.counts = {}     # acknowledged, by kind

    # ---- one request ----

    def send(self, kind, model, method, path, body=None, headers=None, allowed=(200,), **what):
        """(status, headers, data) of an answer in `allowed`; None when the server was not ready,
        which means that nothing was done."""
        ledger = self.ledger
        intent = Intent(kind, model, ledger.tick(), self.number, **what)
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        label = f"client {self.number} {model.name} {kind} {what.get('number', what.get('seed', ''))}"
        if "upload" in what:
            label += what["upload"].tag + (" with its key" if what["upload"].key else "")
        ledger.note(f"{intent.sent:7} sends  {label}")
        self.lost = intent
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            ledger.note(f"{ledger.tick():7} lost   {label}")
            if not self.dying.is_set():
                raise Violation(model.name, f"no answer from a living server: {problem!r}") from None
            raise Lost from None
        if "json" in (answer.getheader("Content-Type") or ""):
            data = json.loads(data)
        self.lost = None
        ledger.note(f"{ledger.tick():7} {answer.status}    {label} {str(data)[:100]}")
        if answer.status == 503:
            time.sleep(0.002)
            return None
        if answer.status not in allowed:
            raise Violation(model.name, f"{method} {path}: {answer.status} {data}")
        if answer.status < 400:
            ledger.count(self.counts, kind)
        self.sent = intent.sent
        return answer.status, answer.headers, data

    def run(self, port):
        """Until the server is gone."""
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.pending, self.lost = self.lost, None
        try:
            if self.pending is not None and self.rng.random() < 0.8:
                self.send_again(self.pending)
            while True:
                self.step()
        except Lost:
            pass
        except Exception as problem:  # told by the main thread
            self.failure = problem
        finally:
            self.connection.close()

    def step(self):
        if self.rng.random() < 0.6:
            model, weights = self.own, OWN
        else:
            model, weights = self.rng.choice(self.shared), SHARED
        kind = self.rng.choices(list(weights), list(weights.values()))[0]
        with self.ledger.lock:
            n_uploads = len(model.owned(model.uploads, self.number))
            n_versions = len(model.owned(model.versions, self.number))
        if kind == "upload" and n_uploads >= MAX_UPLOADS:
            kind = "delete_batch"
        if kind == "register" and n_versions >= MAX_VERSIONS:
            kind = "delete_version"
        getattr(self, kind)(model)

    def send_again(self, lost):
        """Sends the lost request again, as a client does that cannot know what became of it. The ledger has
        found out meanwhile whether it arrived, and the server's answer must agree."""
        if lost.kind == "upload" and (lost.upload.key or lost.upload.state == "absent"):
            self.post_upload(lost.model, lost.upload)
        elif lost.kind == "register":
            self.put_document(lost.model, lost.seed, True)

    def pick(self, model, entries, state="there"):
        with self.ledger.lock:
            mine = model.owned(entries, self.number, state)
        return self.rng.choice(mine) if mine else None

    # ---- rows ----

    def upload(self, model):
        self.serial += 1
        rng = self.rng
        n_rows = rng.choice([1, 3, 12, 40])
        tag = f"{self.number}/{self.serial}"
        key = f"key {tag}" if rng.random() < 0.8 else None
        first = 10**8 * self.number + 100 * self.serial
        upload = Upload(self.number, tag, first, n_rows, rng.choice(["json", "csv", "npy"]), key)
        with self.ledger.lock:
            model.uploads[tag] = upload
        self.post_upload(model, upload)

    def repeat_upload(self, model):
        """Also one whose rows were deleted: they must not come back."""
        upload = self.pick(model, model.uploads, self.rng.choice(["there", "there", "gone"]))
        if upload is not None and upload.key is not None:
            self.post_upload(model, upload)

    def post_upload(self, model, upload):
        path = f"/v1/models/{model.name}/data?outputs=1"
        headers = {"Surrogate-Source": upload.tag, "Content-Type": "application/x-npy"}
        if upload.key is not None:
            headers["Idempotency-Key"] = f'"{upload.key}"'
        table = upload.table()
        if upload.kind == "json":
            path = path.split("?")[0]
            headers["Content-Type"] = "application/json"
            body = {"inputs": [r[:2] for r in table], "outputs": [r[2:] for r in table]}
        elif upload.kind == "csv":
            headers["Content-Type"] = "text/csv"
            body = "\n".join(",".join(map(repr, r)) for r in table).encode()
        else:
            body = npy(table)
        repeated = upload.key_used
        kind = "repeat" if repeated else "upload"
        answer = self.send(kind, model, "POST", path, body, headers, (201,), upload=upload)
        if answer is None:
            return
        data = answer[2]
        if data.get("repeated", False) != repeated or data["rows"] != upload.n_rows:
            raise model.wrong(f"upload {upload.tag}, with its key {'' if repeated else 'not '}used, "
                              f"was answered {data}")
        if repeated and data["batch"] != upload.batch:
            raise model.wrong(f"upload {upload.tag} was batch {upload.batch}, now {data['batch']}")
        if not repeated and data["duplicates"]["count"] > 0:
            raise model.wrong(f"rows of {upload.tag} are taken for duplicates: {data}")
        with self.ledger.lock:
            model.exists = True
            if not repeated:
                upload.arrived(data["batch"])

    def delete_batch(self, model):
        upload = self.pick(model, model.uploads)
        if upload is None:
            return
        answer = self.send("delete_batch", model, "DELETE",
                           f"/v1/models/{model.name}/data/batches/{upload.batch}", upload=upload)
        if answer is not None:
            if answer[2]["deleted_rows"] != upload.n_rows:
                raise model.wrong(f"upload {upload.tag} had {upload.n_rows} rows, {answer[2]}")
            upload.state = "gone"

    def delete_rows(self, model):
        uploads = model.owned(model.uploads, self.number)
        if not uploads:
            return
        answer = self.send("delete_rows", model, "DELETE", f"/v1/models/{model.name}/data")
        if answer is not None:
            if answer[2]["deleted_rows"] != sum(upload.n_rows for upload in uploads):
                raise model.wrong(f"not all rows were there to be deleted: {answer[2]}")
            for upload in uploads:
                upload.state = "gone"

    # ---- versions ----

    def register(self, model):
        self.serial += 1
        self.put_document(model, 10**6 * (self.number + 1) + self.serial, self.rng.random() < 0.6)

    def register_again(self, model):
        """The same bytes: the version that is there, or a new one when it was deleted."""
        version = self.pick(model, model.versions, self.rng.choice(["there", "there", "gone"]))
        if version is not None and version.seed is not None:
            self.put_document(model, version.seed, self.rng.random() < 0.6)

    def put_document(self, model, seed, promote):
        doc = make_document(seed)
        answer = self.send("register", model, "PUT", f"/v1/models/{model.name}?promote="
                           + ("true" if promote else "false"), doc, None, (200, 201), seed=seed,
                           promote=promote)
        if answer is None:
            return
        status, head, data = answer
        number, etag = data["version"], data["etag"]
        with self.ledger.lock:
            model.exists = True
            if head["ETag"] != f'"{etag}"':
                raise model.wrong(f"ETag {head['ETag']} and etag {etag}")
            before = [v.number for v in model.versions.values()
                      if v.seed == seed and v.state == "there"]
            if before != ([] if status == 201 else [number]):
                raise model.wrong(f"document {seed} was there as {before}, the answer is {data}")
            model.remember_etag(number, etag)
            if status == 201:
                model.versions[number] = Version(self.number, number, seed, etag)
            model.defaults.append((self.sent, self.ledger.tick(), number, promote))

    def promote(self, model):
        version = self.pick(model, model.versions)
        if version is None:
            return
        answer = self.send("promote", model, "PUT", f"/v1/models/{model.name}/default",
                           {"version": version.number}, number=version.number)
        if answer is not None:
            with self.ledger.lock:
                model.defaults.append((self.sent, self.ledger.tick(), version.number, True))

    def delete_version(self, model):
        """A default version is refused while there are others."""
        version = self.pick(model, model.versions)
        if version is None:
            return
        answer = self.send("delete_version", model, "DELETE",
                           f"/v1/models/{model.name}/versions/{version.number}", None, None,
                           (204, 409), number=version.number)
        if answer is not None and answer[0] == 204:
            version.state = "gone"

    def delete_model(self, model):
        if not model.exists:
            return
        answer = self.send("delete_model", model, "DELETE", f"/v1/models/{model.name}", None, None,
                           (204, 409))
        if answer is None:
            return
        with self.ledger.lock:
            if answer[0] == 204:
                model.clear()
            elif all(job.final for job in model.jobs.values()):
                raise model.wrong(f"not deleted though no job needs it: {answer[2]}")

    def predict(self, model):
        answer = self.send("predict", model, "POST", f"/v1/models/{model.name}/predict",
                           {"inputs": [POINT]}, None, (200, 404))
        if answer is None:
            return
        data = answer[2]
        if answer[0] == 404:
            if model is self.own and model.owned(model.versions, self.number):
                raise model.wrong(f"a model with versions does not predict: {data}")
            return
        with self.ledger.lock:
            model.remember_mean(data["version"], data["mean"][0])
            version = model.versions.get(data["version"])
        if version is not None and version.seed is not None and not close(
                data["mean"][0], recompute(make_document(version.seed), POINT)):
            raise model.wrong(f"version {version.number} predicts {data['mean'][0]}")

    # ---- jobs ----

    def train(self, model):
        with self.ledger.lock:
            n_rows = sum(u.n_rows for u in model.owned(model.uploads, self.number))
            active = [j for j in model.jobs.values()
                      if j.client == self.number and j.final is None]
        if n_rows < 10 or len(active) >= MAX_JOBS:
            return
        self.serial += 1
        body = {**self.rng.choice(TRAININGS), "seed": 10**6 * (self.number + 1) + self.serial,
                "architecture": {"width": 4, "layers": 1}}
        answer = self.send("train", model, "POST", f"/v1/models/{model.name}/train", body, None,
                           (202,), seed=body["seed"])
        if answer is not None:
            with self.ledger.lock:
                number = answer[2]["id"]
                model.jobs[number] = Job(self.number, number, self.sent)

    def pick_job(self, model):
        with self.ledger.lock:
            mine = [j for j in model.jobs.values() if j.client == self.number]
            active = [j for j in mine if j.final is None]
        return self.rng.choice(active or mine) if mine else None

    def look(self, model):
        job = self.pick_job(model)
        if job is None:
            return
        answer = self.send("look", model, "GET", f"/v1/jobs/{job.number}", number=job.number)
        if answer is not None:
            data = answer[2]
            with self.ledger.lock:
                model.job_seen(data, self.ledger.tick())
                if data["state"] == "succeeded" and data["version"] not in model.versions:
                    model.versions[data["version"]] = Version(self.number, data["version"], None,
                                                              None)

    def cancel(self, model):
        job = self.pick_job(model)
        if job is None:
            return
        answer = self.send("cancel", model, "DELETE", f"/v1/jobs/{job.number}", None, None,
                           (200, 202, 409), number=job.number)
        if answer is None:
            return
        with self.ledger.lock:
            if answer[0] == 409:
                if job.cancelled is None and answer[2].get("detail", "") == "":
                    raise model.wrong(f"a cancel was refused without a reason: {answer[2]}")
                return
            job.cancelled = answer[0]
            if answer[2]["state"] in FINAL:
                model.job_seen(answer[2], self.ledger.tick())
