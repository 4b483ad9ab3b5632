# SPDX-License-Identifier: Apache-2.0
"""Many clients append while a job trains and predictions are answered; tests/bench/farm.py at a size
for every day, without a word about time."""

import os
import sys
import unittest

from harness import HERE, ServerTest

sys.path.insert(0, os.path.join(HERE, "..", "bench"))
import farm  # noqa: E402


class Farm(ServerTest):
    def test_counts_are_exact_while_32_clients_append(self):
        settings = farm.parse(["--clients", "32", "--rows", "20000", "--rate", "100", "--part", "20",
                               "--columns", "6", "--before", "1", "--epochs", "5"])
        found = farm.run(self.server, os.environ["OPENLOOP_BIN"], settings)
        self.assertEqual((found["uploads"], found["repeated"]), (1000, 200))
        self.assertGreater(found["during"]["requests"], 0)
        self.assertIn("succeeded", found["jobs"])


if __name__ == "__main__":
    unittest.main()
