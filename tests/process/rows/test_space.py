# SPDX-License-Identifier: Apache-2.0
"""
The input space of a model: set, shown, changed as far as its rows allow, and used by uploads,
training, predictions, evaluations and the client.
"""

import json
import os
import random
import subprocess
import time
import unittest

from harness import PATIENCE, ServerTest, binary, document, npy, records

CSV = {"Content-Type": "text/csv"}
MODEL = "/v1/models/m"
SPACE = {"inputs": [{"name": "k", "unit": "W/m/K", "bounds": [0, 2], "distribution": "uniform", "default": 0.5},
                    {"name": "mesh", "type": "category", "values": ["coarse", "fine", "3"], "default": "fine"},
                    {"name": "n", "type": "integer"}],
         "outputs": [{"name": "T", "unit": "K", "positive": True}]}
SHORT = {"solver": "ensemble", "settings": {"members": 2, "epochs": 150}, "seed": 1}


def changed(**inputs):
    """SPACE with other members of some inputs."""
    space = json.loads(json.dumps(SPACE))
    for column in space["inputs"]:
        column.update(inputs.get(column["name"], {}))
    return space


class Space(ServerTest):
    def table(self, n=60, seed=1):
        rng = random.Random(seed)
        rows = []
        for _ in range(n):
            k, mesh, steps = rng.uniform(0, 2), rng.choice(["coarse", "fine", "3"]), rng.randint(1, 9)
            rows.append((k, mesh, steps, 1 + k + {"coarse": 0, "fine": 1, "3": 3}[mesh] + 0.1 * steps))
        return rows

    def put(self, space=None, status=200, headers=None):
        return self.ok(status, "PUT", MODEL + "/space", SPACE if space is None else space, headers)[1]

    def upload(self, rows, status=201):
        text = "T,n,mesh,k\n" + "".join(f"{t!r},{n},{mesh},{k!r}\n" for k, mesh, n, t in rows)
        return self.ok(status, "POST", MODEL + "/data", text, CSV)[1]

    def train(self, body=None):
        job = self.ok(202, "POST", MODEL + "/train", {**SHORT, "gate": None} if body is None else body)[1]
        return self.server.wait_job(job["id"], "succeeded", "failed")

    def predict(self, rows, status=200, **more):
        return self.ok(status, "POST", MODEL + "/predict", {"inputs": rows, "return": ["mean"], **more})[1]


