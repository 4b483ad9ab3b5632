# SPDX-License-Identifier: Apache-2.0
"""What a page in a browser can reach, judged by its name (Host) and by what the browser says about it (Origin)."""

import unittest

from harness import ServerTest, document, rows

PAGE = {"Origin": "https://evil.example", "Content-Type": "text/plain"}


class Defaults(ServerTest):
    def test_a_page_of_another_site_changes_nothing(self):
        """Requests that a browser sends without asking first: text/plain POSTs."""
        self.ok(201, "PUT", "/v1/models/m", document())
        asked = [("POST", "/v1/models/m/data", rows(30)), ("POST", "/v1/models/m/train", {"gate": None}),
                 ("PUT", "/v1/models/m", document(seed=2)), ("DELETE", "/v1/models/m", None),
                 ("POST", "/nothing", None), ("OPTIONS", "/v1/models/m", None)]
        for headers in (PAGE, {**PAGE, "Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "same-site", "Origin": f"http://localhost:{self.server.port}"}):
            for method, path, body in asked:
                _, problem = self.ok(403, method, path, body, headers)
                self.assertEqual(problem["title"], "not allowed")
        self.assertEqual(len(self.ok(200, "GET", "/v1/models/m")[1]["versions"]), 1)
        self.assertEqual(self.ok(200, "GET", "/v1/jobs")[1]["jobs"], [])

    def test_it_is_not_told_that_it_may_read(self):
        head, _ = self.ok(200, "GET", "/v1/models", None, PAGE)
        self.assertNotIn("Access-Control-Allow-Origin", head)

    def test_a_name_that_was_rebound_reads_nothing(self):
        for path in ("/v1/models", "/", "/healthz", "/metrics", "/nothing"):
            for host in ("evil.example", f"evil.example:{self.server.port}", "10.1.2.3.evil.example"):
                _, problem = self.ok(421, "GET", path, None, {"Host": host})
                self.assertIn(host, problem["detail"])

    def test_programs_and_own_pages_are_not_concerned(self):
        for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"},
                        {"Sec-Fetch-Site": "none"}, {"Host": "localhost"},
                        {"Origin": f"http://127.0.0.1:{self.server.port}", "Sec-Fetch-Site": "same-origin"}):
            self.ok(201, "PUT", "/v1/models/m", document(seed=len(str(headers))), headers)

    def test_probes_come_by_the_number_of_a_pod(self):
        for path in ("/healthz", "/readyz", "/metrics"):
            self.ok(200, "GET", path, None, {"Host": "10.244.1.7:8080"})
        self.ok(421, "GET", "/v1/models", None, {"Host": "10.244.1.7:8080"})


    def test_answers_are_shown_and_no_more(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        for status, method, path in ((200, "GET", "/v1/models"), (404, "GET", "/none"), (405, "PUT", "/predict"),
                                     (200, "GET", "/metrics"), (400, "POST", "/predict"), (204, "DELETE", "/v1/models/m")):
            head, _ = self.ok(status, method, path)
            self.assertEqual(head["X-Content-Type-Options"], "nosniff")
            self.assertEqual(head["Referrer-Policy"], "no-referrer")
            self.assertEqual(head["Content-Security-Policy"], "default-src 'none'; frame-ancestors 'none'")
            self.assertEqual(head["Cache-Control"], "no-store")

    def test_versions_may_be_kept(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        head, _ = self.ok(200, "GET", "/v1/models/m/versions/1")
        self.assertIn("ETag", head)
        self.assertNotIn("Cache-Control", head)


class Configured(ServerTest):
    flags = ("--hosts", "surrogate.example, other.example:443", "--cors-origins", "https://notebook.example")

    def test_names_that_were_set(self):
        self.ok(200, "GET", "/v1/models", None, {"Host": "surrogate.example:1234"})
        self.ok(200, "GET", "/v1/models", None, {"Host": "other.example:443"})
        self.ok(200, "GET", "/v1/models", None, {"Host": "localhost"})
        self.ok(421, "GET", "/v1/models", None, {"Host": "other.example"})

    def test_a_listed_page_asks_first_and_then_reads(self):
        page = {"Origin": "https://notebook.example", "Sec-Fetch-Site": "cross-site"}
        head, _ = self.ok(204, "OPTIONS", "/v1/models/m", None,
                          {**page, "Access-Control-Request-Method": "PUT"})
        self.assertEqual(head["Access-Control-Allow-Origin"], "https://notebook.example")
        self.assertIn("PUT", head["Access-Control-Allow-Methods"])
        head, _ = self.ok(201, "PUT", "/v1/models/m", document(), page)
        self.assertEqual(head["Access-Control-Allow-Origin"], "https://notebook.example")
        self.assertEqual(head["Vary"], "Origin")
        # An error can be read too.
        head, _ = self.ok(404, "GET", "/v1/models/none", None, page)
        self.assertEqual(head["Access-Control-Allow-Origin"], "https://notebook.example")
        self.ok(403, "DELETE", "/v1/models/m", None, PAGE)
        self.ok(403, "OPTIONS", "/v1/models/m", None, {**PAGE, "Access-Control-Request-Method": "PUT"})


if __name__ == "__main__":
    unittest.main()
