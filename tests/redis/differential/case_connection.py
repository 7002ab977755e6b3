"""case_connection -- what libraries say first, passwords, and bytes that are not the protocol."""

from varve_process import encode

from .pair import BIG, SETUP
from .reply import pairs
from .reply import value as value_of


def greetings(pair):
    """HELLO, AUTH, CLIENT and the rest of what libraries say first, in both protocols."""
    steps = [
        [("HELLO",)], [("HELLO", "2")], [("HELLO", "3")], [("HELLO", "1")], [("HELLO", "4")],
        [("HELLO", "x")], [("HELLO", "3", "AUTH", "default", "x")], [("HELLO", "3", "AUTH", "a")],
        [("HELLO", "3", "SETNAME", "me"), ("CLIENT", "GETNAME")], [("HELLO", "3", "SETNAME")],
        [("HELLO", "3", "SETNAME", "a b"), ("CLIENT", "GETNAME")], [("HELLO", "3", "bad")],
        [("HELLO", "AUTH", "default", "x")], [("HELLO", "2", "SETNAME", "a", "AUTH", "x", "y")],
        [("HELLO", "")], [("HELLO", "-3")], [("HELLO", BIG)],
        [("HELLO", "3", "AUTH", "nobody", "")],
        [("AUTH", "x")], [("AUTH", "default", "x")], [("AUTH", "a", "b")],
        [("AUTH", "a", "b", "c")],
        [("AUTH",)], [("AUTH", "default", "")], [("CLIENT", "GETNAME")], [("CLIENT", "ID")],
        [("CLIENT", "SETNAME", "x"), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", ""),
         ("CLIENT", "GETNAME")], [("CLIENT", "SETNAME", "a\nb")], [("CLIENT", "SETNAME", "ä")],
        [("CLIENT", "SETNAME")], [("CLIENT", "GETNAME", "x")], [("CLIENT", "ID", "x")],
        [("CLIENT", "NOSUCH")], [("CLIENT",)], [("CLIENT", "LIST", "bad")],
        [("CLIENT", "LIST", "TYPE")], [("CLIENT", "LIST", "TYPE", "bad")],
        [("CLIENT", "LIST", "TYPE", "pubsub")], [("CLIENT", "LIST", "TYPE", "replica")],
        [("CLIENT", "LIST", "ID")], [("CLIENT", "LIST", "ID", "0")], [("CLIENT", "INFO", "x")],
        [("SELECT", "4"), ("CLIENT", "SETNAME", "y"), ("RESET",), ("CLIENT", "GETNAME")],
        [("RESET",)], [("RESET", "x")], [("QUIT",)], [("QUIT", "x")], [("PING", "")],
        [("PING", "a", "b")], [("ECHO", "")], [("ECHO", "a", "b")], [("COMMAND", "COUNT", "x")],
        [("COMMAND", "NOSUCH")], [("COMMAND", "INFO", "get", "nosuch", "set")],
        [("COMMAND", "LIST", "bad")],
        [("COMMAND", "LIST", "FILTERBY", "MODULE", "x")],
        [("COMMAND", "LIST", "FILTERBY", "PATTERN", "incr*")], [("CONFIG", "GET")],
        [("CONFIG", "GET", "maxmemory")], [("CONFIG", "GET", "nosuch")], [("CONFIG", "SET")],
        [("CONFIG", "SET", "maxmemory")], [("CONFIG", "SET", "nosuch", "1")],
        [("CONFIG", "SET", "maxmemory", "x")], [("CONFIG", "SET", "timeout", "-1")],
        [("CONFIG", "SET", "timeout", "0", "timeout", "0")], [("CONFIG", "NOSUCH")],
        [("CONFIG", "SET", "daemonize", "yes")], [("CONFIG", "SET", "appendonly", "x")],
        [("CONFIG", "RESETSTAT")], [("CONFIG", "RESETSTAT", "x")], [("INFO", "nosuch")],
        [("TIME", "x")], [("SHUTDOWN", "bad")], [("SHUTDOWN", "ABORT")],
        [("SHUTDOWN", "ABORT", "NOW")],
    ]
    found = []
    for protocol in ([], [("HELLO", "3")]):
        for step in steps:
            ends = pair.connect()
            pair.ask(ends, protocol + step + [("GET", "none"), ("PING",)], found)
            ends.close()
    pair.check(found)


