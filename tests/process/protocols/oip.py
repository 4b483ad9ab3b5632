# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol's calls with the standard library alone, with JSON and with binary tensors."""

import json
import struct

FORMATS = {"FP64": "d", "FP32": "f", "INT64": "q", "INT32": "i", "INT16": "h", "INT8": "b", "UINT64": "Q",
           "UINT32": "I", "UINT16": "H", "UINT8": "B", "FP16": "e"}
LENGTH = "Inference-Header-Content-Length"


def pack(datatype, numbers):
    return struct.pack(f"<{len(numbers)}{FORMATS[datatype]}", *numbers)


def flat(rows):
    return [v for row in rows for v in row]


def tensor(rows, datatype="FP64", name="x"):
    return {"name": name, "shape": [len(rows), len(rows[0])], "datatype": datatype, "data": flat(rows)}


def binary_body(document, *blobs):
    """(body, headers) of a request whose tensors are bytes behind the JSON."""
    head = json.dumps(document).encode()
    return head + b"".join(blobs), {LENGTH: str(len(head))}


def binary_tensor(rows, datatype="FP64", name="x"):
    """(input, bytes)"""
    blob = pack(datatype, flat(rows))
    return {"name": name, "shape": [len(rows), len(rows[0])], "datatype": datatype,
            "parameters": {"binary_data_size": len(blob)}}, blob


def unpack(headers, body):
    """The document of an answer, each output with its numbers under "data"."""
    if LENGTH not in headers:
        return body if isinstance(body, dict) else json.loads(body)
    length = int(headers[LENGTH])
    document, at = json.loads(body[:length]), length
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is not None:
            code = FORMATS[output["datatype"]]
            output["data"] = list(struct.unpack(f"<{size // struct.calcsize(code)}{code}", body[at:at + size]))
            at += size
    assert at == len(body), "bytes that belong to no output"
    return document


def outputs(document):
    """{name: (shape, numbers)}"""
    return {output["name"]: (output["shape"], output["data"]) for output in document["outputs"]}
