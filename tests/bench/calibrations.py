#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calibrations beside emcee on the same density, and history matching in waves.

A server of its own takes simulations of two outputs of two inputs, trains, and draws the posterior of the inputs for one
observation. emcee, where it is installed, draws from the same density, which it computes from the server's own
predictions: mean and covariance of the outputs over the draws are asked for at every step. Both posteriors are printed
with the errors that their effective sample sizes give, beside quadrature with the simulation itself. Then three waves of history matching, in each of which the points
that it asks for are simulated, appended and trained on, are printed beside the region that the simulation itself leaves.

usage: SURROGATED_BIN=build-release/server/surrogated python3 calibrations.py [--rows 30] [--steps 400] [--port 27030]
"""

import argparse
import math
import random
import tempfile

from analyses import Server

TRUTH = (0.35, 0.6)
SIGMA = (0.03, 0.05)
SPACE = {"inputs": [{"name": "a", "bounds": [0, 1]}, {"name": "b", "bounds": [0, 1]}],
         "outputs": [{"name": "y"}, {"name": "z"}]}


def simulate(x):
    a, b = x
    return [math.sin(3 * a) + 0.5 * b * b, math.exp(-2 * a) * (1 + b)]


def append_and_train(server, model, points, ids=None):
    path = f"/v1/models/{model}/data" + ("?ids=" + ",".join(str(one) for one in ids) if ids else "")
    server.ask("POST", path, {"inputs": points, "outputs": [simulate(x) for x in points]})
    job = server.ask("POST", f"/v1/models/{model}/train", {"solver": "evidence", "seed": 1, "promote": True})["id"]
    server.wait(job)
    return server.ask("GET", f"/v1/jobs/{job}")["version"]


def result(server, model, request):
    job = server.ask("POST", f"/v1/models/{model}/calibrations", request)["id"]
    server.wait(job)
    return server.ask("GET", f"/v1/jobs/{job}/result")


def density(server, observed):
    """The logarithm of the posterior's density at rows of inputs, of surrogate_error covariance."""
    import numpy
    noise = numpy.diag([s * s for s in SIGMA])

    def log_density(rows):
        out = numpy.full(len(rows), -numpy.inf)
        inside = [i for i, row in enumerate(rows) if all(0 <= value <= 1 for value in row)]
        if not inside:
            return out
        answer = server.ask("POST", "/v1/models/m/predict",
                            {"inputs": [list(map(float, rows[i])) for i in inside], "return": ["samples"],
                             "samples": DRAWS, "seed": 1})
        draws = numpy.array(answer["samples"])  # [draw][row][output]
        mean = draws.mean(axis=0)
        for at, i in enumerate(inside):
            apart = draws[:, at] - mean[at]
            v = noise + apart.T @ apart / (len(draws) - 1)
            r = observed - mean[at]
            out[i] = -0.5 * (r @ numpy.linalg.solve(v, r) + numpy.linalg.slogdet(2 * math.pi * v)[1])
        return out
    return log_density


DRAWS = 100  # of the surrogate


