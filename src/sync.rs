//! Atomics, cells and threads, taken from `core` and `std`, or from loom under `--cfg loom`. Nothing else.

/// Defines a constructor that is `const` except under loom, whose constructors are not.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis const fn $name:ident() -> $ret:ty $body:block) => {
        #[cfg(not(all(loom, feature = "loom")))]
        $(#[$meta])*
        $vis const fn $name() -> $ret $body

        #[cfg(all(loom, feature = "loom"))]
        $(#[$meta])*
        $vis fn $name() -> $ret $body
    };
}
pub(crate) use const_unless_loom;

#[cfg(not(all(loom, feature = "loom")))]
mod imp {
    pub(crate) use core::hint::spin_loop;
    use core::sync::atomic::compiler_fence;
    #[cfg(not(feature = "portable-atomic"))]
    pub(crate) use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
    #[cfg(feature = "portable-atomic")]
    pub(crate) use portable_atomic::{AtomicBool, AtomicU8, AtomicUsize};
    #[cfg(feature = "std")]
    pub(crate) use std::thread::{Thread, current, park, yield_now};

    #[cfg(not(feature = "portable-atomic"))]
    pub(crate) use core::sync::atomic::fence;
    #[cfg(feature = "portable-atomic")]
    pub(crate) use portable_atomic::fence;

    /// The cheap side of an asymmetric pair of fences. The other side compensates by waiting.
    #[inline(always)]
    pub(crate) fn light_fence() {
        // Ordering: pairs with the full fence of `Slot::vacate`; see there.
        compiler_fence(super::Ordering::SeqCst);
    }

    /// Whether to run the code that releases a half's wakers as it leaves. Always true, except in most models.
    #[inline(always)]
    pub(crate) const fn explores_leaving() -> bool {
        true
    }

    /// The atomic type of the state word.
    pub(crate) type Word = AtomicUsize;

    /// A wrapper around `core`'s cell with loom's interface, so that the same code works with both.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// Tracks accesses to the lent value for loom. Does nothing outside the models.
    #[derive(Debug)]
    pub(crate) struct Ledger;

    impl Ledger {
        pub(crate) const fn new() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn enter(&self, _exclusive: bool) -> Access {
            Access
        }

        #[inline]
        pub(crate) fn assert_unused(&self) {}
    }

    /// An access to the lent value, in progress until it is dropped.
    #[derive(Clone, Debug)]
    pub(crate) struct Access;
}

#[cfg(all(loom, feature = "loom"))]
mod imp {
    use alloc::sync::Arc;
    use core::fmt;

    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    use loom::sync::atomic::Ordering;
    pub(crate) use loom::sync::atomic::fence;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
    pub(crate) use loom::thread::{Thread, current, park, yield_now};

    std::thread_local! {
        static LEAVING: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
    }

    /// Sets whether models that run on this thread from now on also explore how a half releases its waker as it leaves.
    ///
    /// Each atomic access multiplies the number of interleavings, and for most models this one is irrelevant.
    #[doc(hidden)]
    pub fn explore_leaving(explore: bool) {
        LEAVING.set(explore);
    }

    pub(crate) fn explores_leaving() -> bool {
        LEAVING.get()
    }

    /// A full fence, because in a model there is no way to wait for a store to become visible.
    pub(crate) fn light_fence() {
        // Ordering: pairs with the full fence of `Slot::vacate`; see there.
        fence(Ordering::SeqCst);
    }

    /// The atomic type of the state word, with an extra access that makes loom explore all of its interleavings.
    ///
    /// loom only remembers the last access to each atomic. If that was a load by the thread that writes next, loom has
    /// forgotten earlier loads by other threads and does not try the write before them: a thread that loads the word and then
    /// changes it is never tried before the last load of another thread. Each load here is therefore also a write to a second
    /// atomic, which orders nothing but is remembered.
    #[derive(Debug)]
    pub(crate) struct Word {
        value: AtomicUsize,
        loads: AtomicUsize,
    }

    impl Word {
        pub(crate) fn new(value: usize) -> Self {
            Self {
                value: AtomicUsize::new(value),
                loads: AtomicUsize::new(0),
            }
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            // Ordering: relaxed, it pairs with nothing. Its only purpose is that loom remembers it.
            self.loads.fetch_add(0, Ordering::Relaxed);
            self.value.load(order)
        }

        pub(crate) fn store(&self, value: usize, order: Ordering) {
            self.value.store(value, order);
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            current: usize,
            new: usize,
            success: Ordering,
            failure: Ordering,
        ) -> Result<usize, usize> {
            self.value.compare_exchange_weak(current, new, success, failure)
        }

        pub(crate) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            mut f: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            let mut value = self.load(fetch);
            while let Some(next) = f(value) {
                match self.compare_exchange_weak(value, next, set, fetch) {
                    Ok(before) => return Ok(before),
                    Err(now) => value = now,
                }
            }
            Err(value)
        }

        pub(crate) fn fetch_and(&self, mask: usize, order: Ordering) -> usize {
            self.value.fetch_and(mask, order)
        }

        pub(crate) fn fetch_or(&self, flags: usize, order: Ordering) -> usize {
            self.value.fetch_or(flags, order)
        }

        pub(crate) fn fetch_add(&self, number: usize, order: Ordering) -> usize {
            self.value.fetch_add(number, order)
        }
    }

    /// Stands for the lent value: loom reports an error if the lender and a borrower access it at the same time.
    #[derive(Debug)]
    pub(crate) struct Ledger(UnsafeCell<()>);

    impl Ledger {
        pub(crate) fn new() -> Self {
            Self(UnsafeCell::new(()))
        }

        /// A guard reads (or writes, if `exclusive`) the value from now until the returned `Access` is dropped.
        pub(crate) fn enter(&self, exclusive: bool) -> Access {
            Access(Arc::new(if exclusive {
                Pointer::Mut(self.0.get_mut())
            } else {
                Pointer::Const(self.0.get())
            }))
        }

        /// The lender writes the value.
        pub(crate) fn assert_unused(&self) {
            self.0.with_mut(|_| ());
        }
    }

    #[expect(dead_code, reason = "held for their destructors")]
    enum Pointer {
        Const(loom::cell::ConstPtr<()>),
        Mut(loom::cell::MutPtr<()>),
    }

    // SAFETY: only the drop of a pointer has an effect, and loom allows it on any of its threads.
    unsafe impl Send for Pointer {}
    // SAFETY: a shared reference to a pointer gives access to nothing.
    unsafe impl Sync for Pointer {}

    /// An access to the lent value, in progress until it is dropped. The parts of a split guard share it.
    #[derive(Clone)]
    pub(crate) struct Access(#[expect(dead_code, reason = "held for its destructor")] Arc<Pointer>);

    impl fmt::Debug for Access {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Access")
        }
    }
}

#[cfg(all(loom, feature = "loom"))]
pub use imp::explore_leaving;

pub(crate) use core::sync::atomic::Ordering;
pub(crate) use imp::*;
