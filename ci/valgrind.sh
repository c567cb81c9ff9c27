#!/usr/bin/env bash
# A part of the tests under valgrind, which needs no nightly compiler: invalid reads and writes, use after free.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed"
    exit 0
fi
# One thread at a time is all that valgrind runs. Leaks are another script's matter: see sanitizers.sh.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9 --leak-check=no --fair-sched=yes"
export MODEL_CASES=${MODEL_CASES:-20}
ci/quietly "valgrind" cargo test --all-features --test model --test regressions
ci/quietly "valgrind" cargo test --all-features --test hostile -- panic destructor closure goes_within
