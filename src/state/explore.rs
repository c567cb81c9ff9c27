//! Runs the pure transitions over every reachable state of one lender and a few borrowers, in every interleaving.
//!
//! A step is one read-modify-write of the crate, one load of the word, or one call of a notifier. The transitions themselves
//! are those of [`State`]. Only the order in which they are called is repeated here. In the crate, that is the job of `Loan`
//! and `Watch` on the lender's side, and of `Requester`, `Request` and `Link` on the borrowers' side.
//!
//! Borrowers are interchangeable, so each state is stored with its borrowers sorted. A borrower's number in a printed path is
//! therefore only its position in the preceding state.
//!
//! Not covered: memory orderings, panicking wakers and the internals of the notifiers, which loom and Miri check; the order in
//! which a notifier wakes, since any waiter may be woken here; overflowing counts; keys other than the usual one; leaked
//! guards; borrowers that are cloned later.

extern crate alloc;
extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use core::hash::{BuildHasherDefault, Hash, Hasher};
use core::marker::PhantomData;
use std::collections::HashMap;
use std::eprintln;

use super::word::{Awaits, Refusal, State, Terms, Turn};
use crate::notifier::{Key, Notifier, Wake, WakerQueue, WakerSlot};

const KEY: Key = Key(false);
const MAX: usize = 3;

/// The progress of a borrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In no call: it waits, holds guards, or does nothing.
    Rest,
    /// It has looked in vain. Many: next it checks whether it is still registered.
    Looked,
    /// It was woken, and looks as a woken borrower.
    LookWoken,
    /// It was woken in vain: the two steps of `mark_starving`.
    MarkCount,
    MarkBit,
    Register,
    Ask,
    /// A blocking call that has not registered yet.
    SpinDisarm,
    SpinAsk,
    Spin,
    /// A loan is available, but reserved for others. Next it checks how many borrowers starve, and then acts on the result.
    Doubt,
    DoubtTake,
    DoubtAsk,
    /// The end of a turn: it is no longer starving, and admits newcomers again.
    EndCount,
    EndCountSate,
    Sate,
    SateDown,
    SateLook,
    SateUp,
    Deregister,
    /// The wait has ended without a loan.
    Cancel,
    CancelDeregister,
    CancelCount,
    GiveUp,
    PassOn,
    /// The box is freed, and the guard is still out.
    Disposed,
    /// The last borrower has left.
    Tell,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    None,
    /// It has not been notified.
    Here,
    /// A wake is on its way to the borrower.
    Notified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Borrower {
    at: At,
    turn: Turn,
    registration: Registration,
    /// It has a future that will be polled when it is woken. Otherwise its request is that of a forgotten future.
    wants: bool,
    /// The registration belongs to a forgotten future.
    old: bool,
    guards: u8,
    /// In doubt: the word that it saw, and the call that it is in.
    seen: usize,
    call: Call,
}

const NOBODY: Borrower = Borrower {
    at: At::Gone,
    turn: Turn::Newcomer,
    registration: Registration::None,
    wants: false,
    old: false,
    guards: 0,
    seen: 0,
    call: Call::Look,
};

