#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same predictions in ONNX Runtime, as a graph written by the package onnx for this comparison.

The weights of depth are evaluated beforehand, as ours are, and all draws are multiplied in batches: states
[m x r x n] ("columns") or [m x n x r] ("rows"); all draws at once, or in groups that fit a cache one after the other.
Mean and variance are taken in the graph. The fastest form counts. Some rows are compared with the network in plain
Python.

usage: peer_onnx.py WORKLOAD ROWS THREADS PRECISION [SECONDS]   prints seconds of one prediction, and the form
"""

import os
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from workloads import TERMS, WORKLOADS, document, draws, rows

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data"))
import make_golden  # noqa: E402  the plain-Python network

CHECKED = 2  # rows
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}  # of the largest value


def blocks_of(name):
    """(step, [(weights [m x rows x columns], biases [m x rows])]): the first layer, the blocks, the last layer."""
    d, o, r, layers, basis, m = WORKLOADS[name]
    flat, at = np.array(draws(name)), 0

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return flat[:, at - size:at].reshape(m, *shape)

    pre, post = (take(r, d), take(r)), (take(o, r), take(o))
    ww = [take(r, r) for _ in range(TERMS[basis])]
    bb = [take(r) for _ in range(TERMS[basis])]
    times = [i / (layers + 1) for i in range(layers + 1)]
    inner = [(sum(t**k * w for k, w in enumerate(ww)), sum(t**k * b for k, b in enumerate(bb))) for t in times]
    return 1.0 / (layers + 1), [pre, *inner, post]


class Graph:
    """Nodes and constants under names that are made up."""

    def __init__(self, dtype):
        self.dtype, self.nodes, self.constants = dtype, [], []

    def constant(self, value, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype or self.dtype), name))
        return name

    def node(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def draws(self, step, pairs, x, columns):
        """Outputs of some draws, [m x o x n] or [m x n x o]."""
        def product(w, b, z):
            if columns:
                return self.node("Add", self.node("MatMul", self.constant(w), z), self.constant(b[:, :, None]))
            return self.node("Add", self.node("MatMul", z, self.constant(w.transpose(0, 2, 1))),
                             self.constant(b[:, None, :]))

        z = self.node("Tanh", product(*pairs[0], x))
        length = self.constant(step)
        for w, b in pairs[1:-1]:
            z = self.node("Add", z, self.node("Mul", length, self.node("Tanh", product(w, b, z))))
        return product(*pairs[-1], z)


def model_of(name, precision, columns, group):
    """Bytes of a model: x [n x d] to mean and variance [n x o]."""
    d, o, _, _, _, m = WORKLOADS[name]
    dtype = np.dtype(precision)
    kind = TensorProto.DOUBLE if precision == "float64" else TensorProto.FLOAT
    step, pairs = blocks_of(name)
    graph = Graph(dtype)
    x = graph.node("Transpose", "x", perm=[1, 0]) if columns else graph.node("Identity", "x")
    parts = [graph.draws(step, [(w[i:i + group], b[i:i + group]) for w, b in pairs], x, columns)
             for i in range(0, m, group)]
    y = graph.node("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
    if columns:
        y = graph.node("Transpose", y, perm=[0, 2, 1])
    axes = graph.constant([0], np.int64)
    mean = graph.node("ReduceMean", y, axes, keepdims=0)
    apart = graph.node("Sub", y, mean)
    graph.nodes.append(helper.make_node("Identity", [mean], ["mean"]))
    squares = graph.node("ReduceSum", graph.node("Mul", apart, apart), axes, keepdims=0)
    graph.nodes.append(helper.make_node("Mul", [squares, graph.constant(1 / (m - 1))], ["variance"]))
    built = helper.make_graph(graph.nodes, name, [helper.make_tensor_value_info("x", kind, ["n", d])],
                              [helper.make_tensor_value_info(result, kind, ["n", o]) for result in ("mean", "variance")],
                              graph.constants)
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = min(model.ir_version, 10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def session_of(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check(name, precision, session):
    """Is it the same network? Against plain Python."""
    x = rows(name, CHECKED)
    arch = {**make_golden.BASE, **document(name)["architecture"]}
    values = np.array([[make_golden.evaluate(arch, flat, row) for row in x] for flat in draws(name)])
    found = session.run(["mean", "variance"], {"x": np.array(x, dtype=precision)})
    for got, wanted in zip(found, (values.mean(0), values.var(0, ddof=1))):
        error = np.abs(got - wanted).max() / np.abs(wanted).max()
        if not error <= TOLERANCE[precision]:
            sys.exit(f"ONNX Runtime predicts something else: {error:.1e} of the largest value apart")


def seconds(session, x, budget):
    """Median time of a call, over about `budget` seconds and at least three calls."""
    def call():
        session.run(["mean", "variance"], {"x": x})

    call()
    times = []
    end = time.perf_counter() + budget
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def main():
    name, n, threads, precision = sys.argv[1:5]
    budget = float(sys.argv[5]) if len(sys.argv) > 5 else 1.0
    m = WORKLOADS[name][5]
    x = np.array(rows(name, int(n)), dtype=precision)
    best = (float("inf"), "")
    for columns in (True, False):
        for group in (m, 16, 4) if int(n) >= 100 else (m,):
            session = session_of(model_of(name, precision, columns, group), int(threads))
            if not best[1]:
                check(name, precision, session)
            form = f"{'columns' if columns else 'rows'}, {'all' if group == m else group} draws"
            best = min(best, (seconds(session, x, budget), form))
    print(*best)


if __name__ == "__main__":
    main()
