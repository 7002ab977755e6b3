"""case_administration -- commands for operators and tools, with their options and their mistakes;
what CLIENT REPLY keeps back; what a command is counted as and tells to listeners."""

import re
import shlex

from varve_process import encode, must

from .pair import to_bytes
from .stream import Found

SETUP = [("FLUSHALL",), ("SET", "a", "ohmytext"), ("SET", "b", "mynewtext"),
         ("SET", "n", "5", "EX", "1000")]
# DUMP of 10, by Redis 7.0.
DUMPED = bytes.fromhex("00c00a0900be6d06895a28000a")
# Under a right checksum: a byte behind the value; a value that reads on into the foot.
LONGER = bytes.fromhex("00c00a780a0028c3661b1bd1b954")
SHORTER = bytes.fromhex("00c10a0a0068fc2ec96dc68237")

# Each on a connection of its own, in both protocols. What answers about the server itself, or in
# words of its own (HELP, DOCTOR), is not among them.
WORDS = """
LCS a b | LCS a b LEN IDX | LCS a b IDX MINMATCHLEN 2 WITHMATCHLEN | LCS a b MINMATCHLEN
LCS a b MINMATCHLEN x | LCS a b WITHMATCHLEN | LCS a none IDX | LCS none none | LCS a b bad
OBJECT FREQ a | OBJECT FREQ none | OBJECT IDLETIME none | OBJECT FREQ | OBJECT NOSUCH a
OBJECT ENCODING a b | OBJECT HELP x
COPY a c DB 1 | COPY a c DB 16 | COPY a c DB x | COPY a c DB | COPY a a | COPY a a DB 0
COPY a a DB 1 | COPY none c | COPY a b | COPY a b REPLACE REPLACE | COPY a c bad
COPY a b DB 1 DB 0 REPLACE | COPY a d DB 99999999999 | COPY a d DB -1
MOVE a 0 | MOVE a 1 | MOVE none 1 | MOVE b 99 | MOVE b x
RENAME a a | RENAME none a | RENAMENX a b | RENAMENX a c
SWAPDB 0 x | SWAPDB x 0 | SWAPDB 0 16 | SWAPDB -1 0 | SWAPDB 0 99999999999 | SWAPDB 0 0
RESTORE k -1 x | RESTORE k 0 x | RESTORE k x y | RESTORE b 0 x | RESTORE b 0 x REPLACE
RESTORE k 0 x IDLETIME | RESTORE k 0 x IDLETIME -1 | RESTORE k 0 x IDLETIME 1 FREQ 1
RESTORE k 0 x FREQ 1 IDLETIME 1 | RESTORE k 0 x FREQ 256 | RESTORE k 0 x FREQ x
RESTORE k 0 x IDLETIME 99999999999999999999 | RESTORE k 0 x ABSTTL REPLACE ABSTTL
CLIENT KILL | CLIENT KILL x | CLIENT KILL 127.0.0.1:1 | CLIENT KILL ID | CLIENT KILL ID 0
CLIENT KILL ID -1 | CLIENT KILL ID x | CLIENT KILL ID 999999 | CLIENT KILL TYPE bad
CLIENT KILL ID 99999999999999999999 | CLIENT KILL TYPE master | CLIENT KILL TYPE replica
CLIENT KILL TYPE slave | CLIENT KILL TYPE pubsub | CLIENT KILL TYPE normal SKIPME bad
CLIENT KILL USER nobody | CLIENT KILL ADDR 1.1.1.1:1 | CLIENT KILL LADDR 1.1.1.1:1
CLIENT KILL ADDR | CLIENT KILL ID 999999 BAD 1 | CLIENT KILL ID 999999 TYPE
CLIENT KILL ADDR 1.1.1.1:1 LADDR 1.1.1.1:1 ID 5 USER default TYPE normal SKIPME yes
CLIENT REPLY | CLIENT REPLY BAD | CLIENT REPLY ON | CLIENT REPLY ON x
CLIENT NO-EVICT | CLIENT NO-EVICT ON | CLIENT NO-EVICT OFF | CLIENT NO-EVICT bad
CLIENT PAUSE | CLIENT PAUSE x | CLIENT PAUSE -1 | CLIENT PAUSE 0 | CLIENT PAUSE 1 BAD
CLIENT PAUSE 1 WRITE | CLIENT PAUSE 1 ALL x | CLIENT PAUSE 99999999999999999999
CLIENT PAUSE x BAD | CLIENT UNPAUSE | CLIENT UNPAUSE x
CLIENT UNBLOCK | CLIENT UNBLOCK x | CLIENT UNBLOCK 999999 | CLIENT UNBLOCK 999999 TIMEOUT
CLIENT UNBLOCK 999999 ERROR | CLIENT UNBLOCK 999999 BAD | CLIENT UNBLOCK 999999 ERROR x
CLIENT GETREDIR | CLIENT TRACKINGINFO | CLIENT CACHING yes | CLIENT NOSUCH | CLIENT HELP x
COMMAND GETKEYS | COMMAND GETKEYS GET | COMMAND GETKEYS GET a | COMMAND GETKEYS GET a b
COMMAND GETKEYS MSET a 1 b 2 | COMMAND GETKEYS MSET a 1 b | COMMAND GETKEYS PING
COMMAND GETKEYS nosuch a | COMMAND GETKEYS CONFIG GET a | COMMAND GETKEYS OBJECT FREQ k
COMMAND GETKEYS OBJECT nosuch k | COMMAND GETKEYS MEMORY USAGE k | COMMAND GETKEYS LCS a b
COMMAND GETKEYS BITOP AND d a b | COMMAND GETKEYS COPY a b DB 1 | COMMAND GETKEYS SPUBLISH c x
COMMAND GETKEYSANDFLAGS | COMMAND GETKEYSANDFLAGS GET | COMMAND GETKEYSANDFLAGS GET a
COMMAND GETKEYSANDFLAGS SET a 1 | COMMAND GETKEYSANDFLAGS SET a 1 GeT EX 1
COMMAND GETKEYSANDFLAGS SET a GET | COMMAND GETKEYSANDFLAGS MSET a 1 b 2
COMMAND GETKEYSANDFLAGS RENAME a b | COMMAND GETKEYSANDFLAGS COPY a b
COMMAND GETKEYSANDFLAGS DEL a b c | COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0
COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0 INCRBY u8 0 1 | COMMAND GETKEYSANDFLAGS PING
COMMAND GETKEYSANDFLAGS BITFIELD a OVERFLOW SAT | COMMAND GETKEYSANDFLAGS BITOP AND d a b
COMMAND GETKEYSANDFLAGS RESTORE a 0 x | COMMAND GETKEYSANDFLAGS OBJECT ENCODING a
COMMAND GETKEYSANDFLAGS SPUBLISH c x | COMMAND GETKEYSANDFLAGS SSUBSCRIBE c x
COMMAND LIST FILTERBY | COMMAND LIST FILTERBY BAD x | COMMAND LIST FILTERBY ACLCAT nosuch
COMMAND DOCS nosuch | COMMAND INFO object|freq object|nosuch | COMMAND COUNT x
SLOWLOG | SLOWLOG GET x | SLOWLOG GET -2 | SLOWLOG GET 1 2 | SLOWLOG LEN x | SLOWLOG RESET
SLOWLOG RESET x | SLOWLOG NOSUCH | LATENCY | LATENCY LATEST x | LATENCY HISTORY
LATENCY HISTORY nosuch | LATENCY HISTORY a b | LATENCY RESET | LATENCY RESET nosuch
LATENCY GRAPH nosuch | LATENCY GRAPH | LATENCY DOCTOR x | LATENCY HISTOGRAM nosuch
LATENCY NOSUCH | MEMORY | MEMORY NOSUCH | MEMORY USAGE | MEMORY USAGE none
MEMORY USAGE none SAMPLES | MEMORY USAGE none SAMPLES x | MEMORY USAGE none SAMPLES -1
MEMORY USAGE none SAMPLES 0 | MEMORY USAGE none bad 1 | ROLE | ROLE x
DEBUG | DEBUG NOSUCH | DEBUG JMAP | DEBUG SLEEP 0 | DEBUG SLEEP | DEBUG ERROR hello | DEBUG ERROR
DEBUG OBJECT none | DEBUG OBJECT | DEBUG DIGEST | DEBUG DIGEST x | DEBUG DIGEST-VALUE
DEBUG DIGEST-VALUE a b none | DEBUG LOG | DEBUG LOG x | DEBUG SET-ACTIVE-EXPIRE 1
DEBUG PROTOCOL | DEBUG PROTOCOL bad | DEBUG PROTOCOL string | DEBUG PROTOCOL integer
DEBUG PROTOCOL double | DEBUG PROTOCOL null | DEBUG PROTOCOL array | DEBUG PROTOCOL set
DEBUG PROTOCOL map | DEBUG PROTOCOL attrib | DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true | DEBUG PROTOCOL false | DEBUG PROTOCOL bignum | DEBUG PROTOCOL string x
SAVE x | BGSAVE x | BGSAVE SCHEDULE x | LASTSAVE x | BGREWRITEAOF x
PUBSUB | PUBSUB NUMSUB a b | PUBSUB NUMPAT x | PUBSUB NOSUCH | PUBSUB CHANNELS a b
PUBSUB SHARDNUMSUB a | PUBLISH a | PUBLISH a b | SPUBLISH a b
WAIT | WAIT 0 0 | WAIT -1 0 | WAIT x 0 | WAIT 0 x | WAIT 0 -1 | WAIT 0 0 0
FUNCTION | FUNCTION FLUSH | FUNCTION FLUSH SYNC | FUNCTION FLUSH bad | FUNCTION FLUSH SYNC x
SCRIPT | SCRIPT FLUSH | SCRIPT FLUSH async | SCRIPT FLUSH bad | SCRIPT FLUSH SYNC x
CONFIG | CONFIG NOSUCH | CONFIG GET | CONFIG GET nosuch nosuch* | CONFIG GET TIMEOUT
CONFIG GET timeout TimeOut | CONFIG GET slave-priority replica-priority *-priority
CONFIG SET | CONFIG SET timeout | CONFIG RESETSTAT x | CONFIG REWRITE x | CONFIG REWRITE
LOLWUT VERSION x | LOLWUT VERSION 5 x | LOLWUT VERSION 5 1 1 x | LOLWUT VERSION 6 1 x
REPLICAOF | REPLICAOF NO ONE | REPLICAOF a x | REPLICAOF a 99999999 | SLAVEOF NO ONE
FAILOVER ABORT | FAILOVER | FAILOVER TO a | FAILOVER TO a x | FAILOVER TIMEOUT x
FAILOVER TIMEOUT 0 | FAILOVER FORCE | FAILOVER TO a 1 TIMEOUT 1 FORCE | INFO nosuch
"""

