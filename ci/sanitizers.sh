#!/usr/bin/env bash
# The tests, and the stress program, under AddressSanitizer and LeakSanitizer; the stress program under ThreadSanitizer.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the sanitizers are set up for Linux on x86-64"
target=x86_64-unknown-linux-gnu
base=${CARGO_TARGET_DIR:-$PWD/target}
# Sanitizers are an unstable option, which by this a stable compiler takes, too.
export RUSTC_BOOTSTRAP=1

# Not: `ui` runs the compiler, `loom` needs another build, `allocations` has an allocator that counts.
tests=()
for file in tests/*.rs tests/*/main.rs; do
    name=$(basename "${file%/main.rs}" .rs)
    case $name in
    ui | loom | allocations) ;;
    *) tests+=(--test "$name") ;;
    esac
done

# What tests forget on purpose they keep where LeakSanitizer finds it, so all that it reports is a leak.
export MODEL_CASES=${MODEL_CASES:-300}
asan() {
    CARGO_TARGET_DIR=$base/asan RUSTFLAGS="-Zsanitizer=address" \
        ci/quietly "$1" cargo test --all-features --target $target "${@:2}"
}
ASAN_OPTIONS=detect_leaks=1 MODEL_KEEPS=1 asan "AddressSanitizer and LeakSanitizer" "${tests[@]}"
# But here that memory is freed at the end, to see that nobody uses it.
ASAN_OPTIONS=detect_leaks=0 asan "AddressSanitizer, forgotten memory freed" --test model

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# stress TITLE DIRECTORY ROUNDS OPTION...: builds and runs the stress program, which forgets nothing.
stress() {
    # With lines, for the reports.
    (cd ci/stress && CARGO_TARGET_DIR=$base/$2 CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
        cargo build --quiet --release --target $target "${@:4}")
    if ! "$base/$2/$target/release/stress" "$3" >"$log" 2>&1; then
        head -n 200 "$log"
        exit 1
    fi
    echo "$1: $(tail -n 1 "$log")"
}
RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=1 \
    stress "AddressSanitizer and LeakSanitizer" asan "${STRESS_ROUNDS:-5}"

# ThreadSanitizer sees only what was compiled for it. In std are mutexes, `Arc` and the threads themselves, so std is
# compiled as well, for which Debian has the source, with the compiler that it belongs to. That one has no runtime of the
# sanitizer, but the Clang that shares its LLVM has.
version=$(debian_version rustc-web)
debian_rust "$version"
llvm=$("$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
folder=$(basename "$(dirname "$RUSTC")")
debian_unpack "$folder" "rust-web-src=$version" "libclang-rt-$llvm-dev" "llvm-$llvm"
runtime=$cache/$folder/usr/lib/llvm-$llvm/lib/clang/$llvm/lib/linux/libclang_rt.tsan-x86_64.a
# By this a report has names and lines.
debian_wrapper "$cache/$folder/llvm-symbolizer" "$cache/$folder/usr/bin/llvm-symbolizer-$llvm"
RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Zpre-link-arg=-Wl,--whole-archive,$runtime,--no-whole-archive" \
    TSAN_OPTIONS=external_symbolizer_path=$cache/$folder/llvm-symbolizer \
    stress "ThreadSanitizer, over std too" tsan "${STRESS_ROUNDS:-50}" -Zbuild-std=std,panic_unwind
