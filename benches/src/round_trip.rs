//! One thread: both halves in one task, or each in its own, or both in one task of a `block_on` that can park.

use std::time::Duration;

use ref_channel::notifier::{AtomicWaker, Event, Spin, WakerQueue, WakerSlot};

use crate::by_hand::ByHand;
use crate::clock::thread_time;
use crate::entrant::{Group, Role, Run};
use crate::exec::{BlockOn, Joined, Local, Tasks};
use crate::pairs::{
    AsyncChannel, BorrowMutex, Embassy, EmbassyLocal, Floor, Flume0, Flume1, Kanal0, Kanal1, LocalPair, Ours,
    PublishedDesign, TokioMpsc, TokioOneshot,
};

fn run<E: Local, P: LocalPair>(rounds: u64) -> Duration {
    let (a, b) = P::local_tasks(rounds);
    let start = thread_time();
    E::run(a, b);
    thread_time() - start
}

fn entrants<E: Local>() -> Vec<(&'static str, Role, Run)> {
    vec![
        ("WakerSlot", Role::Ours, run::<E, Ours<WakerSlot>>),
        ("WakerQueue", Role::Backend, run::<E, Ours<WakerQueue>>),
        ("AtomicWaker", Role::Backend, run::<E, Ours<AtomicWaker>>),
        ("Event", Role::Backend, run::<E, Ours<Event>>),
        ("Spin", Role::Backend, run::<E, Ours<Spin>>),
        ("floor", Role::Floor, run::<E, Floor>),
        ("by hand", Role::Other("the bare steps"), run::<E, ByHand>),
        ("published design", Role::Published, run::<E, PublishedDesign>),
        ("async-channel(1)", Role::Peer, run::<E, AsyncChannel>),
        ("tokio mpsc(1)", Role::Peer, run::<E, TokioMpsc>),
        ("tokio mpsc + oneshot", Role::Peer, run::<E, TokioOneshot>),
        ("kanal(0)", Role::Peer, run::<E, Kanal0>),
        ("kanal(1)", Role::Peer, run::<E, Kanal1>),
        ("flume(0)", Role::Peer, run::<E, Flume0>),
        ("flume(1)", Role::Peer, run::<E, Flume1>),
        ("embassy zerocopy", Role::Peer, run::<E, Embassy>),
        (
            "embassy zerocopy, no mutex",
            Role::Other("one thread only"),
            run::<E, EmbassyLocal>,
        ),
        ("borrow_mutex", Role::Peer, run::<E, BorrowMutex>),
    ]
}

pub fn groups() -> Vec<Group> {
    vec![
        Group::new("round_trip/joined", &entrants::<Joined>()),
        Group::new("round_trip/tasks", &entrants::<Tasks>()),
        Group::new("round_trip/block_on", &entrants::<BlockOn>()),
    ]
}
