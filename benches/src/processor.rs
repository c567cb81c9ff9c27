//! Where a thread runs.
//!
//! Two threads that hand something over run on two processors, the same two for every entrant: where the system puts
//! them would else decide more than what is measured.

use std::mem::{size_of, zeroed};

/// Runs `f` with this thread on the processor of that number, of those that it may run on.
pub fn on<R>(number: usize, f: impl FnOnce() -> R) -> R {
    let before = affinity();
    // SAFETY: the macro-like functions of libc only look into the set that they are given.
    let allowed = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &before) });
    let Some(cpu) = allowed.into_iter().nth(number) else {
        return f();
    };
    // SAFETY: a set of processors is plain bits, and none is set.
    let mut one: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the number is one of those of a set.
    unsafe { libc::CPU_SET(cpu, &mut one) };
    set_affinity(&one);
    let result = f();
    set_affinity(&before);
    result
}

fn affinity() -> libc::cpu_set_t {
    // SAFETY: a set of processors is plain bits.
    let mut set = unsafe { zeroed() };
    // SAFETY: the pointer is to a set of that size; 0 is this thread.
    let outcome = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    assert_eq!(outcome, 0);
    set
}

fn set_affinity(set: &libc::cpu_set_t) {
    // SAFETY: the pointer is to a set of that size; 0 is this thread.
    let outcome = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
    assert_eq!(outcome, 0);
}
