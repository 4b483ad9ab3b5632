# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with a request is answered 4xx with the place named, and nothing is stored."""

import json
import socket
import time
import unittest

from harness import PATIENCE, ServerTest, architecture, document, full_document

GOOD = '{"model":"m","inputs":[[1,2,3]]}'

PREDICT = [
    # body, status, word of the answer
    ('{"model":"m","inputs":[[1,2]]}', 400, "row 0 has 2 numbers, 3 are needed"),
    ('{"model":"m","inputs":[1,2]}', 400, "2 numbers, 3"),
    ('{"model":"m","inputs":[[1,2,3],[1,2]]}', 400, "row 1 has 2"),
    ('{"model":"m","inputs":[[1,2,"3"]]}', 400, "row 0, column 2 is a string"),
    ('{"model":"m","inputs":[[1,null,3]]}', 400, "row 0, column 1 is null"),
    ('{"model":"m","inputs":[[1,true,3]]}', 400, "truth value"),
    ('{"model":"m","inputs":[[1,[2],3]]}', 400, "an array, not a number"),
    ('{"model":"m","inputs":[[1,NaN,3]]}', 400, "line 1"),
    ('{"model":"m","inputs":[[1,-Infinity,3]]}', 400, "line 1"),
    ('{"model":"m","inputs":[[1,1e999,3]]}', 400, "beyond the range"),
    ('{"model":"m","inputs":[[1,0x10,3]]}', 400, "line 1"),
    ('{"model":"m","inputs":[[1,+2,3]]}', 400, "line 1"),
    ('{"model":"m","inputs":[[1,02,3]]}', 400, "line 1"),
    ('{"model":"m","inputs":[[1,2,3],]}', 400, "line 1"),
    ('{"model":"m","inputs":[]}', 400, "empty"),
    ('{"model":"m","inputs":[[]]}', 400, "0 numbers"),
    ('{"model":"m","inputs":{}}', 400, "object"),
    ('{"model":"m","inputs":"x"}', 400, "string"),
    ('{"model":"m"}', 400, "inputs is missing"),
    ('{"inputs":[[1,2,3]]}', 400, "model is missing"),
    ('{"model":"m","model":"m","inputs":[[1,2,3]]}', 400, "duplicate"),
    ('{"model":"m","inputs":[[1,2,3]],"inpts":1}', 400, "inpts"),
    ('{"model":"m","inputs":[[1,2,3]]', 400, "line 1"),
    ('{"model":"m","inputs":[[1,2,3]]} x', 400, "end of file"),
    ('{"inputs":[[1,2,3]],\n"model":"m",}', 400, "line 2, column 13"),
    ('{"inputs":[[1,2,3]],"inputs":[[1,2,3]],"model":"m"}', 400, "duplicate"),
    ('{"model":"m","inputs":[[1,2,3] [4,5,6]]}', 400, "line 1, column 32"),
    ('{"model":"m","inputs":[[1 2,3]]}', 400, "line 1, column 27"),
    ('{"model":"m","inputs":[[1,2,3', 400, "expected"),
    ('{"model":"m","inputs":[[1,2,3],4]}', 400, "row 1 is a number"),
    ('{"model":"m","inputs":[1,[2],3]}', 400, "row 0, column 1 is an array"),
    ('{"model":"m","inputs":[[1,2,3],null]}', 400, "row 1, column 0 is null"),
    ('{"model":"m","in\\u0070uts":[[1,2,3]]}', 400, "inputs is an array"),
    ('', 400, "empty"),
    ('[]', 400, "object"),
    ('"x"', 400, "line 1"),
    (b'{"model":"\xff","inputs":[[1,2,3]]}', 400, "UTF-8"),
    (b'{"model":"m\x00","inputs":[[1,2,3]]}', 400, ""),
    ('[' * 33 + ']' * 33, 400, "nested deeper than 32"),
    ('[' * 100000, 400, "nested deeper"),
    ('{"model":"m","inputs":[[1,2,3]],"return":[]}', 400, "return"),
    ('{"model":"m","inputs":[[1,2,3]],"return":["avg"]}', 400, "avg"),
    ('{"model":"m","inputs":[[1,2,3]],"quantiles":[2]}', 400, "level"),
    ('{"model":"m","inputs":[[1,2,3]],"quantiles":[]}', 400, "quantiles"),
    ('{"model":"m","inputs":[[1,2,3]],"samples":6}', 400, "draws"),
    ('{"model":"m","inputs":[[1,2,3]],"samples":0}', 400, "samples"),
    ('{"model":"m","inputs":[[1,2,3]],"samples_of":"noise"}', 400, '"function" or "observations"'),
    ('{"model":"m","inputs":[[1,2,3]],"samples_of":1}', 400, 'samples_of is a number'),
    ('{"model":"m","inputs":[[1,2,3]],"samples_of":"observations"}', 400, "no noise"),
    ('{"model":"m","inputs":[[1,2,3]],"total_quantiles":[0.5]}', 400, "no noise"),
    ('{"model":"m","inputs":[[1,2,3]],"covariance":"all"}', 400, "covariance"),
    ('{"model":"m","inputs":[[1,2,3]],"covariance":true}', 400, '"outputs" or "rows"'),
    ('{"model":"m","inputs":[[1,2,3]],"return":"mean"}', 400, "return is a string"),
    ('{"model":"m","inputs":[[1,2,3]],"return":["total_variance"]}', 400, "noise"),
    ('{"model":"m","version":0,"inputs":[[1,2,3]]}', 400, "version"),
    ('{"model":"m","version":"latest","inputs":[[1,2,3]]}', 400, "latest"),
    ('{"model":"m","version":2,"inputs":[[1,2,3]]}', 404, "no version 2"),
    ('{"model":"nobody","inputs":[[1,2,3]]}', 404, "nobody"),
    ('{"model":"../m","inputs":[[1,2,3]]}', 400, "name"),
    ('{"model":"","inputs":[[1,2,3]]}', 400, "name"),
]


