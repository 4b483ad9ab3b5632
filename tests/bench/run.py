#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds a release and prints how fast it is, as ratios measured side by side in this run: to the
machine's ceiling, to PyTorch, to ONNX Runtime, to FastAPI over PyTorch, to the bare HTTP library.

usage: run.py [--quick] [--parts machine,core,train,json,torch,onnx,nuts,http,batching,latency,scaling] [--out FOLDER]

Needs meson, ninja and libcheck to build, and wrk (all Debian) for HTTP. PyTorch, ONNX Runtime with onnx,
FastAPI and uvicorn are looked for in this interpreter's packages, matplotlib too for the plots; what is
absent is skipped with a word.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "peers")
TOP = os.path.join(HERE, "..", "..")
os.environ["PYTHONPATH"] = HERE + os.pathsep + PEERS  # of the peers, which share workloads.py
PARTS = ("machine", "core", "train", "json", "torch", "onnx", "nuts", "http", "batching", "latency", "scaling")
LUA = """
wrk.method = "POST"
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = os.getenv("BENCH_TYPE")
wrk.headers["Accept"] = os.getenv("BENCH_TYPE")
local pause = tonumber(os.getenv("BENCH_PAUSE_MS") or "0")
if pause > 0 then
  function delay() return math.floor(-pause * math.log(1 - math.random()) + 0.5) end
end
"""


def has(*modules):
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        print(f"  skipped: {', '.join(missing)} not installed for {sys.executable}")
    return not missing


def has_programs(*names):
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        print(f"  skipped: {', '.join(missing)} not installed")
    return not missing


