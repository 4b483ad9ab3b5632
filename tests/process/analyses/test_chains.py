# SPDX-License-Identifier: Apache-2.0
"""
Chains as their user wants them: starts and covariances that are given, densities of draws that are
kept, a burn-in chosen with the prediction, and the prediction at the draw of the highest density.
"""

import math
import random
import unittest

from harness import ServerTest

ARCH = {"width": 3, "layers": 0}
CHAINS = {"chains": 2, "warmup": 40, "draws": 30, "epochs": 100, "hyperparameters": "given"}
POINTS = [[-0.5], [0.1], [0.9]]


def rows(n):
    rng = random.Random(5)
    x = [[rng.uniform(-1, 1)] for _ in range(n)]
    return {"inputs": x, "outputs": [[math.sin(2 * a[0]) + rng.gauss(0, 0.1)] for a in x]}


class Chains(ServerTest):
    def train(self, model="m", want="succeeded", **request):
        self.ok(201, "POST", f"/v1/models/{model}/data", rows(40))
        job = self.ok(202, "POST", f"/v1/models/{model}/train", {"architecture": ARCH, "seed": 3, **request})[1]["id"]
        row = self.server.wait_job(job, "succeeded", "failed")
        self.assertEqual(row["state"], want, row)
        return row

    def predict(self, model, **options):
        body = {"inputs": POINTS, "return": ["mean", "variance"], **options}
        return self.ok(200, "POST", f"/v1/models/{model}/predict", body)[1]

    def expect_part(self, draws, answer):
        """The answer is that of a model registered with these draws alone."""
        document = self.ok(200, "GET", "/v1/models/m/versions/1/export")[1]
        document["posterior"]["parameters"] = draws
        for key in ("calibration", "report", "scores"):
            document.pop(key, None)
        self.ok(201, "PUT", "/v1/models/part", document)
        alone = self.predict("part")
        self.assertEqual(answer["draws"], len(draws))
        self.assertEqual(answer["mean"], alone["mean"])
        self.assertEqual(answer["variance"], alone["variance"])
        self.ok(204, "DELETE", "/v1/models/part")

    def test_parts_of_the_draws(self):
        self.train(solver="hmc", settings={**CHAINS, "leapfrog_steps": 5})
        items = self.ok(200, "GET", "/v1/models/m/diagnostics")[1]["report"]
        density, acceptance = items["chains.log_posterior"], items["chains.acceptance"]
        self.assertEqual([len(density), len(acceptance)], [60, 60])
        self.assertTrue(all(0 <= a <= 1 for a in acceptance))
        draws = self.ok(200, "GET", "/v1/models/m/versions/1/export")[1]["posterior"]["parameters"]
        self.assertEqual(len(draws), 60)
        self.expect_part(draws[20:30] + draws[50:60], self.predict("m", burn_in=20))
        self.expect_part([draws[max(range(60), key=lambda i: density[i])]], self.predict("m", at="map"))
        late = [*range(25, 30), *range(55, 60)]
        self.expect_part([draws[max(late, key=lambda i: density[i])]], self.predict("m", at="map", burn_in=25))
        self.assertEqual(self.predict("m", at="draws", burn_in=0), self.predict("m"))
        query = "/v1/models/m/predict?at=map&return=mean"
        text = self.ok(200, "POST", query, "-0.5\n0.1\n0.9\n", {"Content-Type": "text/csv"})[1]
        self.assertEqual(text["mean"], self.predict("m", at="map")["mean"])

        def refuse(wanted, status=400, model="m", **options):
            answer = self.ok(status, "POST", f"/v1/models/{model}/predict", {"inputs": POINTS, **options})[1]
            self.assertIn(wanted, str(answer))

        refuse("burn_in is 30, 0 to 29", burn_in=30)
        refuse("is needed", at="mode")
        self.train("e", solver="ensemble", settings={"members": 2, "epochs": 5, "hyperparameters": "given"})
        refuse("not those of Markov chains", model="e", burn_in=1)
        refuse("not those of Markov chains", model="e", at="map")

    def test_given_starts_and_covariances(self):
        n = 3 + 3 + 3 + 1 + 9 * 2 + 3 * 2  # of the network, whose basis is linear
        rng = random.Random(8)
        starts = [[rng.uniform(-0.3, 0.3) for _ in range(n)] for _ in range(2)]
        tiny = [[1e-18 if i == j else 0 for j in range(n)] for i in range(n)]
        noise = {"kind": "given", "sigma": 0.1}
        for solver in ("amcmc", "mala", "hmc", "nuts"):
            # Proposals of a tiny covariance leave the chains where they began.
            settings = {**CHAINS, "warmup": 0, "draws": 5}
            if solver != "amcmc":
                settings |= {"epsilon": 0.1, "adapt_step": False, "adapt_mass": False}
            self.train(solver, solver=solver, settings=settings, noise=noise, chain_start={"starts": starts, "covariance": tiny})
            document = self.ok(200, "GET", f"/v1/models/{solver}/versions/1/export")[1]
            for i, draw in enumerate(document["posterior"]["parameters"]):
                for a, b in zip(draw, starts[i // 5]):
                    # amcmc adds its ridge to every covariance, 1e-8 times 2.4^2 / K
                    self.assertAlmostEqual(a, b, delta=3e-4 if solver == "amcmc" else 1e-6, msg=solver)

        # Chains that may move do.
        wide = [[1e-4 if i == j else 0 for j in range(n)] for i in range(n)]
        self.train("far", solver="nuts", settings=CHAINS, chain_start={"covariance": [row[:] + [0] for row in wide] + [[0] * n + [1]]})
        self.assertEqual(self.predict("far")["draws"], 60)

        def refuse(wanted, model="nuts", **request):
            request = {"solver": "nuts", "architecture": ARCH, "noise": noise, "settings": CHAINS, **request}
            answer = self.ok(400, "POST", f"/v1/models/{model}/train", request)[1]
            self.assertIn(wanted, str(answer))

        refuse("are of 4 parameters, the chains have", chain_start={"starts": [[0, 0, 0, 0]]})
        refuse("not positive definite", chain_start={"covariance": [[-1 if i == j else 0 for j in range(n)] for i in range(n)]})
        tilted = [row[:] for row in wide]
        tilted[0][1] = 1e-5
        refuse("not symmetric", chain_start={"covariance": tilted})
        refuse("evidence", settings={**CHAINS, "hyperparameters": "evidence"}, noise={"kind": "learned"}, chain_start={"starts": starts})
        refuse("ensemble has none", solver="ensemble", settings={}, chain_start={"starts": starts})
        refuse("an array", chain_start={"starts": 3})


if __name__ == "__main__":
    unittest.main()
