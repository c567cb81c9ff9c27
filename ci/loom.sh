#!/usr/bin/env bash
# The models: loom runs them through every interleaving. LOOM_MAX_PREEMPTIONS is not set: no bound but the models' own.
# How many interleavings each had is in target/loom/models.md then; with --write it goes into tests/loom/README.md.
# A model has a process of its own: loom maps and unmaps stacks all the time, for which the threads of one process queue.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LOOM_MAX_PREEMPTIONS

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
if ! RUSTFLAGS="--cfg loom" cargo test --release --features loom,atomic-waker,event-listener,spin,park --test loom \
    --no-run >"$logs/build" 2>&1; then
    cat "$logs/build"
    exit 1
fi
models=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$logs/build")

# The name of what fails, and the end of what it said, for loom says where.
"$models" --list | sed -n 's/: test$//p' | xargs -P "$(nproc)" -I NAME sh -c '
    "$0" --exact NAME --nocapture --test-threads=1 >"$1/NAME" 2>&1 || { tail -n 40 "$1/NAME"; echo "NAME: FAILED"; false; }
' "$models" "$logs"

cat "$logs"/*::* | sed -nE 's/^.*\b([a-z_]+(::[a-z_]+)+): ([0-9]+) interleavings, bound (none|[0-9]+)(, eager)?, .*$/\1 \3 \4\5/p' |
    LC_ALL=C sort >"$logs/table"
awk '{ sum += $2; bounded += $3 !~ /none/ } END {
    printf "models: %d, %d of them without a bound, %d interleavings\n", NR, NR - bounded, sum
}' "$logs/table"

{
    sed '/^| model/,$d' tests/loom/README.md
    echo '| model | interleavings | bound of preemptions |'
    echo '|---|---:|---|'
    sed -E 's/^([^ ]+) ([0-9]+) (.*)$/| `\1` | \2 | \3 |/' "$logs/table"
} >"$CARGO_TARGET_DIR/models.md"
if [ "${1:-}" = --write ]; then
    cp "$CARGO_TARGET_DIR/models.md" tests/loom/README.md
fi
