# SPDX-License-Identifier: Apache-2.0
"""The page of a model whose outputs are a field: a choice of outputs in every view, the field as a curve or as maps."""

import math
import random
import unittest

from browser_harness import BrowserTest, needs_browser

SIDES = (8, 6)
AXES = [[i / (n - 1) for i in range(n)] for n in SIDES]
POINT = [0.25, 0.5]


def rows_of(places, n=40):
    """A bump that moves with the first input and grows with the second."""
    rng = random.Random(3)
    inputs = [[rng.random(), rng.random()] for _ in range(n)]
    outputs = [[(1 + b) * math.exp(-4 * (x - a) ** 2 - 2 * (y - 0.5) ** 2) + rng.gauss(0, 0.005) for x, y in places]
               for a, b in inputs]
    return {"inputs": inputs, "outputs": outputs}


@needs_browser
class Field(BrowserTest):
    def make(self, model, places, coordinates):
        self.ok(201, "POST", f"/v1/models/{model}/data", rows_of(places))
        reduction = {"kind": "kl", "modes": 3, **({"coordinates": coordinates} if coordinates else {})}
        job = self.ok(202, "POST", f"/v1/models/{model}/train", {
            "solver": "ensemble", "architecture": {"width": 8, "layers": 1}, "gate": None,
            "settings": {"members": 2, "epochs": 40}, "output_reduction": reduction})[1]["id"]
        self.server.wait_job(job, "succeeded")

    def make_grid(self):
        self.make("grid", [(x, y) for x in AXES[0] for y in AXES[1]], {"axes": AXES})

    def predict(self, model, **request):
        return self.ok(200, "POST", f"/v1/models/{model}/predict", {"inputs": [POINT], "return": ["mean", "std"], **request})[1]

    def explore(self, model, more=""):
        self.show(f"#/model/{model}/explore?at={','.join(map(str, POINT))}{more}")

    def test_maps_are_the_prediction_in_its_order(self):
        self.make_grid()
        self.explore("grid")
        answer = self.predict("grid")
        for title, key in (("Mean of the field at this point", "mean"), ("Standard deviation of the field at this point", "std")):
            z = self.wait_figure(title)["marks"][0]["z"]
            self.assertEqual((len(z), len(z[0])), (SIDES[1], SIDES[0]))
            for i in range(SIDES[0]):
                for j in range(SIDES[1]):
                    self.assertEqual(z[j][i], answer[key][0][i * SIDES[1] + j])
        self.check_quiet()

    def test_a_curve_goes_along_its_coordinate_in_order(self):
        xs = [(7 * i) % 30 / 29 for i in range(30)]  # not sorted
        self.make("curve", [(x, 0.5) for x in xs], xs)
        self.explore("curve")
        marks = self.wait_figure("The field at this point")["marks"]
        answer = self.predict("curve")
        order = sorted(range(30), key=lambda k: xs[k])
        line = next(one for one in marks if one["kind"] == "line")
        band = next(one for one in marks if one["kind"] == "band")
        self.assertEqual(line["x"], [xs[k] for k in order])
        self.assertEqual(line["y"], [answer["mean"][0][k] for k in order])
        self.assertEqual(band["high"], [answer["mean"][0][k] + 2 * answer["std"][0][k] for k in order])
        self.check_quiet()

    def test_views_show_the_outputs_of_the_link_alone(self):
        self.make_grid()
        answer = self.predict("grid", outputs="10:40:15")
        self.explore("grid", "&outputs=10:40:15")
        self.wait_figure("output 25 along input 0")
        self.assertIn("2 of 48 are shown", self.page.inner_text("main"))
        self.assertIsNone(self.figure("output 11 along input 0"))
        shown = self.page.inner_text("dl.facts")
        self.assertIn("output 10", shown)
        self.assertAlmostEqual(float(shown.split("±")[0].split()[-1]), answer["mean"][0][0], delta=1e-4)
        self.show("#/model/grid/diagnostics?outputs=25,3")
        parity = self.wait_figure("Parity of output 25")
        simulated = [x for one in parity["marks"] if one["kind"] == "points" for x in one["x"]]
        stored = self.ok(200, "GET", "/v1/models/grid/data/rows")[1]["outputs"]
        self.assertEqual(sorted(simulated), sorted(row[25] for row in stored))
        self.assertIn("MODES\n3", self.page.inner_text("main").upper())
        self.show("#/model/grid/data?outputs=47")
        self.wait_figure("Output output 47")
        self.assertIsNone(self.figure("Output output 0"))
        self.show("#/model/grid/next?outputs=47,2")
        self.assertEqual(self.page.locator("select").first.locator("option").count() > 0, True)
        self.assertNotIn("output 0", self.page.inner_text("main"))
        self.check_quiet()

    def test_an_output_that_is_none_is_refused_beside_the_field(self):
        self.make_grid()
        self.explore("grid")
        self.wait_figure("output 3 along input 0")
        box = self.page.get_by_label("Outputs", exact=True)
        box.fill("48")
        box.press("Enter")
        self.page.wait_for_selector("text=from 0 to 47")
        box.fill("47")
        box.press("Enter")
        self.wait_figure("output 47 along input 0")
        self.assertIn("outputs=47", self.page.url)
        self.check_quiet()

    def test_nothing_is_wider_than_a_telephone(self):
        self.make_grid()
        for theme in ("light", "dark"):
            for width in (320, 1280):
                self.page.emulate_media(color_scheme=theme)
                self.page.set_viewport_size({"width": width, "height": 800})
                for view in ("data", "diagnostics", "explore", "next"):
                    self.show(f"#/model/grid/{view}")
                    self.page.wait_for_load_state("networkidle")
                    self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), width)
                    self.shot(f"field-{view}-{theme}-{width}")
        self.check_quiet()


if __name__ == "__main__":
    unittest.main()