def emcee_posterior(server, observed, steps):
    try:
        import emcee
        import numpy
    except ImportError:
        print("emcee is not installed")
        return
    rng = numpy.random.default_rng(1)
    walkers = 16
    start = numpy.array(TRUTH) + 0.02 * rng.standard_normal((walkers, 2))
    sampler = emcee.EnsembleSampler(walkers, 2, density(server, numpy.array(observed)), vectorize=True)
    numpy.random.seed(1)
    sampler.run_mcmc(start, steps)
    tau = sampler.get_autocorr_time(quiet=True)
    chain = sampler.get_chain(discard=steps // 5, flat=True)
    for k, name in enumerate("ab"):
        ess = len(chain) / tau[k]
        print(f"emcee       {name}: mean {chain[:, k].mean():.4f} +- {chain[:, k].std() / math.sqrt(ess):.4f}, "
              f"standard deviation {chain[:, k].std():.4f} +- {chain[:, k].std() / math.sqrt(2 * ess):.4f}")


def quadrature(observed, n=400):
    """The posterior of the simulation itself, on a grid."""
    sums = [0.0] * 5
    for i in range(n):
        for j in range(n):
            x = ((i + 0.5) / n, (j + 0.5) / n)
            p = math.exp(-0.5 * sum(((value - at) / s) ** 2 for value, at, s in zip(observed, simulate(x), SIGMA)))
            for k, part in enumerate((1.0, x[0], x[0] ** 2, x[1], x[1] ** 2)):
                sums[k] += p * part
    for k, name in enumerate("ab"):
        mean = sums[1 + 2 * k] / sums[0]
        print(f"quadrature  {name}: mean {mean:.4f}, standard deviation {math.sqrt(sums[2 + 2 * k] / sums[0] - mean ** 2):.4f}")


def posterior(server, steps):
    observed = simulate(TRUTH)
    quadrature(observed)
    found = result(server, "m", {"experiments": [{"outputs": [observed]}], "sigma": dict(zip("yz", SIGMA)),
                                 "draws": DRAWS, "samples": 2000, "hold_s": 0})
    for one in found["parameters"]:
        ess = one["ess_bulk"]
        print(f"calibration {one['name']}: mean {one['mean']:.4f} +- {one['std'] / math.sqrt(ess):.4f}, "
              f"standard deviation {one['std']:.4f} +- {one['std'] / math.sqrt(2 * ess):.4f}, R-hat {one['rhat']:.3f}")
    emcee_posterior(server, observed, steps)
    print(f"to simulate next: {found['next']['points'][:3]} ..: mean variance of the surrogate over the posterior, in "
          f"units of the noise, from {found['next']['variance']:.3g} to {found['next']['variance_after']:.3g}")


def share_of_truth(observed, n=400):
    """What the simulation itself leaves: implausibility without a surrogate's variance."""
    left = 0
    for i in range(n):
        for j in range(n):
            y = simulate(((i + 0.5) / n, (j + 0.5) / n))
            left += max(abs(value - at) / s for value, at, s in zip(observed, y, SIGMA)) <= 3
    return left / n ** 2


def history(server):
    observed = simulate(TRUTH)
    rng = random.Random(5)
    version = append_and_train(server, "w", [[rng.random(), rng.random()] for _ in range(8)])
    earlier = []
    print(f"the simulation leaves {share_of_truth(observed):.4f} of the space")
    for wave in range(1, 4):
        found = result(server, "w", {"kind": "history", "version": version, "earlier": earlier, "next": 6,
                                     "experiments": [{"outputs": [observed]}], "sigma": dict(zip("yz", SIGMA))})
        last = found["waves"][-1]
        holds = found["least"] <= 3
        print(f"wave {wave}: version {version} leaves {last['share']:.4f} +- {last['sampling_error']:.4f}; "
              f"least implausibility {found['least']:.3f}{'' if holds else ', nothing is left'}")
        earlier.append(version)
        if wave < 3 and found["points"]:
            version = append_and_train(server, "w", found["points"], found["ids"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--steps", type=int, default=400, help="of emcee")
    parser.add_argument("--port", type=int, default=27030)
    parser.add_argument("--train-nice", default="19", help="less than 19 on a busy machine")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.port, "--train-nice", args.train_nice)
        try:
            for model in ("m", "w"):
                # A space needs a model: it is made with its first rows.
                rng = random.Random(2)
                rows = [[rng.random(), rng.random()] for _ in range(args.rows if model == "m" else 4)]
                server.ask("POST", f"/v1/models/{model}/data",
                           {"inputs": rows, "outputs": [simulate(x) for x in rows]})
                server.ask("PUT", f"/v1/models/{model}/space", SPACE)
            server.wait(server.ask("POST", "/v1/models/m/train", {"solver": "evidence", "seed": 1})["id"])
            posterior(server, args.steps)
            history(server)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
