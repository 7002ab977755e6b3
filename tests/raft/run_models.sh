#!/bin/bash
# run_models: Debian's spin visits the models of docs/models. Each holds as it is, and is found
# broken without the rule that it is there for: a model that cannot fail says nothing.
set -uo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check NAME EXPECTED MODEL FLAG...: all states are visited without an error, or one is found.
check() {
    local name=$1 expected=$2 model=$3 said=
    shift 3
    if (cd "$work" && rm -f pan* && spin "$@" -a "$root/docs/models/$model.pml" >spin.log 2>&1 &&
        cc -O2 -w -DSAFETY -o pan pan.c) && (cd "$work" && ./pan -m100000 >pan.log); then
        said=$(cat "$work/pan.log")
    fi
    local states errors
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$said")
    errors=$(sed -n 's/.*, errors: \([0-9]*\)$/\1/p' <<<"$said")
    echo "$name: ${states:-no} states, ${errors:-?} errors"
    local is=
    if [ "${errors:-1}" = 0 ] && [ "${states:-0}" -gt 1000 ] &&
        ! grep -q 'not completed' <<<"$said"; then
        is=holds
    elif [ "${errors:-0}" -ge 1 ] && grep -q 'assertion violated' <<<"$said"; then
        is=breaks
    fi
    if [ "$is" = "$expected" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s: it should be that it %s\n%s\n' "$name" "$expected" "$said"
        cat "$work/spin.log"
    fi
}

check "a conf in force at commit" holds conf_in_force_at_commit
check "the same, commit index not written" breaks conf_in_force_at_commit -DLAZY
echo "models: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
