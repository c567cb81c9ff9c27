#!/usr/bin/env bash
# The documentation builds without a warning, so without a broken link.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTDOCFLAGS="-D warnings" ci/quietly "docs" cargo doc --quiet --no-deps --all-features
