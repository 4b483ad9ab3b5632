# SPDX-License-Identifier: Apache-2.0
"""A server under attack while good clients use it.

The good clients are `openloop`, which predicts at a fixed rate and compares each answer with the one
that was given in peace, and a witness, which uploads rows, reads versions and evaluates, a request at a
time. Meanwhile the operator's signals come, and the registry file is away for a moment. Afterwards
everything that was acknowledged must be there, and everything that was taken must be given back.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time

from engine import Engine
from harness import BINARY, PATIENCE, architecture, binary, document, make_golden, rows
from kinds import all_kinds

HEAPS_BYTES = 1e6  # beyond the tenth, which is not much of so small a server
TRIM_S = 11  # in which a server gives back what requests have left free
BESIDE_BYTES = 100e6  # deploy/README.md: what stacks, libraries and SQLite need beside the budget
SANITIZED = b"__asan_init" in open(BINARY, "rb").read() or b"__tsan_init" in open(BINARY, "rb").read()
ROW = json.dumps({"inputs": [[0.1, 0.2, 0.3]]})


def gaussian_of(draws, members=1, width=16, seed=1, **changes):
    """A few kilobytes that stand for many draws."""
    arch = architecture(inputs=1, outputs=1, width=width, **{"layers": 3, **changes})
    mean = [0] * min(make_golden.count(arch), 100000)
    member = {"mean": mean, "first": 0, "std": [1] * len(mean)}
    return {"architecture": arch, "posterior": {"kind": "gaussian", "draws": draws, "seed": seed,
                                                "predictive": "sampled", "members": [member] * members}}


class World:
    """What the attacks find: models, rows, a job that lasts."""

    def __init__(self, server, max_connections, hold_s, bomb_values):
        self.server = server
        self.port = server.port
        self.folder = server.folder
        self.max_connections = max_connections
        self.hold_s = hold_s  # for which lazy clients hold what they have
        self.patience = PATIENCE
        self.n_versions = 6
        many = [b"{}", b"[]", b'"a"', b"0.5", b"1", b"[[[[]]]]"]
        self.bombs = [b'{"return":[' + b",".join([value] * bomb_values) + b"]}" for value in many]
        self.giants = [json.dumps(d).encode() for d in (
            gaussian_of(99999), gaussian_of(1000, members=100), gaussian_of(200, width=64, layers=1023),
            gaussian_of(100000, width=32))]
        self.many_rows = json.dumps({"inputs": [[0.1, 0.2, 0.3]] * (bomb_values // 5)}).encode()
        self.too_much = json.dumps({"inputs": [[0.5]] * 8000, "covariance": "rows"}).encode()

    @staticmethod
    def large(seed):
        return json.dumps(gaussian_of(3000, seed=seed)).encode()

    def make(self):
        put = self.server.request
        made = [put("PUT", "/v1/models/good", document(arch=architecture(outputs=1))),
                put("PUT", "/v1/models/prey", document(arch=architecture(outputs=1))),
                put("POST", "/v1/models/prey/data", rows(2000, d=3)),
                put("PUT", "/v1/models/many", gaussian_of(200, width=4)),
                put("POST", "/v1/models/kept/data", rows(5, d=3)),
                put("POST", "/v1/models/noise/data", rows(5, d=3)),
                put("POST", "/v1/models/jobs/data", rows(20, d=3)),
                put("POST", "/v1/tokens", {"role": "predict", "id": "witness"})]
        made += [put("PUT", "/v1/models/versions", document(seed=k + 1)) for k in range(self.n_versions)]
        for status, _, answer in made:
            assert status == 201, answer
        # One row at a time, so that it takes few cycles of others while it lasts.
        status, _, job = put("POST", "/v1/models/prey/train", {
            "solver": "ensemble", "gate": None, "settings": {"members": 1, "epochs": 1000000, "batch_size": 1},
            "architecture": {"width": 2, "layers": 1}})
        assert status == 202, job
        self.patient = job["id"]
        self.server.wait_job(self.patient, "running")

    def prey(self):
        """What must be the same afterwards."""
        return [self.server.request("GET", path)[2] for path in (
            "/v1/models/prey", "/v1/models/prey/data", "/v1/models/good", "/v1/models/good/versions/1")]

    def usual(self):
        """Forty clients at once, so that whatever the server keeps for the next requests is there
        both before and after."""
        body = json.dumps({"inputs": [[0.1, 0.2, 0.3]] * 1000}).encode()
        for _ in range(3):
            threads = [threading.Thread(target=self.server.request, args=("POST", "/v1/models/good/predict", body))
                       for _ in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def tidy(self):
        """Deletes what the attacks have left, with many requests that say what they did."""
        self.server.request("DELETE", "/v1/jobs?model=jobs&state=queued")
        for model in self.server.request("GET", "/v1/models")[2]["models"]:
            if re.fullmatch(r"big\d|churn\d+|large", model["name"]):
                self.server.request("DELETE", f"/v1/models/{model['name']}")


class Watch(threading.Thread):
    """Looks at the server's memory all the time."""

    def __init__(self, server, budget):
        super().__init__(daemon=True)
        self.server = server
        self.budget = budget
        self.done = threading.Event()
        self.highest = {"account": 0, "resident": 0}
        self.faults = []

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def highest_resident(self):
        """Since the start, as the kernel has seen it."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return 1024 * int(re.search(r"VmHWM:\s*(\d+)", file.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def kinds(self):
        """The server's own account: bytes by kind."""
        _, _, text = self.server.request("GET", "/metrics")
        found = re.findall(r'^surrogated_memory_bytes\{kind="(\w+)"\} (\S+)$', text.decode(), re.M)
        return {kind: float(n) for kind, n in found}

    def account(self):
        return sum(self.kinds().values())

    def account_without_models(self):
        """Models stay in memory, up to models_mb, until others need the room."""
        return sum(n for kind, n in self.kinds().items() if kind != "models")

    def processor_seconds(self):
        """By the names of the server's threads."""
        seconds = {}
        folder = f"/proc/{self.server.process.pid}/task"
        for task in os.listdir(folder):
            with open(f"{folder}/{task}/stat", encoding="ascii") as file:
                name, rest = re.match(r"\d+ \((.*)\) (.*)", file.read()).groups()
            ticks = sum(int(n) for n in rest.split()[11:13])
            seconds[name] = seconds.get(name, 0) + ticks / os.sysconf("SC_CLK_TCK")
        return seconds

    def run(self):
        while not self.done.wait(0.2):
            try:
                self.note("account", self.account(), self.budget)
            except (OSError, ValueError):
                pass  # an idle connection that made room for others

    def note(self, what, value, limit):
        self.highest[what] = max(self.highest[what], value)
        if value > limit:
            self.faults.append(f"{what}: {value / 1e6:.0f} MB, above {limit / 1e6:.0f}")

    def end(self):
        self.done.set()
        self.join()
        self.note("resident", self.highest_resident(), self.budget + BESIDE_BYTES if not SANITIZED else 1e18)


