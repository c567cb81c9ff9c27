#!/usr/bin/env bash
# The models: loom runs them through every interleaving. LOOM_MAX_PREEMPTIONS is not set: no bound but the models' own.
# How many interleavings each had is in target/loom/models.md then; with --write it goes into tests/loom/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LOOM_MAX_PREEMPTIONS

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
RUSTFLAGS="--cfg loom" ci/quietly "models" bash -o pipefail -c '
    cargo test --release --features loom,atomic-waker,event-listener,spin,park --test loom -- --nocapture 2>&1 | tee "$0"
' "$log"

# Tests run side by side, so the line of a model may follow that of another one.
models=$(grep -oE '[a-z_]+::[a-z_, ]+: [0-9]+ interleavings, (no bound|at most [0-9]+ preemptions(, eager)?)' "$log" |
    LC_ALL=C sort -u)
awk -F ': ' '{ sum += $2; bounded += /at most/ } END {
    printf "models: %d runs, %d without a bound, %d interleavings\n", NR, NR - bounded, sum
}' <<<"$models"

{
    sed '/^| model/,$d' tests/loom/README.md
    echo '| model | interleavings | bound of preemptions |'
    echo '|---|---:|---|'
    sed -E 's/^(.*): ([0-9]+) interleavings, no bound$/| `\1` | \2 | none |/
        s/^(.*): ([0-9]+) interleavings, at most ([0-9]+) preemptions, eager$/| `\1` | \2 | \3, eager |/
        s/^(.*): ([0-9]+) interleavings, at most ([0-9]+) preemptions$/| `\1` | \2 | \3 |/' <<<"$models"
} >"$CARGO_TARGET_DIR/models.md"
if [ "${1:-}" = --write ]; then
    cp "$CARGO_TARGET_DIR/models.md" tests/loom/README.md
fi
