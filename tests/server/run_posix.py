#!/usr/bin/python3
"""run_posix -- the whole server over plain calls and epoll: what other scripts ask of io_uring."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

COUNTED = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n\Z", re.M)

# Script, and which of its cases; none: all.
RUNS = [
    ("run_load.py", []),
    ("run_kill.py", []),
    ("run_smoke.py", [
        "set_and_get", "a_pipeline_of_any_depth_is_answered_in_order", "big_values_come_back_whole",
        "a_bad_frame_gets_redis_error_and_ends_the_connection", "transactions_of_two_connections",
        "scanning", "keys_expire_by_themselves", "a_restart_keeps_everything",
        "a_kill_keeps_what_was_acknowledged", "a_store_larger_than_memory_is_served",
        "idle_clients_are_let_go", "clients_beyond_the_limit_are_told",
    ]),
]


def main():
    passed = failed = skipped = 0
    environment = dict(os.environ, VARVE_IO_BACKEND="posix")
    for script, cases in RUNS:
        command = [sys.executable, os.path.join(HERE, script), *cases]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        counted = COUNTED.search(done.stdout)
        if counted:
            passed += int(counted[1])
            failed += int(counted[2])
            skipped += int(counted[3] or 0)
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
