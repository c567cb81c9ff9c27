#!/usr/bin/env bash
# The quickstart: what it prints, and how it ends if there is no such file.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo build --quiet --example quickstart
program=${CARGO_TARGET_DIR:-target}/debug/examples/quickstart

fail() {
    echo "quickstart: $*"
    cat "$out"/*
    exit 1
}

# has REGEX: a line of the output is that.
has() {
    grep -Eqx -- "$1" "$out/stdout" || fail "no line is '$1'"
}

printf 'A seed,\na tree, a bee\n' >"$out/text"
timeout 60 "$program" "$out/text" >"$out/stdout" 2>"$out/stderr" || fail "status $?"
has 'words +6 +\(a tokio task\)'
has 'lines +2 +\(a smol task\)'
has 'letters +eabdr +\(a thread, the most frequent\)'
has '800 loans in 200 rounds: .*'
has 'no copy: .*'
has '0 allocations in the quietest round of 4 loans'
[ ! -s "$out/stderr" ] || fail "it complained"

# By default it reads the README, from whatever directory it is run.
words=$(wc -w <README.md)
(cd / && timeout 60 cargo run --quiet --manifest-path "$OLDPWD/Cargo.toml" --example quickstart) >"$out/stdout"
has "words +$((words)) .*"

status=0
"$program" "$out/none" >"$out/stdout" 2>"$out/stderr" || status=$?
[ $status -eq 1 ] || fail "a missing file: status $status"
[ ! -s "$out/stdout" ] || fail "a missing file: it printed something"
grep -q "none: No such file" "$out/stderr" || fail "a missing file: no word of it"
[ "$(wc -l <"$out/stderr")" -eq 1 ] || fail "a missing file: not one line"
echo "quickstart: ok"
