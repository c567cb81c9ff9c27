//! The state word: every bit, and every transition as a function from one word to the next.
//!
//! Nothing here is atomic, which is why `tests` (in `explore.rs`) can run all of these functions over every reachable
//! word. [`Link`](super::Link) makes an atomic step of each.
//!
//! # The word
//!
//! | bits | name | set by | cleared by | meaning |
//! |---|---|---|---|---|
//! | 0 | `OFFER` | lender | lender; the loan's first return unless `OPEN`; under `ON_REQUEST` the last request given up, or a return that leaves nobody waiting | a reference is published and may be taken |
//! | 1 | `OPEN` | lender | lender; with bit 0 | returns leave the offer up, and do not wake the lender (the serve family) |
//! | 1 without 0 | `RECALLED` | lender, as it takes an offer down while guards are out | the last return | the lender wants the value back |
//! | 2 | `ON_REQUEST` | lender | lender; the first return; if `OPEN`, the last return that leaves nobody waiting | the offer stands only while somebody waits (`try_lend`). Left without `OFFER`: it was given up |
//! | 3 | `HANDED_OVER` | lender, as it leaves | the last return | the last guard frees the box |
//! | 3 with 0 | `SERVED` | the last return, if `OPEN` | with bit 0 | somebody has had this open loan already |
//! | 4 | `LENDER_WAITING` | lender | lender; whoever wakes it | the lender waits, its notifier holds a registration |
//! | 5 | `LENDER_KEY` | lender | with bit 4 | which registration ([`Key`]) |
//! | 6 | `WATCHING` | lender | with bit 4 | it waits for a request, not for a return |
//! | 7 | `BORROWER_WAITING` | borrower | borrower; the lender as it wakes it | as bit 4; never set by a notifier of many waiters, where a request says as much |
//! | 8 | `BORROWER_KEY` | borrower | with bit 7 | as bit 5 |
//! | 8 without 7 | `STARVING` | a borrower that was woken in vain | the last such one as it takes; the last request as it ends | newcomers wait in turn: only those who were woken may take. Only of many waiters, which have no use for bits 7 and 8 otherwise |
//! | 9 | `LENDER_GONE` | lender | a new split | the lender was dropped |
//! | 10 | `BORROWERS_GONE` | the last borrower | a new split | every borrower was dropped |
//! | 11.. | requests | borrowers | borrowers | how many borrowers wait for a loan, woken or not |
//! | top | guards | borrowers | guards | how many guards, and parts of guards, are out |
//!
//! # The life of a loan
//!
//! ```text
//!             request              offer                take              return
//!   idle ---------------> idle ------------> offered ----------> out ----------------> idle
//!             requests+1           OFFER                guards+1          guards-1, OFFER cleared
//!                                    |                                     (OPEN: offered again)
//!                                    +--> idle   withdraw, or the last request given up
//! ```
//!
//! Each arrow is one read-modify-write, which also says "I am waiting" for its own side where it will wait, and
//! clears, and thereby *claims*, the other side's "I am waiting" where that is to be woken. Only the side that claimed
//! a registration may use it.
//!
//! # What the soundness rests on
//!
//! 1. Only the lender sets `OFFER`, and only while the word has neither `OFFER` nor a guard ([`State::is_settled`]).
//! 2. A first guard comes only from a take, a take needs `OFFER`; further guards come only from a guard.
//! 3. So once the lender has seen neither `OFFER` nor guards, there are none until it offers again: it may
//!    write the published pointer, and the value is its own.
//!
//! # Why nobody starves
//!
//! A borrower that was woken has to be polled before it can take, and until then a newcomer may be quicker. That is what
//! makes an open offer fast, since a loan need not wait for a wake to arrive. But it may happen only once. A borrower
//! that was woken in vain sets `STARVING`. From then on a borrower takes only if it was woken or if no other one waits, and
//! all others queue. How many such borrowers there are is counted beside the word
//! ([`Link::mark_starving`](super::Link::mark_starving)), and the last of them to take clears the bit.
//!
//! This concerns exclusive loans of a notifier of many waiters. Elsewhere no borrower can be overtaken.

use core::fmt;

use crate::notifier::{Key, Notice, Notifier, Wake};

/// The state word, as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(pub(super) usize);

