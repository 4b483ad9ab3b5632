#!/usr/bin/env python3
"""Writes reduction_reference.h: Karhunen-Loeve expansions by numpy (2.3 when it was made last).

usage: make_reduction.py | clang-format > reduction_reference.h       (needs numpy)

Fields come from a linear congruential generator, so that a reader can make them again. Modes are the
eigenvectors of the weighted covariance, diag(sqrt w) cov diag(sqrt w), as PyTUQ's KLE has them:
numpy.linalg.svd of the deviations gives them with all their digits. Truncation is the residual's
sum of squares divided by n - 1 - k.
"""
import numpy as np

CASES = [
    # rows, points, modes, weights
    ("wide", 6, 9, 3, None),
    ("wide_weighted", 6, 9, 3, "uneven"),
    ("tall", 12, 4, 2, "uneven"),
    ("all_modes", 5, 8, 4, "uneven"),
    ("square", 5, 5, 1, None),
]


def numbers(seed):
    state = seed
    while True:
        state = (state * 1103515245 + 12345) % 2**31
        yield state / 2**31


def fields(seed, n, p):
    stream = numbers(seed)
    y = np.empty((n, p))
    for i in range(n):
        a, b, c = (2 * next(stream) - 1 for _ in range(3))
        for j in range(p):
            t = j / (p - 1)
            y[i, j] = round(5 + a * np.sin(3 * t) + b * t * t + 0.3 * c * np.cos(7 * t)
                            + 0.05 * next(stream), 6)
    return y


def expand(y, k, w):
    n = len(y)
    mean = y.mean(0)
    root = np.sqrt(w)
    _, s, vt = np.linalg.svd((y - mean) * root, full_matrices=False)
    for i in range(k):
        if vt[i, np.argmax(abs(vt[i]))] < 0:
            vt[i] *= -1
    modes = vt[:k] / root
    coefficients = (y - mean) @ (modes * w).T
    left = n - 1 - k
    residual = y - mean - coefficients @ modes
    truncation = (residual**2).sum(0) / left if left > 0 else np.zeros(y.shape[1])
    explained = (s[:k] ** 2).sum() / (s**2).sum()
    return mean, modes, s[:k] / np.sqrt(n - 1), truncation, coefficients, explained


def show(name, values):
    print(f"static const double {name}[] = {{{', '.join(float(v).hex() for v in np.ravel(values))}}};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* By make_reduction.py. */")
    print("#ifndef REDUCTION_REFERENCE_H\n#define REDUCTION_REFERENCE_H\n")
    print("struct reduction_reference {\n    const char *name;\n    int n, p, k;")
    print("    double explained;\n    const double *weights; /* NULL: 1 */")
    print("    const double *y, *mean, *modes, *deviations, *truncation, *coefficients;\n};\n")
    lines = []
    for seed, (name, n, p, k, weights) in enumerate(CASES, 11):
        y = fields(seed, n, p)
        w = np.ones(p) if weights is None else 0.2 + np.arange(p) * 0.15
        parts = dict(zip(("mean", "modes", "deviations", "truncation", "coefficients"),
                         expand(y, k, w)))
        show(f"{name}_y", y)
        if weights is not None:
            show(f"{name}_weights", w)
        for key, values in parts.items():
            show(f"{name}_{key}", values)
        chosen = "NULL" if weights is None else f"{name}_weights"
        lines.append(f'    {{"{name}", {n}, {p}, {k}, {expand(y, k, w)[5].hex()}, {chosen}, {name}_y,\n     '
                     + ", ".join(f"{name}_{key}" for key in parts) + "},")
    print("\nstatic const struct reduction_reference reduction_references[] = {")
    print("\n".join(lines))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
