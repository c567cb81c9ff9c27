#!/usr/bin/env bash
# For daily work: the checks that find most, in about two minutes on two cores once all is built. .ci/run has the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local start=$SECONDS output
    output=$("${@:2}" 2>&1) || { printf 'FAILED   %s\n%s\n' "$1" "$output"; exit 1; }
    printf 'ok       %-16s %4d s\n' "$1" $((SECONDS - start))
}

step fmt cargo fmt --check
step clippy cargo clippy --quiet --all-targets --all-features -- -D warnings

# Not: `ui`, and `executors` and `overflow`, which take a minute each. `loom` follows below.
tests=()
for file in tests/*.rs tests/*/main.rs; do
    name=$(basename "${file%/main.rs}" .rs)
    case $name in
    ui | executors | overflow | loom) ;;
    *) tests+=(--test "$name") ;;
    esac
done
export MODEL_CASES=${MODEL_CASES:-50}
step tests cargo test --quiet --all-features --lib "${tests[@]}"
step docs cargo test --quiet --all-features --doc

# A few small models, of which every interleaving takes a second: loans, who gives up, who goes.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom" RUSTFLAGS="--cfg loom"
unset LOOM_MAX_PREEMPTIONS
step models cargo test --quiet --release --features loom,atomic-waker,event-listener,spin,park --test loom -- --exact \
    loan::one_waker_slot loan::shared_waker_slot shared::clones cancel::borrow_given_up_waker_slot \
    disconnect::borrow::lend disconnect::idle::lend_dropped disconnect::last_of_two_borrowers
