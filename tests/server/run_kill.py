#!/usr/bin/python3
"""run_kill -- kill -9 under pipelines, MULTI and WATCH: what was answered is there, EXEC all or
nothing. What exactly is owed: ledger.py."""

import random
import signal
import sys
import time

from ledger import Ledger
from varve_process import Cases, Server, free_port, must

KILLS_MAX = 100
SMALL = ["--maxmemory", "40mb", "--write-buffer-size", "2mb", "--log-segment-size", "1mb"]


def restart(server):
    server.port = free_port()  # The last one may have been taken meanwhile.
    server.start()


def is_much(ledger):
    """What was done is enough to lose something of it."""
    return min(ledger.units) > 100 and ledger.counted > 20


def kills_lose_nothing(kills_min, *arguments):
    """So many, and on a slow machine as many more as it takes until enough has been done."""
    seed = random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    ledger = Ledger()
    server = Server(*SMALL, *arguments)
    kills = 0
    try:
        while kills < kills_min or not is_much(ledger) and kills < KILLS_MAX:
            kills += 1
            restart(server)
            threads, wrong = ledger.start(server, rng.randrange(1 << 32))
            time.sleep(rng.choice((0.05, 0.2, 0.6)) * (0.5 + rng.random()))
            server.stop(signal.SIGKILL)
            for t in threads:
                t.join(60)
            must(not wrong, wrong, "seed", seed)
            restart(server)
            ledger.verify(server)
            server.stop(signal.SIGKILL)
        must(is_much(ledger), "hardly anything was done:", ledger.units, ledger.counted)
        print(f"      {sum(ledger.units)} units and {ledger.counted} counts in {kills} kills")
    finally:
        server.destroy()


def kills_lose_nothing_durable():
    kills_lose_nothing(6)


def kills_lose_nothing_relaxed():
    kills_lose_nothing(4, "--durability", "relaxed")


CASES = [kills_lose_nothing_durable, kills_lose_nothing_relaxed]


def main():
    cases = Cases()
    for case in CASES:
        cases.run(case)
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
