"""link -- connections to both servers, and what came back on them."""

import socket

from varve_process import encode

from .reply import end_of

PATIENCE_S = 60


class End:
    """One connection to one server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.is_over = False

    def send(self, data):
        try:
            self.socket.sendall(data)
        except TimeoutError:
            self.is_over = True
        except OSError:
            pass  # It was closed; what it has said before is still to be read.

    def receive(self):
        try:
            got = self.socket.recv(1 << 20)
        except TimeoutError:
            got = b"<silence>"
            self.is_over = True
        except ConnectionError:
            got = b""
        self.is_over |= not got
        self.data += got

    def glance(self):
        """Take what comes within a moment: a server that closes may take back what is not read."""
        self.socket.settimeout(0.005)
        try:
            self.data += self.socket.recv(1 << 20)
        except OSError:
            pass
        self.socket.settimeout(PATIENCE_S)

    def replies(self, count):
        """count replies, or what came before the end of the connection."""
        out, at = [], 0
        while len(out) < count:
            end = end_of(self.data, at)
            if end is not None:
                out.append(self.data[at:end])
                at = end
            elif self.is_over:
                out.append(self.data[at:] + b"<end>")
                at = len(self.data)
                break
            else:
                self.data, at = self.data[at:], 0
                self.receive()
        self.data = self.data[at:]
        return out

    def until(self, mark):
        """All replies up to one that ends with mark."""
        out = []
        while not out or not (out[-1].endswith(mark) or out[-1].endswith(b"<end>")):
            out += self.replies(1)
        return out

    def rest(self):
        """All that comes until the server closes."""
        while not self.is_over:
            self.receive()
        data, self.data = self.data, b""
        return data

    def end_of_input(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.socket.close()


def asker(port):
    """A function that asks a server of its own connection."""
    end = End(port)

    def ask(*words):
        end.send(encode(*words))
        return end.replies(1)[0]
    return ask
