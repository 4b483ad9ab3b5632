# SPDX-License-Identifier: Apache-2.0
"""The calls of UM-Bridge 1.0 as its Python client makes them, with the standard library alone."""

import http.client
import json

import described
from harness import PATIENCE, architecture, document, gaussian

RESULTS = ("mean", "variance", "std", "quantiles", "sample")


class Caller:
    """Sends no Content-Type, and takes JSON for an answer whatever the status is."""

    def __init__(self, port, base=""):
        self.port = port
        self.base = base  # the base_path of the server

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            if body is not None and not isinstance(body, (str, bytes)):
                body = json.dumps(body, indent=4)
            headers = headers or {}
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            data = (body or "").encode() if not isinstance(body, bytes) else body
            if method == "POST":
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read()
            parsed = json.loads(text) if text else None
            if described.description():
                described.description().check(method, described.below(self.base, path), answer.status,
                                              answer.getheader("Content-Type"), parsed)
            return answer.status, answer.headers, parsed
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        return self.send("POST", path, body, headers)

    def good(self, path, body, key="output"):
        status, _, answer = self.post(path, body)
        assert status == 200 and list(answer) == [key], (path, body, status, answer)
        return answer[key]

    def evaluate(self, name, x, config=None):
        return self.good("/Evaluate", {"name": name, "input": [x], "config": config or {}})

    def gradient(self, name, x, sens, config=None, out=0):
        return self.good("/Gradient", {"name": name, "outWrt": out, "inWrt": 0, "input": [x], "sens": sens,
                                       "config": config or {}})

    def jacobian(self, name, x, vec, config=None, out=0):
        return self.good("/ApplyJacobian", {"name": name, "outWrt": out, "inWrt": 0, "input": [x], "vec": vec,
                                            "config": config or {}})

    def hessian(self, name, x, sens, vec, config=None, out=0):
        return self.good("/ApplyHessian", {"name": name, "outWrt": out, "inWrt1": 0, "inWrt2": 0, "input": [x],
                                           "sens": sens, "vec": vec, "config": config or {}})


def check_error(answer, kind=None):
    """The one form of errors, and nothing else in it."""
    assert isinstance(answer, dict) and list(answer) == ["error"], answer
    error = answer["error"]
    assert sorted(error) == ["message", "type"] and all(isinstance(v, str) and v for v in error.values()), answer
    assert kind is None or error["type"] == kind, answer
    return error["message"]


WIDE = architecture(inputs=3, outputs=2, width=8, layers=2)


def draws_model():
    """A posterior of draws with scaled columns, two of them logarithmic."""
    return document(draws=7, arch=WIDE, scaling={
        "inputs": [{"kind": "standard", "shift": 0.5, "scale": 2.0}, {"kind": "log", "shift": 0.1, "scale": 0.7},
                   {"kind": "none"}],
        "outputs": [{"kind": "range", "shift": -3, "scale": 2.0}, {"kind": "log", "shift": 0.2, "scale": 0.5}]})


def closed_form_model():
    found = gaussian(arch=WIDE, spread=0.05)
    found["posterior"]["predictive"] = "linearised"
    return found


POINT = [0.4, 1.3, -0.2]


def by_differences(function, x, direction, step=1e-3):
    """The derivative of a vector along a direction, by central differences of fourth order."""
    weights = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
    total = None
    for at, weight in weights:
        y = function([v + at * step * d for v, d in zip(x, direction)])
        total = [0.0] * len(y) if total is None else total
        total = [t + weight / step * v for t, v in zip(total, y)]
    return total
