#!/usr/bin/env bash
# All code is formatted as rustfmt.toml says.
set -euo pipefail
cd "$(dirname "$0")/.."

for manifest in Cargo.toml ci/*/Cargo.toml examples/*/Cargo.toml benches/Cargo.toml fuzz/Cargo.toml; do
    if [ -f "$manifest" ]; then
        cargo fmt --check --manifest-path "$manifest"
    fi
done
echo "fmt: ok"
