# SPDX-License-Identifier: Apache-2.0
"""A page in Debian's Chromium, driven by Playwright, and models to look at.

Needs Chromium (`apt-get install chromium`) and Playwright for Python (`pip install playwright`); tests/ui.sh brings
both. Without them these tests are skipped with a word. The check for accessibility also needs axe-core's one file,
which AXE_CORE names.
"""

import math
import os
import random
import shutil
import unittest

from harness import ServerTest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = ("chromium is missing: apt-get install chromium" if not CHROMIUM else
           "playwright is missing: sh tests/ui.sh installs it" if sync_playwright is None else None)
AXE = os.environ.get("AXE_CORE")
SHOTS = os.environ.get("UI_SHOTS")  # a folder for screenshots
PICTURES = os.environ.get("UI_PICTURES")  # where those of README.md belong
IMPATIENCE = 60000  # milliseconds for what is sure to come

SPACE = {"inputs": [{"name": "k", "unit": "W/m/K", "bounds": [0.1, 2], "distribution": "loguniform"},
                    {"name": "load", "unit": "kN", "bounds": [0, 10]}, {"name": "angle", "unit": "deg", "bounds": [-30, 30]}],
         "outputs": [{"name": "T", "unit": "K"}, {"name": "stress", "unit": "MPa"}]}


def smooth_rows(n, seed=1):
    """Two outputs of three inputs, with a little noise."""
    rng = random.Random(seed)
    inputs = [[0.1 * 20 ** rng.random() * 0.9 + 0.05, rng.uniform(0.5, 9), rng.uniform(-25, 25)] for _ in range(n)]
    outputs = [[300 + 40 / (1 + k) + 3 * load + rng.gauss(0, 0.2), load * math.cos(math.radians(a)) * 5 + 2 * k + rng.gauss(0, 0.1)]
               for k, load, a in inputs]
    return {"inputs": inputs, "outputs": outputs}


class BrowserTest(ServerTest):
    """Each test has its own server and page; the browser is started once for a class."""

    viewport = {"width": 1280, "height": 900}
    # The browser itself writes these for answers that the page is ready for: no policy, no space, a token that is missing.
    expected = ("404", "401", "403", "400", "409", "503", "net::ERR")

    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()

    def setUp(self):
        super().setUp()
        self.begin()

    def begin(self):
        self.faults = []
        self.foreign = []
        self.open_page()

    def open_page(self, **options):
        context = self.browser.new_context(viewport=self.viewport, accept_downloads=True, **options)
        self.addCleanup(context.close)
        self.page = context.new_page()
        self.page.set_default_timeout(IMPATIENCE)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self.take_console)
        self.page.on("request", lambda request: None if request.url.startswith((self.base(), "data:", "blob:")) else self.foreign.append(request.url))
        return self.page

    def take_console(self, message):
        if message.type in ("error", "warning") and not (message.text.startswith("Failed to load resource") and
                                                         any(one in message.text for one in self.expected)):
            self.faults.append(message.text)

    def base(self):
        return f"http://127.0.0.1:{self.server.port}/"

    def show(self, view):
        """Goes to a view and waits until it is there."""
        self.page.goto(f"{self.base()}ui/{view}")
        self.page.wait_for_selector('#main [aria-busy="false"]')

    def check_quiet(self):
        self.assertEqual((self.faults, self.foreign), ([], []))

    def train(self, model="plate", rows=60, **request):
        """A model with rows, a space and a version; what the server answers about the job."""
        self.ok(200, "PUT", f"/v1/models/{model}/space", SPACE)
        self.ok(201, "POST", f"/v1/models/{model}/data", smooth_rows(rows))
        request = {"solver": "ensemble", "architecture": {"width": 8, "layers": 1}, "gate": None,
                   "settings": {"members": 4, "epochs": 60}, **request}
        job = self.ok(202, "POST", f"/v1/models/{model}/train", request)[1]["id"]
        return self.server.wait_job(job, "succeeded")

    def figure(self, title):
        """What a plot shows, as the page has it."""
        return self.page.evaluate("title => [...document.querySelectorAll('figure.plot')].find(one => one.figure.title === title)?.figure", title)

    def wait_figure(self, title):
        self.page.wait_for_function("title => [...document.querySelectorAll('figure.plot')].some(one => one.figure.title === title)", arg=title)
        return self.figure(title)

    def shot(self, name):
        if SHOTS:
            self.page.screenshot(path=os.path.join(SHOTS, name + ".png"), full_page=True)

    def serious(self):
        """What axe-core finds of serious and critical faults."""
        self.page.evaluate(axe_source())
        answer = self.page.evaluate("() => axe.run(document)")
        self.assertGreater(len(answer["passes"]), 10)
        found = answer["violations"]
        return [(one["id"], one["nodes"][0]["html"][:200], one["nodes"][0].get("failureSummary", "")[:300]) for one in found
                if one["impact"] in ("serious", "critical")]


def axe_source():
    with open(AXE, encoding="utf-8") as file:
        return file.read()


needs_browser = unittest.skipIf(MISSING, MISSING or "")
