//! The operations of borrowers and guards.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ref_channel::{BorrowTimeoutError, Guard, TryBorrowError};

use super::World;
use super::future::{Place, forget_movable};
use super::op::How;
use super::value::{Backend, Half, Lent, Part, Planned, Whole, is_live, planned};

/// After so many loans a borrow may let its executor in once. `tests/budget.rs` tests that. Here, no borrower comes so far.
const BUDGET: usize = 128;

pub enum Any<M: Lent, N: Backend> {
    Whole(Whole<M, N>),
    Part(Part<M, N>),
}

/// A guard.
pub struct Held<M: Lent, N: Backend> {
    borrower: usize,
    value: u32,
    guard: Any<M, N>,
}

impl<M: Lent, N: Backend> Held<M, N> {
    fn read(&self) {
        assert!(is_live(self.value), "the guard of {} dangles", self.value);
        match &self.guard {
            Any::Whole(guard) => guard.check(self.value),
            Any::Part(part) => assert_eq!(**part, self.value),
        }
    }

    pub fn is_recalled(&self) -> bool {
        match &self.guard {
            Any::Whole(guard) => Guard::is_recalled(guard),
            Any::Part(part) => Guard::is_recalled(part),
        }
    }
}

impl<M: Lent, N: Backend> World<M, N> {
    fn any_borrower(&self, which: u8) -> Option<usize> {
        let here: Vec<_> = (0..self.seats.len()).filter(|&b| self.seats[b].is_some()).collect();
        (!here.is_empty()).then(|| here[usize::from(which) % here.len()])
    }

    /// A borrower of which nothing is out.
    pub fn free_borrower(&mut self, which: u8) -> Option<(usize, &'static mut Half<M, N>)> {
        let b = self.any_borrower(which)?;
        let seat = self.seats[b].as_ref()?;
        if seat.borrow.is_some() || self.guards.iter().any(|held| held.borrower == b) {
            return None;
        }
        // SAFETY: see `World`: no future and no guard of the borrower is there.
        Some((b, unsafe { &mut *seat.half }))
    }

    /// The same, if another future of it is within its budget.
    fn free_poller(&mut self, which: u8) -> Option<(usize, &'static mut Half<M, N>)> {
        let (b, half) = self.free_borrower(which)?;
        let seat = self.seats[b].as_mut()?;
        if seat.futures >= BUDGET {
            return None;
        }
        seat.futures += 1;
        seat.task.restart();
        Some((b, half))
    }

    // ----- borrows -----------------------------------------------------------------------------------------

    pub fn new_borrow(&mut self, which: u8) -> Option<()> {
        let (b, half) = self.free_poller(which)?;
        self.seats[b].as_mut()?.borrow = Some(Place::new(half.borrow()));
        Some(())
    }

    pub fn poll_borrow(&mut self, which: u8, waker: u8) -> Option<()> {
        let b = self.any_borrower(which)?;
        let seat = self.seats[b].as_mut()?;
        let borrow = seat.borrow.as_mut()?;
        let outcome = seat.task.poll(borrow.pin(), waker);
        let expected = self.model.poll_borrower(b, outcome.is_pending());
        match (outcome, expected) {
            (Poll::Pending, None) => {}
            (Poll::Ready(Ok(guard)), Some(true)) => {
                seat.borrow = None;
                self.hold(b, self.lent, Any::Whole(guard));
            }
            (Poll::Ready(Err(_)), Some(false)) => seat.borrow = None,
            (outcome, expected) => panic!(
                "borrow: {:?}, expected a guard: {expected:?}",
                outcome.map(|guard| guard.is_ok())
            ),
        }
        Some(())
    }

    pub fn drop_borrow(&mut self, which: u8) -> Option<()> {
        let b = self.any_borrower(which)?;
        drop(self.seats[b].as_mut()?.borrow.take()?);
        self.model.give_up(b);
        Some(())
    }

    pub fn forget_borrow(&mut self, which: u8) -> Option<()> {
        let b = self.any_borrower(which)?;
        self.graveyard.push(self.seats[b].as_mut()?.borrow.take()?.forget());
        self.borrow_forgotten = true;
        Some(())
    }

