#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bursts on fresh servers: each start is met by many connections at once, and every request must be answered.

usage: bursts.py SURROGATED_BINARY [--starts N] [--connections N]
"""

import argparse
import os
import resource
import selectors
import shutil
import socket
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--starts", type=int, default=500)
parser.add_argument("--connections", type=int, default=1000)
options = parser.parse_args()

os.environ["SURROGATED_BIN"] = os.path.abspath(options.binary)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
from harness import Server  # noqa: E402

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 60  # seconds without an answer, after which a request counts as lost


def burst(server):
    """How many requests are never answered."""
    selector = selectors.DefaultSelector()
    clients = []
    for _ in range(options.connections):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", server.port))
        selector.register(client, selectors.EVENT_WRITE)
        clients.append(client)
    left = options.connections
    last = time.monotonic()
    while left > 0 and time.monotonic() - last < PATIENCE:
        for key, event in selector.select(0.2):
            if event & selectors.EVENT_WRITE:
                key.fileobj.send(REQUEST)
                selector.modify(key.fileobj, selectors.EVENT_READ)
            else:
                assert b"200 OK" in key.fileobj.recv(65536)
                selector.unregister(key.fileobj)
                left -= 1
                last = time.monotonic()
    for client in clients:
        client.close()
    return left


resource.setrlimit(resource.RLIMIT_NOFILE, (options.connections + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
lost = []
for _ in range(options.starts):
    folder = tempfile.mkdtemp()
    server = Server(folder).start()
    lost.append(burst(server))
    assert server.stop() == 0
    shutil.rmtree(folder)
print(f"{options.starts} starts, {options.connections} connections each: in {sum(n > 0 for n in lost)} starts "
      f"requests were never answered, {sum(lost)} in all")
sys.exit(any(lost))
