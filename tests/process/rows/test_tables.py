# SPDX-License-Identifier: Apache-2.0
"""
Tables as programs write them, sent as they are: each is stored as its author means it, or refused
by its cause. Places in messages are lines and columns of the file.
"""

import gzip
import io
import json
import pickle
import unittest
import zipfile

from harness import ServerTest, document

CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}
GZIP = {"Content-Encoding": "gzip"}


class Tables(ServerTest):
    number = 0

    def upload(self, body, status=201, query="outputs=1", kind="text/csv", **headers):
        """Into a model of its own; the answer, and the rows that are stored."""
        Tables.number += 1
        path = f"/v1/models/t{Tables.number}/data"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        body = body.encode() if isinstance(body, str) else body
        answer = self.ok(status, "POST", f"{path}?{query}", body, {"Content-Type": kind, **headers})[1]
        if status != 201:
            return answer
        stored = self.ok(200, "GET", path + "/rows")[1]
        return answer, [x + y for x, y in zip(stored["inputs"], stored["outputs"])]


class Accepted(Tables):
    def test_what_was_told_of_a_table_is_in_the_answer(self):
        answer, rows = self.upload('"x";"z";"y"\n0,1;0,2;1,0\n0,3;0,4;2,0\n')
        self.assertEqual(rows, [[0.1, 0.2, 1], [0.3, 0.4, 2]])
        self.assertEqual(answer["table"], {"separator": "semicolon", "decimal": "comma",
                                           "header": "present"})
        self.assertEqual(answer["names"], {"inputs": ["x", "z"], "outputs": ["y"]})
        self.assertEqual((answer["inputs"], answer["outputs"]), (2, 1))

    def test_dakota_leaves_out_its_own_columns(self):
        answer, rows = self.upload("%eval_id interface   x1   x2  f\n"
                                   "1          NO_ID     0.5  2   1D-2\n"
                                   "2          NO_ID     0.25 4   0.5\n")
        self.assertEqual(rows, [[0.5, 2, 0.01], [0.25, 4, 0.5]])
        self.assertEqual(answer["table"]["left_out"], ["eval_id", "interface"])
        self.assertEqual(answer["names"], {"inputs": ["x1", "x2"], "outputs": ["f"]})

    def test_a_media_type_settles_what_cannot_be_told(self):
        body = "0,1,2\n0.5,0.25,1.5\n0.75,0.5,1\n"
        answer, rows = self.upload(body, kind="text/csv; header=present")
        self.assertEqual((len(rows), answer["names"]["inputs"]), (2, ["0", "1"]))
        self.assertEqual(len(self.upload(body, kind="text/csv; header=absent")[1]), 3)
        rows = self.upload("0,5\t1,5\n0,25\t2\n", kind="text/csv; separator=tab; decimal=comma")[1]
        self.assertEqual(rows, [[0.5, 1.5], [0.25, 2]])
        self.assertEqual(self.upload("1\t2\n", kind="text/tab-separated-values")[1], [[1, 2]])
        for kind, word in (("text/csv; header=maybe", "present or absent"),
                           ("text/csv; separator=pipe", "comma, semicolon, tab or blanks"),
                           ("text/csv; separator=comma; decimal=comma", "a comma cannot"),
                           ("text/csv; headers=present", "did you mean header?"),
                           ("text/csv; delimiter=tab", "decimal and columns are known"),
                           ("text/csv; charset=latin1", "UTF-8")):
            self.assertIn(word, self.upload(body, 400, kind=kind)["detail"])

    def test_rows_that_are_not_finite_are_left_out_on_request(self):
        body = "x,y\n\n1,2\nnan,3\n4,5\n4,5\n6,\n7,inf\n"
        answer, rows = self.upload(body, query="outputs=1&on_nonfinite=skip")
        self.assertEqual(rows, [[1, 2], [4, 5], [4, 5]])
        self.assertEqual(answer["nonfinite"], {"count": 3, "rows": [1, 4, 5], "lines": [4, 7, 8]})
        # Places in the answer are those of the file, as if nothing had been left out.
        self.assertEqual(answer["duplicates"]["rows"], [3])
        answer = self.upload(body, 400)
        self.assertIn('line 4, column "x" is missing (also lines 7, 8)', answer["detail"])
        self.assertEqual((answer["line"], answer["row"], answer["column"]), (4, 1, 0))
        body = {"inputs": [[1], [None], [2]], "outputs": [[1], [2], [None]]}
        path = "/v1/models/json/data"
        answer = self.ok(201, "POST", path + "?on_nonfinite=skip", body)[1]
        self.assertEqual((answer["rows"], answer["nonfinite"]), (1, {"count": 2, "rows": [1, 2]}))
        self.ok(400, "POST", path + "?on_nonfinite=skip", {"inputs": [[None]], "outputs": [[1]]})
        self.ok(400, "POST", path + "?on_nonfinite=keep", {"inputs": [[1]], "outputs": [[1]]})

    def test_json_may_begin_with_a_byte_order_mark(self):
        answer = self.upload('\ufeff{"inputs":[[1]],"outputs":[[2]]}', kind="application/json")[0]
        self.assertEqual(answer["rows"], 1)
        self.upload("\ufeff", 400, kind="application/json")

    def test_a_part_of_a_file_tells_lines_of_the_file(self):
        answer = self.upload("x,y\n1,2\n3,a\n", 400, Surrogate_First_Line="1001")
        self.assertIn("line 1003", answer["detail"])
        self.assertEqual(answer["line"], 1003)
        self.upload("x,y\n1,2\n", 400, Surrogate_First_Line="0")


