# SPDX-License-Identifier: Apache-2.0
"""Trained solvers of QUiNN as models of surrogated.

    from quinn_export import document_of, draws_of
    document = document_of(solver, draws=200)             # a model document, ready for json.dumps
    document = document_of(solver, gaussian=True)         # SWAG, Laplace, VI: their normal distributions instead

Networks: QUiNN's RNet, whose flat vector of parameters has the order that the server reads, and its MLP with layers
of any width, with dropout and batch normalisation (plain_row says how), with tanh, ReLU, SiLU, GELU or no activation. QUiNN's Sine cannot be evaluated (it asks torch.Tensor for pi).

Draws are made as the solver's own predict_ens makes them, from the same random numbers in the same order: after
np.random.seed(s) and torch.manual_seed(s), draws_of(solver, m) are the parameters of predict_ens(x, m) after the same
seeds. There is one exception: NN_SWAG.predict_sample adds each draw to the mean that it keeps, so that its draws
wander off; here each draw is made from the mean that fit has left.

Of an ensemble (NN_Ens, NN_RMS) the draws are its members, of NN_MCMC states of the chain after the burn-in. Pass only
`noise` that is known: the standard deviation of each output's noise.
"""

import json
import struct

import numpy as np

BASES = {"Const": "constant", "Lin": "linear", "Quad": "quadratic", "Cubic": "cubic", "Poly": "polynomial",
         "NonPar": "nonparametric"}
ACTIVATIONS = {"Tanh": "tanh", "Identity": "identity", "ReLU": "relu", "SiLU": "silu", "GELU": "gelu"}


class NotServed(ValueError):
    """The object is none that the server can serve."""


def class_names(thing):
    return [kind.__name__ for kind in type(thing).__mro__]


def array(tensor):
    return np.asarray(tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor, dtype=np.float64)


# ---- networks ----


