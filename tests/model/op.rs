//! The operations, and how bytes stand for them.

use super::reference::Kind;

/// One operation. What does not apply to the state that it meets is skipped.
///
/// Numbers choose among what there is, modulo how many there are: borrowers, guards, wakers.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    NewLend(Kind),
    PollLend {
        waker: u8,
    },
    Withdraw,
    DropLend,
    ForgetLend,
    LendTimeout,
    TryLendBlocking,
    ServeTimeout,
    TryServeTimeout,
    /// The next operations run inside of the closure.
    ServeWhile {
        steps: u8,
        panics: bool,
    },
    DropLender,
    AskState,
    NewBorrow {
        borrower: u8,
    },
    PollBorrow {
        borrower: u8,
        waker: u8,
    },
    DropBorrow {
        borrower: u8,
    },
    ForgetBorrow {
        borrower: u8,
    },
    TryBorrow {
        borrower: u8,
    },
    BorrowTimeout {
        borrower: u8,
    },
    With {
        borrower: u8,
        how: How,
    },
    CloneBorrower {
        borrower: u8,
    },
    DropBorrower {
        borrower: u8,
    },
    ReadGuard {
        guard: u8,
    },
    WriteGuard {
        guard: u8,
    },
    DropGuard {
        guard: u8,
    },
    DropGuardInPanic {
        guard: u8,
    },
    ForgetGuard {
        guard: u8,
    },
    CloneGuard {
        guard: u8,
    },
    MapGuard {
        guard: u8,
    },
    SplitGuard {
        guard: u8,
    },
    FailToMapGuard {
        guard: u8,
    },
    PanicInMap {
        guard: u8,
    },
    Resplit {
        how: Split,
        forget: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Split {
    Borrowed,
    Static,
    Owned,
}

/// How `with` is called. It is always over within its operation.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// Polled once, and dropped.
    Polled,
    Blocking,
    /// Polled, and the closure panics.
    Panics,
}

impl Op {
    /// The operation that three bytes stand for. The frequent ones come more than once.
    pub fn decode([code, one, two]: [u8; 3]) -> Self {
        const KINDS: [Kind; 11] = [
            Kind::Boxed,
            Kind::Owned,
            Kind::Pinned,
            Kind::Static,
            Kind::Lend,
            Kind::TryLend,
            Kind::Requested,
            Kind::Serve,
            Kind::ServeOwned,
            Kind::ServeBoxed,
            Kind::ServePinned,
        ];
        let (waker, borrower, guard) = (two % 3, one % 6, one % 8);
        match code % 64 {
            0..8 => Self::NewLend(KINDS[usize::from(one) % KINDS.len()]),
            8..18 => Self::PollLend { waker },
            18..20 => Self::Withdraw,
            20..22 => Self::DropLend,
            22 => Self::ForgetLend,
            23 => Self::ServeWhile {
                steps: one % 16,
                panics: two % 4 == 0,
            },
            24 | 25 => match two % 4 {
                0 => Self::LendTimeout,
                1 => Self::TryLendBlocking,
                2 => Self::ServeTimeout,
                _ => Self::TryServeTimeout,
            },
            26 => Self::AskState,
            27..32 => Self::NewBorrow { borrower },
            32..41 => Self::PollBorrow { borrower, waker },
            41..43 => Self::DropBorrow { borrower },
            43 => Self::ForgetBorrow { borrower },
            44 => Self::TryBorrow { borrower },
            45 | 46 => Self::With {
                borrower,
                how: [How::Polled, How::Blocking, How::Panics][usize::from(two) % 3],
            },
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