def changed(path, value, **kwargs):
    """A good document with one place changed."""
    model = document(**kwargs)
    at = model
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(model)


def full(path, value):
    """The fullest document with one place changed."""
    model = full_document()
    at = model
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(model)


def without(*path):
    model = document()
    at = model
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return json.dumps(model)


DOCUMENTS = [
    ("{}", "architecture is missing"),
    ("[]", "object"),
    (without("posterior"), "posterior is missing"),
    (without("architecture", "width"), "width is missing"),
    (without("posterior", "kind"), "kind is missing"),
    (changed(["architecture", "width"], 0), "width"),
    (changed(["architecture", "width"], 5.5), "width"),
    (changed(["architecture", "width"], 10**9), "width"),
    (changed(["architecture", "layers"], -1), "layers"),
    (changed(["architecture", "basis"], "spline"), '"spline" is unknown; constant, linear'),
    (changed(["architecture", "activation"], "cube"),
     '"cube" is unknown; tanh, identity, relu, sin, silu and gelu are known'),
    (changed(["architecture", "order"], 2), "order"),
    (changed(["architecture", "layer_pre"], False), "width 5 must equal inputs 3"),
    (changed(["architecture", "widht"], 3), "did you mean width?"),
    (changed(["architecture", "horizon"], 0), "horizon"),
    (changed(["architecture", "bias"], 1), "bias"),
    (changed(["posterior", "kind"], "cloud"), "cloud"),
    (changed(["posterior", "parameters"], []), "empty"),
    (changed(["posterior", "parameters"], [0.1, 0.2]), "parameters"),
    (changed(["posterior", "parameters"], {}), "an object"),
    (changed(["posterior", "parameters"], None), "null"),
    (changed(["posterior", "parameters"], [[1.0]]), "row 0 has 1 number, 92 are"),
    (changed(["posterior", "parameters", 1], "x"), "row 1"),
    (changed(["posterior", "parameters", 1, 4], "x"), "row 1, column 4 is a string"),
    (changed(["posterior", "parameters", 1, 4], None), "row 1, column 4 is null"),
    (changed(["posterior", "parameters", 1, 4], float("nan")), "line"),
    (changed(["posterior", "parameters", 2, 0], 12345).replace("12345", "1e999"), "beyond the range"),
    (changed(["posterior", "weights"], [1, 2]), "weights"),
    (changed(["scaling"], {"inputs": []}), "scaling: inputs"),
    (changed(["scaling"], {"inputs": [{"kind": "standard", "shift": 0, "scale": -1e-9}] * 3}), "scale"),
    (changed(["scaling"], {"inputs": [{"kind": "standard"}] * 3}), "shift is missing"),
    (changed(["scaling"], {"inputs": [{"kind": "cube", "shift": 0, "scale": 1}] * 3}), "cube"),
    (changed(["noise"], {"sigma": [1]}), "noise sigma"),
    (changed(["noise"], {"sigma": [1, -1]}), "noise sigma"),
    (changed(["training_range"], [[0, 1]]), "training_range"),
    (changed(["training_range"], [[0, 1], [1, 0], [0, 1]]), "low <= high"),
    (changed(["names"], {"inputs": ["a"]}), "names"),
    (changed(["names"], {"inputs": ["a" * 300, "b", "c"]}), "names"),
    (changed(["seed"], 1.5), "seed"),
    (changed(["precision"], "float16"), "float16"),
    (changed(["colour"], 1), "colour"),
    (full(["posterior", "draws"], 0), "draws"),
    (full(["posterior", "draws"], 100000), "400000 posterior draws"),
    (full(["posterior", "seed"], "x"), "seed"),
    (full(["posterior", "predictive"], "guessed"), "guessed"),
    (full(["posterior", "members"], []), "members"),
    (full(["posterior", "members"], {}), "members"),
    (full(["posterior", "members", 1], 3), "members[1] is a number, an object is needed"),
    (full(["posterior", "members", 1, "colour"], 3), "colour"),
    (full(["posterior", "members", 2, "mean"], [1, 2]), "members[2]: mean"),
    (full(["posterior", "members", 2, "mean"], None), "members[2]: mean"),
    (full(["posterior", "members", 2, "mean", 4], "x"), "members[2].mean: row 0, column 4"),
    (full(["posterior", "members", 0, "mean"], [[1]]), "members[0]: mean"),
    (full(["posterior", "members", 0, "first"], -1), "first"),
    (full(["posterior", "members", 0, "first"], 10**6), "first"),
    (full(["posterior", "members", 0, "first"], 3), "uncertain parameters from 3"),
    (full(["posterior", "members", 3, "std"], "x"), "members[3]: std is a string"),
    (full(["posterior", "members", 3, "std"], []), "members[3].std is empty"),
    (full(["posterior", "members", 3, "std"], [[1]]), "members[3]: std"),
    (full(["posterior", "members", 3, "std"], [1, 2]), "members[3]: std has 2 numbers"),
    (full(["posterior", "members", 3, "std", 0], -1), "member 3: std of parameter 1"),
    (full(["posterior", "members", 3, "factor"], [1, 2]), "members[3]: std"),
    (full(["posterior", "members", 3, "factor", 1], [1]), "members[3].factor: row 1 has 1"),
    (full(["posterior", "members", 3, "factor", 1, 0], True), "row 1, column 0 is a truth value"),
    (full(["posterior", "parameters"], [[1]]), "parameters"),
    (full(["architecture", "final"], "exp"), "final none"),
    (full(["architecture"], architecture(outputs=3)), "mean"),
    (full(["noise"], {"kind": "guessed"}), "guessed"),
    (full(["noise"], {"kind": "predicted", "sigma": [1, 1]}), "sigma"),
    (full(["noise"], {"kind": 1}), "kind"),
    (changed(["noise"], {"kind": "predicted"}, arch=architecture(outputs=1)), "network has 1"),
    (changed(["noise"], {"kind": "predicted"}, arch=architecture(outputs=3)), "even number"),
    (full(["scaling"], {"outputs": [{"kind": "none"}] * 4}), "2 scalers"),
    (full(["scaling"], {"outputs": [{"kind": "none"}, {"kind": "log", "shift": 0, "scale": 1}]}),
     "scaling of output 1 is log"),
    (full(["scores", "nll"], [1]), "scores nll"),
    (full(["scores", "crps"], ["x", 1]), "scores crps[0] is a string"),
    (full(["scores", "coverage"], [[1, 2, 3]]), "scores coverage"),
    (full(["scores", "coverage", 1], [1, 2]), "scores coverage"),
    (full(["calibration", "method"], "none"), "method"),
    (full(["calibration", "method"], "split"), "calibration"),
    (full(["calibration", "folds"], 1), "fold[1]"),
    (full(["calibration", "folds"], 3), "must be 3 rows"),
    (full(["calibration"], {**full_document()["calibration"], "folds": 3, "fold_noise": None}), "3 folds"),
    (full(["calibration", "fold"], None), "needs the fold of each row"),
    (full(["calibration", "fold"], [0, 1]), "fold"),
    (full(["calibration", "fold", 0], 0.5), "fold[0]"),
    (full(["calibration", "fold", 0], 2), "fold[0]"),
    (full(["calibration", "scores"], []), "calibration.scores is empty"),
    (full(["calibration", "scores", 1], [1]), "calibration.scores: row 1"),
    (full(["calibration", "scores", 1, 1], -1), "score of row 1, output 1"),
    (full(["calibration", "normalised"], 1), "normalised"),
    (full(["calibration", "fold_noise"], [1, 2]), "fold_noise"),
    (full(["calibration", "fold_noise"], [[1, 2]]), "fold_noise must be 2 rows"),
    (full(["calibration", "fold_noise"], "x"), "fold_noise is a string"),
    (full(["calibration", "fold_noise", 1, 0], -1), "noise of fold 1"),
    (full(["report"], []), "report"),
    (full(["report", "loss"], "x"), "loss"),
    (full(["report", "loss", 1], "x"), "loss[1] is a string"),
    (full(["report", "n" * 48], 1), "name"),
    (full(["report", ""], 1), "name"),
    (full(["report"], {f"x{i}": i for i in range(257)}), "256 items"),
    (full(["warnings"], {}), "warnings"),
    (full(["warnings", 0], "x"), "warnings[0]"),
    (full(["warnings", 0, "code"], "short"), "twice"),
    (full(["warnings", 0, "text"], "t" * 240), "text"),
    (full(["warnings"], [{"code": str(i), "text": ""} for i in range(33)]), "warnings"),
]

