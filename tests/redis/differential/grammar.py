"""grammar -- random commands, from a server's own COMMAND DOCS and COMMAND INFO.

Every command that the table has is made of its arguments as the table describes them, so that a
command which is added there is compared with Redis from then on. Words that redis-server's table
does not have (options that are newer) are left out: it would not know what they mean.
"""

import itertools

from . import argument
from .reply import pairs, value

# How often a command comes: by name, or by group for all of a group together.
WEIGHTS = {"set": 14, "get": 10, "del": 4, "multi": 3, "exec": 3, "discard": 0.5, "watch": 1.5,
           "unwatch": 0.5, "flushall": 0.2, "flushdb": 0.3, "select": 1.5, "lcs": 0.3,
           "swapdb": 0.2, "keys": 0.5, "scan": 0.5, "hello": 0.2, "command": 0.02,
           "command|docs": 0.02, "info": 0.05}
GROUP_WEIGHTS = {"string": 1.5, "bitmap": 1.5, "generic": 1.2, "connection": 0.15, "server": 0.08,
                 "pubsub": 0.2}
SPOILED = 0.06  # Of all commands: with an argument too many, too few, of another kind.
UNSPOILED = ["hello"]  # Options in front of a bad one are obeyed by 7.0, not by 7.2.


def read(ask):
    """name -> (documentation, information) of all commands and subcommands of a server."""
    found = {}

    def add(docs, infos):
        by_name = {info[0].decode(): info for info in infos if info}
        for name, flat in pairs(docs).items():
            doc, name = pairs(flat), name.decode()
            found[name] = doc, by_name[name]
            if b"subcommands" in doc:
                add(doc[b"subcommands"], by_name[name][9])

    add(value(ask(b"COMMAND", b"DOCS")), value(ask(b"COMMAND")))
    return found


def tokens(arguments):
    """All option words within a list of arguments."""
    for flat in arguments or ():
        arg = pairs(flat)
        if b"token" in arg:
            yield arg[b"token"].upper()
        yield from tokens(arg.get(b"arguments"))


class Command:
    """Makes calls of one command."""

    def __init__(self, name, doc, info, known):
        self.name = name
        self.words = [w.upper().encode() for w in name.split("|")]
        self.arity = info[1]
        self.group = doc[b"group"].decode()
        self.known = known
        self.spoilers = argument.VALUES + argument.NUMBERS
        self.parts = [p for p in map(self.part, doc.get(b"arguments", ())) if p]

    def part(self, flat):
        """A function that appends an argument's words; None if Redis does not know its option."""
        arg = pairs(flat)
        token, kind = arg.get(b"token"), arg[b"type"].decode()
        flags = arg.get(b"flags", ())
        if token is not None and token.upper() not in self.known:
            return None
        body = self.body(arg, kind)
        if body is None:
            return None
        is_token = kind == "pure-token"
        repeats = 4 if b"multiple" in flags else 1
        again = b"multiple_token" in flags

        def append(r, out):
            if b"optional" in flags and r.random() < 0.6:
                return
            if token and not is_token:
                out.append(token)
            body(r, out)
            count = int(r.random() * repeats)
            for _ in range(count):
                if again:
                    out.append(token)
                body(r, out)
        return append

    def body(self, arg, kind):
        if kind == "pure-token":
            word = arg[b"token"]
            return lambda r, out: out.append(word if r.random() < 0.9 else word.lower())
        if kind in ("oneof", "block"):
            inner = [p for p in map(self.part, arg[b"arguments"]) if p]
            if not inner:
                return None
            if kind == "oneof":
                return lambda r, out: inner[int(r.random() * len(inner))](r, out)

            def all_of(r, out):
                for append in inner:
                    append(r, out)
            return all_of
        name = arg[b"name"].decode()
        if name in argument.TIMES:
            self.spoilers = argument.NEVER
        pool = argument.pool(self.name, name, kind)
        return lambda r, out: out.append(pool[int(r.random() * len(pool))])

    def make(self, r):
        """Words of a call; now and then not one that is right."""
        out = list(self.words)
        for append in self.parts:
            append(r, out)
        if r.random() < SPOILED and self.name not in UNSPOILED:
            self.spoil(r, out)
        return tuple(out)

    def spoil(self, r, out):
        place = r.randrange(len(self.words), len(out) + 1)
        how = r.randrange(5)
        if how == 0:
            del out[place:]
        elif how == 1:
            out.insert(place, r.choice(self.spoilers))
        elif how == 2 and self.known:
            out.insert(place, r.choice(sorted(self.known)))
        elif how == 3 and place < len(out):
            out[place] = r.choice(self.spoilers)
        else:
            out[0] = out[0].lower()


class Grammar:
    """All commands that both servers have, and how often each is to come; what is not sent at any
    time is made for those who ask for it by name."""

    def __init__(self, ours, theirs, unsent):
        self.containers = {n.split("|")[0] for n in ours if "|" in n}
        self.commands = {}
        for name, (doc, info) in ours.items():
            if name in theirs and name not in self.containers - {"command"}:
                known = set(tokens(theirs[name][0].get(b"arguments")))
                self.commands[name] = Command(name, doc, info, known)
        self.all = [c for c in self.commands.values() if c.name not in unsent]
        self.each = [WEIGHTS.get(c.name, GROUP_WEIGHTS.get(c.group, 0.5)) for c in self.all]
        self.total = list(itertools.accumulate(self.each))

    def name_of(self, words):
        """What the table calls it: "client|list"."""
        name = words[0].decode("latin-1").lower() if words else ""
        if name in self.containers and len(words) > 1:
            return name + "|" + words[1].decode("latin-1").lower()
        return name

    def make(self, r):
        return r.choices(self.all, cum_weights=self.total)[0].make(r)
