"""varve_process -- start a server in a directory of its own, and speak RESP to it byte by byte.

For tests of the whole program. A client library would hide what arrives when; this one does not.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VARVE = os.environ.get("VARVE") or os.path.join(ROOT, "build", "release", "varve")
IO_BACKEND = os.environ.get("VARVE_IO_BACKEND", "auto")  # Or posix.
STARTS_WITHIN_S = 60
COMES_WITHIN_S = 120  # Whatever is waited for, on a machine however busy.
STOPS_WITHIN_S = 300  # What is in memory goes to a disk that may be busy.
PORTS_TRIED_MAX = 10


class Error(Exception):
    """An error reply."""


class Skipped(Exception):
    """Why this machine cannot show what a case is about."""


def free_port():
    """Free now; others may take it before it is used."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def has_ring(pid):
    """Is io_uring what a process works with? The kernel is asked, not the process."""
    folder = f"/proc/{pid}/fd"
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(os.path.join(folder, name)))
        except FileNotFoundError:
            pass  # It was closed meanwhile.
    must("anon_inode:[io_uring]" in links or "anon_inode:[eventpoll]" in links, links)
    return "anon_inode:[io_uring]" in links


class Server:
    """A server process; its data stays when it is stopped, and goes with the object's folder."""

    def __init__(self, *arguments, folder=None, data=None, env=None):
        self.folder = folder or tempfile.mkdtemp(prefix="varve-test-")
        self.data = data or os.path.join(self.folder, "data")
        self.port = free_port()
        self.arguments = list(arguments)
        self.env = dict(os.environ, **(env or {}))
        self.process = None

    def command(self):
        return [VARVE, "server", "--port", str(self.port), "--dir", self.data,
                "--maxmemory", "256mb", "--io-backend", IO_BACKEND] + self.arguments

    def launch(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=self.env)

    def start(self):
        """If others were faster on the port, with another one."""
        for _ in range(PORTS_TRIED_MAX):
            said = len(self.log())
            self.launch()
            if self.answers():
                if IO_BACKEND == "posix" and has_ring(self.process.pid):
                    self.stop(signal.SIGKILL)
                    raise RuntimeError("posix was asked for, and io_uring serves")
                return self
            if "Address already in use" not in self.log()[said:]:
                break
            self.port = free_port()
        raise RuntimeError(f"ended with {self.process.returncode}:\n{self.log()}")

    def answers(self):
        """Wait for its first answer; False if it has ended instead."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            try:
                client = self.client()
                answer = client.call("PING")
                client.close()
                if answer == "PONG":
                    return True
            except (OSError, ValueError):
                pass
            except Error as e:
                if str(e).startswith("NOAUTH"):
                    return True
            time.sleep(0.02)
        raise RuntimeError(f"the server does not answer:\n{self.log()}")

    def log(self):
        path = os.path.join(self.folder, "log")
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as f:
            return f.read()

    def client(self, timeout=30):
        return Client(self.port, timeout)

    def stop(self, how=signal.SIGTERM):
        """The exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(STOPS_WITHIN_S)
        self.process = None
        return status

    def destroy(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, failure, *_):
        """A case that passed ends with a clean stop, sanitizers' findings at the exit included."""
        try:
            if failure is None:
                must(self.stop() == 0, "it did not stop cleanly:", self.log())
        finally:
            self.destroy()


def encode(*words):
    """A request as an array of bulk strings."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Client:
    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        return line[:-2]

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("the connection ended")
            return data[:-2]
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self.element() for _ in range(count)]
        raise ValueError(f"not RESP2: {line!r}")

    def element(self):
        try:
            return self.reply()
        except Error as e:
            return e

    def is_closed(self):
        """Has the other side closed, with nothing left to read?"""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()


class Cases:
    """Runs functions, prints what happened, ends with the line that tests/runner.py counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def run(self, case, *arguments):
        began = time.monotonic()
        try:
            case(*arguments)
        except Skipped as why:
            self.skipped += 1
            print(f"skip  {case.__name__}: {why}", flush=True)
            return
        except Exception as e:  # Whatever went wrong is the case's failure.
            self.failed += 1
            print(f"FAIL  {case.__name__}: {type(e).__name__}: {e}", flush=True)
            return
        self.passed += 1
        print(f"ok    {case.__name__} ({time.monotonic() - began:.1f} s)", flush=True)

    def end(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}")
        return 1 if self.failed else 0


def must(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "it is not so")


def wait_until(is_so, *what):
    """What does not come: words, or functions that tell how it is."""
    deadline = time.monotonic() + COMES_WITHIN_S
    while not is_so():
        must(time.monotonic() < deadline, "it does not come:",
             *(w() if callable(w) else w for w in what))
        time.sleep(0.02)


def must_fail(prefix, call):
    try:
        got = call()
    except Error as e:
        must(str(e).startswith(prefix), f"expected an error {prefix!r}, got {e}")
        return str(e)
    raise AssertionError(f"expected an error {prefix!r}, got {got!r}")
