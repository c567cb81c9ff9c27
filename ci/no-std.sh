#!/usr/bin/env bash
# A program that is linked with nothing runs loans: the crate needs no std, no alloc, no libc. See ci/no-std.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "no-std: $*"
    exit 1
}

# The library for each bare-metal target that is installed.
for target in $(rustup target list --installed 2>/dev/null | grep -e '-none' || true); do
    ci/quietly "no-std, $target" cargo build --quiet --lib --no-default-features --features spin --target "$target"
done

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
x86_64-*-linux-*) ;;
*)
    ci/quietly "no-std, library" cargo build --quiet --lib --no-default-features --features spin
    echo "skipped: the program is for Linux on x86-64, this is $host"
    exit 0
    ;;
esac

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/no-std"
manifest=ci/no-std/Cargo.toml
program=$CARGO_TARGET_DIR/release/bare
ci/quietly "no-std, clippy" cargo clippy --quiet --release --manifest-path $manifest -- -D warnings
ci/quietly "no-std, build" cargo build --quiet --release --manifest-path $manifest

"$program" || fail "the program ended with status $?"
if command -v nm readelf >/dev/null; then
    [ -z "$(nm --undefined-only "$program")" ] || fail "something is not defined: is it to come from libc?"
    ! nm --demangle "$program" | grep -E '\b(std|alloc)::|malloc|__rust_alloc|libc' || fail "std or an allocator is in it"
    ! readelf --dynamic "$program" | grep NEEDED || fail "a library is linked"
fi
echo "no-std: the loans ran without std, alloc and libc"