/// The calls of [`Link`](super::Link) that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// `take`, in a poll.
    Look,
    /// `take`, by a borrower that was woken.
    LookWoken,
    /// `take`, in a blocking call, before and after its first step.
    SpinFirst,
    Spin,
    /// `ask`, with and without a registration.
    Ask,
    AskUnregistered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Start,
    Behind,
    Offered,
    Taken,
    Watching,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LenderAt {
    Rest,
    /// It has looked and is registered. Next it offers, or says that it waits.
    Act,
    /// It is about to block, and is still registered as a future.
    Disarm,
    /// The loan is over, and its remains are taken down.
    EndWithdraw,
    EndDisarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lender {
    phase: Phase,
    at: LenderAt,
    terms: Terms,
    boxed: bool,
    /// It is on offer while the lender does something else, as in `serve_while`.
    detached: bool,
    /// Its registration was claimed, and it has not been polled since.
    woken: bool,
    /// How many borrowers it still has to wake: none (0), one (1) or all (2).
    notice: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct World {
    word: usize,
    starvers: u8,
    /// A box was handed over and has not been freed yet.
    box_out: bool,
    /// `sate` has set `STARVING` again just after the last request ended. The next turn that ends clears it.
    stale: bool,
    lender: Lender,
    borrowers: [Borrower; MAX],
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_usize(self.word);
        hasher.write_u64(self.lender.key() << 8 | u64::from(self.starvers) << 2 | u64::from(self.box_out) << 1);
        for b in &self.borrowers {
            let (key, seen) = b.key();
            hasher.write_u64(key);
            hasher.write_usize(seen);
        }
    }
}

/// Much faster than the default hasher in unoptimised builds.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

/// The actor, and what it does.
type Label = (u8, &'static str);
const LENDER: u8 = u8::MAX;

impl Lender {
    fn key(self) -> u64 {
        let flags = u64::from(self.detached) << 4
            | u64::from(self.boxed) << 3
            | u64::from(self.woken) << 2
            | u64::from(self.notice);
        (self.phase as u64) << 16 | (self.at as u64) << 12 | (self.terms as u64) << 8 | flags
    }
}

impl Borrower {
    /// Includes every field, for sorting and hashing.
    fn key(self) -> (u64, usize) {
        let flags = u64::from(self.wants) << 5 | u64::from(self.old) << 4 | u64::from(self.guards);
        let most = (self.at as u64) << 24 | (self.turn as u64) << 20 | (self.registration as u64) << 16;
        (most | (self.call as u64) << 8 | flags, self.seen)
    }

    /// Whether it is counted as starving.
    fn is_counted_as_starving(self) -> bool {
        match self.at {
            At::EndCount | At::EndCountSate => true,
            At::GiveUp => false,
            _ => self.turn == Turn::Starving,
        }
    }

    /// Whether it starves, has set the flag, and is not giving up.
    fn may_not_be_beaten(self) -> bool {
        self.turn == Turn::Starving
            && self.wants
            && !matches!(self.at, At::MarkBit | At::Cancel | At::CancelDeregister | At::GiveUp)
    }

    fn is_present(self) -> bool {
        !matches!(self.at, At::Tell | At::Gone)
    }
}

impl World {
    fn state(&self) -> State {
        State(self.word)
    }

    /// Whether no wake is on its way to a borrower, and no borrower is in a call.
    fn is_quiet(&self) -> bool {
        self.lender.notice == 0
            && self
                .borrowers
                .iter()
                .all(|b| matches!(b.at, At::Rest | At::Gone) && b.registration != Registration::Notified)
    }

    /// Mirrors `Loan::ending` and `Watch::ending`.
    fn ending(&self) -> Option<Result<(), Refusal>> {
        let state = self.state();
        let refused = |why| {
            Some(Err(if state.borrowers_gone() {
                Refusal::Disconnected
            } else {
                why
            }))
        };
        let terms = self.lender.terms;
        match self.lender.phase {
            Phase::Start | Phase::Behind if terms.is_on_request() && state.requests() == 0 => {
                refused(Refusal::NotRequested)
            }
            Phase::Offered if state.is_given_up() => refused(Refusal::NotRequested),
            Phase::Offered if state.is_settled() => Some(Ok(())),
            Phase::Offered if state.borrowers_gone() && state.guards() == 0 => refused(Refusal::Disconnected),
            Phase::Taken if state.guards() == 0 => Some(Ok(())),
            Phase::Watching if state.requests() > 0 => Some(Ok(())),
            Phase::Watching if state.borrowers_gone() => Some(Err(Refusal::Disconnected)),
            _ => None,
        }
    }
}

impl World {
    /// Mirrors `Loan::withdraw`: nobody has taken the loan that it withdraws.
    fn is_refused_by_withdraw(&self) -> bool {
        let state = self.state();
        let unborrowed = state.is_offered() && state.guards() == 0 && !state.is_served();
        matches!(self.ending(), Some(Err(_))) || unborrowed
    }
}

/// Which part to explore, since exploring everything at once would take too long.
#[derive(Clone, Copy, Debug)]
struct What {
    borrowers: usize,
    /// The maximum number of guards per borrower.
    parts: u8,
    /// Borrowers may block.
    block: bool,
    /// Borrowers may forget their futures.
    forget: bool,
    /// The lender makes all of its calls. Otherwise it only lends on plain and open terms, and forgets nothing.
    full: bool,
    /// Futures are only polled after a wake and never dropped early. Borrowers stay, and so does the lender while a borrower
    /// waits.
    calm: bool,
}

struct Explorer<N> {
    exclusive: bool,
    what: What,
    index: HashMap<World, u32, BuildHasherDefault<Fold>>,
    worlds: Vec<World>,
    parents: Vec<(u32, Label)>,
    edges: Vec<(u32, u32)>,
    words: HashMap<usize, (), BuildHasherDefault<Fold>>,
    /// The state whose successors are being computed.
    current: u32,
    label: Label,
    notifier: PhantomData<N>,
}

/// Prints the path to the current state if an assertion fails, either a check here or one inside a transition.
impl<N> Drop for Explorer<N> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_path();
        }
    }
}

impl<N> Explorer<N> {
    fn print_path(&self) {
        let mut path = vec![];
        let mut at = self.current;
        while at != 0 {
            path.push(at);
            at = self.parents[at as usize].0;
        }
        eprintln!("exclusive: {}", self.exclusive);
        for at in path.into_iter().rev() {
            let (who, what) = self.parents[at as usize].1;
            let world = &self.worlds[at as usize];
            if who == LENDER {
                eprintln!("lender: {what}");
            } else {
                eprintln!("borrower {who}: {what}");
            }
            eprintln!("    {:?} starving: {}", world.state(), world.starvers);
            eprintln!("    {:?}", world.lender);
            for b in world.borrowers.iter().filter(|b| b.at != At::Gone) {
                eprintln!("    {b:?}");
            }
        }
        eprintln!("last step: {:?}", self.label);
    }
}

impl<N: Notifier> Explorer<N> {
    fn run(exclusive: bool, what: What) -> Self {
        let mut this = Self {
            exclusive,
            what,
            index: HashMap::default(),
            worlds: vec![],
            parents: vec![],
            edges: vec![],
            words: HashMap::default(),
            current: 0,
            label: (LENDER, "splits"),
            notifier: PhantomData,
        };
        let mut first = World {
            word: 0,
            starvers: 0,
            box_out: false,
            stale: false,
            lender: Lender {
                phase: Phase::Idle,
                at: LenderAt::Rest,
                terms: Terms::Plain,
                boxed: false,
                detached: false,
                woken: false,
                notice: 0,
            },
            borrowers: [NOBODY; MAX],
        };
        first.borrowers[..what.borrowers].fill(Borrower { at: At::Rest, ..NOBODY });
        this.reach(first, LENDER, "splits");
        while (this.current as usize) < this.worlds.len() {
            let world = this.worlds[this.current as usize];
            this.check(&world);
            this.lender(world);
            for i in 0..MAX {
                this.borrower(world, i);
            }
            this.current += 1;
        }
        this.check_way_back();
        this
    }

