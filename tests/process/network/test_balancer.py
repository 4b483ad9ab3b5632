# SPDX-License-Identifier: Apache-2.0
"""deploy/haproxy-replicas.cfg with three replicas: tests/bench/balancer.py for ten seconds."""

import os
import sys
import unittest

from harness import HERE

sys.path.insert(0, os.path.join(HERE, "..", "bench"))
import balancer  # noqa: E402


@unittest.skipUnless(balancer.HAPROXY, "haproxy is missing: apt-get install haproxy")
class Balancer(unittest.TestCase):
    def test_no_safe_request_fails_and_every_client_sees_what_it_wrote(self):
        settings = balancer.parse(["--seconds", "10", "--clients", "3", "--port", "0"])
        found = balancer.run(settings, tell=lambda line: None)
        self.assertEqual((found["failures"], found["stale"]), ([], []))
        self.assertGreater(min(found["requests"], found["read"], found["writes"]), 3)
        self.assertLess(found["served"], 30)


if __name__ == "__main__":
    unittest.main()
