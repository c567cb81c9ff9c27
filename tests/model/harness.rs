//! Runs a program of operations against a channel and against the reference, on one thread, and compares.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::mem::{ManuallyDrop, forget};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ref_channel::future::{Borrow, Lend, LendBoxed, LendPinned, LendStatic, Requested, TryLend};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier};
use ref_channel::{
    BorrowTimeoutError, Borrower, Channel, Exclusive, Guard, LendTimeoutError, Lender, Mutability, RefGuard,
    RefMutGuard, Shared, TryBorrowError, TryLendError,
};

use super::reference::{Call, Kind, Loan, Model, Phase, Refusal};

/// One operation. What does not apply to the state that it meets is skipped.
///
/// Numbers choose among what there is, modulo how many there are: borrowers, guards, wakers.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    NewLend(Kind),
    PollLend { waker: u8 },
    Withdraw,
    DropLend,
    ForgetLend,
    LendTimeout,
    TryLendBlocking,
    LendWhile { borrower: u8 },
    DropLender,
    AskState,
    NewBorrow { borrower: u8 },
    PollBorrow { borrower: u8, waker: u8 },
    DropBorrow { borrower: u8 },
    ForgetBorrow { borrower: u8 },
    TryBorrow { borrower: u8 },
    BorrowTimeout { borrower: u8 },
    CloneBorrower { borrower: u8 },
    DropBorrower { borrower: u8 },
    ReadGuard { guard: u8 },
    WriteGuard { guard: u8 },
    DropGuard { guard: u8 },
    DropGuardInPanic { guard: u8 },
    ForgetGuard { guard: u8 },
    CloneGuard { guard: u8 },
    MapGuard { guard: u8 },
    SplitGuard { guard: u8 },
    FailToMapGuard { guard: u8 },
    PanicInMap { guard: u8 },
    Resplit { how: Split, forget: bool },
}

#[derive(Clone, Copy, Debug)]
pub enum Split {
    Borrowed,
    Static,
    Owned,
}

impl Op {
    /// The operation that three bytes stand for. The frequent ones come more than once.
    pub fn decode([code, one, two]: [u8; 3]) -> Self {
        const KINDS: [Kind; 6] = [
            Kind::Boxed,
            Kind::Owned,
            Kind::Static,
            Kind::Lend,
            Kind::TryLend,
            Kind::Requested,
        ];
        let (waker, borrower, guard) = (two % 3, one % 6, one % 8);
        let kind = KINDS[usize::from(one) % KINDS.len()];
        match code % 64 {
            0..8 => Self::NewLend(kind),
            8..18 => Self::PollLend { waker },
            18..20 => Self::Withdraw,
            20..22 => Self::DropLend,
            22..24 => Self::ForgetLend,
            24 => Self::LendTimeout,
            25 => Self::TryLendBlocking,
            26 => Self::LendWhile { borrower },
            27 => Self::AskState,
            28..33 => Self::NewBorrow { borrower },
            33..42 => Self::PollBorrow { borrower, waker },
            42..44 => Self::DropBorrow { borrower },
            44 => Self::ForgetBorrow { borrower },
            45..47 => Self::TryBorrow { borrower },
            47 => Self::BorrowTimeout { borrower },
            48 => Self::CloneBorrower { borrower },
            49 => Self::ReadGuard { guard },
            50 => Self::WriteGuard { guard },
            51..55 => Self::DropGuard { guard },
            55 => Self::DropGuardInPanic { guard },
            56 => Self::CloneGuard { guard },
            57 => Self::MapGuard { guard },
            58 => Self::SplitGuard { guard },
            59 => Self::FailToMapGuard { guard },
            60 => Self::PanicInMap { guard },
            // The rare ones, which end a run.
            _ => match (code / 64 + two % 8) % 8 {
                0 | 1 => Self::DropBorrower { borrower },
                2 => Self::DropLender,
                3 => Self::ForgetGuard { guard },
                4 => Self::AskState,
                n => Self::Resplit {
                    how: [Split::Borrowed, Split::Static, Split::Owned][usize::from(n) - 5],
                    forget: one % 2 == 1,
                },
            },
        }
    }
}

// ----- the lent value --------------------------------------------------------------------------------------

thread_local! {
    /// The values that live, by number.
    static LIVE: RefCell<HashSet<u32>> = RefCell::default();
}

pub struct Value {
    id: u32,
    parts: [u32; 2],
}

impl Value {
    fn new(id: u32) -> Self {
        assert!(LIVE.with_borrow_mut(|live| live.insert(id)));
        Self { id, parts: [id, id] }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let was = LIVE.with_borrow_mut(|live| live.remove(&self.id));
        assert!(was, "value {} is dropped twice", self.id);
    }
}

fn is_live(id: u32) -> bool {
    LIVE.with_borrow(|live| live.contains(&id))
}

// ----- what differs between mutabilities and between backends ----------------------------------------------

