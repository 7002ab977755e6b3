#!/bin/bash
# run_coverage: the transcripts alone run every line of the core's step and 19 branches of 20; with
# the unit cases, so of all of raft/: coverage.py, with the compiler that is there anyway.
set -uo pipefail

here=$(dirname "$0")
passed=0 failed=0
for more in "" --cases; do
    if /usr/bin/python3 "$here/coverage.py" --llvm 14 --transcripts --missed $more; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "coverage: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
