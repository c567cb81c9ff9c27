#!/usr/bin/env bash
# The tests on other targets, run and not only built: words of 32 bits (i686), which the processor runs itself; other
# instructions for the atomics (aarch64) and big-endian bytes (s390x), which qemu runs. (That does not show the weaker
# memory of an aarch64: qemu uses the memory of the processor it runs on. For orderings see ci/orderings.sh.)
# Compiler, standard libraries, linkers and emulators are Debian's, unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the linkers and emulators are for Linux x86_64"

# Not: `ui` runs the compiler, `loom` needs another build, `auto_traits` and `variance` ask the type checker, which is
# the same everywhere; `executors`, `retained_wakers` and `unpark_token` take long with an emulator, and are about executors, wakers and threads.
tests=(allocations behaviour budget cancellation custom_notifier errors fairness forgetting hostile model promises regressions
    serve unsized_values)
export MODEL_CASES=${MODEL_CASES:-50}

# The only version that Debian 12 has for all three. So the tests too have to build with it.
debian_rust '1.85.*' i386 arm64 s390x
debian_unpack qemu qemu-user-static

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/targets"
export CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0

# copy NAME EXPRESSION: the crate, its Cargo.toml changed by sed. Most of the time would go into dependencies that these
# tests do not use.
copy() {
    mkdir -p "$CARGO_TARGET_DIR/$1"
    ln -sfn "$PWD"/{src,tests,examples,benches,README.md} "$CARGO_TARGET_DIR/$1"
    sed "$2" Cargo.toml >"$CARGO_TARGET_DIR/$1/Cargo.toml"
}
copy some '/^\(async-std\|smol\|static_assertions\|trybuild\) = /d'
copy none '/dev-dependencies\]/,/^$/d'

# on MACHINE ARCHITECTURE [EMULATOR]: ARCHITECTURE is Debian's name for it.
on() {
    local target=$1-unknown-linux-gnu gcc=$cache/gcc-$1 variable
    debian_unpack --needed "gcc-$1" "gcc-$1-linux-gnu" "libc6-dev-$2-cross"
    debian_wrapper "$gcc/cc" "$gcc/usr/bin/$1-linux-gnu-gcc" --sysroot="$gcc"

    variable=CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)
    export "${variable}_LINKER=$gcc/cc"
    # Linked statically, the programs run without the libraries of their target.
    export "${variable}_RUSTFLAGS=-Ctarget-feature=+crt-static"
    if [ $# -gt 2 ]; then
        export "${variable}_RUNNER=$cache/qemu/usr/bin/$3" TEST_RUNNER="$cache/qemu/usr/bin/$3"
    fi
    ci/quietly "$target" cargo test --manifest-path "$CARGO_TARGET_DIR/some/Cargo.toml" --all-features \
        --target "$target" "${tests[@]/#/--test=}"
    # It counts to millions, which takes minutes in an emulator if it is not optimized.
    ci/quietly "$target, overflow" cargo test --manifest-path "$CARGO_TARGET_DIR/none/Cargo.toml" --release \
        --target "$target" --test overflow
}

on i686 i386
on aarch64 arm64 qemu-aarch64-static
on s390x s390x qemu-s390x-static
