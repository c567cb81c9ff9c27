//! Splitting the channel anew, and the end of a program.

use ref_channel::{Channel, Lender, TryBorrowError};

use super::future::{Task, free_undropped};
use super::op::Split;
use super::reference::Model;
use super::value::{self, Backend, Half, Lent, Value, is_live};
use super::{Seat, World};

impl<M: Lent, N: Backend> World<M, N> {
    pub fn settle_in(&mut self, (lender, borrower): (Lender<'static, Value, M, N>, Half<M, N>)) {
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

    pub fn seat(&mut self, borrower: Half<M, N>) {
        self.seats.push(Some(Seat {
            half: Box::into_raw(Box::new(borrower)),
            borrow: None,
            task: Task::new(),
            futures: 0,
        }));
    }

    /// All that is out goes, so that the halves may.
    fn end_all(&mut self) {
        while self.drop_guard(0).is_some() {}
        for b in 0..self.seats.len() {
            if let Some(borrow) = self.seats[b].as_mut().and_then(|seat| seat.borrow.take()) {
                drop(borrow);
                self.model.give_up(b);
            }
        }
        if self.lending.is_none() {
            return;
        }
        // Every lend ends now: by a borrower, or for want of one.
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
        let ended = if self.model.outcome().is_some() {
            self.poll_lend(0)
        } else {
            self.drop_lend()
        };
        if ended.is_none() {
            // A guard of it was forgotten: so has it to be, or its drop would wait for ever.
            self.forget_any_lend();
        }
    }

    pub fn resplit(&mut self, how: Split, forget: bool) -> Option<()> {
        if self.serving {
            return None;
        }
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
                return Some(());
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
        Some(())
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

    pub fn finish(mut self) -> usize {
        self.resplit(Split::Borrowed, false);
        self.resplit(Split::Borrowed, false);
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
        for id in value::live() {
            assert!(self.forgotten.contains(&id), "value {id} leaks");
        }
        self.executed
    }
}
