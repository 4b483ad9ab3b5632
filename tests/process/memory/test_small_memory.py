# SPDX-License-Identifier: Apache-2.0
"""A server with half a gigabyte, or one of address space, meets every request that asks for more than
there is. After each it answers, and its memory is what it was before."""

import json
import os
import re
import resource
import socket
import struct
import threading
import time
import unittest

import harness
from confined import SANITIZED, Cgroup, Confined
from harness import PATIENCE, ServerTest, architecture, document, make_golden, npy, rows

NPY = {"Content-Type": "application/x-npy"}
TENTH = 1.1
SOLVERS = os.path.join(harness.HERE, "..", "..", "core", "solve")


def gaussian_of(draws, members=1, width=16, layers=3, mean=None):
    """A few kilobytes that stand for many draws."""
    arch = architecture(inputs=1, outputs=1, width=width, layers=layers)
    count = make_golden.count(arch)
    member = {"mean": mean, "first": 0, "std": [1]}
    if mean is None:
        member.update(mean=[0] * count, std=[1] * count)
    return {"architecture": arch, "posterior": {"kind": "gaussian", "draws": draws, "seed": 1,
                                                "predictive": "sampled",
                                                "members": [member] * members}}


def largest_settings():
    """{solver: {setting: largest}} of the settings that decide how much there is to be held."""
    text = open(os.path.join(SOLVERS, "solver_settings.def")).read()
    names = re.findall(r'^SOLVER\((\w+), "(\w+)"', open(os.path.join(SOLVERS, "solver.def")).read(), re.M)
    groups = dict(re.findall(r"#define (SOLVER_\w+)\s+((?:.*\\\n)*.*)", text))

    def takes(expression, code):
        for name, meaning in groups.items():
            expression = re.sub(rf"\b{name}\b", f"({' '.join(meaning.split())})", expression)
        expression = expression.replace("\\", " ")
        for name, meaning in groups.items():
            expression = re.sub(rf"\b{name}\b", f"({' '.join(meaning.split())})", expression)
        expression = re.sub(r"SOLVER_BIT\((\w+)\)", lambda m: str(int(m.group(1) == code)),
                            expression.replace("\\", " "))
        return eval(expression) & 1  # of 0, 1 and the operators of C that Python has too

    out = {name: {} for _, name in names}
    for field, high, solvers in re.findall(r"^SETTING_INT\((\w+), \d+, (\d+), \d+, (.*)\)$", text, re.M):
        for code, name in names:
            if field in ("members", "draws", "chains", "swag_rank") and takes(solvers, code):
                out[name][field] = int(high)
    return out


