# SPDX-License-Identifier: Apache-2.0
"""UM-Bridge's own Python client (pip install umbridge) against a server: values, derivatives and eight threads at once.
Skipped where it is missing; test_umbridge.py makes the same calls without it."""

import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import ServerTest
from umbridge_calls import POINT, RESULTS, by_differences, closed_form_model, draws_model

try:
    import umbridge
except ImportError:
    umbridge = None

SENS = [0.7, -1.2]
DIRECTION = [0.5, -0.3, 0.8]


@unittest.skipUnless(umbridge, "UM-Bridge's client is missing: pip install umbridge")
class Client(ServerTest):
    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", draws_model())
        self.ok(201, "PUT", "/v1/models/closed", closed_form_model())
        self.url = f"http://127.0.0.1:{self.server.port}"

    def close(self, found, wanted):
        size = max(map(abs, wanted))
        for a, b in zip(found, wanted, strict=True):
            self.assertAlmostEqual(a, b, delta=1e-6 * max(size, 1e-2))

    def check_model(self, name, config):
        model = umbridge.HTTPModel(self.url, name)
        self.assertTrue(model.supports_evaluate() and model.supports_gradient() and model.supports_apply_jacobian())
        self.assertEqual(model.get_input_sizes(config), [3])
        k = model.get_output_sizes(config)[0]
        sens = (SENS * k)[:k]

        def value(x):
            return model([x], config)[0]

        def gradient(x):
            return model.gradient(0, 0, [x], sens, config)

        self.close(model.apply_jacobian(0, 0, [POINT], DIRECTION, config), by_differences(value, POINT, DIRECTION))
        along = by_differences(lambda x: [sum(s * y for s, y in zip(sens, value(x)))], POINT, DIRECTION)
        self.close([sum(g * v for g, v in zip(gradient(POINT), DIRECTION))], along)
        if model.supports_apply_hessian():
            self.close(model.apply_hessian(0, 0, 0, [POINT], sens, DIRECTION, config),
                       by_differences(gradient, POINT, DIRECTION))
        return model

    def test_derivatives_agree_with_differences(self):
        for result in RESULTS:
            name = "m" if result == "mean" else f"m.{result}"
            self.assertTrue(self.check_model(name, {"quantiles": [0.1, 0.6], "seed": 3}).supports_apply_hessian())
        self.assertTrue(self.check_model("closed", {}).supports_apply_hessian())
        self.assertFalse(self.check_model("closed.std", {}).supports_apply_hessian())

    def test_eight_threads_get_what_each_gets_alone(self):
        model = umbridge.HTTPModel(self.url, "m")
        points = [[0.1 * i, 0.5 + 0.01 * i, -0.02 * i] for i in range(80)]

        def ask(x):
            return (model([x]), model.gradient(0, 0, [x], SENS), model.apply_jacobian(0, 0, [x], DIRECTION),
                    model.apply_hessian(0, 0, 0, [x], SENS, DIRECTION))

        alone = [ask(x) for x in points]
        with ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(ask, points)), alone)

    def test_an_error_is_told_by_its_type(self):
        model = umbridge.HTTPModel(self.url, "m")
        with self.assertRaisesRegex(Exception, "InvalidInput: .*2 numbers, 3 are needed"):
            model([[1.0, 2.0]])
        with self.assertRaisesRegex(Exception, "not supported by server"):
            umbridge.HTTPModel(self.url, "none")


if __name__ == "__main__":
    unittest.main()
