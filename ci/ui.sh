#!/bin/sh
# What compiles, what does not, and what the compiler says of it.
set -eu
cd "$(dirname "$0")/.."

for features in --no-default-features "" --all-features; do
    # shellcheck disable=SC2086 # none is no argument
    cargo test $features --test auto_traits --test variance
done
cargo test --all-features --test ui -- --nocapture
