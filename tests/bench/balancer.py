#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/haproxy-replicas.cfg under load: one writer, three replicas, and what may happen to them.

Clients predict and read through the balancer without a pause. Meanwhile one replica is killed and
comes back, again and again, one is cut off (its network namespace loses its link; without the right
to make one it is stopped by SIGSTOP), versions are published, and the writer is restarted. A client
that writes asks after each write for what it has written. Printed: how many requests failed, how soon
replicas served a new version, how long a write was not answered. The exit status is 1 if a safe request failed, a
replica took longer than 5 s, or a client did not see what it had written.

usage: SURROGATED_BIN=build-release/server/surrogated python3 balancer.py [--seconds 60] [--port 28000]
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "process")]
from harness import BINARY, architecture, document  # noqa: E402

SAMPLE = os.path.join(HERE, "..", "..", "deploy", "haproxy-replicas.cfg")
HAPROXY = os.environ.get("HAPROXY") or shutil.which("haproxy")
POINT = json.dumps({"inputs": [[0.1, 0.2]]})
PREDICT = "/v1/models/p/predict"
NAMES = ("writer", "replica1", "replica2", "replica3")
SERVED_WITHIN_S = 5


class Namespace:
    """A network namespace with one link to this one, which can be taken down."""

    def __init__(self, number):
        self.name = f"surrogated{number}"
        self.outside, self.inside = f"sgt{number}a", f"sgt{number}b"
        self.host, self.address = f"198.18.{number % 250}.1", f"198.18.{number % 250}.2"
        for line in (f"netns add {self.name}", f"link add {self.outside} type veth peer name {self.inside}",
                     f"link set {self.inside} netns {self.name}", f"addr add {self.host}/30 dev {self.outside}",
                     f"link set {self.outside} up", f"-n {self.name} addr add {self.address}/30 dev {self.inside}",
                     f"-n {self.name} link set {self.inside} up", f"-n {self.name} link set lo up"):
            subprocess.run(["ip", *line.split()], check=True, capture_output=True)

    @staticmethod
    def make(number):
        """None: this user may not, or there is no ip."""
        try:
            return Namespace(number)
        except (OSError, subprocess.CalledProcessError):
            return None

    def link(self, state):
        subprocess.run(["ip", "link", "set", self.outside, state], check=True)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self.outside], check=False, capture_output=True)


