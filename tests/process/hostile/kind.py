# SPDX-License-Identifier: Apache-2.0
"""What a kind of attack is, and what their scripts share."""

import json

HOST = b"Host: localhost\r\n"
# What a limit of the server may say to anybody, good clients too.
BUSY = (429, 503)


class Kind:
    def __init__(self, play, weight, statuses):
        self.name = play.__name__
        self.play = play
        self.weight = weight
        self.statuses = frozenset(statuses)


def collector(kinds):
    """A decorator that adds a kind to a module's list."""
    def kind(weight, *statuses):
        def add(play):
            kinds.append(Kind(play, weight, statuses))
            return play
        return add
    return kind


def request(method, path, body=None, *headers):
    """A well-formed request."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost", *headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


GET = request("GET", "/healthz")
PREDICT = request("POST", "/v1/models/good/predict", {"inputs": [[0.1, 0.2, 0.3]]})
