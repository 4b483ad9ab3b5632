# SPDX-License-Identifier: Apache-2.0
"""What clients know of a registry that is killed again and again: what they sent, what was
acknowledged, and so what must, may and must not be there.

Everything has a name that tells whose it is. A row's first column is a number that no other row has;
an upload's is its Surrogate-Source; a document's are its parameters, drawn from a seed that nobody
else uses. Each client sends one request at a time, so at a kill at most one of its requests has an
unknown fate, until the next verification sees which.
"""

import hashlib
import itertools
import json
import struct
import threading

from harness import architecture, document, make_golden

ARCH = architecture(inputs=2, outputs=1, width=4, layers=1)
POINT = [0.25, -0.5]  # where predictions are asked for
FINAL = ("succeeded", "failed", "cancelled")


class Violation(AssertionError):
    def __init__(self, model, text):
        super().__init__(f"model {model}: {text}")
        self.model = model


# ---- rows and documents ----

def row(number):
    """[x1, x2, y] of a row; the number is one of a kind."""
    bits = number * 2654435761 % 2**32
    return [float(number), bits / 2**32, (bits % 1000) / 1000 + 1e-7 * number]


def make_document(seed):
    return document(draws=2, seed=seed, arch=ARCH)


def scaled(scalers, values, back=False):
    out = []
    for scaler, v in zip(scalers or [{"kind": "none"}] * len(values), values):
        if scaler["kind"] == "none":
            out.append(v)
        elif back:
            out.append(v * scaler["scale"] + scaler["shift"])
        elif scaler["scale"] == 0:  # a column that did not vary is not looked at
            out.append(0.0)
        else:
            out.append((v - scaler["shift"]) / scaler["scale"])
    return out


def recompute(doc, x):
    """The mean prediction of a document of draws, one scalar at a time."""
    scaling = doc.get("scaling") or {}
    inputs = scaled(scaling.get("inputs"), x)
    draws = [make_golden.evaluate(doc["architecture"], parameters, inputs)
             for parameters in doc["posterior"]["parameters"]]
    mean = [sum(values) / len(draws) for values in zip(*draws)]
    return scaled(scaling.get("outputs"), mean, back=True)


def close(a, b):
    return len(a) == len(b) and all(abs(p - q) <= 1e-9 * max(1.0, abs(q)) for p, q in zip(a, b))


# ---- the entries ----

class Upload:
    """state: new, there, gone (deleted), or absent (never arrived, or went with its model)."""

    def __init__(self, client, tag, first, n_rows, kind, key):
        self.client, self.tag, self.first, self.n_rows = client, tag, first, n_rows
        self.kind, self.key = kind, key
        self.state = "new"
        self.batch = None
        self.key_used = False  # the server knows the key: a repeat adds nothing

    def table(self):
        return [row(self.first + i) for i in range(self.n_rows)]

    def packed(self):
        return b"".join(struct.pack("<3d", *values) for values in self.table())

    def arrived(self, batch):
        self.state, self.batch, self.key_used = "there", batch, self.key is not None


class Version:
    """seed: of the registered document; None: a job made it. state: there, gone."""

    def __init__(self, client, number, seed, etag):
        self.client, self.number, self.seed, self.etag = client, number, seed, etag
        self.state = "there"
        self.read = False  # its content has been compared after a restart


class Job:
    def __init__(self, client, number, sent):
        self.client, self.number, self.sent = client, number, sent
        self.final = None      # (state, version) once somebody has seen it
        self.cancelled = None  # status of an acknowledged cancel