# What comes back on a connection that says this. SKIP hides what HELLO says, which differs.
RESP3 = "CLIENT REPLY SKIP | HELLO 3 | "
KEPT_BACK = """
CLIENT REPLY OFF | SET a 1 | GET a | NOSUCH | GET | CLIENT REPLY ON | GET a
CLIENT REPLY OFF | CLIENT REPLY OFF | CLIENT REPLY SKIP | CLIENT REPLY ON | GET a
CLIENT REPLY OFF | CLIENT REPLY BAD | CLIENT REPLY ON | CLIENT REPLY BAD
CLIENT REPLY OFF | RESET | GET a
CLIENT REPLY OFF | HELLO 3 | CLIENT REPLY ON | GET none
CLIENT REPLY OFF | MULTI | SET a 1 | GET a | EXEC | CLIENT REPLY ON | GET a
CLIENT REPLY OFF | MULTI | SET a 1 | CLIENT REPLY ON | GET a | EXEC | PING
CLIENT REPLY OFF | SUBSCRIBE c | PING | PUBLISH c x | UNSUBSCRIBE c | CLIENT REPLY ON | GET none
CLIENT REPLY OFF | MONITOR | GET a
CLIENT REPLY OFF | PSUBSCRIBE c* | QUIT
CLIENT REPLY SKIP | GET a | GET a
CLIENT REPLY SKIP | CLIENT REPLY SKIP | GET a | GET a | PING
CLIENT REPLY SKIP | NOSUCH | GET | GET a
CLIENT REPLY SKIP | RESET | GET a | PING
CLIENT REPLY SKIP | CLIENT REPLY ON | GET a
CLIENT REPLY SKIP | CLIENT REPLY OFF | GET a | CLIENT REPLY ON | GET a
CLIENT REPLY SKIP | CLIENT REPLY BAD | GET a | PING
CLIENT REPLY SKIP | QUIT
CLIENT REPLY SKIP | SUBSCRIBE c | PING
SUBSCRIBE c | CLIENT REPLY SKIP | PING
CLIENT REPLY SKIP | PSUBSCRIBE a* b* | PUNSUBSCRIBE a* | PING
CLIENT REPLY SKIP | MULTI | SET a 1 | GET a | EXEC | PING
MULTI | SET a 1 | CLIENT REPLY SKIP | GET a | EXEC | GET a | PING
MULTI | SET a 1 | GET a | CLIENT REPLY SKIP | EXEC | GET a | PING
MULTI | SET a x | CLIENT REPLY OFF | INCR a | EXEC | PING
MULTI | SET a 1 | CLIENT REPLY OFF | GET a | CLIENT REPLY ON | GET a | EXEC | GET a | PING
MULTI | CLIENT REPLY SKIP | DISCARD | PING
MULTI | CLIENT REPLY ON | GET a | EXEC | PING
MULTI | CLIENT REPLY OFF | NOSUCH | EXEC | PING
WATCH a | SET a 5 | MULTI | CLIENT REPLY OFF | EXEC | PING
"""

