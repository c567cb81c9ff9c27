#!/usr/bin/env bash
# The library builds with the oldest Rust that Cargo.toml promises. For other code than the library there is no promise.
# MSRV_RUSTC names a compiler of that version that rustup does not know, as a distribution's.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list 2>/dev/null | sed -n "s/^\(${version//./\\.}[^ ]*\).*/\1/p" | head -n 1)
if [ -n "${MSRV_RUSTC:-}" ]; then
    "$MSRV_RUSTC" --version | grep -qF "rustc $version." || { echo "MSRV_RUSTC is not Rust $version"; exit 1; }
    export RUSTC=$MSRV_RUSTC
elif [ -n "$toolchain" ]; then
    export RUSTUP_TOOLCHAIN=$toolchain
else
    echo "skipped: Rust $version is not installed (rustup toolchain install $version)"
    exit 0
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/msrv"
for features in --all-features --no-default-features ""; do
    # shellcheck disable=SC2086 # none is no argument
    ci/quietly "Rust $version ${features:---default-features}" cargo check --quiet --lib $features
done
