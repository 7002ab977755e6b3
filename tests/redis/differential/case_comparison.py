"""case_comparison -- a byte that one server says otherwise is seen, whoever hears it."""

from varve_process import must

from .fuzzer import Fuzzer
from .link import End
from .stream import Player, Step

SEED = 1
# Kinds of rounds, and what is to be heard in them, changed in the second server's answers: in both
# protocols, in transactions, by listeners; and where a client library would notice nothing.
LIES = [("clients", b"+OK\r\n", b"+OJ\r\n"), ("clients", b"+QUEUED", b"+QUEUEd"),
        ("clients", b"_\r\n", b",\r\n"), ("clients", b"$-1\r\n", b"*-1\r\n"),
        ("conversations", b"+OK\r\n", b"+OJ\r\n"), ("conversations", b"$9\r\nsub", b"$9\r\nsuB"),
        ("listeners", b"*3\r\n$7\r\nmessage", b"*3\r\n$7\r\nmessagE"),
        ("listeners", b">4\r\n$8\r\npmessage", b">4\r\n$8\r\npmessagE"),
        ("listeners", b"$8\r\nsmessage", b"$8\r\nsmessagE")]


def liar(port_of_liar, truth, lie):
    class Liar(End):
        """Hears one thing for another of the same length."""

        def __init__(self, port):
            super().__init__(port)
            self.lies = port == port_of_liar

        def receive(self):
            super().receive()
            if self.lies:
                self.data = self.data.replace(truth, lie)
    return Liar


def a_changed_byte_is_seen(pair):
    player = pair.player
    fuzzer = Fuzzer(SEED, pair.grammar, player.differences)
    rounds = {}
    for number in range(10):
        name, steps, _ = fuzzer.round(number)
        rounds.setdefault(name, steps)
        speakers = {s.client for s in steps if isinstance(s, Step)}
        must(name == "conversations" or speakers == {0, 1, 2, 3}, f"{name}: only {speakers} speak")
    must({name for name, _, _ in LIES} == set(rounds), "there are rounds of", *rounds)
    for name, truth, lie in LIES:
        deceived = Player(player.ports, player.differences, player.name_of,
                          liar(player.ports[1], truth, lie))
        found = deceived.play(rounds[name])
        must(found is not None and (truth in found.mine or lie in found.theirs),
             f"{name}: nobody saw {lie!r} for {truth!r}: {found and found.command}")
