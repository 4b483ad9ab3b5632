# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a trained model is what the API answers, and what a new user does works."""

import csv
import io
import os
import re
import unittest

from browser_harness import BrowserTest, SPACE, needs_browser, smooth_rows
from harness import PATIENCE


def as_csv(data, names=("k", "load", "angle", "T", "stress")):
    lines = [",".join(names)] + [",".join(repr(v) for v in x + y) for x, y in zip(data["inputs"], data["outputs"])]
    return "\n".join(lines) + "\n"


@needs_browser
class Numbers(BrowserTest):
    """Plotted numbers equal those of the API."""

    def setUp(self):
        super().setUp()
        self.job = self.train(calibration={"method": "split"})
        self.at = "/v1/models/plate"

    def mark(self, figure, kind, label=None):
        return next(one for one in figure["marks"] if one["kind"] == kind and (label is None or label in one.get("label", "")))

    def close(self, found, wanted):
        self.assertEqual(len(found), len(wanted))
        for a, b in zip(found, wanted):
            self.assertAlmostEqual(a, b, delta=1e-9 * max(1, abs(b)))

    def test_slices_are_predictions(self):
        self.show("#/model/plate/explore?at=0.5,4,10&along=1")
        figure = self.wait_figure("T along load")
        line = self.mark(figure, "line", "mean")
        body = {"inputs": [[0.5, load, 10] for load in line["x"]], "return": ["mean", "std"]}
        answer = self.ok(200, "POST", f"{self.at}/predict", body)[1]
        shown = self.mark(figure, "band", "standard")
        self.assertEqual(len(line["x"]), 41)
        self.assertEqual((line["x"][0], line["x"][-1]), (0, 10))
        band = [m + 2 * s for (m, _), (s, _) in zip(answer["mean"], answer["std"])]
        self.close(shown["high"], band)
        inside = [(x, y) for x, y in zip(line["x"], line["y"]) if y is not None]
        self.assertGreater(len(inside), 25)
        self.close([y for _, y in inside], [answer["mean"][line["x"].index(x)][0] for x, _ in inside])
        self.assertEqual(figure["y"]["label"], "T (K)")
        self.assertEqual(figure["x"]["label"], "load (kN)")
        # Beyond the rows that trained it is drawn as something else.
        self.assertTrue(any(one.get("label") == "outside the training range" for one in figure["marks"]))
        self.check_quiet()

    def test_a_map_is_predictions(self):
        self.show("#/model/plate/explore?at=0.5,4,10&map=1,2,1")
        figure = self.wait_figure("Standard deviation of stress")
        heat = self.mark(figure, "heat")
        middle = lambda edges, i: (edges[i] + edges[i + 1]) / 2
        for i, j in ((0, 0), (7, 20), (35, 35)):
            point = [0.5, middle(heat["x"], i), middle(heat["y"], j)]
            answer = self.ok(200, "POST", f"{self.at}/predict", {"inputs": [point], "return": ["std"]})[1]
            self.assertAlmostEqual(heat["z"][j][i], answer["std"][0][1], delta=1e-6)
        self.check_quiet()

    def test_diagnostics_are_those_of_the_api(self):
        told = self.ok(200, "GET", f"{self.at}/diagnostics")[1]
        data = smooth_rows(60)
        self.show("#/model/plate/diagnostics")
        figure = self.wait_figure("Calibration of T")
        self.close(self.mark(figure, "points")["y"], told["scores"]["calibration"][0])
        pit = self.mark(self.wait_figure("PIT of T"), "bars")["top"]
        self.assertAlmostEqual(sum(pit), told["scores"]["rows"], delta=1e-9)
        self.assertAlmostEqual(pit[0], told["scores"]["calibration"][0][0] * told["scores"]["rows"], delta=1e-9)
        listed = self.ok(200, "GET", f"{self.at}/versions/1/rows")[1]
        parts = [listed["parts"][place] for place in listed["rows"]]
        answer = self.ok(200, "POST", f"{self.at}/predict", {"inputs": data["inputs"], "return": ["mean", "total_variance"]})[1]
        figure = self.wait_figure("Parity of T")
        self.assertGreater(parts.count("kept_out"), told["scores"]["rows"] - 1)
        for part, words in (("trained", "trained it"), ("kept_out", "kept out of its training")):
            at = [i for i, one in enumerate(parts) if one == part]
            parity = self.mark(figure, "points", f"{len(at)} {words}")
            self.close(parity["x"], [data["outputs"][i][0] for i in at])
            self.close(parity["y"], [answer["mean"][i][0] for i in at])
            self.close(parity["high"], [answer["mean"][i][0] + 2 * answer["total_variance"][i][0] ** 0.5 for i in at])
        residuals = self.mark(self.wait_figure("Standardised residuals of T"), "bars", f"{parts.count('kept_out')} rows that did not train")
        self.assertEqual(sum(residuals["top"]), parts.count("kept_out"))
        self.assertIn(f"{told['scores']['rmse'][0]:.3g}"[:5], self.page.inner_text("main"))
        self.check_quiet()

    def test_losses_are_the_curves_of_the_job(self):
        self.show(f"#/job/{self.job['id']}")
        curves = self.ok(200, "GET", f"/v1/jobs/{self.job['id']}/curves")[1]
        figure = self.wait_figure("Loss")
        lines = [one for one in figure["marks"] if "dash" not in one]
        self.assertEqual(len(lines), 4)
        self.close(lines[2]["y"], curves["members"][2]["loss"])
        self.check_quiet()

    def test_sobol_bars_have_both_errors(self):
        job = self.ok(202, "POST", f"{self.at}/analyses", {"kind": "sobol", "points": 64, "replicates": 4})[1]["id"]
        self.server.wait_job(job, "succeeded")
        tables = {one["name"]: one for one in self.ok(200, "GET", f"/v1/jobs/{job}/result")[1]["tables"]}
        self.show(f"#/model/plate/next?job={job}")
        bars = self.mark(self.wait_figure("Sobol’ indices of stress"), "bars", "first")
        self.close(bars["top"], tables["first"]["estimate"][1])
        self.close(bars["outerHigh"], tables["first"]["upper"][1])
        self.close(bars["high"], [v + 1.96 * s for v, s in zip(tables["first"]["estimate"][1], tables["first"]["sampling_error"][1])])
        self.check_quiet()

    def analyse(self, **request):
        """The tables of an analysis by name, whose pictures the page then shows."""
        job = self.ok(202, "POST", f"{self.at}/analyses", request)[1]["id"]
        self.server.wait_job(job, "succeeded")
        self.show(f"#/model/plate/next?job={job}")
        return {one["name"]: one for one in self.ok(200, "GET", f"/v1/jobs/{job}/result")[1]["tables"]}

    def test_every_analysis_is_a_picture(self):
        effects = self.analyse(kind="morris", points=8, replicates=4)["mu_star"]
        bars = self.mark(self.wait_figure("Mean absolute effect of stress"), "bars")
        self.close(bars["top"], effects["estimate"][1])
        self.close(bars["outerLow"], effects["lower"][1])
        quantiles = self.analyse(kind="propagate", points=256, replicates=4)["quantiles"]
        figure = self.wait_figure("Quantiles of T")
        self.close(self.mark(figure, "line")["x"], quantiles["axes"][1]["values"])
        self.close(self.mark(figure, "band")["high"], quantiles["upper"][0])
        self.assertEqual(self.wait_figure("Density of T")["x"]["label"], "T (K)")
        self.assertIn("Kurtosis", self.page.inner_text("[aria-label=Numbers]"))
        slices = self.analyse(kind="slices", slices=[["k", "load"]], grid=5)["partial_dependence"]
        heat = self.mark(self.wait_figure("Dependence of stress on k and load"), "heat")
        for j in range(5):
            self.close(heat["z"][j], [slices["estimate"][j][i][1] for i in range(5)])
        spread = self.mark(self.wait_figure("Standard deviation of stress on k and load"), "heat")
        self.close(spread["z"][2], [one[1] for one in slices["surrogate_error"][2]])
        vectors = self.analyse(kind="active_subspace", points=64, replicates=4)["eigenvectors"]
        self.close(self.mark(self.wait_figure("Eigenvectors of T"), "heat")["z"][1], vectors["estimate"][0][1])
        effects = self.analyse(kind="shapley", points=8, replicates=4)["effect"]
        self.close(self.mark(self.wait_figure("Shapley effects of T"), "bars")["top"], effects["estimate"][0])
        self.analyse(kind="failure", region=[{"output": "T", "above": 360}], points=100, replicates=4)
        self.page.wait_for_selector("[aria-label=Numbers] >> text=Probability")
        self.check_quiet()

    def test_an_analysis_is_asked_for_on_the_page(self):
        self.show("#/model/plate/next")
        self.page.get_by_text("Other analyses").click()
        self.page.get_by_role("button", name="Probability of failure").click()
        self.page.wait_for_selector("text=The limit beyond which a run fails is missing")
        self.page.get_by_label("the limit").fill("330")
        self.page.get_by_role("button", name="Probability of failure").click()
        self.page.wait_for_selector("[aria-label=Numbers] >> text=Probability")
        self.page.get_by_label("Analysis", exact=True).select_option("slices")
        self.page.get_by_role("button", name="Analyse", exact=True).click()
        self.wait_figure("Dependence of stress on load")
        self.check_quiet()

    def test_a_suggestion_and_an_optimum_come_back_by_their_link(self):
        self.show("#/model/plate/next?suggest=3,variance,T,min,&optimum=stress,max,mean")
        body = {"n": 3, "criterion": "variance", "hold_s": 0}
        points = self.ok(200, "POST", f"{self.at}/suggest", body)[1]["points"]
        best = self.ok(200, "POST", f"{self.at}/optimize", {"objective": {"output": "stress", "goal": "max", "of": "mean"}})[1]["optimum"]
        self.page.wait_for_selector("text=Greatest stress")
        self.page.wait_for_function("() => document.querySelectorAll('figure.plot').length === 4")
        figures = self.page.evaluate("[...document.querySelectorAll('figure.plot')].map(one => one.figure)")
        self.assertEqual(self.mark(figures[0], "points", "suggested")["x"], [one[0] for one in points])
        self.assertEqual(self.mark(figures[2], "points", "optimum")["y"], [best["point"][1]])
        self.check_quiet()

    def test_trade_offs_of_two_outputs_come_back_by_their_link(self):
        self.show("#/model/plate/next?optimum=T,min,mean,stress,max")
        body = {"objectives": [{"output": "T", "goal": "min", "of": "mean"}, {"output": "stress", "goal": "max", "of": "mean"}]}
        answer = self.ok(200, "POST", f"{self.at}/optimize", body)[1]
        figure = self.wait_figure("Pareto front of T and stress")
        front = self.mark(figure, "points", "front")
        self.assertEqual([list(one) for one in zip(front["x"], front["y"])], sorted(answer["front"]["values"]))
        draws = [one for one in figure["marks"] if one["kind"] == "line" and one.get("color") == 5]
        self.assertEqual(len(draws), len(answer["draws"]["fronts"]))
        self.assertEqual(draws[0]["x"], sorted(one[0] for one in answer["draws"]["fronts"][0]["values"]))
        self.wait_figure("Standard deviation of T")
        points = self.mark(self.figure("Standard deviation of T"), "points", "trade-offs")
        self.assertEqual(points["y"], [one[1] for one in answer["front"]["points"]])
        self.check_quiet()

    def test_a_history_match_is_asked_for_on_the_page(self):
        self.show("#/model/plate/next")
        self.page.get_by_text("Calibrate the inputs to an observation").click()
        self.page.get_by_label("Observed T (K)").fill("330")
        self.page.get_by_label("Its standard deviation").first.fill("0.5")
        self.page.get_by_role("button", name="Rule out inputs").click()
        figure = self.wait_figure("Implausibility of k and load")
        job = self.ok(200, "GET", "/v1/jobs?model=plate&limit=1")[1]["jobs"][0]["id"]
        result = self.ok(200, "GET", f"/v1/jobs/{job}/result")[1]
        pair = result["pairs"][0]
        self.assertEqual(pair["inputs"], ["k", "load"])
        heat = self.mark(figure, "heat")
        self.assertEqual(heat["z"], [list(one) for one in zip(*pair["minimum"])])
        self.assertAlmostEqual(heat["x"][0], 0.1, delta=1e-9)  # the edges of cells that are even in the logarithm
        self.assertAlmostEqual(heat["x"][-1], 2, delta=1e-9)
        self.assertEqual(self.mark(self.figure("Left of k and load"), "heat")["z"], [list(one) for one in zip(*pair["depth"])])
        self.assertEqual(self.mark(self.figure("Implausibility along load"), "line")["y"], result["inputs"][1]["minimum"])
        self.assertEqual(self.mark(figure, "points")["x"], [one[0] for one in result["points"]])
        self.check_quiet()

    def test_each_plot_is_saved_as_svg_png_and_csv(self):
        self.show("#/model/plate/explore?at=0.5,4,10&along=1")
        figure = self.wait_figure("T along load")
        saved = {}
        for kind in ("SVG", "PNG", "CSV"):
            with self.page.expect_download() as waiting:
                self.page.locator("figure.plot").first.get_by_role("button", name=re.compile(f"as {kind}")).click()
            with open(waiting.value.path(), "rb") as file:
                saved[kind] = file.read()
            self.assertEqual(waiting.value.suggested_filename, f"slice-T-load.{kind.lower()}")
        self.assertEqual(saved["PNG"][:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(len(saved["PNG"]), 5000)
        self.assertIn(b"load (kN)", saved["SVG"])
        self.assertIn(b"<polyline", saved["SVG"])
        rows = list(csv.DictReader(io.StringIO(saved["CSV"].decode())))
        line = self.mark(figure, "line", "mean")
        found = [(float(one["x"]), float(one["y"]) if one["y"] else None) for one in rows if one["mark"] == "mean"]
        self.assertEqual(found, list(zip(line["x"], line["y"])))  # with all digits
        self.check_quiet()

    def test_chains_have_traces_and_ranks(self):
        job = self.ok(202, "POST", f"{self.at}/train", {"solver": "hmc", "architecture": {"width": 3, "layers": 0}, "gate": None,
                                                        "settings": {"epochs": 20, "chains": 2, "draws": 20, "warmup": 20}})[1]["id"]
        version = self.server.wait_job(job, "succeeded")["version"]
        draws = self.ok(200, "GET", f"{self.at}/versions/{version}/export")[1]["posterior"]["parameters"]
        self.show(f"#/model/plate/diagnostics?version={version}&draws=1&parameter=2&with=3")
        trace = self.wait_figure("Trace of parameter 2")
        self.assertEqual([one["y"] for one in trace["marks"]], [[one[2] for one in draws[:20]], [one[2] for one in draws[20:]]])
        ranks = [one for one in self.wait_figure("Ranks of parameter 2")["marks"] if one["kind"] == "line"]
        self.assertEqual([sum(one["y"]) / 2 for one in ranks], [20, 20])
        pairs = self.wait_figure("parameter 3 over parameter 2")["marks"][0]
        self.assertEqual((pairs["x"], pairs["y"]), ([one[2] for one in draws], [one[3] for one in draws]))
        self.check_quiet()


@needs_browser
class NewUser(BrowserTest):
    """From a file to a picture, by what the page offers."""

    def test_upload_train_read_the_error_move_a_slider_export(self):
        page = self.page
        wrong = os.path.join(self.folder, "wrong.csv")
        right = os.path.join(self.folder, "right.csv")
        text = as_csv(smooth_rows(40))
        with open(right, "w", encoding="utf-8") as file:
            file.write(text)
        with open(wrong, "w", encoding="utf-8") as file:
            file.write(text.replace("\n", "\nbroken,", 1))
        self.show("")
        page.get_by_label("Name of the model").fill("beam")
        page.get_by_label("How many of the last columns are outputs").fill("2")
        page.get_by_label("or choose it").set_input_files(wrong)
        page.wait_for_selector(".refusal")
        self.assertIn("line 2", page.inner_text(".refusal").lower())
        self.assertIn("broken,", page.inner_text("code"))
        page.get_by_label("or choose it").set_input_files(right)
        page.wait_for_url(re.compile("#/model/beam/data"))
        self.wait_figure("T over k")
        self.shot("new-user-data")
        page.get_by_role("link", name="Train", exact=True).click()
        page.get_by_label("Solver", exact=True).select_option("ensemble")
        page.get_by_text("Settings of the solver").click()
        page.get_by_label("Epochs", exact=True).fill("50")
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_selector("text=On rows that did not train", timeout=1000 * PATIENCE)
        self.assertRegex(page.inner_text("main"), r"Relative error\s+[\d.]+ %")
        page.get_by_role("link", name="Explore it").click()
        self.wait_figure("T along k")
        before = page.inner_text("dl.facts")
        page.get_by_label("load", exact=True).focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        page.wait_for_function("before => document.querySelector('dl.facts').innerText !== before", arg=before)
        page.wait_for_url(re.compile("at="))
        with page.expect_download():
            page.locator("figure.plot").first.get_by_role("button", name=re.compile("as PNG")).click()
        # The link brings the same view back.
        values = page.inner_text("dl.facts")
        self.open_page()
        self.page.goto(page.url)
        self.page.wait_for_function("values => document.querySelector('dl.facts')?.innerText === values", arg=values)
        self.check_quiet()

    def test_a_file_is_dragged_onto_the_page(self):
        self.ok(200, "PUT", "/v1/models/plate/space", SPACE)
        self.show("#/model/plate/data")
        self.page.evaluate("""text => {
            const files = new DataTransfer();
            files.items.add(new File([text], "rows.csv", { type: "text/csv" }));
            document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
        }""", as_csv(smooth_rows(30)))
        self.page.wait_for_selector("text=30 rows are stored")
        self.assertEqual(self.ok(200, "GET", "/v1/models/plate/data")[1]["rows"], 30)
        self.check_quiet()

    def test_losses_and_progress_are_live_and_a_job_is_cancelled(self):
        self.ok(200, "PUT", "/v1/models/plate/space", SPACE)
        self.ok(201, "POST", "/v1/models/plate/data", smooth_rows(60))
        job = self.ok(202, "POST", "/v1/models/plate/train", {"solver": "ensemble", "settings": {"epochs": 1000000}})[1]["id"]
        self.show(f"#/job/{job}")
        self.page.wait_for_function("() => document.querySelector('progress')?.value > 0")
        first = self.page.evaluate("document.querySelector('progress').value")
        self.page.wait_for_function("first => document.querySelector('progress').value > first", arg=first)
        self.wait_figure("Loss")
        n = len(self.figure("Loss")["marks"][0]["x"])
        self.page.wait_for_function("n => document.querySelector('figure.plot').figure.marks[0].x.at(-1) > n", arg=n)
        self.shot("job-running")
        self.page.get_by_role("button", name="Cancel", exact=True).click()
        self.page.get_by_role("button", name="No, leave it").click()
        self.assertEqual(self.ok(200, "GET", f"/v1/jobs/{job}")[1]["cancel_requested"], False)
        self.page.get_by_role("button", name="Cancel", exact=True).click()
        self.page.get_by_role("button", name="Cancel the job").click()
        self.server.wait_job(job, "cancelled")
        self.page.wait_for_selector(".tag.cancelled")
        self.check_quiet()

    def test_a_version_is_promoted_and_rolled_back_after_a_question(self):
        self.train()
        self.train_again()
        self.show("#/model/plate")
        self.page.get_by_role("button", name="Roll back to version 1").click()
        self.page.get_by_role("button", name="Roll back", exact=True).click()
        self.page.wait_for_selector("text=Roll back to version 2")
        self.assertEqual(self.ok(200, "GET", "/v1/models/plate")[1]["model"]["default_version"], 1)
        self.page.get_by_label("Name").fill("prod")
        self.page.get_by_role("button", name="Set", exact=True).click()
        self.page.wait_for_selector("text=@prod")
        self.page.get_by_label("After new rows").fill("500")
        self.page.get_by_role("button", name="Save the policy").click()
        self.page.wait_for_selector("text=Waiting for")
        self.assertEqual(self.ok(200, "GET", "/v1/models/plate/policy")[1]["policy"]["new_rows"], 500)
        self.check_quiet()

    def train_again(self):
        job = self.ok(202, "POST", "/v1/models/plate/train", {"solver": "ensemble", "settings": {"members": 2, "epochs": 30}, "gate": None})[1]["id"]
        self.server.wait_job(job, "succeeded")


if __name__ == "__main__":
    unittest.main()
