#!/bin/sh
# Measures everything, draws docs/ratios.svg and writes the tables of benches/README.md: a few minutes on a quiet
# machine. With arguments it only prints the groups that begin so:
#   benches/run.sh
#   benches/run.sh round_trip threads
# CRITERION=1 runs the criterion benches as well (half an hour and more), and the chart is drawn from those.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --bins
if [ $# -gt 0 ]; then
    exec "$target/release/ratios" "$@"
fi
"$target/release/ratios" --json "$target/ratios.json"
"$target/release/sizes"
if [ -n "${CRITERION:-}" ]; then
    cargo bench
fi
python3 plot.py "$target" ../docs/ratios.svg README.md
