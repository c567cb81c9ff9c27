#!/usr/bin/env bash
# Runs the examples and checks what they print. Times vary, so of those only the shape is checked.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}" RUST_BACKTRACE=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

passed=0 failed=0

fail() {
    echo "$1"
    cat "$out/stdout" "$out/stderr"
    failed=$((failed + 1))
}

# check TITLE COMMAND... , and on standard input the lines to be found in the output, as extended regular expressions.
# An example that hangs is a failure, too.
check() {
    local title=$1 line
    shift
    if ! timeout 60 "$@" >"$out/stdout" 2>"$out/stderr" </dev/null; then
        fail "$title: did not succeed"
        return
    fi
    while IFS= read -r line; do
        if ! grep -Exq -- "$line" "$out/stdout"; then
            fail "$title: no line is '$line' in:"
            return
        fi
    done
    passed=$((passed + 1))
}

# Built first, so that only the run counts against the time limit.
cargo build --quiet --example game_loop --example scoped_worker --example dma_buffer --example cancel \
    --example shutdown --example tokio --example smol --example async_std --example threads
bin="$CARGO_TARGET_DIR/debug/examples"

time='[0-9.]+(ns|µs|ms|s)'

check game_loop "$bin/game_loop" <<END
frame +1: served: (true|false), [0-9]+ changes, [0-9]+ chunks, [01] of them late, $time
120 changes, [0-9]+ chunks, the longest frame took $time, [0-9]+ requests were cancelled
late chunks: 8, in one frame at most 1
END

check scoped_worker "$bin/scoped_worker" <<END
the sum is 5050, the last square 10000
one worker: true, another thread: true
the panic came through: true; after it: still there
no worker, so it runs here: 7
run_blocking: +$time a call
thread::scope: +$time a call
END

check dma_buffer "$bin/dma_buffer" <<END
sector 1: checksum 512
sector 8: checksum 4096
read 18432, written 36864
END

check cancel "$bin/cancel" <<END
borrow timed out: true, a request is left: false
the next borrow made it 2
stopped while waiting for a loan
not borrowed in time, so it is still mine
it came back as 2
the lender is gone, the guard still has 2
lent: Err\(Timeout\), borrowed: Err\(Timeout\)
END

check shutdown "$bin/shutdown" <<END
one thread:
  freed, as number 1: \["one thread", "again"\]
two workers:
  freed, as number 2: \["two workers", "again"\]
timeout:
  freed, as number 3: \["after the timeout"\]
until:
  it is back: \["after the stop"\]
  freed, as number 4: \["after the stop"\]
main returns:
  freed, as number 5: \["main returns", "again"\]
END
if grep -q 'as number 6' "$out/stdout"; then
    fail 'shutdown: a value was freed twice:'
fi

check tokio "$bin/tokio" <<END
16 entries, 8 pairs
END

check smol "$bin/smol" <<END
lent!!!!!!!!!!: at least 100 reads: true
END

check async_std "$bin/async_std" <<END
12288 bytes, all are 0x0f
END

check threads "$bin/threads" <<END
after the writers, each entry is 6
the readers' sums are \[1536, 1536, 1536, 1536\]
END

# The firmware's half of it needs nothing but `core`.
cargo build --quiet --no-default-features --example dma_buffer
check 'dma_buffer, without features' "$bin/dma_buffer" <<END
read 18432, written 36864
END

# The two that are packages of their own.
for package in database http_state; do
    cargo build --quiet --manifest-path "examples/$package/Cargo.toml"
done
bin="$CARGO_TARGET_DIR/debug"

check database "$bin/ref-channel-example-database" <<END
a handler failed: CHECK constraint failed: balance >= 0
handlers: 15 succeeded, 2 timed out, 2 panicked, 1 failed
in the database: 15 transfers, bob has 75
END

check http_state "$bin/ref-channel-example-http-state" <<END
GET /crash: failed: true
GET /items/apple: 200 "30"
GET /items/pear: 200 "10"
GET /items/plum: 404 ""
stopped after 43 requests with \{"apple": 30, "pear": 10\}
END

# `main` returns while the state is borrowed; the process has to end.
for threads in one two; do
    check "http_state, $threads" "$bin/ref-channel-example-http-state" "$threads" <<END
main returns, and the state is borrowed
the state is freed, requests: 1
END
done

echo "examples: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
