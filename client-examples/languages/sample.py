#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which inputs explain a measurement? emcee samples them through UM-Bridge's own client
(pip install umbridge emcee).

usage: sample.py MODEL LOW1,LOW2,.. HIGH1,HIGH2,.. Y1,Y2,.. SIGMA [STEPS]

Inputs are uniform between LOW and HIGH. The outputs Y were measured with a standard deviation of SIGMA, to which the
model's own variance is added. Prints mean and standard deviation of each input. Exit status: 0 done, 1 refused, 2 wrong
usage, 3 no server.
"""

import os
import sys
import time

try:
    import emcee
    import numpy
    import requests
    import umbridge
except ImportError as error:
    print(f"sample.py: {error.name} is missing: pip install umbridge emcee requests", file=sys.stderr)
    sys.exit(2)

SERVER = os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080")
RETRY_S = float(os.environ.get("SURROGATED_RETRY_S", "60"))
SEED = 1


def end(status, text):
    print(f"sample.py: {text}", file=sys.stderr)
    sys.exit(status)


def call(function, *args):
    """A call of UM-Bridge's client, again while the server is away. Evaluations change nothing, so they need no key."""
    deadline = time.monotonic() + RETRY_S
    while True:
        try:
            return function(*args)
        except requests.exceptions.RequestException as error:
            if time.monotonic() > deadline:
                end(3, f"no server at {SERVER}: {type(error).__name__}")
            time.sleep(0.5)
        except Exception as error:  # pylint: disable=broad-exception-caught  # it raises nothing narrower
            end(1, str(error).splitlines()[0])


def sample(name, low, high, measured, sigma, steps):
    mean = call(umbridge.HTTPModel, SERVER, name)
    variance = call(umbridge.HTTPModel, SERVER, name + ".variance")

    def log_posterior(x):
        if (x < low).any() or (x > high).any():
            return -numpy.inf
        point = [x.tolist()]
        spread = sigma**2 + numpy.array(call(variance, point)[0])
        misfit = numpy.array(call(mean, point)[0]) - measured
        return -0.5 * (misfit**2 / spread + numpy.log(spread)).sum()

    random = numpy.random.default_rng(SEED)
    numpy.random.seed(SEED)  # of emcee's moves
    walkers = max(8, 2 * len(low) + 2)
    sampler = emcee.EnsembleSampler(walkers, len(low), log_posterior)
    sampler.run_mcmc(random.uniform(low, high, (walkers, len(low))), steps)
    return sampler.get_chain(discard=steps // 2, flat=True)


def main(args):
    try:
        low, high, measured = (numpy.array([float(v) for v in text.split(",")]) for text in args[1:4])
        sigma, steps = float(args[4]), int(args[5]) if len(args) > 5 else 400
    except (ValueError, IndexError):
        end(2, "usage: sample.py MODEL LOW1,LOW2,.. HIGH1,HIGH2,.. Y1,Y2,.. SIGMA [STEPS]")
    chain = sample(args[0], low, high, measured, sigma, steps)
    for j, (m, s) in enumerate(zip(chain.mean(0), chain.std(0))):
        print(f"input {j}: {m:.4g} +- {s:.2g}")


if __name__ == "__main__":
    main(sys.argv[1:])
