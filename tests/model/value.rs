//! The value that is lent, and what differs between mutabilities and between backends.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ref_channel::notifier::{AsyncNotifier, BlockingNotifier};
use ref_channel::{BorrowError, Borrower, Exclusive, Guard, Mutability, RefGuard, RefMutGuard, Shared};

thread_local! {
    /// The values that live, by number.
    static LIVE: RefCell<HashSet<u32>> = RefCell::default();
}

pub struct Value {
    id: u32,
    parts: [u32; 2],
}

impl Value {
    pub fn new(id: u32) -> Self {
        assert!(LIVE.with_borrow_mut(|live| live.insert(id)));
        Self { id, parts: [id, id] }
    }

    pub fn check(&self, id: u32) {
        assert_eq!((self.id, self.parts), (id, [id; 2]));
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let was = LIVE.with_borrow_mut(|live| live.remove(&self.id));
        assert!(was, "value {} is dropped twice", self.id);
    }
}

pub fn is_live(id: u32) -> bool {
    LIVE.with_borrow(|live| live.contains(&id))
}

pub fn live() -> HashSet<u32> {
    LIVE.with_borrow(HashSet::clone)
}

/// Those that an earlier program left.
pub fn forget_live() {
    LIVE.with_borrow_mut(HashSet::clear);
}

pub type Half<M, N> = Borrower<'static, Value, M, N>;
pub type Whole<M, N> = Guard<'static, Value, M, N>;
pub type Part<M, N> = Guard<'static, u32, M, N>;

pub trait Lent: Mutability + Sized {
    const ONE_GUARD: bool;
    /// # Safety
    /// The value is valid, and nobody else's, for as long as the reference is used.
    unsafe fn reference<'v>(value: *mut Value) -> Self::Ref<'v, Value>;
    fn map<N: Backend>(guard: Whole<Self, N>) -> Part<Self, N>;
    fn fail_to_map<N: Backend>(guard: Whole<Self, N>) -> Whole<Self, N>;
    fn split<N: Backend>(guard: Whole<Self, N>) -> (Part<Self, N>, Part<Self, N>);
    fn panic_in_map<N: Backend>(guard: Whole<Self, N>);
    fn with<N: Backend>(
        half: &'static mut Half<Self, N>,
        f: impl FnOnce(&Value) + 'static,
    ) -> impl Future<Output = Result<(), BorrowError>> + 'static;
    fn with_blocking<N: Backend>(half: &mut Half<Self, N>, f: impl FnOnce(&Value)) -> Result<(), BorrowError>;
    /// Writes if the guard may.
    fn write<N: Backend>(_guard: &mut Whole<Self, N>) {}
    fn write_part<N: Backend>(_guard: &mut Part<Self, N>) {}
    fn clone<N: Backend>(_guard: &Whole<Self, N>) -> Option<Whole<Self, N>> {
        None
    }
}

impl Lent for Shared {
    const ONE_GUARD: bool = false;

    unsafe fn reference<'v>(value: *mut Value) -> &'v Value {
        // SAFETY: as the caller promises.
        unsafe { &*value }
    }
    fn map<N: Backend>(guard: Whole<Self, N>) -> Part<Self, N> {
        RefGuard::map(guard, |value| &value.parts[0])
    }
    fn fail_to_map<N: Backend>(guard: Whole<Self, N>) -> Whole<Self, N> {
        RefGuard::filter_map(guard, |value| value.parts.get(7)).unwrap_err()
    }
    fn split<N: Backend>(guard: Whole<Self, N>) -> (Part<Self, N>, Part<Self, N>) {
        RefGuard::map_split(guard, |value| (&value.parts[0], &value.parts[1]))
    }
    fn panic_in_map<N: Backend>(guard: Whole<Self, N>) {
        drop(RefGuard::map(guard, |_| -> &u32 { Planned::panic() }));
    }
    fn with<N: Backend>(
        half: &'static mut Half<Self, N>,
        f: impl FnOnce(&Value) + 'static,
    ) -> impl Future<Output = Result<(), BorrowError>> + 'static {
        half.with(f)
    }
    fn with_blocking<N: Backend>(half: &mut Half<Self, N>, f: impl FnOnce(&Value)) -> Result<(), BorrowError> {
        half.with_blocking(f)
    }
    fn clone<N: Backend>(guard: &Whole<Self, N>) -> Option<Whole<Self, N>> {
        Some(RefGuard::clone(guard))
    }
}

impl Lent for Exclusive {
    const ONE_GUARD: bool = true;

    unsafe fn reference<'v>(value: *mut Value) -> &'v mut Value {
        // SAFETY: as the caller promises.
        unsafe { &mut *value }
    }
    fn map<N: Backend>(guard: Whole<Self, N>) -> Part<Self, N> {
        RefMutGuard::map(guard, |value| &mut value.parts[0])
    }
    fn fail_to_map<N: Backend>(guard: Whole<Self, N>) -> Whole<Self, N> {
        RefMutGuard::filter_map(guard, |value| value.parts.get_mut(7)).unwrap_err()
    }
    fn split<N: Backend>(guard: Whole<Self, N>) -> (Part<Self, N>, Part<Self, N>) {
        RefMutGuard::map_split(guard, |value| {
            let [one, two] = &mut value.parts;
            (one, two)
        })
    }
    fn panic_in_map<N: Backend>(guard: Whole<Self, N>) {
        drop(RefMutGuard::map(guard, |_| -> &mut u32 { Planned::panic() }));
    }
    fn with<N: Backend>(
        half: &'static mut Half<Self, N>,
        f: impl FnOnce(&Value) + 'static,
    ) -> impl Future<Output = Result<(), BorrowError>> + 'static {
        half.with(|value| {
            rewrite(value);
            f(value);
        })
    }
    fn with_blocking<N: Backend>(half: &mut Half<Self, N>, f: impl FnOnce(&Value)) -> Result<(), BorrowError> {
        half.with_blocking(|value| {
            rewrite(value);
            f(value);
        })
    }
    fn write<N: Backend>(guard: &mut Whole<Self, N>) {
        rewrite(guard);
    }
    fn write_part<N: Backend>(guard: &mut Part<Self, N>) {
        **guard = std::hint::black_box(**guard);
    }
}

fn rewrite(value: &mut Value) {
    value.parts = [value.id; 2];
}

pub trait Backend: AsyncNotifier + BlockingNotifier + 'static {
    fn clone<M: Lent>(_: &Half<M, Self>) -> Option<Half<M, Self>> {
        None
    }
}

/// The panic that a program asks for.
pub struct Planned;

impl Planned {
    pub fn panic() -> ! {
        resume_unwind(Box::new(Self))
    }
}

/// Runs what is to panic so.
pub fn planned(f: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    if !panic.is::<Planned>() {
        resume_unwind(panic);
    }
}
