//! What a channel does, as a few counters and flags: written from the description of the calls, not from the code.

/// Why a lend did not lend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotRequested,
    Withdrawn,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Lend,
    TryLend,
    Owned,
    Pinned,
    Static,
    Boxed,
    Serve,
    ServeOwned,
    ServePinned,
    ServeBoxed,
    Requested,
}

impl Kind {
    /// Taken again and again, and has no error.
    pub fn serves(self) -> bool {
        matches!(
            self,
            Self::Serve | Self::ServeOwned | Self::ServePinned | Self::ServeBoxed
        )
    }

    /// Once polled it must not be forgotten.
    pub fn is_unsafe(self) -> bool {
        matches!(self, Self::Lend | Self::TryLend | Self::Serve)
    }

    /// Lends what the caller keeps.
    pub fn is_of_reference(self) -> bool {
        self.is_unsafe() || self == Self::Static
    }

    /// Its value is in a box that the caller made.
    pub fn is_boxed(self) -> bool {
        matches!(self, Self::Boxed | Self::ServeBoxed)
    }

    /// Dropped while it is borrowed, it leaves the value to the last guard.
    pub fn hands_over(self) -> bool {
        self.is_boxed() || matches!(self, Self::Owned | Self::ServeOwned)
    }

    /// Dropped while it is borrowed, it waits.
    pub fn blocks(self) -> bool {
        self.is_unsafe() || matches!(self, Self::Pinned | Self::ServePinned)
    }
}

/// How far the lender's future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    New,
    /// Polled, but guards of a forgotten loan are out; or it waits for a request.
    Waiting,
    /// The loan of the channel is its own.
    Offered,
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub kind: Kind,
    pub phase: Phase,
}

/// One loan, the future's own or that of one that was forgotten or handed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loan {
    pub offered: bool,
    /// A return leaves it on offer.
    pub open: bool,
    pub on_request: bool,
    pub given_up: bool,
    pub taken: bool,
    pub guards: usize,
    /// The lender stopped offering while guards were out.
    pub recalled: bool,
    /// The last guard frees the value.
    pub handed_over: bool,
}

impl Loan {
    /// The lender stops offering, whether the offer is still up or not.
    fn recall(&mut self) {
        self.offered = false;
        self.recalled = self.guards > 0;
    }
}

#[derive(Debug)]
pub struct Model {
    pub exclusive: bool,
    pub lender: bool,
    /// For each borrower that is not gone whether its request is counted.
    pub borrowers: Vec<Option<bool>>,
    pub loan: Loan,
    pub call: Option<Call>,
}

impl Model {
    pub fn new(exclusive: bool) -> Self {
        Self {
            exclusive,
            lender: true,
            borrowers: vec![Some(false)],
            loan: Loan::default(),
            call: None,
        }
    }

    pub fn requests(&self) -> usize {
        self.borrowers.iter().filter(|&&asked| asked == Some(true)).count()
    }

    pub fn borrowers_gone(&self) -> bool {
        self.borrowers.iter().all(Option::is_none)
    }

    pub fn available(&self) -> bool {
        self.loan.offered && !(self.exclusive && self.loan.guards > 0)
    }

    // ----- the lender --------------------------------------------------------------------------------------

    /// What a poll of the lender's future would say, if it is not to wait or to begin.
    pub fn outcome(&self) -> Option<Result<(), Refusal>> {
        let call = self.call?;
        let gone = self.borrowers_gone();
        let not_requested = if gone { Refusal::Gone } else { Refusal::NotRequested };
        match (call.kind, call.phase) {
            (_, Phase::Refused(why)) => Some(Err(why)),
            (Kind::Requested, _) if self.requests() > 0 => Some(Ok(())),
            (Kind::Requested, _) => gone.then_some(Err(Refusal::Gone)),
            (Kind::TryLend, Phase::New | Phase::Waiting) => (self.requests() == 0).then_some(Err(not_requested)),
            (_, Phase::New | Phase::Waiting) => None,
            (kind, Phase::Offered) if kind.serves() => {
                (self.loan.guards == 0 && (gone || !self.loan.offered)).then_some(Ok(()))
            }
            (_, Phase::Offered) if self.loan.taken => (self.loan.guards == 0).then_some(Ok(())),
            (_, Phase::Offered) if self.loan.given_up => Some(Err(not_requested)),
            (_, Phase::Offered) => gone.then_some(Err(Refusal::Gone)),
        }
    }

    /// Whether the lender's future, which was polled, has something to do, so that it must have been woken.
    pub fn lender_should_run(&self) -> bool {
        match self.call {
            None | Some(Call { phase: Phase::New, .. }) => false,
            Some(Call {
                kind: Kind::Requested, ..
            }) => self.outcome().is_some(),
            Some(call) => self.outcome().is_some() || (call.phase == Phase::Waiting && self.loan.guards == 0),
        }
    }