type G<M, N> = Guard<'static, Value, M, N>;
type Part<M, N> = Guard<'static, u32, M, N>;

pub trait Lent: Mutability + Sized {
    const ONE_GUARD: bool;
    /// # Safety
    /// The value is valid, and nobody else's, for as long as the reference is used.
    unsafe fn reference<'v>(value: *mut Value) -> Self::Ref<'v, Value>;
    fn map<N: Backend>(guard: G<Self, N>) -> Part<Self, N>;
    fn fail_to_map<N: Backend>(guard: G<Self, N>) -> G<Self, N>;
    fn split<N: Backend>(guard: G<Self, N>) -> (Part<Self, N>, Part<Self, N>);
    fn panic_in_map<N: Backend>(guard: G<Self, N>);
    /// Writes if the guard may.
    fn write<N: Backend>(_guard: &mut G<Self, N>) {}
    fn write_part<N: Backend>(_guard: &mut Part<Self, N>) {}
    fn clone<N: Backend>(_guard: &G<Self, N>) -> Option<G<Self, N>> {
        None
    }
}

impl Lent for Shared {
    const ONE_GUARD: bool = false;

    unsafe fn reference<'v>(value: *mut Value) -> &'v Value {
        // SAFETY: as the caller promises.
        unsafe { &*value }
    }
    fn map<N: Backend>(guard: G<Self, N>) -> Part<Self, N> {
        RefGuard::map(guard, |value| &value.parts[0])
    }
    fn fail_to_map<N: Backend>(guard: G<Self, N>) -> G<Self, N> {
        RefGuard::filter_map(guard, |value| value.parts.get(7)).unwrap_err()
    }
    fn split<N: Backend>(guard: G<Self, N>) -> (Part<Self, N>, Part<Self, N>) {
        RefGuard::map_split(guard, |value| (&value.parts[0], &value.parts[1]))
    }
    fn panic_in_map<N: Backend>(guard: G<Self, N>) {
        drop(RefGuard::map(guard, |_| -> &u32 { resume_unwind(Box::new(Planned)) }));
    }
    fn clone<N: Backend>(guard: &G<Self, N>) -> Option<G<Self, N>> {
        Some(RefGuard::clone(guard))
    }
}

impl Lent for Exclusive {
    const ONE_GUARD: bool = true;

    unsafe fn reference<'v>(value: *mut Value) -> &'v mut Value {
        // SAFETY: as the caller promises.
        unsafe { &mut *value }
    }
    fn map<N: Backend>(guard: G<Self, N>) -> Part<Self, N> {
        RefMutGuard::map(guard, |value| &mut value.parts[0])
    }
    fn fail_to_map<N: Backend>(guard: G<Self, N>) -> G<Self, N> {
        RefMutGuard::filter_map(guard, |value| value.parts.get_mut(7)).unwrap_err()
    }
    fn split<N: Backend>(guard: G<Self, N>) -> (Part<Self, N>, Part<Self, N>) {
        RefMutGuard::map_split(guard, |value| {
            let [one, two] = &mut value.parts;
            (one, two)
        })
    }
    fn panic_in_map<N: Backend>(guard: G<Self, N>) {
        drop(RefMutGuard::map(guard, |_| -> &mut u32 {
            resume_unwind(Box::new(Planned))
        }));
    }
    fn write<N: Backend>(guard: &mut G<Self, N>) {
        let id = guard.id;
        guard.parts = [id, id];
    }
    fn write_part<N: Backend>(guard: &mut Part<Self, N>) {
        **guard = std::hint::black_box(**guard);
    }
}

pub trait Backend: AsyncNotifier + BlockingNotifier + 'static {
    fn clone<M: Lent>(_: &Borrower<'static, Value, M, Self>) -> Option<Borrower<'static, Value, M, Self>> {
        None
    }
}

/// The panic that a program asks for.
struct Planned;

fn planned(f: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    if !panic.is::<Planned>() {
        resume_unwind(panic);
    }
}

// ----- futures and who waits for them ----------------------------------------------------------------------

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The wakers of one task, and which of them its future saw last.
struct Task {
    wakers: [(Arc<Counter>, Waker); 3],
    /// Which one, and how often that had been woken before the poll.
    last: Option<(usize, usize)>,
}

impl Task {
    fn new() -> Self {
        let waker = |_| {
            let counter = Arc::new(Counter::default());
            (Arc::clone(&counter), Waker::from(counter))
        };
        Self {
            wakers: [0, 1, 2].map(waker),
            last: None,
        }
    }

    fn poll<F: Future>(&mut self, future: Pin<&mut F>, waker: u8) -> Poll<F::Output> {
        let which = usize::from(waker) % self.wakers.len();
        let (counter, waker) = &self.wakers[which];
        self.last = Some((which, counter.0.load(Relaxed)));
        future.poll(&mut Context::from_waker(waker))
    }

    /// Was polled, and its last waker has been woken since.
    fn is_scheduled(&self) -> bool {
        self.last
            .is_none_or(|(which, before)| self.wakers[which].0.0.load(Relaxed) > before)
    }
}

