# SPDX-License-Identifier: Apache-2.0
"""Client commands for models and their versions."""

import hashlib
import json
import os
import re
import struct
import unittest

from client_harness import ClientTest, Terminal, as_csv
from harness import document, full_document, rows


class Models(ClientTest):
    def test_a_policy_is_put_shown_and_taken_away(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        self.bad(1, "no policy", "models", "policy", "m")
        out = self.good("models", "m", "policy", "-", input='{"new_rows":500,"request":{"solver":"ensemble"}}')
        self.assertRegex(out, r"(?m)^policy\.new_rows +500$")
        self.assertEqual(json.loads(self.good("models", "policy", "m", "--json"))["policy"]["new_rows"], 500)
        self.assertEqual(self.good("models", "policy", "m", "none"), "m no longer has a policy\n")
        self.bad(1, "no policy", "models", "policy", "m", "none")

    def test_export_and_put_are_a_round_trip(self):
        path = self.path("m.json", json.dumps(document()))
        self.assertEqual(self.good("models", "put", "m", path), "m: version 1 registered\n")
        self.assertEqual(self.good("models", "put", "m", path), "m: version 1 has this content already\n")
        out = self.path("out.json")
        self.assertEqual(self.good("models", "export", "m", "-o", out), "")
        with open(out, "rb") as file:
            exported = file.read()
        self.assertEqual(self.good("models", "export", "m", "1").encode(), exported)
        self.assertEqual(self.good("models", "put", "n", out), "n: version 1 registered\n")
        self.assertEqual(self.get("/v1/models/n")["versions"][0]["etag"],
                         self.get("/v1/models/m")["versions"][0]["etag"])
        # A refused export leaves what was there.
        self.bad(1, "not found", "models", "export", "none", "-o", out)
        with open(out, "rb") as file:
            self.assertEqual(file.read(), exported)
        self.assertEqual([name for name in os.listdir(self.folder) if "part" in name], [])

    def test_a_version_is_exported_as_a_file_with_a_checked_head(self):
        self.good("models", "put", "m", "-", input=json.dumps(document()))
        out = self.path("m.srgm")
        self.assertEqual(self.good("models", "export", "m", "--format", "binary", "-o", out), "")
        with open(out, "rb") as file:
            data = file.read()
        magic, fmt, digest, version, size, length = struct.unpack_from("<8sI32sqqI", data)
        self.assertEqual((magic, fmt, version, length), (b"SRGMFILE", 1, 1, 1))
        self.assertEqual(digest, hashlib.sha256(data[44:]).digest())
        self.assertEqual((data[64:65], len(data)), (b"m", 65 + size))
        self.assertEqual("sha256-" + hashlib.sha256(data[65:]).hexdigest(),
                         self.get("/v1/models/m")["versions"][0]["etag"])
        self.bad(2, "exported as json or binary", "models", "export", "m", "--format", "npy", "-o", out)
        self.bad(1, "no version", "models", "export", "m", "7", "--format", "binary", "-o", out)
        status, _, answer = self.server.request("GET", "/v1/models/m/versions/1/export?format=xml")
        self.assertGreaterEqual(status, 400)
        self.assertIn("json, binary, safetensors", answer["detail"])

    def test_versions_are_shown_promoted_and_deleted(self):
        for seed in (1, 2):
            self.good("models", "put", "m", "-", *(("--keep-default",) if seed == 2 else ()),
                      input=json.dumps(document(seed=seed)))
        lines = self.good("models", "show", "m").splitlines()
        self.assertEqual([line.split()[:2] for line in lines], [["VERSION", "DEFAULT"], *(
            [str(v["version"]), "yes" if v["default"] else "no"]
            for v in self.get("/v1/models/m")["versions"])])
        self.assertEqual(len({line.index(word) + len(word) for line, word in zip(lines, ("SIZE", "kB", "kB"))}), 1)
        self.assertEqual(self.good("models", "default", "m", "2"), "m: version 2 is the default\n")
        self.assertRegex(self.good("models"), r"^NAME .*\nm +2 +2 +0  (now|\d+ \w+ ago)\n$")
        self.assertRegex(self.good("models", "show", "m", "2"), r"(?m)^architecture\.width +5$")
        self.good("models", "delete", "m", "1")
        self.good("models", "delete", "m")
        self.assertEqual(self.get("/v1/models")["models"], [])

    def test_versions_are_shown_with_solver_error_and_age(self):
        text = json.dumps(document(seed=1))
        self.good("models", "put", "m", "-", input=text)
        self.good("models", "put", "m", "-", input=json.dumps(full_document()))
        head, plain, trained = [re.split(" {2,}", line.strip())
                                for line in self.good("models", "show", "m").splitlines()]
        self.assertEqual(head, ["VERSION", "DEFAULT", "NAMES", "SOLVER", "ERROR", "SIZE", "CREATED", "WARNINGS", "NOTE"])
        self.assertEqual(plain[:5], ["1", "no", "@previous", "unknown", "-"])
        self.assertEqual(trained[:5], ["2", "yes", "-", "laplace", "10 %"])
        for row in (plain, trained):
            self.assertRegex(row[6], r"^(now|\d+ s ago|\d+ min ago)$")
        # Only the newest twenty and the default are looked at; the others are counted.
        for seed in range(2, 24):
            self.ok(201, "PUT", "/v1/models/m?promote=false", document(seed=seed))
        done = self.run_client("models", "show", "m")
        rows_shown = [line.split()[3:5] for line in done.stdout.splitlines()[1:]]
        self.assertEqual(len(rows_shown), 24)
        self.assertEqual(rows_shown[1], ["laplace", "10"])
        self.assertIn("solver and error of 3 versions", done.stderr)
        out = self.good("models", "m", "keep", "22")
        self.assertEqual(out, "m: keeping the newest 22 versions, 0 versions deleted now\n")

    def test_an_evaluation_is_a_table_by_output(self):
        self.ok(201, "PUT", "/v1/models/m", document(noise={"sigma": [1, 1]}, names={"outputs": ["temp", "p|p"]}))
        data = {"inputs": [[0.1 * i, 0.2, 0.3] for i in range(9)],
                "outputs": [[1.0, 0.1 * i] for i in range(9)]}
        path = self.path("rows.csv", as_csv(data, header="a,b,c,y,z\n"))
        answer = self.ok(200, "POST", "/v1/models/m/evaluate", data)[1]
        self.assertEqual(json.loads(self.good("evaluate", "m", path, "--json")), answer)
        title, head, *lines = self.good("evaluate", "m", path, "--version", "1").splitlines()
        self.assertRegex(title, r"^m, version 1, on 9 rows: relative error \S+ %, NLL \S+, CRPS \S+ of the ranges$")
        self.assertAlmostEqual(float(title.split()[8]), 100 * answer["relative_error"],
                               delta=0.01 * 100 * answer["relative_error"])
        self.assertEqual(re.split(" {2,}", head),
                         ["OUTPUT", "RMSE", "NLL", "CRPS", "WITHIN 50 %", "WITHIN 90 %", "WITHIN 95 %"])
        self.assertEqual(len(lines), 2)
        for line, output, name in zip(lines, answer["outputs"], ("temp", "p|p")):
            cells = re.split(" {2,}", line)
            self.assertEqual((cells[0], output["name"]), (name, name))
            for cell, key in zip(cells[1:], ("rmse", "nll", "crps")):
                self.assertAlmostEqual(float(cell), output[key], delta=1e-5 * abs(output[key]))
            self.assertEqual(cells[4:], [f"{100 * level['observed']:.1f} %" for level in output["coverage"]])
        one = self.good("evaluate", "m", "-", "--outputs", "2", input="0,0,0,1,1\n")
        self.assertIn(", on 1 row: ", one)

    def test_versions_have_names_a_history_and_a_way_back(self):
        for seed in (1, 2, 3):
            self.good("models", "put", "m", "-", input=json.dumps(document(seed=seed)))
        self.assertEqual(self.good("models", "m", "promote", "@previous"), "m: version 2 is the default\n")
        self.assertEqual(self.good("models", "promote", "m", "@previous"), "m: version 3 is the default\n")
        self.assertEqual(self.good("models", "m", "alias", "prod", "1"), "m: @prod is version 1\n")
        self.assertEqual(self.good("models", "alias", "m", "prod", "@previous"),
                         "m: @prod is version 2 (was 1)\n")
        names = [line.split()[2:4] for line in self.good("models", "show", "m").splitlines()[1:]]
        self.assertEqual([name[0] for name in names], ["-", "@previous", "-"])
        self.assertEqual(names[1][1], "@prod")
        self.bad(1, "alias prod", "models", "delete", "m", "2")
        self.bad(1, "no alias old", "models", "promote", "m", "@old")
        self.bad(1, "is no alias", "models", "alias", "m", "Prod", "1")
        self.assertEqual(self.good("models", "m", "keep", "1"),
                         "m: keeping the newest 1 version, 1 version deleted now\n")
        self.assertEqual(self.good("models", "m", "keep", "all"), "m: keeping all versions\n")
        self.assertEqual(self.good("models", "m", "unalias", "prod"), "m: @prod is no longer an alias\n")
        self.bad(1, "no alias prod", "models", "m", "unalias", "prod")
        lines = self.good("models", "m", "history").splitlines()
        self.assertEqual([re.split(" {2,}", line)[1:] for line in lines],
                         [["DEFAULT", "BEFORE", "BY", "COMPARED ON"], ["3", "2", "request", "-"],
                          ["2", "3", "request", "-"], ["3", "2", "register", "-"], ["2", "1", "register", "-"],
                          ["1", "-", "register", "-"]])

    def test_versions_are_compared_on_a_file_or_on_stored_rows(self):
        for seed in (1, 2):
            self.ok(201, "PUT", "/v1/models/m", document(seed=seed, noise={"sigma": [1, 1]}))
        data = {"inputs": [[0.1 * i, 0.2, 0.3] for i in range(9)],
                "outputs": [[1.0, 0.1 * i] for i in range(9)]}
        path = self.path("rows.csv", as_csv(data, header="a,b,c,y,z\n"))
        out = self.good("models", "compare", "m", "@previous", "2", path)
        self.ok(201, "POST", "/v1/models/m/data", data)
        answer = self.run_client("models", "compare", "m", "1", "2")
        self.assertEqual((answer.returncode, answer.stdout), (0, out))
        self.assertIn("may have been trained on", answer.stderr)
        found = json.loads(self.good("models", "compare", "m", "1", "2", "-", "--format", "json", "--json",
                                     input=json.dumps(data)))
        lines = [re.split(" {2,}", line.strip()) for line in out.splitlines()]
        self.assertEqual([line[:2] for line in lines[1:3]], [["1", "9"], ["2", "9"]])
        difference = found["versions"][1]["difference"]
        self.assertEqual([line[:2] for line in lines[5:]], [["2", name] for name in difference])
        for line, loss in zip(lines[5:], difference.values()):
            self.assertEqual(line[4], f"{100 * loss['better']:.1f} %")
            self.assertAlmostEqual(float(line[2]), loss["mean"], delta=1e-4 * abs(loss["mean"]))
        self.bad(2, "missing", "models", "compare", "m", "1")

    def test_a_terminal_is_asked_before_a_model_or_its_rows_go(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        for args, question in ((("models", "delete", "m"), "with all its versions"),
                               (("data", "m", "delete"), "all rows of model m")):
            for answer in ("n\n", "\n", "\x04"):
                terminal = Terminal(*args, "--server", self.address)
                terminal.read_until(question)
                terminal.type(answer)
                self.assertEqual(terminal.wait(), 1)
                self.assertIn("nothing was deleted", terminal.text)
            self.assertEqual(self.get("/v1/models/m/data")["rows"], 6)
        terminal = Terminal("data", "m", "delete", "--server", self.address)
        terminal.read_until("y/N")
        terminal.type("y\n")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("6 rows deleted", terminal.text)
        terminal = Terminal("models", "delete", "m", "--yes", "--server", self.address)
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("y/N", terminal.text)
        self.assertEqual(self.get("/v1/models")["models"], [])

    def test_json_is_printed_as_the_server_sends_it(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        for args, path in ((("models",), "/v1/models"), (("models", "show", "m"), "/v1/models/m"),
                           (("models", "show", "m", "1"), "/v1/models/m/versions/1")):
            out = self.good(*args, "--json")
            self.assertEqual(json.loads(out), self.get(path))
            self.assertEqual(out.count("\n"), 1)
        problem = json.loads(self.bad(1, "not found", "models", "show", "none", "--json").stdout)
        self.assertEqual(problem["status"], 404)

if __name__ == "__main__":
    unittest.main()
