//! The linker script of cortex-m-rt, and the memory of the machine that it asks for.
use std::{env, fs};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    // The nRF51822 of QEMU's `microbit`.
    let memory = "MEMORY { FLASH : ORIGIN = 0, LENGTH = 256K RAM : ORIGIN = 0x20000000, LENGTH = 16K }";
    fs::write(format!("{out}/memory.x"), memory).unwrap();
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed=build.rs");
}
