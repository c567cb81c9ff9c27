//! Two tasks on the executors that people use, with threads of their own.

use std::time::{Duration, Instant};

use ref_channel::notifier::{AtomicWaker, Event, WakerQueue, WakerSlot};

use crate::entrant::{Group, Role, Run};
use crate::exec::{AsyncStd, Smol, Spawn, Tokio};
use crate::pairs::{
    AsyncChannel, Embassy, Flume0, Flume1, Kanal0, Kanal1, Ours, Pair, PublishedDesign, TokioMpsc, TokioOneshot, Turns,
};

fn run<E: Spawn, P: Pair>(rounds: u64) -> Duration {
    let (a, b) = P::tasks(rounds);
    let start = Instant::now();
    E::run(a, b);
    start.elapsed()
}

fn entrants<E: Spawn>() -> Vec<(&'static str, Role, Run)> {
    vec![
        ("WakerSlot", Role::Ours, run::<E, Ours<WakerSlot>>),
        ("WakerQueue", Role::Backend, run::<E, Ours<WakerQueue>>),
        ("AtomicWaker", Role::Backend, run::<E, Ours<AtomicWaker>>),
        ("Event", Role::Backend, run::<E, Ours<Event>>),
        ("floor", Role::Floor, run::<E, Turns>),
        ("published design", Role::Published, run::<E, PublishedDesign>),
        ("async-channel(1)", Role::Peer, run::<E, AsyncChannel>),
        ("tokio mpsc(1)", Role::Peer, run::<E, TokioMpsc>),
        ("tokio mpsc + oneshot", Role::Peer, run::<E, TokioOneshot>),
        ("kanal(0)", Role::Peer, run::<E, Kanal0>),
        ("kanal(1)", Role::Peer, run::<E, Kanal1>),
        ("flume(0)", Role::Peer, run::<E, Flume0>),
        ("flume(1)", Role::Peer, run::<E, Flume1>),
        ("embassy zerocopy", Role::Peer, run::<E, Embassy>),
    ]
}

pub fn groups() -> Vec<Group> {
    vec![
        Group::new("executors/tokio", &entrants::<Tokio>()),
        Group::new("executors/smol", &entrants::<Smol>()),
        Group::new("executors/async-std", &entrants::<AsyncStd>()),
    ]
}