DATA = [
    ('{"inputs":[[1]],"outputs":[[1],[2]]}', 400, "inputs has 1 row, outputs has 2 rows"),
    ('{"inputs":[[1],[1,2]],"outputs":[[1],[2]]}', 400, "row 1"),
    ('{"inputs":[],"outputs":[]}', 400, "empty"),
    ('{"inputs":[[]],"outputs":[[1]]}', 400, "row 0"),
    ('{"inputs":[[1]]}', 400, "outputs is missing"),
    ('{"inputs":[[1]],"outputs":[["a"]]}', 400, "row 0, column 0 is a string"),
    ('{"inputs":[[1]],"outputs":[[1]],"x":1}', 400, "x"),
    ('{"inputs":[1,2],"outputs":[3,4]}', 400, "inputs is a list of numbers, a list of rows is needed"),
    ('{"inputs":[[1],[2]],"outputs":[3,4]}', 400, "outputs is a list of numbers"),
    ('{"inputs":[[1],[2]],"outputs":[[3],null]}', 400, "outputs: row 1 is null, [null, ..] is needed"),
    ('{"inputs":[[1],[2]],"outputs":[[3],[4]],"status":["ok"]}', 400, "status has 1 word"),
    ('{"inputs":[[1],[null]],"outputs":[[3],[null]]}', 400, "inputs: row 1, column 0 is null"),
]