SAID_LAST = """
GET a | NOSUCH x | GET | get a b c | CLIENT NOSUCH | CLIENT | Config | config SET | OBJECT NOSUCH a
SET a | EXEC x | WATCH | COMMAND COUNT x | AUTH a b | HELLO 9 | DEBUG | PING a b c
MULTI | GET
MULTI | NOSUCH
MULTI | GET a
MULTI | CLIENT LIST | EXEC
MULTI | SET a | EXEC
MULTI | WATCH a
GET a | NOSUCH | PING
"""

# On a key that there is, one that is absent, and one with a number and an expiry.
OF_A_KEY = """
GET @ | GETDEL @ | GETEX @ | GETEX @ EX 100 | GETEX @ PERSIST | GETRANGE @ 0 1 | SUBSTR @ 0 1
STRLEN @ | MGET @ none2 | EXISTS @ none2 | TYPE @ | TTL @ | TOUCH @ none2
OBJECT FREQ @ | OBJECT REFCOUNT @ | LCS @ none2 | LCS a @ | BITCOUNT @ | BITCOUNT @ 0 1
BITPOS @ 0 | BITPOS @ 1 | BITOP NOT d @ | BITOP AND d @ a | BITOP AND d @ none2 | BITOP OR d a @
BITFIELD @ GET u8 0 | BITFIELD @ SET u8 0 1 | BITFIELD_RO @ GET u8 0 | GETBIT @ 0 | SETBIT @ 0 1
BITFIELD @ SET u8 0 1 SET u8 8 1 | APPEND @ x | INCR @ | DECRBY @ 3 | INCRBYFLOAT @ 1
SETRANGE @ 0 x | GETSET @ v | SET @ v GET | SET @ v XX | SET @ v NX | SET @ v XX GET
SET @ v NX GET | SETNX @ v | MSETNX @ v q v | MSET @ v q v | PERSIST @ | EXPIRE @ 100
EXPIRE @ 100 NX | EXPIRE @ -1 | RENAME @ z | RENAMENX @ z | COPY @ z | COPY @ z DB 3 | COPY a @
COPY a @ REPLACE | MOVE @ 2 | DEL @ | UNLINK @ @ | WATCH @ | RESTORE @ 0 x REPLACE | DUMP @
"""
INFO = [[], ["all"], ["everything"], ["default"], ["nosuch"], ["modules"], ["clients", "server"],
        ["default", "commandstats"], ["latencystats", "keyspace"], ["errorstats", "cpu", "cpu"]]
