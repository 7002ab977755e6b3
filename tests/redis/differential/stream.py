"""stream -- what several clients say, one after the other; plays it to both servers.

A stream is a list of steps. A step is a client and a pipeline of commands, sent in one piece or in
several; the next begins when all of it is answered. Or it is a Conversation: bytes of any kind on
a connection of their own, which is then ended, and all that comes back.
"""

import itertools

from varve_process import encode

from .difference import is_error
from .link import End, asker
from .reply import elements, is_aggregate


def encode_inline(*words):
    """A request as a line of quoted words."""
    return b" ".join(b'"' + b"".join(b"\\x%02x" % c for c in w) + b'"' for w in words) + b"\r\n"


class Step:
    """A pipeline of one client. With a mark, other clients are listened to behind it as well."""

    def __init__(self, client, commands, pieces=1, inline=False, mark=None):
        self.client = client
        self.commands = commands
        self.pieces = pieces
        self.inline = inline
        self.mark = mark

    def data(self):
        return b"".join(itertools.starmap(encode_inline if self.inline else encode,
                                          self.commands))


class Conversation:
    def __init__(self, data, pieces=1):
        self.data = data
        self.pieces = pieces


class Found:
    """A difference: where in the stream, the command, and both answers."""

    def __init__(self, command, mine, theirs):
        self.place = None
        self.command = command
        self.mine = mine
        self.theirs = theirs

    def kind(self):
        """Differences of one kind have the same cause, most often."""
        return [w.lower() for w in self.command[:1]], self.mine[:8], self.theirs[:8]


def send_both(ends, data, pieces, glance=False):
    size = max(1, -(-len(data) // pieces))
    for at in range(0, len(data), size):
        for end in ends:
            end.send(data[at:at + size])
            if glance and pieces > 1:
                end.glance()


class Client:
    """Connections of one client to both servers, and what it has queued since MULTI."""

    def __init__(self, ports, connect=End):
        self.ends = [connect(port) for port in ports]
        self.queued = []

    def note(self, command, reply):
        """Remember what EXEC will answer."""
        if reply == b"+QUEUED\r\n":
            self.queued.append(command)
        elif self.queued and not (is_error(reply) and command[0].upper() != b"EXEC"):
            self.queued = []

    def close(self):
        for end in self.ends:
            end.close()


class Player:
    """Plays streams to two servers and tells where their answers differ."""

    def __init__(self, ports, differences, name_of, connect=End):
        self.ports = ports
        self.connect = connect
        self.differences = differences
        self.name_of = name_of

    def play(self, steps):
        """The first difference that is not excused, or None."""
        clients = {}
        try:
            for place, step in enumerate(steps):
                if isinstance(step, Conversation):
                    found = self.converse(step)
                else:
                    if step.client not in clients:
                        clients[step.client] = Client(self.ports, self.connect)
                    found = (self.say(step, clients[step.client]) if step.mark is None else
                             self.listen(step, clients))
                if found is not None:
                    found.place = place
                    return found
        finally:
            for client in clients.values():
                client.close()
        return None

    def say(self, step, client):
        return next(self.differing(step, client), None)

    def differing(self, step, client):
        """All answers that differ and are not excused."""
        send_both(client.ends, step.data(), step.pieces)
        mine, theirs = [end.replies(len(step.commands)) for end in client.ends]
        for command in step.commands:
            self.differences.asked[self.name_of(command)] += 1
        if mine == theirs and not client.queued and b"+QUEUED\r\n" not in theirs:
            return
        missing = b"<nothing>"
        for command, a, b in itertools.zip_longest(step.commands, mine, theirs, fillvalue=missing):
            found = self.unexcused(command, a, b, client.queued) if a != b else None
            if found is not None:
                yield found
            client.note(command, b)

    def unexcused(self, command, mine, theirs, queued):
        """The difference, or that of the first command within EXEC; None if there is an excuse."""
        name = self.name_of(command)
        if name == "exec" and is_aggregate(mine) and is_aggregate(theirs):
            inner = [elements(mine), elements(theirs)]
            if len(inner[0]) == len(inner[1]) == len(queued):
                found = (self.unexcused(q, a, b, ()) for q, a, b in zip(queued, *inner) if a != b)
                return next((f for f in found if f is not None), None)
        if self.differences.excuse(name, command, mine, theirs) is not None:
            return None
        return Found(command, mine, theirs)

    def listen(self, step, clients):
        """What this client says, and then what all of them have been sent."""
        speaker = clients[step.client]
        ping = encode(b"PING", step.mark)
        for client in [speaker] + [c for c in clients.values() if c is not speaker]:
            send_both(client.ends, (step.data() if client is speaker else b"") + ping, step.pieces)
            mine, theirs = [end.until(step.mark + b"\r\n") for end in client.ends]
            mine, theirs = b"".join(mine), b"".join(theirs)
            self.differences.asked["heard"] += 1
            if mine != theirs and not self.differences.excuse("heard", step.commands[0], mine,
                                                              theirs):
                words = step.commands[0] if len(step.commands) == 1 else (b"...",)
                return Found(words, mine, theirs)
        return None

    def converse(self, step):
        ends = [self.connect(port) for port in self.ports]
        send_both(ends, step.data, step.pieces, glance=True)
        answers = []
        for end in ends:
            end.end_of_input()
            answers.append(end.rest())
            end.close()
        if answers[0] == answers[1]:
            return None
        if self.differences.excuse("conversation", (step.data,), *answers) is None:
            return Found((step.data,), *answers)
        # One of them may have done what the other did not take for a command.
        for port in self.ports:
            asker(port)(b"FLUSHALL")
        return None
