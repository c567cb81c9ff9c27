#!/bin/sh
# Instructions a round trip, of the entrants that run on one thread: the count of twice as many rounds without that of
# the rounds, divided by them. It is the same each time. An argument keeps the entrants whose line contains it:
#   benches/instructions.sh joined
set -eu
cd "$(dirname "$0")"
if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed"
    exit 0
fi
rounds=1000
cargo build --quiet --release --bin instructions
bin=${CARGO_TARGET_DIR:-target}/release/instructions

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bin" "$1" "$2" "$3" 2>&1 |
        sed -n 's/^==[0-9]*== Collected : //p'
}

"$bin" | { grep -F -e "${1:-}" || true; } | while IFS="$(printf '\t')" read -r group entrant; do
    once=$(count "$group" "$entrant" "$rounds")
    twice=$(count "$group" "$entrant" $((2 * rounds)))
    printf '%-22s %-30s %6d instructions\n' "$group" "$entrant" $(((twice - once) / rounds))
done
