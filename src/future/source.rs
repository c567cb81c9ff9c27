//! What a lending call was given, how it is given back, and what becomes of it if the future is dropped first.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::{PhantomData, PhantomPinned};
use core::pin::Pin;
use core::ptr::NonNull;

use crate::loan::{ByWaker, Lending};
use crate::mutability::{Lent, Mutability};
use crate::notifier::AsyncNotifier;
#[cfg(feature = "alloc")]
use alloc::boxed::Box;
#[cfg(feature = "alloc")]
use core::mem::MaybeUninit;

/// What a call that lends was given: a reference, a value, a box.
///
/// This trait is sealed.
pub trait Source<M: Mutability>: sealed::Source<M> {}

impl<M: Mutability, S: sealed::Source<M>> Source<M> for S {}

pub(super) mod sealed {
    use super::{AsyncNotifier, ByWaker, Lending, Mutability, NonNull, Pin};

    /// What the crate needs to know of a source.
    // What is lent is an associated type. Were it a parameter, a future over a `T` with a lifetime would name that twice, and the
    // compiler, which forgets lifetimes inside of async blocks, could not see any more that the two are the same.
    pub trait Source<M: Mutability> {
        /// The second half of a future's name.
        const NAME: &'static str;

        /// What is lent.
        type Value: ?Sized;

        /// The value has no address before the first poll.
        const HAS_ADDRESS_LATE: bool = false;

        /// What the future gives back.
        type Back;

        /// The address, if it comes late. Only called while nothing is offered.
        fn address(self: Pin<&mut Self>) -> NonNull<Self::Value> {
            unreachable!("the address was known from the beginning")
        }

        /// Gives back what the call was given.
        ///
        /// # Safety
        /// The loan is over, so that no guard is left. It is called once.
        unsafe fn give_back(self: Pin<&mut Self>) -> Self::Back;

        /// The future is dropped, whether the loan is over or not. The drop of the lending comes next: if the loan is still not
        /// over then, it blocks until the guards are back.
        #[expect(private_interfaces, reason = "the trait is sealed")]
        fn abandon<N: AsyncNotifier>(self: Pin<&mut Self>, lending: Pin<&mut Lending<'_, Self::Value, M, N, ByWaker>>) {
            let _ = lending;
        }
    }
}

/// A reference that the caller keeps valid.
pub struct Borrowed<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> Borrowed<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized, M: Mutability> sealed::Source<M> for Borrowed<T> {
    const NAME: &'static str = "";
    type Value = T;
    type Back = ();

    unsafe fn give_back(self: Pin<&mut Self>) {}
}

/// A `'static` reference.
pub struct Static<T: ?Sized, M>(Lent<T, M>);

impl<T: ?Sized, M: Mutability> Static<T, M> {
    /// The pointer was a `M::Ref<'static, T>`.
    pub(crate) fn new(pointer: NonNull<T>) -> Self {
        Self(Lent::new(pointer))
    }
}

impl<T: ?Sized + 'static, M: Mutability> sealed::Source<M> for Static<T, M> {
    const NAME: &'static str = "Static";
    type Value = T;
    type Back = M::Ref<'static, T>;

    unsafe fn give_back(self: Pin<&mut Self>) -> Self::Back {
        // SAFETY: it was such a reference, no guard is left, and it is made anew once.
        unsafe { M::from_raw(self.0.pointer) }
    }

    #[expect(private_interfaces, reason = "the trait is sealed")]
    fn abandon<N: AsyncNotifier>(self: Pin<&mut Self>, lending: Pin<&mut Lending<'_, T, M, N, ByWaker>>) {
        // A guard that is out may stay out: what it points to is valid forever, and nobody has the reference any more.
        if !lending.is_over() {
            lending.abandon();
        }
    }
}

/// A box. Others point into it while it is lent, which a `Box` does not allow, so it is kept as a pointer.
#[cfg(feature = "alloc")]
pub struct Boxed<T: ?Sized>(Option<NonNull<T>>);

// SAFETY: it is a `Box<T>`.
#[cfg(feature = "alloc")]
unsafe impl<T: ?Sized + Send> Send for Boxed<T> {}
// SAFETY: a shared reference to it gives no access to the value; whether the lent references may cross threads is asked of
// `Lending`. The value is moved, and dropped, for which it has to be `Send`.
#[cfg(feature = "alloc")]
unsafe impl<T: ?Sized + Send> Sync for Boxed<T> {}

#[cfg(feature = "alloc")]
impl<T: ?Sized> Boxed<T> {
    /// The pointer is of a box, which is this one's from now on.
    pub(crate) fn new(pointer: NonNull<T>) -> Self {
        Self(Some(pointer))
    }

