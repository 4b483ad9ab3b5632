# SPDX-License-Identifier: Apache-2.0
"""A day of a primary and a replica in less than a minute; what was taken is given back each hour.
`tests/bench/soak.py` passes a longer one."""

import os
import shutil
import tempfile
import unittest

from day import HOURS, SETTLED, Day


@unittest.skipUnless(shutil.which("openssl"), "the openssl command is missing: apt-get install openssl")
class ADay(unittest.TestCase):
    def test_a_day_leaves_nothing_behind(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        # Sanitizers and libfaketime both want to be first in the process, so clocks are real here.
        day = Day(folder, os.environ["OPENLOOP_BIN"], seconds=12, predictions=2400)
        self.addCleanup(day.end)
        day.start()
        day.pass_day()
        self.assertEqual(day.close(), [])
        load = day.load
        self.assertEqual((load["2xx"], load["wrong"], load["broken"]), (load["requests"], 0, 0), load)
        self.assertEqual(day.failed_jobs, [])
        for what, n in {"trainings": HOURS // 2, "policies": HOURS // 2, "certificates": HOURS + 1, "tokens": HOURS + 1, "rotations": HOURS,
                        "deletions": HOURS, "uploads": HOURS + 3, "versions": 3 * HOURS, "backups": 4}.items():
            self.assertEqual(day.done[what], n, what)
        then, last = day.samples[SETTLED], day.samples[-1]
        self.assertLessEqual(last["threads"], then["threads"])
        # Of the kinds of memory that are no caches of requests, each is what it was.
        for kind in ("other", "models", "training", "answers"):
            self.assertLess(last[kind], then[kind] + 2e5, f"{kind}: {then}, {last}")
        self.assertLess(last["requests"], 1.1 * then["requests"] + 2e6)


if __name__ == "__main__":
    unittest.main()