    fn reach(&mut self, mut world: World, who: u8, what: &'static str) {
        self.label = (who, what);
        world.stale &= world.state().is_starving();
        for (i, j) in [(0, 1), (1, 2), (0, 1)] {
            if world.borrowers[i].key() > world.borrowers[j].key() {
                world.borrowers.swap(i, j);
            }
        }
        let new = self.worlds.len() as u32;
        let id = *self.index.entry(world).or_insert(new);
        if id == new {
            self.worlds.push(world);
            self.parents.push((self.current, self.label));
            if self.words.insert(world.word, ()).is_none() {
                self.check_shortcuts(world.state());
            }
        }
        self.edges.push((self.current, id));
    }

    // ----- what holds in every state -----------------------------------------------------------------------

    fn check(&self, world: &World) {
        let state = world.state();
        let present = world.borrowers.iter().filter(|b| b.at != At::Gone);

        // The counts.
        let counted = world.borrowers.iter().filter(|b| b.turn.is_counted()).count();
        assert_eq!(state.requests(), counted, "requests are not those who wait");
        let guards: usize = world.borrowers.iter().map(|b| usize::from(b.guards)).sum();
        assert_eq!(state.guards(), guards, "guards are not those that are out");
        let starving = present.clone().filter(|b| b.is_counted_as_starving()).count();
        assert_eq!(
            usize::from(world.starvers),
            starving,
            "starving borrowers are not those counted"
        );
        if state.is_starving() {
            assert!(N::MANY && self.exclusive, "STARVING where nobody can be beaten");
            assert!(state.requests() > 0 || world.stale, "STARVING without a request");
        }

        // Soundness.
        if self.exclusive {
            let holders = present.clone().filter(|b| b.guards > 0).count();
            assert!(holders <= 1, "two borrowers have an exclusive loan");
        }
        assert!(!world.box_out || guards > 0, "nobody is left to free the box");
        assert!(!world.box_out || !state.is_offered(), "a new loan while a box is out");

        // Guards can tell whether they are recalled.
        match world.lender.phase {
            Phase::Taken if guards > 0 => {
                assert!(state.is_recalled(), "the lender waits for a guard that does not know")
            }
            Phase::Offered if world.lender.at == LenderAt::Rest => {
                assert!(!state.is_recalled(), "recalled, and still on offer")
            }
            _ => {}
        }

        // The lender does not wait for something that has already happened, because the step that makes it happen also claims
        // the lender.
        let lender = world.lender;
        if lender.at == LenderAt::Rest && !lender.woken && lender.notice == 0 {
            match lender.phase {
                Phase::Idle | Phase::Start | Phase::Gone => {}
                Phase::Offered if lender.detached => {}
                Phase::Behind | Phase::Offered | Phase::Taken | Phase::Watching => {
                    assert!(state.lender_key().is_some(), "the lender waits, and does not say so");
                    assert_eq!(world.ending(), None, "the lender waits for what has happened");
                    assert!(
                        lender.phase != Phase::Behind || !state.is_settled(),
                        "the lender waits for a loan that is over"
                    );
                }
            }
        }

        // No borrower waits for something that is already there.
        let quiet = world.is_quiet();
        for b in present {
            if b.at == At::Rest && b.wants && b.turn.is_counted() && b.guards == 0 {
                let told = if N::MANY { quiet } else { lender.notice == 0 };
                if told && b.registration != Registration::Notified {
                    assert!(
                        b.registration == Registration::Here,
                        "a borrower waits, and is not registered"
                    );
                    assert!(
                        !state.is_available(self.exclusive),
                        "a borrower waits for what is on offer"
                    );
                    assert!(!state.lender_gone(), "a borrower waits for a lender that is gone");
                }
            }
        }
    }

    /// The shortcuts give the same results as the general transitions.
    fn check_shortcuts(&self, state: State) {
        let exclusive = self.exclusive;
        if state.is_granted(exclusive) && state.requests() > 0 {
            assert!(state.admits(Turn::Asked, exclusive), "granted, but not admitted");
            assert!(
                state.usually_taken() == state.taken(Turn::Asked),
                "`usually_taken` differs"
            );
            assert!(
                !state.usually_taken().is_starving(),
                "`usually_taken` would have to sate"
            );
        }
        if state.is_quiet() {
            assert!(!state.is_available(exclusive) && !state.lender_gone(), "quiet, but not");
            assert!(
                state.taken_or_gone(Turn::Newcomer, exclusive).is_none(),
                "quiet, but not"
            );
            let next = state.requested(Turn::Newcomer, None);
            assert!(
                state.lender_notice(next).is_none(),
                "quiet, but a request claims the lender"
            );
            assert!(!next.is_unanswered(exclusive), "quiet, but there is somebody to wake");
        }
        if exclusive && state.is_for_others() {
            assert!(
                state.taken_or_gone(Turn::Newcomer, exclusive).is_none(),
                "for others, but a newcomer may take it"
            );
            let next = state.requested(Turn::Newcomer, None);
            assert!(
                state.lender_notice(next).is_none(),
                "for others, but a request claims the lender"
            );
        }
        if state.is_usual_return() {
            assert!(
                state.usually_returned() == state.returned(),
                "`usually_returned` differs"
            );
            assert!(!state.must_dispose(), "a usual return that frees a box");
            assert!(
                !state.returned().is_unanswered(true),
                "a usual return that wakes somebody"
            );
        }
        if state.is_back() || state.is_idle() {
            assert!(
                state.is_settled() && state.lender_key().is_none(),
                "back or idle, but not"
            );
        }
        // A loan that is back was borrowed, because an offer that was given up ends in a different state.
        assert!(!(state.is_back() && state.is_given_up()), "back, but given up");
    }

