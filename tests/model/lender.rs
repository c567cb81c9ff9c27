//! The operations of the lender.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;
use std::time::Duration;

use ref_channel::{LendTimeoutError, Lender, ServeTimeoutError, Serving, TryLendError};

use super::World;
use super::future::begin;
use super::op::Op;
use super::reference::{Call, Kind, Loan, Phase, Refusal};
use super::value::{Backend, Lent, Planned, Value, is_live, planned};

impl<M: Lent, N: Backend> World<M, N> {
    /// The lender, if no future borrows it, nor a call that has not returned.
    fn free_lender(&mut self) -> Option<&'static mut Lender<'static, Value, M, N>> {
        if self.lending.is_some() || self.serving || !self.model.lender {
            return None;
        }
        // SAFETY: see `World`: no future of the lender is there.
        Some(unsafe { &mut *self.lender })
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

    // ----- futures -----------------------------------------------------------------------------------------

    pub fn new_lend(&mut self, kind: Kind) -> Option<()> {
        let lender = self.free_lender()?;
        let place = if kind.is_of_reference() || kind.is_boxed() {
            self.place()
        } else {
            self.last_id += 1;
            std::ptr::null_mut()
        };
        self.value = self.last_id;
        // SAFETY: the box stays until the future has completed or was dropped, and that of `lend_static` until no guard is
        // out. `forget_lend` does not forget the unsafe ones.
        self.lending = Some(unsafe { begin(lender, kind, self.value, place) });
        self.model.call = Some(Call {
            kind,
            phase: Phase::New,
        });
        self.task.restart();
        self.excused = false;
        Some(())
    }

    pub fn poll_lend(&mut self, waker: u8) -> Option<()> {
        let kind = self.model.call?.kind;
        let outcome = self.lending.as_mut()?.poll(&mut self.task, waker);
        self.excused = false;
        let expected = self.model.poll_lender().map(|outcome| match (kind, outcome) {
            (kind, _) if kind.serves() => Ok(()),
            // Only `try_lend` tells its refusals apart.
            (Kind::TryLend, Err(Refusal::Withdrawn)) => Err(Refusal::NotRequested),
            (Kind::TryLend, outcome) => outcome,
            (_, outcome) => outcome.map_err(|_| Refusal::Gone),
        });
        match outcome {
            Poll::Pending => assert_eq!(expected, None, "{kind:?} waits"),
            Poll::Ready(outcome) => {
                assert_eq!(Some(outcome), expected, "{kind:?}");
                self.lending = None;
                if kind.is_of_reference() {
                    self.free_place(self.value);
                } else if kind != Kind::Requested {
                    assert!(!is_live(self.value), "it was given back, and dropped");
                }
            }
        }
        let is_offered = |call: Call| call.phase == Phase::Offered;
        if self.model.loan.offered && self.model.call.is_some_and(is_offered) {
            self.lent = self.value;
        }
        Some(())
    }

    pub fn withdraw(&mut self) -> Option<()> {
        if !self.lending.as_mut()?.withdraw() {
            return None;
        }
        self.model.withdraw();
        // It wakes nobody. What comes later does.
        self.excused = self.model.lender_should_run();
        Some(())
    }

    pub fn drop_lend(&mut self) -> Option<()> {
        let kind = self.model.call?.kind;
        if self.model.is_out() && kind.blocks() {
            return None;
        }
        drop(self.lending.take());
        let with_value = self.model.drop_call();
        if !kind.is_of_reference() && kind != Kind::Requested {
            assert_eq!(is_live(self.value), !with_value, "{kind:?} is dropped");
        } else if with_value {
            // What is out of `lend_static` stays, until the end.
            self.free_place(self.value);
        }
        Some(())
    }

    pub fn forget_lend(&mut self) -> Option<()> {
        if self.model.call?.kind.is_unsafe() {
            return None;
        }
        self.forget_any_lend();
        Some(())
    }

    pub fn forget_any_lend(&mut self) {
        let (Some(call), Some(lending)) = (self.model.call.take(), self.lending.take()) else {
            return;
        };
        self.graveyard.push(lending.forget());
        if call.kind != Kind::Requested {
            self.forgotten.insert(self.value);
        }
    }

    // ----- blocking calls ----------------------------------------------------------------------------------

    /// Makes a blocking call whose loan nobody can take, since all is on one thread. `gone` is whether the borrowers are, and
    /// `no_guards` whether no loan is in the way.
    fn lend_in_vain<E: PartialEq + std::fmt::Debug>(
        &mut self,
        call: impl FnOnce(&mut Lender<'static, Value, M, N>, M::Ref<'static, Value>) -> Result<(), E>,
        expected: impl FnOnce(bool, bool) -> Result<(), E>,
    ) -> Option<()> {
        let lender = self.free_lender()?;
        let value = self.place();
        // SAFETY: the box stays until the call is over.
        let reference = unsafe { M::reference(value) };
        let outcome = call(lender, reference);
        let expected = expected(self.model.borrowers_gone(), self.model.loan.guards == 0);
        assert_eq!(outcome, expected);
        self.model.take_down_forgotten();
        self.free_place(self.last_id);
        Some(())
    }

    pub fn lend_timeout(&mut self) -> Option<()> {
        self.lend_in_vain(
            |lender, value| lender.lend_timeout(value, Duration::ZERO),
            |gone, no_guards| {
                Err(if gone && no_guards {
                    LendTimeoutError::Disconnected
                } else {
                    LendTimeoutError::Timeout
                })
            },
        )
    }

    pub fn try_lend_blocking(&mut self) -> Option<()> {
        // It would wait.
        if self.model.requests() > 0 {
            return None;
        }
        self.lend_in_vain(Lender::try_lend_blocking, |gone, _| Err(not_requested(gone)))
    }

    pub fn serve_timeout(&mut self) -> Option<()> {
        self.lend_in_vain(
            |lender, value| lender.serve_timeout(value, Duration::ZERO),
            |gone, no_guards| {
                if gone && no_guards {
                    Ok(())
                } else {
                    Err(ServeTimeoutError)
                }
            },
        )
    }

    pub fn try_serve_timeout(&mut self) -> Option<()> {
        // Also if somebody waits: the time is up before that can take it.
        self.lend_in_vain(
            |lender, value| lender.try_serve_timeout(value, Duration::ZERO),
            |gone, _| Err(not_requested(gone)),
        )
    }

    /// Runs the next operations while a value is served. Those of the lender do not apply then.
    pub fn serve_while(&mut self, steps: u8, panics: bool) -> Option<()> {
        let lender = self.free_lender()?;
        // It would wait.
        if self.model.loan.guards > 0 {
            return None;
        }
        let value = self.place();
        let id = self.last_id;
        // SAFETY: the box stays until the call is over.
        let reference = unsafe { M::reference(value) };
        self.model.begin_serving();
        self.lent = id;
        self.serving = true;
        let serve = || {
            lender.serve_while(reference, |serving| {
                let outcome = catch_unwind(AssertUnwindSafe(|| self.steps_while(serving, steps)));
                // A guard that is still there, for the test fails, would be waited for for ever.
                self.guards.clear();
                if let Err(failure) = outcome {
                    resume_unwind(failure);
                }
                if panics {
                    Planned::panic();
                }
                id
            })
        };
        if panics {
            planned(|| {
                serve();
            });
        } else {
            assert_eq!(serve(), id);
        }
        self.serving = false;
        self.model.loan = Loan::default();
        self.free_place(id);
        Some(())
    }

    fn steps_while(&mut self, serving: &Serving<'_>, steps: u8) {
        self.check_serving(serving);
        for _ in 0..steps {
            let Some(op) = self.rest.next() else { break };
            self.step(op);
            self.check_serving(serving);
        }
        while !self.guards.is_empty() {
            self.step(Op::DropGuard { guard: 0 });
            self.check_serving(serving);
        }
    }

    fn check_serving(&self, serving: &Serving<'_>) {
        let requests = self.model.requests();
        assert_eq!(serving.requests(), requests, "{serving:?}");
        assert_eq!(serving.is_requested(), requests > 0);
        assert_eq!(serving.is_borrowed(), self.model.loan.guards > 0, "{serving:?}");
        assert_eq!(serving.is_disconnected(), self.model.borrowers_gone(), "{serving:?}");
    }

    // ----- the half ----------------------------------------------------------------------------------------

    pub fn drop_lender(&mut self) -> Option<()> {
        self.free_lender()?;
        // SAFETY: it came from a box, no future of it is there, and the model says that it is gone.
        drop(unsafe { Box::from_raw(self.lender) });
        self.model.drop_lender();
        Some(())
    }

    pub fn ask_lender(&mut self) {
        if let Some(lender) = self.free_lender() {
            assert_eq!(lender.is_requested(), self.model.requests() > 0, "is_requested");
            assert_eq!(lender.is_disconnected(), self.model.borrowers_gone());
        }
    }
}

fn not_requested(gone: bool) -> TryLendError {
    if gone {
        TryLendError::Disconnected
    } else {
        TryLendError::NotRequested
    }
}