class Attacks:
    """Mixed into a class for each way of having little memory."""

    flags = ("--http_threads", "4", "--train_threads", "2", "--predict_threads", "2", "--min_rate", "0")

    def setUp(self):
        before = harness.Server
        harness.Server = self.confined
        self.addCleanup(setattr, harness, "Server", before)
        super().setUp()
        self.ok(201, "PUT", "/v1/models/good", document(arch=architecture(outputs=1)))
        self.ok(201, "PUT", "/v1/models/many", gaussian_of(1000, width=4))
        self.ok(201, "POST", "/v1/models/good/data", rows(20, d=3))
        self.warm_up()
        self.budget = self.metric("memory_budget_bytes")
        self.before = self.settled_resident()
        self.kinds = self.memory_by_kind()

    # ---- what is measured ----

    def metrics(self):
        return self.ok(200, "GET", "/metrics")[1].decode()

    def metric(self, name):
        return float(re.search(rf"^surrogated_{re.escape(name)} (\S+)$", self.metrics(), re.M).group(1))

    def memory_by_kind(self):
        return {kind: float(value) for kind, value in
                re.findall(r'surrogated_memory_bytes\{kind="(\w+)"\} (\S+)', self.metrics())}

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def settled_resident(self):
        """What stays when nothing has happened for two seconds: the server gives back each second."""
        time.sleep(0 if SANITIZED else 2.5)
        return self.resident()

    def settles(self, what, good, seconds=PATIENCE):
        end = time.time() + seconds
        while not good(value := what()):
            self.assertLess(time.time(), end, f"it stays {value}")
            time.sleep(0.1)

    # ---- good requests ----

    def predicts(self):
        self.ok(200, "POST", "/v1/models/good/predict", {"inputs": [[0.1, 0.2, 0.3]]})

    def warm_up(self):
        """One of each kind that a good client sends, and a bad one."""
        table = [[0.1, 0.2, 0.3]] * 30000
        for _ in range(2):
            self.predicts()
            self.together([lambda: self.ok(200, "POST", "/v1/models/good/predict", {"inputs": table})] * 4)
            self.ok(200, "POST", "/v1/models/many/predict?samples=1000", npy([[0.5]] * 2000), NPY)
            large = self.ok(201, "POST", "/v1/models/good/data?outputs=1",
                            npy([[0.1, 0.2, 0.3, 0.4]] * 30000), NPY)[1]["batch"]
            self.ok(200, "GET", "/v1/models/good/data/rows")
            self.ok(200, "POST", "/v1/models/good/evaluate", rows(3000, d=3))
            self.ok(200, "GET", "/v1/models/good/versions/1/export")
            self.ok(400, "POST", "/v1/models/good/predict", b'{"inputs":[[1,2,3]],"return":[' +
                    b'"a",' * 30000 + b'"a"]}')
            self.ok(200, "DELETE", f"/v1/models/good/data/batches/{large}")
            self.ok(201, "POST", "/v1/models/good/data?outputs=1", npy([[0.1, 0.2, 0.3, 0.4]] * 300), NPY)
        job = self.ok(202, "POST", "/v1/models/good/train", {
            "solver": "ensemble", "settings": {"members": 2, "epochs": 2}, "gate": None})[1]["id"]
        self.server.wait_job(job, "succeeded")

    # ---- bad ones ----

    @staticmethod
    def together(calls):
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def survives(self, name):
        """The server answers, and its memory is back within a tenth."""
        self.assertIsNone(self.server.process.poll(), f"{name} ended the server")
        self.predicts()
        self.settles(lambda: sum(self.memory_by_kind().values()),
                     lambda b: b <= TENTH * sum(self.kinds.values()) + self.models_grew())
        if not SANITIZED:
            self.settles(self.resident, lambda b: b <= TENTH * self.before + self.models_grew())

    def models_grew(self):
        """Models that were registered stay in memory until it is needed for others."""
        return self.memory_by_kind()["models"] - self.kinds["models"]

    def expect(self, statuses, method, path, body, headers=None):
        status, _, answer = self.server.request(method, path, body, headers)
        self.assertIn(status, statuses, f"{path}: {answer!r:.300}")
        return status

    def documents(self):
        bodies = {
            "13.6 kB, 1.8 GB of draws": gaussian_of(10000, members=10, width=20),
            "draws": gaussian_of(99999), "members": gaussian_of(1000, members=100),
            "deep": gaussian_of(99999, width=1, layers=1023, mean=[0]),
            "wide": gaussian_of(1000, width=4096, layers=100, mean=[0])}
        for name, body in bodies.items():
            self.expect((400, 413, 503), "PUT", "/v1/models/bad", body)
            self.survives(name)
        for i in range(6):
            self.expect((201, 413, 503), "PUT", f"/v1/models/small{i}", gaussian_of(10000 + i, width=12))
            self.predicts()
        for i in range(6):
            self.server.request("DELETE", f"/v1/models/small{i}")
        self.survives("documents of 1.4 kB")

    def trainings(self):
        wide = {"width": 2048, "layers": 10}
        for solver, settings in largest_settings().items():
            for body in ({"architecture": wide}, {"settings": settings, "architecture": {"width": 64}},
                         {"settings": settings, "architecture": wide}):
                request = {"solver": solver, "gate": None, **body}
                request["settings"] = {**request.get("settings", {}), "epochs": 1}
                status, _, job = self.server.request("POST", "/v1/models/good/train", request)
                self.assertIn(status, (400, 413, 202), f"{request}: {job}")
                if status == 202:
                    self.server.wait_job(job["id"], "running", "succeeded", "failed")
                    self.server.request("DELETE", f"/v1/jobs/{job['id']}")
                    self.server.wait_job(job["id"], "cancelled", "succeeded", "failed")
                elif status == 413:
                    self.assertRegex(job["detail"], r"would need about \d+ MB of memory")
        self.survives("trainings")

    def texts(self):
        for name, body in {
                "8 MB of objects": b'{"inputs":[[1,2,3]],"return":[' + b"{}," * 2800000 + b"{}]}",
                "depth": b'{"inputs":' + b"[" * 4000000 + b"]" * 4000000 + b"}",
                "objects in each other": b'{"inputs":[[1,2,3]],"return":' + b'{"a":' * 1000000,
                "a number of 8 MB": b'{"inputs":[[1,2,' + b"1" * (8 << 20) + b"]]}",
                "digits behind a point": b'{"inputs":[[1,2,0.' + b"3" * (8 << 20) + b"]]}",
                "a text of 8 MB": b'{"inputs":[[1,2,3]],"return":["' + b"\\u0041" * 1400000 + b'"]}',
                "keys": b"{" + b",".join(b'"%d":1' % i for i in range(600000)) + b"}",
        }.items():
            self.expect((200, 400, 413, 503), "POST", "/v1/models/good/predict", body)
            self.survives(name)
        huge = b'{"inputs":[[1,2,3]],"return":[' + b"{}," * 20000000 + b"{}]}"
        self.together([lambda: self.expect((400, 413, 503), "POST", "/v1/models/good/predict", huge)] * 3)
        self.survives("three times 60 MB")

    def arrays(self):
        def head(text):
            text = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
            return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text

        for shape in ("(1000000, 3)", "(4000000000, 3)", f"({1 << 62}, 4)", "(1, 2000000000)",
                      "(18446744073709551615, 18446744073709551615)"):
            text = head(f"{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}") + b"\0" * 240
            self.expect((400, 413), "POST", "/v1/models/good/predict", text, NPY)
            self.expect((400, 413), "POST", "/v1/models/good/data?outputs=1", text, NPY)
        long = b"\x93NUMPY\x02\x00" + struct.pack("<I", (1 << 32) - 1) + b" " * 100
        self.expect((400,), "POST", "/v1/models/good/predict", long, NPY)
        self.survives("arrays that claim much")

    def answers(self):
        """Each would be hundreds of megabytes."""
        table = npy([[i / 8000] for i in range(8000)])
        self.expect((413, 503), "POST", "/v1/models/many/predict?covariance=rows", table, NPY)
        table = npy([[i / 40000] for i in range(40000)])
        self.survives("a covariance between rows")
        clients = []
        for path in ["/v1/models/many/predict?samples=1000", "/v1/models/many/predict?return=jacobian",
                     "/v1/models/many/predict?quantiles=" + ",".join(str(i / 64) for i in range(1, 64)),
                     "/v1/models/good/data/rows?format=json"] * 2:
            client = socket.create_connection(("127.0.0.1", self.server.port))
            method, body = ("GET", b"") if path.endswith("json") else ("POST", table)
            client.sendall(b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
                           b"Content-Length: %d\r\n\r\n" % (method.encode(), path.encode(), len(body)) + body)
            clients.append(client)
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b > 0)
        self.predicts()
        self.assertLess(sum(self.memory_by_kind().values()), self.budget)
        for client in clients:
            client.close()
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)
        self.survives("readers of large answers")

    def bodies(self):
        head = b"POST /v1/models/good/data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n"
        clients = []
        for _ in range(134):
            client = socket.create_connection(("127.0.0.1", self.server.port))
            client.settimeout(PATIENCE)
            try:
                client.sendall(head + b" " * 1000000)
            except ConnectionError:
                pass
            clients.append(client)
        self.predicts()
        self.assertLess(sum(self.memory_by_kind().values()), self.budget)
        for client in clients:
            client.close()
        self.survives("bodies that trickle")

    def test_every_request_is_survived(self):
        for attack in (self.documents, self.trainings, self.texts, self.arrays, self.answers, self.bodies):
            with self.subTest(attack.__name__):
                attack()
        self.assertIsNone(self.server.process.poll())