    /// From every state, a state can be reached in which nothing is out and the lender is idle.
    fn check_way_back(&mut self) {
        let count = self.worlds.len();
        let mut begins = vec![0_u32; count + 1];
        for &(_, to) in &self.edges {
            begins[to as usize + 1] += 1;
        }
        for i in 0..count {
            begins[i + 1] += begins[i];
        }
        let mut next = begins.clone();
        let mut sources = vec![0_u32; self.edges.len()];
        for &(from, to) in &self.edges {
            sources[next[to as usize] as usize] = from;
            next[to as usize] += 1;
        }
        let mut found = vec![false; count];
        let mut todo = vec![];
        for (i, world) in self.worlds.iter().enumerate() {
            let done = matches!(world.lender.phase, Phase::Idle | Phase::Gone);
            if done && world.state().is_settled() && !world.box_out {
                found[i] = true;
                todo.push(i);
            }
        }
        while let Some(i) = todo.pop() {
            for &from in &sources[begins[i] as usize..begins[i + 1] as usize] {
                if !found[from as usize] {
                    found[from as usize] = true;
                    todo.push(from as usize);
                }
            }
        }
        if let Some(lost) = found.iter().position(|found| !found) {
            self.current = lost as u32;
            panic!("there is no way back");
        }
    }

    // ----- the lender --------------------------------------------------------------------------------------

    fn claimed(&self, world: &mut World, next: State) {
        if world.state().lender_notice(next).is_some() {
            assert!(!world.lender.woken, "the lender is woken twice for one registration");
            world.lender.woken = true;
        }
        world.word = next.0;
    }

    fn lender(&mut self, world: World) {
        self.label = (LENDER, "steps");
        if world.lender.notice > 0 {
            return self.deliver(world);
        }
        match world.lender.at {
            LenderAt::Act => self.lender_act(world),
            LenderAt::Disarm => {
                let mut w = world;
                w.word = w.state().lender_disarmed().0;
                w.lender.woken = false;
                w.lender.at = LenderAt::Act;
                self.reach(w, LENDER, "begins to block");
            }
            LenderAt::EndWithdraw => {
                let mut w = world;
                w.word = w.state().withdrawn().0;
                w.lender.at = LenderAt::EndDisarm;
                self.lender_leaves(w, "withdraws at the end");
            }
            LenderAt::EndDisarm => {
                let mut w = world;
                w.word = w.state().lender_disarmed().0;
                w.lender.at = LenderAt::Rest;
                w.lender.phase = Phase::Idle;
                self.lender_idle(w, "takes its registration back");
            }
            LenderAt::Rest => match world.lender.phase {
                Phase::Idle => self.lender_begins(world),
                Phase::Gone => {}
                _ => self.lender_rests(world),
            },
        }
    }

    /// Delivers the notification of an offer, or of the lender's drop, to the borrowers.
    fn deliver(&mut self, world: World) {
        let mut sent = world;
        sent.lender.notice = 0;
        if world.lender.notice == 1 {
            return self.wake_one(sent, LENDER);
        }
        for b in &mut sent.borrowers {
            if b.registration == Registration::Here {
                b.registration = Registration::Notified;
            }
        }
        self.reach(sent, LENDER, "wakes all");
    }

    /// Wakes any one of the registered borrowers.
    fn wake_one(&mut self, world: World, who: u8) {
        let mut nobody = true;
        for i in 0..MAX {
            if world.borrowers[i].registration == Registration::Here {
                nobody = false;
                let mut w = world;
                w.borrowers[i].registration = Registration::Notified;
                self.reach(w, who, "wakes one");
            }
        }
        if nobody {
            self.reach(world, who, "wakes nobody");
        }
    }

    fn lender_idle(&mut self, mut w: World, what: &'static str) {
        w.lender = Lender {
            phase: w.lender.phase,
            at: LenderAt::Rest,
            terms: Terms::Plain,
            boxed: false,
            detached: false,
            woken: false,
            notice: w.lender.notice,
        };
        self.reach(w, LENDER, what);
    }

    /// The call is over, except for its registration.
    fn lender_leaves(&mut self, mut w: World, what: &'static str) {
        if w.state().lender_key().is_some() {
            w.lender.at = LenderAt::EndDisarm;
            self.reach(w, LENDER, what);
        } else {
            w.lender.phase = Phase::Idle;
            self.lender_idle(w, what);
        }
    }

    /// Mirrors `Loan::end`: the wait is over.
    fn lender_ends(&mut self, mut w: World, what: &'static str) {
        let state = w.state();
        if matches!(w.lender.phase, Phase::Offered | Phase::Taken) {
            assert_eq!(state.guards(), 0, "the loan ends while it is out");
        }
        if matches!(w.lender.phase, Phase::Behind | Phase::Offered) && state.is_offered() {
            w.lender.at = LenderAt::EndWithdraw;
            self.reach(w, LENDER, what);
        } else {
            self.lender_leaves(w, what);
        }
    }

