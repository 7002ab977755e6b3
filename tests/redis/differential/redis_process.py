"""redis_process -- a redis-server that keeps nothing."""

import shutil
import subprocess
import tempfile
import time

from varve_process import PORTS_TRIED_MAX, free_port

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
        self.port = None
        self.process = None

    def __enter__(self):
        """It ends if others were faster on the port; then with another one."""
        for _ in range(PORTS_TRIED_MAX):
            self.port = free_port()
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--dir", self.folder, "--save", "",
                 "--appendonly", "no", "--maxmemory", "256mb", "--enable-debug-command", "local"],
                executable=BINARY, stdout=subprocess.DEVNULL)
            if self.answers():
                return self
            self.process.kill()
            self.process.wait()
        raise RuntimeError("redis-server does not answer")

    def answers(self):
        deadline = time.monotonic() + STARTS_WITHIN_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                end = End(self.port)
                end.send(b"PING\r\n")
                is_up = end.replies(1) == [b"+PONG\r\n"]
                end.close()
                if is_up:
                    return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
