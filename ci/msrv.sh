#!/usr/bin/env bash
# The library builds with the oldest Rust that Cargo.toml promises. For other code than the library there is no promise.
# That Rust is MSRV_RUSTC, or rustup's, or Debian's, unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list 2>/dev/null | sed -n "s/^\(${version//./\\.}[^ ]*\).*/\1/p" | head -n 1 || true)
if [ -n "${MSRV_RUSTC:-}" ]; then
    export RUSTC=$MSRV_RUSTC
elif [ -n "$toolchain" ]; then
    export RUSTUP_TOOLCHAIN=$toolchain
    RUSTC=$(rustup which rustc)
else
    debian_rust "$version.*"
fi
"${RUSTC:-rustc}" --version | grep -F "rustc $version." || { echo "failed: that is not Rust $version"; exit 1; }

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/msrv"
for features in --all-features --no-default-features ""; do
    # shellcheck disable=SC2086 # none is no argument
    ci/quietly "Rust $version ${features:---default-features}" cargo check --quiet --lib $features
done