class Node:
    """A server of the farm, at a place of its own."""

    def __init__(self, folder, name, port, space=None):
        self.name, self.port, self.space = name, port, space
        self.host = space.address if space else "127.0.0.1"
        self.log = os.path.join(folder, name + ".log")
        self.flags = ["--db", os.path.join(folder, "registry.db"), "--listen", f"{self.host}:{port}", "--hosts", "*",
                      "--max-peer-connections", "1000", "--predict-threads", "1"]
        if space:
            self.flags += ["--insecure", "true"]
        if name != "writer":
            self.flags += ["--read-only", "true", "--follow-ms", "500"]
        self.process = None

    def start(self):
        inside = ["ip", "netns", "exec", self.space.name] if self.space else []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*inside, BINARY, "serve", *self.flags], stderr=log)
        for _ in range(600):
            try:
                if ask(self.host, self.port, "GET", "/readyz", timeout=2)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not start: see {self.log}")

    def send(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(60)

    def version(self):
        try:
            return json.loads(ask(self.host, self.port, "POST", PREDICT, POINT, timeout=2)[2]).get("version", 0)
        except OSError:
            return 0


def ask(host, port, method, path, body=None, headers=None, timeout=30):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Load(threading.Thread):
    """Safe requests over one connection that is kept, one after the other."""

    def __init__(self, port, number, stop):
        super().__init__()
        self.port, self.number, self.stop_event = port, number, stop
        self.n, self.failures, self.slowest = 0, [], 0.0

    def run(self):
        paths = [("POST", PREDICT, POINT)] * 4 + [("GET", "/v1/models/p", None), ("GET", "/v1/models", None)]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop_event.is_set():
            method, path, body = paths[(self.n + self.number) % len(paths)]
            began = time.monotonic()
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                data = answer.read()
                if answer.status != 200:
                    self.failures.append((time.time(), method, path, answer.status, data[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((time.time(), method, path, repr(error), b""))
                connection.close()
            self.n += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
        connection.close()


class Writer(threading.Thread):
    """Publishes versions, and asks any server for what it has written."""

    def __init__(self, port, stop, pause):
        super().__init__()
        self.port, self.stop_event, self.pause = port, stop, pause
        self.writes, self.refused, self.read, self.stale, self.waited = 0, 0, 0, [], 0.0
        self.unanswered = 0.0
        self.seed = 100

    def publish(self):
        """(registry version, version of the model), however long the writer is away."""
        self.seed += 1
        body = json.dumps(document(seed=self.seed, arch=architecture(inputs=2, outputs=1)))
        began = time.monotonic()
        while True:
            try:
                status, headers, data = ask("127.0.0.1", self.port, "PUT", "/v1/models/p", body)
                if status in (200, 201):  # 200: it was stored at the attempt before
                    self.writes += 1
                    self.unanswered = max(self.unanswered, time.monotonic() - began)
                    return headers["X-Registry-Version"], json.loads(data)["version"]
            except OSError:
                pass
            self.refused += 1
            time.sleep(0.1)

    def run(self):
        while not self.stop_event.is_set():
            number, version = self.publish()
            for _ in range(6):
                began = time.monotonic()
                status, _, data = ask("127.0.0.1", self.port, "POST", PREDICT, POINT,
                                      {"If-Registry-Version-At-Least": number})
                self.waited = max(self.waited, time.monotonic() - began)
                self.read += 1
                if status != 200 or json.loads(data)["version"] < version:
                    self.stale.append((number, version, status, data[:200]))
            self.stop_event.wait(self.pause)


def free_ports(n):
    """n ports that are free at this moment, one after the other."""
    for first in range(20000 + os.getpid() % 8000, 30000, n):
        sockets = []
        try:
            for port in range(first, first + n):
                one = socket.socket()
                sockets.append(one)
                one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise SystemExit("no free ports")


def configure(folder, nodes, port):
    with open(SAMPLE, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r":443 ssl .*", f"127.0.0.1:{port}", text)
    text = text.replace("127.0.0.1:8405", f"127.0.0.1:{port + 9}")
    for i, node in enumerate(nodes):
        text = text.replace(f" {node.name} 10.0.0.{10 + i}:8080", f" {node.name} {node.host}:{node.port}")
    assert "10.0.0." not in text
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    checked = subprocess.run([HAPROXY, "-c", "-q", "-f", path], capture_output=True, text=True, check=False)
    if checked.returncode != 0 or checked.stderr:
        raise SystemExit(f"haproxy refuses its configuration: {checked.stderr}")
    return path


def wait_for_proxy(proxy, port):
    while proxy.poll() is None:
        try:
            if ask("127.0.0.1", port, "GET", "/v1/models")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"haproxy ended with status {proxy.returncode}")


def time_to_serve(nodes, writer):
    """Publishes and waits until each node serves it: seconds of the slowest."""
    _, version = writer.publish()
    began = time.monotonic()
    left = list(nodes)
    while left and time.monotonic() - began < 30:
        left = [node for node in left if node.version() < version]
        time.sleep(0.02)
    return time.monotonic() - began


def events(nodes, writer, seconds, tell):
    """What happens, by parts of the time. Seconds until all replicas served a version."""
    home, one, two, _ = nodes
    began = time.monotonic()

    def until(part, what):
        time.sleep(max(0.0, began + part * seconds - time.monotonic()))
        tell(f"{time.monotonic() - began:6.1f} s  {what}")

    until(0.05, "replica1 is killed again and again")
    while time.monotonic() - began < 0.25 * seconds:
        one.send(signal.SIGKILL)
        one.process.wait()
        time.sleep(0.2)
        one.start()
        time.sleep(0.5)
    until(0.25, "replica1 is left in peace")
    until(0.35, "replica2 is cut off" if two.space else "replica2 is stopped by SIGSTOP (no network namespace)")
    if two.space:
        two.space.link("down")
    else:
        two.send(signal.SIGSTOP)
    until(0.55, "replica2 is back")
    if two.space:
        two.space.link("up")
    else:
        two.send(signal.SIGCONT)
    until(0.65, "a version is published, and all replicas are asked for it")
    served = time_to_serve(nodes[1:], writer)
    until(0.75, "the writer is restarted")
    home.stop()
    home.start()
    until(0.85, "a version is published")
    served = max(served, time_to_serve(nodes[1:], writer))
    until(1.0, "the end")
    return served


def run(settings, tell=print):
    """Counts and times, as a dict."""
    folder = tempfile.mkdtemp(prefix="balancer-")
    settings.port = settings.port or free_ports(10)
    space = Namespace.make(settings.port // 10) if settings.namespaces else None
    nodes = [Node(folder, name, settings.port + 1 + i, space if name == "replica2" else None)
             for i, name in enumerate(NAMES)]
    stop, proxy, threads = threading.Event(), None, []
    try:
        nodes[0].start()
        first = Writer(nodes[0].port, stop, 0)
        first.publish()
        for node in nodes[1:]:
            node.start()
        proxy = subprocess.Popen([HAPROXY, "-db", "-q", "-f", configure(folder, nodes, settings.port)])
        wait_for_proxy(proxy, settings.port)
        load = [Load(settings.port, i, stop) for i in range(settings.clients)]
        writer, publisher = Writer(settings.port, stop, settings.pause), Writer(settings.port, stop, 0)
        publisher.seed = 10000
        threads = [*load, writer]
        for thread in threads:
            thread.start()
        served = events(nodes, publisher, settings.seconds, tell)
        stop.set()
        for thread in threads:
            thread.join()
        return {"requests": sum(one.n for one in load), "failures": sum((one.failures for one in load), []),
                "slowest": max(one.slowest for one in load), "served": served,
                "writes": writer.writes + publisher.writes, "refused": writer.refused + publisher.refused,
                "unanswered": max(writer.unanswered, publisher.unanswered), "read": writer.read,
                "stale": writer.stale, "waited": writer.waited, "namespace": space is not None}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        if proxy:
            proxy.kill()
            proxy.wait()
        for node in nodes:
            node.stop()
        if space:
            space.remove()
        shutil.rmtree(folder, True)


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=28000, help="the first of ten; 0: free ones")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two writes")
    parser.add_argument("--no-namespaces", dest="namespaces", action="store_false")
    return parser.parse_args(arguments)


def holds(found):
    return not found["failures"] and not found["stale"] and found["served"] <= SERVED_WITHIN_S


def main():
    if not HAPROXY:
        raise SystemExit("haproxy is missing: apt-get install haproxy")
    found = run(parse(sys.argv[1:]))
    print(f"safe requests {found['requests']}, failed {len(found['failures'])}, slowest {found['slowest']:.2f} s")
    for failure in found["failures"][:5]:
        print("   ", failure)
    print(f"writes {found['writes']}, attempts that were refused {found['refused']}, "
          f"longest without an answer {found['unanswered']:.2f} s")
    print(f"a new version was served by all replicas after {found['served']:.2f} s (bound {SERVED_WITHIN_S})")
    print(f"reads after a write {found['read']}, of which stale or refused {len(found['stale'])}, "
          f"slowest {found['waited']:.2f} s")
    for stale in found["stale"][:5]:
        print("   ", stale)
    print("everything holds" if holds(found) else "SOMETHING DOES NOT HOLD")
    sys.exit(not holds(found))


if __name__ == "__main__":
    main()
