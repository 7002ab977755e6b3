"""redis_process -- a redis-server that keeps nothing."""

import shutil
import subprocess
import tempfile
import time

from varve_process import free_port

from .link import End

# Debian's redis-tools has the server under another name: it looks at what it is called.
BINARY = shutil.which("redis-server") or shutil.which("redis-check-rdb")
STARTS_WITHIN_S = 60


def version():
    """What the one that is installed says of itself; empty if there is none."""
    return BINARY and subprocess.run(["redis-server", "--version"], executable=BINARY,
                                     capture_output=True, text=True, check=True).stdout or ""


def is_redis_7_0():
    return "v=7.0." in version()


class Redis:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="redis-test-")
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", self.folder, "--save", "",
             "--appendonly", "no", "--maxmemory", "256mb"],
            executable=BINARY, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            try:
                End(self.port).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
