# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with a request under /v2 is answered with {"error": "a text"} and nothing else, also what is refused
before a handler runs."""

import json
import struct
import unittest

import oip
from harness import Server, ServerTest, architecture, document
from token_harness import TokenTest

ROWS = [[0.1, 0.2], [0.3, 0.4]]
GOOD = oip.tensor(ROWS)


def changed(**changes):
    return {"inputs": [{key: value for key, value in {**GOOD, **changes}.items() if value is not None}]}


# (body, what the error says)
JSON = [
    (b"", "empty"), (b"[]", "object"), (b"{", "line 1"), (b'{"inputs":[{"data":[1,NaN]}]}', "line 1"),
    ({}, "inputs is missing"), ({"inputs": {}}, "inputs is an object"), ({"inputs": []}, "1 to 1024 tensors"),
    ({"inputs": [GOOD] * 1025}, "1 to 1024 tensors"), ({"inputs": [1]}, "inputs[0] is a number"),
    ({"inputs": [GOOD], "ouputs": []}, "did you mean outputs"), ({"inputs": [GOOD], "id": 42}, "id"),
    ({"inputs": [GOOD], "id": "x" * 257}, "id"), (changed(name=None), "name is missing"),
    (changed(datatype=None), "datatype is missing"), (changed(datatype="FP65"), "FP64"),
    (changed(datatype="BYTES"), '"BYTES" is unknown'), (changed(shape=None), "shape is missing"),
    (changed(shape=[]), "1 to 8"), (changed(shape=[1] * 9), "1 to 8"), (changed(shape=[2, 2.5]), "shape[1]"),
    (changed(shape=[0, 2]), "shape[0]"), (changed(shape=[-1, 2]), "shape[0]"),
    (changed(shape=[1 << 62, 1 << 62]), "its shape has more than"), (changed(shape=[(1 << 26) + 1]), "its shape has more than"),
    (changed(shape=[1 << 26]), "its shape has 67108864"),
    (changed(shape=[3, 2]), "data has 4 numbers, its shape has 6"), (changed(shape=[4]), "[rows,2]"),
    (changed(shape=[4, 1]), "[rows,2]"), (changed(shape=[2, 1, 2]), "[2,1,2]"), (changed(data=None), "data is missing"),
    (changed(data=[]), "empty"), (changed(data="x"), "data is a string"), (changed(data=[[1, 2], [3]]), "row 1 has 1"),
    (changed(data=[1, 2, "3", 4]), "column 2 is a string"), (changed(data=[1, 2, None, 4]), "column 2 is null"),
    (b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,1e999]}]}', "beyond the range"),
    (changed(datatype="INT32"), "is no INT32"), (changed(datatype="UINT8", data=[1, 2, 3, 256]), "256, number 3"),
    (changed(datatype="FP32", data=[1, 2, 3, 1e39]), "is no FP32"), (changed(name="y"), 'input "y" is unknown'),
    ({"inputs": [GOOD, GOOD]}, 'input "x" is unknown'), (changed(extra=1), "extra"),
    (changed(parameters={"binary_data_size": 32}), "data and binary_data_size"),
    (changed(parameters=[]), "parameters is an array"), (changed(parameters={"content_type": "str"}), "content_type"),
    ({"inputs": [GOOD], "outputs": {}}, "outputs is an object"), ({"inputs": [GOOD], "outputs": [{}]}, "name is missing"),
    ({"inputs": [GOOD], "outputs": [{"name": "avg"}]}, "is not one of mean"),
    ({"inputs": [GOOD], "outputs": [{"name": "mean"}, {"name": "mean"}]}, "comes twice"),
    ({"inputs": [GOOD], "outputs": [{"name": "mean", "parameters": {"classification": 3}}]}, "classification"),
    ({"inputs": [GOOD], "outputs": [{"name": "mean", "parameters": {"datatype": "INT8"}}]}, "FP64 or FP32"),
    ({"inputs": [GOOD], "outputs": [{"name": "noise_variance"}]}, "noise"),
    ({"inputs": [GOOD], "outputs": [{"name": "feasible"}]}, "failed"),
    ({"inputs": [GOOD], "parameters": {"quantile": "0.5"}}, "did you mean quantiles"),
    ({"inputs": [GOOD], "parameters": {"quantiles": [0.5]}}, "is an array"),
    ({"inputs": [GOOD], "parameters": {"quantiles": "0.5,x"}}, "quantiles"),
    ({"inputs": [GOOD], "parameters": {"quantiles": "2"}}, "level in [0, 1]"),
    ({"inputs": [GOOD], "parameters": {"samples": 6}, "outputs": [{"name": "samples"}]}, "draws"),
    ({"inputs": [GOOD], "parameters": {"return": "mean"}}, 'parameter "return"'),
    ({"inputs": [GOOD], "parameters": {"sequence_id": 1}}, "sequence_id"),
    ({"inputs": [GOOD], "parameters": {"timeout": -1}}, "timeout"), ({"inputs": [GOOD], "parameters": 3}, "parameters is"),
]


class RefusedTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(arch=architecture(inputs=2)))

    def refused(self, status, method, path, body=None, headers=None):
        """The text of the error, the only member."""
        head, found = self.ok(status, method, path, body, headers)
        self.assertEqual(head["Content-Type"], "application/json")
        self.assertEqual(list(found), ["error"])
        return found["error"]


class Requests(RefusedTest):
    def test_json(self):
        for body, word in JSON:
            with self.subTest(body=body if len(str(body)) < 300 else word):
                self.assertIn(word, self.refused(400, "POST", "/v2/models/m/infer", body))
        self.ok(200, "POST", "/v2/models/m/infer", {"inputs": [GOOD], "id": "x" * 256})
        deep = {"inputs": [changed(data=[[[1, 2], [3, 4]]])["inputs"][0]]}
        self.assertIn("array", self.refused(400, "POST", "/v2/models/m/infer", deep))

    def test_lengths_that_lie(self):
        tensor, blob = oip.binary_tensor(ROWS)
        body, headers = oip.binary_body({"inputs": [tensor]}, blob)
        n = int(headers[oip.LENGTH])
        self.ok(200, "POST", "/v2/models/m/infer", body, headers)
        for length, word in ((n - 1, "line 1"), (n + 1, ""), (len(body) + 1, "the body has only"), (1 << 70, "has only"),
                             (-1, "number of bytes"), ("", "number of bytes"), ("1e2", "number of bytes"),
                             (f"0x{n:x}", "number of bytes")):
            with self.subTest(length=length):
                self.assertIn(word, self.refused(400, "POST", "/v2/models/m/infer", body, {oip.LENGTH: str(length)}))
        for size, blobs, word in ((31, (blob,), "need 32 bytes"), (33, (blob,), "need 32 bytes"),
                                  (1 << 62, (blob,), "need 32 bytes"), (-1, (blob,), "binary_data_size"),
                                  (32, (blob[:-1],), "only 31 bytes of the body are left"), (32, (), "only 0 bytes"),
                                  (32, (blob, b"!"), "1 bytes of the body belong to no input")):
            asked = {"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}
            with self.subTest(size=size, word=word):
                self.assertIn(word, self.refused(400, "POST", "/v2/models/m/infer", *oip.binary_body(asked, *blobs)))
        asked = {"inputs": [{**tensor, "shape": [1 << 40, 1 << 40]}]}
        self.assertIn("its shape has more", self.refused(400, "POST", "/v2/models/m/infer", *oip.binary_body(asked, blob)))

    def test_numbers_that_are_none(self):
        for datatype, number in (("FP64", float("nan")), ("FP32", float("-inf")), ("FP16", float("inf"))):
            tensor, blob = oip.binary_tensor([[0.5, 0.5], [0.5, number]], datatype)
            found = self.refused(400, "POST", "/v2/models/m/infer", *oip.binary_body({"inputs": [tensor]}, blob))
            self.assertIn("row 1, column 1 is not finite", found)
        for datatype, number, good in (("INT64", 1 << 53, True), ("INT64", -(1 << 53) - 1, False),
                                       ("UINT64", (1 << 64) - 1, False), ("UINT64", 1 << 53, True)):
            tensor, blob = oip.binary_tensor([[number, 0]], datatype)
            status, _, found = self.server.request("POST", "/v2/models/m/infer", *oip.binary_body({"inputs": [tensor]}, blob))
            self.assertEqual(status, 200 if good else 400, found)

    def test_an_output_beyond_float32(self):
        self.ok(201, "PUT", "/v1/models/big", document(
            arch=architecture(inputs=2, outputs=1),
            scaling={"outputs": [{"kind": "standard", "shift": 1e200, "scale": 1.0}]}))
        for parameters in ({}, {"binary_data_output": True}):
            asked = {"inputs": [GOOD], "outputs": [{"name": "mean"}], "parameters": {"datatype": "FP32", **parameters}}
            self.assertIn("ask for FP64", self.refused(422, "POST", "/v2/models/big/infer", asked))
        self.ok(200, "POST", "/v2/models/big/infer", {"inputs": [GOOD], "outputs": [{"name": "mean"}]})

    def test_paths_and_methods(self):
        for status, method, path, word in (
                (404, "GET", "/v2/nothing", "nothing"), (404, "GET", "/v2/models/none", "no model none"),
                (404, "GET", "/v2/models/m/versions/9/stats", "version 9"), (405, "PUT", "/v2/models/m", "GET"),
                (405, "GET", "/v2/models/m/infer", "POST"), (400, "GET", "/v2/models/m/versions/x/ready", "x"),
                (400, "GET", "/v2/models/m?a=1", "a"), (404, "GET", "/v2/models/m/trace/setting", "nothing"),
                (400, "POST", "/v2/models/-/infer", "-")):
            with self.subTest(path=path):
                self.assertIn(word, self.refused(status, method, path, {} if method == "POST" else None))
        self.assertEqual(self.refused(415, "POST", "/v2/models/m/infer", b"x", {"Content-Encoding": "br"})[:16],
                         "Content-Encoding")
        self.assertIn("nothing", self.ok(404, "GET", "/v2x")[1]["detail"])  # which is not of this family


class Limits(RefusedTest):
    flags = ("--max_rows", "3", "--max_body_bytes", "4096", "--base_path", "/here")

    def setUp(self):
        ServerTest.setUp(self)
        self.ok(201, "PUT", "/v1/models/m", document(arch=architecture(inputs=2, width=2), draws=1))

    def test_rows_and_bytes(self):
        for path in ("/v2/models/m/infer", "/here/v2/models/m/infer"):
            self.ok(200, "POST", path, {"inputs": [oip.tensor(ROWS[:1] * 3)]})
            self.assertIn("3 rows", self.refused(413, "POST", path, {"inputs": [oip.tensor(ROWS[:1] * 4)]}))
            self.assertIn("4096", self.refused(413, "POST", path, b" " * 4097))
        self.refused(404, "GET", "/here/v2/none")
        self.assertIn("/here/v2/none", self.refused(404, "GET", "/here/v2/none"))

    def test_a_time_that_is_over(self):
        asked = {"inputs": [GOOD], "parameters": {"timeout": 86400000000}}
        self.ok(200, "POST", "/v2/models/m/infer", asked)
        asked["parameters"]["timeout"] += 1
        self.assertIn("timeout", self.refused(400, "POST", "/v2/models/m/infer", asked))


class Doors(TokenTest):
    def refused(self, status, token, method, path, body=None):
        found, head, data = self.ask(token, method, path, body)
        self.assertEqual((found, list(data)), (status, ["error"]), data)
        return head

    def test_tokens_and_their_limits(self):
        admin = self.tokens["ADMIN"]
        self.assertEqual(self.status(admin, "PUT", "/v1/models/m", document(arch=architecture(inputs=2))), 201)
        asked = {"inputs": [GOOD]}
        self.assertIn("WWW-Authenticate", self.refused(401, None, "POST", "/v2/models/m/infer", asked))
        self.refused(401, "sgt_x_" + "0" * 64, "GET", "/v2")
        self.refused(403, self.tokens["PREDICT"], "POST", "/v2/repository/models/m/unload", {})
        self.assertEqual(self.status(None, "GET", "/v2/health/ready"), 200)
        status, _, made = self.ask(admin, "POST", "/v1/tokens", {"role": "predict", "rate": 1})
        self.assertEqual(status, 201, made)
        head = None
        for _ in range(20):
            status, head, data = self.ask(made["token"], "POST", "/v2/models/m/infer", asked)
            if status == 429:
                self.assertEqual(list(data), ["error"])
                break
        self.assertEqual(status, 429)
        self.assertGreaterEqual(int(head["Retry-After"]), 1)
        status, _, made = self.ask(admin, "POST", "/v1/tokens", {"role": "admin", "models": "other*"})
        self.assertEqual(status, 201, made)
        self.refused(403, made["token"], "POST", "/v2/models/m/infer", asked)
        self.assertEqual(self.ask(made["token"], "POST", "/v2/repository/index")[2], [])
        self.assertEqual(self.ask(made["token"], "GET", "/v2/models")[2], {"models": []})
        self.assertEqual(self.ask(made["token"], "GET", "/v2/models/stats")[2], {"model_stats": []})


if __name__ == "__main__":
    unittest.main()
