//! The state of a channel: every bit, every transition, every ordering.
//!
//! # The word
//!
//! | bits | name | set by | cleared by | meaning |
//! |---|---|---|---|---|
//! | 0 | `OFFER` | lender | lender; the loan's first return unless `OPEN`; the last request given up under `ON_REQUEST` | a reference is published and may be taken |
//! | 1 | `OPEN` | lender | lender | returns leave the offer up (`lend_while`) |
//! | 2 | `ON_REQUEST` | lender | lender; the first return | the offer stands only while somebody waits (`try_lend`). Left without `OFFER`: it was given up |
//! | 3 | `HANDED_OVER` | lender | the last return | the last guard frees the box |
//! | 4 | `LENDER_WAITING` | lender | lender; whoever wakes it | the lender waits, its notifier holds a registration |
//! | 5 | `LENDER_KEY` | lender | with bit 4 | which registration ([`Key`]) |
//! | 6 | `WATCHING` | lender | with bit 4 | it waits for a request, not for a return |
//! | 7 | `BORROWER_WAITING` | borrower | borrower; the lender as it wakes it | as bit 4; never set by a notifier of many waiters, where a request says as much |
//! | 8 | `BORROWER_KEY` | borrower | with bit 7 | as bit 5 |
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
//! clears, and thereby *claims*, the other side's "I am waiting" where that is to be woken. Who claimed a
//! registration is the only one to use it.
//!
//! # What the soundness rests on
//!
//! 1. Only the lender sets `OFFER`, and only while the word has neither `OFFER` nor a guard ([`State::is_settled`]).
//! 2. A first guard comes only from a take, a take needs `OFFER`; further guards come only from a guard.
//! 3. So once the lender has seen neither `OFFER` nor guards, there are none until it offers again: it may
//!    write the published pointer, and the value is its own.
//!
//! # Notifications never overlap
//!
//! A notifier of one waiter is promised that ([`Notifier::notify_with`]). Whoever notifies the lender is the
//! one borrower, through `&mut`, or the last guard of a loan, for which that borrower stays mutably borrowed
//! until the guard's drop is over. Whoever notifies the borrower is the lender, through `&mut`.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};

use crate::notifier::{Key, Notice, Notifier, Wake};
use crate::sync::{AtomicU8, AtomicUsize, Ledger, Ordering, UnsafeCell, Word, const_unless_loom};

/// The state word, as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(usize);

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

