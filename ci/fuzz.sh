#!/usr/bin/env bash
# libFuzzer chooses the programs of the model-based test, guided by coverage, for FUZZ_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "skipped: cargo-fuzz is not installed (cargo install cargo-fuzz, and a nightly toolchain)"
    exit 0
fi
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
# Not in the tree: what a run finds is kept as a test by hand. Some programs forget, so leaks are not looked for.
ASAN_OPTIONS=detect_leaks=0 ../ci/quietly "fuzz" cargo +nightly fuzz run programs "$corpus" -- \
    -max_total_time="${FUZZ_SECONDS:-60}" -max_len=1000 -detect_leaks=0
