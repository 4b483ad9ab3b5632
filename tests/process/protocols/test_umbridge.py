# SPDX-License-Identifier: Apache-2.0
"""UM-Bridge 1.0: what its published conformity checks demand (testing/protocol_conformity_1.0 of UM-Bridge), values
and derivatives, and what clients in other languages send. Standard library only."""

import json
import os
import re
import subprocess
import threading
import time
import unittest

from harness import BINARY, PATIENCE, ServerTest, architecture, document
from umbridge_calls import (POINT, RESULTS, WIDE, Caller, by_differences, check_error, closed_form_model,
                            draws_model)

CATEGORIES = {"inputs": [{"name": "k"}, {"name": "mesh", "type": "category", "values": ["coarse", "fine", "3"]},
                         {"name": "n", "type": "integer"}], "outputs": [{"name": "T"}]}
SENS = [0.7, -1.2]
DIRECTION = [0.5, -0.3, 0.8]


def integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


class ProtocolTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.caller = Caller(self.server.port)
        self.ok(201, "PUT", "/v1/models/m", draws_model())

    def info(self):
        status, _, answer = self.caller.send("GET", "/Info")
        self.assertEqual((status, sorted(answer)), (200, ["models", "protocolVersion"]))
        return answer

    def support(self, name):
        found = self.caller.good("/ModelInfo", {"name": name}, "support")
        self.assertEqual(sorted(found), ["ApplyHessian", "ApplyJacobian", "Evaluate", "Gradient"])
        return found


class Conformity(ProtocolTest):
    """For the first model of the list, as the checks look at no other."""

    def setUp(self):
        super().setUp()
        self.name = self.info()["models"][0]
        self.d = self.caller.good("/InputSizes", {"name": self.name}, "inputSizes")
        self.o = self.caller.good("/OutputSizes", {"name": self.name}, "outputSizes")
        self.body = {"name": self.name, "config": {}, "input": [[0.5] * n for n in self.d]}

    def refused(self, path, body, kind):
        status, _, answer = self.caller.post(path, body)
        self.assertEqual(status, 400, answer)
        return check_error(answer, kind)

    def test_the_server_answers_head_and_says_what_it_speaks(self):
        self.assertLess(self.caller.send("HEAD", "/")[0], 500)
        answer = self.info()
        self.assertEqual(answer["protocolVersion"], 1.0)
        self.assertTrue(answer["models"] and all(isinstance(n, str) for n in answer["models"]))

    def test_sizes_are_lists_of_integers(self):
        for sizes in (self.d, self.o):
            self.assertTrue(sizes and all(integer(n) and n > 0 for n in sizes))

    def test_every_feature_is_supported(self):
        self.assertEqual(set(self.support(self.name).values()), {True})

    def test_evaluate_answers_vectors_of_the_sizes(self):
        output = self.caller.good("/Evaluate", self.body)
        self.assertEqual([len(vector) for vector in output], self.o)
        self.assertTrue(all(isinstance(v, (int, float)) for vector in output for v in vector))

    def test_a_wrong_name_is_not_found_whatever_else_is_missing(self):
        for path in ("/ModelInfo", "/InputSizes", "/OutputSizes", "/Evaluate", "/Gradient", "/ApplyJacobian",
                     "/ApplyHessian"):
            self.refused(path, {"name": "wrong_model_name"}, "ModelNotFound")

    def derivative(self, path):
        body = {**self.body, "outWrt": 0, "inWrt": 0, "inWrt1": 0, "inWrt2": 0, "sens": [0] * self.o[0],
                "vec": [0] * self.d[0]}
        unused = {"/Gradient": ("inWrt1", "inWrt2", "vec"), "/ApplyJacobian": ("inWrt1", "inWrt2", "sens"),
                  "/ApplyHessian": ("inWrt",)}[path]
        return {key: value for key, value in body.items() if key not in unused}

    def test_derivatives_have_the_length_of_what_they_belong_to(self):
        for path, length in (("/Gradient", self.d[0]), ("/ApplyJacobian", self.o[0]), ("/ApplyHessian", self.d[0])):
            output = self.caller.good(path, self.derivative(path))
            self.assertEqual(len(output), length)
            self.assertEqual(set(output), {0.0})

    def test_inputs_of_other_lengths_are_refused(self):
        for path in ("/Evaluate", "/Gradient", "/ApplyJacobian", "/ApplyHessian"):
            body = self.body if path == "/Evaluate" else self.derivative(path)
            for wrong in ([[0.5] * (self.d[0] + 1)], [[0.5] * (self.d[0] - 1)], [], body["input"] * 2):
                self.refused(path, {**body, "input": wrong}, "InvalidInput")

    def test_vectors_that_there_are_not_are_refused(self):
        for path, keys in (("/Gradient", ("inWrt", "outWrt")), ("/ApplyJacobian", ("inWrt", "outWrt")),
                           ("/ApplyHessian", ("inWrt1", "inWrt2", "outWrt"))):
            for key in keys:
                for wrong in (1, -1, 2**70):
                    message = self.refused(path, {**self.derivative(path), key: wrong}, "InvalidInput")
                    self.assertIn(key, message)
                body = self.derivative(path)
                del body[key]
                self.assertIn(key, self.refused(path, body, "InvalidInput"))

    def test_a_feature_that_is_not_supported_says_so_before_anything_else(self):
        self.ok(201, "PUT", "/v1/models/closed", closed_form_model())
        self.assertEqual(self.support("closed.quantiles"), {"Evaluate": True, "Gradient": False,
                                                            "ApplyJacobian": False, "ApplyHessian": False})
        for path in ("/Gradient", "/ApplyJacobian", "/ApplyHessian"):
            self.refused(path, {"name": "closed.quantiles"}, "UnsupportedFeature")
        self.refused("/ApplyHessian", {"name": "closed.std"}, "UnsupportedFeature")
        self.refused("/Gradient", {"name": "closed.std"}, "InvalidInput")  # it is supported, and something is missing