const FLAGS: u32 = 11;
const COUNT: u32 = (usize::BITS - FLAGS) / 2;
const REQUEST: usize = 1 << FLAGS;
const GUARD: usize = 1 << (FLAGS + COUNT);
/// The most borrowers, and so requests, that a channel can have.
const MAX_BORROWERS: usize = GUARD / REQUEST - 1;
/// The most guards: half of what fits, so that threads that overflow together abort before it wraps.
const MAX_GUARDS: usize = usize::MAX / GUARD / 2 + 1;

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
    const fn has(self, flag: usize) -> bool {
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

    /// The offer was taken down because nobody waited for it any more.
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
    const fn borrower_key(self) -> Option<Key> {
        if self.has(BORROWER_WAITING) {
            Some(Key(self.has(BORROWER_KEY)))
        } else {
            None
        }
    }

    /// A borrower may make a guard: an exclusive offer is up for one, a shared one for everybody.
    const fn is_available(self, exclusive: bool) -> bool {
        self.has(OFFER) && !(exclusive && self.guards() > 0)
    }

    /// A borrower that waits may make a guard, and was told so: what it usually finds, by one comparison.
    const fn is_granted(self, exclusive: bool) -> bool {
        let others = if exclusive { GUARDS } else { MAX_GUARDS * GUARD };
        self.0 & (OFFER | BORROWER_WAITING | others) == OFFER
    }

    /// Nothing is on offer, and nobody is to be told of a request: what a borrower usually finds, by one comparison.
    pub(crate) const fn is_quiet(self) -> bool {
        self.0 & (OFFER | WATCHING | LENDER_GONE) == 0
    }

    /// Says "the lender waits".
    const fn lender_armed(self, key: Key, what: Awaits) -> Self {
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

    /// | | `OFFER` | terms | lender's bits | borrower's bits | counts |
    /// |---|---|---|---|---|---|
    /// | before | 0 | any | 0 | any | no guards |
    /// | after | 1 | as given | armed if it has a key | 0: claimed | same |
    ///
    /// Refused if every borrower is gone and, on request, if nobody waits.
    #[inline(always)]
    fn offered(self, terms: Terms, arm: Option<Key>) -> Result<Self, Refusal> {
        debug_assert!(self.is_settled());
        if self.has(BORROWERS_GONE) {
            return Err(Refusal::Disconnected);
        }
        let terms = match terms {
            Terms::Plain => 0,
            Terms::Open => OPEN,
            Terms::OnRequest if self.requests() == 0 => return Err(Refusal::NotRequested),
            Terms::OnRequest => ON_REQUEST,
        };
        let next = Self(self.0 & !(TERMS | BORROWER_BITS) | OFFER | terms);
        Ok(match arm {
            Some(key) => next.lender_armed(key, Awaits::Return),
            None => next,
        })
    }

    /// | | `OFFER` | terms | others |
    /// |---|---|---|---|
    /// | before | any | any | |
    /// | after | 0 | 0 | same |
    ///
    /// The offer had not been taken exactly if it was up before, with no guard.
    const fn withdrawn(self) -> Self {
        Self(self.0 & !(OFFER | TERMS))
    }

    /// | | requests | borrower's bits | guards |
    /// |---|---|---|---|
    /// | before, available | n | any | g |
    /// | after | n-1 if its own was counted | 0: taken back | g+1 |
    const fn taken(self, counted: bool) -> Self {
        Self(self.without_request(counted).0 + GUARD)
    }

    /// The borrower waits no more: its request and its registration are taken back.
    const fn without_request(self, counted: bool) -> Self {
        let next = self.0 & !BORROWER_BITS;
        if counted { Self(next - REQUEST) } else { Self(next) }
    }

    /// What a borrower does that need not wait; none if it has to.
    #[inline(always)]
    fn taken_or_gone(self, counted: bool, exclusive: bool) -> Option<Self> {
        if self.is_available(exclusive) {
            if !exclusive && self.guards() >= MAX_GUARDS {
                abort();
            }
            return Some(self.taken(counted));
        }
        self.lender_gone().then(|| self.without_request(counted))
    }

    /// | | requests | borrower's bits | lender's bits |
    /// |---|---|---|---|
    /// | before, not available | n | 0 | any |
    /// | after | n+1 unless its own was counted | armed if it has a key | `WATCHING`: 0, claimed; else same |
    #[inline(always)]
    const fn requested(self, counted: bool, arm: Option<Key>) -> Self {
        let mut next = self;
        if !counted {
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

    /// | before | requests | `OFFER` | lender's bits |
    /// |---|---|---|---|
    /// | others wait, or the offer is not `ON_REQUEST`, or it was taken | n-1 | same | same |
    /// | the last one, `ON_REQUEST`, offered, no guard | 0 | 0: given up | 0: claimed |
    /// | the last one, `ON_REQUEST`, not offered yet (the lender waits for an older loan) | 0 | 0 | 0: claimed |
    const fn given_up(self) -> Self {
        let next = self.without_request(true);
        let taken = next.has(OFFER) && next.guards() > 0;
        if next.requests() > 0 || !next.has(ON_REQUEST) || taken {
            return next;
        }
        Self(next.0 & !OFFER).lender_claimed()
    }

    /// | before | guards | `OFFER`, `ON_REQUEST` | `HANDED_OVER` | lender's bits |
    /// |---|---|---|---|---|
    /// | not the last guard | g-1 | 0 if it was offered | same | same |
    /// | the last guard | 0 | 0 | 0 | 0: claimed, unless `WATCHING` |
    /// | `OPEN` | as above | same | as above | as above |
    const fn returned(self) -> Self {
        let mut next = Self(self.0 - GUARD);
        let last = next.guards() == 0;
        if !next.has(OPEN) && (last || next.has(OFFER)) {
            next.0 &= !(OFFER | ON_REQUEST);
        }
        if last {
            next.0 &= !HANDED_OVER;
            if !next.has(WATCHING) {
                next = next.lender_claimed();
            }
        }
        next
    }

    /// The last guard of a loan that is neither open nor handed over, and that the lender waits for or not.
    const fn is_usual_return(self) -> bool {
        self.0 & (GUARDS | OPEN | HANDED_OVER | WATCHING) == GUARD
    }

    /// What [`returned`](Self::returned) comes to in that case.
    const fn usually_returned(self) -> Self {
        Self(self.0 & !(GUARDS | OFFER | ON_REQUEST | LENDER_BITS))
    }

    /// | before | `OFFER`, terms | `HANDED_OVER` |
    /// |---|---|---|
    /// | no guard | 0 | 0: the lender has the box |
    /// | guards | 0 | 1: the last guard has it |
    #[cfg(feature = "alloc")]
    const fn handed_over(self) -> Self {
        let box_is_out = if self.guards() > 0 { HANDED_OVER } else { 0 };
        Self(self.withdrawn().0 | box_is_out)
    }

    /// The lender's registration, where the step from `self` to `next` claimed it.
    #[inline(always)]
    fn lender_notice(self, next: Self) -> Option<Notice> {
        let claimed = if next.has(LENDER_WAITING) {
            None
        } else {
            self.lender_key()
        };
        claimed.map(|key| Notice { wake: Wake::One, key })
    }

    /// The borrowers that the lender wakes from `self`.
    #[inline(always)]
    fn borrower_notice<N: Notifier>(self, wake: Wake) -> Option<Notice> {
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
    fn ended(before: State, exclusive: bool) -> Self {
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
        for (flag, name) in NAMES {
            if self.has(flag) {
                write!(f, "{name} | ")?;
            }
        }
        write!(f, "requests: {}, guards: {})", self.requests(), self.guards())
    }
}

/// What the last guard does with a box that was handed over to it.
struct Disposal {
    free: unsafe fn(*const ()),
    place: *const (),
}

/// All of a channel but the pointer: the word, the counts, the two notifiers.
///
/// It does not know the type of the value, so a guard keeps its channel through `map`.
#[repr(C)]
pub(crate) struct Link<N> {
    word: Word,
    /// Where the lender waits.
    lender: N,
    /// Where the borrowers wait.
    borrower: N,
    /// How many borrowers there are.
    borrowers: AtomicUsize,
    /// How many sides have not left: see [`Link::leave`].
    sides: AtomicU8,
    /// Written before `HANDED_OVER` is set, read by the last guard, which clears that.
    disposal: UnsafeCell<Option<Disposal>>,
    ledger: Ledger,
}

// SAFETY: `disposal` is all that is not `Sync` already: the lender writes it while no guard is out and no box
// handed over, one guard reads it, and `HANDED_OVER` goes from the one to the other in between. What it points
// to is freed on the guard's thread, for which `lend_boxed` asks for `T: Send`.
unsafe impl<N: Sync> Sync for Link<N> {}
// SAFETY: as for `Sync`; `N` goes along.
unsafe impl<N: Send> Send for Link<N> {}

// Each step is whole before anything foreign is called, so a panic leaves the state in order.
impl<N> UnwindSafe for Link<N> {}
impl<N> RefUnwindSafe for Link<N> {}

// `sides`: none, one or two sides in the low bits.
const BOTH: u8 = 2;
/// A split of a static is under way.
const LOCKED: u8 = 4;
/// The halves own the channel: the last side to leave frees it.
const OWNED: u8 = 8;

impl<N: Notifier> Link<N> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                word: Word::new(0),
                #[cfg(not(all(loom, feature = "loom")))]
                lender: N::LENDER,
                #[cfg(not(all(loom, feature = "loom")))]
                borrower: N::INIT,
                #[cfg(all(loom, feature = "loom"))]
                lender: N::lender(),
                #[cfg(all(loom, feature = "loom"))]
                borrower: N::init(),
                borrowers: AtomicUsize::new(0),
                sides: AtomicU8::new(0),
                disposal: UnsafeCell::new(None),
                ledger: Ledger::new(),
            }
        }
    }

    pub(crate) fn lender(&self) -> &N {
        &self.lender
    }

    pub(crate) fn borrower(&self) -> &N {
        &self.borrower
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    // ----- splitting and leaving ---------------------------------------------------------------------------

    /// Both halves are out.
    ///
    /// | | `sides` | borrowers | word |
    /// |---|---|---|---|
    /// | before | any | any | any |
    /// | after | 2, `OWNED` if so | 1 | 0 |
    pub(crate) fn split(&mut self, owned: bool) {
        *self = Self::new();
        self.open(BOTH | if owned { OWNED } else { 0 });
    }

    fn open(&self, sides: u8) {
        // Ordering: relaxed, all three. The halves are handed on by the caller, who synchronises; and who splits anew
        // comes after them, by way of `leave`.
        self.word.store(0, Ordering::Relaxed);
        self.borrowers.store(1, Ordering::Relaxed);
        self.sides.store(sides, Ordering::Relaxed);
    }

    /// The same through a shared reference, unless a half, a guard, or another split is there.
    ///
    /// | | `sides` | guards |
    /// |---|---|---|
    /// | before | 0 | 0 |
    /// | meanwhile | `LOCKED` | |
    /// | after | 2 | 0 |
    pub(crate) fn try_split(&self) -> bool {
        // Ordering: acquire, pairs with the release of `leave` by both halves, whose accesses are over.
        let idle = self
            .sides
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        if idle.is_err() {
            return false;
        }
        // Ordering: relaxed, a guard is returned before its half leaves, so `leave` has published it.
        if State(self.word.load(Ordering::Relaxed)).guards() > 0 {
            // A guard was forgotten. Ordering: release, so that the next to try comes after this look.
            self.sides.store(0, Ordering::Release);
            return false;
        }
        self.open(BOTH);
        true
    }

    /// A side does not touch the channel any more; true if the channel is for the caller to free.
    ///
    /// It is the very last access: the other side may free, or split anew, from then on. The dropping half
    /// notifies before it. (Set "gone" and notify after it, and the notifier is used after it was freed.)
    ///
    /// | | `sides` |
    /// |---|---|
    /// | before | n |
    /// | after | n-1 |
    ///
    /// # Safety
    /// `link` is valid; the caller is one of the sides, did not leave before and does not use the channel again
    /// unless it is told to free it.
    pub(crate) unsafe fn leave(link: *const Self) -> bool {
        // Ordering: release so that this side's accesses come before, acquire so that the other side's come
        // before the channel is freed. It goes through a raw pointer, to the atomic only: a reference to the
        // whole would be promised to stay valid until this returns.
        // SAFETY: the channel is there until this side has left.
        let before = unsafe { (*link).sides.fetch_sub(1, Ordering::AcqRel) };
        before == OWNED | 1
    }

    /// A borrower was cloned.
    pub(crate) fn add_borrower(&self) {
        // Ordering: relaxed, as `Arc`: the clone reaches another thread by what the caller does.
        let before = self.borrowers.fetch_add(1, Ordering::Relaxed);
        if before >= MAX_BORROWERS {
            abort();
        }
    }

    /// A borrower is dropped: true for the last one, which has to say so. For the others it is the last access.
    ///
    /// # Safety
    /// `link` is valid; the caller is a borrower and does not use the channel again unless it was the last.
    pub(crate) unsafe fn remove_borrower(link: *const Self) -> bool {
        // Ordering: release and acquire, as `Arc`: what any borrower did comes before what the last one does,
        // which may be to free the channel.
        // SAFETY: the borrowers' side has not left while there is a borrower.
        unsafe { (*link).borrowers.fetch_sub(1, Ordering::AcqRel) == 1 }
    }

    // ----- the lender --------------------------------------------------------------------------------------

    /// The word, for a half that acts upon it.
    #[inline(always)]
    pub(crate) fn look(&self) -> State {
        // Ordering: acquire. Of a return: the guard's accesses to the value come before the lender's, and the
        // guard's read of the pointer before the next write. Of a claim: that earlier notifications are over (see
        // `Slot`). Of "gone": all that the other half did.
        State(self.word.load(Ordering::Acquire))
    }

    /// The word, for information only.
    #[inline(always)]
    pub(crate) fn glance(&self) -> State {
        // Ordering: relaxed, nothing is accessed because of it.
        State(self.word.load(Ordering::Relaxed))
    }

    /// Publishes the pointer that the lender has written: see [`State::offered`].
    #[inline(always)]
    pub(crate) fn offer(&self, terms: Terms, arm: Option<Key>, wake: Wake) -> Result<(), Refusal> {
        // Should a notifier not run the transition, nothing is offered.
        let mut outcome = Err(Refusal::Withdrawn);
        let transition = || {
            let mut state = self.look();
            loop {
                let next = match state.offered(terms, arm) {
                    Ok(next) => next,
                    Err(why) => {
                        outcome = Err(why);
                        return None;
                    }
                };
                // Ordering: release, the pointer and the value come before, for the borrower that takes it, and so
                // does the lender's registration; acquire, for the borrower's registration that this claims. On
                // failure relaxed: a refused lender looks again before it goes on.
                match self
                    .word
                    .compare_exchange_weak(state.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
                {
                    Ok(_) => {
                        outcome = Ok(());
                        return state.borrower_notice::<N>(wake);
                    }
                    Err(now) => state = State(now),
                }
            }
        };
        // SAFETY: this is the lender, and nobody else notifies the one borrower; see the head of this file.
        unsafe { self.borrower.notify_with(transition) };
        outcome
    }

    /// Says "the lender waits" if it still has to, as `pending` says: see [`State::lender_armed`]. Returns the
    /// state after that.
    pub(crate) fn arm_lender(&self, key: Key, what: Awaits, pending: impl Fn(State) -> bool) -> State {
        // Ordering: release, the registration comes before, for whoever claims it; acquire on failure, as in `look`.
        let step = self.word.fetch_update(Ordering::Release, Ordering::Acquire, |word| {
            let state = State(word);
            pending(state).then(|| state.lender_armed(key, what).0)
        });
        match step {
            Ok(before) => State(before).lender_armed(key, what),
            Err(word) => State(word),
        }
    }

    /// Takes back "the lender waits": the registration, if nobody had claimed it.
    ///
    /// | | lender's bits |
    /// |---|---|
    /// | before | any |
    /// | after | 0 |
    pub(crate) fn disarm_lender(&self) -> Option<Key> {
        // Ordering: acquire, if it was claimed: as in `look`. Not release: there is nothing to publish.
        State(self.word.fetch_and(!LENDER_BITS, Ordering::Acquire)).lender_key()
    }

    /// Takes the offer down, and returns what was before: see [`State::withdrawn`].
    pub(crate) fn withdraw(&self) -> State {
        // Ordering: acquire, as in `look`: a loan that is back may be what this finds.
        State(self.word.fetch_and(State(!0).withdrawn().0, Ordering::Acquire))
    }

    /// Leaves a box to the last guard, which calls `free` with `place`; false if no guard is out, then the box
    /// is still the lender's, who [looks](Self::look) before it touches that. See [`State::handed_over`].
    #[cfg(feature = "alloc")]
    pub(crate) fn hand_over(&self, free: unsafe fn(*const ()), place: *const ()) -> bool {
        // SAFETY: the lender writes here, and a guard reads only between the step below and the return of the
        // last guard. No box was handed over before and is still out, for then there was no new offer.
        self.disposal
            .with_mut(|disposal| unsafe { *disposal = Some(Disposal { free, place }) });
        // Ordering: release, for the line above. If the loan is back, the caller looks before it touches the value.
        let before = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            Some(State(word).handed_over().0)
        });
        before.is_ok_and(|before| State(before).guards() > 0)
    }

    /// The lender is dropped: a stale offer comes down and every borrower is told.
    ///
    /// | | `OFFER`, terms | `LENDER_GONE` | borrower's bits |
    /// |---|---|---|---|
    /// | before | any | 0 | any |
    /// | after | 0 | 1 | 0: claimed |
    pub(crate) fn set_lender_gone(&self) {
        let transition = || {
            // Ordering: release, all that the lender did comes before, for a borrower that learns of it;
            // acquire, for the borrower's registration that this claims.
            let step = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                Some(State(word).withdrawn().0 & !BORROWER_BITS | LENDER_GONE)
            });
            step.ok()
                .and_then(|before| State(before).borrower_notice::<N>(Wake::All))
        };
        // SAFETY: as in `offer`.
        unsafe { self.borrower.notify_with(transition) };
    }

    // ----- the borrowers -----------------------------------------------------------------------------------

    /// Takes what was offered to a borrower that waits and has been told so, as it usually is; false if it is not so.
    #[inline(always)]
    pub(crate) fn take_granted(&self, exclusive: bool) -> bool {
        let state = self.look();
        state.is_granted(exclusive) && self.step(state, state.taken(true)).is_ok()
    }

    /// Waits for an offer, as a borrower that does not wait yet usually has to; false if it is not so.
    #[inline(always)]
    pub(crate) fn request(&self, key: Key) -> bool {
        let state = self.look();
        let arm = if N::MANY { None } else { Some(key) };
        state.is_quiet() && self.step(state, state.requested(false, arm)).is_ok()
    }

    /// Takes what is offered; else, without a request, says how it is. See [`State::taken`].
    ///
    /// `counted` is whether the borrower's request is, and is kept right.
    pub(crate) fn take(&self, counted: &mut bool, exclusive: bool) -> Asked {
        let mut state = self.look();
        loop {
            let Some(next) = state.taken_or_gone(*counted, exclusive) else {
                let armed = state.borrower_key();
                return Asked::Waits { armed };
            };
            match self.step(state, next) {
                Ok(()) => {
                    *counted = false;
                    return Asked::ended(state, exclusive);
                }
                Err(now) => state = now,
            }
        }
    }

    /// Takes what is offered, else waits for it: see [`State::taken`] and [`State::requested`].
    ///
    /// `counted` is whether the borrower's request is, and is kept right.
    pub(crate) fn ask(&self, counted: &mut bool, arm: Option<Key>, exclusive: bool) -> Asked {
        let arm = arm.filter(|_| !N::MANY);
        let mut outcome = Asked::Waits { armed: None };
        let transition = || {
            let mut state = self.look();
            loop {
                let done = state.taken_or_gone(*counted, exclusive);
                let next = done.unwrap_or_else(|| state.requested(*counted, arm));
                // A request that is counted already, and no registration, say nothing new.
                let is_news = done.is_some() || !*counted || arm.is_some();
                let step = if is_news { self.step(state, next) } else { Ok(()) };
                match step {
                    Ok(()) if done.is_some() => {
                        *counted = false;
                        outcome = Asked::ended(state, exclusive);
                        return None;
                    }
                    Ok(()) => {
                        *counted = true;
                        let armed = next.borrower_key();
                        outcome = Asked::Waits { armed };
                        return state.lender_notice(next);
                    }
                    Err(now) => state = now,
                }
            }
        };
        // SAFETY: this is a borrower; where there may be others the notifier is one of many waiters, or else
        // see the head of this file.
        unsafe { self.lender.notify_with(transition) };
        outcome
    }

    /// One step of a borrower or a guard.
    #[inline(always)]
    fn step(&self, from: State, to: State) -> Result<(), State> {
        // Ordering: acquire. A take: the pointer and the value that the offer published. A request or a return:
        // the lender's registration that it claims, and, for the last guard, the other guards' accesses.
        // Release. A request: this borrower's registration. A return: the accesses to the value. On failure
        // acquire: the next try acts upon what this one saw.
        self.word
            .compare_exchange_weak(from.0, to.0, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(State)
    }

    /// Takes back "the borrower waits": the registration, if the lender had not claimed it.
    ///
    /// | | borrower's bits |
    /// |---|---|
    /// | before | any |
    /// | after | 0 |
    pub(crate) fn disarm_borrower(&self) -> Option<Key> {
        if N::MANY {
            return None;
        }
        // Ordering: acquire, if it was claimed: as in `look`. Not release: there is nothing to publish.
        State(self.word.fetch_and(!BORROWER_BITS, Ordering::Acquire)).borrower_key()
    }

    /// Takes a request back: see [`State::given_up`]. Passes on the wake that it may have had.
    pub(crate) fn give_up(&self, exclusive: bool) {
        let mut after = State(0);
        let transition = || {
            // Ordering: acquire, for the lender's registration that this may claim; release, for a claim tells of the
            // wakes before it (see `Slot`).
            let step = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                Some(State(word).given_up().0)
            });
            let before = State(step.ok()?);
            after = before.given_up();
            before.lender_notice(after)
        };
        // SAFETY: as in `ask`.
        unsafe { self.lender.notify_with(transition) };
        self.pass_on(after, exclusive);
    }

    /// Wakes the next of many borrowers if an offer is up that nobody who was woken will take.
    fn pass_on(&self, state: State, exclusive: bool) {
        if N::MANY && state.is_available(exclusive) && state.requests() > 0 {
            // SAFETY: a notifier of many waiters accepts that from anybody at any time.
            unsafe {
                self.borrower.notify(Notice {
                    wake: Wake::One,
                    key: Key::default(),
                });
            }
        }
    }

    /// The last borrower is dropped, and the lender is told.
    ///
    /// | | `BORROWERS_GONE` | lender's bits |
    /// |---|---|---|
    /// | before | 0 | any |
    /// | after | 1 | 0: claimed |
    pub(crate) fn set_borrowers_gone(&self) {
        let gone = |before: State| State(before.lender_claimed().0 | BORROWERS_GONE);
        let transition = || {
            // Ordering: release, all that the borrowers did comes before, for a lender that learns of it;
            // acquire, for the lender's registration that this claims.
            let step = self
                .word
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| Some(gone(State(word)).0));
            let before = State(step.ok()?);
            before.lender_notice(gone(before))
        };
        // SAFETY: as in `ask`.
        unsafe { self.lender.notify_with(transition) };
    }

    // ----- the guards --------------------------------------------------------------------------------------

    /// A guard was cloned or split.
    ///
    /// | | guards |
    /// |---|---|
    /// | before | g > 0 |
    /// | after | g+1 |
    pub(crate) fn add_guard(&self) {
        // Ordering: relaxed, the guard that it is made of keeps the loan up.
        let before = State(self.word.fetch_add(GUARD, Ordering::Relaxed));
        if before.guards() >= MAX_GUARDS {
            abort();
        }
    }

    /// A guard is dropped: see [`State::returned`].
    #[inline]
    pub(crate) fn give_back(&self) {
        let state = self.look();
        // The usual one, at the first attempt.
        if !state.is_usual_return() || self.return_usual(state).is_err() {
            self.give_back_unusual();
        }
    }

    #[inline]
    fn return_usual(&self, state: State) -> Result<(), State> {
        let mut step = Ok(());
        let transition = || {
            let next = state.usually_returned();
            debug_assert!(next == state.returned());
            step = self.step(state, next);
            step.ok().and_then(|()| state.lender_notice(next))
        };
        // SAFETY: as in `ask`; of the guards of one borrower only the last comes here.
        unsafe { self.lender.notify_with(transition) };
        step
    }

    #[cold]
    fn give_back_unusual(&self) {
        let mut state = self.look();
        // Not the last: nobody is told. Kept apart, for only the last one may be in `notify_with`.
        while state.guards() > 1 {
            match self.step(state, state.returned()) {
                Ok(()) => return,
                Err(now) => state = now,
            }
        }
        if self.give_back_last(state, false).is_err() {
            self.dispose_and_give_back();
        }
    }

    /// The box is freed before the loan is over, for then the lender may lend, and write the pointer, again.
    #[cold]
    fn dispose_and_give_back(&self) {
        /// The loan is over even if the destructor of the value panics.
        struct Finally<'a, N: Notifier>(&'a Link<N>);
        impl<N: Notifier> Drop for Finally<'_, N> {
            fn drop(&mut self) {
                let _ = self.0.give_back_last(self.0.look(), true);
            }
        }
        let _finally = Finally(self);
        // SAFETY: `HANDED_OVER` was seen with acquire, so the write is over, and no other guard is left to read.
        let disposal = self.disposal.with_mut(|disposal| unsafe { (*disposal).take() });
        if let Some(Disposal { free, place }) = disposal {
            // SAFETY: `hand_over`'s caller gave both, and gave up the box; this is the last guard.
            unsafe { free(place) };
        }
    }

    /// What is left of [`Link::give_back`] for the last guard, unless it has to free a box first.
    fn give_back_last(&self, mut state: State, disposed: bool) -> Result<(), ()> {
        let mut must_dispose = false;
        let mut after = State(0);
        let transition = || {
            loop {
                if state.guards() == 1 && state.has(HANDED_OVER) && !disposed {
                    must_dispose = true;
                    return None;
                }
                let next = state.returned();
                match self.step(state, next) {
                    Ok(()) => {
                        after = next;
                        return state.lender_notice(next);
                    }
                    Err(now) => state = now,
                }
            }
        };
        // SAFETY: as in `ask`; of the guards of one borrower only the last comes here.
        unsafe { self.lender.notify_with(transition) };
        if must_dispose {
            return Err(());
        }
        // An exclusive offer that stays up is the next borrower's now.
        if after.has(OPEN) && after.guards() == 0 {
            self.pass_on(after, true);
        }
        Ok(())
    }
}

impl<N> fmt::Debug for Link<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: relaxed, for information only.
        State(self.word.load(Ordering::Relaxed)).fmt(f)
    }
}

/// A count overflowed, which takes leaked guards or borrowers by the million. To go on would be unsound.
#[cold]
fn abort() -> ! {
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