class Model:
    """Guarded by its ledger's lock."""

    def __init__(self, ledger, name):
        self.ledger, self.name = ledger, name
        self.exists = False
        self.uploads = {}   # by tag
        self.versions = {}  # by number
        self.jobs = {}      # by number
        self.etags = {}     # of every version number ever seen: one number, one content
        self.means = {}     # predictions at POINT by version number
        # Who set the default version: (sent, acknowledged, version, whether it surely did).
        self.defaults = []

    def wrong(self, text):
        return Violation(self.name, text)

    def owned(self, entries, client, state="there"):
        return [e for e in entries.values() if e.client == client and e.state == state]

    def remember_etag(self, number, etag):
        if self.etags.setdefault(number, etag) != etag:
            raise self.wrong(f"version {number} was {self.etags[number]} and is {etag}")

    def remember_mean(self, number, mean):
        if self.means.setdefault(number, mean) != mean:
            raise self.wrong(f"version {number} predicted {self.means[number]}, now {mean}")

    def clear(self):
        """The model was deleted. Numbers of versions are not given out again."""
        self.exists = False
        for upload in self.uploads.values():
            upload.state, upload.key_used = "absent", False
        for version in self.versions.values():
            version.state = "gone"
        self.jobs.clear()
        self.defaults.clear()

    def job_seen(self, data, now):
        """A job's row was read: an end that was seen once stays."""
        job = self.jobs[data["id"]]
        if data["state"] not in FINAL:
            if job.final is not None:
                raise self.wrong(f"job {job.number} was {job.final} and is {data['state']}")
            return
        final = (data["state"], data["version"])
        if job.final is None:
            job.final = final
            again = " at a later attempt" if data["attempts"] > 1 else ""
            why = f": {data['message']}" if data["state"] == "failed" else ""
            self.ledger.count(self.ledger.ends, data["state"] + again + why)
            if data["state"] == "succeeded" and data.get("promoted", True):
                self.defaults.append((job.sent, now, data["version"], True))
        if job.final != final:
            raise self.wrong(f"job {job.number} was {job.final} and is {final}")
        if data["state"] == "succeeded" and not data["version"]:
            raise self.wrong(f"job {job.number} succeeded without a version")
        if data["state"] == "failed" and not data["message"]:
            raise self.wrong(f"job {job.number} failed without a reason")
        if job.cancelled and data["state"] == "succeeded":
            raise self.wrong(f"job {job.number} succeeded after its cancel was acknowledged")

    def default_candidates(self, asked):
        """What the default version may be to one who looks from `asked` on: an entry that surely
        had taken effect by then, and was sent after another was acknowledged, overrules that one. A
        job that ended after the look may have promoted its version after it too."""
        firm = max((sent for sent, acked, _, sure in self.defaults if sure and acked <= asked),
                   default=-1)
        return {version for _, acked, version, _ in self.defaults if acked > firm}


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.clock = itertools.count()
        self.models = {}
        self.lines = []
        self.ends = {}  # how jobs ended: how many

    def tick(self):
        return next(self.clock)

    def model(self, name):
        return self.models.setdefault(name, Model(self, name))

    @staticmethod
    def count(counts, name, n=1):
        counts[name] = counts.get(name, 0) + n

    def note(self, text):
        self.lines.append(text)

    def tail(self, model, n=40):
        return "\n".join([line for line in self.lines if f" {model} " in line][-n:])


# ---- what the server shows, against the ledger ----

def check_batches(model, batches, deleting_all, deleting, sending):
    """batches: as listed, in order. `sending`: tags whose fate is unknown, `deleting` likewise.
    Settles those fates."""
    found = {}
    for batch in batches:
        tag = batch["source"]
        if tag in found:
            raise model.wrong(f"upload {tag} is there twice: batches {found[tag]['batch']} and "
                              f"{batch['batch']}")
        found[tag] = batch
        upload = model.uploads.get(tag)
        if upload is None:
            raise model.wrong(f"batch {batch['batch']} is of nobody: source {tag}")
        if upload.state != "there" and tag not in sending:
            raise model.wrong(f"upload {tag} is {upload.state}, but there as batch {batch['batch']}")
        if upload.state == "there" and upload.batch != batch["batch"]:
            raise model.wrong(f"upload {tag} was batch {upload.batch}, is batch {batch['batch']}")
        digest = hashlib.sha256(upload.packed()).hexdigest()
        if (batch["rows"], batch["digest"]) != (upload.n_rows, digest):
            raise model.wrong(f"upload {tag} of {upload.n_rows} rows is there as {batch}")
    there = [u for u in model.uploads.values() if u.state == "there"]
    missing = [u.tag for u in there if u.tag not in found]
    if deleting_all and missing and len(missing) != len(there):
        raise model.wrong(f"a deletion of all rows was done by half: {missing} are gone")
    if missing and not deleting_all and set(missing) - deleting:
        raise model.wrong(f"acknowledged uploads are lost: {missing}")
    for tag in missing:
        model.uploads[tag].state = "gone"
    for tag in sending:
        upload = model.uploads[tag]
        if tag in found:
            upload.arrived(found[tag]["batch"])
        elif upload.state == "new":
            upload.state = "absent"
    return [model.uploads[batch["source"]] for batch in batches]


