#!/usr/bin/env bash
# The public surface of the crate is what ci/public-api.txt says, so that no change of it goes unnoticed. After a change that is
# meant, `ci/public-api.sh --write` writes the file anew.
set -euo pipefail
cd "$(dirname "$0")/.."

snapshot=ci/public-api.txt
case ${1:-} in
'' | --write) ;;
*) echo "usage: $0 [--write]" && exit 2 ;;
esac
now=$(mktemp)
trap 'rm -f "$now"' EXIT

# rustdoc's JSON is unstable; by this variable a stable compiler writes it, too. Some dependencies look for the variable when
# they are built, hence the folder of its own.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/public-api"
RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --all-features --lib -- -Z unstable-options --output-format json
{
    echo "# Written by ci/public-api.sh --write; see ci/public_api.py for what a line says."
    python3 ci/public_api.py "$CARGO_TARGET_DIR/doc/ref_channel.json"
} >"$now"

if [ "${1:-}" = --write ]; then
    cp "$now" "$snapshot"
    echo "public API: wrote $snapshot"
elif diff -U 0 --label "$snapshot" --label "the code" "$snapshot" "$now"; then
    echo "public API: $(grep -vc '^#' "$snapshot") lines, as in $snapshot"
else
    echo "public API: FAILED: it differs from $snapshot. If that is meant, run ci/public-api.sh --write"
    exit 1
fi