    fn lender_begins(&mut self, world: World) {
        let state = world.state();
        if state.lender_key().is_some() {
            let mut w = world;
            w.word = state.lender_disarmed().0;
            return self.lender_idle(w, "ends a forgotten wait");
        }
        for (terms, boxed) in [
            (Terms::Plain, false),
            (Terms::Plain, true),
            (Terms::OnRequest, false),
            (Terms::Open, false),
            (Terms::Open, true),
            (Terms::OpenOnRequest, false),
        ] {
            let unusual = boxed || terms.is_on_request();
            if boxed && !cfg!(feature = "alloc") || unusual && !self.what.full {
                continue;
            }
            let mut w = world;
            w.lender.phase = if state.is_settled() {
                Phase::Start
            } else {
                Phase::Behind
            };
            w.lender.at = LenderAt::Act;
            w.lender.terms = terms;
            w.lender.boxed = boxed;
            w.lender.woken = false;
            if w.ending().is_some() {
                self.lender_ends(w, "finds that nobody asks");
            } else {
                self.reach(w, LENDER, "begins to lend");
            }
        }
        let mut w = world;
        w.lender.phase = Phase::Watching;
        w.lender.at = LenderAt::Act;
        w.lender.woken = false;
        if self.what.full && w.ending().is_none() {
            self.reach(w, LENDER, "begins to watch");
        }
        if self.what.calm && state.requests() > 0 {
            return;
        }
        let mut w = world;
        w.word = state.lender_left::<N>().0;
        w.lender.phase = Phase::Gone;
        w.lender.notice = 2 * u8::from(state.borrower_notice::<N>(Wake::All).is_some());
        self.lender_idle(w, "is dropped");
    }

    fn lender_act(&mut self, world: World) {
        let state = world.state();
        let over = world.ending().is_some();
        match world.lender.phase {
            Phase::Start => self.lender_offers(world),
            Phase::Behind if state.is_offered() => {
                let mut w = world;
                w.word = state.withdrawn().0;
                self.reach(w, LENDER, "withdraws a forgotten loan");
            }
            Phase::Behind if state.is_settled() => self.lender_offers(world),
            _ if over => self.lender_ends(world, "finds the end as it would wait"),
            phase => {
                let what = match (phase, world.lender.terms) {
                    (Phase::Watching, _) => Awaits::Request,
                    (Phase::Behind, terms) if terms.is_on_request() => Awaits::ReturnOrGivenUp,
                    _ => Awaits::Return,
                };
                let mut w = world;
                w.word = state.lender_armed(KEY, what).0;
                w.lender.at = LenderAt::Rest;
                self.reach(w, LENDER, "waits");
            }
        }
    }

    fn lender_offers(&mut self, world: World) {
        let state = world.state();
        assert!(state.is_settled(), "offers though something is out");
        assert!(!world.box_out, "offers though a box is out");
        let wake = if self.exclusive { 1 } else { 2 };
        let notice = state.borrower_notice::<N>(if wake == 1 { Wake::One } else { Wake::All });
        let open = world.lender.terms == Terms::Open && !world.lender.boxed;
        for (arm, detached) in [(None, false), (Some(KEY), false), (None, true)] {
            if detached && !open || self.what.calm && !detached && arm.is_none() {
                continue;
            }
            let mut w = world;
            w.lender.detached = detached;
            match state.offered::<N>(w.lender.terms, arm) {
                Ok(next) => {
                    w.word = next.0;
                    w.lender.notice = if notice.is_some() { wake } else { 0 };
                    w.lender.phase = Phase::Offered;
                    w.lender.at = if detached || arm.is_some() {
                        LenderAt::Rest
                    } else {
                        LenderAt::Act
                    };
                    self.reach(w, LENDER, "offers");
                }
                Err(_) => {
                    w.lender.phase = Phase::Idle;
                    self.lender_idle(w, "may not offer");
                }
            }
        }
    }

    /// The future is polled, dropped or forgotten, or hands over its box.
    fn lender_rests(&mut self, world: World) {
        let state = world.state();
        let Lender {
            phase,
            terms,
            boxed,
            detached,
            ..
        } = world.lender;
        if !detached {
            let mut w = world;
            if w.ending().is_some() {
                w.lender.woken = false;
                self.lender_ends(w, "is polled, and is done");
            } else if state.lender_key().is_none() {
                w.lender.woken = false;
                w.lender.at = LenderAt::Act;
                self.reach(w, LENDER, "is polled, and registers");
            }
        }
        if phase == Phase::Taken {
            // It blocks, or is polled to its end.
            return;
        }
        if !detached && self.what.full {
            let mut w = world;
            w.lender.phase = Phase::Idle;
            w.lender.woken = false;
            self.lender_idle(w, "forgets its future");
        }
        if self.what.calm && terms != Terms::Open {
            return;
        }
        if phase == Phase::Offered && !detached {
            self.lender_withdraws(world);
        }
        let mut w = world;
        match phase {
            #[cfg(feature = "alloc")]
            Phase::Offered if boxed => {
                w.word = state.handed_over().0;
                if state.guards() > 0 {
                    assert!(!w.box_out, "two boxes are out");
                    w.box_out = true;
                }
                w.lender.at = LenderAt::EndDisarm;
                self.lender_leaves(w, "hands its box over");
            }
            Phase::Offered => {
                w.word = state.withdrawn().0;
                if world.is_refused_by_withdraw() {
                    assert_eq!(w.state().guards(), 0, "a refused loan is out");
                    self.lender_leaves(w, "withdraws");
                } else {
                    w.lender.phase = Phase::Taken;
                    w.lender.detached = false;
                    w.lender.at = LenderAt::Disarm;
                    self.reach(w, LENDER, "withdraws what was taken");
                }
            }
            _ => self.lender_leaves(w, "drops its future"),
        }
        let _ = boxed;
    }

