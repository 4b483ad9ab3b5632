# SPDX-License-Identifier: Apache-2.0
"""The page where there is little to show, where something failed, with tokens, and while the server restarts."""

import re
import shutil
import tempfile
import unittest

from browser_harness import BrowserTest, needs_browser, smooth_rows
from harness import Server, binary, document

VIEWS = ("#/models", "#/jobs", "#/server", "#/model/plate", "#/model/plate/data", "#/model/plate/train", "#/model/plate/diagnostics",
         "#/model/plate/explore", "#/model/plate/next")


@needs_browser
class Little(BrowserTest):
    def test_an_empty_server(self):
        self.show("")
        self.assertIn("There is no model yet", self.page.inner_text("main"))
        self.shot("empty")
        for view, words in (("#/jobs", "No job is here"), ("#/server", "Requests a second")):
            self.show(view)
            self.page.wait_for_selector(f"text={words}")
        self.page.goto(f"{self.base()}ui/#/model/nobody")
        self.page.wait_for_selector("text=there is no model nobody")
        self.check_quiet()

    def test_a_server_shows_the_replicas_that_tell_of_themselves(self):
        self.ok(201, "PUT", "/v1/models/made", document())
        version = int(self.server.request("GET", "/v1/models")[1]["X-Registry-Version"])
        self.ok(200, "POST", "/v1/replicas", {"name": "node7:8080", "registry_version": version - 1})
        self.ok(200, "POST", "/v1/replicas", {"name": "node8:8080", "registry_version": version})
        self.show("#/server")
        rows = self.page.locator("[aria-label=Replicas] tbody tr")
        rows.first.wait_for()
        self.assertRegex(rows.nth(0).inner_text(), rf"node7:8080\s+{version - 1}\s+1 changes\s")
        self.assertRegex(rows.nth(1).inner_text(), rf"node8:8080\s+{version}\s+–\s")
        self.check_quiet()

    def test_a_model_without_versions_and_one_without_rows(self):
        self.ok(201, "POST", "/v1/models/plate/data", smooth_rows(20))
        self.ok(201, "PUT", "/v1/models/made", document())
        self.show("#/model/plate/data")
        self.assertEqual(self.page.get_by_role("link", name="Train one").get_attribute("href"), "#/model/plate/train")
        for view in VIEWS[3:]:
            self.show(view)
            self.assertEqual(self.page.locator(".refusal").all_inner_texts(), [], view)
            self.show(view.replace("plate", "made"))
            self.assertEqual(self.page.locator(".refusal").all_inner_texts(), [], view)
        self.check_quiet()

    def test_jobs_that_failed_say_why(self):
        self.ok(201, "POST", "/v1/models/plate/data", smooth_rows(40))
        job = self.ok(202, "POST", "/v1/models/plate/train", {"solver": "ensemble", "settings": {"epochs": 1000000},
                                                              "limits": {"seconds": 1}})[1]["id"]
        message = self.server.wait_job(job, "failed")["message"]
        self.show("#/jobs?state=failed")
        self.assertIn(message, self.page.inner_text("main"))
        self.show(f"#/job/{job}")
        self.assertIn(message, self.page.inner_text(".refusal"))
        self.shot("failed-job")
        self.show("#/models")
        self.page.wait_for_selector(".tag.failed")
        self.check_quiet()

    def test_runs_that_failed_are_shown(self):
        data = smooth_rows(30)
        data["outputs"][3] = [None, None]
        self.ok(201, "POST", "/v1/models/plate/data?missing=allow", data)
        self.show("#/model/plate/data")
        self.assertEqual([len(one["x"]) for one in self.wait_figure("Where runs failed")["marks"]], [29, 1])
        self.check_quiet()

    def test_values_far_from_the_others_are_listed(self):
        data = smooth_rows(60)
        data["outputs"][7][1] = 1e6
        self.ok(201, "POST", "/v1/models/plate/data", smooth_rows(60, seed=2))
        self.ok(201, "POST", "/v1/models/plate/data", data)
        self.assertEqual(self.ok(200, "GET", "/v1/models/plate/data/batches")[1]["batches"][1]["outliers"], 1)
        self.show("#/model/plate/data")
        self.page.wait_for_selector("text=More than 10 interquartile ranges")
        self.assertIn("output 1", self.page.locator("[aria-label=Outliers]").inner_text())
        self.assertEqual(self.page.locator("[aria-label=Outliers] tbody tr").count(), 1)
        self.check_quiet()

    def test_the_server_restarts(self):
        self.train()
        self.show("#/model/plate/explore")
        self.wait_figure("T along k")
        self.server.stop()
        self.page.evaluate("location.hash = '#/jobs'")
        self.page.wait_for_selector("text=The server does not answer")
        port = self.server.port
        again = Server(self.folder, "--listen", f"127.0.0.1:{port}")
        again.start()
        self.server.process, self.server.log = again.process, again.log
        self.page.wait_for_selector(".tag.succeeded")
        self.assertEqual(self.faults, [])

    def test_below_a_path(self):
        self.server.stop()
        self.server = Server(self.folder, "--base_path", "/a/surrogate").start()
        self.page.goto(f"{self.base()}a/surrogate/ui")
        self.page.wait_for_selector("text=There is no model yet")
        self.check_quiet()


