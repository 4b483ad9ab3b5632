# SPDX-License-Identifier: Apache-2.0
"""Pictures by `surrogated plot`: every kind of a trained model, and its numbers against the API's."""

import csv
import io
import json
import math
import os
import re
import struct
import unittest
import xml.etree.ElementTree

from client_harness import ClientTest, Terminal
from harness import document, rows

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
SPACE = {"inputs": [{"name": "k", "unit": "W/m/K", "bounds": [-2, 2]}, {"name": "T <wall>", "bounds": [-2, 2]}],
         "outputs": [{"name": "p", "unit": "Pa"}, {"name": "q & r"}]}
SVG = "{http://www.w3.org/2000/svg}"


def kinds():
    with open(os.path.join(TOP, "server/client/plots/kinds.def"), encoding="ascii") as file:
        return dict(re.findall(r'(?m)^PLOT\((\w+), "(.*)"\)$', file.read()))


def near(a, b, tolerance=1e-12):
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


class Picture:
    """An SVG, read back by the note that it carries."""

    def __init__(self, text):
        self.root = xml.etree.ElementTree.fromstring(text)
        self.note = json.loads(self.root.find(SVG + "metadata").text)

    def number(self, panel, axis, place):
        about = self.note["panels"][panel][axis]
        (low, high), (first, last) = about["numbers"], about["places"]
        share = (place - first) / (last - first)
        if about["log"]:
            return low * (high / low) ** share
        return low + share * (high - low)

    def inside(self, panel, x, y):
        about = self.note["panels"][panel]
        return all(min(about[axis]["places"]) - 1e-3 <= place <= max(about[axis]["places"]) + 1e-3
                   for axis, place in (("x", x), ("y", y)))

    def discs(self, panel, radius):
        """The numbers of discs in a panel: an arc begins at the right."""
        found = []
        for path in self.root.iter(SVG + "path"):
            match = re.match(r"M (\S+) (\S+) C ", path.get("d"))
            if match and "stroke:none" in path.get("style"):
                x, y = float(match[1]) - radius, float(match[2])
                if self.inside(panel, x, y):
                    found.append((self.number(panel, "x", x), self.number(panel, "y", y)))
        return found

    def lines(self, panel, n):
        """The numbers of lines through n points in a panel."""
        found = []
        for path in self.root.iter(SVG + "path"):
            points = [tuple(map(float, pair)) for pair in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]
            if len(points) == n and "fill:none" in path.get("style") and self.inside(panel, *points[0]):
                found.append([(self.number(panel, "x", x), self.number(panel, "y", y)) for x, y in points])
        return found


