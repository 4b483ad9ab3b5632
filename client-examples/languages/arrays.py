#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays to and from the server, without JSON in between (pip install numpy).

usage: arrays.py MODEL FILE.npy|FILE.npz [RESULT ..]

Reads rows x inputs from FILE.npy, or from the array x of FILE.npz, and writes the results (mean and std unless others are
named) to FILE.answer.npz. What has outputs too is uploaded instead: an npz that also has y (rows x outputs), or an npy
when OUTPUTS says how many of its last columns are outputs. It is stored once, however often it is sent, since its key
comes from its contents. Exit status: 0 done, 1 refused, 2 wrong usage, 3 no server.
"""

import hashlib
import io
import json
import os
import sys

from plain import end, post_bytes  # beside this file: one request, sent again while the server is busy

try:
    import numpy
except ImportError:
    end(2, "NumPy is missing: pip install numpy")

NPY = "application/x-npy"  # one array
NPZ = "application/x-npz"  # several


def save(writer, *array, **arrays):
    file = io.BytesIO()
    writer(file, *array, **arrays)
    return file.getvalue()


def predict(model, x, *results):
    """{result: array}; the first axis of quantiles and samples is the level or the sample."""
    results = results or ("mean", "std")
    one = len(results) == 1
    answer = post_bytes(f"/v1/models/{model}/predict?return={','.join(results)}", save(numpy.save, x),
                        {"Content-Type": NPY, "Accept": NPY if one else NPZ})
    values = numpy.load(io.BytesIO(answer))
    return {results[0]: values} if one else dict(values)


def append(model, x, y=None, outputs=None):
    """Without y the outputs are the last columns of x."""
    body = save(numpy.save, x) if y is None else save(numpy.savez, x=x, y=y)
    query = f"?outputs={outputs}" if y is None else ""
    headers = {"Content-Type": NPY if y is None else NPZ, "Idempotency-Key": hashlib.sha256(body).hexdigest()}
    return json.loads(post_bytes(f"/v1/models/{model}/data{query}", body, headers))


def read(name):
    """x, and y or None."""
    arrays = numpy.load(name)
    return (arrays, None) if isinstance(arrays, numpy.ndarray) else (arrays["x"], arrays.get("y"))


def main(args):
    if len(args) < 2:
        end(2, "usage: arrays.py MODEL FILE.npy|FILE.npz [RESULT ..]")
    model, name, *results = args
    outputs = os.environ.get("OUTPUTS") if name.endswith(".npy") else None
    try:
        x, y = read(name)
    except (OSError, ValueError, KeyError) as error:
        end(2, error)
    if y is not None or outputs:
        answer = append(model, x, y, outputs)
        print(f"{answer['rows']} rows, {answer['total_rows']} in all")
        return
    answer = predict(model, x, *results)
    numpy.savez(os.path.splitext(name)[0] + ".answer.npz", **answer)
    for result, values in answer.items():
        print(result, values.shape)


if __name__ == "__main__":
    main(sys.argv[1:])
