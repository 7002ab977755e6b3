"""server -- a varve server for a script: its own directory, any free port, gone at the end."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

VARVE = os.environ.get("VARVE", "build/release/varve")
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 300  # What is in memory goes to a disk that may be busy.
PORTS_TRIED_MAX = 10


def free_port():
    """Free now; others may take it before it is used."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *flags):
        self.base = tempfile.mkdtemp(prefix="varve-clients-")
        self.flags = list(flags)
        self.port = free_port()
        self.process = None

    def folder(self):
        """Where the store's files are."""
        return os.path.join(self.base, "data", "0")

    def command(self):
        return [VARVE, "server", "--port", str(self.port), "--dir",
                os.path.join(self.base, "data"), *self.flags]

    def launch(self):
        self.log = open(os.path.join(self.base, "log"), "ab")
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)

    def start(self):
        """If others were faster on the port, with another one."""
        for _ in range(PORTS_TRIED_MAX):
            self.launch()
            if self.answers():
                return self
            if self.process.poll() is None or "Address already in use" not in self.read_log():
                break
            self.port = free_port()
        raise RuntimeError("the server did not start:\n" + self.read_log())

    def answers(self):
        """Wait for its first answer; False if it has ended, or does not come."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def read_log(self):
        with open(os.path.join(self.base, "log"), errors="replace") as f:
            return f.read()[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOPS_WITHIN_S)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.base, ignore_errors=True)


def command(*words):
    """A request in RESP."""
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        w = w if isinstance(w, bytes) else str(w).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


class Connection:
    """Bytes out, replies in: no client library between the test and the wire."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        kind, rest = line[:1], line[1:-2]
        if kind in b"+-":
            return (kind + rest).decode()
        if kind == b":":
            return int(rest)
        if kind in b"$=":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind in b"*~>":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b"_":
            return None
        raise ValueError(line)

    def ask(self, *words):
        self.send(command(*words))
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Checks:
    """Counts and prints; the last line is the one the runner reads."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def __call__(self, what, ok, why=""):
        self.passed += bool(ok)
        self.failed += not ok
        word = "ok   " if ok else "FAIL "
        print(word, what + ("" if ok else ": " + str(why)[:600]), flush=True)
        return ok

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
