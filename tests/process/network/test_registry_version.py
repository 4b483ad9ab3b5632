# SPDX-License-Identifier: Apache-2.0
"""Read after write through replicas: X-Registry-Version, If-Registry-Version-At-Least, and where changes go."""

import os
import re
import threading
import time
import unittest

from harness import PATIENCE, Server, ServerTest, architecture, binary, document, rows

POINT = {"inputs": [[0.1, 0.2]]}
PREDICT = "/v1/models/p/predict"
NEVER = "3600000"  # no look at the file but those that are asked for
SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 5}, "seed": 1}


def small(seed):
    return document(seed=seed, arch=architecture(inputs=2, outputs=1))


def at_least(version):
    return {"If-Registry-Version-At-Least": str(version)}


def told(answer):
    return int(answer[1]["X-Registry-Version"])


class Replicated(ServerTest):
    """self.server is the primary; replicas serve its file."""

    def replica(self, *flags):
        folder = os.path.join(self.folder, "replica")
        os.makedirs(folder, exist_ok=True)
        replica = Server(folder, "--read-only", "true", *flags)
        replica.db = self.server.db
        self.addCleanup(lambda: replica.process and replica.process.poll() is None and replica.kill())
        return replica.start()

    def put(self, seed):
        answer = self.server.request("PUT", "/v1/models/p", small(seed))
        self.assertEqual(answer[0], 201)
        return told(answer), answer[2]["version"]


class RegistryVersion(Replicated):
    def test_the_number_grows_with_each_change_and_with_nothing_else(self):
        numbers = [self.put(seed)[0] for seed in (1, 2, 3)]
        numbers.append(told(self.server.request("POST", "/v1/models/p/data", rows(5))))
        numbers.append(told(self.server.request("PUT", "/v1/models/p/default", {"version": 1})))
        self.assertEqual(numbers, sorted(set(numbers)))
        last = numbers[-1]
        for method, path, body in (("GET", "/v1/models", None), ("GET", "/v1/models/p/data/rows", None),
                                   ("POST", PREDICT, POINT), ("GET", "/v1/models/none", None),
                                   ("PUT", "/v1/models/q", {"no": "model"}), ("GET", "/metrics", None)):
            self.assertEqual(told(self.server.request(method, path, body)), last, path)
        for path in ("/healthz", "/readyz", "/none"):
            self.assertNotIn("X-Registry-Version", self.server.request("GET", path)[1])
        # It is kept, also through a crash.
        self.server.kill()
        self.server.start()
        self.assertGreaterEqual(told(self.server.request("GET", "/v1/models")), last)
        self.assertGreater(self.put(4)[0], last)

    def test_a_replica_shows_what_the_client_has_written(self):
        self.put(1)
        replica = self.replica("--follow-ms", NEVER)
        for seed in range(2, 12):
            number, version = self.put(seed)
            status, headers, data = replica.request("POST", PREDICT, POINT, at_least(number))
            self.assertEqual((status, data["version"]), (200, version))
            self.assertGreaterEqual(int(headers["X-Registry-Version"]), number)
            number, version = self.put(seed + 100)
            self.assertEqual(replica.request("GET", "/v1/models/p", None, at_least(number))[2]["model"]["default_version"], version)
        self.assertEqual(replica.stop(), 0)

    def test_who_has_seen_a_job_end_gets_its_version(self):
        self.put(1)
        self.ok(201, "POST", "/v1/models/p/data", rows(30))
        replica = self.replica("--follow-ms", NEVER)
        job = self.ok(202, "POST", "/v1/models/p/train", {**SHORT, "promote": True})[1]["id"]
        while True:  # the replica's file is ahead of its models
            answer = replica.request("GET", f"/v1/jobs/{job}")
            if answer[2]["state"] not in ("queued", "running"):
                break
            time.sleep(0.02)
        self.assertEqual(answer[2]["state"], "succeeded")
        data = replica.request("POST", PREDICT, POINT, at_least(told(answer)))[2]
        self.assertEqual(data["version"], answer[2]["version"])
        self.assertEqual(replica.stop(), 0)

    def test_a_number_that_does_not_come_is_refused(self):
        number, _ = self.put(1)
        replica = self.replica("--follow-wait-ms", "200")
        for server, word in ((replica, "this replica"), (self.server, "another registry")):
            status, headers, data = server.request("POST", PREDICT, POINT, at_least(number + 1))
            self.assertEqual((status, data["title"]), (409, "not at the registry version asked for"))
            self.assertIn(f"version {number} of the registry, and {number + 1} was asked for", data["detail"])
            self.assertIn(word, data["detail"])
            self.assertEqual(headers["Retry-After"], "1")
            for wrong in ("x", "-1", "1.5", "99999999999999999999", "01", ""):
                self.assertEqual(server.request("POST", PREDICT, POINT, at_least(wrong))[0], 400, wrong)
            for good in (0, 1, number):
                self.assertEqual(server.request("POST", PREDICT, POINT, at_least(good))[0], 200)
        for path, body in (("/v2/models/p/ready", None), ("/Info", None)):
            self.assertEqual(replica.request("GET", path, body, at_least(number + 1))[0], 409)
        self.assertEqual(replica.stop(), 0)

    def test_requests_that_wait_hold_no_thread_and_end_with_the_server(self):
        number, _ = self.put(1)
        replica = self.replica("--http-threads", "1", "--write-threads", "1", "--follow-wait-ms", "60000")
        answers = []
        waiting = [threading.Thread(target=lambda: answers.append(
            replica.request("POST", PREDICT, POINT, at_least(number + 1))[0])) for _ in range(20)]
        for thread in waiting:
            thread.start()
        while replica.request("GET", "/v1/status")[2]["connections"]["work"] < 20:
            time.sleep(0.01)
        self.assertEqual(replica.request("POST", PREDICT, POINT)[0], 200)
        status, _, data = replica.request("POST", PREDICT, POINT,
                                          {**at_least(number + 1), "Request-Timeout-Ms": "50"})
        self.assertEqual((status, data["title"]), (409, "not at the registry version asked for"))
        self.assertEqual(answers, [])
        self.put(2)
        for thread in waiting:
            thread.join()
        self.assertEqual(answers, [200] * 20)
        late = threading.Thread(target=lambda: answers.append(
            replica.request("POST", PREDICT, POINT, at_least(number + 100))[0]))
        late.start()
        while replica.request("GET", "/v1/status")[2]["connections"]["work"] < 2:
            time.sleep(0.01)
        self.assertEqual(replica.stop(), 0)
        late.join()
        self.assertEqual(answers[20:], [503])

    def test_a_copy_that_is_put_in_place_is_seen(self):
        self.put(1)
        replica = self.replica("--follow-ms", NEVER, "--follow-wait-ms", "60000")
        replica.stop()
        copy = os.path.join(self.folder, "replica", "copy.db")

        def ship():
            self.assertEqual(binary("backup", "--db", self.server.db, "--to", copy + ".new").returncode, 0)
            os.rename(copy + ".new", copy)

        ship()
        replica.db = copy
        replica.start()
        number, version = self.put(2)
        got = []
        thread = threading.Thread(target=lambda: got.append(
            replica.request("POST", PREDICT, POINT, at_least(number))))
        thread.start()
        ship()
        thread.join()
        self.assertEqual((got[0][0], got[0][2]["version"]), (200, version))
        self.assertEqual(replica.stop(), 0)