class Values(ProtocolTest):
    def close(self, found, wanted, share=1e-6):
        size = max(map(abs, wanted))
        for a, b in zip(found, wanted, strict=True):
            self.assertAlmostEqual(a, b, delta=share * max(size, 1e-2))

    def test_evaluate_has_the_bits_of_predict(self):
        native = self.ok(200, "POST", "/v1/models/m/predict",
                         {"inputs": [POINT], "return": ["mean", "variance", "std"], "quantiles": [0.1, 0.6],
                          "samples": 1, "seed": 5})[1]
        config = {"quantiles": [0.1, 0.6], "seed": 5}
        levels = native["quantiles"]["values"]
        wanted = {"mean": native["mean"][0], "variance": native["variance"][0], "std": native["std"][0],
                  "quantiles": levels[0][0] + levels[1][0], "sample": native["samples"][0][0]}
        for result, values in wanted.items():
            name = "m" if result == "mean" else f"m.{result}"
            self.assertEqual(self.caller.evaluate(name, POINT, config), [values])
            self.assertEqual(self.caller.evaluate("m", POINT, {**config, "outputs": result}), [values])
        chosen = ["std", "quantiles", "mean"]
        self.assertEqual(self.caller.evaluate("m.sample", POINT, {**config, "outputs": chosen}),
                         [wanted[result] for result in chosen])
        self.assertEqual(self.caller.good("/OutputSizes", {"name": "m", "config": {**config, "outputs": chosen}},
                                          "outputSizes"), [2, 4, 2])

    def check_first(self, name, config, x, k):
        """J v and s'J against differences of Evaluate."""
        def value(at):
            return self.caller.evaluate(name, at, config)[0]
        self.close(self.caller.jacobian(name, x, DIRECTION, config), by_differences(value, x, DIRECTION))
        sens = (SENS * k)[:k]
        columns = [by_differences(value, x, [float(a == b) for a in range(3)]) for b in range(3)]
        self.close(self.caller.gradient(name, x, sens, config),
                   [sum(s * c for s, c in zip(sens, column)) for column in columns])
        return sens

    def check_second(self, name, config, x, sens):
        def gradient(at):
            return self.caller.gradient(name, at, sens, config)
        self.close(self.caller.hessian(name, x, sens, DIRECTION, config), by_differences(gradient, x, DIRECTION))

    def test_all_derivatives_from_draws_agree_with_differences(self):
        config = {"quantiles": [0.1, 0.6], "seed": 5}
        for result in RESULTS:
            name = "m" if result == "mean" else f"m.{result}"
            with self.subTest(result):
                sens = self.check_first(name, config, POINT, 4 if result == "quantiles" else 2)
                self.check_second(name, config, POINT, sens)

    def test_derivatives_in_closed_form_agree_with_differences(self):
        self.ok(201, "PUT", "/v1/models/closed", closed_form_model())
        sens = self.check_first("closed", {}, POINT, 2)
        self.check_second("closed", {}, POINT, sens)
        self.check_first("closed.variance", {}, POINT, 2)
        self.check_first("closed.std", {}, POINT, 2)
        self.assertEqual([len(v) for v in self.caller.evaluate("closed.quantiles", POINT)], [6])
        self.assertEqual([len(v) for v in self.caller.evaluate("closed.sample", POINT)], [2])

    def test_a_derivative_belongs_to_the_output_that_is_named(self):
        config = {"outputs": ["std", "mean"]}
        self.assertEqual(self.caller.gradient("m", POINT, SENS, config, out=1), self.caller.gradient("m", POINT, SENS))
        self.assertEqual(self.caller.hessian("m", POINT, SENS, DIRECTION, config, out=0),
                         self.caller.hessian("m.std", POINT, SENS, DIRECTION))

    def test_second_derivatives_are_symmetric(self):
        rows = [self.caller.hessian("m", POINT, SENS, [float(a == b) for a in range(3)]) for b in range(3)]
        for a in range(3):
            self.close(rows[a], [row[a] for row in rows], 1e-13)

    def test_versions_and_headers(self):
        self.ok(201, "PUT", "/v1/models/m", document(draws=3, seed=9, arch=WIDE))
        self.ok(201, "PUT", "/v1/models/m/aliases/prod", {"version": 1})
        second = self.caller.evaluate("m", POINT)
        first = self.caller.evaluate("m", POINT, {"version": 1})
        self.assertNotEqual(first, second)
        self.assertEqual(self.caller.evaluate("m", POINT, {"version": "@prod"}), first)
        status, headers, _ = self.caller.post("/Evaluate", {"name": "m", "input": [POINT], "config": {"version": 1}})
        self.assertEqual((status, headers["Surrogate-Model"], headers["Surrogate-Version"],
                          headers["Surrogate-Extrapolated-Rows"]), (200, "m", "1", "0"))
        status, _, answer = self.caller.post("/Evaluate", {"name": "m", "config": {"version": 3}})
        self.assertEqual(status, 400)
        check_error(answer, "ModelNotFound")

    def test_categories_and_integers_are_numbers_and_have_no_derivatives(self):
        self.ok(201, "PUT", "/v1/models/c", document(arch=architecture(inputs=5, outputs=1), space=CATEGORIES))
        self.assertEqual(self.caller.good("/InputSizes", {"name": "c"}, "inputSizes"), [3])
        native = self.ok(200, "POST", "/v1/models/c/predict", {"inputs": [[0.5, 3, 2]]})[1]
        self.assertEqual(self.caller.evaluate("c", [0.5, 3, 2]), native["mean"])
        for wrong in ([0.5, 7, 2], [0.5, 3, 2.5]):
            status, _, answer = self.caller.post("/Evaluate", {"name": "c", "input": [wrong]})
            self.assertEqual(status, 400)
            check_error(answer, "InvalidInput")
        self.assertFalse(self.support("c")["Gradient"])
        status, _, answer = self.caller.post("/Gradient", {"name": "c"})
        self.assertEqual(status, 400)
        check_error(answer, "UnsupportedFeature")