def replies_of_resp3(pair):
    """The same commands with their answers in RESP3."""
    found = []
    ends = pair.connect()
    pair.ask(ends, [("HELLO", "3"), ("FLUSHALL",), *SETUP, ("GET", "none"), ("MGET", "k", "none"),
                    ("GETDEL", "none"), ("GETEX", "none"), ("GETSET", "new", "1"),
                    ("SET", "k", "1", "NX"), ("SET", "k", "1", "GET"),
                    ("SET", "none", "1", "XX", "GET"),
                    ("INCRBYFLOAT", "k", "1.5"), ("RANDOMKEY",),
                    ("SCAN", "0", "COUNT", "1000", "MATCH", "x"),
                    ("KEYS", "k"), ("CONFIG", "GET", "maxmemory"), ("CONFIG", "GET", "nosuch"),
                    ("COMMAND", "COUNT", "x"), ("CLIENT", "GETNAME"), ("TIME",), ("WATCH", "k"),
                    ("SET", "k", "2"), ("MULTI",), ("GET", "k"), ("EXEC",), ("MULTI",),
                    ("GET", "none"),
                    ("MGET", "none", "k"), ("NOSUCH",), ("EXEC",), ("MULTI",), ("GET", "none"),
                    ("INCR", "t"),
                    ("EXEC",), ("FLUSHALL",), ("RANDOMKEY",), ("COMMAND", "INFO", "nosuch"),
                    ("RESET",),
                    ("GET", "none")], found)
    pair.check(found)


def passwords(pair):
    """With a password: what is allowed before it, and what is said."""
    found = []
    admin = pair.connect()
    pair.ask(admin, [("CONFIG", "SET", "requirepass", "secret")], found)
    steps = [
        [("PING",)], [("GET", "k")], [("AUTH", "bad")], [("AUTH", "secret")], [("QUIT",)],
        [("RESET",)],
        [("AUTH", "default", "secret"), ("PING",)], [("AUTH", "other", "secret")], [("HELLO",)],
        [("HELLO", "3")], [("HELLO", "3", "AUTH", "default", "secret"), ("PING",)], [("NOSUCH",)],
        [("HELLO", "3", "AUTH", "default", "bad")], [("GET",)], [("MULTI",)], [("EXEC",)],
        [("COMMAND",)],
        [("AUTH", "secret"), ("RESET",), ("PING",)], [("CLIENT", "SETNAME", "x")], [("HELLO", "9")],
        [("HELLO", "2", "SETNAME", "x")], [("CONFIG", "GET", "requirepass")], [("SHUTDOWN",)],
        [("AUTH", "secret"), ("MULTI",), ("AUTH", "bad"), ("PING",), ("EXEC",)],
    ]
    for step in steps:
        ends = pair.connect()
        pair.ask(ends, step + [("PING",)], found)
        ends.close()
    for data in (b"*11\r\n", b"*10\r\n$4\r\nPING\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
                 b"*2\r\n$4\r\nAUTH\r\n$16384\r\n"):
        pair.raw(data, found)
    clients = [pair.connect() for _ in range(3)]
    pair.ask(clients[0], [("GET", "k"), ("RESET",), ("GET", "k")], found)
    pair.ask(clients[1], [("AUTH", "secret")], found)
    for password in ("", "other", ""):
        pair.ask(admin, [("CONFIG", "SET", "requirepass", password)], found)
        for client in clients:
            pair.ask(client, [("GET", "k"), ("MULTI",), ("EXEC",), ("HELLO", "2")], found)
            pair.ask(client, [("AUTH", "secret"), ("MGET", *"abcdefghi") if password else
                              ("MGET", *"abcdefghijklmnop")], found)
    pair.check(found)


def settings(pair):
    """CONFIG SET looks at all names before the first value, and sets all or none."""
    lines = ["timeout x databases 5", "timeout 5 databases 5", "databases 5 timeout x",
             "timeout x nosuch 1", "nosuch 1 timeout x", "timeout 5 nosuch 1 timeout x",
             "timeout 5 TIMEOUT 6", "timeout 5 loglevel debug timeout x", "nosuch 1 nosuch 1",
             "timeout x timeout 5", "timeout x loglevel x", "loglevel x timeout x",
             "replica-priority 1 slave-priority 2", "timeout 6 loglevel x",
             "timeout 7 daemonize yes", "daemonize yes daemonize yes", "Timeout 8 maxmemory 1x",
             "timeout 9 save x", "dbfilename a/b timeout x", "timeout 0 replica-priority 100"]
    found = []
    ends = pair.connect()
    for line in lines:
        pair.ask(ends, [("CONFIG", "SET", *line.split()), ("CONFIG", "GET", "timeout"),
                        ("CONFIG", "GET", "loglevel"), ("CONFIG", "GET", "slave-priority")], found)
    pair.check(found)


# Values of every kind; the servers are asked what they make of each for every parameter.
VALUES = ["", "x", "-1", "0", "1", "yes", "NO", "100", "99999999999999999999", "1mb", "1gbx", "kb",
          "1.5", "50%", "101%", "-5%", "a b", "1 2 3", "-3000 0 0", "normal 0 0 0", "save now",
          "pubsub 1gb x 3", "3600 1 60 -1", "50 99.9 100", "$lshzxeKEtmdnAg", "Q"]