class Compressed(Tables):
    flags = ("--max-body-bytes", "1000000")

    def test_gzip_is_read_on_every_route(self):
        text = "x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(2000))
        answer = self.upload(gzip.compress(text.encode()), Content_Encoding="gzip")[0]
        self.assertEqual((answer["rows"], answer["names"]["inputs"]), (2000, ["x"]))
        # Several files of gzip, one after another, are one.
        half = text.index("\n1000,") + 1
        body = gzip.compress(text[:half].encode()) + gzip.compress(text[half:].encode())
        self.assertEqual(self.upload(body, Content_Encoding="x-gzip")[0]["rows"], 2000)
        self.assertEqual(self.upload("1,2\n", Content_Encoding="identity")[0]["rows"], 1)
        self.ok(201, "PUT", "/v1/models/g", document())
        rows = [[i / 100, 0.5, 1] for i in range(100)]
        ask = json.dumps({"model": "g", "inputs": rows}).encode()
        plain = self.ok(200, "POST", "/predict", ask)[1]
        self.assertEqual(self.ok(200, "POST", "/predict", gzip.compress(ask), GZIP)[1], plain)

    def test_an_upload_is_the_same_compressed_or_not(self):
        key = {"Idempotency-Key": '"k"', "Content-Type": "text/csv"}
        path = "/v1/models/same/data?outputs=1"
        self.ok(201, "POST", path, b"1,2\n", key)
        again = self.ok(201, "POST", path, gzip.compress(b"1,2\n"), {**key, **GZIP})[1]
        self.assertTrue(again["repeated"])

    def test_what_is_no_gzip_or_grows_too_large(self):
        good = gzip.compress(b"1,2\n" * 1000)
        for body, status, word in ((b"1,2\n", 400, "not gzip"), (good[:-9], 400, "cut"),
                                   (good[:20] + b"\xff" * 20 + good[40:], 400, "damaged"),
                                   (good[:-6] + b"\0\0\0\0\0\0", 400, "damaged"),
                                   (good + b"1,2\n", 400, "damaged"), (b"", 400, "empty"),
                                   (gzip.compress(bytes(1000001)), 413, "1000000 bytes"),
                                   (gzip.compress(bytes(300000000)), 413, "1000000 bytes")):
            self.assertIn(word, self.upload(body, status, Content_Encoding="gzip")["detail"])
        body = gzip.compress(b"1,2\n" * 250000)
        self.assertEqual(self.upload(body, Content_Encoding="gzip")[0]["rows"], 250000)
        status, headers, answer = self.server.request("POST", "/predict", b"{}",
                                                      {"Content-Encoding": "br"})
        self.assertEqual((status, headers["Accept-Encoding"]), (415, "gzip"), answer)


class Queries(Tables):
    def test_keys_that_are_unknown_change_nothing(self):
        self.ok(201, "POST", "/v1/models/q/data?outputs=1", b"1,2\n3,4\n", CSV)
        for method, path, word in (
                ("DELETE", "/v1/models/q/data?batch=1", "takes no query"),
                ("POST", "/v1/models/q/data?outputs=1&on_duplicates=skip", "did you mean on_duplicate?"),
                ("POST", "/v1/models/q/data?outputs=1&outputs=2", "outputs is given twice"),
                ("GET", "/v1/jobs?models=q", "did you mean model?"),
                ("GET", "/v1/models/q/data/rows?fromat=csv", "did you mean format?"),
                ("GET", "/v1/models?limit=3", "takes no query"),
                ("POST", "/predict?return=mean", "belongs in the body"),
                ("GET", "/healthz?x", "takes no query")):
            kind = JSON if path.startswith("/predict") else CSV
            self.assertIn(word, self.ok(400, method, path, b"5,6\n" if method == "POST" else None,
                                        kind)[1]["detail"])
        self.assertEqual(self.ok(200, "GET", "/v1/models/q/data")[1]["rows"], 2)