FIELD = re.compile(r"^(?:# )?[A-Za-z][\w|-]*", re.M)
FACTS = re.compile(r"^(keyspace_\w+|expired_keys|total_error_replies|errorstat_\w+|cmdstat_[^:]+):"
                   r"([^\r]*)", re.M)
TIMES = re.compile(r"usec=\d+,usec_per_call=[\d.]+,")


def fields_of_info(pair):
    """Every section of Redis, in its order, and in it every field that Redis has."""
    found = []
    client = pair.connect()
    pair.ask(client, [*SETUP, ("GET", "a"), ("NOSUCH",), ("INCR", "a")], found)
    for words in INFO:
        answers = []
        for end in client.ends:
            end.send(encode("INFO", *words))
            lines = FIELD.findall(end.replies(1)[0].decode().partition("\n")[2])
            answers.append([line for line in lines if not line.startswith("cmdstat")
                            and not line.startswith("latency_percentiles")])
        mine, theirs = answers
        missing = [line for line in theirs if line not in mine]
        titles = [[line for line in lines if line[0] == "#" and line != "# Varve"]
                  for lines in answers]
        must(not missing, "INFO", words, "lacks", missing)
        must(titles[0] == titles[1], "INFO", words, "has", titles[0], "there", titles[1])
    pair.check(found)


def commands_in(text):
    return [shlex.split(words) for words in re.split(r"[|\n]\s|\n", text) if words.strip()]


