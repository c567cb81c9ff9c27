#!/usr/bin/env bash
# The tests with the default features, with none, and with each alone. The examples in the documentation need std.
set -euo pipefail
cd "$(dirname "$0")/.."

ci/quietly "default features" cargo test
ci/quietly "no features" cargo test --no-default-features --lib --tests
for feature in $(ci/features); do
    ci/quietly "only $feature" cargo test --no-default-features --features "$feature" --lib --tests
done