class Refused(Tables):
    def test_bodies_that_are_something_else(self):
        text = "x,y\n1,2\n3,4\n"
        sheet = io.BytesIO()
        with zipfile.ZipFile(sheet, "w") as out:
            out.writestr("xl/workbook.xml", "<workbook/>")
        array = io.BytesIO()
        with zipfile.ZipFile(array, "w") as out:
            out.writestr("x.npy", b"\x93NUMPY")
        form = ("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"rows.csv\"\r\n\r\n"
                + text + "\r\n--x--\r\n")
        known = ((text.encode("utf-16"), "UTF-16"), (text.encode("utf-16-le"), "UTF-16"),
                 (text.encode("utf-16-be"), "UTF-16"), (text.encode("utf-32"), "UTF-32"),
                 (text.encode("utf-32-le"), "UTF-32"), (text.encode("utf-32-be"), "UTF-32"),
                 (sheet.getvalue(), "spreadsheet"), (array.getvalue(), "x-npz"),
                 ("<!DOCTYPE html><html><body>404</body></html>", "HTML"),
                 ("\n <?xml version='1.0'?><rows/>", "XML"), (form, "--data-binary"),
                 (b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"), (b"\x89HDF\r\n\x1a\n", "HDF5"),
                 (b"CDF\x01\x00", "netCDF"), (b"PAR1\x15\x04", "Parquet"), (b"ARROW1\0\0", "Arrow"),
                 (b"MATLAB 5.0 MAT-file, Platform: GLNXA64\0\1IM", "writematrix"),
                 (b"MATLAB 7.3 MAT-file, Platform: GLNXA64\0\2IM", "writematrix"),
                 (pickle.dumps([1.5]), "pickle"), (pickle.dumps([1.5], 0), "pickle"),
                 (b"X\n\0\0\0\3\0\4", "write.csv"), (b"RDX3\nX\n\0\0", "write.csv"),
                 (b"%PDF-1.7\n", "PDF"), (b"SQLite format 3\0\x10\0", "SQLite"),
                 (b"BZh91AY", "bzip2"), (b"\x28\xb5\x2f\xfd\0", "zstd"), (b"\xfd7zXZ\0", "xz"),
                 (b"\1\0\0\0\2\0\0\0\3\0\0\0abc\n", "binary"))
        for body, word in known:
            self.assertIn(word, self.upload(body, 415)["detail"])
            self.assertIn(word, self.upload(body, 400, kind="application/json")["detail"])
        for body, word in (('{"inputs":[[1]],"outputs":[[1]]}', "application/json"),
                           (b"\x93NUMPY\x01\x00v\x00", "application/x-npy")):
            self.assertIn(word, self.upload(body, 415)["detail"])
        # NULs at the end fill a buffer; elsewhere they have a place.
        self.assertIn("line 3", self.upload(text[:8] + "\0" * 40, 400)["detail"])
        self.assertIn("U+0000", self.upload("x,y\n1,2\0\n", 400)["detail"])

    def test_media_types_that_are_not_read(self):
        for kind, word in (("multipart/form-data; boundary=x", "--data-binary"),
                           ("text/plain", "text/csv"), ("text/html", "text/csv"),
                           ("application/octet-stream", "application/x-npy"),
                           ("application/vnd.ms-excel", "CSV")):
            self.assertIn(word, self.upload("1,2\n", 415, kind=kind)["detail"])

    def test_an_index_is_no_input(self):
        for body in (",x1,y\n0,0.5,1\n", '"","x1","y"\n"1",0.5,1\n', "Unnamed: 0,x1,y\n0,0.5,1\n",
                     '"x1" "y"\n"1" 0.5 1\n'):
            self.assertRegex(self.upload(body, 400)["detail"], "index=False|row.names=FALSE")
        self.upload("id,x1,y\n0,0.5,1\n")
        # Nobody can tell whether such a column is meant, so the answer says what it looks like.
        lines = [f"{i},{i / 7},{i * i}\n" for i in range(8)]
        rows = "".join(lines)
        for text, warned in ((rows, True), ("id,x1,y\n" + rows, True), ("t,x1,y\n" + rows, False),
                             ("".join(lines[1:]), True), ("".join(lines[2:]), False),
                             ("".join(lines[:4]), False), (rows.replace("3,", "4,", 1), False)):
            answer = self.upload(text)[0]
            self.assertEqual([w["code"] for w in answer.get("warnings", [])], ["row_numbers"] * warned, text)


if __name__ == "__main__":
    unittest.main()
