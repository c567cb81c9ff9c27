#!/bin/sh
# Measures everything and draws benches/ratios.svg: about ten minutes. With an argument, only the groups that begin so:
#   benches/run.sh
#   benches/run.sh round_trip threads
# CRITERION=1 runs the criterion benches as well (an hour), which plot.py then takes the absolute times from.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --bins
"$target/release/ratios" --json "$target/ratios.json" "$@"
"$target/release/sizes"
if [ -n "${CRITERION:-}" ]; then
    cargo bench
fi
python3 plot.py "$target" ratios.svg
