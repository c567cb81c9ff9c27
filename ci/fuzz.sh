#!/usr/bin/env bash
# libFuzzer chooses the programs of the model-based test, guided by coverage, for FUZZ_SECONDS. `cargo fuzz run programs` does the
# same; all that it adds are these flags, so that it need not be installed.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

target=x86_64-unknown-linux-gnu
libraries=$(rustc +nightly --print sysroot 2>/dev/null || true)/lib/rustlib/$target/lib
if ! ls "$libraries"/*_rt.asan.a >/dev/null 2>&1; then
    echo "skipped: a nightly toolchain for $target with its sanitizers is not installed"
    exit 0
fi
if ! command -v c++ >/dev/null; then
    echo "skipped: libFuzzer needs a C++ compiler"
    exit 0
fi

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}/fuzz
RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions --cfg fuzzing" \
    cargo +nightly build --quiet --release --target $target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/corpus"
# Not in the tree: what a run finds is kept as a test by hand. Some programs forget, so leaks are not looked for.
if ! ASAN_OPTIONS=detect_leaks=0 "$CARGO_TARGET_DIR/$target/release/programs" "$work/corpus" -detect_leaks=0 \
    -max_total_time="${FUZZ_SECONDS:-60}" -max_len=1000 -artifact_prefix="$work/" >"$work/log" 2>&1; then
    tail -n 60 "$work/log"
    exit 1
fi
echo "fuzz: $(tail -n 1 "$work/log")"
