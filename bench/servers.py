"""Servers that a benchmark starts in directories of their own, and what they cost the machine."""

import os
import signal
import socket
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
NOISY_PERCENT = 35


class Failed(Exception):
    """A run ended with an error; the words are the argument."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Side:
    """A server in a directory of its own."""

    def __init__(self, name, base, command):
        self.name = name
        self.folder = os.path.join(base, name)
        self.port = free_port()
        os.mkdir(self.folder)
        self.command = command(self.port, self.folder)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed(f"{self.name} does not start; see {self.folder}/log")

    def cpu_s(self):
        """Processor time of the serving thread (the process' first), and of all."""
        seconds = {}
        base = f"/proc/{self.process.pid}/task"
        for task in os.listdir(base):
            with open(f"{base}/{task}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            seconds[int(task)] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        return seconds[self.process.pid], sum(seconds.values())

    def children_s(self):
        """Of what it forked and has waited for (redis-server rewrites its log so)."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS_PER_S

    def memory_mb(self, which="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(which):
                    return int(line.split()[1]) / 1024
        return 0

    def read_bytes(self):
        """That storage had to fetch for it: not what the page cache gave."""
        with open(f"/proc/{self.process.pid}/io", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("read_bytes"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def busy_percent(seconds):
    """Of one CPU, what the machine uses now."""
    def busy():
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq = map(int, file.readline().split()[1:8])
        return (user + nice + system + irq + softirq) / TICKS_PER_S
    before = busy()
    time.sleep(seconds)
    return 100 * (busy() - before) / seconds


def wait_for_quiet(seconds):
    """Until the rest of the machine, and what servers do in the background, is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and busy_percent(0.5) > NOISY_PERCENT:
        pass
