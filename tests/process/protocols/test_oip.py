# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol v2: its answers are those of the native API, number by number."""

import gzip
import json
import struct
import threading
import unittest

import oip
from harness import ServerTest, architecture, document

ROWS = [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]
NOISY = {"noise": {"sigma": [0.1, 0.2, 0.3]}, "training_range": [[-0.4, 0.4], [-1, 1]]}


class OipTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.arch = architecture(inputs=2, outputs=3)
        self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch, **NOISY))

    def native(self, rows=None, **options):
        return self.ok(200, "POST", "/v1/models/m/predict", {"inputs": rows or ROWS, **options})[1]

    def infer(self, body, headers=None, path="/v2/models/m/infer"):
        head, data = self.ok(200, "POST", path, body, headers)
        return oip.unpack(head, data)


class Describing(OipTest):
    def test_the_server_and_its_models_are_described(self):
        for path in ("/v2", "/v2/"):
            found = self.ok(200, "GET", path)[1]
            self.assertEqual(found["name"], "surrogated")
            self.assertIn("binary_tensor_data", found["extensions"])
        self.assertEqual(self.ok(200, "GET", "/v2/health/live")[1], {"live": True})
        self.assertEqual(self.ok(200, "GET", "/v2/health/ready")[1], {"ready": True})
        self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch, seed=2))
        self.ok(201, "PUT", "/v1/models/other", document())
        self.assertEqual(self.ok(200, "GET", "/v2/models")[1], {"models": ["m", "other"]})
        found = self.ok(200, "GET", "/v2/models/m")[1]
        self.assertEqual((found["name"], found["versions"]), ("m", ["1", "2"]))
        self.assertEqual(found["inputs"], [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}])
        self.assertEqual(self.ok(200, "GET", "/v2/models/m/versions/1")[1]["versions"], ["1"])
        for path in ("/v2/models/m/ready", "/v2/models/m/versions/1/ready", "/v2/models/m/versions/@default/ready"):
            self.assertEqual(self.ok(200, "GET", path)[1], {"name": "m", "ready": True})
        for path in ("/v2/models/m/config", "/v2/models/m/versions/2/config"):
            config = self.ok(200, "GET", path)[1]
            self.assertEqual(config["input"], [{"name": "x", "data_type": "TYPE_FP64", "dims": [-1, 2]}])
            self.assertEqual([o["name"] for o in config["output"]], [o["name"] for o in found["outputs"]])

    def test_every_output_of_the_metadata_is_answered_in_its_shape(self):
        for version, knows in ((1, True), (2, False)):
            if not knows:
                self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch, seed=2))
            found = self.ok(200, "GET", f"/v2/models/m/versions/{version}")[1]["outputs"]
            names = [output["name"] for output in found]
            self.assertEqual("noise_variance" in names, knows)
            self.assertNotIn("feasible", names)
            answer = self.infer({"inputs": [oip.tensor(ROWS)], "outputs": [{"name": name} for name in names]},
                                path=f"/v2/models/m/versions/{version}/infer")
            for described, output in zip(found, answer["outputs"]):
                self.assertEqual(described["name"], output["name"])
                self.assertEqual(len(described["shape"]), len(output["shape"]))
                for wanted, size in zip(described["shape"], output["shape"]):
                    self.assertIn(wanted, (-1, size), output["name"])


