//! The link: the state word as an atomic, and beside it all of a channel that does not depend on what is lent.
//!
//! All atomics of the channel are here, and each step is one read-modify-write that makes of the word what a function of
//! [`State`] says.
//!
//! # Notifications never overlap
//!
//! A notifier of one waiter is promised that ([`Notifier::notify_with`]). Whoever notifies the lender is the
//! one borrower, through `&mut`, or the last guard of a loan, for which that borrower stays mutably borrowed
//! until the guard's drop is over. Whoever notifies the borrower is the lender, through `&mut`.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::task::Poll;

use super::word::{Asked, Awaits, MAX_BORROWERS, MAX_GUARDS, Refusal, State, Terms, Turn, abort};
use crate::notifier::{Key, Notice, Notifier, Wake};
use crate::sync::{AtomicU8, AtomicUsize, Ledger, Ordering, UnsafeCell, Word, const_unless_loom};

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
    /// How many borrowers there are, in units of [`BORROWER`], and how many of them starve, in units of [`STARVER`].
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

// `borrowers`: two counts, neither of which is ever more than `MAX_BORROWERS`, which is less than half of the bits.
const BORROWER: usize = 1;
const STARVER: usize = 1 << (usize::BITS / 2);

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
        // Ordering: relaxed, all three. The caller passes the halves on, which synchronises. The next split happens after them
        // because of `leave`.
        self.word.store(0, Ordering::Relaxed);
        self.borrowers.store(BORROWER, Ordering::Relaxed);
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
        /// Then the channel can be split another time.
        struct Unlock<'a, N>(&'a Link<N>);
        impl<N> Drop for Unlock<'_, N> {
            fn drop(&mut self) {
                // Ordering: release, so that the next to try comes after this one.
                self.0.sides.store(0, Ordering::Release);
            }
        }
        let unlock = Unlock(self);
        // Ordering: relaxed, a guard is returned before its half leaves, so `leave` has published it.
        if State(self.word.load(Ordering::Relaxed)).guards() > 0 {
            // A guard was forgotten.
            return false;
        }
        // Drops the wakers that the last halves had to leave behind because a wake was in progress: see `Slot::vacate`. A waker
        // may panic in its drop.
        // SAFETY: no half is there.
        unsafe { (self.lender.vacate(), self.borrower.vacate()) };
        core::mem::forget(unlock);
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
        let before = self.borrowers.fetch_add(BORROWER, Ordering::Relaxed);
        if before % STARVER >= MAX_BORROWERS {
            abort();
        }
    }

    /// A borrower is dropped: true for the last one, which has to say so. For the others it is the last access.
    ///
    /// # Safety
    /// `link` is valid; the caller is a borrower and does not use the channel again unless it was the last.
    pub(crate) unsafe fn remove_borrower(link: *const Self) -> bool {
        // Ordering: release and acquire, as `Arc`: what any borrower did comes before what the last one does,
        // which may be to free the channel. A borrower that is dropped starves no more, so of the last one nothing is left.
        // SAFETY: the borrowers' side has not left while there is a borrower.
        unsafe { (*link).borrowers.fetch_sub(BORROWER, Ordering::AcqRel) == BORROWER }
    }

    // ----- the lender --------------------------------------------------------------------------------------

    /// The word, for a half that acts on it.
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
        self.view().glance()
    }

    /// The word alone, which does not depend on the notifier.
    pub(crate) fn view(&self) -> View<'_> {
        View(&self.word)
    }

    /// Publishes the pointer that the lender has written: see [`State::offered`].
    #[inline(always)]
    pub(crate) fn offer(&self, terms: Terms, arm: Option<Key>, wake: Wake) -> Result<(), Refusal> {
        // Should a notifier not run the transition, nothing is offered.
        let mut outcome = Err(Refusal::Withdrawn);
        let transition = || {
            let mut state = self.look();
            loop {
                let next = match state.offered::<N>(terms, arm) {
                    Ok(next) => next,
                    Err(why) => {
                        outcome = Err(why);
                        return None;
                    }
                };
                // Ordering: release, so that the borrower that takes the offer sees the pointer and the value, and whoever
                // claims the lender's registration sees that; acquire, for the borrower's registration that this claims.
                // On failure relaxed: a refused lender looks again before it goes on.
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
        // SAFETY: this is the lender, and only the lender notifies a single borrower; see the top of this file.
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

    /// Takes back "the lender waits": the registration, if nobody had claimed it. See [`State::lender_disarmed`].
    pub(crate) fn disarm_lender(&self) -> Option<Key> {
        // Ordering: acquire, if it was claimed: as in `look`. Not release: there is nothing to publish.
        State(self.word.fetch_and(State(!0).lender_disarmed().0, Ordering::Acquire)).lender_key()
    }

    /// The result of the lender's [`look`](crate::wait::Wait::look) at a state: at the end of a wait it takes its registration back.
    pub(crate) fn end_look<O>(&self, seen: State, ending: Poll<O>) -> (Poll<O>, Option<Key>) {
        let armed = seen.lender_key();
        match ending {
            Poll::Ready(_) => (ending, armed.and_then(|_| self.disarm_lender())),
            Poll::Pending => (ending, armed),
        }
    }

    /// Takes the offer down, and returns what was before: see [`State::withdrawn`].
    pub(crate) fn withdraw(&self) -> State {
        // Ordering: relaxed. The lender looks, with acquire, before it acts on what this has found.
        let step = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some(State(word).withdrawn().0)
        });
        State(step.unwrap_or_else(|word| word))
    }

    /// Leaves a heap value to the last guard, which calls `free` with `place`. Returns false if no guard is out: then the value
    /// still belongs to the lender, which has to [look](Self::look) before it touches it. See [`State::handed_over`].
    #[cfg(feature = "alloc")]
    pub(crate) fn hand_over(&self, free: unsafe fn(*const ()), place: *const ()) -> bool {
        // SAFETY: the lender writes here, and a guard reads only between the step below and the return of the
        // last guard. No box was handed over before and is still out, for then there was no new offer.
        self.disposal
            .with_mut(|disposal| unsafe { *disposal = Some(Disposal { free, place }) });
        // Ordering: release, for the write above. If the loan is back, the caller looks before it touches the value.
        let before = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            Some(State(word).handed_over().0)
        });
        before.is_ok_and(|before| State(before).guards() > 0)
    }

    /// The lender is dropped: a stale offer comes down and every borrower is told. See [`State::lender_left`].
    pub(crate) fn set_lender_gone(&self) {
        let transition = || {
            // Ordering: release, so that a borrower that learns of it sees everything the lender did; acquire, for the
            // borrower's registration that this claims.
            let step = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                Some(State(word).lender_left::<N>().0)
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
        state.is_granted(exclusive) && self.step(state, state.usually_taken()).is_ok()
    }

    /// A newcomer has to wait for an exclusive loan of others, in the state that was `seen`, and may [`request`](Self::request) it.
    #[inline]
    pub(crate) fn is_for_others(&self, seen: State) -> bool {
        // As in `taken_where_none_starves`: if the bit is stale, the loan is for whoever comes.
        N::MANY && seen.is_for_others() && (seen.guards() > 0 || self.starvers() > 0)
    }

    /// Waits for an offer, as a borrower that does not wait yet usually has to; false if the state is not as it
    /// was `seen` any more: [quiet](State::is_quiet), or [for others](Self::is_for_others).
    #[inline(always)]
    pub(crate) fn request(&self, seen: State, key: Key) -> bool {
        let arm = if N::MANY { None } else { Some(key) };
        self.step(seen, seen.requested(Turn::Newcomer, arm)).is_ok()
    }

    /// Takes what is offered; else, without a request, says how it is. See [`State::taken`].
    pub(crate) fn take(&self, turn: &mut Turn, exclusive: bool) -> Asked {
        let mut state = self.look();
        loop {
            let Some(next) = self.taken_or_gone(state, *turn, exclusive) else {
                let armed = state.borrower_key();
                return Asked::Waits { armed };
            };
            match self.step(state, next) {
                Ok(()) => return self.end_turn(turn, state, next, exclusive),
                Err(now) => state = now,
            }
        }
    }

    /// Takes what is offered, else waits for it: see [`State::taken`] and [`State::requested`].
    pub(crate) fn ask(&self, turn: &mut Turn, arm: Option<Key>, exclusive: bool) -> Asked {
        let arm = arm.filter(|_| !N::MANY);
        let mut outcome = Asked::Waits { armed: None };
        // What the borrower remembers is changed in here, before the lender is woken, because that may panic.
        let transition = || {
            let mut state = self.look();
            loop {
                let done = self.taken_or_gone(state, *turn, exclusive);
                let next = done.unwrap_or_else(|| state.requested(*turn, arm));
                // Writing the same word again would tell the other half nothing.
                let step = if next == state { Ok(()) } else { self.step(state, next) };
                match step {
                    Ok(()) if done.is_some() => {
                        outcome = self.end_turn(turn, state, next, exclusive);
                        return None;
                    }
                    Ok(()) => {
                        *turn = (*turn).max(Turn::Asked);
                        let armed = next.borrower_key();
                        outcome = Asked::Waits { armed };
                        return state.lender_notice(next);
                    }
                    Err(now) => state = now,
                }
            }
        };
        // SAFETY: this is a borrower. If there may be others, the notifier is one of many waiters; otherwise see the top of
        // this file.
        unsafe { self.lender.notify_with(transition) };
        outcome
    }

    /// What a borrower does that need not wait: see [`State::taken_or_gone`].
    #[inline(always)]
    fn taken_or_gone(&self, state: State, turn: Turn, exclusive: bool) -> Option<State> {
        let next = state.taken_or_gone(turn, exclusive);
        if N::MANY && next.is_none() && state.is_available(exclusive) {
            return self.taken_where_none_starves(state, turn);
        }
        next
    }

    /// A loan is there, but the word says that it is for others. Those who starved may have given up since. That does not clear
    /// the bit, and without this check nobody would come for the loan.
    #[cold]
    fn taken_where_none_starves(&self, state: State, turn: Turn) -> Option<State> {
        // The bit stays: whoever begins to starve at this moment counts on it. It is taken down by `sate`.
        (self.starvers() == 0).then(|| state.taken(turn))
    }

    /// How many borrowers starve.
    fn starvers(&self) -> usize {
        // Ordering: relaxed. A borrower is counted before it sets the bit, so whoever has seen the bit has seen the count. A borrower
        // that no longer starves may still be counted, but it will wake another one.
        self.borrowers.load(Ordering::Relaxed) / STARVER
    }

    /// A borrower has taken, or was told that the lender is gone. Returns what that means to it.
    #[inline(always)]
    fn end_turn(&self, turn: &mut Turn, before: State, after: State, exclusive: bool) -> Asked {
        let ended = Asked::ended(before, exclusive);
        if core::mem::take(turn) == Turn::Starving {
            self.starve_no_more();
        }
        if after.is_starving() && after.guards() > 0 {
            self.sate();
        }
        ended
    }

    /// A borrower was woken, but the loan was gone: it will not be beaten to the next one. See [`State::starved`].
    ///
    /// The borrower looks again after this.
    pub(crate) fn mark_starving(&self, turn: &mut Turn) {
        if *turn == Turn::Starving {
            return;
        }
        *turn = Turn::Starving;
        // Ordering: relaxed, the next line publishes it.
        self.borrowers.fetch_add(STARVER, Ordering::Relaxed);
        // Ordering: release, pairs with the acquire of `sate`, which has to see the count if it takes this bit down. It is a
        // step of its own even where the bit is there already.
        self.word.fetch_or(State(0).starved().0, Ordering::Release);
    }

    /// That borrower was counted as starving.
    #[cold]
    fn starve_no_more(&self) {
        // Ordering: relaxed, whoever still sees the old count lets newcomers wait for one loan more.
        self.borrowers.fetch_sub(STARVER, Ordering::Relaxed);
    }

    /// Lets newcomers in again if nobody starves: see [`State::sated`].
    ///
    /// Called by the borrower that has just taken the exclusive loan, so nobody can take while the bit is clear by mistake.
    #[cold]
    fn sate(&self) {
        if self.starvers() > 0 {
            return;
        }
        // Ordering: acquire, pairs with the release of `mark_starving`: of a bit that this takes down the count is seen.
        self.word.fetch_and(State(!0).sated().0, Ordering::Acquire);
        if self.starvers() > 0 {
            // Ordering: relaxed, it restores what was there; the return of the loan publishes it.
            self.word.fetch_or(State(0).starved().0, Ordering::Relaxed);
        }
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

    /// Takes back "the borrower waits": the registration, if the lender had not claimed it. See
    /// [`State::borrower_disarmed`].
    pub(crate) fn disarm_borrower(&self) -> Option<Key> {
        if N::MANY {
            return None;
        }
        // Ordering: acquire, if it was claimed: as in `look`. Not release: there is nothing to publish.
        State(self.word.fetch_and(State(!0).borrower_disarmed().0, Ordering::Acquire)).borrower_key()
    }

    /// Takes a request back: see [`State::given_up`]. Passes on the wake that it may have had.
    pub(crate) fn give_up(&self, turn: Turn, exclusive: bool) {
        if turn == Turn::Starving {
            self.starve_no_more();
        }
        let mut after = State(0);
        let transition = || {
            // Ordering: acquire, for the lender's registration that this may claim; release, because a claim tells of the
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

    /// Wakes the next of many borrowers if an offer is up that no woken borrower is going to take.
    fn pass_on(&self, state: State, exclusive: bool) {
        if N::MANY && state.is_unanswered(exclusive) {
            // SAFETY: a notifier of many waiters accepts this from any thread at any time.
            unsafe {
                self.borrower.notify(Notice {
                    wake: Wake::One,
                    key: Key::default(),
                });
            }
        }
    }

    /// The last borrower is dropped, and the lender is told. See [`State::borrowers_left`].
    pub(crate) fn set_borrowers_gone(&self) {
        let transition = || {
            // Ordering: release, so that a lender that learns of it sees everything the borrowers did; acquire, for the
            // lender's registration that this claims.
            let step = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                Some(State(word).borrowers_left().0)
            });
            let before = State(step.ok()?);
            before.lender_notice(before.borrowers_left())
        };
        // SAFETY: as in `ask`.
        unsafe { self.lender.notify_with(transition) };
    }

    // ----- the guards --------------------------------------------------------------------------------------

    /// A guard was cloned or split: see [`State::guard_added`].
    pub(crate) fn add_guard(&self) {
        // Ordering: relaxed, the guard that it is made of keeps the loan up.
        let before = State(self.word.fetch_add(State(0).guard_added().0, Ordering::Relaxed));
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
        // Not the last guard: the lender is not told. This is kept apart because only the last guard may call `notify_with`.
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
                if state.must_dispose() && !disposed {
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
        self.pass_on(after, true);
        Ok(())
    }
}

impl<N> fmt::Debug for Link<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        View(&self.word).glance().fmt(f)
    }
}

/// The state of a channel, for information only.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(&'a Word);

impl View<'_> {
    #[inline(always)]
    pub(crate) fn glance(self) -> State {
        // Ordering: relaxed, nothing is accessed because of it.
        State(self.0.load(Ordering::Relaxed))
    }
}
