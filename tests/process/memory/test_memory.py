# SPDX-License-Identifier: Apache-2.0
"""Memory that clients can make the server hold: bounded, refused early, reported by kind, given back.

The server runs with an address space of 1 GB (confined.py). Under sanitizers, which keep what is freed, the
same requests meet the same limits, but resident memory is not looked at."""

import gzip
import json
import os
import re
import socket
import threading
import time
import unittest

import harness
from confined import SANITIZED, Confined
from harness import PATIENCE, ServerTest, architecture, document, make_golden, npy, rows

BODY_SMALL = 65536  # server/http/body.h


def wide(width=64, layers=3, **changes):
    return architecture(inputs=1, outputs=1, width=width, layers=layers, **changes)


def gaussian_of(draws, members=1, width=16, **extra):
    """A few kilobytes that stand for many draws."""
    arch = wide(width)
    count = make_golden.count(arch)
    member = {"mean": [0] * count, "first": 0, "std": [1] * count}
    return {"architecture": arch, "posterior": {"kind": "gaussian", "draws": draws, "seed": 1,
                                                "predictive": "sampled",
                                                "members": [member] * members}, **extra}


class MemoryTest(ServerTest):
    flags = ("--memory_mb", "500", "--http_threads", "4", "--train_threads", "2",
             "--min_rate", "0")  # slow clients stay, however long a busy machine takes

    def setUp(self):
        self.use_small_server()
        super().setUp()

    def use_small_server(self):
        before = harness.Server
        harness.Server = Confined
        self.addCleanup(setattr, harness, "Server", before)

    def metric(self, name):
        _, text = self.ok(200, "GET", "/metrics")
        return float(re.search(rf"^surrogated_{re.escape(name)} (\S+)$", text.decode(), re.M).group(1))

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def settles(self, what, good, seconds=PATIENCE):
        end = time.time() + seconds
        while not good(value := what()):
            self.assertLess(time.time(), end, f"it stays {value}")
            time.sleep(0.05)

    def predicts(self):
        """A good client is served."""
        self.ok(200, "POST", "/v1/models/good/predict", {"inputs": [[0.1, 0.2, 0.3]]})


