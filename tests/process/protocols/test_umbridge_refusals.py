# SPDX-License-Identifier: Apache-2.0
"""Every refusal on UM-Bridge's routes has the protocol's form: its clients look into the body, whatever the status."""

import gzip
import json
import re
import unittest

import described
from harness import ServerTest, architecture, document
from token_harness import TokenTest
from umbridge_calls import POINT, Caller, check_error, draws_model

POSTS = ("/ModelInfo", "/InputSizes", "/OutputSizes", "/Evaluate", "/Gradient", "/ApplyJacobian", "/ApplyHessian")
GRADIENT = {"name": "m", "outWrt": 0, "inWrt": 0, "input": [POINT], "sens": [1, 2]}
HESSIAN = {"name": "m", "outWrt": 0, "inWrt1": 0, "inWrt2": 0, "input": [POINT], "sens": [1, 2], "vec": [1, 2, 3]}


class RefusalTest(ServerTest):
    flags = ("--max-body-bytes", "2000")

    def setUp(self):
        super().setUp()
        self.caller = Caller(self.server.port, described.base_of(self.flags))

    def refused(self, status, kind, path, body, headers=None, method="POST"):
        found, given, answer = self.caller.send(method, path, body, headers)
        self.assertEqual((found, given["Content-Type"]), (status, "application/json"), (path, body, answer))
        return check_error(answer, kind)


class Bodies(RefusalTest):
    flags = ()

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", draws_model())

    def test_what_is_no_request(self):
        for path in POSTS:
            for body, says in (("", "empty"), ("[", "line 1"), ("[]", "an array"), ("3", "expected"), ("{}", "name is missing"),
                               ('{"name":3}', "name is a number"), ('{"name":"m","name":"m"}', "duplicate"),
                               ('{"name":"\xff"}'.encode("latin-1"), "UTF-8"), ("[" * 40, "deep"), ('{"name":"m\\u0000"}', "u0000")):
                self.assertIn(says, self.refused(400, "InvalidInput", path, body))
            for name in ("", "no", "M", "m.", "m.mean", "m.STD", ".std", "m.std.std", "m" * 100):
                self.refused(400, "ModelNotFound", path, {"name": name})

    def test_configs(self):
        for config, says in ((3, "config is"), ([1], "config is"), ("x", "config is"), ({"level": 1}, 'key "level" is unknown'),
                             ({"output": "mean"}, "did you mean outputs?"), ({"outputs": []}, "is empty"), ({"outputs": 3}, "a number"),
                             ({"outputs": ["mean", "mean"]}, "twice"), ({"outputs": ["median"]}, '"median" is unknown'),
                             ({"outputs": [None]}, "null"), ({"outputs": "stdd"}, "did you mean std?"),
                             ({"quantiles": [1.5]}, "a level in [0, 1] is needed"), ({"quantiles": []}, "1 to 64 levels"),
                             ({"quantiles": [0.5] * 65}, "1 to 64 levels"), ({"seed": "x"}, "seed"), ({"version": 0}, "version"),
                             ({"version": "prod"}, "@prod")):
            for path in POSTS:
                self.assertIn(says, self.refused(400, "InvalidInput", path, {"name": "m", "config": config}))
        self.assertEqual(self.caller.good("/OutputSizes", {"name": "m.quantiles", "config": {"quantiles": [0.5] * 64}},
                                          "outputSizes"), [128])

    def test_inputs(self):
        for given, says in ((None, "input is null"), (3, "input is a number"), ([1, 2, 3], "3 vectors"), ([None], "input 0 is null"),
                            ([[1, 2, "3"]], "number 2 is a string"), ([[1, None, 3]], "number 1 is null"), ([[[1], 2, 3]], "number 0"),
                            ([[]], "0 numbers"), ([[1, -2, 3]], "takes its logarithm")):
            for path, body in (("/Evaluate", {"name": "m"}), ("/Gradient", GRADIENT), ("/ApplyHessian", HESSIAN)):
                self.assertIn(says, self.refused(400, "InvalidInput", path, {**body, "input": given}))
        for token in ("NaN", "Infinity", "-Infinity", "1e400", "nan", "+1"):
            self.assertIn("line 1", self.refused(400, "InvalidInput", "/Evaluate", f'{{"name":"m","input":[[1,{token},3]]}}'))

    def test_directions(self):
        for path, body, key in (("/Gradient", GRADIENT, "sens"), ("/ApplyHessian", HESSIAN, "sens"), ("/ApplyHessian", HESSIAN, "vec")):
            for wrong in (None, 3, [], [1], [1, 2, 3, 4], ["a", "b"], [[1, 2]], {}):
                self.assertIn(key, self.refused(400, "InvalidInput", path, {**body, key: wrong}))
            without = {k: v for k, v in body.items() if k != key}
            self.assertIn(f"{key} is missing", self.refused(400, "InvalidInput", path, without))
        for wrong in (None, "0", 0.5, [0], 1, -1):
            self.refused(400, "InvalidInput", "/Gradient", {**GRADIENT, "inWrt": wrong})

    def test_numbers_that_are_none(self):
        self.ok(201, "PUT", "/v1/models/big", document(arch=architecture(inputs=1, outputs=1, final="exp"), scaling={
            "inputs": [{"kind": "none"}], "outputs": [{"kind": "range", "shift": 0, "scale": 1e308}]}))
        values = [self.caller.post("/Evaluate", {"name": "big", "input": [[x]]}) for x in (-30, -3, 0, 3, 30)]
        bad = [answer for status, _, answer in values if status == 500]
        self.assertTrue(bad, values)  # exp beyond 1 somewhere
        for answer in bad:
            check_error(answer, "InvalidOutput")
        for status, _, answer in values:
            self.assertIn(status, (200, 500), answer)


