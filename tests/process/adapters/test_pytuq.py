# SPDX-License-Identifier: Apache-2.0
"""PyTUQ's sensitivities with the server as the model, where both are known in closed form. Skipped where PyTUQ is
missing."""

import os
import sys
import unittest

from adapter_harness import INPUTS, OUTPUTS, AdapterTest, has_packages

SCRIPT = "sensitivities.py"


def linear_model():
    """y = x0 + 2 x1 + 3 x2 on [-1, 1] x [0, 1] x [0, 2]: the block of the network adds nothing."""
    identity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    parameters = identity + [0] * 3 + [1, 2, 3] + [0.5] + [0] * 9 + [0] * 3
    return {"architecture": {"inputs": 3, "outputs": 1, "width": 3, "layers": 0, "basis": "constant",
                             "activation": "identity"},
            "posterior": {"kind": "draws", "parameters": [parameters]},
            "training_range": [[-1, 1], [0, 1], [0, 2]]}


@unittest.skipUnless(has_packages("pytuq"), "PyTUQ is missing: pip install pytuq")
class Pytuq(AdapterTest):
    def setUp(self):
        super().setUp()
        self.copy(f"pytuq/{SCRIPT}")

    def sensitivities(self, *flags):
        """[(main, total)] of each output."""
        head, *lines = self.good(sys.executable, SCRIPT, *flags).splitlines()
        numbers = [[float(v) for v in line.split()[-len(head.split()):]] for line in lines]
        return head.split(), list(zip(numbers[::2], numbers[1::2]))

    def test_sensitivities_of_a_linear_function(self):
        self.ok(201, "PUT", "/v1/models/linear", linear_model())
        wanted = [4 / 44, 4 / 44, 36 / 44]  # (slope x width)^2, as shares
        for method, samples, error in (("PCSobol", "200", 0.001), ("SamSobol", "20000", 0.05)):
            names, found = self.sensitivities("linear", "--method", method, "--samples", samples, "--order", "2")
            self.assertEqual((names, len(found)), (["x0", "x1", "x2"], 1))
            for part in found[0]:
                for value, share in zip(part, wanted):
                    self.assertAlmostEqual(value, share, delta=error)

    def test_a_trained_model_by_both_methods(self):
        self.train()
        names, sampled = self.sensitivities("flow", "--samples", "20000")
        self.assertEqual((names, len(sampled)), (INPUTS, len(OUTPUTS)))
        _, polynomial = self.sensitivities("flow", "--method", "PCSobol", "--samples", "1000")
        for (_, total), (_, other) in zip(sampled, polynomial):
            for value, same in zip(total, other):
                self.assertAlmostEqual(value, same, delta=0.05)

    def test_failures_are_one_line(self):
        self.fails(1, "404", sys.executable, SCRIPT, "nobody")
        self.ok(201, "PUT", "/v1/models/linear", {**linear_model(), "training_range": None})
        self.fails(2, "on which range", sys.executable, SCRIPT, "linear")


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"
    unittest.main()
