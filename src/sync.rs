//! Atomics, cells and threads: `core`'s and `std`'s, or loom's under `--cfg loom`. Nothing else.

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

    /// The cheap one of a pair of unequal fences: the other side makes up for it by waiting.
    #[inline(always)]
    pub(crate) fn light_fence() {
        compiler_fence(super::Ordering::SeqCst);
    }

    /// Whether a half that leaves while it is woken is of any interest: always, but in most models.
    #[inline(always)]
    pub(crate) const fn explores_leaving() -> bool {
        true
    }

    /// The atomic of the state word.
    pub(crate) type Word = AtomicUsize;

    /// `core`'s cell behind loom's interface, so that the same code runs in both.
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

    /// What loom knows about the accesses to the lent value; nothing outside of the models.
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

    /// An access to the lent value that is going on.
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

    /// The models that run on this thread from now on explore also how a half lets go of its waker as it leaves.
    ///
    /// Each access of an atomic multiplies the interleavings, and most models have nothing to do with this.
    #[doc(hidden)]
    pub fn explore_leaving(explore: bool) {
        LEAVING.set(explore);
    }

    pub(crate) fn explores_leaving() -> bool {
        LEAVING.get()
    }

    /// In a model, where nobody can wait for a store to become visible, a real fence.
    pub(crate) fn light_fence() {
        fence(Ordering::SeqCst);
    }

    /// The atomic of the state word, with what loom needs to explore all of its interleavings.
    ///
    /// Of all accesses to an atomic loom remembers the last. If that is a load of the very thread that writes next, it
    /// has forgotten the loads of others before, and does not try that write before those: a thread that looks, then
    /// steps, is never tried before the last look of another one. So each load is a write, too, to a cell of its own, which
    /// orders nothing, but is remembered.
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
            // Ordering: relaxed, it pairs with nothing; it is there to be remembered.
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

    /// Stands for the lent value: loom reports a lender and a borrower that touch it together.
    #[derive(Debug)]
    pub(crate) struct Ledger(UnsafeCell<()>);

    impl Ledger {
        pub(crate) fn new() -> Self {
            Self(UnsafeCell::new(()))
        }

        /// A guard reads (or, if `exclusive`, writes) the value from now until the drop of what this returns.
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

    // SAFETY: only the drop of a pointer does anything, and loom allows that on any of its threads.
    unsafe impl Send for Pointer {}
    // SAFETY: nothing can be done with a shared reference to it.
    unsafe impl Sync for Pointer {}

    /// An access to the lent value that is going on; the parts of a split guard share it.
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
