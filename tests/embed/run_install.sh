#!/bin/bash
# What `cmake --install` puts down is enough for an application: the header alone, either library,
# by way of pkg-config; and both libraries show varve_* and nothing else.
set -euo pipefail

build=${VARVE_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}/release
examples=$(cd "$(dirname "$0")/../.." && pwd)/examples
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
passed=0
failed=0

check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok    $what"
    else
        failed=$((failed + 1))
        echo "FAIL  $what"
    fi
}
shows_only_varve() { # nm's arguments
    local names
    names=$(nm "$@" | awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }')
    [ -n "$names" ] && ! grep -v '^varve_' <<<"$names"
}
compile() { gcc -std=c11 -Wall -Wextra -Werror "$@"; }
run_in_empty() { (cd "$(mktemp -d -p "$prefix")" && timeout 60 "$@" >/dev/null); }

cmake --install "$build" --prefix "$prefix" >/dev/null
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
shared_flags=$(pkg-config --cflags --libs varve)
static_flags="$(pkg-config --cflags varve) $prefix/lib/libvarve.a"
static_flags+=" $(pkg-config --static --libs varve | sed 's/-lvarve//')"

check "libvarve.so shows varve_* only" shows_only_varve -D --defined-only "$prefix/lib/libvarve.so"
check "libvarve.a shows varve_* only" shows_only_varve -g --defined-only "$prefix/lib/libvarve.a"
echo '#include <varve.h>' >"$prefix/alone.c"
check "varve.h compiles alone" \
    compile -Wpedantic -fsyntax-only $(pkg-config --cflags varve) "$prefix/alone.c"
echo '#include <varve.h>' >"$prefix/alone.cc"
if command -v g++ >/dev/null; then
    check "varve.h compiles as C++" \
        g++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags varve) \
        "$prefix/alone.cc"
fi
shopt -s nullglob
for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    check "$name compiles with the shared library" \
        compile "$source" -o "$prefix/$name.shared" $shared_flags -Wl,-rpath,"$prefix/lib"
    check "$name runs with the shared library" run_in_empty "$prefix/$name.shared"
    check "$name compiles with the archive" \
        compile "$source" -o "$prefix/$name.static" $static_flags
    check "$name runs with the archive" run_in_empty "$prefix/$name.static"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
