# SPDX-License-Identifier: Apache-2.0
"""The field's own clients of the Open Inference Protocol: tritonclient, and requests as KServe's users write it. Each is
skipped where it is missing: pip install "tritonclient[http]" requests."""

import unittest

import oip
from harness import ServerTest, architecture, document

try:
    import numpy
    import tritonclient.http as triton
except ImportError:
    triton = None
try:
    import requests
except ImportError:
    requests = None

ROWS = [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]


class ClientTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(arch=architecture(inputs=2, outputs=3), noise={"sigma": [0.1] * 3}))
        self.native = self.ok(200, "POST", "/v1/models/m/predict",
                              {"inputs": ROWS, "quantiles": [0.1, 0.9], "return": ["mean", "variance", "std"]})[1]


@unittest.skipUnless(triton, 'tritonclient is missing: pip install "tritonclient[http]"')
class Triton(ClientTest):
    def setUp(self):
        super().setUp()
        self.client = triton.InferenceServerClient(f"127.0.0.1:{self.server.port}")
        self.addCleanup(self.client.close)

    def rows(self, dtype="float64", binary=True):
        tensor = triton.InferInput("x", [3, 2], "FP64" if dtype == "float64" else "FP32")
        tensor.set_data_from_numpy(numpy.array(ROWS, dtype=dtype), binary_data=binary)
        return [tensor]

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live() and self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("m") and self.client.is_model_ready("m", "1"))
        self.assertFalse(self.client.is_model_ready("m", "2") or self.client.is_model_ready("none"))
        self.assertEqual(self.client.get_server_metadata()["name"], "surrogated")
        self.assertEqual(self.client.get_model_metadata("m", "1")["inputs"][0]["shape"], [-1, 2])
        self.assertEqual(self.client.get_model_config("m")["input"][0]["data_type"], "TYPE_FP64")

    def test_inference_as_it_comes(self):
        for binary in (True, False):
            result = self.client.infer("m", self.rows(binary=binary))
            for name in ("mean", "variance", "std"):
                self.assertEqual(result.as_numpy(name).tolist(), self.native[name])
        single = self.client.infer("m", self.rows("float32")).as_numpy("mean")
        self.assertEqual(single.dtype, numpy.float32)
        self.assertTrue(numpy.allclose(single, self.native["mean"], rtol=1e-5))

    def test_inference_with_all_that_the_client_can_say(self):
        for compression in (None, "gzip"):
            result = self.client.infer(
                "m", self.rows(), model_version="1", request_id="r 1", timeout=60_000_000,
                outputs=[triton.InferRequestedOutput("quantiles"),
                         triton.InferRequestedOutput("mean", binary_data=False)],
                parameters={"quantiles": "0.1,0.9"}, request_compression_algorithm=compression)
            self.assertEqual(result.get_response()["id"], "r 1")
            self.assertEqual(result.as_numpy("mean").tolist(), self.native["mean"])
            self.assertEqual(result.as_numpy("quantiles").tolist(), self.native["quantiles"]["values"])
        waiting = [self.client.async_infer("m", self.rows()) for _ in range(4)]
        for answer in waiting:
            self.assertEqual(answer.get_result().as_numpy("mean").tolist(), self.native["mean"])

    def test_errors_are_the_servers_words(self):
        for model, tensor, status, word in (("none", self.rows(), "404", "no model none"),
                                            ("m", [triton.InferInput("y", [1, 2], "FP64")], "400", "unknown")):
            if tensor[0].name() == "y":
                tensor[0].set_data_from_numpy(numpy.zeros((1, 2)))
            with self.assertRaises(triton.InferenceServerException) as caught:
                self.client.infer(model, tensor)
            self.assertEqual(caught.exception.status(), status)
            self.assertIn(word, caught.exception.message())

    def test_statistics_and_model_control(self):
        for _ in range(3):
            self.client.infer("m", self.rows())
        found = self.client.get_inference_statistics("m")["model_stats"][0]
        self.assertEqual((found["inference_count"], found["execution_count"]), (9, 3))
        self.assertEqual(self.client.get_inference_statistics()["model_stats"][0]["name"], "m")
        self.assertEqual(self.client.get_model_repository_index(),
                         [{"name": "m", "version": "1", "state": "READY", "reason": ""}])
        self.client.unload_model("m")
        self.assertFalse(self.client.is_model_ready("m"))
        self.client.load_model("m")
        self.assertTrue(self.client.is_model_ready("m"))


@unittest.skipUnless(requests, "requests is missing: pip install requests")
class Kserve(ClientTest):
    def test_a_client_over_requests(self):
        base = f"http://127.0.0.1:{self.server.port}/v2"
        with requests.Session() as session:
            self.assertEqual(session.get(f"{base}/health/ready").json(), {"ready": True})
            self.assertEqual(session.get(f"{base}/models").json(), {"models": ["m"]})
            described = session.get(f"{base}/models/m").json()["inputs"][0]
            asked = {"id": "7", "inputs": [{"name": described["name"], "datatype": described["datatype"],
                                            "shape": [3, 2], "data": ROWS}]}
            answer = session.post(f"{base}/models/m/infer", json=asked)
            self.assertEqual((answer.status_code, answer.json()["id"]), (200, "7"))
            self.assertEqual(oip.outputs(answer.json())["std"], ([3, 3], oip.flat(self.native["std"])))
            refused = session.post(f"{base}/models/m/infer", json={})
            self.assertEqual((refused.status_code, list(refused.json())), (400, ["error"]))


if __name__ == "__main__":
    unittest.main()
