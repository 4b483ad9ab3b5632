# SPDX-License-Identifier: Apache-2.0
"""Slurm on this machine alone: munged, slurmctld and slurmd with all their files in one folder; needs root."""

import os
import secrets
import shutil
import socket
import subprocess
import time

from harness import PATIENCE

CONFIG = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
SchedulerParameters=sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(n):
    socks = [socket.socket() for _ in range(n)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


class Cluster:
    """For the length of a with block. env: what its commands need."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "slurm")
        os.makedirs(os.path.join(self.folder, "state"))
        os.makedirs(os.path.join(self.folder, "spool"))
        os.chmod(folder, 0o755)
        os.chmod(self.folder, 0o755)
        self.env = {"SLURM_CONF": os.path.join(self.folder, "slurm.conf")}
        self.processes = []

    def launch(self, *command):
        log = open(os.path.join(self.folder, os.path.basename(command[0]) + ".out"), "wb")
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self.env}))
        log.close()

    def ask(self, *command):
        return subprocess.run(command, env={**os.environ, **self.env}, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)

    def logs(self):
        texts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".log", ".out")):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    texts.append(f"== {name}\n{file.read()[-2000:]}")
        return "\n".join(texts)

    def wait_for(self, done, what):
        end = time.time() + PATIENCE
        while not done():
            if time.time() > end or any(process.poll() is not None for process in self.processes):
                raise AssertionError(f"Slurm: {what} did not happen\n{self.logs()}")
            time.sleep(0.2)

    def __enter__(self):
        key = os.path.join(self.folder, "munge.key")
        with open(key, "wb") as file:
            file.write(secrets.token_bytes(128))
        os.chmod(key, 0o400)
        host = socket.gethostname().split(".")[0]
        ctld, slurmd = free_ports(2)
        with open(self.env["SLURM_CONF"], "w", encoding="ascii") as file:
            file.write(CONFIG.format(host=host, folder=self.folder, cpus=os.cpu_count(), ctld=ctld, slurmd=slurmd))
        try:
            munge_socket = os.path.join(self.folder, "munge.socket")
            # --force: the folder of the test lies below one that others may write to.
            self.launch(shutil.which("munged"), "--foreground", "--force", f"--key-file={key}",
                        f"--socket={munge_socket}", f"--pid-file={self.folder}/munged.pid",
                        f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed")
            self.wait_for(lambda: os.path.exists(munge_socket), "the start of munged")
            self.launch(shutil.which("slurmctld"), "-D", "-c", "-f", self.env["SLURM_CONF"])
            self.launch(shutil.which("slurmd"), "-D", "-f", self.env["SLURM_CONF"])
            self.wait_for(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T").stdout, "an idle node")
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self, job):
        """Until all tasks of the job have left the queue."""
        self.wait_for(lambda: not self.ask("squeue", "-h", "-j", job, "-t",
                                           "PENDING,RUNNING,COMPLETING,CONFIGURING").stdout.strip(), "the end of the job")

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
