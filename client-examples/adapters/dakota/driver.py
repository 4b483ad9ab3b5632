#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An analysis driver of Dakota (fork and system interfaces) that asks a model of surrogated.

usage: driver.py MODEL PARAMETERS_FILE RESULTS_FILE

Reads parameters in Dakota's standard and APREPRO formats, and writes what the active set vector asks for: values (1),
gradients (2) and Hessians (4) of the mean over the posterior, for the variables of the derivative vector.

A response with the name of one of the model's outputs is that output, NAME.std is its standard deviation; if no
response has such a name, the responses are the outputs in order. Variables go by name too where the model has names,
in the order of Dakota's file where it has none.

When no answer can be had the results file says "fail", which Dakota captures as its failure_capture says, and one line
of standard error says why.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from surrogate import USAGE, Failure, Surrogate, run  # noqa: E402

VALUE, GRADIENT, HESSIAN = 1, 2, 4
COUNTS = {"variables": "DAKOTA_VARS", "functions": "DAKOTA_FNS", "derivative_variables": "DAKOTA_DER_VARS"}


class Parameters:
    """One evaluation: variables [(name, text)], responses [(name, asv)], derivatives [number of a variable from 0]."""

    def __init__(self, text):
        pairs = self._aprepro(text) if "{" in text else self._standard(text)
        counts = {name: int(value) for value, name in pairs if name in COUNTS.values()}
        names = [name for _, name in pairs]
        missing = [name for name in COUNTS.values() if name not in counts]
        if missing:
            raise Failure(USAGE, f"the parameters file has no {missing[0]}: is it one of Dakota's?")
        at = names.index("DAKOTA_VARS") + 1
        self.variables = [(name, value) for value, name in pairs[at:at + counts["DAKOTA_VARS"]]]
        self.responses = [(name.split(":", 1)[1], int(value)) for value, name in pairs if name.startswith("ASV_")]
        self.derivatives = [int(value) - 1 for value, name in pairs if name.startswith("DVV_")]
        found = (len(self.variables), len(self.responses), len(self.derivatives))
        if found != tuple(counts[name] for name in COUNTS.values()):
            raise Failure(USAGE, f"the parameters file has {found} variables, responses and derivatives, "
                                 f"and says {tuple(counts.values())}")

    @staticmethod
    def _standard(text):
        """Lines of a value and a name; (value, name), the counts by their names in the other format."""
        pairs = []
        for line in text.splitlines():
            if line.strip():
                value, _, name = line.strip().rpartition(" ")
                pairs.append((value.strip(), COUNTS.get(name, name)))
        return pairs

    @staticmethod
    def _aprepro(text):
        pairs = []
        for name, value in re.findall(r"\{\s*(\S+)\s*=\s*(.*?)\s*\}", text):
            pairs.append((value[1:-1] if value[:1] == '"' else value, name))
        return pairs


def number(text):
    try:
        return float(text)
    except ValueError:
        return text  # a member of a category