# What others depend on, here or in Redis; free texts that Redis has a grammar for; and what that
# redis-server was not built for (activedefrag) or makes other numbers of (repl-backlog-size).
NOT_TRIED = ["port", "bind", "dir", "unixsocket", "logfile", "requirepass", "maxmemory-clients",
             "proc-title-template", "cluster-announce-hostname", "activedefrag",
             "repl-backlog-size", "bio_cpulist", "bgsave_cpulist", "server_cpulist",
             "aof_rewrite_cpulist"]


def parameters(pair):
    """CONFIG SET of every parameter that Redis has to values of every kind: taken, or refused in
    the same words."""
    found = []
    client = pair.connect()
    client.ends[1].send(encode("CONFIG", "GET", "*"))
    names = [n.decode() for n in pairs(value_of(client.ends[1].replies(1)[0]))]
    for name in sorted(set(names) - set(NOT_TRIED)):
        before = []
        for end in client.ends:
            end.send(encode("CONFIG", "GET", name))
            before.append(value_of(end.replies(1)[0])[1])
        pair.ask(client, [("CONFIG", "SET", name, text) for text in VALUES], found)
        for end, text in zip(client.ends, before):
            end.send(encode("CONFIG", "SET", name, text))
            end.replies(1)
    pair.check(found)


def bad_frames(pair):
    """Bytes that are not the protocol, and lengths beyond the limits, whole and in pieces."""
    streams = [
        b"*1\r\n$4\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*0\r\nPING\r\n", b"\r\n\r\nPING\r\n",
        b"*\r\n",
        b"*x\r\nPING\r\n", b"*1\r\nPING\r\n", b"*1\r\n$x\r\nPING\r\n", b"*1\r\n$-1\r\nPING\r\n",
        b"*1\r\n$\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"*1\r\n$5\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx",
        b"*1\r\n$3\r\nPING\r\n", b"*2147483648\r\n", b"*9223372036854775808\r\n",
        b"*-2147483649\r\n",
        b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n", b"*1 \r\n$4\r\nPING\r\n",
        b"*01\r\n$4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n",
        b"*1\n$4\nPING\n",
        b"PING\n", b"PING\r\n", b"PING", b"  PING  \r\n", b"\tPING\r\n", b"ping\r\nPING hello\r\n",
        b"SET a b c d\r\n", b"GET\r\n", b"get a b\r\n", b"nosuch a b\r\n", b"PING \"a b\"\r\n",
        b"PING 'a b'\r\n", b"PING \"a\\x41\\n\\\"\"\r\n", b"PING 'a\\'b\\n'\r\n",
        b"PING \"a\r\nPING\r\n",
        b"PING 'a\r\n", b"PING \"a\"b\r\n", b"PING a\"b\"\r\n", b"PING \"\"\r\n", b"\"PING\"\r\n",
        b"PING \\x41\r\n", b"PING \"\\xZZ\\x4\"\r\n", b"'PI'NG\r\n", b"\"\"\r\n", b"\"\" a\r\n",
        b"$4\r\nPING\r\n",
        b"+PING\r\n", b":1\r\n", b"-ERR\r\nPING\r\n", b"{}\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n",
        b"QUIT\r\nPING\r\n",
        b"PING " + b"a" * 60_000 + b"\r\n", b"*1\r\n$" + b"1" * 40 + b"\r\n",
        b"*" + b"1" * 30 + b"\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nGET k\r\n", b"*1\r\n$0\r\n\r\nPING\r\n",
        b"*2\r\n$0\r\n\r\n$1\r\nx\r\n", b"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\x00\r\n",
        encode("ECHO", b"\xff\x00\r\n"), encode(b"\xff\x00\n", "a"),
        encode("nosuch", "a" * 300, "b\r\nc"),
        encode("x" * 300, "y" * 100, "z" * 100, "w" * 100), encode("GET" + "x" * 200),
        encode("SET", "k", "v", "a\r\nb"), encode("CONFIG", "SET", "a\r\nb", "c"),
        encode("CLIENT", "a\r\nb"), encode("CLIENT", "x" * 200), encode("COMMAND", "x\x00y"),
        encode("nosuch", *["a" * 20] * 20), encode("SCAN", "0", "TYPE", "a" * 100),
    ]
    found = []
    admin = pair.connect()
    for data in streams:
        pair.ask(admin, [("FLUSHALL",)], found)
        pair.raw(data, found)
        pair.raw(data, found, pieces=3)
        pair.raw(b"MULTI\r\n" + data + b"EXEC\r\n", found)
    pair.check(found)
