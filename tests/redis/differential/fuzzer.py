"""fuzzer -- random streams: the same seed and number of a round, the same stream."""

import random

from varve_process import encode

from .stream import Conversation, Step, encode_inline

PIPELINES = [1, 1, 2, 3, 10, 30, 100, 200, 400, 800]
STEP_MAX_BYTES = 256 * 1024  # Fits what the kernel holds: neither side waits for the other.
LINE_MAX_BYTES = 16 * 1024  # As a line of \xNN.
ROUND_COMMANDS = 4000
# What other rounds leave behind is gone.
CLEAN = [(b"FLUSHALL",), (b"CONFIG", b"SET", b"notify-keyspace-events", b"")]
SPLINTERS = [b"\r\n", b"*", b"$", b"-1", b"0", b"\n", b'"', b"'", b" ", b"99999999999"]
PUBSUB = ["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"]


def leaves_all(words):
    """Ends all subscriptions, in an order of the server's own."""
    return len(words) == 1 and b"UNSUBSCRIBE" in words[0].upper()


class Fuzzer:
    def __init__(self, seed, grammar, differences):
        self.seed = seed
        self.grammar = grammar
        # In these no answer is excused.
        self.plain = [c for c in grammar.all if differences.is_plain(c.name)]
        self.weights = [w for c, w in zip(grammar.all, grammar.each) if c in self.plain]

    def round(self, number):
        """Its name, its stream, how many commands are in it."""
        r = random.Random(f"{self.seed}:{number}")
        make = (self.conversations if number % 10 == 3 else
                self.listeners if number % 10 == 7 else
                self.clients)
        steps, count = make(r)
        return make.__name__, [Step(0, CLEAN)] + steps, count

    def clients(self, r):
        """Four clients, the third and the fourth speak RESP3, a few commands at a time."""
        steps = [Step(i, [(b"HELLO", b"3")]) for i in (2, 3)]
        made = 0
        while made < ROUND_COMMANDS:
            commands, size = [], 0
            for _ in range(PIPELINES[int(r.random() * len(PIPELINES))]):
                command = self.grammar.make(r)
                size += sum(map(len, command))
                if size > STEP_MAX_BYTES and commands:
                    break
                commands.append(command)
            made += len(commands)
            inline = r.random() < 0.03 and size < LINE_MAX_BYTES
            pieces = r.choice([1, 1, 1, 1, 2, 3, 7])
            steps.append(Step(int(r.random() * 4), commands, pieces, inline))
        return steps, made

    def plain_command(self, r):
        return r.choices(self.plain, self.weights)[0].make(r)

    def conversations(self, r):
        """Connections that send a little, not always well-formed, and end."""
        steps, made = [], 0
        odd = [self.grammar.commands[n] for n in PUBSUB + ["client|reply"] * 4]
        for _ in range(100):
            data = b""
            for _ in range(r.choice([1, 2, 5, 20])):
                words = (r.choice(odd).make(r) if r.random() < 0.1 else
                         (b"QUIT",) if r.random() < 0.02 else self.plain_command(r))
                if leaves_all(words):
                    continue
                is_line = sum(map(len, words)) < LINE_MAX_BYTES and r.random() < 0.2
                data += (encode_inline if is_line else encode)(*words)
                made += 1
            if r.random() < 0.7:
                data = self.spoil(r, data)
            steps.append(Conversation(data, r.choice([1, 1, 1, 1, 1, 1, 1, 3])))
        return steps, made

    def spoil(self, r, data):
        """Bytes changed, left out, doubled or put in."""
        for _ in range(r.choice([1, 1, 1, 2, 5])):
            at = r.randrange(len(data) + 1)
            how = r.randrange(5)
            if how == 0:
                data = data[:at] + bytes([r.randrange(256)]) + data[at + 1:]
            elif how == 1:
                data = data[:at] + data[at + r.choice([1, 1, 2, 9]):]
            elif how == 2:
                data = data[:at] + data[max(0, at - 9):at] + data[at:]
            elif how == 3:
                data = data[:at] + r.choice(SPLINTERS) + data[at:]
            else:
                data = data[:at]
        return data

    def listeners(self, r):
        """Clients that subscribe, and others whose messages and keyspace events they hear."""
        classes = r.choice([b"KEA", b"KE$g", b"KEAmn"])
        steps = [Step(0, [(b"CONFIG", b"SET", b"notify-keyspace-events", classes)])]
        # In RESP3 a client hears its own misses, in 7.0 between the elements of MGET's answer.
        if b"m" not in classes:
            steps += [Step(i, [(b"HELLO", b"3")]) for i in (1, 3)]
        odd = [self.grammar.commands[n] for n in PUBSUB + ["publish"] * 3]
        made = 0
        for number in range(ROUND_COMMANDS // 40):
            commands = []
            for _ in range(r.choice([1, 1, 2, 5, 20])):
                is_odd = r.random() < 0.4
                commands.append(r.choice(odd).make(r) if is_odd else self.plain_command(r))
            commands = [c for c in commands
                        if c[0].upper() not in (b"MULTI", b"RESET") and not leaves_all(c)]
            made += len(commands)
            steps.append(Step(r.randrange(4), commands, mark=b"mark-%d" % number))
        return steps, made
