# SPDX-License-Identifier: Apache-2.0
"""Models as safetensors: registered and exported, flat and by the parts of the network, with the bits of the document."""

import json
import struct
import unittest

from harness import ServerTest, architecture, document, gaussian

try:
    import safetensors.numpy as library
except ImportError:
    library = None

TYPE = {"Content-Type": "application/x-safetensors"}
CODES = {"F64": "d", "F32": "f", "F16": "e"}


def write(tensors, text=None, dtype="F64", **changes):
    """tensors: {name: (shape, numbers)}; changes: of the header."""
    header, data = {} if text is None else {"__metadata__": {"model": text}}, b""
    for name, (shape, numbers) in tensors.items():
        blob = struct.pack(f"<{len(numbers)}{CODES[dtype]}", *numbers)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    head = json.dumps({**header, **changes}).encode()
    return struct.pack("<Q", len(head)) + head + data


def read(data):
    """(header, {name: (shape, numbers)})"""
    size = struct.unpack("<Q", data[:8])[0]
    assert size % 8 == 0
    header, found = json.loads(data[8:8 + size]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            found[name] = (entry["shape"], list(struct.unpack(f"<{(end - begin) // 8}d", data[begin:end])))
    return header, found


def parts(arch):
    """[(name, shape)] in the order of the flat vector."""
    d, o, r = arch["inputs"], arch["outputs"], arch["width"]
    found = [("weight_pre", [r, d]), ("bias_pre", [r]), ("weight_post", [o, r]), ("bias_post", [o])]
    coefficients = 2  # of the linear basis
    found += [(f"ww_{k}", [r, r]) for k in range(coefficients)]
    return found + [(f"bb_{k}", [r]) for k in range(coefficients)]


class Safetensors(ServerTest):
    def setUp(self):
        super().setUp()
        self.arch = architecture(inputs=2, outputs=3, width=3, basis="linear", bias=True, layer_pre=True, layer_post=True)
        self.document = document(draws=4, arch=self.arch, noise={"sigma": [0.1, 0.2, 0.3]})
        self.draws = self.document["posterior"]["parameters"]
        self.text = json.dumps({**self.document, "posterior": {"kind": "draws"}})
        self.ok(201, "PUT", "/v1/models/json", self.document)
        self.wanted = self.predict("json")

    def predict(self, model):
        answer = self.ok(200, "POST", f"/v1/models/{model}/predict", {"inputs": [[0.1, 0.2], [0.3, -0.4]],
                                                                     "return": ["mean", "std", "total_variance"]})[1]
        return {key: answer[key] for key in ("mean", "std", "total_variance", "draws")}

    def flat(self):
        return {"parameters": ([4, len(self.draws[0])], [v for draw in self.draws for v in draw])}

    def named(self):
        found, at = {}, 0
        for name, shape in parts(self.arch):
            n = shape[0] * (shape[1] if len(shape) > 1 else 1)
            found[name] = ([4, *shape], [v for draw in self.draws for v in draw[at:at + n]])
            at += n
        self.assertEqual(at, len(self.draws[0]))
        return found

    def put(self, body, status=201, model="m"):
        return self.ok(status, "PUT", f"/v1/models/{model}", body, TYPE)[1]

    def test_both_layouts_are_the_document(self):
        digest = self.ok(200, "GET", "/v1/models/json/versions/1")[1]["etag"]
        for name, tensors in (("a", self.flat()), ("b", self.named()), ("c", dict(reversed(self.named().items())))):
            self.assertEqual(self.put(write(tensors, self.text), model=name)["etag"], digest)
            self.assertEqual(self.predict(name), self.wanted)

    def test_what_is_exported_is_registered_again(self):
        for layout, tensors in (("safetensors", self.named()), ("safetensors_flat", self.flat())):
            head, data = self.ok(200, "GET", f"/v1/models/json/versions/1/export?format={layout}")
            self.assertEqual(head["Content-Type"], "application/x-safetensors")
            header, found = read(data)
            self.assertEqual(found, tensors)
            self.assertNotIn("parameters", json.loads(header["__metadata__"]["model"])["posterior"])
            etag = self.put(data, model=layout.replace("_", "-"))["etag"]
            self.assertEqual(etag, self.ok(200, "GET", "/v1/models/json/versions/1")[1]["etag"])
        self.ok(201, "PUT", "/v1/models/g", gaussian())
        self.assertIn("Gaussian", self.ok(400, "GET", "/v1/models/g/versions/1/export?format=safetensors")[1]["detail"])
        self.assertIn("safetensors_flat", self.ok(400, "GET", "/v1/models/json/versions/1/export?format=x")[1]["detail"])

    def test_a_large_model_is_exported_whole(self):
        arch = architecture(inputs=3, width=64, outputs=1)
        self.ok(201, "PUT", "/v1/models/large", document(draws=20, arch=arch))
        wanted = self.ok(200, "GET", "/v1/models/large/versions/1/export")[1]["posterior"]["parameters"]
        found = read(self.ok(200, "GET", "/v1/models/large/versions/1/export?format=safetensors_flat")[1])[1]
        self.assertEqual(found["parameters"][1], [v for draw in wanted for v in draw])

    def test_single_precision(self):
        rounded = [[struct.unpack("<f", struct.pack("<f", v))[0] for v in draw] for draw in self.draws]
        self.put(write(self.named(), self.text, "F32"))
        found = self.ok(200, "GET", "/v1/models/m/versions/1/export")[1]["posterior"]["parameters"]
        self.assertEqual(found, rounded)

    def test_refusals(self):
        good, flat = self.named(), self.flat()
        size = len(self.draws[0])
        entry = {"dtype": "F64", "shape": [4, size], "data_offsets": [0, 32 * size]}
        nan = [float("nan")] + flat["parameters"][1][1:]
        gauss = json.dumps(gaussian(arch=self.arch))
        for body, word in (
                (b"", "at least 8 bytes"), (b"\xff" * 8 + b"{}", "not the length"), (struct.pack("<Q", 3) + b"{}", "not the length"),
                (struct.pack("<Q", 2) + b"{]", "header"), (write(flat), '"model" is missing'),
                (write(flat, "{"), "__metadata__: model"), (write({}, self.text), "the draws are missing"),
                (write(flat, self.text) + b"x", "belong to no tensor"), (write(flat, self.text)[:-8], "data_offsets"),
                (write(flat, self.text, parameters={**entry, "dtype": "I64"}), '"I64" is not read'),
                (write(flat, self.text, parameters={**entry, "shape": [4, size + 1]}), "as far apart"),
                (write(flat, self.text, parameters={**entry, "shape": [1 << 62, 1 << 62]}), "shape[1]"),
                (write(flat, self.text, parameters={**entry, "data_offsets": [8, 32 * size]}), "as far apart"),
                (write({"parameters": ([size, 4], flat["parameters"][1])}, self.text), "another shape"),
                (write({"parameters": ([4, size], nan)}, self.text), "number 0 of draw 0 is not finite"),
                (write({name: good[name] for name in good if name != "bias_pre"}, self.text), "bias_pre is missing"),
                (write({**good, "other": ([1], [0.0])}, self.text), "tensor other is no part"),
                (write({**good, **flat}, self.text), "is no part"),
                (write(flat, json.dumps(self.document)), "and so have the tensors"), (write(flat, gauss), "gaussian")):
            with self.subTest(word=word):
                status, _, answer = self.server.request("PUT", "/v1/models/m", body, TYPE)
                self.assertEqual(status, 400, answer)
                self.assertIn(word, answer["detail"])
        self.ok(404, "GET", "/v1/models/m")

    @unittest.skipUnless(library, "safetensors is missing: pip install safetensors numpy")
    def test_the_library_of_safetensors_reads_and_writes_them(self):
        data = self.ok(200, "GET", "/v1/models/json/versions/1/export?format=safetensors")[1]
        tensors = library.load(data)
        self.assertEqual({name: (list(array.shape), array.ravel().tolist()) for name, array in tensors.items()}, self.named())
        self.put(library.save(tensors, metadata={"model": self.text}))
        self.assertEqual(self.predict("m"), self.wanted)


if __name__ == "__main__":
    unittest.main()
