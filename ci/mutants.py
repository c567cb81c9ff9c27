#!/usr/bin/env python3
"""Each rule that the soundness rests on is guarded: broken, it makes a named model or test fail.

The crate is copied, and in the copy each rule below is broken where an environment variable says so, so that one build
serves all. Then the named models and tests run with that one rule broken, and each has to fail: by a panic, an abort, or a
hang. docs/soundness.md tells the rules.
"""

import concurrent.futures
import os
import pathlib
import sys
import tempfile

import orderings

VARIABLE = "REF_CHANNEL_BROKEN"
BROKEN = """
/// Whether this run breaks the rule.
pub(crate) fn broken(rule: &str) -> bool {
    static RULE: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    RULE.get_or_init(|| std::env::var("%s").ok()).as_deref() == Some(rule)
}
""" % VARIABLE

# Where a rule is: the file, what is there, and what is there in its place, where BROKEN says whether it is broken. And the
# models that have to fail then.
RULES = {
    "a dropped loan waits for its guards": (
        "src/loan.rs",
        "if loan.phase == Phase::Taken {",
        "if loan.phase == Phase::Taken && !BROKEN {",
        ["cancel::lend_dropped_waker_slot", "cancel::lend_owned_dropped_waker_slot", "shared::clones_of_a_dropped_lend"],
    ),
    "a dropped loan withdraws its offer": (
        "src/loan.rs",
        "loan.withdraw();\n        if loan",
        "if !BROKEN {\n            loan.withdraw();\n        }\n        if loan",
        ["cancel::lend_dropped_waker_slot"],
    ),
    "serve_while waits for its guards": (
        "src/loan.rs",
        "if self.loan.phase != Phase::Told {",
        "if self.loan.phase != Phase::Told && !(BROKEN && self.loan.terms == Terms::Open) {",
        ["blocking::while_exclusive_waker_slot", "blocking::while_shared"],
    ),
    "a loan begins only behind one that was forgotten": (
        "src/loan.rs",
        "let phase = if state.is_idle() && terms",
        "let phase = if (state.is_idle() || BROKEN) && terms",
        [
            "forgotten::lend_after_forgotten_waker_slot",
            "forgotten::lend_blocking_after_forgotten",
            "serve::static_dropped_waker_slot",
        ],
    ),
    "the guards of a forgotten loan are waited for": (
        "src/loan.rs",
        "if state.is_settled() {\n                    return self.start(arm);",
        "if state.is_settled() || BROKEN {\n                    return self.start(arm);",
        ["forgotten::lend_after_forgotten_waker_slot", "boxed::lend_after_dropped"],
    ),
    "the end is a look at the state, not a guess": (
        "src/loan.rs",
        "let is_back = self.link().look().is_back();",
        "let is_back = self.link().look().is_back() || BROKEN;",
        ["loan::one_waker_slot"],
    ),
    "a box that is out is handed over": (
        "src/future/source.rs",
        "let is_out = lending.as_mut().hand_over();",
        "let is_out = lending.as_mut().hand_over() && !BROKEN;",
        ["boxed::dropped_waker_slot", "boxed::dropped_shared", "serve::serve_dropped_waker_slot"],
    ),
    "the last guard frees the box": (
        "src/state/link.rs",
        "if let Some(Disposal { free, place }) = disposal {",
        "if let Some(Disposal { free, place }) = disposal.filter(|_| !BROKEN) {",
        ["boxed::dropped_waker_slot"],
    ),
    "the box is freed before the loan is over": (
        "src/state/link.rs",
        "let _finally = Finally(self);",
        "let _finally = Finally(self);\n        if BROKEN {\n            let _ = self.give_back_last(self.look(), true);\n        }",
        ["boxed::lend_after_dropped"],
    ),
    "an exclusive loan is taken once": (
        "src/state/word.rs",
        "pub(super) const fn is_available(self, exclusive: bool) -> bool {\n        self.has(OFFER) && !(exclusive",
        "pub(super) fn is_available(self, exclusive: bool) -> bool {\n        self.has(OFFER) && !(exclusive && !BROKEN",
        ["many::while_exclusive_waker_queue"],
    ),
    "the last borrower to go wakes the server": (
        "src/state/word.rs",
        "pub(super) const fn borrowers_left(self) -> Self {\n        Self(self.lender_claimed().0",
        "pub(super) fn borrowers_left(self) -> Self {\n        Self(if BROKEN { self } else { self.lender_claimed() }.0",
        ["serve::until_all_are_gone_waker_slot", "serve::two_in_turn_waker_queue"],
    ),
    "a withdrawn serve that is out is waited for": (
        "src/loan.rs",
        "Phase::Taken if state.guards() == 0 => Poll::Ready(Ok(())),",
        "Phase::Taken if state.guards() == 0 || BROKEN => Poll::Ready(Ok(())),",
        ["serve::withdrawn_waker_slot", "serve::deadline_park"],
    ),
    "each guard is counted": (
        "src/guard.rs",
        "self.link.add_guard();",
        "if !BROKEN {\n            self.link.add_guard();\n        }",
        ["shared::clones", "shared::parts"],
    ),
    "who was woken and gives up passes the wake on": (
        "src/state/link.rs",
        "self.pass_on(after, exclusive);\n    }",
        "if !BROKEN {\n            self.pass_on(after, exclusive);\n        }\n    }",
        ["many::cancelled_as_it_is_woken_waker_queue"],
    ),
    "a return to an open offer wakes the next borrower": (
        "src/state/link.rs",
        "self.pass_on(after, true);",
        "if !BROKEN {\n            self.pass_on(after, true);\n        }",
        ["many::while_exclusive_waker_queue"],
    ),
    "who was woken in vain is not beaten again": (
        "src/state/word.rs",
        "(!self.is_starving() || turn",
        "(!self.is_starving() || BROKEN || turn",
        ["fair::one_begins_to_starve_as_another_is_served"],
    ),
    "newcomers come in again when nobody starves, and not before": (
        "src/state/link.rs",
        "if self.starvers() > 0 {\n            // Ordering: relaxed, it restores",
        "if self.starvers() > 0 && !BROKEN {\n            // Ordering: relaxed, it restores",
        ["fair::one_begins_to_starve_as_another_is_served"],
    ),
    "who gives up withdraws a loan that nobody else asked for": (
        "src/state/link.rs",
        "Some(State(word).given_up().0)",
        "Some(if BROKEN { State(word).without_request(Turn::Asked) } else { State(word).given_up() }.0)",
        ["try_lend::given_up_waker_slot"],
    ),
    "a request wakes who watches for it": (
        "src/state/word.rs",
        "const fn is_quiet(self) -> bool {\n        self.0 & (OFFER | WATCHING",
        "fn is_quiet(self) -> bool {\n        self.0 & (OFFER | if BROKEN { 0 } else { WATCHING }",
        ["requested::made_waker_slot"],
    ),
    "the slot: a cell that is busy is not written": (
        "src/notifier/slot.rs",
        "self.busy[index::<CELLS>(cell)].load(Ordering::Acquire)",
        "self.busy[index::<CELLS>(cell)].load(Ordering::Acquire) && !BROKEN",
        ["wakers::lender_moves_twice_waker_slot", "wakers::borrower_moves_twice_waker_slot"],
    ),
    "the slot: what was claimed is not taken back": (
        "src/notifier/slot.rs",
        "if let Some(cell) = unclaimed {",
        "let unclaimed = if BROKEN { Some(FIRST) } else { unclaimed };\n        if let Some(cell) = unclaimed {",
        ["wakers::lender_moves_twice_waker_slot"],
    ),
    "the slot: each claim is a release": (
        "src/state/link.rs",
        "// wakes before it (see `Slot`).\n            let step = self.word.fetch_update(Ordering::AcqRel,",
        "let claim = if BROKEN { Ordering::Acquire } else { Ordering::AcqRel };\n"
        "            let step = self.word.fetch_update(claim,",
        ["wakers::lender_moves_ahead_of_its_wakes_waker_slot"],
    ),
    "the queue: a node is in it only while its waiter is there": (
        "src/notifier/waker_queue.rs",
        "if let Some(node) = seat.0.take() {",
        "if let Some(node) = seat.0.take().filter(|_| !BROKEN) {",
        ["cancel::borrow_dropped_waker_queue"],
    ),
    "a half notifies before it leaves": (
        "src/lender.rs",
        "let leave = Leave(self.0);",
        "if BROKEN {\n            let channel = self.0;\n            core::mem::forget(Leave(channel));\n"
        "            // SAFETY: it is not.\n            unsafe { channel.leave() };\n"
        "            channel.link().set_lender_gone();\n            return;\n        }\n"
        "        let leave = Leave(self.0);",
        ["disconnect::idle::idle", "disconnect::borrow::lend"],
    ),
    "the lender's drop withdraws what was forgotten": (
        "src/state/link.rs",
        "Some(State(word).lender_left::<N>().0)",
        "Some(State(word).lender_left::<N>().0 | if BROKEN { word & 1 } else { 0 })",
        ["forgotten::lender_gone_after_forgotten"],
    ),
    "a static is split when no guard is out": (
        "src/state/link.rs",
        "if State(self.word.load(Ordering::Relaxed)).guards() > 0 {",
        "if State(self.word.load(Ordering::Relaxed)).guards() > 0 && !BROKEN {",
        ["disconnect::split_after_forgotten_guard"],
    ),
    "a static is split by one at a time": (
        "src/state/link.rs",
        "if idle.is_err() {",
        "if idle.is_err() && !BROKEN {",
        ["disconnect::split_again", "disconnect::split_by_two"],
    ),
}