class AddressSpace(Attacks, ServerTest):
    """1 GB of address space, of which threads and libraries take a third."""

    confined = Confined
    flags = Attacks.flags + ("--memory_mb", "500")


class HalfWritable(Attacks, ServerTest):
    """512 MB of writable memory: the allocator itself says no, before memory_mb does."""

    class confined(Confined):
        limit = (resource.RLIMIT_DATA, 512)

    flags = Attacks.flags + ("--memory_mb", "1500")

    @unittest.skipIf(SANITIZED, "sanitizers cannot be confined")
    def test_every_request_is_survived(self):
        super().test_every_request_is_survived()


class HalfGroup(Attacks, ServerTest):
    """A container of 512 MB, which kills what needs more; the budget follows from it."""

    def setUp(self):
        if SANITIZED:
            self.skipTest("sanitizers cannot be confined")
        group = Cgroup(512)
        if group.path is None:
            self.skipTest("no cgroup with a limit of memory can be made here")
        self.addCleanup(group.remove)

        class Grouped(Confined):
            def confine(self):
                group.enter()

        self.confined = Grouped
        super().setUp()
        self.assertEqual(self.budget, int(0.8 * 512 * (1 << 20) / 1e6) * 1e6)


if __name__ == "__main__":
    unittest.main()
