#!/usr/bin/python3
"""run_cli -- varve cli beside redis-cli: the same commands to one server, the same bytes printed;
and a person at a terminal, played by a pseudo terminal."""

import os
import pty
import select
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))
from server import VARVE, Server  # noqa: E402

COMMANDS = [
    ["ping"], ["set", "a", 'one "two" \t\\ three'], ["get", "a"], ["get", "nothing"],
    ["set", "b", b"\x00\x01\xff\n\r\x07\x08\xc3\xa9"], ["get", "b"], ["mget", "a", "b", "nothing"],
    ["nonsense", "x"], ["set"], ["keys", "zzz"], ["config", "get", "maxmemory"],
    ["command", "info", "get", "lcs", "client"], ["lcs", "a", "a", "IDX", "WITHMATCHLEN"],
    ["strlen", "a"], ["incrbyfloat", "f{0}", "0.5"], ["command", "docs", "get"],
    ["bitfield", "b", "get", "u8", "0", "overflow", "fail", "incrby", "u2", "0", "9"],
    ["client", "help"], ["exists", "a", "b"], ["debug", "nonsense"], ["dbsize"],
]
LINES = b"""set x 1
incr x

get "x"
get 'x' more
get "unbalanced
  select 1
dbsize
nonsense
mget "a b" c"""