class Kilobytes(MemoryTest):
    """Small requests that ask for much."""

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/good", document(arch=architecture(outputs=1)))
        self.ok(201, "POST", "/v1/models/good/data", rows(20, d=3))
        self.predicts()

    def refused(self, statuses, method, path, body):
        status, _, answer = self.server.request(method, path, body)
        self.assertIn(status, statuses, f"{answer!r:.300}")
        if status == 413:
            self.assertEqual(answer["title"], "too large")
        self.assertIsNone(self.server.process.poll())
        self.predicts()
        return answer["detail"]

    def train(self, **body):
        return self.refused((413,), "POST", "/v1/models/good/train", {"gate": None, **body})

    def test_models_are_refused_by_their_size_before_they_are_built(self):
        detail = self.refused((413,), "PUT", "/v1/models/a", gaussian_of(99999))
        self.assertRegex(detail, r"99999 draws of 593 parameters need \d+ MB .* may have 250 MB")
        for name, body in {
                "members": gaussian_of(1000, members=100),
                "deep": gaussian_of(200, width=64) | {"architecture": wide(64, layers=1023)},
                "wide": {"architecture": wide(4096, layers=100), "posterior": {
                    "kind": "gaussian", "draws": 1000, "members": [{"mean": [0]}]}},
        }.items():
            self.refused((400, 413), "PUT", f"/v1/models/{name}", body)
        self.assertLess(self.metric('memory_bytes{kind="models"}'), 3e6)

    def test_six_models_that_fit_alone_share_the_room(self):
        for i in range(6):
            self.ok(201, "PUT", f"/v1/models/big{i}", gaussian_of(10000, width=16, seed=i))
            self.predicts()
        self.assertLessEqual(self.metric("model_resident_bytes"), 250e6)
        self.assertGreaterEqual(self.metric("model_evictions_total"), 3)
        for i in range(6):
            self.ok(200, "POST", f"/v1/models/big{i}/predict", {"inputs": [[0.5]]})
        self.assertLessEqual(self.metric("model_resident_bytes"), 250e6)
        # The start reads none of them.
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.metric("model_loads_total"), 0)
        self.assertEqual(self.metric("model_resident_bytes"), 0)
        self.predicts()
        self.assertEqual(self.metric("model_loads_total"), 1)

    def test_trainings_are_refused_by_what_they_would_need(self):
        detail = self.train(solver="ensemble", architecture={"width": 2048, "layers": 10})
        self.assertRegex(detail, r"would need about \d+ MB of memory and may have 250 MB "
                                 r"\(train_memory_mb\): 8 draws of \d+ parameters")
        self.train(solver="ensemble", settings={"members": 4096}, architecture={"width": 128, "layers": 4})
        self.train(solver="laplace", architecture={"width": 60, "layers": 2})
        self.train(solver="amcmc", architecture={"width": 100, "layers": 2})
        self.train(solver="nuts", settings={"draws": 100000}, architecture={"width": 64, "layers": 2})
        self.train(solver="swag", settings={"swag_rank": 10000}, architecture={"width": 100, "layers": 2})
        self.train(solver="ensemble", architecture={"width": 300, "layers": 30},
                   calibration={"method": "cv+", "folds": 18})
        self.assertEqual(self.ok(200, "GET", "/v1/jobs")[1]["jobs"], [])

    def test_a_training_that_fits_is_run(self):
        _, job = self.ok(202, "POST", "/v1/models/good/train",
                         {"solver": "ensemble", "settings": {"members": 2, "epochs": 2}, "gate": None})
        self.server.wait_job(job["id"], "succeeded")
        self.settles(lambda: self.metric('memory_bytes{kind="training"}'), lambda b: b < 1e5)

    def test_what_has_no_blocks_is_refused_by_its_size(self):
        self.ok(201, "PUT", "/v1/models/many", gaussian_of(4000, width=4))
        inputs = [[0.5]] * 8000
        detail = self.refused((413,), "POST", "/v1/models/many/predict",
                              {"inputs": inputs, "covariance": "rows"})
        self.assertRegex(detail, r"the answer would take \d+ MB .* may take 125 MB \(answers_mb\)")
        self.assertEqual(self.metric("answers_refused_total"), 1)
        self.assertEqual(self.metric("answer_reserved_bytes"), 0)

    def lazy_clients(self, n, query, body):
        """Clients that ask and do not read."""
        head = (f"POST /v1/models/many/predict{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                f"{len(body)}\r\n\r\n").encode()
        clients = []
        for _ in range(n):
            clients.append(socket.create_connection(("127.0.0.1", self.server.port)))
            self.addCleanup(clients[-1].close)
            clients[-1].sendall(head + body)
        return clients

    def test_clients_that_do_not_read_leave_room_for_others(self):
        """Answers of 32 MB, computed while they are read, and of 20 MB that must be held."""
        self.ok(201, "PUT", "/v1/models/many", gaussian_of(1000, width=4))
        samples = json.dumps({"inputs": [[0.5]] * 4000, "samples": 1000}).encode()
        between = json.dumps({"inputs": [[i / 500] for i in range(500)], "covariance": "rows"}).encode()
        lazy = self.lazy_clients(8, "", samples)
        self.settles(lambda: self.metric("answers_streamed_total"), lambda n: n == 8)
        self.assertEqual(self.metric("answers_refused_total"), 0)
        self.assertLessEqual(self.metric("answer_reserved_bytes"), 8 << 20)
        lazy += self.lazy_clients(40, "", between)
        self.settles(lambda: self.metric("answers_refused_total"), lambda n: n >= 20)
        self.assertLessEqual(self.metric("answer_reserved_bytes"), 125e6)
        status, head, answer = self.server.request("POST", "/v1/models/many/predict", between)
        self.assertEqual(status, 503, f"{answer!r:.300}")
        self.assertIn("Retry-After", head)
        self.predicts()
        for client in lazy:
            client.close()
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)
        # npy answers, which are sent from memory, give their room back too.
        self.ok(200, "POST", "/v1/models/many/predict?return=covariance&covariance=rows",
                npy([[i / 500] for i in range(500)]), {"Content-Type": "application/x-npy"})
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)


