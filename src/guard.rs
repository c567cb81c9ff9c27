//! The guards: what a borrower has of a loan.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{Notifier, WakerSlot};
use crate::state::Link;
use crate::sync::Access;

/// A guard of a shared loan: it dereferences to the lent value.
///
/// ```
/// use ref_channel::{RefChannel, RefGuard};
///
/// fn first(text: RefGuard<'_, str>) -> Option<char> {
///     text.chars().next()
/// }
/// # pollster::block_on(async {
/// let mut channel = RefChannel::<str>::new();
/// let (mut lender, mut borrower) = channel.split();
/// futures::join!(
///     async { assert_eq!(lender.lend_static("lent").await, Ok("lent")) },
///     async { assert_eq!(first(borrower.borrow().await.unwrap()), Some('l')) },
/// );
/// # });
/// ```
pub type RefGuard<'b, T, N = WakerSlot> = Guard<'b, T, Shared, N>;

/// A guard of an exclusive loan: it dereferences, mutably, to the lent value.
///
/// ```
/// use ref_channel::{RefMutChannel, RefMutGuard};
///
/// fn add_one(mut number: RefMutGuard<'_, u32>) {
///     *number += 1;
/// }
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// futures::join!(
///     async { assert_eq!(lender.lend_pinned(1).await, Ok(2)) },
///     async { add_one(borrower.borrow().await.unwrap()) },
/// );
/// # });
/// ```
pub type RefMutGuard<'b, T, N = WakerSlot> = Guard<'b, T, Exclusive, N>;

/// A borrowed value: it dereferences to what the lender lent, and its drop gives that back.
///
/// Like std's `Ref` and `RefMut` it can be narrowed to a part of the value by [`map`](RefMutGuard::map) and split
/// by [`map_split`](RefMutGuard::map_split); the loan is over when all parts are dropped. It may be held over an
/// `.await`, and sent to other threads if `&T`, or `&mut T`, may.
///
/// A guard that is forgotten never gives the value back, and the lender waits forever. That is sound.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::{RefMutChannel, RefMutGuard};
///
/// let mut channel = RefMutChannel::<(u32, u32)>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut pair = (1, 2);
/// std::thread::scope(|scope| {
///     scope.spawn(move || {
///         let guard = borrower.borrow_blocking().unwrap();
///         let (mut one, mut two) = RefMutGuard::map_split(guard, |pair| (&mut pair.0, &mut pair.1));
///         std::mem::swap(&mut *one, &mut *two);
///     });
///     lender.lend_blocking(&mut pair).unwrap();
/// });
/// assert_eq!(pair, (2, 1));
/// # }
/// ```
///
/// # Panics
/// The drop panics if the lender's waker does. The value has been given back by then.
#[must_use = "the loan is over as soon as its guard is dropped"]
// `T: 'b` as on std's `Ref`: the guard stands for a reference that lives for `'b`. Without it a closure given to `map` could
// return a reference that it had captured, and the next `map` could strip the lifetime of that from the type.
pub struct Guard<'b, T: ?Sized + 'b, M: Mutability, N: Notifier = WakerSlot> {
    // A raw pointer: a reference in a struct is promised to be valid for as long as a function has the struct
    // as an argument, but the drop of a guard ends that validity.
    value: NonNull<T>,
    held: Held<'b, N>,
    // Invariant in `T` for both: a covariant `DerefMut` could store a short-lived reference where a
    // long-lived one is expected.
    marker: PhantomData<(*mut T, M)>,
}

// SAFETY: a shared guard is a `&T`, and may be sent when that may.
unsafe impl<T: ?Sized + Sync, N: Notifier> Send for Guard<'_, T, Shared, N> {}
// SAFETY: a shared guard is a `&T`, and may be shared when that may.
unsafe impl<T: ?Sized + Sync, N: Notifier> Sync for Guard<'_, T, Shared, N> {}
// SAFETY: an exclusive guard is a `&mut T`, and may be sent when that may.
unsafe impl<T: ?Sized + Send, N: Notifier> Send for Guard<'_, T, Exclusive, N> {}
// SAFETY: an exclusive guard is a `&mut T`, and may be shared when that may.
unsafe impl<T: ?Sized + Sync, N: Notifier> Sync for Guard<'_, T, Exclusive, N> {}

/// One count of the guards of a loan, given back by its drop.
struct Held<'b, N: Notifier> {
    link: &'b Link<N>,
    access: ManuallyDrop<Access>,
}

impl<N: Notifier> Drop for Held<'_, N> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is not used again. The access has to end before the value is given back.
        unsafe { ManuallyDrop::drop(&mut self.access) };
        self.link.give_back();
    }
}

