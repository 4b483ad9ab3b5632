# SPDX-License-Identifier: Apache-2.0
"""
Columns by name: a header may have the model's columns in any order, and what is not its own is
refused with the names that were sent and those that are known.
"""

import ast
import concurrent.futures
import json
import math
import struct
import unittest

from harness import ServerTest, document, records

CSV = {"Content-Type": "text/csv"}
DATA = "/v1/models/m/data"


NPY = {"Content-Type": "application/x-npy"}


class Names(ServerTest):
    def csv(self, text, status=201, query="?outputs=1", model="m"):
        return self.ok(status, "POST", f"/v1/models/{model}/data{query}", text, CSV)[1]

    def stored(self, model="m"):
        rows = self.ok(200, "GET", f"/v1/models/{model}/data/rows")[1]
        return [x + y for x, y in zip(rows["inputs"], rows["outputs"])]

    def refused(self, text, *words, status=400):
        problem = self.csv(text, status)
        for word in words:
            self.assertIn(word, problem["detail"])
        return problem


class Structured(Names):
    def export(self, status=200, model="m"):
        return self.ok(status, "GET", f"/v1/models/{model}/data/rows?format=structured")

    def test_rows_leave_with_their_names_and_come_back(self):
        names = ["k", "T [K]", "it's", "\u03b1"]
        self.csv(",".join(names) + "\n1,2,3,4\n0.1,1e300,-5,6\n")
        head, body = self.export()
        self.assertEqual((head["Content-Type"], head["Surrogate-Rows"]), ("application/x-npy", "2"))
        self.assertEqual(body[:8], b"\x93NUMPY\3\0")
        length = struct.unpack("<I", body[8:12])[0]
        self.assertEqual((12 + length) % 64, 0)
        told = ast.literal_eval(body[12:12 + length].decode())
        self.assertEqual(told, {"descr": [(name, "<f8") for name in names], "fortran_order": False, "shape": (2,)})
        self.assertEqual(struct.unpack("<8d", body[12 + length:]), (1, 2, 3, 4, 0.1, 1e300, -5, 6))
        answer = self.ok(201, "POST", "/v1/models/copy/data?outputs=1", body, NPY)[1]
        self.assertEqual(answer["names"], {"inputs": names[:3], "outputs": names[3:]})
        self.assertEqual(self.stored("copy"), self.stored())

    def test_what_has_no_names_or_none_that_npy_can_have_is_refused(self):
        self.csv("1,2\n3,4\n")
        self.assertIn("columns have none", self.export(400)[1]["detail"])
        for name in ("a\\\\b", "a'\"\"b"):
            self.csv(f'"{name}",y\n1,2\n', model="n")
            self.assertIn("json and csv can", self.export(400, "n")[1]["detail"])
            self.ok(204, "DELETE", "/v1/models/n")
        names = [f"x{i:0120d}" for i in range(500)]
        self.csv(",".join(names) + "\n" + ",".join("1" * 500) + "\n", model="long")
        self.assertIn("too long", self.export(400, "long")[1]["detail"])


