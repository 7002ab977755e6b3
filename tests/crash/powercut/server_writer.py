#!/usr/bin/python3
"""server_writer -- a whole server under cutrun, and clients with pipelines, MULTI and WATCH.

  server_writer.py VARVE write|verify DIR uring|posix

The protocol is cutrun's; what is owed after a cut: tests/server/ledger.py.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "server"))

os.environ["VARVE"] = sys.argv[1]
os.environ["VARVE_IO_BACKEND"] = "auto" if sys.argv[4] == "uring" else sys.argv[4]

from ledger import Ledger  # noqa: E402  (which looks for these when it is imported)
from varve_process import Server  # noqa: E402

IS_FINE, IS_LOST = 0, 1
SMALL = ["--maxmemory", "40mb", "--write-buffer-size", "2mb", "--log-segment-size", "1mb"]


def acknowledge(line):
    try:
        os.write(1, line.encode() + b"\n")
    except BrokenPipeError:
        os._exit(IS_FINE)


def main():
    _, _, what, folder, _ = sys.argv
    server = Server(*SMALL, data=os.path.join(folder, "data"))
    try:
        if what == "write":
            server.start()
            threads, wrong = Ledger(acknowledge).start(server, os.getpid())
            for t in threads[:-1]:  # The reader goes on: reads are served for ever.
                t.join()
            if wrong:
                print(*wrong, file=sys.stderr)
                return 3
            return IS_FINE
        ledger = Ledger()
        for line in sys.stdin:
            ledger.read_line(line)
        server.start()
        ledger.verify(server)
        return IS_FINE
    except AssertionError as e:
        print(e, file=sys.stderr)
        return IS_LOST
    finally:
        server.destroy()


if __name__ == "__main__":
    sys.exit(main())
