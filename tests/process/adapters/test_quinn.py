# SPDX-License-Identifier: Apache-2.0
"""Solvers that QUiNN has trained, served: the server's predictions against QUiNN's own. Skipped where QUiNN and
PyTorch are missing; QUINN=FOLDER names a clone of QUiNN."""

import contextlib
import copy
import io
import json
import os
import re
import sys
import unittest

from adapter_harness import ADAPTERS, AdapterTest

sys.path[:0] = [os.path.join(ADAPTERS, "quinn"), *filter(None, [os.environ.get("QUINN")])]
os.environ["MPLBACKEND"] = "agg"
try:
    import numpy as np
    import torch
    from quinn.mcmc.hmc import HMC  # noqa: F401  the package of this name on PyPI is another one
    from quinn.nns import rnet
    from quinn.nns.mlp import MLP
    from quinn.nns.nnwrap import nn_p
    from quinn.solvers.nn_ens import NN_Ens
    from quinn.solvers.nn_laplace import NN_Laplace
    from quinn.solvers.nn_mcmc import NN_MCMC
    from quinn.solvers.nn_rms import NN_RMS
    from quinn.solvers.nn_swag import NN_SWAG
    from quinn.solvers.nn_vi import NN_VI
    from quinn_export import NotServed, document_of, draws_of, safetensors_of
    torch.set_num_threads(1)  # of networks this small
    X = np.random.default_rng(3).uniform(-1, 1, (7, 2))
    MISSING = None
except ImportError as error:
    MISSING = str(error)

TOLERANCE = 1e-10  # of the largest value; both compute in float64


def net(layers=2, function=None, outputs=2, **more):
    return rnet.RNet(4, layers, wp_function=function, indim=2, outdim=outputs, layer_pre=True, layer_post=True, **more)


def quiet(function, *args, **kwargs):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args, **kwargs)


