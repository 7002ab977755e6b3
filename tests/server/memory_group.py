"""memory_group -- a control group with a limit on memory, version 1 or 2, for a test."""

import os
import subprocess
import time

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"


def read(path):
    with open(path) as f:
        return f.read()


def numbers(path):
    """A file of "name number" lines."""
    return {words[0]: int(words[1]) for words in map(str.split, read(path).splitlines())
            if len(words) == 2 and words[1].isdigit()}


class Unavailable(Exception):
    """Why there can be no such group here."""


class MemoryGroup:
    def __init__(self, limit_bytes):
        self.is_v1 = os.path.exists(os.path.join(V1, "memory.limit_in_bytes"))
        name = f"varve-test-{os.getpid()}"
        self.path = os.path.join(V1 if self.is_v1 else V2, name)
        try:
            os.mkdir(self.path)
        except OSError as e:
            raise Unavailable(f"no control group for memory can be made: {e}") from e
        try:
            with open(self.file("memory.limit_in_bytes", "memory.max"), "w") as f:
                f.write(str(limit_bytes))
        except OSError as e:
            os.rmdir(self.path)
            raise Unavailable(f"the memory of a control group cannot be limited: {e}") from e
        try:
            subprocess.run(["true"], preexec_fn=self.join, check=True)
        except (OSError, subprocess.SubprocessError) as e:
            self.__exit__()
            raise Unavailable(f"nobody can be put into a control group: {e}") from e

    def file(self, v1, v2):
        return os.path.join(self.path, v1 if self.is_v1 else v2)

    def join(self):
        """For preexec_fn: the process that calls this, and its children, are in the group."""
        with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))

    def kills(self):
        """Processes that the kernel killed because the limit was met."""
        return numbers(self.file("memory.oom_control", "memory.events"))["oom_kill"]

    def hits(self):
        """How often the limit was met, and page cache had to go."""
        if self.is_v1:
            return int(read(self.file("memory.failcnt", "")))
        return numbers(self.file("", "memory.events"))["max"]

    def peak_bytes(self):
        """Page cache included."""
        try:
            return int(read(self.file("memory.max_usage_in_bytes", "memory.peak")))
        except FileNotFoundError:
            return 0  # Version 2 before Linux 5.19.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:  # The last process is not quite gone.
                time.sleep(0.05)