class Changes(Replicated):
    """What a replica answers to changes."""

    def address(self):
        return f"http://127.0.0.1:{self.server.port}"

    def test_the_refusal_names_the_primary(self):
        self.put(1)
        replica = self.replica("--primary", self.address() + "/")
        status, headers, data = replica.request("PUT", "/v1/models/p", small(2))
        self.assertEqual((status, data["title"], data["primary"]), (403, "read-only", self.address()))
        self.assertNotIn("Location", headers)
        self.assertEqual(replica.stop(), 0)

    def test_a_redirect_leads_to_the_same_change_on_the_primary(self):
        self.put(1)
        replica = self.replica("--primary", self.address() + "/base/", "--redirect-writes", "true",
                               "--base-path", "/base")
        for method, path in (("PUT", "/v1/models/p?promote=never"), ("DELETE", "/v1/models/p/aliases/a%20b"),
                             ("POST", "/v1/models/p/data?on_duplicate=keep&missing=allow"), ("DELETE", "/v1/jobs/7")):
            status, headers, data = replica.request(method, "/base" + path, small(2) if method == "PUT" else None)
            self.assertEqual((status, data), (307, b""), path)
            self.assertEqual(headers["Location"], self.address() + "/base" + path)
        for path, body in (("/v1/models/p/design", {"points": 3}), ("/v1/models/p/evaluate", rows(3)), (PREDICT, POINT)):
            self.assertNotIn(replica.request("POST", path, body)[0], (307, 403), path)
        self.assertEqual(replica.stop(), 0)

    def replicas(self):
        """Those that the primary knows: {name: version of the registry}."""
        text = self.server.request("GET", "/metrics")[2].decode()
        return {name: int(version) for name, version in re.findall(r'(?m)^surrogated_replica_version\{replica="(.*)"\} (\d+)$', text)}

    def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_replicas_tell_their_primary_of_themselves(self):
        number, _ = self.put(1)
        self.assertEqual(self.replicas(), {})
        replica = self.replica("--primary", self.address(), "--announce-s", "1")
        self.until(lambda: number in self.replicas().values())
        name = next(iter(self.replicas()))
        self.assertTrue(name.endswith(f":{replica.port}"), name)
        later, _ = self.put(2)
        self.assertGreater(later, number)
        self.until(lambda: self.replicas() == {name: later})
        told_there = self.ok(200, "POST", "/v1/replicas", {"name": "far:1", "registry_version": 0})[1]
        self.assertEqual(told_there, {"registry_version": later})
        self.assertEqual(self.replicas(), {name: later, "far:1": 0})
        self.ok(400, "POST", "/v1/replicas", {"name": "no name", "registry_version": 0})
        self.ok(400, "POST", "/v1/replicas", {"name": "far:1"})
        self.assertEqual(replica.stop(), 0)
        # A primary that is away changes nothing for the replica.
        alone = self.replica("--primary", "http://127.0.0.1:1", "--announce-s", "1")
        self.assertEqual(alone.request("POST", PREDICT, POINT)[0], 200)
        self.assertEqual(alone.stop(), 0)

    def test_settings_that_make_no_sense_are_refused(self):
        for flags, word in ((("--primary", "writer:8080"), "a URL such as"), (("--primary", "http:///x"), "a URL such as"),
                            (("--primary", "http://a?b"), "a URL such as"),
                            (("--redirect-writes", "true"), "redirect_writes needs"),
                            (("--announce-s", "1"), "announce_s needs")):
            run = binary("serve", "--db", os.path.join(self.folder, "x.db"), *flags)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(word, run.stderr)


if __name__ == "__main__":
    unittest.main()