def activation_of(module):
    name = type(module).__name__
    if name not in ACTIVATIONS or getattr(module, "approximate", "none") != "none":
        raise NotServed(f"the activation is {module}; served are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def rnet_of(net):
    """(architecture, places): the place of each of the server's parameters in QUiNN's flat vector."""
    kind = type(net.wp_function).__name__
    if kind not in BASES:
        raise NotServed(f"the weights are a function {kind} of depth; known are {', '.join(BASES)}")
    if net.final_layer not in (None, "exp", "logabs", "sum"):
        raise NotServed(f"the final layer is {net.final_layer}")
    if net.final_layer == "sum" and net.sum_dim not in (1, -1):
        raise NotServed("the final sum is over rows")
    a = {"inputs": net.indim, "outputs": net.outdim, "width": net.rdim, "layers": net.nlayers, "basis": BASES[kind],
         "order": net.wp_function.npar - 1 if kind == "Poly" else 0, "bias": bool(net.biasorno),
         "activation": activation_of(net.activ), "residual": not net.mlp, "layer_pre": bool(net.layer_pre),
         "layer_post": bool(net.layer_post), "final": net.final_layer or "none", "index_rule": "quinn"}
    if a["basis"] != "nonparametric":
        a["index_rule"] = "integer"
    return a, None


def linear_layers(net):
    """[(Linear, what stands between it and the activation)] of an MLP."""
    layers = []
    for module in net.nnmodel:
        kind = type(module).__name__
        if kind == "Linear":
            layers.append((module, []))
        elif kind in ("Dropout", "BatchNorm1d"):
            layers[-1][1].append(module)
    return layers


def mlp_of(net):
    """A perceptron of n hidden layers is one without residual and with n - 1 blocks, each with weights of its own.
    Of one hidden layer the block has the weights 0, which as a residual adds nothing. The blocks have one width:
    narrower layers have units with weights 0, whose activation is 0."""
    if net.final_transform not in (None, "exp"):
        raise NotServed(f"the final transform is {net.final_transform}")
    d, o, widths = net.indim, net.outdim, list(net.hls)
    r, n = max(widths), len(widths)
    activation = next(m for m in net.nnmodel if type(m).__name__ not in ("Linear", "Dropout", "BatchNorm1d"))
    a = {"inputs": d, "outputs": o, "width": r, "layers": max(n - 2, 0), "basis": "nonparametric", "order": 0,
         "bias": True, "activation": activation_of(activation), "residual": n == 1,
         "layer_pre": True, "layer_post": True, "final": net.final_transform or "none", "index_rule": "integer"}
    bias = bool(net.biasorno) or bool(net.bnorm)  # of the layers as plain_row leaves them
    if not bias:
        a["bias"] = a["outer_bias"] = False
    at, weights, biases = 0, [], []
    for i, (rows, columns) in enumerate(zip([*widths, o], [d, *widths])):
        # The order of QUiNN: weights and biases of a layer, then the next layer.
        weight = np.full((o if i == n else r, d if i == 0 else r), -1)
        weight[:rows, :columns] = np.arange(at, at + rows * columns).reshape(rows, columns)
        at += rows * columns
        b = np.full(len(weight), -1)
        if bias:
            b[:rows] = np.arange(at, at + rows)
            at += rows
        weights.append(weight.ravel())
        biases.append(b if bias else [])
    inner = list(zip(weights[1:-1], biases[1:-1])) or [(np.full(r * r, -1), np.full(r if bias else 0, -1))]
    return a, np.concatenate([weights[0], biases[0], weights[-1], biases[-1], *(w for w, _ in inner),
                              *(b for _, b in inner)]).astype(int)


def is_plain(net):
    net = net.nnmodel if "SNet" in class_names(net) else net
    return "MLP" not in class_names(net) or not (net.bnorm or net.dropout > 0)


def plain_row(net, flat):
    """One draw of an MLP with dropout or batch normalisation, as weights and biases of its Linear layers alone.

    QUiNN never calls eval(). Its dropout therefore stays on at prediction, with a mask for each row; here each draw
    has one mask for all rows, from numpy's random numbers: each row's distribution is the same. Its batch normalisation
    takes mean and variance of the rows that are predicted, so that a row's prediction depends on the rows beside it;
    here the running mean and variance of the fit are folded into the layer before, as eval() would take them."""
    at, parts = 0, []

    def take(n):
        nonlocal at
        at += n
        return flat[at - n:at]

    for linear, between in linear_layers(net):
        w = take(linear.weight.numel()).reshape(linear.weight.shape).copy()
        b = take(len(w)).copy() if linear.bias is not None else np.zeros(len(w))
        for module in between:
            if type(module).__name__ == "Dropout":
                scale = (np.random.rand(len(w)) >= module.p) / (1.0 - module.p)
                w, b = scale[:, None] * w, scale * b
                continue
            scale = 1.0 / np.sqrt(array(module.running_var) + module.eps)
            gamma, beta = (take(len(w)), take(len(w))) if module.affine else (1.0, 0.0)
            w, b = (gamma * scale)[:, None] * w, gamma * scale * (b - array(module.running_mean)) + beta
        parts += [w.ravel()] + ([b] if linear.bias is not None or net.bnorm else [])
    return np.concatenate(parts)


def network_of(net):
    names = class_names(net)
    if "RNet" in names:
        return rnet_of(net)
    if "MLP" in names:
        return mlp_of(net)
    if "SNet" in names:
        return network_of(net.nnmodel)
    raise NotServed(f"the network is a {names[0]}; RNet and MLP are served")


def placed(flat, places):
    """Rows of QUiNN's parameters as rows of the server's: [.. x P] to [.. x K]."""
    if places is None:
        return flat
    return np.where(places < 0, 0.0, flat[..., places])


def flat_of(net):
    return np.concatenate([array(p).ravel() for p in net.parameters()])


# ---- solvers ----


def means_of(bnet):
    return np.concatenate([array(r.mu).ravel() for r in bnet.rparams])


def vi_draw(bnet):
    return np.concatenate([array(r.sample()).ravel() for r in bnet.rparams])


def swag_draw(solver):
    j = np.random.randint(0, solver.nens)
    z1, z2 = np.random.randn(solver.nparams), np.random.randn(solver.k)
    step = np.sqrt(solver.cov_diags[j]) * z1
    if solver.cov_type == "lowrank":
        step = np.sqrt(0.5) * step + np.sqrt(0.5) * (solver.d_mats[j] @ z2) / np.sqrt(solver.k - 1)
    return solver.means[j] + step


def laplace_draw(solver):
    j = np.random.randint(0, solver.nens)
    return np.random.multivariate_normal(solver.means[j], cov=solver.cov_mats[j])


def draws_of(solver, draws=100, burn_in=1000):
    """[draws x P] in QUiNN's order. Of an ensemble all members, whatever `draws` says."""
    names = class_names(solver)
    if "NN_SWAG" in names:
        return np.array([swag_draw(solver) for _ in range(draws)])
    if "NN_Laplace" in names:
        return np.array([laplace_draw(solver) for _ in range(draws)])
    if "NN_VI" in names:
        return np.array([vi_draw(solver.best_model) for _ in range(draws)])
    if "NN_MCMC" in names:
        every = (len(solver.samples) - burn_in) // draws
        if every < 1:
            raise NotServed(f"{draws} draws after {burn_in} steps need a longer chain than {len(solver.samples)}")
        return np.array([solver.samples[burn_in + i * every] for i in range(draws)])
    if "NN_Ens" in names:  # NN_RMS is one
        return np.array([flat_of(learner.best_model) for learner in solver.learners])
    raise NotServed(f"the solver is a {names[0]}; NN_Ens, NN_RMS, NN_SWAG, NN_Laplace, NN_VI, NN_MCMC are served")


def gaussians_of(solver):
    """[(mean [P], standard deviations [P], factor [P x k] or None)]: covariance diag(std^2) + factor factor'."""
    names = class_names(solver)
    if "NN_VI" in names:
        bnet = solver.best_model
        std = np.concatenate([np.exp(array(r.logsigma)).ravel() if r.logsigma is not None else
                              np.log1p(np.exp(array(r.rho))).ravel() for r in bnet.rparams])
        return [(means_of(bnet), std, None)]
    if "NN_SWAG" in names:
        low = solver.cov_type == "lowrank"
        return [(solver.means[j], np.sqrt(solver.cov_diags[j] * (0.5 if low else 1.0)),
                 solver.d_mats[j] / np.sqrt(2.0 * (solver.k - 1)) if low else None) for j in range(solver.nens)]
    if "NN_Laplace" in names:
        found = []
        for mean, cov in zip(solver.means, solver.cov_mats):
            # As numpy.random.multivariate_normal reads a covariance, which need not be positive definite.
            _, s, v = np.linalg.svd(cov)
            found.append((mean, np.zeros(len(mean)), (v.T * np.sqrt(s))))
        return found
    raise NotServed(f"{names[0]} has no normal distributions; leave gaussian out")


# ---- documents ----


def plain_draws(solver, flat):
    """draws_of as the parameters that mlp_of and rnet_of expect."""
    names, net = class_names(solver), net_of(solver)
    if is_plain(net):
        return flat
    members = not {"NN_SWAG", "NN_Laplace", "NN_VI", "NN_MCMC"} & set(names)
    inner = net.nnmodel if "SNet" in class_names(net) else net
    if inner.bnorm and not members:
        raise NotServed(f"{names[0]} with batch normalisation, whose running means its draws do not have")
    nets = [learner.best_model for learner in solver.learners] if members else [net] * len(flat)
    return np.array([plain_row(one.nnmodel if "SNet" in class_names(one) else one, row)
                     for one, row in zip(nets, flat)])


def net_of(solver):
    if "NN_VI" in class_names(solver):
        return solver.nnmodel
    return solver.learners[0].nnmodel if hasattr(solver, "learners") else solver.nnmodel


def document_of(solver, draws=100, burn_in=1000, gaussian=False, **more):
    """more: other keys of the document: noise, scaling, names, units, training_range, .. and, with `gaussian`,
    seed (0) and predictive ("sampled" or "linearised")."""
    architecture, places = network_of(net_of(solver))
    if gaussian and not is_plain(net_of(solver)):
        raise NotServed("a normal distribution with dropout or batch normalisation; leave gaussian out")
    if gaussian:
        members = []
        for mean, std, factor in gaussians_of(solver):
            member = {"mean": placed(np.asarray(mean), places).tolist(), "first": 0,
                      "std": placed(std, places).tolist()}
            if factor is not None:
                member["factor"] = placed(factor.T, places).T.tolist()
            members.append(member)
        posterior = {"kind": "gaussian", "draws": draws, "seed": more.pop("seed", 0),
                     "predictive": more.pop("predictive", "sampled"), "members": members}
    else:
        posterior = {"kind": "draws",
                     "parameters": placed(plain_draws(solver, draws_of(solver, draws, burn_in)), places).tolist()}
    return {"architecture": architecture, "posterior": posterior,
            "provenance": {"made by": f"QUiNN, {type(solver).__name__}"}, **more}


def safetensors_of(solver, draws=100, burn_in=1000, **more):
    """Bytes of a safetensors file: the draws of each of an RNet's parameters, by its name, stacked."""
    net = net_of(solver)
    architecture, places = network_of(net)
    if places is not None:
        raise NotServed("only an RNet's parameters have the names that the server reads; use document_of")
    document = {"architecture": architecture, "posterior": {"kind": "draws"},
                "provenance": {"made by": f"QUiNN, {type(solver).__name__}"}, **more}
    flat = draws_of(solver, draws, burn_in)
    header, parts, at, begin = {"__metadata__": {"model": json.dumps(document)}}, [], 0, 0
    for name, parameter in net.named_parameters():
        size = parameter.numel()
        part = np.ascontiguousarray(flat[:, at:at + size], dtype="<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": [len(flat), *parameter.shape],
                        "data_offsets": [begin, begin + len(part)]}
        parts.append(part)
        at += size
        begin += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)
