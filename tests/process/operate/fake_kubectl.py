# SPDX-License-Identifier: Apache-2.0
"""What deploy/kubernetes/launch.sh asks of kubectl, with this machine as the cluster: a Job is a process, told of in the
folder KUBE."""

import json
import os
import signal
import subprocess
import sys

KUBE = os.environ["KUBE"]
VERB = sys.argv[1]


def path(name, what):
    return os.path.join(KUBE, f"{name}.{what}")


def create():
    job = json.load(sys.stdin)
    name = job["metadata"]["name"]
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert job["kind"] == "Job" and container["image"] == "image:1" and container["volumeMounts"][0]["name"] == "registry"
    with open(path(name, "log"), "wb") as log:
        # A pod has an environment of its own.
        process = subprocess.Popen(["sh", "-c", '"$@"; echo $? > "$0.new"; mv "$0.new" "$0"', path(name, "code"),
                                    *container["command"]], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={"PATH": os.environ["PATH"]}, start_new_session=True)
    with open(path(name, "pid"), "w", encoding="ascii") as file:
        file.write(str(process.pid))


def get():
    try:
        with open(path(sys.argv[3], "code"), encoding="ascii") as file:
            print("1/" if file.read().strip() == "0" else "/1")
    except FileNotFoundError:
        print("/")


def delete():
    with open(path(sys.argv[3], "pid"), encoding="ascii") as file:
        try:
            os.killpg(int(file.read()), signal.SIGKILL)
        except ProcessLookupError:
            pass
    open(path(sys.argv[3], "deleted"), "wb").close()


def logs():
    with open(path(sys.argv[2].removeprefix("job/"), "log"), encoding="utf-8") as file:
        print(file.read())


{"create": create, "get": get, "delete": delete, "logs": logs}[VERB]()