class Clients(ProtocolTest):
    """What clients in Julia, MATLAB, R and shells send."""

    def test_no_or_another_media_type(self):
        body = {"name": "m", "input": [POINT]}
        wanted = self.caller.evaluate("m", POINT)
        for kind in (None, "application/x-www-form-urlencoded", "text/plain", "text/csv", "application/json"):
            headers = {} if kind is None else {"Content-Type": kind}
            status, _, answer = self.caller.post("/Evaluate", json.dumps(body), headers)
            self.assertEqual((status, answer), (200, {"output": wanted}), kind)

    def test_vectors_of_one_number_without_brackets(self):
        self.ok(201, "PUT", "/v1/models/one", document(arch=architecture(inputs=1, outputs=1)))
        x = 0.25
        for a, b in ((x, [x]), ([x], x)):
            self.assertEqual(self.caller.evaluate("one", a), self.caller.evaluate("one", b))
        self.assertEqual(self.caller.gradient("one", [x], 2.0), self.caller.gradient("one", [x], [2.0]))
        self.assertEqual(self.caller.jacobian("one", x, 2), self.caller.jacobian("one", [x], [2]))
        self.assertEqual(self.caller.hessian("one", x, 2, 3), self.caller.hessian("one", [x], [2], [3]))

    def test_empty_configs_and_keys_of_other_protocols(self):
        wanted = self.caller.evaluate("m", POINT)
        for config in ({}, [], None):
            self.assertEqual(self.caller.good("/Evaluate", {"name": "m", "input": [POINT], "config": config}), wanted)
        self.assertEqual(self.caller.good("/Evaluate", {"name": "m", "input": [POINT], "tid": "12", "x": [{}]}), wanted)

    def test_integers_with_all_their_digits(self):
        wanted = self.caller.evaluate("m", [1e20, 1e30, -1e25])
        text = '{"name":"m","input":[[100000000000000000000,1%s,-1%s]],"n":"12345678901234567890\\""}'
        status, _, answer = self.caller.post("/Evaluate", text % ("0" * 30, "0" * 25))
        self.assertEqual((status, answer), (200, {"output": wanted}))

    def test_long_bodies_and_models_that_are_not_in_memory(self):
        wanted = self.caller.evaluate("m", POINT)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.caller = Caller(self.server.port)
        for size in (0, 70_000, 1_100_000):
            body = json.dumps({"name": "m", "input": [POINT]}) + " " * size
            status, _, answer = self.caller.post("/Evaluate", body)
            self.assertEqual((status, answer), (200, {"output": wanted}))

    def test_names_of_views_and_models_that_have_such_names(self):
        self.assertEqual(self.info()["models"], ["m", "m.variance", "m.std", "m.quantiles", "m.sample"])
        self.ok(201, "PUT", "/v1/models/m.std", document(arch=architecture(inputs=2, outputs=3)))
        self.assertEqual(sorted(self.info()["models"]), sorted(
            ["m", "m.variance", "m.quantiles", "m.sample", "m.std", "m.std.variance", "m.std.std", "m.std.quantiles",
             "m.std.sample"]))
        self.assertEqual(self.caller.good("/InputSizes", {"name": "m.std"}, "inputSizes"), [2])
        self.assertEqual(self.caller.good("/OutputSizes", {"name": "m.std.std"}, "outputSizes"), [3])
        self.ok(204, "DELETE", "/v1/models/m.std")
        self.assertEqual(self.caller.good("/InputSizes", {"name": "m.std"}, "inputSizes"), [3])

    def test_models_in_memory_come_first_and_those_without_versions_not_at_all(self):
        self.ok(201, "PUT", "/v1/models/z", document())
        self.ok(201, "POST", "/v1/models/a/data", {"inputs": [[1]], "outputs": [[2]]})
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.caller = Caller(self.server.port)
        self.caller.good("/ModelInfo", {"name": "z"}, "support")
        self.assertEqual([n for n in self.info()["models"] if "." not in n], ["z", "m"])


