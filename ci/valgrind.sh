#!/usr/bin/env bash
# A part of the tests under valgrind, which needs no nightly compiler: invalid reads and writes, use after free.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

[ "$(uname -sm)" = "Linux x86_64" ] || skip "valgrind is set up for Linux on x86-64"
# It finds the symbols of libc, without which it does not start, only where they are installed.
if ! dpkg -s valgrind libc6-dbg >/dev/null 2>&1; then
    debian_need valgrind
    { apt-get update && apt-get install --yes --no-install-recommends valgrind libc6-dbg; } >/dev/null ||
        skip "valgrind is not installed, and cannot be (as root, on Debian, with a network, it would be)"
fi
# One thread at a time is all that valgrind runs. Leaks are another script's matter: see sanitizers.sh.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9 --leak-check=no --fair-sched=yes"
export MODEL_CASES=${MODEL_CASES:-20}
ci/quietly "valgrind" cargo test --all-features --test model --test regressions
ci/quietly "valgrind" cargo test --all-features --test hostile -- panic destructor closure goes_within