@unittest.skipIf(MISSING, f"QUiNN or PyTorch is missing: {MISSING}")
class Quinn(AdapterTest):
    def setUp(self):
        super().setUp()
        before = os.getcwd()
        os.chdir(self.folder)  # where QUiNN draws its losses
        self.addCleanup(os.chdir, before)
        self.seed(1)
        self.x = np.random.default_rng(1).uniform(-1, 1, (30, 2))
        self.y = np.stack([np.sin(2 * self.x[:, 0]) + self.x[:, 1], self.x[:, 0] * self.x[:, 1]], axis=1)

    @staticmethod
    def seed(number):
        np.random.seed(number)
        torch.manual_seed(number)

    def fitted(self, kind, network=None, **more):
        fit = more.pop("fit", {"nepochs": 30, "freq_out": 1000, "freq_plot": 1000})
        solver = quiet(kind, network or net(function=rnet.Lin()), **more)
        quiet(solver.fit, self.x, self.y, **fit)
        return solver

    def register(self, document, name="m"):
        text = json.dumps(document)
        return self.ok(201, "PUT", f"/v1/models/{name}", text)[1]["version"]

    def close(self, found, wanted, tolerance=TOLERANCE):
        found, wanted = np.asarray(found), np.asarray(wanted)
        self.assertEqual(found.shape, wanted.shape)
        self.assertLessEqual(np.abs(found - wanted).max(), tolerance * np.abs(wanted).max())

    def check_served(self, document, y):
        """y: [draws x rows x outputs] of QUiNN."""
        self.register(document)
        answer = self.predict(X.tolist(), "mean", "variance", "quantiles", model="m")
        self.assertEqual(answer["draws"], len(y))
        self.close(answer["mean"], y.mean(0))
        # Of the size of the means, since rounding is: the spread of the draws may be small.
        self.assertLessEqual(np.abs(np.sqrt(answer["variance"]) - y.std(0, ddof=1)).max(),
                             TOLERANCE * np.abs(y).max())
        self.close(answer["quantiles"]["values"], np.quantile(y, [0.05, 0.5, 0.95], axis=0))

    # ---- networks ----

    def test_every_network_of_quinn(self):
        functions = [None, rnet.Const(), rnet.Lin(), rnet.Quad(), rnet.Cubic(), rnet.Poly(5), rnet.NonPar(4)]
        networks = [net(3, function) for function in functions]
        networks += [net(3, rnet.Lin(), biasorno=False), net(3, rnet.Quad(), nonlin=False), net(3, mlp=True),
                     net(3, rnet.Lin(), final_layer="exp"), net(48), net(0),
                     rnet.RNet(2, 3, wp_function=rnet.Lin())]
        networks += [MLP(2, 2, widths, activ="tanh", **more) for widths in ((5,), (5, 5), (5, 5, 5, 5), (2, 6, 3))
                     for more in ({}, {"biasorno": False}, {"final_transform": "exp"})]
        networks += [MLP(2, 2, (3, 3), activ="none"), MLP(2, 2, (4, 4))]
        for activation in (torch.nn.ReLU(), torch.nn.SiLU(), torch.nn.GELU()):
            networks.append(net(3, rnet.Lin()))
            networks[-1].activ = activation
        for i, network in enumerate(networks):
            solver = quiet(NN_Ens, network, nens=3, dfrac=0.9)
            quiet(solver.fit, self.x, self.y, nepochs=2, freq_out=1000, freq_plot=1000)
            with self.subTest(i=i, network=type(network).__name__):
                self.check_served(document_of(solver), solver.predict_ens(X))

    def test_batch_normalisation_is_folded(self):
        for more in ({}, {"bnlearn": False}, {"biasorno": False, "final_transform": "exp"}):
            network = MLP(2, 2, (5, 3), activ="tanh", bnorm=True, **more)
            solver = quiet(NN_Ens, network, nens=3, dfrac=0.9)
            quiet(solver.fit, self.x, self.y, nepochs=5, freq_out=1000, freq_plot=1000)
            for learner in solver.learners:
                learner.best_model.eval()  # which QUiNN does not: its predictions depend on the rows beside
            with self.subTest(more=more):
                self.check_served(document_of(solver), solver.predict_ens(X))

    def test_dropout_stays_on(self):
        """Each draw is the network with a mask; the masks of many draws have QUiNN's mean and spread."""
        network = MLP(2, 2, (6, 4), activ="relu", dropout=0.25)
        solver = quiet(NN_Ens, network, nens=1)
        quiet(solver.fit, self.x, self.y, nepochs=5, freq_out=1000, freq_plot=1000)
        solver.learners *= 4000  # one member, as many masks
        self.register(document_of(solver))
        answer = self.predict(X.tolist(), "mean", "variance", model="m")
        with torch.no_grad():
            y = solver.learners[0].best_model(torch.tensor(np.repeat(X, 4000, axis=0))).numpy().reshape(7, 4000, 2)
        error = y.std(1) / np.sqrt(2000)  # of the difference of two means of 4000
        self.assertLess(np.abs((np.asarray(answer["mean"]) - y.mean(1)) / error).max(), 6)
        self.assertLess(np.abs(np.asarray(answer["variance"]) / y.var(1) - 1).max(), 0.3)

    def test_what_is_not_served_is_refused(self):
        for network, pattern in ((MLP(2, 2, (4, 4), activ="sin"), "Sine"),
                                 (torch.nn.Linear(2, 2), "Linear")):
            with self.assertRaisesRegex(NotServed, pattern):
                document_of(quiet(NN_Ens, network))
        with self.assertRaisesRegex(NotServed, "leave gaussian out"):
            document_of(quiet(NN_VI, MLP(2, 2, (4, 4), dropout=0.1)), gaussian=True)
        with self.assertRaisesRegex(NotServed, "NN_Ens has no normal"):
            document_of(quiet(NN_Ens, net()), gaussian=True)
        with self.assertRaisesRegex(NotServed, "solver is a RNet"):
            draws_of(net())

    # ---- solvers ----

    def test_ensembles(self):
        for kind, more in ((NN_Ens, {"dfrac": 0.8}), (NN_RMS, {"datanoise": 0.1, "priorsigma": 0.5})):
            solver = self.fitted(kind, nens=5, **more)
            self.check_served(document_of(solver), solver.predict_ens(X))

    def test_swag(self):
        for cov_type in ("lowrank", "diag"):
            solver = self.fitted(NN_SWAG, nens=2, k=4, n_steps=8, lr_swag=0.02, cov_type=cov_type)
            self.seed(5)
            document = document_of(solver, draws=20)
            self.seed(5)
            # A copy for each draw, since QUiNN's draws change the mean that they are made from.
            y = np.array([copy.deepcopy(solver).predict_sample(X) for _ in range(20)])
            self.check_served(document, y)

    def test_laplace(self):
        for la_type in ("full", "diag"):
            solver = self.fitted(NN_Laplace, nens=2, la_type=la_type, cov_scale=100.0)
            self.seed(6)
            document = document_of(solver, draws=15)
            self.seed(6)
            self.check_served(document, solver.predict_ens(X, nens=15))

    def test_bayes_by_backprop(self):
        solver = self.fitted(NN_VI)
        self.seed(7)
        document = document_of(solver, draws=25)
        self.seed(7)
        self.check_served(document, solver.predict_ens(X, nens=25))

    def test_chains(self):
        for sampler, params in (("amcmc", {"gamma": 0.1, "t0": 50, "tadapt": 50, "cov_ini": None}),
                                ("hmc", {"L": 3, "epsilon": 0.0025})):
            solver = self.fitted(NN_MCMC, verbose=False, fit={
                "zflag": False, "datanoise": 0.1, "nmcmc": 300, "sampler": sampler, "sampler_params": params})
            self.check_served(document_of(solver, draws=20, burn_in=100), solver.predict_ens(X, nens=20, nburn=100))
        with self.assertRaisesRegex(NotServed, "longer chain"):
            document_of(solver, draws=1000, burn_in=100)

    # ---- normal distributions ----

    def gaussian_moments(self, solver):
        """[(mean, covariance)] as QUiNN holds them."""
        if isinstance(solver, NN_Laplace):
            return list(zip(solver.means, solver.cov_mats))
        if isinstance(solver, NN_SWAG):
            return [(m, 0.5 * np.diag(d) + 0.5 * f @ f.T / (solver.k - 1))
                    for m, d, f in zip(solver.means, solver.cov_diags, solver.d_mats)]
        parts = [(r.mu.detach().numpy().ravel(), torch.exp(r.logsigma).detach().numpy().ravel() ** 2)
                 for r in solver.best_model.rparams]
        return [(np.concatenate([m for m, _ in parts]), np.diag(np.concatenate([v for _, v in parts])))]

    def test_normal_distributions_in_closed_form(self):
        """Means and variances of the linearised prediction, by PyTorch's derivatives of QUiNN's networks."""
        solvers = [self.fitted(NN_VI, net(function=rnet.Quad())),
                   self.fitted(NN_VI, MLP(2, 2, (4, 4, 4), activ="tanh")),
                   self.fitted(NN_SWAG, nens=2, k=4, n_steps=8, lr_swag=0.02),
                   self.fitted(NN_Laplace, MLP(2, 2, (3,), activ="tanh"), nens=2, la_type="diag", cov_scale=100.0)]
        for solver in solvers:
            document = document_of(solver, gaussian=True, predictive="linearised", draws=2)
            self.register(document)
            answer = self.predict(X.tolist(), "mean", "variance", model="m")
            means, variances = [], []
            for mean, covariance in self.gaussian_moments(solver):
                network = copy.deepcopy(solver.nnmodel)
                means.append(nn_p(mean, X, network))
                jacobian = np.zeros((len(X), 2, len(mean)))
                for i in range(len(X)):
                    for k in range(2):
                        out = network(torch.tensor(X[i:i + 1]))[0, k]
                        found = torch.autograd.grad(out, list(network.parameters()))
                        jacobian[i, k] = np.concatenate([g.numpy().ravel() for g in found])
                variances.append(np.einsum("ikp,pq,ikq->ik", jacobian, covariance, jacobian))
            mean = np.mean(means, axis=0)
            self.close(answer["mean"], mean)
            wanted = np.mean([v + (m - mean) ** 2 for m, v in zip(means, variances)], axis=0)
            self.close(answer["variance"], wanted, 1e-9)

    def test_a_laplace_covariance_that_is_not_positive(self):
        """The Hessian of a minimum that was not reached has negative eigenvalues: QUiNN's draws are numpy's."""
        solver = self.fitted(NN_Laplace, la_type="full", fit={"nepochs": 2, "freq_out": 1000, "freq_plot": 1000})
        document = document_of(solver, gaussian=True)
        member = document["posterior"]["members"][0]
        factor = np.array(member["factor"])
        self.seed(8)
        z = np.random.standard_normal(len(factor))
        self.seed(8)
        draw = np.random.multivariate_normal(solver.means[0], solver.cov_mats[0])
        self.close(np.array(member["mean"]) + factor @ z, draw, 1e-9)

    # ---- files, and the page ----

    def test_the_page(self):
        """Its lines, at the end of a script that has trained a solver."""
        self.y = self.y[:, :1]
        solver = self.fitted(NN_SWAG, net(function=rnet.Lin(), outputs=1), nens=2, k=4, n_steps=8, lr_swag=0.02)
        with open(os.path.join(ADAPTERS, "README.md"), encoding="utf-8") as file:
            lines = re.search(r"```python\n(.*?)```", file.read(), re.S)[1]
        os.chdir(os.path.join(ADAPTERS, "..", ".."))
        out = io.StringIO()
        os.environ["SURROGATED_SERVER"] = self.env["SURROGATED_SERVER"]
        with contextlib.redirect_stdout(out):
            exec(lines, {"solver": solver})  # pylint: disable=exec-used
        self.assertRegex(out.getvalue(), r"^\{'model': 'from-quinn', 'version': 1, 'created': True, 'etag': 'sha256-\w+'\}")
        _, version = self.ok(200, "GET", "/v1/models/from-quinn/versions/1")
        self.assertEqual((version["draws"], version["noise"]), (200, {"sigma": [0.05]}))

    def test_safetensors_have_the_names_of_quinn(self):
        solver = self.fitted(NN_Ens, net(4, rnet.Cubic()), nens=4)
        version = self.register(document_of(solver, names={"inputs": ["k", "T"], "outputs": ["p", "q"]}))
        data = safetensors_of(solver, names={"inputs": ["k", "T"], "outputs": ["p", "q"]})
        answer = self.ok(200, "PUT", "/v1/models/m", data, {"Content-Type": "application/x-safetensors"})[1]
        self.assertEqual((answer["version"], answer["created"]), (version, False))  # the very same content
        _, exported = self.ok(200, "GET", "/v1/models/m/versions/1/export?format=safetensors")
        size = int.from_bytes(exported[:8], "little")
        header = json.loads(exported[8:8 + size])
        state = solver.learners[0].best_model.state_dict()
        self.assertEqual(set(header) - {"__metadata__"}, set(state))
        for j, learner in enumerate(solver.learners):
            for name, parameter in learner.best_model.state_dict().items():
                begin, end = header[name]["data_offsets"]
                stacked = np.frombuffer(exported[8 + size + begin:8 + size + end], "<f8").reshape(header[name]["shape"])
                np.testing.assert_array_equal(stacked[j], parameter.numpy())
        with self.assertRaisesRegex(NotServed, "document_of"):
            safetensors_of(quiet(NN_Ens, MLP(2, 2, (4, 4), activ="tanh")))


if __name__ == "__main__":
    unittest.main()