    pub fn try_borrow(&mut self, which: u8) -> Option<()> {
        let (b, half) = self.free_borrower(which)?;
        let outcome = half.try_borrow();
        let waits = matches!(outcome, Err(TryBorrowError::NotLent));
        let expected = self.model.poll_borrower(b, waits);
        self.model.give_up(b);
        match (outcome, expected) {
            (Ok(guard), Some(true)) => self.hold(b, self.lent, Any::Whole(guard)),
            (Err(TryBorrowError::Disconnected), Some(false)) | (Err(TryBorrowError::NotLent), None) => {}
            (outcome, expected) => panic!("try_borrow: {:?}, not {expected:?}", outcome.err()),
        }
        Some(())
    }

    pub fn borrow_timeout(&mut self, which: u8) -> Option<()> {
        let (b, half) = self.free_borrower(which)?;
        let outcome = half.borrow_timeout(Duration::ZERO);
        let waits = matches!(outcome, Err(BorrowTimeoutError::Timeout));
        let expected = self.model.poll_borrower(b, waits);
        self.model.give_up(b);
        match (outcome, expected) {
            (Ok(guard), Some(true)) => self.hold(b, self.lent, Any::Whole(guard)),
            (Err(BorrowTimeoutError::Disconnected), Some(false)) | (Err(BorrowTimeoutError::Timeout), None) => {}
            (outcome, expected) => panic!("borrow_timeout: {:?}, not {expected:?}", outcome.err()),
        }
        Some(())
    }

    pub fn with(&mut self, which: u8, how: How) -> Option<()> {
        let (b, _) = self.free_borrower(which)?;
        // Else the blocking call might wait, and the closure might not be called.
        let is_granted = self.model.available() && !self.model.may_wait_behind(b);
        let is_ready = is_granted || !self.model.lender;
        let id = self.lent;
        let outcome = match how {
            How::Polled => {
                let (_, half) = self.free_poller(which)?;
                let with = pin!(M::with(half, move |value| value.check(id)));
                self.seats[b].as_mut()?.task.poll(with, 0)
            }
            How::Blocking if is_ready => {
                let (_, half) = self.free_borrower(which)?;
                Poll::Ready(M::with_blocking(half, |value| value.check(id)))
            }
            How::Panics if is_granted => {
                let (_, half) = self.free_poller(which)?;
                let with = pin!(M::with(half, |_| Planned::panic()));
                let task = &mut self.seats[b].as_mut()?.task;
                planned(|| {
                    let _ = task.poll(with, 0);
                });
                Poll::Ready(Ok(()))
            }
            How::Blocking | How::Panics => return None,
        };
        match (outcome, self.model.poll_borrower(b, outcome.is_pending())) {
            (Poll::Ready(Ok(())), Some(true)) => self.given_back(id),
            (Poll::Ready(Err(_)), Some(false)) | (Poll::Pending, None) => {}
            (outcome, expected) => panic!("with: {outcome:?}, expected a loan: {expected:?}"),
        }
        self.model.give_up(b);
        Some(())
    }

    // ----- halves ------------------------------------------------------------------------------------------

    pub fn clone_borrower(&mut self, which: u8) -> Option<()> {
        if self.seats.len() >= 6 {
            return None;
        }
        let (_, half) = self.free_borrower(which)?;
        let clone = N::clone(half)?;
        self.seat(clone);
        self.model.borrowers.push(Some(false));
        Some(())
    }

    pub fn drop_borrower(&mut self, which: u8) -> Option<()> {
        let (b, _) = self.free_borrower(which)?;
        let seat = self.seats[b].take()?;
        // SAFETY: it came from a box, and no future and no guard of it is there.
        drop(unsafe { Box::from_raw(seat.half) });
        self.model.drop_borrower(b);
        Some(())
    }