impl<N: Notifier> Clone for Held<'_, N> {
    fn clone(&self) -> Self {
        self.link.add_guard();
        Self {
            link: self.link,
            access: self.access.clone(),
        }
    }
}

impl<'b, T: ?Sized, M: Mutability, N: Notifier> Guard<'b, T, M, N> {
    /// # Safety
    /// The caller has taken the offer of `value`, as one more guard in the state of `link`.
    pub(crate) unsafe fn new(link: &'b Link<N>, value: NonNull<T>) -> Self {
        let held = Held {
            link,
            access: ManuallyDrop::new(link.ledger().enter(M::EXCLUSIVE)),
        };
        Self::with(value, held)
    }

    /// Whether the lender has stopped offering and wants the value back.
    ///
    /// That is so once the loan was withdrawn, its future was dropped, or the deadline or the closure of a serve is over. A long
    /// task can look from time to time, and give the value back early. All parts and clones of a guard see it.
    ///
    /// An associated function, as the other ones of a guard.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use core::pin::pin;
    /// use ref_channel::{Guard, RefMutChannel};
    ///
    /// let mut channel = RefMutChannel::<Vec<u32>>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// # pollster::block_on(async {
    /// let mut lend = pin!(lender.lend_owned(vec![]));
    /// assert!(futures::poll!(lend.as_mut()).is_pending());
    /// let mut list = borrower.borrow().await.unwrap();
    /// for number in 0.. {
    ///     if Guard::is_recalled(&list) {
    ///         break;
    ///     }
    ///     list.push(number);
    ///     if number == 2 {
    ///         lend.as_mut().withdraw();
    ///     }
    /// }
    /// assert_eq!(*list, [0, 1, 2]);
    /// # });
    /// # }
    /// ```
    #[must_use]
    pub fn is_recalled(orig: &Self) -> bool {
        orig.held.link.glance().is_recalled()
    }

    fn with(value: NonNull<T>, held: Held<'b, N>) -> Self {
        Self {
            value,
            held,
            marker: PhantomData,
        }
    }
}

impl<'b, T: ?Sized, N: Notifier> Guard<'b, T, Shared, N> {
    /// Makes a guard of a part of the value.
    ///
    /// An associated function, as on std's `Ref`: a method would hide one of the value's own.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, RefGuard};
    ///
    /// let mut channel = RefChannel::<(u32, String)>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let name = RefGuard::map(borrower.borrow_blocking().unwrap(), |pair| pair.1.as_str());
    ///         assert_eq!(&*name, "one");
    ///     });
    ///     lender.lend_blocking(&(1, "one".into())).unwrap();
    /// });
    /// # }
    /// ```
    pub fn map<U: ?Sized, F>(orig: Self, f: F) -> Guard<'b, U, Shared, N>
    where
        F: FnOnce(&T) -> &U,
    {
        Guard::with(NonNull::from(f(&orig)), orig.held)
    }

    /// Makes a guard of a part of the value if there is such a part.
    ///
    /// # Errors
    /// The guard as it was, if `f` returns none.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, RefGuard};
    ///
    /// let mut channel = RefChannel::<[u32]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let all = borrower.borrow_blocking().unwrap();
    ///         let all = RefGuard::filter_map(all, |slice| slice.get(9)).unwrap_err();
    ///         let last = RefGuard::filter_map(all, |slice| slice.last()).unwrap();
    ///         assert_eq!(*last, 3);
    ///     });
    ///     lender.lend_blocking(&[1, 2, 3]).unwrap();
    /// });
    /// # }
    /// ```
    pub fn filter_map<U: ?Sized, F>(orig: Self, f: F) -> Result<Guard<'b, U, Shared, N>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&orig).map(NonNull::from) {
            Some(part) => Ok(Guard::with(part, orig.held)),
            None => Err(orig),
        }
    }

    /// Makes guards of two parts of the value. The loan ends with the last of them.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, RefGuard};
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let all = borrower.borrow_blocking().unwrap();
    ///         let (head, tail) = RefGuard::map_split(all, |text| text.split_at(1));
    ///         assert_eq!((&*head, &*tail), ("a", "bc"));
    ///     });
    ///     lender.lend_blocking("abc").unwrap();
    /// });
    /// # }
    /// ```
    pub fn map_split<U: ?Sized, V: ?Sized, F>(orig: Self, f: F) -> (Guard<'b, U, Shared, N>, Guard<'b, V, Shared, N>)
    where
        F: FnOnce(&T) -> (&U, &V),
    {
        let (one, two) = f(&orig);
        let (one, two) = (NonNull::from(one), NonNull::from(two));
        let second = orig.held.clone();
        (Guard::with(one, orig.held), Guard::with(two, second))
    }

    /// Makes another guard of the same loan.
    ///
    /// An associated function, as on std's `Ref`, so that `guard.clone()` clones the value. Too many guards abort the
    /// process, as with `Arc`: see the [FAQ](crate::faq).
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, RefGuard};
    ///
    /// let mut channel = RefChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let one = borrower.borrow_blocking().unwrap();
    ///         let two = RefGuard::clone(&one);
    ///         drop(one);
    ///         assert_eq!(*two, 5);
    ///     });
    ///     lender.lend_blocking(&5).unwrap();
    /// });
    /// # }
    /// ```
    // As on std's `Ref`: the trait would take `guard.clone()` away from the value.
    #[expect(clippy::should_implement_trait)]
    pub fn clone(orig: &Self) -> Self {
        Guard::with(orig.value, orig.held.clone())
    }
}