    /// It withdraws, and is polled on.
    fn lender_withdraws(&mut self, world: World) {
        let mut w = world;
        w.word = w.state().withdrawn().0;
        if world.is_refused_by_withdraw() {
            return self.lender_leaves(w, "withdraws, and is polled");
        }
        w.lender.phase = Phase::Taken;
        if w.ending().is_some() {
            w.lender.woken = false;
            self.lender_ends(w, "withdraws what is back, and is polled");
        } else {
            self.reach(w, LENDER, "withdraws what is out, and waits for it");
        }
    }

    // ----- a borrower --------------------------------------------------------------------------------------

    fn borrower(&mut self, world: World, i: usize) {
        let who = i as u8;
        self.label = (who, "steps");
        let b = world.borrowers[i];
        let state = world.state();
        let mut w = world;
        match b.at {
            At::Gone => {}
            At::Rest if b.guards > 0 => self.holder(world, i),
            At::Rest => {
                // `borrow`, or another poll of it; `try_borrow`.
                w.borrowers[i].wants = true;
                if !self.what.calm || !b.wants || b.registration == Registration::Notified {
                    self.attempt(w, i, Call::Look);
                }
                if b.turn.is_counted() && !self.what.calm {
                    if b.wants && self.what.forget {
                        let mut w = world;
                        w.borrowers[i].wants = false;
                        w.borrowers[i].old = true;
                        self.reach(w, who, "forgets its future");
                    }
                    let mut w = world;
                    w.borrowers[i].at = if N::MANY { At::CancelDeregister } else { At::Cancel };
                    w.borrowers[i].wants = false;
                    self.reach(w, who, "drops its future");
                }
                if !b.wants {
                    if self.what.block {
                        if N::MANY && b.turn == Turn::Asked {
                            // This call inherits the wake of a forgotten future.
                            w.borrowers[i].turn = Turn::Woken;
                        }
                        self.attempt(w, i, Call::SpinFirst);
                    }
                    // A remaining request is given up first, as when a future is dropped.
                    if !b.turn.is_counted() && !self.what.calm {
                        self.leave(world, i);
                    }
                }
            }
            At::Looked => {
                if b.registration == Registration::Here && !b.old {
                    w.borrowers[i].at = At::Rest;
                    self.reach(w, who, "is registered already");
                } else {
                    w.borrowers[i].at = match b.turn {
                        Turn::Asked if self.exclusive => {
                            w.borrowers[i].turn = Turn::Woken;
                            At::LookWoken
                        }
                        Turn::Woken if self.exclusive => At::MarkCount,
                        _ => At::Register,
                    };
                    self.reach(w, who, "is not registered any more");
                }
            }
            At::LookWoken => self.attempt(w, i, Call::LookWoken),
            At::MarkCount => {
                w.borrowers[i].turn = Turn::Starving;
                w.borrowers[i].at = At::MarkBit;
                w.starvers += 1;
                self.reach(w, who, "is counted as starving");
            }
            At::MarkBit => {
                w.word = state.starved().0;
                w.borrowers[i].at = At::Register;
                self.reach(w, who, "sets STARVING");
            }
            At::Register => {
                self.end_registration(&mut w, i);
                w.borrowers[i].registration = Registration::Here;
                w.borrowers[i].at = At::Ask;
                self.reach(w, who, "registers");
                if b.turn == Turn::Newcomer && !self.what.calm {
                    self.rest(world, i, "borrows nothing");
                }
            }
            At::Ask => self.attempt(w, i, Call::Ask),
            At::SpinDisarm => {
                w.word = state.borrower_disarmed().0;
                self.end_registration(&mut w, i);
                w.borrowers[i].at = At::SpinAsk;
                self.reach(w, who, "takes its registration back");
            }
            At::SpinAsk => self.attempt(w, i, Call::AskUnregistered),
            At::Doubt | At::DoubtTake | At::DoubtAsk => self.doubt(w, i),
            At::Spin => {
                self.attempt(w, i, Call::Spin);
                let mut w = world;
                w.borrowers[i].at = At::Register;
                self.reach(w, who, "spins no more");
            }
            At::EndCount | At::EndCountSate => {
                w.starvers -= 1;
                if b.at == At::EndCount {
                    return self.end_wait(w, i, "starves no more");
                }
                w.borrowers[i].at = At::Sate;
                self.reach(w, who, "starves no more");
            }
            At::Sate if world.starvers > 0 => self.end_wait(w, i, "sees that others starve"),
            At::Sate => {
                w.borrowers[i].at = At::SateDown;
                self.reach(w, who, "sees that nobody starves");
            }
            At::SateDown => {
                w.word = state.sated().0;
                w.borrowers[i].at = At::SateLook;
                self.reach(w, who, "clears STARVING");
            }
            At::SateLook if world.starvers == 0 => self.end_wait(w, i, "sees that still nobody starves"),
            At::SateLook => {
                w.borrowers[i].at = At::SateUp;
                self.reach(w, who, "sees that somebody starves now");
            }
            At::SateUp => {
                w.word = state.starved().0;
                w.stale |= state.requests() == 0;
                self.end_wait(w, i, "sets STARVING again");
            }
            At::Deregister => {
                self.end_registration(&mut w, i);
                self.rest(w, i, "deregisters");
            }
            At::Cancel => {
                w.word = state.borrower_disarmed().0;
                w.borrowers[i].at = At::CancelDeregister;
                self.reach(w, who, "does not wait any more");
            }
            At::CancelDeregister => {
                self.end_registration(&mut w, i);
                w.borrowers[i].at = if b.turn == Turn::Starving {
                    At::CancelCount
                } else {
                    At::GiveUp
                };
                self.reach(w, who, "deregisters");
            }
            At::CancelCount => {
                w.starvers -= 1;
                w.borrowers[i].at = At::GiveUp;
                self.reach(w, who, "starves no more");
            }
            At::GiveUp => {
                let next = state.given_up();
                self.claimed(&mut w, next);
                w.borrowers[i].turn = Turn::Newcomer;
                self.pass_on_and_rest(w, i, next.is_unanswered(self.exclusive), "gives up");
            }
            At::PassOn => {
                w.borrowers[i].at = At::Rest;
                self.wake_one(w, who);
            }
            At::Disposed => self.give_back(w, i),
            At::Tell => {
                self.claimed(&mut w, state.borrowers_left());
                w.borrowers[i].at = At::Gone;
                self.reach(w, who, "says that all are gone");
            }
        }
    }

