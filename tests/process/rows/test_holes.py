# SPDX-License-Identifier: Apache-2.0
"""
Runs that failed and rows that miss outputs: uploaded in each format, described, exported and taken
again, trained on, predicted, scored, and there after a restart.
"""

import io
import json
import math
import struct
import unittest

from harness import ServerTest

CSV = {"Content-Type": "text/csv"}
NPY = {"Content-Type": "application/x-npy"}
NAN = float("nan")
SETTINGS = {"settings": {"members": 3, "epochs": 30}, "architecture": {"width": 6, "layers": 1},
            "seed": 1}


def npy(rows, nan=struct.pack("<d", NAN)):
    """A .npy of these rows; None is the NaN with these bytes."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    body = b"".join(nan if v is None else struct.pack("<d", v) for row in rows for v in row)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + body


class Holes(ServerTest):
    number = 0

    def path(self):
        Holes.number += 1
        return f"/v1/models/h{Holes.number}"

    def rows(self, path):
        stored = self.ok(200, "GET", path + "/data/rows")[1]
        return [x + y for x, y in zip(stored["inputs"], stored["outputs"])]

    def refused(self, words, path, body, headers=None, status=400):
        answer = self.ok(status, "POST", path, body, headers)[1]
        for word in words:
            self.assertIn(word, answer["detail"])
        return answer


class Uploads(Holes):
    def test_null_is_data(self):
        path = self.path()
        body = {"inputs": [[1], [2], [3]], "outputs": [[1, 2], [None, None], [3, None]]}
        answer = self.ok(201, "POST", path + "/data", body)[1]
        self.assertEqual((answer["rows"], answer["failed_rows"], answer["missing_values"]), (3, 1, 1))
        self.assertEqual(self.rows(path), [[1, 1, 2], [2, None, None], [3, 3, None]])
        about = self.ok(200, "GET", path + "/data")[1]
        self.assertEqual((about["rows"], about["failed_rows"]), (3, 1))
        self.assertEqual([c.get("missing") for c in about["columns"]], [None, 1, 2])
        first, second = about["columns"][1:]
        self.assertEqual((first["mean"], first["min"], first["max"]), (2, 1, 3))
        self.assertEqual((second["mean"], second["std"], second["quartiles"]), (2, 0, [2, 2, 2]))

if __name__ == "__main__":
    unittest.main()
