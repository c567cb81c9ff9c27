//! Two threads that block: the one lends, the other adds one to it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use ref_channel::RefMutChannel;
use ref_channel::notifier::{BlockingNotifier, Park, Spin, WakerQueue, WakerSlot};

use crate::clock::thread_time;
use crate::entrant::{Group, Role, Run};
use crate::processor;

/// Runs the halves on two threads, each on a processor of its own, and says how long the first one took from when both were there.
fn race(lend: impl FnOnce(), borrow: impl FnOnce() + Send) -> Duration {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            processor::on(1, || {
                barrier.wait();
                borrow();
            });
        });
        processor::on(0, || {
            barrier.wait();
            let start = Instant::now();
            lend();
            start.elapsed()
        })
    })
}

fn ours<N: BlockingNotifier>(rounds: u64) -> Duration {
    let (mut lender, mut borrower) = RefMutChannel::<u64, N>::new().into_split();
    race(
        move || {
            // As the boxes of the channels it has to be in nobody's way, or the two stacks decide upon the figure.
            let mut value = CachePadded::new(0);
            for _ in 0..rounds {
                lender.lend_blocking(&mut value).expect("the borrower is there");
            }
            assert_eq!(*value, rounds);
        },
        move || {
            for _ in 0..rounds {
                *borrower.borrow_blocking().expect("the lender is there") += 1;
            }
        },
    )
}

/// A box there and back over two channels of one crate.
macro_rules! channels {
    ($name:ident, $new:expr) => {
        fn $name(rounds: u64) -> Duration {
            let (there, at_borrower) = $new;
            let (back, at_lender) = $new;
            race(
                move || {
                    let mut value = Box::new(0);
                    for _ in 0..rounds {
                        there.send(value).expect("the borrower is there");
                        value = at_lender.recv().expect("the borrower is there");
                    }
                    assert_eq!(*value, rounds);
                },
                move || {
                    for _ in 0..rounds {
                        let mut value: Box<u64> = at_borrower.recv().expect("the lender is there");
                        *value += 1;
                        back.send(value).expect("the lender is there");
                    }
                },
            )
        }
    };
}

channels!(kanal0, kanal::bounded(0));
channels!(crossbeam0, crossbeam::channel::bounded(0));
channels!(crossbeam1, crossbeam::channel::bounded(1));
channels!(std0, std::sync::mpsc::sync_channel(0));
channels!(std1, std::sync::mpsc::sync_channel(1));
channels!(flume0, flume::bounded(0));

/// lien has no way of its own to the other thread: its smart pointers go over a channel, the end of a scope waits.
fn lien(rounds: u64) -> Duration {
    let (there, at_borrower) = crossbeam::channel::bounded::<lien::RefMut<u64>>(1);
    race(
        move || {
            let mut value = CachePadded::new(0);
            for _ in 0..rounds {
                let scope = lien::scope!();
                there.send(scope.lend_mut(&mut value)).expect("the borrower is there");
            }
            assert_eq!(*value, rounds);
        },
        move || {
            for _ in 0..rounds {
                *at_borrower.recv().expect("the lender is there") += 1;
            }
        },
    )
}

/// Bare spinning ping-pong on one atomic.
fn floor(rounds: u64) -> Duration {
    let ball = AtomicU64::new(0);
    let play = |first: u64| {
        for round in 0..rounds {
            let due = 2 * round + first;
            while ball.load(Ordering::Acquire) != due {
                std::hint::spin_loop();
            }
            ball.store(due + 1, Ordering::Release);
        }
    };
    race(|| play(0), || play(1))
}

pub fn groups() -> Vec<Group> {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("WakerSlot", Role::Ours, ours::<WakerSlot>),
        ("WakerQueue", Role::Backend, ours::<WakerQueue>),
        ("Park", Role::Backend, ours::<Park>),
        ("Spin", Role::Backend, ours::<Spin>),
        ("floor", Role::Floor, floor),
        ("kanal(0)", Role::Peer, kanal0),
        ("crossbeam-channel(0)", Role::Peer, crossbeam0),
        ("crossbeam-channel(1)", Role::Peer, crossbeam1),
        ("std sync_channel(0)", Role::Peer, std0),
        ("std sync_channel(1)", Role::Peer, std1),
        ("flume(0)", Role::Peer, flume0),
        ("lien + crossbeam-channel(1)", Role::Peer, lien),
    ];
    vec![Group::new("threads", entrants)]
}

/// How much processor time a thread uses that is blocked for so long in a borrow.
pub fn blocked_processor_time<N: BlockingNotifier>(wait: Duration) -> Duration {
    let mut channel = RefMutChannel::<u64, N>::new();
    let (mut lender, mut borrower) = channel.split();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(move || {
            let before = thread_time();
            *borrower.borrow_blocking().expect("the lender is there") += 1;
            thread_time() - before
        });
        std::thread::sleep(wait);
        lender.lend_blocking(&mut 0).expect("the borrower is there");
        blocked.join().expect("no panic")
    })
}
