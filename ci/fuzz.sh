#!/usr/bin/env bash
# libFuzzer chooses the programs of the model-based test, guided by coverage, for FUZZ_SECONDS. `cargo fuzz run programs` does the
# same; all that it adds are these flags, so that it need not be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the fuzzer is set up for Linux on x86-64"
target=x86_64-unknown-linux-gnu
# libFuzzer of a Clang that has the compiler's LLVM, so that no C++ compiler is needed. Its C++ library is there without
# the link that a compiler would look for.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
debian_unpack "clang-rt-$llvm" "libclang-rt-$llvm-dev"
export CUSTOM_LIBFUZZER_PATH=$cache/clang-rt-$llvm/usr/lib/llvm-$llvm/lib/clang/$llvm/lib/linux/libclang_rt.fuzzer-x86_64.a
export CUSTOM_LIBFUZZER_STD_CXX=none

# By RUSTC_BOOTSTRAP a stable compiler takes the unstable option.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions --cfg fuzzing -Clink-arg=-l:libstdc++.so.6" \
    cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target $target
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
