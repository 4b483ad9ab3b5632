#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One row a request in the protocols of the field, beside /predict: requests a second under wrk, in turns in one run,
and as shares of /predict. The same model answers all of them.

usage: protocols.py BUILD [--umbridge FOLDER] [--seconds S] [--rounds N]

BUILD is a folder of a release build with server/surrogated and tests/bench/bare_http. FOLDER has umbridge.h, httplib.h
and json.hpp of UM-Bridge (its folder lib): then UM-Bridge's own C++ server, which answers a constant, is compiled and
measured too. So is UM-Bridge's Python server, if umbridge is installed for this interpreter (pip install umbridge).
Needs wrk (Debian).
"""

import argparse
import importlib.util
import json
import os
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

CONNECTIONS = 64
LUA = """
wrk.method = "POST"
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
local length = os.getenv("BENCH_JSON_BYTES")
wrk.headers["Content-Type"] = length == "0" and "application/json" or "application/octet-stream"
if length ~= "0" then wrk.headers["Inference-Header-Content-Length"] = length end
"""
CONSTANT_CPP = r"""
#include "umbridge.h"
#include <cstdlib>
class Constant : public umbridge::Model {
public:
    Constant() : Model("constant") {}
    std::vector<std::size_t> GetInputSizes(const json &) const override { return {INPUTS}; }
    std::vector<std::size_t> GetOutputSizes(const json &) const override { return {OUTPUTS}; }
    std::vector<std::vector<double>> Evaluate(const std::vector<std::vector<double>> &, json) override
    {
        return {std::vector<double>(OUTPUTS, 0.1234567890123)};
    }
    bool SupportsEvaluate() override { return true; }
};
int main(int, char **argv)
{
    Constant model;
    umbridge::serveModels({&model}, "127.0.0.1", std::atoi(argv[1]), true);
}
"""
CONSTANT_PY = """
import sys
import umbridge
class Constant(umbridge.Model):
    def __init__(self):
        super().__init__("constant")
    def get_input_sizes(self, config):
        return [{inputs}]
    def get_output_sizes(self, config):
        return [{outputs}]
    def __call__(self, parameters, config):
        return [[0.1234567890123] * {outputs}]
    def supports_evaluate(self):
        return True
umbridge.serve_models([Constant()], int(sys.argv[1]))
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Process:
    def __init__(self, *command):
        self.port = free_port()
        self.process = subprocess.Popen([part.replace("PORT", str(self.port)) for part in command],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{command[0]} does not listen")

    def cpu_s(self):
        """Processor time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.terminate()
        self.process.wait()


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        with open(os.path.join(folder, "post.lua"), "w", encoding="ascii") as file:
            file.write(LUA)

    def load(self, case):
        """(requests a second, microseconds of the server's processor a request)"""
        _, process, path, body, json_bytes = case
        name = os.path.join(self.folder, "body")
        with open(name, "wb") as file:
            file.write(body)
        before = process.cpu_s()
        out = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.options.seconds}", "--timeout", "30s", "-s",
                              os.path.join(self.folder, "post.lua"), f"http://127.0.0.1:{process.port}{path}"],
                             env={**os.environ, "BENCH_BODY": name, "BENCH_JSON_BYTES": str(json_bytes)},
                             check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in out:
            raise RuntimeError(f"{case[0]}: {out}")
        n = int(re.search(r"(\d+) requests in", out)[1])
        return float(re.search(r"Requests/sec: +(\S+)", out)[1]), 1e6 * (process.cpu_s() - before) / n

    def compare(self, cases):
        found = {case[0]: [] for case in cases}
        for _ in range(self.options.rounds):
            for case in cases:
                found[case[0]].append(self.load(case))
        first = statistics.median(rate for rate, _ in found[cases[0][0]])
        for label, values in found.items():
            rates = [rate for rate, _ in values]
            cpu = statistics.median(cpu for _, cpu in values)
            rate = statistics.median(rates)
            print(f"  {label:34} {rate:8.0f} requests a second ({min(rates):.0f} to {max(rates):.0f}), "
                  f"{rate / first:5.2f} of {cases[0][0]}; {cpu:6.1f} us of the server's processor each", flush=True)