class Witness(threading.Thread):
    """A client that does everything right and writes down what it was told."""

    def __init__(self, server, pause_s):
        super().__init__(daemon=True)
        self.server = server
        self.pause_s = pause_s
        self.done = threading.Event()
        self.file_away = threading.Event()
        self.acknowledged = []
        self.again = 0
        self.requests = 0
        self.faults = []

    def ask(self, statuses, method, path, body=None, headers=None):
        """One that is asked again when its connection made room for others: that is a stated limit."""
        self.requests += 1
        for _ in range(20):
            away = self.file_away.is_set()
            try:
                status, _, answer = self.server.request(method, path, body, headers)
            except (ConnectionError, EOFError, OSError):
                self.again += 1
                continue
            if status in statuses:
                return answer
            if status == 503 and (away or self.file_away.is_set()):
                return None
            self.faults.append(f"witness: {method} {path} was answered {status}: {answer!r:.300}")
            return None
        self.faults.append(f"witness: {method} {path} was given up 20 times")
        return None

    def run(self):
        for number in itertools.count(1):
            if self.done.wait(self.pause_s):
                return
            row = {"inputs": [[number, 0.25, 0.5]], "outputs": [[number / 7]]}
            found = self.ask((200, 201), "POST", "/v1/models/kept/data", row,
                             {"Idempotency-Key": f"witness-{number}"})
            if found:
                self.acknowledged.append(number)
            self.ask((200,), "GET", "/v1/models/good/versions/1")
            self.ask((200,), "POST", "/v1/models/good/evaluate", {"inputs": [[0.1, 0.2, 0.3]], "outputs": [[0.5]]})
            self.ask((200,), "GET", "/healthz")

    def end(self):
        self.done.set()
        self.join()

    def lost(self):
        """Acknowledged rows that are not there."""
        _, _, table = self.server.request("GET", "/v1/models/kept/data/rows?format=json")
        there = {row[0]: value[0] for row, value in zip(table["inputs"], table["outputs"])}
        return [n for n in self.acknowledged if there.get(n) != n / 7]


