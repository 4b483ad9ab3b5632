# SPDX-License-Identifier: Apache-2.0
"""Servers that may have little memory: by a limit of the process, or by a cgroup where one can be made."""

import os
import resource
import subprocess

from harness import BINARY, Server

MEGABYTE = 1 << 20
SANITIZED = b"__asan_init" in open(BINARY, "rb").read() or b"__tsan_init" in open(BINARY, "rb").read()


class Confined(Server):
    """A limit in MiB on the address space (RLIMIT_AS) or on writable memory (RLIMIT_DATA). Sanitizers
    need more than that for themselves, so they run without."""

    limit = (resource.RLIMIT_AS, 1024)

    def confine(self):
        """In the new process, before it becomes the server."""
        kind, megabytes = self.limit
        if not SANITIZED:
            resource.setrlimit(kind, (megabytes * MEGABYTE, megabytes * MEGABYTE))

    def launch(self):
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.log_begin = self.log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", self.db, *self.flags],
            stderr=self.log, preexec_fn=self.confine)
        return self


class Cgroup:
    """A group of its own with a limit of memory, below the one that this process is in."""

    def __init__(self, megabytes):
        self.path = None
        for line in open("/proc/self/cgroup"):
            _, controllers, group = line.rstrip("\n").split(":", 2)
            if controllers == "memory":  # version 1
                self.make("/sys/fs/cgroup/memory" + group, "memory.limit_in_bytes", megabytes)
            elif controllers == "" and self.path is None:
                self.make("/sys/fs/cgroup" + group, "memory.max", megabytes)

    def make(self, parent, limit, megabytes):
        path = os.path.join(parent, f"surrogated-test-{os.getpid()}")
        try:
            os.mkdir(path)
        except OSError:
            return
        try:
            with open(os.path.join(path, limit), "w") as file:
                file.write(str(megabytes * MEGABYTE))
            self.path = path
        except OSError:
            os.rmdir(path)

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))

    def remove(self):
        if self.path is not None:
            os.rmdir(self.path)