@needs_browser
class Tokens(BrowserTest):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder, "--require-tokens", "true")
        self.tokens = {role: binary("token", "create", "--role", role, "--db", self.server.db).stdout.strip() for role in ("predict", "read", "write")}
        self.server.start()
        self.addCleanup(self.end)
        self.begin()
        self.headers = {"Authorization": f"Bearer {self.tokens['write']}"}

    def ok(self, status, method, path, body=None, headers=None):
        return super().ok(status, method, path, body, {**self.headers, **(headers or {})})

    def sign_in(self, token):
        self.page.get_by_label("Token", exact=True).fill(token)
        self.page.get_by_role("button", name="Sign in", exact=True).last.click()

    def test_who_sees_and_who_acts(self):
        self.ok(201, "POST", "/v1/models/plate/data", smooth_rows(30))
        self.ok(201, "PUT", "/v1/models/other", document())
        self.page.goto(f"{self.base()}ui/#/model/plate/train")
        self.page.wait_for_selector("text=The server asks for a token")
        self.shot("sign-in")
        self.sign_in("sgt_nobody_" + 64 * "0")
        self.page.wait_for_selector("text=The token is not known")
        self.sign_in(self.tokens["read"])
        button = self.page.get_by_role("button", name="Train", exact=True)
        button.wait_for()
        self.assertTrue(button.is_disabled())
        self.page.wait_for_selector("text=This needs a token with the role write; yours has the role read.")
        self.assertIn("role read", self.page.inner_text("#who"))
        self.page.evaluate("location.hash = '#/model/plate/data'")
        self.page.wait_for_selector("text=This needs a token with the role write")
        self.assertEqual(self.page.locator("input[type=file]").count(), 0)
        self.page.evaluate("location.hash = '#/model/other/next'")
        find = self.page.get_by_role("button", name="Find it", exact=True)
        find.wait_for()
        self.assertFalse(find.is_disabled())
        self.page.evaluate("location.hash = '#/server'")
        self.page.wait_for_selector("text=Requests a second")
        self.assertEqual(self.page.locator(".refusal").count(), 0)
        # It is nowhere but in memory: a page that is loaded again asks for it again.
        stored = self.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
        self.assertNotIn(self.tokens["read"], stored)
        self.page.evaluate("location.hash = '#/model/plate/train'")
        self.page.reload()
        self.page.wait_for_selector("text=The server asks for a token")
        self.sign_in(self.tokens["write"])
        self.page.wait_for_selector("text=signed in, role write")
        self.page.get_by_label("Solver", exact=True).select_option("ensemble")
        self.page.get_by_text("Settings of the solver").click()
        self.page.get_by_label("Epochs", exact=True).fill("20")
        self.page.get_by_role("button", name="Train", exact=True).click()
        # The stream of events carries the token, too.
        self.page.wait_for_url(re.compile("#/job/1"))
        self.page.wait_for_selector(".tag.succeeded")
        self.page.get_by_role("button", name="Sign out").click()
        self.page.wait_for_selector("text=The server asks for a token")
        self.check_quiet()

    def test_a_token_that_may_only_predict_is_told_so(self):
        self.page.goto(f"{self.base()}ui/")
        self.sign_in(self.tokens["predict"])
        self.page.wait_for_selector(".refusal")
        self.assertIn("role read", self.page.inner_text(".refusal"))
        self.check_quiet()


if __name__ == "__main__":
    unittest.main()