def run(*command, **kwargs):
    """What it prints; a failure ends the benchmark with its last words."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs).stdout
    except FileNotFoundError as error:
        sys.exit(f"run.py: {error.filename} is missing")
    except subprocess.CalledProcessError as error:
        words = "\n".join((error.stdout + error.stderr).strip().splitlines()[-15:])
        sys.exit(f"{words}\nrun.py: {' '.join(command)} failed")


def title(text):
    print(f"\n== {text}", flush=True)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_port(port, process, seconds=120):
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("a server did not start")


class Process:
    """A server for the length of a with block."""

    def __init__(self, port, *command, **env):
        self.port = port
        self.process = subprocess.Popen(
            command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **env})

    def __enter__(self):
        wait_port(self.port, self.process)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


class Bench:
    def __init__(self, options):
        self.options = options
        self.build = os.path.join(TOP, "build-bench")
        self.folder = tempfile.mkdtemp()
        self.seconds = 1 if options.quick else 3
        self.rounds = 3 if options.quick else 5
        self.core = {}
        self.documents = {}
        with open(os.path.join(self.folder, "post.lua"), "w", encoding="ascii") as file:
            file.write(LUA)

    def binary(self, *path):
        return os.path.join(self.build, *path)

    def compile(self):
        if not os.path.exists(self.binary("build.ninja")):
            run("meson", "setup", self.build, TOP, "--buildtype=release")
        run("ninja", "-C", self.build)
        if not os.path.exists(self.binary("tests", "bench", "bench_predict")):
            # meson leaves the folder tests out where libcheck is missing, and may have found that out long ago.
            run("meson", "setup", "--reconfigure", "--clearcache", self.build, TOP)
            run("ninja", "-C", self.build)
        if not os.path.exists(self.binary("tests", "bench", "bench_predict")):
            sys.exit("run.py: the programs of tests/bench are not built where libcheck is missing: apt-get install check")

    # ---- the core ----

    def machine(self):
        title("machine")
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = re.search(r"model name\s*: (.*)", file.read())
        print(f"{model[1] if model else platform.processor()}, {os.cpu_count()} processors, "
              f"Linux {platform.release()}")
        print("commit", run("git", "-C", TOP, "rev-parse", "--short", "HEAD").strip())

    def run_core(self):
        title("prediction against the ceiling (GEMM flops at measured peak + tanh at measured speed)")
        text = run(self.binary("tests", "bench", "bench_predict"), str(self.rounds + 2),
                   "1000" if self.options.quick else "100000")
        print(text)
        precision = None
        for line in text.splitlines():
            if found := re.match(r"(float\d+):", line):
                precision = found[1]
            elif found := re.match(r"(W\d) +(\d+) +(\d+) +(\d+) +\S+ +(\S+)", line):
                if found[4] == "1":
                    self.core[found[1], int(found[2]), int(found[3]), precision] = float(found[5]) / 1e6

    def run_train(self):
        title("training against the ceiling (GEMM flops at measured peak + tanh at measured speed)")
        print(run(self.binary("tests", "bench", "bench_train"), "51" if self.options.quick else "501"))
        title("an iteration of evidence against the ceiling")
        print(run(self.binary("tests", "bench", "bench_evidence"), "3" if self.options.quick else "11"))
        title("training against PyTorch (times in us; ratio = PyTorch / ours)")
        if not has("torch"):
            return
        print(f"{'':4} {'ours':>9} {'ceiling':>9} {'PyTorch':>9} {'ratio':>6} {'2 threads':>9} {'ratio':>6}  form")
        for line in run(self.binary("tests", "bench", "bench_train"), "seconds").splitlines():
            name, mine, *ceiling = line.split()
            mine = float(mine)
            found = []
            for threads in ("1", "2"):
                out = run(sys.executable, os.path.join(PEERS, "peer_train_torch.py"), name, threads,
                          "0.5" if self.options.quick else "2")
                theirs, form = out.strip().split(" ", 1)
                found.append((float(theirs), form))
            share = f"{1e6 * float(ceiling[0]):9.1f}" if ceiling else f"{'-':>9}"
            print(f"{name:4} {1e6 * mine:9.1f} {share} " +
                  " ".join(f"{1e6 * theirs:9.1f} {theirs / mine:6.1f}" for theirs, _ in found) +
                  f"  {found[0][1]}, {found[1][1]}", flush=True)

    def run_json(self):
        title("JSON tensors")
        print(run(self.binary("tests", "bench", "bench_json")))

    def run_torch(self):
        title("prediction against PyTorch (times in ms; ratio = PyTorch / ours)")
        if not has("torch"):
            return
        if not self.core:
            self.run_core()
        import torch  # pylint: disable=import-outside-toplevel
        print(f"PyTorch {torch.__version__}: stacked = fastest eager form; compiled = torch.compile "
              "where that is faster still\n")

        def peer(name, n, threads, precision, way):
            out = subprocess.run(
                [sys.executable, os.path.join(PEERS, "peer_torch.py"), name, str(n), str(threads),
                 precision, way, "0.5" if self.options.quick else "1"],
                check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            seconds, form = out.strip().split(" ", 1)
            return float(seconds), form

        print(f"{'':4} {'rows':>5} {'threads':>7} {'ours':>8} {'PyTorch':>8} {'ours ms':>9} "
              f"{'stacked':>9} {'ratio':>6} {'compiled':>9} {'ratio':>6}  form")
        for name, n in (("W1", 1000), ("W2", 1000), ("W1", 1), ("W2", 1)):
            for threads in (1, 2) if n > 1 else (1,):
                for ours, theirs in (("float64", "float64"), ("float32", "float64"),
                                     ("float32", "float32")):
                    mine = self.core[name, n, threads, ours]
                    eager, form = peer(name, n, threads, theirs, "stacked")
                    fused, _ = peer(name, n, threads, theirs, "compiled")
                    print(f"{name:4} {n:5} {threads:7} {ours:>8} {theirs:>8} {1e3 * mine:9.3f} "
                          f"{1e3 * eager:9.3f} {eager / mine:6.1f} {1e3 * fused:9.3f} "
                          f"{fused / mine:6.1f}  {form}", flush=True)
        print("\nthe loop over draws, as QUiNN does it, float64:")
        for name in ("W1", "W2"):
            mine = self.core[name, 1, 1, "float64"]
            loop, _ = peer(name, 1, 2, "float64", "loop")
            print(f"{name:4} {1:5} ours {1e3 * mine:8.3f} ms, loop {1e3 * loop:8.3f} ms, "
                  f"ratio {loop / mine:6.0f}", flush=True)

    def run_onnx(self):
        title("prediction against ONNX Runtime (times in ms; ratio = ONNX Runtime / ours)")
        if not has("onnxruntime", "onnx", "numpy"):
            return
        if not self.core:
            self.run_core()
        version = run(sys.executable, "-c", "import onnxruntime; print(onnxruntime.__version__)").strip()
        print(f"ONNX Runtime {version}, CPU, all optimisations; weights of depth evaluated beforehand\n")
        print(f"{'':4} {'rows':>5} {'threads':>7} {'precision':>9} {'ours ms':>9} {'ONNX':>9} {'ratio':>6}  form")
        for name, n in (("W1", 1000), ("W2", 1000), ("W1", 1), ("W2", 1)):
            for threads in (1, 2) if n > 1 else (1,):
                for precision in ("float64", "float32"):
                    mine = self.core[name, n, threads, precision]
                    theirs, form = run(sys.executable, os.path.join(PEERS, "peer_onnx.py"), name, str(n), str(threads),
                                       precision, "0.5" if self.options.quick else "1").strip().split(" ", 1)
                    print(f"{name:4} {n:5} {threads:7} {precision:>9} {1e3 * mine:9.3f} {1e3 * float(theirs):9.3f} "
                          f"{float(theirs) / mine:6.1f}  {form}", flush=True)

    def run_nuts(self):
        title("No-U-Turn chains against NumPyro: effective draws a second, one posterior, one estimator")
        if not has("numpyro", "jax", "numpy"):
            return
        binary = self.binary("tests", "bench", "bench_nuts")
        data, values = (os.path.join(self.folder, f"nuts.{kind}") for kind in ("data", "values"))
        chains, steps = "4", "100" if self.options.quick else "300"
        for threads in ("1", "2"):
            ours = run(binary, "run", data, chains, steps, steps, threads).split()
            seconds, least, median, gradients, rhat = map(float, ours)
            peer = run(sys.executable, os.path.join(PEERS, "peer_numpyro.py"), data, values, chains,
                       steps, steps, threads).split()
            theirs, compiled, their_gradients, k = map(float, peer)
            judged = run(binary, "ess", values, chains, steps, str(int(k))).split()
            their_least, their_median, their_rhat = map(float, judged)
            for name, s, low, mid, g, r in (
                    ("ours", seconds, least, median, gradients, rhat),
                    ("NumPyro", theirs, their_least, their_median, their_gradients, their_rhat)):
                print(f"{threads} threads {name:8} {s:8.2f} s, effective draws {low:.0f} least, {mid:.0f} "
                      f"median, {mid / s:.1f} a second; {g:.0f} gradients, R-hat {r:.3f}")
            print(f"ratio: {median / seconds / (their_median / theirs):.1f} in median, "
                  f"{least / seconds / (their_least / theirs):.1f} in the least; NumPyro compiles for "
                  f"{max(0.0, compiled - theirs):.1f} s more at its first run", flush=True)

    # ---- HTTP ----

    def document(self, name, precision):
        path = os.path.join(self.folder, f"{name}-{precision}.json")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                json.dump(workloads.document(name, precision), file)
        return path

    def server(self, *flags):
        port = free_port()
        return Process(port, self.binary("server", "surrogated"), "serve", "--listen",
                       f"127.0.0.1:{port}", "--db", os.path.join(self.folder, f"{port}.db"),
                       "--max-body-bytes", "1000000000", *flags)

    def register(self, server, *models):
        for name, precision in models:
            run("curl", "-sSf", "-T", self.document(name, precision),
                f"http://127.0.0.1:{server.port}/v1/models/{name}-{precision}")

    def body(self, name, n, kind):
        path = os.path.join(self.folder, f"{name}-{n}.{kind}")
        rows = workloads.rows(name, n)
        if kind == "json":
            data = json.dumps({"inputs": rows}).encode()
        else:
            head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, {len(rows[0])}), }}"
            head = (head + " " * (-(10 + len(head) + 1) % 64) + "\n").encode()
            data = (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head +
                    struct.pack(f"<{n * len(rows[0])}d", *sum(rows, [])))
        with open(path, "wb") as file:
            file.write(data)
        return path

    def load(self, port, path, body, connections=16, kind="json", pause_ms=0, latency=False):
        """Requests a second under wrk, or (requests a second, {percentile: ms})."""
        mime = "application/json" if kind == "json" else "application/x-npy"
        env = {**os.environ, "BENCH_BODY": body, "BENCH_TYPE": mime, "BENCH_PAUSE_MS": str(pause_ms)}
        out = run("wrk", "-t1", f"-c{connections}", f"-d{self.seconds}", "--latency", "--timeout", "30s",
                  "-s", os.path.join(self.folder, "post.lua"), f"http://127.0.0.1:{port}{path}", env=env)
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(out)
        rate = float(re.search(r"Requests/sec: +(\S+)", out)[1])
        if not latency:
            return rate
        units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
        found = re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s)$", out, re.M)
        return rate, {int(p): float(v) * units[u] for p, v, u in found}

    def compare(self, cases):
        """[(label, port, path, body, kind, connections)] -> {label: median rate}, in turns."""
        rates = {case[0]: [] for case in cases}
        for _ in range(self.rounds):
            for label, port, path, body, kind, connections in cases:
                rates[label].append(self.load(port, path, body, connections, kind))
        return {label: statistics.median(values) for label, values in rates.items()}

    def bare(self, size):
        port = free_port()
        threads = max(4, 2 * os.cpu_count())
        return Process(port, self.binary("tests", "bench", "bare_http"), str(port), str(size),
                       str(threads))

    def fastapi(self, name, precision):
        port = free_port()
        return Process(port, sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port),
                       "--log-level", "error", "peer_fastapi:app", WORKLOAD=name, PRECISION=precision)

    def answer_bytes(self, port, path, body):
        return len(run("curl", "-sSf", "-H", "Content-Type: application/json", "--data-binary",
                       f"@{body}", f"http://127.0.0.1:{port}{path}"))

    def run_http(self):
        title("HTTP: requests a second, wrk on the same machine (64 connections for one row, 4 for 1000)")
        if not has_programs("wrk"):
            return
        one0 = self.body("W0", 1, "json")
        one1 = self.body("W1", 1, "json")
        many = {kind: self.body("W1", 1000, kind) for kind in ("json", "npy")}
        with self.server() as server:
            self.register(server, ("W0", "float64"), ("W1", "float64"), ("W1", "float32"))
            path = "/v1/models/{}/predict".format
            size = self.answer_bytes(server.port, path("W0-float64"), one0)
            with self.bare(size) as bare:
                found = self.compare([
                    ("bare", bare.port, "/", one0, "json", 64),
                    ("W0", server.port, path("W0-float64"), one0, "json", 64),
                    ("W1", server.port, path("W1-float64"), one1, "json", 64)])
            print(f"one row, JSON: bare libmicrohttpd reply of {size} bytes {found['bare']:.0f}, "
                  f"W0 {found['W0']:.0f} ({100 * found['W0'] / found['bare']:.0f} %), "
                  f"W1 {found['W1']:.0f} ({100 * found['W1'] / found['bare']:.0f} %)")
            cases = [(f"{p} {k}", server.port, path(f"W1-{p}"), many[k], k, 4)
                     for p in ("float64", "float32") for k in ("json", "npy")]
            ours = self.compare(cases)
            for p in ("float64", "float32"):
                share = 1.0 - ours[f"{p} json"] / ours[f"{p} npy"]
                print(f"1000 rows, W1 {p}: JSON {ours[f'{p} json']:.1f}, npy {ours[f'{p} npy']:.1f}; "
                      f"JSON costs {100 * share:.0f} % of a request more than npy")
            if not has("torch", "fastapi", "uvicorn", "numpy"):
                return
            for precision in ("float64", "float32"):
                with self.fastapi("W1", precision) as peer:
                    time.sleep(2)
                    both = self.compare([
                        ("ours 1", server.port, path(f"W1-{precision}"), one1, "json", 64),
                        ("theirs 1", peer.port, "/predict", one1, "json", 64),
                        ("ours json", server.port, path(f"W1-{precision}"), many["json"], "json", 4),
                        ("ours npy", server.port, path(f"W1-{precision}"), many["npy"], "npy", 4),
                        ("theirs json", peer.port, "/predict", many["json"], "json", 4),
                        ("theirs npy", peer.port, "/npy", many["npy"], "npy", 4)])
                    print(f"FastAPI, 2 workers, {precision}: one row {both['theirs 1']:.0f} (ours "
                          f"{both['ours 1'] / both['theirs 1']:.0f} times, the bare reply "
                          f"{found['bare'] / both['theirs 1']:.0f} times), 1000 rows JSON "
                          f"{both['theirs json']:.1f} (ours in {precision} "
                          f"{both['ours json'] / both['theirs json']:.1f} times), npy "
                          f"{both['theirs npy']:.1f} ({both['ours npy'] / both['theirs npy']:.1f} times)",
                          flush=True)
                    if precision == "float64":
                        base = both["theirs json"], both["theirs npy"]
            print(f"ours in float32 against FastAPI in float64: JSON {both['ours json'] / base[0]:.1f} "
                  f"times, npy {both['ours npy'] / base[1]:.1f} times")

    def run_batching(self):
        title("adaptive batching: W3, one row a request, 64 connections")
        if not has_programs("wrk"):
            return
        body = self.body("W3", 1, "json")
        rates = {}
        for label, flags in (("off", ("--batch-rows", "1")), ("on", ())):
            with self.server(*flags) as server:
                self.register(server, ("W3", "float64"))
                path = "/v1/models/W3-float64/predict"
                self.load(server.port, path, body, 64)
                rates[label] = self.load(server.port, path, body, 64)
        print(f"off {rates['off']:.0f} requests/s, on {rates['on']:.0f}: "
              f"{rates['on'] / rates['off']:.1f} times", flush=True)

    def run_latency(self):
        title("latency of one-row requests at half of the highest rate (16 connections, random pauses), ms")
        if not has_programs("wrk"):
            return
        print(f"{'':4} {'most/s':>8} {'at/s':>8} {'50 %':>8} {'75 %':>8} {'90 %':>8} {'99 %':>8}   unloaded 50 %")
        with self.server() as server:
            for name in ("W0", "W1", "W2", "W3"):
                self.register(server, (name, "float64"))
                path = f"/v1/models/{name}-float64/predict"
                body = self.body(name, 1, "json")
                most = self.load(server.port, path, body)
                _, alone = self.load(server.port, path, body, connections=1, latency=True)
                # Pauses in whole ms: enough connections that a pause is long against its rounding.
                connections = max(16, int(most * 0.5 * 0.02))
                pause = 1e3 * connections / (0.5 * most) - alone[50]
                rate, at = self.load(server.port, path, body, connections, pause_ms=pause, latency=True)
                print(f"{name:4} {most:8.0f} {rate:8.0f} {at[50]:8.2f} {at[75]:8.2f} {at[90]:8.2f} "
                      f"{at[99]:8.2f}   {alone[50]:.3f}", flush=True)

    # ---- scaling ----

    def run_scaling(self):
        title("how the cost grows (8 inputs, 4 outputs, width 32, 6 layers, linear, 100 draws, 1024 rows)")
        text = run(self.binary("tests", "bench", "bench_predict"), "scaling", "3")
        curves = {}
        for line in text.splitlines()[1:]:
            axis, value, precision, seconds = line.split(",")
            curves.setdefault(axis, {}).setdefault(precision, []).append((int(value), float(seconds)))
        for axis, lines in curves.items():
            for precision, at in lines.items():
                print(f"{axis:8} {precision}: " + ", ".join(f"{v}: {1e3 * s:.3g} ms" for v, s in at))
        os.makedirs(self.options.out, exist_ok=True)
        with open(os.path.join(self.options.out, "scaling.csv"), "w", encoding="ascii") as file:
            file.write(text)
        print("written:", os.path.join(self.options.out, "scaling.csv"))
        if has("matplotlib"):
            self.plot(curves)

    def plot(self, curves):
        import matplotlib  # pylint: disable=import-outside-toplevel
        matplotlib.use("svg")
        from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
        figure, axes = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3.6), sharey=False)
        for plot, (axis, lines) in zip(axes, curves.items()):
            for precision, at in lines.items():
                plot.loglog(*zip(*((v, 1e3 * s) for v, s in at)), marker="o", label=precision)
            v, s = curves[axis]["float64"][-1]
            power = -1 if axis == "threads" else 2 if axis == "width" else 1
            first = curves[axis]["float64"][0][0]
            plot.loglog([first, v], [1e3 * s * (first / v) ** power, 1e3 * s], ":", color="gray",
                        label=f"power {power}")
            plot.set_xlabel(axis)
            plot.set_ylabel("ms")
            plot.legend()
        figure.tight_layout()
        path = os.path.join(self.options.out, "scaling.svg")
        figure.savefig(path)
        print("written:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter, fewer rounds")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--out", default=os.path.join(TOP, "build-bench", "results"))
    options = parser.parse_args()
    parts = options.parts.split(",")
    if set(parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    bench = Bench(options)
    try:
        bench.compile()
        for part in parts:
            getattr(bench, part if part == "machine" else f"run_{part}")()
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
