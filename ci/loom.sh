#!/usr/bin/env bash
# The models: loom runs them through every interleaving. LOOM_MAX_PREEMPTIONS is not set: no bound but the models' own.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LOOM_MAX_PREEMPTIONS

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
RUSTFLAGS="--cfg loom" ci/quietly "models" \
    cargo test --release --features loom,atomic-waker,event-listener,spin,park --test loom