def check_jobs(model, rows, training, now):
    """`training`: clients that may have queued a job without knowing. They get what nobody else
    has; when it was sent does not matter, which -1 says."""
    listed = {data["id"] for data in rows}
    lost = set(model.jobs) - listed
    if lost:
        raise model.wrong(f"acknowledged jobs are lost: {sorted(lost)}")
    unknown = sorted(listed - set(model.jobs))
    if len(unknown) > len(training):
        raise model.wrong(f"jobs {unknown} are there, but only {len(training)} were under way")
    for number, client in zip(unknown, training):
        model.jobs[number] = Job(client, number, -1)
    for data in rows:
        model.job_seen(data, now)


def check_versions(model, versions, before, after, deleting, registering, read):
    """`before` and `after`: the model's jobs as listed before and after its versions; `deleting`:
    version numbers, `registering`: (client, seed) whose fate is unknown; read(number) exports a
    version. Every version must have been registered or be that of a job that succeeded. Gives back
    the numbers of those whose registration was not known to have been done."""
    made = {data["version"]: model.jobs[data["id"]].client for data in after
            if data["state"] == "succeeded"}
    listed = {}
    arrived = set()
    for data in versions:
        number = data["version"]
        if "damaged" in data:
            raise model.wrong(f"version {number} is damaged: {data['damaged']}")
        listed[number] = data
        model.remember_etag(number, data["etag"])
        known = model.versions.get(number)
        if known is not None:
            if known.state == "gone":
                raise model.wrong(f"version {number} was deleted and is there")
            if known.etag not in (None, data["etag"]):
                raise model.wrong(f"version {number} has another content")
            known.etag = data["etag"]
        elif number in made:
            model.versions[number] = Version(made[number], number, None, data["etag"])
        else:
            parameters = read(number)["posterior"]["parameters"]
            who = [(client, seed) for client, seed in registering
                   if make_document(seed)["posterior"]["parameters"] == parameters]
            if not who:
                raise model.wrong(f"version {number} is of nobody")
            client, seed = who[0]
            model.versions[number] = Version(client, number, seed, data["etag"])
            arrived.add(number)
    wanted = {data["version"] for data in before if data["state"] == "succeeded"}
    wanted |= {v.number for v in model.versions.values() if v.state == "there"}
    wanted -= {v.number for v in model.versions.values() if v.state == "gone"}
    lost = wanted - set(listed)
    if lost - deleting:
        raise model.wrong(f"versions are lost: {sorted(lost - deleting)}")
    for number in lost:
        model.versions[number].state = "gone"
    return arrived


def parse_rows(kind, body):
    """Rows of an export [x1, x2, y]."""
    if kind == "json":
        data = json.loads(body)
        return [x + y for x, y in zip(data["inputs"], data["outputs"])]
    if kind == "csv":
        return [list(map(float, line.split(","))) for line in body.decode().split("\r\n")[1:-1]]
    (size,) = struct.unpack("<H", body[8:10])
    return [list(values) for values in struct.iter_unpack("<3d", body[10 + size:])]
