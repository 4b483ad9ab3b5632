# SPDX-License-Identifier: Apache-2.0
"""Training rows as the tests of uploads and data send, read and compare them."""

import array
import struct

DATA = "/v1/models/m/data"
CSV = {"Content-Type": "text/csv"}
NPY = {"Content-Type": "application/x-npy"}
NPZ = {"Content-Type": "application/x-npz"}


def key(text):
    return {"Idempotency-Key": text}


def packed(table):
    """Rows [x + y] as the store keeps them."""
    return array.array("d", [value for row in table for value in row]).tobytes()


def beside(body):
    return [x + y for x, y in zip(body["inputs"], body["outputs"])]


def npy(table):
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(table)}, {len(table[0])}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + packed(table)


def read_npy(data):
    (size,) = struct.unpack("<H", data[8:10])
    return data[10:10 + size].decode(), data[10 + size:]
