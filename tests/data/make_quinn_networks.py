#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes quinn_networks.json: QUiNN's networks with random parameters, in float64, and the documents that the adapter
makes of them. For those who have QUiNN and PyTorch: python3 make_quinn_networks.py CLONE_OF_QUINN > quinn_networks.json

Dropout has no case, since its values are random; batch normalisation is evaluated as eval() has it.
"""

import contextlib
import io
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [sys.argv[1], os.path.join(HERE, "..", "..", "client-examples", "adapters", "quinn")]
os.environ["MPLBACKEND"] = "agg"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from quinn.nns import rnet  # noqa: E402
from quinn.nns.mlp import MLP  # noqa: E402
from quinn_export import flat_of, is_plain, network_of, placed, plain_row  # noqa: E402


def residual(function, activation=None, **more):
    network = rnet.RNet(4, 3, wp_function=function, indim=3, outdim=2, layer_pre=True, layer_post=True, **more)
    network.activ = activation or network.activ
    return network


def networks():
    for function in (None, rnet.Const(), rnet.Lin(), rnet.Quad(), rnet.Cubic(), rnet.Poly(5)):
        yield residual(function)
    for activation in (torch.nn.ReLU(), torch.nn.SiLU(), torch.nn.GELU()):
        yield residual(rnet.Lin(), activation)
    yield residual(rnet.Lin(), biasorno=False)
    yield residual(rnet.Quad(), nonlin=False, final_layer="exp")
    yield residual(rnet.Lin(), mlp=True, final_layer="sum")
    yield rnet.RNet(3, 6, indim=3, outdim=3)
    for widths in ((5,), (4, 4), (2, 6, 3)):
        for activation in ("tanh", "relu", "none"):
            yield MLP(3, 2, widths, activ=activation)
        yield MLP(3, 2, widths, biasorno=False, activ="tanh", final_transform="exp")
        for learn in (True, False):
            yield MLP(3, 2, widths, activ="relu", bnorm=True, bnlearn=learn)


def main():
    torch.manual_seed(4)
    torch.set_default_dtype(torch.float64)
    cases = []
    for network in networks():
        x = torch.rand(3, 3) * 3 - 1.5
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm1d):
                    module.running_mean.uniform_(-1, 1)
                    module.running_var.uniform_(0.3, 2)
            for parameter in network.parameters():
                parameter.uniform_(-0.8, 0.8)
            network.eval()
            y = network(x).reshape(3, -1)
        with contextlib.redirect_stdout(io.StringIO()):
            architecture, places = network_of(network)
        flat = flat_of(network)
        row = flat if is_plain(network) else plain_row(network, flat)
        cases.append({"architecture": architecture, "parameters": placed(np.asarray(row), places).tolist(),
                      "x": x.tolist(), "y": y.tolist()})
    print(json.dumps({"about": "y = network(x; parameters), by QUiNN", "cases": cases}))


if __name__ == "__main__":
    main()
