#!/usr/bin/env bash
# A program that is linked with nothing runs loans: the crate needs no std, no alloc, no libc. See ci/no-std.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

fail() {
    echo "no-std: $*"
    exit 1
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the program is for Linux on x86-64"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/no-std"
manifest=ci/no-std/Cargo.toml
program=$CARGO_TARGET_DIR/release/bare
ci/quietly "no-std, clippy" cargo clippy --quiet --release --manifest-path $manifest -- -D warnings
ci/quietly "no-std, build" cargo build --quiet --release --manifest-path $manifest

"$program" || fail "the program ended with status $?"
# Both are of the package that the linker is of.
[ -z "$(nm --undefined-only "$program")" ] || fail "something is not defined: is it to come from libc?"
symbols=$(nm --demangle "$program")
! grep -E '\b(std|alloc)::|malloc|__rust_alloc|libc' <<<"$symbols" || fail "std or an allocator is in it"
libraries=$(readelf --dynamic "$program")
! grep NEEDED <<<"$libraries" || fail "a library is linked"
echo "no-std: the loans ran without std, alloc and libc"
