//! The contents of a channel, and how its halves and their futures refer to it.
//!
//! `channel.rs`, which is above the halves, contains the ways to split it.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;

use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{Notifier, WakerSlot};
use crate::state::Link;
use crate::sync::{UnsafeCell, const_unless_loom};

/// The shared state of a lender and its borrowers. It does not hold a value: what is lent stays where it is.
///
/// `M` is what is lent, `&T` ([`Shared`]) or `&mut T` ([`Exclusive`]). `N` is how the halves wait; see
/// [`notifier`](crate::notifier).
///
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::RefMutChannel;
///
/// let mut channel = RefMutChannel::<String>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut text = String::from("lent");
///
/// std::thread::scope(|scope| {
///     scope.spawn(move || borrower.borrow_blocking().unwrap().push_str(" and returned"));
///     lender.lend_blocking(&mut text).unwrap();
/// });
/// assert_eq!(text, "lent and returned");
/// # }
/// ```
// The field order, here and in `Link`, keeps the pointer and the word in the same cache line, since every loan between threads
// changes both.
#[repr(C)]
pub struct Channel<T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    /// The pointer on offer. The lender writes it while there is no offer and no guard.
    slot: UnsafeCell<MaybeUninit<NonNull<T>>>,
    pub(crate) link: Link<N>,
    mutability: PhantomData<M>,
}

// mutability.rs explains these bounds: a channel has the same requirements as the references that pass through it.
//
// SAFETY: a channel passes `&T` from thread to thread.
unsafe impl<T: ?Sized + Sync, N: Notifier> Send for Channel<T, Shared, N> {}
// SAFETY: a channel passes `&T` from thread to thread.
unsafe impl<T: ?Sized + Sync, N: Notifier> Sync for Channel<T, Shared, N> {}
// SAFETY: a channel passes `&mut T` from thread to thread.
unsafe impl<T: ?Sized + Send, N: Notifier> Send for Channel<T, Exclusive, N> {}
// SAFETY: a channel passes `&mut T` from thread to thread.
unsafe impl<T: ?Sized + Send, N: Notifier> Sync for Channel<T, Exclusive, N> {}

// The channel's state is consistent after a panic. It does not hold the value, so this says nothing about the value.
impl<T: ?Sized, M: Mutability, N: Notifier> UnwindSafe for Channel<T, M, N> {}
impl<T: ?Sized, M: Mutability, N: Notifier> RefUnwindSafe for Channel<T, M, N> {}

impl<T: ?Sized, M: Mutability, N: Notifier> Channel<T, M, N> {
    const_unless_loom! {
        pub(crate) const fn unsplit() -> Self {
            Self {
                slot: UnsafeCell::new(MaybeUninit::uninit()),
                link: Link::new(),
                mutability: PhantomData,
            }
        }
    }
}

/// A reference to the channel, held by the halves and their futures. The channel is not moved or freed until their half has
/// left.
pub(crate) struct Handle<'a, T: ?Sized, M: Mutability, N: Notifier> {
    // A raw pointer, because the last half frees the channel through it.
    channel: NonNull<Channel<T, M, N>>,
    life: PhantomData<&'a Channel<T, M, N>>,
}

impl<T: ?Sized, M: Mutability, N: Notifier> Clone for Handle<'_, T, M, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Copy for Handle<'_, T, M, N> {}

// SAFETY: it is used like a `&Channel`. The last one frees the channel, possibly on another thread.
unsafe impl<T: ?Sized, M: Mutability, N: Notifier> Send for Handle<'_, T, M, N> where Channel<T, M, N>: Send + Sync {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized, M: Mutability, N: Notifier> Sync for Handle<'_, T, M, N> where Channel<T, M, N>: Send + Sync {}

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Handle<'a, T, M, N> {
    pub(crate) fn new(channel: NonNull<Channel<T, M, N>>) -> Self {
        Self {
            channel,
            life: PhantomData,
        }
    }

    /// The reference must not be held when the half leaves.
    #[inline]
    pub(crate) fn link(self) -> &'a Link<N> {
        // SAFETY: the channel exists as long as its half does, and this handle came from that half.
        unsafe { &(*self.channel.as_ptr()).link }
    }

    fn slot(self) -> &'a UnsafeCell<MaybeUninit<NonNull<T>>> {
        // SAFETY: as in `link`.
        unsafe { &(*self.channel.as_ptr()).slot }
    }

    /// Writes the pointer for the next offer.
    ///
    /// # Safety
    /// The caller is the lender and has seen that the state is settled.
    pub(crate) unsafe fn publish(self, value: NonNull<T>) {
        // SAFETY: nobody reads it without an offer or a guard, and every earlier read happened before.
        self.slot().with_mut(|slot| unsafe { (*slot).write(value) });
    }

    /// Reads the pointer of the current loan.
    ///
    /// # Safety
    /// The caller has taken the offer and is counted as a guard.
    pub(crate) unsafe fn published(self) -> NonNull<T> {
        // SAFETY: the lender wrote it before the offer, and does not write it while there is a guard.
        self.slot().with(|slot| unsafe { (*slot).assume_init() })
    }

    /// The address of the published pointer, for a [disposal](crate::state::Link::hand_over).
    #[cfg(feature = "alloc")]
    pub(crate) fn place(self) -> *const () {
        core::ptr::from_ref(self.slot()).cast()
    }

    /// Frees the box whose pointer is published at `place`.
    ///
    /// # Safety
    /// `place` came from a channel of this type, the pointer came from a box, and nobody else uses the box any more.
    #[cfg(feature = "alloc")]
    pub(crate) unsafe fn free_published(place: *const ()) {
        // SAFETY: `place` was returned by `Self::place`, and the channel still exists.
        let slot = unsafe { &*place.cast::<UnsafeCell<MaybeUninit<NonNull<T>>>>() };
        // SAFETY: it was written before the offer. The lender does not write it while there is a guard, and the caller is one.
        let value = slot.with(|slot| unsafe { (*slot).assume_init() });
        // SAFETY: the pointer came from a box, which now belongs to the caller.
        drop(unsafe { alloc::boxed::Box::from_raw(value.as_ptr()) });
    }

    /// A side leaves and does not access the channel again. The last one frees an owned channel.
    ///
    /// # Safety
    /// As for [`Link::leave`]. No reference into the channel is held.
    pub(crate) unsafe fn leave(self) {
        // SAFETY: guaranteed by the caller. The pointer to the field is made without a reference to the channel.
        let last = unsafe { Link::leave(&raw const (*self.channel.as_ptr()).link) };
        #[cfg(feature = "alloc")]
        if last {
            // SAFETY: the channel is owned, so it came from a box, and both sides have left.
            drop(unsafe { alloc::boxed::Box::from_raw(self.channel.as_ptr()) });
        }
        #[cfg(not(feature = "alloc"))]
        debug_assert!(!last);
    }

    /// See [`Link::remove_borrower`].
    ///
    /// # Safety
    /// As for [`Link::remove_borrower`]. No reference into the channel is held.
    pub(crate) unsafe fn remove_borrower(self) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe { Link::remove_borrower(&raw const (*self.channel.as_ptr()).link) }
    }
}
