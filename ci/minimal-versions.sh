#!/usr/bin/env bash
# The library builds with the oldest versions of its dependencies that Cargo.toml allows.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
features=$(ci/features | paste -sd, -)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r src docs README.md "$copy"
# Without what only the tests and examples need: for others' oldest versions there is no promise.
awk '/^\[/ { skip = /dev-dependencies/ || /^\[\[/ } !skip' Cargo.toml >"$copy/Cargo.toml"

cd "$copy"
# The option is unstable; by this variable a stable cargo takes it, too.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z minimal-versions
for crate in atomic-waker event-listener futures-core portable-atomic; do
    grep -A 1 "^name = \"$crate\"" Cargo.lock | sed 's/.*= "\(.*\)"/\1/' | paste -sd' ' -
done
CARGO_TARGET_DIR="$target/minimal-versions" RUSTFLAGS="-D warnings" \
    cargo check --quiet --locked --lib --features "$features"
echo "minimal versions: ok"
