#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The posterior of bench_nuts sampled by NumPyro's NUTS, written for this comparison.

usage: peer_numpyro.py DATA VALUES CHAINS WARMUP DRAWS THREADS

Reads the rows that bench_nuts wrote, samples in float64 with the same settings (target acceptance
0.8, diagonal mass matrix, depth 10), writes predictions at 64 training rows, doubles
[CHAINS x DRAWS x 64], to VALUES, and prints

    seconds seconds-with-compilation gradients k

The first run compiles; the time of a second one, with another seed, is the first number. With
THREADS > 1 chains run in parallel on that many devices; with one thread the faster of one after the
other and all at once (vmap) is taken. gradients: leapfrog steps after the warm-up.
"""

import os
import sys
import time

THREADS = int(sys.argv[6])
os.environ["XLA_FLAGS"] = (f"--xla_force_host_platform_device_count={THREADS} "
                           "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402  pylint: disable=wrong-import-position
import jax.numpy as jnp  # noqa: E402  pylint: disable=wrong-import-position
import numpy as np  # noqa: E402  pylint: disable=wrong-import-position
from numpyro.infer import MCMC, NUTS  # noqa: E402  pylint: disable=wrong-import-position

jax.config.update("jax_enable_x64", True)


def network(d, r, layers):
    """The WP-ResNet with linear weight functions as a function of (flat parameters, x)."""
    shapes = [(r, d), (r,), (1, r), (1,), (r, r), (r, r), (r,), (r,)]
    sizes = [int(np.prod(s)) for s in shapes]
    ends = np.cumsum(sizes)

    def apply(flat, x):
        pre_w, pre_b, post_w, post_b, w0, w1, b0, b1 = (
            flat[e - n:e].reshape(s) for s, n, e in zip(shapes, sizes, ends))
        h = 1.0 / (layers + 1)
        z = jnp.tanh(x @ pre_w.T + pre_b)
        for i in range(layers + 1):
            t = i * h
            z = z + h * jnp.tanh(z @ (w0 + t * w1).T + b0 + t * b1)
        return (z @ post_w.T + post_b)[:, 0]

    return apply, int(ends[-1])


def main():
    data, values = sys.argv[1], sys.argv[2]
    chains, warmup, draws = (int(v) for v in sys.argv[3:6])
    with open(data, encoding="ascii") as file:
        d, r, layers, sigma = file.readline().split()
        rows = np.loadtxt(file)
    apply, count = network(int(d), int(r), int(layers))
    x, y, sigma = jnp.asarray(rows[:, :-1]), jnp.asarray(rows[:, -1]), float(sigma)

    def potential(flat):
        return jnp.sum((apply(flat, x) - y)**2) / (2.0 * sigma**2) + 0.5 * jnp.sum(flat**2)

    def start(seed):
        """U(-1, 1) / sqrt(fan-in), as ours."""
        bound = np.full(count, 1.0 / np.sqrt(int(r)))
        bound[:int(r) * (int(d) + 1)] = 1.0 / np.sqrt(int(d))
        u = np.random.default_rng(seed).uniform(-1, 1, (chains, count)) * bound
        return jnp.asarray(u if chains > 1 else u[0])

    def sample(method):
        mcmc = MCMC(NUTS(potential_fn=potential), num_warmup=warmup, num_samples=draws,
                    num_chains=chains, chain_method=method, progress_bar=False, jit_model_args=True)

        def once(seed):
            begin = time.perf_counter()
            mcmc.run(jax.random.PRNGKey(seed), init_params=start(seed), extra_fields=("num_steps",))
            jax.block_until_ready(mcmc.get_samples())
            return time.perf_counter() - begin

        first = once(1)
        return once(2), first, mcmc

    ways = ("parallel",) if THREADS > 1 else ("sequential", "vectorized")
    seconds, first, mcmc = min((sample(way) for way in ways), key=lambda found: found[0])
    flat = mcmc.get_samples(group_by_chain=True).reshape(chains * draws, count)
    k = min(64, len(rows))
    at = x[jnp.arange(k) * len(rows) // k]
    np.asarray(jax.vmap(lambda f: apply(f, at))(flat), dtype=np.float64).tofile(values)
    steps = int(np.sum(mcmc.get_extra_fields()["num_steps"]))
    print(seconds, first, steps, k)


if __name__ == "__main__":
    main()
