#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Means with bands along one input: a notebook as a script. Cells begin with "# %%", which Jupyter
(jupytext), VS Code and Spyder understand.

usage: python3 client-examples/bands.py [--url URL] [--model NAME] [--along COLUMN] [--out FILE]

Of a model with training rows it draws every output over one input, the others being held at their
medians: the mean, a band of two standard deviations of what the model does not know, and an interval
that holds 90 % of new simulations. Needs pandas; without matplotlib it prints the numbers instead.
"""

# %% What is needed
import argparse
import json
import os
import sys
import urllib.error
import urllib.request

try:
    import pandas as pd
except ImportError:
    sys.exit("bands.py needs pandas: pip install pandas matplotlib "
             "(Debian: apt install python3-pandas python3-matplotlib)")
try:
    import matplotlib
    matplotlib.use("Agg")  # draws into a file; leave this out in a notebook
    import matplotlib.pyplot as plt
except ImportError:
    plt = None

POINTS = 101

# %% Which server, which model
options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
options.add_argument("--url", default=os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080"),
                     help="the server [%(default)s]")
options.add_argument("--model", default="reaction", help="the model [%(default)s, that of the quick start]")
options.add_argument("--along", default="x1", help="the input that varies: x1, x2 and so on [%(default)s]")
options.add_argument("--out", default="bands.png", help="the picture [%(default)s]")
options = options.parse_args()


def call(path, body=None):
    """The answer to a request: JSON as Python values, CSV as an open file."""
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = urllib.request.urlopen(urllib.request.Request(options.url + path, data))
    except urllib.error.HTTPError as error:
        sys.exit(f"{path}: {json.load(error)['detail']}")
    except urllib.error.URLError as error:
        sys.exit(f"no server at {options.url}: {error.reason}; sh deploy/quickstart.sh starts one")
    return json.load(answer) if "json" in answer.headers["Content-Type"] else answer


# %% The rows the model was trained on, as a table with columns x1, x2, .. y1, y2, ..
rows = pd.read_csv(call(f"/v1/models/{options.model}/data/rows?format=csv"))
inputs = [name for name in rows if name.startswith("x")]
outputs = [name for name in rows if name.startswith("y")]
if options.along not in inputs:
    sys.exit(f"there is no input {options.along}; the model has {', '.join(inputs)}")

# %% A line through the inputs: one goes over its range, the others stay at their medians
low, high = rows[options.along].min(), rows[options.along].max()
line = pd.DataFrame({name: [rows[name].median()] * POINTS for name in inputs})
line[options.along] = [low + (high - low) * i / (POINTS - 1) for i in range(POINTS)]

# %% Predictions there
answer = call(f"/v1/models/{options.model}/predict",
              {"inputs": line.values.tolist(), "return": ["mean", "std"], "intervals": [0.9]})
interval = answer["intervals"][0]
bands = {name: pd.DataFrame({
    options.along: line[options.along],
    "mean": [row[j] for row in answer["mean"]],
    "std": [row[j] for row in answer["std"]],
    "lower": [row[j] for row in interval["lower"]],
    "upper": [row[j] for row in interval["upper"]]}) for j, name in enumerate(outputs)}
if answer["warnings"]:
    print("warnings:", answer["warnings"])

# %% Without matplotlib: every tenth point as a table
if plt is None:
    for name, band in bands.items():
        print(f"{name} (90 % interval: {interval['method']})")
        print(band[::10].to_string(index=False, float_format="%.4g"))
    print("pip install matplotlib (Debian: apt install python3-matplotlib) draws this into a picture")
    sys.exit()

# %% The picture: above the outputs, below the bands alone, seen from the mean
figure, axes = plt.subplots(2, len(outputs), figsize=(4 * len(outputs), 5), squeeze=False, sharex=True,
                            layout="constrained")
for j, (name, band) in enumerate(bands.items()):
    x, mean, std = band[options.along], band["mean"], band["std"]
    for axis, zero in ((axes[0][j], 0 * mean), (axes[1][j], mean)):
        axis.fill_between(x, band.lower - zero, band.upper - zero, color="#dde5ef",
                          label=f"90 % interval ({interval['method']})")
        axis.fill_between(x, mean - 2 * std - zero, mean + 2 * std - zero, color="#9db7d9",
                          label="mean \u00b1 2 std of the model")
        axis.plot(x, mean - zero, color="#1f4e8c", label="mean")
    axes[0][j].set(ylabel=name)
    axes[1][j].set(xlabel=options.along, ylabel=f"{name} - mean")
axes[0][0].legend(fontsize="small")
figure.suptitle(f"{options.model}, version {answer['version']}, {answer['draws']} draws")
figure.savefig(options.out, dpi=150)
print(f"{options.out}: {len(outputs)} outputs over {options.along}, {POINTS} points")