class Plot(ClientTest):
    def prepare(self):
        """A model by chains, which every kind but `relevance` can be of, and one by evidence."""
        self.data = rows(40)
        self.data["outputs"] = [[y[0], math.sin(2 * x[0]) - x[1]] for x, y in zip(*self.data.values())]
        for model in ("m", "e"):
            self.ok(200, "PUT", f"/v1/models/{model}/space", SPACE)
            self.ok(201, "POST", f"/v1/models/{model}/data", self.data)
        small = ("--set", "architecture.width=2", "architecture.layers=1", "seed=1", "--wait")
        self.run_client("train", "m", "--solver", "nuts", "--set", "draws=20", "warmup=20", "chains=2", *small)
        self.run_client("train", "e", "--solver", "evidence", "--set", "members=1", *small)
        self.sobol = self.queue("/v1/models/m/analyses", {"kind": "sobol", "points": 16, "replicates": 4})
        self.found = self.queue("/v1/models/m/calibrations", {
            "experiments": [{"outputs": [self.data["outputs"][0]]}], "sigma": {"p": 0.3, "q & r": 0.3},
            "samples": 20, "warmup": 20, "chains": 2})
        # The newest job of its kind is none that has samples, and `inferred` passes over it.
        self.match = self.queue("/v1/models/m/calibrations", {
            "kind": "history", "experiments": [{"outputs": [self.data["outputs"][0]]}], "sigma": {"p": 0.3, "q & r": 0.3},
            "grid": 5, "points": 256, "next": 3, "hold_s": 0})

    def queue(self, path, request):
        _, job = self.ok(202, "POST", path, request)
        row = self.server.wait_job(job["id"], "succeeded", "failed")
        self.assertEqual(row["state"], "succeeded", row)
        return self.get(f"/v1/jobs/{job['id']}/result")

    def svg(self, model, kind, *more):
        return Picture(self.good("plot", model, kind, *more))

    def table(self, model, kind, *more):
        return list(csv.DictReader(io.StringIO(self.good("plot", model, kind, "--as", "csv", *more))))

    def predict(self, inputs, *wanted):
        return self.ok(200, "POST", "/v1/models/m/predict", {"inputs": inputs, "return": list(wanted)})[1]

    def test_every_kind_is_drawn_with_the_numbers_of_the_api(self):
        self.prepare()
        for kind in kinds():
            with self.subTest(kind=kind):
                model = "e" if kind == "relevance" else "m"
                picture = self.svg(model, kind)
                self.assertEqual(picture.note["kind"], kind)
                self.assertTrue(picture.root.find(SVG + "title").text.startswith(model + ": "))
                self.assertGreater(len(self.table(model, kind)), 0)
                path = self.path("a.png")
                self.good("plot", model, kind, "-o", path, "--theme", "dark")
                self.assertTrue(self.content(path).startswith(b"\x89PNG\r\n"))
        for name in ("parity", "calibration", "loss", "chains", "relevance", "slices", "map", "sobol", "inferred",
                     "suggest", "pareto", "history", "traces", "same_bytes", "scale"):
            with self.subTest(name=name):
                getattr(self, "check_" + name)()

    def check_parity(self):
        said = self.predict(self.data["inputs"], "mean", "std", "noise_variance")
        told = self.get("/v1/models/m/versions/1/rows")
        parts = [told["parts"][place] for place in told["rows"]]
        self.assertEqual(set(parts), {"trained", "kept_out"})
        words = {"trained": "trained it", "kept_out": "kept out of its training"}
        picture = self.svg("m", "parity")
        self.assertEqual([p["title"] for p in picture.note["panels"]], ["p [Pa]", "q & r"])
        for j, title in enumerate(("p [Pa]", "q & r")):
            discs = picture.discs(j, 2.4)
            self.assertEqual(len(discs), len(parts))
            ends = picture.note["panels"][j]["x"]["numbers"]
            for part in ("trained", "kept_out"):  # in the order of drawing
                at = [i for i, one in enumerate(parts) if one == part]
                stored = [self.data["outputs"][i][j] for i in at]
                mean = [said["mean"][i][j] for i in at]
                half = [2 * math.hypot(said["std"][i][j], math.sqrt(said["noise_variance"][i][j])) for i in at]
                lines = [row for row in self.table("m", "parity") if (row["panel"], row["series"]) == (title, words[part])]
                self.assertEqual([float(row["x"]) for row in lines], stored)
                self.assertEqual([float(row["y"]) for row in lines], mean)
                for row, m, h in zip(lines, mean, half):
                    self.assertTrue(near(float(row["lower"]), m - h) and near(float(row["upper"]), m + h))
                for (x, y), a, b in zip(discs, stored, mean):
                    self.assertLess(abs(x - a) + abs(y - b), 1e-3 * (ends[1] - ends[0]))
                discs = discs[len(at):]
        order = [i for part in words for i, one in enumerate(parts) if one == part]
        residuals = [row for row in self.table("m", "residuals") if row["panel"] == "p [Pa]" and row["series"]]
        self.assertEqual(len(residuals), len(order))
        for row, i in zip(residuals, order):
            scale = math.hypot(said["std"][i][0], math.sqrt(said["noise_variance"][i][0]))
            self.assertTrue(near(float(row["y"]), (self.data["outputs"][i][0] - said["mean"][i][0]) / scale, 1e-9))

    def check_suggest(self):
        body = {"n": 4, "criterion": "variance", "hold_s": 0}
        wanted = self.ok(200, "POST", "/v1/models/m/suggest", body)[1]["points"]
        rows = self.table("m", "suggest", "--set", "n=4", "criterion=variance")
        for panel in ("p [Pa], mean", "q & r, standard deviation"):
            points = [row for row in rows if (row["panel"], row["series"]) == (panel, "to simulate next")]
            self.assertEqual([[float(row["x"]), float(row["y"])] for row in points], wanted)
        self.bad(2, "--version", "plot", "m", "suggest", "--version", "1")

    def check_pareto(self):
        asked = [{"output": "p", "goal": "max"}, {"output": "q & r"}]
        body = {"objectives": asked, "population": 8, "generations": 5, "draws": 2}
        wanted = self.ok(200, "POST", "/v1/models/m/optimize", body)[1]
        path = self.path("front.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(body, file)
        rows = self.table("m", "pareto", "--request", path)
        self.assertEqual([[float(row["x"]), float(row["y"])] for row in rows if row["series"] == "front"],
                         sorted(wanted["front"]["values"]))
        first = [[float(row["x"]), float(row["y"])] for row in rows if row["series"] == "fronts of draws"]
        self.assertEqual(first, sorted(wanted["draws"]["fronts"][0]["values"]))
        axes = self.svg("m", "pareto", "--request", path).note["panels"][0]
        self.assertEqual((axes["x"]["title"], axes["y"]["title"]), ("p [Pa], max", "q & r, min"))
        self.bad(2, "two outputs", "plot", "m", "pareto", "--columns", "p")

    def check_history(self):
        rows = self.table("m", "history")
        number = str(len([row for row in rows if row["series"] == "implausibility"]))
        self.assertEqual(number, str(5 + 25 + 5))
        pair = self.match["pairs"][0]
        cells = [float(row["value"]) for row in rows if row["series"] == "share left"]
        self.assertEqual(cells, [pair["depth"][i][j] for j in range(5) for i in range(5)])
        along = [float(row["y"]) for row in rows if row["series"] == "implausibility" and not row["value"]]
        self.assertEqual(along, [value for one in self.match["inputs"] for value in one["minimum"]])
        points = [[float(row["x"]), float(row["y"])] for row in rows if row["series"] == "to simulate next"]
        self.assertEqual(points, 2 * self.match["points"])

    def check_calibration(self):
        scores = self.get("/v1/models/m/diagnostics")["scores"]
        lines = self.table("m", "calibration")
        for j, name in enumerate(("p", "q & r")):
            shares = [float(row["y"]) for row in lines if row["series"] == name and row["panel"] == "quantiles"]
            self.assertEqual(shares, [0, *scores["calibration"][j], 1])
            inside = [float(row["y"]) for row in lines if row["series"] == name and row["panel"] != "quantiles"]
            self.assertEqual(inside, scores["coverage"][j])
        counts = [float(row["y"]) for row in self.table("m", "pit") if row["panel"] == "p [Pa]" and row["y"]]
        self.assertEqual(len(counts), 20)
        self.assertTrue(near(sum(counts), scores["rows"]))
        batch = self.table("m", "calibration", "--batch", "1")
        told = self.ok(200, "POST", "/v1/models/m/evaluate", self.data)[1]["outputs"][0]
        shares = [float(row["y"]) for row in batch if row["series"] == "p" and row["panel"] == "quantiles"]
        self.assertEqual(shares[1:-1], [level["observed"] for level in told["calibration"]])

    def check_loss(self):
        members = self.get("/v1/jobs/1/curves")["members"]
        lines = self.table("m", "loss")
        steps = [step for member in members for step in member["step"]]
        self.assertEqual(sorted(float(row["x"]) for row in lines if row["series"] == "rows that train"), sorted(steps))
        drawn = self.svg("m", "loss").lines(0, len(members[0]["step"]))
        for (x, y), step, loss in zip(drawn[0], members[0]["step"], members[0]["loss"]):
            self.assertTrue(near(x, step, 1e-2) and near(y, loss, 1e-2), (x, y, step, loss))

    def check_chains(self):
        report = self.get("/v1/models/m/diagnostics")["report"]
        lines = [row for row in self.table("m", "chains") if row["panel"] == "R-hat" and row["series"] == "p"]
        self.assertEqual([float(row["x"]) for row in lines], report["predictions.rows"])
        self.assertEqual([float(row["y"]) if row["y"] else None for row in lines], report["predictions.rhat"][::2])

    def check_traces(self):
        """All draws at a row have the mean and the standard deviation of the server there."""
        lines = [row for row in self.table("m", "trace") if row["panel"].startswith("p at ")]
        panels = dict.fromkeys(row["panel"] for row in lines)
        self.assertEqual(len(panels), 4)
        said = self.predict(self.data["inputs"], "mean", "std")
        for panel in panels:
            values = [float(row["y"]) for row in lines if row["panel"] == panel]
            self.assertEqual(len(values), 40)
            mean = sum(values) / 40
            std = math.sqrt(sum((v - mean) ** 2 for v in values) / 39)
            self.assertTrue(any(near(mean, m[0], 1e-9) and near(std, s[0], 1e-6)
                                for m, s in zip(said["mean"], said["std"])), panel)
        ranks = self.table("m", "ranks")
        first = [float(row["y"]) for row in ranks if row["panel"] == ranks[0]["panel"]]
        self.assertEqual(sum(first), 40)

    def check_relevance(self):
        report = self.get("/v1/models/e/diagnostics")["report"]
        lines = self.table("e", "relevance")
        self.assertEqual([(row["y"], float(row["x"])) for row in lines if row["panel"] == "relevance of inputs"],
                         list(zip(("k", "T <wall>"), report["evidence.relevance"])))

    def check_slices(self):
        lines = self.table("m", "slices", "--at", "0.5,0.25", "--columns", "T <wall>,q & r")
        xs = [float(row["x"]) for row in lines if row["series"] == "mean"]
        said = self.predict([[0.5, x] for x in xs], "mean", "std")
        self.assertEqual([float(row["y"]) for row in lines if row["series"] == "mean"], [m[1] for m in said["mean"]])
        band = [float(row["upper"]) for row in lines if row["series"].endswith("of the mean")]
        self.assertTrue(all(near(u, m[1] + 2 * s[1]) for u, m, s in zip(band, said["mean"], said["std"])))

    def check_map(self):
        lines = self.table("m", "map")
        part = [row for row in lines if row["panel"] == "p [Pa], standard deviation"][::97]
        said = self.predict([[float(row["x"]), float(row["y"])] for row in part], "std")
        self.assertEqual([float(row["value"]) for row in part], [s[0] for s in said["std"]])
        matrix = [row for row in self.table("m", "covariance", "--at", "0,0") if row["panel"] == "model uncertainty"]
        (((pp, pq), (_, qq)),) = self.ok(200, "POST", "/v1/models/m/predict",
                                         {"inputs": [[0, 0]], "covariance": "outputs"})[1]["covariance"]
        self.assertTrue(near(float(matrix[1]["value"]), pq / math.sqrt(pp * qq), 1e-9))

    def check_sobol(self):
        tables = {table["name"]: table for table in self.sobol["tables"]}
        lines = [row for row in self.table("m", "sobol") if row["panel"] == "p"]
        self.assertEqual([float(row["x"]) for row in lines if row["series"] == "first order"], tables["first"]["estimate"][0])
        for series, error in (("95 % sampling error", "sampling_error"), ("95 % surrogate error", "surrogate_error")):
            bars = [float(row["upper"]) - float(row["x"]) for row in lines if row["series"] == series]
            known = tables["first"][error][0] + tables["total"][error][0]
            self.assertTrue(all(near(b, 1.96 * e, 1e-9) for b, e in zip(bars, known)), (bars, known))

    def check_inferred(self):
        lines = self.table("m", "inferred")
        pairs = [(float(row["x"]), float(row["y"])) for row in lines if not row["lower"]]
        self.assertEqual(pairs, [tuple(sample) for sample in self.found["samples"]])
        stored = [(float(row["x"]), float(row["y"])) for row in self.table("m", "data", "--columns", "k,p")
                  if not row["lower"]]
        self.assertEqual(stored[:40], [(x[0], y[0]) for x, y in zip(self.data["inputs"], self.data["outputs"])])

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def check_same_bytes(self):
        for form in ("svg", "png", "pdf"):
            paths = [self.path(f"{k}.{form}") for k in range(2)]
            for path in paths:
                self.good("plot", "m", "map", "-o", path)
            first, second = map(self.content, paths)
            self.assertEqual(first, second)
            self.assertTrue(first.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF-1."}[form]))
            self.assertFalse(os.path.exists(paths[0] + ".part"))

    def check_scale(self):
        path = self.path("b.png")
        for size, dpi, width, height in (("600x400", "96", 600, 400), ("500x250", "192", 1000, 500)):
            self.good("plot", "m", "data", "-o", path, "--size", size, "--dpi", dpi)
            self.assertEqual(struct.unpack(">II", self.content(path)[16:24]), (width, height))
        self.assertEqual(self.svg("m", "parity", "--title", "Fig. 1").root.find(SVG + "title").text, "Fig. 1")
        self.assertIn("\x1b_Ga=T,f=100,m=1;iVBORw0KGgo", self.on_terminal("xterm-kitty", 0))
        self.assertIn("this terminal shows no pictures", self.on_terminal("xterm", 2))

    def on_terminal(self, kind, status):
        terminal = Terminal("plot", "m", "parity", "--server", self.address, TERM=kind, KITTY_WINDOW_ID="",
                            TERM_PROGRAM="", KONSOLE_VERSION="")
        self.assertEqual(terminal.wait(), status, terminal.text[:300])
        return terminal.text

    def test_the_help_lists_every_kind(self):
        text = self.good("plot", "--help")
        for kind, what in kinds().items():
            self.assertRegex(text, rf"(?m)^ +{kind} +{re.escape(what)}$")

    def test_what_cannot_be_drawn_is_told(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        self.bad(2, "--at NUMBERS says so", "plot", "m", "slices")  # no range of training, no rows
        self.ok(201, "PUT", "/v1/models/m", document(training_range=[[0, 1]] * 3))
        self.bad(2, 'there is no picture "dance"; there are ' + ", ".join(kinds()), "plot", "m", "dance")
        self.bad(2, "did you mean parity?", "plot", "m", "partiy")
        self.bad(2, "missing", "plot", "m")
        self.bad(2, "--as csv writes their numbers", "plot", "m", "slices", "--json")
        self.bad(2, "light or dark", "plot", "m", "slices", "--theme", "sepia")
        self.bad(2, "ends in none of .svg, .png, .pdf and .csv", "plot", "m", "slices", "-o", self.path("a.gif"))
        self.bad(2, "svg, png, pdf or csv is needed", "plot", "m", "slices", "--as", "gif")
        self.bad(2, "No such file or directory", "plot", "m", "slices", "-o", "/nowhere/a.svg")
        for size in ("12", "0x0", "640x", "640x480x2", "wide", "1e9", "nan"):
            self.bad(2, "640 or 640x480 is needed", "plot", "m", "slices", "--size", size)
        self.bad(2, "dpi", "plot", "m", "slices", "--dpi", "0")
        self.bad(1, "at most 20000", "plot", "m", "slices", "-o", self.path("a.png"), "--size", "8000x8000",
                 "--dpi", "1200")
        self.bad(2, "no input or output", "plot", "m", "slices", "--columns", "nothing")
        self.bad(2, "--at has 1 numbers, 3 are needed", "plot", "m", "slices", "--at", "1")
        self.bad(2, "--at has more than 3 numbers", "plot", "m", "slices", "--at", "1,2,3,4")
        self.bad(2, "is no number for", "plot", "m", "slices", "--at", "1,x,2")
        for kind, word in (("parity", "no stored rows"), ("data", "no stored rows"), ("pit", "has no scores"),
                           ("calibration", "has no scores"), ("loss", "has no such job"),
                           ("sobol", "surrogated analyse m sobol"), ("inferred", "surrogated calibrate"),
                           ("chains", "not sampled by Markov chains"), ("trace", "not sampled by Markov chains"),
                           ("relevance", "solver evidence"), ("landscape", "no stored rows")):
            with self.subTest(kind=kind):
                self.bad(1, word, "plot", "m", kind)
        self.bad(1, "nobody", "plot", "nobody", "parity")
        self.bad(1, "version", "plot", "m", "slices", "--version", "7")
        self.bad(1, "99", "plot", "m", "loss", "--job", "99")
        self.bad(3, "", "plot", "m", "slices", "--server", "http://127.0.0.1:9")

    def test_of_a_field_only_what_is_drawn_is_asked_for(self):
        """1100 outputs: more than a version describes one by one."""
        data = rows(24)
        data["outputs"] = [[math.sin(x[0] + k / 300) * x[1] for k in range(1100)] for x in data["inputs"]]
        self.ok(201, "POST", "/v1/models/m/data", data)
        _, job = self.ok(202, "POST", "/v1/models/m/train", {
            "solver": "ensemble", "architecture": {"width": 4, "layers": 1}, "settings": {"members": 2, "epochs": 10},
            "output_reduction": {"kind": "kl", "modes": 2}})
        self.assertEqual(self.server.wait_job(job["id"], "succeeded", "failed")["state"], "succeeded")
        table = self.table("m", "parity", "--columns", "y1001,y3")
        for name, k in (("y1001", 1000), ("y3", 2)):
            lines = [row for row in table if row["panel"] == name and row["series"] != ""]
            stored = sorted(float(row["x"]) for row in lines)
            self.assertEqual(stored, sorted(y[k] for y in data["outputs"]))
        at = data["inputs"][0]
        lines = [row for row in self.table("m", "slices", "--columns", "x1,y1001", "--at", ",".join(map(repr, at)))
                 if row["series"] == "mean"]
        said = self.ok(200, "POST", "/v1/models/m/predict", {
            "inputs": [[float(row["x"]), *at[1:]] for row in lines], "return": ["mean"], "outputs": "1000"})[1]
        self.assertGreater(len(lines), 10)
        for row, mean in zip(lines, said["mean"]):
            self.assertTrue(near(float(row["y"]), mean[0]))
        for kind in ("residuals", "map", "covariance", "data", "parallel"):
            with self.subTest(kind=kind):
                picture = self.good("plot", "m", kind)
                self.assertGreater(len(Picture(picture).note["panels"]), 0)
                self.assertEqual(kind in ("parallel", "data") or "of 1100 outputs" in picture, True)
        self.bad(1, "no scores of each", "plot", "m", "pit")


if __name__ == "__main__":
    unittest.main()
