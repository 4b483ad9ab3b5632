# SPDX-License-Identifier: Apache-2.0
"""Tokens: wrong, expired and revoked ones; some models; files; starts. test_roles.py has every route by every role."""

import http.client
import os
import shutil
import signal
import socket
import sqlite3
import tempfile
import time
import unittest

from harness import PATIENCE, Server, architecture, binary, document, rows
from token_harness import TokenTest

class Tokens(TokenTest):
    def test_what_is_no_good_token(self):
        good = self.tokens["ADMIN"]
        name, secret = good.rsplit("_", 1)
        wrong = [f"{name}_{'0' * 64}", f"{name}_{secret[:-1]}", f"{name}_{secret}0", f"{name}_{secret.upper()}",
                 f"sgt_nobody_{secret}", f"sgt_read_{secret}", f"sgt__{secret}", "sgt_", "", "x", good + " x",
                 f"sgt_{'a' * 33}_{secret}", secret, "Bearer " + good]
        for token in wrong:
            status, _, problem = self.ask(token, "GET", "/v1/models")
            self.assertEqual(status, 401, token)
            if token:
                self.assertNotIn(secret, str(problem))
        for header in (good, "Basic " + good, "bearer", "Bearer", f"Bearer{good}"):
            self.assertEqual(self.status(None, "GET", "/v1/models", Authorization=header), 401, header)
        self.assertEqual(self.status(None, "GET", "/v1/models", Authorization="bearer " + good), 200)
        self.assertEqual(self.status(None, "GET", "/nothing"), 401)
        self.assertEqual(self.status(self.tokens["PREDICT"], "GET", "/nothing"), 404)
        self.assertEqual(self.status(None, "PUT", "/metrics"), 401)

    def test_no_secret_is_written_down(self):
        self.assertEqual(self.status(self.tokens["READ"], "DELETE", "/v1/models/m"), 403)
        made = self.ask(self.tokens["ADMIN"], "POST", "/v1/tokens", {"role": "read"})[2]
        self.assertEqual(self.status(made["token"], "GET", "/v1/models"), 200)
        listed = self.ask(self.tokens["ADMIN"], "GET", "/v1/tokens")[2]
        self.assertEqual(self.server.stop(), 0)
        with open(self.server.db, "rb") as file:
            stored = file.read()
        for token in [made["token"], *self.tokens.values()]:
            secret = token.rsplit("_", 1)[1]
            self.assertNotIn(secret, self.server.log_text())
            self.assertNotIn(secret, str(listed))
            self.assertNotIn(secret.encode(), stored)
            self.assertNotIn(bytes.fromhex(secret), stored)

    def test_a_probe_names_no_model(self):
        self.assertEqual(self.status(self.tokens["WRITE"], "PUT", "/v1/models/secret-name", document()), 201)
        self.assertEqual(self.server.stop(), 0)
        with sqlite3.connect(self.server.db) as db:
            db.execute("UPDATE version_chunks SET bytes = zeroblob(length(bytes))")
        db.close()
        self.server.start()
        one = {"model": "secret-name", "inputs": [0.1, 0.2, 0.3]}
        self.assertEqual(self.status(self.tokens["PREDICT"], "POST", "/predict", one), 500)
        self.wait_status(503, None, "GET", "/readyz")
        problem = self.ask(None, "GET", "/readyz")[2]
        self.assertIn("models could not be loaded", problem["detail"])
        self.assertNotIn("secret-name", str(problem))
        self.assertIn("secret-name", str(self.ask(self.tokens["ADMIN"], "GET", "/v1/status")[2]["not_ready"]))

    def test_made_and_revoked_while_it_runs(self):
        admin = self.tokens["ADMIN"]
        status, _, made = self.ask(admin, "POST", "/v1/tokens", {"role": "write", "id": "farm-7", "rate": 5})
        self.assertEqual((status, made["id"], made["role"], made["rate"], made["expires"]),
                         (201, "farm-7", "write", 5, None))
        self.assertEqual(self.status(made["token"], "PUT", "/v1/models/m", document()), 201)
        self.assertEqual(self.status(admin, "POST", "/v1/tokens", {"role": "write", "id": "farm-7"}), 409)
        self.assertEqual(self.status(admin, "DELETE", "/v1/tokens/farm-7"), 204)
        status, _, problem = self.ask(made["token"], "GET", "/v1/models")
        self.assertEqual((status, problem["detail"]), (401, 'the token "farm-7" was revoked'))
        self.assertEqual(self.status(admin, "DELETE", "/v1/tokens/farm-7"), 404)
        for body in ({}, {"role": "root"}, {"role": "read", "models": "a b"}, {"role": "read", "id": "a_b"},
                     {"role": "read", "expires": "soon"}, {"role": "read", "rate": 0}, {"role": "read", "x": 1}):
            self.assertEqual(self.status(admin, "POST", "/v1/tokens", body), 400, body)
        held = binary("token", "create", "--role", "read", "--db", self.server.db)
        self.assertEqual((held.returncode, held.stdout), (1, ""))
        self.assertIn("POST /v1/tokens", held.stderr)
        listed = binary("token", "list", "--db", self.server.db)
        self.assertRegex(listed.stdout, r"farm-7 +write +revoked +\* rate=5\n")

    def test_what_a_connection_has_shown_is_looked_at_with_each_request(self):
        admin = self.tokens["ADMIN"]
        made = [self.ask(admin, "POST", "/v1/tokens", {"role": "read", "id": name})[2]["token"] for name in ("one", "two")]
        name, secret = made[0].rsplit("_", 1)
        kept = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        self.addCleanup(kept.close)

        def status(token):
            kept.request("GET", "/v1/models", headers={"Authorization": "Bearer " + token})
            answer = kept.getresponse()
            answer.read()
            return answer.status

        self.assertEqual([status(made[0]), status(made[0])], [200, 200])
        port = kept.sock.getsockname()[1]
        self.assertEqual(status(f"{name}_{'0' * 64}"), 401)
        self.assertEqual(status(f"sgt_two_{secret}"), 401)
        self.assertEqual([status(made[1]), status(made[0]), status(made[0])], [200, 200, 200])
        self.assertEqual(self.status(admin, "DELETE", "/v1/tokens/one"), 204)
        self.assertEqual([status(made[0]), status(made[1])], [401, 200])
        self.assertEqual(kept.sock.getsockname()[1], port)  # one connection all the time

    def test_changes_are_written_down_with_who_and_where(self):
        admin, write, read = (self.tokens[role] for role in ("ADMIN", "WRITE", "READ"))
        self.assertEqual(self.status(write, "PUT", "/v1/models/m", document()), 201)
        self.assertEqual(self.status(read, "DELETE", "/v1/models/m"), 403)
        self.assertEqual(self.status(None, "DELETE", "/v1/models/m"), 401)
        self.assertEqual(self.status(admin, "GET", "/v1/models"), 200)
        self.assertEqual(self.status(admin, "POST", "/v1/models/m/evaluate", "x"), 400)
        self.assertEqual(self.status(admin, "DELETE", "/v1/models/m"), 204)
        entries = self.ask(admin, "GET", "/v1/audit")[2]["entries"]
        self.assertEqual([(e["id"], e["who"], e["method"], e["path"], e["status"], e["from"]) for e in entries],
                         [(1, "write", "PUT", "/v1/models/m", 201, "127.0.0.1"),
                          (2, "read", "DELETE", "/v1/models/m", 403, "127.0.0.1"),
                          (3, "admin", "DELETE", "/v1/models/m", 204, "127.0.0.1")])
        self.assertEqual([e["id"] for e in self.ask(admin, "GET", "/v1/audit?after=1&limit=1")[2]["entries"]], [2])
        self.assertEqual([e["id"] for e in self.ask(admin, "GET", "/v1/audit?limit=2")[2]["entries"]], [2, 3])
        for after in (3, 2**63 - 1):
            self.assertEqual(self.ask(admin, "GET", f"/v1/audit?after={after}")[2]["entries"], [])
        for query in ("limit=0", "limit=1001", "after=-1"):
            self.assertEqual(self.status(admin, "GET", f"/v1/audit?{query}"), 400)
        lines = [line for line in self.server.log_text().splitlines() if "message=change" in line]
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[1], r"who=read from=127\.0\.0\.1 method=DELETE path=/v1/models/m status=403")

    def test_the_ring_of_changes_is_bounded(self):
        admin = self.tokens["ADMIN"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        for _ in range(1001):
            connection.request("DELETE", "/v1/tokens/nobody", headers={"Authorization": f"Bearer {admin}"})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 404)
        connection.close()
        entries = self.ask(admin, "GET", "/v1/audit?after=0&limit=1000")[2]["entries"]
        self.assertEqual((len(entries), entries[0]["id"], entries[-1]["id"]), (1000, 2, 1001))
        # The log has all of them: no flood of changes hides one.
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.log_text().count("message=change "), 1001)

    def test_a_rate_is_met_at_the_limit_and_not_beyond(self):
        made = self.ask(self.tokens["ADMIN"], "POST", "/v1/tokens", {"role": "read", "rate": 3})[2]["token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        found = []
        for _ in range(400):
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {made}"})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
            if answer.status == 429:
                self.assertEqual(answer.getheader("Retry-After"), "1")
                break
        connection.close()
        self.assertEqual(found[:3], [200, 200, 200])
        self.assertEqual(found[-1], 429)
        self.wait_status(200, made, "GET", "/v1/models")


class SomeModels(TokenTest):
    """A token of some models learns nothing of others."""

    def prepare(self):
        self.admin = self.create("--role", "admin")
        self.some = self.create("--role", "admin", "--models", "heat-*,flow?")

    def setUp(self):
        super().setUp()
        model = document(arch=architecture(inputs=2, outputs=1))
        for name in ("heat-1", "flow2", "flow", "other"):
            self.assertEqual(self.status(self.admin, "PUT", f"/v1/models/{name}", model), 201)
            self.assertEqual(self.status(self.admin, "POST", f"/v1/models/{name}/data", rows(30)), 201)

    def train(self, *names):
        """Their numbers, once they have ended."""
        asked = {"solver": "ensemble", "settings": {"epochs": 2}, "gate": None}
        jobs = [self.ask(self.admin, "POST", f"/v1/models/{name}/train", asked)[2]["id"] for name in names]
        for job in jobs:
            self.until(lambda job=job: self.ask(self.admin, "GET", f"/v1/jobs/{job}")[2]["state"] == "succeeded",
                       "a job does not succeed")
        return jobs

    def test_it_names_its_own_models_alone(self):
        one = {"inputs": [[0.1, 0.2]]}
        for name, status in (("heat-1", 200), ("flow2", 200), ("flow", 403), ("other", 403), ("none", 403)):
            self.assertEqual(self.status(self.some, "GET", f"/v1/models/{name}"), status)
            self.assertEqual(self.status(self.some, "POST", "/predict", {"model": name, **one}), status)
            self.assertEqual(self.status(self.some, "POST", f"/v1/models/{name}/predict", one), status)
        models = self.ask(self.some, "GET", "/v1/models")[2]["models"]
        self.assertEqual([row["name"] for row in models], ["flow2", "heat-1"])
        for path in ("/metrics", "/v1/tokens", "/v1/audit", "/v1/status"):
            self.assertEqual(self.status(self.some, "GET", path), 403)
        self.assertEqual(self.status(self.some, "POST", "/v1/tokens", {"role": "admin"}), 403)

    def test_jobs_of_others_are_as_absent_ones(self):
        mine, others = self.train("heat-1", "other")
        for method, path in (("GET", ""), ("GET", "/curves"), ("GET", "/events"), ("DELETE", "")):
            with self.subTest(method=method, path=path):
                found, _, hidden = self.ask(self.some, method, f"/v1/jobs/{others}{path}")
                absent, _, none = self.ask(self.some, method, f"/v1/jobs/77{path}")
                self.assertEqual((found, absent), (404, 404))
                self.assertEqual(hidden, {**none, "detail": none["detail"].replace("77", str(others))})
                if method == "GET":
                    self.assertEqual(self.status(self.some, method, f"/v1/jobs/{mine}{path}"), 200)
        last = self.ask(self.some, "GET", f"/v1/jobs/{others}/events", **{"Last-Event-ID": "99"})
        self.assertEqual(last[0], 404)
        self.assertEqual(self.status(self.some, "DELETE", "/v1/jobs?state=queued&model=other"), 403)

    def test_a_list_is_as_long_as_it_may_be(self):
        """The newest jobs are of other models; a limit counts those that are shown."""
        mine = self.train("heat-1", "flow2")
        self.train("other", "other", "flow")
        for query, wanted in (("", mine[::-1]), ("?limit=1", mine[1:]), ("?limit=2", mine[::-1]),
                              ("?model=heat-1", mine[:1]), ("?model=other", []), ("?model=none", []),
                              ("?state=succeeded&limit=1", mine[1:])):
            listed = self.ask(self.some, "GET", f"/v1/jobs{query}")[2]["jobs"]
            self.assertEqual([row["id"] for row in listed], wanted, query)
        self.assertEqual(len(self.ask(self.admin, "GET", "/v1/jobs")[2]["jobs"]), 5)


class FromFile(TokenTest):
    names = 0

    def prepare(self):
        self.path = os.path.join(self.folder, "tokens")
        self.first = "sgt_grafana_" + "ab" * 32
        self.second = "sgt_farm_" + "cd" * 32
        self.write(f"# for dashboards\ngrafana read {self.first}\n\n")
        self.server.flags = ("--require-tokens", "true", "--tokens-file", self.path)

    def write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def test_it_is_read_again_when_it_changes(self):
        self.assertEqual(self.status(self.first, "GET", "/v1/models"), 200)
        self.assertEqual(self.status(self.second, "GET", "/v1/models"), 401)
        self.write(f"farm write {self.second} m* 2999-12-31T23:59:59Z\n")
        self.wait_status(401, self.first, "GET", "/v1/models")
        self.assertEqual(self.status(self.second, "PUT", "/v1/models/m", document()), 201)
        self.assertEqual(self.status(self.second, "PUT", "/v1/models/n", document()), 403)
        # What cannot be read changes nothing, and says so once, without the token.
        self.write(f"farm write {self.second} m* soon\n")
        end = time.time() + PATIENCE
        while "tokens not read again" not in self.server.log_text() and time.time() < end:
            self.assertEqual(self.status(self.second, "GET", "/v1/models/m"), 200)
            time.sleep(0.05)
        self.assertIn("line 1", self.server.log_text())
        self.assertNotIn("cdcd", self.server.log_text())
        self.write(f"farm write {self.second} m* 1999-12-31\n")
        self.wait_status(401, self.second, "GET", "/v1/models/m")
        self.assertEqual(self.ask(self.second, "GET", "/v1/models/m")[2]["detail"], 'the token "farm" has expired')


    def test_a_revocation_counts_while_the_file_cannot_be_read(self):
        admin, other = (self.create_on_server(name) for name in ("boss", "leaver"))
        for damage in (lambda: os.remove(self.path), lambda: self.write("not a token\n")):
            self.write(f"grafana read {self.first}\nfarm read {self.second}\n")
            self.wait_status(200, self.second, "GET", "/v1/models")
            lines = self.server.log_text().count("tokens not read again")
            damage()
            self.until(lambda: self.status(self.first, "GET", "/v1/models") == 200 and
                       self.server.log_text().count("tokens not read again") > lines, "no line tells of it")
            self.assertEqual(self.status(other, "GET", "/v1/models"), 200)
            self.assertEqual(self.status(admin, "DELETE", f"/v1/tokens/{other.split('_')[1]}"), 204)
            self.assertEqual(self.status(other, "GET", "/v1/models"), 401)
            # New ones count too, and those of the file are as they were.
            other = self.ask(admin, "POST", "/v1/tokens", {"role": "read"})[2]
            self.assertEqual(self.status(other["token"], "GET", "/v1/models"), 200)
            self.assertEqual(self.status(self.first, "GET", "/v1/models"), 200)
            self.assertEqual(self.status(self.second, "GET", "/v1/models"), 200)
            self.assertEqual(self.server.log_text().count("tokens not read again"), lines + 1)
            other = self.create_on_server("leaver", admin)

    def create_on_server(self, name, admin=None):
        """By an admin of the file, which is back as it was afterwards."""
        if admin is None:
            boss = "sgt_root_" + "ef" * 32
            self.write(f"grafana read {self.first}\nroot admin {boss}\n")
            self.wait_status(200, boss, "GET", "/v1/tokens")
            admin = boss
        self.names += 1
        made = self.ask(admin, "POST", "/v1/tokens", {"role": "admin", "id": f"{name}-{self.names}"})
        self.assertEqual(made[0], 201, made[2])
        return made[2]["token"]

    def test_a_signal_has_the_file_read_at_once(self):
        self.assertEqual(self.status(self.first, "GET", "/v1/models"), 200)
        self.write(f"farm read {self.second}\n")
        before = self.server.log_text().count("settings reloaded")
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.server.log_text().count("settings reloaded") > before, "no reload")
        self.assertEqual(self.status(self.first, "GET", "/v1/models"), 401)
        self.assertEqual(self.status(self.second, "GET", "/v1/models"), 200)