class Operator(threading.Thread):
    """Signals, and a registry file that is away for a moment."""

    def __init__(self, server, witness, pause_s):
        super().__init__(daemon=True)
        self.server = server
        self.witness = witness
        self.pause_s = pause_s
        self.done = threading.Event()

    def run(self):
        path = self.server.db
        while not self.done.wait(self.pause_s):
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                self.server.process.send_signal(number)
                time.sleep(0.1)  # signals of a kind that come together are one
            self.witness.file_away.set()
            os.rename(path, path + ".away")
            self.done.wait(min(self.pause_s, 1.5))
            os.rename(path + ".away", path)
            time.sleep(2.5)  # the server looks once a second: it may only now see that the file was away
            while self.server.request("GET", "/readyz")[0] != 200:
                time.sleep(0.05)
            self.witness.file_away.clear()

    def end(self):
        self.done.set()
        self.join()


def good_load(server, openloop, expected, rate):
    """Predictions at a fixed rate until SIGTERM; each tenth on a connection of its own."""
    body = os.path.join(server.folder, "row.json")
    answer = os.path.join(server.folder, "answer.json")
    with open(body, "w", encoding="ascii") as file:
        file.write(ROW)
    with open(answer, "wb") as file:
        file.write(expected)
    return subprocess.Popen([openloop, str(server.port), "/v1/models/good/predict", body, str(rate), "3600", "16",
                             answer, "10"], stdout=subprocess.PIPE, text=True)


def settles(watch, key, value, limit, seconds):
    """Waits until it is within its limit again; what it is at last."""
    end = time.monotonic() + seconds
    while (now := value()) > limit and time.monotonic() < end:
        time.sleep(0.2)
    if now > limit:
        watch.faults.append(f"{key}: {now:.0f} is left, {limit:.0f} would be allowed")
    return now


@contextlib.contextmanager
def behind_others():
    """The attackers are other machines, so what they take of this one's processors comes last."""
    thread, usual = threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, thread, max(usual, 15))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # only root goes back
            os.setpriority(os.PRIO_PROCESS, thread, usual)