class Documents(Space):
    def test_a_document_has_as_many_columns_as_the_rows(self):
        self.ok(201, "POST", MODEL + "/data?outputs=1", "k,T,y\n1,2,3\n2,3,5\n", CSV)
        model = document()
        inputs, outputs = (model["architecture"][key] for key in ("inputs", "outputs"))
        self.assertNotEqual((inputs, outputs), (2, 1))
        problem = self.ok(409, "PUT", MODEL, model)[1]
        self.assertIn(f"rows are stored with 2 inputs and 1 output (k, T; y), the document has {inputs} and {outputs};",
                      problem["detail"])
        names = {"inputs": [f"in{i}" for i in range(inputs)], "outputs": [f"out{i}" for i in range(outputs)]}
        problem = self.ok(409, "PUT", MODEL, {**model, "names": names})[1]
        self.assertIn(f"the document has {inputs} and {outputs} (in0, ", problem["detail"])
        self.ok(404, "GET", MODEL + "/versions/1")
        self.ok(200, "DELETE", MODEL + "/data")
        self.ok(201, "PUT", MODEL, model)

    def test_put_get_and_delete_with_entity_tags(self):
        self.ok(404, "GET", MODEL + "/space")
        head, shown = self.ok(200, "PUT", MODEL + "/space", SPACE)
        self.assertEqual(shown["space"]["inputs"][0]["distribution"], {"kind": "uniform", "low": 0, "high": 2})
        self.assertEqual(shown["origin"], "put")
        tag = head["ETag"]
        self.ok(304, "GET", MODEL + "/space", None, {"If-None-Match": tag})
        self.put(changed(k={"unit": "SI"}), 412, {"If-Match": '"sha256-00"'})
        self.put(changed(k={"unit": "SI"}), 412, {"If-None-Match": "*"})
        self.put(changed(k={"unit": "SI"}), 200, {"If-Match": tag})
        self.ok(412, "DELETE", MODEL + "/space", None, {"If-Match": tag})
        self.server.stop()
        self.server.start()
        self.assertEqual(self.ok(200, "GET", MODEL + "/space")[1]["space"]["inputs"][0]["unit"], "SI")
        self.ok(204, "DELETE", MODEL + "/space")
        self.ok(404, "DELETE", MODEL + "/space")
        self.assertIn("has no space", self.ok(404, "GET", MODEL + "/space")[1]["detail"])
        self.assertIn("inputs[2].bounds", self.put(changed(n={"bounds": [0.5, 2]}), 400)["detail"])
        self.assertIn("line 1", self.put("{", 400)["detail"])
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)

    def test_a_deleted_model_leaves_no_space(self):
        self.put()
        self.ok(204, "DELETE", MODEL)
        self.ok(404, "GET", MODEL + "/space")
        self.server.stop()
        self.assertEqual(binary("check", "--db", self.server.db).returncode, 0)

    def test_what_rows_allow(self):
        self.put()
        self.upload(self.table(5))
        # Units, bounds, distributions, defaults, new names and more values are fine.
        self.put(changed(k={"unit": "mW", "bounds": [0, 1], "distribution": None},
                         mesh={"values": ["coarse", "fine", "3", "new"]}, n={"name": "steps"}))
        for space, words in ((changed(mesh={"values": ["fine", "coarse", "3"]}), 'inputs[1].values'),
                             (changed(mesh={"type": "real", "values": None, "default": None}), "inputs[1]"),
                             ({**SPACE, "outputs": ["T", "p"]}, "1 output, the space has 3 and 2"),
                             ({**SPACE, "inputs": SPACE["inputs"][1:] + SPACE["inputs"][:1]}, "keep the order")):
            if space["inputs"][1].get("values", 0) is None:
                del space["inputs"][1]["values"]
            self.assertIn(words, self.put(space, 409)["detail"])
        self.assertIn("categories", self.ok(409, "DELETE", MODEL + "/space")[1]["detail"])
        self.ok(200, "DELETE", MODEL + "/data")
        self.put({"inputs": ["other"], "outputs": ["y"]})

    def test_rows_become_integers_if_they_are(self):
        for value, status in ((3, 200), (2.5, 409)):
            model = f"/v1/models/i{status}"
            self.ok(201, "POST", model + "/data", {"inputs": [[1, 0.5], [value, 0.5]], "outputs": [[1], [2]]})
            space = {"inputs": [{"name": "n", "type": "integer"}, "x"], "outputs": ["y"]}
            problem = self.ok(status, "PUT", model + "/space", space)[1]
            if status == 409:
                self.assertIn("stored row 1 has 2.5", problem["detail"])
            category = {"name": "x", "type": "category", "values": ["a", "b"]}
            self.assertIn("inputs[1].type", self.ok(409, "PUT", model + "/space", {
                "inputs": ["n", category], "outputs": ["y"]})[1]["detail"])
            self.ok(409, "PUT", model + "/space", {"inputs": ["n"], "outputs": ["y"]})

    def test_a_space_in_the_first_upload(self):
        body = {"inputs": [[1, "fine", 2]], "outputs": [[4]]}
        self.assertEqual(self.ok(201, "POST", MODEL + "/data", {**body, "space": SPACE})[1]["names"],
                         {"inputs": ["k", "mesh", "n"], "outputs": ["T"]})
        self.ok(201, "POST", MODEL + "/data", {**body, "space": SPACE})  # the same again
        self.assertIn("another space", self.ok(409, "POST", MODEL + "/data", {
            **body, "space": changed(k={"unit": "mW"})})[1]["detail"])
        self.ok(400, "POST", "/v1/models/n/data", {**body, "space": {"inputs": ["a"], "outputs": ["y"]}})
        self.ok(201, "POST", "/v1/models/n/data", {"inputs": [[1, 1, 2]], "outputs": [[4]]})
        self.assertIn("has rows already", self.ok(409, "POST", "/v1/models/n/data",
                                                  {**body, "space": SPACE})[1]["detail"])
        self.assertIn("space: inputs[0].bounds", self.ok(400, "POST", "/v1/models/o/data", {
            **body, "space": changed(k={"bounds": [2, 1]})})[1]["detail"])
        self.ok(404, "GET", "/v1/models/o")


