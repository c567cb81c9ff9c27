//! The channel: a state, a place for a pointer, and the ways to split it into halves.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;

use crate::borrower::Borrower;
use crate::lender::Lender;
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{Notifier, WakerSlot};
use crate::state::Link;
use crate::sync::{UnsafeCell, const_unless_loom};

/// A channel that lends `&T`.
///
/// ```
/// use ref_channel::RefChannel;
///
/// let mut channel = RefChannel::<str>::new();
/// let (mut lender, mut borrower) = channel.split();
/// # pollster::block_on(async {
/// let (_, length) = futures::join!(lender.lend_static("lent"), async {
///     borrower.borrow().await.unwrap().len()
/// });
/// assert_eq!(length, 4);
/// # });
/// ```
pub type RefChannel<T, N = WakerSlot> = Channel<T, Shared, N>;

/// A channel that lends `&mut T`.
///
/// ```
/// use ref_channel::RefMutChannel;
///
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// # pollster::block_on(async {
/// let (value, ()) = futures::join!(lender.lend_owned(1), async {
///     *borrower.borrow().await.unwrap() += 1;
/// });
/// assert_eq!(value, Ok(2));
/// # });
/// ```
pub type RefMutChannel<T, N = WakerSlot> = Channel<T, Exclusive, N>;

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
// In this order, here and in `Link`: between threads each loan changes the pointer and the word, and both should be in
// one cache line.
#[repr(C)]
pub struct Channel<T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    /// What is on offer. Written by the lender while there is no offer and no guard.
    slot: UnsafeCell<MaybeUninit<NonNull<T>>>,
    link: Link<N>,
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
        /// Creates a channel.
        ///
        /// ```
        /// use ref_channel::RefMutChannel;
        ///
        /// static CHANNEL: RefMutChannel<[u8; 512]> = RefMutChannel::new();
        /// # let _ = &CHANNEL;
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self {
                slot: UnsafeCell::new(MaybeUninit::uninit()),
                link: Link::new(),
                mutability: PhantomData,
            }
        }
    }

    /// Splits the channel into halves that borrow it, without an allocation.
    ///
    /// It starts afresh, whatever became of earlier halves.
    ///
    /// ```
    /// use ref_channel::{RefChannel, TryBorrowError};
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// std::mem::forget(channel.split());
    /// let (_lender, mut borrower) = channel.split();
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    /// ```
    pub fn split(&mut self) -> (Lender<'_, T, M, N>, Borrower<'_, T, M, N>) {
        self.link.split(false);
        Handle::new(NonNull::from(self)).halves()
    }

    /// Splits a channel that cannot be borrowed mutably, as a static.
    ///
    /// It returns none while halves of the channel are out, or a guard; and for ever if one was forgotten.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    ///
    /// let halves = CHANNEL.try_split().unwrap();
    /// assert!(CHANNEL.try_split().is_none());
    /// drop(halves);
    /// assert!(CHANNEL.try_split().is_some());
    /// ```
    #[expect(clippy::type_complexity, reason = "the two halves, as everywhere")]
    pub fn try_split(&self) -> Option<(Lender<'_, T, M, N>, Borrower<'_, T, M, N>)> {
        self.link.try_split().then(|| Handle::new(NonNull::from(self)).halves())
    }

    /// Splits the channel into halves that own it together, to be moved into spawned tasks and threads.
    ///
    /// This allocates once. The half that is dropped last frees the channel. In a struct or a signature the halves are
    /// `RefMutLender<'static, T>` and `RefMutBorrower<'static, T>` if `T` is `'static`.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    /// let thread = std::thread::spawn(move || *borrower.borrow_blocking().unwrap() += 1);
    /// let mut value = 1;
    /// lender.lend_blocking(&mut value).unwrap();
    /// assert_eq!(value, 2);
    /// # thread.join().unwrap();
    /// ```
    #[cfg(feature = "alloc")]
    pub fn into_split<'a>(mut self) -> (Lender<'a, T, M, N>, Borrower<'a, T, M, N>)
    where
        Self: 'a,
    {
        self.link.split(true);
        let channel = alloc::boxed::Box::into_raw(alloc::boxed::Box::new(self));
        // SAFETY: a box is not null.
        Handle::new(unsafe { NonNull::new_unchecked(channel) }).halves()
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Default for Channel<T, M, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> fmt::Debug for Channel<T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("state", &self.link)
            .finish_non_exhaustive()
    }
}

/// How the halves and their futures refer to the channel: it stays where it is until its half has left.
pub(crate) struct Handle<'a, T: ?Sized, M: Mutability, N: Notifier> {
    // A raw pointer: the last half frees through it.
    channel: NonNull<Channel<T, M, N>>,
    life: PhantomData<&'a Channel<T, M, N>>,
}

impl<T: ?Sized, M: Mutability, N: Notifier> Clone for Handle<'_, T, M, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Copy for Handle<'_, T, M, N> {}

// SAFETY: it is a `&Channel`, and the owner of a channel that may be freed on this thread.
unsafe impl<T: ?Sized, M: Mutability, N: Notifier> Send for Handle<'_, T, M, N> where Channel<T, M, N>: Send + Sync {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized, M: Mutability, N: Notifier> Sync for Handle<'_, T, M, N> where Channel<T, M, N>: Send + Sync {}

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Handle<'a, T, M, N> {
    fn new(channel: NonNull<Channel<T, M, N>>) -> Self {
        Self {
            channel,
            life: PhantomData,
        }
    }

    fn halves(self) -> (Lender<'a, T, M, N>, Borrower<'a, T, M, N>) {
        (Lender::new(self), Borrower::new(self))
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