class Inferring(OipTest):
    def test_json_is_answered_as_the_native_api_answers(self):
        native = self.native(**{"return": ["mean", "variance", "std"]})
        for data in (oip.flat(ROWS), ROWS):
            answer = self.infer({"id": "é 42", "inputs": [{**oip.tensor(ROWS), "data": data}]})
            self.assertEqual((answer["model_name"], answer["model_version"], answer["id"]), ("m", "1", "é 42"))
            self.assertEqual(answer["parameters"], {"draws": 5, "extrapolated_rows": 1})
            self.assertEqual(oip.outputs(answer), {name: ([3, 3], oip.flat(native[name]))
                                                   for name in ("mean", "variance", "std")})
        self.assertNotIn("id", self.infer({"inputs": [oip.tensor(ROWS)]}))

    def test_binary_tensors_have_the_same_bits(self):
        tensor, blob = oip.binary_tensor(ROWS)
        plain = self.infer({"inputs": [oip.tensor(ROWS)]})
        binary = {"binary_data": True}
        for document_, is_binary in (
                ({"inputs": [tensor], "parameters": {"binary_data_output": True}}, [True, True, True]),
                ({"inputs": [tensor]}, [False, False, False]),
                ({"inputs": [tensor], "parameters": {"binary_data_output": True},
                  "outputs": [{"name": "mean", "parameters": {"binary_data": False}}, {"name": "std"}]}, [False, True]),
                ({"inputs": [tensor], "outputs": [{"name": "std", "parameters": binary}, {"name": "mean"},
                                                  {"name": "variance", "parameters": binary}]}, [True, False, True])):
            answer = self.infer(*oip.binary_body(document_, blob))
            self.assertEqual(["parameters" in output for output in answer["outputs"]], is_binary)
            self.assertEqual(oip.outputs(answer), {name: value for name, value in oip.outputs(plain).items()
                                                   if name in oip.outputs(answer)})

    def test_bytes_alone_are_rows(self):
        plain = oip.outputs(self.infer({"inputs": [oip.tensor(ROWS)]}))
        answer = self.infer(oip.pack("FP64", oip.flat(ROWS)), {oip.LENGTH: "0"})
        self.assertEqual(oip.outputs(answer), plain)
        status, _, found = self.server.request("POST", "/v2/models/m/infer", b"123456789", {oip.LENGTH: "0"})
        self.assertEqual((status, list(found)), (400, ["error"]))
        self.assertIn("a multiple of 16", found["error"])

    def test_other_types_of_numbers(self):
        whole = [[1, 2], [3, 4]]
        plain = oip.outputs(self.infer({"inputs": [oip.tensor(whole)]}))
        for datatype in oip.FORMATS:
            if datatype != "FP32":
                tensor, blob = oip.binary_tensor(whole, datatype)
                self.assertEqual(oip.outputs(self.infer(*oip.binary_body({"inputs": [tensor]}, blob))), plain, datatype)
                self.assertEqual(oip.outputs(self.infer({"inputs": [oip.tensor(whole, datatype)]})), plain, datatype)
        tensor = {"name": "x", "shape": [1, 2], "datatype": "BF16", "parameters": {"binary_data_size": 4}}
        self.assertEqual(oip.outputs(self.infer(*oip.binary_body({"inputs": [tensor]}, b"\x80\x3f\x00\x40")))["mean"],
                         ([1, 3], plain["mean"][1][:3]))

    def test_float32_in_is_float32_out_unless_another_type_is_asked_for(self):
        rounded = [[struct.unpack("<f", struct.pack("<f", v))[0] for v in row] for row in ROWS]
        exact = oip.flat(self.native(rounded)["mean"])
        single = [struct.unpack("<f", struct.pack("<f", v))[0] for v in exact]
        tensor, blob = oip.binary_tensor(ROWS, "FP32")
        for datatype, mean in ((None, single), ("FP32", single), ("FP64", exact)):
            parameters = {} if datatype is None else {"datatype": datatype}
            for where in ("request", "output"):
                for binary in (False, True):
                    output = {"name": "mean", "parameters": {"binary_data": binary}}
                    asked = {"inputs": [tensor], "outputs": [output]}
                    if where == "output":
                        output["parameters"].update(parameters)
                    else:
                        asked["parameters"] = parameters
                    found = self.infer(*oip.binary_body(asked, blob))["outputs"][0]
                    self.assertEqual((found["datatype"], found["data"]), (datatype or "FP32", mean))
        found = self.infer({"inputs": [oip.tensor(ROWS, "FP32")], "outputs": [{"name": "mean"}]})["outputs"][0]
        self.assertEqual((found["datatype"], found["data"]), ("FP32", single))

    def test_options_are_parameters(self):
        native = self.native(quantiles=[0.1, 0.9], samples=3, seed=7, **{"return": ["quantiles", "samples"]})
        asked = {"inputs": [oip.tensor(ROWS)], "parameters": {"quantiles": "0.1, 0.9", "samples": 3, "seed": 7}}
        for chosen in ([], [{"name": "samples"}, {"name": "quantiles"}]):
            found = oip.outputs(self.infer({**asked, "outputs": chosen}))
            self.assertEqual(list(found), ["samples", "quantiles"] if chosen else
                             ["mean", "variance", "std", "quantiles", "samples"])
            self.assertEqual(found["quantiles"], ([2, 3, 3], oip.flat(oip.flat(native["quantiles"]["values"]))))
            self.assertEqual(found["samples"], ([3, 3, 3], oip.flat(oip.flat(native["samples"]))))
        native = self.native(covariance="rows", **{"return": ["mean"]})["covariance"]
        found = oip.outputs(self.infer({"inputs": [oip.tensor(ROWS)], "parameters": {"covariance": "rows"},
                                        "outputs": [{"name": "covariance"}]}))
        self.assertEqual(found, {"covariance": ([3, 3, 3], oip.flat(oip.flat(native)))})
        found = self.infer({"inputs": [oip.tensor(ROWS)], "parameters": {"quantiles": 0.5},
                            "outputs": [{"name": "quantiles"}]})
        self.assertEqual(found["outputs"][0]["shape"], [1, 3, 3])

    def test_inputs_come_one_by_one_by_name(self):
        self.ok(201, "PUT", "/v1/models/named", document(arch=self.arch, names={"inputs": ["k", "T"]}))
        whole = oip.outputs(self.infer({"inputs": [oip.tensor(ROWS)]}, path="/v2/models/named/infer"))
        for shape in ([3], [3, 1]):
            parts = [{"name": name, "shape": shape, "datatype": "FP64", "data": [row[j] for row in ROWS]}
                     for j, name in ((1, "T"), (0, "k"))]
            self.assertEqual(oip.outputs(self.infer({"inputs": parts}, path="/v2/models/named/infer")), whole)
        for names, word in ((["T"], 'no tensor for "k"'), (["T", "T"], "T comes twice"), (["T", "q"], 'one tensor for each of k, T')):
            parts = [{"name": name, "shape": [3], "datatype": "FP64", "data": [1, 2, 3]} for name in names]
            found = self.ok(400, "POST", "/v2/models/named/infer", {"inputs": parts})[1]
            self.assertIn(word, found["error"])

    def test_compressed_and_large_requests(self):
        many = [[0.001 * i, -0.001 * i] for i in range(20000)]
        tensor, blob = oip.binary_tensor(many)
        native = oip.flat(self.native(many)["mean"])
        asked = {"inputs": [tensor], "outputs": [{"name": "mean", "parameters": {"binary_data": True}}]}
        body, headers = oip.binary_body(asked, blob)
        self.assertEqual(self.infer(body, headers)["outputs"][0]["data"], native)
        packed = gzip.compress(body)
        self.assertEqual(self.infer(packed, {**headers, "Content-Encoding": "gzip"})["outputs"][0]["data"], native)
        self.assertEqual(self.infer({"inputs": [oip.tensor(many)], "outputs": [{"name": "mean"}]})["outputs"][0]["data"],
                         native)
        large = [row for row in many for _ in range(5)]  # read by another thread, and answered piece by piece
        tensor, blob = oip.binary_tensor(large)
        body, headers = oip.binary_body({"inputs": [tensor], "parameters": {"binary_data_output": True}}, blob)
        head, data = self.ok(200, "POST", "/v2/models/m/infer", body, headers)
        self.assertEqual(int(head["Content-Length"]), len(data))
        self.assertEqual(oip.outputs(oip.unpack(head, data))["mean"],
                         ([100000, 3], [v for i in range(20000) for v in native[3 * i:3 * i + 3] * 5]))


