# SPDX-License-Identifier: Apache-2.0
"""Functions on which no default of ours was chosen: five of simulation experiments, and draws of two
random processes. Needs numpy and scipy. Definitions: S. Surjanovic, D. Bingham, Virtual Library of
Simulation Experiments."""

import numpy as np
from scipy.stats import qmc

from surrogate_functions import PI, UNIT, scale


def robot_arm(x):
    """Distance of the end of an arm of four segments from its shoulder."""
    angle = np.cumsum(x[:, :4], axis=1)
    length = x[:, 4:]
    return np.hypot((length * np.cos(angle)).sum(axis=1), (length * np.sin(angle)).sum(axis=1))


def environ(x):
    """Concentration after two spills into a channel, at one place and time."""
    mass, diffusion, place, time = x.T
    s, t = 1.5, 50.0
    first = mass / np.sqrt(4 * PI * diffusion * t) * np.exp(-s**2 / (4 * diffusion * t))
    later = np.maximum(t - time, 1e-12)
    second = mass / np.sqrt(4 * PI * diffusion * later) * np.exp(-(s - place)**2 / (4 * diffusion * later))
    return np.sqrt(4 * PI) * (first + np.where(t > time, second, 0.0))


def welch(x):
    """Twenty inputs, of which several hardly matter and two not at all."""
    x = x.T
    return (5 * x[11] / (1 + x[0]) + 5 * (x[3] - x[19])**2 + x[4] + 40 * x[18]**3 - 5 * x[18] + 0.05 * x[1]
            + 0.08 * x[2] - 0.03 * x[5] + 0.03 * x[6] - 0.09 * x[8] - 0.01 * x[9] - 0.07 * x[10] + 0.25 * x[12]**2
            - 0.04 * x[13] + 0.06 * x[14] - 0.01 * x[16] - 0.03 * x[17])


def dette(x):
    """Dette and Pepelyshev's curved function of three inputs."""
    return 4 * (x[:, 0] - 2 + 8 * x[:, 1] - 8 * x[:, 1]**2)**2 + (3 - 4 * x[:, 1])**2 \
        + 16 * np.sqrt(x[:, 2] + 1) * (2 * x[:, 2] - 1)**2


def gramacy(x):
    """Gramacy and Lee's, two of six inputs inert."""
    return np.exp(np.sin((0.9 * (x[:, 0] + 0.48))**10)) + x[:, 1] * x[:, 2] + x[:, 3]


def random_network(x):
    """A network of two layers of tanh with random weights."""
    rng = np.random.default_rng(7)
    h = np.tanh(x @ rng.normal(0, 1.2, (5, 20)) + rng.normal(0, 0.5, 20))
    h = np.tanh(h @ rng.normal(0, 0.5, (20, 20)))
    return h @ rng.normal(0, 1, 20)


def random_process(x):
    """Nearly a draw of a Gaussian process with a squared exponential kernel: 400 random waves."""
    rng = np.random.default_rng(8)
    waves = rng.normal(0, 1, (4, 400)) / np.array([0.4, 0.6, 1.0, 3.0])[:, None]
    return np.cos(x @ waves + rng.uniform(0, 2 * PI, 400)) @ rng.normal(0, 1, 400) / 20


FUNCTIONS = {
    "robot_arm": (robot_arm, [(0, 2 * PI)] * 4 + [UNIT] * 4),
    "environ": (environ, [(7, 13), (0.02, 0.12), (0.01, 3), (30.01, 30.295)]),
    "welch": (welch, [(-0.5, 0.5)] * 20),
    "dette": (dette, [UNIT] * 3),
    "gramacy": (gramacy, [UNIT] * 6),
    "network": (random_network, [(-1.0, 1.0)] * 5),
    "process": (random_process, [UNIT] * 4),
}


def design(kind, function, n, number):
    """Rows of one of these: lhs, a Latin hypercube; sobol, scrambled Sobol' points; random."""
    inner, ranges = function
    d = len(ranges)
    if kind == "lhs":
        unit = qmc.LatinHypercube(d, seed=number).random(n)
    elif kind == "sobol":
        unit = qmc.Sobol(d, seed=number).random(n)
    else:
        unit = np.random.default_rng(number).random((n, d))
    x = scale(unit, ranges)
    return x, inner(x)


def test_rows(function, n=2048):
    inner, ranges = function
    x = scale(qmc.Sobol(len(ranges), seed=99).random(n), ranges)
    return x, inner(x)