struct Address(#[expect(dead_code, reason = "only to be found")] *mut ());

// SAFETY: an address, which nobody uses.
unsafe impl Send for Address {}

/// Frees what was forgotten, without its destructor; so what it owns leaks. If `MODEL_KEEPS` is set it is kept instead, where
/// LeakSanitizer finds it.
///
/// # Safety
/// It came from a box, and nobody uses it any more.
unsafe fn free_undropped<F>(place: *mut F) {
    static KEEPS: OnceLock<bool> = OnceLock::new();
    static KEPT: Mutex<Vec<Address>> = Mutex::new(Vec::new());
    if *KEEPS.get_or_init(|| std::env::var_os("MODEL_KEEPS").is_some()) {
        KEPT.lock().unwrap().push(Address(place.cast()));
    } else {
        // SAFETY: the layout is the same.
        drop(unsafe { Box::from_raw(place.cast::<ManuallyDrop<F>>()) });
    }
}

/// A pinned allocation that can be forgotten, and whose memory can be had back when nothing points to it any more.
struct Place<F>(*mut F);

impl<F: 'static> Place<F> {
    fn new(future: F) -> Self {
        Self(Box::into_raw(Box::new(future)))
    }

    fn pin(&mut self) -> Pin<&mut F> {
        // SAFETY: the box is this place's own, and what is in it does not move until it is dropped.
        unsafe { Pin::new_unchecked(&mut *self.0) }
    }

    /// For the end of the program: frees the memory without the destructor.
    fn forget(self) -> Box<dyn FnOnce()> {
        let place = self.0;
        forget(self);
        Box::new(move || {
            // SAFETY: it came from a box; both halves are gone, so nothing points there.
            unsafe { free_undropped(place) };
        })
    }
}