def cases_of(process, name, row):
    """The same row by each protocol."""
    binary = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64",
                          "parameters": {"binary_data_size": 8 * len(row)}}],
              "outputs": [{"name": "mean", "parameters": {"binary_data": True}}]}
    head = json.dumps(binary).encode()
    infer = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}],
             "outputs": [{"name": "mean"}]}
    return [
        ("/predict, the mean", process, f"/v1/models/{name}/predict",
         json.dumps({"inputs": [row], "return": ["mean"]}).encode(), 0),
        ("/predict, mean and variance", process, f"/v1/models/{name}/predict", json.dumps({"inputs": [row]}).encode(), 0),
        ("UM-Bridge Evaluate", process, "/Evaluate", json.dumps({"name": name, "input": [row], "config": {}}).encode(), 0),
        ("Open Inference infer, JSON", process, f"/v2/models/{name}/infer", json.dumps(infer).encode(), 0),
        ("Open Inference infer, binary", process, f"/v2/models/{name}/infer", head + struct.pack(f"<{len(row)}d", *row),
         len(head))]


def peers_of(bench, row, n_outputs):
    """UM-Bridge's own servers, which answer a constant of as many numbers."""
    folder, options = bench.folder, bench.options
    body = json.dumps({"name": "constant", "input": [row], "config": {}}).encode()
    peers = []
    if options.umbridge:
        source, program = os.path.join(folder, "constant.cpp"), os.path.join(folder, "constant")
        with open(source, "w", encoding="ascii") as file:
            file.write(CONSTANT_CPP)
        subprocess.run(["g++", "-O3", "-std=c++17", f"-DINPUTS={len(row)}", f"-DOUTPUTS={n_outputs}",
                        f"-I{options.umbridge}", source, "-o", program, "-lpthread"], check=True)
        peers.append(("UM-Bridge's C++ server, a constant", Process(program, "PORT"), "/Evaluate", body, 0))
    else:
        print("  skipped: UM-Bridge's C++ server (--umbridge FOLDER names its headers)")
    if importlib.util.find_spec("umbridge"):
        source = os.path.join(folder, "constant.py")
        with open(source, "w", encoding="ascii") as file:
            file.write(CONSTANT_PY.format(inputs=len(row), outputs=n_outputs))
        peers.append(("UM-Bridge's Python server, a constant", Process(sys.executable, source, "PORT"), "/Evaluate", body, 0))
    else:
        print(f"  skipped: UM-Bridge's Python server (umbridge is not installed for {sys.executable})")
    return peers


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("build")
    options.add_argument("--umbridge")
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("protocols.py: wrk is missing: apt-get install wrk")
    if not os.path.exists(os.path.join(options.build, "server", "surrogated")):
        sys.exit(f"protocols.py: no server in {options.build}: meson setup --buildtype=release {options.build}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        server = Process(os.path.join(options.build, "server", "surrogated"), "serve", "--listen", "127.0.0.1:PORT",
                         "--db", os.path.join(folder, "bench.db"), "--max-body-bytes", "1000000000")
        bare = Process(os.path.join(options.build, "tests", "bench", "bare_http"), "PORT", "200", "4")
        peers = []
        try:
            for name in ("W0", "W1"):
                file = os.path.join(folder, name + ".json")
                with open(file, "w", encoding="ascii") as out:
                    json.dump(workloads.document(name), out)
                subprocess.run(["curl", "-sSf", "-o", os.devnull, "-T", file,
                                f"http://127.0.0.1:{server.port}/v1/models/{name}"], check=True)
                row = workloads.rows(name, 1)[0]
                cases = cases_of(server, name, row)
                print(f"one row of {name}, {CONNECTIONS} connections")
                if name == "W0":
                    peers = peers_of(bench, row, workloads.document(name)["architecture"]["outputs"])
                    cases += [("bare reply of 200 bytes", bare, "/", b"{}", 0), *peers]
                bench.compare(cases)
        finally:
            for process in [server, bare, *(peer[1] for peer in peers)]:
                process.end()


if __name__ == "__main__":
    main()
