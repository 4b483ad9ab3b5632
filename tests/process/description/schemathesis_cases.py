# SPDX-License-Identifier: Apache-2.0
"""Requests that schemathesis makes from the OpenAPI description, against a live server.

Its default checks: no answer of 5xx; status, media type, headers and body of every answer are those that
the description tells of; what the schemas forbid is refused; other methods are. What the schemas
allow is taken, where that does not depend on the model: rows must have its columns, and JSON Schema
cannot say so.

usage: schemathesis_cases.py SCHEMATHESIS [SEED]    exits with 0 when nothing was found
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Server

MIN_CASES = 2000
EXAMPLES = 20  # of each operation, besides those at the limits of every value
# A document like that of schema/API.md, and the rows of its first upload.
DECAY = {"architecture": {"inputs": 1, "outputs": 1, "width": 2, "layers": 1},
         "posterior": {"kind": "draws", "parameters": [[0.05 * k for k in range(19)], [0.04 * k for k in range(19)]]},
         "noise": {"sigma": [0.1]}, "training_range": [[0, 10]],
         "names": {"inputs": ["time"], "outputs": ["temperature"]}}
FLOW = {"names": {"inputs": ["k", "T"], "outputs": ["p", "q"]},
        "inputs": [[i % 10 / 9, i // 10 / 9] for i in range(100)],
        "outputs": [[i % 7 / 6, i % 10 / 9 + i // 10 / 9] for i in range(100)]}

# Operations whose bodies must fit a model, its rows or its version, or each other's members; a day must be
# one of its month. Queries of predictions are for tables and arrays alone.
OF_A_MODEL = ["predict", "model_predict", "version_predict", "evaluate", "version_evaluate", "compare",
              "model_put", "data_post", "space_put", "space_delete", "train", "policy_put",
              "umbridge_model_info", "umbridge_input_sizes", "umbridge_output_sizes", "umbridge_evaluate",
              "umbridge_gradient", "umbridge_apply_jacobian", "umbridge_apply_hessian", "oip_infer",
              "oip_version_infer", "token_create"]
# An unloaded model is answered with 503 until somebody loads it: not while others are asked.
APART = "oip_unload"

# Headers that an operation does not name are no fault of a request.
HOOKS = """
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    return "x-schemathesis-unknown-property" not in (case.headers or {})
"""
CONFIG = """
hooks = "hooks"

[warnings]
enabled = false

[[operations]]
include-operation-id = [{of_a_model}]
checks.positive_data_acceptance.enabled = false
"""


def prepare(server):
    assert server.request("PUT", "/v1/models/decay", DECAY)[0] == 201
    assert server.request("POST", "/v1/models/flow/data", FLOW)[0] == 201
    request = {"solver": "ensemble", "architecture": {"width": 4, "layers": 1},
               "settings": {"members": 2, "epochs": 5}}
    job = server.request("POST", "/v1/models/flow/train", request)[2]["id"]
    assert server.wait_job(job, "succeeded")["version"] == 1


def run(schemathesis, server, folder, *flags):
    """(exit status, cases)"""
    command = [schemathesis, "--config-file", os.path.join(folder, "schemathesis.toml"), "run",
               f"http://127.0.0.1:{server.port}/openapi.json", "--phases", "examples,coverage,fuzzing",
               "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color", *flags]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": folder})
    cases = re.search(r"(?m)^  (\d+) generated", done.stdout)
    print(done.stdout)
    return done.returncode, int(cases.group(1)) if cases else 0


def main():
    schemathesis, seed = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1"
    folder = tempfile.mkdtemp()
    server = Server(folder).start()
    try:
        prepare(server)
        with open(os.path.join(folder, "schemathesis.toml"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(of_a_model=", ".join(f'"{name}"' for name in OF_A_MODEL)))
        with open(os.path.join(folder, "hooks.py"), "w", encoding="utf-8") as file:
            file.write(HOOKS)
        many, cases = run(schemathesis, server, folder, "--seed", seed, "--exclude-operation-id", APART)
        apart, more = run(schemathesis, server, folder, "--seed", seed, "--include-operation-id", APART)
        code = server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, True)
    print(f"{cases + more} cases; findings: {'none' if many == 0 and apart == 0 else 'see above'}; "
          f"the server stopped with {code}")
    sys.exit(1 if many or apart or code or cases + more < MIN_CASES else 0)


if __name__ == "__main__":
    main()
