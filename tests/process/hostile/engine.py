# SPDX-License-Identifier: Apache-2.0
"""Plays thousands of attacks at once, in one thread.

An attack is a generator that gets a `Talk` and yields what it wants done on its connection: `Send`,
`Read`, `Drain`, `Pause`, `Shut`, `Reset`, `Reconnect`. When the peer ends the connection, `Gone` is
raised inside it; an attack that does not catch that ends. What every answer must be is said by its
kind (`kinds.py`); an attack that sees anything else is a fault, and so is one that waits for longer
than `HANG_S`.
"""

import heapq
import itertools
import os
import random
import re
import selectors
import socket
import struct
import time

HANG_S = 240  # seconds without any progress after which an attack has found a server that hangs
MAX_FAULTS = 20  # then the rest is not played
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
LINGER_NONE = struct.pack("ii", 1, 0)


class Gone(Exception):
    """The server has ended the connection."""


class Fault(Exception):
    """The server did what it must not do."""


class Send:
    def __init__(self, data):
        self.data = memoryview(data)


class Read:
    """One answer; without_body: to a HEAD request."""

    def __init__(self, without_body=False):
        self.without_body = without_body


class Drain:
    """Everything until the server closes; or until `seconds` have passed."""

    def __init__(self, seconds=None):
        self.seconds = seconds


class Pause:
    def __init__(self, seconds):
        self.seconds = seconds


class Shut:
    """Ends the client's side."""


class Reset:
    """Ends the connection without a farewell, even if something has not been read."""


class Reconnect:
    """Another connection in place of this one; receive: a small buffer for answers."""

    def __init__(self, receive=None):
        self.receive = receive


class Answer:
    def __init__(self, status, head, body):
        self.status = status
        self.head = head
        self.body = body


def answer_end(buffer, without_body):
    """(status, where the head ends, where the answer ends), or None while it is incomplete. An
    answer without a length ends with the connection: its end is then -1."""
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return None
    found = STATUS.match(buffer)
    if not found:
        raise Fault(f"no HTTP answer: {bytes(buffer[:80])!r}")
    status, begin = int(found.group(1)), head + 4
    lines = bytes(buffer[:head]).lower()
    if without_body or status in (100, 204, 304):
        return status, begin, begin
    length = re.search(rb"\r\ncontent-length: *(\d+)", lines)
    if length:
        end = begin + int(length.group(1))
        return (status, begin, end) if len(buffer) >= end else None
    if b"transfer-encoding: chunked" in lines:
        at = begin
        while (line := buffer.find(b"\r\n", at)) >= 0:
            size = int(bytes(buffer[at:line]), 16)
            at = line + 2 + size + 2
            if size == 0:
                return (status, begin, at) if len(buffer) >= at else None
        return None
    return status, begin, -1


class Talk:
    """An attack under way."""

    def __init__(self, kind, number, world, rng):
        self.kind = kind
        self.number = number
        self.world = world
        self.rng = rng
        self.socket = None
        self.events = 0
        self.script = None
        self.wanted = None
        self.received = bytearray()
        self.ended = False
        self.moved = time.monotonic()
        self.requests = 1  # more where one attack sends several
        self.asked = False  # the first of several

    def check(self, status, text):
        if status not in self.kind.statuses:
            raise Fault(f"status {status}: ...{bytes(text[-300:])!r}")
        if status >= 500 and str(self.world.folder).encode() in bytes(text):
            raise Fault("an answer names a folder of the server")


class Outcome:
    """What came of the attacks of one kind."""

    def __init__(self):
        self.attacks = 0
        self.requests = 0
        self.statuses = {}
        self.cut = 0


