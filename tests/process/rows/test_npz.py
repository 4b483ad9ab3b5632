# SPDX-License-Identifier: Apache-2.0
"""Rows and predictions as .npz: zip files of arrays, as NumPy writes them. The files are made and read by Python's own
zipfile here, and by NumPy where it is installed."""

import io
import struct
import unittest
import zipfile
import zlib

from harness import ServerTest, document, npy, records, rows

try:
    import numpy
except ImportError:
    numpy = None

NPZ = {"Content-Type": "application/x-npz"}


def vector(values, kind="d"):
    """The file of an array of one dimension."""
    head = f"{{'descr': '<f{8 if kind == 'd' else 4}', 'fortran_order': False, 'shape': ({len(values)},), }}"
    head = (head + " " * (-(len(head) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack(f"<{len(values)}{kind}", *values)


def npz(arrays, compression=zipfile.ZIP_STORED, **options):
    """arrays: {name: bytes of npy}"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression, **options) as file:
        for name, data in arrays.items():
            # As numpy.savez does.
            with file.open(name if "." in name else name + ".npy", "w", force_zip64=True) as member:
                member.write(data)
    return out.getvalue()


def read_array(data):
    """(shape, numbers) of a float64 file."""
    size = struct.unpack("<H", data[8:10])[0]
    head = eval(data[10:10 + size])  # pylint: disable=eval-used  # of our own server
    count = (len(data) - 10 - size) // (8 if head["descr"] == "<f8" else 4)
    return head["shape"], list(struct.unpack(f"<{count}{'d' if head['descr'] == '<f8' else 'f'}", data[10 + size:]))


def read_npz(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        return {info.filename: read_array(file.read(info)) for info in file.infolist()}


def flat(value):
    return [v for part in value for v in flat(part)] if isinstance(value, list) else [value]


class Predictions(ServerTest):
    flags = ("--max-rows", "20000")

    def setUp(self):
        super().setUp()
        self.ok(201, "PUT", "/v1/models/m", document(draws=7, noise={"sigma": [0.1, 0.2]}))
        self.path = "/v1/models/m/predict"
        self.x = rows(130, d=3)["inputs"]

    def json(self, **more):
        return self.ok(200, "POST", self.path, {"inputs": self.x, **more})[1]

    def test_arrays_are_what_json_gives(self):
        data = self.json(**{"return": ["mean", "std", "quantiles", "samples", "jacobian"]}, samples=3)
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            for name in ("x", "inputs"):
                head, body = self.ok(200, "POST", self.path + "?return=mean,std,quantiles,samples,jacobian&samples=3",
                                     npz({name: npy(self.x)}, compression), NPZ)
                self.assertEqual(head["Content-Type"], "application/x-npz")
                self.assertEqual(head["Surrogate-Version"], "1")
                self.assertEqual(read_npz(body), {
                    "mean.npy": ((130, 2), flat(data["mean"])), "std.npy": ((130, 2), flat(data["std"])),
                    "quantiles.npy": ((3, 130, 2), flat(data["quantiles"]["values"])),
                    "samples.npy": ((3, 130, 2), flat(data["samples"])),
                    "jacobian.npy": ((2, 130, 2, 3), flat([data["jacobian"]["mean"], data["jacobian"]["std"]]))})
                # The checksums stand in front as well, for readers that go from the front.
                self.assertEqual(struct.unpack("<HI", body[6:8] + body[14:18]),
                                 (0, zipfile.ZipFile(io.BytesIO(body)).infolist()[0].CRC))

    def test_the_answer_is_as_the_rows_or_as_accept_says(self):
        both = self.json()
        for accept, kind in ((None, "application/x-npz"), ("application/zip", "application/x-npz"),
                             ("application/json", "application/json"), ("*/*", "application/x-npz")):
            head, _ = self.ok(200, "POST", self.path, npz({"x": npy(self.x)}), {**NPZ, **({"Accept": accept} if accept else {})})
            self.assertEqual(head["Content-Type"], kind)
        _, body = self.ok(200, "POST", self.path, npz({"x": npy(self.x)}), {"Content-Type": "application/zip"})
        self.assertEqual(read_npz(body), {"mean.npy": ((130, 2), flat(both["mean"])),
                                          "variance.npy": ((130, 2), flat(both["variance"]))})
        head, _ = self.ok(200, "POST", self.path, npz({"x": npy(self.x)}), {**NPZ, "Accept": "application/x-npy"})
        self.assertEqual(head["Content-Type"], "application/x-npy")
        _, body = self.ok(200, "POST", self.path, {"inputs": self.x, "return": ["std"]}, {"Accept": "application/x-npz"})
        self.assertEqual(list(read_npz(body)), ["std.npy"])

    def test_columns_without_names_in_the_model_are_in_their_order(self):
        columns = {f"c{j}": vector([row[j] for row in self.x]) for j in range(3)}
        _, body = self.ok(200, "POST", self.path, npz(columns), NPZ)
        self.assertEqual(read_npz(body)["mean.npy"][1], flat(self.json()["mean"]))

    def test_float32_is_answered_in_float32(self):
        single = {f"c{j}": vector([row[j] for row in self.x], "f") for j in range(3)}
        _, body = self.ok(200, "POST", self.path + "?return=mean", npz(single), NPZ)
        self.assertEqual(len(read_npz(body)["mean.npy"][1]), 260)
        self.assertLess(len(body), 260 * 4 + 500)

    def test_an_answer_in_blocks_is_the_same(self):
        """Larger than whole_answer_mb: computed while it is read."""
        self.server.stop()
        self.server.flags = (*self.flags, "--whole-answer-mb", "1")
        self.server.start()
        self.x = rows(20000, d=3, seed=4)["inputs"]
        names = "mean,variance,samples"
        head, body = self.ok(200, "POST", self.path + f"?return={names}&samples=7", npz({"x": npy(self.x)}), NPZ)
        self.assertEqual(int(head["Content-Length"]), len(body))
        self.assertIn(b"\nsurrogated_answers_streamed_total 1\n", self.server.request("GET", "/metrics")[2])
        data = self.json(**{"return": names.split(",")}, samples=7)
        self.assertEqual({name: numbers for name, (_, numbers) in read_npz(body).items()},
                         {name + ".npy": flat(data[name]) for name in names.split(",")})

    def refused(self, body, word, status=400, query="", **headers):
        _, data = self.ok(status, "POST", self.path + query, body, {**NPZ, **headers})
        self.assertIn(word, data["detail"])

    def test_bad_files_are_refused(self):
        good = npz({"x": npy(self.x)}, zipfile.ZIP_DEFLATED)
        end = good.rindex(b"PK\5\6")
        for body, word in (
                (b"", "not a zip file"), (b"PK", "not a zip file"), (npy(self.x), "not a zip file"),
                (good[:len(good) // 2], "it has no end"), (good[:-1], "it has no end"),
                (b"#!/bin/sh\n" + good, "damaged"), (good + b"\n", "no end"),
                (good[:end] + b"\0" * 4 + good[end:], "damaged"),
                (npz({}), "no array"), (npz({"x.txt": b"1"}), "no array"),
                (npz({"folder/x": npy(self.x)}), "without folders"),
                (npz({"..x": npy(self.x)}), "without folders"),
                (npz({"x": b"no npy"}), 'array "x"'),
                (npz({"x": npy(self.x), "z": npy(self.x)}), 'array "z"'),
                (npz({"x": npy(self.x), "y": npy(self.x)}), "inputs alone"),
                (npz({"arr_0": npy(self.x)}), 'a matrix is called "x"'),
                (npz({"a": vector([1, 2]), "b": vector([1])}), 'array "a" has 2 numbers, "b" has 1 number'),
                (npz({"x": records(["a", "b", "c"], (1, 2, 3))}), "has fields"),
                (npz({"x": npy([[1.0, 2.0]])}), "2 numbers, 3 are needed"),
                (npz({"x": npy([[1.0, 2.0, float("nan")]])}), "row 0, column 2"),
                (npz({"x": npy(self.x)}, zipfile.ZIP_BZIP2), "compressed by method 12"),
                (npz({"x": npy(self.x)}, zipfile.ZIP_LZMA), "compressed by method 14")):
            with self.subTest(word=word, body=body[:60]):
                self.refused(body, word)
        self.refused(npz({"x": npy([[0.0] * 3] * 20001)}), "more than 20000 rows", 413)

    def test_what_is_damaged_or_doctored_is_refused(self):
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            good = bytearray(npz({"x": npy(self.x), "y": npy(self.x)}, compression))
            entry = good.index(b"PK\1\2")
            for place, value, word in ((8, 1, "encrypted"), (10, 99, "method 99"), (24, good[entry + 24] ^ 1, ""),
                                       (20, good[entry + 20] ^ 1, ""), (16, good[entry + 16] ^ 1, "checksum"),
                                       (42, 1, "does not begin where the one before ends"), (46, 0, "without folders")):
                with self.subTest(compression=compression, place=place):
                    bad = bytearray(good)
                    bad[entry + place] = value
                    self.refused(bytes(bad), word)
        twice = npz({"x": npy(self.x), "y": npy(self.x)}).replace(b"y.npy", b"x.npy")
        self.refused(twice, "two members")
        # Two entries of the directory for the same bytes.
        good = npz({"x": npy(self.x), "y": npy(self.x)})
        second = good.index(b"PK\1\2", good.index(b"PK\1\2") + 1)
        self.refused(good[:second + 42] + b"\0\0\0\0" + good[second + 46:], "does not begin where the one before ends")

    def test_each_cut_and_each_changed_bit_is_refused_or_harmless(self):
        good = npz({"x": npy(self.x[:3])}, zipfile.ZIP_DEFLATED)
        right = self.ok(200, "POST", self.path, good, NPZ)[1]
        for i in range(len(good)):
            status, _, _ = self.server.request("POST", self.path, good[:i], NPZ)
            self.assertEqual(status, 400, i)
            changed = good[:i] + bytes([good[i] ^ 0x40]) + good[i + 1:]
            status, _, data = self.server.request("POST", self.path, changed, NPZ)
            self.assertTrue(status in (200, 400, 413, 422), (i, status, data))
            if status == 200:  # times, attributes and versions say nothing of the numbers
                self.assertEqual(data, right, i)

    def test_a_bomb_is_refused_before_it_is_unpacked(self):
        self.server.stop()
        self.server.flags = ("--max-body-bytes", "1000000")
        self.server.start()
        bomb = npz({"x": npy([[0.0] * 3] * 200000)}, zipfile.ZIP_DEFLATED)
        self.assertLess(len(bomb), 100000)
        self.refused(bomb, "grows to more than 1000000 bytes", 413)
        # One that hides what it grows to is found out by its length.
        small = struct.pack("<I", 3000)
        end = bomb.index(b"PK\1\2")
        self.refused(bomb[:end + 24] + small + bomb[end + 28:], "not of the 3000 bytes")
        self.ok(200, "POST", self.path, npz({"x": npy(self.x)}, zipfile.ZIP_DEFLATED), NPZ)

    def test_zip64_and_streamed_members_are_read(self):
        """Sizes in the directory as Zip64 has them, and numbers behind the data, by hand."""
        data = npy(self.x)
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush()
        full = 0xffffffff
        local = (b"PK\3\4" + struct.pack("<5H3I2H", 45, 8, 8, 0, 0x21, 0, full, full, 5, 20) + b"x.npy"
                 + struct.pack("<2H2Q", 1, 16, 0, 0))
        behind = b"PK\7\x08" + struct.pack("<I2Q", zlib.crc32(data), len(packed), len(data))
        body = local + packed + behind
        entry = (b"PK\1\2" + struct.pack("<6H3I5H2I", 45, 45, 8, 8, 0, 0x21, zlib.crc32(data), full, full, 5, 28, 0, 0, 0, 0,
                                         full) + b"x.npy" + struct.pack("<2H3Q", 1, 24, len(data), len(packed), 0))
        end = (b"PK\6\6" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, 1, 1, len(entry), len(body))
               + b"PK\6\7" + struct.pack("<IQI", 0, len(body) + len(entry), 1)
               + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 0xffff, 0xffff, full, full, 0))
        self.assertEqual(read_npz(body + entry + end)["x.npy"][0], (130, 3))
        _, answer = self.ok(200, "POST", self.path, body + entry + end, NPZ)
        self.assertEqual(read_npz(answer)["mean.npy"][1], flat(self.json()["mean"]))

    @unittest.skipUnless(numpy, "NumPy is missing: pip install numpy")
    def test_numpy_writes_and_reads_them(self):
        x = numpy.array(self.x)
        for save in (numpy.savez, numpy.savez_compressed):
            for arrays in ({"x": x}, {"x": numpy.asfortranarray(x)}, {f"c{j}": x[:, j] for j in range(3)}):
                file = io.BytesIO()
                save(file, **arrays)
                _, body = self.ok(200, "POST", self.path, file.getvalue(), NPZ)
                with numpy.load(io.BytesIO(body)) as answer:
                    self.assertEqual(answer["mean"].tolist(), self.json()["mean"])


class Uploads(ServerTest):
    def test_inputs_and_outputs_say_how_many_they_are(self):
        data = rows(40)
        arrays = {"x": npy(data["inputs"]), "y": npy(data["outputs"])}
        for number, body in enumerate((npz(arrays), npz({"outputs": arrays["y"], "inputs": arrays["x"]}, zipfile.ZIP_DEFLATED),
                                       npz({**arrays, "y": vector([v for v, in data["outputs"]])}))):
            _, answer = self.ok(201, "POST", f"/v1/models/m{number}/data", body, NPZ)
            self.assertEqual(answer["total_rows"], 40)
            _, stored = self.ok(200, "GET", f"/v1/models/m{number}/data/rows")
            self.assertEqual((stored["inputs"], stored["outputs"]), (data["inputs"], data["outputs"]))
            _, batches = self.ok(200, "GET", f"/v1/models/m{number}/data/batches")
            self.assertEqual(batches["batches"][0]["format"], "npz")

    def test_an_upload_under_a_key_is_stored_once(self):
        data = rows(4)
        body = npz({"x": npy(data["inputs"]), "y": npy(data["outputs"])}, zipfile.ZIP_DEFLATED)
        self.ok(201, "POST", "/v1/models/m/data", body, {**NPZ, "Idempotency-Key": "a"})
        _, again = self.ok(201, "POST", "/v1/models/m/data", body, {**NPZ, "Idempotency-Key": "a"})
        self.assertEqual((again["total_rows"], again["repeated"]), (4, True))

    def test_columns_by_name_become_those_of_the_model(self):
        columns = {"k": [1.0, 2.0, 3.0], "T": [10.0, 20.0, 30.0], "heat": [0.1, 0.4, 0.9]}
        body = npz({name: vector(values) for name, values in columns.items()})
        self.ok(201, "POST", "/v1/models/m/data?outputs=1", body, NPZ)
        _, space = self.ok(200, "GET", "/v1/models/m/space")
        self.assertEqual([column["name"] for column in space["space"]["inputs"] + space["space"]["outputs"]], ["k", "T", "heat"])
        other = npz({name: vector([v + 1 for v in columns[name]]) for name in ("heat", "T", "k")})
        self.ok(201, "POST", "/v1/models/m/data", other, NPZ)
        _, stored = self.ok(200, "GET", "/v1/models/m/data/rows")
        self.assertEqual(stored["inputs"][3:], [[2.0, 11.0], [3.0, 21.0], [4.0, 31.0]])
        _, data = self.ok(400, "POST", "/v1/models/m/data", npz({name: vector([1.0]) for name in ("k", "t", "heat")}), NPZ)
        self.assertIn('"t"', data["detail"])
        self.assertIn("T", data["detail"])

    def test_refusals(self):
        data = rows(4)
        x, y = npy(data["inputs"]), npy(data["outputs"])
        for body, query, word in ((npz({"x": x}), "", 'an array "y"'), (npz({"x": x, "y": npy(data["outputs"][:3])}), "", "has 3 rows"),
                                  (npz({"x": x, "y": y}), "?outputs=2", "outputs is 2"),
                                  (npz({"a": vector([1.0]), "b": vector([2.0])}), "", "?outputs=N")):
            _, answer = self.ok(400, "POST", "/v1/models/m/data" + query, body, NPZ)
            self.assertIn(word, answer["detail"])
        _, answer = self.ok(400, "POST", "/v1/models/m/data", npz({"x": x, "y": y}))
        self.assertIn("application/x-npz", answer["detail"])

    def test_missing_outputs_and_evaluation(self):
        data = rows(4)
        data["outputs"][1] = [float("nan")]
        body = npz({"x": npy(data["inputs"]), "y": npy(data["outputs"])})
        self.ok(400, "POST", "/v1/models/m/data", body, NPZ)
        self.ok(201, "POST", "/v1/models/m/data?missing=allow", body, NPZ)
        self.ok(201, "PUT", "/v1/models/e", document(draws=3))
        good = {"inputs": [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], "outputs": [[1.0, 2.0], [0.5, 0.25]]}
        _, wanted = self.ok(200, "POST", "/v1/models/e/evaluate", good)
        body = npz({"x": npy(good["inputs"]), "y": npy(good["outputs"])}, zipfile.ZIP_DEFLATED)
        self.assertEqual(self.ok(200, "POST", "/v1/models/e/evaluate", body, NPZ)[1], wanted)
        _, answer = self.ok(400, "POST", "/v1/models/e/evaluate",
                            npz({"x": npy(good["inputs"]), "y": vector([1.0, 2.0])}), NPZ)
        self.assertIn('array "y" has 1 column', answer["detail"])


if __name__ == "__main__":
    unittest.main()
