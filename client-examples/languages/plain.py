#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server from Python's standard library.

usage: plain.py MODEL predict X1,X2,.. ..
       plain.py MODEL append FILE.csv KEY

predict prints mean and standard deviation of each output, a line for each point. append uploads a
table whose first line has the names of the columns, once, however often it is run with the same KEY.
Exit status: 0 done, 1 refused, 2 wrong usage, 3 no server.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

SERVER = os.environ.get("SURROGATED_SERVER", "http://127.0.0.1:8080")
TOKEN = os.environ.get("SURROGATED_TOKEN")
RETRY_S = float(os.environ.get("SURROGATED_RETRY_S", "60"))  # how long to wait for a busy server
TIMEOUT_S = 60


def end(status, text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr)
    sys.exit(status)


def post_bytes(path, body, headers):
    """The body of the answer. The same request, key included, is sent again while the server is busy or away."""
    if TOKEN:
        headers = {**headers, "Authorization": f"Bearer {TOKEN}"}
    deadline = time.monotonic() + RETRY_S
    pause = 0.2
    while True:
        try:
            request = urllib.request.Request(SERVER + path, body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            if error.code not in (429, 503):
                end(1, json.loads(text)["detail"] if "json" in error.headers["Content-Type"] else str(error))
            status, reason = 1, f"the server is busy ({error.code})"
            pause = float(error.headers.get("Retry-After", pause))
        except OSError as error:
            status, reason = 3, f"no server at {SERVER}: {getattr(error, 'reason', error)}"
        if time.monotonic() + pause > deadline:
            end(status, reason)
        time.sleep(pause)
        pause = min(2 * pause, 10)


def post(path, body, headers):
    return json.loads(post_bytes(path, body, headers))


def predict(model, points):
    body = json.dumps({"inputs": points, "return": ["mean", "std"]}).encode()
    answer = post(f"/v1/models/{model}/predict", body, {"Content-Type": "application/json"})
    for mean, std in zip(answer["mean"], answer["std"]):
        print(*(f"{m:.4g} +- {s:.2g}" for m, s in zip(mean, std)), sep="   ")
    for warning in answer["warnings"]:
        print(f"warning: {json.dumps(warning)}", file=sys.stderr)


def append(model, name, key):
    outputs = os.environ.get("OUTPUTS")  # needed for the first rows of a model
    with open(name, "rb") as file:
        answer = post(f"/v1/models/{model}/data" + (f"?outputs={outputs}" if outputs else ""), file.read(),
                      {"Content-Type": "text/csv", "Idempotency-Key": key})
    print(f"{answer['rows']} rows, {answer['total_rows']} in all")


def main(args):
    try:
        if len(args) >= 3 and args[1] == "predict":
            return predict(args[0], [[float(value) for value in text.split(",")] for text in args[2:]])
        if len(args) == 4 and args[1] == "append":
            return append(args[0], *args[2:])
    except (ValueError, OSError) as error:
        end(2, error)
    return end(2, "usage: plain.py MODEL predict X1,X2,.. .. | MODEL append FILE.csv KEY")


if __name__ == "__main__":
    main(sys.argv[1:])