def lines_in(text):
    return [commands_in(line) for line in text.strip().split("\n")]


def administration(pair):
    """Every option and every mistake, in both protocols."""
    found = []
    for protocol in ([], [("HELLO", "3")]):
        for words in commands_in(WORDS):
            client = pair.connect()
            pair.ask(client, [*SETUP, *protocol, words], found)
            client.close()
    pair.check(found)


def payloads(pair):
    """RESTORE's options with what Redis dumped, and what is left of it cut and changed."""
    found = []
    client = pair.connect()
    for payload in (DUMPED, DUMPED[:-1], DUMPED[:-3], b"\x01" + DUMPED[1:], b"", LONGER,
                    SHORTER):
        for ttl in ("0", "100000000", "1", "4000000000000", "9223372036854775807", "-1"):
            for options in ((), ("ABSTTL",), ("REPLACE",), ("ABSTTL", "REPLACE"),
                            ("IDLETIME", "10"), ("FREQ", "10", "REPLACE")):
                for key in ("none", "a"):
                    if ttl != "1" or "ABSTTL" in options:
                        pair.ask(client, [*SETUP, ("RESTORE", key, ttl, payload, *options),
                                          ("EXISTS", key), ("TTL", key), ("GET", key)], found)
    pair.check(found)


def replies_kept_back(pair):
    """CLIENT REPLY: how many answers come, whatever is asked, and that messages come all the
    same."""
    found = []
    for protocol in "", RESP3:
        for line in lines_in(KEPT_BACK):
            commands = commands_in(protocol.strip(" |")) + line
            data = b"".join(encode(*words) for words in commands)
            for pieces in 1, 3:
                pair.raw(data, found, pieces)
    for empty in b"\r\n", b"*0\r\n", b"*-1\r\n":
        pair.raw(encode("CLIENT", "REPLY", "SKIP") + empty + b"GET a\r\nPING\r\n", found)
    for bad in b"*1\r\n$x\r\n", b"*x\r\n":
        for mode in "OFF", "SKIP":
            pair.raw(encode("CLIENT", "REPLY", mode) + bad, found)
    pair.check(found)


def messages_while_replies_are_off(pair):
    """Nothing is answered, but what others publish is heard."""
    found = []
    listener, speaker = pair.connect(), pair.connect()
    pair.ask(listener, [("SUBSCRIBE", "c"), ("PSUBSCRIBE", "d*"), ("SSUBSCRIBE", "s")], found)
    for end in listener.ends:
        end.send(encode("RESET"))
        end.replies(1)
        end.send(encode("CLIENT", "REPLY", "SKIP") + encode("HELLO", "3"))
        end.send(encode("CLIENT", "REPLY", "OFF") + encode("SUBSCRIBE", "c")
                 + encode("PSUBSCRIBE", "d*") + encode("GET", "a"))
        end.replies(2)
    pair.ask(speaker, [("PUBLISH", "c", "x"), ("PUBLISH", "d1", "y"), ("PUBLISH", "e", "z")], found)
    heard = []
    for end in listener.ends:
        end.send(encode("GET", "a") + encode("UNSUBSCRIBE", "c") + encode("CLIENT", "REPLY", "ON"))
        heard.append(end.replies(4))
    if heard[0] != heard[1]:
        found.append(Found((b"CLIENT", b"REPLY"), *[b"".join(h) for h in heard]))
    pair.check(found)


def what_a_client_said_last(pair):
    """cmd= of CLIENT LIST, as another client sees it: the command, refused or not. Each has a name
    of its own, as a server may not have missed those before."""
    for i, line in enumerate(lines_in(SAID_LAST)):
        seen = []
        client, watcher = pair.connect(), pair.connect()
        for end, watching in zip(client.ends, watcher.ends):
            commands = [("CLIENT", "SETNAME", f"me{i}"), *line]
            end.send(b"".join(encode(*words) for words in commands))
            end.replies(len(commands))
            watching.send(encode("CLIENT", "LIST"))
            seen += re.findall(rb" name=me%d .* cmd=(\S+)" % i, watching.replies(1)[0])
        client.close()
        watcher.close()
        must(len(seen) == 2 and seen[0] == seen[1], line, seen)


