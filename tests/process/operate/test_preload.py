# SPDX-License-Identifier: Apache-2.0
"""Models that are in memory before the server is ready."""

import re
import sqlite3
import unittest

from harness import Server, ServerTest, binary, document, rows


class Preload(ServerTest):
    def setUp(self):
        super().setUp()
        for name in ("heat-1", "heat-2", "flow", "other"):
            self.ok(201, "PUT", f"/v1/models/{name}", document(seed=len(name)))
        self.ok(201, "POST", "/v1/models/heat-rows/data", rows(20))  # without a version
        self.assertEqual(self.server.stop(), 0)

    def restart(self, *flags):
        self.server = Server(self.folder, *flags)
        self.server.start()
        self.begin = self.server.log_begin

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2].decode()
        return float(re.search(rf"(?m)^{name} (\S+)$", text).group(1))

    def lines(self):
        return self.server.log_text()[self.begin:].splitlines()

    def test_those_that_match_are_loaded_before_the_server_is_ready(self):
        self.restart("--preload", "heat-*,flow")
        self.assertEqual(self.metric("surrogated_models_loaded"), 3)
        self.assertEqual(self.metric("surrogated_model_loads_total"), 3)
        lines = self.lines()
        loaded = [i for i, line in enumerate(lines) if 'message="model preloaded"' in line]
        ready = next(i for i, line in enumerate(lines) if "message=ready" in line)
        self.assertEqual(len(loaded), 3)
        self.assertLess(max(loaded), ready)
        self.assertIn("model=flow version=1 ms=", lines[loaded[0]])
        self.ok(200, "POST", "/predict", {"model": "heat-1", "inputs": [0.1, 0.2, 0.3]})
        self.assertEqual(self.metric("surrogated_model_loads_total"), 3)
        self.ok(200, "POST", "/predict", {"model": "other", "inputs": [0.1, 0.2, 0.3]})
        self.assertEqual(self.metric("surrogated_model_loads_total"), 4)

    def test_nothing_is_preloaded_by_default(self):
        self.restart()
        self.assertEqual(self.metric("surrogated_models_loaded"), 0)

    def test_a_pattern_that_matches_nothing_is_a_warning(self):
        self.restart("--preload", "wave*")
        self.assertIn('level=warn message="no model to preload" preload=wave*', "\n".join(self.lines()))

    def test_a_damaged_model_does_not_keep_others_from_being_loaded(self):
        with sqlite3.connect(self.server.db) as db:
            db.execute("UPDATE version_chunks SET bytes = zeroblob(length(bytes)) WHERE model_id = "
                       "(SELECT id FROM models WHERE name = 'heat-1')")
        db.close()
        self.restart("--preload", "*")
        log = "\n".join(self.lines())
        self.assertIn('level=warn message="model not preloaded" model=heat-1 reason=', log)
        self.assertEqual(log.count('message="model preloaded"'), 3)
        reasons = self.ok(503, "GET", "/readyz")[1]["reasons"]
        self.assertEqual([reason["part"] for reason in reasons], ["models"])

    def test_a_list_that_is_none_is_refused(self):
        for text in ("a b", "", "x" * 300):
            found = binary("serve", "--preload", text)
            self.assertEqual(found.returncode, 2, text)
            self.assertIn("preload", found.stderr)


if __name__ == "__main__":
    unittest.main()
