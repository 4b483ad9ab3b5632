#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same predictions in PyTorch, written for this comparison.

Two ways: `Stacked` holds the evaluated weights of all draws and multiplies them in batches, the
fastest eager form we know (both layouts, draws in groups that fit a cache or all at once; the best
is taken); `Loop` is what QUiNN does: for each draw the network is called alone and evaluates its
weights of depth on the way.

usage: peer_torch.py WORKLOAD ROWS THREADS PRECISION WAY [SECONDS]   prints seconds of one prediction
"""

import sys
import time

import torch

from workloads import TERMS, WORKLOADS, draws, rows


class Stacked:
    """Weights [m x r x r] of each block; states [m x r x n] ("columns") or [m x n x r] ("rows")."""

    def __init__(self, name, dtype, layout="columns", group=None):
        d, o, r, layers, basis, m = WORKLOADS[name]
        terms = TERMS[basis]
        flat = torch.tensor(draws(name), dtype=torch.float64)
        at = 0

        def take(*shape):
            nonlocal at
            size = 1
            for length in shape:
                size *= length
            at += size
            return flat[:, at - size:at].reshape(m, *shape)

        pre_w, pre_b, post_w, post_b = take(r, d), take(r), take(o, r), take(o)
        ww = [take(r, r) for _ in range(terms)]
        bb = [take(r) for _ in range(terms)]
        assert at == flat.shape[1]
        times = [i / (layers + 1) for i in range(layers + 1)]
        blocks = [(sum(t**k * w for k, w in enumerate(ww)), sum(t**k * b for k, b in enumerate(bb)))
                  for t in times]
        self.step = 1.0 / (layers + 1)
        self.columns = layout == "columns"
        pairs = [(pre_w, pre_b), *blocks, (post_w, post_b)]
        if not self.columns:
            pairs = [(w.transpose(1, 2), b.unsqueeze(1)) for w, b in pairs]
        else:
            pairs = [(w, b.unsqueeze(2)) for w, b in pairs]
        pairs = [(w.to(dtype).contiguous(), b.to(dtype).contiguous()) for w, b in pairs]
        group = group or m
        self.groups = [[(w[i:i + group], b[i:i + group]) for w, b in pairs] for i in range(0, m, group)]

    def _values(self, pairs, x):
        if self.columns:
            def product(w, b, z):
                return torch.baddbmm(b, w, z)
        else:
            def product(w, b, z):
                return torch.baddbmm(b, z, w)
        m = pairs[0][0].shape[0]
        z = product(*pairs[0], (x.T if self.columns else x).expand(m, -1, -1)).tanh_()
        for w, b in pairs[1:-1]:
            z = z.add_(product(w, b, z).tanh_(), alpha=self.step)
        y = product(*pairs[-1], z)
        return y.transpose(1, 2) if self.columns else y

    @torch.inference_mode()
    def predict(self, x):
        """Mean and variance [n x o] over draws; x: [n x d]."""
        parts = [self._values(pairs, x) for pairs in self.groups]
        y = torch.cat(parts) if len(parts) > 1 else parts[0]
        var, mean = torch.var_mean(y, dim=0, correction=1)
        return mean, var


class Loop:
    """One network, called for each draw with that draw's flat parameters."""

    def __init__(self, name, dtype):
        self.shape = WORKLOADS[name]
        self.draws = torch.tensor(draws(name), dtype=dtype)

    def _forward(self, flat, x):
        d, o, r, layers, basis, _ = self.shape
        at = 0

        def take(*shape):
            nonlocal at
            size = shape[0] * (shape[1] if len(shape) > 1 else 1)
            at += size
            return flat[at - size:at].reshape(*shape)

        pre_w, pre_b, post_w, post_b = take(r, d), take(r), take(o, r), take(o)
        ww = [take(r, r) for _ in range(TERMS[basis])]
        bb = [take(r) for _ in range(TERMS[basis])]
        z = torch.tanh(torch.nn.functional.linear(x, pre_w, pre_b))
        step = 1.0 / (layers + 1)
        for i in range(layers + 1):
            t = i * step
            w = sum(t**k * term for k, term in enumerate(ww))
            b = sum(t**k * term for k, term in enumerate(bb))
            z = z + step * torch.tanh(torch.nn.functional.linear(z, w, b))
        return torch.nn.functional.linear(z, post_w, post_b)

    @torch.no_grad()
    def predict(self, x):
        y = torch.stack([self._forward(flat, x) for flat in self.draws])
        return y.mean(0), y.var(0)


def seconds(model, x, budget):
    """Median time of a call, over about `budget` seconds and at least three calls."""
    model.predict(x)
    times = []
    end = time.perf_counter() + budget
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        model.predict(x)
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2]


def fastest(name, n, dtype, budget):
    """(seconds, which form) of the fastest stacked form."""
    x = torch.tensor(rows(name, n), dtype=dtype)
    best = (float("inf"), "")
    for layout in ("columns", "rows"):
        for group in (None, 16, 4) if n >= 100 else (None,):
            found = seconds(Stacked(name, dtype, layout, group), x, budget)
            best = min(best, (found, f"{layout}, {group or 'all'} draws"))
    return best


def compiled(name, n, dtype, budget):
    """(seconds, which form) of the stacked form under torch.compile; None where that fails."""
    x = torch.tensor(rows(name, n), dtype=dtype)
    try:
        model = Stacked(name, dtype, "columns")
        model.predict = torch.compile(model.predict)
        return seconds(model, x, budget), "compiled"
    except Exception:  # pylint: disable=broad-except
        return None


def main():
    name, n, threads, precision, way = sys.argv[1:6]
    budget = float(sys.argv[6]) if len(sys.argv) > 6 else 1.0
    dtype = torch.float32 if precision == "float32" else torch.float64
    torch.set_num_threads(int(threads))
    if way == "loop":
        print(seconds(Loop(name, dtype), torch.tensor(rows(name, int(n)), dtype=dtype), budget), "loop")
        return
    best = fastest(name, int(n), dtype, budget)
    if way == "compiled":
        best = min(best, compiled(name, int(n), dtype, budget) or best)
    print(*best)


if __name__ == "__main__":
    main()
