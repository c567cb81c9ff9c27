//! The time that a thread had a processor.
//!
//! What runs on one thread is measured with it: on a machine that others use it leaves out their turns.

use std::time::Duration;

/// Of this thread, since it began.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}
