//! The two mutabilities: a channel lends either `&T` or `&mut T`.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

/// Whether a channel lends `&T` ([`Shared`]) or `&mut T` ([`Exclusive`]).
///
/// This trait is sealed.
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

/// Loans of `&T`: any number of borrowers at the same time. Can cross threads if `T: Sync`.
///
/// This type has no values:
///
/// ```
/// use ref_channel::{Channel, RefChannel, Shared};
///
/// let channel: RefChannel<str> = Channel::<str, Shared>::new();
/// # drop(channel);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shared {}

/// Loans of `&mut T`: one borrower at a time. Can cross threads if `T: Send`.
///
/// This type has no values:
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

    /// The crate-internal part of a mutability.
    pub trait Sealed {
        /// Whether a loan allows only one guard.
        const EXCLUSIVE: bool;

        /// Converts the reference to the pointer that the loan stores.
        fn into_raw<'a, T: ?Sized + 'a>(reference: Self::Ref<'a, T>) -> NonNull<T>
        where
            Self: Mutability;

        /// Converts the pointer back to a reference.
        ///
        /// # Safety
        /// The pointer came from [`into_raw`](Self::into_raw) with the same lifetime, and no guard of it is left.
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
            // SAFETY: the caller guarantees that the pointer was a `&'a T`.
            unsafe { pointer.as_ref() }
        }
    }

    impl Sealed for Exclusive {
        const EXCLUSIVE: bool = true;

        fn into_raw<'a, T: ?Sized + 'a>(reference: &'a mut T) -> NonNull<T> {
            NonNull::from(reference)
        }

        unsafe fn from_raw<'a, T: ?Sized + 'a>(mut pointer: NonNull<T>) -> &'a mut T {
            // SAFETY: the caller guarantees that the pointer was a `&'a mut T` and that no guard of it is left.
            unsafe { pointer.as_mut() }
        }
    }
}

/// The pointer of a loan, with the same `Send` and `Sync` rules as the reference that it came from.
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

// Consider two threads, A with the lender and B with the borrower. B dereferences what A lends while A waits. A loan thus sends
// a `&T` or `&mut T` from A to B, and has the same requirements. Sharing a half between threads does not give access to the
// value, so `Sync` requires nothing in addition.
//
// SAFETY: the guards made from it are `&T`, which can be sent if `T: Sync`.
unsafe impl<T: ?Sized + Sync> Send for Lent<T, Shared> {}
// SAFETY: as for `Send`; `&Lent` does not dereference.
unsafe impl<T: ?Sized + Sync> Sync for Lent<T, Shared> {}
// SAFETY: the guards made from it are `&mut T`, which can be sent if `T: Send`.
unsafe impl<T: ?Sized + Send> Send for Lent<T, Exclusive> {}
// SAFETY: as for `Send`; `&Lent` does not dereference.
unsafe impl<T: ?Sized + Send> Sync for Lent<T, Exclusive> {}
