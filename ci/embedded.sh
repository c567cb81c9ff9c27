#!/usr/bin/env bash
# The library runs where there is neither a system nor compare-and-swap, and where there are no threads: on a Cortex-M0 in
# QEMU (ci/thumbv6m), and on WebAssembly in node (ci/wasm32).
# The standard library of these targets is built from its source, so that rustup need not have it. That source, the
# compiler of the same version, and QEMU are Debian's.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian

fail() {
    echo "embedded: $*"
    exit 1
}

# rustup's linker for these targets; asked for before RUSTC is Debian's compiler, which has none.
linker=$(echo "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld)
[ -x "$linker" ] || skip "this Rust has no rust-lld"
export CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER=$linker CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker

debian_rust '1.96.*'
debian_unpack "$(basename "$(dirname "$RUSTC")")" "rust-web-src=$(debian_version 'rust-web-src=1.96.*')"
debian_unpack --needed qemu qemu-system-arm
debian_wrapper "$cache/qemu/qemu-system-arm" "$cache/qemu/usr/bin/qemu-system-arm"

# -Zbuild-std is not stable.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/embedded" CARGO_PROFILE_DEV_DEBUG=0

target=(--target thumbv6m-none-eabi -Zbuild-std=core -Zbuild-std-features=compiler-builtins-mem)
ci/quietly "thumbv6m, build" cargo build --quiet --release --manifest-path ci/thumbv6m/Cargo.toml "${target[@]}"
# An instruction takes 64 ns, a cycle of the timer 62.5. Time passes by instructions only: each run is the same.
timeout 20 "$cache/qemu/qemu-system-arm" -machine microbit -icount shift=6,sleep=off -display none -monitor none \
    -serial none -semihosting-config enable=on,target=native \
    -kernel "$CARGO_TARGET_DIR/thumbv6m-none-eabi/release/thumbv6m" </dev/null ||
    fail "the program for thumbv6m ended with status $?"

target=(--target wasm32-unknown-unknown -Zbuild-std=std,panic_abort -Zbuild-std-features=)
for features in --all-features --no-default-features ""; do
    # shellcheck disable=SC2086 # none is no argument
    ci/quietly "wasm32 ${features:---default-features}" cargo build --quiet --lib $features "${target[@]}"
done
ci/quietly "wasm32, build" cargo build --quiet --manifest-path ci/wasm32/Cargo.toml "${target[@]}"
program=$CARGO_TARGET_DIR/wasm32-unknown-unknown/debug/wasm32.wasm
host=(node ci/wasm32/run.mjs "$program")
if ! command -v node >/dev/null; then
    # Debian's looks for parts of itself in /usr/share: unpacked, it needs a root of its own, with all its libraries.
    debian_unpack node nodejs libnode108 node-acorn node-cjs-module-lexer node-undici libc6 libgcc-s1 libstdc++6 \
        libbrotli1 libc-ares2 libicu72 libnghttp2-14 libssl3 libuv1 zlib1g
    cp ci/wasm32/run.mjs "$program" "$cache/node"
    host=(unshare --root="$cache/node" /usr/bin/node /run.mjs /wasm32.wasm)
    [ "$(id -u)" = 0 ] || host=(unshare --map-root-user "${host[@]:1}")
fi
timeout 60 "${host[@]}" </dev/null || fail "the program for wasm32 ended with status $?"