def ran(program, server, *words, stdin=None):
    done = subprocess.run([*program, "-p", str(server.port), *words], input=stdin,
                          stdin=None if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout


def checks_beside_redis_cli(server):
    count = 0
    for form in ["--raw", "--no-raw", "--csv", "--json", "-3", "-e"]:
        for command in COMMANDS:
            # A command that counts is given a key of its own by each program.
            mine = [w.replace("{0}", "v" + form) if isinstance(w, str) else w for w in command]
            theirs = [w.replace("{0}", "r" + form) if isinstance(w, str) else w for w in command]
            if b"\0" in b"".join(w for w in command if isinstance(w, bytes)):
                continue  # No argument of a program can hold it.
            got = ran([VARVE, "cli"], server, form, *mine)
            expected = ran(["redis-cli"], server, form, *theirs)
            assert got == expected, f"{form} {command}: {got}, redis-cli {expected}"
            count += 1
    for form in ["--raw", "--no-raw"]:
        got = ran([VARVE, "cli"], server, form, stdin=LINES)
        server_is_at = ran(["redis-cli"], server, "set", "x", "0")
        assert server_is_at == (0, b"OK\n")
        expected = ran(["redis-cli"], server, form, stdin=LINES)
        assert got == expected, f"{form}: {got}, redis-cli {expected}"
    for words, stdin in [(["-x", "set", "last"], b"from\nstandard input\n"),
                         (["get", "last"], None), (["-n", "5", "set", "in", "five"], None),
                         (["-n", "5", "get", "in"], None),
                         (["-h", "localhost", "get", "in"], None)]:
        got = ran([VARVE, "cli"], server, *words, stdin=stdin)
        assert got == ran(["redis-cli"], server, *words, stdin=stdin), (words, got)
    return count


def checks_of_words_that_are_not_sent(server):
    """In lines and in arguments: help is the program's own, leaving is leaving."""
    sent_before = ran([VARVE, "cli"], server, "info", "errorstats")
    for words, stdin in [(["help", "set"], None), ([], b"help set"), ([], b"? SET\n")]:
        code, text = ran([VARVE, "cli"], server, *words, stdin=stdin)
        assert code == 0 and text.startswith(b"  set key value"), (words, stdin, text)
        assert b"\n  group: string, since: 1.0.0\n" in text, text
    assert b"help COMMAND" in ran([VARVE, "cli"], server, stdin=b"help\nping")[1]
    code, text = ran([VARVE, "cli"], server, stdin=b"multi\nhelp get\nset x 1\nexec\n")
    assert code == 0 and text.endswith(b"\nOK\n") and text.count(b"QUEUED") == 1, text
    assert ran([VARVE, "cli"], server, "info", "errorstats") == sent_before, "help was sent"
    ran([VARVE, "cli"], server, "config", "set", "requirepass", "secret")
    assert b"does not tell" in ran([VARVE, "cli"], server, "help", "set")[1]
    assert ran([VARVE, "cli"], server, "-a", "secret", "config", "set", "requirepass", "")[0] == 0
    for leaving in b"ping\nquit\nping", b"ping\nEXIT now\nping", b"clear\nping":
        got = ran([VARVE, "cli"], server, stdin=leaving)
        assert got == ran(["redis-cli"], server, stdin=leaving), (leaving, got)


def checks_of_failures(server):
    assert ran([VARVE, "cli"], server, "--nonsense")[0] == 2
    assert ran([VARVE, "cli"], server, "-p")[0] == 2
    assert ran([VARVE, "cli"], server, "-p", "x")[0] == 2
    assert ran([VARVE, "cli"], server, "-p", "1", "ping")[0] == 1
    assert ran([VARVE, "cli"], server, "-p", "1", "help", "set")[0] == 1
    assert ran([VARVE, "cli"], server, "-h", "x" * 300, "ping")[0] == 1  # No label is so long.
    assert ran([VARVE, "cli"], server, "-a", "wrong", "ping")[1] == b"PONG\n"


class Person:
    """Types, and reads what is on the screen."""

    def __init__(self, server, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["HOME"] = home
            os.execv(VARVE, ["varve", "cli", "-p", str(server.port)])

    def sees(self, wanted, seconds=120):
        """Read until the screen has shown this."""
        shown = b""
        deadline = time.monotonic() + seconds
        while wanted not in shown:
            assert time.monotonic() < deadline, f"{wanted} does not come, but {shown}"
            if select.select([self.fd], [], [], 0.5)[0]:
                shown += os.read(self.fd, 65536)
        return shown

    def types(self, keys, wanted):
        os.write(self.fd, keys)
        return self.sees(wanted)

    def leaves(self):
        os.write(self.fd, b"\x04")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def checks_at_a_terminal(server):
    with tempfile.TemporaryDirectory() as home:
        p = Person(server, home)
        prompt = b"127.0.0.1:%d" % server.port
        p.sees(prompt + b"> ")
        p.types(b"set", b"set")
        p.types(b" ", b"\x1b[90mkey value")  # A hint.
        p.types(b"typed yes\r", b"OK\r\n\r" + prompt)
        p.types(b"GE\t", b"GET")
        p.types(b" typed\r", b'"yes"\r\n\r' + prompt)
        p.types(b"\x1b[A\x1b[A", b"set typed yes")  # The history.
        p.types(b"\x17no\r", b"OK\r\n\r" + prompt)
        p.types(b"get typed\r", b'"no"\r\n\r' + prompt)
        p.types(b"multi\r", b"\n\r" + prompt + b"(TX)> ")
        p.types(b"discard\r", b"\n\r" + prompt + b"> ")
        p.types(b"select 2\r", b"\n\r" + prompt + b"[2]> ")
        assert b"keys  expires" in p.types(b"info keyspace\r", b"\n\r" + prompt)  # A table.
        assert b"since: 1.0.0" in p.types(b"help get\r", b"\n\r" + prompt)
        shown = p.types(b"help @Transactions\r", b"\n\r" + prompt)
        assert shown.count(b"group: transactions") == 5 and b"discard" in shown, shown
        assert b"No group is called that." in p.types(b"help @x\r", b"\n\r" + prompt)
        p.types(b"help get\r", b"\n\r" + prompt)
        p.types(b"auth secret\r", b"\n\r" + prompt)
        p.types(b"nothing\x03", b"\n\r" + prompt)
        assert p.leaves() == 0
        with open(os.path.join(home, ".varve_history")) as f:
            lines = f.read().split("\n")
        assert lines[:2] == ["set typed yes", "GET typed"], lines
        assert not any("secret" in line for line in lines), lines
        again = Person(server, home)
        again.sees(prompt + b"> ")
        again.types(b"\x1b[A", b"help get")
        assert again.types(b"\x15quit\r", b"\r\n") and os.waitpid(again.pid, 0)[1] == 0


def main():
    with Server() as server:
        ran([VARVE, "cli"], server, "set", "b", b"\x01\xff\n\r\x07\x08\xc3\xa9")
        count = checks_beside_redis_cli(server)
        checks_of_words_that_are_not_sent(server)
        checks_of_failures(server)
        checks_at_a_terminal(server)
    print(f"run_cli: {count} commands printed as redis-cli prints them, 1 session typed")


main()
