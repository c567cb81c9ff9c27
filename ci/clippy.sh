#!/usr/bin/env bash
# No warnings: of all code with all features, of the library with none and with each alone, and of the models.
set -euo pipefail
cd "$(dirname "$0")/.."

ci/quietly "clippy, all features" cargo clippy --quiet --all-targets --all-features -- -D warnings
ci/quietly "clippy, no features" cargo clippy --quiet --lib --no-default-features -- -D warnings
for feature in $(ci/features); do
    ci/quietly "clippy, only $feature" \
        cargo clippy --quiet --lib --no-default-features --features "$feature" -- -D warnings
done

# Under loom nothing spins, and clippy sees that the loops are empty.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
RUSTFLAGS="--cfg loom" ci/quietly "clippy, models" \
    cargo clippy --quiet --test loom --features loom,atomic-waker,event-listener,spin,park -- -D warnings \
    -A clippy::reversed_empty_ranges -A clippy::absurd_extreme_comparisons