    pub fn ask_borrowers(&mut self) {
        let gone = !self.model.lender;
        for which in 0..3 {
            if let Some((_, borrower)) = self.free_borrower(which) {
                assert_eq!(borrower.is_disconnected(), gone);
            }
        }
    }

    // ----- guards ------------------------------------------------------------------------------------------

    fn any_guard(&self, which: u8) -> Option<usize> {
        (!self.guards.is_empty()).then(|| usize::from(which) % self.guards.len())
    }

    fn hold(&mut self, borrower: usize, value: u32, guard: Any<M, N>) {
        let held = Held { borrower, value, guard };
        held.read();
        self.guards.push(held);
    }

    /// A guard is gone: dropped, or consumed by a call that panicked.
    fn given_back(&mut self, value: u32) {
        let frees = self.model.give_back();
        assert_eq!(is_live(value), !frees, "value {value} after a return");
    }

    fn take_whole(&mut self, which: u8) -> Option<(usize, u32, Whole<M, N>)> {
        let g = self.any_guard(which)?;
        if let Any::Part(_) = self.guards[g].guard {
            return None;
        }
        let held = self.guards.swap_remove(g);
        match held.guard {
            Any::Whole(guard) => Some((held.borrower, held.value, guard)),
            Any::Part(_) => None,
        }
    }

    pub fn read_guard(&mut self, which: u8) -> Option<()> {
        self.guards[self.any_guard(which)?].read();
        Some(())
    }

    pub fn write_guard(&mut self, which: u8) -> Option<()> {
        let g = self.any_guard(which)?;
        let held = &mut self.guards[g];
        match &mut held.guard {
            Any::Whole(guard) => M::write(guard),
            Any::Part(part) => M::write_part(part),
        }
        held.read();
        Some(())
    }

    pub fn drop_guard(&mut self, which: u8) -> Option<()> {
        let held = self.guards.swap_remove(self.any_guard(which)?);
        drop(held.guard);
        self.given_back(held.value);
        Some(())
    }

    pub fn drop_guard_in_panic(&mut self, which: u8) -> Option<()> {
        let held = self.guards.swap_remove(self.any_guard(which)?);
        planned(|| {
            let _guard = held.guard;
            Planned::panic();
        });
        self.given_back(held.value);
        Some(())
    }

    pub fn forget_guard(&mut self, which: u8) -> Option<()> {
        // `serve_while` would wait for it.
        if self.serving {
            return None;
        }
        let held = self.guards.swap_remove(self.any_guard(which)?);
        forget_movable(held.guard);
        // It may have been the one to drop the value.
        self.forgotten.insert(held.value);
        self.guard_forgotten = true;
        Some(())
    }

    pub fn clone_guard(&mut self, which: u8) -> Option<()> {
        let held = &self.guards[self.any_guard(which)?];
        let (borrower, value) = (held.borrower, held.value);
        let Any::Whole(guard) = &held.guard else { return None };
        let clone = Any::Whole(M::clone(guard)?);
        self.model.loan.guards += 1;
        self.hold(borrower, value, clone);
        Some(())
    }

    pub fn map_guard(&mut self, which: u8) -> Option<()> {
        let (borrower, value, guard) = self.take_whole(which)?;
        self.hold(borrower, value, Any::Part(M::map(guard)));
        Some(())
    }

    pub fn split_guard(&mut self, which: u8) -> Option<()> {
        let (borrower, value, guard) = self.take_whole(which)?;
        let (one, two) = M::split(guard);
        self.model.loan.guards += 1;
        self.hold(borrower, value, Any::Part(one));
        self.hold(borrower, value, Any::Part(two));
        Some(())
    }

    pub fn fail_to_map_guard(&mut self, which: u8) -> Option<()> {
        let (borrower, value, guard) = self.take_whole(which)?;
        self.hold(borrower, value, Any::Whole(M::fail_to_map(guard)));
        Some(())
    }

    pub fn panic_in_map(&mut self, which: u8) -> Option<()> {
        let (_, value, guard) = self.take_whole(which)?;
        planned(|| M::panic_in_map(guard));
        self.given_back(value);
        Some(())
    }
}