impl<F> Drop for Place<F> {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and is dropped once.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

enum Lending<M: Lent, N: Backend> {
    Lend(Place<Lend<'static, Value, M, N>>),
    TryLend(Place<TryLend<'static, Value, M, N>>),
    Owned(Place<LendPinned<'static, Value, M, N>>),
    Static(Place<LendStatic<'static, Value, M, N>>),
    Boxed(Place<LendBoxed<'static, Value, M, N>>),
    Requested(Place<Requested<'static, Value, M, N>>),
}

enum Any<M: Lent, N: Backend> {
    Whole(G<M, N>),
    Part(Part<M, N>),
}

struct Held<M: Lent, N: Backend> {
    borrower: usize,
    value: u32,
    guard: Any<M, N>,
}

struct Seat<M: Lent, N: Backend> {
    half: *mut Borrower<'static, Value, M, N>,
    borrow: Option<Place<Borrow<'static, Value, M, N>>>,
    task: Task,
}

/// A channel with all that is out of it.
///
/// Futures and guards borrow their half for `'static`, which is a lie: halves are boxed, reached by raw pointer, and
/// used or dropped only while no future and no guard of them is there, or after that was forgotten. The
/// borrow checker's rule, kept by hand.
pub struct World<M: Lent, N: Backend> {
    model: Model,
    channel: *mut Channel<Value, M, N>,
    /// Halves or a guard of `channel` were forgotten since it was last split by `&mut`.
    never_again: bool,
    /// The halves are of `channel`.
    attached: bool,
    lender: *mut Lender<'static, Value, M, N>,
    lending: Option<Lending<M, N>>,
    task: Task,
    /// The lender was told what to do by its own `withdraw`, which wakes nobody.
    excused: bool,
    seats: Vec<Option<Seat<M, N>>>,
    guards: Vec<Held<M, N>>,
    /// The value of the loan.
    lent: u32,
    /// The value of the lender's future.
    value: u32,
    /// What lives in a box of the harness: lent by reference.
    places: Vec<(u32, *mut Value)>,
    last_id: u32,
    /// A guard was forgotten that is of the channel as it is.
    guard_forgotten: bool,
    /// A request was forgotten: it may swallow the wake that another borrower would need.
    borrow_forgotten: bool,
    graveyard: Vec<Box<dyn FnOnce()>>,
    /// Values that were forgotten.
    forgotten: HashSet<u32>,
    pub executed: usize,
}

impl<M: Lent, N: Backend> World<M, N> {
    pub fn new() -> Self {
        LIVE.with_borrow_mut(HashSet::clear);
        let channel = Box::into_raw(Box::new(Channel::new()));
        // SAFETY: the channel outlives the halves: it is freed last.
        let halves = unsafe { &mut *channel }.split();
        let mut this = Self {
            model: Model::new(M::ONE_GUARD),
            channel,
            never_again: false,
            attached: true,
            lender: std::ptr::null_mut(),
            lending: None,
            task: Task::new(),
            excused: false,
            seats: Vec::new(),
            guards: Vec::new(),
            lent: 0,
            value: 0,
            places: Vec::new(),
            last_id: 0,
            guard_forgotten: false,
            borrow_forgotten: false,
            graveyard: Vec::new(),
            forgotten: HashSet::new(),
            executed: 0,
        };
        this.settle_in(halves);
        this
    }

    fn settle_in(&mut self, (lender, borrower): (Lender<'static, Value, M, N>, Borrower<'static, Value, M, N>)) {
        self.model = Model::new(M::ONE_GUARD);
        self.lender = Box::into_raw(Box::new(lender));
        self.seats.clear();
        // Where there may be many borrowers there are two from the start: alone they have little to do with each other.
        let other = N::clone(&borrower);
        self.seat(borrower);
        if let Some(other) = other {
            self.seat(other);
            self.model.borrowers.push(Some(false));
        }
        self.task = Task::new();
        self.excused = false;
        self.guard_forgotten = false;
        self.borrow_forgotten = false;
    }

    fn seat(&mut self, borrower: Borrower<'static, Value, M, N>) {
        self.seats.push(Some(Seat {
            half: Box::into_raw(Box::new(borrower)),
            borrow: None,
            task: Task::new(),
        }));
    }

    /// The lender, if no future borrows it.
    fn free_lender(&mut self) -> Option<&'static mut Lender<'static, Value, M, N>> {
        if self.lending.is_some() || !self.model.lender {
            return None;
        }
        // SAFETY: see `World`: no future of the lender is there.
        Some(unsafe { &mut *self.lender })
    }

    fn any_borrower(&self, which: u8) -> Option<usize> {
        let here: Vec<_> = (0..self.seats.len()).filter(|&b| self.seats[b].is_some()).collect();
        (!here.is_empty()).then(|| here[usize::from(which) % here.len()])
    }

    /// A borrower of which nothing is out.
    fn free_borrower(&mut self, which: u8) -> Option<(usize, &'static mut Borrower<'static, Value, M, N>)> {
        let b = self.any_borrower(which)?;
        let seat = self.seats[b].as_ref()?;
        if seat.borrow.is_some() || self.guards.iter().any(|held| held.borrower == b) {
            return None;
        }
        // SAFETY: see `World`: no future and no guard of the borrower is there.
        Some((b, unsafe { &mut *seat.half }))
    }

    fn any_guard(&self, which: u8) -> Option<usize> {
        (!self.guards.is_empty()).then(|| usize::from(which) % self.guards.len())
    }

    fn hold(&mut self, borrower: usize, guard: Any<M, N>) {
        let held = Held {
            borrower,
            value: self.lent,
            guard,
        };
        Self::read(&held);
        self.guards.push(held);
    }

    fn read(held: &Held<M, N>) {
        assert!(is_live(held.value), "the guard of {} dangles", held.value);
        match &held.guard {
            Any::Whole(guard) => assert_eq!((guard.id, guard.parts), (held.value, [held.value; 2])),
            Any::Part(part) => assert_eq!(**part, held.value),
        }
    }

    /// A new value at a place of the harness's own.
    fn place(&mut self) -> *mut Value {
        self.last_id += 1;
        let value = Box::into_raw(Box::new(Value::new(self.last_id)));
        self.places.push((self.last_id, value));
        value
    }

    fn free_place(&mut self, id: u32) {
        if let Some(at) = self.places.iter().position(|&(other, _)| other == id) {
            let (_, place) = self.places.swap_remove(at);
            // SAFETY: it came from a box, and the loan of it is over.
            drop(unsafe { Box::from_raw(place) });
        }
    }

    /// A guard is gone: dropped, or consumed by a call that panicked.
    fn given_back(&mut self, value: u32) {
        let frees = self.model.give_back();
        assert_eq!(is_live(value), !frees, "value {value} after a return");
    }

    /// Runs one operation; false if it does not apply.
    #[expect(clippy::too_many_lines)]
    fn apply(&mut self, op: Op) -> Option<()> {
        match op {
            Op::NewLend(kind) => self.new_lend(kind)?,
            Op::PollLend { waker } => {
                self.lending.as_ref()?;
                self.poll_lend(waker);
            }
            Op::Withdraw => {
                match self.lending.as_mut()? {
                    Lending::Lend(lend) => lend.pin().withdraw(),
                    Lending::TryLend(lend) => lend.pin().withdraw(),
                    Lending::Owned(lend) => lend.pin().withdraw(),
                    Lending::Static(lend) => lend.pin().withdraw(),
                    Lending::Boxed(lend) => lend.pin().withdraw(),
                    Lending::Requested(_) => return None,
                }
                self.model.withdraw();
                self.excused = true;
            }
            Op::DropLend => {
                let kind = self.model.call?.kind;
                // It would block.
                if self.model.is_out() && kind != Kind::Boxed {
                    return None;
                }
                drop(self.lending.take());
                let with_value = self.model.drop_call();
                match kind {
                    Kind::Lend | Kind::TryLend | Kind::Static => self.free_place(self.value),
                    Kind::Owned | Kind::Boxed => assert_eq!(is_live(self.value), !with_value),
                    Kind::Requested => {}
                }
            }
            Op::ForgetLend => {
                if matches!(self.model.call?.kind, Kind::Lend | Kind::TryLend) {
                    return None;
                }
                let kind = self.model.call.take()?.kind;
                self.graveyard.push(match self.lending.take()? {
                    Lending::Owned(lend) => lend.forget(),
                    Lending::Static(lend) => lend.forget(),
                    Lending::Boxed(lend) => lend.forget(),
                    Lending::Requested(requested) => requested.forget(),
                    Lending::Lend(_) | Lending::TryLend(_) => unreachable!(),
                });
                if kind != Kind::Requested {
                    self.forgotten.insert(self.value);
                }
            }
            Op::LendTimeout => {
                let lender = self.free_lender()?;
                let value = self.place();
                // SAFETY: the box stays until the call is over.
                let reference = unsafe { M::reference(value) };
                let outcome = lender.lend_timeout(reference, Duration::ZERO);
                let gone = self.model.borrowers_gone() && self.model.loan.guards == 0;
                self.model.loan.offered = false;
                let expected = if gone {
                    LendTimeoutError::Disconnected
                } else {
                    LendTimeoutError::Timeout
                };
                assert_eq!(outcome, Err(expected));
                self.free_place(self.last_id);
            }
            Op::TryLendBlocking => {
                let lender = self.free_lender()?;
                if self.model.requests() > 0 {
                    return None;
                }
                let value = self.place();
                // SAFETY: the box stays until the call is over.
                let reference = unsafe { M::reference(value) };
                let expected = if self.model.borrowers_gone() {
                    TryLendError::Disconnected
                } else {
                    TryLendError::NotRequested
                };
                assert_eq!(lender.try_lend_blocking(reference), Err(expected));
                self.model.loan.offered = false;
                self.free_place(self.last_id);
            }
            Op::LendWhile { borrower } => {
                let lender = self.free_lender()?;
                let (b, borrower) = self.free_borrower(borrower)?;
                if self.model.loan.guards > 0 {
                    return None;
                }
                let value = self.place();
                let id = self.last_id;
                // SAFETY: the box stays until the call is over.
                let reference = unsafe { M::reference(value) };
                let may_wait_behind = self.model.may_wait_behind(b);
                lender.serve_while(reference, |_| {
                    for _ in 0..2 {
                        match borrower.try_borrow() {
                            Ok(guard) => assert_eq!(guard.id, id),
                            Err(_) => assert!(may_wait_behind, "it is offered again and again"),
                        }
                    }
                });
                self.model.loan = Loan::default();
                self.model.give_up(b);
                self.free_place(id);
            }
            Op::DropLender => {
                self.free_lender()?;
                // SAFETY: it came from a box, no future of it is there, and the model says that it is gone.
                drop(unsafe { Box::from_raw(self.lender) });
                self.model.drop_lender();
            }
            Op::AskState => {
                if let Some(lender) = self.free_lender() {
                    assert_eq!(lender.is_requested(), self.model.requests() > 0, "is_requested");
                    assert_eq!(lender.is_disconnected(), self.model.borrowers_gone());
                }
                let gone = !self.model.lender;
                for which in 0..3 {
                    if let Some((_, borrower)) = self.free_borrower(which) {
                        assert_eq!(borrower.is_disconnected(), gone);
                    }
                }
            }
            Op::NewBorrow { borrower } => {
                let (b, half) = self.free_borrower(borrower)?;
                let seat = self.seats[b].as_mut()?;
                seat.borrow = Some(Place::new(half.borrow()));
                seat.task.last = None;
            }
            Op::PollBorrow { borrower, waker } => {
                let b = self.any_borrower(borrower)?;
                let seat = self.seats[b].as_mut()?;
                let borrow = seat.borrow.as_mut()?;
                let outcome = seat.task.poll(borrow.pin(), waker);
                let expected = self.model.poll_borrower(b, outcome.is_pending());
                match (outcome, expected) {
                    (Poll::Pending, None) => {}
                    (Poll::Ready(Ok(guard)), Some(true)) => {
                        seat.borrow = None;
                        self.hold(b, Any::Whole(guard));
                    }
                    (Poll::Ready(Err(_)), Some(false)) => seat.borrow = None,
                    (outcome, expected) => panic!(
                        "borrow: {:?}, expected a guard: {expected:?}",
                        outcome.map(|guard| guard.is_ok())
                    ),
                }
            }
            Op::DropBorrow { borrower } => {
                let b = self.any_borrower(borrower)?;
                drop(self.seats[b].as_mut()?.borrow.take()?);
                self.model.give_up(b);
            }
            Op::ForgetBorrow { borrower } => {
                let b = self.any_borrower(borrower)?;
                self.graveyard.push(self.seats[b].as_mut()?.borrow.take()?.forget());
                self.borrow_forgotten = true;
            }
            Op::TryBorrow { borrower } => {
                let (b, half) = self.free_borrower(borrower)?;
                let outcome = half.try_borrow();
                let waits = matches!(outcome, Err(TryBorrowError::NotLent));
                let expected = self.model.poll_borrower(b, waits);
                self.model.give_up(b);
                match (outcome, expected) {
                    (Ok(guard), Some(true)) => self.hold(b, Any::Whole(guard)),
                    (Err(TryBorrowError::Disconnected), Some(false)) | (Err(TryBorrowError::NotLent), None) => {}
                    (outcome, expected) => panic!("try_borrow: {:?}, not {expected:?}", outcome.err()),
                }
            }
            Op::BorrowTimeout { borrower } => {
                let (b, half) = self.free_borrower(borrower)?;
                let outcome = half.borrow_timeout(Duration::ZERO);
                let waits = matches!(outcome, Err(BorrowTimeoutError::Timeout));
                let expected = self.model.poll_borrower(b, waits);
                self.model.give_up(b);
                match (outcome, expected) {
                    (Ok(guard), Some(true)) => self.hold(b, Any::Whole(guard)),
                    (Err(BorrowTimeoutError::Disconnected), Some(false)) | (Err(BorrowTimeoutError::Timeout), None) => {
                    }
                    (outcome, expected) => panic!("borrow_timeout: {:?}, not {expected:?}", outcome.err()),
                }
            }
            Op::CloneBorrower { borrower } => {
                if self.seats.len() >= 6 {
                    return None;
                }
                let (_, half) = self.free_borrower(borrower)?;
                let clone = N::clone(half)?;
                self.seat(clone);
                self.model.borrowers.push(Some(false));
            }
            Op::DropBorrower { borrower } => {
                let (b, _) = self.free_borrower(borrower)?;
                let seat = self.seats[b].take()?;
                // SAFETY: it came from a box, and no future and no guard of it is there.
                drop(unsafe { Box::from_raw(seat.half) });
                self.model.drop_borrower(b);
            }
            Op::ReadGuard { guard } => Self::read(&self.guards[self.any_guard(guard)?]),
            Op::WriteGuard { guard } => {
                let g = self.any_guard(guard)?;
                let held = &mut self.guards[g];
                match &mut held.guard {
                    Any::Whole(guard) => M::write(guard),
                    Any::Part(part) => M::write_part(part),
                }
                Self::read(held);
            }
            Op::DropGuard { guard } => {
                let held = self.guards.swap_remove(self.any_guard(guard)?);
                drop(held.guard);
                self.given_back(held.value);
            }
            Op::DropGuardInPanic { guard } => {
                let held = self.guards.swap_remove(self.any_guard(guard)?);
                planned(|| {
                    let _guard = held.guard;
                    resume_unwind(Box::new(Planned));
                });
                self.given_back(held.value);
            }
            Op::ForgetGuard { guard } => {
                let held = self.guards.swap_remove(self.any_guard(guard)?);
                forget(held.guard);
                self.guard_forgotten = true;
            }
            Op::CloneGuard { guard } => {
                let g = self.any_guard(guard)?;
                let Any::Whole(guard) = &self.guards[g].guard else {
                    return None;
                };
                let clone = Any::Whole(M::clone(guard)?);
                self.model.loan.guards += 1;
                let (borrower, value) = (self.guards[g].borrower, self.guards[g].value);
                self.guards.push(Held {
                    borrower,
                    value,
                    guard: clone,
                });
            }
            Op::MapGuard { guard } => {
                let (held, guard) = self.take_whole(guard)?;
                self.rehold(held, Any::Part(M::map(guard)));
            }
            Op::SplitGuard { guard } => {
                let (held, guard) = self.take_whole(guard)?;
                let (one, two) = M::split(guard);
                self.model.loan.guards += 1;
                self.rehold(held, Any::Part(one));
                self.rehold(held, Any::Part(two));
            }
            Op::FailToMapGuard { guard } => {
                let (held, guard) = self.take_whole(guard)?;
                self.rehold(held, Any::Whole(M::fail_to_map(guard)));
            }
            Op::PanicInMap { guard } => {
                let ((_, value), guard) = self.take_whole(guard)?;
                planned(|| M::panic_in_map(guard));
                self.given_back(value);
            }
            Op::Resplit { how, forget } => self.resplit(how, forget),
        }
        Some(())
    }

    fn take_whole(&mut self, which: u8) -> Option<((usize, u32), G<M, N>)> {
        let g = self.any_guard(which)?;
        if let Any::Part(_) = self.guards[g].guard {
            return None;
        }
        let held = self.guards.swap_remove(g);
        match held.guard {
            Any::Whole(guard) => Some(((held.borrower, held.value), guard)),
            Any::Part(_) => None,
        }
    }

    fn rehold(&mut self, (borrower, value): (usize, u32), guard: Any<M, N>) {
        let held = Held { borrower, value, guard };
        Self::read(&held);
        self.guards.push(held);
    }

    fn new_lend(&mut self, kind: Kind) -> Option<()> {
        let lender = self.free_lender()?;
        // SAFETY (of the lends by reference): the box stays until the future has completed or was dropped; `Op`
        // does not forget those of `lend` and `try_lend`.
        self.lending = Some(match kind {
            Kind::Lend => Lending::Lend(Place::new(unsafe { lender.lend(M::reference(self.place())) })),
            Kind::TryLend => Lending::TryLend(Place::new(unsafe { lender.try_lend(M::reference(self.place())) })),
            Kind::Static => Lending::Static(Place::new(lender.lend_static(unsafe { M::reference(self.place()) }))),
            Kind::Owned => {
                self.last_id += 1;
                Lending::Owned(Place::new(lender.lend_pinned(Value::new(self.last_id))))
            }
            Kind::Boxed => {
                let place = self.place();
                // SAFETY: it came from a box. `places` has it too, to free it at the end should it be forgotten.
                Lending::Boxed(Place::new(lender.lend_boxed(unsafe { Box::from_raw(place) })))
            }
            Kind::Requested => Lending::Requested(Place::new(lender.requested())),
        });
        self.value = self.last_id;
        self.model.call = Some(Call {
            kind,
            phase: Phase::New,
        });
        self.task.last = None;
        self.excused = false;
        Some(())
    }

    fn poll_lend(&mut self, waker: u8) {
        fn unit<V>(outcome: Result<V, ref_channel::LendError<V>>) -> (Result<(), Refusal>, Option<V>) {
            match outcome {
                Ok(value) => (Ok(()), Some(value)),
                Err(error) => (Err(Refusal::Gone), Some(error.0)),
            }
        }
        let Some(lending) = &mut self.lending else { return };
        let kind = self.model.call.expect("there is a future").kind;
        let task = &mut self.task;
        let id = self.value;
        let outcome = match lending {
            Lending::Lend(lend) => task.poll(lend.pin(), waker).map(|outcome| unit(outcome).0),
            Lending::TryLend(lend) => task.poll(lend.pin(), waker).map(|outcome| {
                outcome.map_err(|why| match why {
                    TryLendError::NotRequested => Refusal::NotRequested,
                    TryLendError::Disconnected => Refusal::Gone,
                })
            }),
            Lending::Owned(lend) => task.poll(lend.pin(), waker).map(|outcome| {
                let (outcome, value) = unit(outcome);
                assert!(value.is_some_and(|value| value.id == id && value.parts == [id; 2]));
                outcome
            }),
            Lending::Static(lend) => task.poll(lend.pin(), waker).map(|outcome| {
                let (outcome, value) = unit(outcome);
                assert!(value.is_some_and(|value| value.id == id && value.parts == [id; 2]));
                outcome
            }),
            Lending::Boxed(lend) => task.poll(lend.pin(), waker).map(|outcome| {
                let (outcome, value) = unit(outcome);
                assert!(value.is_some_and(|value| value.id == id && value.parts == [id; 2]));
                outcome
            }),
            Lending::Requested(requested) => task.poll(requested.pin(), waker).map(|outcome| unit(outcome).0),
        };
        self.excused = false;
        let expected = self.model.poll_lender();
        // Only `try_lend` tells its refusals apart.
        let expected = expected.map(|outcome| {
            outcome.map_err(|why| match (kind, why) {
                (Kind::TryLend, Refusal::Gone) => Refusal::Gone,
                (Kind::TryLend, _) => Refusal::NotRequested,
                _ => Refusal::Gone,
            })
        });
        match outcome {
            Poll::Pending => assert_eq!(expected, None, "the lend waits"),
            Poll::Ready(outcome) => {
                assert_eq!(Some(outcome), expected, "the lend");
                self.lending = None;
                match kind {
                    Kind::Lend | Kind::TryLend | Kind::Static => self.free_place(id),
                    Kind::Owned | Kind::Boxed => assert!(!is_live(id), "it was given back, and dropped"),
                    Kind::Requested => {}
                }
            }
        }
        if self.model.loan.offered
            && matches!(
                self.model.call,
                Some(Call {
                    phase: Phase::Offered,
                    ..
                })
            )
        {
            self.lent = self.value;
        }
    }

    /// All that is out goes, so that the halves may.
    fn end_all(&mut self) {
        while !self.guards.is_empty() {
            let _ = self.apply(Op::DropGuard { guard: 0 });
        }
        for b in 0..self.seats.len() {
            if let Some(borrow) = self.seats[b].as_mut().and_then(|seat| seat.borrow.take()) {
                drop(borrow);
                self.model.give_up(b);
            }
        }
        // Every lend ends now: by a borrower, or for want of one.
        if self.lending.is_some() {
            if let Some((b, half)) = self.free_borrower(0) {
                let outcome = half.try_borrow().map(drop);
                let waits = outcome == Err(TryBorrowError::NotLent);
                let expected = self.model.poll_borrower(b, waits);
                assert_eq!(outcome.is_ok(), expected == Some(true));
                if outcome.is_ok() {
                    self.model.give_back();
                }
                self.model.give_up(b);
            }
            if self.model.outcome().is_none() && !self.model.is_out() {
                let _ = self.apply(Op::DropLend);
            } else if self.model.outcome().is_some() {
                self.poll_lend(0);
            } else {
                // A guard of it was forgotten: so has it to be, or its drop would wait for ever.
                match self.lending.take() {
                    Some(Lending::Lend(lend)) => self.graveyard.push(lend.forget()),
                    Some(Lending::TryLend(lend)) => self.graveyard.push(lend.forget()),
                    Some(lending) => {
                        self.lending = Some(lending);
                        let _ = self.apply(Op::ForgetLend);
                    }
                    None => {}
                }
                self.model.call = None;
            }
        }
    }

    fn resplit(&mut self, how: Split, forget: bool) {
        self.end_all();
        let forget = forget && (self.model.lender || !self.model.borrowers_gone());
        self.never_again |= self.attached && (forget || self.guard_forgotten);
        if self.model.lender {
            // SAFETY: it came from a box, and no future of it is there.
            let lender = unsafe { Box::from_raw(self.lender) };
            if forget {
                self.bury(lender);
            }
        }
        for b in 0..self.seats.len() {
            if let Some(seat) = self.seats[b].take() {
                // SAFETY: it came from a box, and no future and no guard of it is there.
                let half = unsafe { Box::from_raw(seat.half) };
                if forget {
                    self.bury(half);
                }
            }
        }
        // SAFETY: no half of the channel is there any more but those that were forgotten.
        let halves = match how {
            Split::Owned => {
                self.attached = false;
                self.settle_in(Channel::new().into_split());
                return;
            }
            Split::Borrowed => None,
            Split::Static => unsafe { &*self.channel }.try_split(),
        };
        if let Split::Static = how {
            assert_eq!(halves.is_none(), self.never_again, "try_split");
        }
        let halves = halves.unwrap_or_else(|| {
            self.never_again = false;
            // SAFETY: as above.
            unsafe { &mut *self.channel }.split()
        });
        self.attached = true;
        self.settle_in(halves);
    }

    /// Forgets a half, until the end: an owned channel is then freed by hand.
    fn bury<H: 'static>(&mut self, half: Box<H>) {
        if self.attached {
            // SAFETY: it is a box, and no future and no guard of it is there.
            unsafe { free_undropped(Box::into_raw(half)) };
        } else {
            // Dropped late: nobody knows of it meanwhile.
            self.graveyard.insert(0, Box::new(move || drop(half)));
        }
    }

    // ----- the checks after each step ----------------------------------------------------------------------

    fn check(&self) {
        if self.lending.is_some() && self.model.lender_should_run() && !self.excused {
            assert!(self.task.is_scheduled(), "the lender's wake was lost: {:?}", self.model);
        }
        let waiting = || {
            self.seats
                .iter()
                .flatten()
                .filter(|seat| seat.borrow.is_some() && seat.task.last.is_some())
                .map(|seat| seat.task.is_scheduled())
        };
        if !self.model.lender {
            assert!(
                waiting().all(|scheduled| scheduled),
                "a borrower is not told that the lender is gone"
            );
        } else if self.model.available() && waiting().count() > 0 {
            if !M::ONE_GUARD {
                assert!(waiting().all(|scheduled| scheduled), "the wake of a borrower was lost");
            } else if !self.borrow_forgotten {
                assert!(
                    waiting().any(|scheduled| scheduled),
                    "the wake of all borrowers was lost"
                );
            }
        }
    }

    pub fn step(&mut self, op: Op) {
        if self.apply(op).is_some() {
            self.executed += 1;
            self.check();
        }
    }

    pub fn finish(mut self) -> usize {
        self.resplit(Split::Borrowed, false);
        self.resplit(Split::Borrowed, false);
        self.end_all();
        // SAFETY: they came from boxes, and nothing of them is out.
        unsafe {
            drop(Box::from_raw(self.lender));
            for seat in self.seats.drain(..).flatten() {
                drop(Box::from_raw(seat.half));
            }
        }
        for free in self.graveyard.drain(..) {
            free();
        }
        // SAFETY: it came from a box, and the halves are gone.
        drop(unsafe { Box::from_raw(self.channel) });
        for (id, place) in std::mem::take(&mut self.places) {
            if is_live(id) {
                // SAFETY: it lives, so its box was not freed, and nothing points to it any more.
                drop(unsafe { Box::from_raw(place) });
            }
        }
        LIVE.with_borrow(|live| {
            for id in live {
                assert!(self.forgotten.contains(id), "value {id} leaks");
            }
        });
        self.executed
    }
}

/// Runs a program and returns how many operations it executed.
pub fn run<M: Lent, N: Backend>(program: &[Op]) -> usize {
    let mut world = World::<M, N>::new();
    for &op in program {
        world.step(op);
    }
    world.finish()
}
