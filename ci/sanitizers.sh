#!/usr/bin/env bash
# The tests under AddressSanitizer, with LeakSanitizer where nothing is forgotten, and threads under ThreadSanitizer.
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-gnu
libraries=$(rustc +nightly --print sysroot 2>/dev/null || true)/lib/rustlib/$target/lib
for sanitizer in asan tsan; do
    if ! ls "$libraries"/*_rt.$sanitizer.a >/dev/null 2>&1; then
        echo "skipped: a nightly toolchain for $target with its sanitizers is not installed"
        exit 0
    fi
done
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "skipped: the sanitizers run on Linux x86_64"
    exit 0
fi
base=${CARGO_TARGET_DIR:-$PWD/target}

# Not: `ui` runs the compiler, `loom` needs another build, `allocations` has an allocator that counts.
tests=()
for file in tests/*.rs; do
    name=$(basename "$file" .rs)
    case $name in
    ui | loom | allocations) ;;
    *) tests+=(--test "$name") ;;
    esac
done

address() {
    CARGO_TARGET_DIR=$base/asan RUSTFLAGS="-Zsanitizer=address" MODEL_CASES=${MODEL_CASES:-300} \
        ci/quietly "$1" cargo +nightly test --all-features --target $target "${@:2}"
}
# Whoever forgets a future, a guard or a half leaks it, and most tests do so somewhere.
ASAN_OPTIONS=detect_leaks=0 address "AddressSanitizer" "${tests[@]}"
# This one plays all of it and frees at its end what it forgot; so what is left is the library's.
ASAN_OPTIONS=detect_leaks=1 address "LeakSanitizer" --test model

log=$(mktemp)
trap 'rm -f "$log"' EXIT
suppressions=$PWD/ci/tsan-suppressions.txt
rounds=${STRESS_ROUNDS:-5}
(
    cd ci/stress
    CARGO_TARGET_DIR=$base/tsan RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
        cargo +nightly build --quiet --release --target $target
)
if ! TSAN_OPTIONS="suppressions=$suppressions" "$base/tsan/$target/release/stress" "$rounds" no-event >"$log" 2>&1; then
    head -n 200 "$log"
    exit 1
fi
echo "ThreadSanitizer: $(tail -n 1 "$log")"
