# SPDX-License-Identifier: Apache-2.0
"""The probe of libsurrogated, and rows for it."""

import os
import subprocess

from harness import PATIENCE

PROBE = os.environ["LIBRARY_PROBE"]
SECRETS = ("SURROGATED_SERVER", "SURROGATED_TOKEN", "SURROGATED_TOKEN_IN_CLEAR", "SURROGATED_TLS_CA",
           "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


def as_rows(inputs, n_outputs, outputs=()):
    """What the probe reads from its standard input."""
    lines = [f"{len(inputs)} {len(inputs[0])} {n_outputs}"]
    return "\n".join(lines + [" ".join(map(repr, row)) for row in (*inputs, *outputs)]) + "\n"


def clean_environment(**changes):
    return {**{name: value for name, value in os.environ.items() if name not in SECRETS}, **changes}


def probe(*words, rows="", **env):
    done = subprocess.run([PROBE, *map(str, words)], input=rows, capture_output=True, text=True,
                          timeout=PATIENCE, check=False, env=clean_environment(**env))
    if done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def call(where, model, *words, rows="", **env):
    """(code, message, what it printed before) of one call."""
    lines = probe("call", where, model, *words, rows=rows, **env).splitlines()
    code, _, message = lines[-1].partition(" ")
    return int(code), message, "\n".join(lines[:-1])