const OFFER: usize = 1 << 0;
const OPEN: usize = 1 << 1;
const ON_REQUEST: usize = 1 << 2;
const HANDED_OVER: usize = 1 << 3;
const LENDER_WAITING: usize = 1 << 4;
const LENDER_KEY: usize = 1 << 5;
const WATCHING: usize = 1 << 6;
const BORROWER_WAITING: usize = 1 << 7;
const BORROWER_KEY: usize = 1 << 8;
const LENDER_GONE: usize = 1 << 9;
const BORROWERS_GONE: usize = 1 << 10;
/// Without `OFFER`, when no offer has any terms.
const RECALLED: usize = OPEN;
/// With `OFFER`, when no box can have been handed over.
const SERVED: usize = HANDED_OVER;
/// In the place of the borrower's bits: where there are many waiters the word does not say that one of them waits.
const STARVING: usize = BORROWER_KEY;

const FLAGS: u32 = 11;
const COUNT: u32 = (usize::BITS - FLAGS) / 2;
const REQUEST: usize = 1 << FLAGS;
pub(super) const GUARD: usize = 1 << (FLAGS + COUNT);
/// The most borrowers, and so requests, that a channel can have.
pub(super) const MAX_BORROWERS: usize = GUARD / REQUEST - 1;
/// The most guards: half of what fits, so that threads that overflow together abort before it wraps.
pub(super) const MAX_GUARDS: usize = usize::MAX / GUARD / 2 + 1;

const GUARDS: usize = usize::MAX / GUARD * GUARD;
const TERMS: usize = OPEN | ON_REQUEST;
const LENDER_BITS: usize = LENDER_WAITING | LENDER_KEY | WATCHING;
const BORROWER_BITS: usize = BORROWER_WAITING | BORROWER_KEY;

/// On which terms an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Until it is taken or withdrawn.
    Plain,
    /// Also taken down when nobody waits for it any more.
    OnRequest,
    /// Until it is withdrawn, however often it is taken.
    Open,
    /// The same, but also taken down when a return, or a request that is given up, leaves nobody waiting.
    #[cfg_attr(
        not(feature = "std"),
        allow(dead_code, reason = "without a clock nobody offers on these terms")
    )]
    OpenOnRequest,
}

impl Terms {
    pub(crate) const fn is_on_request(self) -> bool {
        matches!(self, Self::OnRequest | Self::OpenOnRequest)
    }

    const fn bits(self) -> usize {
        match self {
            Self::Plain => 0,
            Self::OnRequest => ON_REQUEST,
            Self::Open => OPEN,
            Self::OpenOnRequest => OPEN | ON_REQUEST,
        }
    }
}

/// What the lender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The return of the loan.
    Return,
    /// The return of an older loan, or that nobody waits for the new one any more.
    ReturnOrGivenUp,
    /// A request.
    Request,
}

/// Why a loan was not borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotRequested,
    Disconnected,
    Withdrawn,
}

/// How far a borrower has come in its turn: what it remembers of its request, and what the state has to know of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// It has no request.
    #[default]
    Newcomer,
    /// Its request is counted.
    Asked,
    /// Its request is counted, and it was woken: it may take even where newcomers may not.
    Woken,
    /// It was woken, but the loan was gone: it is counted as starving, too.
    Starving,
}

impl Turn {
    pub(super) const fn is_counted(self) -> bool {
        !matches!(self, Self::Newcomer)
    }

    pub(super) const fn was_woken(self) -> bool {
        matches!(self, Self::Woken | Self::Starving)
    }
}

/// What became of a borrower's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It has a guard now. If its registration was not notified, nor will be, that is given.
    Taken { unclaimed: Option<Key> },
    /// The lender is gone, and the request is not counted any more.
    Gone { unclaimed: Option<Key> },
    /// It has to wait. Which registration has not been notified, if any.
    Waits { armed: Option<Key> },
}

