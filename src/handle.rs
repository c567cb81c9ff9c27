//! What a channel consists of, and how its halves and their futures refer to it.
//!
//! The ways to split it are in `channel.rs`, which stands above the halves.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;

use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{Notifier, WakerSlot};
use crate::state::Link;
use crate::sync::{UnsafeCell, const_unless_loom};

/// What a lender and its borrowers share. It holds no value: what is lent stays where it is.
///
/// `M` is what is lent, `&T` ([`Shared`]) or `&mut T` ([`Exclusive`]); `N` is how the halves wait, see
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
// The order of the fields, here and in `Link`, keeps the pointer and the word in one cache line: every loan between threads
// changes both.
#[repr(C)]
pub struct Channel<T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    /// What is on offer. The lender writes it while there is no offer and no guard.
    slot: UnsafeCell<MaybeUninit<NonNull<T>>>,
    pub(crate) link: Link<N>,
    mutability: PhantomData<M>,
}

// The story of the bounds is told in mutability.rs: a channel is as good as the references that go through it.
//
// SAFETY: what a channel passes from thread to thread is `&T`.
unsafe impl<T: ?Sized + Sync, N: Notifier> Send for Channel<T, Shared, N> {}
// SAFETY: what a channel passes from thread to thread is `&T`.
unsafe impl<T: ?Sized + Sync, N: Notifier> Sync for Channel<T, Shared, N> {}
// SAFETY: what a channel passes from thread to thread is `&mut T`.
unsafe impl<T: ?Sized + Send, N: Notifier> Send for Channel<T, Exclusive, N> {}
// SAFETY: what a channel passes from thread to thread is `&mut T`.
unsafe impl<T: ?Sized + Send, N: Notifier> Sync for Channel<T, Exclusive, N> {}

// After a panic the channel is in order. It does not hold the value, so it says nothing about that.
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

/// How the halves and their futures refer to the channel, which stays where it is until their half has left.
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

// SAFETY: it is used like a `&Channel`, and the last one frees the channel, which may be on another thread.
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

    /// Not to be held when the half leaves.
    #[inline]
    pub(crate) fn link(self) -> &'a Link<N> {
        // SAFETY: the channel is there while its half is, and this handle came from that.
        unsafe { &(*self.channel.as_ptr()).link }
    }

    fn slot(self) -> &'a UnsafeCell<MaybeUninit<NonNull<T>>> {
        // SAFETY: as in `link`.
        unsafe { &(*self.channel.as_ptr()).slot }
    }

    /// Writes what the next offer is of.
    ///
    /// # Safety
    /// The caller is the lender and has seen that the state is settled.
    pub(crate) unsafe fn publish(self, value: NonNull<T>) {
        // SAFETY: without an offer and without guards nobody reads, and the last who did came before.
        self.slot().with_mut(|slot| unsafe { (*slot).write(value) });
    }

    /// Reads what is lent.
    ///
    /// # Safety
    /// The caller has taken the offer, and is counted as a guard.
    pub(crate) unsafe fn published(self) -> NonNull<T> {
        // SAFETY: the lender has written it before the offer, and does not write while there is a guard.
        self.slot().with(|slot| unsafe { (*slot).assume_init() })
    }

    /// The place of the published pointer, for a [disposal](crate::state::Link::hand_over).
    #[cfg(feature = "alloc")]
    pub(crate) fn place(self) -> *const () {
        core::ptr::from_ref(self.slot()).cast()
    }

    /// Frees the box whose pointer is published at `place`.
    ///
    /// # Safety
    /// `place` is that of a channel of this type, the pointer is of a box, and nobody else will use the box.
    #[cfg(feature = "alloc")]
    pub(crate) unsafe fn free_published(place: *const ()) {
        // SAFETY: `place` is what `place` returned, and the channel is still there.
        let slot = unsafe { &*place.cast::<UnsafeCell<MaybeUninit<NonNull<T>>>>() };
        // SAFETY: it was written before the offer, the lender does not write while there is a guard, and the caller is one.
        let value = slot.with(|slot| unsafe { (*slot).assume_init() });
        // SAFETY: the pointer came from a box, which is this caller's now.
        drop(unsafe { alloc::boxed::Box::from_raw(value.as_ptr()) });
    }

    /// A side is gone, and does not touch the channel any more; the last one frees what is owned.
    ///
    /// # Safety
    /// As for [`Link::leave`]; no reference into the channel is held.
    pub(crate) unsafe fn leave(self) {
        // SAFETY: as the caller promises; the pointer to the field is made without a reference to the channel.
        let last = unsafe { Link::leave(&raw const (*self.channel.as_ptr()).link) };
        #[cfg(feature = "alloc")]
        if last {
            // SAFETY: the channel is owned, came from a box, and both sides have left.
            drop(unsafe { alloc::boxed::Box::from_raw(self.channel.as_ptr()) });
        }
        #[cfg(not(feature = "alloc"))]
        debug_assert!(!last);
    }

    /// See [`Link::remove_borrower`].
    ///
    /// # Safety
    /// As for that; no reference into the channel is held.
    pub(crate) unsafe fn remove_borrower(self) -> bool {
        // SAFETY: as the caller promises.
        unsafe { Link::remove_borrower(&raw const (*self.channel.as_ptr()).link) }
    }
}
