# SPDX-License-Identifier: Apache-2.0
"""Clients that hold places, go away at bad moments, or are slow."""

import socket

from engine import Drain, Gone, Pause, Read, Reconnect, Reset, Send, Shut
from kind import BUSY, GET, HOST, PREDICT, collector, request

KINDS = []
kind = collector(KINDS)


@kind(30)
def bare_connect(t):
    yield Pause(t.rng.random() * 0.5)


@kind(1)
def burst_over_the_limit(t):
    """More connections at once than there may be, all closed again."""
    burst = []
    for _ in range(t.world.max_connections + 100):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", t.world.port))
        burst.append(s)
    yield Pause(0.02)
    for s in burst:
        s.close()


@kind(2, 200)
def burst_of_requests(t):
    """A hundred clients whose requests arrive together; each must be answered."""
    burst = []
    for _ in range(100):
        s = socket.create_connection(("127.0.0.1", t.world.port), timeout=t.world.patience)
        burst.append(s)
        t.requests += 1
    yield Pause(0.05)
    for s in burst:
        s.sendall(GET)
    yield Pause(0.5)
    for s in burst:
        try:
            answer = s.recv(4096)
        except TimeoutError:
            answer = b"nothing at all"
        except ConnectionError:
            answer = b""
        # The oldest idle ones are closed when there is no room.
        t.check(200 if answer == b"" or b" 200 OK" in answer else 0, answer)
        s.close()


@kind(30)
def one_byte_then_close(t):
    yield Send(bytes([t.rng.randrange(256)]))


@kind(30)
def half_a_head_then_close(t):
    yield Send(GET[:t.rng.randrange(1, len(GET))])
    if t.rng.random() < 0.5:
        yield Reset()


@kind(20)
def half_a_body_then_close(t):
    yield Send(PREDICT[:t.rng.randrange(len(PREDICT) - 30, len(PREDICT))])
    if t.rng.random() < 0.5:
        yield Reset()


@kind(20)
def half_a_chunk_then_close(t):
    yield Send(b"POST /v1/models/good/predict HTTP/1.1\r\n" + HOST +
               b"Transfer-Encoding: chunked\r\n\r\nff\r\n{\"inp")


@kind(4, 400, 408)
def slow_head(t):
    """A byte now and then, until the server has had enough."""
    yield Send(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
    while True:
        yield Send(b"x")
        yield Pause(0.4)


@kind(4, 400, 408)
def slow_body(t):
    yield Send(b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: 90000\r\n\r\n")
    while True:
        yield Send(b"     ")
        yield Pause(0.4)


@kind(3, 400, 408, 413, 503)
def trickling_body(t):
    """A part of a long body, held for a while."""
    yield Send(b"POST /v1/models/noise/data HTTP/1.1\r\n" + HOST + b"Content-Length: 60000000\r\n\r\n")
    yield Send(b" " * 262144)
    yield Pause(t.world.hold_s)
    yield Reset()


@kind(3, 200, 413, *BUSY)
def unread_answer(t):
    """A large answer that nobody reads."""
    yield Reconnect(receive=4096)
    yield Send(request("POST", "/v1/models/many/predict",
                       {"inputs": [[0.5]] * 400, "samples": 200, "return": ["samples"]}))
    yield Pause(t.world.hold_s)
    yield Reset()


@kind(5, 200, 413, *BUSY)
def reset_in_the_middle_of_an_answer(t):
    yield Reconnect(receive=4096)
    yield Send(request("GET", "/v1/models/many/versions/1/export"))
    yield Drain(0.02)
    yield Reset()


@kind(20, 200)
def half_close(t):
    """The client's side ends behind the request; the answer comes all the same."""
    for _ in range(20):  # an idle connection may have to make room before its request comes
        try:
            yield Send(PREDICT)
            yield Shut()
            yield Read()
            yield Drain()
            return
        except Gone:
            yield Reconnect()
    t.check(0, b"no answer after a half-close")


@kind(10, 200)
def idle_after_a_request(t):
    yield Send(GET)
    yield Read()
    yield Pause(t.world.hold_s)


@kind(10, 200)
def storm_of_closes(t):
    for _ in range(5):
        yield Send(request("GET", "/healthz", None, b"Connection: close"))
        yield Drain()
        yield Reconnect()
        t.requests += 1


@kind(8, 200, 204, 400, *BUSY)
def flood_of_event_streams(t):
    """Followers that stay, and followers that come back at once."""
    for _ in range(t.rng.choice((1, 1, 1, 4))):
        last = t.rng.choice((b"0", b"1", b"18446744073709551615", b"-1", b"x"))
        yield Send(request("GET", f"/v1/jobs/{t.world.patient}/events", None, b"Last-Event-ID: " + last))
        yield Drain(0.1)
        yield Pause(t.rng.random() * t.world.hold_s / 4)
        yield Reconnect()
        t.requests += 1


@kind(5, 200, *BUSY)
def abandoned_predictions(t):
    """The client goes while the answer is computed."""
    yield Send(request("POST", "/v1/models/many/predict", {"inputs": [[0.5]] * 300}))
    yield Pause(t.rng.random() * 0.01)
    yield Reset()


@kind(4, 200, 404, *BUSY)
def reader_of_exports(t):
    """An export of rows that is read a little and then left."""
    yield Reconnect(receive=4096)
    yield Send(request("GET", "/v1/models/prey/data/rows?format=" + t.rng.choice(("json", "csv", "npy", "npz"))))
    yield Drain(0.05)
    yield Pause(t.rng.random() * t.world.hold_s / 2)
    yield Reset()
