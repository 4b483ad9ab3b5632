# SPDX-License-Identifier: Apache-2.0
"""What the server says about itself to somebody who knows only its address."""

import unittest

from harness import ServerTest


class Index(ServerTest):
    def index(self):
        status, head, index = self.server.request("GET", "/")
        self.assertEqual((status, head["Content-Type"]), (200, "application/json"))
        return index

    def test_every_link_leads_somewhere(self):
        index = self.index()
        links = {name: path for name, path in index.items() if str(path).startswith("/")}
        self.assertEqual(set(links), {"models", "jobs", "predict", "healthz", "readyz", "metrics"})
        for name, path in links.items():
            with self.subTest(link=name):
                status, head, _ = self.server.request("GET", path)
                if name == "predict":
                    self.assertEqual((status, head["Allow"]), (405, "POST"))
                else:
                    self.assertEqual(status, 200)

    def test_it_says_what_it_is(self):
        index = self.index()
        alive = self.server.request("GET", "/healthz")[2]
        self.assertEqual((index["name"], index["version"]), ("surrogated", alive["version"]))
        self.assertIn("README.md", index["docs"])

    def test_it_is_at_the_root_alone(self):
        self.assertEqual(self.server.request("GET", "//")[0], 404)
        status, head, _ = self.server.request("POST", "/", "{}")
        self.assertEqual((status, head["Allow"]), (405, "GET, HEAD"))


if __name__ == "__main__":
    unittest.main()