class Starts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.db = os.path.join(self.folder, "registry.db")

    def refused(self, *flags):
        done = binary("serve", "--db", self.db, *flags)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_an_address_that_others_reach_is_refused_without_tokens(self):
        for listen in ("0.0.0.0:0", "[::]:0", f"{socket.gethostname()}:0", "0:0"):
            self.assertIn("surrogated token create", self.refused("--listen", listen))
        self.assertIn("--insecure true", self.refused("--listen", "0.0.0.0:0"))
        expired = binary("token", "create", "--role", "admin", "--expires", "2020-02-29", "--db", self.db)
        self.assertEqual(expired.returncode, 0, expired.stderr)
        self.assertIn("no valid token", self.refused("--listen", "0.0.0.0:0"))
        self.assertIn("no valid token", self.refused("--require-tokens", "true", "--listen", "127.0.0.1:0"))

    def test_with_a_token_it_starts_and_asks_for_it(self):
        token = binary("token", "create", "--role", "read", "--db", self.db).stdout.strip()
        server = Server(self.folder, "--listen", "0.0.0.0:0").start()
        try:
            self.assertEqual(server.request("GET", "/v1/models")[0], 401)
            self.assertEqual(server.request("GET", "/readyz")[0], 200)
            head = {"Authorization": f"Bearer {token}"}
            self.assertEqual(server.request("GET", "/v1/models", None, head)[0], 200)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_insecure_lets_anybody_in_until_there_are_tokens(self):
        server = Server(self.folder, "--listen", "0.0.0.0:0", "--insecure", "true").start()
        try:
            self.assertEqual(server.request("PUT", "/v1/models/m", document())[0], 201)
            made = server.request("POST", "/v1/tokens", {"role": "admin", "id": "a"})[2]["token"]
            self.assertEqual(server.request("GET", "/v1/models")[0], 401)
            head = {"Authorization": f"Bearer {made}"}
            # The last one that is revoked does not open it again.
            self.assertEqual(server.request("DELETE", "/v1/tokens/a", None, head)[0], 204)
            self.assertEqual(server.request("GET", "/v1/models", None, head)[0], 401)
            self.assertEqual(server.request("GET", "/v1/models")[0], 401)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_files_that_cannot_be_read_are_refused_without_their_words(self):
        path = os.path.join(self.folder, "tokens")
        good = "sgt_a_" + "ab" * 32
        lines = ["a read", f"a {good} read", f"a_b read {good}", f"b read {good}", f"a read {good[:-1]}",
                 f"a read {good} m never x", f"a read {good} m/n", f"a read {good} m 2027-13-01",
                 f"a read {good}\na read {good}", "a read sha256:" + "0" * 32 + ":" + "0" * 63, "x" * 2000]
        for line in lines:
            with open(path, "w", encoding="utf-8") as file:
                file.write(line + "\n")
            said = self.refused("--listen", "127.0.0.1:0", "--tokens-file", path)
            self.assertRegex(said, "line [12]", line)
            self.assertNotIn("abab", said)
        self.assertIn("tokens_file", self.refused("--listen", "127.0.0.1:0", "--tokens-file", path + "x"))

    def test_wrong_usage(self):
        for args in ((), ("create",), ("create", "--role", "root"), ("revoke",), ("list", "x"), ("make",),
                     ("create", "--role", "read", "--rate", "0"), ("create", "--role", "read", "--models", "a b"),
                     ("create", "--role", "read", "--id", "a_b"), ("create", "--role", "read", "--expires", "x")):
            done = binary("token", *args, "--db", self.db)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
        self.assertFalse(os.path.exists(self.db))

    def test_the_client_sends_it(self):
        token = binary("token", "create", "--role", "read", "--db", self.db).stdout.strip()
        server = Server(self.folder, "--require-tokens", "true").start()
        try:
            env = {**os.environ, "SURROGATED_SERVER": f"http://127.0.0.1:{server.port}"}
            path = os.path.join(self.folder, "token")
            with open(path, "w", encoding="utf-8") as file:
                file.write(token + "\n")
            none = binary("models", env=env)
            self.assertEqual(none.returncode, 1)
            self.assertIn("a token is needed", none.stderr)
            self.assertEqual(binary("models", env={**env, "SURROGATED_TOKEN": token}).returncode, 0)
            self.assertEqual(binary("models", "--token-file", path, env=env).returncode, 0)
            wrong = binary("models", env={**env, "SURROGATED_TOKEN": token[:-1] + "\n"})
            self.assertEqual(wrong.returncode, 2)
            self.assertNotIn(token[:-1], wrong.stderr)
            self.assertEqual(binary("models", "--token-file", path + "x", env=env).returncode, 2)
            refused = binary("models", "delete", "m", "--yes", "--token-file", path, env=env)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("role admin", refused.stderr)
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