def who_is_killed(pair):
    """CLIENT KILL's filters, one and several: whose connection ends. None lets through clients of
    cases before this one, which a server may not have missed yet."""
    filters = ["ID {id}", "{address}", "ADDR {address}", "LADDR {local} ID {id}",
               "LADDR {local} ADDR {own} SKIPME no", "LADDR {local} ADDR {own} SKIPME yes",
               "TYPE normal ADDR {address}", "USER default TYPE pubsub ADDR {other}",
               "ADDR {other} TYPE normal", "ADDR {other} TYPE pubsub", "{own}", "ADDR {own}",
               "ADDR {own} SKIPME no", "ID {id} ADDR {other}", "ID {id} LADDR {local} TYPE normal",
               "ID {id} LADDR {other}"]
    found = []
    for text in filters:
        answers = []
        for i in range(len(pair.player.ports)):
            killer, victim, subscriber = [pair.connect() for _ in range(3)]
            ends = [c.ends[i] for c in (killer, victim, subscriber)]
            ends[1].send(encode("CLIENT", "ID"))
            ends[2].send(encode("SUBSCRIBE", "x"))
            name = {"id": int(ends[1].replies(1)[0][1:]), "local": where(ends[1], True)}
            ends[2].replies(1)
            name.update(own=where(ends[0]), address=where(ends[1]), other=where(ends[2]))
            ends[0].send(encode("CLIENT", "KILL", *text.format(**name).split()))
            ends[0].send(encode("PING"))
            said = ends[0].replies(2)
            for end in ends[1:]:
                end.send(b"PING\r\n")
                said += end.replies(1)
            answers.append(b" ".join(said))
            for client in (killer, victim, subscriber):
                client.close()
        if answers[0] != answers[1]:
            found.append(Found((b"CLIENT KILL", text.encode()), *answers))
    pair.check(found)


def where(end, is_peer=False):
    return "%s:%d" % (end.socket.getpeername() if is_peer else end.socket.getsockname())


def what_is_counted_and_told(pair):
    """For each command: hits, misses, errors and calls in INFO, and the events of all classes."""
    found = []
    client, listener = pair.connect(), pair.connect()
    pair.ask(client, [("CONFIG", "SET", "notify-keyspace-events", "EAmn")], found)
    pair.ask(listener, [("PSUBSCRIBE", "__keyevent*@*__:*")], found)
    commands = [[w.replace("@", key) for w in words]
                for key in ("a", "none", "n") for words in commands_in(OF_A_KEY)]
    commands += commands_in("GET | INCR a | NOSUCH | CONFIG SET x y | CLIENT NOSUCH | SELECT 99"
                            " | EXEC | FLUSHALL | SWAPDB 0 1 | AUTH x | SLOWLOG GET x | SAVE x")
    for words in commands:
        pair.ask(client, [*SETUP, ("CONFIG", "RESETSTAT"), words], found)
        answers = []
        for end, ear in zip(client.ends, listener.ends):
            end.send(encode("INFO", "stats", "commandstats", "errorstats"))
            facts = FACTS.findall(end.replies(1)[0].decode())
            ear.send(encode("PING", "heard"))
            answers.append(b"\n".join(
                [*sorted(f"{name}:{TIMES.sub('', value)}".encode() for name, value in facts),
                 *ear.until(b"heard\r\n")]))
        if answers[0] != answers[1]:
            found.append(Found(to_bytes(words), *answers))
    pair.ask(client, [("SWAPDB", "0", "1"), ("FLUSHALL",), ("CONFIG", "RESETSTAT"),
                      ("CONFIG", "SET", "notify-keyspace-events", "")], found)
    pair.check(found)


def what_counts_as_use(pair):
    """A key is restored as idle for long; after which commands is it not so any more?"""
    found = []
    client = pair.connect()
    commands = [[w.replace("@", "k") for w in words] for words in commands_in(OF_A_KEY)
                if words[0] != "RESTORE"]  # One that fails looks at the key here.
    commands += commands_in("OBJECT IDLETIME k | SCAN 0 | RANDOMKEY | KEYS * | DEBUG OBJECT k"
                            " | MEMORY USAGE k | EXPIRETIME k | BITCOUNT k 0 0 | DEL a k b")
    for words in commands:
        answers = []
        for end in client.ends:
            for request in (*SETUP, ("RESTORE", "k", "0", DUMPED, "IDLETIME", "100000"), words,
                            ("OBJECT", "IDLETIME", "k")):
                end.send(encode(*request))
                reply = end.replies(1)[0]
            answers.append(b"idle" if reply[:1] == b":" and int(reply[1:]) >= 100000 else
                           b"used" if reply[:1] == b":" else reply)
        if answers[0] != answers[1]:
            found.append(Found(to_bytes(words), *answers))
    pair.check(found)
