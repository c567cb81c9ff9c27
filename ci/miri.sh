#!/usr/bin/env bash
# The tests under Miri, which finds undefined behaviour. What Miri cannot run says so itself, by `cfg(miri)`.
#
# To be run by hand: .ci/run leaves it out, for it can get all that it needs from Debian and crates.io, and Miri is not there.
# It comes with a nightly toolchain of rustup only.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo +nightly miri --version >/dev/null 2>&1 && rustup +nightly component list --installed | grep -q '^rust-src' || {
    echo "Miri is not installed: rustup +nightly component add miri rust-src"
    exit 1
}

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-many-seeds=0..4}"
ci/quietly "Miri" cargo +nightly miri test --all-features --lib --tests