class Heads(RefusalTest):
    """What is refused before a handler sees it."""

    def test_each_of_them(self):
        body = {"name": "m", "input": [POINT]}
        for path in POSTS:
            self.refused(405, "MethodNotAllowed", path, None, method="GET")
            self.refused(413, "TooLarge", path, json.dumps(body) + " " * 2000)
            self.refused(421, "Forbidden", path, body, {"Host": "evil.example"})
            self.refused(403, "Forbidden", path, body, {"Host": "localhost", "Origin": "http://evil.example"})
            self.refused(400, "InvalidInput", path + "?x=1", body)
            self.refused(400, "InvalidInput", path, body, {"Request-Timeout-Ms": "soon"})
            self.refused(415, "InvalidInput", path, body, {"Content-Encoding": "br"})
            self.refused(400, "InvalidInput", path, body, {"Content-Encoding": "gzip"})
            self.refused(413, "TooLarge", path, gzip.compress(b" " * 3000), {"Content-Encoding": "gzip"})
        self.refused(405, "MethodNotAllowed", "/Info", body)
        self.refused(421, "Forbidden", "/Info", None, {"Host": "evil.example"}, "GET")

    def test_paths_of_no_route_are_as_everywhere(self):
        for path in ("/evaluate", "/Evaluate/", "/TestShMem", "/EvaluateShMem", "/E"):
            status, headers, answer = self.caller.post(path, {})
            self.assertEqual((status, headers["Content-Type"]), (404, "application/problem+json"))
            self.assertEqual(answer["title"], "not found")


class BelowABasePath(RefusalTest):
    flags = ("--max-body-bytes", "2000", "--base-path", "/surrogate")

    def test_the_form_is_the_same(self):
        for base in ("/surrogate", ""):
            self.refused(413, "TooLarge", base + "/Evaluate", " " * 3000)
            self.refused(421, "Forbidden", base + "/Evaluate", "{}", {"Host": "evil.example"})
            self.refused(400, "InvalidInput", base + "/Evaluate", "{}")
        self.assertEqual(self.caller.send("GET", "/surrogate/Info")[2]["models"], [])


class Tokens(TokenTest):
    def prepare(self):
        self.tokens = {"of m": self.create("--role", "predict", "--models", "m"),
                       "of others": self.create("--role", "predict", "--models", "other*"),
                       "slow": self.create("--role", "predict", "--rate", "1"),
                       "admin": self.create("--role", "admin")}

    def setUp(self):
        super().setUp()
        self.caller = Caller(self.server.port)
        for name in ("m", "n"):
            self.assertEqual(self.ask(self.tokens["admin"], "PUT", f"/v1/models/{name}", draws_model())[0], 201)

    def send(self, token, path, body=None):
        headers = {"Authorization": f"Bearer {self.tokens.get(token, 'no')}"} if token else {}
        return self.caller.send("GET" if path == "/Info" else "POST", path, body, headers)

    def test_who_may_not_come_in_is_told_in_the_same_form(self):
        for path in (*POSTS, "/Info"):
            for token in (None, "bad"):
                status, headers, answer = self.send(token, path, {"name": "m"} if path != "/Info" else None)
                self.assertEqual((status, headers["WWW-Authenticate"]), (401, 'Bearer realm="surrogated"'))
                check_error(answer, "Unauthorized")

    def test_a_token_of_some_models_learns_nothing_of_others(self):
        self.assertEqual(self.send("of others", "/Info")[2]["models"], [])
        self.assertEqual({n.split(".")[0] for n in self.send("of m", "/Info")[2]["models"]}, {"m"})
        self.assertEqual(self.send("of m", "/InputSizes", {"name": "m.std"})[0], 200)
        said = set()
        for name in ("n", "n.std", "missing", "missing.std"):  # whether they exist or not
            status, _, answer = self.send("of m", "/InputSizes", {"name": name})
            self.assertEqual(status, 403)
            said.add(re.sub(rf"\b{re.escape(name)}$", "..", check_error(answer, "Forbidden")))
        self.assertEqual(len(said), 1, said)

    def test_beyond_a_limit_it_says_when_to_come_back(self):
        for _ in range(100):
            status, headers, answer = self.send("slow", "/Evaluate", {"name": "m", "input": [POINT]})
            if status == 429:
                break
        self.assertEqual(status, 429)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        check_error(answer, "TooManyRequests")


if __name__ == "__main__":
    unittest.main()
