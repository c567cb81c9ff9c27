#!/usr/bin/env bash
# The tests, and the stress binary, under AddressSanitizer and LeakSanitizer; the stress binary under ThreadSanitizer.
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

# What tests forget on purpose they keep where LeakSanitizer finds it, so all that it reports is a leak.
export MODEL_CASES=${MODEL_CASES:-300}
asan() {
    CARGO_TARGET_DIR=$base/asan RUSTFLAGS="-Zsanitizer=address" \
        ci/quietly "$1" cargo +nightly test --all-features --target $target "${@:2}"
}
ASAN_OPTIONS=detect_leaks=1 MODEL_KEEPS=1 asan "AddressSanitizer and LeakSanitizer" "${tests[@]}"
# But here that memory is freed at the end, to see that nobody uses it.
ASAN_OPTIONS=detect_leaks=0 asan "AddressSanitizer, forgotten memory freed" --test model

log=$(mktemp)
trap 'rm -f "$log"' EXIT
suppressions=$PWD/ci/tsan-suppressions.txt
rounds=${STRESS_ROUNDS:-5}

# stress TITLE SANITIZER FLAGS BINARY ARGUMENTS...: a stress binary, which forgets nothing.
stress() {
    (
        cd ci/stress
        features=()
        [ "$4" = stress ] || features=(--no-default-features)
        CARGO_TARGET_DIR=$base/$2 RUSTFLAGS=$3 cargo +nightly build --quiet --release --target $target --bin "$4" \
            ${features[@]+"${features[@]}"}
    )
    if ! "$base/$2/$target/release/$4" "${@:5}" >"$log" 2>&1; then
        head -n 200 "$log"
        exit 1
    fi
    echo "$1: $(tail -n 1 "$log")"
}
thread="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
ASAN_OPTIONS=detect_leaks=1 stress "AddressSanitizer and LeakSanitizer" asan "-Zsanitizer=address" stress "$rounds"
export TSAN_OPTIONS="suppressions=$suppressions"
stress "ThreadSanitizer" tsan "$thread" stress "$rounds" no-event
stress "ThreadSanitizer, Event" tsan "$thread" event "$rounds"