    /// The borrower is dropped.
    fn leave(&mut self, mut w: World, i: usize) {
        let others = w.borrowers.iter().filter(|b| b.is_present()).count() > 1;
        w.borrowers[i] = NOBODY;
        if !others {
            w.borrowers[i].at = At::Tell;
        }
        self.reach(w, i as u8, "is dropped");
    }

    /// Takes, learns that the lender is gone, is in doubt, or has to wait.
    fn attempt(&mut self, mut w: World, i: usize, call: Call) {
        let b = w.borrowers[i];
        let state = w.state();
        if let Some(next) = state.taken_or_gone(b.turn, self.exclusive) {
            self.end_turn(w, i, next);
        } else if N::MANY && state.is_available(self.exclusive) {
            w.borrowers[i].at = At::Doubt;
            w.borrowers[i].seen = w.word;
            w.borrowers[i].call = call;
            self.reach(w, i as u8, "sees a loan for others");
        } else {
            self.wait(w, i, call);
        }
    }

    /// Mirrors `Link::taken_where_none_starves`.
    fn doubt(&mut self, world: World, i: usize) {
        let mut w = world;
        let Borrower {
            at, turn, seen, call, ..
        } = w.borrowers[i];
        if at == At::Doubt {
            if w.starvers == 0 {
                w.borrowers[i].at = At::DoubtTake;
                return self.reach(w, i as u8, "sees that nobody starves");
            } else if matches!(call, Call::Ask | Call::AskUnregistered) {
                w.borrowers[i].at = At::DoubtAsk;
                return self.reach(w, i as u8, "sees that others starve");
            }
        }
        w.borrowers[i].seen = 0;
        w.borrowers[i].call = Call::Look;
        if at == At::Doubt {
            self.wait(w, i, call);
        } else if w.word != seen {
            self.attempt(w, i, call);
        } else if at == At::DoubtTake {
            let next = w.state().taken(turn);
            self.end_turn(w, i, next);
        } else {
            self.wait(w, i, call);
        }
    }

    /// There is nothing to take.
    fn wait(&mut self, mut w: World, i: usize, call: Call) {
        let b = w.borrowers[i];
        let state = w.state();
        let armed = state.borrower_key().is_some();
        w.borrowers[i].at = match call {
            Call::Look if N::MANY && b.turn.is_counted() => At::Looked,
            Call::Look if armed => At::Rest,
            Call::Look => At::Register,
            Call::LookWoken => At::MarkCount,
            Call::SpinFirst if armed => At::SpinDisarm,
            Call::SpinFirst => At::SpinAsk,
            Call::Spin | Call::AskUnregistered => At::Spin,
            Call::Ask => At::Rest,
        };
        if matches!(call, Call::Ask | Call::AskUnregistered) {
            let arm = Some(KEY).filter(|_| !N::MANY && call == Call::Ask);
            let next = state.requested(b.turn, arm);
            self.claimed(&mut w, next);
            w.borrowers[i].turn = b.turn.max(Turn::Asked);
            self.reach(w, i as u8, "asks");
        } else {
            self.reach(w, i as u8, "looks in vain");
        }
    }

