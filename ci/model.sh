#!/bin/sh
# The model-based test, optimised and with more programs than `cargo test` runs: MODEL_CASES for each backend and mutability.
set -eu
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
MODEL_CASES=${MODEL_CASES:-6000} cargo test --release --all-features --test model -- --nocapture >"$log" 2>&1 || {
    cat "$log"
    exit 1
}
# Other output of the test runner may be on the same line.
total=$(grep -o 'executed [0-9]* operations' "$log" | awk '{ sum += $2 } END { print sum + 0 }')
echo "model: $total operations"
[ "$total" -ge "${MODEL_OPERATIONS:-1000000}" ]