class Evaluation:
    def __init__(self, surrogate, parameters):
        self.surrogate, self.parameters = surrogate, parameters
        self.version = surrogate.ask("GET", f"{surrogate.path}/versions/@default")
        names = self.version.get("names") or {}
        self.order = self._order(names.get("inputs"))
        self.point = [number(parameters.variables[i][1]) for i in self.order]
        self.columns = self._columns(names.get("outputs"))
        self.n_outputs = len(self.columns)

    def _order(self, names):
        """For each input of the model the number of its variable."""
        sent = [name for name, _ in self.parameters.variables]
        if not names or any(name is None for name in names):
            return range(len(sent))
        if sorted(names) != sorted(sent):
            raise Failure(USAGE, f"Dakota's variables are {', '.join(sent)}; the model's are {', '.join(names)}")
        return [sent.index(name) for name in names]

    def _columns(self, names):
        """(output, "mean" or "std") for each response."""
        found = []
        for label, _ in self.parameters.responses:
            name, dot, kind = label.rpartition(".")
            if names and label in names:
                found.append((names.index(label), "mean"))
            elif names and dot and kind == "std" and name in names:
                found.append((names.index(name), "std"))
        if not found:
            found = [(k, "mean") for k in range(len(self.parameters.responses))]
        if len(found) != len(self.parameters.responses):
            raise Failure(USAGE, "only some of Dakota's responses have names of the model's outputs: "
                                 f"{', '.join(names)}")
        return found

    def _in_dakotas_order(self, derivatives):
        """A number for each variable of the derivative vector, from one for each input."""
        inputs = list(self.order)
        return [derivatives[inputs.index(variable)] for variable in self.parameters.derivatives]

    def _hessian(self, k, kind):
        """Rows of second derivatives."""
        inputs = list(self.order)
        name = self.surrogate.model + ("" if kind == "mean" else ".std")
        rows = []
        for variable in self.parameters.derivatives:
            along = [float(i == inputs.index(variable)) for i in range(len(inputs))]
            sens = [float(i == k) for i in range(self.n_outputs)]
            body = {"name": name, "outWrt": 0, "inWrt1": 0, "inWrt2": 0, "input": [self.point], "sens": sens,
                    "vec": along, "config": {"version": self.version["version"]}}
            rows.append(self._in_dakotas_order(self.surrogate.ask("POST", "/ApplyHessian", body)["output"]))
        return rows

    def results(self):
        """The text of the results file: all values, then all gradients, then all Hessians."""
        asked = [asv for _, asv in self.parameters.responses]
        wanted = ["mean", "std"] + (["jacobian"] if any(asv & GRADIENT for asv in asked) else [])
        answer = self.surrogate.predict([self.point], *wanted, version=self.version["version"])
        self.n_outputs = len(answer["mean"][0])
        if max(k for k, _ in self.columns) >= self.n_outputs:
            raise Failure(USAGE, f"Dakota has {len(asked)} responses, the model {self.n_outputs} outputs")
        labels = [label for label, _ in self.parameters.responses]
        lines = []
        for label, asv, (k, kind) in zip(labels, asked, self.columns):
            if asv & VALUE:
                lines.append(f"{answer[kind][0][k]!r} {label}")
        for asv, (k, kind) in zip(asked, self.columns):
            if asv & GRADIENT:
                lines.append("[ " + " ".join(map(repr, self._in_dakotas_order(answer["jacobian"][kind][0][k]))) + " ]")
        for asv, (k, kind) in zip(asked, self.columns):
            if asv & HESSIAN:
                rows = self._hessian(k, kind)
                lines.append("[[ " + "\n   ".join(" ".join(map(repr, row)) for row in rows) + " ]]")
        for warning in answer["warnings"]:
            if warning["code"] == "extrapolation":
                print(f"driver.py: {warning.get('name') or warning['input']} is {warning['value']}, outside of "
                      f"{warning['range']}, where no training rows were", file=sys.stderr)
        return "\n".join(lines) + "\n"


def write(path, text):
    """Whole or not at all: Dakota may look while it is written."""
    try:
        with open(path + ".part", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(path + ".part", path)
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror}") from error


def main():
    if len(sys.argv) != 4:
        raise Failure(USAGE, "usage: driver.py MODEL PARAMETERS_FILE RESULTS_FILE")
    model, parameters_path, results_path = sys.argv[1:]
    try:
        try:
            with open(parameters_path, encoding="utf-8") as file:
                parameters = Parameters(file.read())
        except (OSError, ValueError) as error:
            raise Failure(USAGE, f"{parameters_path}: {error}") from error
        write(results_path, Evaluation(Surrogate(model), parameters).results())
    except Failure as failure:
        write(results_path, "fail\n")
        print(f"driver.py: {failure}", file=sys.stderr)
        sys.exit(failure.status)


if __name__ == "__main__":
    run(main)
