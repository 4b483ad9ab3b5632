# SPDX-License-Identifier: Apache-2.0
"""What the server says about itself to somebody who knows only its address."""

import json
import re
import unittest

from harness import ServerTest, document, rows


class Index(ServerTest):
    base = ""  # what stands before every path

    def index(self):
        status, head, index = self.server.request("GET", self.base + "/")
        self.assertEqual((status, head["Content-Type"]), (200, "application/json"))
        return index

    def test_every_link_leads_somewhere(self):
        index = self.index()
        links = {name: path for name, path in index.items() if str(path).startswith("/")}
        self.assertEqual(set(links), {"models", "jobs", "predict", "healthz", "readyz", "metrics", "status",
                                      "openapi", "ui"})
        self.assertEqual([path for path in links.values() if not path.startswith(self.base + "/")], [])
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


class BelowAPath(Index):
    """Behind a proxy that leaves a prefix where it is."""

    flags = ("--base_path", "/a/surrogate")
    base = "/a/surrogate"

    def test_what_answers_lead_to_is_below_it(self):
        head, _ = self.ok(201, "PUT", f"{self.base}/v1/models/m", document())
        self.assertEqual(head["Location"], f"{self.base}/v1/models/m/versions/1")
        self.ok(200, "GET", head["Location"])
        self.ok(201, "POST", f"{self.base}/v1/models/n/data", rows(40))
        head, _ = self.ok(202, "POST", f"{self.base}/v1/models/n/train", {"solver": "ensemble", "settings": {"epochs": 1}})
        self.assertTrue(head["Location"].startswith(f"{self.base}/v1/jobs/"))
        self.ok(200, "GET", head["Location"])
        # No answer names a path that is not below it.
        for path in ("/", "/v1/models", "/v1/models/m", "/v1/jobs", "/v1/status", "/v1/models/n/data",
                     "/v1/models/n/data/batches"):
            _, _, data = self.server.request("GET", self.base + path)
            self.assertEqual(re.findall(r"(?<!surrogate)/v1/\w+", json.dumps(data)), [], path)
        for status, method, path in ((404, "GET", "/v1/models/none"), (404, "GET", "/v1/nothing"), (405, "PUT", "/predict"),
                                     (400, "POST", "/predict")):
            _, data = self.ok(status, method, self.base + path, "{}" if method != "GET" else None)
            self.assertEqual(re.findall(r"(?<!surrogate)/v1/\w+", json.dumps(data)), [], path)


if __name__ == "__main__":
    unittest.main()