class Rows(Space):
    def test_members_integers_and_bounds(self):
        self.put()
        answer = self.upload([(0.5, "fine", 2, 3.0), (0.25, 3, 1, 2.0)])
        self.assertNotIn("warnings", answer)
        answer = self.upload([(0.5, "fine", 2, 3.5), (9, "coarse", 1, -2.0)])
        self.assertEqual(answer["warnings"], [
            {"code": "outside_bounds", "input": 0, "name": "k", "rows": 1, "first_row": 1, "value": 9,
             "bounds": [0, 2]},
            {"code": "not_positive", "output": 0, "name": "T", "rows": 1, "first_row": 1, "value": -2,
             "bounds": None}])
        rows = self.ok(200, "GET", MODEL + "/data/rows")[1]["inputs"]
        self.assertEqual(rows, [[0.5, "fine", 2], [0.25, "3", 1], [0.5, "fine", 2], [9, "coarse", 1]])
        for row, words in (((1, "medium", 1, 1.0), 'line 2, column "mesh" is "medium", one of "coarse", "fine"'),
                           ((1, 0, 1, 1.0), '"mesh" is "0", one of'),
                           ((1, "fine", 1.5, 1.0), 'line 2, column "n" is 1.5, an integer is needed'),
                           ((1, "fine", 1.0000000001, 1.0), 'column "n" is 1.0000000001, an integer is needed'),
                           ((1, "", 1, 1.0), 'line 2, column "mesh" is missing')):
            self.assertIn(words, self.upload([row], 400)["detail"])
        for x, words in (([1, 0, 1], 'row 0, column 1 ("mesh") is 0, one of'),
                         ([1, 3, 1.5], 'row 0, column 2 ("n") is 1.5, an integer'),
                         ([1, "medium", 1], 'row 0, "mesh" is "medium", one of'),
                         ([1, True, "a"], "row 0, column 1 is a truth value"),
                         ([True, "fine", 1], "row 0, column 0 is a truth value"),
                         (["a", True, 1], '"k" is "a", a number is needed')):
            problem = self.ok(400, "POST", MODEL + "/data", {"inputs": [x], "outputs": [[1]]})[1]
            self.assertIn(words, problem["detail"])
        binary_rows = {"Content-Type": "application/x-npy"}
        self.ok(201, "POST", MODEL + "/data", npy([[1, 3, 1, 1.0]]), binary_rows)
        self.assertIn('column 1 ("mesh") is 1', self.ok(400, "POST", MODEL + "/data", npy([[1, 1, 1, 1.0]]),
                                                        binary_rows)[1]["detail"])
        for form in ("npy", "npz"):
            self.assertIn("numbers only", self.ok(400, "GET", f"{MODEL}/data/rows?format={form}")[1]["detail"])
        columns = self.ok(200, "GET", MODEL + "/data")[1]["columns"]
        self.assertEqual(columns[1], {"input": 1, "name": "mesh", "type": "category",
                                      "values": ["coarse", "fine", "3"]})

    def test_exports_of_categories_come_back(self):
        self.put(changed(mesh={"values": ["coarse", "a, \"b\"", "3"], "default": None}))
        body = {"inputs": [[1, "coarse", 1], [2, "a, \"b\"", 2]], "outputs": [[1], [2]]}
        self.ok(201, "POST", MODEL + "/data", body)
        space = self.ok(200, "GET", MODEL + "/space")[1]["space"]
        for form in ("csv", "json"):
            head, rows = self.ok(200, "GET", f"{MODEL}/data/rows?format={form}")
            self.ok(200, "PUT", f"/v1/models/{form}/space", space)
            self.ok(201, "POST", f"/v1/models/{form}/data", rows, {"Content-Type": head["Content-Type"]})
            self.assertEqual(self.ok(200, "GET", f"/v1/models/{form}/data/rows")[1]["inputs"], body["inputs"])

    def test_failed_readings_do_not_store_a_space(self):
        self.ok(400, "POST", MODEL + "/data", {"inputs": [[1, "medium", 1]], "outputs": [[1]], "space": SPACE})
        self.ok(404, "GET", MODEL)