    /// It takes, or learns that the lender is gone.
    fn end_turn(&mut self, mut w: World, i: usize, next: State) {
        let b = w.borrowers[i];
        let before = w.state();
        let taken = before.is_available(self.exclusive);
        if taken {
            assert!(before.is_offered(), "takes what is not on offer");
            assert!(!self.exclusive || before.guards() == 0, "takes what another one has");
            let others = w.borrowers.iter().enumerate().filter(|&(j, _)| j != i);
            let beaten = others.map(|(_, b)| b).any(|b| b.may_not_be_beaten());
            // A borrower in doubt has seen that nobody starves. Any borrower that starves now began to after that.
            let may = b.turn.was_woken() || b.at == At::DoubtTake || !self.exclusive;
            assert!(may || !beaten, "a starving borrower is beaten by a newcomer");
            w.borrowers[i].guards = 1;
        } else {
            assert!(before.lender_gone(), "ends its turn with nothing");
        }
        w.word = next.0;
        w.borrowers[i].turn = Turn::Newcomer;
        let sates = next.is_starving() && next.guards() > 0;
        let what = if taken {
            "takes"
        } else {
            "learns that the lender is gone"
        };
        w.borrowers[i].at = match (b.turn == Turn::Starving, sates) {
            (true, false) => At::EndCount,
            (true, true) => At::EndCountSate,
            (false, true) => At::Sate,
            (false, false) => return self.end_wait(w, i, what),
        };
        self.reach(w, i as u8, what);
    }

    fn end_wait(&mut self, mut w: World, i: usize, what: &'static str) {
        if w.borrowers[i].registration == Registration::None {
            return self.rest(w, i, what);
        }
        w.borrowers[i].at = At::Deregister;
        self.reach(w, i as u8, what);
    }

    /// For a single borrower, a wake that arrives later has no effect.
    fn end_registration(&self, w: &mut World, i: usize) {
        w.borrowers[i].registration = Registration::None;
        w.borrowers[i].old = false;
        if !N::MANY {
            w.lender.notice = 0;
        }
    }

    fn rest(&mut self, mut w: World, i: usize, what: &'static str) {
        w.borrowers[i].wants = false;
        w.borrowers[i].at = At::Rest;
        self.reach(w, i as u8, what);
    }

    fn pass_on_and_rest(&mut self, mut w: World, i: usize, unanswered: bool, what: &'static str) {
        w.borrowers[i].at = if N::MANY && unanswered { At::PassOn } else { At::Rest };
        self.reach(w, i as u8, what);
    }

    fn holder(&mut self, world: World, i: usize) {
        if world.borrowers[i].guards < self.what.parts {
            let mut w = world;
            w.word = w.state().guard_added().0;
            w.borrowers[i].guards += 1;
            self.reach(w, i as u8, "parts its guard");
        }
        if world.state().must_dispose() {
            let mut w = world;
            assert!(w.box_out, "a box is freed twice");
            w.box_out = false;
            w.borrowers[i].at = At::Disposed;
            // The guard is still out: see `check`.
            return self.reach(w, i as u8, "frees the box");
        }
        self.give_back(world, i);
    }

    fn give_back(&mut self, mut w: World, i: usize) {
        let next = w.state().returned();
        // Not while a box is being handed over.
        let is_open = w.lender.phase == Phase::Offered && w.lender.at == LenderAt::Rest;
        if is_open && w.lender.terms == Terms::Open {
            assert!(
                w.state().lender_notice(next).is_none(),
                "a return to an open offer wakes the lender"
            );
        }
        self.claimed(&mut w, next);
        w.borrowers[i].guards -= 1;
        assert!(next.guards() > 0 || !w.box_out, "nobody frees the box");
        if is_open {
            match w.lender.terms {
                Terms::Plain | Terms::OnRequest => assert!(!next.is_offered(), "a loan for once is on offer again"),
                Terms::Open => assert!(next.is_offered(), "a return takes an open offer down"),
                Terms::OpenOnRequest => {
                    let waits = next.guards() > 0 || next.requests() > 0;
                    assert_eq!(next.is_offered(), waits, "on offer where nobody waits, or the reverse");
                }
            }
        }
        let last = next.guards() == 0;
        self.pass_on_and_rest(w, i, last && next.is_unanswered(true), "returns a guard");
    }
}

fn explore<N: Notifier>(exclusive: bool, what: What) {
    let began = std::time::Instant::now();
    let explorer = Explorer::<N>::run(exclusive, what);
    eprintln!(
        "{} {} {what:?}: {} states, {} words, {} steps, {:?}",
        if exclusive { "exclusive" } else { "shared" },
        if N::MANY { "many" } else { "single" },
        explorer.worlds.len(),
        explorer.words.len(),
        explorer.edges.len(),
        began.elapsed(),
    );
}

/// One borrower, with everything enabled.
const ONE: What = What {
    borrowers: 1,
    parts: 2,
    block: true,
    forget: true,
    full: true,
    calm: false,
};
const TWO: What = What {
    borrowers: 2,
    parts: 1,
    block: false,
    forget: false,
    ..ONE
};
const THREE: What = What {
    borrowers: 3,
    full: false,
    calm: true,
    ..TWO
};

#[test]
fn one_borrower() {
    explore::<WakerSlot>(true, ONE);
    explore::<WakerSlot>(false, ONE);
    explore::<WakerQueue>(true, ONE);
    explore::<WakerQueue>(false, ONE);
}

#[test]
fn two_borrowers_exclusive() {
    explore::<WakerQueue>(true, TWO);
}

#[test]
fn two_borrowers_exclusive_unusual() {
    explore::<WakerQueue>(
        true,
        What {
            block: true,
            forget: true,
            full: false,
            ..TWO
        },
    );
}

#[test]
fn two_borrowers_shared() {
    explore::<WakerQueue>(
        false,
        What {
            parts: 2,
            block: true,
            forget: true,
            ..TWO
        },
    );
}

#[test]
fn three_borrowers() {
    explore::<WakerQueue>(false, THREE);
    explore::<WakerQueue>(true, THREE);
}
