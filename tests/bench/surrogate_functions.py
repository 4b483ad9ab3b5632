# SPDX-License-Identifier: Apache-2.0
"""Test functions of uncertainty quantification with their ranges, and designs on them. Needs numpy and
scipy. Definitions: S. Surjanovic, D. Bingham, Virtual Library of Simulation Experiments."""

import numpy as np
from scipy.stats import qmc

PI = np.pi


def borehole(x):
    rw, r, tu, hu, tl, hl, length, kw = x.T
    log = np.log(r / rw)
    return 2 * PI * tu * (hu - hl) / (log * (1 + 2 * length * tu / (log * rw**2 * kw) + tu / tl))


def otl(x):
    """Output transformerless push-pull circuit."""
    b1, b2, f, c1, c2, beta = x.T
    vb = 12 * b2 / (b1 + b2)
    gain = beta * (c2 + 9)
    return ((vb + 0.74) * gain + 11.35 * f) / (gain + f) + 0.74 * f * gain / (c1 * (gain + f))


def piston(x):
    m, s, v0, k, p0, ta, t0 = x.T
    a = p0 * s + 19.62 * m - k * v0 / s
    v = s / (2 * k) * (np.sqrt(a**2 + 4 * k * p0 * v0 * ta / t0) - a)
    return 2 * PI * np.sqrt(m / (k + s**2 * p0 * v0 * ta / (t0 * v**2)))


def wing(x):
    """Wing weight."""
    sw, wfw, a, sweep, q, taper, tc, nz, wdg, wp = x.T
    cos = np.cos(np.deg2rad(sweep))
    return (0.036 * sw**0.758 * wfw**0.0035 * (a / cos**2)**0.6 * q**0.006 * taper**0.04
            * (100 * tc / cos)**-0.3 * (nz * wdg)**0.49 + sw * wp)


def ishigami(x):
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1])**2 + 0.1 * x[:, 2]**4 * np.sin(x[:, 0])


def friedman(x):
    return 10 * np.sin(PI * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5)**2 + 10 * x[:, 3] + 5 * x[:, 4]


UNIT = (0.0, 1.0)
FUNCTIONS = {
    "borehole": (borehole, [(0.05, 0.15), (100, 50000), (63070, 115600), (990, 1110), (63.1, 116),
                            (700, 820), (1120, 1680), (9855, 12045)]),
    "otl": (otl, [(50, 150), (25, 70), (0.5, 3), (1.2, 2.5), (0.25, 1.2), (50, 300)]),
    "piston": (piston, [(30, 60), (0.005, 0.02), (0.002, 0.01), (1000, 5000), (90000, 110000),
                        (290, 296), (340, 360)]),
    "wing": (wing, [(150, 200), (220, 300), (6, 10), (-10, 10), (16, 45), (0.5, 1), (0.08, 0.18),
                    (2.5, 6), (1700, 2500), (0.025, 0.08)]),
    "ishigami": (ishigami, [(-PI, PI)] * 3),
    "friedman": (friedman, [UNIT] * 5),
    "friedman_inert": (friedman, [UNIT] * 10),  # five of ten inputs do nothing
}


def scale(unit, ranges):
    low, high = np.array(ranges, dtype=float).T
    return low + (high - low) * unit


def design(name, n, number):
    """The number-th Latin hypercube of n rows: inputs, outputs."""
    function, ranges = FUNCTIONS[name]
    x = scale(qmc.LatinHypercube(len(ranges), seed=number).random(n), ranges)
    return x, function(x)


def test_rows(name, n=2048):
    function, ranges = FUNCTIONS[name]
    x = scale(qmc.Sobol(len(ranges), seed=99).random(n), ranges)
    return x, function(x)
