#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays to and from the server, without JSON in between (pip install numpy).

usage: arrays.py MODEL FILE.npz [RESULT ..]

Reads the array x (rows x inputs) of FILE.npz and writes the results (mean and std unless others are named) to
FILE.answer.npz. A file that also has y (rows x outputs) is uploaded instead: once, however often it is sent, since its
key comes from its contents. Exit status: 0 done, 1 refused, 2 wrong usage, 3 no server.
"""

import hashlib
import io
import json
import sys

from plain import end, post_bytes  # beside this file: one request, sent again while the server is busy

try:
    import numpy
except ImportError:
    end(2, "NumPy is missing: pip install numpy")

NPZ = {"Content-Type": "application/x-npz"}


def save(**arrays):
    file = io.BytesIO()
    numpy.savez(file, **arrays)
    return file.getvalue()


def predict(model, x, *results):
    """{result: array}; the first axis of quantiles and samples is the level or the sample."""
    query = ",".join(results or ("mean", "std"))
    answer = post_bytes(f"/v1/models/{model}/predict?return={query}", save(x=x), NPZ)
    return dict(numpy.load(io.BytesIO(answer)))


def append(model, x, y):
    body = save(x=x, y=y)
    key = hashlib.sha256(body).hexdigest()
    return json.loads(post_bytes(f"/v1/models/{model}/data", body, {**NPZ, "Idempotency-Key": key}))


def main(args):
    if len(args) < 2:
        end(2, "usage: arrays.py MODEL FILE.npz [RESULT ..]")
    model, name, *results = args
    try:
        arrays = numpy.load(name)
        x, y = arrays["x"], arrays.get("y")
    except (OSError, ValueError, KeyError) as error:
        end(2, error)
    if y is not None:
        answer = append(model, x, y)
        print(f"{answer['rows']} rows, {answer['total_rows']} in all")
        return
    answer = predict(model, x, *results)
    numpy.savez(name.removesuffix(".npz") + ".answer.npz", **answer)
    for result, values in answer.items():
        print(result, values.shape)


if __name__ == "__main__":
    main(sys.argv[1:])
