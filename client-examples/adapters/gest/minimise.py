#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libEnsemble runs a toy simulator where the server says, on several workers, until a budget is spent.

usage: python3 client-examples/adapters/gest/minimise.py [MODEL]

Needs libensemble and gest-api from PyPI. Put a simulator of your own in the place of `simulate`.
"""

import math
import sys

from gest_api.vocs import VOCS
from libensemble import Ensemble
from libensemble.alloc_funcs.start_only_persistent import only_persistent_gens
from libensemble.specs import AllocSpecs, ExitCriteria, GenSpecs, LibeSpecs, SimSpecs
from surrogate_generator import SurrogateGenerator, run

BUDGET = 24
BATCH = 4


def simulate(point):
    """A bowl with waves; its minimum is near (0.3, -0.4)."""
    x, y = point["x"], point["y"]
    return {"cost": (x - 0.3)**2 + (y + 0.4)**2 + 0.05 * math.sin(6 * x) * math.sin(6 * y), "slope": 2 * (x - 0.3)}


def main():
    vocs = VOCS(variables={"x": [-1.0, 1.0], "y": [-1.0, 1.0]}, objectives={"cost": "MINIMIZE"}, observables=["slope"])
    generator = SurrogateGenerator(vocs, sys.argv[1] if len(sys.argv) > 1 else "bowl", first=12, every=BATCH)
    ensemble = Ensemble(
        libE_specs=LibeSpecs(comms="local", nworkers=BATCH, gen_on_manager=True, save_every_k_gens=0,
                             disable_log_files=True, final_gen_send=True),
        gen_specs=GenSpecs(generator=generator, vocs=vocs, batch_size=BATCH),
        sim_specs=SimSpecs(simulator=simulate, vocs=vocs),
        alloc_specs=AllocSpecs(alloc_f=only_persistent_gens),
        exit_criteria=ExitCriteria(sim_max=BUDGET))
    history, _, _ = ensemble.run()
    if ensemble.is_manager:
        done = history[history["sim_ended"]]
        best = done[done["cost"].argmin()]
        print(f"{len(done)} simulations; the least cost is {best['cost']:.4f} at x = {best['x']:.3f}, y = {best['y']:.3f}")


if __name__ == "__main__":
    run(main)