def copy(into):
    """Copies the crate, with the rules to be broken."""
    orderings.copy_tree(into)
    for rule, (file, there, instead, _) in RULES.items():
        path = into / file
        text = path.read_text()
        if text.count(there) != 1:
            sys.exit(f"mutants: {file} has {text.count(there)} times what the rule '{rule}' looks for")
        path.write_text(text.replace(there, instead.replace("BROKEN", f'crate::sync::broken("{rule}")')))
    with open(into / "src/sync.rs", "a") as sync:
        sync.write(BROKEN)


def main():
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        copy(tree)
        binary = orderings.build(tree)

        def judge(job):
            rule, model = job
            unbroken = orderings.run(binary, model, orderings.QUICK, 300)
            broken = {VARIABLE: rule}
            # With few preemptions first, for most are found so.
            why = orderings.run(binary, model, orderings.QUICK | broken, 60) or orderings.run(binary, model, broken, 300)
            return unbroken, why

        jobs = [(rule, model) for rule, (_, _, _, models) in RULES.items() for model in models]
        bad = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for (rule, model), (unbroken, why) in zip(jobs, pool.map(judge, jobs)):
                if unbroken:
                    why = f"FAILS ANYWAY: {unbroken}"
                bad += bool(unbroken) or not why
                print(f"{rule:58} {model:48} {why or 'NOTHING FAILED'}", flush=True)
    if bad:
        sys.exit(f"mutants: {bad} of {len(jobs)} unexpected")
    print(f"mutants: ok, {len(RULES)} rules, each breaks the {len(jobs)} models that guard them")


if __name__ == "__main__":
    main()
