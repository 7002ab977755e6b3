#!/usr/bin/python3
"""run_differential -- the same bytes to varve and to a real redis-server, the same answers?

Cases thought out by people, then random streams of commands: see differential/__init__.py. Answers
must be equal to the byte, unless differential/differences.toml says how and why they may not be.

A difference is shrunk and printed with the line that shows it again. Redis 7.0 is needed; without
it the script says so and is skipped.
"""

import argparse
import itertools
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "server"))

from varve_process import Cases, Server, must  # noqa: E402

from differential import (case_administration, case_argument, case_comparison,  # noqa: E402
                          case_connection, case_difference, case_expiry, case_keyspace, case_table,
                          case_transaction)
from differential.difference import Differences  # noqa: E402
from differential.fuzzer import Fuzzer  # noqa: E402
from differential.grammar import Grammar, read  # noqa: E402
from differential.link import asker  # noqa: E402
from differential.pair import Pair  # noqa: E402
from differential.redis_process import Redis, is_redis_7_0, version  # noqa: E402
from differential.shrink import shown, shrink  # noqa: E402
from differential.stream import Player  # noqa: E402

SEED = 7015
COMMANDS = 1_000_000
SHOWN_BYTES = 600

CASES = [case_table.the_table_is_that_of_redis, case_argument.every_arity,
         case_argument.numbers_everywhere, case_argument.counters, case_argument.option_conflicts,
         case_argument.ranges, case_expiry.expiries, case_transaction.transactions,
         case_transaction.watches_of_two_clients, case_keyspace.databases, case_keyspace.scans,
         case_keyspace.large_values, case_keyspace.dumps_are_exchanged,
         case_connection.greetings, case_connection.replies_of_resp3, case_connection.passwords,
         case_connection.settings, case_connection.parameters, case_connection.bad_frames,
         case_administration.administration, case_administration.payloads,
         case_administration.fields_of_info, case_administration.what_counts_as_use,
         case_administration.replies_kept_back, case_administration.messages_while_replies_are_off,
         case_administration.what_a_client_said_last, case_administration.who_is_killed,
         case_administration.what_is_counted_and_told,
         case_difference.every_witness_differs, case_comparison.a_changed_byte_is_seen]


def options():
    parser = argparse.ArgumentParser(description="Compare varve with redis-server 7.0.")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--commands", type=int, default=COMMANDS, help="at random; 0: only cases")
    parser.add_argument("--round", type=int, help="only this one of the random rounds")
    parser.add_argument("--hunt", action="store_true",
                        help="go on behind a difference; show one of a kind")
    parser.add_argument("--case", help="only the cases whose names hold this")
    return parser.parse_args()


class Hunt:
    """Plays rounds and reports what they find."""

    def __init__(self, player, fuzzer, goes_on):
        self.player = player
        self.fuzzer = fuzzer
        self.goes_on = goes_on
        self.kinds = []

    def random_streams(self, commands_max, only=None):
        """Rounds of commands_max commands together, or one."""
        began, commands = time.monotonic(), 0
        for number in itertools.count() if only is None else [only]:
            if commands >= commands_max:
                break
            name, steps, count = self.fuzzer.round(number)
            commands += count
            found = self.player.play(steps)
            if found is None:
                continue
            if found.kind() not in self.kinds:
                self.kinds.append(found.kind())
                self.report(number, name, *shrink(self.player.play, steps, found))
            if not self.goes_on:
                break
        seconds = time.monotonic() - began
        print(f"{commands:,} commands in {seconds:.0f} s, {commands / seconds:,.0f} a second")
        must(not self.kinds, len(self.kinds), "kinds of differences")

    def report(self, number, name, steps, found):
        print(f"  --seed {self.fuzzer.seed} --round {number} ({name}) comes down to")
        for line in shown(steps):
            print(f"    {line[:SHOWN_BYTES]}")
        print(f"  answers to {b' '.join(found.command)[:SHOWN_BYTES]!r}")
        print(f"  varve {found.mine[:SHOWN_BYTES]!r}\n  redis {found.theirs[:SHOWN_BYTES]!r}",
              flush=True)


def every_row_is_needed(differences):
    faults = list(differences.faults())
    must(not faults, "; ".join(faults))


def main():
    wanted = options()
    if not is_redis_7_0():
        print(f"redis-server 7.0 is needed to compare with; there is {version() or 'none'}")
        return 77
    cases = Cases()
    differences = Differences()
    with Server("--enable-debug-command", "local") as varve, Redis() as redis:
        ours, theirs = (read(asker(server.port)) for server in (varve, redis))
        differences.tell_newer(set(ours) - set(theirs))
        grammar = Grammar(ours, theirs, differences.unsent)
        player = Player((varve.port, redis.port), differences, grammar.name_of)
        fuzzer = Fuzzer(wanted.seed, grammar, differences)
        hunt = Hunt(player, fuzzer, wanted.hunt)
        pair = Pair(player, grammar, ours, theirs)
        if wanted.round is not None:
            cases.run(hunt.random_streams, 1, wanted.round)
            return cases.end()
        for case in CASES:
            if wanted.case is None or wanted.case in case.__name__:
                cases.run(case, pair)
        if wanted.commands:
            cases.run(hunt.random_streams, wanted.commands)
        if wanted.case is None and wanted.commands >= COMMANDS:
            cases.run(every_row_is_needed, differences)
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
