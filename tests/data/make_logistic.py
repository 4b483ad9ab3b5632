#!/usr/bin/env python3
"""Writes logistic_reference.h: logistic regressions by scikit-learn (1.9.1 when it was made last).

usage: make_logistic.py > logistic_reference.h       (needs scikit-learn)

Rows come from a linear congruential generator, so that a reader can make them again. The penalty is
|w|^2 / 2, with C before the log loss; the intercept has none. The solver is Newton's, to a tolerance
beyond what the test asks for.
"""
import math

from sklearn.linear_model import LogisticRegression

CASES = [
    # rows, inputs, C, weights and bias that the labels are drawn from, or None: x0 > bound separates
    ("noisy", 40, 2, 1.0, [2.0, -1.0], 0.5),
    ("few_failed", 60, 3, 1.0, [1.5, 0.0, -2.5], 3.0),
    ("weak_penalty", 50, 2, 100.0, [3.0, 1.0], 0.0),
    ("strong_penalty", 30, 1, 0.05, [4.0], -1.0),
    ("separable", 24, 2, 1.0, None, 0.2),
]


def numbers(seed):
    state = seed
    while True:
        state = (state * 1103515245 + 12345) % 2**31
        yield state / 2**31


def rows_of(seed, n, d, weights, bias):
    stream = numbers(seed)
    x = [[round(2 * next(stream) - 1, 6) for _ in range(d)] for _ in range(n)]
    if weights is None:
        return x, [int(row[0] > bias) for row in x]
    y = []
    for row in x:
        logit = bias + sum(w * v for w, v in zip(weights, row))
        y.append(int(next(stream) < 1 / (1 + math.exp(-logit))))
    return x, y


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by make_logistic.py: logistic regressions by scikit-learn. */")
    print("#ifndef LOGISTIC_REFERENCE_H\n#define LOGISTIC_REFERENCE_H\n")
    print("struct logistic_reference {\n    const char *name;\n    int n, d;\n    double c;")
    print("    const double *x; /* [n x d] */\n    const double *y; /* [n] */")
    print("    double params[4]; /* weights, then the bias */\n};\n")
    entries = []
    for seed, (name, n, d, c, weights, bias) in enumerate(CASES, start=11):
        x, y = rows_of(seed, n, d, weights, bias)
        assert 0 < sum(y) < n, name
        model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(x, y)
        params = list(model.coef_[0]) + [model.intercept_[0]]
        flat = ", ".join(repr(v) for row in x for v in row)
        print("static const double logistic_%s_x[] = {%s};" % (name, flat))
        print("static const double logistic_%s_y[] = {%s};" % (name, ", ".join("%d" % v for v in y)))
        entries.append('    {"%s", %d, %d, %r, logistic_%s_x, logistic_%s_y, {%s}},'
                       % (name, n, d, c, name, name, ", ".join("%.17g" % v for v in params)))
    print("\nstatic const struct logistic_reference logistic_references[] = {")
    print("\n".join(entries))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