class Megabytes(MemoryTest):
    """Large requests, of which little stays."""

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/good", document(arch=architecture(outputs=1)))

    def bad_bodies(self):
        """Each parses into far more than its own size, or is malformed at its end."""
        many = 1 << 20
        texts = {
            "objects": b"[" + b",".join([b"{}"] * many) + b"]",
            "lists": b"[" + b",".join([b"[]"] * many) + b"]",
            "members": b"{" + b",".join(b'"%d":{}' % i for i in range(many // 2)) + b"}",
            "texts": b"[" + b",".join([b'"a"'] * many) + b"]",
            "reals": b"[" + b",".join([b"0.5"] * many) + b"]",
            "integers": b"[" + b",".join([b"1"] * (2 * many)) + b"]",
            "nests": b"[" + b",".join([b"[" * 20 + b"]" * 20] * (many // 10)) + b"]",
            "escapes": b'["' + b"\\u0041" * many + b'"]',
            "cut": b"[" + b",".join([b"{}"] * many),
        }
        return {name: b'{"inputs":[[1,2,3]],"return":' + text + b"}" for name, text in texts.items()}

    def send_together(self, bodies):
        """While a good client is served."""
        threads = [threading.Thread(target=self.server.request,
                                    args=("POST", "/v1/models/good/predict", body))
                   for body in bodies]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.predicts()
        for thread in threads:
            thread.join()

    def test_documents_of_many_values_are_counted_and_leave_nothing(self):
        bodies = self.bad_bodies()
        statuses = {}
        self.predicts()
        # What a process needs when it has once had large bodies on all of its threads.
        for _ in range(2):
            self.send_together([b" " * (1 << 20) + body[:-1] + b" " for body in bodies.values()])
        time.sleep(0 if SANITIZED else 2.5)  # the server gives memory back once a second
        before = self.resident()
        requests = self.metric('memory_bytes{kind="requests"}')
        for name, body in bodies.items():
            status, _, answer = self.server.request("POST", "/v1/models/good/predict", body)
            statuses[name] = status
            self.assertIn(status, (400, 413, 503), f"{name}: {answer!r:.300}")
            self.predicts()
        self.assertEqual(statuses["objects"], 413)
        self.assertEqual(statuses["cut"], 413)
        for _ in range(2):
            self.send_together(bodies.values())
        self.settles(lambda: self.metric('memory_bytes{kind="requests"}'),
                     lambda b: b <= requests + (1 << 20))
        if not SANITIZED:
            self.settles(self.resident, lambda b: b <= 1.1 * before)

    def test_inflated_bodies_share_the_room_for_bodies(self):
        """Kilobytes of gzip that become 20 MB each, sent by many clients that need no token here."""
        bomb = gzip.compress(b" " * 20000000, 9, mtime=0)
        self.assertLess(len(bomb), BODY_SMALL)
        room = self.metric("memory_budget_bytes") / 4
        before = self.metric('memory_bytes{kind="requests"}')
        statuses = []

        def send():
            statuses.append(self.server.request("POST", "/v1/models/good/predict", bomb,
                                                {"Content-Encoding": "gzip"})[0])

        threads = [threading.Thread(target=send) for _ in range(24)]
        highest = 0
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.predicts()
            highest = max(highest, self.metric('memory_bytes{kind="requests"}'))
        for thread in threads:
            thread.join()
        self.assertEqual(len(statuses), len(threads))
        self.assertLessEqual(set(statuses), {400, 503})
        self.assertIn(400, statuses)  # those that had room were read
        # A body that grows is there twice for a moment.
        self.assertLess(highest, before + 2 * room)
        self.settles(lambda: self.metric('memory_bytes{kind="requests"}'), lambda b: b <= before + (1 << 20))

    def test_trickling_bodies_leave_room_for_another(self):
        """134 clients each send 1 MB of a long body and then hold it."""
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
        self.ok(201, "POST", "/v1/models/good/data", rows(300, d=3))
        for client in clients:
            client.close()
        self.settles(lambda: self.metric('memory_bytes{kind="requests"}'), lambda b: b < 20e6)

    def test_readers_of_exports_share_the_room_of_answers(self):
        table = npy([[0.1, 0.2, 0.3, 0.4]] * 300000)
        self.ok(201, "POST", "/v1/models/good/data?outputs=1", table,
                {"Content-Type": "application/x-npy"})
        head = b"GET /v1/models/good/data/rows?format=json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        clients = []
        for _ in range(40):
            client = socket.create_connection(("127.0.0.1", self.server.port))
            client.sendall(head)
            clients.append(client)
        self.settles(lambda: self.metric("answers_refused_total"), lambda n: n >= 20)
        self.assertGreater(self.metric("answer_reserved_bytes"), 8e6)
        self.assertLessEqual(self.metric("answer_reserved_bytes"), 125e6)
        self.assertLessEqual(self.metric('memory_bytes{kind="requests"}'), 125e6)
        self.predicts()
        for client in clients:
            client.close()
        self.settles(lambda: self.metric("answer_reserved_bytes"), lambda b: b == 0)

    def test_threads_of_connections_do_not_read_large_bodies(self):
        table = [[0.1, 0.2, 0.3]] * 80000
        large = json.dumps({"inputs": table})
        self.assertGreater(len(large), 1 << 20)
        self.predicts()
        self.assertEqual(self.metric("large_bodies_total"), 0)
        for n in range(1, 3):
            self.ok(200, "POST", "/v1/models/good/predict", large)
            self.predicts()
            self.assertEqual(self.metric("large_bodies_total"), n)
        self.ok(200, "POST", "/v1/models/good/predict", npy(table),
                {"Content-Type": "application/x-npy"})
        self.ok(200, "POST", "/v1/models/good/evaluate",
                json.dumps({"inputs": table, "outputs": [[0.5]] * len(table)}))
        self.ok(400, "POST", "/v1/models/good/train", " " * (1 << 20) + "}")
        self.assertEqual(self.metric("large_bodies_total"), 5)

    def test_one_byte_decides_which_thread_reads_a_body(self):
        """Rows of numbers count as they are; JSON beside them takes longer, and so do tables as text."""
        row = '{"inputs":[[0.1,0.2,0.3%s]]}%s'
        whole = (1 << 20) - len(row % ("", ""))
        beside = (1 << 16) - len('{"inputs":null}')
        table = b"0.1,0.25,0.3125\n" * ((1 << 17) // 16)
        csv = {"Content-Type": "text/csv"}
        cases = ((200, "predict", row % (" " * whole, ""), row % (" " * (whole + 1), ""), {}),
                 (200, "predict", row % ("", " " * beside), row % ("", " " * (beside + 1)), {}),
                 (400, "evaluate", row % ("", " " * beside), row % ("", " " * (beside + 1)), {}),
                 (400, "predict", "x" * (1 << 16), "x" * ((1 << 16) + 1), {}),
                 (200, "predict", table, table[:-1] + b"0\n", csv))
        n = self.metric("large_bodies_total")
        for status, verb, largest, beyond, headers in cases:
            with self.subTest(verb, status=status, headers=headers):
                self.ok(status, "POST", f"/v1/models/good/{verb}", largest, headers)
                self.assertEqual(self.metric("large_bodies_total"), n)
                self.ok(status, "POST", f"/v1/models/good/{verb}", beyond, headers)
                n += 1
                self.assertEqual(self.metric("large_bodies_total"), n)


class Versions(MemoryTest):
    def test_predictions_that_go_round_versions_read_each_once(self):
        n = 20
        for seed in range(n):
            self.ok(201, "PUT", "/v1/models/m", document(seed=seed + 1))
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        for _ in range(3):
            for version in range(1, n + 1):
                self.ok(200, "POST", f"/v1/models/m/versions/{version}/predict",
                        {"inputs": [[0.1, 0.2, 0.3]]})
        self.assertEqual(self.metric("model_loads_total"), n)
        self.assertEqual(self.metric("model_evictions_total"), 0)

    def test_the_kinds_add_up_within_the_budget(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        self.assertEqual(self.metric("memory_budget_bytes"), 500e6)
        kinds = [self.metric(f'memory_bytes{{kind="{kind}"}}')
                 for kind in ("requests", "answers", "models", "training", "other")]
        self.assertGreater(kinds[0], 0)
        self.assertGreater(kinds[2], 0)
        self.assertLess(sum(kinds), 500e6)


if __name__ == "__main__":
    unittest.main()