impl<'b, T: ?Sized, N: Notifier> Guard<'b, T, Exclusive, N> {
    /// Makes a guard of a part of the value.
    ///
    /// An associated function, as on std's `RefMut`: a method would hide one of the value's own.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefMutChannel, RefMutGuard};
    ///
    /// let mut channel = RefMutChannel::<(u32, u32)>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut pair = (1, 2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         *RefMutGuard::map(borrower.borrow_blocking().unwrap(), |pair| &mut pair.1) = 7;
    ///     });
    ///     lender.lend_blocking(&mut pair).unwrap();
    /// });
    /// assert_eq!(pair, (1, 7));
    /// # }
    /// ```
    pub fn map<U: ?Sized, F>(mut orig: Self, f: F) -> Guard<'b, U, Exclusive, N>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        Guard::with(NonNull::from(f(&mut orig)), orig.held)
    }

    /// Makes a guard of a part of the value if there is such a part.
    ///
    /// # Errors
    /// The guard as it was, if `f` returns none.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefMutChannel, RefMutGuard};
    ///
    /// let mut channel = RefMutChannel::<[u32]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut array = [1, 2, 3];
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let all = borrower.borrow_blocking().unwrap();
    ///         let all = RefMutGuard::filter_map(all, |slice| slice.get_mut(9)).unwrap_err();
    ///         *RefMutGuard::filter_map(all, |slice| slice.last_mut()).unwrap() = 9;
    ///     });
    ///     lender.lend_blocking(&mut array).unwrap();
    /// });
    /// assert_eq!(array, [1, 2, 9]);
    /// # }
    /// ```
    pub fn filter_map<U: ?Sized, F>(mut orig: Self, f: F) -> Result<Guard<'b, U, Exclusive, N>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut orig).map(NonNull::from) {
            Some(part) => Ok(Guard::with(part, orig.held)),
            None => Err(orig),
        }
    }

    /// Makes guards of two parts of the value that do not overlap. The loan ends with the last of them.
    ///
    /// # Panics
    /// If `f` does. The loan is then over.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefMutChannel, RefMutGuard};
    ///
    /// let mut channel = RefMutChannel::<[u32]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut array = [1, 2, 3, 4];
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || {
    ///         let all = borrower.borrow_blocking().unwrap();
    ///         let (mut head, mut tail) = RefMutGuard::map_split(all, |slice| slice.split_at_mut(2));
    ///         head.swap_with_slice(&mut tail);
    ///     });
    ///     lender.lend_blocking(&mut array).unwrap();
    /// });
    /// assert_eq!(array, [3, 4, 1, 2]);
    /// # }
    /// ```
    pub fn map_split<U: ?Sized, V: ?Sized, F>(
        mut orig: Self,
        f: F,
    ) -> (Guard<'b, U, Exclusive, N>, Guard<'b, V, Exclusive, N>)
    where
        F: FnOnce(&mut T) -> (&mut U, &mut V),
    {
        let (one, two) = f(&mut orig);
        let (one, two) = (NonNull::from(one), NonNull::from(two));
        let second = orig.held.clone();
        (Guard::with(one, orig.held), Guard::with(two, second))
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Deref for Guard<'_, T, M, N> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the loan lasts until `held` is dropped. Only an exclusive guard can write, and there is one for each part.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, N: Notifier> DerefMut for Guard<'_, T, Exclusive, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the loan is of a `&mut T`, and this is the only guard of this part of it.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug, M: Mutability, N: Notifier> fmt::Debug for Guard<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, M: Mutability, N: Notifier> fmt::Display for Guard<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