    pub fn poll_lender(&mut self) -> Option<Result<(), Refusal>> {
        let lends = |call: Call| call.kind != Kind::Requested && call.phase == Phase::New;
        if self.call.is_some_and(lends) {
            self.take_down_forgotten();
        }
        if let Some(outcome) = self.outcome() {
            self.finish();
            return Some(outcome);
        }
        let gone = self.borrowers_gone();
        let call = self.call.as_mut()?;
        match (call.kind, call.phase) {
            (_, Phase::Offered | Phase::Refused(_)) => {}
            (Kind::Requested, _) => call.phase = Phase::Waiting,
            _ => {
                if self.loan.guards > 0 {
                    call.phase = Phase::Waiting;
                } else if gone {
                    self.finish();
                    return Some(Err(Refusal::Gone));
                } else {
                    call.phase = Phase::Offered;
                    self.loan = Loan {
                        offered: true,
                        open: call.kind.serves(),
                        on_request: call.kind == Kind::TryLend,
                        ..Loan::default()
                    };
                }
            }
        }
        None
    }

    fn finish(&mut self) {
        if let Some(Call {
            phase: Phase::Offered, ..
        }) = self.call.take()
        {
            self.loan.offered = false;
        }
    }

    pub fn withdraw(&mut self) {
        let outcome = self.outcome();
        let Some(call) = self.call.as_mut() else { return };
        match (call.phase, outcome) {
            (Phase::New | Phase::Waiting, _) => call.phase = Phase::Refused(Refusal::Withdrawn),
            (Phase::Offered, outcome) => {
                self.loan.recall();
                match outcome {
                    Some(Err(why)) => call.phase = Phase::Refused(why),
                    _ if !self.loan.taken => call.phase = Phase::Refused(Refusal::Withdrawn),
                    _ => {}
                }
            }
            (Phase::Refused(_), _) => {}
        }
    }

    /// The loan of the lender's future is out.
    pub fn is_out(&self) -> bool {
        self.loan.guards > 0
            && matches!(
                self.call,
                Some(Call {
                    phase: Phase::Offered,
                    ..
                })
            )
    }

    /// The lender's future is dropped; true if its value goes with it, and not with the last guard.
    pub fn drop_call(&mut self) -> bool {
        let out = self.is_out();
        if let Some(Call {
            kind,
            phase: Phase::Offered,
        }) = self.call.take()
        {
            self.loan.recall();
            self.loan.handed_over |= out && kind.hands_over();
        }
        !out
    }

    pub fn drop_lender(&mut self) {
        self.lender = false;
        self.loan.recall();
    }

    /// A call that lends begins: a forgotten loan comes down first, whatever becomes of that call.
    ///
    /// A loan that has come down by its first return stays as it is, and is not recalled.
    pub fn take_down_forgotten(&mut self) {
        if self.loan.offered {
            self.loan.recall();
        }
    }

    /// What a blocking call that serves offers, once no guard is out.
    pub fn begin_serving(&mut self) {
        assert_eq!(self.loan.guards, 0);
        self.loan = Loan {
            offered: !self.borrowers_gone(),
            open: true,
            ..Loan::default()
        };
    }

    // ----- the borrowers -----------------------------------------------------------------------------------

    /// Whether another borrower waits, which may come first where a loan is for one.
    pub fn may_wait_behind(&self, b: usize) -> bool {
        let others = || (0..self.borrowers.len()).filter(|&other| other != b);
        self.exclusive && others().any(|other| self.borrowers[other] == Some(true))
    }

    /// What a borrower's poll says: a guard, or that the lender is gone; none if it has to wait. `waits` is whether it said
    /// that it does: if others wait, too, that may be so also if a loan is there.
    pub fn poll_borrower(&mut self, b: usize, waits: bool) -> Option<bool> {
        let available = self.available() && !(waits && self.may_wait_behind(b));
        let done = available || !self.lender;
        self.borrowers[b] = Some(!done);
        if available {
            self.loan.guards += 1;
            self.loan.taken = true;
        }
        done.then_some(available)
    }

    /// The borrower does not wait any more.
    pub fn give_up(&mut self, b: usize) {
        let asked = self.borrowers[b].replace(false);
        let loan = &self.loan;
        let untaken = loan.offered && loan.on_request && !loan.taken;
        if asked == Some(true) && untaken && self.requests() == 0 {
            self.loan.offered = false;
            self.loan.given_up = true;
        }
    }

    /// True if the borrower's drop took the last of them.
    pub fn drop_borrower(&mut self, b: usize) {
        self.give_up(b);
        self.borrowers[b] = None;
    }

    /// A guard is dropped; true if that frees the value.
    pub fn give_back(&mut self) -> bool {
        let loan = &mut self.loan;
        loan.guards -= 1;
        loan.offered &= loan.open;
        if loan.guards > 0 {
            return false;
        }
        loan.recalled = false;
        std::mem::take(&mut loan.handed_over)
    }

    /// Nothing but the end of the borrowers, or a poll, may wake the lender: it serves, and that goes on.
    pub fn lender_sleeps(&self) -> bool {
        let is_served = |call: Call| call.kind.serves() && call.phase == Phase::Offered;
        self.call.is_some_and(is_served) && self.loan.offered && !self.borrowers_gone()
    }
}