class Joined(OipTest):
    flags = ("--predict_threads", "1")

    def test_requests_of_both_families_are_joined_and_counted(self):
        many = [[0.0001 * i, 0.2] for i in range(3000)]
        ok, lock = [], threading.Lock()
        native = oip.flat(self.native(many)["mean"])
        want = [{"name": "mean"}]
        self.infer({"inputs": [oip.tensor(many)], "outputs": want})
        before = self.ok(200, "GET", "/v2/models/m/stats")[1]["model_stats"][0]

        def ask(kind):
            for _ in range(10):
                found = native if kind else oip.flat(self.native(many)["mean"])
                if kind:
                    found = self.infer({"inputs": [oip.tensor(many)], "outputs": want})["outputs"][0]["data"]
                with lock:
                    ok.append(found == native)

        threads = [threading.Thread(target=ask, args=(i % 2,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(ok, [True] * 80)
        after = self.ok(200, "GET", "/v2/models/m/versions/1/stats")[1]["model_stats"][0]
        self.assertEqual(after["inference_count"] - before["inference_count"], 40 * 3000)
        self.assertEqual(after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"], 40)
        calls = after["execution_count"] - before["execution_count"]
        self.assertTrue(1 <= calls <= 40, calls)


class Statistics(OipTest):
    def test_they_count_what_succeeded_and_what_failed(self):
        self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch, seed=2))
        self.infer({"inputs": [oip.tensor(ROWS)]}, path="/v2/models/m/versions/1/infer")
        self.infer({"inputs": [oip.tensor(ROWS)]})
        self.infer({"inputs": [oip.tensor(ROWS[:1])]})
        self.ok(400, "POST", "/v2/models/m/infer", {"inputs": [oip.tensor([[1, 2, 3]])]})
        found = {stats["version"]: stats for stats in self.ok(200, "GET", "/v2/models/m/stats")[1]["model_stats"]}
        self.assertEqual(sorted(found), ["1", "2"])
        one, two = found["1"], found["2"]
        self.assertEqual((one["inference_count"], one["execution_count"]), (3, 1))
        self.assertEqual((two["inference_count"], two["execution_count"]), (4, 2))
        times = two["inference_stats"]
        self.assertEqual((times["success"]["count"], times["fail"]["count"]), (2, 1))
        parts = sum(times[name]["ns"] for name in ("queue", "compute_input", "compute_infer", "compute_output"))
        self.assertTrue(0 < parts <= times["success"]["ns"], times)
        self.assertGreater(two["last_inference"], 0)
        self.assertGreater(two["memory_usage"][0]["byte_size"], 0)
        everything = self.ok(200, "GET", "/v2/models/stats")[1]["model_stats"]
        self.assertEqual([(stats["name"], stats["version"]) for stats in everything], [("m", "2")])


class Repository(OipTest):
    def states(self, body=None):
        found = self.ok(200, "POST", "/v2/repository/index", body)[1]
        return {model["name"]: (model["version"], model["state"], model["reason"]) for model in found}

    def test_a_model_is_unloaded_and_loaded(self):
        self.assertEqual(self.states(), {"m": ("1", "READY", "")})
        asked = {"inputs": [oip.tensor(ROWS)]}
        before = self.infer(asked)
        for _ in range(2):
            self.assertEqual(self.ok(200, "POST", "/v2/repository/models/m/unload",
                                     {"parameters": {"unload_dependents": False}})[1], {})
        self.assertEqual(self.states(), {"m": ("1", "UNAVAILABLE", "unloaded")})
        self.assertEqual(self.states({"ready": True}), {})
        for method, path, body in (("GET", "/v2/models/m/ready", None), ("GET", "/v2/models/m", None),
                                   ("POST", "/v2/models/m/infer", asked),
                                   ("POST", "/v2/models/m/versions/1/infer", asked)):
            head, found = self.ok(503, method, path, body)
            self.assertIn("/v2/repository/models/m/load", found["error"])
            self.assertIn("Retry-After", head)
        self.native()  # the native API reads it again
        self.ok(503, "POST", "/v2/models/m/infer", asked)
        self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch, seed=3))  # a new version changes nothing
        self.ok(503, "POST", "/v2/models/m/infer", asked)
        self.assertEqual(self.ok(200, "POST", "/v2/repository/models/m/load", {})[1], {})
        self.assertEqual(oip.outputs(self.infer(asked, path="/v2/models/m/versions/1/infer")), oip.outputs(before))
        self.assertEqual(self.states(), {"m": ("2", "READY", "")})

    def test_unloading_frees_memory(self):
        def loaded():
            text = self.ok(200, "GET", "/metrics")[1].decode()
            return [line for line in text.splitlines() if line.startswith("surrogated_models_loaded ")]

        self.assertEqual(loaded(), ["surrogated_models_loaded 1"])
        self.ok(200, "POST", "/v2/repository/models/m/unload")
        self.assertEqual(loaded(), ["surrogated_models_loaded 0"])
        self.ok(200, "POST", "/v2/repository/models/m/load")
        self.assertEqual(loaded(), ["surrogated_models_loaded 1"])

    def test_a_model_that_is_registered_anew_is_loaded(self):
        self.ok(200, "POST", "/v2/repository/models/m/unload")
        self.ok(204, "DELETE", "/v1/models/m")
        self.assertEqual(self.states(), {})
        self.ok(404, "POST", "/v2/repository/models/m/load")
        self.ok(404, "POST", "/v2/repository/models/m/unload")
        self.ok(201, "PUT", "/v1/models/m", document(arch=self.arch))
        self.assertEqual(self.states(), {"m": ("2", "READY", "")})  # no number is used twice

    def test_models_are_registered_elsewhere(self):
        for body in ({"parameters": {"config": "{}"}}, {"parameters": {"file:1/model.x": "AAAA"}}):
            self.assertIn("PUT /v1/models", self.ok(400, "POST", "/v2/repository/models/m/load", body)[1]["error"])
        self.ok(400, "POST", "/v2/repository/models/m/unload", {"parameters": {"x": 1}})
        self.ok(400, "POST", "/v2/repository/index", {"reday": True})
        rows = {"inputs": [[1, 2]], "outputs": [[1]]}
        self.ok(201, "POST", "/v1/models/rows/data", json.dumps(rows))
        self.assertEqual(self.states()["rows"], ("", "UNAVAILABLE", "no version yet"))


if __name__ == "__main__":
    unittest.main()
