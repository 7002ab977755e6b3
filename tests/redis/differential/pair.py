"""pair -- both servers, as cases talk to them: words as text, and every difference in one list."""

from varve_process import must

from .stream import Client, Conversation, Step

SHOWN = 12  # Differences printed of a case.
PIPELINE = 1000
BIG = "9223372036854775807"
NUMBERS = ["0", "1", "-1", "10", "-0", "+1", "01", " 1", "1 ", "1.0", "1e3", "abc", "", "0x10",
           BIG, "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
           "18446744073709551616", "9223372036854775", "9223372036854776", "1\x00", "nan", "inf"]
SETUP = [("SET", "k", "10"), ("SET", "t", "text", "PXAT", "99999999999999")]


def to_bytes(words):
    return tuple(w if isinstance(w, bytes) else str(w).encode() for w in words)


class Pair:
    def __init__(self, player, grammar, ours, theirs):
        self.player = player
        self.grammar = grammar
        self.ours = ours      # Name to (documentation, information), of varve.
        self.theirs = theirs  # Of Redis.

    def connect(self):
        return Client(self.player.ports)

    def ask(self, client, commands, found):
        """Pipelined. Differences go to found."""
        found += self.player.differing(Step(None, [to_bytes(c) for c in commands]), client)

    def raw(self, data, found, pieces=1):
        """A whole connection: these bytes, then no more; all that is answered."""
        difference = self.player.converse(Conversation(data, pieces))
        if difference is not None:
            found.append(difference)

    def ask_all(self, groups, found):
        """Groups of commands, one after another on one connection, many in a pipeline."""
        client, pipeline = self.connect(), []
        for group in groups:
            pipeline += group
            if len(pipeline) >= PIPELINE:
                self.ask(client, pipeline, found)
                pipeline = []
        self.ask(client, pipeline, found)
        client.close()

    def each_alone(self, commands, setup=()):
        """Every command on data that setup has made anew."""
        found = []
        self.ask_all(([("FLUSHALL",), *setup, command, ("GET", "k"), ("TYPE", "k"), ("PTTL", "k"),
                       ("DBSIZE",)] for command in commands), found)
        self.check(found)

    def check(self, found):
        for f in found[:SHOWN]:
            print(f"  {b' '.join(f.command)[:200]!r}\n    varve {f.mine[:300]!r}\n"
                  f"    redis {f.theirs[:300]!r}")
        must(not found, len(found), "answers differ")