class Engine:
    def __init__(self, world, kinds, seed):
        self.world = world
        self.seed = seed
        self.kinds = kinds
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.order = itertools.count()
        self.open = set()
        self.outcomes = {kind.name: Outcome() for kind in kinds}
        self.faults = []

    # ---- one attack ----

    def begin(self, kind, number):
        # Each attack draws from a stream of its own, whatever the others do meanwhile.
        talk = Talk(kind, number, self.world, random.Random(f"{self.seed} {kind.name} {number}"))
        self.open.add(talk)
        self.outcomes[kind.name].attacks += 1
        try:
            self.connect(talk, None)
            talk.script = kind.play(talk)
            self.advance(talk, None)
        except OSError as error:
            self.end(talk, f"cannot connect: {error}")

    def connect(self, talk, receive):
        self.disconnect(talk)
        talk.socket = socket.socket()
        talk.socket.setblocking(False)
        if receive:
            talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        talk.socket.connect_ex(("127.0.0.1", self.world.port))
        talk.received.clear()
        talk.ended = False
        talk.events = 0

    def disconnect(self, talk):
        if talk.socket is not None:
            self.listen(talk, 0)
            talk.socket.close()
            talk.socket = None

    def listen(self, talk, events):
        if events == talk.events:
            return
        if talk.events == 0:
            self.selector.register(talk.socket, events, talk)
        elif events == 0:
            self.selector.unregister(talk.socket)
        else:
            self.selector.modify(talk.socket, events, talk)
        talk.events = events

    def end(self, talk, fault=None):
        if talk not in self.open:
            return
        self.open.discard(talk)
        self.disconnect(talk)
        self.outcomes[talk.kind.name].requests += talk.requests
        if fault:
            self.faults.append(f"{talk.kind.name} {talk.number} (seed {self.seed}): {fault}")

    def advance(self, talk, value, error=None):
        """Lets the attack say what it wants next, until that takes time."""
        try:
            while True:
                wanted = talk.script.throw(error) if error else talk.script.send(value)
                talk.wanted, error, value = wanted, None, None
                talk.moved = time.monotonic()
                if isinstance(wanted, Shut):
                    self.shut(talk)
                elif isinstance(wanted, Reset):
                    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                    self.disconnect(talk)
                elif isinstance(wanted, Reconnect):
                    self.connect(talk, wanted.receive)
                else:
                    self.wait(talk, wanted)
                    return
        except StopIteration:
            self.end(talk)
        except Gone:
            self.outcomes[talk.kind.name].cut += 1
            self.end(talk)
        except Fault as fault:
            self.end(talk, str(fault))

    @staticmethod
    def shut(talk):
        try:
            talk.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # gone already, which the next step finds out

    def wait(self, talk, wanted):
        if isinstance(wanted, Pause):
            self.listen(talk, 0)
            self.timer(talk, wanted.seconds)
        elif isinstance(wanted, Send):
            self.listen(talk, selectors.EVENT_WRITE)
        else:
            self.listen(talk, selectors.EVENT_READ)
            if isinstance(wanted, Drain) and wanted.seconds is not None:
                self.timer(talk, wanted.seconds)
            if talk.received or talk.ended:
                self.timer(talk, 0)  # it may be there already

    def timer(self, talk, seconds):
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.order), talk, talk.wanted))

    # ---- what happens on its connection ----

    def on_socket(self, talk, events):
        try:
            if events & selectors.EVENT_WRITE:
                wanted = talk.wanted
                wanted.data = wanted.data[talk.socket.send(wanted.data[:1 << 18]):]
                talk.moved = time.monotonic()
                if len(wanted.data) == 0:
                    self.advance(talk, None)
                return
            data = talk.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        talk.moved = time.monotonic()
        talk.received += data
        talk.ended = talk.ended or not data
        self.look(talk)

    def look(self, talk):
        """Is there what the attack waits for?"""
        wanted = talk.wanted
        if isinstance(wanted, Drain):
            if talk.ended:
                self.take_all(talk)
            return
        if not isinstance(wanted, Read):
            self.advance(talk, None, Gone())
            return
        try:
            found = answer_end(talk.received, wanted.without_body)
            if found and found[2] < 0:
                found = (found[0], found[1], len(talk.received)) if talk.ended else None
            if found:
                self.take_answer(talk, *found)
            elif talk.ended:
                self.advance(talk, None, Gone())
        except Fault as fault:
            self.end(talk, str(fault))

    def take_answer(self, talk, status, begin, end):
        answer = Answer(status, bytes(talk.received[:begin]), bytes(talk.received[begin:end]))
        statuses = self.outcomes[talk.kind.name].statuses
        statuses[status] = statuses.get(status, 0) + 1
        talk.check(status, talk.received[:end])
        del talk.received[:end]
        self.advance(talk, answer)

    def take_all(self, talk):
        text = bytes(talk.received)
        talk.received.clear()
        statuses = self.outcomes[talk.kind.name].statuses
        try:
            for status in (int(s) for s in STATUS.findall(text)):
                statuses[status] = statuses.get(status, 0) + 1
                talk.check(status, text)
        except Fault as fault:
            self.end(talk, str(fault))
            return
        self.advance(talk, text)

    def on_timer(self, talk, wanted):
        if talk not in self.open or talk.wanted is not wanted:
            return
        if isinstance(wanted, Pause):
            self.advance(talk, None)
        elif isinstance(wanted, Drain) and wanted.seconds is not None and not talk.ended:
            if time.monotonic() - talk.moved >= wanted.seconds:
                self.take_all(talk)
            else:
                self.timer(talk, wanted.seconds)
        else:
            self.look(talk)

    # ---- all of them ----

    def turn(self, wait_s):
        for key, events in self.selector.select(wait_s):
            if key.data in self.open:
                self.on_socket(key.data, events)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, _, talk, wanted = heapq.heappop(self.timers)
            self.on_timer(talk, wanted)

    def end_hanging(self):
        now = time.monotonic()
        for talk in [t for t in self.open if now - t.moved > HANG_S]:
            self.end(talk, f"no answer for {HANG_S} s while it wanted {type(talk.wanted).__name__}")

    def play(self, n_requests, rate=0.0, at_once=150, after_each=None):
        """Attacks until as many requests were sent, `rate` of them a second (0: as fast as
        `at_once` of them under way allow), then waits for their ends."""
        rng = random.Random(f"{self.seed} order")
        weights = [kind.weight for kind in self.kinds]
        first = rng.sample(self.kinds, len(self.kinds))  # each kind once, then by weight
        start = time.monotonic()
        number = 0
        while self.n_requests() < n_requests and len(self.faults) < MAX_FAULTS:
            late = not rate or self.n_requests() < rate * (time.monotonic() - start)
            if late and len(self.open) < at_once:
                self.begin(first.pop() if first else rng.choices(self.kinds, weights)[0], number)
                number += 1
                if after_each:
                    after_each(number)
            self.turn(0.0 if late and len(self.open) < at_once else 0.002)
            self.end_hanging()
        while self.open and len(self.faults) < MAX_FAULTS:
            self.turn(0.02)
            self.end_hanging()
        for talk in list(self.open):
            self.end(talk)

    def n_requests(self):
        return sum(o.requests for o in self.outcomes.values()) + sum(t.requests for t in self.open)


def seed_of_today():
    """HOSTILE_SEED repeats a run."""
    return os.environ.get("HOSTILE_SEED", "1")
