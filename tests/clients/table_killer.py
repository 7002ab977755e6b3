#!/usr/bin/python3
"""table_killer -- kill a process in the middle of writing a table.

    table_killer.py FOLDER COUNT DELAY_US

Says "ready", reads the number of a process from standard input, and kills it with SIGKILL as soon
as COUNT tables (*.sst) have appeared in FOLDER since "ready", or a little later. Then says the last
one's name. A process of its own, as nothing may stand between the table and the kill.
"""

import ctypes
import os
import signal
import struct
import sys
import time

IN_CREATE = 0x100
HEADER = struct.Struct("iIII")


def appeared(watch):
    """Names of files that have been created; waits for the next."""
    data = os.read(watch, 1 << 16)
    while data:
        _, _, _, size = HEADER.unpack_from(data)
        yield data[HEADER.size:HEADER.size + size].rstrip(b"\0").decode()
        data = data[HEADER.size + size:]


def go_first():
    """Before whatever else keeps the machine busy, where that is allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass


def main():
    folder, count, delay_us = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init()
    if watch < 0 or libc.inotify_add_watch(watch, folder.encode(), IN_CREATE) < 0:
        sys.exit(f"no inotify on {folder}: {os.strerror(ctypes.get_errno())}")
    go_first()
    print("ready", flush=True)
    victim = int(sys.stdin.readline())
    while True:
        for name in appeared(watch):
            count -= name.endswith(".sst")
            if count == 0:
                time.sleep(delay_us / 1e6)
                os.kill(victim, signal.SIGKILL)
                print(name, flush=True)
                return


if __name__ == "__main__":
    main()