class Parallel(ServerTest):
    flags = ("--predict-threads", "1")

    def test_many_threads_get_the_answers_of_each_alone_in_common_calls(self):
        arch = architecture(inputs=3, outputs=2, width=32, layers=20)
        self.ok(201, "PUT", "/v1/models/deep", document(draws=200, arch=arch))
        points = [[0.1 * i, -0.2, 0.05 * i] for i in range(8)]
        caller = Caller(self.server.port)
        alone = [caller.evaluate("deep", x) for x in points]
        wrong = []

        def ask(i):
            for _ in range(10):
                if caller.evaluate("deep", points[i]) != alone[i]:
                    wrong.append(i)

        end = time.time() + PATIENCE
        while True:
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [])
            text = self.server.request("GET", "/metrics")[2].decode()
            counts = {name: int(value) for name, value in re.findall(r"(?m)^surrogated_(\w+)_total (\d+)$", text)}
            if counts["batched_requests"] > counts["batches"]:  # some were computed together
                return
            self.assertLess(time.time(), end, counts)


class Port(ServerTest):
    """The variable PORT replaces the port of the address, unless a flag gives one."""

    def launch(self, environment, *flags):
        db = os.path.join(self.folder, "other.db")
        return subprocess.Popen([BINARY, "serve", "--db", db, *flags], env={**os.environ, **environment},
                                stderr=subprocess.PIPE, text=True)

    def test_a_port_that_is_none_is_refused(self):
        for port in ("x", "65536", "-1", "80 ", "tcp://1.2.3.4:80", "080000"):
            said = self.launch({"PORT": port}).communicate(timeout=PATIENCE)[1]
            self.assertIn(f'environment variable PORT is "{port}"; a port from 0 to 65535 is needed', said)

    def test_the_server_listens_there(self):
        taken = str(self.server.port)  # by the other server
        said = self.launch({"PORT": taken}).communicate(timeout=PATIENCE)[1]
        self.assertIn(f"127.0.0.1:{taken}", said)
        for environment, flags in (({"PORT": "0"}, ()), ({"PORT": "0", "SURROGATED_LISTEN": f"127.0.0.1:{taken}"}, ()),
                                   ({"PORT": taken}, ("--listen", "127.0.0.1:0"))):
            process = self.launch(environment, *flags)
            try:
                port = None
                for line in process.stderr:
                    found = re.search(r"message=listening .*port=(\d+)", line)
                    port = int(found.group(1)) if found else port
                    if "message=ready" in line:
                        break
                self.assertNotIn(port, (None, 8080, int(taken)))
                status, _, answer = Caller(port).send("GET", "/Info")
                self.assertEqual((status, answer["models"]), (200, []))
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE)


if __name__ == "__main__":
    unittest.main()
