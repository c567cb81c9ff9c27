//! Stacks that are kept. Loom maps a stack for each thread of each interleaving, and unmaps it; the kernel takes about as long
//! for that as loom for all the rest. So here what is unmapped is given out again when a stack of that size is mapped.

use std::ffi::{c_int, c_long, c_void};
use std::sync::Mutex;

const MMAP: c_long = 9;
const MUNMAP: c_long = 11;
const STACK: c_int = 0x20000;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// Addresses and sizes of stacks that nobody uses: not more than the threads of the models that run side by side.
static KEPT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
/// Those that are out.
static OUT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// # Safety
/// As for the C library's function of that name, in whose place it is linked.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    size: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: c_long,
) -> *mut c_void {
    let is_stack = address.is_null() && file == -1 && flags & STACK != 0;
    let kept = || {
        let mut kept = KEPT.lock().ok()?;
        let index = kept.iter().position(|&(_, kept)| kept == size)?;
        Some(kept.swap_remove(index).0)
    };
    let place = match is_stack.then(kept).flatten() {
        Some(place) => place,
        // SAFETY: as the caller promises.
        None => unsafe { syscall(MMAP, address, size, protection, flags, file, offset) as usize },
    };
    if is_stack && let Ok(mut out) = OUT.lock() {
        out.push((place, size));
    }
    place as *mut c_void
}

/// # Safety
/// As for the C library's function of that name, in whose place it is linked.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(address: *mut c_void, size: usize) -> c_int {
    let stack = (address as usize, size);
    let was_out = || {
        let mut out = OUT.lock().ok()?;
        let index = out.iter().rposition(|&out| out == stack)?;
        Some(out.swap_remove(index))
    };
    match (was_out(), KEPT.lock()) {
        (Some(stack), Ok(mut kept)) => {
            kept.push(stack);
            0
        }
        // SAFETY: as the caller promises.
        _ => unsafe { syscall(MUNMAP, address, size) as c_int },
    }
}