    /// # Safety
    /// No guard of the value is left.
    unsafe fn take(&mut self) -> Option<Box<T>> {
        // SAFETY: the pointer came from a box, and it is taken once.
        self.0.take().map(|value| unsafe { Box::from_raw(value.as_ptr()) })
    }
}

#[cfg(feature = "alloc")]
impl<T: ?Sized, M: Mutability> sealed::Source<M> for Boxed<T> {
    const NAME: &'static str = "Boxed";
    type Value = T;
    type Back = Box<T>;

    unsafe fn give_back(mut self: Pin<&mut Self>) -> Box<T> {
        // SAFETY: as the caller promises.
        unsafe { self.take() }.expect("it is given back once")
    }

    #[expect(private_interfaces, reason = "the trait is sealed")]
    fn abandon<N: AsyncNotifier>(self: Pin<&mut Self>, lending: Pin<&mut Lending<'_, T, M, N, ByWaker>>) {
        let this = self.get_mut();
        if this.0.is_some() {
            // SAFETY: what `abandon_heap` says of this call.
            abandon_heap(lending, || drop(unsafe { this.take() }));
        }
    }
}

/// The heap cell of `lend_owned`, which its lender keeps from loan to loan. It has no value in it.
#[cfg(feature = "alloc")]
#[derive(Default)]
pub(crate) struct Spare(Option<Cell>);

/// A box of a type that the lender's own type does not tell to be sized, and what frees it.
#[cfg(feature = "alloc")]
struct Cell {
    place: NonNull<()>,
    free: unsafe fn(NonNull<()>),
}

// SAFETY: it is memory without a value.
#[cfg(feature = "alloc")]
unsafe impl Send for Cell {}
// SAFETY: as for `Send`.
#[cfg(feature = "alloc")]
unsafe impl Sync for Cell {}

#[cfg(feature = "alloc")]
impl Spare {
    /// All cells of one lender are of one type, its `T`.
    fn take<T>(&mut self) -> Box<MaybeUninit<T>> {
        match self.0.take() {
            // SAFETY: `keep` made it of such a box.
            Some(cell) => unsafe { Box::from_raw(cell.place.as_ptr().cast()) },
            None => Box::new(MaybeUninit::uninit()),
        }
    }

    fn keep<T>(&mut self, cell: Box<MaybeUninit<T>>) {
        unsafe fn free<T>(place: NonNull<()>) {
            // SAFETY: the place is that of such a box, and it is freed once.
            drop(unsafe { Box::from_raw(place.as_ptr().cast::<MaybeUninit<T>>()) });
        }
        self.free();
        self.0 = Some(Cell {
            place: NonNull::from(Box::leak(cell)).cast(),
            free: free::<T>,
        });
    }

    fn free(&mut self) {
        if let Some(cell) = self.0.take() {
            // SAFETY: the two belong together.
            unsafe { (cell.free)(cell.place) };
        }
    }
}

#[cfg(feature = "alloc")]
impl Drop for Spare {
    fn drop(&mut self) {
        self.free();
    }
}

/// A value in a heap cell, which goes back to the lender for the next loan.
// The spare cell is behind a pointer, and not a `&'l mut`: as a parameter of [`Offer`](super::Offer) that lifetime would be
// invariant.
#[cfg(feature = "alloc")]
pub struct Owned<T> {
    /// None once it was given back.
    value: Option<NonNull<T>>,
    /// Of the lender, which is borrowed for as long as the future lives.
    spare: NonNull<Spare>,
}

// SAFETY: it is a `Box<T>`, and the lender's spare cell, which has no value.
#[cfg(feature = "alloc")]
unsafe impl<T: Send> Send for Owned<T> {}
// SAFETY: as for `Boxed`.
#[cfg(feature = "alloc")]
unsafe impl<T: Send> Sync for Owned<T> {}

#[cfg(feature = "alloc")]
impl<T> Owned<T> {
    /// # Safety
    /// The future that gets this borrows the lender with the spare cell mutably, for as long as it lives.
    pub(crate) unsafe fn new(value: T, spare: &mut Spare) -> Self {
        let cell = Box::leak(spare.take::<T>());
        let value = NonNull::from(cell.write(value));
        Self {
            value: Some(value),
            spare: NonNull::from(spare),
        }
    }

    fn spare(&mut self) -> &mut Spare {
        // SAFETY: nobody else uses it, as `new` was promised.
        unsafe { self.spare.as_mut() }
    }

    pub(crate) fn pointer(&self) -> NonNull<T> {
        self.value.expect("it is not given back yet")
    }

    /// Takes the cell, with the value still in it.
    ///
    /// # Safety
    /// No guard of the value is left.
    unsafe fn take(&mut self) -> Option<Box<MaybeUninit<T>>> {
        // SAFETY: `new` made it of such a box, and it is taken once.
        self.value
            .take()
            .map(|value| unsafe { Box::from_raw(value.as_ptr().cast()) })
    }

