//! The two mutabilities: what a channel lends is `&T` or `&mut T`.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

/// Whether a channel lends `&T` ([`Shared`]) or `&mut T` ([`Exclusive`]).
///
/// This trait is sealed: there is no third kind of reference.
///
/// ```
/// use ref_channel::{Exclusive, Mutability, Shared};
///
/// fn read<M: Mutability>(value: M::Ref<'_, u32>) -> u32 {
///     *value
/// }
/// assert_eq!(read::<Shared>(&1), 1);
/// assert_eq!(read::<Exclusive>(&mut 2), 2);
/// ```
pub trait Mutability: sealed::Sealed + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The reference that is lent: `&'a T` or `&'a mut T`.
    type Ref<'a, T: ?Sized + 'a>: Deref<Target = T>;
}

/// Loans of `&T`: any number of borrowers at the same time. Crosses threads if `T: Sync`.
///
/// A type that is only a name:
///
/// ```
/// use ref_channel::{Channel, RefChannel, Shared};
///
/// let channel: RefChannel<str> = Channel::<str, Shared>::new();
/// # drop(channel);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shared {}

/// Loans of `&mut T`: one borrower at a time. Crosses threads if `T: Send`.
///
/// A type that is only a name:
///
/// ```
/// use ref_channel::{Channel, Exclusive, RefMutChannel};
///
/// let channel: RefMutChannel<str> = Channel::<str, Exclusive>::new();
/// # drop(channel);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exclusive {}

impl Mutability for Shared {
    type Ref<'a, T: ?Sized + 'a> = &'a T;
}

impl Mutability for Exclusive {
    type Ref<'a, T: ?Sized + 'a> = &'a mut T;
}

pub(crate) mod sealed {
    use super::{Exclusive, Mutability, NonNull, Shared};

    /// What the crate itself needs to know of a mutability.
    pub trait Sealed {
        /// Whether a loan admits only one guard.
        const EXCLUSIVE: bool;

        /// Gives up the reference for the pointer that a loan is made of.
        fn into_raw<'a, T: ?Sized + 'a>(reference: Self::Ref<'a, T>) -> NonNull<T>
        where
            Self: Mutability;

        /// Makes the reference anew.
        ///
        /// # Safety
        /// The pointer came from [`into_raw`](Self::into_raw) of the same lifetime, and no guard to it is left.
        unsafe fn from_raw<'a, T: ?Sized + 'a>(pointer: NonNull<T>) -> Self::Ref<'a, T>
        where
            Self: Mutability;
    }

    impl Sealed for Shared {
        const EXCLUSIVE: bool = false;

        fn into_raw<'a, T: ?Sized + 'a>(reference: &'a T) -> NonNull<T> {
            NonNull::from(reference)
        }

        unsafe fn from_raw<'a, T: ?Sized + 'a>(pointer: NonNull<T>) -> &'a T {
            // SAFETY: the pointer was a `&'a T`, as the caller promises.
            unsafe { pointer.as_ref() }
        }
    }

    impl Sealed for Exclusive {
        const EXCLUSIVE: bool = true;

        fn into_raw<'a, T: ?Sized + 'a>(reference: &'a mut T) -> NonNull<T> {
            NonNull::from(reference)
        }

        unsafe fn from_raw<'a, T: ?Sized + 'a>(mut pointer: NonNull<T>) -> &'a mut T {
            // SAFETY: the pointer was a `&'a mut T` and every guard made of it is gone, as the caller promises.
            unsafe { pointer.as_mut() }
        }
    }
}

/// The pointer of a loan, with the rules of the reference that it was made of.
pub(crate) struct Lent<T: ?Sized, M> {
    pub(crate) pointer: NonNull<T>,
    mutability: PhantomData<M>,
}

impl<T: ?Sized, M> Lent<T, M> {
    pub(crate) const fn new(pointer: NonNull<T>) -> Self {
        Self {
            pointer,
            mutability: PhantomData,
        }
    }
}

impl<T: ?Sized, M> Clone for Lent<T, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized, M> Copy for Lent<T, M> {}

// Two threads, A with the lender and B with the borrower: what A lends, B dereferences while A waits. So a
// loan is a `&T` or a `&mut T` sent from A to B, and needs what these need. Sharing a half between threads
// gives nobody a reference to the value, so `Sync` needs no more than that.
//
// SAFETY: the guards made of it are `&T`, which may be sent where `T: Sync`.
unsafe impl<T: ?Sized + Sync> Send for Lent<T, Shared> {}
// SAFETY: as for `Send`; `&Lent` does not dereference.
unsafe impl<T: ?Sized + Sync> Sync for Lent<T, Shared> {}
// SAFETY: the guards made of it are `&mut T`, which may be sent where `T: Send`.
unsafe impl<T: ?Sized + Send> Send for Lent<T, Exclusive> {}
// SAFETY: as for `Send`; `&Lent` does not dereference.
unsafe impl<T: ?Sized + Send> Sync for Lent<T, Exclusive> {}