class Siege:
    """requests: hostile ones; rate: of hostile and of good ones a second (0: as fast as they go)."""

    WARM_SHARE = 4  # so many-th of the attacks come before memory is looked at

    def __init__(self, server, openloop, requests, rates, seed):
        self.server = server
        self.openloop = openloop
        self.requests = requests
        self.hostile_rate, self.good_rate = rates
        self.seed = seed
        self.report = {"seed": seed}
        self.words = []  # of names of kinds; none: all kinds
        self.between = None  # called with the server, between the warm-up and the attack

    def run(self, world, budget):
        """A list of faults, empty if there are none. `report` has the figures."""
        world.make()
        self.world = world
        watch = Watch(self.server, budget)
        fresh = watch.resident()
        # The first attacks are a warm-up: memory is compared with what it is after them.
        faults = self.attack(watch, self.requests // self.WARM_SHARE, f"{self.seed} first", good=False)
        world.tidy()
        world.usual()
        time.sleep(TRIM_S)
        before = (watch.resident(), watch.account_without_models(), watch.descriptors())
        self.report["account_before"] = watch.kinds()
        prey = world.prey()
        if self.between:
            self.report["peace"] = self.between(self.server)
        watch.start()
        faults += self.attack(watch, self.requests, self.seed, good=True)
        world.tidy()
        world.usual()
        after = self.give_back(watch, before)
        watch.end()
        if world.prey() != prey:
            faults.append("models that no good client has touched are not what they were")
        self.report.update(
            memory_fresh_mb=fresh / 1e6, memory_before_mb=before[0] / 1e6, memory_after_mb=after[0] / 1e6,
            memory_highest_mb=watch.highest["resident"] / 1e6, account_highest_mb=watch.highest["account"] / 1e6,
            budget_mb=budget / 1e6, descriptors=[before[2], after[2]])
        return faults + watch.faults[:5]

    def give_back(self, watch, before):
        account = settles(watch, "bytes in the account", watch.account_without_models, 1.1 * before[1] + 1e6, 30)
        self.report["account_after"] = watch.kinds()
        # Heaps are trimmed some seconds after the last requests. What then stays is 0.5 to 1.5 MB more in
        # `[heap]` and the arenas of threads; all other mappings are as large as before.
        end = time.monotonic() + 2 * TRIM_S
        while watch.resident() > 1.1 * before[0] and time.monotonic() < end and not SANITIZED:
            time.sleep(0.2)
        limit = 1.1 * before[0] + HEAPS_BYTES if not SANITIZED else 1e18
        resident = settles(watch, "resident bytes", watch.resident, limit, PATIENCE)
        descriptors = settles(watch, "open descriptors", watch.descriptors, before[2], PATIENCE)
        return resident, account, descriptors

    def attack(self, watch, requests, seed, good):
        server = self.server
        expected = server.request("POST", "/v1/models/good/predict", ROW)[2]
        kinds = [k for k in all_kinds() if not self.words or any(w in k.name for w in self.words)]
        engine = Engine(self.world, kinds, seed)
        if not good:
            engine.play(requests)
            return engine.faults
        witness = Witness(server, 0.1)
        operator = Operator(server, witness, 5 if self.requests > 5000 else 2)
        load = good_load(server, self.openloop, json.dumps(expected, separators=(",", ":")).encode(), self.good_rate)
        started, used = time.monotonic(), watch.processor_seconds()
        for thread in (witness, operator):
            thread.start()
        with behind_others():
            engine.play(requests, self.hostile_rate)
        self.report["seconds"] = time.monotonic() - started
        self.report["processor_s"] = {name: round(now - used.get(name, 0), 1)
                                      for name, now in watch.processor_seconds().items()}
        for thread in (operator, witness):
            thread.end()
        load.terminate()
        found = json.loads(load.communicate(timeout=PATIENCE)[0])
        self.report.update(hostile=engine.n_requests(), good=found, witness=witness.requests,
                           witness_again=witness.again, kinds={k: vars(o) for k, o in engine.outcomes.items()})
        return engine.faults + witness.faults[:5] + self.judge_good(found, witness)

    def judge_good(self, found, witness):
        faults = []
        if found["answered"] != found["requests"] or found["2xx"] != found["requests"] or found["wrong"]:
            faults.append(f"good predictions were lost, refused or wrong: {found}")
        if lost := witness.lost():
            faults.append(f"rows that were acknowledged are gone: {lost[:10]}")
        return faults

    def stop(self):
        """The server ends in order, and its file is whole."""
        code = self.server.stop()
        checked = binary("check", "--db", self.server.db)
        faults = [] if code == 0 else [f"the server ended with {code}: {self.server.log_text()[-3000:]}"]
        return faults + ([] if checked.returncode == 0 else [f"check: {checked.stdout}{checked.stderr}"])
