# SPDX-License-Identifier: Apache-2.0
"""Every route by every role and none, by wrong, expired and revoked tokens and by those of some models, with TLS and
without. The table is written down here: a route that is not in it fails the test."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
import unittest

from harness import PATIENCE, architecture, binary, document, rows
from token_harness import ROLES, TokenTest, routes

# What a token must have for a route, and what one of some models sees of it:
#   open      nothing is needed
#   named     the path names the model: 403 for others
#   body      the body names it: the same
#   hidden    the path names a job: of other models it is 404, as if it were not there
#   filtered  it shows what the token sees
#   whole     it is of all models: 403
TABLE = {
    "GET /": ("PREDICT", "filtered"),
    "GET /ui": ("NONE", "open"),
    "GET /ui/": ("NONE", "open"),
    "GET /ui/{f}": ("NONE", "open"),
    "GET /openapi.json": ("PREDICT", "filtered"),
    "POST /predict": ("PREDICT", "body"),
    "POST /v1/models/{m}/predict": ("PREDICT", "named"),
    "POST /v1/models/{m}/versions/{v}/predict": ("PREDICT", "named"),
    "POST /v1/models/{m}/evaluate": ("PREDICT", "named"),
    "POST /v1/models/{m}/versions/{v}/evaluate": ("PREDICT", "named"),
    "POST /v1/models/{m}/compare": ("READ", "named"),
    "GET /v1/models": ("READ", "filtered"),
    "PUT /v1/models/{m}": ("WRITE", "named"),
    "GET /v1/models/{m}": ("READ", "named"),
    "DELETE /v1/models/{m}": ("ADMIN", "named"),
    "GET /v1/models/{m}/versions/{v}": ("READ", "named"),
    "DELETE /v1/models/{m}/versions/{v}": ("ADMIN", "named"),
    "GET /v1/models/{m}/versions/{v}/export": ("READ", "named"),
    "GET /v1/models/{m}/versions/{v}/diagnostics": ("READ", "named"),
    "GET /v1/models/{m}/versions/{v}/rows": ("READ", "named"),
    "GET /v1/models/{m}/diagnostics": ("READ", "named"),
    "PUT /v1/models/{m}/default": ("WRITE", "named"),
    "GET /v1/models/{m}/promotions": ("READ", "named"),
    "GET /v1/models/{m}/aliases": ("READ", "named"),
    "PUT /v1/models/{m}/aliases/{a}": ("WRITE", "named"),
    "DELETE /v1/models/{m}/aliases/{a}": ("WRITE", "named"),
    "PUT /v1/models/{m}/keep": ("WRITE", "named"),
    "POST /v1/models/{m}/data": ("WRITE", "named"),
    "GET /v1/models/{m}/data": ("READ", "named"),
    "DELETE /v1/models/{m}/data": ("ADMIN", "named"),
    "GET /v1/models/{m}/data/batches": ("READ", "named"),
    "DELETE /v1/models/{m}/data/batches/{b}": ("ADMIN", "named"),
    "GET /v1/models/{m}/data/rows": ("READ", "named"),
    "PUT /v1/models/{m}/space": ("WRITE", "named"),
    "GET /v1/models/{m}/space": ("READ", "named"),
    "DELETE /v1/models/{m}/space": ("WRITE", "named"),
    "POST /v1/models/{m}/design": ("WRITE", "named"),
    "POST /v1/models/{m}/suggest": ("WRITE", "named"),
    "POST /v1/models/{m}/optimize": ("READ", "named"),
    "POST /v1/models/{m}/train": ("WRITE", "named"),
    "PUT /v1/models/{m}/policy": ("WRITE", "named"),
    "GET /v1/models/{m}/policy": ("READ", "named"),
    "DELETE /v1/models/{m}/policy": ("WRITE", "named"),
    "GET /v1/jobs": ("READ", "filtered"),
    "DELETE /v1/jobs": ("WRITE", "filtered"),
    "GET /v1/jobs/{id}": ("READ", "hidden"),
    "POST /v1/models/{m}/analyses": ("WRITE", "named"),
    "POST /v1/models/{m}/calibrations": ("WRITE", "named"),
    "GET /v1/jobs/{id}/result": ("READ", "hidden"),
    "GET /v1/jobs/{id}/curves": ("READ", "hidden"),
    "DELETE /v1/jobs/{id}": ("WRITE", "hidden"),
    "GET /v1/jobs/{id}/events": ("READ", "hidden"),
    "POST /v1/tokens": ("ADMIN", "whole"),
    "GET /v1/tokens": ("ADMIN", "whole"),
    "GET /v1/token": ("PREDICT", "own"),
    "DELETE /v1/tokens/{t}": ("ADMIN", "whole"),
    "GET /v1/audit": ("ADMIN", "whole"),
    "POST /v1/replicas": ("READ", "whole"),
    "GET /v1/status": ("ADMIN", "whole"),
    "GET /healthz": ("NONE", "open"),
    "GET /readyz": ("NONE", "open"),
    "GET /metrics": ("READ", "whole"),
    "GET /v2": ("PREDICT", "filtered"),
    "GET /v2/": ("PREDICT", "filtered"),
    "GET /v2/health/live": ("NONE", "open"),
    "GET /v2/health/ready": ("NONE", "open"),
    "GET /v2/models": ("READ", "filtered"),
    "GET /v2/models/stats": ("READ", "filtered"),
    "GET /v2/models/{m}": ("PREDICT", "named"),
    "GET /v2/models/{m}/versions/{v}": ("PREDICT", "named"),
    "GET /v2/models/{m}/ready": ("PREDICT", "named"),
    "GET /v2/models/{m}/versions/{v}/ready": ("PREDICT", "named"),
    "GET /v2/models/{m}/config": ("READ", "named"),
    "GET /v2/models/{m}/versions/{v}/config": ("READ", "named"),
    "GET /v2/models/{m}/stats": ("READ", "named"),
    "GET /v2/models/{m}/versions/{v}/stats": ("READ", "named"),
    "POST /v2/models/{m}/infer": ("PREDICT", "named"),
    "POST /v2/models/{m}/versions/{v}/infer": ("PREDICT", "named"),
    "POST /v2/repository/index": ("READ", "filtered"),
    "POST /v2/repository/models/{m}/unload": ("WRITE", "named"),
    "POST /v2/repository/models/{m}/load": ("WRITE", "named"),  # after the other, and before what needs the model
}
TABLE.update({"GET /Info": ("PREDICT", "filtered"), **{f"POST /{name}": ("PREDICT", "body") for name in (
    "ModelInfo", "InputSizes", "OutputSizes", "Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian")}})
FILL = {"{m}": "m", "{v}": "1", "{a}": "prod", "{b}": "1", "{id}": "1", "{t}": "nobody", "{f}": "app.js"}
INFER = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [0.1, 0.2]}]}
BODIES = {"POST /v1/replicas": {"name": "a:1", "registry_version": 1}, "POST /predict": {"model": "m", "inputs": [[0.1, 0.2]]},
          "POST /v2/models/{m}/infer": INFER, "POST /v2/models/{m}/versions/{v}/infer": INFER}
UMBRIDGE = {"name": "m", "input": [[0.1, 0.2]], "outWrt": 0, "inWrt": 0, "inWrt1": 0, "inWrt2": 0, "sens": 1, "vec": [1, 2]}
BODIES.update({route: UMBRIDGE for route in TABLE if route.startswith("POST /") and route[6].isupper()})


class Complete(unittest.TestCase):
    def test_the_table_has_every_route_and_the_server_asks_for_the_same(self):
        self.assertEqual({f"{method} {path}": role for method, path, role in routes()},
                         {route: role for route, (role, _) in TABLE.items()})


class Plain(TokenTest):
    """No deletion comes before the requests for what it deletes."""

    def prepare(self):
        self.tokens = {}  # by (role, models)
        for role in ROLES[1:]:
            for models in ("*", "m*,x", "other*"):
                name = f"{role.lower()}-{len(self.tokens)}"
                self.tokens[role, models] = self.create("--role", role.lower(), "--models", models, "--id", name)
        self.admin = self.tokens["ADMIN", "*"]
        expired = self.create("--role", "admin", "--expires", "2020-02-29")
        revoked = self.create("--role", "admin", "--id", "revoked")
        self.assertEqual(binary("token", "revoke", "revoked", "--db", self.server.db).returncode, 0)
        wrong = self.admin[:-1] + ("0" if self.admin[-1] != "0" else "1")
        self.bad = {"none": None, "wrong": wrong, "expired": expired, "revoked": revoked, "cut": self.admin[:-1]}

    def setUp(self):
        super().setUp()
        self.connection = self.connect()
        self.addCleanup(self.connection.close)
        model = document(arch=architecture(inputs=2, outputs=1))
        for name in ("m", "other"):
            self.done(201, "PUT", f"/v1/models/{name}", model)
            self.done(201, "POST", f"/v1/models/{name}/data", rows(30))
        job = self.done(202, "POST", "/v1/models/m/train",
                        {"solver": "ensemble", "settings": {"epochs": 2}, "gate": None})["id"]
        self.assertEqual(job, 1)
        end = time.time() + PATIENCE
        while self.done(200, "GET", "/v1/jobs/1")["state"] != "succeeded" and time.time() < end:
            time.sleep(0.05)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def once(self, token, method, path, body=None):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        kind = answer.getheader("Content-Type") or ""
        return answer.status, answer.headers, json.loads(data) if data and "json" in kind else data

    def done(self, wanted, method, path, body=None):
        status, _, answer = self.once(self.admin, method, path, body)
        self.assertEqual(status, wanted, answer)
        return answer

    def expect(self, role, models, needed, sees):
        """The status that a token gets; None: that of the handler, whatever it is."""
        if ROLES.index(role) < ROLES.index(needed):
            return 403
        if models == "*" or sees in ("open", "own", "filtered"):
            return None
        if sees == "whole":
            return 403
        return None if models.startswith("m") else 404 if sees == "hidden" else 403

    def test_every_route_by_every_token(self):
        for (role, models), token in self.tokens.items():
            own = self.once(token, "GET", "/v1/token")[2]
            self.assertEqual((own["role"], own["models"], own["expires"]), (role.lower(), models, None))
            self.assertTrue(token.startswith(f"sgt_{own['id']}_"))
        order = sorted(TABLE.items(), key=lambda item: (item[0].startswith("DELETE"), -len(item[0])))
        for route, (needed, sees) in order:
            method, path = route.split(" ")
            for brace, name in FILL.items():
                path = path.replace(brace, name)
            for asked in (method, "HEAD") if method == "GET" else (method,):
                with self.subTest(route=route, method=asked):
                    self.one_route(asked, path, needed, sees, BODIES.get(route))

    def one_route(self, method, path, needed, sees, body):
        for name, token in self.bad.items():
            status, headers, _ = self.once(token, method, path, body)
            if needed == "NONE":
                self.assertEqual(status, 308 if path == "/ui" else 200, name)  # that leads to /ui/
                continue
            self.assertEqual((status, headers["WWW-Authenticate"]), (401, 'Bearer realm="surrogated"'), name)
        # The weakest first, since the strongest may delete what is asked for.
        for (role, models), token in sorted(self.tokens.items(), key=lambda item: (item[0][1] != "other*", item[0][1],
                                                                                     ROLES.index(item[0][0]))):
            status, _, answer = self.once(token, method, path, body)
            wanted = self.expect(role, models, needed, sees)
            where = f"{role} of {models}: {status} {answer!r:.200}"
            if wanted is None:
                self.assertNotIn(status, (401, 403), where)
                self.assertLess(status, 500, where)
            else:
                self.assertEqual(status, wanted, where)
                if status == 403 and method != "HEAD" and ROLES.index(role) < ROLES.index(needed):
                    self.assertIn(f"role {needed.lower()}", answer.get("detail", answer.get("error")))


@unittest.skipUnless(shutil.which("openssl"), "the openssl command is missing: apt-get install openssl")
class OverTls(Plain):
    def prepare(self):
        super().prepare()
        cert, key = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        self.cert = cert
        self.server.flags = (*self.flags, "--tls_cert", cert, "--tls_key", key)

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=PATIENCE,
                                           context=ssl.create_default_context(cafile=self.cert))


if __name__ == "__main__":
    unittest.main()