// The pure half: what each transition makes of the word.
impl State {
    pub(super) const fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }

    pub(crate) const fn guards(self) -> usize {
        self.0 / GUARD
    }

    pub(crate) const fn requests(self) -> usize {
        (self.0 % GUARD) / REQUEST
    }

    pub(crate) const fn is_offered(self) -> bool {
        self.has(OFFER)
    }

    /// No offer is up and no guard is out: the lender may write the published pointer.
    pub(crate) const fn is_settled(self) -> bool {
        !self.has(OFFER) && self.guards() == 0
    }

    /// Nothing is in the way of the lender: it is settled, and does not wait.
    pub(crate) const fn is_idle(self) -> bool {
        self.0 & (OFFER | LENDER_WAITING | GUARDS) == 0
    }

    /// As after the usual return: nothing is up, out, or waited for by the lender.
    pub(crate) const fn is_back(self) -> bool {
        self.0 & (OFFER | TERMS | LENDER_WAITING | GUARDS) == 0
    }

    /// An open loan is on offer, and was borrowed and returned before.
    pub(crate) const fn is_served(self) -> bool {
        self.has(OFFER) && self.has(SERVED)
    }

    /// Guards are out, and the lender has stopped offering.
    pub(crate) const fn is_recalled(self) -> bool {
        self.guards() > 0 && !self.has(OFFER) && self.has(RECALLED)
    }

    /// The offer was taken down because no borrower was waiting for it any more.
    pub(crate) const fn is_given_up(self) -> bool {
        self.is_settled() && self.has(ON_REQUEST)
    }

    pub(crate) const fn lender_gone(self) -> bool {
        self.has(LENDER_GONE)
    }

    pub(crate) const fn borrowers_gone(self) -> bool {
        self.has(BORROWERS_GONE)
    }

    /// The lender's registration that nobody has claimed.
    pub(crate) const fn lender_key(self) -> Option<Key> {
        if self.has(LENDER_WAITING) {
            Some(Key(self.has(LENDER_KEY)))
        } else {
            None
        }
    }

    /// The borrower's registration that nobody has claimed.
    pub(super) const fn borrower_key(self) -> Option<Key> {
        if self.has(BORROWER_WAITING) {
            Some(Key(self.has(BORROWER_KEY)))
        } else {
            None
        }
    }

    /// A borrower may make a guard: an exclusive offer is up for one, a shared one for everybody.
    pub(super) const fn is_available(self, exclusive: bool) -> bool {
        self.has(OFFER) && !(exclusive && self.guards() > 0)
    }

    /// This borrower may make a guard. Where a borrower starves, that is only if this one was woken, or if no other one waits.
    pub(super) fn admits(self, turn: Turn, exclusive: bool) -> bool {
        self.is_available(exclusive)
            && (!self.is_starving() || turn.was_woken() || self.requests() == turn.is_counted() as usize)
    }

    /// Somebody was woken in vain, and newcomers have to wait.
    pub(super) const fn is_starving(self) -> bool {
        self.0 & BORROWER_BITS == STARVING
    }

    /// An offer is up, and a borrower waits that may not have been woken.
    pub(super) fn is_unanswered(self, exclusive: bool) -> bool {
        self.is_available(exclusive) && self.requests() > 0
    }

    /// A borrower that waits may make a guard, and was told so: what it usually finds, by one comparison.
    pub(super) const fn is_granted(self, exclusive: bool) -> bool {
        let others = if exclusive { GUARDS } else { MAX_GUARDS * GUARD };
        self.0 & (OFFER | BORROWER_BITS | others) == OFFER
    }

    /// What [`taken`](Self::taken) amounts to in that case.
    pub(super) const fn usually_taken(self) -> Self {
        Self(self.0 - REQUEST + GUARD)
    }

    /// Nothing is on offer, and the lender does not wait for a request. A borrower usually finds this, by one comparison.
    pub(crate) const fn is_quiet(self) -> bool {
        self.0 & (OFFER | WATCHING | LENDER_GONE) == 0
    }

    /// An exclusive loan is on offer, but not for a newcomer: a guard is out, or others starve. And the lender does not wait for a
    /// request. A newcomer usually finds this where many are served.
    pub(super) fn is_for_others(self) -> bool {
        let is_offered = self.0 & (OFFER | WATCHING | LENDER_GONE) == OFFER;
        is_offered && (self.guards() > 0 || self.is_starving() && self.requests() > 0)
    }

    /// Says "the lender waits".
    pub(super) const fn lender_armed(self, key: Key, what: Awaits) -> Self {
        let what = match what {
            Awaits::Return => 0,
            Awaits::ReturnOrGivenUp => ON_REQUEST,
            Awaits::Request => WATCHING,
        };
        debug_assert!(!self.has(LENDER_BITS));
        let key = if key.0 { LENDER_KEY } else { 0 };
        Self(self.0 | LENDER_WAITING | key | what)
    }

    /// Says "the borrower waits".
    const fn borrower_armed(self, key: Key) -> Self {
        debug_assert!(!self.has(BORROWER_BITS));
        let key = if key.0 { BORROWER_KEY } else { 0 };
        Self(self.0 | BORROWER_WAITING | key)
    }

    const fn lender_claimed(self) -> Self {
        Self(self.0 & !LENDER_BITS)
    }

    /// With many waiters the word does not say which one is claimed, and the bits mean something else.
    const fn borrower_claimed<N: Notifier>(self) -> Self {
        if N::MANY { self } else { self.borrower_disarmed() }
    }

    /// | | `OFFER` | terms | lender's bits | borrower's bits | counts |
    /// |---|---|---|---|---|---|
    /// | before | 0 | any | 0 | any | no guards |
    /// | after | 1 | as given | armed if it has a key | 0: claimed | same |
    ///
    /// Refused if every borrower is gone and, on request, if nobody waits.
    #[inline(always)]
    pub(super) fn offered<N: Notifier>(self, terms: Terms, arm: Option<Key>) -> Result<Self, Refusal> {
        debug_assert!(self.is_settled());
        if self.has(BORROWERS_GONE) {
            return Err(Refusal::Disconnected);
        }
        if terms.is_on_request() && self.requests() == 0 {
            return Err(Refusal::NotRequested);
        }
        let next = Self(self.borrower_claimed::<N>().0 & !TERMS | OFFER | terms.bits());
        Ok(match arm {
            Some(key) => next.lender_armed(key, Awaits::Return),
            None => next,
        })
    }

    /// | before | `OFFER` | terms | `HANDED_OVER` |
    /// |---|---|---|---|
    /// | no guard | 0 | 0 | 0: it was `SERVED` |
    /// | offered, and guards | 0 | `RECALLED` | 0: it was `SERVED` |
    /// | not offered, and guards | 0 | `RECALLED` | same |
    ///
    /// The offer had not been taken exactly if it was up before, with no guard, and not `SERVED`.
    pub(super) const fn withdrawn(self) -> Self {
        let served = if self.has(OFFER) { SERVED } else { 0 };
        let recalled = if self.guards() > 0 { RECALLED } else { 0 };
        Self(self.0 & !(OFFER | TERMS | served) | recalled)
    }

    /// | | requests | borrower's bits | guards |
    /// |---|---|---|---|
    /// | before, admitted | n | any | g |
    /// | after | n-1 if its own was counted | 0: taken back | g+1 |
    pub(super) const fn taken(self, turn: Turn) -> Self {
        Self(self.without_request(turn).0 + GUARD)
    }

    /// The borrower waits no more: its request and its registration are taken back.
    ///
    /// With the last request, no borrower is left that could starve.
    pub(super) const fn without_request(self, turn: Turn) -> Self {
        let mut next = self;
        if turn.is_counted() {
            next.0 -= REQUEST;
        }
        if next.requests() == 0 || !next.is_starving() {
            next.0 &= !BORROWER_BITS;
        }
        next
    }

    /// What a borrower does if it need not wait; `None` if it has to.
    #[inline(always)]
    pub(super) fn taken_or_gone(self, turn: Turn, exclusive: bool) -> Option<Self> {
        if self.admits(turn, exclusive) {
            if !exclusive && self.guards() >= MAX_GUARDS {
                abort();
            }
            return Some(self.taken(turn));
        }
        self.lender_gone().then(|| self.without_request(turn))
    }

    /// | | requests | borrower's bits | lender's bits |
    /// |---|---|---|---|
    /// | before, not admitted | n | 0 | any |
    /// | after | n+1 unless its own was counted | armed if it has a key | `WATCHING`: 0, claimed; else same |
    #[inline(always)]
    pub(super) const fn requested(self, turn: Turn, arm: Option<Key>) -> Self {
        let mut next = self;
        if !turn.is_counted() {
            next.0 += REQUEST;
            if next.has(WATCHING) {
                next = next.lender_claimed();
            }
        }
        match arm {
            Some(key) => next.borrower_armed(key),
            None => next,
        }
    }

    /// | before | requests | `OFFER`, `OPEN` | `ON_REQUEST` | lender's bits |
    /// |---|---|---|---|---|
    /// | others wait, or the offer is not `ON_REQUEST`, or it is taken | n-1 | same | same | same |
    /// | the last one, `ON_REQUEST`, offered, no guard, not `SERVED` | 0 | 0 | 1: given up | 0: claimed |
    /// | the same, `SERVED` | 0 | 0 | 0: as after a return | 0: claimed |
    /// | the last one, `ON_REQUEST`, not offered yet (the lender waits for an older loan) | 0 | same | 1 | 0: claimed |
    pub(super) const fn given_up(self) -> Self {
        let next = self.without_request(Turn::Asked);
        let is_taken = next.has(OFFER) && next.guards() > 0;
        if next.requests() > 0 || !next.has(ON_REQUEST) || is_taken {
            return next;
        }
        let next = next.lender_claimed();
        if next.is_served() {
            Self(next.0 & !(OFFER | TERMS | SERVED))
        } else if next.has(OFFER) {
            Self(next.0 & !(OFFER | OPEN))
        } else {
            next
        }
    }

    /// | | guards |
    /// |---|---|
    /// | before | g > 0 |
    /// | after | g+1 |
    pub(super) const fn guard_added(self) -> Self {
        Self(self.0 + GUARD)
    }

    /// | before | guards | `OFFER`, terms | `HANDED_OVER` | lender's bits |
    /// |---|---|---|---|---|
    /// | not the last guard | g-1 | 0 if it was offered and not `OPEN`; else same | same | same |
    /// | the last guard, not an `OPEN` offer | 0 | 0 | 0 | 0: claimed, unless `WATCHING` |
    /// | the last guard, an `OPEN` offer | 0 | same | 1: `SERVED` | same: the lender does not wait for this |
    /// | the same, `ON_REQUEST`, and nobody waits | 0 | 0 | 0 | 0: claimed |
    pub(super) const fn returned(self) -> Self {
        let next = Self(self.0 - GUARD);
        let is_last = next.guards() == 0;
        let is_open = next.has(OFFER) && next.has(OPEN);
        if is_open && is_last && (!next.has(ON_REQUEST) || next.requests() > 0) {
            return Self(next.0 | SERVED);
        }
        if !is_last {
            let is_plain = next.has(OFFER) && !is_open;
            return if is_plain {
                Self(next.0 & !(OFFER | ON_REQUEST))
            } else {
                next
            };
        }
        let next = Self(next.0 & !(OFFER | TERMS | HANDED_OVER));
        if next.has(WATCHING) {
            next
        } else {
            next.lender_claimed()
        }
    }

    /// The last guard frees a box before it returns.
    pub(super) const fn must_dispose(self) -> bool {
        self.guards() == 1 && self.has(HANDED_OVER) && !self.has(OFFER)
    }

    /// The last guard of a loan that is neither open nor handed over, and that the lender waits for or not.
    pub(super) const fn is_usual_return(self) -> bool {
        self.0 & (GUARDS | OPEN | HANDED_OVER | WATCHING) == GUARD
    }

    /// What [`returned`](Self::returned) amounts to in that case.
    pub(super) const fn usually_returned(self) -> Self {
        Self(self.0 & !(GUARDS | OFFER | ON_REQUEST | LENDER_BITS))
    }

    /// | before | `OFFER`, terms | `HANDED_OVER` |
    /// |---|---|---|
    /// | no guard | 0 | 0: the lender has the box |
    /// | guards | `RECALLED` | 1: the last guard has it |
    #[cfg(feature = "alloc")]
    pub(super) const fn handed_over(self) -> Self {
        let box_is_out = if self.guards() > 0 { HANDED_OVER } else { 0 };
        Self(self.withdrawn().0 | box_is_out)
    }

    /// | | lender's bits |
    /// |---|---|
    /// | before | any |
    /// | after | 0 |
    pub(super) const fn lender_disarmed(self) -> Self {
        self.lender_claimed()
    }

    /// Of a single borrower.
    ///
    /// | | borrower's bits |
    /// |---|---|
    /// | before | any |
    /// | after | 0 |
    pub(super) const fn borrower_disarmed(self) -> Self {
        Self(self.0 & !BORROWER_BITS)
    }

    /// | | `OFFER`, terms | `LENDER_GONE` | borrower's bits |
    /// |---|---|---|---|
    /// | before | any | 0 | any |
    /// | after | 0, or `RECALLED` if guards are out | 1 | 0: claimed |
    pub(super) const fn lender_left<N: Notifier>(self) -> Self {
        Self(self.withdrawn().borrower_claimed::<N>().0 | LENDER_GONE)
    }

    /// | | `BORROWERS_GONE` | lender's bits |
    /// |---|---|---|
    /// | before | 0 | any |
    /// | after | 1 | 0: claimed |
    pub(super) const fn borrowers_left(self) -> Self {
        Self(self.lender_claimed().0 | BORROWERS_GONE)
    }

    /// | | `STARVING` |
    /// |---|---|
    /// | before, with a request | any |
    /// | after | 1 |
    pub(super) const fn starved(self) -> Self {
        Self(self.0 | STARVING)
    }

    /// | | `STARVING` |
    /// |---|---|
    /// | before | any |
    /// | after | 0 |
    pub(super) const fn sated(self) -> Self {
        Self(self.0 & !STARVING)
    }

    /// The lender's registration, where the step from `self` to `next` claimed it.
    #[inline(always)]
    pub(super) fn lender_notice(self, next: Self) -> Option<Notice> {
        let claimed = if next.has(LENDER_WAITING) {
            None
        } else {
            self.lender_key()
        };
        claimed.map(|key| Notice { wake: Wake::One, key })
    }

    /// The borrowers that the lender wakes from `self`.
    #[inline(always)]
    pub(super) fn borrower_notice<N: Notifier>(self, wake: Wake) -> Option<Notice> {
        let claimed = if !N::MANY {
            self.borrower_key()
        } else if self.requests() > 0 {
            Some(Key::default())
        } else {
            None
        };
        claimed.map(|key| Notice { wake, key })
    }
}