class Uploads(Names):
    def test_columns_in_another_order_are_matched(self):
        answer = self.csv("x1,x2,y\n0.1,100,1\n0.2,200,2\n")
        self.assertEqual(answer["names"], {"inputs": ["x1", "x2"], "outputs": ["y"]})
        answer = self.csv("x2,x1,y\n300,0.3,3\n")
        self.assertEqual(answer["names"], {"inputs": ["x1", "x2"], "outputs": ["y"]})
        self.csv("y;x2;x1\n4;400;0,4\n")
        self.csv("x1,x2,y\n0.5,500,5\n")
        self.csv("0.6,600,6\n")  # without names places count
        self.csv("y,x1,x2\n7,0.7,700\n", query="")  # the space knows how many outputs there are
        self.assertEqual(self.stored(), [[k / 10, 100 * k, k] for k in range(1, 8)])

    def test_unknown_missing_and_doubled_names_are_refused_with_both_lists(self):
        self.csv("k,T,q\n1,2,3\n")
        self.refused("k,t,q\n1,2,3\n", '"t" is no known column', "sent: k, t, q", "known: k, T, q")
        self.refused("k,q\n1,3\n", '"T" is missing', "sent: k, q", "known: k, T, q")
        self.refused("k,T,q,T\n1,2,3,4\n", 'columns 2 and 4 are both named "T"')
        self.refused("k,T,q,more\n1,2,3,4\n", '"more" is no known column')
        self.refused("1,2,3,4\n", "4 columns")
        self.assertIn("outputs is 2", self.csv("k,T,q\n1,2,3\n", 400, "?outputs=2")["detail"])
        self.assertEqual(self.stored(), [[1, 2, 3]])
        self.assertIn('both named "a"', self.csv("a,a,y\n1,2,3\n", 400, model="new")["detail"])
        self.ok(404, "GET", "/v1/models/new")

    def test_places_in_messages_are_those_of_the_file(self):
        self.csv("k,T,q\n1,2,3\n")
        problem = self.refused("q,T,k\n1,2,3\n4,,6\n", 'line 3, column "T" is missing')
        self.assertEqual(problem["line"], 3)
        self.refused("q,T,k\n1,2,3\n4,5,oops\n", 'line 3, column "k" is "oops"')

    def test_json_says_its_names(self):
        rows = {"inputs": [[1, 2]], "outputs": [[3]]}
        names = {"inputs": ["k", "T"], "outputs": ["q"]}
        answer = self.ok(201, "POST", DATA, {**rows, "names": names})[1]
        self.assertEqual(answer["names"], names)
        self.ok(201, "POST", DATA, {"inputs": [[5, 4]], "outputs": [[6]],
                                    "names": {"inputs": ["T", "k"], "outputs": ["q"]}})
        self.ok(201, "POST", DATA, {"inputs": [{"T": 8, "k": 7}], "outputs": [{"q": 9}]})
        self.ok(201, "POST", DATA, {"inputs": [{"T": 11, "k": 10}], "outputs": [[12]]})
        self.assertEqual(self.stored(), [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
        for change, words in (({"names": {"inputs": ["k", "p"], "outputs": ["q"]}},
                               ['names: inputs: "p" is no known column']),
                              ({"names": {"inputs": ["k", "T"], "outputs": ["r"]}},
                               ['names: outputs: "r" is no known']),
                              ({"names": {"inputs": ["k", "T"], "outputs": ["k"]}},
                               ["inputs[0] and outputs[0] have the same name"]),
                              ({"names": {"inputs": ["k"], "outputs": ["q"]}}, ['"T" is missing']),
                              ({"names": ["k", "T"]}, ["names is an array"]),
                              ({"names": {"inputs": ["k", 3], "outputs": ["q"]}}, ["inputs[1] is a number"]),
                              ({"inputs": [{"k": 1, "T": 2, "p": 3}]}, ["inputs: row 0", '"p" is no known']),
                              ({"inputs": [{"k": 1}]}, ["inputs: row 0", '"T" is missing']),
                              ({"inputs": [[1, "b"]]}, ['inputs: row 0, "T" is "b", a number']),
                              ({"inputs": [[1, 2, 3]]}, ["3 numbers, 2 are needed"]),
                              ({"inputs": [{"k": 1, "T": [2]}]}, ['"T" is an array'])):
            problem = self.ok(400, "POST", DATA, {**rows, **change})[1]
            for word in words:
                self.assertIn(word, problem["detail"])

    def test_the_first_objects_name_the_columns(self):
        self.ok(201, "POST", DATA, {"inputs": [{"b": 1, "a": 2}, {"a": 4, "b": 3}],
                                    "outputs": [{"y": 5}, {"y": 6}]})
        self.assertEqual(self.stored(), [[1, 2, 5], [3, 4, 6]])
        space = self.ok(200, "GET", "/v1/models/m/space")[1]
        self.assertEqual(space["origin"], "upload")
        self.assertEqual([column["name"] for column in space["space"]["inputs"]], ["b", "a"])
        # Objects for the inputs alone leave the outputs without a name.
        problem = self.ok(400, "POST", "/v1/models/n/data", {"inputs": [{"a": 1}], "outputs": [[2]]})[1]
        self.assertIn("have no names", problem["detail"])

    def test_fields_of_arrays_are_columns_with_names(self):
        path = DATA + "?outputs=1"
        answer = self.ok(201, "POST", path, records(("a", "b", "y"), (1, 2, 3), (4, 5, 6)), NPY)[1]
        names = {"inputs": ["a", "b"], "outputs": ["y"]}
        self.assertEqual((answer["names"], answer["inputs"], answer["outputs"]), (names, 2, 1))
        answer = self.ok(201, "POST", path, records(("y", "b", "a"), (9, 8, 7)), NPY)[1]
        self.assertEqual(answer["names"], names)
        self.csv("b,y,a\n11,12,10\n")
        self.assertEqual(self.stored(), [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
        for fields, word in ((("y", "b", "A"), '"A" is no known column; sent: y, b, A; known: a, b, y'),
                             (("a", "y"), '"b" is missing'), (("a", "b", "y", "z"), '"z" is no known')):
            problem = self.ok(400, "POST", path, records(fields, range(len(fields))), NPY)[1]
            self.assertIn(word, problem["detail"])
        self.assertEqual(len(self.stored()), 4)

    def test_names_come_with_their_rows_or_not_at_all(self):
        self.refused("a,b,y\n1,2,oops\n", "oops")
        self.ok(404, "GET", "/v1/models/m")
        self.csv("1,2,3\n")
        self.ok(404, "GET", "/v1/models/m/space")
        self.refused("a,y\n1,2\n", "1 input and 1 output")
        self.ok(404, "GET", "/v1/models/m/space")
        self.csv("a,b,y\n4,5,6\n")  # rows without names are in the order of the first names
        self.csv("b,a,y\n8,7,9\n")
        self.assertEqual(self.stored(), [[1, 2, 3], [4, 5, 6], [7, 8, 9]])

    def test_two_first_uploads_at_once_have_one_order(self):
        def upload(i):
            model = f"r{i // 8}"
            head, row = (("a,b,y", "1,2,3"), ("b,a,y", "2,1,3"), ("y,b,a", "3,2,1"))[i % 3]
            return self.server.request("POST", f"/v1/models/{model}/data?outputs=1",
                                       f"{head}\n{row}\n", CSV)[0]
        # The third order has other outputs, so it is refused unless the names are known already.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(upload, range(48)))
        self.assertTrue(set(statuses) <= {201, 400}, statuses)
        for i in range(6):
            space = self.ok(200, "GET", f"/v1/models/r{i}/space")[1]["space"]
            order = [column["name"] for column in space["inputs"] + space["outputs"]]
            value = {"a": 1, "b": 2, "y": 3}
            self.assertEqual({tuple(row) for row in self.stored(f"r{i}")},
                             {tuple(value[name] for name in order)})

    def test_json_is_not_taken_against_its_query(self):
        rows = json.dumps({"inputs": [[1], [2]], "outputs": [[3, 4], [5, 6]]})
        for text in ("", "0", "1.5", "two", "1", "3"):
            problem = self.ok(400, "POST", f"{DATA}?outputs={text}", rows)[1]
            self.assertIn("outputs is", problem["detail"])
        self.ok(201, "POST", f"{DATA}?outputs=2", rows)

    def test_an_array_of_one_dimension_is_no_row_of_many_columns(self):
        head = "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }".ljust(117) + "\n"
        body = b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<4d", 1, 2, 3, 4)
        problem = self.ok(400, "POST", f"{DATA}?outputs=1", body, NPY)[1]
        self.assertIn("1 dimension, rows x columns are needed", problem["detail"])
        self.ok(404, "GET", "/v1/models/m")

    def test_exports_have_the_names_and_can_be_uploaded_again(self):
        self.csv('"a,1",b,y\n1,2,3\n4,5,6\n')
        for form in ("csv", "json", "npy"):
            head, body = self.ok(200, "GET", f"{DATA}/rows?format={form}")
            body = json.dumps(body) if form == "json" else body
            self.ok(201, "POST", f"/v1/models/{form}/data" + ("" if form == "json" else "?outputs=1"),
                    body, {"Content-Type": head["Content-Type"]})
            self.assertEqual(self.stored(form), [[1, 2, 3], [4, 5, 6]])
        for form in ("csv", "json"):
            self.assertEqual(self.ok(200, "GET", f"/v1/models/{form}/space")[1]["space"],
                             self.ok(200, "GET", "/v1/models/m/space")[1]["space"])
        self.assertIn(b'"a,1",b,y\r\n', self.ok(200, "GET", f"{DATA}/rows?format=csv")[1])
        self.assertEqual(self.ok(200, "GET", "/v1/models/m")[1]["names"], {"inputs": ["a,1", "b"], "outputs": ["y"]})
        columns = self.ok(200, "GET", DATA)[1]["columns"]
        self.assertEqual([column["name"] for column in columns], ["a,1", "b", "y"])

    def test_a_repeated_upload_tells_its_names_again(self):
        headers = {**CSV, "Idempotency-Key": "k"}
        first = self.ok(201, "POST", f"{DATA}?outputs=1", "a,y\n1,2\n", headers)[1]
        again = self.ok(201, "POST", f"{DATA}?outputs=1", "a,y\n1,2\n", headers)[1]
        self.assertEqual((again["names"], again["repeated"]), (first["names"], True))


class Predictions(Names):
    def setUp(self):
        super().setUp()
        names = {"inputs": ["k", "T", "p"], "outputs": ["q", "s"]}
        self.ok(201, "PUT", "/v1/models/named", document(names=names))
        self.ok(201, "PUT", "/v1/models/bare", document())

    def predict(self, body, status=200, model="named", headers=None, query=""):
        return self.ok(status, "POST", f"/v1/models/{model}/predict{query}", body, headers)[1]

    def test_rows_may_be_objects_or_a_table_with_a_header(self):
        plain = self.predict({"inputs": [[1, 2, 3], [0.5, 0.25, 0]], "return": ["mean"]})
        self.assertEqual(plain["names"], {"inputs": ["k", "T", "p"], "outputs": ["q", "s"]})
        self.assertEqual(self.predict({"inputs": [{"p": 3, "k": 1, "T": 2}, {"T": 0.25, "k": 0.5, "p": 0}],
                                       "return": ["mean"]}), plain)
        self.assertEqual(self.predict({"inputs": [[1, 2, 3], {"T": 0.25, "k": 0.5, "p": 0}],
                                       "return": ["mean"]}), plain)
        self.assertEqual(self.predict("p,T,k\n3,2,1\n0,0.25,0.5\n", headers=CSV, query="?return=mean"), plain)
        self.assertEqual(self.predict("1.0,2,3\n0.5,0.25,0\n", headers=CSV, query="?return=mean"), plain)
        bare = self.predict({"inputs": [[1, 2, 3], [0.5, 0.25, 0]], "return": ["mean"]}, model="bare")
        self.assertNotIn("names", bare)
        self.assertEqual(bare["mean"], plain["mean"])
        # A model without names takes a table by places, whatever its header says.
        self.assertEqual(self.predict("x,y,z\n1,2,3\n0.5,0.25,0\n", model="bare", headers=CSV,
                                      query="?return=mean")["mean"], plain["mean"])

    def test_what_is_not_the_models_own_is_refused(self):
        for rows, words in (([{"k": 1, "T": 2, "p": 3, "z": 4}], ["inputs: row 0", '"z" is no known column']),
                            ([[1, 2, 3], {"k": 1, "T": 2}], ["inputs: row 1", '"p" is missing']),
                            ([{"k": 1, "T": 2, "p": None}], ['"p" is null, a number is needed']),
                            ([{"k": 1, "T": 2, "p": "3"}], ['"p" is "3"']),
                            ([{"k": 1, "T": 2, "p": 3}, 4], ["row 1 is a number"])):
            problem = self.predict({"inputs": rows}, 400)
            for word in words:
                self.assertIn(word, problem["detail"])
        self.assertIn('"z" is no known', self.predict("k,T,z\n1,2,3\n", 400, headers=CSV)["detail"])
        self.assertIn("line 3", self.predict("k,T,p\n1,2,3\n4,,6\n", 400, headers=CSV)["detail"])
        self.assertIn("have no names", self.predict({"inputs": [{"k": 1}]}, 400, "bare")["detail"])
        self.assertIn("is unknown", self.predict("1,2,3\n", 400, headers=CSV, query="?colour=1")["detail"])
        self.predict({"inputs": [{"k": 1}] * 3}, 400)

    def test_evaluations_match_names_too(self):
        places = self.ok(200, "POST", "/v1/models/named/evaluate", "1,2,3,4,5\n2,3,4,5,6\n", CSV)[1]
        named = self.ok(200, "POST", "/v1/models/named/evaluate", "s,p,T,k,q\n5,3,2,1,4\n6,4,3,2,5\n", CSV)[1]
        self.assertEqual(named, places)
        self.assertEqual(self.ok(200, "POST", "/v1/models/named/evaluate", {
            "inputs": [{"T": 2, "k": 1, "p": 3}, [2, 3, 4]], "outputs": [{"s": 5, "q": 4}, [5, 6]]})[1], places)
        self.assertEqual([output["name"] for output in named["outputs"]], ["q", "s"])
        problem = self.ok(400, "POST", "/v1/models/named/evaluate", "s,p,T,k\n5,3,2,1\n", CSV)[1]
        self.assertIn('"q" is missing', problem["detail"])
        self.ok(201, "PUT", "/v1/models/named", document(seed=2, names={
            "inputs": ["k", "T", "p"], "outputs": ["q", "s"]}))
        two = [self.ok(200, "POST", "/v1/models/named/compare?versions=1,2", text, CSV)[1]
               for text in ("1,2,3,4,5\n2,3,4,5,6\n", "s,p,T,k,q\n5,3,2,1,4\n6,4,3,2,5\n")]
        self.assertEqual(two[0], two[1])
        array = records(("s", "p", "T", "k", "q"), (5, 3, 2, 1, 4), (6, 4, 3, 2, 5))
        self.assertEqual(self.ok(200, "POST", "/v1/models/named/compare?versions=1,2", array, NPY)[1], two[0])
        self.assertEqual(self.ok(200, "POST", "/v1/models/named/versions/1/evaluate", array, NPY)[1], named)

    def test_arrays_are_evaluated_and_may_miss_outputs(self):
        path = "/v1/models/named/evaluate"
        names = ("s", "p", "T", "k", "q")
        text = "s,p,T,k,q\n5,3,2,1,4\n,4,3,2,5\n"
        array = records(names, (5, 3, 2, 1, 4), (math.nan, 4, 3, 2, 5))
        self.assertEqual(self.ok(200, "POST", path + "?missing=allow", array, NPY)[1],
                         self.ok(200, "POST", path + "?missing=allow", text, CSV)[1])
        for body, word in ((array, "row 1, column 4 is nan; ?missing=allow"),
                           (records(names, (5, 3, math.inf, 1, 4)), "row 0, column 1 is not finite"),
                           (records(names[1:], (3, 2, 1, 4)), '"s" is missing'), (b"1,2,3,4,5\n", "is not npy")):
            self.assertIn(word, self.ok(400, "POST", path, body, NPY)[1]["detail"])

    def test_fields_of_an_array_are_matched_in_predictions(self):
        rows = {"inputs": [[1, 2, 3], [0.5, 0.25, 0]], "return": ["mean"]}
        for fields, order in ((("p", "k", "T"), (2, 0, 1)), (("k", "T", "p"), (0, 1, 2))):
            array = records(fields, *([row[i] for i in order] for row in rows["inputs"]))
            answer = self.predict(array, headers={**NPY, "Accept": "application/json"}, query="?return=mean")
            self.assertEqual(answer, self.predict(rows))
        array = records(("a", "b", "c"), *rows["inputs"])
        problem = self.predict(array, 400, headers=NPY)
        self.assertIn('"a" is no known column; sent: a, b, c; known: k, T, p', problem["detail"])
        self.predict(array, model="bare", headers=NPY)

    def test_a_registered_version_names_the_uploads(self):
        self.assertEqual(self.ok(200, "GET", "/v1/models/named/space")[1]["origin"], "model")
        self.ok(404, "GET", "/v1/models/bare/space")
        self.ok(201, "POST", "/v1/models/named/data", "s,p,T,k,q\n5,3,2,1,4\n", CSV)
        self.assertEqual(self.stored("named"), [[1, 2, 3, 4, 5]])


if __name__ == "__main__":
    unittest.main()
