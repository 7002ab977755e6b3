#!/usr/bin/env python3
"""Write what a real redis-server answers into the transcripts of tests/data/resp.

    tests/resp/record.py tests/data/resp/*.txt

Starts redis-server on a free port with an empty directory, sends each line, and puts the bytes of
the answer behind it. A line "> words" is sent by client 0 as an inline command, "N> words" by
client N; "! words" is sent and its answer is not kept. "N." sends nothing: what has come for client
N meanwhile is its answer. Everything else but "< answer" stays.
"""
import re
import socket
import subprocess
import sys
import tempfile
import time

FIRST_S = 2  # An answer begins within this time,
PUSHED_S = 0.1  # what was pushed is there by now,
QUIET_S = 0.03  # and is over when nothing has come for so long.


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(port):
    return socket.create_connection(("127.0.0.1", port))


def ask(connection, line):
    """The bytes answered, and whether the connection was closed."""
    connection.sendall(line.encode() + b"\r\n")
    return take(connection, FIRST_S)


def take(connection, first_s):
    answer = b""
    while True:
        connection.settimeout(QUIET_S if answer else first_s)
        try:
            got = connection.recv(1 << 20)
        except socket.timeout:
            return answer, False
        except ConnectionResetError:
            return answer, True
        if not got:
            return answer, True
        answer += got


def escape(data):
    names = {0x0A: "\\n", 0x0D: "\\r", 0x5C: "\\\\"}
    return "".join(names.get(b, chr(b) if 32 <= b < 127 else "\\x%02x" % b) for b in data)


def record(path, port):
    clients = {}
    out = []
    ask(connect(port), "FLUSHALL")
    with open(path) as f:
        lines = f.read().splitlines()
    for line in lines:
        if line.startswith("<"):
            continue
        out.append(line)
        said = re.match(r"(\d?)(?:([>!]) (.*)|(\.))$", line)
        if not said:
            continue
        number = int(said.group(1) or 0)
        if number not in clients:
            clients[number] = connect(port)
        if said.group(4):
            answer, is_closed = take(clients[number], PUSHED_S)
        else:
            answer, is_closed = ask(clients[number], said.group(3))
        if is_closed:
            del clients[number]
        if said.group(2) != "!":
            out.append("< " + escape(answer) + (" (closed)" if is_closed else ""))
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--save", "", "--dir", directory,
             "--enable-debug-command", "yes"],
            stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    connect(port).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            for path in sys.argv[1:]:
                record(path, port)
        finally:
            server.terminate()
            server.wait()


main()
