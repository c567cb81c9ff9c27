//! Runs a program of operations against a channel and against the reference, on one thread, and compares.

mod borrower;
mod future;
mod lender;
mod op;
mod reference;
mod split;
mod value;

use std::collections::HashSet;
use std::mem::ManuallyDrop;

use ref_channel::future::Borrow;
use ref_channel::{Channel, Lender};

use borrower::Held;
use future::{Lending, Place, Task};
use reference::Model;

pub use op::Op;
pub use value::{Backend, Half, Lent, Value};

struct Seat<M: Lent, N: Backend> {
    half: *mut Half<M, N>,
    borrow: Option<Place<Borrow<'static, Value, M, N>>>,
    task: Task,
    /// How many futures it has made.
    futures: usize,
}

/// A channel with all that is out of it.
///
/// Futures and guards borrow their half for `'static`, which is a lie: halves are boxed, reached by raw pointer, and
/// used or dropped only while no future and no guard of them is there, or after that was forgotten. The
/// borrow checker's rule, kept by hand.
struct World<M: Lent, N: Backend> {
    model: Model,
    /// What is to be executed.
    rest: std::vec::IntoIter<Op>,
    executed: usize,
    channel: *mut Channel<Value, M, N>,
    /// Halves or a guard of `channel` were forgotten since it was last split by `&mut`.
    never_again: bool,
    /// The halves are of `channel`.
    attached: bool,
    lender: *mut Lender<'static, Value, M, N>,
    lending: Option<Box<dyn Lending>>,
    task: Task,
    /// The lender was told what to do by its own `withdraw`, which wakes nobody.
    excused: bool,
    /// This is inside of `serve_while`.
    serving: bool,
    seats: Vec<Option<Seat<M, N>>>,
    guards: Vec<Held<M, N>>,
    /// The value of the loan.
    lent: u32,
    /// The value of the lender's future.
    value: u32,
    /// What lives in a box of the harness: lent by reference, or as that box.
    places: Vec<(u32, *mut Value)>,
    last_id: u32,
    /// A guard was forgotten that is of the channel as it is.
    guard_forgotten: bool,
    /// A request was forgotten: it may swallow the wake that another borrower would need.
    borrow_forgotten: bool,
    graveyard: Vec<Box<dyn FnOnce()>>,
    /// Values that were forgotten.
    forgotten: HashSet<u32>,
}

impl<M: Lent, N: Backend> World<M, N> {
    fn new(program: Vec<Op>) -> Self {
        value::forget_live();
        let channel = Box::into_raw(Box::new(Channel::new()));
        // SAFETY: the channel outlives the halves: it is freed last.
        let halves = unsafe { &mut *channel }.split();
        let mut this = Self {
            model: Model::new(M::ONE_GUARD),
            rest: program.into_iter(),
            executed: 0,
            channel,
            never_again: false,
            attached: true,
            lender: std::ptr::null_mut(),
            lending: None,
            task: Task::new(),
            excused: false,
            serving: false,
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
        };
        this.settle_in(halves);
        this
    }

    /// Runs one operation; none if it does not apply.
    fn apply(&mut self, op: Op) -> Option<()> {
        match op {
            Op::NewLend(kind) => self.new_lend(kind),
            Op::PollLend { waker } => self.poll_lend(waker),
            Op::Withdraw => self.withdraw(),
            Op::DropLend => self.drop_lend(),
            Op::ForgetLend => self.forget_lend(),
            Op::LendTimeout => self.lend_timeout(),
            Op::TryLendBlocking => self.try_lend_blocking(),
            Op::ServeTimeout => self.serve_timeout(),
            Op::TryServeTimeout => self.try_serve_timeout(),
            Op::ServeWhile { steps, panics } => self.serve_while(steps, panics),
            Op::DropLender => self.drop_lender(),
            Op::AskState => {
                self.ask_lender();
                self.ask_borrowers();
                Some(())
            }
            Op::NewBorrow { borrower } => self.new_borrow(borrower),
            Op::PollBorrow { borrower, waker } => self.poll_borrow(borrower, waker),
            Op::DropBorrow { borrower } => self.drop_borrow(borrower),
            Op::ForgetBorrow { borrower } => self.forget_borrow(borrower),
            Op::TryBorrow { borrower } => self.try_borrow(borrower),
            Op::BorrowTimeout { borrower } => self.borrow_timeout(borrower),
            Op::With { borrower, how } => self.with(borrower, how),
            Op::CloneBorrower { borrower } => self.clone_borrower(borrower),
            Op::DropBorrower { borrower } => self.drop_borrower(borrower),
            Op::ReadGuard { guard } => self.read_guard(guard),
            Op::WriteGuard { guard } => self.write_guard(guard),
            Op::DropGuard { guard } => self.drop_guard(guard),
            Op::DropGuardInPanic { guard } => self.drop_guard_in_panic(guard),
            Op::ForgetGuard { guard } => self.forget_guard(guard),
            Op::CloneGuard { guard } => self.clone_guard(guard),
            Op::MapGuard { guard } => self.map_guard(guard),
            Op::SplitGuard { guard } => self.split_guard(guard),
            Op::FailToMapGuard { guard } => self.fail_to_map_guard(guard),
            Op::PanicInMap { guard } => self.panic_in_map(guard),
            Op::Resplit { how, forget } => self.resplit(how, forget),
        }
    }

    fn step(&mut self, op: Op) {
        let wakes = self.task.wakes();
        if self.apply(op).is_some() {
            self.executed += 1;
            self.check();
            // A poll may wake its own task, as `Spin` does.
            if self.model.lender_sleeps() && !matches!(op, Op::PollLend { .. }) {
                assert_eq!(self.task.wakes(), wakes, "the lender serves, and is woken by {op:?}");
            }
        }
    }

    /// The checks after each step.
    fn check(&self) {
        if self.lending.is_some() && self.model.lender_should_run() && !self.excused {
            assert!(self.task.is_scheduled(), "the lender's wake was lost: {:?}", self.model);
        }
        for held in &self.guards {
            assert_eq!(
                held.is_recalled(),
                self.model.loan.recalled,
                "is_recalled: {:?}",
                self.model
            );
        }
        let waiting = || {
            self.seats
                .iter()
                .flatten()
                .filter(|seat| seat.borrow.is_some() && seat.task.was_polled())
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
}

/// Runs a program and returns how many operations it executed.
pub fn run<M: Lent, N: Backend>(program: Vec<Op>) -> usize {
    // If the test fails it is not dropped: that might wait for a guard for ever.
    let mut world = ManuallyDrop::new(World::<M, N>::new(program));
    while let Some(op) = world.rest.next() {
        world.step(op);
    }
    ManuallyDrop::into_inner(world).finish()
}
