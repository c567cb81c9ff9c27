#!/usr/bin/env bash
# The README's test command. It prints cargo's summaries, and all of the output if a test fails.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cargo test --all-features >"$log" 2>&1; then
    cat "$log"
    exit 1
fi
grep '^test result' "$log"
