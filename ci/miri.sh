#!/usr/bin/env bash
# The tests under Miri, which finds undefined behaviour. What Miri cannot run says so itself, by `cfg(miri)`.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "skipped: Miri is not installed (rustup +nightly component add miri rust-src)"
    exit 0
fi
if ! rustup +nightly component list --installed 2>/dev/null | grep -q '^rust-src'; then
    echo "skipped: Miri needs the sources of std (rustup +nightly component add rust-src)"
    exit 0
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-many-seeds=0..4}"
ci/quietly "Miri" cargo +nightly miri test --all-features --lib --tests
