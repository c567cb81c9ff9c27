#!/usr/bin/env bash
# The library builds without a warning with every combination of features.
#
# A combination that Cargo makes another one of is not checked twice: `std` and `event-listener` imply `alloc`, `park`
# implies `std`. `critical-section` only passes something on to a dependency; test-features.sh has it alone.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/powerset" RUSTFLAGS="-D warnings"
all=(atomic-waker event-listener spin park futures-core portable-atomic alloc std)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

checked=0
for ((set = 0; set < 1 << ${#all[@]}; set++)); do
    features=,
    for i in "${!all[@]}"; do
        if ((set >> i & 1)); then
            features+=${all[i]},
        fi
    done
    case $features in *,park,*) [[ $features == *,std,* ]] || continue ;; esac
    case $features in *,std,* | *,event-listener,*) [[ $features == *,alloc,* ]] || continue ;; esac
    if ! cargo check --quiet --lib --no-default-features --features "$features" >"$log" 2>&1; then
        cat "$log"
        echo "powerset: FAILED with the features ${features//,/ }"
        exit 1
    fi
    checked=$((checked + 1))
done
echo "powerset: $checked combinations of features build"