impl Asked {
    /// What the step that [did not have to wait](State::taken_or_gone) meant to the borrower.
    #[inline(always)]
    pub(super) fn ended(before: State, exclusive: bool) -> Self {
        let unclaimed = before.borrower_key();
        if before.is_available(exclusive) {
            Self::Taken { unclaimed }
        } else {
            Self::Gone { unclaimed }
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(usize, &str); FLAGS as usize] = [
            (OFFER, "OFFER"),
            (OPEN, "OPEN"),
            (ON_REQUEST, "ON_REQUEST"),
            (HANDED_OVER, "HANDED_OVER"),
            (LENDER_WAITING, "LENDER_WAITING"),
            (LENDER_KEY, "LENDER_KEY"),
            (WATCHING, "WATCHING"),
            (BORROWER_WAITING, "BORROWER_WAITING"),
            (BORROWER_KEY, "BORROWER_KEY"),
            (LENDER_GONE, "LENDER_GONE"),
            (BORROWERS_GONE, "BORROWERS_GONE"),
        ];
        f.write_str("State(")?;
        // Flags that share a bit with another one.
        let mut aliases = 0;
        for (is, flag, name) in [
            (self.is_starving(), STARVING, "STARVING"),
            (self.is_recalled(), RECALLED, "RECALLED"),
            (self.is_served(), SERVED, "SERVED"),
        ] {
            if is {
                aliases |= flag;
                write!(f, "{name} | ")?;
            }
        }
        for (flag, name) in NAMES {
            if self.has(flag) && aliases & flag == 0 {
                write!(f, "{name} | ")?;
            }
        }
        write!(f, "requests: {}, guards: {})", self.requests(), self.guards())
    }
}

/// A count overflowed, which takes leaked guards or borrowers by the million. To go on would be unsound.
#[cold]
pub(super) fn abort() -> ! {
    #[cfg(feature = "std")]
    std::process::abort();

    #[cfg(not(feature = "std"))]
    {
        /// A panic in a drop during a panic aborts.
        struct Abort;
        impl Drop for Abort {
            fn drop(&mut self) {
                panic!("aborting");
            }
        }
        let _abort = Abort;
        panic!("too many guards or borrowers of one channel");
    }
}
