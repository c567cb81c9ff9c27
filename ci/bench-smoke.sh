#!/bin/sh
# The benchmarks build without a warning, and each entrant runs.
set -eu
cd "$(dirname "$0")/../benches"
cargo clippy --quiet --all-targets -- -D warnings
cargo bench --quiet -- --test
echo "benches: each ran once"