class Models(Space):
    def setUp(self):
        super().setUp()
        self.put()
        self.upload(self.table())
        self.job = self.train()
        self.assertEqual(self.job["state"], "succeeded", self.job["message"])

    def test_predictions_by_name_with_defaults_and_warnings(self):
        plain = self.predict([[0.5, "fine", 2], [1, "coarse", 3]])
        self.assertEqual(plain["names"], {"inputs": ["k", "mesh", "n"], "outputs": ["T"]})
        self.assertEqual(self.predict([{"n": 2}, {"n": 3, "mesh": "coarse", "k": 1}]), plain)
        head = {**CSV, "Accept": "application/json"}
        self.assertEqual(self.ok(200, "POST", MODEL + "/predict?return=mean",
                                 "mesh,n,k\nfine,2,0.5\ncoarse,3,1\n", head)[1], plain)
        self.assertIn('"n" is missing', self.predict([{"k": 1}], 400)["detail"])
        for row, words in (([1, "x", 1], '"mesh" is "x"'), ([1, "fine", 0.5], '"n" is 0.5, an integer'), ({"n": 1.5}, '"n" is 1.5')):
            self.assertIn(words, self.predict([row], 400)["detail"])
        self.assertIn('("mesh") is 0', self.predict([[1, 0, 1]], 400)["detail"])
        self.assertEqual(self.predict([[1, 3, 1]])["mean"], self.predict([[1, "3", 1]])["mean"])
        warnings = self.predict([[1, "fine", 1], [9, "fine", 50]])["warnings"]
        self.assertEqual([(w["code"], w["row"], w["name"]) for w in warnings],
                         [("extrapolation", 1, "k"), ("outside_bounds", 1, "k"), ("extrapolation", 1, "n")])
        self.assertEqual(warnings[1]["bounds"], [0, 2])
        problem = self.predict([[1, "fine", 1]], 400, **{"return": ["jacobian"]})
        self.assertIn('"mesh", is a category', problem["detail"])

    def test_tables_and_arrays_by_name_take_the_defaults_too(self):
        plain = self.predict([[0.5, "fine", 2], [0.5, "fine", 3]])
        head = {**CSV, "Accept": "application/json"}
        npy_head = {"Content-Type": "application/x-npy", "Accept": "application/json"}
        path = MODEL + "/predict?return=mean"
        self.assertEqual(self.ok(200, "POST", path, "n\n2\n3\n", head)[1], plain)
        self.assertEqual(self.ok(200, "POST", path, records(["n"], [2], [3]), npy_head)[1], plain)
        other = self.predict([[1.5, "fine", 2], [0.25, "fine", 3]])
        self.assertEqual(self.ok(200, "POST", path, "n,k\n2,1.5\n3,0.25\n", head)[1], other)
        self.assertEqual(self.ok(200, "POST", path, records(["n", "k"], [2, 1.5], [3, 0.25]), npy_head)[1], other)
        self.assertEqual(self.ok(200, "POST", path, records(["mesh", "n"], [3, 2]), npy_head)[1]["mean"],
                         self.predict([[0.5, "3", 2]])["mean"])
        # What has no default must be there, an empty field is none, and without names nothing is left out.
        for body, kind, words in (("k,mesh\n1,fine\n", head, '"n" is missing; sent: k, mesh; known: k, mesh, n'),
                                  ("n,k\n2,\n", head, 'line 2, column "k" is missing'),
                                  ("2,1.5\n", head, "2 columns"),
                                  (records(["k"], [1.0]), npy_head, '"n" is missing; sent: k; known: k, mesh, n'),
                                  (records(["n", "size"], [1.0, 2.0]), npy_head, '"size" is no known column'),
                                  (npy([[2, 1.5]]), npy_head, "2 numbers")):
            self.assertIn(words, self.ok(400, "POST", path, body, kind)[1]["detail"])
        # Rows to train on or to score have all of their inputs.
        for path in (MODEL + "/data?outputs=1", MODEL + "/evaluate"):
            self.assertIn('"k" is missing', self.ok(400, "POST", path, "n,mesh,T\n2,fine,300\n", CSV)[1]["detail"])
            self.assertIn('"mesh"', self.ok(400, "POST", path, {"inputs": [{"n": 2, "k": 1}], "outputs": [[300]]})[1]["detail"])

    def test_the_model_learns_the_categories(self):
        rows = self.table(40, seed=2)
        answer = self.predict([[k, mesh, n] for k, mesh, n, _ in rows])
        errors = [(mean[0] - row[3]) ** 2 for mean, row in zip(answer["mean"], rows)]
        spread = [(row[3] - sum(r[3] for r in rows) / len(rows)) ** 2 for row in rows]
        self.assertLess(sum(errors), 0.2 * sum(spread))
        text = "n,T,k,mesh\n" + "".join(f"{n},{t!r},{k!r},{mesh}\n" for k, mesh, n, t in rows)
        score = self.ok(200, "POST", MODEL + "/evaluate", text, CSV)[1]
        self.assertAlmostEqual(score["outputs"][0]["rmse"], (sum(errors) / len(rows)) ** 0.5, places=9)

    def test_a_document_carries_its_space(self):
        exported = self.ok(200, "GET", MODEL + "/versions/1/export")[1]
        self.assertEqual(exported["space"], self.ok(200, "GET", MODEL + "/space")[1]["space"])
        self.assertEqual((exported["architecture"]["inputs"], len(exported["scaling"]["inputs"])), (5, 3))
        self.ok(201, "PUT", "/v1/models/copy", exported)
        rows = {"inputs": [{"n": 2}, [1, "coarse", 3]], "return": ["mean", "variance"]}
        there, here = (self.ok(200, "POST", f"/v1/models/{name}/predict", rows)[1] for name in ("copy", "m"))
        self.assertEqual({**there, "model": "m"}, here)
        self.assertEqual(self.ok(200, "GET", "/v1/models/copy/versions/1/export")[1], exported)
        self.assertEqual(self.ok(200, "GET", "/v1/models/copy/space")[1]["origin"], "model")
        for change, words in (({"space": changed(mesh={"values": ["coarse", "fine"]})}, "network of 4 inputs"),
                              ({"space": {"inputs": ["a"], "outputs": ["a"]}}, "space: inputs[0] and outputs[0]"),
                              ({"names": {**exported["names"], "inputs": exported["names"]["inputs"][::-1]}},
                               'names: inputs[0] is "n", but the space of the document says'),
                              ({"names": {"outputs": []}}, "names: outputs must be an array of 1 strings"),
                              ({"space": 3}, "space is a number")):
            problem = self.ok(400, "PUT", "/v1/models/other", {**exported, **change})[1]
            self.assertIn(words, problem["detail"])

    def test_a_version_keeps_the_space_it_was_trained_with(self):
        before = self.predict([[0.5, "fine", 2]])
        self.put(changed(k={"bounds": [0, 0.1], "default": None}, mesh={"values": ["coarse", "fine", "3", "new"]},
                         n={"name": "steps"}))
        self.assertEqual(self.predict([[0.5, "fine", 2]]), before)
        self.assertIn('"mesh" is "new"', self.predict([[0.5, "new", 2]], 400)["detail"])
        self.ok(201, "POST", MODEL + "/data", "k,mesh,steps,T\n" + "1,new,2,9\n2,new,3,9.5\n" * 10, CSV)
        job = self.train({"solver": "ensemble", "settings": {"members": 2, "epochs": 20}})
        self.assertEqual((job["state"], job["version"]), ("succeeded", 2), job["message"])
        self.assertEqual(self.ok(200, "GET", MODEL + "/versions/2")[1]["names"]["inputs"], ["k", "mesh", "steps"])
        self.ok(200, "POST", MODEL + "/versions/2/predict", {"inputs": [[0.05, "new", 2]]})
        self.assertIn("categories", self.ok(400, "POST", MODEL + "/compare", {
            "versions": [1, 2], "inputs": [[1, "fine", 2]], "outputs": [[3]]})[1]["detail"])
        self.ok(200, "PUT", MODEL + "/default", {"version": 1})
        self.assertIn("categories", self.ok(400, "POST", MODEL + "/train", {
            **SHORT, "start": "warm"})[1]["detail"])
        # Trained again as the default version was, with the values that there are now.
        job = self.ok(202, "POST", MODEL + "/train")[1]
        self.assertEqual(self.server.wait_job(job["id"], "succeeded", "failed")["state"], "succeeded")

    def test_a_training_request_may_bring_the_space(self):
        job = self.train({**SHORT, "gate": None, "space": changed(k={"unit": "mW"})})
        self.assertEqual(job["state"], "succeeded")
        self.assertEqual(self.ok(200, "GET", MODEL + "/versions/2")[1]["units"]["inputs"][0], "mW")
        self.assertEqual(self.ok(200, "GET", MODEL + "/space")[1]["origin"], "train")
        self.assertIn("inputs[1].values", self.ok(409, "POST", MODEL + "/train", {
            **SHORT, "space": changed(mesh={"values": ["fine", "coarse", "3"]})})[1]["detail"])
        self.ok(400, "POST", MODEL + "/train", {"solver": "none", "space": SPACE})
        self.assertEqual(self.ok(200, "GET", MODEL + "/space")[1]["space"]["inputs"][0]["unit"], "mW")
        self.ok(404, "POST", "/v1/models/none/train", {**SHORT, "space": SPACE})
        problem = self.ok(400, "PUT", MODEL + "/policy", {"new_rows": 5, "request": {**SHORT, "space": SPACE}})[1]
        self.assertIn("a policy has no space", problem["detail"])
        self.assertEqual(self.train({"space": SPACE})["state"], "succeeded")

    def test_a_version_that_does_not_know_new_values_has_drifted(self):
        self.put(changed(mesh={"values": ["coarse", "fine", "3", "new"]}))
        self.ok(200, "PUT", MODEL + "/policy", {
            "drift": {"increase": 1e6, "rows": 10}, "debounce_s": 0,
            "request": {"solver": "ensemble", "settings": {"members": 2, "epochs": 20}, "gate": None}})
        self.ok(201, "POST", MODEL + "/data", "k,mesh,n,T\n" + "1,new,2,9\n2,new,3,9.5\n" * 10, CSV)
        job = self.server.wait_job(2, "succeeded", "failed") if self.wait_second_job() else None
        self.assertEqual((job["origin"], job["state"]), ("drift", "succeeded"))

    def wait_second_job(self):
        end = time.time() + PATIENCE
        while time.time() < end:
            if len(self.ok(200, "GET", "/v1/jobs?model=m")[1]["jobs"]) > 1:
                return True
            time.sleep(0.05)
        return False

    def test_diagnostics_have_names(self):
        shown = self.ok(200, "GET", MODEL + "/diagnostics")[1]
        self.assertEqual(shown["names"], {"inputs": ["k", "mesh", "n"], "outputs": ["T"]})

    def test_failed_runs_with_categories(self):
        rows = self.table(40, seed=3)
        body = {"inputs": [[k, mesh, n] for k, mesh, n, _ in rows],
                "outputs": [[None if mesh == "3" else t] for _, mesh, _, t in rows]}
        self.ok(201, "POST", MODEL + "/data", body)
        self.assertEqual(self.train()["state"], "succeeded")
        answer = self.predict([[1, "fine", 2], [1, "3", 2]], **{"return": ["feasible"]})
        self.assertGreater(answer["feasible"]["mean"][0], answer["feasible"]["mean"][1])

    def test_the_client(self):
        def client(*args, **more):
            done = subprocess.run([os.environ["SURROGATED_BIN"], *args, "--server",
                                   f"http://127.0.0.1:{self.server.port}"], capture_output=True, text=True,
                                  timeout=300, check=False, **more)
            return done.returncode, done.stdout, done.stderr
        code, out, _ = client("space", "m")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"(?m)^input 1 +mesh +- +category +coarse, fine, 3 +- +fine$")
        self.assertRegex(out, r"(?m)^output 0 +T +K +- +above 0 +- +-$")
        self.assertEqual(json.loads(client("space", "m", "--json")[1])["space"],
                         self.ok(200, "GET", MODEL + "/space")[1]["space"])
        self.assertEqual(client("space", "m", "-", input="{}")[0], 1)
        code, out, _ = client("space", "new", "-", input='{"inputs":["a"],"outputs":["y"]}')
        self.assertEqual(code, 0, out)
        self.assertEqual(client("space", "new", "none"), (0, "new no longer has a space\n", ""))
        mean = self.predict([[0.5, "fine", 2], [9, "coarse", 3]])["mean"]
        code, out, err = client("predict", "m", "-", "--return", "mean", input="mesh,n,k\nfine,2,0.5\ncoarse,3,9\n")
        self.assertEqual([float(line) for line in out.splitlines()[1:]], [row[0] for row in mean])
        self.assertIn("row 1 input k is 9", err)
        self.assertIn("1 row outside the bounds", err)
        code, _, err = client("predict", "m", "-", input="mesh,n,q\nfine,2,0.5\n")
        self.assertEqual(code, 1)
        self.assertIn('"q" is no known column', err)


class Derivatives(ServerTest):
    def test_integers_have_those_of_reals(self):
        space = {"inputs": ["a", {"name": "n", "type": "integer"}, "c"], "outputs": ["q", "s"]}
        self.ok(201, "PUT", "/v1/models/i", document(space=space))
        self.ok(201, "PUT", "/v1/models/r", document())
        rows = {"inputs": [[0.5, 2, 0.25]], "return": ["jacobian"]}
        self.assertEqual(*(self.ok(200, "POST", f"/v1/models/{name}/predict", rows)[1]["jacobian"]
                           for name in ("i", "r")))


if __name__ == "__main__":
    unittest.main()