    /// Drops the value.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    unsafe fn discard(&mut self) {
        /// The cell is kept even if the value's destructor panics.
        struct Keep<'a, T>(&'a mut Spare, Option<Box<MaybeUninit<T>>>);
        impl<T> Drop for Keep<'_, T> {
            fn drop(&mut self) {
                if let Some(cell) = self.1.take() {
                    self.0.keep(cell);
                }
            }
        }
        // SAFETY: as the caller promises.
        let cell = unsafe { self.take() };
        let mut keep = Keep(self.spare(), cell);
        if let Some(cell) = &mut keep.1 {
            // SAFETY: the value is there, and nobody uses it again.
            unsafe { cell.assume_init_drop() };
        }
    }
}

#[cfg(feature = "alloc")]
impl<T, M: Mutability> sealed::Source<M> for Owned<T> {
    const NAME: &'static str = "Owned";
    type Value = T;
    type Back = T;

    unsafe fn give_back(mut self: Pin<&mut Self>) -> T {
        // SAFETY: as the caller promises.
        let cell = unsafe { self.take() }.expect("it is given back once");
        // SAFETY: the value is there, and the cell is kept as an empty one.
        let value = unsafe { cell.assume_init_read() };
        self.spare().keep(cell);
        value
    }

    #[expect(private_interfaces, reason = "the trait is sealed")]
    fn abandon<N: AsyncNotifier>(self: Pin<&mut Self>, lending: Pin<&mut Lending<'_, T, M, N, ByWaker>>) {
        let this = self.get_mut();
        if this.value.is_some() {
            // SAFETY: what `abandon_heap` says of this call.
            abandon_heap(lending, || unsafe { this.discard() });
        }
    }
}

/// Leaves the heap value to the last guard, or calls `discard` if no guard is out, nor will be.
#[cfg(feature = "alloc")]
fn abandon_heap<T: ?Sized, M: Mutability, N: AsyncNotifier>(
    mut lending: Pin<&mut Lending<'_, T, M, N, ByWaker>>,
    discard: impl FnOnce(),
) {
    /// Also if a waker panics as it is let go of.
    struct Finally<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Finally<F> {
        fn drop(&mut self) {
            if let Some(discard) = self.0.take() {
                discard();
            }
        }
    }
    let is_out = lending.as_mut().hand_over();
    let _finally = Finally((!is_out).then_some(discard));
    lending.stop_waiting();
}

/// A value that is lent from where the pinned future is.
pub struct Pinned<V, T: ?Sized> {
    value: UnsafeCell<Option<V>>,
    part: for<'x> fn(&'x mut V) -> &'x mut T,
    marker: PhantomData<fn() -> NonNull<T>>,
    /// Others have pointers to the value while the future is polled and dropped through `&mut`.
    _pin: PhantomPinned,
}

// SAFETY: whether the lent references may cross threads is asked of `Lending`. The value itself can be reached only through the
// pinned future, from which it moves and in which it is dropped: for that it has to be `Send`.
unsafe impl<V: Send, T: ?Sized> Sync for Pinned<V, T> {}

impl<V, T: ?Sized> Pinned<V, T> {
    pub(crate) fn new(value: V, part: for<'x> fn(&'x mut V) -> &'x mut T) -> Self {
        Self {
            value: UnsafeCell::new(Some(value)),
            part,
            marker: PhantomData,
            _pin: PhantomPinned,
        }
    }
}

impl<V, T: ?Sized, M: Mutability> sealed::Source<M> for Pinned<V, T> {
    const NAME: &'static str = "Pinned";
    const HAS_ADDRESS_LATE: bool = true;
    type Value = T;
    type Back = V;

    fn address(self: Pin<&mut Self>) -> NonNull<T> {
        // SAFETY: nobody else has a pointer to the value before it is offered.
        let value = unsafe { (*self.value.get()).as_mut() };
        NonNull::from((self.part)(value.expect("it is not given back yet")))
    }

    unsafe fn give_back(self: Pin<&mut Self>) -> V {
        // SAFETY: no guard is left, as the caller promises.
        unsafe { (*self.value.get()).take() }.expect("it is given back once")
    }
}

/// Says nothing of the value, which may be borrowed.
macro_rules! opaque {
    ($($name:literal: $type:ty [$($generics:tt)*];)*) => {
        $(
            impl<$($generics)*> fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct($name).finish_non_exhaustive()
                }
            }
        )*
    };
}

opaque! {
    "Borrowed": Borrowed<T> [T: ?Sized];
    "Static": Static<T, M> [T: ?Sized, M];
    "Pinned": Pinned<V, T> [V, T: ?Sized];
}
#[cfg(feature = "alloc")]
opaque! {
    "Boxed": Boxed<T> [T: ?Sized];
    "Owned": Owned<T> [T];
}
