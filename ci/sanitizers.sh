#!/usr/bin/env bash
# The tests under AddressSanitizer; the stress binary under AddressSanitizer, LeakSanitizer and ThreadSanitizer.
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

# Whoever forgets a future, a guard or a half leaks it, and most tests do so somewhere: leaks are looked for below.
ASAN_OPTIONS=detect_leaks=0 CARGO_TARGET_DIR=$base/asan RUSTFLAGS="-Zsanitizer=address" MODEL_CASES=${MODEL_CASES:-300} \
    ci/quietly "AddressSanitizer" cargo +nightly test --all-features --target $target "${tests[@]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
suppressions=$PWD/ci/tsan-suppressions.txt
rounds=${STRESS_ROUNDS:-5}

# stress TITLE SANITIZER FLAGS ARGUMENTS...: the stress binary, which forgets nothing.
stress() {
    (
        cd ci/stress
        CARGO_TARGET_DIR=$base/$2 RUSTFLAGS=$3 cargo +nightly build --quiet --release --target $target
    )
    if ! "$base/$2/$target/release/stress" "${@:4}" >"$log" 2>&1; then
        head -n 200 "$log"
        exit 1
    fi
    echo "$1: $(tail -n 1 "$log")"
}
ASAN_OPTIONS=detect_leaks=1 stress "AddressSanitizer and LeakSanitizer" asan "-Zsanitizer=address" "$rounds"
TSAN_OPTIONS="suppressions=$suppressions" \
    stress "ThreadSanitizer" tsan "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" "$rounds" no-event
