//! A frame loop lends its world to async tasks, at the frame's end and for a bounded time.
//!
//! The problem: an engine hands `&mut World` to a callback once a frame and wants it back when that returns. Tasks for
//! the network or for scripts live on a runtime on other threads, and the world can neither be moved to them nor be
//! kept behind a lock. A frame must not wait for a task: not for one that asks for nothing, and not for one that asked
//! and then was cancelled.
//!
//! What is bounded is the time in which tasks may *begin* to borrow. A frame does wait for who has a guard, so a task
//! changes the world and drops the guard before its next `.await`.
//!
//! Run: `cargo run --release --example game_loop`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const FRAME: Duration = Duration::from_millis(5);
/// How long in a frame tasks may begin to borrow the world.
const BUDGET: Duration = Duration::from_millis(2);
const TASKS: u32 = 6;
const CHANGES: u32 = 20;

#[derive(Default)]
struct World {
    tick: u64,
    changes: u32,
}

type Borrower = RefMutBorrower<'static, World, WakerQueue>;
type Lender = RefMutLender<'static, World, WakerQueue>;

/// Stands for an engine that you did not write: the world is on its stack, and only the callback sees it.
fn engine(mut on_frame: impl FnMut(&mut World) -> bool) -> World {
    let mut world = World::default();
    loop {
        let start = Instant::now();
        world.tick += 1;
        thread::sleep(Duration::from_millis(1)); // physics, drawing
        if !on_frame(&mut world) {
            return world;
        }
        thread::sleep(FRAME.saturating_sub(start.elapsed())); // vertical sync
    }
}

/// Serves who waits by now, one after the other, and returns at once if there is nobody.
fn serve_waiting(lender: &mut Lender, world: &mut World, deadline: Instant) -> u32 {
    let mut served = 0;
    while Instant::now() < deadline && lender.try_lend_blocking(world).is_ok() {
        served += 1;
    }
    served
}

/// Leaves the world on offer for the rest of the budget, while this thread does something else (here: sleeps).
fn stay_open(lender: &mut Lender, world: &mut World, deadline: Instant) {
    lender.lend_while(world, || {
        thread::sleep(deadline.saturating_duration_since(Instant::now()))
    });
}

static CANCELLED: AtomicU32 = AtomicU32::new(0);

/// Asks for the world again and again, each time for less than a frame: most requests are cancelled.
async fn impatient_task(mut borrower: Borrower) {
    let mut changes = 0;
    while changes < CHANGES {
        match timeout(Duration::from_millis(1), borrower.borrow()).await {
            Ok(Ok(mut world)) => {
                world.changes += 1;
                changes += 1;
            }
            Ok(Err(_)) => return, // the engine is gone
            Err(_) => _ = CANCELLED.fetch_add(1, Ordering::Relaxed),
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut lender, borrower) = RefMutChannel::<World, WakerQueue>::new().into_split();
    for _ in 0..TASKS {
        runtime.spawn(impatient_task(borrower.clone()));
    }
    // This one is killed in the middle of its request.
    let mut doomed = borrower;
    let doomed = runtime.spawn(async move { doomed.borrow().await.map(drop) });

    let (mut frames, mut longest) = (0, Duration::ZERO);
    let world = engine(|world| {
        let start = Instant::now();
        let deadline = start + BUDGET;
        if world.tick == 1 {
            doomed.abort();
        }
        let served = serve_waiting(&mut lender, world, deadline);
        let before = world.changes;
        stay_open(&mut lender, world, deadline);
        let late = world.changes - before;

        let time = start.elapsed();
        longest = longest.max(time);
        frames += 1;
        println!("frame {frames:3}: {served} were waiting, {late} came later, {time:.1?}");
        // When the last task is done, nobody can ask for the world any more.
        !lender.is_disconnected()
    });

    let cancelled = CANCELLED.load(Ordering::Relaxed);
    println!(
        "{} changes, the longest frame took {longest:.1?}, {cancelled} requests were cancelled",
        world.changes
    );
    println!("no frame was stalled: {}", longest < Duration::from_secs(1));
    assert_eq!(world.changes, TASKS * CHANGES);
    assert!(cancelled > 0 && longest < Duration::from_secs(1));
}