# A raw NUL is no JSON, wherever it stands.
NULS = ['{"model":"m","inputs":[[1,2,3]],"seed":null\0}', '{"model":"m","inputs":[[1,2,3]]\0}',
        '{"model":"m","inputs\0":[[1,2,3]]}', '{"model":"m\0","inputs":[[1,2,3]]}']

CSV = [
    ("a,b\n1,2\n3\n", 400, "line 3 has 1 column, 2 are needed"),
    ("a,b\n1,2\n1,2,3\n", 400, "line 3 has more than 2 columns"),
    ("a,b\n1,x\n", 400, 'line 2, column "b" is "x", not a number'),
    ("1,2\n1,\n", 400, "line 2, column 2 is missing"),
    ("a,b\n1,nan\n", 400, "?on_nonfinite=skip leaves such rows out"),
    ("a,b\n1,inf\n", 400, 'line 2, column "b" is not a finite number'),
    ("a,b\n1,1e999\n", 400, "finite"),
    ("a,b\n1,0x10\n", 400, "0x10"),
    ('a,b\n1,"2\n', 400, "quote"),
    ("a,b\n", 400, "no rows"),
    ("", 400, "empty"),
    ("a\n1\n", 400, "1 column cannot hold 1 output and an input"),
]


class Refusals(ServerTest):
    flags = ("--max-body-bytes", "1000000", "--max-rows", "1000")

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document())

    def refuse(self, method, path, body, status, word, headers=None):
        found, head, data = self.server.request(method, path, body, headers)
        label = f"{method} {path} {body!r:.200} -> {found} {data!r:.300}"
        self.assertEqual(found, status, label)
        self.assertEqual(head["Content-Type"], "application/problem+json", label)
        self.assertEqual(set(data) - {"row", "column", "line"}, {"type", "title", "status", "detail"}, label)
        self.assertEqual(data["status"], status)
        self.assertIn(word, data["detail"], label)
        return data

    def state(self):
        models = self.ok(200, "GET", "/v1/models")[1]["models"]
        return [(m["name"], m["versions"], m["rows"]) for m in models]

    def test_predictions(self):
        self.ok(200, "POST", "/predict", GOOD)
        for body, status, word in PREDICT:
            with self.subTest(body=body[:60]):
                self.refuse("POST", "/predict", body, status, word)

    def test_nul_bytes(self):
        for body in NULS:
            self.refuse("POST", "/predict", body, 400, "")

    def test_places_are_fields_too(self):
        data = self.refuse("POST", "/predict", '{"model":"m","inputs":[[1,2,3],[1,"b",3]]}', 400, "row 1")
        self.assertEqual((data["row"], data["column"]), (1, 1))

    def test_documents(self):
        for body, word in DOCUMENTS:
            with self.subTest(word=word):
                self.refuse("PUT", "/v1/models/new", body, 400, word)
        self.assertEqual(self.state(), [("m", 1, 0)])

    def test_rows(self):
        for body, status, word in DATA:
            with self.subTest(body=body):
                self.refuse("POST", "/v1/models/new/data", body, status, word)
        for body, status, word in CSV:
            with self.subTest(body=body):
                self.refuse("POST", "/v1/models/new/data?outputs=1", body, status, word,
                            {"Content-Type": "text/csv"})
        self.refuse("POST", "/v1/models/m/data", {"inputs": [[1]], "outputs": [[1]]}, 400, "m has 3")
        self.refuse("POST", "/v1/models/new/data", "1,2\n", 400, "?outputs=N",
                    {"Content-Type": "text/csv"})
        self.assertEqual(self.state(), [("m", 1, 0)])

    def test_training(self):
        self.refuse("POST", "/v1/models/none/train", '{"solver":"ensemble"}', 404, "none")
        self.refuse("POST", "/v1/models/m/train", '{"solver":"ensemble"}', 409, "0 training rows")
        self.refuse("POST", "/v1/models/m/train", "", 409, "0 training rows")
        self.refuse("POST", "/v1/models/m/train", "{}", 409, "0 training rows")
        for body, word in [('{"budget_s":-1}', "budget_s is -1"),
                           ('{"solver":"vi","budget_s":1}', "when the solver is auto, not vi"),
                           ('{"settings":{"chains":2}}', "amcmc, mala, hmc or nuts, not auto"),
                           ('{"solver":"magic"}', '"magic" is unknown; ensemble, rms, swag'),
                           ('{"solver":"ensemble","settings":{"members":0}}', "members"),
                           ('{"solver":"ensemble","settings":{"epoch":1}}', "did you mean epochs?"),
                           ('{"solver":"ensemble","settings":{"dfrac":2}}', "dfrac"),
                           ('{"solver":"ensemble","settings":{"chains":2}}',
                            "amcmc, mala, hmc or nuts, not ensemble"),
                           ('{"solver":"ensemble","epochs":60}', '"epochs" belongs under "settings"'),
                           ('{"solver":"ensemble","optimizer":{"name":"newton"}}',
                            '"newton" is unknown; sgd, adam, lbfgs and levenberg_marquardt are known'),
                           ('{"solver":"ensemble","optimizer":{"learning_rate":-1}}', "learning_rate"),
                           ('{"solver":"ensemble","optimizer":{"schedule":{"name":"zig"}}}',
                            '"zig" is unknown; constant, cosine'),
                           ('{"solver":"ensemble","split":{"validation":1}}', "validation"),
                           ('{"solver":"ensemble","scaling":{"inputs":"cube"}}',
                            '"cube" is unknown; none, standard'),
                           ('{"solver":"ensemble","noise":{"kind":"white"}}',
                            '"white" is unknown; given, estimated'),
                           ('{"solver":"ensemble","calibration":{"method":"platt"}}',
                            '"platt" is unknown; none, split'),
                           ('{"solver":"ensemble","gate":{"metric":"r2"}}',
                            '"r2" is unknown; rmse, nll and crps are known'),
                           ('{"solver":"ensemble","gate":{"rows":"some"}}',
                            '"some" is unknown; known, all and new are known'),
                           ('{"solver":"ensemble","start":"hot"}', "cold and warm are known"),
                           ('{"solver":"ensemble","architecture":{"width":0}}', "width"),
                           ('{"solver":"ensemble","architecture":{"basis":"spline"}}',
                            '"spline" is unknown; constant, linear'),
                           ('{"solver":"ensemble","precision":"half"}', "half"),
                           ('{"solver":"ensemble","seed":1.5}', "seed")]:
            with self.subTest(body=body):
                self.refuse("POST", "/v1/models/m/train", body, 400, word)

    def test_paths_and_methods(self):
        self.refuse("GET", "/nothing", None, 404, "/nothing")
        self.refuse("GET", "/v1/models/", None, 404, "nothing")
        self.refuse("GET", "/v1/models/m/versions/0", None, 400, "version")
        self.refuse("GET", "/v1/models/m/versions/x", None, 400, "version")
        self.refuse("GET", "/v1/models/m%2Fx", None, 404, "nothing")
        self.refuse("GET", "/v1/models/%20", None, 400, "name")
        self.refuse("GET", "/v1/models/a%00b", None, 400, "escape")
        self.refuse("GET", "/v1/models/a%zz", None, 400, "escape")
        self.refuse("GET", "/v1/models/a%ff", None, 400, "escape")
        self.refuse("GET", "/v1/jobs/99", None, 404, "99")
        self.refuse("GET", "/v1/jobs/x", None, 404, "x")
        self.refuse("GET", "/v1/jobs?model=", None, 400, "name")
        self.refuse("GET", "/v1/jobs?model=a/b", None, 400, "name")
        self.refuse("PUT", "/v1/models/" + "a" * 65, document(), 400, "64")
        self.refuse("GET", "/v1/models/m/versions/1/export?format=xml", None, 400, "xml")
        status, head, _ = self.server.request("DELETE", "/predict")
        self.assertEqual((status, head["Allow"]), (405, "POST"))
        status, head, _ = self.server.request("POST", "/v1/models/m")
        self.assertEqual(status, 405)
        self.assertEqual(set(head["Allow"].split(", ")), {"GET", "HEAD", "PUT", "DELETE"})
        self.assertEqual(self.server.request("PATCH", "/predict")[0], 405)

    def test_bodies_that_are_too_large(self):
        self.refuse("POST", "/predict", b" " * 1000001, 413, "1000001")
        chunked = (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   b"40000\r\n" + b" " * 0x40000 + b"\r\n")
        reply = self.server.raw(chunked + (b"40000\r\n" + b" " * 0x40000 + b"\r\n") * 4 + b"0\r\n\r\n")
        self.assertIn(b" 413 ", reply.split(b"\r\n")[0])
        # An announced body over the limit is answered before it is sent.
        reply = self.server.raw(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
                                b"Expect: 100-continue\r\n\r\n")
        self.assertIn(b" 413 ", reply.split(b"\r\n")[0])
        self.refuse("POST", "/predict", {"model": "m", "inputs": [[1, 2, 3]] * 1001}, 413, "more than 1000 rows")
        self.ok(200, "POST", "/predict", {"model": "m", "inputs": [[1, 2, 3]] * 1000})
        self.refuse("POST", "/v1/models/new/data?outputs=1", "1,2\n" * 1001, 413, "1000 rows",
                    {"Content-Type": "text/csv"})

    def test_clients_that_go_away(self):
        for cut in (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{\"model\":",
                    b"PUT /v1/models/new HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"",
                    b"GET /v1/mod"):
            with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
                sock.sendall(cut)
        self.assertEqual(self.state(), [("m", 1, 0)])
        self.ok(200, "POST", "/predict", GOOD)

    def test_pipelined_requests_are_answered_in_order(self):
        one = (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(GOOD)) + GOOD.encode()
        bad = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        reply = self.server.raw(one + bad + one + last)
        statuses = [line.split()[1] for line in reply.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
        if not statuses:
            self.fail(repr(reply))
        found = [int(s) for s in statuses]
        # A response body ends without a line break, so a status line may follow it directly.
        found = [int(part[:3]) for part in reply.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(found, [200, 404, 200, 200])


class Crowd(ServerTest):
    flags = ("--bodies-mb", "1", "--max-body-bytes", "1000000")

    def test_bodies_that_take_all_the_room_keep_others_out_until_they_are_done(self):
        rows = (b"0.125,1\n" * 100000)[:900000 // 8 * 8]
        head = (b"POST /v1/models/m/data?outputs=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
                b"Content-Length: %d\r\n\r\n" % len(rows))
        csv = {"Content-Type": "text/csv"}
        end = time.time() + PATIENCE
        refused = 0
        # While both are being read either may be the one too many; in the end it is the second.
        while refused < 2:
            self.assertLess(time.time(), end)
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as sock:
                sock.sendall(head + rows[:-1])
                status, headers, answer = self.server.request("POST", "/v1/models/o/data?outputs=1", rows, csv)
                self.ok(200, "GET", "/v1/models")
                self.ok(404, "POST", "/v1/models/o/predict", {"inputs": [[1]]})  # small ones get in
                sock.sendall(rows[-1:])
                first = int(sock.recv(100).split()[1])
            self.assertIn((first, status), ((201, 201), (201, 503), (503, 201), (503, 503)))
            if (first, status) == (201, 503):
                self.assertIn("other requests", answer["detail"])
                self.assertRegex(headers["Retry-After"], r"^[1-9]\d*$")
                refused += 1
        # The room of an answered request is free a moment later.
        while (status := self.server.request("POST", "/v1/models/o/data?outputs=1", rows, csv)[0]) != 201:
            self.assertEqual(status, 503)
            self.assertLess(time.time(), end)


if __name__ == "__main__":
    unittest.main()
