# SPDX-License-Identifier: Apache-2.0
"""The files of the page as the server sends them: types, tags, gzip, policy. Needs no browser."""

import gzip
import os
import re
import unittest

from harness import HERE, ServerTest
from token_harness import TokenTest

FOLDER = os.path.join(HERE, "..", "..", "server", "ui")
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
         "svg": "image/svg+xml", "txt": "text/plain; charset=utf-8"}
FIRST_VIEW_BYTES = 300 * 1000


def files():
    return sorted(name for name in os.listdir(FOLDER) if name.rsplit(".", 1)[-1] in TYPES)


class Files(ServerTest):
    def test_every_file_comes_as_it_lies_in_the_source(self):
        self.assertGreater(len(files()), 15)
        for name in files():
            with self.subTest(file=name), open(os.path.join(FOLDER, name), "rb") as file:
                text = file.read()
                head, plain = self.ok(200, "GET", f"/ui/{name}")
                self.assertEqual((head["Content-Type"], plain), (TYPES[name.rsplit(".", 1)[-1]], text))
                head, packed = self.ok(200, "GET", f"/ui/{name}", headers={"Accept-Encoding": "gzip"})
                self.assertEqual((head["Content-Encoding"], gzip.decompress(packed)), ("gzip", text))
                self.assertIn("Accept-Encoding", head["Vary"])
                head, rest = self.ok(304, "GET", f"/ui/{name}", headers={"If-None-Match": head["ETag"]})
                self.assertEqual(rest, b"")

    def test_the_page_is_index_html(self):
        self.assertEqual(self.ok(200, "GET", "/ui/")[1], self.ok(200, "GET", "/ui/index.html")[1])
        head, _ = self.ok(308, "GET", "/ui")
        self.assertEqual(head["Location"], "/ui/")

    def test_the_policy_lets_in_nothing_foreign_or_inline(self):
        head, text = self.ok(200, "GET", "/ui/")
        policy = dict(one.strip().split(" ", 1) for one in head["Content-Security-Policy"].split(";"))
        self.assertEqual((policy["default-src"], policy["script-src"], policy["style-src"], policy["connect-src"]),
                         ("'none'", "'self'", "'self'", "'self'"))
        self.assertEqual((policy["frame-ancestors"], policy["base-uri"]), ("'none'", "'none'"))
        self.assertNotIn("unsafe", head["Content-Security-Policy"])
        self.assertEqual(re.findall(rb"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|//[a-z]", text), [])

    def test_no_other_file_is_reached(self):
        for name in ("nothing.js", "meson.build", "..%2f..%2fREADME.md", "%2e%2e", "app.js%00", "APP.JS", "index"):
            with self.subTest(file=name):
                self.assertIn(self.server.request("GET", f"/ui/{name}")[0], (400, 404))
        self.assertEqual(self.server.request("GET", "/uix")[0], 404)
        head, _ = self.ok(405, "POST", "/ui/", "{}")
        self.assertEqual(head["Allow"], "GET, HEAD")

    def test_everything_together_is_small(self):
        total = sum(len(self.server.request("GET", f"/ui/{name}", headers={"Accept-Encoding": "gzip"})[2]) for name in files())
        print(f"all files of the page: {total} bytes as gzip")
        self.assertLess(total, FIRST_VIEW_BYTES)


class BelowAPath(ServerTest):
    flags = ("--base_path", "/a/surrogate")

    def test_it_is_there_too(self):
        head, text = self.ok(200, "GET", "/a/surrogate/ui/")
        self.assertIn(b"app.js", text)
        self.assertEqual(self.ok(308, "GET", "/a/surrogate/ui")[0]["Location"], "/a/surrogate/ui/")
        self.assertEqual(self.ok(200, "GET", "/a/surrogate/")[1]["ui"], "/a/surrogate/ui/")


class Tokens(TokenTest):
    def test_files_need_no_token_and_what_they_ask_for_does(self):
        for token in (None, "sgt_nobody_" + 64 * "0", self.tokens["READ"]):
            self.assertEqual(self.status(token, "GET", "/ui/"), 200)
            self.assertEqual(self.status(token, "GET", "/ui/app.js"), 200)
        self.assertEqual(self.status(None, "GET", "/v1/models"), 401)
        self.assertEqual(self.status(None, "GET", "/ui/../v1/models"), 404)


if __name__ == "__main__":
    unittest.main()
