#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Test functions of uncertainty quantification with their ranges, and designs on them. Needs numpy and
scipy. Run as a program it compares every function with values that are known from elsewhere.

Definitions: S. Surjanovic, D. Bingham, Virtual Library of Simulation Experiments (sfu.ca/~ssurjano);
Sobol' g with the coefficients of A. Marrel et al. 2009; the beam of Y.-T. Wu et al. 2001.
"""

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


SOBOL_G = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def sobol_g(x):
    return np.prod((np.abs(4 * x - 2) + SOBOL_G) / (1 + SOBOL_G), axis=1)


def cantilever(x):
    """Displacement of the end of a beam of length 100."""
    modulus, horizontal, vertical, width, thickness = x.T
    load = np.hypot(vertical / thickness**2, horizontal / width**2)
    return 4 * 100**3 / (modulus * width * thickness) * load


def robot_arm(x):
    angles = np.cumsum(x[:, :4], axis=1)
    return np.hypot(np.sum(x[:, 4:] * np.cos(angles), axis=1), np.sum(x[:, 4:] * np.sin(angles), axis=1))


def environ(x, s=1.0, t=40.1):
    """Concentration of a pollutant spilled twice into a channel, at place s and time t."""
    mass, diffusion, place, second = x.T

    def spill(distance, age):
        return mass / np.sqrt(4 * PI * diffusion * age) * np.exp(-distance**2 / (4 * diffusion * age))
    return np.sqrt(4 * PI) * (spill(s, t) + spill(s - place, t - second))


def morris(x):
    w = 2 * (x - 0.5)
    for i in (2, 4, 6):
        w[:, i] = 2 * (1.1 * x[:, i] / (x[:, i] + 0.1) - 0.5)
    sign = (-1.0)**np.arange(1, 21)
    first = sign.copy()
    first[:10] = 20
    second = np.outer(sign, sign)
    second[:6, :6] = -15
    value = w @ first + np.einsum("ni,ij,nj->n", w, np.triu(second, 1), w)
    return value - 10 * elementary(w[:, :5], 3) + 5 * elementary(w[:, :4], 4)


def elementary(w, degree):
    """The elementary symmetric polynomial of this degree."""
    sums = [np.ones(len(w))] + [np.zeros(len(w)) for _ in range(degree)]
    for column in w.T:
        for k in range(degree, 0, -1):
            sums[k] = sums[k] + column * sums[k - 1]
    return sums[degree]


WELCH_LINEAR = {2: 0.05, 3: 0.08, 5: 1, 6: -0.03, 7: 0.03, 9: -0.09, 10: -0.01, 11: -0.07, 14: -0.04,
                15: 0.06, 17: -0.01, 18: -0.03, 19: -5}


def welch(x):
    """Twenty inputs, some of them nearly or wholly inert."""
    value = (5 * x[:, 11] / (1 + x[:, 0]) + 5 * (x[:, 3] - x[:, 19])**2 + 40 * x[:, 18]**3
             + 0.25 * x[:, 12]**2)
    return value + sum(c * x[:, i - 1] for i, c in WELCH_LINEAR.items())


def gramacy_lee(x):
    """Six inputs, of which two are inert."""
    return np.exp(np.sin((0.9 * (x[:, 0] + 0.48))**10)) + x[:, 1] * x[:, 2] + x[:, 3]


def branin(x):
    a, b = x.T
    return (b - 5.1 / (4 * PI**2) * a**2 + 5 / PI * a - 6)**2 + 10 * (1 - 1 / (8 * PI)) * np.cos(a) + 10


HARTMANN_A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
                       [17, 8, 0.05, 10, 0.1, 14]])
HARTMANN_P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def hartmann6(x):
    inner = np.sum(HARTMANN_A * (x[:, None, :] - HARTMANN_P)**2, axis=2)
    return -np.exp(-inner) @ np.array([1.0, 1.2, 3.0, 3.2])


def colville(x):
    a, b, c, d = x.T
    return (100 * (a**2 - b)**2 + (a - 1)**2 + (c - 1)**2 + 90 * (c**2 - d)**2
            + 10.1 * ((b - 1)**2 + (d - 1)**2) + 19.8 * (b - 1) * (d - 1))


def dette_pepelyshev(x):
    """Eight inputs, highly curved in some and less in others."""
    value = (4 * (x[:, 0] - 2 + 8 * x[:, 1] - 8 * x[:, 1]**2)**2 + (3 - 4 * x[:, 1])**2
             + 16 * np.sqrt(x[:, 2] + 1) * (2 * x[:, 2] - 1)**2)
    sums = np.cumsum(x[:, 2:], axis=1)[:, 1:]
    return value + np.log(1 + sums) @ np.arange(4, 9)


def currin(x):
    a, b = x.T
    with np.errstate(divide="ignore"):
        drop = 1 - np.exp(-1 / (2 * b))
    return drop * (2300 * a**3 + 1900 * a**2 + 2092 * a + 60) / (100 * a**3 + 500 * a**2 + 4 * a + 20)


def park(x):
    a, b, c, d = x.T
    return (a / 2 * (np.sqrt(1 + (b + c**2) * d / a**2) - 1)
            + (a + 3 * d) * np.exp(1 + np.sin(c)))


UNIT = (0.0, 1.0)
# Those of the published comparison.
FUNCTIONS = {
    "borehole": (borehole, [(0.05, 0.15), (100, 50000), (63070, 115600), (990, 1110), (63.1, 116),
                            (700, 820), (1120, 1680), (9855, 12045)]),
    "otl": (otl, [(50, 150), (25, 70), (0.5, 3), (1.2, 2.5), (0.25, 1.2), (50, 300)]),
    "wing": (wing, [(150, 200), (220, 300), (6, 10), (-10, 10), (16, 45), (0.5, 1), (0.08, 0.18),
                    (2.5, 6), (1700, 2500), (0.025, 0.08)]),
    "piston": (piston, [(30, 60), (0.005, 0.02), (0.002, 0.01), (1000, 5000), (90000, 110000),
                        (290, 296), (340, 360)]),
    "ishigami": (ishigami, [(-PI, PI)] * 3),
    "friedman": (friedman, [UNIT] * 5),
    "sobol_g": (sobol_g, [UNIT] * 8),
    # Modulus and loads within three standard deviations.
    "cantilever": (cantilever, [(2.465e7, 3.335e7), (200, 800), (700, 1300), (1, 4), (1, 4)]),
}
TABLE = tuple(FUNCTIONS)
# Others, to see whether what was learned on those holds elsewhere.
FUNCTIONS.update({
    "friedman_inert": (friedman, [UNIT] * 10),  # five of ten inputs do nothing
    "robot_arm": (robot_arm, [(0, 2 * PI)] * 4 + [UNIT] * 4),
    "environ": (environ, [(7, 13), (0.02, 0.12), (0.01, 3), (30.01, 30.295)]),
    "morris": (morris, [UNIT] * 20),
    "welch": (welch, [(-0.5, 0.5)] * 20),
    "gramacy_lee": (gramacy_lee, [UNIT] * 6),
    "branin": (branin, [(-5, 10), (0, 15)]),
    "hartmann6": (hartmann6, [UNIT] * 6),
    "colville": (colville, [(-10, 10)] * 4),
    "dette_pepelyshev": (dette_pepelyshev, [UNIT] * 8),
    "currin": (currin, [UNIT] * 2),
    "park": (park, [(1e-6, 1)] + [UNIT] * 3),
})

DESIGNS = {
    "lhs": lambda d, n, number: qmc.LatinHypercube(d, seed=number).random(n),
    "random": lambda d, n, number: np.random.default_rng(number).random((n, d)),
    "sobol": lambda d, n, number: qmc.Sobol(d, seed=number).random(n),
    "halton": lambda d, n, number: qmc.Halton(d, seed=number).random(n),
}


def scale(unit, ranges):
    low, high = np.array(ranges, dtype=float).T
    return low + (high - low) * unit


def design(name, n, number, kind="lhs"):
    """The number-th design of n rows: inputs, outputs."""
    function, ranges = FUNCTIONS[name]
    x = scale(DESIGNS[kind](len(ranges), n, number), ranges)
    return x, function(x)


def test_rows(name, n=2048):
    function, ranges = FUNCTIONS[name]
    x = scale(qmc.Sobol(len(ranges), seed=99).random(n), ranges)
    return x, function(x)


def moments(name, n=2**18):
    _, y = test_rows(name, n)
    return y.mean(), y.var()


def known_values():
    """(what, found, expected, allowed relative difference)"""
    def at(name, *row):
        return float(FUNCTIONS[name][0](np.array([row], dtype=float))[0])
    half = [0.5] * 20
    mean, variance = moments("ishigami")
    yield "ishigami, mean a / 2", mean, 3.5, 1e-3
    yield "ishigami, variance", variance, 0.5 + 49 / 8 + 0.1 * PI**4 / 5 + 0.01 * PI**8 / 18, 1e-3
    mean, variance = moments("sobol_g")
    yield "sobol_g, mean", mean, 1.0, 1e-3
    yield "sobol_g, variance", variance, np.prod(1 + 1 / (3 * (1 + SOBOL_G)**2)) - 1, 1e-3
    # The mean of 10 sin(pi a b) is (10 / pi) times the integral of (1 - cos t) / t from 0 to pi.
    yield "friedman, mean", moments("friedman")[0], 10 / PI * 1.6483 + 20 / 12 + 7.5, 1e-3
    yield "borehole with a well as wide as its reach is", at(
        "borehole", 1, np.e, 1, 2, 1, 1, 0.5, 1), 2 * PI / 3, 1e-12
    yield "otl without base current", at("otl", 50, 50, 0, 1, 1, 100), 6.74, 1e-12
    yield "piston at the middle of its ranges", at(
        "piston", 45, 0.0125, 0.006, 3000, 100000, 293, 350), 0.4644, 1e-3
    # R. Gramacy, Surrogates, 2020, chapter 1, has no paint.
    yield "wing of a Cessna C172 without paint", at(
        "wing", 174, 252, 7.52, 0, 33.98, 0.672, 0.12, 3.795, 2004, 0), 233.9081, 1e-6
    yield "cantilever", at("cantilever", 4e6, 3, 4, 1, 1), 5.0, 1e-12
    yield "robot_arm, straight", at("robot_arm", 1, 0, 0, 0, 1, 0.5, 0.25, 0.125), 1.875, 1e-12
    yield "robot_arm, right angle", at("robot_arm", 0, PI / 2, 0, 0, 0.6, 0.8, 0, 0), 1.0, 1e-12
    yield "environ, second spill at the place", at("environ", 10, 0.1, 1, 30.1), (
        10 / np.sqrt(4.01) * np.exp(-1 / 16.04) + 10), 1e-12
    yield "morris, all 1", at("morris", *[1] * 20), 200 + 15 * -15 - 100 + 5 + second_order_rest(), 1e-12
    yield "morris, middle", at("morris", *half), morris_middle(), 1e-12
    yield "welch, middle", at("welch", *[0] * 20), 0.0, 1e-12
    yield "welch, all one half", at("welch", *half), 5 / 3 + 5 + 0.0625 + 0.5 * sum(
        WELCH_LINEAR.values()), 1e-12
    yield "gramacy_lee", at("gramacy_lee", 0, 1, 2, 3, 9, 9), np.exp(np.sin(0.432**10)) + 5, 1e-12
    yield "branin, minimum", at("branin", PI, 2.275), 0.397887, 1e-5
    yield "branin, minimum", at("branin", -PI, 12.275), 0.397887, 1e-5
    yield "hartmann6, minimum", at("hartmann6", 0.20169, 0.150011, 0.476874, 0.275332, 0.311652,
                                   0.6573), -3.32237, 1e-5
    yield "colville, minimum", at("colville", 1, 1, 1, 1), 0.0, 1e-12
    yield "colville, origin", at("colville", 0, 0, 0, 0), 42.0, 1e-12
    yield "dette_pepelyshev, origin", at("dette_pepelyshev", *[0] * 8), 16 + 9 + 16, 1e-12
    yield "dette_pepelyshev, all 1", at("dette_pepelyshev", *[1] * 8), (
        4 + 1 + 16 * 2**0.5 + sum(i * np.log(i - 1) for i in range(4, 9))), 1e-12
    yield "currin, maximum", at("currin", 0.21666667, 0), 13.798722, 1e-6
    yield "park, maximum", at("park", 1, 1, 1, 1), 25.5893, 1e-5


def second_order_rest():
    """Of morris where all w are 1: first order beyond the tenth, second order beyond the sixth."""
    sign = [(-1)**i for i in range(1, 21)]
    pairs = sum(sign[i] * sign[j] for i in range(20) for j in range(i + 1, 20) if j >= 6)
    return sum(sign[10:]) + pairs


def morris_middle():
    """All w are 0 but those of inputs 3, 5 and 7."""
    w = 2 * (0.55 / 0.6 - 0.5)
    return 60 * w + (-15 + 1 + 1) * w**2


def main():
    wrong = 0
    for what, found, expected, allowed in known_values():
        fine = abs(found - expected) <= allowed * max(1.0, abs(expected))
        wrong += not fine
        print(f"{'ok   ' if fine else 'WRONG'} {what}: {found:.8g}, expected {expected:.8g}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
