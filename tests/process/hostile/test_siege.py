# SPDX-License-Identifier: Apache-2.0
"""Good clients among hostile ones: none of their answers is wrong or lost, and what the others take
comes back. A failure prints the kind of attack and the seed; HOSTILE_SEED repeats it."""

import os
import shutil
import tempfile
import unittest

from engine import seed_of_today
from harness import Server
from siege import Siege, World

BUDGET_MB = 500
MAX_CONNECTIONS = 300
FLAGS = ("--memory_mb", str(BUDGET_MB), "--max_connections", str(MAX_CONNECTIONS), "--head_timeout_s", "2",
         "--idle_timeout_s", "20", "--train_threads", "1", "--predict_threads", "2")


class Short(unittest.TestCase):
    def test_good_clients_are_served_among_two_thousand_hostile_requests(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        server = Server(folder, *FLAGS).start()
        self.addCleanup(lambda: server.process.poll() is None and server.kill())
        world = World(server, MAX_CONNECTIONS, hold_s=2, bomb_values=200000)
        siege = Siege(server, os.environ["OPENLOOP_BIN"], int(os.environ.get("HOSTILE_REQUESTS", "2000")), (0, 50),
                      seed_of_today())
        faults = siege.run(world, BUDGET_MB * 1e6) + siege.stop()
        print({key: value for key, value in siege.report.items() if key != "kinds"})
        self.assertFalse(faults, "\n".join(faults))


if __name__ == "__main__":
    unittest.main()
