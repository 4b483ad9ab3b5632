# SPDX-License-Identifier: Apache-2.0
"""A launcher that behaves as the file `mode` in the folder of its first argument says; then comes the command.

usage: fake_launcher.py FOLDER COMMAND [ARGUMENT ..]
"""

import json
import os
import signal
import subprocess
import sys
import time

FOLDER, COMMAND = sys.argv[1], sys.argv[2:]


def value(name):
    return COMMAND[COMMAND.index(name) + 1]


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def train(*changes):
    command = list(COMMAND)
    for name, new in changes:
        command[command.index(name) + 1] = new
    return subprocess.run(command, check=False).returncode


def change_result(**new):
    with open(value("--result"), encoding="utf-8") as file:
        result = json.load(file)
    write(value("--result"), json.dumps({**result, **new}))


def sleep_here(deaf):
    """And in a process of another session, which no signal to the group reaches."""
    child = os.fork()
    if child == 0:
        os.setsid()
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if child == 0:
        time.sleep(600)
        os._exit(0)
    write(os.path.join(FOLDER, "pids"), f"{os.getpid()} {child}")
    time.sleep(600)


def change_byte():
    train()
    with open(value("--out"), "r+b") as file:
        file.seek(200)
        byte = file.read(1)[0]
        file.seek(200)
        file.write(bytes([byte ^ 1]))


def garbage():
    for name in ("--out", "--result", "--progress"):
        with open(value(name), "wb") as file:
            file.write(b"\x00\xff{\"event\":\n" * 1000)


def other_request():
    with open(value("--request"), encoding="utf-8") as file:
        request = json.load(file)
    write(os.path.join(FOLDER, "request"), json.dumps({**request, "seed": 99}))
    train(("--request", os.path.join(FOLDER, "request")))


def other_rows():
    with open(value("--rows"), "rb") as file:
        rows = bytearray(file.read())
    rows[-1] ^= 1
    with open(os.path.join(FOLDER, "rows"), "wb") as file:
        file.write(rows)
    train(("--rows", os.path.join(FOLDER, "rows")))


def until_a_checkpoint():
    """Kills the training once there is a state, and then hangs."""
    with subprocess.Popen(COMMAND) as running:
        states = value("--checkpoints")
        while running.poll() is None and not (os.path.isdir(states) and any(
                name.endswith(".state") for name in os.listdir(states))):
            time.sleep(0.01)
        running.kill()
    sleep_here(False)


def keep_progress():
    code = train()
    with open(value("--progress"), encoding="utf-8") as file:
        write(os.path.join(FOLDER, "progress"), file.read())
    return code


MODES = {
    "good": lambda: os.execv(COMMAND[0], COMMAND),
    "keep": keep_progress,
    "die": lambda: print("no partition is up", file=sys.stderr) or 3,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "nothing": lambda: 0,
    "garbage": garbage,
    "byte": change_byte,
    "fingerprint": lambda: train() or change_result(content_sha256="0" * 64),
    "request": other_request,
    "rows": other_rows,
    "late": lambda: train() or 5,
    "failed": lambda: write(value("--result"), '{"ok":false,"code":"numeric","message":"the fit diverged"}') or 1,
    "hang": lambda: sleep_here(False),
    "deaf": lambda: sleep_here(True),
    "checkpoint": until_a_checkpoint,
}

with open(os.path.join(FOLDER, "mode"), encoding="utf-8") as mode:
    sys.exit(MODES[mode.read()]())
